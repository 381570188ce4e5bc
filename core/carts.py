"""One cart per conversation: lines of every booking type, priced when added and frozen until the traveler changes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from core import audit, availability, conversations, holds, pricing
from core.availability import Ask
from core.catalogue import ADULT, Listing, Option, listing
from core.db import announce, once
from core.engine import Actor, Engine, new_id
from core.errors import Invalid, NotFound, Refused, SoldOut
from core.fees import expert_fee
from core.schema import booking, booking_request, cart, cart_item, conversation, payment, product, provider


@dataclass(frozen=True, slots=True)
class Group:
    """Lines paid the same way in one currency: `how` is pay_now, if_approved, at_provider, on_quote or external."""

    how: str
    currency: str
    lines: tuple[dict[str, Any], ...]

    @property
    def total(self) -> int:
        return sum(int(line["amount"]) for line in self.lines)


GROUP_OF = {"INSTANT": "pay_now", "REQUEST": "if_approved", "EXTERNAL": "external"}


def open_cart(tx: Connection, conversation_id: str, account_id: str, now: datetime) -> Row[Any]:
    """The conversation's open cart, made where there is none; its row is locked."""
    query = select(cart).where(cart.c.conversation_id == conversation_id, cart.c.status == "open").with_for_update()
    row = tx.execute(query).one_or_none()
    if row is not None:
        return row
    tx.execute(
        insert(cart).values(id=new_id(), conversation_id=conversation_id, account_id=account_id, status="open", version=1, created_at=now)
    )
    return tx.execute(query).one()


def find_cart(tx: Connection, conversation_id: str) -> Row[Any] | None:
    return tx.execute(select(cart).where(cart.c.conversation_id == conversation_id, cart.c.status == "open")).one_or_none()


def items(tx: Connection, cart_id: str) -> Sequence[Row[Any]]:
    return tx.execute(
        select(
            cart_item,
            product.c.booking_type,
            product.c.pay_at_provider,
            product.c.kind.label("product_kind"),
            product.c.external_url,
            product.c.picture,
            provider.c.name.label("provider_name"),
            provider.c.card_hold,
            product.c.provider_id,
        )
        .outerjoin(product, product.c.id == cart_item.c.product_id)
        .outerjoin(provider, provider.c.id == product.c.provider_id)
        .where(cart_item.c.cart_id == cart_id)
        .order_by(cart_item.c.position)
    ).all()


def how_paid(row: Any) -> str:
    if row.kind == "fee":
        return "pay_now"
    if pricing.on_quote(row.price_lines):
        return "on_quote"
    if row.pay_at_provider and row.booking_type != "EXTERNAL":
        return "if_approved" if row.booking_type == "REQUEST" else "at_provider"
    return GROUP_OF[row.booking_type]


def add(engine: Engine, actor: Actor, ask: Ask) -> dict[str, Any]:
    """Put a line into the cart at today's price. Returns the cart's view with `added` = the line's id.

    What is sold on quote goes in without a price, which the provider names after the checkout. Raises NotFound, Invalid
    (field named), SoldOut with the dates.
    """
    now = engine.clock()
    terms = terms_of(ask)
    with engine.db.write() as tx:
        conversations.hold_fence(tx, actor)
        return once(tx, actor.key, terms, now, lambda: _add(tx, engine, actor, ask, now))


def terms_of(ask: Ask) -> dict[str, Any]:
    """What an idempotency key stands for."""
    return {
        "product": ask.product_id,
        "option": ask.option_id,
        "date": ask.local_date.isoformat(),
        "end": ask.end_date.isoformat() if ask.end_date else None,
        "start": ask.local_start,
        "units": dict({ADULT: 1} if ask.units is None else ask.units),
        "quantity": ask.quantity,
    }


