"""Backups made while people buy are whole and agree with themselves; what is not whole is never brought back."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from channels import backup
from core.db import Database
from core.engine import Engine
from core.errors import Refused
from core.payments import collect
from core.schema import booking, message
from tests import builders
from tests.gateway import MemoryGateway

AT = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)


@pytest.fixture
def bin(request: pytest.FixtureRequest, db: Database) -> Path | None:
    return request.getfixturevalue("postgres").bin if db.dialect == "postgresql" else None


@pytest.fixture
def empty(request: pytest.FixtureRequest, db: Database, tmp_path: Path) -> Iterator[Database]:
    """A database of the same kind with nothing in it."""
    postgres: Any = request.getfixturevalue("postgres") if db.dialect == "postgresql" else None
    database = Database(postgres.fresh() if postgres else f"sqlite:///{tmp_path / 'restored' / 'traveloure.db'}")
    yield database
    database.close()


def buy(engine: Engine, gateway: MemoryGateway, number: int) -> None:
    payment_id = builders.buy(engine, actor=builders.traveler(engine, email=f"p{number}@example.com"), people=1)
    collect.ensure_link(engine, payment_id)
    gateway.pay(str(builders.payment_row(engine.db, payment_id).session_id))
    collect.sync(engine, payment_id)


def count(db: Database, table: Any) -> int:
    with db.read() as tx:
        return int(tx.execute(select(func.count()).select_from(table)).scalar_one())


def test_a_backup_under_load_comes_back_and_agrees(
    engine: Engine, gateway: MemoryGateway, empty: Database, bin: Path | None, tmp_path: Path
) -> None:
    builders.products(engine, places=500)
    data = tmp_path / "var"
    (data / "uploads" / "c1").mkdir(parents=True)
    (data / "uploads" / "c1" / "photo").write_bytes(b"\x89PNG and so on")
    for number in range(3):
        buy(engine, gateway, number)
    stop, bought = threading.Event(), [3]

    def keep_buying() -> None:
        while not stop.is_set():
            buy(engine, gateway, bought[0])
            bought[0] += 1

    buyer = threading.Thread(target=keep_buying)
    buyer.start()
    try:
        made = backup.make(engine.db, data, tmp_path / "backups", AT, binaries=bin)
    finally:
        stop.set()
        buyer.join()
    assert made.name == "traveloure-20261125T030000Z"
    elsewhere = tmp_path / "elsewhere"
    done = backup.restore(empty, elsewhere, made, binaries=bin)
    assert done.wrong == ()
    assert 3 <= count(empty, booking) <= bought[0]
    assert done.rows == count(empty, message)
    assert (elsewhere / "uploads" / "c1" / "photo").read_bytes() == b"\x89PNG and so on"
    again = Engine(db=empty, gateway=gateway, clock=engine.clock)
    buy(again, gateway, 999)  # and it sells on


def test_it_goes_back_only_into_an_empty_place(engine: Engine, empty: Database, bin: Path | None, tmp_path: Path) -> None:
    builders.products(engine)
    made = backup.make(engine.db, tmp_path / "var", tmp_path / "backups", AT, binaries=bin)
    with pytest.raises(Refused, match="not empty"):
        backup.restore(engine.db, tmp_path / "var", made, binaries=bin)
    with pytest.raises(Refused, match="already"):
        backup.make(engine.db, tmp_path / "var", tmp_path / "backups", AT, binaries=bin)
    (tmp_path / "full" / "uploads").mkdir(parents=True)
    (tmp_path / "full" / "uploads" / "x").write_text("x")
    with pytest.raises(Refused, match="files"):
        backup.restore(empty, tmp_path / "full", made, binaries=bin)
    assert backup.restore(empty, tmp_path / "other", made, binaries=bin).wrong == ()


def test_what_is_damaged_stays_out(sqlite: Database, tmp_path: Path) -> None:
    made = backup.make(sqlite, tmp_path / "var", tmp_path / "backups", AT)
    empty = Database(f"sqlite:///{tmp_path / 'empty.db'}")
    manifest = json.loads((made / "manifest.json").read_text())

    def refused(words: str) -> None:
        with pytest.raises(Refused, match=words):
            backup.restore(empty, tmp_path / "there", made)

    def write(**changed: Any) -> None:
        (made / "manifest.json").write_text(json.dumps({**manifest, **changed}))

    write(schema="9999")
    refused("newer version")
    write(database="postgresql")
    refused("not whole")
    write(files={**manifest["files"], "../outside": "0"})
    refused("missing")
    (made / "manifest.json").write_text("{")
    refused("no backup")
    write()
    with (made / "database.sqlite3").open("r+b") as file:
        file.seek(4096)
        file.write(b"\x00\x01\x02")
    refused("damaged")
    (made / "database.sqlite3").unlink()
    refused("missing")
    empty.close()


@pytest.mark.postgresql
def test_a_failing_program_is_said_and_leaves_no_backup(postgres: Any, tmp_path: Path) -> None:
    database = Database(postgres.fresh())
    program = tmp_path / "pg_dump"
    program.write_text("#!/bin/sh\necho 'the disk is full' >&2\nexit 1\n")
    program.chmod(0o755)
    with pytest.raises(Refused, match="the disk is full"):
        backup.make(database, tmp_path, tmp_path / "backups", AT, binaries=tmp_path)
    assert [one.suffix for one in (tmp_path / "backups").iterdir()] == [".part"]
    database.close()
