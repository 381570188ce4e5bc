"""The trip as we understand it, the traveler's bookings, and the one good question when something is missing."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, Literal

from core import availability, bookings, carts, travelers, trips
from core.catalogue import listing
from tools.cart import cart_for_model
from tools.outcome import Desk, Outcome, iso, party_of, press, price_text, say_button
from tools.search import find_city

ENDS = {"PENDING": ("withdraw",), "CONFIRMED": ("cancel",)}  # what a traveler may do about a booking, by its status
Question = Literal["city", "date", "dates", "party", "start_time", "which", "kind", "other"]


def note_trip(
    desk: Desk,
    city: str | None = None,
    kind: Literal["stay", "activity", "dining", "transport", "guide"] | None = None,
    words: str | None = None,
    date: date | None = None,
    end_date: date | None = None,
    adults: int | None = None,
    children: int | None = None,
    infants: int | None = None,
    budget: int | None = None,
    budget_per: Literal["total", "person", "night"] = "total",
    start_time: str | None = None,
    product_id: str | None = None,
) -> Outcome:
    """Remember what the traveler told about the trip, when no search follows from it yet.

    Args:
        city: destination id or name, e.g. "lisbon".
        kind: stay, activity, dining, transport or guide.
        words: what it should be about, e.g. "boat sunset".
        date: ISO day, e.g. "2026-12-05".
        end_date: ISO day, e.g. "2026-12-08".
        adults: number of adults, e.g. 2.
        children: number of children, e.g. 1.
        infants: number of infants, e.g. 0.
        budget: whole units of the city's currency, e.g. 120.
        budget_per: total, person or night.
        start_time: HH:MM, e.g. "19:00".
        product_id: the product talked about, from search results.
    """
    place = find_city(desk, city) if city else None
    told: dict[str, Any] = {
        "city": place["id"] if place else None,
        "kind": kind,
        "words": words,
        "start_date": iso(date),
        "end_date": iso(end_date),
        "party": party_of(adults, children, infants),
        "budget": {"amount": budget, "currency": place["currency"] if place else "EUR", "per": budget_per} if budget else None,
        "start_time": start_time,
        "focus": product_id,
    }
    known = {key: value for key, value in told.items() if value is not None}
    with desk.engine.db.read() as tx:
        before = trips.facts(tx, desk.actor.conversation_id)
        about = listing(tx, product_id).product.kind if product_id else kind or before.get("kind")
    if about:
        said = {"city": known.get("city"), "date": iso(date), "end_date": iso(end_date), "party": known.get("party"), "time": start_time}
        known["plans"] = trips.planned(before, about, said)
    trips.remember(desk.engine, desk.actor, known)
    return Outcome({"noted": sorted(known)})


def ask_traveler(desk: Desk, question: Question, product_id: str | None = None) -> Outcome:
    """Show the controls that answer your question (a date and people form, start times, cities). Put the question itself in your reply.

    Args:
        question: city, date, dates, party, start_time, which, kind or other.
        product_id: the product it is about, when there is one.
    """
    trips.remember(
        desk.engine, desk.actor, {"question": question, "asked_about": product_id, **({"focus": product_id} if product_id else {})}
    )
    return Outcome({"asked": question}, tuple(controls(desk, question, product_id)))


def suggest_replies(desk: Desk, replies: list[str]) -> Outcome:
    """Show up to four short replies as buttons; pressing one says it for the traveler. Only things that work.

    Args:
        replies: what the buttons say, e.g. ["Boat trips in Lisbon", "Dinner tonight", "Talk to a person"].
    """
    shown = [" ".join(reply.split())[:60] for reply in replies if reply.strip()][:4]
    return Outcome({"shown": len(shown)}, ({"type": "quick_replies", "items": [say_button(reply) for reply in shown]},) if shown else ())


def controls(desk: Desk, question: str, product_id: str | None) -> list[dict[str, Any]]:
    """The parts a traveler can answer with instead of typing."""
    if question in ("date", "dates", "party"):
        with desk.engine.db.read() as tx:
            known = trips.facts(tx, desk.actor.conversation_id)
        form = date_form(desk, product_id, nights=question == "dates" or bool(known.get("end_date") and known.get("kind") == "stay"))
        return [{**form, "date": known.get("start_date"), "end_date": known.get("end_date"), "units": known.get("party") or {}}]
    if question == "start_time" and product_id:
        return [{"type": "quick_replies", "items": [say_button(at) for at in _starts(desk, product_id)]}]
    return []


def _starts(desk: Desk, product_id: str) -> list[str]:
    """The start times that are free on the day and for the option it was offered with, else all of them."""
    with desk.engine.db.read() as tx:
        listed = listing(tx, product_id)
        known = trips.facts(tx, desk.actor.conversation_id)
    offered: dict[str, Any] = next((one for one in known.get("shown") or () if one["product_id"] == product_id), {})
    option = listed.option(offered.get("option_id"))
    day = offered.get("date") or known.get("start_date")
    if day is None:
        return [start.at for start in option.starts]
    party = max(1, sum((known.get("party") or {}).values()))
    on = date.fromisoformat(day)
    found = availability.available_days(desk.engine, product_id, on, on, option_id=option.id, party=party)
    free: list[str] = found[0]["starts"] if found else []
    return free or [start.at for start in option.starts]


def date_form(desk: Desk, product_id: str | None, *, nights: bool, action: dict[str, Any] | None = None) -> dict[str, Any]:
    """A form for day (or check-in and check-out) and people; sending it says the answer for the traveler, or carries `action` out."""
    today = desk.engine.clock().date()
    limits = {"min": today.isoformat(), "max": (today + timedelta(days=desk.engine.rules.max_days_ahead)).isoformat()}
    hint: list[str] = []
    if product_id:
        with desk.engine.db.read() as tx:
            listed = listing(tx, product_id)
        nights = listed.is_stay
        party = max(1, listed.product.min_party)
        hint = availability.next_days(desk.engine, product_id, option_id=None, party=party, after=today + timedelta(days=1), limit=1)
    return {
        "type": "date_form",
        "nights": nights,
        "limits": limits,
        "max_party": desk.engine.rules.max_party,
        "first_free": hint[0] if hint else None,
        "submit": action or press("send", "say_form", nights=nights),
    }


def _verbs(row: dict[str, Any]) -> tuple[str, ...]:
    """What the traveler may do about a booking now."""
    changeable = row["status"] == "CONFIRMED" and row["booking_type"] == "INSTANT"
    return (*(("pay_balance",) if row["owed"] else ()), *(("change",) if changeable else ()), *ENDS.get(row["status"], ()))


def name_travelers(desk: Desk, reference: str, names: list[str]) -> Outcome:
    """Tell the provider who comes: the travelers' names for one booking, as the traveler wrote them. The list replaces the one before.

    Args:
        reference: the booking's reference, e.g. "TR-4F7K2M".
        names: one name per traveler, e.g. ["Ana Silva", "Tom Meyer"].
    """
    told = travelers.give_names(desk.engine, desk.actor, reference, names)
    return Outcome({"reference": told["reference"], "named": len(told["travelers"]), "people": told["people"]})


def show_trips(desk: Desk) -> Outcome:
    """The traveler's bookings with reference, state and price, and what still waits for payment or an answer. No arguments."""
    rows = bookings.of_conversation(desk.engine, desk.actor)
    view = carts.show(desk.engine, desk.actor)
    data = {
        "bookings": [
            {
                "reference": row["reference"],
                "title": row["title"],
                "date": row["date"],
                "end_date": row["end_date"],
                "start": row["start"] or None,
                "status": row["status"],
                "price": price_text(row["amount"], row["currency"]),
                **({"still_to_pay": price_text(row["owed"], row["currency"]), "due": row["balance_due_at"]} if row["owed"] else {}),
            }
            for row in rows[:20]
        ],
        "waiting": cart_for_model(view)["waiting"],
    }
    shown = [{**row, "buttons": [press(verb, verb, booking_id=row["booking_id"]) for verb in _verbs(row)]} for row in rows[:20]]
    return Outcome(data, ({"type": "bookings", "items": shown},) if rows else ())
