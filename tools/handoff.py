"""Getting a person: never refused, and asking twice is asking once."""

from __future__ import annotations

from typing import Literal

from core import handoff
from tools.outcome import Desk, Outcome, press

Reason = Literal["asked_for_human", "bot_failed", "policy", "payment_problem", "large_group", "quote_needed", "model_request"]


def ask_for_person(desk: Desk, reason: Reason = "asked_for_human", note: str = "") -> Outcome:
    """Bring a human travel expert into this conversation. Use it whenever the traveler asks for a person, and when you cannot help.

    Args:
        reason: why, e.g. "asked_for_human".
        note: one sentence for the expert, e.g. "Wants a quote for 40 people in May."
    """
    made = handoff.ask_for_person(desk.engine, desk.actor, reason, note=note)
    part = {
        "type": "event",
        "event": "person_called",
        "facts": {"ahead": made["ahead"]},
        "actions": [press("stay_with_assistant", "leave_person")],
    }
    return Outcome({"status": made["status"], "ahead": made["ahead"]}, (part,))
