"""Catalogue files: what is read, what is refused with its place, and that an import changes everything or nothing."""

from __future__ import annotations

import copy
import csv
import json
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, func, insert, select, update

from core import availability, bookings, carts, conversations, holds, pricing, schema
from core.availability import Ask
from core.carts import add
from core.catalogue import listing, listings
from core.catalogue_files import check, clean_leftovers, export, import_files, notation, records
from core.db import Database
from core.engine import Actor, Engine
from core.errors import Busy, Invalid, NotFound, Refused
from core.search import Wish, cities, search
from tests.conftest import NOW, Clock

Record = dict[str, Any]
DAY = date(2026, 12, 5)  # a Saturday

LISBON: Record = {
    "type": "destination",
    "id": "lisbon",
    "name": "Lisbon",
    "country": "Portugal",
    "aliases": ["Lisboa", "LIS"],
    "latitude": 38.7169,
    "longitude": -9.1399,
    "time_zone": "Europe/Lisbon",
    "currency": "EUR",
}
POLICY: Record = {"type": "policy", "id": "moderate", "name": "Moderate", "tiers": "120h:100%|48h:50%"}
PROVIDER: Record = {
    "type": "provider",
    "id": "tejo",
    "name": "Tejo Sails",
    "email": "crew@tejo.example",
    "time_zone": "Europe/Lisbon",
    "country": "PT",
    "currency": "EUR",
    "policy": "moderate",
    "deposit_percent": 30,
    "exceptions": [{"from": "12-25", "reason": "Christmas"}],
    "adjustments": [{"kind": "promo", "code": "WELCOME10", "percent": -10}],
}
BOAT: Record = {
    "type": "resource",
    "id": "gaivota",
    "provider": "tejo",
    "name": "Gaivota",
    "rules": [{"start": "09:00", "capacity": 8}, {"start": "14:00", "capacity": 8}],
}
SAIL: Record = {
    "type": "product",
    "id": "sail",
    "provider": "tejo",
    "destination": "lisbon",
    "kind": "activity",
    "title": "Sailing past Belém",
    "summary": "Half or full day under sail",
    "tags": ["boat", "sunset"],
    "booking_type": "INSTANT",
    "availability_mode": "INVENTORY",
    "lead_hours": 2,
    "options": [
        {
            "id": "half",
            "title": "Half day",
            "resource": "gaivota",
            "starts": ["09:00", "14:00"],
            "counts": "PAX",
            "per": "PERSON",
            "price": 45.5,
            "units": [{"type": "ADULT", "min_age": 13}, {"type": "CHILD", "min_age": 3, "max_age": 12, "percent": 50}],
            "rates": [{"name": "Summer", "from": "06-15", "to": "09-15", "percent": 20}],
        },
        {
            "id": "full",
            "title": "Full day",
            "resource": "gaivota",
            "starts": [{"at": "09:00", "occupies": ["09:00", "14:00"]}],
            "counts": "PAX",
            "per": "PERSON",
            "price": "80",
        },
    ],
    "adjustments": [{"kind": "tax", "name": "VAT", "percent": 6, "included": True}],
}
VILLA: Record = {
    "type": "product",
    "id": "villa",
    "provider": "tejo",
    "destination": "lisbon",
    "kind": "stay",
    "title": "Villa by the river",
    "booking_type": "REQUEST",
    "availability_mode": "CALENDAR",
    "rating": 4.8,
    "rating_count": 12,
    "rating_source": "sample",
    "options": [
        {
            "title": "Whole villa",
            "counts": "ROOM",
            "max_pax_each": 6,
            "per": "NIGHT",
            "price": 200,
            "min_nights": 2,
            "restrictions": [{"from": "06-01", "to": "09-30", "weekdays": "mon-fri,sun", "closed_to_arrival": True}],
        }
    ],
    "adjustments": [
        {"kind": "extra", "name": "Cleaning", "amount": 60},
        {"kind": "tax", "name": "City tax", "amount": 4, "per": "PERSON_NIGHT"},
        {"kind": "length_of_stay", "threshold": 7, "percent": -10},
    ],
}
FEE: Record = {"type": "fee_rule", "id": "platform", "party": "PLATFORM", "scope": "GLOBAL", "percent": 12}
MARKET = [LISBON, POLICY, PROVIDER, BOAT, SAIL, VILLA, FEE]


