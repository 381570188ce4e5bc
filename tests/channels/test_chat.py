"""The chat protocol over a real server: what a front end may rely on."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from channels.web.limits import Allowance
from core import conversations
from core.schema import job, message
from tests.channels.conftest import Live, running, wait_for


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


class Stream:
    """An open event stream, read event by event."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.iter_lines()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        event: dict[str, Any] = {}
        for line in self._lines:
            if line.startswith("id: "):
                event["id"] = int(line[4:])
            elif line.startswith("event: "):
                event["type"] = line[7:]
            elif line.startswith("data: "):
                event["data"] = json.loads(line[6:])
            elif not line and event:
                yield event
                event = {}

    def take(self, count: int) -> list[dict[str, Any]]:
        taken: list[dict[str, Any]] = []
        for event in self:
            if event["type"] == "ready":
                continue
            taken.append(event)
            if len(taken) == count:
                break
        return taken


def words_of(events: list[dict[str, Any]]) -> list[str]:
    return [event["data"]["parts"][0]["text"] for event in events]


def test_a_visitor_gets_a_conversation_with_a_welcome(live: Live) -> None:
    client, conversation_id = live.session()
    (welcome,) = client.get("/chat/v1/history").json()
    assert welcome["seq"] == 1
    assert welcome["data"]["mid"] == "welcome"
    assert welcome["data"]["role"] == "bot"
    again = client.post("/chat/v1/session", json={}).json()
    assert again["conversation"] == conversation_id
    assert client.get("/chat/v1/history", headers={"authorization": f"Bearer {again['token']}"}).status_code == 200


def test_the_same_id_twice_is_one_line_and_one_turn(live: Live) -> None:
    client, conversation_id = live.session()
    body = {"id": str(uuid.uuid4()), "text": "A boat trip, please"}
    first = client.post("/chat/v1/messages", json=body)
    second = client.post("/chat/v1/messages", json=body)
    assert (first.status_code, first.json()) == (202, {"seq": 2})
    assert second.json() == {"seq": 2}
    with live.house.engine.db.read() as tx:
        assert tx.execute(select(func.count()).select_from(message).where(message.c.conversation_id == conversation_id)).scalar_one() == 2
        assert tx.execute(select(func.count()).select_from(job).where(job.c.kind == "turn")).scalar_one() == 1


@pytest.mark.parametrize("bad", ["b-0123", "confirmed:x", "", "x" * 65])
def test_an_id_cannot_take_a_name_of_the_house(live: Live, bad: str) -> None:
    client, _ = live.session()
    answer = client.post("/chat/v1/messages", json={"id": bad, "text": "hello"})
    assert answer.status_code == 422
    assert answer.json()["error"]["field"] == "id"


def test_a_forged_token_is_turned_away(live: Live) -> None:
    for header in ({}, {"authorization": "Bearer forged"}, {"authorization": "Basic abc"}):
        with live.client(**header) as client:
            for path in ("/chat/v1/history", "/chat/v1/events"):
                assert client.get(path).status_code == 401
            answer = client.post("/chat/v1/messages", json={"id": "a", "text": "hello"})
            assert answer.status_code == 401
            assert answer.json()["error"]["code"] == "sign_in"


def test_a_signed_out_token_stops_counting(live: Live) -> None:
    client, _ = live.session()
    assert client.post("/chat/v1/sign-out").status_code == 204
    assert client.get("/chat/v1/history").status_code == 401


def test_too_long_and_too_empty(live: Live) -> None:
    client, _ = live.session()
    for words in ("x" * 5000, "   "):
        answer = client.post("/chat/v1/messages", json={"id": str(uuid.uuid4()), "text": words})
        assert answer.status_code == 422
        assert answer.json()["error"]["field"] == "text"
    assert len(client.get("/chat/v1/history").json()) == 1


def test_a_card_number_is_never_kept(live: Live) -> None:
    client, _ = live.session()
    client.post("/chat/v1/messages", json={"id": str(uuid.uuid4()), "text": "My card is 4242 4242 4242 4242"})
    assert client.get("/chat/v1/history?after=1").json()[0]["data"]["parts"][0]["text"] == "My card is [card number removed]"


