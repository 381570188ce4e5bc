"""Reading days, times, people and money out of ordinary English, relative to a given today.

Each reader returns values with the span they were read from, so that what one reader took, the next leaves alone.
Nothing here guesses: what is not clearly a day is no day.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta

UNITS = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
TENS = {"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90}
NUMBERS: dict[str, int] = {word: value for value, word in enumerate(UNITS)} | TENS
NUMBERS |= {f"{tens}{joint}{UNITS[unit]}": value + unit for tens, value in TENS.items() for joint in ("-", " ") for unit in range(1, 10)}
NUMBERS |= {"a couple of": 2, "couple of": 2, "a dozen": 12, "half a dozen": 6, "a hundred": 100, "one hundred": 100, "two hundred": 200}
NUMBERS |= {"three hundred": 300, "five hundred": 500, "a thousand": 1000, "one thousand": 1000}
ORDINALS = [
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
    "twelfth",
    "thirteenth",
    "fourteenth",
    "fifteenth",
    "sixteenth",
    "seventeenth",
    "eighteenth",
    "nineteenth",
    "twentieth",
]
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


def _any(words: object) -> str:
    return "|".join(sorted((re.escape(word) for word in words), key=len, reverse=True))  # type: ignore[attr-defined]


NUM = rf"(?:\d{{1,4}}|{_any(NUMBERS)})"
SMALL = rf"(?:\d{{1,3}}|{_any(NUMBERS)})"
WD = rf"(?:{_any(WEEKDAYS)})"
MON = rf"(?:{_any(MONTHS)})\.?"
DAY = rf"(?:\d{{1,2}}(?:st|nd|rd|th)?|{_any(ORDINAL_NUMBERS)})"
DAY_TH = rf"(?:\d{{1,2}}(?:st|nd|rd|th)|{_any(ORDINAL_NUMBERS)})"
YEAR = r"(?:,?\s*(?P<year{0}>20\d\d)\b)?"


@dataclass(frozen=True, slots=True)
class When:
    """Days the traveler named. `end` is the last day (of a stay: the day of departure); `past` marks a day that is over.

    `ambiguous` holds the other day a phrase such as "next Saturday" may mean; `impossible` the words of a day no calendar has;
    `backwards` says that the last day named lies before the first.
    """

    start: date | None = None
    end: date | None = None
    nights: int | None = None
    past: bool = False
    flexible: bool = False
    ambiguous: date | None = None
    end_said: bool = False  # the end was named, not counted from the nights
    impossible: str = ""
    backwards: bool = False


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


def _day_number(word: str) -> int:
    cleaned = word.strip().lower()
    if cleaned in ORDINAL_NUMBERS:
        return ORDINAL_NUMBERS[cleaned]
    return int(re.sub(r"\D", "", cleaned))


def _month(word: str) -> int:
    return MONTHS[word.strip(". ").lower()]


# ── days ──────────────────────────────────────────────────────────────────────────────────────────


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _coming(today: date, month: int, day: int, year: str | None) -> date | None:
    """The next day with this month and number; with a year, exactly that one."""
    if year:
        return _date(int(year), month, day)
    for candidate in (today.year, today.year + 1, today.year + 2, today.year + 3, today.year + 4):
        found = _date(candidate, month, day)
        if found is not None and found >= today:
            return found
    return None


def _coming_number(today: date, day: int) -> date | None:
    """The next day of a month with this number."""
    year, month = today.year, today.month
    for _ in range(13):
        found = _date(year, month, day)
        if found is not None and found >= today:
            return found
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    return None


def _weekday(today: date, index: int, how: str) -> tuple[date, date | None]:
    """(the day meant, the other reading). "next Saturday" is the one of next week; while this week's is still to come,
    that one is the other reading."""
    ahead = (index - today.weekday()) % 7
    if how == "next":
        monday = today + timedelta(days=7 - today.weekday())
        meant = monday + timedelta(days=index)
        nearer = today + timedelta(days=ahead or 7)
        return meant, (nearer if nearer != meant else None)
    if how == "after next":
        monday = today + timedelta(days=14 - today.weekday())
        return monday + timedelta(days=index), None
    return today + timedelta(days=ahead), None


def read_when(text: Text, today: date, trip: tuple[date, date] | None = None, *, staying: bool = False) -> When:
    """Every day, range and number of nights in the sentence, put together.

    `trip` is the first and last day already talked about: "the 13th" and "on Friday" mean one of these days where they can.
    """
    nights = _read_nights(text)
    if no_day := _impossible(text):
        return When(nights=nights, impossible=no_day)
    found = _read_range(text, today)
    if found is not None and found.backwards:
        return When(nights=nights, backwards=True)
    if found is None:
        days: list[date] = []
        last_day: date | None = None
        other: date | None = None
        for _ in range(4):
            one = _read_day(text, today, trip)
            if one is None:
                break
            if one.end is not None:
                found = None if days else one  # "a weekend, from Friday to Sunday": the named days count
                break
            if one.start is not None and _is_end(text, staying=staying):
                last_day = one.start
            elif one.start is not None:
                days.append(one.start)
                other = one.ambiguous or other
        if found is None and last_day is not None:
            if not days or last_day <= min(days):
                days = [day for day in days if day < last_day]
            found = When(min(days, default=None), last_day)
        if found is None and days:
            first, last = min(days), max(days)
            found = When(first, last if last != first else None, ambiguous=other if len(days) == 1 else None)
    if found is None:
        return When(nights=nights)
    end = found.end
    said = end is not None and not found.flexible
    if found.start is None:
        return When(None, end, nights, end_said=said)
    if nights is not None and (end is None or found.flexible):
        end = found.start + timedelta(days=nights)
    return When(found.start, end, nights, found.start < today, found.flexible, found.ambiguous, end_said=said)


ENDS_ON = re.compile(
    r"\b(?:until|untill|till|til|through|thru|up to|return(?:ing)?|com(?:e|ing) back|check(?:ing)?[ -]?out(?: date)?|drop(?:ping)?[ -]?(?:it |the car |this |that )?off(?: day)?(?: the car| it)?|bring it back|give it back)"
    r"(?: (?:is|will be|would be|by|on|it|date|to|the|at|for|until|till))*\W*$|\b(?:change|move|push)[^.]*check[- ]?out[^.]*to\W*$"
)


LEAVES_ON = re.compile(r"\b(?:leav\w+|depart\w*|going home|go home)(?: (?:on|the|by|it|us))*\W*$")


def _is_end(text: Text, *, staying: bool) -> bool:
    """Was the day read last named as the last one: "until Friday", "returning on the 8th", of a stay "leaving on Friday"?"""
    start, end, _ = text.taken[-1]
    inside = re.match(r"(?:until|till|til|through|up to)\b", text.raw[start:end])
    before = text.raw[max(0, start - 48) : start]
    return bool(inside or ENDS_ON.search(before) or (staying and LEAVES_ON.search(before)))


def _impossible(text: Text) -> str:
    """ "31 February", "the 32nd of March", "2027-02-30": the words, where a month is named that has no such day."""
    for pattern, day_at, month_at in (
        (rf"\b(\d{{1,2}})(?:st|nd|rd|th)?(?: of)? ({MON})(?!\w)", 1, 2),
        (rf"\b({MON}) (\d{{1,2}})(?:st|nd|rd|th)?(?![\d:])\b(?!\s*(?:people|adults|guests|persons|pm|am|nights?))", 2, 1),
    ):
        for match in text.finditer(pattern):
            if match[month_at] == "may" and re.search(r"\b(?:i|we|you|he|she|they) $", text.text[: match.start()]):
                continue
            if _date(2028, _month(match[month_at]), int(match[day_at])) is None:  # a leap year
                return f"{int(match[day_at])} {match[month_at].strip('. ').title()}"
    for match in text.finditer(r"\b(20\d\d-\d\d-\d\d)\b"):
        if _iso(match[1]) is None:
            return match[1]
    return ""


def _read_nights(text: Text) -> int | None:
    patterns = (
        (rf"(?<![:.\d])(?<!\d )\b(?:for )?(?:a |the )?(?:total of )?({SMALL})(?: |-|)nights?\b", 1),
        (r"\b(?:for )?(?:just |only )?(?:a|one) (?:single )?night\b", 0),
        (r"\b(?:for|spend(?:ing)?|stay(?:ing)?) (?:a|one|the whole) week\b", 7),
        (rf"\bfor ({SMALL}) weeks\b", -7),
        (rf"\b(?:stay(?:ing)? (?:for )?|for |(?:total|duration) of |leav\w+ after )({SMALL}) days?\b", 1),
        (
            rf"(?<!in )(?<!within )(?<!next )(?<!every )\b({SMALL}) days?\b(?! (?:ago|from (?:now|today)|later|before|after|ahead|advance|pass|old|in advance|notice|trip|tour))",
            1,
        ),
        (r"\b(?:for )?a fortnight\b", 14),
        (r"\bfor (?:a|one) day\b", 0),
    )
    for pattern, kind in patterns:
        match = text.find(pattern)
        if match is None:
            continue
        text.take(match, "nights")
        if kind in (7, 14):
            return kind
        if kind == 0:
            return 1
        value = number(match[1])
        return value * 7 if kind == -7 else value
    return None


def _read_range(text: Text, today: date) -> When | None:
    """ "5-8 December", "from the 5th to the 8th", "Dec 5 to 8", "Friday to Sunday", "between 3 and 6 June", ISO pairs."""
    joint = r"\s*(?:-|to|until|till|through|thru|and)\s*(?:the )?"
    tries = (
        rf"\b(?:from |between )?(?:the )?({DAY}){joint}({DAY})(?: of)? ({MON}){YEAR.format(1)}\b",
        rf"\b(?:from |between )?({MON}) (?:the )?({DAY}){joint}({DAY}){YEAR.format(1)}(?!\s*(?:people|adults|guests|pm|am))\b",
        rf"\b(?:from |between )?(?:the )?({DAY})(?: of)? ({MON}){YEAR.format(1)}{joint}({DAY})(?: of)? ({MON}){YEAR.format(2)}\b",
        rf"\b(?:from |between )?({MON}) (?:the )?({DAY}){YEAR.format(1)}{joint}({MON}) (?:the )?({DAY}){YEAR.format(2)}\b",
        r"\b(?:from |between )?(20\d\d-\d\d-\d\d)\s*(?:-|to|until|till|and)\s*(20\d\d-\d\d-\d\d)\b",
        rf"\b(?:from |between )?(?:the )?({DAY_TH})\s*(?:-|to|until|till|through|and)\s*(?:the )?({DAY_TH})\b",
        rf"\b(?:from |between )?(this |next )?({WD})\s*(?:-|to|until|till|through)\s*(?:the )?(?:following |next )?({WD})\b",
    )
    for index, pattern in enumerate(tries):
        match = text.find(pattern)
        if match is None:
            continue
        found = _range_of(index, match, today)
        if found is not None:
            text.take(match, "date")
            return found
    return None


def _range_of(index: int, match: re.Match[str], today: date) -> When | None:
    named = match.groupdict()
    if index == 0:
        first = _coming(today, _month(match[3]), _day_number(match[1]), named["year1"])
        last = _coming(today, _month(match[3]), _day_number(match[2]), named["year1"])
    elif index == 1:
        first = _coming(today, _month(match[1]), _day_number(match[2]), named["year1"])
        last = _coming(today, _month(match[1]), _day_number(match[3]), named["year1"])
    elif index == 2:
        first = _coming(today, _month(match[2]), _day_number(match[1]), named["year1"])
        last = _coming(today, _month(match[5]), _day_number(match[4]), named["year2"] or named["year1"])
    elif index == 3:
        first = _coming(today, _month(match[1]), _day_number(match[2]), named["year1"])
        last = _coming(today, _month(match[4]), _day_number(match[5]), named["year2"] or named["year1"])
    elif index == 4:
        first, last = _iso(match[1]), _iso(match[2])
    elif index == 5:
        first = _coming_number(today, _day_number(match[1]))
        last = None if first is None else _coming_number(first, _day_number(match[2]))
    else:
        first, _ = _weekday(today, WEEKDAYS[match[2]], (match[1] or "").strip())
        last = first + timedelta(days=(WEEKDAYS[match[3]] - first.weekday()) % 7 or 7)
    if first is None or last is None:
        return None
    if last < first or (last - first).days > 300:
        if index in (0, 1, 2, 3) and first.month == last.month and first.day > last.day:
            return When(backwards=True)
        later = _date(last.year + 1, last.month, last.day) if last < first else last
        last = later if later is not None and later > first else last
    return When(first, last) if last >= first else None


def _iso(word: str) -> date | None:
    try:
        return date.fromisoformat(word)
    except ValueError:
        return None


def _read_day(text: Text, today: date, trip: tuple[date, date] | None = None) -> When | None:
    """One day or one loose stretch ("next weekend", "in June")."""
    for reader in (_exact_day, _relative_day, _named_weekday, _stretch, _bare_number):
        found = reader(text, today)
        if found is not None:
            return _in_trip(found, trip, by_number=reader is _bare_number) if reader in (_named_weekday, _bare_number) else found
    return None


def _in_trip(found: When, trip: tuple[date, date] | None, *, by_number: bool) -> When:
    """The same number or weekday within the days talked about, where exactly one of them is it."""
    if trip is None or found.start is None or found.ambiguous or trip[0] <= found.start <= trip[1]:
        return found
    first = trip[0] if not by_number else trip[0].replace(day=1)
    days = [first + timedelta(days=i) for i in range(31 if by_number else min(7, (trip[1] - trip[0]).days + 1))]
    same = [day for day in days if (day.day == found.start.day if by_number else day.weekday() == found.start.weekday())]
    return When(same[0]) if len(same) == 1 and same[0] >= found.start else found


def _exact_day(text: Text, today: date) -> When | None:
    match = text.find(r"\b(20\d\d-\d\d-\d\d)\b")
    if match:
        text.take(match, "date")
        found = _iso(match[1])
        return When(found) if found else None
    match = text.find(rf"\b(?:on |for |by )?(?:the )?({DAY}) of (this|the|next|current) month\b")
    if match:
        month = today.replace(day=1) if match[2] != "next" else (today.replace(day=1) + timedelta(days=32)).replace(day=1)
        found = _date(month.year, month.month, _day_number(match[1]))
        if found is not None:
            text.take(match, "date")
            return When(found)
    match = text.find(rf"\b(?:on |for )?(?:the )?(?:{WD}),? (?:the )?({DAY_TH})\b(?!(?: of)? (?:{MON}))")
    if match:
        found = _coming_number(today, _day_number(match[1]))
        if found is not None:
            text.take(match, "date")
            return When(found)
    for pattern, month_at, day_at in (
        (rf"\b(?:{WD},? )?(?:the )?({DAY})(?: of)? ({MON}){YEAR.format(1)}(?!\w)", 2, 1),
        (rf"\b(?:{WD},? )?({MON}) (?:the )?({DAY}){YEAR.format(1)}(?!\w)(?!\s*(?:people|adults|guests))", 1, 2),
    ):
        match = text.find(pattern)
        if match and not (match[month_at] == "may" and re.search(r"\b(?:i|we|you|he|she|they) $", text.text[: match.start()])):
            found = _coming(today, _month(match[month_at]), _day_number(match[day_at]), match["year1"])
            if found is not None:
                text.take(match, "date")
                return When(found)
    match = text.find(r"\b(\d{1,2})[/.](\d{1,2})(?:[/.](20\d\d|\d\d))?(?![\d:])\b")
    if match:
        one, two = int(match[1]), int(match[2])
        day, of_month = (one, two) if two <= 12 else (two, one)  # day first, as most of the world writes
        year = match[3] if match[3] is None or len(match[3]) == 4 else "20" + match[3]
        found = _coming(today, of_month, day, year) if 1 <= of_month <= 12 else None
        if found is not None:
            text.take(match, "date")
            return When(found)
    return None


def _relative_day(text: Text, today: date) -> When | None:
    simple = (
        (r"\b(?:the )?day after tomorrow\b", 2),
        (r"\btomorrow(?: (?=night|evening|morning|afternoon))?\b|\btmrw\b|\btomorow\b|\btommorow\b|\btommorrow\b", 1),
        (
            r"\b(?:(?<!help )(?<!need )(?<!time )(?<!all )(?<!needs )today(?! and tomorrow)|tonight|this (?:evening|afternoon|morning)|later today|(?<!not )(?<!it )(?<!one )(?<!room )(?<!need )right now(?= for))\b",
            0,
        ),
        (r"\byesterday\b", -1),
        (r"\blast (?:week|night|weekend)\b(?! (?:of|in))", -7),
    )
    for pattern, days in simple:
        match = text.find(pattern)
        if match:
            if "night" in match[0] or "evening" in match[0] or "afternoon" in match[0] or "morning" in match[0]:
                _leave_time(text, match)
            else:
                text.take(match, "date")
            return When(today + timedelta(days=days))
    match = text.find(
        rf"\bin ({SMALL}) (day|week|month)s?(?: time)?\b|\bin a (day|week|month)(?: time)?\b|\b({SMALL}) (day|week)s? from (?:now|today)\b"
    )
    if match:
        count = number(match[1] or match[4] or "1")
        unit = match[2] or match[3] or match[5]
        text.take(match, "date")
        return When(today + timedelta(days=count * {"day": 1, "week": 7, "month": 30}[unit]))
    return None


def _leave_time(text: Text, match: re.Match[str]) -> None:
    """Take "this"/"to" but leave the part of the day for the time reader."""
    whole = match[0]
    part = next(word for word in ("night", "evening", "afternoon", "morning") if word in whole)
    replaced = (part if part != "night" else "night").rjust(len(whole), "\x1f")
    text.taken.append((match.start(), match.end(), "date"))
    text.text = text.text[: match.start()] + replaced + text.text[match.end() :]


def _named_weekday(text: Text, today: date) -> When | None:
    match = text.find(rf"\blast ({WD})\b(?! (?:of|in))")
    if match:
        text.take(match, "date")
        return When(today - timedelta(days=(today.weekday() - WEEKDAYS[match[1]] - 1) % 7 + 1))
    match = text.find(rf"\b(?:the )?({WD}) (?:of )?(next|this|the following) week\b")
    if match:
        text.take(match, "date")
        monday = today - timedelta(days=today.weekday()) + timedelta(days=0 if match[2] == "this" else 7)
        return When(monday + timedelta(days=WEEKDAYS[match[1]]))
    match = text.find(rf"\b(?:the )?({WD}) after next\b")
    if match:
        text.take(match, "date")
        return When(_weekday(today, WEEKDAYS[match[1]], "after next")[0])
    match = text.find(
        rf"\b(?:on |for |by |coming )?(?:the )?(this coming |this |next |coming |following )?({WD})\b(?!\s*(?:street|market\b))"
    )
    if (match and match[2] not in ("sat", "sun", "mar", "may", "wed")) or (
        match and re.search(r"\b(?:on|this|next|for|by) \w*$", match[0])
    ):
        text.take(match, "date")
        meant, other = _weekday(today, WEEKDAYS[match[2]], "next" if (match[1] or "").strip() == "next" else "")
        return When(meant, ambiguous=other)
    match = text.find(r"(?:^|[ ,(])(sat|sun|wed)(?=$|[ ,.!?)])")
    if match and not re.search(r"\bthe $", text.text[: match.start() + 1]):
        text.take(match, "date")
        return When(_weekday(today, WEEKDAYS[match[1]], "")[0])
    return None


PARTS_OF_MONTH = {
    "first": (1, 7), "second": (8, 14), "third": (15, 21), "fourth": (22, 28), "last": (0, 0), "early": (1, 10), "beginning": (1, 10),
    "start": (1, 10), "mid": (11, 20), "middle": (11, 20), "late": (21, 0), "end": (21, 0),
}  # fmt: skip
"""First and last day of "the second week of March", "late May"; 0 counts from the month's end."""


