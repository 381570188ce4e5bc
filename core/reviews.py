"""Reviews: who attended and paid says how it was, once for each booking; the provider may answer once, and the house may hide.

A product's rating is the mean of its shown reviews as soon as it has one; until then it is whatever its file says, with the file's
own source beside it. Text is a traveler's: data for whoever shows it, never an instruction.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row, exists, func, insert, select, update

from core import audit, notices
from core.bookings import facts_of, with_payment
from core.db import announce
from core.engine import Actor, Engine, new_id
from core.errors import AlreadyDecided, Expired, Invalid, NotAllowed, NotFound, Refused
from core.redact import plain, redact
from core.schema import booking, booking_event, product, provider, review

ATTENDED = ("CONFIRMED", "REDEEMED")
SOURCE = "reviews"  # product.rating_source of a rating made here
CHANGES = timedelta(days=14)  # from the first stars
LATEST = timedelta(days=180)  # from the end of the service
ASKED_WITHIN = timedelta(days=30)  # from the start; what is longer ago is not asked about any more
USUAL = timedelta(hours=3)  # where a product says no duration
LEAVES = time(11)  # a stay is over at this hour of its last day
HOURS = range(9, 21)  # on the clock of the place: nobody is asked at night
NEWEST = 3
LONGEST = 2000


def ends_at(row: Any, minutes: int | None) -> datetime:
    """When a booking's service is over, in UTC."""
    if row.end_date is not None:
        return datetime.combine(row.end_date, LEAVES, ZoneInfo(row.time_zone)).astimezone(UTC)
    ends: datetime = row.starts_at + (timedelta(minutes=minutes) if minutes else USUAL)
    return ends


def sweep(engine: Engine) -> int:
    """Ask about everything that is over, once each, in the conversation it was booked in; returns how many were asked."""
    now = engine.clock()
    with engine.db.read() as tx:
        rows = tx.execute(_unasked(now)).all()
    due = [row.id for row in rows if ends_at(row, row.duration_minutes) <= now and now.astimezone(ZoneInfo(row.time_zone)).hour in HOURS]
    return sum(_ask(engine, booking_id, now) for booking_id in due)


def _unasked(now: datetime) -> Any:
    return (
        select(booking, product.c.duration_minutes)
        .join(product, product.c.id == booking.c.product_id)
        .where(
            booking.c.status.in_(ATTENDED),
            booking.c.review_asked_at.is_(None),
            booking.c.starts_at <= now,
            booking.c.starts_at > now - ASKED_WITHIN,
            ~exists().where(review.c.booking_id == booking.c.id),
            ~exists().where(booking_event.c.booking_id == booking.c.id, booking_event.c.event == "no_show"),
        )
        .order_by(booking.c.starts_at.desc(), booking.c.id)
        .limit(500)
    )


def _ask(engine: Engine, booking_id: str, now: datetime) -> bool:
    with engine.db.write() as tx:
        row = tx.execute(select(booking).where(booking.c.id == booking_id).with_for_update()).one()
        if row.review_asked_at is not None or _why_not(tx, row, now) is not None:
            return False
        tx.execute(update(booking).where(booking.c.id == row.id).values(review_asked_at=now))
        stars = [{"label": f"stars_{n}", "press": {"verb": "rate", "params": {"booking_id": row.id, "stars": n}}} for n in range(5, 0, -1)]
        notices.tell(tx, row.conversation_id, "review_asked", facts_of(row), now, key=f"review:{row.id}", actions=stars)
        return True


def _why_not(tx: Connection, row: Any, now: datetime) -> Refused | None:
    """Why this booking cannot be reviewed (any more), or None."""
    minutes = tx.execute(select(product.c.duration_minutes).where(product.c.id == row.product_id)).scalar_one()
    over = ends_at(row, minutes)
    missed = select(booking_event.c.id).where(booking_event.c.booking_id == row.id, booking_event.c.event == "no_show")
    if row.status not in ATTENDED:
        return Refused(f"{row.title} was not attended, so it cannot be reviewed.")
    if over > now:
        return Refused(f"{row.title} is not over yet. You can say how it was afterwards.")
    if tx.execute(missed.limit(1)).first() is not None:
        return Refused(f"The host noted that nobody came to {row.title}, so it cannot be reviewed.")
    if not row.pay_at_provider and with_payment(tx, [row])[0]["owed"]:
        return Refused(f"{row.title} is not paid in full, so it cannot be reviewed.")
    if over + LATEST < now:
        return Expired(f"{row.title} is too long ago to be reviewed.")
    return None


