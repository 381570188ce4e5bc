"""Signing in by mail: a link that works once, nothing told about who is known, and whose address it is from then on."""

from __future__ import annotations

import re
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import select, update

from channels.compose import Composer
from channels.house import House
from channels.mail.compose import MailComposer
from channels.web.session import COOKIE, csrf_of
from core import identities, links, people, signin
from core.errors import Invalid, NotAllowed
from core.schema import account, booking, channel_identity, link_token, outbound
from tests import builders
from tests.channels.conftest import Live
from tests.gateway import MemoryGateway

BASE = "http://127.0.0.1:8000"


def link_in(live: Live) -> str:
    """The link in the newest letter, as its reader sees it."""
    composer = MailComposer(BASE, Composer(BASE))
    with live.house.engine.db.read() as tx:
        row = tx.execute(select(outbound).where(outbound.c.notice == "signin").order_by(outbound.c.id.desc()).limit(1)).one()
        (out,) = composer(tx, row)
    assert "/signin/" not in str(row.content)  # whoever reads the table or the operators' page cannot sign in with it
    found = re.search(r"/signin/(\w+)", str(out.parts))
    assert found is not None
    return found[0]


def send(live: Live, email: str) -> bool:
    """What the page and the worker do."""
    signin.ask(live.house.engine, email)
    return signin.send(live.house.engine, email.lower())


def member(live: Live, email: str = "eva@example.com", role: str = "expert") -> str:
    engine = live.house.engine
    with engine.db.write() as tx:
        account_id = people.new_account(tx, engine.clock(), name="Eva", email=email, visitor=False)
        people.grant(tx, account_id, role)
    return account_id


def test_a_link_signs_in_once_and_proves_the_address(live: Live) -> None:
    account_id = member(live)
    assert send(live, "Eva@Example.com")
    path = link_in(live)
    with live.client() as browser:
        assert browser.get(path).status_code == 200
        assert COOKIE not in browser.cookies  # following it does nothing: scanners do
        done = browser.post(path)
        assert (done.status_code, done.headers["location"]) == (303, "/desk")
        assert browser.post(path).status_code == 403
    with live.house.engine.db.read() as tx:
        assert tx.execute(select(account.c.email_verified_at).where(account.c.id == account_id)).scalar_one() is not None
        found = tx.execute(select(channel_identity.c.account_id).where(channel_identity.c.channel == "mail")).scalars().all()
    assert found == [account_id]


def test_the_answer_is_the_same_for_everybody(live: Live) -> None:
    member(live)
    with live.client() as browser:
        pages = [browser.post("/signin", data={"email": one}).text.replace(one, "X") for one in ("eva@example.com", "nobody@example.com")]
        assert pages[0] == pages[1]
        assert browser.post("/signin", data={"email": "no address"}).status_code == 422
        away = browser.post("/signin", data={"email": "eva@example.com"}, headers={"origin": "https://evil.example"})
        assert away.status_code == 403
    assert send(live, "nobody@example.com") is False
    with live.house.engine.db.read() as tx:
        assert tx.execute(select(link_token)).all() == []


def test_old_links_and_too_many_links(live: Live) -> None:
    member(live)
    assert [send(live, "eva@example.com") for _ in range(4)] == [True, True, True, False]
    path = link_in(live)
    live.house.engine.clock.forward(minutes=15)  # type: ignore[attr-defined]
    with pytest.raises(NotAllowed):
        signin.redeem(live.house.engine, path.rpartition("/")[2])
    assert send(live, "eva@example.com")
    with pytest.raises(Invalid):
        signin.ask(live.house.engine, "eva")


def test_an_address_that_was_changed_meanwhile_opens_nothing(live: Live) -> None:
    from sqlalchemy import update

    account_id = member(live)
    assert send(live, "eva@example.com")
    path = link_in(live)
    with live.house.engine.db.write() as tx:
        tx.execute(update(account).where(account.c.id == account_id).values(email="new@example.com"))
    assert httpx.post(f"{live.url}{path}").status_code == 403


def test_a_traveler_comes_to_their_trips(live: Live, gateway: MemoryGateway) -> None:
    engine = live.house.engine
    builders.products(engine, "kayak")
    ana = builders.traveler(engine)
    builders.buy(engine, "kayak", actor=ana)
    with engine.db.read() as tx:
        email = tx.execute(select(account.c.email).where(account.c.id == ana.account_id)).scalar_one()
        assert tx.execute(select(booking.c.account_id)).scalars().all() == [ana.account_id]
    assert send(live, email)
    with live.client() as browser:
        done = browser.post(link_in(live))
        assert done.headers["location"].startswith("/trips/t")
        assert "Kayak" in browser.get(done.headers["location"]).text


