"""What comes in: committed first, then answered. Taps and exact yeses are carried out by code at once; free text waits for a turn.

From other people's messengers an event is committed, redacted, before it is acknowledged; the platform's own id makes a
second delivery the same event. Plain words of a traveler become a line of the conversation in that very transaction;
everything else is dealt with by the lane's worker, in order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import Connection, Row, delete, select, update

from bot import presses
from bot.yes import is_exact_yes, review_words
from channels.message import Event
from channels.phrases import phrase
from core import bookings, conversations, identities, jobs, leases, reviews
from core.db import upsert
from core.engine import Actor, Engine, new_id
from core.errors import Busy, CoreError, TryAgain
from core.redact import plain, redact
from core.schema import conversation, inbound, place
from tools.outcome import say_button

log = structlog.get_logger()

LEASE = timedelta(seconds=60)
TRIES = 3
KEPT = timedelta(days=7)  # platforms repeat an event for a day at most
MOST_A_MINUTE = 40  # events of one person; more is a flood, and is not answered
SILENT = ("blocked", "unblocked", "joined", "edit")


def welcome(locale: str) -> list[Mapping[str, Any]]:
    """The first lines of every conversation: that this is an assistant, that a person can be had, and what works."""
    ideas = [say_button(str(idea)) for idea in phrase(locale, "welcome", "ideas")]
    return [{"type": "text", "text": phrase(locale, "welcome", "text")}, {"type": "quick_replies", "items": ideas}]


def say(engine: Engine, actor: Actor, client_id: str, text: str) -> int:
    """A traveler's words; returns the line's number. The same `client_id` twice is one line and one answer. Raises Invalid.

    An exact yes while exactly one proposal is live confirms it, whoever controls the conversation.
    """
    with engine.db.read() as tx:
        locale = conversations.get(tx, actor.conversation_id).locale
        live = bookings.live_proposals(tx, actor.conversation_id, engine.clock()) if is_exact_yes(text, locale) else ()
        words = review_words(text)
        about = reviews.to_write_about(tx, actor.conversation_id, actor.account_id, engine.clock()) if words else None
    if len(live) == 1:
        return presses.say_yes(engine, actor, client_id, text, live[0].id, live[0].kind)
    if about is not None:
        return presses.write_review(engine, actor, client_id, text, about, words)
    return conversations.say(engine, actor, client_id, text)


def press(engine: Engine, actor: Actor, client_id: str, action_id: str, fields: Mapping[str, Any]) -> int:
    """A button pressed, or a form sent with its `fields`; returns the number of the traveler's line.

    Raises NotFound, NotAllowed, Expired for buttons that do not count any more, Invalid naming a field.
    """
    return presses.press(engine, actor, client_id, action_id, fields)


# ── from other people's messengers ────────────────────────────────────────────────────────────────


def receive(engine: Engine, events: Sequence[Event]) -> int:
    """Commit what a platform handed over; returns how many events were new. Only after this may it be acknowledged."""
    now = engine.clock()
    fresh = 0
    with engine.db.write() as tx:
        for event in events:
            fresh += _keep(tx, event, now)
    return fresh


def _keep(tx: Connection, event: Event, now: Any) -> int:
    fields = {name[:40]: redact(plain(value))[: conversations.MAX_TEXT] for name, value in event.fields.items()}
    kept = replace(event, text=redact(plain(event.text))[: 2 * conversations.MAX_TEXT], fields=fields)
    lane = identities.lane_of(event.channel, event.workspace, event.chat_id, event.thread_id)
    here = find_place(tx, event)
    if not event.private and not event.addressed and (here is None or here.kind not in ("desk", "topic")):
        return 0  # a group's own talk is none of our business and is not kept
    values = {"lane": lane, "kind": event.kind, "payload": kept.to_json(), "state": "new", "received_at": now}
    row = tx.execute(
        upsert(tx)(inbound)
        .values(channel=event.channel, workspace=event.workspace, event_id=event.event_id, **values)
        .on_conflict_do_nothing(index_elements=["channel", "workspace", "event_id"])
        .returning(inbound.c.id)
    ).one_or_none()
    if row is None:
        return 0
    if event.kind not in SILENT and _floods(tx, lane, now):
        _close(tx, row.id, "dead", "a flood")
        return 1
    if here is not None and _is_plain_talk(tx, here, kept, lane, row.id):
        identity = identities.meet(tx, now, channel=event.channel, workspace=event.workspace, user_id=event.sender.user_id)
        owner = tx.execute(select(conversation.c.account_id).where(conversation.c.id == here.conversation_id)).scalar_one()
        if identity.account_id == owner and identity.blocked_at is None and not _answers_requests(tx, identity):
            actor = Actor(owner, conversation_id=here.conversation_id, channel=event.channel)
            parts = [{"type": "text", "text": kept.text}]
            conversations.put_traveler_line(tx, actor, event.client_id, parts, now, wants_answer=True)
            _close(tx, row.id, "done")
            return 1
    jobs.enqueue(tx, "inbound", {"lane": lane}, run_at=now, now=now, dedupe=f"inbound:{lane}"[:200])
    return 1


def _floods(tx: Connection, lane: str, now: Any) -> bool:
    since = now - timedelta(minutes=1)
    rows = tx.execute(select(inbound.c.id).where(inbound.c.lane == lane, inbound.c.received_at > since).limit(MOST_A_MINUTE + 1)).all()
    return len(rows) > MOST_A_MINUTE


def _is_plain_talk(tx: Connection, here: Row[Any], event: Event, lane: str, row_id: int) -> bool:
    """Words that can be nothing but a traveler's talk: no command, no answer to a form or a card, no yes, nothing before them."""
    if event.kind != "text" or here.kind != "private" or here.state or event.reply_to or event.forwarded or event.location:
        return False
    if not event.text or len(event.text) > conversations.MAX_TEXT or is_exact_yes(event.text, event.sender.locale):
        return False
    return tx.execute(select(inbound.c.id).where(inbound.c.state == "new", inbound.c.lane == lane, inbound.c.id < row_id)).first() is None


