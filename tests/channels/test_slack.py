"""Slack over its own wire: the real Bolt and client, the stand-in's rules, Socket Mode and signed HTTP."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from channels.sandbox.slack.app import signature
from channels.sandbox.slack.world import Fault, Member, labels, shown_text
from core import conversations, handoff, identities, people
from core.engine import Actor
from core.schema import audit_log, booking, booking_request, channel_identity, conversation, inbound, message, outbound, place
from tests import builders as b
from tests.channels.conftest import wait_for
from tests.postgres import Postgres
from tests.slack import SECRET, Office, office
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
    assert "4242 4242" not in "".join(kept + lines)
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


# ── linking ───────────────────────────────────────────────────────────────────────────────────────


def test_the_web_goes_on_in_slack_with_the_same_cart_and_a_second_person_is_refused(there: Office) -> None:
    with httpx.Client(base_url=there.url, trust_env=False, timeout=20) as browser:
        made = browser.post("/chat/v1/session", json={}).json()
        browser.headers["authorization"] = f"Bearer {made['token']}"
        with there.house.engine.db.read() as tx:
            owner = conversations.get(tx, made["conversation"]).account_id
        b.add(there.house.engine, Actor(owner, conversation_id=made["conversation"]), "pasta-class")
        answer = browser.post("/chat/v1/link", json={"channel": "slack"}).json()
        assert answer["channel"] == "slack"
        page, _, payload = answer["url"].partition("#start=")
        assert "connect.js" in browser.get(page).text
        ana, eve = there.world.person("Ana"), there.world.person("Eve")
        dm = there.world.dm(ana)
        there.world.command(ana, f"link {payload}")
        there.world.see(dm, "is linked to")
        there.world.command(eve, f"link {payload}")
        there.world.see(there.world.dm(eve), "has been used or is too old")
        there.world.command(ana, "cart")
        there.world.see(dm, "Fresh pasta class")
        there.ask(ana, "Something fun in Lisbon next Saturday for two", lambda one: "Add to trip" in labels(one))
        log = str(browser.get("/chat/v1/history").json())
        assert "Something fun in Lisbon" in log
        assert "Slack was linked to this account, as Ana" in log
        browser.post("/chat/v1/messages", json={"id": "w-1", "text": "and a table for dinner"})
        there.world.see(dm, "You, on the web page: and a table for dinner")
        assert place_of(there, dm.id)[0] == made["conversation"]


def test_slack_goes_on_in_a_browser_once_and_not_me_undoes_a_link(there: Office) -> None:
    ana = there.meet("Ana")
    dm = there.world.dm(ana)
    there.world.command(ana, "web")
    link = there.url_of(there.world.see(dm, "works once"))
    with httpx.Client(base_url=there.url, trust_env=False, timeout=20) as browser:
        token = link.partition("continue=")[2]
        made = browser.post("/chat/v1/session", json={"token": token}).json()
        assert made["conversation"] == place_of(there, dm.id)[0]
        assert browser.post("/chat/v1/session", json={"token": token}).status_code == 403
        browser.headers["authorization"] = f"Bearer {made['token']}"
        eve = there.world.person("Eve")
        payload = browser.post("/chat/v1/link", json={"channel": "slack"}).json()["url"].partition("#start=")[2]
        there.world.post(eve, f"link {payload}")  # slash commands do not work in threads; the words do
        there.world.see(there.world.dm(eve), "is linked to")

        def button() -> str:
            items = [
                one
                for line in browser.get("/chat/v1/history").json()
                for part in line["data"].get("parts", ())
                for one in part.get("items", ())
            ]
            return next((one["action"] for one in items if one["label"] == "That was not me"), "")

        assert browser.post("/chat/v1/messages", json={"id": "w-1", "action": wait_for(button)}).status_code == 202
    there.world.command(eve, "cart")
    there.world.see(there.world.dm(eve), "empty")
    assert place_of(there, there.world.dm(eve).id)[0] != made["conversation"]


def test_unlinking_and_removing_the_app_end_every_link(there: Office) -> None:
    marta, rui = there.link("demo-provider", "Marta"), there.link("demo-expert", "Rui")
    with there.house.engine.db.write() as tx:
        other = people.new_account(tx, there.house.engine.clock(), name="Other", visitor=False)
    there.world.command(marta, f"link {identities.invite(there.house.engine, other)}")
    there.world.see(there.world.dm(marta), "linked to another account")
    there.world.command(marta, "unlink")
    there.world.see(there.world.dm(marta), "no longer linked")
    linked = select(channel_identity.c.external_user_id).where(channel_identity.c.linked_at.is_not(None))

    def still() -> list[str]:
        with there.house.engine.db.read() as tx:
            return list(tx.execute(linked).scalars())

    assert still() == [rui.id]
    there.world.uninstall()
    wait_for(lambda: still() == [])


# ── providers ─────────────────────────────────────────────────────────────────────────────────────


def test_a_request_is_approved_by_a_button_and_its_card_edited_for_everybody(there: Office) -> None:
    marta = there.link("demo-provider", "Marta")
    with there.house.engine.db.write() as tx:
        second = people.new_account(tx, there.house.engine.clock(), name="Rui", email="rui@example.com", visitor=False)
        people.grant(tx, second, "provider", "tejo-days")
    rui = there.link(second, "Rui")
    ana, eve = there.meet("Ana"), there.meet("Eve")
    reference = request_walk(there, ana)
    card, stale = there.world.see(there.world.dm(marta), reference), there.world.see(there.world.dm(rui), reference)
    assert labels(card) == ["Approve", "Decline"]
    there.world.click(eve, card, "Approve")  # somebody else's button, by whatever way it got there
    there.refused(eve, "That button is for somebody else.")
    assert requests_of(there) == [(reference, "open")]
    there.press(marta, "Approve", f"{reference}: approved")
    for person, shown in ((marta, card), (rui, stale)):
        edited = there.world.see(
            there.world.dm(person), lambda one, shown=shown: one["ts"] == shown["ts"] and "Approved" in shown_text(one)
        )
        assert labels(edited) == []
    there.world.click(rui, stale, "Decline")
    there.refused(rui, f"{reference} was approved by Marta")
    there.world.see(there.world.dm(ana), "said yes")
    assert requests_of(there) == [(reference, "approved")]
    with there.house.engine.db.read() as tx:
        refused = tx.execute(select(audit_log.c.verb).where(audit_log.c.verb.like("refused%"))).scalars().all()
    assert refused == ["refused:request.approve"]


def test_a_reply_in_the_card_s_thread_decides_that_one_and_is_answered_there(there: Office) -> None:
    marta = there.link("demo-provider", "Marta")
    ana, bea = there.meet("Ana"), there.meet("Bea")
    dm = there.world.dm(marta)
    first, second = request_walk(there, ana), request_walk(there, bea, 13)
    there.world.see(dm, first)
    card = there.world.see(dm, second)
    which = there.ask(marta, "yes", "Which request do you mean?")
    assert [label[:10] for label in labels(which)] == [first, second]
    assert {status for _, status in requests_of(there)} == {"open"}
    asked = there.ask(marta, "can do Thursday instead for 100", second, thread=card["ts"])
    assert (asked["thread_ts"], labels(asked)[0]) == (card["ts"], "Send this offer")
    assert dict(requests_of(there)) == {first: "open", second: "open"}
    done = there.ask(marta, "yes, with pleasure", f"{second}: approved", thread=card["ts"])
    assert done["thread_ts"] == card["ts"]
    there.world.see(there.world.dm(bea), "said yes")
    assert dict(requests_of(there)) == {first: "open", second: "approved"}
    again = there.ask(marta, "no sorry", "Nothing was changed", thread=card["ts"])
    assert f"{second} was approved" in shown_text(again)


def test_an_edited_reply_decides_nothing(socketed: Office) -> None:
    marta, ana = socketed.link("demo-provider", "Marta"), socketed.meet("Ana")
    reference = request_walk(socketed, ana)
    card = socketed.world.see(socketed.world.dm(marta), reference)
    said = socketed.world.post(marta, "maybe", thread=card["ts"])
    socketed.world.see(socketed.world.dm(marta), lambda one: "Send it to the guest" in labels(one))
    socketed.world.edit(marta, said, "yes")
    socketed.world.command(marta, "requests")
    socketed.world.see(socketed.world.dm(marta), lambda one: labels(one) != [] and labels(one)[0].startswith(reference))
    assert requests_of(socketed) == [(reference, "open")]


# ── channels and the desk ─────────────────────────────────────────────────────────────────────────


def test_in_a_channel_it_answers_in_the_thread_and_only_the_owner_of_the_cart_books(there: Office) -> None:
    ana, bea = there.world.person("Ana"), there.world.person("Bea")
    trip = there.world.channel("our-trip", ana, bea)
    there.world.post(ana, "where shall we go?", channel=trip)
    root = there.world.post(ana, "@traveloure the pasta class in Rome on 12 January 2027 for 2 adults", channel=trip)
    there.world.see(trip, lambda one: "Add to trip" in labels(one), thread=root)
    there.press(ana, "Add to trip", "in your trip", channel=trip)
    there.press(ana, "Check out", "Please check", channel=trip)
    there.press(bea, "Confirm", channel=trip)
    there.refused(bea, "Only Ana, whose trip this is, can do that.")
    there.world.post(bea, "@traveloure yes", channel=trip, thread=root)
    assert b.statuses(there.house.engine.db) == {}
    there.press(ana, "Confirm", "Who is booking?", channel=trip)
    there.press(bea, "Fill in", channel=trip)
    wait_for(lambda: len(bea.ephemerals) > 1)
    assert bea.modals == []  # nobody else reads the owner's name and address
    assert {one.get("thread_ts") for one in there.world.sent(trip)} == {root}
    with there.house.engine.db.read() as tx:
        assert not any("where shall we go" in str(row.payload) for row in tx.execute(select(inbound.c.payload)))
        answers = [row.event_id for row in tx.execute(select(inbound.c.event_id).where(inbound.c.kind == "text"))]
    assert len(answers) == 2  # two mentions, each of which arrived twice


def test_the_desk_is_one_card_with_a_thread_for_each_conversation(there: Office) -> None:
    jonas = there.link("demo-expert", "Jonas")
    eve = there.world.person("Eve")
    desk = there.world.channel("desk", jonas, eve)
    there.world.command(eve, "desk", channel=desk)
    there.world.see(desk, "Only linked travel experts")
    there.world.command(jonas, "desk", channel=desk)
    there.world.see(desk, "experts' desk now")
    ana = there.meet("Ana")
    dm = there.world.dm(ana)
    there.world.command(ana, "human")
    there.world.see(dm, "asked a travel expert")
    card = there.world.see(desk, "Ana waits for a person")
    root = card["ts"]
    there.world.post(jonas, "hello Ana", channel=desk, thread=root)
    there.world.see(desk, "take the conversation first", thread=root)
    there.press(eve, "Take over", channel=desk)
    there.refused(eve, "Only linked travel experts")
    there.press(jonas, "Take over", channel=desk)
    held = there.world.see(desk, lambda one: one["ts"] == root and "Jonas (demo travel expert) has this" in shown_text(one))
    assert labels(held) == ["Back to the assistant", "Close"]
    for line in ("// she is a regular", "note: be nice"):
        there.world.post(jonas, line, channel=desk, thread=root)
    there.world.post(eve, "I am nobody here", channel=desk, thread=root)
    there.world.post(jonas, "How can I <help>?", channel=desk, thread=root)
    assert "Jonas (demo travel expert), travel expert" in shown_text(there.world.see(dm, "How can I <help>?"))
    there.world.post(ana, "A boat for twelve please")
    there.world.see(desk, "Ana: A boat for twelve please", thread=root)
    seen = " ".join(there.texts(dm))
    assert not [word for word in ("regular", "be nice", "nobody") if word in seen]
    there.press(jonas, "Close", channel=desk)
    there.world.see(desk, lambda one: one["ts"] == root and labels(one) == [])
    there.world.see(dm, "back with the assistant")
    there.world.command(ana, "human")
    there.world.see(desk, lambda one: one["ts"] == root and "Ana waits" in shown_text(one) and labels(one) == ["Take over"])
    assert [one["ts"] for one in there.world.sent(desk) if "waits for a person" in shown_text(one)] == [root]
    conversation_id, _ = place_of(there, dm.id)
    with there.house.engine.db.read() as tx:
        notes = [row.data["parts"][0]["text"] for row in conversations.log_after(tx, conversation_id, 0, staff=True) if row.kind == "note"]
    assert sorted(notes) == ["be nice", "she is a regular"]  # sent within a moment of each other, a socket may hand them over either way


def test_a_claim_at_the_web_desk_shows_on_the_card(there: Office) -> None:
    jonas = there.link("demo-expert", "Jonas")
    desk = there.world.channel("desk", jonas)
    there.world.command(jonas, "desk", channel=desk)
    there.world.see(desk, "experts' desk now")
    ana = there.meet("Ana")
    there.world.command(ana, "human")
    card = there.world.see(desk, "Ana waits for a person")
    handoff.claim(there.house.engine, Actor("demo-operator", role="operator"), place_of(there, there.world.dm(ana).id)[0])
    there.world.see(desk, lambda one: one["ts"] == card["ts"] and "Ines (demo operator) has this" in shown_text(one))
    there.world.click(jonas, card, "Take over", channel=desk)
    there.refused(jonas, "has taken this conversation")


# ── the platform's rules ──────────────────────────────────────────────────────────────────────────


def test_a_pause_is_kept_and_the_order_with_it(there: Office) -> None:
    ana = there.meet("Ana")
    there.world.fail("chat.postMessage", Fault(retry_after=1))
    dm = there.world.dm(ana)
    before = len(there.world.sent(dm))
    there.world.command(ana, "help")
    wait_for(lambda: [error for method, _, error in there.world.log if method == "chat.postMessage" and error] == ["ratelimited"])
    there.world.command(ana, "unlink")
    there.world.see(dm, "not linked", timeout=15)
    assert [text.split(" ")[0] for text in there.texts(dm)[before:]] == ["Tell", "This"]


def test_a_server_that_stumbles_is_asked_again(there: Office) -> None:
    ana = there.meet("Ana")
    dm = there.world.dm(ana)
    there.world.fail("chat.postMessage", Fault(status=502), Fault(error="internal_error"))
    there.world.command(ana, "help")
    there.world.see(dm, "/trips", timeout=15)
    assert sum("/trips" in text for text in there.texts(dm)) == 1


def test_what_is_answered_too_late_comes_again_and_is_one_line(socketed: Office) -> None:
    """The commit is held up until Slack has given the first delivery up."""
    ana = socketed.meet("Ana")
    socketed.world.ack_within = 0.3
    engine, tried = socketed.house.engine, len(socketed.world.delivered)
    with engine.db.write():  # the write door is taken: nothing can be committed
        socketed.world.post(ana, "Something fun in Lisbon next Saturday for two")
        wait_for(lambda: [one for one in socketed.world.delivered[tried:] if one[3] == 0])
    socketed.world.see(socketed.world.dm(ana), lambda one: "Add to trip" in labels(one), timeout=20)
    wait_for(lambda: [one for one in socketed.world.delivered[tried:] if one[2] > 0 and one[3] == 200])
    conversation_id, _ = place_of(socketed, socketed.world.dm(ana).id)
    with engine.db.read() as tx:
        said = [row.data["parts"][0]["text"] for row in conversations.log_after(tx, conversation_id, 0) if row.role == "traveler"]
    assert said.count("Something fun in Lisbon next Saturday for two") == 1


def test_http_wants_a_fresh_signature_over_the_raw_body(migrated_sqlite: Path, tmp_path: Path) -> None:
    shutil.copy(migrated_sqlite, tmp_path / "traveloure.db")
    event = {"type": "message", "user": "U1", "channel": "D1", "channel_type": "im", "ts": "5.000001", "text": "hello"}
    with office(tmp_path, http=True) as there, httpx.Client(base_url=there.url, trust_env=False) as stranger:
        body = json.dumps({"type": "event_callback", "event_id": "Ev1", "team_id": there.world.team_id, "event": event}).encode()
        now = there.world.clock()
        right, kind = signature(SECRET, body, now), {"content-type": "application/json"}
        for headers, sent in (
            ({}, body),
            (signature("wrong" * 8, body, now), body),
            (signature(SECRET, body, now - 301), body),
            (right, body.replace(b"hello", b"h3llo")),
        ):
            assert stranger.post("/webhooks/slack", content=sent, headers={**headers, **kind}).status_code == 401
        with there.house.engine.db.read() as tx:
            assert tx.execute(select(inbound)).all() == []
        assert stranger.post("/webhooks/slack", content=body, headers={**right, **kind}).status_code == 200
        with there.house.engine.db.read() as tx:
            assert len(tx.execute(select(inbound)).all()) == 1
        asked = json.dumps({"type": "url_verification", "challenge": "c-1", "token": "unused"}).encode()
        assert stranger.post("/webhooks/slack", content=asked, headers={**signature(SECRET, asked, now), **kind}).json() == {
            "challenge": "c-1"
        }


def test_no_token_is_in_any_log(socketed: Office, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    ana = socketed.meet("Ana")
    socketed.world.fail("chat.postMessage", Fault(status=502), Fault(error="invalid_blocks"))
    socketed.world.command(ana, "help")
    wait_for(lambda: len([error for method, _, error in socketed.world.log if method == "chat.postMessage" and error]) == 2)
    socketed.world.command(ana, "cart")
    socketed.world.see(socketed.world.dm(ana), "empty")
    written = capfd.readouterr()
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith(("asyncio", "websockets", "httpcore"))]
    everything = written.out + written.err + " ".join(ours)
    assert not [secret for secret in (socketed.world.bot_token, socketed.world.app_token) if secret in everything]


@pytest.mark.postgresql
def test_the_whole_way_on_postgresql(on_postgresql: Office) -> None:
    """A request by a traveler, a reply by its provider, the desk: every table is written."""
    there = on_postgresql
    marta, jonas = there.link("demo-provider", "Marta"), there.link("demo-expert", "Jonas")
    desk = there.world.channel("desk", jonas)
    there.world.command(jonas, "desk", channel=desk)
    there.world.see(desk, "experts' desk now")
    ana = there.meet("Ana")
    reference = request_walk(there, ana)
    card = there.world.see(there.world.dm(marta), reference)
    there.ask(marta, "yes, with pleasure", f"{reference}: approved", thread=card["ts"])
    there.world.see(there.world.dm(ana), "said yes")
    there.world.command(ana, "human")
    root = there.world.see(desk, "Ana waits for a person")["ts"]
    there.press(jonas, "Take over", channel=desk)
    there.world.see(desk, lambda one: one["ts"] == root and "has this" in shown_text(one))
    there.world.post(jonas, "Good morning", channel=desk, thread=root)
    there.world.see(there.world.dm(ana), "Good morning")
    assert requests_of(there) == [(reference, "approved")]
    with there.house.engine.db.read() as tx:
        assert tx.execute(select(outbound.c.id).where(outbound.c.state == "failed")).all() == []
