"""What we know of the traveler and the trip, said openly; taking facts out again; the language and currency they want."""

from __future__ import annotations

from typing import Any, Literal

from core import conversations, people, remembering, trips
from core.errors import Invalid
from tools.outcome import Desk, Outcome, press

Fact = Literal["city", "dates", "time", "party", "budget", "wishes", "preferences", "currency", "everything"]
BEHIND: dict[str, tuple[str, ...]] = {
    "city": ("city",),
    "dates": ("start_date", "end_date"),
    "time": ("start_time", "time_from", "arrive_by"),
    "party": ("party", "rooms"),
    "budget": ("budget",),
    "wishes": ("kind", "words", "must"),
    "preferences": ("preferences",),
    "currency": ("currency",),
}
EVERYTHING = (
    *dict.fromkeys(name for names in BEHIND.values() for name in names),
    "plans",
    "outline",
    "focus",
    "asked_about",
    "question",
    "shown",
    "shown_in",
)
LANGUAGES = {"en": "English", "es": "Spanish"}


def show_memory(desk: Desk) -> Outcome:
    """Show the traveler what is known about them and this trip, with buttons to take it back. For "what do you know about me?". No arguments."""
    with desk.engine.db.read() as tx:
        facts = trips.facts(tx, desk.actor.conversation_id)
        person = people.contact(tx, desk.actor.account_id)
        kept = remembering.known(tx, desk.actor.account_id)
        home = conversations.get(tx, desk.actor.conversation_id)
    told = {
        name: facts[name]
        for name in ("city", "start_date", "end_date", "start_time", "party", "budget", "kind", "words", "must", "currency")
        if facts.get(name)
    }
    buttons = [press("forget_trip", "forget_trip")] if told else []
    buttons.append(press("do_not_remember", "remember", on=False) if kept["on"] else press("remember_me", "remember", on=True))
    part = {
        "type": "memory",
        "trip": told,
        "name": person["name"],
        "email": person["email"],
        "language": home.locale,
        "remembers": kept["on"],
        "kept": kept["facts"],
        "buttons": buttons,
    }
    data: dict[str, Any] = {"trip": told, "name_known": bool(person["name"]), "email_known": bool(person["email"]), "language": home.locale}
    return Outcome({**data, "remembered_for_next_time": kept["facts"] if kept["on"] else "off"}, (part,))


def forget_facts(desk: Desk, facts: list[Fact]) -> Outcome:
    """Take facts of the trip back ("forget the budget", "forget the dates"). What is in the cart or booked stays.

    Args:
        facts: which: city, dates, time, party, budget, wishes, preferences, currency or everything, e.g. ["budget"].
    """
    if not facts:
        raise Invalid("facts", f"Which of {', '.join(BEHIND)}?")
    names = EVERYTHING if "everything" in facts else tuple(name for fact in facts for name in BEHIND[fact])
    trips.remember(desk.engine, desk.actor, dict.fromkeys(names))
    return Outcome({"forgotten": facts})


def set_language(desk: Desk, language: str) -> Outcome:
    """Go on in another language, on the traveler's wish. Cards and buttons follow where we have them in it.

    Args:
        language: a two-letter code, e.g. "es".
    """
    code = language.strip().lower()[:2]
    if len(code) != 2 or not code.isalpha():
        raise Invalid("language", 'A language is a two-letter code such as "en" or "es".')
    conversations.speak(desk.engine, desk.actor, code)
    return Outcome({"language": code, "cards_in": code if code in LANGUAGES else "en"})


def set_currency(desk: Desk, currency: str) -> Outcome:
    """Show about what prices are in another currency, beside the one they are charged in. Nothing is charged in it.

    Args:
        currency: an ISO code, e.g. "USD".
    """
    code = currency.strip().upper()
    rates = desk.engine.rules.rates
    if not rates.knows(code):
        raise Invalid("currency", f"There is no rate for {code[:3]}. Known are {', '.join(sorted(rates.euro))}.")
    trips.remember(desk.engine, desk.actor, {"currency": code})
    return Outcome({"shown_in": code, "rates_of": rates.as_of, "note": "About; charged is the currency it is sold in."})


def about(desk: Desk, amount: int | None, currency: str, wanted: str | None) -> dict[str, Any]:
    """{"about": {"amount", "currency"}} where the traveler wants to see another currency and there is a rate."""
    if amount is None or not wanted or wanted == currency:
        return {}
    made = desk.engine.rules.rates.about(amount, currency, wanted)
    return {} if made is None else {"about": {"amount": made, "currency": wanted}}
