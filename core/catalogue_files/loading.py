"""Taking a checked catalogue in while the house stays open.

New products are written unpublished, in many short transactions that bookings slip between; what changes about things
already on sale is worked out row by row and waits as a `catalogue_change`. One last transaction publishes, changes and withdraws everything together,
so travelers see the catalogue before or after an import and never half of it. A run that dies leaves a load in state
`staging`, which nobody sees and the next import removes.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, Table, and_, delete, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from core import schema, search, slots, spelling
from core.catalogue_files import changes
from core.catalogue_files import rows as shapes
from core.catalogue_files.checking import STAGED, Known, known
from core.catalogue_files.records import Destination, FeeRule, Policy, Product, Provider, Resource
from core.catalogue_files.report import Problems, Progress
from core.catalogue_files.spool import Spool, Spooled
from core.db import Database, bulk_insert
from core.engine import new_id
from core.errors import Busy
from core.schema import catalogue_change, catalogue_entry, catalogue_load, product
from core.slots import Overfull

ADVISORY_KEY = 7_246_115  # unlike the keys of core/migrate.py and core/db.py
BEFORE_PRODUCTS = ("destination", "policy", "provider", "resource")
KINDS = (*BEFORE_PRODUCTS, "product", "fee_rule")
TABLES: dict[str, Table] = {
    "destination": schema.destination,
    "policy": schema.cancellation_policy,
    "provider": schema.provider,
    "resource": schema.resource,
    "product": product,
    "fee_rule": schema.fee_rule,
}
YEARLY = re.compile(r'"(from|to)":"\d\d-\d\d"|"restrictions"')


@dataclass(slots=True)
class Tally:
    created: dict[str, int] = field(default_factory=dict)
    changed: dict[str, int] = field(default_factory=dict)
    unchanged: int = 0
    unpublished: int = 0


class SlotConflict(Exception):
    """New capacities that what is sold already does not fit into."""

    def __init__(self, conflicts: Sequence[Overfull]) -> None:
        super().__init__(f"{len(conflicts)} slots")
        self.conflicts = conflicts


@contextmanager
def alone(db: Database) -> Iterator[None]:
    """One import at a time; the lock goes with the process. Raises Busy."""
    busy = "Another catalogue import is running. Please wait for it to end."
    if db.dialect == "sqlite":
        handle = os.open(f"{db.url.database}.import.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise Busy(busy) from error
            yield
        finally:
            os.close(handle)
        return
    with db.autocommit() as connection:
        if not connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": ADVISORY_KEY}).scalar_one():
            raise Busy(busy)
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": ADVISORY_KEY})


def load(db: Database, spool: Spool, problems: Problems, *, source: str, now: datetime, chunk: int, progress: Progress) -> Tally:
    """Take everything in, or nothing where a new capacity does not fit what is sold (then `problems` names the slots)."""
    clean_leftovers(db, now, chunk)
    load_id = new_id()[:16]
    with db.write() as tx:
        tx.execute(insert(catalogue_load).values(id=load_id, source=source, state="staging", started_at=now))
    tally = Tally()
    with known(spool, None) as world:
        staging = _Staging(db, spool, world, load_id, source, now, tally)
        total = sum(spool.count(kind) for kind in KINDS)
        done, look_again = 0, 2_000
        for kind in KINDS:
            for records in spool.chunks(kind, chunk):
                staging.stage(kind, records)
                done += len(records)
                progress("loading", done, total)
                if done >= look_again:
                    _count_rows(db)
                    look_again *= 4
    gone = list(_vanished(db, spool, source))
    progress("publishing", 0, None)
    try:
        with db.write() as tx:
            _switch(tx, load_id, source, gone, staging.touched, now, tally)
    except SlotConflict as error:
        for conflict in error.conflicts:
            _say(conflict, spool, problems)
        clean_leftovers(db, now, chunk)
        return tally
    with db.write() as tx:  # a booking that began before the switch may have opened a slot at the old capacity
        slots.fit(tx, staging.touched, now.date())
        tx.execute(delete(catalogue_change).where(catalogue_change.c.load_id == load_id))
    spelling.learn(db)
    if total >= 2_000:
        _count_rows(db)
    progress("publishing", total, total)
    return tally


def _count_rows(db: Database) -> None:
    """PostgreSQL plans by what it last counted: a table it thinks is empty it reads from end to end, thousands of times."""
    if db.dialect == "postgresql":
        names = ", ".join(f'"{table.name}"' for table in (*shapes.ORDER, catalogue_entry))
        with db.write() as tx:
            tx.execute(text(f"ANALYZE {names}, product_text"))


def _say(conflict: Overfull, spool: Spool, problems: Problems) -> None:
    at = f"{conflict.local_date} {conflict.local_start}".strip()
    expected = f"{conflict.sold} places or more in the slot {conflict.resource_id} {at}, because {conflict.sold} are held or sold"
    one = spool.get("resource", conflict.resource_id) or spool.get("product", conflict.product_id)
    if one is None:
        problems.add("", 0, "capacity", expected, conflict.capacity)
        return
    path = ""
    if one.kind == "product":
        record = Product.model_validate_json(one.body)
        path = next((f"options[{at}]." for at, option in enumerate(record.options) if record.gid(option) == conflict.option_id), "")
    problems.add(*one.place(f"{path}capacity"), expected, conflict.capacity)


class _Staging:
    """Writes chunks: what is new in place but out of sight, what changes about the rest as rows that wait."""

    def __init__(self, db: Database, spool: Spool, world: Known, load_id: str, source: str, now: datetime, tally: Tally) -> None:
        self._db, self._spool, self._world, self._load, self._now, self._tally = db, spool, world, load_id, now, tally
        self.source = source
        self._changes = 0
        self.touched: set[str] = set()  # resources whose capacity may change

    def stage(self, kind: str, records: Sequence[Spooled]) -> None:
        ids = [one.id for one in records]
        with self._db.read() as tx:
            self._world.tx = tx
            table = TABLES[kind]
            entry = catalogue_entry.c
            known_as = {e.id: e for e in tx.execute(select(catalogue_entry).where(entry.kind == kind, entry.id.in_(ids))).all()}
            there = set(tx.execute(select(table.c.id).where(table.c.id.in_(ids))).scalars())
            fresh: list[tuple[Spooled, str]] = []
            changed: list[tuple[Spooled, str]] = []
            for one in records:
                digest = self._digest(one)
                if one.id not in there:
                    self._tally.created[kind] = self._tally.created.get(kind, 0) + 1
                elif one.id in known_as and known_as[one.id].digest == digest:
                    self._tally.unchanged += 1
                    continue
                else:
                    self._tally.changed[kind] = self._tally.changed.get(kind, 0) + 1
                # a fee rule counts at once, so even a new one waits for the switch-over
                (changed if one.id in there or kind == "fee_rule" else fresh).append((one, digest))
            new, batches = self._new(kind, fresh), self._changed(tx, kind, changed, known_as)
        self._world.tx = None
        if fresh or batches:
            with self._db.write() as tx:
                insert_rows(tx, new.rows)
                search.index(tx, new.texts, live=False)
                if fresh:
                    changes.put_entries(tx, self._entries(kind, fresh, new))
                self._changes = changes.save(tx, self._load, self._changes, batches)

    def _digest(self, one: Spooled) -> str:
        """Of all that decides a record's rows, so that the same digest means the same rows."""
        facts = [one.body, str(self._now.year) if YEARLY.search(one.body) else ""]
        if one.kind == "product":
            record = Product.model_validate_json(one.body)
            facts += [repr(self._world.provider(record.provider)), repr(self._world.city(record.destination))]
        return _short("\n".join(facts))

    def _new(self, kind: str, records: Sequence[tuple[Spooled, str]]) -> Made:
        made = self._made(kind, records)
        marker = f"{STAGED}{self._load}"
        for row in made.rows.tables.get(product, ()):
            row["loaded_by"] = marker if row["published"] else f"{marker}-"
            row["published"] = False
        for row in made.rows.tables.get(schema.provider, ()):
            row["created_at"] = self._now
        return made

    def _changed(self, tx: Connection, kind: str, records: Sequence[tuple[Spooled, str]], known_as: Mapping[str, Any]) -> changes.Batches:
        if not records:
            return {}
        made = self._made(kind, records)
        batches = changes.differences(changes.existing(tx, kind, [one.id for one, _ in records], made.rows), made.rows)
        if changes.touches_places(batches):
            self._touch(tx, kind, [one.id for one, _ in records], made)
        texts = [text for text in made.texts if known_as.get(text["product_id"], _NO_ENTRY).text_digest != _text_digest(text)]
        if texts:
            batches["text", "put"] = list(texts)
        batches["entry", "put"] = self._entries(kind, records, made)
        return batches

    def _touch(self, tx: Connection, kind: str, ids: Sequence[str], made: Made) -> None:
        if kind == "provider":
            self.touched.update(tx.execute(select(schema.resource.c.id).where(schema.resource.c.provider_id.in_(ids))).scalars())
        elif kind == "resource":
            self.touched.update(ids)
        else:
            self.touched.update(row["resource_id"] for row in made.rows.tables.get(schema.option, ()))

    def _made(self, kind: str, records: Sequence[tuple[Spooled, str]]) -> Made:
        made = Made()
        for one, _ in records:
            make(kind, one.body, self._world, self._now, made)
        for row in made.rows.tables.get(product, ()):
            row["loaded_by"] = self.source
        return made

    def _entries(self, kind: str, records: Sequence[tuple[Spooled, str]], made: Made) -> list[dict[str, Any]]:
        texts = {text["product_id"]: _text_digest(text) for text in made.texts}
        return [
            {"kind": kind, "id": one.id, "digest": digest, "text_digest": texts.get(one.id, ""), "load_id": self._load}
            for one, digest in records
        ]


