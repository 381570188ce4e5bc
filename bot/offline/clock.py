"""Reading times of day: "half past seven", "after five", "in the evening", "arrive by noon"."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bot.offline.numbers import NUMBERS, UNITS, Text, any_of, number

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
    shift: int = 0  # minutes: "an hour earlier" than what was said before


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


NO_COUNT = r"(?! ?(?:people|adults|guests|persons|euros?|eur|usd|dollars|pounds|nights?|days?|%|each|per|tickets?|seats?|rooms?|stars?|kids|children|minutes?|hours?|weeks?|of (?:them|those|these|the|your|my)|that)\b)"


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


def shifted(at: str, minutes: int) -> str:
    """HH:MM so many minutes later, within the same day."""
    hour, minute = map(int, at.split(":"))
    told = min(max(hour * 60 + minute + minutes, 0), 23 * 60 + 59)
    return f"{told // 60:02d}:{told % 60:02d}"


def _read_shift(text: Text) -> Clock | None:
    match = text.find(r"\b(?P<n>an|a|one|two|three|half an|\d{1,2}) (?P<unit>hour|minute)s? (?P<way>earlier|later|sooner)\b")
    if match is None:
        return None
    text.take(match, "time")
    count = {"an": 1.0, "a": 1.0, "one": 1.0, "two": 2.0, "three": 3.0, "half an": 0.5}.get(match["n"]) or float(match["n"])
    minutes = int(count * (60 if match["unit"] == "hour" else 1))
    return Clock(shift=minutes if match["way"] == "later" else -minutes)


def read_clock(text: Text, *, answering: bool = False) -> Clock:
    """A named time, or a part of the day, or both bounds of "after five". `answering` reads a bare number."""
    if moved := _read_shift(text):
        return moved
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
    match = text.find(rf"\b(?:(?:in|during|for|this|the|early|late|at) )*({any_of(PARTS_OF_DAY)})s?\b")
    if match:
        first, last = PARTS_OF_DAY[match[1]]
        if match[1] not in ("breakfast", "brunch", "lunch", "dinner", "sunset"):  # these say what, too
            text.take(match, "time")
        return Clock("", first, last)
    return Clock()


OR_SO = re.compile(
    r"^ ?(?:,|-)? ?or (?P<later>later|after(?:wards)?|thereafter|beyond)?(?P<earlier>earlier|before|sooner)?\b(?! (?:the|that|\d))"
)


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
                around = OR_SO.match(text.text[match.end() :])
                text.take(match, "time")
                if around and (around["later"] or around["earlier"]):
                    return "after" if around["later"] else "before", at
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


ARRIVING = re.compile(
    r"\b(?:arriv\w*|be (?:there|here|in|at|dropped)|get(?:s|ting)? (?:there|in|to|me)|reach\w*|(?<!pick me up )there|bring me|take me|make it)\b"
    r"(?P<rest>(?:(?!\bleav|\bdepart|\band i\b|;).)*)"
)


def read_arrival(text: Text) -> str:
    """HH:MM at the latest, of "arrive by 9:30"; taken out of the text so that it is no time of departure."""
    for match in ARRIVING.finditer(text.text):
        rest = Text(match["rest"])
        at = read_clock(rest)
        last = at.last if not at.first else at.at
        if last or at.at:
            start, end, _ = rest.taken[-1] if rest.taken else (0, len(match["rest"]), "")
            first = match.start("rest")
            text.taken.append((first + start, first + end, "time"))
            text.text = text.text[: first + start] + "\x1f" * (end - start) + text.text[first + end :]
            return last or at.at
    return ""
