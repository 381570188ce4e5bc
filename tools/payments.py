"""Towards paying: a proposal the traveler must confirm with their own tap, and asking what has been paid. Nothing here charges."""

from __future__ import annotations

from core import bookings, carts
from core.payments import collect
from tools.cart import cart_for_model
from tools.outcome import Desk, Outcome, press, price_text


def propose_checkout(desk: Desk) -> Outcome:
    """Show the traveler the exact total of the cart with a Confirm button. Books and charges nothing. No arguments."""
    made = bookings.propose_checkout(desk.engine, desk.actor)
    part = {
        "type": "proposal",
        "proposal_id": made["proposal_id"],
        "lines": [{**line, "tiers": made["policies"].get(line["product_id"])} for line in made["lines"]],
        "totals": made["totals"],
        "changed": made["changed"],
        "expires_at": made["expires_at"],
        "buttons": [press("confirm", "confirm", proposal_id=made["proposal_id"]), press("change_cart", "cart")],
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
        "note": "Only the traveler's tap on Confirm or an exact yes books it.",
    }
    return Outcome(data, (part,))


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
