"""A whole house with a mail server: ours, over real SMTP on a port of its own, and the people who answer their letters."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from channels import demo
from channels.house import House
from channels.main import build, web
from channels.sandbox.mail.post import Kept, Post
from channels.settings import Settings
from channels.web.serve import server
from tests import market
from tests.channels.conftest import wait_for

SECRET = "m" * 32


@contextmanager
def post_office(post: Post) -> Iterator[int]:
    """The SMTP server in a thread; yields its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    loop = asyncio.new_event_loop()
    task = loop.create_task(post.run(listener))

    def run() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            loop.run_until_complete(task)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(10)
        loop.close()
        listener.close()


@dataclass
class Town:
    """The running house and its post."""

    house: House
    url: str
    post: Post

    def letter(self, to: str, subject: str, *, after: int = 0, seconds: float = 20) -> Kept:
        """The newest letter to somebody with these words in its subject; waits for it."""

        def look() -> Kept | None:
            found = [one for one in list(self.post.letters) if one.recipient == to and subject in str(one.message["subject"])]
            return found[-1] if found and found[-1].number > after else None

        return wait_for(look, seconds)  # type: ignore[no-any-return]

    def answer(self, kept: Kept, text: str, **more: str) -> str:
        """Answer a letter; returns what the house said to the mail server."""
        headers = {name.replace("_", "-"): value for name, value in more.items() if name != "sender"}
        return asyncio.run(self.post.answer(kept.number, text, sender=more.get("sender", ""), headers=headers))

    def after(self, do: Callable[[], object], to: str, subject: str) -> Kept:
        """What somebody gets because of what is done now."""
        before = self.post.count
        do()
        return self.letter(to, subject, after=before)


@contextmanager
def town(data: Path, *, database_url: str = "") -> Iterator[Town]:
    post = Post(secret=SECRET)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    post.inbound = f"http://127.0.0.1:{port}/webhooks/mail"
    with post_office(post) as smtp:
        settings = Settings(  # type: ignore[call-arg]
            _env_file=None,
            TRAVELOURE_DATA=data,
            PORT=port,
            DATABASE_URL=database_url,
            SMTP_URL=f"smtp://127.0.0.1:{smtp}",
            MAIL_FROM="Traveloure <trips@house.example>",
            MAIL_WEBHOOK_SECRET=SECRET,
        )
        house = build(settings)
        market.load(house.engine, data)
        demo.ensure_people(house.engine)
        door = server(house, web(house, pace=0.0), log_level="error")
        thread = threading.Thread(target=door.run, daemon=True)
        thread.start()
        try:
            wait_for(lambda: door.started, 30)
            yield Town(house, settings.base_url, post)
        finally:
            door.should_exit = True
            thread.join(20)
            house.close()
            assert not thread.is_alive(), "the server did not stop"


def text_of(kept: Kept) -> str:
    body = kept.message.get_body(preferencelist=("plain",))
    assert body is not None
    return str(body.get_content())


def files_of(kept: Kept) -> dict[str, bytes]:
    return {str(part.get_filename()): part.get_payload(decode=True) for part in kept.message.iter_attachments()}  # type: ignore[misc]
