"""What a provider says about when they sell: on or off, days blocked and opened, places for a day, the usual week.

Every change is one transaction that first makes takers wait, then changes the rows, then brings the touched slots to what
they say. A block or a cut that would take places from somebody who holds or bought them is refused with those bookings
named, and nothing is changed. Places belong to a resource, so what is said of them reaches every product that shares it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row, Table, delete, insert, select, update

from core import audit, availability, schema, slots
from core.availability import touched, vacancies
from core.catalogue import Listing, Option, listing, listings
from core.db import announce
from core.engine import Actor, Engine, new_id
from core.errors import Invalid, NotFound, PlacesSold, Refused
from core.redact import plain, redact

Scope = Literal["PROVIDER", "PRODUCT", "RESOURCE"]

LONGEST = 800  # days in one stretch
MOST_PLACES = 100_000
MOST_RULES = 100
FEED = "ical:"  # the source of an exception that an imported calendar made, before the feed's id

exception = schema.availability_exception


@dataclass(frozen=True, slots=True)
class Week:
    """One line of the usual week: `weekdays` are bits, Monday the lowest; `start` "" means every start of the day."""

    places: int
    weekdays: int = 127
    start: str = ""
    first: date | None = None
    last: date | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """What a change is about, and every resource whose slots it may reach."""

    scope: Scope
    id: str
    name: str
    provider_id: str
    time_zone: str
    resource_ids: tuple[str, ...]
    labels: tuple[str, ...]  # the slots of a day, "" for whole days and nights

    @property
    def key(self) -> str:
        return f"{self.scope.lower()}:{self.id}"


# ── the verbs ─────────────────────────────────────────────────────────────────────────────────────


def switch(engine: Engine, actor: Actor, scope: Literal["PROVIDER", "PRODUCT"], scope_id: str, on: bool) -> dict[str, Any]:
    """Sell, or stop selling, one product or everything of a provider. What is sold stands. Raises NotFound, Invalid.

    Returns {"accepting", "standing": how many bookings ahead stay as they are}.
    """
    now = engine.clock()
    if scope not in ("PROVIDER", "PRODUCT"):
        raise Invalid("scope", "A product or a whole provider can be switched on and off.")
    table = schema.provider if scope == "PROVIDER" else schema.product
    with engine.db.write() as tx:
        about = subject(tx, actor, scope, scope_id)
        slots.lock(tx, about.resource_ids, now.date())
        before = tx.execute(select(table.c.accepting).where(table.c.id == scope_id)).scalar_one()
        if before != on:
            tx.execute(update(table).where(table.c.id == scope_id).values(accepting=on))
            slots.fit(tx, set(about.resource_ids), now.date())
            _said(tx, actor, about, "switch", {"before": before, "after": on}, now)
        booking = schema.booking
        mine = booking.c.provider_id == scope_id if scope == "PROVIDER" else booking.c.product_id == scope_id
        ahead = select(booking.c.id).where(mine, booking.c.status.in_(("ON_HOLD", "PENDING", "CONFIRMED")), booking.c.starts_at > now)
        return {"accepting": on, "standing": len(tx.execute(ahead).all())}


def block(
    engine: Engine, actor: Actor, scope: Scope, scope_id: str, first: date, last: date, *, start: str = "", reason: str = ""
) -> dict[str, Any]:
    """Close a stretch of days, both included, or one start of each. Raises NotFound, Invalid, PlacesSold with the bookings in it."""
    with engine.db.read() as tx:
        about = subject(tx, actor, scope, scope_id)
    _check_stretch(engine, about, first, last, start)
    row = {"from_date": first, "to_date": last, "local_start": start, "closed": True, "reason": redact(plain(reason))[:200]}

    def apply(tx: Connection) -> None:
        _carve(tx, about, first, last, start, closed=True)
        _put(tx, about, row)

    return _change(engine, actor, scope, scope_id, "block", apply, over=(first, last))


def unblock(engine: Engine, actor: Actor, scope: Scope, scope_id: str, first: date, last: date, *, start: str = "") -> dict[str, Any]:
    """Open a stretch of days again. A product is also opened on days its provider has closed for all.

    `still_closed` of the answer lists days that stay closed, with why: another calendar's, or a wider block.
    Raises NotFound, Invalid, Refused where nothing of it is closed by hand.
    """
    with engine.db.read() as tx:
        about = subject(tx, actor, scope, scope_id)
    _check_stretch(engine, about, first, last, start)

    def apply(tx: Connection) -> None:
        freed = _carve(tx, about, first, last, start, closed=True)
        opened = 0
        if about.scope == "PRODUCT":
            for one in _rows(tx, "PROVIDER", about.provider_id, first, last):
                if one.closed and _meets(one.local_start, start):
                    days = max(first, one.from_date), min(last, one.to_date)
                    _put(tx, about, {"from_date": days[0], "to_date": days[1], "local_start": start, "closed": False, "reason": "opened"})
                    opened += 1
        if not freed and not opened:
            raise Refused(_why_closed(tx, about, first, last) or "Nothing is blocked on these days.")

    done = _change(engine, actor, scope, scope_id, "unblock", apply, over=(first, last))
    with engine.db.read() as tx:
        return {**done, "still_closed": _still_closed(tx, about, first, last)}


def set_places(
    engine: Engine,
    actor: Actor,
    product_id: str,
    first: date,
    last: date,
    places: int | None,
    *,
    option_id: str | None = None,
    start: str = "",
) -> dict[str, Any]:
    """Places on these days instead of the usual ones, for a start or for all; None goes back to the usual.

    Raises NotFound, Invalid, PlacesSold where more is held or sold.
    """
    with engine.db.read() as tx:
        about = _resource_of(tx, actor, product_id, option_id)
    _check_stretch(engine, about, first, last, start)
    if places is not None and not 1 <= places <= MOST_PLACES:
        raise Invalid("places", f"Between 1 and {MOST_PLACES:,} places can be set. To take no bookings, block the day.")

    def apply(tx: Connection) -> None:
        _carve(tx, about, first, last, start, closed=False)
        if places is not None:
            _put(tx, about, {"from_date": first, "to_date": last, "local_start": start, "closed": False, "capacity": places})

    return _change(engine, actor, "RESOURCE", about.id, "set_places", apply, over=(first, last))


def set_week(engine: Engine, actor: Actor, product_id: str, rules: Sequence[Week], *, option_id: str | None = None) -> dict[str, Any]:
    """The usual week of an INVENTORY product, all of it. Raises NotFound, Invalid naming the line, PlacesSold, Refused for other modes."""
    with engine.db.read() as tx:
        about = _resource_of(tx, actor, product_id, option_id)
        if listing(tx, product_id).product.availability_mode != "INVENTORY":
            raise Refused("This product has no weekly places: it is free unless a day is blocked.")
    if len(rules) > MOST_RULES:
        raise Invalid("rules", f"Up to {MOST_RULES} lines can be kept.")
    for at, one in enumerate(rules):
        if not 0 <= one.places <= MOST_PLACES:
            raise Invalid(f"rules[{at}].places", f"Between 0 and {MOST_PLACES:,} places can be set.")
        if not 1 <= one.weekdays <= 127:
            raise Invalid(f"rules[{at}].weekdays", "At least one weekday is needed.")
        if one.start not in ("", *about.labels):
            raise Invalid(f"rules[{at}].start", f"There is no start at {one.start}; there are {', '.join(about.labels)}.")
        if one.first and one.last and one.last < one.first:
            raise Invalid(f"rules[{at}].last", "The last day has to be after the first.")

    def apply(tx: Connection) -> None:
        table = schema.availability_rule
        tx.execute(delete(table).where(table.c.resource_id == about.id))
        if rules:
            tx.execute(insert(table), [_rule_row(about.id, one) for one in rules])

    return _change(engine, actor, "RESOURCE", about.id, "set_week", apply, look=_week)


def set_capacity(engine: Engine, actor: Actor, product_id: str, capacity: int | None, *, option_id: str | None = None) -> dict[str, Any]:
    """Places of every day of a CALENDAR or TOGGLE product; None: one a day, or no limit. Raises NotFound, Invalid, PlacesSold."""
    with engine.db.read() as tx:
        about = _resource_of(tx, actor, product_id, option_id)
    if capacity is not None and not 1 <= capacity <= MOST_PLACES:
        raise Invalid("capacity", f"Between 1 and {MOST_PLACES:,} places can be set.")

    def apply(tx: Connection) -> None:
        tx.execute(update(schema.resource).where(schema.resource.c.id == about.id).values(capacity=capacity))

    return _change(engine, actor, "RESOURCE", about.id, "set_capacity", apply, look=_capacity)


# ── one way to change ─────────────────────────────────────────────────────────────────────────────

Look = Callable[[Connection, Subject], Any]


def _change(
    engine: Engine,
    actor: Actor,
    scope: Scope,
    scope_id: str,
    verb: str,
    apply: Callable[[Connection], None],
    *,
    over: tuple[date, date] | None = None,
    look: Look | None = None,
) -> dict[str, Any]:
    now = engine.clock()
    seen: Look = look or (lambda tx, about: [_as_json(one) for one in _rows(tx, about.scope, about.id, *(over or (date.min, date.max)))])
    with engine.db.write() as tx:
        about = subject(tx, actor, scope, scope_id)
        slots.lock(tx, about.resource_ids, now.date())
        was, had = slots.Before(tx, about.resource_ids, now.date()), seen(tx, about)
        apply(tx)
        shrunk = was.shrunk(tx, now)
        if shrunk:
            raise sold(shrunk)
        slots.fit(tx, set(about.resource_ids), now.date())
        has = seen(tx, about)
        if has != had:
            _said(tx, actor, about, verb, {"before": had, "after": has}, now)
    return {"scope": about.scope, "id": about.id, "changed": has != had, "after": has}


def sold(shrunk: Sequence[slots.Shrunk]) -> PlacesSold:
    """The refusal, with every booking concerned once, the earliest day first."""
    bookings: dict[str, dict[str, Any]] = {}
    for one in sorted(shrunk, key=lambda one: (one.local_date, one.local_start)):
        for row in one.bookings:
            bookings.setdefault(row.id, concerned(row, one.local_date))
    days = sorted({one.local_date for one in shrunk})
    shown = ", ".join(f"{day:%a %d %b}" for day in days[:5]) + (" and later" if len(days) > 5 else "")
    names = ", ".join(one["reference"] for one in list(bookings.values())[:5])
    more = f" and {len(bookings) - 5} more" if len(bookings) > 5 else ""
    return PlacesSold(
        f"Nothing was changed: on {shown} places are held or sold ({names}{more}). Cancel or move these bookings first.",
        bookings=list(bookings.values()),
        dates=[day.isoformat() for day in days],
    )


def concerned(row: Any, day: date) -> dict[str, Any]:
    """A booking as its provider is told of it."""
    return {
        "booking_id": row.id,
        "reference": row.reference,
        "title": row.title,
        "date": day.isoformat(),
        "start": row.local_start,
        "quantity": row.taken,
        "status": row.status,
    }


def _said(tx: Connection, actor: Actor, about: Subject, verb: str, detail: dict[str, Any], now: datetime) -> None:
    audit.record(tx, actor, verb, about.key, detail, now)
    announce(tx, "provider", about.provider_id)


# ── who and what ──────────────────────────────────────────────────────────────────────────────────


def may(actor: Actor, provider_id: str) -> bool:
    """The provider's own people, an expert who acts for somebody, an operator."""
    return actor.role in ("operator", "expert") or (actor.role == "provider" and provider_id in actor.provider_ids)


