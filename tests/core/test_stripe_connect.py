"""The Stripe adapter over real HTTP against the payment sandbox: what it sends, what it understands, what it refuses."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import stripe

from channels.sandbox.payments import gate
from core.errors import Refused
from core.payments.gateway import FetchedPayment, GatewayMisused, GatewayRefused, GatewayUnknown, OrderLine
from core.payments.stripe_connect import StripeGateway, checkout_params
from tests.sandbox import SECRETS, Bench, open_socket, sandbox_at, serving


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with sandbox_at(tmp_path_factory.mktemp("sandbox") / "sandbox.db") as bench:
        yield bench


@pytest.fixture(scope="module")
def gateway(bench: Bench) -> StripeGateway:
    return bench.gateway()


@pytest.fixture
def fresh(bench: Bench) -> str:
    """A payment id of this test's own."""
    bench.sandbox.faults.calls = 0
    return uuid.uuid4().hex


# ── a payment ─────────────────────────────────────────────────────────────────────────────────────


def test_the_order_fits_the_types_of_the_library_at_every_depth(bench: Bench) -> None:
    order = bench.order("p1", OrderLine("Kayak", 2, 6000), OrderLine("Fee", 1, 99), customer_email="ana@example.com")
    assert gate.check(stripe.checkout.SessionService, "create", checkout_params(order), strict=True) == []


def test_a_repeat_sends_the_same_parameters(bench: Bench) -> None:
    """Everything comes from the order, so nothing can move between two calls with one key."""
    order = bench.order("p1")
    first = checkout_params(order)
    assert checkout_params(order) == first
    assert first["expires_at"] == int(order.expires_at.timestamp())


def test_a_page_is_made_fetched_and_paid(bench: Bench, gateway: StripeGateway, fresh: str) -> None:
    link = gateway.payment_link(bench.order(fresh, OrderLine("Kayak", 2, 6000), OrderLine("Fee", 1, 99)), key=f"{fresh}:1")
    assert link.url == f"{bench.url}/pay/{link.session_id}"
    assert gateway.fetch_payment(link.session_id) == FetchedPayment(link.session_id, "open", 12099, "eur")
    answer = bench.press(link.url, tap="success")
    assert (answer.status_code, answer.headers["location"]) == (303, f"http://127.0.0.1:1/pay/done?s={link.session_id}")
    paid = gateway.fetch_payment(link.session_id)
    assert (paid.state, paid.amount, paid.currency) == ("paid", 12099, "eur")
    assert paid.intent_id is not None
    assert paid.intent_id.startswith("pi_")
    assert paid.charge_id is not None
    assert paid.charge_id.startswith("ch_")


def test_a_decline_leaves_the_page_open(bench: Bench, gateway: StripeGateway, fresh: str) -> None:
    """The failed charge is the intent's latest one; it is no money."""
    link = gateway.payment_link(bench.order(fresh), key=f"{fresh}:1")
    assert bench.press(link.url, tap="decline").status_code == 402
    fetched = gateway.fetch_payment(link.session_id)
    assert (fetched.state, fetched.amount) == ("open", 12000)
    bench.press(link.url, tap="success")
    paid = gateway.fetch_payment(link.session_id)
    assert (paid.state, paid.intent_id) == ("paid", fetched.intent_id)
    assert paid.charge_id != fetched.charge_id


def test_a_page_is_closed_and_cannot_be_paid(bench: Bench, gateway: StripeGateway, fresh: str) -> None:
    link = gateway.payment_link(bench.order(fresh), key=f"{fresh}:1")
    assert gateway.expire_link(link.session_id).state == "expired"
    assert gateway.expire_link(link.session_id).state == "expired"
    assert bench.press(link.url, tap="success").status_code == 410
    assert gateway.fetch_payment(link.session_id).state == "expired"


def test_closing_a_page_that_was_paid_says_paid(bench: Bench, gateway: StripeGateway, fresh: str) -> None:
    link = gateway.payment_link(bench.order(fresh), key=f"{fresh}:1")
    bench.press(link.url, tap="success")
    assert gateway.expire_link(link.session_id).state == "paid"


