"""Who somebody is on another channel: met as a visitor, linked to an account by a single-use token, and unlinked again.

Nothing but such a token links: never a name, an e-mail address or a phone number that the other side shows.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from core.db import upsert
from core.engine import Actor, Engine, new_id
from core.errors import NotAllowed, NotFound, Refused
from core.people import digest, grant, new_account
from core.redact import plain
from core.schema import account, account_role, audit_log, channel_identity, link_token, place, provider

LINK_LIFE = timedelta(minutes=15)
PREFIX = "l_"  # of a token that links a chat to an account: 34 of the 64 characters a deep link may carry


def lane_of(channel: str, workspace: str, chat_id: str, thread_id: str = "") -> str:
    """One lane per place: what comes from it is dealt with in order, and so is what goes to it."""
    return f"{channel}:{workspace}:{chat_id}:{thread_id}"


def meet(
    tx: Connection, now: datetime, *, channel: str, workspace: str, user_id: str, name: str = "", locale: str = "en", chat_id: str = ""
) -> Row[Any]:
    """The person behind an outside user, with an account of their own from the first word on. `chat_id` is where they are alone with us."""
    mine = (
        channel_identity.c.channel == channel,
        channel_identity.c.workspace == workspace,
        channel_identity.c.external_user_id == user_id,
    )
    row = tx.execute(select(channel_identity).where(*mine)).one_or_none()
    if row is None:
        shown = " ".join(plain(name).split())[:120]
        tx.execute(
            upsert(tx)(channel_identity)
            .values(
                id=new_id(),
                channel=channel,
                workspace=workspace,
                external_user_id=user_id,
                account_id=new_account(tx, now, locale=locale, name=shown),
                display_name=shown,
                locale=locale,
                chat_id=chat_id,
                created_at=now,
            )
            .on_conflict_do_nothing(index_elements=["channel", "workspace", "external_user_id"])
        )
        row = tx.execute(select(channel_identity).where(*mine)).one()
    if row.account_id is None or (chat_id and row.chat_id != chat_id):
        values = {"account_id": row.account_id or new_account(tx, now, locale=row.locale, name=row.display_name)}
        values |= {"chat_id": chat_id} if chat_id else {}
        tx.execute(update(channel_identity).where(channel_identity.c.id == row.id).values(**values))
        row = tx.execute(select(channel_identity).where(channel_identity.c.id == row.id)).one()
    return row


def actor_of(tx: Connection, identity: Row[Any], role: str, *, conversation_id: str = "") -> Actor:
    """This person in a role, with what their account really holds at this moment. Raises NotAllowed where it does not hold the role."""
    held = roles_of(tx, identity.account_id)
    if role != "traveler" and not any(one in (role, "operator") for one, _ in held):
        raise NotAllowed("Your account is not linked to that role here.")
    acting = role if role == "traveler" or any(one == role for one, _ in held) else "operator"
    providers = tuple(provider for one, provider in held if one == "provider")
    return Actor(
        account_id=identity.account_id, role=acting, conversation_id=conversation_id, channel=identity.channel, provider_ids=providers
    )


def roles_of(tx: Connection, account_id: str) -> Sequence[tuple[str, str]]:
    rows = tx.execute(select(account_role.c.role, account_role.c.provider_id).where(account_role.c.account_id == account_id)).all()
    return [(row.role, row.provider_id) for row in rows]


# ── linking ───────────────────────────────────────────────────────────────────────────────────────


def invite(engine: Engine, account_id: str, *, conversation_id: str = "", purpose: str = "link") -> str:
    """A single-use token, good for 15 minutes, that makes whoever brings it this account; only its hash is kept.

    `purpose` is "link" (a chat joins the account) or "web" (a browser goes on with the conversation).
    """
    token = PREFIX + secrets.token_urlsafe(24)
    now = engine.clock()
    with engine.db.write() as tx:
        tx.execute(
            insert(link_token).values(
                token_hash=digest(token),
                account_id=account_id,
                purpose=purpose,
                params={"conversation_id": conversation_id},
                expires_at=now + LINK_LIFE,
            )
        )
    return token


def use_token(tx: Connection, token: str, purpose: str, now: datetime) -> Row[Any]:
    """The token's row, used up now. Raises NotAllowed where it is unknown, too old or was used before."""
    row = tx.execute(
        update(link_token)
        .where(
            link_token.c.token_hash == digest(token),
            link_token.c.purpose == purpose,
            link_token.c.used_at.is_(None),
            link_token.c.expires_at > now,
        )
        .values(used_at=now)
        .returning(link_token.c.account_id, link_token.c.params)
    ).one_or_none()
    if row is None:
        raise NotAllowed("This link has been used or is too old. Please make a new one where you are signed in.")
    return row


def link(tx: Connection, identity: Row[Any], token: str, now: datetime) -> Mapping[str, Any]:
    """This outside user becomes the token's account. Returns {"account_id", "before", "conversation_id"}.

    Raises NotAllowed for a token that does not count, Refused where the chat is linked to somebody else: that has to be
    undone first, on purpose.
    """
    if identity.linked_at is not None:
        owner = tx.execute(select(link_token.c.account_id).where(link_token.c.token_hash == digest(token))).scalar_one_or_none()
        if owner is not None and owner != identity.account_id:
            raise Refused("This chat is linked to another account. Send /unlink first, then open a new link.")
    row = use_token(tx, token, "link", now)
    tx.execute(
        update(channel_identity)
        .where(channel_identity.c.id == identity.id)
        .values(account_id=row.account_id, linked_at=now, blocked_at=None)
    )
    _audit(tx, now, row.account_id, "link", identity)
    return {"account_id": row.account_id, "before": identity.account_id, "conversation_id": row.params.get("conversation_id", "")}


