"""Bot and human never both answer: bot turns of 20 to 60 ms race three experts who claim at a random moment.

The control is the same race with a bot that only checks before it begins; it does talk over people, which shows that the
race is real. Bar: 0 of 400.
"""

from __future__ import annotations

import random
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from sqlalchemy import select

from benchmarks.bench import Progress, arguments, close, database, table
from core import conversations, handoff
from core.db import Database
from core.engine import Actor, Engine
from core.errors import AlreadyDecided, Busy
from core.people import ensure_account, grant
from core.schema import message
from tests.gateway import MemoryGateway

EXPERTS = 3


def now() -> datetime:
    return datetime.now(UTC)


def race(engine: Engine, conversation_id: str, actor: Actor, seed: int, *, fenced: bool) -> tuple[bool, int]:
    """(did the bot speak after a person took over?, claims that won)."""
    rng = random.Random(seed)
    conversations.say(engine, actor, "question", "hello")
    think = rng.uniform(0.020, 0.060)
    won = []
    start = threading.Barrier(EXPERTS + 1)

    def bot() -> None:
        row = conversations.lease_turn(engine, conversation_id, "bot")
        start.wait()
        if row is None:
            return
        time.sleep(think)
        parts = [{"type": "text", "text": "the bot's answer"}]
        if fenced:
            conversations.close_turn(engine, row, "bot", parts, transcript=[])
        else:
            with engine.db.write() as tx:
                conversations.append(tx, conversation_id, "bot", parts, now=now(), client_id="unfenced")

    def expert(n: int) -> None:
        wait = rng.uniform(0, 0.080)
        start.wait()
        time.sleep(wait)
        try:
            handoff.claim(engine, Actor(f"expert-{n}", role="expert"), conversation_id)
            won.append(n)
        except (AlreadyDecided, Busy):
            pass

    threads = [threading.Thread(target=bot), *(threading.Thread(target=expert, args=(n,)) for n in range(EXPERTS))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with engine.db.read() as tx:
        rows = tx.execute(
            select(message.c.seq, message.c.role, message.c.kind, message.c.data).where(message.c.conversation_id == conversation_id)
        ).all()
    taken = min((row.seq for row in rows if row.kind == "state" and row.data.get("mode") == "human"), default=None)
    spoke = max((row.seq for row in rows if row.role == "bot"), default=None)
    return (taken is not None and spoke is not None and spoke > taken), len(won)


def run(db: Database, count: int, *, fenced: bool, seed: int) -> tuple[int, int]:
    engine = Engine(db=db, gateway=MemoryGateway(), clock=now)
    with db.write() as tx:
        for n in range(EXPERTS):
            ensure_account(tx, now(), f"expert-{n}", name=f"Expert {n}", email=f"e{n}@example.com")
            grant(tx, f"expert-{n}", "expert")
    progress = Progress("fenced" if fenced else "control", count)
    late = wrong = 0

    def one(n: int) -> tuple[bool, int]:
        conversation_id, _ = conversations.start(engine, channel="web")
        with db.read() as tx:
            owner = conversations.get(tx, conversation_id).account_id
        return race(engine, conversation_id, Actor(owner, conversation_id=conversation_id), seed + n, fenced=fenced)

    with ThreadPoolExecutor(6) as pool:
        for spoke_late, winners in pool.map(one, range(count)):
            late += spoke_late
            wrong += winners != 1
            progress.step()
    return late, wrong


def drill(kind: str, count: int, seed: int) -> dict[str, Any]:
    with database(kind) as db:
        control, _ = run(db, max(40, count // 4), fenced=False, seed=seed)
        late, wrong = run(db, count, fenced=True, seed=seed)
    return {"db": kind, "conversations": count, "bot_after_human": late, "not_one_winner": wrong, "control_bot_after_human": control}


if __name__ == "__main__":
    parser = arguments(__doc__ or "")
    parser.add_argument("--conversations", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    result = drill(given.db, given.conversations, given.seed)
    table(list(result.items()))
    close(result)
    sys.exit(1 if result["bot_after_human"] or result["not_one_winner"] else 0)