def write(folder: Path, *records: Record, name: str = "market.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), encoding="utf-8")
    return path


def changed(record: Record, **values: Any) -> Record:
    return {**copy.deepcopy(record), **values}


def with_option(record: Record, at: int = 0, **values: Any) -> Record:
    made = copy.deepcopy(record)
    made["options"][at] |= values
    return made


def take_in(db: Database, folder: Path, *records: Record, **kw: Any) -> Any:
    report = import_files(db, [write(folder, *(records or MARKET))], NOW, **kw)
    assert report.problems == ()
    return report


def exported(db: Database, folder: Path, name: str = "now.jsonl") -> str:
    export(db, folder / name)
    return (folder / name).read_text(encoding="utf-8")


def everything(db: Database) -> dict[str, list[Any]]:
    """Every row of the catalogue's own tables."""
    names = ("destination", "cancellation_policy", "provider", "resource", "product", "option", "unit", "availability_rule", "slot")
    more = ("availability_exception", "rate_plan", "rate", "restriction", "price_adjustment", "fee_rule", "catalogue_entry")
    with db.read() as tx:
        return {name: sorted(map(repr, tx.execute(select(schema.metadata.tables[name])).all())) for name in (*names, *more)}


def traveler(engine: Engine) -> Actor:
    conversation, _ = conversations.start(engine, channel="web")
    with engine.db.read() as tx:
        account = carts.owner_of(tx, conversation)
    bookings.save_details(engine, Actor(account), {"name": "Anna", "email": "anna@example.com", "terms": True})
    return Actor(account, conversation_id=conversation)


def book(engine: Engine, actor: Actor, ask: Ask) -> str:
    """One booking on hold; returns its id."""
    add(engine, actor, ask)
    bookings.commit_checkout(engine, actor, bookings.propose_checkout(engine, actor)["proposal_id"])
    with engine.db.read() as tx:
        return str(tx.execute(select(schema.booking.c.id).where(schema.booking.c.conversation_id == actor.conversation_id)).scalar_one())


# ── a good file ───────────────────────────────────────────────────────────────────────────────────


def test_a_file_becomes_listings_that_can_be_found_priced_and_booked(engine: Engine, tmp_path: Path) -> None:
    report = take_in(engine.db, tmp_path)
    assert report.counts == {"destination": 1, "policy": 1, "provider": 1, "resource": 1, "product": 2, "fee_rule": 1}
    assert report.created == report.counts
    with engine.db.read() as tx:
        sail, villa = listing(tx, "sail"), listing(tx, "villa")
        assert tx.execute(select(schema.fee_rule.c.bps)).scalar_one() == 1200
    assert [option.id for option in sail.options] == ["sail.half", "sail.full"]
    assert sail.options[1].starts[0].occupies == ("09:00", "14:00")
    assert (sail.product.from_amount, sail.product.currency, sail.product.time_zone) == (4550, "EUR", "Europe/Lisbon")
    assert sail.tiers == ({"hours": 120, "refund_bps": 10_000}, {"hours": 48, "refund_bps": 5_000})
    family = Ask("sail", "sail.half", DAY, local_start="09:00", units={"ADULT": 2, "CHILD": 1})
    assert pricing.price(sail, family, today=NOW.date()).total == 2 * 4550 + 2275
    july = Ask("sail", "sail.half", date(2027, 7, 3), local_start="09:00", units={"ADULT": 1})
    assert pricing.price(sail, july, today=NOW.date()).total == 5460
    christmas = availability.capacity_on(sail, sail.options[0], date(2027, 12, 25), "09:00")
    assert christmas == 0
    week = Ask("villa", "villa.standard", DAY, DAY + timedelta(days=7), units={"ADULT": 2})
    assert pricing.price(villa, week, today=NOW.date()).total == 7 * 20_000 - 14_000 + 6_000 + 2 * 7 * 400
    assert villa.product.from_amount == 20_400
    assert [offer.listing.id for offer in search(engine, Wish(city="lisbon", words="belem boat", start=DAY))] == ["sail"]
    assert [city["id"] for city in cities(engine)] == ["lisbon"]
    booking_id = book(engine, traveler(engine), family)
    with engine.db.read() as tx:
        assert tx.execute(select(schema.booking.c.status).where(schema.booking.c.id == booking_id)).scalar_one() == "ON_HOLD"


def test_files_may_come_in_any_order_and_in_pieces(sqlite: Database, tmp_path: Path) -> None:
    write(tmp_path, SAIL, FEE, VILLA, name="1.jsonl")
    write(tmp_path, BOAT, PROVIDER, name="2.jsonl")
    write(tmp_path, POLICY, LISBON, name="3.ndjson")
    assert import_files(sqlite, [tmp_path], NOW).ok
    with sqlite.read() as tx:
        assert listing(tx, "sail").provider.name == "Tejo Sails"


def test_a_file_may_refer_to_what_is_loaded_already(sqlite: Database, tmp_path: Path) -> None:
    take_in(sqlite, tmp_path)
    more = write(tmp_path, changed(SAIL, id="sail-2", title="Another sail"), name="more.jsonl")
    assert check([more]).problem_count == 4  # provider, destination and two resources: without the database nobody knows them
    assert check([more], sqlite).ok
    assert import_files(sqlite, [more], NOW).created == {"product": 1}


def test_a_draft_is_loaded_and_exported_but_not_on_sale(engine: Engine, tmp_path: Path) -> None:
    take_in(engine.db, tmp_path, LISBON, POLICY, PROVIDER, BOAT, changed(SAIL, published=False), VILLA)
    assert [offer.listing.id for offer in search(engine, Wish(words="belem"))] == []
    with engine.db.read() as tx, pytest.raises(NotFound):
        listing(tx, "sail")
    assert '"id": "sail"' in exported(engine.db, tmp_path)
    take_in(engine.db, tmp_path)
    assert [offer.listing.id for offer in search(engine, Wish(words="belem"))] == ["sail"]


# ── what is refused, and where ────────────────────────────────────────────────────────────────────

Change = Callable[[Record], Record]


def _set(**values: Any) -> Change:
    return lambda record: changed(record, **values)


def _option(**values: Any) -> Change:
    return lambda record: with_option(record, **values)


def _without(name: str) -> Change:
    return lambda record: {key: value for key, value in record.items() if key != name}


FAULTS: list[tuple[str, Change, str, str, str]] = [  # record, change, field, expected starts with, found
    ("lisbon", _without("name"), "name", "a value", "nothing"),
    ("lisbon", _set(colour="red"), "colour", "a field we know, such as type, id, name", "'colour'"),
    ("lisbon", _set(id="São Paulo"), "id", "text that should match pattern", "'São Paulo'"),
    ("lisbon", _set(latitude=91), "latitude", "less than or equal to 90", "'91'"),
    ("lisbon", _set(time_zone="Europe/Lisboa"), "time_zone", "an IANA time zone", "'Europe/Lisboa'"),
    ("lisbon", _set(currency="EURO"), "currency", "a currency we carry", "'EURO'"),
    ("moderate", _set(tiers="48h:50%|120h:100%"), "tiers", "refund tiers with the longest notice first", "'48h:50%|120h:100%'"),
    ("moderate", _set(tiers="120h:50%|48h:100%"), "tiers", "refunds that do not grow", "'120h:50%|48h:100%'"),
    ("moderate", _set(tiers="soon"), "tiers", "refund tiers such as 48h:100%|24h:50%", "'soon'"),
    ("tejo", _set(policy="generous"), "policy", "the id of a policy", "'generous'"),
    ("tejo", _set(email="crew"), "email", "text that should match pattern", "'crew'"),
    ("tejo", _set(deposit_percent=130), "deposit_percent", "less than or equal to 100", "'130'"),
    ("tejo", _set(exceptions=[{"from": "2026-13-01"}]), "exceptions[0].from", "a day such as 2027-06-15", "'2026-13-01'"),
    (
        "tejo",
        _set(exceptions=[{"from": "2026-12-02", "to": "2026-12-01"}]),
        "exceptions[0].to",
        "a day on or after 2026-12-02",
        "'2026-12-01'",
    ),
    ("tejo", _set(exceptions=[{"from": "12-02", "to": "2026-12-03"}]), "exceptions[0].to", "the same form as `from`", "'2026-12-03'"),
    ("tejo", _set(exceptions=[{"from": "12-02", "closed": True, "capacity": 3}]), "exceptions[0].capacity", "nothing where closed", "'3'"),
    ("gaivota", _set(provider="nobody"), "provider", "the id of a provider", "'nobody'"),
    ("gaivota", _set(rules=[{"start": "25:00", "capacity": 8}]), "rules[0].start", "a time such as 09:30", "'25:00'"),
    ("gaivota", _set(rules=[{"weekdays": "mon-fry", "capacity": 8}]), "rules[0].weekdays", "weekdays such as", "'mon-fry'"),
    ("gaivota", _set(rules=[{"capacity": -1}]), "rules[0].capacity", "greater than or equal to 0", "'-1'"),
    (
        "gaivota",
        _set(
            rules=[
                {"start": "09:00", "capacity": 8},
                {"start": "14:00", "capacity": 8},
                {"start": "09:00", "weekdays": "sat", "capacity": 2},
            ]
        ),
        "rules[2]",
        "other days or another start than rules[0]",
        "'sat'",
    ),
    ("gaivota", _set(id="villa.standard", type="resource"), "options[0].resource", "the id of a resource", "'gaivota'"),
    ("sail", _set(destination="atlantis"), "destination", "the id of a destination", "'atlantis'"),
    ("sail", _set(kind="cruise"), "kind", "'stay', 'activity', 'dining', 'transport' or 'guide'", "'cruise'"),
    ("sail", _set(options=[]), "options", "a list that should have at least 1 item", "'[]'"),
    ("sail", _set(max_party=2, min_party=4), "max_party", "4 or more", "'2'"),
    (
        "sail",
        _set(external_url="https://partner.example/x"),
        "external_url",
        "an https address, with booking_type EXTERNAL",
        "'https://partner",
    ),
    (
        "sail",
        _set(booking_type="EXTERNAL", external_url="http://partner.example"),
        "external_url",
        "an address that starts with https://",
        "'h",
    ),
    ("sail", _set(rating=4.75, rating_source="sample"), "rating", "a rating with one decimal", "'4.75'"),
    ("sail", _set(rating=4.7), "rating_source", "where the rating comes from", "nothing"),
    ("sail", _set(picture="../secret.svg"), "picture", "text that should match pattern", "'../secret.svg'"),
    ("sail", _set(latitude=38.7), "longitude", "both a latitude and a longitude", "nothing"),
    ("sail", _set(pay_at_provider=True, deposit_percent=20), "deposit_percent", "nothing where the guest pays", "'20'"),
    ("sail", _option(resource="ferry"), "options[0].resource", "the id of a resource", "'ferry'"),
    ("sail", _option(capacity=4), "options[0].capacity", "nothing beside a shared resource", "'4'"),
    ("sail", _option(starts=["09:00", "18:00"]), "options[0].starts", "starts that the rules know (09:00, 14:00)", "'18:00'"),
    ("sail", _option(starts=[]), "options[0].starts", "starts that the rules know", "'the whole day'"),
    ("sail", _option(starts=["09:00", "09:00"]), "options[0].starts", "each start time once", "'09:00|09:00'"),
    ("sail", _option(id="full"), "options[1].id", "each option id once in a product", "'full'"),
    ("sail", _option(price="45.555"), "options[0].price", "an amount in EUR with 2 decimals at most", "'45.555'"),
    ("sail", _option(price=-1), "options[0].price", "greater than or equal to 0", "'-1'"),
    ("sail", _option(price=None, rates=[]), "options[0].pricing", "a price, unless booking_type is REQUEST", "'QUOTE'"),
    ("sail", _option(pricing="FIXED"), "options[0].pricing", "DYNAMIC, because there are rates", "'FIXED'"),
    ("sail", _option(per="NIGHT"), "options[0].per", "PERSON, BOOKING or UNIT; NIGHT is for stays", "'NIGHT'"),
    ("sail", _option(min_nights=2), "options[0].min_nights", "nothing; nights are for stays", "'2'"),
    ("sail", _option(max_pax_each=4), "options[0].max_pax_each", "nothing where people are counted", "'4'"),
    ("sail", _option(rates=[{"from": "06-01"}]), "options[0].rates[0].to", "a day, because both ends are needed here", "nothing"),
    ("sail", _option(rates=[{"weekdays": "sat"}]), "options[0].rates[0].amount", "either an amount or a percent", "nothing"),
    (
        "sail",
        _option(rates=[{"weekdays": "fri,sat", "percent": 10}, {"weekdays": "sat", "percent": 20, "name": "Saturday"}]),
        "options[0].rates[1]",
        "other days or another priority than rates[0]",
        "'Saturday'",
    ),
    (
        "sail",
        _option(units=[{"type": "ADULT", "min_age": 12}, {"type": "CHILD", "max_age": 12, "percent": 50}]),
        "options[0].units[1].min_age",
        "ages that do not overlap with those of ADULT",
        "'0 to 12'",
    ),
    ("sail", _option(units=[{"type": "CHILD", "max_age": 12}]), "options[0].units", "an ADULT among the units", "'CHILD'"),
    ("sail", _option(units=[{"type": "ADULT"}, {"type": "ADULT"}]), "options[0].units[1].type", "each unit type once", "'ADULT'"),
    ("sail", _option(units=[{"type": "DOG"}]), "options[0].units[0].type", "'ADULT', 'YOUTH'", "'DOG'"),
    ("sail", _set(adjustments=[{"kind": "group", "threshold": 6, "percent": 10}]), "adjustments[0].percent", "below zero", "'10'"),
    ("sail", _set(adjustments=[{"kind": "promo", "percent": -10}]), "adjustments[0].code", "a code such as WELCOME10", "nothing"),
    ("sail", _set(adjustments=[{"kind": "tax", "name": "VAT"}]), "adjustments[0].amount", "either an amount or a percent", "nothing"),
    ("sail", _set(adjustments=[{"kind": "tax", "percent": 6}]), "adjustments[0].name", "a name the traveler sees", "nothing"),
    (
        "sail",
        _set(adjustments=[{"kind": "early_bird", "percent": -5}]),
        "adjustments[0].threshold",
        "nights, days ahead or people",
        "nothing",
    ),
    ("sail", _set(availability_mode="CALENDAR"), "options[0].resource", "no rules, because availability_mode is CALENDAR", "'2'"),
    ("villa", _option(per="PERSON"), "options[0].per", "NIGHT for a stay", "'PERSON'"),
    ("villa", _option(counts="PAX", max_pax_each=None), "options[0].counts", "ROOM or BOOKING for a stay", "'PAX'"),
    ("villa", _option(max_nights=1), "options[0].max_nights", "2 or more", "'1'"),
    ("villa", _set(availability_mode="INVENTORY"), "options[0].rules", "weekly rules with a capacity", "nothing"),
    ("villa", _set(id="sail"), "id", "an id of its own; ", "'sail'"),
    ("platform", _set(scope="CATEGORY", of="cruise"), "of", "stay, activity, dining, transport or guide", "'cruise'"),
    ("platform", _set(scope="PROVIDER", of="nobody"), "of", "the id of a provider", "'nobody'"),
    ("platform", _set(party="EXPERT", scope="CATEGORY", of="stay"), "scope", "GLOBAL for an expert's fee", "'CATEGORY'"),
]


@pytest.mark.parametrize(("key", "change", "field", "expected", "found"), FAULTS, ids=[f"{f[0]}-{f[2]}-{i}" for i, f in enumerate(FAULTS)])
def test_a_fault_is_named_with_its_line_and_field(tmp_path: Path, key: str, change: Change, field: str, expected: str, found: str) -> None:
    at = next(i for i, record in enumerate(MARKET) if record["id"] == key)
    path = write(tmp_path, *MARKET[:at], change(MARKET[at]), *MARKET[at + 1 :])
    report = check([path])
    problem = next((p for p in report.problems if p.field == field), None)
    assert problem is not None, report.problems
    assert problem.file == str(path)
    lines = {at + 1, 5} if field == "options[0].resource" and key == "gaivota" else {at + 1}
    assert problem.line in lines
    assert problem.expected.startswith(expected), problem
    assert problem.found.startswith(found), problem
    assert f"{path}:{problem.line}: {field}: expected" in str(problem)


def test_a_broken_record_is_reported_once_and_not_at_everything_that_refers_to_it(tmp_path: Path) -> None:
    path = write(tmp_path, *MARKET[:2], changed(PROVIDER, currency="GOLD"), *MARKET[3:])
    assert [(p.line, p.field) for p in check([path]).problems] == [(3, "currency")]


@pytest.mark.parametrize(
    ("line", "field", "expected"),
    [
        (b'{"type": "policy"', "", "one JSON object in UTF-8"),
        (b'["policy"]', "", "one JSON object"),
        (b'{"type": "cruise", "id": "x"}', "type", "one of destination, policy, provider, resource, product, fee_rule"),
        (b'{"id": "x"}', "type", "one of destination"),
        (b'{"type": "policy", "id": "x", "name": "\xff"}', "", "one JSON object in UTF-8"),
        (b'{"type": "policy", "id": "x", "name": "X", "tiers": NaN}', "", "one JSON object in UTF-8"),
    ],
)
def test_a_line_that_is_no_record_is_named(tmp_path: Path, line: bytes, field: str, expected: str) -> None:
    path = tmp_path / "odd.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"type": "policy", "id": "a", "name": "A"}\n\n' + line + b"\n")
    (problem,) = check([path]).problems
    assert (problem.line, problem.field) == (3, field)
    assert problem.expected.startswith(expected)


def test_paths_that_hold_no_catalogue_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("hello")
    report = check([tmp_path / "gone.jsonl", tmp_path / "empty", tmp_path / "notes.txt"])
    assert [p.expected for p in report.problems] == [
        "a folder with .jsonl or .csv files",
        "a file or a folder",
        "a file that ends in .jsonl or .csv",
    ]


def test_only_the_first_problems_are_listed_and_all_are_counted(tmp_path: Path) -> None:
    path = write(tmp_path, *(changed(LISBON, id=f"city-{i}", currency="GOLD") for i in range(80)))
    report = check([path], limit=10)
    assert (report.problem_count, len(report.problems), report.ok) == (80, 10, False)
    assert [p.line for p in report.problems] == list(range(1, 11))


def test_two_products_on_one_resource_share_its_way_of_counting_days(tmp_path: Path) -> None:
    other = with_option(changed(VILLA, id="houseboat", availability_mode="TOGGLE"), resource="gaivota")
    path = write(tmp_path, LISBON, POLICY, PROVIDER, changed(BOAT, rules=[]), other, with_option(changed(VILLA), resource="gaivota"))
    (problem,) = check([path]).problems
    assert (problem.line, problem.field) == (6, "availability_mode")
    assert problem.expected == "TOGGLE, as houseboat has it, because both sell the resource gaivota"


# ── all or nothing ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
def test_one_bad_row_among_ten_thousand_changes_nothing(sqlite: Database, tmp_path: Path) -> None:
    take_in(sqlite, tmp_path)
    before = everything(sqlite)
    small = changed(VILLA, options=[changed(VILLA["options"][0], restrictions=[])], adjustments=[])
    crowd = [changed(small, id=f"villa-{i}", title=f"Villa {i}") for i in range(10_000)]
    crowd[7_654] = with_option(crowd[7_654], price="12.345")
    report = import_files(sqlite, [write(tmp_path, LISBON, POLICY, PROVIDER, *crowd, name="crowd.jsonl")], NOW)
    assert report.problem_count == 1
    assert [(p.line, p.field, p.found) for p in report.problems] == [(7_658, "options[0].price", "'12.345'")]
    assert everything(sqlite) == before


class Crash(Exception):
    pass


@pytest.mark.parametrize("step", ["loading", "publishing"])
def test_a_crash_in_the_middle_leaves_the_live_catalogue_as_it_was(engine: Engine, tmp_path: Path, step: str) -> None:
    db = engine.db
    take_in(db, tmp_path)
    before, found = exported(db, tmp_path), [o.listing.id for o in search(engine, Wish(words="villa sail"))]
    porto = changed(LISBON, id="porto", name="Porto")
    crew = changed(PROVIDER, id="douro", name="Douro Crew")
    barge = changed(BOAT, id="barge", provider="douro")
    cruise = with_option(
        with_option(changed(SAIL, id="cruise", provider="douro", destination="porto"), 0, resource="barge"), 1, resource="barge"
    )
    news = [
        porto,
        POLICY,
        changed(PROVIDER, name="Tejo & Sons"),
        crew,
        BOAT,
        barge,
        with_option(SAIL, price=99),
        cruise,
        changed(FEE, percent=20),
    ]
    path = write(tmp_path, *news)

    def crash(now_at: str, done: int, _total: int | None) -> None:
        if now_at == step and (step == "publishing" or done == 8):
            raise Crash

    with pytest.raises(Crash):
        import_files(db, [path], NOW, chunk=1, progress=crash)
    assert exported(db, tmp_path) == before
    assert [o.listing.id for o in search(engine, Wish(words="villa sail"))] == found
    assert [city["id"] for city in cities(engine)] == ["lisbon"]
    with db.read() as tx:
        assert tx.execute(select(func.count()).where(schema.catalogue_change.c.load_id != "")).scalar_one() > 0
    clean_leftovers(db, NOW)
    with db.read() as tx:
        assert list(tx.execute(select(schema.product.c.id).order_by(schema.product.c.id)).scalars()) == ["sail", "villa"]
        assert list(tx.execute(select(schema.destination.c.id)).scalars()) == ["lisbon"]
        assert list(tx.execute(select(schema.provider.c.id)).scalars()) == ["tejo"]
        assert tx.execute(select(func.count()).select_from(schema.catalogue_change)).scalar_one() == 0
    report = import_files(db, [path], NOW)
    assert report.created == {"destination": 1, "provider": 1, "resource": 1, "product": 1}
    assert report.changed == {"provider": 1, "product": 1, "fee_rule": 1}
    assert report.unpublished == 1
    assert [o.listing.id for o in search(engine, Wish(words="sail villa"))] == ["cruise", "sail"]


def test_bookings_go_on_while_an_import_runs(engine: Engine, tmp_path: Path) -> None:
    take_in(engine.db, tmp_path)
    booked: list[str] = []

    def between(step: str, done: int, _total: int | None) -> None:
        if step == "loading" and done % 2:
            booked.append(book(engine, traveler(engine), Ask("sail", "sail.half", DAY, local_start="09:00", units={"ADULT": 1})))

    report = import_files(
        engine.db, [write(tmp_path, *MARKET[:4], with_option(SAIL, price=50), VILLA, FEE)], NOW, chunk=1, progress=between
    )
    assert report.changed == {"product": 1}
    assert len(booked) == 4
    with engine.db.read() as tx:
        assert tx.execute(select(schema.slot.c.held)).scalars().all() == [4]
        assert set(tx.execute(select(schema.booking.c.amount)).scalars()) == {4550}
        assert holds.drift(tx) == []


def test_a_second_import_at_the_same_time_is_asked_to_wait(db: Database, tmp_path: Path) -> None:
    path = write(tmp_path, *MARKET)
    refused: list[str] = []

    def again(step: str, _done: int, _total: int | None) -> None:
        if step == "publishing" and not refused:
            with pytest.raises(Busy) as error:
                import_files(db, [path], NOW)
            refused.append(str(error.value))

    assert import_files(db, [path], NOW, progress=again).ok
    assert refused == ["Another catalogue import is running. Please wait for it to end."]


# ── again ─────────────────────────────────────────────────────────────────────────────────────────


def test_the_same_files_again_change_nothing(db: Database, tmp_path: Path) -> None:
    take_in(db, tmp_path)
    before = everything(db)
    report = take_in(db, tmp_path)
    assert (report.created, report.changed, report.unchanged, report.unpublished) == ({}, {}, 7, 0)
    assert everything(db) == before


def test_yearly_stretches_move_on_with_the_year_of_the_import(sqlite: Database, tmp_path: Path) -> None:
    take_in(sqlite, tmp_path)
    path = write(tmp_path, *MARKET)
    report = import_files(sqlite, [path], NOW.replace(year=2029))
    assert report.changed == {"provider": 1, "product": 2}  # what has a season or a holiday
    with sqlite.read() as tx:
        days = tx.execute(select(schema.availability_exception.c.from_date).order_by(schema.availability_exception.c.from_date)).scalars()
        assert [day.year for day in days] == [2028, 2029, 2030, 2031, 2032]


def test_what_changed_is_updated_under_the_same_ids(engine: Engine, tmp_path: Path) -> None:
    take_in(engine.db, tmp_path)
    booking_id = book(engine, traveler(engine), Ask("sail", "sail.half", DAY, local_start="09:00", units={"ADULT": 2}))
    with engine.db.write() as tx:
        tx.execute(update(schema.provider).values(accepting=True))
        tx.execute(
            update(schema.product).where(schema.product.c.id == "sail").values(rating_tenths=31, rating_count=9, rating_source="reviews")
        )
        manual = {"scope": "PROVIDER", "scope_id": "tejo", "from_date": DAY, "to_date": DAY, "source": "manual"}
        tx.execute(insert(schema.availability_exception).values(id="mine", **manual))
    new_sail = with_option(changed(SAIL, title="Sailing to Cascais", rating=4.9, rating_source="sample", tags=["dolphins"]), price=50)
    report = take_in(engine.db, tmp_path, *MARKET[:2], changed(PROVIDER, name="Tejo Crew"), BOAT, new_sail, VILLA, FEE)
    assert (report.changed, report.unchanged) == ({"provider": 1, "product": 2}, 4)  # the villa's text names its provider
    with engine.db.read() as tx:
        sail = listing(tx, "sail")
        assert (sail.product.title, sail.options[0].plan.amount, sail.provider.name) == ("Sailing to Cascais", 5000, "Tejo Crew")
        assert (sail.product.rating_tenths, sail.product.rating_count, sail.product.rating_source) == (31, 9, "reviews")
        assert "mine" in set(tx.execute(select(schema.availability_exception.c.id)).scalars())
        row = tx.execute(select(schema.booking).where(schema.booking.c.id == booking_id)).one()
        assert (row.amount, row.option_id, row.title) == (9100, "sail.half", "Sailing past Belém: Half day")
        assert holds.drift(tx) == []
    assert [o.listing.id for o in search(engine, Wish(words="dolphins"))] == ["sail"]
    assert search(engine, Wish(words="sunset")) == []


def test_a_product_the_files_no_longer_name_is_taken_off_sale_and_its_bookings_stay(engine: Engine, tmp_path: Path) -> None:
    take_in(engine.db, tmp_path)
    booking_id = book(engine, traveler(engine), Ask("sail", "sail.full", DAY, local_start="09:00", units={"ADULT": 2}))
    report = take_in(engine.db, tmp_path, LISBON, POLICY, PROVIDER, BOAT, VILLA, FEE)
    assert report.unpublished == 1
    assert search(engine, Wish(words="belem")) == []
    assert '"id": "sail"' not in exported(engine.db, tmp_path)
    with engine.db.read() as tx:
        assert listings(tx, ["sail"])["sail"].product.published is False
        assert tx.execute(select(schema.booking.c.status).where(schema.booking.c.id == booking_id)).scalar_one() == "ON_HOLD"
    assert take_in(engine.db, tmp_path).changed == {"product": 1}
    assert [o.listing.id for o in search(engine, Wish(words="belem"))] == ["sail"]


def test_an_option_the_file_dropped_is_no_longer_offered_and_its_bookings_stay(engine: Engine, tmp_path: Path) -> None:
    take_in(engine.db, tmp_path)
    booking_id = book(engine, traveler(engine), Ask("sail", "sail.full", DAY, local_start="09:00", units={"ADULT": 2}))
    shorter = copy.deepcopy(SAIL)
    del shorter["options"][1]
    take_in(engine.db, tmp_path, *MARKET[:4], shorter, VILLA, FEE)
    with engine.db.read() as tx:
        assert [option.id for option in listing(tx, "sail").options] == ["sail.half"]
        assert tx.execute(select(schema.booking.c.option_id).where(schema.booking.c.id == booking_id)).scalar_one() == "sail.full"
    assert take_in(engine.db, tmp_path).changed == {"product": 1}
    with engine.db.read() as tx:
        assert [option.id for option in listing(tx, "sail").options] == ["sail.half", "sail.full"]


def test_another_source_may_not_take_over_a_product(sqlite: Database, tmp_path: Path) -> None:
    take_in(sqlite, tmp_path)
    other = write(tmp_path, *MARKET, name="rival.jsonl")
    report = import_files(sqlite, [other], NOW)
    assert [(p.line, p.field) for p in report.problems] == [(5, "id"), (6, "id")]
    assert "import it as source 'market'" in report.problems[0].expected
    assert import_files(sqlite, [other], NOW, source="market").unchanged == 7
    with pytest.raises(Invalid):
        import_files(sqlite, [other], NOW, source="~")


def _slot(engine: Engine, start: str = "09:00") -> tuple[int, int]:
    with engine.db.read() as tx:
        row = tx.execute(select(schema.slot).where(schema.slot.c.local_start == start)).one()
    return row.capacity, row.held + row.booked


def test_a_new_capacity_reaches_the_slots_that_were_touched(engine: Engine, tmp_path: Path) -> None:
    take_in(engine.db, tmp_path)
    book(engine, traveler(engine), Ask("sail", "sail.half", DAY, local_start="09:00", units={"ADULT": 5}))
    assert _slot(engine) == (8, 5)
    smaller = changed(BOAT, rules=[{"start": "09:00", "capacity": 5}, {"start": "14:00", "capacity": 8}])
    take_in(engine.db, tmp_path, *MARKET[:3], smaller, *MARKET[4:])
    assert _slot(engine) == (5, 5)
    bigger = changed(BOAT, rules=[{"start": "09:00", "capacity": 12}, {"start": "14:00", "capacity": 8}])
    take_in(engine.db, tmp_path, *MARKET[:3], bigger, *MARKET[4:])
    assert _slot(engine) == (12, 5)


@pytest.mark.parametrize("rules", [[{"start": "09:00", "capacity": 4}, {"start": "14:00", "capacity": 8}], "gone on Saturdays"])
def test_a_capacity_below_what_is_sold_is_an_error_that_names_the_slot(engine: Engine, tmp_path: Path, rules: Any) -> None:
    take_in(engine.db, tmp_path)
    book(engine, traveler(engine), Ask("sail", "sail.half", DAY, local_start="09:00", units={"ADULT": 5}))
    before = exported(engine.db, tmp_path)
    weekdays = [{"start": start, "capacity": 8, "weekdays": "sun-fri"} for start in ("09:00", "14:00")]
    boat = changed(BOAT, rules=rules if isinstance(rules, list) else weekdays)
    path = write(tmp_path, *MARKET[:3], boat, changed(SAIL, title="Other"), changed(VILLA, id="villa-2"), FEE)
    report = import_files(engine.db, [path], NOW)
    (problem,) = report.problems
    assert (problem.file, problem.line, problem.field) == (str(path), 4, "capacity")
    assert problem.expected == "5 places or more in the slot gaivota 2026-12-05 09:00, because 5 are held or sold"
    assert problem.found == ("'4'" if isinstance(rules, list) else "'0'")
    assert exported(engine.db, tmp_path) == before
    assert _slot(engine) == (8, 5)
    with engine.db.read() as tx:
        assert list(tx.execute(select(schema.product.c.id).order_by(schema.product.c.id)).scalars()) == ["sail", "villa"]


def test_a_day_that_is_closed_keeps_what_was_sold(engine: Engine, tmp_path: Path) -> None:
    take_in(engine.db, tmp_path)
    book(engine, traveler(engine), Ask("sail", "sail.half", DAY, local_start="09:00", units={"ADULT": 5}))
    closed = changed(BOAT, exceptions=[{"from": DAY.isoformat(), "reason": "Storm"}])
    take_in(engine.db, tmp_path, *MARKET[:3], closed, *MARKET[4:])
    assert _slot(engine) == (8, 5)
    with engine.db.read() as tx:
        sail = listing(tx, "sail")
        assert availability.capacity_on(sail, sail.options[0], DAY, "09:00") == 0


def test_a_private_option_names_its_own_place_in_a_capacity_conflict(engine: Engine, tmp_path: Path) -> None:
    table = with_option(with_option(SAIL), resource=None, capacity=None, rules=[{"start": s, "capacity": 6} for s in ("09:00", "14:00")])
    take_in(engine.db, tmp_path, *MARKET[:4], table)
    book(engine, traveler(engine), Ask("sail", "sail.half", DAY, local_start="14:00", units={"ADULT": 6}))
    fewer = with_option(table, rules=[{"start": s, "capacity": 2} for s in ("09:00", "14:00")])
    (problem,) = import_files(engine.db, [write(tmp_path, *MARKET[:4], fewer)], NOW).problems
    assert (problem.line, problem.field, problem.found) == (5, "options[0].capacity", "'2'")


# ── out again ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_export_import_export_gives_the_same_bytes(db: Database, sqlite: Database, tmp_path: Path, form: Any) -> None:
    policy = {"type": "policy", "id": "never", "name": 'Never, "ever"', "tiers": []}
    quote = with_option(changed(VILLA, id="quote", title="On quote\nor so", tags=[]), price=None)
    drafty = changed(VILLA, id="draft", published=False, accepting=False, currency="JPY", adjustments=[])
    own = with_option(changed(VILLA, id="own"), capacity=3, exceptions=[{"from": "2027-01-01", "to": "2027-01-05", "capacity": 1}])
    take_in(db, tmp_path, *MARKET, policy, quote, drafty, own)
    ends = [tmp_path / "one" / "out.jsonl", tmp_path / "two" / "out.jsonl"] if form == "jsonl" else [tmp_path / "one", tmp_path / "two"]
    counts = export(db, ends[0], form)
    report = import_files(sqlite, [ends[0]], NOW)
    assert report.problems == ()
    assert report.created == counts == {"destination": 1, "policy": 2, "provider": 1, "resource": 1, "product": 5, "fee_rule": 1}
    export(sqlite, ends[1], form)
    assert _bytes(ends[0]) == _bytes(ends[1])


def _bytes(path: Path) -> Mapping[str, bytes]:
    return {p.name: p.read_bytes() for p in ([path] if path.is_file() else sorted(path.iterdir()))}


def test_an_export_reads_as_a_person_would_write_it(sqlite: Database, tmp_path: Path) -> None:
    take_in(sqlite, tmp_path)
    lines = [json.loads(line) for line in exported(sqlite, tmp_path).splitlines()]
    boat, sail = lines[3], lines[4]
    assert boat == BOAT
    assert sail["options"][1]["starts"] == ["09:00=09:00+14:00"]
    assert sail["options"][0]["rates"] == [{"name": "Summer", "from": "06-15", "to": "09-15", "percent": "20"}]
    assert lines[2]["exceptions"] == [{"from": "12-25", "reason": "Christmas"}]


def test_csv_faults_name_the_row_of_the_part_they_are_in(sqlite: Database, tmp_path: Path) -> None:
    take_in(sqlite, tmp_path)
    folder = tmp_path / "sheets"
    export(sqlite, folder, "csv")
    assert check([folder]).ok

    def edit(name: str, line: int, column: str, value: str) -> None:
        with (folder / name).open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
        rows[line - 1][rows[0].index(column)] = value
        with (folder / name).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(rows)

    edit("rates.csv", 2, "percent", "lots")
    edit("units.csv", 3, "option", "sail.quarter")
    edit("options.csv", 3, "price", "80.123")
    edit("adjustments.csv", 3, "product", "")
    found = [(Path(p.file).name, p.line, p.field) for p in check([folder]).problems]
    assert found == [
        ("adjustments.csv", 3, "provider"),
        ("options.csv", 3, "price"),
        ("rates.csv", 2, "percent"),
        ("units.csv", 3, "option"),
    ]
    assert import_files(sqlite, [folder], NOW, source="market").problem_count == 4


@pytest.mark.parametrize(
    ("text", "line", "field", "expected"),
    [
        ("", 1, "", "a header row"),
        ("id,name,colour\n", 1, "colour", "a column among id, name, tiers"),
        ("id,id\n", 1, "id", "each column once"),
        ('id,name,tiers\na,"A\nB",\n\nc,C,48h:100%,x\n', 5, "", "3 cells as in the header"),
        ('id,name\na,"A\n', 2, "", "a row of comma-separated values"),
        ("id,name\na,\n", 2, "name", "a value"),
    ],
)
def test_csv_that_is_no_table_is_named(tmp_path: Path, text: str, line: int, field: str, expected: str) -> None:
    path = tmp_path / "policies.csv"
    path.write_text(text)
    problem = check([path]).problems[0]
    assert (problem.line, problem.field) == (line, field)
    assert problem.expected.startswith(expected)


def test_a_csv_name_says_what_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "lisbon-fee_rules.csv").write_text("id,party,scope,percent\nplatform,PLATFORM,GLOBAL,12.5\n")
    (tmp_path / "things.csv").write_text("id\nx\n")
    report = check([tmp_path])
    assert report.counts == {"fee_rule": 1}
    assert [p.expected[:22] for p in report.problems] == ["a name that ends in on"]


