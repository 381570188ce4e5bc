"""What a provider lists by themselves: written as a catalogue file's record, looked at, put on sale, changed, taken off.

A listing's record goes through the importer's own checks and rows, so a form and a file can never disagree. What is sold
keeps what it was sold at: bookings carry their own price and terms, and a change of a listing touches neither.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from core import audit, availability, notices, prices, schema, signups, slots
from core.catalogue import listings as listed
from core.catalogue_files import Problem, as_if, check_records, import_records, product_record
from core.db import announce
from core.engine import Actor, Engine, new_id
from core.errors import AlreadyDecided, Busy, Invalid, NotAllowed, NotFound, Refused, WrongState
from core.redact import plain
from core.schema import listing, provider
from core.staff import ensure_owner

WATCHED = ("title", "summary", "description", "tags", "kind", "destination", "meeting_point", "picture", "external_url")
"""What travelers read and see: a change of it is looked at again. Prices, places and terms are the provider's own business."""
OWN = ("rating", "rating_count", "rating_source", "published", "accepting", "id", "provider", "type")
"""What no provider says about a listing of theirs."""
MOST = 200  # listings of one provider
LONGEST = 100_000  # characters of a record


def source_of(listing_id: str) -> str:
    """A listing is a set of files by itself, so that taking one in withdraws no other."""
    return f"listing:{listing_id}"


def create(engine: Engine, actor: Actor, provider_id: str, *, title: str, kind: str, destination: str) -> str:
    """A draft with sensible beginnings for its kind. Returns its id. Raises Invalid, NotFound, NotAllowed, Refused."""
    now, name = engine.clock(), plain(title).strip()
    if not name:
        raise Invalid("title", "Please give it a name.")
    if kind not in STARTS:
        raise Invalid("kind", "Please choose what it is.")
    listing_id = f"{signups.slug(name, 35)}-{new_id()[:5]}"
    option: dict[str, Any] = {"id": "standard", "title": "Standard", **STARTS[kind]["option"]}
    record = {
        "type": "product",
        "id": listing_id,
        "provider": provider_id,
        "destination": destination,
        "kind": kind,
        "title": name[:200],
        "booking_type": "INSTANT",
        "availability_mode": STARTS[kind]["mode"],
        "options": [option],
    }
    with engine.db.write() as tx:
        ensure_owner(tx, actor, provider_id)
        city = schema.destination.c.id
        if tx.execute(select(city).where(city == destination)).first() is None:
            raise Invalid("destination", "Please choose a city of the list.")
        if len(tx.execute(select(listing.c.id).where(listing.c.provider_id == provider_id).limit(MOST)).all()) >= MOST:
            raise Refused(f"A provider has {MOST} listings at most.")
        row = {"id": listing_id, "provider_id": provider_id, "state": "draft", "record": record, "created_at": now, "updated_at": now}
        tx.execute(insert(listing).values(row))
        audit.record(tx, actor, "create_listing", f"product:{listing_id}", {"title": name[:200]}, now)
    return listing_id


STARTS: dict[str, dict[str, Any]] = {
    "activity": {"mode": "INVENTORY", "option": {"counts": "PAX", "per": "PERSON"}},
    "dining": {"mode": "INVENTORY", "option": {"counts": "PAX", "per": "PERSON"}},
    "guide": {"mode": "CALENDAR", "option": {"counts": "BOOKING", "per": "BOOKING"}},
    "transport": {"mode": "CALENDAR", "option": {"counts": "BOOKING", "per": "BOOKING"}},
    "stay": {"mode": "CALENDAR", "option": {"counts": "ROOM", "per": "NIGHT"}},
}


def _get(tx: Connection, actor: Actor, listing_id: str, *, lock: bool = False) -> Row[Any]:
    query = select(listing).where(listing.c.id == listing_id)
    row = tx.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None or (actor.role != "operator" and row.provider_id not in actor.provider_ids):
        raise NotFound("There is no such listing of yours.")
    ensure_owner(tx, actor, row.provider_id)
    return row


def find(engine: Engine, actor: Actor, listing_id: str) -> dict[str, Any]:
    """A listing with `record` as it is to be edited: what waits, or what is on sale now with what the calendar changed. Raises NotFound."""
    with engine.db.read() as tx:
        return _as_dict(tx, _get(tx, actor, listing_id))


def _as_dict(tx: Connection, row: Row[Any]) -> dict[str, Any]:
    record = row.record
    if row.state in ("live", "off"):
        now_on = product_record(tx, row.id)
        record = {"type": "product", **now_on} if now_on else record
    product = tx.execute(select(schema.product.c.published, schema.product.c.accepting).where(schema.product.c.id == row.id)).one_or_none()
    return {
        **row._mapping,
        "record": record,
        "on_sale": bool(product and product.published),
        "accepting": bool(product and product.accepting),
        "provider_state": signups.state_of(tx, row.provider_id),
        "provider_name": tx.execute(select(provider.c.name).where(provider.c.id == row.provider_id)).scalar_one(),
        "currency": record.get("currency") or tx.execute(select(provider.c.currency).where(provider.c.id == row.provider_id)).scalar_one(),
    }


