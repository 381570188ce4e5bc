"""Who may use which route: the table is whole, the drill finds what it is told to find, and a sample of doors is closed."""

from __future__ import annotations

from sqlalchemy import select

from core.db import Database
from core.schema import payee
from drills.access import ACCESS, OPS, drill
from tests import builders
from tests.channels.conftest import Live


def test_every_route_stands_in_the_table_and_a_sample_lets_nobody_in(sqlite: Database) -> None:
    done = drill(sqlite, sample=30, seed=7)
    assert done["missing"] == [], "say in drills/access.py who may use these"
    assert done["gone"] == [], "these routes are no more"
    assert done["found"] == []


def test_the_drill_sees_somebody_who_gets_in(sqlite: Database) -> None:
    shut_to_experts = {"GET /desk/queue": OPS, "POST /desk/c/{conversation_id}/note": OPS}
    done = drill(sqlite, sample=2, access=shut_to_experts)
    assert sorted(done["found"]) == [
        "POST /desk/c/{conversation_id}/note changed conversation, message",
        "expert got 200 from GET /desk/queue",
        "expert got 202 from POST /desk/c/{conversation_id}/note",
    ]
    assert set(done["missing"]) == set(ACCESS) - set(shut_to_experts)


def test_an_expert_does_not_set_up_a_providers_payouts(live: Live) -> None:
    engine = live.house.engine
    with engine.db.write() as tx:
        builders.add_provider(tx, "tejo", country="PT")
    assert live.person("Eva Expert", "expert").post("/payouts/provider/tejo/setup").status_code == 409
    with engine.db.read() as tx:
        assert tx.execute(select(payee)).all() == []
