"""How fast places are held and that none is held twice: one hot slot, 2,000 slots, carts of three lines in any order, stays.

The control reads the sum of the holds and inserts one, as one would write it without a counter: it must oversell, or this
measures nothing. On PostgreSQL the bare hold is one statement; its ratio is to pgbench's update of one row, run just before and
just after on the same server. Bars: oversold 0 and deadlocks 0; PostgreSQL a ratio of 0.7; SQLite 400 durable holds/s with 50
threads and p99 below 300 ms.
"""

from __future__ import annotations

import random
import re
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import mean
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from sqlalchemy import Connection, func, insert, select, text

from benchmarks.bench import arguments, close, durable, percentile, table
from core import bookings, holds
from core.availability import Want
from core.db import Database
from core.engine import Engine
from core.errors import Busy, SoldOut
from core.schema import booking, hold, slot
from tests import builders
from tests.gateway import MemoryGateway
from tests.postgres import Postgres

NOW = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
UNTIL = NOW + timedelta(minutes=15)
DAY = date(2027, 3, 4)
LOTS = 1_000_000
SPREAD = 2_000


@dataclass
class Count:
    done: int = 0
    refused: int = 0
    deadlocks: int = 0
    took: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def per_s(self) -> float:
        return self.done / self.seconds if self.seconds else 0.0

    @property
    def p99_ms(self) -> float:
        return percentile(self.took, 0.99) * 1000


def together(workers: int, seconds: float, act: Callable[[int, random.Random], bool], *, until_refused: bool = False) -> Count:
    """`workers` threads call `act` until the time is over (or everybody was refused once); False is a refusal, Busy from the database a deadlock."""
    gate = threading.Barrier(workers + 1)
    found = Count()
    lock = threading.Lock()

    def work(number: int) -> None:
        draw = random.Random(number)
        mine = Count()
        gate.wait()
        ends = time.perf_counter() + seconds
        while time.perf_counter() < ends:
            began = time.perf_counter()
            try:
                held = act(number, draw)
            except Busy as error:
                if error.__cause__ is not None:  # the database gave up on a wait; else somebody was a moment earlier
                    mine.deadlocks += 1
                mine.refused += 1
                continue
            mine.took.append(time.perf_counter() - began)
            mine.done += held
            mine.refused += not held
            if until_refused and not held:
                break
        with lock:
            found.done += mine.done
            found.refused += mine.refused
            found.deadlocks += mine.deadlocks
            found.took += mine.took

    with ThreadPoolExecutor(workers) as pool:
        jobs = [pool.submit(work, number) for number in range(workers)]
        gate.wait()
        began = time.perf_counter()
        for job in jobs:
            job.result()
        found.seconds = time.perf_counter() - began
    return found


