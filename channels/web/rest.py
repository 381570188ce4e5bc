"""The door for programs: bookings, requests, availability and prices under /api/, each operation one verb of core.

Errors are problem+json (RFC 9457). A token stands for an account and its roles; who acts is never an argument.
"""

import hashlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from datetime import date as Day
from datetime import timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from channels.house import House
from channels.web.errors import SignInNeeded
from channels.web.limits import Limits
from core import availability, bookings, carts, catalogue, conversations, offers, people, prices, requests, reviews, search, travelers
from core.availability import Ask
from core.catalogue import Listing, listing
from core.engine import Actor, Engine
from core.errors import Invalid, NotAllowed, NotFound
from core.payments import balances, collect, payees
from core.schema import booking, conversation, payment

CHANNEL = "api"
SANDBOX_KEY = "pk_test_local_sandbox"  # what a page is given where no key is configured; Stripe.js itself cannot run against the sandbox
PAGE = 50


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Item(Strict):
    """One line: what, when and for whom. Prices are never taken from the caller."""

    product: str = Field(max_length=64, examples=["lisbon-sunset-sail"])
    option: str | None = Field(None, max_length=64)
    date: Day
    end_date: Day | None = None
    start_time: str = Field("", pattern=r"^(\d\d:\d\d)?$", examples=["17:30"])
    units: dict[str, Annotated[int, Field(ge=0, le=500)]] = Field({"ADULT": 1}, examples=[{"ADULT": 2, "CHILD": 1}])
    quantity: int = Field(1, ge=1, le=20)

    def ask(self) -> Ask:
        units = {kind.upper(): count for kind, count in self.units.items() if count}
        return Ask(self.product, self.option, self.date, self.end_date, self.start_time, units, self.quantity)


class Contact(Strict):
    """Who travels. `accept_terms` has to be true once before the first booking."""

    name: str = Field(max_length=120)
    email: str = Field(max_length=254)
    accept_terms: bool = False


class ProcessCart(Strict):
    """Either the open cart (`cart_id`) or `items`; not both."""

    cart_id: str | None = Field(None, max_length=64)
    items: list[Item] = Field(default=[], max_length=20)
    payment_method: Literal["full", "deposit"] = "full"
    contact: Contact | None = None
    requests: str = Field("", max_length=1000)


class PaymentIntent(Strict):
    """The payment of a booking, or a payment by its id. `embedded` is for a page inside your own site, by Stripe.js."""

    mode: Literal["hosted", "embedded"] = "hosted"

    booking: str | None = Field(None, max_length=64)
    payment_id: str | None = Field(None, max_length=64)


class Travelers(Strict):
    """The names of who comes along; the list replaces the one before."""

    travelers: list[Annotated[str, Field(max_length=200)]] = Field(max_length=500, examples=[["Anna Meyer", "Tom Meyer"]])


class Confirm(Strict):
    payment_id: str = Field(max_length=64)


class Submit(Item):
    note: str = Field("", max_length=1000)
    contact: Contact | None = None


class Respond(Strict):
    """A provider's answer. `counter` needs what is to be other than asked: the whole price, the day or the time."""

    action: Literal["approve", "decline", "counter"]
    message: str = Field("", max_length=1000)
    amount: int | None = Field(None, gt=0, le=10**12, description="the whole price in minor units")
    date: Day | None = None
    end_date: Day | None = None
    start_time: str | None = Field(None, pattern=r"^(\d\d:\d\d)?$")


class AnswerOffer(Strict):
    """The traveler's answer to an offer; `counter` names a price of their own in minor units."""

    action: Literal["accept", "decline", "counter"]
    amount: int | None = Field(None, gt=0, le=10**12)
    message: str = Field("", max_length=1000)


