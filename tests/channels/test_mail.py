"""Mail over its own wire: real SMTP out, raw letters in, from the search to a voucher that real parsers read."""

from __future__ import annotations

import io
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from icalendar import Calendar
from pypdf import PdfReader
from sqlalchemy import select

from channels.sandbox.mail.post import Kept
from core import cancellations
from core.engine import Actor
from core.schema import account, audit_log, booking, booking_request, message, outbound
from tests.channels.conftest import wait_for
from tests.mailing import SECRET, Town, files_of, text_of, town
from tests.postgres import Postgres
from tests.stories.test_http import Client, button

HOST = "provider@demo.example"
OTHER = "tejo-days@example.com"  # the provider's own contact address, with no account behind it yet
ANA = "ana@example.com"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def there(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Town]:
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("migrated_sqlite"), tmp_path / "traveloure.db")
        with town(tmp_path) as one:
            yield one
        return
    postgres: Postgres = request.getfixturevalue("postgres")
    url = postgres.fresh(template=request.getfixturevalue("migrated_postgres"))
    with town(tmp_path, database_url=url) as one:
        yield one
    postgres.drop(url)


@pytest.fixture
def here(migrated_sqlite: Path, tmp_path: Path) -> Iterator[Town]:
    shutil.copy(migrated_sqlite, tmp_path / "traveloure.db")
    with town(tmp_path) as one:
        yield one


def ask_for_walk(client: Client, day: int = 12) -> str:
    """Ask for the private walk; returns the reference once the request is out."""
    client.post(text=f"A private walk through Alfama in Lisbon on {day} January 2027 for 2")
    client.post(action=button(client.wait("Alfama"), "Request"))
    client.post(action=button(client.wait("in your trip"), "Check out"))
    client.post(action=button(client.wait("Please check"), "Confirm"))
    confirm = button(client.wait("Who is booking?"), "Confirm and book")
    client.post(action=confirm, fields={"name": "Ana Silva", "email": ANA, "terms": True})
    found = re.search(r"TRV-[0-9A-Z]{6}", json.dumps(client.wait("Request sent")))
    assert found is not None
    return found[0]


def pay(client: Client) -> None:
    link = re.search(r'"url": "(http[^"]+/pay/[^"]+)"', json.dumps(client.wait("/stripe-local/pay/")))
    assert link is not None
    with httpx.Client(timeout=15) as browser:
        assert browser.post(link[1], data={"number": "4242 4242 4242 4242", "expiry": "12/34", "cvc": "123"}).is_redirect


def status_of(there: Town, reference: str) -> tuple[str, str]:
    with there.house.engine.db.read() as tx:
        row = tx.execute(
            select(booking.c.status, booking_request.c.status.label("request"))
            .join(booking_request, booking_request.c.booking_id == booking.c.id)
            .where(booking.c.reference == reference)
        ).one()
    return row.status, row.request


def entry_of(kept: Kept, reference: str) -> Any:
    calendar = Calendar.from_ical(files_of(kept)[f"{reference}.ics"])
    return calendar["METHOD"], next(one for one in calendar.walk("VEVENT"))