class Bench:
    """A database with one provider, and one booking a worker that all its holds hang on."""

    def __init__(self, db: Database, workers: int, seconds: float) -> None:
        self.db, self.workers, self.seconds = db, workers, seconds
        self.engine = Engine(db=db, gateway=MemoryGateway(), clock=lambda: NOW)
        builders.products(self.engine, "hot", "stay", "sellout", "control", *(f"s{i}" for i in range(20)), places=LOTS)
        self.bookings = self._bookings()
        self.open, self.kept = ExitStack(), dict[int, Connection]()
        rows = [{"resource_id": "hot", "local_date": DAY, "local_start": "", "capacity": LOTS}]
        rows += [{**rows[0], "resource_id": f"s{i % 20}", "local_date": DAY + timedelta(days=i // 20)} for i in range(SPREAD)]
        rows += [{**rows[0], "resource_id": "stay", "local_date": DAY + timedelta(days=i)} for i in range(60)]
        rows += [{**rows[0], "resource_id": one, "capacity": 100} for one in ("sellout", "control")]
        with db.write() as tx:
            tx.execute(insert(slot), rows)

    def _bookings(self) -> list[str]:
        builders.products(self.engine, "seed", places=LOTS)
        builders.buy(self.engine, "seed")
        with self.db.write() as tx:
            row = dict(tx.execute(select(booking)).one()._mapping)
            made = [{**row, "id": f"worker-{i}", "reference": f"W-{i}"} for i in range(self.workers)]
            tx.execute(insert(booking), made)
        return [one["id"] for one in made]

    def hold(self, number: int, wants: Sequence[Want]) -> bool:
        """The product's own verb in a transaction of its own: slots made where missing, one retry after expired holds are back."""
        try:
            with self.db.write() as tx:
                holds.take(tx, {self.bookings[number]: wants}, expires_at=UNTIL, now=NOW)
        except SoldOut:
            return False
        return True

    def bare(self, number: int, wants: Sequence[Want]) -> bool:
        """The hold alone, one statement that commits by itself, on a connection the worker keeps, as each client of pgbench does."""
        if number not in self.kept:
            self.kept[number] = self.open.enter_context(self.db.autocommit())
        return holds.take_at_once(self.kept[number], {self.bookings[number]: wants}, UNTIL)

    def naive(self, number: int) -> bool:
        """The control: read what is held, and hold one more."""
        where = (hold.c.resource_id == "control", hold.c.status == "active")
        with self.db.read() as tx:
            taken = tx.execute(select(func.coalesce(func.sum(hold.c.quantity), 0)).where(*where)).scalar_one()
        if taken >= 100:
            return False
        row = {"booking_id": self.bookings[number], "resource_id": "control", "local_date": DAY, "local_start": ""}
        with self.db.write() as tx:
            tx.execute(insert(hold).values(**row, quantity=1, status="active", expires_at=UNTIL))
        return True

    def held(self, resource_id: str) -> int:
        with self.db.read() as tx:
            query = select(func.coalesce(func.sum(hold.c.quantity), 0)).where(hold.c.resource_id == resource_id)
            return int(tx.execute(query).scalar_one())

    def drift(self) -> int:
        with self.db.read() as tx:
            return len([one for one in holds.drift(tx) if one["resource_id"] != "control"])

    # ── what is measured ──────────────────────────────────────────────────────────────────────────

    def one(self, resource_id: str, day: date = DAY) -> list[Want]:
        return [Want(resource_id, day, "", 1, LOTS)]

    def spread(self, number: int, draw: random.Random) -> bool:
        at = draw.randrange(SPREAD)
        return self._take(number, self.one(f"s{at % 20}", DAY + timedelta(days=at // 20)))

    def cart(self, number: int, draw: random.Random) -> bool:
        picks = draw.sample(range(60), 3)  # few slots, so that carts meet; in any order
        return self.hold(number, [Want(f"s{at % 20}", DAY + timedelta(days=at // 20), "", 1, LOTS) for at in picks])

    def stay(self, number: int, draw: random.Random) -> bool:
        first, nights = draw.randrange(50), draw.randint(1, 9)
        return self.hold(number, [Want("stay", DAY + timedelta(days=first + i), "", 1, LOTS) for i in range(nights)])

    def _take(self, number: int, wants: Sequence[Want]) -> bool:
        return self.bare(number, wants) if self.db.dialect == "postgresql" else self.hold(number, wants)

    def product(self, count: int) -> Count:
        """The whole way: a checkout that prices, books, holds, opens the payment and writes every event, each of a person of their own."""
        builders.products(self.engine, "path", places=LOTS)
        ready = []
        for _ in range(count):
            actor = builders.traveler(self.engine)
            builders.add(self.engine, actor, "path", people=1)
            ready.append((actor, bookings.propose_checkout(self.engine, actor)["proposal_id"]))

        def buy(_number: int, _draw: random.Random) -> bool:
            try:
                actor, proposal = ready.pop()
            except IndexError:
                return False
            bookings.commit_checkout(self.engine, actor, proposal)
            return True

        return together(self.workers, 60, buy, until_refused=True)


def pgbench(server: Postgres, db: Database, seconds: float, clients: int) -> float:
    """Updates of one row a second, prepared, as fast as the server does them."""
    script = server.folder / "hot.sql"
    script.write_text("UPDATE pgbench_row SET held = held + 1 WHERE id = 1;\n")
    with db.write() as tx:
        tx.execute(text("CREATE TABLE IF NOT EXISTS pgbench_row (id int PRIMARY KEY, held int)"))
        tx.execute(text("INSERT INTO pgbench_row VALUES (1, 0) ON CONFLICT DO NOTHING"))
    script.chmod(0o644)
    said = server.output(
        "pgbench", "-n", "-c", str(clients), "-j", "2", "-T", str(max(2, round(seconds))), "-M", "prepared", "-f", str(script),
        "-h", str(server.folder), "-U", "postgres", str(db.url.database),
    )  # fmt: skip
    found = re.search(r"tps = ([\d.]+)", said)
    assert found is not None, said
    return float(found[1])


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--workers", type=int, default=50, help="threads that hold at once (default: 50)")
    parser.add_argument("--seconds", type=float, default=4.0, help="how long each measurement takes (default: 4)")
    given = parser.parse_args()
    with durable(given.db) as (db, server):
        bench = Bench(db, given.workers, given.seconds)
        result = measure(bench, server)
    close({"db": given.db, **result})


def measure(bench: Bench, server: Postgres | None) -> dict[str, Any]:
    def say(what: str) -> None:
        print(f"{what} ...", file=sys.stderr, flush=True)

    say("selling one slot out")
    sellout = together(bench.workers, 60, lambda n, _: bench.hold(n, [Want("sellout", DAY, "", 1, 100)]), until_refused=True)
    say("the control, which reads first and inserts later")
    together(bench.workers, 60, lambda n, _: bench.naive(n), until_refused=True)
    oversold, control = max(0, bench.held("sellout") - 100), max(0, bench.held("control") - 100)
    ratio = before = after = 0.0
    say("one hot slot")
    together(bench.workers, 1, lambda n, _: bench._take(n, bench.one("hot")))  # connections open, plans made
    if server is not None:
        ratios = []
        for _ in range(3):
            before = pgbench(server, bench.db, bench.seconds / 2, bench.workers)
            hot = together(bench.workers, bench.seconds, lambda n, _: bench._take(n, bench.one("hot")))
            after = pgbench(server, bench.db, bench.seconds / 2, bench.workers)
            ratios.append(hot.per_s / mean((before, after)))
        ratio = sorted(ratios)[1]
    else:
        hot = together(bench.workers, bench.seconds, lambda n, _: bench._take(n, bench.one("hot")))
    say("2,000 slots, carts, stays")
    spread = together(bench.workers, bench.seconds, bench.spread)
    bench.open.close()
    carts = together(bench.workers, bench.seconds, bench.cart)
    stays = together(bench.workers, bench.seconds, bench.stay)
    verb = together(bench.workers, bench.seconds, lambda n, _: bench.hold(n, bench.one("hot")))
    say("the whole product path")
    whole = bench.product(150)
    drift = bench.drift()
    deadlocks = sum(one.deadlocks for one in (sellout, hot, spread, carts, stays, verb, whole))
    rows: list[tuple[str, Any]] = [
        ("sold of 100", bench.held("sellout")),
        ("sold of 100 by the control", 100 + control),
        ("hot slot, holds/s", hot.per_s),
        ("hot slot, p99 ms", hot.p99_ms),
        ("hot slot through holds.take, holds/s", verb.per_s),
        ("2,000 slots, holds/s", spread.per_s),
        ("carts of three, carts/s", carts.per_s),
        ("stays of 1 to 9 nights, stays/s", stays.per_s),
        ("whole product path, checkouts/s", whole.per_s),
        ("deadlocks", deadlocks),
        ("slots whose counters drifted", drift),
    ]
    if server is not None:
        rows += [("pgbench before, updates/s", before), ("pgbench after, updates/s", after), ("bare hold to pgbench (median of 3)", ratio)]
    table(rows)
    return {
        "oversold": oversold,
        "control_oversold": control,
        "deadlocks": deadlocks,
        "hot_per_s": round(hot.per_s),
        "hot_p99_ms": round(hot.p99_ms, 1),
        "spread_per_s": round(spread.per_s),
        "pgbench_ratio": round(ratio, 2) if server is not None else None,
        "take_per_s": round(verb.per_s),
        "carts_per_s": round(carts.per_s),
        "stays_per_s": round(stays.per_s),
        "product_per_s": round(whole.per_s),
        "drift": drift,
    }


if __name__ == "__main__":
    main()
