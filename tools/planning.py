"""Planning beyond one product: days of a trip side by side, two or three things compared, and what there is instead of something."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any, Literal

from core import carts, planning, trips
from core.availability import Ask
from core.catalogue import listing, listings
from core.engine import Actor
from core.errors import CoreError, Invalid, NotFound, SoldOut
from core.money import Money
from core.planning import Brief, Plan, Stop, clock_of
from tools.cart import cart_for_model, cart_part
from tools.outcome import Desk, Outcome, iso, party_of, per_of, press, price_text, product_facts, units_text
from tools.search import find_city, offer_card
from tools.trips import controls

ESTIMATE = "Ways are estimates: the straight line times 1.3. Nothing is in the cart until the traveler takes a plan."


def plan_trip(
    desk: Desk,
    city: str,
    days: int,
    date: date | None = None,
    adults: int | None = None,
    children: int | None = None,
    infants: int | None = None,
    budget: int | None = None,
    budget_currency: str = "",
    words: str = "",
    pace: Literal["relaxed", "normal", "full"] = "normal",
    with_stay: bool = True,
) -> Outcome:
    """Plan several days from what is really free: a bed, things to do, dinner, ways and free hours, within the budget. Shows up to
    three plans side by side; puts nothing into the cart. The traveler takes one by its button, or you call take_plan on their word.

    Args:
        city: destination id or name, e.g. "kyoto".
        days: how many days, 1 to 10, e.g. 3.
        date: the first day, ISO, e.g. "2027-03-10". Without it, or without people, the controls that ask for them are shown.
        adults: number of adults, e.g. 2.
        children: number of children, e.g. 1.
        infants: number of infants, e.g. 0.
        budget: the most for everything together, in whole units, e.g. 600.
        budget_currency: the budget's currency, e.g. "EUR"; empty for the city's own.
        words: what they like, e.g. "temples food".
        pace: relaxed (one thing a day), normal (two) or full (three).
        with_stay: false where they have a bed already.
    """
    place = find_city(desk, city)
    units = party_of(adults, children, infants)
    brief = {
        "city": place["id"],
        "days": days,
        "budget": budget,
        "budget_currency": budget_currency,
        "words": words,
        "pace": pace,
        "with_stay": with_stay,
    }
    if date is None or units is None:
        return _ask_first(desk, brief, date, units)
    if date < desk.engine.clock().date() - timedelta(days=1):
        raise Invalid("date", "That day is over. Which day from today on?")
    limit, about = _limit(desk, budget, budget_currency, place["currency"])
    things = {"relaxed": 1, "normal": 2, "full": 3}[pace]
    wanted = Brief(place["id"], date, days, units, limit, words, things, with_stay)
    found = planning.plans(desk.engine, wanted)
    totals = [int(Money(plan.total, plan.currency).decimal) for plan in found]
    told = {
        "city": place["id"],
        "start_date": iso(date),
        "end_date": iso(wanted.end) if days > 1 else None,
        "party": units,
        "question": "plan" if found else None,
        "asked_about": None,
        "focus": None,
        "shown": None,
        "outline": {"brief": {**brief, "date": iso(date)}, "plans": [_asks(plan) for plan in found], "totals": totals},
    }
    trips.remember(desk.engine, desk.actor, told)
    data = {
        "plans": [_for_model(n, plan, limit) for n, plan in enumerate(found, 1)],
        **({"budget": price_text(limit, place["currency"]), "budget_is_estimate": about} if limit else {}),
        "note": ESTIMATE if found else "Nothing fits. A larger budget, other days or another city may.",
    }
    return Outcome(data, tuple(_part(n, plan, units, limit, about) for n, plan in enumerate(found, 1)))


def _ask_first(desk: Desk, brief: Mapping[str, Any], day: date | None, units: Mapping[str, int] | None) -> Outcome:
    """Keep what is known, and show the controls for what is missing."""
    missing = "date" if day is None else "party"
    told = {"city": brief["city"], "question": missing, "asked_about": None, "focus": None, "outline": {"brief": dict(brief), "plans": []}}
    told |= {"start_date": iso(day)} if day is not None else {}
    told |= {"party": dict(units)} if units else {}
    trips.remember(desk.engine, desk.actor, told)
    names = [name for name, value in (("date", day), ("people", units)) if not value]
    return Outcome({"plans": [], "missing": names}, tuple(controls(desk, missing, None)))


def _limit(desk: Desk, budget: int | None, currency: str, sold_in: str) -> tuple[int | None, bool]:
    """The budget in minor units of the city's currency, and whether it had to be converted. Raises Invalid."""
    if budget is None:
        return None, False
    named = currency.upper() or sold_in
    given = Money.of(budget, named).minor
    made = desk.engine.rules.rates.about(given, named, sold_in)
    if made is None:
        raise Invalid("budget_currency", f"Prices there are in {sold_in}, and there is no rate for {named}. Name the budget in {sold_in}.")
    return made, named != sold_in


