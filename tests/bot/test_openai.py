"""The live model's way, with the real openai client over HTTP: tool calls run, cut-off ones never do, outages fall back."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from structlog.testing import capture_logs

from bot.agent import build_agent
from bot.models import ModelChoice, live_model
from bot.offline.model import OfflineModel
from bot.offline.planner import OfflinePlanner
from bot.turn import run_turn
from core import carts, conversations
from core.db import Database
from core.engine import Actor, Engine
from core.schema import turn
from prompts import read
from tests import market
from tests.conftest import Clock
from tests.gateway import MemoryGateway

ADD = {"product_id": "pasta-class", "date": "2026-11-27", "adults": 2}


@pytest.fixture
def shop(sqlite: Database, clock: Clock, gateway: MemoryGateway, tmp_path: Path) -> Engine:
    engine = Engine(db=sqlite, gateway=gateway, clock=clock)
    market.load(engine, tmp_path)
    return engine


async def ask(engine: Engine, url: str, *, responses: bool = False, seconds: float = 3) -> tuple[str, list[Any], str]:
    """One turn with the model at `url`: (the answer's text, the cart's lines, the model that answered or why it did not)."""
    offline = OfflineModel(planner=OfflinePlanner(engine))
    model = live_model(ModelChoice(api_key="sk-test", base_url=f"{url}/v1", model="gpt-test", timeout=seconds, responses=responses))
    assert model is not None
    agent = build_agent("traveler", model, offline, read("traveler"), timeout=seconds)
    conversation_id, _ = await asyncio.to_thread(lambda: conversations.start(engine, channel="web"))
    with engine.db.read() as tx:
        owner = conversations.get(tx, conversation_id).account_id
    actor = Actor(owner, conversation_id=conversation_id)
    conversations.say(engine, actor, "m1", "the pasta class in Rome on Friday for two, please book it")
    with capture_logs() as logs:
        await run_turn(engine, agent, conversation_id, "worker", lambda *_: None)
    with engine.db.read() as tx:
        parts = conversations.log_after(tx, conversation_id, 1)[-1].data["parts"]
        answered = tx.execute(select(turn.c.model)).scalar_one()
    if causes := [entry["cause"] for entry in logs if entry["event"] == "model_failed"]:
        assert answered == "offline-planner"
        answered = causes[0]
    return parts[0]["text"], [(line["product_id"], line["amount"]) for line in carts.show(engine, actor)["lines"]], answered


@pytest.mark.parametrize("responses", [False, True], ids=["chat", "responses"])
async def test_a_tool_call_over_the_wire_is_carried_out(shop: Engine, llmock: Any, responses: bool) -> None:
    llmock.call_tool("add_to_cart", ADD).reply("It is in your cart.")
    text, lines, model = await ask(shop, llmock.url, responses=responses)
    assert (text, lines) == ("It is in your cart.", [("pasta-class", 11800)])
    assert model.startswith("gpt")


async def test_an_outage_is_answered_for_by_the_planner(shop: Engine, llmock: Any) -> None:
    llmock.outage()
    text, _lines, cause = await ask(shop, llmock.url)
    assert cause == "OpenAIAPIError"
    assert "Good choice" in text


@pytest.mark.parametrize("chunks", range(1, 6))
async def test_a_cut_off_tool_call_never_runs(shop: Engine, llmock: Any, chunks: int) -> None:
    llmock.call_tool("add_to_cart", {**ADD, "adults": 14}).reply("done")
    llmock.truncate(after_chunks=chunks)
    _text, lines, cause = await ask(shop, llmock.url)
    assert cause in ("BadModelReply", "JSONDecodeError")
    assert 14 * 5900 not in [amount for _product, amount in lines]


async def test_malformed_arguments_never_run(shop: Engine, llmock: Any) -> None:
    llmock.call_tool("add_to_cart", ADD).reply("done")
    llmock.break_tool_call("malformed_arguments")
    _text, _lines, cause = await ask(shop, llmock.url)
    assert cause == "JSONDecodeError"


async def test_a_stalled_model_is_given_up_within_its_time(shop: Engine, llmock: Any) -> None:
    llmock.reply("too late")
    llmock.stall()
    began = asyncio.get_running_loop().time()
    _text, _lines, cause = await ask(shop, llmock.url, seconds=1.0)
    assert cause == "TimeoutError"
    assert asyncio.get_running_loop().time() - began < 6
