"""Random sequences of linking, paying, asking, refunding and expiring in bad weather: the books always agree with the gateway."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.engine import Engine, new_id
from core.errors import CoreError
from core.payments import collect, ledger
from core.payments.gateway import GatewayRefused
from core.requests import sweep as sweep_requests
from tests import builders as b
from tests.conftest import Clock
from tests.gateway import MemoryGateway
from tests.jobs import work
from tests.money import captured_by, violations

WHO = st.integers(0, 2)
STEP = st.one_of(
    st.tuples(st.sampled_from(["link", "sync", "close", "pay", "pay", "pay_wrong", "pay_old"]), WHO),
    st.tuples(st.just("refund"), WHO, st.integers(1, 13_000)),
    st.tuples(st.just("forward"), st.sampled_from([0.2, 5, 16, 32, 40])),
    st.tuples(st.sampled_from(["work", "sweep", "down", "up", "lose", "refuse"])),
)


class Walk:
    """Three payments over one small boat, so that places run out: two fit, and the third has a second booking and a fee."""

    def __init__(self, engine: Engine, gateway: MemoryGateway, clock: Clock) -> None:
        self.engine, self.gateway, self.clock = engine, gateway, clock
        boat, walk = f"boat-{new_id()[:8]}", f"walk-{new_id()[:8]}"
        b.products(engine, boat, places=4)
        b.products(engine, walk, amount=1999)
        self.payments = [b.buy(engine, boat), b.buy(engine, boat), b.buy(engine, walk, people=1)]

    def step(self, name: str, *values: Any) -> None:
        with contextlib.suppress(CoreError):  # a refusal or no answer; what matters is that the books hold
            getattr(self, name)(*values)
        with self.engine.db.read() as tx:
            assert ledger.unbalanced(tx) == []

    def link(self, who: int) -> None:
        collect.ensure_link(self.engine, self.payments[who])

    def sync(self, who: int) -> None:
        collect.sync(self.engine, self.payments[who])

    def close(self, who: int) -> None:
        collect.close_link(self.engine, self.payments[who])

    def pay(self, who: int, **amount: int) -> None:
        session = b.payment_row(self.engine.db, self.payments[who]).session_id
        if session is not None and self.gateway.pages[session].state == "open":
            self.gateway.pay(session, **amount)

    def pay_wrong(self, who: int) -> None:
        self.pay(who, amount=777)

    def pay_old(self, who: int) -> None:
        """Money on a page that is not the payment's, heard of by an event."""
        session = f"cs_old_{new_id()[:8]}"
        page = collect.FetchedPayment(session, "paid", 12000, "eur", f"pi_{session}", f"ch_{session}")
        self.gateway.pages[session] = page
        collect.apply(self.engine, self.payments[who], page)

    def refund(self, who: int, amount: int) -> None:
        with self.engine.db.write() as tx:
            collect.ask_refund(tx, self.payments[who], amount, self.clock(), booking_id=None, reason="random")

    def forward(self, minutes: float) -> None:
        self.clock.forward(minutes=minutes)

    def work(self) -> None:
        work(self.engine, rounds=3)

    def sweep(self) -> None:
        collect.sweep(self.engine)
        sweep_requests(self.engine)

    def down(self) -> None:
        self.gateway.down = True

    def up(self) -> None:
        self.gateway.down = False

    def lose(self) -> None:
        self.gateway.lose += 1

    def refuse(self) -> None:
        self.gateway.refusals.append(GatewayRefused("Not now.", code="lock", curable=True))

    def settle(self) -> None:
        """The weather clears, everybody's time runs out, and whatever is due is done."""
        self.gateway.down, self.gateway.lose = False, 0
        self.gateway.refusals.clear()
        for _ in range(4):
            work(self.engine)
            self.clock.forward(minutes=25)
            self.sweep()
        work(self.engine)


@pytest.mark.slow
@settings(max_examples=20, deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, min_size=4, max_size=24))
def test_the_books_hold_whatever_happens(engine: Engine, gateway: MemoryGateway, clock: Clock, steps: list[tuple[Any, ...]]) -> None:
    walk = Walk(engine, gateway, clock)
    for step in steps:
        walk.step(*step)
    walk.settle()
    assert violations(engine.db, captured_by(gateway)) == []

    before = b.snapshot(engine.db)
    for payment_id in walk.payments:
        for page in list(gateway.pages.values()):
            if page.session_id == b.payment_row(engine.db, payment_id).session_id:
                collect.apply(engine, payment_id, page)
                collect.sync(engine, payment_id)
    assert work(engine) == []
    assert b.snapshot(engine.db) == before