def _asks(plan: Plan) -> list[dict[str, Any]]:
    """What taking this plan puts into the cart."""
    return [
        {
            "product_id": stop.listing.id,
            "option_id": stop.option_id,
            "date": iso(stop.day),
            "end_date": iso(stop.end),
            "start": stop.start,
            "title": stop.listing.product.title,
        }
        for stop in plan.stops
    ]


def _for_model(n: int, plan: Plan, limit: int | None) -> dict[str, Any]:
    stay = plan.stay
    return {
        "n": n,
        "style": plan.style,
        "total": price_text(plan.total, plan.currency),
        "left_of_budget": price_text(limit - plan.total, plan.currency) if limit else None,
        "stay": None if stay is None else {"title": stay.listing.product.title, "price": price_text(stay.amount, plan.currency)},
        "days": [
            {
                "date": iso(one.day),
                "stops": [_said(stop, plan.currency) for stop in one.stops],
                "free": [f"{clock_of(a)}-{clock_of(b)}" for a, b in one.gaps],
            }
            for one in plan.days
        ],
    }


def _said(stop: Stop, currency: str) -> str:
    times = f"{stop.start}-{clock_of(stop.until)} " if stop.until is not None else ""
    return f"{times}{stop.listing.product.title} ({price_text(stop.amount, currency)})"


def _part(n: int, plan: Plan, units: Mapping[str, int], limit: int | None, about: bool) -> dict[str, Any]:
    """One plan as a summary a day a group, with its button."""
    return {
        "type": "plan",
        "n": n,
        "style": plan.style,
        "currency": plan.currency,
        "total": plan.total,
        "budget": limit,
        "about": about,
        "stay": None if plan.stay is None else _drawn(plan.stay),
        "days": [
            {
                "date": iso(one.day),
                "stops": [_drawn(stop) for stop in one.stops],
                "gaps": [[clock_of(first), clock_of(last)] for first, last in one.gaps],
            }
            for one in plan.days
        ],
        "button": press("take_plan", "take_plan", asks=_asks(plan), units=dict(units)),
    }


def _drawn(stop: Stop) -> dict[str, Any]:
    return {
        "title": stop.listing.product.title,
        "kind": stop.listing.product.kind,
        "booking_type": stop.listing.product.booking_type,
        "date": iso(stop.day),
        "end_date": iso(stop.end),
        "start": stop.start,
        "until": None if stop.until is None else clock_of(stop.until),
        "amount": stop.amount,
        "km": stop.km,
        "minutes": stop.minutes,
    }


def take_plan(desk: Desk, number: int = 1) -> Outcome:
    """Put everything of a shown plan into the cart, on the traveler's word. What is gone meanwhile is named with what is like it.

    Args:
        number: which of the shown plans, e.g. 1.
    """
    with desk.engine.db.read() as tx:
        known = trips.facts(tx, desk.actor.conversation_id)
    shown = (known.get("outline") or {}).get("plans") or []
    if not 1 <= number <= len(shown):
        raise NotFound(f"There are {len(shown)} plans. Which of them?" if shown else "No plan was shown yet. Plan the days first.")
    return put_in_cart(desk, shown[number - 1], known.get("party") or {"ADULT": 1})


