"""Whole conversations over the real graph, tools and rules: what a traveler reads, and what is true afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select, update

from channels import inbox
from core import carts, requests
from core.db import Database
from core.engine import Actor, Engine
from core.errors import Invalid, NotFound
from core.payments import collect
from core.schema import booking, cart_item, message, payment, product, rate_plan, slot, turn
from tests import market
from tests.conftest import Clock
from tests.gateway import MemoryGateway
from tests.talk import Talk

DETAILS = {"name": "Ana Silva", "email": "ana@example.com", "terms": True, "requests": "a birthday"}


@pytest.fixture
def sold(engine: Engine, tmp_path: Path) -> Engine:
    market.load(engine, tmp_path)
    return engine


@pytest.fixture
def shop(sqlite: Database, clock: Clock, gateway: MemoryGateway, tmp_path: Path) -> Engine:
    engine = Engine(db=sqlite, gateway=gateway, clock=clock)
    market.load(engine, tmp_path)
    return engine


def lines(talk: Talk) -> list[tuple[str, int]]:
    view = carts.show(talk.engine, talk.actor)
    return [(line["product_id"], line["amount"]) for line in view["lines"]]


def places(engine: Engine, resource: str) -> list[tuple[int, int]]:
    with engine.db.read() as tx:
        rows = tx.execute(select(slot.c.held, slot.c.booked).where(slot.c.resource_id.like(f"{resource}%"))).all()
    return [(row.held, row.booked) for row in rows]


def statuses(engine: Engine) -> dict[str, str]:
    with engine.db.read() as tx:
        return {row.product_id: row.status for row in tx.execute(select(booking.c.product_id, booking.c.status))}


def test_from_a_wish_to_a_paid_and_an_approved_booking(sold: Engine, gateway: MemoryGateway) -> None:
    """The main job on both databases: mixed cart, one yes, a payment that counts only once fetched, an approval."""
    talk = Talk(sold)
    assert "2 cities" in talk.say("hi")
    assert "3 activities in Lisbon for two on Sat 5 Dec" in talk.say("something fun in Lisbon next Saturday for two")
    assert talk.cards()[0]["title"] == "Sunset sail on the Tejo"
    assert talk.cards()[0]["price"] == "€96"
    talk.press("Add to trip")
    talk.say("and dinner in the evening")
    talk.say("book the fado dinner at 9pm")
    talk.say("a private guide")
    talk.say("add it")
    assert lines(talk) == [("sunset-sail", 9600), ("fado-dinner", 8400), ("alfama-walk", 12000)]
    assert "€300" in talk.say("what's the total?")

    talk.say("checkout")
    assert talk.of("summary")[0]["total"]["amount"] == "€300"
    talk.say("yes")
    assert statuses(sold) == {}  # a yes without a name books nothing
    talk.press("Confirm and book", DETAILS)
    assert statuses(sold) == {"sunset-sail": "ON_HOLD", "fado-dinner": "ON_HOLD", "alfama-walk": "PENDING"}
    assert places(sold, "sunset-sail") == [(2, 0)]
    (link,) = [button for part in talk.of("status") for button in part["buttons"] if button.get("pays")]
    assert link["label"] == "Pay now · €180"

    talk.say("I have paid")
    assert "not been paid yet" in talk.text
    assert statuses(sold)["sunset-sail"] == "ON_HOLD"
    gateway.pay("cs_1")
    talk.say("I have paid")
    assert statuses(sold) == {"sunset-sail": "CONFIRMED", "fado-dinner": "CONFIRMED", "alfama-walk": "PENDING"}
    assert places(sold, "sunset-sail") == [(0, 2)]

    provider = Actor("demo-provider", role="provider", provider_ids=("tejo-days",))
    (waiting,) = requests.pending(sold, ("tejo-days",))
    assert (waiting["amount"], waiting["payout"], waiting["note"]) == (12000, 10560, "a birthday")
    requests.decide(sold, provider, waiting["request_id"], "approve", answer="See you at the cathedral")
    talk.new()
    assert [part["title"] for part in talk.of("status")] == ["Tejo Days said yes"]
    with sold.db.read() as tx:
        (open_one,) = tx.execute(select(payment.c.id).where(payment.c.status == "new")).all()
    collect.ensure_link(sold, open_one.id)
    gateway.pay("cs_2")
    collect.sync(sold, open_one.id)
    talk.new()
    assert statuses(sold)["alfama-walk"] == "CONFIRMED"
    assert [part["title"] for part in talk.of("status")] == ["Your places are held. Please pay €120.", "Booked and confirmed"]


def test_choosing_by_number_asks_for_the_time_that_is_missing(shop: Engine) -> None:
    talk = Talk(shop)
    talk.say("something fun in Lisbon on Saturday for two")
    assert "10:00 and 15:00" in talk.say("the second one")
    talk.say("the afternoon one")
    with shop.db.read() as tx:
        (row,) = tx.execute(select(cart_item)).all()
    assert (row.product_id, row.local_start, row.units) == ("tile-workshop", "15:00", {"ADULT": 2})


def test_several_wishes_in_one_sentence_are_each_answered_and_counted_on(shop: Engine) -> None:
    talk = Talk(shop)
    talk.say("A boat trip tomorrow, dinner on Friday and a hotel for 2 nights in Lisbon for 2")
    assert [card["title"] for card in talk.cards()] == ["Sunset sail on the Tejo", "Dinner with fado at Tasca da Bica", "Casa do Miradouro"]
    talk.say("the third one")
    with shop.db.read() as tx:
        (row,) = tx.execute(select(cart_item)).all()
    assert (row.product_id, row.local_date.isoformat(), row.end_date.isoformat()) == ("casa-miradouro", "2026-11-27", "2026-11-29")


def test_changes_touch_what_was_meant(shop: Engine) -> None:
    talk = Talk(shop)
    talk.say("a pasta class in Rome on Friday for two")
    talk.press("Add to trip")
    talk.say("a hotel there for 2 nights")
    talk.press("Add to trip")
    assert lines(talk) == [("pasta-class", 11800), ("trastevere-loft", 28000)]
    talk.say("make it three people")
    assert lines(talk) == [("pasta-class", 17700), ("trastevere-loft", 28000)]
    talk.say("change the pasta class to Saturday")
    with shop.db.read() as tx:
        days = {row.product_id: row.local_date.isoformat() for row in tx.execute(select(cart_item))}
    assert days == {"pasta-class": "2026-11-28", "trastevere-loft": "2026-11-27"}
    talk.say("remove the pasta class")
    assert lines(talk) == [("trastevere-loft", 28000)]
    assert "Your trip is empty" in talk.say("remove everything")


def test_what_is_missing_is_asked_once_and_remembered(shop: Engine) -> None:
    talk = Talk(shop)
    assert "Where would you like to go" in talk.say("I want to go on a boat for two people on Saturday")
    assert "that fits best, and others" in talk.say("Lisbon")
    assert talk.cards()[0]["title"] == "Sunset sail on the Tejo"
    assert talk.cards()[0]["price_note"] == "for 2 adults"


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ("something in Lisbon yesterday for two", "is in the past"),
        ("500 people in Lisbon tomorrow", "up to 50"),
        ("a boat in Lisbon tomorrow for 0 people", "At least one person"),
        ("a hotel in Vladivostok", "We have nothing in Vladivostok"),
        ("asdf qwer zxcv", "not sure I understood"),
        ("🎉🎉🎉", "not sure I understood"),
        ("ボートに乗りたい", "not sure I understood"),
        ("<script>alert(1)</script>", "not sure I understood"),
        ("'; DROP TABLE booking; --", "Your cart is empty"),
        ("what's the weather like", "outside what I can do"),
    ],
)
def test_bad_input_gets_a_sentence_and_changes_nothing(shop: Engine, words: str, answer: str) -> None:
    talk = Talk(shop)
    assert answer in talk.say(words)
    assert lines(talk) == []


def test_not_understanding_twice_offers_a_person_first(shop: Engine) -> None:
    talk = Talk(shop)
    talk.say("qwer tzui")
    talk.say("asdf ghjk")
    assert talk.of("quick_replies")[0]["items"][0]["label"] == "Talk to a person"


def test_sold_out_says_which_days_are_free_instead(shop: Engine) -> None:
    first, second = Talk(shop), Talk(shop)
    for talk, people in ((first, 8), (second, 4)):
        talk.say(f"a sunset sail in Lisbon on Saturday for {people}")
    first.press("Add to trip")
    first.say("checkout")
    first.press("Confirm")
    first.press("Confirm and book", DETAILS)
    assert places(shop, "sunset-sail") == [(8, 0)]
    second.say("book the sunset sail")
    assert "not available on Sat 28 Nov" in second.text
    assert "free on Sun 29 Nov" in second.text
    assert lines(second) == []


def test_a_yes_with_something_behind_it_is_talk(shop: Engine) -> None:
    talk = Talk(shop)
    talk.say("pasta class in Rome tomorrow for two")
    talk.press("Add to trip")
    talk.say("checkout")
    talk.say("Yes, please. And for three people")
    assert statuses(shop) == {}
    assert lines(talk) == [("pasta-class", 17700)]


def test_the_same_press_twice_books_once(shop: Engine) -> None:
    talk = Talk(shop)
    talk.say("pasta class in Rome tomorrow for two")
    talk.press("Add to trip")
    talk.say("checkout")
    talk.press("Confirm")
    confirm = talk.button("Confirm and book")
    for _ in range(2):
        inbox.press(shop, talk.actor, "the-same-id", confirm["action"], DETAILS)
    inbox.press(shop, talk.actor, "another-id", confirm["action"], DETAILS)
    assert statuses(shop) == {"pasta-class": "ON_HOLD"}
    with shop.db.read() as tx:
        assert len(tx.execute(select(payment.c.id)).all()) == 1
        assert len(tx.execute(select(booking.c.id)).all()) == 1


def test_a_price_that_changed_after_the_total_was_shown_books_nothing_and_says_both(shop: Engine) -> None:
    talk = Talk(shop)
    talk.say("a pasta class in Rome tomorrow for two")
    talk.press("Add to trip")
    talk.say("checkout")
    talk.press("Confirm")
    confirm = talk.button("Confirm and book")
    with shop.db.write() as tx:
        tx.execute(update(rate_plan).where(rate_plan.c.option_id.like("pasta-class%")).values(amount=6500))
    inbox.press(shop, talk.actor, "late", confirm["action"], DETAILS)
    talk.new()
    assert "price has changed" in talk.text
    assert statuses(shop) == {}
    talk.say("checkout")
    assert "Some prices have changed" in talk.text
    (line,) = talk.of("summary")[0]["groups"][0]["lines"]
    assert (line["amount"], line["strike"]) == ("€130", "€118")


def test_a_card_number_in_the_chat_is_stored_nowhere(shop: Engine) -> None:
    talk = Talk(shop)
    talk.say("my card is 4242 4242 4242 4242, a boat in Lisbon tomorrow")
    with shop.db.read() as tx:
        said = [str(row.data) for row in tx.execute(select(message.c.data))]
        thought = [str(row.transcript) for row in tx.execute(select(turn.c.transcript))]
    assert "4242 4242" not in "".join(said + thought)
    assert "[card number removed]" in "".join(said)


def test_another_persons_button_is_refused(shop: Engine) -> None:
    owner, stranger = Talk(shop), Talk(shop)
    owner.say("a pasta class in Rome tomorrow for two")
    action = owner.button("Add to trip")["action"]
    with pytest.raises(NotFound):
        inbox.press(shop, stranger.actor, "x", action, {})
    with pytest.raises(NotFound):
        inbox.press(shop, owner.actor, "y", "not-a-button", {})
    assert lines(owner) == lines(stranger) == []


def test_the_date_form_is_checked_and_says_what_was_chosen(shop: Engine) -> None:
    talk = Talk(shop)
    talk.say("a hotel in Lisbon")
    (form,) = talk.of("form")
    assert [field["name"] for field in form["fields"]] == ["date", "end_date", "adults", "children", "infants"]
    for fields, wrong in (
        ({"date": "2026-11-01", "end_date": "2026-11-03", "adults": "2"}, "date"),
        ({"date": "2026-12-03", "end_date": "2026-12-01", "adults": "2"}, "end_date"),
        ({"date": "2026-12-01", "end_date": "2026-12-03", "adults": "0"}, "adults"),
        ({"date": "soon", "end_date": "2026-12-03", "adults": "2"}, "date"),
        ({"date": "2026-12-01", "end_date": "2026-12-03", "adults": "many"}, "adults"),
    ):
        with pytest.raises(Invalid) as caught:
            inbox.press(shop, talk.actor, "f", form["submit"]["action"], fields)
        assert caught.value.field == wrong
    talk.press("Send", {"date": "2026-12-01", "end_date": "2026-12-03", "adults": "2", "children": "0"})
    assert talk.cards()[0]["price"] == "€180"
    assert talk.cards()[0]["price_note"] == "2 nights, 2 adults"


def test_what_was_offered_is_added_for_the_days_and_the_room_it_was_offered_with(shop: Engine) -> None:
    """One message asks for three things on three days; each is added for its own."""
    talk = Talk(shop)
    talk.say("A hotel in Lisbon for 2 nights from Friday, dinner on Friday and a boat trip on Saturday for 2")
    assert [card["title"] for card in talk.cards()] == ["Casa do Miradouro", "Dinner with fado at Tasca da Bica", "Sunset sail on the Tejo"]
    talk.say("the first one")
    talk.say("the dinner at 9pm")
    talk.say("the boat")
    with shop.db.read() as tx:
        rows = tx.execute(select(cart_item)).all()
    assert [(row.product_id, row.local_date.isoformat(), row.local_start) for row in rows] == [
        ("casa-miradouro", "2026-11-27", ""),
        ("fado-dinner", "2026-11-27", "21:00"),
        ("sunset-sail", "2026-11-28", "17:30"),
    ]


def test_a_start_time_that_a_button_asks_for_can_be_answered_in_words(shop: Engine) -> None:
    talk = Talk(shop)
    talk.say("dinner in Lisbon on Saturday for two")
    assert "At what time" in talk.press("Add to trip")
    assert "not in your cart yet" in talk.say("checkout")
    assert lines(talk) == []
    talk.say("9pm")
    assert lines(talk) == [("fado-dinner", 8400)]
    talk.say("checkout")
    assert talk.of("summary")[0]["total"]["amount"] == "€84"


@pytest.mark.parametrize(
    ("words", "chosen"),
    [
        ("the cheapest one please", "tram-tour"),
        ("the cheaper one", "tram-tour"),
        ("teh secnd one", "tile-workshop"),
        ("2", "tile-workshop"),
        ("the boat", "sunset-sail"),
    ],
)
def test_one_of_those_shown_is_chosen(shop: Engine, words: str, chosen: str) -> None:
    talk = Talk(shop)
    talk.say("something fun in Lisbon on Saturday for two")
    talk.say(words)
    if chosen == "tile-workshop":
        talk.say("10am")
    assert [product_id for product_id, _ in lines(talk)] == [chosen]


@pytest.mark.parametrize(
    ("words", "day", "title"),
    [
        ("I said Sunday not Saturday", "Sun 29 Nov", "Sunset sail on the Tejo"),
        ("not Saturday but Sunday", "Sun 29 Nov", "Sunset sail on the Tejo"),
        ("sorry, Rome not Lisbon", "Sat 28 Nov", "Fresh pasta class"),
    ],
)
def test_what_is_taken_back_does_not_count(shop: Engine, words: str, day: str, title: str) -> None:
    talk = Talk(shop)
    talk.say("a boat trip in Lisbon on Saturday for 2")
    assert f"for two on {day}" in talk.say(words)
    assert talk.cards()[0]["title"] == title


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ("a hotel in Lisbon from 31 February to 2 March for 2", "There is no 31 February."),
        ("a hotel in Lisbon from 5 May to 3 May for 2", "has to be after the day you arrive"),
        ("a hotel in Lisbon last Monday for 2", "Mon 23 Nov is in the past."),
        ("a hotel in Lisbon on 2020-01-01 for 2", "Wed 1 Jan 2020 is in the past."),
    ],
)
def test_a_day_that_cannot_be_is_said_so_and_the_rest_is_kept(shop: Engine, words: str, answer: str) -> None:
    talk = Talk(shop)
    assert answer in talk.say(words)
    assert "a place to stay in Lisbon for two from Wed 3 Mar to Fri 5 Mar" in talk.say("from 3 to 5 March")


def test_children_pay_as_adults_only_where_they_may_come(shop: Engine) -> None:
    talk = Talk(shop)
    with shop.db.write() as tx:
        tx.execute(update(product).where(product.c.id == "fado-dinner").values(min_age=18))
    talk.say("dinner in Lisbon on Saturday for 2 adults and 1 child")
    assert talk.cards() == []
    talk.say("a hotel in Lisbon on Saturday, 2+1")
    talk.press("Add to trip")
    assert "2 adults, 1 child" in talk.text


def test_what_is_not_booked_yet_is_cancelled_without_a_person(shop: Engine) -> None:
    talk = Talk(shop)
    talk.say("a pasta class in Rome on Friday for two")
    talk.say("add it")
    talk.say("a hotel there for 2 nights")
    talk.press("Add to trip")
    talk.say("take the hotel out again")
    assert lines(talk) == [("pasta-class", 11800)]
    assert "I took out Fresh pasta class" in talk.say("cancel everything")
    assert lines(talk) == []


def test_only_start_times_that_are_free_are_offered(shop: Engine) -> None:
    first, second = Talk(shop), Talk(shop)
    for talk, people in ((first, 8), (second, 2)):
        talk.say(f"paint a tile in Lisbon on Saturday for {people}")
    first.say("add it at 10am")
    first.say("checkout")
    first.press("Confirm")
    first.press("Confirm and book", DETAILS)
    assert places(shop, "tile-workshop") == [(8, 0)]
    second.say("add it")
    (replies,) = second.of("quick_replies")
    assert [one["label"] for one in replies["items"]] == ["15:00"]


def test_a_budget_in_another_currency_is_not_taken_for_the_citys(shop: Engine) -> None:
    talk = Talk(shop)
    assert "Prices here are in EUR" in talk.say("a hotel in Lisbon on Saturday for 2 under 10 dollars")
    assert talk.cards()[0]["title"] == "Casa do Miradouro"


def test_messages_that_cannot_be_said_are_refused_whole(shop: Engine) -> None:
    talk = Talk(shop)
    for words, says in (("", "empty"), ("   \n", "empty"), ("x" * 10_000, "too long")):
        with pytest.raises(Invalid, match=says):
            inbox.say(shop, talk.actor, "m", words)
    with pytest.raises(Invalid):
        inbox.say(shop, talk.actor, "", "hello")
    with shop.db.read() as tx:
        assert tx.execute(select(message.c.seq)).all() == [(1,)]


def test_a_booking_is_cancelled_by_a_yes_to_the_preview_and_only_then(shop: Engine, gateway: MemoryGateway) -> None:
    talk = Talk(shop)
    talk.say("a pasta class in Rome on Saturday for two")
    talk.press("Add to trip")
    talk.say("checkout")
    talk.press("Confirm")
    talk.press("Confirm and book", DETAILS)
    gateway.pay("cs_1")
    talk.say("I have paid")
    assert statuses(shop) == {"pasta-class": "CONFIRMED"}
    assert "Nothing is cancelled until" in talk.say("I need to cancel the pasta class")
    (summary,) = talk.of("summary")
    assert [line["amount"] for line in summary["groups"][0]["lines"]] == ["€118", "€118"]
    assert "stands" in talk.press("Keep it")
    talk.say("cancel my booking")
    assert statuses(shop) == {"pasta-class": "CONFIRMED"}
    talk.say("yes")
    assert statuses(shop) == {"pasta-class": "CANCELLED"}
    assert talk.of("status")[0]["text"] == "€118 is on its way back to your card."
    assert "Nothing is booked" in talk.say("cancel it again")
