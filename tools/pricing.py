"""What something costs and why: the rules' own lines, never a model's sum."""

from __future__ import annotations

from datetime import date
from typing import Any

from core import availability, pricing, trips
from core.availability import Ask
from core.carts import choose_start
from core.catalogue import listing
from tools.outcome import Desk, Outcome, party_of, price_text


def _told(product_id: str, day: date, end: date | None, units: dict[str, int] | None) -> dict[str, Any]:
    """What asking for a price says about the trip."""
    told: dict[str, Any] = {"focus": product_id, "start_date": day.isoformat(), "end_date": end.isoformat() if end else None}
    return told | ({"party": units} if units else {})


def explain_price(
    desk: Desk,
    product_id: str,
    date: date,
    end_date: date | None = None,
    adults: int | None = None,
    children: int | None = None,
    infants: int | None = None,
    option_id: str | None = None,
    start_time: str = "",
    quantity: int = 1,
) -> Outcome:
    """The exact price of one product for a day and party, line by line. Adds nothing to the cart.

    Args:
        product_id: an id from search results, e.g. "lisbon-sunset-sail".
        date: ISO day (check-in for stays), e.g. "2026-12-05".
        end_date: check-out day of a stay, e.g. "2026-12-08".
        adults: number of adults, e.g. 2.
        children: number of children, e.g. 1.
        infants: number of infants, e.g. 0.
        option_id: an option of the product, when it has several.
        start_time: HH:MM when the product has several start times, e.g. "10:00".
        quantity: rooms, boats or tables, e.g. 1.
    """
    with desk.engine.db.read() as tx:
        listed = listing(tx, product_id)
    option = listed.option(option_id)
    units = party_of(adults, children, infants) or {"ADULT": 2 if listed.is_stay else 1}
    ask = choose_start(option.starts, Ask(product_id, option.id, date, end_date, start_time, units, quantity))
    availability.check(listed, option, ask, desk.engine.clock(), desk.engine.rules)
    today = desk.engine.clock().astimezone(availability.zone(listed)).date()
    priced = pricing.price(listed, ask, today=today)
    trips.remember(desk.engine, desk.actor, _told(product_id, date, end_date, units if adults is not None else None))
    lines = [line.as_json() for line in priced.lines]
    if pricing.on_quote(lines):
        note = "The price is on request: put it into the cart, and after the checkout the provider names one."
        return Outcome({"product_id": product_id, "title": listed.product.title, "total": None, "note": note})
    data = {
        "product_id": product_id,
        "title": listed.product.title,
        "total": price_text(priced.total, priced.currency),
        "lines": [{"text": line["text"], "amount": price_text(line["amount"], priced.currency)} for line in lines],
    }
    part = {"type": "price", "title": listed.product.title, "currency": priced.currency, "total": priced.total, "lines": lines}
    return Outcome(data, (part,))
