"""Words of the doors by language, read from TOML files beside this one; a missing phrase falls back to English."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import Any


@cache
def _table(locale: str) -> dict[str, Any]:
    found = resources.files("channels.phrases") / f"{locale}.toml"
    return tomllib.loads(found.read_text(encoding="utf-8")) if found.is_file() else {}


def phrase(locale: str, section: str, name: str) -> Any:
    """The phrase in the reader's language, else in English. Raises KeyError for one that nobody wrote."""
    for language in (locale.replace("_", "-").split("-")[0], "en"):
        found = _table(language).get(section, {}).get(name)
        if found is not None:
            return found
    raise KeyError(f"[{section}] {name} is missing in channels/phrases/en.toml")


def speaks(locale: str) -> bool:
    """Are there phrases in this language?"""
    return bool(_table(locale.replace("_", "-").split("-")[0]))


def has(section: str, name: str) -> bool:
    return name in _table("en").get(section, {})
