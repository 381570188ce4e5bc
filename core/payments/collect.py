"""Money in: one hosted page per attempt, and one way to learn what happened: fetch it.

Webhook, return page, sweep and "I have paid" all call `sync`, which asks the gateway; only a fetched `paid` counts.
Rows first, gateway second: every parameter is frozen and committed before the first call, so a crash repeats the very
same call under the very same key.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from core import alterations, availability, holds, jobs, notices
from core.bookings import facts_of
from core.carts import ask_of
from core.catalogue import listing
from core.engine import SYSTEM, Engine, new_id
from core.errors import CoreError, NotFound, Refused, SoldOut
from core.money import allocate
from core.payments import authorise, payouts
from core.payments.gateway import FetchedPayment, GatewayMisused, GatewayRefused, GatewayUnknown, Moved, OrderLine, PaymentOrder, Refunded
from core.payments.ledger import post
from core.payments.schedule import lapses_at, owed, paid_of, plan_balance
from core.schema import booking, hold, job, ledger_entry, payment, provider, refund, share, slot
from core.states import move_booking

OPEN = ("new", "open")
SOLD = ("CONFIRMED", "REDEEMED")


def bookings_of(tx: Connection, payment_id: str) -> Sequence[Row[Any]]:
    ids = select(share.c.booking_id).where(share.c.payment_id == payment_id, share.c.booking_id.is_not(None))
    return tx.execute(select(booking).where(booking.c.id.in_(ids)).order_by(booking.c.id)).all()


def get(tx: Connection, payment_id: str, *, lock: bool = False) -> Row[Any]:
    query = select(payment).where(payment.c.id == payment_id)
    row = tx.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise NotFound("There is no such payment.")
    return row


# ── the link ──────────────────────────────────────────────────────────────────────────────────────


def ensure_link(engine: Engine, payment_id: str) -> dict[str, Any]:
    """The payment's page, made where there is none yet. Returns {"payment_id", "kind", "status", "url", "amount", "currency"}.

    A curable no is followed by one fresh attempt at once. Raises GatewayUnknown where the gateway did not answer (the job
    tries again with the same key), GatewayRefused, GatewayMisused.
    """
    try:
        return _make_link(engine, payment_id)
    except GatewayRefused as error:
        if not error.curable:
            raise
    return _make_link(engine, payment_id)


def _make_link(engine: Engine, payment_id: str) -> dict[str, Any]:
    frozen = _freeze(engine, payment_id)
    if frozen is None:
        with engine.db.read() as tx:
            return view(get(tx, payment_id))
    try:
        link = engine.gateway.payment_link(_order(payment_id, frozen["order"]), key=frozen["key"])
    except GatewayMisused:  # no new attempt: the first may have gone through, and a person has to look
        raise
    except GatewayRefused as error:
        _refused(engine, payment_id, frozen, error)
        raise
    now = engine.clock()
    with engine.db.write() as tx:
        row = get(tx, payment_id, lock=True)
        if row.status == "new" and row.frozen.get("key") == frozen["key"]:
            tx.execute(update(payment).where(payment.c.id == payment_id).values(status="open", session_id=link.session_id, url=link.url))
            row = get(tx, payment_id)
            facts = {**view(row), "bookings": [facts_of(one) for one in bookings_of(tx, payment_id)]}
            notices.tell(tx, row.conversation_id, "payment_ready", facts, now, key=f"pay:{payment_id}:{row.attempt}")
            jobs.enqueue(
                tx,
                "payment.deadline",
                {"payment_id": payment_id},
                run_at=row.expires_at + timedelta(seconds=5),
                now=now,
                dedupe=f"deadline:{payment_id}:{row.attempt}",
            )
    if row.session_id != link.session_id:  # the payment ended while its page was being made: nobody may pay there
        return apply(engine, payment_id, engine.gateway.expire_link(link.session_id))
    return view(row)


def embed(engine: Engine, payment_id: str) -> dict[str, Any]:
    """The payment as a page inside the shop's own site: `ensure_link`'s facts with "client_secret" for the browser.

    A hosted page that was made before is closed first; one that was paid meanwhile counts. Raises as `ensure_link`.
    """
    with engine.db.read() as tx:
        row = get(tx, payment_id)
    if row.status in OPEN and not row.frozen.get("embedded"):
        _change_over(engine, row)
    made = ensure_link(engine, payment_id)
    with engine.db.read() as tx:
        row = get(tx, payment_id)
    secret = engine.gateway.client_secret(row.session_id) if row.status == "open" and row.session_id else None
    return {**made, "client_secret": secret}


def _change_over(engine: Engine, row: Row[Any]) -> None:
    """Let go of the hosted page before it is closed, so that news of its end does not end the payment."""
    with engine.db.write() as tx:
        now_is = get(tx, row.id, lock=True)
        if now_is.status not in OPEN or now_is.frozen.get("embedded"):
            return
        if now_is.status == "new" and now_is.frozen.get("order"):
            raise GatewayUnknown("The payment page is just being made. Please try again in a moment.")
        old = now_is.session_id
        tx.execute(update(payment).where(payment.c.id == row.id).values(status="new", session_id=None, url=None, frozen={"embedded": True}))
    if old is None:
        return
    fetched = engine.gateway.expire_link(old)
    if fetched.state == "paid":  # the traveler was quicker: that page is the payment's after all
        with engine.db.write() as tx:
            tx.execute(
                update(payment)
                .where(payment.c.id == row.id, payment.c.session_id.is_(None))
                .values(status="open", session_id=old, frozen={})
            )
        apply(engine, row.id, fetched)


def view(row: Any) -> dict[str, Any]:
    return {
        "payment_id": row.id,
        "kind": row.kind,
        "status": row.status,
        "url": row.url if row.status == "open" else None,
        "amount": row.amount,
        "currency": row.currency,
        "expires_at": row.expires_at.isoformat(),
        "manual": row.manual,
    }


def _freeze(engine: Engine, payment_id: str) -> dict[str, Any] | None:
    """Fix the parameters of the next call; None where no call is due. Extends the holds past the page's own end."""
    now = engine.clock()
    with engine.db.write() as tx:
        row = get(tx, payment_id, lock=True)
        if row.status != "new":
            return None
        if row.frozen.get("order"):
            frozen: dict[str, Any] = row.frozen
            # it may have gone through: ask again with the same key. Too near for a first time, it is refused, and cured
            if datetime.fromisoformat(frozen["order"]["expires_at"]) > now:
                return frozen
        mine = bookings_of(tx, payment_id)
        until = row.expires_at if row.manual else max((one.pay_by or now for one in mine), default=now)
        window = max(engine.rules.payment_window, min(timedelta(hours=23), until - now))
        ends = now + window
        if not _still_wanted(tx, row, mine, now):
            _expire(tx, engine, row, mine, now)
            return None
        if row.kind != "BALANCE":
            holds.extend(tx, [one.id for one in mine], ends + engine.rules.hold_after_session, now)
        lines: list[dict[str, Any]] = [{"name": _line_name(row.kind, one), "amount": _due(tx, payment_id, one.id)} for one in mine]
        other = row.amount - sum(line["amount"] for line in lines)
        if other:
            lines.append({"name": "Travel expert's fee", "amount": other})
        order = {
            "currency": row.currency,
            "lines": lines,
            "expires_at": ends.isoformat(),
            "email": mine[0].contact.get("email") if mine else None,
            "base": engine.rules.public_url,
            "embedded": bool(row.frozen.get("embedded")),
            "manual": row.manual,
        }
        attempt = row.attempt + 1
        frozen = {"order": order, "key": f"{payment_id}:session:{attempt}", "embedded": order["embedded"]}
        tx.execute(update(payment).where(payment.c.id == payment_id).values(frozen=frozen, attempt=attempt, expires_at=ends))
        tx.execute(update(booking).where(booking.c.id.in_([one.id for one in mine]), booking.c.status == "ON_HOLD").values(pay_by=ends))
        return frozen


