"""Cancelling: only ever a preview the traveler must confirm with their own tap. Nothing here ends a booking."""

from __future__ import annotations

from core import cancellations
from tools.outcome import Desk, Outcome, press, price_text


def propose_cancellation(desk: Desk, booking: str) -> Outcome:
    """Show the traveler what cancelling a confirmed booking would give back, with a button to confirm. Cancels nothing.

    Args:
        booking: the reference or id of a booking, e.g. "TRV-7K3Q9X".
    """
    made = cancellations.propose(desk.engine, desk.actor, booking)
    part = {
        "type": "cancellation",
        **made,
        "buttons": [press("confirm_cancel", "confirm_cancel", proposal_id=made["proposal_id"]), press("keep_booking", "keep")],
    }
    data = {
        "reference": made["reference"],
        "title": made["title"],
        "paid": price_text(made["paid"], made["currency"]),
        "comes_back": price_text(made["refund"], made["currency"]),
        "until": made["until"],
        "note": "Only the traveler's tap on the button or an exact yes cancels it.",
    }
    return Outcome(data, (part,))
