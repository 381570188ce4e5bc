"""Listings built in memory, for rules that need no database: good defaults, and only what matters said."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from core.catalogue import Adjustment, Exception_, Listing, Option, Plan, Rate, Restriction, Rule, Start, Unit

ADULT_AND_CHILD = (Unit("ADULT", 13, None, 1, 10_000, None), Unit("CHILD", 3, 12, 1, 5_000, None), Unit("INFANT", 0, 2, 0, 0, None))


def rate(layer: str = "SEASON", *, id: str = "r1", **values: Any) -> Rate:
    facts = {"name": "", "from_date": None, "to_date": None, "weekdays": 127, "amount": None, "bps": None, "priority": 0}
    return Rate(**{"id": id, "layer": layer, **facts, **values})


def adjustment(kind: str, *, id: str = "a1", **values: Any) -> Adjustment:
    facts = {"name": kind, "threshold": None, "bps": None, "amount": None, "per": "BOOKING", "code": None}
    days = {"from_date": None, "to_date": None, "included": False}
    return Adjustment(**{"id": id, "kind": kind, **facts, **days, **values})


def rule(capacity: int, *, start: str = "", **values: Any) -> Rule:
    return Rule(**{"weekdays": 127, "from_date": None, "to_date": None, "local_start": start, "capacity": capacity, **values})


def closing(first: Any, last: Any = None, **values: Any) -> Exception_:
    facts = {"scope": "PRODUCT", "scope_id": "p", "local_start": "", "closed": True, "capacity": None, "reason": ""}
    return Exception_(**{**facts, "from_date": first, "to_date": last or first, **values})


def restriction(first: Any, last: Any, **values: Any) -> Restriction:
    facts = {"weekdays": 127, "min_nights": None, "max_nights": None, "closed_to_arrival": False, "closed_to_departure": False}
    return Restriction(**{**facts, "from_date": first, "to_date": last, **values})


def option(*, per: str = "PERSON", amount: int | None = 4_000, starts: Any = (), **values: Any) -> Option:
    plan = Plan(
        "plan",
        values.pop("model", "DYNAMIC" if amount is not None else "QUOTE"),
        per,
        values.pop("currency", "EUR"),
        amount,
        tuple(values.pop("rates", ())),
    )
    made = tuple(start if isinstance(start, Start) else Start(start, (start,)) for start in starts)
    facts: dict[str, Any] = {
        "id": "o",
        "title": "Option",
        "resource_id": "res",
        "resource_capacity": None,
        "counts": "ROOM" if per == "NIGHT" else "PAX" if per == "PERSON" else "BOOKING",
        "max_pax_each": None if per == "PERSON" else 4,
        "min_nights": None,
        "max_nights": None,
        "units": ADULT_AND_CHILD,
        "restrictions": (),
        "rules": (),
    }
    return Option(plan=plan, starts=made, **{**facts, **values})


def listing(*options: Option, mode: str = "INVENTORY", kind: str | None = None, **values: Any) -> Listing:
    stay = any(one.plan.per == "NIGHT" for one in options)
    product: Any = SimpleNamespace(
        **{
            "id": "p",
            "title": "Product",
            "kind": kind or ("stay" if stay else "activity"),
            "availability_mode": mode,
            "booking_type": "INSTANT",
            "published": True,
            "accepting": True,
            "time_zone": "Europe/Lisbon",
            "max_party": 50,
            "min_party": 1,
            "min_age": None,
            "lead_hours": 0,
            "from_amount": None,
            **{k: v for k, v in values.items() if k not in ("adjustments", "exceptions", "provider")},
        }
    )
    provider: Any = SimpleNamespace(id="prov", accepting=True, **values.get("provider", {}))
    return Listing(
        product=product,
        provider=provider,
        destination=SimpleNamespace(id="lisbon", currency="EUR"),  # type: ignore[arg-type]
        options=options,
        adjustments=tuple(values.get("adjustments", ())),
        exceptions=tuple(values.get("exceptions", ())),
        tiers=(),
    )
