"""What others sell: flights, rental cars and insurance, by their own sites."""

from __future__ import annotations

import re

from bot.offline import phrases
from bot.offline.goal import Goal
from bot.offline.plan import do
from bot.offline.scene import Scene, Script

ELSEWHERE = (
    ("flight", re.compile(r"\b(?:flights?|fly(?:ing)?|plane tickets?|air ?fares?|airlines?)\b")),
    ("car", re.compile(r"\b(?:rental cars?|car rentals?|rent (?:a|me a|us a) car|car hire|hire (?:a|me a|us a) car)\b")),
    ("insurance", re.compile(r"\btravel(?:l?er'?s?)? insurance\b")),
)
FROM = re.compile(r"\bfrom ([a-z]{3})\b(?! (?:mon|tue|wed|thu|fri|sat|sun|the)\b)")
DAYS = (
    "mon",
    "tue",
    "wed",
    "thu",
    "fri",
    "sat",
    "sun",
    "jan",
    "feb",
    "mar",
    "apr",
    "may",
    "jun",
    "jul",
    "aug",
    "sep",
    "oct",
    "nov",
    "dec",
    "the",
    "now",
    "our",
    "her",
    "his",
)


def sold_elsewhere(goal: Goal, scene: Scene) -> str | None:
    """The kind of thing a traveler asks for that nobody sells here; None where the marketplace may have it."""
    for kind, pattern in ELSEWHERE:
        if pattern.search(goal.text) and not any(pattern.search(title) for title in scene.lexicon.titles.values()):
            return kind
    return None


def partner_links(goal: Goal, scene: Scene, kind: str) -> Script:
    """Say that we do not sell it, and where it can be had."""
    found = FROM.search(goal.text)
    origin = found[1].upper() if found and found[1] not in DAYS else None
    made = yield do(
        "find_partner_links",
        kind=kind,
        city=goal.city or scene.trip.get("city"),
        origin=origin,
        date=goal.when.start.isoformat() if goal.when.start else None,
        end_date=goal.when.end.isoformat() if goal.when.end else None,
        adults=goal.party.adults,
    )
    if made.get("ok") is False:
        return phrases.refused(made)
    if made.get("found"):
        return phrases.ELSEWHERE.format(names=phrases.listed([str(name) for name in made["partners"]]))
    return phrases.FLIGHT_NEEDS if kind == "flight" else phrases.OUTSIDE
