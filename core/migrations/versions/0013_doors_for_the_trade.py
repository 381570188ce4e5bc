"""Doors for the trade: what resellers book over OCTO, settled by invoice."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

import core.types

revision = "0013"
down_revision = "0011"
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


def downgrade() -> None:
    op.drop_table("reseller_booking")
    op.drop_column("booking", "invoiced_to")
