"""Words that are numbers, weekdays or months, and a sentence with what was read already blanked out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

UNITS = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen",
    "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
]  # fmt: skip


TENS = {"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90}


NUMBERS: dict[str, int] = {word: value for value, word in enumerate(UNITS)} | TENS


NUMBERS |= {f"{tens}{joint}{UNITS[unit]}": value + unit for tens, value in TENS.items() for joint in ("-", " ") for unit in range(1, 10)}


NUMBERS |= {"a couple of": 2, "couple of": 2, "a dozen": 12, "half a dozen": 6, "a hundred": 100, "one hundred": 100, "two hundred": 200}


NUMBERS |= {"three hundred": 300, "five hundred": 500, "a thousand": 1000, "one thousand": 1000}


ORDINALS = [
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh", "twelfth",
    "thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth", "eighteenth", "nineteenth", "twentieth",
]  # fmt: skip


ORDINAL_NUMBERS: dict[str, int] = {word: n for n, word in enumerate(ORDINALS, 1)}


ORDINAL_NUMBERS |= {f"twenty{joint}{word}": 20 + n for n, word in enumerate(ORDINALS[:9], 1) for joint in ("-", " ")}


ORDINAL_NUMBERS |= {"thirtieth": 30, "thirty-first": 31, "thirty first": 31}


WEEKDAYS = {
    name: index
    for index, names in enumerate(
        (
            "monday mon mondays",
            "tuesday tue tues tuesdays",
            "wednesday wed weds wednesdays",
            "thursday thu thur thurs thursdays",
            "friday fri fridays",
            "saturday sat saturdays",
            "sunday sun sundays",
        )
    )
    for name in names.split()
}


MONTHS = {
    name: index
    for index, names in enumerate(
        (
            "january jan",
            "february feb",
            "march mar",
            "april apr",
            "may",
            "june jun",
            "july jul",
            "august aug",
            "september sep sept",
            "october oct",
            "november nov",
            "december dec",
        ),
        1,
    )
    for name in names.split()
}


def any_of(words: object) -> str:
    return "|".join(sorted((re.escape(word) for word in words), key=len, reverse=True))  # type: ignore[attr-defined]


NUM = rf"(?:\d{{1,4}}|{any_of(NUMBERS)})"


SMALL = rf"(?:\d{{1,3}}|{any_of(NUMBERS)})"


WD = rf"(?:{any_of(WEEKDAYS)})"


MON = rf"(?:{any_of(MONTHS)})\.?"


DAY = rf"(?:\d{{1,2}}(?:st|nd|rd|th)?|{any_of(ORDINAL_NUMBERS)})"


DAY_TH = rf"(?:\d{{1,2}}(?:st|nd|rd|th)|{any_of(ORDINAL_NUMBERS)})"


YEAR = r"(?:,?\s*(?P<year{0}>20\d\d)\b)?"


@dataclass(slots=True)
class Text:
    """A sentence with what was read already blanked out."""

    text: str
    taken: list[tuple[int, int, str]] = field(default_factory=list)
    raw: str = ""

    def __post_init__(self) -> None:
        self.raw = self.raw or self.text

    def find(self, pattern: str) -> re.Match[str] | None:
        return re.search(pattern, self.text)

    def finditer(self, pattern: str) -> Iterator[re.Match[str]]:
        return re.finditer(pattern, self.text)

    def take(self, match: re.Match[str], what: str) -> None:
        self.taken.append((match.start(), match.end(), what))
        self.text = self.text[: match.start()] + "\x1f" * (match.end() - match.start()) + self.text[match.end() :]


def normal(words: str) -> str:
    """Lower case, straight quotes, single spaces; the length may change."""
    plain = words.lower().replace("\u2019", "'").replace("\u2018", "'").replace("\u2013", "-").replace("\u2014", "-").replace("\u00a0", " ")
    return re.sub(r"\s+", " ", plain).strip()


def number(word: str) -> int:
    cleaned = word.strip().lower()
    return int(cleaned) if cleaned.isdigit() else NUMBERS[cleaned]


def day_number(word: str) -> int:
    cleaned = word.strip().lower()
    if cleaned in ORDINAL_NUMBERS:
        return ORDINAL_NUMBERS[cleaned]
    return int(re.sub(r"\D", "", cleaned))


def month_number(word: str) -> int:
    return MONTHS[word.strip(". ").lower()]


def read_ordinal(text: Text) -> int | None:
    """ "the second one", "number 3", "#2", "option b", "the last one" (-1)."""
    nth = any_of(ORDINALS[:10])
    match = text.find(
        rf"\b(?:the )?({nth}|\d{{1,2}}(?:st|nd|rd|th)) (?:one|option|choice|hotel|place|tour|restaurant|trip|boat|activity|of (?:them|those|these))\b"
    )
    match = match or text.find(
        rf"^(?:ok |okay |yes |instead |i'?ll take |let'?s (?:do|take) |give me |book |add |i want |i like )*(?:the )?({nth})(?: please)?[.!]?$"
    )
    match = match or text.find(
        rf"\b(?:book|add|take|want|like|choose|pick|details (?:of|on|for)|about|remove|select) (?:the )?({nth})\b(?! (?:of|\w+ber))"
    )
    if match:
        text.take(match, "ordinal")
        return day_number(match[1])
    match = text.find(r"\b(?:number|no\.?|option|nr\.?|choice|#) ?(\d{1,2}|one|two|three|four|five|six)\b") or text.find(
        r"(?<!\w)#(\d{1,2})\b"
    )
    if match:
        text.take(match, "ordinal")
        return number(match[1])
    match = text.find(r"\bthe (?:(late|later)|early|earlier|earliest) (?:one|time|slot|start|table|class|tour|train)\b")
    if match:
        text.take(match, "ordinal")
        return -1 if match[1] else 1
    match = text.find(
        r"(?<!at )\b(?:the )?(?<!at the )(?:(last|bottom|latest)|earliest|top)(?: (?:one|option|time|start|slot|table)|(?= please)|[.!]*$)"
    )
    if match and not text.find(r"\bthe \w+ (?:day|week|night|month)\b"):
        text.take(match, "ordinal")
        return -1 if match[1] else 1
    return None
