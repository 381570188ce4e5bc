"""Who can be paid out: an account at the gateway for a provider or an expert, and what the gateway says of it.

Without one a provider still sells; the money waits. That somebody came back from the gateway's pages proves nothing: the
account is fetched, and money goes only to one that is active.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, select, update

from core import notices
from core.db import announce, upsert
from core.engine import Actor, Engine
from core.errors import NotAllowed, NotFound
from core.payments import payouts
from core.payments.gateway import FetchedAccount, GatewayMisused, GatewayRefused, PayeeOrder
from core.schema import account, account_role, payee, provider

PARTIES = ("provider", "expert")


def find(tx: Connection, party: str, party_id: str) -> Row[Any] | None:
    return tx.execute(select(payee).where(payee.c.party == party, payee.c.party_id == party_id)).one_or_none()


def view(row: Row[Any] | None) -> dict[str, Any]:
    """{"state": none, new, pending, active, restricted or rejected, "needs": what is still missing, "account"}."""
    if row is None:
        return {"state": "none", "needs": [], "account": None}
    return {"state": row.state, "needs": list(row.needs), "account": row.account}


def state(engine: Engine, actor: Actor, party: str, party_id: str) -> dict[str, Any]:
    """Whether this party can be paid out. Raises NotFound for somebody else's."""
    _ensure_own(actor, party, party_id)
    with engine.db.read() as tx:
        return view(find(tx, party, party_id))


def _ensure_own(actor: Actor, party: str, party_id: str) -> None:
    if party not in PARTIES:
        raise NotFound("Only providers and experts are paid out.")
    mine = party_id in actor.provider_ids if party == "provider" else party_id == actor.account_id and actor.role == "expert"
    if not mine and actor.role != "operator":
        raise NotFound("There is no such account of yours.")


def ensure(engine: Engine, actor: Actor, party: str, party_id: str) -> dict[str, Any]:
    """The party's account at the gateway, made where there is none, and fetched fresh. Returns `view`'s facts.

    Raises NotFound, NotAllowed where name, e-mail or country are missing, GatewayRefused, GatewayUnknown (try again: the key
    stays the same).
    """
    _ensure_own(actor, party, party_id)
    row = _freeze(engine, party, party_id)
    if row.account is None:
        order = PayeeOrder(party, party_id, **row.frozen)
        try:
            made = engine.gateway.create_account(order, key=f"acct:{party}:{party_id}:{row.attempt}")
        except GatewayMisused:
            raise
        except GatewayRefused:
            with engine.db.write() as tx:
                tx.execute(update(payee).where(*_is(row)).values(attempt=payee.c.attempt + 1, frozen={}))
            raise
        with engine.db.write() as tx:
            tx.execute(update(payee).where(*_is(row), payee.c.account.is_(None)).values(account=made, state="pending"))
            row = _get(tx, party, party_id)
    return sync(engine, str(row.account))


def _get(tx: Connection, party: str, party_id: str) -> Row[Any]:
    return tx.execute(select(payee).where(payee.c.party == party, payee.c.party_id == party_id).with_for_update()).one()


def _is(row: Row[Any]) -> tuple[Any, ...]:
    return (payee.c.party == row.party, payee.c.party_id == row.party_id)


def _freeze(engine: Engine, party: str, party_id: str) -> Row[Any]:
    """The row with the account's parameters fixed, before anybody is called."""
    now = engine.clock()
    with engine.db.write() as tx:
        tx.execute(
            upsert(tx)(payee)
            .values(party=party, party_id=party_id, frozen={}, needs=[], created_at=now)
            .on_conflict_do_nothing(index_elements=["party", "party_id"])
        )
        row = _get(tx, party, party_id)
        if row.account is None and not row.frozen:
            tx.execute(update(payee).where(*_is(row)).values(frozen=_facts(tx, party, party_id)))
            row = _get(tx, party, party_id)
        return row


