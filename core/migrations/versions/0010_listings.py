"""Providers who sign up by themselves, what they list, and owners and staff among a provider's people."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

import core.types

revision = "0010"
down_revision = "0011"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql")


def upgrade() -> None:
    op.add_column("account_role", sa.Column("level", sa.String(length=10), server_default="staff", nullable=False))
    op.execute("UPDATE account_role SET level = 'owner' WHERE role = 'provider'")
    op.create_table(
        "signup",
        sa.Column("provider_id", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("said", sa.String(length=1000), server_default="", nullable=False),
        sa.Column("created_at", core.types.Moment(timezone=True), nullable=False),
        sa.Column("decided_at", core.types.Moment(timezone=True), nullable=True),
        sa.Column("decided_by", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(["provider_id"], ["provider.id"], name=op.f("fk_signup_provider_id_provider")),
        sa.PrimaryKeyConstraint("provider_id", name=op.f("pk_signup")),
    )
    op.create_table(
        "listing",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("provider_id", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("record", JSON, nullable=False),
        sa.Column("live", JSON, nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("said", sa.String(length=1000), server_default="", nullable=False),
        sa.Column("created_at", core.types.Moment(timezone=True), nullable=False),
        sa.Column("updated_at", core.types.Moment(timezone=True), nullable=False),
        sa.Column("submitted_at", core.types.Moment(timezone=True), nullable=True),
        sa.Column("decided_by", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(["provider_id"], ["provider.id"], name=op.f("fk_listing_provider_id_provider")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_listing")),
    )
    op.create_index(op.f("ix_listing_provider_id"), "listing", ["provider_id"])
    op.create_index(op.f("ix_listing_state"), "listing", ["state"])


def downgrade() -> None:
    op.drop_table("listing")
    op.drop_table("signup")
    op.drop_column("account_role", "level")
