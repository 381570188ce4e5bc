"""The migrations make exactly the tables the code believes in, on both databases."""

from __future__ import annotations

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from core.db import Database
from core.migrate import _config, is_current, newest, upgrade
from core.schema import metadata


def test_a_second_upgrade_changes_nothing(db: Database) -> None:
    assert is_current(db)
    assert upgrade(db) == (newest(), newest())


def test_schema_and_migrations_say_the_same(db: Database) -> None:
    with db.read() as tx:
        found = compare_metadata(MigrationContext.configure(tx, opts={"compare_type": True, "include_name": _ours}), metadata)
    assert [entry for entry in found if not _text_index(entry)] == []


def test_every_step_goes_back_and_forth(db: Database) -> None:
    with db.write() as tx:
        command.downgrade(_config(tx), "0001")
    with db.read() as tx:
        assert "calendar_feed" not in inspect(tx).get_table_names()
        assert "booking" in inspect(tx).get_table_names()
    assert upgrade(db) == ("0001", newest())
    test_schema_and_migrations_say_the_same(db)


def _ours(name: str | None, kind: str, _parents: object) -> bool:
    return not (kind == "table" and (name or "").startswith("product_text"))


def _text_index(entry: object) -> bool:
    return "product_text" in repr(entry)
