"""Reviews at the doors: the stars pressed in the chat, words after "review:", the trips page, the consoles and REST."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from bot.yes import review_words
from channels import inbox
from channels.render import Words
from core import reviews
from core.engine import Actor
from core.people import api_token
from core.schema import action, booking, message, review
from tests import builders
from tests.channels.conftest import Live
from tests.channels.test_trips import Guest, bought
from tests.gateway import MemoryGateway
from tools.outcome import Desk
from tools.search import get_details


@pytest.fixture
def ana(live: Live) -> Actor:
    return builders.traveler(live.house.engine)


def after(live: Live, booking_id: str) -> None:
    """The tour was two days ago at ten, and today is the day it is asked about; the clock of this house stands still."""
    engine = live.house.engine
    with engine.db.write() as tx:
        tx.execute(update(booking).where(booking.c.id == booking_id).values(starts_at=engine.clock() - timedelta(days=2)))


def told(live: Live, event: str) -> list[dict[str, object]]:
    with live.house.engine.db.read() as tx:
        rows = tx.execute(select(message).order_by(message.c.seq)).all()
    return [part["facts"] for row in rows for part in row.data["parts"] if part.get("event") == event]


def said(live: Live) -> tuple[int, str]:
    with live.house.engine.db.read() as tx:
        row = tx.execute(select(review)).one()
    return row.stars, row.text


def test_a_star_pressed_in_the_chat_and_words_after_it(live: Live, ana: Actor, gateway: MemoryGateway) -> None:
    engine = live.house.engine
    booking_id = bought(live, ana, gateway)
    after(live, booking_id)
    inbox.say(engine, ana, "c0", "review: before any stars")
    reviews._ask(engine, booking_id, engine.clock())
    with engine.db.read() as tx:
        pressed = tx.execute(select(action.c.id).where(action.c.verb == "rate", action.c.label == "stars_4")).scalar_one()
    inbox.press(engine, ana, "c1", pressed, {})
    assert said(live) == (4, "")
    for _ in range(2):
        inbox.say(engine, ana, "c2", "Review: <b>calm</b> water\nand ducks")
    assert said(live) == (4, "<b>calm</b> water\nand ducks")
    assert [len(told(live, "review_stars")), len(told(live, "review_words"))] == [1, 1]
    outcome = get_details(Desk(engine, ana), "kayak")
    assert outcome.data["quoted_from_travelers"] == [{"stars": 4, "text": "<b>calm</b> water\nand ducks"}]
    lines = Words("http://house.example", "en").draw(outcome.parts[0])[0]["lines"]
    assert "\u2605 4.0; reviews by travelers who were there: 1" in lines
    assert any(line.startswith("\u2605\u2605\u2605\u2605\u2606") and "ducks" in line for line in lines)


@pytest.mark.parametrize(
    ("text", "words"),
    [("review: fine", "fine"), ("Rese\u00f1a: muy bien", "muy bien"), ("a review: no", ""), ("review:", ""), ("reviews: all", "")],
)
def test_only_a_line_that_begins_so_is_a_review(text: str, words: str) -> None:
    assert review_words(text) == words


def test_from_the_trips_page_to_the_consoles_and_out_by_rest(live: Live, ana: Actor, gateway: MemoryGateway) -> None:
    booking_id = bought(live, ana, gateway)
    guest = Guest(live, ana)
    assert "How was it?" not in guest.look()
    assert guest.post("review", booking=booking_id, stars="5").status_code == 409
    after(live, booking_id)
    assert "How was it?" in guest.look()
    assert guest.post("review", booking=booking_id, stars="0", text="x").status_code == 422
    assert guest.post("review", booking=booking_id, stars="2", text="<script>alert(1)</script>").status_code == 303
    page = guest.look()
    assert "You gave 2 of 5 stars." in page and "&lt;script&gt;" in page and "<script>alert" not in page

    crew = live.person("Paulo Provider", "provider", "tejo")
    seen = crew.get("/reviews").text
    assert "&lt;script&gt;" in seen and "Hide" not in seen
    proof, found = _csrf(seen), re.search(r"/reviews/(\w+)/answer", seen)
    assert found is not None
    path = f"/reviews/{found[1]}"
    assert crew.post(f"{path}/hide", data={"csrf": proof, "reason": "bad for us"}).status_code == 403
    assert crew.post(f"{path}/answer", data={"csrf": proof, "text": "Sorry!"}).status_code == 303
    assert crew.post(f"{path}/answer", data={"csrf": proof, "text": "Again"}).status_code == 409
    assert "Sorry!" in guest.look()

    rest = live.client(authorization=f"Bearer {api_token(live.house.engine, ana.account_id)}")
    house = live.person("Ines Operator", "operator")
    proof = _csrf(house.get("/reviews").text)
    public = rest.get("/api/catalogue/products/kayak/reviews/").json()
    assert public["rating"] == {"mean": 2.0, "count": 1, "source": "reviews"}
    assert [(one["stars"], one["answer"]) for one in public["reviews"]] == [(2, "Sorry!")]
    assert house.post(f"{path}/hide", data={"csrf": proof, "reason": "Script"}).status_code == 303
    public = rest.get("/api/catalogue/products/kayak/reviews/").json()
    assert (public["rating"], public["reviews"], public["hidden"]) == (None, [], 1)
    assert "We do not show this review: Script" in guest.look()


def _csrf(text: str) -> str:
    found = re.search(r'name="csrf" content="([^"]+)"', text)
    assert found is not None
    return found[1]
