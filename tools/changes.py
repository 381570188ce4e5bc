"""Changing a confirmed booking: only ever a preview the traveler must confirm with their own tap. Nothing here moves a booking."""

from __future__ import annotations

from datetime import date

from core import changes
from tools.outcome import Desk, Outcome, party_of, press, price_text, units_text


def propose_change(
    desk: Desk,
    booking: str,
    date: date | None = None,
    end_date: date | None = None,
    start_time: str | None = None,
    adults: int | None = None,
    children: int | None = None,
    infants: int | None = None,
) -> Outcome:
    """Show the traveler what another day, time or party would cost for a confirmed booking, with a button to confirm. Changes nothing.

    Args:
        booking: the reference or id of a booking, e.g. "TRV-7K3Q9X".
        date: the new ISO day, e.g. "2026-12-06".
        end_date: the new check-out day of a stay, e.g. "2026-12-09".
        start_time: the new start as HH:MM, e.g. "14:00".
        adults: the new number of adults, e.g. 3.
        children: the new number of children, e.g. 0.
        infants: the new number of infants, e.g. 0.
    """
    units = party_of(adults, children, infants)
    made = changes.propose(desk.engine, desk.actor, booking, local_date=date, end_date=end_date, local_start=start_time, units=units)
    buttons = [press("confirm_change", "confirm_change", proposal_id=made["proposal_id"]), press("keep_booking", "keep")]
    currency = made["currency"]
    data = {
        "reference": made["reference"],
        "title": made["title"],
        "would_be": {"date": made["date"], "end_date": made["end_date"], "start": made["start"] or None, "for": units_text(made["units"])},
        "price": price_text(made["amount"], currency),
        "to_pay_now": price_text(made["due_now"], currency),
        "comes_back": price_text(made["refund"], currency),
        "note": "Only the traveler's tap on the button or an exact yes changes it.",
    }
    return Outcome(data, ({"type": "change", **made, "buttons": buttons},))
