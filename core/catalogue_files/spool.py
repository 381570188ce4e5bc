"""A scratch file for what was read: checked records by type and id, so that 100,000 of them need no memory.

It is SQLite's private temporary database, which the operating system removes with the process. Nothing of the house is in it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

Origins = dict[str, tuple[str, int]]  # path of a nested part -> file and line it came from (CSV)


@dataclass(frozen=True, slots=True)
class Spooled:
    kind: str
    id: str
    file: str
    line: int
    body: str
    origins: Origins

    def place(self, field: str) -> tuple[str, int, str]:
        """File, line and field of a path: a part that came from a line of its own is named by that line."""
        best = max((path for path in self.origins if field.startswith(path)), key=len, default="")
        if not best:
            return self.file, self.line, field
        file, line = self.origins[best]
        return file, line, field[len(best) :].lstrip(".")


class Spool:
    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.execute("PRAGMA cache_size=-16384")
        self._db.execute("PRAGMA synchronous=OFF")
        self._db.execute("PRAGMA journal_mode=OFF")
        self._db.execute(
            "CREATE TABLE record (kind TEXT, id TEXT, file TEXT, line INTEGER, body TEXT, origins TEXT, PRIMARY KEY (kind, id))"
        )
        self._db.execute(
            "CREATE TABLE part (owner TEXT, parent TEXT, name TEXT, file TEXT, line INTEGER, body TEXT, taken INTEGER DEFAULT 0)"
        )
        self._db.execute("CREATE INDEX part_parent ON part (owner, parent, name)")
        self._db.execute("CREATE TABLE broken (kind TEXT, id TEXT, PRIMARY KEY (kind, id))")
        self._db.execute("CREATE TABLE base (kind TEXT, file TEXT, line INTEGER, body TEXT)")

    def close(self) -> None:
        self._db.close()

    def put(self, kind: str, key: str, file: str, line: int, body: str, origins: Origins) -> tuple[str, int] | None:
        """Keep a record; where its id is taken already, returns who has it instead."""
        try:
            self._db.execute(
                "INSERT INTO record VALUES (?, ?, ?, ?, ?, ?)", (kind, key, file, line, body, json.dumps(origins) if origins else "")
            )
        except sqlite3.IntegrityError:
            file, line = self._db.execute("SELECT file, line FROM record WHERE kind = ? AND id = ?", (kind, key)).fetchone()
            return file, line
        return None

    def put_broken(self, kind: str, key: str) -> None:
        """A record that is there but wrong: what refers to it is not to blame."""
        self._db.execute("INSERT OR IGNORE INTO broken VALUES (?, ?)", (kind, key))

    def is_broken(self, kind: str, key: str) -> bool:
        return self._db.execute("SELECT 1 FROM broken WHERE kind = ? AND id = ?", (kind, key)).fetchone() is not None

    def put_base(self, kind: str, file: str, line: int, body: dict[str, Any]) -> None:
        """A CSV row whose parts may stand in other files."""
        self._db.execute("INSERT INTO base VALUES (?, ?, ?, ?)", (kind, file, line, json.dumps(body)))

    def bases(self) -> Iterator[tuple[str, str, int, dict[str, Any]]]:
        for kind, file, line, body in self._db.execute("SELECT kind, file, line, body FROM base ORDER BY rowid"):
            yield kind, file, line, json.loads(body)

    def put_part(self, owner: str, parent: str, name: str, file: str, line: int, body: dict[str, Any]) -> None:
        self._db.execute(
            "INSERT INTO part (owner, parent, name, file, line, body) VALUES (?, ?, ?, ?, ?, ?)",
            (owner, parent, name, file, line, json.dumps(body)),
        )

    def parts(self, owner: str, parent: str, name: str) -> list[tuple[str, int, dict[str, Any]]]:
        """The parts of one parent in the order of the file; they are marked as taken."""
        rows = self._db.execute(
            "SELECT rowid, file, line, body FROM part WHERE owner = ? AND parent = ? AND name = ? ORDER BY rowid", (owner, parent, name)
        ).fetchall()
        self._db.executemany("UPDATE part SET taken = 1 WHERE rowid = ?", [(row[0],) for row in rows])
        return [(file, line, json.loads(body)) for _, file, line, body in rows]

    def left_over(self) -> Iterator[tuple[str, str, str, int]]:
        yield from self._db.execute("SELECT owner, parent, file, line FROM part WHERE NOT taken ORDER BY rowid")

    def count(self, kind: str) -> int:
        found: int = self._db.execute("SELECT count(*) FROM record WHERE kind = ?", (kind,)).fetchone()[0]
        return found

    def has(self, kind: str, key: str) -> bool:
        return self._db.execute("SELECT 1 FROM record WHERE kind = ? AND id = ?", (kind, key)).fetchone() is not None

    def get(self, kind: str, key: str) -> Spooled | None:
        row = self._db.execute("SELECT kind, id, file, line, body, origins FROM record WHERE kind = ? AND id = ?", (kind, key)).fetchone()
        return _spooled(row) if row else None

    def chunks(self, kind: str, size: int) -> Iterator[Sequence[Spooled]]:
        """All records of a type in the order of their ids, `size` at a time."""
        after = ""
        while True:
            rows = self._db.execute(
                "SELECT kind, id, file, line, body, origins FROM record WHERE kind = ? AND id > ? ORDER BY id LIMIT ?", (kind, after, size)
            ).fetchall()
            if not rows:
                return
            after = rows[-1][1]
            yield [_spooled(row) for row in rows]


def _spooled(row: Any) -> Spooled:
    origins = {path: (file, line) for path, (file, line) in json.loads(row[5]).items()} if row[5] else {}
    return Spooled(row[0], row[1], row[2], row[3], row[4], origins)
