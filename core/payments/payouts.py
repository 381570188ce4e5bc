"""Money out: each share is brought to what its party is owed, by transfers and reversals, whoever noticed and however often.

gap = (amount - reversed) - (sent - back). Positive: send, once it is due and the party's account can receive. Negative: take
back, at once. The next step is frozen in the share's row before the call; what cannot be taken back stays a debt and is
netted from what the same party is sent next.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row, func, literal, or_, select, update

from core import hooks, jobs, notices
from core.engine import Engine
from core.errors import CoreError
from core.payments.gateway import GatewayMisused, GatewayRefused, GatewayUnknown, Moved, TransferOrder
from core.payments.ledger import post
from core.schema import booking, dispute, job, payee, payment, product, provider, share

PAID_OUT = ("provider", "expert")
CHECK_OUT = time(11, 0)
EXPERT_DELAY = timedelta(hours=24)
RETRY = timedelta(hours=1)
KEYS_LAST = timedelta(hours=20)  # the gateway forgets a key after a day: older than this, what was done is looked up first
MOST_ROUNDS = 10
CLOSED_DISPUTES = ("won", "lost", "warning_closed", "prevented")


# ── when ──────────────────────────────────────────────────────────────────────────────────────────


def ends_at(row: Any, duration_minutes: int | None) -> datetime:
    """When a booking's service is over (aware UTC): a stay at eleven on the day of leaving, the rest after its duration."""
    if row.end_date is not None:
        return datetime.combine(row.end_date, CHECK_OUT, ZoneInfo(row.time_zone)).astimezone(UTC)
    moment: datetime = row.starts_at + timedelta(minutes=duration_minutes or 0)
    return moment


def fall_due(tx: Connection, payment_id: str, now: datetime) -> None:
    """Say when the shares of a paid payment may be sent on: after the service, plus the provider's delay; an expert's when the
    last service of the payment is over. Wakes the one who sends."""
    rows = tx.execute(
        select(share.c.id.label("share_id"), share.c.party, provider.c.payout_delay_hours, product.c.duration_minutes, booking)
        .join(booking, booking.c.id == share.c.booking_id)
        .join(provider, provider.c.id == booking.c.provider_id)
        .join(product, product.c.id == booking.c.product_id)
        .where(share.c.payment_id == payment_id)
    ).all()
    last = now
    for row in rows:
        over = ends_at(row, row.duration_minutes)
        last = max(last, over)
        if row.party in PAID_OUT:
            _due(tx, row.share_id, over + timedelta(hours=row.payout_delay_hours), now)
    experts = select(share.c.id).where(share.c.payment_id == payment_id, share.c.party == "expert", share.c.booking_id.is_(None))
    for share_id in tx.execute(experts).scalars():
        _due(tx, share_id, last + EXPERT_DELAY, now)


def refresh_due(tx: Connection, booking_id: str, now: datetime) -> None:
    """After a booking has moved to another day: its money falls due by the new one."""
    for payment_id in tx.execute(
        select(share.c.payment_id)
        .join(payment, payment.c.id == share.c.payment_id)
        .where(share.c.booking_id == booking_id, payment.c.status == "paid")
        .distinct()
    ).scalars():
        fall_due(tx, payment_id, now)


def _due(tx: Connection, share_id: str, at: datetime, now: datetime) -> None:
    tx.execute(update(share).where(share.c.id == share_id).values(due_at=at))
    jobs.enqueue(tx, "payout.level", {"share_id": share_id}, run_at=at, now=now, dedupe=f"level:{share_id}")


def wake(tx: Connection, share_ids: Sequence[str], now: datetime) -> None:
    """Look at these shares at once."""
    for share_id in sorted(share_ids):
        jobs.enqueue(tx, "payout.level", {"share_id": share_id}, run_at=now, now=now, dedupe=f"level:{share_id}")


def wake_party(tx: Connection, party: str, party_id: str, now: datetime) -> None:
    """Look at everything of a party whose account can receive now."""
    wake(
        tx, [row.id for row in tx.execute(_gaps().where(share.c.party == party, share.c.party_id == party_id, share.c.due_at <= now))], now
    )


# ── levelling ─────────────────────────────────────────────────────────────────────────────────────


def gap_of(row: Any) -> int:
    """What is still to be sent (positive) or taken back (negative), minor units."""
    return int((row.amount - row.reversed) - (row.sent - row.back))


