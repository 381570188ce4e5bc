"""The provider's calendar: a month of a product, days blocked and opened, places set, and the calendars of other sites."""

import calendar as months
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode

from anyio import to_thread
from babel.dates import format_date
from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import RedirectResponse, Response

from channels.house import House
from channels.web import session
from channels.web.consoles import words
from channels.web.session import Seat
from channels.web.views import page
from core import calendars, schedules
from core.availability import ranges
from core.engine import Actor
from core.errors import Invalid, PlacesSold, Refused
from core.schedules import Week

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
SAID = {
    "block": ("info", "These days take no bookings now."),
    "open": ("ok", "These days are open again."),
    "places": ("ok", "The places of these days are set."),
    "usual": ("ok", "These days have their usual places again."),
    "week": ("ok", "The usual week is saved."),
    "capacity": ("ok", "The places of a usual day are saved."),
    "on": ("ok", "It takes bookings again."),
    "off": ("info", "It takes no new bookings. What is booked stays."),
    "feed": ("ok", "The calendar is added; it is being read now."),
    "now": ("info", "It is being read again."),
    "removed": ("info", "The calendar is removed, and the days it blocked are open again."),
    "link": ("ok", "The address is made. Copy it into the other site."),
    "revoked": ("info", "The address is taken back: it opens nothing any more."),
}
STATUS = {
    "FREESALE": ("ok", "open"),
    "AVAILABLE": ("ok", "free"),
    "LIMITED": ("warn", "few left"),
    "SOLD_OUT": ("full", "full"),
    "CLOSED": ("shut", "closed"),
}
FEED_STATE = {"new": ("info", "Being read"), "ok": ("ok", "Read"), "failing": ("bad", "Not readable")}