def _still_wanted(tx: Connection, row: Row[Any], mine: Sequence[Any], now: datetime) -> bool:
    """Is there still something to sell for this money? A balance is for what is booked already, the rest for held places."""
    if row.kind == "CHANGE":
        return alterations.waiting(tx, row.id) is not None
    if row.kind == "BALANCE":
        return {one.status for one in mine} <= set(SOLD)
    alive = tx.execute(
        select(hold.c.booking_id)
        .where(hold.c.booking_id.in_([one.id for one in mine]), hold.c.status == "active", hold.c.expires_at > now)
        .distinct()
    ).all()
    return len(alive) == len(mine)


def _line_name(kind: str, one: Any) -> str:
    """What stands on the page and the receipt; a deposit only where the rest of this one is due later."""
    part = {"BALANCE": "Balance: ", "CHANGE": "Change: ", "DEPOSIT": "Deposit: " if one.balance_due_at else ""}.get(kind, "")
    return f"{part}{one.title}, {one.local_date.isoformat()}"[:240]


def _due(tx: Connection, payment_id: str, booking_id: str) -> int:
    rows = tx.execute(select(share.c.amount).where(share.c.payment_id == payment_id, share.c.booking_id == booking_id)).all()
    return sum(row.amount for row in rows)


def _order(payment_id: str, order: dict[str, Any]) -> PaymentOrder:
    base = order["base"].rstrip("/")
    return PaymentOrder(
        payment_id=payment_id,
        currency=order["currency"],
        lines=tuple(OrderLine(name=line["name"], quantity=1, unit_amount=line["amount"]) for line in order["lines"]),
        success_url=f"{base}/pay/done?s={{CHECKOUT_SESSION_ID}}",
        cancel_url=f"{base}/pay/back?p={payment_id}",
        expires_at=datetime.fromisoformat(order["expires_at"]),
        customer_email=order["email"],
        metadata={"payment": payment_id, "app": "traveloure"},
        embedded=bool(order.get("embedded")),
        manual=bool(order.get("manual")),
    )


