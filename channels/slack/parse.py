"""From Slack's payloads to our events. Pure: the payload, our team and the bot's own user in, an event or nothing out.

A mention in a channel arrives twice, as `message` and as `app_mention`, with two event ids and one ts; so what people write is
named by channel and ts, which a repeated delivery carries as well, and everything else by Slack's id of it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from channels.message import Event, Kind, Media, Sender
from core.identities import PREFIX

MOST_SAID = 20_000
WRITTEN = ("", "file_share", "thread_broadcast", "me_message")
COMMANDS = ("help", "trips", "cart", "human", "web", "requests", "language", "stop", "unlink", "desk", "start")
Body = Mapping[str, Any]


def parse(body: Body, workspace: str, bot_user: str) -> Event | None:
    """What happened; None for everything that is none of our business."""
    match body.get("type"):
        case "event_callback":
            return _event(body, workspace, bot_user)
        case "block_actions":
            return _press(body, workspace)
        case "view_submission":
            return _form(body, workspace)
        case _:
            return _command(body, workspace) if body.get("command") else None


def named(kind: str, *ids: Any) -> str:
    """An event's name of at most 48 characters, so that it survives in the names made of it."""
    raw = ":".join([kind, *(str(one) for one in ids)])
    return raw if len(raw) <= 48 else f"{kind}:{hashlib.sha256(raw.encode()).hexdigest()[:40]}"


# ── events ────────────────────────────────────────────────────────────────────────────────────────


def _event(body: Body, workspace: str, bot_user: str) -> Event | None:
    event = body.get("event") or {}
    event_id = named("e", body.get("event_id"))
    match event.get("type"):
        case "message" | "app_mention":
            return _message(event, workspace, bot_user)
        case "assistant_thread_started":
            thread = event.get("assistant_thread") or {}
            sender = Sender(str(thread["user_id"]))
            return Event("slack", workspace, event_id, "opened", str(thread["channel_id"]), sender, thread_id=str(thread["thread_ts"]))
        case "app_home_opened" if event.get("tab") == "home":
            who = str(event["user"])
            return Event("slack", workspace, event_id, "opened", str(event.get("channel") or who), Sender(who), command="home")
        case "app_uninstalled":
            return Event("slack", workspace, event_id, "blocked", "", Sender("", person=False))
        case _:
            return None


def _message(event: Body, workspace: str, bot_user: str) -> Event | None:
    if str(event.get("subtype") or "") not in WRITTEN or not event.get("user") or event["user"] == bot_user:
        return None  # edits and deletions decide nothing; joins and topics are nobody's words
    chat, ts = str(event["channel"]), str(event["ts"])
    private = event.get("channel_type") == "im" or chat.startswith("D")
    raw = str(event.get("text") or "")[:MOST_SAID]
    text = plain_text(raw, bot_user)
    media = _media(event)
    if not (text or media):
        return None
    root = str(event.get("thread_ts") or "")
    link = re.fullmatch(rf"link ({PREFIX}[\w-]{{20,60}})", text) if private else None
    kind: Kind = "command" if link else "media" if media else "text"
    return Event(
        channel="slack",
        workspace=workspace,
        event_id=named("m", chat, ts),
        kind=kind,
        chat_id=chat,
        sender=_sender(event, workspace),
        thread_id=(root if root != ts else "") if private else (root or ts),
        private=private,
        addressed=private or event["type"] == "app_mention" or f"<@{bot_user}" in raw,
        message_id=ts,
        text=link[1] if link else text,
        command="start" if link else "",
        media=media,
    )


def _sender(event: Body, workspace: str) -> Sender:
    """Bots have no say, and neither have people of another workspace in a shared channel."""
    home = str(event.get("user_team") or event.get("source_team") or event.get("team") or workspace)
    return Sender(str(event["user"]), person=not event.get("bot_id") and home == workspace)


def _media(event: Body) -> Media | None:
    files = event.get("files") or ()
    if not files:
        return None
    return Media(str(files[0]["id"]), str(files[0].get("name") or "file")[:120], int(files[0].get("size") or 0))


