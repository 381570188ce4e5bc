"""The payment gateway in our own language: what core may ask of whoever moves the money.

`core/payments/stripe_connect.py` is the one that speaks to Stripe (or to the payment sandbox, on the same wire).
Every method is called outside transactions, from worker threads only. A call that changes something carries a `key`:
the same key and parameters are the same act, however often it is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from core.errors import GatewayDown, Refused


class GatewayRefused(Refused):
    """A definite no. `curable` says that the same act may pass later under a new attempt; `code` is the gateway's own."""

    code = "gateway_refused"

    def __init__(self, message: str, *, code: str, curable: bool = False) -> None:
        super().__init__(message, gateway_code=code, curable=curable)
        self.gateway_code = code
        self.curable = curable


class GatewayUnknown(GatewayDown):
    """Nobody knows whether it happened: no answer, a time-out, a 5xx. Ask again with the same key."""

    code = "gateway_unknown"


class GatewayMisused(GatewayRefused):
    """A wrong key, a missing permission, or other parameters under a used key: a person has to look."""

    code = "gateway_misused"


@dataclass(frozen=True, slots=True)
class OrderLine:
    """`unit_amount` is minor units of the order's currency."""

    name: str
    quantity: int
    unit_amount: int


@dataclass(frozen=True, slots=True)
class PaymentOrder:
    """What one hosted page is to collect. Every field was frozen in the payment's row before the first call."""

    payment_id: str
    currency: str
    lines: tuple[OrderLine, ...]
    success_url: str
    cancel_url: str
    expires_at: datetime
    customer_email: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PaymentLink:
    session_id: str
    url: str


@dataclass(frozen=True, slots=True)
class FetchedPayment:
    """What the gateway says of a page now. `amount` is minor units; `currency` may be in either case.

    `paid` only when the money is there; `open` while it may still come; `expired` when it never will.
    """

    session_id: str
    state: Literal["open", "paid", "expired"]
    amount: int
    currency: str
    intent_id: str | None = None
    charge_id: str | None = None


@dataclass(frozen=True, slots=True)
class Refunded:
    id: str
    amount: int


@dataclass(frozen=True, slots=True)
class GatewayEvent:
    """A signed hint that something happened. Only ids are taken from it; the state is fetched.

    `ours` is False for another environment (live and test mixed up) or another application on the same account.
    """

    id: str
    type: str
    object_id: str
    object_kind: str
    payment_id: str | None = None
    account: str | None = None
    ours: bool = True


class Gateway(Protocol):
    def payment_link(self, order: PaymentOrder, *, key: str) -> PaymentLink:
        """Make the hosted page of one attempt. Raises GatewayRefused, GatewayUnknown."""
        ...

    def fetch_payment(self, session_id: str) -> FetchedPayment:
        """The page as it is now. Raises GatewayRefused for an unknown one, GatewayUnknown."""
        ...

    def expire_link(self, session_id: str) -> FetchedPayment:
        """Close an open page and say what became of it; one that was paid meanwhile comes back `paid`."""
        ...

    def refund(self, charge_id: str, amount: int, currency: str, *, key: str, metadata: Mapping[str, str]) -> Refunded:
        """Give back part or all of a charge. Raises GatewayRefused, GatewayUnknown."""
        ...

    def close(self) -> None:
        """Let go of connections; nothing is asked afterwards."""
        ...

    def read_event(self, body: bytes, signature: str) -> GatewayEvent:
        """Check the signature over the raw bytes and read the ids. Raises Refused for a forged, stale or unreadable one."""
        ...