def _refused(engine: Engine, payment_id: str, frozen: dict[str, Any], error: GatewayRefused) -> None:
    """A definite no: the next try is a new attempt with fresh parameters; what cannot be cured ends here."""
    now = engine.clock()
    with engine.db.write() as tx:
        row = get(tx, payment_id, lock=True)
        if row.status != "new" or row.frozen.get("key") != frozen["key"]:
            return
        tx.execute(
            update(payment)
            .where(payment.c.id == payment_id)
            .values(frozen={"refused": error.code, "embedded": bool(frozen.get("embedded"))})
        )
        if not error.curable and row.attempt >= 3:
            _expire(tx, engine, row, bookings_of(tx, payment_id), now)


# ── what happened ─────────────────────────────────────────────────────────────────────────────────


def sync(engine: Engine, payment_id: str) -> dict[str, Any]:
    """Fetch the payment's page and apply what it says. Safe to call any number of times, from anywhere."""
    with engine.db.read() as tx:
        row = get(tx, payment_id)
    if row.session_id is None:
        return view(row)
    return apply(engine, payment_id, engine.gateway.fetch_payment(row.session_id))


def sync_session(engine: Engine, session_id: str) -> dict[str, Any] | None:
    """The same, found by the page's own id; None where it is not ours."""
    with engine.db.read() as tx:
        row = tx.execute(select(payment.c.id).where(payment.c.session_id == session_id)).one_or_none()
    return None if row is None else sync(engine, row.id)


def sync_conversation(engine: Engine, conversation_id: str) -> list[dict[str, Any]]:
    """ "I have paid": fetch everything of this conversation that is still open."""
    with engine.db.read() as tx:
        rows = tx.execute(
            select(payment.c.id)
            .where(payment.c.conversation_id == conversation_id, payment.c.status.in_(OPEN))
            .order_by(payment.c.created_at)
        ).all()
    return [sync(engine, row.id) for row in rows]


def close_link(engine: Engine, payment_id: str) -> dict[str, Any]:
    """End a page that should not be paid any more: ask, then fetch; a page that was paid meanwhile counts as paid."""
    with engine.db.read() as tx:
        row = get(tx, payment_id)
    if row.session_id is None:
        now = engine.clock()
        with engine.db.write() as tx:
            row = get(tx, payment_id, lock=True)
            if row.status == "new":
                _expire(tx, engine, row, bookings_of(tx, payment_id), now)
            return view(get(tx, payment_id))
    if row.status not in OPEN:
        return view(row)
    try:
        fetched = engine.gateway.expire_link(row.session_id)
    except GatewayMisused:
        raise
    except GatewayRefused as error:
        if error.gateway_code != "resource_missing":
            raise
        # the gateway has never heard of it (other keys, an emptied sandbox): what is not there cannot be paid
        fetched = FetchedPayment(row.session_id, "expired", row.amount, row.currency)
    return apply(engine, payment_id, fetched)


