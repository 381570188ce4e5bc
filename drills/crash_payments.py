"""Kill the process at every step between a traveler's yes and their money, start it again, and look whether anything was lost.

Each run is a real process (the house: database, adapter, jobs, webhook endpoint) and another real process (the payment
sandbox), forked with everything loaded. The house ends itself with os._exit at the k-th checkpoint: before and after every
call to the gateway, every commit and every act of the traveler. Then it is started again, finishes the scenario, and the
invariants are checked against what the sandbox holds. The end must be the same as without a crash. Further runs kill the
sandbox instead, and either of them with SIGKILL at a random moment.

Then the same with mistakes planted in the core, which the drill must notice. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import random
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, Literal

sys.path.insert(0, str(Path(__file__).parents[1]))

import httpx
import stripe
import uvicorn
from sqlalchemy import Connection, delete, select, update
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from channels.sandbox.payments import connect, gate, shapes, webhooks
from channels.sandbox.payments.acts import Act
from channels.sandbox.payments.app import create_sandbox
from channels.sandbox.payments.keys import LocalSecrets
from core import alterations, bookings, cancellations, changes, jobs, money, offers, requests
from core.db import Database
from core.engine import Actor, Engine
from core.errors import CoreError, Refused
from core.migrate import upgrade
from core.payments import authorise, balances, captures, collect, disputes, inbox, ledger, payees, payouts, reconcile, schedule
from core.payments.gateway import (
    FetchedAccount,
    FetchedDispute,
    FetchedPayment,
    GatewayEvent,
    GatewayRefused,
    GatewayUnknown,
    Moved,
    Movement,
    PayeeOrder,
    PaymentLink,
    PaymentOrder,
    Refunded,
    TransferOrder,
)
from core.payments.stripe_connect import StripeGateway
from core.schema import booking, booking_change, booking_request, dispute, job, payment, proposal, provider, refund, share, webhook_event
from core.settings import Rules
from tests import builders
from tests.jobs import work
from tests.money import Captured, Disputed, Sent, violations

SECRETS = LocalSecrets("sk_test_local_drill", "whsec_local_drill")
CRASHED = 77
SHARED = multiprocessing.get_context("fork")


class Ahead:
    """Seconds that the clock of each side is ahead of the real one, shared by all processes of one run."""

    house = SHARED.Value("d", 0.0)
    sandbox = SHARED.Value("d", 0.0)

    @classmethod
    def renew(cls) -> None:
        cls.house, cls.sandbox = SHARED.Value("d", 0.0), SHARED.Value("d", 0.0)


def house_clock() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=Ahead.house.value)


def sandbox_clock() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=Ahead.sandbox.value)


def forward(seconds: float) -> None:
    Ahead.house.value += seconds
    Ahead.sandbox.value += seconds


# ── checkpoints ───────────────────────────────────────────────────────────────────────────────────


class Checkpoints:
    """Counts, and at the k-th one ends this process (or kills the sandbox) as a power cut would."""

    def __init__(self, at: int | None, victim: int | None) -> None:
        self.count = 0
        self.names: list[str] = []
        self._at = at
        self._victim = victim

    def __call__(self, name: str) -> None:
        here = self.count
        self.count += 1
        self.names.append(name)
        if here != self._at:
            return
        if self._victim is None:
            os._exit(CRASHED)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._victim, signal.SIGKILL)


class Watched(Database):
    """A database with a checkpoint after every commit that changed something (just before it is the same as after the last)."""

    def __init__(self, url: str, point: Checkpoints) -> None:
        super().__init__(url)
        self._point = point

    @contextmanager
    def write(self) -> Iterator[Connection]:
        with super().write() as tx:
            before = _changes(tx)
            yield tx
            changed = _changes(tx) - before
        if changed:
            self._point("after commit")


def _changes(tx: Connection) -> int:
    count: int = tx.connection.driver_connection.total_changes  # type: ignore[union-attr]
    return count


class WatchedGateway:
    """The real adapter with a checkpoint on either side of every call."""

    def __init__(self, inner: StripeGateway, point: Checkpoints) -> None:
        self.inner = inner
        self._point = point

    def _around(self, name: str, call: Callable[[], Any]) -> Any:
        self._point(f"before {name}")
        answer = call()
        self._point(f"after {name}")
        return answer

    def payment_link(self, order: PaymentOrder, *, key: str) -> PaymentLink:
        link: PaymentLink = self._around("link", lambda: self.inner.payment_link(order, key=key))
        return link

    def fetch_payment(self, session_id: str) -> FetchedPayment:
        fetched: FetchedPayment = self._around("fetch", lambda: self.inner.fetch_payment(session_id))
        return fetched

    def expire_link(self, session_id: str) -> FetchedPayment:
        fetched: FetchedPayment = self._around("expire", lambda: self.inner.expire_link(session_id))
        return fetched

    def capture(self, session_id: str, *, key: str) -> FetchedPayment:
        fetched: FetchedPayment = self._around("capture", lambda: self.inner.capture(session_id, key=key))
        return fetched

    def release(self, session_id: str, *, key: str) -> FetchedPayment:
        fetched: FetchedPayment = self._around("release", lambda: self.inner.release(session_id, key=key))
        return fetched

    def refund(self, charge_id: str, amount: int, currency: str, *, key: str, metadata: Mapping[str, str]) -> Refunded:
        done: Refunded = self._around("refund", lambda: self.inner.refund(charge_id, amount, currency, key=key, metadata=metadata))
        return done

    def refund_has_failed(self, refund_id: str) -> bool:
        return bool(self._around("refund state", lambda: self.inner.refund_has_failed(refund_id)))

    def create_account(self, order: PayeeOrder, *, key: str) -> str:
        return str(self._around("account", lambda: self.inner.create_account(order, key=key)))

    def onboarding_link(self, account_id: str, *, return_url: str, refresh_url: str) -> str:
        return self.inner.onboarding_link(account_id, return_url=return_url, refresh_url=refresh_url)

    def fetch_account(self, account_id: str) -> FetchedAccount:
        fetched: FetchedAccount = self._around("fetch account", lambda: self.inner.fetch_account(account_id))
        return fetched

    def transfer(self, order: TransferOrder, *, key: str, metadata: Mapping[str, str]) -> Moved:
        moved: Moved = self._around("transfer", lambda: self.inner.transfer(order, key=key, metadata=metadata))
        return moved

    def reverse(self, transfer_id: str, amount: int, *, key: str, metadata: Mapping[str, str]) -> Moved:
        moved: Moved = self._around("reversal", lambda: self.inner.reverse(transfer_id, amount, key=key, metadata=metadata))
        return moved

    def fetch_dispute(self, dispute_id: str) -> FetchedDispute:
        fetched: FetchedDispute = self._around("fetch dispute", lambda: self.inner.fetch_dispute(dispute_id))
        return fetched

    def submit_evidence(self, dispute_id: str, evidence: Mapping[str, str], *, key: str) -> FetchedDispute:
        fetched: FetchedDispute = self._around("evidence", lambda: self.inner.submit_evidence(dispute_id, evidence, key=key))
        return fetched

    def find(self, kind: Literal["refund", "transfer", "reversal"], of: str, key: str) -> Moved | None:
        found: Moved | None = self._around("find", lambda: self.inner.find(kind, of, key))
        return found

    def disputes(self, since: datetime) -> Iterator[FetchedDispute]:
        return self.inner.disputes(since)

    def failed_refunds(self, since: datetime) -> Iterator[str]:
        return self.inner.failed_refunds(since)

    def movements(self, since: datetime) -> Iterator[Movement]:
        return self.inner.movements(since)

    def read_event(self, body: bytes, signature: str) -> GatewayEvent:
        return self.inner.read_event(body, signature)

    def close(self) -> None:
        self.inner.close()


# ── the sandbox's process ─────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Site:
    """Where one run lives."""

    folder: Path
    sandbox_port: int
    house_port: int

    @property
    def sandbox_url(self) -> str:
        return f"http://127.0.0.1:{self.sandbox_port}/stripe-local"

    @property
    def webhook_url(self) -> str:
        return f"http://127.0.0.1:{self.house_port}/webhooks/stripe"


def serve_sandbox(site: Site) -> None:
    """The payment sandbox over the run's own file, with a back door that plays fate."""
    sandbox = create_sandbox(
        site.folder / "sandbox.db",
        secrets=SECRETS,
        public_url=site.sandbox_url,
        webhook_urls=[site.webhook_url],
        clock=sandbox_clock,
        events=("*",),
    )
    store = sandbox._store

    async def deliver(request: Request) -> Response:
        return JSONResponse(await sandbox.courier.deliver_due())

    async def lose(request: Request) -> Response:
        with store.transaction():
            store._db.execute("UPDATE delivery SET state = 'given_up' WHERE state = 'waiting'")
        return JSONResponse(True)

    async def change(request: Request) -> Response:
        """Give a session or charge other fields, as if somebody had tampered with it or disputed it."""
        given = await request.json()
        with store.transaction():
            body = store.get(given.pop("id"))
            store.put({**(body or {}), **given})
        return JSONResponse(True)

    async def weather(request: Request) -> Response:
        """The next `lost` API calls happen, and their answers get lost."""
        sandbox.faults.calls, sandbox.faults.how = (await request.json())["lost"], "lost"
        return JSONResponse(True)

    async def mix(request: Request) -> Response:
        """Every delivery that waits comes a second time, and all of them in another order."""
        dice = random.Random(7)
        with store.transaction():
            store._db.execute("INSERT INTO delivery (event, url, due) SELECT event, url, due FROM delivery WHERE state = 'waiting'")
            for (row,) in store._db.execute("SELECT id FROM delivery WHERE state = 'waiting'").fetchall():
                store._db.execute("UPDATE delivery SET due = due - ? WHERE id = ?", (dice.random() * 1000, row))
        return JSONResponse(True)

    async def play(request: Request) -> Response:
        """What banks and the gateway's own people do."""
        given = await request.json()
        what, id = given["what"], given["id"]
        acts: Mapping[str, Callable[[Act], object]] = {
            "account": lambda act: connect.set_state(act, id, given["state"]) if _account_state(act, id) != given["state"] else None,
            "payout": lambda act: connect.pay_out(act, id),
            "dispute": lambda act: connect.open_dispute(act, id),
            "close": lambda act: connect.close_dispute(act, id, won=given["won"]),
            "fail_refund": lambda act: connect.fail_refund(act, id),
        }
        sandbox._act(acts[what])
        return JSONResponse(True)

    async def state(request: Request) -> Response:
        sandbox.close_overdue()
        sessions = store.find("checkout.session", {}, {}, limit=1000)
        charges = [one for one in store.find("charge", {}, {}, limit=1000) if one["paid"] and one["captured"]]
        waits = [one["id"] for one in store.find("payment_intent", {}, {}, limit=1000) if one["status"] == "requires_capture"]
        of_intent = {one["payment_intent"]: one["id"] for one in sessions}
        return JSONResponse(
            {
                "captured": [
                    {
                        "charge": one["id"],
                        "session": of_intent[one["payment_intent"]],
                        "amount": one["amount_captured"],
                        "currency": one["currency"].upper(),
                        "refunded": one["amount_refunded"],
                    }
                    for one in charges
                ],
                "reserved": [one["client_reference_id"] for one in sessions if one["payment_intent"] in waits],
                "open": [[one["client_reference_id"], one["id"]] for one in sessions if one["status"] == "open"],
                "transfers": [
                    {
                        "id": one["id"],
                        "charge": one["source_transaction"],
                        "account": one["destination"],
                        "group": one["transfer_group"],
                        "share": one["metadata"].get("share", ""),
                        "amount": one["amount"],
                        "back": one["amount_reversed"],
                        "currency": one["currency"].upper(),
                        "at": one["created"],
                    }
                    for one in store.find("transfer", {}, {}, limit=1000)
                ],
                "disputes": [
                    {
                        "id": one["id"],
                        "charge": one["charge"],
                        "amount": one["amount"],
                        "currency": one["currency"].upper(),
                        "status": one["status"],
                        "withdrawn": sum(entry["amount"] for entry in one["balance_transactions"]) < 0,
                    }
                    for one in store.find("dispute", {}, {}, limit=1000)
                ],
                "refunds": [[one["id"], one["amount"], one["status"]] for one in store.find("refund", {}, {}, limit=1000)],
                "refused_transfers": store._db.execute(
                    "SELECT count(*) FROM replay WHERE status >= 400 AND body LIKE '%capabilities%'"
                ).fetchone()[0],
            }
        )

    fate = [
        Route("/deliver", deliver, methods=["POST"]),
        Route("/lose", lose, methods=["POST"]),
        Route("/change", change, methods=["POST"]),
        Route("/weather", weather, methods=["POST"]),
        Route("/mix", mix, methods=["POST"]),
        Route("/play", play, methods=["POST"]),
        Route("/state", state),
    ]
    app = Starlette(routes=[Mount("/fate", routes=fate), Mount("/stripe-local", app=sandbox)])
    uvicorn.Server(uvicorn.Config(app, port=site.sandbox_port, log_level="critical", lifespan="off", ws="none")).run()