def put_in_cart(desk: Desk, asks: Sequence[Mapping[str, Any]], units: Mapping[str, int]) -> Outcome:
    """Line by line, each checked and priced by the rules; a line that is gone costs none of the others."""
    added, missed, parts = [], [], []
    for at, one in enumerate(asks):
        day, last = date.fromisoformat(one["date"]), date.fromisoformat(one["end_date"]) if one.get("end_date") else None
        ask = Ask(one["product_id"], one.get("option_id"), day, last, one.get("start") or "", units)
        try:
            carts.add(desk.engine, _keyed(desk.actor, at), ask)
            added.append(one["title"])
        except SoldOut:
            others = planning.instead(desk.engine, one["product_id"], day=day, end=last, units=units)
            missed.append({"title": one["title"], "why": "sold out", "instead": [other.listing.product.title for other in others]})
            if others:
                parts.append({"type": "offers", "items": [offer_card(other, units) for other in others]})
        except CoreError as error:
            missed.append({"title": one["title"], "why": error.message})
    trips.remember(desk.engine, desk.actor, {"question": None, "asked_about": None})
    view = carts.show(desk.engine, desk.actor)
    return Outcome({"added": added, "missed": missed, "cart": cart_for_model(view)}, (*parts, cart_part(view)))


def _keyed(actor: Actor, at: int) -> Actor:
    return replace(actor, key=f"{actor.key}:{at}") if actor.key else actor


def compare_offers(desk: Desk, product_ids: list[str]) -> Outcome:
    """Show two or three products side by side: price for the traveler's day and people, rating, length, what can be cancelled.

    Args:
        product_ids: two or three ids from search results, e.g. ["lisbon-sunset-sail", "lisbon-kayak"].
    """
    wanted = list(dict.fromkeys(product_ids))[:3]
    if len(wanted) < 2:
        raise Invalid("product_ids", "Two or three are needed to compare.")
    with desk.engine.db.read() as tx:
        listed = listings(tx, wanted)
        known = trips.facts(tx, desk.actor.conversation_id)
    missing = [one for one in wanted if one not in listed or not listed[one].product.published]
    if missing:
        raise NotFound(f"There is no product {missing[0]!r}. Use ids from the search results.")
    items = [_compared(desk, listed[one], known) for one in wanted]
    said = [
        {
            **{key: value for key, value in one.items() if key not in ("button", "tiers", "amount")},
            "price": price_text(one["amount"], one["currency"]),
        }
        for one in items
    ]
    return Outcome({"compared": said}, ({"type": "comparison", "items": items},))


def _compared(desk: Desk, listed: Any, known: Mapping[str, Any]) -> dict[str, Any]:
    """One column: its facts, and what it costs on the trip's day where there is one, else what it costs at least."""
    product = listed.product
    units = known.get("party") or {"ADULT": 2 if listed.is_stay else 1}
    day = date.fromisoformat(known["start_date"]) if known.get("start_date") else None
    last = date.fromisoformat(known["end_date"]) if known.get("end_date") and listed.is_stay else None
    wish_day = day if day is not None and (not listed.is_stay or last is not None) else None
    offer = planning.on_day(desk.engine, listed, wish_day, last, units) if wish_day else None
    facts = product_facts(listed)
    return {
        **{key: facts[key] for key in ("product_id", "title", "kind", "rating_tenths", "rating_count", "duration_minutes", "booking_type")},
        "amount": offer.amount if offer is not None else product.from_amount,
        "exact": offer is not None,
        "free": offer is not None or wish_day is None,
        "currency": listed.option(None).plan.currency,
        "per": per_of(listed.option(None)),
        "for": units_text(units),
        "starts": list(offer.starts) if offer is not None else [one.at for one in listed.option(None).starts],
        "tiers": list(listed.tiers),
        "button": press(
            "add_" + product.booking_type.lower(),
            "add",
            product_id=listed.id,
            option_id=offer.option_id if offer is not None else None,
            date=iso(wish_day),
            end_date=iso(last),
            units=dict(units),
        ),
    }


