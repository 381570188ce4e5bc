"""What a verb gives back: words and ids for the model, and parts for the traveler's page that code draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from core.catalogue import ADULT, Listing, Option
from core.engine import Actor, Engine
from core.money import Money


@dataclass(frozen=True, slots=True)
class Outcome:
    """`data` is small JSON the model reads; `parts` are semantic (ids, minor units, ISO dates): a door puts them into words."""

    data: Mapping[str, Any]
    parts: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Desk:
    """Where a verb runs: the engine, and who speaks. Bound by the channel, never an argument of the model.

    `run` names one run of a turn: a turn that is driven again after a crash shows everything anew.
    """

    engine: Engine
    actor: Actor
    run: str = ""


def price_text(amount: int | None, currency: str) -> str | None:
    return None if amount is None else Money(amount, currency).text()


def party_of(adults: int | None, children: int | None, infants: int | None = None) -> dict[str, int] | None:
    """Units by type; None where nothing was said about people."""
    if adults is None and children is None and infants is None:
        return None
    counted = {ADULT: adults or 0, "CHILD": children or 0, "INFANT": infants or 0}
    return {kind: count for kind, count in counted.items() if count}


def people(units: Mapping[str, int] | None) -> int:
    return sum((units or {}).values())


def press(label: str, verb: str, **params: Any) -> dict[str, Any]:
    """A button: `label` names a phrase, `verb` and `params` stay on our side behind an opaque id."""
    return {"label": label, "press": {"verb": verb, "params": {key: value for key, value in params.items() if value is not None}}}


def say_button(text: str) -> dict[str, Any]:
    """A quick reply: pressing it says `text` for the traveler."""
    return {"label": text, "literal": True, "press": {"verb": "say", "params": {"text": text}}}


def product_facts(listed: Listing) -> dict[str, Any]:
    """What any card about a product shows."""
    product = listed.product
    return {
        "product_id": listed.id,
        "title": product.title,
        "summary": product.summary,
        "kind": product.kind,
        "picture": product.picture,
        "city": listed.destination.name,
        "provider": listed.provider.name,
        "rating_tenths": product.rating_tenths,
        "rating_count": product.rating_count,
        "rating_source": product.rating_source,
        "booking_type": product.booking_type,
        "pay_at_provider": product.pay_at_provider,
        "duration_minutes": product.duration_minutes,
        "tags": list(product.tags)[:6],
    }


def per_of(option: Option) -> str:
    return option.plan.per if option.plan.model != "QUOTE" else "QUOTE"


def iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def starts_of(option: Option) -> list[str]:
    return [start.at for start in option.starts]


def units_text(units: Mapping[str, int] | None) -> str:
    """ "2 adults, 1 child": plain words for the model; people read the door's."""
    words = {"ADULT": ("adult", "adults"), "CHILD": ("child", "children"), "INFANT": ("infant", "infants")}
    shown: Sequence[str] = [f"{n} {words.get(kind, (kind.lower(), kind.lower() + 's'))[n != 1]}" for kind, n in (units or {}).items()]
    return ", ".join(shown)