def _account_state(act: Act, account_id: str) -> str:
    return connect.state_of(act.get("v2.core.account", account_id))


# ── the house's process ───────────────────────────────────────────────────────────────────────────


@dataclass
class World:
    """The house as one run knows it, and the traveler's hands."""

    site: Site
    engine: Engine
    point: Checkpoints
    http: httpx.Client
    terms: dict[str, Any]

    # what a traveler does

    @property
    def ana(self) -> Actor:
        return Actor(**self.terms["ana"])

    def who(self, name: str) -> Actor:
        return Actor(**self.terms[name])

    def confirm(self, who: str = "ana", method: str = "full") -> str:
        """The yes. Said again after a crash, it is the same yes."""
        done = bookings.commit_checkout(self.engine, self.who(who), self.terms[f"{who}_proposal"], method=method)
        payment_id: str = done["payments"][0]
        return payment_id

    def payment(self, who: str = "ana", *, kind: str = "") -> Any:
        """The last payment of this traveler, of this kind where one is named; None where there is none."""
        with self.engine.db.read() as tx:
            query = select(payment).where(payment.c.conversation_id == self.terms[who]["conversation_id"])
            if kind:
                query = query.where(payment.c.kind == kind)
            return tx.execute(query.order_by(payment.c.created_at.desc()).limit(1)).one_or_none()

    def press_pay(self, session_id: str) -> None:
        self.point("before pay")
        self.http.post(f"{self.site.sandbox_url}/pay/{session_id}", data={"tap": "success"})
        self.point("after pay")

    def bought_and_linked(self, who: str = "ana") -> Any:
        collect.ensure_link(self.engine, self.confirm(who))
        return self.payment(who)

    def buy(self, who: str, method: str = "full") -> Any:
        """Confirmed, linked, paid and known to us; the payment."""
        payment_id = self.confirm(who, method)
        return self.settle_payment(payment_id)

    def settle_payment(self, payment_id: str) -> Any:
        collect.ensure_link(self.engine, payment_id)
        with self.engine.db.read() as tx:
            row = collect.get(tx, payment_id)
        if row.status == "open":
            self.press_pay(row.session_id)
            collect.sync(self.engine, payment_id)
        with self.engine.db.read() as tx:
            return collect.get(tx, payment_id)

    def booking(self, product_id: str) -> Any:
        with self.engine.db.read() as tx:
            return tx.execute(select(booking).where(booking.c.product_id == product_id).order_by(booking.c.created_at)).first()

    def shares(self, party_id: str) -> list[Any]:
        with self.engine.db.read() as tx:
            return list(tx.execute(select(share).where(share.c.party_id == party_id).order_by(share.c.due_at, share.c.id)))

    def onboard(self, provider_id: str, state: str = "active", *, told: bool = True) -> str:
        """A provider with an account in this state at the gateway, of which we know."""
        actor = Actor("staff", role="provider", provider_ids=(provider_id,))
        account_id = str(payees.ensure(self.engine, actor, "provider", provider_id)["account"])
        self.fate("play", what="account", id=account_id, state=state)
        if told:
            payees.sync(self.engine, account_id)
        return account_id

    def onboard_expert(self) -> str:
        account_id = str(payees.ensure(self.engine, Actor("eva", role="expert"), "expert", "eva")["account"])
        self.fate("play", what="account", id=account_id, state="active")
        payees.sync(self.engine, account_id)
        return account_id

    def until(self, moment: datetime) -> None:
        """Time passes, on both sides, and not twice where a former life has lived through it."""
        seconds = (moment - self.engine.clock()).total_seconds()
        if seconds > 0:
            forward(seconds)

    def after_service(self, days: float = 3) -> None:
        self.until(datetime(2027, 3, 4, 12, tzinfo=UTC) + timedelta(days=days))

    def cancel(self, who: str, product_id: str) -> None:
        row = self.booking(product_id)
        if row.status == "CONFIRMED":
            shown = cancellations.propose(self.engine, self.who(who), row.id)
            cancellations.commit(self.engine, self.who(who), shown["proposal_id"])

    def dispute_of(self, charge: str) -> str:
        """The traveler's bank takes the charge back, once; what it is called."""
        found = [one["id"] for one in self.state()["disputes"] if one["charge"] == charge]
        if not found:
            self.fate("play", what="dispute", id=charge)
            found = [one["id"] for one in self.state()["disputes"] if one["charge"] == charge]
        return str(found[0])

    def ask_refund(self, amount: int, reason: str, who: str = "ana") -> None:
        """Asked once: the desk sees that it was decided already."""
        row = self.payment(who)
        with self.engine.db.write() as tx:
            asked = tx.execute(select(refund.c.id).where(refund.c.payment_id == row.id, refund.c.reason == reason)).first()
            if asked is None:
                collect.ask_refund(tx, row.id, amount, self.engine.clock(), booking_id=None, reason=reason)

    def lost(self, call: Callable[[], Any]) -> None:
        """Make a call whose answer gets lost, and wait a while."""
        self.fate("weather", lost=1)
        with contextlib.suppress(GatewayUnknown, GatewayRefused):
            call()
        self.fate("weather", lost=0)
        forward(3)

    def forget_wakeups(self) -> None:
        with self.engine.db.write() as tx:
            tx.execute(
                delete(job).where(job.c.kind.in_(("payment.link", "payment.deadline", "payment.close", "payment.capture", "webhook")))
            )
            tx.execute(delete(job).where(job.c.kind.in_(("payout.level", "balance.wake", inbox.LOOK))))

    # what fate does

    def fate(self, verb: str, **given: Any) -> Any:
        answer = self.http.post(f"http://127.0.0.1:{self.site.sandbox_port}/fate/{verb}", json=given)
        answer.raise_for_status()
        return answer.json()

    def state(self) -> Any:
        return self.http.get(f"http://127.0.0.1:{self.site.sandbox_port}/fate/state").json()

    def deliver(self) -> None:
        """Post what is due and do what follows from it, until nothing comes any more."""
        for _ in range(8):
            posted = self.fate("deliver")
            done = work(self.engine, rounds=6)
            if not posted and not done:
                return

    def settle(self) -> None:
        """Days pass: everything due is delivered, done and swept."""
        for _ in range(3):
            self.deliver()
            forward(25 * 60)
            self.sweep()
        forward(13 * 3600)  # whoever was refused is tried again within half a day
        self.deliver()

    def sweep(self) -> None:
        for look in (collect.sweep, captures.sweep, requests.sweep, balances.sweep, payouts.sweep, payees.sweep, inbox.wake):
            with contextlib.suppress(CoreError):
                look(self.engine)


