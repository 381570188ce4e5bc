"""Dates, times and people in the words of those who work here."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from babel.dates import format_date

UNITS = {
    "ADULT": ("adult", "adults"),
    "CHILD": ("child", "children"),
    "INFANT": ("infant", "infants"),
    "YOUTH": ("youth", "youths"),
    "SENIOR": ("senior", "seniors"),
}


def reference(given: str) -> str:
    """A booking's reference from what was typed, or from what a scanner makes of the voucher's square code."""
    named = "".join(given.split()).upper().rstrip("/").rpartition("/")[2]
    return named if named.startswith("TRV-") else f"TRV-{named.removeprefix('TRV')}"


def day(value: str | date | None) -> str:
    if value is None:
        return ""
    return format_date(date.fromisoformat(value) if isinstance(value, str) else value, "EEE d MMM yyyy", locale="en")


def when(start: str | None, end: str | None, at: str) -> str:
    """ "Sat 28 Nov 2026, 17:00" or, for stays, both days."""
    if end:
        return f"{day(start)} to {day(end)}"
    return f"{day(start)}{', ' + at if at else ''}"


def moment(value: str | datetime, zone: str = "UTC") -> str:
    """ "Sat 28 Nov 2026, 17:00 UTC", or on the clock of a place, which is then not named."""
    at = (datetime.fromisoformat(value) if isinstance(value, str) else value).astimezone(ZoneInfo(zone))
    return f"{day(at.date())}, {at:%H:%M}{' UTC' if zone == 'UTC' else ''}"


def party(units: Mapping[str, int]) -> str:
    said = []
    for kind, count in units.items():
        one, many = UNITS.get(kind, (kind.lower(), f"{kind.lower()}s"))
        if count:
            said.append(f"{count} {one if count == 1 else many}")
    return ", ".join(said)


def left(until: str | datetime, now: datetime) -> tuple[str, bool]:
    """How long is left ("3 h 12 m") and whether it is getting late (under an hour)."""
    ends = datetime.fromisoformat(until) if isinstance(until, str) else until
    rest = max(timedelta(0), ends - now)
    hours, minutes = divmod(int(rest.total_seconds() // 60), 60)
    if hours >= 48:
        return f"{hours // 24} d {hours % 24} h", False
    return f"{hours} h {minutes} m" if hours else f"{minutes} m", rest < timedelta(hours=1)
