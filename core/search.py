"""Finding things: one verb behind every door. What it says about places and prices is advice; the hold decides.

Text is matched by FTS5 on SQLite and tsvector on PostgreSQL over words folded to plain letters, so "belem" finds "Belém".
Ranking never reads a commission.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache
from math import asin, cos, degrees, radians, sin, sqrt
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, Text, TextClause, and_, bindparam, cast, exists, func, literal, or_, select, text

from core import availability, pricing, spelling
from core.availability import Ask
from core.catalogue import ADULT, Listing, given_ids, listings
from core.engine import Engine
from core.errors import Invalid, Refused
from core.schema import destination, price_adjustment, product, rate, rate_plan
from core.schema import option as sold_as
from core.spelling import fold as fold

KINDS = ("stay", "activity", "dining", "transport", "guide")
SORTS = ("recommended", "price", "rating", "time", "distance")
KM = 111.195  # of one degree along a meridian
FAR = 60.0  # km from a city's middle in which its products may lie
RATINGS = (45, 40, 35, 30)  # tenths; a facet counts from each on
CANDIDATES = 240
DISCOUNTED = 2  # times the from price: discounts can undercut it, but not by more than half
FACETS = 20_000  # products that are counted at most
ENOUGH = 60  # so many with every word, and those with some of them are not looked for


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
    arrive_by: str = ""
    must: tuple[str, ...] = ()  # tags that every result carries
    sort: str = "recommended"
    limit: int = 6
    offset: int = 0
    near: tuple[float, float] | None = None  # latitude, longitude
    within_km: float = 25.0  # of `near`
    facets: bool = False


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
    distance_km: float | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """`corrected` maps a word as it was written to the one that was read. `facets` counts what fits by the catalogue, before dates
    and prices of the day: {"kind", "price", "rating", "tag"} -> [{"value", "count"}]; empty unless asked for."""

    offers: list[Offer]
    corrected: Mapping[str, str]
    facets: Mapping[str, list[dict[str, Any]]]


IDLE = frozenset(
    [
        "a",
        "an",
        "and",
        "are",
        "as",
        "at",
        "be",
        "but",
        "by",
        "can",
        "for",
        "from",
        "get",
        "go",
        "have",
        "i",
        "in",
        "is",
        "it",
        "me",
        "my",
        "near",
        "of",
        "on",
        "or",
        "our",
        "some",
        "something",
        "that",
        "the",
        "there",
        "these",
        "this",
        "to",
        "up",
        "us",
        "want",
        "we",
        "where",
        "which",
        "with",
        "you",
        "your",
    ]
)


def terms(words: str) -> list[str]:
    """The words that tell things apart, twelve at most; idle ones count only where there is nothing else."""
    found = re.findall(r"[a-z0-9]+", fold(words))
    return ([word for word in found if word not in IDLE] or found)[:12]


def search(engine: Engine, wish: Wish) -> list[Offer]:
    """Offers that are really free for the dates and party, best first. Raises Invalid for values that can never be right."""
    return explore(engine, wish).offers


def explore(engine: Engine, wish: Wish) -> Found:
    """The same, with what was read differently than it was written, and counts to narrow down by. Raises Invalid."""
    _check(wish)
    now = engine.clock()
    with engine.db.read() as tx:
        corrected = _corrections(tx, wish)
        if corrected:
            wish = replace(wish, words=" ".join(corrected.get(word, word) for word in terms(wish.words)))
        found, facets = _candidates(tx, wish)
        offers: list[Offer] = []
        at, enough = 0, wish.offset + wish.limit
        if wish.sort in ("price", "time"):  # the from price only hints at the price for these people and days, so look further
            enough = max(60, 4 * enough)
        floors = _floors(tx, found, wish) if wish.sort == "price" else []
        while at < len(found) and len(offers) < enough and not (floors and _cheapest_found(offers, floors[at], wish)):
            batch = found[at : at + _batch(at, len(offers), wish.offset + wish.limit)]
            at += len(batch)
            listed = listings(tx, [one.id for one in batch])
            slots = _slots(tx, listed.values(), wish)
            for one in batch:
                if one.id in listed:
                    offer = _offer(engine, listed[one.id], wish, slots, one.score, now)
                    if offer is not None:
                        offers.append(offer if one.km is None else replace(offer, distance_km=round(one.km, 2)))
    return Found(_sorted(offers, wish)[wish.offset : wish.offset + wish.limit], corrected, facets)


def _batch(looked: int, had: int, enough: int) -> int:
    """How many to look at next: as many as should do, by the share that could be had so far."""
    if not looked:
        return max(7, enough + 1)
    share = max(had, 1) / looked
    return max(6, min(60, round(1.2 * (enough - had) / share)))


def _floors(tx: Connection, found: Sequence[_Candidate], wish: Wish) -> list[float]:
    """For each candidate the least that it, or any that comes after it, can cost one person: the from price where nothing
    undercuts it."""
    less: set[str] = {one.id for one in found}
    if set(wish.units or {ADULT: 1}) == {ADULT}:
        less = set(tx.scalars(_undercut(tx.dialect.name), {"ids": list(less)}))
    floors, least = [], float("inf")
    for one in reversed(found):
        if one.from_amount is not None:
            least = min(least, one.from_amount / (DISCOUNTED if one.id in less else 1))
        floors.append(least)
    return floors[::-1]


@cache
def _undercut(dialect: str) -> Select[Any]:
    """Which of these products can cost adults less than their from price: by a season, a date, or a discount."""
    c = product.c
    scopes = or_(
        and_(price_adjustment.c.scope == "PRODUCT", price_adjustment.c.scope_id == c.id),
        and_(price_adjustment.c.scope == "PROVIDER", price_adjustment.c.scope_id == c.provider_id),
    )
    adjusted = exists(select(1).where(scopes, price_adjustment.c.kind.not_in(("tax", "extra", "promo"))))
    plans = sold_as.join(rate_plan, rate_plan.c.option_id == sold_as.c.id).join(rate, rate.c.rate_plan_id == rate_plan.c.id)
    seasonal = exists(select(1).select_from(plans).where(sold_as.c.product_id == c.id))
    return select(c.id).where(c.id.in_(given_ids(dialect)), or_(adjusted, seasonal))


def _cheapest_found(offers: Sequence[Offer], floor: float, wish: Wish) -> bool:
    """Whether nothing that costs `floor` or more can be among the cheapest that are asked for."""
    wanted = wish.offset + wish.limit
    amounts = sorted(one.amount for one in offers if one.amount is not None)
    return len(amounts) >= wanted and floor > amounts[wanted - 1]


def _corrections(tx: Connection, wish: Wish) -> Mapping[str, str]:
    strange = spelling.unknown(tx, terms(wish.words)) if wish.words else []
    return spelling.nearest(tx, [word for word in strange if not _finds(tx, word)])


def _finds(tx: Connection, word: str) -> bool:
    """Whether any text has this word, in whatever form."""
    if tx.dialect.name == "sqlite":
        query = text("SELECT 1 FROM product_text WHERE product_text MATCH :word LIMIT 1")
        return tx.execute(query, {"word": f'{{title tags body}} : "{word}"'}).first() is not None
    query = text("SELECT 1 FROM product_text WHERE document @@ to_tsquery('english', :word) LIMIT 1")
    return tx.execute(query, {"word": word}).first() is not None


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
    if wish.near is not None and not (-90 <= wish.near[0] <= 90 and -180 <= wish.near[1] <= 180):
        raise Invalid("near", "A latitude is between -90 and 90, a longitude between -180 and 180.")
    if not 0 < wish.within_km <= 500:
        raise Invalid("within_km", "Between 0 and 500 km around a place can be searched.")
    if wish.sort == "distance" and wish.near is None:
        raise Invalid("near", "To sort by distance, say from where.")


class _Candidate(NamedTuple):
    id: str
    score: float
    km: float | None
    from_amount: int | None


def _candidates(tx: Connection, wish: Wish) -> tuple[list[_Candidate], Mapping[str, list[dict[str, Any]]]]:
    """What fits by the catalogue alone, best first, and the facets of all of it."""
    asked = terms(wish.words)
    around = None if wish.near is None else _around(tx, wish.near, wish.within_km)
    if around == []:
        return [], {}
    rows = _matching(tx, asked, wish) if asked else _best(tx, wish, around)
    km: Mapping[str, float] = {}
    if wish.near is not None:
        km = _distances(tx, wish.near, [row.id for row in rows])
        rows = [row for row in rows if km[row.id] <= wish.within_km]
    facets = _facets(tx, wish, around, [row.id for row in rows] if asked or wish.near is not None else None) if wish.facets else {}
    best = max((float(row.score) for row in rows), default=0.0) or 1.0
    scored = [(row, _quality(row) + (6.0 * float(row.score) / best if asked else 0.0)) for row in rows]
    if wish.sort == "price":
        scored.sort(key=lambda pair: (pair[0].from_amount if pair[0].from_amount is not None else 1 << 60, pair[0].id))
    elif wish.sort == "rating":
        scored.sort(key=lambda pair: (-(pair[0].rating_tenths or 0), -pair[1], pair[0].id))
    elif wish.sort == "distance":
        scored.sort(key=lambda pair: (km[pair[0].id], pair[0].id))
    else:
        scored.sort(key=lambda pair: (-pair[1], pair[0].id))
    return [_Candidate(row.id, score, km.get(row.id), row.from_amount) for row, score in scored[:CANDIDATES]], facets


def _around(tx: Connection, near: tuple[float, float], within_km: float) -> list[str]:
    """The cities whose products may lie within reach."""
    rows = tx.execute(select(destination.c.id, destination.c.latitude, destination.c.longitude)).all()
    return [row.id for row in rows if kilometres(near, (row.latitude, row.longitude)) <= within_km + FAR]


def kilometres(a: tuple[float, float], b: tuple[float, float]) -> float:
    """The great circle between two (latitude, longitude)."""
    one, other = radians(a[0]), radians(b[0])
    h = sin((other - one) / 2) ** 2 + cos(one) * cos(other) * sin(radians(b[1] - a[1]) / 2) ** 2
    return 2 * asin(min(1.0, sqrt(h))) * degrees(1) * KM


WHERE = (func.coalesce(product.c.latitude, destination.c.latitude), func.coalesce(product.c.longitude, destination.c.longitude))


def _distances(tx: Connection, near: tuple[float, float], ids: Sequence[str]) -> dict[str, float]:
    """Kilometres of each product; one that does not say where it is counts as in the middle of its city."""
    found: dict[str, float] = {}
    for at in range(0, len(ids), 500):
        query = select(product.c.id, *WHERE).join(destination, destination.c.id == product.c.destination_id)
        for id, latitude, longitude in tx.execute(query.where(product.c.id.in_(ids[at : at + 500]))):
            found[id] = kilometres(near, (latitude, longitude))
    return found


def _fitting(query: Select[Any], wish: Wish, around: Sequence[str] | None) -> Select[Any]:
    """Narrowed by everything the catalogue knows but words."""
    c = product.c
    query = query.where(c.published)
    if around is not None:
        query = query.where(c.destination_id.in_(around))
    if wish.city:
        query = query.where(c.destination_id == wish.city)
    if wish.kind:
        query = query.where(c.kind == wish.kind)
    for tag in wish.must:
        query = query.where(cast(c.tags, Text).contains(json.dumps(tag), autoescape=True))
    if wish.budget is not None:
        query = query.where(or_(c.from_amount.is_(None), c.from_amount <= DISCOUNTED * wish.budget))
    if wish.budget is not None and wish.kind == "stay" and wish.units:
        query = query.where(_rooms_within(sum(wish.units.values()), DISCOUNTED * wish.budget))
    return query


def _rooms_within(people: int, most: int) -> ColumnElement[bool]:
    """Whether some option's rooms for so many people can cost `most` a night; one that is not sold by the room may."""
    each = sold_as.c.max_pax_each
    rooms = (people + each - 1) // each
    can = or_(sold_as.c.counts != "ROOM", each.is_(None), rate_plan.c.amount.is_(None), rooms * rate_plan.c.amount <= most)
    plans = select(1).select_from(sold_as.join(rate_plan, rate_plan.c.option_id == sold_as.c.id))
    return exists(plans.where(sold_as.c.product_id == product.c.id, can))


