"""Files into checked records: JSON Lines with everything nested, or CSV with one file a type; any mix, in any order."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from core.catalogue_files.records import (
    TYPES,
    Adjustment,
    Closing,
    Option,
    Rate,
    Restriction,
    Rule,
    Unit,
)
from core.catalogue_files.report import Problems, Progress, silent
from core.catalogue_files.spool import Origins, Spool

Model = TypeVar("Model", bound=BaseModel)
SUFFIXES = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv"}
LONGEST_LINE = 4_000_000  # bytes
NESTED = {"options", "rules", "exceptions", "rates", "units", "restrictions", "adjustments"}
BASES: dict[str, str] = {
    "destinations": "destination",
    "policies": "policy",
    "providers": "provider",
    "resources": "resource",
    "products": "product",
    "fee_rules": "fee_rule",
}
PARTS: dict[str, tuple[type[BaseModel], tuple[str, ...]]] = {  # CSV file -> what a row is, and the columns that may name its owner
    "options": (Option, ("product",)),
    "units": (Unit, ("option",)),
    "rates": (Rate, ("option",)),
    "restrictions": (Restriction, ("option",)),
    "rules": (Rule, ("resource",)),
    "adjustments": (Adjustment, ("provider", "product")),
    "exceptions": (Closing, ("provider", "product", "resource")),
}


def columns(name: str) -> list[str]:
    """The columns of a CSV file, in order: whom a row belongs to, then its own fields. The file's name stands for `type`."""
    if name in BASES:
        return [f.alias or n for n, f in TYPES[BASES[name]].model_fields.items() if n not in NESTED and n != "type"]
    model, owners = PARTS[name]
    return [*owners, *(f.alias or n for n, f in model.model_fields.items() if n not in NESTED)]


def read(paths: Sequence[Path], spool: Spool, problems: Problems, progress: Progress) -> dict[str, int]:
    """Read everything into the spool, each record checked by itself. Returns how many lines of each type there were."""
    counts: dict[str, int] = {}
    reader = _Reader(spool, problems, progress, counts)
    for path in _files(paths, problems):
        if SUFFIXES[path.suffix.lower()] == "csv":
            reader.csv_file(path)
        else:
            reader.json_file(path)
    reader.assemble()
    progress("reading", reader.lines, reader.lines)
    return counts


def take(records: Sequence[dict[str, Any]], spool: Spool, problems: Problems) -> dict[str, int]:
    """The same for records that are at hand, each with its `type`; they have no file and no line."""
    counts: dict[str, int] = {}
    reader = _Reader(spool, problems, silent, counts)
    for value in records:
        rest = dict(value)
        reader.accept(rest.pop("type"), rest, "", 0, {})
    return counts


def _files(paths: Sequence[Path], problems: Problems) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            found = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file() and not p.name.startswith("."))
            if not found:
                problems.add(str(path), 0, "", "a folder with .jsonl or .csv files", "none")
            yield from found
        elif not path.exists():
            problems.add(str(path), 0, "", "a file or a folder", "nothing there")
        elif path.suffix.lower() not in SUFFIXES:
            problems.add(str(path), 0, "", "a file that ends in .jsonl or .csv", path.name)
        else:
            yield path


