"""A busy desk in one server process: consoles and travelers with open pages, writing to each other at the same time.

The server runs alone in a process of its own; this one holds the pages open and writes over HTTP: each expert has conversations of
their own, answers in them, and sees what the travelers write. Every line has to arrive once on the other side's open page. Bar: p95
below 500 ms from sending to the other side's page, nothing lost, nothing doubled.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from bench import Progress, arguments, close, percentile, table
from chat import rss_kb, settings, until

from channels import main as house_of
from channels.web.session import COOKIE, csrf_of
from core import conversations, experts, handoff, people
from core.db import Database
from core.engine import Actor
from core.migrate import upgrade

BAR_MS = 500
CHAT = Path(__file__).with_name("chat.py")  # its server is ours as well
LINE = re.compile(rb"line-(?:up|down)-\d+-\d+")


@dataclass
class Page:
    """One open event stream: when each line of ours came, and how often."""

    port: int
    path: str
    header: str
    arrived: dict[bytes, float] = field(default_factory=dict)
    seen: Counter[bytes] = field(default_factory=Counter)
    ready: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 20)
        writer.write(f"GET {self.path} HTTP/1.1\r\nhost: 127.0.0.1\r\n{self.header}\r\n\r\n".encode())
        kind = b""
        try:
            while line := await reader.readline():
                if line.startswith(b"event: "):
                    kind = line[7:].strip()
                    self.ready.set()
                elif line.startswith(b"data: ") and kind == b"message" and (found := LINE.search(line)):
                    self.arrived.setdefault(found[0], time.perf_counter())
                    self.seen[found[0]] += 1
        finally:
            writer.close()


@dataclass(frozen=True)
class Desk:
    """Who writes where: one console's session and the conversations it holds, each with its traveler's token."""

    session: str
    held: tuple[tuple[str, str], ...]


def prepare(folder: str, consoles: int, travelers: int) -> list[Desk]:
    """Experts, travelers who asked for a person, and who took whom over; through the core's own verbs."""
    house = house_of.build(settings(folder))
    engine = house.engine
    now = engine.clock()
    operator = Actor("operator", role="operator")
    desks = []
    made = Progress("conversations", travelers)
    with engine.db.write() as tx:
        people.ensure_account(tx, now, "operator", name="Olga", email="operator@example.com")
        people.grant(tx, "operator", "operator")
        for number in range(consoles):
            people.ensure_account(tx, now, f"expert-{number}", name=f"Expert {number}", email=f"expert-{number}@example.com")
            people.grant(tx, f"expert-{number}", "expert")
    for number in range(consoles):
        experts.describe(engine, operator, f"expert-{number}", languages=["en"], capacity=min(50, -(-travelers // consoles)))
        expert = Actor(f"expert-{number}", role="expert", channel="console")
        held = []
        for _ in range(number, travelers, consoles):
            conversation_id, token = conversations.start(engine, channel="web", welcome=[{"type": "text", "text": "Hello"}])
            with engine.db.read() as tx:
                owner = conversations.get(tx, conversation_id).account_id
            handoff.ask_for_person(engine, Actor(owner, conversation_id=conversation_id), "asked_for_human")
            handoff.claim(engine, expert, conversation_id)
            held.append((conversation_id, token))
            made.step()
        with engine.db.write() as tx:
            session = people.open_session(tx, f"expert-{number}", "console", now)
        desks.append(Desk(session, tuple(held)))
    house.close()
    return desks


async def measure(port: int, pid: int, desks: list[Desk], lines: int, senders: int) -> dict[str, Any]:
    before = rss_kb(pid)
    watched = [Page(port, f"/desk/events?c={desk.held[0][0]}&after=0", f"cookie: {COOKIE}={desk.session}") for desk in desks]
    pages = {cid: Page(port, "/chat/v1/events", f"authorization: Bearer {token}") for desk in desks for cid, token in desk.held}
    tasks = [asyncio.create_task(page.run()) for page in (*watched, *pages.values())]
    opening = Progress("opening pages", len(tasks))
    for page in (*watched, *pages.values()):
        await asyncio.wait_for(page.ready.wait(), 60)
        opening.step()
    sent: dict[bytes, tuple[float, Page]] = {}
    todo: asyncio.Queue[tuple[str, int, Desk, str, str, Page]] = asyncio.Queue()
    for line in range(lines):
        for at, (desk, console) in enumerate(zip(desks, watched, strict=True)):
            for of, (cid, token) in enumerate(desk.held):
                todo.put_nowait((f"line-down-{at}{of:03}-{line}", line, desk, cid, token, pages[cid]))
                if of == 0:  # the conversation that stands open in the console
                    todo.put_nowait((f"line-up-{at}{of:03}-{line}", line, desk, cid, token, console))
    total = todo.qsize()
    sending = Progress("writing", total)

    async def sender() -> None:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            while not todo.empty():
                words, _, desk, cid, token, page = todo.get_nowait()
                sent[words.encode()] = (time.perf_counter(), page)
                if "-down-" in words:
                    headers = {"cookie": f"{COOKIE}={desk.session}", "x-csrf-token": csrf_of(desk.session)}
                    answer = await client.post(f"/desk/c/{cid}/reply", json={"id": words, "text": words}, headers=headers)
                else:
                    headers = {"authorization": f"Bearer {token}"}
                    answer = await client.post("/chat/v1/messages", json={"id": words, "text": words}, headers=headers)
                answer.raise_for_status()
                sending.step()

    began = time.perf_counter()
    await asyncio.gather(*(sender() for _ in range(senders)))
    took = time.perf_counter() - began
    await until(lambda: all(words in page.arrived for words, (_, page) in sent.items()), 20)
    memory = rss_kb(pid)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    waits = [(page.arrived[words] - at) * 1000 for words, (at, page) in sent.items() if words in page.arrived]
    return {
        "consoles": len(desks),
        "travelers": len(pages),
        "lines": total,
        "per_s": round(total / took),
        "lost": sum(1 for words, (_, page) in sent.items() if words not in page.arrived),
        "doubled": sum(count - 1 for page in (*watched, *pages.values()) for count in page.seen.values()),
        "fanout_p50_ms": round(percentile(waits, 0.5), 1),
        "fanout_p95_ms": round(percentile(waits, 0.95), 1),
        "rss_mb": round(memory / 1024),
        "kb_per_page": round((memory - before) / len(tasks), 1),
    }


def main() -> None:
    parser = arguments(__doc__ or "", db=False)
    parser.add_argument("--consoles", type=int, default=50, help="experts with their desk open (default 50)")
    parser.add_argument("--travelers", type=int, default=500, help="travelers with their chat open (default 500)")
    parser.add_argument("--lines", type=int, default=2, help="lines for each conversation (default 2)")
    parser.add_argument("--senders", type=int, default=8, help="lines on their way at the same time (default 8)")
    given = parser.parse_args()
    if not 1 <= given.consoles <= given.travelers <= 50 * given.consoles:
        parser.error("every console needs a traveler, and can take fifty")
    with tempfile.TemporaryDirectory() as folder:
        database = Database(settings(folder).database)
        upgrade(database)
        database.close()
        desks = prepare(folder, given.consoles, given.travelers)
        script = [sys.executable, str(CHAT), "--serve", folder]
        child = subprocess.Popen(script, stdout=subprocess.PIPE, text=True)
        try:
            assert child.stdout is not None
            port = int(child.stdout.readline())
            found = asyncio.run(measure(port, child.pid, desks, given.lines, given.senders))
        finally:
            child.terminate()
            child.wait(20)
    table(
        (
            ("consoles open", found["consoles"]),
            ("travelers' pages open", found["travelers"]),
            ("lines written and read on the other side", found["lines"]),
            ("lines a second", found["per_s"]),
            ("lost", found["lost"]),
            ("doubled", found["doubled"]),
            ("ms to the other side's page, median", found["fanout_p50_ms"]),
            (f"ms to the other side's page, p95 (bar {BAR_MS})", found["fanout_p95_ms"]),
            ("MB of the server", found["rss_mb"]),
            ("KB a page", found["kb_per_page"]),
        )
    )
    close(found)


if __name__ == "__main__":
    main()
