"""The consoles: who gets in, what a POST needs, and what an answer does."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import select

from channels.web.consoles import words
from core import bookings, conversations, handoff, notices, people, requests
from core.payments import collect
from core.schema import audit_log, booking, booking_request, provider, refund
from tests import builders
from tests.channels.conftest import Live
from tests.gateway import MemoryGateway

HTML = {"accept": "text/html"}
PAGES = {
    "/provider": ("provider", "operator"),
    "/calendar": ("provider", "operator"),
    "/desk": ("expert", "operator"),
    "/desk/queue": ("expert", "operator"),
    "/ops": ("operator",),
}


def everybody(live: Live) -> dict[str, httpx.Client]:
    return {
        "provider": live.person("Paul Provider", "provider", "tejo"),
        "expert": live.person("Eva Expert", "expert"),
        "operator": live.person("Olga Operator", "operator"),
        "traveler": live.person("Tom Traveler", "traveler"),
    }


def asked(live: Live) -> str:
    """One open request to the provider tejo; returns its id."""
    engine = live.house.engine
    builders.products(engine, "walk", booking_type="REQUEST")
    actor = builders.traveler(engine)
    builders.add(engine, actor, "walk")
    proposal = bookings.propose_checkout(engine, actor)
    bookings.commit_checkout(engine, actor, proposal["proposal_id"], requests="We bring a <b>dog</b>")
    (one,) = requests.pending(engine, ["tejo"])
    return str(one["request_id"])


def verdict(live: Live, request_id: str) -> str:
    with live.house.engine.db.read() as tx:
        return str(tx.execute(select(booking_request.c.status).where(booking_request.c.id == request_id)).scalar_one())


def test_every_page_is_closed_unless_a_role_opens_it(live: Live) -> None:
    clients = everybody(live)
    for path, roles in PAGES.items():
        for role, client in clients.items():
            assert client.get(path, headers=HTML).status_code == (200 if role in roles else 403), (path, role)
        with live.client() as anyone:
            assert anyone.get(path, headers=HTML).status_code == 401


def test_no_post_counts_without_its_proof(live: Live) -> None:
    request_id = asked(live)
    _, conversation_id = live.session()
    clients = everybody(live)
    posts = {
        f"/provider/requests/{request_id}/approve": "provider",
        f"/provider/requests/{request_id}/decline": "provider",
        f"/provider/bookings/{request_id}/cancel": "provider",
        f"/provider/bookings/{request_id}/check-in": "provider",
        f"/provider/bookings/{request_id}/no-show": "provider",
        f"/provider/requests/{request_id}/counter": "provider",
        "/payouts/provider/tejo/setup": "provider",
        f"/desk/c/{conversation_id}/claim": "expert",
        f"/desk/c/{conversation_id}/return": "expert",
        "/signout": "operator",
    }
    for path, role in posts.items():
        for proof in ("", "wrong"):
            assert clients[role].post(path, headers={"x-csrf-token": proof}).status_code == 403, path
        assert clients[role].post(path, headers={"sec-fetch-site": "cross-site"}).status_code == 403, path
        assert clients[role].post(path, headers={"origin": "https://evil.example"}).status_code == 403, path
        with live.client() as anyone:
            assert anyone.post(path).status_code in (200, 401)
    assert verdict(live, request_id) == "open"
    with live.house.engine.db.read() as tx:
        assert conversations.get(tx, conversation_id).controller == "bot"
    assert clients["operator"].get("/ops").status_code == 200


def test_pages_run_no_inline_script(live: Live) -> None:
    clients = everybody(live)
    with live.client() as anyone:
        shown = [clients["operator"].get(path, headers=HTML) for path in ("/provider", "/calendar", "/desk", "/ops")]
        shown += [anyone.get(path, headers=HTML) for path in ("/", "/chat", "/signin/x", "/nowhere")]
    for response in shown:
        rule = response.headers["content-security-policy"]
        assert "script-src 'self';" in rule
        assert "unsafe" not in rule
        assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=|<style|\sstyle=|javascript:", response.text), response.url


def test_a_sign_in_link_is_used_up_by_its_button_only(live: Live) -> None:
    engine = live.house.engine
    with engine.db.write() as tx:
        people.ensure_account(tx, engine.clock(), "eva", name="Eva", email="eva@example.com")
        people.grant(tx, "eva", "expert")
    path = f"/signin/{people.sign_in_link(engine, 'eva')}"
    with live.client() as browser:
        for _ in range(3):
            assert "Sign in" in browser.get(path).text
        entered = browser.post(path)
        assert (entered.status_code, entered.headers["location"]) == (303, "/desk")
        cookie = entered.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        assert browser.get("/desk").status_code == 200
        again = browser.post(path)
        assert again.status_code == 403
        assert "used or is too old" in again.text
        csrf = re.search(r'name="csrf" value="(\w+)"', browser.get("/signout").text)
        assert csrf is not None
        kept = browser.cookies["traveloure_console"]
        assert "signed out" in browser.post("/signout", data={"csrf": csrf[1]}).text
    assert live.seated(kept).get("/desk").status_code == 401  # the session is over, not only the cookie


# ── the provider's inbox ──────────────────────────────────────────────────────────────────────────


def test_a_request_shows_what_it_is_about_and_nothing_of_it_is_markup(live: Live) -> None:
    asked(live)
    shown = live.person("Paul Provider", "provider", "tejo").get("/provider").text
    for fact in ("Walk", words.day(builders.DAY), "2 adults", "Ana", "€120", "€105.60", "our fee of €14.40", "Answer within 24 h 0 m"):
        assert fact in shown
    assert "Silva" not in shown
    assert "<b>dog</b>" not in shown
    assert "&lt;b&gt;dog&lt;/b&gt;" in shown
    assert "Nothing waits for you" in live.person("Other Provider", "provider", "other").get("/provider").text


def test_approving_by_the_button(live: Live) -> None:
    request_id = asked(live)
    paul = live.person("Paul Provider", "provider", "tejo")
    assert paul.post(f"/provider/requests/{request_id}/approve").headers["location"] == "/provider?done=approve"
    assert verdict(live, request_id) == "approved"
    late = live.person("Paula Provider", "provider", "tejo").post(f"/provider/requests/{request_id}/decline")
    assert late.status_code == 409
    assert "already approved by Paul Provider" in late.text


def test_words_decide_only_when_all_of_them_are_understood(live: Live) -> None:
    request_id = asked(live)
    paul = live.person("Paul Provider", "provider", "tejo")
    unsure = paul.post(f"/provider/requests/{request_id}/answer", data={"answer": "yes but at <i>3pm</i>"})
    assert unsure.status_code == 422
    assert "<q>yes but at &lt;i&gt;3pm&lt;/i&gt;</q>" in unsure.text
    assert verdict(live, request_id) == "open"
    assert paul.post(f"/provider/requests/{request_id}/answer", data={"answer": "Sorry, we are full"}).status_code == 303
    assert verdict(live, request_id) == "declined"
    assert "Sorry, we are full" in paul.get("/provider").text


def test_another_providers_request_cannot_be_answered(live: Live) -> None:
    request_id = asked(live)
    other = live.person("Other Provider", "provider", "other")
    assert other.post(f"/provider/requests/{request_id}/approve").status_code == 409
    assert verdict(live, request_id) == "open"


# ── the desk ──────────────────────────────────────────────────────────────────────────────────────


def test_of_two_experts_one_gets_the_conversation(live: Live) -> None:
    _, conversation_id = live.session()
    experts = [live.person("Eva Expert", "expert"), live.person("Emil Expert", "expert")]
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda one: one.post(f"/desk/c/{conversation_id}/claim"), experts))
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    refused = next(answer for answer in answers if answer.status_code == 409)
    assert re.fullmatch(r"E\w+ Expert has taken this conversation\.", refused.json()["error"]["message"])


def test_an_expert_speaks_notes_and_gives_back(live: Live) -> None:
    traveler, conversation_id = live.session()
    traveler.post("/chat/v1/messages", json={"id": "m1", "text": "I need help with my trip"})
    traveler.post("/chat/v1/person", json={"want": True})
    eva = live.person("Eva Expert", "expert")
    queue = eva.get("/desk/queue").json()
    assert [(one["why"], one["last"]) for one in queue["waiting"]] == [("asked for a person", "I need help with my trip")]
    for _ in range(2):
        assert eva.post(f"/desk/c/{conversation_id}/reply", json={"id": "r1", "text": "Eva here, happy to help"}).status_code == 202
    assert eva.post(f"/desk/c/{conversation_id}/note", json={"text": "SECRET wish"}).status_code == 202
    desk = eva.get(f"/desk/c/{conversation_id}").json()
    assert desk["packet"]["mine"]
    assert [line["data"]["parts"][0]["text"] for line in desk["log"] if line["type"] == "note"] == ["SECRET wish"]
    seen = traveler.get("/chat/v1/history").text
    assert seen.count("Eva here, happy to help") == 1
    assert "SECRET" not in seen
    assert eva.post(f"/desk/c/{conversation_id}/return").json()["mode"] == "bot"
    with live.house.engine.db.read() as tx:
        assert conversations.get(tx, conversation_id).controller == "bot"


def test_an_unknown_conversation_is_not_found(live: Live) -> None:
    eva = live.person("Eva Expert", "expert")
    for path in ("/desk/c/none", "/desk/events?c=none"):
        assert eva.get(path).status_code == 404
    assert eva.post("/desk/c/none/note", json={"text": "x"}).status_code == 404


# ── operations and payment pages ──────────────────────────────────────────────────────────────────


def test_operations_show_the_ledger_and_the_mail(live: Live) -> None:
    asked(live)
    engine = live.house.engine
    with engine.db.write() as tx:
        notices.send(
            tx,
            channel="mail",
            address="x@example.com",
            notice="hello",
            content={"subject": "<b>Hi</b>", "text": "Dear you"},
            now=engine.clock(),
            key="k",
        )
    shown = live.person("Olga Operator", "operator").get("/ops").text
    assert "&lt;b&gt;Hi&lt;/b&gt;" in shown
    assert "Dear you" in shown
    assert "every posting sums to zero" in shown


@pytest.fixture
def payment(live: Live) -> str:
    builders.products(live.house.engine)
    return builders.buy(live.house.engine)


def test_the_return_page_says_what_is_true(live: Live, payment: str, gateway: MemoryGateway) -> None:
    collect.ensure_link(live.house.engine, payment)
    with live.client(**HTML) as browser:
        assert "Not paid yet" in browser.get("/pay/done?s=cs_1").text
        left = browser.get(f"/pay/back?p={payment}").text
        assert "Nothing was charged" in left
        assert 'href="https://pay.example/cs_1"' in left
        gateway.down = True
        assert "still checking" in browser.get("/pay/done?s=cs_1").text
        gateway.down = False
        gateway.pay("cs_1")
        paid = browser.get("/pay/done?s=cs_1").text
        assert "Paid and confirmed" in paid
        assert re.search(r"TRV-\w{6}", paid)
        assert browser.get("/pay/done?s=cs_unknown").status_code == 404
    with live.house.engine.db.read() as tx:
        assert tx.execute(select(booking.c.status)).scalar_one() == "CONFIRMED"


def test_an_expired_page_says_so(live: Live, payment: str, gateway: MemoryGateway) -> None:
    collect.ensure_link(live.house.engine, payment)
    gateway.lapse("cs_1")
    with live.client(**HTML) as browser:
        shown = browser.get("/pay/done?s=cs_1").text
    assert "has run out" in shown
    assert "pay.example" not in shown


def test_the_shop_window_shows_real_prices_and_works_empty(live: Live) -> None:
    with live.client() as browser:
        assert "shelves are still empty" in browser.get("/").text
        builders.products(live.house.engine, "kayak")
        assert "shelves are still empty" in browser.get("/").text  # no indicative price: it is not advertised


def test_a_handed_back_conversation_leaves_the_waiting_list(live: Live) -> None:
    traveler, _ = live.session()
    traveler.post("/chat/v1/person", json={"want": True})
    traveler.post("/chat/v1/person", json={"want": False})
    assert handoff.queue(live.house.engine) == []


def test_a_provider_who_cannot_keep_a_booking_gives_everything_back(live: Live, payment: str, gateway: MemoryGateway) -> None:
    engine = live.house.engine
    collect.ensure_link(engine, payment)
    gateway.pay("cs_1")
    collect.sync(engine, payment)
    with engine.db.read() as tx:
        row = tx.execute(select(booking.c.id, booking.c.provider_id, booking.c.amount)).one()
    stranger = live.person("Other Provider", "provider", "somebody-else")
    assert stranger.post(f"/provider/bookings/{row.id}/cancel", data={"reason": "x"}).status_code == 409
    paul = live.person("Paul Provider", "provider", row.provider_id)
    assert "Cancel this booking" in paul.get("/provider").text
    done = paul.post(f"/provider/bookings/{row.id}/cancel", data={"reason": "the boat leaks"})
    assert done.headers["location"] == "/provider?done=cancel"
    with engine.db.read() as tx:
        assert tx.execute(select(booking.c.status)).scalar_one() == "CANCELLED"
        assert tx.execute(select(refund.c.amount)).scalar_one() == row.amount


def test_a_provider_checks_guests_in_once_and_notes_who_stayed_away(live: Live, gateway: MemoryGateway) -> None:
    engine = live.house.engine
    provider = live.person("Paul Provider", "provider", "tejo")
    builders.products(engine, "kayak", "canoe")
    payment_id = builders.buy(engine, "kayak", "canoe")
    collect.ensure_link(engine, payment_id)
    gateway.pay("cs_1")
    collect.sync(engine, payment_id)
    with engine.db.read() as tx:
        rows = {row.product_id: row for row in tx.execute(select(booking))}
    kayak, canoe = (f"/provider/bookings/{rows[name].id}" for name in ("kayak", "canoe"))
    assert "Check in" not in provider.get("/provider").text
    assert provider.post(f"{kayak}/check-in").status_code == 409  # more than a day early
    engine.clock.at = rows["kayak"].starts_at + timedelta(minutes=5)  # type: ignore[attr-defined]
    provider = live.person("Pia Provider", "provider", "tejo")
    assert provider.post(f"{kayak}/check-in").headers["location"] == "/provider?done=check_in"
    assert provider.post(f"{kayak}/check-in").status_code == 409
    assert provider.post(f"{canoe}/no-show").headers["location"] == "/provider?done=no_show"
    assert builders.statuses(engine.db) == {"kayak": "REDEEMED", "canoe": "CONFIRMED"}


# ── booking for somebody ──────────────────────────────────────────────────────────────────────────


def test_an_expert_books_for_the_traveler_who_alone_confirms(live: Live, gateway: MemoryGateway) -> None:
    engine = live.house.engine
    builders.products(engine)
    builders.expert_fee(engine)
    traveler, conversation_id = live.session()
    eva = live.person("Eva Expert", "expert")
    line = {"id": "a1", "product": "kayak", "day": builders.DAY.isoformat(), "units": {"ADULT": 2}}
    assert eva.post(f"/desk/c/{conversation_id}/cart", json=line).status_code == 403  # not hers yet
    eva.post(f"/desk/c/{conversation_id}/claim")
    assert [one["title"] for one in eva.get(f"/desk/c/{conversation_id}/search").json()] == ["Kayak"]
    for _ in range(2):  # a press that comes twice adds once
        added = eva.post(f"/desk/c/{conversation_id}/cart", json=line)
        assert added.status_code == 201
    item = added.json()["added"]
    emil = live.person("Emil Expert", "expert")
    assert emil.post(f"/desk/c/{conversation_id}/cart/{item}", json={"units": {"ADULT": 4}}).status_code == 403
    assert eva.post(f"/desk/c/{conversation_id}/cart/{item}", json={"units": {"ADULT": 3}}).status_code == 200
    packet = eva.get(f"/desk/c/{conversation_id}").json()["packet"]
    assert [(one["kind"], one["amount"]) for one in packet["cart"]] == [("own", "€180"), ("fee", "€18")]
    assert packet["totals"] == ["€198"]
    assert eva.post(f"/desk/c/{conversation_id}/total", json={"id": "t1"}).status_code == 202
    log = traveler.get("/chat/v1/history").json()
    (summary,) = [part for line in log for part in line["data"].get("parts", ()) if part["type"] == "summary"]
    assert summary["total"]["amount"] == "€198"
    with engine.db.read() as tx:
        mine = conversations.get(tx, conversation_id).account_id
        acts = tx.execute(select(audit_log.c.verb, audit_log.c.acting_for).where(audit_log.c.role == "expert")).all()
        assert tx.execute(select(booking)).all() == []
    assert [tuple(act) for act in acts] == [(verb, mine) for verb in ("add_to_cart", "change_cart_line", "propose_checkout")]
    confirm = summary["buttons"][0]["action"]
    with engine.db.write() as tx:
        people.set_contact(tx, mine, name="Ana Silva", email="ana@example.com", terms=True, now=engine.clock())
    traveler.post("/chat/v1/messages", json={"id": "c1", "action": confirm})
    with engine.db.read() as tx:
        row = tx.execute(select(booking)).one()
    assert (row.status, row.units, row.account_id) == ("ON_HOLD", {"ADULT": 3}, mine)
    assert gateway.pages["cs_1"].amount == 19_800


def test_saved_replies_are_filled_in_and_unknown_words_refused(live: Live) -> None:
    _, conversation_id = live.session()
    eva = live.person("Eva Expert", "expert")
    assert eva.post("/desk/replies", json={"name": "Hi", "body": "Hello {nam}"}).status_code == 422
    assert eva.post("/desk/replies", json={"name": "Hi", "body": "Hello {name}, {expert} here. Total {total}."}).status_code == 201
    (kept,) = eva.get(f"/desk/c/{conversation_id}/replies").json()
    assert kept["text"] == "Hello, Eva here. Total."
    assert eva.post(f"/desk/replies/{kept['id']}/remove").status_code == 204
    assert eva.get(f"/desk/c/{conversation_id}/replies").json() == []


def test_a_conversation_is_given_to_a_colleague(live: Live) -> None:
    _, conversation_id = live.session()
    eva, emil = live.person("Eva Expert", "expert"), live.person("Emil Expert", "expert")
    eva.post(f"/desk/c/{conversation_id}/claim")
    emil.post("/desk/beat", json={})
    (other,) = eva.get("/desk/colleagues").json()
    assert (other["name"], other["here"]) == ("Emil Expert", True)
    assert (
        eva.post(f"/desk/c/{conversation_id}/transfer", json={"to": other["expert_id"], "note": "wants a boat"}).json()["mode"] == "queued"
    )
    (waiting,) = emil.get("/desk/queue").json()["waiting"]
    assert waiting["fits"]
    assert not eva.get("/desk/queue").json()["waiting"][0]["fits"]
    assert emil.post(f"/desk/c/{conversation_id}/claim").status_code == 200


def test_an_owner_says_how_the_business_answers(live: Live) -> None:
    engine = live.house.engine
    builders.products(engine, "walk", booking_type="REQUEST")
    marta = live.person("Marta Host", "provider", "tejo")
    assert "How Tejo answers" in marta.get("/listings").text
    given = {"phone": "+351 912 345 678", "hours": "6", "card_hold": "yes"}
    assert marta.post("/listings/business/tejo/terms", data=given).headers["location"] == "/listings?done=business"
    assert "checked" in marta.get("/listings").text
    ana = builders.traveler(engine)
    builders.add(engine, ana, "walk")
    assert len(builders.checkout(engine, ana)) == 1, "the card is asked for from now on"
    for wrong in ({**given, "phone": "call me"}, {**given, "hours": "0"}, {**given, "hours": "soon"}):
        assert marta.post("/listings/business/tejo/terms", data=wrong).status_code == 422
    rita = live.person("Rita Rival", "provider", "nobody")
    assert rita.post("/listings/business/tejo/terms", data=given).status_code in (403, 404)
    with engine.db.write() as tx:
        helper = people.new_account(tx, engine.clock(), name="Hugo Help", email="hugo@example.com", visitor=False)
        people.grant(tx, helper, "provider", "tejo", level="staff")
    hugo = live.seated(people.redeem_sign_in(engine, people.sign_in_link(engine, helper)))
    assert hugo.post("/listings/business/tejo/terms", data={**given, "hours": "1"}).status_code == 403
    with engine.db.read() as tx:
        row = tx.execute(select(provider).where(provider.c.id == "tejo")).one()
    assert (row.phone, row.respond_hours, row.card_hold) == ("+351 912 345 678", 6, True)
