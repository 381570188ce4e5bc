"""Checkout sessions: made by the API, paid on the page. One session collects one payment, once."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from channels.sandbox.payments.acts import Act
from channels.sandbox.payments.cards import TestCard
from channels.sandbox.payments.errors import No, not_built
from channels.sandbox.payments.shapes import checked
from core.errors import Invalid
from core.money import Money, exponent

SHORTEST, LONGEST, SLACK = 30 * 60, 24 * 60 * 60, 5
LARGEST = 99_999_999
WHOLE_HUNDREDS = frozenset(["UGX", "ISK"])
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")

ACTED_ON = frozenset(
    [
        "mode",
        "ui_mode",
        "client_reference_id",
        "metadata",
        "success_url",
        "cancel_url",
        "return_url",
        "expires_at",
        "allowed_payment_method_types",
        "customer_email",
        "line_items",
        "payment_intent_data",
        "payment_method_options",
        "locale",
        "submit_type",
        "expand",
    ]
)
ACTED_ON_INTENT = frozenset(["transfer_group", "metadata", "description", "capture_method"])
ACTED_ON_OPTIONS = {"card": {"request_extended_authorization": ("if_available", "never")}}
RESERVED_FOR = 7 * 24 * 60 * 60  # seconds a card is held; the extended thirty days are a matter of the real card


# ── the API's side ────────────────────────────────────────────────────────────────────────────────


def create(act: Act, params: Mapping[str, Any]) -> dict[str, Any]:
    """An open session with its page. Raises No for whatever Stripe would refuse and for what the sandbox does not act on."""
    for name in params:
        if name not in ACTED_ON:
            raise not_built(name)
    if params.get("mode") != "payment":
        raise not_built("mode") if params.get("mode") else No("Missing required param: mode.", code="parameter_missing", param="mode")
    embedded = params.get("ui_mode") in ("embedded", "embedded_page")
    if not embedded and params.get("ui_mode", "hosted_page") not in ("hosted", "hosted_page"):
        raise not_built("ui_mode")
    if params.get("allowed_payment_method_types", ["card"]) != ["card"]:
        raise not_built("allowed_payment_method_types")
    intent_data = params.get("payment_intent_data", {})
    for name in intent_data:
        if name not in ACTED_ON_INTENT:
            raise not_built(f"payment_intent_data[{name}]")
    capture = intent_data.get("capture_method", "automatic_async")
    if capture not in ("automatic_async", "automatic", "manual"):
        raise No("Invalid capture_method.", code="parameter_invalid", param="payment_intent_data[capture_method]")
    for method, options in params.get("payment_method_options", {}).items():
        for name, value in options.items():
            if value not in ACTED_ON_OPTIONS.get(method, {}).get(name, ()):
                raise not_built(f"payment_method_options[{method}][{name}]")
    for name in ("success_url", "cancel_url") if embedded else ("return_url",):
        if params.get(name):
            raise No(f"{name} is not allowed with this ui_mode.", code="parameter_invalid", param=name)
    back = "return_url" if embedded else "success_url"
    if not params.get(back):
        raise No(f"Missing required param: {back}.", code="parameter_missing", param=back)
    for name in ("success_url", "cancel_url", "return_url"):
        _check_url(params.get(name), name)
    email = params.get("customer_email")
    if email is not None and not EMAIL.fullmatch(email):
        raise No(f"Invalid email address: {email}", code="email_invalid", param="customer_email")
    if len(params.get("client_reference_id", "")) > 200:
        raise No("Invalid string: at most 200 characters", code="parameter_invalid_string", param="client_reference_id")
    check_metadata(params.get("metadata"), "metadata")
    check_metadata(intent_data.get("metadata"), "payment_intent_data[metadata]")
    expires_at = _expiry(act, params.get("expires_at"))
    lines = [_line(act, line, f"line_items[{i}]") for i, line in enumerate(_line_items(params))]
    currency = lines[0]["currency"]
    if any(line["currency"] != currency for line in lines):
        raise No("All line items must use the same currency.", param="line_items")
    total = sum(line["amount_total"] for line in lines)
    _check_total(total, currency)
    session = act.new(
        "checkout.session",
        "cs_test_",
        mode="payment",
        ui_mode="embedded_page" if embedded else "hosted_page",
        status="open",
        payment_status="unpaid",
        amount_subtotal=total,
        amount_total=total,
        currency=currency,
        client_reference_id=params.get("client_reference_id"),
        metadata=dict(params.get("metadata", {})),
        success_url=params.get("success_url"),
        return_url=params.get("return_url"),
        cancel_url=params.get("cancel_url"),
        expires_at=expires_at,
        allowed_payment_method_types=params.get("allowed_payment_method_types"),
        payment_method_types=["card"],
        customer_email=email,
        locale=params.get("locale"),
        submit_type=params.get("submit_type"),
        total_details={"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0, "breakdown": None},
    )
    if embedded:
        session["client_secret"] = f"{session['id']}_secret_{secrets.token_hex(16)}"
    else:
        session["url"] = f"{act.base}/pay/{session['id']}"
    return act.keep(session, {"lines": lines, "intent": dict(intent_data)})


def expire(act: Act, session_id: str) -> dict[str, Any]:
    """Only an open session can be expired; Stripe refuses the rest, and so does this."""
    session = act.get("checkout.session", session_id)
    if session["status"] != "open":
        raise No(f'Only Checkout Sessions with a status in ["open"] can be expired. This one is {session["status"]}.')
    return _over(act, session)


def expire_overdue(act: Act) -> int:
    """Close every session whose time has passed; returns how many."""
    overdue = act.store.overdue(act.second)
    for session_id in overdue:
        _over(act, act.get("checkout.session", session_id))
    return len(overdue)


def _over(act: Act, session: dict[str, Any]) -> dict[str, Any]:
    session.update(status="expired", url=None, client_secret=None)
    act.keep(session)
    intent = act.store.get(session["payment_intent"] or "")
    if intent is not None and intent["status"] != "succeeded":
        intent.update(status="canceled", canceled_at=act.second, cancellation_reason="expired", next_action=None)
        act.announce("payment_intent.canceled", act.keep(intent))
    act.announce("checkout.session.expired", session)
    return session


def line_items(act: Act, session_id: str) -> list[dict[str, Any]]:
    act.get("checkout.session", session_id)
    lines: list[dict[str, Any]] = act.store.aside(session_id)["lines"]
    return lines


def _check_url(value: str | None, param: str) -> None:
    if value is None:
        return
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or len(value) > 5000:
        raise No("Not a valid URL", code="url_invalid", param=param)


def check_metadata(value: Mapping[str, str] | None, param: str) -> None:
    if value is None:
        return
    if len(value) > 50:
        raise No("Metadata can hold up to 50 keys.", code="parameter_invalid", param=param)
    for name, text in value.items():
        if len(name) > 40 or len(text) > 500:
            raise No("Metadata keys have up to 40 characters, values up to 500.", code="parameter_invalid", param=f"{param}[{name[:40]}]")


def _expiry(act: Act, given: str | int | None) -> int:
    if given is None:
        return act.second + LONGEST
    ahead = int(given) - act.second
    if not SHORTEST - SLACK <= ahead <= LONGEST + SLACK:
        raise No(
            "The `expires_at` timestamp must be at least 30 minutes and at most 24 hours from Checkout Session creation.",
            param="expires_at",
        )
    return int(given)


def _line_items(params: Mapping[str, Any]) -> list[Any]:
    lines = params.get("line_items")
    if not lines:
        raise No("Missing required param: line_items.", code="parameter_missing", param="line_items")
    if len(lines) > 100:
        raise No("A session takes up to 100 line items.", param="line_items")
    return list(lines)


def _line(act: Act, given: Mapping[str, Any], where: str) -> dict[str, Any]:
    for name in given:
        if name not in ("quantity", "price_data"):
            raise not_built(f"{where}[{name}]")
    price = given.get("price_data")
    if price is None:
        raise No(f"Missing required param: {where}[price_data].", code="parameter_missing", param=f"{where}[price_data]")
    for name in price:
        if name not in ("currency", "unit_amount", "product_data"):
            raise not_built(f"{where}[price_data][{name}]")
    for name in ("unit_amount", "product_data"):
        if name not in price:
            param = f"{where}[price_data][{name}]"
            raise No(f"Missing required param: {param}.", code="parameter_missing", param=param)
    name = price["product_data"]["name"]
    if not name:
        raise No("Invalid string: empty", code="parameter_invalid_empty", param=f"{where}[price_data][product_data][name]")
    quantity = int(given.get("quantity", 1))
    if not 1 <= quantity <= 999_999:
        raise No("Invalid integer: quantity", code="parameter_invalid_integer", param=f"{where}[quantity]")
    amount = int(price["unit_amount"])
    if not 0 <= amount <= LARGEST:
        raise No("Invalid integer: unit_amount", code="parameter_invalid_integer", param=f"{where}[price_data][unit_amount]")
    currency = price["currency"].lower()
    _check_amount(amount, currency, f"{where}[price_data]")
    priced = act.new(
        "price",
        "price_",
        currency=currency,
        unit_amount=amount,
        unit_amount_decimal=str(amount),
        product=f"prod_{secrets.token_hex(10)}",
        billing_scheme="per_unit",
        type="one_time",
    )
    line = act.new(
        "item",
        "li_",
        currency=currency,
        description=name,
        quantity=quantity,
        amount_subtotal=amount * quantity,
        amount_total=amount * quantity,
        price=checked(priced),
    )
    return checked(line)


def _check_amount(amount: int, currency: str, where: str) -> None:
    try:
        digits = exponent(currency.upper())
    except Invalid as error:
        raise No(f"Invalid currency: {currency}.", code="parameter_invalid", param=f"{where}[currency]") from error
    if (currency.upper() in WHOLE_HUNDREDS and amount % 100) or (digits == 3 and amount % 10):
        raise No(f"Invalid amount for {currency}.", code="parameter_invalid_integer", param=f"{where}[unit_amount]")


def _check_total(total: int, currency: str) -> None:
    least = 50 if exponent(currency.upper()) == 2 else 1
    if total < least:
        shown = Money(least, currency.upper()).text()
        raise No(f"The Checkout Session's total amount must convert to at least {shown}.", code="amount_too_small", param="line_items")
    if total > LARGEST:
        raise No("The Checkout Session's total amount is too large.", code="amount_too_large", param="line_items")


# ── the traveler's side ───────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the page says next: paid, declined, asks (3-D Secure), over (expired) or nothing_to_confirm."""

    state: str
    message: str = ""