def test_currencies_without_and_with_three_decimals(bench: Bench, gateway: StripeGateway, fresh: str) -> None:
    yen = gateway.payment_link(bench.order(fresh, OrderLine("Onsen", 1, 5000), currency="JPY"), key=f"{fresh}:yen")
    dinar = gateway.payment_link(bench.order(fresh, OrderLine("Dunes", 1, 12340), currency="KWD"), key=f"{fresh}:dinar")
    assert gateway.fetch_payment(yen.session_id).amount == 5000
    assert "¥5,000" in bench.browser.get(yen.url).text
    assert "KWD12.340" in bench.browser.get(dinar.url).text.replace("\xa0", "")


# ── refunds ───────────────────────────────────────────────────────────────────────────────────────


def paid_charge(bench: Bench, gateway: StripeGateway, payment_id: str) -> str:
    link = gateway.payment_link(bench.order(payment_id), key=f"{payment_id}:session")
    bench.press(link.url, tap="success")
    charge = gateway.fetch_payment(link.session_id).charge_id
    assert charge is not None
    return charge


def test_refunds_stop_at_what_is_left(bench: Bench, gateway: StripeGateway, fresh: str) -> None:
    charge = paid_charge(bench, gateway, fresh)
    first = gateway.refund(charge, 5000, "EUR", key=f"{fresh}:r1", metadata={"refund": "r1"})
    assert first.amount == 5000
    with pytest.raises(GatewayRefused) as refused:
        gateway.refund(charge, 7001, "EUR", key=f"{fresh}:r2", metadata={})
    assert (refused.value.gateway_code, refused.value.curable) == ("amount_too_large", False)
    gateway.refund(charge, 7000, "EUR", key=f"{fresh}:r3", metadata={})
    with pytest.raises(GatewayRefused) as refused:
        gateway.refund(charge, 1, "EUR", key=f"{fresh}:r4", metadata={})
    assert refused.value.gateway_code == "charge_already_refunded"
    listed = bench.ask("GET", "/v1/refunds", charge=charge).json()["data"]
    assert [(one["amount"], one["metadata"]) for one in listed] == [(7000, {}), (5000, {"refund": "r1"})]


def test_the_same_refund_twice_is_one(bench: Bench, gateway: StripeGateway, fresh: str) -> None:
    charge = paid_charge(bench, gateway, fresh)
    first = gateway.refund(charge, 5000, "EUR", key=f"{fresh}:r1", metadata={"refund": "r1"})
    assert gateway.refund(charge, 5000, "EUR", key=f"{fresh}:r1", metadata={"refund": "r1"}) == first
    assert bench.ask("GET", f"/v1/charges/{charge}").json()["amount_refunded"] == 5000


# ── yes, no and nobody knows ──────────────────────────────────────────────────────────────────────


def test_the_same_key_gives_the_same_page_and_other_parameters_are_our_mistake(bench: Bench, gateway: StripeGateway, fresh: str) -> None:
    order = bench.order(fresh)
    link = gateway.payment_link(order, key=f"{fresh}:1")
    assert gateway.payment_link(order, key=f"{fresh}:1") == link
    with pytest.raises(GatewayMisused) as misused:
        gateway.payment_link(bench.order(fresh, OrderLine("Kayak", 1, 1)), key=f"{fresh}:1")
    assert misused.value.gateway_code == "idempotency_error"


def test_a_stored_no_is_replayed_until_the_key_changes(bench: Bench, gateway: StripeGateway, fresh: str) -> None:
    charge = paid_charge(bench, gateway, fresh)
    gateway.refund(charge, 11000, "EUR", key=f"{fresh}:a", metadata={})
    for _ in range(2):
        with pytest.raises(GatewayRefused):
            gateway.refund(charge, 2000, "EUR", key=f"{fresh}:b#0", metadata={})
    replayed = bench.ask("POST", "/v1/refunds", key=f"{fresh}:b#0", charge=charge, amount="2000")
    assert (replayed.status_code, replayed.headers["idempotent-replayed"]) == (400, "true")
    assert gateway.refund(charge, 1000, "EUR", key=f"{fresh}:b#1", metadata={}).amount == 1000


