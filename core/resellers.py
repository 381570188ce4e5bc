"""Resellers of the trade: they hold places under a uuid of their own, then confirm or let go, and settle by invoice.

What they book is an ordinary booking on the ordinary slots, so nothing is sold twice; only no money of it passes here
(docs/decisions/010). The uuid they choose is the key that makes a repeat harmless.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from core import audit, availability, bookings, cancellations, carts, conversations, holds, notices, people
from core.availability import Ask
from core.catalogue import Listing, listing, listings
from core.db import fingerprint, upsert
from core.engine import Actor, Engine, new_id
from core.errors import Expired, Invalid, NotFound, Refused, SoldOut, WrongState
from core.redact import plain
from core.schema import account, booking, booking_event, product, provider, reseller_booking, session
from core.states import move_booking, record

CHANNEL = "octo"
KIND = "reseller"
SHORTEST, USUAL, LONGEST = 1, 30, 120  # minutes of a hold
MOST_HELD = 500  # unconfirmed bookings of one reseller
FULL = 10_000  # bps
INVOICE = ("date", "reference", "reseller_reference", "provider", "title", "guest", "currency", "amount", "tax", "fee")
MONEY = ("amount", "tax", "fee")


@dataclass(frozen=True, slots=True)
class Reseller:
    """Who a token stands for; `actor` writes in the conversation its bookings are kept in."""

    account_id: str
    name: str
    actor: Actor


@dataclass(frozen=True, slots=True)
class Item:
    """One unit of a booking: the reseller's uuid for it, the kind of person, and what they said of them."""

    uuid: str
    unit: str
    reference: str = ""
    contact: Mapping[str, Any] | None = None

    def as_json(self) -> dict[str, Any]:
        return {"uuid": self.uuid, "unit": self.unit, "reference": self.reference, "contact": dict(self.contact or {})}


@dataclass(frozen=True, slots=True)
class Sold:
    """A reseller's booking: ours, and what they said about it."""

    booking: Row[Any]
    told: Row[Any]
    status: str
    redeemed_at: datetime | None
    cancelled_at: datetime | None
    reason: str


# ── tokens ────────────────────────────────────────────────────────────────────────────────────────


def give(engine: Engine, account_id: str, *, name: str = "") -> str:
    """Make an account a reseller and return a token for it, shown once and good for a year. Raises NotFound, Invalid without a name."""
    now = engine.clock()
    named = " ".join(plain(name).split())[:120]
    with engine.db.write() as tx:
        row = tx.execute(select(account).where(account.c.id == account_id).with_for_update()).one_or_none()
        if row is None:
            raise NotFound(f"There is no account {account_id!r}.")
        if not (named or row.display_name):
            raise Invalid("name", "A reseller needs a name that providers read: --name.")
        if named:
            tx.execute(update(account).where(account.c.id == account_id).values(display_name=named))
        people.grant(tx, account_id, KIND)
        home = conversations.begin(tx, account_id, now, channel=CHANNEL, locale=row.locale)
        audit.record(tx, Actor("", role="operator", channel="cli"), "give_reseller", f"account:{account_id}", {}, now)
        return people.open_session(tx, account_id, KIND, now, conversation_id=home)


def take_back(engine: Engine, account_id: str) -> int:
    """From now on no token of this reseller opens anything; returns how many did."""
    now = engine.clock()
    mine = (session.c.account_id == account_id, session.c.kind == KIND, session.c.revoked_at.is_(None))
    with engine.db.write() as tx:
        audit.record(tx, Actor("", role="operator", channel="cli"), "take_back_reseller", f"account:{account_id}", {}, now)
        return tx.execute(update(session).where(*mine).values(revoked_at=now)).rowcount


def find(engine: Engine, token: str) -> Reseller | None:
    """The reseller behind a token; None where it is unknown, over, taken back, or the account is no reseller any more."""
    with engine.db.read() as tx:
        person = people.who(tx, token, KIND, engine.clock())
    if person is None or not person.has(KIND):
        return None
    home = person.conversation_id or ""
    return Reseller(person.account_id, person.display_name, Actor(person.account_id, conversation_id=home, channel=CHANNEL))


# ── what may be sold ──────────────────────────────────────────────────────────────────────────────


def may_sell(listed: Listing) -> bool:
    """Priced and booked at once, by the day or by a start; stays, requests and quotes are not in OCTO's words."""
    one = listed.product
    fits = one.published and one.booking_type == "INSTANT" and not listed.is_stay and not one.pay_at_provider
    return bool(fits and listed.options and all(option.plan.model != "QUOTE" for option in listed.options))