def subject(tx: Connection, actor: Actor, scope: Scope, scope_id: str) -> Subject:
    """Raises NotFound, also for what is another provider's, and Invalid for a scope that does not exist."""
    option, product, provider, resource = schema.option, schema.product, schema.provider, schema.resource
    tables: dict[str, tuple[Table, Any]] = {
        "PROVIDER": (provider, provider.c.id),
        "PRODUCT": (product, product.c.provider_id),
        "RESOURCE": (resource, resource.c.provider_id),
    }
    if scope not in tables:
        raise Invalid("scope", f"A scope is one of {', '.join(tables)}.")
    table, owner = tables[scope]
    row = tx.execute(select(table, owner.label("owner")).where(table.c.id == scope_id)).one_or_none()
    if row is None or not may(actor, row.owner):
        raise NotFound(f"There is no such {scope.lower()} of yours.")
    used = select(option.c.resource_id, option.c.starts).join(product, product.c.id == option.c.product_id)
    narrowed = {
        "PROVIDER": product.c.provider_id == scope_id,
        "PRODUCT": product.c.id == scope_id,
        "RESOURCE": option.c.resource_id == scope_id,
    }[scope]
    options = tx.execute(used.where(narrowed)).all()
    ids = {one.resource_id for one in options} | ({scope_id} if scope == "RESOURCE" else set())
    labels = {label for one in options for start in one.starts for label in (start.get("occupies") or [start["at"]])}
    if any(not one.starts for one in options):
        labels.add("")
    zone = tx.execute(select(provider.c.time_zone).where(provider.c.id == row.owner)).scalar_one()
    return Subject(scope, scope_id, getattr(row, "title", None) or row.name, row.owner, zone, tuple(sorted(ids)), tuple(sorted(labels)))


