"""Paying in the whole house, one process: the page, the bank, the webhook, the worker, the refund, and nobody asked by hand."""

from __future__ import annotations

import httpx
from sqlalchemy import select

from core.payments import collect, ledger
from core.schema import webhook_event
from tests import builders as b
from tests.channels.conftest import wait_for
from tests.stories.conftest import Running


def test_a_payment_is_heard_of_by_its_webhook_alone(running: Running) -> None:
    house = running.house
    db = house.engine.db
    payment_id = b.buy(house.engine, "pasta-class")
    url = collect.ensure_link(house.engine, payment_id)["url"]
    assert url.startswith(f"{running.url}/stripe-local/pay/cs_test_")
    with httpx.Client(trust_env=False) as browser:
        page = browser.get(url)
        assert page.status_code == 200
        assert "€118" in page.text
        assert page.headers["content-security-policy"].startswith("default-src 'none'; style-src 'self'; form-action 'self'")
        assert browser.post(url, data={"tap": "decline"}).status_code == 402
        assert b.statuses(db) == {"pasta-class": "ON_HOLD"}
        asked = browser.post(url, data={"tap": "bank"})
        assert asked.status_code == 303
        done = browser.post(f"{running.url}{asked.headers['location']}", data={"choice": "approve"})
        assert done.status_code == 303
        session = b.payment_row(db, payment_id).session_id
        assert done.headers["location"] == f"{running.url}/pay/done?s={session}"
    wait_for(lambda: b.statuses(db) == {"pasta-class": "CONFIRMED"}, 15)

    def completed() -> list[str]:
        of_type = select(webhook_event.c.body).where(webhook_event.c.type == "checkout.session.completed")
        with db.read() as tx:
            return [body["object"] for body in tx.execute(of_type).scalars()]

    wait_for(completed, 15)  # the charge's own event may come first and be enough to confirm
    assert completed() == [session]

    with db.write() as tx:
        collect.ask_refund(tx, payment_id, 11800, house.engine.clock(), booking_id=None, reason="a change of plans")
    wait_for(lambda: b.refunds_of(db, payment_id) == [(11800, "sent")], 15)
    with db.read() as tx:
        assert ledger.unbalanced(tx) == []
        assert set(ledger.balances(tx).values()) == {0}


def test_a_forged_webhook_is_turned_away(running_sqlite: Running) -> None:
    body = b'{"id": "evt_1", "object": "event", "type": "checkout.session.completed", "data": {"object": {"id": "cs_1"}}}'
    with httpx.Client(trust_env=False) as stranger:
        for headers in ({}, {"Stripe-Signature": "t=1,v1=00"}):
            answer = stranger.post(f"{running_sqlite.url}/webhooks/stripe", content=body, headers=headers)
            assert answer.status_code == 400
    with running_sqlite.house.engine.db.read() as tx:
        assert tx.execute(select(webhook_event)).all() == []
