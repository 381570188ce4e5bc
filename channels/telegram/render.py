"""From drawn parts to Telegram's messages: escaped HTML, inline buttons that carry opaque ids, cards with a photo. Pure.

Everything that comes from people, listings and models is escaped here and nowhere else; only `**bold**`, `code`, titles and
bullets of the assistant's own words become markup. Telegram counts UTF-16 units after the markup is taken out.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from channels.message import Call, Caps, Outgoing
from channels.phrases import phrase
from channels.telegram import pickers

CAPS = Caps(max_text=4096, max_actions=100, edit=True, thread=True, stream=True, form=False, image=True)
MAX_CAPTION = 1024
ROW = 24  # characters of labels that fit beside each other
TONES = {"ok": "\u2705", "warn": "\u23f3", "bad": "\u274c", "info": "\u2139\ufe0f"}

Markup = dict[str, Any]
Part = Mapping[str, Any]


def units(text: str) -> int:
    """The length Telegram counts: UTF-16 code units."""
    return len(text.encode("utf-16-le")) // 2


def render(out: Outgoing, chat_id: str, thread: str = "") -> list[Call]:
    """The calls one message of ours becomes. Doing them again is harmless for edits and acts, not for new messages."""
    match out.op:
        case "send":
            return _sends(out, chat_id, thread)
        case "edit":
            return _edit(out, chat_id)
        case "voucher":
            from channels import papers  # fonts and all, only where something was booked

            facts = out.about["facts"]
            made = {"document": papers.voucher(facts, out.about["url"], out.about["at"]), "filename": f"voucher-{facts['reference']}.pdf"}
            return [Call("send_document", {"chat_id": chat_id, **made}, twice=True)]
        case "answer":
            params: dict[str, Any] = {"callback_query_id": out.about["press_id"]}
            if out.about.get("text"):
                params |= {"text": str(out.about["text"])[:200], "show_alert": bool(out.about.get("alert"))}
            return [Call("answer_callback_query", params, twice=True)]
        case "topic":
            return [Call("create_forum_topic", {"chat_id": chat_id, "name": str(out.about["title"])[:128]}, twice=True)]
        case "close_topic" | "reopen_topic":
            method = "close_forum_topic" if out.op == "close_topic" else "reopen_forum_topic"
            return [Call(method, {"chat_id": chat_id, "message_thread_id": int(out.about["thread_id"])}, twice=True)]
        case "leave":
            return [Call("leave_chat", {"chat_id": chat_id}, twice=True)]
        case _:
            raise ValueError(f"Telegram knows no act {out.op!r}.")


# ── messages ──────────────────────────────────────────────────────────────────────────────────────


class Block:
    """One Telegram message in the making: text as HTML, its buttons, perhaps a photo."""

    def __init__(self, text: str = "", rows: Sequence[Sequence[Markup]] = (), photo: str = "") -> None:
        self.text = text
        self.rows = [list(row) for row in rows]
        self.photo = photo


def _sends(out: Outgoing, chat_id: str, thread: str) -> list[Call]:
    calls = []
    for number, block in enumerate(blocks(out)):
        common: dict[str, Any] = {"chat_id": chat_id}
        if thread:
            common["message_thread_id"] = int(thread)
        if out.reply_to and number == 0:
            common["reply_parameters"] = {"message_id": int(out.reply_to), "allow_sending_without_reply": True}
        if out.silent:
            common["disable_notification"] = True
        calls += _message(common, block, twice=bool(out.subject))
    return calls


def _message(common: Mapping[str, Any], block: Block, *, twice: bool) -> list[Call]:
    markup = {"reply_markup": {"inline_keyboard": block.rows}} if block.rows else {}
    if block.photo and units(visible(block.text)) <= MAX_CAPTION:
        return [Call("send_photo", {**common, "photo": block.photo, "caption": block.text, "parse_mode": "HTML", **markup}, twice=twice)]
    pieces = split(block.text) or ["\u2026"]
    calls = []
    for at, piece in enumerate(pieces):
        params = {**common, "text": piece, "parse_mode": "HTML", "link_preview_options": {"is_disabled": True}}
        if at == len(pieces) - 1:
            params |= markup
        calls.append(Call("send_message", params, twice=twice))
    return calls


def _edit(out: Outgoing, chat_id: str) -> list[Call]:
    made = blocks(out)
    if not made:
        return []
    block = made[0]
    common = {"chat_id": chat_id, "message_id": int(out.replaces)}
    markup = {"inline_keyboard": block.rows}
    if block.photo:
        media = {"type": "photo", "media": block.photo, "caption": block.text, "parse_mode": "HTML"}
        return [Call("edit_message_media", {**common, "media": media, "reply_markup": markup}, twice=True)]
    text = (split(block.text) or ["\u2026"])[0]
    params = {**common, "text": text, "parse_mode": "HTML", "link_preview_options": {"is_disabled": True}, "reply_markup": markup}
    return [Call("edit_message_text", params, twice=True)]


def blocks(out: Outgoing) -> list[Block]:
    """Parts become messages; what has only buttons hangs on the message before it."""
    made: list[Block] = []
    head = f"<b>{escape(str(out.about['from']))}</b>\n" if out.about.get("from") else ""
    for number, part in enumerate(out.parts):
        drawer = DRAWERS.get(str(part.get("type")))
        block = drawer({"part": number, **part}, out.locale) if drawer else Block(escape(str(part.get("text") or part.get("title") or "")))
        if not block.text and made and not made[-1].photo and not block.photo:
            made[-1].rows += block.rows
        elif block.text or block.photo or block.rows:
            block.text = block.text or escape(phrase(out.locale, "door", "choose"))
            made.append(block)
    if head and made:
        made[0].text = head + made[0].text
    return made


# ── parts ─────────────────────────────────────────────────────────────────────────────────────────


def _text(part: Part, _locale: str) -> Block:
    text = markdown(str(part["text"]))
    return Block(f"<i>{text}</i>" if part.get("quiet") else text)


def _quick(part: Part, _locale: str) -> Block:
    return Block("", rows_of([button(one) for one in part["items"]]))


def _cards(part: Part, locale: str) -> Block:
    """One card with its photo; the others are a tap away, in the same message."""
    items = part["items"]
    at = int(part.get("at", 0)) % len(items)
    card = items[at]
    lines = [f"<b>{escape(card['title'])}</b>"]
    if card.get("rating"):
        note = f" ({escape(card['rating_note'])})" if card.get("rating_note") else ""
        lines.append(f"\u2b50 {escape(card['rating'])} \u00b7 {card['reviews']}{note}")
    lines += [escape(card["subtitle"])] if card.get("subtitle") else []
    price = " ".join(shown for shown in (card.get("price"), card.get("price_note")) if shown)
    lines += [f"<b>{escape(price)}</b>"] if price else []
    about = [*card.get("meta", ()), *([card["note"]] if card.get("note") else []), card["badge"]["text"]]
    lines.append(escape(" \u00b7 ".join(about)))
    rows = rows_of([button(one) for one in card["buttons"]])
    if len(items) > 1:
        place = int(part["part"])
        shown = phrase(locale, "door", "which_page").format(at=at + 1, count=len(items))
        rows.append(
            [
                {"text": "\u2039", "callback_data": f"page:{place}:{(at - 1) % len(items)}"},
                {"text": shown, "callback_data": "nothing"},
                {"text": "\u203a", "callback_data": f"page:{place}:{(at + 1) % len(items)}"},
            ]
        )
    drawn = any(one.get("picture") for one in items)  # a message with a photo can only turn into another one with a photo
    return Block("\n".join(lines), rows, photo=photo_of(str(card.get("picture") or ("placeholder.svg" if drawn else ""))))


def _summary(part: Part, _locale: str) -> Block:
    lines = [f"<b>{escape(part['title'])}</b>"]
    rows: list[list[Markup]] = []
    for group in part["groups"]:
        lines.append("")
        lines += [f"<i>{escape(group['title'])}</i>"] if group.get("title") else []
        for line in group["lines"]:
            before = f"<s>{escape(line['strike'])}</s> " if line.get("strike") else ""
            lines.append(f"{escape(line['label'])}  {before}<b>{escape(line['amount'])}</b>")
            lines += [escape(detail) for detail in str(line.get("detail") or "").splitlines()]
            if line.get("button"):
                made = button(line["button"])
                rows.append([{**made, "text": f"{made['text']}: {line['label']}"[:60]}])
        if group.get("total"):
            lines.append(f"{escape(group['total']['label'])}  <b>{escape(group['total']['amount'])}</b>")
    if part.get("total"):
        lines += ["", f"<b>{escape(part['total']['label'])}  {escape(part['total']['amount'])}</b>"]
    lines += [f"<i>{escape(part['note'])}</i>"] if part.get("note") else []
    return Block("\n".join(lines), rows_of([button(one) for one in part["buttons"]]) + rows)


def _status(part: Part, _locale: str) -> Block:
    lines = [f"{TONES.get(str(part.get('tone')), '')} <b>{escape(part['title'])}</b>".strip()]
    lines += [escape(line) for line in (part.get("text"), *part.get("lines", ())) if line]
    return Block(
        "\n".join(lines), rows_of([button(one) for one in part.get("buttons", ())]), photo=photo_of(str(part.get("picture") or ""))
    )


def _form(part: Part, locale: str) -> Block:
    if part["id"] == "contact":
        return _contact(part, locale)
    text, rows = pickers.draw(part, locale)
    return Block(f"<b>{escape(str(part['title']))}</b>\n{escape(text)}", rows)


def _contact(part: Part, locale: str) -> Block:
    """Name and e-mail are asked one after the other; accepting is a button of its own."""

    def say(name: str) -> str:
        return str(phrase(locale, "door", name))

    given = part.get("given") or {field["name"]: field.get("value") or "" for field in part["fields"]}
    asked = part.get("ask") or next((name for name in ("name", "email") if not given.get(name)), "")
    lines = [f"<b>{escape(part['title'])}</b>", escape(part.get("text", ""))]
    for field in part["fields"]:
        if field["name"] in ("name", "email") and given.get(field["name"]):
            lines.append(f"{escape(field['label'])}: <b>{escape(given[field['name']])}</b>")
    if asked:
        lines.append(escape(say(f"ask_{asked}")))
        return Block("\n".join(lines), [[{"text": say("not_now"), "callback_data": "contact:stop"}]])
    lines.append(escape(next(field["label"] for field in part["fields"] if field["name"] == "terms")))
    return Block(
        "\n".join(lines),
        [
            [{"text": say("accept_and_book"), "callback_data": "contact:ok"}],
            [
                {"text": say("change_name"), "callback_data": "contact:name"},
                {"text": say("change_email"), "callback_data": "contact:email"},
                {"text": say("not_now"), "callback_data": "contact:stop"},
            ],
        ],
    )


def _file(part: Part, locale: str) -> Block:
    return Block(escape(phrase(locale, "door", "file_sent").format(name=part["name"])))


DRAWERS: Mapping[str, Callable[[Part, str], Block]] = {
    "text": _text,
    "quick_replies": _quick,
    "cards": _cards,
    "summary": _summary,
    "status": _status,
    "form": _form,
    "file": _file,
}


def photo_of(picture: str) -> str:
    """The picture's file as one that Telegram takes: drawings have a JPEG of the same name beside them."""
    if not picture:
        return ""
    name = PurePosixPath(picture).name
    return f"scene:{name.rpartition('.')[0]}.jpg" if name.endswith(".svg") else f"scene:{name}"