def _resource_of(tx: Connection, actor: Actor, product_id: str, option_id: str | None) -> Subject:
    subject(tx, actor, "PRODUCT", product_id)
    return subject(tx, actor, "RESOURCE", listing(tx, product_id).option(option_id).resource_id)


def _check_stretch(engine: Engine, about: Subject, first: date, last: date, start: str) -> None:
    if last < first:
        raise Invalid("to", "The last day has to be after the first.")
    if (last - first).days > LONGEST:
        raise Invalid("to", f"Up to {LONGEST} days can be changed at once.")
    if last < engine.clock().astimezone(ZoneInfo(about.time_zone)).date():
        raise Invalid("from", "These days are over.")
    if start and start not in about.labels:
        known = ", ".join(label for label in about.labels if label) or "none"
        raise Invalid("start", f"There is no start at {start}; there are {known}.")


# ── the rows ──────────────────────────────────────────────────────────────────────────────────────


def _rows(tx: Connection, scope: str, scope_id: str, first: date, last: date) -> Sequence[Row[Any]]:
    return tx.execute(
        select(exception)
        .where(exception.c.scope == scope, exception.c.scope_id == scope_id, exception.c.from_date <= last, exception.c.to_date >= first)
        .order_by(exception.c.from_date, exception.c.to_date, exception.c.local_start, exception.c.id)
    ).all()