def test_a_page_frozen_too_long_ago_is_a_curable_no(bench: Bench, gateway: StripeGateway, fresh: str) -> None:
    with pytest.raises(GatewayRefused) as refused:
        gateway.payment_link(bench.order(fresh, minutes=29), key=f"{fresh}:1")
    assert (refused.value.gateway_code, refused.value.curable) == ("expires_at", True)


@pytest.mark.parametrize(
    ("lines", "code"),
    [((OrderLine("Sweet", 1, 49),), "amount_too_small"), ((OrderLine("", 1, 5000),), "parameter_invalid_empty")],
)
def test_what_stripe_would_refuse_is_a_definite_no(
    bench: Bench, gateway: StripeGateway, fresh: str, lines: tuple[OrderLine, ...], code: str
) -> None:
    with pytest.raises(GatewayRefused) as refused:
        gateway.payment_link(bench.order(fresh, *lines), key=f"{fresh}:1")
    assert (type(refused.value), refused.value.gateway_code, refused.value.curable) == (GatewayRefused, code, False)


def test_an_unknown_page_is_a_definite_no(gateway: StripeGateway) -> None:
    with pytest.raises(GatewayRefused) as refused:
        gateway.fetch_payment("cs_test_nothing")
    assert refused.value.gateway_code == "resource_missing"
    with pytest.raises(GatewayRefused):
        gateway.expire_link("cs_test_nothing")


def test_a_wrong_key_is_for_a_person_to_look_at(bench: Bench) -> None:
    with pytest.raises(GatewayMisused) as misused:
        bench.gateway(key="sk_test_wrong").fetch_payment("cs_test_nothing")
    assert misused.value.gateway_code == "authentication"
    assert "sk_test" not in str(misused.value)


@pytest.mark.parametrize("how", ["error", "lost"])
def test_without_a_clear_answer_nobody_knows_and_the_same_key_settles_it(
    bench: Bench, gateway: StripeGateway, fresh: str, how: str
) -> None:
    charge = paid_charge(bench, gateway, fresh)
    bench.sandbox.faults.calls, bench.sandbox.faults.how = 1, how
    with pytest.raises(GatewayUnknown):
        gateway.refund(charge, 5000, "EUR", key=f"{fresh}:r", metadata={})
    gateway.refund(charge, 5000, "EUR", key=f"{fresh}:r", metadata={})
    assert bench.ask("GET", f"/v1/charges/{charge}").json()["amount_refunded"] == 5000


def test_an_answer_that_takes_too_long_is_none(bench: Bench, fresh: str) -> None:
    impatient = bench.gateway(timeout=0.1)
    bench.sandbox.faults.calls, bench.sandbox.faults.how, bench.sandbox.faults.seconds = 1, "hang", 0.3
    with pytest.raises(GatewayUnknown):
        impatient.payment_link(bench.order(fresh), key=f"{fresh}:1")


def test_nobody_at_home_is_no_answer(bench: Bench) -> None:
    nobody = open_socket()
    port = nobody.getsockname()[1]
    nobody.close()
    gateway = StripeGateway(secret_key="sk_test_x", webhook_secrets="whsec_x", api_base=f"http://127.0.0.1:{port}", retries=0)
    with pytest.raises(GatewayUnknown):
        gateway.fetch_payment("cs_test_1")
    gateway.close()


