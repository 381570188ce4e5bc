"""The doors to messengers at work: events in, messages out, and the signs of life between. The worker's hands for all of them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol

import structlog
from sqlalchemy import select

from channels import delivery, inbox, mirror
from channels.compose import Composer
from channels.house import House
from channels.message import Event
from channels.reception import Reception
from core import leases
from core.schema import place

log = structlog.get_logger()

DRAFT_EVERY = 1.0  # seconds between two drafts of one answer
FETCH_WITHIN = 60.0


class LiveDoor(delivery.Door, Protocol):
    """A door that can also show what lives for a moment, and fetch what people send."""

    async def typing(self, chat_id: str, thread: str) -> None: ...

    async def draft(self, chat_id: str, draft_id: int, text: str) -> bool: ...

    async def fetch(self, file_id: str) -> bytes | None: ...

    async def settle(self, event: Event) -> Event:
        """The event with what the platform only says when it is asked."""
        ...


class Messengers:
    """All messengers of a house; none is a valid number."""

    def __init__(
        self,
        house: House,
        doors: Sequence[LiveDoor] = (),
        *,
        composers: Mapping[str, delivery.Compose] = MappingProxyType({}),
        lanes: Mapping[str, Callable[[str], str]] = MappingProxyType({}),
    ) -> None:
        """`composers` say what a row shows on doors that are no chats, `lanes` which lane an address there has."""
        self._lanes = lanes
        chats = Composer(house.settings.base_url)
        self._composers = dict(composers)
        self._engine = house.engine
        self._doors = doors
        self._reception = Reception(house)
        self._courier = delivery.Courier(
            house.engine, doors, lambda tx, row: self._composers.get(row.channel, chats)(tx, row), mirror.landed
        )
        self._drafts: dict[str, Draft] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def _door(self, channel: str, workspace: str) -> LiveDoor | None:
        return next((door for door in self._doors if (door.channel, door.workspace) == (channel, workspace)), None)

    # jobs

    async def inbound(self, lane: str, owner: str) -> None:
        loop = asyncio.get_running_loop()

        def handle(event: Event) -> None:
            media = None
            door = self._door(event.channel, event.workspace)
            if door is not None:
                event = asyncio.run_coroutine_threadsafe(door.settle(event), loop).result(FETCH_WITHIN)
                if event.media is not None:
                    media = asyncio.run_coroutine_threadsafe(door.fetch(event.media.file_id), loop).result(FETCH_WITHIN)
            self._reception.handle(event, media)

        await asyncio.to_thread(inbox.work, self._engine, lane, owner, handle)

    def deliver(self) -> int:
        return delivery.deliver(self._engine, self._lanes)

    async def send(self, lane: str) -> None:
        await self._courier.run(lane)

    def reclaim(self) -> None:
        """For the one worker of a database, which has just started: whoever polled before is gone, too."""
        with self._engine.db.write() as tx:
            leases.reclaim(tx, "poll:")
        inbox.rescue(self._engine, everything=True)
        delivery.rescue(self._engine, everything=True)

    # signs of life

    def thinking(self, conversation_id: str) -> None:
        """A turn has begun. Private chats see drafts of the answer, others that somebody types."""
        if self._doors:
            self._spawn(self._begin(conversation_id))

    def delta(self, conversation_id: str, delta: Mapping[str, Any]) -> None:
        draft = self._drafts.get(conversation_id)
        if draft is None:
            return
        draft.text = draft.text[: int(delta["offset"])] + str(delta["text"])
        if draft.private and not draft.busy and time.monotonic() - draft.at >= DRAFT_EVERY:
            draft.busy, draft.at = True, time.monotonic()
            self._spawn(self._show(draft))

    def thought(self, conversation_id: str) -> None:
        self._drafts.pop(conversation_id, None)

    async def _begin(self, conversation_id: str) -> None:
        row = await asyncio.to_thread(self._home, conversation_id)
        if row is None:
            return
        door = self._door(row.channel, row.workspace)
        if door is None:
            return
        self._drafts[conversation_id] = Draft(door, row.chat_id, private=row.kind == "private")
        await door.typing(row.chat_id, row.thread_id)

    def _home(self, conversation_id: str) -> Any:
        with self._engine.db.read() as tx:
            return tx.execute(
                select(place).where(place.c.conversation_id == conversation_id, place.c.kind.in_(("private", "group"))).limit(1)
            ).one_or_none()

    async def _show(self, draft: Draft) -> None:
        try:
            draft.private = await draft.door.draft(draft.chat_id, draft.id, draft.text)
        finally:
            draft.busy = False

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        with contextlib.suppress(asyncio.CancelledError):
            if task.exception() is not None:
                log.warning("sign_of_life_failed", cause=type(task.exception()).__name__)


class Draft:
    """The beginning of an answer, as it is shown while it is being written."""

    def __init__(self, door: LiveDoor, chat_id: str, *, private: bool) -> None:
        self.door, self.chat_id, self.private = door, chat_id, private
        self.id = int(time.monotonic_ns() % 2_000_000_000) + 1
        self.text = ""
        self.at = time.monotonic()
        self.busy = False