def deadline(engine: Engine, payment_id: str) -> dict[str, Any]:
    """The wake-up at a page's end: closes it, unless the payment has a later page by now."""
    with engine.db.read() as tx:
        row = get(tx, payment_id)
    return view(row) if row.expires_at > engine.clock() else close_link(engine, payment_id)


def apply(engine: Engine, payment_id: str, fetched: FetchedPayment) -> dict[str, Any]:
    """Make our rows say what the gateway says; monotone, so a stale answer changes nothing."""
    now = engine.clock()
    with engine.db.write() as tx:
        row = get(tx, payment_id, lock=True)
        if fetched.state == "paid":
            if row.status == "paid" and row.charge_id == fetched.charge_id:
                return view(row)
            fits = fetched.amount == row.amount and fetched.currency.upper() == row.currency and fetched.session_id == row.session_id
            if row.status == "paid" or not fits:
                _orphan(tx, row, fetched, now)
                if row.status in OPEN and fetched.session_id == row.session_id:
                    _start_over(tx, row, now)
            else:
                _paid(tx, engine, row, fetched, now)
        elif fetched.state == "authorized":
            authorise.reserved(tx, row, fetched, now)
        elif fetched.state == "expired" and row.status == authorise.AUTHORIZED and fetched.session_id == row.session_id:
            authorise.lapsed(tx, row, now)
        elif fetched.state == "expired" and row.status in OPEN and fetched.session_id == row.session_id:
            _expire(tx, engine, row, bookings_of(tx, payment_id), now)
        return view(get(tx, payment_id))


def _paid(tx: Connection, engine: Engine, row: Row[Any], fetched: FetchedPayment, now: datetime) -> None:
    tx.execute(
        update(payment)
        .where(payment.c.id == row.id)
        .values(status="paid", intent_id=fetched.intent_id, charge_id=fetched.charge_id, paid_at=now)
    )
    shares = tx.execute(select(share).where(share.c.payment_id == row.id)).all()
    legs = {"gateway": row.amount}
    for part in shares:
        name = f"{part.party}:{part.party_id or 'house'}:{part.id}"
        legs[name] = legs.get(name, 0) - part.amount
    post(tx, f"in:{fetched.charge_id or fetched.session_id}", legs, row.currency, now)
    if row.kind == "CHANGE":
        _change_paid(tx, engine, row, now)
        return
    done: list[Row[Any]] = []
    lost: list[Row[Any]] = []
    mine = bookings_of(tx, row.id)
    holds.stand_still(tx, [one.option_id for one in mine])  # before any slot is touched, as everybody does
    holds.lock_bookings(tx, [one.id for one in mine])
    for one in mine:
        (done if _secure(tx, engine, one, now) else lost).append(one)
    gone = "the places were gone when the payment arrived"
    if not done:  # nothing of it was sold, so an expert's fee goes back as well
        ask_refund(tx, row.id, row.amount, now, booking_id=None, reason=gone)
    for one in lost if done else ():
        amount = sum(part.amount for part in shares if part.booking_id == one.id)
        ask_refund(tx, row.id, amount, now, booking_id=one.id, reason=gone)
    confirmed = [tx.execute(select(booking).where(booking.c.id == one.id)).one() for one in done]
    if confirmed:
        facts = {
            "bookings": [facts_of(one) for one in confirmed],
            "paid": {"amount": row.amount, "currency": row.currency},
            "balance": _balance(tx, confirmed),
            "email": confirmed[0].contact.get("email"),
            "payment_id": row.id,
        }
        event = "balance_paid" if row.kind == "BALANCE" else "booking_confirmed"
        notices.tell(tx, row.conversation_id, event, facts, now, key=f"confirmed:{row.id}")
        notices.mail_traveler(tx, confirmed[0], event, facts, now, key=f"confirmed:{row.id}")
    if row.kind == "BALANCE":
        _send_back_surplus(tx, row, now)
        _nothing_left(tx, confirmed)
    payouts.fall_due(tx, row.id, now)
    for one in confirmed if row.kind != "BALANCE" else ():
        plan_balance(tx, engine.rules, one, now)
        owner = tx.execute(select(provider).where(provider.c.id == one.provider_id)).one()
        told = {**facts_of(one), "traveler": one.contact.get("name", ""), "requests": one.contact.get("requests", "")}
        notices.tell_provider(tx, owner, "booking_received", told, now, key=f"booked:{one.id}")
    if lost:
        notices.tell(
            tx,
            row.conversation_id,
            "paid_too_late",
            {"bookings": [facts_of(one) for one in lost], "currency": row.currency, "payment_id": row.id},
            now,
            key=f"late:{row.id}",
        )


