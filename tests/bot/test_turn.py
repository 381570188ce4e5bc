"""One turn: recorded before its tools run, driven again without doing anything twice, fenced, and never left without words."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import BaseMessage
from sqlalchemy import select, update

from bot.agent import build_agent
from bot.offline.model import OfflineModel
from bot.offline.plan import Step, do, say
from bot.offline.planner import OfflinePlanner
from bot.turn import run_turn
from core import carts, conversations, handoff
from core.db import Database
from core.engine import Actor, Engine
from core.errors import Busy
from core.people import ensure_account, grant
from core.schema import cart_item, conversation, turn
from prompts import read
from tests import market
from tests.conftest import Clock
from tests.gateway import MemoryGateway
from tests.talk import Talk

Planner = Callable[[Sequence[BaseMessage], Sequence[str]], Step]


@pytest.fixture
def shop(sqlite: Database, clock: Clock, gateway: MemoryGateway, tmp_path: Path) -> Engine:
    engine = Engine(db=sqlite, gateway=gateway, clock=clock)
    market.load(engine, tmp_path)
    return engine


def agent_of(planner: Planner, offline: Planner | None = None, *, timeout: float = 2) -> Any:
    live = OfflineModel(planner=planner)
    return build_agent("traveler", live, OfflineModel(planner=offline) if offline else live, read("traveler"), timeout=timeout)


def test_a_turn_that_died_after_its_tool_goes_on_without_adding_twice(shop: Engine) -> None:
    talk = Talk(shop)
    talk.say("pasta class in Rome on friday for two")
    planner = OfflinePlanner(shop)
    conversations.say(shop, talk.actor, "m1", "add the first one")

    async def killed_after_the_tool() -> None:
        loop = asyncio.get_running_loop()

        def dying(messages: Sequence[BaseMessage], names: Sequence[str]) -> Step:
            if messages[-1].type == "tool":
                loop.call_soon_threadsafe(running.cancel)
                threading.Event().wait(0.2)
            return planner(messages, names)

        running = asyncio.create_task(run_turn(shop, agent_of(dying), talk.conversation_id, "dead", lambda *_: None))
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(killed_after_the_tool())
    with shop.db.read() as tx:
        (row,) = tx.execute(select(turn).where(turn.c.status == "running")).all()
        assert len(row.replies) == 1
        assert len(tx.execute(select(cart_item)).all()) == 1

    with pytest.raises(Busy):
        asyncio.run(run_turn(shop, talk.agent, talk.conversation_id, "too early", lambda *_: None))
    with shop.db.write() as tx:
        assert conversations.reclaim_turns(tx, shop.clock()) == 1
    replayed: list[str] = []

    def counts(messages: Sequence[BaseMessage], names: Sequence[str]) -> Step:
        replayed.append(messages[-1].type)
        return planner(messages, names)

    asyncio.run(run_turn(shop, agent_of(counts), talk.conversation_id, "next", lambda *_: None))
    assert replayed == ["tool"]  # the first reply was played back, not asked for again
    with shop.db.read() as tx:
        assert len(tx.execute(select(cart_item)).all()) == 1
    talk.new()
    assert [part["type"] for part in talk.parts].count("text") == 2
    assert "Fresh pasta class" in talk.text


def test_a_search_that_is_driven_again_shows_everything_again(shop: Engine) -> None:
    """The first run died after its search had been remembered; nobody has seen its cards."""
    talk = Talk(shop)
    planner = OfflinePlanner(shop)
    conversations.say(shop, talk.actor, "m", "something fun in Lisbon on Saturday for two")

    async def killed_after_the_search() -> None:
        def dying(messages: Sequence[BaseMessage], names: Sequence[str]) -> Step:
            if messages[-1].type == "tool":
                running.get_loop().call_soon_threadsafe(running.cancel)
                return say("cut off")
            return planner(messages, names)

        running = asyncio.create_task(run_turn(shop, agent_of(dying), talk.conversation_id, "dead", lambda *_: None))
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(killed_after_the_search())
    with shop.db.write() as tx:
        assert conversations.reclaim_turns(tx, shop.clock()) == 1
    asyncio.run(run_turn(shop, talk.agent, talk.conversation_id, "next", lambda *_: None))
    assert "I found 3 activities in Lisbon" in talk.new()
    assert len(talk.cards()) == 3


def test_a_person_who_takes_over_in_the_middle_is_not_talked_over(shop: Engine) -> None:
    talk = Talk(shop)
    talk.say("pasta class in Rome on friday for two")
    with shop.db.write() as tx:
        ensure_account(tx, shop.clock(), "expert", name="Jonas", email="jonas@example.com")
        grant(tx, "expert", "expert")
    expert = Actor("expert", role="expert", channel="console")
    planner = OfflinePlanner(shop)

    def overtaken(messages: Sequence[BaseMessage], names: Sequence[str]) -> Step:
        if messages[-1].type == "human":
            handoff.claim(shop, expert, talk.conversation_id)
        return planner(messages, names)

    conversations.say(shop, talk.actor, "m1", "add the first one")
    assert asyncio.run(run_turn(shop, agent_of(overtaken), talk.conversation_id, "w", lambda *_: None)) is None
    assert carts.show(shop, talk.actor)["lines"] == []
    talk.new()
    assert talk.text == ""
    handoff.reply(shop, expert, talk.conversation_id, "Hello, this is Jonas.", client_id="e1")
    conversations.say(shop, talk.actor, "m2", "hi Jonas")
    assert asyncio.run(run_turn(shop, talk.agent, talk.conversation_id, "w", lambda *_: None)) is None
    handoff.give_back(shop, expert, talk.conversation_id)
    assert "2 cities" in talk.say("hello again")


def test_a_model_that_fails_is_answered_for_by_the_planner_and_the_cause_is_kept(shop: Engine) -> None:
    def broken(_messages: Sequence[BaseMessage], _names: Sequence[str]) -> Step:
        raise ConnectionError("no route")

    talk = Talk(shop, agent=agent_of(broken, OfflinePlanner(shop)))
    assert "I found an activity in Rome" in talk.say("pasta class in Rome on friday for two")
    with shop.db.read() as tx:
        assert tx.execute(select(turn.c.model)).scalars().all() == ["offline-planner"]


def test_an_empty_reply_is_no_answer(shop: Engine) -> None:
    talk = Talk(shop, agent=agent_of(lambda _m, _n: say(""), OfflinePlanner(shop)))
    assert "2 cities" in talk.say("hello")


def test_when_everything_fails_the_traveler_gets_words_and_a_person(shop: Engine) -> None:
    def broken(_messages: Sequence[BaseMessage], _names: Sequence[str]) -> Step:
        raise RuntimeError("planner broken")

    talk = Talk(shop, agent=agent_of(broken))
    assert "Nothing was booked" in talk.say("hello")
    assert [button["label"] for button in talk.of("quick_replies")[0]["items"]] == ["Talk to a person"]
    talk.agent = agent_of(OfflinePlanner(shop))
    assert "2 cities" in talk.say("hello")  # the thread is whole


def test_a_looping_model_is_stopped_and_its_limit_text_is_not_shown(shop: Engine) -> None:
    talk = Talk(shop, agent=agent_of(lambda _m, _n: do("show_cart")))
    talk.say("hello")
    assert "limit" not in talk.text.lower()
    assert "Nothing was booked" in talk.text


def test_tools_get_no_identity_or_price_from_the_model(shop: Engine) -> None:
    """Extra arguments are dropped: the actor comes from the channel, the amount from the rules."""

    def greedy(messages: Sequence[BaseMessage], _names: Sequence[str]) -> Step:
        if messages[-1].type == "tool":
            return say("done")
        return do(
            "add_to_cart",
            product_id="pasta-class",
            date="2026-11-27",
            adults=2,
            price=1,
            amount=1,
            account_id="somebody",
            actor="x",
            runtime="y",
        )

    talk = Talk(shop, agent=agent_of(greedy))
    talk.say("hello")
    view = carts.show(shop, talk.actor)
    assert [(line["product_id"], line["amount"]) for line in view["lines"]] == [("pasta-class", 11800)]


def test_lines_that_arrive_together_are_answered_together(shop: Engine) -> None:
    talk = Talk(shop)
    conversations.say(shop, talk.actor, "a", "pasta class in Rome")
    conversations.say(shop, talk.actor, "b", "on friday for two")
    talk.answer()
    talk.new()
    assert talk.cards()[0]["price"] == "€118"
    with shop.db.read() as tx:
        assert tx.execute(select(turn.c.from_seq, turn.c.to_seq)).all() == [(2, 3)]


def test_the_pieces_of_the_stream_are_the_answer(shop: Engine) -> None:
    talk = Talk(shop)
    answer = talk.say("hello")
    text = ""
    for delta in talk.deltas:
        assert delta["offset"] <= len(text)
        text = text[: delta["offset"]] + delta["text"]
    assert text == answer


def test_a_stale_epoch_writes_nothing(shop: Engine) -> None:
    talk = Talk(shop)
    conversations.say(shop, talk.actor, "a", "hello")
    row = conversations.lease_turn(shop, talk.conversation_id, "w")
    with shop.db.write() as tx:
        tx.execute(update(conversation).values(control_epoch=conversation.c.control_epoch + 1))
    assert conversations.close_turn(shop, row, "w", [{"type": "text", "text": "late"}], transcript=[]) is None
    talk.new()
    assert talk.text == ""
