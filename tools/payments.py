"""Towards paying: a proposal the traveler must confirm with their own tap, and asking what has been paid. Nothing here charges."""

from __future__ import annotations

from core import bookings, carts
from core.payments import balances, collect
from tools.cart import cart_for_model
from tools.outcome import Desk, Outcome, press, price_text


def propose_checkout(desk: Desk) -> Outcome:
    """Show the traveler the exact total of the cart with a Confirm button. Books and charges nothing. No arguments."""
    made = bookings.propose_checkout(desk.engine, desk.actor)
    deposits = made["deposit_totals"]
    by_deposit = [press("confirm_deposit", "confirm", proposal_id=made["proposal_id"], method="deposit")] if deposits else []
    part = {
        "type": "proposal",
        "proposal_id": made["proposal_id"],
        "lines": [{**line, "tiers": made["policies"].get(line["product_id"])} for line in made["lines"]],
        "totals": made["totals"],
        "changed": made["changed"],
        "expires_at": made["expires_at"],
        "deposits": deposits,
        "buttons": [press("confirm", "confirm", proposal_id=made["proposal_id"]), *by_deposit, press("change_cart", "cart")],
    }
    data = {
        "proposal_id": made["proposal_id"],
        "totals": {
            currency: {how: price_text(amount, currency) for how, amount in sums.items() if amount}
            for currency, sums in made["totals"].items()
        },
        "price_changes": [
            {
                "title": one["title"],
                "before": price_text(one["before"], one["currency"]),
                "now": price_text(one["after"], one["currency"]),
            }
            for one in made["changed"]
        ],
        "or_deposit": {
            currency: {"now": price_text(one["now"], currency), "later": price_text(one["later"], currency), "due": one["due_at"][:10]}
            for currency, one in deposits.items()
        },
        "note": "Only the traveler's tap on Confirm or an exact yes books it.",
    }
    return Outcome(data, (part,))


def pay_balance(desk: Desk, booking: str) -> Outcome:
    """Show the page on which the traveler pays the rest of a booking that was made with a deposit. Charges nothing by itself.

    Args:
        booking: the booking's reference, e.g. "TRV-7K3Q9X".
    """
    made = balances.pay(desk.engine, desk.actor, booking)
    facts = {**made, "bookings": []}
    shown = ({"type": "event", "event": "payment_ready", "facts": facts, "actions": []},) if made["url"] else ()
    return Outcome({"status": made["status"], "amount": price_text(made["amount"], made["currency"])}, shown)


def check_payment(desk: Desk) -> Outcome:
    """Ask the payment system what has been paid ("I have paid"), and show the payment link again where one is open. No arguments."""
    looked_at = collect.sync_conversation(desk.engine, desk.actor.conversation_id)
    view = carts.show(desk.engine, desk.actor)
    open_ones = [one for one in view["unpaid"] if one["url"]]
    data = {
        "payments": [{"status": one["status"], "amount": price_text(one["amount"], one["currency"])} for one in looked_at],
        "still_open": len(open_ones),
        "waiting": cart_for_model(view)["waiting"],
    }
    parts = tuple(
        {"type": "event", "event": "payment_ready", "facts": {**one, "status": "open", "bookings": []}, "actions": []} for one in open_ones
    )
    return Outcome(data, parts)
