"""The state diagrams of the guide are the tables of the code."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from core.states import ANYONE, MACHINES, Move

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def diagrams() -> ModuleType:
    spec = importlib.util.spec_from_file_location("diagrams", ROOT / "scripts" / "diagrams.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_guide_draws_the_tables_as_they_are(diagrams: ModuleType) -> None:
    page = (ROOT / "docs" / "engine.md").read_text("utf-8")
    assert diagrams.drawn(page) == page, "Run: python scripts/diagrams.py"
    assert set(re.findall(r"<!-- states: (\w+) -->", page)) == set(MACHINES)
    for table in MACHINES.values():
        for move in table:
            assert f"{move.source} --> {move.target}: {move.event} (" in page


def test_another_table_is_another_picture(diagrams: ModuleType) -> None:
    page = (ROOT / "docs" / "engine.md").read_text("utf-8")
    less = {**MACHINES, "booking": MACHINES["booking"][:-1]}
    diagrams.MACHINES, kept = less, diagrams.MACHINES
    try:
        assert diagrams.drawn(page) != page
    finally:
        diagrams.MACHINES = kept
    assert "a --> b: go (anybody)\n    b --> [*]" in diagrams.draw("x", [Move("go", "a", "b", ANYONE)])
