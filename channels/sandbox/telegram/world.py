"""Telegram's side of things in memory: people, chats, messages, and the updates that wait for the bot.

People drive it (`say`, `start`, `press`, `edit`, `block` ...), the bot reaches it through api.py. Updates are snapshots: what
happens to a message later does not change what was pushed. Safe from any thread.
"""

from __future__ import annotations

import asyncio
import copy
import re
import secrets
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from channels.sandbox.telegram.markup import units

DEFAULT_UPDATES = ("message", "edited_message", "callback_query", "my_chat_member", "inline_query", "channel_post", "edited_channel_post")
Json = dict[str, Any]


class Refusal(Exception):
    """What the service answers instead of doing it."""

    def __init__(self, code: int, description: str, **parameters: Any) -> None:
        super().__init__(description)
        self.code, self.description, self.parameters = code, description, parameters


def bad(description: str) -> Refusal:
    return Refusal(400, f"Bad Request: {description}")


@dataclass(slots=True)
class Person:
    id: int
    name: str
    username: str
    language: str = "en"
    started: bool = False
    blocked: bool = False
    is_bot: bool = False

    def user(self) -> Json:
        made: Json = {"id": self.id, "is_bot": self.is_bot, "first_name": self.name, "language_code": self.language}
        return made | ({"username": self.username} if self.username else {})


@dataclass(slots=True)
class Chat:
    id: int
    kind: str  # private, group, supergroup
    title: str = ""
    forum: bool = False
    bot_in: bool = True
    bot_admin: bool = False
    members: set[int] = field(default_factory=set)
    topics: dict[int, Json] = field(default_factory=dict)  # thread id -> {"name", "closed"}
    messages: dict[int, Json] = field(default_factory=dict)
    last_id: int = 0

    def shown(self, person: Person | None) -> Json:
        if self.kind == "private" and person is not None:
            return {"id": self.id, "type": "private", "first_name": person.name, "username": person.username}
        return {"id": self.id, "type": self.kind, "title": self.title} | ({"is_forum": True} if self.forum else {})


@dataclass(slots=True)
class Fault:
    """What the next call of a method suffers: an error, or a pause of `seconds` (the call is done before it or not)."""

    code: int = 0
    description: str = ""
    seconds: float = 0.0
    done: bool = True
    parameters: Mapping[str, Any] = field(default_factory=dict)


