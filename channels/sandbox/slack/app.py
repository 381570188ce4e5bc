"""The stand-in as one ASGI app: the Web API, files, Socket Mode; and the signed HTTP deliveries while no socket is open."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlencode

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from channels.sandbox.slack.api import Api
from channels.sandbox.slack.world import Delivery, Json, Refusal, World, dumps


class SlackSandbox:
    """ASGI. `base` is its own address, for sockets and files. `await run()` delivers over HTTP until it is cancelled."""

    def __init__(self, world: World, *, base: str, routes: Sequence[BaseRoute] = (), stopping: Callable[[], bool] = lambda: False) -> None:
        self.world = world
        self.api = Api(world)
        self.api.base = base
        self._stopping = stopping
        self._app = Starlette(
            routes=[
                Route("/api/{method}", self._call, methods=["GET", "POST"]),
                Route("/files/{file}", self._file, methods=["GET"]),
                WebSocketRoute("/socket", self._socket),
                *routes,
            ]
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)

    # the Web API

    async def _call(self, request: Request) -> Response:
        method = str(request.path_params["method"])
        given = await _parameters(request)
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        token = bearer if scheme.lower() == "bearer" else str(given.pop("token", ""))
        fault = self.world.faults[method].popleft() if self.world.faults[method] else None
        if fault is not None and fault.retry_after:
            self.world.log.append((method, given, "ratelimited"))
            return JSONResponse({"ok": False, "error": "ratelimited"}, status_code=429, headers={"Retry-After": f"{fault.retry_after:g}"})
        if fault is not None and fault.status:
            self.world.log.append((method, given, str(fault.status)))
            return Response("upstream", status_code=fault.status)
        if fault is not None and not fault.done:
            await asyncio.sleep(fault.seconds)
            return Response("upstream", status_code=502)
        try:
            if fault is not None and fault.error:
                raise Refusal(fault.error)
            result = self.api.call(method, token, given)
        except Refusal as refusal:
            self.world.log.append((method, given, refusal.error))
            body: Json = {"ok": False, "error": refusal.error}
            if refusal.messages:
                body["response_metadata"] = {"messages": refusal.messages}
            return JSONResponse(body)
        self.world.log.append((method, given, ""))
        if fault is not None:
            await asyncio.sleep(fault.seconds)
        return JSONResponse({"ok": True, **result}, headers={"x-oauth-scopes": "chat:write,im:write,users:read"})

    async def _file(self, request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {self.world.bot_token}":
            return Response("<html>Sign in</html>", media_type="text/html")  # Slack answers 200 with a page
        found = self.world.files.get(request.path_params["file"])
        return Response(found[1]) if found else Response(status_code=404)

    # Socket Mode

    async def _socket(self, socket: WebSocket) -> None:
        world = self.world
        await socket.accept()
        world.sockets += 1
        hello = {"type": "hello", "num_connections": world.sockets, "connection_info": {"app_id": world.app_id}}
        open_envelopes: dict[str, tuple[Delivery, float]] = {}
        try:
            await socket.send_text(dumps(hello))
            async with asyncio.TaskGroup() as group:
                group.create_task(self._push(socket, open_envelopes))
                group.create_task(self._acks(socket, open_envelopes))
        except* WebSocketDisconnect:
            pass
        except* RuntimeError:
            pass  # it was closed while something was being sent
        finally:
            world.sockets -= 1
            for one, _ in open_envelopes.values():
                world.settle(one, 0)

    async def _push(self, socket: WebSocket, open_envelopes: dict[str, tuple[Delivery, float]]) -> None:
        world, number = self.world, 0
        loop = asyncio.get_running_loop()
        pair = world.wait()
        try:
            while True:
                for one in world.take():
                    number += 1
                    envelope = f"{id(socket):x}-{number}"
                    open_envelopes[envelope] = (one, loop.time() + world.ack_within)
                    body: Json = {"type": one.kind, "envelope_id": envelope, "payload": one.payload, "accepts_response_payload": True}
                    if one.kind == "events_api":
                        body |= {"accepts_response_payload": False, "retry_attempt": one.attempt, "retry_reason": one.reason}
                    await socket.send_text(dumps(body))
                for envelope, (one, until) in list(open_envelopes.items()):
                    if loop.time() > until:
                        del open_envelopes[envelope]
                        world.settle(one, 0)
                if self._stopping():
                    await socket.close()
                    raise WebSocketDisconnect
                pair[1].clear()
                if not world.pending or all(one.due for one in world.pending):
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(pair[1].wait(), 0.05)
        finally:
            world.waited(pair)

    async def _acks(self, socket: WebSocket, open_envelopes: dict[str, tuple[Delivery, float]]) -> None:
        while True:
            said = json.loads(await socket.receive_text())
            found = open_envelopes.pop(str(said.get("envelope_id")), None)
            if found is not None:
                self.world.settle(found[0], 200, said.get("payload"))

    # signed HTTP

    async def run(self) -> None:
        """Carry what is due to the app's address, each on its own: Slack promises no order."""
        pair = self.world.wait()
        tasks: set[asyncio.Task[None]] = set()
        async with httpx.AsyncClient(trust_env=False, timeout=self.world.ack_within) as client:
            try:
                while True:
                    if self.world.url and not self.world.sockets:
                        for one in self.world.take():
                            task = asyncio.create_task(self._carry(client, one))
                            tasks.add(task)
                            task.add_done_callback(tasks.discard)
                    pair[1].clear()
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(pair[1].wait(), 0.05)
            finally:
                self.world.waited(pair)
                for task in list(tasks):
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _carry(self, client: httpx.AsyncClient, one: Delivery) -> None:
        try:
            body, headers = self.signed(one)
            answer = await client.post(self.world.url, content=body, headers=headers)
        except httpx.HTTPError:
            self.world.settle(one, 0)
            return
        self.world.settle(one, answer.status_code, _answer(answer), no_retry=answer.headers.get("x-slack-no-retry") == "1")

    def signed(self, one: Delivery, *, at: float = 0.0) -> tuple[bytes, dict[str, str]]:
        """The raw body and its headers; the signature is fresh for every attempt."""
        headers: dict[str, str] = {}
        if one.kind == "events_api":
            body = dumps(one.payload).encode()
            headers["content-type"] = "application/json"
        else:
            form = one.payload if one.kind == "slash_commands" else {"payload": dumps(one.payload)}
            body = urlencode(form).encode()
            headers["content-type"] = "application/x-www-form-urlencoded"
        if one.attempt:
            headers |= {"X-Slack-Retry-Num": str(one.attempt), "X-Slack-Retry-Reason": one.reason}
        return body, headers | signature(self.world.signing_secret, body, at or self.world.clock())


def signature(secret: str, body: bytes, at: float) -> dict[str, str]:
    stamp = str(int(at))
    made = hmac.new(secret.encode(), b"v0:" + stamp.encode() + b":" + body, hashlib.sha256).hexdigest()
    return {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={made}"}


def _answer(answer: httpx.Response) -> Json | None:
    try:
        body = answer.json() if answer.content else None
    except ValueError:
        return {"text": answer.text}
    return body if isinstance(body, dict) else None


async def _parameters(request: Request) -> Json:
    given: Json = dict(request.query_params)
    kind = request.headers.get("content-type", "")
    if kind.startswith("application/json"):
        body = await request.body()
        given |= json.loads(body) if body else {}
    elif kind.startswith(("application/x-www-form-urlencoded", "multipart/form-data")):
        async with request.form() as form:
            values: dict[str, Any] = {name: value for name, value in form.multi_items() if isinstance(value, str)}
            given |= values
    return given
