"""Changing, removing, checking out and cancelling what is in the cart or booked."""

from __future__ import annotations

from dataclasses import replace

from bot.offline import phrases
from bot.offline.adding import changes_of
from bot.offline.finding import ask_city, search
from bot.offline.goal import Goal
from bot.offline.paying import look_for_payment, propose
from bot.offline.plan import do
from bot.offline.pointing import lines_meant
from bot.offline.scene import Scene, Script, title_of
from bot.offline.talk import ideas
from bot.offline.wishes import wish_of
from core.search import fold


def change(goal: Goal, scene: Scene) -> Script:
    lines = lines_meant(goal, scene)
    if scene.lines and (goal.party.said or goal.party.more) and not (goal.kind or goal.words or goal.product or goal.ordinal):
        lines = list(scene.lines)  # "make it three people" is about the trip
    if not lines:
        if scene.shown or scene.trip.get("city"):
            return (yield from search(replace(goal, act="inform"), scene))
        return (yield from ask_city(goal, scene, wish_of(goal, scene)))
    told = []
    for line in lines[:4]:
        kind = scene.lexicon.kinds.get(str(line.get("product_id")))
        changes = changes_of(goal, line, kind, scene)
        if not changes:
            yield do("ask_traveler", question="date")
            return phrases.CHANGE_WHAT.format(title=line["title"])
        done = yield do("change_cart_line", item_id=line["item_id"], **changes)
        told.append(phrases.changed() if done.get("ok") else phrases.kept(done, str(line["title"])))
    return " ".join(dict.fromkeys(told))


def remove(goal: Goal, scene: Scene) -> Script:
    lines = lines_meant(goal, scene)
    if not lines:
        if not scene.lines:
            return phrases.FINE if scene.shown else phrases.EMPTY
        yield do("show_cart")
        return phrases.REMOVE_WHICH
    titles = []
    for line in lines[:8]:
        done = yield do("remove_from_cart", item_id=line["item_id"])
        if done.get("ok"):
            titles.append(str(done["removed"]))
    return phrases.REMOVED.format(titles=phrases.listed(titles)) if titles else phrases.WHERE_WE_ARE


def check_out(scene: Scene) -> Script:
    waiting = scene.trip.get("asked_about")
    if waiting and scene.trip.get("question") == "start_time":  # not in the cart yet, and silently left out would be worse
        yield do("ask_traveler", question="start_time", product_id=str(waiting))
        return phrases.START_FIRST.format(title=title_of(scene, str(waiting)))
    if not scene.lines:
        if (scene.facts.get("cart") or {}).get("unpaid"):
            return (yield from look_for_payment())
        if scene.shown:
            yield do("ask_traveler", question="which")
            return phrases.WHICH
        return phrases.EMPTY
    return (yield from propose())


def cancel(goal: Goal, scene: Scene) -> Script:
    """The preview for the booking that is meant; where several could be, the list of them."""
    booked = [one for one in scene.facts.get("bookings") or () if one["status"] in ("CONFIRMED", "PENDING")]
    if not booked:
        if scene.lines:
            return (yield from remove(replace(goal, act="remove"), scene))
        return phrases.NO_TRIPS
    said = fold(goal.text)
    meant = [one for one in booked if one["reference"].lower() in said]
    meant = meant or [one for one in booked if any(word in fold(one["title"]).split() for word in goal.words.split())]
    meant = meant or (booked if len(booked) == 1 else [])
    confirmed = [one for one in meant if one["status"] == "CONFIRMED"]
    if len(meant) != 1 or not confirmed:
        yield do("show_trips")
        return phrases.CANCEL_WHICH
    made = yield do("propose_cancellation", booking=confirmed[0]["reference"])
    return phrases.CANCEL.format(title=confirmed[0]["title"]) if made.get("ok") else phrases.refused(made)


def rebook(goal: Goal, scene: Scene) -> Script:
    """Another day, time or party of something that is booked: what it costs first, and then the traveler's own yes."""
    booked = [one for one in scene.facts.get("bookings") or () if one["status"] == "CONFIRMED"]
    if not booked:
        return (yield from change(replace(goal, act="change"), scene))
    said = fold(goal.text)
    meant = [one for one in booked if one["reference"].lower() in said]
    meant = meant or [one for one in booked if any(word in fold(one["title"]).split() for word in goal.words.split())]
    meant = meant or (booked if len(booked) == 1 else [])
    changes = changes_of(goal, meant[0], "stay" if meant[0].get("end_date") else None, scene) if len(meant) == 1 else {}
    if not changes:
        yield do("show_trips")
        return phrases.CHANGE_WHICH
    changes.pop("quantity", None)
    made = yield do("propose_change", booking=meant[0]["reference"], **changes)
    return phrases.CHANGE_BOOKED.format(title=meant[0]["title"]) if made.get("ok") else phrases.refused(made)


def pay_balance(goal: Goal, scene: Scene) -> Script:
    """The rest of what was booked with a deposit; where several could be meant, the list of them."""
    shown = yield do("show_trips")
    owing = [one for one in shown.get("bookings") or () if one.get("still_to_pay")]
    said = fold(goal.text)
    meant = [one for one in owing if one["reference"].lower() in said]
    meant = meant or [one for one in owing if any(word in fold(one["title"]).split() for word in goal.words.split())]
    meant = meant or (owing if len(owing) == 1 else [])
    if not owing:
        return phrases.NOTHING_OWED
    if len(meant) != 1:
        return phrases.PAY_WHICH
    made = yield do("pay_balance", booking=meant[0]["reference"])
    return phrases.BALANCE.format(amount=made["amount"]) if made.get("ok") else phrases.refused(made)


def use_promo(goal: Goal) -> Script:
    codes = [word.strip(".,!?\"'") for word in goal.text.split() if any(c.isdigit() for c in word) or word.isupper()]
    code = next((word for word in codes if len(word) >= 4), None) or next(
        (word for word in reversed(goal.text.split()) if word not in ("code", "promo", "discount", "please", "voucher", "coupon")), None
    )
    if code is None or len(code) < 4 or code in ("have", "there", "codes"):
        return phrases.WHICH_CODE
    done = yield do("use_promo_code", code=code.upper())
    return phrases.CODE_USED.format(code=code.upper()) + " " + phrases.total(done["cart"]) if done.get("ok") else phrases.refused(done)


def restart(scene: Scene) -> Script:
    for line in scene.lines[:8]:
        yield do("remove_from_cart", item_id=line["item_id"])
    yield do("suggest_replies", replies=ideas(scene))
    return phrases.RESTARTED
