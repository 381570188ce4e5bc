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
def reused_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """One engine for all tests on SQLite: its file is new for each, what it knows of our statements is kept."""
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('reused') / 'test.db'}")
    yield database
    database.close()


@pytest.fixture(scope="session")
def second_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """Another like it, for a test that needs two."""
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('second') / 'test.db'}")
    yield database
    database.close()


def emptied(database: Database, empty: Path) -> Iterator[Database]:
    """`database` on a fresh copy of the file `empty`, with no connection and no listener of the test before."""
    path = Path(database.url.database or "")
    database._engine.dispose()
    database._listeners.clear()
    for name in (f"{path}-wal", f"{path}-shm"):
        Path(name).unlink(missing_ok=True)
    path.unlink(missing_ok=True)
    shutil.copy(empty, path)
    yield database
    database._engine.dispose()


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
        yield from emptied(request.getfixturevalue("reused_sqlite"), request.getfixturevalue("migrated_sqlite"))
        return
    server: Postgres = request.getfixturevalue("postgres")
    url = server.fresh(template=request.getfixturevalue("migrated_postgres"))
    database = Database(url)
    yield database
    database.close()
    server.drop(url)


@pytest.fixture
def sqlite(second_sqlite: Database, migrated_sqlite: Path) -> Iterator[Database]:
    """The same on SQLite only, for what does not depend on the database; not the one that `db` is."""
    yield from emptied(second_sqlite, migrated_sqlite)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def gateway() -> MemoryGateway:
    return MemoryGateway()


@pytest.fixture
def engine(db: Database, clock: Clock, gateway: MemoryGateway) -> Engine:
    return Engine(db=db, gateway=gateway, clock=clock)
