"""The migrations make exactly the tables the code believes in, on both databases."""

from __future__ import annotations

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from core import conversations
from core.db import Database
from core.engine import Engine
from core.migrate import downgrade, is_current, newest, upgrade
from core.schema import metadata


def test_a_second_upgrade_changes_nothing(db: Database) -> None:
    assert is_current(db)
    assert upgrade(db) == (newest(), newest())


def test_schema_and_migrations_say_the_same(db: Database) -> None:
    with db.read() as tx:
        found = compare_metadata(MigrationContext.configure(tx, opts={"compare_type": True, "include_name": _ours}), metadata)
    assert [entry for entry in found if not _text_index(entry)] == []


def test_every_migration_goes_back_and_forth(db: Database) -> None:
    downgrade(db, "base")
    assert not is_current(db)
    with db.read() as tx:
        assert set(inspect(tx).get_table_names()) <= {"alembic_version"}
    upgrade(db)
    test_schema_and_migrations_say_the_same(db)


def test_down_to_the_first_house_and_up_again_keeps_what_people_said(engine: Engine) -> None:
    conversation_id, _ = conversations.start(engine, channel="web", welcome=[{"type": "text", "text": "Hello"}])
    downgrade(engine.db, "0001")
    assert upgrade(engine.db) == ("0001", newest())
    with engine.db.read() as tx:
        found = compare_metadata(MigrationContext.configure(tx, opts={"compare_type": True, "include_name": _ours}), metadata)
        assert [row.data["parts"][0]["text"] for row in conversations.log_after(tx, conversation_id, 0)] == ["Hello"]
    assert [entry for entry in found if not _text_index(entry)] == []


def _ours(name: str | None, kind: str, _parents: object) -> bool:
    return not (kind == "table" and (name or "").startswith("product_text"))


def _text_index(entry: object) -> bool:
    return "product_text" in repr(entry)
