"""A payment gateway in memory for tests of core's own rules; the wire is tested against the payment sandbox."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping

from core.errors import Refused
from core.payments.gateway import (
    FetchedPayment,
    GatewayEvent,
    GatewayMisused,
    GatewayRefused,
    GatewayUnknown,
    PaymentLink,
    PaymentOrder,
    Refunded,
)


class MemoryGateway:
    """`pay`, `lapse`, `down`, `refusals` and `lose` play the traveler and the weather; `calls` holds every act that really
    happened, once a key."""

    def __init__(self) -> None:
        self.pages: dict[str, FetchedPayment] = {}
        self.calls: dict[str, tuple[object, object]] = {}
        self.refunds: list[tuple[str, int]] = []
        self.down = False
        self.refusals: list[GatewayRefused] = []  # raised by the next acts, which do not happen
        self.lose = 0  # so many acts happen without an answer
        self._made = 0
        self._lock = threading.Lock()

    def payment_link(self, order: PaymentOrder, *, key: str) -> PaymentLink:
        def act() -> PaymentLink:
            self._made += 1
            session = f"cs_{self._made}"
            total = sum(line.quantity * line.unit_amount for line in order.lines)
            self.pages[session] = FetchedPayment(session, "open", total, order.currency.lower())
            return PaymentLink(session, f"https://pay.example/{session}")

        link = self._once(key, order, act)
        assert isinstance(link, PaymentLink)
        return link

    def fetch_payment(self, session_id: str) -> FetchedPayment:
        self._weather()
        if session_id not in self.pages:
            raise GatewayRefused(f"No such session: {session_id}", code="resource_missing")
        return self.pages[session_id]

    def expire_link(self, session_id: str) -> FetchedPayment:
        if self.fetch_payment(session_id).state == "open":
            self.lapse(session_id)
        return self.pages[session_id]

    def refund(self, charge_id: str, amount: int, currency: str, *, key: str, metadata: Mapping[str, str]) -> Refunded:
        def act() -> Refunded:
            page = next(page for page in self.pages.values() if page.charge_id == charge_id)
            if amount > page.amount - self.refunded(charge_id):
                raise GatewayRefused("More than is left of the charge.", code="amount_too_large")
            self.refunds.append((charge_id, amount))
            return Refunded(f"re_{len(self.refunds)}", amount)

        done = self._once(key, (charge_id, amount), act)
        assert isinstance(done, Refunded)
        return done

    def close(self) -> None:
        pass

    def read_event(self, body: bytes, signature: str) -> GatewayEvent:
        """The event's fields as JSON, signed "good"."""
        if signature != "good":
            raise Refused("The signature does not fit.")
        return GatewayEvent(**json.loads(body))

    def _once(self, key: str, terms: object, act: object) -> object:
        self._weather()
        with self._lock:
            if key in self.calls:
                before, answer = self.calls[key]
                if before != terms:
                    raise GatewayMisused("Other parameters under a used key.", code="idempotency_error")
            else:
                if self.refusals:
                    raise self.refusals.pop(0)
                answer = act()  # type: ignore[operator]
                self.calls[key] = (terms, answer)
        if self.lose:
            self.lose -= 1
            raise GatewayUnknown("The payment gateway did not answer.")
        return answer

    def _weather(self) -> None:
        if self.down:
            raise GatewayUnknown("The payment gateway did not answer.")

    # what a traveler or the clock does

    def pay(self, session_id: str, *, amount: int | None = None, currency: str | None = None) -> None:
        page = self.pages[session_id]
        number = session_id.removeprefix("cs_")
        paid = page.amount if amount is None else amount
        self.pages[session_id] = FetchedPayment(session_id, "paid", paid, currency or page.currency, f"pi_{number}", f"ch_{number}")

    def lapse(self, session_id: str) -> None:
        page = self.pages[session_id]
        self.pages[session_id] = FetchedPayment(session_id, "expired", page.amount, page.currency)

    # what it holds

    def refunded(self, charge_id: str) -> int:
        return sum(amount for charge, amount in self.refunds if charge == charge_id)

    def balance(self) -> int:
        """Taken in less given back, over everything."""
        return sum(page.amount for page in self.pages.values() if page.state == "paid") - sum(amount for _, amount in self.refunds)
