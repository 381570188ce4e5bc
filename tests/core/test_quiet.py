"""Nobody's phone rings at night for what can wait, on the clock of whoever would be woken."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from core import identities, notices, people, quiet
from core.engine import Engine
from core.schema import outbound, provider
from tests import builders
from tests.conftest import Clock


@pytest.mark.parametrize(
    ("now", "zone", "until"),
    [
        ("2026-11-25T20:59", "UTC", "2026-11-25T20:59"),
        ("2026-11-25T21:00", "UTC", "2026-11-26T08:00"),
        ("2026-11-25T07:59", "UTC", "2026-11-25T08:00"),
        ("2026-11-25T08:00", "UTC", "2026-11-25T08:00"),
        ("2026-11-25T13:00", "Asia/Tokyo", "2026-11-25T23:00"),  # ten in the evening there
        ("2026-11-25T13:00", "Europe/Lisbon", "2026-11-25T13:00"),
        ("2026-03-28T23:00", "Europe/Rome", "2026-03-29T06:00"),  # the night in which the clocks are put forward
    ],
)
def test_until_when_it_waits(now: str, zone: str, until: str) -> None:
    at = datetime.fromisoformat(now).replace(tzinfo=UTC)
    assert quiet.until(at, zone) == datetime.fromisoformat(until).replace(tzinfo=UTC)


def test_a_text_waits_for_the_morning_and_a_request_does_not(engine: Engine, clock: Clock) -> None:
    clock.at = datetime(2026, 11, 25, 23, 30, tzinfo=UTC)
    with engine.db.write() as tx:
        builders.add_provider(tx, "tejo", country="PT")
        account_id = people.new_account(tx, clock(), name="Marta", visitor=False)
        people.grant(tx, account_id, "provider", "tejo")
        for channel, chat in (("sms", "+351910000001"), ("telegram", "7")):
            identities.vouch(tx, clock(), channel=channel, workspace="w", user_id=chat, name="Marta", account_id=account_id)
        owner = tx.execute(select(provider).where(provider.c.id == "tejo")).one()
        for notice, day in (("letter", "2027-01-12"), ("request_received", "2027-01-12"), ("booking_cancelled", "2026-11-26")):
            notices.tell_provider(tx, owner, notice, {"date": day}, clock(), key=notice)
    with engine.db.read() as tx:
        rows = tx.execute(select(outbound).where(outbound.c.channel != "mail").order_by(outbound.c.id)).all()
    waits = {(row.notice, row.channel): (row.not_before - clock()).total_seconds() / 3600 for row in rows}
    assert waits == {
        ("letter", "sms"): 8.5, ("letter", "telegram"): 0, ("request_received", "sms"): 0, ("request_received", "telegram"): 0,
        ("booking_cancelled", "sms"): 0, ("booking_cancelled", "telegram"): 0,
    }  # fmt: skip
    assert {row.lane.endswith("#morning") for row in rows if row.notice == "letter" and row.channel == "sms"} == {True}