def _as_json(row: Any) -> dict[str, Any]:
    return {
        "from": row.from_date.isoformat(),
        "to": row.to_date.isoformat(),
        "start": row.local_start,
        "closed": row.closed,
        "places": row.capacity,
        "reason": row.reason,
        "source": row.source,
    }


def _put(tx: Connection, about: Subject, values: dict[str, Any]) -> None:
    facts = {"scope": about.scope, "scope_id": about.id, "capacity": None, "reason": "", "source": "manual"}
    tx.execute(insert(exception).values(id=new_id(), **{**facts, **values}))


def _meets(row_start: str, start: str) -> bool:
    return not start or row_start in ("", start)


def _carve(tx: Connection, about: Subject, first: date, last: date, start: str, *, closed: bool) -> int:
    """Take a stretch out of what was said about it by hand or by a catalogue file, keeping what lies around; how many rows it met.

    `closed` picks blocks, else places. A whole-day row of which only one start is taken out stays for the other starts.
    What another calendar blocked is not touched.
    """
    met = 0
    for row in _rows(tx, about.scope, about.id, first, last):
        same = row.closed if closed else (not row.closed and row.capacity is not None)
        if not same or not _meets(row.local_start, start) or row.source.startswith(FEED):
            continue
        if start and not row.local_start and not closed:
            continue  # places for one start are narrower than those of the whole day, and go before them
        met += 1
        tx.execute(delete(exception).where(exception.c.id == row.id))
        kept = {key: value for key, value in row._mapping.items() if key != "id"}
        left: list[dict[str, Any]] = []
        if row.from_date < first:
            left.append({**kept, "to_date": first - timedelta(days=1)})
        if row.to_date > last:
            left.append({**kept, "from_date": last + timedelta(days=1)})
        if start and not row.local_start:
            days = {"from_date": max(first, row.from_date), "to_date": min(last, row.to_date)}
            left += [{**kept, **days, "local_start": label} for label in about.labels if label != start]
        if left:
            tx.execute(insert(exception), [{"id": new_id(), **one} for one in left])
    return met


