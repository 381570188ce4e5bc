"""The Bot API's methods over the world: what the service checks is checked, and unknown methods are 404 rather than polite."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from channels.sandbox.telegram.markup import BadMarkup, parse_html, units
from channels.sandbox.telegram.world import DEFAULT_UPDATES, Chat, Json, Refusal, World, bad

MAX_TEXT, MAX_CAPTION = 4096, 1024
CALLBACK_LIFE = 600.0
PER_SECOND, PER_CHAT, PER_GROUP_MINUTE = 30, 1, 20
NESTED = (
    "reply_markup",
    "entities",
    "caption_entities",
    "reply_parameters",
    "allowed_updates",
    "media",
    "link_preview_options",
    "commands",
    "scope",
)

Given = Mapping[str, Any]
Files = Mapping[str, tuple[str, bytes]]


def plain(given: Given) -> Json:
    """Parameters as values: nested ones come as JSON strings in forms; text and caption are never decoded."""
    made: Json = {}
    for name, value in given.items():
        if name in NESTED and isinstance(value, str) and value:
            try:
                value = json.loads(value)
            except ValueError:
                raise bad(f"can't parse {name} JSON object") from None
        made[name] = value
    return made


class Api:
    """`call` one method; raises Refusal. `get_updates` is asynchronous, because it waits."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._poller = 0
        self.methods: dict[str, Callable[[Json, Files], Any]] = {
            "getme": self._me,
            "setwebhook": self._set_webhook,
            "deletewebhook": self._delete_webhook,
            "getwebhookinfo": self._webhook_info,
            "sendmessage": self._send_message,
            "sendphoto": self._send_photo,
            "senddocument": self._send_document,
            "sendmessagedraft": self._draft,
            "sendchataction": self._action,
            "editmessagetext": self._edit_text,
            "editmessagecaption": self._edit_caption,
            "editmessagemedia": self._edit_media,
            "editmessagereplymarkup": self._edit_markup,
            "deletemessage": self._delete,
            "answercallbackquery": self._answer,
            "getfile": self._file,
            "createforumtopic": self._create_topic,
            "editforumtopic": self._edit_topic,
            "closeforumtopic": lambda given, _: self._turn_topic(given, closed=True),
            "reopenforumtopic": lambda given, _: self._turn_topic(given, closed=False),
            "setmycommands": self._commands,
            "getchat": self._get_chat,
            "getchatmember": self._member,
            "leavechat": self._leave,
        }

    def call(self, method: str, given: Json, files: Files) -> Any:
        do = self.methods.get(method.lower())
        if do is None:
            raise Refusal(404, "Not Found")
        with self.world.lock:
            return do(given, files)

    # updates

    async def get_updates(self, given: Json, gone: Callable[[], Awaitable[bool]]) -> list[Json]:
        """`gone` says whether whoever asked has hung up."""
        world = self.world
        if world.webhook["url"]:
            raise Refusal(
                409, "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
            )
        self._poller += 1
        me = self._poller  # the older poller is the one that is turned away
        if "allowed_updates" in given:
            world.allowed = tuple(given["allowed_updates"]) or DEFAULT_UPDATES
        offset, limit = int(given.get("offset") or 0), max(1, min(100, int(given.get("limit") or 100)))
        until = asyncio.get_running_loop().time() + min(50.0, float(given.get("timeout") or 0))
        pair = world.wait()
        try:
            while True:
                if me != self._poller:
                    raise Refusal(409, "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running")
                with world.lock:
                    if offset < 0:
                        while len(world.updates) > -offset:
                            world.updates.popleft()
                    while world.updates and world.updates[0]["update_id"] < offset:
                        world.updates.popleft()
                    if world.updates:
                        return list(world.updates)[:limit]
                left = until - asyncio.get_running_loop().time()
                if left <= 0 or await gone():
                    return []
                pair[1].clear()
                try:
                    await asyncio.wait_for(pair[1].wait(), min(left, 0.25))
                except TimeoutError:
                    continue
        finally:
            world.waited(pair)

    def _set_webhook(self, given: Json, _files: Files) -> bool:
        secret = str(given.get("secret_token") or "")
        if secret and not re.fullmatch(r"[A-Za-z0-9_-]{1,256}", secret):
            raise bad("secret token contains unallowed characters")
        world = self.world
        world.webhook |= {"url": str(given.get("url") or ""), "secret": secret, "max_connections": int(given.get("max_connections") or 40)}
        if "allowed_updates" in given:
            world.allowed = tuple(given["allowed_updates"]) or DEFAULT_UPDATES
        if _true(given.get("drop_pending_updates")):
            world.updates.clear()
        return True

    def _delete_webhook(self, given: Json, _files: Files) -> bool:
        self.world.webhook |= {"url": "", "secret": ""}
        if _true(given.get("drop_pending_updates")):
            self.world.updates.clear()
        return True

    def _webhook_info(self, _given: Json, _files: Files) -> Json:
        hook = self.world.webhook
        made = {"url": hook["url"], "has_custom_certificate": False, "pending_update_count": len(self.world.updates)}
        return made | ({"last_error_message": hook["last_error"], "last_error_date": hook["last_error_at"]} if hook["last_error"] else {})

    # who

    def _me(self, _given: Json, _files: Files) -> Json:
        flags = {"can_join_groups": True, "can_read_all_group_messages": not self.world.privacy, "supports_inline_queries": False}
        return self.world.bot_user() | flags

    def _commands(self, given: Json, _files: Files) -> bool:
        self.world.commands = list(given["commands"])
        return True

    def _chat(self, given: Json) -> Chat:
        try:
            chat = self.world.chats.get(int(given["chat_id"]))
        except (KeyError, ValueError):
            chat = None
        if chat is None or (chat.kind != "private" and not chat.bot_in):
            raise bad("chat not found")
        return chat

    def _writable(self, given: Json) -> tuple[Chat, int | None]:
        chat = self._chat(given)
        person = self.world.people.get(chat.id)
        if person is not None and not person.started:
            raise Refusal(403, "Forbidden: bot can't initiate conversation with a user")
        if person is not None and person.blocked:
            raise Refusal(403, "Forbidden: bot was blocked by the user")
        thread = int(given["message_thread_id"]) if given.get("message_thread_id") else None
        if thread is not None:
            topic = chat.topics.get(thread)
            if topic is None:
                raise bad("message thread not found")
            if topic["closed"] and not chat.bot_admin:
                raise bad("TOPIC_CLOSED")
        self._limit(chat)
        return chat, thread

    def _limit(self, chat: Chat) -> None:
        if not self.world.limits:
            return
        now = self.world.clock()
        for key, most, seconds in (
            (0, PER_SECOND, 1.0),
            (chat.id, PER_CHAT if chat.kind == "private" else PER_GROUP_MINUTE, 1.0 if chat.kind == "private" else 60.0),
        ):
            times = self.world.sent_at[key]
            while times and times[0] <= now - seconds:
                times.popleft()
            if len(times) >= most:
                wait = max(1, round(times[0] + seconds - now))
                raise Refusal(429, f"Too Many Requests: retry after {wait}", retry_after=wait)
            times.append(now)

    # sending

    def _text(self, given: Json, name: str, most: int) -> tuple[str, list[Json]]:
        text = str(given.get(name) or "")
        entities = given.get("entities" if name == "text" else "caption_entities") or []
        mode = str(given.get("parse_mode") or "")
        if mode.upper() == "HTML":
            try:
                text, entities = parse_html(text)
            except BadMarkup as error:
                raise bad(f"can't parse entities: {error}") from None
        elif mode:
            raise Refusal(501, f"Not Implemented: this stand-in does not read {mode}")
        if name == "text" and not text.strip():
            raise bad("message text is empty")
        if units(text) > most:
            raise bad("message is too long" if name == "text" else "message caption is too long")
        return text, list(entities)

    def _markup(self, given: Json) -> Json | None:
        markup = given.get("reply_markup")
        if not markup or "inline_keyboard" not in markup:
            return None
        for row in markup["inline_keyboard"]:
            for one in row:
                if not str(one.get("text", "")):
                    raise bad("BUTTON_TEXT_INVALID")
                if "callback_data" in one and not 1 <= len(str(one["callback_data"]).encode()) <= 64:
                    raise bad("BUTTON_DATA_INVALID")
                if "url" in one:
                    parts = urlsplit(str(one["url"]))
                    if parts.scheme not in ("http", "https", "tg") or not parts.netloc:
                        raise bad(f"inline keyboard button URL '{one['url']}' is invalid: Wrong HTTP URL")
        return {"inline_keyboard": markup["inline_keyboard"]} if markup["inline_keyboard"] else None

    def _reply(self, given: Json, chat: Chat) -> int | None:
        asked = given.get("reply_parameters") or {}
        target = asked.get("message_id") or given.get("reply_to_message_id")
        if not target:
            return None
        if int(target) in chat.messages:
            return int(target)
        if _true(asked.get("allow_sending_without_reply")) or _true(given.get("allow_sending_without_reply")):
            return None
        raise bad("message to be replied not found")

    def _body(self, text: tuple[str, list[Json]], kind: str, markup: Json | None) -> Json:
        body: Json = {kind: text[0]} if text[0] else {}
        if text[1]:
            body["entities" if kind == "text" else "caption_entities"] = text[1]
        return body | ({"reply_markup": markup} if markup else {})

    def _send_message(self, given: Json, _files: Files) -> Json:
        chat, thread = self._writable(given)
        body = self._body(self._text(given, "text", MAX_TEXT), "text", self._markup(given))
        return self.world.post(chat, body, reply_to=self._reply(given, chat), thread=thread)

    def _photo(self, reference: Any, files: Files, most: int = 10 * 1024 * 1024) -> list[Json]:
        named = str(reference or "")
        if named.startswith("attach://"):
            named = named.removeprefix("attach://")
        if named in files:
            name, data = files[named]
            if len(data) > most:
                raise Refusal(413, "Request Entity Too Large")
            file_id = self.world.keep(f"photos/{name}", data)
        elif named in self.world.files:
            file_id = named
        elif re.match(r"https?://", named):
            file_id = self.world.keep("photos/fetched.jpg", b"")  # never downloaded here
        else:
            raise bad("wrong file identifier/HTTP URL specified")
        size = len(self.world.files[file_id][1])
        return [{"file_id": file_id, "file_unique_id": file_id[:14], "width": 1, "height": 1, "file_size": size}]

    def _send_photo(self, given: Json, files: Files) -> Json:
        chat, thread = self._writable(given)
        photo = self._photo(given.get("photo") or ("photo" if "photo" in files else ""), files)
        body = {"photo": photo} | self._body(self._text(given, "caption", MAX_CAPTION), "caption", self._markup(given))
        return self.world.post(chat, body, reply_to=self._reply(given, chat), thread=thread)

    def _send_document(self, given: Json, files: Files) -> Json:
        chat, thread = self._writable(given)
        one = self._photo(given.get("document") or ("document" if "document" in files else ""), files, 50 * 1024 * 1024)[0]
        name = files["document"][0] if "document" in files else "file"
        body = {"document": {**{k: v for k, v in one.items() if k not in ("width", "height")}, "file_name": name}}
        return self.world.post(
            chat, body | self._body(self._text(given, "caption", MAX_CAPTION), "caption", self._markup(given)), thread=thread
        )

    def _draft(self, given: Json, _files: Files) -> bool:
        chat, _ = self._writable(given)
        if chat.kind != "private":
            raise bad("drafts can be sent to private chats only")
        if not int(given.get("draft_id") or 0):
            raise bad("draft_id must be non-zero")
        self.world.drafts.append({"chat_id": chat.id, "draft_id": int(given["draft_id"]), "text": str(given.get("text") or "")})
        return True

    def _action(self, given: Json, _files: Files) -> bool:
        chat, _ = self._writable(given)
        self.world.actions.append({"chat_id": chat.id, "action": str(given.get("action")), "at": self.world.clock()})
        return True

    # editing

    def _ours(self, given: Json, what: str = "edit") -> tuple[Chat, Json]:
        chat = self._chat(given)
        message = chat.messages.get(int(given.get("message_id") or 0))
        if message is None:
            raise bad(f"message to {what} not found")
        if message["from"]["id"] != self.world.bot_id:
            raise bad(f"message can't be {what}ed" if what == "edit" else "message can't be deleted")
        return chat, message

    def _change(self, chat: Chat, message: Json, body: Json, replaced: tuple[str, ...]) -> Json:
        names = (*replaced, "reply_markup")
        if {name: message.get(name) for name in names} == {name: body.get(name) for name in names}:
            raise bad(
                "message is not modified: specified new message content and reply markup are exactly the same as a current content "
                "and reply markup of the message"
            )
        for name in names:
            message.pop(name, None)  # an edit without buttons takes them away
        message |= body | {"edit_date": int(self.world.clock())}
        return self.world.picture(message["message_id"], chat)

    def _edit_text(self, given: Json, _files: Files) -> Json:
        chat, message = self._ours(given)
        if "text" not in message:
            raise bad("there is no text in the message to edit")
        return self._change(
            chat, message, self._body(self._text(given, "text", MAX_TEXT), "text", self._markup(given)), ("text", "entities")
        )

    def _edit_caption(self, given: Json, _files: Files) -> Json:
        chat, message = self._ours(given)
        body = self._body(self._text(given, "caption", MAX_CAPTION), "caption", self._markup(given))
        return self._change(chat, message, body, ("caption", "caption_entities"))

    def _edit_media(self, given: Json, files: Files) -> Json:
        chat, message = self._ours(given)
        media = given.get("media") or {}
        if media.get("type") != "photo":
            raise Refusal(501, "Not Implemented: this stand-in edits photos only")
        body = {"photo": self._photo(media.get("media"), files)} | self._body(
            self._text(media, "caption", MAX_CAPTION), "caption", self._markup(given)
        )
        for name in ("text", "entities"):
            message.pop(name, None)
        return self._change(chat, message, body, ("photo", "caption", "caption_entities"))

    def _edit_markup(self, given: Json, _files: Files) -> Json:
        chat, message = self._ours(given)
        markup = self._markup(given)
        return self._change(chat, message, {"reply_markup": markup} if markup else {}, ())

    def _delete(self, given: Json, _files: Files) -> bool:
        chat, message = self._ours(given, "delete")
        del chat.messages[message["message_id"]]
        return True

    def _answer(self, given: Json, _files: Files) -> bool:
        known = self.world.callbacks.get(str(given.get("callback_query_id") or ""))
        if known is None or known["answer"] is not None or known["at"] < self.world.clock() - CALLBACK_LIFE:
            raise bad("query is too old and response timeout expired or query ID is invalid")
        text = str(given.get("text") or "")
        if units(text) > 200:
            raise bad("MESSAGE_TOO_LONG")
        known["answer"] = {"text": text, "show_alert": _true(given.get("show_alert"))}
        return True

    def _file(self, given: Json, _files: Files) -> Json:
        known = self.world.files.get(str(given.get("file_id") or ""))
        if known is None:
            raise bad("invalid file_id")
        if len(known[1]) > 20 * 1024 * 1024:
            raise bad("file is too big")
        file_id = str(given["file_id"])
        return {"file_id": file_id, "file_unique_id": file_id[:14], "file_size": len(known[1]), "file_path": known[0]}

    # topics, groups

    def _forum(self, given: Json) -> Chat:
        chat = self._chat(given)
        if not chat.forum:
            raise bad("the chat is not a forum")
        if not chat.bot_admin:
            raise bad("not enough rights to create a topic")
        return chat

    def _create_topic(self, given: Json, _files: Files) -> Json:
        chat = self._forum(given)
        name = str(given.get("name") or "")
        if not 1 <= units(name) <= 128:
            raise bad("TOPIC_NAME_INVALID")
        service = self.world.post(chat, {"forum_topic_created": {"name": name, "icon_color": 7322096}})
        thread = int(service["message_id"])
        chat.messages[thread] |= {"message_thread_id": thread, "is_topic_message": True, "service": True}
        chat.topics[thread] = {"name": name, "closed": False}
        return {"message_thread_id": thread, "name": name, "icon_color": 7322096}

    def _topic(self, given: Json) -> Json:
        topic = self._forum(given).topics.get(int(given.get("message_thread_id") or 0))
        if topic is None:
            raise bad("message thread not found")
        return topic

    def _edit_topic(self, given: Json, _files: Files) -> bool:
        self._topic(given)["name"] = str(given.get("name") or "")
        return True

    def _turn_topic(self, given: Json, *, closed: bool) -> bool:
        topic = self._topic(given)
        if topic["closed"] == closed:
            raise bad("TOPIC_NOT_MODIFIED")
        topic["closed"] = closed
        return True

    def _get_chat(self, given: Json, _files: Files) -> Json:
        chat = self._chat(given)
        return chat.shown(self.world.people.get(chat.id)) | {"accent_color_id": 0, "max_reaction_count": 0, "accepted_gift_types": {}}

    def _member(self, given: Json, _files: Files) -> Json:
        chat = self._chat(given)
        person = self.world.people.get(int(given.get("user_id") or 0))
        if person is None:
            raise bad("user not found")
        return {"user": person.user(), "status": "member" if person.id in chat.members else "left"}

    def _leave(self, given: Json, _files: Files) -> bool:
        chat = self._chat(given)
        if chat.kind == "private":
            raise bad("chat member status can't be changed in private chats")
        chat.bot_in = False
        return True


def _true(value: Any) -> bool:
    return value in (True, "true", "True", 1, "1")
