"""Everything about a person can be had by them, and forgotten, while the books stay whole."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import inspect, select

from core import attendance, conversations, privacy
from core.availability import Ask
from core.engine import Actor, Engine
from core.errors import AlreadyDecided, NotAllowed, NotFound, Refused, WrongState
from core.payments import ledger
from core.schema import booking_event, metadata
from tests import builders as b
from tests import market
from tests.conftest import Clock
from tests.core.test_deposits import rows
from tests.core.test_holds import SATURDAY, counters
from tests.core.test_payouts import buy
from tests.gateway import MemoryGateway

SAIL = Ask("sunset-sail", None, SATURDAY, None, "17:30", {"ADULT": 2})
CREW = Actor("p", role="provider", provider_ids=("tejo-days",))
OPERATOR = Actor("ines", role="operator")


@pytest.fixture
def shop(engine: Engine, tmp_path: Path) -> Engine:
    market.load(engine, tmp_path)
    return engine


def everything(engine: Engine) -> str:
    """The whole database as text."""
    with engine.db.read() as tx:
        names = [name for name in inspect(tx).get_table_names() if name in metadata.tables]
        return json.dumps({name: [list(map(str, row)) for row in tx.execute(select(metadata.tables[name]))] for name in names})


def test_a_person_gets_all_of_it_and_then_none_is_left(shop: Engine, gateway: MemoryGateway, clock: Clock) -> None:
    actor = b.traveler(shop, name="Zuzana Quirke", email="zuzana@quirke.example")
    conversations.say(shop, actor, "c1", "My daughter Wilhelmina is allergic to peanuts")
    buy(shop, gateway, SAIL, actor=actor)
    told = privacy.export(shop, actor, actor.account_id)
    text = json.dumps(told)
    for known in ("Zuzana Quirke", "zuzana@quirke.example", "Wilhelmina", rows(shop)["sunset-sail"].reference):
        assert known in text
    assert "token_hash" not in text
    with pytest.raises(Refused, match="still booked"):
        privacy.erase(shop, actor, actor.account_id)
    clock.forward(days=10)
    before = ledger_of(shop)
    privacy.erase(shop, actor, actor.account_id)
    left = everything(shop)
    for secret in ("Zuzana", "quirke", "Wilhelmina", "peanuts"):
        assert secret not in left, left[left.index(secret) - 200 : left.index(secret) + 80]
    assert ledger_of(shop) == before
    assert rows(shop)["sunset-sail"].status == "CONFIRMED"
    counters(shop)


def ledger_of(engine: Engine) -> dict[tuple[str, str], int]:
    with engine.db.read() as tx:
        return ledger.balances(tx)


def test_only_the_person_or_an_operator_may_ask(shop: Engine) -> None:
    ana, eve = b.traveler(shop), b.traveler(shop, email="eve@example.com")
    for verb in (privacy.export, privacy.erase):
        with pytest.raises(NotAllowed):
            verb(shop, eve, ana.account_id)
        with pytest.raises(NotFound):
            verb(shop, OPERATOR, "nobody")
    assert privacy.export(shop, OPERATOR, ana.account_id)["account"][0]["email"] == "ana@example.com"


def test_a_voucher_is_taken_once_and_on_its_day(shop: Engine, gateway: MemoryGateway, clock: Clock) -> None:
    buy(shop, gateway, SAIL)
    reference = rows(shop)["sunset-sail"].reference
    with pytest.raises(Refused, match="a day before"):
        attendance.redeem(shop, CREW, reference)
    with pytest.raises(NotFound):
        attendance.redeem(shop, Actor("q", role="provider", provider_ids=("casa-alta",)), reference)
    clock.forward(days=3, hours=8)
    assert attendance.redeem(shop, CREW, reference.lower())["status"] == "REDEEMED"
    with pytest.raises(AlreadyDecided) as caught:
        attendance.redeem(shop, CREW, reference)
    assert caught.value.facts["at"] == clock().isoformat()
    with pytest.raises(WrongState):
        attendance.no_show(shop, CREW, reference)


def test_who_stays_away_is_noted_once_and_after_the_start(shop: Engine, gateway: MemoryGateway, clock: Clock) -> None:
    buy(shop, gateway, SAIL)
    reference = rows(shop)["sunset-sail"].reference
    with pytest.raises(Refused, match="not begun"):
        attendance.no_show(shop, CREW, reference)
    clock.at += timedelta(days=4)
    attendance.no_show(shop, CREW, reference)
    with pytest.raises(AlreadyDecided):
        attendance.no_show(shop, CREW, reference)
    with shop.db.read() as tx:
        assert "no_show" in set(tx.execute(select(booking_event.c.event)).scalars())
    assert gateway.refunds == []
