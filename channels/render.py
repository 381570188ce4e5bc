"""A row of the log as a page draws it: every word, price and link ready."""

from __future__ import annotations

from typing import Any

STATES = {
    "waiting_for_person": "We have asked our travel experts to join. The assistant can go on helping you meanwhile.",
    "person_joined": "{expert} has joined the chat.",
    "back_with_assistant": "You are back with the assistant.",
}


def wire(house_base_url: str, row: Any, locale: str) -> dict[str, Any]:
    """The data of one line in the words of `locale`; parts that are ready to be drawn pass through unchanged."""
    data = dict(row.data)
    if row.kind == "state":
        data["text"] = STATES.get(str(data.get("text", "")), "").format(expert=data.get("expert") or "A travel expert")
    return data