def _stretch(text: Text, today: date) -> When | None:
    saturday = today + timedelta(days=(5 - today.weekday()) % 7)
    if today.weekday() == 6:
        saturday = today - timedelta(days=1)
    match = text.find(rf"\b(?:on |over |for |in )?(?:the )?(first|second|third|fourth|last) weekend (?:of|in) ({MON})(?: (20\d\d))?(?!\w)")
    if match:
        first = _coming(today, _month(match[2]), 1, match[3]) or today
        if today.month == _month(match[2]) and match[3] is None:
            first = today.replace(day=1)
        days = [first + timedelta(days=i) for i in range(31) if (first + timedelta(days=i)).month == first.month]
        saturdays = [day for day in days if day.weekday() == 5]
        start = saturdays[-1] if match[1] == "last" else saturdays[ORDINAL_NUMBERS[match[1]] - 1]
        text.take(match, "date")
        return When(start, start + timedelta(days=1), flexible=True)
    match = text.find(rf"\b(?:the )?weekend of (?:the )?({DAY_TH})\b(?!(?: of)? (?:{MON}))")
    if match and (found := _coming_number(today, _day_number(match[1]))) is not None:
        text.take(match, "date")
        return When(found)
    match = text.find(r"\b(?:at |over |for |on )?(this |the |next |coming )?(?:coming )?weekend\b")
    if match:
        text.take(match, "date")
        start = saturday + timedelta(days=7 if (match[1] or "").strip() == "next" else 0)
        return When(max(start, today), start + timedelta(days=1), flexible=True)
    match = text.find(r"\b(?:sometime |some time |any ?time |any day |one day )?(this|next) (week|month)\b")
    if match:
        text.take(match, "date")
        if match[2] == "week":
            monday = today - timedelta(days=today.weekday()) + timedelta(days=0 if match[1] == "this" else 7)
            return When(max(today, monday), monday + timedelta(days=6), flexible=True)
        first = today if match[1] == "this" else (today.replace(day=1) + timedelta(days=32)).replace(day=1)
        last = (first.replace(day=1) + timedelta(days=32)).replace(day=1) - timedelta(days=1)
        return When(first, last, flexible=True)
    match = text.find(
        rf"\b(?:in |during |for )?(?:the )?(first|second|third|fourth|last|early|mid|late|beginning|start|middle|end)(?: week)?(?:[ -](?:of|in))?[ -]({MON})(?: (20\d\d))?(?!\w)"
    )
    if match:
        first = _coming(today, _month(match[2]), 1, match[3]) or today
        last = (first + timedelta(days=32)).replace(day=1) - timedelta(days=1)
        span = PARTS_OF_MONTH[match[1]]
        text.take(match, "date")
        begin = first + timedelta(days=span[0] - 1) if span[0] > 0 else last - timedelta(days=6)
        end = first + timedelta(days=span[1] - 1) if span[1] > 0 else last
        return When(max(begin, today), max(end, today), flexible=True)
    match = text.find(rf"\b(?:in|during|this|next|for|early|late|mid|of) ({MON})(?: (20\d\d))?(?!\w)")
    if match and not (match[1].startswith("mar") and match[1] not in ("mar", "march")):
        first = _coming(today, _month(match[1]), 1, match[2]) or today
        if today.month == _month(match[1]) and (match[2] is None or int(match[2]) == today.year):
            first = today
        last = (first.replace(day=1) + timedelta(days=32)).replace(day=1) - timedelta(days=1)
        text.take(match, "date")
        return When(first, last, flexible=True)
    return None


