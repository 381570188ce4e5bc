"""kill -9 of a process at every step between a Slack event and the answer, over Socket Mode with the real Bolt.

As drills/crash_channels.py: at each named point the process is killed in the middle and started again; in the end every line
has one answer in the log and every decision one effect. Slack delivers again what was not acknowledged; a message whose call
was cut off in flight is `uncertain`, since Slack has no key for sending. Bars: processing 0 lost, 0 doubled.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from sqlalchemy import select

from benchmarks.bench import Progress, arguments, close, table
from channels import demo, main
from channels.sandbox.slack.world import World, labels, shown_text
from channels.settings import Settings
from core import identities
from core.db import Database
from core.migrate import upgrade
from core.schema import booking, booking_request, inbound, message, outbound, place
from drills.crash_channels import POINTS as SHARED
from drills.crash_channels import Child, _arm, _busy, _uncertain, until
from tests import market
from tests.slack import APP, BOT, SECRET, serving_slack

POINTS = {
    name.replace("update fetched", "event delivered").replace("not confirmed", "not acknowledged"): (
        ("channels.slack.deliver", "SlackDoor", *rest[2:]) if rest[1] == "TelegramDoor" else rest
    )
    for name, rest in SHARED.items()
}


def settings(folder: str, api: str) -> Settings:
    return Settings(
        _env_file=None,
        TRAVELOURE_DATA=Path(folder),
        DATABASE_URL="",
        STRIPE_SECRET_KEY=None,
        TELEGRAM_BOT_TOKEN=None,
        SLACK_BOT_TOKEN=BOT,
        SLACK_APP_TOKEN=APP,
        SLACK_SIGNING_SECRET=None,
        SLACK_API_URL=api,
    )


def work(folder: str, api: str, point: str, armed: str) -> None:
    """Listens and works; dies without a word at `point` once the file `armed` is there."""
    if point:
        _arm(*POINTS[point], armed)
    asyncio.run(main.work(main.build(settings(folder, api))))


def drill(points: list[str]) -> dict[str, Any]:
    rows: list[tuple[str, Any]] = []
    total: Counter[str] = Counter()
    world = World(bot_token=BOT, app_token=APP, signing_secret=SECRET, ack_within=1.0)
    with tempfile.TemporaryDirectory(prefix="crash") as folder, serving_slack(world) as sandbox:
        api = sandbox.api.base
        database = Database(settings(folder, api).database)
        upgrade(database)
        house = main.build(settings(folder, api))
        market.load(house.engine, Path(folder))
        demo.ensure_people(house.engine)
        progress = Progress("points", len(points))
        child = Child(folder, api, __file__)
        child.start()
        marta = world.person("Marta")
        until(lambda: world.sockets)
        world.command(marta, f"link {identities.invite(house.engine, 'demo-provider')}")
        world.see(world.dm(marta), "is linked to", timeout=60)
        child.stop()
        for number, point in enumerate(points):
            until(lambda: not world.sockets)
            child.start(point)
            until(lambda: world.sockets)
            found = one(world, house, child, point, marta, number)
            progress.step()
            total.update(found)
            rows.append((point, "killed" if found["died"] else "NOT REACHED"))
            child.stop()
        with database.read() as tx:
            stuck = tx.execute(select(inbound.c.id).where(inbound.c.state != "done")).all()
            waiting = tx.execute(select(outbound.c.id).where(outbound.c.lane != "", outbound.c.state.in_(("queued", "sending")))).all()
        total["lost"] += len(stuck) + len(waiting)
        house.close()
        database.close()
    result = {"points": len(points), "not_reached": len(points) - total["died"]}
    result |= {name: total[name] for name in ("lost", "doubled", "uncertain", "shown_twice")}
    table([*rows, *((name.replace("_", " "), result[name]) for name in ("lost", "doubled", "uncertain", "shown_twice", "not_reached"))])
    return result


def one(world: World, house: Any, child: Child, point: str, marta: Any, number: int) -> dict[str, int]:
    """A traveler talks and asks for something on request, a provider answers; the process dies at the point on the way."""
    ana = world.person(f"Ana {number}")
    dm = world.dm(ana)
    moment = "reply" if point.startswith("request decided") else "press" if POINTS[point][1] == "Reception" else "words"
    world.command(ana, "help")
    world.see(dm, "/trips", timeout=60)
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

    asks = f"A private walk through Alfama in Lisbon on {10 + number} January 2027 for 2"
    armed("words", lambda: world.post(ana, asks))
    if until(lambda: next((m for m in world.sent(dm) if "Request" in labels(m)), None), 25) is None:
        world.post(ana, asks)  # the message was cut off in flight and is not sent twice: the traveler asks again
        world.see(dm, lambda m: "Request" in labels(m), timeout=40)
    armed("press", lambda: _press(world, ana, "Request"))
    world.see(dm, "in your trip", timeout=40)
    for label, then in (("Check out", "Please check"), ("Confirm", "Who is booking?")):
        _press(world, ana, label)
        world.see(dm, then, timeout=40)
    _press(world, ana, "Fill in")
    until(lambda: ana.modals)
    world.submit(ana, {"name": ana.name, "email": "ana@example.com", "terms": "true"})
    sent = world.see(dm, "Request sent", timeout=40)
    reference = next(word for word in shown_text(sent).split() if word.startswith("TRV-"))
    card = world.see(world.dm(marta), reference, timeout=40)
    armed("reply", lambda: world.post(marta, "yes, with pleasure", thread=card["ts"]))
    world.see(dm, "said yes", timeout=60)
    until(lambda: f"{reference}: approved" in " ".join(map(shown_text, world.sent(world.dm(marta)))) and not _busy(house), 40)
    return {"died": int(died), "uncertain": _uncertain(house) - before, **_truth(world, house, dm)}


def _press(world: World, who: Any, label: str) -> None:
    here = world.dm(who)
    shown = until(lambda: next((m for m in reversed(world.sent(here)) if any(text.startswith(label) for text in labels(m))), None))
    world.click(who, shown, label)


def _truth(world: World, house: Any, dm: Any) -> dict[str, int]:
    """Lines without an answer, answers given twice, decisions carried out twice; and what the chat shows twice."""
    with house.engine.db.read() as tx:
        home = tx.execute(select(place.c.conversation_id).where(place.c.chat_id == dm.id, place.c.thread_id == "")).scalar_one()
        log = tx.execute(select(message).where(message.c.conversation_id == home).order_by(message.c.seq)).all()
        ids = tx.execute(select(booking.c.id).where(booking.c.conversation_id == home)).scalars().all()
        asked = tx.execute(select(booking_request.c.status).where(booking_request.c.booking_id.in_(ids))).scalars().all()
    said = [row for row in log if row.role == "traveler" and row.kind == "message"]
    answers = [row for row in log if row.role == "bot" and row.turn_id]
    lines = Counter(row.client_id for row in log if row.client_id)
    lost = int(not answers) + int(len(ids) != 1) + int(list(asked) != ["approved"])
    doubled = max(0, len(answers) - len(said)) + sum(count - 1 for count in lines.values()) + max(0, len(ids) - 1)
    texts = Counter((shown_text(one), str(labels(one))) for one in world.sent(dm) if labels(one))
    return {"lost": lost, "doubled": doubled, "shown_twice": sum(count - 1 for count in texts.values())}


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] == "--child":
        work(sys.argv[2], sys.argv[3], sys.argv[4], str(Path(sys.argv[2]) / "armed"))
        sys.exit(0)
    parser = arguments(__doc__ or "", db=False)
    parser.add_argument("--point", action="append", choices=sorted(POINTS), help=argparse.SUPPRESS)
    given = parser.parse_args()
    outcome = drill(given.point or list(POINTS))
    close(outcome)
    sys.exit(1 if outcome["lost"] or outcome["doubled"] or outcome["not_reached"] else 0)
