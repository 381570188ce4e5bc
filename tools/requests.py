"""For providers: what waits for their answer, and answering it."""

from __future__ import annotations

from typing import Literal

from core import requests
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