def test_a_providers_contact_address_gets_an_account_of_its_own(live: Live) -> None:
    engine = live.house.engine
    from sqlalchemy import update

    from core.schema import account_role, provider

    with engine.db.write() as tx:
        builders.add_provider(tx, "tejo", country="PT")
        tx.execute(update(provider).where(provider.c.id == "tejo").values(email="Hello@Tejo.example"))
    assert send(live, "hello@tejo.example")
    with live.client() as browser:
        assert browser.post(link_in(live)).headers["location"] == "/provider"
    with engine.db.read() as tx:
        assert [tuple(row) for row in tx.execute(select(account_role.c.role, account_role.c.provider_id))] == [("provider", "tejo")]
    assert timedelta(minutes=15) == signin.LIFE


@pytest.mark.parametrize("channel", ["telegram", "slack", "sms", "mail"])
def test_the_pages_to_link_a_door_open(house: House, channel: str) -> None:
    from fastapi.testclient import TestClient

    from channels.web.app import create_app
    from channels.web.connect import router

    async def link(token: str) -> str:
        return f"https://elsewhere.example/{token}"

    engine = house.engine
    with engine.db.write() as tx:
        account_id = people.new_account(tx, engine.clock(), name="Eva", email="eva@example.com", visitor=False)
        people.grant(tx, account_id, "expert")
    token = people.redeem_sign_in(engine, people.sign_in_link(engine, account_id))
    with TestClient(create_app(house, routers=[router(house, {"telegram": link, "slack": link, "sms": link})])) as browser:
        browser.cookies.set(COOKIE, token)
        assert browser.get(f"/connect/{channel}").status_code == 200
        made = browser.post(f"/connect/{channel}", data={"csrf": csrf_of(token)})
        assert made.status_code == (404 if channel == "mail" else 200)
        assert ("https://elsewhere.example/l_" in made.text) is (channel != "mail")


def test_whoever_booked_under_anothers_address_is_out_once_its_reader_signs_in(live: Live, gateway: MemoryGateway) -> None:
    engine = live.house.engine
    builders.products(engine, "kayak")
    stranger = builders.traveler(engine, email="ana@example.com")
    builders.buy(engine, "kayak", actor=stranger)
    with engine.db.write() as tx:
        chat = people.open_session(tx, stranger.account_id, "chat", engine.clock(), conversation_id=stranger.conversation_id)
        trips = links.trips_path(tx, stranger.account_id, engine.clock())
        met = identities.meet(tx, engine.clock(), channel="telegram", workspace="bot", user_id="77", chat_id="77", name="Mallory")
        tx.execute(
            update(channel_identity).where(channel_identity.c.id == met.id).values(account_id=stranger.account_id, linked_at=engine.clock())
        )
    assert send(live, "ana@example.com")
    with live.client() as browser:
        assert browser.post(link_in(live)).status_code == 303
        assert browser.get(trips).status_code != 200
    with engine.db.read() as tx:
        assert people.who(tx, chat, "chat", engine.clock()) is None
        assert tx.execute(select(channel_identity.c.linked_at).where(channel_identity.c.id == met.id)).scalar_one() is None


def test_a_proved_address_is_not_taken_by_a_newer_booking_under_it(live: Live) -> None:
    engine = live.house.engine
    builders.products(engine, "kayak", places=50)
    ana = builders.traveler(engine, email="ana@example.com")
    builders.buy(engine, "kayak", actor=ana)
    assert send(live, "ana@example.com")
    with live.client() as browser:
        browser.post(link_in(live))
        with engine.db.write() as tx:
            again = people.open_session(tx, ana.account_id, "chat", engine.clock(), conversation_id=ana.conversation_id)
        engine.clock.forward(minutes=20)  # type: ignore[attr-defined]
        builders.buy(engine, "kayak", actor=builders.traveler(engine, email="Ana@example.com"))
        with engine.db.read() as tx:
            assert signin.find(tx, "ana@example.com", engine.clock()) == ana.account_id
        assert send(live, "ana@example.com")
        browser.post(link_in(live))
    with engine.db.read() as tx:
        assert people.who(tx, again, "chat", engine.clock()) is not None, "and the second time nobody is thrown out"
