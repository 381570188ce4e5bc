"""Telegram over its own wire: the real client, the stand-in's rules, polling and webhook, from the first word to a paid booking."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from channels.sandbox.telegram.world import Fault, Person, labels, shown_text
from core import conversations, handoff, identities, people, requests
from core.engine import Actor
from core.schema import audit_log, booking, booking_request, channel_identity, conversation, inbound, message, outbound, place
from tests import builders as b
from tests.channels.conftest import wait_for
from tests.postgres import Postgres
from tests.telegram import SECRET, Town, reference_in, town


@pytest.fixture(params=["polling", pytest.param("webhook", marks=pytest.mark.slow)])
def there(request: pytest.FixtureRequest, migrated_sqlite: Path, tmp_path: Path) -> Iterator[Town]:
    shutil.copy(migrated_sqlite, tmp_path / "traveloure.db")
    with town(tmp_path, webhook=request.param == "webhook") as one:
        yield one


@pytest.fixture
def polled(migrated_sqlite: Path, tmp_path: Path) -> Iterator[Town]:
    shutil.copy(migrated_sqlite, tmp_path / "traveloure.db")
    with town(tmp_path) as one:
        yield one


def place_of(there: Town, person_id: int) -> tuple[str, str]:
    """(conversation, account) of somebody's chat."""
    with there.house.engine.db.read() as tx:
        row = tx.execute(
            select(place.c.conversation_id, conversation.c.account_id)
            .join(conversation, conversation.c.id == place.c.conversation_id)
            .where(place.c.chat_id == str(person_id))
        ).one()
    return row.conversation_id, row.account_id


def actor_of(there: Town, conversation_id: str) -> Actor:
    with there.house.engine.db.read() as tx:
        return Actor(conversations.get(tx, conversation_id).account_id, conversation_id=conversation_id)


def request_walk(there: Town, who: Person, day: int = 12) -> str:
    """Ask for the private walk and confirm; returns the reference."""
    there.ask(who, f"A private walk through Alfama in Lisbon on {day} January 2027 for 2", lambda one: "Request" in labels(one))
    there.press(who, "Request", "in your trip")
    there.press(who, "Check out", "Please check")
    there.press(who, "Confirm", "Which e-mail address")
    there.ask(who, "ana@example.com", "I accept the terms")
    return reference_in(shown_text(there.press(who, "Accept and book", "Request sent")))


def requests_of(there: Town) -> list[tuple[str, str]]:
    with there.house.engine.db.read() as tx:
        return [
            (row.reference, row.status)
            for row in tx.execute(
                select(booking.c.reference, booking_request.c.status)
                .join(booking, booking.c.id == booking_request.c.booking_id)
                .order_by(booking_request.c.created_at)
            )
        ]


@pytest.fixture
def on_postgresql(postgres: Postgres, migrated_postgres: str, tmp_path: Path) -> Iterator[Town]:
    url = postgres.fresh(template=migrated_postgres)
    with town(tmp_path, database_url=url) as one:
        yield one
    postgres.drop(url)


@pytest.mark.postgresql
def test_the_whole_way_on_postgresql(on_postgresql: Town) -> None:
    """A request by a traveler, a reply by its provider, the desk, and a visitor who is linked: every table is written."""
    there = on_postgresql
    marta = there.link("demo-provider", "Marta")
    jonas = there.link("demo-expert", "Jonas")
    desk = there.world.group("Desk", jonas, forum=True, admin=True, added_by=jonas)
    there.world.say(jonas, "/desk", chat=desk)
    there.world.inbox(desk, "experts' desk now")
    ana = there.meet("Ana")
    reference = request_walk(there, ana)
    card = there.world.inbox(marta, reference)
    there.ask(marta, "yes, with pleasure", f"{reference}: approved", reply_to=card["message_id"])
    there.world.inbox(marta, lambda one: one["message_id"] == card["message_id"] and "Approved" in shown_text(one))
    there.world.inbox(ana, "said yes")
    there.ask(ana, "/human", "asked a travel expert")
    topic = there.world.inbox(desk, "Ana waits for a person")["message_thread_id"]
    assert there.press(jonas, "Take over", chat=desk)["text"] == "It is yours."
    there.world.say(jonas, "Good morning", chat=desk, thread=topic)
    there.world.inbox(ana, "Good morning")
    assert requests_of(there) == [(reference, "approved")]


