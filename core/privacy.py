"""What the house knows of a person: everything of it, given to them; and all of it that is theirs, forgotten, while the books stay.

Bookings, payments and the ledger are kept as the law asks of a seller, without a name or an address in them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, Text, cast, delete, insert, or_, select, update

from core import links, schema
from core.engine import Actor, Engine
from core.errors import NotAllowed, NotFound, Refused

SECRET = frozenset(["token_hash", "digest", "lease_owner", "frozen", "session_id", "url"])
FORGOTTEN = "This person has asked to be forgotten."


def export(engine: Engine, actor: Actor, account_id: str) -> dict[str, Any]:
    """Everything kept about a person as plain JSON values: {table: [row, ...]}. Raises NotFound, NotAllowed for somebody else's."""
    _ensure_may(actor, account_id)
    with engine.db.read() as tx:
        found = {name: [_plain(row) for row in rows] for name, rows in _everything(tx, account_id).items()}
    if not found["account"]:
        raise NotFound("There is no such account.")
    return found


def _ensure_may(actor: Actor, account_id: str) -> None:
    if actor.role != "operator" and actor.account_id != account_id:
        raise NotAllowed("You can only ask for your own data.")


def _everything(tx: Connection, account_id: str) -> dict[str, Sequence[Any]]:
    def rows(table: Table, *where: Any) -> Sequence[Any]:
        return tx.execute(select(table).where(*where)).all()

    talks = select(schema.conversation.c.id).where(schema.conversation.c.account_id == account_id)
    sold = select(schema.booking.c.id).where(schema.booking.c.account_id == account_id)
    paid = select(schema.payment.c.id).where(schema.payment.c.account_id == account_id)
    person = tx.execute(select(schema.account.c.email).where(schema.account.c.id == account_id)).scalar_one_or_none()
    carts = select(schema.cart.c.id).where(schema.cart.c.account_id == account_id)
    message = schema.message
    return {
        "account": rows(schema.account, schema.account.c.id == account_id),
        "account_role": rows(schema.account_role, schema.account_role.c.account_id == account_id),
        "session": rows(schema.session, schema.session.c.account_id == account_id),
        "conversation": rows(schema.conversation, schema.conversation.c.account_id == account_id),
        "message": rows(message, message.c.conversation_id.in_(talks), message.c.audience == "all"),
        "trip_state": rows(schema.trip_state, schema.trip_state.c.conversation_id.in_(talks)),
        "handoff": rows(schema.handoff, schema.handoff.c.conversation_id.in_(talks)),
        "cart": rows(schema.cart, schema.cart.c.account_id == account_id),
        "cart_item": rows(schema.cart_item, schema.cart_item.c.cart_id.in_(carts)),
        "proposal": rows(schema.proposal, schema.proposal.c.account_id == account_id),
        "booking": rows(schema.booking, schema.booking.c.account_id == account_id),
        "reseller_booking": rows(schema.reseller_booking, schema.reseller_booking.c.account_id == account_id),
        "booking_event": rows(schema.booking_event, schema.booking_event.c.booking_id.in_(sold)),
        "booking_request": rows(schema.booking_request, schema.booking_request.c.booking_id.in_(sold)),
        "offer": rows(schema.offer, schema.offer.c.booking_id.in_(sold)),
        "review": rows(schema.review, schema.review.c.account_id == account_id),
        "payment": rows(schema.payment, schema.payment.c.account_id == account_id),
        "refund": rows(schema.refund, schema.refund.c.payment_id.in_(paid)),
        "outbound": rows(schema.outbound, schema.outbound.c.address == person) if person else [],
        "audit_log": rows(schema.audit_log, or_(schema.audit_log.c.actor_id == account_id, schema.audit_log.c.acting_for == account_id)),
    }


def _plain(row: Any) -> dict[str, Any]:
    return {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in row._mapping.items() if name not in SECRET}


