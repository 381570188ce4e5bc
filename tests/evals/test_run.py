"""`traveloure eval`: figures and transcripts, the cap that stops it, and clear sentences where it cannot run."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from bot.models import ModelChoice
from bot.offline.planner import OfflinePlanner
from channels.cli import main
from core.db import Database
from core.engine import Engine
from core.migrate import upgrade
from tests.conftest import Clock
from tests.evals import run as runner
from tests.evals.play import SCENARIOS
from tests.evals.wire import serving
from tests.gateway import MemoryGateway


def test_the_command_writes_its_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(SCENARIOS.parents[2])
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert main(["eval", "exact-yes", "plan-only", "--tries", "2", "--out", str(tmp_path / "out")]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["conversations"], printed["passed"], printed["success"]) == (2, 2, 1.0)
    assert json.loads((tmp_path / "out" / "report.json").read_text("utf-8")) == printed
    assert main(["eval", "nobody-wrote-this"]) == 1
    assert "Nobody wrote that conversation" in capsys.readouterr().err
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    assert main(["eval", "exact-yes"]) == 1
    assert "MODEL_PRICE_IN" in capsys.readouterr().err
    monkeypatch.chdir(tmp_path)
    assert main(["eval"]) == 1
    assert "checkout" in capsys.readouterr().err


def test_a_model_that_costs_is_stopped_at_the_cap_and_a_failure_leaves_its_transcript(
    sqlite: Database, clock: Clock, tmp_path: Path
) -> None:
    empty = Database(f"sqlite:///{tmp_path}/empty.db")
    upgrade(empty)
    planner = OfflinePlanner(Engine(db=empty, gateway=MemoryGateway(), clock=clock))  # knows no catalogue, so it cannot book
    with serving(planner) as url:
        choice = ModelChoice(api_key="sk-test", base_url=url, model="gpt-test", timeout=20)
        report = runner.run(choice, names=["book-and-pay", "exact-yes", "unpaid"], most=Decimal("0.001"), prices=(Decimal(1), Decimal(1)))
    empty.close()
    assert report.stopped
    assert (report.played, report.passed, report.asked) == (1, 0, 3)
    assert report.cost >= Decimal("0.001")
    assert report.tokens[0] > 0
    runner.write(report, tmp_path / "out")
    told = (tmp_path / "out" / "book-and-pay.txt").read_text("utf-8")
    assert "> sunset sailing in Lisbon" in told
