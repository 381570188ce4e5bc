"""The same conversation by plain HTTP: the chat's protocol, the payment page, signed webhooks, on both databases."""

from __future__ import annotations

import json
import re
import uuid
from contextlib import closing
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from core import holds
from core.payments import ledger
from core.schema import booking, job, payment, webhook_event
from tests.channels.conftest import wait_for
from tests.stories.conftest import Running


class Client:
    """A front end of forty lines."""

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=url, timeout=15)
        token = self.http.post("/chat/v1/session", json={"locale": "en", "time_zone": "Europe/Lisbon"}).json()["token"]
        self.http.headers["authorization"] = f"Bearer {token}"
        self.seen = 0

    def close(self) -> None:
        self.http.close()

    def post(self, **body: Any) -> None:
        answer = self.http.post("/chat/v1/messages", json={"id": uuid.uuid4().hex, **body})
        assert answer.status_code == 202, answer.text
        self.seen = answer.json()["seq"]

    def wait(self, words: str) -> list[dict[str, Any]]:
        """The lines since the last thing said, once one of them has these words."""
        return wait_for(lambda: self._lines(words), 20)  # type: ignore[no-any-return]

    def _lines(self, words: str) -> list[dict[str, Any]] | None:
        lines: list[dict[str, Any]] = self.http.get("/chat/v1/history", params={"after": self.seen}).json()
        return lines if words in json.dumps(lines, ensure_ascii=False) else None


def button(lines: list[dict[str, Any]], label: str) -> str:
    found = re.findall(rf'"label": "{label}[^"]*"[^{{}}]*?"action": "(\w+)"', json.dumps(lines, ensure_ascii=False))
    assert found, f"no button {label!r}"
    return str(found[0])


@pytest.mark.slow
def test_ask_book_pay_and_be_confirmed(running: Running) -> None:
    with closing(Client(running.url)) as client:
        _book_and_pay(running, client)


def _book_and_pay(running: Running, client: Client) -> None:
    client.post(text="something fun in Lisbon tomorrow for two")
    lines = client.wait("activities in Lisbon")
    client.post(action=button(lines, "Add to trip"))
    client.post(action=button(client.wait("is in your trip"), "Check out"))
    client.post(action=button(client.wait("Please check and confirm"), "Confirm"))
    lines = client.wait("Who is booking?")
    confirm = button(lines, "Confirm and book")
    bad = client.http.post(
        "/chat/v1/messages",
        json={"id": uuid.uuid4().hex, "action": confirm, "fields": {"name": "Ana Silva", "email": "nope", "terms": True}},
    )
    assert (bad.status_code, bad.json()["error"]["field"]) == (422, "email")
    client.post(action=confirm, fields={"name": "Ana Silva", "email": "ana@example.com", "terms": True})
    link = re.search(r'"url": "(http[^"]+/pay/[^"]+)"', json.dumps(client.wait("Please pay €96")))
    assert link is not None

    with httpx.Client(timeout=15) as browser:
        declined = browser.post(link[1], data={"number": "4000 0000 0000 0002", "expiry": "12/34", "cvc": "123"})
        assert declined.status_code == 402
        bank = browser.post(link[1], data={"number": "4000 0027 6000 3184", "expiry": "12/34", "cvc": "123"})
        assert bank.is_redirect
        paid = browser.post(f"{link[1]}/confirm", data={"choice": "approve"})
        assert paid.is_redirect
        assert paid.headers["location"].startswith(f"{running.url}/pay/done?s=cs_")
        client.wait("Booked and confirmed")  # by the webhook: nobody has opened the return page
        assert "confirmed" in browser.get(paid.headers["location"]).text.lower()
        again = browser.post(link[1], data={"number": "4242 4242 4242 4242", "expiry": "12/34", "cvc": "123"})
        assert again.status_code in (303, 409, 410)
    assert json.dumps(client.http.get("/chat/v1/history").json()).count("Booked and confirmed") == 1

    def settled() -> bool:
        with running.house.engine.db.read() as tx:
            return not tx.execute(select(job.c.id).where(job.c.kind == "webhook")).all()

    wait_for(settled)
    with running.house.engine.db.read() as tx:
        assert [row.status for row in tx.execute(select(booking.c.status))] == ["CONFIRMED"]
        assert [(row.status, row.amount) for row in tx.execute(select(payment.c.status, payment.c.amount))] == [("paid", 9600)]
        assert {row.state for row in tx.execute(select(webhook_event.c.state))} == {"done"}
        assert holds.drift(tx) == []
        assert ledger.unbalanced(tx) == []
        assert sum(ledger.balances(tx).values()) == 0


@pytest.mark.slow
def test_a_forged_webhook_moves_nothing(running_sqlite: Running) -> None:
    answer = httpx.post(
        f"{running_sqlite.url}/webhooks/stripe",
        content=b'{"id":"evt_1","type":"checkout.session.completed","data":{"object":{"id":"cs_1"}}}',
        headers={"stripe-signature": "t=1,v1=00"},
    )
    assert answer.status_code == 400
    with running_sqlite.house.engine.db.read() as tx:
        assert tx.execute(select(webhook_event)).all() == []
