"""The demo as `traveloure demo` builds it: no key and no token, so every stand-in is there with its page."""

from __future__ import annotations

import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from channels import demo
from channels.main import build, web
from channels.settings import Settings
from channels.web.serve import server
from tests import market
from tests.channels.conftest import wait_for
from tests.stories.conftest import Running


@contextmanager
def playing(migrated_sqlite: Path, folder: Path) -> Iterator[Running]:
    """A house with the small market and the demo's people on a port of its own, until the block ends."""
    shutil.copy(migrated_sqlite, folder / "traveloure.db")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = Settings(_env_file=None, TRAVELOURE_DATA=folder, PORT=port)  # type: ignore[call-arg]
    house = build(settings)
    market.load(house.engine, folder)
    demo.ensure_people(house.engine)
    door = server(house, web(house, pace=0.0, phone=True), log_level="error")
    thread = threading.Thread(target=door.run, daemon=True)
    thread.start()
    try:
        wait_for(lambda: door.started, 30)
        yield Running(house, settings.base_url)
    finally:
        door.should_exit = True
        thread.join(20)
        house.close()
        assert not thread.is_alive(), "the server did not stop"
