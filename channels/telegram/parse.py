"""From Telegram's updates to our events. Pure: the update and the bot's own name in, an event or nothing out."""

from __future__ import annotations

import re

from telegram import CallbackQuery, ChatMemberUpdated, Message, Update, User
from telegram.constants import ChatID, ChatType

from channels.message import Event, Kind, Media, Sender

MOST_SAID = 20_000


def parse(update: Update, workspace: str, username: str) -> Event | None:
    """What happened; None for everything that is none of our business."""
    event_id = str(update.update_id)
    if update.callback_query is not None:
        return _press(update.callback_query, event_id, workspace)
    if update.my_chat_member is not None:
        return _membership(update.my_chat_member, event_id, workspace)
    if update.edited_message is not None:
        return _message(update.edited_message, event_id, workspace, username, edited=True)
    if update.message is not None:
        return _message(update.message, event_id, workspace, username, edited=False)
    return None


def _sender(user: User | None, *, anonymous: bool = False) -> Sender:
    if user is None:
        return Sender("0", person=False)
    person = not (user.is_bot or anonymous or user.id in (ChatID.ANONYMOUS_ADMIN, ChatID.FAKE_CHANNEL))
    locale = re.sub(r"[^A-Za-z-]", "", user.language_code or "en")[:16] or "en"
    return Sender(str(user.id), user.full_name[:120], locale, person)


def _press(query: CallbackQuery, event_id: str, workspace: str) -> Event | None:
    message = query.message
    if message is None or not query.data:
        return None
    thread = str(message.message_thread_id or "") if isinstance(message, Message) and message.is_topic_message else ""
    return Event(
        channel="telegram",
        workspace=workspace,
        event_id=event_id,
        kind="press",
        chat_id=str(message.chat.id),
        sender=_sender(query.from_user),
        thread_id=thread,
        private=message.chat.type == ChatType.PRIVATE,
        message_id=str(message.message_id),
        action=query.data[:64],
        press_id=query.id,
    )


def _membership(change: ChatMemberUpdated, event_id: str, workspace: str) -> Event | None:
    private = change.chat.type == ChatType.PRIVATE
    now_in = change.new_chat_member.status in ("member", "administrator", "restricted")
    was_in = change.old_chat_member.status in ("member", "administrator", "restricted", "creator")
    kind: Kind
    if private:
        kind = "unblocked" if now_in else "blocked"
    elif now_in and not was_in:
        kind = "joined"
    else:
        return None
    return Event(
        channel="telegram",
        workspace=workspace,
        event_id=event_id,
        kind=kind,
        chat_id=str(change.chat.id),
        sender=_sender(change.from_user),
        private=private,
    )


def _message(message: Message, event_id: str, workspace: str, username: str, *, edited: bool) -> Event | None:
    private = message.chat.type == ChatType.PRIVATE
    if message.chat.type == ChatType.CHANNEL:
        return None
    text = (message.text or message.caption or "")[:MOST_SAID]
    command, argument, for_us = _command(text, username)
    media = _media(message)
    location = (message.location.latitude, message.location.longitude) if message.location else None
    if not (text or media or location):
        return None  # somebody joined, a title changed, a sticker: nothing to answer
    mentioned = bool(re.search(rf"@{re.escape(username)}\b", text, re.IGNORECASE)) if username else False
    replied = message.reply_to_message
    to_us = replied is not None and replied.from_user is not None and str(replied.from_user.id) == workspace
    created = replied is not None and replied.forum_topic_created is not None  # in a topic every line "replies" to its beginning
    if username and not command:
        text = re.sub(rf"@{re.escape(username)}\b", "", text, flags=re.IGNORECASE).strip()
    kind: Kind = "edit" if edited else "command" if command and for_us else "media" if media else "text"
    return Event(
        channel="telegram",
        workspace=workspace,
        event_id=event_id,
        kind=kind,
        chat_id=str(message.chat.id),
        sender=_sender(message.from_user, anonymous=message.sender_chat is not None),
        thread_id=str(message.message_thread_id or "") if message.is_topic_message else "",
        private=private,
        addressed=private or (bool(command) and for_us) or mentioned or (to_us and not created),
        message_id=str(message.message_id),
        text=argument if kind == "command" else text,
        command=command if kind == "command" else "",
        reply_to=str(replied.message_id) if replied is not None and not created else "",
        forwarded=message.forward_origin is not None,
        media=media,
        location=location,
    )


def _command(text: str, username: str) -> tuple[str, str, bool]:
    """(name, what follows, meant for us) of a line that begins with one."""
    match = re.match(r"/([A-Za-z0-9_]{1,32})(?:@(\w+))?(?:\s+(.*))?$", text, re.DOTALL)
    if match is None:
        return "", "", True
    return match[1].lower(), (match[3] or "").strip(), match[2] is None or match[2].lower() == username.lower()


def _media(message: Message) -> Media | None:
    if message.photo:
        best = message.photo[-1]
        return Media(best.file_id, "photo.jpg", best.file_size or 0)
    if message.document:
        return Media(message.document.file_id, (message.document.file_name or "file")[:120], message.document.file_size or 0)
    return None