def _facts(tx: Connection, party: str, party_id: str) -> dict[str, str]:
    if party == "provider":
        row = tx.execute(select(provider).where(provider.c.id == party_id)).one_or_none()
        if row is None:
            raise NotFound("There is no such provider.")
        email = row.email or _staff_email(tx, party_id)
        if not email or not row.country:
            raise NotAllowed("An e-mail address and a country are needed before payouts can be set up. Add them first.")
        return {"name": row.name, "email": email, "country": row.country, "currency": row.currency}
    one = tx.execute(select(account).where(account.c.id == party_id)).one_or_none()
    if one is None or not one.email:
        raise NotAllowed("An e-mail address is needed before payouts can be set up.")
    country = one.locale.partition("-")[2].upper() or "PT"
    return {"name": one.display_name or one.email, "email": one.email, "country": country, "currency": one.currency}


def _staff_email(tx: Connection, provider_id: str) -> str | None:
    found = tx.execute(
        select(account.c.email)
        .join(account_role, account_role.c.account_id == account.c.id)
        .where(account_role.c.role == "provider", account_role.c.provider_id == provider_id, account.c.email.is_not(None))
        .order_by(account.c.email)
    ).first()
    return None if found is None else str(found.email)


def onboarding_link(engine: Engine, actor: Actor, party: str, party_id: str) -> str:
    """A fresh address of the gateway's page for this party. It works once and soon ends, so it is made on the click and never
    written into a chat. Raises as `ensure`."""
    made = ensure(engine, actor, party, party_id)
    base = engine.rules.public_url.rstrip("/")
    page = f"{base}/payouts/{party}/{party_id}"
    return engine.gateway.onboarding_link(str(made["account"]), return_url=f"{page}?back=1", refresh_url=f"{page}?again=1")


def sync(engine: Engine, account_id: str) -> dict[str, Any]:
    """Fetch the account and apply what the gateway says. Money that waited for it is sent on. Safe at any time."""
    return apply(engine, engine.gateway.fetch_account(account_id))


def apply(engine: Engine, fetched: FetchedAccount) -> dict[str, Any]:
    now = engine.clock()
    with engine.db.write() as tx:
        row = tx.execute(select(payee).where(payee.c.account == fetched.account_id).with_for_update()).one_or_none()
        if row is None:
            raise NotFound("There is no such account of ours.")
        needs = sorted(set(fetched.needs))
        tx.execute(update(payee).where(*_is(row)).values(state=fetched.state, needs=needs, checked_at=now))
        if fetched.state != row.state:
            _changed(tx, row, fetched, now)
        if fetched.state == "active":
            payouts.wake_party(tx, row.party, row.party_id, now)
        return view(find(tx, row.party, row.party_id))


def _changed(tx: Connection, row: Row[Any], fetched: FetchedAccount, now: datetime) -> None:
    facts = {"state": fetched.state, "needs": list(fetched.needs)}
    if row.party == "provider":
        owner = tx.execute(select(provider).where(provider.c.id == row.party_id)).one()
        notices.tell_provider(tx, owner, "payouts_state", facts, now, key=f"payee:{row.party_id}:{fetched.state}:{now:%Y%m%d%H%M}")
    announce(tx, "desk", row.party_id)


def sweep(engine: Engine, *, limit: int = 50) -> int:
    """Fetch accounts that are not active yet, at most once an hour each, and the others once a day; returns how many were looked
    at. One that is refused does not keep the others waiting."""
    now = engine.clock()
    waits = payee.c.state.in_(("pending", "restricted"))
    stale = (
        payee.c.checked_at.is_(None) | (waits & (payee.c.checked_at < now - payouts.RETRY)) | (payee.c.checked_at < now - timedelta(days=1))
    )
    with engine.db.read() as tx:
        rows = tx.execute(
            select(payee.c.account).where(payee.c.account.is_not(None), stale).order_by(payee.c.checked_at).limit(limit)
        ).all()
    refused: GatewayRefused | None = None
    for row in rows:
        try:
            sync(engine, row.account)
        except GatewayMisused:
            raise
        except GatewayRefused as error:
            refused = error
            with engine.db.write() as tx:
                tx.execute(update(payee).where(payee.c.account == row.account).values(checked_at=now))
    if refused is not None:
        raise refused
    return len(rows)
