"""A small marketplace for tests: two cities, every booking type, written in the catalogue's own format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from core.catalogue_files import import_files
from core.engine import Engine

LISBON = {
    "type": "destination", "id": "lisbon", "name": "Lisbon", "country": "Portugal", "aliases": ["Lisboa", "LIS"],
    "latitude": 38.72, "longitude": -9.14, "time_zone": "Europe/Lisbon", "currency": "EUR",
}  # fmt: skip
ROME = {
    "type": "destination", "id": "rome", "name": "Rome", "country": "Italy", "aliases": ["Roma"],
    "latitude": 41.9, "longitude": 12.5, "time_zone": "Europe/Rome", "currency": "EUR",
}  # fmt: skip


def provider(id: str, **more: Any) -> dict[str, Any]:
    return {
        "type": "provider", "id": id, "name": id.replace("-", " ").title(), "email": f"{id}@example.com",
        "time_zone": "Europe/Lisbon", "country": "PT", "currency": "EUR", **more,
    }  # fmt: skip


def product(
    id: str, kind: str, title: str, *, price: float | None, booking: str = "INSTANT", mode: str = "TOGGLE", **more: Any
) -> dict[str, Any]:
    """`option` in `more` is merged into the one option."""
    stay = kind == "stay"
    option: dict[str, Any] = {
        "title": "Standard",
        "counts": "ROOM" if stay else "PAX",
        "per": "NIGHT" if stay else "PERSON",
        **({"price": price} if price is not None else {}),
        **more.pop("option", {}),
    }
    return {
        "type": "product", "id": id, "provider": more.pop("provider", "tejo-days"), "destination": more.pop("city", "lisbon"),
        "kind": kind, "title": title, "summary": f"{title}.", "description": f"All about {title}.", "booking_type": booking,
        "availability_mode": mode, "options": [option], **more,
    }  # fmt: skip


RECORDS: list[dict[str, Any]] = [
    LISBON,
    ROME,
    {"type": "policy", "id": "flexible", "name": "Flexible", "tiers": ["24h:100%"]},
    provider("tejo-days", policy="flexible"),
    provider("casa-alta"),
    provider("roman-holidays", time_zone="Europe/Rome", country="IT"),
    product(
        "sunset-sail", "activity", "Sunset sail on the Tejo", price=48, mode="INVENTORY", tags=["boat", "sunset", "sailing"], rating=4.9,
        rating_count=212, rating_source="sample", duration_minutes=120, picture="boat-sunset.svg", meeting_point="Doca de Belém, gate 3",
        option={"starts": ["17:30"], "rules": [{"start": "17:30", "capacity": 10}], "units": [{"type": "ADULT", "min_age": 12}, {"type": "CHILD", "min_age": 3, "max_age": 11, "percent": 50}]},
    ),
    product(
        "tile-workshop", "activity", "Paint your own azulejo tile", price=35, mode="INVENTORY", tags=["workshop", "art", "kids"],
        rating=4.7, rating_count=80, rating_source="sample", duration_minutes=90,
        option={"starts": ["10:00", "15:00"], "rules": [{"start": "10:00", "capacity": 8}, {"start": "15:00", "capacity": 8}]},
    ),
    product("fado-dinner", "dining", "Dinner with fado at Tasca da Bica", price=42, mode="INVENTORY", tags=["fado", "music", "seafood"],
        option={"starts": ["19:00", "21:00"], "rules": [{"start": "19:00", "capacity": 20}, {"start": "21:00", "capacity": 20}]}),
    product("alfama-walk", "guide", "Private walk through Alfama with Inês", price=120, booking="REQUEST", mode="CALENDAR", tags=["history", "private"],
        option={"counts": "BOOKING", "per": "BOOKING", "max_pax_each": 8}),
    product("casa-miradouro", "stay", "Casa do Miradouro", price=90, mode="CALENDAR", provider="casa-alta", tags=["wifi", "breakfast", "view"],
        option={"max_pax_each": 2, "capacity": 3}),
    product("airport-car", "transport", "Airport transfer by car", price=30, tags=["airport", "transfer"], option={"counts": "BOOKING", "per": "BOOKING", "max_pax_each": 4}),
    product("tram-tour", "activity", "Tram 28 photo tour", price=25, booking="EXTERNAL", external_url="https://www.getyourguide.com/", tags=["photo", "tram"]),
    product("trastevere-loft", "stay", "Loft in Trastevere", price=140, mode="CALENDAR", provider="roman-holidays", city="rome", tags=["wifi", "kitchen"],
        option={"max_pax_each": 4, "capacity": 1}),
    product("pasta-class", "activity", "Fresh pasta class", price=59, city="rome", provider="roman-holidays", tags=["cooking", "pasta", "food"]),
    product("vatican-quote", "guide", "Vatican morning for large groups", price=None, booking="REQUEST", city="rome", provider="roman-holidays",
        option={"counts": "BOOKING", "per": "BOOKING"}),
    {"type": "fee_rule", "id": "platform", "party": "PLATFORM", "scope": "GLOBAL", "percent": 12},
]  # fmt: skip


def load(engine: Engine, folder: Path) -> None:
    """Import the records; a mistake in them fails the test that loads them."""
    path = folder / "market.jsonl"
    path.write_text("\n".join(json.dumps(record) for record in RECORDS), encoding="utf-8")
    report = import_files(engine.db, [path], engine.clock())
    assert report.ok, [str(problem) for problem in report.problems]
