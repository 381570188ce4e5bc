"""An exact yes: one of a closed list with nothing left over. Anything more is talk, and commits nothing."""

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
