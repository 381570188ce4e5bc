"""A whole house with its Telegram: the stand-in on a port of its own, the real client, the worker, a market and its people."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from channels import demo
from channels.house import House
from channels.main import build, web
from channels.sandbox.telegram.app import TelegramSandbox
from channels.sandbox.telegram.world import Person, World, labels, shown_text
from channels.settings import Settings
from channels.web.serve import server
from core import identities
from tests import market
from tests.channels.conftest import wait_for
from tests.sandbox import open_socket, serving

TOKEN = "123456789:AAE-tests-tests-tests-tests-tests"
SECRET = "s" * 40


@dataclass
class Town:
    """The running house, Telegram's side of it, and short ways to talk."""

    house: House
    url: str
    world: World
    sandbox: TelegramSandbox

    def meet(self, name: str, text: str = "/start") -> Person:
        """Somebody who has just started the bot and read its welcome."""
        person = self.world.person(name)
        self.world.say(person, text)
        self.world.inbox(person, "assistant")
        return person

    def link(self, account_id: str, name: str, conversation_id: str = "") -> Person:
        """Somebody whose chat belongs to this account."""
        person = self.world.person(name)
        self.world.start(person, identities.invite(self.house.engine, account_id, conversation_id=conversation_id))
        self.world.inbox(person, "is linked to")
        return person

    def ask(self, who: Any, text: str, expect: Any = "", **more: Any) -> dict[str, Any]:
        """Say it and wait for the bot's next message (that holds `expect`)."""
        after = max((one["message_id"] for one in self.world.sent(more.get("chat") or who)), default=0)
        said = self.world.say(who, text, **more)
        return self.world.inbox(more.get("chat") or who, expect, after=max(after, said))

    def press(self, who: Any, label: str, expect: Any = None, *, chat: Any = None) -> Any:
        """Press the newest button that begins so; waits for a new message where `expect` says which."""
        here = chat or who
        message = next(one for one in reversed(self.world.sent(here)) if any(text.startswith(label) for text in labels(one)))
        after = self.world.chats[here.id].last_id
        query = self.world.press(who, message["message_id"], label, chat=chat)
        return self.world.answer_to(query) if expect is None else self.world.inbox(here, expect, after=after)

    def texts(self, who: Any) -> list[str]:
        return [shown_text(one) for one in self.world.sent(who)]

    def url_of(self, message: dict[str, Any]) -> str:
        return next(one["url"] for row in message["reply_markup"]["inline_keyboard"] for one in row if "url" in one)


def reference_in(text: str) -> str:
    match = re.search(r"TRV-[0-9A-Z]{6}", text)
    assert match is not None, text
    return match[0]


@contextmanager
def town(data: Path, *, database_url: str = "", webhook: bool = False, world: World | None = None) -> Iterator[Town]:
    """Polling, or a webhook with its secret. The Bot API's own rules are the stand-in's."""
    world = world or World(TOKEN)
    sandbox = TelegramSandbox(world, repeat_after=0.1)
    listener = open_socket()
    api = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = Settings(  # type: ignore[call-arg]
        _env_file=None,
        TRAVELOURE_DATA=data,
        PORT=port,
        DATABASE_URL=database_url,
        TELEGRAM_BOT_TOKEN=TOKEN,
        TELEGRAM_API_URL=api,
        **({"TELEGRAM_WEBHOOK_SECRET": SECRET} if webhook else {}),
    )
    house = build(settings)
    market.load(house.engine, data)
    demo.ensure_people(house.engine)
    with serving(sandbox, listener), _courier(sandbox, on=webhook):
        door = server(house, web(house, pace=0.0), log_level="error")
        thread = threading.Thread(target=door.run, daemon=True)
        thread.start()
        try:
            wait_for(lambda: door.started, 30)
            wait_for(lambda: world.webhook["url"] or any(method.lower() == "setmycommands" for method, _, _ in world.log), 15)
            yield Town(house, settings.base_url, world, sandbox)
        finally:
            door.should_exit = True
            thread.join(20)
            house.close()
            assert not thread.is_alive(), "the server did not stop"


@contextmanager
def _courier(sandbox: TelegramSandbox, *, on: bool) -> Iterator[None]:
    """Telegram's own deliveries to the webhook, in a thread of theirs."""
    import asyncio

    if not on:
        yield
        return
    loop = asyncio.new_event_loop()
    task = loop.create_task(sandbox.run())
    thread = threading.Thread(target=lambda: _until_cancelled(loop, task), daemon=True)
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(10)
        loop.close()


def _until_cancelled(loop: Any, task: Any) -> None:
    import asyncio
    import contextlib

    with contextlib.suppress(asyncio.CancelledError):
        loop.run_until_complete(task)
