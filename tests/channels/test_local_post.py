"""The demo's own mail and phones: a house with no key at all, whose letters are read and answered on its own page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from core import identities
from core.engine import Actor
from core.schema import booking, booking_request
from tests import builders as b
from tests.channels.conftest import wait_for
from tests.played import playing
from tests.stories.conftest import Running

HOST = "provider@demo.example"


@pytest.fixture
def shown(migrated_sqlite: Path, tmp_path: Path) -> Iterator[Running]:
    with playing(migrated_sqlite, tmp_path) as running:
        yield running


def key_in(page: str) -> str:
    found = re.search(r'name="key" value="([^"]+)"', page)
    assert found is not None
    return found[1]


def status(shown: Running) -> list[tuple[str, str]]:
    with shown.house.engine.db.read() as tx:
        rows = tx.execute(
            select(booking.c.status, booking_request.c.status.label("asked")).join(
                booking_request, booking_request.c.booking_id == booking.c.id
            )
        )
        return [(row.status, row.asked) for row in rows]


def test_letters_are_read_and_answered_on_the_page_and_texts_on_the_phones(shown: Running) -> None:
    engine = shown.house.engine
    ana: Actor = b.traveler(engine, email="ana@example.com")
    with httpx.Client(base_url=shown.url, timeout=20) as browser:
        assert "No letters yet" in browser.get("/mail-local/").text
        phone = browser.get("/sms-local/")
        assert "No texts yet" in phone.text
        words = f"LINK {identities.invite(engine, 'demo-provider')}"
        form = {"key": key_in(phone.text), "phone": "+351 910 000 001", "body": words}
        assert browser.post("/sms-local/text", data={**form, "key": "wrong"}).status_code == 403
        assert browser.post("/sms-local/text", data=form).status_code == 303
        wait_for(lambda: "is linked to Marta" in browser.get("/sms-local/", params={"phone": "+351910000001"}).text, 20)

        b.add(engine, ana, "alfama-walk")
        b.checkout(engine, ana)
        listed = wait_for(lambda: re.search(r'href="/mail-local/(\d+)"', browser.get("/mail-local/", params={"to": HOST}).text), 20)
        wait_for(lambda: "Private walk" in browser.get("/sms-local/", params={"phone": "+351910000001"}).text, 20)
        assert re.search(r"· \d parts?</time>", browser.get("/sms-local/", params={"phone": "+351910000001"}).text)
        letter = browser.get(f"/mail-local/{listed[1]}")
        assert "Private walk through Alfama" in letter.text
        assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in letter.text
        inside = browser.get(f"/mail-local/{listed[1]}/html")
        assert (
            "script-src" not in inside.headers["content-security-policy"]
            and "default-src 'none'" in inside.headers["content-security-policy"]
        )
        answer = {"key": key_in(letter.text), "text": "yes", "sender": HOST}
        assert browser.post(f"/mail-local/{listed[1]}/answer", data={**answer, "key": "wrong"}).status_code == 403
        assert browser.post(f"/mail-local/{listed[1]}/answer", data={**answer, "text": " "}).status_code == 422
        assert browser.get("/mail-local/9999").status_code == 404
        assert status(shown) == [("PENDING", "open")]
        assert browser.post(f"/mail-local/{listed[1]}/answer", data=answer).status_code == 303
        wait_for(lambda: status(shown) == [("ON_HOLD", "approved")], 20)
