"""Who speaks: a traveler asks for a person, one expert wins the claim, and the bot is fenced until it is handed back.

The claim and the change of controller are one transaction, and the epoch grows with every change; so a bot's turn that
began before the claim can write nothing after it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from core import carts, conversations, trips
from core.bookings import facts_of
from core.db import announce
from core.engine import SYSTEM, Actor, Engine, new_id
from core.errors import AlreadyDecided, Invalid, NotAllowed, NotFound
from core.schema import account, booking, conversation, handoff, message
from core.states import move_handoff

REASONS = (
    "asked_for_human",
    "bot_failed",
    "policy",
    "payment_problem",
    "large_group",
    "quote_needed",
    "provider_overdue",
    "model_request",
    "expert_proactive",
)
OPEN = ("queued", "active", "waiting_traveler", "wrap_up")


def open_handoff(tx: Connection, conversation_id: str) -> Row[Any] | None:
    return tx.execute(
        select(handoff).where(handoff.c.conversation_id == conversation_id, handoff.c.status.in_(OPEN)).with_for_update()
    ).one_or_none()


def ask_for_person(engine: Engine, actor: Actor, reason: str, *, note: str = "") -> dict[str, Any]:
    """Queue the conversation for an expert; never refused, and asking twice is asking once.

    Returns {"handoff_id", "status", "ahead"}. The bot goes on helping until somebody claims it.
    """
    if reason not in REASONS:
        raise Invalid("reason", f"A reason is one of {', '.join(REASONS)}.")
    now = engine.clock()
    with engine.db.write() as tx:
        conversations.hold_fence(tx, actor)
        tx.execute(select(conversation.c.id).where(conversation.c.id == actor.conversation_id).with_for_update()).one()
        row = open_handoff(tx, actor.conversation_id)
        if row is None:
            handoff_id = new_id()
            tx.execute(
                insert(handoff).values(
                    id=handoff_id,
                    conversation_id=actor.conversation_id,
                    status="queued",
                    reason=reason,
                    note=note[:500],
                    priority=2 if reason in ("payment_problem", "policy") else 1,
                    queued_at=now,
                )
            )
            _state(tx, actor.conversation_id, now, mode="queued", text="waiting_for_person", key=f"queued:{handoff_id}")
            announce(tx, "desk", actor.conversation_id)
            row = tx.execute(select(handoff).where(handoff.c.id == handoff_id)).one()
        ahead = tx.execute(
            select(func.count()).select_from(handoff).where(handoff.c.status == "queued", handoff.c.queued_at < row.queued_at)
        ).scalar_one()
        return {"handoff_id": row.id, "status": row.status, "ahead": ahead}


def _state(tx: Connection, conversation_id: str, now: datetime, *, mode: str, key: str, text: str = "", expert: str = "") -> None:
    state = {"mode": mode, "text": text, "expert": expert}
    conversations.append(tx, conversation_id, "system", [], now=now, kind="state", client_id=key, state=state)


def queue(engine: Engine) -> list[dict[str, Any]]:
    """Open handoffs and conversations people hold: waiting first, the oldest first."""
    with engine.db.read() as tx:
        rows = tx.execute(
            select(handoff, account.c.display_name, conversation.c.locale, conversation.c.channel, conversation.c.controller_expert_id)
            .join(conversation, conversation.c.id == handoff.c.conversation_id)
            .join(account, account.c.id == conversation.c.account_id)
            .where(handoff.c.status.in_(OPEN))
            .order_by(handoff.c.status != "queued", handoff.c.priority.desc(), handoff.c.queued_at)
        ).all()
        return [
            {
                "handoff_id": row.id,
                "conversation_id": row.conversation_id,
                "status": row.status,
                "reason": row.reason,
                "note": row.note,
                "traveler": row.display_name or "A visitor",
                "language": row.locale,
                "channel": row.channel,
                "queued_at": row.queued_at.isoformat(),
                "expert_id": row.expert_id,
                "last": _last_line(tx, row.conversation_id),
            }
            for row in rows
        ]


def _last_line(tx: Connection, conversation_id: str) -> str:
    row = tx.execute(
        select(message.c.data)
        .where(message.c.conversation_id == conversation_id, message.c.role == "traveler")
        .order_by(message.c.seq.desc())
        .limit(1)
    ).one_or_none()
    if row is None:
        return ""
    return " ".join(str(part.get("text") or part.get("label") or "") for part in row.data.get("parts", []))[:140]


def _need_desk(actor: Actor) -> None:
    if actor.role not in ("expert", "operator"):
        raise NotAllowed("Only an expert can do that.")


def claim(engine: Engine, actor: Actor, conversation_id: str) -> dict[str, Any]:
    """Take a conversation over, queued or not. One winner; raises AlreadyDecided naming the expert who has it."""
    _need_desk(actor)
    now = engine.clock()
    with engine.db.write() as tx:
        held = tx.execute(select(conversation).where(conversation.c.id == conversation_id).with_for_update()).one_or_none()
        if held is None:
            raise NotFound("There is no such conversation.")
        if held.controller == "human":
            if held.controller_expert_id == actor.account_id:
                return {"conversation_id": conversation_id, "epoch": held.control_epoch, "again": True}
            name = tx.execute(select(account.c.display_name).where(account.c.id == held.controller_expert_id)).scalar_one_or_none()
            raise AlreadyDecided(f"{name or 'Another expert'} has taken this conversation.", by=name or "")
        row = open_handoff(tx, conversation_id)
        if row is None:
            handoff_id = new_id()
            tx.execute(
                insert(handoff).values(
                    id=handoff_id, conversation_id=conversation_id, status="queued", reason="expert_proactive", queued_at=now
                )
            )
            row = tx.execute(select(handoff).where(handoff.c.id == handoff_id)).one()
        move_handoff(tx, row, "claim", actor, expert_id=actor.account_id, claimed_at=now)
        epoch = held.control_epoch + 1
        tx.execute(
            update(conversation)
            .where(conversation.c.id == conversation_id)
            .values(controller="human", control_epoch=epoch, controller_expert_id=actor.account_id)
        )
        name = tx.execute(select(account.c.display_name).where(account.c.id == actor.account_id)).scalar_one()
        _state(tx, conversation_id, now, mode="human", text="person_joined", expert=name, key=f"claimed:{row.id}:{epoch}")
        return {"conversation_id": conversation_id, "epoch": epoch, "again": False}


def _held_by(tx: Connection, actor: Actor, conversation_id: str) -> Row[Any]:
    row = tx.execute(select(conversation).where(conversation.c.id == conversation_id).with_for_update()).one_or_none()
    if row is None:
        raise NotFound("There is no such conversation.")
    if row.controller != "human" or row.controller_expert_id != actor.account_id:
        raise NotAllowed("Take the conversation over first.")
    return row


def reply(engine: Engine, actor: Actor, conversation_id: str, text: str, *, client_id: str) -> int:
    """An expert's line to the traveler. Writing without a claim takes the conversation over first."""
    _need_desk(actor)
    cleaned = conversations.check_text(text)
    claim(engine, actor, conversation_id)
    now = engine.clock()
    with engine.db.write() as tx:
        _held_by(tx, actor, conversation_id)
        name = tx.execute(select(account.c.display_name).where(account.c.id == actor.account_id)).scalar_one()
        parts = [{"type": "text", "text": cleaned}]
        seq = conversations.append(
            tx, conversation_id, "expert", parts, now=now, client_id=client_id, author_id=actor.account_id, name=name
        )
        row = open_handoff(tx, conversation_id)
        if row is not None and row.first_human_message_at is None:
            tx.execute(update(handoff).where(handoff.c.id == row.id).values(first_human_message_at=now))
        return seq


