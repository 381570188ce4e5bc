"""Payment intents whose money is only reserved: captured once, in whole or in part, or cancelled, or let go of by the card."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from channels.sandbox.payments.acts import Act
from channels.sandbox.payments.errors import No

CANCELABLE = ("requires_payment_method", "requires_capture", "requires_confirmation", "requires_action", "processing")


def capture(act: Act, params: Mapping[str, Any], intent_id: str) -> dict[str, Any]:
    """Take what is reserved, or a part of it; the rest is let go of. Raises No for an intent that reserves nothing (any more)."""
    intent = act.get("payment_intent", intent_id, "intent")
    if intent["status"] != "requires_capture":
        raise _unexpected("captured", intent, '["requires_capture"]')
    amount = int(params.get("amount_to_capture", intent["amount_capturable"]))
    if not 1 <= amount <= intent["amount_capturable"]:
        words = f"The amount to capture must be between 1 and {intent['amount_capturable']}, which is what is capturable."
        raise No(words, code="amount_too_large", param="amount_to_capture")
    charge = act.get("charge", intent["latest_charge"])
    charge.update(captured=True, amount_captured=amount)
    act.announce("charge.captured", act.keep(charge))
    intent.update(status="succeeded", amount_received=amount, amount_capturable=0)
    act.announce("payment_intent.succeeded", act.keep(intent))
    session = act.get("checkout.session", act.store.aside(intent_id)["session"])
    session["payment_status"] = "paid"
    act.keep(session)
    return intent


def cancel(act: Act, params: Mapping[str, Any], intent_id: str) -> dict[str, Any]:
    """Let go of what is reserved. Raises No for an intent that has succeeded or was cancelled before."""
    intent = act.get("payment_intent", intent_id, "intent")
    if intent["status"] not in CANCELABLE:
        raise _unexpected("canceled", intent, ", ".join(CANCELABLE))
    return _cancel(act, intent, params.get("cancellation_reason"))


def let_go_of_overdue(act: Act) -> int:
    """Cards do not wait for ever: what was not captured in time is cancelled. Returns how many."""
    overdue = act.store.uncaptured(act.second)
    for intent_id in overdue:
        _cancel(act, act.get("payment_intent", intent_id), "automatic")
    return len(overdue)


def _cancel(act: Act, intent: dict[str, Any], reason: str | None) -> dict[str, Any]:
    if intent["status"] == "requires_capture":
        charge = act.get("charge", intent["latest_charge"])
        charge.update(refunded=True, amount_refunded=charge["amount"])  # as Stripe shows a reversed authorisation
        act.keep(charge)
    intent.update(status="canceled", canceled_at=act.second, cancellation_reason=reason, amount_capturable=0, next_action=None)
    act.announce("payment_intent.canceled", act.keep(intent))
    return intent


def _unexpected(verb: str, intent: Mapping[str, Any], allowed: str) -> No:
    words = f"This PaymentIntent could not be {verb} because it has a status of {intent['status']}. Only one with {allowed} may be."
    return No(words, code="payment_intent_unexpected_state", param="intent")
