"""A trip over several days, put together from what is really free: where to sleep, what to do when, what it costs, how far it is.

Nothing is held or put anywhere by planning; prices and places are those of this moment, and the cart and the hold check them
again. Ways are the straight line times a factor at a guessed speed, which is an estimate and is called one wherever it is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Literal

from core import pricing
from core.availability import Ask, quantity_for, zone
from core.catalogue import Listing, listing
from core.engine import Engine
from core.errors import Invalid
from core.search import Offer, Wish, kilometres, search

Style = Literal["value", "balanced", "best"]
STYLES: tuple[Style, ...] = ("balanced", "value", "best")
SORT = {"value": "price", "balanced": "recommended", "best": "rating"}
STAY_SHARE = {"value": 50, "balanced": 60, "best": 70}  # percent of a budget that may go into the bed
EASY = 85  # percent of the first plan's total that the one for less may cost
MOST_DAYS = 10
AROUND = 1.3  # streets are so much longer than the straight line
WALKED = 1.5  # km; farther is ridden
WALK, RIDE, WAIT = 12.0, 3.0, 10.0  # minutes a km on foot, minutes a km ridden, minutes of waiting for it
SPARE = 10  # minutes between two things beside the way
OPENS, ARRIVES, LEAVES, CLOSES = 8 * 60, 12 * 60, 18 * 60, 23 * 60 + 30  # minutes of a day: usual, of the first, of the last, the end
DINNER, DEFAULT_LENGTH, WORTH_SAYING = 18 * 60, 90, 90


@dataclass(frozen=True, slots=True)
class Brief:
    """What a trip should be. `budget` is minor units of the city's currency for everything; `pace` things a day beside dinner."""

    city: str
    start: date
    days: int
    units: Mapping[str, int]
    budget: int | None = None
    words: str = ""
    pace: int = 2
    stay: bool = True
    meals: bool = True

    @property
    def end(self) -> date:
        return self.start + timedelta(days=self.days - 1)


@dataclass(frozen=True, slots=True)
class Stop:
    """One thing of a plan. `at` and `until` are minutes of the day, None where it has no fixed time; `km` and `minutes` from the stop before."""

    listing: Listing
    option_id: str
    day: date
    end: date | None
    start: str
    amount: int
    at: int | None = None
    until: int | None = None
    km: float | None = None
    minutes: int | None = None


@dataclass(frozen=True, slots=True)
class Day:
    """Stops in the order of the day; `gaps` are free stretches of at least an hour and a half, as (from, to) minutes."""

    day: date
    stops: tuple[Stop, ...]
    gaps: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """One way to spend the trip. `total` never exceeds the brief's budget."""

    style: Style
    currency: str
    stay: Stop | None
    days: tuple[Day, ...]
    total: int

    @property
    def stops(self) -> tuple[Stop, ...]:
        own = [stop for one in self.days for stop in one.stops]
        return (*([self.stay] if self.stay else ()), *own)


@dataclass(slots=True)
class _Draft:
    """A plan in the making: what is left of the money, and what of each day is taken."""

    brief: Brief
    left: int | None
    stay: Stop | None = None
    days: dict[date, list[Stop]] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    def affords(self, amount: int) -> bool:
        return self.left is None or amount <= self.left

    def take(self, stop: Stop) -> None:
        self.used.add(stop.listing.id)
        if self.left is not None:
            self.left -= stop.amount


def plans(engine: Engine, brief: Brief, *, styles: Sequence[Style] = STYLES) -> list[Plan]:
    """Up to three different plans, the balanced one first; none where nothing at all is free or fits the money.

    Raises Invalid for a number of days or people that can never be right.
    """
    if not 1 <= brief.days <= MOST_DAYS:
        raise Invalid("days", f"A plan can have 1 to {MOST_DAYS} days.")
    if not 1 <= sum(brief.units.values()) <= engine.rules.max_party:
        raise Invalid("party", f"A plan can be for 1 to {engine.rules.max_party} people.")
    found: list[Plan] = []
    for style in styles:
        made = _plan(engine, _held_to(brief, style, found), style)
        if made.stops and all(_asks(made) != _asks(other) for other in found):
            found.append(made)
    return found


def _held_to(brief: Brief, style: Style, before: Sequence[Plan]) -> Brief:
    """The plan that is easy on the money stays clearly under the first one."""
    if style != "value" or not before:
        return brief
    most = before[0].total * EASY // 100
    return replace(brief, budget=most if brief.budget is None else min(brief.budget, most))


def _asks(plan: Plan) -> set[tuple[str, date, str]]:
    return {(stop.listing.id, stop.day, stop.start) for stop in plan.stops}