def _facets(tx: Connection, wish: Wish, around: Sequence[str] | None, ids: Sequence[str] | None) -> dict[str, list[dict[str, Any]]]:
    """Counts of kind, price (thirds of the from prices), rating (from so many on) and the commonest tags."""
    c = product.c
    query = select(c.kind, c.from_amount, c.rating_tenths, c.tags)
    if ids is None:
        rows = tx.execute(_fitting(query, wish, around).limit(FACETS)).all()
    else:
        rows = [row for at in range(0, len(ids), 500) for row in tx.execute(query.where(c.id.in_(ids[at : at + 500])))]
    kinds, tags = Counter(row.kind for row in rows), Counter(tag for row in rows for tag in row.tags)
    amounts = sorted(row.from_amount for row in rows if row.from_amount is not None)
    edges = [amounts[len(amounts) // 3], amounts[2 * len(amounts) // 3]] if amounts else []
    levels = Counter("low" if one < edges[0] else "middle" if one < edges[1] else "high" for one in amounts)
    rated = [row.rating_tenths or 0 for row in rows]
    return {
        "kind": [{"value": kind, "count": count} for kind, count in sorted(kinds.items(), key=lambda one: (-one[1], one[0]))],
        "price": [{"value": level, "count": levels[level], **_bounds(level, edges)} for level in ("low", "middle", "high") if edges],
        "rating": [{"value": least / 10, "count": sum(1 for one in rated if one >= least)} for least in RATINGS],
        "tag": [{"value": tag, "count": count} for tag, count in sorted(tags.items(), key=lambda one: (-one[1], one[0]))[:20]],
    }


def _bounds(level: str, edges: Sequence[int]) -> dict[str, int | None]:
    """Minor units: from this price on, and below that one."""
    least = {"low": None, "middle": edges[0], "high": edges[1]}[level]
    below = {"low": edges[0], "middle": edges[1], "high": None}[level]
    return {"from": least, "below": below}


def _best(tx: Connection, wish: Wish, around: Sequence[str] | None) -> Sequence[Any]:
    """Without words: the best rated, the cheapest or the nearest of a city and kind."""
    c = product.c
    query = select(c.id, c.rating_tenths, c.rating_count, c.from_amount, literal(0.0).label("score"))
    query = _fitting(query, wish, around)
    if wish.near is not None:  # a box first, as the database can compare; the true distance is looked at afterwards
        latitude, longitude = wish.near
        high = wish.within_km / KM
        wide = high / max(0.01, cos(radians(latitude)))
        query = query.join(destination, destination.c.id == c.destination_id).where(
            WHERE[0].between(latitude - high, latitude + high), WHERE[1].between(longitude - wide, longitude + wide)
        )
    by_rating = (func.coalesce(c.rating_tenths, 0).desc(), QUALITY.desc())
    orders: dict[str, tuple[Any, ...]] = {"price": (c.from_amount.is_(None), c.from_amount), "rating": by_rating}
    order = orders.get(wish.sort, (QUALITY.desc(),))
    if wish.sort == "distance" and wish.near is not None:
        flat = cos(radians(wish.near[0]))
        up, across = WHERE[0] - wish.near[0], (WHERE[1] - wish.near[1]) * flat
        order = (up * up + across * across,)
    return tx.execute(query.order_by(*order, c.id).limit(CANDIDATES)).all()


def _quality(row: Any) -> float:
    """A rating drawn towards 4.2 while few have voted, 0 to 5."""
    votes = row.rating_count or 0
    return ((row.rating_tenths or 42) * votes + 42 * 20) / (votes + 20) / 10


QUALITY = (func.coalesce(product.c.rating_tenths, 42) * product.c.rating_count + 840) * 100 / (product.c.rating_count + 20)
"""The same in whole thousandths, for the database to sort by."""


def _matching(tx: Connection, asked: Sequence[str], wish: Wish) -> Sequence[Any]:
    """With words: `score` is the text's own, the more words fit the higher."""
    place = [word for word, named in zip(_place(wish.city or "", wish.kind or ""), (wish.city, wish.kind), strict=True) if named]
    facts = {"within": " & ".join(place), "city": wish.city or "", "kind": wish.kind or ""}
    sqlite = tx.dialect.name == "sqlite"
    rows: Sequence[Any] = []
    every, some = (" AND ", " OR ") if sqlite else (" & ", " | ")
    for glue in (some,) if wish.city else (every, some):  # anywhere: all of the words, and any of them only where too few have all
        words = glue.join(f'"{term}"' if sqlite else term for term in asked)
        if sqlite:
            words = f"{{title tags body}} : ({words})" + "".join(f' AND place : "{word}"' for word in place)
            words += "".join(f' AND tags : "{" ".join(terms(tag))}"' for tag in wish.must)
        rows = tx.execute(_with_tags(tx.dialect.name, len(wish.must)), {**facts, "words": words, **_tags(wish)}).all()
        if len(asked) == 1 or len(rows) >= ENOUGH:
            break
    return rows


MATCHING = {
    "sqlite": text(
        "SELECT p.id, p.rating_tenths, p.rating_count, p.from_amount, f.score FROM ("
        "SELECT rowid AS doc, -bm25(product_text, 8.0, 6.0, 1.0, 0.0) AS score FROM product_text "
        "WHERE product_text MATCH :words ORDER BY score DESC LIMIT 300) AS f "
        "JOIN product_text_key AS k ON k.doc = f.doc JOIN product AS p ON p.id = k.product_id "
        "WHERE p.published AND k.live AND (:city = '' OR p.destination_id = :city) AND (:kind = '' OR p.kind = :kind)"
    ),
    "postgresql": text(
        "SELECT p.id, p.rating_tenths, p.rating_count, p.from_amount, "
        "ts_rank('{0.0, 0.1, 0.6, 1.0}', t.document, q.words) AS score "
        "FROM (SELECT to_tsquery('english', :words) AS words, CASE WHEN :within = '' THEN to_tsquery('english', :words) "
        "ELSE to_tsquery('english', :words) && CAST(:within AS tsquery) END AS narrow) AS q "
        "JOIN product_text AS t ON t.document @@ q.narrow "
        "JOIN product AS p ON p.id = t.product_id "
        "WHERE p.published AND (:city = '' OR p.destination_id = :city) AND (:kind = '' OR p.kind = :kind) "
        "ORDER BY score DESC, p.id LIMIT 400"
    ),
}


def _tags(wish: Wish) -> dict[str, str]:
    return {f"tag{at}": json.dumps(tag) for at, tag in enumerate(wish.must)}


@cache
def _with_tags(dialect: str, count: int) -> TextClause:
    """The query by words, narrowed to listings that carry `count` tags."""
    has = "instr(p.tags, :tag{})" if dialect == "sqlite" else "position(:tag{} IN CAST(p.tags AS text))"
    narrowed = "WHERE p.published" + "".join(f" AND {has.format(at)} > 0" for at in range(count))
    return text(str(MATCHING[dialect]).replace("WHERE p.published", narrowed))


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
    quantity = availability.quantity_for(option, units)
    base = Ask(listed.id, option.id, day, end, "", units, quantity)
    starts: list[str] = []
    left = availability.UNLIMITED
    for start in option.starts or (None,):
        at = start.at if start else ""
        if start and ((wish.time_from and at < wish.time_from) or (wish.time_to and at > wish.time_to)):
            continue
        if start and wish.arrive_by and not _there_by(at, listed.product.duration_minutes, wish.arrive_by):
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


def _there_by(start: str, minutes: int | None, arrive_by: str) -> bool:
    """Does what starts at `start` and takes so many minutes end on the same day, no later than `arrive_by`?"""
    hour, minute = map(int, start.split(":"))
    last_hour, last_minute = map(int, arrive_by.split(":"))
    return hour * 60 + minute + (minutes or 0) <= last_hour * 60 + last_minute


def _sorted(offers: list[Offer], wish: Wish) -> list[Offer]:
    if wish.sort == "price":
        return sorted(offers, key=lambda o: (o.amount if o.amount is not None else o.from_amount or 1 << 60, o.listing.id))
    if wish.sort == "time":  # the first to leave, or the last that is there in time
        timed = sorted(offers, key=lambda o: (o.day or date.max, o.starts[:1], o.listing.id))
        return timed[::-1] if wish.arrive_by and not wish.time_from else timed
    if wish.sort == "rating":
        return sorted(offers, key=lambda o: (-(o.listing.product.rating_tenths or 0), -o.score, o.listing.id))
    if wish.sort == "distance":
        return sorted(offers, key=lambda o: (o.distance_km or 0.0, o.listing.id))
    return sorted(offers, key=lambda o: (-o.score, o.listing.id))


def cities(engine: Engine) -> list[dict[str, Any]]:
    """Where the marketplace sells: id, name, country, aliases, currency, time zone."""
    with engine.db.read() as tx:
        sells = exists(select(1).where(product.c.destination_id == destination.c.id, product.c.published))
        rows = tx.execute(select(destination).where(sells).order_by(destination.c.name)).all()
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


def index(tx: Connection, rows: Sequence[Mapping[str, Any]], *, live: bool = True) -> None:
    """(Re)write the search text of products, which must be there: each row has product_id, title, tags, body.

    With `live` false the text waits, out of every search, until `reveal`.
    """
    if not rows:
        return
    ids = [row["product_id"] for row in rows]
    places = {
        row.id: _place(row.destination_id, row.kind)
        for row in tx.execute(select(product.c.id, product.c.destination_id, product.c.kind).where(product.c.id.in_(ids)))
    }
    folded = [
        {
            "product_id": row["product_id"],
            "title": fold(str(row["title"])),
            "tags": fold(str(row["tags"])),
            "body": fold(str(row["body"])),
            "place": " ".join(places[row["product_id"]]),
            "live": live,
        }
        for row in rows
    ]
    forget(tx, ids)
    if tx.dialect.name == "sqlite":
        tx.execute(text("INSERT INTO product_text_key (product_id, live) VALUES (:product_id, :live)"), folded)
        tx.execute(
            text(
                "INSERT INTO product_text (rowid, title, tags, body, place) "
                "SELECT doc, :title, :tags, :body, :place FROM product_text_key WHERE product_id = :product_id"
            ),
            folded,
        )
        return
    columns = {name: [row[name] for row in folded] for name in ("product_id", "title", "tags", "body", "place")}
    tx.execute(
        text(
            "INSERT INTO product_text (product_id, document) SELECT p, setweight(to_tsvector('english', t), 'A') || "
            "setweight(to_tsvector('english', g), 'B') || setweight(to_tsvector('english', b), 'C') || "
            "setweight(array_to_tsvector(string_to_array(w, ' ')), 'D') "
            "FROM unnest(CAST(:product_id AS text[]), CAST(:title AS text[]), CAST(:tags AS text[]), CAST(:body AS text[]), "
            "CAST(:place AS text[])) AS r(p, t, g, b, w)"
        ),
        columns,
    )


def forget(tx: Connection, product_ids: Sequence[str]) -> None:
    """Drop the search text of these products."""
    if not product_ids:
        return
    if tx.dialect.name == "postgresql":
        tx.execute(text("DELETE FROM product_text WHERE product_id = ANY(:ids)"), {"ids": list(product_ids)})
        return
    found = text("SELECT doc FROM product_text_key WHERE product_id IN :ids").bindparams(bindparam("ids", expanding=True))
    docs = [{"doc": row.doc} for row in tx.execute(found, {"ids": list(product_ids)})]
    if docs:
        tx.execute(text("DELETE FROM product_text WHERE rowid = :doc"), docs)
        tx.execute(text("DELETE FROM product_text_key WHERE doc = :doc"), docs)


def reveal(tx: Connection) -> None:
    """Let searches find what was indexed while it waited. PostgreSQL asks the product itself whether it is on sale."""
    if tx.dialect.name == "sqlite":
        tx.execute(text("UPDATE product_text_key SET live = true WHERE NOT live"))


def _place(destination_id: str, kind: str) -> tuple[str, str]:
    """Two words no text contains, so that the text index itself narrows a search to a city and a kind."""
    plain = re.sub(r"[^a-z0-9]", "", destination_id)
    return f"zzp{plain}", f"zzk{kind}"


def names(engine: Engine) -> Sequence[Any]:
    """Every published product's id, title, kind, city and tags, for the planner that reads names with typos."""
    with engine.db.read() as tx:
        return tx.execute(
            select(
                product.c.id,
                product.c.title,
                product.c.kind,
                product.c.destination_id,
                product.c.tags,
                product.c.provider_id,
                product.c.pay_at_provider,
                product.c.booking_type,
            )
            .where(product.c.published)
            .order_by(product.c.id)
            .limit(20_000)
        ).all()
