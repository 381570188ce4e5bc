"""What the planner can want next: one tool call, or words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Step:
    """Either `call` with `arguments`, or `text` for the traveler."""

    text: str = ""
    call: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)


def say(text: str) -> Step:
    return Step(text=text)


def do(call: str, **arguments: Any) -> Step:
    """A tool call; arguments that are None are left out."""
    return Step(call=call, arguments={key: value for key, value in arguments.items() if value is not None})