# ── travelers ─────────────────────────────────────────────────────────────────────────────────────


def test_words_are_answered_with_cards_and_pages_turn_in_place(there: Town) -> None:
    ana = there.meet("Ana")
    found = there.ask(ana, "Something fun in Lisbon next Saturday for two", lambda one: "Add to trip" in labels(one))
    assert found["photo"]
    count = labels(found)[-2].split()[-1]
    assert labels(found)[-3:] == ["‹", f"1 of {count}", "›"]
    before = shown_text(found)
    assert there.press(ana, "›") == {"text": "", "show_alert": False}
    turned = there.world.inbox(ana, lambda one: one["message_id"] == found["message_id"] and labels(one)[-2].startswith("2 of"))
    assert shown_text(turned) != before


def test_a_trip_is_booked_and_paid_and_its_one_status_message_is_edited(there: Town) -> None:
    ana = there.meet("Ana")
    there.ask(ana, "The pasta class in Rome on 12 January 2027 for 2 adults", lambda one: "Add to trip" in labels(one))
    there.press(ana, "Add to trip", "in your trip")
    there.press(ana, "Check out", "Please check")
    there.press(ana, "Confirm", "Which e-mail address")
    there.ask(ana, "ana at home", "does not look like")
    there.ask(ana, "ana@example.com", "I accept the terms")
    there.press(ana, "Change name", "What name")
    there.ask(ana, "Ana Silva", "Name: Ana Silva")
    pay = there.press(ana, "Accept and book", "Please pay")
    with httpx.Client(trust_env=False) as browser:
        assert browser.post(there.url_of(pay), data={"tap": "success"}).status_code == 303
    done = there.world.inbox(ana, lambda one: one["message_id"] == pay["message_id"] and "confirmed" in shown_text(one), timeout=20)
    assert "reply_markup" not in done or not any("Pay now" in label for label in labels(done))
    ping = there.world.inbox(ana, "Booked and confirmed", after=pay["message_id"])
    paper = there.world.inbox(ana, lambda one: "document" in one, after=ping["message_id"])["document"]
    assert re.fullmatch(r"voucher-TRV-[0-9A-Z]{6}\.pdf", paper["file_name"])
    assert next(data for name, data in there.world.files.values() if data.startswith(b"%PDF-"))
    assert ping["reply_to_message"]["message_id"] == pay["message_id"]
    assert b.statuses(there.house.engine.db) == {"pasta-class": "CONFIRMED"}
    assert reference_in(shown_text(done)) in shown_text(there.ask(ana, "/trips", "Your bookings"))


def test_a_day_and_a_party_are_picked_on_the_keyboard(there: Town) -> None:
    ana = there.meet("Ana")
    there.ask(ana, "Tell me about the sunset sail in Lisbon", lambda one: bool(labels(one)))
    label = next(text for one in reversed(there.world.sent(ana)) for text in labels(one) if text in ("Choose a day", "Add to trip"))
    form = there.press(ana, label, "Day?")
    assert labels(form)[:7] == ["M", "T", "W", "T", "F", "S", "S"] or len(labels(form)) > 30
    there.press(ana, "›")
    moved = there.world.inbox(ana, lambda one: one["message_id"] == form["message_id"] and labels(one) != labels(form))
    day = next(text for text in labels(moved) if text == "20")
    query = there.world.press(ana, moved["message_id"], day)
    there.world.answer_to(query)
    party = there.world.inbox(ana, lambda one: one["message_id"] == form["message_id"] and "Adults: 2" in labels(one))
    query = there.world.press(ana, party["message_id"], "+")
    there.world.answer_to(query)
    there.world.inbox(ana, lambda one: one["message_id"] == form["message_id"] and "Adults: 3" in labels(one))
    said = there.press(ana, "Add to trip", "in your trip")
    assert "3 adults" in shown_text(said)


