"""A card that is held for a request: charged after a yes, let go of after anything else, and never both."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from core import itinerary, offers, requests
from core.engine import Actor, Engine
from core.payments import captures, collect, reconcile
from core.payments.gateway import GatewayUnknown
from core.schema import booking_request, job, ledger_entry, payment, provider
from tests import builders
from tests.builders import payment_row, places, statuses
from tests.conftest import Clock
from tests.gateway import MemoryGateway
from tests.jobs import work

HOST = Actor("host", role="provider", provider_ids=("tejo",), channel="console")


@pytest.fixture
def shop(engine: Engine, gateway: MemoryGateway, clock: Clock) -> Engine:
    gateway.clock = clock
    with engine.db.write() as tx:
        builders.add_provider(tx, "tejo", card_hold=True)
    builders.products(engine, "walk", booking_type="REQUEST")
    return engine


def asked(shop: Engine, *, reserve: bool = True) -> tuple[Actor, str, str]:
    """A traveler who asked for a walk: who, the request, the payment; with the card reserved unless told otherwise."""
    ana = builders.traveler(shop)
    payment_id = builders.buy(shop, "walk", actor=ana)
    collect.ensure_link(shop, payment_id)
    if reserve:
        pay(shop, payment_id)
    (one,) = requests.pending(shop, ("tejo",))
    return ana, str(one["request_id"]), payment_id


def pay(shop: Engine, payment_id: str) -> None:
    gateway = shop.gateway
    assert isinstance(gateway, MemoryGateway)
    session = payment_row(shop.db, payment_id).session_id
    assert session is not None
    gateway.pay(session)
    collect.sync(shop, payment_id)


def booked(shop: Engine) -> list[tuple[str, int]]:
    with shop.db.read() as tx:
        return [(row.account.split(":")[0], row.amount) for row in tx.execute(select(ledger_entry))]


def state(shop: Engine, gateway: MemoryGateway, payment_id: str) -> tuple[str, str]:
    row = payment_row(shop.db, payment_id)
    return row.status, gateway.pages[row.session_id].state


def test_a_reservation_books_nothing_and_a_yes_charges_it(shop: Engine, gateway: MemoryGateway) -> None:
    _, request_id, payment_id = asked(shop)
    assert state(shop, gateway, payment_id) == ("authorized", "authorized")
    assert statuses(shop.db) == {"walk": "PENDING"}
    assert booked(shop) == []
    assert gateway.balance() == 0
    requests.decide(shop, HOST, request_id, "approve")
    assert statuses(shop.db) == {"walk": "ON_HOLD"}
    work(shop)
    assert state(shop, gateway, payment_id) == ("paid", "paid")
    assert statuses(shop.db) == {"walk": "CONFIRMED"}
    assert places(shop.db, "walk") == (0, 2)
    assert sum(amount for _, amount in booked(shop)) == 0
    assert gateway.balance() == 12_000
    captures.capture(shop, payment_id)
    work(shop)
    assert gateway.balance() == 12_000
    found = reconcile.differences(shop, shop.clock() - timedelta(days=1))
    assert found["differences"] == []


@pytest.mark.parametrize("ending", ["decline", "withdraw", "expire", "decline_offer"])
def test_whatever_is_no_yes_lets_go_of_the_card(shop: Engine, gateway: MemoryGateway, clock: Clock, ending: str) -> None:
    ana, request_id, payment_id = asked(shop)
    with shop.db.read() as tx:
        row = tx.execute(select(booking_request).where(booking_request.c.id == request_id)).one()
    if ending == "decline":
        requests.decide(shop, HOST, request_id, "decline")
    elif ending == "withdraw":
        requests.withdraw(shop, ana, row.booking_id)
    elif ending == "expire":
        clock.at = row.respond_by
        assert requests.expire_due(shop, request_id)
    else:
        made = offers.counter(shop, HOST, request_id, amount=15_000)
        assert state(shop, gateway, payment_id)[0] == "authorized", "it stays reserved while they talk"
        offers.decline(shop, ana, made["offer_id"])
    work(shop)
    assert state(shop, gateway, payment_id) == ("expired", "expired")
    assert booked(shop) == []
    assert places(shop.db, "walk") == (0, 0)


def test_another_price_is_paid_by_a_link_and_the_card_is_let_go_of(shop: Engine, gateway: MemoryGateway) -> None:
    ana, request_id, payment_id = asked(shop)
    made = offers.counter(shop, HOST, request_id, amount=15_000)
    offers.accept(shop, ana, made["offer_id"])
    work(shop)
    assert state(shop, gateway, payment_id) == ("expired", "expired")
    with shop.db.read() as tx:
        fresh = tx.execute(select(payment).where(payment.c.status == "open")).one()
    assert (fresh.amount, fresh.manual) == (15_000, False)
    pay(shop, fresh.id)
    assert statuses(shop.db) == {"walk": "CONFIRMED"}
    assert gateway.balance() == 15_000


def test_a_yes_before_the_card_was_given_makes_an_ordinary_link(shop: Engine, gateway: MemoryGateway) -> None:
    _, request_id, payment_id = asked(shop, reserve=False)
    old = payment_row(shop.db, payment_id).session_id
    requests.decide(shop, HOST, request_id, "approve")
    gateway.pay(old)  # at the same moment, before the page is closed
    work(shop)
    assert gateway.pages[old].state == "expired", "what was reserved there is let go of"
    with shop.db.read() as tx:
        fresh = tx.execute(select(payment).where(payment.c.status == "open")).one()
    pay(shop, fresh.id)
    assert statuses(shop.db) == {"walk": "CONFIRMED"}
    assert gateway.balance() == 12_000


def test_a_card_that_let_go_before_it_was_charged_is_followed_by_a_link(shop: Engine, gateway: MemoryGateway) -> None:
    _, request_id, payment_id = asked(shop)
    requests.decide(shop, HOST, request_id, "approve")
    gateway.lapse(payment_row(shop.db, payment_id).session_id)
    work(shop)
    row = payment_row(shop.db, payment_id)
    assert (row.status, row.manual) == ("open", False)
    assert statuses(shop.db) == {"walk": "ON_HOLD"}
    pay(shop, payment_id)
    assert statuses(shop.db) == {"walk": "CONFIRMED"}


def test_a_card_that_lets_go_while_the_host_thinks_leaves_the_request_open(shop: Engine, gateway: MemoryGateway, clock: Clock) -> None:
    _, request_id, payment_id = asked(shop)
    gateway.lapse(payment_row(shop.db, payment_id).session_id)
    collect.sync(shop, payment_id)
    assert payment_row(shop.db, payment_id).status == "expired"
    assert statuses(shop.db) == {"walk": "PENDING"}
    requests.decide(shop, HOST, request_id, "approve")
    work(shop)
    assert [row["status"] for row in rows_of(shop)] == ["expired", "open"]


def rows_of(shop: Engine) -> list[dict[str, object]]:
    with shop.db.read() as tx:
        return [dict(row._mapping) for row in tx.execute(select(payment).order_by(payment.c.created_at, payment.c.manual.desc()))]


def test_no_answer_is_asked_again_under_the_same_key_and_charges_once(shop: Engine, gateway: MemoryGateway) -> None:
    _, request_id, payment_id = asked(shop)
    requests.decide(shop, HOST, request_id, "approve")
    gateway.lose = 1
    with pytest.raises(GatewayUnknown):
        captures.capture(shop, payment_id)
    assert payment_row(shop.db, payment_id).status == "authorized"
    work(shop)
    assert statuses(shop.db) == {"walk": "CONFIRMED"}
    assert gateway.balance() == 12_000


def test_the_sweep_finds_what_no_job_carried_out(shop: Engine, gateway: MemoryGateway, clock: Clock) -> None:
    _, request_id, _ = asked(shop)
    requests.decide(shop, HOST, request_id, "approve")
    with shop.db.write() as tx:
        tx.execute(update(job).values(state="dead"))
    clock.forward(minutes=6)
    assert captures.sweep(shop) == 1
    assert statuses(shop.db) == {"walk": "CONFIRMED"}


def test_the_host_s_time_ends_before_the_card_lets_go(shop: Engine, gateway: MemoryGateway, clock: Clock) -> None:
    with shop.db.write() as tx:
        tx.execute(update(provider).values(respond_hours=168))
    ana, request_id, payment_id = asked(shop)
    row = payment_row(shop.db, payment_id)
    assert row.capture_by == clock() + timedelta(days=7)
    with shop.db.read() as tx:
        until = tx.execute(select(booking_request.c.respond_by).where(booking_request.c.id == request_id)).scalar_one()
    assert until == row.capture_by - timedelta(hours=12)
    (one,) = itinerary.of_account(shop, ana.account_id)
    assert "pay" not in one["verbs"], "the card is reserved already"


def test_the_page_asks_for_the_card_until_it_is_reserved(shop: Engine) -> None:
    ana, _, payment_id = asked(shop, reserve=False)
    (one,) = itinerary.of_account(shop, ana.account_id)
    assert "pay" in one["verbs"]
    assert one["payment_id"] == payment_id


def test_a_host_who_asks_for_no_card_and_a_price_on_request_reserve_nothing(shop: Engine) -> None:
    with shop.db.write() as tx:
        tx.execute(update(provider).values(card_hold=False))
    ana = builders.traveler(shop)
    builders.add(shop, ana, "walk")
    assert builders.checkout(shop, ana) == []


def test_a_stale_answer_changes_nothing(shop: Engine, gateway: MemoryGateway) -> None:
    _, request_id, payment_id = asked(shop)
    row = payment_row(shop.db, payment_id)
    stale = gateway.pages[row.session_id]
    requests.decide(shop, HOST, request_id, "approve")
    work(shop)
    collect.apply(shop, payment_id, stale)
    work(shop)
    assert state(shop, gateway, payment_id) == ("paid", "paid")
    assert statuses(shop.db) == {"walk": "CONFIRMED"}
