"""A real Chromium on real pages; what the machine cannot provide is skipped with its reason."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, sync_playwright

from tests.channels.conftest import Live
from tests.played import playing

ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
]


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def press(label: str, verb: str = "say", **more: Any) -> dict[str, Any]:
    return {"label": label, "literal": True, "press": {"verb": verb, "params": {"text": label}}, **more}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Not for the whole session: while Playwright is up its event loop runs, and no other test could run one."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        try:
            started = playwright.chromium.launch(executable_path=path, args=ARGS)
        except Error as error:
            if os.environ.get("TRAVELOURE_NOTHING_SKIPPED"):
                raise
            pytest.skip(f"no Chromium here: {error.message.splitlines()[0]}")
        yield started
        started.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Open a page in a fresh profile; the test fails when the page logs an error nobody expected."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_page(
        url: str, *, context: BrowserContext | None = None, offline_ok: bool = False, cookies: Any = None, **options: Any
    ) -> Page:
        made = context or browser.new_context(**{"reduced_motion": "reduce", **options})
        made.set_default_timeout(10_000)
        if cookies:
            made.add_cookies(cookies)
        if made not in contexts:
            contexts.append(made)
        page = made.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        if not offline_ok:
            page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.goto(url)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def remember(page: Page, live: Live, session: dict[str, str], site: str = "demo") -> None:
    """Put a chat session into the browser as if it had been here before."""
    page.evaluate("([key, value]) => localStorage.setItem(key, value)", [f"traveloure:{live.url}:{site}", json.dumps(session)])


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Callable[[str, str], str]]:
    """Serve one HTML page with its own policy on another port; `localhost` against 127.0.0.1 is another site."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    servers: list[ThreadingHTTPServer] = []

    def serve(html: str, policy: str) -> str:
        class Handler(SimpleHTTPRequestHandler):
            def end_headers(self) -> None:
                self.send_header("content-security-policy", policy)
                super().end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        (folder / "index.html").write_text(html, encoding="utf-8")
        (folder / "favicon.ico").write_bytes(b"")
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
        Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://localhost:{server.server_address[1]}/"

    yield serve
    for one in servers:
        one.shutdown()
        one.server_close()


@pytest.fixture
def demo_house(migrated_sqlite: Path, tmp_path: Path) -> Iterator[str]:
    """As `traveloure demo` builds it: no token, so the stand-ins with their pages."""
    with playing(migrated_sqlite, tmp_path) as running:
        yield running.url
