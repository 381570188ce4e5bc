"""What partners say was sold through our links: taken in by postback, CSV or pull, once per their own id, every version kept.

Nothing is earned before it is approved. What names no click of ours is kept as unattributed, never dropped. Nothing here is
read by search or by the order of links.
"""

from __future__ import annotations

import csv
import hmac
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from hashlib import sha256
from typing import Any, Protocol

from sqlalchemy import Connection, Row, func, insert, select, update

from core.affiliates import partners
from core.db import upsert
from core.engine import Engine, new_id
from core.errors import Invalid, NotAllowed
from core.money import exponent
from core.schema import affiliate_click, affiliate_conversion, affiliate_conversion_line, affiliate_cursor, affiliate_link

NEXT: Mapping[str, tuple[str, ...]] = {
    "pending": ("approved", "declined", "paid"),
    "approved": ("declined", "paid"),
    "declined": ("approved",),  # networks take a reversal back
    "paid": ("declined",),
}
STATES = tuple(NEXT)
COLUMNS = ("transaction", "state", "click", "currency", "amount", "commission")
REPORT = ("by", "currency", "conversions", "pending", "approved", "declined", "paid")
BY = {"partner": affiliate_conversion.c.partner, "campaign": affiliate_link.c.item_type, "conversation": affiliate_link.c.conversation_id}
MOST_MONEY = 10**15


@dataclass(frozen=True, slots=True)
class Told:
    """One version of one sale, as a partner tells it; amounts in minor units."""

    txn: str
    state: str
    click: str
    currency: str
    amount: int
    commission: int


class Source(Protocol):
    """A partner's list that is asked again and again: what is new after a cursor ("" at first), and the cursor to go on from."""

    def fetch(self, cursor: str) -> tuple[Sequence[Told], str]: ...


def read(fields: Mapping[str, str]) -> Told:
    """From text fields named as `COLUMNS`, amounts in whole units. Raises Invalid naming the field."""
    given = {name: str(fields.get(name) or "").strip() for name in COLUMNS}
    if not 0 < len(given["transaction"]) <= 120 or not given["transaction"].isprintable():
        raise Invalid("transaction", "A conversion needs the partner's own id, of up to 120 characters.")
    state = given["state"].lower()
    if state not in NEXT:
        raise Invalid("state", f"A conversion is {', '.join(STATES)}.")
    currency = given["currency"].upper()
    if len(currency) != 3 or not currency.isascii() or not currency.isalpha():
        raise Invalid("currency", "A currency is three letters, like EUR.")
    amounts = [_minor(name, given[name], currency) for name in ("amount", "commission")]
    return Told(given["transaction"], state, given["click"][:64] if given["click"].isalnum() else "", currency, *amounts)


def _minor(name: str, text: str, currency: str) -> int:
    try:
        value = Decimal(text or "0").scaleb(exponent(currency))
    except InvalidOperation as error:
        raise Invalid(name, f"{name} is a number of whole units, like 12.50.") from error
    if not value.is_finite() or value != value.to_integral_value() or abs(value) > MOST_MONEY:
        raise Invalid(name, f"{name} is a number of whole units with the decimals of {currency}.")
    return int(value)


def take_in(engine: Engine, partner: str, told: Sequence[Told], source: str) -> dict[str, int]:
    """All of them or none; {"new", "moved", "same", "kept"}: a version that may not follow the state it is in is kept as a line only."""
    partners.partner(partner)
    counts = dict.fromkeys(("new", "moved", "same", "kept"), 0)
    with engine.db.write() as tx:
        for one in told:
            counts[_one(tx, engine, partner, one, source)] += 1
    return counts


def _one(tx: Connection, engine: Engine, partner: str, told: Told, source: str) -> str:
    now = engine.clock()
    link_id, click_id = _came_from(tx, partner, told.click)
    version = {"state": told.state, "currency": told.currency, "amount": told.amount, "commission": told.commission}
    values = {
        "id": new_id(),
        "partner": partner,
        "txn": told.txn,
        "link_id": link_id,
        "click_id": click_id,
        "created_at": now,
        "updated_at": now,
    }
    made = tx.execute(
        upsert(tx)(affiliate_conversion).values(**values, **version).on_conflict_do_nothing().returning(affiliate_conversion.c.id)
    )
    if (fresh := made.scalar_one_or_none()) is not None:
        tx.execute(insert(affiliate_conversion_line).values(conversion_id=fresh, source=source, at=now, **version))
        return "new"
    mine = (affiliate_conversion.c.partner == partner, affiliate_conversion.c.txn == told.txn)
    row = tx.execute(select(affiliate_conversion).where(*mine).with_for_update()).one()
    if all(getattr(row, name) == value for name, value in version.items()) or _heard(tx, row, version):
        return "same"
    tx.execute(insert(affiliate_conversion_line).values(conversion_id=row.id, source=source, at=now, **version))
    if told.state != row.state and told.state not in NEXT[row.state]:
        return "kept"
    known = {} if row.link_id else {"link_id": link_id, "click_id": click_id}
    tx.execute(update(affiliate_conversion).where(affiliate_conversion.c.id == row.id).values(updated_at=now, **version, **known))
    return "moved"


