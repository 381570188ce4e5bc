"""Money in: only what was fetched as paid sells anything, and whatever sells nothing goes back whole. Both databases."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from core import bookings, carts, conversations
from core.db import Database
from core.engine import Engine
from core.errors import Refused
from core.holds import drift
from core.payments import collect, inbox, ledger
from core.payments.gateway import FetchedPayment, GatewayMisused, GatewayRefused, GatewayUnknown
from core.schema import job, webhook_event
from tests import builders as b
from tests.conftest import Clock
from tests.gateway import MemoryGateway
from tests.jobs import dead, work


@pytest.fixture
def bought(engine: Engine) -> str:
    """Two places on a kayak for 120.00, waiting to be paid; its page is open."""
    b.products(engine)
    payment_id = b.buy(engine)
    collect.ensure_link(engine, payment_id)
    return payment_id


def balances(db: Database) -> dict[str, int]:
    """{account: minor units}, a share's own id left out."""
    with db.read() as tx:
        assert ledger.unbalanced(tx) == []
        found: dict[str, int] = {}
        for (name, _), amount in ledger.balances(tx).items():
            short = ":".join(name.split(":")[:2])
            found[short] = found.get(short, 0) + amount
        return {name: amount for name, amount in found.items() if amount}


def told(db: Database, payment_id: str) -> list[str]:
    """The events in the payment's conversation, in order."""
    with db.read() as tx:
        lines = conversations.log_after(tx, b.payment_row(db, payment_id).conversation_id, 0)
    return [part["event"] for line in lines for part in line.data["parts"] if part["type"] == "event"]


# ── the happy walk ────────────────────────────────────────────────────────────────────────────────


def test_a_page_is_made_and_told_once(engine: Engine, db: Database, gateway: MemoryGateway, bought: str) -> None:
    again = collect.ensure_link(engine, bought)
    assert again["url"] == "https://pay.example/cs_1"
    assert (again["status"], again["amount"], again["currency"]) == ("open", 12000, "EUR")
    assert list(gateway.pages) == ["cs_1"]
    assert told(db, bought) == ["payment_ready"]
    assert b.places(db) == (2, 0)


def test_nothing_but_a_fetched_paid_confirms(engine: Engine, db: Database, gateway: MemoryGateway, bought: str) -> None:
    assert collect.sync(engine, bought)["status"] == "open"
    assert b.statuses(db) == {"kayak": "ON_HOLD"}
    assert balances(db) == {}

    gateway.pay("cs_1")
    assert b.statuses(db) == {"kayak": "ON_HOLD"}
    assert collect.sync(engine, bought)["status"] == "paid"
    assert b.statuses(db) == {"kayak": "CONFIRMED"}
    assert b.places(db) == (0, 2)
    assert balances(db) == {"gateway": 12000, "provider:tejo": -10560, "platform:house": -1440}
    assert b.shares_of(db, bought) == [("platform", 1440, 0), ("provider", 10560, 0)]
    assert told(db, bought) == ["payment_ready", "booking_confirmed"]


def test_asking_again_changes_nothing(engine: Engine, db: Database, gateway: MemoryGateway, bought: str) -> None:
    gateway.pay("cs_1")
    collect.sync(engine, bought)
    before, said = b.snapshot(db), told(db, bought)
    stale = [FetchedPayment("cs_1", "open", 12000, "eur"), FetchedPayment("cs_1", "expired", 12000, "eur")]
    for fetched in (gateway.pages["cs_1"], *stale, gateway.pages["cs_1"]):
        assert collect.apply(engine, bought, fetched)["status"] == "paid"
    assert collect.close_link(engine, bought)["status"] == "paid"
    assert b.snapshot(db) == before
    assert told(db, bought) == said


def test_everybody_who_hears_of_it_at_once_books_it_once(engine: Engine, db: Database, gateway: MemoryGateway, bought: str) -> None:
    gateway.pay("cs_1")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: collect.sync(engine, bought)["status"], range(8)))
    assert answers == ["paid"] * 8
    assert balances(db) == {"gateway": 12000, "provider:tejo": -10560, "platform:house": -1440}
    assert b.places(db) == (0, 2)
    assert told(db, bought) == ["payment_ready", "booking_confirmed"]