def plain_text(text: str, bot_user: str = "") -> str:
    """What was written, without Slack's own markup: it arrives with & < > escaped and everything clickable in angle brackets."""
    text = re.sub(rf"<@{re.escape(bot_user)}(\|[^>]*)?>", "", text) if bot_user else text
    text = re.sub(r"<([^<>|]*)(?:\|([^<>]*))?>", _bracket, text)
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").strip()


def _bracket(match: re.Match[str]) -> str:
    target, label = match[1], match[2] or ""
    if target.startswith(("@", "!")):
        return f"@{label.lstrip('@')}" if label else ""
    if target.startswith("#"):
        return f"#{label}" if label else ""
    return label or target.removeprefix("mailto:").removeprefix("tel:")


# ── buttons, forms, commands ──────────────────────────────────────────────────────────────────────


def _user(body: Body, workspace: str) -> Sender:
    user = body.get("user") or {}
    home = str(user.get("team_id") or workspace)
    return Sender(str(user.get("id") or ""), str(user.get("name") or "")[:120], person=home == workspace and bool(user.get("id")))


def _press(body: Body, workspace: str) -> Event | None:
    action = (body.get("actions") or [{}])[0]
    sender = _user(body, workspace)
    value = str(action.get("value") or "")
    if not sender.user_id or not value:
        return None
    container, message = body.get("container") or {}, body.get("message") or {}
    chat = str((body.get("channel") or {}).get("id") or container.get("channel_id") or sender.user_id)
    ts = str(message.get("ts") or container.get("message_ts") or "")
    root = str(message.get("thread_ts") or container.get("thread_ts") or "")
    private = not chat.startswith(("C", "G"))
    inside = root if root != ts else ""  # the thread the button is seen in
    return Event(
        channel="slack",
        workspace=workspace,
        event_id=named("a", action.get("action_ts"), sender.user_id),
        kind="press",
        chat_id=chat,
        sender=sender,
        thread_id=inside if private else root or ts,
        private=private,
        message_id=ts,
        action=value[:64],
        press_id=f"{sender.user_id}|{inside}",
    )


def _form(body: Body, workspace: str) -> Event | None:
    view, sender = body.get("view") or {}, _user(body, workspace)
    try:
        kept = json.loads(view.get("private_metadata") or "")
        chat, thread, message, part = str(kept["chat"]), str(kept["thread"]), str(kept["message"]), int(kept["part"])
    except (ValueError, KeyError, TypeError):
        return None
    return Event(
        channel="slack",
        workspace=workspace,
        event_id=named("v", view.get("id"), view.get("hash")),
        kind="form",
        chat_id=chat,
        sender=sender,
        thread_id=thread,
        private=not chat.startswith(("C", "G")),
        message_id=message,
        action=str(part),
        press_id=f"{sender.user_id}|{thread}",
        fields=values_of(view),
    )


def values_of(view: Body) -> dict[str, str]:
    """The fields of a modal that was sent, as our forms name them."""
    made: dict[str, str] = {}
    for fields in ((view.get("state") or {}).get("values") or {}).values():
        for name, field in fields.items():
            if field.get("selected_options") is not None:
                made[name] = "true" if field["selected_options"] else ""
            else:
                chosen = field.get("selected_option") or {}
                made[name] = str(field.get("value") or field.get("selected_date") or chosen.get("value") or "")
    return made


def _command(body: Body, workspace: str) -> Event | None:
    """`/traveloure trips` and the like: for the person alone, so it goes on in the direct messages; only the desk is set up in place."""
    text = str(body.get("text") or "").strip()[:MOST_SAID]
    word, _, rest = text.partition(" ")
    word, rest = word.lower() or "help", rest.strip()
    who = str(body.get("user_id") or "")
    if not who:
        return None
    kind: Kind = "command" if word in COMMANDS or (word == "link" and rest.startswith(PREFIX)) else "text"
    here = word == "desk"
    return Event(
        channel="slack",
        workspace=workspace,
        event_id=named("c", body.get("trigger_id")),
        kind=kind,
        chat_id=str(body.get("channel_id") or who) if here else who,
        sender=Sender(who, str(body.get("user_name") or "")[:120]),
        private=not here or str(body.get("channel_id") or "").startswith("D"),
        text=rest if kind == "command" else plain_text(text),
        command=("start" if word == "link" else word) if kind == "command" else "",
    )
