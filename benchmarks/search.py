"""How fast a big catalogue comes in and is searched: PRODUCTS made-up products over 50 cities, a year of rules, some of it sold.

The catalogue goes through the importer, as any other would. The mix of searches is what travelers ask: a week's stay for
four under a budget, things to do on any day of a week, words in a city, words anywhere, and browsing.
"""

from __future__ import annotations

import json
import random
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from bench import arguments, close, database, percentile
from sqlalchemy import insert

from core.catalogue_files import import_files
from core.db import Database
from core.engine import Engine
from core.schema import slot
from core.search import Wish, search
from tests.gateway import MemoryGateway

NOW = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
CITIES = 50
KINDS = ("stay", "activity", "dining", "transport", "guide")
WORDS = [
    "sunset",
    "boat",
    "sailing",
    "kayak",
    "wine",
    "tasting",
    "food",
    "market",
    "cooking",
    "class",
    "museum",
    "art",
    "gallery",
    "hike",
    "mountain",
    "view",
    "beach",
    "surf",
    "lesson",
    "yoga",
    "spa",
    "massage",
    "rooftop",
    "pool",
    "garden",
    "family",
    "kids",
    "romantic",
    "luxury",
    "budget",
    "vegan",
    "seafood",
    "jazz",
    "music",
    "nightlife",
    "cocktail",
    "history",
    "castle",
    "palace",
    "temple",
    "bridge",
    "river",
    "lake",
    "island",
    "cave",
    "waterfall",
    "bike",
    "tour",
    "walking",
    "private",
    "guide",
    "photography",
    "workshop",
    "pottery",
    "tile",
    "dance",
    "theatre",
    "airport",
    "transfer",
    "train",
    "ferry",
    "breakfast",
    "wifi",
    "parking",
    "quiet",
    "village",
    "harvest",
    "lighthouse",
    "lantern",
    "festival",
    "horse",
    "desert",
    "camp",
    "stars",
    "snow",
]

FILLER = [
    "".join(pair) for pair in zip(("lo", "ma", "ri", "te", "sou", "ba", "ne", "ki", "du", "fa") * 300, map(str, range(3000)), strict=True)
]


def city_sizes(products: int) -> list[int]:
    """The biggest city holds a tenth, the second a fiftieth, the rest share what is left."""
    big, second = products // 10, products // 50
    rest = (products - big - second) // (CITIES - 2)
    return [big, second, *([rest] * (CITIES - 3)), products - big - second - rest * (CITIES - 3)]


