"""Where a business begins: who they are and what they agree to; the rest comes after the link in the letter."""

from typing import Annotated, Any

from babel import Locale
from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from channels.house import House
from channels.web import session
from channels.web.chat import address
from channels.web.limits import Limits
from channels.web.views import page
from core import reports, signups
from core.errors import Invalid, NotAllowed, TryAgain

CURRENCIES = ("EUR", "USD", "GBP", "CHF", "JPY", "AUD", "CAD", "BRL", "MXN", "MAD", "THB", "ISK", "NOK", "SEK", "DKK", "PLN", "CZK")


def router(house: House, limits: Limits) -> APIRouter:
    api = APIRouter(prefix="/provider")
    engine = house.engine
    Text = Annotated[str, Form(max_length=4000)]

    def show(request: Request, given: dict[str, str], *, status: int = 200, sent: bool = False, faults: Any = None) -> Response:
        cities = reports.cities_of_house(engine)
        return page(
            request,
            "join.html",
            status=status,
            given=given,
            sent=sent,
            faults=faults or {},
            zones=sorted({one["time_zone"] for one in cities}),
            countries=sorted(
                ((code, name) for code, name in Locale("en").territories.items() if len(code) == 2 and code.isalpha()), key=lambda x: x[1]
            ),
            currencies=sorted({*CURRENCIES, *(one["currency"] for one in cities)}),
            local_mail=house.settings.sandbox_payments,
        )

    @api.get("/join")
    def look(request: Request) -> Response:
        return show(request, {})

    @api.post("/join")
    def join(
        request: Request,
        person: Text = "",
        name: Text = "",
        email: Text = "",
        phone: Text = "",
        time_zone: Text = "",
        country: Text = "",
        currency: Text = "",
        about: Text = "",
        agreed: Text = "",
    ) -> Response:
        limits.check("joins", address(request))
        if not session.same_site(request):
            raise NotAllowed("Please use the form on our own page.")
        business = {
            "name": name, "email": email, "phone": phone, "time_zone": time_zone, "country": country, "currency": currency, "about": about,
        }  # fmt: skip
        given = {**business, "person": person, "agreed": agreed}
        try:
            signups.join(engine, business, person=person, agreed=agreed == "yes")
        except Invalid as error:
            faults = error.facts.get("problems") or {error.field: error.message}
            return show(request, given, status=422, faults=faults)
        except TryAgain as error:
            return show(request, given, status=503, faults={"": error.message})
        return show(request, {"email": email.strip()}, sent=True)

    return api
