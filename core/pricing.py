"""What it costs: a pure function from a listing and an ask to explained lines that sum to the total.

Order: one base price per night or start (DATE > SEASON > WEEKDAY > BASE; inside a layer priority, then the shortest
span, then id, so there are no ties); units; the best one of each kind of discount, taken from the base sum; promo
code; mandatory extras; taxes. Each line is rounded once, half away from zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from core.availability import Ask, people, quantity_for
from core.catalogue import ADULT, Adjustment, Listing, Option, Plan, Rate
from core.errors import Invalid, Refused
from core.money import percent

LAYERS = {"DATE": 0, "SEASON": 1, "WEEKDAY": 2}
QUOTE = "quote"
PER = {"BOOKING": (False, False), "PERSON": (True, False), "NIGHT": (False, True), "PERSON_NIGHT": (True, True)}
"""What an amount is multiplied by: people, nights."""


class PriceLine(NamedTuple):
    """`kind` base, discount, promo, extra, tax or included_tax; `amount` minor units (an included tax adds nothing)."""

    kind: str
    rule: str
    amount: int
    text: str
    facts: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "rule": self.rule, "amount": self.amount, "text": self.text, "facts": dict(self.facts)}


@dataclass(frozen=True, slots=True)
class Price:
    currency: str
    total: int
    tax: int
    lines: tuple[PriceLine, ...]
    units: Mapping[str, int]
    quantity: int


def base_on(plan: Plan, day: date) -> tuple[int, str]:
    """The base price of one day and the name of the rate that gave it ("" for the plan's own)."""
    return bases(plan, [day])[0]


def bases(plan: Plan, days: Sequence[date]) -> list[tuple[int, str]]:
    """The base price of each of some days in a row, with the name of the rate that gave it."""
    if plan.amount is None:
        raise Refused("This is priced on request. Ask for a quote and the provider will answer with a price.")
    first, last = days[0], days[-1]
    near = [rate for rate in plan.rates if (rate.from_date or first) <= last and (rate.to_date or last) >= first]
    if not near:
        return [(plan.amount, "")] * len(days)
    near.sort(key=_precedence)
    usual = (plan.amount, "")
    ready = [(rate.weekdays, rate.from_date or first, rate.to_date or last, (_amount(rate, plan.amount), rate.name)) for rate in near]
    found = []
    for day in days:
        bit = 1 << day.weekday()
        for weekdays, begins, ends, base in ready:
            if weekdays & bit and begins <= day <= ends:
                found.append(base)
                break
        else:
            found.append(usual)
    return found


def _amount(rate: Rate, base: int) -> int:
    return rate.amount if rate.amount is not None else max(0, base + percent(base, rate.bps or 0))


def _precedence(rate: Rate) -> tuple[int, int, int, str]:
    span = 10**6 if rate.from_date is None or rate.to_date is None else (rate.to_date - rate.from_date).days
    return LAYERS[rate.layer], -rate.priority, span, rate.id


def price(listed: Listing, ask: Ask, *, today: date, promo: str | None = None) -> Price:
    """The price of one line. What is sold on quote has no price yet: its one line is of kind "quote" and the total is 0."""
    option = listed.option(ask.option_id)
    plan = option.plan
    units = {kind: count for kind, count in ({ADULT: 1} if ask.units is None else ask.units).items() if count}
    quantity = quantity_for(option, units, ask.quantity)
    if plan.model == "QUOTE":
        return Price(plan.currency, 0, 0, (PriceLine(QUOTE, plan.id, 0, "price on request", {}),), units, quantity)
    head_count = people(option, units) or sum(units.values())
    lines = _base_lines(option, ask, units, quantity)
    base = sum(line.amount for line in lines)
    lines += _discounts(listed, ask, head_count, base, today, promo)
    net = max(0, sum(line.amount for line in lines))
    lines += _additions(listed, ask, head_count, net, "extra")
    taxed = max(0, sum(line.amount for line in lines))
    taxes = _additions(listed, ask, head_count, taxed, "tax")
    lines += taxes
    total = max(0, sum(line.amount for line in lines))
    return Price(plan.currency, total, sum(line.amount for line in taxes), tuple(lines), units, quantity)


def _base_lines(option: Option, ask: Ask, units: Mapping[str, int], quantity: int) -> list[PriceLine]:
    plan = option.plan
    if plan.per == "NIGHT":
        return _night_lines(plan, ask, quantity)
    each, name = base_on(plan, ask.local_date)
    season = f" ({name})" if name else ""
    if plan.per == "PERSON":
        lines = []
        for kind in sorted(units, key=lambda k: (k != ADULT, k)):
            unit = option.unit(kind) or option.unit(ADULT)  # a type that is not sold pays as an adult
            one = each if unit is None else unit.price_amount if unit.price_amount is not None else percent(each, unit.price_bps)
            count = units[kind]
            lines.append(
                PriceLine(
                    "base",
                    plan.id,
                    one * count,
                    f"{count} × {kind.lower()}{season}",
                    {"unit": kind, "count": count, "each": one, "rate": name},
                )
            )
        return lines
    label = "group" if plan.per == "BOOKING" else option.title
    return [PriceLine("base", plan.id, each * quantity, f"{quantity} × {label}{season}", {"count": quantity, "each": each, "rate": name})]


def _night_lines(plan: Plan, ask: Ask, quantity: int) -> list[PriceLine]:
    groups: dict[tuple[int, str], int] = {}
    for key in bases(plan, ask.days()):
        groups[key] = groups.get(key, 0) + 1
    lines = []
    for (each, name), nights in groups.items():
        rooms = f" × {quantity} rooms" if quantity > 1 else ""
        season = f" ({name})" if name else ""
        lines.append(
            PriceLine(
                "base",
                plan.id,
                each * nights * quantity,
                f"{nights} night{'s' if nights > 1 else ''}{rooms}{season}",
                {"nights": nights, "count": quantity, "each": each, "rate": name},
            )
        )
    return lines


def _discounts(listed: Listing, ask: Ask, head_count: int, base: int, today: date, promo: str | None) -> list[PriceLine]:
    ahead = (ask.local_date - today).days
    measure = {"length_of_stay": ask.nights, "early_bird": ahead, "last_minute": ahead, "group": head_count}
    best_of: dict[str, tuple[int, str, Adjustment]] = {}
    for one in listed.adjustments:
        if one.kind in measure and _reached(one, measure[one.kind]) and _in_dates(one, ask.local_date):
            rank = (_worth(one, base), one.id, one)
            slot = "ahead" if one.kind in ("early_bird", "last_minute") else one.kind
            if slot not in best_of or rank[:2] < best_of[slot][:2]:
                best_of[slot] = rank
    lines: list[PriceLine] = []
    for slot in ("length_of_stay", "ahead", "group"):
        if slot in best_of:
            worth, _, one = best_of[slot]
            lines.append(PriceLine("discount", one.id, worth, one.name or one.kind.replace("_", " "), {"bps": one.bps}))
    if promo:
        offers = [a for a in listed.adjustments if a.kind == "promo" and (a.code or "").upper() == promo.upper() and _in_dates(a, today)]
        if offers:
            best = min(offers, key=lambda a: (_worth(a, base), a.id))
            lines.append(PriceLine("promo", best.id, _worth(best, base), f"Code {promo.upper()}", {"code": promo.upper()}))
    floor = -base
    for at, line in enumerate(lines):  # never below nothing
        if line.amount < floor:
            lines[at] = line._replace(amount=floor)
        floor -= lines[at].amount
    return lines


def on_quote(lines: Iterable[Mapping[str, Any]]) -> bool:
    """Do these stored price lines wait for a provider's price?"""
    return any(line["kind"] == QUOTE for line in lines)


def knows_promo(listed: Listing, code: str) -> bool:
    return any(a.kind == "promo" and (a.code or "").upper() == code.upper() for a in listed.adjustments)


def _reached(adjustment: Adjustment, value: int) -> bool:
    threshold = adjustment.threshold or 0
    return value <= threshold if adjustment.kind == "last_minute" else value >= threshold


def _in_dates(adjustment: Adjustment, day: date) -> bool:
    return (adjustment.from_date is None or adjustment.from_date <= day) and (adjustment.to_date is None or day <= adjustment.to_date)


def _worth(adjustment: Adjustment, base: int) -> int:
    """What a discount takes off: zero or below."""
    moved = percent(base, adjustment.bps) if adjustment.bps is not None else (adjustment.amount or 0)
    return min(0, moved)


def _additions(listed: Listing, ask: Ask, head_count: int, base: int, kind: str) -> list[PriceLine]:
    lines = []
    for adjustment in listed.adjustments:
        if adjustment.kind != kind or not _in_dates(adjustment, ask.local_date):
            continue
        if adjustment.per not in PER:
            raise Invalid("per", f"An amount is per BOOKING, PERSON, NIGHT or PERSON_NIGHT, not {adjustment.per!r}.")
        if adjustment.included:
            share = base - base * 10_000 // (10_000 + (adjustment.bps or 0))
            lines.append(PriceLine("included_tax", adjustment.id, 0, f"includes {adjustment.name}", {"included": share}))
            continue
        if adjustment.bps is not None:
            amount = percent(base, adjustment.bps)
        else:
            by_person, by_night = PER[adjustment.per]
            amount = (adjustment.amount or 0) * (head_count if by_person else 1) * (max(1, ask.nights) if by_night else 1)
        lines.append(PriceLine(kind, adjustment.id, amount, adjustment.name or kind, {"bps": adjustment.bps, "per": adjustment.per}))
    return lines
