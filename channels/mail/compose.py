"""What a row of the outbox becomes as a letter: the same drawn parts as in every chat, with a subject and what is attached.

Read from the tables when it goes out. What is essential (a booking, its money, a request) goes out in any case; a reminder
only to those who have not turned reminders off.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, func, select

from channels.compose import Composer, booking_line
from channels.mail import address
from channels.message import Outgoing
from channels.phrases import has
from channels.render import Words
from core import itinerary, links, preferences, signin
from core.schema import account, account_role, booking, conversation, message_ref

# What providers are told; a traveler's mail under the same name has links to their own pages.
PROVIDERS = frozenset((
    "request_received", "booking_received", "booking_cancelled", "booking_changed", "offer_accepted", "offer_declined", "offer_countered", "payout_sent", "payouts_state", "letter",
))  # fmt: skip
WITH_VOUCHER = ("booking_confirmed", "booking_changed", "balance_paid", "reminder")
CHAT_ONLY = ("request.card", "answer", "line", "topic", "desk.card")
HOSTS = ("provider_welcome", "staff_invited", "sign_up_approved", "sign_up_refused", "listing_published", "listing_returned")
JOIN = ("provider_welcome", "staff_invited")  # with a link that lets somebody in
PLAIN = ("missed", "reminder", "letter", "calendar_broken", "calendar_conflict", "call_back", "alarm", "signin", *HOSTS)


@dataclass(frozen=True, slots=True)
class Seen:
    """A row as the chats' composer reads one."""

    key: str
    notice: str
    content: Mapping[str, Any]
    lane: str


