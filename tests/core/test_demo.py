"""The demo marketplace is whole: every city has its share, everything can be booked, nothing is said twice."""

from __future__ import annotations

import json
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from core import availability, pricing
from core.availability import Ask
from core.catalogue import Listing, Option, listings
from core.catalogue_files import DEMO, check
from core.engine import Engine
from core.errors import Refused
from core.fees import expert_fee, platform_fee
from core.settings import Rules
from tests.conftest import NOW

SCENES = Path(__file__).parents[2] / "channels" / "web" / "static" / "scenes"
ROOT = SCENES.parents[3]
LEAST = {"stay": 4, "activity": 6, "dining": 4, "transport": 3, "guide": 2}
PROMISED = {"lisbon", "porto", "paris", "rome", "barcelona", "london", "new-york", "tokyo", "kyoto", "dubrovnik", "marrakech"} | {
    "reykjavik",
    "cape-town",
    "bangkok",
    "mexico-city",
}


def records() -> list[dict[str, Any]]:
    return [json.loads(line) for path in sorted(DEMO.glob("*.jsonl")) for line in path.read_text(encoding="utf-8").splitlines()]


RECORDS = records()
PRODUCTS = [record for record in RECORDS if record["type"] == "product"]
OPTIONS = [option for product in PRODUCTS for option in product["options"]]


def test_the_files_are_in_order() -> None:
    report = check([DEMO])
    assert report.problems == ()
    assert report.counts["product"] >= 300
    assert report.counts["provider"] >= 48


def test_every_city_has_something_of_everything() -> None:
    cities = {record["id"] for record in RECORDS if record["type"] == "destination"}
    assert cities >= PROMISED
    counts = Counter((product["destination"], product["kind"]) for product in PRODUCTS)
    short = {(city, kind) for city in cities for kind, least in LEAST.items() if counts[city, kind] < least}
    assert short == set()


def test_every_city_has_cheap_and_dear_beds_and_its_own_aliases() -> None:
    for city in (record for record in RECORDS if record["type"] == "destination"):
        assert len(city["aliases"]) >= 3, city["id"]
        nights = [o["price"] for p in PRODUCTS if p["destination"] == city["id"] and p["kind"] == "stay" for o in p["options"]]
        assert max(nights) >= 3 * min(nights), city["id"]


@pytest.mark.parametrize(
    "tag",
    [
        "boat",
        "sunset",
        "kids",
        "vegan",
        "vegetarian",
        "seafood",
        "romantic",
        "rooftop",
        "museum",
        "pool",
        "spa",
        "wifi",
        "breakfast",
        "parking",
        "airport",
        "hike",
        "surf",
        "wine",
        "nightlife",
        "family",
        "budget",
        "luxury",
        "beach",
        "train",
        "ferry",
        "driver",
        "private",
    ],
)
def test_everyday_words_find_something_in_several_cities(tag: str) -> None:
    assert len({product["destination"] for product in PRODUCTS if tag in product["tags"]}) >= 4


FUN = {"boat", "food tour", "museum", "hike", "surf", "cooking class", "wine", "kids", "nightlife", "day trip", "beach", "bike"}


def test_every_city_has_many_kinds_of_fun() -> None:
    for city in {product["destination"] for product in PRODUCTS}:
        tags = {tag for product in PRODUCTS if product["destination"] == city for tag in product["tags"]}
        assert len(tags & FUN) >= 7, (city, FUN - tags)
        assert {"kids", "nightlife", "romantic", "vegan", "airport", "wifi", "breakfast"} <= tags, city


