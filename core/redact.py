"""What people type, before anything stores it: nothing but what can be read, and no card numbers."""

from __future__ import annotations

import re

CANDIDATE = re.compile(r"(?<![\w.])\d(?:[ \-.]?\d){12,18}(?![\w])")
REMOVED = "[card number removed]"


def plain(text: str) -> str:
    """Readable characters, line breaks and tabs only: no control or direction marks, no half characters that no store takes."""
    return "".join(c for c in text if c in "\n\t" or (c.isprintable() and not "\ud800" <= c <= "\udfff") or c == "\u200d").strip()


def luhn(digits: str) -> bool:
    total = 0
    for i, char in enumerate(reversed(digits)):
        value = int(char) * (2 if i % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def redact(text: str) -> str:
    """Replace every run of 13 to 19 digits that passes the card check digit."""

    def mask(match: re.Match[str]) -> str:
        return REMOVED if luhn(re.sub(r"\D", "", match[0])) else match[0]

    return CANDIDATE.sub(mask, text)