class _Reader:
    def __init__(self, spool: Spool, problems: Problems, progress: Progress, counts: dict[str, int]) -> None:
        self._spool, self._problems, self._progress, self._counts = spool, problems, progress, counts
        self.lines = 0

    def _line(self) -> None:
        self.lines += 1
        if self.lines % 1000 == 0:
            self._progress("reading", self.lines, None)

    # JSON Lines

    def json_file(self, path: Path) -> None:
        with path.open("rb") as file:
            number = 0
            while raw := file.readline(LONGEST_LINE):
                number += 1
                self._line()
                if len(raw) == LONGEST_LINE and not raw.endswith(b"\n"):
                    self._problems.add(str(path), number, "", f"lines of less than {LONGEST_LINE:,} bytes", "a longer one")
                    return
                if raw.strip():
                    self._json_line(str(path), number, raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw)

    def _json_line(self, file: str, number: int, raw: bytes) -> None:
        try:
            value = json.loads(raw, parse_float=Decimal, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            self._problems.add(file, number, "", "one JSON object in UTF-8", f"{error}")
            return
        if not isinstance(value, dict):
            self._problems.add(file, number, "", "one JSON object", raw.decode(errors="replace").strip())
            return
        kind = value.get("type")
        if not isinstance(kind, str) or kind not in TYPES:
            self._problems.add(file, number, "type", f"one of {', '.join(TYPES)}", kind)
            return
        self.accept(kind, value, file, number, {})

    # CSV

    def csv_file(self, path: Path) -> None:
        name = next((n for n in sorted((*BASES, *PARTS), key=len, reverse=True) if path.stem.lower().endswith(n)), None)
        if name is None:
            self._problems.add(str(path), 0, "", f"a name that ends in one of {', '.join((*BASES, *PARTS))}", path.name)
            return
        known = columns(name)
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file, strict=True)
            before = 0
            try:
                header = [cell.strip() for cell in next(rows, [])]
                self._check_header(str(path), header, known)
                before = rows.line_num
                for cells in rows:
                    line, before = before + 1, rows.line_num
                    self._line()
                    if any(cell.strip() for cell in cells):
                        self._csv_row(str(path), line, name, header, cells, set(known))
            except UnicodeDecodeError as error:
                self._problems.add(str(path), before + 1, "", "text in UTF-8", f"{error}")
            except csv.Error as error:
                self._problems.add(str(path), before + 1, "", "a row of comma-separated values", f"{error}")

    def _check_header(self, file: str, header: list[str], known: list[str]) -> None:
        if not header:
            self._problems.add(file, 1, "", f"a header row with columns among {', '.join(known)}", None)
        for at, column in enumerate(header):
            if column not in known:
                self._problems.add(file, 1, column, f"a column among {', '.join(known)}", column)
            elif column in header[:at]:
                self._problems.add(file, 1, column, "each column once", column)

    def _csv_row(self, file: str, line: int, name: str, header: list[str], cells: list[str], known: set[str]) -> None:
        if len(cells) > len(header):
            self._problems.add(file, line, "", f"{len(header)} cells as in the header", len(cells))
            return
        row: dict[str, Any] = {c: v.strip() for c, v in zip(header, cells, strict=False) if v.strip() and c in known}
        if name in BASES:
            self._spool.put_base(BASES[name], file, line, row)
            return
        model, owners = PARTS[name]
        named = [(column, row.pop(column)) for column in owners if column in row]
        if len(named) != 1:
            found = ", ".join(value for _, value in named)
            self._problems.add(
                file, line, owners[0], f"exactly one of {', '.join(owners)}" if len(owners) > 1 else "a value", found or None
            )
            return
        if self._valid(model, row, file, line) is not None:
            self._spool.put_part(named[0][0], named[0][1], name, file, line, row)

    def assemble(self) -> None:
        """Put the parts of CSV rows into their owners."""
        for kind, file, line, row in self._spool.bases():
            origins: Origins = {}
            key = str(row.get("id", ""))
            match kind:
                case "provider":
                    self._take(row, origins, "provider", key, "", ("adjustments", "exceptions"))
                case "resource":
                    self._take(row, origins, "resource", key, "", ("rules", "exceptions"))
                case "product":
                    self._take(row, origins, "product", key, "", ("options", "adjustments", "exceptions"))
                    for at, option in enumerate(row.get("options", ())):
                        gid = f"{key}.{option.get('id', 'standard')}"
                        self._take(option, origins, "option", gid, f"options[{at}].", ("units", "rates", "restrictions"))
                        self._take(option, origins, "resource", gid, f"options[{at}].", ("rules", "exceptions"))
            self.accept(kind, row, file, line, origins)
        for owner, parent, file, line in self._spool.left_over():
            shape = {"option": "an option as product.option", "resource": "a resource, or an option as product.option"}
            self._problems.add(file, line, owner, f"{shape.get(owner, f'a {owner}')} of these files", parent)

    def _take(self, row: dict[str, Any], origins: Origins, owner: str, key: str, prefix: str, names: tuple[str, ...]) -> None:
        for name in names:
            found = self._spool.parts(owner, key, name)
            if found:
                row[name] = [body for _, _, body in found]
                origins |= {f"{prefix}{name}[{at}]": (file, line) for at, (file, line, _) in enumerate(found)}

    # both

    def accept(self, kind: str, value: dict[str, Any], file: str, line: int, origins: Origins) -> None:
        """Check one record by itself and keep it."""
        self._counts[kind] = self._counts.get(kind, 0) + 1
        record = self._valid(TYPES[kind], value, file, line)
        if record is None:
            if isinstance(value.get("id"), str):
                self._spool.put_broken(kind, value["id"])
            return
        body = json.dumps({"type": kind, **record.written()}, ensure_ascii=False, separators=(",", ":"))
        taken = self._spool.put(kind, record.id, file, line, body, origins)
        if taken is not None:
            self._problems.add(file, line, "id", f"an id of its own; {taken[0]}:{taken[1]} has this one", record.id)
            return
        spooled = self._spool.get(kind, record.id) if origins else None
        for field, expected, found in record.faults():
            at = spooled.place(field) if spooled else (file, line, field)
            self._problems.add(*at, expected, found)

    def _valid(self, model: type[Model], value: dict[str, Any], file: str, line: int) -> Model | None:
        try:
            return model.model_validate(value)
        except ValidationError as error:
            for fault in error.errors(include_url=False):
                self._problems.add(file, line, *_said(model, fault))
            return None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _said(model: type[BaseModel], fault: Any) -> tuple[str, str, Any]:
    """Field, expected and found of one pydantic fault."""
    path = ""
    for part in fault["loc"]:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    if fault["type"] == "missing":
        return path, "a value", None
    if fault["type"] == "extra_forbidden":
        known = model if len(fault["loc"]) == 1 else None
        fields = f", such as {', '.join(f.alias or n for n, f in known.model_fields.items())}" if known else ""
        return path, f"a field we know{fields}", fault["loc"][-1]
    message: str = fault["msg"]
    for opening in ("Input should be ", "Value should be ", "String should ", "List should ", "Value error, "):
        if message.startswith(opening):
            rest = message.removeprefix(opening)
            message = {"String should ": "text that should ", "List should ": "a list that should "}.get(opening, "") + rest
    return path, message[0].lower() + message[1:] if message[:1].isupper() and message[1:2].islower() else message, fault["input"]