def test_several_bookings_and_an_experts_fee_share_one_payment(engine: Engine, db: Database, gateway: MemoryGateway) -> None:
    b.expert_fee(engine)
    b.products(engine, "kayak")
    b.products(engine, "sail", amount=4550, provider_id="mar")
    ana = b.traveler(engine)
    expert = b.expert_for(engine, ana)
    b.add(engine, expert, "kayak")
    b.add(engine, ana, "sail", people=1)
    (payment_id,) = b.checkout(engine, ana)
    collect.ensure_link(engine, payment_id)
    assert gateway.pages["cs_1"].amount == 12000 + 4550 + 1200
    gateway.pay("cs_1")
    collect.sync(engine, payment_id)
    assert b.statuses(db) == {"kayak": "CONFIRMED", "sail": "CONFIRMED"}
    assert balances(db) == {
        "gateway": 17750,
        "provider:tejo": -10560,
        "provider:mar": -4004,
        "platform:house": -1440 - 546,
        "expert:expert": -1200,
    }


def test_what_costs_nothing_is_confirmed_without_a_payment(engine: Engine, db: Database) -> None:
    b.products(engine, "free-walk", amount=0)
    ana = b.traveler(engine)
    b.add(engine, ana, "free-walk")
    assert b.checkout(engine, ana) == []
    assert b.statuses(db) == {"free-walk": "CONFIRMED"}
    assert b.places(db, "free-walk") == (0, 2)


# ── money that does not fit ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("amount", "currency"), [(11999, "eur"), (12001, "eur"), (12000, "usd")])
def test_another_amount_goes_back_and_a_new_page_is_made(
    engine: Engine, db: Database, gateway: MemoryGateway, bought: str, amount: int, currency: str
) -> None:
    gateway.pay("cs_1", amount=amount, currency=currency)
    assert collect.sync(engine, bought)["status"] == "new"
    assert b.statuses(db) == {"kayak": "ON_HOLD"}
    assert sorted(work(engine)) == ["payment.link", "refund.orphan"]
    assert gateway.refunds == [("ch_1", amount)]
    assert balances(db) == {}
    row = b.payment_row(db, bought)
    assert (row.status, row.session_id, row.attempt) == ("open", "cs_2", 2)

    collect.apply(engine, bought, gateway.pages["cs_1"])
    work(engine)
    assert gateway.refunds == [("ch_1", amount)]
    gateway.pay("cs_2")
    assert collect.sync(engine, bought)["status"] == "paid"
    assert balances(db) == {"gateway": 12000, "provider:tejo": -10560, "platform:house": -1440}


def test_a_second_page_that_is_paid_goes_back_once(engine: Engine, db: Database, gateway: MemoryGateway, bought: str) -> None:
    gateway.pay("cs_1")
    collect.sync(engine, bought)
    second = FetchedPayment("cs_9", "paid", 12000, "eur", "pi_9", "ch_9")
    gateway.pages["cs_9"] = second
    for _ in range(3):
        collect.apply(engine, bought, second)
        work(engine)
    assert gateway.refunds == [("ch_9", 12000)]
    assert balances(db) == {"gateway": 12000, "provider:tejo": -10560, "platform:house": -1440}
    assert b.statuses(db) == {"kayak": "CONFIRMED"}
    assert told(db, bought).count("refund_sent") == 1


def test_the_deadline_of_the_first_page_does_not_close_the_second(
    engine: Engine, db: Database, gateway: MemoryGateway, clock: Clock, bought: str
) -> None:
    clock.forward(minutes=20)
    gateway.pay("cs_1", amount=1)
    collect.sync(engine, bought)
    work(engine)
    clock.forward(minutes=12)
    assert work(engine) == ["payment.deadline"]
    assert b.payment_row(db, bought).status == "open"
    clock.forward(minutes=20)
    assert work(engine) == ["payment.deadline"]
    assert b.payment_row(db, bought).status == "expired"


# ── late ──────────────────────────────────────────────────────────────────────────────────────────


