"""What a check or an import has to say: counts when all is well, else every problem with its file, line and field."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Progress = Callable[[str, int, "int | None"], None]
"""Called as progress(step, done, total or None); step is "reading", "checking", "loading" or "publishing"."""


def silent(_step: str, _done: int, _total: int | None) -> None:
    """No progress."""


@dataclass(frozen=True, slots=True)
class Problem:
    """`line` counts from 1 (0: the file as a whole); `field` is a path such as options[0].price, "" for the whole line."""

    file: str
    line: int
    field: str
    expected: str
    found: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{where}: {self.field + ': ' if self.field else ''}expected {self.expected}; found {self.found}"


@dataclass(frozen=True, slots=True)
class Report:
    """`counts` are records read by type. The lists of an import: how many records were new, changed, as before, gone."""

    counts: dict[str, int]
    problem_count: int = 0
    problems: tuple[Problem, ...] = ()  # the first ones, in the order of files and lines
    created: dict[str, int] = field(default_factory=dict)
    changed: dict[str, int] = field(default_factory=dict)
    unchanged: int = 0
    unpublished: int = 0

    @property
    def ok(self) -> bool:
        return self.problem_count == 0


def shown(value: Any) -> str:
    """A found value in one short line."""
    if value is None:
        return "nothing"
    text = value if isinstance(value, str) else str(value)
    return repr(text if len(text) <= 80 else text[:77] + "...")


class Problems:
    """Collects problems, keeps the first `limit` of them and counts the rest."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.count = 0
        self.kept: list[Problem] = []

    def add(self, file: str, line: int, field: str, expected: str, found: Any) -> None:
        self.count += 1
        if len(self.kept) < self._limit:
            self.kept.append(Problem(file, line, field, expected, shown(found)))

    def report(self, counts: dict[str, int]) -> Report:
        return Report(counts, self.count, tuple(sorted(self.kept, key=lambda p: (p.file, p.line, p.field))))
