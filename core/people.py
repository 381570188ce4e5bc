"""Accounts, their roles and their sessions. A secret is shown once and stored only as a hash."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, insert, select, update

from core.db import upsert
from core.engine import Engine, new_id
from core.errors import Invalid, NotAllowed, NotFound
from core.redact import plain, redact
from core.schema import account, account_role, conversation, link_token, session

SESSION_LIFE = {
    "chat": timedelta(days=90),
    "console": timedelta(days=14),
    "api": timedelta(days=365),
    "program": timedelta(days=180),
    "reseller": timedelta(days=365),
}
INVITATION_LIFE = timedelta(days=3)
EMAIL = re.compile(r"[^@\s<>\"'(),;:\\\[\]]+@[^@\s<>\"'(),;:\\\[\]]+\.[^@\s<>\"'(),;:\\\[\]]{2,}")


@dataclass(frozen=True, slots=True)
class Person:
    """A signed-in account: `roles` holds (role, provider id or ""); of the providers in `staff_of` they are staff and no owner."""

    account_id: str
    display_name: str
    roles: tuple[tuple[str, str], ...]
    session_id: str
    conversation_id: str | None = None
    staff_of: tuple[str, ...] = ()

    def has(self, role: str) -> bool:
        return any(held == role for held, _ in self.roles)

    @property
    def provider_ids(self) -> tuple[str, ...]:
        return tuple(provider for role, provider in self.roles if role == "provider")

    @property
    def owned_ids(self) -> tuple[str, ...]:
        """Whose prices, listings, money and people this person decides about."""
        return tuple(one for one in self.provider_ids if one not in self.staff_of)


def digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def check_email(value: str) -> str:
    cleaned = value.strip()
    if len(cleaned) > 254 or not EMAIL.fullmatch(cleaned):
        raise Invalid("email", "That does not look like an e-mail address. Please write it like anna@example.com.")
    return cleaned


def new_account(tx: Connection, now: datetime, *, name: str = "", email: str | None = None, visitor: bool = True, **values: str) -> str:
    account_id = values.pop("account_id", None) or new_id()
    tx.execute(insert(account).values(id=account_id, display_name=name, email=email, visitor=visitor, created_at=now, **values))
    return account_id


def ensure_account(tx: Connection, now: datetime, account_id: str, *, name: str, email: str) -> None:
    """The account with exactly this id, made where it is missing."""
    tx.execute(
        upsert(tx)(account)
        .values(id=account_id, display_name=name, email=email, visitor=False, created_at=now)
        .on_conflict_do_nothing(index_elements=["id"])
    )


def grant(tx: Connection, account_id: str, role: str, provider_id: str = "", *, level: str = "owner") -> None:
    """Give a role, once. `level` is of a provider's people: an owner decides about prices, money and staff, staff does not."""
    if level not in ("owner", "staff"):
        raise Invalid("level", "People of a provider are owners or staff.")
    if role not in ("traveler", "provider", "expert", "operator", "reseller"):
        raise Invalid("role", f"There is no role {role!r}.")
    row = {"account_id": account_id, "role": role, "provider_id": provider_id, "level": level}
    tx.execute(upsert(tx)(account_role).values(row).on_conflict_do_nothing())


def open_session(tx: Connection, account_id: str, kind: str, now: datetime, *, conversation_id: str | None = None) -> str:
    """Returns the token, which exists nowhere else; the row keeps its hash."""
    token = secrets.token_urlsafe(32)
    tx.execute(
        insert(session).values(
            id=new_id(),
            account_id=account_id,
            kind=kind,
            token_hash=digest(token),
            conversation_id=conversation_id,
            created_at=now,
            expires_at=now + SESSION_LIFE[kind],
        )
    )
    return token


def who(tx: Connection, token: str, kind: str, now: datetime) -> Person | None:
    """The person behind a session token, or None where it is unknown, over or revoked."""
    row = tx.execute(
        select(session.c.id, session.c.account_id, session.c.conversation_id, session.c.expires_at, account.c.display_name)
        .join(account, account.c.id == session.c.account_id)
        .where(session.c.token_hash == digest(token), session.c.kind == kind, session.c.revoked_at.is_(None))
    ).one_or_none()
    if row is None or row.expires_at <= now:
        return None
    held = tx.execute(select(account_role).where(account_role.c.account_id == row.account_id)).all()
    roles = tuple((r.role, r.provider_id) for r in held)
    staff_of = tuple(r.provider_id for r in held if r.role == "provider" and r.level != "owner")
    return Person(row.account_id, row.display_name, roles, row.id, row.conversation_id, staff_of)


def providers_of(tx: Connection, account_id: str) -> tuple[str, ...]:
    """The ids of the providers an account works for."""
    mine = (account_role.c.account_id == account_id, account_role.c.role == "provider")
    return tuple(tx.execute(select(account_role.c.provider_id).where(*mine).order_by(account_role.c.provider_id)).scalars())


