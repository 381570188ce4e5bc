"""Partner sites for what is not sold here: links made by the rules, shown with their disclosure by code."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

from core import trips
from core.affiliates import links
from core.affiliates.links import Trip
from tools.outcome import Desk, Outcome

Kind = Literal["flight", "car", "stay", "activity", "dining", "insurance"]


def find_partner_links(
    desk: Desk,
    kind: Kind,
    city: str | None = None,
    origin: str | None = None,
    date: date | None = None,
    end_date: date | None = None,
    adults: int | None = None,
    words: str | None = None,
) -> Outcome:
    """Show links to partner sites for what the marketplace does not sell (flights, rental cars, insurance) or has nothing left of.

    Args:
        kind: flight, car, stay, activity, dining or insurance.
        city: destination id, name or airport code, e.g. "lisbon".
        origin: the airport code a flight starts at, e.g. "BER".
        date: ISO day, e.g. "2026-12-05".
        end_date: ISO day of the return or check-out, e.g. "2026-12-08".
        adults: number of adults, e.g. 2.
        words: what it is about, e.g. "surfing".
    """
    with desk.engine.db.read() as tx:
        known = trips.facts(tx, desk.actor.conversation_id)
    trip = Trip(
        kind,
        city or str(known.get("city") or ""),
        date or _day(known.get("start_date")),
        end_date or _day(known.get("end_date")),
        adults=adults or int((known.get("party") or {}).get("ADULT") or 0),
        children=int((known.get("party") or {}).get("CHILD") or 0),
        what=words or "",
        origin=origin or "",
    )
    found = links.offer(desk.engine, desk.actor, trip)[:3]
    data = {"found": len(found), "partners": [one["name"] for one in found], "missing": "" if found else _missing(trip)}
    return Outcome(data, ({"type": "partners", "kind": kind, "items": found},) if found else ())


def _day(given: Any) -> date | None:
    return date.fromisoformat(given) if isinstance(given, str) else None


def _missing(trip: Trip) -> str:
    return "the airport codes of both ends and the day" if trip.kind == "flight" else "nothing fits"
