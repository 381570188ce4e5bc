"""The traveler's own page and the vouchers: who may look, what a POST needs, and that everything costly is shown first."""

from __future__ import annotations

import re
from datetime import timedelta

import httpx
import icalendar
import pytest
from sqlalchemy import select

from core import links, offers, privacy, requests
from core.engine import Actor
from core.payments import collect
from core.schema import booking, message, outbound
from tests import builders
from tests.channels.conftest import Live
from tests.gateway import MemoryGateway

HTML = {"accept": "text/html"}


class Guest:
    """A traveler with their page open in a browser."""

    def __init__(self, live: Live, actor: Actor) -> None:
        engine = live.house.engine
        with engine.db.read() as tx:
            self.path = links.trips_path(tx, actor.account_id, engine.clock())
        self.browser: httpx.Client = live.client(**HTML)

    def look(self) -> str:
        return self.browser.get(self.path).text

    def post(self, act: str, **fields: str) -> httpx.Response:
        proof = re.search(r'name="proof" value="(\w+)"', self.look())
        assert proof is not None
        return self.browser.post(f"{self.path}/{act}", data={"proof": proof[1], **fields})


@pytest.fixture
def ana(live: Live) -> Actor:
    return builders.traveler(live.house.engine)


def bought(live: Live, ana: Actor, gateway: MemoryGateway, product: str = "kayak") -> str:
    """A confirmed and paid booking; its id."""
    engine = live.house.engine
    builders.products(engine, product)
    payment_id = builders.buy(engine, product, actor=ana)
    collect.ensure_link(engine, payment_id)
    gateway.pay(f"cs_{len(gateway.pages)}")
    collect.sync(engine, payment_id)
    return row_of(live, product).id


def row_of(live: Live, product: str = "kayak"):  # type: ignore[no-untyped-def]
    with live.house.engine.db.read() as tx:
        return tx.execute(select(booking).where(booking.c.product_id == product)).one()


def field(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]+)"', page)
    assert found is not None, name
    return found[1]


def test_a_link_opens_ones_own_page_only_and_ends(live: Live, ana: Actor, gateway: MemoryGateway) -> None:
    engine = live.house.engine
    bought(live, ana, gateway)
    guest = Guest(live, ana)
    shown = guest.browser.get(guest.path)
    assert shown.headers["referrer-policy"] == "no-referrer"
    assert shown.headers["cache-control"] == "no-store"
    assert "Kayak" in shown.text
    stranger = Guest(live, builders.traveler(engine, name="Bo Other", email="bo@example.com"))
    assert "Kayak" not in stranger.look()
    forged = guest.path.replace(ana.account_id, stranger.path.split("/t")[-1][:32])
    for path in (
        guest.path[:-1] + ("A" if guest.path[-1] != "A" else "B"),
        forged,
        "/trips/t",
        "/trips/x.y.z",
        guest.path.replace("/t", "/v", 2),
    ):
        assert guest.browser.get(path).status_code == 404, path
    engine.clock.forward(days=59)  # type: ignore[attr-defined]
    assert guest.browser.get(guest.path).status_code == 200
    engine.clock.forward(days=2)  # type: ignore[attr-defined]
    assert guest.browser.get(guest.path).status_code == 410


def test_the_link_is_given_to_the_traveler_and_never_to_the_desk(live: Live, gateway: MemoryGateway) -> None:
    traveler, conversation_id = live.session()
    live.say(conversation_id, "bot", {"type": "bookings", "items": []})
    assert "/trips/t" in traveler.get("/chat/v1/history").text
    desk = live.person("Eva Expert", "expert").get(f"/desk/c/{conversation_id}")
    assert desk.status_code == 200
    assert "/trips/" not in desk.text


def test_taking_the_links_back_ends_all_of_them(live: Live, ana: Actor, gateway: MemoryGateway) -> None:
    bought(live, ana, gateway)
    guest = Guest(live, ana)
    voucher = field(guest.look().replace('href="/v/', 'name="v" value="/v/'), "v")
    assert guest.browser.get(voucher).status_code == 200
    assert "This link is over" in guest.post("take-back").text
    assert guest.browser.get(guest.path).status_code == 410
    assert guest.browser.get(voucher).status_code == 410
    assert guest.browser.get(f"{voucher}.ics").status_code == 410


