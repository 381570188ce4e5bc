"""One message handed to Twilio's REST interface. It has no idempotency key: where no answer came, nobody knows, and it is not sent again.

Spoken with httpx and not with the vendor's client, because what matters is whether a request that failed had left already.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx
import structlog

from channels.delivery import Gone, Later, NotTaken, Unreachable, Unsure
from channels.message import Call, Event, Outgoing
from channels.phrases import phrase
from channels.sms.text import LONGEST, parts, plainer

log = structlog.get_logger()

PUBLIC_API = "https://api.twilio.com"
CHANNEL = "sms"
OPTED_OUT = 21610
STATUS_PATH = "/webhooks/sms/status"


@dataclass(frozen=True, slots=True)
class Account:
    """`sender` is a number of ours (+351...) or a messaging service (MG...)."""

    sid: str
    token: str
    sender: str
    api_url: str = PUBLIC_API


class SmsDoor:
    """`base_url` is where Twilio reports what became of a message. `local`: where the stand-in's page is, if it is used."""

    channel = CHANNEL

    def __init__(self, account: Account, base_url: str, *, timeout: float = 15.0, local: str = "") -> None:
        self.workspace = account.sender
        self._account = account
        self._base_url = base_url
        self._local = local
        self._http = httpx.AsyncClient(auth=(account.sid, account.token), timeout=timeout, trust_env=False)

    async def open(self) -> None:
        return None

    async def close(self) -> None:
        await self._http.aclose()

    async def link(self, token: str) -> str:
        """The address that opens a phone's messages with the words that link it."""
        words = quote(f"LINK {token}")
        return f"{self._local}?body={words}" if self._local else f"sms:{self._account.sender}?&body={words}"

    def render(self, out: Outgoing, address: str, thread: str) -> list[Call]:
        if out.op not in ("send", "answer"):
            return []
        return [Call("create", {"to": address, "body": words_of(out), "row": out.about.get("row", 0)})]

    async def call(self, call: Call) -> str:
        """Raises delivery's outcomes; returns Twilio's id of the message."""
        account = self._account
        form = {
            "To": str(call.params["to"]),
            "Body": str(call.params["body"]),
            "StatusCallback": f"{self._base_url}{STATUS_PATH}?row={call.params['row']}",
            ("MessagingServiceSid" if account.sender.startswith("MG") else "From"): account.sender,
        }
        try:
            answer = await self._http.post(f"{account.api_url}/2010-04-01/Accounts/{account.sid}/Messages.json", data=form)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise Unreachable(type(error).__name__) from None
        except httpx.HTTPError as error:
            raise Unsure(f"no answer in time: {type(error).__name__}") from None
        sid = _read(answer)
        log.info("sms_handed_in", parts=parts(form["Body"]))  # what it costs; neither the number nor the words
        return sid

    async def typing(self, chat_id: str, thread: str) -> None:
        return None

    async def draft(self, chat_id: str, draft_id: int, text: str) -> bool:
        return False

    async def fetch(self, file_id: str) -> bytes | None:
        return None

    async def settle(self, event: Event) -> Event:
        return event


def _read(answer: httpx.Response) -> str:
    try:
        body: Any = answer.json()
    except ValueError:
        body = {}
    said = f"{body.get('code', answer.status_code)} {body.get('message', '')}".strip()[:300]
    if answer.status_code == 201 and body.get("sid"):
        return str(body["sid"])
    if answer.status_code == 429:
        raise Later(float(answer.headers.get("retry-after", "2")))
    if answer.status_code in (401, 403, 503) and body.get("code") != OPTED_OUT:
        raise Unreachable(said)
    if body.get("code") == OPTED_OUT:
        raise Gone("they have opted out")
    if answer.status_code >= 500:
        raise Unsure(said)
    raise NotTaken(said)


def words_of(out: Outgoing) -> str:
    """The parts as one text; what could be pressed gets a number."""
    lines: list[str] = []
    number = 0
    for part in out.parts:
        if part["type"] == "status":
            lines.append(": ".join(one for one in (part["title"], part.get("text", "")) if one))
            lines += [line for line in part.get("lines", ()) if line]
        elif part["type"] == "text":
            lines.append(str(part["text"]))
        if part["type"] == "quick_replies":
            for button in part["items"]:
                number += 1
                lines.append(f"{number} {button['label']}")
    if number:
        lines.append(str(phrase(out.locale, "sms", "numbers")))
    text = plainer("\n".join(lines))
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