def _bare_number(text: Text, today: date) -> When | None:
    match = text.find(rf"\b(?:on |from |until |till |by )?the ({DAY_TH})(?!\s*(?:one|option|hotel|tour|time|floor|of\b))\b")
    if match is None:
        match = text.find(
            r"\b(?:on|from|until|till|by|for)? ?(?:the )?(\d{1,2}(?:st|nd|rd|th))\b(?!\s*(?:one|option|hotel|tour|time|floor))"
        )
    if match is None or (match[1].isalpha() and not re.match(r"\b(?:on|from|until|till|by)", match[0])):
        return None
    found = _coming_number(today, _day_number(match[1]))
    if found is None:
        return None
    text.take(match, "date")
    return When(found)


# ── times ─────────────────────────────────────────────────────────────────────────────────────────

PARTS_OF_DAY = {
    "morning": ("05:00", "11:59"),
    "breakfast": ("06:00", "11:00"),
    "brunch": ("09:00", "14:00"),
    "lunch": ("11:30", "15:00"),
    "lunchtime": ("11:30", "15:00"),
    "midday": ("11:00", "14:00"),
    "afternoon": ("12:00", "17:59"),
    "sunset": ("15:30", "21:30"),
    "evening": ("17:00", "23:59"),
    "dinner": ("17:30", "23:00"),
    "night": ("18:00", "23:59"),
}


