"""Random lives of money: deposits, balances, changes, refunds, disputes, accounts that come and go, banks that take everything.

Whatever happens, in currencies of no, two and three decimals: what was captured is what the parties, the house, the refunds and
the lost disputes have; nothing is negative; the gateway, our rows and our books agree; and hearing everything once more, in any
order, changes nothing.
"""

from __future__ import annotations

import contextlib
import random
from collections import defaultdict
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from core import bookings, cancellations, changes, requests
from core.engine import Actor, Engine, new_id
from core.errors import CoreError
from core.payments import balances, captures, collect, disputes, inbox, ledger, payees, payouts, reconcile
from core.payments.gateway import GatewayRefused
from core.schema import booking, dispute, fee_rule, payment, refund, share
from tests import builders as b
from tests.conftest import Clock
from tests.gateway import MemoryGateway
from tests.jobs import dead, work
from tests.money import captured_by, disputed_by, sent_by, violations

CURRENCIES = ("EUR", "JPY", "KWD")  # of two, no and three decimals
WHICH = st.integers(0, 4)
STEP = st.one_of(
    st.tuples(st.just("buy"), st.sampled_from(CURRENCIES), st.sampled_from(["full", "deposit"]), st.integers(1, 3)),
    st.tuples(st.just("ask"), st.sampled_from(CURRENCIES), st.sampled_from(["full", "deposit"]), st.integers(1, 3)),
    st.tuples(st.just("answer"), WHICH, st.sampled_from(["approve", "approve", "decline"])),
    st.tuples(st.sampled_from(["pay", "card_lets_go"]), WHICH),
    st.tuples(st.sampled_from(["pay", "pay", "pay_balance", "pay_balance", "decline", "close", "cancel", "cancel_by_provider"]), WHICH),
    st.tuples(st.just("change"), WHICH, st.integers(1, 4), st.integers(0, 3)),
    st.tuples(st.just("refund"), WHICH, st.integers(1, 15_000)),
    st.tuples(st.sampled_from(["dispute", "win", "lose_dispute", "fail_refund"]), WHICH),
    st.tuples(st.sampled_from(["account_on", "account_off", "bank_takes_all"]), st.integers(0, 2)),
    st.tuples(st.just("forward"), st.sampled_from([0.01, 0.03, 1, 9, 30, 40])),
    st.tuples(st.sampled_from(["work", "work", "sweep", "down", "up", "lose", "refuse"])),
)


