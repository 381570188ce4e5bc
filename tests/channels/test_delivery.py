"""Inbox and outbox without a wire: what is kept, in which order, and what becomes of a call that went wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from sqlalchemy import select, update

from channels import delivery, inbox
from channels.delivery import Courier, Gone, Later, NotTaken, Unreachable, Unsure
from channels.message import Call, Event, Outgoing, Sender
from core import conversations, handoff, identities, leases, notices
from core.engine import Actor, Engine
from core.errors import Busy, TryAgain
from core.schema import channel_identity, conversation, inbound, job, message_ref, outbound
from tests.conftest import Clock

LANE = identities.lane_of("telegram", "9", "7")


class Door:
    """A messenger that answers as it is told; `sent` is what arrived there."""

    channel, workspace = "telegram", "9"

    def __init__(self, *answers: Exception | None, twice: bool = False) -> None:
        self.answers = list(answers)
        self.sent: list[str] = []
        self.twice = twice

    def render(self, out: Outgoing, address: str, thread: str) -> list[Call]:
        return [Call("send", {"text": part["text"]}, twice=self.twice) for part in out.parts]

    async def call(self, call: Call) -> str:
        answer = self.answers.pop(0) if self.answers else None
        if answer is not None:
            raise answer
        self.sent.append(str(call.params["text"]))
        return str(len(self.sent))


def compose(_tx: Any, row: Any) -> Sequence[Outgoing]:
    return [Outgoing([{"type": "text", "text": text}], subject=row.content.get("subject", "")) for text in row.content["texts"]]


def queue(engine: Engine, key: str, *texts: str, **more: Any) -> None:
    with engine.db.write() as tx:
        notices.send(
            tx, channel="telegram", address="7", notice="parts", content={"texts": texts}, now=engine.clock(), key=key, lane=LANE, **more
        )


def run(engine: Engine, door: Door) -> None:
    asyncio.run(Courier(engine, [door], compose, lambda *_: None).run(LANE))


def states(engine: Engine) -> list[tuple[str, int, str | None]]:
    with engine.db.read() as tx:
        rows = tx.execute(select(outbound).where(outbound.c.lane == LANE).order_by(outbound.c.id)).all()
        return [(row.state, row.progress, row.error) for row in rows]


def test_messages_of_a_lane_go_out_in_order_and_once_a_key(engine: Engine) -> None:
    queue(engine, "a", "one", "two")
    queue(engine, "a", "one again")
    queue(engine, "b", "three")
    door = Door()
    run(engine, door)
    run(engine, door)
    assert door.sent == ["one", "two", "three"]
    assert states(engine) == [("sent", 2, None), ("sent", 1, None)]
    with engine.db.read() as tx:
        assert tx.execute(select(message_ref.c.external_id).order_by(message_ref.c.external_id)).scalars().all() == ["1", "2", "3"]


def test_a_pause_holds_the_lane_and_does_not_count_as_a_try(engine: Engine, clock: Clock) -> None:
    queue(engine, "a", "one")
    queue(engine, "b", "two")
    door = Door(*[Later(7)] * 9)
    for _ in range(9):
        run(engine, door)
        assert door.sent == []
        run(engine, door)  # too early: nothing is asked
        clock.forward(seconds=8)
    run(engine, door)
    assert door.sent == ["one", "two"]
    with engine.db.read() as tx:
        due = tx.execute(select(job.c.run_at).where(job.c.kind == "send")).scalars().all()
    assert len(due) == 1


def test_a_server_that_stumbles_is_asked_five_times(engine: Engine, clock: Clock) -> None:
    queue(engine, "a", "one")
    queue(engine, "b", "two")
    door = Door(*[Unreachable("502")] * 5)
    for _ in range(6):
        run(engine, door)
        clock.forward(seconds=120)
    assert door.sent == ["two"]
    assert states(engine) == [("failed", 0, "502"), ("sent", 1, None)]


def test_a_call_without_an_answer_is_uncertain_and_not_made_again(engine: Engine) -> None:
    queue(engine, "a", "one", "two")
    door = Door(Unsure("no answer in time"))
    run(engine, door)
    assert door.sent == ["two"]
    assert states(engine) == [("uncertain", 2, "no answer in time")]


def test_what_may_be_seen_twice_is_sent_again(engine: Engine, clock: Clock) -> None:
    queue(engine, "a", "one")
    door = Door(Unsure("no answer in time"), twice=True)
    run(engine, door)
    clock.forward(seconds=5)
    run(engine, door)
    assert door.sent == ["one"]
    assert states(engine) == [("sent", 1, None)]


@pytest.mark.parametrize(("twice", "sent", "state"), [(False, ["two"], "uncertain"), (True, ["one", "two"], "sent")])
def test_a_process_that_died_in_the_middle_of_a_call(engine: Engine, clock: Clock, twice: bool, sent: list[str], state: str) -> None:
    queue(engine, "a", "one", "two")
    with engine.db.write() as tx:
        tx.execute(update(outbound).values(state="sending", attempts=1, leased_until=clock() + delivery.LEASE))
    door = Door(twice=twice)
    with pytest.raises(Busy):
        run(engine, door)  # whoever sends may still be at it
    assert delivery.rescue(engine, everything=True) == 1
    run(engine, door)
    assert door.sent == sent
    assert [row[0] for row in states(engine)] == [state]


def test_a_refused_message_does_not_stop_the_lane_and_a_blocked_one_does(engine: Engine) -> None:
    with engine.db.write() as tx:
        identities.meet(tx, engine.clock(), channel="telegram", workspace="9", user_id="7", chat_id="7")
    for key in "abc":
        queue(engine, key, key)
    door = Door(NotTaken("Bad Request: message is too long"), Gone("Forbidden: bot was blocked by the user"))
    run(engine, door)
    assert door.sent == []
    assert [(state, error) for state, _, error in states(engine)] == [
        ("failed", "Bad Request: message is too long"),
        ("failed", "Forbidden: bot was blocked by the user"),
        ("dropped", "they cannot be written to here"),
    ]
    with engine.db.read() as tx:
        row = tx.execute(select(channel_identity)).one()
    assert row.blocked_at == engine.clock()


def test_a_fault_of_ours_in_one_message_does_not_hold_up_the_lane(engine: Engine) -> None:
    queue(engine, "a", "one")
    queue(engine, "b", "two")
    door = Door(KeyError("text"))
    run(engine, door)
    assert door.sent == ["two"]
    assert states(engine)[0] == ("failed", 0, "KeyError")


def test_a_bots_words_are_dropped_once_a_person_speaks(engine: Engine) -> None:
    conversation_id, _ = conversations.start(engine, channel="telegram")
    with engine.db.write() as tx:
        owner = conversations.get(tx, conversation_id).account_id
    queue(engine, "a", "what the bot said", conversation_id=conversation_id, epoch=0)
    queue(engine, "b", "what code said", conversation_id=conversation_id)
    with engine.db.write() as tx:
        tx.execute(update(conversation).values(controller="human", control_epoch=1, controller_expert_id=owner))
    door = Door()
    run(engine, door)
    assert door.sent == ["what code said"]
    assert states(engine)[0] == ("dropped", 0, "a person speaks here now")


# ── in ────────────────────────────────────────────────────────────────────────────────────────────


def said(number: int, text: str = "hello", **more: Any) -> Event:
    return Event("telegram", "9", str(number), "text", "7", Sender("7", "Ana"), text=text, **more)


def test_events_are_kept_once_and_dealt_with_in_order(engine: Engine) -> None:
    assert inbox.receive(engine, [said(1, "a"), said(2, "b")]) == 2
    assert inbox.receive(engine, [said(2, "b"), said(3, "c")]) == 1
    seen: list[str] = []
    assert inbox.work(engine, LANE, "w1", lambda event: seen.append(event.text)) == 3
    assert inbox.work(engine, LANE, "w1", lambda event: seen.append(event.text)) == 0
    assert seen == ["a", "b", "c"]


def test_an_event_that_keeps_failing_is_put_aside_and_the_lane_goes_on(engine: Engine) -> None:
    inbox.receive(engine, [said(1, "bad"), said(2, "good")])
    seen: list[str] = []

    def handle(event: Event) -> None:
        seen.append(event.text)
        if event.text == "bad":
            raise ValueError("a fault of ours")

    for _ in range(2):
        with pytest.raises(TryAgain):
            inbox.work(engine, LANE, "w1", handle)
    assert inbox.work(engine, LANE, "w1", handle) == 1
    assert seen == ["bad", "bad", "bad", "good"]
    with engine.db.read() as tx:
        rows = tx.execute(select(inbound.c.state, inbound.c.error).order_by(inbound.c.id)).all()
    assert [tuple(row) for row in rows] == [("dead", "ValueError"), ("done", None)]


def test_two_workers_do_not_share_a_lane(engine: Engine, clock: Clock) -> None:
    inbox.receive(engine, [said(1)])
    with engine.db.write() as tx:
        assert leases.take(tx, f"inbound:{LANE}", "other", clock() + inbox.LEASE, clock())
    with pytest.raises(Busy):
        inbox.work(engine, LANE, "me", lambda _event: None)
    clock.forward(seconds=61)
    assert inbox.work(engine, LANE, "me", lambda _event: None) == 1


def test_a_lease_is_renewed_by_its_owner_only(engine: Engine, clock: Clock) -> None:
    def take(owner: str) -> bool:
        with engine.db.write() as tx:
            return leases.take(tx, "poll:telegram:9", owner, clock() + inbox.LEASE, clock())

    assert (take("a"), take("b"), take("a")) == (True, False, True)
    with engine.db.write() as tx:
        leases.give_back(tx, "poll:telegram:9", "b")
    assert take("b") is False
    with engine.db.write() as tx:
        leases.reclaim(tx, "poll:")
    assert take("b") is True


def test_a_groups_own_talk_is_not_kept(engine: Engine) -> None:
    assert inbox.receive(engine, [said(1, private=False, addressed=False)]) == 0
    with engine.db.read() as tx:
        assert tx.execute(select(inbound)).all() == []


def test_a_flood_is_kept_but_not_answered(engine: Engine) -> None:
    inbox.receive(engine, [said(number) for number in range(inbox.MOST_A_MINUTE + 5)])
    seen: list[str] = []
    inbox.work(engine, LANE, "w", lambda event: seen.append(event.event_id))
    assert len(seen) == inbox.MOST_A_MINUTE


def test_a_lost_wake_up_is_found(engine: Engine, clock: Clock) -> None:
    inbox.receive(engine, [said(1)])
    with engine.db.write() as tx:
        tx.execute(job.delete())
    assert inbox.rescue(engine) == 0  # it may be on its way
    clock.forward(seconds=11)
    assert inbox.rescue(engine) == 1


def test_what_was_dealt_with_is_forgotten_after_a_week(engine: Engine, clock: Clock) -> None:
    inbox.receive(engine, [said(1), said(2)])
    inbox.work(engine, LANE, "w", lambda _event: None)
    inbox.receive(engine, [said(3)])
    clock.forward(days=8)
    inbox.rescue(engine)
    with engine.db.read() as tx:
        assert tx.execute(select(inbound.c.event_id)).scalars().all() == ["3"]  # what still waits is never thrown away


@pytest.mark.parametrize("change", [lambda token: token[:-1] + "x", lambda token: token.upper()])
def test_a_link_token_is_single_use_short_lived_and_unguessable(engine: Engine, clock: Clock, change: Callable[[str], str]) -> None:
    owner = _account(engine)
    token = identities.invite(engine, owner)
    assert len(token) == 34
    with engine.db.write() as tx:
        mine = identities.meet(tx, clock(), channel="telegram", workspace="9", user_id="7", chat_id="7")
        with pytest.raises(Exception, match="used or is too old"):
            identities.link(tx, mine, change(token), clock())
    clock.forward(minutes=16)
    with engine.db.write() as tx, pytest.raises(Exception, match="used or is too old"):
        identities.link(tx, mine, token, clock())
    fresh = identities.invite(engine, owner)
    with engine.db.write() as tx:
        assert identities.link(tx, mine, fresh, clock())["account_id"] == owner
    with engine.db.write() as tx, pytest.raises(Exception, match="used or is too old"):
        identities.link(tx, mine, fresh, clock())
    with engine.db.read() as tx:
        assert [row.external_user_id for row in identities.of_account(tx, owner, "telegram")] == ["7"]


def _account(engine: Engine) -> str:
    conversation_id, _ = conversations.start(engine, channel="web")
    with engine.db.read() as tx:
        return str(conversations.get(tx, conversation_id).account_id)


def test_a_staff_note_is_written_once(engine: Engine) -> None:
    conversation_id, _ = conversations.start(engine, channel="web")
    expert = Actor(_account(engine), role="expert")
    first = handoff.note(engine, expert, conversation_id, "be nice", client_id="telegram-9-1")
    assert handoff.note(engine, expert, conversation_id, "be nice", client_id="telegram-9-1") == first