def test_what_a_stranger_writes_is_never_markup(there: Town) -> None:
    eve = there.world.person("<b>Eve</b> & <script>")
    there.world.say(eve, "/start")
    there.world.inbox(eve, "assistant")
    there.ask(eve, "<a href='https://evil.example'>x</a> & <i>y</i>", "")
    conversation_id, _ = place_of(there, eve.id)
    expert = Actor("demo-expert", role="expert", channel="console")
    handoff.claim(there.house.engine, expert, conversation_id)
    handoff.reply(there.house.engine, expert, conversation_id, "<b>bold</b> & 1 < 2", client_id="e-1")
    told = there.world.inbox(eve, "1 < 2")
    assert "<b>bold</b> & 1 < 2" in shown_text(told)
    assert [one["type"] for one in told["entities"]] == ["bold"]  # the expert's name, which is ours


def test_a_card_number_is_taken_out_at_the_door(there: Town) -> None:
    ana = there.meet("Ana")
    there.ask(ana, "my card is 4242 4242 4242 4242, book it", "")
    with there.house.engine.db.read() as tx:
        kept = [row.payload["text"] for row in tx.execute(select(inbound.c.payload))]
        lines = [str(row.data) for row in tx.execute(select(message.c.data))]
    assert "4242 4242" not in "".join(kept + lines)
    assert any("[card number removed]" in text for text in kept)


def test_the_same_update_twice_is_one_line_and_one_answer(there: Town) -> None:
    ana = there.meet("Ana")
    there.ask(ana, "Something fun in Lisbon next Saturday for two", lambda one: "Add to trip" in labels(one))
    conversation_id, _ = place_of(there, ana.id)
    there.world.again(there.world.last_update)
    there.ask(ana, "/help", "/trips")
    with there.house.engine.db.read() as tx:
        said = [row.role for row in conversations.log_after(tx, conversation_id, 1)]
    assert said == ["traveler", "bot"]


def test_commands_do_what_they_say(there: Town) -> None:
    ana = there.meet("Ana")
    assert "/human" in shown_text(there.ask(ana, "/help", "Tell me"))
    assert "empty" in shown_text(there.ask(ana, "/cart", ""))
    assert "not booked anything" in shown_text(there.ask(ana, "/trips", ""))
    assert "I speak English" in shown_text(there.ask(ana, "/language en", ""))
    assert "I can speak: en" in shown_text(there.ask(ana, "/language tlh", ""))
    assert "not linked" in shown_text(there.ask(ana, "/unlink", ""))
    assert "do not know that command" in shown_text(there.ask(ana, "/frobnicate", ""))
    there.ask(ana, "/human", "asked a travel expert")
    assert "will not write first" in shown_text(there.ask(ana, "/stop", "will"))
    conversation_id, _ = place_of(there, ana.id)
    before = len(there.texts(ana))
    engine = there.house.engine
    with engine.db.write() as tx:
        parts = [{"type": "text", "text": "while she wants no messages"}]
        conversations.append(tx, conversation_id, "bot", parts, now=engine.clock())
    there.ask(ana, "Hello again", "")
    assert not any("while she wants no messages" in text for text in there.texts(ana)[before:])


def test_a_place_and_a_photo_are_taken(there: Town) -> None:
    ana = there.meet("Ana")
    there.world.send_location(ana, 38.71, -9.14)
    there.world.inbox(ana, "Lisbon")
    conversation_id, _ = place_of(there, ana.id)
    data = b"\xff\xd8\xff" + b"jpeg" * 20
    there.world.send_photo(ana, data)
    there.world.inbox(ana, "kept your file")
    there.world.send_photo(ana, b"MZ not a picture")
    there.world.inbox(ana, "pictures (JPEG")
    with there.house.engine.db.read() as tx:
        parts = [
            part for row in conversations.log_after(tx, conversation_id, 0) for part in row.data.get("parts", ()) if part["type"] == "file"
        ]
    assert [(one["name"], one["size"]) for one in parts] == [("photo.jpg", len(data))]
    kept = list((there.house.settings.data_dir / "uploads" / conversation_id).iterdir())
    assert [one.read_bytes() for one in kept] == [data]


