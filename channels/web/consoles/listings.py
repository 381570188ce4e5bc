"""What a provider sells, written by themselves: the list of it, the form with its preview, the way onto the market and off it."""

from collections.abc import Callable
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Depends, Form, Request
from starlette.datastructures import UploadFile
from starlette.responses import RedirectResponse, Response

from channels.house import House
from channels.pictures import picture_url
from channels.web import photos, session, uploads
from channels.web.consoles import listing_form as form
from channels.web.limits import Limits
from channels.web.pages import KINDS, PER
from channels.web.session import Seat
from channels.web.views import page
from core import businesses, listings, reports
from core.catalogue_files import Problem
from core.errors import Invalid, Refused, TryAgain
from core.money import Money

SAID = {
    "saved": ("ok", "Saved. What is on sale stays as it is until you send this."),
    "submitted": ("ok", "Sent. We look at it, usually within a working day, and write to you."),
    "live": ("ok", "It is on sale as you see it here. What was sold before keeps its price and terms."),
    "off": ("info", "Travelers do not find it any more. Bookings stay."),
    "on": ("ok", "Travelers find it again."),
    "dropped": ("info", "Your changes are thrown away; this is what is on sale."),
    "business": ("ok", "Saved."),
}
STATES = {
    "draft": ("warn", "Not sent yet"),
    "submitted": ("info", "Waits for our look"),
    "returned": ("bad", "Please change something"),
    "live": ("ok", "On sale"),
    "off": ("info", "Taken off sale"),
}


