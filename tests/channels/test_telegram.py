"""Telegram over its own wire: the real client, the stand-in's rules, polling and webhook, from the first word to a paid booking."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from channels.sandbox.telegram.world import labels, shown_text
from tests.telegram import Town, town


@pytest.fixture(params=["polling", "webhook"])
def there(request: pytest.FixtureRequest, migrated_sqlite: Path, tmp_path: Path) -> Iterator[Town]:
    shutil.copy(migrated_sqlite, tmp_path / "traveloure.db")
    with town(tmp_path, webhook=request.param == "webhook") as one:
        yield one


def test_words_are_answered_with_cards_and_pages_turn_in_place(there: Town) -> None:
    ana = there.meet("Ana")
    found = there.ask(ana, "Something fun in Lisbon next Saturday for two", lambda one: "Add to trip" in labels(one))
    assert labels(found)[-3:] == ["‹", f"1 of {labels(found)[-2].split()[-1]}", "›"]
    before = shown_text(found)
    assert there.press(ana, "›") == {"text": "", "show_alert": False}
    turned = there.world.inbox(ana, lambda one: one["message_id"] == found["message_id"] and labels(one)[-2].startswith("2 of"))
    assert shown_text(turned) != before
