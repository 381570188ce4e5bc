"""Every route of the web door, asked by everybody: who gets in who should not, sees what is another's, or changes it.

A marketplace is filled with one traveler's and one provider's affairs; then strangers, a rival provider, experts, operators and
nobody at all send every request that its owner could send, with the owner's ids in it. A leak is an answer below 400 to somebody
who may not, a word of the owner's in an answer to somebody who may not read it, or a row that is another one afterwards. In the
end those who may are let in, so that a door that is shut to everybody does not count as safe. Bar: leaks 0.
"""

from __future__ import annotations

import random
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import httpx
from fastapi.routing import iter_route_contexts
from sqlalchemy import insert, select

from benchmarks.bench import Progress, arguments, close, database, table
from channels.mail.address import key_of
from channels.web.app import create_app
from channels.web.session import COOKIE, csrf_of
from core import bookings, calendars, carts, conversations, handoff, hooks, links, listings, offers, people, preferences, replies, requests
from core.availability import Ask
from core.db import Database
from core.engine import Actor, Engine
from core.payments import collect
from core.schema import account, booking, metadata, review
from tests import builders
from tests.channels.conftest import Live, build_house, running
from tests.gateway import MemoryGateway

ROLES = ("anonymous", "traveler", "stranger", "provider", "rival", "expert", "operator")
EVERYBODY = frozenset(ROLES)
TRAVELERS = frozenset({"traveler", "stranger"})
SIGNED = EVERYBODY - {"anonymous"}
OWNER = frozenset({"traveler"})
CREW = frozenset({"provider", "operator"})
CREWS = CREW | {"rival"}
DESK = frozenset({"expert", "operator"})
OPS = frozenset({"operator"})
PAID = CREWS | {"expert"}

