"""The conversation is a durable log: every line takes the next number under the conversation's row.

`message.data` is what a door sends: {"mid", "role", "name", "at", "parts": [...]}. A part of type "event" holds a
fact and its parameters; doors phrase it in the reader's language. A dict with "press": {"verb", "params"} anywhere in
a part becomes a button: its verb is kept in `action` and only the opaque id goes out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from core import jobs
from core.db import announce, upsert
from core.engine import Actor, Engine, new_id
from core.errors import Busy, Expired, Fenced, Invalid, NotAllowed, NotFound
from core.people import new_account, open_session
from core.redact import plain, redact
from core.schema import action, conversation, message, turn

MAX_TEXT = 4000
ACTION_LIFE = timedelta(days=30)


def start(
    engine: Engine,
    *,
    channel: str,
    site_id: str = "",
    locale: str = "en",
    time_zone: str = "UTC",
    welcome: Sequence[Mapping[str, Any]] = (),
    account_id: str | None = None,
) -> tuple[str, str]:
    """A new conversation, for a new visitor unless an account is given. Returns (conversation id, chat token)."""
    now = engine.clock()
    with engine.db.write() as tx:
        owner = account_id or new_account(tx, now, locale=locale)
        conversation_id = begin(tx, owner, now, channel=channel, site_id=site_id, locale=locale, time_zone=time_zone, welcome=welcome)
        token = open_session(tx, owner, "chat", now, conversation_id=conversation_id)
    return conversation_id, token


def begin(
    tx: Connection,
    account_id: str,
    now: datetime,
    *,
    channel: str,
    site_id: str = "",
    locale: str = "en",
    time_zone: str = "UTC",
    watched: bool = False,
    welcome: Sequence[Mapping[str, Any]] = (),
) -> str:
    """A new conversation of this account; `watched` where a chat elsewhere shows it."""
    conversation_id = new_id()
    tx.execute(
        insert(conversation).values(
            id=conversation_id,
            account_id=account_id,
            channel=channel,
            site_id=site_id,
            locale=locale,
            time_zone=time_zone,
            watched=watched,
            created_at=now,
            updated_at=now,
        )
    )
    if welcome:
        append(tx, conversation_id, "bot", welcome, now=now, client_id="welcome")
    return conversation_id


def watch(tx: Connection, conversation_id: str) -> None:
    """From now on every new line is also shown elsewhere: a `mirror` job comes with it."""
    tx.execute(update(conversation).where(conversation.c.id == conversation_id).values(watched=True))


def speak(engine: Engine, actor: Actor, locale: str) -> None:
    """From now on this conversation is held in another language. Raises Fenced."""
    with engine.db.write() as tx:
        hold_fence(tx, actor)
        tx.execute(update(conversation).where(conversation.c.id == actor.conversation_id).values(locale=locale[:16]))


def latest_of(tx: Connection, account_id: str) -> str | None:
    """The conversation this account last spoke in."""
    row = tx.execute(
        select(conversation.c.id).where(conversation.c.account_id == account_id).order_by(conversation.c.updated_at.desc()).limit(1)
    ).one_or_none()
    return None if row is None else str(row.id)


def get(tx: Connection, conversation_id: str) -> Row[Any]:
    row = tx.execute(select(conversation).where(conversation.c.id == conversation_id)).one_or_none()
    if row is None:
        raise NotFound("There is no such conversation.")
    return row


def to_resume(tx: Connection, account_id: str) -> str:
    """The conversation this person was in last, one on our own pages before others. Raises NotFound."""
    row = tx.execute(
        select(conversation.c.id)
        .where(conversation.c.account_id == account_id)
        .order_by((conversation.c.channel == "web").desc(), conversation.c.updated_at.desc(), conversation.c.id)
        .limit(1)
    ).one_or_none()
    if row is None:
        raise NotFound("There is no conversation to go back to.")
    return str(row.id)


def next_seq(tx: Connection, conversation_id: str, now: datetime, *, epoch: int | None = None) -> int:
    """The next number of the log, taken under the row's lock. With `epoch` it is the fence: raises Fenced unless the
    bot still controls the conversation at that epoch (a claim that is not committed yet is waited for)."""
    return int(_advance(tx, conversation_id, now, epoch).last_seq)


def _advance(tx: Connection, conversation_id: str, now: datetime, epoch: int | None) -> Row[Any]:
    statement = update(conversation).where(conversation.c.id == conversation_id)
    if epoch is not None:
        statement = statement.where(conversation.c.controller == "bot", conversation.c.control_epoch == epoch)
    row = tx.execute(
        statement.values(last_seq=conversation.c.last_seq + 1, updated_at=now).returning(conversation.c.last_seq, conversation.c.watched)
    ).one_or_none()
    if row is None:
        if epoch is not None:
            raise Fenced("Somebody else speaks in this conversation now.")
        raise NotFound("There is no such conversation.")
    return row


def hold_fence(tx: Connection, actor: Actor) -> None:
    """Every write of a bot's turn starts here: it locks the conversation's row, or raises Fenced."""
    if actor.epoch is None:
        return
    held = tx.execute(
        update(conversation)
        .where(
            conversation.c.id == actor.conversation_id,
            conversation.c.controller == "bot",
            conversation.c.control_epoch == actor.epoch,
        )
        .values(last_seq=conversation.c.last_seq)
    )
    if held.rowcount != 1:
        raise Fenced("A person has taken over this conversation; nothing was changed.")


def append(
    tx: Connection,
    conversation_id: str,
    role: str,
    parts: Sequence[Mapping[str, Any]],
    *,
    now: datetime,
    kind: str = "message",
    audience: str = "all",
    client_id: str | None = None,
    mid: str | None = None,
    author_id: str | None = None,
    name: str | None = None,
    turn_id: str | None = None,
    epoch: int | None = None,
    state: Mapping[str, Any] | None = None,
) -> int:
    """Write one line and tell listeners. A repeated `client_id` returns the first line's number and writes nothing."""
    if client_id is not None:
        prior = tx.execute(
            select(message.c.seq).where(message.c.conversation_id == conversation_id, message.c.client_id == client_id)
        ).one_or_none()
        if prior is not None:
            return int(prior.seq)
    held = _advance(tx, conversation_id, now, epoch)
    seq = int(held.last_seq)
    mid = mid or client_id or new_id()
    data: dict[str, Any] = dict(state) if state is not None else {"mid": mid, "role": role, "at": now.isoformat()}
    if state is None:
        data["parts"] = [_with_actions(tx, conversation_id, part, now) for part in parts]
        if name:
            data["name"] = name
    tx.execute(
        insert(message).values(
            conversation_id=conversation_id,
            seq=seq,
            mid=mid,
            kind=kind,
            role=role,
            audience=audience,
            author_id=author_id,
            data=data,
            client_id=client_id,
            turn_id=turn_id,
            created_at=now,
        )
    )
    announce(tx, "conversation", conversation_id)
    if held.watched or kind == "state":  # a change of speaker may open a topic at the experts' desk
        jobs.enqueue(tx, "mirror", {"conversation_id": conversation_id}, run_at=now, now=now, dedupe=f"mirror:{conversation_id}")
    return seq


