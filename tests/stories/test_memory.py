"""What is known of a traveler is shown and taken back in words; nothing is kept for next time without their own yes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from channels import inbox
from core import conversations, privacy, remembering, trips
from core.engine import Actor, Engine
from core.schema import account
from tests import builders
from tests.market import load
from tests.talk import Talk


@pytest.fixture
def shop(engine: Engine, tmp_path: Path) -> Engine:
    load(engine, tmp_path)
    return engine


def facts(talk: Talk) -> dict[str, Any]:
    with talk.engine.db.read() as tx:
        return trips.facts(tx, talk.conversation_id)


def kept(engine: Engine, actor: Actor) -> tuple[bool | None, Any]:
    with engine.db.read() as tx:
        row = tx.execute(select(account.c.may_remember, account.c.remembered).where(account.c.id == actor.account_id)).one()
    return row.may_remember, row.remembered


def shown(talk: Talk) -> dict[str, str]:
    (part,) = talk.of("summary")
    return {line["label"]: line["amount"] for group in part["groups"] for line in group["lines"]}


def test_what_is_known_is_shown_and_put_right(shop: Engine) -> None:
    talk = Talk(shop)
    talk.say("something fun in Lisbon on 5 December for two under 200 euros")
    talk.say("what do you know about my trip?")
    assert shown(talk)["People"] == "2 adults"
    assert shown(talk)["Budget"] == "200 EUR"
    talk.say("we are four")
    talk.say("forget the budget")
    assert "budget" not in facts(talk)
    talk.say("what do you know about us?")
    assert shown(talk)["People"] == "4 adults"
    assert "Budget" not in shown(talk)
    talk.press("Forget this trip")
    assert "forgotten" in talk.text
    assert facts(talk) == {}


def test_forgetting_leaves_the_cart_alone(shop: Engine) -> None:
    talk = Talk(shop)
    talk.say("the sunset sail in Lisbon on 5 December for two, please book it")
    lines = talk.say("what's the total?")
    assert "\u20ac96" in lines
    talk.say("forget the trip")
    assert "\u20ac96" in talk.say("what's the total?")


def test_nothing_is_remembered_without_a_yes_and_a_no_forgets(shop: Engine) -> None:
    talk = Talk(shop)
    talk.say("something fun in Lisbon on 5 December for three people")
    assert kept(shop, talk.actor) == (None, None)
    talk.say("what do you know about me?")
    assert "nothing: you have not agreed to it" in shown(talk)
    talk.press("Remember me")
    assert kept(shop, talk.actor)[0] is True
    talk.say("a boat trip for three people on 6 December")
    assert kept(shop, talk.actor)[1] == {"party": {"ADULT": 3}}
    with shop.db.write() as tx:
        again = conversations.begin(tx, talk.actor.account_id, shop.clock(), channel="web")
        assert trips.facts(tx, again) == {"party": {"ADULT": 3}}
    other = builders.traveler(shop, name="Bo Other", email="bo@example.com")
    with shop.db.read() as tx:
        assert trips.facts(tx, other.conversation_id) == {}
    talk.say("what do you know about me?")
    talk.press("Do not remember me")
    assert kept(shop, talk.actor) == (False, None)
    with shop.db.read() as tx:
        assert remembering.known(tx, talk.actor.account_id)["facts"] == {}
        assert trips.facts(tx, again) == {}


def test_they_are_asked_once_after_the_first_booking(shop: Engine) -> None:
    talk = Talk(shop)
    for day in (5, 6):
        talk.say(f"the sunset sail in Lisbon on {day} December for two, please book it")
        talk.say("checkout")
        talk.press("Confirm")
        if day == 5:
            talk.press("Confirm and book", {"name": "Ana Silva", "email": "ana@example.com", "terms": "yes"})
        assert ("May I remember" in talk.text) == (day == 5)
    assert kept(shop, talk.actor) == (False, None)


def test_erasing_the_person_erases_what_was_remembered(shop: Engine) -> None:
    talk = Talk(shop)
    remembering.answer(shop, talk.actor, on=True)
    talk.say("something fun in Lisbon for three people")
    assert kept(shop, talk.actor)[1]
    privacy.erase(shop, talk.actor, talk.actor.account_id)
    assert kept(shop, talk.actor) == (None, None)


@pytest.mark.parametrize("said", ["show prices in dollars", "in dollars please", "what is it in dollars?"])
def test_prices_about_in_another_currency(shop: Engine, said: str) -> None:
    talk = Talk(shop)
    talk.say("the sunset sail in Lisbon on 5 December for two, please book it")
    assert "USD" in talk.say(said)
    talk.say("boat trips in Lisbon on 5 December for two")
    assert any("about $" in card["price_note"] for card in talk.cards())
    assert "\u20ac96" in talk.say("what's the total?")


@pytest.mark.parametrize("said", ["a table in Lisbon for 50 dollars", "I was in euros once", "do you take dollars?"])
def test_what_only_names_a_currency(shop: Engine, said: str) -> None:
    talk = Talk(shop)
    talk.say(said)
    assert "currency" not in facts(talk)


def test_the_language_is_switched_by_asking(shop: Engine) -> None:
    talk = Talk(shop)

    def spoken() -> str:
        with shop.db.read() as tx:
            return str(conversations.get(tx, talk.conversation_id).locale)

    assert "Ahora hablo" in talk.say("speak Spanish please")
    assert spoken() == "es"
    assert "I speak English" in talk.say("habla ingl\u00e9s")
    assert spoken() == "en"
    talk.say("/language es")
    assert spoken() == "es"
    talk.say("/language en")
    talk.say("do you speak German?")
    assert "English best" in talk.text
    assert spoken() == "en"


def test_nobody_switches_what_a_person_holds(shop: Engine) -> None:
    talk = Talk(shop)
    inbox.say(shop, talk.actor, "x", "Hola, quiero un hotel en Roma para dos")
    talk.answer()
    with shop.db.read() as tx:
        assert conversations.get(tx, talk.conversation_id).locale == "es"
