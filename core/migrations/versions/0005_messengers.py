"""Doors to other people's messengers: who is who there, what came in, what shows what, and who does the work."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

import core.types

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def _json() -> Any:
    return sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql")


def _moment() -> core.types.Moment:
    return core.types.Moment(timezone=True)


def upgrade() -> None:
    # plain ALTER TABLE on both databases: SQLite must not rebuild tables that others refer to
    op.add_column("conversation", sa.Column("watched", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("outbound", sa.Column("lane", sa.String(length=200), server_default="", nullable=False))
    op.add_column("outbound", sa.Column("progress", sa.Integer(), server_default="0", nullable=False))
    op.add_column("outbound", sa.Column("leased_until", _moment(), nullable=True))
    op.create_index("ix_outbound_lane", "outbound", ["lane", "state", "id"], unique=False)
    op.create_table(
        "channel_identity",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("workspace", sa.String(length=64), nullable=False),
        sa.Column("external_user_id", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=True),
        sa.Column("display_name", sa.String(length=200), server_default="", nullable=False),
        sa.Column("locale", sa.String(length=16), server_default="en", nullable=False),
        sa.Column("chat_id", sa.String(length=64), server_default="", nullable=False),
        sa.Column("blocked_at", _moment(), nullable=True),
        sa.Column("linked_at", _moment(), nullable=True),
        sa.Column("created_at", _moment(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_channel_identity_account_id_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_channel_identity")),
        sa.UniqueConstraint("channel", "workspace", "external_user_id", name=op.f("uq_channel_identity_channel")),
    )
    with op.batch_alter_table("channel_identity", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_channel_identity_account_id"), ["account_id"], unique=False)
    op.create_table(
        "place",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("workspace", sa.String(length=64), nullable=False),
        sa.Column("chat_id", sa.String(length=64), nullable=False),
        sa.Column("thread_id", sa.String(length=64), server_default="", nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("conversation_id", sa.String(length=64), nullable=True),
        sa.Column("shown_seq", sa.Integer(), server_default="0", nullable=False),
        sa.Column("state", _json(), nullable=False),
        sa.Column("created_at", _moment(), nullable=False),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversation.id"], name=op.f("fk_place_conversation_id_conversation")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_place")),
        sa.UniqueConstraint("channel", "workspace", "chat_id", "thread_id", name=op.f("uq_place_channel")),
    )
    with op.batch_alter_table("place", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_place_conversation_id"), ["conversation_id"], unique=False)
    op.create_table(
        "inbound",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("workspace", sa.String(length=64), nullable=False),
        sa.Column("event_id", sa.String(length=64), nullable=False),
        sa.Column("lane", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("payload", _json(), nullable=False),
        sa.Column("state", sa.String(length=10), server_default="new", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("error", sa.String(length=500), nullable=True),
        sa.Column("received_at", _moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbound")),
        sa.UniqueConstraint("channel", "workspace", "event_id", name=op.f("uq_inbound_channel")),
    )
    with op.batch_alter_table("inbound", schema=None) as batch_op:
        batch_op.create_index("ix_inbound_lane", ["state", "lane", "id"], unique=False)
    op.create_table(
        "message_ref",
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("workspace", sa.String(length=64), nullable=False),
        sa.Column("chat_id", sa.String(length=64), nullable=False),
        sa.Column("external_id", sa.String(length=64), nullable=False),
        sa.Column("conversation_id", sa.String(length=64), server_default="", nullable=False),
        sa.Column("seq", sa.Integer(), server_default="0", nullable=False),
        sa.Column("subject", sa.String(length=160), server_default="", nullable=False),
        sa.Column("version", sa.String(length=40), server_default="", nullable=False),
        sa.Column("created_at", _moment(), nullable=False),
        sa.PrimaryKeyConstraint("channel", "workspace", "chat_id", "external_id", name=op.f("pk_message_ref")),
    )
    with op.batch_alter_table("message_ref", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_message_ref_conversation_id"), ["conversation_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_message_ref_subject"), ["subject"], unique=False)
    op.create_table(
        "lease",
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("until", _moment(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_lease")),
    )


def downgrade() -> None:
    for table in ("lease", "message_ref", "inbound", "place", "channel_identity"):
        op.drop_table(table)
    op.drop_index("ix_outbound_lane", table_name="outbound")
    for name in ("leased_until", "progress", "lane"):
        op.drop_column("outbound", name)
    op.drop_column("conversation", "watched")
