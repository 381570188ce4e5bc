"""Doors for the trade: what resellers book over OCTO, settled by invoice, and webhooks out with their deliveries, partners' conversions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

import core.types

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
MOMENT = core.types.Moment(timezone=True)


def upgrade() -> None:
    op.add_column("booking", sa.Column("invoiced_to", sa.String(64), nullable=True))
    op.create_table(
        "reseller_booking",
        sa.Column("account_id", sa.String(64), nullable=False),
        sa.Column("uuid", sa.String(36), nullable=False),
        sa.Column("booking_id", sa.String(64), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("reference", sa.String(120), server_default="", nullable=False),
        sa.Column("unit_items", JSON, nullable=False),
        sa.Column("guest", JSON, nullable=False),
        sa.Column("notes", sa.String(1000), server_default="", nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_reseller_booking_account_id_account")),
        sa.PrimaryKeyConstraint("account_id", "uuid", name=op.f("pk_reseller_booking")),
        sa.UniqueConstraint("booking_id", name=op.f("uq_reseller_booking_booking_id")),
    )
    op.create_table(
        "hook",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("account_id", sa.String(64), nullable=False),
        sa.Column("provider_id", sa.String(64), server_default="", nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("events", JSON, nullable=False),
        sa.Column("secret", sa.String(80), nullable=False),
        sa.Column("failing_since", MOMENT, nullable=True),
        sa.Column("disabled_at", MOMENT, nullable=True),
        sa.Column("disabled_why", sa.String(200), server_default="", nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_hook_account_id_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hook")),
    )
    op.create_index(op.f("ix_hook_account_id"), "hook", ["account_id"])
    op.create_index(op.f("ix_hook_provider_id"), "hook", ["provider_id"])
    op.create_table(
        "hook_delivery",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("hook_id", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("error", sa.String(300), server_default="", nullable=False),
        sa.Column("tried_at", MOMENT, nullable=True),
        sa.Column("next_at", MOMENT, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["hook_id"], ["hook.id"], name=op.f("fk_hook_delivery_hook_id_hook")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hook_delivery")),
    )
    op.create_index("ix_hook_delivery_hook", "hook_delivery", ["hook_id", "created_at"])
    op.create_index("ix_hook_delivery_due", "hook_delivery", ["state", "next_at"])
    op.create_table(
        "affiliate_conversion",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("partner", sa.String(40), nullable=False),
        sa.Column("txn", sa.String(120), nullable=False),
        sa.Column("link_id", sa.String(64), nullable=True),
        sa.Column("click_id", sa.String(32), nullable=True),
        *_told(),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_affiliate_conversion")),
        sa.UniqueConstraint("partner", "txn", name=op.f("uq_affiliate_conversion_partner")),
    )
    op.create_index(op.f("ix_affiliate_conversion_link_id"), "affiliate_conversion", ["link_id"])
    op.create_table(
        "affiliate_conversion_line",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("conversion_id", sa.String(64), nullable=False),
        *_told(),
        sa.Column("source", sa.String(10), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["conversion_id"], ["affiliate_conversion.id"], name=op.f("fk_affiliate_conversion_line_conversion_id_affiliate_conversion")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_affiliate_conversion_line")),
    )
    op.create_index(op.f("ix_affiliate_conversion_line_conversion_id"), "affiliate_conversion_line", ["conversion_id"])
    op.create_table(
        "affiliate_cursor",
        sa.Column("partner", sa.String(40), nullable=False),
        sa.Column("cursor", sa.Text(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("partner", name=op.f("pk_affiliate_cursor")),
    )


def _told() -> tuple[sa.Column[str], sa.Column[str], sa.Column[int], sa.Column[int]]:
    return (
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("commission", sa.BigInteger(), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("affiliate_cursor")
    op.drop_table("affiliate_conversion_line")
    op.drop_table("affiliate_conversion")
    op.drop_table("hook_delivery")
    op.drop_table("hook")
    op.drop_table("reseller_booking")
    op.drop_column("booking", "invoiced_to")
