"""For providers: what waits for their answer, and answering it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Literal

from core import offers, requests
from core.errors import Invalid, NotFound
from core.money import Money
from tools.outcome import Desk, Outcome, price_text, units_text


def pending_requests(desk: Desk) -> Outcome:
    """The booking requests that wait for this provider's answer, the most urgent first. No arguments."""
    rows = requests.pending(desk.engine, desk.actor.provider_ids)
    said = [
        {
            "request_id": row["request_id"],
            "asks_for": "a price" if row["kind"] == "quote" else "a yes or no",
            "title": row["title"],
            "date": row["date"],
            "start": row["start"] or None,
            "for": units_text(row["units"]),
            "price": None if row["kind"] == "quote" else price_text(row["amount"], row["currency"]),
            "traveler_offers": price_text(row["wished_amount"], row["currency"]),
            "you_get": price_text(row["payout"], row["currency"]),
            "traveler": row["traveler"],
            "note": row["note"],
            "answer_by": row["respond_by"],
        }
        for row in rows
    ]
    return Outcome({"requests": said})


def answer_request(desk: Desk, request_id: str, verdict: Literal["approve", "decline"], answer: str = "") -> Outcome:
    """Approve or decline one request. Only on the provider's own clear word.

    Args:
        request_id: an id from pending_requests.
        verdict: approve or decline.
        answer: a short line for the traveler, e.g. "We look forward to it."
    """
    return Outcome(requests.decide(desk.engine, desk.actor, request_id, verdict, answer=answer))


def offer_other_terms(
    desk: Desk,
    request_id: str,
    price: str | None = None,
    date: date | None = None,
    end_date: date | None = None,
    start_time: str | None = None,
    message: str = "",
) -> Outcome:
    """Offer the traveler another price, day or time, or name the price of a quote. Only on the provider's own clear word.

    Args:
        request_id: an id from pending_requests.
        price: the whole price in the request's currency, as the provider said it, e.g. "180" or "99.50".
        date: another ISO day, e.g. "2026-12-05".
        end_date: another check-out day of a stay, e.g. "2026-12-08".
        start_time: another start as HH:MM, e.g. "14:00".
        message: a short line for the traveler, e.g. "Thursday is quieter."
    """
    currency = next(
        (row["currency"] for row in requests.pending(desk.engine, desk.actor.provider_ids) if row["request_id"] == request_id), None
    )
    if currency is None:
        raise NotFound("There is no such request waiting for you.")
    try:
        amount = None if price is None else Money.of(Decimal(price), currency).minor
    except InvalidOperation:
        raise Invalid("price", "Give the price as a plain number, such as 180 or 99.50.") from None
    made = offers.counter(
        desk.engine,
        desk.actor,
        request_id,
        amount=amount,
        local_date=date,
        end_date=end_date,
        local_start=start_time,
        message=message,
    )
    return Outcome({**made, "amount": price_text(made["amount"], made["currency"])})
