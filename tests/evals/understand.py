"""Predictions of the offline planner's understanding for rows of outside sentences: one JSON line a row, for score.py.

    python tests/evals/understand.py GOLD.jsonl > PRED.jsonl
"""

from __future__ import annotations

import json
import sys
from datetime import date
from typing import Any

from bot.offline.understand import Goal, Lexicon, understand
from tools.search import Vocabulary

SERVICE = {"stay": "stay", "dining": "restaurant", "activity": "attraction", "transport": "ride"}
INTENT = {
    "search": "search", "inform": "inform", "choose": "book", "more": "alternatives", "cheaper": "alternatives", "better": "alternatives",
    "details": "request_info", "price": "request_info", "availability": "request_info", "change": "modify", "remove": "cancel",
    "cancel": "cancel", "yes": "affirm", "no": "deny", "thanks": "thank", "bye": "bye", "greet": "greet", "human": "handoff",
    "outside": "out_of_scope", "checkout": "book",
}  # fmt: skip
QUESTION = {"people": "party", "date": "date", "nights": "dates", "end_date": "dates", "city": "city", "time": "start_time"}
ANYDAY = date(2026, 1, 1)


def predict(row: dict[str, Any], lexicon: Lexicon) -> dict[str, Any]:
    today = date.fromisoformat(row["reference"]["date"]) if row["reference"] else ANYDAY
    question = next((QUESTION[name] for name in row["context"]["requested"] if name in QUESTION), "")
    goal = understand(row["utterance"], lexicon, today, question=question)[0]
    return {
        "id": row["id"],
        "service": SERVICE.get(goal.kind or "") or row["context"]["service"],
        "intent": INTENT.get(goal.act, goal.act),
        "slots": slots(goal),
        "requested": [],
    }


def slots(goal: Goal) -> dict[str, Any]:
    when, party = goal.when, goal.party
    found = {
        "city": goal.unknown_city,
        "date": when.start and when.start.isoformat(),
        "end_date": when.end and when.end.isoformat(),
        "nights": when.nights,
        "time": goal.clock.at or goal.clock.first,
        "people": party.total or None,
        "kids": party.children,
        "rooms": goal.rooms,
        "price": goal.budget.level,
    }
    return {name: value for name, value in found.items() if value not in (None, "")}


def main(path: str) -> None:
    lexicon = Lexicon(Vocabulary((), ()))
    with open(path, encoding="utf-8") as gold:
        for line in gold:
            print(json.dumps(predict(json.loads(line), lexicon)))


if __name__ == "__main__":
    main(sys.argv[1])
