"""A provider's people: owners decide about prices, listings, money and people; staff answers requests and checks guests in."""

from __future__ import annotations

from typing import Any, Literal

from sqlalchemy import Connection, delete, func, select

from core import audit, people, signups
from core.engine import Actor, Engine
from core.errors import NotAllowed, NotFound, Refused
from core.schema import account, account_role, link_token, provider

Level = Literal["owner", "staff"]


def ensure_owner(tx: Connection, actor: Actor, provider_id: str) -> None:
    """Raises NotFound for another's provider, NotAllowed for one of whom the actor is only staff. Operators may."""
    if actor.role == "operator":
        return
    held = select(account_role.c.level).where(
        account_role.c.account_id == actor.account_id, account_role.c.role == "provider", account_role.c.provider_id == provider_id
    )
    level = tx.execute(held).scalar_one_or_none()
    if level is None:
        raise NotFound("There is no such provider of yours.")
    if level != "owner":
        raise NotAllowed("Only an owner may do this.")


def of(engine: Engine, actor: Actor, provider_id: str) -> dict[str, list[dict[str, Any]]]:
    """{"people": who is in, "invited": whose link is still unused}. Raises as `ensure_owner`."""
    with engine.db.read() as tx:
        ensure_owner(tx, actor, provider_id)
        query = select(account.c.id, account.c.display_name, account.c.email, account_role.c.level).join(
            account_role, account_role.c.account_id == account.c.id
        )
        mine = (account_role.c.role == "provider") & (account_role.c.provider_id == provider_id)
        rows = tx.execute(query.where(mine).order_by(account_role.c.level, account.c.display_name, account.c.id)).all()
        asked = tx.execute(
            select(account.c.id, account.c.email, link_token.c.params, link_token.c.expires_at)
            .join(link_token, link_token.c.account_id == account.c.id)
            .where(_open_invitations(engine, provider_id))
            .order_by(link_token.c.expires_at)
        ).all()
        inside = {row.id for row in rows}
        return {
            "people": [
                {"account_id": r.id, "name": r.display_name, "email": r.email or "", "level": r.level, "me": r.id == actor.account_id}
                for r in rows
            ],
            "invited": [
                {"account_id": r.id, "email": r.email or "", "level": r.params["level"], "until": r.expires_at}
                for r in asked
                if r.id not in inside
            ],
        }


def _open_invitations(engine: Engine, provider_id: str) -> Any:
    named = link_token.c.params["provider"].as_string() == provider_id
    return named & link_token.c.used_at.is_(None) & (link_token.c.expires_at > engine.clock())


def invite(engine: Engine, actor: Actor, provider_id: str, email: str, *, name: str = "", level: Level = "staff") -> None:
    """Mail a link that lets whoever reads this address in, once, within three days. It is shown to nobody else.

    Raises NotFound, NotAllowed, Invalid, Refused for somebody who is in already.
    """
    now, address = engine.clock(), people.check_email(email)
    with engine.db.write() as tx:
        ensure_owner(tx, actor, provider_id)
        account_id = signups.account_of(tx, engine, address, " ".join(name.split())[:120])
        held = (account_role.c.account_id == account_id) & (account_role.c.provider_id == provider_id)
        if tx.execute(select(account_role.c.role).where(held)).first() is not None:
            raise Refused(f"{address} is one of your people already.")
        _forget_invitations(tx, engine, provider_id, account_id)  # the newest link is the one that works
        owner = tx.execute(select(provider.c.name).where(provider.c.id == provider_id)).scalar_one()
        facts = {"provider": owner, "provider_id": provider_id, "level": "owner" if level == "owner" else "staff"}
        signups.mail_link(tx, engine, account_id, address, "staff_invited", facts, life=people.INVITATION_LIFE)
        audit.record(tx, actor, "invite", f"provider:{provider_id}", {"account": account_id, "level": facts["level"]}, now)


def _forget_invitations(tx: Connection, engine: Engine, provider_id: str, account_id: str) -> int:
    mine = _open_invitations(engine, provider_id) & (link_token.c.account_id == account_id)
    return tx.execute(delete(link_token).where(mine)).rowcount


def remove(engine: Engine, actor: Actor, provider_id: str, account_id: str) -> None:
    """Take somebody out, or an invitation back; at once, whatever they have open. One owner always stays. Raises NotFound, NotAllowed, Refused."""
    now = engine.clock()
    with engine.db.write() as tx:
        ensure_owner(tx, actor, provider_id)
        mine = (account_role.c.role == "provider") & (account_role.c.provider_id == provider_id)
        rows = tx.execute(select(account_role.c.account_id, account_role.c.level).where(mine).with_for_update()).all()
        owners = {row.account_id for row in rows if row.level == "owner"}
        if owners == {account_id}:
            raise Refused("This is the only owner. Make somebody else an owner first.")
        gone = tx.execute(delete(account_role).where(mine, account_role.c.account_id == account_id)).rowcount
        if not gone + _forget_invitations(tx, engine, provider_id, account_id):
            raise NotFound("There is nobody like that among your people.")
        audit.record(tx, actor, "remove_person", f"provider:{provider_id}", {"account": account_id}, now)


def count(tx: Connection, provider_id: str) -> int:
    mine = (account_role.c.role == "provider") & (account_role.c.provider_id == provider_id)
    return int(tx.execute(select(func.count()).select_from(account_role).where(mine)).scalar_one())
