"""Several processes, one house: what is announced in one of them wakes the pages and workers of the others.

PostgreSQL carries it by LISTEN and NOTIFY, so nothing else is needed; with REDIS_URL set it goes through Redis. Like the bus it
carries no truth: what gets lost is found in the log with the next touch, and after every lost connection everything is touched.
"""

from __future__ import annotations

import json
import queue
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import psycopg
import structlog
from sqlalchemy import URL

from channels.bus import TOUCH, Bus

CHANNEL = "traveloure"
LARGEST = 7_900  # bytes that PostgreSQL carries in one notification
MOST = 200  # passed on in one go
WAIT = 0.5  # seconds between two looks at whether the house closes
BACKOFF = (0.5, 1.0, 2.0, 5.0)  # seconds after a lost connection
END = None
log = structlog.get_logger()


class Wire(Protocol):
    """A connection of two halves, each used by one thread: raises `Wire.lost` types when it breaks."""

    lost: tuple[type[Exception], ...]

    def send(self, payloads: Sequence[str]) -> None: ...

    def receive(self) -> Iterator[str | None]:
        """Payloads as they come, and None after every `WAIT` without any; listens from the first step on."""
        ...

    def close(self) -> None: ...


class PostgresWire:
    """One connection that listens and one that notifies."""

    lost: tuple[type[Exception], ...] = (psycopg.Error, OSError)

    def __init__(self, url: URL) -> None:
        self._url = url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._sender: psycopg.Connection[Any] | None = None

    def send(self, payloads: Sequence[str]) -> None:
        if self._sender is None or self._sender.closed:
            self._sender = psycopg.connect(self._url, autocommit=True)
        self._sender.execute("SELECT pg_notify(%s, one) FROM unnest(%s::text[]) AS one", (CHANNEL, list(payloads)))

    def receive(self) -> Iterator[str | None]:
        with psycopg.connect(self._url, autocommit=True) as listener:
            listener.execute(f"LISTEN {CHANNEL}")
            yield None
            while True:
                for got in listener.notifies(timeout=WAIT, stop_after=MOST):
                    yield got.payload
                yield None

    def close(self) -> None:
        if self._sender is not None:
            self._sender.close()


class RedisWire:
    """Publish and subscribe; needs the extra `scale`."""

    def __init__(self, url: str) -> None:
        try:
            import redis
        except ImportError as error:
            raise RuntimeError('REDIS_URL is set, but the client is not installed: pip install "traveloure[scale]"') from error
        self.lost: tuple[type[Exception], ...] = (redis.RedisError, OSError)
        self._client = redis.Redis.from_url(url, socket_connect_timeout=5, health_check_interval=30)

    def send(self, payloads: Sequence[str]) -> None:
        with self._client.pipeline(transaction=False) as pipe:
            for one in payloads:
                pipe.publish(CHANNEL, one)
            pipe.execute()

    def receive(self) -> Iterator[str | None]:
        with self._client.pubsub(ignore_subscribe_messages=True) as heard:  # type: ignore[no-untyped-call]
            heard.subscribe(CHANNEL)
            yield None
            while True:
                got = heard.get_message(timeout=WAIT)
                yield None if got is None else got["data"].decode()

    def close(self) -> None:
        self._client.close()


class Relay:
    """Two threads of their own: one passes on what this process's bus publishes, one publishes what the others passed on."""

    def __init__(self, bus: Bus, wire: Wire) -> None:
        self._bus, self._wire = bus, wire
        self._me = uuid.uuid4().hex[:12]
        self._waiting: queue.SimpleQueue[tuple[str, Mapping[str, Any]] | None] = queue.SimpleQueue()
        self._ending = threading.Event()
        self._threads = [threading.Thread(target=run, name=f"relay-{run.__name__}", daemon=True) for run in (self._send, self._receive)]
        self.listening = threading.Event()

    def start(self) -> None:
        self._bus.pass_on = self._put
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop both threads; what is still waiting to be passed on is let go."""
        self._bus.pass_on = None
        self._ending.set()
        self._waiting.put(END)
        for thread in self._threads:
            thread.join(timeout=5)
        self._wire.close()

    def _put(self, topic: str, event: Mapping[str, Any]) -> None:
        self._waiting.put((topic, event))

    def _send(self) -> None:
        tries = 0
        payloads: list[str] = []
        while not self._ending.is_set():
            payloads = payloads or self._gathered()
            try:
                if payloads:
                    self._wire.send(payloads)
                payloads, tries = [], 0
            except self._wire.lost as error:
                tries = self._pause("passing on", tries, error)
                if tries > len(BACKOFF):
                    payloads = []  # nobody hears them now; whoever comes back looks at everything

    def _gathered(self) -> list[str]:
        """Everything that waits, each once, in order; waits for the first."""
        found: dict[str, None] = {}
        got = self._waiting.get()
        while got is not END:
            found[self._packed(*got)] = None
            if len(found) >= MOST or self._waiting.empty():
                break
            got = self._waiting.get()
        return list(found)

    def _packed(self, topic: str, event: Mapping[str, Any]) -> str:
        made = json.dumps([self._me, topic, event], separators=(",", ":"))
        return made if len(made.encode()) <= LARGEST else json.dumps([self._me, topic, TOUCH])

    def _receive(self) -> None:
        tries = 0
        while not self._ending.is_set():
            try:
                for step, got in enumerate(self._wire.receive()):
                    if step == 0:
                        self.listening.set()
                        self._bus.touch_everybody()  # for whatever was said while nobody listened
                    if got is not None:
                        self._hear(got)
                    tries = 0
                    if self._ending.is_set():
                        return
            except self._wire.lost as error:
                self.listening.clear()
                tries = self._pause("listening", tries, error)

    def _hear(self, payload: str) -> None:
        try:
            sender, topic, event = json.loads(payload)
            kind = event["kind"]
        except (ValueError, TypeError, KeyError):
            log.warning("relay_unreadable", size=len(payload))
            return
        if sender != self._me and isinstance(kind, str):
            self._bus.publish(str(topic), event, pass_on=False)

    def _pause(self, what: str, tries: int, error: Exception) -> int:
        log.warning("relay_lost", what=what, cause=type(error).__name__, tries=tries)
        self._ending.wait(BACKOFF[min(tries, len(BACKOFF) - 1)])
        return tries + 1