def _rule_row(resource_id: str, one: Week) -> dict[str, Any]:
    return {
        "id": new_id(),
        "resource_id": resource_id,
        "weekdays": one.weekdays,
        "from_date": one.first,
        "to_date": one.last,
        "local_start": one.start,
        "capacity": one.places,
    }


def _week(tx: Connection, about: Subject) -> list[dict[str, Any]]:
    table = schema.availability_rule
    rows = tx.execute(select(table).where(table.c.resource_id == about.id)).all()
    return sorted(
        (
            {
                "weekdays": row.weekdays,
                "start": row.local_start,
                "places": row.capacity,
                "from": row.from_date.isoformat() if row.from_date else None,
                "to": row.to_date.isoformat() if row.to_date else None,
            }
            for row in rows
        ),
        key=lambda one: (one["from"] or "", one["start"], -one["weekdays"], one["places"]),
    )


def _capacity(tx: Connection, about: Subject) -> Any:
    return tx.execute(select(schema.resource.c.capacity).where(schema.resource.c.id == about.id)).scalar_one()


def _scopes(tx: Connection, about: Subject) -> list[tuple[str, str]]:
    """Everything whose closings reach this subject, the narrowest first."""
    found = [("RESOURCE", one) for one in about.resource_ids] if about.scope != "PROVIDER" else []
    if about.scope == "PRODUCT":
        found.append(("PRODUCT", about.id))
    return [*found, ("PROVIDER", about.provider_id)]


def _still_closed(tx: Connection, about: Subject, first: date, last: date) -> list[dict[str, Any]]:
    return [
        {**_as_json(row), "scope": scope}
        for scope, scope_id in _scopes(tx, about)
        for row in _rows(tx, scope, scope_id, first, last)
        if row.closed and not (scope == "PROVIDER" and about.scope == "PRODUCT")
    ]


def _why_closed(tx: Connection, about: Subject, first: date, last: date) -> str:
    for one in _still_closed(tx, about, first, last):
        if one["source"].startswith(FEED):
            return f"These days are taken in another calendar ({one['reason']}). Change them there, or remove that calendar here."
        return f"These days are blocked for the whole {one['scope'].lower()}; open them there."
    return ""


# ── looking ───────────────────────────────────────────────────────────────────────────────────────


