"""Money as whole minor units and a currency, rounded in one place, never a float.

Exponents are Stripe's (docs.stripe.com/currencies), which differ from ISO 4217 for a few
codes; a currency outside the table is refused, because guessing it is wrong by a factor of 100.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from babel.numbers import format_currency

from core.errors import Invalid

ZERO_DECIMAL = frozenset(["BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"])
THREE_DECIMAL = frozenset(["BHD", "JOD", "KWD", "OMR", "TND"])
TWO_DECIMAL = frozenset(
    [
        "AED",
        "AUD",
        "BGN",
        "BRL",
        "CAD",
        "CHF",
        "CNY",
        "COP",
        "CZK",
        "DKK",
        "EGP",
        "EUR",
        "GBP",
        "HKD",
        "HUF",
        "IDR",
        "ILS",
        "INR",
        "ISK",
        "MAD",
        "MXN",
        "MYR",
        "NOK",
        "NZD",
        "PEN",
        "PHP",
        "PLN",
        "RON",
        "SAR",
        "SEK",
        "SGD",
        "THB",
        "TRY",
        "TWD",
        "UGX",
        "USD",
        "UYU",
        "ZAR",
    ]
)


def exponent(currency: str) -> int:
    """Digits after the point as Stripe counts them. Raises Invalid for a currency we do not carry."""
    if currency in ZERO_DECIMAL:
        return 0
    if currency in THREE_DECIMAL:
        return 3
    if currency in TWO_DECIMAL:
        return 2
    raise Invalid("currency", f"{currency!r} is not a currency we carry; use an ISO code such as EUR, USD or JPY.")


def percent(amount: int, bps: int) -> int:
    """`bps` basis points of an amount in minor units, rounded half away from zero."""
    n = amount * bps
    return (1 if n >= 0 else -1) * ((abs(n) * 2 + 10_000) // 20_000)


def allocate(total: int, weights: Sequence[int]) -> list[int]:
    """Split `total` by largest remainder, ties to the earlier part; the parts sum to it exactly.

    A zero weight gets zero. With no weight at all everything goes to the first part.
    """
    if not weights:
        raise Invalid("weights", "There is nobody to split an amount between.")
    if any(weight < 0 for weight in weights):
        raise Invalid("weights", "A weight below zero cannot take part in a split.")
    whole = sum(weights)
    if whole == 0:
        return [total] + [0] * (len(weights) - 1)
    sign, rest = (-1 if total < 0 else 1), abs(total)
    parts = [rest * weight // whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda i: (-(rest * weights[i] % whole), i))
    for i in by_remainder[: rest - sum(parts)]:
        parts[i] += 1
    return [sign * part for part in parts]


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in minor units of `currency` (1234 EUR is 12.34 euros, 1234 JPY is 1,234 yen)."""

    minor: int
    currency: str

    def __post_init__(self) -> None:
        exponent(self.currency)
        if not isinstance(self.minor, int) or isinstance(self.minor, bool):
            raise Invalid("amount", "An amount is a whole number of minor units.")

    def __add__(self, other: Money) -> Money:
        return Money(self.minor + self._same(other).minor, self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.minor - self._same(other).minor, self.currency)

    def _same(self, other: Money) -> Money:
        if other.currency != self.currency:
            raise Invalid("currency", f"{self.currency} and {other.currency} cannot be added up.")
        return other

    @property
    def decimal(self) -> Decimal:
        return Decimal(self.minor).scaleb(-exponent(self.currency))

    @classmethod
    def of(cls, amount: Decimal | int | str, currency: str) -> Money:
        """From major units, exactly: `Money.of("12.34", "EUR")`. Raises Invalid where digits would be lost."""
        scaled = Decimal(amount).scaleb(exponent(currency))
        if scaled != scaled.to_integral_value():
            raise Invalid("amount", f"{amount} has more decimals than {currency} knows.")
        return cls(int(scaled), currency)

    def text(self, locale: str = "en") -> str:
        """As a person writes it in `locale`: €12.34, ¥1,234. Whole amounts lose their zeros."""
        digits = exponent(self.currency)
        whole = digits > 0 and self.minor % (10**digits) == 0
        shown = format_currency(self.decimal, self.currency, locale=locale.replace("-", "_"))
        return _drop_zeros(shown, digits) if whole else shown


def _drop_zeros(shown: str, digits: int) -> str:
    """Only decimals, at the very end of the figures: the ",000" of ISK 189,000 is no fraction."""
    return re.sub(rf"[.,]0{{{digits}}}(?=\D*$)", "", shown)
