"""Lines experts have at hand: kept once, filled in with what is known of the traveler when they are used."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete, insert, select

from core import audit
from core.engine import Actor, Engine, new_id
from core.errors import Invalid, NotAllowed, NotFound
from core.redact import plain
from core.schema import saved_reply

VARIABLES = ("name", "expert", "city", "total", "reference", "minutes")
MOST = 200


def _need_desk(actor: Actor) -> None:
    if actor.role not in ("expert", "operator"):
        raise NotAllowed("Only experts keep replies.")


def every(engine: Engine) -> list[dict[str, Any]]:
    with engine.db.read() as tx:
        rows = tx.execute(select(saved_reply).order_by(saved_reply.c.name, saved_reply.c.id)).all()
    return [{"id": row.id, "name": row.name, "body": row.body, "locale": row.locale} for row in rows]


def keep(engine: Engine, actor: Actor, name: str, body: str, *, locale: str = "en") -> str:
    """A new line with variables in braces, such as {name}; returns its id. Raises Invalid for one nobody knows."""
    _need_desk(actor)
    name, body = " ".join(plain(name).split())[:80], plain(body)[:2000]
    if not name or not body:
        raise Invalid("name" if not name else "body", "A reply needs a name and its words.")
    unknown = sorted(set(re.findall(r"\{(\w*)\}", body)) - set(VARIABLES))
    if unknown:
        raise Invalid("body", f"There is nothing to fill in for {', '.join(unknown)}. Known are {', '.join(VARIABLES)}.")
    now = engine.clock()
    with engine.db.write() as tx:
        if len(tx.execute(select(saved_reply.c.id)).all()) >= MOST:
            raise Invalid("name", f"Up to {MOST} replies can be kept.")
        reply_id = new_id()
        values = {"name": name, "body": body, "locale": locale[:16], "created_by": actor.account_id, "created_at": now}
        tx.execute(insert(saved_reply).values(id=reply_id, **values))
        audit.record(tx, actor, "keep_reply", f"reply:{reply_id}", {"name": name}, now)
    return reply_id


def drop(engine: Engine, actor: Actor, reply_id: str) -> None:
    _need_desk(actor)
    with engine.db.write() as tx:
        if tx.execute(delete(saved_reply).where(saved_reply.c.id == reply_id)).rowcount != 1:
            raise NotFound("There is no such reply.")
        audit.record(tx, actor, "drop_reply", f"reply:{reply_id}", {}, engine.clock())


def fill(body: str, known: Mapping[str, str]) -> str:
    """The words with what is known put in; what is not known is left out, and no gap stays where it would have stood."""
    filled = re.sub(r"\{(\w+)\}", lambda match: known.get(match[1], ""), body)
    return re.sub(r" +([,.!?;:])", r"\1", re.sub(r"[ \t]{2,}", " ", filled)).strip()
