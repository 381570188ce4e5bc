"""Several days at once, things side by side, and "the same but ...": wishes that are about more than one product."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from bot.offline import phrases
from bot.offline.goal import Goal
from bot.offline.numbers import NUMBERS, SMALL, normal, number
from bot.offline.plan import do
from bot.offline.pointing import meant
from bot.offline.scene import Scene, Script
from bot.offline.talk import city_names
from bot.offline.values import people_of

SPAN = re.compile(rf"\b(?P<n>{SMALL}|a|one)[ -](?:full |whole |more )?(?P<unit>days?|weeks?)\b|\b(?P<weekend>(?:long )?weekend)\b")
PLANS = re.compile(r"(?<!my )(?<!our )(?<!i )(?<!we )(?<!the )\b(?:plan|organi[sz]e|put together|work out|design|map out)\b(?! to\b| on\b)")
ITINERARY = re.compile(r"(?<!my )(?<!our )(?<!the )\b(?:itinerary|day[- ]by[- ]day|programme for)\b")
RELAXED, FULL = (
    re.compile(r"\b(?:relaxed|slow|easy-going|not too much)\b"),
    re.compile(r"\b(?:packed|busy|as much as possible|full days)\b"),
)
NO_BED = re.compile(
    r"\b(?:without (?:a |the |any )?(?:hotel|stay|bed|accommodation)|(?:have|got) (?:a |our |my )?(?:hotel|place to stay|bed)|no hotel)\b"
)
TAKES = re.compile(
    r"^(?:ok(?:ay)?,? |yes,? |great,? |please )*(?:(?:add|take|book|choose|i(?:'ll| will) (?:take|have)|we(?:'ll| will) (?:take|have)|let'?s (?:take|do|go (?:for|with))|go (?:for|with)|put)\b.*)?"
    r"\b(?:it all|all of it|all of that|everything|the (?:whole )?(?:plan|thing|lot)|(?:plan|option|number|no\.?) ?(?:\d|one|two|three)|the (?:first|second|third|last|balanced|cheap(?:er|est)?|best)(?: rated)?(?: one| plan| option)?|(?:that|this) (?:plan|one))\b"
    r"(?: (?:to|in|into) (?:my|the|our) (?:cart|trip))?(?:,? please)?[.! ]*$"
)
BARE = re.compile(r"^(?:number |plan |option )?(?:1|2|3|one|two|three)[.!]*$")
AGREES = re.compile(
    r"^(?:yes|yeah|ok(?:ay)?|sure|perfect|great|sounds (?:good|great)|looks (?:good|great)|(?:add|take|book) (?:it|that|them))(?:,? please)?[.!]*$"
)
WHICH = {"one": 1, "two": 2, "three": 3, "first": 1, "second": 2, "third": 3}
CHEAPER = re.compile(r"\b(?:cheaper|less expensive|too (?:expensive|much|dear))\b")
COMPARES = re.compile(r"\b(?:compare|comparison|side by side|difference between|versus|vs\.?)\b")
LIKE = re.compile(r"\b(?:the same|same (?:thing|one)|something (?:similar|like)|(?:anything|one) like|like (?:it|that|this)(?: one)?)\b")
CHANGES = (
    ("cheaper", re.compile(r"\b(?:cheaper|less expensive|for less|lower price)\b")),
    ("earlier", re.compile(r"\b(?:earlier|sooner)\b")),
    ("later", re.compile(r"\blater\b")),
)
SAVING = 80  # percent of the cheapest plan's total, where "cheaper" names no figure


def wants_plan(words: str) -> bool:
    """ "Plan three days in Kyoto", "an itinerary for a weekend in Rome"; not "I plan to stay three days"."""
    text = normal(words)
    return bool(ITINERARY.search(text) or (PLANS.search(text) and SPAN.search(text)))


def wide(scene: Scene, goals: Sequence[Goal]) -> Script | None:
    """The script of a wish that is about more than one product, or None for every other sentence."""
    text = normal(scene.words)
    outline: Mapping[str, Any] = scene.trip.get("outline") or {}
    question = scene.trip.get("question")
    if wants_plan(scene.words):
        return _plan(scene, goals, {})
    if outline.get("brief") and not outline.get("plans") and question in ("date", "party") and _answers(goals):
        return _plan(scene, goals, outline["brief"])
    if outline.get("plans") and question == "plan":
        if (number_meant := _taken(text, int(outline["plans"]))) is not None:
            return _take(number_meant, int(outline["plans"]))
        if _changed(goals, text):
            return _plan(scene, goals, outline["brief"])
    if COMPARES.search(text) and len(scene.shown) > 1:
        return _compare(scene, text)
    change = next((name for name, pattern in CHANGES if pattern.search(text)), "same")
    if LIKE.search(text) and (change != "same" or goals[0].party.said):
        product = meant(goals[0], scene) or next((str(line["product_id"]) for line in scene.lines if line.get("product_id")), None)
        if product is not None:
            return _instead(scene, goals[0], product, change)
    return None


def _answers(goals: Sequence[Goal]) -> bool:
    return any(goal.when.start or goal.party.said for goal in goals) and not any(goal.kind for goal in goals)


def _changed(goals: Sequence[Goal], text: str) -> bool:
    """Does it say how the plan should be otherwise, and name no single thing?"""
    if any(goal.kind or goal.ordinal for goal in goals):
        return bool(NO_BED.search(text))
    told = any(goal.when.start or goal.party.said or goal.budget.amount for goal in goals)
    return bool(told or SPAN.search(text) or CHEAPER.search(text) or RELAXED.search(text) or FULL.search(text) or NO_BED.search(text))


def _taken(text: str, count: int) -> int | None:
    """Which plan is taken; 0 where one is, and nobody said which."""
    if not (TAKES.search(text) or BARE.search(text)):
        return (1 if count == 1 else 0) if AGREES.search(text) else None
    said = re.search(r"\b(?:(\d)|(one|two|three|first|second|third)(?! of)|(last))\b", text.replace("that one", "").replace("this one", ""))
    if said is None or (said[2] == "one" and re.search(r"\b(?:first|second|third|last) one\b", text) is None and not BARE.search(text)):
        said = re.search(r"\b(?:(\d)|(first|second|third)|(last))\b", text) or said
    if said is None:
        return 1 if count == 1 else 0
    return count if said[3] else int(said[1]) if said[1] else WHICH[said[2]]


def _take(number_meant: int, count: int) -> Script:
    if number_meant == 0:
        return phrases.WHICH_PLAN.format(count=count)
    done = yield do("take_plan", number=number_meant)
    if done.get("ok") is False:
        return phrases.refused(done)
    if done.get("missed"):
        missed = phrases.listed([f"{one['title']} ({one['why']})" for one in done["missed"]])
        return phrases.PLAN_PARTLY.format(missed=missed)
    return phrases.PLAN_TAKEN.format(count=len(done["added"]))


def _plan(scene: Scene, goals: Sequence[Goal], before: Mapping[str, Any]) -> Script:
    """The brief from what was said now over what was said before; what is missing is asked for once."""
    text = normal(scene.words)
    trip = scene.trip
    city = next((goal.city for goal in goals if goal.city), None) or before.get("city") or trip.get("city") or scene.lexicon.only_city
    if city is None:
        yield do("suggest_replies", replies=[f"Plan {_days_said(text) or 3} days in {name}" for name in city_names(scene)[:3]])
        return phrases.PLAN_WHERE
    when = next((goal.when for goal in goals if goal.when.start), None)
    start = when.start.isoformat() if when and when.start else before.get("date")
    if start is None and trip.get("start_date") and trip.get("city") == city and not before:
        start = str(trip["start_date"])
    days = _days_said(text) or (_length(when.start, when.end) if when and when.start and when.end else None) or before.get("days") or 3
    party = next((goal for goal in goals if goal.party.said), None)
    people = people_of(party, trip) if party else _known_people(trip)
    money = next((goal.budget for goal in goals if goal.budget.amount), None)
    budget, currency = (money.amount, money.currency) if money else (before.get("budget"), before.get("budget_currency") or "")
    if money and money.per in ("person", "night"):
        budget = (money.amount or 0) * (sum(value or 0 for value in people.values()) or 1 if money.per == "person" else max(1, days - 1))
    if not money and before and CHEAPER.search(text):
        budget, currency = _less(scene), ""
    made = yield do(
        "plan_trip",
        city=city,
        days=days,
        date=start,
        **people,
        budget=budget,
        budget_currency=currency or None,
        words=" ".join(dict.fromkeys(word for goal in goals for word in _wishes(goal))) or before.get("words") or None,
        pace="relaxed" if RELAXED.search(text) else "full" if FULL.search(text) else before.get("pace"),
        with_stay=False if NO_BED.search(text) else before.get("with_stay"),
    )
    if made.get("ok") is False:
        return phrases.refused(made)
    place = scene.lexicon.names.get(str(city), str(city))
    if made.get("missing"):
        asked = "date" if made["missing"] == ["date", "people"] else "date_only" if made["missing"] == ["date"] else "party"
        return phrases.PLAN_ASK[asked].format(days=days, place=place)
    if not made["plans"]:
        return phrases.PLAN_NOTHING.format(days=days, place=place)
    return phrases.planned(made, days, place)


def _wishes(goal: Goal) -> Sequence[str]:
    """The words of a goal that say what they like, without those that ask for a plan."""
    return [word for word in goal.words.split() if word not in ("plan", "day", "days", "trip", "weekend", "tour", "week")]


def _days_said(text: str) -> int | None:
    match = SPAN.search(text)
    if match is None:
        return None
    if match["weekend"]:
        return 3 if "long" in match["weekend"] else 2
    count = 1 if match["n"] in ("a", "one") else number(match["n"]) if match["n"] in NUMBERS or match["n"].isdigit() else None
    if count is None:
        return None
    return count * 7 if match["unit"].startswith("week") else count


def _length(first: date, last: date) -> int | None:
    return (last - first).days + 1 if last > first else None


def _known_people(trip: Mapping[str, Any]) -> dict[str, int | None]:
    party: Mapping[str, int] = trip.get("party") or {}
    return {"adults": party.get("ADULT"), "children": party.get("CHILD"), "infants": party.get("INFANT")}


def _less(scene: Scene) -> int | None:
    """Four fifths of the cheapest plan that was shown, in whole units of its currency."""
    totals: Sequence[int] = (scene.trip.get("outline") or {}).get("totals") or ()
    return min(totals) * SAVING // 100 if totals else None


def _compare(scene: Scene, text: str) -> Script:
    ids = [str(one["product_id"]) for one in scene.shown]
    numbers = [int(one) if one.isdigit() else WHICH[one] for one in re.findall(r"\b([1-9]|first|second|third)\b", text)]
    named = [id for id in ids if any(word in text for word in _telling(scene, id))]
    chosen = [ids[n - 1] for n in numbers if 0 < n <= len(ids)] or (named if len(named) > 1 else ids[:3])
    done = yield do("compare_offers", product_ids=list(dict.fromkeys(chosen))[:3])
    return phrases.COMPARED if done.get("ok") else phrases.refused(done)


def _telling(scene: Scene, product: str) -> list[str]:
    """The words of a title that no other shown title has."""
    others = {word for one in scene.shown if one["product_id"] != product for word in scene.lexicon.titles[str(one["product_id"])].split()}
    return [word for word in scene.lexicon.titles.get(product, "").split() if len(word) > 3 and word not in others]


def _instead(scene: Scene, goal: Goal, product: str, change: str) -> Script:
    people = people_of(goal, scene.trip) if goal.party.said else {}
    done = yield do("find_alternatives", product_id=product, change=change, **people)
    if done.get("ok") is False:
        return phrases.refused(done)
    said = phrases.INSTEAD_OF[change]
    title = str(done["instead_of"])
    return said.format(title=title) if done["offers"] else phrases.NOTHING_LIKE[change].format(title=title)
