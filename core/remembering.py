"""What is kept of a traveler from one conversation to the next: nothing, unless they said yes to it; and all of it goes with a no.

They are asked once. Not answering is a no.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select, update

from core import audit
from core.engine import Actor, Engine
from core.schema import account, conversation

KEPT = ("party", "preferences", "currency")  # of the trip's facts, what says something about the traveler and not about one trip


def known(tx: Connection, account_id: str) -> dict[str, Any]:
    """{"asked": bool, "on": bool, "facts": {...}}."""
    row = tx.execute(select(account.c.may_remember, account.c.remembered).where(account.c.id == account_id)).one()
    return {"asked": row.may_remember is not None, "on": bool(row.may_remember), "facts": dict(row.remembered or {})}


def answer(engine: Engine, actor: Actor, *, on: bool) -> None:
    """The traveler's own yes or no. A no forgets what was kept."""
    now = engine.clock()
    with engine.db.write() as tx:
        values: dict[str, Any] = {"may_remember": on} if on else {"may_remember": False, "remembered": None}
        tx.execute(update(account).where(account.c.id == actor.account_id).values(**values))
        audit.record(tx, actor, "remember" if on else "do_not_remember", f"account:{actor.account_id}", {}, now)


def ask_once(engine: Engine, actor: Actor) -> bool:
    """True the first time: put the question now. It counts as a no until it is answered."""
    with engine.db.write() as tx:
        never = (account.c.id == actor.account_id, account.c.may_remember.is_(None))
        return tx.execute(update(account).where(*never).values(may_remember=False)).rowcount == 1


def keep(tx: Connection, conversation_id: str, facts: Mapping[str, Any]) -> None:
    """Note what the trip says about its traveler, where they agreed to it."""
    told = {name: facts[name] for name in KEPT if facts.get(name)}
    row = tx.execute(_owner(conversation_id)).one_or_none()
    if row is None or not row.may_remember or not told or all((row.remembered or {}).get(name) == value for name, value in told.items()):
        return
    tx.execute(update(account).where(account.c.id == row.id).values(remembered={**(row.remembered or {}), **told}))


def start_with(tx: Connection, conversation_id: str) -> dict[str, Any]:
    """The facts a new conversation of this traveler begins with."""
    row = tx.execute(_owner(conversation_id)).one_or_none()
    return dict(row.remembered or {}) if row is not None and row.may_remember else {}


def _owner(conversation_id: str) -> Any:
    mine = account.c.id == conversation.c.account_id
    return (
        select(account.c.id, account.c.may_remember, account.c.remembered)
        .join(conversation, mine)
        .where(conversation.c.id == conversation_id)
    )
