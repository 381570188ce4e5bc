"""Taking places so that none is ever sold twice: counters on the slot, decided by the database in one step.

PostgreSQL decides a whole cart in one statement (sorted locks, all or nothing). SQLite has one writer, so sorted
conditional updates in one transaction do the same. Holds are never counted behind a lock: in one statement that
reads a snapshot from before the wait, and it sold 149 of 100.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Date, Integer, and_, bindparam, case, insert, select, text, tuple_, update

from core.availability import Want
from core.db import upsert
from core.errors import Busy, SoldOut
from core.schema import hold, option, resource, slot
from core.types import Moment

TAKE = text(
    """
    WITH line AS (
      SELECT b, r, d, s, q, c
      FROM unnest(CAST(:b AS text[]), CAST(:r AS text[]), CAST(:d AS date[]), CAST(:s AS text[]), CAST(:q AS int[]), CAST(:c AS int[]))
        AS x(b, r, d, s, q, c)),
    want AS (
      SELECT r AS resource_id, d AS local_date, s AS local_start, sum(q) AS qty, min(c) AS most FROM line GROUP BY 1, 2, 3),
    l AS (
      SELECT slot.resource_id, slot.local_date, slot.local_start, slot.capacity, slot.held, slot.booked, slot.closed
      FROM slot JOIN want USING (resource_id, local_date, local_start)
      ORDER BY slot.resource_id COLLATE "C", 2, slot.local_start COLLATE "C" FOR UPDATE OF slot),
    ok AS (
      SELECT (SELECT count(*) FROM l JOIN want USING (resource_id, local_date, local_start)
              WHERE NOT l.closed AND l.held + l.booked + want.qty <= least(l.capacity, want.most)) = (SELECT count(*) FROM want) AS ok),
    u AS (
      UPDATE slot SET held = l.held + want.qty, booked = l.booked, capacity = l.capacity
      FROM want JOIN l USING (resource_id, local_date, local_start), ok
      WHERE ok.ok AND slot.resource_id = want.resource_id AND slot.local_date = want.local_date
        AND slot.local_start = want.local_start
      RETURNING 1),
    h AS (
      INSERT INTO hold (booking_id, resource_id, local_date, local_start, quantity, status, expires_at)
      SELECT b, r, d, s, q, 'active', :until FROM line, ok WHERE ok.ok
      RETURNING 1)
    SELECT count(*) FROM h
    """
).bindparams(bindparam("until", type_=Moment))


TAKE_ONE = text(
    """
    WITH u AS (
      UPDATE slot SET held = held + :q
      WHERE resource_id = :r AND local_date = :d AND local_start = :s AND NOT closed AND held + booked + :q <= least(capacity, :c)
      RETURNING 1)
    INSERT INTO hold (booking_id, resource_id, local_date, local_start, quantity, status, expires_at)
    SELECT :b, :r, :d, :s, :q, 'active', :until FROM u RETURNING id
    """
).bindparams(bindparam("until", type_=Moment), bindparam("d", type_=Date), bindparam("q", type_=Integer), bindparam("c", type_=Integer))
"""The same for one slot, which is shorter by half: the lock on a hot row is held for less."""


_FREE = (
    "resource_id = :r AND local_date = :d AND local_start = :s AND NOT closed "
    "AND held + booked + :q <= capacity AND held + booked + :q <= :c"
)
FITS = text(f"SELECT 1 FROM slot WHERE {_FREE}").bindparams(bindparam("d", type_=Date))  # noqa: S608
COUNT_UP = text(f"UPDATE slot SET held = held + :q WHERE {_FREE}").bindparams(bindparam("d", type_=Date))  # noqa: S608
HOLD = insert(hold)


def stand_still(tx: Connection, option_ids: Iterable[str]) -> None:
    """Before reading what is on sale in a transaction that will take places: nobody closes or cuts these options until it ends.

    Two takers do not wait for each other, only for a provider's change (`slots.lock`), and it for them. Always resources
    first, then slots, so that none of them can deadlock. SQLite has one writer, which does the same.
    """
    if tx.dialect.name == "postgresql":
        used = select(option.c.resource_id).where(option.c.id.in_(list(option_ids)))
        tx.execute(select(resource.c.id).where(resource.c.id.in_(used)).order_by(resource.c.id).with_for_update(read=True)).all()


def take(tx: Connection, lines: Mapping[str, Sequence[Want]], *, expires_at: datetime, now: datetime) -> None:
    """Hold the places of every line (booking id -> wants), or of none. Raises SoldOut naming a line that failed.

    Sold out is only said after the expired holds of those very slots were given back once. A want carries what the
    catalogue allows today, which may be less than the slot was opened with.
    """
    wanted = _sum(want for line in lines.values() for want in line)
    if not wanted:
        return
    if tx.dialect.name == "postgresql":
        _ensure_rows(tx, wanted)  # before the first lock: a row made later would be locked out of order
    elif take_at_once(tx, lines, expires_at):
        return
    else:
        _ensure_rows(tx, wanted)
    if not take_at_once(tx, lines, expires_at):
        reclaim(tx, wanted, now)
        if not take_at_once(tx, lines, expires_at):
            raise SoldOut("Some of these places have just gone.", bookings=_short(tx, lines))


def take_at_once(tx: Connection, lines: Mapping[str, Sequence[Want]], expires_at: datetime) -> bool:
    """The hold itself, of all lines or of none, in slots that are there already; False where a place is missing.

    One statement on PostgreSQL, so it may also run by itself in `Database.autocommit`.
    """
    rows = [(booking_id, want) for booking_id, line in lines.items() for want in line]
    if any(want.capacity == 0 for _, want in rows):
        return False
    if tx.dialect.name == "postgresql" and len(rows) == 1:
        booking_id, want = rows[0]
        one = {"b": booking_id, "r": want.resource_id, "d": want.local_date, "s": want.local_start, "q": want.quantity, "c": want.capacity}
        return tx.execute(TAKE_ONE, {**one, "until": expires_at}).first() is not None
    if tx.dialect.name == "postgresql":
        arrays = {
            "b": [booking_id for booking_id, _ in rows],
            "r": [want.resource_id for _, want in rows],
            "d": [want.local_date for _, want in rows],
            "s": [want.local_start for _, want in rows],
            "q": [want.quantity for _, want in rows],
            "c": [want.capacity for _, want in rows],
        }
        return int(tx.execute(TAKE, {**arrays, "until": expires_at}).scalar_one()) == len(rows)
    if not _count(tx, _sum(want for _, want in rows)):
        return False
    tx.execute(
        HOLD,
        [
            {
                "booking_id": booking_id,
                "resource_id": want.resource_id,
                "local_date": want.local_date,
                "local_start": want.local_start,
                "quantity": want.quantity,
                "status": "active",
                "expires_at": expires_at,
            }
            for booking_id, want in rows
        ],
    )
    return True


def _sum(lines: Iterable[Want]) -> list[Want]:
    total: dict[tuple[Any, ...], Want] = {}
    for want in lines:
        key = (want.resource_id, want.local_date, want.local_start)
        before = total.get(key)
        total[key] = Want(*key, want.quantity + (before.quantity if before else 0), want.capacity)
    return [total[key] for key in sorted(total)]


def _ensure_rows(tx: Connection, wanted: Sequence[Want]) -> None:
    rows = [
        {"resource_id": w.resource_id, "local_date": w.local_date, "local_start": w.local_start, "capacity": w.capacity} for w in wanted
    ]
    tx.execute(upsert(tx)(slot).on_conflict_do_nothing(), rows)


def _count(tx: Connection, wanted: Sequence[Want]) -> bool:
    """SQLite has one writer, so what was looked at in a transaction cannot change before it is written."""
    asked = [
        {"r": want.resource_id, "d": want.local_date, "s": want.local_start, "q": want.quantity, "c": want.capacity} for want in wanted
    ]
    if len(asked) > 1 and not all(tx.execute(FITS, one).first() for one in asked):
        return False
    return all(tx.execute(COUNT_UP, one).rowcount == 1 for one in asked)


def _is(want: Want) -> tuple[Any, ...]:
    return (slot.c.resource_id == want.resource_id, slot.c.local_date == want.local_date, slot.c.local_start == want.local_start)


def _short(tx: Connection, lines: Mapping[str, Sequence[Want]]) -> list[str]:
    """Which bookings could not get their places (looked at one by one, so two lines for the last place both show)."""
    short = []
    for booking_id, line in lines.items():
        for want in line:
            row = tx.execute(select(slot.c.capacity, slot.c.held, slot.c.booked, slot.c.closed).where(*_is(want))).one()
            if row.closed or row.held + row.booked + want.quantity > min(row.capacity, want.capacity):
                short.append(booking_id)
                break
    return short or list(lines)


def reclaim(tx: Connection, wanted: Sequence[Want], now: datetime) -> int:
    """Give back expired holds of these slots; returns how many."""
    keys = [(w.resource_id, w.local_date, w.local_start) for w in wanted]
    these = and_(
        hold.c.expires_at <= bindparam("now", now, Moment), tuple_(hold.c.resource_id, hold.c.local_date, hold.c.local_start).in_(keys)
    )
    return _end(tx, these, "expired")


def consume(tx: Connection, booking_ids: Sequence[str], now: datetime) -> bool:
    """Turn the live holds of these bookings into sold places. False where any hold was no longer alive (nothing is changed
    by the caller then: it must roll back or take the places again)."""
    owned = tx.execute(select(hold.c.id, hold.c.status, hold.c.expires_at).where(hold.c.booking_id.in_(booking_ids))).all()
    live = [row.id for row in owned if row.status == "active" and row.expires_at > now]
    stale = [row for row in owned if row.status == "expired" or (row.status == "active" and row.expires_at <= now)]
    if stale:
        return False
    if live and _end(tx, and_(hold.c.id.in_(live), hold.c.expires_at > now), "consumed") != len(live):
        raise Busy("These places were being released at the same moment.")
    return True


def settle(tx: Connection, booking_id: str, gained: Sequence[Want], now: datetime) -> bool:
    """Turn the live holds of exactly these places into sold ones; False (and nothing is changed) where they are not all alive."""
    live = tx.execute(
        select(hold).where(hold.c.booking_id == booking_id, hold.c.status == "active", hold.c.expires_at > now).with_for_update()
    ).all()
    held = {(row.resource_id, row.local_date, row.local_start): row.quantity for row in live}
    if held != {(want.resource_id, want.local_date, want.local_start): want.quantity for want in gained}:
        return False
    if _end(tx, and_(hold.c.id.in_([row.id for row in live]), hold.c.expires_at > now), "consumed") != len(live):
        raise Busy("These places were being released at the same moment.")
    return True


def shed(tx: Connection, booking_id: str, given_up: Sequence[Want]) -> None:
    """Give back some of a booking's sold places, slot by slot in order."""
    for want in sorted(given_up):
        rows = tx.execute(
            select(hold.c.id, hold.c.quantity)
            .where(
                hold.c.booking_id == booking_id,
                hold.c.status == "consumed",
                hold.c.resource_id == want.resource_id,
                hold.c.local_date == want.local_date,
                hold.c.local_start == want.local_start,
            )
            .order_by(hold.c.id)
            .with_for_update()
        ).all()
        left = want.quantity
        for row in rows:
            part = min(left, row.quantity)
            if part == row.quantity:
                tx.execute(update(hold).where(hold.c.id == row.id).values(status="released"))
            elif part:
                tx.execute(update(hold).where(hold.c.id == row.id).values(quantity=row.quantity - part))
            left -= part
        tx.execute(update(slot).where(*_is(want)).values(booked=slot.c.booked - (want.quantity - left)))


