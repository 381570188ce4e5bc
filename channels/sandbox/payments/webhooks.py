"""Delivery of the sandbox's events: signed, outside the request, again and again with growing pauses.

An event and its deliveries are committed with the payment itself, so a process that dies in between delivers after its restart.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

import httpx
import stripe

from channels.sandbox.payments.store import Delivery, Store

PAUSES = (1, 2, 5, 10, 30, 60, 300, 900, 3600, 3600, 10_800, 10_800, 21_600, 21_600)  # seconds after the 1st, 2nd ... failure
TIMEOUT = 10.0
LEASE = TIMEOUT + 5  # a delivery whose process died is due again after this


Result = TypeVar("Result")


@dataclass(slots=True)
class Weather:
    """Faults of the wire, set by a test: the next `drop` deliveries are lost, each is sent `copies` times, `delay` seconds late."""

    drop: int = 0
    copies: int = 1
    delay: float = 0.0


@cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context()  # loading the certificates takes longer than a delivery


def _client() -> httpx.AsyncClient:
    return httpx.AsyncClient(timeout=TIMEOUT, trust_env=False, verify=_tls())


class Courier:
    """Takes what is due from the store and posts it. `deliver_due` is one round; `run` goes on until it is cancelled."""

    def __init__(self, store: Store, pool: Executor, *, secret: str, clock: Callable[[], float], weather: Weather) -> None:
        self._store = store
        self._pool = pool
        self._secret = secret
        self._clock = clock
        self._weather = weather
        self._loop: asyncio.AbstractEventLoop | None = None
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """From any thread: something new is due."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._woken.set)

    async def _off_loop(self, call: Callable[..., Result], *values: object) -> Result:
        """In the sandbox's own threads: the house's may all be waiting for the sandbox."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, call, *values)

    async def run(self, before: Callable[[], None] = lambda: None) -> None:
        """`before` is called ahead of every round, in a thread."""
        self._loop = asyncio.get_running_loop()
        self._woken = asyncio.Event()
        async with _client() as http:
            while True:
                self._woken.clear()
                await self._off_loop(before)
                if await self._round(http):
                    continue
                await self._rest()

    async def _rest(self) -> None:
        due = await self._off_loop(self._store.next_due)
        wait = 5.0 if due is None else min(5.0, max(0.05, due - self._clock()))
        try:
            async with asyncio.timeout(wait):
                await self._woken.wait()
        except TimeoutError:
            return

    async def deliver_due(self) -> int:
        """One round by hand; returns how many were tried."""
        async with _client() as http:
            return await self._round(http)

    async def _round(self, http: httpx.AsyncClient) -> int:
        now = self._clock()
        claimed = await self._off_loop(self._store.claim, now - self._weather.delay, now + LEASE, 8)
        await asyncio.gather(*(self._deliver(http, one) for one in claimed))
        return len(claimed)

    async def _deliver(self, http: httpx.AsyncClient, one: Delivery) -> None:
        if self._weather.drop > 0:
            self._weather.drop -= 1
            await self._off_loop(self._store.settle, one.id, "given_up", "dropped on demand")
            return
        answer = ""
        for _ in range(max(1, self._weather.copies)):
            answer = await self._post(http, one)
        if answer == "":
            await self._off_loop(self._store.settle, one.id, "done", "2xx")
        elif one.attempts > len(PAUSES):
            await self._off_loop(self._store.settle, one.id, "given_up", answer)
        else:
            due = self._clock() + PAUSES[one.attempts - 1]
            await self._off_loop(self._store.settle, one.id, "waiting", answer, due)

    async def _post(self, http: httpx.AsyncClient, one: Delivery) -> str:
        """ "" where the endpoint took it, else what went wrong. The signature's moment is that of this very attempt."""
        body = json.dumps(one.event, separators=(",", ":"))
        signature = stripe.WebhookSignature.generate_signature_header(body, self._secret, int(self._clock()))
        headers = {
            "Stripe-Signature": signature,
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "Stripe/1.0 (local sandbox)",
        }
        try:
            got = await http.post(one.url, content=body.encode(), headers=headers)
        except httpx.HTTPError as error:
            return type(error).__name__
        return "" if got.is_success else f"HTTP {got.status_code}"