def _with_actions(tx: Connection, conversation_id: str, value: Any, now: datetime) -> Any:
    if isinstance(value, Mapping):
        made = {key: _with_actions(tx, conversation_id, inner, now) for key, inner in value.items() if key != "press"}
        press = value.get("press")
        if press is not None:
            made["action"] = mint_action(
                tx, conversation_id, press["verb"], press.get("params", {}), now, label=str(value.get("label", ""))
            )
        return made
    if isinstance(value, (list, tuple)):
        return [_with_actions(tx, conversation_id, inner, now) for inner in value]
    return value


def mint_action(
    tx: Connection,
    conversation_id: str,
    verb: str,
    params: Mapping[str, Any],
    now: datetime,
    *,
    label: str = "",
    account_id: str | None = None,
) -> str:
    """A button's opaque id: what it does stays here, and only this conversation's people may press it."""
    action_id = new_id()[:20]
    tx.execute(
        insert(action).values(
            id=action_id,
            conversation_id=conversation_id,
            verb=verb,
            label=label[:200],
            params=dict(params),
            account_id=account_id,
            expires_at=now + ACTION_LIFE,
            created_at=now,
        )
    )
    return action_id


def keep_action(
    tx: Connection,
    action_id: str,
    conversation_id: str,
    verb: str,
    params: Mapping[str, Any],
    now: datetime,
    *,
    account_id: str | None = None,
) -> None:
    """The same with an id of the caller's, who has derived it from the message it is on: twice is once."""
    tx.execute(
        upsert(tx)(action)
        .values(
            id=action_id,
            conversation_id=conversation_id,
            verb=verb,
            params=dict(params),
            account_id=account_id,
            expires_at=now + ACTION_LIFE,
            created_at=now,
        )
        .on_conflict_do_nothing(index_elements=["id"])
    )