def release(tx: Connection, booking_ids: Sequence[str]) -> int:
    return _end(tx, hold.c.booking_id.in_(booking_ids), "released")


def expire(tx: Connection, booking_ids: Sequence[str], now: datetime) -> int:
    return _end(tx, and_(hold.c.booking_id.in_(booking_ids), hold.c.expires_at <= now), "expired")


def extend(tx: Connection, booking_ids: Sequence[str], until: datetime, now: datetime) -> int:
    """Keep live holds at least until then; a later deadline stays. Returns how many are alive (0: they are gone)."""
    return tx.execute(
        update(hold)
        .where(hold.c.booking_id.in_(booking_ids), hold.c.status == "active", hold.c.expires_at > now)
        .values(expires_at=case((hold.c.expires_at < until, bindparam("until", until, Moment)), else_=hold.c.expires_at))
    ).rowcount


def give_back(tx: Connection, booking_ids: Sequence[str]) -> None:
    """Return sold places after a cancellation: consumed holds become released and `booked` goes down."""
    _end(tx, hold.c.booking_id.in_(booking_ids), "released", source="consumed")


def lock_slots(tx: Connection, which: Any) -> None:
    """Lock the slots of some holds in the one order there is, before any of them is touched.

    Whoever changes a hold has its slot first, so holds need no locks of their own, and nobody can deadlock. Call it with all
    bookings a transaction is about, where it ends their holds one by one. SQLite has one writer.
    """
    if tx.dialect.name != "postgresql":
        return
    of = select(hold.c.resource_id, hold.c.local_date, hold.c.local_start).where(which)
    tx.execute(
        select(slot.c.resource_id)
        .where(tuple_(slot.c.resource_id, slot.c.local_date, slot.c.local_start).in_(of))
        .order_by(slot.c.resource_id.collate("C"), slot.c.local_date, slot.c.local_start.collate("C"))
        .with_for_update()
    ).all()


