"""No address in a model's words goes out, whole or in pieces; what only looks like one stays."""

from __future__ import annotations

import pytest

from bot.links import REMOVED, Sieve, without_links


@pytest.mark.parametrize(
    "text",
    [
        "https://evil.example/pay", "HTTP://EVIL.example", "www.evil.com", "evil.com", "evil.example/pay?x=1", "javascript:alert(1)", "data:text/html,x",
        "mailto:a@evil.com", "[pay here](https://evil.example)", "ftp://evil.example", "sub.evil.co/x",
    ],
)  # fmt: skip
def test_an_address_is_taken_out(text: str) -> None:
    told = without_links(f"Please go to {text} now.")
    assert "evil" not in told
    assert "javascript:" not in told
    assert REMOVED in told


@pytest.mark.parametrize(
    "text", ["It starts at 10:30. The sail is 3.5 km away.", "Sat 5 Dec. We go.", "Casa do Miradouro, EUR 1.250,50", "and/or", "e.g. this"]
)
def test_what_is_no_address_stays(text: str) -> None:
    assert without_links(text) == text


def test_in_pieces_nothing_of_an_address_comes_through() -> None:
    sieve = Sieve()
    text = "Pay at https://evil.example/pay or [click here](http://evil.example/x) and be happy"
    told = "".join(sieve.pass_on(text[at : at + 3]) for at in range(0, len(text), 3)) + sieve.rest()
    assert "evil" not in told
    assert told.startswith("Pay at ")
    assert told.endswith("be happy")
