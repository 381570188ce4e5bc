"""Webhooks out: signed, told once a decision, tried for a day, never to a private place, and the secret shown once."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx
import pytest
from sqlalchemy import delete, select

from channels.hooks import post
from channels.house import House
from core import bookings, cancellations, hooks, jobs, requests
from core.engine import Actor
from core.errors import Invalid, NotFound
from core.payments import collect
from core.people import api_token, ensure_account, grant
from core.schema import account_role, hook_delivery, job
from tests import builders
from tests.channels.conftest import Live, build_house, running
from tests.conftest import Clock
from tests.gateway import MemoryGateway


@dataclass
class Receiver:
    """Somebody else's server: keeps what it was sent, and answers as it is told."""

    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    status: int = 204
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/in?from=us"

    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.got]


@pytest.fixture
def there() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            receiver.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(receiver.status)
            self.send_header("location", "http://127.0.0.1/elsewhere")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Handler)
    receiver.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield receiver
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def house(db: Any, tmp_path: Any, gateway: MemoryGateway, clock: Clock) -> House:
    made = build_house(db, tmp_path, gateway, clock)
    object.__setattr__(made.engine.rules, "local_hooks", True)
    builders.products(made.engine, "kayak")
    builders.products(made.engine, "walk", booking_type="REQUEST")
    with db.write() as tx:
        for name in ("marta", "rita"):
            ensure_account(tx, made.engine.clock(), name, name=name.title(), email=f"{name}@example.com")
        grant(tx, "marta", "provider", "tejo")
    return made


MARTA = Actor("marta", role="provider", provider_ids=("tejo",))


def buy(house: House, gateway: MemoryGateway) -> str:
    """A paid booking; its id."""
    ana = builders.traveler(house.engine)
    payment_id = builders.buy(house.engine, "kayak", actor=ana)
    made = collect.ensure_link(house.engine, payment_id)
    gateway.pay(made.get("session_id", "cs_1"))
    collect.sync(house.engine, payment_id)
    with house.engine.db.read() as tx:
        (row,) = collect.bookings_of(tx, payment_id)
    return str(row.id)


def work(house: House) -> int:
    """Do the webhook jobs that are due, as a worker would; how many there were."""
    engine = house.engine
    with engine.db.write() as tx:
        claimed = jobs.claim(tx, [hooks.JOB], engine.clock())
    for one in claimed:
        post(engine, one.payload["delivery_id"])
        with engine.db.write() as tx:
            jobs.finish(tx, one.id)
    return len(claimed)


