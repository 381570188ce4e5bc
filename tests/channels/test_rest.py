"""The REST door: the operations over real HTTP, idempotent, never believing the caller, and true to its own description."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from sqlalchemy import select, update

from channels.house import House
from core import holds
from core.people import api_token, ensure_account, grant
from core.schema import booking, booking_request, payment, provider
from tests import market
from tests.channels.conftest import Live, build_house, running
from tests.conftest import Clock
from tests.gateway import MemoryGateway

DAY = "2026-11-28"
SAIL = {"product": "sunset-sail", "date": DAY, "start_time": "17:30", "units": {"ADULT": 2}}
WALK = {"product": "alfama-walk", "date": DAY, "units": {"ADULT": 2}}
TRAM = {"product": "tram-tour", "date": DAY, "units": {"ADULT": 2}}
ANA = {"name": "Ana Silva", "email": "ana@example.com", "accept_terms": True}


@pytest.fixture
def house(db: Any, tmp_path: Path, gateway: MemoryGateway) -> House:
    made = build_house(db, tmp_path, gateway, Clock())
    market.load(made.engine, tmp_path)
    with made.engine.db.write() as tx:
        for name in ("ana", "bob", "marta", "ines"):
            ensure_account(tx, made.engine.clock(), name, name="", email=f"{name}@example.com")
        grant(tx, "marta", "provider", "tejo-days")
        grant(tx, "ines", "operator")
    return made


@pytest.fixture
def live(house: House) -> Iterator[Live]:
    with running(house) as one:
        yield one


def as_(live: Live, account: str) -> httpx.Client:
    return live.client(authorization=f"Bearer {api_token(live.house.engine, account)}")


def test_a_payment_can_be_made_inside_ones_own_site(live: Live, gateway: MemoryGateway) -> None:
    ana = as_(live, "ana")
    done = ana.post("/api/bookings/process-cart/", json={"items": [SAIL], "contact": ANA}).json()
    payment_id = done["payments"][0]["payment_id"]
    made = ana.post("/api/bookings/create-payment-intent/", json={"payment_id": payment_id, "mode": "embedded"}).json()
    assert (made["status"], made["amount"], made["currency"], made["url"]) == ("open", 9_600, "EUR", None)
    assert (made["client_secret"], made["publishable_key"]) == ("cs_2_secret", "pk_test_local_sandbox")
    gateway.pay("cs_2")
    assert ana.post("/api/bookings/confirm/", json={"payment_id": payment_id}).json()["bookings"][0]["status"] == "CONFIRMED"


def test_a_deposit_is_paid_now_and_the_rest_by_a_link_of_its_own(live: Live, gateway: MemoryGateway) -> None:
    with live.house.engine.db.write() as tx:
        tx.execute(update(provider).values(deposit_bps=2_500))
    ana = as_(live, "ana")
    body = {"items": [{**SAIL, "date": "2027-03-06"}], "payment_method": "deposit", "contact": ANA}
    done = ana.post("/api/bookings/process-cart/", json=body).json()
    (first,) = done["payments"]
    assert (first["kind"], first["amount"]) == ("DEPOSIT", 2_400)
    gateway.pay("cs_1")
    confirmed = ana.post("/api/bookings/confirm/", json={"payment_id": first["payment_id"]}).json()
    (one,) = confirmed["bookings"]
    assert (one["status"], one["paid"], one["owed"]) == ("CONFIRMED", 2_400, 7_200)
    rest = ana.post("/api/bookings/create-payment-intent/", json={"booking": one["booking_id"]}).json()
    assert (rest["kind"], rest["amount"], rest["status"]) == ("BALANCE", 7_200, "open")
    gateway.pay("cs_2")
    assert ana.post("/api/bookings/confirm/", json={"payment_id": rest["payment_id"]}).json()["bookings"][0]["owed"] == 0
    near = ana.post("/api/bookings/process-cart/", json={"items": [SAIL], "payment_method": "deposit"})
    assert (near.status_code, near.json()["code"]) == (409, "refused")


def test_a_mixed_cart_is_split_held_paid_and_confirmed(live: Live, gateway: MemoryGateway) -> None:
    ana = as_(live, "ana")
    body = {"items": [SAIL, WALK, TRAM], "payment_method": "full", "contact": ANA, "requests": "a birthday"}
    made = ana.post("/api/bookings/process-cart/", json=body, headers={"Idempotency-Key": "k1"})
    assert made.status_code == 200, made.text
    done = made.json()
    assert [(group["how"], group["total"]) for group in done["groups"]] == [("pay_now", 9600), ("if_approved", 12000), ("external", 5000)]
    assert done["totals"] == {"EUR": {"payable": 21600, "pay_now": 9600, "if_approved": 12000, "at_provider": 0}}
    assert {row["title"]: row["status"] for row in done["bookings"]} == {
        "Sunset sail on the Tejo": "ON_HOLD",
        "Private walk through Alfama with Inês": "PENDING",
    }
    again = ana.post("/api/bookings/process-cart", json=body, headers={"Idempotency-Key": "k1"}).json()
    assert [row["reference"] for row in again["bookings"]] == [row["reference"] for row in done["bookings"]]
    other = ana.post("/api/bookings/process-cart/", json={**body, "items": [SAIL]}, headers={"Idempotency-Key": "k1"})
    assert (other.status_code, other.headers["content-type"]) == (409, "application/problem+json")

    (link,) = done["payments"]
    assert (link["amount"], link["status"]) == (9600, "open")
    unpaid = ana.post("/api/bookings/confirm/", json={"payment_id": link["payment_id"]}).json()
    assert (unpaid["status"], unpaid["bookings"][0]["status"]) == ("open", "ON_HOLD")
    gateway.pay("cs_1")
    paid = ana.post("/api/bookings/confirm/", json={"payment_id": link["payment_id"]}).json()
    assert (paid["status"], paid["bookings"][0]["status"]) == ("paid", "CONFIRMED")
    with live.house.engine.db.read() as tx:
        assert len(tx.execute(select(booking.c.id)).all()) == 2
        assert holds.drift(tx) == []


def test_a_request_is_answered_once_by_the_provider_only(live: Live) -> None:
    ana, marta, bob = as_(live, "ana"), as_(live, "marta"), as_(live, "bob")
    wrong = ana.post("/api/booking-requests/submit/", json={**SAIL, "contact": ANA})
    assert (wrong.status_code, wrong.json()["field"]) == (422, "product")
    sent = ana.post("/api/booking-requests/submit/", json={**WALK, "note": "slowly, please", "contact": ANA})
    assert sent.status_code == 200, sent.text
    assert (sent.json()["request_status"], sent.json()["status"]) == ("open", "PENDING")
    path = f"/api/booking-requests/{sent.json()['request_id']}/respond/"
    for stranger in (ana, bob):
        assert stranger.patch(path, json={"action": "approve"}).status_code == 404
    assert marta.patch(path, json={"action": "decline", "message": "I am away"}).json()["status"] == "declined"
    late = marta.patch(path, json={"action": "approve"})
    assert (late.status_code, late.json()["code"]) == (409, "already_decided")
    with live.house.engine.db.read() as tx:
        assert tx.execute(select(booking_request.c.status, booking_request.c.answer)).all() == [("declined", "I am away")]


def test_bookings_are_ones_own_and_come_in_pages(live: Live) -> None:
    ana, bob, ines = as_(live, "ana"), as_(live, "bob"), as_(live, "ines")
    for start in ("10:00", "15:00"):
        item = {"product": "tile-workshop", "date": DAY, "start_time": start, "units": {"ADULT": 1}}
        assert ana.post("/api/bookings/process-cart/", json={"items": [item], "contact": ANA}).status_code == 200
    first = ana.get("/api/bookings/user/me/", params={"limit": 1}).json()
    second = ana.get("/api/bookings/user/ana/", params={"limit": 1, "cursor": first["next"]}).json()
    assert len({first["bookings"][0]["reference"], second["bookings"][0]["reference"]}) == 2
    assert ana.get("/api/bookings/user/me/", params={"status": "CONFIRMED"}).json()["bookings"] == []
    assert bob.get("/api/bookings/user/ana/").status_code == 403
    assert len(ines.get("/api/bookings/user/ana/").json()["bookings"]) == 2
    with live.house.engine.db.read() as tx:
        payment_id = tx.execute(select(payment.c.id)).scalars().first()
    assert bob.post("/api/bookings/confirm/", json={"payment_id": payment_id}).status_code == 404


def test_names_of_travelers_are_told_by_those_who_booked(live: Live) -> None:
    ana, bob = as_(live, "ana"), as_(live, "bob")
    (made,) = ana.post("/api/bookings/process-cart/", json={"items": [SAIL], "contact": ANA}).json()["bookings"]
    path = f"/api/bookings/{made['reference']}/travelers/"
    assert bob.put(path, json={"travelers": ["Bob"]}).status_code == 404
    assert ana.put(path, json={"travelers": ["Ana Silva", "Tom Meyer"]}).json()["travelers"] == ["Ana Silva", "Tom Meyer"]
    many = ana.put(path, json={"travelers": ["A", "B", "C"]})
    assert (many.status_code, many.json()["field"]) == (422, "travelers")


def test_availability_says_days_places_and_ranges(live: Live) -> None:
    ana = as_(live, "ana")
    ana.post("/api/bookings/process-cart/", json={"items": [{**SAIL, "units": {"ADULT": 9}}], "contact": ANA})
    found = ana.get(
        "/api/providers/tejo-days/availability/", params={"product": "sunset-sail", "from": "2026-11-27", "to": "2026-11-29", "party": 2}
    ).json()
    assert [(day["date"], day["status"], day["vacancies"]) for day in found["days"]] == [
        ("2026-11-27", "AVAILABLE", 10),
        ("2026-11-28", "LIMITED", 1),
        ("2026-11-29", "AVAILABLE", 10),
    ]
    assert found["ranges"] == [{"from": "2026-11-27", "to": "2026-11-27"}, {"from": "2026-11-29", "to": "2026-11-29"}]
    assert ana.get("/api/providers/casa-alta/availability/", params={"product": "sunset-sail"}).status_code == 404


def test_a_provider_changes_prices_and_sees_what_people_pay(live: Live) -> None:
    marta, ana = as_(live, "marta"), as_(live, "ana")
    path = "/api/providers/tejo-days/pricing/"
    body = {"product": "sunset-sail", "amount": 5000, "rates": [{"layer": "WEEKDAY", "name": "weekend", "weekdays": 96, "bps": 2000}]}
    assert ana.patch(path, json=body).status_code == 404
    shown = marta.patch(path, json=body).json()
    assert [(one["party"], one["total"]) for one in shown["samples"]] == [(1, 5000), (2, 10000), (4, 20000)]
    assert [(one["fee"], one["payout"]) for one in shown["samples"]] == [(600, 4400), (1200, 8800), (2400, 17600)]
    saturday = ana.get("/api/catalogue/search/", params={"city": "lisbon", "words": "sail", "from": DAY, "adults": 2}).json()["offers"]
    assert [(one["product"], one["amount"]) for one in saturday] == [("sunset-sail", 12000)]
    assert marta.patch(path, json={"product": "trastevere-loft", "amount": 1}).status_code == 404
    assert marta.patch(path, json={"product": "sunset-sail"}).status_code == 422
    bad = marta.patch(path, json={"product": "sunset-sail", "rates": [{"layer": "SEASON", "amount": 1}]})
    assert (bad.status_code, bad.json()["field"]) == (422, "rates[0].to")


def test_prices_identities_and_strangers_fields_are_refused(live: Live) -> None:
    ana = as_(live, "ana")
    for body in (
        {"items": [{**SAIL, "amount": 1}], "contact": ANA},
        {"items": [SAIL], "user": "bob", "contact": ANA},
        {"items": [], "contact": ANA},
        {"items": [{**SAIL, "date": "2020-01-01"}], "contact": ANA},
        {"items": [{**SAIL, "units": {"ADULT": 0}}], "contact": ANA},
        {"items": [SAIL], "contact": {**ANA, "email": "nobody"}},
    ):
        answer = ana.post("/api/bookings/process-cart/", json=body)
        assert answer.status_code == 422, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
    assert ana.post("/api/bookings/process-cart/", json={"items": [SAIL]}).json()["code"] == "details_needed"
    assert httpx.get(f"{live.url}/api/bookings/user/me/").status_code == 401
    with live.house.engine.db.read() as tx:
        assert tx.execute(select(booking.c.id)).all() == []


def test_the_page_of_the_interface_names_every_operation(live: Live) -> None:
    page = live.client().get("/api/docs").text
    for words in ("/api/bookings/process-cart/", "/api/providers/{provider_id}/pricing/", "Bearer TOKEN"):
        assert words in page


@pytest.mark.slow
def test_nothing_that_can_be_sent_breaks_the_server_or_its_description(tmp_path: Path, sqlite: Any, gateway: MemoryGateway) -> None:
    made = build_house(sqlite, tmp_path, gateway, Clock())
    market.load(made.engine, tmp_path)
    with made.engine.db.write() as tx:
        ensure_account(tx, made.engine.clock(), "ana", name="", email="ana@example.com")
        grant(tx, "ana", "operator")
    with running(made) as live:
        token = api_token(made.engine, "ana")
        schema = schemathesis.openapi.from_url(f"{live.url}/api/openapi.json")
        for result in schema.get_all_operations():
            operation = result.ok()

            @settings(max_examples=15, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
            def calls(case: Any) -> None:
                answer = case.call(headers={"authorization": f"Bearer {token}"})
                assert answer.status_code < 500, (case.method, case.path, answer.text)
                assert str(answer.status_code) in case.operation.definition.raw["responses"], (case.method, case.path, answer.status_code)

            given(case=operation.as_strategy())(calls)()


def test_search_near_by_with_counts_and_corrections(live: Live) -> None:
    ana = as_(live, "ana")
    here = {"latitude": 38.71, "longitude": -9.14, "within_km": 30, "sort": "distance", "facets": "true", "limit": 50}
    found = ana.get("/api/catalogue/search/", params=here).json()
    assert {one["city"] for one in found["offers"]} == {"lisbon"}
    assert all(one["distance_km"] <= 30 for one in found["offers"])
    assert {one["value"] for one in found["facets"]["kind"]} >= {"activity", "stay"}
    assert ana.get("/api/catalogue/search/", params={"words": "sunst sial"}).json()["corrected"] == {"sunst": "sunset", "sial": "sail"}
    for bad in ({"latitude": 38.7}, {"sort": "distance"}, {"latitude": 91, "longitude": 0}):
        assert ana.get("/api/catalogue/search/", params=bad).status_code == 422


def test_a_stay_s_free_ranges_have_their_departure(live: Live) -> None:
    ana = as_(live, "ana")
    stretch = {"product": "trastevere-loft", "from": "2026-12-01", "to": "2026-12-03"}
    found = ana.get("/api/providers/roman-holidays/availability/", params=stretch).json()
    assert found["ranges"] == [{"from": "2026-12-01", "to": "2026-12-03"}]
    assert [(one["from"], one["to"], one["nights"]) for one in found["stays"]] == [("2026-12-01", "2026-12-04", 3)]
