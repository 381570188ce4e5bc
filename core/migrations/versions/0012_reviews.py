"""Reviews: what travelers say of what they attended, the provider's answer, and that each booking is asked about once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import core.types

revision = "0012"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "review",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("booking_id", sa.String(length=64), nullable=False),
        sa.Column("product_id", sa.String(length=64), nullable=False),
        sa.Column("provider_id", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("stars", sa.SmallInteger(), nullable=False),
        sa.Column("text", sa.String(length=2000), server_default="", nullable=False),
        sa.Column("created_at", core.types.Moment(timezone=True), nullable=False),
        sa.Column("changed_at", core.types.Moment(timezone=True), nullable=False),
        sa.Column("answer", sa.String(length=2000), server_default="", nullable=False),
        sa.Column("answered_by", sa.String(length=64), nullable=True),
        sa.Column("answered_at", core.types.Moment(timezone=True), nullable=True),
        sa.Column("hidden_reason", sa.String(length=300), server_default="", nullable=False),
        sa.Column("hidden_by", sa.String(length=64), nullable=True),
        sa.Column("hidden_at", core.types.Moment(timezone=True), nullable=True),
        sa.CheckConstraint("stars BETWEEN 1 AND 5", name=op.f("ck_review_stars")),
        sa.ForeignKeyConstraint(["booking_id"], ["booking.id"], name=op.f("fk_review_booking_id_booking")),
        sa.ForeignKeyConstraint(["product_id"], ["product.id"], name=op.f("fk_review_product_id_product")),
        sa.ForeignKeyConstraint(["provider_id"], ["provider.id"], name=op.f("fk_review_provider_id_provider")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_review_account_id_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_review")),
        sa.UniqueConstraint("booking_id", name=op.f("uq_review_booking_id")),
    )
    op.create_index("ix_review_product", "review", ["product_id", "created_at"])
    op.create_index(op.f("ix_review_provider_id"), "review", ["provider_id"])
    op.create_index(op.f("ix_review_account_id"), "review", ["account_id"])
    op.add_column("booking", sa.Column("review_asked_at", core.types.Moment(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("booking", "review_asked_at")
    op.drop_table("review")
