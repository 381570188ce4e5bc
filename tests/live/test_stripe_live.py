"""The adapter against Stripe's own test mode; only with a key, and only when asked for: `make test-stripe`.

It makes pages, charges, refunds, an account and a dispute in the test mode of the key's owner and never touches live money. What
needs a person (paying on the hosted page, walking through onboarding) is left out.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest
import stripe

from core.payments.gateway import GatewayMisused, GatewayRefused, OrderLine, PayeeOrder, PaymentOrder, TransferOrder
from core.payments.stripe_connect import StripeGateway

pytestmark = [pytest.mark.stripe_live, pytest.mark.slow]
APP = "traveloure-live-test"
Seen = TypeVar("Seen")


@pytest.fixture(scope="module")
def key() -> str:
    given = os.environ.get("TRAVELOURE_STRIPE_TEST_KEY", "")
    if not given.startswith(("sk_test_", "rk_test_")):
        pytest.fail("Set TRAVELOURE_STRIPE_TEST_KEY to a secret key of Stripe's test mode (sk_test_...).")
    return given


@pytest.fixture(scope="module")
def base() -> str | None:
    """Another address than Stripe's, to try the suite itself against the payment sandbox."""
    return os.environ.get("TRAVELOURE_STRIPE_TEST_BASE") or None


@pytest.fixture(scope="module")
def gateway(key: str, base: str | None) -> Iterator[StripeGateway]:
    made = StripeGateway(secret_key=key, webhook_secrets="whsec_unused", api_base=base, app=APP, timeout=60)
    yield made
    made.close()


@pytest.fixture(scope="module")
def client(key: str, base: str | None) -> stripe.StripeClient:
    """The bare library, for what a traveler's browser would do."""
    return stripe.StripeClient(key, base_addresses={"api": base} if base else None)


def name() -> str:
    return f"live-{uuid.uuid4().hex}"


def order(payment_id: str, amount: int = 12_000) -> PaymentOrder:
    return PaymentOrder(
        payment_id=payment_id,
        currency="EUR",
        lines=(OrderLine("Kayak tour, 2 people", 1, amount),),
        success_url="https://example.com/pay/done?s={CHECKOUT_SESSION_ID}",
        cancel_url="https://example.com/pay/back",
        expires_at=datetime.now(UTC) + timedelta(minutes=40),
        customer_email="ana@example.com",
        metadata={"payment": payment_id, "app": APP},
    )


def charge(client: stripe.StripeClient, card: str = "pm_card_visa", amount: int = 12_000) -> str:
    """A charge as a paid page would leave it; its id."""
    params: Any = {
        "amount": amount,
        "currency": "eur",
        "payment_method": card,
        "confirm": True,
        "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        "metadata": {"app": APP},
    }
    made = client.v1.payment_intents.create(params)
    return str(made.latest_charge)


def eventually(look: Callable[[], Seen | None], seconds: float = 60) -> Seen:
    """What the gateway does in its own time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = look()
        if found is not None:
            return found
        time.sleep(2)
    raise AssertionError(f"It did not happen within {seconds:.0f} s.")


def test_a_page_is_made_once_a_key_fetched_and_closed(gateway: StripeGateway) -> None:
    wanted, once = order(name()), name()
    made = gateway.payment_link(wanted, key=once)
    assert gateway.payment_link(wanted, key=once).session_id == made.session_id
    fetched = gateway.fetch_payment(made.session_id)
    assert (fetched.state, fetched.amount, fetched.currency.upper()) == ("open", 12_000, "EUR")
    with pytest.raises(GatewayMisused):
        gateway.payment_link(replace(wanted, customer_email="ben@example.com"), key=once)
    assert gateway.expire_link(made.session_id).state == "expired"
    assert gateway.expire_link(made.session_id).state == "expired"


def test_a_page_that_would_end_too_soon_is_refused_and_can_be_cured(gateway: StripeGateway) -> None:
    with pytest.raises(GatewayRefused) as caught:
        gateway.payment_link(replace(order(name()), expires_at=datetime.now(UTC) + timedelta(minutes=3)), key=name())
    assert caught.value.curable


def test_an_unknown_page_is_a_definite_no(gateway: StripeGateway) -> None:
    with pytest.raises(GatewayRefused) as caught:
        gateway.fetch_payment("cs_test_nobody")
    assert caught.value.gateway_code == "resource_missing"


def test_an_account_waits_for_its_owner_and_cannot_be_sent_money(gateway: StripeGateway) -> None:
    wanted = PayeeOrder("provider", name(), "Tejo Days", "tejo@example.com", "PT", "EUR")
    once = name()
    account = gateway.create_account(wanted, key=once)
    assert gateway.create_account(wanted, key=once) == account
    fetched = gateway.fetch_account(account)
    assert fetched.state in ("pending", "restricted")
    links = [gateway.onboarding_link(account, return_url="https://example.com/a", refresh_url="https://example.com/b") for _ in range(2)]
    assert links[0] != links[1]


def test_a_transfer_to_an_account_that_cannot_receive_is_a_curable_no(gateway: StripeGateway, client: stripe.StripeClient) -> None:
    account = gateway.create_account(PayeeOrder("provider", name(), "Tejo Days", "tejo@example.com", "PT", "EUR"), key=name())
    wanted = TransferOrder(charge(client), account, 5_000, "EUR", name())
    with pytest.raises(GatewayRefused) as caught:
        gateway.transfer(wanted, key=name(), metadata={"app": APP})
    assert caught.value.curable, caught.value.gateway_code


def test_refunds_are_capped_found_by_their_key_and_told(gateway: StripeGateway, client: stripe.StripeClient) -> None:
    paid, once = charge(client), name()
    metadata = {"key": once, "app": APP}
    done = gateway.refund(paid, 7_000, "EUR", key=once, metadata=metadata)
    assert gateway.refund(paid, 7_000, "EUR", key=once, metadata=metadata).id == done.id
    found = eventually(lambda: gateway.find("refund", paid, once))
    assert (found.id, found.amount) == (done.id, 7_000)
    with pytest.raises(GatewayRefused):
        gateway.refund(paid, 7_000, "EUR", key=name(), metadata={"app": APP})
    assert not gateway.refund_has_failed(done.id)
    told = eventually(
        lambda: [one for one in gateway.movements(datetime.now(UTC) - timedelta(minutes=10)) if one.charge_id == paid] or None
    )
    assert {(one.kind, one.amount) for one in told} == {("charge", 12_000), ("refund", 7_000)}


def test_a_dispute_is_found_and_answered(gateway: StripeGateway, client: stripe.StripeClient) -> None:
    paid = charge(client, "pm_card_createDispute")
    since = datetime.now(UTC) - timedelta(minutes=10)
    made = eventually(lambda: next((one for one in gateway.disputes(since) if one.charge_id == paid), None))
    assert (made.amount, made.status, made.withdrawn) == (12_000, "needs_response", True)
    gateway.submit_evidence(made.dispute_id, {"uncategorized_text": "losing_evidence"}, key=name())
    assert eventually(lambda: one if (one := gateway.fetch_dispute(made.dispute_id)).status == "lost" else None).withdrawn
