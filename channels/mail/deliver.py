"""One letter handed to a mail server, and what became of it: taken, put off, refused, or nobody knows.

The server's word after the last dot is what counts. Whatever breaks before the dot has certainly not arrived; silence after
it may mean either, and such a letter is never sent twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import smtplib
import ssl
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit

from channels.delivery import NotTaken, Unreachable, Unsure
from channels.mail import address
from channels.mail.render import Sender, render
from channels.message import Call, Event, Outgoing

WAITS = (60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 14400.0, 28800.0)  # a server that puts letters off wants minutes, and may take hours
LOCAL = ("127.0.0.1", "::1", "localhost")
MOST_ERROR = 300


@dataclass(frozen=True, slots=True)
class Server:
    """Where letters are handed in, read from smtp://user:password@host:587 or smtps://...:465."""

    host: str
    port: int
    user: str = ""
    password: str = ""
    tls: str = "start"  # "start" (STARTTLS is required), "whole" (smtps), "none" (this very machine, or ?tls=no)

    @classmethod
    def read(cls, url: str) -> Server:
        """Raises ValueError for what is no address of a mail server; the message does not repeat it."""
        parts = urlsplit(url)
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
            raise ValueError("a mail server is given as smtp://user:password@host:587 or smtps://user:password@host:465")
        whole = parts.scheme == "smtps"
        plain = parts.hostname in LOCAL or parse_qs(parts.query).get("tls") == ["no"]
        tls = "whole" if whole else "none" if plain else "start"
        return cls(parts.hostname, parts.port or (465 if whole else 587), unquote(parts.username or ""), unquote(parts.password or ""), tls)


class MailDoor:
    """`timeout` is how long the server may be silent."""

    channel = address.CHANNEL
    workspace = address.WORKSPACE

    def __init__(self, server: Server, sender: Sender, *, timeout: float = 60.0) -> None:
        self._server = server
        self._sender = sender
        self._timeout = timeout

    async def open(self) -> None:
        return None

    async def close(self) -> None:
        return None

    def render(self, out: Outgoing, address: str, thread: str) -> list[Call]:
        return render(out, self._sender)

    async def call(self, call: Call) -> str:
        """Hand it in; returns its id. Raises delivery's outcomes."""
        await asyncio.to_thread(self._hand_in, str(call.params["from"]), str(call.params["to"]), bytes(call.params["data"]))
        return str(call.params["id"])

    def _hand_in(self, sender: str, to: str, data: bytes) -> None:
        try:
            client = self._connect()
        except smtplib.SMTPResponseException as error:
            raise Unreachable(_said(error.smtp_code, error.smtp_error), waits=WAITS) from None
        except (OSError, smtplib.SMTPException) as error:
            raise Unreachable(f"the mail server does not answer: {type(error).__name__}", waits=WAITS) from None
        try:
            self._converse(client, sender, to, data)
        finally:
            with contextlib.suppress(OSError, smtplib.SMTPException):
                client.quit()
            client.close()

    def _connect(self) -> smtplib.SMTP:
        server = self._server
        if server.tls == "whole":
            client: smtplib.SMTP = smtplib.SMTP_SSL(server.host, server.port, timeout=self._timeout, context=ssl.create_default_context())
        else:
            client = smtplib.SMTP(server.host, server.port, timeout=self._timeout)
        try:
            client.ehlo()
            if server.tls == "start":
                client.starttls(context=ssl.create_default_context())
                client.ehlo()
            if server.user:
                client.login(server.user, server.password)
        except (OSError, smtplib.SMTPException):
            client.close()
            raise
        return client

    def _converse(self, client: smtplib.SMTP, sender: str, to: str, data: bytes) -> None:
        try:
            self._ask(client, *client.mail(sender, ["SMTPUTF8"] if client.has_extn("smtputf8") and not to.isascii() else []), ok=(250,))
            self._ask(client, *client.rcpt(to), ok=(250, 251))
            self._ask(client, *client.docmd("DATA"), ok=(354,))
            client.send(_dotted(data))
        except (OSError, smtplib.SMTPException) as error:
            raise Unreachable(f"the connection broke: {type(error).__name__}", waits=WAITS) from None
        try:
            code, said = client.getreply()
        except (OSError, smtplib.SMTPException) as error:
            raise Unsure(f"no word from the mail server after the letter: {type(error).__name__}") from None
        self._ask(client, code, said, ok=(250,))

    def _ask(self, client: smtplib.SMTP, code: int, said: bytes, *, ok: tuple[int, ...]) -> None:
        if code in ok:
            return
        if 400 <= code < 500 or code == -1:
            raise Unreachable(_said(code, said), waits=WAITS)
        raise NotTaken(_said(code, said))

    # what other doors show for a moment, and a letter does not

    async def typing(self, chat_id: str, thread: str) -> None:
        return None

    async def draft(self, chat_id: str, draft_id: int, text: str) -> bool:
        return False

    async def fetch(self, file_id: str) -> bytes | None:
        return None

    async def settle(self, event: Event) -> Event:
        return event


def _dotted(data: bytes) -> bytes:
    """Lines that begin with a dot get one more, and a dot of its own ends it (RFC 5321, 4.5.2)."""
    lines = data.replace(b"\r\n", b"\n").split(b"\n")
    body = b"\r\n".join(b"." + line if line.startswith(b".") else line for line in lines)
    return body + (b".\r\n" if body.endswith(b"\r\n") else b"\r\n.\r\n")


def _said(code: int, said: bytes | str) -> str:
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    return f"{code} {' '.join(text.split())}"[:MOST_ERROR]