def products_of(engine: Engine, provider_ids: Collection[str] | None) -> list[Row[Any]]:
    """What these providers (None: all) have on sale, by provider and title, with whether each takes bookings."""
    product, provider = schema.product, schema.provider
    query = (
        select(
            product.c.id,
            product.c.title,
            product.c.kind,
            product.c.provider_id,
            product.c.accepting,
            product.c.availability_mode,
            provider.c.name.label("provider_name"),
            provider.c.accepting.label("provider_accepting"),
        )
        .join(provider, provider.c.id == product.c.provider_id)
        .where(product.c.published, product.c.booking_type != "EXTERNAL")
        .order_by(provider.c.name, product.c.title, product.c.id)
    )
    with engine.db.read() as tx:
        return list(tx.execute(query if provider_ids is None else query.where(product.c.provider_id.in_(list(provider_ids)))))


def calendar(engine: Engine, actor: Actor, product_id: str, first: date, last: date, *, option_id: str | None = None) -> dict[str, Any]:
    """A product's days as its provider sees them: every start with status, capacity, held and booked, and why a day is closed.

    Raises NotFound, Invalid for more than a hundred days.
    """
    if not 0 <= (last - first).days <= 100:
        raise Invalid("to", "Up to a hundred days can be shown.")
    now = engine.clock()
    with engine.db.read() as tx:
        about = subject(tx, actor, "PRODUCT", product_id)
        listed = listings(tx, [product_id])[product_id]
        option = listed.option(option_id)
        rows = touched(tx, [option.resource_id], first, last)
        closings = [
            (scope, row)
            for scope, scope_id in (("RESOURCE", option.resource_id), ("PRODUCT", product_id), ("PROVIDER", about.provider_id))
            for row in _rows(tx, scope, scope_id, first, last)
        ]
        week = _week(tx, subject(tx, actor, "RESOURCE", option.resource_id))
        shared = tx.execute(
            select(schema.product.c.title)
            .join(schema.option, schema.option.c.product_id == schema.product.c.id)
            .where(schema.option.c.resource_id == option.resource_id, schema.product.c.id != product_id, schema.product.c.published)
            .distinct()
            .order_by(schema.product.c.title)
        ).scalars()
        days = [first + timedelta(days=i) for i in range((last - first).days + 1)]
        return {
            "product_id": product_id,
            "title": listed.product.title,
            "provider_id": about.provider_id,
            "option_id": option.id,
            "options": [{"id": one.id, "title": one.title} for one in listed.options],
            "resource_id": option.resource_id,
            "shared_with": list(shared),
            "mode": listed.product.availability_mode,
            "capacity": option.resource_capacity,
            "counts": option.counts,
            "accepting": listed.product.accepting,
            "provider_accepting": listed.provider.accepting,
            "today": now.astimezone(availability.zone(listed)).date(),
            "labels": sorted({label for start in option.starts for label in start.occupies}),
            "week": week,
            "days": [_day(listed, option, day, rows, closings) for day in days],
        }


def _day(listed: Listing, option: Option, day: date, rows: Any, closings: Sequence[tuple[str, Row[Any]]]) -> dict[str, Any]:
    starts = []
    for one in vacancies(listed, option, [day], rows):
        occupied = next((start.occupies for start in option.starts if start.at == one.local_start), ("",))
        slot = [rows.get((option.resource_id, day, label)) for label in occupied]
        starts.append(
            {
                "start": one.local_start,
                "status": one.status,
                "left": None if one.vacancies >= availability.UNLIMITED else one.vacancies,
                "held": max((row.held for row in slot if row), default=0),
                "booked": max((row.booked for row in slot if row), default=0),
            }
        )
    here = [(scope, row) for scope, row in closings if row.from_date <= day <= row.to_date]
    return {
        "date": day,
        "starts": starts,
        "closed_by": [{"scope": scope, **_as_json(row)} for scope, row in here if row.closed],
        "places": next((row.capacity for scope, row in here if scope == "RESOURCE" and not row.closed and row.capacity), None),
    }
