"""The stand-in as one ASGI app: the Bot API, its files, webhook deliveries, and a phone for people without Telegram."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from channels.sandbox.telegram.api import Api, plain
from channels.sandbox.telegram.phone import Phone
from channels.sandbox.telegram.world import Json, Refusal, World

LARGEST = 60 * 1024 * 1024


class TelegramSandbox:
    """ASGI. `await run()` delivers webhooks until it is cancelled. `phone` serves the page that plays the people; `stopping`
    says that the process is on its way out, and whoever waits here is let go."""

    def __init__(
        self,
        world: World,
        *,
        phone: bool = False,
        prefix: str = "",
        repeat_after: float = 0.3,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self.world = world
        self.api = Api(world)
        self._repeat_after = repeat_after
        self._stopping = stopping
        routes = [
            Route("/bot{rest:path}", self._bot, methods=["GET", "POST"]),
            Route("/file/bot{rest:path}", self._file, methods=["GET"]),
        ]
        if phone:
            routes += Phone(world, prefix=prefix, stopping=stopping).routes()
        self._app = Starlette(routes=routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)

    # the Bot API

    async def _bot(self, request: Request) -> Response:
        token, _, method = str(request.path_params["rest"]).partition("/")
        if token != self.world.token:
            return _refused(Refusal(401, "Unauthorized"))
        if int(request.headers.get("content-length") or 0) > LARGEST:
            return _refused(Refusal(413, "Request Entity Too Large"))
        given, files = await _parameters(request)
        fault = self.world.faults[method.lower()].popleft() if self.world.faults[method.lower()] else None
        if fault is not None and fault.code:
            self.world.log.append((method, given, fault.code))
            return _refused(Refusal(fault.code, fault.description, **dict(fault.parameters)))
        if fault is not None and not fault.done:
            await asyncio.sleep(fault.seconds)
            return Response(status_code=502)
        try:
            given = plain(given)
            if method.lower() == "getupdates":
                result = await self.api.get_updates(given, lambda: self._gone(request))
            else:
                result = self.api.call(method, given, files)
        except Refusal as refusal:
            self.world.log.append((method, given, refusal.code))
            return _refused(refusal)
        if fault is not None:
            await asyncio.sleep(fault.seconds)
        if method.lower() != "getupdates":
            self.world.log.append((method, given, 200))
        return JSONResponse({"ok": True, "result": result})

    async def _gone(self, request: Request) -> bool:
        return self._stopping() or await request.is_disconnected()

    async def _file(self, request: Request) -> Response:
        token, _, path = str(request.path_params["rest"]).partition("/")
        found = next((data for name, data in self.world.files.values() if name == path), None)
        if token != self.world.token or found is None:
            return _refused(Refusal(404, "Not Found"))
        return Response(found, media_type="application/octet-stream")

    # webhooks

    async def run(self) -> None:
        """Deliver to the webhook, one update after the other; what is not taken comes again, and later ones wait."""
        async with httpx.AsyncClient(trust_env=False, timeout=10.0) as client:
            pair = self.world.wait()
            try:
                while True:
                    delivered = await self._deliver_next(client)
                    if not delivered:
                        pair[1].clear()
                        try:
                            await asyncio.wait_for(pair[1].wait(), self._repeat_after)
                        except TimeoutError:
                            continue
            finally:
                self.world.waited(pair)

    async def _deliver_next(self, client: httpx.AsyncClient) -> bool:
        world = self.world
        hook = world.webhook
        with world.lock:
            update = world.updates[0] if world.updates and hook["url"] else None
        if update is None:
            return False
        headers = {"X-Telegram-Bot-Api-Secret-Token": hook["secret"]} if hook["secret"] else {}
        try:
            answer = await client.post(hook["url"], json=update, headers=headers)
            status = answer.status_code
        except httpx.HTTPError:
            status = 0
        with world.lock:
            world.delivered.append((update["update_id"], status))
            if 200 <= status < 300:
                world.updates.popleft()
                self._reply_in_body(answer)
                return True
            hook["last_error"] = f"Wrong response from the webhook: {status}" if status else "Connection failed"
            hook["last_error_at"] = int(world.clock())
        return False

    def _reply_in_body(self, answer: httpx.Response) -> None:
        """An answer with a `method` in it is carried out as a call."""
        try:
            body = answer.json()
        except ValueError:
            return
        if isinstance(body, dict) and "method" in body:
            try:
                self.api.call(str(body.pop("method")), plain(body), {})
            except Refusal as refusal:
                self.world.webhook["last_error"] = refusal.description


async def _parameters(request: Request) -> tuple[Json, dict[str, tuple[str, bytes]]]:
    given: Json = dict(request.query_params)
    files: dict[str, tuple[str, bytes]] = {}
    kind = request.headers.get("content-type", "")
    if kind.startswith("application/json"):
        body = await request.body()
        given |= json.loads(body) if body else {}
    elif kind.startswith(("application/x-www-form-urlencoded", "multipart/form-data")):
        async with request.form(max_part_size=LARGEST) as form:
            for name, value in form.multi_items():
                if isinstance(value, str):
                    given[name] = value
                else:
                    files[name] = (value.filename or "file", await value.read())
    return given, files


def _refused(refusal: Refusal) -> JSONResponse:
    body: dict[str, Any] = {"ok": False, "error_code": refusal.code, "description": refusal.description}
    if refusal.parameters:
        body["parameters"] = refusal.parameters
    return JSONResponse(body, status_code=refusal.code)
