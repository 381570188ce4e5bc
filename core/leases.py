"""What only one process may do at a time: polling a bot, working on a lane. A lease that was not renewed is free again."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete

from core.db import upsert
from core.schema import lease


def take(tx: Connection, name: str, owner: str, until: datetime, now: datetime) -> bool:
    """Take or renew it; False while somebody else holds it."""
    statement = upsert(tx)(lease).values(name=name[:200], owner=owner, until=until)
    held = tx.execute(
        statement.on_conflict_do_update(
            index_elements=["name"],
            set_={"owner": statement.excluded.owner, "until": statement.excluded.until},
            where=(lease.c.owner == owner) | (lease.c.until <= now),
        ).returning(lease.c.owner)
    ).one_or_none()
    return held is not None


def give_back(tx: Connection, name: str, owner: str) -> None:
    tx.execute(delete(lease).where(lease.c.name == name[:200], lease.c.owner == owner))


def reclaim(tx: Connection, prefix: str) -> None:
    """Free every lease whose name starts so: only for the one worker of a database, which has just started."""
    tx.execute(delete(lease).where(lease.c.name.startswith(prefix, autoescape=True)))
