"""From cart to bookings: a proposal freezes the terms, the traveler's own yes commits them, all places or none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from core import audit, availability, carts, conversations, holds, hooks, jobs, notices, people, pricing
from core.catalogue import Listing, listings
from core.db import fingerprint, once
from core.engine import SYSTEM, Actor, Engine, new_id, new_reference
from core.errors import Expired, Invalid, NotAllowed, NotFound, PriceChanged, Refused, SoldOut
from core.fees import platform_fee
from core.payments import authorise
from core.payments.schedule import deposit_for, open_payment, owed, paid_of
from core.redact import plain, redact
from core.schema import account, booking, booking_event, booking_request, cart, cart_item, payment, proposal, share
from core.states import move_booking, record

OTHERS = "booking.others"


class DetailsNeeded(Refused):
    """Name, e-mail and acceptance of the terms are missing; ask for them with a form and try again."""

    code = "details_needed"


# ── proposals ─────────────────────────────────────────────────────────────────────────────────────


def propose_checkout(engine: Engine, actor: Actor) -> dict[str, Any]:
    """Freeze the cart's terms for the traveler to confirm. Nothing is held or charged yet.

    The same terms give the same proposal; other terms supersede it. Raises Refused for an empty cart, PriceChanged
    never: prices are refreshed first and `changed` lists what moved. `policies` are the cancellation tiers by product;
    `deposits` are {item_id: {"amount", "due_at"}} of the lines for which a deposit is enough now, and `deposit_totals`
    what a checkout by deposit comes to, {currency: {"now", "later", "due_at"}}, for what is paid at once and if approved.
    """
    now = engine.clock()
    with engine.db.write() as tx:
        conversations.hold_fence(tx, actor)
        row = carts.find_cart(tx, actor.conversation_id)
        if row is None or not carts.items(tx, row.id):
            raise Refused("The cart is empty. Find something first, for example: a boat trip in Lisbon on Saturday.")
        changed = carts.reprice(tx, engine, row.id, row.promo_code, now)
        view = carts.view(tx, actor.conversation_id)
        if not any(line["how"] != "external" for line in view["lines"]):
            raise Refused("Everything in the cart is booked on a partner's site; there is nothing to pay here.")
        listed = listings(tx, [line["product_id"] for line in view["lines"] if line["product_id"]])
        terms = _terms_of(engine, view, listed, now)
        digest = fingerprint(terms)
        live = tx.execute(
            select(proposal).where(
                proposal.c.conversation_id == actor.conversation_id, proposal.c.status == "live", proposal.c.kind == "checkout"
            )
        ).all()
        same = next((p for p in live if p.digest == digest and p.expires_at > now), None)
        if same is None:
            proposal_id = make_proposal(tx, engine, actor, "checkout", terms, now)
        else:
            proposal_id = same.id
        if actor.acting_for:
            audit.record(tx, actor, "propose_checkout", f"conversation:{actor.conversation_id}", {"totals": terms["totals"]}, now)
        return {
            "proposal_id": proposal_id,
            "policies": {product_id: list(one.tiers) for product_id, one in listed.items()},
            "changed": changed,
            "expires_at": (now + engine.rules.proposal_life).isoformat(),
            "deposit_totals": deposit_totals(terms),
            **{k: terms[k] for k in ("lines", "totals", "deposits")},
        }


def _terms_of(engine: Engine, view: Mapping[str, Any], listed: Mapping[str, Listing], now: datetime) -> dict[str, Any]:
    """What is frozen when a total is shown: the lines as they are, their sums, and where a deposit is enough for now."""
    deposits = {}
    for line in view["lines"]:
        if line["kind"] != "own" or line["how"] not in ("pay_now", "if_approved"):
            continue
        margin = engine.rules.deposit_margin
        found = deposit_for(listed[line["product_id"]], line["amount"], date.fromisoformat(line["date"]), now, margin)
        if found is not None:
            deposits[line["item_id"]] = {"amount": found.amount, "due_at": found.balance_due_at.isoformat()}
    return {
        "cart_id": view["cart_id"],
        "version": view["version"],
        "lines": view["lines"],
        "totals": view["totals"],
        "deposits": deposits,
    }


def deposit_totals(terms: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """{currency: {"now", "later", "due_at"}} of a checkout by deposit, for currencies in which a deposit makes a difference."""
    sums: dict[str, dict[str, Any]] = {}
    for line in terms["lines"]:
        if line["how"] not in ("pay_now", "if_approved"):
            continue
        deposit = terms["deposits"].get(line["item_id"])
        of_currency = sums.setdefault(line["currency"], {"now": 0, "later": 0, "due_at": None})
        of_currency["now"] += deposit["amount"] if deposit else line["amount"]
        if deposit:
            of_currency["later"] += line["amount"] - deposit["amount"]
            of_currency["due_at"] = min(filter(None, (of_currency["due_at"], deposit["due_at"])))
    return {currency: one for currency, one in sums.items() if one["later"]}


def order(
    engine: Engine,
    actor: Actor,
    asks: Sequence[availability.Ask],
    *,
    contact: Mapping[str, Any] | None = None,
    requests: str = "",
    method: str = "full",
    key: str | None = None,
) -> dict[str, Any]:
    """For programs: price, hold and book these lines in one transaction, beside the open cart. The caller's signed-in call is the yes.

    `method` is "full" or "deposit". The same `key` with the same lines returns the first result; with others it is refused. Raises what `carts.add` and
    `commit_checkout` raise. Returns what `commit_checkout` returns, and "cart_id", "lines", "totals".
    """
    now = engine.clock()
    if not asks:
        raise Invalid("items", "At least one item is needed.")
    terms = [carts.terms_of(ask) for ask in asks]
    with engine.db.write() as tx:

        def do() -> dict[str, Any]:
            if contact is not None:
                _save_contact(tx, actor, contact, now)
            owner = _named_owner(tx, actor)
            basket = carts.order_cart(tx, engine, actor, asks, now)
            lines = [carts.line_view(item) for item in carts.items(tx, basket.id)]
            listed = listings(tx, [line["product_id"] for line in lines if line["product_id"]])
            totals = carts.totals_of(lines)
            frozen = _terms_of(engine, {"cart_id": basket.id, "version": basket.version, "lines": lines, "totals": totals}, listed, now)
            values = {"conversation_id": actor.conversation_id, "account_id": actor.traveler_id, "kind": "checkout", "created_at": now}
            proposal_id = new_id()
            tx.execute(
                insert(proposal).values(
                    id=proposal_id, status="committed", terms=frozen, digest=fingerprint(frozen), expires_at=now, **values
                )
            )
            row = tx.execute(select(proposal).where(proposal.c.id == proposal_id)).one()
            result = {**_book(tx, engine, actor, row, basket, owner, now, requests, method), **frozen}
            tx.execute(update(proposal).where(proposal.c.id == proposal_id).values(result=result))
            return result

        return once(tx, key, {"lines": terms, "requests": requests, **({} if method == "full" else {"method": method})}, now, do)


def _named_owner(tx: Connection, actor: Actor) -> Row[Any]:
    owner = tx.execute(select(account).where(account.c.id == actor.account_id)).one()
    if not (owner.display_name and owner.email and owner.terms_accepted_at):
        raise DetailsNeeded("We need a name, an e-mail address and your acceptance of the terms before booking.")
    return owner


def live_proposals(tx: Connection, conversation_id: str, now: datetime) -> Sequence[Row[Any]]:
    return tx.execute(
        select(proposal).where(proposal.c.conversation_id == conversation_id, proposal.c.status == "live", proposal.c.expires_at > now)
    ).all()


def make_proposal(tx: Connection, engine: Engine, actor: Actor, kind: str, terms: Mapping[str, Any], now: datetime) -> str:
    """Freeze terms for the traveler's yes; whatever else waited for one no longer does. Returns the proposal's id."""
    tx.execute(
        update(proposal).where(proposal.c.conversation_id == actor.conversation_id, proposal.c.status == "live").values(status="superseded")
    )
    proposal_id = new_id()
    tx.execute(
        insert(proposal).values(
            id=proposal_id,
            conversation_id=actor.conversation_id,
            account_id=actor.traveler_id,
            kind=kind,
            status="live",
            terms=dict(terms),
            digest=fingerprint(terms),
            expires_at=now + engine.rules.proposal_life,
            created_at=now,
        )
    )
    return proposal_id


def find_proposal(tx: Connection, actor: Actor, proposal_id: str) -> Row[Any]:
    """Raises NotFound for another conversation's, NotAllowed where another account owns it."""
    row = tx.execute(select(proposal).where(proposal.c.id == proposal_id)).one_or_none()
    if row is None or row.conversation_id != actor.conversation_id:
        raise NotFound("There is no such offer to confirm. Ask for the total again.")
    if row.account_id != actor.account_id:
        raise NotAllowed("Only the person who plans this trip can confirm it.")
    return row


