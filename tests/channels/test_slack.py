"""Slack over its own wire: the real Bolt and client, the stand-in's rules, Socket Mode and signed HTTP."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from channels.sandbox.slack.world import Member, labels, shown_text
from core import conversations, handoff
from core.engine import Actor
from core.schema import booking, booking_request, conversation, inbound, message, place
from tests import builders as b
from tests.channels.conftest import wait_for
from tests.postgres import Postgres
from tests.slack import Office, office
from tests.telegram import reference_in


@pytest.fixture(params=["socket", pytest.param("http", marks=pytest.mark.slow)])
def there(request: pytest.FixtureRequest, migrated_sqlite: Path, tmp_path: Path) -> Iterator[Office]:
    shutil.copy(migrated_sqlite, tmp_path / "traveloure.db")
    with office(tmp_path, http=request.param == "http") as one:
        yield one


@pytest.fixture
def socketed(migrated_sqlite: Path, tmp_path: Path) -> Iterator[Office]:
    shutil.copy(migrated_sqlite, tmp_path / "traveloure.db")
    with office(tmp_path) as one:
        yield one


@pytest.fixture
def on_postgresql(postgres: Postgres, migrated_postgres: str, tmp_path: Path) -> Iterator[Office]:
    url = postgres.fresh(template=migrated_postgres)
    with office(tmp_path, database_url=url) as one:
        yield one
    postgres.drop(url)


def place_of(there: Office, chat_id: str, thread_id: str = "") -> tuple[str, str]:
    """(conversation, account) of a place."""
    with there.house.engine.db.read() as tx:
        row = tx.execute(
            select(place.c.conversation_id, conversation.c.account_id)
            .join(conversation, conversation.c.id == place.c.conversation_id)
            .where(place.c.chat_id == chat_id, place.c.thread_id == thread_id)
        ).one()
    return row.conversation_id, row.account_id


def request_walk(there: Office, who: Member, day: int = 12) -> str:
    """Ask for the private walk and confirm; returns the reference."""
    there.ask(who, f"A private walk through Alfama in Lisbon on {day} January 2027 for 2", lambda one: "Request" in labels(one))
    there.press(who, "Request", "in your trip")
    there.press(who, "Check out", "Please check")
    there.press(who, "Confirm", "Who is booking?")
    there.modal(who, "Fill in")
    after = there.world.ts()
    assert there.submit(who, name=who.name, email="ana@example.com", terms="true").answer is None
    return reference_in(shown_text(there.world.see(there.world.dm(who), "Request sent", after=after)))


def requests_of(there: Office) -> list[tuple[str, str]]:
    with there.house.engine.db.read() as tx:
        query = select(booking.c.reference, booking_request.c.status).join(booking, booking.c.id == booking_request.c.booking_id)
        return [(row.reference, row.status) for row in tx.execute(query.order_by(booking_request.c.created_at))]


# ── travelers ─────────────────────────────────────────────────────────────────────────────────────


def test_a_trip_is_booked_and_paid_and_its_one_status_message_is_edited(there: Office) -> None:
    ana = there.meet("Ana")
    dm = there.world.dm(ana)
    there.ask(ana, "The pasta class in Rome on 12 January 2027 for 2 adults", lambda one: "Add to trip" in labels(one))
    there.press(ana, "Add to trip", "in your trip")
    there.press(ana, "Check out", "Please check")
    there.press(ana, "Confirm", "Who is booking?")
    form = there.modal(ana, "Fill in")
    assert [block["block_id"] for block in form["blocks"] if block["type"] == "input"] == ["name", "email", "requests", "terms"]
    wrong = there.submit(ana, name="Ana Silva", email="ana at home", terms="true")
    assert wrong.answer is not None
    assert (wrong.answer["response_action"], list(wrong.answer["errors"])) == ("errors", ["email"])
    there.submit(ana, name="Ana Silva", email="ana@example.com", terms="true")
    assert ana.modals == []
    pay = there.world.see(dm, "Please pay")
    with httpx.Client(trust_env=False) as browser:
        assert browser.post(there.url_of(pay), data={"tap": "success"}).status_code == 303
    done = there.world.see(dm, lambda one: one["ts"] == pay["ts"] and "confirmed" in shown_text(one), timeout=20)
    assert not any("Pay now" in label for label in labels(done))
    there.world.see(dm, "Booked and confirmed", after=pay["ts"])
    assert b.statuses(there.house.engine.db) == {"pasta-class": "CONFIRMED"}
    there.world.open_home(ana)
    home = wait_for(lambda: ana.home)
    assert reference_in(shown_text(done)) in shown_text({"blocks": home["blocks"]})


def test_a_day_and_a_party_are_picked_in_a_modal(there: Office) -> None:
    ana = there.meet("Ana")
    dm = there.world.dm(ana)
    there.ask(ana, "Tell me about the sunset sail in Lisbon", lambda one: bool(labels(one)))
    label = next(text for one in reversed(there.world.sent(dm)) for text in labels(one) if text in ("Choose a day", "Add to trip"))
    there.press(ana, label, lambda one: "Fill in" in labels(one))
    form = there.modal(ana, "Fill in")
    kinds = [block["element"]["type"] for block in form["blocks"] if block["type"] == "input"]
    assert kinds == ["datepicker", "static_select", "static_select", "static_select"]
    late = there.submit(ana, date="2001-01-01", adults="3")
    assert late.answer is not None
    assert list(late.answer["errors"]) == ["date"]
    day = (there.house.engine.clock().date().replace(day=1)).isoformat()
    year, month = int(day[:4]) + (int(day[5:7]) == 12), int(day[5:7]) % 12 + 1
    after = there.world.ts()
    there.submit(ana, date=f"{year}-{month:02d}-20", adults="3")
    assert "3 adults" in shown_text(there.world.see(dm, "in your trip", after=after))


def test_an_assistant_thread_is_a_conversation_of_its_own_with_prompts_and_a_status(there: Office) -> None:
    ana = there.meet("Ana")
    dm = there.world.dm(ana)
    thread = there.world.open_assistant(ana)
    there.world.see(dm, "assistant, a computer program", thread=thread)
    assert len(wait_for(lambda: there.world.prompts)[0]["prompts"]) == 3
    found = there.ask(ana, "Something fun in Lisbon next Saturday for two", lambda one: "Add to trip" in labels(one), thread=thread)
    assert found["thread_ts"] == thread
    assert wait_for(lambda: there.world.statuses)[0]["thread_ts"] == thread
    there.press(ana, "Add to trip", lambda one: "in your trip" in shown_text(one) and one["thread_ts"] == thread)
    assert place_of(there, dm.id)[0] != place_of(there, dm.id, thread)[0]


def test_what_a_stranger_writes_is_never_markup(there: Office) -> None:
    eve = there.world.person("<!channel> & Eve")
    there.world.post(eve, "Hello <@U123> & <b>x</b>")
    dm = there.world.dm(eve)
    there.world.see(dm, "assistant")
    conversation_id, _ = wait_for(lambda: place_of(there, dm.id))
    expert = Actor("demo-expert", role="expert", channel="console")
    handoff.claim(there.house.engine, expert, conversation_id)
    handoff.reply(there.house.engine, expert, conversation_id, "<!channel> 1 < 2 & so on", client_id="e-1")
    told = there.world.see(dm, "1 < 2 & so on")
    raw = str(told["blocks"])
    assert "&lt;!channel&gt; 1 &lt; 2 &amp; so on" in raw
    assert "<!channel>" not in raw + told["text"]
    with there.house.engine.db.read() as tx:
        lines = [row.data["parts"][0]["text"] for row in conversations.log_after(tx, conversation_id, 0) if row.role == "traveler"]
    assert lines == ["Hello <@U123> & <b>x</b>"]


def test_a_card_number_is_taken_out_at_the_door(there: Office) -> None:
    ana = there.meet("Ana")
    there.ask(ana, "my card is 4242 4242 4242 4242, book it", "")
    with there.house.engine.db.read() as tx:
        kept = [row.payload["text"] for row in tx.execute(select(inbound.c.payload))]
        lines = [str(row.data) for row in tx.execute(select(message.c.data))]
    assert "4242" not in "".join(kept + lines)
    assert any("[card number removed]" in text for text in kept)


def test_the_same_event_twice_is_one_line_and_one_answer(there: Office) -> None:
    ana = there.meet("Ana")
    there.ask(ana, "Something fun in Lisbon next Saturday for two", lambda one: "Add to trip" in labels(one))
    events = [one for one in there.world._history.values() if one.payload.get("event", {}).get("user") == ana.id]
    again = there.world.again(events[-1].id)
    assert again.done.wait(10)
    assert again.status == 200
    there.world.command(ana, "help")
    there.world.see(there.world.dm(ana), "bookings", after=there.world.sent(there.world.dm(ana))[-2]["ts"])
    conversation_id, _ = place_of(there, there.world.dm(ana).id)
    with there.house.engine.db.read() as tx:
        said = [row.role for row in conversations.log_after(tx, conversation_id, 1)]
    assert said == ["traveler", "bot", "traveler", "bot"]


def test_commands_go_on_in_the_direct_messages(there: Office) -> None:
    ana = there.meet("Ana")
    dm, general = there.world.dm(ana), there.world.channel("general", ana)
    after = there.world.ts()
    asked = there.world.command(ana, "trips", channel=general)
    there.world.see(dm, "not booked anything", after=after)
    assert asked.done.wait(10)
    assert asked.answer is not None
    assert "direct messages" in str(asked.answer)
    there.world.command(ana, "unlink")
    there.world.see(dm, "not linked")
    there.world.command(ana, "human")
    there.world.see(dm, "asked a travel expert")
    there.world.command(ana, "A hotel in Rome under 150 a night from 12 to 14 January 2027 for two")
    there.world.see(dm, lambda one: "Add to trip" in labels(one) or "Details" in labels(one))
    assert there.texts(general) == []


def test_a_file_is_fetched_with_the_token_and_kept(there: Office) -> None:
    ana = there.meet("Ana")
    dm = there.world.dm(ana)
    data = b"\xff\xd8\xff" + b"jpeg" * 20
    there.world.attach(ana, "beach.jpg", data)
    there.world.see(dm, "kept your file")
    conversation_id, _ = place_of(there, dm.id)
    kept = list((there.house.settings.data_dir / "uploads" / conversation_id).iterdir())
    assert [one.read_bytes() for one in kept] == [data]
    there.world.attach(ana, "virus.exe", b"MZ not a picture")
    there.world.see(dm, "pictures (JPEG")
