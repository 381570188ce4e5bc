"""A listing's form and the record a catalogue file would hold: field names are the importer's own paths, so its words land at the field."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic_core import PydanticCustomError

from core.catalogue_files.notation import DAYS, EVERY_DAY, read_weekdays

TOP = (
    "title", "summary", "description", "tags", "kind", "destination", "meeting_point", "booking_type", "availability_mode", "policy",
    "lead_hours", "duration_minutes", "min_party", "max_party", "min_age", "pay_at_provider", "deposit_percent", "deposit", "balance_days",
    "picture",
)  # fmt: skip
OPTION = ("id", "title", "counts", "per", "price", "capacity", "starts", "max_pax_each", "min_nights", "max_nights")
PARTS: dict[str, tuple[str, ...]] = {
    "units": ("type", "min_age", "max_age", "percent", "amount", "pax_count"),
    "rates": ("name", "from", "to", "weekdays", "amount", "percent", "layer", "priority"),
    "rules": ("weekdays", "start", "from", "to", "capacity"),
}
LISTS = ("tags", "starts")
TELLS = {"units": ("type",), "rates": ("name", "from", "to", "amount", "percent"), "rules": ("start", "from", "to", "capacity")}
"""A row says something where one of these is filled in; the empty rows at the end of a table do not."""
MOST = 30  # options, and rows of a table
PATH = re.compile(r"options\[(\d{1,2})\]\.(?:(units|rates|rules)\[(\d{1,2})\]\.)?([a-z_]+)")

Record = dict[str, Any]


def read(items: Iterable[tuple[str, str]], kept: Mapping[str, Any]) -> Record:
    """The record that a form's fields make. What the form does not show (another's file gave it) stays as in `kept`."""
    made: Record = {name: value for name, value in kept.items() if name not in TOP and name != "options"}
    options: dict[int, Record] = {}
    rows: dict[tuple[int, str, int], Record] = {}
    for name, given in items:
        value = given.replace("\r\n", "\n").strip()
        if name in TOP:
            _put(made, name, value)
        elif (found := PATH.fullmatch(name)) is not None:
            at, part, row, field = int(found[1]), found[2], found[3], found[4]
            if part is None and field in OPTION:
                _put(options.setdefault(at, {}), field, value)
            elif part is not None and field in PARTS[part]:
                _put_row(rows.setdefault((at, part, int(row)), {}), field, value)
    known = {one.get("id") or "standard": one for one in kept.get("options", ())}
    made["options"] = [_option(options[at], at, rows, known) for at in sorted(options)[:MOST]]
    return made


def _put(into: Record, name: str, value: str) -> None:
    if not value:
        return
    if name in LISTS:
        into[name] = [part.strip() for part in re.split(r"[,|\n]", value) if part.strip()]
    else:
        into[name] = value == "true" if name == "pay_at_provider" else value


def _put_row(into: Record, field: str, value: str) -> None:
    if field == "weekdays":
        into.setdefault("weekdays", []).extend([value] if value else [])
    elif value:
        into[field] = value


def _option(given: Record, at: int, rows: Mapping[tuple[int, str, int], Record], known: Mapping[str, Mapping[str, Any]]) -> Record:
    before = known.get(str(given.get("id") or "standard"), {})
    hidden = {name: value for name, value in before.items() if name not in (*OPTION, *PARTS, "pricing")}
    shown = {part: [row for key, row in sorted(rows.items()) if key[:2] == (at, part) and _says(part, row)][:MOST] for part in PARTS}
    for part in ("rates", "rules"):
        for row in shown[part]:
            if len(row.get("weekdays", DAYS)) == len(DAYS):
                row.pop("weekdays", None)  # every day, as a file leaves it out
    return {**hidden, **given, **{part: found for part, found in shown.items() if found}}


def _says(part: str, row: Record) -> bool:
    return any(row.get(name) for name in TELLS[part])


def new_option(record: Record) -> Record:
    """The record with another option, like the last one but for its name and what it costs."""
    options = list(record.get("options", ()))
    ids = {one.get("id") or "standard" for one in options}
    name = next(f"option-{at}" for at in range(2, MOST + 3) if f"option-{at}" not in ids)
    last = dict(options[-1]) if options else {}
    fresh = {key: value for key, value in last.items() if key not in ("price", "title", "rates", "resource", "exceptions")}
    return {**record, "options": [*options, {**fresh, "id": name, "title": ""}][:MOST]}


def weekdays(value: Any) -> list[bool]:
    """Which boxes of a row are ticked; all where nothing is said, none where it cannot be read."""
    if value is None:
        return [True] * 7
    try:
        bits = read_weekdays(value) if value != [] else 0
    except PydanticCustomError:
        bits = 0
    return [bool((bits or 0) >> day & 1) for day in range(7)] if bits != EVERY_DAY else [True] * 7


def joined(value: Any) -> str:
    """A list as it is typed."""
    if isinstance(value, list):
        return ", ".join(one if isinstance(one, str) else str(one.get("at", "")) for one in value)
    return str(value or "").replace("|", ", ")


LABELS = {
    "title": "Name", "summary": "In one sentence", "description": "Description", "tags": "Words people look for", "kind": "What it is",
    "destination": "City", "meeting_point": "Where to meet", "booking_type": "How it is booked", "availability_mode": "When there are places",
    "policy": "If plans change", "lead_hours": "Last booking", "duration_minutes": "How long", "min_party": "Fewest people",
    "max_party": "Most people", "min_age": "From age", "deposit_percent": "Deposit in percent", "deposit": "Deposit",
    "balance_days": "Rest due", "price": "Price", "capacity": "Places", "starts": "Start times", "counts": "What one booking takes",
    "per": "The price is", "max_pax_each": "People each", "rules": "Usual week", "rates": "Seasons and other prices", "units": "Who comes",
    "weekdays": "Weekdays", "start": "Start", "from": "From", "to": "Until", "amount": "Price", "percent": "Percent", "max_age": "Until age",
    "min_nights": "Fewest nights", "max_nights": "Most nights", "photo": "Photo", "picture": "Photo",
}  # fmt: skip


def label(path: str) -> str:
    """A path of the importer in words: options[0].rules[1].capacity is "Places (option 1, row 2)"."""
    *_, last = path.split(".")
    name = last.split("[")[0]
    where = []
    if (option := re.match(r"options\[(\d+)\]", path)) is not None:
        where.append(f"option {int(option[1]) + 1}")
    if (row := re.search(r"(?:units|rates|rules)\[(\d+)\]", path)) is not None:
        where.append(f"row {int(row[1]) + 1}")
    return LABELS.get(name, name.replace("_", " ").capitalize()) + (f" ({', '.join(where)})" if where else "")