def _add(tx: Connection, engine: Engine, actor: Actor, ask: Ask, now: datetime) -> dict[str, Any]:
    row = open_cart(tx, actor.conversation_id, actor.traveler_id, now)
    count = tx.execute(select(func.count()).select_from(cart_item).where(cart_item.c.cart_id == row.id)).scalar_one()
    if count >= engine.rules.max_cart_lines:
        raise Refused(f"A cart holds up to {engine.rules.max_cart_lines} lines. Book or remove something first.")
    values = _priced(tx, engine, ask, row.promo_code, now)
    same = tx.execute(
        select(cart_item.c.id).where(
            cart_item.c.cart_id == row.id,
            cart_item.c.option_id == values["option_id"],
            cart_item.c.local_date == values["local_date"],
            cart_item.c.local_start == values["local_start"],
        )
    ).one_or_none()
    if same is not None:
        raise Refused("That is in the cart already. Change its people or date instead.", item_id=same.id)
    position = tx.execute(select(func.coalesce(func.max(cart_item.c.position), 0)).where(cart_item.c.cart_id == row.id)).scalar_one() + 1
    item_id = new_id()
    tx.execute(
        insert(cart_item).values(
            id=item_id,
            cart_id=row.id,
            position=position,
            added_by=actor.account_id if actor.acting_for else None,
            created_at=now,
            **values,
        )
    )
    _changed(tx, row.id)
    _for_somebody(tx, actor, "add_to_cart", {"item": item_id, "title": values["title"], "amount": values["amount"]}, now)
    return {**view(tx, actor.conversation_id), "added": item_id}


def _for_somebody(tx: Connection, actor: Actor, verb: str, detail: Mapping[str, Any], now: datetime) -> None:
    """What an expert does for a traveler is written down with both names."""
    if actor.acting_for:
        audit.record(tx, actor, verb, f"conversation:{actor.conversation_id}", detail, now)


def _priced(tx: Connection, engine: Engine, ask: Ask, promo: str | None, now: datetime) -> dict[str, Any]:
    """Check one line and price it; the columns of a cart_item."""
    listed = listing(tx, ask.product_id)
    option = listed.option(ask.option_id)
    ask = choose_start(option.starts, ask)
    units = {kind: count for kind, count in ({ADULT: 1} if ask.units is None else ask.units).items() if count}
    ask = Ask(
        ask.product_id,
        option.id,
        ask.local_date,
        ask.end_date,
        ask.local_start,
        units,
        availability.quantity_for(option, units, ask.quantity),
    )
    external = listed.product.booking_type == "EXTERNAL"
    availability.check(listed, option, ask, now, engine.rules)
    if not external:
        _ensure_free(tx, listed, option, ask, now)
    priced = pricing.price(listed, ask, today=now.astimezone(availability.zone(listed)).date(), promo=promo)
    return {
        "kind": "external" if external else "own",
        "product_id": listed.id,
        "option_id": option.id,
        "title": listed.product.title if len(listed.options) == 1 else f"{listed.product.title}: {option.title}",
        "local_date": ask.local_date,
        "end_date": ask.end_date if listed.is_stay else None,
        "local_start": ask.local_start,
        "units": dict(priced.units),
        "quantity": priced.quantity,
        "currency": priced.currency,
        "amount": priced.total,
        "tax_amount": priced.tax,
        "price_lines": [line.as_json() for line in priced.lines],
    }


def _ensure_free(tx: Connection, listed: Listing, option: Option, ask: Ask, now: datetime) -> None:
    """As `availability.ensure_free`; a hold that has run out hides no place."""
    try:
        availability.ensure_free(tx, listed, option, ask)
    except SoldOut:
        if not holds.reclaim(tx, availability.wants(listed, option, ask), now):
            raise
        availability.ensure_free(tx, listed, option, ask)


