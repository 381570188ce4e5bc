"""The Bot API through python-telegram-bot, used as a client and nothing more: one call, and what became of it.

The token is part of every address of that interface, so nothing here logs an address, and errors that quote it are replaced.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import httpx
import structlog
from telegram import Bot, InlineKeyboardMarkup, InputFile, InputMediaPhoto, LinkPreviewOptions, ReplyParameters, Update
from telegram.error import BadRequest, Conflict, Forbidden, InvalidToken, NetworkError, RetryAfter, TelegramError, TimedOut
from telegram.request import HTTPXRequest

from channels.delivery import Gone, Later, NotTaken, Unreachable, Unsure
from channels.message import Call, Event, Outgoing
from channels.settings import durations_as_timedelta
from channels.telegram import render
from channels.web.views import STATIC

log = structlog.get_logger()

PUBLIC_API = "https://api.telegram.org"
UPDATES = ["message", "edited_message", "callback_query", "my_chat_member"]
MOST_MEDIA = 20 * 1024 * 1024
COMMANDS = (
    ("start", "Begin"),
    ("help", "What I can do"),
    ("trips", "Your bookings"),
    ("cart", "Your trip so far"),
    ("human", "Talk to a person"),
    ("web", "Go on in a browser"),
    ("language", "Choose a language"),
    ("stop", "No more messages"),
)
BENIGN = ("message is not modified", "query is too old", "message to delete not found", "topic_not_modified")
GONE = ("chat not found", "not enough rights to send", "group chat was upgraded", "peer_id_invalid")

durations_as_timedelta()
logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs every address, and the token is in it
logging.getLogger("httpcore").setLevel(logging.WARNING)


class TelegramDown(Exception):
    """Telegram does not answer, or does not know the token; the message never contains it."""


class TelegramDoor:
    """One bot. `timeout` is how long an answer may take before nobody knows whether a message arrived; `link_base` is where
    its deep links lead, where that is not t.me."""

    channel = "telegram"

    def __init__(self, token: str, *, api_url: str = "", timeout: float = 15.0, link_base: str = "") -> None:
        base = (api_url or PUBLIC_API).rstrip("/")
        self.workspace = token.partition(":")[0]
        self._bot = Bot(
            token,
            base_url=f"{base}/bot",
            base_file_url=f"{base}/file/bot",
            request=_request(timeout, pool=64),
            get_updates_request=_request(timeout, pool=2),
        )
        self._link_base = link_base
        self._name = ""
        self._ready = False
        self._photos: dict[str, str] = {}  # our file -> Telegram's id of it: a cache, the file is the truth

    def render(self, out: Outgoing, address: str, thread: str) -> list[Call]:
        return render.render(out, address, thread)

    async def open(self) -> None:
        """Raises TelegramDown."""
        if self._ready:
            return
        try:
            await self._bot.initialize()
        except (InvalidToken, Forbidden):
            raise TelegramDown("Telegram does not know this token. Check TELEGRAM_BOT_TOKEN.") from None
        except TelegramError as error:
            raise TelegramDown(f"Telegram does not answer: {type(error).__name__}.") from None
        self._name = self._bot.username
        self._ready = True

    async def close(self) -> None:
        if self._ready:
            self._ready = False
            await self._bot.shutdown()

    async def username(self) -> str:
        await self.open()
        return self._name

    async def link(self, token: str) -> str:
        """The address that opens a chat with the bot and hands it this token. Raises TelegramDown."""
        name = await self.username()
        return f"{self._link_base}#start={token}" if self._link_base else f"https://t.me/{name}?start={token}"

    async def introduce(self) -> None:
        """Tell Telegram which commands there are; a refusal costs nothing but the menu."""
        try:
            await self._bot.set_my_commands(COMMANDS)
        except TelegramError as error:
            log.info("telegram_menu_not_set", cause=type(error).__name__)

    # out

    async def call(self, call: Call) -> str:
        """Make one call; returns the message's (or topic's) id, "" where there is none. Raises delivery's outcomes."""
        try:
            await self.open()
        except TelegramDown as error:
            raise Unreachable(str(error)) from None
        method, params = call.method, dict(call.params)
        picture = _picture(method, params)
        if picture and not self._drawn(picture):
            method, params = _without_photo(method, params)
            picture = ""
        params = self._typed(params, picture)
        try:
            result = await getattr(self._bot, method)(**params)
        except RetryAfter as error:
            raise Later(_seconds(error)) from None
        except Forbidden as error:
            raise Gone(error.message) from None
        except BadRequest as error:
            return _refused(error)
        except TimedOut as error:
            never_left = isinstance(error.__cause__, (httpx.ConnectTimeout, httpx.PoolTimeout))
            raise (Unreachable if never_left else Unsure)("no answer in time") from None
        except (InvalidToken, Conflict):
            raise Unreachable("Telegram does not know this token, or this method") from None
        except NetworkError as error:
            cut = isinstance(error.__cause__, (httpx.ReadError, httpx.RemoteProtocolError, httpx.WriteError))
            raise (Unsure if cut else Unreachable)(_cause(error)) from None
        except TelegramError as error:
            raise NotTaken(type(error).__name__) from None
        if picture and getattr(result, "photo", None):
            self._photos[picture] = result.photo[-1].file_id
        return str(getattr(result, "message_id", "") or getattr(result, "message_thread_id", "") or "")

    def _drawn(self, picture: str) -> bool:
        return picture in self._photos or (STATIC / "scenes" / picture).is_file()

    def _typed(self, params: dict[str, Any], picture: str) -> dict[str, Any]:
        """Plain data as the library's own types."""
        if "reply_markup" in params:
            params["reply_markup"] = InlineKeyboardMarkup.de_json(dict(params["reply_markup"]), self._bot)
        if "link_preview_options" in params:
            params["link_preview_options"] = LinkPreviewOptions(**params["link_preview_options"])
        if "reply_parameters" in params:
            params["reply_parameters"] = ReplyParameters(**params["reply_parameters"])
        if picture:
            known = self._photos.get(picture)
            photo = known or InputFile((STATIC / "scenes" / picture).read_bytes(), filename=picture)
            if "media" in params:
                media = params["media"]
                given = known or (STATIC / "scenes" / picture).read_bytes()
                params["media"] = InputMediaPhoto(given, caption=media["caption"], parse_mode=media["parse_mode"])
            else:
                params["photo"] = photo
        return params

    # what lives for a moment

    async def typing(self, chat_id: str, thread: str) -> None:
        """Show that an answer is coming; nothing depends on it."""
        try:
            await self.open()
            await self._bot.send_chat_action(chat_id, "typing", message_thread_id=int(thread) if thread else None)
        except (TelegramDown, TelegramError):
            return

    async def draft(self, chat_id: str, draft_id: int, text: str) -> bool:
        """Show the beginning of an answer in a private chat; False where Telegram would rather not."""
        try:
            await self.open()
            await self._bot.send_message_draft(int(chat_id), draft_id, text[: render.CAPS.max_text // 2])
        except (TelegramDown, TelegramError):
            return False
        return True

    # in

    async def settle(self, event: Event) -> Event:
        """An update says all there is."""
        return event

    async def fetch(self, file_id: str) -> bytes | None:
        """A file that somebody sent; None where it is too big or gone. Raises TelegramDown."""
        await self.open()
        try:
            found = await self._bot.get_file(file_id)
            if (found.file_size or 0) > MOST_MEDIA:
                return None
            into = io.BytesIO()
            await found.download_to_memory(into)
        except BadRequest:
            return None
        except TelegramError as error:
            raise TelegramDown(f"Telegram does not answer: {type(error).__name__}.") from None
        return into.getvalue()

    async def updates(self, offset: int, *, wait: int) -> Sequence[Update]:
        """The updates from `offset` on, waiting up to `wait` seconds; asking confirms everything before it."""
        return await self._bot.get_updates(offset=offset, timeout=wait, allowed_updates=UPDATES, read_timeout=wait + 10)

    def read(self, body: Mapping[str, Any]) -> Update:
        """An update as it was posted to the webhook."""
        return Update.de_json(dict(body), self._bot)

    async def set_webhook(self, url: str, secret: str) -> None:
        """Raises TelegramDown."""
        await self.open()
        try:
            await self._bot.set_webhook(url, secret_token=secret, allowed_updates=UPDATES, max_connections=40)
        except TelegramError as error:
            raise TelegramDown(f"Telegram does not take the webhook: {error.message}") from None

    async def drop_webhook(self) -> None:
        """Polling and a webhook exclude each other; what waits is kept. Raises TelegramDown."""
        await self.open()
        try:
            await self._bot.delete_webhook(drop_pending_updates=False)
        except TelegramError as error:
            raise TelegramDown(f"Telegram does not answer: {type(error).__name__}.") from None


def _request(timeout: float, *, pool: int) -> HTTPXRequest:
    return HTTPXRequest(
        connection_pool_size=pool,
        read_timeout=timeout,
        write_timeout=timeout,
        connect_timeout=min(5.0, timeout),
        pool_timeout=10.0,
        media_write_timeout=60.0,
    )


def _seconds(error: RetryAfter) -> float:
    waits = getattr(error, "_retry_after", timedelta(seconds=5))
    return waits.total_seconds() if isinstance(waits, timedelta) else float(waits)


def _refused(error: BadRequest) -> str:
    """What Telegram says no to: some of it is as good as done, some means nobody is there, the rest is a fault of ours."""
    said = error.message.lower()
    if any(known in said for known in BENIGN):
        return ""
    if any(known in said for known in GONE):
        raise Gone(error.message) from None
    raise NotTaken(error.message) from None


def _cause(error: NetworkError) -> str:
    return type(error.__cause__).__name__ if error.__cause__ is not None else error.message[:200]


def _picture(method: str, params: Mapping[str, Any]) -> str:
    """The file of a call with a photo of ours."""
    named = params.get("photo") if method == "send_photo" else (params.get("media") or {}).get("media")
    return named.removeprefix("scene:") if isinstance(named, str) and named.startswith("scene:") else ""


def _without_photo(method: str, params: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The same words where there is no picture."""
    if method == "send_photo":
        params.pop("photo")
        caption = params.pop("caption")
        return "send_message", {**params, "text": caption}
    media = params.pop("media")
    return "edit_message_text", {**params, "text": media["caption"], "parse_mode": media["parse_mode"]}
