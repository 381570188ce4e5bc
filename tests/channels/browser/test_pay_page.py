"""The sandbox's pay page in a real browser: fits a phone, works by keyboard, and leads back to another site's page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from core.payments.gateway import OrderLine, PaymentLink
from tests.sandbox import Bench, open_socket, sandbox_at, serving

pytestmark = pytest.mark.browser


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with sandbox_at(tmp_path / "sandbox.db") as bench:
        yield bench


@pytest.fixture
def shop() -> Iterator[str]:
    """Another origin, as the house is when DOMAIN_URL names it: Chromium holds form-action against the redirect to it."""

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
        await send({"type": "http.response.body", "body": b"<title>The shop</title><link rel=icon href=data:,>Thank you."})

    listener = open_socket()
    with serving(answer, listener):
        yield f"http://localhost:{listener.getsockname()[1]}"


@pytest.fixture
def link(bench: Bench, shop: str) -> PaymentLink:
    name = "Sunset kayak tour along the Arrábida coast with averyveryverylongwordthatbreaksnowhere"
    order = replace(bench.order("p1", OrderLine(name, 2, 6050)), success_url=f"{shop}/done?s={{CHECKOUT_SESSION_ID}}")
    return bench.gateway().payment_link(order, key="p1")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_one_tap_pays_on_a_small_phone(visit: Callable[..., Page], bench: Bench, link: PaymentLink, shop: str, scheme: str) -> None:
    page = visit(link.url, viewport={"width": 320, "height": 640}, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") == 320
    assert page.evaluate("Math.min(...[...document.querySelectorAll('button, input')].map(e => e.offsetHeight))") >= 48
    page.get_by_role("button", name="Confirm at the bank").click()
    page.get_by_role("button", name="Approve €121").click()
    expect(page).to_have_url(f"{shop}/done?s={link.session_id}")
    assert bench.gateway().fetch_payment(link.session_id).state == "paid"


def test_a_card_is_typed_by_keyboard_alone(visit: Callable[..., Page], link: PaymentLink, shop: str) -> None:
    page = visit(link.url, offline_ok=True)  # a 402 is an error to the console, and to nobody else
    page.get_by_label("Card number").focus()
    page.keyboard.type("4000 0000 0000 9995")
    page.keyboard.press("Tab")
    page.keyboard.type("12/34")
    page.keyboard.press("Tab")
    page.keyboard.type("123")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("Not paid. There is not enough money on this card. Try another card.")
    expect(page.get_by_label("Card number")).to_have_value("4000 0000 0000 9995")
    expect(page.get_by_label("Security code")).to_have_value("")
    page.get_by_label("Card number").fill("4242 4242 4242 4242")
    page.get_by_label("Security code").fill("123")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{shop}/done?s={link.session_id}")
