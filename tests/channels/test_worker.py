"""The worker's loop beside the doors: what goes wrong in one look must not end the looking."""

from __future__ import annotations

from channels.worker import sweep
from core.engine import Engine
from core.errors import Refused


def test_a_look_that_fails_does_not_end_the_sweep(engine: Engine) -> None:
    seen: list[str] = []

    def broken(_engine: Engine) -> None:
        raise RuntimeError("a fault of ours")

    def refused(_engine: Engine) -> None:
        raise Refused("not today")

    sweep(engine, (("broken", broken), ("refused", refused), ("whole", lambda _engine: seen.append("whole"))))
    assert seen == ["whole"]
