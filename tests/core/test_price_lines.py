"""Prices, line by line with exact values, and what holds for every price there can be."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.availability import Ask
from core.catalogue import Listing
from core.errors import Invalid
from core.pricing import on_quote, price
from tests.listings import adjustment, listing, option, rate

TODAY = date(2026, 11, 25)  # a Wednesday
FRIDAY = date(2026, 12, 4)


def ask(day: date = FRIDAY, nights: int = 0, **units: int) -> Ask:
    return Ask("p", "o", day, day + timedelta(days=nights) if nights else None, "", units or {"ADULT": 2})


def lines(listed: Listing, asked: Ask, **kw: Any) -> list[tuple[str, int]]:
    return [(line.kind, line.amount) for line in price(listed, asked, today=TODAY, **kw).lines]


def test_people_pay_by_their_unit() -> None:
    listed = listing(option(amount=4_550))
    assert lines(listed, ask(ADULT=2, CHILD=1, INFANT=1)) == [("base", 9_100), ("base", 2_275), ("base", 0)]
    assert lines(listed, ask(SENIOR=1, ADULT=1)) == [("base", 4_550), ("base", 4_550)]  # a type the option does not sell pays as an adult


def test_nights_are_grouped_by_the_rate_that_gave_them() -> None:
    weekend = rate("WEEKDAY", name="Weekend", weekdays=0b0110000, bps=1_000)
    listed = listing(option(per="NIGHT", amount=10_000, rates=[weekend]))
    made = price(listed, ask(FRIDAY, 4), today=TODAY)
    assert [(line.amount, line.text) for line in made.lines] == [(22_000, "2 nights (Weekend)"), (20_000, "2 nights")]


def test_a_bigger_party_takes_more_rooms() -> None:
    listed = listing(option(per="NIGHT", amount=10_000, max_pax_each=2))
    made = price(listed, ask(FRIDAY, 3, ADULT=5), today=TODAY)
    assert (made.quantity, made.total) == (3, 90_000)


def test_a_group_price_is_paid_once_and_units_by_number() -> None:
    assert lines(listing(option(per="BOOKING", amount=30_000)), ask(ADULT=4)) == [("base", 30_000)]
    jeeps = Ask("p", "o", FRIDAY, None, "", {"ADULT": 2}, 3)
    assert lines(listing(option(per="UNIT", amount=12_000)), jeeps) == [("base", 36_000)]


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        ([rate("WEEKDAY", amount=1), rate("SEASON", id="r2", amount=2), rate("DATE", id="r3", amount=3)], 3),
        ([rate(amount=1), rate(id="r2", amount=2, priority=5)], 2),
        (
            [
                rate(amount=1, from_date=date(2026, 12, 1), to_date=date(2026, 12, 31)),
                rate(id="r2", amount=2, from_date=FRIDAY, to_date=FRIDAY),
            ],
            2,
        ),
        ([rate(id="r2", amount=1), rate(id="r1", amount=2)], 2),
        ([rate("WEEKDAY", weekdays=0b0001111, amount=1)], 4_000),
        ([rate(bps=-2_500)], 3_000),
    ],
)
def test_one_base_price_wins_and_never_a_tie(rates: Any, expected: int) -> None:
    assert lines(listing(option(rates=rates)), ask(ADULT=1)) == [("base", expected)]


def test_discounts_are_the_best_of_each_kind_off_the_base() -> None:
    discounts = [
        adjustment("length_of_stay", id="a", threshold=3, bps=-500),
        adjustment("length_of_stay", id="b", threshold=7, bps=-1_000),
        adjustment("early_bird", id="c", threshold=5, bps=-800),
        adjustment("last_minute", id="d", threshold=10, bps=-300),
        adjustment("group", id="e", threshold=5, bps=-5_000),
        adjustment("promo", id="f", code="WELCOME10", bps=-1_000),
    ]
    listed = listing(option(per="NIGHT", amount=10_000), adjustments=discounts)
    assert lines(listed, ask(FRIDAY, 7), promo="welcome10") == [
        ("base", 70_000),
        ("discount", -7_000),
        ("discount", -5_600),  # nine days ahead: early bird beats last minute
        ("promo", -7_000),
    ]


def test_discounts_never_take_more_than_there_is() -> None:
    gifts = [adjustment("group", threshold=1, amount=-3_000), adjustment("promo", id="a2", code="FREE", amount=-99_999)]
    listed = listing(option(amount=4_000), adjustments=[*gifts, adjustment("extra", id="a3", name="Ticket", amount=500)])
    assert lines(listed, ask(ADULT=1), promo="FREE") == [("base", 4_000), ("discount", -3_000), ("promo", -1_000), ("extra", 500)]


def test_extras_come_after_discounts_and_taxes_on_everything() -> None:
    added = [
        adjustment("extra", id="a", name="Cleaning", amount=6_000),
        adjustment("extra", id="b", name="Towels", amount=300, per="PERSON"),
        adjustment("tax", id="c", name="Occupancy", bps=1_475),
        adjustment("tax", id="d", name="City", amount=400, per="PERSON_NIGHT"),
        adjustment("tax", id="e", name="VAT", bps=600, included=True),
    ]
    listed = listing(option(per="NIGHT", amount=10_000), adjustments=added)
    made = price(listed, ask(FRIDAY, 2, ADULT=2, CHILD=1), today=TODAY)
    assert [(line.kind, line.amount) for line in made.lines] == [
        ("base", 20_000),
        ("extra", 6_000),
        ("extra", 900),
        ("tax", 3_968),  # 14.75 % of 26,900 is 3,967.75
        ("tax", 2_400),
        ("included_tax", 0),
    ]
    assert made.lines[-1].facts["included"] == 1_523  # what 6 % VAT makes of 26,900
    assert (made.tax, made.total) == (6_368, 33_268)


def test_a_quote_has_no_price_yet() -> None:
    made = price(listing(option(amount=None, model="QUOTE")), ask(), today=TODAY)
    assert (made.total, [line.kind for line in made.lines]) == (0, ["quote"])
    assert on_quote(line.as_json() for line in made.lines)
    assert not on_quote(line.as_json() for line in price(listing(option()), ask(), today=TODAY).lines)


def test_an_unknown_way_of_counting_is_named() -> None:
    with pytest.raises(Invalid) as error:
        price(listing(option(), adjustments=[adjustment("extra", amount=1, per="WEEK")]), ask(), today=TODAY)
    assert error.value.field == "per"


ADJUSTMENTS = st.builds(
    adjustment,
    st.sampled_from(["length_of_stay", "early_bird", "last_minute", "group", "promo"]),
    id=st.text("abc", min_size=1, max_size=3),
    threshold=st.integers(0, 12),
    bps=st.one_of(st.none(), st.integers(-10_000, 0)),
    amount=st.integers(-30_000, 0),
    code=st.just("CODE"),
) | st.builds(
    adjustment,
    st.sampled_from(["extra", "tax"]),
    id=st.text("abc", min_size=1, max_size=3),
    bps=st.one_of(st.none(), st.integers(0, 3_000)),
    amount=st.integers(0, 9_000),
    per=st.sampled_from(["BOOKING", "PERSON", "NIGHT", "PERSON_NIGHT"]),
)
RATES = st.builds(
    rate,
    st.sampled_from(["DATE", "SEASON", "WEEKDAY"]),
    id=st.text("abc", min_size=1, max_size=3),
    weekdays=st.integers(1, 127),
    amount=st.one_of(st.none(), st.integers(0, 50_000)),
    bps=st.integers(-9_999, 20_000),
    priority=st.integers(-3, 3),
)


@given(
    st.sampled_from(["PERSON", "BOOKING", "NIGHT", "UNIT"]),
    st.integers(0, 200_000),
    st.lists(RATES, max_size=5),
    st.lists(ADJUSTMENTS, max_size=7),
    st.dates(date(2026, 11, 25), date(2028, 5, 1)),
    st.integers(1, 30),
    st.dictionaries(st.sampled_from(["ADULT", "CHILD", "INFANT", "SENIOR"]), st.integers(1, 9), min_size=1),
    st.booleans(),
)
def test_lines_add_up_and_nobody_is_paid_for_coming(
    per: str, amount: int, rates: Any, adjustments: Any, day: date, nights: int, units: dict[str, int], code: bool
) -> None:
    listed = listing(option(per=per, amount=amount, rates=rates), adjustments=adjustments)
    asked = ask(day, nights if per == "NIGHT" else 0, **units)
    made = price(listed, asked, today=TODAY, promo="CODE" if code else None)
    assert made.total == sum(line.amount for line in made.lines)
    assert made.total >= 0
    assert 0 <= made.tax <= made.total
    off = sum(line.amount for line in made.lines if line.kind in ("discount", "promo"))
    assert 0 >= off >= -sum(line.amount for line in made.lines if line.kind == "base")
    assert made == price(listed, asked, today=TODAY, promo="CODE" if code else None)


@given(st.integers(1, 100_000), st.integers(1, 30), st.integers(1, 29))
def test_two_stays_cost_what_one_long_one_costs_without_length_discounts(amount: int, nights: int, cut: int) -> None:
    if cut >= nights:
        return
    listed = listing(option(per="NIGHT", amount=amount, rates=[rate("WEEKDAY", weekdays=0b1100000, bps=1_333)]))
    whole = price(listed, ask(FRIDAY, nights), today=TODAY).total
    first = price(listed, ask(FRIDAY, cut), today=TODAY).total
    second = price(listed, ask(FRIDAY + timedelta(days=cut), nights - cut), today=TODAY).total
    assert whole == first + second
