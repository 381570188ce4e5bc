"""Addresses: one short name for each person's, and the one of ours that only an answer to a certain message can carry.

The answer address names a row of the outbox and is sealed with the house's key and the recipient's address, so it cannot be
made up, and in anybody else's hands it says no more than who it was meant for. Mail servers may change the case of letters;
nothing here depends on it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Row, select

from core import identities, links
from core.schema import outbound

CHANNEL = WORKSPACE = "mail"
REPLY = re.compile(r"(?:reply|bounce)\+([0-9a-f]{1,15})\.([0-9a-f]{32})@", re.IGNORECASE)


def same(address: str) -> str:
    return address.strip().lower()


def key_of(address: str) -> str:
    """What a mail address is called in lanes and identities: short, and nobody's address in a log."""
    return hashlib.sha256(same(address).encode()).hexdigest()[:32]


def lane_of(address: str) -> str:
    return identities.lane_of(CHANNEL, WORKSPACE, key_of(address))


def seal(tx: Connection, row_id: int, address: str) -> str:
    """The part of an answer address that stands behind the plus sign."""
    return f"{row_id:x}.{links.seal(tx, f'mail:{row_id}:{same(address)}')}"


def find_row(tx: Connection, recipients: Iterable[str]) -> tuple[Row[Any], str] | None:
    """The message of ours that somebody answers, and to whom it was sent; None where no address is one that we made."""
    for recipient in recipients:
        found = REPLY.search(recipient)
        if found is None:
            continue
        row_id = int(found[1], 16)
        row = tx.execute(select(outbound).where(outbound.c.id == row_id, outbound.c.channel == CHANNEL)).one_or_none()
        if row is None:
            continue
        address = address_of(tx, row)
        if hmac.compare_digest(seal(tx, row_id, address).rpartition(".")[2], found[2].lower()):
            return row, address
    return None


def address_of(tx: Connection, row: Any) -> str:
    """To whom a row goes: most name the address; an answer to somebody's mail names the person."""
    from core.schema import channel_identity

    if "@" in row.address:
        return str(row.address)
    mine = (channel_identity.c.channel == CHANNEL, channel_identity.c.chat_id == row.address)
    return str(tx.execute(select(channel_identity.c.display_name).where(*mine)).scalar_one())