@dataclass(frozen=True, slots=True)
class Clock:
    """`at` is a time somebody named ("19:30"); `first` and `last` bound a part of the day."""

    at: str = ""
    first: str = ""
    last: str = ""


def _hhmm(hour: str, minute: str | None, half: str | None, *, evening: bool = False) -> str | None:
    h, m = int(hour), int(minute or 0)
    if half:
        h = h % 12 + (12 if half.startswith("p") else 0)
    elif evening and 1 <= h <= 11:
        h += 12
    if h > 23 or m > 59:
        return None
    return f"{h:02d}:{m:02d}"


HOUR = rf"\d{{1,2}}|{'|'.join(UNITS[1:13])}"
PRE = r"(?P<pre>after|before|by|from|until|till|at|around|about|for|@|past)?"
HALF = r"(?P<half>a\.?m\b\.?|p\.?m\b\.?)"
NO_COUNT = r"(?! ?(?:people|adults|guests|persons|euros?|eur|usd|dollars|pounds|nights?|days?|%|each|per|tickets?|seats?|rooms?|stars?|kids|children|minutes?|hours?|weeks?)\b)"
MINUTES = {"half": 30, "quarter": 15, "a quarter": 15, "five": 5, "ten": 10, "twenty": 20, "twenty five": 25, "twenty-five": 25}
CLOCKS = (
    rf"\b{PRE} ?(?P<q>half|(?:a )?quarter|[0-5]?[05]|five|ten|twenty(?:[ -]five)?)(?: minutes?)? (?P<dir>past|to|till|of)(?<!\d of) (?P<h>{HOUR}|0)\b(?P<m>) ?{HALF}?{NO_COUNT}",
    rf"\b{PRE} ?(?P<h>\d{{1,2}})[:.h](?P<m>\d\d) ?{HALF}?(?!\d|/\d)",
    rf"\b{PRE} ?(?P<h>\d{{1,2}})(?P<m>\d\d) ?{HALF}(?!\w)",
    rf"\b{PRE} ?(?P<h>{HOUR})(?: ?o'?clock)? ?(?P<m>){HALF}(?!\w)",
    rf"\b{PRE} ?(?P<h>\d{{1,2}}) (?P<m>[0-5]\d)(?P<half>)(?= ?(?:a\.?m|p\.?m|(?:in the |at |o'?clock )?(?:morning|afternoon|evening|night)))",
    r"(?:\b(?P<pre>at|by|after|before|around|about) |^)(?P<h>\d{1,2}) (?P<m>[0-5]\d)(?P<half>)(?![\d:/])\b" + NO_COUNT,
    rf"\b{PRE} ?(?P<h>{'|'.join(UNITS[1:13])})[ -](?P<m>thirty|fifteen|forty[- ]five|twenty)(?P<half>)\b{NO_COUNT}",
    rf"\b{PRE} ?(?:the )?(?P<h>{HOUR})(?P<m>)(?P<half>)(?:-?ish\b)",
    rf"\b{PRE} ?(?P<h>{HOUR})(?P<m>)(?P<half>)(?: ?o'?clock)?(?= (?:in the )(?:morning|afternoon|evening)\b| at night\b)",
    rf"\b(?P<pre>after|before|by|at|around|about|@) ?(?P<h>{HOUR})(?P<m>)(?P<half>)(?: ?o'?clock)?(?![\d\w%€$£/]|[.,]\d){NO_COUNT}(?! \w+ (?:street|road|avenue))",
    rf"\b(?P<pre>)(?P<h>{HOUR})(?P<m>)(?P<half>) ?o'?clock\b",
    rf"\b(?:afternoon|evening|morning) (?P<pre>)(?P<h>\d{{1,2}})(?P<m>)(?P<half>)\b{NO_COUNT}",
)
"""Every way a time of day is written, the surest first."""
PART_AFTER = re.compile(r"^\W*(?:o'?clock)?\W*(?:in the|at|tomorrow|this|on \w+|\x1f+)?\W*(?P<part>morning|afternoon|evening|night)")


