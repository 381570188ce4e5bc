"""The written conversations against the configured model, with a cap on what it may cost: `traveloure eval` from a checkout."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from bot.agent import build_agent
from bot.models import ModelChoice, live_model
from bot.offline.model import OfflineModel
from bot.offline.planner import OfflinePlanner
from core.catalogue_files import import_files
from core.db import Database
from core.engine import Engine
from core.migrate import upgrade
from core.usage import cost
from prompts import read
from tests.evals.play import SCENARIOS, Played, load, play
from tests.gateway import MemoryGateway

NOW = datetime(2026, 11, 25, 9, tzinfo=UTC)  # the day the conversations were written for


@dataclass
class Report:
    """What came out. `passed` counts a conversation once, when all its tries held; `stopped` says that the cap was reached first."""

    asked: int = 0
    played: int = 0
    passed: int = 0
    fell_back: int = 0
    tokens: tuple[int, int] = (0, 0)
    cost: Decimal = Decimal(0)
    seconds: list[float] = field(default_factory=list)
    failures: list[Played] = field(default_factory=list)
    stopped: bool = False

    def as_json(self) -> dict[str, Any]:
        ordered = sorted(self.seconds)
        p95 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))] if ordered else 0.0
        return {
            "conversations": self.asked,
            "played": self.played,
            "passed": self.passed,
            "success": round(self.passed / self.played, 3) if self.played else 0.0,
            "fell_back": self.fell_back,
            "input_tokens": self.tokens[0],
            "output_tokens": self.tokens[1],
            "cost": str(round(self.cost, 4)),
            "turn_p95_s": round(p95, 2),
            "stopped_at_cap": self.stopped,
        }


def run(
    choice: ModelChoice,
    *,
    names: Sequence[str] = (),
    tries: int = 1,
    most: Decimal | None = None,
    prices: tuple[Decimal, Decimal] = (Decimal(0), Decimal(0)),
    told: Callable[[str], None] = lambda _line: None,
) -> Report:
    """Play them one after the other until all are through or `most` is spent. Raises FileNotFoundError for a name nobody wrote."""
    paths = [SCENARIOS / f"{name}.toml" for name in names] if names else sorted(SCENARIOS.glob("*.toml"))
    report = Report(asked=len(paths))
    with tempfile.TemporaryDirectory(prefix="eval") as folder:
        demo = _demo(Path(folder))
        for path in paths:
            scenario = load(path)
            held = True
            for attempt in range(tries):
                if most is not None and report.cost >= most:
                    report.stopped = True
                    return report
                done = _once(demo, Path(folder) / f"{path.stem}-{attempt}.db", choice, scenario, path.stem)
                _count(report, done, prices, live=choice.api_key is not None)
                if done.wrong:
                    held = False
                    report.failures.append(done)
                    break
            report.played += 1
            report.passed += held
            told(f"{'ok  ' if held else 'FAIL'} {path.stem}  {report.cost:.4f}")
    return report


def _count(report: Report, done: Played, prices: tuple[Decimal, Decimal], *, live: bool) -> None:
    report.tokens = report.tokens[0] + done.tokens[0], report.tokens[1] + done.tokens[1]
    report.cost = cost(report.tokens, *prices)
    report.seconds += done.seconds
    report.fell_back += live and "offline-planner" in done.models


def _demo(folder: Path) -> Path:
    database = Database(f"sqlite:///{folder}/demo.db")
    upgrade(database)
    import_files(database, sorted((SCENARIOS.parents[2] / "demo").glob("*.jsonl")), NOW)
    database.close()
    return folder / "demo.db"


def _once(demo: Path, path: Path, choice: ModelChoice, scenario: Any, name: str) -> Played:
    shutil.copy(demo, path)
    database = Database(f"sqlite:///{path}")
    try:
        engine = Engine(db=database, gateway=MemoryGateway(), clock=lambda: NOW)
        offline = OfflineModel(planner=OfflinePlanner(engine))
        agent = build_agent("traveler", live_model(choice) or offline, offline, read("traveler"), timeout=choice.timeout)
        return play(engine, scenario, name, agent=agent, strict=choice.api_key is None)
    finally:
        database.close()


def write(report: Report, folder: Path) -> None:
    """The figures, and a transcript of each conversation that failed."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps(report.as_json(), indent=2), "utf-8")
    for done in report.failures:
        (folder / f"{done.name}.txt").write_text("\n".join([*done.wrong, "", *done.lines]) + "\n", "utf-8")
