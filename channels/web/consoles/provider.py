"""The provider's inbox: what is asked, until when, what it brings; answered by a button or in their own words."""

import functools
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import RedirectResponse, Response

from bot.answers import read_answer
from channels.house import House
from channels.web import forms, session
from channels.web.consoles import words
from channels.web.session import Seat
from channels.web.stream import EventStream, touches
from channels.web.views import page
from core import attendance, cancellations, letters, offers, reports, requests
from core.engine import new_id
from core.errors import AlreadyDecided, CoreError, Expired, Invalid, NotFound, Refused, SoldOut, WrongState
from core.money import Money

SAID = {
    "approve": ("ok", "You said yes. The traveler has been told."),
    "check_in": ("ok", "Checked in."),
    "no_show": ("info", "Noted: nobody came. The booking keeps its price."),
    "counter": ("ok", "Your offer was sent. The places are held while the traveler decides."),
    "cancel": ("info", "The booking is cancelled. The traveler has been told and gets everything back."),
    "written": ("ok", "Your words are with the guest. The answer comes by mail and to your chats."),
    "decline": ("info", "You said no. The traveler has been told, and nothing was charged."),
}


def router(house: House) -> APIRouter:
    api = APIRouter(prefix="/provider")
    engine = house.engine
    Provider = Annotated[Seat, Depends(session.need(house, "provider"))]

    def mine(seat: Seat) -> list[str]:
        return list(seat.person.provider_ids) if seat.person.has("provider") else reports.provider_ids(engine)

    def scope(seat: Seat) -> list[str] | None:
        return list(seat.person.provider_ids) if seat.person.has("provider") else None

    def show(
        request: Request, seat: Seat, *, status: int = 200, tone: str = "", told: str = "", asked: tuple[str, str] = ("", "")
    ) -> Response:
        pending = [_request(engine, one) for one in requests.pending(engine, mine(seat))]
        return page(
            request,
            "provider.html",
            status=status,
            seat=seat,
            pending=pending,
            offered=[_offered(engine, one) for one in offers.waiting(engine, mine(seat))],
            decided=[_decided(one) for one in reports.decided_requests(engine, scope(seat))],
            upcoming=[_upcoming(engine, one) for one in reports.upcoming_bookings(engine, scope(seat))],
            tone=tone,
            told=told,
            asked_id=asked[0],
            asked_text=asked[1],
        )

    @api.get("")
    def inbox(request: Request, seat: Provider, done: str = "") -> Response:
        tone, told = SAID.get(done, ("", ""))
        return show(request, seat, tone=tone, told=told)

    def decide(request: Request, seat: Seat, request_id: str, verdict: str, answer: str) -> Response:
        try:
            requests.decide(engine, seat.actor("provider"), request_id, verdict, answer=answer.strip()[:1000])
        except AlreadyDecided as error:
            by = f" by {error.facts['by']}" if error.facts.get("by") else ""
            return show(
                request, seat, status=409, tone="warn", told=f"Nothing was changed: this request was already {error.facts['status']}{by}."
            )
        except (Expired, NotFound) as error:
            return show(request, seat, status=409, tone="warn", told=error.message)
        return RedirectResponse(f"/provider?done={verdict}", status_code=303)

    @api.post("/requests/{request_id}/approve")
    def approve(
        request: Request, seat: Provider, request_id: str, csrf: Annotated[str, Form()] = "", answer: Annotated[str, Form()] = ""
    ) -> Response:
        session.check_proof(seat, request, csrf)
        return decide(request, seat, request_id, "approve", answer)

    @api.post("/requests/{request_id}/decline")
    def decline(
        request: Request, seat: Provider, request_id: str, csrf: Annotated[str, Form()] = "", answer: Annotated[str, Form()] = ""
    ) -> Response:
        session.check_proof(seat, request, csrf)
        return decide(request, seat, request_id, "decline", answer)

    @api.post("/requests/{request_id}/answer")
    def answer_freely(
        request: Request, seat: Provider, request_id: str, csrf: Annotated[str, Form()] = "", answer: Annotated[str, Form()] = ""
    ) -> Response:
        """Free words decide only when every one of them was understood; otherwise they are shown back with the two buttons."""
        session.check_proof(seat, request, csrf)
        said = answer.strip()
        if not said:
            raise Invalid("answer", "Please write an answer, or press one of the two buttons.")
        verdict = read_answer(said)
        if verdict is None:
            return show(request, seat, status=422, asked=(request_id, said[:1000]))
        return decide(request, seat, request_id, verdict, said)

    @api.post("/requests/{request_id}/counter")
    def counter(
        request: Request,
        seat: Provider,
        request_id: str,
        csrf: Annotated[str, Form()] = "",
        price: Annotated[str, Form(max_length=30)] = "",
        day: Annotated[str, Form(max_length=10)] = "",
        start: Annotated[str, Form(max_length=5)] = "",
        message: Annotated[str, Form(max_length=1000)] = "",
    ) -> Response:
        """Other terms, or the price of a quote: only the fields that are filled in differ from what was asked."""
        session.check_proof(seat, request, csrf)
        asked = next((one for one in requests.pending(engine, mine(seat)) if one["request_id"] == request_id), None)
        try:
            if asked is None:
                raise NotFound("This request does not wait for you any more.")
            offers.counter(
                engine,
                seat.actor("provider"),
                request_id,
                amount=forms.amount(price, asked["currency"]),
                local_date=forms.day(day),
                local_start=start.strip() or None,
                message=message.strip(),
            )
        except AlreadyDecided as error:
            return show(request, seat, status=409, tone="warn", told=f"Nothing was changed: {error.message}")
        except (Expired, NotFound, SoldOut, Refused) as error:
            return show(request, seat, status=422 if isinstance(error, Invalid) else 409, tone="warn", told=error.message)
        return RedirectResponse("/provider?done=counter", status_code=303)

    @api.post("/bookings/{booking_id}/cancel")
    def cancel(
        request: Request, seat: Provider, booking_id: str, csrf: Annotated[str, Form()] = "", reason: Annotated[str, Form()] = ""
    ) -> Response:
        """A provider who cannot keep a booking: the traveler gets everything back."""
        session.check_proof(seat, request, csrf)
        try:
            cancellations.by_provider(engine, seat.actor("provider"), booking_id, reason=reason.strip()[:300])
        except (WrongState, NotFound) as error:
            return show(request, seat, status=409, tone="warn", told=error.message)
        return RedirectResponse("/provider?done=cancel", status_code=303)

    def attend(request: Request, seat: Seat, booking_id: str, verb: Callable[..., object], done: str) -> Response:
        try:
            verb(engine, seat.actor("provider"), booking_id)
        except (WrongState, NotFound, Refused) as error:
            return show(request, seat, status=409, tone="warn", told=error.message)
        return RedirectResponse(f"/provider?done={done}", status_code=303)

    @api.post("/bookings/{booking_id}/check-in")
    def check_in(request: Request, seat: Provider, booking_id: str, csrf: Annotated[str, Form()] = "") -> Response:
        session.check_proof(seat, request, csrf)
        return attend(request, seat, booking_id, attendance.redeem, "check_in")

    @api.post("/vouchers")
    def take_voucher(request: Request, seat: Provider, csrf: Annotated[str, Form()] = "", code: Annotated[str, Form()] = "") -> Response:
        """The reference as typed or scanned, at the door."""
        session.check_proof(seat, request, csrf)
        try:
            taken = attendance.redeem(engine, seat.actor("provider"), words.reference(code))
        except AlreadyDecided as error:
            at = words.moment(error.facts["at"]) if error.facts.get("at") else ""
            return show(request, seat, status=409, tone="bad", told=f"{error.message[:-1]}{', ' + at if at else ''}.")
        except (WrongState, NotFound, Refused) as error:
            return show(request, seat, status=409, tone="warn", told=error.message)
        told = f"Checked in: {taken['title']}, {words.party(taken['units'])} ({taken['reference']})."
        return show(request, seat, tone="ok", told=told)

    @api.post("/bookings/{booking_id}/no-show")
    def no_show(request: Request, seat: Provider, booking_id: str, csrf: Annotated[str, Form()] = "") -> Response:
        session.check_proof(seat, request, csrf)
        return attend(request, seat, booking_id, attendance.no_show, "no_show")

    @api.post("/bookings/{booking_id}/write")
    def write(
        request: Request, seat: Provider, booking_id: str, csrf: Annotated[str, Form()] = "", text: Annotated[str, Form()] = ""
    ) -> Response:
        """A few words to the guest, in their conversation and by mail."""
        session.check_proof(seat, request, csrf)
        try:
            letters.to_traveler(engine, seat.actor("provider"), booking_id, text, key=new_id())
        except CoreError as error:
            return show(request, seat, status=409, tone="warn", told=error.message)
        return RedirectResponse("/provider?done=written", status_code=303)

    @api.get("/events")
    def events(seat: Provider) -> EventStream:
        topics = tuple(f"provider:{one}" for one in mine(seat))
        return EventStream(house.bus, topics, functools.partial(touches, name="provider"))

    return api


