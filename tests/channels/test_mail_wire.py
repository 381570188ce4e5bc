"""One letter and a mail server that is in no good mood: what is sent again, what never is, and what the outbox says of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from email import message_from_bytes
from email.policy import default

import pytest
from sqlalchemy import select, update

from channels import delivery
from channels.compose import Composer
from channels.delivery import Courier
from channels.mail.address import lane_of
from channels.mail.compose import MailComposer
from channels.mail.deliver import MailDoor, Server
from channels.mail.render import Sender
from channels.sandbox.mail.post import Fault, Post
from core import notices
from core.engine import Engine
from core.schema import outbound
from tests.conftest import Clock
from tests.mailing import post_office

TO = "ana@example.com"
BASE = "http://127.0.0.1:8000"
FROM = Sender("Traveloure <trips@house.example>")


@pytest.fixture
def post() -> Iterator[tuple[Post, int]]:
    made = Post()
    with post_office(made) as port:
        yield made, port


def queue(engine: Engine, key: str = "one", notice: str = "alarm", **content: str) -> None:
    with engine.db.write() as tx:
        notices.send(
            tx, channel="mail", address=TO, notice=notice, content={"text": "Look at this", **content}, now=engine.clock(), key=key
        )
    delivery.deliver(engine, {"mail": lane_of})


def run(engine: Engine, port: int, *, timeout: float = 5.0) -> None:
    door = MailDoor(Server("127.0.0.1", port, tls="none"), FROM, timeout=timeout)
    composer = MailComposer(BASE, Composer(BASE))
    asyncio.run(Courier(engine, [door], composer, lambda *_: None).run(lane_of(TO)))


def rows(engine: Engine) -> list[tuple[str, str | None]]:
    with engine.db.read() as tx:
        return [(row.state, row.error) for row in tx.execute(select(outbound.c.state, outbound.c.error).order_by(outbound.c.id))]


def test_a_server_that_puts_off_is_asked_again_for_hours_with_the_same_letter(engine: Engine, clock: Clock, post: tuple[Post, int]) -> None:
    office, port = post
    queue(engine)
    office.faults += [Fault("rcpt", 451, "4.7.1 greylisted"), Fault("data", 452, "4.3.1 full"), Fault("rcpt", 421, "4.3.2 later")]
    for wait in (60, 300, 900):
        run(engine, port)
        assert rows(engine)[0][0] == "queued"
        clock.forward(seconds=wait - 1)
        run(engine, port)
        assert len(office.letters) == 0
        clock.forward(seconds=1)
    run(engine, port)
    assert office.count == 1
    assert rows(engine)[0][0] == "sent"
    queue(engine, "two")
    run(engine, port)
    first, second = office.letters[0].message["message-id"], office.letters[-1].message["message-id"]
    assert str(first).endswith("@house.example>") and first != second


def test_a_refusal_is_final_and_keeps_nothing_else_waiting(engine: Engine, post: tuple[Post, int]) -> None:
    office, port = post
    queue(engine)
    queue(engine, "two")
    office.faults.append(Fault("rcpt", 550, "5.1.1 No such user here"))
    run(engine, port)
    assert rows(engine) == [("failed", "550 5.1.1 No such user here"), ("sent", None)]
    assert len(office.letters) == 1


def test_silence_after_the_dot_is_uncertain_and_not_sent_again(engine: Engine, post: tuple[Post, int]) -> None:
    office, port = post
    queue(engine)
    office.faults.append(Fault("hang"))
    run(engine, port)
    state, error = rows(engine)[0]
    assert state == "uncertain" and "no word from the mail server" in str(error)
    run(engine, port)
    assert office.count == 1


def test_a_process_that_dies_between_sending_and_writing_down_sends_nothing_twice(
    engine: Engine, clock: Clock, post: tuple[Post, int]
) -> None:
    office, port = post
    queue(engine)
    run(engine, port)
    assert office.count == 1
    with engine.db.write() as tx:  # what is left of a process that died after the server took the letter
        gone = {"state": "sending", "progress": 0, "leased_until": clock() - timedelta(seconds=1)}
        tx.execute(update(outbound).values(**gone))
    run(engine, port)
    assert office.count == 1
    assert rows(engine) == [("uncertain", "the process ended in the middle of sending")]


def test_nobody_there_is_tried_again(engine: Engine) -> None:
    queue(engine)
    with post_office(Post()) as port:
        pass
    run(engine, port)
    assert rows(engine)[0][0] == "queued"


def test_what_people_write_is_escaped_and_cannot_add_headers(engine: Engine, post: tuple[Post, int]) -> None:
    office, port = post
    queue(engine, text="<script>alert(1)</script>\r\n.\r\nRCPT TO:<eve@example.com>", what="x\r\nBcc: eve@example.com")
    run(engine, port)
    assert [one.recipient for one in office.letters] == [TO]
    made = message_from_bytes(office.letters[0].raw, policy=default)
    assert made["bcc"] is None
    html = made.get_body(preferencelist=("html",))  # type: ignore[attr-defined]
    assert "&lt;script&gt;" in html.get_content() and "<script>" not in html.get_content()
    text = made.get_body(preferencelist=("plain",)).get_content()  # type: ignore[attr-defined]
    assert "\r\n.\r\n" in text  # the dot of somebody's text did not end the letter


@pytest.mark.parametrize(
    ("url", "tls", "port"),
    [
        ("smtp://u:p%40w@mx.example", "start", 587),
        ("smtps://mx.example", "whole", 465),
        ("smtp://127.0.0.1:2525", "none", 2525),
        ("smtp://mx.example?tls=no", "none", 587),
    ],
)
def test_a_server_is_read_from_its_address(url: str, tls: str, port: int) -> None:
    server = Server.read(url)
    assert (server.tls, server.port) == (tls, port)
    assert server.password == ("p@w" if "p%40w" in url else "")


@pytest.mark.parametrize("url", ["", "http://mx.example", "smtp:", "mx.example:25"])
def test_what_is_no_mail_server_is_told_without_repeating_it(url: str) -> None:
    with pytest.raises(ValueError, match="a mail server is given as"):
        Server.read(url)