def router(house: House) -> APIRouter:
    api = APIRouter(prefix="/calendar")
    engine = house.engine
    Provider = Annotated[Seat, Depends(session.need(house, "provider"))]
    Text = Annotated[str, Form()]

    def listed(seat: Seat) -> list[Any]:
        return schedules.products_of(engine, list(seat.person.provider_ids) if seat.person.has("provider") else None)

    def show(
        request: Request,
        seat: Seat,
        product: str,
        option: str,
        month: str,
        *,
        status: int = 200,
        tone: str = "",
        told: str = "",
        **more: Any,
    ) -> Response:
        products = listed(seat)
        chosen = product or (products[0].id if products else "")
        if not chosen:
            return page(request, "calendar.html", status=status, seat=seat, products=[], view=None, tone=tone, told=told)
        actor, today = seat.actor("provider"), engine.clock().date()
        first = _month(month, today)
        last = first.replace(day=months.monthrange(first.year, first.month)[1])
        view = schedules.calendar(engine, actor, chosen, first, last, option_id=option or None)
        other = calendars.of_resource(engine, actor, view["resource_id"])
        base = engine.rules.public_url.rstrip("/")
        return page(
            request,
            "calendar.html",
            status=status,
            seat=seat,
            products=products,
            view=view,
            month={
                "name": format_date(first, "MMMM yyyy", locale="en"),
                "value": f"{first:%Y-%m}",
                "before": _address(chosen, view["option_id"], first - timedelta(days=1)) if first > today.replace(day=1) else "",
                "after": _address(chosen, view["option_id"], last + timedelta(days=1)),
                "blanks": first.weekday(),
            },
            days=[_day(one, view) for one in view["days"]],
            weekdays=WEEKDAYS,
            week=_week_table(view),
            feeds=[_feed(one) for one in other["feeds"]],
            links=[{"token": one.token, "name": one.name, "url": f"{base}/calendars/{one.token}.ics"} for one in other["links"]],
            tone=tone,
            told=told,
            today=today,
            **more,
        )

    @api.get("")
    def look(request: Request, seat: Provider, product: str = "", option: str = "", month: str = "", done: str = "") -> Response:
        tone, told = SAID.get(done, ("", ""))
        return show(request, seat, product, option, month, tone=tone, told=told)

    def change(
        request: Request, seat: Seat, csrf: str, at: tuple[str, str, str], done: str, do: Callable[[Actor], object], anchor: str = ""
    ) -> Response:
        """Carry out one change and show the month again, or say why not with the bookings concerned."""
        session.check_proof(seat, request, csrf)
        try:
            do(seat.actor("provider"))
        except PlacesSold as error:
            return show(request, seat, *at, status=409, tone="warn", told=error.message, concerned=_concerned(error.facts["bookings"]))
        except Invalid as error:
            return show(request, seat, *at, status=422, tone="warn", told=error.message)
        except Refused as error:
            return show(request, seat, *at, status=409, tone="warn", told=error.message)
        query = urlencode({"product": at[0], "option": at[1], "month": at[2], "done": done})
        return RedirectResponse(f"/calendar?{query}{anchor}", status_code=303)

    @api.post("/days")
    def days(
        request: Request,
        seat: Provider,
        product: Text,
        do: Text,
        csrf: Text = "",
        option: Text = "",
        month: Text = "",
        day: Annotated[list[str] | None, Form()] = None,
        first: Text = "",
        last: Text = "",
        start: Text = "",
        scope: Text = "PRODUCT",
        reason: Text = "",
        places: Text = "",
    ) -> Response:
        def carry_out(actor: Actor) -> None:
            stretches = _stretches(day or [], first, last)
            which, named = _scope(actor, product, option, scope)
            count = _whole(places, "places") if do == "places" else None
            for at, (begin, end) in enumerate(stretches):
                try:
                    if do == "block":
                        schedules.block(engine, actor, which, named, begin, end, start=start, reason=reason)
                    elif do == "open":
                        schedules.unblock(engine, actor, which, named, begin, end, start=start)
                    elif do in ("places", "usual"):
                        schedules.set_places(engine, actor, product, begin, end, count, option_id=option or None, start=start)
                    else:
                        raise Invalid("do", "Choose what to do with these days.")
                except Refused as error:
                    if at:  # several stretches are several changes, and some were made
                        raise _partly(error, stretches[:at]) from error
                    raise

        return change(request, seat, csrf, (product, option, month), do, carry_out)

    def _scope(actor: Actor, product: str, option: str, scope: str) -> tuple[schedules.Scope, str]:
        today = engine.clock().date()
        if scope == "PRODUCT":
            return "PRODUCT", product
        view = schedules.calendar(engine, actor, product, today, today, option_id=option or None)
        if scope == "RESOURCE":
            return "RESOURCE", view["resource_id"]
        if scope == "PROVIDER":
            return "PROVIDER", view["provider_id"]
        raise Invalid("scope", "Choose what these days are about.")

    @api.post("/switch")
    def switch(
        request: Request,
        seat: Provider,
        product: Text,
        on: Text,
        csrf: Text = "",
        option: Text = "",
        month: Text = "",
        scope: Text = "PRODUCT",
    ) -> Response:
        def carry_out(actor: Actor) -> None:
            which, named = _scope(actor, product, option, scope)
            schedules.switch(engine, actor, "PROVIDER" if which == "PROVIDER" else "PRODUCT", named, on == "1")

        return change(request, seat, csrf, (product, option, month), "on" if on == "1" else "off", carry_out)

    @api.post("/week")
    async def week(request: Request, seat: Provider) -> Response:
        form = await request.form()
        given = {key: str(value) for key, value in form.items()}
        product, option, month = (given.get(key, "") for key in ("product", "option", "month"))

        def carry_out(actor: Actor) -> None:
            today = engine.clock().date()
            view = schedules.calendar(engine, actor, product, today, today, option_id=option or None)
            kept = [
                Week(one["places"], one["weekdays"], one["start"], _day_or_none(one["from"]), _day_or_none(one["to"]))
                for one in view["week"]
                if one["from"] or one["to"]
            ]
            schedules.set_week(engine, actor, product, [*kept, *_weeks(given, view["labels"] or [""])], option_id=option or None)

        return await to_thread.run_sync(
            lambda: change(request, seat, given.get("csrf", ""), (product, option, month), "week", carry_out, "#week")
        )

    @api.post("/capacity")
    def capacity(
        request: Request, seat: Provider, product: Text, csrf: Text = "", option: Text = "", month: Text = "", places: Text = ""
    ) -> Response:
        def carry_out(actor: Actor) -> None:
            count = _whole(places, "places") if places.strip() else None
            schedules.set_capacity(engine, actor, product, count, option_id=option or None)

        return change(request, seat, csrf, (product, option, month), "capacity", carry_out, "#week")

    @api.post("/feeds")
    def add_feed(
        request: Request,
        seat: Provider,
        product: Text,
        csrf: Text = "",
        option: Text = "",
        month: Text = "",
        name: Text = "",
        url: Text = "",
    ) -> Response:
        def carry_out(actor: Actor) -> None:
            calendars.add_feed(engine, actor, product, url, name=name, option_id=option or None)

        return change(request, seat, csrf, (product, option, month), "feed", carry_out, "#others")

    @api.post("/feeds/{feed_id}/{what}")
    def feed(
        request: Request, seat: Provider, feed_id: str, what: str, product: Text, csrf: Text = "", option: Text = "", month: Text = ""
    ) -> Response:
        verb = {"remove": calendars.remove_feed, "now": calendars.ask_now}.get(what)
        if verb is None:
            raise Invalid("what", "A calendar can be read again or removed.")
        return change(
            request,
            seat,
            csrf,
            (product, option, month),
            "removed" if what == "remove" else "now",
            lambda actor: verb(engine, actor, feed_id),
            "#others",
        )

    @api.post("/links")
    def add_link(
        request: Request,
        seat: Provider,
        product: Text,
        csrf: Text = "",
        option: Text = "",
        month: Text = "",
        name: Text = "",
        only: Text = "",
    ) -> Response:
        def carry_out(actor: Actor) -> None:
            calendars.share(engine, actor, product, name=name, option_id=option or None, only_option=only == "1")

        return change(request, seat, csrf, (product, option, month), "link", carry_out, "#others")

    @api.post("/links/revoke")
    def revoke(
        request: Request, seat: Provider, product: Text, token: Text, csrf: Text = "", option: Text = "", month: Text = ""
    ) -> Response:
        at = (product, option, month)
        return change(request, seat, csrf, at, "revoked", lambda actor: calendars.revoke(engine, actor, token), "#others")

    return api


