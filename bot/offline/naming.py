"""Who comes along: "the travelers are Ana Silva and Tom Meyer", for the booking that is named or the only one there is."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bot.offline import phrases
from bot.offline.plan import do
from bot.offline.scene import Scene, Script

SAYS = re.compile(
    r"^\W*(?:(?:here are|these are) )?(?:the |our )?(?:full )?(?:names?(?: of (?:the |our )?(?:travell?ers?|guests?|people))?|travell?ers?|guests?|passengers?)"
    r"(?: names?)?(?: (?:for|of|on) (?:booking |reservation )?(?P<reference>[A-Za-z0-9]+-[A-Za-z0-9]+))?\s*(?:are|is|:|will be)\s*(?P<names>.+)$",
    re.IGNORECASE | re.DOTALL,
)
NAME = re.compile(r"[^\W\d_][\w.'\u2019-]*(?: [^\W\d_][\w.'\u2019-]*){0,5}")
AND = re.compile(r"\s*(?:,|;|\n|&|\band\b)+\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Names:
    """Who was named, and the reference if one was said."""

    reference: str
    names: tuple[str, ...]


def names_in(words: str) -> Names | None:
    """The names a message tells and nothing else; None unless every part of it reads as a person's name written with capitals."""
    said = SAYS.match(words.strip())
    if said is None:
        return None
    parts = [part.strip(" .!\"'") for part in AND.split(said["names"]) if part.strip(" .!\"'")]
    if not parts or not all(NAME.fullmatch(part) and part[0].isupper() for part in parts):
        return None
    return Names((said["reference"] or "").upper(), tuple(parts))


def name_travelers(told: Names, scene: Scene) -> Script:
    """Pass the names on. With several bookings and no reference it asks for which."""
    reference = told.reference
    if not reference:
        ahead = [one for one in (yield do("show_trips")).get("bookings") or () if one["status"] in ("CONFIRMED", "PENDING", "ON_HOLD")]
        if not ahead:
            return phrases.NO_TRIPS
        if len(ahead) > 1:
            return phrases.NAME_WHICH.format(reference=ahead[0]["reference"], names=" and ".join(told.names))
        reference = ahead[0]["reference"]
    done = yield do("name_travelers", reference=reference, names=list(told.names))
    if not done.get("ok"):
        return phrases.refused(done)
    left = done["people"] - done["named"]
    return phrases.NAMED.format(names=", ".join(told.names)) + (phrases.NAMES_LEFT.format(left=left) if left else "")
