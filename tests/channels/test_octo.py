"""OCTO: a reseller's booking from the first look to the invoice, in the trade's own shapes, on the same places as the chat."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import jsonschema
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from sqlalchemy import select

from channels.house import House
from core import bookings, cancellations, carts, holds, resellers
from core.availability import Ask
from core.engine import Actor
from core.errors import SoldOut
from core.payments import ledger
from core.people import ensure_account
from core.requests import sweep
from core.schema import account_role, booking, outbound, payment, provider
from tests import builders, market, octo
from tests.channels.conftest import Live, build_house, running
from tests.conftest import Clock
from tests.gateway import MemoryGateway

DAY = "2026-11-28"
SATURDAY = date(2026, 11, 28)
SAIL = {"productId": "sunset-sail", "optionId": "sunset-sail.standard", "availabilityId": f"{DAY}T17:30"}
TWO = [{"unitId": "ADULT"}, {"unitId": "ADULT"}]
MARIA = {"fullName": "Maria López", "emailAddress": "maria@example.com", "country": "ES"}
BOUNDS = settings(max_examples=12, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def house(db: Any, tmp_path: Path, gateway: MemoryGateway, clock: Clock) -> House:
    made = build_house(db, tmp_path, gateway, clock)
    market.load(made.engine, tmp_path)
    with made.engine.db.write() as tx:
        for name in ("viajes", "rival"):
            ensure_account(tx, made.engine.clock(), name, name="", email=f"{name}@example.com")
    return made


@pytest.fixture
def live(house: House) -> Iterator[Live]:
    with running(house) as one:
        yield one


def as_(live: Live, name: str, **headers: str) -> httpx.Client:
    token = resellers.give(live.house.engine, name, name=name.title())
    return live.client(authorization=f"Bearer {token}", **headers)


def fits(operation: str, value: Any) -> None:
    shape = octo.answer_of(operation)
    jsonschema.Draft202012Validator(shape, format_checker=jsonschema.FormatChecker()).validate(value)


def reserve(client: httpx.Client, **more: Any) -> Any:
    made = client.post("/octo/bookings", json={**SAIL, "unitItems": TWO, **more})
    assert made.status_code == 200, made.text
    return made.json()


def left(client: httpx.Client) -> int:
    (one,) = client.post("/octo/availability", json={**SAIL, "localDateStart": DAY, "localDateEnd": DAY}).json()
    return int(one["vacancies"])


def test_a_booking_lives_from_the_hold_to_the_invoice(live: Live, clock: Clock) -> None:
    viajes = as_(live, "viajes")
    engine = live.house.engine
    held = reserve(viajes, uuid="0B1D0a26-2a0c-4f0e-9d41-3f1f6c4b2f10", resellerReference="V-77", notes="by the rail", expirationMinutes=10)
    fits("POST /bookings", held)
    assert (held["status"], held["utcExpiresAt"], held["utcConfirmedAt"]) == ("ON_HOLD", "2026-11-25T09:10:00Z", None)
    assert (held["resellerReference"], held["notes"], held["cancellable"], left(viajes)) == ("V-77", "by the rail", True, 8)
    assert [item["unitId"] for item in held["unitItems"]] == ["ADULT", "ADULT"]
    uuid = held["uuid"]
    clock.forward(minutes=9)
    assert viajes.post(f"/octo/bookings/{uuid}/extend", json={"expirationMinutes": 20}).json()["utcExpiresAt"] == "2026-11-25T09:29:00Z"
    nameless = viajes.post(f"/octo/bookings/{uuid}/confirm", json={"contact": {"country": "ES"}})
    assert (nameless.status_code, nameless.json()["error"]) == (400, "BAD_REQUEST")
    sold = viajes.post(f"/octo/bookings/{uuid}/confirm", json={"contact": MARIA, "resellerReference": "V-78"}).json()
    fits("POST /bookings", sold)
    assert (sold["status"], sold["utcConfirmedAt"], sold["utcExpiresAt"]) == ("CONFIRMED", "2026-11-25T09:09:00Z", None)
    assert (sold["contact"]["fullName"], sold["resellerReference"], left(viajes)) == ("Maria López", "V-78", 8)
    again = viajes.post(f"/octo/bookings/{uuid}/confirm", json={"contact": MARIA}).json()
    assert again == sold
    found = viajes.get("/octo/bookings", params={"resellerReference": "V-78"}).json()
    assert found == [sold] == viajes.get("/octo/bookings", params={"localDate": DAY}).json()
    with engine.db.read() as tx:
        (row,) = tx.execute(select(booking)).all()
        assert (row.status, row.invoiced_to, row.amount, row.fee_amount, row.contact["name"]) == (
            "CONFIRMED", "viajes", 9_600, 1_152, "Maria López",
        )  # fmt: skip
        assert (tx.execute(select(payment)).all(), ledger.balances(tx), holds.drift(tx)) == ([], {}, [])
        (mail,) = tx.execute(select(outbound).where(outbound.c.notice == "booking_received")).all()
        assert mail.content["traveler"] == "Maria López (sold by Viajes, who settles by invoice)"
        (line,) = resellers.to_invoice(tx, "viajes", row.local_date, row.local_date)
        assert (line["amount"], line["fee"], line["reseller_reference"]) == (9_600, 1_152, "V-78")
        assert tx.execute(select(outbound.c.address).where(outbound.c.address == "maria@example.com")).all() == []
    gone = viajes.post(f"/octo/bookings/{uuid}/cancel", json={"reason": "ill"}).json()
    fits("POST /bookings", gone)
    assert gone["cancellation"] == {"refund": "FULL", "reason": "ill", "utcCancelledAt": "2026-11-25T09:09:00Z"}
    assert (gone["status"], gone["cancellable"], left(viajes)) == ("CANCELLED", False, 10)
    assert viajes.delete(f"/octo/bookings/{uuid}").json() == gone
    with engine.db.read() as tx:
        assert (holds.drift(tx), ledger.balances(tx), resellers.to_invoice(tx, "viajes", row.local_date, row.local_date)) == ([], {}, [])


def test_the_same_uuid_books_once_and_belongs_to_one_reseller(live: Live) -> None:
    viajes, rival = as_(live, "viajes"), as_(live, "rival")
    uuid = str(uuid4())
    first = reserve(viajes, uuid=uuid)
    assert reserve(viajes, uuid=uuid)["id"] == first["id"]
    other = viajes.post("/octo/bookings", json={**SAIL, "uuid": uuid, "unitItems": [{"unitId": "CHILD"}]})
    assert (other.status_code, other.json()["error"]) == (400, "UNPROCESSABLE_ENTITY")
    assert left(viajes) == 8
    for answer in (
        rival.get(f"/octo/bookings/{uuid}"),
        rival.post(f"/octo/bookings/{uuid}/cancel"),
        rival.delete(f"/octo/bookings/{uuid}"),
    ):
        assert (answer.status_code, answer.json()["error"], answer.json()["uuid"]) == (400, "INVALID_BOOKING_UUID", uuid)
    assert rival.get("/octo/bookings", params={"localDate": DAY}).json() == []
    assert reserve(rival, uuid=uuid)["id"] != first["id"]


def test_a_hold_that_ran_out_is_over_and_its_places_are_free(live: Live, clock: Clock) -> None:
    viajes = as_(live, "viajes")
    uuid = reserve(viajes, expirationMinutes=5)["uuid"]
    clock.forward(minutes=5)
    assert viajes.get(f"/octo/bookings/{uuid}").json()["status"] == "EXPIRED"
    for verb, body in (("confirm", {"contact": MARIA}), ("extend", {})):
        answer = viajes.post(f"/octo/bookings/{uuid}/{verb}", json=body)
        assert (answer.status_code, answer.json()["error"]) == (400, "UNPROCESSABLE_ENTITY")
    clock.forward(minutes=11)
    assert sweep(live.house.engine) == 1
    assert left(viajes) == 10
    assert viajes.get(f"/octo/bookings/{uuid}").json()["status"] == "EXPIRED"


def test_a_held_booking_changes_its_party_and_a_sold_one_only_its_words(live: Live) -> None:
    viajes = as_(live, "viajes", **{"Octo-Capabilities": "octo/pricing"})
    made = reserve(viajes)
    path = f"/octo/bookings/{made['uuid']}"
    assert made["pricing"]["retail"] == 9_600
    more = viajes.patch(path, json={"unitItems": [*TWO, {"unitId": "CHILD", "contact": {"firstName": "Ana"}}], "notes": "a pram"}).json()
    assert (len(more["unitItems"]), more["pricing"]["retail"], left(viajes)) == (3, 12_000, 7)
    assert (more["id"], more["notes"], more["unitItems"][2]["contact"]["firstName"]) == (made["id"], "a pram", "Ana")
    moved = viajes.patch(path, json={"availabilityId": "2026-11-29T17:30"}).json()
    assert (moved["availabilityId"], left(viajes), len(moved["unitItems"])) == ("2026-11-29T17:30", 10, 3)
    full = viajes.patch(path, json={"unitItems": [{"unitId": "ADULT"}] * 11})
    assert (full.status_code, full.json()["error"]) == (400, "UNPROCESSABLE_ENTITY")
    assert viajes.get(path).json() == moved  # a refusal lets go of nothing
    viajes.post(f"{path}/confirm", json={"contact": MARIA})
    late = viajes.patch(path, json={"availabilityId": f"{DAY}T17:30"})
    assert (late.status_code, late.json()["error"]) == (400, "UNPROCESSABLE_ENTITY")
    said = viajes.patch(path, json={"resellerReference": "new", "contact": {"fullName": "Eva Ruiz"}}).json()
    assert (said["status"], said["resellerReference"], said["contact"]["fullName"]) == ("CONFIRMED", "new", "Eva Ruiz")
    with live.house.engine.db.read() as tx:
        assert holds.drift(tx) == []


def test_after_the_cutoff_nothing_is_given_back_and_before_it_begins_nothing_is_sold(live: Live, clock: Clock) -> None:
    viajes = as_(live, "viajes")
    uuid = reserve(viajes)["uuid"]
    viajes.post(f"/octo/bookings/{uuid}/confirm", json={"contact": MARIA})
    clock.forward(days=2, hours=9)  # Friday evening, less than a day before
    assert viajes.get(f"/octo/bookings/{uuid}").json()["cancellable"] is False
    late = viajes.post(f"/octo/bookings/{uuid}/cancel", json={"force": True})
    assert (late.status_code, late.json()["error"]) == (400, "UNPROCESSABLE_ENTITY")
    clock.forward(days=1)
    (over,) = viajes.post("/octo/availability", json={**SAIL, "availabilityIds": [f"{DAY}T17:30"]}).json()
    assert (over["available"], over["status"]) == (False, "CLOSED")
    answer = viajes.post("/octo/bookings", json={**SAIL, "unitItems": TWO})
    assert (answer.status_code, answer.json()["error"]) == (400, "UNPROCESSABLE_ENTITY")


def test_a_provider_who_cancels_is_seen_by_the_reseller(live: Live) -> None:
    viajes = as_(live, "viajes")
    made = reserve(viajes)
    viajes.post(f"/octo/bookings/{made['uuid']}/confirm", json={"contact": MARIA})
    crew = Actor("marta", role="provider", provider_ids=("tejo-days",))
    cancellations.by_provider(live.house.engine, crew, made["id"], reason="storm")
    gone = viajes.get(f"/octo/bookings/{made['uuid']}").json()
    assert (gone["status"], gone["cancellation"]["refund"], gone["cancellation"]["reason"]) == ("CANCELLED", "FULL", "storm")
    assert left(viajes) == 10


def test_the_catalogue_is_what_can_be_sold_at_once_in_octos_shapes(live: Live) -> None:
    viajes = as_(live, "viajes")
    fits("GET /supplier", viajes.get("/octo/supplier").json())
    found = viajes.get("/octo/products").json()
    assert {one["id"] for one in found} == {"sunset-sail", "tile-workshop", "fado-dinner", "airport-car", "pasta-class"}
    for one in found:
        fits("GET /products/{id}", one)
        assert viajes.get(f"/octo/products/{one['id']}").json() == one
    for hidden in ("alfama-walk", "trastevere-loft", "vatican-quote", "tram-tour", "nothing"):
        answer = viajes.get(f"/octo/products/{hidden}")
        assert (answer.status_code, answer.json()["error"], answer.json()["productId"]) == (400, "INVALID_PRODUCT_ID", hidden)
    days = viajes.post("/octo/availability/calendar", json={**SAIL, "localDateStart": DAY, "localDateEnd": "2026-12-04"}).json()
    assert [one["localDate"] for one in days][::6] == [DAY, "2026-12-04"]
    for one in days:
        fits("POST /availability/calendar", [one])
        assert (one["available"], one["vacancies"], one["capacity"]) == (True, 10, 10)
    (start,) = viajes.post("/octo/availability", json={**SAIL, "localDateStart": DAY, "localDateEnd": DAY}).json()
    fits("POST /availability", [start])
    assert (start["id"], start["localDateTimeStart"], start["localDateTimeEnd"], start["utcCutoffAt"]) == (
        f"{DAY}T17:30", f"{DAY}T17:30:00+00:00", f"{DAY}T19:30:00+00:00", f"{DAY}T17:30:00Z",
    )  # fmt: skip
    eleven = {**SAIL, "localDateStart": DAY, "localDateEnd": DAY, "units": [{"id": "ADULT", "quantity": 11}]}
    assert viajes.post("/octo/availability", json=eleven).json()[0]["available"] is False


def test_prices_and_texts_are_for_those_who_ask(live: Live) -> None:
    viajes = as_(live, "viajes")
    plain = viajes.get("/octo/products/sunset-sail")
    assert plain.headers["octo-capabilities"] == "" and "defaultCurrency" not in plain.json() and "description" not in plain.json()
    both = viajes.get("/octo/products/sunset-sail", headers={"Octo-Capabilities": "octo/pricing, octo/content, octo/pickups"})
    assert both.headers["octo-capabilities"] == "octo/content, octo/pricing"
    assert (both.json()["defaultCurrency"], both.json()["pricingPer"], both.json()["title"]) == ("EUR", "UNIT", "Sunset sail on the Tejo")
    body = {**SAIL, "localDateStart": DAY, "localDateEnd": DAY, "units": [{"id": "ADULT", "quantity": 2}, {"id": "CHILD", "quantity": 1}]}
    (one,) = viajes.post("/octo/availability", json=body, headers={"Octo-Capabilities": "octo/pricing"}).json()
    assert one["pricing"] == {
        "original": 12_000,
        "retail": 12_000,
        "net": 12_000,
        "currency": "EUR",
        "currencyPrecision": 2,
        "includedTaxes": [],
    }
    assert {each["unitId"]: each["retail"] for each in one["unitPricing"]} == {"ADULT": 4_800, "CHILD": 2_400}


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"productId": "nothing"}, "INVALID_PRODUCT_ID"),
        ({"optionId": "nothing"}, "INVALID_OPTION_ID"),
        ({"availabilityId": "soon"}, "INVALID_AVAILABILITY_ID"),
        ({"availabilityId": f"{DAY}T04:00"}, "INVALID_AVAILABILITY_ID"),
        ({"unitItems": [{"unitId": "SENIOR"}]}, "INVALID_UNIT_ID"),
        ({"unitItems": []}, "BAD_REQUEST"),
        ({"unitItems": [{"unitId": "ADULT"}] * 11}, "UNPROCESSABLE_ENTITY"),
        ({"uuid": "not one"}, "BAD_REQUEST"),
    ],
)
def test_what_is_wrong_is_said_in_octos_words(live: Live, change: dict[str, Any], error: str) -> None:
    viajes = as_(live, "viajes")
    answer = viajes.post("/octo/bookings", json={**SAIL, "unitItems": TWO, **change})
    assert (answer.status_code, answer.json()["error"]) == (400, error), answer.text
    with live.house.engine.db.read() as tx:
        assert tx.execute(select(booking)).all() == []


def test_only_a_resellers_own_token_opens_the_door(live: Live) -> None:
    viajes = as_(live, "viajes")
    engine = live.house.engine
    assert live.client(authorization="Bearer nonsense").get("/octo/products").json()["error"] == "UNAUTHORIZED"
    assert live.client().get("/octo/products").status_code == 401
    token = viajes.headers["authorization"]
    assert live.client(authorization=token).get("/api/bookings/user/me/").status_code == 401
    with engine.db.write() as tx:
        tx.execute(account_role.delete().where(account_role.c.role == "reseller"))
    assert viajes.get("/octo/products").status_code == 401
    as_(live, "viajes")
    assert viajes.get("/octo/products").status_code == 200
    assert resellers.take_back(engine, "viajes") == 2
    assert viajes.get("/octo/products").status_code == 401


def test_chat_and_resellers_never_sell_a_place_twice(live: Live) -> None:
    engine = live.house.engine
    with engine.db.write() as tx:
        tx.execute(provider.update().values(accepting=True))
    travelers = [builders.traveler(engine, name=f"Ana {n}", email=f"ana{n}@example.com") for n in range(8)]
    clients = [as_(live, name) for name in ("viajes", "rival") for _ in range(4)]
    proposals = []
    for actor in travelers:
        carts.add(engine, actor, Ask("sunset-sail", None, SATURDAY, None, "17:30", {"ADULT": 2}))
        proposals.append(bookings.propose_checkout(engine, actor)["proposal_id"])
    gate = threading.Barrier(16)
    won: list[str] = []

    def chat(actor: Actor, proposal_id: str) -> None:
        gate.wait()
        try:
            bookings.commit_checkout(engine, actor, proposal_id)
            won.append("chat")
        except SoldOut:
            pass

    def trade(client: httpx.Client) -> None:
        gate.wait()
        made = client.post("/octo/bookings", json={**SAIL, "unitItems": TWO})
        if made.status_code == 200:
            assert client.post(f"/octo/bookings/{made.json()['uuid']}/confirm", json={"contact": MARIA}).status_code == 200
            won.append("octo")
        else:
            assert made.json()["error"] == "UNPROCESSABLE_ENTITY"

    crowd = [threading.Thread(target=chat, args=pair) for pair in zip(travelers, proposals, strict=True)]
    crowd += [threading.Thread(target=trade, args=(client,)) for client in clients]
    for one in crowd:
        one.start()
    for one in crowd:
        one.join()
    assert len(won) == 5
    with engine.db.read() as tx:
        assert holds.drift(tx) == []
        assert len(tx.execute(select(booking)).all()) == 5


def test_the_door_keeps_to_the_specification_however_it_is_asked(sqlite: Any, tmp_path: Path, gateway: MemoryGateway) -> None:
    house = build_house(sqlite, tmp_path, gateway, Clock())
    market.load(house.engine, tmp_path)
    with house.engine.db.write() as tx:
        ensure_account(tx, house.engine.clock(), "viajes", name="", email="viajes@example.com")
    with running(house) as live:
        client = as_(live, "viajes")
        uuid = reserve(client)["uuid"]
        described = schemathesis.openapi.from_dict(octo.description())
        described.config.update(base_url=f"{live.url}/octo")
        seen: set[int] = set()
        for result in described.get_all_operations():
            operation = result.ok()
            shape = jsonschema.Draft202012Validator(octo.answer_of(f"{operation.method.upper()} {operation.path}"))
            given(case=operation.as_strategy())(BOUNDS(_asking(client, uuid, shape, seen)))()
    assert seen == {200, 400}


def _asking(client: httpx.Client, uuid: str, shape: jsonschema.Draft202012Validator, seen: set[int]) -> Callable[[Any], None]:
    def ask(case: Any) -> None:
        if "uuid" in (case.path_parameters or {}):
            case.path_parameters["uuid"] = uuid  # so that more is seen than "no such booking"
        if isinstance(case.body, dict) and "productId" in case.body:
            case.body = {**case.body, **SAIL}
        answer = case.call(headers={"authorization": client.headers["authorization"]})
        assert answer.status_code in (200, 400), (case.method, case.path, answer.status_code, answer.text)
        seen.add(answer.status_code)
        if answer.status_code == 200:
            shape.validate(answer.json())
        else:
            assert set(answer.json()) >= {"error", "errorMessage"}

    return ask
