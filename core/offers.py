"""Other terms than were asked for: a provider's counter-offer or quote, and the traveler's answer to it.

An offer never changes; the booking takes its terms over only when the other side accepts. Until then the request waits and
the places that were offered are held, so an accepted offer can always be kept.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from core import availability, bookings, holds, jobs, notices, pricing, requests
from core.availability import Ask
from core.catalogue import Listing, listing
from core.db import fingerprint
from core.engine import Actor, Engine, new_id
from core.errors import AlreadyDecided, Expired, Invalid, NotAllowed, NotFound, Refused, SoldOut
from core.payments import authorise
from core.redact import plain, redact
from core.schema import account, booking, booking_request, offer, proposal, provider
from core.states import move_booking, move_offer, move_request

KIND = "offer"
MOST_ROUNDS = 8  # offers of both sides to one request
MOST = 10**12  # minor units
AT_LEAST = timedelta(minutes=15)


def counter(
    engine: Engine,
    actor: Actor,
    request_id: str,
    *,
    amount: int | None = None,
    local_date: date | None = None,
    end_date: date | None = None,
    local_start: str | None = None,
    message: str = "",
) -> dict[str, Any]:
    """The provider offers other terms, or names the price of a quote; what is left out stays as asked. `amount` is the whole
    price in minor units; another day without one is priced by the rules. The offered places are held until `valid_until`.

    Returns {"request_id", "offer_id", "status", "amount", "currency", "valid_until"}. Raises NotFound, AlreadyDecided, Expired,
    Invalid (amount, local_date ...), SoldOut where the offered places are gone, Refused after too many rounds.
    """
    now = engine.clock()
    message = redact(plain(message))[:1000]
    with engine.db.write() as tx:
        request = requests.own(tx, actor, request_id)
        if request.status != "countered" or request.respond_by <= now:  # a newer offer may take the place of one's own
            requests.ensure_open(tx, request, now)
        row = tx.execute(select(booking).where(booking.c.id == request.booking_id).with_for_update()).one()
        holds.stand_still(tx, [row.option_id])
        before = requests.live_offer(tx, request_id)
        listed = listing(tx, row.product_id)
        ask = _ask(row, before, local_date, end_date, local_start)
        amount = _price(listed, ask, request, row, amount, now)
        _ensure_other(row, before, ask, amount, request)
        _ensure_rounds(tx, request_id)
        if before is not None:
            _close_proposals(tx, row.conversation_id, before.id)
            move_offer(tx, before, "counter" if before.side == "traveler" else "withdraw", actor, now)
        option = listed.option(row.option_id)
        availability.check(listed, option, ask, now, engine.rules)
        starts_at = availability.starts_at(listed, ask.local_date, ask.local_start)
        valid_until = max(now + AT_LEAST, min(now + engine.rules.offer_life, starts_at - timedelta(hours=1)))
        _hold(tx, row, availability.wants(listed, option, ask), valid_until, now)
        made = _make(tx, request, row, actor, "provider", ask, amount, message, valid_until, now)
        status = move_request(tx, request, "counter", actor, now, respond_by=valid_until)
        _tell_traveler(tx, engine, row, listed, made, request.kind, now)
        jobs.enqueue(tx, "request.deadline", {"request_id": request_id}, run_at=valid_until, now=now, dedupe=f"request:{request_id}")
        return {**_view(made), "request_id": request_id, "status": status}


def _ask(row: Row[Any], before: Row[Any] | None, day: date | None, end: date | None, start: str | None) -> Ask:
    """What is offered now: what was named, else what was last offered, else what was asked. A stay that moves keeps its nights."""
    base = before or row
    first = day or base.local_date
    if end is None and base.end_date is not None:
        end = first + (base.end_date - base.local_date)
    return Ask(row.product_id, row.option_id, first, end, base.local_start if start is None else start, row.units, row.quantity)


def _price(listed: Listing, ask: Ask, request: Row[Any], row: Row[Any], amount: int | None, now: datetime) -> int:
    if amount is not None:
        if not 0 < amount <= MOST:
            raise Invalid("amount", "Name the whole price in minor units, above zero.")
        return amount
    if request.kind == "quote":
        raise Invalid("amount", "Name the price you offer.")
    if ask.local_date == row.local_date and ask.end_date == row.end_date:
        return int(row.amount)
    return pricing.price(listed, ask, today=now.astimezone(availability.zone(listed)).date()).total


def _ensure_other(row: Row[Any], before: Row[Any] | None, ask: Ask, amount: int, request: Row[Any]) -> None:
    now_is = before if before is not None and before.side == "provider" else row
    same = (now_is.local_date, now_is.end_date, now_is.local_start, now_is.amount)
    if same == (ask.local_date, ask.end_date, ask.local_start, amount) and not (request.kind == "quote" and now_is is row):
        raise Invalid("amount", "These are the same terms; approve the request, or name another price, day or time.")


def _ensure_rounds(tx: Connection, request_id: str) -> None:
    made = tx.execute(select(func.count()).select_from(offer).where(offer.c.request_id == request_id)).scalar_one()
    if made >= MOST_ROUNDS:
        raise Refused("Enough offers went back and forth here. Accept, decline, or ask for a person.")


def _hold(tx: Connection, row: Row[Any], wanted: list[availability.Want], until: datetime, now: datetime) -> None:
    """Move the booking's hold to the offered places; the old ones are free again. Raises SoldOut, and then nothing has moved."""
    holds.release(tx, [row.id])
    try:
        holds.take(tx, {row.id: wanted}, expires_at=until, now=now)
    except SoldOut as error:
        days = ", ".join(sorted({f"{want.local_date:%a %d %b}" for want in wanted}))
        raise SoldOut(f"{row.title} has no places left on {days}. Nothing was changed.") from error


