"""A booking's voucher: a page to show at the door or to print, and the same as an entry for a calendar."""

import io
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import segno
from fastapi import APIRouter, Request
from icalendar import Calendar, Event
from markupsafe import Markup
from starlette.responses import Response

from channels.house import House
from channels.web.chat import address
from channels.web.consoles import words
from channels.web.limits import Limits
from channels.web.views import page
from core import itinerary, links
from core.money import Money

PRIVATE = {"referrer-policy": "no-referrer", "x-robots-tag": "noindex", "cache-control": "no-store"}
STATE = {"CONFIRMED": ("ok", "Confirmed"), "REDEEMED": ("info", "Used"), "CANCELLED": ("bad", "Cancelled")}


def router(house: House, limits: Limits) -> APIRouter:
    api = APIRouter()
    engine = house.engine

    def find(request: Request, token: str) -> dict[str, Any]:
        limits.check("calendars", address(request))
        with engine.db.read() as tx:
            return itinerary.voucher(tx, links.open_voucher(tx, token, engine.clock()))

    @api.get("/v/{token}.ics")
    def entry(request: Request, token: str) -> Response:
        """The booking as a calendar entry; a change is the next edition of it, a cancellation takes it out."""
        facts = find(request, token)
        method = "CANCEL" if facts["status"] == "CANCELLED" else "PUBLISH"
        body = as_calendar(facts, house.settings.base_url, token, engine.clock(), method)
        headers = {**PRIVATE, "content-disposition": f'attachment; filename="{facts["reference"]}.ics"'}
        return Response(body, media_type=f"text/calendar; charset=utf-8; method={method}", headers=headers)

    @api.get("/v/{token}.pdf")
    def paper(request: Request, token: str) -> Response:
        """The voucher to print, or to keep for a place without a network."""
        from channels import papers  # fonts and all, only where somebody wants it

        facts = find(request, token)
        body = papers.voucher(facts, f"{house.settings.base_url}/v/{token}", engine.clock())
        headers = {**PRIVATE, "content-disposition": f'inline; filename="voucher-{facts["reference"]}.pdf"'}
        return Response(body, media_type="application/pdf", headers=headers)

    @api.get("/v/{token}")
    def voucher(request: Request, token: str) -> Response:
        facts = find(request, token)
        return page(
            request,
            "voucher.html",
            token=token,
            qr=qr(f"{house.settings.base_url}/check-in/{facts['reference']}"),
            **_shown(facts),
            headers=PRIVATE,
        )

    return api


def qr(text: str) -> Markup:
    """A drawing of an address (of the page where the provider takes this voucher) for a camera, as SVG that needs nothing from outside."""
    out = io.BytesIO()
    segno.make(text, error="q", micro=False).save(
        out, kind="svg", border=3, xmldecl=False, svgns=False, omitsize=True, dark="#000", light="#fff", svgclass="qr", lineclass=None
    )
    return Markup(out.getvalue().decode())  # noqa: S704 (drawn by code from a reference of ours)


def _shown(facts: dict[str, Any]) -> dict[str, Any]:
    tone, state = STATE[facts["status"]]
    zone = ZoneInfo(facts["time_zone"])
    return {
        "facts": facts,
        "tone": tone,
        "state": state,
        "when": words.when(facts["date"], facts["end_date"], facts["start"]),
        "zone": facts["time_zone"].replace("_", " "),
        "party": words.party(facts["units"]),
        "price": Money(facts["amount"], facts["currency"]).text(),
        "paid": Money(facts["paid"], facts["currency"]).text(),
        "owed": Money(facts["owed"], facts["currency"]).text() if facts["owed"] else "",
        "terms": terms(facts, zone),
    }


def terms(facts: dict[str, Any], zone: ZoneInfo) -> list[str]:
    """The cancellation conditions as sold, as days and hours on the clock of the place."""
    starts = facts["starts_at"].astimezone(zone).replace(tzinfo=None)
    told = []
    for tier in sorted(facts["tiers"], key=lambda tier: -tier["hours"]):
        if tier["refund_bps"]:
            until = starts - timedelta(hours=tier["hours"])
            back = "free" if tier["refund_bps"] == 10_000 else f"{tier['refund_bps'] / 100:g} % back"
            told.append(f"Cancelling until {words.day(until.date())}, {until:%H:%M}: {back}")
    return told or ["Cancelling: nothing back"]


def as_calendar(facts: dict[str, Any], base_url: str, token: str, now: datetime, method: str, *, organizer: str = "") -> bytes:
    """RFC 5545: the same UID for the life of the booking, a SEQUENCE that rises with every change of it."""
    calendar = Calendar()
    calendar.add("prodid", "-//Traveloure//Vouchers//EN")
    calendar.add("version", "2.0")
    calendar.add("method", method)
    event = Event()
    event.add("uid", f"{facts['booking_id']}@traveloure")
    event.add("sequence", facts["version"])
    event.add("dtstamp", now)
    event.add("summary", facts["title"])
    first = datetime.fromisoformat(facts["date"]).date()
    if facts["start"]:
        event.add("dtstart", facts["starts_at"])
        event.add("dtend", facts["starts_at"] + timedelta(minutes=facts["duration_minutes"] or 60))
    else:
        event.add("dtstart", first)
        event.add("dtend", datetime.fromisoformat(facts["end_date"]).date() if facts["end_date"] else first + timedelta(days=1))
    if facts["meeting_point"]:
        event.add("location", facts["meeting_point"])
    if facts["place"]:
        event.add("geo", facts["place"])
    if organizer:
        event.add("organizer", f"mailto:{organizer}")
    event.add("status", "CANCELLED" if method == "CANCEL" else "CONFIRMED")
    event.add("url", f"{base_url}/v/{token}")
    event.add("description", f"{facts['reference']}, {words.party(facts['units'])}. {facts['provider']}.")
    calendar.add_component(event)
    return bytes(calendar.to_ical())
