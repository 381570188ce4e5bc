"""A price as a person reads it: whole amounts lose their zeros, and only their decimals."""

from __future__ import annotations

import pytest

from core.money import Money


@pytest.mark.parametrize(
    ("minor", "currency", "english", "german"),
    [
        (123400, "EUR", "€1,234", "1.234\xa0€"),
        (123450, "EUR", "€1,234.50", "1.234,50\xa0€"),
        (100000000, "EUR", "€1,000,000", "1.000.000\xa0€"),
        (18900000, "ISK", "ISK189,000", "189.000\xa0ISK"),  # shown without decimals, so nothing may be cut off
        (1000000, "KWD", "KWD1,000", "1.000\xa0KWD"),
        (1000, "JPY", "¥1,000", "1.000\xa0¥"),
    ],
)
def test_only_decimals_are_dropped(minor: int, currency: str, english: str, german: str) -> None:
    assert Money(minor, currency).text("en").replace("\xa0", "") == english
    assert Money(minor, currency).text("de") == german