def router(house: House, limits: Limits) -> APIRouter:
    api = APIRouter(prefix="/listings")
    engine = house.engine
    Owner = Annotated[Seat, Depends(session.need_owner(house))]
    Text = Annotated[str, Form()]

    def mine(seat: Seat) -> list[str] | None:
        return list(seat.person.owned_ids) if seat.person.has("provider") else None

    def overview(request: Request, seat: Seat, *, status: int = 200, tone: str = "", told: str = "", given: Any = None) -> Response:
        scope = mine(seat)
        return page(
            request,
            "listings.html",
            status=status,
            seat=seat,
            listings=[_line(one) for one in listings.of(engine, scope)],
            businesses=[_business(one) for one in reports.onboarding(engine, scope)] if scope is not None else [],
            terms=businesses.terms_of(engine, scope or []),
            cities=reports.cities_of_house(engine),
            kinds=KINDS,
            filed=reports.filed_products(engine, scope),
            tone=tone,
            told=told,
            given=given or {},
        )

    @api.get("")
    def look(request: Request, seat: Owner, done: str = "") -> Response:
        tone, told = SAID.get(done, ("", ""))
        return overview(request, seat, tone=tone, told=told)

    @api.post("")
    def create(
        request: Request, seat: Owner, csrf: Text = "", provider: Text = "", title: Text = "", kind: Text = "", destination: Text = ""
    ) -> Response:
        session.check_proof(seat, request, csrf)
        try:
            made = listings.create(engine, seat.actor("provider"), provider, title=title, kind=kind, destination=destination)
        except Refused as error:
            given = {"title": title, "kind": kind, "destination": destination}
            return overview(request, seat, status=422, tone="warn", told=error.message, given=given)
        return RedirectResponse(f"/listings/{made}", status_code=303)

    @api.post("/business/{provider_id}/terms")
    def terms(
        request: Request, seat: Owner, provider_id: str, csrf: Text = "", phone: Text = "", hours: Text = "", card_hold: Text = ""
    ) -> Response:
        session.check_proof(seat, request, csrf)
        try:
            answer_in = int(hours) if hours.isascii() and hours.isdigit() else 0
            actor = seat.actor("provider")
            businesses.set_terms(engine, actor, provider_id, phone=phone, respond_hours=answer_in, card_hold=card_hold == "yes")
        except Invalid as error:
            return overview(request, seat, status=422, tone="warn", told=error.message)
        return RedirectResponse("/listings?done=business", status_code=303)

    def show(
        request: Request,
        seat: Seat,
        listing_id: str,
        *,
        record: form.Record | None = None,
        status: int = 200,
        tone: str = "",
        told: str = "",
        faults: dict[str, str] | None = None,
        strict: bool = False,
    ) -> Response:
        """The form with what is kept or was typed. A fresh draft is not told what it lacks before it was sent or saved (`strict`)."""
        one = listings.find(engine, seat.actor("provider"), listing_id)
        shown = one["record"] if record is None else record
        found = _said(listings.problems(engine, shown))
        return page(
            request,
            "listing.html",
            status=status,
            seat=seat,
            one=one,
            record=shown,
            state=STATES[one["state"]],
            faults={**(found if strict else {}), **(faults or {})},
            missing=found,
            looked=one["live"] is not None and listings.seen(shown) == listings.seen(one["live"]),
            preview=None if found or record is not None else preview_of(listings.preview(engine, seat.actor("provider"), listing_id)),
            cities=[(city["id"], city["name"]) for city in reports.cities_of_house(engine)],
            policies=[("", "As for everything of mine"), *((policy["id"], policy["name"]) for policy in reports.policies(engine))],
            kinds=KINDS,
            picture=picture_url(shown.get("picture")),
            weekdays=form.weekdays,
            joined=form.joined,
            label=form.label,
            tone=tone,
            told=told,
        )

    @api.get("/{listing_id}")
    def edit(request: Request, seat: Owner, listing_id: str, done: str = "") -> Response:
        tone, told = SAID.get(done, ("", ""))
        one = listings.find(engine, seat.actor("provider"), listing_id)
        return show(request, seat, listing_id, tone=tone, told=told, strict=one["version"] > 1)

    @api.post("/{listing_id}")
    async def save(request: Request, seat: Owner, listing_id: str) -> Response:
        """One form for everything: `do` says whether it is only kept, sent, or gets another option."""
        async with request.form(max_files=1, max_fields=3000) as given:
            sent = given.get("photo")
            data = await sent.read(uploads.MOST + 1) if isinstance(sent, UploadFile) and sent.filename else b""
            items = [(name, value) for name, value in given.multi_items() if isinstance(value, str)]
        return await to_thread.run_sync(lambda: keep(request, seat, listing_id, items, data))

    def keep(request: Request, seat: Seat, listing_id: str, items: list[tuple[str, str]], photo: bytes) -> Response:
        fields = dict(items)
        session.check_proof(seat, request, fields.get("csrf", ""))
        actor, do = seat.actor("provider"), fields.get("do", "save")
        record = form.read(items, listings.find(engine, actor, listing_id)["record"])
        if do == "option":
            record = form.new_option(record)
        elif do.startswith("remove-") and do.removeprefix("remove-").isdigit() and len(record["options"]) > 1:
            at = int(do.removeprefix("remove-"))
            record["options"] = [one for number, one in enumerate(record["options"]) if number != at]
        faults: dict[str, str] = {}
        if photo:
            limits.check("uploads", seat.person.account_id)
            try:
                record["picture"] = photos.keep(house.settings.data_dir, photo)
            except Invalid as error:
                faults["photo"] = error.message
        found = _said(listings.save(engine, actor, listing_id, record))
        if faults or (found and do not in ("option",)):
            told = "Kept. Some fields are not right yet; they are marked below." if found else "Kept, except for the photo."
            return show(request, seat, listing_id, status=422, tone="warn", told=told, faults=faults, strict=True)
        if do == "send":
            return carry_out(request, seat, listing_id, lambda: listings.submit(engine, actor, listing_id))
        return RedirectResponse(f"/listings/{listing_id}?done=saved{'#options' if do == 'option' else ''}", status_code=303)

    def carry_out(request: Request, seat: Seat, listing_id: str, do: Callable[[], str]) -> Response:
        try:
            done = do()
        except (Refused, TryAgain) as error:
            faults = dict(error.facts.get("problems", {}))
            return show(
                request,
                seat,
                listing_id,
                status=503 if isinstance(error, TryAgain) else 409,
                tone="warn",
                told=error.message,
                faults=faults,
            )
        return RedirectResponse(f"/listings/{listing_id}?done={done}", status_code=303)

    @api.post("/{listing_id}/{what}")
    def switch(request: Request, seat: Owner, listing_id: str, what: str, csrf: Text = "") -> Response:
        session.check_proof(seat, request, csrf)
        actor = seat.actor("provider")

        def do() -> str:
            if what == "drop":
                listings.drop_changes(engine, actor, listing_id)
                return "dropped"
            if what not in ("on", "off"):
                raise Invalid("what", "A listing is taken off sale, put back on, or its changes are dropped.")
            listings.show(engine, actor, listing_id, what == "on")
            return what

        return carry_out(request, seat, listing_id, do)

    return api


