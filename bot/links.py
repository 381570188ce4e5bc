"""Addresses in a model's words: none goes out. Links are drawn by code from cards, so one that a model writes was made up or slipped in."""

from __future__ import annotations

import re

ADDRESS = re.compile(
    r"\[([^\]\n]{0,200})\]\([^)\s]{1,2000}\)"  # [words](address)
    r"|(?:[a-z][a-z0-9+.-]{1,20}:/{1,3}|www\.|javascript:|data:|mailto:|tel:)\S{1,2000}"
    r"|\b(?:[a-z0-9-]{1,63}\.)+[a-z]{2,24}(?::\d{1,5})?/\S{0,2000}"
    r"|\b(?:[a-z0-9-]{1,63}\.)+(?:com|net|org|io|info|biz|example|xyz|top|shop|app|link|click|site|online|ru|cn|me|co)\b",
    re.IGNORECASE,
)
REMOVED = "(link removed)"


def without_links(text: str) -> str:
    """The text with every address taken out; the words of a link stay."""
    return ADDRESS.sub(lambda match: f"{match[1]} {REMOVED}" if match[1] else REMOVED, text)


class Sieve:
    """The same for a text that comes in pieces: a word is passed on once it is whole."""

    def __init__(self) -> None:
        self._kept = ""

    def pass_on(self, piece: str) -> str:
        self._kept += piece
        ends = max(self._kept.rfind(" "), self._kept.rfind("\n"))
        if ends < 0 or ("[" in self._kept[: ends + 1] and "](" not in self._kept and len(self._kept) < 240):
            return ""
        ready, self._kept = self._kept[: ends + 1], self._kept[ends + 1 :]
        return without_links(ready)

    def rest(self) -> str:
        """What is left when nothing more comes."""
        ready, self._kept = self._kept, ""
        return without_links(ready)
