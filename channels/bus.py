"""Waking open pages: what was committed is announced by topic; what lives for a moment (deltas, typing) is passed along.

Losing the bus costs liveness only: the log in the database is the truth, and every stream reads it again.
"""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

LIMIT = 500  # a page that is this far behind is cut off; it comes back and reads the log
TOUCH: Mapping[str, Any] = {"kind": "touch"}


class Subscription:
    """The events of some topics, in order. `get()` returns None once the page fell too far behind."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._queue: asyncio.Queue[Mapping[str, Any] | None] = asyncio.Queue()

    async def get(self) -> Mapping[str, Any] | None:
        return await self._queue.get()

    def pending(self) -> bool:
        return not self._queue.empty()

    def push(self, event: Mapping[str, Any] | None) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._put, event)

    def _put(self, event: Mapping[str, Any] | None) -> None:
        if self._queue.qsize() >= LIMIT:
            event = None
        self._queue.put_nowait(event)


class Bus:
    """In-process fan-out; `publish` may be called from any thread. `channels/relay.py` joins the buses of several processes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._topics: dict[str, set[Subscription]] = defaultdict(set)
        self._everybody: set[Subscription] = set()
        self._closed = False
        self.pass_on: Callable[[str, Mapping[str, Any]], None] | None = None  # to the other processes, where there are any

    @contextmanager
    def subscribe(self, *topics: str) -> Iterator[Subscription]:
        """Call it on the loop that will read: subscribe first, then read the log, then wait."""
        subscription = Subscription(asyncio.get_running_loop())
        with self._lock:
            self._everybody.add(subscription)
            for topic in topics:
                self._topics[topic].add(subscription)
            if self._closed:
                subscription.push(None)
        try:
            yield subscription
        finally:
            with self._lock:
                self._everybody.discard(subscription)
                for topic in topics:
                    self._topics[topic].discard(subscription)
                    if not self._topics[topic]:
                        del self._topics[topic]

    def publish(self, topic: str, event: Mapping[str, Any] = TOUCH, *, pass_on: bool = True) -> None:
        with self._lock:
            listeners = list(self._topics.get(topic, ()))
        if pass_on and self.pass_on is not None:
            self.pass_on(topic, event)
        for subscription in listeners:
            subscription.push(event)

    def touch_everybody(self) -> None:
        """Whoever is subscribed to anything looks again."""
        with self._lock:
            listeners = list(self._everybody)
        for subscription in listeners:
            subscription.push(TOUCH)

    def open(self) -> None:
        """Take pages again after a close."""
        self._closed = False

    @property
    def closed(self) -> bool:
        """Is this process on its way out?"""
        return self._closed

    def close(self) -> None:
        """Let every open page go, and whoever still comes: it will come back to whoever answers next."""
        with self._lock:
            self._closed = True
            everybody = list(self._everybody)
        for subscription in everybody:
            subscription.push(None)

    def announced(self, topic: str, subject: str) -> None:
        """The listener for `Database.listen`: `conversation:<id>`, `provider:<id>`, `desk`, `job`."""
        self.publish(topic if topic in ("desk", "job") else f"{topic}:{subject}")
        if topic == "conversation":
            self.publish("conversations", {"kind": "touch", "conversation_id": subject})
