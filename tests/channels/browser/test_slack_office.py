"""Slack played in the browser: the demo's own page drives the real app over signed HTTP, forms and threads included."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser


def write(page: Page, text: str) -> None:
    page.get_by_label("Message").fill(text)
    page.keyboard.press("Enter")


@pytest.mark.parametrize("look", [{}, {"viewport": {"width": 375, "height": 720}, "color_scheme": "dark"}], ids=["desk", "phone, dark"])
def test_a_person_without_slack_tries_the_app(demo_house: str, visit: Callable[..., Page], look: dict[str, object], tmp_path: Path) -> None:
    page = visit(f"{demo_house}/slack-local/", **look)
    log = page.locator("#log")
    write(page, "Something fun in Lisbon next Saturday for two")
    expect(log).to_contain_text("assistant", timeout=15_000)
    page.get_by_role("button", name="Add to trip").first.click(timeout=15_000)
    expect(log).to_contain_text("in your trip", timeout=15_000)
    write(page, "<img src=x onerror=alert(1)> & <b>me</b>")
    expect(log).to_contain_text("<img src=x onerror=alert(1)> & <b>me</b>")
    assert log.locator("img[src=x]").count() == 0
    write(page, "that is all, please book it")
    page.get_by_role("button", name="Confirm").first.click(timeout=15_000)
    page.get_by_role("button", name="Fill in").click(timeout=15_000)
    form = page.get_by_role("dialog")
    expect(form).to_be_visible(timeout=15_000)
    form.get_by_label("E-mail").fill("ana@example.com")
    form.get_by_role("button", name="Cancel").click()
    expect(form).to_be_hidden()
    page.get_by_role("button", name="Fill in").click()
    expect(form).to_be_visible(timeout=15_000)
    form.get_by_label("Name").fill("Ana Silva")
    form.get_by_label("E-mail").fill("ana@example.com")
    form.get_by_role("checkbox").check()
    page.screenshot(path=tmp_path / "form.png")
    form.locator("#send").click()
    expect(log).to_contain_text("Please pay", timeout=15_000)
    page.screenshot(path=tmp_path / "paid.png")
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_the_command_the_home_and_a_channel(demo_house: str, visit: Callable[..., Page]) -> None:
    page = visit(f"{demo_house}/slack-local/")
    write(page, "/traveloure help")
    expect(page.locator("#log")).to_contain_text("/trips your bookings", timeout=15_000)
    page.get_by_text("More", exact=True).click()
    page.get_by_role("button", name="Open the app's Home").click()
    home = page.get_by_role("dialog", name="App Home")
    expect(home).to_be_visible(timeout=15_000)
    home.get_by_role("button", name="Close").click()
    page.get_by_label("A channel of everybody and the app, called").fill("Lisbon trip")
    page.get_by_role("button", name="Make").click()
    expect(page.locator("#title")).to_contain_text("#lisbon-trip")
    write(page, "nobody asked the app")
    write(page, "@traveloure boat trips in Lisbon for two")
    expect(page.locator("#log li.in-thread").first).to_be_visible(timeout=15_000)
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_from_the_web_to_slack(demo_house: str, visit: Callable[..., Page]) -> None:
    with httpx.Client(base_url=demo_house, trust_env=False) as browser:
        opened = browser.post("/chat/v1/session", json={"locale": "en"}).json()
        headers = {"authorization": f"Bearer {opened['token']}"}
        link = browser.post("/chat/v1/link", json={"channel": "slack"}, headers=headers).json()["url"]
    assert link.startswith(f"{demo_house}/slack-local/#start=")
    office = visit(link)
    office.get_by_role("dialog").get_by_role("button", name="Ana").click()
    expect(office.locator("#log")).to_contain_text("is linked to", timeout=15_000)


def test_the_page_wants_its_key_and_the_app_a_signature(demo_house: str) -> None:
    with httpx.Client(base_url=demo_house, trust_env=False) as stranger:
        assert stranger.post("/slack-local/office/say", json={"who": "U1", "text": "x"}).status_code == 403
        assert stranger.get("/slack-local/office/places").status_code == 403
        assert stranger.get("/slack-local/office/place/C1?who=U1").status_code == 403
        assert stranger.post("/slack-local/api/auth.test").json()["ok"] is False
        assert stranger.post("/webhooks/slack", json={"type": "event_callback"}).status_code == 401
        page = stranger.get("/slack-local/")
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert "xoxb-" not in page.text
