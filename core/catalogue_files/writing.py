"""The catalogue on sale, written as the files it could have come from: JSON Lines or a folder of CSV files."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Connection, Select, Table, and_, exists, or_, select

from core import schema
from core.catalogue_files import rows as shapes
from core.catalogue_files.checking import STAGED
from core.catalogue_files.reading import BASES, columns
from core.catalogue_files.records import TYPES
from core.catalogue_files.report import Progress
from core.db import Database
from core.schema import catalogue_entry, catalogue_load, product

Format = Literal["jsonl", "csv"]
CHUNK = 400


def records(db: Database) -> Iterator[tuple[str, dict[str, Any]]]:
    """(type, record as written) of everything on sale and of drafts, in an order in which it can be read back."""
    with db.read() as tx:
        for row in _all(tx, schema.destination, _not_staged("destination", schema.destination)):
            value = dict(row._mapping)
            yield "destination", _canonical("destination", shapes.bare(value))
        for row in _all(tx, schema.cancellation_policy, _not_staged("policy", schema.cancellation_policy)):
            tiers = [f"{t['hours']}h:{shapes.share(t['refund_bps'])}%" for t in row.tiers]
            yield "policy", _canonical("policy", {"id": row.id, "name": row.name, "tiers": tiers})
        for chunk in _chunks(tx, schema.provider, _not_staged("provider", schema.provider)):
            ids = [row.id for row in chunk]
            adjustments, closings = _adjustments(tx, "PROVIDER", ids), _closings(tx, "PROVIDER", ids)
            for row in chunk:
                yield "provider", _canonical("provider", shapes.provider_back(row, adjustments[row.id], closings[row.id]))
        option = schema.option
        shared = and_(_not_staged("resource", schema.resource), ~exists(select(1).where(option.c.id == schema.resource.c.id)))
        for chunk in _chunks(tx, schema.resource, shared):
            ids = [row.id for row in chunk]
            rules, closings = _by(tx, schema.availability_rule, "resource_id", ids), _closings(tx, "RESOURCE", ids)
            for row in chunk:
                value = {"id": row.id, "provider": row.provider_id, "name": row.name, "capacity": row.capacity}
                parts = {"rules": shapes.rules_back(rules[row.id]), "exceptions": shapes.closings_back(closings[row.id])}
                yield "resource", _canonical("resource", shapes.bare({**value, **parts}))
        yield from products(tx)
        for row in _all(tx, schema.fee_rule, None):
            value = {
                "id": row.id,
                "party": row.party,
                "scope": row.scope,
                "of": row.scope_id,
                "percent": shapes.share(row.bps),
                "amount_minor": row.amount,
                "min_minor": row.min_amount,
                "max_minor": row.max_amount,
            }
            yield "fee_rule", _canonical("fee_rule", shapes.bare(value))


def products(tx: Connection, only: Any = None) -> Iterator[tuple[str, dict[str, Any]]]:
    """("product", record) of what is on sale and of drafts, or of those that `only` (a condition on product) names."""
    providers = {row.id: row for row in _all(tx, schema.provider, None)}
    destinations = {row.id: row for row in _all(tx, schema.destination, None)}
    entry = exists(select(1).where(catalogue_entry.c.kind == "product", catalogue_entry.c.id == product.c.id))
    wanted = or_(product.c.published, entry) if only is None else only
    for chunk in _chunks(tx, product, and_(wanted, ~product.c.loaded_by.startswith(STAGED))):
        ids = [row.id for row in chunk]
        options = _by(tx, schema.option, "product_id", ids, schema.option.c.position)
        option_ids = [row.id for of_product in options.values() for row in of_product]
        resource_ids = {row.resource_id for of_product in options.values() for row in of_product}
        resources = {row.id: row for row in tx.execute(select(schema.resource).where(schema.resource.c.id.in_(resource_ids)))}
        plans = {row.option_id: row for row in tx.execute(select(schema.rate_plan).where(schema.rate_plan.c.option_id.in_(option_ids)))}
        rates = _by(tx, schema.rate, "rate_plan_id", [plan.id for plan in plans.values()])
        units, restrictions = _by(tx, schema.unit, "option_id", option_ids), _by(tx, schema.restriction, "option_id", option_ids)
        rules, closed = _by(tx, schema.availability_rule, "resource_id", option_ids), _closings(tx, "RESOURCE", option_ids)
        adjustments, closings = _adjustments(tx, "PRODUCT", ids), _closings(tx, "PRODUCT", ids)
        for row in chunk:
            made = [
                shapes.option_back(
                    one,
                    resource=resources[one.resource_id],
                    plan=plans[one.id],
                    rates=rates[plans[one.id].id],
                    units=units[one.id],
                    restrictions=restrictions[one.id],
                    rules=rules[one.id],
                    closings=closed[one.id],
                )
                for one in options[row.id]
                if one.id in plans
            ]
            if made:
                value = shapes.product_back(
                    row, providers[row.provider_id], destinations[row.destination_id], made, adjustments[row.id], closings[row.id]
                )
                yield "product", _canonical("product", value)


def export(db: Database, out: Path, form: Format, progress: Progress) -> dict[str, int]:
    """Write everything to a .jsonl file or a folder of .csv files. Returns how many records of each type."""
    counts: dict[str, int] = {}
    with ExitStack() as stack:
        if form == "jsonl":
            out.parent.mkdir(parents=True, exist_ok=True)
            file = stack.enter_context(out.open("w", encoding="utf-8"))
        else:
            sheets = _Sheets(out, stack)
        for at, (kind, record) in enumerate(records(db), 1):
            counts[kind] = counts.get(kind, 0) + 1
            if form == "jsonl":
                file.write(json.dumps({"type": kind, **record}, ensure_ascii=False) + "\n")
            else:
                sheets.write(kind, record)
            if at % 1000 == 0:
                progress("writing", at, None)
    return counts


class _Sheets:
    """One CSV file a type, opened when its first row comes."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._stack = folder, stack
        self._open: dict[str, tuple[Any, list[str]]] = {}
        self._names = {kind: name for name, kind in BASES.items()}

    def write(self, kind: str, record: dict[str, Any]) -> None:
        self._row(self._names[kind], record)
        key = record["id"]
        match kind:
            case "provider":
                self._parts(record, "provider", key, "adjustments", "exceptions")
            case "resource":
                self._parts(record, "resource", key, "rules", "exceptions")
            case "product":
                for option in record["options"]:
                    gid = f"{key}.{option.get('id', 'standard')}"
                    self._row("options", {"product": key, **option})
                    self._parts(option, "option", gid, "units", "rates", "restrictions")
                    self._parts(option, "resource", gid, "rules", "exceptions")
                self._parts(record, "product", key, "adjustments", "exceptions")

    def _parts(self, record: dict[str, Any], owner: str, key: str, *names: str) -> None:
        for name in names:
            for part in record.get(name, ()):
                self._row(name, {owner: key, **part})

    def _row(self, name: str, values: dict[str, Any]) -> None:
        if name not in self._open:
            names = columns(name)
            file = self._stack.enter_context((self._folder / f"{name}.csv").open("w", encoding="utf-8", newline=""))
            sheet = csv.DictWriter(file, names, lineterminator="\n")
            sheet.writeheader()
            self._open[name] = (sheet, names)
        sheet, names = self._open[name]
        sheet.writerow({column: _cell(values[column]) for column in names if column in values})


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "|".join(value) if isinstance(value, list) else str(value)