def read_clock(text: Text, *, answering: bool = False) -> Clock:
    """A named time, or a part of the day, or both bounds of "after five". `answering` reads a bare number."""
    between = text.find(
        r"\bbetween (\d{1,2})(?:[:.](\d\d))? ?(?:a\.?m\.?|p\.?m\.?)? and (\d{1,2})(?:[:.](\d\d))? ?(?P<half>a\.?m\b|p\.?m\b|o'?clock)?(?! ?(?:of|people|adults|euros?|dollars|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec))(?!\w)"
    )
    if between and int(between[1]) < int(between[3]) <= 24:
        text.take(between, "time")
        add = 12 if (between["half"] or "").startswith("p") and int(between[3]) < 12 else 0
        return Clock("", f"{int(between[1]) + add:02d}:{between[2] or '00'}", f"{min(23, int(between[3]) + add):02d}:{between[4] or '00'}")
    named = _named_time(text, answering=answering)
    if named is not None:
        pre, at = named
        _drop_part(text)
        if pre in ("after", "from"):
            return Clock("", at, "")
        if pre in ("before", "by", "until", "till"):
            return Clock("", "", at)
        return Clock(at)
    match = text.find(r"\b(?:at |around )?(noon|midday|midnight)\b")
    if match and match[1] != "midday":
        text.take(match, "time")
        return Clock("12:00" if match[1] == "noon" else "00:00")
    match = text.find(rf"\b(?:(?:in|during|for|this|the|early|late|at) )*({_any(PARTS_OF_DAY)})s?\b")
    if match:
        first, last = PARTS_OF_DAY[match[1]]
        if match[1] not in ("breakfast", "brunch", "lunch", "dinner", "sunset"):  # these say what, too
            text.take(match, "time")
        return Clock("", first, last)
    return Clock()