@pytest.mark.parametrize(
    ("status", "error", "expected", "code", "curable"),
    [
        (400, {"type": "invalid_request_error", "code": "balance_insufficient"}, GatewayRefused, "balance_insufficient", True),
        (400, {"type": "invalid_request_error", "param": "mode"}, GatewayRefused, "mode", False),
        (400, {"type": "invalid_request_error", "code": "rate_limit"}, GatewayUnknown, None, None),
        (400, {"type": "idempotency_error"}, GatewayMisused, "idempotency_error", False),
        (401, {"type": "invalid_request_error"}, GatewayMisused, "authentication", False),
        (402, {"type": "card_error", "code": "card_declined"}, GatewayRefused, "card_declined", True),
        (403, {"type": "invalid_request_error"}, GatewayMisused, "permission", False),
        (404, {"type": "invalid_request_error", "code": "resource_missing"}, GatewayRefused, "resource_missing", False),
        (409, {"type": "invalid_request_error", "code": "lock_timeout"}, GatewayUnknown, None, None),
        (418, {"type": "invalid_request_error"}, GatewayUnknown, None, None),
        (429, {"type": "invalid_request_error"}, GatewayUnknown, None, None),
        (500, {"type": "api_error"}, GatewayUnknown, None, None),
        (503, None, GatewayUnknown, None, None),
    ],
)
def test_every_status_is_a_no_a_mistake_or_nobody_knows(
    status: int, error: dict[str, Any] | None, expected: type[Exception], code: str | None, curable: bool | None
) -> None:
    async def answer(scope: Any, receive: Any, send: Any) -> None:
        body = b"not json" if error is None else json.dumps({"error": {"message": "no", **error}}).encode()
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": body})

    listener = open_socket()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with serving(answer, listener):
        gateway = StripeGateway(secret_key="sk_test_x", webhook_secrets="whsec_x", api_base=url, retries=0)
        with pytest.raises((GatewayRefused, GatewayUnknown)) as raised:
            gateway.refund("ch_1", 1, "EUR", key="k", metadata={})
        gateway.close()
    assert type(raised.value) is expected
    if isinstance(raised.value, GatewayRefused):
        assert (raised.value.gateway_code, raised.value.curable) == (code, curable)


# ── webhooks ──────────────────────────────────────────────────────────────────────────────────────


def signed(body: bytes, *, secret: str = SECRETS.webhook_secret, age: timedelta = timedelta()) -> str:
    return stripe.WebhookSignature.generate_signature_header(body.decode(), secret, int(time.time() - age.total_seconds()))


EVENT = {
    "id": "evt_1",
    "object": "event",
    "type": "checkout.session.completed",
    "livemode": False,
    "data": {"object": {"id": "cs_1", "object": "checkout.session", "client_reference_id": "p1", "metadata": {"app": "traveloure"}}},
}
BODY = json.dumps(EVENT).encode()


def test_only_ids_are_read_from_a_signed_event(gateway: StripeGateway) -> None:
    event = gateway.read_event(BODY, signed(BODY))
    assert (event.id, event.type, event.object_id, event.object_kind) == ("evt_1", "checkout.session.completed", "cs_1", "checkout.session")
    assert (event.payment_id, event.account, event.ours) == ("p1", None, True)


@pytest.mark.parametrize(
    ("body", "signature"),
    [
        (BODY, ""),
        (BODY, "nonsense"),
        (BODY, "t=1,v1=é"),
        (BODY, signed(BODY, secret="whsec_other")),
        (BODY, signed(BODY, age=timedelta(seconds=310))),
        (BODY.replace(b"cs_1", b"cs_2"), signed(BODY)),
        (b"not json", signed(b"not json")),
        (b"[]", signed(b"[]")),
        (b'{"object": "event"}', signed(b'{"object": "event"}')),
        (b'{"object": "v2.core.event"}', signed(b'{"object": "v2.core.event"}')),
        (b"\xff\xfe", "t=1,v1=00"),
    ],
    ids=["none", "nonsense", "accents", "other-secret", "stale", "tampered", "no-json", "list", "no-event", "thin-event", "no-text"],
)
def test_what_is_forged_stale_or_unreadable_is_refused(gateway: StripeGateway, body: bytes, signature: str) -> None:
    with pytest.raises(Refused):
        gateway.read_event(body, signature)


def test_any_of_several_secrets_fits(bench: Bench) -> None:
    gateway = StripeGateway(secret_key="sk_test_x", webhook_secrets=("whsec_platform", "whsec_connect"), api_base=bench.url)
    assert gateway.read_event(BODY, signed(BODY, secret="whsec_connect")).id == "evt_1"
    with pytest.raises(Refused):
        gateway.read_event(BODY, signed(BODY, secret=""))
    gateway.close()


@pytest.mark.parametrize("change", [{"livemode": True}, {"data": {"object": {"id": "cs_1", "metadata": {"app": "other"}}}}])
def test_another_environment_or_application_is_not_ours(gateway: StripeGateway, change: dict[str, Any]) -> None:
    body = json.dumps(EVENT | change).encode()
    assert gateway.read_event(body, signed(body)).ours is False


