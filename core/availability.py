"""What is free: three modes, exceptions on top, and the slots that were touched.

CALENDAR is free unless blocked, once a day unless the resource says more; TOGGLE is on or off, without limit unless
the resource says one; INVENTORY has places by weekly rules. A slot row exists only once somebody touched it.
What is said here is advice; the hold decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from core.catalogue import ADULT, Exception_, Listing, Option, Rule, Start, listing
from core.engine import Engine
from core.errors import Invalid, Refused, SoldOut
from core.schema import slot
from core.settings import Rules

UNLIMITED = 1_000_000
CHECK_IN = time(15, 0)
WHOLE_DAY = time(9, 0)
LIMITED_BELOW = 4
OLDEST = {"CHILD": 12, "INFANT": 2}  # ages at most, where an option does not say it itself


@dataclass(frozen=True, slots=True)
class Ask:
    """One line a traveler wants: dates, start, people by unit type, and how many rooms, boats or tables."""

    product_id: str
    option_id: str | None
    local_date: date
    end_date: date | None = None
    local_start: str = ""
    units: Mapping[str, int] | None = None
    quantity: int = 1

    @property
    def nights(self) -> int:
        return (self.end_date - self.local_date).days if self.end_date else 0

    def days(self) -> list[date]:
        """Nights for a stay [check-in, check-out), else the day."""
        return [self.local_date + timedelta(days=i) for i in range(max(1, self.nights))]


@dataclass(frozen=True, slots=True, order=True)
class Want:
    """Places in one slot. Sorted wants never deadlock."""

    resource_id: str
    local_date: date
    local_start: str
    quantity: int
    capacity: int


@dataclass(frozen=True, slots=True)
class Vacancy:
    """One start on one day: `status` is OCTO's AVAILABLE, LIMITED, SOLD_OUT, CLOSED or FREESALE."""

    local_date: date
    local_start: str
    status: str
    vacancies: int


def zone(listed: Listing) -> ZoneInfo:
    return ZoneInfo(listed.product.time_zone)


def starts_at(listed: Listing, local_date: date, local_start: str) -> datetime:
    """The aware UTC moment at which it begins; whole days count from 09:00, stays from 15:00 local time."""
    clock = time.fromisoformat(local_start) if local_start else (CHECK_IN if listed.is_stay else WHOLE_DAY)
    return datetime.combine(local_date, clock, zone(listed)).astimezone(UTC)


def people(option: Option, units: Mapping[str, int]) -> int:
    """How many persons the units are (an infant may count for nobody)."""
    counts = {unit.type: unit.pax_count for unit in option.units}
    usual = counts.get(ADULT, 1)
    return sum([count * counts.get(kind, usual) for kind, count in units.items()])