def on_sale(engine: Engine) -> list[Listing]:
    """Everything resellers may sell, by id."""
    where = (product.c.published, product.c.booking_type == "INSTANT", product.c.kind != "stay", ~product.c.pay_at_provider)
    with engine.db.read() as tx:
        ids = tx.execute(select(product.c.id).where(*where).order_by(product.c.id)).scalars().all()
        return [one for one in listings(tx, ids).values() if may_sell(one)]


def sellable(tx: Connection, product_id: str) -> Listing:
    """Raises NotFound for what resellers cannot sell."""
    listed = listing(tx, product_id)
    if not may_sell(listed):
        raise NotFound(f"There is no product {product_id!r}.", product_id=product_id)
    return listed


def free_hours(tiers: Sequence[Mapping[str, int]]) -> int | None:
    """Until how many hours before the start everything comes back; None where it never does."""
    return min((tier["hours"] for tier in tiers if tier["refund_bps"] >= FULL), default=None)


# ── the life of a booking ─────────────────────────────────────────────────────────────────────────


def reserve(
    engine: Engine, who: Reseller, uuid: str, ask: Ask, items: Sequence[Item], *, minutes: int = USUAL, notes: str = "", reference: str = ""
) -> Sold:
    """Hold the places for a while. The same uuid with the same terms gives the first booking again, with others it is refused.

    Raises NotFound, Invalid, Refused (too late, closed), SoldOut.
    """
    now = engine.clock()
    ends = now + timedelta(minutes=max(SHORTEST, min(minutes, LONGEST)))
    with engine.db.write() as tx:
        terms = {**carts.terms_of(ask), "units": dict(Counter(item.unit for item in items))}
        booking_id = new_id()
        values = {
            "account_id": who.account_id, "uuid": uuid, "booking_id": booking_id, "digest": fingerprint(terms), "guest": {},
            "reference": plain(reference)[:120], "unit_items": [item.as_json() for item in items], "notes": plain(notes)[:1000],
            "updated_at": now,
        }  # fmt: skip
        made = tx.execute(upsert(tx)(reseller_booking).values(values).on_conflict_do_nothing().returning(reseller_booking.c.uuid))
        if made.first() is None:
            first = get(tx, who, uuid, now)
            if first.told.digest != fingerprint(terms):
                raise Refused("This uuid was used before for another booking; take a new one.", uuid=uuid)
            return first
        _ensure_room(tx, who)
        _hold(tx, engine, who, ask, items, ends, now, booking_id=booking_id, notes=notes)
        return get(tx, who, uuid, now)


def _ensure_room(tx: Connection, who: Reseller) -> None:
    mine = (booking.c.account_id == who.account_id, booking.c.status == "ON_HOLD")
    if len(tx.execute(select(booking.c.id).where(*mine).limit(MOST_HELD)).all()) >= MOST_HELD:
        raise Refused(f"{MOST_HELD} bookings are held and not confirmed; confirm or cancel some first.")


def _hold(
    tx: Connection,
    engine: Engine,
    who: Reseller,
    ask: Ask,
    items: Sequence[Item],
    ends: datetime,
    now: datetime,
    *,
    booking_id: str,
    notes: str = "",
    before: Row[Any] | None = None,
) -> None:
    """Price the line, write the booking (or put it in the place of `before`) and take its places."""
    ask = Ask(ask.product_id, ask.option_id, ask.local_date, None, ask.local_start, dict(Counter(item.unit for item in items)))
    listed = sellable(tx, ask.product_id)
    option = listed.option(ask.option_id)
    holds.stand_still(tx, [option.id])
    listed = sellable(tx, ask.product_id)  # as it stands while nobody changes it
    option = listed.option(ask.option_id)
    _ensure_known(option, items)
    availability.check(listed, option, ask, now, engine.rules)
    basket = carts.order_cart(tx, engine, who.actor, [ask], now)
    (line,) = carts.items(tx, basket.id)
    owner = tx.execute(select(account).where(account.c.id == who.account_id)).one()
    values = bookings.booking_values(tx, engine, who.actor, listed, line, owner, basket.id, now, plain(notes))
    values |= {"id": booking_id, "invoiced_to": who.account_id, "pay_by": ends}
    values["contact"] = {"name": who.name, "email": "", "requests": plain(notes)[:1000]}  # the guest is written to by who sold it
    if before is None:
        tx.execute(insert(booking).values(values))
    else:
        kept = {"id", "reference", "created_at", "contact"}
        changed = {name: value for name, value in values.items() if name not in kept}
        tx.execute(update(booking).where(booking.c.id == booking_id).values(**changed, version=booking.c.version + 1))
    try:
        holds.take(tx, {booking_id: availability.wants(listed, option, ask)}, expires_at=ends, now=now)
    except SoldOut as error:
        raise SoldOut("These places are sold.", product_id=listed.id, option_id=option.id) from error
    record(tx, booking_id, "reserve" if before is None else "change", "" if before is None else "ON_HOLD", "ON_HOLD", who.actor, now)


