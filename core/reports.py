"""What a page wants to know at a glance, read and never written: the shop window, the health of the house, who waits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Connection, Select, func, select

from core import counters, schema, signups
from core.bookings import facts_of
from core.engine import Engine
from core.payments import ledger
from core.schema import (
    account,
    booking,
    booking_request,
    conversation,
    destination,
    job,
    message,
    option,
    outbound,
    payment,
    product,
    provider,
    rate_plan,
)
from core.travelers import names_of


def featured(engine: Engine, *, limit: int = 6) -> list[Any]:
    """Published products that have a price, the best rated first; a mixed window: different kinds and places before more of the same."""
    per = (
        select(rate_plan.c.per)
        .join(option, option.c.id == rate_plan.c.option_id)
        .where(option.c.product_id == product.c.id)
        .order_by(option.c.position, option.c.id)
        .limit(1)
        .scalar_subquery()
    )
    with engine.db.read() as tx:
        rows = tx.execute(
            select(
                product.c.id,
                product.c.title,
                product.c.summary,
                product.c.kind,
                product.c.booking_type,
                product.c.from_amount,
                product.c.currency,
                product.c.duration_minutes,
                product.c.rating_tenths,
                product.c.rating_count,
                product.c.rating_source,
                product.c.picture,
                per.label("per"),
                destination.c.name.label("city"),
                destination.c.country,
            )
            .join(destination, destination.c.id == product.c.destination_id)
            .where(product.c.published, product.c.accepting, product.c.from_amount.is_not(None), product.c.booking_type != "EXTERNAL")
            .order_by(product.c.rating_tenths.desc(), product.c.rating_count.desc(), product.c.id)
            .limit(200)
        ).all()
    chosen: list[Any] = []
    for most in (1, 2, limit):  # a mixed window first, filled up with what is left
        for row in rows:
            if len(chosen) == limit:
                return chosen
            alike = sum(1 for one in chosen if one.kind == row.kind)
            if row not in chosen and alike < most and sum(1 for one in chosen if one.city == row.city) < most:
                chosen.append(row)
    return chosen


def cities(engine: Engine) -> list[str]:
    with engine.db.read() as tx:
        return list(
            tx.execute(
                select(destination.c.name)
                .join(product, product.c.destination_id == destination.c.id)
                .where(product.c.published)
                .group_by(destination.c.id, destination.c.name)
                .order_by(func.count().desc(), destination.c.name)
                .limit(12)
            ).scalars()
        )


# ── the provider's inbox ──────────────────────────────────────────────────────────────────────────


def _of(query: Select[Any], column: Any, provider_ids: Sequence[str] | None) -> Select[Any]:
    return query if provider_ids is None else query.where(column.in_(list(provider_ids)))


def provider_ids(engine: Engine) -> list[str]:
    """Everybody, for an operator's view."""
    with engine.db.read() as tx:
        return list(tx.execute(select(provider.c.id).order_by(provider.c.id)).scalars())


def decided_requests(engine: Engine, providers: Sequence[str] | None, *, limit: int = 20) -> list[dict[str, Any]]:
    """Requests that are over, the newest first. `providers` None means all."""
    query = (
        select(
            booking,
            booking_request.c.status.label("verdict"),
            booking_request.c.answer,
            booking_request.c.decided_at,
            account.c.display_name.label("decider"),
        )
        .join(booking, booking.c.id == booking_request.c.booking_id)
        .outerjoin(account, account.c.id == booking_request.c.decided_by)
        .where(booking_request.c.status != "open")
    )
    with engine.db.read() as tx:
        rows = tx.execute(
            _of(query, booking_request.c.provider_id, providers)
            .order_by(booking_request.c.decided_at.desc(), booking_request.c.id)
            .limit(limit)
        ).all()
        return [
            {
                **facts_of(row),
                "verdict": row.verdict,
                "answer": row.answer,
                "decided_at": row.decided_at,
                "decider": row.decider or "",
                "traveler": str(row.contact.get("name", "")).split(" ")[0],
            }
            for row in rows
        ]


