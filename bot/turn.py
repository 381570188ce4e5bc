"""One turn: lease the waiting lines, run the graph over memory and facts, and close behind the fence.

Each model reply is recorded before its tools run, and every tool write is keyed by the turn; so a turn that is driven
again after a crash goes on from there, and the traveler sees one answer.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, message_to_dict

from bot import memory
from bot.context import Turn
from bot.languages import detect
from bot.links import Sieve, without_links
from core import conversations, handoff, usage
from core.engine import Actor, Engine
from core.errors import Fenced
from prompts import read
from tools.outcome import Desk, press

log = structlog.get_logger()

GIVE_UP_AFTER = 4  # tries at one turn before the traveler gets an apology and a way to a person

Say = Callable[[str, Mapping[str, Any]], None]  # (conversation id, {"mid", "offset", "text"})


async def run_turn(
    engine: Engine, agent: Any, conversation_id: str, owner: str, say: Say, *, started: Callable[[], None] = lambda: None
) -> int | None:
    """Answer everything that waits in a conversation; returns the answer's number, or None where there was nothing to do.

    Raises Busy where another worker answers here. `started` is called once there is something to answer; `say` gets the
    pieces of the text while they come.
    """
    row = await asyncio.to_thread(conversations.lease_turn, engine, conversation_id, owner)
    if row is None:
        return None
    started()
    if row.attempts > GIVE_UP_AFTER:
        return await _give_up(engine, row, owner, "the turn kept failing")
    prepared = await asyncio.to_thread(_prepare, engine, row, owner)
    turn, said, words = prepared
    try:
        messages = await _drive(agent, turn, [*said, HumanMessage("\n".join(words))], f"b-{row.id}", conversation_id, say)
    except Fenced:
        return None  # a person took over; nothing of this turn is said
    except Exception:
        log.exception("turn_failed", conversation=conversation_id, turn=row.id, attempt=row.attempts)
        return await _give_up(engine, row, owner, "the model and the planner both failed")
    new = messages[len(said) :]
    text = _final_text(new, turn)
    parts: list[Mapping[str, Any]] = [{"type": "text", "text": text}, *turn.parts]
    usage = _usage(new)
    seq = await asyncio.to_thread(
        conversations.close_turn,
        engine,
        row,
        owner,
        _in_order(parts),
        transcript=[message_to_dict(message) for message in new],
        model=next(reversed(turn.models), ""),
        tokens=usage,
    )
    if seq is not None:
        await asyncio.to_thread(handoff.consider, engine, conversation_id, "\n".join(words))
    return seq


def _prepare(engine: Engine, row: Any, owner: str) -> tuple[Turn, list[BaseMessage], list[str]]:
    with engine.db.read() as tx:
        conversation = conversations.get(tx, row.conversation_id)
        words = conversations.waiting_text(tx, row)
        used_up = usage.used_up(tx, engine.rules, row.conversation_id, engine.clock())
    actor = Actor(
        account_id=conversation.account_id,
        conversation_id=row.conversation_id,
        channel=conversation.channel,
        turn_id=row.id,
        epoch=row.epoch,
    )
    wanted = detect("\n".join(words)) if conversation.locale.split("-")[0] == "en" else None
    if wanted not in (None, "en"):
        with contextlib.suppress(Fenced):  # a person took over; they see what was written
            conversations.speak(engine, actor, str(wanted))
    turn = Turn(
        desk=Desk(engine, actor, run=owner),
        facts=memory.snapshot(engine, actor, row.from_seq),
        record=lambda replies: conversations.record_reply(engine, row.id, owner, replies),
        recorded=list(row.replies),
        used_up=used_up,
    )
    return turn, memory.history(engine, row.conversation_id), words


async def _drive(agent: Any, turn: Turn, messages: Sequence[BaseMessage], mid: str, conversation_id: str, say: Say) -> list[BaseMessage]:
    """Run the graph to its end; pieces of text go out by the id of the message they belong to, from the start again where
    another model took over."""
    final: list[BaseMessage] = []
    current, offset, sieve = None, 0, Sieve()
    async for part in agent.astream({"messages": list(messages)}, context=turn, stream_mode=["messages", "values"], version="v2"):
        if part["type"] == "values":
            final = part["data"]["messages"]
            continue
        chunk, about = part["data"]
        if about.get("langgraph_node") != "model" or not isinstance(chunk, AIMessage):
            continue
        if chunk.id != current:
            current, offset, sieve = chunk.id, 0, Sieve()
        piece = sieve.pass_on(chunk.text)
        if getattr(chunk, "chunk_position", "last") == "last":
            piece += sieve.rest()
        if piece:
            say(conversation_id, {"mid": mid, "offset": offset, "text": piece})
            offset += len(piece)
    return final


def _final_text(new: Sequence[BaseMessage], turn: Turn) -> str:
    """The model's last words; what a limit of the graph wrote in their place is never shown."""
    last = new[-1] if new else None
    ours = {kept["data"].get("id") for kept in turn.recorded}
    if isinstance(last, AIMessage) and last.text and last.id in ours:
        return without_links(last.text)
    return read("apology")


def _in_order(parts: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Text first, controls last, and of several summaries of the cart only the newest."""
    last_cart = max((i for i, part in enumerate(parts) if part["type"] in ("cart", "proposal")), default=-1)
    kept: list[Mapping[str, Any]] = [part for i, part in enumerate(parts) if part["type"] not in ("cart", "proposal") or i == last_cart]
    return sorted(kept, key=lambda part: part["type"] in ("quick_replies", "date_form"))


def _usage(messages: Sequence[BaseMessage]) -> tuple[int, int]:
    used = [message.usage_metadata for message in messages if isinstance(message, AIMessage) and message.usage_metadata]
    return sum(one["input_tokens"] for one in used), sum(one["output_tokens"] for one in used)


async def _give_up(engine: Engine, row: Any, owner: str, cause: str) -> int | None:
    """An apology, a button to a person, and a short transcript, so that the next turn starts whole."""
    log.error("turn_given_up", conversation=row.conversation_id, turn=row.id, cause=cause)
    apology = read("apology")

    def close() -> int | None:
        with engine.db.read() as tx:
            words = conversations.waiting_text(tx, row)
        parts: list[Mapping[str, Any]] = [
            {"type": "text", "text": apology},
            {"type": "quick_replies", "items": [press("talk_to_person", "human")]},
        ]
        transcript = [message_to_dict(HumanMessage("\n".join(words))), message_to_dict(AIMessage(apology))]
        seq = conversations.close_turn(engine, row, owner, parts, transcript=transcript, model="none")
        if seq is not None:
            handoff.consider(engine, row.conversation_id, "\n".join(words))
        return seq

    return await asyncio.to_thread(close)
