"""The payment sandbox as one ASGI app: mount it, run its courier beside it, close it at the end.

Its work runs in threads of its own. The house's threads may all be waiting for an answer of the sandbox in the same process,
so it never borrows one of theirs.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from channels.sandbox.payments import checkout, intents
from channels.sandbox.payments.account_pages import AccountPages
from channels.sandbox.payments.acts import Act, Endpoint
from channels.sandbox.payments.api import Question, answer
from channels.sandbox.payments.keys import LocalSecrets, check_safe
from channels.sandbox.payments.pages import CSS, Page, Pages, origin_of
from channels.sandbox.payments.store import Store
from channels.sandbox.payments.webhooks import Courier, Weather

EVENTS = (  # what a platform endpoint of ours should be subscribed to, at Stripe as well
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "checkout.session.expired",
    "payment_intent.payment_failed",
    "payment_intent.canceled",
    "charge.refunded",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
    "charge.dispute.closed",
    "v2.core.account[configuration.recipient].capability_status_updated",
    "v2.core.account[requirements].updated",
)
LARGEST_BODY = 1_000_000
Result = TypeVar("Result")


@dataclass(slots=True)
class Faults:
    """What the next API calls suffer: `how` is error (500, nothing done), lost (done, but the answer is lost) or hang (done, late)."""

    calls: int = 0
    how: str = "error"
    seconds: float = 0.0

    def strike(self) -> str:
        if self.calls <= 0:
            return ""
        self.calls -= 1
        return self.how


def create_sandbox(
    path: Path,
    *,
    secrets: LocalSecrets,
    public_url: str,
    webhook_urls: Sequence[str],
    clock: Callable[[], datetime],
    host: str = "127.0.0.1",
    configured_key: str | None = None,
    allow_public: bool = False,
    events: Sequence[str] = EVENTS,
    control: bool = False,
    shop: str = "Traveloure",
) -> Sandbox:
    """A sandbox over the SQLite file `path`.

    `public_url` is where travelers reach it (http://127.0.0.1:8000/stripe-local); its path is where it is mounted.
    `webhook_urls` get every event in `events` ("*" for all), signed with the secrets' webhook secret. `host` is what the
    server listens on and `configured_key` the Stripe key of the settings: raises keys.Unsafe for a live key, and for a host
    that others can reach unless `allow_public`. `control` opens POST /_control for faults.
    """
    check_safe(host=host, configured_key=configured_key, allow_public=allow_public)
    endpoints = [Endpoint(url, tuple(events)) for url in webhook_urls]
    return Sandbox(
        Store(path), secrets=secrets, public_url=public_url.rstrip("/"), endpoints=endpoints, clock=clock, control=control, shop=shop
    )


class Sandbox:
    """ASGI. `await run()` delivers webhooks until it is cancelled; `close()` ends the threads and the file."""

    def __init__(
        self,
        store: Store,
        *,
        secrets: LocalSecrets,
        public_url: str,
        endpoints: Sequence[Endpoint],
        clock: Callable[[], datetime],
        control: bool,
        shop: str,
    ) -> None:
        self.api_base = public_url
        self.faults = Faults()
        self.weather = Weather()
        self._store = store
        self._api_key = secrets.api_key
        self._endpoints = endpoints
        self._clock = clock
        self._pool = ThreadPoolExecutor(max_workers=2, thread_name_prefix="payment-sandbox")
        self._accounts = AccountPages(prefix=urlsplit(public_url).path, shop=shop)
        self._pages = Pages(prefix=urlsplit(public_url).path, shop=shop)
        self.courier = Courier(store, self._pool, secret=secrets.webhook_secret, clock=self._now, weather=self.weather)
        routes = [
            Route("/", self._home),
            Route("/static/pay.css", self._css),
            Route("/pay/{session}", self._pay, methods=["GET", "POST"]),
            Route("/pay/{session}/confirm", self._confirm, methods=["GET", "POST"]),
            Route("/onboard/{token}", self._onboard, methods=["GET", "POST"]),
            Route("/dashboard", self._dashboard, methods=["GET", "POST"]),
        ]
        if control:
            routes.append(Route("/_control", self._control, methods=["POST"]))
        routes.append(Route("/{rest:path}", self._api, methods=["GET", "POST", "DELETE", "PUT", "PATCH"]))
        self._app = Starlette(routes=routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)

    async def run(self) -> None:
        """Deliver events and close overdue sessions until cancelled; start it as a task in the house's lifespan."""
        await self.courier.run(before=self.close_overdue)

    def close_overdue(self) -> None:
        if self._store.overdue(int(self._now())) or self._store.uncaptured(int(self._now())):
            self._act(checkout.expire_overdue)

    def close(self) -> None:
        self._pool.shutdown()
        self._store.close()

    # one act

    def _now(self) -> float:
        return self._clock().timestamp()

    def _act(self, do: Callable[[Act], Result]) -> Result:
        """One transaction: overdue sessions and reservations are ended first, so nobody ever meets one that is still open."""
        act = Act(self._store, self._now(), self.api_base, self._endpoints)
        with self._store.transaction():
            checkout.expire_overdue(act)
            intents.let_go_of_overdue(act)
            result = do(act)
        if act.announced:
            self.courier.wake()
        return result

    async def _off_loop(self, do: Callable[[Act], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._act, do)

    # the API

    async def _api(self, request: Request) -> Response:
        body = await request.body()
        if len(body) > LARGEST_BODY:
            return JSONResponse({"error": {"type": "invalid_request_error", "message": "The request is too large."}}, status_code=413)
        strike = self.faults.strike()
        if strike == "error":
            return JSONResponse({"error": {"type": "api_error", "message": "A fault was asked for."}}, status_code=500)
        headers = {name.lower(): value for name, value in request.headers.items()}
        question = Question(request.method, f"/{request.path_params['rest']}", request.url.query, body, headers)
        reply = await self._off_loop(lambda act: answer(act, question, self._api_key))
        if strike == "lost":
            return Response("the answer was lost on the way", status_code=502)
        if strike == "hang":
            await asyncio.sleep(self.faults.seconds)
        return Response(reply.body, status_code=reply.status, headers=dict(reply.headers), media_type="application/json")

    async def _control(self, request: Request) -> Response:
        """{"calls": 2, "how": "error|lost|hang", "seconds": 1, "drop": 1, "copies": 2, "delay": 5}; every field may be left out."""
        if request.headers.get("authorization") != f"Bearer {self._api_key}":
            return JSONResponse({"error": "the sandbox's key is missing"}, status_code=401)
        try:
            given = json.loads(await request.body())
            unknown = set(given) - {"calls", "how", "seconds", "drop", "copies", "delay"}
            if unknown or given.get("how", "error") not in ("error", "lost", "hang"):
                raise ValueError(f"not understood: {sorted(unknown) or given['how']}")
            self.faults.calls = int(given.get("calls", self.faults.calls))
            self.faults.how = str(given.get("how", self.faults.how))
            self.faults.seconds = float(given.get("seconds", self.faults.seconds))
            self.weather.drop = int(given.get("drop", self.weather.drop))
            self.weather.copies = int(given.get("copies", self.weather.copies))
            self.weather.delay = float(given.get("delay", self.weather.delay))
        except (ValueError, TypeError) as error:
            return JSONResponse({"error": str(error)}, status_code=400)
        return JSONResponse({"ok": True})

    # the pages

    async def _home(self, request: Request) -> Response:
        return _respond(self._pages.home())

    async def _css(self, request: Request) -> Response:
        return Response(CSS, media_type="text/css", headers={"Cache-Control": "max-age=300", "X-Content-Type-Options": "nosniff"})

    async def _pay(self, request: Request) -> Response:
        session = request.path_params["session"]
        body = await request.body()
        if len(body) > 10_000:
            return Response(status_code=413)
        if request.method == "POST":
            return _respond(await self._off_loop(lambda act: self._pages.submit(act, session, body)))
        return _respond(await self._off_loop(lambda act: self._pages.show(act, session)))

    async def _onboard(self, request: Request) -> Response:
        token = request.path_params["token"]
        body = await request.body()
        if len(body) > 10_000:
            return Response(status_code=413)
        if request.method == "POST":
            if _from_elsewhere(request):
                return Response("Only this page may do that.", status_code=403)
            return _respond(await self._off_loop(lambda act: self._accounts.submit(act, token, body)))
        return _respond(await self._off_loop(lambda act: self._accounts.show(act, token)))

    async def _dashboard(self, request: Request) -> Response:
        body = await request.body()
        if len(body) > 10_000:
            return Response(status_code=413)
        if request.method == "POST":
            if _from_elsewhere(request):
                return Response("Only this page may do that.", status_code=403)
            return _respond(await self._off_loop(lambda act: self._accounts.act(act, body)))
        return _respond(await self._off_loop(self._accounts.dashboard))

    async def _confirm(self, request: Request) -> Response:
        session = request.path_params["session"]
        body = await request.body()
        if len(body) > 10_000:
            return Response(status_code=413)
        if request.method == "POST":
            return _respond(await self._off_loop(lambda act: self._pages.submit_confirm(act, session, body)))
        return _respond(await self._off_loop(lambda act: self._pages.show_confirm(act, session)))


def _from_elsewhere(request: Request) -> bool:
    """A form of another site, as browsers tell it; nobody else is kept out by this. Our own pages send no referrer, so "null"."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = request.headers.get("origin")
    return origin not in (None, "null") and urlsplit(str(origin)).netloc != request.headers.get("host")


def _respond(page: Page) -> Response:
    """Chromium holds `form-action` against the redirect after a form as well, so the shop's own address is in it."""
    targets = " ".join(["'self'", *sorted({origin_of(url) for url in page.form_targets})])
    headers = {
        "Content-Security-Policy": f"default-src 'none'; style-src 'self'; form-action {targets}; base-uri 'none'; frame-ancestors 'none'",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
    if page.to:
        return Response(status_code=page.status, headers={**headers, "Location": page.to})
    return Response(page.html, status_code=page.status, headers=headers, media_type="text/html; charset=utf-8")
