"""The composition root: settings in, a house out. The only file that chooses parts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from channels.bus import Bus
from channels.settings import Settings
from core.db import Database
from core.engine import Engine
from core.payments.gateway import Gateway
from core.settings import Rules


@dataclass(frozen=True, slots=True)
class House:
    """Everything a door needs, handed in. Built once a process."""

    settings: Settings
    engine: Engine
    bus: Bus


def now() -> datetime:
    return datetime.now(UTC)


def build(settings: Settings, gateway: Gateway) -> House:
    """Open the database and wire the parts. The schema must be there already (`core.migrate.upgrade`)."""
    database = Database(settings.database)
    bus = Bus()
    database.listen(bus.announced)
    rules = replace(Rules(), public_url=settings.base_url)
    return House(settings, Engine(db=database, gateway=gateway, clock=now, rules=rules), bus)