# Who may use a route with the owner's ids in it. "link": the address itself is the key, so whoever has it reads what it shows.
ACCESS: dict[str, frozenset[str]] = {
    **dict.fromkeys(
        (
            "GET /provider/join", "POST /provider/join", "GET /photos/{name}", "GET /", "GET /favicon.ico", "GET /chat", "GET /pay/done", "GET /pay/back", "GET /healthz", "GET /readyz", "POST /chat/v1/session",
            "POST /chat/v1/sign-out", "GET /signin", "POST /signin", "GET /signin/{token}", "POST /signin/{token}", "GET /signout", "POST /signout", "GET /api/openapi.json",
            "GET /api/docs", "GET /calendars/{token}.ics", "GET /r/{link_id}", "GET /mail/off/{token}", "POST /mail/off/{token}", "POST /mail/off/{token}/on",
            "GET /confirm/{token}", "POST /confirm/{token}",  # signed for one proposal; the address is the key
        ),
        EVERYBODY,
    ),
    **dict.fromkeys(
        (
            "GET /v/{token}", "GET /v/{token}.ics", "GET /v/{token}.pdf", "GET /trips/{token}", "POST /trips/{token}/pay", "POST /trips/{token}/change",
            "POST /trips/{token}/confirm-change", "POST /trips/{token}/cancel", "POST /trips/{token}/confirm-cancel", "POST /trips/{token}/offer",
            "POST /trips/{token}/withdraw", "POST /trips/{token}/travelers", "POST /trips/{token}/chat", "POST /trips/{token}/take-back",
            "POST /trips/{token}/write", "POST /trips/{token}/review", "POST /trips/{token}/reminders",
        ),
        EVERYBODY,
    ),
    "GET /metrics": frozenset(),  # only with a token of its own
    **dict.fromkeys(("GET /mcp", "POST /mcp", "DELETE /mcp"), frozenset()),  # only a program's own token
    **dict.fromkeys(
        (
            "GET /octo/supplier", "GET /octo/products", "GET /octo/products/{product_id}", "POST /octo/availability", "POST /octo/availability/calendar",
            "POST /octo/bookings", "GET /octo/bookings", "GET /octo/bookings/{uuid}", "PATCH /octo/bookings/{uuid}", "DELETE /octo/bookings/{uuid}",
            "POST /octo/bookings/{uuid}/confirm", "POST /octo/bookings/{uuid}/extend", "POST /octo/bookings/{uuid}/cancel",
        ),
        frozenset(),
    ),  # only a reseller's own token
    "POST /affiliate/postback/{partner}": frozenset(),  # only what the partner has signed
    "POST /webhooks/stripe": frozenset(),  # only what the payment service has signed
    **dict.fromkeys(
        ("POST /chat/v1/messages", "POST /chat/v1/person", "POST /chat/v1/typing", "GET /chat/v1/history", "GET /chat/v1/events", "POST /chat/v1/uploads"),
        TRAVELERS,
    ),
    "GET /chat/v1/uploads/{conversation_id}/{mid}": OWNER | DESK,
    **dict.fromkeys(
        (
            "GET /provider", "GET /provider/events", "GET /calendar", "GET /bookings", "GET /listings", "GET /staff",
            "GET /reviews", "POST /reviews/{review_id}/answer",
        ),
        CREWS,
    ),
    **dict.fromkeys(
        (
            "GET /check-in/{reference}", "POST /check-in/{reference}", "POST /listings", "GET /listings/{listing_id}", "POST /listings/{listing_id}",
            "POST /listings/{listing_id}/{what}", "POST /listings/business/{provider_id}/terms", "POST /staff/{provider_id}/invite", "POST /staff/{provider_id}/remove",
            "POST /provider/requests/{request_id}/approve", "POST /provider/requests/{request_id}/decline", "POST /provider/requests/{request_id}/answer",
            "POST /provider/requests/{request_id}/counter", "POST /provider/bookings/{booking_id}/cancel", "POST /provider/bookings/{booking_id}/check-in",
            "POST /provider/bookings/{booking_id}/no-show", "POST /provider/bookings/{booking_id}/write", "POST /provider/vouchers", "POST /calendar/days", "POST /calendar/switch", "POST /calendar/week",
            "POST /calendar/capacity", "POST /calendar/feeds", "POST /calendar/feeds/{feed_id}/{what}", "POST /calendar/links", "POST /calendar/links/revoke",
            "GET /payouts/{party}/{party_id}", "GET /payouts/{party}/{party_id}/statement.csv", "GET /payouts/{party}/{party_id}/statement.pdf", "POST /payouts/{party}/{party_id}/setup",
        ),
        CREW,
    ),
    "GET /payouts": PAID,
    **dict.fromkeys(
        (
            "GET /desk", "GET /desk/queue", "GET /desk/c/{conversation_id}", "GET /desk/events", "POST /desk/c/{conversation_id}/claim",
            "POST /desk/c/{conversation_id}/reply", "POST /desk/c/{conversation_id}/note", "POST /desk/c/{conversation_id}/return",
            "POST /desk/c/{conversation_id}/typing",
            "POST /desk/c/{conversation_id}/transfer",
            "POST /desk/c/{conversation_id}/cart",
            "POST /desk/c/{conversation_id}/cart/{item_id}",
            "POST /desk/c/{conversation_id}/cart/{item_id}/remove",
            "POST /desk/c/{conversation_id}/total",
            "GET /desk/c/{conversation_id}/replies",
            "GET /desk/c/{conversation_id}/search",
            "GET /desk/colleagues",
            "POST /desk/beat",
            "POST /desk/replies",
            "POST /desk/replies/{reply_id}/remove",
        ),
        DESK,
    ),
    **dict.fromkeys(("GET /review", "POST /review/listings/{listing_id}", "POST /review/providers/{provider_id}", "GET /ops", "GET /ops/figures.csv", "POST /reviews/{review_id}/hide", "POST /reviews/{review_id}/show", "POST /ops/jobs/{job_id}/retry", "POST /ops/disputes/{dispute_id}/evidence"), OPS),
    **dict.fromkeys(("GET /api/catalogue/search", "GET /api/catalogue/products/{product_id}/reviews", "GET /api/providers/{provider_id}/availability"), EVERYBODY),
    **dict.fromkeys(("POST /api/bookings/process-cart", "POST /api/booking-requests/submit"), SIGNED),
    **dict.fromkeys(
        (
            "POST /api/bookings/create-payment-intent", "POST /api/bookings/confirm", "POST /api/offers/{offer_id}/answer",
            "PUT /api/bookings/{booking_id}/travelers",
        ),
        OWNER,
    ),
    **dict.fromkeys(
        (
            "GET /api/cities", "GET /api/products", "GET /api/products/{product_id}", "POST /api/quotes", "GET /api/cart", "POST /api/cart/items",
            "PATCH /api/cart/items/{item_id}", "DELETE /api/cart/items/{item_id}", "PUT /api/cart/promo", "POST /api/checkout/proposals",
            "POST /api/checkout/confirm", "POST /api/cancellations/confirm", "POST /api/changes/confirm", "GET /api/conversation/messages",
            "POST /api/conversation/messages", "POST /api/conversation/person", "POST /api/hooks", "GET /api/hooks",
        ),
        SIGNED,  # each its own cart and conversation
    ),
    **dict.fromkeys(
        (
            "DELETE /api/hooks/{hook_id}", "POST /api/hooks/{hook_id}/enable", "GET /api/hooks/{hook_id}/deliveries",
            "POST /api/hooks/{hook_id}/deliveries/{delivery_id}/replay",
        ),
        OWNER,
    ),
    **dict.fromkeys(
        ("GET /api/bookings/{booking_id}", "POST /api/bookings/{booking_id}/cancellation", "POST /api/bookings/{booking_id}/change"), OWNER
    ),
    "GET /api/bookings/user/{user_id}": OWNER | OPS,
    **dict.fromkeys(("PATCH /api/booking-requests/{request_id}/respond", "PATCH /api/providers/{provider_id}/pricing", "POST /api/providers/stripe-onboard"), CREW),
}  # fmt: skip

