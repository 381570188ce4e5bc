"""The provider's calendar page: what it shows, what its forms do, and what it refuses with the bookings named."""

from __future__ import annotations

import re
from datetime import date, timedelta

import httpx
import pytest
from sqlalchemy import insert, select

from core import calendars, schedules
from core.engine import Actor
from core.schema import (
    audit_log,
    availability_exception,
    availability_rule,
    calendar_feed,
    calendar_link,
    option,
    product,
    provider,
    resource,
)
from tests import builders
from tests.channels.conftest import Live
from tests.core.test_ical import calendar

DAY = builders.DAY
HERE = {"product": "kayak", "option": "kayak-1", "month": "2027-03"}
POSTS = {
    "/calendar/days": {"do": "block", "day": DAY.isoformat()},
    "/calendar/switch": {"on": "0"},
    "/calendar/week": {"p--0": "3"},
    "/calendar/capacity": {"places": "3"},
    "/calendar/feeds": {"url": "https://other.example/a.ics"},
    "/calendar/links": {"name": "Other"},
}


@pytest.fixture
def paul(live: Live) -> httpx.Client:
    builders.products(live.house.engine, "kayak")
    return live.person("Paul Provider", "provider", "tejo")


def changes(live: Live) -> list[str]:
    with live.house.engine.db.read() as tx:
        return list(tx.execute(select(audit_log.c.verb).order_by(audit_log.c.id)).scalars())


def month(client: httpx.Client, **more: str) -> str:
    return client.get("/calendar", params={**HERE, **more}).text


def cell(text: str, day: date = DAY) -> str:
    found = re.search(rf'value="{day.isoformat()}".*?</label>', text, re.S)
    assert found is not None
    return " ".join(re.sub(r"<[^>]+>", " ", found[0]).split())


def post(client: httpx.Client, path: str, **values: object) -> httpx.Response:
    return client.post(path, data={**HERE, **values})


def test_a_month_shows_what_is_left_and_what_is_taken(live: Live, paul: httpx.Client) -> None:
    builders.buy(live.house.engine, "kayak", people=3)
    shown = month(paul)
    assert "March 2027" in shown
    assert "7 left" in cell(shown)
    assert "3 taken" in cell(shown)
    assert "10 left" in cell(shown, DAY + timedelta(days=1))
    assert shown.count('name="day"') == 31
    assert "disabled" in month(paul, month="2026-11")  # the days before today


def test_days_are_blocked_opened_and_given_places(live: Live, paul: httpx.Client) -> None:
    two = [DAY.isoformat(), (DAY + timedelta(days=2)).isoformat()]
    done = post(paul, "/calendar/days", do="block", day=two, reason="<b>boat</b> & more")
    assert (done.status_code, done.headers["location"]) == (303, "/calendar?product=kayak&option=kayak-1&month=2027-03&done=block")
    shown = month(paul)
    assert "closed" in cell(shown)
    assert "&lt;b&gt;boat&lt;/b&gt; &amp; more" in shown
    assert "<b>boat</b>" not in shown
    assert "10 left" in cell(shown, DAY + timedelta(days=1))
    assert post(paul, "/calendar/days", do="open", day=two).status_code == 303
    assert post(paul, "/calendar/days", do="places", first=two[0], last=two[1], places="4").status_code == 303
    assert "4 left" in cell(month(paul), DAY + timedelta(days=1))
    assert post(paul, "/calendar/days", do="usual", first=two[0], last=two[1]).status_code == 303
    assert "10 left" in cell(month(paul), DAY + timedelta(days=1))
    assert changes(live) == ["block", "block", "unblock", "unblock", "set_places", "set_places"]


