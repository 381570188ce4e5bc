"""OCTO 1.0 as far as we speak it, written down as an OpenAPI description to hold our door against.

OCTO_SPEC may name the published description instead (a YAML file), which says the same at greater length.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import schemathesis

STATUSES = ["ON_HOLD", "CONFIRMED", "EXPIRED", "CANCELLED", "REDEEMED", "PENDING", "REJECTED"]
FREE = ["AVAILABLE", "FREESALE", "SOLD_OUT", "LIMITED", "CLOSED"]
UNITS = ["ADULT", "YOUTH", "CHILD", "INFANT", "FAMILY", "SENIOR", "STUDENT", "MILITARY", "OTHER"]
CONTACT_FIELDS = ["firstName", "lastName", "emailAddress", "phoneNumber", "country", "notes", "locales"]

Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}
MAYBE: Schema = {"type": ["string", "null"]}
NUMBER: Schema = {"type": "integer"}
MAYBE_NUMBER: Schema = {"type": ["integer", "null"]}
YES_NO: Schema = {"type": "boolean"}


def one_of(*values: str) -> Schema:
    return {"type": "string", "enum": list(values)}


def many(item: Schema) -> Schema:
    return {"type": "array", "items": item}


def thing(optional: dict[str, Schema] | None = None, **required: Schema) -> Schema:
    return {"type": "object", "required": sorted(required), "properties": {**(optional or {}), **required}}


HOURS = many(thing(**{"from": TEXT, "to": TEXT}))
UNIT = thing(
    {"reference": MAYBE}, id=TEXT, internalName=TEXT, type=one_of(*UNITS), requiredContactFields=many(one_of(*CONTACT_FIELDS)),
    restrictions=thing(minAge=NUMBER, maxAge=NUMBER, idRequired=YES_NO, minQuantity=MAYBE_NUMBER, maxQuantity=MAYBE_NUMBER, paxCount=NUMBER, accompaniedBy=many(TEXT)),
)  # fmt: skip
OPTION = thing(
    id=TEXT, default=YES_NO, internalName=TEXT, reference=MAYBE, availabilityLocalStartTimes={**many({**TEXT, "pattern": r"^\d\d:\d\d$"}), "minItems": 1}, cancellationCutoff=TEXT,
    cancellationCutoffAmount=NUMBER, cancellationCutoffUnit=one_of("hour", "minute", "day"), requiredContactFields=many(one_of(*CONTACT_FIELDS)),
    restrictions=thing(minUnits=MAYBE_NUMBER, maxUnits=MAYBE_NUMBER), units=many(UNIT),
)  # fmt: skip
PRODUCT = thing(
    {"timeZone": TEXT}, id=TEXT, internalName=TEXT, reference=MAYBE, locale=TEXT, allowFreesale=YES_NO, instantConfirmation=YES_NO, instantDelivery=YES_NO,
    availabilityRequired=YES_NO, availabilityType=one_of("START_TIME", "OPENING_HOURS"), deliveryFormats=many(one_of("PDF_URL", "QRCODE")),
    deliveryMethods=many(one_of("VOUCHER", "TICKET")), redemptionMethod=one_of("DIGITAL", "PRINT", "MANIFEST"), options=many(OPTION),
)  # fmt: skip
SPOT: dict[str, Schema] = {
    "id": TEXT, "localDateTimeStart": {**TEXT, "format": "date-time"}, "localDateTimeEnd": {**TEXT, "format": "date-time"}, "allDay": YES_NO, "openingHours": HOURS,
}  # fmt: skip
AVAILABILITY = thing(
    **SPOT, available=YES_NO, status=one_of(*FREE), vacancies=MAYBE_NUMBER, capacity=MAYBE_NUMBER, maxUnits=MAYBE_NUMBER, utcCutoffAt=TEXT
)
DAY = thing(
    localDate={**TEXT, "format": "date"},
    available=YES_NO,
    status=one_of(*FREE),
    vacancies=MAYBE_NUMBER,
    capacity=MAYBE_NUMBER,
    openingHours=HOURS,
)
NAMES = ("fullName", "firstName", "lastName", "phoneNumber", "postalCode", "country", "notes")
CONTACT = thing({**dict.fromkeys(NAMES, MAYBE), "emailAddress": MAYBE, "locales": many(TEXT)})
ITEM = thing(
    uuid=TEXT,
    resellerReference=MAYBE,
    supplierReference=MAYBE,
    unitId=TEXT,
    unit=UNIT,
    status=one_of(*STATUSES),
    utcRedeemedAt=MAYBE,
    contact=CONTACT,
)
CANCELLATION = {
    **thing(refund=one_of("FULL", "PARTIAL", "NONE"), reason=MAYBE, utcCancelledAt=TEXT),
    "type": ["object", "null"],
}
BOOKING = thing(
    {"deliveryMethods": many(one_of("VOUCHER", "TICKET")), "unitItems": many(ITEM)},
    id=TEXT, uuid={**TEXT, "format": "uuid"}, testMode=YES_NO, resellerReference=MAYBE, supplierReference=MAYBE, status=one_of(*STATUSES), utcCreatedAt=TEXT,
    utcUpdatedAt=MAYBE, utcExpiresAt=MAYBE, utcRedeemedAt=MAYBE, utcConfirmedAt=MAYBE, productId=TEXT, product=PRODUCT, optionId=TEXT, option=OPTION,
    cancellable=YES_NO, cancellation=CANCELLATION, freesale=YES_NO, availabilityId=TEXT, availability=thing(**SPOT), contact=CONTACT, notes=MAYBE,
)  # fmt: skip
SUPPLIER = thing(
    id=TEXT, name=TEXT, endpoint={**TEXT, "format": "uri"}, contact=thing(website=MAYBE, email=MAYBE, telephone=MAYBE, address=MAYBE)
)
ERROR = thing({"productId": TEXT, "optionId": TEXT, "unitId": TEXT, "uuid": TEXT}, error=TEXT, errorMessage=TEXT)

WHO = dict.fromkeys(("fullName", "firstName", "lastName", "emailAddress", "phoneNumber", "country", "notes"), TEXT)
ITEMS = many(thing({"uuid": {**TEXT, "format": "uuid"}, "resellerReference": TEXT, "contact": thing(WHO)}, unitId=TEXT))
COUNTS = many(thing(id=TEXT, quantity=NUMBER))
DATE: Schema = {**TEXT, "format": "date"}
BODIES: dict[str, Schema] = {
    "POST /availability/calendar": thing({"units": COUNTS}, productId=TEXT, optionId=TEXT, localDateStart=DATE, localDateEnd=DATE),
    "POST /availability": thing({"units": COUNTS, "localDateStart": DATE, "localDateEnd": DATE, "availabilityIds": many(TEXT)}, productId=TEXT, optionId=TEXT),
    "POST /bookings": thing({"uuid": {**TEXT, "format": "uuid"}, "expirationMinutes": NUMBER, "notes": TEXT}, productId=TEXT, optionId=TEXT, availabilityId=TEXT, unitItems=ITEMS),
    "POST /bookings/{uuid}/confirm": thing({"emailReceipt": YES_NO, "resellerReference": TEXT, "unitItems": ITEMS}, contact=thing(WHO)),
    "POST /bookings/{uuid}/extend": thing({"expirationMinutes": NUMBER}),
    "POST /bookings/{uuid}/cancel": thing({"reason": TEXT, "force": YES_NO}),
    "PATCH /bookings/{uuid}": thing({"availabilityId": TEXT, "productId": TEXT, "optionId": TEXT, "notes": TEXT, "resellerReference": TEXT, "unitItems": ITEMS, "contact": thing(WHO)}),
}  # fmt: skip
ANSWERS: dict[str, Schema] = {
    "GET /supplier": SUPPLIER,
    "GET /products": many(PRODUCT),
    "GET /products/{id}": PRODUCT,
    "POST /availability/calendar": many(DAY),
    "POST /availability": many(AVAILABILITY),
    "POST /bookings": BOOKING,
    "GET /bookings": many(BOOKING),
    "GET /bookings/{uuid}": BOOKING,
    "PATCH /bookings/{uuid}": BOOKING,
    "POST /bookings/{uuid}/confirm": BOOKING,
    "POST /bookings/{uuid}/extend": BOOKING,
    "POST /bookings/{uuid}/cancel": BOOKING,
}
QUERY = ("resellerReference", "supplierReference", "localDate", "productId", "optionId")


def description() -> dict[str, Any]:
    """The published one where OCTO_SPEC names it, else ours."""
    published = os.environ.get("OCTO_SPEC")
    if published:
        found: dict[str, Any] = dict(schemathesis.openapi.from_path(Path(published)).raw_schema)
        return found
    paths: dict[str, Any] = {}
    for name, answer in ANSWERS.items():
        method, path = name.split(" ")
        said = {
            status: {"description": status, "content": {"application/json": {"schema": one}}}
            for status, one in (("200", answer), ("400", ERROR))
        }
        operation: dict[str, Any] = {"responses": said}
        if name in BODIES:
            operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": BODIES[name]}}}
        if name == "GET /bookings":
            operation["parameters"] = [{"name": one, "in": "query", "schema": DATE if one == "localDate" else TEXT} for one in QUERY]
        if "{" in path:
            key = path.split("{")[1].split("}")[0]
            operation["parameters"] = [{"name": key, "in": "path", "required": True, "schema": {**TEXT, "minLength": 1}}]
        paths.setdefault(path, {})[method.lower()] = operation
    return {"openapi": "3.1.0", "info": {"title": "OCTO", "version": "1.0"}, "paths": paths}


def answer_of(operation: str) -> Schema:
    """The shape of what an operation answers with, e.g. "POST /bookings"."""
    method, path = operation.split(" ")
    found = description()
    shape: Schema = found["paths"][path][method.lower()]["responses"]["200"]["content"]["application/json"]["schema"]
    return {**shape, "components": found.get("components", {})}
