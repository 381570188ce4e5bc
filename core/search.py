"""Finding things: one verb behind every door. What it says about places and prices is advice; the hold decides.

Text is matched by FTS5 on SQLite and tsvector on PostgreSQL over words folded to plain letters, so "belem" finds "Belém".
Ranking never reads a commission.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Connection, select, text

from core import availability, pricing
from core.availability import Ask
from core.catalogue import ADULT, Listing, listings
from core.engine import Engine
from core.errors import Invalid, Refused
from core.schema import destination, product

KINDS = ("stay", "activity", "dining", "transport", "guide")
SORTS = ("recommended", "price", "rating")
CANDIDATES = 240


@dataclass(frozen=True, slots=True)
class Wish:
    """What a traveler is looking for. `budget` is minor units for the whole party (per night for stays), all fees included."""

    city: str | None = None
    kind: str | None = None
    words: str = ""
    start: date | None = None
    end: date | None = None
    units: Mapping[str, int] | None = None
    budget: int | None = None
    currency: str | None = None
    time_from: str = ""
    time_to: str = ""
    sort: str = "recommended"
    limit: int = 6
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Offer:
    """One thing that can be had: `amount` is for the whole party and all nights; None where no day was named or it is on quote."""

    listing: Listing
    option_id: str
    day: date | None
    end: date | None
    starts: tuple[str, ...]
    left: int | None
    amount: int | None
    from_amount: int | None
    currency: str
    score: float


def fold(words: str) -> str:
    """Lower case, plain letters."""
    return "".join(c for c in unicodedata.normalize("NFKD", words.lower()) if not unicodedata.combining(c))


def terms(words: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", fold(words))[:12]


def search(engine: Engine, wish: Wish) -> list[Offer]:
    """Offers that are really free for the dates and party, best first. Raises Invalid for values that can never be right."""
    _check(wish)
    now = engine.clock()
    with engine.db.read() as tx:
        found = _candidates(tx, wish)
        if not found:
            return []
        offers: list[Offer] = []
        for at in range(0, len(found), 60):
            batch = found[at : at + 60]
            listed = listings(tx, [product_id for product_id, _ in batch])
            slots = _slots(tx, listed.values(), wish)
            for product_id, score in batch:
                if product_id in listed:
                    offer = _offer(engine, listed[product_id], wish, slots, score, now)
                    if offer is not None:
                        offers.append(offer)
            if wish.sort == "recommended" and len(offers) >= wish.offset + wish.limit:
                break
    return _sorted(offers, wish)[wish.offset : wish.offset + wish.limit]


def _check(wish: Wish) -> None:
    if wish.kind is not None and wish.kind not in KINDS:
        raise Invalid("kind", f"A kind is one of {', '.join(KINDS)}.")
    if wish.sort not in SORTS:
        raise Invalid("sort", f"Results can be sorted by {', '.join(SORTS)}.")
    if not 1 <= wish.limit <= 50:
        raise Invalid("limit", "Between 1 and 50 results can be shown.")
    if wish.start and wish.end and wish.end < wish.start:
        raise Invalid("end_date", "The end has to be after the start.")
    if wish.units is not None and (sum(wish.units.values()) < 1 or sum(wish.units.values()) > 500):
        raise Invalid("party", "How many people are you? Between 1 and 500 can be searched for.")


def _candidates(tx: Connection, wish: Wish) -> list[tuple[str, float]]:
    """(product id, score) that fit by the catalogue alone, best first."""
    query = select(product.c.id, product.c.rating_tenths, product.c.rating_count, product.c.from_amount).where(product.c.published)
    if wish.city:
        query = query.where(product.c.destination_id == wish.city)
    if wish.kind:
        query = query.where(product.c.kind == wish.kind)
    matched: dict[str, float] | None = None
    asked = terms(wish.words)
    if asked:
        matched = _matching(tx, asked, wish)
        if not matched:
            return []
        query = query.where(product.c.id.in_(list(matched)))
    rows = tx.execute(query.order_by(product.c.rating_tenths.desc(), product.c.id).limit(2000)).all()
    scored = [(row.id, _quality(row) + (matched or {}).get(row.id, 0.0)) for row in rows]
    if wish.sort == "price":
        price = {row.id: row.from_amount if row.from_amount is not None else 1 << 60 for row in rows}
        scored.sort(key=lambda pair: (price[pair[0]], pair[0]))
    else:
        scored.sort(key=lambda pair: (-pair[1], pair[0]))
    return scored[:CANDIDATES]


def _quality(row: Any) -> float:
    """A rating drawn towards 4.2 while few have voted, 0 to 5."""
    votes = row.rating_count or 0
    return ((row.rating_tenths or 42) * votes + 42 * 20) / (votes + 20) / 10


def _matching(tx: Connection, asked: Sequence[str], wish: Wish) -> dict[str, float]:
    """{product id: text score, 0 to 10 and the more words fit the higher}."""
    if tx.dialect.name == "sqlite":
        rows = tx.execute(
            text(
                "SELECT product_id, -bm25(product_text, 0.0, 8.0, 6.0, 1.0) FROM product_text WHERE product_text MATCH :q ORDER BY 2 DESC LIMIT 1500"
            ),
            {"q": " OR ".join(f'"{term}"' for term in asked)},
        ).all()
    else:
        rows = tx.execute(
            text(
                "SELECT product_id, ts_rank('{0.05, 0.1, 0.6, 1.0}', document, q) FROM product_text, to_tsquery('english', :q) AS q "
                "WHERE document @@ q ORDER BY 2 DESC LIMIT 1500"
            ),
            {"q": " | ".join(asked)},
        ).all()
    best = max((float(score) for _, score in rows), default=0.0) or 1.0
    return {product_id: 6.0 * float(score) / best for product_id, score in rows}


def _slots(tx: Connection, listed: Any, wish: Wish) -> dict[availability.SlotKey, Any]:
    if wish.start is None:
        return {}
    last = wish.end or wish.start
    return availability.touched(tx, {o.resource_id for one in listed for o in one.options}, wish.start, last)


def _offer(engine: Engine, listed: Listing, wish: Wish, slots: Any, score: float, now: Any) -> Offer | None:
    """The cheapest bookable option of a product for this wish, or None."""
    best: Offer | None = None
    for option in listed.options:
        offer = _option_offer(engine, listed, option.id, wish, slots, score, now)
        if offer is not None and (best is None or (offer.amount or 0) < (best.amount or 0)):
            best = offer
    return best


def _option_offer(engine: Engine, listed: Listing, option_id: str, wish: Wish, slots: Any, score: float, now: Any) -> Offer | None:
    option = listed.option(option_id)
    units = wish.units or {ADULT: 2 if listed.is_stay else 1}
    currency = option.plan.currency
    if wish.start is None:
        if option.counts == "PAX" and sum(units.values()) > listed.product.max_party:
            return None
        if wish.budget is not None and listed.product.from_amount is not None and listed.product.from_amount > wish.budget:
            return None
        return Offer(
            listed, option.id, None, None, tuple(s.at for s in option.starts), None, None, listed.product.from_amount, currency, score
        )
    last_days = _days(listed, wish)
    for day, end in last_days:
        offer = _on_day(engine, listed, option_id, wish, units, day, end, slots, score, now)
        if offer is not None:
            return offer
    return None


def _days(listed: Listing, wish: Wish) -> list[tuple[date, date | None]]:
    """A stay takes the dates as its nights; anything else may be on any day between them."""
    start = wish.start
    if start is None:
        return []
    if listed.is_stay:
        return [(start, wish.end if wish.end and wish.end > start else start + timedelta(days=1))]
    span = min(14, ((wish.end or start) - start).days)
    return [(start + timedelta(days=i), None) for i in range(span + 1)]


def _on_day(
    engine: Engine,
    listed: Listing,
    option_id: str,
    wish: Wish,
    units: Mapping[str, int],
    day: date,
    end: date | None,
    slots: Any,
    score: float,
    now: Any,
) -> Offer | None:
    option = listed.option(option_id)
    fitted = availability.fit_units(option, units)
    quantity = availability.quantity_for(option, fitted)
    base = Ask(listed.id, option.id, day, end, "", fitted, quantity)
    starts: list[str] = []
    left = availability.UNLIMITED
    for start in option.starts or (None,):
        at = start.at if start else ""
        if start and ((wish.time_from and at < wish.time_from) or (wish.time_to and at > wish.time_to)):
            continue
        ask = replace(base, local_start=at)
        try:
            availability.check(listed, option, ask, now, engine.rules)
        except Refused:
            continue
        needed = availability.wants(listed, option, ask)
        spare = min(availability.free(want, slots) for want in needed)
        if all(availability.free(want, slots) >= want.quantity for want in needed):
            starts.append(at)
            left = min(left, spare)
    if not starts:
        return None
    amount: int | None = None
    if option.plan.model != "QUOTE":
        today = now.astimezone(availability.zone(listed)).date()
        amount = pricing.price(listed, replace(base, local_start=starts[0]), today=today).total
        if wish.budget is not None:
            measured = amount // max(1, (end - day).days) if end else amount
            if measured > wish.budget:
                return None
    return Offer(
        listed,
        option.id,
        day,
        end,
        tuple(s for s in starts if s),
        None if left >= availability.UNLIMITED else left,
        amount,
        listed.product.from_amount,
        option.plan.currency,
        score,
    )


def _sorted(offers: list[Offer], wish: Wish) -> list[Offer]:
    if wish.sort == "price":
        return sorted(offers, key=lambda o: (o.amount if o.amount is not None else o.from_amount or 1 << 60, o.listing.id))
    if wish.sort == "rating":
        return sorted(offers, key=lambda o: (-(o.listing.product.rating_tenths or 0), -o.score, o.listing.id))
    return sorted(offers, key=lambda o: (-o.score, o.listing.id))


def cities(engine: Engine) -> list[dict[str, Any]]:
    """Where the marketplace sells: id, name, country, aliases, currency, time zone."""
    with engine.db.read() as tx:
        rows = tx.execute(select(destination).order_by(destination.c.name)).all()
    return [
        {
            "id": row.id,
            "name": row.name,
            "country": row.country,
            "aliases": list(row.aliases),
            "currency": row.currency,
            "time_zone": row.time_zone,
        }
        for row in rows
    ]


def index(tx: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """(Re)write the search text of products: each row has product_id, title, tags, body."""
    if not rows:
        return
    ids = [row["product_id"] for row in rows]
    folded = [{k: (v if k == "product_id" else fold(str(v))) for k, v in row.items()} for row in rows]
    if tx.dialect.name == "sqlite":
        tx.execute(text("DELETE FROM product_text WHERE product_id = :id"), [{"id": i} for i in ids])
        tx.execute(text("INSERT INTO product_text (product_id, title, tags, body) VALUES (:product_id, :title, :tags, :body)"), folded)
        return
    tx.execute(text("DELETE FROM product_text WHERE product_id = ANY(:ids)"), {"ids": ids})
    tx.execute(
        text(
            "INSERT INTO product_text (product_id, document) VALUES (:product_id, setweight(to_tsvector('english', :title), 'A') || "
            "setweight(to_tsvector('english', :tags), 'B') || setweight(to_tsvector('english', :body), 'C'))"
        ),
        folded,
    )


def names(engine: Engine) -> Sequence[Any]:
    """Every published product's id, title, kind, city and tags, for the planner that reads names with typos."""
    with engine.db.read() as tx:
        return tx.execute(
            select(product.c.id, product.c.title, product.c.kind, product.c.destination_id, product.c.tags, product.c.provider_id)
            .where(product.c.published)
            .order_by(product.c.id)
            .limit(20_000)
        ).all()
