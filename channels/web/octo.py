"""OCTO 1.0, the trade's own language: resellers read what we sell, hold places, confirm, change and cancel, under /octo.

What the specification leaves to the supplier is said in docs/octo.md. The one place where our refusals become OCTO's errors
is at the end. Capabilities: octo/pricing and octo/content, each only for who asks for it in `Octo-Capabilities`.
"""

from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime, time, timedelta
from datetime import date as Day
from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse

from channels.house import House
from channels.web.errors import RateLimited, SignInNeeded
from channels.web.limits import Limits
from core import availability, pricing, resellers
from core.availability import UNLIMITED, Ask, Vacancy
from core.catalogue import Listing, Option, listings
from core.engine import Engine
from core.errors import CoreError, Invalid, NotAllowed, NotFound, Refused, TryAgain
from core.money import exponent
from core.resellers import Item, Reseller, Sold

PRICING, CONTENT = "octo/pricing", "octo/content"
CAPABILITIES = (CONTENT, PRICING)
UNITS = ("ADULT", "YOUTH", "CHILD", "INFANT", "FAMILY", "SENIOR", "STUDENT", "MILITARY", "OTHER")
CONTACT = ["firstName", "lastName"]
LONGEST_LOOK = 366  # days
OLDEST = 120
NO_TIME = "00:00"


class Given(BaseModel):
    """What a reseller sends; what OCTO may add later is passed over."""

    model_config = ConfigDict(extra="ignore")


class UnitCount(Given):
    id: str = Field(max_length=64)
    quantity: int = Field(ge=0, le=500)


class Look(Given):
    productId: str = Field(max_length=64)
    optionId: str = Field(max_length=64)
    localDateStart: Day | None = None
    localDateEnd: Day | None = None
    availabilityIds: list[Annotated[str, Field(max_length=64)]] | None = Field(None, max_length=400)
    units: list[UnitCount] = Field(default=[], max_length=20)


class Contact(Given):
    fullName: str | None = Field(None, max_length=200)
    firstName: str | None = Field(None, max_length=100)
    lastName: str | None = Field(None, max_length=100)
    emailAddress: str | None = Field(None, max_length=254)
    phoneNumber: str | None = Field(None, max_length=40)
    locales: list[Annotated[str, Field(max_length=16)]] = Field(default=[], max_length=10)
    postalCode: str | None = Field(None, max_length=20)
    country: str | None = Field(None, max_length=60)
    notes: str | None = Field(None, max_length=1000)


class UnitItem(Given):
    unitId: str = Field(max_length=64)
    uuid: UUID | None = None
    resellerReference: str | None = Field(None, max_length=120)
    contact: Contact | None = None

    def item(self) -> Item:
        contact = self.contact.model_dump(exclude_none=True) if self.contact else None
        return Item(str(self.uuid or uuid4()), self.unitId, self.resellerReference or "", contact)


class Reserve(Given):
    uuid: UUID | None = None
    productId: str = Field(max_length=64)
    optionId: str = Field(max_length=64)
    availabilityId: str = Field(max_length=64)
    expirationMinutes: int | None = Field(None, ge=0, le=100_000)
    notes: str | None = Field(None, max_length=1000)
    resellerReference: str | None = Field(None, max_length=120)
    unitItems: list[UnitItem] = Field(max_length=100)


class Confirm(Given):
    contact: Contact
    emailReceipt: bool = False
    resellerReference: str | None = Field(None, max_length=120)
    unitItems: list[UnitItem] | None = Field(None, max_length=100)


class Change(Given):
    productId: str | None = Field(None, max_length=64)
    optionId: str | None = Field(None, max_length=64)
    availabilityId: str | None = Field(None, max_length=64)
    expirationMinutes: int | None = Field(None, ge=0, le=100_000)
    notes: str | None = Field(None, max_length=1000)
    resellerReference: str | None = Field(None, max_length=120)
    unitItems: list[UnitItem] | None = Field(None, max_length=100)
    contact: Contact | None = None
    emailReceipt: bool = False


class Cancel(Given):
    reason: str | None = Field(None, max_length=300)
    force: bool = False


class Extend(Given):
    expirationMinutes: int | None = Field(None, ge=0, le=100_000)


# ── the door ──────────────────────────────────────────────────────────────────────────────────────


