"""From facts to words: every event has its sentence, prices and days read as a person writes them, nothing is left raw."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from channels.phrases import phrase, speaks
from channels.render import DRAWERS, EVENTS, Words, wire

ROOT = Path(__file__).parent.parent.parent


@dataclass
class Row:
    data: dict[str, Any]
    kind: str = "message"
    created_at: datetime = datetime(2026, 11, 25, tzinfo=UTC)


def drawn(part: dict[str, Any], locale: str = "en", zone: str | None = None) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = wire("http://x", Row({"mid": "m", "role": "bot", "parts": [part]}), locale, zone)["parts"]
    return parts


BOOKING = {
    "booking_id": "b", "reference": "TRV-ABC234", "title": "Sunset sail", "date": "2026-12-05", "end_date": None, "start": "17:30",
    "units": {"ADULT": 2, "CHILD": 1}, "amount": 12000, "currency": "EUR", "status": "CONFIRMED", "pay_at_provider": False,
}  # fmt: skip


def test_a_confirmation_says_what_when_who_and_how_much() -> None:
    (part,) = drawn(
        {
            "type": "event",
            "event": "booking_confirmed",
            "facts": {"bookings": [BOOKING], "paid": {"amount": 12000, "currency": "EUR"}, "email": "a@b.cd"},
        }
    )
    assert part["text"] == "€120 paid. The confirmation goes to a@b.cd."
    assert part["lines"] == ["Sunset sail \u00b7 Sat 5 Dec, 17:30 \u00b7 2 adults, 1 child \u00b7 TRV-ABC234"]
    assert part["references"] == ["TRV-ABC234"]


@pytest.mark.parametrize(
    ("minor", "currency", "shown"), [(12000, "EUR", "€120"), (12050, "EUR", "€120.50"), (5000, "JPY", "¥5,000"), (1234500, "KWD", "KWD")]
)
def test_money_of_every_exponent(minor: int, currency: str, shown: str) -> None:
    assert Words("", "en").price(minor, currency).startswith(shown)


def test_a_deadline_is_in_the_readers_zone() -> None:
    facts = {
        "payment_id": "p",
        "amount": 100,
        "currency": "EUR",
        "url": "http://pay",
        "expires_at": "2026-11-25T09:30:00+00:00",
        "bookings": [],
    }
    assert "10:30" in drawn({"type": "event", "event": "payment_ready", "facts": facts}, zone="Europe/Rome")[0]["text"]
    assert "09:30 UTC" in drawn({"type": "event", "event": "payment_ready", "facts": facts})[0]["text"]


def test_every_event_core_and_bot_can_write_has_words() -> None:
    """The names are read from the sources, so that a new event cannot be forgotten."""
    written: set[str] = set()
    for path in [*(ROOT / "core").rglob("*.py"), *(ROOT / "bot").glob("*.py"), *(ROOT / "tools").glob("*.py")]:
        text = path.read_text("utf-8")
        written |= set(re.findall(r'"event": "([a-z_]+)"', text))
        written |= set(re.findall(r'line_outcome\([^\n]*"([a-z_]+)"\)', text))
        written |= set(re.findall(r'notices\.tell\(\s*tx,\s*[\w.]+,\s*"([a-z_]+)"', text))
    assert {"booking_confirmed", "request_sent", "refund_sent", "added_to_cart", "sold_out"} <= written
    assert [name for name in sorted(written) if name not in EVENTS and not _has("events", name)] == []


def test_every_part_the_tools_make_has_a_drawer() -> None:
    made: set[str] = set()
    for path in (*(ROOT / "tools").glob("*.py"), *(ROOT / "bot").glob("*.py")):
        made |= set(re.findall(r'\{"type": "([a-z_]+)"', path.read_text("utf-8")))
        made |= set(re.findall(r'^\s+"type": "([a-z_]+)",', path.read_text("utf-8"), re.M))
    assert {"offers", "cart", "proposal", "date_form", "contact_form"} <= made
    assert sorted(made - set(DRAWERS) - {"object", "null"}) == []


def test_every_button_has_a_label() -> None:
    named: set[str] = set()
    for path in (*(ROOT / "tools").glob("*.py"), *(ROOT / "bot").glob("*.py")):
        named |= set(re.findall(r'(?:press|button)\(\s*"([a-z_]+)",', path.read_text("utf-8")))
    for path in (ROOT / "core").rglob("*.py"):
        named |= set(re.findall(r'"label": "([a-z_]+)"', path.read_text("utf-8")))
    assert [name for name in sorted(named) if not _has("buttons", name)] == []


def _has(section: str, name: str) -> bool:
    try:
        phrase("en", section, name)
    except KeyError:
        return False
    return True


def test_a_language_we_do_not_speak_is_english_throughout() -> None:
    assert not speaks("de-AT")
    (part,) = drawn({"type": "event", "event": "added_to_cart", "facts": BOOKING, "actions": []}, locale="de-AT")
    assert part["text"] == "**Sunset sail** is in your trip: Sat 5 Dec, 17:30, 2 adults, 1 child, €120."


def test_an_unknown_part_goes_through_for_newer_pages() -> None:
    assert drawn({"type": "hologram", "x": 1}) == [{"type": "hologram", "x": 1}]
