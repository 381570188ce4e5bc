"""Whether the counters of the slots are the sum of their holds, and bringing them back where they are not.

`held` is the sum of the active holds and `booked` that of the consumed ones, always and in every transaction. Should a
restored backup or a hand in the database have broken that, places are sold twice or not at all; this finds and mends it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, func, select, tuple_, update

from core import audit, holds, jobs
from core.availability import SlotKey
from core.engine import SYSTEM, Engine
from core.schema import hold, job, slot

JOB = "slots.verify"
EVERY = timedelta(hours=6)
SUBJECT = "slots"


def verify(engine: Engine, *, repair: bool = False) -> dict[str, Any]:
    """Compare every slot with its holds; with `repair` set the counters that differ, each under its lock.

    Where the holds alone are more than the capacity, the bookings stand: the capacity is raised to what is taken, so that
    nothing more is sold, and the slot is listed under "oversold" for a person to look at. Returns {"slots", "drift": [...],
    "repaired", "oversold": [...]}; each entry has resource, date, start, held, booked and what the holds say. Audited.
    """
    now = engine.clock()
    with engine.db.read() as tx:
        count = tx.execute(select(func.count()).select_from(slot)).scalar_one()
        found = holds.drift(tx)
    oversold: list[dict[str, Any]] = []
    repaired = 0
    if found and repair:
        with engine.db.write() as tx:
            keys = sorted((row["resource_id"], row["local_date"], row["local_start"]) for row in found)
            for key in keys:
                change = _mend(tx, key)
                repaired += change is not None
                if change is not None and change["oversold"]:
                    oversold.append(change)
    drift = [_shown(row) for row in found]
    with engine.db.write() as tx:
        detail = {"slots": count, "drift": len(found), "repaired": repaired, "oversold": len(oversold), "first": drift[:20]}
        audit.record(tx, SYSTEM, "verify_slots", SUBJECT, detail, now)
    return {"slots": count, "drift": drift, "repaired": repaired, "oversold": oversold}


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "resource": row["resource_id"],
        "date": str(row["local_date"]),
        "start": row["local_start"],
        "held": row["held"],
        "booked": row["booked"],
        "held_by_holds": int(row["held_by_holds"]),
        "booked_by_holds": int(row["booked_by_holds"]),
    }


def _mend(tx: Connection, key: SlotKey) -> dict[str, Any] | None:
    """Count again under the slot's lock, because a hold may have come or gone since; None where nothing differs any more."""
    this = tuple_(slot.c.resource_id, slot.c.local_date, slot.c.local_start).in_([key])
    row = tx.execute(select(slot).where(this).with_for_update()).one()
    sums = {
        status: int(quantity)
        for status, quantity in tx.execute(
            select(hold.c.status, func.sum(hold.c.quantity))
            .where(tuple_(hold.c.resource_id, hold.c.local_date, hold.c.local_start).in_([key]))
            .group_by(hold.c.status)
        )
    }
    held, booked = sums.get("active", 0), sums.get("consumed", 0)
    if (row.held, row.booked) == (held, booked):
        return None
    tx.execute(update(slot).where(this).values(held=held, booked=booked, capacity=max(row.capacity, held + booked)))
    return {
        "resource": key[0],
        "date": key[1].isoformat(),
        "start": key[2],
        "taken": held + booked,
        "capacity": row.capacity,
        "oversold": held + booked > row.capacity,
    }


def run(engine: Engine) -> None:
    """The periodic check: mends, and asks for the next one."""
    verify(engine, repair=True)
    _ask(engine, EVERY)


def wake(engine: Engine) -> bool:
    """Start the rounds where no check is waiting or running; True where it did."""
    with engine.db.read() as tx:
        if tx.execute(select(job.c.id).where(job.c.state.in_(("ready", "running")), job.c.kind == JOB).limit(1)).first() is not None:
            return False
    _ask(engine, timedelta(0))
    return True


def _ask(engine: Engine, ahead: timedelta) -> None:
    now = engine.clock()
    with engine.db.write() as tx:
        jobs.enqueue(tx, JOB, {}, run_at=now + ahead, now=now, dedupe=JOB)


def last(tx: Connection) -> dict[str, Any] | None:
    """What the last check found: {"at", "slots", "drift", "repaired", "oversold", "first"}; None where there was none."""
    rows: Sequence[Any] = audit.of(tx, SUBJECT, limit=1)
    return {"at": rows[0].at, **rows[0].detail} if rows else None
