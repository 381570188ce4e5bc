"""Days, hours and people as tool arguments: what was said now, else what is known."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from bot.offline.days import When
from bot.offline.goal import Goal
from bot.offline.party import Party
from bot.offline.scene import Scene

LONGEST_STRETCH = 14  # days: what is longer is a time of the year, not the days of a stay


def units_of(party: Party, trip: Mapping[str, Any]) -> dict[str, int]:
    known: Mapping[str, int] = trip.get("party") or {}
    adults = party.adults if party.adults is not None else known.get("ADULT", 1)
    units = {"ADULT": adults, "CHILD": party.children or 0, "INFANT": party.infants or 0}
    if party.children is None and party.infants is None and party.adults is None:
        return dict(known)
    return {kind: count for kind, count in units.items() if count}


def people_of(goal: Goal, trip: Mapping[str, Any]) -> dict[str, int | None]:
    """The party as tool arguments: what was said now, else what is known."""
    units = units_of(goal.party, trip) if goal.party.said else dict(trip.get("party") or {})
    if goal.party.more and units:
        units["ADULT"] = units.get("ADULT", 0) + goal.party.more
    return {"adults": units.get("ADULT") if units else None, "children": units.get("CHILD"), "infants": units.get("INFANT")}


def days_of(goal: Goal, trip: Mapping[str, Any], kind: str | None) -> tuple[date | None, date | None]:
    """(first day, last day or departure): what was said now, else what is known."""
    when = goal.when
    if kind == "stay" and when.start and not (when.end or when.nights) and (known := _known_nights(trip)):
        return when.start, when.start + timedelta(days=known)  # "from Monday", after "for two nights"
    if when.start:
        return (when.start, _departure(when, when.start)) if kind == "stay" else (when.start, when.end)
    if not trip.get("start_date"):
        return None, None
    start = date.fromisoformat(trip["start_date"])
    end = date.fromisoformat(trip["end_date"]) if trip.get("end_date") else None
    if when.end and when.end > start:
        end = when.end
    if kind == "stay" and not when.nights and end is not None and (end - start).days > LONGEST_STRETCH:
        return None, None  # "in March" is no stay of a month
    if when.nights:
        end = start + timedelta(days=when.nights)
    if kind == "stay" and (end is None or end <= start):
        end = start + timedelta(days=1)
    return start, end


def nights_unsaid(goal: Goal, trip: Mapping[str, Any]) -> bool:
    """Has nobody said how long the stay is?"""
    when = goal.when
    if when.end or when.nights or re.search(r"\b(?:to)?night\b", goal.text):
        return False
    return not trip.get("end_date")


def _known_nights(trip: Mapping[str, Any]) -> int | None:
    """How many nights the stay talked about has; None where nobody said, or it is a stretch of the year."""
    if trip.get("kind") not in (None, "stay") or not trip.get("start_date") or not trip.get("end_date"):
        return None
    nights = (date.fromisoformat(trip["end_date"]) - date.fromisoformat(trip["start_date"])).days
    return nights if 1 <= nights <= LONGEST_STRETCH else None


def _departure(when: When, start: date) -> date:
    """The check-out day. A loose stretch ("in June") is no stay of a month: without nights it means one."""
    end = when.end or start + timedelta(days=when.nights or 1)
    if when.flexible and when.nights is None and (end - start).days > 3:
        return start + timedelta(days=1)
    return end if end > start else start + timedelta(days=1)


def hours_of(goal: Goal, kind: str | None) -> tuple[str, str]:
    clock = goal.clock
    if not clock.at:
        return clock.first, clock.last
    at = evening(clock.at) if kind == "dining" else clock.at
    hour, minute = map(int, at.split(":"))
    low, high = hour * 60 + minute - 60, hour * 60 + minute + 60
    return f"{max(0, low) // 60:02d}:{max(0, low) % 60:02d}", f"{min(1439, high) // 60:02d}:{min(1439, high) % 60:02d}"


def evening(at: str) -> str:
    """Dinner at eight is at 20:00; "10:15" is written for a clock of 24 hours."""
    hour = int(at[:2])
    return f"{hour + 12:02d}{at[2:]}" if 5 <= hour <= 9 or at == "10:00" else at


def as_offered(trip: Mapping[str, Any], offered: Mapping[str, Any], *, mixed: bool = True) -> Mapping[str, Any]:
    """The trip with the days an offer was shown for: a later search of the same message may have been about others."""
    if not offered.get("date") or not (mixed or _within(str(offered["date"]), trip)):
        return trip  # another day has been named since
    return {**trip, "start_date": offered["date"], "end_date": offered.get("end_date")}


def _within(day: str, trip: Mapping[str, Any]) -> bool:
    first = trip.get("start_date")
    return not first or first <= day <= (trip.get("end_date") or first)


def only_offered_for(kind: str | None, scene: Scene) -> Mapping[str, Any]:
    """An offer of this kind where the last answer was about several kinds: each has its own days there."""
    kinds = {scene.lexicon.kinds.get(str(one["product_id"])) for one in scene.shown}
    if len(kinds) < 2:
        return {}
    return next((one for one in scene.shown if scene.lexicon.kinds.get(str(one["product_id"])) == kind), {})
