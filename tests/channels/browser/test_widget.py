"""The widget in a real browser: on a stranger's page, by keyboard only, on a phone, and through a fallen server."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import func, select

from channels.house import House
from core.schema import conversation, message
from tests.channels.browser.conftest import press, text
from tests.channels.conftest import Live, build_house, running, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.slow]

Visit = Callable[..., Page]
POLICY = "default-src 'self'; script-src 'self' {host}; connect-src {host}; img-src 'self' {host}; style-src 'self'; require-trusted-types-for 'script'"
COMPOSER = "Where would you like to go?"
CHAT = "traveloure-chat"
LAUNCHER = "Open the travel chat"


def session(live: Live) -> dict[str, str]:
    with live.client() as anyone:
        made: dict[str, str] = anyone.post("/chat/v1/session", json={"site": "demo"}).json()
    return made


def opened(visit: Visit, live: Live, known: dict[str, str] | None = None, **options: Any) -> Page:
    """The full-page chat, with an earlier conversation where one is given."""
    page = visit(f"{live.url}/healthz", **options)
    if known is not None:
        page.evaluate("([k, v]) => localStorage.setItem(k, v)", [f"traveloure:{live.url}:demo", json.dumps(known)])
    page.goto(f"{live.url}/chat")
    expect(page.get_by_role("log")).not_to_have_attribute("aria-busy", "true")
    return page


def say(page: Page, words: str) -> None:
    page.get_by_label(COMPOSER).fill(words)
    page.keyboard.press("Enter")


def count_of(live: Live, table: Any) -> int:
    with live.house.engine.db.read() as tx:
        return int(tx.execute(select(func.count()).select_from(table)).scalar_one())


def traveler_lines(live: Live) -> list[str]:
    """The conversations that travelers' lines stand in."""
    with live.house.engine.db.read() as tx:
        return list(tx.execute(select(message.c.conversation_id).where(message.c.role == "traveler")).scalars())


def test_on_a_strangers_page_under_a_strict_policy(live: Live, visit: Visit, elsewhere: Callable[[str, str], str]) -> None:
    html = f'<!doctype html><title>Blog</title><h1>Ten days</h1><script type="module" src="{live.url}/static/traveloure-chat.js" data-site="blog"></script>'
    page = visit(elsewhere(html, POLICY.format(host=live.url)))
    launcher = page.get_by_role("button", name=LAUNCHER)
    expect(launcher).to_be_visible()
    assert count_of(live, conversation) == 0  # nobody has opened it yet
    launcher.click()
    expect(page.get_by_role("log")).to_contain_text("assistant")
    say(page, "Hello from another site")
    wait_for(lambda: count_of(live, message) >= 2)
    with live.house.engine.db.read() as tx:
        conversation_id = tx.execute(select(conversation.c.id)).scalar_one()
    live.say(conversation_id, "bot", text("I can **hear** you"))
    expect(page.get_by_role("log").locator("b", has_text="hear")).to_be_visible()
    page.reload()
    page.get_by_role("button", name=LAUNCHER).click()
    expect(page.get_by_role("log")).to_contain_text("I can hear you")


def test_hostile_words_are_only_words(live: Live, visit: Visit) -> None:
    known = session(live)
    for words in ("<img src=x onerror=alert(1)>", "[click](javascript:alert(1))", "<svg onload=alert(1)>", "**<b>x</b>**"):
        live.say(known["conversation"], "bot", text(words))
    live.say(
        known["conversation"],
        "bot",
        {
            "type": "cards",
            "items": [
                {
                    "id": "1",
                    "title": "<img src=y>",
                    "picture": "javascript:1",
                    "buttons": [{"label": "<b>go</b>", "url": "javascript:alert(1)"}],
                }
            ],
        },
    )
    page = opened(visit, live, known)
    log = page.get_by_role("log")
    expect(log.get_by_text("<img src=x onerror=alert(1)>")).to_be_visible()
    assert log.locator("svg[onload], [onerror]").count() == 0
    assert {a.get_attribute("href") for a in log.get_by_role("link").all()} == {"#"}