def upcoming_bookings(engine: Engine, providers: Sequence[str] | None, *, limit: int = 50) -> list[dict[str, Any]]:
    """Confirmed bookings ahead and of the last two days, the next first. `providers` None means all."""
    now = engine.clock()
    query = select(booking).where(booking.c.status == "CONFIRMED", booking.c.starts_at > now - timedelta(hours=48))
    with engine.db.read() as tx:
        rows = tx.execute(_of(query, booking.c.provider_id, providers).order_by(booking.c.starts_at, booking.c.id).limit(limit)).all()
        return [
            {
                **facts_of(row),
                "traveler": str(row.contact.get("name", "")),
                "requests": str(row.contact.get("requests", "")),
                "travelers": names_of(row),
                "starts_at": row.starts_at,
                "payout": row.amount - row.fee_amount,
            }
            for row in rows
        ]


def party_name(tx: Connection, party: str, party_id: str) -> str:
    """What a provider or an expert is called."""
    column, table = (provider.c.name, provider) if party == "provider" else (account.c.display_name, account)
    return str(tx.execute(select(column).where(table.c.id == party_id)).scalar_one_or_none() or party_id)


# ── the desk ──────────────────────────────────────────────────────────────────────────────────────


def recent_conversations(engine: Engine, *, limit: int = 40) -> list[dict[str, Any]]:
    """Conversations in which a traveler has written, the latest first, for experts to look into."""
    with engine.db.read() as tx:
        said = (
            select(func.max(message.c.seq))
            .where(message.c.conversation_id == conversation.c.id, message.c.role == "traveler")
            .correlate(conversation)
            .scalar_subquery()
        )
        rows = tx.execute(
            select(
                conversation.c.id,
                conversation.c.channel,
                conversation.c.controller,
                conversation.c.updated_at,
                account.c.display_name,
                message.c.data,
            )
            .join(account, account.c.id == conversation.c.account_id)
            .join(message, (message.c.conversation_id == conversation.c.id) & (message.c.seq == said))
            .order_by(conversation.c.updated_at.desc())
            .limit(limit)
        ).all()
    return [
        {
            "conversation_id": row.id,
            "channel": row.channel,
            "controller": row.controller,
            "traveler": row.display_name or "A visitor",
            "at": row.updated_at.isoformat(),
            "last": " ".join(str(part.get("text") or part.get("label") or "") for part in row.data.get("parts", []))[:140],
        }
        for row in rows
    ]


# ── operations ────────────────────────────────────────────────────────────────────────────────────


def health(engine: Engine) -> dict[str, Any]:
    """Counters of the day: conversations, bookings and payments by status, jobs, whether the ledger sums to zero and the slots are the sum of their holds."""
    now = engine.clock()
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    with engine.db.read() as tx:

        def by(column: Any, *where: Any) -> dict[str, int]:
            rows = tx.execute(select(column, func.count()).where(*where).group_by(column).order_by(column))
            return {str(name): int(count) for name, count in rows}

        return {
            "conversations_today": int(
                tx.execute(select(func.count()).select_from(conversation).where(conversation.c.created_at >= today)).scalar_one()
            ),
            "conversations": by(conversation.c.controller),
            "bookings": by(booking.c.status),
            "requests": by(booking_request.c.status),
            "payments": by(payment.c.status),
            "jobs": by(job.c.state),
            "late_jobs": int(
                tx.execute(
                    select(func.count()).select_from(job).where(job.c.state == "ready", job.c.run_at < now - timedelta(minutes=1))
                ).scalar_one()
            ),
            "outbound": by(outbound.c.state),
            "unbalanced": ledger.unbalanced(tx),
            "counters": counters.last(tx),
        }


def dead_jobs(engine: Engine, *, limit: int = 20) -> list[Any]:
    with engine.db.read() as tx:
        return list(
            tx.execute(
                select(job.c.id, job.c.kind, job.c.attempts, job.c.error, job.c.created_at)
                .where(job.c.state == "dead")
                .order_by(job.c.id.desc())
                .limit(limit)
            ).all()
        )


def messages_out(engine: Engine, *, limit: int = 50) -> list[Any]:
    """What was sent or caught, the newest first."""
    with engine.db.read() as tx:
        return list(tx.execute(select(outbound).order_by(outbound.c.id.desc()).limit(limit)).all())


# ── for providers who list by themselves ──────────────────────────────────────────────────────────