class Life:
    """Two providers and an expert, each paid in whatever was sold; `payments` and `bookings` are all there are, in order."""

    def __init__(self, engine: Engine, gateway: MemoryGateway, clock: Clock) -> None:
        self.engine, self.gateway, self.clock = engine, gateway, clock
        gateway.clock = clock
        self.name = new_id()[:8]
        self.providers = [f"one-{self.name}", f"two-{self.name}", f"three-{self.name}"]
        self.accounts: dict[int, str] = {}
        self.travelers: list[Actor] = []
        with engine.db.write() as tx:
            if tx.execute(select(fee_rule.c.id)).first() is None:
                tx.execute(fee_rule.insert().values(id="expert", party="EXPERT", scope="GLOBAL", bps=1000))
            for owner, bps in zip(self.providers, (3_333, 5_000, 4_999), strict=True):
                b.add_provider(tx, owner, country="PT", deposit_bps=bps, card_hold=owner == self.providers[2])
        for currency, amount in zip(CURRENCIES, (3_333, 5_001, 12_340), strict=True):
            b.products(engine, self.product(0, currency), places=7, amount=amount, currency=currency, provider_id=self.providers[0])
            b.products(engine, self.product(1, currency), places=7, amount=amount + 770, currency=currency, provider_id=self.providers[1])
            asked = {"places": 7, "amount": amount + 1_110, "currency": currency, "booking_type": "REQUEST"}
            b.products(engine, self.product(2, currency), provider_id=self.providers[2], **asked)

    def product(self, owner: int, currency: str) -> str:
        return f"p{owner}-{currency.lower()}-{self.name}"

    def step(self, name: str, *values: Any) -> None:
        with contextlib.suppress(CoreError):  # a refusal or no answer; what matters is what is left behind
            getattr(self, name)(*values)
        with self.engine.db.read() as tx:
            assert ledger.unbalanced(tx) == []

    # what travelers do

    def ask(self, currency: str, method: str, people: int) -> None:
        """A request whose host has the card reserved."""
        if len(self.travelers) == 4:
            return
        actor = b.traveler(self.engine, email=f"t{len(self.travelers)}-{self.name}@example.com")
        b.add(self.engine, actor, self.product(2, currency), people=people, day=self.clock().date() + timedelta(days=40))
        proposed = bookings.propose_checkout(self.engine, actor)
        self.travelers.append(actor)
        bookings.commit_checkout(self.engine, actor, proposed["proposal_id"], method=method)

    def answer(self, which: int, verdict: str) -> None:
        waiting = requests.pending(self.engine, [self.providers[2]])
        if waiting:
            host = Actor("staff", role="provider", provider_ids=(self.providers[2],))
            requests.decide(self.engine, host, waiting[which % len(waiting)]["request_id"], verdict)

    def card_lets_go(self, which: int) -> None:
        """A reserved card does, before its time; nothing tells."""
        reserved = [name for name, page in self.gateway.pages.items() if page.state == "authorized"]
        if reserved:
            self.gateway.lapse(reserved[which % len(reserved)])

    def buy(self, currency: str, method: str, people: int) -> None:
        """One product of each provider, the second arranged by the expert."""
        if len(self.travelers) == 4:
            return
        actor = b.traveler(self.engine, email=f"t{len(self.travelers)}-{self.name}@example.com")
        day = self.clock().date() + timedelta(days=40)
        b.add(self.engine, actor, self.product(0, currency), people=people, day=day)
        b.add(self.engine, b.expert_for(self.engine, actor, f"eva-{self.name}"), self.product(1, currency), people=people, day=day)
        proposed = bookings.propose_checkout(self.engine, actor)
        self.travelers.append(actor)
        bookings.commit_checkout(self.engine, actor, proposed["proposal_id"], method=method)

    def mine(self, table: Any) -> list[Any]:
        with self.engine.db.read() as tx:
            own = [one.conversation_id for one in self.travelers]
            return list(tx.execute(select(table).where(table.c.conversation_id.in_(own)).order_by(table.c.created_at, table.c.id)))

    def pick(self, table: Any, which: int) -> Any:
        found = self.mine(table)
        if not found:
            raise CoreError("There is none.")
        return found[which % len(found)]

    def actor(self, row: Any) -> Actor:
        return next(one for one in self.travelers if one.conversation_id == row.conversation_id)

    def _settle(self, payment_id: str) -> None:
        collect.ensure_link(self.engine, payment_id)
        row = b.payment_row(self.engine.db, payment_id)
        if row.session_id is not None and self.gateway.pages[row.session_id].state == "open":
            self.gateway.pay(row.session_id)
        collect.sync(self.engine, payment_id)

    def pay(self, which: int) -> None:
        self._settle(self.pick(payment, which).id)

    def decline(self, which: int) -> None:
        collect.ensure_link(self.engine, self.pick(payment, which).id)
        collect.sync(self.engine, self.pick(payment, which).id)

    def close(self, which: int) -> None:
        collect.close_link(self.engine, self.pick(payment, which).id)

    def pay_balance(self, which: int) -> None:
        row = self.pick(booking, which)
        self._settle(balances.pay(self.engine, self.actor(row), row.id)["payment_id"])

    def change(self, which: int, people: int, days: int) -> None:
        row = self.pick(booking, which)
        actor = self.actor(row)
        day = row.local_date + timedelta(days=days)
        shown = changes.propose(self.engine, actor, row.id, local_date=day, units={"ADULT": people})
        changes.commit(self.engine, actor, shown["proposal_id"])

    def cancel(self, which: int) -> None:
        row = self.pick(booking, which)
        cancellations.commit(self.engine, self.actor(row), cancellations.propose(self.engine, self.actor(row), row.id)["proposal_id"])

    def cancel_by_provider(self, which: int) -> None:
        row = self.pick(booking, which)
        cancellations.by_provider(self.engine, Actor("staff", role="provider", provider_ids=(row.provider_id,)), row.id)

    def refund(self, which: int, amount: int) -> None:
        with self.engine.db.write() as tx:
            collect.ask_refund(tx, self.pick(payment, which).id, amount, self.clock(), booking_id=None, reason="random")

    # what banks do

    def dispute(self, which: int) -> None:
        row = self.pick(payment, which)
        left = row.amount - self.gateway.refunded(row.charge_id or "")
        if (
            row.status == "paid"
            and row.charge_id
            and left
            and not any(one.charge_id == row.charge_id for one in self.gateway.opened.values())
        ):
            disputes.sync(self.engine, self.gateway.open_dispute(row.charge_id, left, row.currency.lower()))

    def _end(self, which: int, status: str) -> None:
        waiting = [name for name, one in self.gateway.opened.items() if one.status == "needs_response"]
        if waiting:
            self.gateway.close_dispute(waiting[which % len(waiting)], status)
            disputes.sync(self.engine, waiting[which % len(waiting)])

    def win(self, which: int) -> None:
        self._end(which, "won")

    def lose_dispute(self, which: int) -> None:
        self._end(which, "lost")

    def fail_refund(self, which: int) -> None:
        """The bank sends one back; no event tells."""
        charged_back = {one.charge_id for one in self.gateway.opened.values()}
        made = [(f"re_{i}", charge) for i, (charge, _) in enumerate(self.gateway.refunds, 1)]
        open_ones = [name for name, charge in made if name not in self.gateway.sent_back and charge not in charged_back]
        if open_ones:
            self.gateway.sent_back.add(open_ones[which % len(open_ones)])

    def account_on(self, who: int) -> None:
        party, party_id, actor = [
            ("provider", self.providers[0], Actor("s", role="provider", provider_ids=(self.providers[0],))),
            ("provider", self.providers[1], Actor("s", role="provider", provider_ids=(self.providers[1],))),
            ("expert", f"eva-{self.name}", Actor(f"eva-{self.name}", role="expert")),
        ][who]
        self.accounts[who] = str(payees.ensure(self.engine, actor, party, party_id)["account"])
        self.gateway.set_account(self.accounts[who], "active")
        payees.sync(self.engine, self.accounts[who])

    def account_off(self, who: int) -> None:
        """The gateway switches it off; no event tells."""
        if who in self.accounts:
            self.gateway.set_account(self.accounts[who], "restricted", "identity")

    def bank_takes_all(self, who: int) -> None:
        if who in self.accounts:
            self.gateway.pay_out(self.accounts[who])

    # time and weather

    def forward(self, days: float) -> None:
        self.clock.forward(days=days)

    def work(self) -> None:
        work(self.engine, rounds=4)

    def sweep(self) -> None:
        for look in (collect.sweep, captures.sweep, requests.sweep, balances.sweep, payouts.sweep, payees.sweep, inbox.wake):
            with contextlib.suppress(CoreError):
                look(self.engine)

    def down(self) -> None:
        self.gateway.down = True

    def up(self) -> None:
        self.gateway.down = False

    def lose(self) -> None:
        self.gateway.lose += 1

    def refuse(self) -> None:
        self.gateway.refusals.append(GatewayRefused("Not now.", code="balance_insufficient", curable=True))

    # the end of it

    def settle(self) -> None:
        self.gateway.down, self.gateway.lose = False, 0
        self.gateway.refusals.clear()
        for which in range(len(self.gateway.opened)):
            self.step("win" if which % 2 else "lose_dispute", which)
        for days in (0.02, 1.1, 1.1, 50, 30, 1.1, 1.1):
            work(self.engine)
            self.clock.forward(days=days)
            self.sweep()
        work(self.engine)

    def hear_again(self, dice: random.Random) -> None:
        """Everything there is, fetched and applied once more, in any order."""
        told: list[tuple[Any, str]] = [(collect.sync, row.id) for row in self.mine(payment)]
        told += [(disputes.sync, name) for name in self.gateway.opened]
        told += [(payees.sync, name) for name in self.accounts.values()]
        with self.engine.db.read() as tx:
            told += [(collect.refund_failed, name) for name in tx.execute(select(refund.c.gateway_id)).scalars() if name]
            told += [(payouts.level, name) for name in tx.execute(select(share.c.id)).scalars()]
        dice.shuffle(told)
        for act, name in told * 2:
            act(self.engine, name)

    def money(self) -> None:
        """Captured = providers + experts + the house + refunds + lost disputes, per currency."""
        held: dict[str, int] = defaultdict(int)
        for page in self.gateway.pages.values():
            if page.state == "paid":
                held[page.currency.upper()] += page.amount - self.gateway.refunded(page.charge_id or "")
        with self.engine.db.read() as tx:
            for one in tx.execute(select(share, payment.c.currency).join(payment).where(payment.c.status == "paid")):
                held[one.currency] -= one.amount - one.reversed
            for row in tx.execute(select(dispute).where(dispute.c.status == "lost")):
                held[row.currency] -= row.amount
        assert not [page for page in self.gateway.pages.values() if page.state == "authorized"], "no card is held for ever"
        assert {currency: left for currency, left in held.items() if left} == {}


@pytest.mark.slow
@settings(max_examples=12, deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, min_size=6, max_size=40), seed=st.integers(0, 999))
def test_money_holds_whatever_happens(
    engine: Engine, gateway: MemoryGateway, clock: Clock, steps: list[tuple[Any, ...]], seed: int
) -> None:
    life = Life(engine, gateway, clock)
    life.step("buy", CURRENCIES[seed % 3], "deposit" if seed % 2 else "full", 2)
    life.step("pay", 0)
    life.step("account_on", 0)
    for step in steps:
        life.step(*step)
    life.settle()
    life.money()
    found = violations(
        engine.db, captured_by(gateway), sent=sent_by(gateway), disputed=disputed_by(gateway), now=clock() - timedelta(days=2)
    )
    assert found == [], found
    assert dead(engine) == [], dead(engine)
    differences = reconcile.differences(engine, clock() - timedelta(days=20_000))["differences"]
    assert differences == [], differences

    before = b.snapshot(engine.db)
    life.hear_again(random.Random(seed))
    assert b.snapshot(engine.db) == before
