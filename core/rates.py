"""What an amount is roughly worth in another currency: for comparing with a budget and for "about", never for charging."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache
from importlib import resources
from pathlib import Path

from core.errors import Invalid
from core.money import Money, exponent


@dataclass(frozen=True, slots=True)
class Rates:
    """`euro` units of each currency for one euro; `as_of` says from when they are."""

    as_of: str
    euro: Mapping[str, Decimal]

    def knows(self, currency: str) -> bool:
        return currency in self.euro

    def about(self, amount: int, currency: str, wanted: str) -> int | None:
        """Minor units of `wanted` that come nearest to `amount` minor units; None where a rate is missing."""
        if currency == wanted:
            return amount
        if not (self.knows(currency) and self.knows(wanted)):
            return None
        whole = Money(amount, currency).decimal / self.euro[currency] * self.euro[wanted]
        return Money.of(whole.quantize(Decimal(1).scaleb(-exponent(wanted))), wanted).minor


def read_rates(path: Path | None = None) -> Rates:
    """Rates of a file, or the ones that come with the house. Raises Invalid naming what is wrong in it."""
    try:
        text = path.read_text("utf-8") if path else _shipped()
        given = tomllib.loads(text)
        euro = {str(code): Decimal(str(value)) for code, value in given["euro"].items()}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError, AttributeError, InvalidOperation) as error:
        raise Invalid("RATES_FILE", f"{path or 'core/rates.toml'} could not be read as rates: {error}") from None
    wrong = [code for code, value in euro.items() if not value.is_finite() or value <= 0 or len(code) != 3 or not code.isupper()]
    if wrong or "EUR" not in euro:
        raise Invalid("RATES_FILE", f"These are no rates: {', '.join(wrong) or 'EUR is missing'}.")
    return Rates(str(given.get("as_of", "")), euro)


@cache
def _shipped() -> str:
    return (resources.files("core") / "rates.toml").read_text("utf-8")
