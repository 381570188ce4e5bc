"""What comes in: committed first, then answered. Taps and exact yeses are carried out by code at once; free text waits for a turn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot import presses
from bot.yes import is_exact_yes
from channels.phrases import phrase
from core import bookings, conversations
from core.engine import Actor, Engine
from tools.outcome import say_button


def welcome(locale: str) -> list[Mapping[str, Any]]:
    """The first lines of every conversation: that this is an assistant, that a person can be had, and what works."""
    ideas = [say_button(str(idea)) for idea in phrase(locale, "welcome", "ideas")]
    return [{"type": "text", "text": phrase(locale, "welcome", "text")}, {"type": "quick_replies", "items": ideas}]


def say(engine: Engine, actor: Actor, client_id: str, text: str) -> int:
    """A traveler's words; returns the line's number. The same `client_id` twice is one line and one answer. Raises Invalid.

    An exact yes while exactly one proposal is live confirms it, whoever controls the conversation.
    """
    with engine.db.read() as tx:
        locale = conversations.get(tx, actor.conversation_id).locale
        live = bookings.live_proposals(tx, actor.conversation_id, engine.clock()) if is_exact_yes(text, locale) else ()
    if len(live) == 1:
        return presses.say_yes(engine, actor, client_id, text, live[0].id, live[0].kind)
    return conversations.say(engine, actor, client_id, text)


def press(engine: Engine, actor: Actor, client_id: str, action_id: str, fields: Mapping[str, Any]) -> int:
    """A button pressed, or a form sent with its `fields`; returns the number of the traveler's line.

    Raises NotFound, NotAllowed, Expired for buttons that do not count any more, Invalid naming a field.
    """
    return presses.press(engine, actor, client_id, action_id, fields)