def find_alternatives(
    desk: Desk,
    product_id: str,
    change: Literal["same", "cheaper", "earlier", "later"] = "same",
    date: date | None = None,
    end_date: date | None = None,
    start_time: str = "",
    adults: int | None = None,
    children: int | None = None,
    infants: int | None = None,
) -> Outcome:
    """What there is like something, cheaper, earlier, later or for another number of people; use it when something is sold out or
    declined, and for "the same but ...". Shows up to three as cards.

    Args:
        product_id: what it should be like, from search results, the cart or a booking.
        change: same (another one like it), cheaper, earlier or later.
        date: ISO day; the trip's where left out.
        end_date: check-out day of a stay.
        start_time: the start it has now as HH:MM, for earlier and later.
        adults: number of adults; the trip's where left out.
        children: number of children.
        infants: number of infants.
    """
    with desk.engine.db.read() as tx:
        known = trips.facts(tx, desk.actor.conversation_id)
        listed = listing(tx, product_id)
    line = next((one for one in carts.show(desk.engine, desk.actor)["lines"] if one["product_id"] == product_id), None)
    units = party_of(adults, children, infants) or (line or {}).get("units") or known.get("party")
    day, last = _days(date, end_date, line, known, stay=listed.is_stay)
    start = start_time or (line or {}).get("start") or known.get("start_time") or ""
    same_people = line is not None and units == line["units"]
    amount = line["amount"] if line is not None and same_people and change == "cheaper" else None
    given = party_of(adults, children, infants)
    found = planning.instead(
        desk.engine, product_id, day=day, end=last, start=start, units=units, change=change, amount=amount, itself=given is not None
    )
    told: dict[str, Any] = {"question": None, "asked_about": None, "kind": listed.product.kind, "city": listed.destination.id}
    if units:
        told["party"] = dict(units)
    if found:
        numbered = [
            {"n": n, "product_id": one.listing.id, "title": one.listing.product.title, "option_id": one.option_id, "date": iso(one.day)}
            for n, one in enumerate(found, 1)
        ]
        told |= {"shown": numbered, "focus": found[0].listing.id if len(found) == 1 else None}
    trips.remember(desk.engine, desk.actor, told)
    said = [
        {
            "product_id": one.listing.id,
            "title": one.listing.product.title,
            "price": price_text(one.amount if one.amount is not None else one.from_amount, one.currency),
            "starts": list(one.starts),
            "date": iso(one.day),
        }
        for one in found
    ]
    part = {"type": "offers", "items": [offer_card(one, units) for one in found]}
    return Outcome({"instead_of": listed.product.title, "offers": said}, (part,) if found else ())


def like(desk: Desk, product_id: str, day: date, last: date | None, units: Mapping[str, int] | None) -> tuple[Mapping[str, Any], ...]:
    """Cards of what is most like something that cannot be had, with the sentence that says so; nothing where there is nothing."""
    found = planning.instead(desk.engine, product_id, day=day, end=last, units=units)
    if not found:
        return ()
    with desk.engine.db.read() as tx:
        title = listing(tx, product_id).product.title
    event = {"type": "event", "event": "instead", "facts": {"title": title}, "actions": []}
    return event, {"type": "offers", "items": [offer_card(one, units) for one in found]}


def _days(
    day: date | None, last: date | None, line: Mapping[str, Any] | None, known: Mapping[str, Any], *, stay: bool
) -> tuple[date | None, date | None]:
    """The day that is meant: what was said, the line's own, else the trip's."""
    held = line or {}
    first = day or _read(held.get("date")) or _read(known.get("start_date"))
    end = last or _read(held.get("end_date")) or (_read(known.get("end_date")) if stay else None)
    return first, end if stay and first is not None and end is not None and end > first else None


def _read(value: Any) -> date | None:
    return date.fromisoformat(str(value)) if value else None
