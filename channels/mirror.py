"""From the log to the outbox: every new line of a conversation on its way to each chat that shows it, once.

The log is the truth. A place remembers the last line that was put on its way; moving on and queueing the message are one
transaction, and the message's key is the line, so that doing it twice is doing it once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select, update

from channels import delivery
from channels.message import ROOTED, WITH_FORMS, Outgoing
from core import conversations, handoff, identities, jobs, notices
from core.engine import Engine, new_id
from core.schema import account, booking_request, channel_identity, conversation, message_ref, outbound, place, turn

PAGE = 200
LOOK_BACK = 12  # lines of a conversation a new topic at the desk begins with


def mirror(engine: Engine, conversation_id: str) -> int:
    """Queue what is new in a conversation for every place that shows it; returns how many messages."""
    now = engine.clock()
    queued = 0
    with engine.db.write() as tx:
        home = tx.execute(select(conversation).where(conversation.c.id == conversation_id).with_for_update()).one_or_none()
        if home is None:
            return 0
        staffed = home.controller == "human" or handoff.open_handoff(tx, conversation_id) is not None
        places = tx.execute(select(place).where(place.c.conversation_id == conversation_id).order_by(place.c.id)).all()
        for here in places:
            queued += _to_place(tx, here, home, now, staffed=staffed)
        queued += _to_desks(tx, home, places, now, staffed=staffed)
    return queued


def _to_place(tx: Connection, here: Row[Any], home: Row[Any], now: datetime, *, staffed: bool) -> int:
    at_desk = here.kind == "topic"
    rows = conversations.log_after(tx, home.id, here.shown_seq, staff=at_desk, limit=PAGE)
    if not rows:
        return 0
    lane = identities.lane_of(here.channel, here.workspace, here.chat_id, here.thread_id)
    quiet = (at_desk and not staffed) or (not at_desk and _quiet(tx, here))
    queued = 0
    for row in rows:
        if quiet or _said_here(row, here) or (at_desk and row.kind == "state"):
            continue
        notices.send(
            tx,
            channel=here.channel,
            address=here.chat_id,
            notice="line",
            content={"conversation_id": home.id, "seq": row.seq, **({"staff": True} if at_desk else {})},
            now=now,
            key=f"line:{here.id}:{home.id}:{row.seq}",
            conversation_id=home.id,
            lane=lane,
            epoch=_epoch(tx, row) if not at_desk else None,
        )
        queued += 1
    values: dict[str, Any] = {"shown_seq": rows[-1].seq}
    form = _contact_form(rows)
    if form is not None and not at_desk and here.channel not in WITH_FORMS:
        values["state"] = {"form": {"conversation_id": home.id, **form}}
    tx.execute(update(place).where(place.c.id == here.id).values(**values))
    if len(rows) == PAGE:
        jobs.enqueue(tx, "mirror", {"conversation_id": home.id}, run_at=now, now=now, dedupe=f"mirror:{home.id}")
    return queued


def _said_here(row: Row[Any], here: Row[Any]) -> bool:
    """A person's own line is not repeated where they wrote it."""
    came_this_way = (row.client_id or "").startswith(f"{here.channel}-")
    if here.kind == "topic":
        return came_this_way and row.role == "expert"
    return row.role == "traveler" and (came_this_way or row.kind == "press")


def _epoch(tx: Connection, row: Row[Any]) -> int | None:
    """The assistant's own words carry the epoch they were said in; what code says (taps, notices) stands whoever speaks."""
    if row.turn_id is None:
        return None
    return tx.execute(select(turn.c.epoch).where(turn.c.id == row.turn_id)).scalar_one_or_none()


def _quiet(tx: Connection, here: Row[Any]) -> bool:
    if here.kind != "private":
        return False
    row = tx.execute(
        select(channel_identity.c.blocked_at).where(
            channel_identity.c.channel == here.channel,
            channel_identity.c.workspace == here.workspace,
            channel_identity.c.chat_id == here.chat_id,
        )
    ).first()
    return row is not None and row.blocked_at is not None


