"""The door for programs, from the first look to the change: what commits is what was shown, and nobody reaches another's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

from channels.house import House
from core import conversations, holds
from core.people import api_token, ensure_account
from core.schema import booking, rate_plan, turn
from tests import market
from tests.channels.conftest import GENEROUS, Live, build_house, running
from tests.conftest import Clock
from tests.gateway import MemoryGateway

DAY = "2026-11-28"
SAIL = {"product": "sunset-sail", "date": DAY, "start_time": "17:30", "units": {"ADULT": 2}}
ANA = {"name": "Ana Silva", "email": "ana@example.com", "accept_terms": True}


@pytest.fixture
def house(db: Any, tmp_path: Path, gateway: MemoryGateway) -> House:
    made = build_house(db, tmp_path, gateway, Clock())
    market.load(made.engine, tmp_path)
    with made.engine.db.write() as tx:
        for name in ("ana", "bob"):
            ensure_account(tx, made.engine.clock(), name, name="", email=f"{name}@example.com")
    return made


@pytest.fixture
def live(house: House) -> Iterator[Live]:
    with running(house, allowance=GENEROUS) as one:
        yield one


def as_(live: Live, account: str) -> httpx.Client:
    return live.client(authorization=f"Bearer {api_token(live.house.engine, account)}")


def ok(answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_total_that_was_shown_is_what_is_booked_and_only_once(live: Live, gateway: MemoryGateway) -> None:
    ana, bob = as_(live, "ana"), as_(live, "bob")
    line = ok(ana.post("/api/cart/items/", json=SAIL, headers={"Idempotency-Key": "a"}))["added"]
    assert ok(ana.post("/api/cart/items/", json=SAIL, headers={"Idempotency-Key": "a"}))["added"] == line
    assert bob.delete(f"/api/cart/items/{line}/").status_code == 404
    assert ok(ana.patch(f"/api/cart/items/{line}/", json={"units": {"ADULT": 2, "CHILD": 1}}))["lines"][0]["amount"] == 12_000
    shown = ok(ana.post("/api/checkout/proposals/"))
    assert shown["totals"] == {"EUR": {"payable": 12_000, "pay_now": 12_000, "if_approved": 0, "at_provider": 0}}
    nameless = ana.post("/api/checkout/confirm/", json={"proposal_id": shown["proposal_id"]})
    assert (nameless.status_code, nameless.json()["code"]) == (409, "details_needed")
    yes = {"proposal_id": shown["proposal_id"], "contact": ANA}
    assert bob.post("/api/checkout/confirm/", json=yes).status_code == 404
    done = ok(ana.post("/api/checkout/confirm/", json=yes))
    assert (done["bookings"][0]["status"], done["payments"][0]["amount"], done["groups"][0]["how"]) == ("ON_HOLD", 12_000, "pay_now")
    again = ok(ana.post("/api/checkout/confirm/", json=yes))
    assert [one["booking_id"] for one in again["bookings"]] == [one["booking_id"] for one in done["bookings"]]
    with live.house.engine.db.read() as tx:
        assert (len(tx.execute(select(booking)).all()), holds.drift(tx)) == (1, [])


def test_what_changed_since_it_was_shown_is_not_booked(live: Live) -> None:
    ana = as_(live, "ana")
    line = ok(ana.post("/api/cart/items/", json=SAIL))["added"]
    first = ok(ana.post("/api/checkout/proposals/"))["proposal_id"]
    ok(ana.patch(f"/api/cart/items/{line}/", json={"units": {"ADULT": 4}}))
    assert ana.post("/api/checkout/confirm/", json={"proposal_id": first, "contact": ANA}).status_code == 410
    second = ok(ana.post("/api/checkout/proposals/"))["proposal_id"]
    with live.house.engine.db.write() as tx:
        tx.execute(update(rate_plan).where(rate_plan.c.option_id == "sunset-sail.standard").values(amount=9_900))
    moved = ana.post("/api/checkout/confirm/", json={"proposal_id": second, "contact": ANA})
    assert (moved.status_code, moved.json()["code"]) == (409, "price_changed")
    with live.house.engine.db.read() as tx:
        assert tx.execute(select(booking)).all() == []


def test_a_paid_booking_is_read_changed_and_cancelled_by_previews(live: Live, gateway: MemoryGateway) -> None:
    ana, bob = as_(live, "ana"), as_(live, "bob")
    ok(ana.post("/api/cart/items/", json=SAIL))
    yes = {"proposal_id": ok(ana.post("/api/checkout/proposals/"))["proposal_id"], "contact": ANA}
    done = ok(ana.post("/api/checkout/confirm/", json=yes))
    gateway.pay("cs_1")
    ok(ana.post("/api/bookings/confirm/", json={"payment_id": done["payments"][0]["payment_id"]}))
    path = f"/api/bookings/{done['bookings'][0]['reference']}"
    one = ok(ana.get(f"{path}/"))
    assert (one["status"], one["paid"], [event["event"] for event in one["events"]]) == ("CONFIRMED", 9_600, ["reserve", "pay"])
    for answer in (bob.get(f"{path}/"), bob.post(f"{path}/change/", json={"date": "2026-12-05"}), bob.post(f"{path}/cancellation/")):
        assert answer.status_code == 404
    move = ok(ana.post(f"{path}/change/", json={"date": "2026-12-05"}))
    assert (move["date"], move["difference"], move["before"]["date"]) == ("2026-12-05", 0, DAY)
    assert ok(ana.get(f"{path}/"))["date"] == DAY  # a preview changes nothing
    ok(ana.post("/api/changes/confirm/", json={"proposal_id": move["proposal_id"]}))
    assert ok(ana.get(f"{path}/"))["date"] == "2026-12-05"
    over = ok(ana.post(f"{path}/cancellation/"))
    assert (over["refund"], over["refund_bps"]) == (9_600, 10_000)
    assert ana.post("/api/changes/confirm/", json={"proposal_id": over["proposal_id"]}).status_code == 410
    assert ok(ana.post("/api/cancellations/confirm/", json={"proposal_id": over["proposal_id"]}))["status"] == "CANCELLED"
    with live.house.engine.db.read() as tx:
        assert holds.drift(tx) == []


def test_the_catalogue_is_paged_and_an_unchanged_page_is_not_sent_again(live: Live) -> None:
    ana = as_(live, "ana")
    seen: list[str] = []
    cursor = ""
    while cursor is not None:
        page = ok(ana.get("/api/products/", params={"limit": 4, "cursor": cursor}))
        seen += [one["product"] for one in page["products"]]
        cursor = page["next"]
    assert seen == sorted(one["id"] for one in market.RECORDS if one["type"] == "product")
    first = ana.get("/api/products/sunset-sail/")
    tag = first.headers["etag"]
    same = ana.get("/api/products/sunset-sail/", headers={"If-None-Match": f'"other", W/{tag}'})
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    assert int(first.headers["ratelimit-remaining"]) - 1 == int(same.headers["ratelimit-remaining"]) < int(same.headers["ratelimit-limit"])
    with live.house.engine.db.write() as tx:
        tx.execute(update(rate_plan).where(rate_plan.c.option_id == "sunset-sail.standard").values(amount=9_900))
    fresh = ana.get("/api/products/sunset-sail/", headers={"If-None-Match": tag})
    assert (fresh.status_code, fresh.json()["options"][0]["amount"]) == (200, 9_900)


def test_a_quote_explains_its_price_and_holds_nothing(live: Live) -> None:
    ana = as_(live, "ana")
    told = ok(ana.post("/api/quotes/", json={**SAIL, "start_time": ""}))
    assert (told["amount"], told["start_time"], sum(line["amount"] for line in told["lines"])) == (9_600, "17:30", 9_600)
    assert ana.post("/api/quotes/", json={**SAIL, "units": {"ADULT": 11}}).json()["code"] == "sold_out"
    assert ana.post("/api/quotes/", json={**SAIL, "date": "2020-01-01"}).status_code == 422
    with live.house.engine.db.read() as tx:
        assert tx.execute(select(booking)).all() == []


def test_a_program_reads_and_speaks_in_its_persons_conversation(live: Live) -> None:
    ana, bob = as_(live, "ana"), as_(live, "bob")
    said = {"id": "m1", "text": "A boat on Saturday, please"}
    seq = ok(ana.post("/api/conversation/messages/", json=said))["seq"]
    assert ok(ana.post("/api/conversation/messages/", json=said))["seq"] == seq
    talk = ok(ana.get("/api/conversation/messages/"))
    assert [(one["seq"], one["role"], one["parts"][0]["text"]) for one in talk["messages"]] == [(seq, "traveler", said["text"])]
    assert ok(bob.get("/api/conversation/messages/"))["messages"] == []
    ok(ana.post("/api/conversation/person/", json={"want": True}))
    with live.house.engine.db.read() as tx:
        assert conversations.get(tx, talk["conversation"]).last_seq > seq
        assert tx.execute(select(turn)).all() == []