def note(engine: Engine, actor: Actor, conversation_id: str, text: str, *, client_id: str | None = None) -> int:
    """A line only the staff can ever read."""
    _need_desk(actor)
    cleaned = conversations.check_text(text)
    with engine.db.write() as tx:
        return conversations.append(
            tx,
            conversation_id,
            "expert",
            [{"type": "text", "text": cleaned}],
            now=engine.clock(),
            kind="note",
            audience="staff",
            author_id=actor.account_id,
            client_id=client_id,
        )


def give_back(engine: Engine, actor: Actor, conversation_id: str, *, outcome: str = "returned_to_bot") -> dict[str, Any]:
    """Return the conversation to the assistant; lines the expert has seen are not answered again by the bot."""
    _need_desk(actor)
    now = engine.clock()
    with engine.db.write() as tx:
        held = _held_by(tx, actor, conversation_id)
        row = open_handoff(tx, conversation_id)
        if row is not None:
            move_handoff(tx, row, "close", actor, closed_at=now, outcome=outcome)
        return _to_bot(tx, held, now)


def leave_person(engine: Engine, actor: Actor) -> dict[str, Any]:
    """The traveler goes back to the assistant, or stops waiting for a person."""
    now = engine.clock()
    with engine.db.write() as tx:
        held = tx.execute(select(conversation).where(conversation.c.id == actor.conversation_id).with_for_update()).one()
        row = open_handoff(tx, actor.conversation_id)
        if row is None:
            return {"mode": "bot"}
        if row.status == "queued":
            move_handoff(tx, row, "abandon", actor, closed_at=now, outcome="abandoned")
        else:
            move_handoff(tx, row, "close", actor, closed_at=now, outcome="returned_to_bot")
        return _to_bot(tx, held, now)