def quantity_for(option: Option, units: Mapping[str, int], asked: int = 1) -> int:
    """Rooms, boats or tables for the party: at least as many as the people need."""
    if option.counts == "PAX" or not option.max_pax_each:
        return max(1, asked)
    return max(asked, -(-people(option, units) // option.max_pax_each))


def capacity_on(listed: Listing, option: Option, day: date, local_start: str) -> int:
    """Places before anything was sold; 0 where closed."""
    product = listed.product
    if not (product.published and product.accepting and listed.provider.accepting):
        return 0
    if listed.exceptions:
        here = [one for one in listed.exceptions if _applies(one, option, day, local_start)]
        if _closed(here):
            return 0
        override = min((one for one in here if one.capacity is not None), key=_narrowness, default=None)
        if override is not None and override.capacity is not None:
            return override.capacity
    match product.availability_mode:
        case "CALENDAR":
            return option.resource_capacity if option.resource_capacity is not None else 1
        case "TOGGLE":
            return option.resource_capacity if option.resource_capacity is not None else UNLIMITED
        case _:
            rule = _rule_on(option.rules, day, local_start)
            return rule.capacity if rule else 0


def _applies(exception: Exception_, option: Option, day: date, local_start: str) -> bool:
    if not exception.from_date <= day <= exception.to_date or exception.local_start not in ("", local_start):
        return False
    return exception.scope != "RESOURCE" or exception.scope_id == option.resource_id


def _closed(here: Sequence[Exception_]) -> bool:
    """A product may be opened on a day its provider has closed for all; what closes the resource or the product itself always counts."""
    closing = {one.scope for one in here if one.closed}
    if closing == {"PROVIDER"}:
        return not any(one.scope == "PRODUCT" and not one.closed for one in here)
    return bool(closing)


NARROW = {"RESOURCE": 0, "PRODUCT": 1, "PROVIDER": 2}


def _narrowness(one: Exception_) -> tuple[int, bool, int, date, int]:
    """The narrowest comes first: resource before product before provider, this very start, the shortest stretch."""
    return NARROW[one.scope], one.local_start == "", (one.to_date - one.from_date).days, one.from_date, one.capacity or 0


def unruled(listed: Listing, option: Option, day: date, local_start: str) -> bool:
    """True where the weekly rules know no such start on a day that nobody closed."""
    if listed.product.availability_mode != "INVENTORY" or not (listed.product.accepting and listed.provider.accepting):
        return False
    exceptional = any(_applies(one, option, day, local_start) for one in listed.exceptions)
    return not exceptional and _rule_on(option.rules, day, local_start) is None


def _rule_on(rules: Sequence[Rule], day: date, local_start: str) -> Rule | None:
    fitting = [
        rule
        for rule in rules
        if rule.weekdays >> day.weekday() & 1
        and (rule.from_date is None or rule.from_date <= day)
        and (rule.to_date is None or day <= rule.to_date)
        and rule.local_start in ("", local_start)
    ]
    # the shortest dated stretch wins, then the rule for this very start
    return min(fitting, key=lambda r: (_span(r), r.local_start == "", r.capacity), default=None)


def _span(rule: Rule) -> int:
    if rule.from_date is None or rule.to_date is None:
        return 10**6
    return (rule.to_date - rule.from_date).days


def start_of(option: Option, local_start: str) -> Start:
    """The option's start at this time. Raises Invalid listing what there is."""
    if not option.starts:
        if local_start:
            raise Invalid("local_start", f"{option.title} has no set start times; leave the time out.")
        return Start("", ("",))
    for start in option.starts:
        if start.at == local_start:
            return start
    times = ", ".join(start.at for start in option.starts)
    raise Invalid(
        "local_start", f"{option.title} starts at {times}. Please choose one of these times.", starts=[s.at for s in option.starts]
    )


def wants(listed: Listing, option: Option, ask: Ask) -> list[Want]:
    """The places one line takes, slot by slot."""
    units = {ADULT: 1} if ask.units is None else ask.units
    taken = people(option, units) if option.counts == "PAX" else quantity_for(option, units, ask.quantity)
    start = start_of(option, ask.local_start)
    return [
        Want(option.resource_id, day, label, taken, capacity_on(listed, option, day, label))
        for day in ask.days()
        for label in start.occupies
    ]


def check(listed: Listing, option: Option, ask: Ask, now: datetime, rules: Rules) -> None:
    """Everything that can be known without looking at what was sold. Raises Invalid or Refused with a sentence."""
    product = listed.product
    units = {ADULT: 1} if ask.units is None else ask.units
    head_count = sum(units.values())
    if any(count < 0 for count in units.values()) or head_count < 1:
        raise Invalid("party", "At least one person has to travel. How many people are you?")
    if head_count > rules.max_party:
        raise Invalid("party", f"Up to {rules.max_party} people can be booked here at once. For a larger group, ask for a person.")
    if not 1 <= ask.quantity <= 20:
        raise Invalid("quantity", "Between 1 and 20 can be booked at once.")
    if head_count > product.max_party and option.counts == "PAX":
        raise Invalid("party", f"{product.title} takes up to {product.max_party} people.")
    if head_count < product.min_party:
        raise Invalid("party", f"{product.title} needs at least {product.min_party} people.")
    if (
        option.plan.per != "NIGHT"
        and option.counts == "BOOKING"
        and option.max_pax_each
        and people(option, units) > option.max_pax_each * 4
    ):
        raise Invalid("party", f"{product.title} takes up to {option.max_pax_each * 4} people.")
    youngest = _youngest(listed, option)
    if _too_young(option, units, youngest):
        raise Invalid("party", f"{product.title} is for people aged {youngest} and over.")
    local_now = now.astimezone(zone(listed)).replace(tzinfo=None)
    if ask.local_date < local_now.date():
        raise Invalid("date", f"{ask.local_date:%d %B %Y} is in the past. Please choose a day from today on.")
    if ask.local_date > local_now.date() + timedelta(days=rules.max_days_ahead):
        raise Invalid("date", f"That is too far ahead; dates up to {rules.max_days_ahead} days from today can be booked.")
    if listed.is_stay:
        _check_nights(listed, option, ask, rules)
    elif ask.end_date is not None and ask.end_date != ask.local_date:
        raise Invalid("end_date", f"{product.title} takes one day; leave the second date out.")
    start = start_of(option, ask.local_start)
    clock = time.fromisoformat(start.at) if start.at else (CHECK_IN if listed.is_stay else time(23, 59))
    cutoff = datetime.combine(ask.local_date, clock) - timedelta(hours=product.lead_hours)  # wall clock, as printed on a voucher
    if local_now >= cutoff:
        wait = f" It has to be booked {product.lead_hours} hours ahead." if product.lead_hours else ""
        raise Refused(f"It is too late to book {product.title} for {ask.local_date:%A %d %B}.{wait}", cutoff=cutoff.isoformat())


def _youngest(listed: Listing, option: Option) -> int:
    """The age from which one may come, by the product and by the unit types it sells."""
    return max(listed.product.min_age or 0, min((unit.min_age or 0 for unit in option.units), default=0))


def _too_young(option: Option, units: Mapping[str, int], youngest: int) -> bool:
    """Is somebody of the party surely too young? A child without a type of its own may be as old as children get."""
    for kind, count in units.items():
        unit = option.unit(kind)
        oldest = OLDEST.get(kind) if unit is None or unit.max_age is None else unit.max_age
        if count and oldest is not None and oldest < youngest:
            return True
    return False


def _check_nights(listed: Listing, option: Option, ask: Ask, rules: Rules) -> None:
    if ask.end_date is None:
        raise Invalid("end_date", "When do you leave? A stay needs a check-out date.")
    nights = ask.nights
    if nights < 1:
        raise Invalid("end_date", "The check-out date has to be after the check-in date.")
    if nights > rules.max_nights:
        raise Invalid("end_date", f"Up to {rules.max_nights} nights can be booked at once.")
    least, most, closed = _stay_limits(option, ask.local_date, rules)
    if closed:
        raise Refused(f"{listed.product.title} takes no arrivals on {ask.local_date:%A %d %B}.")
    if _no_departure(option, ask.end_date):
        raise Refused(f"{listed.product.title} has no departures on {ask.end_date:%A %d %B}.")
    if nights < least:
        raise Invalid("end_date", f"{listed.product.title} can be booked from {least} nights on.", min_nights=least)
    if nights > most:
        raise Invalid("end_date", f"{listed.product.title} can be booked for up to {most} nights.", max_nights=most)


def _stay_limits(option: Option, arrival: date, rules: Rules) -> tuple[int, int, bool]:
    """(fewest nights, most nights, closed to arrival) for a stay that begins on this day."""
    least, most, closed = option.min_nights or 1, option.max_nights or rules.max_nights, False
    for one in option.restrictions:
        if one.from_date <= arrival <= one.to_date and one.weekdays >> arrival.weekday() & 1:
            least, most = max(least, one.min_nights or 1), min(most, one.max_nights or most)
            closed = closed or one.closed_to_arrival
    return least, most, closed


def _no_departure(option: Option, leaving: date) -> bool:
    return any(
        one.closed_to_departure and one.from_date <= leaving <= one.to_date and one.weekdays >> leaving.weekday() & 1
        for one in option.restrictions
    )


SlotKey = tuple[str, date, str]


def touched(tx: Connection, resource_ids: Iterable[str], first: date, last: date) -> dict[SlotKey, Any]:
    """The slot rows that exist for these resources between two days, both included."""
    ids = list(set(resource_ids))
    if not ids:
        return {}
    rows = tx.execute(select(slot).where(slot.c.resource_id.in_(ids), slot.c.local_date >= first, slot.c.local_date <= last))
    return {(row.resource_id, row.local_date, row.local_start): row for row in rows}


def free(want: Want, slots: Mapping[SlotKey, Any]) -> int:
    """Places left in the slot of a want; UNLIMITED where there is no limit, however many were sold."""
    row = slots.get((want.resource_id, want.local_date, want.local_start))
    if row is None or want.capacity == 0:
        return want.capacity
    if row.closed:
        return 0
    most = min(row.capacity, want.capacity)
    return UNLIMITED if most >= UNLIMITED else max(0, int(most - row.held - row.booked))


def vacancies(listed: Listing, option: Option, days: Iterable[date], slots: Mapping[SlotKey, Any]) -> list[Vacancy]:
    """Every start on every day with what is left, in places (people, rooms, boats or tables as the option counts)."""
    found = []
    for day in days:
        for start in option.starts or (Start("", ("",)),):
            parts = []
            for label in start.occupies:
                capacity = capacity_on(listed, option, day, label)
                row = slots.get((option.resource_id, day, label))
                if row is not None:
                    capacity = 0 if row.closed else min(capacity, row.capacity)
                parts.append((capacity, free(Want(option.resource_id, day, label, 1, capacity), slots)))
            found.append(
                Vacancy(day, start.at, _status(parts), 0 if any(most == 0 for most, _ in parts) else min(left for _, left in parts))
            )
    return found


def _status(parts: Sequence[tuple[int, int]]) -> str:
    """OCTO's word for (capacity, left) of every slot that a start occupies, all or none."""
    if any(capacity == 0 for capacity, _ in parts):
        return "CLOSED"
    left = min(spare for _, spare in parts)
    if left == 0:
        return "SOLD_OUT"
    if left >= UNLIMITED:
        return "FREESALE"
    few = left < LIMITED_BELOW and any(spare == left < capacity for capacity, spare in parts)
    return "LIMITED" if few else "AVAILABLE"


def is_free(listed: Listing, option: Option, ask: Ask, slots: Mapping[SlotKey, Any]) -> bool:
    return all(free(want, slots) >= want.quantity for want in wants(listed, option, ask))


def ensure_free(tx: Connection, listed: Listing, option: Option, ask: Ask) -> None:
    """Raises SoldOut naming the days. Advice only: a hold may still find them gone."""
    needed = wants(listed, option, ask)
    days = [want.local_date for want in needed]
    slots = touched(tx, [option.resource_id], min(days), max(days))
    gone = sorted({want.local_date for want in needed if free(want, slots) < want.quantity})
    if gone:
        shown = ", ".join(f"{day:%a %d %b}" for day in gone[:5])
        raise SoldOut(f"{listed.product.title} is not available on {shown}.", product_id=listed.id, dates=[day.isoformat() for day in gone])


def available_days(
    engine: Engine, product_id: str, first: date, last: date, *, option_id: str | None = None, party: int = 1
) -> list[dict[str, Any]]:
    """Days between two dates (both included, 62 at most) with status, places left and start times, for a door or a tool."""
    if last < first or (last - first).days > 366:
        raise Invalid("to", "The last day has to be after the first, and at most a year later.")
    with engine.db.read() as tx:
        listed = listing(tx, product_id)
        option = listed.option(option_id)
        slots = touched(tx, [option.resource_id], first, last)
    days = [first + timedelta(days=i) for i in range((last - first).days + 1)]
    today = engine.clock().astimezone(zone(listed)).date()
    by_day: dict[date, list[Vacancy]] = {}
    for vacancy in vacancies(listed, option, days, slots):
        by_day.setdefault(vacancy.local_date, []).append(vacancy)
    needed = party if option.counts == "PAX" else quantity_for(option, {ADULT: party})
    return [
        {
            "date": day.isoformat(),
            "status": "CLOSED" if day < today else _best([v.status for v in of_day]),
            "vacancies": 0 if day < today else max(v.vacancies for v in of_day),
            "starts": [v.local_start for v in of_day if v.local_start and v.vacancies >= needed and day >= today],
            "bookable": day >= today and any(v.vacancies >= needed for v in of_day),
        }
        for day, of_day in by_day.items()
    ]


def available_stays(
    engine: Engine, product_id: str, first: date, last: date, *, option_id: str | None = None, party: int = 1
) -> list[dict[str, Any]]:
    """Unbroken stretches of free nights between two days, long enough for the shortest stay that may begin in them.

    Each is {"from": first arrival, "to": last departure (the morning after the last free night), "nights", "vacancies" (rooms
    free in every one of them), "arrivals": days on which a stay may begin}. `last` is the last night looked at.
    """
    days = available_days(engine, product_id, first, last, option_id=option_id, party=party)
    with engine.db.read() as tx:
        listed = listing(tx, product_id)
    if not listed.is_stay:
        raise Invalid("product", f"{listed.product.title} is not sold by the night; ask for its days.")
    option, rules = listed.option(option_id), engine.rules
    rooms = {date.fromisoformat(day["date"]): day["vacancies"] for day in days if day["bookable"]}
    found = []
    for stretch in ranges([day.isoformat() for day in rooms]):
        start, end = date.fromisoformat(stretch["from"]), date.fromisoformat(stretch["to"]) + timedelta(days=1)
        nights = [start + timedelta(days=i) for i in range((end - start).days)]
        arrivals = [day.isoformat() for day in nights if _may_arrive(option, day, end, rules)]
        if arrivals:
            spare = min(rooms[day] for day in nights)
            found.append(
                {"from": start.isoformat(), "to": end.isoformat(), "nights": len(nights), "vacancies": spare, "arrivals": arrivals}
            )
    return found


def _may_arrive(option: Option, day: date, end: date, rules: Rules) -> bool:
    """Is there a stay that begins on this day and leaves by `end`?"""
    least, most, closed = _stay_limits(option, day, rules)
    longest = min(most, (end - day).days)
    return not closed and any(not _no_departure(option, day + timedelta(days=nights)) for nights in range(least, longest + 1))


def ranges(days: Sequence[str]) -> list[dict[str, str]]:
    """ISO days, in order, as unbroken stretches {"from", "to"}, both included."""
    found: list[dict[str, str]] = []
    for day in days:
        before = (date.fromisoformat(day) - timedelta(days=1)).isoformat()
        if found and found[-1]["to"] == before:
            found[-1]["to"] = day
        else:
            found.append({"from": day, "to": day})
    return found


def _best(statuses: Sequence[str]) -> str:
    for status in ("FREESALE", "AVAILABLE", "LIMITED", "SOLD_OUT"):
        if status in statuses:
            return status
    return "CLOSED"


def next_days(engine: Engine, product_id: str, *, option_id: str | None, party: int, after: date, limit: int = 5) -> list[str]:
    """The next bookable days, for "sold out, but ...". Looks 60 days ahead."""
    days = available_days(engine, product_id, after, after + timedelta(days=60), option_id=option_id, party=party)
    return [day["date"] for day in days if day["bookable"]][:limit]
