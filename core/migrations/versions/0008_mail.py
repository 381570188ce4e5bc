"""What people do not want by mail."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import core.types

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "muted",
        sa.Column("address_key", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("created_at", core.types.Moment(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("address_key", "kind", name=op.f("pk_muted")),
    )


def downgrade() -> None:
    op.drop_table("muted")