def erase(engine: Engine, actor: Actor, account_id: str) -> dict[str, int]:
    """Forget a person: name, addresses, what they wrote and what was sent to them. {table: rows changed}. Cannot be undone.

    Raises NotFound, NotAllowed, Refused while something is booked ahead, waits to be paid, or is disputed; and for people who
    work here, whose acts stay signed.
    """
    _ensure_may(actor, account_id)
    now = engine.clock()
    with engine.db.write() as tx:
        person = tx.execute(select(schema.account).where(schema.account.c.id == account_id).with_for_update()).one_or_none()
        if person is None:
            raise NotFound("There is no such account.")
        _ensure_over(tx, account_id, now)
        talks = select(schema.conversation.c.id).where(schema.conversation.c.account_id == account_id)
        hooks = select(schema.hook.c.id).where(schema.hook.c.account_id == account_id)
        done = {
            "message": _blank_messages(tx, talks),
            "turn": tx.execute(delete(schema.turn).where(schema.turn.c.conversation_id.in_(talks))).rowcount,
            "action": tx.execute(delete(schema.action).where(schema.action.c.conversation_id.in_(talks))).rowcount,
            "trip_state": tx.execute(delete(schema.trip_state).where(schema.trip_state.c.conversation_id.in_(talks))).rowcount,
            "handoff": tx.execute(update(schema.handoff).where(schema.handoff.c.conversation_id.in_(talks)).values(note="")).rowcount,
            "booking": tx.execute(update(schema.booking).where(schema.booking.c.account_id == account_id).values(contact={})).rowcount,
            "session": tx.execute(delete(schema.session).where(schema.session.c.account_id == account_id)).rowcount,
            "hook_delivery": tx.execute(delete(schema.hook_delivery).where(schema.hook_delivery.c.hook_id.in_(hooks))).rowcount,
            "hook": tx.execute(delete(schema.hook).where(schema.hook.c.account_id == account_id)).rowcount,
            "link_token": tx.execute(delete(schema.link_token).where(schema.link_token.c.account_id == account_id)).rowcount,
        }
        sold = select(schema.booking.c.id).where(schema.booking.c.account_id == account_id)
        written = schema.review
        done["review"] = tx.execute(
            update(written).where(written.c.account_id == account_id).values(text="")
        ).rowcount  # stars have no name
        told = schema.reseller_booking
        nobody = {"guest": {}, "unit_items": [], "notes": "", "reference": ""}
        done["reseller_booking"] = tx.execute(update(told).where(told.c.account_id == account_id).values(**nobody)).rowcount
        request = schema.booking_request
        done["booking_request"] = tx.execute(update(request).where(request.c.booking_id.in_(sold)).values(note="")).rowcount
        wished = (schema.offer.c.booking_id.in_(sold), schema.offer.c.side == "traveler")
        done["offer"] = tx.execute(update(schema.offer).where(*wished).values(message="")).rowcount
        done["outbound"] = _blank_mail(tx, person.email, list(tx.execute(sold).scalars()))
        paid = schema.payment
        tx.execute(update(paid).where(paid.c.account_id == account_id).values(frozen={}))  # the page's parameters hold the address
        tx.execute(
            update(schema.account)
            .where(schema.account.c.id == account_id)
            .values(
                display_name="",
                email=None,
                email_verified_at=None,
                phone=None,
                terms_accepted_at=None,
                may_remember=None,
                remembered=None,
            )
        )
        links.end_all(tx, account_id)
        done["account"] = 1
        tx.execute(
            insert(schema.audit_log).values(
                at=now,
                actor_id=actor.account_id,
                role=actor.role,
                channel=actor.channel,
                verb="erase_person",
                subject=account_id,
                detail=done,
            )
        )
        return done


def _ensure_over(tx: Connection, account_id: str, now: datetime) -> None:
    booking, payment = schema.booking, schema.payment
    ahead = tx.execute(
        select(booking.c.reference)
        .where(
            booking.c.account_id == account_id,
            booking.c.status.in_(("ON_HOLD", "PENDING")) | ((booking.c.status == "CONFIRMED") & (booking.c.starts_at > now)),
        )
        .limit(3)
    ).scalars()
    names = sorted(ahead)
    if names:
        raise Refused(f"Something is still booked or under way ({', '.join(names)}). Cancel it or wait until it is over.")
    waits = select(payment.c.id).where(payment.c.account_id == account_id, payment.c.status.in_(("new", "open", "authorized")))
    if tx.execute(waits.limit(1)).first() is not None:
        raise Refused("A payment is still open. Wait until it is over.")
    disputed = (
        select(schema.dispute.c.id)
        .join(payment, payment.c.id == schema.dispute.c.payment_id)
        .where(payment.c.account_id == account_id, schema.dispute.c.closed_at.is_(None))
    )
    if tx.execute(disputed.limit(1)).first() is not None:
        raise Refused("A payment is disputed at the bank; its papers are needed until that is decided.")
    works = select(schema.account_role.c.role).where(
        schema.account_role.c.account_id == account_id, schema.account_role.c.role != "traveler"
    )
    if tx.execute(works.limit(1)).first() is not None:
        raise Refused("This account works here. Take its roles away first.")


def _blank_mail(tx: Connection, email: str | None, booking_ids: Sequence[str]) -> int:
    """What was sent to them, and what told others about their bookings."""
    outbound = schema.outbound
    about = [cast(outbound.c.content, Text).contains(booking_id) for booking_id in booking_ids]
    to_them = [outbound.c.address == email] if email else []
    blanked = 0
    for where in to_them:
        blanked += tx.execute(update(outbound).where(where).values(address="", content={}, state="dropped")).rowcount
    for where in about:
        blanked += tx.execute(update(outbound).where(where).values(content={})).rowcount
    return blanked


def _blank_messages(tx: Connection, talks: Any) -> int:
    """Every line stays in its place and says nothing any more."""
    message = schema.message
    rows = tx.execute(
        select(message.c.conversation_id, message.c.seq, message.c.mid, message.c.role).where(message.c.conversation_id.in_(talks))
    ).all()
    for row in rows:
        data = {"mid": row.mid, "role": row.role, "parts": [{"type": "text", "text": FORGOTTEN}]}
        tx.execute(
            update(message)
            .where(message.c.conversation_id == row.conversation_id, message.c.seq == row.seq)
            .values(data=data, kind="message")
        )
    return len(rows)
