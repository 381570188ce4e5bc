"""The state of a talk over many turns: several services, corrections, references, offers taken, and the next call."""

from __future__ import annotations

from datetime import date
from typing import Any

from bot.offline.heard import read_reply
from bot.offline.lexicon import Lexicon
from bot.offline.state import NOTHING_SAID, Call, Dialogue, Reply, kind_of
from bot.offline.understand import understand
from tools.search import Vocabulary

TODAY = date(2026, 11, 25)
LEXICON = Lexicon(Vocabulary((), ()))


def say(talk: Dialogue, words: str, reply: Reply = NOTHING_SAID) -> Call | None:
    talk.hear(understand(words, LEXICON, TODAY, topic=kind_of(reply.topic or talk.active)), reply)
    return talk.next_call()


def facts(talk: Dialogue, service: str) -> dict[str, Any]:
    return talk.services[service]


def test_each_service_keeps_its_own_facts_and_a_correction_changes_one() -> None:
    talk = Dialogue()
    say(talk, "I need a cheap hotel in the north of Lisbon from Friday for two nights")
    say(talk, "I also need a restaurant in the centre for four people on Saturday at 19:30")
    say(talk, "actually make it five people")
    assert facts(talk, "stay") == {"city": "lisbon", "date": "2026-11-27", "nights": 2, "level": "cheap", "area": "north"}
    assert facts(talk, "dining") == {"city": "lisbon", "date": "2026-11-28", "time": "19:30", "people": 5, "area": "centre"}


def test_the_same_day_people_and_area_are_those_of_the_other_service() -> None:
    talk = Dialogue()
    say(talk, "a restaurant in the south for six people on Saturday at 18:00")
    say(talk, "I also want a hotel in the same area for the same group starting on the same day")
    assert facts(talk, "stay") == {"area": "south", "people": 6, "date": "2026-11-28"}


def test_a_ride_from_the_hotel_to_the_restaurant_stays_a_ride() -> None:
    talk = Dialogue()
    say(talk, "a hotel in the north for tomorrow")
    say(talk, "I also need a taxi")
    say(talk, "I want to leave the hotel by 18:15")
    assert talk.active == "taxi"
    assert facts(talk, "taxi")["time"] == "18:15"
    assert "time" not in facts(talk, "stay")


def test_a_search_follows_once_when_its_facts_are_there_and_again_when_they_change() -> None:
    talk = Dialogue()
    assert say(talk, "I need a train to Porto") is None
    call = say(talk, "From Lisbon, tomorrow.")
    assert call is not None
    assert (call.service, call.kind, call.facts) == (
        "train",
        "search",
        {"destination": "porto", "origin": "lisbon", "date": "2026-11-26"},
    )
    assert say(talk, "thanks") is None
    again = say(talk, "on Friday instead")
    assert again is not None
    assert again.facts["date"] == "2026-11-27"


def test_a_booking_follows_a_yes_to_what_was_read_back_and_not_a_no() -> None:
    read_back = Reply(confirming={"name": "Casa do Rio", "date": "2026-11-27", "nights": 2, "rooms": 1})
    for words, booked in (("Yes, that is right.", True), ("No, for three nights.", False)):
        talk = Dialogue()
        say(talk, "a hotel in Lisbon")
        say(talk, "that one sounds good, book it", Reply(offered={"name": "Casa do Rio", "stars": 4}))
        assert facts(talk, "stay") == {"city": "lisbon", "name": "Casa do Rio"}  # its stars were no wish
        call = say(talk, words, read_back)
        assert (call is not None and call.kind == "book") is booked
    assert facts(talk, "stay")["nights"] == 3
    assert facts(talk, "stay")["rooms"] == 1  # the rest of what was read back stands


def test_another_offer_after_a_failure_is_booked_on_a_yes() -> None:
    talk = Dialogue()
    say(talk, "a bus from Lisbon to Porto tomorrow for two")
    call = say(talk, "Yes, that is fine.", Reply(failed=True, offered={"time": "11:40"}))
    assert call is not None
    assert (call.kind, call.facts["time"]) == ("book", "11:40")


def test_a_question_is_read_back_out_of_somebody_elses_words() -> None:
    assert read_reply("Casa do Rio is in the centre. How many nights will you stay?").asked == ("nights",)
    reply = read_reply("The noodle bar is nice. Would you like me to book a table for you?")
    assert (reply.topic, reply.offers_to) == ("dining", "book")


def test_an_hour_earlier_is_counted_from_what_was_said() -> None:
    talk = Dialogue()
    say(talk, "a table tomorrow at 19:45")
    say(talk, "let's try an hour earlier")
    assert facts(talk, "dining")["time"] == "18:45"


def test_the_trip_state_is_read_back_as_a_dialogue() -> None:
    trip = {
        "kind": "stay",
        "must": {"stay": ["north"]},
        "plans": {"stay": {"city": "lisbon", "date": "2026-12-05", "end_date": "2026-12-08", "party": {"ADULT": 2, "CHILD": 1}}},
    }
    talk = Dialogue.of_trip(trip)
    assert talk.services["stay"]["people"] == 3
    assert talk.services["stay"]["area"] == "north"
    say(talk, "a table on the same day for the same people")
    assert facts(talk, "dining") == {"city": "lisbon", "people": 3, "date": "2026-12-05"}