def _secure(tx: Connection, engine: Engine, one: Row[Any], now: datetime) -> bool:
    """Confirm a paid booking: from its hold, or by taking the places again where the hold ran out."""
    if one.status in SOLD:
        return True
    if one.status not in ("ON_HOLD", "EXPIRED"):
        return False
    if one.status == "ON_HOLD" and holds.consume(tx, [one.id], now):
        move_booking(tx, one, "pay", SYSTEM, now, confirmed_at=now, pay_by=lapses_at(one, engine.rules))
        return True
    try:
        with tx.begin_nested():
            holds.expire(tx, [one.id], now)
            listed = listing(tx, one.product_id)
            wanted = availability.wants(listed, listed.option(one.option_id), ask_of(one))
            holds.take(tx, {one.id: wanted}, expires_at=now + timedelta(minutes=1), now=now)
            taken = tx.execute(update_hold_to_consumed(one.id, now)).rowcount
            if taken != len(wanted):
                raise SoldOut("The places are gone.")
            _book_places(tx, wanted)
    except (SoldOut, NotFound):
        holds.release(tx, [one.id])  # what was left of a hold that had partly run out
        if one.status == "ON_HOLD":
            move_booking(tx, one, "expire", SYSTEM, now, reason="paid too late, places gone", pay_by=None)
        return False
    event = "pay" if one.status == "ON_HOLD" else "late_payment"
    ends = lapses_at(one, engine.rules)
    move_booking(tx, one, event, SYSTEM, now, confirmed_at=now, pay_by=ends, reason="the places were taken again")
    return True


def _change_paid(tx: Connection, engine: Engine, row: Row[Any], now: datetime) -> None:
    """The difference of a change: it counts now, or the money goes back and the booking stays what it was."""
    if alterations.paid(tx, engine.rules, row.id, now):
        payouts.fall_due(tx, row.id, now)
        _send_back_surplus(tx, row, now)
        return
    mine = bookings_of(tx, row.id)
    ask_refund(tx, row.id, row.amount, now, booking_id=None, reason="the change could no longer be made")
    facts = {"bookings": [facts_of(one) for one in mine], "currency": row.currency, "payment_id": row.id}
    notices.tell(tx, row.conversation_id, "change_too_late", facts, now, key=f"late:{row.id}")


def _send_back_surplus(tx: Connection, row: Row[Any], now: datetime) -> None:
    """What came in above the price, because the booking changed while its page was open, goes back at once."""
    mine = bookings_of(tx, row.id)
    paid = paid_of(tx, [one.id for one in mine])
    kept = select(func.sum(share.c.amount - share.c.reversed)).where(share.c.payment_id == row.id)
    for one in mine:
        surplus = min(paid[one.id] - one.amount, int(tx.execute(kept.where(share.c.booking_id == one.id)).scalar_one() or 0))
        if surplus > 0:
            ask_refund(tx, row.id, surplus, now, booking_id=one.id, reason="more was paid than is due")


def _nothing_left(tx: Connection, confirmed: Sequence[Row[Any]]) -> None:
    """A booking that is paid whole has no moment any more at which it would end unpaid."""
    paid = paid_of(tx, [one.id for one in confirmed])
    done = [one.id for one in confirmed if not owed(one, paid[one.id])]
    tx.execute(update(booking).where(booking.c.id.in_(done), booking.c.status == "CONFIRMED").values(pay_by=None))


def _balance(tx: Connection, confirmed: Sequence[Any]) -> dict[str, Any] | None:
    """What is still due of these later, and the first day on which something is."""
    paid = paid_of(tx, [one.id for one in confirmed])
    due = [(one.balance_due_at, owed(one, paid[one.id])) for one in confirmed if one.balance_due_at is not None]
    left = sum(amount for _, amount in due)
    if not left:
        return None
    return {"amount": left, "currency": confirmed[0].currency, "due_at": min(at for at, amount in due if amount).isoformat()}