def rate(engine: Engine, actor: Actor, booking_id: str, *, stars: int | None = None, text: str | None = None) -> dict[str, Any]:
    """The traveler's stars (1 to 5), their words, or both; what is not given stays. Returns {booking_id, title, stars, text}.

    Raises NotFound for another's booking, Invalid, Refused for what was not attended or paid, Expired after the days to change it.
    """
    if stars is not None and not 1 <= stars <= 5:
        raise Invalid("stars", "Please give one to five stars.")
    words = None if text is None else redact(plain(text))
    if words is not None and len(words) > LONGEST:
        raise Invalid("text", f"Please keep it to {LONGEST} characters; that were {len(words)}.")
    now = engine.clock()
    with engine.db.write() as tx:
        row = tx.execute(select(booking).where(booking.c.id == booking_id).with_for_update()).one_or_none()
        if row is None or row.account_id != actor.traveler_id:
            raise NotFound("There is no such booking of yours.")
        known = tx.execute(select(review).where(review.c.booking_id == row.id)).one_or_none()
        if known is None:
            _first(tx, row, stars, words or "", now)
        elif known.created_at + CHANGES < now:
            raise Expired(f"A review can be changed for {CHANGES.days} days, and those are over.")
        else:
            said = {"stars": known.stars if stars is None else stars, "text": known.text if words is None else words}
            tx.execute(update(review).where(review.c.id == known.id).values(**said, changed_at=now))
        _count(tx, row.product_id)
        announce(tx, "provider", row.provider_id)
        made = tx.execute(select(review).where(review.c.booking_id == row.id)).one()
        return {"booking_id": row.id, "title": row.title, "stars": made.stars, "text": made.text}


def _first(tx: Connection, row: Any, stars: int | None, words: str, now: datetime) -> None:
    refusal = _why_not(tx, row, now)
    if refusal is not None:
        raise refusal
    if stars is None:
        raise Invalid("stars", "Please give the stars first, one to five.")
    of = {"booking_id": row.id, "product_id": row.product_id, "provider_id": row.provider_id, "account_id": row.account_id}
    tx.execute(insert(review).values(id=new_id(), **of, stars=stars, text=words, created_at=now, changed_at=now))
    tx.execute(update(booking).where(booking.c.id == row.id, booking.c.review_asked_at.is_(None)).values(review_asked_at=now))


def _count(tx: Connection, product_id: str) -> None:
    """The product's rating anew, behind its row's lock. With every review hidden it has none, and no sample comes back."""
    tx.execute(select(product.c.id).where(product.c.id == product_id).with_for_update())
    shown = (review.c.product_id == product_id, review.c.hidden_at.is_(None))
    total, n = tx.execute(select(func.coalesce(func.sum(review.c.stars), 0), func.count()).where(*shown)).one()
    tenths = (int(total) * 20 + n) // (2 * n) if n else None  # half up
    tx.execute(update(product).where(product.c.id == product_id).values(rating_tenths=tenths, rating_count=n, rating_source=SOURCE))


def to_write_about(tx: Connection, conversation_id: str, account_id: str, now: datetime) -> str | None:
    """The booking whose stars were given last in this conversation and can still be changed, for words that follow."""
    query = (
        select(review.c.booking_id)
        .join(booking, booking.c.id == review.c.booking_id)
        .where(booking.c.conversation_id == conversation_id, review.c.account_id == account_id, review.c.created_at > now - CHANGES)
        .order_by(review.c.changed_at.desc(), review.c.id)
        .limit(1)
    )
    return tx.execute(query).scalar_one_or_none()


def of_product(tx: Connection, product_id: str, *, limit: int = NEWEST, offset: int = 0) -> dict[str, Any]:
    """{reviews: [{stars, text, at, answer}], hidden}: the newest shown first, and how many the house has hidden. Without names."""
    shown = select(review).where(review.c.product_id == product_id, review.c.hidden_at.is_(None))
    rows = tx.execute(shown.order_by(review.c.created_at.desc(), review.c.id).limit(limit).offset(offset)).all()
    hidden = select(func.count()).select_from(review).where(review.c.product_id == product_id, review.c.hidden_at.is_not(None))
    return {"reviews": [_shown(row) for row in rows], "hidden": tx.execute(hidden).scalar_one()}


