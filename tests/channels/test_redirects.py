"""Short links over real HTTP, and the disclosure beside every one of them."""

from __future__ import annotations

from pathlib import Path

from core.affiliates import links
from core.affiliates.links import Trip
from core.db import Database
from core.engine import Engine
from tests import market
from tests.channels.conftest import Live
from tests.conftest import Clock
from tests.gateway import MemoryGateway
from tests.talk import Talk


def test_a_link_leads_on_and_tells_nobody_where_from(live: Live) -> None:
    (found,) = links.offer(live.house.engine, None, Trip("insurance"))
    path = f"/r/{found['link_id']}"
    with live.client(**{"user-agent": "Mozilla/5.0 Chrome/156"}) as browser:
        answer = browser.get(path)
        assert (answer.status_code, answer.headers["location"]) == (302, "https://safetywing.com/")
        assert answer.headers["cache-control"] == "no-store, private"
        assert answer.headers["x-robots-tag"] == "noindex, nofollow"
        assert browser.get(f"{path}?url=https://evil.example").headers["location"] == "https://safetywing.com/"
        assert browser.get("/r/nothing").status_code == 404
        assert browser.get("/r/https:%2F%2Fevil.example").status_code == 404


def test_every_message_with_a_link_says_what_it_is(sqlite: Database, clock: Clock, gateway: MemoryGateway, tmp_path: Path) -> None:
    engine = Engine(db=sqlite, gateway=gateway, clock=clock)
    market.load(engine, tmp_path)
    talk = Talk(engine)
    assert "code of your airport" in talk.say("can you book me a flight to Lisbon?")
    talk.say("a flight from BER to Lisbon on 5 December for two")
    (shown,) = talk.of("status")
    assert [button["label"] for button in shown["buttons"]] == ["Open Skyscanner"]
    assert "/r/" in shown["buttons"][0]["url"]
    assert "not ours" in shown["text"]  # no id is configured, so no commission may be claimed
    talk.say("rent a car in Lisbon")
    assert all("not ours" in part["text"] for part in talk.of("status") if "/r/" in str(part["buttons"]))
    assert talk.of("status")
