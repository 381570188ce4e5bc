"""What the gateway tells us: kept first, answered, and then looked up. A body is only a hint; the state is fetched."""

from __future__ import annotations

import contextlib
from datetime import timedelta
from typing import Any

from sqlalchemy import select, update

from core import jobs
from core.db import upsert
from core.engine import Engine
from core.errors import NotFound, Refused
from core.payments import collect, disputes, payees, payouts
from core.schema import dispute, job, ledger_entry, payee, payment, refund, webhook_event

PAYMENTS = ("checkout.session.", "payment_intent.", "charge.")
DISPUTES = "charge.dispute."
ACCOUNTS = ("account.", "v2.core.account")
REFUNDS = ("refund.failed", "refund.updated")
LOOK = "gateway.look"
EVERY = timedelta(hours=1)
BACK = timedelta(days=30)


def receive(engine: Engine, body: bytes, signature: str) -> str:
    """Keep a signed event and wake the one who will fetch; one that is not ours is kept as done. Raises Refused for a forged
    or stale signature."""
    event = engine.gateway.read_event(body, signature)
    now = engine.clock()
    with engine.db.write() as tx:
        fresh = tx.execute(
            upsert(tx)(webhook_event)
            .values(
                id=event.id,
                type=event.type,
                body={"object": event.object_id, "kind": event.object_kind, "payment": event.payment_id, "account": event.account},
                state="new" if event.ours else "done",
                error=None if event.ours else "from another environment or application",
                received_at=now,
            )
            .on_conflict_do_nothing(index_elements=["id"])
            .returning(webhook_event.c.id)
        ).first()
        if fresh is not None and event.ours:
            jobs.enqueue(tx, "webhook", {"event_id": event.id}, run_at=now, now=now)
    return event.id


class NotOurs(Refused):
    """An event about something we do not know (yet); kept and tried again, never answered and forgotten."""

    code = "unknown_reference"


def work_event(engine: Engine, event_id: str) -> None:
    """Act on a kept event: fetch what it hints at. Raises NotOurs where nothing of ours matches yet."""
    with engine.db.read() as tx:
        row = tx.execute(select(webhook_event).where(webhook_event.c.id == event_id)).one()
    if row.state == "done":
        return
    if row.type.startswith(DISPUTES):
        disputes.sync(engine, row.body["object"])
    elif row.type.startswith(ACCOUNTS):
        _account(engine, row)
    elif row.type in REFUNDS:
        collect.refund_failed(engine, row.body["object"])
    elif row.type.startswith(PAYMENTS):
        _payment(engine, row)
    with engine.db.write() as tx:
        tx.execute(update(webhook_event).where(webhook_event.c.id == event_id).values(state="done"))


def look(engine: Engine) -> None:
    """Ask the gateway for what an event should have told us and may not have: disputes, and refunds that came back. Asks for the
    next look. Raises GatewayRefused, GatewayUnknown."""
    since = engine.clock() - BACK
    with engine.db.read() as tx:
        open_ones = select(dispute.c.id).where(dispute.c.status.not_in(payouts.CLOSED_DISPUTES))
        known = {row.id: row.status for row in tx.execute(select(dispute.c.id, dispute.c.status))}
        waiting = set(tx.execute(open_ones).scalars())
        failed = set(tx.execute(select(refund.c.gateway_id).where(refund.c.state == "failed")).scalars())
        booked = set(tx.execute(select(ledger_entry.c.posting).where(ledger_entry.c.posting.startswith("refund_failed:"))).scalars())
    told = {one.dispute_id: one.status for one in engine.gateway.disputes(since)}
    changed = waiting | {id for id, status in told.items() if known.get(id) != status}
    for dispute_id in sorted(changed):
        with contextlib.suppress(NotFound):  # another application's on the same account
            disputes.sync(engine, dispute_id)
    for gateway_id in engine.gateway.failed_refunds(since):
        if gateway_id not in failed and f"refund_failed:{gateway_id}" not in booked:
            with contextlib.suppress(NotFound):
                collect.refund_failed(engine, gateway_id)
    _ask(engine, EVERY)


def wake(engine: Engine) -> bool:
    """Start the looks where none is waiting or running; True where it did."""
    with engine.db.read() as tx:
        if tx.execute(select(job.c.id).where(job.c.state.in_(("ready", "running")), job.c.kind == LOOK).limit(1)).first() is not None:
            return False
    _ask(engine, timedelta(0))
    return True


def _ask(engine: Engine, ahead: timedelta) -> None:
    now = engine.clock()
    with engine.db.write() as tx:
        jobs.enqueue(tx, LOOK, {}, run_at=now + ahead, now=now, dedupe=LOOK)


def _payment(engine: Engine, row: Any) -> None:
    with engine.db.read() as tx:
        known = tx.execute(
            select(payment.c.id, payment.c.status, payment.c.session_id).where(
                (payment.c.id == (row.body.get("payment") or ""))
                | (payment.c.session_id == row.body["object"])
                | (payment.c.intent_id == row.body["object"])
                | (payment.c.charge_id == row.body["object"])
            )
        ).first()
    if known is None:
        raise NotOurs(f"The event {row.id} ({row.type}) is about a payment we do not know.")
    session = row.body["object"] if row.body["kind"] == "checkout.session" else known.session_id
    if known.session_id is None and known.status == "new":
        raise NotOurs(f"The event {row.id} ({row.type}) is about a page whose making we have not recorded yet.")
    if session is not None:
        collect.apply(engine, known.id, engine.gateway.fetch_payment(session))


def _account(engine: Engine, row: Any) -> None:
    named = row.body["object"] if row.body["kind"] in ("account", "v2.core.account") else row.body.get("account")
    with engine.db.read() as tx:
        known = tx.execute(select(payee.c.account).where(payee.c.account == named)).first()
    if known is None:
        raise NotOurs(f"The event {row.id} ({row.type}) is about an account we do not know.")
    payees.sync(engine, str(known.account))
