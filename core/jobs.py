"""Work for later: rows enqueued in the business transaction, claimed under a lease, run at least once.

A job is a wake-up; the truth is the deadline in its own column, so a lost or doubled job can do no harm.
Handlers are idempotent. A job that keeps failing ends as `dead`, with its last error, for a person to look at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, text, update

from core.db import announce, upsert
from core.schema import job
from core.types import Moment

LEASE = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Job:
    id: int
    kind: str
    payload: dict[str, Any]
    attempts: int
    max_attempts: int


def enqueue(tx: Connection, kind: str, payload: dict[str, Any], *, run_at: datetime, now: datetime, dedupe: str | None = None) -> None:
    """Add a job unless the same one (by `dedupe`) is already waiting; a running one does not count."""
    values = {"kind": kind, "payload": payload, "state": "ready", "run_at": run_at, "created_at": now, "dedupe_key": dedupe}
    if dedupe is None:
        tx.execute(insert(job).values(**values))
    else:
        statement = upsert(tx)(job).values(**values)
        tx.execute(
            statement.on_conflict_do_update(
                index_elements=["dedupe_key"],
                index_where=text("state = 'ready'"),
                set_={"run_at": statement.excluded.run_at},
                where=job.c.run_at > statement.excluded.run_at,
            )
        )
    announce(tx, "job", kind)


def claim(tx: Connection, kinds: Sequence[str], now: datetime, *, limit: int = 20) -> list[Job]:
    """Take up to `limit` due jobs under a lease of a minute; another worker cannot take the same ones."""
    due = (
        select(job.c.id)
        .where(job.c.state == "ready", job.c.kind.in_(kinds), job.c.run_at <= bindparam("now", now, Moment))
        .order_by(job.c.run_at, job.c.id)
        .limit(limit)
    )
    if tx.dialect.name == "postgresql":
        due = due.with_for_update(skip_locked=True)
    rows = tx.execute(
        update(job)
        .where(job.c.id.in_(due))
        .values(state="running", attempts=job.c.attempts + 1, locked_until=now + LEASE)
        .returning(job.c.id, job.c.kind, job.c.payload, job.c.attempts, job.c.max_attempts)
    ).all()
    return [Job(*row) for row in sorted(rows)]


def finish(tx: Connection, job_id: int) -> None:
    tx.execute(delete(job).where(job.c.id == job_id))


def fail(tx: Connection, failed: Job, error: str, now: datetime, *, again_in: timedelta | None = None) -> None:
    """Back off (2, 4, 8 ... s, at most 10 min; or `again_in`) or give up as `dead`."""
    if failed.attempts >= failed.max_attempts:
        tx.execute(update(job).where(job.c.id == failed.id).values(state="dead", error=error[:1000], locked_until=None))
        return
    wait = timedelta(seconds=min(600, 2**failed.attempts)) if again_in is None else again_in
    row = tx.execute(select(job.c.dedupe_key).where(job.c.id == failed.id)).one_or_none()
    if row is not None and row.dedupe_key is not None:
        twin = tx.execute(select(job.c.id).where(job.c.dedupe_key == row.dedupe_key, job.c.state == "ready")).first()
        if twin is not None:  # the same wake-up is already waiting; two ready rows may not share a key
            tx.execute(delete(job).where(job.c.id == failed.id))
            return
    tx.execute(update(job).where(job.c.id == failed.id).values(state="ready", run_at=now + wait, error=error[:1000], locked_until=None))


def rescue(tx: Connection, now: datetime) -> int:
    """Give back jobs whose worker died; returns how many."""
    rows = tx.execute(select(job).where(job.c.state == "running", job.c.locked_until < bindparam("now", now, Moment))).all()
    for row in rows:
        fail(
            tx,
            Job(row.id, row.kind, row.payload, row.attempts, row.max_attempts),
            "the worker stopped in the middle",
            now,
            again_in=timedelta(0),
        )
    return len(rows)


def next_due(tx: Connection, kinds: Sequence[str]) -> datetime | None:
    row = tx.execute(select(job.c.run_at).where(job.c.state == "ready", job.c.kind.in_(kinds)).order_by(job.c.run_at).limit(1)).first()
    return None if row is None else row.run_at


def reclaim(tx: Connection, now: datetime) -> int:
    """Give back everything that is under a lease: only for the one worker of a database, which has just started."""
    tx.execute(update(job).where(job.c.state == "running").values(locked_until=now - LEASE))
    return rescue(tx, now)


def dead(tx: Connection, *, limit: int = 50) -> Sequence[Any]:
    """Jobs that were given up, the newest first, for a person to look at."""
    return tx.execute(select(job).where(job.c.state == "dead").order_by(job.c.id.desc()).limit(limit)).all()


def retry(tx: Connection, job_id: int, now: datetime) -> bool:
    """Try a job that was given up once more, from the start; False where there is no such one, or the same one waits already."""
    row = tx.execute(select(job).where(job.c.id == job_id, job.c.state == "dead").with_for_update()).one_or_none()
    if row is None:
        return False
    if row.dedupe_key is not None:
        twin = tx.execute(select(job.c.id).where(job.c.dedupe_key == row.dedupe_key, job.c.state == "ready")).first()
        if twin is not None:
            tx.execute(delete(job).where(job.c.id == job_id))
            return False
    tx.execute(update(job).where(job.c.id == job_id).values(state="ready", attempts=0, run_at=now, locked_until=None))
    announce(tx, "job", row.kind)
    return True