def update_hold_to_consumed(booking_id: str, now: datetime) -> Any:
    return update(hold).where(hold.c.booking_id == booking_id, hold.c.status == "active", hold.c.expires_at > now).values(status="consumed")


def _book_places(tx: Connection, wanted: Sequence[availability.Want]) -> None:
    for want in sorted(wanted):
        tx.execute(
            update(slot)
            .where(slot.c.resource_id == want.resource_id, slot.c.local_date == want.local_date, slot.c.local_start == want.local_start)
            .values(held=slot.c.held - want.quantity, booked=slot.c.booked + want.quantity)
        )


def _expire(tx: Connection, engine: Engine, row: Row[Any], mine: Sequence[Row[Any]], now: datetime) -> None:
    tx.execute(update(payment).where(payment.c.id == row.id).values(status="expired"))
    lost = [one for one in mine if one.status == "ON_HOLD"]
    if row.kind == "CHANGE":
        for one in mine:
            alterations.give_up(tx, one.id)
        facts = {"bookings": [facts_of(one) for one in mine], "payment_id": row.id}
        notices.tell(tx, row.conversation_id, "change_expired", facts, now, key=f"unpaid:{row.id}")
    if row.kind == "BALANCE":
        facts = {"bookings": [facts_of(one) for one in mine], "payment_id": row.id}
        notices.tell(tx, row.conversation_id, "balance_page_ended", facts, now, key=f"unpaid:{row.id}", actions=pay_again(mine))
    if not lost:
        return
    holds.release(tx, [one.id for one in lost])
    for one in lost:
        move_booking(tx, one, "expire", SYSTEM, now, reason="not paid in time", pay_by=None)
    again = {"label": "book_again", "press": {"verb": "book_again", "params": {"bookings": [one.id for one in lost]}}}
    notices.tell(
        tx,
        row.conversation_id,
        "payment_expired",
        {"bookings": [facts_of(one) for one in lost], "currency": row.currency, "payment_id": row.id},
        now,
        key=f"unpaid:{row.id}",
        actions=[again],
    )


def pay_again(mine: Sequence[Any]) -> list[dict[str, Any]]:
    """The button that makes a new page for the rest of these, where one of them still stands."""
    standing = [one.id for one in mine if one.status in SOLD]
    return [{"label": "pay_balance", "press": {"verb": "pay_balance", "params": {"booking_id": standing[0]}}}] if standing else []


def _start_over(tx: Connection, row: Row[Any], now: datetime) -> None:
    """The page was paid, but not this payment: it gets a new page while its places are held."""
    tx.execute(update(payment).where(payment.c.id == row.id).values(status="new", session_id=None, url=None, frozen={}))
    jobs.enqueue(tx, "payment.link", {"payment_id": row.id}, run_at=now, now=now, dedupe=f"link:{row.id}")


# ── refunds ───────────────────────────────────────────────────────────────────────────────────────


def ask_refund(tx: Connection, payment_id: str, amount: int, now: datetime, *, booking_id: str | None, reason: str) -> str | None:
    """Decide a refund: capped by what is left, allocated over what is left of the shares. Returns its id, or None for nothing.

    Raises Refused for a payment that was not paid and for more than is left of the one booking.
    """
    row = get(tx, payment_id, lock=True)
    if row.status != "paid":
        raise Refused("What was not paid cannot be given back.")
    amount = min(amount, row.amount - row.refunded)
    if amount <= 0:
        return None
    shares = [
        part
        for part in tx.execute(select(share).where(share.c.payment_id == payment_id).order_by(share.c.id))
        if booking_id is None or part.booking_id == booking_id
    ]
    left = [part.amount - part.reversed for part in shares]
    if sum(left) < amount:
        raise Refused("More than what is left of this booking cannot be given back.", left=sum(left))
    parts = dict(zip([part.id for part in shares], allocate(amount, left), strict=True))
    for share_id, part_amount in parts.items():
        if part_amount:
            tx.execute(update(share).where(share.c.id == share_id).values(reversed=share.c.reversed + part_amount))
    tx.execute(update(payment).where(payment.c.id == payment_id).values(refunded=payment.c.refunded + amount))
    refund_id = new_id()
    tx.execute(
        insert(refund).values(
            id=refund_id,
            payment_id=payment_id,
            booking_id=booking_id,
            amount=amount,
            state="todo",
            reason=reason[:300],
            parts=parts,
            created_at=now,
        )
    )
    jobs.enqueue(tx, "refund.send", {"refund_id": refund_id}, run_at=now, now=now, dedupe=f"refund:{refund_id}")
    return refund_id