def test_an_unpaid_page_ends_and_its_places_are_free(
    engine: Engine, db: Database, gateway: MemoryGateway, clock: Clock, bought: str
) -> None:
    clock.forward(minutes=32)
    assert sorted(work(engine)) == ["payment.deadline", "payment.link"]
    assert gateway.pages["cs_1"].state == "expired"
    assert b.statuses(db) == {"kayak": "EXPIRED"}
    assert b.places(db) == (0, 0)
    assert told(db, bought) == ["payment_ready", "payment_expired"]


def test_closing_a_page_that_was_just_paid_sells_it(engine: Engine, db: Database, gateway: MemoryGateway, bought: str) -> None:
    gateway.pay("cs_1")
    assert collect.close_link(engine, bought)["status"] == "paid"
    assert b.statuses(db) == {"kayak": "CONFIRMED"}


@pytest.mark.parametrize("told_first", [True, False])
def test_a_late_payment_takes_the_places_again(
    engine: Engine, db: Database, gateway: MemoryGateway, clock: Clock, bought: str, told_first: bool
) -> None:
    clock.forward(minutes=40)
    if told_first:
        collect.apply(engine, bought, FetchedPayment("cs_1", "expired", 12000, "eur"))
        assert b.statuses(db) == {"kayak": "EXPIRED"}
    gateway.pay("cs_1")
    assert collect.sync(engine, bought)["status"] == "paid"
    assert b.statuses(db) == {"kayak": "CONFIRMED"}
    assert b.places(db) == (0, 2)
    assert b.refunds_of(db, bought) == []


def test_a_late_payment_for_places_that_are_gone_goes_back_whole(
    engine: Engine, db: Database, gateway: MemoryGateway, clock: Clock
) -> None:
    b.expert_fee(engine)
    b.products(engine, places=3)
    ben = b.traveler(engine)
    b.add(engine, ben)
    ana = b.traveler(engine)
    b.add(engine, b.expert_for(engine, ana))
    (payment_id,) = b.checkout(engine, ana)
    collect.ensure_link(engine, payment_id)
    clock.forward(minutes=40)
    (other,) = b.checkout(engine, ben)
    collect.ensure_link(engine, other)
    gateway.pay("cs_2")
    collect.sync(engine, other)

    gateway.pay("cs_1")
    assert collect.sync(engine, payment_id)["status"] == "paid"
    work(engine)
    assert gateway.refunds == [("ch_1", 13200)]
    assert b.refunds_of(db, payment_id) == [(13200, "sent")]
    assert all(amount == reversed_ for _, amount, reversed_ in b.shares_of(db, payment_id))
    assert balances(db) == {"gateway": 12000, "provider:tejo": -10560, "platform:house": -1440}
    assert b.places(db) == (0, 2)
    assert told(db, payment_id)[-2:] == ["paid_too_late", "refund_sent"]


def test_only_the_booking_whose_places_are_gone_goes_back(engine: Engine, db: Database, gateway: MemoryGateway, clock: Clock) -> None:
    b.products(engine, "kayak", places=2)
    b.products(engine, "sail", amount=4550)
    ben = b.traveler(engine)
    b.add(engine, ben)
    payment_id = b.buy(engine, "kayak", "sail", people=2)
    collect.ensure_link(engine, payment_id)
    clock.forward(minutes=40)
    b.checkout(engine, ben)
    gateway.pay("cs_1")
    collect.sync(engine, payment_id)
    work(engine)
    with db.read() as tx:
        mine = {one.product_id: one.status for one in collect.bookings_of(tx, payment_id)}
        assert drift(tx) == []
    assert mine == {"kayak": "EXPIRED", "sail": "CONFIRMED"}
    assert gateway.refunds == [("ch_1", 12000)]
    assert balances(db) == {"gateway": 9100, "provider:tejo": -8008, "platform:house": -1092}


# ── the gateway's weather ─────────────────────────────────────────────────────────────────────────