def _make(
    tx: Connection,
    request: Row[Any],
    row: Row[Any],
    actor: Actor,
    side: str,
    ask: Ask,
    amount: int,
    message: str,
    valid_until: datetime,
    now: datetime,
) -> Row[Any]:
    offer_id = new_id()
    tx.execute(
        insert(offer).values(
            id=offer_id,
            request_id=request.id,
            booking_id=row.id,
            side=side,
            status="offered",
            local_date=ask.local_date,
            end_date=ask.end_date,
            local_start=ask.local_start,
            currency=row.currency,
            amount=amount,
            message=message,
            valid_until=valid_until,
            made_by=actor.account_id,
            made_at=now,
        )
    )
    return tx.execute(select(offer).where(offer.c.id == offer_id)).one()


def _view(made: Row[Any]) -> dict[str, Any]:
    return {
        "offer_id": made.id,
        "amount": made.amount,
        "currency": made.currency,
        "date": made.local_date.isoformat(),
        "end_date": made.end_date.isoformat() if made.end_date else None,
        "start": made.local_start,
        "valid_until": made.valid_until.isoformat(),
    }


def _tell_traveler(tx: Connection, engine: Engine, row: Row[Any], listed: Listing, made: Row[Any], kind: str, now: datetime) -> None:
    """The offer with its buttons, by mail too; and as a proposal, so that an exact yes accepts it."""
    asked = bookings.facts_of(row)
    facts = {**asked, **_view(made), "kind": kind, "asked": asked, "message": made.message, "provider": listed.provider.name}
    presses = [
        {"label": name, "press": {"verb": name, "params": {"offer_id": made.id, "currency": made.currency}}}
        for name in ("accept_offer", "counter_offer", "decline_offer")
    ]
    notices.tell(tx, row.conversation_id, "offer_received", facts, now, key=f"offer:{made.id}", actions=presses)
    notices.mail_traveler(tx, row, "offer_received", facts, now, key=f"offer:{made.id}")
    terms = {**_view(made), "booking_id": row.id, "offer_id": made.id}
    tx.execute(
        insert(proposal).values(
            id=new_id(),
            conversation_id=row.conversation_id,
            account_id=row.account_id,
            kind=KIND,
            status="live",
            terms=terms,
            digest=fingerprint(terms),
            expires_at=made.valid_until,
            created_at=now,
        )
    )


