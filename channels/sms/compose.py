"""What a row of the outbox says as a text message: the same drawn parts as in every chat, as short as they can be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row

from channels.compose import Composer
from channels.message import Outgoing

ONLY = (
    "parts",
    "request_received",
    "offer_countered",
    "booking_received",
    "booking_cancelled",
    "booking_changed",
    "offer_accepted",
    "offer_declined",
    "letter",
)


class SmsComposer:
    """Payouts and calendars are no matter for a text message; a card that was sent cannot be edited."""

    def __init__(self, composer: Composer) -> None:
        self._composer = composer

    def __call__(self, tx: Connection, row: Row[Any]) -> Sequence[Outgoing]:
        if row.notice == "answer" and row.content.get("alert"):
            return [Outgoing([{"type": "text", "text": row.content["text"]}], about={"row": row.id})]
        if row.notice not in ONLY:
            return []
        return [replace(self._without_how(one), about={**one.about, "row": row.id}) for one in self._composer(tx, row)]

    def _without_how(self, out: Outgoing) -> Outgoing:
        say = self._composer.words(out.locale).say
        left_out = (say("request", "how"), say("request", "letter_how"))
        parts: list[Mapping[str, Any]] = [
            {**part, "lines": [line for line in part["lines"] if line not in left_out]} if "lines" in part else part for part in out.parts
        ]
        if out.subject.startswith("request:") and out.version == "open":
            parts.append({"type": "text", "text": say("sms", "how")})
        elif out.subject.startswith("letter:"):
            parts.append({"type": "text", "text": say("sms", "letter_how")})
        return replace(out, parts=parts)