def of(engine: Engine, provider_ids: Sequence[str] | None) -> list[dict[str, Any]]:
    """All listings of these providers (None: of everybody), the newest change first."""
    query = select(listing).order_by(listing.c.updated_at.desc(), listing.c.id).limit(MOST)
    with engine.db.read() as tx:
        return [
            _as_dict(tx, row) for row in tx.execute(query if provider_ids is None else query.where(listing.c.provider_id.in_(provider_ids)))
        ]


def waiting(engine: Engine) -> list[dict[str, Any]]:
    """What waits for an operator's look, the longest first."""
    with engine.db.read() as tx:
        rows = tx.execute(
            select(listing).where(listing.c.state == "submitted").order_by(listing.c.submitted_at, listing.c.id).limit(100)
        ).all()
        return [_as_dict(tx, row) for row in rows]


def problems(engine: Engine, record: Mapping[str, Any]) -> tuple[Problem, ...]:
    """What the importer says about it, each with its field; nothing when it could go on sale."""
    return check_records(engine.db, [record], source=source_of(str(record["id"]))).problems


def save(engine: Engine, actor: Actor, listing_id: str, given: Mapping[str, Any]) -> tuple[Problem, ...]:
    """Keep what was written, right or wrong, so that nothing is lost; returns what is wrong with it. What is on sale stays as it is.

    Raises NotFound, NotAllowed, Invalid for something too long.
    """
    now = engine.clock()
    with engine.db.write() as tx:
        row = _get(tx, actor, listing_id, lock=True)
        kept = {name: value for name, value in _as_dict(tx, row)["record"].items() if name in OWN}
        record = {**{name: value for name, value in given.items() if name not in OWN}, **kept}
        if len(repr(record)) > LONGEST:
            raise Invalid("description", "That is too much text for a listing.")
        values = {"record": record, "state": "draft", "version": row.version + 1, "updated_at": now}
        tx.execute(update(listing).where(listing.c.id == listing_id).values(values))
    return problems(engine, record)


def drop_changes(engine: Engine, actor: Actor, listing_id: str) -> None:
    """Throw away what was written since it went on sale. Raises Refused for what never was on sale."""
    now = engine.clock()
    with engine.db.write() as tx:
        row = _get(tx, actor, listing_id, lock=True)
        if row.live is None:
            raise Refused("This listing was never on sale, so there is nothing to go back to.")
        state = "live" if _as_dict(tx, row)["on_sale"] else "off"
        values = {"state": state, "record": row.live, "said": "", "version": row.version + 1, "updated_at": now}
        tx.execute(update(listing).where(listing.c.id == listing_id).values(values))


def seen(record: Mapping[str, Any] | None) -> dict[str, Any]:
    """What a look is about."""
    told = {name: (record or {}).get(name) or None for name in WATCHED}
    return {**told, "options": [(one.get("id"), one.get("title")) for one in (record or {}).get("options", ())]}


def submit(engine: Engine, actor: Actor, listing_id: str) -> str:
    """Ask for the look; where only prices, places and terms of something looked at before have changed, it is on sale at once.

    Returns the new state: submitted or live. Raises NotFound, WrongState, Refused before the mail address is confirmed, Busy,
    Invalid with `problems` (field -> what was expected).
    """
    now = engine.clock()
    with engine.db.read() as tx:
        row = _get(tx, actor, listing_id)
        known = signups.state_of(tx, row.provider_id)
    if row.state not in ("draft", "returned"):
        raise WrongState("There is nothing new to put on sale here.", status=row.state)
    if known in ("new", "refused"):
        raise Refused("Your business cannot sell here yet.")
    _ensure_right(problems(engine, row.record))
    if row.live is not None and seen(row.record) == seen(row.live) and known == "approved":
        _put_on_sale(engine, actor, row, "change_listing")
        return "live"
    with engine.db.write() as tx:
        done = tx.execute(
            update(listing)
            .where(listing.c.id == listing_id, listing.c.version == row.version)
            .values(state="submitted", submitted_at=now, updated_at=now, said="")
        )
        if not done.rowcount:
            raise Busy("Somebody else changed this listing just now. Please look at it again.")
        audit.record(tx, actor, "submit_listing", f"product:{listing_id}", {"version": row.version}, now)
        announce(tx, "provider", row.provider_id)
    return "submitted"


def _ensure_right(found: Sequence[Problem]) -> None:
    if found:
        faults = {one.field: f"Expected {one.expected}." for one in found}
        raise Invalid(found[0].field, "Some fields are not right yet.", problems=faults)


