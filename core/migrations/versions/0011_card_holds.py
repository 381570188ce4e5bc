"""Card holds: a provider may have the card reserved with the request, and a payment knows whether its money is only reserved."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import core.types

revision = "0011"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("provider", sa.Column("card_hold", sa.Boolean(), server_default=sa.text("(false)"), nullable=False))
    op.add_column("payment", sa.Column("manual", sa.Boolean(), server_default=sa.text("(false)"), nullable=False))
    op.add_column("payment", sa.Column("capture_by", core.types.Moment(timezone=True), nullable=True))


def downgrade() -> None:
    op.execute("UPDATE payment SET status = 'expired' WHERE status = 'authorized'")
    op.drop_column("payment", "capture_by")
    op.drop_column("payment", "manual")
    op.drop_column("provider", "card_hold")
