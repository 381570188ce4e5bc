"""How people write weekdays, days, start times and refund tiers, read into values and written back the same way.

`mon-fri sun`, `2027-06-15` or every year's `06-15`, `09:00|13:30=13:30+16:00`, `48h:100%|24h:50%`. JSON may also use
lists and objects; a CSV cell uses these short forms.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from pydantic_core import PydanticCustomError

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
EVERY_DAY = 127
YEARS_BACK, YEARS_AHEAD = 1, 3  # yearly stretches are laid out this far around the day of the import
TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
YEARLY = re.compile(r"\d\d-\d\d")


def expected(what: str) -> PydanticCustomError:
    """A fault of one value, said as what should have stood there."""
    return PydanticCustomError("expected", "{what}", {"what": what})


def read_list(value: Any) -> Any:
    """`a|b|c` as a list; a list stays one."""
    if isinstance(value, str):
        return [part.strip() for part in value.split("|") if part.strip()]
    return value


def read_weekdays(value: Any) -> int:
    """`mon-fri sun`, `mon,wed` or a list of day names as a bit set, bit 0 = Monday."""
    what = 'weekdays such as mon-fri, sat,sun or ["mon", "wed"]'
    parts = re.split(r"[\s,|]+", value.strip().lower()) if isinstance(value, str) else value
    if not isinstance(parts, Sequence) or not parts:
        raise expected(what)
    bits = 0
    for part in parts:
        first, dash, last = str(part).strip().lower().partition("-")
        if first not in DAYS or (dash and last not in DAYS):
            raise expected(what)
        at = DAYS.index(first)
        length = (DAYS.index(last) - at) % 7 if dash else 0
        for step in range(length + 1):
            bits |= 1 << (at + step) % 7
    return bits


def write_weekdays(bits: int) -> str:
    """Runs of three and more as a range: `mon-fri`, `tue,thu`."""
    runs: list[list[int]] = []
    for day in (day for day in range(7) if bits >> day & 1):
        if runs and runs[-1][-1] == day - 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    return ",".join(f"{DAYS[run[0]]}-{DAYS[run[-1]]}" if len(run) > 2 else ",".join(DAYS[day] for day in run) for run in runs)


def read_day(value: Any) -> str:
    """An ISO day, or MM-DD for every year; kept as written."""
    written = value.isoformat() if isinstance(value, date) else value
    if isinstance(written, str):
        whole = f"2027-{written}" if YEARLY.fullmatch(written) else written  # 2027 has no 29 February, which no yearly stretch may name
        try:
            if re.fullmatch(r"\d{4}-\d\d-\d\d", whole):
                date.fromisoformat(whole)
                return written
        except ValueError:
            pass
    raise expected("a day such as 2027-06-15, or 06-15 for every year")


def is_yearly(day: str | None) -> bool:
    return day is not None and YEARLY.fullmatch(day) is not None


def stretches(first: str | None, last: str | None, year: int) -> Iterator[tuple[int | None, date | None, date | None]]:
    """(year or None, from, to) for each time a stretch comes round; a yearly one that ends before it starts spans New Year."""
    if not (is_yearly(first) or is_yearly(last)):
        yield None, date.fromisoformat(first) if first else None, date.fromisoformat(last) if last else None
        return
    start, end = first or "01-01", last or "12-31"
    for at in range(year - YEARS_BACK, year + YEARS_AHEAD + 1):
        yield at, date.fromisoformat(f"{at}-{start}"), date.fromisoformat(f"{at + (end < start)}-{end}")


def read_time(value: Any) -> str:
    if isinstance(value, str) and TIME.fullmatch(value.strip()):
        return value.strip()
    raise expected("a time such as 09:30 on the 24-hour clock")


def read_starts(value: Any) -> list[dict[str, Any]]:
    """Start times, each with the slots it occupies: `09:00|13:30`, or `09:00=09:00+14:00` for one that takes two."""
    parts = read_list(value)
    if not isinstance(parts, list):
        raise expected("start times such as 09:00|14:00")
    starts = []
    for part in parts:
        if isinstance(part, Mapping):
            at, occupies = read_time(part.get("at")), part.get("occupies") or [part.get("at")]
            if set(part) - {"at", "occupies"}:
                raise expected('a start such as "09:00" or {"at": "09:00", "occupies": ["09:00", "14:00"]}')
        elif isinstance(part, str):
            head, _, tail = part.partition("=")
            at, occupies = read_time(head), tail.split("+") if tail else [head]
        else:
            raise expected("a start time such as 09:00")
        starts.append({"at": at, "occupies": [read_time(one) for one in occupies]})
    return starts


def write_starts(starts: Sequence[Mapping[str, Any]]) -> list[str]:
    return [s["at"] if s["occupies"] == [s["at"]] else f"{s['at']}={'+'.join(s['occupies'])}" for s in starts]


def read_tiers(value: Any) -> list[dict[str, Any]]:
    """Refund tiers: `48h:100%|24h:50%`, or objects with hours and percent."""
    what = "refund tiers such as 48h:100%|24h:50%"
    parts = read_list(value)
    if not isinstance(parts, list):
        raise expected(what)
    tiers = []
    for part in parts:
        if isinstance(part, Mapping) and set(part) == {"hours", "percent"}:
            hours, share = str(part["hours"]), str(part["percent"])
        else:
            found = re.fullmatch(r"(\d+)\s*h\s*:\s*(\d+(?:\.\d+)?)\s*%", str(part))
            if found is None:
                raise expected(what)
            hours, share = found[1], found[2]
        if not re.fullmatch(r"\d{1,5}", hours) or not re.fullmatch(r"\d+(\.\d{1,2})?", share) or Decimal(share) > 100:
            raise expected("hours before the start and a refund between 0 and 100 percent")
        tiers.append({"hours": int(hours), "refund_bps": int(Decimal(share) * 100)})
    if [t["hours"] for t in tiers] != sorted({t["hours"] for t in tiers}, reverse=True):
        raise expected("refund tiers with the longest notice first, each notice once")
    return tiers


def write_tiers(tiers: Sequence[Mapping[str, int]]) -> list[str]:
    return [f"{tier['hours']}h:{plain(Decimal(tier['refund_bps']) / 100)}%" for tier in tiers]


def plain(number: Decimal) -> str:
    """Without exponent and without idle zeros: 12.50 is 12.5, 1E+3 is 1000."""
    shown = f"{number:f}"
    return (shown.rstrip("0").rstrip(".") if "." in shown else shown) or "0"
