"""A provider's other calendars: what is taken there closes our days, and what is taken here can be read there.

An imported calendar's days are exceptions of the resource with the calendar as their source, always replaced as one set. A
calendar that cannot be read leaves the last good set as it was. Where it has taken a day on which we have sold, the booking
stands, nothing more is sold, and the provider is told. Fetching is the business of a door; nothing here talks to a network.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row, delete, func, insert, or_, select, tuple_, update

from core import audit, ical, jobs, notices, schedules, slots
from core.catalogue import listing
from core.db import announce
from core.engine import Actor, Engine, new_id
from core.errors import Invalid, NotFound, Refused
from core.ical import Busy, Entry
from core.redact import plain
from core.schedules import FEED
from core.schema import availability_exception as exception
from core.schema import booking, booking_event, calendar_feed, calendar_link, hold, option, product, provider, resource, slot

JOB = "calendar.pull"
EVERY = timedelta(minutes=30)
LONGEST_WAIT = timedelta(hours=6)
READ_WHOLE = timedelta(hours=20)  # even an unchanged calendar is laid out again, because the days ahead move on
MOST = 20  # calendars, and links, of one resource
SHOWN_BACK = timedelta(days=30)
CHECK_IN, CHECK_OUT = time(15), time(11)
USUAL = 60  # minutes, of a start whose length nobody said
DAY = timedelta(days=1)


# ── reading other calendars ───────────────────────────────────────────────────────────────────────


def add_feed(engine: Engine, actor: Actor, product_id: str, url: str, *, name: str = "", option_id: str | None = None) -> str:
    """Read another calendar from now on, for the resource of an option; returns its id. Raises NotFound, Invalid, Refused."""
    now = engine.clock()
    address = check_url(url, engine.rules.public_url)
    called = " ".join(plain(name).split())[:80] or (urlsplit(address).hostname or "")[:80]
    with engine.db.write() as tx:
        about = _resource(tx, actor, product_id, option_id)
        known = tx.execute(select(calendar_feed.c.url).where(calendar_feed.c.resource_id == about.id)).scalars().all()
        if address in known:
            raise Refused("This calendar is read already.")
        if len(known) >= MOST:
            raise Refused(f"Up to {MOST} calendars can be read. Remove one first.")
        feed_id = new_id()
        values = {"id": feed_id, "provider_id": about.provider_id, "resource_id": about.id, "name": called, "url": address}
        tx.execute(
            insert(calendar_feed).values(**values, state="new", conflicts=[], next_at=now, created_by=actor.account_id, created_at=now)
        )
        audit.record(
            tx, actor, "add_calendar", about.key, {"before": None, "after": {"name": called, "host": urlsplit(address).hostname}}, now
        )
        announce(tx, "provider", about.provider_id)
        jobs.enqueue(tx, JOB, {"feed_id": feed_id}, run_at=now, now=now, dedupe=f"{JOB}:{feed_id}")
    return feed_id


def check_url(url: str, own: str = "") -> str:
    """The address to fetch, `webcal` as `https`. Raises Invalid. Whether it leads to a private place is seen when it is fetched."""
    given = plain(url)
    if given.lower().startswith("webcal://"):
        given = "https://" + given[len("webcal://") :]
    try:
        parts = urlsplit(given)
        port = parts.port
    except ValueError:
        raise Invalid("url", "That is not an address. It begins with https:// and ends with .ics, mostly.") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or len(given) > 2000 or re.search(r"\s", given) or port == 0:
        raise Invalid("url", "That is not the address of a calendar. It begins with https:// or webcal://.")
    if parts.username is not None or parts.password is not None:
        raise Invalid("url", "Use the calendar's secret address; an address with a name and password in it is not read.")
    if own and given.startswith(f"{own.rstrip('/')}/calendars/"):
        raise Invalid("url", "That is one of our own calendars. Use the address that the other site gives you.")
    return given


def remove_feed(engine: Engine, actor: Actor, feed_id: str) -> None:
    """Stop reading a calendar; the days it closed are open again. Raises NotFound."""
    now = engine.clock()
    with engine.db.write() as tx:
        feed = _own_feed(tx, actor, feed_id)
        slots.lock(tx, [feed.resource_id], now.date())
        tx.execute(delete(exception).where(exception.c.source == f"{FEED}{feed_id}"))
        tx.execute(delete(calendar_feed).where(calendar_feed.c.id == feed_id))
        slots.fit(tx, {feed.resource_id}, now.date())
        audit.record(tx, actor, "remove_calendar", f"resource:{feed.resource_id}", {"before": {"name": feed.name}, "after": None}, now)
        announce(tx, "provider", feed.provider_id)


def ask_now(engine: Engine, actor: Actor, feed_id: str) -> None:
    """Read it again as soon as possible. Raises NotFound."""
    now = engine.clock()
    with engine.db.write() as tx:
        _own_feed(tx, actor, feed_id)
        tx.execute(update(calendar_feed).where(calendar_feed.c.id == feed_id).values(next_at=now))
        jobs.enqueue(tx, JOB, {"feed_id": feed_id}, run_at=now, now=now, dedupe=f"{JOB}:{feed_id}")


def _own_feed(tx: Connection, actor: Actor, feed_id: str) -> Row[Any]:
    row = tx.execute(select(calendar_feed).where(calendar_feed.c.id == feed_id).with_for_update()).one_or_none()
    if row is None or not schedules.may(actor, row.provider_id):
        raise NotFound("There is no such calendar.")
    return row


def _resource(tx: Connection, actor: Actor, product_id: str, option_id: str | None) -> schedules.Subject:
    schedules.subject(tx, actor, "PRODUCT", product_id)
    return schedules.subject(tx, actor, "RESOURCE", listing(tx, product_id).option(option_id).resource_id)


@dataclass(frozen=True, slots=True)
class Errand:
    """What a door is to fetch: with the marks of the last time, so that an unchanged calendar need not be sent again."""

    feed_id: str
    url: str
    etag: str
    last_modified: str


def errand(engine: Engine, feed_id: str) -> Errand | None:
    """None where the calendar was removed meanwhile, or was read a moment ago."""
    now = engine.clock()
    with engine.db.read() as tx:
        row = tx.execute(select(calendar_feed).where(calendar_feed.c.id == feed_id)).one_or_none()
    if row is None or row.next_at > now:
        return None
    fresh = row.state == "ok" and row.taken_at is not None and row.taken_at > now - READ_WHOLE
    return Errand(row.id, row.url, row.etag if fresh else "", row.last_modified if fresh else "")


def unchanged(engine: Engine, feed_id: str) -> None:
    """The other side says that nothing is new; bookings of ours may be, so collisions are looked for again."""
    now = engine.clock()
    with engine.db.write() as tx:
        row = tx.execute(select(calendar_feed).where(calendar_feed.c.id == feed_id).with_for_update()).one_or_none()
        if row is not None:
            conflicts = _collisions(tx, row, now)
            _next(tx, row, now, now + EVERY, state="ok", error="", failures=0, conflicts=conflicts)


def took(engine: Engine, feed_id: str, text: str, *, etag: str = "", last_modified: str = "") -> dict[str, int]:
    """Replace what a calendar closes by what it says now. Returns {"events", "days", "conflicts"}. Raises Unreadable: nothing is changed.

    Our own events that come back are ignored. Nothing that is sold is lost: see `calendar_feed.conflicts`.
    """
    now = engine.clock()
    with engine.db.read() as tx:
        row = tx.execute(select(calendar_feed).where(calendar_feed.c.id == feed_id)).one_or_none()
        if row is None:
            return {"events": 0, "days": 0, "conflicts": 0}
        shape, mark = shape_of(tx, row.resource_id), own_mark(tx, row.provider_id)
    first = now.astimezone(shape.zone).date()
    last = first + timedelta(days=engine.rules.max_days_ahead)
    events = ical.busy(text, zone=shape.zone, first=first - DAY, last=last, ours=mark)
    stretches = closings(events, shape, first - DAY, last)
    with engine.db.write() as tx:
        row = tx.execute(select(calendar_feed).where(calendar_feed.c.id == feed_id).with_for_update()).one_or_none()
        if row is None:
            return {"events": 0, "days": 0, "conflicts": 0}
        slots.lock(tx, [row.resource_id], now.date())
        source = f"{FEED}{feed_id}"
        known = tx.execute(select(exception.c.from_date, exception.c.to_date, exception.c.local_start).where(exception.c.source == source))
        before = sorted(tuple(one) for one in known)
        if before != stretches:
            tx.execute(delete(exception).where(exception.c.source == source))
            common = {"scope": "RESOURCE", "scope_id": row.resource_id, "closed": True, "reason": row.name, "source": source}
            rows = [{"id": new_id(), "from_date": a, "to_date": b, "local_start": at, **common} for a, b, at in stretches]
            if rows:
                tx.execute(insert(exception), rows)
            slots.fit(tx, {row.resource_id}, now.date())
            actor = Actor("", role="system", channel="ical")
            audit.record(tx, actor, "take_in_calendar", source, {"before": _json(before), "after": _json(stretches)}, now)
            announce(tx, "provider", row.provider_id)
        conflicts = _collisions(tx, row, now)
        marks = {"etag": etag[:300], "last_modified": last_modified[:100], "events": len(events), "taken_at": now}
        _next(tx, row, now, now + EVERY, state="ok", error="", failures=0, conflicts=conflicts, **marks)
    return {"events": len(events), "days": sum((b - a).days + 1 for a, b, _ in stretches), "conflicts": len(conflicts)}


def broken(engine: Engine, feed_id: str, why: str) -> None:
    """It could not be fetched or read: the days stay as they were last, and the provider is told once until it works again."""
    now = engine.clock()
    with engine.db.write() as tx:
        row = tx.execute(select(calendar_feed).where(calendar_feed.c.id == feed_id).with_for_update()).one_or_none()
        if row is None:
            return
        failures = row.failures + 1
        wait = min(LONGEST_WAIT, EVERY * 2 ** min(failures - 1, 8))
        _next(tx, row, now, now + wait, state="failing", error=why[:300], failures=failures, etag="", last_modified="")
        since = (row.taken_at or row.created_at).isoformat()
        facts = {"calendar": row.name, "resource": _name(tx, row.resource_id), "why": why[:300], "since": since}
        owner = tx.execute(select(provider).where(provider.c.id == row.provider_id)).one()
        notices.tell_provider(tx, owner, "calendar_broken", facts, now, key=f"calendar:{feed_id}:{since}")


def sweep(engine: Engine) -> int:
    """Ask for every calendar that is due and has no job waiting; returns how many are due."""
    now = engine.clock()
    with engine.db.read() as tx:
        due = tx.execute(select(calendar_feed.c.id).where(calendar_feed.c.next_at < now - timedelta(minutes=5)).limit(200)).scalars().all()
    if due:
        with engine.db.write() as tx:
            for feed_id in due:
                jobs.enqueue(tx, JOB, {"feed_id": feed_id}, run_at=now, now=now, dedupe=f"{JOB}:{feed_id}")
    return len(due)


def _next(tx: Connection, row: Row[Any], now: datetime, at: datetime, **values: Any) -> None:
    tx.execute(update(calendar_feed).where(calendar_feed.c.id == row.id).values(checked_at=now, next_at=at, **values))
    jobs.enqueue(tx, JOB, {"feed_id": row.id}, run_at=at, now=now, dedupe=f"{JOB}:{row.id}")
    announce(tx, "provider", row.provider_id)


def _name(tx: Connection, resource_id: str) -> str:
    return str(tx.execute(select(resource.c.name).where(resource.c.id == resource_id)).scalar_one())


def _json(stretches: Sequence[Sequence[Any]]) -> list[list[str]]:
    """As the audit log keeps them, two hundred at most."""
    return [[a.isoformat(), b.isoformat(), at] for a, b, at in stretches[:200]]


def _collisions(tx: Connection, row: Row[Any], now: datetime) -> list[dict[str, Any]]:
    """Bookings of ours on what this calendar closes, from today on; a new one is told to the provider."""
    closed = tx.execute(select(exception).where(exception.c.source == f"{FEED}{row.id}")).all()
    taken = tx.execute(
        select(slot).where(slot.c.resource_id == row.resource_id, slot.c.local_date >= now.date() - DAY, slot.c.held + slot.c.booked > 0)
    ).all()
    keys = [
        (one.resource_id, one.local_date, one.local_start)
        for one in taken
        if any(c.from_date <= one.local_date <= c.to_date and c.local_start in ("", one.local_start) for c in closed)
    ]
    found: dict[str, dict[str, Any]] = {}
    for key, takers in slots.takers(tx, sorted(keys)).items():
        for taker in takers:
            found.setdefault(taker.id, schedules.concerned(taker, key[1]))
    told = {one["booking_id"] for one in row.conflicts}
    if fresh := [one for id, one in found.items() if id not in told]:
        owner = tx.execute(select(provider).where(provider.c.id == row.provider_id)).one()
        for one in fresh:
            facts = {**one, "calendar": row.name}
            notices.tell_provider(tx, owner, "calendar_conflict", facts, now, key=f"conflict:{row.id}:{one['booking_id']}")
    return list(found.values())


# ── whole days, nights and starts ─────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Shape:
    """How a resource divides its time: `labels` are (start, minutes); "" stands for the whole day, or for the night where `nights`."""

    zone: ZoneInfo
    nights: bool
    labels: tuple[tuple[str, int], ...]


def shape_of(tx: Connection, resource_id: str) -> Shape:
    rows = tx.execute(
        select(option.c.starts, product.c.kind, product.c.duration_minutes, product.c.time_zone)
        .join(product, product.c.id == option.c.product_id)
        .where(option.c.resource_id == resource_id)
        .order_by(option.c.id)
    ).all()
    minutes: dict[str, int] = {}
    for row in rows:
        for start in row.starts:
            occupied = start.get("occupies") or [start["at"]]
            for label in occupied:
                length = (row.duration_minutes or USUAL * len(occupied)) // len(occupied)
                minutes[label] = max(minutes.get(label, 0), length)
        if not row.starts:
            minutes[""] = 0
    zone = rows[0].time_zone if rows else _zone_of(tx, resource_id)
    return Shape(ZoneInfo(zone), any(row.kind == "stay" for row in rows), tuple(sorted(minutes.items())) or (("", 0),))


def _zone_of(tx: Connection, resource_id: str) -> str:
    query = select(provider.c.time_zone).join(resource, resource.c.provider_id == provider.c.id).where(resource.c.id == resource_id)
    return str(tx.execute(query).scalar_one())


def closings(events: Iterable[Busy], shape: Shape, first: date, last: date) -> list[tuple[date, date, str]]:
    """(from, to, start) of what these events close, both days included, in order and as long as they go on."""
    days: dict[str, set[date]] = defaultdict(set)
    for one in events:
        for day in _days_of(one, shape.zone, first, last):
            if one.all_day:
                days[""].add(day)
                continue
            for label, minutes in shape.labels:
                if _meets(one, shape, day, label, minutes):
                    days[label].add(day)
    found: list[tuple[date, date, str]] = []
    for label, closed in days.items():
        for day in sorted(closed):
            if found and found[-1][2] == label and found[-1][1] == day - DAY:
                found[-1] = (found[-1][0], day, label)
            else:
                found.append((day, day, label))
    return sorted(found)


def _days_of(one: Busy, zone: ZoneInfo, first: date, last: date) -> list[date]:
    """The days an event may touch: for a time in the small hours also the night that began the day before."""
    if isinstance(one.start, datetime) and isinstance(one.end, datetime):
        begins, ends = one.start.astimezone(zone).date() - DAY, one.end.astimezone(zone).date()
    else:
        begins, ends = one.start, one.end - DAY
    begins, ends = max(begins, first), min(ends, last)
    return [begins + timedelta(days=i) for i in range((ends - begins).days + 1)]


def _meets(one: Busy, shape: Shape, day: date, label: str, minutes: int) -> bool:
    if label:
        starts = datetime.combine(day, time.fromisoformat(label), shape.zone).astimezone(UTC)
        ends = starts + timedelta(minutes=minutes)
    elif shape.nights:
        starts, ends = (datetime.combine(*at, shape.zone).astimezone(UTC) for at in ((day, CHECK_IN), (day + DAY, CHECK_OUT)))
    else:
        starts, ends = (datetime.combine(at, time(), shape.zone).astimezone(UTC) for at in (day, day + DAY))
    return isinstance(one.start, datetime) and isinstance(one.end, datetime) and one.start < ends and one.end > starts


# ── letting others read ours ──────────────────────────────────────────────────────────────────────


def share(engine: Engine, actor: Actor, product_id: str, *, name: str = "", option_id: str | None = None, only_option: bool = False) -> str:
    """Make an address under which another site reads what is taken here; returns its token. Raises NotFound, Refused.

    It shows everything that uses the option's resource, or only what is sold of this option.
    """
    now = engine.clock()
    with engine.db.write() as tx:
        about = _resource(tx, actor, product_id, option_id)
        chosen = listing(tx, product_id).option(option_id).id if only_option else None
        live = select(func.count()).where(calendar_link.c.resource_id == about.id, calendar_link.c.revoked_at.is_(None))
        if tx.execute(live).scalar_one() >= MOST:
            raise Refused(f"There are {MOST} addresses already. Take one back first.")
        token = secrets.token_urlsafe(24)
        called = " ".join(plain(name).split())[:80] or "Calendar address"
        values = {"provider_id": about.provider_id, "resource_id": about.id, "option_id": chosen, "name": called}
        tx.execute(insert(calendar_link).values(token=token, **values, created_by=actor.account_id, created_at=now))
        audit.record(tx, actor, "share_calendar", about.key, {"before": None, "after": {"name": called}}, now)
        announce(tx, "provider", about.provider_id)
    return token


def revoke(engine: Engine, actor: Actor, token: str) -> None:
    """Take an address back: whoever reads it finds nothing from now on. Raises NotFound."""
    now = engine.clock()
    with engine.db.write() as tx:
        row = tx.execute(select(calendar_link).where(calendar_link.c.token == token, calendar_link.c.revoked_at.is_(None))).one_or_none()
        if row is None or not schedules.may(actor, row.provider_id):
            raise NotFound("There is no such calendar address.")
        tx.execute(update(calendar_link).where(calendar_link.c.token == token).values(revoked_at=now))
        audit.record(tx, actor, "revoke_calendar", f"resource:{row.resource_id}", {"before": {"name": row.name}, "after": None}, now)
        announce(tx, "provider", row.provider_id)


def of_resource(engine: Engine, actor: Actor, resource_id: str) -> dict[str, Any]:
    """{"feeds": rows, "links": rows that still open} of a resource. Raises NotFound."""
    with engine.db.read() as tx:
        schedules.subject(tx, actor, "RESOURCE", resource_id)
        feeds = tx.execute(
            select(calendar_feed).where(calendar_feed.c.resource_id == resource_id).order_by(calendar_feed.c.created_at)
        ).all()
        links = tx.execute(
            select(calendar_link)
            .where(calendar_link.c.resource_id == resource_id, calendar_link.c.revoked_at.is_(None))
            .order_by(calendar_link.c.created_at)
        ).all()
        return {"feeds": feeds, "links": links}


def own_mark(tx: Connection, provider_id: str) -> str:
    """How the UIDs of our events of this provider end, so that they are known again when another calendar brings them back."""
    made = tx.execute(select(provider.c.created_at).where(provider.c.id == provider_id)).scalar_one()
    return f"@{hashlib.sha256(f'{provider_id} {made.isoformat()}'.encode()).hexdigest()[:20]}.traveloure"


def export(engine: Engine, token: str) -> bytes:
    """The calendar behind an address. The same days give the same bytes. Raises NotFound for one that was never given or taken back.

    A booking shows what and for how many, nobody's name. Where there is more than one place a booking does not make its time busy;
    a slot that is full does.
    """
    now = engine.clock()
    with engine.db.read() as tx:
        link = tx.execute(select(calendar_link).where(calendar_link.c.token == token, calendar_link.c.revoked_at.is_(None))).one_or_none()
        if link is None:
            raise NotFound("There is no calendar at this address.")
        shape, mark = shape_of(tx, link.resource_id), own_mark(tx, link.provider_id)
        today = now.astimezone(shape.zone).date()
        entries = [*_booked(tx, link, shape, mark, today, now), *_blocked(tx, link, shape, mark, today)]
        name = _name(tx, link.resource_id)
    entries.sort(key=lambda one: (str(one.start)[:10], one.uid))
    return ical.write(name, entries, today - SHOWN_BACK, today + timedelta(days=engine.rules.max_days_ahead))


def _booked(tx: Connection, link: Any, shape: Shape, mark: str, today: date, now: datetime) -> list[Entry]:
    changed = (
        select(booking_event.c.booking_id, func.max(booking_event.c.at).label("at"))
        .group_by(booking_event.c.booking_id)
        .subquery("changed")
    )
    query = (
        select(
            booking,
            hold.c.local_date.label("day"),
            hold.c.local_start.label("label"),
            hold.c.status.label("hold_status"),
            slot.c.capacity,
            (slot.c.held + slot.c.booked).label("taken"),
            product.c.duration_minutes,
            func.coalesce(changed.c.at, booking.c.created_at).label("changed_at"),
        )
        .join(booking, booking.c.id == hold.c.booking_id)
        .join(product, product.c.id == booking.c.product_id)
        .join(
            slot,
            tuple_(slot.c.resource_id, slot.c.local_date, slot.c.local_start)
            == tuple_(hold.c.resource_id, hold.c.local_date, hold.c.local_start),
        )
        .outerjoin(changed, changed.c.booking_id == booking.c.id)
        .where(
            hold.c.resource_id == link.resource_id,
            hold.c.local_date >= today - SHOWN_BACK,
            or_(hold.c.status == "consumed", (hold.c.status == "active") & (hold.c.expires_at > now)),
        )
        .order_by(booking.c.id, hold.c.local_date, hold.c.local_start)
    )
    if link.option_id is not None:
        query = query.where(booking.c.option_id == link.option_id)
    found: dict[str, Entry] = {}
    full: dict[tuple[date, str], datetime] = {}
    for row in tx.execute(query):
        if row.capacity > 1 and row.taken >= row.capacity:
            key = (row.day, row.label)
            full[key] = max(full.get(key, row.changed_at), row.changed_at)
        if row.id not in found:
            start, end = _when(row)
            people = sum(row.units.values())
            found[row.id] = Entry(
                uid=f"{row.id}{mark}",
                start=start,
                end=end,
                stamp=row.changed_at,
                summary=f"Booked: {row.title} ({people} {'person' if people == 1 else 'people'})",
                sequence=row.version,
                tentative=row.hold_status == "active",
                opaque=row.capacity == 1,
            )
    lengths = dict(shape.labels)
    return [
        *found.values(),
        *(
            Entry(
                f"full-{link.resource_id}-{day}-{at.replace(':', '')}{mark}", *_slot_time(shape, day, day, at, lengths), stamp, "Sold out"
            )
            for (day, at), stamp in full.items()
        ),
    ]


def _when(row: Any) -> tuple[date | datetime, date | datetime]:
    if not row.local_start:
        return row.local_date, row.end_date or row.local_date + DAY
    start = datetime.combine(row.local_date, time.fromisoformat(row.local_start), ZoneInfo(row.time_zone))
    ends = (start.astimezone(UTC) + timedelta(minutes=row.duration_minutes or USUAL)).astimezone(ZoneInfo(row.time_zone))
    return start, ends


def _slot_time(shape: Shape, first: date, last: date, at: str, lengths: dict[str, int]) -> tuple[date | datetime, date | datetime]:
    if not at:
        return first, last + DAY
    start = datetime.combine(first, time.fromisoformat(at), shape.zone)
    return start, (start.astimezone(UTC) + timedelta(minutes=lengths.get(at) or USUAL)).astimezone(shape.zone)


def _blocked(tx: Connection, link: Any, shape: Shape, mark: str, today: date) -> list[Entry]:
    """Days closed by hand or by a catalogue file; what another calendar closed is that calendar's to tell."""
    used = select(option.c.product_id).where(option.c.resource_id == link.resource_id).distinct()
    if link.option_id is not None:
        used = used.where(option.c.id == link.option_id)
    products = tx.execute(used).scalars().all()
    scopes = [("RESOURCE", link.resource_id), ("PROVIDER", link.provider_id)]
    if len(products) == 1:  # with several, a block of one leaves the resource to the others
        scopes.append(("PRODUCT", products[0]))
    rows = tx.execute(
        select(exception).where(
            exception.c.closed,
            exception.c.to_date >= today,
            ~exception.c.source.startswith(FEED, autoescape=True),
            tuple_(exception.c.scope, exception.c.scope_id).in_(scopes),
        )
    ).all()
    lengths, found = dict(shape.labels), []
    for row in rows:
        if not row.local_start:
            found.append(Entry(f"block-{row.id}{mark}", row.from_date, row.to_date + DAY, link.created_at, "Blocked"))
            continue
        for i in range((row.to_date - row.from_date).days + 1):
            day = row.from_date + timedelta(days=i)
            times = _slot_time(shape, day, day, row.local_start, lengths)
            found.append(Entry(f"block-{row.id}-{day}{mark}", *times, link.created_at, "Blocked"))
    return found