def _answers_requests(tx: Connection, identity: Row[Any]) -> bool:
    """A provider's words may be an answer to a request, which is for the lane's worker to find out."""
    return identity.linked_at is not None and any(role == "provider" for role, _ in identities.roles_of(tx, identity.account_id))


def find_place(tx: Connection, event: Event) -> Row[Any] | None:
    return tx.execute(
        select(place).where(
            place.c.channel == event.channel,
            place.c.workspace == event.workspace,
            place.c.chat_id == event.chat_id,
            place.c.thread_id == event.thread_id,
        )
    ).one_or_none()


def open_place(tx: Connection, event: Event, kind: str, now: Any, *, conversation_id: str | None = None, shown_seq: int = 0) -> Row[Any]:
    """The place an event came from, made where it is missing."""
    tx.execute(
        upsert(tx)(place)
        .values(
            id=new_id(),
            channel=event.channel,
            workspace=event.workspace,
            chat_id=event.chat_id,
            thread_id=event.thread_id,
            kind=kind,
            conversation_id=conversation_id,
            shown_seq=shown_seq,
            state={},
            created_at=now,
        )
        .on_conflict_do_nothing(index_elements=["channel", "workspace", "chat_id", "thread_id"])
    )
    made = find_place(tx, event)
    if made is None:
        raise Busy("The place was taken away in the same moment.")
    return made


def work(engine: Engine, lane: str, owner: str, handle: Callable[[Event], None]) -> int:
    """Deal with a lane's events, the oldest first; returns how many. Raises Busy where another worker is at it.

    `handle` may run twice for one event (a crash before it is ticked off), so everything it does is keyed by the event.
    One that keeps failing is put aside after three tries, and the lane goes on.
    """
    now = engine.clock()
    with engine.db.write() as tx:
        if not leases.take(tx, f"inbound:{lane}", owner, now + LEASE, now):
            raise Busy("Another worker reads here.")
    done = 0
    try:
        while (row := _oldest(engine, lane)) is not None:
            try:
                handle(Event.from_json(row.payload))
            except Exception as error:
                if not isinstance(error, CoreError):
                    log.exception("event_failed", channel=row.channel, kind=row.kind, attempt=row.attempts + 1)
                with engine.db.write() as tx:
                    dead = row.attempts + 1 >= TRIES
                    said = error.message if isinstance(error, CoreError) else type(error).__name__
                    _close(tx, row.id, "dead" if dead else "new", said, attempts=row.attempts + 1)
                if not dead:
                    raise TryAgain(said) from error
                continue
            with engine.db.write() as tx:
                _close(tx, row.id, "done")
            done += 1
    finally:
        with engine.db.write() as tx:
            leases.give_back(tx, f"inbound:{lane}", owner)
    return done


def _oldest(engine: Engine, lane: str) -> Row[Any] | None:
    with engine.db.read() as tx:
        return tx.execute(
            select(inbound).where(inbound.c.lane == lane, inbound.c.state == "new").order_by(inbound.c.id).limit(1)
        ).one_or_none()


def _close(tx: Connection, row_id: int, state: str, error: str | None = None, **values: Any) -> None:
    tx.execute(update(inbound).where(inbound.c.id == row_id).values(state=state, error=(error or "")[:500] or None, **values))


def rescue(engine: Engine, *, everything: bool = False) -> int:
    """Wake the lanes in which something waits, should their wake-up have been lost; returns how many. What was dealt with
    long ago is forgotten: no platform delivers it again, and what people wrote is kept in one place only."""
    now = engine.clock()
    with engine.db.write() as tx:
        tx.execute(delete(inbound).where(inbound.c.state == "done", inbound.c.received_at < now - KEPT))
        if everything:
            leases.reclaim(tx, "inbound:")
        since = now if everything else now - timedelta(seconds=10)
        lanes = tx.execute(select(inbound.c.lane).where(inbound.c.state == "new", inbound.c.received_at <= since).distinct().limit(500))
        waiting = lanes.scalars().all()
        for lane in waiting:
            jobs.enqueue(tx, "inbound", {"lane": lane}, run_at=now, now=now, dedupe=f"inbound:{lane}"[:200])
    return len(waiting)
