"""The tables of the first house."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

import core.types

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("display_name", sa.String(length=200), server_default="", nullable=False),
        sa.Column("email", sa.String(length=320), nullable=True),
        sa.Column("email_verified_at", core.types.Moment(timezone=True), nullable=True),
        sa.Column("phone", sa.String(length=40), nullable=True),
        sa.Column("locale", sa.String(length=16), server_default="en", nullable=False),
        sa.Column("currency", sa.String(length=3), server_default="EUR", nullable=False),
        sa.Column("visitor", sa.Boolean(), server_default=sa.text("(true)"), nullable=False),
        sa.Column("terms_accepted_at", core.types.Moment(timezone=True), nullable=True),
        sa.Column("created_at", core.types.Moment(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account")),
    )
    op.create_table(
        "audit_log",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("at", core.types.Moment(timezone=True), nullable=False),
        sa.Column("actor_id", sa.String(length=64), server_default="", nullable=False),
        sa.Column("acting_for", sa.String(length=64), server_default="", nullable=False),
        sa.Column("role", sa.String(length=12), nullable=False),
        sa.Column("channel", sa.String(length=20), server_default="", nullable=False),
        sa.Column("verb", sa.String(length=40), nullable=False),
        sa.Column("subject", sa.String(length=120), server_default="", nullable=False),
        sa.Column("detail", sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_log")),
    )
    op.create_table(
        "availability_exception",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("scope", sa.String(length=10), nullable=False),
        sa.Column("scope_id", sa.String(length=64), nullable=False),
        sa.Column("from_date", sa.Date(), nullable=False),
        sa.Column("to_date", sa.Date(), nullable=False),
        sa.Column("local_start", sa.String(length=5), server_default="", nullable=False),
        sa.Column("closed", sa.Boolean(), server_default=sa.text("(true)"), nullable=False),
        sa.Column("capacity", sa.Integer(), nullable=True),
        sa.Column("reason", sa.String(length=200), server_default="", nullable=False),
        sa.Column("source", sa.String(length=40), server_default="manual", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_availability_exception")),
    )
    with op.batch_alter_table("availability_exception", schema=None) as batch_op:
        batch_op.create_index("ix_availability_exception_scope", ["scope", "scope_id", "from_date"], unique=False)

    op.create_table(
        "cancellation_policy",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("tiers", sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cancellation_policy")),
    )
    op.create_table(
        "catalogue_change",
        sa.Column("load_id", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("subject", sa.String(length=40), nullable=False),
        sa.Column("act", sa.String(length=8), nullable=False),
        sa.Column("rows", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("load_id", "number", name=op.f("pk_catalogue_change")),
    )
    op.create_table(
        "catalogue_entry",
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=40), nullable=False),
        sa.Column("text_digest", sa.String(length=40), server_default="", nullable=False),
        sa.Column("load_id", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("kind", "id", name=op.f("pk_catalogue_entry")),
    )
    with op.batch_alter_table("catalogue_entry", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_catalogue_entry_load_id"), ["load_id"], unique=False)

    op.create_table(
        "catalogue_load",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("source", sa.String(length=60), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("started_at", core.types.Moment(timezone=True), nullable=False),
        sa.Column("finished_at", core.types.Moment(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_catalogue_load")),
    )
    op.create_table(
        "destination",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("country", sa.String(length=120), nullable=False),
        sa.Column("aliases", sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"), nullable=False),
        sa.Column("latitude", sa.Float(), nullable=False),
        sa.Column("longitude", sa.Float(), nullable=False),
        sa.Column("time_zone", sa.String(length=64), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("picture_tags", sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_destination")),
    )
    op.create_table(
        "fee_rule",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("party", sa.String(length=10), nullable=False),
        sa.Column("scope", sa.String(length=10), nullable=False),
        sa.Column("scope_id", sa.String(length=64), server_default="", nullable=False),
        sa.Column("bps", sa.Integer(), server_default="0", nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=True),
        sa.Column("min_amount", sa.BigInteger(), nullable=True),
        sa.Column("max_amount", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fee_rule")),
        sa.UniqueConstraint("party", "scope", "scope_id", name=op.f("uq_fee_rule_party")),
    )
    op.create_table(
        "idempotency_key",
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("result", sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"), nullable=False),
        sa.Column("created_at", core.types.Moment(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_idempotency_key")),
    )
    op.create_table(
        "job",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("payload", sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("run_at", core.types.Moment(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("max_attempts", sa.Integer(), server_default="12", nullable=False),
        sa.Column("locked_until", core.types.Moment(timezone=True), nullable=True),
        sa.Column("dedupe_key", sa.String(length=200), nullable=True),
        sa.Column("error", sa.String(length=1000), nullable=True),
        sa.Column("created_at", core.types.Moment(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job")),
    )
    with op.batch_alter_table("job", schema=None) as batch_op:
        batch_op.create_index("ix_job_due", ["state", "kind", "run_at"], unique=False)
        batch_op.create_index(
            "one_ready_job",
            ["dedupe_key"],
            unique=True,
            sqlite_where=sa.text("state = 'ready'"),
            postgresql_where=sa.text("state = 'ready'"),
        )

    op.create_table(
        "ledger_entry",
        sa.Column("posting", sa.String(length=160), nullable=False),
        sa.Column("account", sa.String(length=160), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("at", core.types.Moment(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("posting", "account", name=op.f("pk_ledger_entry")),
    )
    with op.batch_alter_table("ledger_entry", schema=None) as batch_op:
        batch_op.create_index("ix_ledger_entry_account", ["account"], unique=False)

    op.create_table(
        "outbound",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("conversation_id", sa.String(length=64), nullable=True),
        sa.Column("epoch", sa.Integer(), nullable=True),
        sa.Column("notice", sa.String(length=40), nullable=False),
        sa.Column("content", sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"), nullable=False),
        sa.Column("state", sa.String(length=12), server_default="queued", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("not_before", core.types.Moment(timezone=True), nullable=False),
        sa.Column("external_id", sa.String(length=128), nullable=True),
        sa.Column("error", sa.String(length=500), nullable=True),
        sa.Column("created_at", core.types.Moment(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbound")),
        sa.UniqueConstraint("key", name=op.f("uq_outbound_key")),
    )
    with op.batch_alter_table("outbound", schema=None) as batch_op:
        batch_op.create_index("ix_outbound_due", ["state", "not_before"], unique=False)

    op.create_table(
        "price_adjustment",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("scope", sa.String(length=10), nullable=False),
        sa.Column("scope_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=80), server_default="", nullable=False),
        sa.Column("threshold", sa.Integer(), nullable=True),
        sa.Column("bps", sa.Integer(), nullable=True),
        sa.Column("amount", sa.BigInteger(), nullable=True),
        sa.Column("per", sa.String(length=12), server_default="BOOKING", nullable=False),
        sa.Column("code", sa.String(length=40), nullable=True),
        sa.Column("from_date", sa.Date(), nullable=True),
        sa.Column("to_date", sa.Date(), nullable=True),
        sa.Column("included", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_price_adjustment")),
    )
    with op.batch_alter_table("price_adjustment", schema=None) as batch_op:
        batch_op.create_index("ix_price_adjustment_scope", ["scope", "scope_id"], unique=False)

    op.create_table(
        "site",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("origins", sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"), nullable=False),
        sa.Column("secret", sa.String(length=128), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_site")),
    )
    op.create_table(
        "webhook_event",
        sa.Column("id", sa.String(length=128), nullable=False),
        sa.Column("type", sa.String(length=80), nullable=False),
        sa.Column("body", sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"), nullable=False),
        sa.Column("state", sa.String(length=10), server_default="new", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("error", sa.String(length=500), nullable=True),
        sa.Column("received_at", core.types.Moment(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_event")),
    )
    op.create_table(
        "account_role",
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("provider_id", sa.String(length=64), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_account_role_account_id_account")),
        sa.PrimaryKeyConstraint("account_id", "role", "provider_id", name=op.f("pk_account_role")),
    )
    op.create_table(
        "conversation",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("site_id", sa.String(length=64), server_default="", nullable=False),
        sa.Column("controller", sa.String(length=10), server_default="bot", nullable=False),
        sa.Column("control_epoch", sa.Integer(), server_default="0", nullable=False),
        sa.Column("controller_expert_id", sa.String(length=64), nullable=True),
        sa.Column("last_seq", sa.Integer(), server_default="0", nullable=False),
        sa.Column("answered_seq", sa.Integer(), server_default="0", nullable=False),
        sa.Column("locale", sa.String(length=16), server_default="en", nullable=False),
        sa.Column("currency", sa.String(length=3), server_default="EUR", nullable=False),
        sa.Column("time_zone", sa.String(length=64), server_default="UTC", nullable=False),
        sa.Column("created_at", core.types.Moment(timezone=True), nullable=False),
        sa.Column("updated_at", core.types.Moment(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_conversation_account_id_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conversation")),
    )
    with op.batch_alter_table("conversation", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_conversation_account_id"), ["account_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_conversation_updated_at"), ["updated_at"], unique=False)

    op.create_table(
        "link_token",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("purpose", sa.String(length=20), nullable=False),
        sa.Column("params", sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"), nullable=False),
        sa.Column("expires_at", core.types.Moment(timezone=True), nullable=False),
        sa.Column("used_at", core.types.Moment(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_link_token_account_id_account")),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_link_token")),
    )
    with op.batch_alter_table("link_token", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_link_token_account_id"), ["account_id"], unique=False)

    op.create_table(
        "provider",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=True),
        sa.Column("phone", sa.String(length=40), nullable=True),
        sa.Column("time_zone", sa.String(length=64), nullable=False),
        sa.Column("country", sa.String(length=2), server_default="", nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("accepting", sa.Boolean(), server_default=sa.text("(true)"), nullable=False),
        sa.Column("respond_hours", sa.Integer(), server_default="24", nullable=False),
        sa.Column("payout_delay_hours", sa.Integer(), server_default="24", nullable=False),
        sa.Column("cancellation_policy_id", sa.String(length=64), nullable=True),
        sa.Column("deposit_bps", sa.Integer(), server_default="0", nullable=False),
        sa.Column("balance_days", sa.Integer(), server_default="14", nullable=False),
        sa.Column("gateway_account", sa.String(length=128), nullable=True),
        sa.Column("gateway_ready", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.Column("about", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", core.types.Moment(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["cancellation_policy_id"], ["cancellation_policy.id"], name=op.f("fk_provider_cancellation_policy_id_cancellation_policy")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider")),
    )
    op.create_table(
        "session",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("conversation_id", sa.String(length=64), nullable=True),
        sa.Column("created_at", core.types.Moment(timezone=True), nullable=False),
        sa.Column("expires_at", core.types.Moment(timezone=True), nullable=False),
        sa.Column("revoked_at", core.types.Moment(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_session_account_id_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_session")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_session_token_hash")),
    )
    with op.batch_alter_table("session", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_session_account_id"), ["account_id"], unique=False)

    op.create_table(
        "action",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("conversation_id", sa.String(length=64), nullable=False),
        sa.Column("verb", sa.String(length=40), nullable=False),
        sa.Column("label", sa.String(length=200), server_default="", nullable=False),
        sa.Column("params", sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"), nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=True),
        sa.Column("expires_at", core.types.Moment(timezone=True), nullable=True),
        sa.Column("created_at", core.types.Moment(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversation.id"], name=op.f("fk_action_conversation_id_conversation")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_action")),
    )
    with op.batch_alter_table("action", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_action_conversation_id"), ["conversation_id"], unique=False)

    op.create_table(
        "cart",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("conversation_id", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("promo_code", sa.String(length=40), nullable=True),
        sa.Column("created_at", core.types.Moment(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_cart_account_id_account")),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversation.id"], name=op.f("fk_cart_conversation_id_conversation")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cart")),
    )
    with op.batch_alter_table("cart", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_cart_account_id"), ["account_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_cart_conversation_id"), ["conversation_id"], unique=False)
        batch_op.create_index(
            "one_open_cart",
            ["conversation_id"],
            unique=True,
            sqlite_where=sa.text("status = 'open'"),
            postgresql_where=sa.text("status = 'open'"),
        )

    op.create_table(
        "handoff",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("conversation_id", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=False),
        sa.Column("note", sa.String(length=500), server_default="", nullable=False),
        sa.Column("priority", sa.Integer(), server_default="0", nullable=False),
        sa.Column("expert_id", sa.String(length=64), nullable=True),
        sa.Column("queued_at", core.types.Moment(timezone=True), nullable=False),
        sa.Column("claimed_at", core.types.Moment(timezone=True), nullable=True),
        sa.Column("first_human_message_at", core.types.Moment(timezone=True), nullable=True),
        sa.Column("closed_at", core.types.Moment(timezone=True), nullable=True),
        sa.Column("outcome", sa.String(length=20), nullable=True),
        sa.Column("promise_at", core.types.Moment(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversation.id"], name=op.f("fk_handoff_conversation_id_conversation")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_handoff")),
    )
    with op.batch_alter_table("handoff", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_handoff_conversation_id"), ["conversation_id"], unique=False)
        batch_op.create_index("ix_handoff_queue", ["status", "queued_at"], unique=False)
        batch_op.create_index(
            "one_open_handoff",
            ["conversation_id"],
            unique=True,
            sqlite_where=sa.text("status NOT IN ('closed', 'abandoned')"),
            postgresql_where=sa.text("status NOT IN ('closed', 'abandoned')"),
        )

    op.create_table(
        "message",
        sa.Column("conversation_id", sa.String(length=64), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("mid", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("role", sa.String(length=10), nullable=False),
        sa.Column("audience", sa.String(length=10), server_default="all", nullable=False),
        sa.Column("author_id", sa.String(length=64), nullable=True),
        sa.Column("data", sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"), nullable=False),
        sa.Column("client_id", sa.String(length=80), nullable=True),
        sa.Column("turn_id", sa.String(length=64), nullable=True),
        sa.Column("created_at", core.types.Moment(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversation.id"], name=op.f("fk_message_conversation_id_conversation")),
        sa.PrimaryKeyConstraint("conversation_id", "seq", name=op.f("pk_message")),
        sa.UniqueConstraint("conversation_id", "client_id", name=op.f("uq_message_conversation_id")),
    )
    op.create_table(
        "payment",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("conversation_id", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("refunded", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("proposal_id", sa.String(length=64), nullable=True),
        sa.Column("attempt", sa.Integer(), server_default="0", nullable=False),
        sa.Column("frozen", sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"), nullable=False),
        sa.Column("session_id", sa.String(length=128), nullable=True),
        sa.Column("intent_id", sa.String(length=128), nullable=True),
        sa.Column("charge_id", sa.String(length=128), nullable=True),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("expires_at", core.types.Moment(timezone=True), nullable=False),
        sa.Column("created_at", core.types.Moment(timezone=True), nullable=False),
        sa.Column("paid_at", core.types.Moment(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_payment_account_id_account")),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversation.id"], name=op.f("fk_payment_conversation_id_conversation")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment")),
        sa.UniqueConstraint("charge_id", name=op.f("uq_payment_charge_id")),
        sa.UniqueConstraint("intent_id", name=op.f("uq_payment_intent_id")),
        sa.UniqueConstraint("proposal_id", "currency", "kind", name=op.f("uq_payment_proposal_id")),
        sa.UniqueConstraint("session_id", name=op.f("uq_payment_session_id")),
    )
    with op.batch_alter_table("payment", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_payment_conversation_id"), ["conversation_id"], unique=False)
        batch_op.create_index("ix_payment_status", ["status", "expires_at"], unique=False)

    op.create_table(
        "product",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("provider_id", sa.String(length=64), nullable=False),
        sa.Column("destination_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("summary", sa.String(length=400), server_default="", nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("tags", sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"), nullable=False),
        sa.Column("booking_type", sa.String(length=10), nullable=False),
        sa.Column("availability_mode", sa.String(length=10), nullable=False),
        sa.Column("accepting", sa.Boolean(), server_default=sa.text("(true)"), nullable=False),
        sa.Column("published", sa.Boolean(), server_default=sa.text("(true)"), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("time_zone", sa.String(length=64), nullable=False),
        sa.Column("from_amount", sa.BigInteger(), nullable=True),
        sa.Column("max_party", sa.Integer(), server_default="50", nullable=False),
        sa.Column("min_party", sa.Integer(), server_default="1", nullable=False),
        sa.Column("min_age", sa.Integer(), nullable=True),
        sa.Column("duration_minutes", sa.Integer(), nullable=True),
        sa.Column("lead_hours", sa.Integer(), server_default="0", nullable=False),
        sa.Column("pay_at_provider", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.Column("deposit_bps", sa.Integer(), nullable=True),
        sa.Column("balance_days", sa.Integer(), nullable=True),
        sa.Column("cancellation_policy_id", sa.String(length=64), nullable=True),
        sa.Column("meeting_point", sa.String(length=300), server_default="", nullable=False),
        sa.Column("latitude", sa.Float(), nullable=True),
        sa.Column("longitude", sa.Float(), nullable=True),
        sa.Column("rating_tenths", sa.SmallInteger(), nullable=True),
        sa.Column("rating_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("rating_source", sa.String(length=40), server_default="", nullable=False),
        sa.Column("external_url", sa.String(length=500), nullable=True),
        sa.Column("picture", sa.String(length=300), server_default="", nullable=False),
        sa.Column("loaded_by", sa.String(length=64), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["cancellation_policy_id"], ["cancellation_policy.id"], name=op.f("fk_product_cancellation_policy_id_cancellation_policy")
        ),
        sa.ForeignKeyConstraint(["destination_id"], ["destination.id"], name=op.f("fk_product_destination_id_destination")),
        sa.ForeignKeyConstraint(["provider_id"], ["provider.id"], name=op.f("fk_product_provider_id_provider")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_product")),
    )
    with op.batch_alter_table("product", schema=None) as batch_op:
        batch_op.create_index(
            "ix_product_place",
            ["destination_id", "kind", "published", "rating_tenths", "rating_count", "from_amount", "id"],
            unique=False,
        )
        batch_op.create_index("ix_product_price", ["destination_id", "kind", "from_amount"], unique=False)
        batch_op.create_index(batch_op.f("ix_product_provider_id"), ["provider_id"], unique=False)

    op.create_table(
        "proposal",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("conversation_id", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("terms", sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("result", sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"), nullable=True),
        sa.Column("expires_at", core.types.Moment(timezone=True), nullable=False),
        sa.Column("created_at", core.types.Moment(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_proposal_account_id_account")),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversation.id"], name=op.f("fk_proposal_conversation_id_conversation")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_proposal")),
    )
    with op.batch_alter_table("proposal", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_proposal_conversation_id"), ["conversation_id"], unique=False)

    op.create_table(
        "resource",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("provider_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("capacity", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["provider_id"], ["provider.id"], name=op.f("fk_resource_provider_id_provider")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_resource")),
    )
    with op.batch_alter_table("resource", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_resource_provider_id"), ["provider_id"], unique=False)

    op.create_table(
        "trip_state",
        sa.Column("conversation_id", sa.String(length=64), nullable=False),
        sa.Column("facts", sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("updated_at", core.types.Moment(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversation.id"], name=op.f("fk_trip_state_conversation_id_conversation")),
        sa.PrimaryKeyConstraint("conversation_id", name=op.f("pk_trip_state")),
    )
    op.create_table(
        "turn",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("conversation_id", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("from_seq", sa.Integer(), nullable=False),
        sa.Column("to_seq", sa.Integer(), nullable=False),
        sa.Column("lease_owner", sa.String(length=64), nullable=False),
        sa.Column("leased_until", core.types.Moment(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="1", nullable=False),
        sa.Column("replies", sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"), nullable=False),
        sa.Column("transcript", sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"), nullable=True),
        sa.Column("model", sa.String(length=80), server_default="", nullable=False),
        sa.Column("input_tokens", sa.Integer(), server_default="0", nullable=False),
        sa.Column("output_tokens", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", core.types.Moment(timezone=True), nullable=False),
        sa.Column("closed_at", core.types.Moment(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversation.id"], name=op.f("fk_turn_conversation_id_conversation")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_turn")),
    )
    with op.batch_alter_table("turn", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_turn_conversation_id"), ["conversation_id"], unique=False)
        batch_op.create_index(
            "one_running_turn",
            ["conversation_id"],
            unique=True,
            sqlite_where=sa.text("status = 'running'"),
            postgresql_where=sa.text("status = 'running'"),
        )

    op.create_table(
        "availability_rule",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("resource_id", sa.String(length=64), nullable=False),
        sa.Column("weekdays", sa.Integer(), server_default="127", nullable=False),
        sa.Column("from_date", sa.Date(), nullable=True),
        sa.Column("to_date", sa.Date(), nullable=True),
        sa.Column("local_start", sa.String(length=5), server_default="", nullable=False),
        sa.Column("capacity", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["resource_id"], ["resource.id"], name=op.f("fk_availability_rule_resource_id_resource")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_availability_rule")),
    )
    with op.batch_alter_table("availability_rule", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_availability_rule_resource_id"), ["resource_id"], unique=False)

    op.create_table(
        "option",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("product_id", sa.String(length=64), nullable=False),
        sa.Column("resource_id", sa.String(length=64), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("position", sa.Integer(), server_default="0", nullable=False),
        sa.Column("starts", sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"), nullable=False),
        sa.Column("counts", sa.String(length=10), nullable=False),
        sa.Column("max_pax_each", sa.Integer(), nullable=True),
        sa.Column("min_nights", sa.Integer(), nullable=True),
        sa.Column("max_nights", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["product_id"], ["product.id"], name=op.f("fk_option_product_id_product")),
        sa.ForeignKeyConstraint(["resource_id"], ["resource.id"], name=op.f("fk_option_resource_id_resource")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_option")),
    )
    with op.batch_alter_table("option", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_option_product_id"), ["product_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_option_resource_id"), ["resource_id"], unique=False)

    op.create_table(
        "slot",
        sa.Column("resource_id", sa.String(length=64), nullable=False),
        sa.Column("local_date", sa.Date(), nullable=False),
        sa.Column("local_start", sa.String(length=5), nullable=False),
        sa.Column("capacity", sa.Integer(), nullable=False),
        sa.Column("held", sa.Integer(), server_default="0", nullable=False),
        sa.Column("booked", sa.Integer(), server_default="0", nullable=False),
        sa.Column("closed", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.CheckConstraint("held >= 0 AND booked >= 0 AND held + booked <= capacity", name=op.f("ck_slot_never_oversold")),
        sa.ForeignKeyConstraint(["resource_id"], ["resource.id"], name=op.f("fk_slot_resource_id_resource")),
        sa.PrimaryKeyConstraint("resource_id", "local_date", "local_start", name=op.f("pk_slot")),
    )
    op.create_table(
        "cart_item",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("cart_id", sa.String(length=64), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("product_id", sa.String(length=64), nullable=True),
        sa.Column("option_id", sa.String(length=64), nullable=True),
        sa.Column("title", sa.String(length=300), nullable=False),
        sa.Column("local_date", sa.Date(), nullable=True),
        sa.Column("end_date", sa.Date(), nullable=True),
        sa.Column("local_start", sa.String(length=5), server_default="", nullable=False),
        sa.Column("units", sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"), nullable=False),
        sa.Column("quantity", sa.Integer(), server_default="1", nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("tax_amount", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("price_lines", sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"), nullable=False),
        sa.Column("added_by", sa.String(length=64), nullable=True),
        sa.Column("created_at", core.types.Moment(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["cart_id"], ["cart.id"], name=op.f("fk_cart_item_cart_id_cart")),
        sa.ForeignKeyConstraint(["option_id"], ["option.id"], name=op.f("fk_cart_item_option_id_option")),
        sa.ForeignKeyConstraint(["product_id"], ["product.id"], name=op.f("fk_cart_item_product_id_product")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cart_item")),
    )
    with op.batch_alter_table("cart_item", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_cart_item_cart_id"), ["cart_id"], unique=False)

    op.create_table(
        "rate_plan",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("option_id", sa.String(length=64), nullable=False),
        sa.Column("model", sa.String(length=10), nullable=False),
        sa.Column("per", sa.String(length=10), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["option_id"], ["option.id"], name=op.f("fk_rate_plan_option_id_option")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rate_plan")),
        sa.UniqueConstraint("option_id", name=op.f("uq_rate_plan_option_id")),
    )
    with op.batch_alter_table("rate_plan", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_rate_plan_option_id"), ["option_id"], unique=False)

    op.create_table(
        "restriction",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("option_id", sa.String(length=64), nullable=False),
        sa.Column("from_date", sa.Date(), nullable=False),
        sa.Column("to_date", sa.Date(), nullable=False),
        sa.Column("weekdays", sa.Integer(), server_default="127", nullable=False),
        sa.Column("min_nights", sa.Integer(), nullable=True),
        sa.Column("max_nights", sa.Integer(), nullable=True),
        sa.Column("closed_to_arrival", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.Column("closed_to_departure", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.ForeignKeyConstraint(["option_id"], ["option.id"], name=op.f("fk_restriction_option_id_option")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_restriction")),
    )
    with op.batch_alter_table("restriction", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_restriction_option_id"), ["option_id"], unique=False)

    op.create_table(
        "unit",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("option_id", sa.String(length=64), nullable=False),
        sa.Column("type", sa.String(length=20), nullable=False),
        sa.Column("min_age", sa.Integer(), nullable=True),
        sa.Column("max_age", sa.Integer(), nullable=True),
        sa.Column("pax_count", sa.Integer(), server_default="1", nullable=False),
        sa.Column("price_bps", sa.Integer(), server_default="10000", nullable=False),
        sa.Column("price_amount", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["option_id"], ["option.id"], name=op.f("fk_unit_option_id_option")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_unit")),
        sa.UniqueConstraint("option_id", "type", name=op.f("uq_unit_option_id")),
    )
    with op.batch_alter_table("unit", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_unit_option_id"), ["option_id"], unique=False)

    op.create_table(
        "booking",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("reference", sa.String(length=12), nullable=False),
        sa.Column("conversation_id", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("cart_id", sa.String(length=64), nullable=False),
        sa.Column("cart_item_id", sa.String(length=64), nullable=False),
        sa.Column("provider_id", sa.String(length=64), nullable=False),
        sa.Column("product_id", sa.String(length=64), nullable=False),
        sa.Column("option_id", sa.String(length=64), nullable=False),
        sa.Column("title", sa.String(length=300), nullable=False),
        sa.Column("booking_type", sa.String(length=10), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("local_date", sa.Date(), nullable=False),
        sa.Column("end_date", sa.Date(), nullable=True),
        sa.Column("local_start", sa.String(length=5), nullable=False),
        sa.Column("time_zone", sa.String(length=64), nullable=False),
        sa.Column("starts_at", core.types.Moment(timezone=True), nullable=False),
        sa.Column("units", sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("tax_amount", sa.BigInteger(), nullable=False),
        sa.Column("fee_amount", sa.BigInteger(), nullable=False),
        sa.Column("price_lines", sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"), nullable=False),
        sa.Column("policy", sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"), nullable=False),
        sa.Column("pay_at_provider", sa.Boolean(), nullable=False),
        sa.Column("deposit_amount", sa.BigInteger(), nullable=False),
        sa.Column("balance_due_at", core.types.Moment(timezone=True), nullable=True),
        sa.Column("contact", sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"), nullable=False),
        sa.Column("expert_id", sa.String(length=64), nullable=True),
        sa.Column("pay_by", core.types.Moment(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", core.types.Moment(timezone=True), nullable=False),
        sa.Column("confirmed_at", core.types.Moment(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_booking_account_id_account")),
        sa.ForeignKeyConstraint(["cart_id"], ["cart.id"], name=op.f("fk_booking_cart_id_cart")),
        sa.ForeignKeyConstraint(["cart_item_id"], ["cart_item.id"], name=op.f("fk_booking_cart_item_id_cart_item")),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversation.id"], name=op.f("fk_booking_conversation_id_conversation")),
        sa.ForeignKeyConstraint(["option_id"], ["option.id"], name=op.f("fk_booking_option_id_option")),
        sa.ForeignKeyConstraint(["product_id"], ["product.id"], name=op.f("fk_booking_product_id_product")),
        sa.ForeignKeyConstraint(["provider_id"], ["provider.id"], name=op.f("fk_booking_provider_id_provider")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_booking")),
        sa.UniqueConstraint("reference", name=op.f("uq_booking_reference")),
    )
    with op.batch_alter_table("booking", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_booking_account_id"), ["account_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_booking_cart_id"), ["cart_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_booking_conversation_id"), ["conversation_id"], unique=False)
        batch_op.create_index("ix_booking_deadline", ["status", "pay_by"], unique=False)
        batch_op.create_index(batch_op.f("ix_booking_product_id"), ["product_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_booking_provider_id"), ["provider_id"], unique=False)

    op.create_table(
        "rate",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("rate_plan_id", sa.String(length=64), nullable=False),
        sa.Column("layer", sa.String(length=10), nullable=False),
        sa.Column("name", sa.String(length=80), server_default="", nullable=False),
        sa.Column("from_date", sa.Date(), nullable=True),
        sa.Column("to_date", sa.Date(), nullable=True),
        sa.Column("weekdays", sa.Integer(), server_default="127", nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=True),
        sa.Column("bps", sa.Integer(), nullable=True),
        sa.Column("priority", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["rate_plan_id"], ["rate_plan.id"], name=op.f("fk_rate_rate_plan_id_rate_plan")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rate")),
    )
    with op.batch_alter_table("rate", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_rate_rate_plan_id"), ["rate_plan_id"], unique=False)

    op.create_table(
        "booking_event",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("booking_id", sa.String(length=64), nullable=False),
        sa.Column("event", sa.String(length=30), nullable=False),
        sa.Column("from_status", sa.String(length=10), server_default="", nullable=False),
        sa.Column("to_status", sa.String(length=10), nullable=False),
        sa.Column("actor_role", sa.String(length=12), nullable=False),
        sa.Column("actor_id", sa.String(length=64), server_default="", nullable=False),
        sa.Column("source", sa.String(length=20), server_default="", nullable=False),
        sa.Column("reason", sa.String(length=300), server_default="", nullable=False),
        sa.Column("at", core.types.Moment(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["booking_id"], ["booking.id"], name=op.f("fk_booking_event_booking_id_booking")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_booking_event")),
    )
    with op.batch_alter_table("booking_event", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_booking_event_booking_id"), ["booking_id"], unique=False)

    op.create_table(
        "booking_request",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("booking_id", sa.String(length=64), nullable=False),
        sa.Column("provider_id", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("respond_by", core.types.Moment(timezone=True), nullable=False),
        sa.Column("note", sa.String(length=1000), server_default="", nullable=False),
        sa.Column("answer", sa.String(length=1000), server_default="", nullable=False),
        sa.Column("decided_by", sa.String(length=64), nullable=True),
        sa.Column("decided_at", core.types.Moment(timezone=True), nullable=True),
        sa.Column("created_at", core.types.Moment(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["booking_id"], ["booking.id"], name=op.f("fk_booking_request_booking_id_booking")),
        sa.ForeignKeyConstraint(["provider_id"], ["provider.id"], name=op.f("fk_booking_request_provider_id_provider")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_booking_request")),
    )
    with op.batch_alter_table("booking_request", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_booking_request_booking_id"), ["booking_id"], unique=False)
        batch_op.create_index("ix_booking_request_open", ["provider_id", "status", "respond_by"], unique=False)
        batch_op.create_index(batch_op.f("ix_booking_request_provider_id"), ["provider_id"], unique=False)

    op.create_table(
        "hold",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("booking_id", sa.String(length=64), nullable=False),
        sa.Column("resource_id", sa.String(length=64), nullable=False),
        sa.Column("local_date", sa.Date(), nullable=False),
        sa.Column("local_start", sa.String(length=5), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("expires_at", core.types.Moment(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["booking_id"], ["booking.id"], name=op.f("fk_hold_booking_id_booking")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hold")),
    )
    with op.batch_alter_table("hold", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_hold_booking_id"), ["booking_id"], unique=False)
        batch_op.create_index("ix_hold_expiry", ["status", "expires_at"], unique=False)
        batch_op.create_index("ix_hold_slot", ["resource_id", "local_date", "local_start", "status"], unique=False)

    op.create_table(
        "refund",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("payment_id", sa.String(length=64), nullable=False),
        sa.Column("booking_id", sa.String(length=64), nullable=True),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("gateway_id", sa.String(length=128), nullable=True),
        sa.Column("reason", sa.String(length=300), server_default="", nullable=False),
        sa.Column("parts", sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"), nullable=False),
        sa.Column("created_at", core.types.Moment(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["booking_id"], ["booking.id"], name=op.f("fk_refund_booking_id_booking")),
        sa.ForeignKeyConstraint(["payment_id"], ["payment.id"], name=op.f("fk_refund_payment_id_payment")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refund")),
        sa.UniqueConstraint("gateway_id", name=op.f("uq_refund_gateway_id")),
    )
    with op.batch_alter_table("refund", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_refund_booking_id"), ["booking_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_refund_payment_id"), ["payment_id"], unique=False)

    op.create_table(
        "share",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("payment_id", sa.String(length=64), nullable=False),
        sa.Column("booking_id", sa.String(length=64), nullable=True),
        sa.Column("party", sa.String(length=12), nullable=False),
        sa.Column("party_id", sa.String(length=64), server_default="", nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("reversed", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("sent", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("back", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("seq", sa.Integer(), server_default="0", nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("pending", sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"), nullable=True),
        sa.Column("transfers", sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"), nullable=False),
        sa.Column("due_at", core.types.Moment(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["booking_id"], ["booking.id"], name=op.f("fk_share_booking_id_booking")),
        sa.ForeignKeyConstraint(["payment_id"], ["payment.id"], name=op.f("fk_share_payment_id_payment")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_share")),
        sa.UniqueConstraint("payment_id", "booking_id", "party", name=op.f("uq_share_payment_id")),
    )
    with op.batch_alter_table("share", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_share_booking_id"), ["booking_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_share_payment_id"), ["payment_id"], unique=False)

    if op.get_bind().dialect.name == "sqlite":
        # FTS5 finds rows by rowid only, so the key table says which row is which product; `live` is false while an import stages it
        op.execute("CREATE TABLE product_text_key (doc INTEGER PRIMARY KEY, product_id VARCHAR(64) NOT NULL UNIQUE, live BOOLEAN NOT NULL)")
        op.execute("CREATE VIRTUAL TABLE product_text USING fts5(title, tags, body, place, tokenize='porter unicode61')")
    else:
        op.execute("CREATE TABLE product_text (product_id varchar(64) PRIMARY KEY, document tsvector NOT NULL)")
        op.execute("CREATE INDEX ix_product_text_document ON product_text USING gin (document)")


def downgrade() -> None:
    op.execute("DROP TABLE product_text")
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TABLE product_text_key")
    with op.batch_alter_table("share", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_share_payment_id"))
        batch_op.drop_index(batch_op.f("ix_share_booking_id"))

    op.drop_table("share")
    with op.batch_alter_table("refund", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_refund_payment_id"))
        batch_op.drop_index(batch_op.f("ix_refund_booking_id"))

    op.drop_table("refund")
    with op.batch_alter_table("hold", schema=None) as batch_op:
        batch_op.drop_index("ix_hold_slot")
        batch_op.drop_index("ix_hold_expiry")
        batch_op.drop_index(batch_op.f("ix_hold_booking_id"))

    op.drop_table("hold")
    with op.batch_alter_table("booking_request", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_booking_request_provider_id"))
        batch_op.drop_index("ix_booking_request_open")
        batch_op.drop_index(batch_op.f("ix_booking_request_booking_id"))

    op.drop_table("booking_request")
    with op.batch_alter_table("booking_event", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_booking_event_booking_id"))

    op.drop_table("booking_event")
    with op.batch_alter_table("rate", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_rate_rate_plan_id"))

    op.drop_table("rate")
    with op.batch_alter_table("booking", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_booking_provider_id"))
        batch_op.drop_index(batch_op.f("ix_booking_product_id"))
        batch_op.drop_index("ix_booking_deadline")
        batch_op.drop_index(batch_op.f("ix_booking_conversation_id"))
        batch_op.drop_index(batch_op.f("ix_booking_cart_id"))
        batch_op.drop_index(batch_op.f("ix_booking_account_id"))

    op.drop_table("booking")
    with op.batch_alter_table("unit", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_unit_option_id"))

    op.drop_table("unit")
    with op.batch_alter_table("restriction", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_restriction_option_id"))

    op.drop_table("restriction")
    with op.batch_alter_table("rate_plan", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_rate_plan_option_id"))

    op.drop_table("rate_plan")
    with op.batch_alter_table("cart_item", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_cart_item_cart_id"))

    op.drop_table("cart_item")
    op.drop_table("slot")
    with op.batch_alter_table("option", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_option_resource_id"))
        batch_op.drop_index(batch_op.f("ix_option_product_id"))

    op.drop_table("option")
    with op.batch_alter_table("availability_rule", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_availability_rule_resource_id"))

    op.drop_table("availability_rule")
    with op.batch_alter_table("turn", schema=None) as batch_op:
        batch_op.drop_index("one_running_turn", sqlite_where=sa.text("status = 'running'"), postgresql_where=sa.text("status = 'running'"))
        batch_op.drop_index(batch_op.f("ix_turn_conversation_id"))

    op.drop_table("turn")
    op.drop_table("trip_state")
    with op.batch_alter_table("resource", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_resource_provider_id"))

    op.drop_table("resource")
    with op.batch_alter_table("proposal", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_proposal_conversation_id"))

    op.drop_table("proposal")
    with op.batch_alter_table("product", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_product_provider_id"))
        batch_op.drop_index("ix_product_price")
        batch_op.drop_index("ix_product_place")

    op.drop_table("product")
    with op.batch_alter_table("payment", schema=None) as batch_op:
        batch_op.drop_index("ix_payment_status")
        batch_op.drop_index(batch_op.f("ix_payment_conversation_id"))

    op.drop_table("payment")
    op.drop_table("message")
    with op.batch_alter_table("handoff", schema=None) as batch_op:
        batch_op.drop_index(
            "one_open_handoff",
            sqlite_where=sa.text("status NOT IN ('closed', 'abandoned')"),
            postgresql_where=sa.text("status NOT IN ('closed', 'abandoned')"),
        )
        batch_op.drop_index("ix_handoff_queue")
        batch_op.drop_index(batch_op.f("ix_handoff_conversation_id"))

    op.drop_table("handoff")
    with op.batch_alter_table("cart", schema=None) as batch_op:
        batch_op.drop_index("one_open_cart", sqlite_where=sa.text("status = 'open'"), postgresql_where=sa.text("status = 'open'"))
        batch_op.drop_index(batch_op.f("ix_cart_conversation_id"))
        batch_op.drop_index(batch_op.f("ix_cart_account_id"))

    op.drop_table("cart")
    with op.batch_alter_table("action", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_action_conversation_id"))

    op.drop_table("action")
    with op.batch_alter_table("session", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_session_account_id"))

    op.drop_table("session")
    op.drop_table("provider")
    with op.batch_alter_table("link_token", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_link_token_account_id"))

    op.drop_table("link_token")
    with op.batch_alter_table("conversation", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_conversation_updated_at"))
        batch_op.drop_index(batch_op.f("ix_conversation_account_id"))

    op.drop_table("conversation")
    op.drop_table("account_role")
    op.drop_table("webhook_event")
    op.drop_table("site")
    with op.batch_alter_table("price_adjustment", schema=None) as batch_op:
        batch_op.drop_index("ix_price_adjustment_scope")

    op.drop_table("price_adjustment")
    with op.batch_alter_table("outbound", schema=None) as batch_op:
        batch_op.drop_index("ix_outbound_due")

    op.drop_table("outbound")
    with op.batch_alter_table("ledger_entry", schema=None) as batch_op:
        batch_op.drop_index("ix_ledger_entry_account")

    op.drop_table("ledger_entry")
    with op.batch_alter_table("job", schema=None) as batch_op:
        batch_op.drop_index("one_ready_job", sqlite_where=sa.text("state = 'ready'"), postgresql_where=sa.text("state = 'ready'"))
        batch_op.drop_index("ix_job_due")

    op.drop_table("job")
    op.drop_table("idempotency_key")
    op.drop_table("fee_rule")
    op.drop_table("destination")
    op.drop_table("catalogue_load")
    with op.batch_alter_table("catalogue_entry", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_catalogue_entry_load_id"))

    op.drop_table("catalogue_entry")
    op.drop_table("catalogue_change")
    op.drop_table("cancellation_policy")
    with op.batch_alter_table("availability_exception", schema=None) as batch_op:
        batch_op.drop_index("ix_availability_exception_scope")

    op.drop_table("availability_exception")
    op.drop_table("audit_log")
    op.drop_table("account")
