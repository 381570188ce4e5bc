"""Programs that speak for a person: a token of their own, for one account in one role, given out, listed and taken back.

The token is shown once and kept as a hash. Each program has a conversation of its own, so its cart is not the one its owner is
filling somewhere else; whatever commits money or places still waits for the owner's own tap.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select, update

from core import audit, conversations
from core.engine import Actor, Engine, new_id
from core.errors import Invalid, NotAllowed, NotFound
from core.people import SESSION_LIFE, digest, who
from core.redact import plain
from core.schema import account, account_role, session

KIND = "program"
CHANNEL = "mcp"
PREFIX = "tvp_"
ROLES = ("traveler", "provider")
MOST = 20  # live tokens of one account


@dataclass(frozen=True, slots=True)
class Program:
    """A program at the door: what it may be is bound by its token, never by what it says."""

    session_id: str
    actor: Actor


def give(engine: Engine, by: Actor, account_id: str, *, role: str = "traveler", label: str = "") -> tuple[str, str]:
    """A token for a program of this account; returns (id, token), the token exists nowhere else.

    Raises NotFound, Invalid for a role no program can have, NotAllowed where the account does not hold it or has too many tokens.
    """
    now = engine.clock()
    if role not in ROLES:
        raise Invalid("role", f"A program can act as {' or '.join(ROLES)}, not as {role!r}.")
    token = PREFIX + secrets.token_urlsafe(32)
    with engine.db.write() as tx:
        person = tx.execute(select(account).where(account.c.id == account_id).with_for_update()).one_or_none()
        if person is None:
            raise NotFound(f"There is no account {account_id!r}.")
        _ensure_holds(tx, account_id, role)
        if len(listed(tx, account_id)) >= MOST:
            raise NotAllowed(f"An account can have {MOST} programs; take one back first.")
        home = conversations.begin(tx, account_id, now, channel=CHANNEL, locale=person.locale)
        program_id = new_id()
        tx.execute(
            insert(session).values(
                id=program_id,
                account_id=account_id,
                kind=KIND,
                token_hash=digest(token),
                conversation_id=home,
                role=role,
                label=" ".join(plain(label).split())[:80],
                created_at=now,
                expires_at=now + SESSION_LIFE[KIND],
            )
        )
        audit.record(tx, by, "give_program", f"account:{account_id}", {"program": program_id, "role": role}, now)
    return program_id, token


def _ensure_holds(tx: Connection, account_id: str, role: str) -> None:
    """Everybody may travel; every other role has to have been granted."""
    held = select(account_role.c.role).where(account_role.c.account_id == account_id, account_role.c.role == role)
    if role != "traveler" and tx.execute(held).first() is None:
        raise NotAllowed(f"This account is not a {role}.")


def listed(tx: Connection, account_id: str) -> list[dict[str, Any]]:
    """The programs of an account whose tokens still count, the newest first."""
    mine = (session.c.account_id == account_id, session.c.kind == KIND, session.c.revoked_at.is_(None))
    rows = tx.execute(select(session).where(*mine).order_by(session.c.created_at.desc(), session.c.id)).all()
    return [{"id": one.id, "role": one.role, "label": one.label, "since": one.created_at, "until": one.expires_at} for one in rows]


def take_back(engine: Engine, by: Actor, program_id: str) -> str:
    """From now on its token opens nothing; returns whose it was. Raises NotFound for another's, unless an operator takes it back."""
    now = engine.clock()
    mine = [session.c.id == program_id, session.c.kind == KIND, session.c.revoked_at.is_(None)]
    if by.role != "operator":
        mine.append(session.c.account_id == by.account_id)
    with engine.db.write() as tx:
        row = tx.execute(update(session).where(*mine).values(revoked_at=now).returning(session.c.account_id)).one_or_none()
        if row is None:
            raise NotFound("There is no such program.")
        audit.record(tx, by, "take_back_program", f"account:{row.account_id}", {"program": program_id}, now)
    return str(row.account_id)


def find(engine: Engine, token: str) -> Program | None:
    """The program a token belongs to, or None where it is unknown, over, taken back, or its owner lost the role meanwhile."""
    if not token.startswith(PREFIX) or len(token) > 200:
        return None
    now = engine.clock()
    with engine.db.read() as tx:
        person = who(tx, token, KIND, now)
        if person is None:
            return None
        role = tx.execute(select(session.c.role).where(session.c.id == person.session_id)).scalar_one()
    if role != "traveler" and not person.has(role):
        return None
    providers = person.provider_ids if role == "provider" else ()
    home = person.conversation_id or ""
    return Program(person.session_id, Actor(person.account_id, role=role, conversation_id=home, channel=CHANNEL, provider_ids=providers))


def note_call(engine: Engine, program: Program, verb: str, arguments: Mapping[str, Any], *, ok: bool) -> None:
    """One line in the audit for each thing a program wrote or tried to write: ids, days and numbers, never what somebody typed."""
    with engine.db.write() as tx:
        told = {name: str(value)[:64] for name, value in arguments.items() if name.endswith(("id", "date")) or isinstance(value, int)}
        detail = {"program": program.session_id, "arguments": told, "ok": ok}
        audit.record(tx, program.actor, verb, f"conversation:{program.actor.conversation_id}", detail, engine.clock())