def save_details(engine: Engine, actor: Actor, fields: Mapping[str, Any]) -> None:
    """Name, e-mail and terms from the form. Raises Invalid naming the field."""
    with engine.db.write() as tx:
        _save_contact(tx, actor, fields, engine.clock())


def _save_contact(tx: Connection, actor: Actor, fields: Mapping[str, Any], now: datetime) -> None:
    people.set_contact(
        tx,
        actor.account_id,
        name=str(fields.get("name", "")),
        email=str(fields.get("email", "")),
        terms=fields.get("terms") in (True, "true", "on", "yes", "1", 1),
        now=now,
    )


def commit_checkout(engine: Engine, actor: Actor, proposal_id: str, *, requests: str = "", method: str = "full") -> dict[str, Any]:
    """The traveler's yes: hold every place of the cart or none, make the bookings, open the payments.

    `method` "deposit" pays now what the proposal's deposits say and the rest later; lines without a deposit are paid whole.
    One transaction. A second yes to the same proposal returns the first result. Raises DetailsNeeded, Expired,
    PriceChanged (with what moved), SoldOut (with the lines), NotAllowed, Refused at a limit. Returns
    {"payments": [id...], "requests": [booking id...], "confirmed": [...], "external": [...]}.
    """
    now = engine.clock()
    requests = redact(plain(requests))
    with engine.db.write() as tx:
        row = tx.execute(select(proposal).where(proposal.c.id == proposal_id).with_for_update()).one_or_none()
        row = find_proposal(tx, actor, proposal_id) if row is None else row
        find_proposal(tx, actor, proposal_id)
        if row.status == "committed":
            result: dict[str, Any] = row.result
            return {**result, "again": True}
        if row.kind != "checkout" or row.status != "live" or row.expires_at <= now:
            raise Expired("That offer is no longer current. Ask for the total again and confirm the new one.")
        owner = _named_owner(tx, actor)
        basket = carts.open_cart(tx, actor.conversation_id, actor.account_id, now)
        if basket.id != row.terms["cart_id"] or basket.version != row.terms["version"]:
            raise Expired("The cart has changed since that total was shown. Ask for the total again and confirm the new one.")
        result = _book(tx, engine, actor, row, basket, owner, now, requests, method)
        tx.execute(update(proposal).where(proposal.c.id == row.id).values(status="committed", result=result))
        return result


