"""How many parts a text message has, at the borders."""

from __future__ import annotations

import pytest

from channels.sms.text import is_gsm, parts, plainer


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 1), ("a" * 160, 1), ("a" * 161, 2), ("a" * 306, 2), ("a" * 307, 3), ("€" * 80, 1), ("€" * 81, 2), ("a" * 152 + "€" + "a" * 152, 3),
        ("é" * 160, 1), ("ç" * 70, 1), ("ç" * 71, 2), ("ç" * 134, 2), ("ç" * 135, 3), ("😀" * 35, 1), ("😀" * 36, 2), ("ไ" * 70, 1),
    ],
)  # fmt: skip
def test_parts(text: str, count: int) -> None:
    assert parts(text) == count


def test_typewriter_signs_keep_a_message_in_the_small_alphabet() -> None:
    fancy = "“Kayak” · Sat 12 Jan – €45 …"
    assert not is_gsm(fancy)
    assert plainer(fancy) == '"Kayak" - Sat 12 Jan - €45 ...'
    assert is_gsm(plainer(fancy))
