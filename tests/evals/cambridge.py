"""A city of an outside corpus as our marketplace, and a traveler's seat in it: every word goes through the real turn.

Its hotels become stays, its restaurants tables, its trains rides and its sights activities, through the catalogue importer.
Nothing of the corpus is kept here: the world is handed in.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import select

from bot.yes import is_exact_yes
from channels import logs
from channels.terminal import Screen
from core.catalogue_files import import_files
from core.db import Database
from core.engine import Engine
from core.migrate import upgrade
from core.schema import booking, product
from tests.gateway import MemoryGateway
from tests.talk import Talk

World = Mapping[str, Any]
Record = dict[str, Any]
WEEK = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
QUARTERS = [f"{hour:02d}:{minute:02d}" for hour in range(7, 24) for minute in (0, 15, 30, 45)]
GUEST = {"name": "Ana Silva", "email": "ana@example.com", "terms": True}
SERVICES = {"stay": "hotel", "dining": "restaurant", "transport": "train", "activity": "attraction"}
PER_STAY = {"counts": "ROOM", "per": "NIGHT", "capacity": 20, "max_pax_each": 2}
LABELS = {
    "address": "Address",
    "area": "Area",
    "postcode": "Postcode",
    "phone": "Phone",
    "pricerange": "Price range",
    "stars": "Stars",
    "internet": "Internet",
    "parking": "Parking",
    "food": "Food",
    "type": "Type",
    "entrance fee": "Entrance fee",
    "openhours": "Open",
    "departure": "From",
    "destination": "To",
    "leaveAt": "Departure time",
    "arriveBy": "Arrival time",
    "duration": "Duration",
    "price": "Price",
    "trainID": "Train number",
}


# ── the catalogue ─────────────────────────────────────────────────────────────────────────────────


def records(world: World) -> Iterator[Record]:
    """The city in the catalogue's own words. What is "blocked" is closed in the files, as a provider would close it."""
    place = {"latitude": 52.2, "longitude": 0.12, "time_zone": "Europe/London", "currency": "GBP"}
    yield {"type": "destination", "id": "cambridge", "name": "Cambridge", "country": "United Kingdom", "aliases": [], **place}
    for kind in SERVICES:
        yield {
            "type": "provider", "id": kind, "name": f"{kind} desk".title(), "email": f"{kind}@example.com",
            "time_zone": "Europe/London", "country": "GB", "currency": "GBP",
        }  # fmt: skip
    blocked = list(world.get("blocked", ()))
    for row in world["hotel"]:
        yield _hotel(row, [one for one in blocked if one["service"] == "hotel"])
    for row in world["restaurant"]:
        yield _restaurant(row, [one for one in blocked if one["service"] == "restaurant"])
    for row in world["attraction"]:
        yield _attraction(row)
    for at, row in enumerate(world["train"]):
        yield _train(at, row)


def _product(id: str, kind: str, title: str, row: Mapping[str, Any], tags: list[str], option: Record, **more: Any) -> Record:
    told = [f"{label}: {value}." for key, label in LABELS.items() if (value := row.get(key)) and isinstance(value, str)]
    return {
        "type": "product", "id": id, "provider": kind, "destination": "cambridge", "kind": kind, "title": title,
        "description": "\n".join(told), "tags": [tag for tag in tags if tag], "booking_type": "INSTANT", "pay_at_provider": True,
        "options": [{"title": "Standard", **option}], **more,
    }  # fmt: skip


def _hotel(row: Mapping[str, Any], blocked: list[Mapping[str, str]]) -> Record:
    restrictions: list[Record] = []
    for one in blocked:
        if nights := one.get("stay", one.get("nights")):
            restrictions.append({"max_nights": max(1, int(nights) - 1)})
        if day := one.get("day"):
            restrictions.append({"weekdays": day[:3], "closed_to_arrival": True})
    prices = [float(value) for value in (row.get("price") or {}).values() if re.fullmatch(r"[\d.]+", value)]
    return _product(
        f"hotel-{row['id']}", "stay", row["name"], row,
        [
            row["type"], row["area"], row["pricerange"], f"{row['stars']} stars",
            "wifi" if row["internet"] == "yes" else "", "parking" if row["parking"] == "yes" else "",
        ],
        PER_STAY | {"price": min(prices, default=60.0), "restrictions": restrictions},
        availability_mode="CALENDAR", meeting_point=row["address"],
        summary=f"{row['pricerange'].capitalize()} {row['type']} in the {row['area']}, {row['stars']} stars",
    )  # fmt: skip


def _restaurant(row: Mapping[str, Any], blocked: list[Mapping[str, str]]) -> Record:
    shut = {one["time"].zfill(5) for one in blocked if one.get("time")}
    days = [day[:3] for day in WEEK if not any(one.get("day") == day and not one.get("time") for one in blocked)]
    starts = [at for at in QUARTERS if at not in shut]
    rules = [{"start": at, "capacity": 40, "weekdays": ",".join(days)} for at in starts]
    return _product(
        f"table-{row['id']}", "dining", row["name"], row, [row["food"], row["area"], row["pricerange"]],
        {"counts": "PAX", "per": "BOOKING", "price": 0, "starts": starts, "rules": rules},
        availability_mode="INVENTORY", meeting_point=row["address"],
        summary=f"{row['pricerange'].capitalize()} {row['food']} restaurant in the {row['area']}",
    )  # fmt: skip


