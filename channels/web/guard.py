"""What every answer carries and who may ask from another site: security headers, and CORS without credentials."""

from __future__ import annotations

import time
from collections.abc import Callable

from anyio import to_thread
from sqlalchemy import select
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.db import Database
from core.schema import site

HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "strict-origin-when-cross-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
SHARED = ("/chat/v1/", "/static/")  # what pages of other sites load: the interface and the widget itself
ORIGINS_KEPT = 30.0  # seconds
TOO_BIG = {"error": {"code": "too_big", "message": "That is too big. A file may have up to 5 MB."}}


class Origins:
    """Which pages may embed the chat: the settings' list and every site's own."""

    def __init__(self, allowed: tuple[str, ...], database: Database, tick: Callable[[], float] = time.monotonic) -> None:
        self._allowed = frozenset(allowed)
        self._database = database
        self._tick = tick
        self._sites: frozenset[str] = frozenset()
        self._read_at = float("-inf")

    async def allow(self, origin: str) -> str | None:
        """The value of Access-Control-Allow-Origin, or None."""
        if "*" in self._allowed:
            return "*"
        if origin in self._allowed:
            return origin
        if self._tick() - self._read_at > ORIGINS_KEPT:
            self._sites, self._read_at = await to_thread.run_sync(self._read), self._tick()
        return origin if origin in self._sites or "*" in self._sites else None

    def _read(self) -> frozenset[str]:
        with self._database.read() as tx:
            return frozenset(origin for row in tx.execute(select(site.c.origins)) for origin in row.origins)


class Guard:
    """A plain ASGI layer: it must not buffer, because event streams pass through it."""

    def __init__(self, app: ASGIApp, origins: Origins, most_body: int) -> None:
        self.app = app
        self.origins = origins
        self.most_body = most_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        asked = Headers(scope=scope)
        extra = dict(HEADERS)
        declared = asked.get("content-length", "0")
        if "origin" in asked and scope["path"].startswith(SHARED):
            extra["vary"] = "Origin"
            allowed = await self.origins.allow(asked["origin"])
            if allowed is not None:
                extra["access-control-allow-origin"] = allowed
                extra["access-control-expose-headers"] = "retry-after"
            if scope["method"] == "OPTIONS" and "access-control-request-method" in asked:
                await _preflight(extra, allowed is not None)(scope, receive, send)
                return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for key, value in extra.items():
                    headers.setdefault(key, value)
            await send(message)

        if not declared.isdigit() or int(declared) > self.most_body:
            await JSONResponse(TOO_BIG, status_code=413, headers={"connection": "close"})(scope, receive, send_guarded)
            return
        await self.app(scope, receive if "content-length" in asked else _counted(receive, self.most_body), send_guarded)


def _counted(receive: Receive, most: int) -> Receive:
    """A body that did not say how long it is may not grow past the limit either."""
    seen = 0

    async def receive_counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > most:
            raise HTTPException(413)
        return message

    return receive_counted


def _preflight(extra: dict[str, str], allowed: bool) -> Response:
    if allowed:
        extra |= {
            "access-control-allow-methods": "GET, POST",
            "access-control-allow-headers": "authorization, content-type, last-event-id",
            "access-control-max-age": "86400",
        }
    return Response(status_code=204 if allowed else 403, headers=extra)