def test_whoever_blocks_the_bot_hears_nothing_until_they_speak_again(there: Town) -> None:
    ana = there.meet("Ana")
    there.world.block(ana)
    identity = select(channel_identity.c.blocked_at).where(channel_identity.c.external_user_id == str(ana.id))

    def blocked() -> bool:
        with there.house.engine.db.read() as tx:
            return tx.execute(identity).scalar_one() is not None

    wait_for(blocked)
    there.world.say(ana, "Hello again, something fun in Lisbon next Saturday for two")
    there.world.inbox(ana, lambda one: "Add to trip" in labels(one))
    assert not blocked()


# ── linking ───────────────────────────────────────────────────────────────────────────────────────


def test_the_web_goes_on_in_telegram_with_the_same_cart_and_a_second_person_is_refused(there: Town) -> None:
    with httpx.Client(base_url=there.url, trust_env=False, timeout=20) as browser:
        made = browser.post("/chat/v1/session", json={}).json()
        browser.headers["authorization"] = f"Bearer {made['token']}"
        actor = actor_of(there, made["conversation"])
        b.add(there.house.engine, actor, "pasta-class")
        answer = browser.post("/chat/v1/link").json()
        assert answer["url"].startswith("https://t.me/traveloure_bot?start=l_")
        payload = answer["url"].partition("start=")[2]
        assert len(payload) == 34
        ana, eve = there.world.person("Ana"), there.world.person("Eve")
        there.world.start(ana, payload)
        there.world.inbox(ana, "is linked to")
        there.world.start(eve, payload)
        there.world.inbox(eve, "has been used or is too old")
        assert "Fresh pasta class" in shown_text(there.ask(ana, "/cart", "Your trip"))
        there.ask(ana, "Something fun in Lisbon next Saturday for two", lambda one: "Add to trip" in labels(one))
        log = browser.get("/chat/v1/history").json()
        said = [line["data"] for line in log if line["type"] == "message"]
        assert any("Something fun in Lisbon" in str(one["parts"]) for one in said)  # both doors show one conversation
        assert any("Telegram was linked to this account, as Ana" in str(one["parts"]) for one in said)
        browser.post("/chat/v1/messages", json={"id": "w-1", "text": "and a table for dinner"})
        there.world.inbox(ana, "You, on the web page: and a table for dinner")
        assert place_of(there, ana.id)[0] == made["conversation"]
        with there.house.engine.db.read() as tx:
            assert tx.execute(select(place).where(place.c.chat_id == str(eve.id))).one_or_none() is None


def test_not_me_undoes_the_link(there: Town) -> None:
    with httpx.Client(base_url=there.url, trust_env=False, timeout=20) as browser:
        made = browser.post("/chat/v1/session", json={}).json()
        browser.headers["authorization"] = f"Bearer {made['token']}"
        eve = there.world.person("Eve")
        there.world.start(eve, browser.post("/chat/v1/link").json()["url"].partition("start=")[2])
        there.world.inbox(eve, "is linked to")

        def button() -> str:
            lines = browser.get("/chat/v1/history").json()
            found = [
                one
                for line in lines
                for part in line["data"].get("parts", ())
                for one in part.get("items", ())
                if one["label"] == "That was not me"
            ]
            return found[0]["action"] if found else ""

        action = wait_for(button)
        assert browser.post("/chat/v1/messages", json={"id": "w-1", "action": action}).status_code == 202
    there.world.say(eve, "/cart")
    there.world.inbox(eve, "empty")
    assert place_of(there, eve.id)[0] != made["conversation"]


def test_telegram_goes_on_in_a_browser_once(there: Town) -> None:
    ana = there.meet("Ana")
    link = there.url_of(there.ask(ana, "/web", "works once"))
    assert link.startswith(f"{there.url}/chat#continue=l_")
    token = link.partition("continue=")[2]
    with httpx.Client(base_url=there.url, trust_env=False, timeout=20) as browser:
        made = browser.post("/chat/v1/session", json={"token": token}).json()
        assert made["conversation"] == place_of(there, ana.id)[0]
        again = browser.post("/chat/v1/session", json={"token": token})
        assert (again.status_code, again.json()["error"]["code"]) == (403, "not_allowed")


