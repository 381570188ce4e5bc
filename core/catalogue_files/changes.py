"""What changes about things on sale, row by row: worked out while the house is open, so that applying it takes a moment.

Each `catalogue_change` holds some rows of one table to delete, insert or update (then only the columns that differ), new
search texts, or new entries, as JSON.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import Any

from sqlalchemy import Connection, Date, Table, bindparam, case, delete, insert, or_, select, update

from core import schema, search
from core.catalogue_files.rows import ORDER, SOURCE, Row, Rows
from core.db import bulk_insert, upsert
from core.schema import catalogue_change, catalogue_entry, product

KEPT = {schema.destination, schema.cancellation_policy, schema.provider, schema.resource, product, schema.option}
"""Tables whose rows a booking may need: an import changes them and never deletes them."""
PLACES = {schema.resource, schema.option, schema.availability_rule, schema.availability_exception}
PLACE_COLUMNS = {"availability_mode", "accepting", "published"}
RATING = ("rating_tenths", "rating_count", "rating_source")

Batches = dict[tuple[str, str], list[Row]]  # (table or "text" or "entry", delete | insert | update | put) -> rows
Existing = dict[Table, dict[str, Row]]


def existing(tx: Connection, kind: str, ids: Sequence[str], made: Rows) -> Existing:
    """The rows there are of some records and of everything below them."""
    found: Existing = {}
    match kind:
        case "product":
            _add(tx, found, product, product.c.id.in_(ids))
            _add(tx, found, schema.option, schema.option.c.product_id.in_(ids))
            options = [*found[schema.option]]
            own = [*{*options, *(row["id"] for row in made.tables.get(schema.resource, ()))}]
            _add(tx, found, schema.resource, schema.resource.c.id.in_(own))
            _add_places(tx, found, own)
            for table in (schema.unit, schema.rate_plan, schema.restriction):
                _add(tx, found, table, table.c.option_id.in_(options))
            _add(tx, found, schema.rate, schema.rate.c.rate_plan_id.in_([*found[schema.rate_plan]]))
            _add_scoped(tx, found, "PRODUCT", ids)
        case "provider":
            _add(tx, found, schema.provider, schema.provider.c.id.in_(ids))
            _add_scoped(tx, found, "PROVIDER", ids)
        case "resource":
            _add(tx, found, schema.resource, schema.resource.c.id.in_(ids))
            _add_places(tx, found, ids)
        case "fee_rule":
            rule = schema.fee_rule.c
            same = [
                (rule.party == row["party"]) & (rule.scope == row["scope"]) & (rule.scope_id == row["scope_id"])
                for row in made.tables[schema.fee_rule]
            ]
            _add(tx, found, schema.fee_rule, or_(rule.id.in_(ids), *same))
        case "destination":
            _add(tx, found, schema.destination, schema.destination.c.id.in_(ids))
        case _:
            _add(tx, found, schema.cancellation_policy, schema.cancellation_policy.c.id.in_(ids))
    return found


def _add(tx: Connection, found: Existing, table: Table, where: Any) -> None:
    rows = found.setdefault(table, {})
    for row in tx.execute(select(table).where(where)).all():
        rows[row.id] = dict(row._mapping)


def _add_scoped(tx: Connection, found: Existing, scope: str, ids: Sequence[str]) -> None:
    """Adjustments, and the exceptions that files gave; what a provider entered is not the file's."""
    one, other = schema.price_adjustment, schema.availability_exception
    _add(tx, found, one, (one.c.scope == scope) & one.c.scope_id.in_(ids))
    _add(tx, found, other, (other.c.scope == scope) & other.c.scope_id.in_(ids) & (other.c.source == SOURCE))


def _add_places(tx: Connection, found: Existing, resource_ids: Sequence[str]) -> None:
    rule = schema.availability_rule
    _add(tx, found, rule, rule.c.resource_id.in_(resource_ids))
    _add_scoped(tx, found, "RESOURCE", resource_ids)


