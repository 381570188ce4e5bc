"""Webhooks out: what happened, told to programs of accounts and providers, signed, tried for a day, and written down.

A message is made in the transaction of the decision it tells of and named by it, so nothing is told twice under two names and
nothing is told that was rolled back. Headers and signature are those of Standard Webhooks.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Connection, Row, delete, insert, select, update

from core import audit, jobs
from core.db import upsert
from core.engine import Actor, Engine, new_id
from core.errors import Invalid, NotAllowed, NotFound, WrongState
from core.schema import account_role, booking, hook, hook_delivery

JOB = "hook.post"
BOOKINGS = ("booking.confirmed", "booking.changed", "booking.cancelled")
KINDS = (*BOOKINGS, "request.received", "request.decided", "payout.sent")
MOST = 10  # of one account
LONGEST = 2000  # characters of an address
PREFIX = "whsec_"
WAITS = (
    timedelta(seconds=5), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2), timedelta(hours=5), timedelta(hours=8), timedelta(hours=9),
)  # fmt: skip
"""Between two tries; after the last of them, a day later, a message is given up."""
TOO_LONG = timedelta(days=5)  # of nothing but failures, and a hook is switched off
KEPT = timedelta(days=60)  # what was delivered or given up


# ── subscribing ───────────────────────────────────────────────────────────────────────────────────


def add(engine: Engine, actor: Actor, url: str, events: Sequence[str] = (), *, provider_id: str = "") -> dict[str, Any]:
    """Subscribe to one's own bookings, or to a provider's affairs. The answer has the "secret", which is shown only here.

    Raises Invalid for an address or event that is none, NotFound for a provider that is not theirs, NotAllowed for too many.
    """
    now = engine.clock()
    address = check_url(url, local=engine.rules.local_hooks)
    wanted = list(dict.fromkeys(events))
    for one in wanted:
        if one not in KINDS:
            raise Invalid("events", f"There is no event {one!r}. There are {', '.join(KINDS)}.")
    if provider_id and actor.role != "operator" and provider_id not in actor.provider_ids:
        raise NotFound("There is no such provider of yours.")
    secret = PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()
    hook_id = new_id()
    with engine.db.write() as tx:
        mine = select(account_role.c.role).where(account_role.c.account_id == actor.account_id, _owns(provider_id))
        if provider_id and actor.role != "operator" and tx.execute(mine).first() is None:
            raise NotAllowed("Only an owner of the provider can add a webhook of it.")
        if len(tx.execute(select(hook.c.id).where(hook.c.account_id == actor.account_id)).all()) >= MOST:
            raise NotAllowed(f"An account can have {MOST} webhooks; remove one first.")
        values = {"account_id": actor.account_id, "provider_id": provider_id, "url": address, "events": wanted, "secret": secret}
        tx.execute(insert(hook).values(id=hook_id, created_at=now, **values))
        audit.record(tx, actor, "add_hook", f"account:{actor.account_id}", {"hook": hook_id, "provider": provider_id}, now)
        return {**view(_own(tx, actor, hook_id)), "secret": secret}


def check_url(url: str, *, local: bool = False) -> str:
    """https, without a name or password in it; with `local` also http. Raises Invalid. Where it leads is seen at every try."""
    text = url.strip()
    try:
        parts = urlsplit(text)
        port_is_known = parts.port is None or parts.port > 0
    except ValueError as error:
        raise Invalid("url", "That is no address.") from error
    if len(text) > LONGEST or not text.isascii() or any(one <= " " or one in "\\\x7f" for one in text):
        raise Invalid("url", f"An address has up to {LONGEST} plain characters.")
    if parts.scheme not in (("https", "http") if local else ("https",)) or not parts.hostname or not port_is_known:
        raise Invalid("url", "A webhook goes to an address that begins with https://.")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise Invalid("url", "Leave names, passwords and # out of the address; the signature says who sent it.")
    return text


def view(row: Row[Any]) -> dict[str, Any]:
    return {
        "hook_id": row.id, "url": row.url, "events": row.events or list(KINDS), "provider": row.provider_id or None,
        "created_at": row.created_at.isoformat(), "disabled_at": row.disabled_at.isoformat() if row.disabled_at else None,
        "disabled_why": row.disabled_why or None, "failing_since": row.failing_since.isoformat() if row.failing_since else None,
    }  # fmt: skip


def _own(tx: Connection, actor: Actor, hook_id: str, *, lock: bool = False) -> Row[Any]:
    query = select(hook).where(hook.c.id == hook_id)
    row = tx.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None or (actor.role != "operator" and row.account_id != actor.account_id):
        raise NotFound("There is no such webhook of yours.")
    return row


def listed(tx: Connection, actor: Actor) -> list[dict[str, Any]]:
    rows = tx.execute(select(hook).where(hook.c.account_id == actor.account_id).order_by(hook.c.created_at, hook.c.id)).all()
    return [view(row) for row in rows]


def remove(engine: Engine, actor: Actor, hook_id: str) -> None:
    """Nothing more goes there; its log goes with it. Raises NotFound."""
    with engine.db.write() as tx:
        _own(tx, actor, hook_id, lock=True)
        tx.execute(delete(hook_delivery).where(hook_delivery.c.hook_id == hook_id))
        tx.execute(delete(hook).where(hook.c.id == hook_id))
        audit.record(tx, actor, "remove_hook", f"account:{actor.account_id}", {"hook": hook_id}, engine.clock())


def enable(engine: Engine, actor: Actor, hook_id: str) -> dict[str, Any]:
    """Switch a hook on again; what failed meanwhile can be sent with `replay`. Raises NotFound."""
    with engine.db.write() as tx:
        _own(tx, actor, hook_id, lock=True)
        tx.execute(update(hook).where(hook.c.id == hook_id).values(disabled_at=None, disabled_why="", failing_since=None))
        return view(_own(tx, actor, hook_id))


def deliveries(engine: Engine, actor: Actor, hook_id: str, *, after: str = "", limit: int = 50) -> list[dict[str, Any]]:
    """What was sent or is to be, the newest first; `after` is the last one seen. Raises NotFound."""
    with engine.db.read() as tx:
        _own(tx, actor, hook_id)
        one = hook_delivery.c
        query = select(hook_delivery).where(one.hook_id == hook_id)
        if after:
            last = tx.execute(select(one.created_at).where(one.id == after, one.hook_id == hook_id)).scalar_one_or_none()
            if last is None:
                raise NotFound("That cursor does not belong to this log.")
            query = query.where((one.created_at < last) | ((one.created_at == last) & (one.id > after)))
        rows = tx.execute(query.order_by(one.created_at.desc(), one.id).limit(limit)).all()
    return [_delivery(row) for row in rows]


def _delivery(row: Row[Any]) -> dict[str, Any]:
    return {
        "delivery_id": row.id, "event": row.kind, "state": row.state, "attempts": row.attempts, "status": row.status, "error": row.error or None,
        "tried_at": row.tried_at.isoformat() if row.tried_at else None, "next_at": row.next_at.isoformat() if row.next_at else None,
        "created_at": row.created_at.isoformat(), "body": json.loads(row.body),
    }  # fmt: skip


def replay(engine: Engine, actor: Actor, hook_id: str, delivery_id: str) -> dict[str, Any]:
    """Send a message again, under the same id. Raises NotFound, WrongState where the hook is switched off."""
    now = engine.clock()
    with engine.db.write() as tx:
        if _own(tx, actor, hook_id, lock=True).disabled_at is not None:
            raise WrongState("This webhook is switched off; enable it first.")
        again = {"state": "queued", "attempts": 0, "next_at": now, "error": "", "status": None}
        done = tx.execute(
            update(hook_delivery).where(hook_delivery.c.id == delivery_id, hook_delivery.c.hook_id == hook_id).values(**again)
        )
        if done.rowcount != 1:
            raise NotFound("There is no such message of this webhook.")
        _wake(tx, delivery_id, now, now)
        return _delivery(tx.execute(select(hook_delivery).where(hook_delivery.c.id == delivery_id)).one())


# ── what happened ─────────────────────────────────────────────────────────────────────────────────


def booking_moved(tx: Connection, booking_id: str, source: str, target: str, now: datetime) -> None:
    """A booking was confirmed, or ended after it had been."""
    if target == "CONFIRMED":
        _of_booking(tx, "booking.confirmed", booking_id, f"confirmed:{booking_id}", {}, now)
    elif target == "CANCELLED" and source == "CONFIRMED":
        _of_booking(tx, "booking.cancelled", booking_id, f"cancelled:{booking_id}", {}, now)


def booking_changed(tx: Connection, booking_id: str, now: datetime) -> None:
    _of_booking(tx, "booking.changed", booking_id, "", {}, now)


def request_received(tx: Connection, request_id: str, booking_id: str, kind: str, respond_by: datetime, now: datetime) -> None:
    more = {"request_id": request_id, "kind": kind, "respond_by": respond_by.isoformat()}
    _of_booking(tx, "request.received", booking_id, f"received:{request_id}", more, now)


def request_decided(tx: Connection, request_id: str, booking_id: str, verdict: str, now: datetime) -> None:
    more = {"request_id": request_id, "verdict": verdict}
    _of_booking(tx, "request.decided", booking_id, f"decided:{request_id}", more, now)


def payout_sent(tx: Connection, provider_id: str, transfer_id: str, facts: dict[str, Any], now: datetime) -> None:
    _tell(
        tx,
        _hooks_of(tx, provider_id, None),
        "payout.sent",
        f"payout:{transfer_id}",
        {"provider": provider_id, "transfer": transfer_id, **facts},
        now,
    )


def _owns(provider_id: str) -> Any:
    """Messages tell of money, so they are the owners' to ask for, not the staff's."""
    return (account_role.c.role == "provider") & (account_role.c.provider_id == provider_id) & (account_role.c.level == "owner")


def _hooks_of(tx: Connection, provider_id: str, account_id: str | None) -> Sequence[Any]:
    """A provider's hooks count only while the account that made them still owns the provider."""
    staff = select(account_role.c.account_id).where((account_role.c.role == "operator") | _owns(provider_id))
    mine = (hook.c.provider_id == provider_id) & hook.c.account_id.in_(staff)
    if account_id is not None:
        mine = mine | ((hook.c.provider_id == "") & (hook.c.account_id == account_id))
    return tx.execute(select(hook.c.id, hook.c.events).where(mine, hook.c.disabled_at.is_(None))).all()