def revoke_session(tx: Connection, session_id: str, now: datetime) -> None:
    tx.execute(update(session).where(session.c.id == session_id, session.c.revoked_at.is_(None)).values(revoked_at=now))


def sign_in_link(engine: Engine, account_id: str, *, life: timedelta = timedelta(days=1)) -> str:
    """A single-use token for the sign-in page; returns the token, the caller builds the URL."""
    with engine.db.write() as tx:
        return new_link(tx, account_id, engine.clock(), life=life)


def new_link(
    tx: Connection,
    account_id: str,
    now: datetime,
    *,
    life: timedelta = timedelta(days=1),
    params: Mapping[str, str] | None = None,
    token: str = "",
) -> str:
    """The same inside a transaction. With {"provider": id, "level": "owner" or "staff"} whoever uses it joins that provider."""
    token = token or secrets.token_urlsafe(24)
    row = {"token_hash": digest(token), "account_id": account_id, "purpose": "sign_in", "params": dict(params or {})}
    tx.execute(insert(link_token).values(**row, expires_at=now + life))
    return token


def redeem_sign_in(engine: Engine, token: str) -> str:
    """Exchange a sign-in token for a console session token, once. Raises NotAllowed for used, old or unknown ones."""
    now = engine.clock()
    with engine.db.write() as tx:
        row = tx.execute(
            update(link_token)
            .where(
                link_token.c.token_hash == digest(token),
                link_token.c.purpose == "sign_in",
                link_token.c.used_at.is_(None),
                link_token.c.expires_at > now,
            )
            .values(used_at=now)
            .returning(link_token.c.account_id, link_token.c.params)
        ).one_or_none()
        if row is None:
            raise NotAllowed("This sign-in link has been used or is too old. Please ask for a new one.")
        if row.params.get("provider"):
            _join(tx, row.account_id, row.params["provider"], row.params["level"], now)
        return open_session(tx, row.account_id, "console", now)


def _join(tx: Connection, account_id: str, provider_id: str, level: str, now: datetime) -> None:
    """The mail arrived where it was sent, so the address is theirs: the account joins the provider."""
    grant(tx, account_id, "provider", provider_id, level=level)
    tx.execute(update(account).where(account.c.id == account_id).values(email_verified_at=now))


def find_account(engine: Engine, named: str) -> str:
    """The id of the account with this id, or of the only one that signed up with this e-mail address. Raises NotFound, Invalid."""
    by_email = account.c.email == named.strip()
    with engine.db.read() as tx:
        found = tx.execute(select(account.c.id).where((account.c.id == named) | (by_email & account.c.visitor.is_(False)))).scalars().all()
    if not found:
        raise NotFound(f"There is no account {named!r}. An e-mail address and --new make one.")
    if len(found) > 1:
        raise Invalid("account", f"{len(found)} accounts have the address {named}: name one by its id ({', '.join(sorted(found))}).")
    return str(found[0])


def sign_up(engine: Engine, email: str) -> str:
    """A traveler's account of its own for an e-mail address; returns its id. Raises Invalid for a bad or a known address."""
    cleaned = check_email(email)
    with engine.db.write() as tx:
        known = select(account.c.id).where(account.c.email == cleaned, account.c.visitor.is_(False))
        if tx.execute(known).first() is not None:
            raise Invalid("email", f"There is an account for {cleaned} already; leave --new out.")
        return new_account(tx, engine.clock(), email=cleaned, visitor=False)


def api_token(engine: Engine, account_id: str) -> str:
    """A token for a program that acts as this account, with its roles; shown once, good for a year, revocable. Raises NotFound."""
    now = engine.clock()
    with engine.db.write() as tx:
        if tx.execute(select(account.c.id).where(account.c.id == account_id)).one_or_none() is None:
            raise NotFound(f"There is no account {account_id!r}.")
        return open_session(tx, account_id, "api", now)


def conversations_of(tx: Connection, account_id: str) -> list[str]:
    return list(tx.execute(select(conversation.c.id).where(conversation.c.account_id == account_id).order_by(conversation.c.id)).scalars())


def set_contact(tx: Connection, account_id: str, *, name: str, email: str, terms: bool, now: datetime) -> None:
    """What a visitor must give before buying. Raises Invalid naming the field."""
    name = redact(plain(" ".join(name.split())))
    if not 2 <= len(name) <= 120:
        raise Invalid("name", "Please give the name the booking should be under.")
    if not terms:
        raise Invalid("terms", "Please accept the terms to book.")
    done = tx.execute(
        update(account).where(account.c.id == account_id).values(display_name=name, email=check_email(email), terms_accepted_at=now)
    )
    if done.rowcount != 1:
        raise NotFound("There is no such account.")


def contact(tx: Connection, account_id: str) -> dict[str, str]:
    """What a form may be filled in with: name and e-mail as given before."""
    row = tx.execute(select(account.c.display_name, account.c.email).where(account.c.id == account_id)).one()
    return {"name": row.display_name, "email": row.email or ""}