def button(one: Part) -> Markup:
    label = str(one["label"])[:64] or "\u2026"
    if one.get("url"):
        return {"text": label, "url": str(one["url"])}
    return {"text": label, "callback_data": str(one.get("action") or "nothing")[:64]}


def rows_of(buttons: Sequence[Markup]) -> list[list[Markup]]:
    """Short labels share a row, long ones have their own."""
    rows: list[list[Markup]] = []
    for one in buttons[: CAPS.max_actions]:
        if rows and len(rows[-1]) < 3 and sum(len(each["text"]) for each in rows[-1]) + len(one["text"]) <= ROW:
            rows[-1].append(one)
        else:
            rows.append([one])
    return rows


# ── text ──────────────────────────────────────────────────────────────────────────────────────────


def escape(text: Any) -> str:
    return html.escape(str(text), quote=False)


CODE = re.compile(r"`(?P<code>[^`\n]+)`")
MARKS = re.compile(CODE.pattern + r"|\*\*(?P<bold>[^*\n]+?)\*\*")


def markdown(text: str) -> str:
    """The little markup assistants write, as Telegram's HTML; everything else is shown as it is."""
    shown = []
    for line in escape(text).split("\n"):
        heading = re.fullmatch(r"#{1,4}\s+(.+)", line)
        line = f"<b>{heading[1]}</b>" if heading else re.sub(r"^(\s*)[-*]\s+", "\\1\u2022 ", line)
        shown.append(CODE.sub(_as_code, line) if heading else MARKS.sub(_marked, line))
    return "\n".join(shown)