class MailComposer:
    """`composer` draws what providers get in their chats as well."""

    def __init__(self, base_url: str, composer: Composer) -> None:
        self._base_url = base_url
        self._composer = composer

    def __call__(self, tx: Connection, row: Row[Any]) -> Sequence[Outgoing]:
        made = self._made(tx, row)
        if made is None:
            return []
        return [made]

    def _made(self, tx: Connection, row: Row[Any]) -> Outgoing | None:
        if row.notice in CHAT_ONLY and not (row.notice == "answer" and row.content.get("alert")):
            return None
        to = address.address_of(tx, row)
        about: dict[str, Any] = {"to": to, "key": row.key, "seal": address.seal(tx, row.id, to), "at": row.created_at}
        if row.notice == "answer":
            return Outgoing([{"type": "text", "text": row.content["text"]}], about={**about, "title": "Traveloure"})
        if row.notice == "parts":
            return self._answer(tx, row, about)
        if row.notice in PROVIDERS and "links" not in row.content:
            return self._to_provider(tx, row, about, to)
        return self._to_traveler(tx, row, about)

    def _words(self, tx: Connection, row: Row[Any]) -> Words:
        locale = None
        if row.conversation_id:
            locale = tx.execute(select(conversation.c.locale).where(conversation.c.id == row.conversation_id)).scalar_one_or_none()
        return self._composer.words(locale or row.content.get("locale") or "en")

    # to travelers, and to people of the house

    def _to_traveler(self, tx: Connection, row: Row[Any], about: dict[str, Any]) -> Outgoing | None:
        words, facts = self._words(tx, row), row.content
        if row.notice in preferences.OPTIONAL:
            if preferences.is_off(tx, address.key_of(about["to"]), row.notice):
                return None
            about["unsubscribe"] = f"{self._base_url}/mail/off/{preferences.token(tx, address.key_of(about['to']), row.notice)}"
        parts = self._plain(words, row) if row.notice in PLAIN else words.draw({"type": "event", "event": row.notice, "facts": facts})
        parts = [{**part, "buttons": []} if "buttons" in part else part for part in parts if part["type"] != "quick_replies"]
        told = [one for one in facts.get("bookings", [facts]) if one.get("booking_id")]
        given = facts.get("links") or {}
        buttons = [
            {"label": words.say("mail_door", "voucher", reference=reference), "url": f"{self._base_url}{path}"}
            for reference, path in given.get("vouchers", {}).items()
        ]
        if given.get("trips"):
            buttons.append({"label": words.say("buttons", "open_trips"), "url": f"{self._base_url}{given['trips']}"})
        if row.notice in HOSTS and row.notice not in JOIN:
            buttons.append({"label": words.say("mail_door", "listings"), "url": f"{self._base_url}/listings"})
        if row.notice == "signin" or row.notice in JOIN:
            url = f"{self._base_url}/signin/{signin.token_of(tx, facts['nonce'])}"
            buttons.append({"label": words.say("mail_door", "join" if row.notice in JOIN else "sign_in"), "url": url})
            parts.append({"type": "text", "text": words.say("mail_door", "not_you"), "quiet": True})
        parts.append({"type": "links", "items": buttons})
        about |= {"title": self._title(words, row, told), "papers": self._papers(tx, row, told), "base_url": self._base_url}
        if facts.get("paid") and row.notice in ("booking_confirmed", "balance_paid"):
            about["receipt"] = {"paid": facts["paid"], "bookings": told, "payment": facts.get("payment_id", ""), "at": row.created_at}
        subject = f"booking:{told[0]['booking_id']}" if told else ""
        if subject:
            status = tx.execute(select(booking.c.status).where(booking.c.id == told[0]["booking_id"])).scalar_one_or_none()
            if status in ("CONFIRMED", "REDEEMED"):
                parts.append({"type": "text", "text": words.say("mail_door", "answer_provider"), "quiet": True})
        return Outgoing(
            parts,
            about=about,
            subject=subject,
            version=row.notice,
            conversation_id=row.conversation_id or "",
            reply_to=self._before(tx, row, subject),
            locale=words.locale,
        )

    def _title(self, words: Words, row: Row[Any], told: Sequence[Mapping[str, Any]]) -> str:
        name = words.say("mail", row.notice) if has("mail", row.notice) else row.notice.replace("_", " ").capitalize()
        references = ", ".join(str(one["reference"]) for one in told if one.get("reference"))
        return f"{name} ({references})" if references else name

    def _papers(self, tx: Connection, row: Row[Any], told: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """What is attached about each booking: its facts, the voucher's address and how the calendar takes it."""
        if row.notice not in (*WITH_VOUCHER, "booking_cancelled"):
            return []
        ids = [one["booking_id"] for one in told]
        rows = tx.execute(select(booking).where(booking.c.id.in_(ids)).order_by(booking.c.id)).all()
        return [
            {"facts": itinerary.voucher(tx, one), "path": links.voucher_path(tx, one)}
            for one in rows
            if one.status in links.VOUCHED and one.confirmed_at is not None
        ]

    def _plain(self, words: Words, row: Row[Any]) -> list[dict[str, Any]]:
        """Letters that no chat shows in that form."""
        facts = row.content
        lines = [booking_line(words, facts)] if facts.get("reference") else []
        text = str(facts.get("text") or facts.get("message") or facts.get("reason") or "")
        if row.notice in HOSTS:
            lines += [str(facts["title"])] if facts.get("title") else []
            title = words.say("mail", row.notice)
            text = words.say("mail_door", row.notice, provider=facts.get("provider", ""), said=text)
        elif row.notice == "letter":
            title = words.say("mail_door", "letter_from", name=facts.get("provider", ""))
        else:
            title = words.say("mail", row.notice) if has("mail", row.notice) else row.notice.replace("_", " ").capitalize()
        if row.notice in (
            "alarm",
            "call_back",
            "calendar_broken",
            "calendar_conflict",
        ):  # for people of the house: everything that is known
            lines += [
                f"{name}: {value}"
                for name, value in facts.items()
                if name not in ("text", "reference") and not isinstance(value, (dict, list))
            ]
        return [{"type": "status", "tone": "info", "title": title, "text": text, "lines": lines, "buttons": []}]

    # to providers

    def _to_provider(self, tx: Connection, row: Row[Any], about: dict[str, Any], to: str) -> Outgoing | None:
        staff = (
            select(account.c.id, account.c.locale)
            .join(account_role, account_role.c.account_id == account.c.id)
            .where(account_role.c.role == "provider", account.c.visitor.is_(False), func.lower(account.c.email) == address.same(to))
            .order_by(account.c.id)
        )
        person = tx.execute(staff).first()
        locale = person.locale if person is not None else "en"
        content = {"facts": dict(row.content), "account_id": person.id if person is not None else "", "locale": locale}
        drawn = list(self._composer(tx, Seen(row.key, row.notice, content, address.lane_of(to))))  # type: ignore[arg-type]
        words = self._composer.words(locale)
        if not drawn:
            return None
        made = drawn[0]
        parts: list[Mapping[str, Any]] = [_without_how(words, part) for part in made.parts]
        answers = row.notice in ("request_received", "offer_countered")
        if answers and made.version == "open":
            parts.append({"type": "text", "text": words.say("mail_door", "how"), "quiet": True})
        parts.append({"type": "links", "items": [{"label": words.say("mail_door", "inbox"), "url": f"{self._base_url}/provider"}]})
        reference = str(row.content.get("reference") or "")
        name = words.say("mail", row.notice) if has("mail", row.notice) else row.notice.replace("_", " ").capitalize()
        about |= {"title": f"{name} ({reference})" if reference else name, "mint": made.about.get("mint", ())}
        return Outgoing(
            parts,
            about=about,
            subject=made.subject,
            version=made.version,
            conversation_id=made.conversation_id,
            reply_to=self._before(tx, row, made.subject),
            locale=locale,
        )

    def _answer(self, tx: Connection, row: Row[Any], about: dict[str, Any]) -> Outgoing:
        """An answer to a mail, in its thread."""
        given = row.content
        words = self._composer.words(given.get("locale", "en"))
        title = str(given.get("title") or words.say("mail_door", "answer_title"))
        return Outgoing(
            given["parts"],
            about={**about, "title": title},
            reply_to=str(given.get("reply_to", "")),
            subject=str(given.get("subject", "")),
            locale=words.locale,
        )

    def _before(self, tx: Connection, row: Row[Any], subject: str) -> str:
        """The last mail about the same thing to the same person, so that their program shows one thread."""
        if not subject:
            return ""
        _, workspace, chat_id, _ = row.lane.split(":", 3)
        mine = (message_ref.c.channel == "mail", message_ref.c.workspace == workspace, message_ref.c.chat_id == chat_id)
        last = select(message_ref.c.external_id).where(*mine, message_ref.c.subject == subject).order_by(message_ref.c.created_at.desc())
        return str(tx.execute(last.limit(1)).scalar_one_or_none() or "")


def _without_how(words: Words, part: Mapping[str, Any]) -> Mapping[str, Any]:
    """There is no button in a mail to be pressed."""
    how = words.say("request", "how")
    return {**part, "lines": [line for line in part["lines"] if line != how]} if "lines" in part else part


def choices(parts: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """(action, label) of everything that can be pressed, in the order in which a mail numbers it."""
    found = []
    for part in parts:
        for button in (*part.get("buttons", ()), *(part.get("items", ()) if part["type"] == "quick_replies" else ())):
            if button.get("action"):
                found.append((str(button["action"]), str(button["label"])))
    return found
