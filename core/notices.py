"""Telling people: a fact and its parameters into the conversation, and rows for the mail and other doors to deliver.

Nothing is phrased here. A door turns {"event": "booking_confirmed", "facts": {...}} into the reader's language.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select

from core import identities, jobs, links, quiet
from core.conversations import append
from core.db import announce, fingerprint, upsert
from core.schema import account, account_role, audit_log, outbound


def tell(
    tx: Connection,
    conversation_id: str,
    event: str,
    facts: Mapping[str, Any],
    now: datetime,
    *,
    key: str,
    actions: Sequence[Mapping[str, Any]] = (),
) -> None:
    """One line in the conversation, once per `key`. `actions` are {"label", "press"} or {"label", "url"}; labels are names of phrases."""
    part = {"type": "event", "event": event, "facts": dict(facts), "actions": [dict(action) for action in actions]}
    append(tx, conversation_id, "system", [part], now=now, client_id=key[:80])


def send(
    tx: Connection,
    *,
    channel: str,
    address: str,
    notice: str,
    content: Mapping[str, Any],
    now: datetime,
    key: str,
    conversation_id: str | None = None,
    lane: str = "",
    epoch: int | None = None,
    not_before: datetime | None = None,
) -> None:
    """Queue one message to the outside, once per `key`; a delivery worker sends it after the commit.

    Messages of one `lane` go out in order, one at a time; those without one (mail, SMS) in any order. With `epoch` it
    only goes out while the bot still controls the conversation at that epoch.
    """
    tx.execute(
        upsert(tx)(outbound)
        .values(
            key=key[:200],
            channel=channel,
            address=address,
            notice=notice,
            content=dict(content),
            conversation_id=conversation_id,
            lane=lane[:200],
            epoch=epoch,
            not_before=not_before or now,
            created_at=now,
        )
        .on_conflict_do_nothing(index_elements=["key"])
    )
    if lane:
        jobs.enqueue(tx, "send", {"lane": lane}, run_at=not_before or now, now=now, dedupe=f"send:{lane}"[:200])
    else:
        jobs.enqueue(tx, "deliver", {}, run_at=now, now=now, dedupe="deliver")


def tell_provider(tx: Connection, provider: Any, notice: str, facts: Mapping[str, Any], now: datetime, *, key: str) -> None:
    """The provider's inbox page is woken; everybody of the provider gets a mail, and a message in the chats they have linked.

    A phone is not woken at night by what can wait: such a text goes out in the provider's morning, on a lane of its own, so that
    what is urgent does not queue behind it.
    """
    announce(tx, "provider", provider.id)
    awake = now if quiet.is_urgent(notice, facts, provider.time_zone, now) else quiet.until(now, provider.time_zone)
    for chat in identities.chats_of_provider(tx, provider.id):
        waits = chat.channel == "sms" and awake > now
        lane = identities.lane_of(chat.channel, chat.workspace, chat.chat_id)
        send(
            tx,
            channel=chat.channel,
            address=chat.chat_id,
            notice=notice,
            content={"facts": dict(facts), "account_id": chat.account_id, "locale": chat.locale},
            now=now,
            key=f"{key}:{chat.channel}:{chat.workspace}:{chat.chat_id}",
            lane=f"{lane}#morning" if waits else lane,
            not_before=awake if waits else None,
        )
    staff = tx.execute(
        select(account.c.email)
        .join(account_role, account_role.c.account_id == account.c.id)
        .where(account_role.c.role == "provider", account_role.c.provider_id == provider.id, account.c.email.is_not(None))
    ).all()
    for email in sorted({row.email for row in staff} | ({provider.email} if provider.email else set())):
        send(tx, channel="mail", address=email, notice=notice, content=dict(facts), now=now, key=f"{key}:{email}")


def alarm(tx: Connection, what: str, facts: Mapping[str, Any], now: datetime) -> None:
    """Something a person of the house has to look at: kept in the audit trail and mailed to the operators, once for these facts."""
    key = f"alarm:{what}:{fingerprint(facts)[:32]}"
    values = {"at": now, "role": "system", "channel": "system", "verb": "alarm", "subject": what, "detail": dict(facts)}
    tx.execute(insert(audit_log).values(**values))
    operators = (
        select(account.c.email)
        .join(account_role, account_role.c.account_id == account.c.id)
        .where(account_role.c.role == "operator", account.c.email.is_not(None))
    )
    for email in sorted(set(tx.execute(operators).scalars())):
        send(tx, channel="mail", address=email, notice="alarm", content={"what": what, **facts}, now=now, key=f"{key}:{email}")


def mail_traveler(tx: Connection, booking: Any, notice: str, facts: Mapping[str, Any], now: datetime, *, key: str) -> None:
    """A mail about a booking. Beside the facts it has `links`, paths for the door to put its address before: the traveler's own
    page, and the vouchers of what is confirmed."""
    email = (booking.contact or {}).get("email")
    if email:
        send(
            tx,
            channel="mail",
            address=email,
            notice=notice,
            content={**facts, "links": links.for_mail(tx, booking, facts, now)},
            now=now,
            key=key,
            conversation_id=booking.conversation_id,
        )
