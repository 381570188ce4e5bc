"""The search a goal means, put together from what was said now and what was said before."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from bot.offline.goal import Goal
from bot.offline.needs import Needs
from bot.offline.plan import do
from bot.offline.scene import Scene, Script
from bot.offline.values import as_offered, days_of, hours_of, nights_unsaid, only_offered_for, people_of


def wish_of(goal: Goal, scene: Scene) -> dict[str, Any]:
    """The search this goal means: a new topic keeps place, days and people; a refinement keeps the topic, too."""
    trip = scene.trip
    asked = goal.words or (goal.unknown_words if goal.act == "search" and not goal.kind else "")
    fresh = bool(goal.kind or asked)
    refines = not goal.kind and bool(
        re.search(r"\bwith\b|\bincluded\b|\b(?:which|that|one|any) (?:one )?(?:of them )?(?:has|have)\b", goal.text)
    )  # "one with a pool" is still a hotel
    kind = goal.kind if fresh and not refines and (goal.kind or goal.words) else trip.get("kind")
    words = asked if fresh else (trip.get("words") or "")
    start, end = days_of(goal, as_offered(trip, only_offered_for(kind, scene)), kind)
    stay: Mapping[str, Any] = (trip.get("plans") or {}).get("stay") or {}
    if kind == "transport" and "airport" in goal.text and not goal.when.start and stay.get("date"):  # there and away
        leaves = re.search(r"\bto (?:the )?(?:\w+ )?airport\b", goal.text) and stay.get("end_date")
        start, end = date.fromisoformat(str(stay["end_date"] if leaves else stay["date"])), None
    first, last = hours_of(goal, kind)
    needs = _needs(goal, scene, kind)
    same_ride = kind == "transport" and trip.get("kind") == kind
    if same_ride and not (first or last or needs.arrive):
        first = str(trip.get("time_from") or "")
    budget, per = goal.budget.amount, goal.budget.per
    if foreign_budget(goal, scene):
        budget = None
    elif budget is None and not fresh and trip.get("budget"):
        budget, per = trip["budget"].get("amount"), trip["budget"].get("per", "total")
    if goal.budget.amount and kind == "stay" and goal.budget.per == "total":
        per = "night"
    return {
        "city": goal.city or trip.get("city") or scene.lexicon.only_city,
        "kind": kind,
        "words": words,
        "date": start.isoformat() if start else None,
        "end_date": end.isoformat() if end and end != start and not (kind == "stay" and nights_unsaid(goal, trip)) else None,
        **people_of(goal, trip),
        "budget": budget,
        "budget_per": per if budget else None,
        "time_from": first or None,
        "time_to": last or None,
        "arrive_by": needs.arrive or (trip.get("arrive_by") if same_ride and not goal.clock.first else None),
        "must": list(scene.lexicon.held(needs, kind)) or None,
        "sort": "time"
        if kind == "transport" and (first or needs.arrive)
        else "price"
        if goal.budget.level == "cheap"
        else "rating"
        if goal.budget.level == "luxury"
        else None,
    }


TOWARDS = re.compile(r"\b(?:to|for|into|arriv\w*|destination|go|going|heading|reach)\b")


def _needs(goal: Goal, scene: Scene, kind: str | None) -> Needs:
    """What has to hold for this kind: what was said before, with this on top; "in the same area" looks at the other kinds."""
    held: Mapping[str, Sequence[str]] = scene.trip.get("must") or {}
    before = Needs.of_tags(held.get(kind or "", ()))
    needs = goal.needs.over(before)
    if kind == "transport" and goal.needs.destination and not goal.needs.origin and scene.asked == "from" and not TOWARDS.search(goal.text):
        needs = replace(needs, origin=goal.needs.destination, destination=before.destination)  # "Ely": the end that was asked for
    if kind == "transport" and needs.origin and needs.origin == needs.destination:
        if re.search(r"\bfrom\b|\bout of\b", goal.text):
            needs = replace(needs, destination=goal.needs.destination if goal.needs.destination != needs.origin else "")
        else:  # "leaving Ely", of a ride to Ely: to there
            needs = replace(needs, origin=before.origin if before.origin != needs.destination else "")
    for slot in needs.same:
        for other, tags in held.items():
            found = getattr(Needs.of_tags(tags), slot, "") if slot in ("area", "level") else ""
            if other != kind and found and not getattr(needs, slot):
                needs = replace(needs, area=found) if slot == "area" else replace(needs, level=found)
    return needs


def foreign_budget(goal: Goal, scene: Scene) -> str:
    """The city's currency where the budget was named in another one, which nothing here can convert."""
    sold_in = str(scene.lexicon.currency.get(str(goal.city or scene.trip.get("city")), ""))
    return sold_in if goal.budget.amount and goal.budget.currency and sold_in and goal.budget.currency != sold_in else ""


def note(wish: Mapping[str, Any]) -> Script:
    """Keep what a search would have used, until what is missing is answered."""
    told = {key: value for key, value in wish.items() if value and key not in ("time_from", "time_to", "sort", "arrive_by", "must")}
    if told:
        yield do("note_trip", **told)
    return ""


def held_now(goal: Goal, scene: Scene) -> bool:
    return bool(scene.lexicon.held(goal.needs, goal.kind or scene.trip.get("kind")))