def cities_of_house(engine: Engine) -> list[dict[str, str]]:
    """Every city somebody may sell in: {"id", "name", "time_zone", "currency"}."""
    city = schema.destination.c
    with engine.db.read() as tx:
        rows = tx.execute(select(city.id, city.name, city.country, city.time_zone, city.currency).order_by(city.name, city.id)).all()
        return [
            {"id": r.id, "name": f"{r.name}, {r.country}" if r.country else r.name, "time_zone": r.time_zone, "currency": r.currency}
            for r in rows
        ]


def policies(engine: Engine) -> list[dict[str, str]]:
    policy = schema.cancellation_policy.c
    with engine.db.read() as tx:
        return [{"id": row.id, "name": row.name} for row in tx.execute(select(policy.id, policy.name).order_by(policy.name, policy.id))]


def filed_products(engine: Engine, providers: Sequence[str] | None) -> list[str]:
    """Titles of what these providers sell that a catalogue file brought: changed there and not in a form."""
    one = schema.product.c
    query = select(one.title).where(one.published, ~one.loaded_by.startswith("listing:")).order_by(one.title).limit(50)
    with engine.db.read() as tx:
        return list(tx.execute(_of(query, one.provider_id, providers)).scalars())


def onboarding(engine: Engine, providers: Sequence[str]) -> list[dict[str, Any]]:
    """How far each provider is: {"id", "name", "state" of the sign-up, "said", "steps": (what, done, where to do it)}."""
    found = []
    with engine.db.read() as tx:
        for row in tx.execute(select(schema.provider).where(schema.provider.c.id.in_(list(providers))).order_by(schema.provider.c.name)):
            state = signups.state_of(tx, row.id)
            said = tx.execute(select(schema.signup.c.said).where(schema.signup.c.provider_id == row.id)).scalar_one_or_none()
            sells = tx.execute(
                select(schema.product.c.id).where(schema.product.c.provider_id == row.id, schema.product.c.published)
            ).first()
            payee = schema.payee
            paid = tx.execute(select(payee.c.state).where(payee.c.party == "provider", payee.c.party_id == row.id)).scalar_one_or_none()
            link = select(schema.calendar_link.c.token).where(
                schema.calendar_link.c.provider_id == row.id, schema.calendar_link.c.revoked_at.is_(None)
            )
            steps = [
                ("Your address is confirmed", True, ""),
                ("We have looked at your business", state == "approved", ""),
                ("Something is on sale", sells is not None, ""),
                ("You can be paid out", paid == "active", "/payouts"),
                ("Your calendar is shared with another one (if you have one)", tx.execute(link).first() is not None, "/calendar#others"),
            ]
            found.append({"id": row.id, "name": row.name, "state": state, "said": said or "", "steps": steps})
    return found


def bookings_of(
    engine: Engine, providers: Sequence[str] | None, first: date, last: date, *, status: str = "", limit: int = 300
) -> list[dict[str, Any]]:
    """Bookings whose day is in this stretch, by day and start; what was never confirmed is left out unless `status` names it."""
    statuses = (status,) if status else ("CONFIRMED", "REDEEMED", "CANCELLED")
    query = select(booking).where(booking.c.local_date >= first, booking.c.local_date <= last, booking.c.status.in_(statuses))
    with engine.db.read() as tx:
        rows = tx.execute(
            _of(query, booking.c.provider_id, providers).order_by(booking.c.local_date, booking.c.local_start, booking.c.id).limit(limit)
        ).all()
        return [_for_provider(row) for row in rows]


def booking_by_reference(engine: Engine, providers: Sequence[str] | None, reference: str) -> dict[str, Any] | None:
    """One booking of these providers by what stands on its voucher."""
    query = _of(select(booking).where(booking.c.reference == reference), booking.c.provider_id, providers)
    with engine.db.read() as tx:
        row = tx.execute(query).one_or_none()
        if row is None:
            return None
        taken = select(schema.booking_event.c.at).where(
            schema.booking_event.c.booking_id == row.id, schema.booking_event.c.event == "redeem"
        )
        return {**_for_provider(row), "taken_at": tx.execute(taken.limit(1)).scalar_one_or_none(), "time_zone": row.time_zone}


def _for_provider(row: Any) -> dict[str, Any]:
    return {
        **facts_of(row),
        "traveler": str(row.contact.get("name", "")),
        "requests": str(row.contact.get("requests", "")),
        "travelers": names_of(row),
        "starts_at": row.starts_at,
        "payout": row.amount - row.fee_amount,
        "status": row.status,
    }