def test_what_the_visitor_had_in_the_cart_comes_along(there: Town) -> None:
    ana = there.meet("Ana")
    conversation_id, _ = place_of(there, ana.id)
    b.add(there.house.engine, actor_of(there, conversation_id), "pasta-class")
    with httpx.Client(base_url=there.url, trust_env=False, timeout=20) as browser:
        made = browser.post("/chat/v1/session", json={}).json()
        browser.headers["authorization"] = f"Bearer {made['token']}"
        there.world.start(ana, browser.post("/chat/v1/link").json()["url"].partition("start=")[2])
    there.world.inbox(ana, "is linked to")
    assert "Fresh pasta class" in shown_text(wait_for(lambda: there.ask(ana, "/cart", "trip")))


def test_a_chat_that_is_linked_to_somebody_else_is_not_taken_over(there: Town) -> None:
    marta = there.link("demo-provider", "Marta")
    with there.house.engine.db.write() as tx:
        other = people.new_account(tx, there.house.engine.clock(), name="Other", visitor=False)
    there.world.start(marta, identities.invite(there.house.engine, other))
    there.world.inbox(marta, "linked to another account")
    assert "no longer linked" in shown_text(there.ask(marta, "/unlink", "linked"))


# ── providers ─────────────────────────────────────────────────────────────────────────────────────


def test_a_request_is_approved_by_a_button_and_its_card_edited_for_everybody(there: Town) -> None:
    marta = there.link("demo-provider", "Marta")
    with there.house.engine.db.write() as tx:
        second = people.new_account(tx, there.house.engine.clock(), name="Rui", email="rui@example.com", visitor=False)
        people.grant(tx, second, "provider", "tejo-days")
    rui = there.link(second, "Rui")
    ana = there.meet("Ana")
    reference = request_walk(there, ana)
    card = there.world.inbox(marta, reference)
    other = there.world.inbox(rui, reference)
    assert labels(card) == ["Approve", "Decline"]
    assert "You receive" in shown_text(card)
    stale = there.world.picture(other["message_id"], rui)
    said = there.press(marta, "Approve")
    assert f"{reference}: approved" in said["text"]
    for person, shown in ((marta, card), (rui, other)):
        edited = there.world.inbox(
            person, lambda one, shown=shown: one["message_id"] == shown["message_id"] and "Approved" in shown_text(one)
        )
        assert labels(edited) == []
    late = there.world.answer_to(there.world.press(rui, other["message_id"], "Decline", picture=stale))
    assert late["show_alert"]
    assert f"{reference} was approved by Marta" in late["text"]
    there.world.inbox(ana, "said yes")
    assert requests_of(there) == [(reference, "approved")]


def test_somebody_elses_button_changes_nothing(there: Town) -> None:
    marta = there.link("demo-provider", "Marta")
    ana = there.meet("Ana")
    reference = request_walk(there, ana)
    card = there.world.inbox(marta, reference)
    eve = there.meet("Eve")
    refused = there.world.answer_to(there.world.press(eve, 1, "Approve", picture=there.world.picture(card["message_id"], marta)))
    assert refused == {"text": "That button is for somebody else.", "show_alert": True}
    assert requests_of(there) == [(reference, "open")]
    with there.house.engine.db.read() as tx:
        assert [row.verb for row in tx.execute(select(audit_log.c.verb).where(audit_log.c.verb.like("refused%")))] == [
            "refused:request.approve"
        ]


@pytest.mark.parametrize(
    ("reply", "status", "told"),
    [
        ("yes, with pleasure", "approved", "said yes"),
        ("no sorry, fully booked", "declined", "cannot do it"),
    ],
)
def test_a_plain_reply_decides_by_itself(there: Town, reply: str, status: str, told: str) -> None:
    marta = there.link("demo-provider", "Marta")
    ana = there.meet("Ana")
    reference = request_walk(there, ana)
    card = there.world.inbox(marta, reference)
    assert f"{reference}: {status}" in shown_text(there.ask(marta, reply, "", reply_to=card["message_id"]))
    there.world.inbox(ana, told)
    assert requests_of(there) == [(reference, status)]
    again = there.ask(marta, "yes", "", reply_to=card["message_id"])
    assert f"Nothing was changed: {reference} was {status}" in shown_text(again)