class World:
    """One bot's Telegram. `clock` returns Unix seconds; `limits` turns the real sending limits on."""

    def __init__(
        self,
        token: str,
        *,
        username: str = "traveloure_bot",
        name: str = "Traveloure",
        clock: Callable[[], float] = time.time,
        limits: bool = False,
    ) -> None:
        self.token = token
        self.bot_id = int(token.partition(":")[0])
        self.username, self.name = username, name
        self.clock = clock
        self.limits = limits
        self.privacy = True
        self.lock = threading.RLock()
        self.people: dict[int, Person] = {}
        self.chats: dict[int, Chat] = {}
        self.updates: deque[Json] = deque()
        self.last_update = 100_000
        self.allowed: tuple[str, ...] = DEFAULT_UPDATES
        self.webhook: Json = {"url": "", "secret": "", "max_connections": 40, "last_error": "", "last_error_at": 0}
        self.callbacks: dict[str, Json] = {}
        self.files: dict[str, tuple[str, bytes]] = {}
        self.drafts: list[Json] = []
        self.actions: list[Json] = []
        self.faults: dict[str, deque[Fault]] = defaultdict(deque)
        self.log: list[tuple[str, Json, int]] = []  # (method, parameters, status)
        self.delivered: list[tuple[int, int]] = []  # webhook: (update id, status)
        self.sent_at: dict[int, deque[float]] = defaultdict(deque)
        self.commands: list[Json] = []
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
        self._next_person = 1000
        self._history: dict[int, Json] = {}

    # people

    def person(self, name: str, *, username: str = "", language: str = "en", user_id: int = 0) -> Person:
        with self.lock:
            self._next_person += 1
            made = Person(user_id or self._next_person, name, username or re.sub(r"\W", "", name).lower(), language)
            self.people[made.id] = made
            self.chats[made.id] = Chat(made.id, "private", members={made.id})
            return made

    def group(self, title: str, *members: Person, forum: bool = False, admin: bool = False, added_by: Person | None = None) -> Chat:
        """A group the bot is in; forums are supergroups. `admin`: the bot may manage topics and sees everything."""
        with self.lock:
            number = -1_000_000_000_000 - len(self.chats) - 1
            chat = Chat(number, "supergroup" if forum else "group", title, forum, True, admin, {one.id for one in members})
            self.chats[number] = chat
            if added_by is not None:
                self._push("my_chat_member", self._change(chat, added_by, "left", "administrator" if admin else "member"))
            return chat

    def say(
        self,
        who: Person,
        text: str,
        *,
        chat: Chat | None = None,
        reply_to: int | None = None,
        thread: int | None = None,
        forwarded: bool = False,
        anonymous: bool = False,
        **more: Any,
    ) -> int:
        """Somebody writes; returns the message's id. A message in the private chat starts or unblocks the bot."""
        with self.lock:
            here = chat or self.chats[who.id]
            if here.kind == "private":
                if who.blocked:
                    who.blocked = False
                    self._push("my_chat_member", self._change(here, who, "kicked", "member"))
                who.started = True
            elif who.id not in here.members:
                raise ValueError(f"{who.name} is not in {here.title}")
            message = self._message(here, who, {"text": text} if text else {}, reply_to=reply_to, thread=thread)
            message |= more
            entities = _entities(text)
            if entities:
                message["entities" if "photo" not in message else "caption_entities"] = entities
            if forwarded:
                message["forward_origin"] = {"type": "hidden_user", "sender_user_name": "Somebody", "date": int(self.clock())}
            if anonymous:
                message["from"] = {"id": 1087968824, "is_bot": True, "first_name": "Group", "username": "GroupAnonymousBot"}
                message["sender_chat"] = here.shown(None)
            here.messages[message["message_id"]] = message
            if self._bot_sees(here, message):
                self._push("message", self._snapshot(here, message))
            return int(message["message_id"])

    def start(self, who: Person, payload: str = "") -> int:
        if not re.fullmatch(r"[A-Za-z0-9_-]{0,64}", payload):
            raise ValueError("a deep link carries at most 64 letters, digits, dashes and underscores")
        return self.say(who, f"/start {payload}".strip())

    def send_photo(self, who: Person, data: bytes, caption: str = "", *, chat: Chat | None = None) -> int:
        file_id = self.keep("photos/file.jpg", data)
        photo = [{"file_id": file_id, "file_unique_id": file_id[:12], "width": 1, "height": 1, "file_size": len(data)}]
        extra: Json = {"photo": photo} | ({"caption": caption} if caption else {})
        return self.say(who, "", chat=chat, **extra)

    def send_location(self, who: Person, latitude: float, longitude: float) -> int:
        return self.say(who, "", location={"latitude": latitude, "longitude": longitude})

    def edit(self, who: Person, message_id: int, text: str, *, chat: Chat | None = None) -> None:
        with self.lock:
            here = chat or self.chats[who.id]
            message = here.messages[message_id]
            message |= {"text": text, "edit_date": int(self.clock())}
            self._push("edited_message", self._snapshot(here, message))

    def press(self, who: Person, message_id: int, label: str, *, chat: Chat | None = None, picture: Json | None = None) -> str:
        """Press a button of the message, or of an older picture of it that is still on the screen; returns the query's id."""
        with self.lock:
            here = chat or self.chats[who.id]
            message = picture or self._snapshot(here, here.messages[message_id])
            rows = message.get("reply_markup", {}).get("inline_keyboard", [])
            found = [one for row in rows for one in row if one["text"].startswith(label) and "callback_data" in one]
            if not found:
                raise ValueError(f"no button {label!r} among {[one['text'] for row in rows for one in row]}")
            query_id = secrets.token_hex(8)
            self.callbacks[query_id] = {"answer": None, "at": self.clock()}
            self._push(
                "callback_query",
                {
                    "id": query_id,
                    "from": who.user(),
                    "message": copy.deepcopy(message),
                    "chat_instance": str(here.id),
                    "data": found[0]["callback_data"],
                },
            )
            return query_id

    def block(self, who: Person) -> None:
        with self.lock:
            who.blocked = True
            self._push("my_chat_member", self._change(self.chats[who.id], who, "member", "kicked"))

    def picture(self, message_id: int, chat: Chat | Person) -> Json:
        """A message as it looks at this moment."""
        with self.lock:
            here = self.chats[chat.id]
            return self._snapshot(here, here.messages[message_id])

    def inbox(self, chat: Person | Chat, match: Callable[[Json], bool] | str = "", *, timeout: float = 10.0, after: int = 0) -> Json:
        """Wait for a message of the bot that matches (or whose text holds `match`)."""
        until = time.monotonic() + timeout
        while True:
            for message in self.sent(chat):
                text = shown_text(message)
                if message["message_id"] > after and (match in text if isinstance(match, str) else match(message)):
                    return message
            if time.monotonic() > until:
                raise AssertionError(f"no such message among {[shown_text(one)[:120] for one in self.sent(chat)][-6:]}")
            time.sleep(0.01)

    def sent(self, chat: Person | Chat) -> list[Json]:
        """The bot's messages there, the oldest first."""
        with self.lock:
            here = self.chats[chat.id]
            return [
                self._snapshot(here, one) for one in here.messages.values() if one["from"]["id"] == self.bot_id and not one.get("service")
            ]

    def answer_to(self, query_id: str, *, timeout: float = 10.0) -> Json:
        """What the bot answered to a press."""
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            with self.lock:
                if self.callbacks[query_id]["answer"] is not None:
                    return dict(self.callbacks[query_id]["answer"])
            time.sleep(0.01)
        raise AssertionError("the press was never answered")

    def again(self, update_id: int) -> None:
        """Deliver an update a second time, as Telegram does where a 200 was lost."""
        with self.lock:
            self.updates.append(copy.deepcopy(self._history[update_id]))
        self._wake()

    # inside

    def _bot_sees(self, here: Chat, message: Json) -> bool:
        if not here.bot_in:
            return False
        if here.kind == "private" or here.bot_admin or not self.privacy:
            return True
        text = str(message.get("text") or message.get("caption") or "")
        replied = message.get("reply_to_message", {}).get("from", {}).get("id") == self.bot_id
        return text.startswith("/") or f"@{self.username}".lower() in text.lower() or replied

    def _change(self, chat: Chat, who: Person, before: str, after: str) -> Json:
        bot = self.bot_user()
        extra: dict[str, Json] = {
            "kicked": {"until_date": 0},
            "administrator": dict.fromkeys(
                (
                    "can_be_edited", "is_anonymous", "can_manage_chat", "can_delete_messages", "can_manage_video_chats", "can_restrict_members",
                    "can_promote_members", "can_change_info", "can_invite_users", "can_post_stories", "can_edit_stories", "can_delete_stories",
                ),
                False,
            ),
        }  # fmt: skip
        return {
            "chat": chat.shown(who),
            "from": who.user(),
            "date": int(self.clock()),
            "old_chat_member": {"user": bot, "status": before, **extra.get(before, {})},
            "new_chat_member": {"user": bot, "status": after, **extra.get(after, {})},
        }

    def bot_user(self) -> Json:
        return {"id": self.bot_id, "is_bot": True, "first_name": self.name, "username": self.username}

    def _message(self, here: Chat, sender: Person | None, body: Mapping[str, Any], *, reply_to: int | None, thread: int | None) -> Json:
        here.last_id += 1
        message: Json = {
            "message_id": here.last_id,
            "from": sender.user() if sender is not None else self.bot_user(),
            "date": int(self.clock()),
            **copy.deepcopy(dict(body)),
        }
        if thread is not None:
            message |= {"message_thread_id": thread, "is_topic_message": True}
        if reply_to is not None:
            replied = self._snapshot(here, here.messages[reply_to])
            replied.pop("reply_to_message", None)  # one level only
            message["reply_to_message"] = replied
        return message

    def post(self, here: Chat, body: Mapping[str, Any], *, reply_to: int | None = None, thread: int | None = None) -> Json:
        """A message of the bot."""
        message = self._message(here, None, body, reply_to=reply_to, thread=thread)
        here.messages[message["message_id"]] = message
        return self._snapshot(here, message)

    def _snapshot(self, here: Chat, message: Json) -> Json:
        made = copy.deepcopy(message)
        made.pop("service", None)
        made["chat"] = here.shown(self.people.get(here.id))
        return made

    def _push(self, kind: str, body: Json) -> None:
        if kind not in self.allowed:
            return
        self.last_update += 1
        update = {"update_id": self.last_update, kind: body}
        self._history[self.last_update] = copy.deepcopy(update)
        self.updates.append(update)
        self._wake()

    def _wake(self) -> None:
        with self.lock:
            waiting = list(self._waiting)
        for loop, event in waiting:
            if not loop.is_closed():
                loop.call_soon_threadsafe(event.set)

    def wait(self) -> tuple[asyncio.AbstractEventLoop, asyncio.Event]:
        """An event of the running loop that is set when an update comes."""
        pair = (asyncio.get_running_loop(), asyncio.Event())
        with self.lock:
            self._waiting.append(pair)
        return pair

    def waited(self, pair: tuple[asyncio.AbstractEventLoop, asyncio.Event]) -> None:
        with self.lock:
            self._waiting.remove(pair)

    def keep(self, name: str, data: bytes) -> str:
        file_id = f"AgAC{secrets.token_urlsafe(20)}"
        self.files[file_id] = (f"{name.rpartition('.')[0]}_{len(self.files)}.jpg", data)
        return file_id

    def fail(self, method: str, *faults: Fault) -> None:
        """The next calls of this method suffer these, first come first served."""
        with self.lock:
            self.faults[method.lower()].extend(faults)


def shown_text(message: Mapping[str, Any]) -> str:
    return str(message.get("text") or message.get("caption") or "")


def labels(message: Mapping[str, Any]) -> list[str]:
    return [one["text"] for row in message.get("reply_markup", {}).get("inline_keyboard", []) for one in row]


def _entities(text: str) -> list[Json]:
    found: list[Json] = []
    command = re.match(r"/[A-Za-z0-9_]{1,32}(@\w+)?", text)
    if command:
        found.append({"type": "bot_command", "offset": 0, "length": units(command[0])})
    found += [{"type": "mention", "offset": units(text[: m.start()]), "length": units(m[0])} for m in re.finditer(r"@\w{3,32}", text)]
    return found


def all_people(world: World) -> Sequence[Person]:
    with world.lock:
        return list(world.people.values())
