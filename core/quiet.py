"""When nobody is to be woken: between nine in the evening and eight in the morning, on the clock of whoever would be."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

BEGINS, ENDS = time(21), time(8)
URGENT = ("request_received", "offer_countered")  # they run out
NEAR = timedelta(days=1)


def is_urgent(notice: str, facts: Mapping[str, Any], zone: str, now: datetime) -> bool:
    """What runs out, and everything about today and tomorrow. `facts` may have the `date` of a booking, as ISO."""
    today = now.astimezone(ZoneInfo(zone)).date()
    return notice in URGENT or bool(facts.get("date") and str(facts["date"]) <= (today + NEAR).isoformat())


def until(now: datetime, zone: str) -> datetime:
    """The moment from which somebody may be disturbed: now, or the coming morning there."""
    here = now.astimezone(ZoneInfo(zone))
    if ENDS <= here.time() < BEGINS:
        return now
    day = here.date() + timedelta(days=1) if here.time() >= BEGINS else here.date()
    return datetime.combine(day, ENDS, ZoneInfo(zone)).astimezone(now.tzinfo)