LINK = ("/v/", "/trips/")
LINKED = "Marquardt"  # the traveler's name: those who have to do with the booking read it
WORDS = {
    LINKED: frozenset({"traveler", "provider", "expert", "operator"}),
    "secretline": frozenset({"traveler", "expert", "operator"}),
    "secretstaff": frozenset({"expert", "operator"}),
    "Secret draft": CREW,
    "secretrequest": frozenset({"traveler", "provider", "expert", "operator"}),
}
ENDS = ("sign", "return", "take-back", "transfer")  # asked last, because they end what others need
STREAMS = ("GET /chat/v1/events", "GET /desk/events", "GET /provider/events")


@dataclass
class World:
    """A house full of one traveler's and one provider's affairs, and everybody at its doors."""

    live: Live
    ids: dict[str, str]
    keys: dict[str, dict[str, str]]  # role: {"chat", "api", "console"}
    clients: dict[str, httpx.Client] = field(default_factory=dict)

    def ask(self, role: str, route: str) -> tuple[int, str]:
        """Send the owner's request as this role; the status and what was said."""
        method, path = route.split(" ", 1)
        if path.startswith("/listings/"):
            path = path.replace("{what}", "off")
        for name, value in self.ids.items():
            path = path.replace(f"{{{name}}}", value)
        if path.startswith("/v/"):
            path = path.replace(self.ids["token"], self.ids["voucher"])
        if path.startswith("/calendars/"):
            path = path.replace(self.ids["token"], self.ids["link"])
        if path.startswith("/mail/off/"):
            path = path.replace(self.ids["token"], self.ids["off"])
        headers = {"accept": "text/html" if not path.startswith(("/chat/v1", "/api", "/desk/c", "/desk/q")) else "application/json"}
        held = self.keys.get(role, {})
        bearer = held.get("api" if path.startswith("/api") else "chat")
        if bearer:
            headers["authorization"] = f"Bearer {bearer}"
        if "console" in held:
            headers["cookie"] = f"{COOKIE}={held['console']}"
            headers["x-csrf-token"] = csrf_of(held["console"])
        given: dict[str, Any] = {}
        if method != "GET":
            given = self._body(path, headers.get("x-csrf-token", ""))
        elif path in ("/pay/done", "/pay/back"):
            given = {"params": {"s": "cs_1", "p": self.ids["payment"]}}
        elif path == "/calendar":
            given = {"params": {"product": "walk"} if role not in ("rival",) else {}}
        elif path == "/desk/events":
            given = {"params": {"c": self.ids["conversation_id"]}}
        elif path == "/api/providers/tejo/availability":
            given = {"params": {"product": "kayak", "start": builders.DAY.isoformat(), "end": builders.DAY.isoformat()}}
        with self.clients["http"].stream(method, path, headers=headers, **given) as answer:
            if route in STREAMS and answer.status_code == 200:
                said = ""
                for piece in answer.iter_text():
                    said += piece
                    if "event: ready" in said:
                        break
                return answer.status_code, said
            return answer.status_code, answer.read().decode(errors="replace")

    def _body(self, path: str, csrf: str) -> dict[str, Any]:
        ids = self.ids
        if path.startswith("/chat/v1/uploads"):
            return {"files": {"file": ("a.png", b"\x89PNG\r\n\x1a\n" + b"0" * 40, "image/png")}}
        if path.startswith("/chat/v1"):
            return {
                "json": {"id": "probe", "text": "hello"} if path.endswith("messages") else {"want": True} if path.endswith("person") else {}
            }
        if path.startswith("/desk"):
            return {"json": DESK_BODIES.get(path.rsplit("/", 1)[-1], {"id": "probe", "text": "hello"})}
        if path.startswith("/webhooks"):
            return {"content": b"{}"}
        if path.startswith("/api"):
            line = {"product": "kayak", "date": builders.DAY.isoformat(), "units": {"ADULT": 1}}
            contact = {"name": "Some Body", "email": "some@example.com", "accept_terms": True}
            bodies: dict[str, Any] = {
                "process-cart": {"items": [line], "contact": contact},
                "create-payment-intent": {"payment_id": ids["payment"]},
                "confirm": {"payment_id": ids["payment"]},
                "submit": {**line, "product": "walk", "contact": contact},
                "respond": {"action": "decline"},
                "answer": {"action": "decline"},
                "pricing": {"product": "kayak", "amount": 1},
                "stripe-onboard": {"provider": "tejo"},
                "travelers": {"travelers": ["Probe"]},
                "quotes": line,
                "hooks": {"url": "https://example.com/probe"},
                "items": line,
                "change": {"date": (builders.DAY + timedelta(days=2)).isoformat()},
                "messages": {"id": "probe", "text": "hello"},
                "person": {"want": False},
            }
            return {"json": bodies.get(path.rstrip("/").rsplit("/", 1)[-1], {})}
        form = {
            "csrf": csrf, "answer": "no", "price": "1", "reason": "because", "code": ids["reference"], "product": "walk", "on": "0", "do": "block",
            "first": "2027-06-01", "last": "2027-06-02", "places": "1", "name": "probe", "url": "https://cal.example.com/x.ics", "token": ids["link"],
            "proof": csrf_of(f"trips:{ids['token']}"), "booking": ids["booking_id"], "proposal": "none", "offer": ids["offer_id"], "day": "2027-03-09",
            "email": "nobody@nowhere.example", "text": "hello", "stars": "3", **FORMS,
        }  # fmt: skip
        return {"data": form}


