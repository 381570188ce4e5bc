"""How long it takes until a person answers: estimated from how it went lately, promised to the traveler, and held against it.

The estimate is the usual handling time times the turns there are before this one, over those who can take it. What is promised is
more than that, because a promise is kept nine times in ten or it is none; with fewer than five conversations to go by, nothing
numeric is said.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from sqlalchemy import Connection, Row, select

from core import experts
from core.experts import Expert
from core.schema import handoff

SAMPLES = 40
FEWEST = 5
MARGIN = 1.7  # of the estimate
AT_LEAST = timedelta(minutes=3)
WAITING = ("queued", "unattended")
WEIGHT = {0: 0.0, 1: 0.5, 2: 1.5, 3: 3.0}  # of a priority, in the time somebody of none would have waited
TARGET = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Wait:
    """`minutes` and `at` are the promise, None where nothing numeric can be said; `opens_at` where nobody works now."""

    ahead: int
    minutes: int | None = None
    at: datetime | None = None
    opens_at: datetime | None = None


def score(row: Any, now: datetime) -> float:
    """Where somebody stands in the queue: by weight at first, and by waiting, so that nobody waits for ever."""
    return WEIGHT.get(row.priority, 3.0) + float((now - row.queued_at) / TARGET)


def in_order(rows: Sequence[Any], now: datetime) -> list[Any]:
    return sorted(rows, key=lambda row: (-score(row, now), row.queued_at, row.id))


def queued(tx: Connection) -> Sequence[Row[Any]]:
    return tx.execute(select(handoff).where(handoff.c.status.in_(WAITING))).all()


def expect(tx: Connection, mine: Any, now: datetime) -> Wait:
    """What can be told to the traveler of this handoff, as things are."""
    staff = experts.on_duty(tx, now)
    able = [one for one in staff if one.speaks(mine.language)] or staff
    rows = in_order(queued(tx), now)
    before = rows[: next((at for at, row in enumerate(rows) if row.id == mine.id), len(rows))]
    ahead = [row for row in before if not able or any(one.speaks(row.language) for one in able)]
    if not able:
        opening = experts.next_opening(tx, now)
        return Wait(len(ahead), opens_at=opening if opening is not None and opening > now else None)
    estimate = _estimate(tx, able, len(ahead))
    if estimate is None:
        return Wait(len(ahead))
    minutes = math.ceil(max(AT_LEAST, estimate * MARGIN + AT_LEAST / 3) / timedelta(minutes=1))
    return Wait(len(ahead), minutes, now + timedelta(minutes=minutes))


def _estimate(tx: Connection, able: Sequence[Expert], ahead: int) -> timedelta | None:
    """Until the first words of a person: the turns before this one, and then what the first words usually take."""
    rows = tx.execute(
        select(handoff.c.claimed_at, handoff.c.closed_at, handoff.c.first_human_message_at)
        .where(handoff.c.status == "closed", handoff.c.first_human_message_at.is_not(None))
        .order_by(handoff.c.closed_at.desc())
        .limit(SAMPLES)
    ).all()
    if len(rows) < FEWEST:
        return None
    handling: timedelta = median([row.closed_at - row.claimed_at for row in rows])
    first_words: timedelta = median([max(timedelta(0), row.first_human_message_at - row.claimed_at) for row in rows])
    free, places = sum(one.free for one in able), sum(one.capacity for one in able)
    turns = max(0, ahead + 1 - free)
    return first_words + handling * turns / max(1, places)


def kept(row: Any) -> bool | None:
    """Whether the promise of a handoff was kept; None where there was none, or the traveler left before it was due."""
    if row.promise_at is None:
        return None
    if row.first_human_message_at is not None:
        return bool(row.first_human_message_at <= row.promise_at)
    return False if row.closed_at is None or row.closed_at > row.promise_at else None