def router(house: House, limits: Limits) -> APIRouter:
    api = APIRouter(prefix="/octo", route_class=OctoRoute, include_in_schema=False)
    engine = house.engine

    def caller(authorization: Annotated[str, Header()] = "") -> Reseller:
        scheme, _, token = authorization.partition(" ")
        found = resellers.find(engine, token.strip()) if scheme.lower() == "bearer" and token and len(token) < 200 else None
        if found is None:
            raise SignInNeeded("A reseller's token is needed: Authorization: Bearer TOKEN.")
        limits.check("calls", f"octo:{found.account_id}")
        return found

    def capabilities(response: Response, octo_capabilities: Annotated[str, Header(max_length=500)] = "") -> frozenset[str]:
        asked = {one.strip().lower() for one in octo_capabilities.split(",")}
        active = [one for one in CAPABILITIES if one in asked]
        response.headers["octo-capabilities"] = ", ".join(active)
        return frozenset(active)

    Signed = Annotated[Reseller, Depends(caller)]
    Wanted = Annotated[frozenset[str], Depends(capabilities)]

    def shown(found: Sold, wanted: frozenset[str]) -> dict[str, Any]:
        with engine.db.read() as tx:
            (listed,) = listings(tx, [found.booking.product_id]).values()
        return booking_view(engine, listed, found, wanted)

    @api.get("/supplier")
    def supplier(who: Signed, wanted: Wanted) -> dict[str, Any]:
        base = engine.rules.public_url
        contact = {"website": base, "email": None, "telephone": None, "address": None}
        return {"id": "traveloure", "name": "Traveloure", "endpoint": f"{base}/octo", "contact": contact}

    @api.get("/products")
    def products(who: Signed, wanted: Wanted) -> list[dict[str, Any]]:
        return [product_view(listed, wanted) for listed in resellers.on_sale(engine)]

    @api.get("/products/{product_id}")
    def one_product(product_id: str, who: Signed, wanted: Wanted) -> dict[str, Any]:
        with engine.db.read() as tx:
            return product_view(resellers.sellable(tx, product_id), wanted)

    @api.post("/availability/calendar")
    def calendar(body: Look, who: Signed, wanted: Wanted) -> list[dict[str, Any]]:
        listed, option, found = look(engine, body, body.localDateStart, body.localDateEnd)
        by_day: dict[Day, list[dict[str, Any]]] = {}
        for vacancy in found:
            by_day.setdefault(vacancy.local_date, []).append(availability_view(engine, listed, option, vacancy, body.units, wanted))
        return [day_view(day, starts, wanted) for day, starts in by_day.items()]

    @api.post("/availability")
    def check(body: Look, who: Signed, wanted: Wanted) -> list[dict[str, Any]]:
        if body.availabilityIds is not None:
            asked = {one: parse_id(one) for one in body.availabilityIds}
            days = [day for day, _ in asked.values()]
            if not days:
                return []
            listed, option, found = look(engine, body, min(days), max(days))
            found = [one for one in found if availability_id(one.local_date, one.local_start) in asked]
        else:
            listed, option, found = look(engine, body, body.localDateStart, body.localDateEnd)
        views = [availability_view(engine, listed, option, one, body.units, wanted) for one in found]
        return [one for one in views if one["status"] != "CLOSED" or body.availabilityIds is not None]

    @api.post("/bookings")
    def reserve(body: Reserve, who: Signed, wanted: Wanted) -> dict[str, Any]:
        day, start = parse_id(body.availabilityId)
        ask = Ask(body.productId, body.optionId, day, None, start)
        sold = resellers.reserve(
            engine, who, str(body.uuid or uuid4()), ask, [one.item() for one in body.unitItems],
            minutes=body.expirationMinutes or resellers.USUAL, notes=body.notes or "", reference=body.resellerReference or "",
        )  # fmt: skip
        return shown(sold, wanted)

    @api.get("/bookings")
    def list_bookings(
        who: Signed,
        wanted: Wanted,
        resellerReference: Annotated[str, Query(max_length=120)] = "",
        supplierReference: Annotated[str, Query(max_length=40)] = "",
        localDate: Day | None = None,
        localDateStart: Day | None = None,
        localDateEnd: Day | None = None,
        productId: Annotated[str, Query(max_length=64)] = "",
        optionId: Annotated[str, Query(max_length=64)] = "",
    ) -> list[dict[str, Any]]:
        if not any((resellerReference, supplierReference, localDate, localDateStart, localDateEnd, productId, optionId)):
            raise Invalid("resellerReference", "Name what to look for: resellerReference, supplierReference or localDate.")
        found = resellers.listed_of(
            engine, who, reference=resellerReference, ours=supplierReference.upper(), first=localDate or localDateStart,
            last=localDate or localDateEnd, product_id=productId, option_id=optionId,
        )  # fmt: skip
        return [shown(one, wanted) for one in found]

    @api.get("/bookings/{uuid}")
    def get_booking(uuid: str, who: Signed, wanted: Wanted) -> dict[str, Any]:
        with engine.db.read() as tx:
            found = resellers.get(tx, who, uuid, engine.clock())
        return shown(found, wanted)

    @api.patch("/bookings/{uuid}")
    def change(uuid: str, body: Change, who: Signed, wanted: Wanted) -> dict[str, Any]:
        ask = None
        if body.productId is not None or body.optionId is not None or body.availabilityId is not None:
            with engine.db.read() as tx:
                row = resellers.get(tx, who, uuid, engine.clock()).booking
            day, start = parse_id(body.availabilityId) if body.availabilityId else (row.local_date, row.local_start)
            option = body.optionId if body.optionId or body.productId else row.option_id
            ask = Ask(body.productId or row.product_id, option, day, None, start)
        sold = resellers.change(
            engine, who, uuid, ask=ask, items=None if body.unitItems is None else [one.item() for one in body.unitItems],
            minutes=body.expirationMinutes, notes=body.notes, reference=body.resellerReference,
            guest=body.contact.model_dump(exclude_none=True) if body.contact else None,
        )  # fmt: skip
        return shown(sold, wanted)

    @api.post("/bookings/{uuid}/confirm")
    def confirm(uuid: str, body: Confirm, who: Signed, wanted: Wanted) -> dict[str, Any]:
        items = None if body.unitItems is None else [one.item() for one in body.unitItems]
        guest = body.contact.model_dump(exclude_none=True)
        return shown(resellers.confirm(engine, who, uuid, guest, items=items, reference=body.resellerReference), wanted)

    @api.post("/bookings/{uuid}/extend")
    def extend(uuid: str, body: Extend, who: Signed, wanted: Wanted) -> dict[str, Any]:
        return shown(resellers.extend(engine, who, uuid, minutes=body.expirationMinutes or resellers.USUAL), wanted)

    def _cancel(uuid: str, who: Signed, wanted: Wanted, body: Cancel | None = None) -> dict[str, Any]:
        return shown(resellers.cancel(engine, who, uuid, reason=(body.reason if body else None) or ""), wanted)

    api.add_api_route("/bookings/{uuid}/cancel", _cancel, methods=["POST"])
    api.add_api_route("/bookings/{uuid}", _cancel, methods=["DELETE"])
    return api


