"""Which kind of service a sentence names (stay, dining, transport, guide, activity), and which means of transport."""

from __future__ import annotations

import re
from collections.abc import Mapping

from bot.offline.needs import SIGHTS, STAY_SORTS, Needs

KINDS: Mapping[str, str] = {
    "stay": (
        r"hotels?|hostels?|apartments?|flats?|rooms?|suites?|accommodations?|lodgings?|guest ?houses?|riads?|ryokans?|villas?|"
        r"b ?& ?b|bed and breakfast|places? to (?:stay|sleep)|somewhere to (?:stay|sleep)|where to (?:stay|sleep)|stay(?:ing)?|sleep|airbnb|hostal|pension|resort|lodge|inn|cabin"
    ),
    "dining": (
        r"restaurants?|dinners?|lunch(?:es)?|brunch(?:es)?|breakfasts?|supper|tables?|dine|dining|eat(?:ing)?(?: out)?|bistros?|tavernas?|"
        r"cafes?|trattoria|izakaya|tasting menu|food(?! (?:tour|walk|market))|place to eat|somewhere to eat|where to eat|bite to eat|hungry|starving|afternoon tea|meal|reservation for"
    ),
    "transport": (
        r"transfers?|taxis?|cabs?|shuttles?|trains?|ferr(?:y|ies)|bus(?:es)?|car hire|car rental|rent(?:al)? (?:a )?car|rental car|driver|chauffeur|"
        r"airport (?:ride|pick ?-?up|transfer)|pick ?-?up|ride (?:to|from)|transport(?:ation)?|minivan|limousine|get (?:to|from) the airport"
    ),
    "guide": r"(?:private |local |personal |tour |city )?guides?|interpreter|someone to show us around|show (?:me|us) around",
    "activity": (
        r"activit(?:y|ies)|things? to do|(?:places?|somewhere|anything|something|one) (?:fun |nice |interesting |good )*(?:in town )?to (?:go(?! to\b| eat\b| for\b)|visit|see)|(?:interesting|fun|good|nice|anything|something) (?:things? |places? )?to (?:see|do|visit)|some(?:place|where) (?:i |we |that i |that we |to )?(?:could |can |might )?go\b(?! to\b| eat\b| for\b)|do something|something (?:\w+ )?to do|things? to see|places? of interest|what (?:can|could|should|to) (?:we |i |you |one )?do|what is there to do|what's there to do|something (?:fun|to do|nice|special|cool|different|exciting|romantic|for (?:the )?kids)|fun|tours?|(?<!the )(?<!this )(?<!my )(?<!our )(?<!a )trips?|"
        r"excursions?|class(?:es)?|workshops?|museums?|hik(?:e|es|ing)|surf(?:ing)?|boats?|sail(?:ing)?|cruises?|kayak(?:ing)?|walks?|concerts?|(?:a|the|live|some) shows?|theat(?:re|er)s?|"
        r"tastings?|lessons?|adventures?|experiences?|sightseeing|see the city|attractions?|snorkel(?:l?ing)?|div(?:e|ing)|bik(?:e|es|ing)|cycling|spa|nightlife|entertain\w*"
    ),
}


KIND_ORDER = ("guide", "transport", "stay", "dining", "activity")


NOT_DINING = re.compile(
    r"\b(?:food|wine|tapas|street[- ]food|market|culinary|pub|beer) (?:tour|walk|tasting|crawl|trip)s?\b|\bcooking\b|\bdinner (?:cruise|show)s?\b"
)


WITH_BREAKFAST = re.compile(r"\b(?:with|includ(?:es|ed|ing)|and) breakfast\b|\bbreakfast (?:is )?included\b")


NOT_TRANSPORT = re.compile(r"\b(?:boat|bike|bicycle|bus|train|segway|tuk ?-?tuk|walking|ferry) (?:tours?|trips?)\b")


RIDES = ("taxi", "train", "bus", "flight", "car", "ferry")
RIDING = ("taxi", "train", "bus", "flight", "ferry")
"""Rides from one place to another; a car is rented in one."""