class NewRate(Strict):
    layer: Literal["DATE", "SEASON", "WEEKDAY"]
    name: str = Field("", max_length=80)
    start: Day | None = Field(None, alias="from")
    end: Day | None = Field(None, alias="to")
    weekdays: int = Field(127, ge=1, le=127, description="bit 0 is Monday")
    amount: int | None = Field(None, ge=0, description="minor units")
    bps: int | None = Field(None, ge=-10_000, le=100_000, description="hundredths of a percent on the base")
    priority: int = Field(0, ge=-1000, le=1000)


class Pricing(Strict):
    product: str = Field(max_length=64)
    option: str | None = Field(None, max_length=64)
    amount: int | None = Field(None, ge=0, le=10**12, description="the new base in minor units")
    rates: list[NewRate] | None = Field(None, max_length=200, description="replaces all rates")


class Onboard(Strict):
    provider: str = Field(max_length=64)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a token stands for."""

    person: people.Person

    def actor(self, conversation_id: str = "") -> Actor:
        return Actor(self.person.account_id, conversation_id=conversation_id, channel=CHANNEL)

    def provider_actor(self, provider_id: str) -> Actor:
        """Acting for this provider. Raises NotFound, because another's provider looks like none."""
        if self.person.has("operator"):
            return Actor(self.person.account_id, role="operator", channel=CHANNEL, provider_ids=(provider_id,))
        if provider_id not in self.person.provider_ids:
            raise NotFound("There is no such provider of yours.")
        if provider_id not in self.person.owned_ids:
            raise NotAllowed("Only an owner of the business may do this.")
        return Actor(self.person.account_id, role="provider", channel=CHANNEL, provider_ids=self.person.owned_ids)


class Tagged(APIRoute):
    """What is read carries an ETag; who has it already is told so with 304 and no body."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def tagged(request: Request) -> Response:
            answer = await handle(request)
            if request.method != "GET" or answer.status_code != 200:
                return answer
            tag = f'"{hashlib.sha256(bytes(answer.body)).hexdigest()[:32]}"'
            answer.headers["etag"] = tag
            answer.headers["cache-control"] = "private, no-cache"
            known = {one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")}
            if tag not in known and "*" not in known:
                return answer
            kept = {name: value for name, value in answer.headers.items() if not name.startswith("content-")}
            return Response(status_code=304, headers=kept)

        return tagged


def caller_of(house: House, limits: Limits) -> Callable[..., Caller]:
    """Whoever a request's token stands for; counts the call and says in the answer how many are left."""
    engine = house.engine

    def caller(response: Response, authorization: Annotated[str, Header(description="Bearer TOKEN")] = "") -> Caller:
        scheme, _, token = authorization.partition(" ")
        with engine.db.read() as tx:
            now = engine.clock()
            found = None
            if scheme.lower() == "bearer" and token:
                found = people.who(tx, token.strip(), "api", now) or people.who(tx, token.strip(), "chat", now)
        if found is None:
            raise SignInNeeded("A token is needed: Authorization: Bearer TOKEN. `traveloure token ACCOUNT` makes one.")
        response.headers.update(limits.check("messages", f"api:{found.account_id}"))
        return Caller(found)

    return caller