def _shown(row: Row[Any]) -> dict[str, Any]:
    return {"stars": row.stars, "text": row.text, "at": row.created_at.date().isoformat(), "answer": row.answer}


def of_bookings(tx: Connection, rows: Sequence[Any], now: datetime) -> dict[str, dict[str, Any]]:
    """For each booking that can be reviewed or was: {stars, text, answer, hidden, open}; `stars` is 0 where nothing was said."""
    known = {one.booking_id: one for one in tx.execute(select(review).where(review.c.booking_id.in_([row.id for row in rows])))}
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        one = known.get(row.id)
        if one is not None:
            said = {"stars": one.stars, "text": one.text, "answer": one.answer, "hidden": one.hidden_reason}
            found[row.id] = {**said, "open": one.created_at + CHANGES >= now}
        elif row.status in ATTENDED and row.starts_at <= now and _why_not(tx, row, now) is None:
            found[row.id] = {"stars": 0, "text": "", "answer": "", "hidden": "", "open": True}
    return found


# ── the other sides ───────────────────────────────────────────────────────────────────────────────


def listed(engine: Engine, provider_ids: Sequence[str] | None, *, limit: int = 100) -> list[dict[str, Any]]:
    """Reviews of these providers, the newest first; None is everybody's."""
    query = (
        select(review, booking.c.title, booking.c.reference, provider.c.name.label("provider"))
        .join(booking, booking.c.id == review.c.booking_id)
        .join(provider, provider.c.id == review.c.provider_id)
        .order_by(review.c.created_at.desc(), review.c.id)
        .limit(limit)
    )
    if provider_ids is not None:
        query = query.where(review.c.provider_id.in_(provider_ids))
    with engine.db.read() as tx:
        rows = tx.execute(query).all()
    return [
        {
            **_shown(row),
            "review_id": row.id,
            "title": row.title,
            "reference": row.reference,
            "provider": row.provider,
            "provider_id": row.provider_id,
            "hidden": row.hidden_at is not None,
            "hidden_reason": row.hidden_reason,
        }
        for row in rows
    ]


def _lock(tx: Connection, review_id: str) -> Row[Any]:
    row = tx.execute(select(review).where(review.c.id == review_id).with_for_update()).one_or_none()
    if row is None:
        raise NotFound("There is no such review.")
    return row


def answer(engine: Engine, actor: Actor, review_id: str, text: str) -> None:
    """The provider's one answer, shown below the review. Raises NotFound for another provider's, Invalid, AlreadyDecided."""
    words = redact(plain(text))
    if not words or len(words) > LONGEST:
        raise Invalid("text", f"Please write an answer of up to {LONGEST} characters.")
    now = engine.clock()
    with engine.db.write() as tx:
        row = _lock(tx, review_id)
        if actor.role != "provider" or row.provider_id not in actor.provider_ids:
            raise NotFound("There is no such review of yours.")
        if row.answer:
            raise AlreadyDecided("This review was answered already.", status="answered", by=row.answered_by)
        tx.execute(update(review).where(review.c.id == row.id).values(answer=words, answered_by=actor.account_id, answered_at=now))
        audit.record(tx, actor, "answer_review", f"review:{row.id}", {}, now)


def hide(engine: Engine, actor: Actor, review_id: str, reason: str) -> None:
    """Take a review and its stars out of what is shown. Raises NotFound, NotAllowed, Invalid without a reason."""
    why = " ".join(plain(reason).split())
    if not why or len(why) > 300:
        raise Invalid("reason", "Please give the reason in up to 300 characters; the traveler reads it.")
    _moderate(engine, actor, review_id, "hide_review", why)


def unhide(engine: Engine, actor: Actor, review_id: str) -> None:
    """Show a hidden review again. Raises NotFound, NotAllowed."""
    _moderate(engine, actor, review_id, "unhide_review", "")


def _moderate(engine: Engine, actor: Actor, review_id: str, verb: str, why: str) -> None:
    if actor.role != "operator":
        raise NotAllowed("Only operators decide which reviews are shown.")
    now = engine.clock()
    with engine.db.write() as tx:
        row = _lock(tx, review_id)
        by = {"hidden_by": actor.account_id, "hidden_at": now} if why else {"hidden_by": None, "hidden_at": None}
        tx.execute(update(review).where(review.c.id == row.id).values(hidden_reason=why, **by))
        _count(tx, row.product_id)
        audit.record(tx, actor, verb, f"review:{row.id}", {"reason": why, "before": row.hidden_reason}, now)
