"""Our forms as Slack's modals, and what is wrong with a modal that was sent. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from channels.phrases import phrase
from core.errors import Invalid
from core.people import check_email

MOST_TITLE = 24
MOST_OPTIONS = 100
PEOPLE = ("adults", "children", "infants")
Json = dict[str, Any]
Part = Mapping[str, Any]


def plain(text: Any, most: int) -> Json:
    shown = str(text) or "\u2026"
    return {"type": "plain_text", "text": shown if len(shown) <= most else f"{shown[: most - 1]}\u2026", "emoji": True}


def view(part: Part, *, chat: str, thread: str, message: str, number: int, locale: str) -> Json:
    """The modal of a form that hangs on one of our messages. Where it belongs travels with it, and only we can set that."""
    blocks: list[Json] = []
    about = [f"*{escape(part['title'])}*"] if len(part["title"]) > MOST_TITLE else []
    about += [escape(part["text"])] if part.get("text") else []
    if about:
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": "\n".join(about)[:3000]}})
    blocks += [_input(field) for field in part["fields"]]
    return {
        "type": "modal",
        "callback_id": f"form-{part['id']}",
        "title": plain(part["title"], MOST_TITLE),
        "submit": plain(part["submit"]["label"], MOST_TITLE),
        "close": plain(phrase(locale, "door", "not_now"), MOST_TITLE),
        "private_metadata": json.dumps({"chat": chat, "thread": thread, "message": message, "part": number}),
        "blocks": blocks,
    }


def escape(text: Any) -> str:
    """Slack's own rule: these three and no others."""
    return str(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _input(field: Part) -> Json:
    name, kind, value = str(field["name"]), str(field["kind"]), field.get("value")
    made: Json = {"type": "input", "block_id": name, "label": plain(field["label"], 2000), "optional": not field.get("required")}
    element: Json = {"action_id": name}
    match kind:
        case "date":
            element |= {"type": "datepicker"} | ({"initial_date": str(value)} if value else {})
        case "stepper":
            low = int(field.get("min") or 0)
            options = [_option(str(one)) for one in range(low, min(int(field["max"]), low + MOST_OPTIONS - 1) + 1)]
            chosen = next((one for one in options if one["value"] == str(value or 0)), options[0])
            element |= {"type": "static_select", "options": options, "initial_option": chosen}
        case "checkbox":
            element |= {"type": "checkboxes", "options": [{"text": plain(field["label"], 75), "value": "true"}]}
        case "email":
            element |= {"type": "email_text_input"} | ({"initial_value": str(value)} if value else {})
        case _:
            element |= {"type": "plain_text_input", "multiline": kind == "textarea", "max_length": 1000}
            element |= {"initial_value": str(value)} if value else {}
    if field.get("help"):
        made["hint"] = plain(field["help"], 2000)
    return {**made, "element": element}


def _option(text: str) -> Json:
    return {"text": plain(text, 75), "value": text}


def wrong(part: Part, given: Mapping[str, str]) -> dict[str, str]:
    """Field -> what is wrong with it, for what can be said without asking the rules of the trade."""
    said: dict[str, str] = {}
    for field in part["fields"]:
        name, value = str(field["name"]), given.get(str(field["name"]), "").strip()
        if field.get("required") and not value:
            said[name] = "Please fill this in."
        elif value and field["kind"] == "date":
            said |= _wrong_day(field, value)
        elif value and field["kind"] == "email":
            try:
                check_email(value)
            except Invalid as error:
                said[name] = error.message
        elif field["kind"] == "stepper" and not re.fullmatch(r"\d{0,4}", value):
            said[name] = "Please choose a number."
    if part["id"] == "when" and not said:
        first, last = given.get("date", ""), given.get("end_date", "")
        if last and last <= first:
            said["end_date"] = "You cannot leave before you arrive."
        elif not any(int(given.get(name) or 0) for name in PEOPLE):
            said["adults"] = "Somebody has to come along."
    name = given.get("name", "").strip()
    if part["id"] == "contact" and "name" not in said and not 2 <= len(name) <= 120:
        said["name"] = "Please give the name the booking should be under."
    return said


def _wrong_day(field: Part, value: str) -> dict[str, str]:
    name = str(field["name"])
    try:
        day = date.fromisoformat(value)
    except ValueError:
        return {name: "Please choose a day."}
    low, high = date.fromisoformat(str(field["min"])), date.fromisoformat(str(field["max"]))
    return {} if low <= day <= high else {name: f"Please choose a day between {low.isoformat()} and {high.isoformat()}."}
