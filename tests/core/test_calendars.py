"""Other calendars close days as one set, never silently over a sale; and ours can be read by those who have the address."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from icalendar import Calendar
from sqlalchemy import select

from core import calendars, holds, ical, requests, schedules, schema
from core.availability import Ask, available_days
from core.engine import Actor, Engine
from core.errors import Invalid, NotFound, Refused, SoldOut
from core.ical import Busy, Unreadable
from tests.conftest import Clock
from tests.core.test_catalogue_files import DAY, book, take_in, traveler
from tests.core.test_ical import calendar

TEJO = Actor("paul", role="provider", provider_ids=("tejo",))
URL = "https://other.example/calendar.ics?secret=1"


@pytest.fixture
def house(engine: Engine, tmp_path: Path) -> Engine:
    take_in(engine.db, tmp_path)
    with engine.db.write() as tx:
        tx.execute(schema.availability_exception.delete())  # the file's own holidays
    return engine


def whole(day: date, days: int = 1, uid: str = "a", more: str = "") -> str:
    return f"UID:{uid}\nDTSTART;VALUE=DATE:{day:%Y%m%d}\nDTEND;VALUE=DATE:{day + timedelta(days=days):%Y%m%d}\n{more}"


def feed(engine: Engine, product: str = "villa", url: str = URL, name: str = "Other site") -> str:
    return calendars.add_feed(engine, TEJO, product, url, name=name)


def row(engine: Engine, feed_id: str) -> Any:
    with engine.db.read() as tx:
        return tx.execute(select(schema.calendar_feed).where(schema.calendar_feed.c.id == feed_id)).one()


def closed(engine: Engine, product: str = "villa", days: int = 8) -> list[str]:
    found = available_days(engine, product, DAY, DAY + timedelta(days=days - 1))
    return [day["date"][-2:] for day in found if day["status"] == "CLOSED"]


def closings(engine: Engine, feed_id: str) -> list[tuple[Any, ...]]:
    table = schema.availability_exception
    with engine.db.read() as tx:
        rows = tx.execute(select(table).where(table.c.source == f"ical:{feed_id}").order_by(table.c.from_date, table.c.local_start))
        return [(one.scope, one.scope_id, one.from_date, one.to_date, one.local_start) for one in rows]


def mails(engine: Engine, notice: str) -> list[dict[str, Any]]:
    with engine.db.read() as tx:
        return list(tx.execute(select(schema.outbound.c.content).where(schema.outbound.c.notice == notice)).scalars())


def test_a_calendar_closes_its_days_and_is_replaced_as_a_set(house: Engine) -> None:
    id = feed(house)
    assert calendars.took(house, id, calendar(whole(DAY, 2), whole(DAY + timedelta(days=2), 1, "b")), etag='"1"') == {
        "events": 2,
        "days": 3,
        "conflicts": 0,
    }
    assert closings(house, id) == [("RESOURCE", "villa.standard", DAY, DAY + timedelta(days=2), "")]
    assert closed(house) == ["05", "06", "07"]
    with pytest.raises(SoldOut):
        book(house, traveler(house), Ask("villa", None, DAY, DAY + timedelta(days=2), "", {"ADULT": 2}))
    schedules.block(house, TEJO, "PRODUCT", "villa", DAY + timedelta(days=5), DAY + timedelta(days=5))
    calendars.took(house, id, calendar(whole(DAY + timedelta(days=1))))
    assert closed(house) == ["06", "10"]  # what the provider blocked by hand stays
    calendars.took(house, id, calendar())
    assert closed(house) == ["10"]
    assert row(house, id).state == "ok"


def test_days_taken_elsewhere_are_not_opened_by_hand(house: Engine) -> None:
    id = feed(house)
    calendars.took(house, id, calendar(whole(DAY)))
    with pytest.raises(Refused, match=r"taken in another calendar \(Other site\)"):
        schedules.unblock(house, TEJO, "PRODUCT", "villa", DAY, DAY)
    assert closed(house, days=2) == ["05"]
    calendars.remove_feed(house, TEJO, id)
    assert closed(house) == []
    assert closings(house, id) == []


def test_what_cannot_be_read_leaves_the_last_good_state_and_is_told_once(house: Engine, clock: Clock) -> None:
    id = feed(house)
    calendars.took(house, id, calendar(whole(DAY)))
    for _ in range(3):
        with pytest.raises(Unreadable):
            calendars.took(house, id, "<html>")
        calendars.broken(house, id, "This is not a calendar.")
        clock.forward(hours=1)
    assert closed(house, days=2) == ["05"]
    one = row(house, id)
    assert (one.state, one.failures, one.error) == ("failing", 3, "This is not a calendar.")
    assert [mail["why"] for mail in mails(house, "calendar_broken")] == ["This is not a calendar."]
    clock.forward(hours=3)
    calendars.took(house, id, calendar(whole(DAY)))
    assert (row(house, id).state, row(house, id).failures) == ("ok", 0)
    calendars.broken(house, id, "Again.")
    assert len(mails(house, "calendar_broken")) == 2


def test_a_day_that_is_sold_here_and_taken_there_is_a_conflict_and_sells_no_more(house: Engine) -> None:
    schedules.set_capacity(house, TEJO, "villa", 2)
    booked = book(house, traveler(house), Ask("villa", None, DAY, DAY + timedelta(days=2), "", {"ADULT": 2}))
    id = feed(house)
    for _ in range(2):
        assert calendars.took(house, id, calendar(whole(DAY, 1)))["conflicts"] == 1
    (conflict,) = row(house, id).conflicts
    assert (conflict["booking_id"], conflict["date"]) == (booked, DAY.isoformat())
    assert [mail["booking_id"] for mail in mails(house, "calendar_conflict")] == [booked]
    with house.db.read() as tx:
        slot = tx.execute(select(schema.slot).order_by(schema.slot.c.local_date)).first()
        assert holds.drift(tx) == []
    assert slot is not None
    assert (slot.held, slot.capacity, slot.closed) == (1, 2, True)
    with pytest.raises(SoldOut):
        book(house, traveler(house), Ask("villa", None, DAY, DAY + timedelta(days=2), "", {"ADULT": 2}))
    assert calendars.took(house, id, calendar())["conflicts"] == 0
    assert row(house, id).conflicts == []
    book(house, traveler(house), Ask("villa", None, DAY, DAY + timedelta(days=2), "", {"ADULT": 2}))


def test_a_sale_that_comes_after_is_found_though_nothing_is_new_there(house: Engine) -> None:
    id = feed(house, "sail")
    calendars.took(house, id, calendar())
    book(house, traveler(house), Ask("sail", "sail.half", DAY, local_start="09:00", units={"ADULT": 2}))
    calendars.unchanged(house, id)
    assert row(house, id).conflicts == []
    calendars.took(house, id, calendar(whole(DAY)))
    assert len(row(house, id).conflicts) == 1
    calendars.unchanged(house, id)
    assert len(row(house, id).conflicts) == 1


def test_a_time_closes_only_the_starts_it_meets(house: Engine) -> None:
    id = feed(house, "sail")
    event = f"UID:a\nDTSTART;TZID=Europe/Lisbon:{DAY:%Y%m%d}T093000\nDURATION:PT1H"
    calendars.took(house, id, calendar(event))
    assert closings(house, id) == [("RESOURCE", "gaivota", DAY, DAY, "09:00")]
    seen = schedules.calendar(house, TEJO, "sail", DAY, DAY)["days"][0]
    assert [(one["start"], one["status"]) for one in seen["starts"]] == [("09:00", "CLOSED"), ("14:00", "AVAILABLE")]
    full = available_days(house, "sail", DAY, DAY, option_id="sail.full")
    assert full[0]["status"] == "CLOSED"


NIGHTS = calendars.Shape(ZoneInfo("Europe/Lisbon"), True, (("", 0),))
DAYS = calendars.Shape(ZoneInfo("Europe/Lisbon"), False, (("", 0),))


@pytest.mark.parametrize(
    ("shape", "start", "end", "expected"),
    [
        (NIGHTS, "2027-03-10T16:00", "2027-03-12T10:00", ["10", "11"]),  # a stay as another site writes it with its hours
        (NIGHTS, "2027-03-10T11:30", "2027-03-10T14:30", []),  # cleaning between check-out and check-in
        (NIGHTS, "2027-03-10T02:00", "2027-03-10T03:00", ["09"]),  # the small hours belong to the night before
        (DAYS, "2027-03-10T23:00", "2027-03-11T01:00", ["10", "11"]),
        (DAYS, "2027-03-10T10:00", "2027-03-11T00:00", ["10"]),
    ],
)
def test_nights_and_days_are_met_by_their_hours(shape: calendars.Shape, start: str, end: str, expected: list[str]) -> None:
    times = [datetime.fromisoformat(at).replace(tzinfo=shape.zone) for at in (start, end)]
    found = calendars.closings([Busy(*times)], shape, date(2027, 3, 1), date(2027, 3, 31))
    assert [f"{first + timedelta(days=i):%d}" for first, last, _ in found for i in range((last - first).days + 1)] == expected


# ── our own ───────────────────────────────────────────────────────────────────────────────────────


def events(body: bytes) -> dict[str, Any]:
    return {str(one["SUMMARY"]): one for one in Calendar.from_ical(body).walk("VEVENT")}


def test_an_address_shows_nights_and_blocks_and_nobody_s_name(house: Engine) -> None:
    booked = book(house, traveler(house), Ask("villa", None, DAY, DAY + timedelta(days=2), "", {"ADULT": 3}))
    schedules.block(house, TEJO, "PROVIDER", "tejo", DAY + timedelta(days=9), DAY + timedelta(days=10), reason="Family wedding")
    token = calendars.share(house, TEJO, "villa", name="Other site")
    assert len(token) >= 32
    body = calendars.export(house, token)
    assert body == calendars.export(house, token)
    for secret in (b"Anna", b"anna@example.com", b"wedding"):
        assert secret not in body
    found = events(body)
    assert set(found) == {"Booked: Villa by the river (3 people)", "Blocked"}
    stay = found["Booked: Villa by the river (3 people)"]
    assert (stay["DTSTART"].dt, stay["DTEND"].dt) == (DAY, DAY + timedelta(days=2))
    assert str(stay["UID"]).startswith(f"{booked}@")
    assert str(stay["STATUS"]) == "TENTATIVE"  # waits for the provider's answer
    assert str(stay["TRANSP"]) == "OPAQUE"
    assert (found["Blocked"]["DTSTART"].dt, found["Blocked"]["DTEND"].dt) == (DAY + timedelta(days=9), DAY + timedelta(days=11))


def test_a_change_raises_the_sequence_under_the_same_uid(house: Engine) -> None:
    book(house, traveler(house), Ask("villa", None, DAY, DAY + timedelta(days=2), "", {"ADULT": 3}))
    token = calendars.share(house, TEJO, "villa")
    before = next(iter(events(calendars.export(house, token)).values()))
    (request,) = requests.pending(house, ["tejo"])
    requests.decide(house, TEJO, request["request_id"], "approve")
    after = next(iter(events(calendars.export(house, token)).values()))
    assert before["UID"] == after["UID"]
    assert after["SEQUENCE"] > before["SEQUENCE"]


def test_places_of_many_make_a_time_busy_when_they_are_full(house: Engine) -> None:
    schedules.set_places(house, TEJO, "sail", DAY, DAY, 3)
    token = calendars.share(house, TEJO, "sail")
    book(house, traveler(house), Ask("sail", "sail.half", DAY, local_start="09:00", units={"ADULT": 2}))
    (one,) = events(calendars.export(house, token)).values()
    assert str(one["TRANSP"]) == "TRANSPARENT"
    assert one["DTSTART"].dt == datetime(DAY.year, DAY.month, DAY.day, 9, tzinfo=ZoneInfo("Europe/Lisbon"))
    assert one["DTSTART"].params["TZID"] == "Europe/Lisbon"
    book(house, traveler(house), Ask("sail", "sail.half", DAY, local_start="09:00", units={"ADULT": 1}))
    found = events(calendars.export(house, token))
    assert str(found["Sold out"]["TRANSP"]) == "OPAQUE"
    only = calendars.share(house, TEJO, "sail", option_id="sail.full", only_option=True)
    assert events(calendars.export(house, only)) == {}


def test_an_address_that_is_taken_back_opens_nothing(house: Engine) -> None:
    token = calendars.share(house, TEJO, "villa")
    calendars.export(house, token)
    calendars.revoke(house, TEJO, token)
    for wrong in (token, "guess", ""):
        with pytest.raises(NotFound):
            calendars.export(house, wrong)
    with pytest.raises(NotFound):
        calendars.revoke(house, TEJO, token)


def test_our_own_days_coming_back_are_ignored_and_another_house_s_are_not(house: Engine) -> None:
    book(house, traveler(house), Ask("villa", None, DAY, DAY + timedelta(days=2), "", {"ADULT": 2}))
    schedules.block(house, TEJO, "PRODUCT", "villa", DAY + timedelta(days=4), DAY + timedelta(days=4))
    text = calendars.export(house, calendars.share(house, TEJO, "villa")).decode()
    id = feed(house)
    assert calendars.took(house, id, text) == {"events": 0, "days": 0, "conflicts": 0}
    mark = re.search(r"@(\w+)\.traveloure", text)
    assert mark is not None
    theirs = text.replace(mark[1], "0" * len(mark[1]))
    assert calendars.took(house, id, theirs) == {"events": 2, "days": 3, "conflicts": 1}


@pytest.mark.parametrize(
    "url",
    [
        "",
        "calendar",
        "ftp://other.example/a.ics",
        "file:///etc/passwd",
        "https://",
        "https://user:secret@other.example/a.ics",
        "https://other.example/a b.ics",
        "https://other.example:99999/a.ics",
        "http://127.0.0.1:8000/calendars/token.ics",
        "https://other.example/" + "a" * 2000,
        "javascript:alert(1)",
    ],
)
def test_an_address_that_is_none_is_refused(house: Engine, url: str) -> None:
    with pytest.raises(Invalid) as refused:
        feed(house, url=url)
    assert refused.value.field == "url"
    with house.db.read() as tx:
        assert tx.execute(select(schema.calendar_feed)).all() == []


def test_nobody_else_reads_shares_or_removes(house: Engine) -> None:
    id, token = feed(house), calendars.share(house, TEJO, "villa")
    for stranger in (Actor("tom"), Actor("other", role="provider", provider_ids=("other",))):
        for act in (
            lambda who: calendars.add_feed(house, who, "villa", "https://x.example/a.ics"),
            lambda who: calendars.share(house, who, "villa"),
            lambda who: calendars.remove_feed(house, who, id),
            lambda who: calendars.ask_now(house, who, id),
            lambda who: calendars.revoke(house, who, token),
            lambda who: calendars.of_resource(house, who, "villa.standard"),
        ):
            with pytest.raises(NotFound):
                act(stranger)
    assert row(house, id).state == "new"
    calendars.export(house, token)


def test_calendars_and_addresses_have_an_end(house: Engine) -> None:
    for i in range(calendars.MOST):
        feed(house, url=f"https://other.example/{i}.ics")
        calendars.share(house, TEJO, "villa", name=str(i))
    with pytest.raises(Refused):
        feed(house)
    with pytest.raises(Refused):
        calendars.share(house, TEJO, "villa")
    with pytest.raises(Refused, match="already"):
        feed(house, url="https://other.example/1.ics")


def test_one_that_lost_its_job_is_asked_for_again(house: Engine, clock: Clock) -> None:
    id = feed(house)
    with house.db.write() as tx:
        tx.execute(schema.job.delete())
    assert calendars.sweep(house) == 0
    clock.forward(minutes=6)
    assert calendars.sweep(house) == 1
    with house.db.read() as tx:
        assert tx.execute(select(schema.job.c.payload).where(schema.job.c.kind == calendars.JOB)).scalar_one() == {"feed_id": id}
    assert calendars.errand(house, id) == calendars.Errand(id, URL, "", "")
    calendars.took(house, id, calendar(), etag='"7"', last_modified="then")
    assert calendars.errand(house, id) is None  # read a moment ago
    clock.forward(minutes=31)
    assert calendars.errand(house, id) == calendars.Errand(id, URL, '"7"', "then")
    clock.forward(hours=20)
    assert calendars.errand(house, id) == calendars.Errand(id, URL, "", "")  # the days ahead have moved on
    assert ical.PRODID in calendars.export(house, calendars.share(house, TEJO, "villa")).decode()
