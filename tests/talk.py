"""A traveler at the keyboard: says things, presses buttons, reads what the door would show."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from typing import Any

from bot.agent import build_agent
from bot.offline.model import OfflineModel
from bot.offline.planner import OfflinePlanner
from bot.turn import run_turn
from channels import inbox
from channels.render import wire
from core import conversations
from core.engine import Actor, Engine
from prompts import read

BASE = "http://127.0.0.1:8000"


class Talk:
    """One conversation over the real graph and planner; turns are run in place instead of by the worker."""

    def __init__(self, engine: Engine, *, agent: Any = None, locale: str = "en") -> None:
        self.engine = engine
        offline = OfflineModel(planner=OfflinePlanner(engine))
        self.agent = agent or build_agent("traveler", offline, offline, read("traveler"), timeout=5)
        self.conversation_id, self.token = conversations.start(engine, channel="web", locale=locale, welcome=inbox.welcome(locale))
        with engine.db.read() as tx:
            owner = conversations.get(tx, self.conversation_id).account_id
        self.actor = Actor(owner, conversation_id=self.conversation_id)
        self.deltas: list[Mapping[str, Any]] = []
        self.seen = 0
        self.parts: list[dict[str, Any]] = []
        self.new()

    def say(self, text: str) -> str:
        """Say it, let the turn run; returns the text of what came back."""
        inbox.say(self.engine, self.actor, uuid.uuid4().hex, text)
        self.answer()
        return self.new()

    def answer(self) -> None:
        asyncio.run(run_turn(self.engine, self.agent, self.conversation_id, uuid.uuid4().hex, lambda _c, delta: self.deltas.append(delta)))

    def press(self, label: str, fields: Mapping[str, Any] | None = None, *, client_id: str | None = None) -> str:
        """Press the first button of the last answer whose label starts like this; a form's `fields` go along."""
        button = self.button(label)
        inbox.press(self.engine, self.actor, client_id or uuid.uuid4().hex, button["action"], fields or {})
        self.answer()
        return self.new()

    def button(self, label: str) -> dict[str, Any]:
        found = [one for one in _buttons(self.parts) if one["label"].startswith(label) and one.get("action")]
        assert found, f"no button {label!r} among {[one['label'] for one in _buttons(self.parts)]}"
        return found[0]

    def new(self) -> str:
        """Read on: keeps the parts that came from others, returns their text."""
        with self.engine.db.read() as tx:
            rows = conversations.log_after(tx, self.conversation_id, self.seen)
        parts: list[dict[str, Any]] = []
        for row in rows:
            self.seen = row.seq
            if row.kind == "message" and row.role != "traveler":
                parts += wire(BASE, row, "en")["parts"]
        self.parts = parts
        return self.text

    @property
    def text(self) -> str:
        return " ".join(part["text"] for part in self.parts if part["type"] == "text")

    def cards(self) -> list[dict[str, Any]]:
        return [card for part in self.parts if part["type"] == "cards" for card in part["items"]]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [part for part in self.parts if part["type"] == kind]


def _buttons(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, dict):
        found = [value] if "label" in value and ("action" in value or "url" in value) else []
        return found + [one for inner in value.values() for one in _buttons(inner)]
    if isinstance(value, list):
        return [one for inner in value for one in _buttons(inner)]
    return []
