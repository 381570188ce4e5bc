"""The form encoding of Stripe's v1 API: `a[b][0][c]=v` to nested values and back to nothing else."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl

from channels.sandbox.payments.errors import No

KEY = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
DEEPEST = 12


def decode(text: str) -> dict[str, Any]:
    """Nested dicts and lists of text. Raises No for keys that cannot be read."""
    tree: dict[str, Any] = {}
    for key, value in parse_qsl(text, keep_blank_values=True, max_num_fields=5000):
        found = KEY.fullmatch(key)
        parts = [found[1], *re.findall(r"\[([^\[\]]*)\]", found[2])] if found else []
        if not parts or len(parts) > DEEPEST:
            raise No(f"Invalid parameter name: {key[:80]}", code="parameter_invalid", param=key[:80])
        _put(tree, parts, value)
    return {key: _lists(value, inside_metadata=key == "metadata") for key, value in tree.items()}


def _put(tree: dict[str, Any], parts: list[str], value: str) -> None:
    here = tree
    for i, part in enumerate(parts):
        name = part if part or i == 0 else str(len(here))  # a[] is the next of a list
        if i == len(parts) - 1:
            here[name] = value
            return
        below = here.setdefault(name, {})
        if not isinstance(below, dict):
            raise No(f"Invalid object: {parts[0]}", code="parameter_invalid", param=parts[0])
        here = below


def _lists(value: Any, *, inside_metadata: bool) -> Any:
    """Dicts whose keys are all numbers become lists, except under metadata, where 0 is a name like any other."""
    if not isinstance(value, dict):
        return value
    made = {key: _lists(one, inside_metadata=inside_metadata or key == "metadata") for key, one in value.items()}
    if made and not inside_metadata and all(re.fullmatch(r"[0-9]{1,4}", key) for key in made):
        return [made[key] for key in sorted(made, key=int)]
    return made