def test_a_forgotten_persons_links_end(live: Live, ana: Actor, gateway: MemoryGateway) -> None:
    engine = live.house.engine
    bought(live, ana, gateway)
    engine.clock.at = row_of(live).starts_at + timedelta(days=1)  # type: ignore[attr-defined]
    guest = Guest(live, ana)
    assert guest.browser.get(guest.path).status_code == 200
    privacy.erase(engine, Actor("ines", role="operator"), ana.account_id)
    assert guest.browser.get(guest.path).status_code == 410


def test_nothing_is_done_without_the_proof_or_from_elsewhere(live: Live, ana: Actor, gateway: MemoryGateway) -> None:
    booking_id = bought(live, ana, gateway)
    guest = Guest(live, ana)
    proof = field(guest.look(), "proof")
    before = builders.snapshot(live.house.engine.db)
    for act in ("pay", "change", "confirm-change", "cancel", "confirm-cancel", "offer", "withdraw", "chat", "take-back"):
        fields = {"booking": booking_id, "proposal": "x", "offer": "x", "do": "accept"}
        for given in ("", "wrong"):
            assert guest.browser.post(f"{guest.path}/{act}", data={**fields, "proof": given}).status_code == 403, act
        away = guest.browser.post(f"{guest.path}/{act}", data={**fields, "proof": proof}, headers={"origin": "https://evil.example"})
        assert away.status_code == 403, act
        assert guest.browser.get(f"{guest.path}/{act}").status_code == 405, act
    assert builders.snapshot(live.house.engine.db) == before
    assert guest.browser.get(guest.path).status_code == 200


def test_anothers_booking_cannot_be_touched(live: Live, ana: Actor, gateway: MemoryGateway) -> None:
    booking_id = bought(live, ana, gateway)
    stranger = Guest(live, builders.traveler(live.house.engine, name="Bo Other", email="bo@example.com"))
    before = builders.snapshot(live.house.engine.db)
    for act in ("pay", "change", "cancel", "withdraw"):
        assert stranger.post(act, booking=booking_id, day="2027-03-05").status_code == 409, act
    for act in ("confirm-cancel", "confirm-change"):
        assert stranger.post(act, booking=booking_id, proposal="x").status_code == 409, act
    assert builders.snapshot(live.house.engine.db) == before


def test_cancelling_is_shown_first_and_then_done_once(live: Live, ana: Actor, gateway: MemoryGateway) -> None:
    booking_id = bought(live, ana, gateway)
    guest = Guest(live, ana)
    asked = guest.post("cancel", booking=booking_id)
    assert "Cancel Kayak?" in asked.text
    assert "You get back" in asked.text
    assert row_of(live).status == "CONFIRMED"
    proposal = field(asked.text, "proposal")
    done = guest.post("confirm-cancel", booking=booking_id, proposal=proposal)
    assert done.headers["location"].endswith("?done=cancelled")
    assert row_of(live).status == "CANCELLED"
    assert guest.post("confirm-cancel", booking=booking_id, proposal=proposal).status_code == 303  # twice is once
    assert "Cancelled" in guest.look()


def test_another_party_is_paid_before_it_counts(live: Live, ana: Actor, gateway: MemoryGateway) -> None:
    booking_id = bought(live, ana, gateway)
    guest = Guest(live, ana)
    asked = guest.post("change", booking=booking_id, **{"day": builders.DAY.isoformat(), "n-ADULT": "3"})
    assert "Change Kayak?" in asked.text
    assert "€60" in asked.text
    assert row_of(live).units == {"ADULT": 2}
    done = guest.post("confirm-change", booking=booking_id, proposal=field(asked.text, "proposal"))
    assert done.headers["location"] == "https://pay.example/cs_2"
    assert "counts once €60" in guest.look()
    assert guest.post("pay", booking=booking_id).headers["location"] == "https://pay.example/cs_2"
    gateway.pay("cs_2")
    collect.sync_session(live.house.engine, "cs_2")
    assert row_of(live).units == {"ADULT": 3}