def test_no_answer_keeps_everything_and_the_same_key(engine: Engine, db: Database, gateway: MemoryGateway, clock: Clock) -> None:
    b.products(engine)
    payment_id = b.buy(engine)
    gateway.lose = 2
    for _ in range(2):
        with pytest.raises(GatewayUnknown):
            collect.ensure_link(engine, payment_id)
        clock.forward(minutes=2)
    assert collect.ensure_link(engine, payment_id)["url"] == "https://pay.example/cs_1"
    assert list(gateway.calls) == [f"{payment_id}:session:1"]
    assert list(gateway.pages) == ["cs_1"]


def test_a_frozen_page_that_became_too_near_is_asked_for_once_more_before_a_new_one(
    engine: Engine, db: Database, gateway: MemoryGateway, clock: Clock
) -> None:
    """It may exist. Only a definite no leads to a second attempt, so there are never two pages to pay at."""
    b.products(engine)
    payment_id = b.buy(engine)
    gateway.down = True
    with pytest.raises(GatewayUnknown):
        collect.ensure_link(engine, payment_id)
    clock.forward(minutes=10)
    gateway.down = False
    gateway.refusals = [GatewayRefused("At least 30 minutes.", code="expires_at", curable=True)]
    assert collect.ensure_link(engine, payment_id)["status"] == "open"
    assert list(gateway.calls) == [f"{payment_id}:session:2"]
    assert b.payment_row(db, payment_id).expires_at == clock() + engine.rules.payment_window


def test_three_definite_refusals_end_the_payment(engine: Engine, db: Database, gateway: MemoryGateway) -> None:
    b.products(engine)
    payment_id = b.buy(engine)
    for _ in range(3):
        gateway.refusals = [GatewayRefused("No.", code="amount_too_small")]
        with pytest.raises(GatewayRefused):
            collect.ensure_link(engine, payment_id)
    assert b.payment_row(db, payment_id).status == "expired"
    assert b.statuses(db) == {"kayak": "EXPIRED"}
    assert b.places(db) == (0, 0)
    assert gateway.pages == {}


def test_a_misused_key_starts_no_new_attempt(engine: Engine, db: Database, gateway: MemoryGateway) -> None:
    b.products(engine)
    payment_id = b.buy(engine)
    for _ in range(5):
        gateway.refusals = [GatewayMisused("Wrong key.", code="authentication")]
        with pytest.raises(GatewayMisused):
            collect.ensure_link(engine, payment_id)
    row = b.payment_row(db, payment_id)
    assert (row.status, row.attempt) == ("new", 1)


def test_a_page_that_arrives_after_its_payment_ended_is_closed(engine: Engine, db: Database, clock: Clock) -> None:
    b.products(engine)
    payment_id = b.buy(engine)

    class Slow(MemoryGateway):
        def payment_link(self, order, *, key):  # type: ignore[no-untyped-def]
            link = super().payment_link(order, key=key)
            collect.close_link(engine, payment_id)
            return link

    slow = Slow()
    late = Engine(db=db, gateway=slow, clock=clock)
    assert collect.ensure_link(late, payment_id)["status"] == "expired"
    assert slow.pages["cs_1"].state == "expired"


def test_a_page_nobody_knows_any_more_ends_at_its_deadline(
    engine: Engine, db: Database, gateway: MemoryGateway, clock: Clock, bought: str
) -> None:
    gateway.pages.clear()
    with pytest.raises(GatewayRefused):
        collect.sync(engine, bought)
    assert b.statuses(db) == {"kayak": "ON_HOLD"}
    clock.forward(minutes=32)
    assert collect.deadline(engine, bought)["status"] == "expired"
    assert b.places(db) == (0, 0)


def test_the_sweep_goes_past_one_that_is_refused(engine: Engine, db: Database, gateway: MemoryGateway, clock: Clock) -> None:
    b.products(engine)
    lost, paid, unmade = b.buy(engine), b.buy(engine), b.buy(engine)
    for payment_id in (lost, paid):
        collect.ensure_link(engine, payment_id)
    gateway.pay("cs_2")
    del gateway.pages["cs_1"]
    clock.forward(seconds=30)
    with pytest.raises(GatewayRefused):
        collect.sweep(engine)
    assert b.payment_row(db, paid).status == "paid"
    assert b.payment_row(db, unmade).status == "open"
    clock.forward(minutes=40)
    assert collect.sweep(engine) == 2
    assert {b.payment_row(db, payment_id).status for payment_id in (lost, unmade)} == {"expired"}


