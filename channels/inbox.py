"""What comes in: committed first, then answered. Taps and exact yeses are carried out by code at once; free text waits for a turn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core import conversations
from core.engine import Actor, Engine


def say(engine: Engine, actor: Actor, client_id: str, text: str) -> int:
    """A traveler's words; returns the line's number. The same `client_id` twice is one line and one answer. Raises Invalid."""
    return conversations.say(engine, actor, client_id, text)


def press(engine: Engine, actor: Actor, client_id: str, action_id: str, fields: Mapping[str, Any]) -> int:
    """A button pressed, or a form sent with its `fields`; returns the number of the traveler's line.

    Raises NotFound, NotAllowed, Expired for buttons that do not count any more, Invalid naming a field.
    """
    with engine.db.read() as tx:
        conversations.find_action(tx, actor, action_id, engine.clock())
    return conversations.say(engine, actor, client_id, "pressed")
