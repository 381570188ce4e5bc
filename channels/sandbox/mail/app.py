"""The post's page: every letter that would have been sent, its files, and an answer to it. Only for a machine of one's own."""

from __future__ import annotations

import hmac
import re
import secrets
from pathlib import Path

import httpx
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from channels.sandbox.mail.post import Post, shown

HERE = Path(__file__).parent
POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
INSIDE = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox"
SAFE = re.compile(r"[^A-Za-z0-9._-]")


class MailSandbox:
    """ASGI. `prefix` is the path it is mounted at; the key lives as long as the process."""

    def __init__(self, post: Post, *, prefix: str = "") -> None:
        self.post = post
        self._prefix = prefix
        self._key = secrets.token_urlsafe(24)
        self._templates = Environment(loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined)
        self._app = Starlette(
            routes=[
                Route("/", self._list),
                Route("/mail.css", self._style),
                Route("/{number:int}", self._letter),
                Route("/{number:int}/html", self._html),
                Route("/{number:int}/file/{at:int}", self._file),
                Route("/{number:int}/answer", self._answer, methods=["POST"]),
            ]
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)

    def _page(self, name: str, status: int = 200, **context: object) -> Response:
        body = self._templates.get_template(name).render(prefix=self._prefix, key=self._key, **context)
        headers = {"content-security-policy": POLICY, "cache-control": "no-store", "referrer-policy": "no-referrer"}
        return Response(body, status_code=status, media_type="text/html; charset=utf-8", headers=headers)

    async def _style(self, request: Request) -> Response:
        return Response((HERE / "static" / "mail.css").read_bytes(), media_type="text/css", headers={"cache-control": "no-cache"})

    async def _list(self, request: Request) -> Response:
        to = request.query_params.get("to", "")
        letters = [shown(one) for one in reversed(self.post.letters) if not to or one.recipient == to]
        people = sorted({one.recipient for one in self.post.letters})
        return self._page("list.html", letters=letters, people=people, to=to)

    async def _letter(self, request: Request, *, told: str = "", status: int = 200) -> Response:
        kept = self.post.find(request.path_params["number"])
        if kept is None:
            return Response("There is no such letter any more.", status_code=404, media_type="text/plain")
        return self._page("letter.html", status, one=shown(kept), told=told or SAID.get(request.query_params.get("done", ""), ""))

    async def _html(self, request: Request) -> Response:
        kept = self.post.find(request.path_params["number"])
        body = kept.message.get_body(preferencelist=("html",)) if kept is not None else None
        if body is None:
            return Response(status_code=404)
        headers = {"content-security-policy": INSIDE, "cache-control": "no-store", "x-content-type-options": "nosniff"}
        return Response(str(body.get_content()), media_type="text/html; charset=utf-8", headers=headers)

    async def _file(self, request: Request) -> Response:
        kept = self.post.find(request.path_params["number"])
        parts = list(kept.message.iter_attachments()) if kept is not None else []
        at = request.path_params["at"]
        if at >= len(parts):
            return Response(status_code=404)
        name = SAFE.sub("_", parts[at].get_filename() or "file")
        data = parts[at].get_payload(decode=True)
        headers = {
            "content-disposition": f'attachment; filename="{name}"',
            "x-content-type-options": "nosniff",
            "content-security-policy": "default-src 'none'; sandbox",
            "cache-control": "no-store",
        }
        return Response(data if isinstance(data, bytes) else b"", media_type="application/octet-stream", headers=headers)

    async def _answer(self, request: Request) -> Response:
        number = request.path_params["number"]
        async with request.form() as form:
            key, text, sender = (str(form.get(name, "")) for name in ("key", "text", "sender"))
        if not hmac.compare_digest(key.encode(), self._key.encode()):
            return Response(status_code=403)
        if not text.strip():
            return await self._letter(request, told="Please write a few words.", status=422)
        try:
            said = await self.post.answer(number, text[:5000], sender=sender.strip()[:200])
        except KeyError:
            return Response("There is no such letter any more.", status_code=404, media_type="text/plain")
        except (httpx.HTTPError, ValueError) as error:
            return await self._letter(request, told=f"The answer could not be sent: {type(error).__name__}.", status=502)
        if not said.startswith("200"):
            return await self._letter(request, told=f"The house did not take it: {said}", status=502)
        return RedirectResponse(f"{self._prefix}/{number}?done=sent", status_code=303)


SAID = {"sent": "Your answer is on its way. What comes back is in the list."}
