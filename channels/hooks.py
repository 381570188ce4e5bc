"""Posting webhooks: to any address people gave, so nothing private is ever reached; redirects are not followed."""

from __future__ import annotations

import http.client
import ssl
import time
from urllib.parse import quote, urlsplit

import structlog

from channels.calendars import AS_IT_IS, Lookup, Unreachable, connect, look_up
from core import hooks
from core.engine import Engine
from core.hooks import Errand

log = structlog.get_logger()

SECONDS = 15.0  # for one try, the answer included
AGENT = "Traveloure webhooks"


def post(engine: Engine, delivery_id: str, *, lookup: Lookup = look_up) -> None:
    """The job: one try of one message. What goes wrong is written down, and tried again by its own plan."""
    errand = hooks.errand(engine, delivery_id)
    if errand is None:
        return
    try:
        status = send(errand, local=engine.rules.local_hooks, lookup=lookup)
    except Unreachable:
        hooks.failed(engine, delivery_id, "It is at a private address, where nothing is sent.")
        return
    except (OSError, http.client.HTTPException, ValueError) as error:
        hooks.failed(engine, delivery_id, _why(error))
        return
    if 200 <= status < 300:
        hooks.arrived(engine, delivery_id, status)
    else:
        log.info("webhook_refused", delivery=delivery_id, status=status)
        hooks.failed(engine, delivery_id, f"It answered with {status}.", status)


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return "Its connection is not secure."
    return "It did not answer in time." if isinstance(error, TimeoutError) else "It could not be reached."


def send(errand: Errand, *, local: bool, lookup: Lookup) -> int:
    """One POST; the status of the answer, whose body is not read. Raises Unreachable, OSError, HTTPException, ValueError."""
    parts = urlsplit(errand.url)
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    connection = connect(parts.hostname or "", port, secure, local, lookup, time.monotonic() + SECONDS)
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {"User-Agent": AGENT, "Content-Type": "application/json", **errand.headers}
        connection.request("POST", quote(path, safe=AS_IT_IS), body=errand.body, headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()
