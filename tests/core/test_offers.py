"""Other terms than were asked for: places follow the offer, only the traveler's yes binds, and every offer is answered once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from core import bookings, carts, offers, requests
from core.availability import Ask
from core.engine import Actor, Engine
from core.errors import AlreadyDecided, CoreError, Expired, Invalid, NotAllowed, NotFound, Refused, SoldOut
from core.payments import collect
from core.people import ensure_account
from core.schema import booking, fee_rule, message, offer, payment, price_adjustment, proposal, slot
from tests import market
from tests.conftest import Clock
from tests.core.test_holds import SATURDAY, counters, order, traveler
from tests.gateway import MemoryGateway
from tests.jobs import work

SUNDAY = SATURDAY + timedelta(days=1)
WALK = Ask("alfama-walk", None, SATURDAY, None, "", {"ADULT": 2})
VATICAN = Ask("vatican-quote", None, SATURDAY, None, "", {"ADULT": 30})
PROVIDER = Actor("p", role="provider", provider_ids=("tejo-days", "roman-holidays"), channel="console")


@pytest.fixture
def shop(engine: Engine, tmp_path: Path) -> Engine:
    market.load(engine, tmp_path)
    with engine.db.write() as tx:
        for person in ("p", "other"):
            ensure_account(tx, engine.clock(), person, name=person.title(), email=f"{person}@example.com")
    return engine


def asked(engine: Engine, actor: Actor, ask: Ask = WALK) -> str:
    done = order(engine, actor, ask)
    (one,) = requests.of_bookings(engine, list(done["requests"]))  # type: ignore[call-overload]
    return str(one["request_id"])


def row(engine: Engine):
    with engine.db.read() as tx:
        return tx.execute(select(booking)).one()


def statuses(engine: Engine) -> list[tuple[str, str, int]]:
    with engine.db.read() as tx:
        return [(r.side, r.status, r.amount) for r in tx.execute(select(offer).order_by(offer.c.made_at, offer.c.side))]


def events(engine: Engine, actor: Actor) -> list[str]:
    with engine.db.read() as tx:
        rows = tx.execute(select(message.c.data).where(message.c.conversation_id == actor.conversation_id).order_by(message.c.seq))
        return [part["event"] for r in rows for part in r.data.get("parts", ()) if part["type"] == "event"]


def places(engine: Engine) -> dict[str, tuple[int, int]]:
    counters(engine)
    with engine.db.read() as tx:
        return {r.local_date.isoformat(): (r.held, r.booked) for r in tx.execute(select(slot))}


def pay(engine: Engine, gateway: MemoryGateway) -> int:
    with engine.db.read() as tx:
        (payment_id,) = tx.execute(select(payment.c.id)).scalars()
    collect.ensure_link(engine, payment_id)
    with engine.db.read() as tx:
        gateway.pay(collect.get(tx, payment_id).session_id)
    return int(collect.sync(engine, payment_id)["amount"])


def test_another_day_and_price_are_held_accepted_paid_and_kept_to_the_cent(shop: Engine, gateway: MemoryGateway) -> None:
    actor = traveler(shop)
    request_id = asked(shop, actor)
    made = offers.counter(shop, PROVIDER, request_id, amount=18_000, local_date=SUNDAY, message="Sunday is quieter")
    assert places(shop) == {"2026-11-28": (0, 0), "2026-11-29": (1, 0)}
    assert (row(shop).status, row(shop).amount, row(shop).local_date) == ("PENDING", 12_000, SATURDAY)  # nothing binds yet
    order(shop, traveler(shop), WALK)  # the day that was asked for first is somebody else's now
    done = offers.accept(shop, actor, str(made["offer_id"]))
    assert done["status"] == "ON_HOLD"
    with shop.db.read() as tx:
        one = tx.execute(select(booking).where(booking.c.id == done["booking_id"])).one()
    assert (one.amount, one.fee_amount, one.local_date, one.starts_at.date()) == (18_000, 2_160, SUNDAY, SUNDAY)
    assert [line["amount"] for line in one.price_lines] == [18_000]
    assert pay(shop, gateway) == 18_000
    assert places(shop)["2026-11-29"] == (0, 1)
    assert events(shop, actor) == ["request_sent", "offer_received", "offer_accepted", "payment_ready", "booking_confirmed"]


def test_a_quote_waits_without_a_price_and_a_plain_yes_is_not_one(shop: Engine) -> None:
    actor = traveler(shop)
    carts.add(shop, actor, VATICAN)
    carts.add(shop, actor, Ask("pasta-class", None, SATURDAY, None, "", {"ADULT": 2}))
    shown = bookings.propose_checkout(shop, actor)
    assert [(line["how"], line["amount"]) for line in shown["lines"]] == [("on_quote", 0), ("pay_now", 11_800)]
    assert shown["totals"] == {"EUR": {"payable": 11_800, "pay_now": 11_800, "if_approved": 0, "at_provider": 0}}
    bookings.commit_checkout(shop, actor, shown["proposal_id"])
    (one,) = requests.pending(shop, ("roman-holidays",))
    assert (one["kind"], one["amount"]) == ("quote", 0)
    with pytest.raises(Invalid) as caught:
        requests.decide(shop, PROVIDER, one["request_id"], "approve")
    assert caught.value.field == "amount"
    with pytest.raises(Invalid, match="price"):
        offers.counter(shop, PROVIDER, one["request_id"], local_date=SUNDAY)
    made = offers.counter(shop, PROVIDER, one["request_id"], amount=240_000)
    assert offers.accept(shop, actor, made["offer_id"])["status"] == "ON_HOLD"
    with shop.db.read() as tx:
        due = sorted(tx.execute(select(payment.c.amount)).scalars())
    assert due == [11_800, 240_000]


def test_the_traveler_answers_with_a_price_and_the_providers_yes_takes_it(shop: Engine) -> None:
    actor = traveler(shop)
    request_id = asked(shop, actor)
    made = offers.counter(shop, PROVIDER, request_id, amount=20_000)
    offers.ask_again(shop, actor, made["offer_id"], amount=15_000, message="would 150 do?")
    (one,) = requests.pending(shop, ("tejo-days",))
    assert (one["wished_amount"], one["wish"]) == (15_000, "would 150 do?")
    assert requests.decide(shop, PROVIDER, request_id, "approve")["status"] == "approved"
    assert (row(shop).status, row(shop).amount) == ("ON_HOLD", 15_000)
    assert statuses(shop) == [("provider", "countered", 20_000), ("traveler", "accepted", 15_000)]


def test_a_wish_can_be_met_with_another_offer_and_haggling_has_an_end(shop: Engine) -> None:
    actor = traveler(shop)
    request_id = asked(shop, actor)
    for round_ in range(4):
        made = offers.counter(shop, PROVIDER, request_id, amount=20_000 - round_ * 500)
        offers.ask_again(shop, actor, made["offer_id"], amount=15_000 + round_)
    with pytest.raises(Refused, match="back and forth"):
        offers.counter(shop, PROVIDER, request_id, amount=16_000)
    assert requests.decide(shop, PROVIDER, request_id, "decline")["status"] == "declined"
    assert row(shop).status == "REJECTED"
    assert ("traveler", "declined", 15_003) in statuses(shop)
    assert set(places(shop).values()) == {(0, 0)}


def test_a_no_frees_the_places_and_both_sides_hear_it(shop: Engine) -> None:
    actor = traveler(shop)
    made = offers.counter(shop, PROVIDER, asked(shop, actor), local_date=SUNDAY)
    assert made["amount"] == 12_000  # priced by the rules
    assert offers.decline(shop, actor, made["offer_id"])["status"] == "CANCELLED"
    assert set(places(shop).values()) == {(0, 0)}
    with pytest.raises(AlreadyDecided, match="declined"):
        offers.accept(shop, actor, made["offer_id"])


def test_an_offer_nobody_answers_runs_out_and_so_does_a_yes_that_comes_late(shop: Engine, clock: Clock) -> None:
    actor = traveler(shop)
    made = offers.counter(shop, PROVIDER, asked(shop, actor), amount=13_000)
    clock.forward(hours=24, minutes=1)
    with pytest.raises(Expired):
        offers.accept(shop, actor, made["offer_id"])
    assert requests.sweep(shop) == 1
    assert row(shop).status == "EXPIRED"
    assert statuses(shop) == [("provider", "expired", 13_000)]
    assert events(shop, actor)[-1] == "offer_expired"
    assert set(places(shop).values()) == {(0, 0)}


def test_accept_decline_counter_and_withdraw_at_once_have_one_winner(shop: Engine) -> None:
    actor = traveler(shop)
    request_id = asked(shop, actor)
    made = offers.counter(shop, PROVIDER, request_id, amount=13_000)
    start = threading.Barrier(8)
    acts = [
        lambda: offers.accept(shop, actor, made["offer_id"]),
        lambda: offers.decline(shop, actor, made["offer_id"]),
        lambda: requests.decide(shop, PROVIDER, request_id, "decline"),
        lambda: requests.withdraw(shop, actor, row(shop).id),
    ] * 2

    def run(n: int) -> str:
        start.wait()
        try:
            acts[n]()
        except CoreError as error:
            return error.code
        return "won"

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(run, range(8)))
    assert outcomes.count("won") == 1, outcomes
    held = sum(h for h, _ in places(shop).values())
    assert held == (1 if row(shop).status == "ON_HOLD" else 0)


def test_an_offer_for_a_full_day_is_refused_and_nothing_has_moved(shop: Engine) -> None:
    actor = traveler(shop)
    request_id = asked(shop, actor)
    order(shop, traveler(shop), replace(WALK, local_date=SUNDAY))
    with pytest.raises(SoldOut, match="Sun 29 Nov"):
        offers.counter(shop, PROVIDER, request_id, local_date=SUNDAY)
    assert places(shop) == {"2026-11-28": (1, 0), "2026-11-29": (1, 0)}
    assert statuses(shop) == []


def test_a_newer_offer_of_the_provider_replaces_the_last_one(shop: Engine) -> None:
    actor = traveler(shop)
    request_id = asked(shop, actor)
    first = offers.counter(shop, PROVIDER, request_id, amount=15_000, local_date=SUNDAY)
    second = offers.counter(shop, PROVIDER, request_id, amount=14_000)
    assert second["date"] == "2026-11-29"  # what was offered last is what goes on
    with pytest.raises(AlreadyDecided):
        offers.accept(shop, actor, first["offer_id"])
    assert offers.accept(shop, actor, second["offer_id"])["status"] == "ON_HOLD"


def test_who_may_and_what_is_no_offer(shop: Engine) -> None:
    actor = traveler(shop)
    request_id = asked(shop, actor)
    with pytest.raises(NotFound):
        offers.counter(shop, replace(PROVIDER, provider_ids=("casa-alta",)), request_id, amount=1)
    for wrong in (0, -5, 10**13):
        with pytest.raises(Invalid):
            offers.counter(shop, PROVIDER, request_id, amount=wrong)
    with pytest.raises(Invalid, match="same terms"):
        offers.counter(shop, PROVIDER, request_id, amount=12_000)
    made = offers.counter(shop, PROVIDER, request_id, amount=13_000)
    with pytest.raises(AlreadyDecided):
        requests.decide(shop, PROVIDER, request_id, "approve")
    with pytest.raises(NotFound):
        offers.accept(shop, Actor("other", conversation_id=actor.conversation_id), made["offer_id"])
    with pytest.raises(NotAllowed):
        offers.accept(shop, Actor("other", role="expert", acting_for=actor.account_id), made["offer_id"])
    with pytest.raises(Invalid):
        offers.ask_again(shop, actor, made["offer_id"], amount=13_000)


def test_taxes_stay_in_the_offered_price_and_are_not_charged_a_fee(shop: Engine) -> None:
    actor = traveler(shop)
    with shop.db.write() as tx:
        tx.execute(
            price_adjustment.insert().values(id="vat", scope="PRODUCT", scope_id="alfama-walk", kind="tax", name="City tax", bps=2_500)
        )
        tx.execute(update(fee_rule).values(bps=1_000))
    made = offers.counter(shop, PROVIDER, asked(shop, actor), amount=20_000)
    offers.accept(shop, actor, made["offer_id"])
    assert (row(shop).tax_amount, row(shop).fee_amount) == (4_000, 1_600)


def test_an_exact_yes_stands_for_the_one_offer(shop: Engine) -> None:
    actor = traveler(shop)
    made = offers.counter(shop, PROVIDER, asked(shop, actor), amount=13_000)
    with shop.db.read() as tx:
        (live,) = bookings.live_proposals(tx, actor.conversation_id, shop.clock())
        assert offers.of_proposal(tx, live.id) == made["offer_id"]
    offers.accept(shop, actor, made["offer_id"])
    with shop.db.read() as tx:
        assert bookings.live_proposals(tx, actor.conversation_id, shop.clock()) == []
        assert tx.execute(select(proposal.c.status).where(proposal.c.kind == "offer")).scalar_one() == "superseded"


def test_a_job_that_comes_early_ends_nothing(shop: Engine, clock: Clock) -> None:
    actor = traveler(shop)
    request_id = asked(shop, actor)
    offers.counter(shop, PROVIDER, request_id, amount=13_000)
    assert not requests.expire_due(shop, request_id)
    clock.forward(hours=23)
    work(shop)
    assert row(shop).status == "PENDING"
