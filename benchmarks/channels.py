"""A thousand Telegram chats on one process: from the update at the door to the answer in the chat, over the real client.

The stand-in and the people are in this process, the house (poller, worker, offline planner) in one of its own. Every chat
says several things, one after the other; the answers must come in order, once each. Bars: 0 lost, 0 doubled, 0 out of order.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from bench import Progress, arguments, close, percentile, table

from channels import main
from channels.sandbox.telegram.app import TelegramSandbox
from channels.sandbox.telegram.world import World, shown_text
from channels.settings import Settings
from core.db import Database
from core.migrate import upgrade
from tests import market
from tests.sandbox import open_socket, serving

BOT = "123456789:AAE-bench-bench-bench-bench-bench"


def settings(folder: str, api: str) -> Settings:
    return Settings(
        _env_file=None, TRAVELOURE_DATA=Path(folder), DATABASE_URL="", STRIPE_SECRET_KEY=None, TELEGRAM_BOT_TOKEN=BOT, TELEGRAM_API_URL=api
    )


def measure(world: World, chats: int, lines: int) -> dict[str, Any]:
    """Everybody says `/cart`-like short things and words for the planner; each waits for its answer before the next."""
    people = [world.person(f"Ana {number}") for number in range(chats)]
    waits: list[float] = []
    lost = [0]
    progress = Progress("answers", chats * lines)
    lock = threading.Lock()
    said = [f"Something fun in Lisbon on {10 + at} January 2027 for 2" for at in range(lines)]

    async def one(person: Any) -> None:
        for at, text in enumerate(said):
            day = f"{10 + at} Jan"
            before = world.chats[person.id].last_id
            started = time.perf_counter()
            world.say(person, text)
            for _ in range(6000):
                chat = world.chats[person.id]  # looked at in place: copies would cost more than the house
                fresh = [chat.messages[number] for number in range(before + 1, chat.last_id + 1)]
                if any(m["from"]["id"] == world.bot_id and day in shown_text(m) for m in fresh):
                    break
                await asyncio.sleep(0.02)
            else:
                lost[0] += 1
            with lock:
                waits.append((time.perf_counter() - started) * 1000)
            progress.step()

    async def everybody() -> None:
        gate = asyncio.Semaphore(given_at_once[0])

        async def gated(person: Any) -> None:
            async with gate:
                await one(person)

        await asyncio.gather(*(gated(person) for person in people))

    started = time.perf_counter()
    asyncio.run(everybody())
    took = time.perf_counter() - started
    doubled = wrong_order = 0
    for person in people:
        answers = [match[0] for m in world.sent(person) if (match := re.match(r"I (?:found|took|can)[^.]*", shown_text(m)))]
        days = [int(match[1]) for text in answers if (match := re.search(r"(\d+) Jan", text))]
        doubled += len(days) - len(set(days))
        wrong_order += int(days != sorted(days))
    return {
        "chats": chats,
        "events": chats * lines,
        "events_per_s": round(chats * lines / took, 1),
        "p50_ms": round(percentile(waits, 0.5), 1),
        "p95_ms": round(percentile(waits, 0.95), 1),
        "order_violations": wrong_order,
        "doubled": doubled,
        "lost": lost[0],
    }


given_at_once = [16]


def main_() -> int:
    parser = arguments(__doc__ or "", db=False)
    parser.add_argument("--chats", type=int, default=1000, help="chats (default 1,000)")
    parser.add_argument("--lines", type=int, default=2, help="lines in each (default 2)")
    parser.add_argument("--at-once", type=int, default=16, help="people who wait for an answer at the same time (default 16)")
    parser.add_argument("--serve", nargs=2, metavar=("FOLDER", "API"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        house = main.build(settings(*given.serve))
        asyncio.run(main.work(house))
        return 0
    given_at_once[0] = given.at_once
    with tempfile.TemporaryDirectory(prefix="bench") as folder:
        world = World(BOT)
        listener = open_socket()
        api = f"http://127.0.0.1:{listener.getsockname()[1]}"
        database = Database(settings(folder, api).database)
        upgrade(database)
        house = main.build(settings(folder, api))
        market.load(house.engine, Path(folder))
        house.close()
        database.close()
        with serving(TelegramSandbox(world), listener):
            child = subprocess.Popen([sys.executable, __file__, "--serve", folder, api])
            try:
                warm = world.person("Warm")
                world.say(warm, "Something fun in Lisbon on 9 January 2027 for 2")
                world.inbox(warm, "Jan", timeout=60)
                found = measure(world, given.chats, given.lines)
            finally:
                child.terminate()
                child.wait(20)
    table(
        [
            ("chats", found["chats"]),
            ("events (lines of travelers)", found["events"]),
            ("events a second, answered", found["events_per_s"]),
            ("ms from line to answer, median", found["p50_ms"]),
            ("ms from line to answer, p95", found["p95_ms"]),
            ("out of order", found["order_violations"]),
            ("doubled", found["doubled"]),
            ("lost", found["lost"]),
        ]
    )
    close(found)
    return 1 if found["order_violations"] or found["doubled"] or found["lost"] else 0


if __name__ == "__main__":
    sys.exit(main_())
