"""Where a traveler says yes to what a program prepared for them: the exact terms, and a button only they can press.

The address is signed for one proposal and over when the proposal is. Opening it shows, and only a POST with the page's own proof
commits; a second one shows what the first one did.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from channels.house import House
from channels.render import Words, policy_lines
from channels.web import session
from channels.web.chat import address
from channels.web.consoles import words
from channels.web.limits import Limits
from channels.web.views import page
from channels.web.vouchers import PRIVATE
from core import bookings, cancellations, changes, links, people
from core.catalogue import listings
from core.engine import Actor
from core.errors import CoreError, Invalid, NotAllowed, NotFound, TryAgain
from core.money import Money
from core.payments import collect
from core.payments.gateway import GatewayRefused, GatewayUnknown

Text = Annotated[str, Form()]

TITLES = {"checkout": "Please check and confirm", "cancellation": "Cancel this booking?", "change": "Change this booking?"}
BUTTONS = {"checkout": "Confirm and book", "cancellation": "Cancel this booking", "change": "Change this booking"}
PAID_HOW = {
    "pay_now": "pay now",
    "if_approved": "pay after the host says yes",
    "at_provider": "pay on site",
    "on_quote": "price on request",
    "external": "on the partner's own site, not part of the total",
}


def router(house: House, limits: Limits) -> APIRouter:
    api = APIRouter(prefix="/confirm")
    engine = house.engine

    def opened(request: Request, token: str) -> Any:
        """The proposal behind the link. Raises NotFound, Expired; a kind that has no page here is not found."""
        limits.check("calendars", address(request))
        with engine.db.read() as tx:
            row = links.open_confirm(tx, token, engine.clock())
        if row.kind not in TITLES:
            raise NotFound("There is nothing at this address.")
        return row

    def show(
        request: Request, token: str, row: Any, *, status: int = 200, told: str = "", typed: Mapping[str, str] | None = None
    ) -> Response:
        if row.status == "committed":
            return done(request, row)
        with engine.db.read() as tx:
            shown = _of_checkout(tx, row.terms) if row.kind == "checkout" else _of_booking(tx, row)
            person = people.contact(tx, row.account_id)
        return page(
            request,
            "confirm.html",
            status=status,
            headers=PRIVATE,
            token=token,
            proof=session.csrf_of(f"confirm:{token}"),
            title=TITLES[row.kind],
            button=BUTTONS[row.kind],
            danger=row.kind == "cancellation",
            asks_who=row.kind == "checkout",
            told=told,
            until=words.moment(row.expires_at),
            person={**person, **(typed or {})},
            **shown,
        )

    def done(request: Request, row: Any) -> Response:
        """What came of the yes: the pages to pay on, what waits for a host, and the way to the traveler's own page."""
        waits, late = [], False
        for payment_id in _payments(row):
            try:
                link = collect.ensure_link(engine, payment_id)
            except (GatewayUnknown, GatewayRefused):
                late = True
                continue
            if link["status"] == "open" and link["url"]:
                waits.append({"url": link["url"], "amount": Money(link["amount"], link["currency"]).text()})
        with engine.db.read() as tx:
            mine = links.trips_path(tx, row.account_id, engine.clock())
        asked = len((row.result or {}).get("requests") or ())
        return page(request, "confirmed.html", headers=PRIVATE, pay=waits, late=late, asked=asked, kind=row.kind, trips=mine)

    def commit(row: Any, given: Mapping[str, str]) -> None:
        actor = Actor(row.account_id, conversation_id=row.conversation_id, channel="page")
        if row.kind == "cancellation":
            cancellations.commit(engine, actor, row.id)
        elif row.kind == "change":
            changes.commit(engine, actor, row.id)
        else:
            bookings.save_details(engine, actor, given)
            bookings.commit_checkout(engine, actor, row.id, requests=given["requests"], method=given["method"])

    @api.get("/{token}")
    def look(request: Request, token: str) -> Response:
        return show(request, token, opened(request, token))

    @api.post("/{token}")
    def confirm(
        request: Request,
        token: str,
        proof: Text = "",
        name: Text = "",
        email: Text = "",
        requests: Text = "",
        terms: Text = "",
        method: Text = "full",
    ) -> Response:
        row = opened(request, token)
        if not session.same_site(request) or not session.same(proof, session.csrf_of(f"confirm:{token}")):
            raise NotAllowed("This page was open for too long. Please open it again and repeat that.")
        given = {"name": name, "email": email, "requests": requests, "terms": terms, "method": method}
        again = _again(show, request, token, row, given)
        if row.status != "committed":
            try:
                commit(row, given)
            except Invalid as error:
                return again(422, error.message)
            except TryAgain as error:
                return again(503, error.message)
            except CoreError as error:
                return again(409, error.message)
            row = opened(request, token)
        paid_on = _payments(row)
        if len(paid_on) == 1:
            try:
                link = collect.ensure_link(engine, paid_on[0])
            except (GatewayUnknown, GatewayRefused):
                link = {"url": None}
            if link["url"]:
                return RedirectResponse(link["url"], status_code=303, headers=PRIVATE)
        return RedirectResponse(f"/confirm/{token}", status_code=303, headers=PRIVATE)

    return api


