"""Signing in with nothing but a mail address: a link that works once, for 15 minutes, sent to whoever reads the mail there.

Asking takes the same way for an address that nobody has: the work is done later, and the answer says nothing of it. Neither
the token nor its link is stored; the letter's row holds a number of which only the house can make the token.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, insert, select, update

from core import identities, jobs, links, notices
from core.db import fingerprint
from core.engine import Engine
from core.errors import NotAllowed
from core.people import check_email, digest, open_session
from core.schema import account, account_role, booking, channel_identity, link_token, provider, session

JOB = "signin.mail"
LIFE = timedelta(minutes=15)
MOST = 3  # links of one account that still work


def ask(engine: Engine, email: str) -> None:
    """Have a link sent, if there is anybody at this address. Raises Invalid for what is no address."""
    cleaned = check_email(email).lower()
    now = engine.clock()
    with engine.db.write() as tx:
        jobs.enqueue(tx, JOB, {"email": cleaned}, run_at=now, now=now, dedupe=f"signin:{fingerprint({'email': cleaned})[:32]}")


def send(engine: Engine, email: str) -> bool:
    """Make the link and queue the letter; False where nobody is known there, or too many links still work."""
    now = engine.clock()
    with engine.db.write() as tx:
        account_id = find(tx, email, now)
        if account_id is None:
            return False
        live = (link_token.c.account_id == account_id, link_token.c.purpose == "mail_in", link_token.c.used_at.is_(None))
        count = select(func.count()).select_from(link_token).where(*live, link_token.c.expires_at > now)
        if tx.execute(count).scalar_one() >= MOST:
            return False
        nonce = secrets.token_hex(16)
        tx.execute(
            insert(link_token).values(
                token_hash=digest(token_of(tx, nonce)),
                account_id=account_id,
                purpose="mail_in",
                params={"email": email},
                expires_at=now + LIFE,
            )
        )
        locale = tx.execute(select(account.c.locale).where(account.c.id == account_id)).scalar_one()
        content = {"nonce": nonce, "locale": locale}
        notices.send(tx, channel="mail", address=email, notice="signin", content=content, now=now, key=f"signin:{nonce}")
    return True


def token_of(tx: Connection, nonce: str) -> str:
    return f"m{links.seal(tx, f'signin:{nonce}')}"


def find(tx: Connection, email: str, now: datetime) -> str | None:
    """Whose address it is: somebody who works here or has signed up before those who only booked with it. Of these whoever has proved
    to read the mail there comes first, then whoever had it last."""
    mine = func.lower(account.c.email) == email
    named = select(account.c.id).where(mine, account.c.visitor.is_(False))
    staff = tx.execute(named.join(account_role, account_role.c.account_id == account.c.id).order_by(account.c.id)).scalars().first()
    known = staff or tx.execute(named.order_by(account.c.created_at)).scalars().first()
    if known is not None:
        return str(known)
    owned = tx.execute(select(provider.c.id).where(func.lower(provider.c.email) == email).order_by(provider.c.id)).scalars().first()
    if owned is not None:
        return identities.mail_account(tx, email, owned, now)
    booked = select(account.c.id).join(booking, booking.c.account_id == account.c.id).where(mine)
    booked = booked.order_by(account.c.email_verified_at.is_(None), booking.c.created_at.desc())
    last = tx.execute(booked.limit(1)).scalar_one_or_none()
    return None if last is None else str(last)


def redeem(engine: Engine, token: str, *, identity_key: str = "") -> str:
    """Use a link up; returns a console session's token. The address counts as verified from now on, and as this account's way in.

    Raises NotAllowed for a link that is used, old or unknown.
    """
    now = engine.clock()
    with engine.db.write() as tx:
        row = identities.use_token(tx, token, "mail_in", now)
        email = str(row.params["email"])
        held = tx.execute(select(account).where(account.c.id == row.account_id).with_for_update()).one()
        if (held.email or "").lower() != email:
            raise NotAllowed("This address is no longer that of the account. Please ask for a new link.")
        if held.visitor and held.email_verified_at is None:
            _take_over(tx, held.id, now)
        tx.execute(update(account).where(account.c.id == row.account_id).values(email_verified_at=now))
        if identity_key:
            identities.vouch(tx, now, channel="mail", workspace="mail", user_id=identity_key, name=email, account_id=row.account_id)
        return open_session(tx, row.account_id, "console", now)


def _take_over(tx: Connection, account_id: str, now: datetime) -> None:
    """Until now anybody may have booked under this address. From here on it is its reader's: whoever was in before is out, on every
    page, by every link and in every linked chat."""
    tx.execute(update(session).where(session.c.account_id == account_id, session.c.revoked_at.is_(None)).values(revoked_at=now))
    links.end_all(tx, account_id)
    linked = (channel_identity.c.account_id == account_id, channel_identity.c.linked_at.is_not(None), channel_identity.c.channel != "mail")
    for identity_id in tx.execute(select(channel_identity.c.id).where(*linked)).scalars().all():
        identities.unlink(tx, identity_id, account_id, now)


def email_of(engine: Engine, token: str) -> str:
    """The address a link was sent to; "" for an unknown one."""
    with engine.db.read() as tx:
        params = tx.execute(select(link_token.c.params).where(link_token.c.token_hash == digest(token))).scalar_one_or_none()
    return str((params or {}).get("email", ""))
