"""One workspace: people, channels, messages, modals, and what is on its way to the app. Tests and the page in the browser play the people."""

from __future__ import annotations

import asyncio
import copy
import json
import re
import secrets
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
TRIGGER_LIFE = 3.0
RETRIES = 3


class Refusal(Exception):
    """An error of the Web API."""

    def __init__(self, error: str, messages: Sequence[str] = ()) -> None:
        super().__init__(error)
        self.error = error
        self.messages = list(messages)


@dataclass(slots=True)
class Member:
    id: str
    name: str
    team: str
    ephemerals: list[Json] = field(default_factory=list)
    modals: list[Json] = field(default_factory=list)  # opened for them, the newest last
    home: Json | None = None


@dataclass(slots=True)
class Channel:
    id: str
    kind: str  # channel, im
    name: str
    members: set[str] = field(default_factory=set)
    messages: dict[str, Json] = field(default_factory=dict)


@dataclass(slots=True)
class Delivery:
    """Something on its way to the app. `answer` is the body it was acknowledged with; events are repeated, nothing else is."""

    kind: str  # events_api, interactive, slash_commands
    payload: Json
    id: str
    attempt: int = 0
    reason: str = ""
    due: float = 0.0
    answer: Json | None = None
    status: int = 0
    done: threading.Event = field(default_factory=threading.Event)


@dataclass(slots=True)
class Fault:
    """What the next call of a method suffers: an error by name, a 429 (`retry_after`), an HTTP status, or a pause of `seconds`
    (the call is done before it or not)."""

    error: str = ""
    retry_after: float = 0.0
    status: int = 0
    seconds: float = 0.0
    done: bool = True


