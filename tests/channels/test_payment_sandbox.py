"""The payment sandbox: its pages, its wire, its memory and its webhooks, over real HTTP on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import sqlite3
import stat
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import stripe

from channels.sandbox.payments import gate, shapes
from channels.sandbox.payments.app import Sandbox, create_sandbox
from channels.sandbox.payments.cards import CARDS, is_luhn
from channels.sandbox.payments.form import decode
from channels.sandbox.payments.keys import LocalSecrets, Unsafe, check_safe, local_secrets
from channels.sandbox.payments.webhooks import PAUSES
from core.payments.gateway import OrderLine, PaymentLink
from tests.sandbox import SECRETS, Bench, TickingClock, open_socket, sandbox_at, serving


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with sandbox_at(tmp_path_factory.mktemp("sandbox") / "sandbox.db") as bench:
        yield bench


@pytest.fixture
def link(bench: Bench) -> PaymentLink:
    return new_link(bench)


COUNT = iter(range(1_000_000))


def new_link(bench: Bench, *lines: OrderLine, **more: Any) -> PaymentLink:
    name = f"p{next(COUNT)}"
    return bench.gateway().payment_link(bench.order(name, *lines, **more), key=f"{name}:1")


def get(bench: Bench, path: str, **params: str) -> Any:
    answer = bench.ask("GET", path, **params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def session(bench: Bench, link: PaymentLink, **params: str) -> Any:
    return get(bench, f"/v1/checkout/sessions/{link.session_id}", **params)


def events(bench: Bench, link: PaymentLink) -> list[str]:
    """What happened to this session, its intent and its charges, in order."""
    intent = session(bench, link)["payment_intent"]
    found = get(bench, "/v1/events", limit="100")["data"]
    ours = [one for one in found if link.session_id in json.dumps(one["data"]) or (intent and intent in json.dumps(one["data"]))]
    return [one["type"] for one in reversed(ours)]


# ── the pay page ──────────────────────────────────────────────────────────────────────────────────


def test_the_page_says_what_it_is_and_what_is_paid(bench: Bench) -> None:
    link = new_link(bench, OrderLine("Kayak <b>& Co</b>", 2, 6050), OrderLine("Travel expert's fee", 1, 999))
    page = bench.browser.get(link.url)
    assert page.status_code == 200
    assert "LOCAL SANDBOX: no real money moves." in page.text
    assert "Kayak &lt;b&gt;&amp; Co&lt;/b&gt;" in page.text
    assert "<b>" not in page.text
    assert page.text.count("€130.99") == 4  # title, heading, total and button
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in page.text
    for name in ("number", "expiry", "cvc"):
        assert f'<label for="{name}">' in page.text
    assert re.findall(r'name="tap" value="(\w+)"', page.text) == ["success", "decline", "funds", "bank"]


def test_the_page_runs_no_script_and_may_not_be_framed(bench: Bench, link: PaymentLink) -> None:
    page = bench.browser.get(link.url)
    assert "<script" not in page.text
    assert "style=" not in page.text
    assert page.headers["content-security-policy"] == (
        "default-src 'none'; style-src 'self'; form-action 'self' http://127.0.0.1:1; base-uri 'none'; frame-ancestors 'none'"
    )
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "no-store"
    css = bench.browser.get(f"{bench.url}/static/pay.css")
    assert (css.status_code, css.headers["content-type"]) == (200, "text/css; charset=utf-8")
    assert "prefers-color-scheme: dark" in css.text


@pytest.mark.parametrize("path", ["", "/confirm"])
def test_looking_changes_nothing(bench: Bench, link: PaymentLink, path: str) -> None:
    """Chat clients fetch links to preview them."""
    before = session(bench, link)
    for _ in range(2):
        bench.browser.get(link.url + path)
        bench.browser.head(link.url + path)
    assert session(bench, link) == before
    assert events(bench, link) == []


def test_a_typed_card_pays_and_leads_back_to_the_shop(bench: Bench, link: PaymentLink) -> None:
    answer = bench.press(link.url, number="4242 4242 4242 4242", expiry="12 / 34", cvc="123")
    assert (answer.status_code, answer.headers["location"]) == (303, f"http://127.0.0.1:1/pay/done?s={link.session_id}")
    assert events(bench, link) == ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded", "checkout.session.completed"]
    made = session(bench, link)
    assert (made["status"], made["payment_status"], made["url"]) == ("complete", "paid", None)


@pytest.mark.parametrize(
    ("tap", "number", "code", "words"),
    [
        ("decline", "4000000000000002", "generic_decline", "Your card was declined. Try another card."),
        ("funds", "4000000000009995", "insufficient_funds", "There is not enough money on this card. Try another card."),
    ],
)
def test_a_decline_says_why_and_keeps_the_form(bench: Bench, link: PaymentLink, tap: str, number: str, code: str, words: str) -> None:
    answer = bench.press(link.url, number=number, expiry="12/34", cvc="123")
    assert answer.status_code == 402
    assert words in answer.text
    assert f'value="{CARDS[number].shown}"' in answer.text
    assert 'value="12/34"' in answer.text
    assert 'value="123"' not in answer.text
    assert bench.press(link.url, tap=tap).status_code == 402
    intent = session(bench, link, **{"expand[0]": "payment_intent"})["payment_intent"]
    assert (intent["status"], intent["last_payment_error"]["decline_code"]) == ("requires_payment_method", code)
    assert get(bench, "/v1/charges", payment_intent=intent["id"])["data"][0]["status"] == "failed"
    assert session(bench, link)["payment_status"] == "unpaid"


def test_the_bank_asks_and_approval_pays(bench: Bench, link: PaymentLink) -> None:
    answer = bench.press(link.url, tap="bank")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/stripe-local/pay/{link.session_id}/confirm")
    assert session(bench, link)["payment_status"] == "unpaid"
    page = bench.browser.get(f"{link.url}/confirm")
    assert "Approve €120" in page.text
    assert "Refuse" in page.text
    assert bench.press(f"{link.url}/confirm", choice="approve").status_code == 303
    assert session(bench, link)["payment_status"] == "paid"


def test_the_bank_asks_and_refusal_charges_nothing(bench: Bench, link: PaymentLink) -> None:
    bench.press(link.url, tap="bank")
    answer = bench.press(f"{link.url}/confirm", choice="refuse")
    assert answer.status_code == 402
    assert "You refused the payment at your bank." in answer.text
    assert session(bench, link)["payment_status"] == "unpaid"
    again = bench.press(f"{link.url}/confirm", choice="approve")  # the old tab
    assert (again.status_code, again.headers["location"]) == (303, f"/stripe-local/pay/{link.session_id}")
    assert session(bench, link)["payment_status"] == "unpaid"
    assert bench.press(link.url, tap="success").status_code == 303


def test_pressing_pay_twice_charges_once(bench: Bench, link: PaymentLink) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: bench.press(link.url, tap="success"), range(8)))
    assert {(one.status_code, one.headers["location"]) for one in answers} == {(303, f"http://127.0.0.1:1/pay/done?s={link.session_id}")}
    charges = get(bench, "/v1/charges", payment_intent=session(bench, link)["payment_intent"])["data"]
    assert [one["amount"] for one in charges] == [12000]
    assert events(bench, link).count("checkout.session.completed") == 1


def test_a_paid_page_says_so(bench: Bench, link: PaymentLink) -> None:
    bench.press(link.url, tap="success")
    for path in ("", "/confirm"):
        page = bench.browser.get(link.url + path)
        assert page.status_code == 200
        assert "This is already paid" in page.text
        assert f'href="http://127.0.0.1:1/pay/done?s={link.session_id}"' in page.text


def test_a_page_that_is_over_says_what_to_do(bench: Bench) -> None:
    link = new_link(bench)
    bench.gateway().expire_link(link.session_id)
    for answer in (bench.browser.get(link.url), bench.press(link.url, tap="success"), bench.press(f"{link.url}/confirm", choice="approve")):
        assert answer.status_code == 410
        assert "ask for a new link" in answer.text
        assert 'href="http://127.0.0.1:1/pay/back"' in answer.text
    assert bench.browser.get(f"{bench.url}/pay/cs_test_nothing").status_code == 404
    assert bench.press(f"{bench.url}/pay/cs_test_nothing", tap="success").status_code == 404


@pytest.mark.parametrize(
    ("fields", "status", "wrong"),
    [
        ({}, 422, "number"),
        ({"number": "4242 4242 4242 4241", "expiry": "12/34", "cvc": "123"}, 422, "number"),
        ({"number": "4242424242424242", "expiry": "", "cvc": "123"}, 422, "expiry"),
        ({"number": "4242424242424242", "expiry": "13/34", "cvc": "123"}, 422, "expiry"),
        ({"number": "4242424242424242", "expiry": "10/26", "cvc": "123"}, 422, "expiry"),
        ({"number": "4242424242424242", "expiry": "12/34", "cvc": "12"}, 422, "cvc"),
        ({"tap": "everything"}, 422, "number"),
    ],
)
def test_a_form_that_is_not_right_says_where(bench: Bench, link: PaymentLink, fields: dict[str, str], status: int, wrong: str) -> None:
    answer = bench.press(link.url, **fields)
    assert answer.status_code == status
    assert re.search(rf'id="{wrong}"[^>]* aria-invalid="true" aria-describedby="problem"', answer.text)
    assert events(bench, link) == []


def test_a_real_card_is_refused_and_never_kept(tmp_path: Path) -> None:
    real = "4111 1111 1111 1111"
    with sandbox_at(tmp_path / "sandbox.db") as bench:
        link = new_link(bench)
        answer = bench.press(link.url, number=real, expiry="12/34", cvc="987")
        assert answer.status_code == 402
        assert "Only test cards work here" in answer.text
        assert real not in answer.text
        bench.press(link.url, number="4242424242424242", expiry="12/34", cvc="987")
    for path in tmp_path.iterdir():
        content = path.read_bytes()
        assert b"4111" not in content
        assert b"4242424242424242" not in content
        assert b"987" not in re.findall(rb"cvc.{0,20}", content)


def test_every_card_of_the_table_is_a_card(bench: Bench) -> None:
    assert all(is_luhn(number) for number in CARDS)
    for card in CARDS.values():
        link = new_link(bench)
        answer = bench.press(link.url, number=card.number, expiry="1/40", cvc="1234")
        assert answer.status_code == {"pays": 303, "disputes": 303, "declines": 402, "asks": 303}[card.effect]
        assert session(bench, link)["payment_status"] == ("paid" if card.effect in ("pays", "disputes") else "unpaid")


# ── the wire ──────────────────────────────────────────────────────────────────────────────────────

GOOD = {
    "mode": "payment",
    "success_url": "https://shop.example/done",
    "line_items[0][quantity]": "1",
    "line_items[0][price_data][currency]": "eur",
    "line_items[0][price_data][unit_amount]": "5000",
    "line_items[0][price_data][product_data][name]": "Kayak",
}


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        ({"colour": "red"}, "parameter_unknown", "colour"),
        ({"payment_method_types[0]": "card"}, "parameter_unknown", "payment_method_types"),
        ({"payment_intent_data[transfer_grp]": "x"}, "parameter_unknown", "payment_intent_data[transfer_grp]"),
        ({"line_items[0][price_data][unit_amount]": "5000.0"}, "parameter_invalid_integer", "line_items[0][price_data][unit_amount]"),
        ({"line_items[0][price_data][unit_amount]": "5_000"}, "parameter_invalid_integer", "line_items[0][price_data][unit_amount]"),
        ({"line_items[0][price_data][unit_amount]": " 5 "}, "parameter_invalid_integer", "line_items[0][price_data][unit_amount]"),
        ({"line_items[0][quantity]": "+5"}, "parameter_invalid_integer", "line_items[0][quantity]"),
        ({"line_items[0][quantity]": "٥"}, "parameter_invalid_integer", "line_items[0][quantity]"),
        ({"line_items[0][quantity]": "0"}, "parameter_invalid_integer", "line_items[0][quantity]"),
        ({"line_items[0][price_data][unit_amount]": "-1"}, "parameter_invalid_integer", "line_items[0][price_data][unit_amount]"),
        ({"line_items[0][price_data][currency]": None}, "parameter_missing", "line_items[0][price_data][currency]"),
        ({"line_items[0][price_data][product_data][name]": None}, "parameter_missing", "line_items[0][price_data][product_data]"),
        ({"line_items[0][price_data][currency]": "xyz"}, "parameter_invalid", "line_items[0][price_data][currency]"),
        ({"line_items[0][price_data][currency]": "isk", "line_items[0][price_data][unit_amount]": "5001"}, "parameter_invalid_integer", "line_items[0][price_data][unit_amount]"),
        ({"line_items[0][price_data][currency]": "kwd", "line_items[0][price_data][unit_amount]": "5001"}, "parameter_invalid_integer", "line_items[0][price_data][unit_amount]"),
        ({"line_items[0][price_data][unit_amount]": "49"}, "amount_too_small", "line_items"),
        ({"mode": "pay"}, "parameter_invalid", "mode"),
        ({"mode": None}, "parameter_missing", "mode"),
        ({"success_url": None}, "parameter_missing", "success_url"),
        ({"success_url": "javascript:alert(1)"}, "url_invalid", "success_url"),
        ({"customer_email": "nobody"}, "email_invalid", "customer_email"),
        ({"mode": "subscription"}, "sandbox_not_built", "mode"),
        ({"discounts[0][coupon]": "x"}, "sandbox_not_built", "discounts"),
        ({"payment_intent_data[setup_future_usage]": "off_session"}, "sandbox_not_built", "payment_intent_data[setup_future_usage]"),
        ({"line_items[0][price]": "price_1", "line_items[0][price_data][currency]": "eur"}, "sandbox_not_built", "line_items[0][price]"),
    ],
)  # fmt: skip
def test_a_bad_request_is_refused_with_its_place(bench: Bench, change: dict[str, str | None], code: str, param: str) -> None:
    params = {name: value for name, value in (GOOD | change).items() if value is not None}
    answer = bench.ask("POST", "/v1/checkout/sessions", **params)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["type"], error["code"], error["param"]) == ("invalid_request_error", code, param)


def test_a_good_request_makes_a_session(bench: Bench) -> None:
    answer = bench.ask("POST", "/v1/checkout/sessions", **GOOD)
    assert answer.status_code == 200
    made = answer.json()
    assert (made["object"], made["status"], made["amount_total"], made["livemode"]) == ("checkout.session", "open", 5000, False)
    assert shapes.problems(made) == []
    assert answer.headers["request-id"].startswith("req_")
    assert answer.headers["stripe-version"] == stripe.api_version
    assert 24 * 3600 - 2 <= made["expires_at"] - made["created"] <= 24 * 3600


@pytest.mark.parametrize(("minutes", "status"), [(29, 400), (29.95, 200), (24 * 60, 200), (24 * 60 + 1, 400)])
def test_a_page_lives_between_half_an_hour_and_a_day(bench: Bench, minutes: float, status: int) -> None:
    expires_at = str(int((bench.clock() + timedelta(minutes=minutes)).timestamp()))
    assert bench.ask("POST", "/v1/checkout/sessions", **GOOD, expires_at=expires_at).status_code == status


def test_the_key_decides_who_may_ask(bench: Bench) -> None:
    answer = bench.ask("GET", "/v1/events", api_key="sk_test_other")
    assert (answer.status_code, answer.json()["error"]["type"]) == (401, "invalid_request_error")
    assert bench.browser.get(f"{bench.url}/v1/events").status_code == 401


def test_unknown_addresses_have_stripes_shape(bench: Bench) -> None:
    for method, path in (("GET", "/v1/unicorns"), ("POST", "/v1/events"), ("GET", "/v1/refunds/"), ("GET", "/v2/core/accounts")):
        answer = bench.ask(method, path)
        assert (answer.status_code, answer.json()["error"]["type"]) == (404, "invalid_request_error")
    missing = bench.ask("GET", "/v1/refunds/re_1")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "resource_missing")


def test_a_repeat_is_answered_from_memory_for_a_day(tmp_path: Path) -> None:
    with sandbox_at(tmp_path / "sandbox.db") as bench:
        first = bench.ask("POST", "/v1/checkout/sessions", key="k", **GOOD)
        again = bench.ask("POST", "/v1/checkout/sessions", key="k", **GOOD)
        assert again.json() == first.json()
        assert again.headers["idempotent-replayed"] == "true"
        assert again.headers["original-request"] == first.headers["request-id"]
        other = bench.ask("POST", "/v1/checkout/sessions", key="k", **(GOOD | {"mode": "setup"}))
        assert (other.status_code, other.json()["error"]["type"]) == (400, "idempotency_error")
        bench.clock.forward(hours=23, minutes=59)
        assert bench.ask("POST", "/v1/checkout/sessions", key="k", **GOOD).json() == first.json()
        bench.clock.forward(minutes=2)
        assert bench.ask("POST", "/v1/checkout/sessions", key="k", **GOOD).json()["id"] != first.json()["id"]
        assert bench.ask("POST", "/v1/checkout/sessions", key="k" * 256, **GOOD).status_code == 400


def test_a_no_that_was_begun_is_remembered_and_a_bad_form_is_not(bench: Bench) -> None:
    begun = {**GOOD, "line_items[0][price_data][unit_amount]": "1"}
    for _ in range(2):
        answer = bench.ask("POST", "/v1/checkout/sessions", key="begun", **begun)
        assert answer.status_code == 400
    assert answer.headers["idempotent-replayed"] == "true"
    assert bench.ask("POST", "/v1/checkout/sessions", key="form", **GOOD, colour="red").status_code == 400
    assert bench.ask("POST", "/v1/checkout/sessions", key="form", **GOOD).status_code == 200


def test_properties_expand_to_their_objects(bench: Bench, link: PaymentLink) -> None:
    bench.press(link.url, tap="success")
    deep = session(bench, link, **{"expand[0]": "payment_intent.latest_charge.payment_intent", "expand[1]": "line_items"})
    charge = deep["payment_intent"]["latest_charge"]
    assert (charge["object"], charge["payment_intent"]["object"]) == ("charge", "payment_intent")
    assert [(one["description"], one["quantity"], one["amount_total"]) for one in deep["line_items"]["data"]] == [
        ("Kayak tour, 2 people", 2, 12000)
    ]
    listed = get(
        bench,
        "/v1/checkout/sessions",
        payment_intent=deep["payment_intent"]["id"],
        **{"expand[]": "data.payment_intent"},
    )
    assert [one["payment_intent"]["status"] for one in listed["data"]] == ["succeeded"]
    for path in ("customer", "payment_intent.nothing", "a.b.c.d.e"):
        refused = bench.ask("GET", f"/v1/checkout/sessions/{link.session_id}", **{"expand[0]": path})
        assert refused.status_code == 400


def test_lists_come_in_pages_the_newest_first(tmp_path: Path) -> None:
    with sandbox_at(tmp_path / "sandbox.db") as bench:
        links = [new_link(bench).session_id for _ in range(5)]
        links.reverse()
        first = get(bench, "/v1/checkout/sessions", limit="2")
        assert ([one["id"] for one in first["data"]], first["has_more"]) == (links[:2], True)
        second = get(bench, "/v1/checkout/sessions", limit="3", starting_after=links[1])
        assert ([one["id"] for one in second["data"]], second["has_more"]) == (links[2:], False)
        before = get(bench, "/v1/checkout/sessions", limit="2", ending_before=links[3])
        assert ([one["id"] for one in before["data"]], before["has_more"]) == (links[1:3], True)
        bench.gateway().expire_link(links[0])
        assert [one["id"] for one in get(bench, "/v1/checkout/sessions", status="expired")["data"]] == links[:1]
        assert [one["type"] for one in get(bench, "/v1/events", type="checkout.session.*")["data"]] == ["checkout.session.expired"]
        assert get(bench, "/v1/events", **{"created[lt]": "1000"})["data"] == []
        assert bench.ask("GET", "/v1/events", limit="101").status_code == 400
        client = stripe.StripeClient(SECRETS.api_key, base_addresses={"api": bench.url}, max_network_retries=0)
        found = client.v1.checkout.sessions.list({"limit": 2})
        assert [one.id for one in found.auto_paging_iter()] == links


def test_line_items_come_in_pages(bench: Bench) -> None:
    link = new_link(bench, *(OrderLine(f"Day {n}", 1, 100) for n in range(5)))
    path = f"/v1/checkout/sessions/{link.session_id}/line_items"
    first = get(bench, path, limit="2")
    assert ([one["description"] for one in first["data"]], first["has_more"]) == (["Day 0", "Day 1"], True)
    rest = get(bench, path, starting_after=first["data"][1]["id"])
    assert ([one["description"] for one in rest["data"]], rest["has_more"]) == (["Day 2", "Day 3", "Day 4"], False)


def test_forms_decode_to_nested_values() -> None:
    assert decode("a[b][0][c]=1&a[b][1][c]=2&m[]=x&m[]=y&metadata[0]=zero&empty=") == {
        "a": {"b": [{"c": "1"}, {"c": "2"}]},
        "m": ["x", "y"],
        "metadata": {"0": "zero"},
        "empty": "",
    }


def test_every_route_has_a_gate() -> None:
    from channels.sandbox.payments.api import ROUTES

    for route in ROUTES:
        found = gate.check(route.service, route.call, {"unheard_of": "1"}, strict=False)
        assert found[0].code == "parameter_unknown", route


# ── memory ────────────────────────────────────────────────────────────────────────────────────────


def test_a_restart_forgets_nothing(tmp_path: Path) -> None:
    clock = TickingClock()
    with sandbox_at(tmp_path / "sandbox.db", clock=clock) as bench:
        order = bench.order("p1")
        link = bench.gateway().payment_link(order, key="p1:1")
        bench.press(link.url, tap="bank")
    with sandbox_at(tmp_path / "sandbox.db", clock=clock) as bench:
        assert bench.gateway().payment_link(order, key="p1:1").session_id == link.session_id
        here = f"{bench.url}/pay/{link.session_id}"
        assert bench.press(f"{here}/confirm", choice="approve").status_code == 303
        assert bench.gateway().fetch_payment(link.session_id).state == "paid"
    assert stat.S_IMODE((tmp_path / "sandbox.db").stat().st_mode) == 0o600


def test_a_session_ends_by_the_clock_alone(tmp_path: Path) -> None:
    with sandbox_at(tmp_path / "sandbox.db") as bench:
        link = new_link(bench)
        bench.press(link.url, tap="bank")
        bench.clock.forward(minutes=32)
        assert bench.press(f"{link.url}/confirm", choice="approve").status_code == 410
        assert bench.gateway().fetch_payment(link.session_id).state == "expired"
        assert events(bench, link)[-2:] == ["payment_intent.canceled", "checkout.session.expired"]


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    """The reply is kept in the same transaction as the act; where one cannot be, the other is not."""
    with sandbox_at(tmp_path / "sandbox.db") as bench:
        link = new_link(bench)
        spoiler = sqlite3.connect(tmp_path / "sandbox.db", isolation_level=None)
        spoiler.execute("CREATE TRIGGER spoil BEFORE INSERT ON object WHEN new.kind = 'event' BEGIN SELECT raise(ABORT, 'full'); END")
        assert bench.press(link.url, tap="success").status_code == 500
        assert bench.gateway().fetch_payment(link.session_id).state == "open"
        spoiler.execute("DROP TRIGGER spoil")
        spoiler.close()
        assert bench.press(link.url, tap="success").status_code == 303


# ── webhooks ──────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Endpoint:
    """A webhook endpoint that keeps what it gets; `answers` are the statuses of the next calls, 200 after them."""

    url: str = ""
    got: list[tuple[bytes, str]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    arrived: threading.Event = field(default_factory=threading.Event)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.got.append((body, headers["stripe-signature"]))
        status = self.answers.pop(0) if self.answers else 200
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})
        self.arrived.set()

    def ids(self) -> list[str]:
        return [json.loads(body)["id"] for body, _ in self.got]


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    made = Endpoint()
    listener = open_socket()
    made.url = f"http://127.0.0.1:{listener.getsockname()[1]}/webhooks/stripe"
    with serving(made, listener):
        yield made


def deliver(bench: Bench) -> int:
    return asyncio.run(bench.sandbox.courier.deliver_due())


PAID = ("checkout.session.completed",)


def test_a_payment_is_announced_with_a_signature_that_fits(tmp_path: Path, endpoint: Endpoint) -> None:
    with sandbox_at(tmp_path / "sandbox.db", webhook_urls=[endpoint.url]) as bench:
        link = new_link(bench)
        bench.press(link.url, tap="success")
        assert deliver(bench) == 1
        assert deliver(bench) == 0
        ((body, signature),) = endpoint.got
        event = bench.gateway().read_event(body, signature)
        assert (event.type, event.object_id, event.ours) == ("checkout.session.completed", link.session_id, True)
        kept = get(bench, f"/v1/events/{event.id}")
        assert kept == json.loads(body)
        assert (kept["api_version"], kept["livemode"], kept["data"]["object"]["payment_status"]) == (stripe.api_version, False, "paid")


def test_an_event_keeps_the_object_as_it_was(tmp_path: Path, endpoint: Endpoint) -> None:
    with sandbox_at(tmp_path / "sandbox.db", webhook_urls=[endpoint.url], events=["charge.succeeded", "charge.refunded"]) as bench:
        link = new_link(bench)
        bench.press(link.url, tap="success")
        charge = bench.gateway().fetch_payment(link.session_id).charge_id
        assert charge is not None
        bench.gateway().refund(charge, 2000, "EUR", key="r", metadata={})
        deliver(bench)
        assert [json.loads(body)["data"]["object"]["amount_refunded"] for body, _ in endpoint.got] in ([0, 2000], [2000, 0])


def test_what_was_not_taken_is_sent_again_with_growing_pauses(tmp_path: Path, endpoint: Endpoint) -> None:
    with sandbox_at(tmp_path / "sandbox.db", webhook_urls=[endpoint.url], events=PAID) as bench:
        bench.press(new_link(bench).url, tap="success")
        endpoint.answers = [500, 404, 302]
        for pause in PAUSES[:3]:
            assert deliver(bench) == 1
            bench.clock.forward(seconds=pause - 0.5)
            assert deliver(bench) == 0
            bench.clock.forward(seconds=0.5)
        assert deliver(bench) == 1
        bench.clock.forward(hours=1)
        assert deliver(bench) == 0
        assert len(set(endpoint.ids())) == 1
        moments = [int(re.findall(r"t=(\d+)", signature)[0]) for _, signature in endpoint.got]
        assert len(moments) == 4
        assert moments == sorted(set(moments))


def test_it_gives_up_in_the_end(tmp_path: Path, endpoint: Endpoint) -> None:
    with sandbox_at(tmp_path / "sandbox.db", webhook_urls=[endpoint.url], events=PAID) as bench:
        bench.press(new_link(bench).url, tap="success")
        endpoint.answers = [500] * 50
        tries = 0
        for _ in range(50):
            tries += deliver(bench)
            bench.clock.forward(hours=7)
        assert tries == len(PAUSES) + 1


def test_a_process_that_dies_between_payment_and_delivery_delivers_after_its_restart(tmp_path: Path, endpoint: Endpoint) -> None:
    clock = TickingClock()
    with sandbox_at(tmp_path / "sandbox.db", clock=clock, webhook_urls=[endpoint.url], events=PAID) as bench:
        bench.press(new_link(bench).url, tap="success")
        bench.press(new_link(bench).url, tap="success")
        claimed = bench.sandbox._store.claim(clock().timestamp(), clock().timestamp() + 15, 1)  # taken, and the process dies
        assert len(claimed) == 1
    assert endpoint.got == []
    with sandbox_at(tmp_path / "sandbox.db", clock=clock, webhook_urls=[endpoint.url], events=PAID) as bench:
        assert deliver(bench) == 1
        clock.forward(seconds=16)
        assert deliver(bench) == 1
    assert len(set(endpoint.ids())) == 2


def test_the_courier_runs_beside_the_app_and_stops_when_told(tmp_path: Path, endpoint: Endpoint) -> None:
    async def pay_while_it_runs(bench: Bench) -> None:
        courier = asyncio.create_task(bench.sandbox.run())
        await asyncio.to_thread(lambda: bench.press(new_link(bench).url, tap="success"))
        assert await asyncio.to_thread(endpoint.arrived.wait, 10)
        courier.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await courier

    with sandbox_at(tmp_path / "sandbox.db", webhook_urls=[endpoint.url], events=PAID) as bench:
        asyncio.run(pay_while_it_runs(bench))
    assert len(endpoint.got) == 1


def test_the_courier_closes_what_is_overdue_and_says_so(tmp_path: Path, endpoint: Endpoint) -> None:
    with sandbox_at(tmp_path / "sandbox.db", webhook_urls=[endpoint.url]) as bench:
        new_link(bench)
        bench.clock.forward(minutes=32)
        bench.sandbox.close_overdue()
        deliver(bench)
        assert [json.loads(body)["type"] for body, _ in endpoint.got] == ["checkout.session.expired"]


def test_faults_are_asked_for_with_the_key(tmp_path: Path, endpoint: Endpoint) -> None:
    with sandbox_at(tmp_path / "sandbox.db", webhook_urls=[endpoint.url], events=PAID) as bench:
        control = f"{bench.url}/_control"
        assert bench.browser.post(control, json={"drop": 1}).status_code == 401
        key = {"Authorization": f"Bearer {SECRETS.api_key}"}
        for bad in ({"colour": 1}, {"how": "gently"}, [1], {"calls": "many"}):
            assert bench.browser.post(control, json=bad, headers=key).status_code == 400
        bench.browser.post(control, json={"drop": 1, "copies": 2}, headers=key)
        bench.press(new_link(bench).url, tap="success")
        deliver(bench)
        assert endpoint.got == []
        bench.press(new_link(bench).url, tap="success")
        deliver(bench)
        assert len(endpoint.got) == 2
        assert len(set(endpoint.ids())) == 1
        bench.browser.post(control, json={"delay": 60}, headers=key)
        bench.press(new_link(bench).url, tap="success")
        assert deliver(bench) == 0
        bench.clock.forward(seconds=61)
        assert deliver(bench) == 1
        bench.browser.post(control, json={"calls": 1, "how": "error"}, headers=key)
        assert bench.ask("GET", "/v1/events").status_code == 500
        assert bench.ask("GET", "/v1/events").status_code == 200
    with sandbox_at(tmp_path / "closed.db", control=False) as bench:
        assert bench.browser.post(f"{bench.url}/_control", json={"drop": 1}, headers=key).status_code == 404


# ── keys and safety ───────────────────────────────────────────────────────────────────────────────


def test_the_secrets_are_made_once_and_kept_private(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(lambda _: (local_secrets(folder).api_key, local_secrets(folder).webhook_secret), range(16)))
    assert len(made) == 1
    (path,) = folder.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    kept = local_secrets(folder)
    assert kept.api_key.startswith("sk_test_local_")
    assert kept.webhook_secret.startswith("whsec_local_")
    assert kept.api_key not in repr(kept)
    path.chmod(0o644)
    assert local_secrets(folder) == kept
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_text("{")
    with pytest.raises(Unsafe):
        local_secrets(folder)


@pytest.mark.parametrize(
    ("host", "key", "allowed", "safe"),
    [
        ("127.0.0.1", None, False, True),
        ("localhost", "sk_test_1", False, True),
        ("::1", None, False, True),
        ("0.0.0.0", None, False, False),  # noqa: S104
        ("192.168.0.4", None, False, False),
        ("0.0.0.0", None, True, True),  # noqa: S104
        ("127.0.0.1", "sk_live_1", True, False),
        ("127.0.0.1", "rk_live_1", False, False),
    ],
)
def test_it_starts_only_where_no_money_and_no_stranger_is_near(
    tmp_path: Path, host: str, key: str | None, allowed: bool, safe: bool
) -> None:
    def start() -> Sandbox:
        return create_sandbox(
            tmp_path / "sandbox.db",
            secrets=LocalSecrets("sk_test_local", "whsec_local"),
            public_url="http://127.0.0.1/stripe-local",
            webhook_urls=[],
            clock=TickingClock(),
            host=host,
            configured_key=key,
            allow_public=allowed,
        )

    if safe:
        start().close()
        return
    with pytest.raises(Unsafe):
        start()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(Unsafe):
        check_safe(host=host, configured_key=key, allow_public=allowed)


def test_a_large_or_broken_body_is_refused(bench: Bench, link: PaymentLink) -> None:
    headers = {"Authorization": f"Bearer {SECRETS.api_key}", "Content-Type": "application/x-www-form-urlencoded"}
    url = f"{bench.url}/v1/checkout/sessions"
    assert bench.browser.post(url, content=b"a" * 1_000_001, headers=headers).status_code == 413
    for body in (
        b"\xff\xfe=1",
        urlencode([(f"a{n}", "1") for n in range(6000)]).encode(),
        b"a[b=1",
        b"a=1&a[b]=2",
        b"a" + b"[b]" * 20 + b"=1",
    ):
        assert bench.browser.post(url, content=body, headers=headers).status_code == 400
    assert bench.browser.post(link.url, content=b"a" * 10_001).status_code == 413
    assert bench.browser.post(link.url, content=b"\xff\xfe=1").status_code == 422


def test_an_order_of_many_currencies_is_refused(bench: Bench) -> None:
    mixed = {
        **GOOD,
        "line_items[1][price_data][currency]": "usd",
        "line_items[1][price_data][unit_amount]": "100",
        "line_items[1][price_data][product_data][name]": "Sail",
    }
    assert bench.ask("POST", "/v1/checkout/sessions", **mixed).json()["error"]["param"] == "line_items"


def test_objects_that_stripe_would_not_know_are_never_kept() -> None:
    good = shapes.skeleton("refund")
    assert shapes.problems(good) == []
    for change in ({"colour": 1}, {"amount": 1.0}, {"amount": True}, {"reason": "mood"}, {"charge": 5}, {"object": "unicorn"}):
        with pytest.raises(shapes.Misshapen):
            shapes.checked({**good, **change})
    del good["amount"]
    assert shapes.problems(good) == ["refund.amount: missing"]


# ── pages inside the shop's own site ──────────────────────────────────────────────────────────────


def test_an_embedded_session_has_a_secret_instead_of_an_address(bench: Bench) -> None:
    gateway = bench.gateway()
    made = gateway.payment_link(replace(bench.order(), embedded=True), key="p1:session:1")
    assert made.url is None
    assert made.client_secret is not None
    assert made.client_secret.startswith(f"{made.session_id}_secret_")
    assert gateway.client_secret(made.session_id) == made.client_secret
    paid = bench.press(f"{bench.url}/pay/{made.session_id}", tap="success")
    assert paid.headers["location"].endswith(f"/pay/done?s={made.session_id}")
    assert gateway.fetch_payment(made.session_id).state == "paid"
    assert gateway.client_secret(made.session_id) is None


def test_hosted_and_embedded_parameters_do_not_mix(bench: Bench) -> None:
    line = {
        "line_items[0][price_data][currency]": "eur",
        "line_items[0][price_data][unit_amount]": "500",
        "line_items[0][price_data][product_data][name]": "x",
        "mode": "payment",
    }
    back, success = {"return_url": "http://127.0.0.1:1/back"}, {"success_url": "http://127.0.0.1:1/ok"}
    for given, param in (
        ({"ui_mode": "embedded_page", **success}, "success_url"),
        ({"ui_mode": "embedded_page"}, "return_url"),
        ({**success, **back}, "return_url"),
    ):
        answer = bench.ask("POST", "/v1/checkout/sessions", **line, **given)
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
