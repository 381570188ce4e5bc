"""Text messages over Twilio's wire: signed both ways, a request approved by a phone, STOP, and what became of each message."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from channels import demo
from channels.house import House
from channels.main import build, web
from channels.sandbox.sms.app import Network, SmsSandbox, Text
from channels.settings import Settings
from channels.web.serve import server
from core import identities
from core.schema import booking, booking_request, channel_identity, outbound
from tests import market
from tests.channels.conftest import wait_for
from tests.channels.test_mail import ask_for_walk, pay
from tests.sandbox import open_socket, serving
from tests.stories.test_http import Client

PHONE, OTHER = "+351910000001", "+351910000002"
NUMBER = "+351300500100"


@dataclass
class Town:
    house: House
    url: str
    network: Network

    def send(self, phone: str, body: str) -> None:
        assert asyncio.run(self.network.text(phone, body)) == 200

    def got(self, phone: str, words: str, *, after: int = 0) -> Text:
        """The newest text to a phone with these words; waits for it."""

        def look() -> Text | None:
            found = [one for one in list(self.network.texts)[after:] if one.out and one.phone == phone and words in one.body]
            return found[-1] if found else None

        return wait_for(look, 20)  # type: ignore[no-any-return]

    def ask(self, phone: str, body: str, words: str) -> Text:
        after = len(self.network.texts)
        self.send(phone, body)
        return self.got(phone, words, after=after)

    def link(self, phone: str, account_id: str = "demo-provider") -> None:
        self.ask(phone, f"LINK {identities.invite(self.house.engine, account_id)}", "is linked to")

    def request(self, reference: str) -> tuple[str, str]:
        with self.house.engine.db.read() as tx:
            row = tx.execute(
                select(booking.c.status, booking_request.c.status.label("asked"))
                .join(booking_request, booking_request.c.booking_id == booking.c.id)
                .where(booking.c.reference == reference)
            ).one()
        return row.status, row.asked

    def told(self, notice: str) -> bool:
        with self.house.engine.db.read() as tx:
            return tx.execute(select(outbound.c.id).where(outbound.c.channel == "sms", outbound.c.notice == notice)).first() is not None

    def states(self) -> list[tuple[str, str | None]]:
        """What became of each text; cards cannot be edited there, so their editions are none."""
        with self.house.engine.db.read() as tx:
            rows = tx.execute(
                select(outbound.c.state, outbound.c.error)
                .where(outbound.c.channel == "sms", outbound.c.notice != "request.card")
                .order_by(outbound.c.id)
            ).all()
        return [(row.state, row.error) for row in rows]


@contextmanager
def town(data: Path) -> Iterator[Town]:
    network = Network("AC" + "1" * 32, "t" * 32, NUMBER)
    listener = open_socket()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    network.inbound = f"http://127.0.0.1:{port}/webhooks/sms"
    settings = Settings(  # type: ignore[call-arg]
        _env_file=None,
        TRAVELOURE_DATA=data,
        PORT=port,
        TWILIO_ACCOUNT_SID=network.sid,
        TWILIO_AUTH_TOKEN=network.token,
        TWILIO_FROM=NUMBER,
        TWILIO_API_URL=f"http://127.0.0.1:{listener.getsockname()[1]}",
    )
    house = build(settings)
    market.load(house.engine, data)
    demo.ensure_people(house.engine)
    with serving(SmsSandbox(network), listener):
        door = server(house, web(house, pace=0.0), log_level="error")
        thread = threading.Thread(target=door.run, daemon=True)
        thread.start()
        try:
            wait_for(lambda: door.started, 30)
            yield Town(house, settings.base_url, network)
        finally:
            door.should_exit = True
            thread.join(20)
            house.close()
            assert not thread.is_alive(), "the server did not stop"


@pytest.fixture
def here(migrated_sqlite: Path, tmp_path: Path) -> Iterator[Town]:
    shutil.copy(migrated_sqlite, tmp_path / "traveloure.db")
    with town(tmp_path) as one:
        yield one


def test_a_request_is_approved_by_text_and_the_two_write_to_each_other(here: Town) -> None:
    here.link(PHONE)
    with closing(Client(here.url)) as client:
        reference = ask_for_walk(client)
        asked = here.got(PHONE, reference)
        assert "Private walk through Alfama" in asked.body and "yes, no or in your own words" in asked.body
        here.ask(PHONE, "Yes, with pleasure", f"{reference}: approved")
        assert here.request(reference) == ("ON_HOLD", "approved")
        client.seen = 0
        pay(client)
        wait_for(lambda: here.told("booking_received"))  # by text at once, or in the provider's morning
        here.ask(PHONE, f"{reference} see you at the fountain", "passed that on")
        shown = json.dumps(client.wait("see you at the fountain"))
        assert reference not in shown.split("see you at")[0][-10:]
        assert PHONE not in json.dumps(client.http.get("/chat/v1/history").json())
    wait_for(lambda: {state for state, _ in here.states()} - {"queued"} == {"delivered"})
    assert {status for _, _, status in here.network.callbacks} == {204}


def test_several_requests_are_told_apart_by_code_and_a_number_chooses(here: Town) -> None:
    here.link(PHONE)
    with closing(Client(here.url)) as client, closing(Client(here.url)) as second:
        first, other = ask_for_walk(client, 12), ask_for_walk(second, 14)
        here.got(PHONE, first)
        here.got(PHONE, other)
        which = here.ask(PHONE, "yes", "Which request")
        assert first in which.body and other in which.body
        assert (here.request(first)[1], here.request(other)[1]) == ("open", "open")
        here.ask(PHONE, f"{other} yes", f"{other}: approved")
        assert (here.request(first)[1], here.request(other)[1]) == ("open", "approved")
        back = here.ask(PHONE, "hm, maybe at four?", "not understood every word")
        number = re.search(r"^(\d) Decline$", back.body, re.MULTILINE)
        assert number is not None
        here.ask(PHONE, number[1], f"{first}: declined")
        assert here.request(first)[1] == "declined"


def test_a_phone_that_is_not_linked_decides_nothing(here: Town) -> None:
    here.link(PHONE)
    with closing(Client(here.url)) as client:
        reference = ask_for_walk(client)
        here.got(PHONE, reference)
        here.ask(OTHER, f"{reference} yes", "cannot do anything")
        assert here.request(reference) == ("PENDING", "open")


def test_stop_is_kept_and_start_opens_again(here: Town) -> None:
    here.link(PHONE)
    here.send(PHONE, "STOP")

    def quiet() -> bool:
        with here.house.engine.db.read() as tx:
            row = tx.execute(select(channel_identity.c.blocked_at).where(channel_identity.c.chat_id == PHONE)).one()
        return row.blocked_at is not None

    wait_for(quiet)
    with closing(Client(here.url)) as client, closing(Client(here.url)) as second:
        reference = ask_for_walk(client, 12)
        here.send(PHONE, "start")
        wait_for(lambda: not quiet())
        later = ask_for_walk(second, 14)
        here.got(PHONE, later)
    assert not [one for one in here.network.texts if one.out and reference in one.body]
    assert "Reply STOP to end" in here.ask(PHONE, "help", "Traveloure: requests").body


def test_only_twilio_is_believed(here: Town) -> None:
    here.link(PHONE)
    form = {"MessageSid": "SM1", "AccountSid": here.network.sid, "From": PHONE, "To": NUMBER, "Body": "yes"}
    for path in ("/webhooks/sms", "/webhooks/sms/status?row=1"):
        url = f"{here.url}{path}"
        assert httpx.post(url, data=form).status_code == 403
        signed = here.network.sign(url, form)
        assert httpx.post(url, data={**form, "Body": "no"}, headers={"x-twilio-signature": signed}).status_code == 403
        assert httpx.post(url, data=form, headers={"x-twilio-signature": signed}).status_code in (200, 204)


def test_what_twilio_refuses_loses_and_delays_is_told_by_the_outbox(here: Town) -> None:
    here.link(PHONE)
    wait_for(lambda: here.states() == [("delivered", None)])
    network = here.network
    for fault, said in (
        (("refuse", 30007), ("failed", "30007 refused")),
        (("undelivered", 30003), ("failed", "not delivered (30003)")),
        (("status", 500), ("uncertain", "500")),
        (("status", 503), ("delivered", "503")),  # put off, and sent a moment later
    ):
        before = len(here.states())
        network.faults.append(fault)
        here.send(PHONE, "help")
        wait_for(lambda at=before: len(here.states()) > at and here.states()[at][0] not in ("queued", "sending", "sent"))
        state, error = here.states()[before]
        assert state == said[0], (fault, error)
        assert (error or "").startswith(said[1]) or said[0] == "delivered"
    network.stopped.add(PHONE)
    here.send(PHONE, "help")
    wait_for(lambda: here.states()[-1] == ("failed", "they have opted out"))
