"""The money jobs, done in place: what a worker would do next, without one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from core import jobs
from core.engine import Engine
from core.errors import CoreError
from core.payments import balances, captures, collect, inbox, payouts

HANDLERS: Mapping[str, Callable[[Engine, Mapping[str, Any]], Any]] = {
    "payment.link": lambda engine, given: collect.ensure_link(engine, given["payment_id"]),
    "payment.deadline": lambda engine, given: collect.deadline(engine, given["payment_id"]),
    "payment.capture": lambda engine, given: captures.capture(engine, given["payment_id"]),
    "payment.release": lambda engine, given: captures.release(engine, given["payment_id"], given.get("session_id")),
    "payment.close": lambda engine, given: collect.close_link(engine, given["payment_id"]),
    "balance.wake": lambda engine, given: balances.wake(engine, given["booking_id"]),
    "payout.level": lambda engine, given: payouts.level(engine, given["share_id"]),
    "refund.send": lambda engine, given: collect.send_refund(engine, given["refund_id"]),
    "refund.orphan": lambda engine, given: collect.refund_orphan(engine, **given),
    "webhook": lambda engine, given: inbox.work_event(engine, given["event_id"]),
    inbox.LOOK: lambda engine, _given: inbox.look(engine),
    "deliver": lambda _engine, _given: None,
}


def work(engine: Engine, *, ahead: timedelta = timedelta(seconds=5), rounds: int = 20) -> list[str]:
    """Do every job that is due within `ahead`, until nothing is left or `rounds` are over; "kind" or "kind: error" of each."""
    done = []
    for _ in range(rounds):
        with engine.db.write() as tx:
            claimed = jobs.claim(tx, list(HANDLERS), engine.clock() + ahead)
        if not claimed:
            break
        for one in claimed:
            try:
                HANDLERS[one.kind](engine, one.payload)
            except CoreError as error:
                done.append(f"{one.kind}: {error.code}")
                with engine.db.write() as tx:
                    jobs.fail(tx, one, error.message, engine.clock())
            else:
                done.append(one.kind)
                with engine.db.write() as tx:
                    jobs.finish(tx, one.id)
    return done


def dead(engine: Engine) -> list[str]:
    with engine.db.read() as tx:
        return [row.kind for row in jobs.dead(tx)]
