"""What the live model has used: tokens by conversation and day, and whether a day's allowance is used up."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import Connection, func, select

from core.schema import turn
from core.settings import Rules

MILLION = Decimal(1_000_000)


def tokens(tx: Connection, since: datetime, *, conversation_id: str | None = None) -> tuple[int, int]:
    """(input, output) tokens of the turns begun since then, of one conversation or of all."""
    query = select(func.coalesce(func.sum(turn.c.input_tokens), 0), func.coalesce(func.sum(turn.c.output_tokens), 0))
    query = query.where(turn.c.created_at >= since)
    if conversation_id is not None:
        query = query.where(turn.c.conversation_id == conversation_id)
    row = tx.execute(query).one()
    return int(row[0]), int(row[1])


def by_conversation(tx: Connection, since: datetime, *, limit: int = 20) -> list[tuple[str, int, int]]:
    """(conversation, input, output) of those that used most."""
    total = func.sum(turn.c.input_tokens) + func.sum(turn.c.output_tokens)
    query = select(turn.c.conversation_id, func.sum(turn.c.input_tokens), func.sum(turn.c.output_tokens)).where(turn.c.created_at >= since)
    rows = tx.execute(
        query.group_by(turn.c.conversation_id).having(total > 0).order_by(total.desc(), turn.c.conversation_id).limit(limit)
    ).all()
    return [(str(row[0]), int(row[1]), int(row[2])) for row in rows]


def used_up(tx: Connection, rules: Rules, conversation_id: str, now: datetime) -> bool:
    """Has this conversation, or the whole house, had its tokens of the last 24 hours? A limit of 0 is none."""
    since = now - timedelta(days=1)
    mine = rules.model_tokens_a_day_each and sum(tokens(tx, since, conversation_id=conversation_id)) >= rules.model_tokens_a_day_each
    return bool(mine or (rules.model_tokens_a_day and sum(tokens(tx, since)) >= rules.model_tokens_a_day))


def cost(used: tuple[int, int], price_in: Decimal, price_out: Decimal) -> Decimal:
    """What so many tokens cost at prices for a million of each."""
    return (used[0] * price_in + used[1] * price_out) / MILLION
