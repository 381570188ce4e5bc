"""What the pages that play a messenger's people have in common: one key for the life of the process, files of their own, a strict policy.

Only for a machine of one's own. Such a page talks to the stand-in's few addresses with its key, and never to the bot.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

SHARED = Path(__file__).parent / "static"
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: https:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
TYPES = {".js": "text/javascript", ".css": "text/css"}
HEADER = "x-played-key"
WAIT = 20.0  # seconds a page waits for news before it asks again
LOOK = 0.15

Json = dict[str, Any]


class Played:
    """`here` is the folder with `templates/` and `static/`, `name` the page's own files, `prefix` the path it is mounted at."""

    def __init__(self, here: Path, name: str, *, prefix: str, stopping: Callable[[], bool], app: Callable[[], str]) -> None:
        self._here, self._name, self._prefix = here, name, prefix
        self._stopping, self._app = stopping, app
        self._key = secrets.token_urlsafe(24)
        self._templates = Environment(loader=FileSystemLoader(here / "templates"), autoescape=True, undefined=StrictUndefined)

    def routes(self) -> list[Route]:
        return [Route("/", self._page), Route("/static/{name}", self._static)]

    def allowed(self, request: Request) -> bool:
        return hmac.compare_digest(request.headers.get(HEADER, "").encode(), self._key.encode())

    async def _page(self, request: Request) -> Response:
        page = self._templates.get_template(f"{self._name}.html").render(key=self._key, prefix=self._prefix, app=self._app())
        return Response(
            page, media_type="text/html; charset=utf-8", headers={"content-security-policy": POLICY, "cache-control": "no-store"}
        )

    async def _static(self, request: Request) -> Response:
        files = {f"{self._name}.js": self._here / "static", f"{self._name}.css": self._here / "static", "played.js": SHARED}
        name = request.path_params["name"]
        if name not in files:
            return Response(status_code=404)
        path = files[name] / name
        return Response(path.read_bytes(), media_type=TYPES[path.suffix], headers={"cache-control": "no-cache"})

    async def news(self, request: Request, shown: Callable[[], Json]) -> Response:
        """What is shown, once it differs from what the page has (`have` is the digest it was given); waits for that."""
        have = request.query_params.get("have", "")
        for _ in range(int(WAIT / LOOK)):
            now = shown()
            digest = hashlib.sha256(json.dumps(now, sort_keys=True).encode()).hexdigest()[:24]
            if digest != have:
                return JSONResponse({"have": digest, **now})
            if self._stopping() or await request.is_disconnected():
                break
            await asyncio.sleep(LOOK)
        return JSONResponse({"have": have})