def _request(engine: Any, one: dict[str, Any]) -> dict[str, Any]:
    rest, late = words.left(one["respond_by"], engine.clock())
    currency = one["currency"]
    return {
        **_booking(one),
        "request_id": one["request_id"],
        "note": one["note"],
        "quote": one["kind"] == "quote",
        "wish": None if one["wished_amount"] is None else Money(one["wished_amount"], currency).text(),
        "wish_said": one["wish"],
        "currency": currency,
        "date": one["date"],
        "start": one["start"],
        "rest": rest,
        "late": late,
        "fee": Money(one["fee"], currency).text(),
    }


def _booking(one: dict[str, Any]) -> dict[str, Any]:
    return {
        "booking_id": one["booking_id"],
        "reference": one["reference"],
        "title": one["title"],
        "when": words.when(one["date"], one["end_date"], one["start"]),
        "party": words.party(one["units"]),
        "traveler": one["traveler"] or "A traveler",
        "amount": Money(one["amount"], one["currency"]).text(),
        "payout": Money(one.get("payout", one["amount"]), one["currency"]).text(),
        "requests": one.get("requests", ""),
        "travelers": ", ".join(one.get("travelers", [])),
        "at_provider": one["pay_at_provider"],
    }


def _offered(engine: Any, one: dict[str, Any]) -> dict[str, Any]:
    return {
        "title": one["title"],
        "when": words.when(one["date"], one["end_date"], one["start"]),
        "party": words.party(one["units"]),
        "traveler": one["traveler"] or "A traveler",
        "amount": Money(one["amount"], one["currency"]).text(),
        "until": f"{words.left(one['valid_until'], engine.clock())[0]} from now",
    }


def _upcoming(engine: Any, one: dict[str, Any]) -> dict[str, Any]:
    now = engine.clock()
    return {**_booking(one), "near": now >= one["starts_at"] - attendance.EARLY, "begun": now >= one["starts_at"]}


VERDICTS = {
    "approved": ("ok", "Approved"),
    "declined": ("bad", "Declined"),
    "expired": ("warn", "Ran out"),
    "withdrawn": ("info", "Taken back"),
}


def _decided(one: dict[str, Any]) -> dict[str, Any]:
    tone, verdict = VERDICTS.get(one["verdict"], ("info", one["verdict"]))
    paid = {"ON_HOLD": "waiting for the payment", "CONFIRMED": "confirmed", "EXPIRED": "not paid in time", "CANCELLED": "cancelled"}
    return {
        **_booking(one),
        "tone": tone,
        "verdict": verdict,
        "answer": one["answer"],
        "decider": one["decider"],
        "then": paid.get(one["status"], "") if one["verdict"] == "approved" else "",
    }