class World:
    """`clock` returns Unix seconds; `url` is where events go while no socket is open; `repeat_after` the pause before a repetition."""

    def __init__(
        self,
        *,
        bot_token: str,
        app_token: str = "",
        signing_secret: str = "",
        team_id: str = "T0000TEST",
        clock: Callable[[], float] = time.time,
        ack_within: float = 3.0,
        repeat_after: float = 0.2,
    ) -> None:
        self.bot_token, self.app_token, self.signing_secret = bot_token, app_token, signing_secret
        self.team_id, self.team_name = team_id, "Test workspace"
        self.app_id, self.bot_id = "A0000TEST", "B0000TEST"
        self.clock = clock
        self.ack_within, self.repeat_after = ack_within, repeat_after
        self.url = ""
        self.lock = threading.RLock()
        self.people: dict[str, Member] = {}
        self.channels: dict[str, Channel] = {}
        self.bot = Member("U0000BOT", "traveloure", team_id)
        self.people[self.bot.id] = self.bot
        self.views: dict[str, Json] = {}
        self.triggers: dict[str, float] = {}
        self.files: dict[str, tuple[Json, bytes]] = {}
        self.hooks: dict[str, tuple[Json, str]] = {}  # response_url -> (message, presser)
        self.prompts: list[Json] = []
        self.statuses: list[Json] = []
        self.faults: dict[str, deque[Fault]] = defaultdict(deque)
        self.log: list[tuple[str, Json, str]] = []  # (method, parameters, "" or the error)
        self.delivered: list[tuple[str, str, int, int]] = []  # (kind, id, attempt, status)
        self.sockets = 0
        self.pending: list[Delivery] = []
        self._history: dict[str, Delivery] = {}
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
        self._numbers = 1000
        self._last_ts = 0

    # people and places

    def _id(self, letter: str) -> str:
        self._numbers += 1
        return f"{letter}{self._numbers:08d}"

    def person(self, name: str, *, team: str = "") -> Member:
        with self.lock:
            made = Member(self._id("U"), name, team or self.team_id)
            self.people[made.id] = made
            return made

    def channel(self, name: str, *members: Member, bot: bool = True) -> Channel:
        with self.lock:
            made = Channel(self._id("C"), "channel", name, {one.id for one in members} | ({self.bot.id} if bot else set()))
            self.channels[made.id] = made
            return made

    def dm(self, who: Member) -> Channel:
        """The direct messages of somebody and the bot; made at the first look."""
        with self.lock:
            found = next((one for one in self.channels.values() if one.kind == "im" and who.id in one.members), None)
            if found is None:
                found = Channel(self._id("D"), "im", "", {who.id, self.bot.id})
                self.channels[found.id] = found
            return found

    def ts(self) -> str:
        now = int(self.clock() * 1_000_000)
        self._last_ts = max(self._last_ts + 1, now)
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"

    # what people do

    def post(
        self, who: Member, text: str, *, channel: Channel | None = None, thread: str = "", files: Sequence[Json] = (), **more: Any
    ) -> str:
        """Somebody writes, to the bot where no channel is given; returns the message's ts."""
        with self.lock:
            here = channel or self.dm(who)
            if who.id not in here.members:
                raise ValueError(f"{who.name} is not in {here.name}")
            message: Json = {"type": "message", "user": who.id, "text": self.written(text), "ts": self.ts(), "team": who.team, **more}
            message["client_msg_id"] = secrets.token_hex(8)
            if files:
                message |= {"subtype": "file_share", "files": list(files)}
            self._keep(here, message, thread)
            self._announce(here, message)
            return str(message["ts"])

    def written(self, text: str) -> str:
        """As Slack hands it on: escaped, mentions and addresses in angle brackets."""
        text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        text = re.sub(rf"@{self.bot.name}\b", f"<@{self.bot.id}>", text)
        text = re.sub(r"\bhttps?://[^\s<>|]+", lambda m: f"<{m[0]}>", text)
        return re.sub(r"(?<![\w/:])[\w.+-]+@[\w-]+\.[\w.]+", lambda m: f"<mailto:{m[0]}|{m[0]}>", text)

    def attach(self, who: Member, name: str, data: bytes, text: str = "") -> str:
        file_id = self._id("F")
        info = {"id": file_id, "name": name, "size": len(data), "mode": "hosted"}
        self.files[file_id] = (info, data)
        return self.post(who, text, files=[info])

    def edit(self, who: Member, ts: str, text: str, *, channel: Channel | None = None) -> None:
        with self.lock:
            here = channel or self.dm(who)
            before = copy.deepcopy(here.messages[ts])
            here.messages[ts] |= {"text": self.written(text), "edited": {"user": who.id, "ts": self.ts()}}
            event = {"type": "message", "subtype": "message_changed", "hidden": True, "ts": self.ts(), "channel": here.id}
            self.event({**event, "message": copy.deepcopy(here.messages[ts]), "previous_message": before})

    def click(self, who: Member, message: Json, label: str, *, channel: Channel | None = None) -> Delivery:
        """Press a button of a message as it is shown to them, or of an older picture of it."""
        with self.lock:
            here = channel or self.dm(who)
            found = [one for one in buttons(message) if one["text"]["text"].startswith(label)]
            if not found:
                raise ValueError(f"no button {label!r} among {labels(message)}")
            hook = self._hook(message, who)
            container = {"type": "message", "message_ts": message["ts"], "channel_id": here.id, "is_ephemeral": False}
            if message.get("thread_ts"):
                container["thread_ts"] = message["thread_ts"]
            action = {
                "type": "button",
                "block_id": "b",
                "action_ts": self.ts(),
                **{k: found[0].get(k) for k in ("action_id", "value", "text")},
            }
            payload = {
                **self._who(who),
                "type": "block_actions",
                "container": container,
                "channel": {"id": here.id, "name": here.name or "directmessage"},
                "message": copy.deepcopy(message),
                "actions": [action],
                "trigger_id": self._trigger(),
                "response_url": hook,
            }
            return self._send("interactive", payload, str(action["action_ts"]))

    def submit(self, who: Member, values: Mapping[str, str], *, view: Json | None = None) -> Delivery:
        """Fill the modal that is open before them and send it; the defaults stay where nothing else is said."""
        with self.lock:
            shown = view or who.modals[-1]
            state: Json = {}
            for block in shown["blocks"]:
                if block["type"] == "input":
                    one = block["element"]
                    state[block["block_id"]] = {one["action_id"]: _filled(one, values.get(block["block_id"]))}
            sent = {**copy.deepcopy(shown), "state": {"values": state}}
            return self._send("interactive", {**self._who(who), "type": "view_submission", "view": sent}, f"{shown['id']}-{shown['hash']}")

    def command(self, who: Member, text: str, *, channel: Channel | None = None) -> Delivery:
        with self.lock:
            here = channel or self.dm(who)
            payload = {
                "command": "/traveloure",
                "text": text,
                "team_id": who.team,
                "team_domain": "test",
                "channel_id": here.id,
                "channel_name": here.name or "directmessage",
                "user_id": who.id,
                "user_name": who.name.lower().replace(" ", "."),
                "trigger_id": self._trigger(),
                "api_app_id": self.app_id,
                "response_url": self._hook({}, who),
            }
            return self._send("slash_commands", payload, payload["trigger_id"])

    def open_assistant(self, who: Member) -> str:
        """A new thread with the assistant; returns its ts, which what is written there carries as thread_ts."""
        with self.lock:
            here = self.dm(who)
            root: Json = {"type": "message", "user": self.bot.id, "bot_id": self.bot_id, "ts": self.ts(), "text": "New Assistant Thread"}
            root |= {"subtype": "assistant_app_thread"}
            self._keep(here, root, "")
            thread = {"user_id": who.id, "channel_id": here.id, "thread_ts": root["ts"], "context": {}}
            self.event({"type": "assistant_thread_started", "assistant_thread": thread, "event_ts": root["ts"]})
            return str(root["ts"])

    def open_home(self, who: Member) -> Delivery:
        return self.event({"type": "app_home_opened", "user": who.id, "channel": self.dm(who).id, "tab": "home", "event_ts": self.ts()})

    def uninstall(self) -> Delivery:
        return self.event({"type": "app_uninstalled"})

    # what people see

    def sent(self, channel: Channel, *, thread: str | None = None) -> list[Json]:
        """The bot's messages there, the oldest first; with `thread` only those in it."""
        with self.lock:
            return [
                copy.deepcopy(one)
                for one in channel.messages.values()
                if one["user"] == self.bot.id and "subtype" not in one and (thread is None or one.get("thread_ts") == thread)
            ]

    def see(
        self,
        channel: Channel,
        match: Callable[[Json], bool] | str = "",
        *,
        after: str = "",
        thread: str | None = None,
        timeout: float = 10.0,
    ) -> Json:
        """Wait for a message of the bot that matches (or whose text holds `match`)."""
        until = time.monotonic() + timeout
        while True:
            for one in self.sent(channel, thread=thread):
                if one["ts"] > after and (match in shown_text(one) if isinstance(match, str) else match(one)):
                    return one
            if time.monotonic() > until:
                raise AssertionError(f"no such message among {[shown_text(one)[:160] for one in self.sent(channel)][-6:]}")
            time.sleep(0.01)

    def again(self, delivery_id: str) -> Delivery:
        """Deliver an event a second time, as Slack does where the acknowledgement was lost."""
        with self.lock:
            first = self._history[delivery_id]
            return self._send(first.kind, copy.deepcopy(first.payload), first.id, attempt=1, reason="http_timeout")

    def fail(self, method: str, *faults: Fault) -> None:
        """The next calls of this method suffer these, first come first served."""
        with self.lock:
            self.faults[method].extend(faults)

    # inside

    def _who(self, who: Member) -> Json:
        return {
            "team": {"id": self.team_id, "domain": "test"},
            "user": {"id": who.id, "name": who.name.lower().replace(" ", "."), "username": who.name, "team_id": who.team},
            "api_app_id": self.app_id,
            "token": "unused",
            "is_enterprise_install": False,
        }

    def _trigger(self) -> str:
        made = f"{self._numbers}.{self.ts()}.{secrets.token_hex(8)}"
        self.triggers[made] = self.clock()
        return made

    def _hook(self, message: Json, who: Member) -> str:
        made = f"/hooks/{secrets.token_urlsafe(12)}"
        self.hooks[made] = (message, who.id)
        return made

    def _keep(self, here: Channel, message: Json, thread: str) -> None:
        if thread:
            root = here.messages.get(thread)
            if root is None:
                raise Refusal("thread_not_found")
            message["thread_ts"] = thread
            message["parent_user_id"] = root["user"]
            root["thread_ts"] = thread
            root["reply_count"] = root.get("reply_count", 0) + 1
        here.messages[message["ts"]] = message

    def _announce(self, here: Channel, message: Json) -> None:
        """The app sees what is written where it is a member; a mention twice, under one ts."""
        if self.bot.id not in here.members:
            return
        event = {**copy.deepcopy(message), "channel": here.id, "event_ts": message["ts"]}
        self.event({**event, "channel_type": here.kind})
        if f"<@{self.bot.id}>" in message["text"] and here.kind != "im" and message["user"] != self.bot.id:
            self.event({**event, "type": "app_mention"})

    def by_bot(self, here: Channel, body: Mapping[str, Any], thread: str) -> Json:
        """A message of the bot; it comes back to the app as an event, as on Slack."""
        message: Json = {"type": "message", "user": self.bot.id, "bot_id": self.bot_id, "ts": self.ts(), "team": self.team_id, **body}
        self._keep(here, message, thread)
        self._announce(here, message)
        return message

    def event(self, event: Json) -> Delivery:
        payload = {
            "type": "event_callback",
            "token": "unused",
            "team_id": self.team_id,
            "api_app_id": self.app_id,
            "event": event,
            "event_id": f"Ev{secrets.token_hex(6).upper()}",
            "event_time": int(self.clock()),
            "authorizations": [{"team_id": self.team_id, "user_id": self.bot.id, "is_bot": True}],
        }
        with self.lock:
            return self._send("events_api", payload, str(payload["event_id"]))

    def _send(self, kind: str, payload: Json, delivery_id: str, *, attempt: int = 0, reason: str = "") -> Delivery:
        made = Delivery(kind, payload, delivery_id, attempt=attempt, reason=reason)
        self._history[delivery_id] = made
        self.pending.append(made)
        self._wake()
        return made

    def settle(self, one: Delivery, status: int, answer: Json | None = None, *, no_retry: bool = False) -> None:
        """The app has answered (0: it has not). Events that were not taken come again, with the same id."""
        with self.lock:
            self.delivered.append((one.kind, one.id, one.attempt, status))
            one.status, one.answer = status, answer
            taken = 200 <= status < 300
            if not taken and one.kind == "events_api" and one.attempt < RETRIES and not no_retry:
                one.attempt, one.reason = one.attempt + 1, "http_timeout" if not status else "http_error"
                one.due = time.monotonic() + self.repeat_after * (0 if one.attempt == 1 else 4 ** (one.attempt - 2))
                self.pending.append(one)
                self._wake()
                return
            if taken and one.payload.get("type") == "view_submission":
                self._closed(one)
            one.done.set()

    def _closed(self, one: Delivery) -> None:
        who = self.people[one.payload["user"]["id"]]
        if (one.answer or {}).get("response_action") != "errors":
            who.modals = [view for view in who.modals if view["id"] != one.payload["view"]["id"]]
            return
        for view in who.modals:
            if view["id"] == one.payload["view"]["id"]:
                view["errors"] = (one.answer or {})["errors"]
                view["hash"] = self.ts() + secrets.token_hex(2)

    def take(self) -> list[Delivery]:
        """What is due now; for whoever carries it to the app."""
        with self.lock:
            now = time.monotonic()
            due = [one for one in self.pending if one.due <= now]
            self.pending = [one for one in self.pending if one.due > now]
            return due

    def _wake(self) -> None:
        for loop, event in list(self._waiting):
            if not loop.is_closed():
                loop.call_soon_threadsafe(event.set)

    def wait(self) -> tuple[asyncio.AbstractEventLoop, asyncio.Event]:
        """An event of the running loop that is set when something is to be delivered."""
        pair = (asyncio.get_running_loop(), asyncio.Event())
        with self.lock:
            self._waiting.append(pair)
        return pair

    def waited(self, pair: tuple[asyncio.AbstractEventLoop, asyncio.Event]) -> None:
        with self.lock:
            self._waiting.remove(pair)


