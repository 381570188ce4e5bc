"""Who can be paid out, disputes, and the moments at which shares fall due."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

import core.types

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql")


def upgrade() -> None:
    op.drop_column("provider", "gateway_ready")
    op.drop_column("provider", "gateway_account")
    op.create_index("ix_share_due", "share", ["due_at"])
    op.create_index("ix_share_party", "share", ["party", "party_id"])
    op.create_table(
        "payee",
        sa.Column("party", sa.String(length=12), nullable=False),
        sa.Column("party_id", sa.String(length=64), nullable=False),
        sa.Column("account", sa.String(length=128), nullable=True),
        sa.Column("attempt", sa.Integer(), server_default="0", nullable=False),
        sa.Column("frozen", JSON, nullable=False),
        sa.Column("state", sa.String(length=12), server_default="new", nullable=False),
        sa.Column("needs", JSON, nullable=False),
        sa.Column("created_at", core.types.Moment(timezone=True), nullable=False),
        sa.Column("checked_at", core.types.Moment(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("party", "party_id", name=op.f("pk_payee")),
        sa.UniqueConstraint("account", name=op.f("uq_payee_account")),
    )
    op.create_table(
        "dispute",
        sa.Column("id", sa.String(length=128), nullable=False),
        sa.Column("payment_id", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=24), nullable=False),
        sa.Column("reason", sa.String(length=60), server_default="", nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("withdrawn", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.Column("due_by", core.types.Moment(timezone=True), nullable=True),
        sa.Column("evidence", JSON, nullable=True),
        sa.Column("parts", JSON, nullable=False),
        sa.Column("opened_at", core.types.Moment(timezone=True), nullable=False),
        sa.Column("closed_at", core.types.Moment(timezone=True), nullable=True),
        sa.Column("submitted_at", core.types.Moment(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["payment_id"], ["payment.id"], name=op.f("fk_dispute_payment_id_payment")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dispute")),
    )
    op.create_index(op.f("ix_dispute_payment_id"), "dispute", ["payment_id"])


def downgrade() -> None:
    op.drop_table("dispute")
    op.drop_table("payee")
    op.drop_index("ix_share_party", "share")
    op.drop_index("ix_share_due", "share")
    op.add_column("provider", sa.Column("gateway_account", sa.String(length=128), nullable=True))
    op.add_column("provider", sa.Column("gateway_ready", sa.Boolean(), server_default=sa.text("(false)"), nullable=False))
