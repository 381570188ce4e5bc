"""Whole conversations on the demo marketplace, written down as TOML (`tests/evals/play.py` says how): offline, and over OpenAI's wire."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.agent import build_agent
from bot.models import ModelChoice, live_model
from bot.offline.model import OfflineModel
from bot.offline.planner import OfflinePlanner
from core.catalogue_files import import_files
from core.db import Database
from core.engine import Engine
from core.migrate import upgrade
from prompts import read
from tests.evals.play import SCENARIOS, load, play
from tests.evals.wire import serving
from tests.gateway import MemoryGateway

NOW = datetime(2026, 11, 25, 9, tzinfo=UTC)
PATHS = sorted(SCENARIOS.glob("*.toml"))


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("demo") / "demo.db"
    database = Database(f"sqlite:///{path}")
    upgrade(database)
    report = import_files(database, sorted((SCENARIOS.parents[2] / "demo").glob("*.jsonl")), NOW)
    assert report.ok
    database.close()
    return path


@pytest.fixture
def engine(demo: Path, tmp_path: Path) -> Iterator[Engine]:
    shutil.copy(demo, tmp_path / "talk.db")
    database = Database(f"sqlite:///{tmp_path}/talk.db")
    yield Engine(db=database, gateway=MemoryGateway(), clock=lambda: NOW)
    database.close()


@pytest.mark.parametrize("path", PATHS, ids=[path.stem for path in PATHS])
def test_scenario(path: Path, engine: Engine) -> None:
    done = play(engine, load(path), path.stem)
    assert done.wrong == [], "\n".join(done.lines)


WIRED = [path for path in PATHS[::2] if not any("repeat" in one for one in load(path)["turn"])]  # a long talk proves nothing more there


@pytest.mark.parametrize("path", WIRED, ids=[path.stem for path in WIRED])
def test_scenario_over_the_wire(path: Path, engine: Engine) -> None:
    """The same through langchain-openai and a real socket, with a server that answers as the planner would; none may fall back."""
    scenario = load(path)
    planner = OfflinePlanner(engine)
    with serving(planner) as url:
        model = live_model(ModelChoice(api_key="sk-test", base_url=url, model="gpt-test", timeout=30))
        assert model is not None
        offline = OfflineModel(planner=planner)
        done = play(engine, scenario, path.stem, agent=build_agent("traveler", model, offline, read("traveler"), timeout=30))
    assert done.wrong == [], "\n".join(done.lines)
    assert "offline-planner" not in done.models


def test_there_are_scenarios() -> None:
    assert len(PATHS) >= 60