MODES: Mapping[str, str] = {
    "taxi": r"taxis?|cabs?|uber|lyft|(?:shared )?(?<!to )ride(?:s|[- ]?sharing)?(?! (?:a|the) (?:horse|bike))|chauffeur",
    "train": r"trains?(?! (?:station|museum|tour))|railway|rail",
    "bus": r"bus(?:es)?(?! (?:stop|tour|station))|coach(?:es)?",
    "flight": r"flights?|fly(?:ing)?|(?:air)?planes?|airlines?|(?:economy|business|first)(?: class)? tickets?|(?:premium )?economy|airfare|layovers?",
    "car": r"cars?(?! (?:type|model|colou?r|park|and|make))|(?:rental )?vehicles?|rent(?:al)? cars?|suv|sedan",
    "ferry": r"ferr(?:y|ies)",
    "event": r"events?|concerts?|(?:sports?|music|football|basketball|baseball|soccer) (?:game|match|show)(?:es|s)?|games?(?= (?:on|in|at|this|tickets?))|festivals?|gigs?|shows?(?= (?:in|on|at|tonight|this|tickets?))|vs\.?|tickets? (?:to|for|in)\b(?! (?:me|us|my|one|two|three|four|five|six|\d|tomorrow|today))|(?:the|a) game\b|buy tickets|games? to go to|(?:blues|jazz|rock|music|comedy) (?:shows?|concerts?)",
}


MODE_KIND = {"taxi": "transport", "train": "transport", "bus": "transport", "car": "transport", "ferry": "transport", "event": "activity"}


REFERENCE = re.compile(
    r"\b(?:(?:same|as|at|near|nearby|close to|next to|from|to|by|beside|than|after|before|leav\w+|between|and) (?:as |for )?(?:the|my|our|that|this) (?:\w+ )?|"
    r"(?:booked|reserved|chose|found) (?:the|my|a|that) (?:\w+ )?)"
    r"(?:hotels?|guest ?houses?|rooms?|restaurants?|museums?|attractions?|colleges?|trains?|theat(?:re|er)s?|parks?|pool|church|concert|show|stay|bus|flight|table|dinner|lunch)\b"
)
""" "From the hotel", "the same day as the train": something else is wanted there."""


def without_references(folded: str, *, riding: bool = False) -> str:
    """The words without what they only point at, where a kind is left that they ask for, or the talk is of a ride."""
    rest = REFERENCE.sub(lambda match: " " * len(match[0]), folded)
    return rest if rest != folded and (riding or kinds_in(rest) or mode_in(rest)) else folded


def mode_in(folded: str) -> str | None:
    """Which means of transport, or that it is an event, the words name first."""
    found = [(match.start(), mode) for mode, pattern in MODES.items() if (match := re.search(rf"\b(?:{pattern})\b", folded))]
    named = {mode for _, mode in found}
    if "event" in named and named & {"train", "bus", "flight", "ferry"} and re.search(r"\btickets?\b", folded):
        found = [one for one in found if one[1] != "event"]  # "tickets for the train"
    if "taxi" in named and "car" in named:
        found = [one for one in found if one[1] != "car"]
    return min(found)[1] if found else None


ASKS_TO_GO = re.compile(
    r"\b(?:find|look(?:ing)? (?:for|at)|see|visit|go to|how about|what about|suggest|recommend|any|want|like|love|info\w*|(?:tell me|know) about|are there|is there|places?)\b"
)


VISITS = re.compile(r"\b(?:visit|see|(?:find|suggest|recommend|looking for|how about|what about) (?:me )?(?:a|an|some|any))\b")
EATS = re.compile(r"\b(?:food|eat\w*|restaurants?|cuisine|serv\w+|dish(?:es)?|hungry|crav\w+|mood for|dine|dining|meal)\b")


def kind_of_needs(needs: Needs, topic: str | None, clause: str) -> str | None:
    """The kind that a cuisine, stars or a sort of place implies, where no kind was named and another one was talked about."""
    if needs.cuisine and (topic in ("dining", None) or (topic != "activity" and EATS.search(clause))):
        return "dining"
    if needs.sort in STAY_SORTS or needs.stars is not None:
        return "stay"
    asks = (VISITS if topic == "transport" else ASKS_TO_GO).search(clause)
    if needs.sort in SIGHTS and topic in ("stay", "dining", "transport", None) and asks:
        return "activity"
    return None


def kinds_in(folded: str) -> list[tuple[int, str]]:
    """(position, kind) of every kind of service the text names, each once, in order."""
    found: dict[str, int] = {}
    blanked = folded
    for kind in KIND_ORDER:
        for match in re.finditer(rf"\b(?:{KINDS[kind]})\b", blanked):
            around = folded[max(0, match.start() - 14) : match.end() + 14]
            if (kind == "dining" and (NOT_DINING.search(around) or WITH_BREAKFAST.search(around))) or (
                kind == "transport" and NOT_TRANSPORT.search(around)
            ):
                continue
            found.setdefault(kind, match.start())
            blanked = blanked[: match.start()] + " " * (match.end() - match.start()) + blanked[match.end() :]
    return sorted((at, kind) for kind, at in found.items())
