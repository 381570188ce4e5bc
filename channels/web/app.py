"""The web door put together: the chat, the pages, the consoles, webhooks and health, from a house that is handed in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

from fastapi import APIRouter, FastAPI
from prometheus_client import CollectorRegistry
from starlette.responses import Response
from starlette.routing import Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Scope

from channels.house import House
from channels.mail import off
from channels.mcp.door import METHODS, PATH, McpDoor
from channels.web import (
    api_docs,
    calendars,
    chat,
    confirm,
    errors,
    health,
    metrics,
    octo,
    pages,
    photos,
    redirects,
    rest,
    rest_hooks,
    rest_trip,
    trips,
    uploads,
    vouchers,
    webhooks,
)
from channels.web.consoles import bookings, calendar, desk, join, listings, ops, payouts, provider, review, reviews, signin, staff
from channels.web.guard import Guard, Origins
from channels.web.limits import Allowance, Limits
from channels.web.views import STATIC

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def create_app(
    house: House,
    *,
    lifespans: Sequence[Lifespan] = (),
    mounts: Sequence[tuple[str, ASGIApp]] = (),
    routers: Sequence[APIRouter] = (),
    onward: tuple[str, ...] = (),
    allowance: Allowance | None = None,
) -> FastAPI:
    """`lifespans` start with the app, in order, and end in reverse (workers, pollers); `mounts` and
    `routers` are further doors; `onward` names the messengers in which a conversation can go on."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        house.bus.open()
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(programs.run())
            for one in lifespans:
                await stack.enter_async_context(one(app))
            yield
            house.bus.close()

    limits = Limits(allowance or Allowance(), house.settings.redis_url)
    programs = McpDoor(house, limits)
    app = FastAPI(title="Traveloure", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    errors.install(app)
    app.include_router(health.router(house))
    registry = CollectorRegistry()
    app.include_router(metrics.router(house, registry))
    app.include_router(chat.router(house, limits, onward))
    app.include_router(webhooks.router(house))
    app.include_router(rest.router(house, limits))
    app.include_router(rest_trip.router(house, limits))
    app.include_router(rest_hooks.router(house, limits))
    app.include_router(octo.router(house, limits))
    app.include_router(api_docs.router())
    app.include_router(pages.router(house))
    app.include_router(trips.router(house, limits))
    app.include_router(vouchers.router(house, limits))
    app.include_router(off.router(house, limits))
    app.include_router(confirm.router(house, limits))
    app.router.routes.append(Route(PATH, endpoint=programs, methods=METHODS, include_in_schema=False))
    app.include_router(signin.router(house, limits))
    app.include_router(join.router(house, limits))
    app.include_router(provider.router(house))
    app.include_router(bookings.router(house))
    app.include_router(listings.router(house, limits))
    app.include_router(staff.router(house, limits))
    app.include_router(review.router(house))
    app.include_router(photos.router(house, limits))
    app.include_router(calendar.router(house))
    app.include_router(calendars.router(house, limits))
    app.include_router(payouts.router(house))
    app.include_router(reviews.router(house))
    app.include_router(redirects.router(house, limits))
    app.include_router(desk.router(house))
    app.include_router(ops.router(house))
    for one in routers:
        app.include_router(one)
    app.mount("/static", Shelf(directory=STATIC), name="static")
    for path, door in mounts:
        app.mount(path, door)
    app.add_middleware(metrics.Meter, registry=registry)
    app.add_middleware(Guard, origins=Origins(house.settings.allowed_origins, house.engine.db), most_body=uploads.BODY)
    return app


class Shelf(StaticFiles):
    """Files that are checked for news at every load: small, and never stale after an update."""

    def file_response(self, *args: object, **kwargs: object) -> Response:
        response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]
        response.headers["cache-control"] = "no-cache"
        return response

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        if path.endswith(".svg"):  # a picture, even when somebody opens it by itself
            response.headers["content-security-policy"] = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
        return response
