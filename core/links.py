"""Links that open a person's own page: signed, so that nobody can make one up; they run out, and all of a person's can be taken back.

A token is "kind + id . expiry . epoch . signature". Nothing is stored for one: the signature is made with the house's key, and
the epoch is the account's, so raising it ends every link that was given out before.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, select, update

from core import audit
from core.engine import Actor, Engine
from core.errors import Expired, NotFound
from core.schema import account, booking, house_key, proposal

TRIPS, VOUCHER, CONFIRM = "t", "v", "c"
TRIPS_LIFE = timedelta(days=60)
VOUCHER_LIFE = timedelta(days=60)  # after the service
VOUCHED = ("CONFIRMED", "REDEEMED", "CANCELLED")  # a voucher of what was cancelled says so
LONGEST = 200  # characters


def trips_path(tx: Connection, account_id: str, now: datetime) -> str:
    """The address of a traveler's own page, without the host. The same one all day, so that it can be shown again and again."""
    until = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + TRIPS_LIFE
    return f"/trips/{_sign(tx, TRIPS, account_id, account_id, until)}"


def voucher_path(tx: Connection, row: Any) -> str:
    """The address of a booking's voucher. It stays the same unless the booking moves to another day."""
    return f"/v/{_sign(tx, VOUCHER, row.id, row.account_id, row.starts_at + VOUCHER_LIFE)}"


def confirm_path(tx: Connection, proposal_id: str) -> str:
    """The address of the page on which the owner of a proposal says yes to it; it is over when the proposal is."""
    row = tx.execute(select(proposal).where(proposal.c.id == proposal_id)).one()
    return f"/confirm/{_sign(tx, CONFIRM, row.id, row.account_id, row.expires_at)}"


def open_confirm(tx: Connection, token: str, now: datetime) -> Row[Any]:
    """The proposal a link is about. Raises as `open_trips`; one that was said yes to stays readable, so that a second tap is harmless."""
    proposal_id, until, epoch = _read(tx, CONFIRM, token)
    row = tx.execute(select(proposal).where(proposal.c.id == proposal_id)).one_or_none()
    if row is None:
        raise NotFound("There is nothing at this address.")
    held = tx.execute(select(account.c.links_epoch).where(account.c.id == row.account_id)).scalar_one()
    if row.status != "committed" and (row.status != "live" or until <= now):
        raise Expired("This total is no longer current. Ask your assistant for the total again and open the new link.")
    _ensure_good(held, epoch, max(until, now + TRIPS_LIFE), now)
    return row


def for_mail(tx: Connection, row: Any, facts: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """What a mail to the traveler of a booking links to: {"trips": path, "vouchers": {reference: path}}."""
    told = [one["booking_id"] for one in facts.get("bookings", [facts]) if one.get("booking_id")]
    rows = tx.execute(select(booking).where(booking.c.id.in_(told), booking.c.account_id == row.account_id).order_by(booking.c.id))
    vouchers = {one.reference: voucher_path(tx, one) for one in rows if one.status in VOUCHED}
    return {"trips": trips_path(tx, row.account_id, now), "vouchers": vouchers}


def open_trips(tx: Connection, token: str, now: datetime) -> str:
    """Whose page this is. Raises NotFound for a token we did not make, Expired for an old one or one that was taken back."""
    account_id, until, epoch = _read(tx, TRIPS, token)
    held = tx.execute(select(account.c.links_epoch).where(account.c.id == account_id)).scalar_one_or_none()
    _ensure_good(held, epoch, until, now)
    return account_id


def open_voucher(tx: Connection, token: str, now: datetime) -> Row[Any]:
    """The booking a voucher is for. Raises as `open_trips`, and NotFound for a booking that has no voucher."""
    booking_id, until, epoch = _read(tx, VOUCHER, token)
    row = tx.execute(select(booking).where(booking.c.id == booking_id)).one_or_none()
    if row is None or row.status not in VOUCHED:
        raise NotFound("There is no such voucher.")
    held = tx.execute(select(account.c.links_epoch).where(account.c.id == row.account_id)).scalar_one()
    _ensure_good(held, epoch, until, now)
    return row


def take_back(engine: Engine, actor: Actor, account_id: str) -> None:
    """Every link that was given to this person so far opens nothing any more."""
    now = engine.clock()
    with engine.db.write() as tx:
        end_all(tx, account_id)
        audit.record(tx, actor, "take_back_links", f"account:{account_id}", {}, now)


def end_all(tx: Connection, account_id: str) -> None:
    tx.execute(update(account).where(account.c.id == account_id).values(links_epoch=account.c.links_epoch + 1))


def _ensure_good(held: int | None, epoch: int, until: datetime, now: datetime) -> None:
    if held is None:
        raise NotFound("There is nothing at this address.")
    if held != epoch:
        raise Expired("This link was taken back. Say \u201cshow my bookings\u201d in the chat for a new one.")
    if until <= now:
        raise Expired("This link is too old. Say \u201cshow my bookings\u201d in the chat for a new one.")


def _sign(tx: Connection, kind: str, subject: str, account_id: str, until: datetime) -> str:
    epoch = tx.execute(select(account.c.links_epoch).where(account.c.id == account_id)).scalar_one()
    body = f"{kind}{subject}.{int(until.timestamp()):x}.{epoch:x}"
    return f"{body}.{_mac(tx, body)}"


def seal(tx: Connection, body: str) -> str:
    """A mark that only the house can make for these words, in letters that no mail server changes."""
    key = tx.execute(select(house_key.c.secret).where(house_key.c.name == "links")).scalar_one()
    return hmac.new(key.encode(), f"seal:{body}".encode(), hashlib.sha256).hexdigest()[:32]


def _mac(tx: Connection, body: str) -> str:
    key = tx.execute(select(house_key.c.secret).where(house_key.c.name == "links")).scalar_one()
    made = hmac.new(key.encode(), body.encode(), hashlib.sha256).digest()[:18]
    return base64.urlsafe_b64encode(made).decode()


def _read(tx: Connection, kind: str, token: str) -> tuple[str, datetime, int]:
    body, _, mac = token.rpartition(".")
    if len(token) > LONGEST or not body.startswith(kind) or not hmac.compare_digest(mac.encode(), _mac(tx, body).encode()):
        raise NotFound("There is nothing at this address.")
    subject, until, epoch = body.rsplit(".", 2)  # ours, because the signature is
    return subject[1:], datetime.fromtimestamp(int(until, 16), UTC), int(epoch, 16)