def _book(
    tx: Connection,
    engine: Engine,
    actor: Actor,
    row: Row[Any],
    basket: Row[Any],
    owner: Row[Any],
    now: datetime,
    requests: str,
    method: str,
) -> dict[str, Any]:
    deposits = _deposits_by(method, row.terms)
    lines = carts.items(tx, basket.id)
    own = [line for line in lines if line.kind == "own"]
    holds.stand_still(tx, [line.option_id for line in own])
    listed = listings(tx, [line.product_id for line in own])
    _check_limits(tx, engine, owner, lines)
    moved = carts.reprice(tx, engine, basket.id, basket.promo_code, now)
    if moved:
        raise PriceChanged("A price has changed since the total was shown. Ask for the total again to see the new one.", changed=moved)
    made: list[dict[str, Any]] = []
    wants: dict[str, list[availability.Want]] = {}
    for line in own:
        offer = listed[line.product_id]
        option = offer.option(line.option_id)
        ask = carts.ask_of(line)
        availability.check(offer, option, ask, now, engine.rules)
        values = booking_values(tx, engine, actor, offer, line, owner, basket.id, now, requests)
        if line.id in deposits:
            deposit = deposits[line.id]
            values |= {"deposit_amount": deposit["amount"], "balance_due_at": datetime.fromisoformat(deposit["due_at"])}
        made.append(values)
        wants[values["id"]] = availability.wants(offer, option, ask)
    tx.execute(insert(booking), made)
    try:
        holds.take(tx, wants, expires_at=now + engine.rules.hold, now=now)
    except SoldOut as error:
        gone = [value["title"] for value in made if value["id"] in error.facts["bookings"]]
        raise SoldOut(f"{' and '.join(gone)}: the places have just gone. Nothing was booked.", titles=gone) from error
    for value in made:
        record(tx, value["id"], "reserve", "", "ON_HOLD", actor, now)
    tx.execute(update(cart).where(cart.c.id == basket.id).values(status="ordered"))
    rows = {r.id: r for r in tx.execute(select(booking).where(booking.c.id.in_([value["id"] for value in made])))}
    at_once = [rows[v["id"]] for v in made if v["booking_type"] == "INSTANT"]
    direct = [one for one in at_once if one.pay_at_provider or one.amount == 0]  # nothing to pay here, so nothing to wait for
    instant = [one for one in at_once if one not in direct]
    asked = [rows[v["id"]] for v in made if v["booking_type"] == "REQUEST"]
    fees = [line for line in lines if line.kind == "fee"]
    payments = _open_payments(tx, engine, actor, row.id, instant, fees, now)
    for one in direct:
        confirm(tx, one, now, event="pay")
    for one in asked:
        ends = send_request(tx, engine, actor, one, listed[one.product_id], requests, now)
        if listed[one.product_id].provider.card_hold and not (one.pay_at_provider or one.amount == 0 or pricing.on_quote(one.price_lines)):
            payments.append(authorise.reserve(tx, one, ends, now))
    external = [carts.line_view(line) for line in lines if line.kind == "external"]
    if direct:
        notices.tell(
            tx,
            actor.conversation_id,
            "booking_confirmed",
            {"bookings": [facts_of(one) for one in direct], "paid": None},
            now,
            key=f"confirmed:{row.id}",
        )
    return {
        "payments": payments,
        "requests": [one.id for one in asked],
        "confirmed": [one.id for one in direct],
        "external": external,
    }