def send_refund(engine: Engine, refund_id: str) -> None:
    """Carry a decided refund out at the gateway, under its own key, and book it."""
    with engine.db.read() as tx:
        row = tx.execute(select(refund).where(refund.c.id == refund_id)).one()
        paid = get(tx, row.payment_id)
    if row.state != "todo":
        return
    if paid.charge_id is None:
        raise Refused("There is no charge to refund yet.")
    key = f"refund:{refund_id}#{row.tries}"
    metadata = {"refund": refund_id, "payment": paid.id, "key": key, "app": "traveloure"}
    old = engine.clock() - row.created_at > payouts.KEYS_LAST
    done: Refunded | Moved | None = None
    try:
        if old:  # the gateway may have forgotten the key, and what it did under it
            done = engine.gateway.find("refund", paid.charge_id, key)
        if done is None:
            done = engine.gateway.refund(paid.charge_id, row.amount, paid.currency, key=key, metadata=metadata)
    except GatewayMisused:  # a new key could pay it out twice
        raise
    except GatewayRefused:
        with engine.db.write() as tx:
            tx.execute(update(refund).where(refund.c.id == refund_id).values(tries=refund.c.tries + 1))
        raise
    now = engine.clock()
    with engine.db.write() as tx:
        marked = tx.execute(
            update(refund).where(refund.c.id == refund_id, refund.c.state == "todo").values(state="sent", gateway_id=done.id)
        )
        if marked.rowcount != 1:
            return
        legs = {"gateway": -row.amount}
        for part in tx.execute(select(share).where(share.c.id.in_(list(row.parts)))):
            legs[f"{part.party}:{part.party_id or 'house'}:{part.id}"] = row.parts[part.id]
        post(tx, f"refund:{done.id}", legs, paid.currency, now)
        payouts.wake(tx, list(row.parts), now)  # the traveler first, then what was already sent on
        notices.tell(
            tx,
            paid.conversation_id,
            "refund_sent",
            {"amount": row.amount, "currency": paid.currency, "reason": row.reason},
            now,
            key=f"refund:{refund_id}",
        )


def refund_failed(engine: Engine, gateway_id: str) -> None:
    """A refund that the bank sent back later: it counts as not given, what it took from the shares is theirs again, and the
    operators are told, who have to find another way. Only a fetched failure counts. Raises NotFound for one that we do not know
    (yet: its answer may still be on the way)."""
    if not engine.gateway.refund_has_failed(gateway_id):
        return
    now = engine.clock()
    with engine.db.write() as tx:
        row = tx.execute(select(refund).where(refund.c.gateway_id == gateway_id)).one_or_none()
        if row is None:
            _orphan_failed(tx, gateway_id, now)
            return
        if row.state != "sent":
            return
        paid = get(tx, row.payment_id, lock=True)
        done = tx.execute(update(refund).where(refund.c.id == row.id, refund.c.state == "sent").values(state="failed"))
        if done.rowcount != 1:
            return
        legs = {"gateway": row.amount}
        for part in tx.execute(select(share).where(share.c.id.in_(list(row.parts)))):
            legs[f"{part.party}:{part.party_id or 'house'}:{part.id}"] = -row.parts[part.id]
            tx.execute(update(share).where(share.c.id == part.id).values(reversed=share.c.reversed - row.parts[part.id]))
        post(tx, f"refund_failed:{gateway_id}", legs, paid.currency, now)
        tx.execute(update(payment).where(payment.c.id == paid.id).values(refunded=payment.c.refunded - row.amount))
        payouts.wake(tx, list(row.parts), now)
        notices.alarm(
            tx, "refund_failed", {"payment_id": paid.id, "refund": gateway_id, "amount": row.amount, "currency": paid.currency}, now
        )


def _orphan_failed(tx: Connection, gateway_id: str, now: datetime) -> None:
    """Money that fitted no sale has come back: it is the traveler's, and a person has to find out how they get it."""
    rows = tx.execute(select(ledger_entry).where(ledger_entry.c.posting == f"refund:{gateway_id}")).all()
    if not rows:
        raise NotFound(f"There is no refund {gateway_id} of ours.")
    legs = {one.account: -one.amount for one in rows}
    if post(tx, f"refund_failed:{gateway_id}", legs, rows[0].currency, now):
        told = {"refund": gateway_id, "amount": legs["gateway"], "currency": rows[0].currency}
        notices.alarm(tx, "refund_failed", told, now)


