"""When something is free: days, start times and places left."""

from __future__ import annotations

from datetime import date, timedelta

from core import availability, trips
from core.availability import zone
from core.catalogue import listing
from tools.outcome import Desk, Outcome, press


def check_availability(
    desk: Desk, product_id: str, date: date | None = None, end_date: date | None = None, people: int = 1, option_id: str | None = None
) -> Outcome:
    """The free days of one product between two dates, with start times and places left, and the next free days.

    Args:
        product_id: an id from search results, e.g. "lisbon-sunset-sail".
        date: first ISO day to look at, e.g. "2026-12-05". Today when left out.
        end_date: last ISO day to look at, e.g. "2026-12-12". Two weeks later when left out.
        people: how many people, e.g. 2.
        option_id: an option of the product, when it has several.
    """
    with desk.engine.db.read() as tx:
        listed = listing(tx, product_id)
    first = date or desk.engine.clock().astimezone(zone(listed)).date()
    last = end_date or first + timedelta(days=14)
    trips.remember(desk.engine, desk.actor, {"focus": product_id})
    days = availability.available_days(desk.engine, product_id, first, last, option_id=option_id, party=max(1, people))
    free = [day for day in days if day["bookable"]]
    data = {
        "product_id": product_id,
        "title": listed.product.title,
        "asked": [first.isoformat(), last.isoformat()],
        "free_days": [{"date": day["date"], "starts": day["starts"] or None, "left": _left(day["vacancies"])} for day in free[:14]],
        "none_free": not free,
    }
    if not free:
        data["next_free"] = availability.next_days(desk.engine, product_id, option_id=option_id, party=max(1, people), after=last)
    part = {
        "type": "days",
        "product_id": product_id,
        "title": listed.product.title,
        "days": [
            {
                **day,
                "vacancies": _left(day["vacancies"]),
                "button": press("choose_day", "add", product_id=product_id, option_id=option_id, date=day["date"]),
            }
            for day in free[:8]
        ],
    }
    return Outcome(data, (part,) if free else ())


def _left(vacancies: int) -> int | None:
    return None if vacancies >= availability.UNLIMITED else vacancies