def _deposits_by(method: str, terms: Mapping[str, Any]) -> Mapping[str, Any]:
    """{item id: deposit} for what is not paid whole now. Raises Invalid for an unknown method, Refused where no line allows it."""
    if method == "full":
        return {}
    if method != "deposit":
        raise Invalid("payment_method", 'The payment method is "full" or "deposit".')
    deposits: Mapping[str, Any] = terms.get("deposits") or {}
    if not deposits:
        raise Refused("Nothing here can be booked with a deposit; it is paid in full.")
    return deposits


def _check_limits(tx: Connection, engine: Engine, owner: Row[Any], lines: Sequence[Any]) -> None:
    active = tx.execute(
        select(func.count()).select_from(booking).where(booking.c.account_id == owner.id, booking.c.status.in_(("ON_HOLD", "PENDING")))
    ).scalar_one()
    count = sum(1 for line in lines if line.kind == "own")
    if active + count > engine.rules.max_active_bookings:
        raise Refused("There are too many unpaid bookings on this trip already. Pay or cancel some first, or ask for a person.")
    if owner.visitor:
        for currency in {line.currency for line in lines}:
            total = sum(line.amount for line in lines if line.currency == currency and line.kind != "external")
            if total > engine.rules.visitor_spending_cap:
                raise Refused("That is more than can be booked without an account. Please ask for a person, who can arrange it.")


def booking_values(
    tx: Connection, engine: Engine, actor: Actor, listed: Listing, line: Any, owner: Row[Any], cart_id: str, now: datetime, requests: str
) -> dict[str, Any]:
    fee = platform_fee(tx, engine.rules, provider_id=listed.provider.id, kind=listed.product.kind, amount=line.amount, tax=line.tax_amount)
    return {
        "id": new_id(),
        "reference": new_reference(),
        "conversation_id": actor.conversation_id,
        "account_id": owner.id,
        "cart_id": cart_id,
        "cart_item_id": line.id,
        "provider_id": listed.provider.id,
        "product_id": listed.id,
        "option_id": line.option_id,
        "title": line.title,
        "booking_type": listed.product.booking_type,
        "status": "ON_HOLD",
        "local_date": line.local_date,
        "end_date": line.end_date,
        "local_start": line.local_start,
        "time_zone": listed.product.time_zone,
        "starts_at": availability.starts_at(listed, line.local_date, line.local_start),
        "units": line.units,
        "quantity": line.quantity,
        "currency": line.currency,
        "amount": line.amount,
        "tax_amount": line.tax_amount,
        "fee_amount": fee,
        "price_lines": line.price_lines,
        "policy": list(listed.tiers),
        "pay_at_provider": listed.product.pay_at_provider,
        "deposit_amount": line.amount,
        "balance_due_at": None,
        "contact": {"name": owner.display_name, "email": owner.email, "requests": requests[:1000]},
        "expert_id": line.added_by,
        "pay_by": now + engine.rules.hold,
        "created_at": now,
    }