def _named_time(text: Text, *, answering: bool = False) -> tuple[str, str] | None:
    """(the word before, HH:MM) of the first time of day, taken out of the text."""
    patterns = (*CLOCKS, r"^\W*(?P<pre>)(?P<h>\d{1,2})(?P<m>)(?P<half>)(?: ?o'?clock)?(?: please)?\W*$") if answering else CLOCKS
    for pattern in patterns:
        for match in text.finditer(pattern):
            if re.fullmatch(r"\d{1,2}\.\d\d", match[0].strip()):
                continue  # 12.50 is money before it is a time
            groups = match.groupdict()
            if (
                groups.get("dir") == "to"
                and groups["q"].isdigit()
                and re.search(r"\b(?:from|between|for) $", text.text[: match.start()] + " ")
            ):
                continue  # "from 5 to 8"
            at = _time_of(text, match)
            if at is not None:
                text.take(match, "time")
                return (groups["pre"] or "").strip(), at
    return None


def _time_of(text: Text, match: re.Match[str]) -> str | None:
    groups = match.groupdict()
    hour = number(groups["h"])
    minute = int(groups["m"]) if (groups["m"] or "").isdigit() else NUMBERS.get((groups["m"] or "").replace("-", " "), 0)
    if groups.get("q"):
        said = groups["q"]
        minute = int(said) if said.isdigit() else MINUTES[said]
        if groups["dir"] in ("to", "till", "of"):
            hour, minute = (hour - 1) % 24, 60 - minute
    if hour > 23 or minute > 59:
        return None
    half = (groups["half"] or "").replace(".", "")
    around = PART_AFTER.match(text.text[match.end() :]) or re.search(
        r"\b(?P<part>morning|afternoon|evening|night) $",
        text.text[: match.start()] + ("" if match[0].startswith(("morning", "afternoon", "evening")) else " "),
    )
    part = around["part"] if around else next((word for word in ("morning", "afternoon", "evening") if match[0].startswith(word)), "")
    if half == "am" or part == "morning":
        return f"{0 if hour == 12 and half == 'am' else hour:02d}:{minute:02d}"
    if half == "pm":
        return f"{hour if hour >= 12 else hour + 12:02d}:{minute:02d}"
    late = bool(text.find(r"\b(?:evening|tonight|night|dinner|supper)\b"))
    noon = bool(text.find(r"\b(?:afternoon|lunch)\b"))
    if part in ("evening", "afternoon") or (part == "night" and hour >= 5):
        return f"{hour if hour >= 12 else hour + 12:02d}:{minute:02d}"
    if part == "night":
        return f"{hour % 12:02d}:{minute:02d}"
    written = len(groups["h"]) == 2 and groups["h"].startswith("0")
    if 1 <= hour <= 11 and not written and (late or (noon and hour < 8)):
        hour += 12
    elif not late and not noon and 1 <= hour <= 6 and not written:
        hour += 12  # nobody starts at three in the night
    return f"{hour:02d}:{minute:02d}"