def test_no_proxy_of_the_environment_stands_between_us_and_this_machine(
    bench: Bench, fresh: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    gateway = bench.gateway()
    assert gateway.payment_link(bench.order(fresh), key=f"{fresh}:1").url.startswith(bench.url)
    with pytest.raises(httpx.ConnectError):
        httpx.get(bench.url)


# ── a card that is only reserved ──────────────────────────────────────────────────────────────────


def reserve(bench: Bench, gateway: StripeGateway, payment_id: str) -> str:
    link = gateway.payment_link(bench.order(payment_id, manual=True), key=f"{payment_id}:1")
    bench.press(str(link.url), tap="success")
    return link.session_id


def test_an_order_that_only_reserves_fits_the_types_of_the_library(bench: Bench) -> None:
    assert gate.check(stripe.checkout.SessionService, "create", checkout_params(bench.order("p1", manual=True)), strict=True) == []


def test_a_card_is_reserved_and_captured_once(bench: Bench, gateway: StripeGateway, fresh: str) -> None:
    session = reserve(bench, gateway, fresh)
    held = gateway.fetch_payment(session)
    assert (held.state, held.amount) == ("authorized", 12_000)
    assert held.capture_by is not None
    assert timedelta(days=6, hours=23) < held.capture_by - bench.clock() <= timedelta(days=7)
    since = bench.clock() - timedelta(minutes=5)
    assert held.charge_id not in [one.id for one in gateway.movements(since)], "nothing has moved yet"
    with pytest.raises(GatewayRefused):
        gateway.refund(str(held.charge_id), 100, "EUR", key=f"{fresh}:early", metadata={})
    done = gateway.capture(session, key=f"{fresh}:capture")
    assert (done.state, done.charge_id) == ("paid", held.charge_id)
    assert gateway.capture(session, key=f"{fresh}:capture") == done
    assert gateway.release(session, key=f"{fresh}:release").state == "paid", "what was charged is not let go of"
    assert [one.amount for one in gateway.movements(since) if one.id == held.charge_id] == [12_000]


def test_a_reserved_card_is_let_go_of(bench: Bench, gateway: StripeGateway, fresh: str) -> None:
    session = reserve(bench, gateway, fresh)
    assert gateway.release(session, key=f"{fresh}:release").state == "expired"
    assert gateway.release(session, key=f"{fresh}:release").state == "expired"
    assert gateway.capture(session, key=f"{fresh}:capture").state == "expired", "and cannot be charged any more"


def test_a_page_that_reserved_nothing_yet_is_closed(bench: Bench, gateway: StripeGateway, fresh: str) -> None:
    link = gateway.payment_link(bench.order(fresh, manual=True), key=f"{fresh}:1")
    assert gateway.capture(link.session_id, key=f"{fresh}:capture").state == "open"
    assert gateway.release(link.session_id, key=f"{fresh}:release").state == "expired"


def test_a_card_does_not_wait_for_ever(tmp_path: Path) -> None:
    with sandbox_at(tmp_path / "sandbox.db") as bench:
        gateway = bench.gateway()
        session = reserve(bench, gateway, "p1")
        bench.clock.forward(days=7, seconds=1)
        assert gateway.fetch_payment(session).state == "expired"
        assert gateway.capture(session, key="late").state == "expired"
        intent = str(gateway.fetch_payment(session).intent_id)
        refused = bench.ask("POST", f"/v1/payment_intents/{intent}/capture")
        assert refused.status_code == 400
        assert refused.json()["error"]["code"] == "payment_intent_unexpected_state"


def test_more_than_is_reserved_cannot_be_captured_and_less_lets_go_of_the_rest(bench: Bench, gateway: StripeGateway, fresh: str) -> None:
    held = gateway.fetch_payment(reserve(bench, gateway, fresh))
    url = f"/v1/payment_intents/{held.intent_id}/capture"
    assert bench.ask("POST", url, amount_to_capture="12001").json()["error"]["code"] == "amount_too_large"
    part = bench.ask("POST", url, amount_to_capture="5000").json()
    assert (part["status"], part["amount_received"], part["amount_capturable"]) == ("succeeded", 5_000, 0)
    assert bench.ask("POST", url).status_code == 400
