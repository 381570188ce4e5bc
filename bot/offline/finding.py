"""Searching, widening a search that found nothing, and showing more of the same."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from bot.offline import phrases
from bot.offline.adding import add
from bot.offline.clock import Clock
from bot.offline.goal import Goal
from bot.offline.needs import FEATURES, Needs
from bot.offline.plan import do
from bot.offline.pointing import fits
from bot.offline.scene import Scene, Script
from bot.offline.talk import city_names, ideas
from bot.offline.telling import answered
from bot.offline.values import evening
from bot.offline.wishes import foreign_budget, held_now, note, wish_of

ONE_OF_THEM = re.compile(r"^(?:and |ok |yes |also |then )*(?:the|that) \w+(?: \w+)?(?: (?:at|on|for) .{1,20})?[.!]*$")  # "the tour at ten"


def search(goal: Goal, scene: Scene) -> Script:
    riding = (goal.kind or scene.trip.get("kind")) == "transport" and bool(goal.needs.origin or goal.needs.destination)
    if goal.unknown_city and not goal.city and not riding:
        return (yield from unknown_city(goal, scene))
    if goal.needs.name and (named := scene.lexicon.titled(goal.needs.name, goal.kind)):
        return (yield from _show(goal, scene, named))
    if goal.product and goal.product_score >= 95 and not goal.needs.asks:
        return (yield from _show(goal, scene, goal.product))
    focus = scene.trip.get("focus")
    facts_only = not (goal.words or goal.city or held_now(goal, scene)) and (goal.when.start or goal.party.said or goal.clock.at)
    if "book" in goal.speech and focus and scene.lexicon.kinds.get(str(focus)) == goal.kind and facts_only:
        return (yield from add(goal, scene, str(focus)))
    if ONE_OF_THEM.search(goal.text) and not goal.city:
        fitting = [str(one["product_id"]) for one in scene.shown if fits(goal, scene, one)]
        if len(fitting) == 1 and len(scene.shown) > 1:
            return (yield from add(goal, scene, fitting[0]))
    wish = wish_of(goal, scene)
    if not wish["city"]:
        homes = scene.lexicon.homes(str(wish.get("words") or ""))
        if len(homes) != 1:
            return (yield from ask_city(goal, scene, wish, homes))
        wish = {**wish, "city": homes[0]}  # only one city sells what they name
    if (said := _said_again(wish, scene, goal)) is not None:
        return said
    return (yield from _run({**wish, "fill": False} if scene.several else wish, scene, goal))


def _said_again(wish: Mapping[str, Any], scene: Scene, goal: Goal) -> str | None:
    """They say once more that they do not need something, and all we can show has it: that is the answer."""
    spared = [one for one in goal.needs.open if one in FEATURES]
    same = all(scene.last_search.get(key) == value for key, value in wish.items() if value is not None and key != "page")
    must = set(wish.get("must") or ())
    rows = [
        row
        for row in scene.lexicon.rows.values()
        if row.kind == wish.get("kind") and row.destination_id == wish["city"] and must <= set(row.tags)
    ]
    if spared and same and rows and all(set(spared) <= set(row.tags) for row in rows):
        _, many = phrases.PLURAL.get(wish.get("kind"), phrases.PLURAL[None])
        return phrases.ALL_HAVE.format(many=many, what=phrases.listed(spared))
    return None


def _weak(wish: Mapping[str, Any], scene: Scene, goal: Goal) -> str:
    """ "A hotel" may be any bed, so hotels come first where listings say which they are; "I prefer a hotel" is meant."""
    if wish.get("kind") != "stay" or goal.needs.sort == "hotel":
        return ""
    said = bool(re.search(r"\bhotels?\b(?! or)", goal.text)) and not Needs.of_tags(wish.get("must") or ()).sort
    held = Needs.of_tags(wish.get("must") or ()).sort == "hotel"
    known = scene.lexicon.held(Needs(sort="hotel"), "stay")
    return known[0] if known and (said or held) else ""


def _run(wish: Mapping[str, Any], scene: Scene, goal: Goal) -> Script:
    """Search, and where nothing is found, loosen one wish after another and say which."""
    weak = _weak(wish, scene, goal)
    if weak:
        others = [tag for tag in wish.get("must") or () if tag != weak]
        found = yield do("search_offers", **{**wish, "must": [*others, weak]})
        wish = {**wish, "must": [*others, weak] if found.get("found") else others or None}
    if not weak or not found.get("found"):
        found = yield do("search_offers", **wish)
    if found.get("ok") is False:
        return phrases.refused(found)
    loosened = ""
    for name, changes in (
        ("time", {"time_from": None, "time_to": None}),
        ("budget", {"budget": None, "budget_per": None, "sort": "price"}),
        ("kind", {"words": wish.get("words"), "kind": None}),
        ("words", {"words": ""}),
    ):
        if found.get("found"):
            break
        if wish.get("must") and (name == "kind" or not wish.get("kind")):
            continue
        if not any(wish.get(key) for key in changes if key != "sort"):
            continue
        if name == "kind" and not wish.get("words"):
            continue
        loosened = name
        if name == "words" and not wish.get("kind"):
            changes = {"words": "", "kind": "activity"}  # nothing of that name and no kind: what there is to do
        found = yield do("search_offers", **{**wish, **changes})
        if found.get("ok") is False:
            return phrases.refused(found)
    relaxed = ""
    if not found.get("found") and wish.get("must") and scene.refused_before and (relaxed := _least_missed(wish, scene, goal)):
        wish = {**wish, "must": [tag for tag in wish["must"] if tag != relaxed]}
        found = yield do("search_offers", **wish)
    if not found.get("found") and wish.get("must"):
        return _without(wish, scene)
    if not found.get("found"):
        return (yield from _nothing(wish, scene))
    if goal.clock.at and wish.get("kind") != "transport":
        yield do("note_trip", start_time=evening(goal.clock.at) if wish.get("kind") == "dining" else goal.clock.at)
    foreign = foreign_budget(goal, scene)
    text = phrases.OTHER_CURRENCY.format(currency=foreign) + " " if foreign else ""
    text += phrases.RELAXED.format(left_out=relaxed) + " " if relaxed else ""
    text += phrases.found(found, wish, scene.lexicon.names.get(str(wish["city"]), ""), loosened, goal.when, scene.today)
    only: Mapping[str, Any] = (found.get("offers") or ({},))[0] if found["found"] == 1 and not found.get("others") else {}
    if "book" in goal.speech and only and wish.get("date") and wish.get("adults") and (goal.clock.at or wish.get("kind") != "dining"):
        return text + " " + (yield from add(goal, scene, str(only["product_id"])))
    missing = (
        scene.lexicon.missing_ends(wish.get("must") or ())
        if wish.get("kind") == "transport" and not wish.get("words", "").strip("train ")
        else ""
    )
    if missing:
        text += " " + phrases.WHERE_FROM_TO[missing]
    elif wish.get("kind") == "transport" and wish.get("adults") is None and wish.get("date"):
        yield do("ask_traveler", question="party")
        text += " " + phrases.TICKETS
    elif wish.get("date") is None or wish.get("adults") is None:
        stay = wish.get("kind") == "stay"
        asked = "dates" if stay and wish.get("date") is None else "date" if wish.get("date") is None else "party"
        yield do("ask_traveler", question=asked)
        text += " " + phrases.ASK[asked if wish.get("adults") is None or asked == "party" else asked + "_only"]
    return text


def _least_missed(wish: Mapping[str, Any], scene: Scene, goal: Goal) -> str:
    """The older need that is in the way of what is asked for a second time; "" where dropping one does not help."""
    said_now = set(scene.lexicon.held(goal.needs, wish.get("kind")))
    of_kind = [set(row.tags) for row in scene.lexicon.rows.values() if row.kind == wish.get("kind") and row.destination_id == wish["city"]]
    counts = {tag: sum(1 for tags in of_kind if set(wish["must"]) - {tag} <= tags) for tag in wish["must"] if tag not in said_now}
    held = [set(row.tags) for one in scene.shown if (row := scene.lexicon.rows.get(str(one["product_id"]))) is not None]
    older = {tag: count for tag, count in counts.items() if count and held and all(tag in tags for tags in held)}
    counts = older or counts
    best = max(counts, key=lambda tag: counts[tag], default="")
    return best if best and counts[best] else ""


def _without(wish: Mapping[str, Any], scene: Scene) -> str:
    """Nothing carries all that has to hold: said, with how many there would be without each of the needs."""
    must: Sequence[str] = wish["must"]
    of_kind = [row for row in scene.lexicon.rows.values() if row.kind == wish.get("kind") and row.destination_id == wish["city"]]
    fewer = []
    for tag in must if len(must) > 1 else ():
        rest = set(must) - {tag}
        count = sum(1 for row in of_kind if rest <= set(row.tags))
        if count:
            fewer.append(f"{count} without \u201c{tag}\u201d")
    full = any(set(must) <= set(row.tags) for row in of_kind)
    return phrases.none_with(wish, scene.lexicon.names.get(str(wish["city"]), "there"), fewer, full=full)


def _nothing(wish: Mapping[str, Any], scene: Scene) -> Script:
    day = wish.get("date")
    place = scene.lexicon.names.get(str(wish["city"]), "there")
    if day:
        later = date.fromisoformat(day) + timedelta(days=1)
        span = {**wish, "date": later.isoformat(), "end_date": (later + timedelta(days=13)).isoformat()}
        if wish.get("kind") == "stay":
            nights = (date.fromisoformat(wish["end_date"]) - date.fromisoformat(day)).days if wish.get("end_date") else 1
            span["end_date"] = (later + timedelta(days=nights)).isoformat()
        found = yield do("search_offers", **{**span, "time_from": None, "time_to": None, "budget": None, "budget_per": None})
        if found.get("found"):
            return phrases.OTHER_DAYS.format(place=place, day=phrases.day(date.fromisoformat(day)))
    yield do("suggest_replies", replies=ideas(scene))
    return phrases.NOTHING.format(place=place)


def ask_city(goal: Goal, scene: Scene, wish: Mapping[str, Any], homes: Sequence[str] = ()) -> Script:
    """Where? `homes` are the cities that sell something of that name; they are offered first."""
    yield from note({**wish, "city": None, "start_time": goal.clock.at or goal.clock.first or None})
    yield do("ask_traveler", question="city")
    if homes:
        known = [scene.lexicon.names[home] for home in homes]
        yield do("suggest_replies", replies=known[:4])
        return phrases.ASK_HOME.format(cities=phrases.listed(known[:4]))
    yield do("suggest_replies", replies=city_names(scene)[:4])
    return phrases.ASK_CITY.format(cities=", ".join(city_names(scene)[:6]))


def unknown_city(goal: Goal, scene: Scene) -> Script:
    yield do("suggest_replies", replies=city_names(scene)[:4])
    return phrases.UNKNOWN_CITY.format(city=goal.unknown_city, cities=", ".join(city_names(scene)[:8]))


def inform(goal: Goal, scene: Scene) -> Script:
    """Facts without a verb: they refine what is being looked for, or wait for it."""
    trip = scene.trip
    if (
        goal.needs.open
        and scene.shown
        and goal.clock == Clock()
        and not (goal.needs.arrive or goal.city or goal.when.start or goal.party.said or held_now(goal, scene))
    ):
        return (yield from _suggest(scene))
    if scene.shown or trip.get("kind") or trip.get("words") or (goal.city and (goal.when.start or trip.get("start_date"))):
        return (yield from search(goal, scene))
    if goal.city or trip.get("city"):
        wish = wish_of(goal, scene)
        return (yield from _run({**wish, "kind": wish["kind"] or "activity"}, scene, goal))
    return (yield from ask_city(goal, scene, wish_of(goal, scene)))


def _suggest(scene: Scene) -> Script:
    """They do not mind: one of what was shown, to be said yes to."""
    product = str(scene.trip.get("focus") or scene.shown[0]["product_id"])
    told = yield do("get_details", product_id=product)
    return phrases.refused(told) if told.get("ok") is False else phrases.SUGGEST.format(title=told["title"])


def again(goal: Goal, scene: Scene) -> Script:
    """More of the same, cheaper, or better rated."""
    before = dict(scene.last_search)
    if not before.get("city"):
        wish = wish_of(goal, scene)
        if not wish["city"]:
            return (yield from ask_city(goal, scene, wish))
        before = {key: value for key, value in wish.items() if value is not None}
    wish = {
        **before,
        **{
            key: value
            for key, value in wish_of(goal, scene).items()
            if value is not None and key in ("city", "date", "end_date", "adults", "children", "budget", "budget_per")
        },
    }
    if goal.act == "more":
        found = yield do("search_offers", **{**wish, "page": int(before.get("page", 1)) + 1})
        if found.get("found"):
            return phrases.MORE
        return phrases.NO_MORE
    if goal.act == "better":
        found = yield do("search_offers", **{**wish, "sort": "rating", "page": 1})
        return phrases.BEST_RATED if found.get("found") else phrases.NO_MORE
    prices = [int(one["amount"]) for one in scene.shown if one.get("amount")]
    below = {"budget": None, "budget_per": None}
    found = yield do("search_offers", **{**wish, **below, "sort": "price", "page": 1})
    if not found.get("found"):
        return phrases.NO_MORE
    return phrases.CHEAPER if prices else phrases.BY_PRICE


def _show(goal: Goal, scene: Scene, product: str) -> Script:
    """A product somebody named: what it is, and what was asked about it."""
    told = yield do("get_details", product_id=product)
    if told.get("ok") is False:
        return phrases.refused(told)
    if goal.needs.asks:
        return answered(told, goal, scene, product)
    if "book" in goal.speech:
        return (yield from add(goal, scene, product))
    if goal.says_something and (goal.when.start or goal.party.said or goal.clock.at):
        yield from note({**wish_of(goal, scene), "start_time": goal.clock.at or None, "city": None, "kind": None, "words": None})
    return phrases.details(told, goal.text) + " " + phrases.BOOK_IT
