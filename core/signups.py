"""Providers who come by themselves: they say who they are, confirm their address by a link, and wait until the house has had a look.

A provider that a catalogue file brought has no row here and needs no look. Who signs up may write listings at once; nothing
of theirs goes on sale before the look.
"""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, exists, func, insert, select, update

from core import audit, notices, people, signin
from core.catalogue_files import import_records
from core.db import announce
from core.engine import Actor, Engine, new_id
from core.errors import AlreadyDecided, Invalid, NotAllowed, NotFound
from core.redact import plain
from core.schema import account, account_role, provider, signup

FIELDS = ("name", "email", "phone", "time_zone", "country", "currency", "about")


def slug(text: str, longest: int) -> str:
    """Letters, digits and single dashes, for ids: `Passeios do Tejo` is passeios-do-tejo."""
    bare = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", bare)[:longest].strip("-") or "new"


def state_of(tx: Connection, provider_id: str) -> str:
    """new (nobody has opened the letter yet), waiting, approved or refused; who never signed up here is approved."""
    row = tx.execute(select(signup.c.state, _confirmed().label("confirmed")).where(signup.c.provider_id == provider_id)).one_or_none()
    if row is None:
        return "approved"
    return str(row.state) if row.confirmed or row.state != "waiting" else "new"


def _confirmed() -> Any:
    """Somebody came in by the letter: until then nobody belongs to the provider."""
    return exists(select(1).where(account_role.c.role == "provider", account_role.c.provider_id == signup.c.provider_id))


def join(engine: Engine, given: Mapping[str, str], *, person: str, agreed: bool) -> str:
    """Make the provider and mail a link that signs its first owner in, once. Returns the provider's id.

    `given` has the fields of a provider's record, which are checked as a file's are. Raises Invalid naming the field, Busy.
    """
    email = people.check_email(given.get("email", ""))
    who = plain(" ".join(person.split()))
    if not 2 <= len(who) <= 120:
        raise Invalid("person", "Please give your own name.")
    if not agreed:
        raise Invalid("agreed", "Please accept the agreement to list with us.")
    now = engine.clock()
    provider_id = f"{slug(given.get('name', ''), 40)}-{new_id()[:6]}"
    record = {name: plain(given[name]).strip() for name in FIELDS if given.get(name, "").strip()}
    keep(engine, {"type": "provider", "id": provider_id, **record, "email": email})
    with engine.db.write() as tx:
        tx.execute(insert(signup).values(provider_id=provider_id, state="waiting", created_at=now))
        account_id = account_of(tx, engine, email, who)
        facts = {"provider": record.get("name", ""), "provider_id": provider_id, "level": "owner"}
        mail_link(tx, engine, account_id, email, "provider_welcome", facts, life=people.INVITATION_LIFE)
        actor = Actor(account_id, role="provider", channel="console")
        audit.record(tx, actor, "sign_up", f"provider:{provider_id}", {"agreed": True}, now)
    return provider_id


def keep(engine: Engine, record: Mapping[str, Any]) -> None:
    """Take a provider's record in as a file's. Raises Invalid naming the first field that is wrong, with all of them in `problems`."""
    report = import_records(engine.db, [record], engine.clock(), source=f"provider:{record['id']}"[:60])
    if not report.ok:
        first = report.problems[0]
        faults = {one.field: f"Expected {one.expected}." for one in report.problems}
        raise Invalid(first.field, f"{first.field}: expected {first.expected}.", problems=faults)


def account_of(tx: Connection, engine: Engine, email: str, name: str) -> str:
    """The account that this address signs in to, made where there is none. What is mailed there is the only key to it."""
    query = select(account.c.id).where(func.lower(account.c.email) == email.lower(), account.c.visitor.is_(False)).order_by(account.c.id)
    found: str | None = tx.execute(query.limit(1)).scalar_one_or_none()
    return found or people.new_account(tx, engine.clock(), name=name, email=email, visitor=False)


def mail_link(
    tx: Connection, engine: Engine, account_id: str, email: str, notice: str, facts: Mapping[str, str], *, life: timedelta
) -> None:
    """A letter with a link that signs this account in and lets it join facts["provider_id"] at facts["level"], once.

    As with every sign-in by mail the letter's row has a number of which only the house can make the link.
    """
    nonce, now = secrets.token_hex(16), engine.clock()
    params = {"provider": facts["provider_id"], "level": facts["level"]}
    people.new_link(tx, account_id, now, life=life, params=params, token=signin.token_of(tx, nonce))
    content = {**facts, "nonce": nonce}
    notices.send(tx, channel="mail", address=email, notice=notice, content=content, now=now, key=f"{notice}:{nonce}")


def waiting(engine: Engine) -> list[dict[str, Any]]:
    """Who waits for a look, the longest first; without those who never confirmed their address."""
    with engine.db.read() as tx:
        query = select(provider, signup.c.created_at.label("since")).join(signup, signup.c.provider_id == provider.c.id)
        rows = tx.execute(query.where(signup.c.state == "waiting", _confirmed()).order_by(signup.c.created_at)).all()
        return [dict(row._mapping) for row in rows]


def decide(engine: Engine, actor: Actor, provider_id: str, *, approve: bool, said: str = "") -> None:
    """The look: an operator lets a provider sell here or not, and the provider is told. Raises NotAllowed, NotFound, AlreadyDecided, Invalid."""
    if actor.role != "operator":
        raise NotAllowed("Only operators decide about new providers.")
    now, words = engine.clock(), plain(said).strip()[:1000]
    if not approve and not words:
        raise Invalid("said", "Please say why; the provider reads it.")
    with engine.db.write() as tx:
        row = tx.execute(select(signup).where(signup.c.provider_id == provider_id).with_for_update()).one_or_none()
        if row is None:
            raise NotFound("There is no such sign-up.")
        if state_of(tx, provider_id) != "waiting":
            raise AlreadyDecided("This sign-up does not wait for a look.", status=row.state, by=row.decided_by or "")
        state = "approved" if approve else "refused"
        values = {"state": state, "said": words, "decided_at": now, "decided_by": actor.account_id}
        tx.execute(update(signup).where(signup.c.provider_id == provider_id).values(values))
        audit.record(tx, actor, "decide_sign_up", f"provider:{provider_id}", {"state": state, "said": words}, now)
        owner = tx.execute(select(provider).where(provider.c.id == provider_id)).one()
        notices.tell_provider(
            tx, owner, f"sign_up_{state}", {"provider": owner.name, "text": words}, now, key=f"signup:{provider_id}:{state}"
        )
        announce(tx, "provider", provider_id)
