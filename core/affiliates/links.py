"""Links to partners: made by the core from the trip's facts, followed through our own short address, counted when a person clicks."""

from __future__ import annotations

import hashlib
import ipaddress
import re
import secrets
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date as Day
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, insert, select

from core.affiliates import partners
from core.engine import Actor, Engine
from core.errors import Expired, Invalid, NotFound
from core.schema import affiliate_click, affiliate_link, destination

LETTERS = string.ascii_letters + string.digits
DUPLICATE = timedelta(seconds=30)
BOTS = re.compile(
    r"bot\b|crawl|spider|slurp|preview|facebookexternalhit|whatsapp|skypeuri|slack|telegram|discord|twitter|linkedin|curl/|wget/|python|httpx|"
    r"headless|lighthouse|pagerender|go-http|java/|okhttp|axios|node-fetch|scrapy",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Trip:
    """What a link is filled with; what is not known is left out of it."""

    kind: str
    city: str = ""  # a destination's id or name
    date: Day | None = None
    end_date: Day | None = None
    time: str = ""
    adults: int = 0
    children: int = 0
    what: str = ""
    origin: str = ""  # an airport's code


def offer(engine: Engine, actor: Actor | None, trip: Trip, *, partner: str | None = None) -> list[dict[str, Any]]:
    """Links for this trip, one a partner that has such a thing, in the file's order (never by what they pay).

    Each is {"link_id", "url" (our own short address), "partner", "name", "landing_url", "commission" (whether it has to be
    disclosed)}. Raises Invalid for an unknown kind or day, NotFound for an unknown partner.
    """
    if trip.kind not in partners.kinds():
        raise Invalid("item_type", f"Links are made for {', '.join(partners.kinds())}.")
    now = engine.clock()
    if trip.date is not None and trip.date < now.date() - timedelta(days=1):
        raise Invalid("date", "That day is in the past.")
    wanted = [partners.partner(partner)] if partner else list(partners.partners().values())
    made = []
    with engine.db.write() as tx:
        facts = _facts(tx, trip)
        for one in wanted:
            landing = partners.landing_url(one, trip.kind, facts)
            if landing is None:
                continue
            link_id = _new_id(10)
            tx.execute(
                insert(affiliate_link).values(
                    id=link_id,
                    partner=one.key,
                    item_type=trip.kind,
                    landing_url=landing,
                    conversation_id=actor.conversation_id or None if actor else None,
                    made_by=actor.role if actor else "system",
                    created_at=now,
                )
            )
            made.append(
                {
                    "link_id": link_id,
                    "url": f"{engine.rules.public_url.rstrip('/')}/r/{link_id}",
                    "partner": one.key,
                    "name": one.name,
                    "landing_url": landing,
                    "commission": partners.tracked(one, _ids(engine, one.key)),
                }
            )
    if partner and not made:
        raise Invalid("item_type", f"{wanted[0].name} has no page for that, or needs to know more (days, airports).")
    return made


def _ids(engine: Engine, key: str) -> Mapping[str, str]:
    return engine.rules.partner_ids.get(key, {})


def _facts(tx: Connection, trip: Trip) -> dict[str, Any]:
    row = tx.execute(
        select(destination).where((destination.c.id == trip.city) | (func.lower(destination.c.name) == trip.city.lower()))
    ).first()
    codes = [alias for alias in (row.aliases if row else ()) if re.fullmatch(r"[A-Z]{3}", str(alias))]
    typed = trip.city.upper() if re.fullmatch(r"[A-Za-z]{3}", trip.city) else ""
    people = trip.adults + trip.children
    return {
        "place": f"{row.name}, {row.country}" if row else " ".join(trip.city.split())[:80],
        "place_code": codes[0] if codes else typed,
        "origin": trip.origin.upper() if re.fullmatch(r"[A-Za-z]{3}", trip.origin) else "",
        "date": trip.date.isoformat() if trip.date else "",
        "end_date": trip.end_date.isoformat() if trip.end_date else "",
        "time": trip.time or "19:00",
        "adults": trip.adults or "",
        "children": trip.children or "",
        "people": people or "",
        "rooms": max(1, -(-people // 2)) if people else "",
        "what": " ".join(trip.what.split())[:80],
    }


def _new_id(length: int) -> str:
    return "".join(secrets.choice(LETTERS) for _ in range(length))


# ── clicks ────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Visit:
    """A request for a short link, as a browser tells it; header names in lower case."""

    method: str
    headers: Mapping[str, str]
    address: str


def classify(visit: Visit) -> str:
    """What a request is: non_get, no_ua, bot, prefetch, subresource or human. Only a person's click counts."""
    agent = visit.headers.get("user-agent", "").strip()
    if visit.method != "GET":
        return "non_get"
    if not agent:
        return "no_ua"
    if BOTS.search(agent):
        return "bot"
    if any(
        re.search("prefetch|preview|prerender", visit.headers.get(name, ""), re.IGNORECASE)
        for name in ("sec-purpose", "purpose", "x-purpose", "x-moz")
    ):
        return "prefetch"
    if visit.headers.get("sec-fetch-dest", "document") != "document":
        return "subresource"
    return "human"


def follow(engine: Engine, link_id: str, visit: Visit) -> str:
    """Where a short link leads now; the visit is kept. The address comes from our own row, never from the request.

    A person's click gets an id of its own, so that a conversion joins one click; bots get the link's. Raises NotFound, Expired.
    """
    now = engine.clock()
    with engine.db.write() as tx:
        row = tx.execute(select(affiliate_link).where(affiliate_link.c.id == link_id)).one_or_none()
        if row is None:
            raise NotFound("There is no such link.")
        if row.disabled_at is not None:
            raise Expired("This link is no longer offered. Ask for a new one in the chat.")
        one = partners.partner(row.partner)
        kind = classify(visit)
        agent = hashlib.sha256(visit.headers.get("user-agent", "").encode()).hexdigest()[:32]
        prefix = _prefix(visit.address)
        if kind == "human" and _seen(tx, link_id, agent, prefix, now):
            kind = "duplicate"
        click_id = _new_id(16)
        tx.execute(insert(affiliate_click).values(id=click_id, link_id=link_id, at=now, kind=kind, agent=agent, prefix=prefix))
        return partners.final_url(one, row.landing_url, _ids(engine, row.partner), click_id if kind == "human" else link_id)


def _seen(tx: Connection, link_id: str, agent: str, prefix: str, now: datetime) -> bool:
    same = (affiliate_click.c.link_id == link_id, affiliate_click.c.agent == agent, affiliate_click.c.prefix == prefix)
    return tx.execute(select(affiliate_click.c.id).where(*same, affiliate_click.c.at > now - DUPLICATE).limit(1)).first() is not None


def _prefix(address: str) -> str:
    """Enough of an address to tell two clicks apart, and not enough to tell people apart."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return ""
    return str(ipaddress.ip_network(f"{parsed}/{24 if parsed.version == 4 else 48}", strict=False))


def report(tx: Connection) -> Sequence[dict[str, Any]]:
    """Per partner: links offered, all visits and those of people."""
    counted = tx.execute(select(affiliate_link.c.partner, func.count().label("n")).group_by(affiliate_link.c.partner)).all()
    links = {str(row.partner): int(row.n) for row in counted}
    visits = tx.execute(
        select(affiliate_link.c.partner, affiliate_click.c.kind, func.count().label("n"))
        .join(affiliate_link, affiliate_link.c.id == affiliate_click.c.link_id)
        .group_by(affiliate_link.c.partner, affiliate_click.c.kind)
    ).all()
    found: dict[str, dict[str, Any]] = {
        key: {"partner": key, "links": count, "visits": 0, "clicks": 0} for key, count in sorted(links.items())
    }
    for row in visits:
        found[row.partner]["visits"] += row.n
        found[row.partner]["clicks"] += row.n if row.kind == "human" else 0
    return list(found.values())