def pay(act: Act, session_id: str, card: TestCard) -> Outcome:
    """Charge a test card for the whole session. A session that is paid stays as it is, so a double submit charges once."""
    session = act.get("checkout.session", session_id)
    if session["status"] != "open":
        return _done(act, session)
    intent = _intent(act, session)
    intent["payment_method"] = f"pm_{secrets.token_hex(12)}"
    match card.effect:
        case "asks":
            intent.update(
                status="requires_action",
                last_payment_error=None,
                next_action={"type": "redirect_to_url", "redirect_to_url": {"url": f"{session['url']}/confirm", "return_url": None}},
            )
            act.announce("payment_intent.requires_action", act.keep(intent, {"card": card.number}))
            return Outcome("asks")
        case "declines":
            return _decline(act, session, intent, card, card.code, card.decline_code, card.words)
        case "pays" | "disputes":
            return _charge(act, session, intent, card)


def confirm(act: Act, session_id: str, card_of: Mapping[str, TestCard], *, approve: bool) -> Outcome:
    """The answer to 3-D Secure."""
    session = act.get("checkout.session", session_id)
    if session["status"] != "open":
        return _done(act, session)
    intent = act.store.get(session["payment_intent"] or "")
    if intent is None or intent["status"] != "requires_action":
        return Outcome("nothing_to_confirm")
    card = card_of[act.store.aside(intent["id"])["card"]]
    intent["next_action"] = None
    if approve:
        return _charge(act, session, intent, card)
    words = "You refused the payment at your bank. Nothing was charged; try again or use another card."
    return _decline(act, session, intent, card, "payment_intent_authentication_failure", "authentication_required", words)