def _ensure_known(option: Any, items: Sequence[Item]) -> None:
    if not items:
        raise Invalid("unitItems", "At least one unit has to be booked.")
    for item in items:
        if option.unit(item.unit) is None:
            raise NotFound(f"There is no unit {item.unit!r}.", unit_id=item.unit)


def get(tx: Connection, who: Reseller, uuid: str, now: datetime) -> Sold:
    """Raises NotFound, also for another reseller's."""
    told = tx.execute(
        select(reseller_booking).where(reseller_booking.c.account_id == who.account_id, reseller_booking.c.uuid == uuid)
    ).one_or_none()
    if told is None:
        raise NotFound("There is no such booking.", uuid=uuid)
    row = tx.execute(select(booking).where(booking.c.id == told.booking_id)).one()
    return _sold(tx, row, told, now)


def _sold(tx: Connection, row: Row[Any], told: Row[Any], now: datetime) -> Sold:
    late = row.status == "ON_HOLD" and row.pay_by is not None and row.pay_by <= now  # over, whether or not the sweep has said so
    moments: dict[str, Any] = {}
    if row.status in ("REDEEMED", "CANCELLED"):
        ends = tx.execute(select(booking_event).where(booking_event.c.booking_id == row.id).order_by(booking_event.c.id)).all()
        moments = {one.to_status: one for one in ends}
    redeemed, cancelled = moments.get("REDEEMED"), moments.get("CANCELLED")
    return Sold(
        row,
        told,
        "EXPIRED" if late else row.status,
        redeemed.at if redeemed else None,
        cancelled.at if cancelled else None,
        cancelled.reason if cancelled else "",
    )


def listed_of(
    engine: Engine,
    who: Reseller,
    *,
    reference: str = "",
    ours: str = "",
    first: date | None = None,
    last: date | None = None,
    product_id: str = "",
    option_id: str = "",
    limit: int = 200,
) -> list[Sold]:
    """The reseller's bookings that fit, the newest first, at most `limit`."""
    both = reseller_booking.join(booking, booking.c.id == reseller_booking.c.booking_id)
    where = [reseller_booking.c.account_id == who.account_id]
    for value, column in (
        (reference, reseller_booking.c.reference), (ours, booking.c.reference), (product_id, booking.c.product_id), (option_id, booking.c.option_id),
    ):  # fmt: skip
        if value:
            where.append(column == value)
    if first is not None:
        where.append(booking.c.local_date >= first)
    if last is not None:
        where.append(booking.c.local_date <= last)
    now = engine.clock()
    with engine.db.read() as tx:
        query = select(reseller_booking.c.uuid).select_from(both).where(*where)
        found = tx.execute(query.order_by(booking.c.created_at.desc(), booking.c.id).limit(limit)).scalars().all()
        return [get(tx, who, uuid, now) for uuid in found]


def _locked(tx: Connection, who: Reseller, uuid: str, now: datetime) -> Sold:
    found = get(tx, who, uuid, now)
    row = tx.execute(select(booking).where(booking.c.id == found.booking.id).with_for_update()).one()
    return _sold(tx, row, found.told, now)


def _held(found: Sold) -> Sold:
    if found.status == "EXPIRED":
        raise Expired("The hold on these places ran out.", uuid=found.told.uuid)
    if found.status != "ON_HOLD":
        raise WrongState(f"This booking is {found.status}.", uuid=found.told.uuid)
    return found