# ── progress and notation ─────────────────────────────────────────────────────────────────────────


def test_progress_tells_each_step_to_its_end(sqlite: Database, tmp_path: Path) -> None:
    seen: dict[str, list[tuple[int, int | None]]] = {}
    import_files(sqlite, [write(tmp_path, *MARKET)], NOW, chunk=2, progress=lambda s, d, t: seen.setdefault(s, []).append((d, t)))
    assert list(seen) == ["reading", "checking", "loading", "publishing"]
    assert seen["reading"][-1] == (7, 7)
    assert seen["loading"][-1] == (7, 7)
    assert all(one <= two for (one, _), (two, _) in zip(seen["loading"], seen["loading"][1:], strict=False))


@given(st.integers(1, 127))
def test_weekdays_are_read_as_they_were_written(bits: int) -> None:
    assert notation.read_weekdays(notation.write_weekdays(bits)) == bits


def test_weekdays_in_people_s_ways() -> None:
    assert notation.read_weekdays("sat-mon") == notation.read_weekdays(["mon", "sat", "sun"]) == 0b1100001
    assert notation.read_weekdays("Mon-Fri sun") == 0b1011111
    assert notation.write_weekdays(0b0010111) == "mon-wed,fri"


@given(st.dates(date(2000, 1, 1), date(2099, 12, 31)), st.integers(2026, 2090))
def test_a_yearly_stretch_comes_round_once_a_year(day: date, year: int) -> None:
    if (day.month, day.day) == (2, 29):
        return
    rounds = list(notation.stretches(f"{day:%m-%d}", f"{day:%m-%d}", year))
    assert [which for which, _, _ in rounds] == [year - 1, year, year + 1, year + 2, year + 3]
    assert all(first == last and first is not None and (first.month, first.day) == (day.month, day.day) for _, first, last in rounds)