def records(products: int) -> Iterator[dict[str, object]]:
    draw = random.Random(7)
    for c in range(CITIES):
        place = {"latitude": draw.uniform(-50, 60), "longitude": draw.uniform(-120, 140), "time_zone": "Europe/Lisbon", "currency": "EUR"}
        yield {"type": "destination", "id": f"city-{c}", "name": f"City {c}", "country": "Somewhere", **place}
    yield {"type": "policy", "id": "usual", "name": "Usual", "tiers": "48h:100%|24h:50%"}
    providers = max(CITIES, products // 40)
    for p in range(providers):
        yield {
            "type": "provider",
            "id": f"host-{p}",
            "name": f"Host {p}",
            "time_zone": "Europe/Lisbon",
            "currency": "EUR",
            "policy": "usual",
        }
    number = 0
    for c, size in enumerate(city_sizes(products)):
        for i in range(size):
            yield product(number, f"city-{c}", f"host-{number % providers}", KINDS[i % len(KINDS)], draw)
            number += 1


def product(number: int, city: str, provider: str, kind: str, draw: random.Random) -> dict[str, object]:
    words = draw.sample(WORDS, 12)
    option: dict[str, object] = {"title": "Standard"}
    if kind == "stay":
        rates = [
            {"name": "Summer", "from": "06-15", "to": "09-15", "percent": 20},
            {"name": "Weekend", "weekdays": "fri,sat", "percent": 10},
        ]
        room = {"counts": "ROOM", "max_pax_each": draw.choice([2, 3, 4, 6]), "per": "NIGHT", "price": draw.randint(25, 260)}
        option |= {**room, "rates": rates, "rules": [{"capacity": draw.randint(1, 6)}]}
    else:
        rules = [{"start": at, "capacity": draw.choice([6, 8, 12, 20])} for at in ("09:30", "14:00")]
        child = [{"type": "ADULT", "min_age": 13}, {"type": "CHILD", "max_age": 12, "percent": 50}]
        option |= {
            "counts": "PAX",
            "per": "PERSON",
            "price": draw.randint(10, 150),
            "rules": rules,
            "starts": ["09:30", "14:00"],
            "units": child,
        }
    return {
        "type": "product",
        "id": f"product-{number}",
        "provider": provider,
        "destination": city,
        "kind": kind,
        "title": f"{words[0].title()} {words[1]} {number}",
        "summary": " ".join(words[2:6]),
        "description": " ".join([*draw.choices(FILLER, k=36), *words[8:12]]),
        "tags": words[6:11],
        "booking_type": "INSTANT",
        "availability_mode": "INVENTORY",
        "lead_hours": 2,
        "rating": str(draw.randint(36, 50) / 10),
        "rating_count": draw.randint(1, 900),
        "rating_source": "sample",
        "options": [option],
        "adjustments": [{"kind": "tax", "name": "VAT", "percent": 6, "included": True}],
    }


def sell(db: Database, products: int) -> int:
    """Touch a twentieth of the products for 30 days each, half of those days sold out."""
    draw, rows, first = random.Random(11), 0, NOW.date()
    kinds = dict(enumerate(KINDS))
    offset, kind_of = 0, {}
    for size in city_sizes(products):
        kind_of |= {offset + i: kinds[i % len(KINDS)] for i in range(size)}
        offset += size
    chosen = draw.sample(range(products), products // 20)
    for at in range(0, len(chosen), 100):
        batch = []
        for number in chosen[at : at + 100]:
            start = "" if kind_of[number] == "stay" else "09:30"
            for day in draw.sample(range(365), 30):
                sold = draw.choice([1, 4])
                key = {"resource_id": f"product-{number}.standard", "local_date": first + timedelta(days=day), "local_start": start}
                batch.append({**key, "capacity": 4, "held": 0, "booked": sold})
        with db.write() as tx:
            tx.execute(insert(slot), batch)
        rows += len(batch)
    return rows


def wishes(count: int) -> list[tuple[str, Wish]]:
    draw, made = random.Random(3), []
    for i in range(count):
        city = "city-0" if i % 5 == 0 else "city-1" if i % 5 == 1 else f"city-{draw.randint(2, CITIES - 1)}"
        first = date(2027, 5, 3) + timedelta(days=draw.randint(-120, 120))
        words = " ".join(draw.sample(WORDS, 2))
        week = {"start": first, "end": first + timedelta(days=7)}
        made += [
            ("stay, 4 people, 7 nights, under 100", Wish(city=city, kind="stay", units={"ADULT": 4}, budget=10_000, **week)),
            ("activity, 4 people, any of 8 days", Wish(city=city, kind="activity", units={"ADULT": 4}, **week)),
            ("words in a city on a day", Wish(city=city, words=words, start=first, units={"ADULT": 2})),
            ("words anywhere", Wish(words=words)),
            ("cheapest in a city", Wish(city=city, kind="activity", sort="price", start=first)),
            ("browse a city", Wish(city=city)),
        ]
    return made


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--products", type=int, default=100_000, help="default: 100000")
    parser.add_argument("--rounds", type=int, default=60, help="how often the mix of six searches is asked (default: 60)")
    given = parser.parse_args()
    with database(given.db) as db, tempfile.TemporaryDirectory(prefix="bench") as folder:
        file = Path(folder) / "market.jsonl"
        say(f"writing {given.products:,} products ...")
        with file.open("w") as out:
            for record in records(given.products):
                out.write(json.dumps(record) + "\n")
        figures = measure(db, file, given.products, given.rounds)
    close({"db": given.db, "products": given.products, **figures})


def measure(db: Database, file: Path, products: int, rounds: int) -> dict[str, float]:
    last, steps, step_began = [""], {}, [time.perf_counter()]

    def progress(step: str, done: int, total: int | None) -> None:
        if step != last[0]:
            steps[last[0]] = time.perf_counter() - step_began[0]
            last[0], step_began[0] = step, time.perf_counter()
        if done % 20_000 < 200 and done:
            say(f"  {step}: {done:,}{f' of {total:,}' if total else ''}")

    began = time.perf_counter()
    report = import_files(db, [file], NOW, progress=progress)
    imported = time.perf_counter() - began
    steps[last[0]] = time.perf_counter() - step_began[0]
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    assert report.ok, report.problems
    say("selling some places ...")
    touched = sell(db, products)
    engine = Engine(db=db, gateway=MemoryGateway(), clock=lambda: NOW)
    asked = wishes(rounds)
    for _, wish in asked[:12]:
        search(engine, wish)
    times: dict[str, list[float]] = {}
    for at, (name, wish) in enumerate(asked):
        start = time.perf_counter()
        search(engine, wish)
        times.setdefault(name, []).append((time.perf_counter() - start) * 1000)
        if at % 60 == 59:
            say(f"  searching: {at + 1} of {len(asked)}")
    every = [one for of_kind in times.values() for one in of_kind]
    median, p99 = statistics.median(every), percentile(every, 0.99)
    print(
        f"import of {products:,} products   {imported:8.1f} s   {products / imported:8.0f}/s   peak RSS {rss:6.0f} MB   slots touched {touched:,}"
    )
    print("  " + "   ".join(f"{name} {seconds:.1f} s" for name, seconds in steps.items() if name))
    print(f"{'search':40} {'median ms':>10} {'p99 ms':>10} {'asked':>6}")
    for name, of_kind in times.items():
        print(f"{name:40} {statistics.median(of_kind):10.2f} {percentile(of_kind, 0.99):10.2f} {len(of_kind):6}")
    print(f"{'all':40} {median:10.2f} {p99:10.2f} {len(every):6}")
    return {
        "median_ms": round(median, 2),
        "p99_ms": round(p99, 2),
        "import_s": round(imported, 1),
        "import_rss_mb": round(rss),
        "switch_s": round(steps.get("publishing", 0.0), 2),
        "slots": touched,
    }


if __name__ == "__main__":
    main()
