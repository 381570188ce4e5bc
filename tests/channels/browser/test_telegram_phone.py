"""Telegram played in the browser: the demo's own page drives the real bot, and a trip goes from the web to the phone and back."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("look", [{}, {"viewport": {"width": 375, "height": 720}, "color_scheme": "dark"}], ids=["desk", "phone, dark"])
def test_a_person_without_telegram_tries_the_bot(demo_house: str, visit: Callable[..., Page], look: dict[str, object]) -> None:
    page = visit(f"{demo_house}/telegram-local/", **look)
    page.get_by_label("Message").fill("Something fun in Lisbon next Saturday for two")
    page.keyboard.press("Enter")
    expect(page.locator("#log")).to_contain_text("assistant", timeout=15_000)
    page.get_by_role("button", name="Add to trip").click(timeout=15_000)
    expect(page.locator("#log")).to_contain_text("in your trip", timeout=15_000)
    page.get_by_label("Message").fill("<img src=x onerror=alert(1)> & <b>me</b>")
    page.keyboard.press("Enter")
    expect(page.locator("#log li.mine").last).to_contain_text("<img src=x onerror=alert(1)> & <b>me</b>")
    assert page.locator("#log li.mine img").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_from_the_web_to_the_phone_and_back(demo_house: str, visit: Callable[..., Page]) -> None:
    chat = visit(f"{demo_house}/chat")
    chat.get_by_role("button", name="Go on in Telegram").click(timeout=15_000)
    link = chat.get_by_role("link", name="Open Telegram").get_attribute("href")
    assert link is not None
    assert link.startswith(f"{demo_house}/telegram-local/#start=l_")
    phone = visit(link)
    phone.get_by_role("dialog").get_by_role("button", name="Ana").click()
    expect(phone.locator("#log")).to_contain_text("is linked to", timeout=15_000)
    phone.get_by_label("Message").fill("/web")
    phone.keyboard.press("Enter")
    back = phone.get_by_role("link", name="Go on in the browser")
    expect(back).to_be_visible(timeout=15_000)
    url = back.get_attribute("href")
    assert url is not None
    other = visit(url)
    expect(other.get_by_role("log")).to_contain_text("Telegram was linked to this account", timeout=15_000)
    assert "continue" not in other.url


def test_the_phone_wants_its_key(demo_house: str) -> None:
    with httpx.Client(base_url=demo_house, trust_env=False) as stranger:
        assert stranger.post("/telegram-local/phone/say", json={"who": 1001, "text": "x"}).status_code == 403
        assert stranger.get("/telegram-local/phone/chats").status_code == 403
        assert stranger.post("/telegram-local/bot1:x/getMe").status_code == 401
        assert "default-src 'none'" in stranger.get("/telegram-local/").headers["content-security-policy"]
