"""The demo marketplace and its people: loaded once, through the same importer everybody uses."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from core import catalogue_files, people
from core.catalogue_files.report import Progress
from core.db import Database
from core.engine import Engine
from core.schema import product, provider


@dataclass(frozen=True, slots=True)
class DemoPerson:
    account_id: str
    role: str
    name: str
    page: str


PEOPLE = (
    DemoPerson("demo-provider", "provider", "Marta (demo provider)", "/provider"),
    DemoPerson("demo-expert", "expert", "Jonas (demo travel expert)", "/desk"),
    DemoPerson("demo-operator", "operator", "Ines (demo operator)", "/ops"),
)


def is_empty(database: Database) -> bool:
    with database.read() as tx:
        return tx.execute(select(product.c.id).limit(1)).first() is None


def load_marketplace(engine: Engine, progress: Progress) -> catalogue_files.Report:
    """Import the demo files; the report says what is wrong where they were changed and do not fit any more."""
    return catalogue_files.import_files(engine.db, [catalogue_files.DEMO], engine.clock(), progress=progress)


def ensure_people(engine: Engine) -> None:
    """The demo provider answers for every provider, so that whatever is requested, somebody can say yes."""
    now = engine.clock()
    with engine.db.write() as tx:
        for person in PEOPLE:
            people.ensure_account(tx, now, person.account_id, name=person.name, email=f"{person.role}@demo.example")
            if person.role != "provider":
                people.grant(tx, person.account_id, person.role)
        for row in tx.execute(select(provider.c.id)).all():
            people.grant(tx, "demo-provider", "provider", row.id)


def sign_in_links(engine: Engine, base_url: str) -> list[tuple[str, str]]:
    """(who, link) for each demo person; every link works once, within a day."""
    return [(person.name, f"{base_url}/signin/{people.sign_in_link(engine, person.account_id)}") for person in PEOPLE]