def _canonical(kind: str, value: dict[str, Any]) -> dict[str, Any]:
    return TYPES[kind].model_validate(value).written()


def _not_staged(kind: str, table: Table) -> Any:
    """What an import in progress (or one that died) has put in is not there yet."""
    query = select(1).join(catalogue_load, catalogue_load.c.id == catalogue_entry.c.load_id)
    return ~exists(query.where(catalogue_entry.c.kind == kind, catalogue_entry.c.id == table.c.id, catalogue_load.c.state == "staging"))


def _chunks(tx: Connection, table: Table, where: Any) -> Iterator[Sequence[Any]]:
    after = ""
    while True:
        query: Select[Any] = select(table).where(table.c.id > after).order_by(table.c.id).limit(CHUNK)
        chunk = tx.execute(query if where is None else query.where(where)).all()
        if not chunk:
            return
        after = chunk[-1].id
        yield chunk


def _all(tx: Connection, table: Table, where: Any) -> Iterator[Any]:
    for chunk in _chunks(tx, table, where):
        yield from chunk


def _by(tx: Connection, table: Table, column: str, ids: Sequence[str], order: Any = None) -> dict[str, list[Any]]:
    grouped: dict[str, list[Any]] = defaultdict(list)
    query = select(table).where(table.c[column].in_(ids)).order_by(*([order] if order is not None else []), table.c.id)
    for row in tx.execute(query) if ids else ():
        grouped[getattr(row, column)].append(row)
    return grouped


def _adjustments(tx: Connection, scope: str, ids: Sequence[str]) -> dict[str, list[Any]]:
    table = schema.price_adjustment
    grouped: dict[str, list[Any]] = defaultdict(list)
    for row in tx.execute(select(table).where(table.c.scope == scope, table.c.scope_id.in_(ids)).order_by(table.c.id)):
        grouped[row.scope_id].append(row)
    return grouped


def _closings(tx: Connection, scope: str, ids: Sequence[str]) -> dict[str, list[Any]]:
    """Those that files gave; what a provider entered is the day's business and no part of the catalogue."""
    table = schema.availability_exception
    grouped: dict[str, list[Any]] = defaultdict(list)
    query = select(table).where(table.c.scope == scope, table.c.scope_id.in_(ids), table.c.source == shapes.SOURCE).order_by(table.c.id)
    for row in tx.execute(query):
        grouped[row.scope_id].append(row)
    return grouped