def test_a_fresh_stream_brings_more_than_one_page(live: Live) -> None:
    client, conversation_id = live.session()
    engine = live.house.engine
    with engine.db.write() as tx:
        for number in range(700):
            conversations.append(tx, conversation_id, "bot", [text(str(number))], now=engine.clock())
    with client.stream("GET", "/chat/v1/events") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["x-accel-buffering"] == "no"
        events = Stream(response).take(701)
    assert [event["id"] for event in events] == list(range(1, 702))
    after, seen = 0, 0
    while page := client.get(f"/chat/v1/history?after={after}").json():
        after, seen = page[-1]["seq"], seen + len(page)
    assert seen == 701


def test_a_stream_comes_back_where_it_stopped(live: Live) -> None:
    client, conversation_id = live.session()
    for number in range(5):
        live.say(conversation_id, "bot", text(str(number)))
    with client.stream("GET", "/chat/v1/events", headers={"last-event-id": "4"}) as response:
        assert words_of(Stream(response).take(2)) == ["3", "4"]


def test_rows_written_behind_the_bus_are_found_with_the_next_touch(live: Live) -> None:
    client, conversation_id = live.session()
    with client.stream("GET", "/chat/v1/events?after=1") as response:
        stream = Stream(response)
        assert next(iter(stream))["type"] == "ready"
        wait_for(lambda: _listeners(live, conversation_id))
        for number in range(300):
            live.say(conversation_id, "bot", text(str(number)), behind_the_bus=True)
        live.say(conversation_id, "bot", text("300"))
        assert words_of(stream.take(301)) == [str(number) for number in range(301)]


def _listeners(live: Live, conversation_id: str) -> int:
    return len(live.house.bus._topics.get(f"conversation:{conversation_id}", ()))


def test_what_lives_for_a_moment_has_no_id(live: Live) -> None:
    client, conversation_id = live.session()
    with client.stream("GET", "/chat/v1/events?after=1") as response:
        stream = Stream(response)
        assert next(iter(stream))["data"] == {"after": 1}
        wait_for(lambda: _listeners(live, conversation_id))
        topic = f"conversation:{conversation_id}"
        live.house.bus.publish(topic, {"kind": "typing", "data": {"who": "bot", "on": True}})
        live.house.bus.publish(topic, {"kind": "delta", "data": {"mid": "m", "offset": 0, "text": "Hel"}})
        typing, delta = stream.take(2)
        live.say(conversation_id, "bot", text("Hello"), mid="m")
        (final,) = stream.take(1)
    assert typing == {"type": "typing", "data": {"who": "bot", "on": True}}
    assert delta == {"type": "delta", "data": {"mid": "m", "offset": 0, "text": "Hel"}}
    assert (final["id"], final["data"]["mid"]) == (2, "m")


def test_a_note_never_reaches_the_traveler(live: Live) -> None:
    client, conversation_id = live.session()
    live.say(conversation_id, "expert", text("SECRET: difficult guest"), kind="note", audience="staff")
    live.say(conversation_id, "bot", text("after"))
    live.house.bus.publish(f"desk:{conversation_id}", {"kind": "typing", "data": {"who": "SECRET", "on": True}})
    history = client.get("/chat/v1/history").text
    with client.stream("GET", "/chat/v1/events") as response:
        events = Stream(response).take(2)
    assert "SECRET" not in history + json.dumps(events)
    assert [event["id"] for event in events] == [1, 3]  # a hole is normal


def test_nobody_reads_another_conversation(live: Live) -> None:
    client, _ = live.session()
    _, other = live.session()
    live.say(other, "bot", text("theirs"))
    assert "theirs" not in client.get("/chat/v1/history").text


def test_hostile_words_stay_words(live: Live) -> None:
    client, _ = live.session()
    for hostile in ("<img src=x onerror=alert(1)>", "\ndata: {}\n\nevent: state", "[x](javascript:alert(1))", "\u2028</script>"):
        assert client.post("/chat/v1/messages", json={"id": str(uuid.uuid4()), "text": hostile}).status_code == 202
    with client.stream("GET", "/chat/v1/events?after=1") as response:
        events = Stream(response).take(4)
    assert [event["type"] for event in events] == ["message"] * 4
    assert words_of(events)[0] == "<img src=x onerror=alert(1)>"


def test_who_speaks_is_said_in_words(live: Live) -> None:
    client, _ = live.session()
    assert client.post("/chat/v1/person", json={"want": True}).json()["status"] == "queued"
    (state,) = client.get("/chat/v1/history?after=1").json()
    assert (state["type"], state["data"]["mode"]) == ("state", "queued")
    assert state["data"]["text"]
    assert client.post("/chat/v1/person", json={"want": False}).json()["mode"] == "bot"


