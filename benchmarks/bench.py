"""What the benchmarks and drills share: a database of either kind, the test market, progress and the closing line of JSON."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from core.db import Database
from core.migrate import upgrade


def arguments(doc: str, *, db: bool = True) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    if db:
        parser.add_argument("--db", choices=("sqlite", "postgresql"), default="sqlite", help="default: sqlite")
    return parser


@contextlib.contextmanager
def database(kind: str) -> Iterator[Database]:
    """A fresh migrated database in a temporary folder, durable as in production (synchronous=FULL, fsync on)."""
    with durable(kind) as (opened, _server):
        yield opened


@contextlib.contextmanager
def durable(kind: str) -> Iterator[tuple[Database, Any]]:
    """The same, with the PostgreSQL server it is on (None on SQLite), for its own tools."""
    with tempfile.TemporaryDirectory(prefix="bench") as folder:
        if kind == "sqlite":
            opened = Database(f"sqlite:///{folder}/bench.db")
            upgrade(opened)
            yield opened, None
            opened.close()
            return
        from tests.postgres import Postgres

        server = Postgres(options="-c max_connections=200")
        try:
            opened = Database(server.fresh())
            upgrade(opened)
            yield opened, server
            opened.close()
        finally:
            server.stop()


class Progress:
    """`12 of 400` on a terminal, nothing in a file."""

    def __init__(self, what: str, total: int) -> None:
        self._what, self._total, self._done, self._last = what, total, 0, 0.0

    def step(self, by: int = 1) -> None:
        self._done += by
        if sys.stderr.isatty() and (time.monotonic() - self._last > 0.2 or self._done >= self._total):
            self._last = time.monotonic()
            end = "\n" if self._done >= self._total else ""
            print(f"\r{self._what}: {self._done} of {self._total}", end=end, file=sys.stderr, flush=True)


def table(rows: Sequence[tuple[str, Any]]) -> None:
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        shown = f"{value:,.2f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
        print(f"  {name:<{width}}  {shown}")


def close(result: Mapping[str, Any]) -> None:
    """The last line: one JSON object."""
    print(json.dumps(result))


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
