"""Several processes on one database wake each other, over PostgreSQL and over Redis, and heal after a lost connection."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from fakeredis import TcpFakeServer

from channels.bus import TOUCH, Bus
from channels.relay import CHANNEL, PostgresWire, RedisWire, Relay, Wire
from core.db import Database
from tests.sandbox import open_socket

Make = Callable[[], Wire]


@pytest.fixture(params=[pytest.param("postgresql", marks=pytest.mark.postgresql), "redis"])
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    """A new wire of the same place, each time it is called."""
    if request.param == "postgresql":
        postgres = request.getfixturevalue("postgres")
        database = Database(postgres.fresh())
        yield lambda: PostgresWire(database.url)
        database.close()
        return
    listener = open_socket()
    address = listener.getsockname()
    listener.close()
    TcpFakeServer.allow_reuse_address = True
    server = TcpFakeServer(address, server_type="redis")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield lambda: RedisWire(f"redis://127.0.0.1:{address[1]}/0")
    server.shutdown()
    server.server_close()


@contextmanager
def relayed(wire: Wire) -> Iterator[Bus]:
    bus = Bus()
    relay = Relay(bus, wire)
    relay.start()
    assert relay.listening.wait(10)
    try:
        yield bus
    finally:
        relay.close()


async def heard(bus: Bus, topic: str, do: Callable[[], None], count: int) -> list[Mapping[str, Any] | None]:
    with bus.subscribe(topic) as subscription:
        do()
        return [await asyncio.wait_for(subscription.get(), 10) for _ in range(count)]


def test_what_one_process_announces_wakes_the_pages_of_another(make: Make) -> None:
    delta = {"kind": "delta", "data": {"text": "Olá \u2013 there"}}
    with relayed(make()) as one, relayed(make()) as other:

        def say() -> None:
            one.publish("conversation:c1", delta)
            one.publish("conversation:c2", delta)
            one.publish("conversation:c1")

        assert asyncio.run(heard(other, "conversation:c1", say, 2)) == [delta, TOUCH]


def test_nobody_hears_themselves_twice(make: Make) -> None:
    async def listen(one: Bus, other: Bus) -> bool:
        with one.subscribe("desk") as mine, other.subscribe("desk") as theirs:
            one.publish("desk")
            await asyncio.wait_for(theirs.get(), 10)
            await asyncio.wait_for(mine.get(), 10)
            await asyncio.sleep(0.3)
            return mine.pending() or theirs.pending()

    with relayed(make()) as one, relayed(make()) as other:
        assert asyncio.run(listen(one, other)) is False


def test_what_is_too_long_to_be_carried_arrives_as_a_touch(make: Make) -> None:
    long = {"kind": "delta", "data": {"text": "\u00e9" * 8_000}}
    with relayed(make()) as one, relayed(make()) as other:
        assert asyncio.run(heard(other, "conversation:c1", lambda: one.publish("conversation:c1", long), 1)) == [TOUCH]


@pytest.mark.postgresql
def test_a_connection_that_broke_is_made_again_and_everybody_looks(postgres: Any) -> None:
    database = Database(postgres.fresh())
    plain = database.url.set(drivername="postgresql").render_as_string(hide_password=False)

    async def cut(bus: Bus) -> Mapping[str, Any] | None:
        with bus.subscribe("desk") as subscription:
            with psycopg.connect(plain, autocommit=True) as operator:
                operator.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND query LIKE 'LISTEN%'"
                )
            return await asyncio.wait_for(subscription.get(), 10)

    with relayed(PostgresWire(database.url)) as bus:
        assert asyncio.run(cut(bus)) == TOUCH
        with relayed(PostgresWire(database.url)) as other:
            assert asyncio.run(heard(bus, "desk", lambda: other.publish("desk"), 1)) == [TOUCH]
    database.close()


@pytest.mark.postgresql
def test_words_of_strangers_on_the_channel_do_no_harm(postgres: Any) -> None:
    database = Database(postgres.fresh())
    plain = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with relayed(PostgresWire(database.url)) as one, relayed(PostgresWire(database.url)) as other:
        with psycopg.connect(plain, autocommit=True) as stranger:
            for words in ("", "{", "[1]", '"text"', '{"a":1}'):
                stranger.execute("SELECT pg_notify(%s, %s)", (CHANNEL, words))
        assert asyncio.run(heard(other, "desk", lambda: one.publish("desk"), 1)) == [TOUCH]
    database.close()


def test_closing_is_quick_and_leaves_no_thread() -> None:
    class Silent:
        lost: tuple[type[Exception], ...] = (OSError,)

        def send(self, payloads: Any) -> None:
            raise OSError("nobody there")

        def receive(self) -> Iterator[str | None]:
            raise OSError("nobody there")
            yield None

        def close(self) -> None:
            return

    bus = Bus()
    relay = Relay(bus, Silent())
    relay.start()
    bus.publish("desk")
    began = time.monotonic()
    relay.close()
    assert time.monotonic() - began < 4
    assert not [one for one in threading.enumerate() if one.name.startswith("relay-")]
    bus.publish("desk")
