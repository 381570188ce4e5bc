"""Predictions of dialogue state and next call, turn by turn over outside dialogues: one JSON line a dialogue, for dst_eval.py.

    python tests/evals/dialogue_state.py GOLD.jsonl > PRED.jsonl

The state and the calls are the planner's own (bot/offline/state.py); the tables only say how things are called over there.
"""

from __future__ import annotations

import json
import sys
from datetime import date
from typing import Any

from bot.offline.clock import read_clock
from bot.offline.days import read_when
from bot.offline.heard import read_reply
from bot.offline.lexicon import Lexicon
from bot.offline.numbers import NUMBERS, Text, normal
from bot.offline.state import Call, Dialogue, Reply, kind_of
from bot.offline.understand import understand
from tests.evals.understand import SERVICE, told
from tools.search import Vocabulary

SLOT_OURS = {
    "type": "sort", "price": "level", "pickup_place": "pickup", "event_location": "place", "address": "place", "street_address": "place",
    "address_of_location": "place", "airline": "carrier", "arrive_by": "arrive", "dropoff": "destination",
}  # fmt: skip
QUESTION = {
    "people": "party", "nights": "dates", "end_date": "dates", "time": "start_time", "sort": "sort", "level": "level", "date": "date",
    "city": "city", "area": "area", "cuisine": "cuisine", "stars": "stars", "name": "name",
}  # fmt: skip


def value_of(slot: str, text: str, today: date) -> Any:
    """A value as the system wrote it ("March 11th", "2 pm", "3"), as ours."""
    plain = normal(text)
    if slot in ("date", "end_date"):
        found = read_when(Text(plain), today).start
        return found.isoformat() if found else plain
    if slot == "time":
        return read_clock(Text(plain), answering=True).at or plain
    return int(plain) if plain.isdigit() else NUMBERS.get(plain, plain)


def reply_of(acts: list[list[Any]], service: str | None, today: date) -> Reply:
    """The system's annotated acts as our reply."""

    def name(slot: str) -> str:
        return "destination" if slot == "city" and service in ("train", "bus", "flight") else SLOT_OURS.get(slot, slot)

    def values(act: str) -> dict[str, Any]:
        return {name(slot): value_of(name(slot), str(said[0]), today) for kind, slot, said in acts if kind == act and said}

    kinds = {act[0] for act in acts}
    intents = [str(act[2][0]) for act in acts if act[0] == "OFFER_INTENT" and act[2]]
    return Reply(
        asked=tuple(name(act[1]) for act in acts if act[0] == "REQUEST"),
        suggested=values("REQUEST"),
        offered=values("OFFER") | {key: value for key, value in values("INFORM").items() if key == "place"},
        confirming=values("CONFIRM"),
        offers_to=("search" if intents[0].startswith(("Find", "Search")) else "book") if intents else "",
        done="NOTIFY_SUCCESS" in kinds,
        failed="NOTIFY_FAILURE" in kinds,
    )


def call_of(call: Call | None) -> dict[str, Any] | None:
    if call is None:
        return None
    service = SERVICE.get(call.service, call.service)
    return {"service": service, "kind": call.kind, "args": told(call.facts, service, one_town=False)}


def predict(dialogue: dict[str, Any], lexicon: Lexicon) -> list[dict[str, Any]]:
    today = date.fromisoformat(dialogue["reference"]["date"])
    one_town = dialogue["source"].startswith("MultiWOZ")
    talk, reply, turns = Dialogue(), Reply(), []
    for turn in dialogue["turns"]:
        question = next((QUESTION[slot] for slot in reply.asked if slot in QUESTION), "")
        topic = reply.topic if reply.topic in talk.services else talk.active
        goals = understand(turn["user"], lexicon, today, question=question, topic=kind_of(topic))
        talk.hear(goals, reply)
        names = {name: SERVICE.get(name, name) for name in talk.services}
        state = {theirs: told(talk.services[name], theirs, one_town=one_town) for name, theirs in names.items()}
        turns.append({"state": state, "call": call_of(talk.next_call())})
        acts = turn.get("system_acts")
        reply = reply_of(acts, talk.active, today) if acts is not None else read_reply(turn["system"] or "")
    return turns


def main(path: str) -> None:
    lexicon = Lexicon(Vocabulary((), ()))
    with open(path, encoding="utf-8") as gold:
        for line in gold:
            dialogue = json.loads(line)
            sys.stdout.write(json.dumps({"id": dialogue["id"], "turns": predict(dialogue, lexicon)}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
