"""Who speaks: a traveler asks for a person, one expert wins the claim, and the bot is fenced until it is handed back.

The claim and the change of controller are one transaction, and the epoch grows with every change; so a bot's turn that
began before the claim can write nothing after it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from core import audit, carts, conversations, experts, notices, triggers, trips, waits
from core.bookings import facts_of, with_payment
from core.db import announce
from core.engine import SYSTEM, Actor, Engine, new_id
from core.errors import AlreadyDecided, Invalid, NotAllowed, NotFound, Refused
from core.schema import account, account_role, booking, conversation, expert, handoff, message, payment, turn
from core.states import move_handoff

REASONS = (
    "asked_for_human",
    "bot_failed",
    "loop",
    "policy",
    "payment_problem",
    "large_group",
    "large_amount",
    "quote_needed",
    "provider_overdue",
    "model_request",
    "expert_proactive",
)
PRIORITY = {"payment_problem": 3, "policy": 2, "provider_overdue": 2, "bot_failed": 2, "model_request": 0, "expert_proactive": 0}  # else 1
OPEN = ("queued", "unattended", "active", "waiting_traveler", "wrap_up")
WAITING = waits.WAITING
LOST = timedelta(minutes=5)  # without a heartbeat, and without a word


def open_handoff(tx: Connection, conversation_id: str) -> Row[Any] | None:
    return tx.execute(
        select(handoff).where(handoff.c.conversation_id == conversation_id, handoff.c.status.in_(OPEN)).with_for_update()
    ).one_or_none()


def ask_for_person(engine: Engine, actor: Actor, reason: str, *, note: str = "") -> dict[str, Any]:
    """Queue the conversation for an expert; never refused, and asking twice is asking once.

    Returns {"handoff_id", "status", "ahead", "minutes", "promise_at"}; the last two are None where nothing numeric can be said.
    The bot goes on helping until somebody claims it.
    """
    if reason not in REASONS:
        raise Invalid("reason", f"A reason is one of {', '.join(REASONS)}.")
    now = engine.clock()
    with engine.db.write() as tx:
        conversations.hold_fence(tx, actor)
        by = "model" if actor.turn_id else actor.role
        row = _queue(tx, actor.conversation_id, triggers.Found(reason, note), by, now)
        wait = waits.expect(tx, row, now) if row.status in WAITING else waits.Wait(0)
        return {
            "handoff_id": row.id,
            "status": row.status,
            "ahead": wait.ahead,
            "minutes": wait.minutes,
            "promise_at": row.promise_at.isoformat() if row.promise_at else None,
        }


def consider(engine: Engine, conversation_id: str, text: str) -> list[str]:
    """After a traveler's words were answered: bring in a person where the rules say so. Returns the reasons found."""
    now = engine.clock()
    with engine.db.read() as tx:
        found = triggers.of_line(tx, engine.rules, conversation_id, text)
        known = tx.execute(select(handoff.c.triggers).where(handoff.c.conversation_id == conversation_id)).scalars().all()
    # what the state of things asks for is asked once; words ask each time they are written
    told = {one["reason"] for row in known for one in row or () if one["reason"] not in ("asked_for_human", "policy")}
    found = [one for one in found if one.reason not in told]
    if not found:
        return []
    with engine.db.write() as tx:
        for one in found:
            _queue(tx, conversation_id, one, "rule", now)
    return [one.reason for one in found]