# ── what is free ──────────────────────────────────────────────────────────────────────────────────


def look(engine: Engine, body: Look, first: Day | None, last: Day | None) -> tuple[Listing, Option, list[Vacancy]]:
    """The option and what is left of it between two days. Raises Invalid for a stretch that is none, NotFound for units that are none."""
    if first is None or last is None:
        raise Invalid("localDateStart", "Send localDateStart and localDateEnd, or availabilityIds.")
    if last < first or (last - first).days > LONGEST_LOOK:
        raise Invalid("localDateEnd", f"localDateEnd has to be from localDateStart on, and at most {LONGEST_LOOK} days later.")
    with engine.db.read() as tx:
        listed = resellers.sellable(tx, body.productId)
        option = listed.option(body.optionId)
        for one in body.units:
            if option.unit(one.id) is None:
                raise NotFound(f"There is no unit {one.id!r}.", unit_id=one.id)
        slots = availability.touched(tx, [option.resource_id], first, last)
    days = [first + timedelta(days=i) for i in range((last - first).days + 1)]
    return listed, option, availability.vacancies(listed, option, days, slots)


def availability_id(day: Day, start: str) -> str:
    return f"{day.isoformat()}T{start}" if start else day.isoformat()


def parse_id(given: str) -> tuple[Day, str]:
    """Raises NotFound for what was never an id of ours."""
    try:
        day, _, start = given.partition("T")
        return Day.fromisoformat(day), time.fromisoformat(start).strftime("%H:%M") if start else ""
    except ValueError as error:
        raise NotFound("There is no such availability.", availability_id=given) from error


def span(listed: Listing, day: Day, start: str) -> tuple[datetime, datetime]:
    """When it begins and is over, in the product's zone; without a start it is the whole day."""
    zone = availability.zone(listed)
    begins = datetime.combine(day, time.fromisoformat(start or NO_TIME), zone)
    if not start:
        return begins, datetime.combine(day, time(23, 59, 59), zone)
    over = begins.astimezone(UTC) + timedelta(minutes=listed.product.duration_minutes or 0)
    return begins, over.astimezone(zone)


