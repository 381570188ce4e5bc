"""What every test may ask for: a migrated database of either kind, an engine with a clock in hand, and builders."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from channels import logs
from core.db import Database
from core.engine import Engine
from core.migrate import upgrade
from tests.gateway import MemoryGateway
from tests.postgres import Postgres, database_name

logs.set_up()
NOW = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)  # a Wednesday


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What speaks to Stripe runs only when it is asked for by name; otherwise it is no part of the suite."""
    if "stripe_live" in (config.getoption("markexpr") or ""):
        return
    live = [item for item in items if item.get_closest_marker("stripe_live")]
    if live:
        config.hook.pytest_deselected(items=live)
        items[:] = [item for item in items if item not in live]


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self, at: datetime = NOW) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def forward(self, **by: float) -> None:
        self.at += timedelta(**by)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    server = Postgres()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty migrated SQLite file that tests copy: migrating takes longer than most tests."""
    path = tmp_path_factory.mktemp("schema") / "empty.db"
    database = Database(f"sqlite:///{path}")
    upgrade(database)
    database.close()
    return path


@pytest.fixture(scope="session")
def migrated_postgres(postgres: Postgres) -> str:
    """The name of an empty migrated database that tests are copied from."""
    url = postgres.fresh()
    database = Database(url)
    upgrade(database)
    database.close()
    return database_name(url)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A migrated, empty database; every test that asks for it runs on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        path = tmp_path / "test.db"
        shutil.copy(request.getfixturevalue("migrated_sqlite"), path)
        database = Database(f"sqlite:///{path}")
        yield database
        database.close()
        return
    server: Postgres = request.getfixturevalue("postgres")
    url = server.fresh(template=request.getfixturevalue("migrated_postgres"))
    database = Database(url)
    yield database
    database.close()
    server.drop(url)


@pytest.fixture
def sqlite(migrated_sqlite: Path, tmp_path: Path) -> Iterator[Database]:
    """The same on SQLite only, for what does not depend on the database."""
    path = tmp_path / "only.db"
    shutil.copy(migrated_sqlite, path)
    database = Database(f"sqlite:///{path}")
    yield database
    database.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def gateway() -> MemoryGateway:
    return MemoryGateway()


@pytest.fixture
def engine(db: Database, clock: Clock, gateway: MemoryGateway) -> Engine:
    return Engine(db=db, gateway=gateway, clock=clock)