def _again(
    show: Callable[..., Response], request: Request, token: str, row: Any, given: Mapping[str, str]
) -> Callable[[int, str], Response]:
    typed = {key: given[key] for key in ("name", "email", "requests")}
    return lambda status, told: show(request, token, row, status=status, told=told, typed=typed)


def _payments(row: Any) -> list[str]:
    """The payments a committed proposal opened."""
    result = row.result or {}
    return [str(one) for one in [*(result.get("payments") or ()), result.get("payment")] if one]


def _of_checkout(tx: Any, terms: Mapping[str, Any]) -> dict[str, Any]:
    """The frozen lines, what each is paid like, the conditions, and the sums by currency."""
    listed = listings(tx, [line["product_id"] for line in terms["lines"] if line["product_id"]])
    english = Words("", "en")
    lines = []
    for line in terms["lines"]:
        own = listed.get(line["product_id"]) if line["kind"] == "own" else None
        when = words.when(line["date"], line["end_date"], line["start"]) if line["date"] else ""
        notes = [when, words.party(line["units"]), PAID_HOW[line["how"]], *(policy_lines(english, own.tiers) if own else ())]
        price = "on request" if line["how"] == "on_quote" else Money(line["amount"], line["currency"]).text()
        lines.append((line["title"], " · ".join(note for note in notes if note), price))
    sums = [
        (name, Money(parts[key], currency).text())
        for currency, parts in terms["totals"].items()
        for key, name in (("pay_now", "To pay now"), ("if_approved", "To pay if the host says yes"), ("at_provider", "To pay on site"))
        if parts.get(key)
    ]
    deposits = [
        f"{Money(one['now'], currency).text()} now and {Money(one['later'], currency).text()} by {words.moment(one['due_at'])}"
        for currency, one in bookings.deposit_totals(terms).items()
    ]
    return {"lines": lines, "sums": sums, "deposits": deposits}


def _of_booking(tx: Any, row: Any) -> dict[str, Any]:
    """A booking as it is, and what the yes would make of it."""
    terms = row.terms
    one = cancellations.find(tx, Actor(row.account_id), terms["booking_id"])
    last = one.end_date.isoformat() if one.end_date else None
    when = words.when(one.local_date.isoformat(), last, one.local_start)
    lines = [(one.title, f"{when} · {words.party(one.units)} · {one.reference}", Money(one.amount, one.currency).text())]
    currency = terms["currency"]
    if row.kind == "cancellation":
        sums = [("Paid so far", Money(terms["paid"], currency).text()), ("You get back", Money(terms["refund"], currency).text())]
        return {"lines": lines, "sums": sums, "deposits": []}
    new = terms["values"]
    moved = f"{words.when(new['local_date'], new['end_date'], new['local_start'])} · {words.party(new['units'])}"
    lines.append(("It would be", moved, Money(new["amount"], currency).text()))
    named = (("due_now", "To pay now"), ("later", "Added to the rest"), ("refund", "You get back"), ("kept", "Kept by the conditions"))
    return {"lines": lines, "sums": [(name, Money(terms[key], currency).text()) for key, name in named if terms[key]], "deposits": []}
