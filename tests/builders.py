"""Rows with good defaults, so that a test says only what it is about."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select

from core import bookings, carts, conversations, people
from core.availability import Ask
from core.db import Database, upsert
from core.engine import Actor, Engine
from core.schema import booking as booking_table
from core.schema import (
    destination,
    fee_rule,
    ledger_entry,
    option,
    payment,
    product,
    provider,
    rate_plan,
    refund,
    resource,
    share,
    slot,
    unit,
)

DAY = date(2027, 3, 4)
LONG_AGO = datetime(2026, 11, 1, tzinfo=UTC)


def add_provider(tx: Connection, id: str = "tejo", **values: Any) -> str:
    """A provider and the city of Lisbon, each made once."""
    city = {
        "id": "lisbon",
        "name": "Lisbon",
        "country": "Portugal",
        "aliases": [],
        "latitude": 38.72,
        "longitude": -9.14,
        "time_zone": "Europe/Lisbon",
        "currency": "EUR",
        "picture_tags": [],
    }
    tx.execute(upsert(tx)(destination).values(city).on_conflict_do_nothing())
    row = {"id": id, "name": id.title(), "email": f"{id}@example.com", "time_zone": "Europe/Lisbon", "currency": "EUR"}
    row |= {"created_at": LONG_AGO, **values}
    tx.execute(upsert(tx)(provider).values(row).on_conflict_do_nothing())
    return id


def add_product(
    tx: Connection,
    id: str = "kayak",
    *,
    amount: int = 6000,
    places: int | None = 10,
    currency: str = "EUR",
    provider_id: str = "tejo",
    booking_type: str = "INSTANT",
    pay_at_provider: bool = False,
    per: str = "PERSON",
    counts: str = "PAX",
) -> str:
    """A whole-day product with one option, one kind of traveler, one price and `places` a day (None: no limit)."""
    add_provider(tx, provider_id)
    tx.execute(insert(resource).values(id=id, provider_id=provider_id, name=id, capacity=places))
    tx.execute(
        insert(product).values(
            id=id,
            provider_id=provider_id,
            destination_id="lisbon",
            kind="activity",
            title=id.replace("-", " ").capitalize(),
            tags=[],
            booking_type=booking_type,
            availability_mode="CALENDAR" if places is not None else "TOGGLE",
            currency=currency,
            time_zone="Europe/Lisbon",
            pay_at_provider=pay_at_provider,
        )
    )
    tx.execute(insert(option).values(id=f"{id}-1", product_id=id, resource_id=id, title="Standard", starts=[], counts=counts))
    tx.execute(insert(unit).values(id=f"{id}-adult", option_id=f"{id}-1", type="ADULT"))
    tx.execute(insert(rate_plan).values(id=f"{id}-rate", option_id=f"{id}-1", model="FIXED", per=per, currency=currency, amount=amount))
    return id


def products(engine: Engine, *ids: str, **values: Any) -> None:
    with engine.db.write() as tx:
        for id in ids or ("kayak",):
            add_product(tx, id, **values)


def expert_fee(engine: Engine, bps: int = 1000) -> None:
    """The traveler pays this on top of what an expert arranges."""
    with engine.db.write() as tx:
        tx.execute(insert(fee_rule).values(id="expert", party="EXPERT", scope="GLOBAL", bps=bps))


def traveler(engine: Engine, *, name: str = "Ana Silva", email: str = "ana@example.com") -> Actor:
    """Somebody with a conversation who has given what is needed to book."""
    conversation_id, _ = conversations.start(engine, channel="web")
    with engine.db.write() as tx:
        account_id = carts.owner_of(tx, conversation_id)
        people.set_contact(tx, account_id, name=name, email=email, terms=True, now=engine.clock())
    return Actor(account_id=account_id, conversation_id=conversation_id)


def expert_for(engine: Engine, actor: Actor, account_id: str = "expert") -> Actor:
    with engine.db.write() as tx:
        people.ensure_account(tx, engine.clock(), account_id, name="Eva", email="eva@example.com")
    return Actor(account_id=account_id, role="expert", conversation_id=actor.conversation_id, acting_for=actor.account_id)


def add(engine: Engine, actor: Actor, product_id: str = "kayak", *, people: int = 2, day: date = DAY) -> None:
    carts.add(engine, actor, Ask(product_id, None, day, units={"ADULT": people}))


def checkout(engine: Engine, actor: Actor) -> list[str]:
    """Confirm what is in the cart; the ids of the payments it opened."""
    proposal = bookings.propose_checkout(engine, actor)
    done = bookings.commit_checkout(engine, actor, proposal["proposal_id"])
    return list(done["payments"])


def buy(engine: Engine, *product_ids: str, people: int = 2, actor: Actor | None = None) -> str:
    """A traveler puts these into the cart and confirms; the one payment that is due."""
    actor = actor or traveler(engine)
    for product_id in product_ids or ("kayak",):
        add(engine, actor, product_id, people=people)
    (payment_id,) = checkout(engine, actor)
    return payment_id


# ── looking ───────────────────────────────────────────────────────────────────────────────────────


def payment_row(db: Database, payment_id: str) -> Row[Any]:
    with db.read() as tx:
        return tx.execute(select(payment).where(payment.c.id == payment_id)).one()


def statuses(db: Database) -> dict[str, str]:
    """{product id: booking status} of every booking, the last one of a product counting."""
    with db.read() as tx:
        rows = tx.execute(select(booking_table.c.product_id, booking_table.c.status).order_by(booking_table.c.created_at))
        return {row.product_id: row.status for row in rows}


def refunds_of(db: Database, payment_id: str) -> list[tuple[int, str]]:
    """[(amount, state)] in the order they were decided."""
    with db.read() as tx:
        rows = tx.execute(select(refund).where(refund.c.payment_id == payment_id).order_by(refund.c.created_at, refund.c.id))
        return [(row.amount, row.state) for row in rows]


def shares_of(db: Database, payment_id: str) -> list[tuple[str, int, int]]:
    """[(party, amount, reversed)], sorted."""
    with db.read() as tx:
        rows = tx.execute(select(share).where(share.c.payment_id == payment_id))
        return sorted((row.party, row.amount, row.reversed) for row in rows)


def places(db: Database, resource_id: str = "kayak", day: date = DAY) -> tuple[int, int]:
    """(held, booked) of a day's slot."""
    with db.read() as tx:
        row = tx.execute(select(slot).where(slot.c.resource_id == resource_id, slot.c.local_date == day)).one()
        return row.held, row.booked


def snapshot(db: Database) -> dict[str, list[tuple[Any, ...]]]:
    """Everything that is money or places, to show that nothing has moved."""
    tables = (payment, share, refund, ledger_entry, booking_table, slot)
    with db.read() as tx:
        return {table.name: sorted(tuple(map(str, row)) for row in tx.execute(select(table))) for table in tables}