# ── refunds ───────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def paid(engine: Engine, gateway: MemoryGateway, bought: str) -> str:
    gateway.pay("cs_1")
    collect.sync(engine, bought)
    return bought


def ask(engine: Engine, payment_id: str, amount: int) -> str | None:
    with engine.db.write() as tx:
        return collect.ask_refund(tx, payment_id, amount, engine.clock(), booking_id=None, reason="a change of plans")


def test_refunds_are_shared_by_what_is_left_and_never_exceed_it(engine: Engine, db: Database, gateway: MemoryGateway, paid: str) -> None:
    ask(engine, paid, 1)
    ask(engine, paid, 5000)
    assert b.shares_of(db, paid) == [("platform", 1440, 600), ("provider", 10560, 4401)]
    ask(engine, paid, 8000)
    assert ask(engine, paid, 1) is None
    assert b.shares_of(db, paid) == [("platform", 1440, 1440), ("provider", 10560, 10560)]
    work(engine)
    assert sorted(gateway.refunds) == [("ch_1", 1), ("ch_1", 5000), ("ch_1", 6999)]
    assert balances(db) == {}
    assert gateway.balance() == 0


def test_what_was_not_paid_cannot_be_given_back(engine: Engine, db: Database, bought: str) -> None:
    before = b.snapshot(db)
    with pytest.raises(Refused):
        ask(engine, bought, 100)
    assert b.snapshot(db) == before


def test_a_refund_without_an_answer_is_the_same_refund(engine: Engine, db: Database, gateway: MemoryGateway, paid: str) -> None:
    refund_id = ask(engine, paid, 2500)
    assert refund_id is not None
    gateway.lose = 1
    with pytest.raises(GatewayUnknown):
        collect.send_refund(engine, refund_id)
    collect.send_refund(engine, refund_id)
    collect.send_refund(engine, refund_id)
    assert gateway.refunds == [("ch_1", 2500)]
    assert b.refunds_of(db, paid) == [(2500, "sent")]
    assert balances(db) == {"gateway": 9500, "provider:tejo": -8360, "platform:house": -1140}


def test_a_refund_that_was_refused_gets_a_new_key_and_a_misused_one_does_not(engine: Engine, gateway: MemoryGateway, paid: str) -> None:
    refund_id = ask(engine, paid, 2500)
    assert refund_id is not None
    gateway.refusals = [
        GatewayMisused("Other parameters under a used key.", code="idempotency_error"),
        GatewayRefused("Not enough.", code="balance_insufficient", curable=True),
    ]
    with pytest.raises(GatewayMisused):
        collect.send_refund(engine, refund_id)
    with pytest.raises(GatewayRefused):
        collect.send_refund(engine, refund_id)
    collect.send_refund(engine, refund_id)
    assert [key for key in gateway.calls if key.startswith("refund:")] == [f"refund:{refund_id}#1"]


def test_an_orphan_that_was_refused_is_tried_under_the_next_key(
    engine: Engine, db: Database, gateway: MemoryGateway, clock: Clock, bought: str
) -> None:
    gateway.pay("cs_1", amount=5)
    collect.sync(engine, bought)
    collect.ensure_link(engine, bought)
    gateway.refusals = [GatewayRefused("Not enough.", code="balance_insufficient", curable=True)]
    assert sorted(work(engine)) == ["payment.link", "refund.orphan", "refund.orphan"]
    assert [key for key in gateway.calls if key.startswith("orphan:")] == ["orphan:ch_1#1"]
    assert balances(db) == {}


def test_a_refund_that_was_given_up_is_taken_up_again(
    engine: Engine, db: Database, gateway: MemoryGateway, clock: Clock, paid: str
) -> None:
    ask(engine, paid, 2500)
    gateway.down = True
    for _ in range(12):
        work(engine, rounds=1)
        clock.forward(minutes=11)
    assert dead(engine) == ["refund.send"]
    gateway.down = False
    clock.forward(hours=1)
    collect.sweep(engine)
    work(engine)
    assert gateway.refunds == [("ch_1", 2500)]
    assert b.refunds_of(db, paid) == [(2500, "sent")]


