"""The calendar format of RFC 5545, both ways: what a stranger's calendar says is busy, and our own days written down.

What comes in is a stranger's: it is bounded in every direction, and what cannot be read whole is refused whole, because a
calendar read in part would sell days that are taken.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any

from dateutil.rrule import rrulestr
from icalendar import Calendar, Event

from core.errors import Refused

PRODID = "-//Traveloure//Availability//EN"
MOST_EVENTS = 5_000
MOST_BUSY = 20_000  # after repeating ones are laid out
MOST_STEPS = 50_000  # of one repeating event, from its beginning
OFTEN = ("SECONDLY", "MINUTELY", "HOURLY")
SPARSE = {"BYMONTHDAY", "BYYEARDAY", "BYWEEKNO", "BYSETPOS"}  # with a daily or weekly step these may search for ages and find nothing
DAY = timedelta(days=1)


class Unreadable(Refused):
    """A calendar that cannot be read as a whole; the message says why."""

    code = "unreadable"


@dataclass(frozen=True, slots=True, order=True)
class Busy:
    """A stretch that is taken, end excluded: two dates for whole days, else two aware moments."""

    start: date | datetime
    end: date | datetime

    @property
    def all_day(self) -> bool:
        return not isinstance(self.start, datetime)


def busy(text: str, *, zone: tzinfo, first: date, last: date, ours: str = "") -> list[Busy]:
    """What a calendar says is taken between two days, both included, in order; repeating events laid out.

    Free, cancelled and our own events (their UID ends with `ours`) are left out. Times without a zone are of `zone`.
    Raises Unreadable.
    """
    try:
        return _laid_out(_events(text), zone, datetime.combine(first, time(), zone), datetime.combine(last + DAY, time(), zone), ours)
    except (OverflowError, ValueError, TypeError) as error:  # a year 0, a length beyond all calendars, a kind where another belongs
        raise Unreadable("An event has a date that cannot be.") from error


def _laid_out(events: Sequence[Event], zone: tzinfo, opens: datetime, ends: datetime, ours: str) -> list[Busy]:
    moved: dict[str, set[date | datetime]] = defaultdict(set)
    for one in events:
        if "RECURRENCE-ID" in one:
            moved[_uid(one)].add(_instant(_value(one, "RECURRENCE-ID"), zone))
    found: set[Busy] = set()
    for one in events:
        if _is_free(one) or (ours and _uid(one).endswith(ours)):
            continue
        skipped = moved[_uid(one)] if "RECURRENCE-ID" not in one else set()
        for stretch in _occurrences(one, zone, ends, skipped):
            if _moment(stretch.start, zone) < ends and _moment(stretch.end, zone) > opens:
                found.add(stretch)
            if len(found) > MOST_BUSY:
                raise Unreadable("This calendar has more taken times than we can read.")
    return sorted(found, key=lambda one: (_moment(one.start, zone), _moment(one.end, zone)))


def _events(text: str) -> list[Event]:
    try:
        calendar = Calendar.from_ical(text)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        raise Unreadable("This is not a calendar in the iCalendar format (.ics).") from error
    if not isinstance(calendar, Calendar):
        raise Unreadable("This is not a calendar in the iCalendar format (.ics).")
    events = [one for one in calendar.walk("VEVENT") if isinstance(one, Event)]
    if len(events) > MOST_EVENTS:
        raise Unreadable(f"This calendar has more than {MOST_EVENTS:,} events.")
    return events


def _uid(event: Event) -> str:
    return str(event.get("UID", ""))


def _is_free(event: Event) -> bool:
    return (
        str(event.get("STATUS", "")).upper() == "CANCELLED"
        or str(event.get("TRANSP", "")).upper() == "TRANSPARENT"
        or str(event.get("X-MICROSOFT-CDO-BUSYSTATUS", "")).upper() == "FREE"
    )


def _value(event: Event, name: str) -> Any:
    given = event.get(name)
    if given is None or isinstance(given, list) or not hasattr(given, "dt"):
        return None
    return given.dt


def _span(event: Event, zone: tzinfo) -> tuple[date | datetime, timedelta]:
    """Start and length. Raises Unreadable where there is no start, or an end that cannot be read or lies before it."""
    start = _value(event, "DTSTART")
    broken = {str(name) for name, _ in event.errors} & {"DTSTART", "DTEND", "DURATION", "RRULE", "RDATE", "EXDATE", "RECURRENCE-ID"}
    if start is None or broken:
        raise Unreadable(f"An event has {'an unreadable ' + ', '.join(sorted(broken)) if broken else 'no start'}.")
    end, length = _value(event, "DTEND"), _value(event, "DURATION")
    if not isinstance(start, datetime):
        days = end - start if isinstance(end, date) and not isinstance(end, datetime) else length if isinstance(length, timedelta) else DAY
        return start, max(DAY, timedelta(days=days.days))
    begins = _aware(start, zone)
    if isinstance(end, datetime):
        length = _aware(end, zone).astimezone(UTC) - begins.astimezone(UTC)
    if not isinstance(length, timedelta):
        length = timedelta(0)
    if length < timedelta(0):
        raise Unreadable("An event ends before it begins.")
    return begins, max(length, timedelta(minutes=1))


def _occurrences(event: Event, zone: tzinfo, until: datetime, skipped: set[date | datetime]) -> Iterator[Busy]:
    start, length = _span(event, zone)
    rules = event.get("RRULE") or []
    rules = rules if isinstance(rules, list) else [rules]
    left_out = skipped | {_instant(one, zone) for one in _dates(event, "EXDATE")}
    starts: Iterable[date | datetime] = itertools.chain([start], *(_repeat(start, rule, until, zone) for rule in rules))
    seen: set[date | datetime] = set()
    for one in itertools.chain(starts, _dates(event, "RDATE")):
        span = length
        if isinstance(one, tuple):  # a period: its start, and its end or length
            one, other = one
            span = other if isinstance(other, timedelta) else _moment(other, zone) - _moment(one, zone)
        at = _instant(one, zone)
        if at in seen or at in left_out or (isinstance(at, datetime) and at.astimezone(zone).date() in left_out):
            continue
        seen.add(at)
        begins = one if not isinstance(one, datetime) else _aware(one, zone)
        if isinstance(begins, datetime):
            yield Busy(begins.astimezone(UTC), begins.astimezone(UTC) + span)
        else:
            yield Busy(begins, begins + span)


def _repeat(start: date | datetime, rule: Any, until: datetime, zone: tzinfo) -> Iterator[date | datetime]:
    """Every start of a repeating event up to `until`, by its own zone's wall clock."""
    parts = {str(key).upper(): value for key, value in rule.items()}
    step = str(parts.get("FREQ", [""])[0]).upper()
    if step in OFTEN or (step in ("DAILY", "WEEKLY") and SPARSE & set(parts)):
        raise Unreadable("An event repeats in a way that we cannot read.")
    timed = isinstance(start, datetime)
    local = start.replace(tzinfo=None) if isinstance(start, datetime) else datetime.combine(start, time())
    own = start.tzinfo if isinstance(start, datetime) and start.tzinfo else zone
    ends = [until.astimezone(own).replace(tzinfo=None)]
    for given in parts.pop("UNTIL", []):
        value = (
            _aware(given, own).astimezone(own).replace(tzinfo=None) if isinstance(given, datetime) else datetime.combine(given, time.max)
        )
        ends.append(value)
    text = ";".join(f"{key}={','.join(_word(one) for one in value)}" for key, value in parts.items())
    try:
        made = rrulestr(text, dtstart=local)
        for steps, one in enumerate(made):
            if one > min(ends):
                return
            if steps > MOST_STEPS:
                raise Unreadable("An event repeats too often to be read.")
            yield one.replace(tzinfo=own) if timed else one.date()
    except (ValueError, TypeError, OverflowError, AttributeError, ZeroDivisionError) as error:
        raise Unreadable("An event repeats in a way that we cannot read.") from error


