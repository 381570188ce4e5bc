"""A provider's answer: one of several wins, the places follow it, and silence ends in time."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import select

from core import bookings, handoff, holds, requests
from core.availability import Ask
from core.engine import Actor, Engine
from core.errors import AlreadyDecided, Expired, NotAllowed, NotFound, WrongState
from core.people import ensure_account, grant, redeem_sign_in, revoke_session, sign_in_link, who
from core.schema import booking, booking_event, hold, message
from tests import market
from tests.conftest import Clock
from tests.core.test_holds import SATURDAY, counters, order, traveler

WALK = Ask("alfama-walk", None, SATURDAY, None, "", {"ADULT": 2})
PROVIDER = Actor("p", role="provider", provider_ids=("tejo-days",), channel="console")


@pytest.fixture
def shop(engine: Engine, tmp_path: Path) -> Engine:
    market.load(engine, tmp_path)
    with engine.db.write() as tx:
        for person in ("p", "q", "expert", "other"):
            ensure_account(tx, engine.clock(), person, name=person.title(), email=f"{person}@example.com")
        grant(tx, "expert", "expert")
    return engine


def asked(engine: Engine, actor: Actor | None = None) -> str:
    order(engine, actor or traveler(engine), WALK)
    (one,) = requests.pending(engine, ("tejo-days",))
    return str(one["request_id"])


def status(engine: Engine) -> str:
    with engine.db.read() as tx:
        return str(tx.execute(select(booking.c.status)).scalar_one())


def events(engine: Engine, actor: Actor) -> list[str]:
    with engine.db.read() as tx:
        rows = tx.execute(select(message.c.data).where(message.c.conversation_id == actor.conversation_id).order_by(message.c.seq))
        return [part["event"] for row in rows for part in row.data.get("parts", ()) if part["type"] == "event"]


def test_of_ten_answers_at_once_one_counts_and_the_others_hear_who_decided(shop: Engine) -> None:
    request_id = asked(shop)
    start = threading.Barrier(10)

    def answer(n: int) -> str:
        start.wait()
        try:
            return str(requests.decide(shop, PROVIDER, request_id, "approve" if n % 2 else "decline")["status"])
        except AlreadyDecided as error:
            assert error.facts["by"] == "P"
            return "late"

    with ThreadPoolExecutor(10) as pool:
        outcomes = list(pool.map(answer, range(10)))
    assert outcomes.count("late") == 9
    assert status(shop) == ("ON_HOLD" if "approved" in outcomes else "REJECTED")
    counters(shop)


def test_a_no_frees_the_places_and_tells_why(shop: Engine) -> None:
    actor = traveler(shop)
    request_id = asked(shop, actor)
    assert list(counters(shop).values()) == [(1, 0)]
    requests.decide(shop, PROVIDER, request_id, "decline", answer="I am ill, sorry")
    assert status(shop) == "REJECTED"
    assert list(counters(shop).values()) == [(0, 0)]
    assert events(shop, actor) == ["request_sent", "request_declined"]
    order(shop, traveler(shop), WALK)  # somebody else can have them


def test_silence_ends_at_the_deadline_and_a_late_answer_is_refused(shop: Engine, clock: Clock) -> None:
    actor = traveler(shop)
    request_id = asked(shop, actor)
    assert requests.expire_due(shop, request_id) is False
    clock.forward(hours=24, seconds=1)
    with pytest.raises(Expired):
        requests.decide(shop, PROVIDER, request_id, "approve")
    assert requests.sweep(shop) == 1
    assert requests.sweep(shop) == 0
    assert status(shop) == "EXPIRED"
    assert list(counters(shop).values()) == [(0, 0)]
    with pytest.raises(AlreadyDecided):
        requests.decide(shop, PROVIDER, request_id, "approve")
    assert events(shop, actor) == ["request_sent", "request_expired"]


def test_another_provider_sees_and_decides_nothing(shop: Engine) -> None:
    request_id = asked(shop)
    stranger = Actor("q", role="provider", provider_ids=("casa-alta",))
    assert requests.pending(shop, stranger.provider_ids) == []
    with pytest.raises(NotFound):
        requests.decide(shop, stranger, request_id, "approve")
    assert status(shop) == "PENDING"


def test_the_traveler_can_take_a_request_back_but_only_their_own(shop: Engine) -> None:
    actor = traveler(shop)
    asked(shop, actor)
    (row,) = bookings.of_conversation(shop, actor)
    with pytest.raises(NotFound):
        requests.withdraw(shop, traveler(shop), row["booking_id"])
    assert requests.withdraw(shop, actor, row["booking_id"])["status"] == "CANCELLED"
    assert list(counters(shop).values()) == [(0, 0)]
    with pytest.raises(WrongState):
        requests.withdraw(shop, actor, row["booking_id"])
    with shop.db.read() as tx:
        moves = tx.execute(select(booking_event.c.event, booking_event.c.to_status).order_by(booking_event.c.id)).all()
    assert [tuple(move) for move in moves] == [("reserve", "ON_HOLD"), ("send_request", "PENDING"), ("withdraw", "CANCELLED")]


def test_one_expert_wins_a_conversation_and_only_they_give_it_back(shop: Engine) -> None:
    actor = traveler(shop)
    handoff.ask_for_person(shop, actor, "asked_for_human")
    assert handoff.ask_for_person(shop, actor, "asked_for_human")["ahead"] == 0
    assert len(handoff.queue(shop)) == 1
    start = threading.Barrier(4)

    def claim(name: str) -> str:
        start.wait()
        try:
            handoff.claim(shop, Actor(name, role="expert"), actor.conversation_id)
        except AlreadyDecided:
            return "late"
        return name

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(claim, ("expert", "other", "p", "q")))
    (winner,) = [name for name in outcomes if name != "late"]
    loser = next(name for name in ("expert", "other") if name != winner)
    with pytest.raises(NotAllowed):
        handoff.give_back(shop, Actor(loser, role="expert"), actor.conversation_id)
    with pytest.raises(NotAllowed):
        handoff.claim(shop, actor, actor.conversation_id)
    assert handoff.give_back(shop, Actor(winner, role="expert"), actor.conversation_id)["mode"] == "bot"
    assert handoff.queue(shop) == []


def test_a_sign_in_link_works_once_and_a_session_can_be_revoked(shop: Engine, clock: Clock) -> None:
    token = sign_in_link(shop, "expert")
    session = redeem_sign_in(shop, token)
    with pytest.raises(NotAllowed):
        redeem_sign_in(shop, token)
    with shop.db.write() as tx:
        person = who(tx, session, "console", clock())
        assert person is not None
        assert person.has("expert")
        assert not person.has("operator")
        assert who(tx, session, "chat", clock()) is None
        revoke_session(tx, person.session_id, clock())
        assert who(tx, session, "console", clock()) is None
    late = sign_in_link(shop, "expert")
    clock.forward(hours=25)
    with pytest.raises(NotAllowed):
        redeem_sign_in(shop, late)


def test_holds_outlive_the_page_they_wait_for(shop: Engine, clock: Clock) -> None:
    """The hold of an approved request reaches past its own payment deadline."""
    request_id = asked(shop)
    requests.decide(shop, PROVIDER, request_id, "approve")
    with shop.db.read() as tx:
        row = tx.execute(select(booking.c.pay_by, booking.c.id)).one()
        assert holds.drift(tx) == []
        ends = tx.execute(select(hold.c.expires_at).where(hold.c.booking_id == row.id)).scalar_one()
    assert ends > row.pay_by
