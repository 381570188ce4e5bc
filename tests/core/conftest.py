"""The demo marketplace, loaded once for every test that only reads it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.catalogue_files import DEMO, import_files
from core.db import Database
from core.engine import Engine
from tests.conftest import NOW, Clock
from tests.gateway import MemoryGateway
from tests.postgres import Postgres


@pytest.fixture(scope="session", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def demo(request: pytest.FixtureRequest, migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine on the demo marketplace, on either database. For reading only."""
    if request.param == "sqlite":
        path = tmp_path_factory.mktemp("demo") / "demo.db"
        shutil.copy(migrated_sqlite, path)
        url = f"sqlite:///{path}"
    else:
        server: Postgres = request.getfixturevalue("postgres")
        url = server.fresh(template=request.getfixturevalue("migrated_postgres"))
    database = Database(url)
    report = import_files(database, [DEMO], NOW)
    assert report.problems == ()
    yield Engine(db=database, gateway=MemoryGateway(), clock=Clock())
    database.close()