def _queue(tx: Connection, conversation_id: str, found: triggers.Found, by: str, now: datetime, *, key: str = "") -> Row[Any]:
    """The open handoff of a conversation with this trigger added to it; made where there is none, with a promise if one can be given."""
    held = tx.execute(select(conversation).where(conversation.c.id == conversation_id).with_for_update()).one_or_none()
    if held is None:
        raise NotFound("There is no such conversation.")
    trigger = {"reason": found.reason, "by": by, "at": now.isoformat(), **({"note": found.note[:300]} if found.note else {})}
    trigger |= {"key": key} if key else {}
    priority = PRIORITY.get(found.reason, 1)
    row = open_handoff(tx, conversation_id)
    if row is not None:
        so_far = list(row.triggers or ())
        if not any(one["reason"] == found.reason and one.get("note") == trigger.get("note") for one in so_far):
            values = {"triggers": [*so_far, trigger], "priority": max(row.priority, priority), "note": row.note or found.note[:500]}
            tx.execute(update(handoff).where(handoff.c.id == row.id).values(**values))
            announce(tx, "desk", conversation_id)
        return tx.execute(select(handoff).where(handoff.c.id == row.id)).one()
    handoff_id = new_id()
    tx.execute(
        insert(handoff).values(
            id=handoff_id,
            conversation_id=conversation_id,
            status="queued",
            reason=found.reason,
            note=found.note[:500],
            priority=priority,
            triggers=[trigger],
            language=held.locale,
            destination=str(trips.facts(tx, conversation_id).get("city") or ""),
            queued_at=now,
        )
    )
    row = tx.execute(select(handoff).where(handoff.c.id == handoff_id)).one()
    wait = waits.expect(tx, row, now)
    if wait.at is not None:
        tx.execute(update(handoff).where(handoff.c.id == handoff_id).values(promise_at=wait.at))
    text = "waiting_for_person" if wait.minutes is None else "waiting_promise" if wait.ahead else "waiting_promise_next"
    more: dict[str, Any] = {"ahead": wait.ahead, "minutes": wait.minutes}
    if wait.opens_at is not None:
        text, more = "waiting_opens", {"opens_at": wait.opens_at.isoformat()}
    _state(tx, conversation_id, now, mode="queued", text=text, key=f"queued:{handoff_id}", **more)
    announce(tx, "desk", conversation_id)
    return tx.execute(select(handoff).where(handoff.c.id == handoff_id)).one()


def _state(
    tx: Connection, conversation_id: str, now: datetime, *, mode: str, key: str, text: str = "", expert: str = "", **more: Any
) -> None:
    state = {"mode": mode, "text": text, "expert": expert, **{name: value for name, value in more.items() if value is not None}}
    conversations.append(tx, conversation_id, "system", [], now=now, kind="state", client_id=key, state=state)


