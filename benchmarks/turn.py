"""What one turn costs: CPU of ours with one tool call, at turn 10 and turn 1,000; start-up and memory; tokens of the prompt.

Offline planner, SQLite, the same graph, tools and log as in production. Bars: <= 25 ms CPU, the same at turn 1,000; the
terminal chat starts in under 3 s.
"""

from __future__ import annotations

import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.bench import Progress, arguments, close, database, table
from bot.agent import build_agent
from bot.offline.model import OfflineModel
from bot.offline.planner import OfflinePlanner
from bot.turn import run_turn
from channels.main import now
from core import conversations
from core.engine import Actor, Engine
from prompts import read
from tests import market
from tests.gateway import MemoryGateway
from tools.registry import TRAVELER

WORDS = ("something fun in Lisbon tomorrow for two", "dinner in Lisbon tomorrow for two", "what's the total?", "a guide in Lisbon")


def turns(kind: str, last: int) -> dict[str, float]:
    with database(kind) as db, tempfile.TemporaryDirectory() as folder:
        engine = Engine(db=db, gateway=MemoryGateway(), clock=now)
        market.load(engine, Path(folder))
        offline = OfflineModel(planner=OfflinePlanner(engine))
        agent = build_agent("traveler", offline, offline, read("traveler"), timeout=20)
        conversation_id, _ = conversations.start(engine, channel="web")
        with db.read() as tx:
            owner = conversations.get(tx, conversation_id).account_id
        actor = Actor(owner, conversation_id=conversation_id)
        return asyncio.run(_measure(engine, agent, actor, last))


async def _measure(engine: Engine, agent: Any, actor: Actor, last: int) -> dict[str, float]:
    progress = Progress("turns", last)
    cost: list[float] = []
    for n in range(last):
        conversations.say(engine, actor, uuid.uuid4().hex, WORDS[n % len(WORDS)])
        before = time.process_time()
        await run_turn(engine, agent, actor.conversation_id, f"bench{n}", lambda *_: None)
        cost.append((time.process_time() - before) * 1000)
        progress.step()
    early, late = cost[5:45], cost[-40:]
    return {"cpu_ms_turn_10": median(early), "cpu_ms_turn_1000": median(late)}


def start_up() -> dict[str, float]:
    """Wall seconds until the terminal chat would take a line, and until the agent's code is imported."""
    root = Path(__file__).parent.parent
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import bot.agent, bot.offline.planner"], check=True, cwd=root)
    imported = time.perf_counter() - began
    with tempfile.TemporaryDirectory() as folder:
        environment = {"PATH": "/usr/bin:/bin", "TRAVELOURE_DATA": folder, "PORT": "18999", "PYTHONPATH": str(root)}
        chat = [sys.executable, "-m", "channels.cli", "chat"]
        subprocess.run(chat, input="/quit\n", text=True, capture_output=True, check=True, cwd=root, env=environment)
        began = time.perf_counter()
        subprocess.run(chat, input="/quit\n", text=True, capture_output=True, check=True, cwd=root, env=environment)
        started = time.perf_counter() - began
    return {"import_s": imported, "start_s": started}


def tokens() -> int:
    """About how many tokens the system prompt and the tools cost: four characters each."""
    described = sum(len(tool.description) + len(json.dumps(tool.schema)) for tool in TRAVELER)
    return (len(read("traveler")) + described) // 4


if __name__ == "__main__":
    parser = arguments(__doc__ or "")
    parser.add_argument("--turns", type=int, default=1000)
    given = parser.parse_args()
    result: dict[str, Any] = {**turns(given.db, given.turns), **start_up()}
    result["rss_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    result["system_tokens"] = tokens()
    table(list(result.items()))
    close({key: round(value, 2) if isinstance(value, float) else value for key, value in result.items()})