def test_a_card_is_pressed_and_the_answer_comes_through_the_stream(live: Live, visit: Visit) -> None:
    known = session(live)
    cards = [{"id": str(n), "title": f"Trip {n}", "price": "€10", "buttons": [press("Choose", style="primary")]} for n in range(4)]
    live.say(known["conversation"], "bot", text("Look"), {"type": "cards", "items": cards})
    page = opened(visit, live, known, viewport={"width": 390, "height": 800})
    expect(page.get_by_role("button", name="Show more offers")).to_be_visible()
    expect(page.get_by_role("button", name="Show earlier offers")).to_be_hidden()
    page.get_by_role("button", name="Show more offers").click()
    expect(page.get_by_role("button", name="Show earlier offers")).to_be_visible()
    page.get_by_role("listitem").filter(has_text="Trip 1").get_by_role("button", name="Choose").click()
    expect(page.get_by_role("log").locator(".mine")).to_contain_text("Choose")


def test_a_form_keeps_what_was_typed_when_it_is_refused(live: Live, visit: Visit) -> None:
    known = session(live)
    fields = [
        {"name": "name", "kind": "text", "label": "Full name", "required": True},
        {"name": "adults", "kind": "stepper", "label": "Adults", "value": 2, "min": 1, "max": 3},
    ]
    form = {"type": "form", "id": "f", "title": "Who?", "fields": fields, "submit": {"label": "Go on", "action": "expired-button"}}
    live.say(known["conversation"], "bot", form)
    page = opened(visit, live, known, offline_ok=True)  # the refusal is logged by the browser
    page.get_by_role("button", name="Go on").click()
    name = page.get_by_label("Full name")
    expect(name).to_be_focused()
    expect(name).to_have_attribute("aria-invalid", "true")
    name.fill("Anna")
    page.get_by_role("button", name="Adults: one more").click()
    expect(page.get_by_role("button", name="Adults: one more")).to_be_disabled()
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("alert")).to_contain_text("no longer exists")
    expect(name).to_have_value("Anna")
    expect(page.get_by_role("spinbutton", name="Adults")).to_have_value("3")


def test_a_message_that_is_refused_can_be_edited(live: Live, visit: Visit) -> None:
    page = opened(visit, live, offline_ok=True)
    page.evaluate("() => document.querySelector('traveloure-chat').send('x'.repeat(4100))")
    expect(page.get_by_role("alert")).to_contain_text("too long")
    page.get_by_role("button", name="Edit").click()
    expect(page.get_by_label(COMPOSER)).to_have_value("x" * 4100)
    expect(page.get_by_role("log").locator(".mine")).to_have_count(0)


def test_streamed_words_become_the_message(live: Live, visit: Visit) -> None:
    known = session(live)
    page = opened(visit, live, known)
    topic = f"conversation:{known['conversation']}"
    wait_for(lambda: topic in live.house.bus._topics)
    said = "Boats 🚤 leave at **nine**"
    for offset in range(0, len(said), 4):
        live.house.bus.publish(topic, {"kind": "delta", "data": {"mid": "b-1", "offset": offset, "text": said[offset : offset + 4]}})
    bubble = page.get_by_role("log").locator(".draft")
    expect(bubble).to_have_text("Boats 🚤 leave at nine")
    live.say(known["conversation"], "bot", text(said + "."), client_id="b-1")
    expect(page.get_by_role("log").get_by_text("Boats 🚤 leave at nine.")).to_be_visible()
    expect(bubble).to_have_count(0)