@pytest.mark.parametrize("reply", ["can do Thursday instead for 100", "maybe", "yes but only in the morning", "how many people are they?"])
def test_anything_more_is_read_back_with_buttons(polled: Town, reply: str) -> None:
    marta = polled.link("demo-provider", "Marta")
    ana = polled.meet("Ana")
    reference = request_walk(polled, ana)
    card = polled.world.inbox(marta, reference)
    asked = polled.ask(marta, reply, reference, reply_to=card["message_id"])
    assert labels(asked)[-3:] == ["Approve", "Decline", "Send it to the guest"]
    assert requests_of(polled) == [(reference, "open")]
    if "100" in reply:
        assert labels(asked)[-4] == "Send this offer"
        assert "Thu 14 Jan, €100" in shown_text(asked)
    assert polled.press(marta, "Send it to the guest")["text"].startswith(f"{reference}: I sent your words")
    assert reply in shown_text(polled.world.inbox(ana, "Tejo Days, for"))
    assert requests_of(polled) == [(reference, "open")]


def test_other_terms_become_an_offer_that_the_traveler_accepts_and_pays(there: Town) -> None:
    marta = there.link("demo-provider", "Marta")
    ana = there.meet("Ana")
    reference = request_walk(there, ana)
    card = there.world.inbox(marta, reference)
    there.ask(marta, "can do Thursday instead for 100", reference, reply_to=card["message_id"])
    assert "your offer was sent" in there.press(marta, "Send this offer")["text"]
    offer = there.world.inbox(ana, "offers €100")
    assert "Thu 14 Jan" in shown_text(offer)
    assert labels(offer)[:3] == ["Accept", "Suggest another price", "No, thank you"]
    assert requests_of(there) == [(reference, "countered")]
    there.press(ana, "Accept")
    there.world.inbox(ana, "Please pay €100")
    assert requests_of(there) == [(reference, "approved")]
    there.world.inbox(marta, "Your offer was accepted")


def test_two_requests_and_a_yes_to_neither_ask_which(there: Town) -> None:
    marta = there.link("demo-provider", "Marta")
    ana, bea = there.meet("Ana"), there.meet("Bea")
    first, second = request_walk(there, ana), request_walk(there, bea, 13)
    there.world.inbox(marta, first)
    there.world.inbox(marta, second)
    which = there.ask(marta, "yes", "Which request do you mean?")
    assert [label[:10] for label in labels(which)] == [first, second]
    assert {status for _, status in requests_of(there)} == {"open"}
    there.ask(marta, f"yes {second}", f"{second}: approved")
    assert dict(requests_of(there)) == {first: "open", second: "approved"}


# ── groups and the desk ───────────────────────────────────────────────────────────────────────────


def test_in_a_group_only_the_owner_of_the_cart_books(there: Town) -> None:
    jonas = there.link("demo-expert", "Jonas")
    ana, bea = there.world.person("Ana"), there.world.person("Bea")
    group = there.world.group("Our trip", ana, bea, jonas, added_by=jonas)
    there.world.inbox(group, "Mention me")
    there.world.say(ana, "where shall we go?", chat=group)  # talk among people: not for us, and not kept
    there.ask(
        ana, "@traveloure_bot the pasta class in Rome on 12 January 2027 for 2 adults", lambda one: "Add to trip" in labels(one), chat=group
    )
    there.press(ana, "Add to trip", "in your trip", chat=group)
    there.press(ana, "Check out", "Please check", chat=group)
    refused = there.press(bea, "Confirm", chat=group)
    assert refused == {"text": "Only Ana, whose trip this is, can do that.", "show_alert": True}
    answer = there.ask(bea, "@traveloure_bot yes", "", chat=group)
    assert "Who is booking" not in shown_text(answer)  # a yes of somebody else confirms nothing
    assert b.statuses(there.house.engine.db) == {}
    there.press(ana, "Confirm", "Which e-mail address", chat=group)
    with there.house.engine.db.read() as tx:
        assert not any("where shall we go" in str(row.payload) for row in tx.execute(select(inbound.c.payload)))


