"""Calendars of other places, read and shared; what was said of a thing, found in the audit log; the words of what is on sale."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

import core.types

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "calendar_feed",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("provider_id", sa.String(length=64), nullable=False),
        sa.Column("resource_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("etag", sa.String(length=300), server_default="", nullable=False),
        sa.Column("last_modified", sa.String(length=100), server_default="", nullable=False),
        sa.Column("events", sa.Integer(), server_default="0", nullable=False),
        sa.Column("error", sa.String(length=300), server_default="", nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("conflicts", sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"), nullable=False),
        sa.Column("checked_at", core.types.Moment(timezone=True), nullable=True),
        sa.Column("taken_at", core.types.Moment(timezone=True), nullable=True),
        sa.Column("next_at", core.types.Moment(timezone=True), nullable=False),
        sa.Column("created_by", sa.String(length=64), server_default="", nullable=False),
        sa.Column("created_at", core.types.Moment(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["provider_id"], ["provider.id"], name=op.f("fk_calendar_feed_provider_id_provider")),
        sa.ForeignKeyConstraint(["resource_id"], ["resource.id"], name=op.f("fk_calendar_feed_resource_id_resource")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calendar_feed")),
    )
    op.create_index(op.f("ix_calendar_feed_provider_id"), "calendar_feed", ["provider_id"])
    op.create_index(op.f("ix_calendar_feed_resource_id"), "calendar_feed", ["resource_id"])
    op.create_index("ix_calendar_feed_due", "calendar_feed", ["next_at"])
    op.create_table(
        "calendar_link",
        sa.Column("token", sa.String(length=64), nullable=False),
        sa.Column("provider_id", sa.String(length=64), nullable=False),
        sa.Column("resource_id", sa.String(length=64), nullable=False),
        sa.Column("option_id", sa.String(length=64), nullable=True),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("created_by", sa.String(length=64), server_default="", nullable=False),
        sa.Column("created_at", core.types.Moment(timezone=True), nullable=False),
        sa.Column("revoked_at", core.types.Moment(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["provider_id"], ["provider.id"], name=op.f("fk_calendar_link_provider_id_provider")),
        sa.ForeignKeyConstraint(["resource_id"], ["resource.id"], name=op.f("fk_calendar_link_resource_id_resource")),
        sa.ForeignKeyConstraint(["option_id"], ["option.id"], name=op.f("fk_calendar_link_option_id_option")),
        sa.PrimaryKeyConstraint("token", name=op.f("pk_calendar_link")),
    )
    op.create_index(op.f("ix_calendar_link_provider_id"), "calendar_link", ["provider_id"])
    op.create_index(op.f("ix_calendar_link_resource_id"), "calendar_link", ["resource_id"])
    op.create_index("ix_audit_log_subject", "audit_log", ["subject", "id"])
    op.create_table(
        "search_term",
        sa.Column("term", sa.String(length=40), nullable=False),
        sa.Column("docs", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("term", name=op.f("pk_search_term")),
    )


def downgrade() -> None:
    op.drop_table("search_term")
    op.drop_index("ix_audit_log_subject", table_name="audit_log")
    op.drop_table("calendar_link")
    op.drop_table("calendar_feed")