def extend(engine: Engine, who: Reseller, uuid: str, *, minutes: int = USUAL) -> Sold:
    """Hold the places for so many minutes from now; a later end stays. Raises NotFound, Expired, WrongState."""
    now = engine.clock()
    until = now + timedelta(minutes=max(SHORTEST, min(minutes, LONGEST)))
    with engine.db.write() as tx:
        found = _held(_locked(tx, who, uuid, now))
        until = max(until, found.booking.pay_by)
        if holds.extend(tx, [found.booking.id], until, now) == 0:
            raise Expired("The hold on these places ran out.", uuid=uuid)
        tx.execute(update(booking).where(booking.c.id == found.booking.id).values(pay_by=until))
        return _touched(tx, who, uuid, now)


def _touched(tx: Connection, who: Reseller, uuid: str, now: datetime, **values: Any) -> Sold:
    mine = (reseller_booking.c.account_id == who.account_id, reseller_booking.c.uuid == uuid)
    tx.execute(update(reseller_booking).where(*mine).values(updated_at=now, **values))
    return get(tx, who, uuid, now)


def change(
    engine: Engine,
    who: Reseller,
    uuid: str,
    *,
    ask: Ask | None = None,
    items: Sequence[Item] | None = None,
    minutes: int | None = None,
    notes: str | None = None,
    reference: str | None = None,
    guest: Mapping[str, Any] | None = None,
) -> Sold:
    """Other words at any time before it is over; another day, option or party only while it is held, all or nothing.

    `ask` names product, option, day and start (None: as before); unit items that are left out are removed. Raises NotFound,
    Invalid, Refused, SoldOut, Expired, WrongState.
    """
    now = engine.clock()
    with engine.db.write() as tx:
        found = _locked(tx, who, uuid, now)
        if found.status not in ("ON_HOLD", "CONFIRMED"):
            raise WrongState(f"This booking is {found.status}.", uuid=uuid)
        words = _words(notes, reference, guest)
        if ask is not None or items is not None:
            words |= _other_terms(tx, engine, who, found, ask, items, minutes, notes, now)
        elif minutes is not None and found.status == "ON_HOLD":
            until = max(found.booking.pay_by, now + timedelta(minutes=max(SHORTEST, min(minutes, LONGEST))))
            holds.extend(tx, [found.booking.id], until, now)
            tx.execute(update(booking).where(booking.c.id == found.booking.id).values(pay_by=until))
        _name_guest(tx, who, found.booking.id, words, now)
        return _touched(tx, who, uuid, now, **words)


def _words(notes: str | None, reference: str | None, guest: Mapping[str, Any] | None) -> dict[str, Any]:
    said: dict[str, Any] = {}
    if notes is not None:
        said["notes"] = plain(notes)[:1000]
    if reference is not None:
        said["reference"] = plain(reference)[:120]
    if guest is not None:
        said["guest"] = dict(guest)
    return said


def _other_terms(
    tx: Connection,
    engine: Engine,
    who: Reseller,
    found: Sold,
    ask: Ask | None,
    items: Sequence[Item] | None,
    minutes: int | None,
    notes: str | None,
    now: datetime,
) -> dict[str, Any]:
    row = found.booking
    same = Ask(row.product_id, row.option_id, row.local_date, None, row.local_start)
    wanted = same if ask is None else ask
    people_now = (
        items if items is not None else [Item(one["uuid"], one["unit"], one["reference"], one["contact"]) for one in found.told.unit_items]
    )
    named = {"unit_items": [item.as_json() for item in people_now]}
    if wanted == same and Counter(item.unit for item in people_now) == Counter(one["unit"] for one in found.told.unit_items):
        return named
    if found.status == "CONFIRMED":
        raise WrongState("A confirmed booking keeps its day and party; cancel it and book again.", uuid=found.told.uuid)
    ends = row.pay_by if minutes is None else now + timedelta(minutes=max(SHORTEST, min(minutes, LONGEST)))
    holds.release(tx, [row.id])
    told = found.told.notes if notes is None else notes
    _hold(tx, engine, who, wanted, people_now, ends, now, booking_id=row.id, notes=told, before=row)
    return named


def _name_guest(tx: Connection, who: Reseller, booking_id: str, words: Mapping[str, Any], now: datetime) -> None:
    """The provider's list shows who comes: the guest, or the reseller while nobody is named."""
    row = tx.execute(select(booking.c.contact).where(booking.c.id == booking_id)).one()
    contact = dict(row.contact)
    if "guest" in words:
        contact["name"] = guest_name(words["guest"]) or who.name
    if "notes" in words:
        contact["requests"] = words["notes"]
    tx.execute(update(booking).where(booking.c.id == booking_id).values(contact=contact))


