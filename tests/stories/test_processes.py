"""Two processes on one PostgreSQL: one serves pages, the other does the work; the page is told at once, word by word."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from core.db import Database
from core.migrate import upgrade
from tests.sandbox import open_socket

ROOT = Path(__file__).parents[2]
SOON = 12.0  # seconds; a page that nobody wakes looks by itself after 15


@contextmanager
def process(log: Path, environment: dict[str, str], *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as out:
        started = subprocess.Popen([sys.executable, "-m", "channels.cli", *arguments], cwd=ROOT, env=environment, stdout=out, stderr=out)
    try:
        yield started
    finally:
        started.terminate()
        started.wait(20)


def wait_until_ready(base: str, log: Path) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            if httpx.get(f"{base}/readyz", timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError(log.read_text())


@pytest.mark.postgresql
@pytest.mark.slow
def test_a_page_of_one_process_hears_the_answer_of_another(postgres: Any, tmp_path: Path) -> None:
    url = postgres.fresh()
    database = Database(url)
    upgrade(database)
    database.close()
    listener = open_socket()
    port = listener.getsockname()[1]
    listener.close()
    environment = {**os.environ, "DATABASE_URL": url, "PORT": str(port), "TRAVELOURE_DATA": str(tmp_path), "PYTHONPATH": str(ROOT)}
    base = f"http://127.0.0.1:{port}"
    web, work = tmp_path / "web.log", tmp_path / "work.log"
    with process(web, environment, "serve", "--no-worker"), process(work, environment, "worker"):
        wait_until_ready(base, web)
        opened = httpx.post(f"{base}/chat/v1/session", json={"locale": "en"}, timeout=10).json()
        headers = {"authorization": f"Bearer {opened['token']}"}
        kinds: list[str] = []
        with httpx.stream("GET", f"{base}/chat/v1/events", headers=headers, timeout=30) as page:
            said = 0.0
            for line in page.iter_lines():
                if not line.startswith("event: "):
                    continue
                kinds.append(line.removeprefix("event: "))
                if kinds[-1] == "ready":
                    body = {"id": uuid.uuid4().hex, "text": "hello"}
                    assert httpx.post(f"{base}/chat/v1/messages", json=body, headers=headers, timeout=10).status_code == 202
                    said = time.monotonic()
                if "delta" in kinds and kinds[-1] == "message":
                    break
        assert time.monotonic() - said < SOON, (kinds, web.read_text(), work.read_text())
        assert "typing" in kinds, "what lives for a moment comes across as well"
