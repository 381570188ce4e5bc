"""Reading days, ranges of days and nights out of ordinary English, relative to a given today. What is not clearly a day is no day."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta

from bot.offline.numbers import DAY, DAY_TH, MON, ORDINAL_NUMBERS, SMALL, WD, WEEKDAYS, YEAR, Text, day_number, month_number, number


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


def read_when(text: Text, today: date, trip: tuple[date, date] | None = None, *, staying: bool = False, latest: date | None = None) -> When:
    """Every day, range and number of nights in the sentence, put together.

    `trip` is the first and last day already talked about: "the 13th" and "on Friday" mean one of these days where they can.
    `latest` is the day talked about last: "the day after" follows it.
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
            one = _read_day(text, today, trip, latest)
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
            if _date(2028, month_number(match[month_at]), int(match[day_at])) is None:  # a leap year
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
        first = _coming(today, month_number(match[3]), day_number(match[1]), named["year1"])
        last = _coming(today, month_number(match[3]), day_number(match[2]), named["year1"])
    elif index == 1:
        first = _coming(today, month_number(match[1]), day_number(match[2]), named["year1"])
        last = _coming(today, month_number(match[1]), day_number(match[3]), named["year1"])
    elif index == 2:
        first = _coming(today, month_number(match[2]), day_number(match[1]), named["year1"])
        last = _coming(today, month_number(match[5]), day_number(match[4]), named["year2"] or named["year1"])
    elif index == 3:
        first = _coming(today, month_number(match[1]), day_number(match[2]), named["year1"])
        last = _coming(today, month_number(match[4]), day_number(match[5]), named["year2"] or named["year1"])
    elif index == 4:
        first, last = _iso(match[1]), _iso(match[2])
    elif index == 5:
        first = _coming_number(today, day_number(match[1]))
        last = None if first is None else _coming_number(first, day_number(match[2]))
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


def _read_day(text: Text, today: date, trip: tuple[date, date] | None = None, latest: date | None = None) -> When | None:
    """One day or one loose stretch ("next weekend", "in June")."""
    if found := _day_of_trip(text, today, trip, latest):
        return found
    for reader in (_exact_day, _holiday, _relative_day, _named_weekday, _stretch, _bare_number):
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
        found = _date(month.year, month.month, day_number(match[1]))
        if found is not None:
            text.take(match, "date")
            return When(found)
    match = text.find(rf"\b(?:on |for )?(?:the )?(?:{WD}),? (?:the )?({DAY_TH})\b(?!(?: of)? (?:{MON}))")
    if match:
        found = _coming_number(today, day_number(match[1]))
        if found is not None:
            text.take(match, "date")
            return When(found)
    for pattern, month_at, day_at in (
        (rf"\b(?:{WD},? )?(?:the )?({DAY})(?: of)? ({MON}){YEAR.format(1)}(?!\w)", 2, 1),
        (rf"\b(?:{WD},? )?({MON}) (?:the )?({DAY}){YEAR.format(1)}(?!\w)(?!\s*(?:people|adults|guests))", 1, 2),
    ):
        match = text.find(pattern)
        if match and not (match[month_at] == "may" and re.search(r"\b(?:i|we|you|he|she|they) $", text.text[: match.start()])):
            found = _coming(today, month_number(match[month_at]), day_number(match[day_at]), match["year1"])
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


LEAVE_TAKING = re.compile(
    r"\b(?:all (?:that )?(?:i|we)|that(?:'s| is| will be) (?:it|all)|everything|anything else|nothing else|done|all set|(?:thanks?|thank you) (?:so much |very much )?for)\b[^.?!]*$"
)
""" "That is all I need today" is no wish for today."""


AFTER_ARRIVAL = r"\b(?:on |for )?the (?:day|evening|morning) after (?:we|i) (?:arrive|get there|land)\b"
AFTER = r"\b(?:on |for )?the (?:day after(?: that| this)?|next day|following day)\b(?! tomorrow)"
BEFORE = r"\b(?:on |for )?the (?:day|evening|night|afternoon) before(?: that)?\b(?! yesterday)"
LAST_OF_TRIP = r"\b(?:on |for )?(?:the|our|my) last (?:day|night|evening|morning)\b"
FIRST_OF_TRIP = (
    r"\b(?:on |for )?(?:the|our|my) (?:first|arrival) (?:day|night|evening|afternoon)\b|\bthe day (?:we|i) (?:arrive|get there|land)\b"
)


