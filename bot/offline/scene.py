"""Everything the planner may look at in one turn: the facts, the words, and what its tools have answered so far."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from bot.memory import CONTEXT_NAME
from bot.offline import phrases
from bot.offline.lexicon import Lexicon
from bot.offline.plan import Step
from bot.offline.tongues import tongue

Script = Generator[Step, Mapping[str, Any], str]


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything the planner may look at: the facts, the words, and what its tools answered so far in this turn."""

    facts: Mapping[str, Any]
    words: str
    results: Sequence[tuple[str, Mapping[str, Any]]]
    last_search: Mapping[str, Any]
    failed_before: bool
    refused_before: bool  # nothing had all that was asked for
    lexicon: Lexicon
    asked: str = ""  # the end of a ride that we last asked for
    several: bool = False  # one message asks for several things
    said: str = ""  # as the traveler wrote it, where that is another language than the planner's

    @property
    def today(self) -> date:
        return date.fromisoformat(self.facts.get("today", "2026-01-01"))

    @property
    def trip(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.facts.get("trip") or {}
        return found

    @property
    def shown(self) -> Sequence[Mapping[str, Any]]:
        found: Sequence[Mapping[str, Any]] = self.trip.get("shown") or ()
        return found

    @property
    def lines(self) -> Sequence[Mapping[str, Any]]:
        found: Sequence[Mapping[str, Any]] = (self.facts.get("cart") or {}).get("lines") or ()
        return found


def read_scene(messages: Sequence[BaseMessage], lexicon: Lexicon) -> Scene:
    """Take the graph's messages apart: the snapshot, the traveler's words, this turn's results, the last search before it."""
    at = max((i for i, m in enumerate(messages) if isinstance(m, HumanMessage) and m.name != CONTEXT_NAME), default=-1)
    facts: Mapping[str, Any] = {}
    last_search: Mapping[str, Any] = {}
    failed = refused = False
    spoken = None
    asked = ""
    for message in messages[: max(at, 0)]:
        if isinstance(message, HumanMessage) and message.name == CONTEXT_NAME:
            text = str(message.text)
            facts = json.loads(text[text.index("{") :])
            spoken = tongue(str(facts.get("language") or "en"))
        elif isinstance(message, AIMessage):
            failed = message.text.startswith((phrases.UNCLEAR_START, spoken.say(phrases.UNCLEAR)[:30] if spoken else phrases.UNCLEAR_START))
            refused = phrases.NONE_START in message.text
            asked = next((end for end, question in phrases.WHERE_FROM_TO.items() if question in message.text), "")
            for call in message.tool_calls:
                if call["name"] == "search_offers":
                    last_search = call["args"]
    results: list[tuple[str, Mapping[str, Any]]] = []
    for message in messages[at + 1 :] if at >= 0 else ():
        if isinstance(message, ToolMessage):
            results.append((str(message.name), _json(str(message.text))))
    words = str(messages[at].text) if at >= 0 else ""
    return Scene(facts, words, results, last_search, failed, refused, lexicon, asked)


def _json(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except json.JSONDecodeError:
        return {"ok": False, "error": "unreadable", "message": text[:200]}
    return found if isinstance(found, dict) else {"ok": True, "value": found}


def trip_days(trip: Mapping[str, Any]) -> tuple[date, date] | None:
    """The days the trip is about, for "on the 13th" and "on Friday"."""
    stay: Mapping[str, Any] = (trip.get("plans") or {}).get("stay") or {}
    if stay.get("date") and stay.get("end_date") and stay.get("city") == trip.get("city"):
        return date.fromisoformat(stay["date"]), date.fromisoformat(stay["end_date"])
    if not trip.get("start_date"):
        return None
    first = date.fromisoformat(trip["start_date"])
    return first, date.fromisoformat(trip["end_date"]) if trip.get("end_date") else first


def title_of(scene: Scene, product: str) -> str:
    row = scene.lexicon.rows.get(product)
    return str(row.title) if row is not None else "it"