def test_a_bad_number_changes_nothing_and_says_so(live: Live, ana: Actor, gateway: MemoryGateway) -> None:
    booking_id = bought(live, ana, gateway)
    guest = Guest(live, ana)
    assert guest.post("change", booking=booking_id, **{"n-ADULT": "two"}).status_code == 422
    assert guest.post("change", booking=booking_id, day="soon").status_code == 422


def countered(live: Live, ana: Actor) -> str:
    """A request that the provider answered with another price; the booking's id."""
    engine = live.house.engine
    builders.products(engine, "walk", booking_type="REQUEST")
    builders.add(engine, ana, "walk")
    builders.checkout(engine, ana)
    (asked,) = requests.pending(engine, ["tejo"])
    crew = Actor("p", role="provider", provider_ids=("tejo",))
    offers.counter(engine, crew, asked["request_id"], amount=15_000, message="We need <b>two</b> guides")
    return row_of(live, "walk").id


def test_an_offer_is_taken_on_the_page(live: Live, ana: Actor, gateway: MemoryGateway) -> None:
    booking_id = countered(live, ana)
    guest = Guest(live, ana)
    shown = guest.look()
    assert "Tejo offers €150" in shown
    assert "We need &lt;b&gt;two&lt;/b&gt; guides" in shown
    offer_id = field(shown, "offer")
    assert guest.post("offer", booking=booking_id, offer=offer_id, do="accept").headers["location"].endswith("done=accepted")
    assert (row_of(live, "walk").status, row_of(live, "walk").amount) == ("ON_HOLD", 15_000)
    assert guest.post("pay", booking=booking_id).headers["location"] == "https://pay.example/cs_1"


def test_an_offer_is_answered_with_a_price_or_turned_down(live: Live, ana: Actor) -> None:
    booking_id = countered(live, ana)
    guest = Guest(live, ana)
    offer_id = field(guest.look(), "offer")
    answer = {"booking": booking_id, "offer": offer_id, "currency": "EUR"}
    assert guest.post("offer", **answer, do="counter", price="cheap").status_code == 422
    assert guest.post("offer", **answer, do="counter", price="130").headers["location"].endswith("done=suggested")
    (wished,) = requests.pending(live.house.engine, ["tejo"])
    assert wished["wished_amount"] == 13_000
    crew = Actor("p", role="provider", provider_ids=("tejo",))
    offers.counter(live.house.engine, crew, wished["request_id"], amount=14_000)
    offer_id = field(guest.look(), "offer")
    assert guest.post("offer", booking=booking_id, offer=offer_id, do="decline").headers["location"].endswith("done=declined")
    assert row_of(live, "walk").status == "CANCELLED"


def test_a_waiting_request_is_taken_back(live: Live, ana: Actor) -> None:
    engine = live.house.engine
    builders.products(engine, "walk", booking_type="REQUEST")
    builders.add(engine, ana, "walk")
    builders.checkout(engine, ana)
    guest = Guest(live, ana)
    assert "Waits for the host" in guest.look()
    assert guest.post("withdraw", booking=row_of(live, "walk").id).headers["location"].endswith("done=withdrawn")
    assert row_of(live, "walk").status == "CANCELLED"


def test_the_page_leads_back_into_the_conversation(live: Live, ana: Actor) -> None:
    guest = Guest(live, ana)
    page = guest.post("chat")
    token = re.search(r'data-token="([^"]+)"', page.text)
    assert token is not None
    assert token[1] not in str(page.url)
    mine = live.client(authorization=f"Bearer {token[1]}")
    assert mine.get("/chat/v1/history").status_code == 200
    assert f'data-conversation="{ana.conversation_id}"' in page.text


# ── vouchers ──────────────────────────────────────────────────────────────────────────────────────