DESK_BODIES: dict[str, dict[str, Any]] = {
    "beat": {},
    "transfer": {"to": None, "note": "probe"},
    "cart": {"product": "kayak", "day": builders.DAY.isoformat(), "units": {"ADULT": 1}},
    "replies": {"name": "probe", "body": "Hello {name}"},
}
FORMS: dict[str, str] = {
    "title": "probe", "kind": "activity", "destination": "lisbon", "provider": "tejo", "account": "paul", "level": "staff", "version": "1",
    "said": "because", "options[0].title": "probe",
}  # fmt: skip


@contextmanager
def world(db: Database, folder: Path) -> Iterator[World]:
    gateway = MemoryGateway()
    house = build_house(db, folder, gateway)
    engine = house.engine
    with db.write() as tx:
        builders.add_provider(tx, "tejo", country="PT")
    builders.products(engine, "kayak")
    builders.products(engine, "walk", "tour", booking_type="REQUEST", places=None)
    builders.products(engine, "raft", provider_id="rival")
    crew = Actor("paul", role="provider", provider_ids=("tejo",))
    with running(house) as live:
        keys: dict[str, dict[str, str]] = {}
        ids: dict[str, str] = {
            "provider_id": "tejo",
            "party": "provider",
            "party_id": "tejo",
            "job_id": "1",
            "dispute_id": "dp_1",
            "what": "remove",
        }
        for role, name in (("traveler", f"Ana {LINKED}"), ("stranger", "Bo Other")):
            client, conversation_id = live.session()
            with engine.db.write() as tx:
                account_id = conversations.get(tx, conversation_id).account_id
                people.set_contact(tx, account_id, name=name, email=f"{role}@example.com", terms=True, now=engine.clock())
            keys[role] = {"chat": client.headers["authorization"].removeprefix("Bearer "), "api": people.api_token(engine, account_id)}
            if role == "traveler":
                ana = Actor(account_id, conversation_id=conversation_id)
        for role, account_id, held, provider_id in (
            ("provider", "paul", "provider", "tejo"),
            ("rival", "rita", "provider", "rival"),
            ("expert", "eva", "expert", ""),
            ("operator", "olga", "operator", ""),
        ):
            with engine.db.write() as tx:
                people.ensure_account(tx, engine.clock(), account_id, name=account_id.title(), email=f"{account_id}@example.com")
                people.grant(tx, account_id, held, provider_id)
            console = people.redeem_sign_in(engine, people.sign_in_link(engine, account_id))
            keys[role] = {"console": console, "api": people.api_token(engine, account_id)}
        payment_id = builders.buy(engine, "kayak", actor=ana)
        collect.ensure_link(engine, payment_id)
        gateway.pay("cs_1")
        collect.sync(engine, payment_id)
        for product_id in ("walk", "tour"):
            builders.add(engine, ana, product_id)
            made = bookings.propose_checkout(engine, ana)
            bookings.commit_checkout(engine, ana, made["proposal_id"], requests="secretrequest")
        listing_id = listings.create(engine, crew, "tejo", title="Secret draft", kind="activity", destination="lisbon")
        asked = {one["title"]: one["request_id"] for one in requests.pending(engine, ["tejo"])}
        offered = offers.counter(engine, crew, asked["Tour"], amount=9_000)
        item_id = carts.add(engine, ana, Ask("kayak", None, builders.DAY + timedelta(days=1), units={"ADULT": 2}))["added"]
        reply_id = replies.keep(engine, Actor("eva", role="expert"), "Hello", "Hello {name}")
        conversations.say(engine, ana, "owner-1", "secretline")
        handoff.ask_for_person(engine, ana, "asked_for_human")
        handoff.note(engine, Actor("eva", role="expert"), ana.conversation_id, "secretstaff")
        with keys_of(live, keys["traveler"]["chat"]) as owner:
            owner.post("/chat/v1/uploads", files={"file": ("a.png", b"\x89PNG\r\n\x1a\n" + b"0" * 40, "image/png")}, data={"id": "upload1"})
        with engine.db.read() as tx:
            row = tx.execute(select(booking).where(booking.c.product_id == "kayak")).one()
            voucher = links.voucher_path(tx, row).removeprefix("/v/")
            trips = links.trips_path(tx, ana.account_id, engine.clock()).removeprefix("/trips/")
            said = {
                "product_id": row.product_id,
                "provider_id": row.provider_id,
                "account_id": ana.account_id,
                "stars": 4,
                "text": "Calm water",
            }
            off = preferences.token(tx, key_of("traveler@example.com"), "reminder")
        with engine.db.write() as tx:
            tx.execute(insert(review).values(id="review1", booking_id=row.id, **said, created_at=engine.clock(), changed_at=engine.clock()))
        ids |= {
            "off": off,
            "review_id": "review1", "product_id": "kayak",
            "token": trips, "voucher": voucher, "payment": payment_id, "booking_id": row.id, "reference": row.reference,
            "request_id": asked["Walk"], "offer_id": offered["offer_id"], "conversation_id": ana.conversation_id, "mid": "upload1",
            "user_id": ana.account_id,
            "item_id": item_id,
            "listing_id": listing_id, "name": "photo-none.jpg",
            "reply_id": reply_id, "feed_id": calendars.add_feed(engine, crew, "walk", "https://cal.example.com/a.ics"),
            **_hooked(engine, ana),
            "link": calendars.share(engine, crew, "walk", name="other"),
        }  # fmt: skip
        made_world = World(live, ids, keys, {"http": httpx.Client(base_url=live.url, timeout=20)})
        yield made_world
        made_world.clients["http"].close()