def _word(value: Any) -> str:
    return value.to_ical().decode() if hasattr(value, "to_ical") else str(value)


def _dates(event: Event, name: str) -> list[Any]:
    given = event.get(name) or []
    return [one.dt for many in (given if isinstance(given, list) else [given]) for one in getattr(many, "dts", ())]


def _aware(value: datetime, zone: tzinfo) -> datetime:
    return value if value.tzinfo is not None else value.replace(tzinfo=zone)


def _instant(value: Any, zone: tzinfo) -> date | datetime:
    """Equal for the same moment in whatever zone it was written, and for the same day."""
    if isinstance(value, datetime):
        return _aware(value, zone).astimezone(UTC)
    return value if isinstance(value, date) else datetime.min.replace(tzinfo=UTC)


def _moment(value: date | datetime, zone: tzinfo) -> datetime:
    return _aware(value, zone) if isinstance(value, datetime) else datetime.combine(value, time(), zone)


# ── writing ───────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Entry:
    """An event of ours: two dates for whole days, end excluded, or two moments with their zone."""

    uid: str
    start: date | datetime
    end: date | datetime
    stamp: datetime  # when it last changed
    summary: str
    sequence: int = 0
    tentative: bool = False
    opaque: bool = True  # whether it makes the time busy


def write(name: str, entries: Sequence[Entry], first: date, last: date) -> bytes:
    """A calendar; the same entries give the same bytes. The zones of timed entries are described between the two days."""
    calendar = Calendar()
    calendar.add("PRODID", PRODID)
    calendar.add("VERSION", "2.0")
    calendar.add("CALSCALE", "GREGORIAN")
    calendar.add("METHOD", "PUBLISH")
    calendar.add("X-WR-CALNAME", name)
    calendar.add("REFRESH-INTERVAL", timedelta(minutes=30), {"VALUE": "DURATION"})
    calendar.add("X-PUBLISHED-TTL", "PT30M")
    for one in entries:
        event = Event()
        event.add("UID", one.uid)
        event.add("DTSTAMP", one.stamp.astimezone(UTC))
        event.add("DTSTART", one.start)
        event.add("DTEND", one.end)
        event.add("SEQUENCE", one.sequence)
        event.add("SUMMARY", one.summary)
        event.add("STATUS", "TENTATIVE" if one.tentative else "CONFIRMED")
        event.add("TRANSP", "OPAQUE" if one.opaque else "TRANSPARENT")
        calendar.add_component(event)
    if any(isinstance(one.start, datetime) for one in entries):
        calendar.add_missing_timezones(first_date=first, last_date=last)
    return bytes(calendar.to_ical())