def test_the_bot_leaves_a_strangers_group(there: Town) -> None:
    eve = there.world.person("Eve")
    group = there.world.group("Strangers", eve, added_by=eve)
    wait_for(lambda: not group.bot_in)


def test_the_desk_works_in_topics(there: Town) -> None:
    jonas = there.link("demo-expert", "Jonas")
    eve = there.world.person("Eve")
    desk = there.world.group("Desk", jonas, eve, forum=True, admin=True, added_by=jonas)
    there.world.say(eve, "/desk", chat=desk)
    there.world.inbox(desk, "Only linked travel experts")
    there.world.say(jonas, "/desk", chat=desk)
    there.world.inbox(desk, "experts' desk now")
    ana = there.meet("Ana")
    there.ask(ana, "/human", "asked a travel expert")
    card = there.world.inbox(desk, "Ana waits for a person")
    thread = card["message_thread_id"]
    assert desk.topics[thread]["name"].startswith("Ana")
    there.ask(jonas, "hello Ana", "take the conversation first", chat=desk, thread=thread)
    refused = there.press(eve, "Take over", chat=desk)
    assert refused["show_alert"]
    assert there.press(jonas, "Take over", chat=desk)["text"] == "It is yours."
    there.world.inbox(
        desk, lambda one: one["message_id"] == card["message_id"] and "Jonas (demo travel expert) has this" in shown_text(one)
    )
    there.world.say(jonas, "// she is a regular", chat=desk, thread=thread)
    there.world.say(jonas, "note: be nice", chat=desk, thread=thread)
    there.world.say(eve, "I am nobody here", chat=desk, thread=thread)
    there.world.say(jonas, "How can I <help>?", chat=desk, thread=thread)
    told = there.world.inbox(ana, "How can I <help>?")
    assert "Jonas (demo travel expert), travel expert" in shown_text(told)
    there.world.say(ana, "A boat for twelve please")
    there.world.inbox(desk, "Ana: A boat for twelve please")
    conversation_id, _ = place_of(there, ana.id)
    seen = " ".join(there.texts(ana))
    assert "regular" not in seen
    assert "be nice" not in seen
    assert "nobody" not in seen
    assert there.press(jonas, "Close", chat=desk)["text"] == "The assistant speaks again."
    wait_for(lambda: desk.topics[thread]["closed"])
    there.world.inbox(ana, "back with the assistant")
    there.ask(ana, "/human", "asked a travel expert")
    wait_for(lambda: not desk.topics[thread]["closed"])  # the same topic again, not a second one
    assert len(desk.topics) == 1
    with there.house.engine.db.read() as tx:
        notes = [row.data["parts"][0]["text"] for row in conversations.log_after(tx, conversation_id, 0, staff=True) if row.kind == "note"]
    assert notes == ["she is a regular", "be nice"]


def test_a_claim_at_the_web_desk_shows_in_the_topic(there: Town) -> None:
    jonas = there.link("demo-expert", "Jonas")
    desk = there.world.group("Desk", jonas, forum=True, admin=True, added_by=jonas)
    there.world.say(jonas, "/desk", chat=desk)
    there.world.inbox(desk, "experts' desk now")
    ana = there.meet("Ana")
    there.ask(ana, "/human", "asked a travel expert")
    card = there.world.inbox(desk, "Ana waits for a person")
    handoff.claim(there.house.engine, Actor("demo-operator", role="operator", channel="console"), place_of(there, ana.id)[0])
    there.world.inbox(desk, lambda one: one["message_id"] == card["message_id"] and "Ines (demo operator) has this" in shown_text(one))
    late = there.world.press(jonas, card["message_id"], "Take over", chat=desk, picture={**card})
    assert "has taken this conversation" in there.world.answer_to(late)["text"]


