"""Whole conversations on the demo marketplace, written down as TOML: what is said, and what must be true after each line.

Each turn says something (`say`) or presses a button (`press`); `reply` has to stand in the answer, `cards` are the first
titles shown, `trip` a part of the remembered facts, `cart` all its lines as "title day time people".
"""

from __future__ import annotations

import shutil
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from core import carts, trips
from core.catalogue_files import import_files
from core.db import Database
from core.engine import Engine
from core.migrate import upgrade
from tests.gateway import MemoryGateway
from tests.talk import Talk

HERE = Path(__file__).parent
NOW = datetime(2026, 11, 25, 9, tzinfo=UTC)
SCENARIOS = sorted((HERE / "scenarios").glob("*.toml"))


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("demo") / "demo.db"
    database = Database(f"sqlite:///{path}")
    upgrade(database)
    report = import_files(database, sorted((HERE.parents[1] / "demo").glob("*.jsonl")), NOW)
    assert report.ok
    database.close()
    return path


def cart_of(talk: Talk) -> list[str]:
    lines = carts.show(talk.engine, talk.actor)["lines"]
    told = [(line["title"], line["date"], line["start"], str(sum(line["units"].values()))) for line in lines]
    return [" ".join(part for part in parts if part) for parts in told]


def trip_of(talk: Talk) -> dict[str, Any]:
    with talk.engine.db.read() as tx:
        return trips.facts(tx, talk.conversation_id)


@pytest.mark.parametrize("path", SCENARIOS, ids=[path.stem for path in SCENARIOS])
def test_scenario(path: Path, demo: Path, tmp_path: Path) -> None:
    scenario = tomllib.loads(path.read_text(encoding="utf-8"))
    shutil.copy(demo, tmp_path / "talk.db")
    database = Database(f"sqlite:///{tmp_path}/talk.db")
    talk = Talk(Engine(db=database, gateway=MemoryGateway(), clock=lambda: NOW))
    cart: list[str] = []
    for turn in scenario["turn"]:
        said = turn.get("say") or turn["press"]
        if "say" in turn:
            talk.say(said)
        else:
            talk.press(said)
        assert turn["reply"] in talk.text, said
        if "cards" in turn:
            assert [card["title"] for card in talk.cards()][: len(turn["cards"])] == turn["cards"], said
        known = trip_of(talk)
        assert {name: known.get(name) for name in turn.get("trip", {})} == turn.get("trip", {}), said
        cart = turn.get("cart", cart)
        assert cart_of(talk) == cart, said
    database.close()


def test_there_are_scenarios() -> None:
    assert len(SCENARIOS) >= 15
