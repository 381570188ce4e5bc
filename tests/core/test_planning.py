"""Plans over several days: only what is free, in time, within the money, and exactly what the cart then holds."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import insert

from core import carts, planning
from core.availability import Ask
from core.catalogue_files import import_files
from core.db import Database
from core.engine import Engine
from core.errors import Invalid
from core.planning import Brief, way_between
from core.rates import read_rates
from core.schema import slot
from tests import builders
from tests.conftest import Clock
from tests.gateway import MemoryGateway

DEMO = Path(__file__).parent.parent.parent / "demo"
START = date(2027, 3, 10)
TWO = {"ADULT": 2}


@pytest.fixture
def demo(sqlite: Database, clock: Clock) -> Engine:
    engine = Engine(db=sqlite, gateway=MemoryGateway(), clock=clock)
    report = import_files(
        sqlite, [DEMO / "00-policies.jsonl", DEMO / "kyoto.jsonl", DEMO / "lisbon.jsonl", DEMO / "99-fees.jsonl"], clock()
    )
    assert report.ok, report.problems
    return engine


@pytest.mark.parametrize("city", ["kyoto", "lisbon"])
@pytest.mark.parametrize("days", [1, 2, 3, 5])
def test_a_plan_holds_to_times_ways_and_money_and_costs_what_the_cart_says(demo: Engine, city: str, days: int) -> None:
    budget = 150_000 if city == "kyoto" else 90_000
    found = planning.plans(demo, Brief(city, START, days, TWO, budget))
    assert found
    for plan in found:
        assert plan.total <= budget
        ids = [stop.listing.id for stop in plan.stops]
        assert len(ids) == len(set(ids))
        assert (plan.stay is not None) == (days > 1)
        assert [one.day for one in plan.days] == [START + timedelta(days=n) for n in range(days)]
        for one in plan.days:
            timed = [stop for stop in one.stops if stop.at is not None]
            for before, after in pairwise(timed):
                way = way_between(before.listing, after.listing)
                assert way is not None
                assert (before.until or 0) + way[1] + planning.SPARE <= (after.at or 0)
                assert after.minutes == way[1]
            if days > 1 and one.day == START:
                assert all((stop.at or 0) >= planning.ARRIVES for stop in timed)
            if days > 1 and one.day == START + timedelta(days=days - 1):
                assert all((stop.until or 0) <= planning.LEAVES for stop in timed)
        actor = builders.traveler(demo)
        for stop in plan.stops:
            view = carts.add(demo, actor, Ask(stop.listing.id, stop.option_id, stop.day, stop.end, stop.start, TWO))
        assert view["totals"][plan.currency]["payable"] == plan.total


def test_the_plan_for_less_is_for_less_and_no_two_are_the_same(demo: Engine) -> None:
    found = {plan.style: plan for plan in planning.plans(demo, Brief("lisbon", START, 3, TWO))}
    assert found["value"].total <= found["balanced"].total * planning.EASY // 100
    stops = [frozenset((stop.listing.id, stop.day, stop.start) for stop in plan.stops) for plan in found.values()]
    assert len(stops) == len(set(stops))


def test_what_they_like_comes_first_and_what_is_for_children_last(demo: Engine) -> None:
    liked = planning.plans(demo, Brief("kyoto", START, 2, TWO, words="sake"))[0]
    assert "kyoto-sake-fushimi" in [stop.listing.id for stop in liked.stops]
    alone = planning.plans(demo, Brief("kyoto", START, 2, TWO))[0]
    assert "kyoto-ninja-kids" not in [stop.listing.id for stop in alone.stops]


def test_too_little_money_gives_a_smaller_plan_or_none(demo: Engine) -> None:
    tight = planning.plans(demo, Brief("kyoto", START, 3, TWO, 30_000))
    assert tight
    assert all(plan.total <= 30_000 for plan in tight)
    assert planning.plans(demo, Brief("kyoto", START, 3, TWO, 100)) == []
    with pytest.raises(Invalid):
        planning.plans(demo, Brief("kyoto", START, 11, TWO))
    with pytest.raises(Invalid):
        planning.plans(demo, Brief("kyoto", START, 3, {"ADULT": 99}))


def test_nothing_that_is_full_is_planned(demo: Engine) -> None:
    first = planning.plans(demo, Brief("kyoto", START, 1, TWO))[0]
    taken = first.stops[0]
    resource = taken.listing.option(taken.option_id).resource_id
    values = {
        "resource_id": resource,
        "local_date": taken.day,
        "local_start": taken.start,
        "capacity": 0,
        "closed": True,
    }
    with demo.db.write() as tx:
        tx.execute(insert(slot).values(**values))
    again = planning.plans(demo, Brief("kyoto", START, 1, TWO))
    assert all((stop.listing.id, stop.start) != (taken.listing.id, taken.start) for plan in again for stop in plan.stops)


def test_instead_of_something(demo: Engine) -> None:
    sail = "lisbon-tagus-sail"
    with pytest.raises(Invalid):
        planning.instead(demo, sail, day=START, units=TWO, change="earlier")
    cheaper = planning.instead(demo, sail, day=START, units=TWO, change="cheaper", amount=9_600)
    assert cheaper
    assert all((one.amount or 0) < 9_600 and one.listing.id != sail and one.listing.product.kind == "activity" for one in cheaper)
    earlier = planning.instead(demo, sail, day=START, start="18:00", units=TWO, change="earlier")
    assert all(start < "18:00" for one in earlier for start in one.starts)
    six = planning.instead(demo, sail, day=START, units={"ADULT": 6}, itself=True)
    assert six[0].listing.id == sail


def test_rates_are_estimates_of_a_day_and_a_bad_file_stops_the_start(tmp_path: Path) -> None:
    rates = read_rates()
    assert rates.as_of
    assert rates.about(60_000, "EUR", "JPY") == int(Decimal(600) * rates.euro["JPY"])
    assert rates.about(100, "EUR", "EUR") == 100
    assert rates.about(100, "EUR", "XXX") is None
    bad = tmp_path / "rates.toml"
    for text in ('as_of = "x"', '[euro]\nUSD = "1.1"', '[euro]\nEUR = "1"\nUSD = "0"', "not toml ["):
        bad.write_text(text, "utf-8")
        with pytest.raises(Invalid):
            read_rates(bad)
