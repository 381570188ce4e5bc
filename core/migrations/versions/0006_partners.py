"""Links to partners and the visits of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import core.types

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "affiliate_link",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("partner", sa.String(length=40), nullable=False),
        sa.Column("item_type", sa.String(length=20), nullable=False),
        sa.Column("landing_url", sa.Text(), nullable=False),
        sa.Column("conversation_id", sa.String(length=64), nullable=True),
        sa.Column("made_by", sa.String(length=12), nullable=False),
        sa.Column("created_at", core.types.Moment(timezone=True), nullable=False),
        sa.Column("disabled_at", core.types.Moment(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_affiliate_link")),
    )
    op.create_index(op.f("ix_affiliate_link_partner"), "affiliate_link", ["partner"])
    op.create_index(op.f("ix_affiliate_link_conversation_id"), "affiliate_link", ["conversation_id"])
    op.create_table(
        "affiliate_click",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("link_id", sa.String(length=64), nullable=False),
        sa.Column("at", core.types.Moment(timezone=True), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("agent", sa.String(length=32), nullable=False),
        sa.Column("prefix", sa.String(length=50), nullable=False),
        sa.ForeignKeyConstraint(["link_id"], ["affiliate_link.id"], name=op.f("fk_affiliate_click_link_id_affiliate_link")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_affiliate_click")),
    )
    op.create_index(op.f("ix_affiliate_click_link_id"), "affiliate_click", ["link_id"])


def downgrade() -> None:
    op.drop_table("affiliate_click")
    op.drop_table("affiliate_link")
