"""Other languages for the planner, each a file of data: what people say becomes the English its grammar reads, and what it says
becomes theirs. A sentence that no pattern knows is left in English rather than guessed."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from core.search import fold

UNTOUCHED = ("title", "titles", "why", "city", "place", "code", "currency")  # what is named, not said


@dataclass(frozen=True, slots=True)
class Tongue:
    """One language: rules for hearing, sentences for saying, and words for what stands in them."""

    hears: Sequence[tuple[re.Pattern[str], str]]
    says: Sequence[tuple[re.Pattern[str], str]]
    values: Sequence[tuple[re.Pattern[str], str]]

    def hear(self, text: str) -> str:
        """The planner's English for what was said. Codes in capitals and figures stay as they are."""
        plain = re.sub(r"\s+", " ", fold(text)).strip()
        for pattern, meant in self.hears:
            plain = pattern.sub(meant, plain)
        return re.sub(r"\s+", " ", plain).strip()

    def say(self, text: str) -> str:
        """What the planner says, sentence by sentence."""
        told, at = [], 0
        while at < len(text):
            found = next(((match, said) for pattern, said in self.says if (match := pattern.match(text, at))), None)
            if found is None:
                ends = re.compile(r"[.?!:](?= |$)").search(text, at)
                stop = ends.end() if ends else len(text)
                told.append(text[at:stop])
            else:
                match, said = found
                told.append(self._filled(said, match.groupdict()))
                stop = match.end()
            at = stop + 1 if text[stop : stop + 1] == " " else stop
        return " ".join(part.strip() for part in told if part.strip())

    def _filled(self, said: str, caught: Mapping[str, str | None]) -> str:
        def one(match: re.Match[str]) -> str:
            before, _, name = match[1].rpartition("|")
            value = caught.get(name)
            return "" if value is None else before + (value if name in UNTOUCHED else self._value(value))

        return re.sub(r"\{([^{}]+)\}", one, said)

    def _value(self, value: str) -> str:
        for pattern, meant in self.values:
            value = pattern.sub(meant, value)
        return value


@cache
def tongue(locale: str) -> Tongue | None:
    """The planner's data for a language, or None: English needs none, and others have none."""
    name = locale.replace("_", "-").split("-")[0]
    found = resources.files("bot.offline.tongues") / f"{name}.toml"
    if not name.isalpha() or not found.is_file():
        return None
    data = tomllib.loads(found.read_text("utf-8"))
    hears = [(re.compile(pattern), meant) for pattern, meant in data["hear"]]
    says = [(re.compile(rf"(?:{one['en']})(?= |$)"), one[name]) for one in data["say"]]
    values = [(re.compile(pattern), meant) for pattern, meant in data["values"]["rules"]]
    return Tongue(hears, says, values)
