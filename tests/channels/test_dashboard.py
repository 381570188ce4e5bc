"""What an operator reads and does: figures over a stretch of days, a job tried again, a dispute answered."""

from __future__ import annotations

import csv
import io

from sqlalchemy import insert, select

from core import conversations, figures, handoff
from core.engine import Actor
from core.payments import collect, disputes
from core.schema import audit_log, dispute, job
from tests import builders
from tests.channels.conftest import Live
from tests.gateway import MemoryGateway


def sold(live: Live, gateway: MemoryGateway) -> str:
    """A conversation that bought, and one that asked for a person; the charge."""
    engine = live.house.engine
    builders.products(engine)
    ana = builders.traveler(engine)
    conversations.say(engine, ana, "m", "a kayak please")
    payment_id = builders.buy(engine, actor=ana)
    collect.ensure_link(engine, payment_id)
    gateway.pay("cs_1")
    collect.sync(engine, payment_id)
    bo = builders.traveler(engine, name="Bo Other", email="bo@example.com")
    conversations.say(engine, bo, "m", "help")
    handoff.ask_for_person(engine, bo, "asked_for_human")
    engine.clock.forward(seconds=90)  # type: ignore[attr-defined]
    eva = Actor("eva", role="expert")
    builders.expert_for(engine, bo, "eva")
    handoff.reply(engine, eva, bo.conversation_id, "Hello", client_id="r")
    engine.clock.forward(minutes=10)  # type: ignore[attr-defined]
    handoff.give_back(engine, eva, bo.conversation_id)
    charge = gateway.pages["cs_1"].charge_id
    assert charge is not None
    return charge


def test_the_figures_are_counted_from_what_happened(live: Live, gateway: MemoryGateway) -> None:
    sold(live, gateway)
    today = live.house.engine.clock().date()
    found = figures.read(live.house.engine, today, today)
    assert found["funnel"] == {"asked": 2, "offered": 1, "cart": 1, "paid": 1}
    assert (found["revenue"], found["fees"], found["bookings"]) == ({"EUR": 12_000}, {"EUR": 1_440}, 1)
    assert (found["containment"], found["handoffs"], found["reasons"]) == (0.5, 1, {"asked_for_human": 1})
    assert found["first_response_s"] == {"p50": 90, "p90": 90, "n": 1}
    assert found["resolution_s"] == {"p50": 690, "p90": 690, "n": 1}
    assert found["by_day"] == [{"day": today.isoformat(), "conversations": 2, "bookings": 1, "handoffs": 1, "revenue": {"EUR": 12_000}}]
    empty = figures.read(live.house.engine, today.replace(day=1), today.replace(day=2))
    assert (empty["funnel"]["asked"], empty["containment"], empty["revenue"]) == (0, None, {})


def test_the_dashboard_shows_and_exports_them(live: Live, gateway: MemoryGateway) -> None:
    sold(live, gateway)
    olga = live.person("Olga Operator", "operator")
    shown = olga.get("/ops", headers={"accept": "text/html"})
    for fact in ("€120", "€14.40", "50%", "1 m 30 s", "asked for a person", "<rect"):
        assert fact in shown.text, fact
    assert " style=" not in shown.text
    today = live.house.engine.clock().date().isoformat()
    rows = list(csv.DictReader(io.StringIO(olga.get("/ops/figures.csv", params={"start": today, "end": today}).text)))
    assert rows == [{"day": today, "conversations": "2", "bookings": "1", "handoffs": "1", "revenue_EUR": "120.00"}]
    for bad in ({"start": "2026-12-02", "end": "2026-12-01"}, {"start": "2020-01-01"}, {"start": "soon"}):
        assert olga.get("/ops", params=bad).status_code == 422
        assert olga.get("/ops/figures.csv", params=bad).status_code == 422


def test_a_job_that_gave_up_is_tried_again(live: Live) -> None:
    engine = live.house.engine
    now = engine.clock()
    with engine.db.write() as tx:
        values = {"kind": "deliver", "payload": {}, "state": "dead", "run_at": now, "attempts": 12, "created_at": now, "error": "boom"}
        tx.execute(insert(job).values(id=77, **values))
    olga = live.person("Olga Operator", "operator")
    assert "boom" in olga.get("/ops").text
    assert olga.post("/ops/jobs/77/retry", headers={"x-csrf-token": "wrong"}).status_code == 403
    assert olga.post("/ops/jobs/77/retry").headers["location"] == "/ops?done=retry#jobs"
    assert olga.post("/ops/jobs/77/retry").headers["location"] == "/ops?done=no_retry#jobs"
    with engine.db.read() as tx:
        row = tx.execute(select(job).where(job.c.id == 77)).one()
        assert (row.state, row.attempts) == ("ready", 0)
        assert tx.execute(select(audit_log.c.verb)).scalars().all() == ["retry_job", "retry_job"]


def test_a_dispute_is_answered_once_with_what_we_have(live: Live, gateway: MemoryGateway) -> None:
    engine = live.house.engine
    dispute_id = gateway.open_dispute(sold(live, gateway), 12_000)
    disputes.sync(engine, dispute_id)
    olga = live.person("Olga Operator", "operator")
    assert "Submit evidence" in olga.get("/ops").text
    gateway.down = True
    assert olga.post(f"/ops/disputes/{dispute_id}/evidence").headers["location"] == "/ops?done=away#disputes"
    gateway.down = False
    assert olga.post(f"/ops/disputes/{dispute_id}/evidence").headers["location"] == "/ops?done=evidence#disputes"
    assert gateway.evidence[dispute_id]["customer_name"] == "Ana Silva"
    with engine.db.read() as tx:
        assert tx.execute(select(dispute.c.status)).scalar_one() == "under_review"
    assert olga.post(f"/ops/disputes/{dispute_id}/evidence").status_code == 409
    assert "Submit evidence" not in olga.get("/ops").text