def webhook_endpoint(site: Site, engine: Engine) -> HTTPServer:
    """POST /webhooks/stripe of the house, in a thread of its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            try:
                inbox.receive(engine, body, self.headers.get("stripe-signature", ""))
                status = 200
            except Refused:
                status = 400
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            return

    class Reusing(HTTPServer):
        allow_reuse_address = True

    server = Reusing(("127.0.0.1", site.house_port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def run_house(site: Site, plan: Plan, crash_at: int | None, victim: int | None) -> None:
    """One life of the house: take up what a former life left, play the scenario, settle, and write down what is wrong."""
    point = Checkpoints(crash_at, victim)
    if plan.mutant is not None:
        plan.mutant.plant()
    gateway = StripeGateway(
        secret_key=SECRETS.api_key, webhook_secrets=SECRETS.webhook_secret, api_base=site.sandbox_url, timeout=5, retries=0
    )
    database = Watched(f"sqlite:///{site.folder / 'house.db'}", point)
    engine = Engine(db=database, gateway=WatchedGateway(gateway, point), clock=house_clock)
    world = World(site, engine, point, httpx.Client(timeout=10, trust_env=False), json.loads((site.folder / "terms.json").read_text()))
    server = webhook_endpoint(site, engine)
    with database.write() as tx:
        jobs.reclaim(tx, engine.clock())
    wrong: list[str] = []
    try:
        world.fate("weather", lost=0)  # a former life may have ended before its answer was lost
        plan.scenario.play(world)
        wrong += unknown_pages(world)
        world.settle()
    except (CoreError, httpx.HTTPError) as error:  # the sandbox is gone for now: the next life goes on
        if victim is None and plan.final:
            wrong.append(f"the scenario could not be played to its end: {type(error).__name__}: {error}")
    if plan.final:
        wrong += check(world)
        late = site.folder / "late"
        wrong += [late.read_text()] if late.exists() else []
        report = {"wrong": wrong, "end": end_state(world), "points": point.names}
        (site.folder / "report.json").write_text(json.dumps(report))
    elif crash_at is not None:
        (site.folder / "points.json").write_text(json.dumps(point.names))
    server.server_close()


def unknown_pages(world: World) -> list[str]:
    """I8: whatever can be paid at the gateway is the one page we wait for."""
    with world.engine.db.read() as tx:
        ours = {row.session_id: row.status for row in tx.execute(select(payment.c.session_id, payment.c.status))}
    return [f"I8 a page of {ref} can be paid, and we do not wait for it" for ref, id in world.state()["open"] if ours.get(id) != "open"]


def check(world: World) -> list[str]:
    state = world.state()
    wrong = violations(
        world.engine.db,
        [Captured(**one) for one in state["captured"]],
        [tuple(one) for one in state["open"]],
        sent=[Sent(**one) for one in state["transfers"]],
        disputed=[Disputed(**one) for one in state["disputes"]],
        now=world.engine.clock(),
    )
    with world.engine.db.read() as tx:
        waiting = {row.id for row in tx.execute(select(payment.c.id).where(payment.c.status == "authorized"))}
    wrong += [f"I17 the card of {ref} is still reserved, and nobody waits for it" for ref in state["reserved"] if ref not in waiting]
    wrong += reconcile.differences(world.engine, world.engine.clock() - timedelta(days=300))["differences"]
    if state["refused_transfers"] and not (world.site.folder / "refusable").exists():
        wrong.append("I12 a transfer was asked for to an account that we knew could not receive")
    with world.engine.db.read() as tx:
        if tx.execute(select(webhook_event.c.id).where(webhook_event.c.id == "evt_forged")).first() is not None:
            wrong.append("a forged event was let in")
        before = sorted(tuple(map(str, row)) for row in tx.execute(select(webhook_event.c.id, webhook_event.c.state)))
    snapshot = builders.snapshot(world.engine.db)
    for event_id, _ in before:  # I9: every event once more, in any order
        with world.engine.db.write() as tx:
            tx.execute(update(webhook_event).where(webhook_event.c.id == event_id).values(state="new"))
        with contextlib.suppress(CoreError):
            inbox.work_event(world.engine, event_id)
    work(world.engine, ahead=timedelta(0))
    if builders.snapshot(world.engine.db) != snapshot:
        wrong.append("I9 replaying events has changed something")
    return wrong


def end_state(world: World) -> dict[str, Any]:
    """What a crash must not change, without ids and attempts."""
    state = world.state()
    with world.engine.db.read() as tx:
        balances: dict[str, int] = {}
        for (name, _), amount in ledger.balances(tx).items():
            short = name.split(":")[0]
            balances[short] = balances.get(short, 0) + amount
        return {
            "payments": sorted([row.status, row.amount, row.refunded] for row in tx.execute(select(payment))),
            "bookings": sorted([row.product_id, row.status, row.amount, sum(row.units.values())] for row in tx.execute(select(booking))),
            "refunds": sorted([row.amount, row.state] for row in tx.execute(select(refund))),
            "books": {name: amount for name, amount in sorted(balances.items()) if amount},
            "gateway": sorted([one["amount"], one["refunded"]] for one in state["captured"]),
            "accounts": sorted(_held_by(state).items()),
            "disputes": sorted([row.status, row.amount] for row in tx.execute(select(dispute))),
        }


def _held_by(state: Any) -> dict[str, int]:
    """{party's place in the order of accounts: what it was sent and not taken back}, without the ids."""
    held: dict[str, int] = {}
    for one in state["transfers"]:
        held[one["account"]] = held.get(one["account"], 0) + one["amount"] - one["back"]
    return {str(i): amount for i, amount in enumerate(sorted(held.values()))}


# ── scenarios: each may be played again from the start after a crash ──────────────────────────────


@dataclass(frozen=True, slots=True)
class Scenario:
    name: str
    play: Callable[[World], None]


def pay(world: World) -> None:
    row = world.bought_and_linked()
    if row.status == "open":
        world.press_pay(row.session_id)
    world.deliver()


def webhooks_lost(world: World) -> None:
    row = world.bought_and_linked()
    if row.status == "open":
        world.press_pay(row.session_id)
    world.fate("lose")
    forward(15)
    collect.sweep(world.engine)


def return_page(world: World) -> None:
    row = world.bought_and_linked()
    if row.status == "open":
        world.press_pay(row.session_id)
        collect.sync_session(world.engine, row.session_id)
        collect.sync(world.engine, row.id)


def refunds(world: World) -> None:
    return_page(world)
    for amount in (1000, 333, 1):
        world.ask_refund(amount, f"refund of {amount}")
    world.deliver()


def refund_twice(world: World) -> None:
    return_page(world)
    world.ask_refund(8000, "the first")
    work(world.engine)
    world.ask_refund(8000, "the second")


def refund_refused_for_a_while(world: World) -> None:
    return_page(world)
    charge = world.payment().charge_id
    with world.engine.db.read() as tx:
        sent = tx.execute(select(refund.c.id).where(refund.c.state == "sent")).first()
    world.fate("change", id=charge, disputed=sent is None)
    world.ask_refund(5000, "during a dispute")
    work(world.engine, rounds=2)
    world.fate("change", id=charge, disputed=False)


def closing_races_paying(world: World) -> None:
    """The page is paid in the moment we close it, and no event tells."""
    row = world.bought_and_linked()
    if row.status == "open":
        world.press_pay(row.session_id)
        collect.close_link(world.engine, row.id)
    world.fate("lose")


def answers_lost(world: World) -> None:
    """Every first answer gets lost, though the act was done; time passes before it is asked for again."""
    payment_id = world.confirm()
    if world.payment().status == "new":
        world.lost(lambda: collect.ensure_link(world.engine, payment_id))
    row = world.bought_and_linked()
    if row.status == "open":
        world.press_pay(row.session_id)
        world.lost(lambda: collect.sync(world.engine, row.id))
    collect.sync(world.engine, row.id)
    world.ask_refund(4000, "a change of plans")
    with world.engine.db.read() as tx:
        waiting = [one.id for one in tx.execute(select(refund.c.id).where(refund.c.state == "todo"))]
    for refund_id in waiting:
        world.lost(partial(collect.send_refund, world.engine, refund_id))
    world.deliver()


def wakeups_lost(world: World) -> None:
    """No event and no job survives; only looking at everything from time to time finds what happened."""
    world.confirm()
    world.forget_wakeups()
    forward(15)
    collect.sweep(world.engine)
    row = world.payment()
    if row.status == "open":
        world.press_pay(row.session_id)
    world.fate("lose")
    world.forget_wakeups()
    forward(15)
    collect.sweep(world.engine)
    world.fate("lose")


def unpaid(world: World) -> None:
    world.bought_and_linked()


def paid_too_late(world: World) -> None:
    """Our clock is ahead of the gateway's: the hold ran out and the places went to Ben while the page was still open."""
    row = world.bought_and_linked()
    if row.status == "open":
        Ahead.house.value = Ahead.sandbox.value + 40 * 60
    ben = world.confirm("ben")
    if world.payment().status == "open":
        world.press_pay(world.payment().session_id)
        collect.sync(world.engine, row.id)
    world.deliver()
    Ahead.house.value = Ahead.sandbox.value
    collect.ensure_link(world.engine, ben)


def another_amount(world: World) -> None:
    """The first page collected less than it should have; a second one collects the right amount."""
    row = world.bought_and_linked()
    if not world.state()["captured"]:
        world.fate("change", id=row.session_id, amount_total=777)
        world.press_pay(row.session_id)
    collect.sync(world.engine, row.id)
    work(world.engine)
    row = world.bought_and_linked()
    if row.status == "open" and row.attempt == 2:
        world.press_pay(row.session_id)
    world.deliver()


def second_page(world: World) -> None:
    """A page nobody remembers, of the same payment, is paid as well; only its event tells."""
    row = world.bought_and_linked()
    order = collect._order(row.id, row.frozen["order"])
    gateway = world.engine.gateway
    assert isinstance(gateway, WatchedGateway)
    extra = (
        gateway.inner.payment_link(replace(order, expires_at=sandbox_clock() + timedelta(minutes=40)), key=f"extra:{row.id}")
        if (len(world.state()["captured"]) < 2 and not (world.site.folder / "extra").exists())
        else None
    )
    if extra is not None:
        (world.site.folder / "extra").write_text(extra.session_id)
    if row.status == "open":
        world.press_pay(row.session_id)
    world.press_pay((world.site.folder / "extra").read_text())
    world.deliver()


def lying_events(world: World) -> None:
    """A signed event that says paid before anything was, and one that nobody signed."""
    row = world.bought_and_linked()
    said = {
        "id": row.session_id,
        "object": "checkout.session",
        "payment_status": "paid",
        "amount_total": 12000,
        "metadata": {"app": "traveloure"},
    }
    for event_id, secret in (("evt_liar", SECRETS.webhook_secret), ("evt_forged", "whsec_somebody")):
        event = {"id": event_id, "object": "event", "type": "checkout.session.completed", "livemode": False, "data": {"object": said}}
        body = json.dumps(event)
        signature = stripe.WebhookSignature.generate_signature_header(body, secret)
        world.http.post(world.site.webhook_url, content=body.encode(), headers={"Stripe-Signature": signature})
    work(world.engine)


# money in two parts, and changes


def deposit_and_balance(world: World) -> None:
    world.buy("cleo", "deposit")
    world.deliver()
    done = world.payment("cleo", kind="BALANCE")
    if done is None or done.status != "paid":
        rest = balances.pay(world.engine, world.who("cleo"), world.booking("sail").id)
        world.settle_payment(rest["payment_id"])
    world.deliver()


def balance_never_paid(world: World) -> None:
    """The deposit is paid, the reminders go out, and two days after it was due the booking ends."""
    world.buy("cleo", "deposit")
    row = world.booking("sail")
    for days in (-7, -1, 0, 3):
        world.until(row.balance_due_at + timedelta(days=days, minutes=1))
        world.deliver()


def balance_paid_while_cancelled(world: World) -> None:
    """The page for the rest is open; the booking is cancelled; the page is paid all the same."""
    world.buy("cleo", "deposit")
    if world.payment("cleo", kind="BALANCE") is None:
        balances.pay(world.engine, world.who("cleo"), world.booking("sail").id)
    rest = world.payment("cleo", kind="BALANCE")
    if rest.status == "new":
        collect.ensure_link(world.engine, rest.id)
        rest = world.payment("cleo", kind="BALANCE")
    world.cancel("cleo", "sail")
    if rest.status == "open":
        world.press_pay(rest.session_id)
    world.deliver()


def _change(world: World) -> Any:
    """Cleo wants a third place on the boat; the change that waits for its payment, or was ended."""
    with world.engine.db.read() as tx:
        found = tx.execute(select(booking_change)).first()
    if found is None:
        shown = changes.propose(world.engine, world.who("cleo"), world.booking("sail").id, units={"ADULT": 3})
        changes.commit(world.engine, world.who("cleo"), shown["proposal_id"])
        with world.engine.db.read() as tx:
            found = tx.execute(select(booking_change)).first()
    return found


def change_paid(world: World) -> None:
    world.buy("cleo")
    world.settle_payment(_change(world).payment_id)
    world.deliver()


def change_expired(world: World) -> None:
    world.buy("cleo")
    collect.ensure_link(world.engine, _change(world).payment_id)
    forward(10)


def change_paid_too_late(world: World) -> None:
    """Our clock is ahead: the change has ended with us while its page is still open at the gateway, and is paid."""
    world.buy("cleo")
    waiting = _change(world)
    collect.ensure_link(world.engine, waiting.payment_id)
    row = world.payment("cleo", kind="CHANGE")
    if row.status == "open":
        Ahead.house.value = Ahead.sandbox.value + 40 * 60
        with world.engine.db.write() as tx:
            alterations.give_up(tx, waiting.booking_id)
        world.press_pay(row.session_id)
        collect.sync(world.engine, row.id)
    Ahead.house.value = Ahead.sandbox.value
    world.deliver()


def offer_accepted(world: World) -> None:
    """A request is answered with another price; the traveler takes it and pays."""
    bookings.commit_checkout(world.engine, world.who("fred"), world.terms["fred_proposal"])
    tejo = Actor("staff", role="provider", provider_ids=("tejo",))
    with world.engine.db.read() as tx:
        asked = tx.execute(select(booking_request)).one()
    if asked.status == "open":
        offers.counter(world.engine, tejo, asked.id, amount=7007)
    with world.engine.db.read() as tx:
        waits = tx.execute(select(proposal).where(proposal.c.kind == offers.KIND, proposal.c.status == "live")).one_or_none()
    if waits is not None:
        offers.accept(world.engine, world.who("fred"), str(waits.terms["offer_id"]))
    work(world.engine)
    world.settle_payment(world.payment("fred").id)
    world.deliver()


def reserve_card(world: World) -> Any:
    """A request whose host asks for the card, and the card is given; the payment that reserves it."""
    with world.engine.db.write() as tx:
        tx.execute(update(provider).values(card_hold=True))
    bookings.commit_checkout(world.engine, world.who("fred"), world.terms["fred_proposal"])
    with world.engine.db.read() as tx:
        row = tx.execute(
            select(payment).where(payment.c.conversation_id == world.terms["fred"]["conversation_id"], payment.c.manual)
        ).first()
    return None if row is None else world.settle_payment(row.id)


def host_says(world: World, verdict: str) -> None:
    with world.engine.db.read() as tx:
        asked = tx.execute(select(booking_request)).one()
    if asked.status == "open":
        requests.decide(world.engine, Actor("staff", role="provider", provider_ids=("tejo",)), asked.id, verdict)


def card_charged(world: World) -> None:
    reserve_card(world)
    world.deliver()
    host_says(world, "approve")
    work(world.engine)
    world.deliver()


def card_charge_untold(world: World) -> None:
    """The yes is kept, the wake-up for the charge and every event get lost."""
    reserve_card(world)
    host_says(world, "approve")
    world.forget_wakeups()
    world.fate("lose")


def card_let_go(world: World) -> None:
    reserve_card(world)
    host_says(world, "decline")
    world.deliver()


def card_given_late(world: World) -> None:
    """The page is filled in just as the request ends."""
    with world.engine.db.write() as tx:
        tx.execute(update(provider).values(card_hold=True))
    bookings.commit_checkout(world.engine, world.who("fred"), world.terms["fred_proposal"])
    row = world.payment("fred")
    collect.ensure_link(world.engine, row.id)
    row = world.payment("fred")
    host_says(world, "decline")
    if row.session_id is not None and [row.id, row.session_id] in world.state()["open"]:
        world.press_pay(row.session_id)
    world.deliver()


def card_lapsed(world: World) -> None:
    """The bank lets go before the charge; the traveler pays by the link that follows."""
    reserve_card(world)
    host_says(world, "approve")
    with world.engine.db.read() as tx:
        held = tx.execute(select(payment).where(payment.c.status == "authorized")).first()
    if held is not None:
        world.until(held.capture_by + timedelta(minutes=1))
    work(world.engine)
    world.sweep()
    world.settle_payment(world.payment("fred").id)
    world.deliver()


# money out


def paid_out(world: World) -> None:
    """Three parties of one charge; one of them has no account yet when its money falls due."""
    world.onboard("sado")
    world.onboard_expert()
    world.buy("cleo")
    world.deliver()
    world.after_service()
    world.deliver()
    world.onboard("douro")
    world.deliver()


def woken_early(world: World) -> None:
    """Somebody looks at every share long before it is due; it is sent when it is due, and no sweep helps."""
    world.onboard("sado")
    world.buy("cleo")
    for one in world.shares("sado"):
        with world.engine.db.write() as tx:
            payouts.wake(tx, [one.id], world.engine.clock())
    work(world.engine, rounds=3)
    world.after_service()
    world.deliver()
    if not any(one.sent for one in world.shares("sado")):
        (world.site.folder / "late").write_text("a share that was woken early was not sent when it was due")


def refund_before_transfer(world: World) -> None:
    world.onboard("sado")
    world.buy("cleo")
    world.ask_refund(3000, "before", "cleo")
    world.deliver()
    world.after_service()
    world.deliver()


def refund_around_transfer(world: World) -> None:
    """A refund is decided while the transfer is on the wire, and another one after it."""
    world.onboard("sado")
    world.buy("cleo")
    world.after_service()
    (one,) = world.shares("sado")
    if one.pending is None and not one.sent:
        world.lost(lambda: payouts.level(world.engine, one.id))
    world.ask_refund(4001, "on the wire", "cleo")
    world.deliver()
    world.ask_refund(1000, "after it", "cleo")
    world.deliver()


def a_day_without_answer(world: World) -> None:
    """Transfer, claw-back and refund go through, their answers get lost, and we are asleep until the gateway forgot the keys."""
    world.onboard("sado")
    world.buy("cleo")
    world.after_service()
    (one,) = world.shares("sado")
    if one.pending is None and not one.sent:
        world.lost(lambda: payouts.level(world.engine, one.id))
        forward(30 * 3600)
    payouts.level(world.engine, one.id)
    world.ask_refund(2000, "a change of plans", "cleo")
    with world.engine.db.read() as tx:
        waiting = [row.id for row in tx.execute(select(refund.c.id).where(refund.c.state == "todo"))]
    for refund_id in waiting:
        world.lost(partial(collect.send_refund, world.engine, refund_id))
        forward(30 * 3600)
        collect.send_refund(world.engine, refund_id)
    (one,) = world.shares("sado")
    if one.pending is None and payouts.gap_of(one) < 0:
        world.lost(lambda: payouts.level(world.engine, one.id))
        forward(30 * 3600)
    world.deliver()


def account_disabled(world: World) -> None:
    """Disabled between charge and transfer, enabled a week after the money fell due."""
    account_id = world.onboard("sado")
    world.buy("cleo")
    if not (world.site.folder / "enabled").exists():
        world.fate("play", what="account", id=account_id, state="restricted")
        world.deliver()
        world.after_service()
        world.deliver()
    (world.site.folder / "enabled").touch()
    world.onboard("sado", told=False)
    world.deliver()


def account_disabled_untold(world: World) -> None:
    """The same, and every event about it is lost: the refusal tells, and a look at the account."""
    (world.site.folder / "refusable").touch()
    account_id = world.onboard("sado")
    world.buy("cleo")
    if not (world.site.folder / "enabled").exists():
        world.fate("play", what="account", id=account_id, state="restricted")
        world.fate("lose")
        world.after_service()
        work(world.engine)
    (world.site.folder / "enabled").touch()
    world.fate("play", what="account", id=account_id, state="active")
    world.fate("lose")
    world.sweep()


def debt_is_netted(world: World) -> None:
    """The provider spent what was sent: the claw-back is refused, the debt is set off against a second sale."""
    account_id = world.onboard("sado")
    world.buy("cleo")
    world.after_service()
    world.deliver()
    if not (world.site.folder / "spent").exists():
        world.fate("play", what="payout", id=account_id)
    (world.site.folder / "spent").touch()
    world.ask_refund(6000, "after all", "cleo")
    work(world.engine)
    world.buy("dora")
    world.after_service(13)
    world.deliver()


def debt_netted_then_all_undone(world: World) -> None:
    """After the debt was set off, the refund comes back from the bank and the second sale is given back as well."""
    debt_is_netted(world)
    world.settle()
    sent = [id for id, amount, status in world.state()["refunds"] if amount == 6000 and status == "succeeded"]
    for refund_id in sent:
        world.fate("play", what="fail_refund", id=refund_id)
    world.deliver()
    world.ask_refund(2222, "half of it", "dora")
    world.deliver()


# disputes, and refunds that come back


def dispute_won(world: World) -> None:
    world.onboard("sado")
    row = world.buy("cleo")
    dispute_id = world.dispute_of(row.charge_id)
    world.deliver()
    world.after_service()
    world.deliver()
    world.after_service(5)
    world.fate("play", what="close", id=dispute_id, won=True)
    world.fate("mix")
    world.deliver()


def dispute_lost(world: World) -> None:
    """It comes after the money was sent on; a part of the price was given back before."""
    world.onboard("sado")
    row = world.buy("cleo")
    world.ask_refund(1111, "a bit", "cleo")
    world.deliver()
    world.after_service()
    world.deliver()
    dispute_id = world.dispute_of(row.charge_id)
    world.deliver()
    world.fate("play", what="close", id=dispute_id, won=False)
    world.fate("mix")
    world.deliver()


def dispute_lost_untold(world: World) -> None:
    """No event about the dispute arrives."""
    world.onboard("sado")
    row = world.buy("cleo")
    world.after_service()
    world.deliver()
    dispute_id = world.dispute_of(row.charge_id)
    world.fate("play", what="close", id=dispute_id, won=False)
    world.fate("lose")
    world.sweep()
    world.deliver()


def dispute_lost_while_refunding(world: World) -> None:
    """A refund is only decided when the bank takes everything; it is not paid on top."""
    row = world.buy("cleo")
    dispute_id = world.dispute_of(row.charge_id)
    world.ask_refund(2500, "too late", "cleo")
    work(world.engine, rounds=1)
    world.fate("play", what="close", id=dispute_id, won=False)
    world.fate("mix")
    world.deliver()


def refund_and_dispute_at_once(world: World) -> None:
    """The refund went out, its answer was lost, and then the bank took the rest and kept it."""
    row = world.buy("cleo")
    world.ask_refund(2500, "in time", "cleo")
    with world.engine.db.read() as tx:
        waiting = [one.id for one in tx.execute(select(refund.c.id).where(refund.c.state == "todo"))]
    for refund_id in waiting:
        world.lost(partial(collect.send_refund, world.engine, refund_id))
    dispute_id = world.dispute_of(row.charge_id)
    world.fate("play", what="close", id=dispute_id, won=False)
    disputes.sync(world.engine, dispute_id)
    world.deliver()


def refund_comes_back(world: World) -> None:
    """The bank sends a refund back; the event may be quicker than our own note of the refund."""
    world.onboard("sado")
    world.buy("cleo")
    world.ask_refund(3000, "to an old card", "cleo")
    with world.engine.db.read() as tx:
        waiting = [one.id for one in tx.execute(select(refund.c.id).where(refund.c.state == "todo"))]
    for refund_id in waiting:
        collect.send_refund(world.engine, refund_id)
    for refund_id, _, status in world.state()["refunds"]:
        if status == "succeeded":
            world.fate("play", what="fail_refund", id=refund_id)
    world.deliver()
    world.after_service()
    world.deliver()


def refund_comes_back_untold(world: World) -> None:
    world.buy("cleo")
    world.ask_refund(3000, "to an old card", "cleo")
    work(world.engine)
    for refund_id, _, status in world.state()["refunds"]:
        if status == "succeeded":
            world.fate("play", what="fail_refund", id=refund_id)
    world.fate("lose")
    world.sweep()
    world.deliver()


SCENARIOS = tuple(
    Scenario(play.__name__, play)
    for play in (
        pay,
        webhooks_lost,
        return_page,
        refunds,
        refund_twice,
        refund_refused_for_a_while,
        closing_races_paying,
        answers_lost,
        wakeups_lost,
        unpaid,
        paid_too_late,
        another_amount,
        second_page,
        lying_events,
        deposit_and_balance,
        balance_never_paid,
        balance_paid_while_cancelled,
        change_paid,
        change_expired,
        change_paid_too_late,
        offer_accepted,
        card_charged,
        card_charge_untold,
        card_let_go,
        card_given_late,
        card_lapsed,
        paid_out,
        woken_early,
        refund_before_transfer,
        refund_around_transfer,
        a_day_without_answer,
        account_disabled,
        account_disabled_untold,
        debt_is_netted,
        debt_netted_then_all_undone,
        dispute_won,
        dispute_lost,
        dispute_lost_untold,
        dispute_lost_while_refunding,
        refund_and_dispute_at_once,
        refund_comes_back,
        refund_comes_back_untold,
    )
)


# ── mistakes to be noticed ────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Mutant:
    """`plant` changes the code of the forked process it is called in, and of no other. `first` is the scenario that is made for
    it and tried before the others."""

    name: str
    plant: Callable[[], None]
    first: str = "pay"


def put(where: Any, name: str, value: Any) -> Callable[[], None]:
    return lambda: setattr(where, name, value)


def keyed(verb: str, key: Callable[[str], str]) -> Callable[[], None]:
    """The adapter with another idempotency key."""

    def plant() -> None:
        real = getattr(StripeGateway, verb)
        setattr(StripeGateway, verb, lambda self, *values, **named: real(self, *values, **{**named, "key": key(named["key"])}))

    return plant


def fresh(_key: str) -> str:
    return uuid.uuid4().hex


def only_for(prefix: str) -> Callable[[str], str]:
    return lambda key: uuid.uuid4().hex if key.startswith(prefix) else key


def orphan_without_key() -> None:
    keyed("refund", only_for("orphan:"))()
    StripeGateway.find = lambda *_: None  # type: ignore[method-assign, assignment]


def unknown_is_no() -> None:
    real = StripeGateway.refund

    def refund_(self: StripeGateway, *values: Any, **named: Any) -> Refunded:
        try:
            return real(self, *values, **named)
        except GatewayUnknown as error:
            raise GatewayRefused("no", code="unknown") from error

    StripeGateway.refund = refund_  # type: ignore[method-assign]


def nothing_frozen() -> None:
    real = collect._freeze

    def freeze(engine: Engine, payment_id: str) -> dict[str, Any] | None:
        frozen = real(engine, payment_id)
        if frozen is not None:
            moved = {**frozen["order"], "expires_at": (engine.clock() + timedelta(minutes=33)).isoformat()}
            frozen = {**frozen, "order": moved}
        return frozen

    collect._freeze = freeze


def reserved_is_paid() -> None:
    real = StripeGateway.fetch_payment

    def fetch(self: StripeGateway, session_id: str) -> FetchedPayment:
        found = real(self, session_id)
        return replace(found, state="paid") if found.state == "authorized" else found

    StripeGateway.fetch_payment = fetch  # type: ignore[method-assign]


def lapsed_is_over(tx: Connection, row: Any, _now: datetime) -> None:
    tx.execute(update(payment).where(payment.c.id == row.id).values(status="expired"))


def amounts_not_compared() -> None:
    real = collect.apply

    def apply(engine: Engine, payment_id: str, fetched: FetchedPayment) -> dict[str, Any]:
        with engine.db.read() as tx:
            row = collect.get(tx, payment_id)
        return real(engine, payment_id, replace(fetched, amount=row.amount, currency=row.currency))

    collect.apply = apply


def second_payment_overwrites() -> None:
    """The first charge is forgotten for the second."""

    def orphan(tx: Connection, row: Any, fetched: FetchedPayment, now: datetime) -> None:
        if row.status == "paid":
            tx.execute(update(payment).where(payment.c.id == row.id).values(charge_id=fetched.charge_id, intent_id=fetched.intent_id))

    collect._orphan = orphan


def body_believed() -> None:
    """The event's word is taken for it."""

    def work_event(engine: Engine, event_id: str) -> None:
        with engine.db.read() as tx:
            row = tx.execute(select(webhook_event).where(webhook_event.c.id == event_id)).one()
            known = tx.execute(select(payment).where(payment.c.session_id == row.body["object"])).first()
        if known is not None and row.type == "checkout.session.completed":
            charge = f"ch_{known.session_id}"
            collect.apply(engine, known.id, FetchedPayment(known.session_id, "paid", known.amount, known.currency, None, charge))

    inbox.work_event = work_event


def return_page_believed() -> None:
    """Whoever comes back from the page has paid."""
    real = collect.sync

    def sync(engine: Engine, payment_id: str) -> dict[str, Any]:
        with engine.db.read() as tx:
            row = collect.get(tx, payment_id)
        if row.status != "open":
            return real(engine, payment_id)
        return collect.apply(engine, payment_id, FetchedPayment(row.session_id, "paid", row.amount, row.currency, None, f"ch_{row.id}"))

    collect.sync = sync


def no_signature() -> None:
    def read_event(self: StripeGateway, body: bytes, signature: str) -> GatewayEvent:
        return self._event(json.loads(body))

    StripeGateway.read_event = read_event  # type: ignore[method-assign]


def uncapped_refunds() -> None:
    def ask_refund(tx: Connection, payment_id: str, amount: int, now: datetime, *, booking_id: str | None, reason: str) -> str:
        tx.execute(update(payment).where(payment.c.id == payment_id).values(refunded=payment.c.refunded + amount))
        refund_id = uuid.uuid4().hex
        values = {"payment_id": payment_id, "booking_id": booking_id, "amount": amount, "state": "todo", "reason": reason, "parts": {}}
        tx.execute(refund.insert().values(id=refund_id, created_at=now, **values))
        jobs.enqueue(tx, "refund.send", {"refund_id": refund_id}, run_at=now, now=now)
        return refund_id

    collect.ask_refund = ask_refund


def floor_rounding() -> None:
    def allocate(total: int, weights: Sequence[int]) -> list[int]:
        return [total * weight // (sum(weights) or 1) for weight in weights]

    for module in (collect, schedule, money):
        module.allocate = allocate  # type: ignore[attr-defined]


def refund_marked_before_it_is_sent() -> None:
    real = collect.send_refund

    def send_refund(engine: Engine, refund_id: str) -> None:
        """Marked, committed, and only then sent; whoever dies in between never sends it."""
        with engine.db.write() as tx:
            row = tx.execute(select(refund).where(refund.c.id == refund_id)).one()
            marked = tx.execute(update(refund).where(refund.c.id == refund_id, refund.c.state == "todo").values(reason=f"{row.reason}!"))
        if marked.rowcount == 1 and not row.reason.endswith("!"):
            real(engine, refund_id)

    collect.send_refund = send_refund


def refund_tries_never_grow() -> None:
    key = StripeGateway.refund
    StripeGateway.refund = lambda self, *v, **n: key(self, *v, **{**n, "key": n["key"].split("#")[0]})  # type: ignore[method-assign]


def sold_without_places() -> None:
    from core.engine import SYSTEM
    from core.states import move_booking

    def secure(tx: Connection, engine: Engine, one: Any, now: datetime) -> bool:
        if one.status not in ("ON_HOLD", "EXPIRED"):
            return one.status == "CONFIRMED"
        move_booking(tx, one, "pay" if one.status == "ON_HOLD" else "late_payment", SYSTEM, now, confirmed_at=now)
        return True

    collect._secure = secure


def closing_believes_itself() -> None:
    """It asked for the end, so it is the end."""

    def close_link(engine: Engine, payment_id: str) -> dict[str, Any]:
        with engine.db.read() as tx:
            row = collect.get(tx, payment_id)
        if row.session_id is None or row.status not in collect.OPEN:
            return collect.view(row)
        engine.gateway.expire_link(row.session_id)
        return collect.apply(engine, payment_id, FetchedPayment(row.session_id, "expired", row.amount, row.currency))

    collect.close_link = close_link


def refusing_to_refund_what_was_not_sold() -> None:
    real = collect.ask_refund

    def ask_refund(tx: Connection, payment_id: str, amount: int, now: datetime, *, booking_id: str | None, reason: str) -> str | None:
        if "gone" in reason:
            return None
        return real(tx, payment_id, amount, now, booking_id=booking_id, reason=reason)

    collect.ask_refund = ask_refund


def ledger_posts_again() -> None:
    """Posted under a name of its own each time, so that no replay is noticed."""
    real = ledger.post

    def post(tx: Connection, posting: str, legs: Mapping[str, int], currency: str, now: datetime) -> bool:
        return real(tx, f"{posting}:{uuid.uuid4().hex[:6]}", legs, currency, now)

    collect.post = post


def one_leg_short() -> None:
    real = ledger.post

    def post(tx: Connection, posting: str, legs: Mapping[str, int], currency: str, now: datetime) -> bool:
        kept = {name: amount for name, amount in legs.items() if not name.startswith("platform")}
        kept["gateway"] = -sum(amount for name, amount in kept.items() if name != "gateway")
        return real(tx, posting, kept, currency, now)

    collect.post = post


# of money that is sent on


def amount_not_frozen() -> None:
    """The amount is worked out anew when the call is repeated."""
    real = payouts._decide

    def decide(engine: Engine, share_id: str) -> dict[str, Any] | None:
        step = real(engine, share_id)
        if step is None or step["do"] != "send":
            return step
        with engine.db.read() as tx:
            one = tx.execute(select(share).where(share.c.id == share_id)).one()
        anew = {**step, "amount": max(1, payouts.gap_of(one))}
        with engine.db.write() as tx:
            tx.execute(update(share).where(share.c.id == share_id).values(pending=anew))
        return anew

    payouts._decide = decide


def set_off_twice() -> None:
    """The debt is kept back from the sale, and stays a debt."""

    def set_off(tx: Connection, gains: Any, gives: Any, amount: int, currency: str, now: datetime) -> None:
        tx.execute(update(share).where(share.c.id == gains.id).values(sent=share.c.sent + amount, seq=share.c.seq + 1))

    payouts._set_off = set_off


def never_due() -> None:
    """Everything is due at once."""
    real = payouts._due
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)

    def level(engine: Engine, share_id: str) -> int:
        with engine.db.write() as tx:
            one = tx.execute(select(share).where(share.c.id == share_id)).one()
            tx.execute(update(share).where(share.c.id == share_id).values(due_at=long_ago))
        done = inner(engine, share_id)
        with engine.db.write() as tx:
            tx.execute(update(share).where(share.c.id == share_id).values(due_at=one.due_at))
        return done

    def due(tx: Connection, share_id: str, at: datetime, now: datetime) -> None:
        real(tx, share_id, at, now)
        payouts.wake(tx, [share_id], now)

    inner = payouts.level
    payouts.level, payouts._due = level, due


def inactive_accounts_are_tried() -> None:
    """Our row is not asked whether the account can receive."""
    real = payees.apply

    def apply(engine: Engine, fetched: FetchedAccount) -> dict[str, Any]:
        return real(engine, replace(fetched, state="active"))

    payees.apply = apply


def balance_charged_twice() -> None:
    """What was paid already is not taken off."""
    for module in (balances, schedule, collect):
        module.owed = lambda row, paid: int(row.amount)  # type: ignore[attr-defined]


def change_counts_before_it_is_paid() -> None:
    from core.engine import SYSTEM

    real = changes._carry_out

    def carry_out(tx: Connection, engine: Engine, actor: Actor, row: Any, terms: Mapping[str, Any], now: datetime) -> dict[str, Any]:
        done = real(tx, engine, actor, row, terms, now)
        if done["payment"]:
            alterations.apply(tx, engine.rules, row, terms, SYSTEM, now)
        return done

    changes._carry_out = carry_out


def lost_disputes_stay_with_the_house() -> None:
    def lost(tx: Connection, row: Any, paid: Any, fetched: FetchedDispute, now: datetime) -> None:
        legs = {f"dispute:{row.id}": -row.amount, "house:disputes": row.amount}
        ledger.post(tx, f"dispute_lost:{row.id}", legs, row.currency, now)

    disputes._lost = lost


def early_wakeup_is_lost() -> None:
    """Woken before its time, it forgets to come back, and nobody sweeps."""
    real = payouts._decide

    def decide(engine: Engine, share_id: str) -> dict[str, Any] | None:
        with engine.db.read() as tx:
            one = tx.execute(select(share).where(share.c.id == share_id)).one()
        if one.due_at is not None and one.due_at > engine.clock() and payouts.gap_of(one) > 0:
            return None
        return real(engine, share_id)

    payouts._decide = decide


def payouts_event_triggered() -> None:
    """Sent once when it falls due; nobody looks at the gap again."""
    real = payouts._decide

    def decide(engine: Engine, share_id: str) -> dict[str, Any] | None:
        with engine.db.read() as tx:
            one = tx.execute(select(share).where(share.c.id == share_id)).one()
        return None if one.sent and one.pending is None else real(engine, share_id)

    payouts._decide = decide


def refusals_replay() -> None:
    """A refused step keeps its number, so the gateway repeats its stored no."""
    real = payouts._refused

    def refused(engine: Engine, share_id: str, step: dict[str, Any], error: GatewayRefused) -> None:
        real(engine, share_id, step, error)
        with engine.db.write() as tx:
            tx.execute(update(share).where(share.c.id == share_id).values(seq=step["seq"] - 1))

    payouts._refused = refused


def failed_refunds_ignored() -> None:
    def refund_failed(engine: Engine, gateway_id: str) -> None:
        return

    collect.refund_failed = refund_failed


def todo_refunds_forgotten_on_loss() -> None:
    disputes._settle_refunds = lambda *_: None


def transfers_unwritten() -> None:
    """Written down only where nobody else looks: the books do not hear of it."""
    payouts.post = lambda *_: True


CRASHES_FOR_MUTANTS = ("refund_around_transfer", "pay", "refunds", "another_amount", "second_page")

MUTANTS = (
    Mutant("no key on the page", keyed("payment_link", fresh), "answers_lost"),
    Mutant("no key on the refund", keyed("refund", only_for("refund:")), "answers_lost"),
    Mutant("the orphan's refund has no key and is not looked up", orphan_without_key, "second_page"),
    Mutant("one refund key for ever", refund_tries_never_grow, "refund_refused_for_a_while"),
    Mutant("one key for every page", keyed("payment_link", lambda key: "page"), "deposit_and_balance"),
    Mutant("no answer is taken for a no", unknown_is_no, "answers_lost"),
    Mutant("parameters are not frozen", nothing_frozen, "answers_lost"),
    Mutant("a payment that does not fit is ignored", put(collect, "_orphan", lambda *_: None), "another_amount"),
    Mutant("the amount is not compared", amounts_not_compared, "another_amount"),
    Mutant("a second payment takes the first one's place", second_payment_overwrites, "second_page"),
    Mutant("no sweep", put(collect, "sweep", lambda _engine: 0), "webhooks_lost"),
    Mutant("the event's body is believed", body_believed, "lying_events"),
    Mutant("the return page is believed", return_page_believed, "return_page"),
    Mutant("the signature is not checked", no_signature, "lying_events"),
    Mutant("refunds have no cap", uncapped_refunds, "refund_twice"),
    Mutant("floor instead of largest remainder", floor_rounding, "refunds"),
    Mutant("a refund is marked before it is sent", refund_marked_before_it_is_sent),
    Mutant("sold without places", sold_without_places, "paid_too_late"),
    Mutant("what was not sold is kept", refusing_to_refund_what_was_not_sold, "paid_too_late"),
    Mutant("the books post again on a replay", ledger_posts_again),
    Mutant("the platform's leg is left out of the books", one_leg_short),
    Mutant("closing believes itself", closing_believes_itself, "closing_races_paying"),
    Mutant("no key on the transfer", keyed("transfer", fresh), "refund_around_transfer"),
    Mutant("no key on the claw-back", keyed("reverse", fresh), "a_day_without_answer"),
    Mutant("the amount of a transfer is not frozen", amount_not_frozen, "refund_around_transfer"),
    Mutant("a debt is set off twice", set_off_twice, "debt_is_netted"),
    Mutant("money is sent on while it is disputed", put(payouts, "disputed", lambda *_: False), "dispute_won"),
    Mutant("money is sent on before it is due", never_due, "paid_out"),
    Mutant("money is sent to accounts that cannot receive", inactive_accounts_are_tried, "account_disabled"),
    Mutant("the balance is the whole price again", balance_charged_twice, "deposit_and_balance"),
    Mutant("a change counts before it is paid", change_counts_before_it_is_paid, "change_expired"),
    Mutant("a lost dispute is not taken back", lost_disputes_stay_with_the_house, "dispute_lost"),
    Mutant("a wake-up before its time is lost", early_wakeup_is_lost, "woken_early"),
    Mutant("nobody looks at a share again once it was sent", payouts_event_triggered, "refund_around_transfer"),
    Mutant("a refused step keeps its key", refusals_replay, "account_disabled_untold"),
    Mutant("refunds that come back are ignored", failed_refunds_ignored, "refund_comes_back"),
    Mutant("a lost dispute forgets refunds on their way", todo_refunds_forgotten_on_loss, "refund_and_dispute_at_once"),
    Mutant("transfers are not written into the books", transfers_unwritten, "paid_out"),
    Mutant("keys are trusted for ever", put(payouts, "KEYS_LAST", timedelta(days=10_000)), "a_day_without_answer"),
    Mutant("nobody looks for what was not told", put(inbox, "look", lambda _engine: None), "dispute_lost_untold"),
    Mutant("reserved money counts as paid", reserved_is_paid, "card_let_go"),
    Mutant("no card is ever let go of", put(authorise, "_end", lambda *_: None), "card_let_go"),
    Mutant("a card that was given late is kept", put(authorise, "reserved", lambda *_: None), "card_given_late"),
    Mutant("nobody looks for a charge that got lost", put(captures, "sweep", lambda _engine: 0), "card_charge_untold"),
    Mutant("a card that let go ends the booking's payment", put(authorise, "lapsed", lapsed_is_over), "card_lapsed"),
    Mutant("a surplus is kept", put(collect, "_send_back_surplus", lambda *_: None), "balance_paid_while_cancelled"),
)


# ── running ───────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Plan:
    scenario: Scenario
    mutant: Mutant | None = None
    final: bool = True


@dataclass
class Result:
    name: str
    runs: int = 0
    failures: list[str] = field(default_factory=list)


def free_ports() -> Iterator[int]:
    """Ports below those the system hands out by itself, so that no connection of ours takes one between two lives."""
    port = 10_000 + os.getpid() * 331 % 20_000
    while True:
        port = port + 1 if port < 30_000 else 10_000
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                yield port


def die_with(parent: int) -> None:
    """Nobody outlives the drill, however it ends."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def fork(target: Callable[..., None], *values: Any) -> int:
    """A real process; whatever it raises it prints, and ends with 1."""
    sys.stdout.flush()
    parent = os.getpid()
    child = os.fork()
    if child:
        return child
    threading.Thread(target=die_with, args=(parent,), daemon=True).start()
    try:
        target(*values)
    except BaseException:  # noqa: BLE001  the process ends here either way
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def start_sandbox(site: Site) -> int:
    child = fork(serve_sandbox, site)
    for _ in range(2000):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", site.sandbox_port)) == 0:
                return child
        time.sleep(0.005)
    raise RuntimeError("the sandbox did not start")


def end(child: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(child, 0)


def wait(child: int) -> int:
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


class Stage:
    """Prepares the marketplace once and gives every run a copy."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0
        self._ports = free_ports()
        self._plain: dict[str, dict[str, Any]] = {}
        wait(fork(prepare, folder))

    def plain(self, scenario: Scenario) -> dict[str, Any]:
        """The report of the scenario without any crash."""
        if scenario.name not in self._plain:
            self._plain[scenario.name] = self.one(Plan(scenario))[1]
        return self._plain[scenario.name]

    @contextmanager
    def site(self) -> Iterator[Site]:
        self._count += 1
        Ahead.house.value = Ahead.sandbox.value = 0.0
        site = Site(self._folder / f"run{self._count}", next(self._ports), next(self._ports))
        site.folder.mkdir()
        for name in ("house.db", "terms.json"):
            shutil.copy(self._folder / name, site.folder / name)
        yield site
        shutil.rmtree(site.folder, ignore_errors=True)

    def one(self, plan: Plan, *, crash_at: int | None = None, kill: str = "", delay: float | None = None) -> tuple[bool, dict[str, Any]]:
        """One run; (did the crash happen, report). `kill` "sandbox" takes the sandbox instead of the house; with `delay` it
        is a SIGKILL after so many seconds instead of a checkpoint."""
        with self.site() as site:
            sandbox = start_sandbox(site)
            first = crash_at is None and delay is None
            victim = sandbox if kill == "sandbox" else None
            life = replace(plan, final=first or kill != "sandbox")
            house = fork(run_house, site, life, crash_at, victim if delay is None else None)
            if delay is not None:
                time.sleep(delay)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(sandbox if kill == "sandbox" else house, signal.SIGKILL)
            code = wait(house)
            report = site.folder / "report.json"
            crashed = code in (CRASHED, -signal.SIGKILL) or kill == "sandbox"
            if code not in (0, CRASHED, -signal.SIGKILL):
                report.write_text(json.dumps({"wrong": [f"the house ended with {code}"], "end": None, "points": []}))
            elif crashed:
                if kill == "sandbox":
                    end(sandbox)
                    sandbox = start_sandbox(site)
                report.unlink(missing_ok=True)
                code = wait(fork(run_house, site, plan, None, None))
                if code != 0:
                    report.write_text(json.dumps({"wrong": [f"the second life ended with {code}"], "end": None, "points": []}))
            end(sandbox)
            found: dict[str, Any] = json.loads(report.read_text())
            return crashed, found


def prepare(folder: Path) -> None:
    """A small marketplace, and two travelers whose carts wait for their yes."""
    database = Database(f"sqlite:///{folder / 'house.db'}")
    upgrade(database)
    patient = replace(Rules(), proposal_life=timedelta(days=200))
    engine = Engine(
        db=database, gateway=StripeGateway(secret_key=SECRETS.api_key, webhook_secrets="none"), clock=house_clock, rules=patient
    )
    with database.write() as tx:
        for owner, deposit in (("tejo", 0), ("sado", 3000), ("douro", 0)):
            builders.add_provider(tx, owner, country="PT", deposit_bps=deposit)
    builders.products(engine, "kayak", places=3)
    builders.products(engine, "sail", places=6, amount=3333, provider_id="sado")
    builders.products(engine, "wine", places=6, amount=2501, provider_id="douro")
    builders.products(engine, "guide", places=6, amount=4000, provider_id="tejo", booking_type="REQUEST")
    builders.expert_fee(engine)
    terms: dict[str, Any] = {}
    for who in ("ben", "ana"):
        actor = builders.traveler(engine, name=who.title(), email=f"{who}@example.com")
        builders.add(engine, actor)
        terms[who] = {"account_id": actor.account_id, "conversation_id": actor.conversation_id}
        terms[f"{who}_proposal"] = bookings.propose_checkout(engine, actor)["proposal_id"]
    for who, wanted in (("cleo", "sail wine"), ("dora", "sail"), ("fred", "guide")):
        actor = builders.traveler(engine, name=who.title(), email=f"{who}@example.com")
        for product_id in wanted.split():
            expert = builders.expert_for(engine, actor, "eva") if product_id == "wine" else actor
            builders.add(engine, expert, product_id, day=builders.DAY + timedelta(days=10 if who == "dora" else 0))
        terms[who] = {"account_id": actor.account_id, "conversation_id": actor.conversation_id}
        terms[f"{who}_proposal"] = bookings.propose_checkout(engine, actor)["proposal_id"]
    (folder / "terms.json").write_text(json.dumps(terms))
    database.close()


def spread(points: Sequence[int], most: int) -> list[int]:
    """Up to `most` of them, evenly spread, the first and the last among them."""
    if len(points) <= most:
        return list(points)
    return sorted({points[round(i * (len(points) - 1) / max(1, most - 1))] for i in range(most)})


def sweep_scenario(stage: Stage, scenario: Scenario, most: int, say: Callable[[str], None]) -> Result:
    """Without a crash, then with one at up to `most` checkpoints, then the sandbox dying at some of the gateway's."""
    result = Result(scenario.name)
    plain = stage.plain(scenario)
    result.runs += 1
    result.failures += [f"without a crash: {one}" for one in plain["wrong"]]
    points: list[str] = plain["points"]

    def judge(what: str, report: dict[str, Any]) -> None:
        result.runs += 1
        wrong = list(report["wrong"])
        if not wrong and report["end"] != plain["end"]:
            wrong.append(f"I10 the end differs: {report['end']} instead of {plain['end']}")
        result.failures += [f"{what}: {one}" for one in wrong]

    outside = [k for k, name in enumerate(points) if not name.endswith("commit")]
    inside = [k for k, name in enumerate(points) if name.endswith("commit")]
    chosen = sorted(spread(outside, most * 2 // 3) + spread(inside, most - most * 2 // 3))
    for i, k in enumerate(chosen):
        _, report = stage.one(Plan(scenario), crash_at=k)
        judge(f"house crashed at {k} ({points[k]})", report)
        if i % 10 == 9:
            say(f"{scenario.name}: {i + 1} of {len(chosen)} crashes (checkpoints: {len(points)})")
    for k in spread(outside, most // 5):
        _, report = stage.one(Plan(scenario), crash_at=k, kill="sandbox")
        judge(f"sandbox killed at {k} ({points[k]})", report)
    say(f"{scenario.name}: {result.runs} runs, {len(result.failures)} failures {result.failures[:2] or ''}")
    return result


def kill_at_random(stage: Stage, times: int, seed: int, say: Callable[[str], None]) -> Result:
    """SIGKILL from outside, at any moment, also inside a commit."""
    result = Result("random SIGKILL")
    dice = random.Random(seed)
    for i in range(times):
        scenario = dice.choice([one for one in SCENARIOS if one.name != "unpaid"])
        victim = dice.choice(["", "sandbox"])
        delay = dice.uniform(0.03, 0.5)
        _, report = stage.one(Plan(scenario), kill=victim, delay=delay)
        result.runs += 1
        what = f"{scenario.name}, {victim or 'house'} killed after {delay * 1000:.0f} ms"
        result.failures += [f"{what}: {one}" for one in report["wrong"]]
        if not report["wrong"] and report["end"] != stage.plain(scenario)["end"]:
            result.failures.append(f"{what}: I10 the end differs: {report['end']}")
        if i % 10 == 0:
            say(f"random SIGKILL: {i}/{times}")
    return result


def hunt(stage: Stage, mutant: Mutant) -> str:
    """Where the mutant was noticed; "" where it survived everything."""
    order = sorted(SCENARIOS, key=lambda one: one.name != mutant.first)
    crashed = sorted(
        (one for one in SCENARIOS if one.name in {mutant.first, *CRASHES_FOR_MUTANTS}), key=lambda one: one.name != mutant.first
    )
    for scenario in order:
        _, report = stage.one(Plan(scenario, mutant))
        noticed = _noticed(report, stage.plain(scenario)["end"])
        if noticed:
            return f"{scenario.name}: {noticed}"
    for scenario in crashed:
        for k, name in enumerate(stage.plain(scenario)["points"]):
            if name in ("after link", "before refund", "after refund", "after transfer", "after reversal"):
                _, report = stage.one(Plan(scenario, mutant), crash_at=k)
                noticed = _noticed(report, stage.plain(scenario)["end"])
                if noticed:
                    return f"{scenario.name}, crash {name}: {noticed}"
    return ""


def _noticed(report: dict[str, Any], expected: Any) -> str:
    if report["wrong"]:
        return str(report["wrong"][0])
    return "" if report["end"] == expected else "I10 the end differs"


@dataclass(frozen=True, slots=True)
class Task:
    """What one worker does at a time: sweep a scenario, kill at random, hunt a mutant."""

    kind: str
    name: str
    seed: int = 0
    times: int = 0


def warm() -> None:
    """Load what every forked process would load for itself, once."""
    gate.check(stripe.checkout.SessionService, "create", {}, strict=False)
    gate.check(stripe.checkout.SessionService, "retrieve", {}, strict=False)
    gate.check(stripe.checkout.SessionService, "expire", {}, strict=False)
    gate.check(stripe.RefundService, "create", {}, strict=False)
    for kind in shapes.RESOURCES:
        shapes.skeleton(kind)
    webhooks._tls()
    for client in (httpx.Client(trust_env=False), StripeGateway(secret_key=SECRETS.api_key, webhook_secrets="none")):
        with contextlib.suppress(httpx.HTTPError):
            client.get("http://127.0.0.1:9") if isinstance(client, httpx.Client) else None
        client.close()


def do(task: Task, stage: Stage, given: argparse.Namespace, say: Callable[[str], None]) -> Result | tuple[str, str]:
    if task.kind == "sweep":
        scenario = next(one for one in SCENARIOS if one.name == task.name)
        return sweep_scenario(stage, scenario, given.points, say)
    if task.kind == "random":
        return kill_at_random(stage, task.times, given.seed + task.seed, say)
    mutant = next(one for one in MUTANTS if one.name == task.name)
    where = hunt(stage, mutant)
    say(f"mutant: {mutant.name}: {where[:80] or 'SURVIVED'}")
    return mutant.name, where


def share_out(
    tasks: Sequence[Task], folder: Path, given: argparse.Namespace, say: Callable[[str], None]
) -> Iterator[Result | tuple[str, str]]:
    """Hand the tasks to worker processes, each with a stage and clocks of its own, and yield what they answer."""
    questions, answers = SHARED.SimpleQueue(), SHARED.SimpleQueue()
    for task in tasks:
        questions.put(task)

    def worker(number: int) -> None:
        Ahead.renew()
        mine = folder / f"worker{number}"
        mine.mkdir()
        stage = Stage(mine)
        while (task := questions.get()) is not None:
            try:
                answers.put(do(task, stage, given, say))
            except Exception as error:  # noqa: BLE001  a broken drill is a failure of the drill, not a silence
                traceback.print_exc()
                answers.put(Result(task.name or task.kind, 1, [f"the drill broke: {error}"]))
        answers.put(None)

    for _ in range(given.workers):
        questions.put(None)
    children = [fork(worker, number) for number in range(given.workers)]
    at_work = len(children)
    while at_work:
        answer = answers.get()
        if answer is None:
            at_work -= 1
        else:
            yield answer
    for child in children:
        wait(child)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--scenario", action="append", choices=[one.name for one in SCENARIOS], help="only this one (may be repeated)")
    parser.add_argument("--points", type=int, default=15, help="crash at so many checkpoints of a scenario, evenly spread (1000: all)")
    parser.add_argument("--random", type=int, default=24, help="how many SIGKILLs at random moments")
    parser.add_argument("--seed", type=int, default=20261125, help="for the random moments")
    parser.add_argument("--no-mutants", action="store_true", help="leave the planted mistakes out")
    parser.add_argument("--workers", type=int, default=2, help="how many runs at a time")
    given = parser.parse_args()
    warm()
    chosen = [one for one in SCENARIOS if not given.scenario or one.name in given.scenario]
    started = time.monotonic()

    def say(text: str) -> None:
        print(f"  {time.monotonic() - started:5.0f} s  {text}", file=sys.stderr, flush=True)

    tasks: list[Task] = [Task("sweep", one.name) for one in chosen]
    if given.random:
        tasks += [Task("random", "", i, given.random // given.workers) for i in range(given.workers)]
    if not given.no_mutants:
        tasks += [Task("mutant", one.name) for one in MUTANTS]
    results: list[Result] = []
    caught: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="crash-payments-") as folder:
        for answer in share_out(tasks, Path(folder), given, say):
            if isinstance(answer, Result):
                results.append(answer)
            else:
                caught[answer[0]] = answer[1]
    order = [one.name for one in SCENARIOS]
    results.sort(key=lambda one: order.index(one.name) if one.name in order else len(order))

    print(f"\n{'scenario':32}{'runs':>6}{'failures':>10}")
    for result in results:
        print(f"{result.name:32}{result.runs:6}{len(result.failures):10}")
        for line in result.failures[:5]:
            print(f"    {line}")
    if caught:
        print(f"\n{'planted mistake':48}noticed by")
        for name, where in caught.items():
            print(f"{name:48}{where[:110] or 'nobody'}")
    runs, failures = sum(one.runs for one in results), sum(len(one.failures) for one in results)
    found = sum(bool(where) for where in caught.values())
    print()
    print(
        json.dumps(
            {
                "runs": runs,
                "failures": failures,
                "mutants": len(caught),
                "caught": found,
                "seconds": round(time.monotonic() - started, 1),
            }
        )
    )
    return 1 if failures or (caught and found < 0.9 * len(caught)) else 0


if __name__ == "__main__":
    sys.exit(main())
