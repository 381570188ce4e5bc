"""The payment sandbox on a real port of this machine, for tests that speak to it through Stripe's own client."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from channels.sandbox.payments.app import EVENTS, Sandbox, create_sandbox
from channels.sandbox.payments.keys import LocalSecrets
from core.payments.gateway import OrderLine, PaymentOrder
from core.payments.stripe_connect import StripeGateway

SECRETS = LocalSecrets("sk_test_local_tests", "whsec_local_tests")


class TickingClock:
    """The real time, moved: Stripe's library checks signatures against the real one."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def forward(self, **by: float) -> None:
        self.ahead += timedelta(**by)


@contextmanager
def serving(app: Any, listener: socket.socket) -> Iterator[None]:
    """An ASGI app on a socket that is open already, in a thread of its own."""
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off", ws="none", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.001)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()


def open_socket() -> socket.socket:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(64)
    return listener


@dataclass
class Bench:
    """A running sandbox, its clock and an HTTP client in the traveler's place."""

    url: str
    sandbox: Sandbox
    clock: TickingClock
    browser: httpx.Client
    gateways: list[StripeGateway]

    def gateway(self, *, timeout: float = 10.0, key: str = SECRETS.api_key, app: str = "traveloure") -> StripeGateway:
        made = StripeGateway(secret_key=key, webhook_secrets=SECRETS.webhook_secret, api_base=self.url, timeout=timeout, app=app, retries=0)
        self.gateways.append(made)
        return made

    def ask(self, method: str, path: str, *, key: str | None = None, api_key: str = SECRETS.api_key, **params: str) -> httpx.Response:
        """A bare request, for what the client library would never send."""
        headers = {"Authorization": f"Bearer {api_key}"} | ({"Idempotency-Key": key} if key else {})
        if method == "GET":
            return self.browser.get(f"{self.url}{path}", params=params, headers=headers)
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        return self.browser.post(f"{self.url}{path}", content=urlencode(params), headers=headers)

    def press(self, url: str, **fields: str) -> httpx.Response:
        return self.browser.post(url, data=fields)

    def order(self, payment_id: str = "p1", *lines: OrderLine, currency: str = "EUR", minutes: float = 31, **more: Any) -> PaymentOrder:
        return PaymentOrder(
            payment_id=payment_id,
            currency=currency,
            lines=lines or (OrderLine("Kayak tour, 2 people", 2, 6000),),
            success_url="http://127.0.0.1:1/pay/done?s={CHECKOUT_SESSION_ID}",
            cancel_url="http://127.0.0.1:1/pay/back",
            expires_at=self.clock() + timedelta(minutes=minutes),
            metadata={"payment": payment_id, "app": "traveloure"},
            **more,
        )


@contextmanager
def sandbox_at(
    path: Path, *, clock: TickingClock | None = None, webhook_urls: Sequence[str] = (), events: Sequence[str] = EVENTS, control: bool = True
) -> Iterator[Bench]:
    """A sandbox over this file until the block ends; enter it again for a restart."""
    clock = clock or TickingClock()
    listener = open_socket()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/stripe-local"
    sandbox = create_sandbox(path, secrets=SECRETS, public_url=url, webhook_urls=webhook_urls, clock=clock, events=events, control=control)
    app = Starlette(routes=[Mount("/stripe-local", app=sandbox)])
    with serving(app, listener), httpx.Client(trust_env=False, timeout=30) as browser:
        bench = Bench(url, sandbox, clock, browser, [])
        yield bench
        for gateway in bench.gateways:
            gateway.close()
    sandbox.close()