def _day_of_trip(text: Text, today: date, trip: tuple[date, date] | None, latest: date | None) -> When | None:
    """ "The day after", "on our last evening": counted from the days talked about."""
    if trip is None:
        return None
    first, last = trip
    night = 1 if last > first else 0
    for pattern, day in (
        (FIRST_OF_TRIP, first),
        (AFTER_ARRIVAL, first + timedelta(days=1)),
        (AFTER, (latest or first) + timedelta(days=1)),
        (BEFORE, (latest or first) - timedelta(days=1)),
        (LAST_OF_TRIP, last),
    ):
        match = text.find(pattern)
        if match and day >= today:
            evening = bool(re.search(r"night|evening", match[0])) and pattern == LAST_OF_TRIP
            part = re.search(r"night|evening|afternoon|morning", match[0])
            _leave_time(text, match) if part else text.take(match, "date")
            return When(day - timedelta(days=night) if evening else day)
    return None


HOLIDAYS = {
    r"christmas eve|xmas eve": (12, 24), r"christmas(?: day)?|xmas": (12, 25), r"boxing day": (12, 26), r"new year'?s'? eve|nye|silvester": (12, 31),
    r"new year'?s(?:'? day)?|new year": (1, 1), r"valentine'?s(?: day)?": (2, 14), r"halloween": (10, 31), r"st\.? patrick'?s(?: day)?": (3, 17),
}  # fmt: skip


def _holiday(text: Text, today: date) -> When | None:
    """A day that everybody knows by its name."""
    for pattern, (month, day) in HOLIDAYS.items():
        match = text.find(rf"\b(?:on |for |at |over )?(?:the )?(?:{pattern})\b(?! (?:market|lights|menu|tree|dinner menu))")
        if match and (found := _coming(today, month, day, None)) is not None:
            text.take(match, "date")
            return When(found)
    return None


def _relative_day(text: Text, today: date) -> When | None:
    simple = (
        (r"\b(?:the )?day after tomorrow\b", 2),
        (r"\btomorrow(?: (?=night|evening|morning|afternoon))?\b|\btmrw\b|\btomorow\b|\btommorow\b|\btommorrow\b", 1),
        (
            r"\b(?:(?<!help )(?<!need )(?<!time )(?<!all )(?<!needs )(?<!hot )(?<!nice )today(?! and tomorrow)|tonight|this (?:evening|afternoon|morning)|later today|(?<!not )(?<!it )(?<!one )(?<!room )(?<!need )right now(?= for))\b",
            0,
        ),
        (r"\byesterday\b", -1),
        (r"\blast (?:week|night|weekend)\b(?! (?:of|in))", -7),
    )
    for pattern, days in simple:
        match = text.find(pattern)
        if match and days == 0 and LEAVE_TAKING.search(text.raw[: match.start()]):
            continue
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
        first = _coming(today, month_number(match[2]), 1, match[3]) or today
        if today.month == month_number(match[2]) and match[3] is None:
            first = today.replace(day=1)
        days = [first + timedelta(days=i) for i in range(31) if (first + timedelta(days=i)).month == first.month]
        saturdays = [day for day in days if day.weekday() == 5]
        start = saturdays[-1] if match[1] == "last" else saturdays[ORDINAL_NUMBERS[match[1]] - 1]
        text.take(match, "date")
        return When(start, start + timedelta(days=1), flexible=True)
    match = text.find(rf"\b(?:the )?weekend of (?:the )?({DAY_TH})\b(?!(?: of)? (?:{MON}))")
    if match and (found := _coming_number(today, day_number(match[1]))) is not None:
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
        first = _coming(today, month_number(match[2]), 1, match[3]) or today
        last = (first + timedelta(days=32)).replace(day=1) - timedelta(days=1)
        span = PARTS_OF_MONTH[match[1]]
        text.take(match, "date")
        begin = first + timedelta(days=span[0] - 1) if span[0] > 0 else last - timedelta(days=6)
        end = first + timedelta(days=span[1] - 1) if span[1] > 0 else last
        return When(max(begin, today), max(end, today), flexible=True)
    match = text.find(rf"\b(?:in|during|this|next|for|early|late|mid|of) ({MON})(?: (20\d\d))?(?!\w)")
    if match and not (match[1].startswith("mar") and match[1] not in ("mar", "march")):
        first = _coming(today, month_number(match[1]), 1, match[2]) or today
        if today.month == month_number(match[1]) and (match[2] is None or int(match[2]) == today.year):
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
    found = _coming_number(today, day_number(match[1]))
    if found is None:
        return None
    text.take(match, "date")
    return When(found)