def _done(act: Act, session: Mapping[str, Any]) -> Outcome:
    """What became of a session that is no longer open."""
    intent = act.store.get(session["payment_intent"] or "")
    if session["payment_status"] == "paid":
        return Outcome("paid")
    return Outcome("reserved" if intent is not None and intent["status"] == "requires_capture" else "over")


def waits_for_bank(act: Act, session: Mapping[str, Any]) -> bool:
    intent = act.store.get(session["payment_intent"] or "")
    return intent is not None and intent["status"] == "requires_action"


def _intent(act: Act, session: dict[str, Any]) -> dict[str, Any]:
    """The session's payment intent, made when the traveler first presses Pay."""
    if session["payment_intent"] is not None:
        return act.get("payment_intent", session["payment_intent"])
    given = act.store.aside(session["id"])["intent"]
    intent = act.new(
        "payment_intent",
        "pi_",
        amount=session["amount_total"],
        currency=session["currency"],
        capture_method=given.get("capture_method", "automatic_async"),
        confirmation_method="automatic",
        description=given.get("description"),
        metadata=dict(given.get("metadata", {})),
        transfer_group=given.get("transfer_group"),
        payment_method_types=["card"],
        status="requires_payment_method",
    )
    intent["client_secret"] = f"{intent['id']}_secret_{secrets.token_hex(10)}"
    session["payment_intent"] = intent["id"]
    act.keep(session)
    act.announce("payment_intent.created", act.keep(intent))
    return intent


