"""Traveler and provider write to each other about a booking, through the house: neither sees the other's address.

A letter is a fact like every other: it stands in the traveler's conversation, and goes out by mail and to the chats of
whoever it is for. An answer to it comes back the same way.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Row, func, select

from core import audit, conversations, notices
from core.bookings import facts_of
from core.engine import Actor, Engine
from core.errors import Invalid, NotAllowed, NotFound, Refused
from core.redact import plain, redact
from core.schema import audit_log, booking, provider

LONGEST = 2_000  # characters
A_DAY = 40  # letters about one booking, both ways
OPEN = ("CONFIRMED", "REDEEMED")
AFTER = timedelta(days=30)  # things are left behind, and questions come late


def to_provider(engine: Engine, actor: Actor, booking_id: str, text: str, *, key: str) -> str:
    """The traveler's words to whom they booked with; returns the provider's name. Once per `key`.

    Raises NotFound for another's booking, Refused before it is confirmed and long after it is over, Invalid for no words.
    """
    now = engine.clock()
    said = _words(text)
    with engine.db.write() as tx:
        row = _find(tx, booking_id)
        if row.account_id != actor.account_id:
            raise NotFound("There is no such booking.")
        owner = tx.execute(select(provider).where(provider.c.id == row.provider_id)).one()
        if _known(tx, key):
            return str(owner.name)
        _ensure_open(tx, row, now)
        first_name = str(row.contact.get("name", "")).split(" ")[0]
        facts = {**facts_of(row), "traveler": first_name, "provider": owner.name, "text": said}
        notices.tell(tx, row.conversation_id, "letter_sent", facts, now, key=f"letter:{key}"[:80])
        notices.tell_provider(tx, owner, "letter", facts, now, key=f"letter:{key}")
        audit.record(tx, actor, "letter", f"booking:{row.id}", {"to": "provider", "key": key}, now)
    return str(owner.name)


def to_traveler(engine: Engine, actor: Actor, booking_id: str, text: str, *, key: str) -> str:
    """A provider's words to who booked; returns the guest's first name. Raises as `to_provider`, NotAllowed for another provider's."""
    now = engine.clock()
    said = _words(text)
    with engine.db.write() as tx:
        row = _find(tx, booking_id)
        if actor.role != "operator" and row.provider_id not in actor.provider_ids:
            raise NotAllowed("That booking is with another provider.")
        first_name = str(row.contact.get("name", "")).split(" ")[0]
        if _known(tx, key):
            return first_name
        _ensure_open(tx, row, now)
        owner = tx.execute(select(provider).where(provider.c.id == row.provider_id)).one()
        conversations.append(
            tx,
            row.conversation_id,
            "provider",
            [{"type": "text", "text": said, "letter": row.id}],
            now=now,
            client_id=f"letter:{key}"[:80],
            author_id=actor.account_id,
            name=f"{owner.name}, {row.title}",
        )
        facts = {**facts_of(row), "provider": owner.name, "text": said}
        notices.mail_traveler(tx, row, "letter", facts, now, key=f"letter:{key}")
        audit.record(tx, actor, "letter", f"booking:{row.id}", {"to": "traveler", "key": key}, now)
    return first_name


def _words(text: str) -> str:
    said = redact(plain(text))[:LONGEST].strip()
    if not said:
        raise Invalid("text", "Please write a few words.")
    return said


def _find(tx: Connection, booking_id: str) -> Row[Any]:
    row = tx.execute(select(booking).where(booking.c.id == booking_id)).one_or_none()
    if row is None:
        raise NotFound("There is no such booking.")
    return row


def _known(tx: Connection, key: str) -> bool:
    """Was this letter written already (a crash came before the event was ticked off)?"""
    rows = tx.execute(select(audit_log.c.detail).where(audit_log.c.verb == "letter").order_by(audit_log.c.id.desc()).limit(200))
    return any(row.detail.get("key") == key for row in rows)


def _ensure_open(tx: Connection, row: Row[Any], now: Any) -> None:
    if row.status not in OPEN or row.starts_at + AFTER < now:
        raise Refused("You can write to each other once the booking is confirmed, and until 30 days after it.")
    mine = (audit_log.c.verb == "letter", audit_log.c.subject == f"booking:{row.id}", audit_log.c.at > now - timedelta(days=1))
    if tx.execute(select(func.count()).select_from(audit_log).where(*mine)).scalar_one() >= A_DAY:
        raise Refused("That was a lot of messages for one day. Please go on tomorrow, or ask a person of ours.")
