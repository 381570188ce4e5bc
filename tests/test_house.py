"""The house itself: whose names these are, where imports may go, and what every file must not do."""

from __future__ import annotations

import ast
import importlib
import re
import sys
from pathlib import Path

import pytest

from core import states
from core.errors import WrongState
from prompts import read
from tools.registry import ROLES

ROOT = Path(__file__).parent.parent
ROOMS = ("core", "tools", "bot", "channels", "prompts")
FILES = [path for room in ROOMS for path in (ROOT / room).rglob("*.py")]


@pytest.mark.parametrize("room", ROOMS)
def test_our_five_names_are_ours(room: str) -> None:
    """Somebody else's `channels` is on the package index; the one that is imported must be this one."""
    found = importlib.import_module(room)
    assert found.__file__ is not None
    assert Path(found.__file__).resolve().is_relative_to(ROOT)
    assert (found.__doc__ or "").strip().endswith(".")


def test_every_module_tells_its_story() -> None:
    silent = [str(path.relative_to(ROOT)) for path in FILES if not ast.get_docstring(ast.parse(path.read_text("utf-8")))]
    assert silent == []


def test_only_the_database_commits() -> None:
    found = [str(path.relative_to(ROOT)) for path in FILES if re.search(r"\.commit\(\)", path.read_text("utf-8"))]
    assert [path for path in found if path != "core/db.py" and not path.startswith("channels/sandbox/")] == []


def test_stripe_is_known_in_one_file_of_core() -> None:
    found = [str(path.relative_to(ROOT)) for path in FILES if re.search(r"^\s*(?:import|from) stripe\b", path.read_text("utf-8"), re.M)]
    assert [path for path in found if not path.startswith("channels/sandbox/")] == ["core/payments/stripe_connect.py"]


def test_core_has_no_clock_of_its_own() -> None:
    pattern = re.compile(r"\bdatetime\.now\(|\bdate\.today\(|\btime\.time\(\)|\butcnow\(")
    assert [str(path) for path in (ROOT / "core").rglob("*.py") if pattern.search(path.read_text("utf-8"))] == []


def test_nothing_is_left_for_later() -> None:
    marks = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b|NotImplementedError")
    sources = [*FILES, *(ROOT / "channels").rglob("*.js"), *(ROOT / "docs").rglob("*.md"), ROOT / "README.md"]
    assert [str(path.relative_to(ROOT)) for path in sources if marks.search(path.read_text("utf-8"))] == []


def test_prompts_name_only_tools_that_exist() -> None:
    known = {tool.name for tool in ROLES["traveler"]}
    named = set(re.findall(r"`([a-z]+_[a-z_]+)`", read("traveler")))
    assert named
    assert named <= known


def test_every_tool_describes_every_argument() -> None:
    for role, tools in ROLES.items():
        for tool in tools:
            for argument in tool.arguments.model_fields:
                assert re.search(rf"^\s*{argument}: ", tool.description, re.M), f"{role}: {tool.name} does not describe {argument}"
            assert "account_id" not in tool.arguments.model_fields
            assert not {name for name in tool.arguments.model_fields if "price" in name or "amount" in name or "fee" in name}


def test_the_rooms_cover_the_package() -> None:
    import tomllib

    configured = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert set(ROOMS) <= set(configured["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])


@pytest.mark.parametrize("machine", sorted(states.MACHINES))
def test_a_move_that_is_not_in_the_table_is_refused(machine: str) -> None:
    table = states.MACHINES[machine]
    events = {move.event for move in table}
    places = {move.source for move in table} | {move.target for move in table}
    for source in places:
        for event in events:
            for role in states.ANYONE:
                allowed = [move for move in table if (move.event, move.source) == (event, source) and role in move.actors]
                if allowed:
                    assert states.find(table, event, source, role) == allowed[0]
                    assert len(allowed) == 1
                else:
                    with pytest.raises(WrongState):
                        states.find(table, event, source, role)


def test_no_script_hides_a_module_of_python() -> None:
    scripts = [path.stem for folder in ("benchmarks", "drills", "scripts") for path in (ROOT / folder).glob("*.py")]
    assert scripts
    assert set(scripts) & sys.stdlib_module_names == set()