def voucher_of(live: Live, product: str = "kayak") -> str:
    with live.house.engine.db.read() as tx:
        return links.voucher_path(tx, tx.execute(select(booking).where(booking.c.product_id == product)).one())


def test_a_voucher_shows_what_the_door_needs_and_scans(live: Live, ana: Actor, gateway: MemoryGateway) -> None:
    bought(live, ana, gateway)
    path = voucher_of(live)
    with live.client(**HTML) as anyone:
        shown = anyone.get(path).text
        assert anyone.get(path[:-1]).status_code == 404
    row = row_of(live)
    for fact in (
        row.reference,
        "Kayak",
        "2 adults",
        "Ana Silva",
        "Thu 4 Mar 2027",
        "tejo@example.com",
        "<svg",
        "Cancelling until Wed 3 Mar 2027, 09:00: free",
    ):
        assert fact in shown
    assert not re.search(r"\sstyle=|<script", shown)


def test_the_calendar_entry_rises_with_changes_and_ends_with_a_cancellation(live: Live, ana: Actor, gateway: MemoryGateway) -> None:
    booking_id = bought(live, ana, gateway)

    def entry() -> tuple[str, icalendar.Event]:
        with live.client() as anyone:
            body = anyone.get(f"{voucher_of(live)}.ics")
        calendar = icalendar.Calendar.from_ical(body.content)
        (event,) = calendar.walk("VEVENT")
        return str(calendar["METHOD"]), event

    method, first = entry()
    assert (method, str(first["STATUS"]), first.decoded("DTSTART")) == ("PUBLISH", "CONFIRMED", builders.DAY)
    guest = Guest(live, ana)
    asked = guest.post("change", booking=booking_id, **{"day": builders.DAY.isoformat(), "n-ADULT": "1"})
    guest.post("confirm-change", booking=booking_id, proposal=field(asked.text, "proposal"))
    _, changed = entry()
    assert changed["UID"] == first["UID"]
    assert changed["SEQUENCE"] > first["SEQUENCE"]
    asked = guest.post("cancel", booking=booking_id)
    guest.post("confirm-cancel", booking=booking_id, proposal=field(asked.text, "proposal"))
    method, ended = entry()
    assert (method, str(ended["STATUS"])) == ("CANCEL", "CANCELLED")
    assert ended["SEQUENCE"] > changed["SEQUENCE"]
    with live.client(**HTML) as anyone:
        shown = anyone.get(voucher_of(live)).text
    assert "This booking is cancelled" in shown
    assert "tejo@example.com" not in shown


def test_what_is_not_confirmed_has_no_voucher(live: Live, ana: Actor) -> None:
    builders.products(live.house.engine)
    builders.buy(live.house.engine, actor=ana)
    with live.client(**HTML) as anyone:
        assert anyone.get(voucher_of(live)).status_code == 404


def test_the_confirmation_mail_carries_both_links(live: Live, ana: Actor, gateway: MemoryGateway) -> None:
    bought(live, ana, gateway)
    with live.house.engine.db.read() as tx:
        content = tx.execute(select(outbound.c.content).where(outbound.c.notice == "booking_confirmed")).scalar_one()
    assert content["links"]["vouchers"] == {row_of(live).reference: voucher_of(live)}
    with live.client(**HTML) as anyone:
        assert "Kayak" in anyone.get(content["links"]["trips"]).text


def test_the_door_takes_a_typed_or_scanned_code_once(live: Live, ana: Actor, gateway: MemoryGateway) -> None:
    bought(live, ana, gateway)
    row = row_of(live)
    live.house.engine.clock.at = row.starts_at  # type: ignore[attr-defined]
    other = live.person("Other Provider", "provider", "other")
    assert other.post("/provider/vouchers", data={"code": row.reference}).status_code == 409
    paul = live.person("Paul Provider", "provider", "tejo")
    assert paul.post("/provider/vouchers", data={"code": "TRV-222222"}).status_code == 409
    typed = f" {row.reference.removeprefix('TRV-').lower()} "
    assert "Checked in: Kayak, 2 adults" in paul.post("/provider/vouchers", data={"code": typed}).text
    again = paul.post("/provider/vouchers", data={"code": row.reference})
    assert again.status_code == 409
    assert "already taken" in again.text


