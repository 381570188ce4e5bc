"""From drawn parts to Slack's Block Kit: escaped, within its limits, with buttons that carry opaque ids. Pure.

Everything that comes from people, listings and models is escaped here and nowhere else: `&`, `<` and `>` only, which also
takes the meaning out of `<!channel>` and `<@U..>`. `text` is what a notification shows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from channels.message import Call, Caps, Outgoing
from channels.phrases import phrase
from channels.slack.forms import escape, plain

CAPS = Caps(max_text=3000, max_actions=25, edit=True, thread=True, stream=False, form=True, image=True)
MOST_BLOCKS = 50
MOST_SECTION = 3000
MOST_LABEL, MOST_VALUE = 75, 2000
MOST_HEADER = 150
CARDS = 5  # shown at a time
TONES = {"ok": "\u2705", "warn": "\u23f3", "bad": "\u274c", "info": "\u2139\ufe0f"}

Json = dict[str, Any]
Part = Mapping[str, Any]


def render(out: Outgoing, chat_id: str, thread: str = "", pictures: str = "") -> list[Call]:
    """The calls one message of ours becomes. `pictures` is where Slack can fetch them from; without it there are none."""
    match out.op:
        case "send":
            return [_post(out, chat_id, thread, blocks) for blocks in _messages(out, pictures)]
        case "edit":
            blocks = next(iter(_messages(out, pictures)), [])
            edit: Json = {"channel": chat_id, "ts": out.replaces, "text": _fallback(out), "blocks": blocks}
            return [Call("chat_update", edit, twice=True)] if blocks else []
        case "answer":
            return _ephemeral(out, chat_id)
        case "topic":
            return [Call("chat_postMessage", {"channel": chat_id, "text": escape(out.about["title"])}, twice=True)]
        case "reopen_topic":
            text = escape(out.about.get("title") or "\u2026")
            again: Json = {"channel": chat_id, "thread_ts": str(out.about["thread_id"]), "text": text, "reply_broadcast": True}
            return [Call("chat_postMessage", again, twice=True)]
        case "close_topic":
            return []  # the card loses its buttons, that is all
        case "prompts":
            prompts = [{"title": str(one)[:MOST_LABEL], "message": str(one)} for one in out.about["prompts"]][:4]
            asks: Json = {"channel_id": chat_id, "thread_ts": thread, "prompts": prompts}
            return [Call("assistant_threads_setSuggestedPrompts", asks, twice=True)]
        case "home":
            blocks = next(iter(_messages(out, pictures)), [])
            return [Call("views_publish", {"user_id": str(out.about["user"]), "view": {"type": "home", "blocks": blocks}}, twice=True)]
        case "leave":
            return [Call("conversations_leave", {"channel": chat_id}, twice=True)]
        case _:
            raise ValueError(f"Slack knows no act {out.op!r}.")


def _post(out: Outgoing, chat_id: str, thread: str, blocks: Sequence[Json]) -> Call:
    params: Json = {"channel": chat_id, "text": _fallback(out), "blocks": list(blocks), "unfurl_links": False, "unfurl_media": False}
    if thread or out.hangs_on:
        params["thread_ts"] = thread or out.hangs_on
    return Call("chat_postMessage", params, twice=bool(out.subject))


def _ephemeral(out: Outgoing, chat_id: str) -> list[Call]:
    """A refusal is shown to the presser alone; what worked shows by itself, so only alerts are said."""
    if not out.about.get("text") or not out.about.get("alert"):
        return []
    user, _, thread = str(out.about["press_id"]).partition("|")
    params = {"channel": chat_id, "user": user, "text": escape(out.about["text"])}
    return [Call("chat_postEphemeral", params | ({"thread_ts": thread} if thread else {}), twice=True)]


def _messages(out: Outgoing, pictures: str) -> list[list[Json]]:
    """Parts become blocks, and blocks messages of at most fifty."""
    blocks: list[Json] = []
    if out.about.get("from"):
        blocks.append({"type": "context", "elements": [_mrkdwn(f"*{escape(out.about['from'])}*")]})
    for number, part in enumerate(out.parts):
        drawer = DRAWERS.get(str(part.get("type")))
        made = {"part": number, **part}
        blocks += drawer(made, out.locale, pictures) if drawer else _section(escape(part.get("text") or part.get("title") or ""))
    for at, block in enumerate(blocks):
        for number, one in enumerate(block.get("elements", ())):
            if one["type"] == "button":
                one["action_id"] = f"b{at}-{number}"
    return [blocks[at : at + MOST_BLOCKS] for at in range(0, len(blocks), MOST_BLOCKS)]


def _fallback(out: Outgoing) -> str:
    shown = []
    for part in out.parts:
        if part.get("type") == "cards":
            shown.append(", ".join(str(card["title"]) for card in part["items"]))
        elif part.get("type") != "quick_replies":
            shown.append(" ".join(str(part[name]) for name in ("title", "text", "name") if part.get(name)))
    text = "\n".join(line for line in shown if line) or str(phrase(out.locale, "door", "choose"))
    return escape(text[:1000])


# ── parts ─────────────────────────────────────────────────────────────────────────────────────────


def _text(part: Part, _locale: str, _pictures: str) -> list[Json]:
    text = markdown(str(part["text"]))
    if part.get("quiet"):
        return [{"type": "context", "elements": [_mrkdwn(piece)]} for piece in split(text)]
    return _section(text)


def _quick(part: Part, _locale: str, _pictures: str) -> list[Json]:
    return _actions([button(one) for one in part["items"]])


def _cards(part: Part, locale: str, pictures: str) -> list[Json]:
    """Five at a time, each with its buttons; the others are a tap away, in the same message."""
    items = part["items"]
    at = int(part.get("at", 0)) % len(items) // CARDS * CARDS
    made: list[Json] = []
    for card in items[at : at + CARDS]:
        lines = [f"*{escape(card['title'])}*"]
        if card.get("rating"):
            note = f" ({escape(card['rating_note'])})" if card.get("rating_note") else ""
            lines.append(f"\u2b50 {escape(card['rating'])} \u00b7 {card['reviews']}{note}")
        lines += [escape(card["subtitle"])] if card.get("subtitle") else []
        price = " ".join(shown for shown in (card.get("price"), card.get("price_note")) if shown)
        lines += [f"*{escape(price)}*"] if price else []
        about = [*card.get("meta", ()), *([card["note"]] if card.get("note") else []), card["badge"]["text"]]
        lines.append(escape(" \u00b7 ".join(about)))
        section: Json = {"type": "section", "text": _mrkdwn(split("\n".join(lines))[0])}
        picture = photo_of(str(card.get("picture") or ""), pictures)
        if picture:
            section["accessory"] = {"type": "image", "image_url": picture, "alt_text": str(card["title"])[:200]}
        made += [section, *_actions([button(one) for one in card["buttons"]])]
    if len(items) > CARDS:
        number, pages = int(part["part"]), -(-len(items) // CARDS)
        shown = phrase(locale, "door", "which_page").format(at=at // CARDS + 1, count=pages)
        before, after = (at - CARDS if at else (pages - 1) * CARDS), (at + CARDS if at + CARDS < len(items) else 0)
        turns = [("\u2039", f"page:{number}:{before}"), (shown, "nothing"), ("\u203a", f"page:{number}:{after}")]
        made += _actions([button({"label": label, "action": action}) for label, action in turns])
    return made


def _summary(part: Part, _locale: str, _pictures: str) -> list[Json]:
    lines = [f"*{escape(part['title'])}*"]
    more: list[Json] = []
    for group in part["groups"]:
        lines.append("")
        lines += [f"_{escape(group['title'])}_"] if group.get("title") else []
        for line in group["lines"]:
            before = f"~{escape(line['strike'])}~ " if line.get("strike") else ""
            lines.append(f"{escape(line['label'])}  {before}*{escape(line['amount'])}*")
            lines += [escape(detail) for detail in str(line.get("detail") or "").splitlines()]
            if line.get("button"):
                more.append(button({**line["button"], "label": f"{line['button']['label']}: {line['label']}"}))
        if group.get("total"):
            lines.append(f"{escape(group['total']['label'])}  *{escape(group['total']['amount'])}*")
    if part.get("total"):
        lines += ["", f"*{escape(part['total']['label'])}  {escape(part['total']['amount'])}*"]
    lines += [f"_{escape(part['note'])}_"] if part.get("note") else []
    return [*_section("\n".join(lines)), *_actions([button(one) for one in part["buttons"]]), *_actions(more)]


def _status(part: Part, _locale: str, pictures: str) -> list[Json]:
    lines = [f"{TONES.get(str(part.get('tone')), '')} *{escape(part['title'])}*".strip()]
    lines += [escape(line) for line in (part.get("text"), *part.get("lines", ())) if line]
    made = _section("\n".join(lines))
    picture = photo_of(str(part.get("picture") or ""), pictures)
    if picture:
        made[0]["accessory"] = {"type": "image", "image_url": picture, "alt_text": str(part["title"])[:200]}
    return [*made, *_actions([button(one) for one in part.get("buttons", ())])]


def _form(part: Part, locale: str, _pictures: str) -> list[Json]:
    """The form itself opens as a modal from this button."""
    lines = [f"*{escape(part['title'])}*"] + ([escape(part["text"])] if part.get("text") else [])
    opens = {"label": phrase(locale, "door", "fill_in"), "action": f"modal:{part['part']}", "style": "primary"}
    return [*_section("\n".join(lines)), *_actions([button(opens)])]


def _file(part: Part, locale: str, _pictures: str) -> list[Json]:
    return _section(escape(phrase(locale, "door", "file_sent").format(name=part["name"])))


def _header(part: Part, _locale: str, _pictures: str) -> list[Json]:
    return [{"type": "header", "text": plain(part["text"], MOST_HEADER)}]


DRAWERS: Mapping[str, Callable[[Part, str, str], list[Json]]] = {
    "text": _text,
    "quick_replies": _quick,
    "cards": _cards,
    "summary": _summary,
    "status": _status,
    "form": _form,
    "file": _file,
    "header": _header,
}


def photo_of(picture: str, pictures: str) -> str:
    """The address of a picture of ours: drawings have a JPEG of the same name beside them."""
    if not picture or not pictures:
        return ""
    name = PurePosixPath(picture).name
    return f"{pictures}/{name.rpartition('.')[0]}.jpg" if name.endswith(".svg") else f"{pictures}/{name}"


def button(one: Part) -> Json:
    made: Json = {"type": "button", "text": plain(one["label"], MOST_LABEL)}
    if one.get("url"):
        made |= {"url": str(one["url"])[:3000], "value": "nothing"}
    else:
        made["value"] = str(one.get("action") or "nothing")[:MOST_VALUE]
    return made | ({"style": "primary"} if one.get("style") == "primary" else {})


def _actions(buttons: Sequence[Json]) -> list[Json]:
    return [{"type": "actions", "elements": list(buttons[at : at + 10])} for at in range(0, len(buttons), 10)]


def _section(text: str) -> list[Json]:
    return [{"type": "section", "text": _mrkdwn(piece)} for piece in split(text)]


def _mrkdwn(text: str) -> Json:
    return {"type": "mrkdwn", "text": text, "verbatim": True}


# ── text ──────────────────────────────────────────────────────────────────────────────────────────


def markdown(text: str) -> str:
    """The little markup assistants write, as Slack's; everything else is shown as it is."""
    shown = []
    for line in escape(text).split("\n"):
        heading = re.fullmatch(r"#{1,4}\s+(.+)", line)
        line = f"*{heading[1].replace('*', '')}*" if heading else re.sub(r"^(\s*)[-*]\s+", "\\1\u2022 ", line)
        shown.append(line if heading else re.sub(r"\*\*([^*\n]+?)\*\*", r"*\1*", line))
    return "\n".join(shown)


def split(text: str, most: int = MOST_SECTION) -> list[str]:
    """Pieces of escaped text of at most 3000 characters, cut at lines, else at words; never inside an escaped character."""
    pieces: list[str] = []
    current = ""
    for token in re.findall(r"&(?:amp|lt|gt);|[^\s&]+|\s|&", text):
        while len(token) > most:  # a word without an end
            pieces.append((current + token)[:most])
            token, current = (current + token)[most:], ""
        if len(current) + len(token) > most:
            cut = current.rfind("\n") if "\n" in current[most // 2 :] else -1
            pieces.append(current if cut < 0 else current[:cut])
            current = "" if cut < 0 else current[cut + 1 :]
        current += token
    if current.strip():
        pieces.append(current)
    return [piece for piece in pieces if piece.strip()] or ["\u2026"]
