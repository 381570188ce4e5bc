"""The cart: what is in it, and putting things in, changing and taking them out. Prices come from the rules and stay frozen."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from core import carts, trips
from core.availability import Ask
from core.errors import NotFound
from tools.outcome import Desk, Outcome, party_of, press, price_text, units_text


def show_cart(desk: Desk) -> Outcome:
    """What is in the cart, with the honest total, what is waiting for an answer or a payment. No arguments."""
    view = carts.show(desk.engine, desk.actor)
    return Outcome(cart_for_model(view), (cart_part(view),))


def cart_part(view: Mapping[str, Any]) -> dict[str, Any]:
    """The cart as a summary with a remove button a line and the way to the checkout."""
    lines = [
        {**line, "button": press("remove", "remove", item_id=line["item_id"])} if line["kind"] != "fee" else dict(line)
        for line in view["lines"]
    ]
    buttons = [press("checkout", "checkout")] if any(line["how"] != "external" for line in lines) else []
    return {
        "type": "cart",
        "lines": lines,
        "totals": view["totals"],
        "promo_code": view["promo_code"],
        "waiting": view["waiting"],
        "unpaid": view["unpaid"],
        "buttons": buttons,
    }


def cart_for_model(view: Mapping[str, Any]) -> dict[str, Any]:
    """The cart in few words: ids, days, people and formatted prices."""
    return {
        "lines": [
            {
                "item_id": line["item_id"],
                "product_id": line["product_id"],
                "title": line["title"],
                "date": line["date"],
                "end_date": line["end_date"],
                "start": line["start"] or None,
                "for": units_text(line["units"]),
                "price": "on request" if line["how"] == "on_quote" else price_text(line["amount"], line["currency"]),
                "paid": line["how"],
            }
            for line in view["lines"]
        ],
        "totals": {
            currency: {how: price_text(amount, currency) for how, amount in sums.items() if amount or how == "payable"}
            for currency, sums in view["totals"].items()
        },
        "waiting": [
            {"reference": one["reference"], "title": one["title"], "status": one["status"], "until": one["until"]}
            for one in view["waiting"]
        ],
        "unpaid": len(view["unpaid"]),
    }


def add_to_cart(
    desk: Desk,
    product_id: str,
    date: date,
    end_date: date | None = None,
    start_time: str = "",
    adults: int | None = None,
    children: int | None = None,
    infants: int | None = None,
    option_id: str | None = None,
    quantity: int = 1,
) -> Outcome:
    """Put one product into the cart at its price today. Nothing is held or charged yet.

    Args:
        product_id: an id from search results, e.g. "lisbon-sunset-sail".
        date: ISO day (check-in for stays), e.g. "2026-12-05".
        end_date: check-out day of a stay, e.g. "2026-12-08".
        start_time: HH:MM when the product has several start times, e.g. "10:00".
        adults: number of adults, e.g. 2.
        children: number of children, e.g. 1.
        infants: number of infants, e.g. 0.
        option_id: an option of the product, when it has several.
        quantity: rooms, boats or tables, e.g. 1.
    """
    units = party_of(adults, children, infants)
    ask = Ask(product_id, option_id, date, end_date, start_time, units, quantity)
    view = carts.add(desk.engine, desk.actor, ask)
    trips.remember(
        desk.engine, desk.actor, {"focus": product_id, "question": None, "asked_about": None, **({"party": units} if units else {})}
    )
    return line_outcome(view, view["added"], "added_to_cart")


def change_cart_line(
    desk: Desk,
    item_id: str,
    date: date | None = None,
    end_date: date | None = None,
    start_time: str | None = None,
    adults: int | None = None,
    children: int | None = None,
    infants: int | None = None,
    quantity: int | None = None,
) -> Outcome:
    """Change the day, time or people of a line; it is checked and priced anew, or left as it was.

    Args:
        item_id: a line's id from the cart.
        date: new ISO day, e.g. "2026-12-06".
        end_date: new check-out day of a stay, e.g. "2026-12-09".
        start_time: new start as HH:MM, e.g. "14:00".
        adults: new number of adults, e.g. 3.
        children: new number of children, e.g. 0.
        infants: new number of infants, e.g. 0.
        quantity: rooms, boats or tables, e.g. 2.
    """
    units = party_of(adults, children, infants)
    asked = {"local_date": date, "end_date": end_date, "local_start": start_time, "units": units, "quantity": quantity}
    changes = {key: value for key, value in asked.items() if value is not None}
    view = carts.change(desk.engine, desk.actor, item_id, changes)
    if units:
        trips.remember(desk.engine, desk.actor, {"party": units})
    return line_outcome(view, item_id, "cart_changed")


def remove_from_cart(desk: Desk, item_id: str) -> Outcome:
    """Take a line out of the cart.

    Args:
        item_id: a line's id from the cart.
    """
    view = carts.remove(desk.engine, desk.actor, item_id)
    return Outcome({"removed": view["removed"], "cart": cart_for_model(view)}, (cart_part(view),))


def use_promo_code(desk: Desk, code: str) -> Outcome:
    """Use a promo code for the whole cart.

    Args:
        code: what the traveler typed, e.g. "WELCOME10".
    """
    view = carts.set_promo(desk.engine, desk.actor, code)
    return Outcome({"code": view["promo_code"], "cart": cart_for_model(view)}, (cart_part(view),))


def line_outcome(view: Mapping[str, Any], item_id: str, event: str) -> Outcome:
    """A line that was just added or changed, as a short confirmation with the way on."""
    line = next((one for one in view["lines"] if one["item_id"] == item_id), None)
    if line is None:
        raise NotFound("That line is not in the cart any more.")
    facts = {**line, "count": len(view["lines"]), "totals": view["totals"]}
    part = {"type": "event", "event": event, "facts": facts, "actions": [press("show_cart", "cart"), press("checkout", "checkout")]}
    return Outcome({"item_id": item_id, "price": price_text(line["amount"], line["currency"]), "cart": cart_for_model(view)}, (part,))