# ── webhooks ──────────────────────────────────────────────────────────────────────────────────────


def event(id: str, kind: str, object_id: str, **more: object) -> bytes:
    kind_of_object = ".".join(kind.split(".")[:2]) if kind.startswith("checkout") else kind.split(".")[0]
    return json.dumps({"id": id, "type": kind, "object_id": object_id, "object_kind": kind_of_object, **more}).encode()


def states(db: Database) -> dict[str, str]:
    with db.read() as tx:
        return {row.id: row.state for row in tx.execute(select(webhook_event))}


def test_an_event_is_kept_once_and_only_wakes_the_fetch(engine: Engine, db: Database, gateway: MemoryGateway, bought: str) -> None:
    """The body claims it is paid; what counts is what the gateway says when asked."""
    for _ in range(3):
        inbox.receive(engine, event("evt_1", "checkout.session.completed", "cs_1"), "good")
    assert states(db) == {"evt_1": "new"}
    assert work(engine).count("webhook") == 1
    assert states(db) == {"evt_1": "done"}
    assert b.statuses(db) == {"kayak": "ON_HOLD"}

    gateway.pay("cs_1")
    inbox.receive(engine, event("evt_2", "checkout.session.completed", "cs_1"), "good")
    work(engine)
    assert b.statuses(db) == {"kayak": "CONFIRMED"}
    before = b.snapshot(db)
    for id, kind, subject in [
        ("evt_2", "checkout.session.completed", "cs_1"),
        ("evt_3", "checkout.session.expired", "cs_1"),
        ("evt_4", "payment_intent.payment_failed", "pi_1"),
        ("evt_5", "charge.refunded", "ch_1"),
        ("evt_6", "payout.paid", "po_1"),
    ]:
        inbox.receive(engine, event(id, kind, subject), "good")
    work(engine)
    assert b.snapshot(db) == before
    assert states(db) == {f"evt_{n}": "done" for n in range(1, 7)}


def test_a_forged_event_is_refused_and_leaves_nothing(engine: Engine, db: Database, gateway: MemoryGateway, bought: str) -> None:
    gateway.pay("cs_1")
    with pytest.raises(Refused):
        inbox.receive(engine, event("evt_1", "checkout.session.completed", "cs_1"), "bad")
    assert states(db) == {}
    assert b.statuses(db) == {"kayak": "ON_HOLD"}


def test_an_event_of_another_environment_is_kept_and_ignored(engine: Engine, db: Database, gateway: MemoryGateway, bought: str) -> None:
    gateway.pay("cs_1")
    inbox.receive(engine, event("evt_1", "checkout.session.completed", "cs_1", ours=False), "good")
    assert "webhook" not in work(engine)
    assert states(db) == {"evt_1": "done"}
    assert b.statuses(db) == {"kayak": "ON_HOLD"}


def test_an_event_that_comes_too_early_waits_for_us(engine: Engine, db: Database, gateway: MemoryGateway, clock: Clock) -> None:
    """The page was made, the answer lost, and the traveler's payment is heard of before we know the page."""
    b.products(engine)
    payment_id = b.buy(engine)
    gateway.lose = 1
    with pytest.raises(GatewayUnknown):
        collect.ensure_link(engine, payment_id)
    gateway.pay("cs_1")
    inbox.receive(engine, event("evt_1", "checkout.session.completed", "cs_1", payment_id=payment_id), "good")
    with pytest.raises(inbox.NotOurs):
        inbox.work_event(engine, "evt_1")
    collect.ensure_link(engine, payment_id)
    inbox.work_event(engine, "evt_1")
    assert b.statuses(db) == {"kayak": "CONFIRMED"}
    assert gateway.refunds == []


def test_an_event_about_nothing_of_ours_is_never_forgotten(engine: Engine, db: Database, gateway: MemoryGateway) -> None:
    inbox.receive(engine, event("evt_1", "checkout.session.completed", "cs_77"), "good")
    with pytest.raises(inbox.NotOurs):
        inbox.work_event(engine, "evt_1")
    assert states(db) == {"evt_1": "new"}
    with db.read() as tx:
        assert [row.kind for row in tx.execute(select(job))] == ["webhook"]