def test_every_way_of_selling_is_shown() -> None:
    assert {p["booking_type"] for p in PRODUCTS} == {"INSTANT", "REQUEST", "EXTERNAL"}
    assert {p["availability_mode"] for p in PRODUCTS} == {"CALENDAR", "TOGGLE", "INVENTORY"}
    assert {o["per"] for o in OPTIONS} == {"PERSON", "BOOKING", "NIGHT", "UNIT"}
    assert {o["counts"] for o in OPTIONS} == {"PAX", "BOOKING", "ROOM"}
    layers = {rate.get("layer") or ("SEASON" if "from" in rate else "WEEKDAY") for option in OPTIONS for rate in option.get("rates", ())}
    assert layers == {"DATE", "SEASON", "WEEKDAY"}
    assert any(option.get("pricing") == "QUOTE" for option in OPTIONS)
    owners = [record for record in RECORDS if record["type"] in ("product", "provider")]
    adjustments = [one for owner in owners for one in owner.get("adjustments", ())]
    assert {one["kind"] for one in adjustments} == {
        "length_of_stay",
        "early_bird",
        "last_minute",
        "group",
        "promo",
        "extra",
        "tax",
    }
    assert {one.get("included", False) for one in adjustments if one["kind"] == "tax"} == {True, False}
    assert any(one.get("per") == "PERSON_NIGHT" for one in adjustments)
    assert "WELCOME10" in {one.get("code") for one in adjustments}
    assert any(restriction.get("closed_to_arrival") for option in OPTIONS for restriction in option.get("restrictions", ()))
    shared = Counter(option["resource"] for option in OPTIONS if "resource" in option)
    assert min(shared.values()) >= 2
    for name in ("min_age", "deposit_percent", "pay_at_provider", "lead_hours", "policy", "exceptions"):
        assert any(product.get(name) for product in PRODUCTS), name
    fees = {(record["party"], record["scope"]) for record in RECORDS if record["type"] == "fee_rule"}
    assert fees == {("PLATFORM", "GLOBAL"), ("PLATFORM", "CATEGORY"), ("PLATFORM", "PROVIDER"), ("EXPERT", "GLOBAL")}


def test_nothing_is_said_twice_and_everything_is_said() -> None:
    for field, least in (("title", 4), ("summary", 25), ("description", 120)):
        texts = [product[field] for product in PRODUCTS]
        assert len(set(texts)) == len(texts)
        assert min(map(len, texts)) >= least, min(texts, key=len)
    assert all(product["meeting_point"] for product in PRODUCTS)
    openings = Counter(" ".join(product["description"].split()[:4]) for product in PRODUCTS)
    assert openings.most_common(1)[0][1] <= 2


def test_ratings_are_marked_as_made_up() -> None:
    assert {product["rating_source"] for product in PRODUCTS} == {"sample"}
    assert all(4.0 <= product["rating"] <= 5.0 and product["rating_count"] > 0 for product in PRODUCTS)


def test_every_picture_is_there_and_neighbours_differ() -> None:
    pictures = {path.name for path in SCENES.glob("*.svg")}
    assert {product["picture"] for product in PRODUCTS} <= pictures
    shown = Counter((product["destination"], product["kind"], product["picture"]) for product in PRODUCTS)
    assert [key for key, times in shown.items() if times > 1] == []


def test_pictures_are_small_and_harmless() -> None:
    kinds = {path.stem.split("-")[0] for path in SCENES.glob("*.svg")}
    assert len(kinds) >= 24
    for path in SCENES.glob("*.svg"):
        text = path.read_text(encoding="utf-8")
        assert len(text.encode()) < 6000, path.name
        for word in ("<script", "href", "data:", "url(http", "<image", "foreignObject", " on"):
            assert word not in text.replace('xmlns="http://www.w3.org/2000/svg"', ""), (path.name, word)


def test_the_files_are_part_of_the_package() -> None:
    assert DEMO == ROOT / "demo"
    assert '"demo"]' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def smallest_ask(listed: Listing, option: Option, day: date) -> list[Ask]:
    """Every start of the day for the fewest people the product takes."""
    party = {"ADULT": max(1, listed.product.min_party)}
    nights = option.min_nights or 1
    for restriction in option.restrictions:
        if restriction.from_date <= day <= restriction.to_date and restriction.weekdays >> day.weekday() & 1:
            nights = max(nights, restriction.min_nights or 1)
    end = day + timedelta(days=nights) if listed.is_stay else None
    return [Ask(listed.id, option.id, day, end, start, party) for start in ([s.at for s in option.starts] or [""])]


def bookable(listed: Listing, option: Option, day: date, rules: Rules) -> Ask | None:
    for ask in smallest_ask(listed, option, day):
        try:
            availability.check(listed, option, ask, NOW, rules)
        except Refused:
            continue
        if availability.is_free(listed, option, ask, {}):
            return ask
    return None


