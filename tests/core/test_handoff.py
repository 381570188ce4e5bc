"""Who is brought in, in which order, by when, and what happens when nobody comes."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import insert, select, update

from core import conversations, experts, figures, handoff, people, triggers
from core.engine import Actor, Engine
from core.errors import AlreadyDecided, Invalid, NotAllowed, NotFound, Refused
from core.schema import audit_log, message, outbound, payment, turn
from core.schema import handoff as table
from tests import builders
from tests.conftest import Clock

OLGA = Actor("olga", role="operator", channel="console")


def expert(engine: Engine, name: str, *languages: str, capacity: int = 5, here: bool = True) -> Actor:
    with engine.db.write() as tx:
        people.ensure_account(tx, engine.clock(), name, name=name.title(), email=f"{name}@example.com")
        people.grant(tx, name, "expert")
    actor = Actor(name, role="expert", channel="console")
    experts.describe(engine, OLGA, name, languages=languages, capacity=capacity)
    if here:
        experts.beat(engine, actor)
    return actor


def asking(engine: Engine, reason: str = "asked_for_human", *, locale: str = "en") -> Actor:
    """A traveler who waits for a person."""
    conversation_id, _ = conversations.start(engine, channel="web", locale=locale)
    with engine.db.read() as tx:
        account_id = conversations.get(tx, conversation_id).account_id
    actor = Actor(account_id, conversation_id=conversation_id)
    handoff.ask_for_person(engine, actor, reason)
    return actor


def row_of(engine: Engine, actor: Actor):  # type: ignore[no-untyped-def]
    with engine.db.read() as tx:
        return tx.execute(select(table).where(table.c.conversation_id == actor.conversation_id).order_by(table.c.queued_at.desc())).first()


def states(engine: Engine, actor: Actor) -> list[str]:
    with engine.db.read() as tx:
        rows = tx.execute(
            select(message.c.data)
            .where(message.c.conversation_id == actor.conversation_id, message.c.kind == "state")
            .order_by(message.c.seq)
        ).scalars()
        return [data["text"] for data in rows]


def handled(engine: Engine, clock: Clock, who: Actor, times: int, minutes: int = 10) -> None:
    """So many conversations this expert has been through, one after the other."""
    for _ in range(times):
        one = asking(engine)
        experts.beat(engine, who)
        handoff.claim(engine, who, one.conversation_id)
        handoff.reply(engine, who, one.conversation_id, "Hello", client_id=f"r-{one.conversation_id[:8]}")
        clock.forward(minutes=minutes)
        handoff.give_back(engine, who, one.conversation_id)
    experts.beat(engine, who)


# ── triggers ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "text",
    [
        "Can I talk to a human please?",
        "I want to speak with a real person",
        "connect me to an agent",
        "get me a human agent",
        "Quero falar com uma pessoa",
        "quiero hablar con un agente",
        "je voudrais parler à quelqu’un",
        "Ich möchte mit einem Menschen sprechen",
        "vorrei parlare con un operatore",
    ],
)
def test_asking_for_a_person_is_heard(text: str) -> None:
    assert triggers.asks_for_person(text)


@pytest.mark.parametrize(
    "text",
    [
        "A boat trip for one person",
        "two people, one agent of change",
        "We want a tour with a person who speaks English",
        "dinner for 3 people with a human touch",
        "what do people talk about in Lisbon?",
    ],
)
def test_people_who_travel_are_no_wish_for_one(text: str) -> None:
    assert not triggers.asks_for_person(text)


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ("I want my money back", "refund"),
        ("My bank opened a chargeback", "dispute"),
        ("my father has epilepsy", "medical"),
        ("Is it fit for a wheelchair?", "accessibility"),
        ("Do I need a visa for Morocco?", "visa"),
        ("Meine Mutter sitzt im Rollstuhl", "accessibility"),
    ],
)
def test_policy_words_bring_a_person(text: str, topic: str) -> None:
    (found,) = triggers.of_words(text)
    assert (found.reason, topic in found.note) == ("policy", True)


def test_ordinary_words_bring_nobody() -> None:
    for text in ("A sunset sail on Saturday for two", "Pay with Visa card", "We are five friends", "Is dinner included?"):
        assert triggers.of_words(text) == []


def test_what_a_rule_finds_is_recorded_beside_what_the_model_says(engine: Engine) -> None:
    actor = builders.traveler(engine)
    handoff.ask_for_person(
        engine, Actor(actor.account_id, conversation_id=actor.conversation_id, turn_id="t"), "model_request", note="Unsure"
    )
    assert handoff.consider(engine, actor.conversation_id, "I want a refund and to talk to a human") == ["asked_for_human", "policy"]
    row = row_of(engine, actor)
    assert [(one["reason"], one["by"]) for one in row.triggers] == [
        ("model_request", "model"),
        ("asked_for_human", "rule"),
        ("policy", "rule"),
    ]
    assert (row.reason, row.priority) == ("model_request", 2)
    (queued,) = handoff.queue(engine)
    assert queued["reasons"] == ["model_request", "asked_for_human", "policy"]


def test_a_bot_that_fails_twice_brings_a_person_once(engine: Engine) -> None:
    actor = builders.traveler(engine)

    def failed(n: int) -> None:
        with engine.db.write() as tx:
            values = {
                "conversation_id": actor.conversation_id,
                "status": "done",
                "epoch": 0,
                "from_seq": n,
                "to_seq": n,
                "lease_owner": "w",
            }
            tx.execute(
                insert(turn).values(id=f"t{n}", leased_until=engine.clock(), replies=[], model="none", created_at=engine.clock(), **values)
            )

    failed(1)
    assert handoff.consider(engine, actor.conversation_id, "hm") == []
    failed(2)
    assert handoff.consider(engine, actor.conversation_id, "hm") == ["bot_failed"]
    handoff.leave_person(engine, actor)
    failed(3)
    assert handoff.consider(engine, actor.conversation_id, "hm") == []


def test_the_same_answer_three_times_is_a_loop(engine: Engine) -> None:
    actor = builders.traveler(engine)
    for n in range(3):
        with engine.db.write() as tx:
            conversations.append(
                tx, actor.conversation_id, "bot", [{"type": "text", "text": "Which day?"}], now=engine.clock(), turn_id=f"t{n}"
            )
    assert handoff.consider(engine, actor.conversation_id, "Saturday!") == ["loop"]


def test_many_people_and_much_money_bring_a_person(engine: Engine) -> None:
    builders.products(engine, "yacht", amount=300_000)
    actor = builders.traveler(engine)
    builders.add(engine, actor, "yacht")
    assert handoff.consider(engine, actor.conversation_id, "fine") == ["large_amount"]
    from core import trips

    trips.remember(engine, actor, {"party": {"ADULT": 20}})
    assert handoff.consider(engine, actor.conversation_id, "fine") == ["large_group"]


def test_a_payment_without_a_booking_and_an_overdue_host_bring_a_person_once(engine: Engine, clock: Clock) -> None:
    builders.products(engine, "walk", booking_type="REQUEST")
    actor = builders.traveler(engine)
    builders.add(engine, actor, "walk")
    builders.checkout(engine, actor)
    from core import requests

    (asked,) = requests.pending(engine, ["tejo"])
    clock.forward(hours=25)
    requests.expire_due(engine, asked["request_id"])
    for _ in range(2):
        handoff.sweep(engine)
    row = row_of(engine, actor)
    assert (row.reason, len(row.triggers)) == ("provider_overdue", 1)
    builders.products(engine, "kayak")
    other = builders.traveler(engine, email="b@example.com")
    payment_id = builders.buy(engine, "kayak", actor=other)
    with engine.db.write() as tx:
        tx.execute(update(payment).where(payment.c.id == payment_id).values(status="orphan"))
    handoff.sweep(engine)
    assert row_of(engine, other).reason == "payment_problem"
    handoff.leave_person(engine, other)
    handoff.sweep(engine)
    assert row_of(engine, other).status == "abandoned"  # asked once, not for ever


# ── the queue ─────────────────────────────────────────────────────────────────────────────────────


def test_weight_comes_first_until_age_outweighs_it(engine: Engine, clock: Clock) -> None:
    first = asking(engine)
    clock.forward(minutes=5)
    urgent = asking(engine, "payment_problem")
    assert [one["conversation_id"] for one in handoff.queue(engine)] == [urgent.conversation_id, first.conversation_id]
    clock.forward(minutes=60)
    late = asking(engine, "payment_problem")
    assert [one["conversation_id"] for one in handoff.queue(engine)] == [
        urgent.conversation_id,
        first.conversation_id,
        late.conversation_id,
    ]


def test_an_expert_sees_first_what_they_speak(engine: Engine, clock: Clock) -> None:
    german = asking(engine, locale="de-AT")
    clock.forward(minutes=1)
    english = asking(engine)
    eva, uwe = expert(engine, "eva", "en"), expert(engine, "uwe", "de", "en")
    assert [(one["language"], one["fits"]) for one in handoff.queue(engine, eva)] == [("en", True), ("de-AT", False)]
    assert [one["conversation_id"] for one in handoff.queue(engine, uwe)] == [german.conversation_id, english.conversation_id]


def test_nobody_takes_more_than_they_can(engine: Engine) -> None:
    eva = expert(engine, "eva", capacity=1)
    first, second = asking(engine), asking(engine)
    handoff.claim(engine, eva, first.conversation_id)
    with pytest.raises(Refused, match="1 conversations already"):
        handoff.claim(engine, eva, second.conversation_id)
    assert row_of(engine, second).status == "queued"


def test_no_number_is_promised_before_five_conversations(engine: Engine, clock: Clock) -> None:
    eva = expert(engine, "eva")
    handled(engine, clock, eva, 4)
    one = asking(engine)
    assert (states(engine, one), row_of(engine, one).promise_at) == (["waiting_for_person"], None)
    handled(engine, clock, eva, 1)
    two = asking(engine)
    assert states(engine, two) == ["waiting_promise"]
    assert row_of(engine, two).promise_at > engine.clock()


def test_a_promise_grows_with_those_ahead_and_is_measured(engine: Engine, clock: Clock) -> None:
    eva = expert(engine, "eva", capacity=1)
    handled(engine, clock, eva, 5)
    talking = asking(engine)
    handoff.claim(engine, eva, talking.conversation_id)
    waits = []
    for _ in range(3):
        waits.append(row_of(engine, asking(engine)).promise_at - clock())
        clock.forward(seconds=1)
    assert waits == [timedelta(minutes=18), timedelta(minutes=35), timedelta(minutes=52)]
    ends = row_of(engine, talking)
    assert ends.promise_at is not None
    handoff.reply(engine, eva, talking.conversation_id, "Hello", client_id="r")
    assert figures.read(engine, clock().date(), clock().date())["promises"] == {"given": 4, "kept": 1, "broken": 0}


def test_nobody_is_promised_while_nobody_works(engine: Engine, clock: Clock) -> None:
    experts.set_team(
        engine, OLGA, "lisbon", name="Lisbon", time_zone="Europe/Lisbon", hours={"3": [["09:00", "18:00"]]}, holidays=[date(2026, 11, 26)]
    )
    eva = expert(engine, "eva")
    experts.describe(engine, OLGA, "eva", team_id="lisbon")
    handled(engine, clock, eva, 5)  # by hand, outside the hours
    one = asking(engine)
    with engine.db.read() as tx:
        state = tx.execute(
            select(message.c.data).where(message.c.conversation_id == one.conversation_id, message.c.kind == "state")
        ).scalar_one()
    assert state["text"] == "waiting_opens"
    assert datetime.fromisoformat(state["opens_at"]) == datetime(2026, 12, 3, 9, tzinfo=UTC)  # a Thursday, and the next is a holiday
    clock.at = datetime(2026, 12, 3, 10, tzinfo=UTC)
    experts.beat(engine, eva)
    two = asking(engine)
    assert states(engine, two) == ["waiting_promise"]


def test_bad_hours_are_refused(engine: Engine) -> None:
    with pytest.raises(Invalid):
        experts.set_team(engine, OLGA, "x", name="X", time_zone="Mars/Base", hours={})
    with pytest.raises(Invalid):
        experts.set_team(engine, OLGA, "x", name="X", time_zone="UTC", hours={"1": [["18:00", "09:00"]]})
    with pytest.raises(NotAllowed):
        experts.set_team(engine, Actor("eva", role="expert"), "x", name="X", time_zone="UTC", hours={})


# ── giving it on ──────────────────────────────────────────────────────────────────────────────────


def test_a_transfer_keeps_the_place_and_fences_the_one_who_gave_it(engine: Engine, clock: Clock) -> None:
    eva, uwe = expert(engine, "eva"), expert(engine, "uwe")
    one = asking(engine)
    handoff.claim(engine, eva, one.conversation_id)
    clock.forward(minutes=3)
    asking(engine)
    handoff.transfer(engine, eva, one.conversation_id, to="uwe", note="They want a boat")
    assert handoff.queue(engine, uwe)[0]["conversation_id"] == one.conversation_id
    assert handoff.queue(engine, eva)[0]["conversation_id"] != one.conversation_id
    with pytest.raises(NotAllowed):
        handoff.give_back(engine, eva, one.conversation_id)
    handoff.claim(engine, uwe, one.conversation_id)
    with pytest.raises(AlreadyDecided):
        handoff.claim(engine, eva, one.conversation_id)
    assert states(engine, one) == ["waiting_for_person", "person_joined", "person_transfers", "person_joined"]
    with engine.db.read() as tx:
        seen = conversations.log_after(tx, one.conversation_id, 0)
        acts = tx.execute(select(audit_log.c.verb, audit_log.c.actor_id).where(audit_log.c.verb == "transfer")).all()
    assert "They want a boat" not in str([row.data for row in seen])
    assert [tuple(act) for act in acts] == [("transfer", "eva")]


def test_a_transfer_to_nobody_is_refused(engine: Engine) -> None:
    eva = expert(engine, "eva")
    one = asking(engine)
    handoff.claim(engine, eva, one.conversation_id)
    for to in ("eva", "ghost"):
        with pytest.raises(NotFound):
            handoff.transfer(engine, eva, one.conversation_id, to=to)
    assert row_of(engine, one).status == "active"


def test_returning_sums_up_what_was_arranged(engine: Engine) -> None:
    builders.products(engine)
    eva = expert(engine, "eva")
    actor = builders.traveler(engine)
    handoff.claim(engine, eva, actor.conversation_id)
    builders.add(engine, builders.expert_for(engine, actor, "eva"))
    handoff.give_back(engine, eva, actor.conversation_id)
    with engine.db.read() as tx:
        told = [row.data for row in conversations.log_after(tx, actor.conversation_id, 0) if row.role == "system" and row.kind == "message"]
    (part,) = told[-1]["parts"]
    assert (part["event"], part["facts"]["expert"], part["facts"]["lines"]) == ("handed_back", "Eva", ["Kayak"])
    assert part["facts"]["totals"] == {"EUR": 12_000}


def test_a_lost_heartbeat_gives_the_conversation_back_to_the_queue(engine: Engine, clock: Clock) -> None:
    eva, uwe = expert(engine, "eva"), expert(engine, "uwe")
    gone, kept = asking(engine), asking(engine)
    handoff.claim(engine, eva, gone.conversation_id)
    handoff.claim(engine, uwe, kept.conversation_id)
    clock.forward(minutes=6)
    experts.beat(engine, uwe)
    handoff.sweep(engine)
    assert (row_of(engine, gone).status, row_of(engine, kept).status) == ("queued", "active")
    assert states(engine, gone)[-1] == "person_lost"
    with engine.db.read() as tx:
        assert conversations.get(tx, gone.conversation_id).controller == "bot"
    handoff.claim(engine, uwe, gone.conversation_id)


def test_an_expert_who_writes_without_a_desk_is_not_lost(engine: Engine, clock: Clock) -> None:
    eva = expert(engine, "eva")
    one = asking(engine)
    handoff.claim(engine, eva, one.conversation_id)
    clock.forward(minutes=6)
    handoff.reply(engine, eva, one.conversation_id, "Still here", client_id="r")
    handoff.sweep(engine)
    assert row_of(engine, one).status == "active"
    elsewhere = asking(engine)
    handoff.claim(engine, Actor("eva", role="expert", channel="telegram"), elsewhere.conversation_id)
    clock.forward(minutes=30)
    handoff.sweep(engine)
    assert row_of(engine, elsewhere).status == "active"


def test_who_is_kept_waiting_gets_a_word_and_a_mail_and_stays_in_the_queue(engine: Engine, clock: Clock) -> None:
    actor = builders.traveler(engine)
    handoff.ask_for_person(engine, actor, "asked_for_human")
    clock.forward(minutes=19)
    handoff.sweep(engine)
    assert row_of(engine, actor).status == "queued"
    clock.forward(minutes=2)
    for _ in range(2):
        handoff.sweep(engine)
    assert (row_of(engine, actor).status, states(engine, actor)) == ("unattended", ["waiting_for_person", "still_waiting"])
    with engine.db.read() as tx:
        mails = tx.execute(select(outbound.c.address).where(outbound.c.notice == "call_back")).scalars().all()
    assert mails == ["ana@example.com"]
    assert [one["status"] for one in handoff.queue(engine)] == ["unattended"]
    handoff.claim(engine, expert(engine, "eva"), actor.conversation_id)
    assert row_of(engine, actor).status == "active"


def test_what_nobody_came_for_ends(engine: Engine, clock: Clock) -> None:
    one = asking(engine)
    clock.forward(days=2, minutes=1)
    assert handoff.sweep(engine) == 1
    assert row_of(engine, one).status == "abandoned"


def test_colleagues_are_shown_with_who_is_here(engine: Engine) -> None:
    eva = expert(engine, "eva")
    expert(engine, "uwe", "de", capacity=2)
    expert(engine, "zoe", here=False)
    assert [(one["name"], one["here"], one["free"]) for one in experts.colleagues(engine, eva)] == [("Uwe", True, 2), ("Zoe", False, 0)]
    experts.beat(engine, Actor("uwe", role="expert"), away=True)
    assert [one["here"] for one in experts.colleagues(engine, eva)] == [False, False]