def _hooked(engine: Engine, actor: Actor) -> dict[str, str]:
    """A webhook of the traveler's, and a message of it."""
    made = hooks.add(engine, actor, "https://example.com/hook")
    with engine.db.write() as tx:
        hooks.booking_changed(
            tx, str(tx.execute(select(booking.c.id).where(booking.c.account_id == actor.account_id).limit(1)).scalar_one()), engine.clock()
        )
    return {"hook_id": made["hook_id"], "delivery_id": hooks.deliveries(engine, actor, made["hook_id"])[0]["delivery_id"]}


@contextmanager
def keys_of(live: Live, token: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=live.url, headers={"authorization": f"Bearer {token}"}, timeout=20) as client:
        yield client


def routes(app: Any) -> list[str]:
    """Every route as "METHOD /path"; the same operation with a slash at its end counts once."""
    found = set()
    for context in iter_route_contexts(app.routes):
        path = context.path if context.path == "/" else context.path.rstrip("/")
        found |= {f"{method} {path}" for method in (context.methods or ()) if method != "HEAD"}
    return sorted(found)


PUBLIC_TABLES = ("session", "idempotency_key", "job", "link_token", "turn", "action", "expert")  # what anybody's own visit may add to


def owned(db: Database, ids: dict[str, str]) -> dict[str, Any]:
    """Everything that is the owner's, to show that nothing of it has moved."""
    mine = {ids["user_id"], ids["conversation_id"], "tejo", "kayak", "walk", "tour"}
    with db.read() as tx:
        kept = {}
        for name, one in metadata.tables.items():
            if name in PUBLIC_TABLES or not any(column.name in OWNED for column in one.columns):
                continue
            columns = [column for column in one.columns if column.name in OWNED]
            rows = [row for row in tx.execute(select(one)) if any(getattr(row, column.name) in mine for column in columns)]
            kept[name] = sorted(str(tuple(row)) for row in rows)
        kept["person"] = [str(tuple(row)) for row in tx.execute(select(account).where(account.c.id == ids["user_id"]))]
    return kept


