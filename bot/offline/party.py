"""Reading who travels: adults, children and infants."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bot.offline.numbers import NUM, SMALL, Text, number

ADULTS = r"(?:adults?|grown-?ups?|men|women|ladies|guys|gentlemen|seniors?|friends)"


CHILDREN = r"(?:kids?|children|child|sons?|daughters?|teens?|teenagers?|boys?|girls?|little ones)"


INFANTS = r"(?:bab(?:y|ies)|infants?|toddlers?|newborns?)"


PEOPLE = r"(?:people|persons?|ppl|pax|guests?|travell?ers?|of us|seats?|tickets?|spots?|places|passengers?|pers|diners|participants?|visitors?|heads?)"


@dataclass(frozen=True, slots=True)
class Party:
    """How many; `adults` None means nobody said. `more` is a change ("one more person"), `zero` an impossible party."""

    adults: int | None = None
    children: int | None = None
    infants: int | None = None
    more: int | None = None
    zero: bool = False

    @property
    def said(self) -> bool:
        return self.adults is not None or self.children is not None or self.infants is not None

    @property
    def total(self) -> int:
        return (self.adults or 0) + (self.children or 0) + (self.infants or 0)


AGED = rf"\b(?:(?:a|an|one|my|our|(?P<n>{SMALL})) )?(?P<age>{SMALL})[- ](?P<unit>years?|yrs?|months?)[- ]olds?\b(?! (?:whisk|rum|wine|port|gin|build|hous|church|tree|recipe|tradition|restaur|hotel|castle|city))"


def _by_age(text: Text) -> tuple[int | None, int | None]:
    """(children, infants) named by their ages alone: "2 adults and a 7 year old"."""
    children = infants = 0
    while match := text.find(AGED):
        months = number(match["age"]) * (1 if match["unit"].startswith("month") else 12)
        many = number(match["n"]) if match["n"] else 1
        text.take(match, "people")
        if months < 24:
            infants += many
        elif months < 18 * 12:
            children += many
    return children or None, infants or None


def read_party(text: Text, *, answering: bool = False) -> Party:
    """The party in the sentence. `answering` reads a bare number, because we have just asked how many."""
    said = text.text
    match = text.find(rf"\b(?:(?P<n>{SMALL})|one|another) (?:more|extra|additional) (?:{PEOPLE}|{ADULTS}|{CHILDREN})\b|\bplus one\b")
    match = match or text.find(rf"\badd (?P<n>{SMALL}) (?:{PEOPLE})\b (?=to\b)")
    if match:
        text.take(match, "people")
        return Party(more=number(match["n"]) if match["n"] else 1)
    match = text.find(r"(?<![\d/.:-])(?P<a>\d{1,2}) ?(?:\+|&|plus) ?(?P<c>\d{1,2})(?! ?(?:[\d/.:%€$£]|nights?|days?|weeks?|hours?))")
    if match:
        text.take(match, "people")
        return Party(number(match["a"]), number(match["c"]), zero=match["a"] == match["c"] == "0")
    me = 1 if text.find(r"\b(?:and (?:me|myself|i)\b|(?:me|myself) and\b|with (?:me|my)\b|\bi and my)") else 0
    children = _count(text, CHILDREN)
    infants = _count(text, INFANTS)
    if children is None and infants is None:
        children, infants = _by_age(text)
    adults = _count(text, ADULTS)
    friends = bool(re.search(r"friends", " ".join(t[2] for t in text.taken[-1:]))) if adults else False
    total = None
    match = text.find(rf"\b(?:me|myself) (?:and|plus|with) ({SMALL}) others?\b")
    if match:
        text.take(match, "people")
        return Party(number(match[1]) + 1, children, infants)
    match = text.find(
        rf"\b(?:a |the )?(?:party|group|family|team|table|crew|bunch)(?: size)? (?:of|for|to|is) ({SMALL})\b(?! ?(?:night|day|week|hour|:|am\b|pm\b|o'clock|\.\d|[:h]\d|a\.m|p\.m))"
    )
    if match is None:
        match = (
            text.find(rf"(?<!the )(?<!those )(?<!both )\b({NUM})[ -](?!way\b|day\b)(?:[a-z]+[ -]){{0,4}}?(?:{PEOPLE})\b")
            or text.find(rf"\b({NUM})[ -](?:top)\b")
            or text.find(rf"\b(\d{{1,3}})(?:{PEOPLE}|p)\b")
        )
    if match is None:
        match = text.find(
            rf"(?<!look )(?<!looking )(?<!search )(?<!searching )(?<!recommendation )\bfor (?:the |all |us )?({SMALL})(?: of us)?\b(?! ?(?:night|day|week|hour|month|min|euro|eur|usd|dollar|pound|am|pm|o'clock|%|k\b|star|thing|room|:|\.\d|,\d|item|way\b|of (?:the|your|my)|good|available|which|that)|:| [0-5]\d\b)"
        )
    if match is None:
        match = text.find(
            rf"\b(?:the )?({SMALL}) of us\b|\bus ({SMALL})\b|\bwe(?:'re| are| will be|'ll be) (?:a group of |only |just )?({SMALL})\b(?!\s*(?:night|day|week|hour))"
        )
    if match is None and answering:
        match = text.find(
            rf"^(?:yes,? |just |only |about |maybe |we are |there are |there will be |it's |it is |it will be |it'll be |i need |we need |for |make it )*({SMALL})(?: please| will come| total| in total)?[.!]?$"
        )
    if match is None:
        match = text.find(
            rf"\b(?:change|make|update|switch|increase|reduce) (?:it|that|this|the booking|my booking|the number|the party) to ({SMALL})\b(?! ?(?:night|day|week|hour|am\b|pm\b|o'clock|:|[a-z]*th\b))"
        )
    if match is None:
        match = text.find(
            rf"\b(?:there(?:'ll| will) be|there (?:are|is)|only) ({SMALL})(?: of us)?\b(?= (?:of us|will|are|now|coming|in total|in (?:my|our|the) (?:party|group|family))|\W*$)"
        )
    if match:
        text.take(match, "people")
        total = number(next(group for group in match.groups() if group))
    partner = r"(?:wife|husband|missus|hubby|better half|other half|old man|gf|bf|girl|fella|partner|girlfriend|boyfriend|fianc[eé]e?|spouse|mom|mum|mother|dad|father|sister|brother|friend|son|daughter|boss|colleague)"
    match = text.find(
        rf"\b(?:me|myself|i) (?:and|with|\+|&) (?:my |a |the )({partner})\b|\bmy ({partner}) (?:and|&|\+) (?:me|i|myself)\b|\bwith my ({partner})\b"
    )
    if match and adults is None and total is None:
        who = next(group for group in match.groups() if group)
        text.take(match, "people")
        if who in ("son", "daughter"):
            return Party(1, (children or 0) + 1, infants)
        return Party(2, children, infants)
    if total is None and adults is None:
        match = text.find(
            r"\b(?:just|only) (?:for )?(?:me|myself)\b|\b(?:solo|by myself|on my own|alone|for myself|myself only|me only|single (?:person|traveller|traveler|occupancy)|the only (?:one|person|guest)(?= (?:staying|travell?ing|going|coming|there))|only one (?:person|of us))\b(?! and)"
        )
        if match:
            text.take(match, "people")
            return Party(1, children, infants)
        match = text.find(r"\b(?:for |as |we are |we're )?a couple\b(?! of)|\bfor (?:the )?both of us\b|\bthe two of us\b|\bboth of us\b")
        if match:
            text.take(match, "people")
            return Party(2, children, infants)
    if total is not None:
        if adults is not None:
            return Party(adults, children, infants)
        if total == 0:
            return Party(0, children, infants, zero=not (children or infants))
        rest = total - (children or 0) - (infants or 0)
        inside = (children or infants) and rest > 0 and re.search(r"\b(?:includ|with|of (?:them|us|which|whom))", said)
        return Party(rest if inside else total, children, infants)
    if adults is not None:
        if friends or me:
            adults += me
        return Party(adults, children, infants, zero=adults == 0 and not children and not infants)
    if children is not None or infants is not None:
        if me and text.find(r"\b(?:wife|husband|partner)\b"):
            return Party(2, children, infants)
        return Party(1 if me else None, children, infants)
    return Party()


def _count(text: Text, what: str) -> int | None:
    match = text.find(rf"\b({SMALL}) (?:of (?:them|us|which|whom) (?:are )?)?(?:more |other |young |small |little |old |grown )?({what})\b")
    if match:
        text.take(match, "people " + match[2])
        return number(match[1])
    match = text.find(rf"\b(?:a|one|my|our|an) (?:\d+[ -]year[ -]old |small |young |little |teenage |minor )?({what})\b")
    if match and not match[1].endswith("s") and match[1] not in ("children", "people", "men", "women"):
        text.take(match, "people " + match[1])
        return 1
    match = text.find(rf"\bno ({what})\b")
    if match:
        text.take(match, "people " + match[1])
        return 0
    return None