def test_the_names_of_who_comes_reach_the_host(live: Live, ana: Actor, gateway: MemoryGateway) -> None:
    booking_id = bought(live, ana, gateway)
    guest = Guest(live, ana)
    people = sum(row_of(live).units.values())
    assert guest.look().count('name="traveler"') == people
    proof = field(guest.look(), "proof")
    sent = guest.browser.post(
        f"{guest.path}/travelers", data={"proof": proof, "booking": booking_id, "traveler": ["Ana <b>Silva</b>", " "][:people]}
    )
    assert sent.headers["location"].endswith("done=named")
    assert "Ana &lt;b&gt;Silva" in guest.look()
    assert row_of(live).contact["travelers"] == ["Ana <b>Silva</b>"]
    bad = guest.browser.post(f"{guest.path}/travelers", data={"proof": proof, "booking": booking_id, "traveler": ["4242 4242 4242 4242"]})
    assert bad.status_code == 422
    assert "card number" in bad.text
    assert row_of(live).contact["travelers"] == ["Ana <b>Silva</b>"]


def test_the_traveler_writes_to_the_provider_and_back_without_addresses(live: Live, ana: Actor, gateway: MemoryGateway) -> None:
    engine = live.house.engine
    booking_id = bought(live, ana, gateway)
    guest = Guest(live, ana)
    assert "passed on" in guest.browser.get(guest.post("write", booking=booking_id, text="We are late").headers["location"]).text
    with engine.db.read() as tx:
        sent = tx.execute(select(outbound.c.content, outbound.c.address).where(outbound.c.notice == "letter")).all()
    assert [row.content["text"] for row in sent] == ["We are late"] * len(sent) and sent
    assert "ana@example.com" not in str([row.content for row in sent])
    provider_id = row_of(live).provider_id
    marta = live.person("Marta Host", "provider", provider_id)
    assert marta.post(f"/provider/bookings/{booking_id}/write", data={"text": "No problem"}).status_code == 303
    assert (
        live.person("Rita Rival", "provider", "nobody").post(f"/provider/bookings/{booking_id}/write", data={"text": "x"}).status_code
        == 409
    )
    assert guest.post("write", booking=booking_id, text="  ").status_code == 422
    with engine.db.read() as tx:
        lines = tx.execute(select(message.c.data).where(message.c.role == "provider")).scalars().all()
        mailed = (
            tx.execute(select(outbound.c.content).where(outbound.c.notice == "letter", outbound.c.address == "ana@example.com"))
            .scalars()
            .all()
        )
    assert [line["parts"][0]["text"] for line in lines] == ["No problem"]
    assert [one["text"] for one in mailed] == ["No problem"]


def test_nobody_writes_about_what_is_not_confirmed(live: Live, ana: Actor, gateway: MemoryGateway) -> None:
    engine = live.house.engine
    builders.products(engine, "kayak")
    builders.buy(engine, "kayak", actor=ana)
    guest = Guest(live, ana)
    before = builders.snapshot(engine.db)
    assert guest.post("write", booking=row_of(live).id, text="Hello").status_code == 409
    assert builders.snapshot(engine.db) == before


def test_reminders_are_turned_off_and_on_and_the_voucher_is_a_pdf(live: Live, ana: Actor, gateway: MemoryGateway) -> None:
    bought(live, ana, gateway)
    guest = Guest(live, ana)
    assert "no mail on the day before any more" in guest.browser.get(guest.post("reminders", on="no").headers["location"]).text
    assert "Remind me" in guest.look()
    guest.post("reminders", on="yes")
    assert "No more reminders" in guest.look()
    voucher = field(guest.look().replace('href="/v/', 'name="v" value="/v/'), "v")
    paper = guest.browser.get(f"{voucher}.pdf")
    assert (paper.status_code, paper.headers["content-type"], paper.content[:5]) == (200, "application/pdf", b"%PDF-")
    assert paper.headers["referrer-policy"] == "no-referrer"
