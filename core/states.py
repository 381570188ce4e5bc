"""Where a status may go: one table per machine, one way to move.

Every move is `UPDATE ... SET status = :to WHERE id = :id AND status = :from` and its row count decides, so of two
racing moves exactly one wins. The tables below are also drawn in docs/engine.md and walked by the tests.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, insert, update

from core import hooks, jobs
from core.db import announce
from core.engine import Actor
from core.errors import WrongState
from core.schema import booking, booking_event, booking_request, handoff, offer


@dataclass(frozen=True, slots=True)
class Move:
    event: str
    source: str
    target: str
    actors: tuple[str, ...]


ANYONE = ("traveler", "provider", "expert", "operator", "system")

BOOKING: tuple[Move, ...] = (
    Move("pay", "ON_HOLD", "CONFIRMED", ("system",)),
    Move("send_request", "ON_HOLD", "PENDING", ("traveler", "expert", "system")),
    Move("expire", "ON_HOLD", "EXPIRED", ("system",)),
    Move("cancel", "ON_HOLD", "CANCELLED", ANYONE),
    Move("approve_to_pay", "PENDING", "ON_HOLD", ("provider", "operator", "expert")),
    Move("approve", "PENDING", "CONFIRMED", ("provider", "operator", "expert", "system")),
    Move("accept_offer_to_pay", "PENDING", "ON_HOLD", ("traveler",)),
    Move("accept_offer", "PENDING", "CONFIRMED", ("traveler",)),
    Move("decline_offer", "PENDING", "CANCELLED", ("traveler",)),
    Move("decline", "PENDING", "REJECTED", ("provider", "operator", "expert")),
    Move("expire", "PENDING", "EXPIRED", ("system",)),
    Move("withdraw", "PENDING", "CANCELLED", ("traveler", "expert", "operator")),
    Move("late_payment", "EXPIRED", "CONFIRMED", ("system",)),
    Move("redeem", "CONFIRMED", "REDEEMED", ("provider", "operator", "system")),
    Move("cancel", "CONFIRMED", "CANCELLED", ANYONE),
)

REQUEST: tuple[Move, ...] = (
    Move("approve", "open", "approved", ("provider", "operator", "expert")),
    Move("decline", "open", "declined", ("provider", "operator", "expert")),
    Move("expire", "open", "expired", ("system",)),
    Move("withdraw", "open", "withdrawn", ("traveler", "expert", "operator")),
    Move("counter", "open", "countered", ("provider", "operator", "expert")),
    Move("counter", "countered", "countered", ("provider", "operator", "expert")),
    Move("ask_again", "countered", "open", ("traveler",)),
    Move("accept_offer", "countered", "approved", ("traveler",)),
    Move("decline_offer", "countered", "declined", ("traveler",)),
    Move("decline", "countered", "declined", ("provider", "operator", "expert")),
    Move("expire", "countered", "expired", ("system",)),
    Move("withdraw", "countered", "withdrawn", ("traveler", "expert", "operator")),
)

OFFER: tuple[Move, ...] = (
    Move("accept", "offered", "accepted", ("traveler", "provider", "operator", "expert")),
    Move("decline", "offered", "declined", ("traveler", "provider", "operator", "expert")),
    Move("counter", "offered", "countered", ("traveler", "provider", "operator", "expert")),
    Move("withdraw", "offered", "withdrawn", ANYONE),
    Move("expire", "offered", "expired", ("system",)),
)

HOLD: tuple[Move, ...] = (
    Move("consume", "active", "consumed", ("system",)),
    Move("release", "active", "released", ANYONE),
    Move("expire", "active", "expired", ("system",)),
    Move("give_back", "consumed", "released", ANYONE),  # with the cancellation of what was sold
)

HANDOFF: tuple[Move, ...] = (
    Move("claim", "queued", "active", ("expert", "operator")),
    Move("claim", "unattended", "active", ("expert", "operator")),
    Move("miss", "queued", "unattended", ("system",)),  # nobody came in time; it stays in the queue
    Move("abandon", "queued", "abandoned", ("traveler", "system", "operator", "expert")),
    Move("abandon", "unattended", "abandoned", ("traveler", "system", "operator", "expert")),
    Move("wait", "active", "waiting_traveler", ("expert", "operator")),
    Move("answer", "waiting_traveler", "active", ("traveler", "system")),
    Move("requeue", "active", "queued", ("expert", "operator", "system")),
    Move("requeue", "waiting_traveler", "queued", ("expert", "operator", "system")),
    Move("close", "active", "closed", ("expert", "operator", "traveler")),
    Move("close", "waiting_traveler", "closed", ("expert", "operator", "traveler")),
)

MACHINES = {"booking": BOOKING, "booking_request": REQUEST, "offer": OFFER, "hold": HOLD, "handoff": HANDOFF}


def find(machine: Iterable[Move], event: str, source: str, role: str) -> Move:
    """The move an actor may make from here. Raises WrongState with the facts."""
    for move in machine:
        if move.event == event and move.source == source and role in move.actors:
            return move
    raise WrongState(f"A thing that is {source} cannot {event.replace('_', ' ')}.", event=event, status=source, role=role)


def _swap(tx: Connection, table: Table, subject: str, move: Move, values: dict[str, Any]) -> None:
    done = tx.execute(update(table).where(table.c.id == subject, table.c.status == move.source).values(status=move.target, **values))
    if done.rowcount != 1:
        raise WrongState(f"Somebody else decided first; it is no longer {move.source}.", event=move.event, status=move.source)


def move_booking(tx: Connection, row: Any, event: str, actor: Actor, now: datetime, *, reason: str = "", **values: Any) -> str:
    """Move one booking, write its event, tell listeners; returns the new status. Raises WrongState where another won."""
    move = find(BOOKING, event, row.status, actor.role)
    _swap(tx, booking, row.id, move, {"version": booking.c.version + 1, **values})
    record(tx, row.id, event, move.source, move.target, actor, now, reason)
    hooks.booking_moved(tx, row.id, move.source, move.target, now)
    announce(tx, "conversation", row.conversation_id)
    announce(tx, "provider", row.provider_id)
    return move.target


def record(tx: Connection, booking_id: str, event: str, source: str, target: str, actor: Actor, now: datetime, reason: str = "") -> None:
    tx.execute(
        insert(booking_event).values(
            booking_id=booking_id,
            event=event,
            from_status=source,
            to_status=target,
            actor_role=actor.role,
            actor_id=actor.account_id,
            source=actor.channel,
            reason=reason[:300],
            at=now,
        )
    )


def move_request(tx: Connection, row: Any, event: str, actor: Actor, now: datetime, *, answer: str = "", **values: Any) -> str:
    """Move one request; `values` are columns that change with it, such as the next `respond_by`."""
    move = find(REQUEST, event, row.status, actor.role)
    over = move.target not in ("open", "countered")
    decided = {"decided_by": actor.account_id, "decided_at": now, "answer": answer[:1000]} if over else {}
    _swap(tx, booking_request, row.id, move, {**decided, **values})
    if over:
        hooks.request_decided(tx, row.id, row.booking_id, move.target, now)
    jobs.enqueue(tx, "request.cards", {"request_id": row.id}, run_at=now, now=now, dedupe=f"cards:{row.id}")  # wherever it is shown
    return move.target


def move_offer(tx: Connection, row: Any, event: str, actor: Actor, now: datetime) -> str:
    move = find(OFFER, event, row.status, actor.role)
    _swap(tx, offer, row.id, move, {"decided_by": actor.account_id, "decided_at": now})
    return move.target


def move_handoff(tx: Connection, row: Any, event: str, actor: Actor, **values: Any) -> str:
    move = find(HANDOFF, event, row.status, actor.role)
    _swap(tx, handoff, row.id, move, values)
    announce(tx, "desk", row.conversation_id)
    return move.target
