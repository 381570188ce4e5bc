"""A day at the desk in fast motion: 1,000 travelers ask for a person, 12 experts of three languages answer them.

Everything goes through core's own verbs on a real database; only the clock is virtual and people are dice. Printed: how long
travelers waited for the first words, whether what they were promised was kept, and whether a language waited longer than another.
Bar: promise_kept >= 0.9.
"""

from __future__ import annotations

import heapq
import random
import sys
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from sqlalchemy import select

from benchmarks.bench import Progress, arguments, close, database, percentile, table
from core import conversations, experts, handoff, waits
from core.db import Database
from core.engine import Actor, Engine
from core.errors import AlreadyDecided, Refused
from core.people import ensure_account, grant
from core.schema import handoff as rows_of
from tests.gateway import MemoryGateway

START = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)
SPEAK = (
    ("en",),
    ("en",),
    ("en",),
    ("en",),
    ("en",),
    ("en", "pt"),
    ("en", "pt"),
    ("en", "pt"),
    ("pt",),
    ("en", "de"),
    ("en", "de"),
    ("de",),
)
LANGUAGES = {"en": 0.62, "pt": 0.22, "de": 0.16}
HANDLING = timedelta(minutes=8)
BEAT = timedelta(seconds=90)
REASONS = ("asked_for_human",) * 7 + ("policy", "payment_problem", "bot_failed")


class Clock:
    def __init__(self) -> None:
        self.at = START

    def __call__(self) -> datetime:
        return self.at


class Day:
    """Events by time: somebody asks, an expert looks at the queue, writes, or is done."""

    def __init__(self, engine: Engine, clock: Clock, conversations_in_all: int, load: float, seed: int) -> None:
        self.engine, self.clock, self.rng = engine, clock, random.Random(seed)
        self.events: list[tuple[datetime, int, str, Any]] = []
        self.number = count()
        self.left = conversations_in_all
        self.staff = [Actor(f"expert-{n}", role="expert", channel="console") for n in range(len(SPEAK))]
        self.gap = HANDLING / (len(SPEAK) * load)
        self.progress = Progress("conversations", conversations_in_all)
        self.idle: set[int] = set()
        self.ended = 0

    def later(self, wait: timedelta, what: str, about: Any) -> None:
        heapq.heappush(self.events, (self.clock.at + wait, next(self.number), what, about))

    def run(self) -> None:
        for n in range(len(self.staff)):
            experts.beat(self.engine, self.staff[n])
            self.idle.add(n)
            self.later(BEAT * self.rng.random(), "beat", n)
        total = self.left
        self.later(timedelta(0), "ask", None)
        while self.ended < total:
            self.clock.at, _, what, about = heapq.heappop(self.events)
            getattr(self, what)(about)

    def ask(self, _about: Any) -> None:
        self.left -= 1
        language = self.rng.choices(list(LANGUAGES), list(LANGUAGES.values()))[0]
        conversation_id, _ = conversations.start(self.engine, channel="web", locale=language)
        with self.engine.db.read() as tx:
            account_id = conversations.get(tx, conversation_id).account_id
        handoff.ask_for_person(self.engine, Actor(account_id, conversation_id=conversation_id), self.rng.choice(REASONS))
        for n in sorted(self.idle):
            self.later(timedelta(seconds=self.rng.uniform(2, 20)), "look", n)
        if self.left:
            self.later(self.gap * self.rng.expovariate(1), "ask", None)

    def beat(self, n: int) -> None:
        experts.beat(self.engine, self.staff[n])
        self.later(BEAT, "beat", n)

    def look(self, n: int) -> None:
        """The first one in the queue that this expert can talk to."""
        if n not in self.idle:
            return
        for one in handoff.queue(self.engine, self.staff[n]):
            if one["status"] not in waits.WAITING or not one["fits"]:
                continue
            try:
                handoff.claim(self.engine, self.staff[n], one["conversation_id"])
            except (AlreadyDecided, Refused):
                continue
            self.idle.discard(n)
            self.later(timedelta(seconds=self.rng.uniform(10, 60)), "write", (n, one["conversation_id"]))
            return

    def write(self, about: tuple[int, str]) -> None:
        n, conversation_id = about
        handoff.reply(self.engine, self.staff[n], conversation_id, "Hello, how can I help?", client_id="first")
        self.later(HANDLING * self.rng.lognormvariate(-0.18, 0.6), "done", about)

    def done(self, about: tuple[int, str]) -> None:
        n, conversation_id = about
        handoff.give_back(self.engine, self.staff[n], conversation_id, outcome="resolved")
        self.ended += 1
        self.progress.step()
        self.idle.add(n)
        self.later(timedelta(seconds=self.rng.uniform(2, 20)), "look", n)


def bench(db: Database, conversations_in_all: int, load: float, seed: int) -> dict[str, Any]:
    clock = Clock()
    engine = Engine(db=db, gateway=MemoryGateway(), clock=clock)
    operator = Actor("olga", role="operator")
    for n, languages in enumerate(SPEAK):
        with db.write() as tx:
            ensure_account(tx, START, f"expert-{n}", name=f"Expert {n}", email=f"e{n}@example.com")
            grant(tx, f"expert-{n}", "expert")
        experts.describe(engine, operator, f"expert-{n}", languages=languages, capacity=1)
    Day(engine, clock, conversations_in_all, load, seed).run()
    with db.read() as tx:
        rows = tx.execute(select(rows_of)).all()
    waited = {row.id: (row.first_human_message_at - row.queued_at).total_seconds() for row in rows}
    held = [waits.kept(row) for row in rows if row.promise_at is not None]
    told = [(row.promise_at - row.queued_at).total_seconds() for row in rows if row.promise_at is not None]
    by_language = {
        f"wait_p95_s_{one}": round(percentile([waited[row.id] for row in rows if row.language == one], 0.95)) for one in LANGUAGES
    }
    return {
        "conversations": len(rows),
        "experts": len(SPEAK),
        "hours": round((clock.at - START) / timedelta(hours=1), 1),
        "wait_p50_s": round(percentile(list(waited.values()), 0.5)),
        "wait_p95_s": round(percentile(list(waited.values()), 0.95)),
        "promised": len(held),
        "promised_p50_s": round(percentile(told, 0.5)),
        "promise_kept": round(held.count(True) / max(1, len(held)), 3),
        **by_language,
    }


if __name__ == "__main__":
    parser = arguments(__doc__ or "")
    parser.add_argument("--conversations", type=int, default=1000)
    parser.add_argument("--load", type=float, default=0.82, help="how much of the experts' time is asked for (default: 0.82)")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with database(given.db) as opened:
        result = {"db": given.db, **bench(opened, given.conversations, given.load, given.seed)}
    table(list(result.items()))
    close(result)
    sys.exit(0 if result["promise_kept"] >= 0.9 else 1)