def _attraction(row: Mapping[str, Any]) -> Record:
    return _product(
        f"sight-{row['id']}", "activity", row["name"], row, [row["type"], row["area"]], {"counts": "PAX", "per": "PERSON", "price": 0},
        availability_mode="TOGGLE", meeting_point=row["address"], summary=f"{row['type'].capitalize()} in the {row['area']}",
    )  # fmt: skip


def _train(at: int, row: Mapping[str, Any]) -> Record:
    start = _clock(row["leaveAt"])
    return _product(
        f"train-{at}", "transport", f"Train {row['trainID']} from {row['departure']} to {row['destination']}", row,
        ["train", f"from {row['departure']}", f"to {row['destination']}"],
        {
            "counts": "PAX", "per": "PERSON", "price": float(row["price"].split()[0]), "starts": [start],
            "rules": [{"start": start, "capacity": 100, "weekdays": row["day"][:3]}],
        },
        availability_mode="INVENTORY", duration_minutes=int(row["duration"].split()[0]), meeting_point=row["departure"],
        summary=f"Leaves {row['departure']} at {row['leaveAt']}, arrives at {row['arriveBy']}",
    )  # fmt: skip


def _clock(text: str) -> str:
    """ "24:08" is 00:08."""
    hour, minute = text.split(":")
    return f"{int(hour) % 24:02d}:{minute}"


@cache
def _workshop() -> Path:
    return Path(tempfile.mkdtemp(prefix="evals-"))


_ready: dict[str, Path] = {}


def stocked(world: World, now: datetime) -> Path:
    """A database with this city in it, made once for each set of closed places."""
    key = json.dumps(world.get("blocked", ()), sort_keys=True)
    if key not in _ready:
        folder = _workshop() / str(len(_ready))
        folder.mkdir()
        database = Database(f"sqlite:///{folder}/city.db")
        upgrade(database)
        lines = [json.dumps(record) for record in records(world)]
        (folder / "city.jsonl").write_text("\n".join(lines), encoding="utf-8")
        report = import_files(database, [folder / "city.jsonl"], now)
        assert report.ok, [str(problem) for problem in report.problems][:5]
        database.close()
        _ready[key] = folder / "city.db"
    return _ready[key]


# ── the traveler's seat ───────────────────────────────────────────────────────────────────────────


class Page(Screen):
    """What the terminal would print, kept instead."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def line(self, text: str = "") -> None:
        self.lines.append(text.strip())

    def _row(self, buttons: Any, *, form: Any = None) -> str:
        return ""  # a reader who types presses nothing


class Agent:
    """`reply(text) -> text` through the real turn; an exact yes commits, as at any door; `bookings()` reads the database."""

    def __init__(self, world: World, reference_date: str) -> None:
        logs.set_up()
        today = date.fromisoformat(reference_date)
        now = datetime(today.year, today.month, today.day, tzinfo=UTC)
        clock: Callable[[], datetime] = lambda: now  # noqa: E731
        path = _workshop() / f"talk-{id(self)}.db"
        shutil.copy(stocked(world, now), path)
        self.engine = Engine(db=Database(f"sqlite:///{path}"), gateway=MemoryGateway(), clock=clock)
        self.path = path
        self.seen: list[str] = []  # references in the order they appeared: the clock stands still
        self.talk = Talk(self.engine)

    def __del__(self) -> None:
        self.engine.db.close()
        self.path.unlink(missing_ok=True)

    def reply(self, text: str) -> str:
        self.talk.say(text)
        forms = [part for part in self.talk.of("form") if part["submit"]["label"].startswith("Confirm")]
        if is_exact_yes(text) and forms:
            self.talk.press("Confirm", GUEST)  # the door asks once who is traveling
        return self._read()

    def _read(self) -> str:
        """Lists first and the words last, so that a question ends the answer."""
        page = Page()
        parts = self.talk.parts
        for part in [*(p for p in parts if p["type"] != "text"), *(p for p in parts if p["type"] == "text")]:
            page.part(part)
        return "\n".join(line for line in page.lines if line)

    def bookings(self) -> list[dict[str, Any]]:
        query = (
            select(booking, product.c.kind, product.c.title.label("product_title"))
            .join(product, product.c.id == booking.c.product_id)
            .where(booking.c.status == "CONFIRMED")
            .order_by(booking.c.created_at, booking.c.reference)
        )
        with self.engine.db.read() as tx:
            rows = {row.reference: row for row in tx.execute(query)}
        self.seen += [reference for reference in rows if reference not in self.seen]
        return [_told(rows[reference]) for reference in self.seen if reference in rows]


def _told(row: Any) -> dict[str, Any]:
    title = str(row.product_title)
    number = re.match(r"Train (\S+) from", title)
    return {
        "service": SERVICES[row.kind],
        "entity": number[1] if number else title,
        "people": sum(row.units.values()),
        "date": row.local_date.isoformat(),
        "time": row.local_start or None,
        "nights": (row.end_date - row.local_date).days if row.end_date else None,
    }