def _contact_form(rows: Sequence[Row[Any]]) -> dict[str, Any] | None:
    """The last form for name and e-mail among these lines: doors without forms ask for it line by line."""
    found = None
    for row in rows:
        for at, part in enumerate(row.data.get("parts", ())):
            if part.get("type") == "contact_form":
                found = {
                    "seq": row.seq,
                    "part": at,
                    "action": part["submit"]["action"],
                    "values": {"name": part["name"], "email": part["email"]},
                }
    return found


# ── the experts' desk ─────────────────────────────────────────────────────────────────────────────


def _to_desks(tx: Connection, home: Row[Any], places: Sequence[Row[Any]], now: datetime, *, staffed: bool) -> int:
    """A topic for every conversation that needs a person, and one card in it that says who has it."""
    desks = tx.execute(select(place).where(place.c.kind == "desk").order_by(place.c.id)).all()
    queued = 0
    for desk in desks:
        topic = next((one for one in places if one.kind == "topic" and (one.channel, one.chat_id) == (desk.channel, desk.chat_id)), None)
        if topic is None:
            queued += _open_topic(tx, desk, home, now) if staffed else 0
            continue
        lane = identities.lane_of(topic.channel, topic.workspace, topic.chat_id, topic.thread_id)
        if staffed and topic.state.get("closed"):
            tx.execute(update(place).where(place.c.id == topic.id).values(state={}, shown_seq=max(0, home.last_seq - LOOK_BACK)))
            _act(tx, topic, "reopen_topic", lane, home, now, title=_name_of(tx, home))
            jobs.enqueue(tx, "mirror", {"conversation_id": home.id}, run_at=now, now=now, dedupe=f"mirror:{home.id}")
        waiting = handoff.open_handoff(tx, home.id)
        state = f"{waiting.id}:{waiting.status}" if waiting is not None else "none"
        key = f"desk:{topic.id}:{home.control_epoch}:{state}"
        if tx.execute(select(outbound.c.id).where(outbound.c.key == key)).first() is None:
            notices.send(
                tx,
                channel=topic.channel,
                address=topic.chat_id,
                notice="desk.card",
                content={"conversation_id": home.id},
                now=now,
                key=key,
                conversation_id=home.id,
                lane=lane,
            )
            queued += 1
    return queued


def _open_topic(tx: Connection, desk: Row[Any], home: Row[Any], now: datetime) -> int:
    _act(
        tx,
        desk,
        "topic",
        identities.lane_of(desk.channel, desk.workspace, desk.chat_id, f"#{home.id}"),
        home,
        now,
        key=f"topic:{desk.id}:{home.id}",
        title=f"{_name_of(tx, home)} \u00b7 {home.id[:6]}",
    )
    return 1


def _name_of(tx: Connection, home: Row[Any]) -> str:
    return str(tx.execute(select(account.c.display_name).where(account.c.id == home.account_id)).scalar_one() or "A visitor")


def _act(tx: Connection, here: Row[Any], notice: str, lane: str, home: Row[Any], now: datetime, *, key: str = "", **content: Any) -> None:
    notices.send(
        tx,
        channel=here.channel,
        address=here.chat_id,
        notice=notice,
        content={"conversation_id": home.id, "thread_id": here.thread_id, **content},
        now=now,
        key=key or f"{notice}:{here.id}:{home.control_epoch}:{home.last_seq}",
        conversation_id=home.id,
        lane=lane,
    )


def close_topic(tx: Connection, conversation_id: str, now: datetime) -> None:
    """After an expert has closed a conversation: its topics are closed too, and are opened again with the next call."""
    home = conversations.get(tx, conversation_id)
    for topic in tx.execute(select(place).where(place.c.conversation_id == conversation_id, place.c.kind == "topic")).all():
        lane = identities.lane_of(topic.channel, topic.workspace, topic.chat_id, topic.thread_id)
        tx.execute(update(place).where(place.c.id == topic.id).values(state={"closed": True}))
        _act(tx, topic, "close_topic", lane, home, now)
        if topic.channel in ROOTED:  # such a thread cannot be closed; its card loses its buttons
            notices.send(
                tx,
                channel=topic.channel,
                address=topic.chat_id,
                notice="desk.card",
                content={"conversation_id": conversation_id, "closed": True},
                now=now,
                key=f"desk:{topic.id}:{home.control_epoch}:closed",
                conversation_id=conversation_id,
                lane=lane,
            )