def test_a_block_over_sold_days_is_refused_with_the_bookings(live: Live, paul: httpx.Client) -> None:
    builders.buy(live.house.engine, "kayak", people=3)
    refused = post(paul, "/calendar/days", do="block", day=DAY.isoformat())
    assert refused.status_code == 409
    assert re.search(r"<code>TRV-\w{6}</code> Kayak, Thu 4 Mar 2027 <small>being paid</small>", refused.text)
    assert "Nothing was changed" in refused.text
    both = post(paul, "/calendar/days", do="block", day=[(DAY - timedelta(days=2)).isoformat(), DAY.isoformat()])
    assert both.status_code == 409
    assert "Changed: Tue 2 Mar 2027. Not the rest: on Thu 04 Mar places are held or sold" in both.text
    assert "closed" in cell(month(paul), DAY - timedelta(days=2))
    assert "7 left" in cell(month(paul))


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"do": "block"}, "Choose days"),
        ({"do": "block", "day": "soon"}, "That is not a day."),
        ({"do": "block", "first": "2027-03-09", "last": "2027-03-04"}, "after the first"),
        ({"do": "places", "day": DAY.isoformat(), "places": "many"}, "whole number"),
        ({"do": "places", "day": DAY.isoformat(), "places": ""}, "whole number"),
        ({"do": "places", "day": DAY.isoformat(), "places": "0"}, "block the day"),
        ({"do": "burn", "day": DAY.isoformat()}, "Choose what to do"),
        ({"do": "block", "day": DAY.isoformat(), "scope": "CITY"}, "Choose what these days are about"),
        ({"do": "block", "day": DAY.isoformat(), "start": "09:00"}, "no start at 09:00"),
        ({"do": "block", "day": "2026-11-01"}, "These days are over."),
    ],
)
def test_what_cannot_be_is_said_and_changes_nothing(live: Live, paul: httpx.Client, values: dict[str, str], says: str) -> None:
    refused = post(paul, "/calendar/days", **values)
    assert refused.status_code == 422
    assert says in refused.text
    assert changes(live) == []


def test_switching_the_product_and_everything(live: Live, paul: httpx.Client) -> None:
    assert post(paul, "/calendar/switch", on="0").status_code == 303
    assert post(paul, "/calendar/switch", on="0", scope="PROVIDER").status_code == 303
    with live.house.engine.db.read() as tx:
        assert tx.execute(
            select(product.c.accepting, provider.c.accepting).join(provider, provider.c.id == product.c.provider_id)
        ).one() == (
            False,
            False,
        )
    shown = month(paul)
    assert "Kayak (off)" in shown
    assert "closed" in cell(shown)
    post(paul, "/calendar/switch", on="1")
    post(paul, "/calendar/switch", on="1", scope="PROVIDER")
    assert "10 left" in cell(month(paul))


def test_the_usual_week_is_a_table_of_starts_and_weekdays(live: Live) -> None:
    engine = live.house.engine
    builders.products(engine, "kayak")
    with engine.db.write() as tx:
        tx.execute(product.update().values(availability_mode="INVENTORY"))
        tx.execute(option.update().values(starts=[{"at": "09:00"}, {"at": "14:00"}]))
        dated = {"from_date": date(2027, 12, 1), "to_date": date(2027, 12, 31), "local_start": "09:00", "capacity": 2}
        tx.execute(insert(availability_rule).values(id="r", resource_id="kayak", **dated))
    paul = live.person("Paul Provider", "provider", "tejo")
    table = {f"p-09:00-{bit}": "8" for bit in range(5)} | {"p-14:00-3": "3", "p-14:00-4": ""}
    assert post(paul, "/calendar/week", **table).status_code == 303
    with engine.db.read() as tx:
        rows = tx.execute(select(availability_rule).order_by(availability_rule.c.local_start, availability_rule.c.capacity)).all()
    assert [(one.local_start, one.weekdays, one.capacity, one.from_date is None) for one in rows] == [
        ("09:00", 127, 2, False),  # what is dated is kept
        ("09:00", 31, 8, True),
        ("14:00", 8, 3, True),
    ]
    shown = month(paul)
    assert re.search(r'name="p-09:00-0" value="8"', shown)
    assert re.search(r'name="p-09:00-6" value=""', shown)
    assert "09:00 8 left 14:00 3 left" in cell(shown)
    assert post(paul, "/calendar/week", **{"p-09:00-0": "x"}).status_code == 422


