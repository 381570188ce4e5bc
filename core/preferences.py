"""What somebody would rather not get: kinds of message that are not essential, turned off with a link that is in each of them.

Bookings, their money and requests are not in this list; they are always told.
"""

from __future__ import annotations

import hmac
from datetime import datetime

from sqlalchemy import Connection, delete, select

from core import links
from core.db import upsert
from core.errors import NotFound
from core.schema import muted

OPTIONAL = ("reminder",)
LONGEST = 200  # characters of a token


def is_off(tx: Connection, address_key: str, kind: str) -> bool:
    return tx.execute(select(muted.c.kind).where(muted.c.address_key == address_key, muted.c.kind == kind)).first() is not None


def set_off(tx: Connection, address_key: str, kind: str, off: bool, now: datetime) -> None:
    if off:
        tx.execute(upsert(tx)(muted).values(address_key=address_key, kind=kind, created_at=now).on_conflict_do_nothing())
    else:
        tx.execute(delete(muted).where(muted.c.address_key == address_key, muted.c.kind == kind))


def token(tx: Connection, address_key: str, kind: str) -> str:
    """What the link to turn a kind off carries; good for ever, and good for nothing else."""
    body = f"{address_key}.{kind}"
    return f"{body}.{links.seal(tx, f'off:{body}')}"


def read_token(tx: Connection, given: str) -> tuple[str, str]:
    """(address key, kind) of such a link. Raises NotFound for one that we did not make."""
    body, _, mark = given.rpartition(".")
    address_key, _, kind = body.partition(".")
    if len(given) > LONGEST or kind not in OPTIONAL or not hmac.compare_digest(mark.encode(), links.seal(tx, f"off:{body}").encode()):
        raise NotFound("There is nothing at this address.")
    return address_key, kind