def test_anonymous_administrators_have_no_say(there: Town) -> None:
    jonas = there.link("demo-expert", "Jonas")
    desk = there.world.group("Desk", jonas, forum=True, admin=True, added_by=jonas)
    there.world.say(jonas, "/desk", chat=desk, anonymous=True)
    there.ask(jonas, "/desk", "experts' desk now", chat=desk)
    assert sum("experts' desk now" in text for text in there.texts(desk)) == 1


# ── the platform's rules ──────────────────────────────────────────────────────────────────────────


def test_a_pause_is_kept_and_the_order_with_it(there: Town) -> None:
    ana = there.meet("Ana")
    there.world.fail("sendMessage", Fault(code=429, description="Too Many Requests: retry after 1", parameters={"retry_after": 1}))
    there.world.say(ana, "/help")
    there.world.say(ana, "/unlink")
    there.world.inbox(ana, "not linked", timeout=15)
    texts = there.texts(ana)
    assert [text.split(" ")[0] for text in texts[-2:]] == ["Tell", "This"]
    refused = [status for method, _, status in there.world.log if method.lower() == "sendmessage" and status != 200]
    assert refused == [429]


def test_a_server_that_stumbles_is_asked_again(there: Town) -> None:
    ana = there.meet("Ana")
    there.world.fail("sendMessage", Fault(code=502, description="Bad Gateway"))
    assert "Tell me where" in shown_text(there.ask(ana, "/help", "Tell me"))
    assert sum("Tell me where you would like to go, when and" in text and "/trips" in text for text in there.texts(ana)) == 1


def test_who_never_started_the_bot_is_not_written_to(polled: Town) -> None:
    marta = polled.link("demo-provider", "Marta")
    marta.blocked = True  # without Telegram telling us
    ana = polled.meet("Ana")
    reference = request_walk(polled, ana)

    def failed() -> list[str]:
        with polled.house.engine.db.read() as tx:
            return list(
                tx.execute(select(outbound.c.error).where(outbound.c.channel == "telegram", outbound.c.state == "failed")).scalars()
            )

    assert wait_for(failed) == ["Forbidden: bot was blocked by the user"]
    with polled.house.engine.db.read() as tx:
        mails = (
            tx.execute(select(outbound.c.address).where(outbound.c.channel == "mail", outbound.c.notice == "request_received"))
            .scalars()
            .all()
        )
    assert "provider@demo.example" in mails  # the mail goes out in any case
    assert requests_of(polled) == [(reference, "open")]
    assert [one["reference"] for one in requests.pending(polled.house.engine, ["tejo-days"])] == [reference]


def test_the_webhook_wants_its_secret(migrated_sqlite: Path, tmp_path: Path) -> None:
    shutil.copy(migrated_sqlite, tmp_path / "traveloure.db")
    update = {"update_id": 5, "message": {"message_id": 1, "date": 1, "chat": {"id": 7, "type": "private"}, "text": "hello"}}
    with town(tmp_path, webhook=True) as there, httpx.Client(base_url=there.url, trust_env=False) as stranger:
        for headers in ({}, {"X-Telegram-Bot-Api-Secret-Token": "wrong"}):
            assert stranger.post("/webhooks/telegram", json=update, headers=headers).status_code == 403
        right = {"X-Telegram-Bot-Api-Secret-Token": SECRET}
        assert stranger.post("/webhooks/telegram", content=b"{", headers=right).status_code == 400
        with there.house.engine.db.read() as tx:
            assert tx.execute(select(inbound)).all() == []
        assert stranger.post("/webhooks/telegram", json=update, headers=right).status_code == 200


def test_the_token_is_in_no_log(polled: Town, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    ana = polled.meet("Ana")
    polled.world.fail("sendMessage", Fault(code=502, description="Bad Gateway"), Fault(code=400, description="Bad Request: something"))
    polled.world.say(ana, "/help")
    polled.ask(ana, "/cart", "empty")
    written = capfd.readouterr()
    secret = polled.world.token.partition(":")[2]
    ours = [record for record in caplog.records if not record.name.startswith(("httpcore", "telegram", "asyncio"))]
    assert secret not in written.out + written.err + " ".join(record.getMessage() for record in ours)
