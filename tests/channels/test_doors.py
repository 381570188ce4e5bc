"""One booking through every door (chat, REST, Python, MCP, OCTO) ends in one and the same state of the database."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from sqlalchemy import Connection, select

from channels.services import BookingBotService
from core import bookings, carts, conversations, holds, people, programs, resellers
from core.availability import Ask
from core.engine import SYSTEM, Actor
from core.payments import collect, ledger
from core.schema import booking, booking_event, hold, payment, share, slot
from tests import market
from tests.channels.conftest import Live, build_house, running
from tests.conftest import Clock
from tests.gateway import MemoryGateway

DAY = "2026-11-28"
SATURDAY = date(2026, 11, 28)
SAIL = {"product": "sunset-sail", "date": DAY, "start_time": "17:30", "units": {"ADULT": 2}}
NAME, EMAIL = "Ana Silva", "ana@example.com"
ITS_OWN = {
    "id", "reference", "conversation_id", "account_id", "cart_id", "cart_item_id", "version", "invoiced_to", "contact",
}  # fmt: skip
"""What one booking has for itself; everything else has to be the same. `contact` is compared by its name."""


@pytest.fixture
def live(db: Any, tmp_path: Path, gateway: MemoryGateway) -> Iterator[Live]:
    house = build_house(db, tmp_path, gateway, Clock())
    market.load(house.engine, tmp_path)
    with running(house) as one:
        yield one


def buyer(live: Live, name: str) -> str:
    engine = live.house.engine
    with engine.db.write() as tx:
        people.ensure_account(tx, engine.clock(), name, name=NAME, email=f"{name}@example.com")
        people.set_contact(tx, name, name=NAME, email=EMAIL, terms=True, now=engine.clock())
    return name


def by_chat(live: Live) -> None:
    engine = live.house.engine
    account = buyer(live, "chat")
    conversation_id, token = conversations.start(engine, channel="web", account_id=account)
    actor = Actor(account, conversation_id=conversation_id)
    carts.add(engine, actor, Ask("sunset-sail", None, SATURDAY, None, "17:30", {"ADULT": 2}))
    bookings.propose_checkout(engine, actor)
    with live.client(authorization=f"Bearer {token}") as chat:
        assert chat.post("/chat/v1/messages", json={"id": "yes-1", "text": "yes"}).status_code == 202


def by_rest(live: Live) -> None:
    token = people.api_token(live.house.engine, buyer(live, "rest"))
    with live.client(authorization=f"Bearer {token}") as http:
        http.post("/api/cart/items/", json=SAIL)
        shown = http.post("/api/checkout/proposals/").json()
        assert http.post("/api/checkout/confirm/", json={"proposal_id": shown["proposal_id"]}).status_code == 200


def by_python(live: Live) -> None:
    BookingBotService(live.house.engine).process_cart(user=buyer(live, "python"), cart_items=[SAIL], key="k")


async def by_mcp(live: Live) -> None:
    _, token = programs.give(live.house.engine, SYSTEM, buyer(live, "mcp"), label="test")
    line = {"product_id": "sunset-sail", "date": DAY, "start_time": "17:30", "adults": 2}
    async with (
        httpx2.AsyncClient(headers={"authorization": f"Bearer {token}"}, timeout=20) as http,
        Client(streamable_http_client(f"{live.url}/mcp", http_client=http)) as client,
    ):
        added = await client.call_tool("add_to_cart", line)
        assert not added.is_error, added.content[0].text
        shown = (await client.call_tool("propose_checkout", {})).content[0].text
    path = re.search(r"/confirm/[^\"\s]+", shown)
    assert path is not None, shown
    with live.client(accept="text/html") as page:
        proof = re.search(r'name="proof" value="(\w+)"', page.get(path[0]).text)
        assert proof is not None
        done = page.post(path[0], data={"proof": proof[1], "name": NAME, "email": EMAIL, "terms": "yes"})
        assert done.status_code == 303, done.text


def by_octo(live: Live) -> None:
    token = resellers.give(live.house.engine, buyer(live, "octo"), name="Agency")
    with live.client(authorization=f"Bearer {token}") as http:
        body = {
            "productId": "sunset-sail",
            "optionId": "sunset-sail.standard",
            "availabilityId": f"{DAY}T17:30",
            "unitItems": [{"unitId": "ADULT"}] * 2,
        }
        made = http.post("/octo/bookings", json=body).json()
        assert http.post(f"/octo/bookings/{made['uuid']}/confirm", json={"contact": {"fullName": NAME}}).status_code == 200


def pay_all(live: Live, gateway: MemoryGateway) -> None:
    engine = live.house.engine
    with engine.db.read() as tx:
        open_ones = tx.execute(select(payment.c.id).order_by(payment.c.created_at, payment.c.id)).scalars().all()
    for payment_id in open_ones:
        collect.ensure_link(engine, payment_id)
    with engine.db.read() as tx:
        pages = tx.execute(select(payment.c.session_id)).scalars().all()
    for page in pages:
        gateway.pay(page)
    for payment_id in open_ones:
        collect.sync(engine, payment_id)


def state_of(tx: Connection, account_id: str) -> dict[str, Any]:
    """Everything that a booking is, without what only tells it from another."""
    row = tx.execute(select(booking).where(booking.c.account_id == account_id)).one()
    held = tx.execute(select(hold).where(hold.c.booking_id == row.id)).all()
    events = tx.execute(select(booking_event).where(booking_event.c.booking_id == row.id).order_by(booking_event.c.id)).all()
    return {
        "booking": {name: value for name, value in row._mapping.items() if name not in ITS_OWN} | {"name": row.contact["name"]},
        "holds": [(one.resource_id, one.local_date, one.local_start, one.quantity, one.status) for one in held],
        "events": [(one.event, one.from_status, one.to_status) for one in events],
    }


async def test_whatever_door_a_booking_comes_through_it_is_the_same_booking(live: Live, gateway: MemoryGateway) -> None:
    for book in (by_chat, by_rest, by_python, by_octo):
        await asyncio.to_thread(book, live)
    await by_mcp(live)
    await asyncio.to_thread(pay_all, live, gateway)
    with live.house.engine.db.read() as tx:
        found = {door: state_of(tx, door) for door in ("chat", "rest", "python", "mcp", "octo")}
        for door, state in found.items():
            assert state == found["chat"], door
        assert found["chat"]["booking"]["status"] == "CONFIRMED"
        (places,) = tx.execute(select(slot.c.held, slot.c.booked).where(slot.c.local_date == SATURDAY)).all()
        assert tuple(places) == (0, 10)
        assert (holds.drift(tx), ledger.unbalanced(tx)) == ([], [])
        paid = tx.execute(select(payment.c.account_id, payment.c.status, payment.c.amount).order_by(payment.c.account_id)).all()
        assert [tuple(one) for one in paid] == [(door, "paid", 9_600) for door in ("chat", "mcp", "python", "rest")]  # OCTO's is invoiced
        parts = tx.execute(
            select(payment.c.account_id, share.c.party, share.c.amount).join(share, share.c.payment_id == payment.c.id)
        ).all()
        assert sorted(tuple(one) for one in parts) == sorted(
            (door, party, amount)
            for door in ("chat", "mcp", "python", "rest")
            for party, amount in (("platform", 1_152), ("provider", 8_448))
        )