def differences(before: Existing, made: Rows) -> Batches:
    """What to do so that the rows there are become the rows that were made."""
    batches: Batches = defaultdict(list)
    for table in ORDER:
        rows = {row["id"]: row for row in made.tables.get(table, ())}
        old = before.get(table, {})
        if table not in KEPT:
            batches[table.name, "delete"] += [{"id": key} for key in old if key not in rows]
        for key, row in rows.items():
            if key not in old:
                batches[table.name, "insert"].append(row)
            elif changed := {name: value for name, value in row.items() if old[key][name] != value}:
                batches[table.name, "update"].append({"id": key, **changed})
    return {key: rows for key, rows in batches.items() if rows}


def touches_places(batches: Batches) -> bool:
    """Whether capacities may have changed."""
    return any(
        name in {table.name for table in PLACES} or (name in ("product", "provider") and any(PLACE_COLUMNS & set(row) for row in rows))
        for (name, _), rows in batches.items()
    )


def save(tx: Connection, load_id: str, number: int, batches: Batches) -> int:
    """Keep batches until the switch-over; returns the next free number."""
    rows = [
        {"load_id": load_id, "number": number + at, "subject": subject, "act": act, "rows": json.dumps(of_one, default=_iso)}
        for at, ((subject, act), of_one) in enumerate(batches.items())
    ]
    if rows:
        tx.execute(insert(catalogue_change), rows)
    return number + len(rows)


def _iso(value: Any) -> str:
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{value!r} does not belong into a catalogue row")


def apply(tx: Connection, load_id: str) -> None:
    """Everything that was kept, in an order in which no reference dangles."""
    for table in reversed(ORDER):
        for rows in _kept(tx, load_id, table.name, "delete"):
            for at in range(0, len(rows), 500):
                tx.execute(delete(table).where(table.c.id.in_([row["id"] for row in rows[at : at + 500]])))
    for table in ORDER:
        days = [column.name for column in table.c if isinstance(column.type, Date)]
        for act in ("insert", "update"):
            for rows in _kept(tx, load_id, table.name, act):
                for row in rows:
                    for name in days:
                        if row.get(name) is not None:
                            row[name] = date.fromisoformat(row[name])
                for alike in groups(rows):
                    if act == "insert":
                        bulk_insert(tx, table, alike)
                    else:
                        _update(tx, table, alike)
    for rows in _kept(tx, load_id, "text", "put"):
        search.index(tx, rows)
    for rows in _kept(tx, load_id, "entry", "put"):
        put_entries(tx, rows)


def _kept(tx: Connection, load_id: str, subject: str, act: str) -> Iterator[list[Row]]:
    change, after = catalogue_change.c, -1
    query = select(change.number, change.rows).where(change.load_id == load_id, change.subject == subject, change.act == act)
    while True:
        found = tx.execute(query.where(change.number > after).order_by(change.number).limit(20)).all()
        if not found:
            return
        for row in found:
            yield json.loads(row.rows)
        after = found[-1].number


def _update(tx: Connection, table: Table, rows: Sequence[Row]) -> None:
    values: dict[str, Any] = {name: bindparam(f"new_{name}") for name in rows[0] if name != "id"}
    if table is product:  # what travelers wrote outlives what a file says
        for name in RATING:
            if name in values:
                values[name] = case(
                    (product.c.rating_source == "reviews", product.c[name]), else_=bindparam(f"new_{name}", type_=product.c[name].type)
                )
    statement = update(table).where(table.c.id == bindparam("key")).values(values)
    tx.execute(statement, [{"key" if name == "id" else f"new_{name}": value for name, value in row.items()} for row in rows])


def groups(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Rows with the same columns, because one statement takes no others."""
    alike: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        alike.setdefault(tuple(row), []).append(row)
    yield from alike.values()


def put_entries(tx: Connection, entries: Sequence[Row]) -> None:
    """Remember what was taken in, by its digest."""
    statement = upsert(tx)(catalogue_entry)
    new = {name: statement.excluded[name] for name in ("digest", "text_digest", "load_id")}
    tx.execute(statement.on_conflict_do_update(index_elements=["kind", "id"], set_=new), list(entries))
