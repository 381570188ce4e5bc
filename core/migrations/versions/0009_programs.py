"""Tokens of programs that speak for one account in one role, and what is remembered of a traveler who agreed to it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql")


def upgrade() -> None:
    op.add_column("session", sa.Column("role", sa.String(length=20), server_default="", nullable=False))
    op.add_column("session", sa.Column("label", sa.String(length=80), server_default="", nullable=False))
    op.add_column("account", sa.Column("may_remember", sa.Boolean(), nullable=True))
    op.add_column("account", sa.Column("remembered", JSON, nullable=True))


def downgrade() -> None:
    op.drop_column("account", "remembered")
    op.drop_column("account", "may_remember")
    op.execute("DELETE FROM session WHERE kind = 'program'")
    op.drop_column("session", "label")
    op.drop_column("session", "role")