def level(engine: Engine, share_id: str) -> int:
    """Bring one share to what its party is owed; returns how many calls it took. What has to wait (not due yet, no account, an
    open dispute) simply waits. Raises GatewayUnknown, GatewayMisused, GatewayRefused where the refusal cannot be cured."""
    for done in range(MOST_ROUNDS):
        step = _decide(engine, share_id)
        if step is None:
            return done
        try:
            moved = _call(engine, share_id, step)
        except GatewayMisused:
            raise
        except GatewayRefused as error:
            _refused(engine, share_id, step, error)
            if not error.curable:
                raise
            return done
        _record(engine, share_id, step, moved)
    return MOST_ROUNDS


def _decide(engine: Engine, share_id: str) -> dict[str, Any] | None:
    """The next step, frozen in the row; None where nothing is to be done now."""
    now = engine.clock()
    with engine.db.write() as tx:
        one = tx.execute(select(share).where(share.c.id == share_id).with_for_update()).one()
        if one.pending is not None:
            frozen: dict[str, Any] = one.pending
            return frozen
        paid = tx.execute(select(payment).where(payment.c.id == one.payment_id)).one()
        gap = gap_of(one)
        if one.party not in PAID_OUT or not one.party_id or paid.status != "paid" or gap == 0:
            return None
        if gap < 0:
            return _take(tx, one, paid.currency, -gap, now)
        if one.due_at is not None and one.due_at > now:  # woken before its time: whoever woke us took the wake-up's place
            jobs.enqueue(tx, "payout.level", {"share_id": share_id}, run_at=one.due_at, now=now, dedupe=f"level:{share_id}")
            return None
        if one.due_at is None or disputed(tx, paid.id):
            return None
        gap -= _net(tx, one, paid.currency, gap, now)
        to = tx.execute(select(payee).where(payee.c.party == one.party, payee.c.party_id == one.party_id)).one_or_none()
        if gap == 0 or to is None or to.state != "active":
            return None
        step = {
            "do": "send",
            "amount": gap,
            "seq": one.seq + 1,
            "account": to.account,
            "charge": paid.charge_id,
            "currency": paid.currency,
            "group": paid.id,
            "at": now.isoformat(),
        }
        tx.execute(update(share).where(share.c.id == share_id).values(seq=step["seq"], pending=step))
        return step


def _take(tx: Connection, one: Row[Any], currency: str, amount: int, now: datetime) -> dict[str, Any] | None:
    """From the newest transfer that still has something. What was set off instead of sent is owed by the share it was set off
    with again, whose transfer is still out; None where nothing was sent by transfer."""
    for transfer_id, left in reversed(one.transfers):
        if left > 0:
            step = {"do": "take", "amount": min(amount, left), "seq": one.seq + 1, "transfer": transfer_id, "at": now.isoformat()}
            tx.execute(update(share).where(share.c.id == one.id).values(seq=step["seq"], pending=step))
            return step
    for other in _of_party(tx, one, currency):
        part = min(amount, out_of(other) - (other.sent - other.back))
        if part > 0 and other.pending is None:
            _set_off(tx, other, one, part, currency, now)
            wake(tx, [other.id], now)
            amount -= part
        if not amount:
            break
    return None


def _net(tx: Connection, one: Row[Any], currency: str, gap: int, now: datetime) -> int:
    """Keep back what the party owes from other shares whose claw-back was refused; returns how much of the gap that settled."""
    netted = 0
    for owing in _of_party(tx, one, currency):
        refused = owing.tries > 0 or not any(left for _, left in owing.transfers)
        part = min(gap - netted, -gap_of(owing))
        if owing.pending is not None or not refused or part <= 0:
            continue
        _set_off(tx, one, owing, part, currency, now)
        netted += part
    # more is out from this share's charge than it counts, because it was set off elsewhere: that is undone before more is sent
    spare = out_of(one) - (one.sent - one.back)
    for lent in _of_party(tx, one, currency) if spare > 0 and netted < gap else ():
        part = min(gap - netted, spare, (lent.sent - lent.back) - out_of(lent))
        if lent.pending is not None or part <= 0:
            continue
        _set_off(tx, one, lent, part, currency, now)
        wake(tx, [lent.id], now)
        netted, spare = netted + part, spare - part
    return netted