def test_a_sale_is_told_once_signed_as_standard_webhooks_says(house: House, there: Receiver, gateway: MemoryGateway) -> None:
    made = hooks.add(house.engine, MARTA, there.url, provider_id="tejo")
    booking_id = buy(house, gateway)
    assert work(house) == 1
    ((headers, body),) = there.got
    key = base64.b64decode(made["secret"].removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    assert headers["webhook-signature"] == "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    told = json.loads(body)
    assert (told["type"], told["data"]["booking_id"], told["data"]["amount"], told["data"]["status"]) == (
        "booking.confirmed", booking_id, 12_000, "CONFIRMED",
    )  # fmt: skip
    assert "Ana" not in body.decode() and "ana@example.com" not in body.decode()
    with house.engine.db.write() as tx:
        hooks.booking_moved(tx, booking_id, "ON_HOLD", "CONFIRMED", house.engine.clock())  # the same decision, heard of again
    assert work(house) == 0
    (line,) = hooks.deliveries(house.engine, MARTA, made["hook_id"])
    assert (line["delivery_id"], line["state"], line["status"], line["attempts"]) == (headers["webhook-id"], "sent", 204, 1)
    cancellations.by_provider(house.engine, MARTA, booking_id)
    assert work(house) == 1
    assert [one["type"] for one in there.bodies()] == ["booking.confirmed", "booking.cancelled"]


def test_requests_are_told_and_only_what_was_asked_for(house: House, there: Receiver, gateway: MemoryGateway) -> None:
    hooks.add(house.engine, MARTA, there.url, ["request.received", "request.decided"], provider_id="tejo")
    ana = builders.traveler(house.engine)
    builders.add(house.engine, ana, "walk")
    bookings.commit_checkout(house.engine, ana, bookings.propose_checkout(house.engine, ana)["proposal_id"])
    (asked,) = requests.pending(house.engine, ["tejo"])
    requests.decide(house.engine, MARTA, asked["request_id"], "decline")
    buy(house, gateway)
    work(house)
    assert sorted((one["type"], one["data"].get("verdict")) for one in there.bodies()) == [
        ("request.decided", "declined"), ("request.received", None),
    ]  # fmt: skip
    assert {one["data"]["request_id"] for one in there.bodies()} == {asked["request_id"]}


def test_what_was_rolled_back_is_never_told(house: House, there: Receiver, gateway: MemoryGateway) -> None:
    hooks.add(house.engine, MARTA, there.url, provider_id="tejo")
    booking_id = buy(house, gateway)
    work(house)
    with pytest.raises(ZeroDivisionError), house.engine.db.write() as tx:
        hooks.booking_changed(tx, booking_id, house.engine.clock())
        raise ZeroDivisionError
    assert work(house) == 0 and len(there.got) == 1


def test_failures_are_tried_for_a_day_and_can_be_replayed_under_the_same_id(
    house: House, there: Receiver, gateway: MemoryGateway, clock: Clock
) -> None:
    made = hooks.add(house.engine, MARTA, there.url, provider_id="tejo")
    there.status = 302  # is not followed
    buy(house, gateway)
    began = clock.at
    while True:
        with house.engine.db.read() as tx:
            due = tx.execute(select(job.c.run_at).where(job.c.kind == hooks.JOB)).scalar_one_or_none()
        if due is None:
            break
        clock.at = max(due, clock.at)
        assert work(house) == 1
    assert len(there.got) == 8 and 24 <= (clock.at - began).total_seconds() / 3600 <= 25
    (line,) = hooks.deliveries(house.engine, MARTA, made["hook_id"])
    assert (line["state"], line["status"], line["error"]) == ("failed", 302, "It answered with 302.")
    there.status = 200
    hooks.replay(house.engine, MARTA, made["hook_id"], line["delivery_id"])
    assert work(house) == 1
    assert len({headers["webhook-id"] for headers, _ in there.got}) == 1
    assert hooks.deliveries(house.engine, MARTA, made["hook_id"])[0]["state"] == "sent"
    with house.engine.db.read() as tx:
        assert hooks.listed(tx, MARTA)[0]["failing_since"] is None


def test_a_hook_that_only_fails_or_says_gone_is_switched_off(house: House, there: Receiver, gateway: MemoryGateway, clock: Clock) -> None:
    made = hooks.add(house.engine, MARTA, there.url, provider_id="tejo")
    there.status = 500
    buy(house, gateway)
    work(house)
    clock.forward(days=5)
    work(house)
    with house.engine.db.read() as tx:
        (one,) = hooks.listed(tx, MARTA)
    assert one["disabled_why"] == "it failed for 5 days"
    assert hooks.deliveries(house.engine, MARTA, made["hook_id"])[0]["state"] == "failed"
    buy_more = len(there.got)
    builders.products(house.engine, "raft")
    assert work(house) == 0 and len(there.got) == buy_more
    hooks.enable(house.engine, MARTA, made["hook_id"])
    there.status = 410
    hooks.replay(house.engine, MARTA, made["hook_id"], hooks.deliveries(house.engine, MARTA, made["hook_id"])[0]["delivery_id"])
    work(house)
    with house.engine.db.read() as tx:
        assert hooks.listed(tx, MARTA)[0]["disabled_why"] == "it said 410"


@pytest.mark.parametrize(
    "addresses",
    [["10.0.0.5"], ["169.254.169.254"], ["93.184.216.34", "192.168.1.1"], ["::1"], ["::ffff:127.0.0.1"], ["0.0.0.0"], []],  # noqa: S104
)
def test_nothing_is_sent_to_a_private_place_whatever_its_name(
    house: House, there: Receiver, gateway: MemoryGateway, addresses: list[str]
) -> None:
    object.__setattr__(house.engine.rules, "local_hooks", False)
    made = hooks.add(house.engine, MARTA, "https://innocent.example.com/in", provider_id="tejo")
    buy(house, gateway)
    (line,) = hooks.deliveries(house.engine, MARTA, made["hook_id"])
    post(house.engine, line["delivery_id"], lookup=lambda _host, _port: addresses)
    (line,) = hooks.deliveries(house.engine, MARTA, made["hook_id"])
    assert (line["state"], line["error"]) == ("queued", "It is at a private address, where nothing is sent.")
    assert there.got == []


def test_addresses_that_are_none_are_refused() -> None:
    bad = ("http://example.com/", "ftp://example.com", "https://", "https://a:b@example.com/", "https://example.com/#x", "https://ex ample.com",
           "https://example.com:99999/", "https://example.com\\@evil.com", "https://bücher.example/", "//example.com", "")  # fmt: skip
    for one in bad:
        with pytest.raises(Invalid):
            hooks.check_url(one)
    assert hooks.check_url(" https://example.com:8443/a?b=c ") == "https://example.com:8443/a?b=c"


def test_who_no_longer_works_there_hears_nothing_more(house: House, there: Receiver, gateway: MemoryGateway) -> None:
    hooks.add(house.engine, MARTA, there.url, provider_id="tejo")
    with pytest.raises(NotFound):
        hooks.add(house.engine, Actor("rita"), there.url, provider_id="tejo")
    with house.engine.db.write() as tx:
        tx.execute(delete(account_role).where(account_role.c.account_id == "marta"))
    buy(house, gateway)
    with house.engine.db.read() as tx:
        assert tx.execute(select(hook_delivery)).all() == []


def test_the_whole_of_it_over_rest(house: House, there: Receiver, gateway: MemoryGateway) -> None:
    with running(house) as live:
        marta, rita = as_(live, "marta"), as_(live, "rita")
        made = marta.post("/api/hooks/", json={"url": there.url, "provider": "tejo", "events": ["booking.confirmed"]})
        assert made.status_code == 200, made.text
        hook_id, secret = made.json()["hook_id"], made.json()["secret"]
        assert secret.startswith("whsec_") and secret not in marta.get("/api/hooks/").text
        assert rita.post("/api/hooks/", json={"url": there.url, "provider": "tejo"}).status_code == 404
        assert marta.post("/api/hooks/", json={"url": there.url, "events": ["all"]}).json()["field"] == "events"
        buy(house, gateway)
        work(house)
        (line,) = marta.get(f"/api/hooks/{hook_id}/deliveries/").json()["deliveries"]
        assert line["body"] == there.bodies()[0]
        path = f"/api/hooks/{hook_id}/deliveries/{line['delivery_id']}/replay/"
        for answer in (rita.post(path), rita.get(f"/api/hooks/{hook_id}/deliveries/"), rita.delete(f"/api/hooks/{hook_id}/")):
            assert answer.status_code == 404
        assert marta.post(path).json()["state"] == "queued"
        assert work(house) == 1 and len(there.got) == 2
        assert marta.delete(f"/api/hooks/{hook_id}/").json()["removed"] is True
        assert marta.get("/api/hooks/").json() == {"hooks": []}


def as_(live: Live, account: str) -> httpx.Client:
    return live.client(authorization=f"Bearer {api_token(live.house.engine, account)}")