@pytest.mark.parametrize(("after", "within"), [(0, 60), (200, 60), (380, 60), (470, 60)])
def test_every_option_can_be_booked_soon_and_in_more_than_a_year(demo: Engine, after: int, within: int) -> None:
    with demo.db.read() as tx:
        listed = listings(tx, [product["id"] for product in PRODUCTS])
    assert len(listed) == len(PRODUCTS)
    first = NOW.date() + timedelta(days=after)
    missing = []
    for one in listed.values():
        for option in one.options:
            asks = (bookable(one, option, first + timedelta(days=i), demo.rules) for i in range(within))
            ask = next((found for found in asks if found is not None), None)
            if ask is None:
                missing.append(option.id)
            elif option.plan.model != "QUOTE":
                price = pricing.price(one, ask, today=NOW.date())
                assert price.total == sum(line.amount for line in price.lines) > 0, option.id
                assert price.currency == one.destination.currency
    # the northern lights rest in summer, sunrise paddling in winter
    resting = {"reykjavik-northern-lights-hunt.standard", "barcelona-paddle-dawn.standard"}
    assert set(missing) <= (resting if after else {"barcelona-paddle-dawn.standard"})


def test_half_day_and_full_day_share_one_boat(demo: Engine) -> None:
    with demo.db.read() as tx:
        boat = listings(tx, ["lisbon-tagus-day", "lisbon-tagus-sail"])
    half, full = boat["lisbon-tagus-day"].options
    sunset = boat["lisbon-tagus-sail"].options[0]
    assert half.resource_id == full.resource_id == sunset.resource_id == "lisbon-gaivota"
    assert full.starts[0].occupies == ("09:30", "14:00")
    day = NOW.date() + timedelta(days=10)
    wants = availability.wants(boat["lisbon-tagus-day"], full, Ask("lisbon-tagus-day", full.id, day, None, "09:30", {"ADULT": 2}))
    assert [(want.local_start, want.quantity, want.capacity) for want in wants] == [("09:30", 2, 8), ("14:00", 2, 8)]


def test_exact_prices_of_a_few_listings(demo: Engine) -> None:
    with demo.db.read() as tx:
        listed = listings(tx, ["lisbon-casa-da-andorinha", "new-york-schooner-harbor", "tokyo-capsule-hoshi", "lisbon-tagus-sail"])
        sail_fee = platform_fee(tx, demo.rules, provider_id="tejo-a-vela", kind="activity", amount=10_000, tax=0)
        table_fee = platform_fee(tx, demo.rules, provider_id="mesa-posta", kind="dining", amount=10_000, tax=0)
        room_fee = platform_fee(tx, demo.rules, provider_id="casas-do-castelo", kind="stay", amount=10_000, tax=0)
        assert (sail_fee, table_fee, room_fee, expert_fee(tx, arranged=4_000)) == (900, 800, 1200, 500)
    monday = date(2026, 11, 30)
    room = Ask("lisbon-casa-da-andorinha", None, monday, monday + timedelta(days=5), units={"ADULT": 2})
    price = pricing.price(listed["lisbon-casa-da-andorinha"], room, today=NOW.date())
    # four plain nights and a Friday at 12 % more; 4 euros a person and night for the city
    assert [(line.kind, line.amount) for line in price.lines] == [
        ("base", 4 * 11_800),
        ("base", 13_216),
        ("included_tax", 0),
        ("tax", 2 * 5 * 400),
    ]
    boat = Ask("new-york-schooner-harbor", None, monday, None, "17:30", {"ADULT": 2, "CHILD": 1})
    taxed = pricing.price(listed["new-york-schooner-harbor"], boat, today=NOW.date())
    assert [line.amount for line in taxed.lines] == [13_800, 4_140, 1_593]  # 8.88 % on 179.40
    capsule = Ask("tokyo-capsule-hoshi", None, monday, monday + timedelta(days=1), units={"ADULT": 1})
    assert pricing.price(listed["tokyo-capsule-hoshi"], capsule, today=NOW.date()).total == 5_400 + 200
    crew = Ask("lisbon-tagus-sail", None, monday, None, "18:00", {"ADULT": 8})
    with_code = pricing.price(listed["lisbon-tagus-sail"], crew, today=NOW.date(), promo="welcome10")
    assert [line.amount for line in with_code.lines][:3] == [38_400, -3_840, -3_840]  # the group's 10 % and the code's