# ── the traveler's answer ─────────────────────────────────────────────────────────────────────────


def _answerable(tx: Connection, actor: Actor, offer_id: str, now: datetime) -> tuple[Row[Any], Row[Any], Row[Any]]:
    """(offer, request, booking), locked. Raises NotFound for another's, NotAllowed where somebody else speaks for the traveler,
    AlreadyDecided, Expired."""
    found = tx.execute(select(offer).where(offer.c.id == offer_id, offer.c.side == "provider")).one_or_none()
    row = None if found is None else tx.execute(select(booking).where(booking.c.id == found.booking_id)).one()
    if found is None or row is None or row.account_id != actor.traveler_id:
        raise NotFound("There is no such offer to you.")
    if row.account_id != actor.account_id:
        raise NotAllowed("Only the person who plans this trip can answer an offer.")
    request = tx.execute(select(booking_request).where(booking_request.c.id == found.request_id).with_for_update()).one()
    made = tx.execute(select(offer).where(offer.c.id == offer_id)).one()
    row = tx.execute(select(booking).where(booking.c.id == made.booking_id)).one()
    if made.status != "offered":
        by = tx.execute(select(account.c.display_name).where(account.c.id == made.decided_by)).scalar_one_or_none()
        at = made.decided_at.isoformat() if made.decided_at else ""
        raise AlreadyDecided(f"This offer was already {made.status}.", status=made.status, by=by or "", at=at)
    if made.valid_until <= now:
        raise Expired("This offer has run out. Ask again, or look for something else.")
    return made, request, row


def accept(engine: Engine, actor: Actor, offer_id: str) -> dict[str, Any]:
    """The traveler's yes to an offer: the booking takes its terms over and is held until it is paid.

    Returns {"offer_id", "booking_id", "reference", "status"}. Raises NotFound, NotAllowed, AlreadyDecided, Expired.
    """
    now = engine.clock()
    with engine.db.write() as tx:
        made, request, row = _answerable(tx, actor, offer_id, now)
        move_offer(tx, made, "accept", actor, now)
        move_request(tx, request, "accept_offer", actor, now)
        _close_proposals(tx, row.conversation_id, offer_id)
        row = requests.take_over(tx, engine, row, made, now)
        requests.approved(tx, engine, actor, row, "", now, event="accept_offer", told="offer_accepted")
        _tell_provider(tx, row, "offer_accepted", {}, f"accepted:{offer_id}", now)
        return _answered(tx, offer_id, row.id)


def decline(engine: Engine, actor: Actor, offer_id: str, *, message: str = "") -> dict[str, Any]:
    """The traveler's no: the request is over and the places are free. Returns and raises as `accept`."""
    now = engine.clock()
    message = redact(plain(message))[:1000]
    with engine.db.write() as tx:
        made, request, row = _answerable(tx, actor, offer_id, now)
        move_offer(tx, made, "decline", actor, now)
        move_request(tx, request, "decline_offer", actor, now, answer=message)
        _close_proposals(tx, row.conversation_id, offer_id)
        holds.release(tx, [row.id])
        authorise.let_go(tx, row.id, now)
        move_booking(tx, row, "decline_offer", actor, now, reason=message)
        _tell_provider(tx, row, "offer_declined", {"message": message}, f"declined_offer:{offer_id}", now)
        return _answered(tx, offer_id, row.id)


