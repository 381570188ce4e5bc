"""Finding things: what a model may look up in the catalogue. Places and prices here are advice; the hold decides."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Literal

from core import reviews, search, trips
from core.catalogue import ADULT, listing
from core.errors import Invalid
from core.money import Money
from core.search import Offer, Wish
from tools.memory import about
from tools.outcome import Desk, Outcome, iso, party_of, per_of, press, price_text, product_facts, starts_of

FEW = 3
Kind = Literal["stay", "activity", "dining", "transport", "guide"]
Sort = Literal["recommended", "price", "rating", "time"]


def search_offers(
    desk: Desk,
    city: str | None = None,
    kind: Kind | None = None,
    words: str = "",
    date: date | None = None,
    end_date: date | None = None,
    adults: int | None = None,
    children: int | None = None,
    infants: int | None = None,
    budget: int | None = None,
    budget_per: Literal["total", "person", "night"] = "total",
    time_from: str = "",
    time_to: str = "",
    arrive_by: str = "",
    must: list[str] | None = None,
    sort: Sort = "recommended",
    page: int = 1,
    fill: bool = True,
) -> Outcome:
    """Find what can really be booked and show it to the traveler as cards. Where few fit the words, "others" of that kind follow.

    Use it for every wish ("something fun in Lisbon", "a hotel in Rome under 120 a night", "dinner on Friday").
    Args:
        city: destination id or name, e.g. "lisbon". Leave out only to search everywhere.
        kind: stay, activity, dining, transport or guide, e.g. "activity".
        words: what it should be about, e.g. "boat sunset". Empty for anything.
        date: ISO day, e.g. "2026-12-05". For stays the check-in day.
        end_date: ISO day, e.g. "2026-12-08". For stays the check-out day; otherwise the last day that would do.
        adults: number of adults, e.g. 2.
        children: number of children, e.g. 1.
        infants: number of infants, e.g. 0.
        budget: the most they want to spend, in whole units of the city's currency, e.g. 120.
        budget_per: what the budget is for: total, person or night, e.g. "person".
        time_from: earliest start as HH:MM, e.g. "18:00".
        time_to: latest start as HH:MM, e.g. "21:00".
        arrive_by: latest arrival of a ride as HH:MM, e.g. "12:30".
        must: tags every result has to carry, as listings carry them, e.g. ["wifi", "north"]. Leave out what is only a wish.
        sort: recommended, price, rating or time (of a ride), e.g. "price".
        page: 1 for the first results, 2 for more.
        fill: false shows only what fits the words, e.g. when several searches answer one message.
    """
    place = find_city(desk, city) if city else None
    units = party_of(adults, children, infants)
    currency = place["currency"] if place else "EUR"
    limit = Money.of(budget, currency).minor if budget else None
    if limit is not None and budget_per == "person":
        limit *= max(1, sum((units or {"ADULT": 1}).values()))
    wish = Wish(
        city=place["id"] if place else None,
        kind=kind,
        words=words,
        start=date,
        end=end_date,
        units=units,
        budget=limit,
        time_from=time_from,
        time_to=time_to,
        arrive_by=arrive_by,
        must=tuple(must or ()),
        sort=sort,
        limit=6,
        offset=6 * (max(1, page) - 1),
    )
    fitting = search.search(desk.engine, wish)
    others: list[Offer] = []
    if fill and words and kind and len(fitting) < FEW and page == 1:  # a handful of its kind is better than one lonely card
        same = {offer.listing.id for offer in fitting}
        others = [offer for offer in search.search(desk.engine, replace(wish, words="")) if offer.listing.id not in same]
        others = others[: wish.limit - len(fitting)] if fitting else []
    offers = [*fitting, *others]
    noted: dict[str, Any] = {
        "kind": kind,
        "words": words or None,
        "start_date": iso(date),
        "end_date": iso(end_date),
        "budget": {"amount": budget, "currency": currency, "per": budget_per} if budget else None,
        "time_from": time_from or None,
        "arrive_by": arrive_by or None,
        "question": None,
        "asked_about": None,
        "focus": fitting[0].listing.id if len(fitting) == 1 else None,
    }
    if wish.city:
        noted["city"] = wish.city
    with desk.engine.db.read() as tx:
        before_now = trips.facts(tx, desk.actor.conversation_id)
    if kind != before_now.get("kind"):
        noted["start_time"] = None  # the hour of the dinner is not the hour of the boat
    if kind:
        held = {**(before_now.get("must") or {}), kind: list(must or ())}
        noted["must"] = {name: tags for name, tags in held.items() if tags} or None
        said = {"city": wish.city, "date": iso(date), "end_date": iso(end_date), "party": units, "time": time_from, "arrive": arrive_by}
        noted["plans"] = trips.planned(before_now, kind, said)
    if units:
        noted["party"] = units
    before, offers = _not_shown_yet(desk, offers)
    numbered = before + [_shown(n, offer) for n, offer in enumerate(offers, len(before) + 1)]
    if offers:
        noted |= {"shown": numbered[-12:], "shown_in": desk.run or None}
    trips.remember(desk.engine, desk.actor, noted)
    at = {one["product_id"]: int(one["n"]) for one in numbered}
    found = [_for_model(at[offer.listing.id], offer) for offer in offers]
    wanted = before_now.get("currency")
    items = [{**card, **about(desk, card["amount"], card["currency"], wanted)} for card in (offer_card(offer, units) for offer in offers)]
    part = {"type": "offers", "items": items}
    data: dict[str, Any] = {"found": max(0, len(found) - len(others)), "offers": found, "page": page}
    if others:
        data["others"] = len(others)
    return Outcome(data, (part,) if offers else ())


def _not_shown_yet(desk: Desk, offers: Sequence[Offer]) -> tuple[list[dict[str, Any]], list[Offer]]:
    """(what this run of the turn has shown already, the offers that are new): its second search goes on counting."""
    with desk.engine.db.read() as tx:
        known = trips.facts(tx, desk.actor.conversation_id)
    same_run = bool(desk.run) and known.get("shown_in") == desk.run
    before: list[dict[str, Any]] = list(known.get("shown") or ()) if same_run else []
    seen = {one["product_id"] for one in before}
    return before, [offer for offer in offers if offer.listing.id not in seen]


def _shown(n: int, offer: Offer) -> dict[str, Any]:
    shown = {
        "n": n,
        "product_id": offer.listing.id,
        "title": offer.listing.product.title,
        "amount": offer.amount or offer.from_amount,
        "option_id": offer.option_id,
        "date": iso(offer.day),
        "end_date": iso(offer.end),
    }
    return {key: value for key, value in shown.items() if value is not None}


def _for_model(n: int, offer: Offer) -> dict[str, Any]:
    product = offer.listing.product
    said = {
        "n": n,
        "product_id": offer.listing.id,
        "title": product.title,
        "kind": product.kind,
        "city": offer.listing.destination.id,
        "booking": product.booking_type,
        "date": iso(offer.day),
        "end_date": iso(offer.end),
        "starts": list(offer.starts) or None,
        "left": offer.left,
        "price": price_text(offer.amount, offer.currency),
        "from": price_text(offer.from_amount, offer.currency) if offer.amount is None else None,
        "rating": product.rating_tenths / 10 if product.rating_tenths else None,
        "about": product.summary[:160],
    }
    return {key: value for key, value in said.items() if value is not None}


def offer_card(offer: Offer, units: Mapping[str, int] | None) -> dict[str, Any]:
    """The card of one offer; its button adds exactly what is shown, priced again by the rules."""
    option = offer.listing.option(offer.option_id)
    card = {
        **product_facts(offer.listing),
        "option_id": offer.option_id,
        "date": iso(offer.day),
        "end_date": iso(offer.end),
        "starts": list(offer.starts),
        "left": None if (option.resource_capacity or 1) == 1 and option.counts != "PAX" else offer.left,  # one guide is no last chance
        "amount": offer.amount,
        "from_amount": offer.from_amount,
        "currency": offer.currency,
        "per": per_of(option),
        "units": dict(units or {ADULT: 2 if offer.listing.is_stay else 1}),
    }
    add = press(
        "add_" + offer.listing.product.booking_type.lower(),
        "add",
        product_id=offer.listing.id,
        option_id=offer.option_id,
        date=iso(offer.day),
        end_date=iso(offer.end),
        start=offer.starts[0] if len(offer.starts) == 1 else None,
        units=dict(units) if units else None,
    )
    details = press("details", "details", product_id=offer.listing.id)
    if option.plan.model == "QUOTE":
        add["label"] = "ask_price"
    return {**card, "buttons": [add, details]}


def get_details(desk: Desk, product_id: str, show: bool = True) -> Outcome:
    """Everything about one product: description, options, start times, meeting point, cancellation, what is included.

    Args:
        product_id: an id from search results, e.g. "lisbon-sunset-sail".
        show: false only looks something up, without showing the whole card, e.g. to answer a question about it.
    """
    with desk.engine.db.read() as tx:
        listed = listing(tx, product_id)
        written = reviews.of_product(tx, product_id)
    product = listed.product
    option = listed.option(None)
    trips.remember(desk.engine, desk.actor, {"focus": product_id})
    tiers = [{"hours_before": tier["hours"], "refund_percent": tier["refund_bps"] / 100} for tier in listed.tiers]
    data = {
        "product_id": product_id,
        "title": product.title,
        "kind": product.kind,
        "city": listed.destination.name,
        "provider": listed.provider.name,
        "description": product.description[:900],
        "booking": product.booking_type,
        "options": [
            {
                "option_id": one.id,
                "title": one.title,
                "starts": starts_of(one) or None,
                "per": per_of(one),
                "base_price": price_text(one.plan.amount, one.plan.currency),
                "ages": [f"{unit.type.lower()} {unit.min_age or 0}-{unit.max_age or 99}" for unit in one.units],
            }
            for one in listed.options
        ],
        "duration_minutes": product.duration_minutes,
        "meeting_point": product.meeting_point or None,
        "max_people": product.max_party,
        "min_age": product.min_age,
        "book_ahead_hours": product.lead_hours or None,
        "cancellation": tiers,
        "rating": product.rating_tenths / 10 if product.rating_tenths else None,
        "rating_source": product.rating_source if product.rating_tenths else None,
        "quoted_from_travelers": [{"stars": one["stars"], "text": one["text"][:200]} for one in written["reviews"]] or None,
        "pay": "at the provider" if product.pay_at_provider else "online",
    }
    part = {
        "type": "details",
        **product_facts(listed),
        "description": product.description,
        "options": [
            {"option_id": one.id, "title": one.title, "starts": starts_of(one), "per": per_of(one), "amount": one.plan.amount}
            for one in listed.options
        ],
        "currency": option.plan.currency,
        "from_amount": product.from_amount,
        "meeting_point": product.meeting_point,
        "min_age": product.min_age,
        "max_party": product.max_party,
        "lead_hours": product.lead_hours,
        "tiers": list(listed.tiers),
        **written,
        "buttons": [press("ask_price" if option.plan.model == "QUOTE" else "choose_date", "add", product_id=product_id)],
    }
    return Outcome({key: value for key, value in data.items() if value is not None}, (part,) if show else ())


def list_destinations(desk: Desk) -> Outcome:
    """The cities the marketplace sells in, with their ids, countries and currencies. No arguments."""
    cities = search.cities(desk.engine)
    said = [{"id": city["id"], "name": city["name"], "country": city["country"], "currency": city["currency"]} for city in cities]
    return Outcome({"destinations": said})


def find_city(desk: Desk, name: str) -> dict[str, Any]:
    """The destination of this id, name or alias. Raises Invalid naming what there is."""
    wanted = search.fold(name).strip()
    cities = search.cities(desk.engine)
    for city in cities:
        if wanted in (city["id"], search.fold(city["name"]), *(search.fold(alias) for alias in city["aliases"])):
            return city
    names = ", ".join(city["name"] for city in cities)
    raise Invalid("city", f"We have nothing in {name} yet. We sell in {names}.")


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What a planner may recognise by name: destinations and products."""

    cities: Sequence[Mapping[str, Any]]
    products: Sequence[Any]


class VocabularyCache:
    """The catalogue's names, read again when they are older than `seconds`."""

    def __init__(self, seconds: float = 60.0) -> None:
        self._seconds = seconds
        self._read_at = float("-inf")
        self._known: Vocabulary | None = None

    def get(self, desk: Desk) -> Vocabulary:
        at = time.monotonic()
        if self._known is None or at - self._read_at > self._seconds:
            self._known = Vocabulary(search.cities(desk.engine), search.names(desk.engine))
            self._read_at = at
        return self._known
