"""The rest of the door for programs: look, fill a cart, see a total and confirm exactly that, change and cancel, and talk.

Whatever commits money or places takes the id of a proposal the person has seen; the proposal's terms are frozen, so a
program cannot commit to others. Amounts are minor units.
"""

from dataclasses import replace
from datetime import date as Day
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Query
from pydantic import Field
from sqlalchemy import select

from channels import inbox
from channels.house import House
from channels.web.limits import Limits
from channels.web.rest import PAGE, Caller, Contact, Item, Strict, Tagged, caller_of, desk_of, operations_of, ordered, who_travels
from core import availability, bookings, cancellations, carts, catalogue, changes, conversations, handoff, pricing, search
from core.catalogue import Listing
from core.schema import conversation, product

Key = Annotated[str | None, Header(alias="Idempotency-Key", max_length=120)]
Id = Annotated[str, Query(max_length=64)]
MOST_SEQ = 2**31 - 1


class CartChange(Strict):
    """What is to be other than before; at least one of them."""

    date: Day | None = None
    end_date: Day | None = None
    start_time: str | None = Field(None, pattern=r"^(\d\d:\d\d)?$")
    units: dict[str, Annotated[int, Field(ge=0, le=500)]] | None = None
    quantity: int | None = Field(None, ge=1, le=20)


class Promo(Strict):
    code: str | None = Field(None, max_length=40)


class Checkout(Strict):
    """`contact` is needed once, before the first booking."""

    proposal_id: str = Field(max_length=64)
    payment_method: Literal["full", "deposit"] = "full"
    contact: Contact | None = None
    requests: str = Field("", max_length=1000)


class Agreed(Strict):
    proposal_id: str = Field(max_length=64)


class Said(Strict):
    """`id` is the caller's own: the same one twice is one line."""

    id: str = Field(pattern=r"^[A-Za-z0-9-]{1,64}$")
    text: str = Field(min_length=1, max_length=8000)


class Person(Strict):
    want: bool = True