def ask_again(engine: Engine, actor: Actor, offer_id: str, *, amount: int, message: str = "") -> dict[str, Any]:
    """The traveler answers an offer with a price of their own (minor units, for everything); the provider decides again.

    The places stay held until the provider's new deadline. Returns as `accept`. Raises what `accept` raises, Invalid for the
    amount, Refused after too many rounds.
    """
    now = engine.clock()
    message = redact(plain(message))[:1000]
    if not 0 < amount <= MOST:
        raise Invalid("amount", "Name the price you would pay for everything, above zero.")
    with engine.db.write() as tx:
        made, request, row = _answerable(tx, actor, offer_id, now)
        if amount == made.amount:
            raise Invalid("amount", "That is what was offered; accept it, or name another price.")
        _ensure_rounds(tx, request.id)
        owner = tx.execute(select(provider).where(provider.c.id == row.provider_id)).one()
        listed = listing(tx, row.product_id)
        starts_at = availability.starts_at(listed, made.local_date, made.local_start)
        respond_by = max(now + AT_LEAST, min(now + timedelta(hours=owner.respond_hours), starts_at - timedelta(hours=1)))
        if holds.extend(tx, [row.id], respond_by, now) == 0:
            raise Expired("This offer has run out. Ask again, or look for something else.")
        move_offer(tx, made, "counter", actor, now)
        _close_proposals(tx, row.conversation_id, offer_id)
        ask = Ask(row.product_id, row.option_id, made.local_date, made.end_date, made.local_start, row.units, row.quantity)
        wish = _make(tx, request, row, actor, "traveler", ask, amount, message, respond_by, now)
        move_request(tx, request, "ask_again", actor, now, respond_by=respond_by)
        asked = {**_view(wish), "message": message, "request_id": request.id}
        _tell_provider(tx, row, "offer_countered", asked, f"wish:{wish.id}", now)
        facts = {**bookings.facts_of(row), **_view(wish), "provider": owner.name, "respond_by": respond_by.isoformat()}
        notices.tell(tx, row.conversation_id, "wish_sent", facts, now, key=f"wish:{wish.id}")
        jobs.enqueue(tx, "request.deadline", {"request_id": request.id}, run_at=respond_by, now=now, dedupe=f"request:{request.id}")
        return _answered(tx, offer_id, row.id)


def of_proposal(tx: Connection, proposal_id: str) -> str:
    """The offer an exact yes stands for. Raises NotFound."""
    row = tx.execute(select(proposal.c.terms).where(proposal.c.id == proposal_id, proposal.c.kind == KIND)).one_or_none()
    if row is None:
        raise NotFound("There is no such offer.")
    return str(row.terms["offer_id"])


def _close_proposals(tx: Connection, conversation_id: str, offer_id: str) -> None:
    """What was answered waits for no yes any more."""
    live = (proposal.c.conversation_id == conversation_id, proposal.c.kind == KIND, proposal.c.status == "live")
    rows = tx.execute(select(proposal.c.id, proposal.c.terms).where(*live)).all()
    for row in rows:
        if row.terms["offer_id"] == offer_id:
            tx.execute(update(proposal).where(proposal.c.id == row.id).values(status="superseded"))


def _tell_provider(tx: Connection, row: Row[Any], notice: str, more: dict[str, Any], key: str, now: datetime) -> None:
    owner = tx.execute(select(provider).where(provider.c.id == row.provider_id)).one()
    facts = {**bookings.facts_of(row), "traveler": str(row.contact.get("name", "")).split(" ")[0], **more}
    notices.tell_provider(tx, owner, notice, facts, now, key=key)


def _answered(tx: Connection, offer_id: str, booking_id: str) -> dict[str, Any]:
    status = tx.execute(select(offer.c.status).where(offer.c.id == offer_id)).scalar_one()
    row = tx.execute(select(booking).where(booking.c.id == booking_id)).one()
    return {"offer_id": offer_id, "offer": status, "booking_id": row.id, "reference": row.reference, "status": row.status}


def waiting(engine: Engine, provider_ids: list[str]) -> list[dict[str, Any]]:
    """Offers of these providers that the traveler has not answered yet, the next to run out first."""
    with engine.db.read() as tx:
        rows = tx.execute(
            select(offer, booking.c.title, booking.c.units, booking.c.reference, booking.c.contact)
            .join(booking, booking.c.id == offer.c.booking_id)
            .where(booking.c.provider_id.in_(provider_ids), offer.c.status == "offered", offer.c.side == "provider")
            .order_by(offer.c.valid_until)
        ).all()
    return [
        {
            **_view(row),
            "request_id": row.request_id,
            "title": row.title,
            "units": dict(row.units),
            "reference": row.reference,
            "traveler": str(row.contact.get("name", "")).split(" ")[0],
            "message": row.message,
        }
        for row in rows
    ]