def operations_of(api: APIRouter) -> Callable[[str, str, str], Callable[[Callable[..., Any]], Callable[..., Any]]]:
    """The decorator of one operation, with and without the slash at its end."""

    def operation(method: str, path: str, name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        answers = PROBLEMS | ({304: {"description": "Nothing new since the ETag you sent"}} if method == "GET" else {})

        def register(do: Callable[..., Any]) -> Callable[..., Any]:
            for address, shown in ((path, True), (path.rstrip("/"), False)):
                api.add_api_route(address, do, methods=[method], name=name, operation_id=name, include_in_schema=shown, responses=answers)
            return do

        return register

    return operation


def desk_of(engine: Engine, who: Caller) -> Actor:
    """The traveler with the conversation their orders are kept in: the token's own, else the one of this door."""
    if who.person.conversation_id:
        return who.actor(who.person.conversation_id)
    with engine.db.read() as tx:
        row = tx.execute(
            select(conversation.c.id)
            .where(conversation.c.account_id == who.person.account_id, conversation.c.channel == CHANNEL)
            .order_by(conversation.c.created_at)
            .limit(1)
        ).one_or_none()
    if row is not None:
        return who.actor(str(row.id))
    made, _ = conversations.start(engine, channel=CHANNEL, account_id=who.person.account_id)
    return who.actor(made)


def who_travels(contact: Contact | None) -> dict[str, Any] | None:
    return None if contact is None else {"name": contact.name, "email": contact.email, "terms": contact.accept_terms}


def ordered(engine: Engine, done: dict[str, Any]) -> dict[str, Any]:
    """What an order came to: how its lines are paid, the bookings, and the pages of the payments."""
    links = [collect.ensure_link(engine, payment_id) for payment_id in done["payments"]]
    groups = [
        {"how": group.how, "currency": group.currency, "total": group.total, "lines": list(group.lines)}
        for group in carts.groups(done["lines"])
    ]
    return {"groups": groups, "totals": done["totals"], "bookings": bookings.of_cart(engine, done["cart_id"]), "payments": links}


def router(house: House, limits: Limits) -> APIRouter:
    api = APIRouter(prefix="/api", route_class=Tagged)
    engine = house.engine

    caller = caller_of(house, limits)
    Signed = Annotated[Caller, Depends(caller)]
    Key = Annotated[str | None, Header(alias="Idempotency-Key", max_length=120)]

    operation = operations_of(api)

    def desk(who: Caller) -> Actor:
        return desk_of(engine, who)

    def scoped(actor: Actor, key: str | None) -> str | None:
        return f"api:{actor.account_id}:{key}" if key else None

    @operation("POST", "/bookings/process-cart/", "process_cart")
    def process_cart(body: ProcessCart, who: Signed, key: Key = None) -> dict[str, Any]:
        """Hold and book a mixed cart, all or nothing, split into what is paid now, paid if approved, paid on site and booked elsewhere."""
        actor = desk(who)
        contact = who_travels(body.contact)
        if bool(body.items) == bool(body.cart_id):
            raise Invalid("items", "Send either items or the id of the open cart.")
        if body.items:
            asks = [item.ask() for item in body.items]
            done = bookings.order(
                engine, actor, asks, contact=contact, requests=body.requests, method=body.payment_method, key=scoped(actor, key)
            )
        else:
            view = carts.show(engine, actor)
            if view["cart_id"] != body.cart_id:
                raise NotFound("There is no such open cart of yours.")
            if contact is not None:
                bookings.save_details(engine, actor, contact)
            made = bookings.propose_checkout(engine, actor)
            booked = bookings.commit_checkout(engine, actor, made["proposal_id"], requests=body.requests, method=body.payment_method)
            done = {**booked, **made, "cart_id": body.cart_id}
        return answer_of(done)

    def answer_of(done: dict[str, Any]) -> dict[str, Any]:
        return ordered(engine, done)

    @operation("POST", "/bookings/create-payment-intent/", "create_payment_intent")
    def create_payment_intent(body: PaymentIntent, who: Signed) -> dict[str, Any]:
        """The page of a payment, made where there is none yet; for a booking with a deposit, the page for the rest of it.

        `mode` "hosted" answers with the page's `url`, "embedded" with `client_secret` and `publishable_key` for Stripe.js.
        """
        if body.booking and not body.payment_id and owes(who, body.booking):
            made = balances.pay(engine, desk(who), body.booking)
            payment_id = str(made["payment_id"])
        else:
            payment_id = own_payment(who, body.payment_id, body.booking)
            made = collect.ensure_link(engine, payment_id) if body.mode == "hosted" else {}
        if body.mode == "hosted":
            return made
        return {**collect.embed(engine, payment_id), "publishable_key": house.settings.stripe_publishable_key or SANDBOX_KEY}

    def owes(who: Caller, booking_id: str) -> bool:
        with engine.db.read() as tx:
            row = tx.execute(select(booking).where(booking.c.id == booking_id, booking.c.account_id == who.person.account_id)).one_or_none()
            return row is not None and bool(bookings.with_payment(tx, [row])[0]["owed"])

    @operation("POST", "/bookings/confirm/", "confirm_payment")
    def confirm(body: Confirm, who: Signed) -> dict[str, Any]:
        """Ask the payment system and apply what it says. The caller is never believed."""
        payment_id = own_payment(who, body.payment_id, None)
        state = collect.sync(engine, payment_id)
        with engine.db.read() as tx:
            rows = collect.bookings_of(tx, payment_id)
            return {**state, "bookings": bookings.with_payment(tx, rows)}

    def own_payment(who: Caller, payment_id: str | None, booking_id: str | None) -> str:
        if bool(payment_id) == bool(booking_id):
            raise Invalid("payment_id", "Send either a payment_id or a booking.")
        with engine.db.read() as tx:
            if booking_id:
                found = bookings.payment_of(tx, who.person.account_id, booking_id)
            else:
                query = select(payment.c.id).where(payment.c.id == payment_id, payment.c.account_id == who.person.account_id)
                found = tx.execute(query).scalar_one_or_none()
        if found is None:
            raise NotFound("There is no such payment of yours.")
        return str(found)

    @operation("PUT", "/bookings/{booking_id}/travelers/", "name_travelers")
    def name_travelers(booking_id: str, body: Travelers, who: Signed) -> dict[str, Any]:
        """Say who comes along on a booking (id or reference) of yours, for the provider's list; as often as you like until it begins."""
        return travelers.give_names(engine, who.actor(), booking_id, body.travelers)

    @operation("GET", "/bookings/user/{user_id}/", "list_bookings")
    def list_bookings(
        user_id: str,
        who: Signed,
        status: Annotated[str | None, Query(pattern="^(ON_HOLD|PENDING|CONFIRMED|REJECTED|EXPIRED|CANCELLED|REDEEMED)$")] = None,
        cursor: Annotated[str, Query(max_length=64)] = "",
        limit: Annotated[int, Query(ge=1, le=PAGE)] = 20,
    ) -> dict[str, Any]:
        """A person's bookings, the newest first; `next` is the cursor of the following page. `me` stands for the caller."""
        wanted = who.person.account_id if user_id == "me" else user_id
        if wanted != who.person.account_id and not who.person.has("operator"):
            raise NotAllowed("You can only see your own bookings.")
        rows = bookings.of_account(engine, wanted, status=status, after=cursor, limit=limit)
        return {"bookings": rows, "next": rows[-1]["booking_id"] if len(rows) == limit else None}

    @operation("POST", "/booking-requests/submit/", "submit_request")
    def submit(body: Submit, who: Signed, key: Key = None) -> dict[str, Any]:
        """Ask a provider for a product on request; the places are held until they answer."""
        actor = desk(who)
        with engine.db.read() as tx:
            listed = catalogue.listing(tx, body.product)
        if listed.product.booking_type != "REQUEST":
            raise Invalid("product", "This product is booked at once; use process-cart.")
        contact = who_travels(body.contact)
        done = bookings.order(engine, actor, [body.ask()], contact=contact, requests=body.note, key=scoped(actor, key))
        (one,) = requests.of_bookings(engine, done["requests"])
        return one

    @operation("PATCH", "/booking-requests/{request_id}/respond/", "respond_to_request")
    def respond(request_id: str, body: Respond, who: Signed) -> dict[str, Any]:
        """A provider's answer. One of several wins; 409 says who decided and when."""
        role = "operator" if who.person.has("operator") else "provider"
        actor = Actor(who.person.account_id, role=role, channel=CHANNEL, provider_ids=who.person.provider_ids)
        if body.action == "counter":
            return offers.counter(
                engine,
                actor,
                request_id,
                amount=body.amount,
                local_date=body.date,
                end_date=body.end_date,
                local_start=body.start_time,
                message=body.message,
            )
        return requests.decide(engine, actor, request_id, body.action, answer=body.message)

    @operation("POST", "/offers/{offer_id}/answer/", "answer_offer")
    def answer_offer(offer_id: str, body: AnswerOffer, who: Signed) -> dict[str, Any]:
        """Accept an offer (it is then held until it is paid), decline it, or answer with another price."""
        actor = who.actor()
        if body.action == "accept":
            return offers.accept(engine, actor, offer_id)
        if body.action == "decline":
            return offers.decline(engine, actor, offer_id, message=body.message)
        if body.amount is None:
            raise Invalid("amount", "Name the price you would pay for everything, in minor units.")
        return offers.ask_again(engine, actor, offer_id, amount=body.amount, message=body.message)

    @operation("GET", "/providers/{provider_id}/availability/", "provider_availability")
    def provider_availability(
        provider_id: str,
        product: Annotated[str, Query(max_length=64)],
        who: Signed,
        start: Annotated[Day | None, Query(alias="from")] = None,
        end: Annotated[Day | None, Query(alias="to")] = None,
        party: Annotated[int, Query(ge=1, le=500)] = 1,
        option: Annotated[str | None, Query(max_length=64)] = None,
    ) -> dict[str, Any]:
        """Days of one product with status (FREESALE, AVAILABLE, LIMITED, SOLD_OUT, CLOSED), places left and start times, and the free ranges.

        `stays` are the ranges of a stay as arrivals and departures: `to` is the morning of departure."""
        with engine.db.read() as tx:
            listed = catalogue.listing(tx, product)
        if listed.provider.id != provider_id:
            raise NotFound("This provider has no such product.")
        first = start or engine.clock().astimezone(availability.zone(listed)).date()
        last = end or first + timedelta(days=30)
        days = availability.available_days(engine, product, first, last, option_id=option, party=party)
        stays = availability.available_stays(engine, product, first, last, option_id=option, party=party) if listed.is_stay else []
        ranges = availability.ranges([day["date"] for day in days if day["bookable"]])
        return {"product": product, "days": days, "ranges": ranges, "stays": stays}

    @operation("PATCH", "/providers/{provider_id}/pricing/", "change_pricing")
    def change_pricing(provider_id: str, body: Pricing, who: Signed) -> dict[str, Any]:
        """Change the base price or the rates of one option; answers with what three sample parties pay now."""
        actor = who.provider_actor(provider_id)
        rates = None
        if body.rates is not None:
            rates = [
                prices.NewRate(one.layer, one.name, one.start, one.end, one.weekdays, one.amount, one.bps, one.priority)
                for one in body.rates
            ]
        return prices.change(engine, replace(actor), body.product, option_id=body.option, amount=body.amount, rates=rates)

    @operation("POST", "/providers/stripe-onboard/", "onboard_provider")
    def onboard_provider(body: Onboard, who: Signed) -> dict[str, Any]:
        """The state of a provider's payout account, made where there is none, and a fresh link to the payment service's own page.

        The link works once and ends after a few minutes: open it at once, and ask again for another.
        """
        actor = who.provider_actor(body.provider)
        state = payees.ensure(engine, actor, "provider", body.provider)
        link = None
        if state["state"] not in ("active", "rejected"):
            link = payees.onboarding_link(engine, actor, "provider", body.provider)
        return {"provider": body.provider, **state, "link": link}

    @operation("GET", "/catalogue/search/", "search_catalogue")
    def search_catalogue(
        who: Signed,
        city: Annotated[str | None, Query(max_length=64)] = None,
        kind: Annotated[str | None, Query(max_length=20)] = None,
        words: Annotated[str, Query(max_length=200)] = "",
        start: Annotated[Day | None, Query(alias="from")] = None,
        end: Annotated[Day | None, Query(alias="to")] = None,
        adults: Annotated[int, Query(ge=1, le=500)] = 1,
        sort: Annotated[str, Query(max_length=20)] = "recommended",
        limit: Annotated[int, Query(ge=1, le=50)] = 10,
        offset: Annotated[int, Query(ge=0, le=500)] = 0,
        latitude: Annotated[float | None, Query(ge=-90, le=90)] = None,
        longitude: Annotated[float | None, Query(ge=-180, le=180)] = None,
        within_km: Annotated[float, Query(gt=0, le=500)] = 25.0,
        facets: bool = False,
    ) -> dict[str, Any]:
        """What can really be booked, best first; amounts in minor units for the whole party. Sorted by recommended, price, rating,
        time or distance. `corrected` are words that were read as others; `facets` counts what fits by the catalogue, before dates."""
        if (latitude is None) != (longitude is None):
            raise Invalid("longitude" if longitude is None else "latitude", "A place needs both a latitude and a longitude.")
        near = None if latitude is None or longitude is None else (latitude, longitude)
        wish = search.Wish(
            city, kind, words, start, end, {"ADULT": adults}, sort=sort, limit=limit, offset=offset, near=near, within_km=within_km,
            facets=facets,
        )  # fmt: skip
        found = search.explore(engine, wish)
        return {"offers": [_offer(one) for one in found.offers], "corrected": dict(found.corrected), "facets": dict(found.facets)}

    @operation("GET", "/catalogue/products/{product_id}/reviews/", "product_reviews")
    def product_reviews(
        product_id: str,
        who: Signed,
        limit: Annotated[int, Query(ge=1, le=50)] = 10,
        offset: Annotated[int, Query(ge=0, le=5000)] = 0,
    ) -> dict[str, Any]:
        """What travelers say of a product, the newest first, without names; `hidden` counts what the house does not show. The rating
        names its source: "reviews" of travelers who were there, "sample" for made-up ones, or whoever else gave it."""
        with engine.db.read() as tx:
            listed = listing(tx, product_id)
            return {"product": product_id, "rating": _rating(listed), **reviews.of_product(tx, product_id, limit=limit, offset=offset)}

    return api


def _rating(listed: Listing) -> dict[str, Any] | None:
    product = listed.product
    if not product.rating_tenths:
        return None
    return {"mean": product.rating_tenths / 10, "count": product.rating_count, "source": product.rating_source}


def _offer(one: search.Offer) -> dict[str, Any]:
    product = one.listing.product
    return {
        "product": one.listing.id,
        "option": one.option_id,
        "provider": one.listing.provider.id,
        "title": product.title,
        "kind": product.kind,
        "city": one.listing.destination.id,
        "booking_type": product.booking_type,
        "date": one.day.isoformat() if one.day else None,
        "end_date": one.end.isoformat() if one.end else None,
        "starts": list(one.starts),
        "vacancies": one.left,
        "amount": one.amount,
        "from_amount": one.from_amount,
        "currency": one.currency,
        "distance_km": one.distance_km,
        "rating": _rating(one.listing),
    }


_PROBLEM: dict[str, Any] = {
    "content": {
        "application/problem+json": {
            "schema": {
                "type": "object",
                "required": ["type", "title", "status", "detail", "code"],
                "properties": {
                    "type": {"type": "string"},
                    "title": {"type": "string"},
                    "status": {"type": "integer"},
                    "detail": {"type": "string"},
                    "code": {"type": "string"},
                    "field": {"type": "string"},
                },
            }
        }
    }
}
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"description": words, **_PROBLEM}
    for status, words in (
        (400, "Not understood"),
        (401, "A token is needed"),
        (403, "Not allowed"),
        (404, "Not found"),
        (409, "Refused by the rules as things are now"),
        (410, "Expired"),
        (422, "A value that can never be right"),
        (429, "Too many calls"),
        (503, "Try again in a moment"),
    )
}
