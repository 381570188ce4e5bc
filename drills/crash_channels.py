"""kill -9 of a process at every step between a Telegram update and the answer in the chat.

A real process with the real client polls the stand-in over HTTP. At each named point (fetched, committed, acknowledged,
line written, turn leased, model answered, turn closed, queued, claimed, sent, recorded) it is killed in the middle, then
started again; in the end every line must have exactly one answer in the log and every decision exactly one effect.
A message whose call was cut off in flight is `uncertain`: Telegram has no key for sending, so it is made again only where
seeing it twice does no harm (edits, the status of a booking, request cards). Bars: processing 0 lost, 0 doubled.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from sqlalchemy import select

from benchmarks.bench import Progress, arguments, close, table
from channels import demo, main
from channels.sandbox.telegram.app import TelegramSandbox
from channels.sandbox.telegram.world import World, labels, shown_text
from channels.settings import Settings
from core import identities
from core.db import Database
from core.migrate import upgrade
from core.schema import booking, booking_request, inbound, message, outbound, place
from tests import market
from tests.sandbox import open_socket, serving

BOT = "123456789:AAE-drill-drill-drill-drill-drill"

# point -> what the process does there: (module, class or "", function, before or after it)
POINTS: dict[str, tuple[str, str, str, str]] = {
    "update fetched, not committed": ("channels.inbox", "", "receive", "before"),
    "update committed, not confirmed": ("channels.inbox", "", "receive", "after"),
    "lane taken, nothing done": ("channels.reception", "Reception", "handle", "before"),
    "event dealt with, not ticked off": ("channels.reception", "Reception", "handle", "after"),
    "turn leased, model not asked": ("core.conversations", "", "lease_turn", "after"),
    "model answered, turn not closed": ("core.conversations", "", "close_turn", "before"),
    "turn closed, message not queued": ("core.conversations", "", "close_turn", "after"),
    "messages being queued": ("channels.mirror", "", "mirror", "before"),
    "messages queued, not sent": ("channels.mirror", "", "mirror", "after"),
    "message claimed, not sent": ("channels.telegram.deliver", "TelegramDoor", "call", "before"),
    "message sent, not recorded": ("channels.telegram.deliver", "TelegramDoor", "call", "after"),
    "request decided, reply not ticked off": ("core.requests", "", "decide", "after"),
}


def settings(folder: str, api: str) -> Settings:
    return Settings(
        _env_file=None,
        TRAVELOURE_DATA=Path(folder),
        DATABASE_URL="",
        STRIPE_SECRET_KEY=None,
        TELEGRAM_BOT_TOKEN=BOT,
        TELEGRAM_API_URL=api,
    )


# ── the process that dies ─────────────────────────────────────────────────────────────────────────


def work(folder: str, api: str, point: str, armed: str) -> None:
    """Polls and works; dies without a word at `point` once the file `armed` is there."""
    if point:
        _arm(*POINTS[point], armed)
    house = main.build(settings(folder, api))
    asyncio.run(main.work(house))


def _arm(module: str, owner: str, name: str, when: str, armed: str) -> None:
    import functools
    import importlib

    holder = importlib.import_module(module)
    target = getattr(holder, owner) if owner else holder
    whole = getattr(target, name)

    def die() -> None:
        if Path(armed).exists():
            os.kill(os.getpid(), signal.SIGKILL)

    if asyncio.iscoroutinefunction(whole):

        @functools.wraps(whole)
        async def watched_later(*args: Any, **kwargs: Any) -> Any:
            if when == "before":
                die()
            result = await whole(*args, **kwargs)
            if when == "after":
                die()
            return result

        setattr(target, name, watched_later)
        return

    @functools.wraps(whole)
    def watched(*args: Any, **kwargs: Any) -> Any:
        if when == "before":
            die()
        result = whole(*args, **kwargs)
        if when == "after":
            die()
        return result

    setattr(target, name, watched)


# ── the one that looks on ─────────────────────────────────────────────────────────────────────────


class Child:
    def __init__(self, folder: str, api: str, script: str = __file__) -> None:
        self.folder, self.api, self.script = folder, api, script
        self.armed = Path(folder) / "armed"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, point: str = "") -> None:
        log = (Path(self.folder) / "child.log").open("ab")
        self.process = subprocess.Popen([sys.executable, self.script, "--child", self.folder, self.api, point], stdout=log, stderr=log)

    def died(self, seconds: float) -> bool:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.process is not None and self.process.poll() is not None:
                return True
            time.sleep(0.02)
        return False

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def until(what: Any, seconds: float = 40) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = what()
        if found:
            return found
        time.sleep(0.03)
    return None


def drill(points: list[str]) -> dict[str, Any]:
    rows: list[tuple[str, Any]] = []
    lost = doubled = uncertain = shown_twice = never_died = 0
    with tempfile.TemporaryDirectory(prefix="crash") as folder:
        world = World(BOT)
        listener = open_socket()
        api = f"http://127.0.0.1:{listener.getsockname()[1]}"
        database = Database(settings(folder, api).database)
        upgrade(database)
        house = main.build(settings(folder, api))
        market.load(house.engine, Path(folder))
        demo.ensure_people(house.engine)
        progress = Progress("points", len(points))
        with serving(TelegramSandbox(world), listener):
            child = Child(folder, api)
            child.start()
            marta = world.person("Marta")
            world.start(marta, identities.invite(house.engine, "demo-provider"))
            world.inbox(marta, "is linked to", timeout=60)
            child.stop()
            for number, point in enumerate(points):
                child.start(point)
                found = one(world, house, child, point, marta, number)
                progress.step()
                lost += found["lost"]
                doubled += found["doubled"]
                uncertain += found["uncertain"]
                shown_twice += found["shown_twice"]
                never_died += not found["died"]
                rows.append((point, "killed" if found["died"] else "NOT REACHED"))
                child.stop()
            with database.read() as tx:
                stuck = tx.execute(select(inbound.c.id).where(inbound.c.state != "done")).all()
                waiting = tx.execute(
                    select(outbound.c.state).where(outbound.c.lane != "", outbound.c.state.in_(("queued", "sending")))
                ).all()
            lost += len(stuck) + len(waiting)
        house.close()
        database.close()
    table(
        [
            *rows,
            ("lost", lost),
            ("doubled", doubled),
            ("uncertain", uncertain),
            ("shown twice, harmlessly", shown_twice),
            ("points not reached", never_died),
        ]
    )
    return {
        "points": len(points),
        "lost": lost,
        "doubled": doubled,
        "uncertain": uncertain,
        "shown_twice": shown_twice,
        "not_reached": never_died,
    }


def one(world: World, house: Any, child: Child, point: str, marta: Any, number: int) -> dict[str, int]:
    """A traveler talks and asks for something on request, a provider answers; the process dies at the point on the way."""
    ana = world.person(f"Ana {number}")
    owner = POINTS[point][1]
    moment = "reply" if point.startswith("request decided") else "press" if owner == "Reception" else "words"
    world.say(ana, "/start")
    world.inbox(ana, "assistant", timeout=60)
    before = _uncertain(house)
    died = False

    def armed(at: str, act: Any) -> None:
        nonlocal died
        if at != moment:
            act()
            return
        child.armed.touch()
        act()
        died = child.died(20)
        child.armed.unlink()
        if died:
            child.start()

    armed("words", lambda: world.say(ana, f"A private walk through Alfama in Lisbon on {10 + number} January 2027 for 2"))
    if until(lambda: next((m for m in world.sent(ana) if "Request" in labels(m)), None), 25) is None:
        # the message was cut off in flight and is not sent twice: the traveler asks again
        world.say(ana, f"A private walk through Alfama in Lisbon on {10 + number} January 2027 for 2")
        world.inbox(ana, lambda m: "Request" in labels(m), timeout=40)
    armed("press", lambda: _press(world, ana, "Request"))
    world.inbox(ana, "in your trip", timeout=40)
    for label, then in (("Check out", "Please check"), ("Confirm", "Which e-mail")):
        _press(world, ana, label)
        world.inbox(ana, then, timeout=40)
    world.say(ana, "ana@example.com")
    world.inbox(ana, "I accept the terms", timeout=40)
    _press(world, ana, "Accept and book")
    sent = world.inbox(ana, "Request sent", timeout=40)
    reference = next(word for word in shown_text(sent).split() if word.startswith("TRV-"))
    asked = world.inbox(marta, reference, timeout=40)
    armed("reply", lambda: world.say(marta, "yes, with pleasure", reply_to=asked["message_id"]))
    world.inbox(ana, "said yes", timeout=60)
    until(lambda: f"{reference}: approved" in " ".join(shown_text(m) for m in world.sent(marta)) and not _busy(house), 40)
    return {"died": int(died), "uncertain": _uncertain(house) - before, **_truth(world, house, ana)}


def _press(world: World, who: Any, label: str) -> None:
    shown = until(lambda: next((m for m in reversed(world.sent(who)) if any(text.startswith(label) for text in labels(m))), None))
    world.press(who, shown["message_id"], label)


def _busy(house: Any) -> bool:
    with house.engine.db.read() as tx:
        waiting = tx.execute(select(outbound.c.id).where(outbound.c.lane != "", outbound.c.state.in_(("queued", "sending")))).first()
        unread = tx.execute(select(inbound.c.id).where(inbound.c.state == "new")).first()
    return waiting is not None or unread is not None


def _uncertain(house: Any) -> int:
    with house.engine.db.read() as tx:
        return len(tx.execute(select(outbound.c.id).where(outbound.c.state == "uncertain")).all())


def _truth(world: World, house: Any, ana: Any) -> dict[str, int]:
    """Lines without an answer, answers that were given twice, decisions that were carried out twice; and what the chat shows twice."""
    with house.engine.db.read() as tx:
        home = tx.execute(select(place.c.conversation_id).where(place.c.chat_id == str(ana.id))).scalar_one()
        log = tx.execute(select(message).where(message.c.conversation_id == home).order_by(message.c.seq)).all()
        booked = tx.execute(select(booking.c.id, booking.c.status).where(booking.c.conversation_id == home)).all()
        asked = (
            tx.execute(select(booking_request.c.status).where(booking_request.c.booking_id.in_([row.id for row in booked]))).scalars().all()
        )
    said = [row for row in log if row.role == "traveler" and row.kind == "message"]
    answers = [row for row in log if row.role == "bot" and row.turn_id]
    lines = Counter(row.client_id for row in log if row.client_id)
    lost = int(not answers) + int(len(booked) != 1) + int(list(asked) != ["approved"])
    doubled = max(0, len(answers) - len(said)) + sum(count - 1 for count in lines.values()) + max(0, len(booked) - 1)
    texts = Counter((shown_text(m), str(m.get("reply_markup"))) for m in world.sent(ana) if m.get("reply_markup"))
    return {"lost": lost, "doubled": doubled, "shown_twice": sum(count - 1 for count in texts.values())}


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] == "--child":
        work(sys.argv[2], sys.argv[3], sys.argv[4], str(Path(sys.argv[2]) / "armed"))
        sys.exit(0)
    parser = arguments(__doc__ or "", db=False)
    parser.add_argument("--point", action="append", choices=sorted(POINTS), help=argparse.SUPPRESS)
    given = parser.parse_args()
    result = drill(given.point or list(POINTS))
    close(result)
    sys.exit(1 if result["lost"] or result["doubled"] or result["not_reached"] else 0)