def _filled(element: Mapping[str, Any], value: str | None) -> Json:
    kind = element["type"]
    if kind == "datepicker":
        return {"type": kind, "selected_date": value or element.get("initial_date")}
    if kind == "static_select":
        chosen = next((one for one in element["options"] if one["value"] == value), element.get("initial_option"))
        return {"type": kind, "selected_option": chosen}
    if kind == "checkboxes":
        return {"type": kind, "selected_options": list(element["options"]) if value else []}
    return {"type": kind, "value": value if value is not None else element.get("initial_value")}


def buttons(message: Mapping[str, Any]) -> list[Json]:
    return [
        one for block in message.get("blocks", ()) if block["type"] == "actions" for one in block["elements"] if one["type"] == "button"
    ]


def labels(message: Mapping[str, Any]) -> list[str]:
    return [one["text"]["text"] for one in buttons(message)]


def shown_text(message: Mapping[str, Any]) -> str:
    """What is read of a message: its blocks, else its text; without the escapes and marks."""
    lines = []
    for block in message.get("blocks", ()):
        if block.get("text"):
            lines.append(block["text"]["text"])
        lines += [one["text"] for one in block.get("elements", ()) if one["type"] in ("mrkdwn", "plain_text")]
    text = "\n".join(lines) or str(message.get("text") or "")
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def dumps(body: Any) -> str:
    return json.dumps(body, separators=(",", ":"))