def test_a_request_is_approved_by_mail_paid_and_its_voucher_is_mailed(there: Town) -> None:
    """Search, request, answer by letter, payment, voucher with PDF and calendar entry, letters between the two, and the end of it."""
    with closing(Client(there.url)) as client:
        reference = ask_for_walk(client)
        asked = there.letter(HOST, f"please answer ({reference})")
        head = asked.message
        assert head["Auto-Submitted"] == "auto-generated"
        assert re.fullmatch(r"reply\+[0-9a-f]+\.[0-9a-f]{32}@house\.example", str(head["Reply-To"]))
        assert "Private walk through Alfama" in text_of(asked)
        html = head.get_body(preferencelist=("html",))
        assert html is not None and "Private walk through Alfama" in html.get_content()
        said = there.answer(asked, "Yes, with pleasure!\n\n-- \nMarta\nTejo Days, Lisbon")
        assert said.startswith('200 {"became":"answer"}')
        done = there.letter(HOST, "About your answer")
        assert f"{reference}: approved" in text_of(done)
        assert done.message["In-Reply-To"] is not None
        assert status_of(there, reference) == ("ON_HOLD", "approved")
        client.seen = 0
        pay(client)
        kept = there.letter(ANA, f"Your booking is confirmed ({reference})")
        files = files_of(kept)
        assert sorted(files) == sorted(
            [f"voucher-{reference}.pdf", f"{reference}.ics", *[one for one in files if one.startswith("receipt-R-")]]
        )
        assert len(files) == 3
        words = " ".join(PdfReader(io.BytesIO(files[f"voucher-{reference}.pdf"])).pages[0].extract_text().split())
        assert reference in words and "Alfama with Inês" in words and "Ana Silva" in words
        receipt = next(data for name, data in files.items() if name.startswith("receipt"))
        assert "€120" in PdfReader(io.BytesIO(receipt)).pages[0].extract_text()
        method, first = entry_of(kept, reference)
        assert (method, str(first["STATUS"])) == ("PUBLISH", "CONFIRMED")
        assert "/v/v" in text_of(kept) and "/trips/t" in text_of(kept)

        passed = there.after(lambda: there.answer(kept, "We will be ten minutes late."), HOST, "A message about your booking")
        assert "ten minutes late" in text_of(passed)
        assert ANA not in passed.raw.decode()
        back = there.after(lambda: there.answer(passed, "No problem, I wait at the fountain."), ANA, "A message about your booking")
        assert "at the fountain" in text_of(back)
        assert HOST not in back.raw.decode()
        client.seen = 0
        client.wait("at the fountain")

        engine = there.house.engine
        with engine.db.read() as tx:
            row = tx.execute(select(booking).where(booking.c.reference == reference)).one()
        actor = Actor(row.account_id, conversation_id=row.conversation_id)
        made = cancellations.propose(engine, actor, row.id)
        cancellations.commit(engine, actor, made["proposal_id"])
        over = there.letter(ANA, f"A booking was cancelled ({reference})")
        assert list(files_of(over)) == [f"{reference}.ics"]
        method, last = entry_of(over, reference)
        assert (method, str(last["STATUS"]), last["UID"]) == ("CANCEL", "CANCELLED", first["UID"])
        assert last["SEQUENCE"] > first["SEQUENCE"]
        assert last["ORGANIZER"] == "mailto:trips@house.example"

    def rows() -> list[Any]:
        with engine.db.read() as tx:
            return list(tx.execute(select(outbound.c.state, outbound.c.lane).where(outbound.c.channel == "mail")).all())

    wait_for(lambda: {row.state for row in rows()} == {"sent"})
    assert not any("@" in row.lane for row in rows())


def test_the_providers_own_address_answers_and_everybody_else_is_refused(here: Town) -> None:
    with closing(Client(here.url)) as client:
        reference = ask_for_walk(client)
        mine, theirs = here.letter(HOST, reference), here.letter(OTHER, reference)
        no = here.after(lambda: here.answer(theirs, "yes", sender="colleague@elsewhere.example"), "colleague@elsewhere.example", "answer")
        assert "do not know this address" in text_of(no)
        here.answer(mine, "yes", sender=OTHER)  # somebody else's letter, forwarded
        here.letter(OTHER, "About your answer")
        assert status_of(here, reference) == ("PENDING", "open")
        with here.house.engine.db.read() as tx:
            assert len(tx.execute(select(audit_log.c.id).where(audit_log.c.verb == "refused:answer")).all()) == 2
        before = here.post.count
        here.answer(theirs, "no, sorry")
        here.letter(OTHER, "About your answer", after=before)
        assert status_of(here, reference) == ("REJECTED", "declined")
        with here.house.engine.db.read() as tx:
            made = tx.execute(select(account.c.display_name).where(account.c.email == OTHER)).scalars().all()
        assert made == ["Tejo Days"]
        late = here.after(lambda: here.answer(mine, "yes"), HOST, "About your answer")
        assert "Nothing was changed" in text_of(late)
        assert status_of(here, reference) == ("REJECTED", "declined")


def test_what_is_not_understood_is_read_back_and_a_number_answers_it(here: Town) -> None:
    with closing(Client(here.url)) as client:
        reference = ask_for_walk(client)
        asked = here.letter(HOST, reference)
        back = here.after(lambda: here.answer(asked, "Can do 13 January instead for 150 euros"), HOST, "About your answer")
        shown = text_of(back)
        assert "1  Send this offer" in shown and "2  Approve" in shown and "€150" in shown
        assert status_of(here, reference) == ("PENDING", "open")
        sent = here.after(lambda: here.answer(back, "1"), HOST, "About your answer")
        assert "your offer was sent" in text_of(sent)
        offered = here.letter(ANA, f"other terms ({reference})")
        assert "€150" in text_of(offered)
        assert status_of(here, reference)[1] == "countered"


def test_machines_are_not_answered(here: Town) -> None:
    with closing(Client(here.url)) as client:
        reference = ask_for_walk(client)
    asked = here.letter(HOST, reference)
    before = here.post.count
    for headers in ({"Auto_Submitted": "auto-replied"}, {"Precedence": "bulk"}, {"X_Autoreply": "yes"}, {"List_Id": "<x.example>"}):
        assert here.answer(asked, "yes", **headers).startswith('200 {"became":"machine"}'), headers
    assert here.answer(asked, "what do you mean?").startswith('200 {"became":"answer"}')  # and its answer is the next letter there is
    here.letter(HOST, "About your answer", after=before)
    assert len([one for one in here.post.letters if one.recipient == HOST]) == 2
    assert status_of(here, reference) == ("PENDING", "open")