def landed(tx: Connection, row: Row[Any], external_id: str) -> None:
    """A topic was made: from now on it shows its conversation, the last lines first."""
    if row.notice != "topic":
        return
    conversation_id = row.content["conversation_id"]
    channel, workspace, chat_id, _ = row.lane.split(":", 3)
    home = tx.execute(select(conversation).where(conversation.c.id == conversation_id).with_for_update()).one()
    known = tx.execute(
        select(place.c.id).where(place.c.conversation_id == conversation_id, place.c.kind == "topic", place.c.chat_id == chat_id)
    ).first()
    if known is not None:
        return
    now = row.not_before
    tx.execute(
        place.insert().values(
            id=new_id(),
            channel=channel,
            workspace=workspace,
            chat_id=chat_id,
            thread_id=external_id,
            kind="topic",
            conversation_id=conversation_id,
            shown_seq=max(0, home.last_seq - LOOK_BACK),
            state={},
            created_at=now,
        )
    )
    if channel in ROOTED:  # the message the thread hangs on becomes the card
        root = Outgoing(subject=f"desk:{conversation_id}", conversation_id=conversation_id)
        delivery.remember(tx, channel, row.lane, external_id, root, now)
    conversations.watch(tx, conversation_id)
    jobs.enqueue(tx, "mirror", {"conversation_id": conversation_id}, run_at=now, now=now, dedupe=f"mirror:{conversation_id}")


# ── request cards ─────────────────────────────────────────────────────────────────────────────────


def refresh_cards(engine: Engine, request_id: str) -> int:
    """Every card that shows a request in another state than it is in now gets edited; returns how many."""
    now = engine.clock()
    queued = 0
    with engine.db.write() as tx:
        asked = tx.execute(select(booking_request).where(booking_request.c.id == request_id)).one_or_none()
        if asked is None:
            return 0
        subject = f"request:{request_id}"
        for ref in tx.execute(select(message_ref).where(message_ref.c.subject == subject, message_ref.c.version != asked.status)).all():
            notices.send(
                tx,
                channel=ref.channel,
                address=ref.chat_id,
                notice="request.card",
                content={"request_id": request_id, "replaces": ref.external_id},
                now=now,
                key=f"card:{ref.channel}:{ref.chat_id}:{ref.external_id}:{asked.status}",
                lane=identities.lane_of(ref.channel, ref.workspace, ref.chat_id),
            )
            queued += 1
    return queued


def attach(tx: Connection, here: Row[Any], conversation_id: str, now: datetime, *, whole: bool = False) -> None:
    """From now on this place shows that conversation, from its end on (or, with `whole`, from its beginning)."""
    conversations.watch(tx, conversation_id)
    last = 0 if whole else conversations.get(tx, conversation_id).last_seq
    tx.execute(update(place).where(place.c.id == here.id).values(conversation_id=conversation_id, shown_seq=last, state={}))
    jobs.enqueue(tx, "mirror", {"conversation_id": conversation_id}, run_at=now, now=now, dedupe=f"mirror:{conversation_id}")


def tell(
    tx: Connection,
    *,
    lane: str,
    key: str,
    parts: Sequence[Mapping[str, Any]],
    now: datetime,
    locale: str = "en",
    **more: Any,
) -> None:
    """Say something in a place that is no line of a conversation: an answer to a command, a question back to a provider."""
    channel, _, chat_id, _ = lane.split(":", 3)
    content = {"parts": list(parts), "locale": locale, **more}
    notices.send(tx, channel=channel, address=chat_id, notice="parts", content=content, now=now, key=key, lane=lane)