def _plan(engine: Engine, brief: Brief, style: Style) -> Plan:
    draft = _Draft(brief, brief.budget, days={brief.start + timedelta(days=n): [] for n in range(brief.days)})
    if brief.stay and brief.days > 1:
        draft.stay = _choose_stay(engine, brief, style)
        if draft.stay is not None:
            draft.take(draft.stay)
    doing = {day: _offers(engine, brief, style, day, ("activity", "guide")) for day in draft.days}
    eating = {day: _offers(engine, brief, style, day, ("dining",)) for day in draft.days} if brief.meals else {}
    for _ in range(brief.pace):
        for day in draft.days:
            _place(engine, draft, day, doing[day])
        if eating:
            for day in draft.days:
                if not any(stop.listing.product.kind == "dining" for stop in draft.days[day]):
                    _place(engine, draft, day, eating[day], earliest=DINNER if _ends(brief, day) > DINNER + DEFAULT_LENGTH else None)
    days = tuple(_finished(draft, day) for day in draft.days)
    currency = next((stop.listing.destination.currency for one in days for stop in one.stops), "")
    currency = currency or (draft.stay.listing.destination.currency if draft.stay else "EUR")
    spent = sum(stop.amount for one in days for stop in one.stops) + (draft.stay.amount if draft.stay else 0)
    return Plan(style, currency, draft.stay, days, spent)


def _choose_stay(engine: Engine, brief: Brief, style: Style) -> Stop | None:
    """A bed for every night, one that can be booked at once before one that has to be asked for; None where the money is too short."""
    wish = Wish(city=brief.city, kind="stay", start=brief.start, end=brief.end, units=brief.units, sort=SORT[style], limit=20)
    offers = [offer for offer in search(engine, wish) if offer.amount is not None and _ours(offer)]
    offers.sort(key=lambda offer: offer.listing.product.booking_type != "INSTANT")
    share = None if brief.budget is None else brief.budget * STAY_SHARE[style] // 100
    within = [offer for offer in offers if share is None or (offer.amount or 0) <= share]
    if not within:  # better a dear bed than none, while there is any money for it
        within = sorted((one for one in offers if (one.amount or 0) <= (brief.budget or 0)), key=lambda offer: offer.amount or 0)[:1]
    if not within:
        return None
    best = within[0]
    return Stop(best.listing, best.option_id, brief.start, brief.end, "", best.amount or 0)


def _ours(offer: Offer) -> bool:
    return bool(offer.listing.product.booking_type != "EXTERNAL")


def _offers(engine: Engine, brief: Brief, style: Style, day: date, kinds: Sequence[str]) -> list[Offer]:
    """What is free on this day, what was asked for by name first."""
    found: dict[str, Offer] = {}
    for words in (brief.words, "") if brief.words else ("",):
        for kind in kinds:
            wish = Wish(city=brief.city, kind=kind, words=words, start=day, units=brief.units, sort=SORT[style], limit=12)
            for offer in search(engine, wish):
                if offer.amount is not None and _ours(offer):
                    found.setdefault(offer.listing.id, offer)
    alone = not any(brief.units.get(kind) for kind in ("CHILD", "INFANT"))
    return sorted(found.values(), key=lambda offer: alone and "kids" in offer.listing.product.tags)  # what is for children comes last


def _starts(brief: Brief, day: date) -> int:
    return ARRIVES if day == brief.start and brief.days > 1 else OPENS


def _ends(brief: Brief, day: date) -> int:
    return LEAVES if day == brief.end and brief.days > 1 else CLOSES


def _place(engine: Engine, draft: _Draft, day: date, offers: Iterable[Offer], *, earliest: int | None = None) -> None:
    """The first of these that fits the day, the ways and the money."""
    brief = draft.brief
    for offer in offers:
        if offer.listing.id in draft.used or not draft.affords(offer.amount or 0):
            continue
        if not offer.starts:
            if any(stop.at is None for stop in draft.days[day]) or earliest is not None:
                continue
            stop = _priced(engine, brief, offer, day, "")
            if draft.affords(stop.amount):
                draft.days[day].append(stop)
                return draft.take(stop)
            continue
        for start in offer.starts:
            at = minutes_of(start)
            until = at + (offer.listing.product.duration_minutes or DEFAULT_LENGTH)
            if at < max(_starts(brief, day), earliest or 0) or until > _ends(brief, day):
                continue
            if not _fits(draft.days[day], offer.listing, at, until):
                continue
            stop = replace(_priced(engine, brief, offer, day, start), at=at, until=until)
            if draft.affords(stop.amount):
                draft.days[day].append(stop)
                return draft.take(stop)
    return None


def _priced(engine: Engine, brief: Brief, offer: Offer, day: date, start: str) -> Stop:
    """At the price of exactly this start."""
    listed, option = offer.listing, offer.listing.option(offer.option_id)
    ask = Ask(listed.id, option.id, day, None, start, brief.units, quantity_for(option, brief.units))
    today = engine.clock().astimezone(zone(listed)).date()
    return Stop(listed, option.id, day, None, start, pricing.price(listed, ask, today=today).total)


def _fits(stops: Iterable[Stop], listed: Listing, at: int, until: int) -> bool:
    """Is there time for it and for the ways to it and from it?"""
    for other in stops:
        if other.at is None or other.until is None:
            continue
        way = (way_between(other.listing, listed) or (0.0, 0))[1] + SPARE
        if at < other.until + way and other.at < until + way:
            return False
    return True