def _orphan(tx: Connection, row: Row[Any], fetched: FetchedPayment, now: datetime) -> None:
    """Money that fits no sale: booked to the traveler and sent back whole."""
    source = fetched.charge_id or fetched.session_id
    legs = {"gateway": fetched.amount, f"traveler:{row.id}": -fetched.amount}
    if post(tx, f"in:{source}", legs, fetched.currency.upper(), now):
        jobs.enqueue(
            tx,
            "refund.orphan",
            {"charge": source, "amount": fetched.amount, "currency": fetched.currency.upper(), "payment_id": row.id},
            run_at=now,
            now=now,
            dedupe=f"orphan:{source}",
        )


def refund_orphan(engine: Engine, charge: str, amount: int, currency: str, payment_id: str, tries: int = 0) -> None:
    """Send money back that fits no sale. After a definite no the next try is a job of its own, under the next key."""
    key = f"orphan:{charge}#{tries}"
    with engine.db.read() as tx:
        owed = tx.execute(select(func.sum(ledger_entry.c.amount)).where(ledger_entry.c.account == f"traveler:{payment_id}")).scalar_one()
    if not owed:  # the bank was quicker: a dispute has given it back
        return
    try:
        done = engine.gateway.find("refund", charge, key)  # it may have waited for longer than the gateway keeps a key
        if done is None:
            metadata = {"payment": payment_id, "key": key, "app": "traveloure"}
            refunded = engine.gateway.refund(charge, amount, currency, key=key, metadata=metadata)
            done = Moved(refunded.id, refunded.amount)
    except GatewayMisused:
        raise
    except GatewayRefused:
        now = engine.clock()
        with engine.db.write() as tx:
            again = {"charge": charge, "amount": amount, "currency": currency, "payment_id": payment_id, "tries": tries + 1}
            jobs.enqueue(
                tx,
                "refund.orphan",
                again,
                run_at=now + timedelta(seconds=min(3600, 2 ** min(tries, 12))),
                now=now,
                dedupe=f"orphan:{charge}:{tries + 1}",
            )
        return
    now = engine.clock()
    with engine.db.write() as tx:
        if post(tx, f"refund:{done.id}", {"gateway": -amount, f"traveler:{payment_id}": amount}, currency, now):
            row = get(tx, payment_id)
            facts = {"amount": amount, "currency": currency, "reason": "it did not fit what was due"}
            notices.tell(tx, row.conversation_id, "refund_sent", facts, now, key=f"orphan:{charge}")


# ── the sweep ─────────────────────────────────────────────────────────────────────────────────────


def sweep(engine: Engine) -> int:
    """Fetch every payment that is open and every one that should have moved; returns how many were looked at.

    One that the gateway refuses does not keep the others waiting; the refusal is raised at the end. No answer ends the round.
    """
    now = engine.clock()
    with engine.db.read() as tx:
        rows = tx.execute(
            select(payment.c.id, payment.c.status, payment.c.expires_at)
            .where(payment.c.status.in_(OPEN), payment.c.created_at < now - timedelta(seconds=10))
            .order_by(payment.c.expires_at)
            .limit(200)
        ).all()
    refused: CoreError | None = None
    for row in rows:
        try:
            if row.expires_at <= now:
                close_link(engine, row.id)
            elif row.status == "new":
                ensure_link(engine, row.id)
            else:
                sync(engine, row.id)
        except GatewayUnknown:
            raise
        except CoreError as error:
            refused = error
    _revive(engine, now)
    if refused is not None:
        raise refused
    return len(rows)


def _revive(engine: Engine, now: datetime) -> None:
    """Money that is owed is never given up: refunds whose job is dead are tried again once an hour."""
    with engine.db.write() as tx:
        tx.execute(
            update(job)
            .where(job.c.kind.in_(("refund.send", "refund.orphan")), job.c.state == "dead", job.c.run_at < now - timedelta(hours=1))
            .values(state="ready", attempts=0, run_at=now, dedupe_key=None)
        )
