"""Draw the state tables of core/states.py into docs/engine.md, between the marks; `--check` only says whether they are drawn as they are."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from core.states import ANYONE, MACHINES, Move

PAGE = ROOT / "docs" / "engine.md"
FIRST = {"booking": "ON_HOLD", "booking_request": "open", "hold": "active", "handoff": "queued"}
SHORT = {"traveler": "traveler", "provider": "provider", "expert": "expert", "operator": "operator", "system": "the house"}


def draw(machine: str, table: Iterable[Move]) -> str:
    """A mermaid state diagram: every move with its event and who may make it; states that nothing leaves end there."""
    moves = list(table)
    lines = ["```mermaid", "stateDiagram-v2"]
    first = FIRST.get(machine, moves[0].source)
    lines.append(f"    [*] --> {first}")
    for move in moves:
        who = "anybody" if set(move.actors) == set(ANYONE) else ", ".join(SHORT[role] for role in move.actors)
        lines.append(f"    {move.source} --> {move.target}: {move.event} ({who})")
    left = {move.source for move in moves}
    ends = sorted({move.target for move in moves} - left)
    lines += [f"    {state} --> [*]" for state in ends]
    return "\n".join([*lines, "```"])


def drawn(page: str) -> str:
    """The page with every diagram as the tables say now. Raises KeyError where a mark names no machine."""

    def replaced(match: re.Match[str]) -> str:
        name = match[1]
        return f"<!-- states: {name} -->\n{draw(name, MACHINES[name])}\n<!-- end -->"

    return re.sub(r"<!-- states: (\w+) -->\n.*?<!-- end -->", replaced, page, flags=re.S)


def main() -> int:
    before = PAGE.read_text("utf-8")
    after = drawn(before)
    if "--check" in sys.argv[1:]:
        return 0 if before == after else 1
    PAGE.write_text(after, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
