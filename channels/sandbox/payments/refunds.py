"""Refunds: part or all of a charge, never more than what is left of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from channels.sandbox.payments.acts import Act
from channels.sandbox.payments.checkout import check_metadata
from channels.sandbox.payments.errors import No, not_built
from core.money import Money

ACTED_ON = frozenset(["charge", "payment_intent", "amount", "metadata", "reason", "expand"])


def create(act: Act, params: Mapping[str, Any]) -> dict[str, Any]:
    """Raises No above what is left, for a charge that failed and for parameters the sandbox does not act on."""
    for name in params:
        if name not in ACTED_ON:
            raise not_built(name)
    check_metadata(params.get("metadata"), "metadata")
    charge = _charge(act, params)
    left = charge["amount_captured"] - charge["amount_refunded"]
    if not charge["paid"]:
        raise No(f"Charge {charge['id']} was not paid and cannot be refunded.", param="charge")
    if charge["disputed"]:
        raise No(f"Charge {charge['id']} has been charged back.", code="charge_disputed", param="charge")
    if left == 0:
        raise No(f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded", param="charge")
    amount = int(params["amount"]) if "amount" in params else left
    if amount < 1:
        raise No("Invalid positive integer", code="parameter_invalid_integer", param="amount")
    if amount > left:
        asked, rest = (Money(value, charge["currency"].upper()).text() for value in (amount, left))
        raise No(f"Refund amount ({asked}) is greater than unrefunded amount on charge ({rest})", code="amount_too_large", param="amount")
    refund = act.new(
        "refund",
        "re_",
        amount=amount,
        currency=charge["currency"],
        charge=charge["id"],
        payment_intent=charge["payment_intent"],
        metadata=dict(params.get("metadata", {})),
        reason=params.get("reason"),
        status="succeeded",
    )
    act.keep(refund)
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount_captured"]
    act.announce("charge.refunded", act.keep(charge))
    act.announce("refund.created", refund)
    return refund


def _charge(act: Act, params: Mapping[str, Any]) -> dict[str, Any]:
    if "charge" in params:
        return act.get("charge", params["charge"], "charge")
    if "payment_intent" not in params:
        raise No("One of the following params should be provided for this request: payment_intent or charge.")
    intent = act.get("payment_intent", params["payment_intent"], "payment_intent")
    if intent["status"] != "succeeded":
        raise No(f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund.", param="payment_intent")
    return act.get("charge", intent["latest_charge"])