def _as_code(found: re.Match[str]) -> str:
    return f"<code>{found['code']}</code>"


def _marked(found: re.Match[str]) -> str:
    """Whichever mark opens first is read whole, so that no tag can end inside another."""
    return _as_code(found) if found["code"] else f"<b>{CODE.sub(_as_code, found['bold'])}</b>"


def visible(marked: str) -> str:
    """What is left of our own HTML once it is read."""
    return html.unescape(re.sub(r"</?[a-z]+>", "", marked))


def split(marked: str, most: int = CAPS.max_text) -> list[str]:
    """Pieces of at most 4096 units of visible text, cut at lines, else at words; no tag stays open across a cut."""
    pieces: list[str] = []
    current, size = "", 0
    for line in marked.split("\n"):
        for part in _short(line, most):
            length = units(visible(part))
            if current and size + 1 + length > most:
                pieces.append(current)
                current, size = "", 0
            joined = bool(current)
            current = f"{current}\n{part}" if joined else part
            size += length + joined
    if current.strip():
        pieces.append(current)
    return [_closed(piece) for piece in _with_open_tags(pieces)]


def _short(line: str, most: int) -> list[str]:
    if units(visible(line)) <= most:
        return [line]
    plain = visible(line)  # a line this long loses its markup rather than being cut inside a tag
    parts, current = [], ""
    for word in re.split(r"(?<=\s)", plain):
        while units(word) > most:
            room = most - units(current)
            cut = _fitting(word, room) if room > 1 else ""
            parts.append(current + cut)
            current, word = "", word[len(cut) :]
        if units(current) + units(word) > most:
            parts.append(current)
            current = ""
        current += word
    return [escape(part) for part in [*parts, current] if part]


def _fitting(text: str, room: int) -> str:
    size = 0
    for at, char in enumerate(text):
        size += 2 if ord(char) > 0xFFFF else 1
        if size > room:
            return text[:at]
    return text


def _with_open_tags(pieces: Sequence[str]) -> list[str]:
    carried: list[str] = []
    made = []
    for piece in pieces:
        made.append("".join(f"<{tag}>" for tag in carried) + piece)
        for closing, tag in re.findall(r"<(/?)([a-z]+)>", piece):
            if closing and carried and carried[-1] == tag:
                carried.pop()
            elif not closing:
                carried.append(tag)
    return made


def _closed(piece: str) -> str:
    opened: list[str] = []
    for closing, tag in re.findall(r"<(/?)([a-z]+)>", piece):
        if closing and opened and opened[-1] == tag:
            opened.pop()
        elif not closing:
            opened.append(tag)
    return piece + "".join(f"</{tag}>" for tag in reversed(opened))
