"""Strangers' calendars read whole or not at all, and our own written so that they can be read."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import ical
from core.ical import Busy, Entry, Unreadable

LISBON = ZoneInfo("Europe/Lisbon")
FIRST, LAST = date(2027, 3, 1), date(2027, 4, 30)


def calendar(*events: str) -> str:
    body = "".join(f"BEGIN:VEVENT\r\n{event.strip()}\r\nEND:VEVENT\r\n" for event in events)
    return f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Other//EN\r\n{body}END:VCALENDAR\r\n"


def read(*events: str, ours: str = "") -> list[Busy]:
    return ical.busy(calendar(*events), zone=LISBON, first=FIRST, last=LAST, ours=ours)


def days(*events: str) -> list[tuple[str, str]]:
    return [(str(one.start), str(one.end)) for one in read(*events)]


def times(*events: str) -> list[tuple[str, str]]:
    return [tuple(f"{at.astimezone(LISBON):%m-%d %H:%M}" for at in (one.start, one.end)) for one in read(*events)]  # type: ignore[misc, union-attr]


def test_whole_days_end_where_the_last_one_does() -> None:
    assert days("UID:a\nDTSTART;VALUE=DATE:20270310\nDTEND;VALUE=DATE:20270313") == [("2027-03-10", "2027-03-13")]
    assert days("UID:a\nDTSTART;VALUE=DATE:20270310") == [("2027-03-10", "2027-03-11")]
    assert days("UID:a\nDTSTART;VALUE=DATE:20270310\nDURATION:P2D") == [("2027-03-10", "2027-03-12")]
    assert days("UID:a\nDTSTART;VALUE=DATE:20260101\nDTEND;VALUE=DATE:20260103") == []


def test_times_are_read_in_their_own_zone_in_utc_or_in_the_provider_s() -> None:
    assert times("UID:a\nDTSTART;TZID=Europe/Rome:20270310T100000\nDTEND;TZID=Europe/Rome:20270310T120000") == [
        ("03-10 09:00", "03-10 11:00")
    ]
    assert times("UID:a\nDTSTART:20270410T100000Z\nDURATION:PT90M") == [("04-10 11:00", "04-10 12:30")]
    assert times("UID:a\nDTSTART:20270310T100000\nDTEND:20270310T120000") == [("03-10 10:00", "03-10 12:00")]
    assert times("UID:a\nDTSTART:20270310T100000") == [("03-10 10:00", "03-10 10:01")]


def test_free_cancelled_and_our_own_events_are_left_out() -> None:
    day = "DTSTART;VALUE=DATE:20270310"
    assert read(f"UID:a\n{day}\nTRANSP:TRANSPARENT", f"UID:b\n{day}\nSTATUS:CANCELLED") == []
    assert read(f"UID:a\n{day}\nX-MICROSOFT-CDO-BUSYSTATUS:FREE") == []
    assert read(f"UID:x@ours.traveloure\n{day}", ours="@ours.traveloure") == []
    assert len(read(f"UID:x@theirs.traveloure\n{day}", ours="@ours.traveloure")) == 1


def test_repeating_events_keep_their_wall_clock_and_their_exceptions() -> None:
    weekly = "DTSTART;TZID=Europe/Lisbon:20270322T090000\nDTEND;TZID=Europe/Lisbon:20270322T100000\nRRULE:FREQ=WEEKLY;COUNT=3"
    assert times(f"UID:a\n{weekly}") == [("03-22 09:00", "03-22 10:00"), ("03-29 09:00", "03-29 10:00"), ("04-05 09:00", "04-05 10:00")]
    assert times(f"UID:a\n{weekly}\nEXDATE;TZID=Europe/Lisbon:20270329T090000") == [
        ("03-22 09:00", "03-22 10:00"),
        ("04-05 09:00", "04-05 10:00"),
    ]
    assert times(f"UID:a\n{weekly}\nEXDATE:20270329T080000Z")[1:] == [("04-05 09:00", "04-05 10:00")]
    moved = "UID:a\nRECURRENCE-ID;TZID=Europe/Lisbon:20270329T090000\nDTSTART;TZID=Europe/Lisbon:20270330T150000\nDURATION:PT1H"
    assert times(f"UID:a\n{weekly}", moved)[1] == ("03-30 15:00", "03-30 16:00")
    gone = "UID:a\nRECURRENCE-ID:20270329T080000Z\nDTSTART;TZID=Europe/Lisbon:20270329T090000\nSTATUS:CANCELLED"
    assert len(read(f"UID:a\n{weekly}", gone)) == 2
    assert times(f"UID:a\n{weekly}\nRDATE;TZID=Europe/Lisbon:20270401T120000")[2] == ("04-01 12:00", "04-01 13:00")
    every_year = "UID:a\nDTSTART;VALUE=DATE:20100401\nDTEND;VALUE=DATE:20100403\nRRULE:FREQ=YEARLY;UNTIL=20280101"
    assert days(every_year) == [("2027-04-01", "2027-04-03")]
    endless = "UID:a\nDTSTART;VALUE=DATE:20270428\nRRULE:FREQ=DAILY"
    assert [start for start, _ in days(endless)] == ["2027-04-28", "2027-04-29", "2027-04-30"]
    until = "UID:a\nDTSTART:20270310T230000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;UNTIL=20270311T230000Z"
    assert times(until) == [("03-10 23:00", "03-11 00:00"), ("03-11 23:00", "03-12 00:00")]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html>Please sign in</html>",
        "BEGIN:VEVENT\nEND:VEVENT\n",
        calendar("UID:a\nSUMMARY:no start"),
        calendar("UID:a\nDTSTART:20270310T100000\nDTEND:tomorrow"),
        calendar("UID:a\nDTSTART:20270310T100000\nDTEND:20270310T090000"),
        calendar("UID:a\nDTSTART;VALUE=DATE:20270310\nRRULE:FREQ=MINUTELY"),
        calendar("UID:a\nDTSTART:00010101T000000Z\nDURATION:P9999999D"),
        calendar("UID:a\nDTSTART;VALUE=DATE:20270310\nRRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30"),
        calendar("UID:a\nDTSTART;VALUE=DATE:18000101\nRRULE:FREQ=DAILY"),
        calendar(*(f"UID:{i}\nDTSTART;VALUE=DATE:20270310" for i in range(5_001))),
    ],
    ids=lambda text: text[:40],
)
def test_what_cannot_be_read_whole_is_not_read_at_all(text: str) -> None:
    with pytest.raises(Unreadable):
        ical.busy(text, zone=LISBON, first=FIRST, last=LAST)


@given(
    st.text(max_size=200), st.sampled_from(["DTSTART", "DTEND", "RRULE", "EXDATE", "RDATE", "DURATION", "RECURRENCE-ID", "UID", "TRANSP"])
)
def test_whatever_stands_in_an_event_is_read_or_refused(value: str, name: str) -> None:
    try:
        read(f"UID:a\nDTSTART;VALUE=DATE:20270310\n{name}:{value}")
    except Unreadable:
        return


def test_what_is_written_can_be_read_again() -> None:
    at = datetime(2027, 3, 27, 9, 0, tzinfo=LISBON)
    stamp = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
    entries = [
        Entry("stay@x.traveloure", date(2027, 3, 10), date(2027, 3, 13), stamp, "Booked: Villa, by; the\nriver", sequence=3),
        Entry("sail@x.traveloure", at, at + timedelta(days=1, hours=2), stamp, "Booked", tentative=True),
        Entry("part@x.traveloure", date(2027, 3, 20), date(2027, 3, 21), stamp, "Booked", opaque=False),
    ]
    body = ical.write("Villa", entries, FIRST, LAST)
    assert body == ical.write("Villa", entries, FIRST, LAST)
    text = body.decode()
    for line in (
        "DTSTART;VALUE=DATE:20270310\r\nDTEND;VALUE=DATE:20270313",
        "DTSTART;TZID=Europe/Lisbon:20270327T090000",
        "BEGIN:VTIMEZONE",
        "DTSTAMP:20261125T090000Z",
        "SEQUENCE:3",
        "STATUS:TENTATIVE",
        f"PRODID:{ical.PRODID}",
        "SUMMARY:Booked: Villa\\, by\\; the\\nriver",
        "REFRESH-INTERVAL;VALUE=DURATION:PT30M",
    ):
        assert line in text, line
    assert max(len(line) for line in text.splitlines()) <= 75
    found = ical.busy(text, zone=LISBON, first=FIRST, last=LAST)
    assert [one.all_day for one in found] == [True, False]
    assert found[0] == Busy(date(2027, 3, 10), date(2027, 3, 13))
    assert found[1].start == at
    assert ical.busy(text, zone=LISBON, first=FIRST, last=LAST, ours="@x.traveloure") == []