def approve(engine: Engine, actor: Actor, listing_id: str, version: int) -> None:
    """An operator puts the version they looked at on sale, and the provider is told. May be repeated after a crash.

    Raises NotAllowed, NotFound, AlreadyDecided where it was changed or decided since, Refused for a provider nobody looked at,
    Invalid with `problems` where it does not fit any more, Busy.
    """
    row = _looked_at(engine, actor, listing_id, version)
    with engine.db.read() as tx:
        if signups.state_of(tx, row.provider_id) != "approved":
            raise Refused("Decide about the provider first.")
    _put_on_sale(engine, actor, row, "publish_listing")


def send_back(engine: Engine, actor: Actor, listing_id: str, version: int, said: str) -> None:
    """The look found something: the provider reads these words. What is on sale stays. Raises as `approve`, and Invalid for no words."""
    now, words = engine.clock(), plain(said).strip()[:1000]
    if not words:
        raise Invalid("said", "Please say what should be different; the provider reads it.")
    row = _looked_at(engine, actor, listing_id, version)
    with engine.db.write() as tx:
        same = (listing.c.id == listing_id) & (listing.c.version == version) & (listing.c.state == "submitted")
        if not tx.execute(
            update(listing).where(same).values(state="returned", said=words, decided_by=actor.account_id, updated_at=now)
        ).rowcount:
            raise AlreadyDecided("This listing was changed or decided since you opened it.", status=row.state, by="")
        audit.record(tx, actor, "send_back_listing", f"product:{listing_id}", {"said": words}, now)
        _tell(tx, row, "listing_returned", {"text": words}, now)


def _looked_at(engine: Engine, actor: Actor, listing_id: str, version: int) -> Row[Any]:
    if actor.role != "operator":
        raise NotAllowed("Only operators look at listings.")
    with engine.db.read() as tx:
        row = _get(tx, actor, listing_id)
    if row.state != "submitted" or row.version != version:
        raise AlreadyDecided("This listing was changed or decided since you opened it.", status=row.state, by=row.decided_by or "")
    return row


def _put_on_sale(engine: Engine, actor: Actor, row: Row[Any], verb: str) -> None:
    """The import comes first, so a crash after it leaves a listing that can be decided again, with the same result."""
    now = engine.clock()
    report = import_records(engine.db, [{**row.record, "published": True}], now, source=source_of(row.id))
    _ensure_right(report.problems)
    with engine.db.write() as tx:
        values = {"live": row.record, "said": "", "decided_by": actor.account_id}
        tx.execute(update(listing).where(listing.c.id == row.id).values(values))
        tx.execute(update(listing).where(listing.c.id == row.id, listing.c.version == row.version).values(state="live", updated_at=now))
        audit.record(tx, actor, verb, f"product:{row.id}", {"version": row.version}, now)
        if verb == "publish_listing":
            _tell(tx, row, "listing_published", {}, now)
        announce(tx, "provider", row.provider_id)


def _tell(tx: Connection, row: Row[Any], notice: str, facts: Mapping[str, Any], now: datetime) -> None:
    owner = tx.execute(select(provider).where(provider.c.id == row.provider_id)).one()
    told = {"title": str(row.record.get("title", "")), "listing_id": row.id, **facts}
    notices.tell_provider(tx, owner, notice, told, now, key=f"{notice}:{row.id}:{row.version}")


def show(engine: Engine, actor: Actor, listing_id: str, on: bool) -> None:
    """Take it out of the search, or back in as it was last. Bookings stay. Raises NotFound, Refused for what never was on sale, Busy."""
    now = engine.clock()
    with engine.db.write() as tx:
        row = _get(tx, actor, listing_id, lock=True)
        if row.live is None:
            raise Refused("This listing was never on sale.")
        tx.execute(update(schema.product).where(schema.product.c.id == listing_id).values(published=on))
        resources = tx.execute(select(schema.option.c.resource_id).where(schema.option.c.product_id == listing_id)).scalars()
        slots.fit(tx, set(resources), now.date())
        if row.state in ("live", "off"):
            tx.execute(update(listing).where(listing.c.id == listing_id).values(state="live" if on else "off", updated_at=now))
        audit.record(tx, actor, "show_listing" if on else "hide_listing", f"product:{listing_id}", {}, now)
        announce(tx, "provider", row.provider_id)


def preview(engine: Engine, actor: Actor, listing_id: str) -> dict[str, Any]:
    """What a traveler would see and pay, and how it is split: {"listing": Listing, "samples": as core.prices}. Nothing is changed.

    Raises NotFound, Invalid with `problems` where it is not complete.
    """
    with engine.db.read() as tx:
        one = _as_dict(tx, _get(tx, actor, listing_id))
    record = {**one["record"], "published": True}
    _ensure_right(problems(engine, record))
    now = engine.clock()
    with as_if(engine.db, record, now) as tx:
        found = listed(tx, [listing_id])[listing_id]
        options = []
        for option in found.options:
            priced = option.plan.amount is not None
            today = now.astimezone(availability.zone(found)).date()
            shown = prices.samples(tx, engine.rules, found, option.id, today) if priced else []
            options.append({"title": option.title, "option": option, "samples": shown})
        return {"listing": found, "options": options, "currency": found.product.currency}