def test_places_of_a_usual_day(live: Live, paul: httpx.Client) -> None:
    assert post(paul, "/calendar/capacity", places="6").status_code == 303
    assert "6 left" in cell(month(paul))
    post(paul, "/calendar/capacity", places="")
    assert "1 left" in cell(month(paul))
    with live.house.engine.db.read() as tx:
        assert tx.execute(select(resource.c.capacity)).scalar_one() is None


def test_other_calendars_are_added_shown_and_removed(live: Live, paul: httpx.Client) -> None:
    engine = live.house.engine
    builders.buy(engine, "kayak", people=3)
    assert post(paul, "/calendar/feeds", url="webcal://other.example/a.ics?key=SECRET", name="<i>Other</i>").status_code == 303
    shown = month(paul)
    assert "Being read" in shown
    assert "&lt;i&gt;Other&lt;/i&gt;" in shown
    with engine.db.read() as tx:
        row = tx.execute(select(calendar_feed)).one()
    assert row.url == "https://other.example/a.ics?key=SECRET"
    assert "SECRET" not in shown
    calendars.took(engine, row.id, calendar("UID:a\nDTSTART;VALUE=DATE:20270304\nDTEND;VALUE=DATE:20270306"))
    shown = month(paul)
    assert "Taken there, and booked here as well" in shown
    assert "closed" in cell(shown)
    assert post(paul, "/calendar/days", do="open", day=DAY.isoformat()).status_code == 409
    assert post(paul, f"/calendar/feeds/{row.id}/now").status_code == 303
    assert post(paul, f"/calendar/feeds/{row.id}/burn").status_code == 422
    assert post(paul, f"/calendar/feeds/{row.id}/remove").status_code == 303
    assert post(paul, f"/calendar/feeds/{row.id}/remove").status_code == 404
    with engine.db.read() as tx:
        assert tx.execute(select(availability_exception)).all() == []
    refused = post(paul, "/calendar/feeds", url="ftp://other.example/a.ics")
    assert refused.status_code == 422
    assert "not the address of a calendar" in refused.text


def test_an_address_is_made_copied_and_taken_back(live: Live, paul: httpx.Client) -> None:
    assert post(paul, "/calendar/links", name="Other site").status_code == 303
    with live.house.engine.db.read() as tx:
        token = tx.execute(select(calendar_link.c.token)).scalar_one()
    assert f'value="http://127.0.0.1:8000/calendars/{token}.ics"' in month(paul)
    assert post(paul, "/calendar/links/revoke", token=token).status_code == 303
    assert token not in month(paul)
    assert post(paul, "/calendar/links/revoke", token=token).status_code == 404


def test_nothing_counts_without_its_proof_or_for_another_provider(live: Live, paul: httpx.Client) -> None:
    other = live.person("Other Provider", "provider", "other")
    assert "nothing on sale" in other.get("/calendar").text
    assert other.get("/calendar", params=HERE).status_code == 404
    for path, values in POSTS.items():
        assert post(other, path, **values).status_code == 404, path
        for headers in (
            {"x-csrf-token": ""},
            {"x-csrf-token": "wrong"},
            {"sec-fetch-site": "cross-site"},
            {"origin": "https://evil.example"},
        ):
            assert paul.post(path, data={**HERE, **values}, headers=headers).status_code == 403, path
        with live.client() as anyone:
            assert anyone.post(path, data={**HERE, **values}).status_code == 401, path
    assert changes(live) == []
    schedules.block(live.house.engine, Actor("x", role="operator"), "PRODUCT", "kayak", DAY, DAY)
    assert "closed" in cell(month(live.person("Olga Operator", "operator")))