def test_money_on_a_page_we_had_given_up_goes_back(engine: Engine, db: Database, gateway: MemoryGateway, bought: str) -> None:
    """The event names a page other than the payment's: that very page is fetched, or the money would lie there unseen."""
    gateway.pages["cs_old"] = FetchedPayment("cs_old", "paid", 12000, "eur", "pi_old", "ch_old")
    inbox.receive(engine, event("evt_1", "checkout.session.completed", "cs_old", payment_id=bought), "good")
    work(engine)
    assert gateway.refunds == [("ch_old", 12000)]
    assert b.payment_row(db, bought).status == "open"
    assert balances(db) == {}


def test_i_have_paid_looks_at_everything_open(engine: Engine, db: Database, gateway: MemoryGateway) -> None:
    b.products(engine)
    b.products(engine, "sail", amount=4550, currency="USD")
    ana = b.traveler(engine)
    b.add(engine, ana, "kayak")
    b.add(engine, ana, "sail")
    first, second = b.checkout(engine, ana)
    for payment_id in (first, second):
        collect.ensure_link(engine, payment_id)
    gateway.pay("cs_2")
    looked_at = collect.sync_conversation(engine, ana.conversation_id)
    assert sorted((one["currency"], one["status"]) for one in looked_at) == [("EUR", "open"), ("USD", "paid")]
    assert b.statuses(db) == {"kayak": "ON_HOLD", "sail": "CONFIRMED"}


def test_a_second_yes_to_a_proposal_opens_no_second_payment(engine: Engine) -> None:
    b.products(engine)
    ana = b.traveler(engine)
    b.add(engine, ana)
    proposal = bookings.propose_checkout(engine, ana)["proposal_id"]
    first = bookings.commit_checkout(engine, ana, proposal)
    assert bookings.commit_checkout(engine, ana, proposal)["payments"] == first["payments"]
    assert len(carts.show(engine, ana)["unpaid"]) == 1


# ── a page inside one's own site ──────────────────────────────────────────────────────────────────


def test_an_embedded_page_takes_the_hosted_ones_place_and_is_paid(
    engine: Engine, db: Database, gateway: MemoryGateway, bought: str
) -> None:
    made = collect.embed(engine, bought)
    assert (made["status"], made["url"], made["client_secret"]) == ("open", None, "cs_2_secret")
    assert gateway.pages["cs_1"].state == "expired"
    collect.sync_session(engine, "cs_1")  # news of the old page's end
    assert collect.embed(engine, bought)["client_secret"] == "cs_2_secret"
    gateway.pay("cs_2")
    assert collect.sync(engine, bought)["status"] == "paid"
    assert b.statuses(db) == {"kayak": "CONFIRMED"}
    assert "cs_2_secret" not in json.dumps(b.snapshot(db))


def test_whoever_pays_the_hosted_page_in_that_moment_has_paid(engine: Engine, db: Database, gateway: MemoryGateway, bought: str) -> None:
    gateway.pay("cs_1")
    made = collect.embed(engine, bought)
    assert (made["status"], made["client_secret"]) == ("paid", None)
    assert b.statuses(db) == {"kayak": "CONFIRMED"}
    assert gateway.refunds == []


def test_a_gateway_that_goes_down_between_the_pages_loses_nothing(
    engine: Engine, db: Database, gateway: MemoryGateway, bought: str
) -> None:
    gateway.down = True
    with pytest.raises(GatewayUnknown):
        collect.embed(engine, bought)
    gateway.down = False
    assert collect.embed(engine, bought)["client_secret"] == "cs_2_secret"
    gateway.pay("cs_1")  # the old page could not be closed, and somebody pays it: that goes back whole
    collect.apply(engine, bought, gateway.fetch_payment("cs_1"))
    work(engine)
    assert gateway.refunds == [("ch_1", 12_000)]
    gateway.pay("cs_2")
    assert collect.sync(engine, bought)["status"] == "paid"
    assert b.statuses(db) == {"kayak": "CONFIRMED"}