def test_a_yearly_stretch_may_span_new_year() -> None:
    first = next(notation.stretches("12-27", "01-02", 2026))
    assert first == (2025, date(2025, 12, 27), date(2026, 1, 2))


def test_the_clock_is_the_caller_s(sqlite: Database, tmp_path: Path, clock: Clock) -> None:
    clock.forward(days=400)
    import_files(sqlite, [write(tmp_path, *MARKET)], clock())
    with sqlite.read() as tx:
        load = tx.execute(select(schema.catalogue_load)).one()
        assert (load.state, load.started_at, load.source) == ("live", clock(), "market")
        assert tx.execute(select(schema.provider.c.created_at)).scalar_one() == clock()
    with sqlite.write() as tx:
        tx.execute(delete(schema.catalogue_load))


def test_the_cart_meets_a_withdrawn_product_with_a_sentence(engine: Engine, tmp_path: Path) -> None:
    take_in(engine.db, tmp_path)
    actor = traveler(engine)
    carts.add(engine, actor, Ask("sail", "sail.half", DAY, local_start="09:00", units={"ADULT": 1}))
    take_in(engine.db, tmp_path, LISBON, POLICY, PROVIDER, BOAT, VILLA, FEE)
    with pytest.raises(Refused, match="is no longer on sale"):
        bookings.propose_checkout(engine, actor)


