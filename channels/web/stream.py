"""Server-sent events over the durable log: subscribe first, read the log until it is exhausted, then follow.

Lines of the log carry `id:`, what lives for a moment (deltas, typing) never does; so a page that comes back with
Last-Event-ID misses nothing and sees nothing twice. A touch on the bus only says "look again": rows written behind
the bus, by another process for instance, are found with the next touch or the next ping.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any

from anyio import to_thread
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from channels.bus import Bus, Subscription
from channels.house import House
from channels.render import wire
from core import conversations

PAGE = 200
MOST_SEQ = 2**31 - 1  # of a line in a log
PING = b": ping\n\n"
PING_AFTER = 15.0  # seconds of silence
SILENCE: Mapping[str, Any] = {"kind": "silence"}
EPHEMERAL = ("delta", "typing")
HEADERS = {"cache-control": "no-cache, no-transform", "x-accel-buffering": "no"}

Line = tuple[int, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Reader:
    """Whose words and clock a line is put into."""

    locale: str = "en"
    time_zone: str | None = None
    trips: str = ""  # the path of their own page, for the traveler only


def event(kind: str, data: Mapping[str, Any], seq: int | None = None) -> bytes:
    mark = "" if seq is None else f"id: {seq}\n"
    return f"{mark}event: {kind}\ndata: {json.dumps(data, separators=(',', ':'), ensure_ascii=False)}\n\n".encode()


def read_page(house: House, conversation_id: str, after: int, reader: Reader, *, staff: bool = False) -> list[Line]:
    """One page of the log as (number, {"seq", "type", "data"}), rendered; synchronous, for a worker thread."""
    with house.engine.db.read() as tx:
        rows = conversations.log_after(tx, conversation_id, after, staff=staff, limit=PAGE)
    return [
        (row.seq, {"seq": row.seq, "type": row.kind if row.kind in ("state", "note") else "message", "data": _data(house, row, reader)})
        for row in rows
    ]


def _data(house: House, row: Any, reader: Reader) -> dict[str, Any]:
    return {"at": row.created_at.isoformat(), **wire(house.settings.base_url, row, reader.locale, reader.time_zone, trips=reader.trips)}


async def follow(read: Callable[[int], list[Line]], subscription: Subscription, after: int, *, touched: str = "") -> AsyncGenerator[bytes]:
    """Every line after `after` once and in order, then what comes; ends when the page fell too far behind or the house closes.

    `touched` names an event that says "something moved" for pages that show more than this log.
    """
    last = after
    yield b"retry: 1500\n" + event("ready", {"after": after})
    while True:
        full = True
        while full:
            batch = await to_thread.run_sync(read, last)
            full = len(batch) == PAGE
            for seq, line in batch:
                last = seq
                yield event(line["type"], line["data"], seq)
        while True:
            got = await next_event(subscription)
            if got is None:
                return
            if got["kind"] not in EPHEMERAL:
                break
            yield event(got["kind"], got["data"])
        yield PING if got is SILENCE else event(touched, {}) if touched else b""


async def next_event(subscription: Subscription) -> Mapping[str, Any] | None:
    """The next thing that happened, or SILENCE after a while without any; None where the stream is over."""
    try:
        async with asyncio.timeout(PING_AFTER):
            return await subscription.get()
    except TimeoutError:
        return SILENCE


class EventStream(StreamingResponse):
    """One open page. Its own small loop instead of a task group: less memory, and the end of the connection wakes it."""

    def __init__(self, bus: Bus, topics: tuple[str, ...], events: Callable[[Subscription], AsyncGenerator[bytes]]) -> None:
        super().__init__((), headers=HEADERS, media_type="text/event-stream")
        self._bus, self._topics, self._events = bus, topics, events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._bus.subscribe(*self._topics) as subscription:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            watch = asyncio.create_task(_end_with(receive, subscription))
            try:
                async with aclosing(self._events(subscription)) as chunks:
                    async for chunk in chunks:
                        if chunk:
                            await send({"type": "http.response.body", "body": chunk, "more_body": True})
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            finally:
                watch.cancel()
                with suppress(asyncio.CancelledError):
                    await watch


async def _end_with(receive: Receive, subscription: Subscription) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    subscription.push(None)


async def touches(subscription: Subscription, *, name: str) -> AsyncGenerator[bytes]:
    """Only that something happened: the page asks again for what it shows."""
    yield b"retry: 2000\n" + event("ready", {})
    while (got := await next_event(subscription)) is not None:
        yield PING if got is SILENCE else event(name, {})
