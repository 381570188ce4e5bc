"""A copy of everything that is kept, made while the house runs, and brought back into an empty place.

A backup is a folder: the database (SQLite: a snapshot of its file; PostgreSQL: `pg_dump`'s custom format), then the travelers' files, and
a manifest with every file's SHA-256. The database is copied first and files are never taken away, so nothing it names is missing.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import URL, inspect, text

from core import holds
from core.db import Database
from core.errors import Refused
from core.migrate import newest, upgrade
from core.payments import ledger

MANIFEST = "manifest.json"
UPLOADS = "uploads"
NAMES = {"sqlite": "database.sqlite3", "postgresql": "database.dump"}


@dataclass(frozen=True, slots=True)
class Restored:
    """`schema` is the revision after it was brought up to date; `wrong` says what the books or counters do not agree on."""

    schema: str
    rows: int
    wrong: tuple[str, ...]


def make(database: Database, data_dir: Path, target: Path, now: datetime, *, binaries: Path | None = None) -> Path:
    """Write a backup into a new folder under `target`; returns it. What is half done has a name that ends in `.part`.

    Raises Refused where there is a backup of this very second already, or pg_dump is missing or fails.
    """
    folder = target / now.strftime("traveloure-%Y%m%dT%H%M%SZ")
    part = folder.with_name(f"{folder.name}.part")
    if folder.exists():
        raise Refused(f"{folder} is there already.")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True, mode=0o700)
    dump = part / NAMES[database.dialect]
    if database.dialect == "sqlite":
        _snapshot(Path(database.url.database or ""), dump)
    else:
        _run("pg_dump", database.url, ["--format=custom", "--no-owner", "--no-privileges", "--file", str(dump)], binaries)
    if (data_dir / UPLOADS).is_dir():
        shutil.copytree(data_dir / UPLOADS, part / UPLOADS)
    with database.read() as tx:
        schema = tx.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
    files = {str(one.relative_to(part)): _hash(one) for one in sorted(part.rglob("*")) if one.is_file()}
    manifest = {"made_at": now.isoformat(), "database": database.dialect, "schema": schema, "files": files}
    (part / MANIFEST).write_text(json.dumps(manifest, indent=1), "utf-8")
    part.rename(folder)
    return folder


def restore(database: Database, data_dir: Path, folder: Path, *, binaries: Path | None = None) -> Restored:
    """Bring a backup back into an empty database of the same kind, and to the newest schema; then look at its books and counters.

    Raises Refused, with nothing changed, for a backup that is not whole, of the other kind, of a newer house, or where the database
    is not empty.
    """
    manifest = _checked(folder)
    if manifest["database"] != database.dialect:
        raise Refused(f"This is a backup of {manifest['database']}, and the database here is {database.dialect}.")
    known = newest()
    if known is not None and str(manifest["schema"]) > known:
        raise Refused(f"This backup was made by a newer version (schema {manifest['schema']}, here {known}). Update first.")
    if (data_dir / UPLOADS).exists() and any((data_dir / UPLOADS).iterdir()):
        raise Refused(f"There are files in {data_dir / UPLOADS} already. Restore into an empty place.")
    with database.read() as tx:
        if inspect(tx).get_table_names():
            raise Refused("The database is not empty. Restore into an empty one, and point the house at it afterwards.")
    dump = folder / NAMES[database.dialect]
    if database.dialect == "sqlite":
        with closing(sqlite3.connect(dump)) as source, closing(sqlite3.connect(database.url.database or "")) as here:
            source.backup(here)
    else:
        name = [
            "--no-owner",
            "--no-privileges",
            "--exit-on-error",
            "--single-transaction",
            "--dbname",
            str(database.url.database),
            str(dump),
        ]
        _run("pg_restore", database.url, name, binaries)
    if (folder / UPLOADS).is_dir():
        shutil.copytree(folder / UPLOADS, data_dir / UPLOADS, dirs_exist_ok=True)
    _, after = upgrade(database)
    with database.read() as tx:
        rows = int(tx.execute(text("SELECT count(*) FROM message")).scalar_one())
        wrong = [f"the posting {one['posting']} sums to {one['sum']} {one['currency']}" for one in ledger.unbalanced(tx)]
        wrong += [f"the slot {one['resource_id']} {one['local_date']} {one['local_start']} is counted wrong" for one in holds.drift(tx)]
    return Restored(str(after), rows, tuple(wrong))


def _snapshot(source: Path, target: Path) -> None:
    """SQLite's own backup: a consistent copy, whoever writes meanwhile."""
    with closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as here, closing(sqlite3.connect(target)) as copy:
        here.backup(copy, pages=2_000)
        copy.execute("PRAGMA journal_mode=DELETE")
    os.chmod(target, 0o600)


def _run(program: str, url: URL, arguments: list[str], binaries: Path | None) -> None:
    """PostgreSQL's own program; the password goes by the environment, where no list of processes shows it."""
    found = str(binaries / program) if binaries is not None else shutil.which(program)
    if found is None:
        raise Refused(f"{program} is not installed. It comes with PostgreSQL's client programs (Debian: postgresql-client).")
    where = {"PGDATABASE": url.database, "PGUSER": url.username, "PGPASSWORD": url.password, "PGPORT": str(url.port or "")}
    host = url.host or url.query.get("host")
    where["PGHOST"] = host if isinstance(host, str) else None
    environment = {"PATH": os.defpath, "LC_ALL": "C", **{name: value for name, value in where.items() if value}}
    done = subprocess.run([found, *arguments], capture_output=True, text=True, env=environment, check=False)  # noqa: S603
    if done.returncode:
        raise Refused(f"{program} failed: {done.stderr.strip()[:500]}")


def _checked(folder: Path) -> dict[str, Any]:
    """The manifest of a backup whose every file is as it was. Raises Refused."""
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text("utf-8"))
        files: dict[str, str] = manifest["files"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Refused(f"{folder} is no backup: it has no readable {MANIFEST}.") from error
    for name, kept in files.items():
        path = folder / name
        if ".." in Path(name).parts or Path(name).is_absolute() or not path.is_file():
            raise Refused(f"The backup is not whole: {name} is missing.")
        if _hash(path) != kept:
            raise Refused(f"The backup is damaged: {name} is not what it was.")
    if NAMES.get(str(manifest.get("database"))) not in files:
        raise Refused("The backup is not whole: its database is missing.")
    return manifest


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
