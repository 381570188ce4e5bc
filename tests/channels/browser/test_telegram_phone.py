"""Telegram played in the browser: the demo's own page drives the real bot, and a trip goes from the web to the phone and back."""

from __future__ import annotations

import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from channels import demo
from channels.main import build, web
from channels.settings import Settings
from channels.web.serve import server
from tests import market
from tests.channels.conftest import wait_for

pytestmark = pytest.mark.browser


@pytest.fixture
def demo_house(migrated_sqlite: Path, tmp_path: Path) -> Iterator[str]:
    """As `traveloure demo` builds it: no token, so the stand-in with its phone."""
    shutil.copy(migrated_sqlite, tmp_path / "traveloure.db")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = Settings(_env_file=None, TRAVELOURE_DATA=tmp_path, PORT=port)  # type: ignore[call-arg]
    house = build(settings)
    market.load(house.engine, tmp_path)
    demo.ensure_people(house.engine)
    door = server(house, web(house, pace=0.0, phone=True), log_level="error")
    thread = threading.Thread(target=door.run, daemon=True)
    thread.start()
    try:
        wait_for(lambda: door.started, 30)
        yield settings.base_url
    finally:
        door.should_exit = True
        thread.join(20)
        house.close()
        assert not thread.is_alive(), "the server did not stop"


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
