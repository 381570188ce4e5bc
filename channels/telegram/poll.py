"""Long polling: only the holder of the lease asks, and asking again is what confirms. Committed first, confirmed after."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from datetime import timedelta

import structlog
from telegram import Update
from telegram.error import Conflict, RetryAfter, TelegramError

from channels import inbox
from channels.message import Event
from channels.telegram.deliver import TelegramDoor, TelegramDown
from channels.telegram.parse import parse
from core import leases
from core.engine import Engine

log = structlog.get_logger()

WAIT = 20  # seconds one question may stay open
LEASE = timedelta(seconds=60)
LOUD = 4  # failures in a row before anybody is told
TAKEN = 5.0  # seconds until another look at a lease somebody else holds


class Poller:
    """`run` until it is cancelled."""

    def __init__(self, engine: Engine, door: TelegramDoor, *, wait: int = WAIT, retry: float = 3.0) -> None:
        self._engine = engine
        self._door = door
        self._wait = wait
        self._retry = retry
        self._owner = uuid.uuid4().hex[:16]
        self._lease = f"poll:{door.channel}:{door.workspace}"

    async def run(self) -> None:
        offset = 0
        opened = False
        failures = 0  # in a row
        try:
            while True:
                if not await asyncio.to_thread(self._hold):
                    opened = False
                    await asyncio.sleep(min(TAKEN, self._retry * 2))
                    continue
                try:
                    if not opened:
                        await self._door.drop_webhook()
                        await self._door.introduce()
                        log.info("telegram_polling", bot=await self._door.username())
                        opened = True
                    offset = await self.once(offset)
                    failures = 0
                except Conflict:
                    log.warning("telegram_polled_elsewhere", hint="another program uses the same token")
                    await asyncio.sleep(self._retry)
                except RetryAfter:
                    await asyncio.sleep(self._retry)
                except (TelegramDown, TelegramError) as error:
                    failures += 1
                    if failures >= LOUD:  # a hiccup, or our own server that is still starting, is no news
                        log.warning("telegram_down", cause=str(error) if isinstance(error, TelegramDown) else type(error).__name__)
                    await asyncio.sleep(min(self._retry, 0.2 * 2**failures))
        finally:
            await asyncio.shield(asyncio.to_thread(self._let_go))

    async def once(self, offset: int) -> int:
        """One question: keep what came, and only then move the offset that confirms it with the next question."""
        updates = await self._door.updates(offset, wait=self._wait)
        if not updates:
            return offset
        await take(self._engine, self._door, updates)
        return updates[-1].update_id + 1

    def _hold(self) -> bool:
        now = self._engine.clock()
        with self._engine.db.write() as tx:
            return leases.take(tx, self._lease, self._owner, now + LEASE, now)

    def _let_go(self) -> None:
        with self._engine.db.write() as tx:
            leases.give_back(tx, self._lease, self._owner)


async def take(engine: Engine, door: TelegramDoor, updates: Sequence[Update]) -> int:
    """Commit a batch; returns how many events were new. One update we cannot read keeps none of the others."""
    username = await door.username()
    events: list[Event] = []
    for update in updates:
        try:
            event = parse(update, door.workspace, username)
        except (ValueError, TypeError, AttributeError):
            log.exception("telegram_update_not_read", update=update.update_id)
            continue
        if event is not None:
            events.append(event)
    return await asyncio.to_thread(inbox.receive, engine, events) if events else 0