def test_a_person_takes_over(live: Live, visit: Visit) -> None:
    known = session(live)
    page = opened(visit, live, known)
    page.get_by_role("button", name="Talk to a person").first.click()
    expect(page.get_by_role("button", name="Stop waiting")).to_be_visible()
    eva = live.person("Eva Expert", "expert")
    eva.post(f"/desk/c/{known['conversation']}/reply", json={"id": "1", "text": "Eva here"})
    eva.post(f"/desk/c/{known['conversation']}/note", json={"text": "SECRET"})
    expect(page.get_by_role("log").get_by_text("Eva here")).to_be_visible()
    expect(page.get_by_text("Travel expert", exact=True)).to_be_visible()
    page.get_by_label("Write to Eva").fill("Thanks")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Back to the assistant").click()
    expect(page.get_by_role("button", name="Talk to a person").first).to_be_visible()
    assert "SECRET" not in page.content() + page.get_by_role("log").inner_text()


def test_by_keyboard_only(live: Live, visit: Visit) -> None:
    page = visit(live.url)
    launcher = page.get_by_role("button", name=LAUNCHER)
    launcher.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label(COMPOSER).last).to_be_focused()
    expect(page.get_by_role("log")).to_contain_text("assistant")
    page.keyboard.type("First line")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("second line")
    page.keyboard.press("Enter")
    expect(page.get_by_role("log").locator(".mine")).to_contain_text("First line\nsecond line", use_inner_text=True)
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(launcher).to_be_focused()


def test_on_a_phone_the_focus_stays_inside_and_nothing_sticks_out(live: Live, visit: Visit) -> None:
    known = session(live)
    live.say(known["conversation"], "bot", text("W" * 300))
    page = visit(live.url, viewport={"width": 360, "height": 740}, color_scheme="dark", has_touch=True, is_mobile=True)
    page.evaluate("([k, v]) => localStorage.setItem(k, v)", [f"traveloure:{live.url}:demo", json.dumps(known)])
    page.reload()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("button", name=LAUNCHER).click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_have_attribute("aria-modal", "true")
    whole = {"x": 0, "y": 0, "width": 360, "height": 740}
    wait_for(lambda: dialog.bounding_box() == whole)  # once it has come to rest
    expect(page.get_by_text("W" * 300)).to_be_visible()
    assert page.get_by_role("log").evaluate("node => node.scrollWidth <= node.clientWidth")
    for _ in range(24):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.localName") == CHAT
    background = dialog.evaluate("node => getComputedStyle(node).backgroundColor")
    assert max(int(part) for part in background[4:-1].split(",")) < 60  # dark


def test_unread_lines_are_counted_while_it_is_closed(live: Live, visit: Visit) -> None:
    known = session(live)
    page = visit(live.url)
    page.evaluate("([k, v]) => localStorage.setItem(k, v)", [f"traveloure:{live.url}:demo", json.dumps(known)])
    page.reload()
    topic = f"conversation:{known['conversation']}"
    wait_for(lambda: topic in live.house.bus._topics)
    live.say(known["conversation"], "system", text("Your booking is confirmed"))
    live.say(known["conversation"], "traveler", text("from my phone"))
    page.get_by_role("button", name="Open the travel chat, 1 unread message").click()
    expect(page.get_by_role("log")).to_contain_text("Your booking is confirmed")
    page.get_by_role("button", name="Close the chat").last.click()
    expect(page.get_by_role("button", name=LAUNCHER, exact=True)).to_be_visible()


def test_eight_tabs_share_one_stream(live: Live, visit: Visit) -> None:
    known = session(live)
    first = opened(visit, live, known)
    pages = [first, *(visit(f"{live.url}/chat", context=first.context) for _ in range(7))]
    for page in pages:
        expect(page.get_by_role("log")).to_contain_text("assistant")
    live.say(known["conversation"], "bot", text("To all of you"))
    for page in pages:
        expect(page.get_by_role("log").get_by_text("To all of you")).to_have_count(1)
    assert len(live.house.bus._topics[f"conversation:{known['conversation']}"]) == 1
    first.close()  # another tab takes the stream over
    live.say(known["conversation"], "bot", text("Still here"))
    for page in pages[1:]:
        expect(page.get_by_role("log").get_by_text("Still here")).to_have_count(1)


