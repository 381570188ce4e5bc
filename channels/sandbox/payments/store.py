"""What the sandbox remembers, in one SQLite file of its own: objects, replays, events and what is still to be delivered.

Every request is one durable transaction, so a process that is killed at any moment comes back with either all of it or none.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TABLES = """
CREATE TABLE IF NOT EXISTS object (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, created INTEGER NOT NULL,
  body TEXT NOT NULL, aside TEXT NOT NULL DEFAULT '{}');
CREATE INDEX IF NOT EXISTS object_kind ON object (kind, seq);
CREATE INDEX IF NOT EXISTS object_intent ON object (kind, json_extract(body, '$.payment_intent'));
CREATE INDEX IF NOT EXISTS object_charge ON object (kind, json_extract(body, '$.charge'));
CREATE INDEX IF NOT EXISTS object_open ON object (json_extract(body, '$.expires_at'))
  WHERE kind = 'checkout.session' AND json_extract(body, '$.status') = 'open';
CREATE TABLE IF NOT EXISTS replay (
  key TEXT PRIMARY KEY, terms TEXT NOT NULL, status INTEGER NOT NULL, body TEXT NOT NULL, request TEXT NOT NULL, at INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS object_reserved ON object (id)
    WHERE kind = 'payment_intent' AND json_extract(body, '$.status') = 'requires_capture';
CREATE INDEX IF NOT EXISTS replay_age ON replay (at);
CREATE TABLE IF NOT EXISTS delivery (
  id INTEGER PRIMARY KEY AUTOINCREMENT, event TEXT NOT NULL, url TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
  due REAL NOT NULL, state TEXT NOT NULL DEFAULT 'waiting', answer TEXT NOT NULL DEFAULT '');
CREATE INDEX IF NOT EXISTS delivery_due ON delivery (state, due);
"""

FIELD = {
    "payment_intent": "$.payment_intent",
    "charge": "$.charge",
    "status": "$.status",
    "type": "$.type",
    "source_transaction": "$.source_transaction",
    "transfer_group": "$.transfer_group",
    "destination": "$.destination",
    "transfer": "$.transfer",
}


@dataclass(frozen=True, slots=True)
class Replay:
    terms: str
    status: int
    body: str
    request: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event on its way to one endpoint; `attempts` counts this one."""

    id: int
    event: dict[str, Any]
    url: str
    attempts: int


class Store:
    """Calls outside `transaction()` read; everything that writes happens inside one. Safe from any thread."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=15)
        path.chmod(0o600)
        for pragma in ("journal_mode=WAL", "synchronous=FULL"):
            self._db.execute(f"PRAGMA {pragma}")
        self._db.executescript(TABLES)

    def close(self) -> None:
        with self._lock:
            self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # a disk that filled up has rolled back by itself
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Inside a transaction: an error undoes what this block did and nothing else."""
        self._db.execute("SAVEPOINT attempt")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK TO attempt")
            self._db.execute("RELEASE attempt")
            raise
        self._db.execute("RELEASE attempt")

    # objects

    def get(self, object_id: str) -> dict[str, Any] | None:
        row = self._one("SELECT body FROM object WHERE id = ?", (object_id,))
        return None if row is None else json.loads(row[0])

    def aside(self, object_id: str) -> dict[str, Any]:
        """What belongs to an object but is no part of it on the wire."""
        row = self._one("SELECT aside FROM object WHERE id = ?", (object_id,))
        return {} if row is None else json.loads(row[0])

    def put(self, body: Mapping[str, Any], aside: Mapping[str, Any] | None = None) -> None:
        """Insert or replace an object; `aside` stays as it was where none is given."""
        self._db.execute(
            "INSERT INTO object (id, kind, created, body, aside) VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT (id) DO UPDATE SET body = excluded.body, aside = CASE WHEN ? THEN excluded.aside ELSE object.aside END",
            (body["id"], body["object"], body["created"], json.dumps(body), json.dumps(dict(aside or {})), aside is not None),
        )

    def find(
        self,
        kind: str,
        where: Mapping[str, str | Sequence[str]],
        created: Mapping[str, int],
        *,
        after: str | None = None,
        before: str | None = None,
        limit: int,
    ) -> list[dict[str, Any]]:
        """Objects of a kind, the newest first. `where` may name payment_intent, charge, status and type; `created` gt, gte, lt, lte."""
        tests, values = ["kind = ?"], [kind]
        numbers: list[Any] = []
        for name, wanted in where.items():
            choices = [wanted] if isinstance(wanted, str) else list(wanted)
            likes = [f"json_extract(body, '{FIELD[name]}') {'GLOB' if '*' in one else '='} ?" for one in choices]
            tests.append(f"({' OR '.join(likes)})")
            values += choices
        for word, sign in (("gt", ">"), ("gte", ">="), ("lt", "<"), ("lte", "<=")):
            if word in created:
                tests.append(f"created {sign} ?")
                numbers.append(created[word])
        arguments: list[Any] = [*values, *numbers]
        if after is not None:
            tests.append("seq < (SELECT seq FROM object WHERE id = ?)")
            arguments.append(after)
        if before is not None:
            tests.append("seq > (SELECT seq FROM object WHERE id = ?)")
            arguments.append(before)
        order = "ASC" if before is not None else "DESC"
        query = f"SELECT body FROM object WHERE {' AND '.join(tests)} ORDER BY seq {order} LIMIT ?"  # noqa: S608  our own words only
        rows = self._all(query, (*arguments, limit))
        found = [json.loads(row[0]) for row in rows]
        return found[::-1] if before is not None else found

    def overdue(self, now: int) -> list[str]:
        """Open checkout sessions whose time is over."""
        rows = self._all(
            "SELECT id FROM object WHERE kind = 'checkout.session' AND json_extract(body, '$.status') = 'open' "
            "AND json_extract(body, '$.expires_at') <= ?",
            (now,),
        )
        return [row[0] for row in rows]

    def uncaptured(self, now: int) -> list[str]:
        """Intents whose card has let go: reserved, not captured, and over."""
        rows = self._all(
            "SELECT i.id FROM object AS i JOIN object AS c ON c.id = json_extract(i.body, '$.latest_charge') "
            "WHERE i.kind = 'payment_intent' AND json_extract(i.body, '$.status') = 'requires_capture' "
            "AND json_extract(c.body, '$.payment_method_details.card.capture_before') <= ?",
            (now,),
        )
        return [row[0] for row in rows]

    # replays

    def replay(self, key: str, oldest: int) -> Replay | None:
        row = self._one("SELECT terms, status, body, request FROM replay WHERE key = ? AND at > ?", (key, oldest))
        return None if row is None else Replay(*row)

    def remember(self, key: str, kept: Replay, now: int, oldest: int) -> None:
        self._db.execute("DELETE FROM replay WHERE at <= ?", (oldest,))
        self._db.execute(
            "INSERT INTO replay (key, terms, status, body, request, at) VALUES (?, ?, ?, ?, ?, ?)",
            (key, kept.terms, kept.status, kept.body, kept.request, now),
        )

    # deliveries

    def enqueue(self, event_id: str, url: str, due: float) -> None:
        self._db.execute("INSERT INTO delivery (event, url, due) VALUES (?, ?, ?)", (event_id, url, due))

    def claim(self, now: float, until: float, limit: int) -> list[Delivery]:
        """Take due deliveries; they become due again at `until` should nobody report back (a crash in the middle)."""
        with self.transaction():
            rows = self._all(
                "UPDATE delivery SET attempts = attempts + 1, due = ? WHERE id IN "
                "(SELECT id FROM delivery WHERE state = 'waiting' AND due <= ? ORDER BY due, id LIMIT ?) "
                "RETURNING id, event, url, attempts",
                (until, now, limit),
            )
            return [Delivery(row[0], event, row[2], row[3]) for row in sorted(rows) if (event := self.get(row[1])) is not None]

    def settle(self, delivery_id: int, state: str, answer: str, due: float = 0.0) -> None:
        """`state` is waiting (again at `due`), done or given_up."""
        with self.transaction():
            self._db.execute("UPDATE delivery SET state = ?, answer = ?, due = ? WHERE id = ?", (state, answer[:300], due, delivery_id))

    def next_due(self) -> float | None:
        row = self._one("SELECT min(due) FROM delivery WHERE state = 'waiting'", ())
        return None if row is None else row[0]

    def undelivered(self, event_id: str) -> int:
        row = self._one("SELECT count(*) FROM delivery WHERE event = ? AND state = 'waiting'", (event_id,))
        return 0 if row is None else int(row[0])

    def deliveries(self, event_ids: Sequence[str]) -> dict[str, tuple[str, int, str]]:
        """{event: (state, attempts, the last answer)} of these events."""
        marks = ", ".join("?" * len(event_ids))
        query = f"SELECT event, state, attempts, answer FROM delivery WHERE event IN ({marks}) ORDER BY id"  # noqa: S608  only marks
        return {row[0]: (row[1], row[2], row[3]) for row in self._all(query, tuple(event_ids))}

    # time

    def age(self, seconds: int) -> None:
        """Everything that is here becomes so much older, as if that time had passed: pages near their end, cards let go, keys are
        forgotten, and what waits to be delivered again is due."""
        for path in ("created", "expires_at", "payment_method_details.card.capture_before", "evidence_details.due_by"):
            self._db.execute(
                f"UPDATE object SET body = json_set(body, '$.{path}', json_extract(body, '$.{path}') - ?) "  # noqa: S608  our own words only
                f"WHERE json_type(body, '$.{path}') = 'integer'",
                (seconds,),
            )
        self._db.execute("UPDATE object SET created = created - ?", (seconds,))
        self._db.execute("UPDATE replay SET at = at - ?", (seconds,))
        self._db.execute("UPDATE delivery SET due = due - ? WHERE state = 'waiting'", (seconds,))

    def _one(self, query: str, values: Sequence[Any]) -> Any:
        with self._lock:
            return self._db.execute(query, values).fetchone()

    def _all(self, query: str, values: Sequence[Any]) -> list[Any]:
        with self._lock:
            return self._db.execute(query, values).fetchall()