def test_units_that_change_places_do_not_meet(db: Database, tmp_path: Path) -> None:
    take_in(db, tmp_path)
    swapped = with_option(SAIL, units=list(reversed(SAIL["options"][0]["units"])))
    take_in(db, tmp_path, *MARKET[:4], swapped, VILLA, FEE)
    with db.read() as tx:
        assert {(unit.type, unit.price_bps) for unit in listing(tx, "sail").options[0].units} == {("ADULT", 10_000), ("CHILD", 5_000)}


def test_a_change_touches_only_the_rows_that_differ(db: Database, tmp_path: Path) -> None:
    take_in(db, tmp_path)
    before = everything(db)
    take_in(db, tmp_path, *MARKET[:4], with_option(SAIL, at=1, price=90), VILLA, changed(FEE, id="house"))
    after = everything(db)
    assert {name for name in before if before[name] != after[name]} == {"rate_plan", "fee_rule", "catalogue_entry"}
    assert len(set(before["rate_plan"]) - set(after["rate_plan"])) == 1
    assert len(after["fee_rule"]) == 1


def test_the_market_in_the_guide_is_a_market(tmp_path: Path) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "catalogue.md").read_text(encoding="utf-8")
    path = tmp_path / "guide.jsonl"
    path.write_text(guide.split("```json\n")[1].split("```")[0], encoding="utf-8")
    report = check([path])
    assert report.problems == ()
    assert report.counts == {"destination": 1, "policy": 1, "provider": 1, "resource": 1, "product": 1, "fee_rule": 1}


def test_the_guide_names_every_field() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "catalogue.md").read_text(encoding="utf-8")
    for model in (*records.TYPES.values(), records.Option, records.Rule, records.Closing, records.Unit, records.Rate, records.Adjustment):
        for name, field in model.model_fields.items():
            assert (field.alias or name) in guide, (model.__name__, name)
