"""The total, the proposal, and whether it has been paid."""

from __future__ import annotations

from bot.offline import phrases
from bot.offline.plan import do
from bot.offline.scene import Scene, Script


def tell_total(scene: Scene) -> Script:
    cart = yield do("show_cart")
    return phrases.total(cart)


def propose() -> Script:
    made = yield do("propose_checkout")
    return phrases.proposal(made) if made.get("ok") else phrases.refused(made)


def look_for_payment() -> Script:
    looked = yield do("check_payment")
    if any(one["status"] == "paid" for one in looked.get("payments") or ()):
        return phrases.PAID
    return phrases.NOT_PAID if looked.get("still_open") else phrases.NOTHING_OPEN