def _of_party(tx: Connection, one: Row[Any], currency: str) -> Sequence[Row[Any]]:
    """The other paid shares of the same party in the same currency, locked in the order of their ids."""
    query = (
        select(share)
        .join(payment, payment.c.id == share.c.payment_id)
        .where(
            share.c.party == one.party,
            share.c.party_id == one.party_id,
            share.c.id != one.id,
            share.c.sent > 0,
            payment.c.currency == currency,
            payment.c.status == "paid",
        )
        .order_by(share.c.id)
    )
    return tx.execute(query.with_for_update()).all()


def out_of(row: Any) -> int:
    """What is out by transfers of this share's own charge, minor units; set off amounts are no part of it."""
    return sum(int(left) for _, left in row.transfers)


def _set_off(tx: Connection, gains: Row[Any], gives: Row[Any], amount: int, currency: str, now: datetime) -> None:
    """Inside our books: `gains` counts as sent what `gives` counts as taken back. No money moves."""
    settled = gap_of(gives) + amount == 0
    values = {"back": share.c.back + amount, "seq": share.c.seq + 1}
    tx.execute(update(share).where(share.c.id == gives.id).values(**values, **({"tries": 0} if settled else {})))
    tx.execute(update(share).where(share.c.id == gains.id).values(sent=share.c.sent + amount, seq=share.c.seq + 1))
    post(tx, f"net:{gains.id}:{gives.id}:{gives.seq + 1}", {_name(gains): amount, _name(gives): -amount}, currency, now)


def _name(row: Any) -> str:
    return f"{row.party}:{row.party_id or 'house'}:{row.id}"


def _call(engine: Engine, share_id: str, step: dict[str, Any]) -> Moved:
    key = f"{share_id}:{step['seq']}"
    metadata = {"share": share_id, "key": key, "app": "traveloure"}
    if engine.clock() - datetime.fromisoformat(step["at"]) > KEYS_LAST:
        kind: Literal["transfer", "reversal"] = "reversal" if step["do"] == "take" else "transfer"
        done = engine.gateway.find(kind, step["transfer"] if step["do"] == "take" else step["group"], key)
        if done is not None:
            return done
    if step["do"] == "take":
        return engine.gateway.reverse(step["transfer"], step["amount"], key=key, metadata=metadata)
    order = TransferOrder(step["charge"], step["account"], step["amount"], step["currency"], step["group"])
    return engine.gateway.transfer(order, key=key, metadata=metadata)


def _refused(engine: Engine, share_id: str, step: dict[str, Any], error: GatewayRefused) -> None:
    """A definite no: it did not happen, so the next round decides afresh, under the next number. Later and later."""
    now = engine.clock()
    with engine.db.write() as tx:
        one = tx.execute(select(share).where(share.c.id == share_id).with_for_update()).one()
        if one.pending != step:
            return
        tx.execute(update(share).where(share.c.id == share_id).values(pending=None, tries=share.c.tries + 1))
        again = now + min(timedelta(hours=12), timedelta(minutes=2 ** min(one.tries, 10)))
        jobs.enqueue(tx, "payout.level", {"share_id": share_id}, run_at=again, now=now, dedupe=f"level:{share_id}")
        if step["do"] == "take" and one.tries == 0:
            facts = {"share": share_id, "party": f"{one.party} {one.party_id}", "amount": step["amount"], "cause": error.gateway_code}
            notices.alarm(tx, "payout_not_taken_back", facts, now)


def _record(engine: Engine, share_id: str, step: dict[str, Any], moved: Moved) -> None:
    now = engine.clock()
    with engine.db.write() as tx:
        one = tx.execute(select(share).where(share.c.id == share_id).with_for_update()).one()
        if one.pending != step:  # another worker made the same call under the same key, and has written it down
            return
        currency = tx.execute(select(payment.c.currency).where(payment.c.id == one.payment_id)).scalar_one()
        if step["do"] == "send":
            transfers = [*one.transfers, [moved.id, step["amount"]]]
            values: dict[str, Any] = {"sent": one.sent + step["amount"], "transfers": transfers}
            post(tx, f"send:{moved.id}", {_name(one): step["amount"], "gateway": -step["amount"]}, currency, now)
            _tell(tx, one, step["amount"], currency, moved.id, now)
        else:
            transfers = [[name, left - (step["amount"] if name == step["transfer"] else 0)] for name, left in one.transfers]
            values = {"back": one.back + step["amount"], "transfers": transfers}
            post(tx, f"take:{moved.id}", {_name(one): -step["amount"], "gateway": step["amount"]}, currency, now)
        tx.execute(update(share).where(share.c.id == share_id).values(pending=None, tries=0, **values))


