"""A whole house with its Slack: the stand-in on a port of its own, the real Bolt and client, the worker, a market and its people."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from channels import demo
from channels.house import House
from channels.main import build, web
from channels.sandbox.slack.app import SlackSandbox
from channels.sandbox.slack.world import Channel, Delivery, Member, World, labels, shown_text
from channels.settings import Settings
from channels.web.serve import server
from core import identities
from tests import market
from tests.channels.conftest import wait_for
from tests.sandbox import open_socket

BOT, APP, SECRET = "xoxb-tests-tests", "xapp-tests-tests", "s" * 32


@dataclass
class Office:
    """The running house, Slack's side of it, and short ways to talk."""

    house: House
    url: str
    world: World
    sandbox: SlackSandbox

    def meet(self, name: str, text: str = "Hello") -> Member:
        """Somebody who has written to the bot and read its welcome."""
        person = self.world.person(name)
        self.world.post(person, text)
        self.world.see(self.world.dm(person), "assistant, a computer program")
        wait_for(lambda: len(self.world.sent(self.world.dm(person))) > 1)
        return person

    def link(self, account_id: str, name: str) -> Member:
        """Somebody whose direct messages belong to this account."""
        person = self.world.person(name)
        self.world.command(person, f"link {identities.invite(self.house.engine, account_id)}")
        self.world.see(self.world.dm(person), "is linked to")
        return person

    def ask(self, who: Member, text: str, expect: Any = "", *, channel: Channel | None = None, thread: str = "") -> dict[str, Any]:
        """Say it and wait for the bot's next message (that holds `expect`)."""
        said = self.world.post(who, text, channel=channel, thread=thread)
        return self.world.see(channel or self.world.dm(who), expect, after=said)

    def press(self, who: Member, label: str, expect: Any = None, *, channel: Channel | None = None) -> Any:
        """Press the newest button that begins so; waits for a new message where `expect` says which, else for the acknowledgement."""
        here = channel or self.world.dm(who)
        found = wait_for(lambda: [one for one in self.world.sent(here) if any(text.startswith(label) for text in labels(one))])[-1]
        after = self.world.ts()
        done = self.world.click(who, found, label, channel=channel)
        if expect is not None:
            return self.world.see(here, expect, after=after)
        assert done.done.wait(10)
        return done

    def modal(self, who: Member, label: str) -> dict[str, Any]:
        """Press the button that opens a form, and look at the form."""
        before = len(who.modals)
        self.press(who, label)
        return wait_for(lambda: who.modals[-1] if len(who.modals) > before else None)

    def submit(self, who: Member, **values: str) -> Delivery:
        sent = self.world.submit(who, values)
        assert sent.done.wait(10)
        return sent

    def refused(self, who: Member, text: str) -> None:
        """They alone are told so."""
        wait_for(lambda: any(text in one["text"] for one in who.ephemerals))

    def texts(self, channel: Channel) -> list[str]:
        return [shown_text(one) for one in self.world.sent(channel)]

    def url_of(self, message: dict[str, Any]) -> str:
        blocks = [one for block in message["blocks"] if block["type"] == "actions" for one in block["elements"]]
        return str(next(one["url"] for one in blocks if one.get("url")))


@contextmanager
def serving_slack(world: World, *, http: bool = False) -> Iterator[SlackSandbox]:
    """The stand-in on a free port, with sockets, and its own deliveries over HTTP where there is none."""
    listener = open_socket()
    sandbox = SlackSandbox(world, base=f"http://127.0.0.1:{listener.getsockname()[1]}")
    config = uvicorn.Config(sandbox, log_level="critical", lifespan="off", ws="websockets-sansio", timeout_graceful_shutdown=1)
    it = uvicorn.Server(config)
    thread = threading.Thread(target=it.run, args=([listener],), daemon=True)
    thread.start()
    while not it.started:
        time.sleep(0.001)
    try:
        with _courier(sandbox, on=http):
            yield sandbox
    finally:
        it.should_exit = True
        thread.join(10)


@contextmanager
def _courier(sandbox: SlackSandbox, *, on: bool) -> Iterator[None]:
    if not on:
        yield
        return
    loop = asyncio.new_event_loop()
    task = loop.create_task(sandbox.run())

    def run() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            loop.run_until_complete(task)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(10)
        loop.close()


@contextmanager
def office(data: Path, *, database_url: str = "", http: bool = False, world: World | None = None) -> Iterator[Office]:
    """Socket Mode, or signed HTTP."""
    world = world or World(bot_token=BOT, app_token=APP, signing_secret=SECRET)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with serving_slack(world, http=http) as sandbox:
        settings = Settings(  # type: ignore[call-arg]
            _env_file=None,
            TRAVELOURE_DATA=data,
            PORT=port,
            DATABASE_URL=database_url,
            SLACK_BOT_TOKEN=BOT,
            SLACK_API_URL=sandbox.api.base,
            **({"SLACK_SIGNING_SECRET": SECRET} if http else {"SLACK_APP_TOKEN": APP}),
        )
        house = build(settings)
        market.load(house.engine, data)
        demo.ensure_people(house.engine)
        world.url = f"{settings.base_url}/webhooks/slack" if http else ""
        door = server(house, web(house, pace=0.0), log_level="error")
        thread = threading.Thread(target=door.run, daemon=True)
        thread.start()
        try:
            wait_for(lambda: door.started, 30)
            wait_for(lambda: http or world.sockets, 15)
            yield Office(house, settings.base_url, world, sandbox)
        finally:
            door.should_exit = True
            thread.join(20)
            house.close()
            assert not thread.is_alive(), "the server did not stop"
