"""A letter that came in: whose answer to what it is, and the words that are new in it. What machines sent is no answer.

Nothing here is believed because a header says so: what counts is the sealed address of ours that it was sent to, together
with the address we had written to.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage, Message
from email.policy import default
from email.utils import getaddresses
from html.parser import HTMLParser

from mailparser_reply import EmailReplyParser

LANGUAGES = ["en", "de", "fr", "es", "it", "pt", "nl"]
TO = ("delivered-to", "x-original-to", "x-envelope-to", "to", "cc")
MACHINES = ("bulk", "junk", "list", "auto_reply")
MOST_RECIPIENTS = 50
MOST_TEXT = 20_000
DEVICE = re.compile(
    r"^(?:sent from|get outlook for|von meinem|envoyé de|enviado desde|enviado do|inviato da)\b.*$", re.IGNORECASE | re.MULTILINE
)
SIGNATURE = re.compile(r"^-- ?$.*", re.MULTILINE | re.DOTALL)


class NotALetter(ValueError):
    """It cannot be read as one; the message says why."""


@dataclass(frozen=True, slots=True)
class Letter:
    """What matters of one. `kind` is "answer", "machine" (an auto-responder, a list) or "bounce" with its `status` ("5.1.1")."""

    kind: str
    letter_id: str  # its Message-ID, or of its bytes where it has none
    sender: str  # one address, in small letters; "" where there is none or more than one
    recipients: tuple[str, ...]
    text: str = ""
    status: str = ""
    message_id: str = ""  # as it has to be named in an answer

    @property
    def event_id(self) -> str:
        return hashlib.sha256(f"{self.sender}\n{self.letter_id}".encode()).hexdigest()[:40]


def parse(raw: bytes, recipient: str = "") -> Letter:
    """`recipient` is the envelope's, where the mail server says it. Raises NotALetter."""
    message = message_from_bytes(raw, policy=default)
    if not isinstance(message, EmailMessage) or not message.keys():
        raise NotALetter("It has no headers.")
    try:
        return _read(message, raw, recipient)
    except (LookupError, UnicodeError, AttributeError, TypeError, IndexError) as error:
        raise NotALetter(f"It is malformed: {type(error).__name__}.") from error


def _read(message: EmailMessage, raw: bytes, recipient: str) -> Letter:
    senders = [address.strip().lower() for _, address in getaddresses([str(one) for one in message.get_all("from", [])]) if address]
    found = [recipient] if recipient else []
    for name in TO:
        found += [address for _, address in getaddresses([str(one) for one in message.get_all(name, [])]) if address]
    message_id = " ".join(str(message.get("message-id", "")).split())[:250]
    letter_id = message_id or hashlib.sha256(raw).hexdigest()
    common = (letter_id, senders[0] if len(senders) == 1 else "", tuple(found[:MOST_RECIPIENTS]))
    if message.get_content_type() == "multipart/report":
        return Letter("bounce", *common, status=_status(message))
    if _is_machine(message):
        return Letter("machine", *common)
    return Letter("answer", *common, text=said(message), message_id=message_id)


def _is_machine(message: EmailMessage) -> bool:
    """RFC 3834, and what older programs say instead."""
    submitted = str(message.get("auto-submitted", "no")).split(";")[0].strip().lower()
    precedence = str(message.get("precedence", "")).strip().lower()
    return (
        submitted != "no"
        or precedence in MACHINES
        or any(name in message for name in ("list-id", "x-autoreply", "x-autorespond", "x-auto-response"))
        or str(message.get("return-path", "")).strip() == "<>"
    )


def _status(message: EmailMessage) -> str:
    """The worst status of a delivery report (RFC 3464), such as "5.1.1"; "" where it tells none."""
    found: list[str] = []
    for part in message.walk():
        if part.get_content_type() == "message/delivery-status":
            content = part.get_payload()
            for fields in content if isinstance(content, list) else []:
                if not isinstance(fields, Message):
                    continue
                status = str(fields.get("status", "")).split(" ")[0].strip()
                if re.fullmatch(r"[245]\.\d{1,3}\.\d{1,3}", status):
                    found.append(status)
    return max(found, default="")


def said(message: EmailMessage) -> str:
    """The new words alone: no quoted lines, no signature, no "sent from my phone"."""
    body = message.get_body(preferencelist=("plain", "html"))
    if body is None:
        return ""
    content = str(body.get_content())[: 10 * MOST_TEXT]
    if body.get_content_type() == "text/html":
        content = words_of(content)
    content = content.replace("\r\n", "\n").replace("\xa0", " ")
    latest = EmailReplyParser(languages=LANGUAGES).read(text=content).latest_reply or ""
    lines = [line for line in latest.split("\n") if not line.lstrip().startswith(">")]
    cleaned = DEVICE.sub("", SIGNATURE.sub("", "\n".join(lines)))
    return re.sub(r"\n{3,}", "\n\n", cleaned).strip()[:MOST_TEXT]


class _Words(HTMLParser):
    """The text of a letter's HTML, without what it quotes."""

    BREAKS = ("br", "p", "div", "tr", "li", "h1", "h2", "h3")
    EMPTY = ("br", "img", "hr", "meta", "link", "input", "wbr", "col")
    HIDDEN = ("blockquote", "style", "script", "head", "title")
    QUOTES = ("gmail_quote", "yahoo_quoted", "moz-cite-prefix", "protonmail_quote", "gmail_signature", "moz-signature")

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self._open: list[tuple[str, bool]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self.BREAKS:
            self.found.append("\n")
        if tag in self.EMPTY:
            return
        given = dict(attrs)
        marks = f"{given.get('class') or ''} {given.get('id') or ''}".lower()
        self._open.append((tag, tag in self.HIDDEN or any(one in marks for one in (*self.QUOTES, "divrplyfwdmsg"))))

    def handle_endtag(self, tag: str) -> None:
        for at in range(len(self._open) - 1, -1, -1):
            if self._open[at][0] == tag:
                del self._open[at:]
                break
        if tag in ("p", "div", "tr", "li"):
            self.found.append("\n")

    def handle_data(self, data: str) -> None:
        if not any(hidden for _, hidden in self._open):
            self.found.append(data)


def words_of(html: str) -> str:
    reader = _Words()
    reader.feed(html)
    reader.close()
    lines = [" ".join(line.split()) for line in "".join(reader.found).split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