def _tell(tx: Connection, one: Row[Any], amount: int, currency: str, transfer_id: str, now: datetime) -> None:
    if one.party != "provider":
        return
    owner = tx.execute(select(provider).where(provider.c.id == one.party_id)).one()
    sold = tx.execute(select(booking.c.reference, booking.c.title).where(booking.c.id == one.booking_id)).one()
    facts = {"amount": amount, "currency": currency, "reference": sold.reference, "title": sold.title}
    hooks.payout_sent(tx, one.party_id, transfer_id, facts, now)
    notices.tell_provider(tx, owner, "payout_sent", facts, now, key=f"payout:{transfer_id}")


def disputed(tx: Connection, payment_id: str) -> bool:
    """Is a dispute about this payment open? Nothing of it is sent on meanwhile."""
    found = select(dispute.c.id).where(dispute.c.payment_id == payment_id, dispute.c.status.not_in(CLOSED_DISPUTES))
    return tx.execute(found.limit(1)).first() is not None


def _gaps() -> Any:
    """Shares that are not where they should be."""
    return (
        select(share.c.id)
        .join(payment, payment.c.id == share.c.payment_id)
        .where(
            share.c.party.in_(PAID_OUT),
            payment.c.status == "paid",
            or_(share.c.amount - share.c.reversed != share.c.sent - share.c.back, share.c.pending.is_not(None)),
        )
        .order_by(share.c.due_at, share.c.id)
        .limit(200)
    )


def sweep(engine: Engine) -> int:
    """Level whatever should have moved and was not woken for; returns how many were looked at. One that is refused does not keep
    the others waiting."""
    now = engine.clock()
    ready = (
        select(payee.c.account)
        .where(payee.c.party == share.c.party, payee.c.party_id == share.c.party_id, payee.c.state == "active")
        .exists()
    )
    waiting = select(job.c.id).where(job.c.dedupe_key == literal("level:") + share.c.id, job.c.state.in_(("ready", "running"))).exists()
    frozen = select(dispute.c.id).where(dispute.c.payment_id == share.c.payment_id, dispute.c.status.not_in(CLOSED_DISPUTES)).exists()
    owed = (share.c.due_at <= now - RETRY) & ready & ~waiting & ~frozen
    owing = (share.c.amount - share.c.reversed < share.c.sent - share.c.back) & ((share.c.tries == 0) | ~waiting)
    with engine.db.read() as tx:
        ids = tx.execute(_gaps().where(or_(owed, owing, share.c.pending.is_not(None)))).scalars().all()
    refused: CoreError | None = None
    for share_id in ids:
        try:
            level(engine, share_id)
        except GatewayUnknown:
            raise
        except CoreError as error:
            refused = error
    if refused is not None:
        raise refused
    return len(ids)


# ── what a party has ──────────────────────────────────────────────────────────────────────────────


def balances(tx: Connection, party: str, party_id: str, now: datetime) -> dict[str, dict[str, int]]:
    """{currency: {"sent", "due", "later", "debt"}} in minor units: paid out, due now (it goes out as soon as the account can
    receive), due after services that are still to come, and what could not be taken back."""
    rows = tx.execute(
        select(
            payment.c.currency,
            func.sum(share.c.sent - share.c.back).label("sent"),
            share.c.due_at,
            (share.c.amount - share.c.reversed - share.c.sent + share.c.back).label("gap"),
        )
        .join(payment, payment.c.id == share.c.payment_id)
        .where(share.c.party == party, share.c.party_id == party_id, payment.c.status == "paid")
        .group_by(share.c.id, payment.c.currency)
        .order_by(payment.c.currency)
    ).all()
    found: dict[str, dict[str, int]] = {}
    for row in rows:
        one = found.setdefault(row.currency, {"sent": 0, "due": 0, "later": 0, "debt": 0})
        one["sent"] += int(row.sent)
        if row.gap < 0:
            one["debt"] -= int(row.gap)
        else:
            one["due" if row.due_at is not None and row.due_at <= now else "later"] += int(row.gap)
    return found
