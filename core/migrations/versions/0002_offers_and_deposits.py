"""Offers and quotes, fixed deposits, and changes of confirmed bookings."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

import core.types

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql")


def upgrade() -> None:
    op.add_column("provider", sa.Column("deposit_amount", sa.BigInteger(), nullable=True))
    op.add_column("product", sa.Column("deposit_amount", sa.BigInteger(), nullable=True))
    op.add_column("booking_request", sa.Column("kind", sa.String(length=10), server_default="request", nullable=False))
    op.create_table(
        "offer",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("request_id", sa.String(length=64), nullable=False),
        sa.Column("booking_id", sa.String(length=64), nullable=False),
        sa.Column("side", sa.String(length=10), nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("local_date", sa.Date(), nullable=False),
        sa.Column("end_date", sa.Date(), nullable=True),
        sa.Column("local_start", sa.String(length=5), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("message", sa.String(length=1000), server_default="", nullable=False),
        sa.Column("valid_until", core.types.Moment(timezone=True), nullable=False),
        sa.Column("made_by", sa.String(length=64), nullable=False),
        sa.Column("made_at", core.types.Moment(timezone=True), nullable=False),
        sa.Column("decided_by", sa.String(length=64), nullable=True),
        sa.Column("decided_at", core.types.Moment(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["booking_id"], ["booking.id"], name=op.f("fk_offer_booking_id_booking")),
        sa.ForeignKeyConstraint(["request_id"], ["booking_request.id"], name=op.f("fk_offer_request_id_booking_request")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_offer")),
    )
    op.create_index(op.f("ix_offer_booking_id"), "offer", ["booking_id"])
    op.create_index(op.f("ix_offer_request_id"), "offer", ["request_id"])
    op.create_index("ix_offer_open", "offer", ["status", "valid_until"])
    open_offer = sa.text("status = 'offered'")
    op.create_index("one_open_offer", "offer", ["request_id"], unique=True, sqlite_where=open_offer, postgresql_where=open_offer)
    op.create_table(
        "booking_change",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("booking_id", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("terms", JSON, nullable=False),
        sa.Column("difference", sa.BigInteger(), nullable=False),
        sa.Column("payment_id", sa.String(length=64), nullable=True),
        sa.Column("expires_at", core.types.Moment(timezone=True), nullable=False),
        sa.Column("made_by", sa.String(length=64), nullable=False),
        sa.Column("created_at", core.types.Moment(timezone=True), nullable=False),
        sa.Column("applied_at", core.types.Moment(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["booking_id"], ["booking.id"], name=op.f("fk_booking_change_booking_id_booking")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_booking_change")),
    )
    op.create_index(op.f("ix_booking_change_booking_id"), "booking_change", ["booking_id"])
    waiting = sa.text("status = 'waiting'")
    op.create_index("one_waiting_change", "booking_change", ["booking_id"], unique=True, sqlite_where=waiting, postgresql_where=waiting)


def downgrade() -> None:
    op.drop_table("booking_change")
    op.drop_table("offer")
    op.drop_column("booking_request", "kind")
    op.drop_column("product", "deposit_amount")
    op.drop_column("provider", "deposit_amount")
