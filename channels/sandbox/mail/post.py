"""The post of the fresh machine: an SMTP server on loopback that takes everything and delivers nothing, and the answers of the
people it plays, posted to the house as a real mail server would post them.

It keeps to the rules a server enforces: a size, line lengths, no recipient without a name and a domain, no bare line feeds.
It does not model TLS, passwords, greylisting by itself (a test can ask for each fault), spam filters or DKIM.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP, default
from email.utils import format_datetime, make_msgid, parseaddr
from typing import Any

import httpx
from aiosmtpd.smtp import SMTP as Server
from aiosmtpd.smtp import Envelope, Session

LARGEST = 20 * 1024 * 1024
MOST = 500  # letters kept; older ones go


@dataclass(frozen=True, slots=True)
class Fault:
    """What the server says instead of taking a letter: a `code` at RCPT ("rcpt") or after the dot ("data"); "hang" takes the
    letter and breaks the line before it says so, "drop" does not take it and breaks the line as well."""

    at: str
    code: int = 0
    text: str = ""


@dataclass(frozen=True, slots=True)
class Kept:
    """A letter as it arrived."""

    number: int
    at: datetime
    sender: str
    recipient: str
    raw: bytes

    @property
    def message(self) -> EmailMessage:
        made = message_from_bytes(self.raw, policy=default)
        if not isinstance(made, EmailMessage):
            raise ValueError("not a letter")
        return made


@dataclass
class Post:
    """`inbound` is where answers are posted, with its `secret`."""

    inbound: str = ""
    secret: str = ""
    letters: deque[Kept] = field(default_factory=lambda: deque(maxlen=MOST))
    faults: deque[Fault] = field(default_factory=deque)
    arrived: threading.Condition = field(default_factory=threading.Condition)
    count: int = 0

    # aiosmtpd's hooks

    async def handle_RCPT(self, server: Server, session: Session, envelope: Envelope, address: str, options: list[str]) -> str:
        if self.faults and self.faults[0].at == "rcpt":
            fault = self.faults.popleft()
            return f"{fault.code} {fault.text}"
        local, _, domain = address.rpartition("@")
        if not local or not domain or any(one.isspace() for one in address):
            return "553 5.1.3 That is no address"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Server, session: Session, envelope: Envelope) -> str:
        fault = self.faults.popleft() if self.faults and self.faults[0].at in ("data", "hang", "drop") else None
        if fault is not None and fault.at == "data":
            return f"{fault.code} {fault.text}"
        if fault is None or fault.at == "hang":
            self._keep(envelope)
        if fault is not None:
            transport = server.transport
            if isinstance(transport, asyncio.Transport):
                transport.abort()
            return "421 closing"
        return "250 OK"

    def _keep(self, envelope: Envelope) -> None:
        raw = envelope.original_content or b""
        with self.arrived:
            for recipient in envelope.rcpt_tos:
                self.count += 1
                self.letters.append(Kept(self.count, datetime.now(UTC), str(envelope.mail_from or ""), recipient, raw))
            self.arrived.notify_all()

    # the server

    async def run(self, listener: socket.socket) -> None:
        """Take letters until it is cancelled."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: Server(self, hostname="mail.traveloure.invalid", data_size_limit=LARGEST, enable_SMTPUTF8=True, loop=loop),
            sock=listener,
        )
        async with server:
            await server.serve_forever()

    # the people

    def find(self, number: int) -> Kept | None:
        return next((one for one in self.letters if one.number == number), None)

    async def answer(self, number: int, text: str, *, sender: str = "", headers: Mapping[str, str] | None = None) -> str:
        """Play the recipient: an answer with the old letter quoted below, as mail programs write one. Returns what the house says.

        Raises KeyError for a letter that is not here any more.
        """
        kept = self.find(number)
        if kept is None:
            raise KeyError(number)
        made = reply_to(kept, text, sender=sender, headers=headers)
        return await self.post(made.as_bytes(policy=SMTP), str(kept.message["reply-to"]))

    async def post(self, raw: bytes, recipient: str) -> str:
        """Hand a raw letter to the house."""
        async with httpx.AsyncClient(trust_env=False, timeout=20.0) as client:
            given = {"authorization": f"Bearer {self.secret}", "x-envelope-to": recipient, "content-type": "message/rfc822"}
            answer = await client.post(self.inbound, content=raw, headers=given)
        return f"{answer.status_code} {answer.text[:200]}"


def reply_to(kept: Kept, text: str, *, sender: str = "", headers: Mapping[str, str] | None = None) -> EmailMessage:
    """The answer to a letter as a mail program writes it."""
    old = kept.message
    body = old.get_body(preferencelist=("plain",))
    quoted = "\n".join(f"> {line}" for line in str(body.get_content() if body is not None else "").splitlines())
    made = EmailMessage(policy=SMTP)
    made["From"] = sender or kept.recipient
    made["To"] = parseaddr(str(old["reply-to"]))[1]
    made["Subject"] = f"Re: {old['subject']}"
    made["Date"] = format_datetime(datetime.now(UTC))
    made["Message-ID"] = make_msgid(domain="people.invalid")
    made["In-Reply-To"] = str(old["message-id"])
    made["References"] = str(old["message-id"])
    for name, value in (headers or {}).items():
        made[name] = value
    made.set_content(f"{text}\n\nOn {old['date']}, Traveloure <{parseaddr(str(old['from']))[1]}> wrote:\n{quoted}\n")
    return made


def shown(kept: Kept) -> dict[str, Any]:
    """A letter for a page: its head, its text and what is attached; the HTML is asked for by itself."""
    message = kept.message
    text, html = message.get_body(preferencelist=("plain",)), message.get_body(preferencelist=("html",))
    return {
        "number": kept.number,
        "at": kept.at,
        "to": kept.recipient,
        "from": str(message["from"]),
        "subject": str(message["subject"]),
        "text": str(text.get_content()) if text is not None else "",
        "html": html is not None,
        "headers": [(name, str(value)) for name, value in message.items() if name.lower() not in ("content-type", "mime-version")],
        "files": [
            (at, part.get_filename() or "file", len(part.get_payload(decode=True) or b""))
            for at, part in enumerate(message.iter_attachments())
        ],
    }