def cutoff(listed: Listing, day: Day, start: str) -> datetime:
    """The last moment at which it can be booked, as the rules count it: wall-clock hours before the start."""
    local = datetime.combine(day, time.fromisoformat(start) if start else time(23, 59)) - timedelta(hours=listed.product.lead_hours)
    return local.replace(tzinfo=availability.zone(listed)).astimezone(UTC)


def spot(listed: Listing, day: Day, start: str) -> dict[str, Any]:
    begins, over = span(listed, day, start)
    return {
        "id": availability_id(day, start), "localDateTimeStart": begins.isoformat(), "localDateTimeEnd": over.isoformat(),
        "allDay": not start, "openingHours": [],
    }  # fmt: skip


def availability_view(
    engine: Engine, listed: Listing, option: Option, one: Vacancy, units: Sequence[UnitCount], wanted: frozenset[str]
) -> dict[str, Any]:
    party = {unit.id: unit.quantity for unit in units if unit.quantity}
    needed = availability.people(option, party) if option.counts == "PAX" else availability.quantity_for(option, party)
    ends = cutoff(listed, one.local_date, one.local_start)
    over = engine.clock() >= ends
    status = "CLOSED" if over else one.status
    free = not over and one.vacancies >= max(1, needed)
    limitless = one.vacancies >= UNLIMITED
    labels = availability.start_of(option, one.local_start).occupies
    capacity = min(availability.capacity_on(listed, option, one.local_date, label) for label in labels)
    most = listed.product.max_party
    view = {
        **spot(listed, one.local_date, one.local_start),
        "available": free,
        "status": status,
        "vacancies": None if limitless else 0 if over else one.vacancies,
        "capacity": None if capacity >= UNLIMITED else capacity,
        "maxUnits": most if limitless or option.counts != "PAX" else min(most, 0 if over else one.vacancies),
        "utcCutoffAt": ends.isoformat().replace("+00:00", "Z"),
    }
    if PRICING in wanted:
        view |= prices_of(engine, listed, option, one, party)
    return view


def day_view(day: Day, starts: Sequence[dict[str, Any]], wanted: frozenset[str]) -> dict[str, Any]:
    statuses = [one["status"] for one in starts]
    best = next((word for word in ("FREESALE", "AVAILABLE", "LIMITED", "SOLD_OUT") if word in statuses), "CLOSED")
    left = [one["vacancies"] for one in starts if one["status"] != "CLOSED"]
    most = [one["capacity"] for one in starts if one["status"] != "CLOSED"]
    view: dict[str, Any] = {
        "localDate": day.isoformat(),
        "available": any(one["available"] for one in starts),
        "status": best,
        "vacancies": None if None in left else sum(left),
        "capacity": None if None in most else sum(most),
        "openingHours": [],
    }
    if PRICING in wanted:
        sold = [one for one in starts if one["available"]]
        view["unitPricingFrom"] = min((one["unitPricing"] for one in sold), key=lambda them: them[0]["retail"], default=[])
    return view


# ── prices ────────────────────────────────────────────────────────────────────────────────────────


