"""The composition root: settings in, a house out. The only file that chooses parts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import structlog

from channels.bus import Bus
from channels.house import House
from channels.settings import Settings
from core.db import Database
from core.engine import Engine
from core.payments.gateway import Gateway
from core.settings import Rules

if TYPE_CHECKING:
    from fastapi import FastAPI

    from channels.worker import Worker

SANDBOX_PATH = "/stripe-local"
log = structlog.get_logger()


def now() -> datetime:
    return datetime.now(UTC)


def build(settings: Settings, gateway: Gateway | None = None) -> House:
    """Open the database and wire the parts. The schema must be there already (`core.migrate.upgrade`)."""
    database = Database(settings.database)
    bus = Bus()
    database.listen(bus.announced)
    rules = replace(Rules(), public_url=settings.base_url, local_calendars=settings.local_calendars)
    engine = Engine(db=database, gateway=gateway or choose_gateway(settings), clock=now, rules=rules)
    return House(settings, engine, bus)


def choose_gateway(settings: Settings) -> Gateway:
    """Stripe with a key; without one the payment sandbox, through the very same adapter."""
    from core.payments.stripe_connect import StripeGateway

    if settings.stripe_secret_key is not None:
        secret = settings.stripe_webhook_secret
        return StripeGateway(
            secret_key=settings.stripe_secret_key.get_secret_value(),
            webhook_secrets=(secret.get_secret_value(),) if secret else (),
        )
    from channels.sandbox.payments.keys import local_secrets

    local = local_secrets(settings.data_dir)
    return StripeGateway(secret_key=local.api_key, webhook_secrets=local.webhook_secret, api_base=f"{_local(settings)}{SANDBOX_PATH}")


def _local(settings: Settings) -> str:
    return f"http://127.0.0.1:{settings.port}"


def traveler_agent(house: House, *, pace: float = 0.0) -> Any:
    """The graph that answers travelers: the live model with the offline planner behind it, or the planner alone."""
    from bot.agent import build_agent
    from bot.models import ModelChoice, live_model
    from bot.offline.model import OfflineModel
    from bot.offline.planner import OfflinePlanner
    from prompts import read

    settings = house.settings
    key = settings.openai_api_key
    choice = ModelChoice(
        api_key=key.get_secret_value() if key else None,
        base_url=settings.openai_base_url,
        model=settings.openai_model,
        timeout=settings.openai_timeout,
        responses=settings.openai_responses,
    )
    offline = OfflineModel(planner=OfflinePlanner(house.engine), pace=pace)
    return build_agent("traveler", live_model(choice) or offline, offline, read("traveler"), timeout=settings.openai_timeout)


def worker(house: House, *, pace: float = 0.0) -> Worker:
    from channels.worker import Worker

    return Worker(house.engine, house.bus, traveler_agent(house, pace=pace))


def web(house: House, *, works: bool = True, pace: float = 0.012) -> FastAPI:
    """The whole web door. With `works` it also does the jobs; without a Stripe key it also is the payment sandbox."""
    from channels.web.app import create_app

    mounts: list[tuple[str, Any]] = []
    lifespans: list[Any] = []
    settings = house.settings
    if settings.sandbox_payments:
        from channels.sandbox.payments.app import create_sandbox
        from channels.sandbox.payments.keys import local_secrets

        sandbox = create_sandbox(
            settings.data_dir / "payment-sandbox.db",
            secrets=local_secrets(settings.data_dir),
            public_url=f"{settings.base_url}{SANDBOX_PATH}",
            webhook_urls=[f"{_local(settings)}/webhooks/stripe"],
            clock=now,
            host=settings.host,
            allow_public=bool(settings.domain_url),
        )
        mounts.append((SANDBOX_PATH, sandbox))
        lifespans.append(beside(sandbox.run, sandbox.close))
    if works:
        lifespans.append(beside(worker(house, pace=pace).run))
    return create_app(house, lifespans=lifespans, mounts=mounts)


def beside(run: Callable[[], Awaitable[None]], close: Callable[[], None] = lambda: None) -> Any:
    """A lifespan that keeps `run` going beside the app: one that fails is logged and started again."""

    async def for_ever() -> None:
        while True:
            try:
                await run()
                return
            except Exception:
                log.exception("background_failed")
                await asyncio.sleep(1.0)

    @asynccontextmanager
    async def lifespan(_app: Any) -> AsyncIterator[None]:
        task = asyncio.create_task(for_ever())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            close()

    return lifespan
