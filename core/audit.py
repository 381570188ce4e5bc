"""Who changed what, when and through which door: one row per change, with what it was before and what it is after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select

from core.engine import Actor
from core.schema import audit_log


def record(tx: Connection, actor: Actor, verb: str, subject: str, detail: Mapping[str, Any], now: datetime) -> None:
    """`detail` is JSON; `subject` names the thing, e.g. "product:lisbon-sunset-sail"."""
    tx.execute(
        insert(audit_log).values(
            at=now,
            actor_id=actor.account_id,
            acting_for=actor.acting_for,
            role=actor.role,
            channel=actor.channel,
            verb=verb,
            subject=subject[:120],
            detail=dict(detail),
        )
    )


def of(tx: Connection, subject: str, *, limit: int = 50) -> Sequence[Row[Any]]:
    """What happened to a thing, the newest first."""
    return tx.execute(select(audit_log).where(audit_log.c.subject == subject).order_by(audit_log.c.id.desc()).limit(limit)).all()