def find_action(tx: Connection, actor: Actor, action_id: str, now: datetime) -> Row[Any]:
    """The button pressed. Raises NotFound, NotAllowed for another person's, Expired for an old one."""
    row = tx.execute(select(action).where(action.c.id == action_id)).one_or_none()
    if row is None or row.conversation_id != actor.conversation_id:
        raise NotFound("That button belongs to another conversation or no longer exists. Please ask again.")
    if row.account_id is not None and row.account_id != actor.account_id:
        raise NotAllowed("That button is for somebody else.")
    if row.expires_at is not None and row.expires_at <= now:
        raise Expired("That button is too old. Please ask again and use the new one.")
    return row


def check_text(text: str) -> str:
    """What a person typed, redacted and within bounds. Raises Invalid."""
    cleaned = plain(text)
    if not cleaned:
        raise Invalid("text", "That message was empty. Write what you are looking for, for example: a boat trip in Lisbon on Saturday.")
    if len(cleaned) > MAX_TEXT:
        raise Invalid(
            "text", f"That message is too long ({len(cleaned):,} characters; {MAX_TEXT:,} at most). Please send the important part."
        )
    return redact(cleaned)


def say(engine: Engine, actor: Actor, client_id: str, text: str) -> int:
    """A traveler's line, committed before anybody answers. The same `client_id` twice is one line and one answer."""
    cleaned = check_text(text)
    now = engine.clock()
    with engine.db.write() as tx:
        return put_traveler_line(tx, actor, client_id, [{"type": "text", "text": cleaned}], now, wants_answer=True)


def put_traveler_line(
    tx: Connection, actor: Actor, client_id: str, parts: Sequence[Mapping[str, Any]], now: datetime, *, wants_answer: bool
) -> int:
    """`wants_answer` is False for taps and exact yeses, which code has answered already."""
    if not client_id or len(client_id) > 64:
        raise Invalid("id", "A message needs an id of at most 64 characters.")
    known = tx.execute(
        select(message.c.seq).where(message.c.conversation_id == actor.conversation_id, message.c.client_id == client_id)
    ).one_or_none()
    if known is not None:
        return int(known.seq)
    kind = "message" if wants_answer else "press"
    seq = append(tx, actor.conversation_id, "traveler", parts, now=now, kind=kind, client_id=client_id, author_id=actor.account_id)
    if wants_answer:
        jobs.enqueue(tx, "turn", {"conversation_id": actor.conversation_id}, run_at=now, now=now, dedupe=f"turn:{actor.conversation_id}")
    return seq


def log_after(tx: Connection, conversation_id: str, after: int, *, staff: bool = False, limit: int = 200) -> list[Row[Any]]:
    """Lines after a number, oldest first, one page; notes are for staff only and filtered here, on the server."""
    query = select(message).where(message.c.conversation_id == conversation_id, message.c.seq > after)
    if not staff:
        query = query.where(message.c.audience == "all")
    return list(tx.execute(query.order_by(message.c.seq).limit(limit)).all())


def is_waiting(tx: Connection, conversation_id: str, seq: int) -> bool:
    """Does this traveler's line still wait for the bot's answer?"""
    row = tx.execute(
        select(message.c.seq, conversation.c.answered_seq)
        .join(conversation, conversation.c.id == message.c.conversation_id)
        .where(message.c.conversation_id == conversation_id, message.c.seq == seq, *WAITS)
    ).one_or_none()
    return row is not None and row.seq > row.answered_seq


def message_by_mid(tx: Connection, conversation_id: str, mid: str) -> Row[Any] | None:
    """The newest version of a message (an edit is a later line with the same mid)."""
    return tx.execute(
        select(message).where(message.c.conversation_id == conversation_id, message.c.mid == mid).order_by(message.c.seq.desc()).limit(1)
    ).one_or_none()


# ── turns ─────────────────────────────────────────────────────────────────────────────────────────

TURN_LEASE = timedelta(seconds=40)
WAITS = (message.c.role == "traveler", message.c.kind == "message")  # a press was answered by code already