def test_a_letter_is_dealt_with_once_and_a_seal_cannot_be_made_up(here: Town) -> None:
    with closing(Client(here.url)) as client:
        reference = ask_for_walk(client)
    asked = here.letter(HOST, reference)
    raw = (
        f"From: {HOST}\r\nTo: {asked.message['reply-to']}\r\nMessage-ID: <one@x.example>\r\nSubject: Re\r\n\r\nhm, let me look\r\n"
    ).encode()
    url, given = f"{here.url}/webhooks/mail", {"authorization": f"Bearer {SECRET}"}
    assert httpx.post(url, content=raw).status_code == 403
    assert httpx.post(url, content=raw, headers={"authorization": "Bearer wrong"}).status_code == 403
    assert httpx.post(url, content=b"", headers=given).status_code == 400
    assert httpx.post(url, content=raw, headers=given).json() == {"became": "answer"}
    assert httpx.post(url, content=raw, headers=given).json() == {"became": "again"}
    forged = raw.replace(b"reply+", b"reply+f").replace(b"one@x", b"two@x")
    assert httpx.post(url, content=forged, headers=given).json() == {"became": "nothing"}
    assert httpx.post(url, content=raw.upper().replace(b"ONE@X", b"three@x"), headers=given).json() == {"became": "answer"}
    with here.house.engine.db.read() as tx:
        assert tx.execute(select(message.c.seq).where(message.c.role == "provider")).all() == []


def test_a_bounce_is_told_by_the_outbox(here: Town) -> None:
    with closing(Client(here.url)) as client:
        reference = ask_for_walk(client)
    asked = here.letter(HOST, reference)
    wait_for(lambda: _state(here, HOST) == ("sent", None))
    report = "\r\n".join(
        (
            "From: MAILER-DAEMON@mx.example", f"To: {asked.sender}", "Subject: Undelivered", "MIME-Version: 1.0", "Auto-Submitted: auto-replied",
            'Content-Type: multipart/report; report-type=delivery-status; boundary="b"', "", "--b", "Content-Type: text/plain", "", "Sorry.", "--b",
            "Content-Type: message/delivery-status", "", "Reporting-MTA: dns; mx.example", "", f"Final-Recipient: rfc822; {HOST}", "Action: {action}",
            "Status: {status}", "", "--b--", "",
        )
    )  # fmt: skip
    given = {"authorization": f"Bearer {SECRET}"}
    for action, status, state in (("delayed", "4.4.1", ("sent", None)), ("failed", "5.1.1", ("failed", "it came back: 5.1.1"))):
        raw = report.replace("{action}", action).replace("{status}", status).encode()
        assert httpx.post(f"{here.url}/webhooks/mail", content=raw, headers=given).json() == {"became": "bounce"}
        assert _state(here, HOST) == state


def _state(here: Town, to: str) -> tuple[str, str | None]:
    with here.house.engine.db.read() as tx:
        row = tx.execute(select(outbound.c.state, outbound.c.error).where(outbound.c.address == to)).one()
    return row.state, row.error


def test_who_is_near_is_reminded_once_and_can_turn_that_off(here: Town) -> None:
    from core import preferences, reminders
    from tests import builders
    from tests.conftest import Clock

    engine = here.house.engine
    with closing(Client(here.url)) as client:
        reference = ask_for_walk(client)
        here.answer(here.letter(HOST, reference), "yes")
        client.seen = 0
        pay(client)
        here.letter(ANA, "confirmed")
    assert builders  # the market is the builders' own
    with engine.db.read() as tx:
        row = tx.execute(select(booking).where(booking.c.reference == reference)).one()
    clock = Clock()
    clock.at = row.starts_at - timedelta(hours=14)
    near = type(engine)(db=engine.db, gateway=engine.gateway, clock=clock, rules=engine.rules)
    assert reminders.sweep(near) == 1
    assert reminders.sweep(near) == 0
    with engine.db.write() as tx:
        from sqlalchemy import update

        from core import jobs

        tx.execute(update(outbound).where(outbound.c.notice == "reminder").values(not_before=engine.clock()))
        jobs.enqueue(tx, "deliver", {}, run_at=engine.clock(), now=engine.clock(), dedupe="deliver")
    kept = here.letter(ANA, f"Your booking is near ({reference})")
    assert kept.message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    off = str(kept.message["List-Unsubscribe"]).strip("<>")
    assert httpx.get(off).status_code == 200
    from channels.mail.address import key_of

    with engine.db.read() as tx:
        assert not preferences.is_off(tx, key_of(ANA), "reminder")
    assert httpx.post(off, data={"List-Unsubscribe": "One-Click"}).status_code == 200
    with engine.db.read() as tx:
        assert preferences.is_off(tx, key_of(ANA), "reminder")
    assert httpx.get(off[:-1] + ("0" if off[-1] != "0" else "1")).status_code == 404
