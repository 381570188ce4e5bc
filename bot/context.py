"""What one turn carries with it: where its tools run, what was recorded before a crash, and what the traveler will see."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tools.outcome import Desk


@dataclass(slots=True)
class Turn:
    """The runtime context of the graph; tools and middleware read it, the model cannot.

    `recorded` holds the model's replies so far, each kept by `record` before its tools run; on a turn that is driven
    again they are played back instead of asking the model. `facts` is the snapshot shown to the model.
    """

    desk: Desk
    facts: Mapping[str, Any]
    record: Callable[[Sequence[Mapping[str, Any]]], None]
    recorded: list[Mapping[str, Any]] = field(default_factory=list)
    parts: list[Mapping[str, Any]] = field(default_factory=list)
    calls: int = 0
    models: list[str] = field(default_factory=list)
    used_up: bool = False  # the day's tokens are gone: the offline planner answers
    fallbacks: list[str] = field(default_factory=list)