OWNED = ("account_id", "conversation_id", "provider_id", "product_id", "resource_id", "scope_id", "party_id", "option_id")


def probe(made: World, role: str, route: str, *, may: bool) -> tuple[list[str], int]:
    """What is wrong with the answer to this role, and its status."""
    status, said = made.ask(role, route)
    wrong = []
    if not may and status < 400:
        wrong.append(f"{role} got {status} from {route}")
    if status >= 500:
        wrong.append(f"{role} broke {route}: {status}")
    linked = route.split(" ")[1].startswith(LINK)
    for word, readers in WORDS.items():
        if word in said and role not in readers and not linked:
            wrong.append(f"{role} reads {word!r} in {route}")
    return wrong, status


def drill(db: Database, *, sample: int | None = None, seed: int = 1, access: Mapping[str, frozenset[str]] = ACCESS) -> dict[str, Any]:
    """With `sample`, only so many of the routes, and only with those who may not use them."""
    with tempfile.TemporaryDirectory(prefix="access") as folder, world(db, Path(folder)) as made:
        known = routes(create_app(made.live.house))
        missing = [route for route in known if route not in access]
        gone = [route for route in access if route not in known]
        chosen = [route for route in known if route in access]
        if sample is not None:
            chosen = sorted(random.Random(seed).sample(chosen, min(sample, len(chosen))))
        leaks, shut = _closed(made, chosen, access), []
        if sample is None:
            shut = _opened(made, chosen, access, leaks)
    return {"routes": len(chosen), "roles": len(ROLES), "leaks": len(leaks), "found": leaks, "shut": shut, "missing": missing, "gone": gone}


def _closed(made: World, chosen: Sequence[str], access: Mapping[str, frozenset[str]]) -> list[str]:
    """Everybody who may not, first: nothing of the owner's may move meanwhile."""
    leaks = []
    before = owned(made.live.house.engine.db, made.ids)
    progress = Progress("closed doors", len(chosen))
    for route in chosen:
        for role in ROLES:
            if role not in access[route]:
                leaks += probe(made, role, route, may=False)[0]
        after = owned(made.live.house.engine.db, made.ids)
        if after != before:
            leaks.append(f"{route} changed {', '.join(name for name in after if after[name] != before[name])}")
            before = after
        progress.step()
    return leaks


def _opened(made: World, chosen: Iterable[str], access: Mapping[str, frozenset[str]], leaks: list[str]) -> list[str]:
    """Then those who may; the words in what they get are still looked at. Returns doors that are shut to one who may."""
    shut = []
    ordered = sorted(chosen, key=lambda route: (not route.startswith("GET"), "claim" not in route, [word in route for word in ENDS]))
    for route in ordered:
        answers = {}
        if "/desk/c/" in route:
            made.ask("expert", "POST /desk/c/{conversation_id}/claim")  # what went before may have ended it
        for role in ROLES:
            if role in access[route]:
                wrong, answers[role] = probe(made, role, route, may=True)
                leaks += wrong
        if access[route] != EVERYBODY and answers and all(status in (401, 403) for status in answers.values()):
            shut.append(f"{route}: {answers} {made.ask(min(answers), route)[1][:160]}")
    return shut


if __name__ == "__main__":
    given = arguments(__doc__ or "").parse_args()
    with database(given.db) as opened:
        result = {"db": given.db, **drill(opened)}
    table([(name, value) for name, value in result.items() if not isinstance(value, list)])
    for name in ("found", "shut", "missing", "gone"):
        for line in result[name]:
            print(f"  {name}: {line}")
    close({name: value for name, value in result.items() if not isinstance(value, list)})
    sys.exit(1 if result["leaks"] or result["missing"] or result["gone"] or result["shut"] else 0)
