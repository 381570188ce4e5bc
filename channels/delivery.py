"""The outbox: rows keyed by what was decided, sent lane by lane and in order, by the rules of each platform.

A row is claimed before its first call and every call that was made is counted before the next one, so a process that
dies leaves at most one call of which nobody knows whether it arrived: that one is `uncertain`, and is made again only
where seeing it twice does no harm. Mail that no door takes is caught and shown on a page.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Protocol

import structlog
from sqlalchemy import Connection, Row, select, update

from channels.message import Call, Outgoing
from core import conversations, jobs
from core.db import upsert
from core.engine import Engine
from core.errors import Busy
from core.schema import channel_identity, conversation, message_ref, outbound

log = structlog.get_logger()

BATCH = 50
LEASE = timedelta(seconds=60)
TRIES = 5
LONGEST_WAIT = 60.0  # seconds between two tries


class Later(Exception):
    """The platform asks for a pause of `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"asked to wait {seconds:g} s")
        self.seconds = seconds


class Gone(Exception):
    """This person or chat cannot be written to any more: blocked, left, never started."""


class NotTaken(Exception):
    """The platform refuses this message; asking again will not help."""


class Unsure(Exception):
    """No answer came in time: it may have arrived."""


class Unreachable(Exception):
    """It certainly did not arrive, and may the next time: after each of `waits` (seconds), where the platform has its own habits."""

    def __init__(self, cause: str = "", *, waits: Sequence[float] = ()) -> None:
        super().__init__(cause)
        self.waits = waits


class Door(Protocol):
    """A messenger: `render` is pure, `call` makes one call and returns the platform's id of the message ("" for none).
    Some know their `workspace` only once they are open."""

    channel: str
    workspace: str

    async def open(self) -> None: ...

    def render(self, out: Outgoing, address: str, thread: str) -> list[Call]: ...

    async def call(self, call: Call) -> str: ...


Compose = Callable[[Connection, Row[Any]], Sequence[Outgoing]]
Landed = Callable[[Connection, Row[Any], str], None]  # an act of a door (a topic made) with what came back


def deliver(engine: Engine, lanes: Mapping[str, Callable[[str], str]] = MappingProxyType({})) -> int:
    """Put every mail and SMS that is due into the lane of its recipient; returns how many were due.

    `lanes` names the lane of an address for each channel that has a door. What has none is caught.
    """
    now = engine.clock()
    with engine.db.write() as tx:
        due = tx.execute(
            select(outbound.c.id, outbound.c.channel, outbound.c.address)
            .where(outbound.c.state == "queued", outbound.c.lane == "", outbound.c.not_before <= now)
            .order_by(outbound.c.id)
            .limit(BATCH)
        ).all()
        caught = [row.id for row in due if row.channel not in lanes]
        if caught:
            tx.execute(update(outbound).where(outbound.c.id.in_(caught)).values(state="caught", attempts=outbound.c.attempts + 1))
        for row in due:
            if row.channel in lanes:
                lane = lanes[row.channel](row.address)
                tx.execute(update(outbound).where(outbound.c.id == row.id).values(lane=lane))
                jobs.enqueue(tx, "send", {"lane": lane}, run_at=now, now=now, dedupe=f"send:{lane}"[:200])
        if len(due) == BATCH:
            jobs.enqueue(tx, "deliver", {}, run_at=now, now=now, dedupe="deliver")
        return len(due)


@dataclass(frozen=True, slots=True)
class Task:
    row: Any
    calls: Sequence[tuple[Outgoing, Call]]


class Courier:
    """Sends the rows of a lane. `compose` says what a row shows at this moment; `landed` keeps what an act brought back."""

    def __init__(self, engine: Engine, doors: Sequence[Door], compose: Compose, landed: Landed) -> None:
        self._engine = engine
        self._doors = doors
        self._compose = compose
        self._landed = landed

    async def run(self, lane: str) -> None:
        """Send what is due in this lane, in order. The head that is being sent holds the lane: raises Busy while it is."""
        channel, workspace, address, thread = lane.split(":", 3)
        door = await self._door(channel, workspace)
        if door is None:
            return  # the token is gone or another; the rows wait for it
        while (task := await asyncio.to_thread(self._next, lane, door, address, thread.partition("#")[0])) is not None:
            if not await self._send(door, task, lane):
                return

    async def _door(self, channel: str, workspace: str) -> Door | None:
        for door in self._doors:
            if door.channel == channel and not door.workspace:
                try:
                    await door.open()
                except Unreachable:
                    continue
            if (door.channel, door.workspace) == (channel, workspace):
                return door
        return None

    # one row

    def _next(self, lane: str, door: Door, address: str, thread: str) -> Task | None:
        """Claim the head of the lane; rows that must not go out any more are dropped on the way. None: nothing is due."""
        while True:
            now = self._engine.clock()
            with self._engine.db.read() as tx:
                row = tx.execute(
                    select(outbound)
                    .where(outbound.c.lane == lane, outbound.c.state.in_(("queued", "sending")))
                    .order_by(outbound.c.id)
                    .limit(1)
                ).one_or_none()
                if row is None:
                    return None
                if row.state == "sending" and row.leased_until is not None and row.leased_until > now:
                    raise Busy("Another worker sends here.")
                if row.state == "queued" and row.not_before > now:
                    due = row.not_before
                else:
                    due = None
                    composed = list(self._compose(tx, row))
            if due is not None:
                with self._engine.db.write() as tx:  # a head that waits holds its lane
                    jobs.enqueue(tx, "send", {"lane": lane}, run_at=due, now=now, dedupe=f"send:{lane}"[:200])
                return None
            calls = [(out, call) for out in composed for call in door.render(out, address, thread)]
            with self._engine.db.write() as tx:
                claimed = self._claim(tx, row, calls, now)
            if claimed is not None:
                return claimed

    def _claim(self, tx: Connection, row: Any, calls: Sequence[tuple[Outgoing, Call]], now: datetime) -> Task | None:
        if row.epoch is not None:  # a bot's words: once more, is it still the bot's turn to speak?
            held = tx.execute(
                select(conversation.c.controller, conversation.c.control_epoch).where(conversation.c.id == row.conversation_id)
            ).one()
            if held.controller != "bot" or held.control_epoch != row.epoch:
                self._set(tx, row, state="dropped", error="a person speaks here now")
                return None
        progress, unsure = row.progress, ""
        if row.state == "sending" and progress < len(calls) and not calls[progress][1].twice:
            # whoever held the lease died in the middle of call number `progress`
            progress, unsure = progress + 1, "the process ended in the middle of sending"
        if progress >= len(calls):
            self._set(tx, row, state="uncertain" if unsure or row.error else "sent", error=unsure or row.error)
            return None
        won = tx.execute(
            update(outbound)
            .where(outbound.c.id == row.id, outbound.c.state == row.state, outbound.c.attempts == row.attempts)
            .values(state="sending", progress=progress, attempts=row.attempts + 1, leased_until=now + LEASE, error=unsure or row.error)
        )
        if won.rowcount != 1:
            raise Busy("Another worker sends here.")
        for out, _ in calls:
            for button in out.about.get("mint", ()):
                _mint(tx, button, now)
        return Task(tx.execute(select(outbound).where(outbound.c.id == row.id)).one(), calls)

    def _set(self, tx: Connection, row: Any, **values: Any) -> None:
        tx.execute(update(outbound).where(outbound.c.id == row.id).values(**values))

    async def _send(self, door: Door, task: Task, lane: str) -> bool:
        """Make the calls that are left; True where the lane may go on."""
        row = task.row
        for at in range(row.progress, len(task.calls)):
            out, call = task.calls[at]
            try:
                external_id = await door.call(call)
            except Later as pause:
                await asyncio.to_thread(self._again, row, lane, at, pause.seconds, str(pause), counts=False)
                return False
            except Unreachable as error:
                tries = len(error.waits) + 1 if error.waits else TRIES
                wait = error.waits[min(row.attempts, len(error.waits)) - 1] if error.waits else min(LONGEST_WAIT, 1.0 * 2**row.attempts)
                return await asyncio.to_thread(self._again, row, lane, at, wait, str(error), counts=True, tries=tries)
            except Unsure as error:
                if call.twice:
                    return await asyncio.to_thread(self._again, row, lane, at, 1.0, str(error), counts=True)
                await asyncio.to_thread(self._made, row, at, out, "", len(task.calls), str(error))
            except Gone as error:
                await asyncio.to_thread(self._gone, row, lane, str(error))
                return True
            except NotTaken as error:
                log.warning("message_refused", channel=row.channel, notice=row.notice, cause=str(error))
                await asyncio.to_thread(self._fail, row, str(error))
                return True
            except Exception as error:  # a fault of ours in one message must not hold up the lane
                log.exception("message_not_made", channel=row.channel, notice=row.notice)
                await asyncio.to_thread(self._fail, row, type(error).__name__)
                return True
            else:
                await asyncio.to_thread(self._made, row, at, out, external_id, len(task.calls), "")
        return True

    def _made(self, row: Any, at: int, out: Outgoing, external_id: str, total: int, unsure: str) -> None:
        """One call is done (or may be): count it, keep what shows what, and close the row with the last one."""
        now = self._engine.clock()
        with self._engine.db.write() as tx:
            kept = tx.execute(select(outbound.c.error, outbound.c.state).where(outbound.c.id == row.id)).one()
            error = unsure[:500] or kept.error
            values: dict[str, Any] = {"progress": at + 1, "error": error}
            if external_id:
                values["external_id"] = external_id
                if out.op == "send":
                    remember(tx, row.channel, row.lane, external_id, out, now)
                elif out.op != "edit":
                    self._landed(tx, row, external_id)
            if out.op == "edit" and not unsure:
                _shows_now(tx, row, out)
            if at + 1 >= total:
                settled = kept.state != "sending"  # the platform has told what became of it before it answered the call
                values |= {"leased_until": None} if settled else {"state": "uncertain" if error else "sent", "leased_until": None}
            self._set(tx, row, **values)

    def _again(self, row: Any, lane: str, at: int, seconds: float, error: str, *, counts: bool, tries: int = TRIES) -> bool:
        now = self._engine.clock()
        attempts = row.attempts if counts else row.attempts - 1
        if attempts >= tries:
            self._fail(row, error)
            return True
        due = now + timedelta(seconds=seconds)
        with self._engine.db.write() as tx:
            self._set(tx, row, state="queued", progress=at, attempts=attempts, not_before=due, leased_until=None)
            jobs.enqueue(tx, "send", {"lane": lane}, run_at=due, now=now, dedupe=f"send:{lane}"[:200])
        return False

    def _fail(self, row: Any, error: str) -> None:
        with self._engine.db.write() as tx:
            self._set(tx, row, state="failed", error=error[:500], leased_until=None)

    def _gone(self, row: Any, lane: str, error: str) -> None:
        """Stop writing there; what was on its way is dropped. Mails about bookings and requests go out in any case."""
        now = self._engine.clock()
        with self._engine.db.write() as tx:
            self._set(tx, row, state="failed", error=error[:500], leased_until=None)
            tx.execute(
                update(outbound)
                .where(outbound.c.lane == lane, outbound.c.state == "queued")
                .values(state="dropped", error="they cannot be written to here")
            )
            channel, workspace, chat_id, _ = lane.split(":", 3)
            tx.execute(
                update(channel_identity)
                .where(
                    channel_identity.c.channel == channel, channel_identity.c.workspace == workspace, channel_identity.c.chat_id == chat_id
                )
                .values(blocked_at=now)
            )
        log.info("cannot_be_written_to", channel=row.channel, cause=error)


def remember(tx: Connection, channel: str, lane: str, external_id: str, out: Outgoing, now: datetime) -> None:
    """Keep which of our messages the platform's id stands for."""
    _, workspace, chat_id, _ = lane.split(":", 3)
    tx.execute(
        upsert(tx)(message_ref)
        .values(
            channel=channel,
            workspace=workspace,
            chat_id=chat_id,
            external_id=external_id,
            conversation_id=out.conversation_id,
            seq=out.seq,
            subject=out.subject,
            version=out.version,
            created_at=now,
        )
        .on_conflict_do_nothing(index_elements=["channel", "workspace", "chat_id", "external_id"])
    )
    if out.subject.startswith("request:"):  # it may have been decided while the card was on its way
        request_id = out.subject.removeprefix("request:")
        jobs.enqueue(tx, "request.cards", {"request_id": request_id}, run_at=now, now=now, dedupe=f"cards:{request_id}")


def _shows_now(tx: Connection, row: Any, out: Outgoing) -> None:
    _, workspace, chat_id, _ = row.lane.split(":", 3)
    tx.execute(
        update(message_ref)
        .where(
            message_ref.c.channel == row.channel,
            message_ref.c.workspace == workspace,
            message_ref.c.chat_id == chat_id,
            message_ref.c.external_id == out.replaces,
        )
        .values(version=out.version, **({"seq": out.seq} if out.seq else {}))
    )


def _mint(tx: Connection, button: Mapping[str, Any], now: datetime) -> None:
    conversations.keep_action(
        tx, button["action"], button["conversation_id"], button["verb"], button["params"], now, account_id=button.get("account_id")
    )


def rescue(engine: Engine, *, everything: bool = False) -> int:
    """Wake the lanes whose sender died, or whose job was lost; returns how many. `everything`: also what is leased still."""
    now = engine.clock()
    with engine.db.write() as tx:
        if everything:
            tx.execute(update(outbound).where(outbound.c.state == "sending").values(leased_until=now))
        stuck = (outbound.c.state == "sending") & (outbound.c.leased_until <= now)
        waiting = (outbound.c.state == "queued") & (outbound.c.not_before <= now - timedelta(seconds=5))
        lanes = tx.execute(select(outbound.c.lane).where(outbound.c.lane != "", stuck | waiting).distinct().limit(500)).scalars().all()
        for lane in lanes:
            jobs.enqueue(tx, "send", {"lane": lane}, run_at=now, now=now, dedupe=f"send:{lane}"[:200])
    return len(lanes)
