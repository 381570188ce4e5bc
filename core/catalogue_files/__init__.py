"""Catalogue files: reading, checking, taking in and writing out what the marketplace sells. It knows nothing of who calls it.

`check` says what is wrong, `import_files` takes everything in or nothing, `export` writes what is on sale.
The format is described in docs/catalogue.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from core import schema
from core.catalogue_files import loading, writing
from core.catalogue_files.checking import cross_check
from core.catalogue_files.reading import read, take
from core.catalogue_files.report import Problem, Problems, Progress, Report, silent
from core.catalogue_files.spool import Spool
from core.catalogue_files.writing import Format
from core.db import Database
from core.errors import Invalid

DEMO = Path(__file__).parents[2] / "demo"
"""The demo marketplace's files, in the repository and beside the installed packages."""


def source_of(paths: Sequence[Path]) -> str:
    """The name of a set of files: that of its first folder or file, without the ending."""
    return (paths[0].resolve().stem if paths else "")[:60]


def check(
    paths: Sequence[Path],
    db: Database | None = None,
    *,
    source: str | None = None,
    limit: int = 50,
    progress: Progress = silent,
) -> Report:
    """Read and check without changing anything. With a database, files may refer to what is loaded already.

    At most `limit` problems are listed, all are counted. Whether new capacities fit what is sold only an import can tell.
    """
    problems = Problems(limit)
    with closing(Spool()) as spool:
        counts = read(paths, spool, problems, progress)
        cross_check(spool, problems, db, _source(paths, source), progress)
    return problems.report(counts)


def import_files(
    db: Database,
    paths: Sequence[Path],
    now: datetime,
    *,
    source: str | None = None,
    limit: int = 50,
    chunk: int = 200,
    progress: Progress = silent,
) -> Report:
    """Take the files in, all or nothing; where the report is not ok, nothing has changed.

    `source` names the set of files (by default after the first path): its products that the files no longer name are
    taken off sale, never deleted. Raises Busy while another import runs.
    """
    problems = Problems(limit)
    name = _source(paths, source)
    with loading.alone(db), closing(Spool()) as spool:
        counts = read(paths, spool, problems, progress)
        cross_check(spool, problems, db, name, progress)
        if problems.count:
            return problems.report(counts)
        tally = loading.load(db, spool, problems, source=name, now=now, chunk=chunk, progress=progress)
    report = problems.report(counts)
    if not report.ok:
        return report
    return replace(report, created=tally.created, changed=tally.changed, unchanged=tally.unchanged, unpublished=tally.unpublished)


def check_records(db: Database, records: Sequence[Mapping[str, Any]], *, source: str) -> Report:
    """What `check` says, of records that come from a form: each is what a line of a file would be, with its `type`."""
    problems = Problems(50)
    with closing(Spool()) as spool:
        counts = take([dict(one) for one in records], spool, problems)
        cross_check(spool, problems, db, source, silent)
    return problems.report(counts)


def import_records(db: Database, records: Sequence[Mapping[str, Any]], now: datetime, *, source: str) -> Report:
    """What `import_files` does, of records that come from a form. What was changed since by hand is what the records say again.

    Raises Busy while another import runs.
    """
    problems = Problems(50)
    with loading.alone(db), closing(Spool()) as spool:
        counts = take([dict(one) for one in records], spool, problems)
        cross_check(spool, problems, db, source, silent)
        if not problems.count:
            loading.forget_entries(db, [(str(one["type"]), str(one["id"])) for one in records])
            loading.load(db, spool, problems, source=source, now=now, chunk=200, progress=silent)
    return problems.report(counts)


@contextmanager
def as_if(db: Database, record: Mapping[str, Any], now: datetime) -> Iterator[Connection]:
    """A transaction in which a product's record (a checked one) is on sale already; it is rolled back. Raises Busy."""
    with closing(Spool()) as spool, db.write() as tx:
        trial = tx.begin_nested()
        try:
            take([dict(record)], spool, Problems(1))
            loading.apply_at_once(tx, spool, str(record["id"]), now)
            yield tx
        finally:
            trial.rollback()


def product_record(tx: Connection, product_id: str) -> dict[str, Any] | None:
    """A product as a line of a file would say it now, with what was changed by hand since; None where there is none."""
    return next((value for _, value in writing.products(tx, schema.product.c.id == product_id)), None)


def clean_leftovers(db: Database, now: datetime) -> int:
    """Remove what a run that died had written; returns how many products. Every import does it first. Raises Busy."""
    with loading.alone(db):
        return loading.clean_leftovers(db, now)


def export(db: Database, out: Path, form: Format = "jsonl", *, progress: Progress = silent) -> dict[str, int]:
    """Write what is on sale to `out`: a .jsonl file, or a folder of .csv files. Returns how many records of each type."""
    return writing.export(db, out, form, progress)


def _source(paths: Sequence[Path], source: str | None) -> str:
    name = source_of(paths) if source is None else source
    if not name or len(name) > 60 or name.startswith("~"):
        raise Invalid("source", "A source is named by 1 to 60 letters and does not start with ~.")
    return name


__all__ = [
    "DEMO",
    "Problem",
    "Progress",
    "Report",
    "as_if",
    "check",
    "check_records",
    "clean_leftovers",
    "export",
    "import_files",
    "import_records",
    "product_record",
    "source_of",
]
