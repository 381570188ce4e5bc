"""Bring a database to the newest schema; the migrations are the only place a table is ever made."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from core.db import Database

MIGRATIONS = Path(__file__).parent / "migrations"
ADVISORY_KEY = 7_246_113  # any number, the same in every process


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def upgrade(database: Database) -> tuple[str | None, str | None]:
    """Migrate to the newest revision; returns (before, after). Two processes at once wait for each other."""
    with database.write() as tx:
        if tx.dialect.name == "postgresql":
            tx.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_KEY})
        before = MigrationContext.configure(tx).get_current_revision()
        if before != newest():
            command.upgrade(_config(tx), "head")
        return before, MigrationContext.configure(tx).get_current_revision()


def downgrade(database: Database, revision: str) -> None:
    """Go back to a revision ("base": no tables at all). What later tables held is gone; take a backup first."""
    with database.write() as tx:
        command.downgrade(_config(tx), revision)


def newest() -> str | None:
    return ScriptDirectory.from_config(_config()).get_current_head()


def is_current(database: Database) -> bool:
    with database.read() as tx:
        return MigrationContext.configure(tx).get_current_revision() == newest()