def _to_bot(tx: Connection, held: Row[Any], now: datetime) -> dict[str, Any]:
    epoch = held.control_epoch + 1
    tx.execute(
        update(conversation)
        .where(conversation.c.id == held.id)
        .values(controller="bot", control_epoch=epoch, controller_expert_id=None, answered_seq=conversation.c.last_seq)
    )
    _state(tx, held.id, now, mode="bot", text="back_with_assistant", key=f"returned:{held.id}:{epoch}")
    announce(tx, "desk", held.id)
    return {"mode": "bot", "epoch": epoch}


def packet(engine: Engine, conversation_id: str) -> dict[str, Any]:
    """What an expert needs before the first word, made from facts: the trip, the cart with prices, the bookings."""
    with engine.db.read() as tx:
        return packet_of(tx, conversation_id)


def packet_of(tx: Connection, conversation_id: str) -> dict[str, Any]:
    row = conversations.get(tx, conversation_id)
    person = tx.execute(select(account).where(account.c.id == row.account_id)).one()
    rows = tx.execute(select(booking).where(booking.c.conversation_id == conversation_id).order_by(booking.c.created_at.desc())).all()
    waiting = open_handoff(tx, conversation_id)
    return {
        "conversation_id": conversation_id,
        "controller": row.controller,
        "expert_id": row.controller_expert_id,
        "epoch": row.control_epoch,
        "traveler": {"name": person.display_name, "email": person.email, "locale": row.locale, "visitor": person.visitor},
        "trip": trips.facts(tx, conversation_id),
        "cart": carts.view(tx, conversation_id),
        "bookings": [facts_of(one) for one in rows],
        "handoff": None if waiting is None else {"reason": waiting.reason, "note": waiting.note, "status": waiting.status},
    }


def sweep(engine: Engine, *, abandoned_after: timedelta = timedelta(days=2)) -> int:
    """Close handoffs nobody came for; returns how many."""
    now = engine.clock()
    ended = 0
    with engine.db.read() as tx:
        old = tx.execute(select(handoff.c.id).where(handoff.c.status == "queued", handoff.c.queued_at < now - abandoned_after)).all()
    for row in old:
        with engine.db.write() as tx:
            fresh = tx.execute(select(handoff).where(handoff.c.id == row.id).with_for_update()).one()
            if fresh.status == "queued":
                move_handoff(tx, fresh, "abandon", SYSTEM, closed_at=now, outcome="abandoned")
                ended += 1
    return ended
