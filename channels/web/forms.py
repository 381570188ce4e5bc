"""What people type into the forms of our pages, read or refused with the field's name."""

from __future__ import annotations

from datetime import date
from decimal import Decimal, InvalidOperation

from core.errors import Invalid
from core.money import Money


def amount(given: str, currency: str, field: str = "price") -> int | None:
    """What was typed as a price, in minor units; None where nothing was. Raises Invalid."""
    plain = given.strip().replace(" ", "")
    if not plain:
        return None
    try:
        return Money.of(Decimal(plain.replace(",", ".")), currency).minor
    except InvalidOperation:
        raise Invalid(field, "Please give the price as a plain number, for example 180 or 99.50.") from None


def day(given: str, field: str = "day") -> date | None:
    if not given.strip():
        return None
    try:
        return date.fromisoformat(given.strip())
    except ValueError:
        raise Invalid(field, "Please give the day as YYYY-MM-DD.") from None


def count(given: str, field: str) -> int:
    """A whole number of people; nothing counts as none. Raises Invalid."""
    plain = given.strip()
    if not plain:
        return 0
    if not plain.isascii() or not plain.isdigit() or len(plain) > 3:
        raise Invalid(field, "Please give a whole number of people.")
    return int(plain)
