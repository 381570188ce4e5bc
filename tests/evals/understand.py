"""Predictions of the offline planner's understanding for rows of outside sentences: one JSON line a row, for score.py.

    python tests/evals/understand.py GOLD.jsonl > PRED.jsonl

Nothing is decided here: the tables say how our kinds, acts and facts are called over there.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from bot.offline.goal import Goal
from bot.offline.lexicon import Lexicon
from bot.offline.state import said, topic_of
from bot.offline.understand import understand
from tools.search import Vocabulary

KIND = {
    "stay": "stay", "restaurant": "dining", "attraction": "activity", "event": "activity", "ride": "transport", "train": "transport",
    "bus": "transport", "car": "transport", "flight": "transport",
}  # fmt: skip
SERVICE = {"dining": "restaurant", "activity": "attraction", "guide": "attraction", "taxi": "ride", "ferry": "ride"}
OURS = {"restaurant": "dining", "attraction": "activity", "ride": "taxi"}
TOWN = {"train": "city", "bus": "city", "flight": "city", "ride": "dropoff"}
SLOT = {
    "arrive": "arrive_by", "level": "price", "sort": "type", "children": "kids", "person": "person_name", "pickup": "pickup_place",
    "carrier": "airline", "kids": "kids_ok",
}  # fmt: skip
QUESTION = {
    "people": "party", "date": "date", "nights": "dates", "end_date": "dates", "city": "city", "time": "start_time", "arrive_by": "start_time",
    "area": "area", "price": "level", "cuisine": "cuisine", "type": "sort", "stars": "stars", "person_name": "name",
}  # fmt: skip
FACT = {
    "phone": "phone", "address": "address", "postcode": "postcode", "reference": "reference", "fee": "price", "duration": "duration",
    "departure": "time", "arrival": "arrive_by", "id": "id", "price": "price", "level": "price", "area": "area", "stars": "stars",
    "type": "type", "cuisine": "cuisine", "parking": "parking", "internet": "wifi", "website": "website", "hours": "hours",
}  # fmt: skip
CHAT = {"affirm", "deny", "greet", "bye", "thank", "enough", "human", "cancel", "change", "book", "find", "more"}
ANYDAY = date(2026, 1, 1)


def read(row: dict[str, Any], lexicon: Lexicon) -> list[Goal]:
    context = row["context"]
    today = date.fromisoformat(row["reference"]["date"]) if row["reference"] else ANYDAY
    question = next((QUESTION[name] for name in context["requested"] if name in QUESTION), "")
    return understand(row["utterance"], lexicon, today, question=question, topic=KIND.get(context["service"] or ""))


def service_of(goals: Sequence[Goal], before: str | None) -> str | None:
    ours = topic_of(goals, OURS.get(before or "", before))
    return SERVICE.get(ours or "", ours)


def intent_of(goals: Sequence[Goal], before: str | None) -> str:
    """One word for everything the sentence does, the weightiest first."""
    said = frozenset[str]().union(*(goal.speech for goal in goals))
    acts = {goal.act for goal in goals}
    needs = [goal.needs for goal in goals]
    asks = any(one.asks for one in needs)
    alone = before is None
    kind = any(goal.kind or goal.needs.mode for goal in goals)
    facts = any(goal.says_something or goal.place or goal.person for goal in goals)
    ordered = any(goal.needs.mode == "taxi" for goal in goals)  # a taxi is ordered, not looked for
    one = any(re.search(r"\b(?:it|one|that)\b", goal.text) for goal in goals)
    flies = any(goal.needs.mode == "flight" for goal in goals)  # sold over there
    if ("outside" in acts and not flies) or (acts == {"unclear"} and alone and not said & CHAT):
        return "out_of_scope"
    if "trips" in acts and "cancel" not in said and "change" not in said:
        return "request_info"
    if "human" in said:
        return "handoff"
    if "cancel" in said and "policy" not in acts:
        return "cancel"
    if "change" in said and ("booked" in said or (one and not kind)):
        return "modify"
    if "book" in said and not ("deny" in said and not facts) and not (asks and "ask" in said and not kind):
        return "book"
    if ordered and "find" in said:
        return "book"
    if (
        kind
        and "find" in said
        and "search" in acts
        and not (asks and not alone and topic_of(goals, OURS.get(before or "", before)) == OURS.get(before or "", before))
    ):
        return "search"
    if asks or (not alone and acts == {"details"} and "more" not in said):
        return "request_info"
    if "more" in said:
        return "search" if alone else "alternatives"
    if kind and "find" in said:
        return "search"
    if "bye" in said:
        return "bye"
    if "thank" in said and not facts:
        return "thank"
    if "deny" in said and not facts:
        return "bye" if "enough" in said else "deny"
    if "enough" in said and not facts:
        return "bye"
    if "affirm" in said and not facts:
        return "affirm"
    if "greet" in said and not facts:
        return "greet"
    if kind:
        return "search"
    if "ask" in said and alone and "travel" in said:
        return "request_info"
    if facts:
        return "search" if alone else "inform"
    return "request_info" if "ask" in said else "inform"


def slots_of(goals: Sequence[Goal], service: str | None, *, one_town: bool = False) -> dict[str, Any]:
    """`one_town`: a corpus about one town has no slot for it, except as an end of a ride."""
    found: dict[str, Any] = {}
    for goal in goals:
        for name, value in told(said(goal, OURS.get(service or "", service)), service or "", one_town=one_town).items():
            found.setdefault(name, value)
    return found


def told(facts: Mapping[str, Any], service: str, *, one_town: bool) -> dict[str, Any]:
    """Our facts under their names; a corpus about one town has no slot for it, except as an end of a ride."""
    found: dict[str, Any] = {}
    for name, value in facts.items():
        theirs = TOWN.get(service, "city") if name == "destination" else SLOT.get(name, name)
        if name == "origin" and service == "ride":
            theirs = "pickup"
        if not (one_town and name == "city"):
            found[theirs] = value.replace("'", "") if name in ("origin", "destination") else value
    return found


def predict(row: dict[str, Any], lexicon: Lexicon) -> dict[str, Any]:
    goals = read(row, lexicon)
    service = service_of(goals, row["context"]["service"])
    return {
        "id": row["id"],
        "service": service,
        "intent": intent_of(goals, row["context"]["service"]),
        "slots": slots_of(goals, service, one_town=row.get("source", "").startswith("MultiWOZ")),
        "requested": sorted({FACT[fact] for goal in goals for fact in goal.needs.asks}),
    }


def main(path: str) -> None:
    lexicon = Lexicon(Vocabulary((), ()))
    with open(path, encoding="utf-8") as gold:
        for line in gold:
            sys.stdout.write(json.dumps(predict(json.loads(line), lexicon)) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
