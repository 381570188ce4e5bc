"""Work for later, done: turns, payment links, webhooks, deadlines, mail. One loop a process; a sweep finds what was missed."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any
from weakref import WeakValueDictionary

import structlog
from structlog.contextvars import bind_contextvars

from bot import alternatives
from bot.turn import run_turn
from channels import delivery, inbox, mirror
from channels.bus import Bus
from channels.calendars import pull
from channels.delivery import deliver
from channels.hooks import post
from channels.messengers import Messengers
from core import bookings, calendars, conversations, counters, handoff, hooks, jobs, reminders, requests, reviews, signin
from core.engine import Engine
from core.errors import Busy, CoreError, NotFound
from core.jobs import Job
from core.payments import balances, captures, collect, payees, payouts
from core.payments import inbox as gateway_inbox

log = structlog.get_logger()

SWEEP_EVERY = 20.0
TURNS_AT_ONCE = 200  # they wait for a model; a slow one must not keep other chats waiting
AT_ONCE = 24
THREADS = 32
SOON = timedelta(seconds=1)
AT_ONCE_AGAIN = timedelta(milliseconds=100)  # a lane that another worker is just letting go of

TYPING_ON = {"kind": "typing", "data": {"who": "bot", "on": True}}
TYPING_OFF = {"kind": "typing", "data": {"who": "bot", "on": False}}

Handler = Callable[[Engine, Mapping[str, Any]], Any]

HANDLERS: Mapping[str, Handler] = {
    "payment.link": lambda engine, given: collect.ensure_link(engine, given["payment_id"]),
    "payment.deadline": lambda engine, given: collect.deadline(engine, given["payment_id"]),
    "payment.capture": lambda engine, given: captures.capture(engine, given["payment_id"]),
    "payment.release": lambda engine, given: captures.release(engine, given["payment_id"], given.get("session_id")),
    "payment.close": lambda engine, given: collect.close_link(engine, given["payment_id"]),
    "balance.wake": lambda engine, given: balances.wake(engine, given["booking_id"]),
    "payout.level": lambda engine, given: payouts.level(engine, given["share_id"]),
    "refund.send": lambda engine, given: collect.send_refund(engine, given["refund_id"]),
    "refund.orphan": lambda engine, given: collect.refund_orphan(engine, **given),
    "webhook": lambda engine, given: gateway_inbox.work_event(engine, given["event_id"]),
    gateway_inbox.LOOK: lambda engine, _given: gateway_inbox.look(engine),
    "request.deadline": lambda engine, given: requests.expire_due(engine, given["request_id"]),
    bookings.OTHERS: lambda engine, given: alternatives.offer(engine, given["booking_id"]),
    calendars.JOB: lambda engine, given: pull(engine, given["feed_id"]),
    signin.JOB: lambda engine, given: signin.send(engine, given["email"]),
    hooks.JOB: lambda engine, given: post(engine, given["delivery_id"]),
    counters.JOB: lambda engine, _given: counters.run(engine),
    "mirror": lambda engine, given: mirror.mirror(engine, given["conversation_id"]),
    "request.cards": lambda engine, given: mirror.refresh_cards(engine, given["request_id"]),
}
LANES = ("inbound", "send")
DELIVER = "deliver"
KINDS = (*LANES, DELIVER, *HANDLERS)


class Worker:
    """`agent` is the traveler's graph. Turns of one conversation never overlap in this process; across processes the lease decides."""

    def __init__(self, engine: Engine, bus: Bus, agent: Any, messengers: Messengers | None = None) -> None:
        self._engine = engine
        self._bus = bus
        self._agent = agent
        self._messengers = messengers
        self._name = uuid.uuid4().hex[:12]
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()  # one lives as long as somebody holds or awaits it

    async def run(self) -> None:
        """Work until cancelled. The first thing is to give back what a worker that died had in hand."""
        threads = ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="worker")
        asyncio.get_running_loop().set_default_executor(threads)
        await asyncio.to_thread(self._reclaim)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._sweep_for_ever())
            group.create_task(self._loop(("turn",), TURNS_AT_ONCE))
            group.create_task(self._loop(KINDS, AT_ONCE))

    async def _loop(self, kinds: Sequence[str], at_once: int) -> None:
        """One kind of work has its own room, so that turns waiting for a model keep no message from coming or going."""
        tasks: set[asyncio.Task[None]] = set()
        try:
            with self._bus.subscribe("job") as woken:
                while True:
                    claimed = await asyncio.to_thread(self._claim, kinds, min(24, at_once - len(tasks)))
                    for job in claimed:
                        task = asyncio.create_task(self._work(job))
                        tasks.add(task)
                        task.add_done_callback(tasks.discard)
                    if not claimed or len(tasks) >= at_once:
                        await self._wait(woken, kinds, tasks, at_once)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _wait(self, woken: Any, kinds: Sequence[str], tasks: set[asyncio.Task[None]], at_once: int) -> None:
        """Until a job was announced, one falls due, or a task has made room."""
        due = await asyncio.to_thread(self._next_due, kinds)
        now = self._engine.clock()
        pause = min(5.0, max(0.02, (due - now).total_seconds())) if due is not None else 5.0
        if len(tasks) >= at_once:
            await asyncio.wait(tasks, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await woken.get()
        while woken.pending():
            await woken.get()

    def _reclaim(self) -> None:
        if not self._engine.db.alone():
            return
        now = self._engine.clock()
        with self._engine.db.write() as tx:
            turns, given_back = conversations.reclaim_turns(tx, now), jobs.reclaim(tx, now)
        if self._messengers is not None:
            self._messengers.reclaim()
        if turns or given_back:
            log.info("reclaimed", turns=turns, jobs=given_back)

    def _claim(self, kinds: Sequence[str], room: int) -> list[Job]:
        if room <= 0:
            return []
        with self._engine.db.write() as tx:
            return jobs.claim(tx, kinds, self._engine.clock(), limit=room)

    def _next_due(self, kinds: Sequence[str]) -> datetime | None:
        with self._engine.db.read() as tx:
            return jobs.next_due(tx, kinds)

    async def _work(self, job: Job) -> None:
        bind_contextvars(job=job.id, kind=job.kind)  # a task of its own, so this ends with it
        try:
            if job.kind == "turn":
                await self._turn(job.payload["conversation_id"])
            elif job.kind in LANES:
                await self._lane(job)
            elif job.kind == DELIVER:
                messengers = self._messengers
                await asyncio.to_thread(lambda: deliver(self._engine) if messengers is None else messengers.deliver())
            else:
                await asyncio.to_thread(HANDLERS[job.kind], self._engine, job.payload)
        except asyncio.CancelledError:
            raise
        except (Busy, NotFound) as error:
            await asyncio.to_thread(self._fail, job, error.message, AT_ONCE_AGAIN if job.kind in LANES else SOON)
        except CoreError as error:
            log.warning("job_refused", attempt=job.attempts, cause=error.code)
            await asyncio.to_thread(self._fail, job, error.message, None)
        except Exception as error:
            log.exception("job_failed", attempt=job.attempts)
            await asyncio.to_thread(self._fail, job, f"{type(error).__name__}: {error}", None)
        else:
            await asyncio.to_thread(self._finish, job)

    def _finish(self, job: Job) -> None:
        with self._engine.db.write() as tx:
            jobs.finish(tx, job.id)

    def _fail(self, job: Job, error: str, again_in: timedelta | None) -> None:
        with self._engine.db.write() as tx:
            jobs.fail(tx, job, error, self._engine.clock(), again_in=again_in)

    async def _lane(self, job: Job) -> None:
        """The events or the messages of one lane; within this process one after the other, across processes by a lease."""
        if self._messengers is None:
            return
        lane = str(job.payload["lane"])
        lock = self._turns.setdefault(f"{job.kind}:{lane}", asyncio.Lock())
        async with lock:
            if job.kind == "send":
                await self._messengers.send(lane)
            else:
                await self._messengers.inbound(lane, f"{self._name}:{uuid.uuid4().hex[:8]}")

    async def _turn(self, conversation_id: str) -> None:
        topic = f"conversation:{conversation_id}"
        lock = self._turns.setdefault(conversation_id, asyncio.Lock())
        async with lock:
            owner = f"{self._name}:{uuid.uuid4().hex[:8]}"  # one a run: two runs never share a lease
            try:
                await run_turn(self._engine, self._agent, conversation_id, owner, self._say, started=lambda: self._begun(conversation_id))
            finally:
                self._bus.publish(topic, TYPING_OFF)
                if self._messengers is not None:
                    self._messengers.thought(conversation_id)

    def _begun(self, conversation_id: str) -> None:
        self._bus.publish(f"conversation:{conversation_id}", TYPING_ON)
        if self._messengers is not None:
            self._messengers.thinking(conversation_id)

    def _say(self, conversation_id: str, delta: Mapping[str, Any]) -> None:
        self._bus.publish(f"conversation:{conversation_id}", {"kind": "delta", "data": dict(delta)})
        if self._messengers is not None:
            self._messengers.delta(conversation_id, delta)

    async def _sweep_for_ever(self) -> None:
        while True:
            await asyncio.to_thread(sweep, self._engine)
            await asyncio.sleep(SWEEP_EVERY)


def _rescue(engine: Engine) -> int:
    with engine.db.write() as tx:
        return jobs.rescue(tx, engine.clock())


Looks = Sequence[tuple[str, Callable[[Engine], object]]]
LOOKS: Looks = (
    ("jobs", _rescue),
    ("payments", collect.sweep),
    ("card holds", captures.sweep),
    ("requests", requests.sweep),
    ("balances", balances.sweep),
    ("payouts", payouts.sweep),
    ("payees", payees.sweep),
    ("gateway", gateway_inbox.wake),
    ("handoffs", handoff.sweep),
    ("slots", counters.wake),
    ("calendars", calendars.sweep),
    ("inbound", inbox.rescue),
    ("outbound", delivery.rescue),
    ("reminders", reminders.sweep),
    ("reviews", reviews.sweep),
    ("webhooks", hooks.sweep),
)


def sweep(engine: Engine, looks: Looks = LOOKS) -> None:
    """Everything whose deadline passed without a wake-up; one that fails keeps neither the others nor the next sweep from it."""
    for name, look in looks:
        try:
            look(engine)
        except CoreError as error:
            log.warning("sweep_refused", what=name, cause=error.code, message=error.message)
        except Exception:
            log.exception("sweep_failed", what=name)