class _NoEntry:
    text_digest = None


_NO_ENTRY = _NoEntry()


def _short(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _text_digest(text: Mapping[str, str]) -> str:
    return _short("\n".join(text.values()))


@dataclass(slots=True)
class Made:
    """The rows of some records, and what the search index reads of them."""

    rows: shapes.Rows = field(default_factory=shapes.Rows)
    texts: list[dict[str, str]] = field(default_factory=list)


def make(kind: str, body: str, world: Known, now: datetime, made: Made) -> None:
    """Add the rows of one record."""
    year = now.year
    match kind:
        case "destination":
            made.rows.add(schema.destination, [shapes.destination_row(Destination.model_validate_json(body))])
        case "policy":
            made.rows.add(schema.cancellation_policy, [shapes.policy_row(Policy.model_validate_json(body))])
        case "provider":
            provider = Provider.model_validate_json(body)
            made.rows.add(schema.provider, [shapes.provider_row(provider)])
            made.rows.join(shapes.provider_parts(provider, year))
        case "resource":
            resource = Resource.model_validate_json(body)
            made.rows.add(schema.resource, [shapes.resource_row(resource)])
            made.rows.join(shapes.resource_parts(resource, resource.id, year))
        case "fee_rule":
            made.rows.add(schema.fee_rule, [shapes.fee_row(FeeRule.model_validate_json(body))])
        case _:
            record = Product.model_validate_json(body)
            owner, city = world.provider(record.provider), world.city(record.destination)
            if owner is None or city is None:
                raise Busy(f"{record.id} refers to something that was removed during the import. Please import again.")
            currency = record.currency or owner.currency
            zone = record.time_zone or city.time_zone
            row = shapes.product_row(record, currency=currency, zone=zone, of_provider=owner.adjustments)
            made.rows.add(product, [{**row, "published": record.published}])
            made.rows.add(schema.resource, shapes.own_resource_rows(record))
            made.rows.add(schema.option, shapes.option_rows(record))
            made.rows.join(shapes.product_parts(record, currency, year))
            made.texts.append(shapes.text_of(record, city=city.name, provider=owner.name))


def insert_rows(tx: Connection, made: shapes.Rows) -> None:
    for table in shapes.ORDER:
        for alike in changes.groups(made.tables.get(table, ())):
            bulk_insert(tx, table, alike)


def forget_entries(db: Database, records: Sequence[tuple[str, str]]) -> None:
    """So that the next import compares these (kind, id) with their rows and not with what was taken in last."""
    entry = catalogue_entry.c
    with db.write() as tx:
        for kind, key in records:
            tx.execute(delete(catalogue_entry).where(entry.kind == kind, entry.id == key))


def apply_at_once(tx: Connection, spool: Spool, product_id: str, now: datetime) -> None:
    """A product's rows in the caller's transaction, with none of an import's care: for looking at what would be, then undone."""
    one = spool.get("product", product_id)
    if one is None:
        raise Busy(f"{product_id} cannot be shown before it is complete.")
    made = Made()
    make("product", one.body, Known(spool, tx), now, made)
    there = tx.execute(select(product.c.id).where(product.c.id == product_id)).one_or_none()
    if there is None:
        insert_rows(tx, made.rows)
        return
    for (name, act), rows in changes.differences(changes.existing(tx, "product", [product_id], made.rows), made.rows).items():
        table = schema.metadata.tables[name]
        for row in rows:
            if act == "insert":
                tx.execute(insert(table).values(row))
            elif act == "update":
                tx.execute(update(table).where(table.c.id == row["id"]).values({key: value for key, value in row.items() if key != "id"}))
            else:
                tx.execute(delete(table).where(table.c.id == row["id"]))


# the switch-over


def _vanished(db: Database, spool: Spool, source: str) -> Iterator[str]:
    """Products this source brought once and does not name any more."""
    after = ""
    while True:
        query = select(product.c.id).where(product.c.loaded_by == source, product.c.id > after).order_by(product.c.id).limit(2000)
        with db.read() as tx:
            ids = list(tx.execute(query).scalars())
        if not ids:
            return
        after = ids[-1]
        yield from (key for key in ids if not spool.has("product", key))


def _switch(tx: Connection, load_id: str, source: str, gone: Sequence[str], touched: set[str], now: datetime, tally: Tally) -> None:
    """Everything at once. Raises SlotConflict."""
    changes.apply(tx, load_id)
    marker = f"{STAGED}{load_id}"
    tx.execute(update(product).where(product.c.loaded_by == marker).values(published=True, loaded_by=source))
    tx.execute(update(product).where(product.c.loaded_by == f"{marker}-").values(loaded_by=source))
    search.reveal(tx)
    for at in range(0, len(gone), 500):
        some = gone[at : at + 500]
        tally.unpublished += tx.execute(update(product).where(product.c.id.in_(some), product.c.published).values(published=False)).rowcount
        tx.execute(delete(catalogue_entry).where(catalogue_entry.c.kind == "product", catalogue_entry.c.id.in_(some)))
        search.forget(tx, some)
    overfull = slots.fit(tx, touched, now.date())
    if overfull:
        raise SlotConflict(overfull)
    tx.execute(update(catalogue_load).where(catalogue_load.c.id == load_id).values(state="live", finished_at=now))


# what a run that died left behind


def _delete_below_options(tx: Connection, option_ids: Sequence[str]) -> None:
    plan = schema.rate_plan
    tx.execute(delete(schema.rate).where(schema.rate.c.rate_plan_id.in_(select(plan.c.id).where(plan.c.option_id.in_(option_ids)))))
    for table in (plan, schema.unit, schema.restriction):
        tx.execute(delete(table).where(table.c.option_id.in_(option_ids)))


def _delete_scoped(tx: Connection, scope: str, ids: Sequence[str]) -> None:
    """Adjustments, and the exceptions that files gave; what a provider entered stays."""
    one, other = schema.price_adjustment, schema.availability_exception
    tx.execute(delete(one).where(one.c.scope == scope, one.c.scope_id.in_(ids)))
    tx.execute(delete(other).where(other.c.scope == scope, other.c.scope_id.in_(ids), other.c.source == shapes.SOURCE))


def _delete_places(tx: Connection, resource_ids: Sequence[str]) -> None:
    rule = schema.availability_rule
    tx.execute(delete(rule).where(rule.c.resource_id.in_(resource_ids)))
    _delete_scoped(tx, "RESOURCE", resource_ids)


def clean_leftovers(db: Database, now: datetime, chunk: int = 500) -> int:
    """Remove every load that never became live; returns how many products that took away. Nobody ever saw them."""
    with db.read() as tx:
        stale = list(tx.execute(select(catalogue_load.c.id).where(catalogue_load.c.state == "staging")).scalars())
    removed = 0
    for load_id in stale:
        marks = (f"{STAGED}{load_id}", f"{STAGED}{load_id}-")
        removed += _repeat(db, partial(_drop_products, marks=marks, chunk=chunk))
        for kind in ("product", "resource", "provider", "policy", "destination"):
            _repeat(db, partial(_drop_entries, kind=kind, load_id=load_id, chunk=chunk))
        with db.write() as tx:
            tx.execute(delete(catalogue_change).where(catalogue_change.c.load_id == load_id))
            tx.execute(update(catalogue_load).where(catalogue_load.c.id == load_id).values(state="dropped", finished_at=now))
    return removed


def _repeat(db: Database, step: Callable[[Connection], int]) -> int:
    """Short transactions until there is nothing left to do."""
    total = 0
    while True:
        with db.write() as tx:
            done = step(tx)
        total += done
        if not done:
            return total


def _drop_products(tx: Connection, marks: Sequence[str], chunk: int) -> int:
    ids = list(tx.execute(select(product.c.id).where(product.c.loaded_by.in_(marks)).limit(chunk)).scalars())
    if not ids:
        return 0
    options = list(tx.execute(select(schema.option.c.id).where(schema.option.c.product_id.in_(ids))).scalars())
    search.forget(tx, ids)
    _delete_below_options(tx, options)
    _delete_scoped(tx, "PRODUCT", ids)
    tx.execute(delete(schema.option).where(schema.option.c.id.in_(options)))
    _delete_places(tx, options)
    tx.execute(delete(schema.resource).where(schema.resource.c.id.in_(options)))
    tx.execute(delete(catalogue_entry).where(catalogue_entry.c.kind == "product", catalogue_entry.c.id.in_(ids)))
    tx.execute(delete(product).where(product.c.id.in_(ids)))
    return len(ids)


def _drop_entries(tx: Connection, kind: str, load_id: str, chunk: int) -> int:
    mine = and_(catalogue_entry.c.load_id == load_id, catalogue_entry.c.kind == kind)
    ids = list(tx.execute(select(catalogue_entry.c.id).where(mine).limit(chunk)).scalars())
    for key in ids if kind in BEFORE_PRODUCTS else ():
        try:
            with tx.begin_nested():
                if kind == "provider":
                    _delete_scoped(tx, "PROVIDER", [key])
                if kind == "resource":
                    _delete_places(tx, [key])
                tx.execute(delete(TABLES[kind]).where(TABLES[kind].c.id == key))
        except IntegrityError:  # somebody has begun to use it, so it stays
            continue
    tx.execute(delete(catalogue_entry).where(mine, catalogue_entry.c.id.in_(ids)))
    return len(ids)
