"""Planning in the chat, over the real turn without a model: days, plans side by side, and what there is instead."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from bot import alternatives
from core import cancellations, carts, handoff, people, requests
from core.catalogue_files import import_files
from core.db import Database
from core.engine import Actor, Engine
from core.schema import booking, booking_request, cart_item
from tests.conftest import Clock
from tests.gateway import MemoryGateway
from tests.jobs import work
from tests.talk import Talk

DEMO = Path(__file__).parent.parent.parent / "demo"


@pytest.fixture
def demo(sqlite: Database, clock: Clock) -> Engine:
    engine = Engine(db=sqlite, gateway=MemoryGateway(), clock=clock)
    report = import_files(sqlite, [DEMO], clock())
    assert report.ok, report.problems
    return engine


def lines(engine: Engine, talk: Talk) -> list[str]:
    return [str(line["title"]) for line in carts.show(engine, talk.actor)["lines"]]


def test_three_days_in_kyoto_for_two_and_600_euros(demo: Engine) -> None:
    talk = Talk(demo)
    assert "Which day" in talk.say("plan three days in Kyoto for two, 600 euros")
    said = talk.say("from 10 March")
    assert "3 days in Kyoto, each within about \u00a5106,800" in said
    plans = talk.of("summary")
    assert [one["title"].split(":")[0] for one in plans] == [f"Plan {n}" for n in range(1, len(plans) + 1)]
    assert [group["title"] for group in plans[0]["groups"]] == ["Where you sleep", "Wed 10 Mar", "Thu 11 Mar", "Fri 12 Mar"]
    assert "rough rate" in plans[0]["note"]
    assert "min to get there" in str(plans[0])
    assert lines(demo, talk) == []
    first = [line["label"] for group in plans[0]["groups"] for line in group["lines"] if line["amount"]]
    talk.press("Add all of it")
    assert "All of it is in your trip" in talk.text
    assert [title.split(":")[0] for title in lines(demo, talk)] == first
    assert talk.of("summary")[0]["total"]["amount"] == plans[0]["total"]["amount"]


def test_a_plan_is_changed_in_words_and_taken_by_its_number(demo: Engine) -> None:
    talk = Talk(demo)
    talk.say("an itinerary for 2 days in Lisbon from 10 March for two people, we like boats")
    before = [one["total"]["amount"] for one in talk.of("summary")]
    assert len(before) > 1
    assert "within" in talk.say("that is too expensive")
    cheaper = [one["total"]["amount"] for one in talk.of("summary")]
    assert min(float(one[1:].replace(",", "")) for one in cheaper) < min(float(one[1:].replace(",", "")) for one in before)
    talk.say("for three people please")
    assert "3 days in Lisbon" in talk.say("make it three days")
    assert "Which of the" in talk.say("yes")
    count = len(talk.of("summary"))
    assert count == 0
    assert "are in your cart" in talk.say("the first one")
    assert len(lines(demo, talk)) > 1
    with demo.db.read() as tx:
        assert {tuple(row.units.items()) for row in tx.execute(select(cart_item))} == {(("ADULT", 3),)}


@pytest.mark.parametrize(
    "words", ["I plan to stay three days in Rome", "I'm planning a trip to Rome", "what's my itinerary?", "the plan is to eat"]
)
def test_what_only_sounds_like_a_plan(demo: Engine, words: str) -> None:
    talk = Talk(demo)
    talk.say(words)
    assert not [part for part in talk.of("summary") if part["title"].startswith("Plan")]


def test_side_by_side_and_the_same_but_cheaper(demo: Engine) -> None:
    talk = Talk(demo)
    talk.say("boat trips in Lisbon on Saturday for two")
    titles = [card["title"] for card in talk.cards()]
    assert "side by side" in talk.say("compare the first and the second")
    (shown,) = talk.of("summary")
    assert [group["title"] for group in shown["groups"]] == titles[:2]
    assert {line["label"] for line in shown["groups"][0]["lines"]} >= {"Price", "Rating", "Takes", "Cancelling"}
    talk.press(f"Add {titles[0]}")
    assert "at what time" in talk.text.lower() or titles[0] in talk.text
    said = talk.say("something like the first but cheaper")
    assert "cheaper" in said
    assert talk.cards()
    assert all(card["title"] != titles[0] for card in talk.cards())


def asked(engine: Engine, talk: Talk) -> tuple[str, str]:
    """A request sent to a provider; (request, provider)."""
    talk.say("a private guide in Kyoto on 10 March for two")
    card = next(card for card in talk.cards() if card["badge"]["text"] == "On request")
    label = next(button for button in card["buttons"] if button["label"] == "Request")
    talk.parts = [{"type": "cards", "items": [{"buttons": [label]}]}]
    talk.press("Request")
    talk.say("checkout")
    talk.press("Confirm")
    talk.press("Confirm and book", {"name": "Ana Silva", "email": "ana@example.com", "terms": "yes"})
    with engine.db.read() as tx:
        row = tx.execute(
            select(booking_request.c.id, booking.c.provider_id).join(booking, booking.c.id == booking_request.c.booking_id)
        ).one()
    return str(row.id), str(row.provider_id)


def test_a_declined_request_brings_others_by_itself_and_once(demo: Engine) -> None:
    talk = Talk(demo)
    request, provider = asked(demo, talk)
    requests.decide(demo, Actor("host", role="provider", provider_ids=(provider,)), request, "decline", answer="We are away.")
    with demo.db.read() as tx:
        row = tx.execute(select(booking)).one()
    first = alternatives.offer(demo, row.id)
    assert first is not None
    assert alternatives.offer(demo, row.id) == first
    talk.new()
    assert f"Instead of **{row.title}**" in talk.text
    assert talk.cards()
    assert all(card["title"] != row.title for card in talk.cards())


def test_nothing_is_offered_over_a_persons_head(demo: Engine) -> None:
    talk = Talk(demo)
    request, provider = asked(demo, talk)
    handoff.ask_for_person(demo, talk.actor, "asked_for_human")
    with demo.db.write() as tx:
        people.ensure_account(tx, demo.clock(), "eva", name="Eva", email="eva@example.com")
        people.grant(tx, "eva", "expert")
    handoff.claim(demo, Actor("eva", role="expert"), talk.conversation_id)
    requests.decide(demo, Actor("host", role="provider", provider_ids=(provider,)), request, "decline")
    with demo.db.read() as tx:
        row = tx.execute(select(booking)).one()
    assert alternatives.offer(demo, row.id) is None


def test_a_provider_who_cancels_brings_others_too(demo: Engine) -> None:
    talk = Talk(demo)
    talk.say("plan 1 day in Lisbon on 10 March for two")
    talk.press("Add all of it")
    talk.say("checkout")
    talk.press("Confirm")
    talk.press("Confirm and book", {"name": "Ana Silva", "email": "ana@example.com", "terms": "yes"})
    work(demo)
    demo.gateway.pay("cs_1")  # type: ignore[attr-defined]
    talk.say("I have paid")
    with demo.db.read() as tx:
        row = tx.execute(select(booking).where(booking.c.status == "CONFIRMED", booking.c.amount > 0)).first()
    assert row is not None
    cancellations.by_provider(demo, Actor("host", role="provider", provider_ids=(row.provider_id,)), row.id, reason="Storm")
    talk.new()
    assert alternatives.offer(demo, row.id) is not None
    talk.new()
    assert f"Instead of **{row.title}**" in talk.text
