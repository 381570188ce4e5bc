"""Runs migrations on the connection core/migrate.py hands in."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from core.schema import metadata

connection: Connection | None = context.config.attributes.get("connection")
if connection is None:
    raise SystemExit("Run migrations with `traveloure migrate`, which knows the database.")

context.configure(connection=connection, target_metadata=metadata, render_as_batch=True, compare_type=True)
with context.begin_transaction():
    context.run_migrations()
