"""Fetching what people give as a calendar: nothing private is reached, nothing is too big or too slow; and the public address."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from sqlalchemy import select

from channels import calendars as door
from channels.calendars import Fetched, Unreachable, fetch, is_public, pull
from channels.worker import HANDLERS
from core import calendars, jobs, schedules
from core.engine import Actor, Engine
from core.schema import availability_exception, calendar_feed, outbound
from tests import builders
from tests.channels.conftest import Live
from tests.core.test_ical import calendar

TEJO = Actor("paul", role="provider", provider_ids=("tejo",))
GOOD = calendar("UID:a\nDTSTART;VALUE=DATE:20270304\nDTEND;VALUE=DATE:20270306")


@dataclass
class Site:
    """Another site on loopback: what it answers by path, and what it was asked."""

    port: int = 0
    answers: dict[str, Callable[[BaseHTTPRequestHandler], None]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def gives(self, path: str, body: str | bytes = "", status: int = 200, **headers: str) -> str:
        raw = body.encode() if isinstance(body, str) else body

        def answer(to: BaseHTTPRequestHandler) -> None:
            to.send_response(status)
            for name, value in headers.items():
                to.send_header(name.replace("_", "-"), value)
            to.send_header("content-length", str(len(raw)))
            to.end_headers()
            to.wfile.write(raw)

        self.answers[path] = answer
        return self.url(path)


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.asked.append((self.path, {key.lower(): value for key, value in self.headers.items()}))
            made.answers[self.path](self)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    made.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield made
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.1", "172.16.9.9", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0." * 3 + "0", "127.0.0.1", "127.9.9.9", "224.0.0.1", "240.0.0.1",
        "255.255.255.255", "192.0.2.1", "198.18.0.1", "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1", "::ffff:10.0.0.1",
        "::ffff:127.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "2001:db8::1",
    ],
)  # fmt: skip
def test_private_addresses_are_not_public(address: str) -> None:
    assert not is_public(address)


def test_public_ones_are_and_loopback_only_where_it_is_allowed() -> None:
    assert all(is_public(one) for one in ("8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8"))
    assert is_public("127.0.0.1", local=True)
    assert is_public("::1", local=True)
    assert not is_public("10.0.0.1", local=True)
    assert not is_public("169.254.169.254", local=True)


def test_a_name_that_leads_inside_is_not_reached(site: Site) -> None:
    url = site.gives("/a.ics", GOOD)
    for addresses in (["127.0.0.1"], ["8.8.8.8", "127.0.0.1"], []):
        with pytest.raises(Unreachable, match="private"):
            fetch(url.replace("127.0.0.1", "looks-public.example"), lookup=lambda host, port, found=addresses: found)
    with pytest.raises(Unreachable, match="private"):
        fetch(url)
    assert site.asked == []


def test_a_name_is_looked_up_once_so_that_it_cannot_change_its_mind(site: Site) -> None:
    url = site.gives("/a.ics", GOOD).replace("127.0.0.1", "rebinding.example")
    asked: list[str] = []

    def lookup(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]

    assert fetch(url, local=True, lookup=lookup).text == GOOD
    assert asked == ["rebinding.example"]


def test_every_step_of_a_redirect_is_looked_at(site: Site) -> None:
    site.gives("/a.ics", GOOD, etag='"1"')
    first = site.gives("/old", status=301, location="/moved")
    site.gives("/moved", status=307, location="/a.ics")
    assert fetch(first, local=True) == Fetched(GOOD, '"1"', "")
    inward = site.gives("/inward", status=302, location="http://internal.example/secret")
    with pytest.raises(Unreachable, match="private"):
        fetch(inward, local=True, lookup=lambda host, port: ["10.0.0.7"] if host == "internal.example" else ["127.0.0.1"])
    for location in ("file:///etc/passwd", "ftp://x.example/", "http://u:p@x.example/", "", "http://[bad/"):
        with pytest.raises(Unreachable):
            fetch(site.gives("/odd", status=302, location=location), local=True)
    with pytest.raises(Unreachable, match="without end"):
        fetch(site.gives("/round", status=302, location="/round"), local=True)


def test_what_is_too_big_too_slow_or_not_there_is_not_read(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unreachable, match="bigger than 2 MB"):
        fetch(site.gives("/big", b"x" * (door.MOST_BYTES + 1)), local=True)
    with pytest.raises(Unreachable, match="404"):
        fetch(site.gives("/gone", status=404), local=True)
    with pytest.raises(Unreachable, match="304"):
        fetch(site.gives("/never", status=304), local=True)  # nobody asked whether anything is new
    with pytest.raises(Unreachable, match="could not be reached"):
        fetch("http://127.0.0.1:1/a.ics", local=True)
    with pytest.raises(Unreachable):
        fetch(f"https://127.0.0.1:{site.port}/a.ics", local=True)
    monkeypatch.setattr(door, "PATIENCE", 0.1)
    monkeypatch.setattr(door, "SECONDS", 0.3)
    drip = threading.Event()

    def slowly(to: BaseHTTPRequestHandler) -> None:
        to.send_response(200)
        to.end_headers()
        while not drip.wait(0.02):
            try:
                to.wfile.write(b"x")
                to.wfile.flush()
            except OSError:
                return

    site.answers["/drip"] = slowly
    site.answers["/silent"] = lambda to: drip.wait(2) and None
    began = time.monotonic()
    for path in ("/drip", "/silent"):
        with pytest.raises(Unreachable, match="in time"):
            fetch(site.url(path), local=True)
    assert time.monotonic() - began < 5
    drip.set()


def test_the_job_reads_takes_in_and_asks_politely_the_next_time(engine: Engine, site: Site, clock: Any) -> None:
    house = replace(engine, rules=replace(engine.rules, local_calendars=True))
    builders.products(house, "kayak")
    url = site.gives("/a.ics", GOOD, etag='"7"', last_modified="Wed, 25 Nov 2026 08:00:00 GMT")
    id = calendars.add_feed(house, TEJO, "kayak", url)
    with house.db.write() as tx:
        (job,) = jobs.claim(tx, [calendars.JOB], clock())
    HANDLERS[job.kind](house, job.payload)
    assert [(one.from_date.day, one.to_date.day, one.reason) for one in closed(house)] == [(4, 5, "127.0.0.1")]
    site.gives("/a.ics", status=304)
    clock.forward(minutes=31)
    pull(house, id)
    asked = site.asked[-1][1]
    assert (asked["if-none-match"], asked["if-modified-since"]) == ('"7"', "Wed, 25 Nov 2026 08:00:00 GMT")
    assert len(closed(house)) == 1
    site.gives("/a.ics", "<html>Please sign in</html>")
    clock.forward(minutes=31)
    pull(house, id)
    site.gives("/a.ics", GOOD.replace("END:VCALENDAR", ""))
    clock.forward(hours=2)
    pull(house, id)
    with house.db.read() as tx:
        row = tx.execute(select(calendar_feed)).one()
        told = tx.execute(select(outbound.c.notice)).scalars().all()
    assert (row.state, row.failures) == ("failing", 2)
    assert told == ["calendar_broken"]
    assert len(closed(house)) == 1
    calendars.remove_feed(house, TEJO, id)
    pull(house, id)
    assert closed(house) == []


def test_without_the_setting_this_machine_is_private(engine: Engine, site: Site) -> None:
    builders.products(engine, "kayak")
    id = calendars.add_feed(engine, TEJO, "kayak", site.gives("/a.ics", GOOD))
    pull(engine, id)
    with engine.db.read() as tx:
        assert tx.execute(select(calendar_feed.c.error)).scalar_one() == "It is at a private address, which is not read."
    assert site.asked == []


def closed(engine: Engine) -> list[Any]:
    with engine.db.read() as tx:
        return list(tx.execute(select(availability_exception)).all())


def test_the_address_serves_a_calendar_until_it_is_taken_back(live: Live) -> None:
    engine = live.house.engine
    builders.products(engine, "kayak")
    schedules.block(engine, TEJO, "PRODUCT", "kayak", builders.DAY, builders.DAY)
    token = calendars.share(engine, TEJO, "kayak", name="Other site")
    with live.client() as anyone:
        read = anyone.get(f"/calendars/{token}.ics")
        assert (read.status_code, read.headers["content-type"]) == (200, "text/calendar; charset=utf-8")
        assert "SUMMARY:Blocked" in read.text
        assert read.headers["x-robots-tag"] == "noindex"
        again = anyone.get(f"/calendars/{token}.ics", headers={"if-none-match": read.headers["etag"]})
        assert (again.status_code, again.text) == (304, "")
        assert anyone.head(f"/calendars/{token}.ics").status_code == 200
        calendars.revoke(engine, TEJO, token)
        for path in (token, "x", "../provider", token[:-1]):
            assert anyone.get(f"/calendars/{path}.ics").status_code == 404
