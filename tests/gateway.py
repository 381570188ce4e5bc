"""A payment gateway in memory for tests of core's own rules; the wire is tested against the payment sandbox."""

from __future__ import annotations

from collections.abc import Mapping

from core.errors import Refused
from core.payments.gateway import (
    FetchedPayment,
    GatewayEvent,
    GatewayRefused,
    GatewayUnknown,
    PaymentLink,
    PaymentOrder,
    Refunded,
)


class MemoryGateway:
    """`pay`, `close` and `down` play the traveler and the weather; `calls` holds every act that really happened, once a key."""

    def __init__(self) -> None:
        self.pages: dict[str, FetchedPayment] = {}
        self.calls: dict[str, object] = {}
        self.refunds: list[tuple[str, int]] = []
        self.down = False

    def payment_link(self, order: PaymentOrder, *, key: str) -> PaymentLink:
        self._weather()
        known = self.calls.get(key)
        if known is not None:
            before, link = known  # type: ignore[misc]
            if before != order:
                raise GatewayRefused("Other parameters under a used key.", code="idempotency_error")
            return link
        session = f"cs_{len(self.pages) + 1}"
        total = sum(line.quantity * line.unit_amount for line in order.lines)
        self.pages[session] = FetchedPayment(session, "open", total, order.currency.lower())
        link = PaymentLink(session, f"https://pay.example/{session}")
        self.calls[key] = (order, link)
        return link

    def fetch_payment(self, session_id: str) -> FetchedPayment:
        self._weather()
        return self.pages[session_id]

    def expire_link(self, session_id: str) -> FetchedPayment:
        self._weather()
        if self.pages[session_id].state == "open":
            self.close(session_id)
        return self.pages[session_id]

    def refund(self, charge_id: str, amount: int, currency: str, *, key: str, metadata: Mapping[str, str]) -> Refunded:
        self._weather()
        if key not in self.calls:
            self.refunds.append((charge_id, amount))
            self.calls[key] = Refunded(f"re_{len(self.refunds)}", amount)
        return self.calls[key]  # type: ignore[return-value]

    def read_event(self, body: bytes, signature: str) -> GatewayEvent:
        raise Refused("The memory gateway sends no events.")

    def _weather(self) -> None:
        if self.down:
            raise GatewayUnknown("The payment gateway did not answer.")

    # what a traveler or the clock does

    def pay(self, session_id: str, *, amount: int | None = None) -> None:
        page = self.pages[session_id]
        number = session_id.removeprefix("cs_")
        self.pages[session_id] = FetchedPayment(
            session_id, "paid", page.amount if amount is None else amount, page.currency, f"pi_{number}", f"ch_{number}"
        )

    def close(self, session_id: str) -> None:
        page = self.pages[session_id]
        self.pages[session_id] = FetchedPayment(session_id, "expired", page.amount, page.currency)