def amounts(retail: int, original: int, currency: str, taxes: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """`net` is what the reseller is invoiced: the retail price, because commissions are agreed outside."""
    return {
        "original": original, "retail": retail, "net": retail, "currency": currency, "currencyPrecision": exponent(currency),
        "includedTaxes": list(taxes),
    }  # fmt: skip


def priced(engine: Engine, listed: Listing, ask: Ask) -> dict[str, Any]:
    today = engine.clock().astimezone(availability.zone(listed)).date()
    price = pricing.price(listed, ask, today=today)
    return of_lines([line.as_json() for line in price.lines], price.total, price.currency)


def of_lines(lines: Sequence[dict[str, Any]], total: int, currency: str) -> dict[str, Any]:
    saved = sum(line["amount"] for line in lines if line["kind"] in ("discount", "promo"))
    taxes = [{"name": line["text"], "retail": line["amount"], "net": line["amount"]} for line in lines if line["kind"] == "tax"]
    return amounts(total, total - saved, currency, taxes)


def prices_of(engine: Engine, listed: Listing, option: Option, one: Vacancy, party: dict[str, int]) -> dict[str, Any]:
    """What one of each unit costs on this day, and the whole party where one was named."""

    def ask(units: dict[str, int]) -> Ask:
        return Ask(listed.id, option.id, one.local_date, None, one.local_start, units)

    each = [{"unitId": unit.type, **priced(engine, listed, ask({unit.type: 1}))} for unit in option.units]
    return {"unitPricing": each} | ({"pricing": priced(engine, listed, ask(party))} if party else {})


# ── the catalogue ─────────────────────────────────────────────────────────────────────────────────


def product_view(listed: Listing, wanted: frozenset[str]) -> dict[str, Any]:
    product = listed.product
    view = {
        "id": listed.id,
        "internalName": product.title,
        "reference": listed.id,
        "locale": "en",
        "timeZone": product.time_zone,
        "allowFreesale": False,  # every sale is checked against the places that are left
        "instantConfirmation": True,
        "instantDelivery": True,
        "availabilityRequired": True,
        "availabilityType": "START_TIME",
        "deliveryFormats": [],
        "deliveryMethods": ["VOUCHER"],
        "redemptionMethod": "MANIFEST",
        "options": [option_view(listed, option, wanted) for option in listed.options],
    }
    if CONTENT in wanted:
        view |= {
            "title": product.title, "shortDescription": product.summary, "description": product.description,
            "country": listed.destination.country, "location": listed.destination.name,
        }  # fmt: skip
    if PRICING in wanted:
        per = "UNIT" if all(option.plan.per == "PERSON" for option in listed.options) else "BOOKING"
        view |= {"defaultCurrency": product.currency, "availableCurrencies": [product.currency], "pricingPer": per}
    return view


def option_view(listed: Listing, option: Option, wanted: frozenset[str]) -> dict[str, Any]:
    hours = resellers.free_hours(listed.tiers)
    least, most = listed.product.min_party, listed.product.max_party
    view = {
        "id": option.id,
        "default": option is listed.options[0],
        "internalName": option.title,
        "reference": option.id,
        "availabilityLocalStartTimes": [start.at for start in option.starts] or [NO_TIME],
        "cancellationCutoff": "not possible" if hours is None else f"{hours} hours",
        "cancellationCutoffAmount": 24 * 540 if hours is None else hours,  # longer ahead than anything can be booked
        "cancellationCutoffUnit": "hour",
        "requiredContactFields": CONTACT,
        "restrictions": {"minUnits": least, "maxUnits": most},
        "units": [unit_view(listed, option, unit, wanted) for unit in option.units],
    }
    if CONTENT in wanted:
        minutes = listed.product.duration_minutes or 0
        view |= {"title": option.title, "duration": f"{minutes} minutes", "durationAmount": str(minutes), "durationUnit": "minute"}
    return view


def unit_view(listed: Listing, option: Option, unit: Any, wanted: frozenset[str]) -> dict[str, Any]:
    kind = unit.type if unit.type in UNITS else "OTHER"
    restrictions = {
        "minAge": unit.min_age or 0, "maxAge": OLDEST if unit.max_age is None else unit.max_age, "idRequired": False,
        "minQuantity": None, "maxQuantity": listed.product.max_party, "paxCount": unit.pax_count, "accompaniedBy": [],
    }  # fmt: skip
    view = {
        "id": unit.type, "internalName": unit.type.title(), "reference": unit.type, "type": kind, "requiredContactFields": [],
        "restrictions": restrictions,
    }  # fmt: skip
    if CONTENT in wanted:
        view |= {"title": unit.type.title()}
    if PRICING in wanted:
        base = option.plan.amount or 0
        each = (
            base if option.plan.per != "PERSON" else unit.price_amount if unit.price_amount is not None else base * unit.price_bps // 10_000
        )
        view["pricingFrom"] = [amounts(each, each, option.plan.currency)]
    return view


# ── a booking ─────────────────────────────────────────────────────────────────────────────────────


def utc(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def contact_view(given: dict[str, Any]) -> dict[str, Any]:
    names = ("fullName", "firstName", "lastName", "emailAddress", "phoneNumber", "postalCode", "country", "notes")
    return {name: given.get(name) for name in names} | {"locales": given.get("locales") or []}


def booking_view(engine: Engine, listed: Listing, found: Sold, wanted: frozenset[str]) -> dict[str, Any]:
    row, told = found.booking, found.told
    option = listed.option(row.option_id)
    cancellation = None
    if found.status == "CANCELLED":
        cancellation = {"refund": "FULL", "reason": found.reason or None, "utcCancelledAt": utc(found.cancelled_at)}
    view = {
        "id": row.id,
        "uuid": told.uuid,
        "testMode": False,
        "resellerReference": told.reference or None,
        "supplierReference": row.reference,
        "status": found.status,
        "utcCreatedAt": utc(row.created_at),
        "utcUpdatedAt": utc(told.updated_at),
        "utcExpiresAt": utc(row.pay_by) if found.status in ("ON_HOLD", "EXPIRED") else None,
        "utcRedeemedAt": utc(found.redeemed_at),
        "utcConfirmedAt": utc(row.confirmed_at),
        "productId": listed.id,
        "product": product_view(listed, wanted),
        "optionId": option.id,
        "option": option_view(listed, option, wanted),
        "cancellable": resellers.cancellable(found, engine.clock()),
        "cancellation": cancellation,
        "freesale": False,
        "availabilityId": availability_id(row.local_date, row.local_start),
        "availability": spot(listed, row.local_date, row.local_start),
        "contact": contact_view(told.guest),
        "notes": told.notes or None,
        "deliveryMethods": ["VOUCHER"],
        "voucher": None,
        "unitItems": [item_view(listed, option, found, item, wanted) for item in told.unit_items],
    }
    if PRICING in wanted:
        view["pricing"] = of_lines(row.price_lines, row.amount, row.currency)
    return view


def item_view(listed: Listing, option: Option, found: Sold, item: dict[str, Any], wanted: frozenset[str]) -> dict[str, Any]:
    unit = option.unit(item["unit"])
    return {
        "uuid": item["uuid"],
        "resellerReference": item["reference"] or None,
        "supplierReference": found.booking.reference,
        "unitId": item["unit"],
        "unit": unit_view(listed, option, unit, wanted) if unit else None,
        "status": found.status,
        "utcRedeemedAt": utc(found.redeemed_at),
        "contact": contact_view(item["contact"]),
        "ticket": None,
    }


# ── errors ────────────────────────────────────────────────────────────────────────────────────────

NAMES = (("unit_id", "UNIT_ID", "unitId"), ("availability_id", "AVAILABILITY_ID", "availabilityId"), ("options", "OPTION_ID", ""), ("product_id", "PRODUCT_ID", "productId"), ("uuid", "BOOKING_UUID", "uuid"))  # fmt: skip


def refusal(error: CoreError) -> tuple[int, dict[str, Any]]:
    """A status and OCTO's error object for one of our refusals."""
    match error:
        case SignInNeeded():
            return 401, said("UNAUTHORIZED", error.message)
        case NotAllowed():
            return 403, said("FORBIDDEN", error.message)
        case RateLimited():
            return 429, said("TOO_MANY_REQUESTS", error.message)
        case TryAgain():
            return 503, said("INTERNAL_SERVER_ERROR", error.message)
        case NotFound():
            for fact, name, key in NAMES:
                if fact in error.facts:
                    return 400, said(f"INVALID_{name}", error.message, **({key: error.facts[fact]} if key else {}))
            return 400, said("BAD_REQUEST", error.message)
        case Invalid():
            if error.field == "local_start":
                return 400, said("INVALID_AVAILABILITY_ID", error.message)
            return 400, said(
                "BAD_REQUEST" if error.field[:1].islower() and error.field != "party" else "UNPROCESSABLE_ENTITY", error.message
            )
        case Refused():
            return 400, said("UNPROCESSABLE_ENTITY", error.message)
        case _:
            return 500, said("INTERNAL_SERVER_ERROR", "Something went wrong on our side. Please try again.")


def said(error: str, message: str, **more: Any) -> dict[str, Any]:
    return {"error": error, "errorMessage": message, **more}


class OctoRoute(APIRoute):
    """Whatever goes wrong in here is answered in OCTO's words."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def in_octo(request: Request) -> Response:
            try:
                return await handle(request)
            except CoreError as error:
                status, body = refusal(error)
                retry = error.retry_after if isinstance(error, RateLimited) else 1 if isinstance(error, TryAgain) else None
                return JSONResponse(body, status_code=status, headers={} if retry is None else {"retry-after": str(retry)})
            except RequestValidationError as error:
                problem = error.errors()[0] if error.errors() else {}
                field = str(problem.get("loc", ("",))[-1])
                return JSONResponse(said("BAD_REQUEST", f"{field}: {problem.get('msg', 'this cannot be right')}."), status_code=400)

        return in_octo
