"""The payment gateway in our own language: what core may ask of whoever moves the money.

`core/payments/stripe_connect.py` is the one that speaks to Stripe (or to the payment sandbox, on the same wire).
Every method is called outside transactions, from worker threads only. A call that changes something carries a `key`:
the same key and parameters are the same act, however often it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
    """What one page is to collect. Every field was frozen in the payment's row before the first call.

    `embedded` makes a page for the shop's own site: it has a client secret instead of an address. `manual` only reserves the money
    on the card, until `capture` or `release`.
    """

    payment_id: str
    currency: str
    lines: tuple[OrderLine, ...]
    success_url: str
    cancel_url: str
    expires_at: datetime
    customer_email: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    embedded: bool = False
    manual: bool = False


@dataclass(frozen=True, slots=True)
class PaymentLink:
    """A page that was made: `url` of a hosted one, `client_secret` of an embedded one."""

    session_id: str
    url: str | None
    client_secret: str | None = None


@dataclass(frozen=True, slots=True)
class FetchedPayment:
    """What the gateway says of a page now. `amount` is minor units; `currency` may be in either case.

    `paid` only when the money is there; `open` while it may still come; `authorized` while it is only reserved, until
    `capture_by`; `expired` when it never will be there.
    """

    session_id: str
    state: Literal["open", "authorized", "paid", "expired"]
    amount: int
    currency: str
    intent_id: str | None = None
    charge_id: str | None = None
    capture_by: datetime | None = None


@dataclass(frozen=True, slots=True)
class Refunded:
    id: str
    amount: int


@dataclass(frozen=True, slots=True)
class PayeeOrder:
    """An account for somebody who is to receive money. `country` is two letters; frozen in the payee's row."""

    party: str
    party_id: str
    name: str
    email: str
    country: str
    currency: str


@dataclass(frozen=True, slots=True)
class FetchedAccount:
    """What the gateway says of an account now; money can be sent to it only while it is `active`.

    `needs` are the gateway's own words for what is missing.
    """

    account_id: str
    state: Literal["pending", "active", "restricted", "rejected"]
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TransferOrder:
    """Part of a charge for one account, in minor units; `group` ties everything of one payment together."""

    charge_id: str
    account_id: str
    amount: int
    currency: str
    group: str


@dataclass(frozen=True, slots=True)
class Moved:
    """A transfer or a reversal that was carried out."""

    id: str
    amount: int


@dataclass(frozen=True, slots=True)
class FetchedDispute:
    """What the gateway says of a dispute now. `withdrawn` while its money is with the bank; `status` is the gateway's word,
    of which only won and lost are final."""

    dispute_id: str
    charge_id: str
    amount: int
    currency: str
    status: str
    reason: str
    withdrawn: bool
    due_by: datetime | None = None


@dataclass(frozen=True, slots=True)
class Movement:
    """One thing the gateway has booked, for reconciliation: kind is charge, refund, transfer or reversal."""

    kind: Literal["charge", "refund", "transfer", "reversal"]
    id: str
    amount: int
    currency: str
    at: datetime
    charge_id: str | None = None


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

    def client_secret(self, session_id: str) -> str | None:
        """What the browser needs to show an embedded page; None for a hosted one or one that is over. Never stored by us.
        Raises GatewayRefused for an unknown one, GatewayUnknown."""
        ...

    def fetch_payment(self, session_id: str) -> FetchedPayment:
        """The page as it is now. Raises GatewayRefused for an unknown one, GatewayUnknown."""
        ...

    def expire_link(self, session_id: str) -> FetchedPayment:
        """Close an open page and say what became of it; one that was paid meanwhile comes back `paid`."""
        ...

    def capture(self, session_id: str, *, key: str) -> FetchedPayment:
        """Take the money that a page has reserved and say what became of it; one whose time was over comes back `expired`.
        Raises GatewayRefused for an unknown one, GatewayUnknown."""
        ...

    def release(self, session_id: str, *, key: str) -> FetchedPayment:
        """Close the page and let go of what it has reserved; one that was captured meanwhile comes back `paid`."""
        ...

    def refund(self, charge_id: str, amount: int, currency: str, *, key: str, metadata: Mapping[str, str]) -> Refunded:
        """Give back part or all of a charge. Raises GatewayRefused, GatewayUnknown."""
        ...

    def refund_has_failed(self, refund_id: str) -> bool:
        """Did the bank send this refund back? Raises GatewayRefused for an unknown one, GatewayUnknown."""
        ...

    def create_account(self, order: PayeeOrder, *, key: str) -> str:
        """Make the account of a payee; returns its id. Raises GatewayRefused, GatewayUnknown."""
        ...

    def onboarding_link(self, account_id: str, *, return_url: str, refresh_url: str) -> str:
        """The gateway's own page on which the payee says who they are. Works once and soon ends: make it on the click."""
        ...

    def fetch_account(self, account_id: str) -> FetchedAccount:
        """The account as it is now. Raises GatewayRefused for an unknown one, GatewayUnknown."""
        ...

    def transfer(self, order: TransferOrder, *, key: str, metadata: Mapping[str, str]) -> Moved:
        """Send part of a charge to an account. Raises GatewayRefused, GatewayUnknown."""
        ...

    def reverse(self, transfer_id: str, amount: int, *, key: str, metadata: Mapping[str, str]) -> Moved:
        """Take part of a transfer back. Raises GatewayRefused (curable where the account holds too little), GatewayUnknown."""
        ...

    def fetch_dispute(self, dispute_id: str) -> FetchedDispute:
        """The dispute as it is now. Raises GatewayRefused for an unknown one, GatewayUnknown."""
        ...

    def submit_evidence(self, dispute_id: str, evidence: Mapping[str, str], *, key: str) -> FetchedDispute:
        """Answer a dispute, once. Raises GatewayRefused, GatewayUnknown."""
        ...

    def find(self, kind: Literal["refund", "transfer", "reversal"], of: str, key: str) -> Moved | None:
        """What was done under this key, long after the gateway itself has forgotten the key; None where it never happened. `of`
        is the charge of a refund, the group of a transfer, the transfer of a reversal. Raises GatewayRefused, GatewayUnknown."""
        ...

    def disputes(self, since: datetime) -> Iterator[FetchedDispute]:
        """Every dispute opened since then, as it is now, whoever's it is. Raises GatewayRefused, GatewayUnknown."""
        ...

    def failed_refunds(self, since: datetime) -> Iterator[str]:
        """Refunds of ours made since then that the bank has sent back, by id. Raises GatewayRefused, GatewayUnknown."""
        ...

    def movements(self, since: datetime) -> Iterator[Movement]:
        """Everything of ours the gateway has booked since then, in any order. Raises GatewayRefused, GatewayUnknown."""
        ...

    def close(self) -> None:
        """Let go of connections; nothing is asked afterwards."""
        ...

    def read_event(self, body: bytes, signature: str) -> GatewayEvent:
        """Check the signature over the raw bytes and read the ids. Raises Refused for a forged, stale or unreadable one."""
        ...
