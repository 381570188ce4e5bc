"""Days, times, people and money as people write them, relative to Wednesday 25 November 2026."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.offline.clock import read_clock
from bot.offline.days import read_when
from bot.offline.money import read_budget
from bot.offline.numbers import Text, normal, read_ordinal
from bot.offline.party import Party, read_party

TODAY = date(2026, 11, 25)


def when(words: str, trip: tuple[date, date] | None = None) -> tuple[str | None, str | None, int | None]:
    found = read_when(Text(normal(words)), TODAY, trip)
    return found.start and found.start.isoformat(), found.end and found.end.isoformat(), found.nights


@pytest.mark.parametrize(
    ("words", "start", "end", "nights"),
    [
        ("tomorrow", "2026-11-26", None, None),
        ("the day after tomorrow", "2026-11-27", None, None),
        ("tonight", "2026-11-25", None, None),
        ("on saturday", "2026-11-28", None, None),
        ("this Saturday", "2026-11-28", None, None),
        ("next Saturday", "2026-12-05", None, None),
        ("Friday next week", "2026-12-04", None, None),
        ("this weekend", "2026-11-28", "2026-11-29", None),
        ("next weekend for 2 nights", "2026-12-05", "2026-12-07", 2),
        ("5 December", "2026-12-05", None, None),
        ("December 5th", "2026-12-05", None, None),
        ("the 5th of January", "2027-01-05", None, None),
        ("3 March 2028", "2028-03-03", None, None),
        ("5/12", "2026-12-05", None, None),
        ("on 2026-12-24", "2026-12-24", None, None),
        ("from 12 to 15 March", "2027-03-12", "2027-03-15", None),
        ("Dec 24-27", "2026-12-24", "2026-12-27", None),
        ("28 December to 2 January", "2026-12-28", "2027-01-02", None),
        ("from Friday to Sunday", "2026-11-27", "2026-11-29", None),
        ("3 nights from friday", "2026-11-27", "2026-11-30", 3),
        ("for a week", None, None, 7),
        ("in two weeks", "2026-12-09", None, None),
        ("in June", "2027-06-01", "2027-06-30", None),
        ("the 12th", "2026-12-12", None, None),
        ("the second week of March", "2027-03-08", "2027-03-14", None),
        ("late May", "2027-05-21", "2027-05-31", None),
        ("the first weekend of February", "2027-02-06", "2027-02-07", None),
        ("the last weekend in November", "2026-11-28", "2026-11-29", None),
        ("a weekend, arriving Friday, leaving Sunday", "2026-11-27", "2026-11-29", None),
        ("last Monday", "2026-11-23", None, None),
        ("31 February", None, None, None),
        ("from 5 May to 3 May", None, None, None),
        ("a day trip for two", None, None, None),
        ("may I have a table", None, None, None),
        ("the second one", None, None, None),
    ],
)
def test_days(words: str, start: str | None, end: str | None, nights: int | None) -> None:
    assert when(words) == (start, end, nights)


def test_next_saturday_names_the_other_reading_while_this_weeks_is_to_come() -> None:
    assert read_when(Text("next saturday"), TODAY).ambiguous == date(2026, 11, 28)
    assert read_when(Text("next tuesday"), TODAY).ambiguous is None


def test_a_day_that_is_over_is_marked() -> None:
    assert read_when(Text("yesterday"), TODAY).past
    assert read_when(Text("on 2020-01-01"), TODAY).past


def test_a_number_or_weekday_falls_into_the_trip_talked_about() -> None:
    march = (date(2027, 3, 12), date(2027, 3, 15))
    assert when("on the 13th", march)[0] == "2027-03-13"
    assert when("on sunday", march)[0] == "2027-03-14"
    assert when("on wednesday", march)[0] == "2026-11-25"


@pytest.mark.parametrize(
    ("words", "adults", "children", "infants"),
    [
        ("for two", 2, None, None),
        ("2 adults and 1 child", 2, 1, None),
        ("me and my wife", 2, None, None),
        ("my wife, two kids and me", 2, 2, None),
        ("just me", 1, None, None),
        ("we are 6", 6, None, None),
        ("a family of four", 4, None, None),
        ("three friends and me", 4, None, None),
        ("2 adults, 1 toddler", 2, None, 1),
        ("table for 2 at 8", 2, None, None),
        ("for 3 nights", None, None, None),
        ("for 120 euros", None, None, None),
    ],
)
def test_people(words: str, adults: int | None, children: int | None, infants: int | None) -> None:
    text = Text(normal(words))
    read_when(text, TODAY)
    found = read_party(text)
    assert (found.adults, found.children, found.infants) == (adults, children, infants)


def test_nobody_and_one_more_are_told_apart() -> None:
    assert read_party(Text("for 0 people")).zero
    assert read_party(Text("one more person")).more == 1


@pytest.mark.parametrize(
    ("words", "amount", "currency", "per"),
    [
        ("under 120 euros a night", 120, "EUR", "night"),
        ("max €50 per person", 50, "EUR", "person"),
        ("$200 total", 200, "USD", "total"),
        ("budget of 2k", 2000, "", "total"),
        ("up to 1,500 dollars", 1500, "USD", "total"),
        ("at 8", None, "", "total"),
        ("for 4 people", None, "", "total"),
    ],
)
def test_money(words: str, amount: int | None, currency: str, per: str) -> None:
    found = read_budget(Text(normal(words)))
    assert (found.amount, found.currency, found.per) == (amount, currency, per)


@pytest.mark.parametrize(
    ("words", "at", "first", "last"),
    [
        ("at 7pm", "19:00", "", ""),
        ("10:30", "10:30", "", ""),
        ("dinner at 8", "20:00", "", ""),
        ("after 5pm", "", "17:00", ""),
        ("before noon", "12:00", "", ""),
        ("in the morning", "", "05:00", "11:59"),
        ("for 2", "", "", ""),
    ],
)
def test_times(words: str, at: str, first: str, last: str) -> None:
    found = read_clock(Text(normal(words)))
    assert (found.at, found.first, found.last) == (at, first, last)


@pytest.mark.parametrize(
    ("words", "n"), [("the second one", 2), ("number 3", 3), ("#2", 2), ("the last one", -1), ("second", 2), ("two people", None)]
)
def test_choosing(words: str, n: int | None) -> None:
    assert read_ordinal(Text(words)) == n


@given(st.text(max_size=120))
def test_no_text_breaks_a_reader(words: str) -> None:
    text = Text(normal(words))
    read_budget(text)
    read_ordinal(text)
    read_when(text, TODAY)
    read_party(text)
    read_clock(text)


@given(st.integers(min_value=0, max_value=500))
def test_every_iso_day_is_read_back(ahead: int) -> None:
    day = TODAY + timedelta(days=ahead)
    assert read_when(Text(f"on {day.isoformat()} please"), TODAY).start == day


@given(st.integers(min_value=0, max_value=360))
def test_every_written_day_is_read_back(ahead: int) -> None:
    day = TODAY + timedelta(days=ahead)
    assert read_when(Text(normal(f"{day.day} {day:%B}")), TODAY).start == day


@pytest.mark.parametrize(
    ("said", "party"),
    [
        ("2 adults and a 7 year old in lisbon", Party(2, 1)),
        ("two adults, a 9-year-old and a 10 month old", Party(2, 1, 1)),
        ("2 adults with two 5 year olds", Party(2, 2)),
        ("2 adults and 2 kids", Party(2, 2)),
        ("a tasting of 18 year old whisky for 2 adults", Party(2)),
    ],
)
def test_children_named_by_their_age_alone_are_counted(said: str, party: Party) -> None:
    assert read_party(Text(normal(said))) == party
