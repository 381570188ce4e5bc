"""Stripe's published test cards that the sandbox knows, and what each of them does. No other number is accepted or kept."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class TestCard:
    """`effect` pays, declines, asks the traveler to confirm (3-D Secure), or pays and is disputed at once."""

    __test__ = False  # no test class, whatever pytest thinks of its name

    number: str
    brand: str
    effect: Literal["pays", "declines", "asks", "disputes"]
    code: str = ""
    decline_code: str = ""
    words: str = ""

    @property
    def last4(self) -> str:
        return self.number[-4:]

    @property
    def shown(self) -> str:
        return " ".join(self.number[i : i + 4] for i in range(0, len(self.number), 4))


CARDS = {
    card.number: card
    for card in (
        TestCard("4242424242424242", "visa", "pays"),
        TestCard("5555555555554444", "mastercard", "pays"),
        TestCard("4000000000000077", "visa", "pays"),
        TestCard("4000000000000002", "visa", "declines", "card_declined", "generic_decline", "Your card was declined. Try another card."),
        TestCard(
            "4000000000009995",
            "visa",
            "declines",
            "card_declined",
            "insufficient_funds",
            "There is not enough money on this card. Try another card.",
        ),
        TestCard("4000000000000069", "visa", "declines", "expired_card", "expired_card", "This card has expired. Try another card."),
        TestCard("4000000000000127", "visa", "declines", "incorrect_cvc", "incorrect_cvc", "The security code does not fit this card."),
        TestCard(
            "4000000000000119",
            "visa",
            "declines",
            "processing_error",
            "processing_error",
            "The bank could not be reached. Nothing was charged; try again.",
        ),
        TestCard("4000000000000259", "visa", "disputes"),
        TestCard("4000002760003184", "visa", "asks"),
        TestCard("4000002500003155", "visa", "asks"),
    )
}

SUCCESS = CARDS["4242424242424242"]
DECLINE = CARDS["4000000000000002"]
NO_FUNDS = CARDS["4000000000009995"]
ASKS = CARDS["4000002760003184"]


def digits(text: str) -> str:
    """The number as typed, without spaces and dashes."""
    return re.sub(r"[\s\-\u2010-\u2015]", "", text)


def is_luhn(number: str) -> bool:
    if not re.fullmatch(r"[0-9]{12,19}", number):
        return False
    total = 0
    for i, digit in enumerate(reversed(number)):
        value = int(digit) * (2 if i % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0
