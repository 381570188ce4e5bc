"""Names of people in a sentence: whose booking it is. They are taken out before anything else is read, so that "for Katia" is
no party and "under Clap" no budget."""

from __future__ import annotations

import re

from bot.offline.numbers import MONTHS, WEEKDAYS
from bot.offline.words import word_set

_END = (
    word_set(
        """
    for at and on to the a an my our is was please tonight today tomorrow i we but with of in it that this booking reservation table
    room here there from around by about can could will would need want have has just if or so not no yes people persons guests adults
    thank thanks hi hello sorry afraid going looking trying calling running wondering planning sure also
    """
    )
    | set(WEEKDAYS)
    | set(MONTHS)
)
_STRONG = re.compile(
    r"\b(?:(?:under|in|by|with|using|on)\s+(?:the\s+|my\s+)?names?(?:\s+(?:of|is|as|being))?:?|(?:my|the|booking|reservation|full|his|her|its)\s+name(?:'s|\s+is|\s+was|:)?(?:\s+under)?|"
    r"(?:it's|it is|booked|booking|reservation|reserved|listed|made|filed|down|table|slot|appointment)\s+under(?:\s+(?:the\s+|my\s+)?names?(?:\s+of)?)?|under|call\s+me|am\s+called|i'm\s+called|name\s+is|names?\s+of|name:)\s+[\u0022\u201c]?(?P<name>(?:[A-Za-z\u00c0-\u024f][\w'\u2019-]*\s*){1,3})",
    re.IGNORECASE,
)
_CAPITALS = r"(?:[A-Z\u00c0-\u00de][a-z\u00df-\u024f'\u2019-]+)"
_WEAK = (
    re.compile(
        rf"\b(?:[Ii]'m|[Ii] am|[Tt]his is|[Ii]t's|[Ii]t is|[Ff]or (?:a )?(?:Mr\.?|Mrs\.?|Ms\.?|Dr\.?))\s+(?P<name>{_CAPITALS}\s+{_CAPITALS})\b"
    ),
    re.compile(
        rf"\b(?:for|by|as)\s+(?P<name>{_CAPITALS}\s+{_CAPITALS})(?=\s*(?:[,.?!\d]|$|\b(?:at|for|on|to|and|is|was|but|she|he|tonight|tomorrow|please|i think)\b))"
    ),
    re.compile(
        rf"^\W*(?:[Hh]i|[Hh]ello|[Hh]ey)?[, ]*(?P<name>{_CAPITALS}(?:\s+{_CAPITALS})?)(?=\s+here\b|,\s+(?:a |i |I |table|booking|party|for |can|we ))"
    ),
    re.compile(r"^\W*(?:hi|hello|hey)?[, ]*(?P<name>[a-z]+(?:\s+[a-z]+)?)(?=\s+here\b,?)", re.IGNORECASE),
    re.compile(rf"(?:,|\bfor)\s+(?P<name>{_CAPITALS}\s+{_CAPITALS})\s*\.?$"),
)
_NO_NAME = word_set(
    """
    great nice cool okay ok sure yes yeah yep no nope hey hi hello well actually thanks thank sorry please perfect awesome excellent
    alright fine good so and but also right over from around out is wow hmm oh then now maybe certainly definitely economy business
    premium
    """
)
_PLACE_WORDS = re.compile(r"\b(?:artworks|class|airlines?|hotel|house|inn|restaurant|street|road|college|museum|station|airport|park|city|bar|cafe|kitchen|church|palace|lodge)\b", re.IGNORECASE)  # fmt: skip


_OF_A_PLACE = re.compile(
    r"\b(?:restaurant|hotel|guest ?house|attraction|museum|place|train|one|bar|cafe|club|college|somewhere|something)s?,? (?:that (?:is|goes) |which is )?$",
    re.IGNORECASE,
)
""" "A restaurant by the name of ...": of the place, not of a person."""


def _trim(words: str) -> str:
    kept: list[str] = []
    for word in words.replace('"', " ").replace("\u201d", " ").split():
        if kept and kept[0][0].isupper() and not word[0].isupper():
            break
        if word.lower().strip(",.") in _END:
            break
        kept.append(word.strip(",."))
        if word.endswith((",", ".")):
            break
    return " ".join(kept)


def read_person(original: str, *, answering: bool = False) -> str:
    """The name of the person a booking is for, as written; "" where none is said. `answering` reads a bare name."""
    for match in _STRONG.finditer(original):
        if _OF_A_PLACE.search(original[: match.start()]):
            continue
        name = _trim(match["name"])
        if name and not re.match(r"(?:the|a|an|my|\d|what|which)\b", name.lower()) and not _PLACE_WORDS.search(name):
            return name
    for pattern in _WEAK:
        found = pattern.search(original)
        if found:
            name = _trim(found["name"])
            tickets = re.search(r"\btickets? $", original[: found.start()])
            if name and not _PLACE_WORDS.search(name) and name.lower().split()[0] not in _NO_NAME and not tickets:
                return name
    if answering:
        bare = re.fullmatch(
            r"\W*(?:it's |it is |yes,? |the name is |for )?(?P<name>[A-Za-z\u00c0-\u024f'\u2019-]+(?: [A-Za-z\u00c0-\u024f'\u2019-]+){0,2})\W*",
            original,
        )
        if bare and _trim(bare["name"]) == bare["name"].strip():
            return bare["name"].strip()
    return ""