def order_cart(tx: Connection, engine: Engine, actor: Actor, asks: Sequence[Ask], now: datetime) -> Row[Any]:
    """A cart of its own for an order that did not come from the open one; priced as any other."""
    if len(asks) > engine.rules.max_cart_lines:
        raise Refused(f"Up to {engine.rules.max_cart_lines} lines can be booked at once.")
    cart_id = new_id()
    values = {"conversation_id": actor.conversation_id, "account_id": actor.traveler_id, "version": 1, "created_at": now}
    tx.execute(insert(cart).values(id=cart_id, status="ordered", **values))
    for position, ask in enumerate(asks, 1):
        priced = _priced(tx, engine, ask, None, now)
        tx.execute(insert(cart_item).values(id=new_id(), cart_id=cart_id, position=position, created_at=now, **priced))
    return tx.execute(select(cart).where(cart.c.id == cart_id)).one()


def choose_start(starts: Sequence[Any], ask: Ask) -> Ask:
    """With exactly one start time there is nothing to choose; with several the ask has to name one."""
    if ask.local_start or not starts:
        return ask
    if len(starts) == 1:
        return Ask(ask.product_id, ask.option_id, ask.local_date, ask.end_date, starts[0].at, ask.units, ask.quantity)
    times = ", ".join(start.at for start in starts)
    raise Invalid("local_start", f"Which start time would you like: {times}?", starts=[start.at for start in starts])