def _said(found: tuple[Problem, ...]) -> dict[str, str]:
    """The importer's words at each field; the first of several about one. Numbers are said as people say them."""
    told = {}
    for one in reversed(found):
        expected = "a whole number" if "valid integer" in one.expected else "a number" if "valid decimal" in one.expected else one.expected
        told[one.field] = f"Please give {expected}." if one.found == "nothing" else f"Expected {expected}."
    return told


def _line(one: dict[str, Any]) -> dict[str, Any]:
    tone, state = STATES[one["state"]]
    record = one["record"]
    return {
        "id": one["id"],
        "title": record.get("title", ""),
        "kind": KINDS.get(record.get("kind", ""), ""),
        "provider": one["provider_name"],
        "picture": picture_url(record.get("picture")) or "/static/placeholder.svg",
        "tone": tone,
        "state": state,
        "also": "The version before is on sale meanwhile." if one["on_sale"] and one["state"] not in ("live", "off") else "",
        "paused": one["on_sale"] and not one["accepting"],
        "said": one["said"],
    }


def _business(one: dict[str, Any]) -> dict[str, Any]:
    return {**one, "steps": [{"name": name, "done": done, "link": link} for name, done, link in one["steps"]]}


def preview_of(made: dict[str, Any]) -> dict[str, Any]:
    """What a traveler sees, and the split of what one, two and four people pay."""
    listed, currency = made["listing"], made["currency"]
    product = listed.product
    hours, minutes = divmod(product.duration_minutes or 0, 60)
    tiers = [
        f"Until {tier['hours']} hours before: {'free' if tier['refund_bps'] == 10_000 else str(tier['refund_bps'] // 100) + ' % back'}"
        for tier in sorted(listed.tiers, key=lambda tier: -tier["hours"])
        if tier["refund_bps"]
    ]
    return {
        "title": product.title,
        "summary": product.summary,
        "description": product.description,
        "kind": KINDS.get(product.kind, ""),
        "city": listed.destination.name,
        "instant": product.booking_type == "INSTANT",
        "picture": picture_url(product.picture) or "/static/placeholder.svg",
        "price": "On request" if product.from_amount is None else Money(product.from_amount, currency).text(),
        "per": PER.get(made["options"][0]["option"].plan.per, ""),
        "duration": " ".join(part for part in (f"{hours} h" if hours else "", f"{minutes} min" if minutes else "") if part),
        "terms": tiers or ["Cancelling: nothing back"],
        "options": [
            {
                "title": option["title"],
                "samples": [
                    {
                        "party": f"{one['party']} adult{'s' if one['party'] > 1 else ''}",
                        "total": Money(one["total"], currency).text(),
                        "fee": Money(one["fee"], currency).text(),
                        "payout": Money(one["payout"], currency).text(),
                        "date": one["date"],
                    }
                    for one in option["samples"]
                ],
            }
            for option in made["options"]
        ],
    }