def _address(product: str, option: str, day: date) -> str:
    return "/calendar?" + urlencode({"product": product, "option": option, "month": f"{day:%Y-%m}"})


def _month(given: str, today: date) -> date:
    try:
        first = date.fromisoformat(f"{given}-01")
    except ValueError:
        first = today.replace(day=1)
    return min(max(first, date(today.year - 1, 1, 1)), date(today.year + 3, 12, 1))


def _day_or_none(given: str | None) -> date | None:
    return date.fromisoformat(given) if given else None


def _iso(given: str, field: str) -> date:
    try:
        return date.fromisoformat(given)
    except ValueError:
        raise Invalid(field, "That is not a day.") from None


def _whole(given: str, field: str) -> int:
    cleaned = given.strip()
    if not cleaned.isascii() or not cleaned.isdigit() or len(cleaned) > 9:
        raise Invalid(field, "How many places? Write a whole number.")
    return int(cleaned)


def _stretches(chosen: Sequence[str], first: str, last: str) -> list[tuple[date, date]]:
    """The days that are ticked, as unbroken stretches; or, where none is, from one day to another."""
    ticked = sorted({_iso(one, "day") for one in chosen[:400]})
    if ticked:
        found = ranges([one.isoformat() for one in ticked])
        return [(date.fromisoformat(one["from"]), date.fromisoformat(one["to"])) for one in found]
    if not first:
        raise Invalid("day", "Choose days in the month, or write the first and the last day.")
    begin = _iso(first, "first")
    return [(begin, _iso(last, "last") if last else begin)]