def change(engine: Engine, actor: Actor, item_id: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Change date, end_date, local_start, units or quantity of a line; it is checked and priced anew, or left as it was."""
    now = engine.clock()
    with engine.db.write() as tx:
        conversations.hold_fence(tx, actor)

        def do() -> dict[str, Any]:
            row, item = _own_item(tx, actor, item_id)
            before = ask_of(item)
            ask = Ask(
                before.product_id,
                changes.get("option_id", before.option_id),
                changes.get("local_date", before.local_date),
                changes.get("end_date", _shifted(before, changes)),
                changes.get("local_start", before.local_start),
                changes.get("units", before.units),
                changes.get("quantity", 1 if "units" in changes else before.quantity),
            )
            values = _priced(tx, engine, ask, row.promo_code, now)
            tx.execute(update(cart_item).where(cart_item.c.id == item_id).values(**values))
            _changed(tx, row.id)
            told = {"item": item_id, **{name: str(value) for name, value in changes.items()}, "amount": values["amount"]}
            _for_somebody(tx, actor, "change_cart_line", told, now)
            return {**view(tx, actor.conversation_id), "changed": item_id}

        return once(tx, actor.key, {"item": item_id, **{k: str(v) for k, v in changes.items()}}, now, do)


def _shifted(before: Ask, changes: Mapping[str, Any]) -> date | None:
    """A stay that moves keeps its number of nights unless its end is named."""
    if before.end_date is None or "local_date" not in changes:
        return before.end_date
    moved: date = changes["local_date"] + (before.end_date - before.local_date)
    return moved


def ask_of(item: Any) -> Ask:
    return Ask(item.product_id, item.option_id, item.local_date, item.end_date, item.local_start, item.units, item.quantity)


def remove(engine: Engine, actor: Actor, item_id: str) -> dict[str, Any]:
    now = engine.clock()
    with engine.db.write() as tx:
        conversations.hold_fence(tx, actor)

        def do() -> dict[str, Any]:
            row, item = _own_item(tx, actor, item_id)
            tx.execute(delete(cart_item).where(cart_item.c.id == item_id))
            _changed(tx, row.id)
            _for_somebody(tx, actor, "remove_from_cart", {"item": item_id, "title": item.title}, now)
            return {**view(tx, actor.conversation_id), "removed": item.title}

        return once(tx, actor.key, {"remove": item_id}, now, do)


def clear(engine: Engine, actor: Actor) -> dict[str, Any]:
    with engine.db.write() as tx:
        conversations.hold_fence(tx, actor)
        row = open_cart(tx, actor.conversation_id, actor.traveler_id, engine.clock())
        tx.execute(delete(cart_item).where(cart_item.c.cart_id == row.id))
        _changed(tx, row.id)
        return view(tx, actor.conversation_id)


def set_promo(engine: Engine, actor: Actor, code: str | None) -> dict[str, Any]:
    """Use a promo code for the whole cart. Raises Invalid where no line knows it."""
    now = engine.clock()
    with engine.db.write() as tx:
        conversations.hold_fence(tx, actor)
        row = open_cart(tx, actor.conversation_id, actor.traveler_id, now)
        lines = items(tx, row.id)
        cleaned = (code or "").strip().upper() or None
        if cleaned and not any(pricing.knows_promo(listing(tx, line.product_id), cleaned) for line in lines if line.product_id):
            raise Invalid("promo_code", f"The code {cleaned} does not fit anything in the cart.")
        tx.execute(update(cart).where(cart.c.id == row.id).values(promo_code=cleaned))
        reprice(tx, engine, row.id, cleaned, now)
        return view(tx, actor.conversation_id)


def reprice(tx: Connection, engine: Engine, cart_id: str, promo: str | None, now: datetime) -> list[dict[str, Any]]:
    """Price every own line anew; returns what changed as {item_id, title, before, after, currency}."""
    changed = []
    for item in items(tx, cart_id):
        if item.kind != "own":
            continue
        try:
            listed = listing(tx, item.product_id)
        except NotFound:
            raise Refused(f"{item.title} is no longer on sale. Take it out of the cart to go on with the rest.", item_id=item.id) from None
        priced = pricing.price(listed, ask_of(item), today=now.astimezone(availability.zone(listed)).date(), promo=promo)
        if priced.total != item.amount or priced.currency != item.currency:
            tx.execute(
                update(cart_item)
                .where(cart_item.c.id == item.id)
                .values(
                    amount=priced.total, currency=priced.currency, tax_amount=priced.tax, price_lines=[x.as_json() for x in priced.lines]
                )
            )
            changed.append(
                {"item_id": item.id, "title": item.title, "before": item.amount, "after": priced.total, "currency": priced.currency}
            )
    if changed:
        _changed(tx, cart_id)
    return changed


def _own_item(tx: Connection, actor: Actor, item_id: str) -> tuple[Row[Any], Row[Any]]:
    row = find_cart(tx, actor.conversation_id)
    item = (
        None if row is None else tx.execute(select(cart_item).where(cart_item.c.id == item_id, cart_item.c.cart_id == row.id)).one_or_none()
    )
    if row is None or item is None:
        raise NotFound("That line is not in the cart any more.")
    return row, item


def _changed(tx: Connection, cart_id: str) -> None:
    """A new version; the expert's fee line follows what the expert arranged."""
    tx.execute(update(cart).where(cart.c.id == cart_id).values(version=cart.c.version + 1))
    tx.execute(delete(cart_item).where(cart_item.c.cart_id == cart_id, cart_item.c.kind == "fee"))
    arranged: dict[tuple[str, str], int] = {}
    for row in items(tx, cart_id):
        if row.added_by and row.kind == "own":
            key = (row.currency, row.added_by)
            arranged[key] = arranged.get(key, 0) + row.amount
    for position, ((currency, expert), amount) in enumerate(sorted(arranged.items())):
        fee = expert_fee(tx, arranged=amount)
        if fee:
            tx.execute(
                insert(cart_item).values(
                    id=new_id(),
                    cart_id=cart_id,
                    position=10_000 + position,
                    kind="fee",
                    title="Travel expert's fee",
                    local_start="",
                    units={},
                    quantity=1,
                    currency=currency,
                    amount=fee,
                    tax_amount=0,
                    price_lines=[],
                    added_by=expert,
                    created_at=datetime.fromisoformat("2000-01-01T00:00:00+00:00"),
                )
            )
    row = tx.execute(select(cart.c.conversation_id).where(cart.c.id == cart_id)).one()
    announce(tx, "conversation", row.conversation_id)


def line_view(row: Any) -> dict[str, Any]:
    return {
        "item_id": row.id,
        "kind": row.kind,
        "how": how_paid(row),
        "product_id": row.product_id,
        "option_id": row.option_id,
        "title": row.title,
        "provider": row.provider_name or "",
        "date": row.local_date.isoformat() if row.local_date else None,
        "end_date": row.end_date.isoformat() if row.end_date else None,
        "start": row.local_start,
        "units": dict(row.units),
        "quantity": row.quantity,
        "amount": row.amount,
        "currency": row.currency,
        "price_lines": list(row.price_lines),
        "external_url": row.external_url if row.kind == "external" else None,
        "card_hold": bool(row.card_hold and row.amount and not row.pay_at_provider and how_paid(row) == "if_approved"),
    }


def groups(lines: Sequence[dict[str, Any]]) -> list[Group]:
    """Per way of paying and currency, in the order pay now, if approved, at provider, price on request, on partner site."""
    order = ("pay_now", "if_approved", "at_provider", "on_quote", "external")
    keys = sorted({(order.index(line["how"]), line["currency"]) for line in lines})
    return [
        Group(order[i], currency, tuple(line for line in lines if line["how"] == order[i] and line["currency"] == currency))
        for i, currency in keys
    ]


def totals_of(lines: Sequence[dict[str, Any]]) -> dict[str, dict[str, int]]:
    """{currency: {"payable", "pay_now", "if_approved", "at_provider"}} in minor units; lines on quote or elsewhere are in none."""
    totals: dict[str, dict[str, int]] = {}
    for group in groups(lines):
        if group.how in ("external", "on_quote"):
            continue
        of_currency = totals.setdefault(group.currency, {"payable": 0, "pay_now": 0, "if_approved": 0, "at_provider": 0})
        of_currency[group.how] += group.total
        of_currency["payable"] += group.total
    return totals


def view(tx: Connection, conversation_id: str) -> dict[str, Any]:
    """The open cart and what is on its way, in ids and minor units: one honest picture for every door.

    `totals` = {currency: {"payable", "pay_now", "if_approved", "at_provider"}}; external lines are in none of them.
    """
    row = find_cart(tx, conversation_id)
    lines = [line_view(item) for item in items(tx, row.id)] if row is not None else []
    totals = totals_of(lines)
    waiting = tx.execute(
        select(
            booking.c.id,
            booking.c.reference,
            booking.c.title,
            booking.c.status,
            booking.c.amount,
            booking.c.currency,
            booking.c.pay_by,
            booking_request.c.respond_by,
        )
        .outerjoin(booking_request, booking_request.c.booking_id == booking.c.id)
        .where(booking.c.conversation_id == conversation_id, booking.c.status.in_(("ON_HOLD", "PENDING")))
        .order_by(booking.c.created_at)
    ).all()
    unpaid = tx.execute(
        select(payment.c.id, payment.c.amount, payment.c.currency, payment.c.url, payment.c.status, payment.c.expires_at)
        .where(payment.c.conversation_id == conversation_id, payment.c.status.in_(("new", "open")))
        .order_by(payment.c.created_at)
    ).all()
    return {
        "cart_id": row.id if row is not None else None,
        "version": row.version if row is not None else 0,
        "promo_code": row.promo_code if row is not None else None,
        "lines": lines,
        "totals": totals,
        "waiting": [
            {
                "booking_id": w.id,
                "reference": w.reference,
                "title": w.title,
                "status": w.status,
                "amount": w.amount,
                "currency": w.currency,
                "until": (w.respond_by if w.status == "PENDING" else w.pay_by).isoformat() if (w.respond_by or w.pay_by) else None,
            }
            for w in waiting
        ],
        "unpaid": [
            {"payment_id": p.id, "amount": p.amount, "currency": p.currency, "url": p.url, "expires_at": p.expires_at.isoformat()}
            for p in unpaid
        ],
    }


def show(engine: Engine, actor: Actor) -> dict[str, Any]:
    with engine.db.read() as tx:
        return view(tx, actor.conversation_id)


def owner_of(tx: Connection, conversation_id: str) -> str:
    return str(tx.execute(select(conversation.c.account_id).where(conversation.c.id == conversation_id)).scalar_one())