def _open_payments(
    tx: Connection, engine: Engine, actor: Actor, proposal_id: str | None, due: Sequence[Row[Any]], fees: Sequence[Any], now: datetime
) -> list[str]:
    """One payment per currency for what is due at once, and a job that makes its link should nobody else."""
    opened = []
    for currency in sorted({one.currency for one in due}):
        mine = [one for one in due if one.currency == currency]
        extra = [("expert", fee.added_by or "", fee.amount) for fee in fees if fee.currency == currency]
        payment_id = open_payment(
            tx,
            conversation_id=actor.conversation_id,
            account_id=mine[0].account_id,
            kind="DEPOSIT" if any(one.deposit_amount < one.amount for one in mine) else "FULL",
            bookings=mine,
            amounts=[one.deposit_amount for one in mine],
            extra=extra,
            proposal_id=proposal_id,
            expires_at=now + engine.rules.hold,
            now=now,
        )
        jobs.enqueue(
            tx, "payment.link", {"payment_id": payment_id}, run_at=now + timedelta(seconds=3), now=now, dedupe=f"link:{payment_id}"
        )
        opened.append(payment_id)
    return opened


def confirm(tx: Connection, row: Row[Any], now: datetime, *, event: str) -> None:
    """Turn a booking's held places into sold ones and the booking into CONFIRMED. Raises Expired where they were gone."""
    if not holds.consume(tx, [row.id], now):
        raise Expired("The hold on these places ran out.")
    move_booking(tx, row, event, SYSTEM, now, confirmed_at=now, pay_by=None)


def facts_of(row: Any) -> dict[str, Any]:
    """What a door needs to phrase a line about a booking."""
    return {
        "booking_id": row.id,
        "reference": row.reference,
        "title": row.title,
        "booking_type": row.booking_type,
        "date": row.local_date.isoformat(),
        "end_date": row.end_date.isoformat() if row.end_date else None,
        "start": row.local_start,
        "units": dict(row.units),
        "amount": row.amount,
        "currency": row.currency,
        "status": row.status,
        "pay_at_provider": row.pay_at_provider,
        "deposit": row.deposit_amount if row.balance_due_at else None,
        "balance_due_at": row.balance_due_at.isoformat() if row.balance_due_at else None,
    }


def with_payment(tx: Connection, rows: Sequence[Any]) -> list[dict[str, Any]]:
    """The facts of bookings with `paid` and `owed` (minor units): what came in and was kept, and what is still to be paid."""
    paid = paid_of(tx, [row.id for row in rows])
    return [{**facts_of(row), "paid": paid[row.id], "owed": owed(row, paid[row.id])} for row in rows]


# ── requests ──────────────────────────────────────────────────────────────────────────────────────


def send_request(tx: Connection, engine: Engine, actor: Actor, row: Row[Any], listed: Listing, note: str, now: datetime) -> datetime:
    """Ask the provider; the places stay held until they answer or `respond_by` passes, which is returned."""
    cutoff = row.starts_at - timedelta(hours=max(1, listed.product.lead_hours))
    respond_by: datetime = max(now + timedelta(minutes=15), min(now + timedelta(hours=listed.provider.respond_hours), cutoff))
    holds.extend(tx, [row.id], respond_by, now)
    request_id = new_id()
    kind = "quote" if pricing.on_quote(row.price_lines) else "request"
    tx.execute(
        insert(booking_request).values(
            id=request_id,
            booking_id=row.id,
            provider_id=row.provider_id,
            kind=kind,
            status="open",
            respond_by=respond_by,
            note=note[:1000],
            created_at=now,
        )
    )
    move_booking(tx, row, "send_request", actor, now, pay_by=None)
    hooks.request_received(tx, request_id, row.id, kind, respond_by, now)
    facts = {
        **facts_of(row),
        "kind": kind,
        "respond_by": respond_by.isoformat(),
        "provider": listed.provider.name,
        "time_zone": row.time_zone,
    }
    notices.tell(tx, row.conversation_id, "request_sent", facts, now, key=f"request_sent:{row.id}")
    notices.tell_provider(
        tx,
        listed.provider,
        "request_received",
        {**facts, "request_id": request_id, "traveler": _first_name(row.contact), "note": note[:1000]},
        now,
        key=f"request:{request_id}",
    )
    jobs.enqueue(tx, "request.deadline", {"request_id": request_id}, run_at=respond_by, now=now, dedupe=f"request:{request_id}")
    return respond_by


