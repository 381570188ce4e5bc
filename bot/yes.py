"""Lines that code reads for itself: an exact yes, one of a closed list with nothing left over, and words marked as a review."""

from __future__ import annotations

import re

YES = {
    "en": frozenset(
        (
            "yes",
            "yes please",
            "yes confirm",
            "confirm",
            "i confirm",
            "yes i confirm",
            "confirmed",
            "yes book it",
            "book it",
            "yes do it",
            "yes go ahead",
            "go ahead",
            "yes that is right",
            "yes thats right",
            "ok book it",
            "okay book it",
            "yes book",
        )
    ),
    "es": frozenset(
        (
            "si",
            "sí",
            "sí resérvalo",
            "si reservalo",
            "sí adelante",
            "si adelante",
            "adelante",
            "si por favor",
            "sí por favor",
            "confirmo",
            "sí confirmo",
            "si confirmo",
            "confirmar",
            "resérvalo",
            "reservalo",
        )
    ),
}


def is_exact_yes(text: str, locale: str = "en") -> bool:
    """ "Yes, please!" is one; "Yes, please. And for three nights" is not."""
    plain = re.sub(r"\s+", " ", re.sub(r"[.,!\u00a1'\u2019]", "", text.strip().lower())).strip()
    return plain in YES["en"] or plain in YES.get(locale.split("-")[0], ())


def review_words(text: str) -> str:
    """What follows "review:" at the beginning of a line; empty where it does not begin so."""
    found = re.match(r"\s*(?:review|rese\u00f1a|resena)\s*:\s*(.+)", text, re.IGNORECASE | re.DOTALL)
    return found[1].strip() if found else ""
