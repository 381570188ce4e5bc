"""Open conversations by the hundred in one server process: what one costs, and whether every line arrives once.

The server runs alone in a process of its own; this one holds the open streams, sends the travelers' lines over HTTP
and reads them back from the streams. Bar: at most 70 KB a stream, nothing lost, nothing doubled.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import httpx
from bench import Progress, arguments, close, percentile, table

from channels import main as house_of
from channels.settings import Settings
from channels.web.app import create_app
from channels.web.limits import Allowance
from channels.web.serve import server
from core import conversations
from core.db import Database
from core.migrate import upgrade

WITHOUT_LIMITS = Allowance(**{one.name: "1000000/minute" for one in fields(Allowance)})
BAR_KB = 70


def settings(folder: str) -> Settings:
    return Settings(_env_file=None, TRAVELOURE_DATA=Path(folder), DATABASE_URL="", STRIPE_SECRET_KEY=None)


def serve(folder: str) -> None:
    house = house_of.build(settings(folder))
    web = server(house, create_app(house, allowance=WITHOUT_LIMITS), host="127.0.0.1", port=0)

    async def run() -> None:
        task = asyncio.create_task(web.serve())
        await until(lambda: web.started, 20)
        print(web.servers[0].sockets[0].getsockname()[1], flush=True)
        await task

    asyncio.run(run())


async def until(happened: Callable[[], bool], seconds: float) -> None:
    for _ in range(int(seconds * 50)):
        if happened():
            return
        await asyncio.sleep(0.02)


def rss_kb(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise SystemExit("This benchmark reads /proc and needs Linux.")


class Stream:
    """One open page: every line's arrival by its id, and how often each number came."""

    def __init__(self, port: int, token: str) -> None:
        self.port, self.token = port, token
        self.numbers: Counter[int] = Counter()
        self.arrived: dict[str, float] = {}
        self.ready = asyncio.Event()

    async def run(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 20)
        ask = f"GET /chat/v1/events HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {self.token}\r\n\r\n"
        writer.write(ask.encode())
        try:
            number = 0
            while line := await reader.readline():
                if line.startswith(b"id: "):
                    number = int(line[4:])
                    self.numbers[number] += 1
                    self.ready.set()
                elif line.startswith(b"data: ") and number:
                    self.arrived.setdefault(json.loads(line[6:]).get("mid", ""), time.perf_counter())
        finally:
            writer.close()


async def measure(port: int, pid: int, tokens: list[str], lines: int, senders: int) -> dict[str, Any]:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as warm:
        for token in tokens[:40]:  # pools, caches and worker threads are paid for before counting
            await warm.get("/chat/v1/history", headers={"authorization": f"Bearer {token}"})
    before = rss_kb(pid)
    streams = [Stream(port, token) for token in tokens]
    tasks = []
    opening = Progress("opening streams", len(streams))
    for at, stream in enumerate(streams, 1):
        tasks.append(asyncio.create_task(stream.run()))
        opening.step()
        if at % 25 == 0:
            await asyncio.wait_for(stream.ready.wait(), 30)
    await asyncio.wait_for(asyncio.gather(*(stream.ready.wait() for stream in streams)), 60)
    kb = (rss_kb(pid) - before) / len(streams)

    sent: dict[str, float] = {}
    queue: asyncio.Queue[tuple[int, int]] = asyncio.Queue()
    for line in range(lines):
        for at in range(len(streams)):
            queue.put_nowait((line, at))
    total = queue.qsize()
    sending = Progress("sending lines", total)

    async def sender() -> None:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            while not queue.empty():
                line, at = queue.get_nowait()
                mid = f"m-{at}-{line}"
                sent[mid] = time.perf_counter()
                body = {"id": mid, "text": f"Line {line} of conversation {at}"}
                answer = await client.post("/chat/v1/messages", json=body, headers={"authorization": f"Bearer {tokens[at]}"})
                answer.raise_for_status()
                sending.step()

    started = time.perf_counter()
    await asyncio.gather(*(sender() for _ in range(senders)))
    took = time.perf_counter() - started
    await until(lambda: all(len(stream.numbers) > lines for stream in streams), 20)
    kb_busy = (rss_kb(pid) - before) / len(streams)
    arrived = {mid: at for stream in streams for mid, at in stream.arrived.items()}
    waits = [(arrived[mid] - at) * 1000 for mid, at in sent.items() if mid in arrived]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return {
        "streams": len(streams),
        "kb_per_stream": round(kb, 1),
        "kb_per_stream_busy": round(kb_busy, 1),
        "lines": total,
        "per_s": round(total / took),
        "lost": sum(1 for mid in sent if mid not in arrived),
        "doubled": sum(count - 1 for stream in streams for count in stream.numbers.values()),
        "p50_ms": round(percentile(waits, 0.5), 1),
        "p95_ms": round(percentile(waits, 0.95), 1),
    }


def main() -> None:
    parser = arguments(__doc__ or "", db=False)
    parser.add_argument("--streams", type=int, default=500, help="open conversations (default 500)")
    parser.add_argument("--lines", type=int, default=4, help="lines each traveler sends (default 4)")
    parser.add_argument("--senders", type=int, default=8, help="lines on their way at the same time (default 8)")
    parser.add_argument("--serve", metavar="FOLDER", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(given.serve)
        return
    with tempfile.TemporaryDirectory() as folder:
        database = Database(settings(folder).database)
        upgrade(database)
        house = house_of.build(settings(folder))
        tokens = []
        starting = Progress("conversations", given.streams)
        for _ in range(given.streams):
            tokens.append(conversations.start(house.engine, channel="web", welcome=[{"type": "text", "text": "Hello"}])[1])
            starting.step()
        child = subprocess.Popen([sys.executable, __file__, "--serve", folder], stdout=subprocess.PIPE, text=True)
        try:
            assert child.stdout is not None
            port = int(child.stdout.readline())
            found = asyncio.run(measure(port, child.pid, tokens, given.lines, given.senders))
        finally:
            child.terminate()
            child.wait(20)
            house.engine.db.close()
            database.close()
    table(
        (
            ("open conversations", found["streams"]),
            (f"KB of memory each, quiet (bar {BAR_KB})", found["kb_per_stream"]),
            ("KB of memory each, after the lines", found["kb_per_stream_busy"]),
            ("lines sent and read back", found["lines"]),
            ("lines a second", found["per_s"]),
            ("lost", found["lost"]),
            ("doubled", found["doubled"]),
            ("ms from sending to the open page, median", found["p50_ms"]),
            ("ms from sending to the open page, p95", found["p95_ms"]),
        )
    )
    close(found)


if __name__ == "__main__":
    main()
