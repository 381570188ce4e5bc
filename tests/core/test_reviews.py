"""Reviews: asked for once, only of what was attended and paid, counted to the tenth, answered once, hidden with a reason."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from core import attendance, privacy, reviews
from core.engine import Actor, Engine
from core.errors import AlreadyDecided, Expired, Invalid, NotAllowed, NotFound, Refused
from core.payments import collect
from core.schema import audit_log, booking, message, product, review
from tests import builders as b
from tests.conftest import Clock
from tests.gateway import MemoryGateway

CREW = Actor("p", role="provider", provider_ids=("tejo",))
OPERATOR = Actor("ines", role="operator")


def attended(engine: Engine, gateway: MemoryGateway, actor: Actor) -> str:
    """A kayak tour, booked and paid; its id."""
    payment_id = b.buy(engine, "kayak", actor=actor)
    collect.ensure_link(engine, payment_id)
    gateway.pay(f"cs_{len(gateway.pages)}")
    collect.sync(engine, payment_id)
    with engine.db.read() as tx:
        return str(tx.execute(select(booking.c.id).where(booking.c.account_id == actor.account_id)).scalar_one())


@pytest.fixture
def ana(engine: Engine) -> Actor:
    b.products(engine, "kayak")
    with engine.db.write() as tx:
        tx.execute(update(product).values(rating_tenths=46, rating_count=120, rating_source="sample"))
    return b.traveler(engine)


def over(engine: Engine, clock: Clock) -> None:
    """The next day at noon in Lisbon after the tour."""
    with engine.db.read() as tx:
        starts = tx.execute(select(booking.c.starts_at)).scalars().first()
    assert starts is not None
    clock.at = (starts + timedelta(days=1)).replace(hour=12, minute=0)


def asked(engine: Engine) -> list[list[str]]:
    with engine.db.read() as tx:
        parts = [part for row in tx.execute(select(message)) for part in row.data["parts"]]
    return [[one["label"] for one in part["actions"]] for part in parts if part.get("event") == "review_asked"]


def rating(engine: Engine) -> tuple[int | None, int, str]:
    with engine.db.read() as tx:
        row = tx.execute(select(product).where(product.c.id == "kayak")).one()
    return row.rating_tenths, row.rating_count, row.rating_source


def test_a_traveler_is_asked_once_and_by_day(engine: Engine, gateway: MemoryGateway, clock: Clock, ana: Actor) -> None:
    attended(engine, gateway, ana)
    assert reviews.sweep(engine) == 0
    over(engine, clock)
    clock.at = clock.at.replace(hour=2)
    assert reviews.sweep(engine) == 0
    clock.at = clock.at.replace(hour=12)
    assert [reviews.sweep(engine), reviews.sweep(engine)] == [1, 0]
    assert asked(engine) == [["stars_5", "stars_4", "stars_3", "stars_2", "stars_1"]]


def test_only_what_was_attended_and_paid(engine: Engine, gateway: MemoryGateway, clock: Clock, ana: Actor) -> None:
    booking_id = attended(engine, gateway, ana)
    with pytest.raises(Refused, match="not over yet"):
        reviews.rate(engine, ana, booking_id, stars=5)
    over(engine, clock)
    with pytest.raises(NotFound):
        reviews.rate(engine, b.traveler(engine, email="eve@example.com"), booking_id, stars=1)
    with pytest.raises(Invalid, match="one to five"):
        reviews.rate(engine, ana, booking_id, stars=6)
    with pytest.raises(Invalid, match="stars first"):
        reviews.rate(engine, ana, booking_id, text="Lovely")
    attendance.no_show(engine, CREW, booking_id)
    with pytest.raises(Refused, match="nobody came"):
        reviews.rate(engine, ana, booking_id, stars=1)
    assert reviews.sweep(engine) == 0
    assert rating(engine) == (46, 120, "sample")


def test_what_is_owed_is_not_reviewed(engine: Engine, gateway: MemoryGateway, clock: Clock, ana: Actor) -> None:
    booking_id = attended(engine, gateway, ana)
    with engine.db.write() as tx:
        tx.execute(update(booking).values(amount=booking.c.amount + 100, balance_due_at=clock()))
    over(engine, clock)
    with pytest.raises(Refused, match="not paid in full"):
        reviews.rate(engine, ana, booking_id, stars=5)
    assert reviews.sweep(engine) == 0 and asked(engine) == []


def test_samples_give_way_and_a_review_can_be_changed_for_two_weeks(
    engine: Engine, gateway: MemoryGateway, clock: Clock, ana: Actor
) -> None:
    first = attended(engine, gateway, ana)
    ben = b.traveler(engine, name="Ben", email="ben@example.com")
    second = attended(engine, gateway, ben)
    over(engine, clock)
    reviews.rate(engine, ana, first, stars=4)
    assert rating(engine) == (40, 1, "reviews")
    reviews.rate(engine, ben, second, stars=5)
    assert rating(engine) == (45, 2, "reviews")
    said = reviews.rate(engine, ana, first, text="Card 4242 4242 4242 4242, calm\u202e water")
    assert said == {"booking_id": first, "title": said["title"], "stars": 4, "text": "Card [card number removed], calm water"}
    clock.forward(days=14)
    assert reviews.rate(engine, ana, first, stars=2)["text"] == "Card [card number removed], calm water"
    assert rating(engine) == (35, 2, "reviews")
    clock.forward(seconds=1)
    with pytest.raises(Expired):
        reviews.rate(engine, ana, first, stars=1)
    assert reviews.sweep(engine) == 0


def test_answered_once_hidden_and_shown_again(engine: Engine, gateway: MemoryGateway, clock: Clock, ana: Actor) -> None:
    booking_id = attended(engine, gateway, ana)
    over(engine, clock)
    reviews.rate(engine, ana, booking_id, stars=1, text="Cold")
    review_id = reviews.listed(engine, ["tejo"])[0]["review_id"]
    assert reviews.listed(engine, ["others"]) == []
    for stranger in (Actor("q", role="provider", provider_ids=("others",)), ana):
        with pytest.raises(NotFound):
            reviews.answer(engine, stranger, review_id, "no")
    reviews.answer(engine, CREW, review_id, "We have warmer suits now.")
    with pytest.raises(AlreadyDecided):
        reviews.answer(engine, CREW, review_id, "Again")
    with pytest.raises(NotAllowed):
        reviews.hide(engine, CREW, review_id, "we do not like it")
    with pytest.raises(Invalid):
        reviews.hide(engine, OPERATOR, review_id, " ")
    reviews.hide(engine, OPERATOR, review_id, "Insults")
    assert rating(engine) == (None, 0, "reviews")
    with engine.db.read() as tx:
        assert reviews.of_product(tx, "kayak") == {"reviews": [], "hidden": 1}
    reviews.unhide(engine, OPERATOR, review_id)
    assert rating(engine) == (10, 1, "reviews")
    with engine.db.read() as tx:
        (one,) = reviews.of_product(tx, "kayak")["reviews"]
        verbs = tx.execute(select(audit_log.c.verb).where(audit_log.c.subject == f"review:{review_id}").order_by(audit_log.c.id)).scalars()
        assert list(verbs) == ["answer_review", "hide_review", "unhide_review"]
    assert (one["stars"], one["text"], one["answer"]) == (1, "Cold", "We have warmer suits now.")


def test_a_review_is_exported_and_its_words_forgotten(engine: Engine, gateway: MemoryGateway, clock: Clock, ana: Actor) -> None:
    booking_id = attended(engine, gateway, ana)
    over(engine, clock)
    reviews.rate(engine, ana, booking_id, stars=5, text="With my daughter Wilhelmina")
    assert "Wilhelmina" in json.dumps(privacy.export(engine, ana, ana.account_id)["review"])
    clock.forward(days=30)
    privacy.erase(engine, ana, ana.account_id)
    with engine.db.read() as tx:
        row = tx.execute(select(review)).one()
    assert (row.text, row.stars) == ("", 5)
    assert rating(engine) == (50, 1, "reviews")
