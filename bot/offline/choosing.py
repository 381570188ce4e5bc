"""What to do about a product somebody picked or asked about."""

from __future__ import annotations

from dataclasses import replace

from bot.offline import phrases
from bot.offline.acts import PICK_ONE
from bot.offline.adding import add
from bot.offline.finding import search
from bot.offline.goal import Goal
from bot.offline.plan import do
from bot.offline.pointing import asked_about, meant
from bot.offline.scene import Scene, Script, title_of
from bot.offline.talk import show_help
from bot.offline.telling import tags_of, tell
from bot.offline.values import days_of, people_of
from bot.offline.wishes import note, wish_of


def tell_if(goal: Goal, scene: Scene) -> Script:
    """ "Is it expensive?", "does it have parking?": the fact; where it is not as wished, those that are."""
    product = asked_about(goal, scene)
    if product is None:
        return (yield from search(replace(goal, act="inform"), scene))
    asks = tuple(dict.fromkeys((*goal.needs.checks, *goal.needs.asks)))
    text = yield from tell(replace(goal, needs=replace(goal.needs, asks=asks)), scene, product)
    wanted = set(scene.lexicon.held(goal.needs, scene.lexicon.kinds.get(product)))
    if wanted <= set(tags_of(scene, product)) or len(scene.shown) < 2:
        return str(text)
    return f"{text} {(yield from search(replace(goal, act='inform', kind=None), scene))}"


def other_time(goal: Goal, scene: Scene) -> Script:
    """ "Can we go at a different time?": the start times of what is talked about."""
    product = meant(goal, scene) or next((str(line["product_id"]) for line in scene.lines if line.get("product_id")), None)
    if product is None:
        return phrases.CHANGE_WHAT.format(title="it")
    told = yield do("get_details", product_id=product)
    starts = [at for option in told.get("options") or () for at in option.get("starts") or ()]
    if len(starts) < 2:
        return phrases.ONE_START.format(title=title_of(scene, product), start=starts[0] if starts else "")
    yield do("ask_traveler", question="start_time", product_id=product)
    return phrases.ASK_START.format(title=title_of(scene, product), starts=phrases.listed(starts))


def choose(goal: Goal, scene: Scene) -> Script:
    product = meant(goal, scene)
    if product is None:
        if goal.ordinal is not None and scene.shown:
            return phrases.ONLY_SHOWN.format(count=len(scene.shown))
        if scene.shown and (goal.needs.open or PICK_ONE.search(goal.text)):
            return (yield from add(goal, scene, str(scene.shown[0]["product_id"])))
        if scene.shown:
            yield from note({**wish_of(goal, scene), "start_time": goal.clock.at or None, "city": None, "kind": None, "words": None})
            yield do("ask_traveler", question="which")
            return phrases.WHICH
        if goal.says_something:
            return (yield from search(goal, scene))
        return (yield from show_help(scene))
    pointed = goal.ordinal is not None or goal.product or goal.pick
    if (
        not pointed
        and goal.needs.features
        and not set(scene.lexicon.held(goal.needs, scene.lexicon.kinds.get(product))) <= set(tags_of(scene, product))
    ):
        return (yield from search(replace(goal, act="inform"), scene))  # "book one that has parking", and this one has none
    return (yield from add(goal, scene, product))


def tell_about(goal: Goal, scene: Scene) -> Script:
    product = meant(goal, scene) or next((str(line["product_id"]) for line in scene.lines if line.get("product_id")), None)
    if product is None:
        if goal.kind or goal.words:
            return (yield from search(goal, scene))
        if scene.shown and goal.act == "availability" and goal.says_something:
            return (yield from search(goal, scene))
        if scene.shown:
            yield do("ask_traveler", question="which")
            return phrases.WHICH
        return (yield from show_help(scene))
    kind = scene.lexicon.kinds.get(product)
    start, end = days_of(goal, scene.trip, kind)
    people = people_of(goal, scene.trip)
    title = title_of(scene, product)
    if goal.act == "availability":
        count = sum(value or 0 for value in people.values()) or 1
        if goal.when.start or goal.party.said:
            said = {"date": goal.when.start, "end_date": goal.when.end}
            yield do("note_trip", product_id=product, **{name: day.isoformat() for name, day in said.items() if day}, **people)
        last = end if end and kind != "stay" else start
        free = yield do(
            "check_availability",
            product_id=product,
            date=start.isoformat() if start else None,
            end_date=last.isoformat() if last and goal.when.start else None,
            people=count,
        )
        return phrases.availability(free, title, start if goal.when.start else None)
    if goal.act == "price" and start is not None:
        priced = yield do(
            "explain_price",
            product_id=product,
            date=start.isoformat(),
            end_date=end.isoformat() if end and kind == "stay" else None,
            **people,
            start_time=goal.clock.at or None,
        )
        if priced.get("field") == "local_start" and priced.get("starts"):
            priced = yield do(
                "explain_price",
                product_id=product,
                date=start.isoformat(),
                **people,
                start_time=priced["starts"][0],
            )
        return phrases.PRICE.format(title=title, total=priced["total"]) if priced.get("ok") else phrases.refused(priced)
    told = yield do("get_details", product_id=product)
    return phrases.details(told, goal.text)
