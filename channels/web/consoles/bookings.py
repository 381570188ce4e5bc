"""A provider's bookings by day, and the page that a voucher's square code opens at the door."""

from datetime import date, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import Response

from channels.house import House
from channels.web import forms, session
from channels.web.consoles import words
from channels.web.session import Seat
from channels.web.views import page
from core import attendance, reports
from core.errors import AlreadyDecided, Invalid, NotFound, Refused, WrongState
from core.money import Money

STATES = {"CONFIRMED": ("ok", "Confirmed"), "REDEEMED": ("info", "Checked in"), "CANCELLED": ("bad", "Cancelled")}
AHEAD = 14  # days that are shown at first
LONGEST = 400


def router(house: House) -> APIRouter:
    api = APIRouter()
    engine = house.engine
    Provider = Annotated[Seat, Depends(session.need(house, "provider"))]

    def scope(seat: Seat) -> list[str] | None:
        return list(seat.person.provider_ids) if seat.person.has("provider") else None

    @api.get("/bookings")
    def look(request: Request, seat: Provider, start: str = "", end: str = "", status: str = "") -> Response:
        told = ""
        today = engine.clock().date()
        first, last = today, today + timedelta(days=AHEAD)
        try:
            first, last = forms.day(start, "start") or first, forms.day(end, "end") or max(last, forms.day(start, "start") or last)
            if not first <= last <= first + timedelta(days=LONGEST):
                raise Invalid("end", "The last day is on or after the first, and within a year or so.")
        except Invalid as error:
            told = error.message
            first, last = today, today + timedelta(days=AHEAD)
        chosen = status if status in STATES else ""
        found = reports.bookings_of(engine, scope(seat), first, last, status=chosen)
        days: dict[date, list[dict[str, Any]]] = {}
        for one in found:
            days.setdefault(date.fromisoformat(one["date"]), []).append(_shown(one))
        return page(
            request,
            "bookings.html",
            status=422 if told else 200,
            seat=seat,
            days=[(words.day(day), rows) for day, rows in days.items()],
            count=len(found),
            first=first,
            last=last,
            chosen=chosen,
            states=STATES,
            told=told,
        )

    def show(request: Request, seat: Seat, named: str, *, status: int = 200, tone: str = "", told: str = "") -> Response:
        one = reports.booking_by_reference(engine, scope(seat), words.reference(named))
        if one is None:
            raise NotFound("There is no such booking of yours. Is the voucher for somebody else's place?")
        taken = words.moment(one["taken_at"], one["time_zone"]) if one["taken_at"] else ""
        near = engine.clock() >= one["starts_at"] - attendance.EARLY
        return page(request, "check_in.html", status=status, seat=seat, one=_shown(one), taken=taken, near=near, tone=tone, told=told)

    @api.get("/check-in/{reference}")
    def scanned(request: Request, seat: Provider, reference: str) -> Response:
        """What the voucher's square code opens. Looking takes nothing: only the press of the button does."""
        return show(request, seat, reference)

    @api.post("/check-in/{reference}")
    def take(request: Request, seat: Provider, reference: str, csrf: Annotated[str, Form()] = "") -> Response:
        session.check_proof(seat, request, csrf)
        try:
            attendance.redeem(engine, seat.actor("provider"), words.reference(reference))
        except AlreadyDecided as error:
            return show(request, seat, reference, status=409, tone="bad", told=error.message)
        except (WrongState, Refused) as error:
            return show(request, seat, reference, status=409, tone="warn", told=error.message)
        return show(request, seat, reference, tone="ok", told="Checked in. Have a good time together.")

    return api


def _shown(one: dict[str, Any]) -> dict[str, Any]:
    tone, state = STATES.get(one["status"], ("info", one["status"].capitalize()))
    return {
        "reference": one["reference"],
        "title": one["title"],
        "when": words.when(one["date"], one["end_date"], one["start"]),
        "start": one["start"],
        "party": words.party(one["units"]),
        "traveler": one["traveler"] or "A traveler",
        "travelers": ", ".join(one["travelers"]),
        "requests": one["requests"],
        "amount": Money(one["amount"], one["currency"]).text(),
        "payout": Money(one["payout"], one["currency"]).text(),
        "at_provider": one["pay_at_provider"],
        "status": one["status"],
        "tone": tone,
        "state": state,
    }