def _partly(error: Refused, made: Sequence[tuple[date, date]]) -> Refused:
    done = ", ".join(words.day(a) if a == b else f"{words.day(a)} to {words.day(b)}" for a, b in made)
    said = error.message.removeprefix("Nothing was changed: ")
    text = f"Changed: {done}. Not the rest: {said}"
    return PlacesSold(text, **error.facts) if isinstance(error, PlacesSold) else Refused(text, **error.facts)


def _concerned(bookings: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    said = {"ON_HOLD": "being paid", "PENDING": "waits for your answer", "CONFIRMED": "confirmed"}
    return [{**one, "when": words.when(one["date"], None, one["start"]), "said": said.get(one["status"], "")} for one in bookings]


def _day(one: dict[str, Any], view: dict[str, Any]) -> dict[str, Any]:
    starts = []
    for start in one["starts"]:
        tone, said = STATUS[start["status"]]
        taken = start["held"] + start["booked"]
        free = "" if start["left"] is None else str(start["left"])
        starts.append({**start, "tone": tone, "said": said, "taken": taken, "free": free if start["status"] != "CLOSED" else ""})
    why = [f"{closed['reason'] or 'Blocked'}" for closed in one["closed_by"]]
    worst = "past" if one["date"] < view["today"] else starts[0]["tone"] if len({start["tone"] for start in starts}) == 1 else "mixed"
    return {
        "iso": one["date"].isoformat(),
        "number": one["date"].day,
        "name": format_date(one["date"], "EEEE d MMMM", locale="en"),
        "past": one["date"] < view["today"],
        "today": one["date"] == view["today"],
        "starts": starts,
        "why": ", ".join(dict.fromkeys(why)),
        "other": any(closed["source"].startswith(schedules.FEED) for closed in one["closed_by"]),
        "tone": worst,
        "set": one["places"],
    }


def _week_table(view: dict[str, Any]) -> list[dict[str, Any]]:
    """Per start, the undated places of each weekday; "" where it is closed."""
    rows = []
    for label in view["labels"] or [""]:
        cells: list[Any] = []
        for bit in range(7):
            undated = [one for one in view["week"] if not one["from"] and not one["to"] and one["weekdays"] >> bit & 1]
            exact = next((one for one in undated if one["start"] == label), next((one for one in undated if not one["start"]), None))
            cells.append("" if exact is None else exact["places"])
        rows.append({"label": label, "cells": cells})
    return rows


def _weeks(given: dict[str, str], labels: Sequence[str]) -> list[Week]:
    """Lines of the usual week from its table: weekdays with the same places are one line."""
    found = []
    for label in labels:
        by_places: dict[int, int] = {}
        for bit in range(7):
            written = given.get(f"p-{label}-{bit}", "").strip()
            if written:
                places = _whole(written, f"{label} {WEEKDAYS[bit]}".strip())
                by_places[places] = by_places.get(places, 0) | 1 << bit
        found += [Week(places, weekdays, label) for places, weekdays in by_places.items()]
    return found


def _feed(row: Any) -> dict[str, Any]:
    tone, state = FEED_STATE.get(row.state, ("info", row.state))
    return {
        "id": row.id,
        "name": row.name,
        "tone": tone,
        "state": state,
        "error": row.error,
        "events": row.events,
        "checked": row.checked_at.strftime("%d %b, %H:%M UTC") if row.checked_at else "",
        "since": row.taken_at.strftime("%d %b, %H:%M UTC") if row.taken_at else "",
        "conflicts": _concerned(row.conflicts),
    }
