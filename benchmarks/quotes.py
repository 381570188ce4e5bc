"""How many stays of seven nights are priced a second: 20 rates of every layer, five adjustments, dates all over the year.

Bar: more than 20,000 quotes a second of one thread's own time (`per_s`; what others on the machine take is not counted), with the
rate by the clock on the wall beside it.
"""

from __future__ import annotations

import random
import sys
import time
from datetime import date, timedelta
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.bench import arguments, close, table
from core.availability import Ask
from core.catalogue import Listing
from core.pricing import price
from tests.listings import adjustment, listing, option, rate

TODAY = date(2026, 11, 25)


def villa() -> Listing:
    rates = []
    for i in range(8):
        first = date(2027, 1, 1) + timedelta(days=45 * i)
        rates.append(
            rate("SEASON", id=f"season-{i}", name=f"Season {i}", from_date=first, to_date=first + timedelta(days=50), bps=500 * (i - 3))
        )
    for i in range(8):
        day = date(2027, 1, 15) + timedelta(days=40 * i)
        rates.append(rate("DATE", id=f"date-{i}", name=f"Feast {i}", from_date=day, to_date=day + timedelta(days=1), amount=20_000 + i))
    for i in range(4):
        rates.append(rate("WEEKDAY", id=f"weekday-{i}", name="Weekend", weekdays=0b0110000, bps=1000 + i, priority=i))
    adjustments = [
        adjustment("length_of_stay", id="week", threshold=7, bps=-1000),
        adjustment("early_bird", id="early", threshold=60, bps=-500),
        adjustment("group", id="group", threshold=4, bps=-300),
        adjustment("extra", id="cleaning", amount=6_000),
        adjustment("tax", id="city", amount=400, per="PERSON_NIGHT"),
    ]
    return listing(option(per="NIGHT", amount=14_000, rates=rates), mode="CALENDAR", adjustments=adjustments)


def asks(count: int) -> list[Ask]:
    draw, found = random.Random(5), []
    for _ in range(count):
        first = date(2027, 1, 1) + timedelta(days=draw.randrange(350))
        found.append(Ask("p", "o", first, first + timedelta(days=7), "", {"ADULT": 2, "CHILD": draw.randint(0, 2)}))
    return found


def main() -> None:
    parser = arguments(__doc__ or "", db=False)
    parser.add_argument("--quotes", type=int, default=20_000, help="how many are priced in each of five rounds (default: 20000)")
    given = parser.parse_args()
    listed, wanted = villa(), asks(given.quotes)
    price(listed, wanted[0], today=TODAY)
    own, wall, lines = [], [], 0
    for _ in range(5):
        began, spent = time.perf_counter(), time.thread_time()
        for ask in wanted:
            lines = len(price(listed, ask, today=TODAY).lines)
        own.append(given.quotes / (time.thread_time() - spent))
        wall.append(given.quotes / (time.perf_counter() - began))
    table([("quotes/s of the thread's own time", median(own)), ("quotes/s by the wall clock", median(wall)), ("lines of the last", lines)])
    close({"per_s": round(median(own)), "wall_per_s": round(median(wall)), "nights": 7, "rates": 20, "adjustments": 5})


if __name__ == "__main__":
    main()