def _charge(act: Act, session: dict[str, Any], intent: dict[str, Any], card: TestCard) -> Outcome:
    charge = _new_charge(act, session, intent, card)
    if intent["capture_method"] == "manual":
        return _reserve(act, session, intent, charge)
    charge.update(status="succeeded", paid=True, captured=True, amount_captured=charge["amount"])
    act.announce("charge.succeeded", act.keep(charge))
    intent.update(status="succeeded", amount_received=intent["amount"], latest_charge=charge["id"], last_payment_error=None)
    act.announce("payment_intent.succeeded", act.keep(intent))
    session.update(status="complete", payment_status="paid", url=None, client_secret=None)
    act.announce("checkout.session.completed", act.keep(session))
    return Outcome("paid")


def _reserve(act: Act, session: dict[str, Any], intent: dict[str, Any], charge: dict[str, Any]) -> Outcome:
    """The card is held: the page is done, though nothing is paid until the amount is captured."""
    charge["payment_method_details"]["card"]["capture_before"] = act.second + RESERVED_FOR
    charge.update(status="succeeded", paid=True, captured=False, amount_captured=0)
    act.announce("charge.succeeded", act.keep(charge))
    intent.update(status="requires_capture", amount_capturable=intent["amount"], latest_charge=charge["id"], last_payment_error=None)
    act.announce("payment_intent.amount_capturable_updated", act.keep(intent, {"session": session["id"]}))
    session.update(status="complete", payment_status="unpaid", url=None, client_secret=None)
    act.announce("checkout.session.completed", act.keep(session))
    return Outcome("reserved")


def _decline(
    act: Act, session: dict[str, Any], intent: dict[str, Any], card: TestCard, code: str, decline_code: str, words: str
) -> Outcome:
    charge = _new_charge(act, session, intent, card)
    charge.update(status="failed", failure_code=code, failure_message=words)
    act.announce("charge.failed", act.keep(charge))
    intent.update(
        status="requires_payment_method",
        payment_method=None,
        latest_charge=charge["id"],
        last_payment_error={
            "type": "card_error",
            "code": code,
            "decline_code": decline_code,
            "message": words,
            "charge": charge["id"],
        },
    )
    act.announce("payment_intent.payment_failed", act.keep(intent))
    return Outcome("declined", words)


def _new_charge(act: Act, session: Mapping[str, Any], intent: Mapping[str, Any], card: TestCard) -> dict[str, Any]:
    charge = act.new(
        "charge",
        "ch_",
        amount=intent["amount"],
        currency=intent["currency"],
        payment_intent=intent["id"],
        payment_method=intent["payment_method"],
        metadata=dict(intent["metadata"]),
        transfer_group=intent["transfer_group"],
        description=intent["description"],
        fraud_details={},
        radar_options={},
    )
    charge["billing_details"]["email"] = session["customer_email"]
    charge["payment_method_details"] = {
        "type": "card",
        "card": {"brand": card.brand, "last4": card.last4, "exp_month": 12, "exp_year": 2034},
    }
    return charge