def _finished(draft: _Draft, day: date) -> Day:
    """In the order of the day, with the ways between and the stretches that are free."""
    timed = sorted((stop for stop in draft.days[day] if stop.at is not None), key=lambda stop: stop.at or 0)
    before = draft.stay.listing if draft.stay is not None else None
    made: list[Stop] = []
    for stop in timed:
        way = way_between(before, stop.listing) if before is not None else None
        made.append(stop if way is None else replace(stop, km=way[0], minutes=way[1]))
        before = stop.listing
    gaps, free_from = [], _starts(draft.brief, day)
    for stop in made:
        if (stop.at or 0) - free_from >= WORTH_SAYING:
            gaps.append((free_from, stop.at or 0))
        free_from = stop.until or free_from
    if _ends(draft.brief, day) - free_from >= WORTH_SAYING and free_from < DINNER:
        gaps.append((free_from, min(_ends(draft.brief, day), DINNER)))
    return Day(day, (*made, *(stop for stop in draft.days[day] if stop.at is None)), tuple(gap for gap in gaps if gap[1] > gap[0]))


def way_between(one: Listing, other: Listing) -> tuple[float, int] | None:
    """(km, minutes) from one place to another, an estimate: the straight line times a factor, walked where it is near. None where
    the catalogue does not say where they are."""
    a, b = one.product, other.product
    if None in (a.latitude, a.longitude, b.latitude, b.longitude):
        return None
    km = kilometres((a.latitude, a.longitude), (b.latitude, b.longitude)) * AROUND
    took = km * WALK if km <= WALKED else WAIT + km * RIDE
    return round(km, 1), max(5, 5 * round(took / 5))


def minutes_of(start: str) -> int:
    hour, minute = start.split(":")
    return int(hour) * 60 + int(minute)


def clock_of(minutes: int) -> str:
    return f"{minutes // 60 % 24:02d}:{minutes % 60:02d}"


# ── instead of something ──────────────────────────────────────────────────────────────────────────

Change = Literal["same", "cheaper", "earlier", "later"]


def instead(
    engine: Engine,
    product_id: str,
    *,
    day: date | None = None,
    end: date | None = None,
    start: str = "",
    units: Mapping[str, int] | None = None,
    change: Change = "same",
    amount: int | None = None,
    itself: bool = False,
    limit: int = 3,
) -> list[Offer]:
    """What could be had instead, the likest first: the same kind in the same city for the same day and people.

    "cheaper" is less than `amount` (or than this costs today); "earlier" and "later" look at the thing's own other starts first, and
    `itself` lets it be found again (for another number of people).
    Raises NotFound, Invalid where "earlier" or "later" has no start to go by.
    """
    with engine.db.read() as tx:
        listed = listing(tx, product_id)
    if change in ("earlier", "later") and not start:
        raise Invalid("start_time", "Earlier or later than when? Name the start it is now.")
    if change == "cheaper" and amount is None:
        amount = _price_today(engine, listed, day, end, start, units)
    before = _shifted(start, -1) if change == "earlier" else ""
    after = _shifted(start, 1) if change == "later" else ""
    kind, city = listed.product.kind, listed.destination.id
    wish = Wish(city=city, kind=kind, start=day, end=end, units=units, time_to=before, time_from=after, limit=50)
    again = itself or change in ("earlier", "later")
    found = [one for one in search(engine, wish) if _ours(one) and (again or one.listing.id != product_id)]
    if amount is not None and change == "cheaper":
        found = [one for one in found if _cost(one) is not None and (_cost(one) or 0) < amount]
    tags = set(listed.product.tags)
    found.sort(key=lambda one: (one.listing.id != product_id, -len(tags & set(one.listing.product.tags)), -one.score, one.listing.id))
    return found[:limit]


def on_day(engine: Engine, listed: Listing, day: date, end: date | None, units: Mapping[str, int]) -> Offer | None:
    """This one product as it can be had on a day, or None where it cannot."""
    wish = Wish(city=listed.destination.id, kind=listed.product.kind, start=day, end=end, units=units, limit=50)
    return next((one for one in search(engine, replace(wish, words=listed.product.title)) if one.listing.id == listed.id), None)


def _cost(offer: Offer) -> int | None:
    return offer.amount if offer.amount is not None else offer.from_amount


def _shifted(start: str, by: int) -> str:
    return clock_of(max(0, min(24 * 60 - 1, minutes_of(start) + by)))


def _price_today(
    engine: Engine, listed: Listing, day: date | None, end: date | None, start: str, units: Mapping[str, int] | None
) -> int | None:
    if day is None:
        return int(listed.product.from_amount) if listed.product.from_amount is not None else None
    ask = Ask(listed.id, listed.option(None).id, day, end, start, units)
    return pricing.price(listed, ask, today=engine.clock().astimezone(zone(listed)).date()).total
