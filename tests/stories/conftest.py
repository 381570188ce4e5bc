"""The whole house on a loopback port: web door, worker, payment sandbox, a small market and its people."""

from __future__ import annotations

import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from channels import demo
from channels.house import House
from channels.main import build, web
from channels.settings import Settings
from channels.web.serve import server
from core.people import sign_in_link
from tests import market
from tests.channels.conftest import wait_for
from tests.postgres import Postgres


@dataclass
class Running:
    house: House
    url: str

    def sign_in(self, role: str) -> str:
        """A one-click link for the demo provider, expert or operator."""
        return f"{self.url}/signin/{sign_in_link(self.house.engine, f'demo-{role}')}"


@contextmanager
def whole_house(data: Path, database_url: str = "", *, phone: bool = False) -> Iterator[Running]:
    """Built by the composition root as in production: the real Stripe adapter talks to the sandbox over HTTP. With `phone` as the demo,
    whose messengers and mail are played on pages."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = Settings(_env_file=None, TRAVELOURE_DATA=data, PORT=port, DATABASE_URL=database_url)  # type: ignore[call-arg]
    house = build(settings)
    market.load(house.engine, data)
    demo.ensure_people(house.engine)
    door = server(house, web(house, pace=0.0, phone=phone), log_level="error")
    thread = threading.Thread(target=door.run, daemon=True)
    thread.start()
    try:
        wait_for(lambda: door.started, 30)
        yield Running(house, settings.base_url)
    finally:
        door.should_exit = True
        thread.join(15)
        house.close()
        assert not thread.is_alive(), "the server did not stop"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def running(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Running]:
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("migrated_sqlite"), tmp_path / "traveloure.db")
        with whole_house(tmp_path) as one:
            yield one
        return
    postgres: Postgres = request.getfixturevalue("postgres")
    url = postgres.fresh(template=request.getfixturevalue("migrated_postgres"))
    with whole_house(tmp_path, url) as one:
        yield one
    postgres.drop(url)


@pytest.fixture
def running_sqlite(migrated_sqlite: Path, tmp_path: Path) -> Iterator[Running]:
    shutil.copy(migrated_sqlite, tmp_path / "traveloure.db")
    with whole_house(tmp_path) as one:
        yield one