def _heard(tx: Connection, row: Row[Any], version: Mapping[str, Any]) -> bool:
    """An old file, read again, tells of states that were left behind since."""
    line = affiliate_conversion_line.c
    same = [line[name] == value for name, value in version.items()]
    late = version["state"] != row.state and version["state"] not in NEXT[row.state]
    return late and tx.execute(select(line.id).where(line.conversion_id == row.id, *same).limit(1)).first() is not None


def _came_from(tx: Connection, partner: str, click: str) -> tuple[str | None, str | None]:
    """(link, click): by a person's click, else by the link's own id, which requests of bots carried; of this partner only."""
    if not click:
        return None, None
    query = select(affiliate_click.c.link_id).join(affiliate_link, affiliate_link.c.id == affiliate_click.c.link_id)
    link_id = tx.execute(query.where(affiliate_click.c.id == click, affiliate_link.c.partner == partner)).scalar_one_or_none()
    if link_id is not None:
        return str(link_id), click
    found = tx.execute(
        select(affiliate_link.c.id).where(affiliate_link.c.id == click, affiliate_link.c.partner == partner)
    ).scalar_one_or_none()
    return (None if found is None else str(found)), None


def take_file(engine: Engine, partner: str, text: str) -> dict[str, int]:
    """A CSV with the `COLUMNS` in its first line, in any order. All or nothing. Raises Invalid with line and field."""
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))
    missing = set(COLUMNS) - set(reader.fieldnames or ())
    if missing:
        raise Invalid(sorted(missing)[0], f"The first line has to name {', '.join(COLUMNS)}; {', '.join(sorted(missing))} is missing.")
    told = []
    for row in reader:
        try:
            told.append(read(row))
        except Invalid as error:
            raise Invalid(error.field, f"Line {reader.line_num}: {error.message}") from error
    return take_in(engine, partner, told, "csv")


def take_postback(engine: Engine, partner: str, fields: Mapping[str, str], body: bytes, signature: str) -> dict[str, int]:
    """One conversion that a partner posts, signed by HMAC-SHA256 over the body, in hex. Raises NotAllowed, Invalid, NotFound."""
    secret = engine.rules.partner_ids.get(partner, {}).get(partners.SECRET, "")
    wanted = hmac.new(secret.encode(), body, sha256).hexdigest()
    if not secret or not hmac.compare_digest(wanted.encode(), signature.strip().lower().encode()):
        raise NotAllowed("The signature is not the partner's.")
    return take_in(engine, partner, [read(fields)], "postback")


def pull(engine: Engine, partner: str, source: Source) -> dict[str, int]:
    """Ask a partner's list until it has nothing new. The cursor moves only with what was taken in, so a crash repeats and loses nothing."""
    sums = dict.fromkeys(("new", "moved", "same", "kept"), 0)
    with engine.db.read() as tx:
        cursor = tx.execute(select(affiliate_cursor.c.cursor).where(affiliate_cursor.c.partner == partner)).scalar_one_or_none() or ""
    while True:
        told, following = source.fetch(cursor)
        for name, count in take_in(engine, partner, told, "pull").items():
            sums[name] += count
        if following == cursor:
            return sums
        cursor = following
        with engine.db.write() as tx:
            values = {"partner": partner, "cursor": cursor, "at": engine.clock()}
            tx.execute(upsert(tx)(affiliate_cursor).values(values).on_conflict_do_update(index_elements=["partner"], set_=values))


def report(tx: Connection, by: str = "partner") -> list[dict[str, Any]]:
    """Commission in minor units per state and currency, by partner, campaign (what kind of thing was linked) or conversation.

    What no link is known of stands under "unattributed". Raises Invalid.
    """
    if by not in BY:
        raise Invalid("by", f"A report is by {', '.join(BY)}.")
    column = BY[by]
    one = affiliate_conversion.c
    rows = tx.execute(
        select(column.label("by"), one.currency, one.state, func.count().label("n"), func.sum(one.commission).label("commission"))
        .select_from(affiliate_conversion.outerjoin(affiliate_link, affiliate_link.c.id == one.link_id))
        .group_by(column, one.currency, one.state)
    ).all()
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        key = (str(row.by or "unattributed"), str(row.currency))
        line = found.setdefault(key, {"by": key[0], "currency": key[1], "conversions": 0, **dict.fromkeys(STATES, 0)})
        line["conversions"] += int(row.n)
        line[row.state] += int(row.commission)
    return [found[key] for key in sorted(found)]
