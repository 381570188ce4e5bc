"""A deposit now and the rest later: exact cents, one link a due date, reminders once, and an end when it is not paid."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from core import bookings, cancellations, carts, requests
from core.availability import Ask
from core.catalogue_files import import_files
from core.engine import Actor, Engine
from core.errors import Refused
from core.payments import balances, collect, ledger
from core.payments.schedule import split
from core.schema import booking, cancellation_policy, message, outbound, payment, product, provider, share
from tests import builders as b
from tests import market
from tests.conftest import Clock
from tests.core.test_holds import counters
from tests.gateway import MemoryGateway
from tests.jobs import work

DAY = date(2027, 2, 20)
SAIL = Ask("sunset-sail", None, DAY, None, "17:30", {"ADULT": 2})  # 96.00
HOUSE = Ask("casa-miradouro", None, DAY, date(2027, 2, 23), "", {"ADULT": 2})  # 270.00
WALK = Ask("alfama-walk", None, DAY, None, "", {"ADULT": 2})  # 120.00, on request
PROVIDER = Actor("p", role="provider", provider_ids=("tejo-days",))
DUE = datetime(2027, 2, 6, 12, tzinfo=UTC)  # Lisbon noon, 14 days before


@pytest.fixture
def shop(engine: Engine, tmp_path: Path) -> Engine:
    """Thirty percent of everything is enough for now."""
    market.load(engine, tmp_path)
    with engine.db.write() as tx:
        tx.execute(update(provider).values(deposit_bps=3000))
    return engine


def put(engine: Engine, actor: Actor, *asks: Ask) -> dict:
    for ask in asks:
        carts.add(engine, actor, ask)
    return bookings.propose_checkout(engine, actor)


def book(engine: Engine, actor: Actor, *asks: Ask) -> dict:
    return bookings.commit_checkout(engine, actor, put(engine, actor, *asks)["proposal_id"], method="deposit")


def settle(engine: Engine, gateway: MemoryGateway, payment_id: str) -> dict:
    """The traveler pays the page of this payment."""
    collect.ensure_link(engine, payment_id)
    with engine.db.read() as tx:
        session = collect.get(tx, payment_id).session_id
    gateway.pay(session)
    return collect.sync(engine, payment_id)


def rows(engine: Engine) -> dict[str, object]:
    with engine.db.read() as tx:
        return {row.product_id: row for row in tx.execute(select(booking))}


def of(engine: Engine, actor: Actor, product_id: str) -> dict:
    found = {rows(engine)[product_id].id}
    return next(one for one in bookings.of_conversation(engine, actor) if one["booking_id"] in found)


def events(engine: Engine) -> list[str]:
    with engine.db.read() as tx:
        lines = tx.execute(select(message.c.data).order_by(message.c.conversation_id, message.c.seq))
        return [part["event"] for line in lines for part in line.data.get("parts", ()) if part["type"] == "event"]


def test_the_proposal_says_to_the_cent_what_is_paid_now_and_what_later(shop: Engine) -> None:
    made = put(shop, b.traveler(shop), SAIL, HOUSE)
    assert made["totals"]["EUR"]["payable"] == 36_600
    assert made["deposit_totals"] == {"EUR": {"now": 2_880 + 8_100, "later": 25_620, "due_at": DUE.isoformat()}}


def test_a_deposit_confirms_the_booking_and_one_link_pays_the_rest(shop: Engine, gateway: MemoryGateway) -> None:
    actor = b.traveler(shop)
    (first,) = book(shop, actor, SAIL, HOUSE)["payments"]
    assert settle(shop, gateway, first)["amount"] == 10_980
    assert {row.status for row in rows(shop).values()} == {"CONFIRMED"}
    assert [(of(shop, actor, id)["paid"], of(shop, actor, id)["owed"]) for id in ("sunset-sail", "casa-miradouro")] == [
        (2_880, 6_720),
        (8_100, 18_900),
    ]
    rest = balances.pay(shop, actor, rows(shop)["sunset-sail"].reference)
    assert (rest["kind"], rest["amount"]) == ("BALANCE", 25_620)
    assert balances.pay(shop, actor, rows(shop)["casa-miradouro"].id)["payment_id"] == rest["payment_id"]  # the same page
    settle(shop, gateway, rest["payment_id"])
    assert [of(shop, actor, id)["owed"] for id in ("sunset-sail", "casa-miradouro")] == [0, 0]
    assert "balance_paid" in events(shop)
    with pytest.raises(Refused, match="Nothing is left"):
        balances.pay(shop, actor, rows(shop)["sunset-sail"].id)
    with shop.db.read() as tx:
        assert ledger.unbalanced(tx) == []
        parts = {(row.booking_id, row.party): 0 for row in tx.execute(select(share))}
        for row in tx.execute(select(share)):
            parts[(row.booking_id, row.party)] += row.amount
    for row in rows(shop).values():
        assert parts[(row.id, "platform")] == row.fee_amount
        assert parts[(row.id, "provider")] == row.amount - row.fee_amount
    counters(shop)


@given(amount=st.integers(1, 10**7), bps=st.integers(0, 10_000), deposit=st.integers(1, 10_000))
def test_deposit_and_balance_split_like_one_payment(amount: int, bps: int, deposit: int) -> None:
    fee = amount * bps // 10_000
    now = max(1, amount * deposit // 10_000)
    first = split(amount, fee, now)
    assert sum(first) == now
    if now < amount:
        rest = split(amount, fee, amount - now, first)
        assert (first[0] + rest[0], first[1] + rest[1]) == (amount - fee, fee)
        assert min(*rest, *first) >= 0


def test_a_fixed_deposit_counts_and_one_above_the_price_is_none(shop: Engine) -> None:
    with shop.db.write() as tx:
        tx.execute(update(product).where(product.c.id == "sunset-sail").values(deposit_amount=2_000))
        tx.execute(update(product).where(product.c.id == "casa-miradouro").values(deposit_amount=99_900))
    made = put(shop, b.traveler(shop), SAIL, HOUSE)
    assert made["deposit_totals"]["EUR"]["now"] == 2_000 + 27_000


def test_where_the_start_is_near_everything_is_due_at_once(shop: Engine, clock: Clock) -> None:
    actor = b.traveler(shop)
    made = put(shop, actor, Ask("sunset-sail", None, clock().date() + timedelta(days=10), None, "17:30", {"ADULT": 2}))
    assert made["deposit_totals"] == {}
    with pytest.raises(Refused, match="paid in full"):
        bookings.commit_checkout(shop, actor, made["proposal_id"], method="deposit")
    with shop.db.read() as tx:
        assert tx.execute(select(booking.c.id)).all() == []


def test_a_traveler_who_pays_whole_has_nothing_left_to_pay(shop: Engine, gateway: MemoryGateway) -> None:
    actor = b.traveler(shop)
    (first,) = bookings.commit_checkout(shop, actor, put(shop, actor, SAIL)["proposal_id"])["payments"]
    assert settle(shop, gateway, first)["amount"] == 9_600
    assert of(shop, actor, "sunset-sail")["owed"] == 0
    assert rows(shop)["sunset-sail"].pay_by is None


def asked(engine: Engine, actor: Actor) -> str:
    (booked,) = book(engine, actor, WALK)["requests"]
    (one,) = requests.of_bookings(engine, [booked])
    return str(one["request_id"])


def first_payment(engine: Engine) -> tuple[str, int]:
    with engine.db.read() as tx:
        row = tx.execute(select(payment.c.kind, payment.c.amount)).one()
        return row.kind, row.amount


def test_an_approved_request_asks_for_the_deposit(shop: Engine, gateway: MemoryGateway) -> None:
    actor = b.traveler(shop)
    requests.decide(shop, PROVIDER, asked(shop, actor), "approve")
    assert first_payment(shop) == ("DEPOSIT", 3_600)
    assert rows(shop)["alfama-walk"].balance_due_at == DUE


def test_an_approval_close_to_the_due_day_asks_for_everything(shop: Engine, clock: Clock) -> None:
    clock.at = DUE - timedelta(hours=30)
    request_id = asked(shop, b.traveler(shop))
    clock.at = DUE - timedelta(hours=20)
    requests.decide(shop, PROVIDER, request_id, "approve")
    assert first_payment(shop) == ("FULL", 12_000)
    assert rows(shop)["alfama-walk"].balance_due_at is None


def test_reminders_go_out_once_a_stage_and_an_unpaid_rest_ends_the_booking(shop: Engine, gateway: MemoryGateway, clock: Clock) -> None:
    actor = b.traveler(shop)
    with shop.db.write() as tx:
        tx.execute(update(cancellation_policy).values(tiers=[{"hours": 24 * 30, "refund_bps": 10_000}, {"hours": 24, "refund_bps": 9_000}]))
    (first,) = book(shop, actor, SAIL)["payments"]
    settle(shop, gateway, first)
    work(shop)
    for moment, told in (
        (DUE - timedelta(days=8), 0),
        (DUE - timedelta(days=7), 1),
        (DUE - timedelta(days=6), 1),
        (DUE - timedelta(days=1), 2),
        (DUE, 3),
        (DUE + timedelta(hours=47), 3),
    ):
        clock.at = moment
        work(shop)
        work(shop)
        assert events(shop).count("balance_due") == told, moment
    with shop.db.read() as tx:
        mails = [row.notice for row in tx.execute(select(outbound.c.notice).order_by(outbound.c.id))]
    assert mails.count("balance_due") == 3
    clock.at = DUE + timedelta(hours=48)
    assert balances.sweep(shop) == 1  # found without its wake-up
    work(shop)
    assert rows(shop)["sunset-sail"].status == "CANCELLED"
    # ninety percent of 96.00 may be had back, so 9.60 is kept of the deposit of 28.80
    assert gateway.refunds == [("ch_1", 1_920)]
    assert list(counters(shop).values()) == [(0, 0)]
    assert balances.sweep(shop) == 0


def test_a_rest_paid_in_the_last_moment_keeps_the_booking(shop: Engine, gateway: MemoryGateway, clock: Clock) -> None:
    actor = b.traveler(shop)
    (first,) = book(shop, actor, SAIL)["payments"]
    settle(shop, gateway, first)
    clock.at = DUE + timedelta(hours=47, minutes=50)
    rest = balances.pay(shop, actor, rows(shop)["sunset-sail"].id)
    with shop.db.read() as tx:
        gateway.pay(collect.get(tx, rest["payment_id"]).session_id)  # paid, and nobody has told us yet
    clock.at = DUE + timedelta(hours=48)
    balances.sweep(shop)
    assert rows(shop)["sunset-sail"].status == "CONFIRMED"
    assert of(shop, actor, "sunset-sail")["owed"] == 0


def test_a_cancelled_booking_closes_its_balance_page_and_money_that_came_all_the_same_goes_back(
    shop: Engine, gateway: MemoryGateway, clock: Clock
) -> None:
    actor = b.traveler(shop)
    (first,) = book(shop, actor, SAIL)["payments"]
    settle(shop, gateway, first)
    rest = balances.pay(shop, actor, rows(shop)["sunset-sail"].id)
    preview = cancellations.propose(shop, actor, rows(shop)["sunset-sail"].id)
    assert (preview["paid"], preview["refund"]) == (2_880, 2_880)
    cancellations.commit(shop, actor, preview["proposal_id"])
    with shop.db.read() as tx:
        gateway.pay(collect.get(tx, rest["payment_id"]).session_id)
    work(shop)
    assert gateway.balance() == 0
    with shop.db.read() as tx:
        assert ledger.unbalanced(tx) == []
        assert not any(amount for name, amount in ((k, v) for (k, _), v in ledger.balances(tx).items()) if name.startswith("gateway"))


def test_a_page_that_ended_unpaid_leaves_the_booking_and_a_new_one_can_be_had(shop: Engine, gateway: MemoryGateway, clock: Clock) -> None:
    actor = b.traveler(shop)
    (first,) = book(shop, actor, SAIL)["payments"]
    settle(shop, gateway, first)
    one = balances.pay(shop, actor, rows(shop)["sunset-sail"].id)
    clock.forward(days=1)
    work(shop)
    assert rows(shop)["sunset-sail"].status == "CONFIRMED"
    assert events(shop)[-1] == "balance_page_ended"
    assert balances.pay(shop, actor, rows(shop)["sunset-sail"].id)["payment_id"] != one["payment_id"]


def test_deposits_come_in_by_file(engine: Engine, tmp_path: Path) -> None:
    def load(**more: object) -> list[str]:
        records = [market.LISBON, market.provider("boats", deposit="50.00", **more)]
        path = tmp_path / "boats.jsonl"
        path.write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
        return [str(problem) for problem in import_files(engine.db, [path], engine.clock()).problems]

    assert load() == []
    with engine.db.read() as tx:
        assert tx.execute(select(provider.c.deposit_amount)).scalar_one() == 5_000
    assert "either a deposit or a deposit_percent" in load(deposit_percent=30)[0]
