"""What comes after the yes, in the traveler's own words: deposits and the rest, changes, prices on request and offers."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select, update

from core import offers, requests
from core.db import Database
from core.engine import Actor, Engine
from core.payments import captures, collect
from core.schema import booking, payment, provider
from tests import market
from tests.conftest import Clock
from tests.gateway import MemoryGateway
from tests.talk import Talk

DETAILS = {"name": "Ana Silva", "email": "ana@example.com", "terms": True, "requests": ""}
PROVIDER = Actor("p", role="provider", provider_ids=("tejo-days", "roman-holidays"))


@pytest.fixture
def shop(sqlite: Database, clock: Clock, gateway: MemoryGateway, tmp_path: Path) -> Engine:
    engine = Engine(db=sqlite, gateway=gateway, clock=clock)
    market.load(engine, tmp_path)
    with engine.db.write() as tx:
        tx.execute(update(provider).where(provider.c.id == "tejo-days").values(deposit_bps=2_500))
    return engine


def booked(engine: Engine) -> dict[str, object]:
    with engine.db.read() as tx:
        return {row.product_id: row for row in tx.execute(select(booking))}


def pay(talk: Talk, gateway: MemoryGateway) -> None:
    """The traveler pays the newest page."""
    with talk.engine.db.read() as tx:
        row = tx.execute(select(payment).where(payment.c.status.in_(("new", "open"))).order_by(payment.c.created_at.desc()).limit(1)).one()
    collect.ensure_link(talk.engine, row.id)
    with talk.engine.db.read() as tx:
        gateway.pay(collect.get(tx, row.id).session_id)
    collect.sync(talk.engine, row.id)
    talk.new()


def titles(talk: Talk) -> list[str]:
    return [part["title"] for part in talk.parts if part.get("title")]


def test_a_deposit_now_the_rest_by_asking_and_another_day_in_between(shop: Engine, gateway: MemoryGateway) -> None:
    talk = Talk(shop)
    talk.say("the sunset sail in Lisbon on 6 March 2027 for two")
    talk.press("Add to trip")
    assert "A deposit is enough for now" in talk.say("can I pay just a deposit?")
    assert "Or with a deposit: €24 now and €72 by Sat 20 Feb" in talk.of("summary")[0]["note"]
    talk.press("Pay a deposit")
    talk.press("Confirm and book", DETAILS)
    assert titles(talk) == ["Your places are held. Please pay €24."]
    pay(talk, gateway)
    assert any("€72 is still to be paid by Sat 20 Feb" in line for line in talk.of("status")[0]["lines"])
    assert talk.say("the travelers are Ana Silva and Tom Meyer") == "The host knows now who comes: Ana Silva, Tom Meyer."
    assert booked(shop)["sunset-sail"].contact["travelers"] == ["Ana Silva", "Tom Meyer"]  # type: ignore[attr-defined]
    assert "that is 3 names" in talk.say("names: Ana Silva, Tom Meyer, Li Wei")
    assert "Nothing changes until" in talk.say("please move my booking to 7 March")
    assert "Still to be paid later" in str(talk.parts)
    talk.say("yes")
    assert titles(talk) == ["Changed"]
    assert str(booked(shop)["sunset-sail"].local_date) == "2027-03-07"  # type: ignore[attr-defined]
    assert "the rest, €72" in talk.say("what do I still owe? I want to pay the rest")
    pay(talk, gateway)
    assert titles(talk) == ["Thank you, the rest is paid"]
    assert talk.say("what do I still owe?") == "Everything you have booked is paid."
    assert talk.say("pay the balance") == "Everything you have booked is paid."


def test_more_people_are_paid_for_before_they_count(shop: Engine, gateway: MemoryGateway) -> None:
    talk = Talk(shop)
    talk.say("pasta class in Rome on 5 December for two")
    talk.press("Add to trip")
    talk.say("book it")
    talk.press("Confirm")
    talk.press("Confirm and book", DETAILS)
    pay(talk, gateway)
    talk.say("change my booking to four people")
    (shown,) = talk.of("summary")
    assert {line["label"]: line["amount"] for line in shown["groups"][0]["lines"]} == {
        "Price until now": "€118",
        "New price": "€236",
        "To pay now": "€118",
    }
    talk.press("Change this booking")
    assert titles(talk) == ["Please pay €118, then the change counts."]
    assert booked(shop)["pasta-class"].units == {"ADULT": 2}  # type: ignore[attr-defined]
    pay(talk, gateway)
    assert titles(talk) == ["Changed"]
    assert booked(shop)["pasta-class"].units == {"ADULT": 4}  # type: ignore[attr-defined]


def test_a_price_on_request_is_asked_named_haggled_over_and_paid(shop: Engine, gateway: MemoryGateway) -> None:
    talk = Talk(shop)
    talk.say("Vatican morning for large groups in Rome on 5 December for 12")
    talk.press("Ask for a price")
    (form,) = talk.of("form")
    assert [(field["name"], field["value"]) for field in form["fields"]][:2] == [("date", "2026-12-05"), ("adults", 12)]
    talk.press("Add to trip", {"date": "2026-12-05", "adults": 12})
    assert "price on request" in talk.text
    talk.say("check out")
    assert talk.of("summary")[0]["groups"][0]["title"] == "Price on request"
    talk.press("Confirm")
    talk.press("Confirm and book", DETAILS)
    assert titles(talk) == ["Asked Roman Holidays for a price"]
    (asked,) = requests.pending(shop, ("roman-holidays",))
    offers.counter(shop, PROVIDER, asked["request_id"], amount=96_000, message="With two guides")
    talk.new()
    assert titles(talk) == ["Roman Holidays offers €960"]
    talk.press("Suggest another price")
    talk.press("Send to the provider", {"amount": "€ 800", "message": "would 800 do?"})
    assert titles(talk) == ["Your price of €800 was sent to Roman Holidays"]
    requests.decide(shop, PROVIDER, asked["request_id"], "approve")
    talk.new()
    pay(talk, gateway)
    assert titles(talk)[-1] == "Booked and confirmed"
    assert booked(shop)["vatican-quote"].amount == 80_000  # type: ignore[attr-defined]


def test_an_exact_yes_accepts_the_one_offer_that_waits(shop: Engine) -> None:
    talk = Talk(shop)
    talk.say("private walk through Alfama on 5 December for two")
    talk.press("Request")
    talk.say("book it")
    talk.press("Confirm")
    talk.press("Confirm and book", DETAILS)
    (asked,) = requests.pending(shop, ("tejo-days",))
    offers.counter(shop, PROVIDER, asked["request_id"], amount=10_000)
    talk.new()
    talk.say("yes, and a dinner too")
    assert booked(shop)["alfama-walk"].status == "PENDING"  # type: ignore[attr-defined]
    talk.say("yes")
    assert booked(shop)["alfama-walk"].status == "ON_HOLD"  # type: ignore[attr-defined]
    assert booked(shop)["alfama-walk"].amount == 10_000  # type: ignore[attr-defined]


def test_a_card_is_reserved_with_the_request_and_charged_after_the_yes(shop: Engine, gateway: MemoryGateway) -> None:
    with shop.db.write() as tx:
        tx.execute(update(provider).where(provider.c.id == "tejo-days").values(card_hold=True, deposit_bps=0))
    gateway.clock = shop.clock
    talk = Talk(shop)
    talk.say("the Alfama walk in Lisbon on 6 March 2027 for two")
    talk.press("Request")
    talk.say("that is all, please book it")
    assert "asks you to reserve the price on your card now" in talk.of("summary")[0]["note"]
    talk.press("Confirm", DETAILS)
    with shop.db.read() as tx:
        (waiting,) = tx.execute(select(payment).where(payment.c.manual)).all()
    assert any(title.startswith("Reserve €") for title in titles(talk)), titles(talk)
    with shop.db.read() as tx:
        gateway.pay(str(collect.get(tx, waiting.id).session_id))
    collect.sync(shop, waiting.id)
    talk.new()
    assert titles(talk)[-1].endswith("is reserved on your card")
    (one,) = requests.pending(shop, ("tejo-days",))
    requests.decide(shop, Actor("p", role="provider", provider_ids=("tejo-days",)), one["request_id"], "approve")
    talk.new()
    assert "Your card is being charged" in str(talk.parts)
    captures.capture(shop, waiting.id)
    talk.new()
    assert booked(shop)["alfama-walk"].status == "CONFIRMED"  # type: ignore[attr-defined]
    assert any("confirmed" in title.lower() for title in titles(talk))