def queue(engine: Engine, actor: Actor | None = None) -> list[dict[str, Any]]:
    """Open handoffs and conversations people hold: waiting first, in the order they should be taken.

    With an actor, `fits` says whether that expert speaks the language and knows the place, and what fits comes before the rest.
    """
    now = engine.clock()
    with engine.db.read() as tx:
        rows = tx.execute(
            select(handoff, account.c.display_name, conversation.c.locale, conversation.c.channel, conversation.c.controller_expert_id)
            .join(conversation, conversation.c.id == handoff.c.conversation_id)
            .join(account, account.c.id == conversation.c.account_id)
            .where(handoff.c.status.in_(OPEN))
        ).all()
        me = experts.profile(tx, actor.account_id) if actor is not None else None

        def fits(row: Any) -> bool:
            wanted = row.wanted_expert_id is None or actor is None or row.wanted_expert_id == actor.account_id
            return wanted and (me is None or (me.speaks(row.language) and me.knows(row.destination)))

        waiting = [row for row in rows if row.status in WAITING]
        ordered = sorted(waits.in_order(waiting, now), key=lambda row: not fits(row))
        held = sorted((row for row in rows if row.status not in WAITING), key=lambda row: (row.claimed_at or row.queued_at, row.id))
        return [
            {
                "handoff_id": row.id,
                "conversation_id": row.conversation_id,
                "status": row.status,
                "reason": row.reason,
                "reasons": list(dict.fromkeys([row.reason, *(one["reason"] for one in row.triggers or ())])),
                "note": row.note,
                "priority": row.priority,
                "traveler": row.display_name or "A visitor",
                "language": row.locale,
                "channel": row.channel,
                "queued_at": row.queued_at.isoformat(),
                "promise_at": row.promise_at.isoformat() if row.promise_at else None,
                "late": row.status in WAITING and row.promise_at is not None and row.promise_at < now,
                "expert_id": row.expert_id,
                "wanted_expert_id": row.wanted_expert_id,
                "fits": fits(row),
                "last": _last_line(tx, row.conversation_id),
            }
            for row in [*ordered, *held]
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
        me = experts.profile(tx, actor.account_id)
        if row is not None and me is not None and not me.free:
            raise Refused(f"You speak in {me.busy} conversations already. Finish one, or give it to somebody else.", busy=me.busy)
        if row is None:
            handoff_id = new_id()
            tx.execute(
                insert(handoff).values(
                    id=handoff_id,
                    conversation_id=conversation_id,
                    status="queued",
                    reason="expert_proactive",
                    language=held.locale,
                    queued_at=now,
                )
            )
            row = tx.execute(select(handoff).where(handoff.c.id == handoff_id)).one()
        claimed_at = row.claimed_at or now
        move_handoff(tx, row, "claim", actor, expert_id=actor.account_id, claimed_at=claimed_at, desk=actor.channel, wanted_expert_id=None)
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
        return _write_note(tx, actor, conversation_id, cleaned, engine.clock(), client_id)


def _write_note(tx: Connection, actor: Actor, conversation_id: str, text: str, now: datetime, client_id: str | None = None) -> int:
    parts = [{"type": "text", "text": text}]
    return conversations.append(
        tx, conversation_id, "expert", parts, now=now, kind="note", audience="staff", author_id=actor.account_id, client_id=client_id
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
            _summarise(tx, row, now)
        return _to_bot(tx, held, now)


def _summarise(tx: Connection, row: Row[Any], now: datetime) -> None:
    """What came of it, from facts: what was booked meanwhile and what is in the cart."""
    since = row.claimed_at or row.queued_at
    booked = tx.execute(
        select(booking)
        .where(booking.c.conversation_id == row.conversation_id, booking.c.created_at >= since)
        .order_by(booking.c.created_at, booking.c.id)
    ).all()
    view = carts.view(tx, row.conversation_id)
    name = tx.execute(select(account.c.display_name).where(account.c.id == row.expert_id)).scalar_one_or_none() or ""
    facts = {
        "expert": name,
        "bookings": [facts_of(one) for one in booked],
        "lines": [line["title"] for line in view["lines"]],
        "totals": {currency: one["payable"] for currency, one in view["totals"].items()},
    }
    if booked or view["lines"]:
        notices.tell(tx, row.conversation_id, "handed_back", facts, now, key=f"summary:{row.id}")


def transfer(engine: Engine, actor: Actor, conversation_id: str, *, to: str | None = None, note: str = "") -> dict[str, Any]:
    """Give the conversation to another expert, or back to the queue where nobody is named; it keeps its place by its age.

    The note is for whoever comes next. Raises NotAllowed for a conversation of somebody else's, NotFound for an unknown expert.
    """
    _need_desk(actor)
    now = engine.clock()
    with engine.db.write() as tx:
        held = _held_by(tx, actor, conversation_id)
        row = open_handoff(tx, conversation_id)
        if row is None:
            raise NotFound("Nobody waits here.")
        if to is not None:
            known = select(account_role.c.account_id).where(account_role.c.account_id == to, account_role.c.role == "expert")
            if to == actor.account_id or tx.execute(known).first() is None:
                raise NotFound("There is no such colleague.")
        move_handoff(tx, row, "requeue", actor, expert_id=None, wanted_expert_id=to, transfers=row.transfers + 1)
        if note.strip():
            _write_note(tx, actor, conversation_id, conversations.check_text(note), now)
        audit.record(tx, actor, "transfer", f"conversation:{conversation_id}", {"to": to or "queue"}, now)
        return _release(tx, held, now, f"transferred:{row.id}:{row.transfers + 1}", "person_transfers")


def _release(tx: Connection, held: Row[Any], now: datetime, key: str, text: str) -> dict[str, Any]:
    """Nobody of the staff speaks here for now; the assistant helps while the traveler waits."""
    epoch = held.control_epoch + 1
    tx.execute(
        update(conversation)
        .where(conversation.c.id == held.id)
        .values(controller="bot", control_epoch=epoch, controller_expert_id=None, answered_seq=conversation.c.last_seq)
    )
    _state(tx, held.id, now, mode="queued", text=text, key=key)
    announce(tx, "desk", held.id)
    return {"mode": "queued", "epoch": epoch}


def leave_person(engine: Engine, actor: Actor) -> dict[str, Any]:
    """The traveler goes back to the assistant, or stops waiting for a person."""
    now = engine.clock()
    with engine.db.write() as tx:
        held = tx.execute(select(conversation).where(conversation.c.id == actor.conversation_id).with_for_update()).one()
        row = open_handoff(tx, actor.conversation_id)
        if row is None:
            return {"mode": "bot"}
        if row.status in WAITING:
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


def acting(engine: Engine, actor: Actor, conversation_id: str) -> Actor:
    """The expert who speaks here, to act for the traveler with core's own verbs. Raises NotAllowed for anybody else."""
    _need_desk(actor)
    with engine.db.read() as tx:
        row = conversations.get(tx, conversation_id)
    if row.controller != "human" or row.controller_expert_id != actor.account_id:
        raise NotAllowed("Take the conversation over first.")
    return replace(actor, conversation_id=conversation_id, acting_for=row.account_id)


def show(engine: Engine, actor: Actor, conversation_id: str, parts: Sequence[Mapping[str, Any]], *, client_id: str) -> int:
    """Put something made by code before the traveler, in the expert's name: a total to confirm, for instance."""
    now = engine.clock()
    with engine.db.write() as tx:
        _held_by(tx, actor, conversation_id)
        name = tx.execute(select(account.c.display_name).where(account.c.id == actor.account_id)).scalar_one()
        return conversations.append(
            tx, conversation_id, "expert", parts, now=now, client_id=client_id, author_id=actor.account_id, name=name
        )


def packet(engine: Engine, conversation_id: str) -> dict[str, Any]:
    """What an expert needs before the first word, made from facts: why, the trip, the cart with prices, what is held until when,
    bookings, payments, what went wrong last, and what the assistant was about to say."""
    with engine.db.read() as tx:
        return packet_of(tx, conversation_id)


def packet_of(tx: Connection, conversation_id: str) -> dict[str, Any]:
    row = conversations.get(tx, conversation_id)
    person = tx.execute(select(account).where(account.c.id == row.account_id)).one()
    rows = tx.execute(select(booking).where(booking.c.conversation_id == conversation_id).order_by(booking.c.created_at.desc())).all()
    waiting = open_handoff(tx, conversation_id)
    view = carts.view(tx, conversation_id)
    paid = tx.execute(
        select(payment).where(payment.c.conversation_id == conversation_id).order_by(payment.c.created_at.desc()).limit(10)
    ).all()
    facts = {
        "conversation_id": conversation_id,
        "controller": row.controller,
        "expert_id": row.controller_expert_id,
        "epoch": row.control_epoch,
        "traveler": {"name": person.display_name, "email": person.email, "locale": row.locale, "visitor": person.visitor},
        "trip": trips.facts(tx, conversation_id),
        "cart": view,
        "held": view["waiting"],
        "bookings": with_payment(tx, rows),
        "payments": [
            {"status": one.status, "kind": one.kind, "amount": one.amount, "currency": one.currency, "refunded": one.refunded}
            for one in paid
        ],
        "errors": _last_errors(tx, conversation_id),
        "draft": _withheld(tx, conversation_id),
        "handoff": None
        if waiting is None
        else {
            "reason": waiting.reason,
            "note": waiting.note,
            "status": waiting.status,
            "triggers": list(waiting.triggers or ()),
            "promise_at": waiting.promise_at.isoformat() if waiting.promise_at else None,
        },
    }
    return {**facts, "suggested": suggested(facts)}


def _last_errors(tx: Connection, conversation_id: str) -> list[str]:
    """What the rules refused in the last turns, in their own words."""
    rows = tx.execute(
        select(turn.c.transcript)
        .where(turn.c.conversation_id == conversation_id, turn.c.transcript.is_not(None))
        .order_by(turn.c.from_seq.desc())
        .limit(4)
    ).scalars()
    said = []
    for transcript in rows:
        for line in transcript or ():
            content = str(line.get("data", {}).get("content", ""))
            found = re.search(r'"message": "((?:[^"\\\\]|\\\\.)*)"', content) if '"ok": false' in content else None
            if found is not None:
                said.append(found[1])
    return list(dict.fromkeys(said))[:4]


def _withheld(tx: Connection, conversation_id: str) -> str:
    """What the assistant had written when a person took over, and nobody has read."""
    row = tx.execute(
        select(turn.c.replies)
        .where(turn.c.conversation_id == conversation_id, turn.c.status == "fenced")
        .order_by(turn.c.from_seq.desc())
        .limit(1)
    ).one_or_none()
    texts = [str(one.get("data", {}).get("content", "")) for one in (row.replies if row is not None else ())]
    return next((text for text in reversed(texts) if text.strip()), "")[:600]


def suggested(facts: Mapping[str, Any]) -> str:
    """A first line from facts alone, for the expert to change: who writes, what is understood, what comes next."""
    name = str(facts["traveler"]["name"] or "").split(" ")[0]
    hello = f"Hello {name}," if name else "Hello,"
    reason = (facts["handoff"] or {}).get("reason", "")
    cart, held = facts["cart"]["lines"], facts["held"]
    if reason == "payment_problem":
        return f"{hello} I am looking at your payment right now and tell you in a moment where it is."
    if reason == "provider_overdue":
        return f"{hello} the host has not answered in time. I ask them directly, and look for something just as good meanwhile."
    if held:
        return f"{hello} I see that {held[0]['title']} is held for you ({held[0]['reference']}). How can I help with it?"
    if cart:
        titles = ", ".join(str(line["title"]) for line in cart if line["kind"] != "fee")
        return f"{hello} I see {titles} in your trip. Shall I complete it, or is something not right yet?"
    if facts["bookings"]:
        one = facts["bookings"][0]
        return f"{hello} is it about {one['title']} ({one['reference']})?"
    return f"{hello} I have read what you wrote. What would help you most right now?"


# ── what happens when nobody does anything ───────────────────────────────────────────────────────


def sweep(engine: Engine, *, abandoned_after: timedelta = timedelta(days=2)) -> int:
    """Look after those who wait: bring in a person for what went wrong, give back what a lost expert held, apologise where nobody
    came in time, and close what nobody came for at all; returns how many were closed."""
    _notice_events(engine)
    _give_back_lost(engine)
    _miss(engine)
    return _abandon(engine, abandoned_after)


def _notice_events(engine: Engine) -> None:
    now = engine.clock()
    with engine.db.read() as tx:
        found = triggers.of_events(tx, now)
        talks = {conversation_id for conversation_id, _, _ in found}
        rows = tx.execute(select(handoff.c.triggers).where(handoff.c.conversation_id.in_(talks))).scalars().all()
    known = {one.get("key") for row in rows for one in row or ()}
    for conversation_id, key, one in found:
        if key not in known:
            with engine.db.write() as tx:
                _queue(tx, conversation_id, one, "rule", now, key=key)


def _give_back_lost(engine: Engine) -> None:
    """An expert whose desk went dark and who has not written either: their conversations wait in the queue again."""
    now = engine.clock()
    with engine.db.read() as tx:
        lost = tx.execute(
            select(handoff.c.id, handoff.c.conversation_id)
            .join(expert, expert.c.account_id == handoff.c.expert_id)
            .where(
                handoff.c.status.in_(("active", "waiting_traveler")),
                handoff.c.desk == "console",
                handoff.c.claimed_at < now - LOST,
                (expert.c.seen_at < now - LOST) | expert.c.seen_at.is_(None),
            )
        ).all()
    for one in lost:
        with engine.db.write() as tx:
            held = tx.execute(select(conversation).where(conversation.c.id == one.conversation_id).with_for_update()).one()
            row = open_handoff(tx, one.conversation_id)
            if row is None or row.id != one.id or row.status not in ("active", "waiting_traveler") or _spoke_lately(tx, row, now):
                continue
            move_handoff(tx, row, "requeue", SYSTEM, expert_id=None)
            _release(tx, held, now, f"lost:{row.id}:{held.control_epoch}", "person_lost")


def _spoke_lately(tx: Connection, row: Row[Any], now: datetime) -> bool:
    query = select(message.c.seq).where(
        message.c.conversation_id == row.conversation_id, message.c.author_id == row.expert_id, message.c.created_at > now - LOST
    )
    return tx.execute(query.limit(1)).first() is not None


def _miss(engine: Engine) -> None:
    """Nobody came by the time that was promised: say sorry, write to them, and keep them in the queue."""
    now = engine.clock()
    with engine.db.read() as tx:
        rows = tx.execute(select(handoff.c.id, handoff.c.promise_at, handoff.c.queued_at).where(handoff.c.status == "queued")).all()
    for one in rows:
        if (one.promise_at or one.queued_at) + engine.rules.unattended_after > now:
            continue
        with engine.db.write() as tx:
            row = tx.execute(select(handoff).where(handoff.c.id == one.id).with_for_update()).one()
            if row.status != "queued":
                continue
            move_handoff(tx, row, "miss", SYSTEM, unattended_at=now)
            _state(tx, row.conversation_id, now, mode="queued", text="still_waiting", key=f"missed:{row.id}:{row.transfers}")
            person = tx.execute(
                select(account.c.email, account.c.display_name)
                .join(conversation, conversation.c.account_id == account.c.id)
                .where(conversation.c.id == row.conversation_id)
            ).one()
            if person.email:
                content = {"name": person.display_name, "asked_at": row.queued_at.isoformat(), "reason": row.reason}
                key = f"call_back:{row.id}:{row.transfers}"
                notices.send(tx, channel="mail", address=person.email, notice="call_back", content=content, now=now, key=key)


def _abandon(engine: Engine, after: timedelta) -> int:
    now = engine.clock()
    ended = 0
    with engine.db.read() as tx:
        old = tx.execute(select(handoff.c.id).where(handoff.c.status.in_(WAITING), handoff.c.queued_at < now - after)).all()
    for row in old:
        with engine.db.write() as tx:
            fresh = tx.execute(select(handoff).where(handoff.c.id == row.id).with_for_update()).one()
            if fresh.status in WAITING:
                move_handoff(tx, fresh, "abandon", SYSTEM, closed_at=now, outcome="abandoned")
                ended += 1
    return ended
