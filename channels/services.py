"""The original plan's Python surface: service classes with its keywords, as a thin door over core.

People and products are given as ids or as objects with an `.id`; what comes back is plain dictionaries. Prices are
never taken from the caller: they are the rules' own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date as Day
from datetime import timedelta
from typing import Any

from sqlalchemy import select

from core import availability, bookings, conversations, pricing
from core.affiliates import links as affiliate_links
from core.affiliates.links import Trip
from core.availability import Ask
from core.carts import choose_start
from core.catalogue import ADULT, Listing, listing
from core.engine import Actor, Engine
from core.errors import Invalid, NotFound
from core.payments import collect
from core.schema import conversation, product

CHANNEL = "python"


def _id(given: Any) -> str:
    return str(getattr(given, "id", given))


def _day(given: Day | str) -> Day:
    return Day.fromisoformat(given) if isinstance(given, str) else given


class BookingBotService:
    """Books carts for a user."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def process_cart(
        self, *, user: Any, cart_items: Sequence[Mapping[str, Any]], payment_method: str = "full", key: str | None = None
    ) -> dict[str, Any]:
        """Hold and book the items, all or nothing. Each has product, date, and where they apply option, end_date, start_time, units, quantity.

        `payment_method` is "full" or "deposit". `key` makes a repeat harmless. Returns groups, totals, bookings and payments as the REST
        operation does. Raises Invalid, SoldOut, DetailsNeeded (the user has no name, e-mail or accepted terms yet).
        """
        actor = self._actor(_id(user))
        asks = [_ask(item) for item in cart_items]
        scoped = f"python:{actor.account_id}:{key}" if key else None
        done = bookings.order(self._engine, actor, asks, method=payment_method, key=scoped)
        links = [collect.ensure_link(self._engine, payment_id) for payment_id in done["payments"]]
        booked = bookings.of_cart(self._engine, done["cart_id"])
        return {"totals": done["totals"], "lines": done["lines"], "bookings": booked, "payments": links}

    def _actor(self, account_id: str) -> Actor:
        with self._engine.db.read() as tx:
            query = select(conversation.c.id).where(conversation.c.account_id == account_id, conversation.c.channel == CHANNEL)
            found = tx.execute(query.order_by(conversation.c.created_at).limit(1)).scalar_one_or_none()
        if found is None:
            found, _ = conversations.start(self._engine, channel=CHANNEL, account_id=account_id)
        return Actor(account_id, conversation_id=str(found), channel=CHANNEL)


def _ask(item: Mapping[str, Any]) -> Ask:
    strange = set(item) - {"product", "option", "date", "end_date", "start_time", "units", "quantity"}
    if strange:
        raise Invalid(sorted(strange)[0], "An item has product, option, date, end_date, start_time, units and quantity; prices are ours.")
    if "product" not in item or "date" not in item:
        raise Invalid("product" if "product" not in item else "date", "An item needs a product and a date.")
    return Ask(
        _id(item["product"]),
        item.get("option"),
        _day(item["date"]),
        _day(item["end_date"]) if item.get("end_date") else None,
        item.get("start_time", ""),
        dict(item.get("units") or {ADULT: 1}),
        int(item.get("quantity", 1)),
    )


class AvailabilityService:
    """What a provider has free."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def check_availability(self, *, provider: Any, date: Day | str, quantity: int = 1) -> dict[str, Any]:
        """Every product of the provider on one day: status, places left, start times, and whether `quantity` people fit."""
        day = _day(date)
        shown = []
        for product_id in _products_of(self._engine, _id(provider)):
            (found,) = availability.available_days(self._engine, product_id, day, day, party=quantity)
            shown.append({"product": product_id, "available": found["bookable"], **found})
        return {"provider": _id(provider), "date": day.isoformat(), "available": any(one["available"] for one in shown), "products": shown}


class PricingService:
    """What a provider's products cost."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def get_price(self, *, provider: Any, date: Day | str, travelers: int = 1) -> dict[str, Any]:
        """Every priced product of the provider for a day and a number of adults (stays: one night), with explained lines in minor units."""
        day = _day(date)
        if travelers < 1:
            raise Invalid("travelers", "At least one person has to travel.")
        shown = []
        for product_id in _products_of(self._engine, _id(provider)):
            with self._engine.db.read() as tx:
                listed = listing(tx, product_id)
            if listed.option(None).plan.model != "QUOTE":
                shown.append({"product": product_id, **self._price(listed, day, travelers)})
        return {"provider": _id(provider), "date": day.isoformat(), "prices": shown}

    def _price(self, listed: Listing, day: Day, travelers: int) -> dict[str, Any]:
        option = listed.option(None)
        start = option.starts[0].at if option.starts else ""
        end = day + timedelta(days=1) if listed.is_stay else None
        ask = choose_start(option.starts, Ask(listed.id, option.id, day, end, start, {ADULT: travelers}))
        today = self._engine.clock().astimezone(availability.zone(listed)).date()
        priced = pricing.price(listed, ask, today=today)
        return {"amount": priced.total, "currency": priced.currency, "lines": [line.as_json() for line in priced.lines]}


class AffiliateService:
    """Links to partners for what is not sold here."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def generate_link(
        self, *, item_type: str, destination: Any, date: Day | str | None = None, partner: str | None = None, **more: Any
    ) -> dict[str, Any]:
        """One link for a stay, activity, dining, flight, car or insurance at a destination (id, name or airport code) on a day.

        `more` may be end_date, time, adults, children, what and origin (an airport's code). Returns url (a short address of
        ours), partner, name, landing_url and commission, which says whether it has to be disclosed. Raises Invalid, NotFound.
        """
        strange = set(more) - {"end_date", "time", "adults", "children", "what", "origin"}
        if strange:
            raise Invalid(sorted(strange)[0], "A link takes end_date, time, adults, children, what and origin.")
        end = more.pop("end_date", None)
        trip = Trip(item_type, _id(destination), _day(date) if date else None, _day(end) if end else None, **more)
        found = affiliate_links.offer(self._engine, None, trip, partner=partner)
        if not found:
            raise Invalid("item_type", "No partner has a page for that with what is known. Days or airport codes may be missing.")
        return found[0]


def _products_of(engine: Engine, provider_id: str) -> list[str]:
    with engine.db.read() as tx:
        found = (
            tx.execute(select(product.c.id).where(product.c.provider_id == provider_id, product.c.published).order_by(product.c.id))
            .scalars()
            .all()
        )
    if not found:
        raise NotFound(f"There is no provider {provider_id!r} with anything on sale.")
    return list(found)
