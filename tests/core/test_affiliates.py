"""Links to partners: the documented form of each, no way to any other place, and only people's clicks counted."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import select, update

from core.affiliates import links, partners
from core.affiliates.links import Trip, Visit
from core.engine import Actor, Engine
from core.errors import Expired, Invalid, NotFound
from core.schema import affiliate_click, affiliate_link
from tests import market
from tests.conftest import Clock

DAY, END = date(2026, 12, 5), date(2026, 12, 8)
CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0 Safari/537.36"
IDS = {
    "booking_com": {"awin_merchant": "18118", "awin_publisher": "777"},
    "viator": {"pid": "P00012345"},
    "getyourguide": {"partner_id": "ABC"},
    "skyscanner": {"media_partner_id": "222"},
}


@pytest.fixture
def shop(engine: Engine, tmp_path: Path) -> Engine:
    made = replace(engine, rules=replace(engine.rules, partner_ids=partners.check_ids(IDS)))
    market.load(made, tmp_path)
    return made


def visit(agent: str = CHROME, method: str = "GET", address: str = "203.0.113.9", **headers: str) -> Visit:
    return Visit(method, {"user-agent": agent, **{name.replace("_", "-"): value for name, value in headers.items()}}, address)


def only(engine: Engine, trip: Trip, partner: str) -> dict[str, object]:
    (found,) = links.offer(engine, None, trip, partner=partner)
    return found


STAY = Trip("stay", "lisbon", DAY, END, adults=2, children=1)


@pytest.mark.parametrize(
    ("partner", "trip", "page", "params"),
    [
        (
            "booking_com",
            STAY,
            "https://www.booking.com/searchresults.html",
            {
                "ss": "Lisbon, Portugal",
                "checkin": "2026-12-05",
                "checkout": "2026-12-08",
                "group_adults": "2",
                "group_children": "1",
                "no_rooms": "2",
            },
        ),
        (
            "viator",
            Trip("activity", "rome", DAY, what="pasta & wine"),
            "https://www.viator.com/searchResults/all",
            {"text": "pasta & wine Rome, Italy"},
        ),
        ("getyourguide", Trip("activity", "lisbon", what="surfing"), "https://www.getyourguide.com/s/", {"q": "surfing Lisbon, Portugal"}),
        (
            "opentable",
            Trip("dining", "lisbon", DAY, time="20:00", adults=4),
            "https://www.opentable.com/s",
            {"dateTime": "2026-12-05T20:00", "covers": "4", "term": "Lisbon, Portugal"},
        ),
        (
            "skyscanner",
            Trip("flight", "lisbon", DAY, END, adults=2, origin="ber"),
            "https://skyscanner.net/g/referrals/v1/flights/day-view/",
            {"origin": "BER", "destination": "LIS", "outboundDate": "2026-12-05", "inboundDate": "2026-12-08", "adultsv2": "2"},
        ),
        (
            "expedia",
            STAY,
            "https://www.expedia.com/Hotel-Search",
            {"destination": "Lisbon, Portugal", "startDate": "2026-12-05", "endDate": "2026-12-08", "rooms": "2", "adults": "2"},
        ),
        ("tiqets", Trip("activity", "rome", what="colosseum"), "https://www.tiqets.com/en/search/", {"q": "colosseum Rome, Italy"}),
        ("discover_cars", Trip("car", "lisbon"), "https://www.discovercars.com/", {}),
        ("safetywing", Trip("insurance"), "https://safetywing.com/", {}),
        ("resy", Trip("dining", "rome", DAY, adults=2), "https://resy.com/", {"date": "2026-12-05", "seats": "2"}),
    ],
)
def test_each_partner_has_its_documented_form(shop: Engine, partner: str, trip: Trip, page: str, params: dict[str, str]) -> None:
    landing = str(only(shop, trip, partner)["landing_url"])
    assert landing.split("?")[0] == page
    assert {name: values[0] for name, values in parse_qs(urlsplit(landing).query).items()} == params


def test_every_partner_of_the_file_can_be_linked_to() -> None:
    for one in partners.partners().values():
        assert one.landings
        for kind in one.landings:
            facts = dict.fromkeys(
                ("place", "place_code", "origin", "date", "end_date", "time", "adults", "children", "people", "rooms", "what"), "x"
            )
            assert partners.landing_url(one, kind, facts)


@pytest.mark.parametrize(
    "url",
    [
        "//evil.com", "https:www.booking.com", "https://evil.com/", "https://evil.com/https://www.booking.com", "https://notbooking.com/",
        "http://www.booking.com/", "https://booking.com.evil.com/", "https://www.booking.com%2eevil.com/", "https://www.booking.com@evil.com/",
        "https://user:pw@www.booking.com/", "https:/\\evil.com", "https://www.booking.com\\@evil.com", "javascript:alert(1)", "data:text/html,x",
        "https://www.booking.com:8443/", "https://xn--bking-jua.com/", "https://www.b\u043eoking.com/", "https://www.booking.com\r\nSet-Cookie:x=1",
        "\thttps://www.booking.com", "https://[::1]/", "https://www.awin1.com/cread.php?ued=https%3A%2F%2Fevil.com%2F",
        "https://www.booking.com/" + "a" * 5000, "https://www.booking.com:x/",
    ],
)  # fmt: skip
def test_no_other_place_can_be_reached(url: str) -> None:
    with pytest.raises(Invalid):
        partners.ensure_allowed(url, ("booking.com",))
    with pytest.raises(Invalid):
        partners.final_url(partners.partner("booking_com"), url, IDS["booking_com"], "click")


def test_the_same_host_with_a_dot_or_a_port_is_still_it() -> None:
    for url in ("https://www.booking.com./x", "https://booking.com:443/", "https://secure.booking.com/"):
        assert partners.ensure_allowed(url, ("booking.com",)) == url


def test_tracking_is_added_at_the_click_and_names_nobody(shop: Engine) -> None:
    actor = Actor("ana", conversation_id="a-secret-conversation")
    (found,) = links.offer(shop, actor, Trip("activity", "lisbon", what="surf"), partner="viator")
    assert found["commission"] is True
    first, second = (links.follow(shop, str(found["link_id"]), visit(address=f"203.0.{n}.9")) for n in (113, 114))
    query = parse_qs(urlsplit(first).query)
    assert (query["pid"], query["mcid"], query["text"]) == (["P00012345"], ["42383"], ["surf Lisbon, Portugal"])
    assert re.fullmatch(r"[A-Za-z0-9]{16}", query["campaign"][0])
    assert query["campaign"] != parse_qs(urlsplit(second).query)["campaign"]
    assert "secret" not in first + second
    with shop.db.read() as tx:
        assert {row.id for row in tx.execute(select(affiliate_click))} == {
            parse_qs(urlsplit(one).query)["campaign"][0] for one in (first, second)
        }


def test_a_network_wraps_a_clean_page_and_without_ids_the_plain_link_works(shop: Engine) -> None:
    found = only(shop, STAY, "booking_com")
    target = links.follow(shop, str(found["link_id"]), visit())
    query = parse_qs(urlsplit(target).query)
    assert target.startswith("https://www.awin1.com/cread.php?awinmid=18118&awinaffid=777&clickref=")
    assert query["ued"] == [found["landing_url"]]
    plain = only(shop, Trip("activity", "rome", what="colosseum"), "tiqets")
    assert plain["commission"] is False
    assert links.follow(shop, str(plain["link_id"]), visit()) == plain["landing_url"]


def test_only_people_are_counted(shop: Engine, clock: Clock) -> None:
    link = str(only(shop, STAY, "booking_com")["link_id"])
    shapes = [
        (visit(), "human"),
        (visit(), "duplicate"),
        (visit(method="HEAD"), "non_get"),
        (visit(agent=""), "no_ua"),
        (visit(agent="TelegramBot (like TwitterBot)"), "bot"),
        (visit(agent="Slackbot-LinkExpanding 1.0"), "bot"),
        (visit(agent="facebookexternalhit/1.1 Facebot Twitterbot/1.0"), "bot"),
        (visit(agent="WhatsApp/2.23"), "bot"),
        (visit(sec_purpose="prefetch;prerender"), "prefetch"),
        (visit(sec_fetch_dest="image"), "subresource"),
        (visit(address="2001:db8::1", sec_fetch_dest="document"), "human"),
    ]
    for one, _ in shapes:
        links.follow(shop, link, one)
    clock.forward(seconds=31)
    links.follow(shop, link, visit())
    with shop.db.read() as tx:
        kinds = sorted(row.kind for row in tx.execute(select(affiliate_click)))
        assert kinds == sorted([kind for _, kind in shapes] + ["human"])
        prefixes = {row.prefix for row in tx.execute(select(affiliate_click))}
        assert prefixes == {"203.0.113.0/24", "2001:db8::/48"}
        assert links.report(tx) == [{"partner": "booking_com", "links": 1, "visits": 12, "clicks": 3}]


def test_a_bots_visit_is_told_to_the_partner_as_the_links(shop: Engine) -> None:
    found = only(shop, Trip("activity", "lisbon"), "getyourguide")
    target = links.follow(shop, str(found["link_id"]), visit(agent="TelegramBot"))
    assert parse_qs(urlsplit(target).query)["cmp"] == [found["link_id"]]


def test_what_is_not_known_or_no_longer_offered(shop: Engine) -> None:
    with pytest.raises(NotFound):
        links.follow(shop, "nothing", visit())
    found = only(shop, STAY, "booking_com")
    with shop.db.write() as tx:
        tx.execute(update(affiliate_link).values(disabled_at=shop.clock()))
    with pytest.raises(Expired):
        links.follow(shop, str(found["link_id"]), visit())
    for trip, field in ((Trip("cruise", "lisbon"), "item_type"), (replace(STAY, date=shop.clock().date() - timedelta(days=3)), "date")):
        with pytest.raises(Invalid) as caught:
            links.offer(shop, None, trip)
        assert caught.value.field == field
    with pytest.raises(NotFound):
        links.offer(shop, None, STAY, partner="nobody")
    with pytest.raises(Invalid, match="airports"):
        links.offer(shop, None, Trip("flight", "rome"), partner="skyscanner")


def test_ids_are_checked_when_they_are_read() -> None:
    assert partners.check_ids({"viator": {"pid": 12}}) == {"viator": {"pid": "12"}}
    for wrong in ({"viator": {"pdi": "x"}}, {"viator": "x"}, {"viator": {"pid": ["x"]}}, {"viator": {"pid": "x" * 201}}):
        with pytest.raises(Invalid):
            partners.check_ids(wrong)
    with pytest.raises(NotFound):
        partners.check_ids({"nobody": {}})
