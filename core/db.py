"""The database: one door for writing, fair and durable, and the only place that commits.

SQLite lets one writer in at a time and its own waiting is unfair: under load some callers starve for seconds.
So writers queue here first in first out, within the process by tickets and across processes by a file lock,
and only then say BEGIN IMMEDIATE. PostgreSQL needs no door.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import JSON, Connection, Table, create_engine, event, insert, make_url, select, text
from sqlalchemy.exc import IntegrityError, OperationalError

from core.errors import Busy, Refused
from core.schema import idempotency_key

Listener = Callable[[str, str], None]
WORKER_KEY = 7_246_114  # the advisory lock of whoever works alone on a PostgreSQL


class _FairLock:
    """A lock that is handed to whoever has waited longest."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()
        self._taken = False

    def acquire(self) -> None:
        with self._mutex:
            if not self._taken:
                self._taken = True
                return
            ticket = threading.Lock()
            ticket.acquire()
            self._waiting.append(ticket)
        ticket.acquire()

    def release(self) -> None:
        with self._mutex:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._taken = False


class Database:
    """`read()` and `write()` hand out a connection inside a transaction; `write()` commits when its block ends well."""

    def __init__(self, url: str, *, pool_size: int = 24) -> None:
        self.url = make_url(_with_driver(url))
        self.dialect = self.url.get_backend_name()
        self._listeners: list[Listener] = []
        self._door: _FairLock | None = None
        self._file: int | None = None
        self._worker_file: int | None = None
        self._worker_connection: Connection | None = None
        if self.dialect == "sqlite":
            if not self.url.database or self.url.database == ":memory:":
                raise Refused("SQLite needs a file, so that a restart finds what was sold. Use sqlite:///path/to/file.db.")
            path = Path(self.url.database)
            path.parent.mkdir(parents=True, exist_ok=True)
            self._door = _FairLock()
            self._file = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
            self._engine = create_engine(
                self.url, pool_size=pool_size, max_overflow=80, pool_timeout=60, connect_args={"check_same_thread": False}
            )
            event.listen(self._engine, "connect", _sqlite_connect)
            event.listen(self._engine, "begin", _sqlite_begin)
        else:
            self._engine = create_engine(self.url, pool_size=pool_size, max_overflow=40, pool_timeout=60, pool_pre_ping=True)

    def listen(self, listener: Listener) -> None:
        """`listener(topic, id)` is called after a commit for everything announced in it; it must be quick and never raise."""
        self._listeners.append(listener)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        with self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction. Raises Busy where the database asks for a retry (deadlock, lock time-out)."""
        with self._entry(), self._engine.connect() as raw:
            connection = raw.execution_options(traveloure_write=True)
            connection.info["announced"] = []
            try:
                with connection.begin():
                    yield connection
            except OperationalError as error:
                if _retryable(error):
                    raise Busy("The booking system is busy. Please try again in a moment.") from error
                raise
            announced = connection.info.pop("announced", [])
        for topic, subject in dict.fromkeys(announced):
            for listener in self._listeners:
                listener(topic, subject)

    @contextmanager
    def autocommit(self) -> Iterator[Connection]:
        """PostgreSQL only: each statement is its own transaction, which halves the time a hot row stays locked."""
        with self._engine.connect() as raw:
            yield raw.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def _entry(self) -> Iterator[None]:
        if self._door is None or self._file is None:
            yield
            return
        self._door.acquire()
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)
        finally:
            self._door.release()

    def alone(self) -> bool:
        """Is this the only process that works on this database? The first to ask is, until it ends; asked once a process."""
        if self.dialect == "sqlite":
            self._worker_file = os.open(f"{self.url.database}.worker", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(self._worker_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True
        self._worker_connection = self._engine.connect()
        locked = self._worker_connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": WORKER_KEY}).scalar_one()
        self._worker_connection.commit()
        return bool(locked)

    def close(self) -> None:
        if self._worker_connection is not None:
            self._worker_connection.close()
            self._worker_connection = None
        if self._worker_file is not None:
            os.close(self._worker_file)
            self._worker_file = None
        self._engine.dispose()
        if self._file is not None:
            os.close(self._file)
            self._file = None


def announce(tx: Connection, topic: str, subject: str) -> None:
    """Tell listeners about `subject` once this transaction has committed, and only then."""
    tx.info.setdefault("announced", []).append((topic, subject))


def fingerprint(value: Any) -> str:
    """A stable digest of JSON-able terms."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":"), default=str).encode()).hexdigest()


def once(tx: Connection, key: str | None, terms: Any, now: datetime, do: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Run `do` once per key; a repeat returns the first result, and the same key with other terms is refused.

    The key row is part of the caller's transaction: either both the effect and the key are there, or neither.
    """
    if key is None:
        return do()
    digest = fingerprint(terms)
    prior = tx.execute(select(idempotency_key).where(idempotency_key.c.key == key)).one_or_none()
    if prior is not None:
        if prior.fingerprint != digest:
            raise Refused("This key was used before with other terms; use a new key for a new request.", key=key)
        result: dict[str, Any] = prior.result
        return result
    result = do()
    try:
        tx.execute(insert(idempotency_key).values(key=key, fingerprint=digest, result=result, created_at=now))
    except IntegrityError as error:
        raise Busy("The same request is being carried out right now.") from error
    return result


def upsert(tx: Connection) -> Any:
    """The dialect's `insert`, which knows ON CONFLICT."""
    if tx.dialect.name == "sqlite":
        from sqlalchemy.dialects.sqlite import insert as dialect_insert

        return dialect_insert
    from sqlalchemy.dialects.postgresql import insert as postgresql_insert

    return postgresql_insert


def bulk_insert(tx: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Many rows with the same columns: COPY on PostgreSQL, where single inserts take three times as long."""
    if not rows:
        return
    if tx.dialect.name == "sqlite":
        tx.execute(insert(table), list(rows))
        return
    names = list(rows[0])
    encoded = [name for name in names if isinstance(table.c[name].type, JSON)]
    listed = ", ".join(f'"{name}"' for name in names)
    driver: Any = tx.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(f'COPY "{table.name}" ({listed}) FROM STDIN') as copy:
        for row in rows:
            copy.write_row([json.dumps(row[name]) if name in encoded else row[name] for name in names])


def _with_driver(url: str) -> str:
    for prefix in ("postgresql://", "postgres://"):
        if url.startswith(prefix):
            return "postgresql+psycopg://" + url.removeprefix(prefix)
    return url


def _sqlite_connect(dbapi: Any, _record: Any) -> None:
    dbapi.isolation_level = None  # the driver must not begin transactions by itself
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=15000", "foreign_keys=ON", "cache_size=-65536"):
        dbapi.execute(f"PRAGMA {pragma}")


def _sqlite_begin(connection: Connection) -> None:
    write = connection.get_execution_options().get("traveloure_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _retryable(error: OperationalError) -> bool:
    state = getattr(error.orig, "sqlstate", None)
    return state in ("40P01", "40001", "55P03") or "database is locked" in str(error.orig)