# ── files ─────────────────────────────────────────────────────────────────────────────────────────

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64


def test_a_file_is_for_its_own_conversation_and_the_staff(live: Live) -> None:
    client, _ = live.session()
    made = client.post("/chat/v1/uploads", data={"id": "file-1"}, files={"file": ("../../pass port.exe.png", PNG, "text/html")})
    assert made.status_code == 201
    part = client.get("/chat/v1/history?after=1").json()[0]["data"]["parts"][0]
    assert (part["type"], part["size"], part["name"]) == ("file", len(PNG), "pass port.exe.png")
    got = client.get(part["url"])
    assert (got.content, got.headers["content-type"]) == (PNG, "image/png")
    assert got.headers["content-disposition"].startswith("attachment")
    assert got.headers["x-content-type-options"] == "nosniff"
    other, _ = live.session()
    assert other.get(part["url"]).status_code == 404
    with live.client() as anyone:
        assert anyone.get(part["url"]).status_code == 404
    assert live.person("Olga Expert", "expert").get(part["url"]).content == PNG
    assert live.person("Paul Provider", "provider", "p1").get(part["url"]).status_code == 404


def test_what_is_not_a_picture_is_refused_by_its_bytes(live: Live) -> None:
    client, _ = live.session()
    answer = client.post("/chat/v1/uploads", files={"file": ("holiday.png", b"MZ\x90\0 this is a program", "image/png")})
    assert answer.status_code == 415
    assert answer.json()["error"]["code"] == "wrong_type"
    assert len(client.get("/chat/v1/history").json()) == 1


@pytest.mark.parametrize("megabytes", [5.2, 60])
def test_a_big_file_is_stopped(live: Live, megabytes: float) -> None:
    client, _ = live.session()
    answer = client.post("/chat/v1/uploads", files={"file": ("big.png", PNG + b"\0" * int(megabytes * 1024 * 1024), "image/png")})
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "too_big"


# ── limits and other origins ──────────────────────────────────────────────────────────────────────


def test_too_much_is_answered_with_when_to_come_back(live: Live) -> None:
    with running(live.house, allowance=Allowance(messages="3/minute", sessions="2/hour")) as strict:
        client, _ = strict.session()
        answers = [client.post("/chat/v1/messages", json={"id": str(uuid.uuid4()), "text": "hi"}) for _ in range(3)]
        while len(answers) < 6 and answers[-1].status_code != 429:  # where a minute ends in between, one more may pass
            answers.append(client.post("/chat/v1/messages", json={"id": str(uuid.uuid4()), "text": "hi"}))
        assert [answer.status_code for answer in answers[:3]] == [202, 202, 202]
        assert answers[-1].status_code == 429
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
        assert "wait" in answers[-1].json()["error"]["message"]
        strict.session()
        with strict.client() as anyone:
            assert anyone.post("/chat/v1/session", json={}).status_code == 429


def test_other_sites_may_ask_without_cookies(live: Live) -> None:
    with live.client(origin="https://blog.example") as there:
        script = there.get("/static/traveloure-chat.js")
        assert script.headers["access-control-allow-origin"] == "*"
        assert script.headers["content-type"].startswith("text/javascript")
        ask = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}
        preflight = there.options("/chat/v1/messages", headers=ask)
        assert preflight.status_code == 204
        assert preflight.headers["access-control-max-age"] == "86400"
        assert "access-control-allow-credentials" not in preflight.headers
        assert "access-control-allow-origin" not in there.get("/").headers


def test_the_house_closes_its_streams_when_it_stops(house: Any) -> None:
    with running(house) as live:
        client, _ = live.session()
        with client.stream("GET", "/chat/v1/events") as response:
            stream = Stream(response)
            assert next(iter(stream))["type"] == "ready"
            live.server.should_exit = True
            assert [event["id"] for event in stream if "id" in event] == [1]  # and then the stream ends


def test_health(live: Live) -> None:
    with live.client() as client:
        assert client.get("/healthz").json() == {"status": "ok"}
        assert client.get("/readyz").json() == {"status": "ok"}
        missing = client.get("/nowhere", headers={"accept": "text/html"})
        assert (missing.status_code, "We cannot find that page" in missing.text) == (404, True)
        assert client.get("/chat/v1/nowhere").json()["error"]["code"] == "not_found"
        assert client.post("/webhooks/stripe", content=b"{}").status_code == 400