def _first_name(contact: Mapping[str, Any]) -> str:
    return str(contact.get("name", "")).split(" ")[0]


# ── reading ───────────────────────────────────────────────────────────────────────────────────────


def offer_others(tx: Connection, booking_id: str, now: datetime) -> None:
    """Somebody else ended this booking: the traveler is shown what there is instead, once."""
    jobs.enqueue(tx, OTHERS, {"booking_id": booking_id}, run_at=now, now=now, dedupe=f"others:{booking_id}")


def of_conversation(engine: Engine, actor: Actor, *, limit: int = 50) -> list[dict[str, Any]]:
    """The traveler's bookings here, the newest first."""
    with engine.db.read() as tx:
        rows = tx.execute(
            select(booking)
            .where(booking.c.conversation_id == actor.conversation_id)
            .order_by(booking.c.created_at.desc(), booking.c.id)
            .limit(limit)
        ).all()
        return with_payment(tx, rows)


def of_cart(engine: Engine, cart_id: str) -> list[dict[str, Any]]:
    """What one order made, in the order of its lines."""
    with engine.db.read() as tx:
        rows = tx.execute(
            select(booking)
            .join(cart_item, cart_item.c.id == booking.c.cart_item_id)
            .where(booking.c.cart_id == cart_id)
            .order_by(cart_item.c.position)
        ).all()
        return with_payment(tx, rows)


def of_account(engine: Engine, account_id: str, *, status: str | None = None, after: str = "", limit: int = 20) -> list[dict[str, Any]]:
    """A page of an account's bookings, the newest first; `after` is the id of the last one seen. Raises NotFound for an unknown one."""
    with engine.db.read() as tx:
        query = select(booking).where(booking.c.account_id == account_id)
        if status:
            query = query.where(booking.c.status == status)
        if after:
            last = tx.execute(
                select(booking.c.created_at, booking.c.id).where(booking.c.id == after, booking.c.account_id == account_id)
            ).one_or_none()
            if last is None:
                raise NotFound("That cursor does not belong to these bookings.")
            query = query.where(
                (booking.c.created_at < last.created_at) | ((booking.c.created_at == last.created_at) & (booking.c.id > last.id))
            )
        rows = tx.execute(query.order_by(booking.c.created_at.desc(), booking.c.id).limit(limit)).all()
        return with_payment(tx, rows)


def payment_of(tx: Connection, account_id: str, booking_id: str) -> str | None:
    """The newest payment of one's own booking that is not over; None where nothing is to be paid."""
    found = tx.execute(
        select(payment.c.id)
        .join(share, share.c.payment_id == payment.c.id)
        .where(share.c.booking_id == booking_id, payment.c.account_id == account_id, payment.c.status.in_((*authorise.STANDING, "paid")))
        .order_by(payment.c.created_at.desc())
        .limit(1)
    ).scalar_one_or_none()
    return None if found is None else str(found)


def asks_of(engine: Engine, actor: Actor, booking_ids: Sequence[str]) -> list[availability.Ask]:
    """What these bookings of the traveler asked for, to ask for it again."""
    with engine.db.read() as tx:
        rows = tx.execute(
            select(booking).where(booking.c.id.in_(list(booking_ids)), booking.c.account_id == actor.traveler_id).order_by(booking.c.id)
        ).all()
    return [carts.ask_of(row) for row in rows]


def events_of(tx: Connection, booking_id: str) -> Sequence[Row[Any]]:
    return tx.execute(select(booking_event).where(booking_event.c.booking_id == booking_id).order_by(booking_event.c.id)).all()
