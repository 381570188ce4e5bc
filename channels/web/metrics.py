"""What a Prometheus server asks for at /metrics: how requests went in this process, and how much waits in the house.

Closed unless METRICS_TOKEN is set, and then open to whoever sends it as a bearer token. Labels are names from the code
(route patterns, states, job kinds), never ids or anything a person wrote.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterator, Mapping
from typing import Annotated

from fastapi import APIRouter, Header
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from sqlalchemy import Table, func, select
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, unbind_contextvars

from channels.house import House
from core.engine import Engine
from core.errors import NotFound
from core.schema import booking, handoff, hold, inbound, job, outbound, payment, turn

TEXT = "text/plain; version=0.0.4; charset=utf-8"
Known = tuple[str, Table, tuple[str, ...], tuple[str, ...]]
WAITING: Mapping[str, Known] = {  # name: what it says, table, the columns it is split by, the states that are over and not counted
    "jobs": ("Jobs by kind and state.", job, ("kind", "state"), ()),
    "outbound_messages": (
        "Messages to people that are not sent yet, or need somebody.",
        outbound,
        ("channel", "state"),
        ("sent", "caught", "dropped"),
    ),
    "inbound_events": ("Events of messengers that are not worked yet, or need somebody.", inbound, ("channel", "state"), ("done",)),
    "handoffs": ("Conversations that wait for or are with a person.", handoff, ("status",), ("closed", "abandoned")),
    "turns": ("Answers being made, or given up.", turn, ("status",), ("done",)),
    "bookings": ("Bookings by status.", booking, ("status",), ()),
    "payments": ("Payments by status.", payment, ("status", "currency"), ()),
    "holds": ("Holds by status.", hold, ("status",), ("released", "expired")),
}


class Gauges:
    """Counts read from the database when they are asked for, so that every process tells the same."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def collect(self) -> Iterator[Metric]:
        now = self._engine.clock()
        with self._engine.db.read() as tx:
            for name, (said, table, split, over) in WAITING.items():
                gauge = GaugeMetricFamily(f"traveloure_{name}", said, labels=split)
                columns = [table.c[column] for column in split]
                query = select(*columns, func.count()).group_by(*columns)
                state = next(column for column in columns if column.name in ("state", "status"))
                for *labels, count in tx.execute(query.where(state.not_in(over)) if over else query):
                    gauge.add_metric([str(label) for label in labels], count)
                yield gauge
            oldest = tx.execute(select(func.min(job.c.run_at)).where(job.c.state == "ready")).scalar_one()
        late = GaugeMetricFamily("traveloure_jobs_late_seconds", "How long the job that is due the longest has waited.")
        late.add_metric([], max(0.0, (now - oldest).total_seconds()) if oldest is not None else 0.0)
        yield late


class Meter:
    """Counts requests and how long until their answer began (a stream counts when it starts), and gives each an id for the log."""

    def __init__(self, app: ASGIApp, registry: CollectorRegistry) -> None:
        self.app = app
        self._count = Counter("traveloure_http_requests", "Requests answered.", ("method", "route", "status"), registry=registry)
        self._took = Histogram("traveloure_http_seconds", "Seconds until an answer began.", ("method", "route"), registry=registry)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        bind_contextvars(request_id=request_id)  # every line this request writes into the log carries it

        async def metered(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path", "other")
                method = scope["method"] if scope["method"] in METHODS else "other"
                self._count.labels(method, route, str(message["status"])).inc()
                self._took.labels(method, route).observe(time.perf_counter() - began)
                MutableHeaders(scope=message)["x-request-id"] = request_id
            await send(message)

        try:
            await self.app(scope, receive, metered)
        finally:
            unbind_contextvars("request_id")


REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def router(house: House, registry: CollectorRegistry) -> APIRouter:
    api = APIRouter()
    token = house.settings.metrics_token
    registry.register(Gauges(house.engine))

    @api.get("/metrics")
    def metrics(authorization: Annotated[str, Header()] = "") -> Response:
        """Raises NotFound for whoever does not have the token, as if nothing were here."""
        given = authorization.removeprefix("Bearer ").strip().encode()
        if token is None or not secrets.compare_digest(given, token.get_secret_value().encode()):
            raise NotFound("There is no such page.")
        return Response(generate_latest(registry), media_type=TEXT)

    return api
