"""What is free: the three modes, exceptions and shared starts with exact values, and what holds always."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import availability
from core.availability import UNLIMITED, Ask, Vacancy, vacancies
from core.catalogue import Listing, Start, Unit
from core.errors import Invalid, Refused
from core.settings import Rules
from tests.listings import closing, listing, option, restriction, rule

NOW = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
DAY = date(2026, 12, 5)  # a Saturday


def slot(capacity: int, taken: int = 0, *, closed: bool = False) -> Any:
    return SimpleNamespace(capacity=capacity, held=taken, booked=0, closed=closed)


def on(listed: Listing, slots: Any = None, day: date = DAY) -> list[tuple[str, str, int]]:
    found: list[Vacancy] = vacancies(listed, listed.options[0], [day], slots or {})
    return [(one.local_start, one.status, one.vacancies) for one in found]


def test_calendar_is_free_once_a_day_unless_it_says_more() -> None:
    assert on(listing(option(), mode="CALENDAR")) == [("", "AVAILABLE", 1)]
    assert on(listing(option(resource_capacity=3), mode="CALENDAR")) == [("", "AVAILABLE", 3)]
    assert on(listing(option(), mode="CALENDAR"), {("res", DAY, ""): slot(1, 1)}) == [("", "SOLD_OUT", 0)]


def test_toggle_is_on_without_limit_or_off() -> None:
    assert on(listing(option(), mode="TOGGLE")) == [("", "FREESALE", UNLIMITED)]
    assert on(listing(option(), mode="TOGGLE", accepting=False)) == [("", "CLOSED", 0)]
    assert on(listing(option(resource_capacity=5), mode="TOGGLE"), {("res", DAY, ""): slot(5, 3)}) == [("", "LIMITED", 2)]


def test_a_closed_slot_is_closed_whatever_its_capacity() -> None:
    assert on(listing(option(), mode="TOGGLE"), {("res", DAY, ""): slot(UNLIMITED, closed=True)}) == [("", "CLOSED", 0)]


def test_inventory_has_places_by_weekly_rule_and_start() -> None:
    listed = listing(option(starts=["09:00", "14:00"], rules=[rule(8, start="09:00"), rule(12, start="14:00", weekdays=0b0011111)]))
    assert on(listed) == [("09:00", "AVAILABLE", 8), ("14:00", "CLOSED", 0)]
    assert on(listed, day=DAY + timedelta(days=2)) == [("09:00", "AVAILABLE", 8), ("14:00", "AVAILABLE", 12)]
    assert on(listed, {("res", DAY, "09:00"): slot(8, 8)})[0] == ("09:00", "SOLD_OUT", 0)


def test_the_shortest_dated_rule_wins_then_the_one_for_this_start() -> None:
    december = {"from_date": date(2026, 12, 1), "to_date": date(2026, 12, 31)}
    week = {"from_date": date(2026, 12, 1), "to_date": date(2026, 12, 7)}
    rules = [rule(20), rule(9, start="09:00"), rule(5, **december), rule(3, **week)]
    assert on(listing(option(starts=["09:00"], rules=rules))) == [("09:00", "AVAILABLE", 3)]
    assert on(listing(option(starts=["09:00"], rules=rules[:3]))) == [("09:00", "AVAILABLE", 5)]
    assert on(listing(option(starts=["09:00"], rules=rules[:2]))) == [("09:00", "AVAILABLE", 9)]


def test_exceptions_close_or_change_a_day_and_closing_wins() -> None:
    boat = option(starts=["09:00", "14:00"], rules=[rule(8)])
    few = closing(DAY, capacity=6, closed=False)
    assert on(listing(boat, exceptions=[few])) == [("09:00", "AVAILABLE", 6), ("14:00", "AVAILABLE", 6)]
    morning = closing(DAY, local_start="09:00")
    assert on(listing(boat, exceptions=[few, morning])) == [("09:00", "CLOSED", 0), ("14:00", "AVAILABLE", 6)]
    other = closing(DAY, scope="RESOURCE", scope_id="another boat")
    assert on(listing(boat, exceptions=[other])) == [("09:00", "AVAILABLE", 8), ("14:00", "AVAILABLE", 8)]
    assert on(listing(boat, exceptions=[closing(DAY - timedelta(days=3), DAY)])) == [("09:00", "CLOSED", 0), ("14:00", "CLOSED", 0)]


def test_a_full_day_takes_both_halves() -> None:
    full = option(starts=[Start("09:00", ("09:00", "14:00"))], rules=[rule(8, start="09:00"), rule(8, start="14:00")])
    taken = {("res", DAY, "14:00"): slot(8, 5)}
    assert on(listing(full), taken) == [("09:00", "LIMITED", 3)]
    listed = listing(full)
    assert availability.is_free(listed, full, Ask("p", "o", DAY, None, "09:00", {"ADULT": 3}), taken)
    assert not availability.is_free(listed, full, Ask("p", "o", DAY, None, "09:00", {"ADULT": 4}), taken)


def test_a_stay_needs_every_night() -> None:
    rooms = option(per="NIGHT", rules=[rule(2)])
    listed, taken = listing(rooms), {("res", DAY + timedelta(days=2), ""): slot(2, 2)}
    three, two = (Ask("p", "o", DAY, DAY + timedelta(days=n), "", {"ADULT": 2}) for n in (3, 2))
    assert not availability.is_free(listed, rooms, three, taken)
    assert availability.is_free(listed, rooms, two, taken)


def refused(listed: Listing, asked: Ask, now: datetime = NOW) -> str:
    with pytest.raises((Invalid, Refused)) as error:
        availability.check(listed, listed.options[0], asked, now, Rules())
    return str(error.value)


def test_what_can_be_known_beforehand_is_said_in_a_sentence() -> None:
    activity = listing(option(starts=["09:00", "14:00"], rules=[rule(8)]), max_party=6, min_party=2, min_age=8, lead_hours=3)
    assert refused(activity, Ask("p", "o", DAY, None, "09:00", {"ADULT": 1})) == "Product needs at least 2 people."
    assert refused(activity, Ask("p", "o", DAY, None, "09:00", {"ADULT": 7})) == "Product takes up to 6 people."
    assert refused(activity, Ask("p", "o", DAY, None, "09:00", {"ADULT": 2, "INFANT": 1})) == "Product is for people aged 8 and over."
    assert refused(activity, Ask("p", "o", DAY, None, "11:00", {"ADULT": 2})).startswith("Option starts at 09:00, 14:00.")
    today = Ask("p", "o", NOW.date(), None, "14:00", {"ADULT": 2})
    availability.check(activity, activity.options[0], today, NOW.replace(hour=10, minute=59), Rules())
    assert "It has to be booked 3 hours ahead." in refused(activity, today, NOW.replace(hour=11))


def test_children_are_never_sold_as_adults_where_they_are_too_young() -> None:
    """A type that an option does not sell pays as an adult, and is judged by who they really are."""

    def told(listed: Listing, **units: int) -> str:
        return refused(listed, Ask("p", "o", DAY, None, "", units))

    bar = listing(option(units=()), min_age=18)
    assert told(bar, ADULT=2, CHILD=1) == "Product is for people aged 18 and over."
    teens = listing(option(units=(Unit("ADULT", 13, None, 1, 10_000, None),)))
    assert told(teens, ADULT=2, CHILD=1) == "Product is for people aged 13 and over."
    school = listing(option(units=()), min_age=6)
    availability.check(school, school.options[0], Ask("p", "o", DAY, None, "", {"ADULT": 1, "CHILD": 2}), NOW, Rules())
    assert told(school, ADULT=1, INFANT=1) == "Product is for people aged 6 and over."


def test_a_stay_has_its_own_rules() -> None:
    summer = (date(2027, 6, 1), date(2027, 9, 30))
    saturdays = restriction(*summer, weekdays=0b1011111, closed_to_arrival=True)
    villa = listing(option(per="NIGHT", min_nights=2, max_nights=21, restrictions=[saturdays, restriction(*summer, min_nights=7)]))
    assert refused(villa, Ask("p", "o", DAY, DAY + timedelta(days=1), "", {"ADULT": 2})) == "Product can be booked from 2 nights on."
    assert refused(villa, Ask("p", "o", DAY, DAY + timedelta(days=22), "", {"ADULT": 2})) == "Product can be booked for up to 21 nights."
    assert refused(villa, Ask("p", "o", DAY, None, "", {"ADULT": 2})) == "When do you leave? A stay needs a check-out date."
    saturday, monday = date(2027, 7, 3), date(2027, 7, 5)
    assert "takes no arrivals on Monday 05 July" in refused(villa, Ask("p", "o", monday, monday + timedelta(days=7), "", {"ADULT": 2}))
    assert (
        refused(villa, Ask("p", "o", saturday, saturday + timedelta(days=5), "", {"ADULT": 2})) == "Product can be booked from 7 nights on."
    )
    availability.check(villa, villa.options[0], Ask("p", "o", saturday, saturday + timedelta(days=7), "", {"ADULT": 2}), NOW, Rules())


@given(
    st.sampled_from(["CALENDAR", "TOGGLE", "INVENTORY"]),
    st.lists(st.builds(rule, st.integers(0, 20), start=st.sampled_from(["", "09:00", "14:00"]), weekdays=st.integers(1, 127)), max_size=4),
    st.lists(
        st.builds(
            closing,
            st.dates(DAY, DAY + timedelta(days=3)),
            closed=st.booleans(),
            capacity=st.integers(0, 9),
            local_start=st.sampled_from(["", "09:00"]),
        ),
        max_size=3,
    ),
    st.dictionaries(
        st.tuples(st.integers(0, 3), st.sampled_from(["09:00", "14:00"])), st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=5
    ),
)
def test_vacancies_fit_their_status_and_what_is_free_fits_what_is_wanted(mode: str, rules: Any, exceptions: Any, sold: Any) -> None:
    starts = ["09:00", Start("10:00", ("09:00", "14:00"))]
    listed = listing(option(starts=starts, rules=rules), mode=mode, exceptions=exceptions)
    slots = {("res", DAY + timedelta(days=d), start): slot(max(cap, taken), taken) for (d, start), (cap, taken) in sold.items()}
    days = [DAY + timedelta(days=i) for i in range(4)]
    found = {(one.local_date, one.local_start): one for one in vacancies(listed, listed.options[0], days, slots)}
    assert len(found) == 8
    for (day, start), one in found.items():
        assert one.vacancies >= 0
        assert (one.vacancies == 0) == (one.status in ("CLOSED", "SOLD_OUT"))
        for party in (1, 3, 9):
            asked = Ask("p", "o", day, None, start, {"ADULT": party})
            assert availability.is_free(listed, listed.options[0], asked, slots) == (one.vacancies >= party)
        if start == "10:00":
            assert one.vacancies <= found[day, "09:00"].vacancies  # it takes the morning too