def guest_name(guest: Mapping[str, Any]) -> str:
    whole = guest.get("fullName") or " ".join(filter(None, (guest.get("firstName"), guest.get("lastName"))))
    return " ".join(plain(str(whole or "")).split())[:120]


def confirm(
    engine: Engine, who: Reseller, uuid: str, guest: Mapping[str, Any], *, items: Sequence[Item] | None = None, reference: str | None = None
) -> Sold:
    """Sell the held places; the reseller owes the price by invoice. A second time changes nothing.

    Raises Invalid without a name, NotFound, Expired, WrongState, and what `change` raises for another party.
    """
    now = engine.clock()
    with engine.db.write() as tx:
        found = _locked(tx, who, uuid, now)
        if found.status in ("CONFIRMED", "REDEEMED"):
            return found
        _held(found)
        if not guest_name(guest):
            raise Invalid("contact", "The guest's name is needed: fullName, or firstName and lastName.")
        words = _words(None, reference, guest)
        if items is not None:
            words |= _other_terms(tx, engine, who, found, None, items, None, None, now)
        _name_guest(tx, who, found.booking.id, words, now)
        row = tx.execute(select(booking).where(booking.c.id == found.booking.id)).one()
        bookings.confirm(tx, row, now, event="pay")
        sold = tx.execute(select(booking).where(booking.c.id == row.id)).one()
        owner = tx.execute(select(provider).where(provider.c.id == row.provider_id)).one()
        name = f"{sold.contact['name']} (sold by {who.name}, who settles by invoice)"
        facts = {**bookings.facts_of(sold), "traveler": name, "requests": sold.contact["requests"]}
        notices.tell_provider(tx, owner, "booking_received", facts, now, key=f"booked:{sold.id}")
        return _touched(tx, who, uuid, now, **words)


def cancellable(found: Sold, now: datetime) -> bool:
    """A hold can be let go while it lasts; a sale can be taken back while the policy gives everything back."""
    if found.status == "ON_HOLD":
        return True
    row = found.booking
    full = cancellations.refund_bps(row.policy, row.starts_at, row.time_zone, now) >= FULL
    return bool(found.status == "CONFIRMED" and full and row.starts_at > now)


def cancel(engine: Engine, who: Reseller, uuid: str, *, reason: str = "") -> Sold:
    """Give the places back. A second time changes nothing. Raises NotFound, Expired, Refused after the cutoff, WrongState."""
    now = engine.clock()
    with engine.db.write() as tx:
        found = _locked(tx, who, uuid, now)
        if found.status == "CANCELLED":
            return found
        said = plain(reason)[:300] or "cancelled by the reseller"
        if found.status == "ON_HOLD":
            holds.release(tx, [found.booking.id])
            move_booking(tx, found.booking, "cancel", who.actor, now, reason=said, pay_by=None)
        elif cancellable(found, now):
            cancellations.end(tx, found.booking, who.actor, 0, said, now, said=said)
        elif found.status == "CONFIRMED":
            raise Refused("It is too late to cancel this booking.", uuid=uuid)
        else:
            raise WrongState(f"This booking is {found.status}.", uuid=uuid)
        return _touched(tx, who, uuid, now)


# ── the invoice ───────────────────────────────────────────────────────────────────────────────────


def to_invoice(tx: Connection, account_id: str, first: date, last: date) -> list[dict[str, Any]]:
    """What was delivered or is owed between two travel days, both included: amounts, taxes and our fee in minor units."""
    where = (booking.c.invoiced_to == account_id, booking.c.status.in_(("CONFIRMED", "REDEEMED")))
    both = booking.join(reseller_booking, reseller_booking.c.booking_id == booking.c.id).join(
        provider, provider.c.id == booking.c.provider_id
    )
    rows = tx.execute(
        select(booking, reseller_booking.c.reference.label("theirs"), provider.c.name.label("provider"))
        .select_from(both)
        .where(*where, booking.c.local_date >= first, booking.c.local_date <= last)
        .order_by(booking.c.local_date, booking.c.reference)
    ).all()
    return [
        {
            "date": row.local_date.isoformat(), "reference": row.reference, "reseller_reference": row.theirs, "provider": row.provider,
            "title": row.title, "guest": row.contact.get("name", ""), "currency": row.currency, "amount": row.amount,
            "tax": row.tax_amount, "fee": row.fee_amount,
        }
        for row in rows
    ]  # fmt: skip
