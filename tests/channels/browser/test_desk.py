"""A traveler's and an expert's browser side by side, and a provider's inbox that keeps itself fresh."""

from __future__ import annotations

import httpx
import pytest
from playwright.sync_api import Page, expect

from channels.web.session import COOKIE
from core import bookings
from tests import builders
from tests.channels.browser.conftest import text
from tests.channels.browser.test_widget import Visit, opened, say, session
from tests.channels.conftest import Live, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def seated(visit: Visit, live: Live, client: httpx.Client, path: str) -> Page:
    cookie = {"name": COOKIE, "value": client.cookies[COOKIE], "url": live.url}
    return visit(f"{live.url}{path}", cookies=[cookie])


def test_an_expert_takes_over_by_keyboard_and_a_note_stays_inside(live: Live, visit: Visit) -> None:
    known = session(live)
    traveler = opened(visit, live, known)
    say(traveler, "I need a person, please")
    traveler.get_by_role("button", name="Talk to a person").first.click()
    live.say(
        known["conversation"],
        "bot",
        text("**Someone** will join"),
        {"type": "summary", "title": "Your trip", "groups": [], "buttons": [{"label": "Pay", "url": "/pay"}]},
    )
    desk = seated(visit, live, live.person("Eva Expert", "expert"), "/desk")
    expect(desk.get_by_text("1 waiting")).to_be_visible()
    desk.keyboard.press("j")
    desk.keyboard.press("Enter")
    transcript = desk.get_by_role("log", name="Transcript")
    expect(transcript.locator("b", has_text="Someone")).to_be_visible()
    expect(transcript.get_by_role("button", name="Pay")).to_be_disabled()
    desk.keyboard.press("c")
    expect(desk.get_by_role("button", name="Return to assistant")).to_be_visible()
    desk.keyboard.press("r")
    desk.keyboard.type("Hello, Eva here")
    desk.keyboard.press("Control+Enter")
    expect(traveler.get_by_role("log").get_by_text("Hello, Eva here")).to_be_visible()
    desk.keyboard.press("Escape")
    desk.keyboard.press("n")
    desk.keyboard.type("SECRET")
    desk.keyboard.press("Control+Enter")
    expect(transcript.get_by_text("SECRET")).to_be_visible()
    traveler.get_by_label("Write to Eva").fill("Good to see you")
    expect(desk.get_by_role("status").filter(has_text="is typing")).to_be_visible()
    traveler.keyboard.press("Enter")
    expect(transcript.get_by_text("Good to see you")).to_have_count(1)
    assert "SECRET" not in traveler.get_by_role("log").inner_text()
    desk.keyboard.press("Escape")
    desk.keyboard.press("b")
    expect(traveler.get_by_role("button", name="Talk to a person").first).to_be_visible()


def test_the_inbox_shows_a_new_request_by_itself(live: Live, visit: Visit) -> None:
    engine = live.house.engine
    builders.products(engine, "walk", booking_type="REQUEST")
    inbox = seated(visit, live, live.person("Paul Provider", "provider", "tejo"), "/provider")
    expect(inbox.get_by_text("Nothing waits for you")).to_be_visible()
    wait_for(lambda: live.house.bus._topics.get("provider:tejo"))
    actor = builders.traveler(engine)
    builders.add(engine, actor, "walk")
    proposal = bookings.propose_checkout(engine, actor)
    bookings.commit_checkout(engine, actor, proposal["proposal_id"])
    card = inbox.get_by_role("article", name="Walk")
    expect(card).to_contain_text("Answer within")
    card.get_by_role("textbox", name="Or answer in your own words").fill("Yes, with pleasure")
    card.get_by_role("button", name="Send answer").click()
    expect(inbox.get_by_role("status")).to_contain_text("You said yes")
    expect(inbox.get_by_text("Approved")).to_be_visible()
