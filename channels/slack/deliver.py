"""Slack's Web API through slack_sdk's asynchronous client: one call, and what became of it. The token travels in a header only."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import structlog
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from channels.delivery import Gone, Later, NotTaken, Unreachable, Unsure
from channels.message import Call, Event, Outgoing
from channels.slack import render

log = structlog.get_logger()

PUBLIC_API = "https://slack.com"
MOST_MEDIA = 20 * 1024 * 1024
GONE = ("channel_not_found", "is_archived", "not_in_channel", "user_not_found", "user_disabled", "cannot_dm_bot", "messages_tab_disabled")
NO_TOKEN = ("invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired")
DOWN = ("internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org")
quiet = logging.getLogger("slack")  # the libraries' own chatter; it would quote payloads, which hold people's words
quiet.setLevel(logging.CRITICAL)


class SlackDown(Unreachable):
    """Slack does not answer, or does not know the token; the message never contains it."""


class SlackDoor:
    """One workspace's bot. `workspace` is known after `open`. `pictures`: where Slack can fetch ours from, "" for nowhere;
    `link_base`: the page that hands a link's token to Slack."""

    channel = "slack"

    def __init__(self, token: str, *, api_url: str = "", timeout: int = 15, pictures: str = "", link_base: str = "") -> None:
        self.base = (api_url or PUBLIC_API).rstrip("/")
        self.workspace = ""
        self.bot_user = ""
        self.bot_id = ""
        self.team = ""
        self._token = token
        self._timeout = timeout
        self._pictures = pictures
        self._link_base = link_base
        self._session: aiohttp.ClientSession | None = None
        self._client = self.client(token)
        self._opening = asyncio.Lock()
        self._names: dict[str, str] = {}
        self._homes: dict[str, str] = {}

    def client(self, token: str | None = None) -> AsyncWebClient:
        """A client that tries once: whether a second try does harm is for the outbox to say."""
        made = AsyncWebClient(token=token, base_url=f"{self.base}/api/", timeout=self._timeout, retry_handlers=[], logger=quiet)
        if self.base != PUBLIC_API:
            made.proxy = None
        return made

    def render(self, out: Outgoing, address: str, thread: str) -> list[Call]:
        return render.render(out, address, thread, self._pictures)

    async def open(self) -> None:
        """Learn whose bot this is. Raises SlackDown."""
        async with self._opening:
            if self.workspace:
                return
            try:
                known = await self._client.auth_test()
            except SlackApiError as error:
                if _code(error) in NO_TOKEN:
                    raise SlackDown("Slack does not know this token. Check SLACK_BOT_TOKEN.") from None
                raise SlackDown(f"Slack does not answer: {_code(error)}.") from None
            except (SlackClientError, aiohttp.ClientError, TimeoutError, OSError) as error:
                raise SlackDown(f"Slack does not answer: {type(error).__name__}.") from None
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=self._timeout))
            self._client.session = self._session
            self.bot_user, self.bot_id, self.team = str(known["user_id"]), str(known.get("bot_id") or ""), str(known.get("team") or "")
            self.workspace = str(known["team_id"])

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def link(self, token: str) -> str:
        """The address that shows how to hand the bot this token; the token stays in the fragment."""
        return f"{self._link_base}#start={token}"

    # out

    async def call(self, call: Call) -> str:
        """Make one call; returns the message's ts, "" where there is none. Raises delivery's outcomes."""
        try:
            await self.open()
        except SlackDown as error:
            raise Unreachable(str(error)) from None
        try:
            answer = await getattr(self._client, call.method)(**dict(call.params))
        except SlackApiError as error:
            raise _outcome(error) from None
        except TimeoutError:
            raise Unsure("no answer in time") from None
        except aiohttp.ClientConnectorError as error:
            raise Unreachable(type(error).__name__) from None
        except (aiohttp.ClientError, OSError) as error:
            raise Unsure(type(error).__name__) from None
        return str(answer.get("ts") or "") if call.method == "chat_postMessage" else ""

    # what lives for a moment

    async def typing(self, chat_id: str, thread: str) -> None:
        """In an assistant's thread: that an answer is coming; the answer itself ends it. Nothing depends on it."""
        if not thread or not chat_id.startswith("D"):
            return
        try:
            await self.open()
            await self._client.assistant_threads_setStatus(channel_id=chat_id, thread_ts=thread, status="is looking ...")
        except (SlackDown, SlackClientError, aiohttp.ClientError, TimeoutError, OSError):
            return

    async def draft(self, chat_id: str, draft_id: int, text: str) -> bool:
        """No drafts: the status says that an answer is coming, and it comes in one piece."""
        return False

    async def open_view(self, trigger_id: str, view: dict[str, Any]) -> None:
        """A modal, within three seconds of the press; a person presses again where that failed."""
        try:
            await self.open()
            await self._client.views_open(trigger_id=trigger_id, view=view)
        except SlackApiError as error:
            log.warning("modal_refused", cause=_code(error), details=_details(error))
        except (SlackDown, SlackClientError, aiohttp.ClientError, TimeoutError, OSError) as error:
            log.warning("modal_not_opened", cause=type(error).__name__)

    # in

    async def settle(self, event: Event) -> Event:
        """What an event does not say itself: the direct messages of who typed a command, and what somebody is called.

        Raises SlackDown."""
        await self.open()
        chat = event.chat_id
        try:
            if event.private and chat.startswith(("U", "W")):
                if chat not in self._homes:
                    self._homes[chat] = str((await self._client.conversations_open(users=chat))["channel"]["id"])
                chat = self._homes[chat]
        except (SlackClientError, aiohttp.ClientError, TimeoutError, OSError) as error:
            raise SlackDown(f"Slack does not answer: {type(error).__name__}.") from None
        sender = event.sender
        if sender.person:
            sender = replace(sender, name=await self._name(sender.user_id) or sender.name)
        return replace(event, chat_id=chat, sender=sender)

    async def _name(self, user_id: str) -> str:
        """Shown and never trusted; without the scope for it people stay nameless."""
        if user_id not in self._names:
            try:
                user = (await self._client.users_info(user=user_id))["user"]
            except (SlackClientError, aiohttp.ClientError, TimeoutError, OSError):
                return ""
            profile = user.get("profile") or {}
            self._names[user_id] = str(profile.get("display_name") or user.get("real_name") or user.get("name") or "")[:120]
        return self._names[user_id]

    async def fetch(self, file_id: str) -> bytes | None:
        """A file that somebody sent; None where it is too big, gone, or not kept at Slack. Raises SlackDown."""
        await self.open()
        if self._session is None:
            raise SlackDown("The door is closed.")
        try:
            found = (await self._client.files_info(file=file_id))["file"]
            url = str(found.get("url_private_download") or found.get("url_private") or "")
            if int(found.get("size") or 0) > MOST_MEDIA or not self._ours(url):
                return None
            async with self._session.get(url, headers={"authorization": f"Bearer {self._token}"}, allow_redirects=False) as answer:
                if answer.status != 200:
                    return None
                data = b""
                async for chunk in answer.content.iter_chunked(65536):
                    data += chunk
                    if len(data) > MOST_MEDIA:
                        return None
        except SlackApiError:
            return None
        except (SlackClientError, aiohttp.ClientError, TimeoutError, OSError) as error:
            raise SlackDown(f"Slack does not answer: {type(error).__name__}.") from None
        return data

    def _ours(self, url: str) -> bool:
        """The token goes to Slack's own servers only."""
        where, base = urlsplit(url), urlsplit(self.base)
        if (where.scheme, where.netloc) == (base.scheme, base.netloc):
            return True
        return where.scheme == "https" and (where.hostname or "").endswith(".slack.com")


def _code(error: SlackApiError) -> str:
    data = error.response.data if hasattr(error.response, "data") else {}
    return str(data.get("error") or type(error).__name__)[:100] if isinstance(data, dict) else type(error).__name__


def _details(error: SlackApiError) -> str:
    data = error.response.data if hasattr(error.response, "data") else {}
    return "; ".join((data.get("response_metadata") or {}).get("messages") or ())[:300] if isinstance(data, dict) else ""


def _outcome(error: SlackApiError) -> Exception:
    """What Slack says no to, as what the outbox has to do about it."""
    status, code = int(getattr(error.response, "status_code", 0) or 0), _code(error)
    if status == 429 or code in ("ratelimited", "rate_limited"):
        after = str((getattr(error.response, "headers", None) or {}).get("Retry-After") or "")
        return Later(float(after) if after.replace(".", "", 1).isdigit() else 5.0)
    if status >= 500 or code in DOWN:
        return Unreachable(f"{status} {code}")
    if code in NO_TOKEN:
        return Unreachable("Slack does not know this token")
    if code in GONE:
        return Gone(code)
    return NotTaken(f"{code} {_details(error)}".strip())
