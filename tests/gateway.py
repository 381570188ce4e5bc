"""A payment gateway in memory for tests of core's own rules; the wire is tested against the payment sandbox."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from core.errors import Refused
from core.payments.gateway import (
    FetchedAccount,
    FetchedDispute,
    FetchedPayment,
    GatewayEvent,
    GatewayMisused,
    GatewayRefused,
    GatewayUnknown,
    Moved,
    Movement,
    PayeeOrder,
    PaymentLink,
    PaymentOrder,
    Refunded,
    TransferOrder,
)


class MemoryGateway:
    """`pay`, `lapse`, `down`, `refusals` and `lose` play the traveler and the weather; `calls` holds every act that really
    happened, once a key."""

    def __init__(self) -> None:
        self.pages: dict[str, FetchedPayment] = {}
        self.calls: dict[str, tuple[object, object]] = {}
        self.refunds: list[tuple[str, int]] = []
        self.secrets: dict[str, str] = {}
        self.manual: set[str] = set()  # pages that only reserve
        self.accounts: dict[str, FetchedAccount] = {}
        self.held: dict[str, int] = {}  # what an account has
        self.transfers: dict[str, tuple[str, str, int]] = {}  # id: (charge, account, amount)
        self.told: dict[str, tuple[str, str, int]] = {}  # of a transfer: (group, share, when)
        self.clock: Callable[[], datetime] = lambda: datetime(2026, 11, 25, tzinfo=UTC)
        self.reversals: list[tuple[str, int]] = []
        self.opened: dict[str, FetchedDispute] = {}
        self.evidence: dict[str, Mapping[str, str]] = {}
        self.sent_back: set[str] = set()  # refunds the bank did not take
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
            self.manual |= {session} if order.manual else set()
            if order.embedded:
                self.secrets[session] = f"{session}_secret"
                return PaymentLink(session, None, self.secrets[session])
            return PaymentLink(session, f"https://pay.example/{session}")

        link = self._once(key, order, act)
        assert isinstance(link, PaymentLink)
        return link

    def client_secret(self, session_id: str) -> str | None:
        self._weather()
        return self.secrets.get(session_id)

    def fetch_payment(self, session_id: str) -> FetchedPayment:
        self._weather()
        if session_id not in self.pages:
            raise GatewayRefused(f"No such session: {session_id}", code="resource_missing")
        return self.pages[session_id]

    def expire_link(self, session_id: str) -> FetchedPayment:
        if self.fetch_payment(session_id).state == "open":
            self.lapse(session_id)
        return self.pages[session_id]

    def capture(self, session_id: str, *, key: str) -> FetchedPayment:
        def act() -> FetchedPayment:
            page = self.pages[session_id]
            if page.state == "authorized":
                self.pages[session_id] = replace(page, state="paid", capture_by=None)
            return page

        self._once(key, session_id, act)
        return self.fetch_payment(session_id)

    def release(self, session_id: str, *, key: str) -> FetchedPayment:
        def act() -> FetchedPayment:
            page = self.pages[session_id]
            if page.state in ("open", "authorized"):
                self.lapse(session_id)
            return page

        self.fetch_payment(session_id)
        self._once(key, session_id, act)
        return self.fetch_payment(session_id)

    def refund(self, charge_id: str, amount: int, currency: str, *, key: str, metadata: Mapping[str, str]) -> Refunded:
        def act() -> Refunded:
            page = next(page for page in self.pages.values() if page.charge_id == charge_id)
            if any(one.charge_id == charge_id and one.status != "won" for one in self.opened.values()):
                raise GatewayRefused("It was charged back.", code="charge_disputed", curable=True)
            if amount > page.amount - self.refunded(charge_id):
                raise GatewayRefused("More than is left of the charge.", code="amount_too_large")
            self.refunds.append((charge_id, amount))
            return Refunded(f"re_{len(self.refunds)}", amount)

        done = self._once(key, (charge_id, amount), act)
        assert isinstance(done, Refunded)
        return done

    def refund_has_failed(self, refund_id: str) -> bool:
        self._weather()
        return refund_id in self.sent_back

    def find(self, kind: Literal["refund", "transfer", "reversal"], of: str, key: str) -> Moved | None:
        self._weather()
        done = self.calls.get(key)
        if done is None:
            return None
        answer = done[1]
        assert isinstance(answer, Refunded | Moved)
        return None if answer.id in self.sent_back else Moved(answer.id, answer.amount)

    def disputes(self, since: datetime) -> Iterator[FetchedDispute]:
        self._weather()
        return iter(list(self.opened.values()))

    def failed_refunds(self, since: datetime) -> Iterator[str]:
        self._weather()
        return iter(sorted(self.sent_back))

    def create_account(self, order: PayeeOrder, *, key: str) -> str:
        def act() -> str:
            made = f"acct_{len(self.accounts) + 1}"
            self.accounts[made] = FetchedAccount(made, "restricted", ("identity",))
            self.held[made] = 0
            return made

        return str(self._once(key, order, act))

    def onboarding_link(self, account_id: str, *, return_url: str, refresh_url: str) -> str:
        self._weather()
        self._made += 1
        return f"https://connect.example/{account_id}/{self._made}"

    def fetch_account(self, account_id: str) -> FetchedAccount:
        self._weather()
        if account_id not in self.accounts:
            raise GatewayRefused(f"No such account: {account_id}", code="resource_missing")
        return self.accounts[account_id]

    def transfer(self, order: TransferOrder, *, key: str, metadata: Mapping[str, str]) -> Moved:
        def act() -> Moved:
            page = next(page for page in self.pages.values() if page.charge_id == order.charge_id)
            if self.accounts[order.account_id].state != "active":
                raise GatewayRefused("The account cannot receive.", code="insufficient_capabilities_for_transfer", curable=True)
            if order.amount > page.amount - self.sent_from(order.charge_id):
                raise GatewayRefused("More than the charge.", code="transfer_source_balance_parameters_mismatch")
            made = f"tr_{len(self.transfers) + 1}"
            self.transfers[made] = (order.charge_id, order.account_id, order.amount)
            self.told[made] = (order.group, metadata["share"], int(self.clock().timestamp()))
            self.held[order.account_id] += order.amount
            return Moved(made, order.amount)

        done = self._once(key, order, act)
        assert isinstance(done, Moved)
        return done

    def reverse(self, transfer_id: str, amount: int, *, key: str, metadata: Mapping[str, str]) -> Moved:
        def act() -> Moved:
            _, account, sent = self.transfers[transfer_id]
            if amount > sent - sum(back for name, back in self.reversals if name == transfer_id):
                raise GatewayRefused("More than the transfer.", code="amount_too_large")
            if amount > self.held[account]:
                raise GatewayRefused("The account holds too little.", code="balance_insufficient", curable=True)
            self.reversals.append((transfer_id, amount))
            self.held[account] -= amount
            return Moved(f"trr_{len(self.reversals)}", amount)

        done = self._once(key, (transfer_id, amount), act)
        assert isinstance(done, Moved)
        return done

    def fetch_dispute(self, dispute_id: str) -> FetchedDispute:
        self._weather()
        if dispute_id not in self.opened:
            raise GatewayRefused(f"No such dispute: {dispute_id}", code="resource_missing")
        return self.opened[dispute_id]

    def submit_evidence(self, dispute_id: str, evidence: Mapping[str, str], *, key: str) -> FetchedDispute:
        def act() -> FetchedDispute:
            self.evidence[dispute_id] = dict(evidence)
            self.opened[dispute_id] = replace(self.opened[dispute_id], status="under_review")
            return self.opened[dispute_id]

        done = self._once(key, dispute_id, act)
        assert isinstance(done, FetchedDispute)
        return done

    def movements(self, since: datetime) -> Iterator[Movement]:
        self._weather()
        at = datetime(2026, 11, 25, tzinfo=UTC)
        for page in self.pages.values():
            if page.charge_id is not None and page.state == "paid":
                yield Movement("charge", page.charge_id, page.amount, page.currency.upper(), at, page.charge_id)
        currency = {page.charge_id: page.currency.upper() for page in self.pages.values()}
        for number, (charge, amount) in enumerate(self.refunds, 1):
            if f"re_{number}" not in self.sent_back:
                yield Movement("refund", f"re_{number}", amount, currency[charge], at, charge)
        for name, (charge, _, amount) in self.transfers.items():
            yield Movement("transfer", name, amount, currency[charge], at, charge)
        for number, (name, amount) in enumerate(self.reversals, 1):
            charge = self.transfers[name][0]
            yield Movement("reversal", f"trr_{number}", amount, currency[charge], at, charge)

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
        state: Literal["authorized", "paid"] = "authorized" if session_id in self.manual else "paid"
        until = self.clock() + timedelta(days=7) if state == "authorized" else None
        ids = (f"pi_{number}", f"ch_{number}")
        self.pages[session_id] = FetchedPayment(session_id, state, paid, currency or page.currency, *ids, capture_by=until)

    def lapse(self, session_id: str) -> None:
        page = self.pages[session_id]
        self.pages[session_id] = FetchedPayment(session_id, "expired", page.amount, page.currency)

    def set_account(self, account_id: str, state: str, *needs: str) -> None:
        self.accounts[account_id] = FetchedAccount(account_id, state, needs)  # type: ignore[arg-type]

    def pay_out(self, account_id: str) -> None:
        """The bank takes everything the account holds."""
        self.held[account_id] = 0

    def open_dispute(self, charge_id: str, amount: int, currency: str = "eur") -> str:
        made = f"dp_{len(self.opened) + 1}"
        due = datetime(2026, 12, 9, tzinfo=UTC)
        self.opened[made] = FetchedDispute(made, charge_id, amount, currency, "needs_response", "fraudulent", True, due)
        return made

    def close_dispute(self, dispute_id: str, status: str) -> None:
        self.opened[dispute_id] = replace(self.opened[dispute_id], status=status, withdrawn=status == "lost")

    # what it holds

    def sent_from(self, charge_id: str) -> int:
        back = {name: sum(amount for other, amount in self.reversals if other == name) for name in self.transfers}
        return sum(amount - back[name] for name, (charge, _, amount) in self.transfers.items() if charge == charge_id)

    def refunded(self, charge_id: str) -> int:
        done = ((f"re_{number}", charge, amount) for number, (charge, amount) in enumerate(self.refunds, 1))
        return sum(amount for name, charge, amount in done if charge == charge_id and name not in self.sent_back)

    def balance(self) -> int:
        """Taken in less given back, sent on and charged back, over everything."""
        taken = sum(page.amount for page in self.pages.values() if page.state == "paid")
        given = sum(amount for number, (_, amount) in enumerate(self.refunds, 1) if f"re_{number}" not in self.sent_back)
        sent = sum(amount for _, _, amount in self.transfers.values()) - sum(amount for _, amount in self.reversals)
        return taken - given - sent - sum(one.amount for one in self.opened.values() if one.withdrawn)