def lease_turn(engine: Engine, conversation_id: str, owner: str) -> Row[Any] | None:
    """The one turn of this conversation, leased to `owner`: a new one over all waiting lines, or one whose worker died.

    None where nothing waits, a person controls the conversation, or another worker holds a live lease (raises Busy then,
    so that the wake-up is tried again).
    """
    now = engine.clock()
    with engine.db.write() as tx:
        row = tx.execute(select(conversation).where(conversation.c.id == conversation_id).with_for_update()).one_or_none()
        if row is None:
            return None
        running = tx.execute(select(turn).where(turn.c.conversation_id == conversation_id, turn.c.status == "running")).one_or_none()
        if running is not None:
            if running.leased_until > now and running.lease_owner != owner:
                raise Busy("Another worker answers here.")
            if row.controller != "bot" or row.control_epoch != running.epoch:
                tx.execute(update(turn).where(turn.c.id == running.id).values(status="fenced", closed_at=now))
                return None
            tx.execute(
                update(turn)
                .where(turn.c.id == running.id)
                .values(lease_owner=owner, leased_until=now + TURN_LEASE, attempts=turn.c.attempts + 1)
            )
            return tx.execute(select(turn).where(turn.c.id == running.id)).one()
        if row.controller != "bot":
            return None
        waiting = tx.execute(
            select(message.c.seq)
            .where(message.c.conversation_id == conversation_id, message.c.seq > row.answered_seq, *WAITS)
            .order_by(message.c.seq)
        ).all()
        if not waiting:
            return None
        turn_id = new_id()
        tx.execute(
            insert(turn).values(
                id=turn_id,
                conversation_id=conversation_id,
                status="running",
                epoch=row.control_epoch,
                from_seq=waiting[0].seq,
                to_seq=waiting[-1].seq,
                lease_owner=owner,
                leased_until=now + TURN_LEASE,
                replies=[],
                created_at=now,
            )
        )
        return tx.execute(select(turn).where(turn.c.id == turn_id)).one()


def reclaim_turns(tx: Connection, now: datetime) -> int:
    """End the leases of turns whose worker died: only for the one worker of a database, which has just started."""
    return tx.execute(update(turn).where(turn.c.status == "running", turn.c.leased_until > now).values(leased_until=now)).rowcount


def record_reply(engine: Engine, turn_id: str, owner: str, replies: Sequence[Mapping[str, Any]]) -> None:
    """Keep the model's replies so far, before their tools run; renews the lease. Raises Fenced where it was lost."""
    now = engine.clock()
    with engine.db.write() as tx:
        done = tx.execute(
            update(turn)
            .where(turn.c.id == turn_id, turn.c.status == "running", turn.c.lease_owner == owner)
            .values(replies=list(replies), leased_until=now + TURN_LEASE)
        )
        if done.rowcount != 1:
            raise Fenced("This turn was taken over by another worker.")


def close_turn(
    engine: Engine,
    row: Row[Any],
    owner: str,
    parts: Sequence[Mapping[str, Any]],
    *,
    transcript: Sequence[Mapping[str, Any]],
    model: str = "",
    tokens: tuple[int, int] = (0, 0),
) -> int | None:
    """The answer, its transcript and what comes next, in one transaction behind the fence. None where it came too late."""
    now = engine.clock()
    with engine.db.write() as tx:
        done = tx.execute(
            update(turn)
            .where(turn.c.id == row.id, turn.c.status == "running", turn.c.lease_owner == owner)
            .values(
                status="done",
                transcript=list(transcript),
                replies=[],
                model=model,
                input_tokens=tokens[0],
                output_tokens=tokens[1],
                closed_at=now,
            )
        )
        if done.rowcount != 1:
            return None
        try:
            with tx.begin_nested():
                seq = append(
                    tx,
                    row.conversation_id,
                    "bot",
                    parts,
                    now=now,
                    client_id=f"b-{row.id}",
                    mid=f"b-{row.id}",
                    turn_id=row.id,
                    epoch=row.epoch,
                )
        except Fenced:
            tx.execute(update(turn).where(turn.c.id == row.id).values(status="fenced"))
            return None
        tx.execute(update(conversation).where(conversation.c.id == row.conversation_id).values(answered_seq=row.to_seq))
        more = tx.execute(
            select(message.c.seq).where(message.c.conversation_id == row.conversation_id, message.c.seq > row.to_seq, *WAITS).limit(1)
        ).one_or_none()
        if more is not None:
            jobs.enqueue(tx, "turn", {"conversation_id": row.conversation_id}, run_at=now, now=now, dedupe=f"turn:{row.conversation_id}")
        return seq


def past_turns(tx: Connection, conversation_id: str, *, limit: int = 12) -> list[Row[Any]]:
    """The last whole turns, oldest first, as the model saw them."""
    rows = tx.execute(
        select(turn.c.id, turn.c.transcript)
        .where(turn.c.conversation_id == conversation_id, turn.c.status == "done")
        .order_by(turn.c.from_seq.desc())
        .limit(limit)
    ).all()
    return list(reversed(rows))


def waiting_text(tx: Connection, row: Row[Any]) -> list[str]:
    """What the traveler wrote in the lines of a turn, oldest first."""
    rows = tx.execute(
        select(message.c.data)
        .where(
            message.c.conversation_id == row.conversation_id,
            message.c.seq >= row.from_seq,
            message.c.seq <= row.to_seq,
            *WAITS,
        )
        .order_by(message.c.seq)
    ).all()
    return [part["text"] for r in rows for part in r.data.get("parts", []) if part.get("type") == "text"]