def _of_booking(tx: Connection, kind: str, booking_id: str, key: str, more: dict[str, Any], now: datetime) -> None:
    row = tx.execute(select(booking).where(booking.c.id == booking_id)).one()
    found = _hooks_of(tx, row.provider_id, row.account_id)
    if found:
        _tell(tx, found, kind, key or f"changed:{row.id}:{row.version}", {**_facts(row), **more}, now)


def _facts(row: Row[Any]) -> dict[str, Any]:
    """No names and addresses: who may read those asks for the booking."""
    return {
        "booking_id": row.id, "reference": row.reference, "provider": row.provider_id, "product": row.product_id, "option": row.option_id,
        "title": row.title, "status": row.status, "version": row.version, "date": row.local_date.isoformat(),
        "end_date": row.end_date.isoformat() if row.end_date else None, "start_time": row.local_start, "units": row.units,
        "quantity": row.quantity, "amount": row.amount, "currency": row.currency, "invoiced": row.invoiced_to is not None,
    }  # fmt: skip


def _tell(tx: Connection, found: Sequence[Any], kind: str, key: str, data: dict[str, Any], now: datetime) -> None:
    for one in found:
        if one.events and kind not in one.events:
            continue
        delivery_id = "msg_" + hashlib.sha256(f"{one.id}:{key}".encode()).hexdigest()[:32]
        body = json.dumps({"type": kind, "timestamp": now.isoformat(), "data": data}, separators=(",", ":"))
        values = {"id": delivery_id, "hook_id": one.id, "kind": kind, "body": body, "state": "queued", "next_at": now, "created_at": now}
        made = tx.execute(upsert(tx)(hook_delivery).values(values).on_conflict_do_nothing().returning(hook_delivery.c.id))
        if made.first() is not None:
            _wake(tx, delivery_id, now, now)


