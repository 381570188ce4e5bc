"""Signed links, experts with teams and presence, saved replies, and what a handoff remembers of its way."""

from __future__ import annotations

import secrets

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

import core.types

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql")
HANDOFF = ("unattended_at", "desk", "transfers", "wanted_expert_id", "destination", "language", "triggers")


def upgrade() -> None:
    op.add_column("account", sa.Column("links_epoch", sa.Integer(), server_default="0", nullable=False))
    keys = op.create_table(
        "house_key",
        sa.Column("name", sa.String(length=20), nullable=False),
        sa.Column("secret", sa.String(length=128), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_house_key")),
    )
    op.bulk_insert(keys, [{"name": "links", "secret": secrets.token_hex(32)}])
    op.create_table(
        "team",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("time_zone", sa.String(length=64), server_default="UTC", nullable=False),
        sa.Column("hours", JSON, nullable=False),
        sa.Column("holidays", JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_team")),
    )
    op.create_table(
        "expert",
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("team_id", sa.String(length=64), nullable=True),
        sa.Column("languages", JSON, nullable=False),
        sa.Column("destinations", JSON, nullable=False),
        sa.Column("capacity", sa.Integer(), server_default="5", nullable=False),
        sa.Column("away", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.Column("seen_at", core.types.Moment(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_expert_account_id_account")),
        sa.ForeignKeyConstraint(["team_id"], ["team.id"], name=op.f("fk_expert_team_id_team")),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_expert")),
    )
    op.create_index(op.f("ix_expert_team_id"), "expert", ["team_id"])
    op.create_table(
        "saved_reply",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("body", sa.String(length=2000), nullable=False),
        sa.Column("locale", sa.String(length=16), server_default="en", nullable=False),
        sa.Column("created_by", sa.String(length=64), server_default="", nullable=False),
        sa.Column("created_at", core.types.Moment(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_saved_reply")),
    )
    op.add_column("handoff", sa.Column("triggers", JSON, nullable=True))
    op.add_column("handoff", sa.Column("language", sa.String(length=16), server_default="en", nullable=False))
    op.add_column("handoff", sa.Column("destination", sa.String(length=64), server_default="", nullable=False))
    op.add_column("handoff", sa.Column("wanted_expert_id", sa.String(length=64), nullable=True))
    op.add_column("handoff", sa.Column("transfers", sa.Integer(), server_default="0", nullable=False))
    op.add_column("handoff", sa.Column("desk", sa.String(length=20), server_default="", nullable=False))
    op.add_column("handoff", sa.Column("unattended_at", core.types.Moment(timezone=True), nullable=True))


def downgrade() -> None:
    op.execute("UPDATE handoff SET status = 'queued' WHERE status = 'unattended'")
    for name in HANDOFF:
        op.drop_column("handoff", name)
    op.drop_table("saved_reply")
    op.drop_table("expert")
    op.drop_table("team")
    op.drop_table("house_key")
    op.drop_column("account", "links_epoch")