def router(house: House, limits: Limits) -> APIRouter:
    api = APIRouter(prefix="/api", route_class=Tagged)
    engine = house.engine
    operation = operations_of(api)
    Signed = Annotated[Caller, Depends(caller_of(house, limits))]

    @operation("GET", "/cities/", "list_cities")
    def list_cities(who: Signed) -> dict[str, Any]:
        """Where something is on sale, with how much of it."""
        return {"cities": search.cities(engine)}

    @operation("GET", "/products/", "list_products")
    def list_products(who: Signed, cursor: Id = "", limit: Annotated[int, Query(ge=1, le=PAGE)] = 20) -> dict[str, Any]:
        """Everything that is published, by id; `next` is the cursor of the following page."""
        with engine.db.read() as tx:
            query = select(product.c.id).where(product.c.published, product.c.id > cursor).order_by(product.c.id).limit(limit)
            found = list(catalogue.listings(tx, tx.execute(query).scalars().all()).values())
        return {"products": [_product(one) for one in found], "next": found[-1].id if len(found) == limit else None}

    @operation("GET", "/products/{product_id}/", "get_product")
    def get_product(product_id: str, who: Signed) -> dict[str, Any]:
        """One product with its options, units, start times and cancellation conditions."""
        with engine.db.read() as tx:
            return _product(catalogue.listing(tx, product_id))

    @operation("POST", "/quotes/", "quote")
    def quote(body: Item, who: Signed) -> dict[str, Any]:
        """What a line would cost today, explained; nothing is held. Refused where it cannot be booked so."""
        with engine.db.read() as tx:
            listed = catalogue.listing(tx, body.product)
            option = listed.option(body.option)
            ask = carts.choose_start(option.starts, body.ask())
            availability.check(listed, option, ask, engine.clock(), engine.rules)
            availability.ensure_free(tx, listed, option, ask)
        priced = pricing.price(listed, ask, today=engine.clock().astimezone(availability.zone(listed)).date())
        lines = [line.as_json() for line in priced.lines]
        return {
            "product": listed.id, "option": option.id, "date": ask.local_date.isoformat(), "start_time": ask.local_start, "amount": priced.total,
            "tax": priced.tax, "currency": priced.currency, "lines": lines, "on_quote": pricing.on_quote(lines),
        }  # fmt: skip

    @operation("GET", "/cart/", "get_cart")
    def get_cart(who: Signed) -> dict[str, Any]:
        """The open cart of the token's conversation."""
        return carts.show(engine, desk_of(engine, who))

    @operation("POST", "/cart/items/", "add_to_cart")
    def add_to_cart(body: Item, who: Signed, key: Key = None) -> dict[str, Any]:
        """Put a line in at today's price; `added` is its id."""
        actor = desk_of(engine, who)
        return carts.add(engine, replace(actor, key=f"api:{actor.account_id}:cart:{key}" if key else None), body.ask())

    @operation("PATCH", "/cart/items/{item_id}/", "change_cart_item")
    def change_item(item_id: str, body: CartChange, who: Signed) -> dict[str, Any]:
        """Another day, time or party, at today's price."""
        wanted = {CART_NAMES[name]: value for name, value in body.model_dump(exclude_none=True).items()}
        return carts.change(engine, desk_of(engine, who), item_id, wanted)

    @operation("DELETE", "/cart/items/{item_id}/", "remove_from_cart")
    def remove_item(item_id: str, who: Signed) -> dict[str, Any]:
        """Take a line out."""
        return carts.remove(engine, desk_of(engine, who), item_id)

    @operation("PUT", "/cart/promo/", "set_promo")
    def set_promo(body: Promo, who: Signed) -> dict[str, Any]:
        """Use a code, or none."""
        return carts.set_promo(engine, desk_of(engine, who), body.code or None)

    @operation("POST", "/checkout/proposals/", "propose_checkout")
    def propose(who: Signed) -> dict[str, Any]:
        """The total to show: frozen terms with a `proposal_id` that is good until `expires_at`. Nothing is held yet."""
        return bookings.propose_checkout(engine, desk_of(engine, who))

    @operation("POST", "/checkout/confirm/", "confirm_checkout")
    def confirm_checkout(body: Checkout, who: Signed) -> dict[str, Any]:
        """The person's yes to the total they saw: every place is held or none. A second yes gives the first result."""
        actor = desk_of(engine, who)
        contact = who_travels(body.contact)
        if contact is not None:
            bookings.save_details(engine, actor, contact)
        done = bookings.commit_checkout(engine, actor, body.proposal_id, requests=body.requests, method=body.payment_method)
        with engine.db.read() as tx:
            terms = bookings.find_proposal(tx, actor, body.proposal_id).terms
        return ordered(engine, {**done, **{name: terms[name] for name in ("cart_id", "lines", "totals")}})

    @operation("GET", "/bookings/{booking_id}/", "get_booking")
    def get_booking(booking_id: str, who: Signed) -> dict[str, Any]:
        """One booking of yours by id or reference, with its price lines, conditions, names and what happened to it."""
        with engine.db.read() as tx:
            row = cancellations.find(tx, who.actor(), booking_id)
            (facts,) = bookings.with_payment(tx, [row])
            events = [
                {"event": one.event, "from": one.from_status, "to": one.to_status, "by": one.actor_role, "at": one.at.isoformat()}
                for one in bookings.events_of(tx, row.id)
            ]
        return {
            **facts, "product": row.product_id, "option": row.option_id, "price_lines": row.price_lines, "policy": row.policy,
            "travelers": row.contact.get("travelers", []), "events": events,
        }  # fmt: skip

    @operation("POST", "/bookings/{booking_id}/cancellation/", "propose_cancellation")
    def propose_cancellation(booking_id: str, who: Signed) -> dict[str, Any]:
        """What cancelling would give back, with the `proposal_id` to confirm. Changes nothing."""
        return cancellations.propose(engine, desk_of(engine, who), booking_id)

    @operation("POST", "/cancellations/confirm/", "confirm_cancellation")
    def confirm_cancellation(body: Agreed, who: Signed) -> dict[str, Any]:
        """The person's yes to the refund they saw."""
        return cancellations.commit(engine, desk_of(engine, who), body.proposal_id)

    @operation("POST", "/bookings/{booking_id}/change/", "propose_change")
    def propose_change(booking_id: str, body: CartChange, who: Signed) -> dict[str, Any]:
        """What another day, time or party would mean, with the `proposal_id` to confirm. Changes nothing."""
        return changes.propose(
            engine, desk_of(engine, who), booking_id, local_date=body.date, end_date=body.end_date, local_start=body.start_time,
            units=None if body.units is None else {kind.upper(): count for kind, count in body.units.items() if count}, quantity=body.quantity,
        )  # fmt: skip

    @operation("POST", "/changes/confirm/", "confirm_change")
    def confirm_change(body: Agreed, who: Signed) -> dict[str, Any]:
        """The person's yes to the difference they saw; more to pay is paid before the change counts."""
        return changes.commit(engine, desk_of(engine, who), body.proposal_id)

    @operation("GET", "/conversation/messages/", "read_conversation")
    def read_conversation(
        who: Signed, after: Annotated[int, Query(ge=0, le=MOST_SEQ)] = 0, limit: Annotated[int, Query(ge=1, le=200)] = 50
    ) -> dict[str, Any]:
        """The lines after a number, the oldest first, and who answers now (bot, human or hold); `next` is the number to go on from."""
        actor = desk_of(engine, who)
        with engine.db.read() as tx:
            rows = conversations.log_after(tx, actor.conversation_id, after, limit=limit)
            controller = tx.execute(select(conversation.c.controller).where(conversation.c.id == actor.conversation_id)).scalar_one()
        lines = [{"seq": row.seq, "role": row.role, "kind": row.kind, "at": row.created_at.isoformat(), **row.data} for row in rows]
        return {
            "conversation": actor.conversation_id,
            "controller": controller,
            "messages": lines,
            "next": rows[-1].seq if len(rows) == limit else None,
        }

    @operation("POST", "/conversation/messages/", "say")
    def say(body: Said, who: Signed) -> dict[str, Any]:
        """Say something; the answer comes as further lines. An exact yes to the one total on the table confirms it, as in the chat."""
        return {"seq": inbox.say(engine, desk_of(engine, who), body.id, body.text)}

    @operation("POST", "/conversation/person/", "ask_for_person")
    def ask_for_person(body: Person, who: Signed) -> dict[str, Any]:
        """Ask for a person, or with `want` false go back to the assistant."""
        actor = desk_of(engine, who)
        return handoff.ask_for_person(engine, actor, "asked_for_human") if body.want else handoff.leave_person(engine, actor)

    return api


CART_NAMES = {"date": "local_date", "end_date": "end_date", "start_time": "local_start", "units": "units", "quantity": "quantity"}


def _product(listed: Listing) -> dict[str, Any]:
    one = listed.product
    return {
        "product": listed.id, "title": one.title, "kind": one.kind, "summary": one.summary, "description": one.description, "tags": one.tags,
        "provider": listed.provider.id, "city": listed.destination.id, "time_zone": one.time_zone, "currency": one.currency,
        "booking_type": one.booking_type, "from_amount": one.from_amount, "max_party": one.max_party, "lead_hours": one.lead_hours,
        "pay_at_provider": one.pay_at_provider, "cancellation": [dict(tier) for tier in listed.tiers],
        "options": [
            {
                "option": option.id, "title": option.title, "starts": [start.at for start in option.starts], "per": option.plan.per,
                "amount": option.plan.amount,
                "units": [{"type": unit.type, "min_age": unit.min_age, "max_age": unit.max_age} for unit in option.units],
            }
            for option in listed.options
        ],
    }  # fmt: skip
