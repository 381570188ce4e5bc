"""The payouts page and the onboarding operation over real HTTP: only one's own money, links made by a press, and nothing believed."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pypdf import PdfReader

from channels.house import House
from core.availability import Ask
from core.people import api_token, ensure_account, grant, sign_in_link
from tests import market
from tests.channels.conftest import Live, build_house, running
from tests.conftest import Clock
from tests.core.test_holds import SATURDAY
from tests.core.test_payouts import buy
from tests.gateway import MemoryGateway
from tests.jobs import work

SAIL = Ask("sunset-sail", None, SATURDAY, None, "17:30", {"ADULT": 2})
SETUP = "/payouts/provider/tejo-days/setup"


@pytest.fixture
def house(db: Any, tmp_path: Path, gateway: MemoryGateway) -> House:
    made = build_house(db, tmp_path, gateway, Clock())
    market.load(made.engine, tmp_path)
    with made.engine.db.write() as tx:
        for name, role, provider in (("marta", "provider", "tejo-days"), ("gio", "provider", "roman-holidays"), ("ines", "operator", "")):
            ensure_account(tx, made.engine.clock(), name, name=name.title(), email=f"{name}@example.com")
            grant(tx, name, role, provider)
    return made


@pytest.fixture
def live(house: House) -> Iterator[Live]:
    with running(house) as one:
        yield one


def signed_in(live: Live, account: str) -> httpx.Client:
    browser = live.client()
    browser.post(f"/signin/{sign_in_link(live.house.engine, account)}")
    return browser


def proof(browser: httpx.Client) -> str:
    found = re.search(r'name="csrf" content="([^"]+)"', browser.get("/payouts").text)
    assert found is not None
    return found[1]


def test_a_provider_sets_payouts_up_and_sees_the_money_go_out(live: Live, gateway: MemoryGateway) -> None:
    engine = live.house.engine
    buy(engine, gateway, SAIL)
    marta = signed_in(live, "marta")
    first = marta.get("/payouts").text
    assert "Set up payouts" in first
    assert "€84.48" in first
    assert marta.post(SETUP, data={"csrf": "wrong"}).status_code == 403
    gone = marta.post(SETUP, data={"csrf": proof(marta)})
    assert (gone.status_code, gone.headers["location"]) == (303, "https://connect.example/acct_1/2")
    back = marta.get("/payouts/provider/tejo-days?back=1")
    assert back.headers["location"] == "/payouts?said=back"
    assert "Something is missing" in marta.get("/payouts").text  # coming back proves nothing
    gateway.set_account("acct_1", "active")
    marta.get("/payouts/provider/tejo-days?back=1")
    engine.clock.forward(days=6)  # type: ignore[attr-defined]
    work(engine)
    page = marta.get("/payouts").text
    assert "Ready" in page
    assert "Payout" in page
    printed = marta.get("/payouts/provider/tejo-days/statement.pdf")
    assert printed.headers["content-type"] == "application/pdf"
    told = "".join(page.extract_text() for page in PdfReader(io.BytesIO(printed.content)).pages)
    assert "price of the booking €96, taxes in it €0, our fee €11.52" in " ".join(told.split())
    statement = marta.get("/payouts/provider/tejo-days/statement.csv")
    assert statement.headers["content-disposition"].startswith("attachment")
    assert [line.split(",")[1] for line in statement.text.splitlines()[1:]] == ["sale", "payout"]


def test_nobody_sees_or_sets_up_somebody_elses_payouts(live: Live, gateway: MemoryGateway) -> None:
    gio = signed_in(live, "gio")
    assert "Tejo" not in gio.get("/payouts").text
    assert gio.post(SETUP, data={"csrf": proof(gio)}).status_code == 404
    assert gio.get("/payouts/provider/tejo-days/statement.csv").status_code == 404
    assert gio.get("/payouts/provider/tejo-days/statement.pdf").status_code == 404
    assert gio.get("/payouts/provider/tejo-days?back=1").status_code == 404
    assert live.client().get("/payouts").status_code in (302, 303, 401)
    assert gateway.accounts == {}
    assert "Tejo Days" in signed_in(live, "ines").get("/payouts").text


def test_a_gateway_that_does_not_answer_loses_nothing(live: Live, gateway: MemoryGateway) -> None:
    marta = signed_in(live, "marta")
    gateway.down = True
    answer = marta.post(SETUP, data={"csrf": proof(marta)})
    assert (answer.status_code, "does not answer" in answer.text) == (503, True)
    gateway.down = False
    assert marta.post(SETUP, data={"csrf": proof(marta)}).status_code == 303
    assert list(gateway.accounts) == ["acct_1"]


def test_programs_onboard_their_own_provider_and_no_other(live: Live, gateway: MemoryGateway) -> None:
    marta = live.client(authorization=f"Bearer {api_token(live.house.engine, 'marta')}")
    made = marta.post("/api/providers/stripe-onboard/", json={"provider": "tejo-days"}).json()
    assert (made["state"], made["needs"], made["account"]) == ("restricted", ["identity"], "acct_1")
    assert made["link"].startswith("https://connect.example/acct_1/")
    again = marta.post("/api/providers/stripe-onboard", json={"provider": "tejo-days"}).json()
    assert again["link"] != made["link"]
    gateway.set_account("acct_1", "active")
    assert marta.post("/api/providers/stripe-onboard/", json={"provider": "tejo-days"}).json()["link"] is None
    assert marta.post("/api/providers/stripe-onboard/", json={"provider": "roman-holidays"}).status_code == 404
