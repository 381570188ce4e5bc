"""Accounts, transfers and disputes through Stripe's own client over real HTTP: the adapter's words against the sandbox's rules."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from core.errors import Refused
from core.payments.gateway import GatewayMisused, GatewayRefused, PayeeOrder, TransferOrder
from core.payments.stripe_connect import StripeGateway
from tests.sandbox import Bench, sandbox_at

CREW = PayeeOrder("provider", "tejo-days", "Tejo Days", "crew@example.com", "PT", "EUR")
BACK, AGAIN = "http://127.0.0.1:1/payouts/done", "http://127.0.0.1:1/payouts/again"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with sandbox_at(tmp_path / "stripe.sqlite") as one:
        yield one


@pytest.fixture
def gateway(bench: Bench) -> StripeGateway:
    return bench.gateway()


def charge(bench: Bench, gateway: StripeGateway, payment_id: str = "p1", tap: str = "success", **card: str) -> str:
    link = gateway.payment_link(bench.order(payment_id), key=f"{payment_id}:session:1")
    bench.press(link.url, **(card or {"tap": tap}))
    return str(gateway.fetch_payment(link.session_id).charge_id)


def onboarded(bench: Bench, gateway: StripeGateway, order: PayeeOrder = CREW) -> str:
    account = gateway.create_account(order, key=f"acct:{order.party_id}:0")
    link = gateway.onboarding_link(account, return_url=BACK, refresh_url=AGAIN)
    assert "I am who I say" in bench.browser.get(link).text
    assert bench.press(link, choice="complete").headers["location"] == BACK
    return account


def send(gateway: StripeGateway, charge_id: str, account: str, amount: int, key: str = "s:1", currency: str = "EUR") -> str:
    return gateway.transfer(TransferOrder(charge_id, account, amount, currency, "p1"), key=key, metadata={"share": "s"}).id


def test_an_account_can_receive_once_its_page_was_walked_through(bench: Bench, gateway: StripeGateway) -> None:
    account = gateway.create_account(CREW, key="acct:tejo-days:0")
    assert gateway.create_account(CREW, key="acct:tejo-days:0") == account
    before = gateway.fetch_account(account)
    assert (before.state, before.needs) == ("restricted", ("Who you are and your bank account",))
    paid = charge(bench, gateway)
    with pytest.raises(GatewayRefused) as refused:
        send(gateway, paid, account, 100)
    assert (refused.value.gateway_code, refused.value.curable) == ("insufficient_capabilities_for_transfer", True)
    link = gateway.onboarding_link(account, return_url=BACK, refresh_url=AGAIN)
    bench.browser.get(link)
    assert bench.press(link, choice="later").headers["location"] == BACK
    assert gateway.fetch_account(account).state == "restricted"  # coming back proves nothing
    bench.press(link, choice="complete")
    assert (gateway.fetch_account(account).state, gateway.fetch_account(account).needs) == ("active", ())
    with pytest.raises(GatewayRefused):  # the stored no is replayed under its key ...
        send(gateway, paid, account, 100)
    assert send(gateway, paid, account, 100, key="s:2")  # ... and a new attempt goes through


def test_an_onboarding_link_works_once_and_soon_ends(bench: Bench, gateway: StripeGateway) -> None:
    account = gateway.create_account(CREW, key="acct:tejo-days:0")
    link = gateway.onboarding_link(account, return_url=BACK, refresh_url=AGAIN)
    assert bench.browser.get(link).status_code == 200
    assert bench.browser.get(link).headers["location"] == AGAIN
    late = gateway.onboarding_link(account, return_url=BACK, refresh_url=AGAIN)
    bench.clock.forward(minutes=6)
    assert bench.browser.get(late).headers["location"] == AGAIN
    assert bench.press(late, choice="complete").status_code == 410
    assert gateway.fetch_account(account).state == "restricted"


def test_transfers_stay_within_their_charge_and_reversals_within_what_is_held(bench: Bench, gateway: StripeGateway) -> None:
    account = onboarded(bench, gateway)
    paid = charge(bench, gateway)  # 120.00
    first = send(gateway, paid, account, 10_000)
    assert send(gateway, paid, account, 10_000) == first
    for amount, currency, code in ((2_001, "EUR", "transfer_source_balance_parameters_mismatch"), (10, "USD", "currency")):
        with pytest.raises(GatewayRefused) as refused:
            send(gateway, paid, account, amount, f"s:{amount}", currency)
        assert refused.value.gateway_code == code
    assert gateway.reverse(first, 4_000, key="s:r1", metadata={}).amount == 4_000
    with pytest.raises(GatewayRefused) as refused:
        gateway.reverse(first, 6_001, key="s:r2", metadata={})
    assert refused.value.gateway_code == "amount_too_large"
    bench.press(f"{bench.url}/dashboard", do="pay_out", id=account)
    with pytest.raises(GatewayRefused) as refused:
        gateway.reverse(first, 6_000, key="s:r3", metadata={})
    assert (refused.value.gateway_code, refused.value.curable) == ("balance_insufficient", True)
    with pytest.raises(GatewayMisused):
        send(gateway, paid, account, 9_999)


def test_a_dispute_is_fetched_answered_and_decided(bench: Bench, gateway: StripeGateway) -> None:
    paid = charge(bench, gateway, number="4000 0000 0000 0259", expiry="12/34", cvc="123")
    found = re.findall(r"dp_[0-9a-f]+", bench.browser.get(f"{bench.url}/dashboard").text)[0]
    before = gateway.fetch_dispute(found)
    assert (before.charge_id, before.amount, before.status, before.withdrawn) == (paid, 12_000, "needs_response", True)
    with pytest.raises(GatewayRefused) as refused:
        gateway.refund(paid, 100, "EUR", key="r", metadata={})
    assert (refused.value.gateway_code, refused.value.curable) == ("charge_disputed", True)
    told = {"uncategorized_text": "They confirmed it themselves.", "customer_name": "Ana"}
    assert gateway.submit_evidence(found, told, key="evidence:1").status == "under_review"
    bench.press(f"{bench.url}/dashboard", do="won", id=found)
    after = gateway.fetch_dispute(found)
    assert (after.status, after.withdrawn) == ("won", False)
    second = charge(bench, gateway, "p2")
    bench.press(f"{bench.url}/dashboard", do="dispute", id=second)
    other = next(one for one in re.findall(r"dp_[0-9a-f]+", bench.browser.get(f"{bench.url}/dashboard").text) if one != found)
    assert gateway.submit_evidence(other, {"uncategorized_text": "losing_evidence"}, key="evidence:2").status == "lost"
    assert gateway.fetch_dispute(other).withdrawn


def test_a_reversal_is_told_though_its_transfer_is_older_than_what_was_asked_for(bench: Bench, gateway: StripeGateway) -> None:
    account = onboarded(bench, gateway)
    sent = send(gateway, charge(bench, gateway), account, 9_000)
    bench.clock.forward(days=40)
    for i in range(12):
        gateway.reverse(sent, 100 + i, key=f"s:r{i}", metadata={"app": "traveloure"})
    told = list(gateway.movements(bench.clock() - timedelta(days=30)))
    assert sorted((one.kind, one.amount) for one in told) == [("reversal", 100 + i) for i in range(12)]


def test_what_was_done_under_a_key_is_found_after_the_key_is_forgotten(bench: Bench, gateway: StripeGateway) -> None:
    account, paid = onboarded(bench, gateway), charge(bench, gateway)
    order = TransferOrder(paid, account, 5_000, "EUR", "p1")
    sent = gateway.transfer(order, key="s:1", metadata={"key": "s:1", "app": "traveloure"})
    back = gateway.reverse(sent.id, 300, key="s:2", metadata={"key": "s:2", "app": "traveloure"})
    given = gateway.refund(paid, 700, "EUR", key="r:1", metadata={"key": "r:1", "app": "traveloure"})
    bench.clock.forward(days=3)
    assert gateway.find("transfer", "p1", "s:1") == sent
    assert gateway.find("reversal", sent.id, "s:2") == back
    found = gateway.find("refund", paid, "r:1")
    assert found is not None
    assert (found.id, found.amount) == (given.id, 700)
    assert gateway.find("transfer", "p1", "s:2") is None
    assert gateway.find("refund", paid, "r:2") is None


def test_disputes_and_refunds_that_came_back_can_be_asked_for(bench: Bench, gateway: StripeGateway) -> None:
    start = bench.clock()
    quarrelled = charge(bench, gateway, number="4000 0000 0000 0259", expiry="12/34", cvc="123")
    assert [(one.charge_id, one.status) for one in gateway.disputes(start)] == [(quarrelled, "needs_response")]
    paid = charge(bench, gateway, "p2")
    made = gateway.refund(paid, 700, "EUR", key="r:1", metadata={"app": "traveloure"})
    assert list(gateway.failed_refunds(start)) == []
    bench.press(f"{bench.url}/dashboard", do="fail_refund", id=made.id)
    assert list(gateway.failed_refunds(start)) == [made.id]
    bench.clock.forward(days=2)
    assert list(gateway.disputes(bench.clock())) == []


def test_everything_that_moved_can_be_listed(bench: Bench, gateway: StripeGateway) -> None:
    start = bench.clock()
    account = onboarded(bench, gateway)
    paid = charge(bench, gateway)
    charge(bench, gateway, "declined", tap="decline")
    sent = send(gateway, paid, account, 5_000)
    gateway.reverse(sent, 1_000, key="s:r", metadata={})
    gateway.refund(paid, 2_000, "EUR", key="r", metadata={"app": "traveloure"})
    charge(bench, bench.gateway(app="somebody else"), "theirs")
    moved = sorted((one.kind, one.amount, one.charge_id) for one in gateway.movements(start) if one.charge_id == paid)
    assert moved == [("charge", 12_000, paid), ("refund", 2_000, paid), ("reversal", 1_000, paid), ("transfer", 5_000, paid)]


def test_a_thin_event_names_its_account_and_a_forged_one_is_refused(bench: Bench, gateway: StripeGateway) -> None:
    import json

    import stripe

    from tests.sandbox import SECRETS

    body = json.dumps(
        {
            "id": "evt_1",
            "object": "v2.core.event",
            "type": "v2.core.account[configuration.recipient].capability_status_updated",
            "created": "2026-11-25T09:00:00.000Z",
            "livemode": False,
            "context": None,
            "related_object": {"id": "acct_9", "type": "v2.core.account", "url": "/v2/core/accounts/acct_9"},
            "reason": None,
        }
    )
    signed = stripe.WebhookSignature.generate_signature_header(body, SECRETS.webhook_secret)
    event = gateway.read_event(body.encode(), signed)
    assert (event.object_id, event.object_kind, event.ours) == ("acct_9", "v2.core.account", True)
    with pytest.raises(Refused):
        gateway.read_event(body.replace("acct_9", "acct_8").encode(), signed)
    with pytest.raises(Refused):
        gateway.read_event(body.encode(), "t=1,v1=00")


def test_only_this_page_may_act_and_what_cannot_be_is_said(bench: Bench, gateway: StripeGateway) -> None:
    page = f"{bench.url}/dashboard"
    account = onboarded(bench, gateway)
    foreign = bench.browser.post(page, data={"do": "disable", "id": account}, headers={"Origin": "https://evil.example"})
    assert foreign.status_code == 403
    assert bench.browser.post(page, data={"do": "disable", "id": account}, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert gateway.fetch_account(account).state == "active"
    own = {"Origin": "null", "Sec-Fetch-Site": "same-origin"}  # what a browser sends from a page without a referrer
    assert bench.browser.post(page, data={"do": "enable", "id": account}, headers=own).status_code == 303
    assert bench.press(page, do="dispute", id="ch_nothing").status_code == 409
    assert bench.press(page, do="nonsense", id=account).status_code == 303
    assert "Tejo Days" in bench.browser.get(page).text


def test_time_passes_on_the_page_and_events_are_sent_again(tmp_path: Path) -> None:
    with sandbox_at(tmp_path / "sandbox.db") as bench:
        gateway = bench.gateway()
        waits = gateway.payment_link(bench.order("p1"), key="p1:1")
        held = gateway.payment_link(bench.order("p2", manual=True), key="p2:1")
        bench.press(str(held.url), tap="success")
        page = bench.browser.get(f"{bench.url}/dashboard").text
        assert "reserved on the card" in page
        assert "A week passes" in page
        bench.press(f"{bench.url}/dashboard", do="age", id="hour")
        assert gateway.fetch_payment(waits.session_id).state == "expired"
        assert gateway.fetch_payment(held.session_id).state == "authorized"
        bench.press(f"{bench.url}/dashboard", do="age", id="week")
        assert gateway.fetch_payment(held.session_id).state == "expired"
        assert gateway.payment_link(bench.order("p1"), key="p1:1").session_id != waits.session_id, "the key is forgotten after a day"
        page = bench.browser.get(f"{bench.url}/dashboard").text
        assert "let go of, never charged" in page
        assert bench.press(f"{bench.url}/dashboard", do="age", id="century").status_code == 303
        assert bench.press(f"{bench.url}/dashboard", do="again", id="evt_none").status_code == 409
        event = re.findall(r"evt_[0-9a-f]+", page)[0]
        assert bench.press(f"{bench.url}/dashboard", do="again", id=event).status_code == 303