def vouch(tx: Connection, now: datetime, *, channel: str, workspace: str, user_id: str, name: str, account_id: str | None) -> None:
    """The house itself knows whose address this is, because it wrote there: link it, or undo that where it is nobody's any more."""
    values = {"account_id": account_id, "linked_at": now if account_id is not None else None}
    mine = (
        channel_identity.c.channel == channel,
        channel_identity.c.workspace == workspace,
        channel_identity.c.external_user_id == user_id,
    )
    known = tx.execute(select(channel_identity).where(*mine)).one_or_none()
    if known is None and account_id is not None:
        made = {"id": new_id(), "channel": channel, "workspace": workspace, "external_user_id": user_id, "chat_id": user_id}
        tx.execute(insert(channel_identity).values(**made, display_name=name[:200], created_at=now, **values))
    elif known is not None and (known.account_id != account_id if account_id is not None else known.linked_at is not None):
        tx.execute(update(channel_identity).where(channel_identity.c.id == known.id).values(**values))


def mail_account(tx: Connection, address: str, provider_id: str, now: datetime) -> str | None:
    """Who answers for a provider from this mail address: somebody of theirs, or the provider's own contact address, which gets an
    account of its own with the first answer. None for everybody else."""
    staff = (
        select(account.c.id)
        .join(account_role, account_role.c.account_id == account.c.id)
        .where(
            account_role.c.role == "provider",
            account_role.c.provider_id == provider_id,
            account.c.visitor.is_(False),
            func.lower(account.c.email) == address,
        )
        .order_by(account.c.id)
    )
    found = tx.execute(staff).scalars().first()
    if found is not None:
        return str(found)
    owner = tx.execute(select(provider.c.name).where(provider.c.id == provider_id, func.lower(provider.c.email) == address)).one_or_none()
    if owner is None:
        return None
    made = new_account(tx, now, name=owner.name, email=address, visitor=False)
    grant(tx, made, "provider", provider_id)
    return made


def unlink(tx: Connection, identity_id: str, account_id: str, now: datetime) -> Row[Any]:
    """Undo a link, from either side: the chat is a stranger's again. Raises NotFound unless it is linked to this account."""
    mine = (channel_identity.c.id == identity_id, channel_identity.c.account_id == account_id, channel_identity.c.linked_at.is_not(None))
    row = tx.execute(select(channel_identity).where(*mine).with_for_update()).one_or_none()
    if row is None:
        raise NotFound("That chat is not linked to your account.")
    tx.execute(update(channel_identity).where(channel_identity.c.id == identity_id).values(account_id=None, linked_at=None))
    there = (place.c.channel == row.channel, place.c.workspace == row.workspace, place.c.chat_id == row.chat_id, place.c.kind == "private")
    tx.execute(update(place).where(*there).values(conversation_id=None, shown_seq=0, state={}))  # it reads nothing of theirs any more
    _audit(tx, now, account_id, "unlink", row)
    return row


def forget_workspace(tx: Connection, channel: str, workspace: str, now: datetime) -> int:
    """We were removed from there: every link into it is undone. Returns how many."""
    there = (channel_identity.c.channel == channel, channel_identity.c.workspace == workspace, channel_identity.c.linked_at.is_not(None))
    rows = tx.execute(select(channel_identity.c.id, channel_identity.c.account_id).where(*there)).all()
    for row in rows:
        unlink(tx, row.id, row.account_id, now)
    return len(rows)


def of_account(tx: Connection, account_id: str, channel: str) -> Sequence[Row[Any]]:
    """The chats linked to an account."""
    query = select(channel_identity).where(
        channel_identity.c.account_id == account_id, channel_identity.c.channel == channel, channel_identity.c.linked_at.is_not(None)
    )
    return tx.execute(query.order_by(channel_identity.c.linked_at)).all()


def chats_of_provider(tx: Connection, provider_id: str) -> Sequence[Row[Any]]:
    """Where the people of a provider can be written to: linked, alone with us and not turned off."""
    return tx.execute(
        select(channel_identity)
        .join(account_role, account_role.c.account_id == channel_identity.c.account_id)
        .where(
            account_role.c.role == "provider",
            account_role.c.provider_id == provider_id,
            channel_identity.c.linked_at.is_not(None),
            channel_identity.c.blocked_at.is_(None),
            channel_identity.c.chat_id != "",
            channel_identity.c.channel != "mail",  # everybody of a provider gets a mail in any case
        )
        .order_by(channel_identity.c.id)
    ).all()


def set_quiet(tx: Connection, identity_id: str, quiet_since: datetime | None) -> None:
    """They do not want to hear from us there, or do again."""
    tx.execute(update(channel_identity).where(channel_identity.c.id == identity_id).values(blocked_at=quiet_since))


def set_locale(tx: Connection, identity: Row[Any], locale: str) -> None:
    tx.execute(update(channel_identity).where(channel_identity.c.id == identity.id).values(locale=locale))
    tx.execute(update(account).where(account.c.id == identity.account_id).values(locale=locale))


def refused(tx: Connection, now: datetime, identity: Row[Any], verb: str, subject: str) -> None:
    """Somebody tried what was not theirs to do."""
    _audit(tx, now, identity.account_id or "", f"refused:{verb}"[:40], identity, subject)


def _audit(tx: Connection, now: datetime, actor_id: str, verb: str, identity: Row[Any], subject: str = "") -> None:
    tx.execute(
        insert(audit_log).values(
            at=now,
            actor_id=actor_id,
            role="traveler",
            channel=identity.channel,
            verb=verb,
            subject=subject[:120] or f"identity:{identity.id}",
            detail={"external_user_id": identity.external_user_id, "workspace": identity.workspace},
        )
    )
