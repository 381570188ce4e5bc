"""Words a non-programmer may edit, read by name. It does not know code."""

from __future__ import annotations

from functools import cache
from importlib import resources


@cache
def read(name: str) -> str:
    """The text of `prompts/<name>.md`. Raises FileNotFoundError naming it, at the start rather than in a conversation."""
    found = resources.files("prompts") / f"{name}.md"
    if not found.is_file():
        raise FileNotFoundError(f"The prompt {name!r} is missing: prompts/{name}.md")
    return found.read_text(encoding="utf-8").strip()
