"""Answers to "what is the phone number?": the fact out of what the listing says, or that it does not say it.

A description may hold facts as labelled lines (`Phone: +351 210 000 000.`); other facts have fields of their own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from bot.offline.needs import slot_of

LABELS: Mapping[str, tuple[str, ...]] = {
    "phone": ("phone", "telephone", "contact", "tel"),
    "address": ("address",),
    "postcode": ("postcode", "postal code", "zip code", "zip"),
    "fee": ("entrance fee", "admission", "entry fee"),
    "duration": ("duration", "travel time"),
    "start": (),
    "departure": ("departure time", "departs", "leaves"),
    "arrival": ("arrival time", "arrives"),
    "id": ("train number", "number", "id"),
    "price": ("price", "entrance fee"),
    "level": ("price range",),
    "area": ("area", "neighbourhood", "district"),
    "stars": ("stars",),
    "type": ("type",),
    "cuisine": ("food", "cuisine"),
    "parking": ("parking",),
    "internet": ("internet", "wifi"),
    "website": ("website", "email", "e-mail"),
    "hours": ("open", "opening hours", "hours"),
}
NAMES: Mapping[str, str] = {
    "phone": "phone number", "fee": "entrance fee", "departure": "departure time", "start": "start", "arrival": "arrival time", "id": "number",
    "level": "price range", "stars": "stars", "cuisine": "type of food", "hours": "opening hours", "website": "website",
}  # fmt: skip


def answer(told: Mapping[str, Any], asks: Sequence[str], tags: Sequence[str]) -> str:
    """ "Acorn House. Phone: 01223 353888. Postcode: CB4 1DA." `told` is what get_details gave."""
    lines = labelled(str(told.get("description") or ""))
    known, missing = [], []
    for ask in asks:
        if ask == "reference":
            continue
        value = next((lines[label] for label in LABELS.get(ask, ()) if label in lines), None) or _field(ask, told, tags)
        name = NAMES.get(ask, ask)
        if value:
            known.append(f"{name[0].upper()}{name[1:]}: {value}.")
        else:
            missing.append(name)
    text = " ".join([f"{told['title']}.", *known]) if known else ""
    if missing:
        text = f"{text} I do not know the {' and the '.join(missing)} of {told['title']}.".strip()
    return text


def unknown(told: Mapping[str, Any], asks: Sequence[str], tags: Sequence[str]) -> list[str]:
    """Which of the facts asked for the listing does not say."""
    lines = labelled(str(told.get("description") or ""))
    named = [ask for ask in asks if ask != "reference"]
    return [ask for ask in named if not any(label in lines for label in LABELS.get(ask, ())) and not _field(ask, told, tags)]


def labelled(description: str) -> dict[str, str]:
    """label -> value of every "Label: value" line."""
    found: dict[str, Any] = {}
    for line in description.splitlines():
        match = re.match(r"\s*([A-Za-z][A-Za-z -]{1,24}):\s+(.+?)\.?\s*$", line)
        if match:
            found.setdefault(match[1].lower(), match[2])
    return found


def _field(ask: str, told: Mapping[str, Any], tags: Sequence[str]) -> str:
    """The fact where it is a field of the product, or one of its tags."""
    options: Sequence[Mapping[str, Any]] = told.get("options") or ()
    starts = sorted({at for option in options for at in option.get("starts") or ()})
    by_slot = {slot_of(tag.lower()): tag for tag in tags}
    minutes = int(told.get("duration_minutes") or 0)
    match ask:
        case "address":
            return str(told.get("meeting_point") or "")
        case "duration":
            return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min" if minutes else ""
        case "departure" | "start":
            return ", ".join(starts[:8])
        case "arrival" if starts and minutes:
            hour, minute = map(int, starts[0].split(":"))
            return f"{(hour * 60 + minute + minutes) // 60 % 24:02d}:{(minute + minutes) % 60:02d}" if len(starts) == 1 else ""
        case "price" | "fee":
            return str(next((option["base_price"] for option in options if option.get("base_price")), ""))
        case "level":
            return by_slot.get(ask) or str(next((option["base_price"] for option in options if option.get("base_price")), ""))
        case "area" | "stars" | "cuisine":
            return by_slot.get(ask, "")
        case "type":
            return by_slot.get("sort") or str(told.get("kind") or "")
        case "parking":
            return "yes" if "parking" in tags else ""
        case "internet":
            return "yes" if "wifi" in tags else ""
    return ""