def _wake(tx: Connection, delivery_id: str, at: datetime, now: datetime) -> None:
    jobs.enqueue(tx, JOB, {"delivery_id": delivery_id}, run_at=at, now=now, dedupe=f"{JOB}:{delivery_id}")


# ── sending ───────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Errand:
    """One try: where to, what, and the headers that sign it."""

    delivery_id: str
    url: str
    body: bytes
    headers: dict[str, str]


def sign(secret: str, message_id: str, at: int, body: bytes) -> str:
    """Standard Webhooks' v1: HMAC-SHA256 over "id.timestamp.body", in base64."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = hmac.new(key, f"{message_id}.{at}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(signed).decode()}"


def errand(engine: Engine, delivery_id: str) -> Errand | None:
    """What is to be sent now; None where it is done, not due, or its hook is gone or off."""
    now = engine.clock()
    with engine.db.read() as tx:
        row = tx.execute(
            select(hook_delivery, hook.c.url, hook.c.secret, hook.c.disabled_at)
            .join(hook, hook.c.id == hook_delivery.c.hook_id)
            .where(hook_delivery.c.id == delivery_id)
        ).one_or_none()
    if row is None or row.state != "queued" or row.disabled_at is not None or row.next_at is None or row.next_at > now:
        return None
    body = row.body.encode()
    at = int(now.timestamp())
    headers = {"webhook-id": row.id, "webhook-timestamp": str(at), "webhook-signature": sign(row.secret, row.id, at, body)}
    return Errand(row.id, row.url, body, headers)


def arrived(engine: Engine, delivery_id: str, status: int) -> None:
    now = engine.clock()
    with engine.db.write() as tx:
        row = tx.execute(select(hook_delivery).where(hook_delivery.c.id == delivery_id).with_for_update()).one_or_none()
        if row is None:
            return
        values = {"state": "sent", "status": status, "error": "", "tried_at": now, "next_at": None}
        tx.execute(update(hook_delivery).where(hook_delivery.c.id == delivery_id).values(attempts=row.attempts + 1, **values))
        tx.execute(update(hook).where(hook.c.id == row.hook_id).values(failing_since=None))


def failed(engine: Engine, delivery_id: str, why: str, status: int | None = None) -> None:
    """Try again later, or give up after a day; a hook that only fails for days, or says 410, is switched off."""
    now = engine.clock()
    with engine.db.write() as tx:
        row = tx.execute(select(hook_delivery).where(hook_delivery.c.id == delivery_id).with_for_update()).one_or_none()
        if row is None:
            return
        over = row.attempts >= len(WAITS) or status == 410
        next_at = None if over else now + WAITS[row.attempts]
        values = {"state": "failed" if over else "queued", "status": status, "error": why[:300], "tried_at": now, "next_at": next_at}
        tx.execute(update(hook_delivery).where(hook_delivery.c.id == delivery_id).values(attempts=row.attempts + 1, **values))
        if next_at is not None:
            _wake(tx, delivery_id, next_at, now)
        owner = tx.execute(select(hook).where(hook.c.id == row.hook_id).with_for_update()).one()
        since = owner.failing_since or now
        off = {"disabled_at": now, "disabled_why": "it said 410" if status == 410 else f"it failed for {TOO_LONG.days} days"}
        gone = status == 410 or now - since >= TOO_LONG
        tx.execute(
            update(hook).where(hook.c.id == row.hook_id).values(failing_since=since, **(off if gone and not owner.disabled_at else {}))
        )
        if gone:
            stuck = (hook_delivery.c.hook_id == row.hook_id, hook_delivery.c.state == "queued")
            tx.execute(update(hook_delivery).where(*stuck).values(state="failed", next_at=None, error="the webhook was switched off"))


def sweep(engine: Engine) -> int:
    """Wake what is overdue and has no job, and forget what is old; returns how many were woken."""
    now = engine.clock()
    one = hook_delivery.c
    with engine.db.read() as tx:
        late = tx.execute(
            select(one.id)
            .join_from(hook_delivery, hook, hook.c.id == one.hook_id)
            .where(one.state == "queued", one.next_at < now - timedelta(minutes=2), hook.c.disabled_at.is_(None))
            .limit(500)
        ).scalars().all()  # fmt: skip
        old = tx.execute(select(one.id).where(one.state != "queued", one.created_at < now - KEPT).limit(500)).scalars().all()
    if late or old:
        with engine.db.write() as tx:
            for delivery_id in late:
                _wake(tx, delivery_id, now, now)
            tx.execute(delete(hook_delivery).where(one.id.in_(old)))
    return len(late)
