"""A house: everything a door needs, handed in. `channels/main.py` builds it, the doors receive it."""

from __future__ import annotations

from dataclasses import dataclass

from channels.bus import Bus
from channels.settings import Settings
from core.engine import Engine


@dataclass(frozen=True, slots=True)
class House:
    """Everything a door needs, handed in. Built once a process."""

    settings: Settings
    engine: Engine
    bus: Bus

    def close(self) -> None:
        """Let go of the database and of the gateway's connections, at the end of the process."""
        self.engine.gateway.close()
        self.engine.db.close()
