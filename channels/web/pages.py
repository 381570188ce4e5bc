"""The pages a traveler sees: the demo shop window, the chat on a page of its own, and where a payment page sends people back to."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from sqlalchemy import select
from starlette.responses import FileResponse, Response

from channels.house import House
from channels.pictures import picture_url
from channels.web.views import STATIC, page
from core import reports
from core.errors import NotFound, TryAgain
from core.money import Money
from core.payments import collect
from core.schema import conversation, payment

KINDS = {"stay": "Stay", "activity": "Activity", "dining": "Table", "transport": "Transfer", "guide": "Guide"}
PER = {"PERSON": "a person", "NIGHT": "a night", "BOOKING": "for your group", "UNIT": "each"}


def router(house: House) -> APIRouter:
    api = APIRouter()

    @api.get("/")
    def home(request: Request) -> Response:
        offers = [_offer(row) for row in reports.featured(house.engine)]
        return page(request, "home.html", offers=offers, cities=reports.cities(house.engine), sandbox=house.settings.sandbox_payments)

    @api.get("/favicon.ico")
    async def icon() -> Response:
        return FileResponse(STATIC / "icon.svg", media_type="image/svg+xml")

    @api.get("/chat")
    def full_page(request: Request, say: Annotated[str, Query(max_length=400)] = "") -> Response:
        """The chat alone; other sites may show it in a frame where they may embed the widget."""
        allowed = house.settings.allowed_origins
        return page(request, "chat.html", ancestors="*" if "*" in allowed else " ".join(("'self'", *allowed)), say=say)

    @api.get("/pay/done")
    def paid(request: Request, s: Annotated[str, Query(max_length=255)] = "") -> Response:
        """The payment page's way back. Says only what a fetch from the gateway says is true."""
        unsure = False
        try:
            found = collect.sync_session(house.engine, s)
        except TryAgain:
            unsure, found = True, None
        if found is None and not unsure:
            raise NotFound("We know no such payment. If you have paid, the chat will tell you.")
        return page(request, "pay.html", **_payment(house, session_id=s, unsure=unsure))

    @api.get("/pay/back")
    def not_paid(request: Request, p: Annotated[str, Query(max_length=64)] = "") -> Response:
        return page(request, "pay.html", **_payment(house, payment_id=p, left=True))

    return api


def _offer(row: Any) -> dict[str, Any]:
    hours, minutes = divmod(row.duration_minutes or 0, 60)
    price = Money(row.from_amount, row.currency).text()
    return {
        "title": row.title,
        "summary": row.summary,
        "kind": KINDS.get(row.kind, row.kind.title()),
        "place": row.city,
        "instant": row.booking_type == "INSTANT",
        "price": price,
        "per": PER.get(row.per, ""),
        "rating": f"{row.rating_tenths / 10:.1f}" if row.rating_tenths else "",
        "reviews": row.rating_count,
        "sample": row.rating_source == "sample",
        "duration": " ".join(part for part in (f"{hours} h" if hours else "", f"{minutes} min" if minutes else "") if part),
        "picture": picture_url(row.picture) or "/static/placeholder.svg",
        "say": f"Tell me about {row.title} in {row.city}",
    }


def _payment(house: House, *, session_id: str = "", payment_id: str = "", unsure: bool = False, left: bool = False) -> dict[str, Any]:
    """What the page says about one payment, from our rows."""
    with house.engine.db.read() as tx:
        row = tx.execute(
            select(payment, conversation.c.channel)
            .join(conversation, conversation.c.id == payment.c.conversation_id)
            .where(payment.c.session_id == session_id if session_id else payment.c.id == payment_id)
        ).one_or_none()
        if row is None:
            raise NotFound("We know no such payment. If you have paid, the chat will tell you.")
        booked = collect.bookings_of(tx, row.id)
    state = row.status
    if state in ("new", "open"):
        state = "unsure" if unsure else "left" if left else "open"
    elif state == "paid" and not any(one.status in ("CONFIRMED", "REDEEMED") for one in booked):
        state = "late" if any(one.status == "EXPIRED" for one in booked) else "paid"
    return {
        "state": state,
        "amount": Money(row.amount, row.currency).text(),
        "bookings": [
            {"title": one.title, "reference": one.reference, "confirmed": one.status in ("CONFIRMED", "REDEEMED"), "date": one.local_date}
            for one in booked
        ],
        "url": row.url if row.status == "open" and row.expires_at > house.engine.clock() else None,
        "manual": row.manual,
        "in_chat": row.channel == "web",
        "sandbox": house.settings.sandbox_payments,
    }
