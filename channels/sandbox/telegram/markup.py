"""Telegram's HTML, read as strictly as there: text and entities with offsets and lengths in UTF-16 units."""

from __future__ import annotations

import html
import re
from typing import Any

TAGS = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "ins": "underline",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "code": "code",
    "pre": "pre",
    "blockquote": "blockquote",
    "tg-spoiler": "spoiler",
    "a": "text_link",
}
NAMED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}


class BadMarkup(Exception):
    """Cannot be parsed; the text says what and at which byte."""


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def parse_html(source: str) -> tuple[str, list[dict[str, Any]]]:
    """Raises BadMarkup with the service's words."""
    text = ""
    entities: list[dict[str, Any]] = []
    opened: list[tuple[str, int, str]] = []
    at = 0
    while at < len(source):
        char = source[at]
        byte = len(source[:at].encode())
        if char == "&":
            match = re.match(r"&(?:#(\d+)|#x([0-9a-fA-F]+)|(\w+));", source[at:])
            if match and match[3] in NAMED:
                text += NAMED[match[3]]
            elif match and not match[3]:
                text += chr(int(match[1]) if match[1] else int(match[2], 16))
            else:
                text += char
                at += 1
                continue
            at += len(match[0])
            continue
        if char != "<":
            text += char
            at += 1
            continue
        match = re.match(r"<(/?)([a-zA-Z-]+)((?:\s[^<>]*)?)>", source[at:])
        if match is None:
            name = re.match(r"</?([a-zA-Z0-9-]*)", source[at:])
            raise BadMarkup(f'Unsupported start tag "{name[1] if name else ""}" at byte offset {byte}')
        closing, name_, attributes = match[1], match[2].lower(), match[3]
        if name_ not in TAGS:
            raise BadMarkup(f'Unsupported start tag "{name_}" at byte offset {byte}')
        if closing:
            if not opened or opened[-1][0] != name_:
                raise BadMarkup(f"Unmatched end tag at byte offset {byte}")
            _, offset, url = opened.pop()
            length = units(text) - offset
            if length:
                entity: dict[str, Any] = {"type": TAGS[name_], "offset": offset, "length": length}
                entities.append(entity | ({"url": url} if url else {}))
        else:
            href = re.search(r'href="([^"]*)"', attributes)
            opened.append((name_, units(text), html.unescape(href[1]) if href else ""))
        at += len(match[0])
    if opened:
        raise BadMarkup(f'Can\'t find end tag corresponding to start tag "{opened[-1][0]}"')
    return text, sorted(entities, key=lambda one: (one["offset"], -one["length"]))
