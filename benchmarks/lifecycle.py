"""Everything at once for a while: holds taken, consumed, released, expired and given back, days cut and blocked, by many threads.

Afterwards every counter is the sum of its holds and nothing is sold twice. Bars: drift 0, oversold 0, deadlocks 0.
"""

from __future__ import annotations

import contextlib
import random
import sys
import threading
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from sqlalchemy import func, insert, select

from benchmarks.bench import arguments, close, durable, table
from benchmarks.holds import together
from core import counters, holds, schedules
from core.availability import Want
from core.db import Database
from core.engine import Actor, Engine
from core.errors import Busy, CoreError, SoldOut
from core.schema import booking, hold, slot
from tests import builders
from tests.gateway import MemoryGateway

START = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
DAY = date(2027, 3, 4)
RESOURCES, DAYS, PLACES = 3, 5, 6
TEJO = Actor("paul", role="provider", provider_ids=("tejo",))


class Clock:
    """A virtual clock that every step moves on by a second, so that holds run out while others look."""

    def __init__(self) -> None:
        self._lock, self._at = threading.Lock(), START

    def __call__(self) -> datetime:
        with self._lock:
            self._at += timedelta(milliseconds=200)
            return self._at


class Life:
    def __init__(self, db: Database, bookings: int) -> None:
        self.db, self.clock = db, Clock()
        self.engine = Engine(db=db, gateway=MemoryGateway(), clock=self.clock)
        builders.products(self.engine, *(f"r{i}" for i in range(RESOURCES)), places=PLACES)
        builders.products(self.engine, "seed", places=1000)
        builders.buy(self.engine, "seed")
        self.free = [f"b{i}" for i in range(bookings)]
        self.live: list[str] = []
        self.lock = threading.Lock()
        self.done: dict[str, int] = {}
        with db.write() as tx:
            row = dict(tx.execute(select(booking)).one()._mapping)
            made = [{**row, "id": id, "reference": f"B-{id}", "product_id": "r0", "option_id": "r0-1"} for id in self.free]
            for at in range(0, len(made), 500):
                tx.execute(insert(booking), made[at : at + 500])

    def step(self, _number: int, draw: random.Random) -> bool:
        name = draw.choices(
            ("take", "consume", "release", "expire", "give_back", "reclaim", "places", "block"), (40, 18, 10, 8, 14, 6, 3, 1)
        )[0]
        with contextlib.suppress(SoldOut):
            getattr(self, name)(draw)
            with self.lock:
                self.done[name] = self.done.get(name, 0) + 1
            return True
        return False

    def wants(self, draw: random.Random) -> list[Want]:
        """One to three lines of one to four days, in any order."""
        found = []
        for _ in range(draw.randint(1, 3)):
            resource, first = f"r{draw.randrange(RESOURCES)}", draw.randrange(DAYS)
            nights = range(first, min(DAYS, first + draw.randint(1, 4)))
            found += [Want(resource, DAY + timedelta(days=at), "", draw.randint(1, 2), PLACES) for at in nights]
        draw.shuffle(found)
        return found

    def take(self, draw: random.Random) -> None:
        with self.lock:
            if not self.free:
                return
            id = self.free.pop()
        now, wants = self.clock(), self.wants(draw)
        with self.db.write() as tx:
            holds.stand_still(tx, {f"{want.resource_id}-1" for want in wants})
            holds.take(tx, {id: wants}, expires_at=now + timedelta(seconds=draw.choice([5, 60, 600])), now=now)
        with self.lock:
            self.live.append(id)

    def pick(self, draw: random.Random) -> list[str]:
        with self.lock:
            return draw.sample(self.live, min(len(self.live), draw.randint(1, 2)))

    def consume(self, draw: random.Random) -> None:
        now = self.clock()
        with self.db.write() as tx:
            for id in self.pick(draw)[:1]:
                holds.consume(tx, [id], now)

    def release(self, draw: random.Random) -> None:
        with self.db.write() as tx:
            holds.release(tx, self.pick(draw))

    def expire(self, draw: random.Random) -> None:
        with self.db.write() as tx:
            holds.expire(tx, self.pick(draw), self.clock())

    def give_back(self, draw: random.Random) -> None:
        with self.db.write() as tx:
            holds.give_back(tx, self.pick(draw))

    def reclaim(self, draw: random.Random) -> None:
        with self.db.write() as tx:
            holds.reclaim(tx, self.wants(draw), self.clock())

    def places(self, draw: random.Random) -> None:
        day = DAY + timedelta(days=draw.randrange(DAYS))
        self._edit(lambda: schedules.set_places(self.engine, TEJO, f"r{draw.randrange(RESOURCES)}", day, day, draw.randint(2, PLACES)))

    def block(self, draw: random.Random) -> None:
        day, product = DAY + timedelta(days=draw.randrange(DAYS)), f"r{draw.randrange(RESOURCES)}"
        self._edit(lambda: schedules.block(self.engine, TEJO, "PRODUCT", product, day, day))
        self._edit(lambda: schedules.unblock(self.engine, TEJO, "PRODUCT", product, day, day))

    def _edit(self, change: object) -> None:
        try:
            change()  # type: ignore[operator]
        except Busy:
            raise
        except CoreError:
            return

    def oversold(self) -> int:
        """Slots whose holds, counted one by one, are more than there is."""
        taken = (
            select(hold.c.resource_id, hold.c.local_date, func.sum(hold.c.quantity).label("n"))
            .where(hold.c.status.in_(("active", "consumed")))
            .group_by(hold.c.resource_id, hold.c.local_date)
            .subquery()
        )
        with self.db.read() as tx:
            query = (
                select(func.count())
                .select_from(slot)
                .join(taken, (taken.c.resource_id == slot.c.resource_id) & (taken.c.local_date == slot.c.local_date))
            )
            return int(tx.execute(query.where(taken.c.n > slot.c.capacity)).scalar_one())


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--workers", type=int, default=24, help="threads at once (default: 24)")
    parser.add_argument("--seconds", type=float, default=12.0, help="how long (default: 12)")
    given = parser.parse_args()
    with durable(given.db) as (db, _server):
        life = Life(db, 20_000)
        print(f"{given.workers} threads for {given.seconds:.0f} s ...", file=sys.stderr, flush=True)
        count = together(given.workers, given.seconds, life.step)
        drift, oversold = len(counters.verify(life.engine)["drift"]), life.oversold()
    ops = sum(life.done.values())
    table(
        [*sorted(life.done.items()), ("sold out", count.refused), ("drift", drift), ("oversold", oversold), ("deadlocks", count.deadlocks)]
    )
    close(
        {
            "db": given.db,
            "ops": ops,
            "drift": drift,
            "oversold": oversold,
            "deadlocks": count.deadlocks,
            "ops_per_s": round(ops / count.seconds),
        }
    )


if __name__ == "__main__":
    main()
