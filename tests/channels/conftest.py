"""A house with a real web server on a loopback port, for everything that speaks HTTP."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from channels.bus import Bus
from channels.house import House
from channels.settings import Settings
from channels.web.app import create_app
from channels.web.limits import Allowance
from channels.web.serve import Server, server
from core import conversations, people
from core.db import Database
from core.engine import Engine
from tests.conftest import Clock
from tests.gateway import MemoryGateway

GENEROUS = Allowance(
    sessions="1000/minute",
    messages="1000/minute",
    typing="1000/minute",
    uploads="1000/minute",
    streams="1000/minute",
    sign_ins="1000/minute",
)


def wait_for(what: Callable[[], Any], seconds: float = 10) -> Any:
    """Ask until the answer is true; the pause between two questions is short and nothing depends on its length."""
    until = time.monotonic() + seconds
    while True:
        answer = what()
        if answer:
            return answer
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.01)


@dataclass
class Live:
    """A running web door and the house behind it."""

    house: House
    server: Server
    port: int
    clients: list[httpx.Client] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, **headers: str) -> httpx.Client:
        self.clients.append(httpx.Client(base_url=self.url, headers=headers, timeout=15))
        return self.clients[-1]

    def session(self) -> tuple[httpx.Client, str]:
        """A visitor's client with its token, and the conversation's id."""
        with self.client() as anyone:
            made = anyone.post("/chat/v1/session", json={}).json()
        return self.client(authorization=f"Bearer {made['token']}"), made["conversation"]

    def say(self, conversation_id: str, role: str, *parts: dict[str, Any], behind_the_bus: bool = False, **values: Any) -> int:
        """Write a line of the log directly, as a worker would."""
        engine = self.house.engine
        with engine.db.write() as tx:
            seq = conversations.append(tx, conversation_id, role, parts, now=engine.clock(), **values)
            if behind_the_bus:
                tx.info["announced"].clear()
        return seq

    def person(self, name: str, role: str, provider_id: str = "") -> httpx.Client:
        """Somebody signed in at a console; posts carry the proof."""
        engine = self.house.engine
        with engine.db.write() as tx:
            account_id = people.new_account(tx, engine.clock(), name=name, email=f"{name.split()[0].lower()}@example.com", visitor=False)
            people.grant(tx, account_id, role, provider_id)
        token = people.redeem_sign_in(engine, people.sign_in_link(engine, account_id))
        return self.seated(token)

    def seated(self, token: str) -> httpx.Client:
        from channels.web.session import COOKIE, csrf_of

        client = self.client(**{"x-csrf-token": csrf_of(token)})
        client.cookies.set(COOKIE, token, domain="127.0.0.1")
        return client


@contextmanager
def running(house: House, *, port: int = 0, allowance: Allowance = GENEROUS) -> Iterator[Live]:
    app = create_app(house, allowance=allowance)
    web = server(house, app, host="127.0.0.1", port=port)
    thread = threading.Thread(target=web.run, daemon=True)
    thread.start()
    wait_for(lambda: web.started or not thread.is_alive())
    bound = web.servers[0].sockets[0].getsockname()[1]
    live = Live(house, web, bound)
    try:
        yield live
    finally:
        for client in live.clients:
            client.close()
        web.should_exit = True
        thread.join(10)
        assert not thread.is_alive(), "the server did not stop"


def build_house(
    database: Database, data_dir: Path, gateway: MemoryGateway | None = None, clock: Clock | None = None, **settings: Any
) -> House:
    bus = Bus()
    database.listen(bus.announced)
    made = Settings(_env_file=None, TRAVELOURE_DATA=data_dir, **settings)
    engine = Engine(db=database, gateway=gateway or MemoryGateway(), clock=clock or Clock())
    return House(made, engine, bus)


@pytest.fixture
def house(sqlite: Database, tmp_path: Path, gateway: MemoryGateway) -> House:
    return build_house(sqlite, tmp_path, gateway)


@pytest.fixture
def live(house: House) -> Iterator[Live]:
    with running(house) as one:
        yield one
