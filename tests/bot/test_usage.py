"""Tokens are counted by conversation; once a day's are used up, the offline planner answers and says nothing false."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.agent import build_agent
from bot.models import ModelChoice, live_model
from bot.offline.model import OfflineModel
from bot.offline.planner import OfflinePlanner
from core import usage
from core.db import Database
from core.engine import Engine
from core.schema import turn
from core.settings import Rules
from prompts import read
from tests import market
from tests.conftest import Clock
from tests.evals.wire import serving
from tests.gateway import MemoryGateway
from tests.talk import Talk


@pytest.mark.parametrize("limit", ["model_tokens_a_day", "model_tokens_a_day_each"])
def test_after_the_days_tokens_the_planner_answers(sqlite: Database, clock: Clock, tmp_path: Path, limit: str) -> None:
    engine = Engine(db=sqlite, gateway=MemoryGateway(), clock=clock, rules=Rules(**{limit: 100}))
    market.load(engine, tmp_path)
    planner = OfflinePlanner(engine)
    with serving(planner) as url:
        model = live_model(ModelChoice(api_key="sk-test", base_url=url, model="gpt-test", timeout=10, temperature=0.2))
        assert model is not None
        offline = OfflineModel(planner=planner)
        talk = Talk(engine, agent=build_agent("traveler", model, offline, read("traveler"), timeout=10))
        talk.say("boat trips in Lisbon")
        clock.forward(minutes=1)
        assert "Sunset" in talk.say("boat trips in Lisbon on Saturday for two") or talk.cards()
        with sqlite.read() as tx:
            models = tx.execute(select(turn.c.model).order_by(turn.c.created_at)).scalars().all()
            used = usage.tokens(tx, clock() - timedelta(days=1), conversation_id=talk.conversation_id)
            assert usage.by_conversation(tx, clock() - timedelta(days=1)) == [(talk.conversation_id, *used)]
        assert models == ["gpt-test", "offline-planner"]
        assert sum(used) > 100
        clock.forward(days=2)
        talk.say("boat trips in Lisbon")
    with sqlite.read() as tx:
        assert tx.execute(select(turn.c.model).order_by(turn.c.created_at.desc())).scalars().first() == "gpt-test"


def test_what_tokens_cost() -> None:
    assert usage.cost((2_000_000, 500_000), Decimal("0.25"), Decimal(2)) == Decimal("1.5")