def _drop_part(text: Text) -> None:
    match = text.find(r"\b(?:in the |tomorrow )?(?:morning|evening|afternoon|night)\b")
    if match:
        text.take(match, "time")


# ── people ────────────────────────────────────────────────────────────────────────────────────────

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
        match = text.find(rf"\b(?:there(?:'ll| will) be|only) ({SMALL})(?: of us)?\b(?= (?:of us|will|are|now|coming|in total)|\W*$)")
    if match:
        text.take(match, "people")
        total = number(next(group for group in match.groups() if group))
    partner = r"(?:wife|husband|partner|girlfriend|boyfriend|fianc[eé]e?|spouse|mom|mum|mother|dad|father|sister|brother|friend|son|daughter|boss|colleague)"
    match = text.find(
        rf"\b(?:me|myself|i) (?:and|with|\+|&) (?:my |a )({partner})\b|\bmy ({partner}) (?:and|&|\+) (?:me|i|myself)\b|\bwith my ({partner})\b"
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


# ── money ─────────────────────────────────────────────────────────────────────────────────────────

CURRENCIES = {
    "€": "EUR", "euro": "EUR", "euros": "EUR", "eur": "EUR", "$": "USD", "usd": "USD", "dollar": "USD", "dollars": "USD", "bucks": "USD",
    "£": "GBP", "gbp": "GBP", "pound": "GBP", "pounds": "GBP", "quid": "GBP", "¥": "JPY", "yen": "JPY", "jpy": "JPY", "baht": "THB",
    "thb": "THB", "dirham": "MAD", "dirhams": "MAD", "mad": "MAD", "peso": "MXN", "pesos": "MXN", "mxn": "MXN", "rand": "ZAR", "zar": "ZAR",
    "isk": "ISK", "krona": "ISK", "kronur": "ISK", "chf": "CHF", "francs": "CHF",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Budget:
    """`amount` whole units; `currency` "" where none was named; `per` total, person or night; `level` cheap ... luxury."""

    amount: int | None = None
    currency: str = ""
    per: str = "total"
    level: str = ""


def read_budget(text: Text) -> Budget:
    """A limit ("under 80 euros", "max 50 pp", "budget of 2k"), or a level ("cheap", "something fancy")."""
    symbol = r"[€$£¥]"
    word = rf"(?:{_any(w for w in CURRENCIES if w.isalpha())})"
    amount = rf"(?P<pre>{symbol})? ?(?P<n>\d{{1,3}}(?:[.,]\d{{3}})+|\d+(?:[.,]\d{{1,2}})?) ?(?P<k>k\b)? ?(?P<post>{symbol}|{word}\b)?"
    limit = r"(?:under|below|less than|up to|no more than|not more than|at most|max(?:imum)?(?: of)?|within|cheaper than|around|about|budget(?: is| of|:| around| about)?(?: of)?|spend(?: up to| around| about)?|for less than|<|afford(?: up to)?|over)"
    each = r"(?: ?(?P<per>per person|a person|each|pp|p\.p\.|per head|a head|per night|a night|nightly|/ ?night|/ ?person|per adult|in total|total|altogether|all in|for (?:both|all|everything)))?"
    match = text.find(rf"(?:\b|(?<=\s)|^){limit} (?:of |about |around |a |the )?{amount}{each}")
    if match is None:
        match = text.find(
            rf"(?:\b|(?<=\s)|^){amount.replace('?P<post>', '?P<post>').replace('(?P<pre>' + symbol + ')?', '(?P<pre>' + symbol + ')')}{each}(?: (?:max|or less|budget|tops|at most|limit))?"
        )
    if match is None:
        match = text.find(
            rf"\b(?P<pre>)(?P<n>\d+(?:[.,]\d{{1,2}})?) ?(?P<k>k\b)? ?(?P<post>{symbol}|{word}\b){each}(?: (?:max|or less|budget|tops|at most|limit))?"
        )
    if match is None:
        match = text.find(r"\b(?P<pre>)(?P<n>\d+)(?P<k>)(?P<post>) (?:max\b|or less|budget|tops)(?P<per>)")
    if match:
        raw = match["n"]
        raw = re.sub(r"[.,](?=\d{3}\b)", "", raw) if re.search(r"[.,]\d{3}\b", raw) else raw.split(",")[0].split(".")[0]
        value = int(raw) * (1000 if match["k"] else 1)
        marked = match["pre"] or match["post"] or ""
        named = bool(marked or match["k"]) or bool(re.search(r"budget|spend|afford|cheaper|per person|night|each|pp", match[0]))
        looks_like_hour = not named and value <= 24 and re.match(r"\s*(?:around|about)", match[0])
        if not looks_like_hour and value > 0:
            text.take(match, "budget")
            said = match["per"] or ""
            per = "night" if "night" in said else "person" if re.search(r"person|each|pp|p\.p|head|adult", said) else "total"
            return Budget(value, CURRENCIES.get(marked, ""), per)
    match = text.find(
        r"\b(?:not (?:too )?expensive|cheap(?:er|est)?|budget(?:-friendly)?|inexpensive|affordable|low[- ]cost|low budget|economical|free)\b"
    )
    if match:
        if "free" in match[0]:
            return Budget()
        text.take(match, "budget")
        return Budget(level="cheap")
    match = text.find(r"\b(?:luxur(?:y|ious)|fancy|high[- ]end|five[- ]star|5[- ]star|upscale|posh|splurge|expensive)\b")
    if match:
        return Budget(level="luxury")
    return Budget()


# ── choosing ──────────────────────────────────────────────────────────────────────────────────────


def read_ordinal(text: Text) -> int | None:
    """ "the second one", "number 3", "#2", "option b", "the last one" (-1)."""
    nth = _any(ORDINALS[:10])
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
        return _day_number(match[1])
    match = text.find(r"\b(?:number|no\.?|option|nr\.?|choice|#) ?(\d{1,2}|one|two|three|four|five|six)\b") or text.find(
        r"(?<!\w)#(\d{1,2})\b"
    )
    if match:
        text.take(match, "ordinal")
        return number(match[1])
    match = text.find(r"\b(?:the )?(?:(last|bottom|latest)|earliest|top)(?: (?:one|option|time|start|slot|table)|(?= please)|[.!]*$)")
    if match and not text.find(r"\bthe \w+ (?:day|week|night|month)\b"):
        text.take(match, "ordinal")
        return -1 if match[1] else 1
    return None