def test_a_lost_session_begins_anew_and_sends_what_was_typed(live: Live, visit: Visit) -> None:
    known = session(live)
    page = opened(visit, live, known, offline_ok=True)
    with live.client(authorization=f"Bearer {known['token']}") as client:
        client.post("/chat/v1/sign-out")
    say(page, "Are you still there?")
    wait_for(lambda: count_of(live, conversation) == 2)
    expect(page.get_by_role("log").locator(".mine")).to_have_text("You:Are you still there?")
    assert wait_for(lambda: traveler_lines(live)) not in ([], [known["conversation"]])


def test_a_fallen_server_loses_and_doubles_nothing(visit: Visit, house: House, tmp_path: Path) -> None:
    with running(house) as live:
        known = session(live)
        port = live.port
        page = opened(visit, live, known, offline_ok=True)
        say(page, "before")
        expect(page.get_by_role("log").locator(".mine")).to_have_count(1)
    expect(page.get_by_role("status").filter(has_text="No connection")).to_be_visible()
    say(page, "while you were away")
    expect(page.get_by_role("log")).to_contain_text("Not sent yet")
    again = build_house(house.engine.db, tmp_path)
    with running(again, port=port) as live:
        expect(page.get_by_role("status").filter(has_text="No connection")).to_be_hidden()
        wait_for(lambda: count_of(live, message) == 3)
        live.say(known["conversation"], "bot", text("Welcome back"))
        expect(page.get_by_role("log")).to_contain_text("Welcome back")
        expect(page.get_by_role("log")).not_to_contain_text("Not sent yet")
        expect(page.get_by_role("log").locator(".mine")).to_have_count(2)
        page.reload()
        expect(page.get_by_role("log").locator(".mine")).to_have_count(2)
        expect(page.get_by_role("log").get_by_text("Welcome back")).to_have_count(1)


def test_a_page_is_back_within_moments_of_a_restart(visit: Visit, house: House, tmp_path: Path) -> None:
    """After a minute without a server the next try is at most three seconds away."""
    with running(house) as live:
        known, port = session(live), live.port
        page = visit(f"{live.url}/healthz", offline_ok=True)
        page.clock.install()
        page.evaluate("([k, v]) => localStorage.setItem(k, v)", [f"traveloure:{live.url}:demo", json.dumps(known)])
        page.goto(f"{live.url}/chat")
        expect(page.get_by_role("log")).not_to_have_attribute("aria-busy", "true")
    expect(page.get_by_text("No connection")).to_be_visible()
    for _ in range(8):
        page.clock.fast_forward(16_000)
        page.evaluate("() => fetch('/healthz').catch(() => 0)")
    again = build_house(house.engine.db, tmp_path)
    with running(again, port=port):
        page.clock.fast_forward(3_000)
        expect(page.get_by_text("No connection")).to_be_hidden()


def test_a_file_is_sent_and_fetched_back(live: Live, visit: Visit) -> None:
    page = opened(visit, live, offline_ok=True)
    picture = b"\x89PNG\r\n\x1a\n" + b"\0" * 40
    page.locator("input[type=file]").set_input_files({"name": "map.png", "mimeType": "image/png", "buffer": picture})
    with page.expect_download() as download:
        page.get_by_role("button", name="Download: map.png").click()
    assert Path(download.value.path()).read_bytes() == picture
    page.locator("input[type=file]").set_input_files({"name": "virus.png", "mimeType": "image/png", "buffer": b"MZ"})
    expect(page.get_by_role("alert")).to_contain_text("Only pictures")


def test_right_to_left_pages_are_mirrored(live: Live, visit: Visit, elsewhere: Callable[[str, str], str]) -> None:
    html = f'<!doctype html><html dir="rtl" lang="ar"><title>x</title><script type="module" src="{live.url}/static/traveloure-chat.js" data-site="x"></script>'
    page = visit(elsewhere(html, POLICY.format(host=live.url)))
    box = page.get_by_role("button", name=LAUNCHER).bounding_box()
    assert box is not None
    assert box["x"] < 60