def lock_bookings(tx: Connection, booking_ids: Sequence[str]) -> None:
    """`lock_slots` for every hold of these bookings."""
    lock_slots(tx, hold.c.booking_id.in_(list(booking_ids)))


def _end(tx: Connection, which: Any, status: str, *, source: str = "active") -> int:
    lock_slots(tx, and_(hold.c.status == source, which))
    ended = tx.execute(
        update(hold)
        .where(hold.c.status == source, which)
        .values(status=status)
        .returning(hold.c.resource_id, hold.c.local_date, hold.c.local_start, hold.c.quantity)
    ).all()
    total: dict[tuple[Any, ...], int] = {}
    for row in ended:
        key = (row.resource_id, row.local_date, row.local_start)
        total[key] = total.get(key, 0) + row.quantity
    for resource_id, local_date, local_start in sorted(total):  # the same order as take(), so they cannot deadlock
        quantity = total[(resource_id, local_date, local_start)]
        values: dict[str, Any] = {"booked" if source == "consumed" else "held": _less(source, quantity)}
        if status == "consumed":
            values["booked"] = slot.c.booked + quantity
        tx.execute(
            update(slot)
            .where(slot.c.resource_id == resource_id, slot.c.local_date == local_date, slot.c.local_start == local_start)
            .values(**values)
        )
    return len(ended)


def _less(source: str, quantity: int) -> Any:
    return (slot.c.booked if source == "consumed" else slot.c.held) - quantity


def drift(tx: Connection) -> list[dict[str, Any]]:
    """Slots whose counters differ from their holds: must be empty. The verify job and the drills call it."""
    rows = tx.execute(
        text(
            """
            SELECT s.resource_id, s.local_date, s.local_start, s.held, s.booked,
                   coalesce(sum(CASE WHEN h.status = 'active' THEN h.quantity END), 0) AS held_by_holds,
                   coalesce(sum(CASE WHEN h.status = 'consumed' THEN h.quantity END), 0) AS booked_by_holds
            FROM slot s LEFT JOIN hold h
              ON h.resource_id = s.resource_id AND h.local_date = s.local_date AND h.local_start = s.local_start
            GROUP BY s.resource_id, s.local_date, s.local_start, s.held, s.booked
            HAVING s.held <> coalesce(sum(CASE WHEN h.status = 'active' THEN h.quantity END), 0)
                OR s.booked <> coalesce(sum(CASE WHEN h.status = 'consumed' THEN h.quantity END), 0)
            """
        ).columns(local_date=Date())
    )
    return [dict(row._mapping) for row in rows]
