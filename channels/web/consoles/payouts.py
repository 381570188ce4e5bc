"""Payouts for providers and experts: what was earned, sent and is to come, and setting up the account that receives it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from channels.house import House
from channels.web import session
from channels.web.session import Seat
from channels.web.views import page
from core import reports
from core.engine import Actor
from core.errors import NotFound, Refused, TryAgain
from core.money import Money
from core.payments import payees, payouts, statements

PERIOD = timedelta(days=90)
SAID = {
    "none": ("warn", "Not set up", "What you earn waits here until you can be paid out."),
    "new": ("warn", "Not set up", "What you earn waits here until you can be paid out."),
    "pending": ("info", "Being checked", "The payment service is looking at what you told it. Nothing to do for you."),
    "active": ("ok", "Ready", "Money is sent after each service, by the delay agreed with you."),
    "restricted": ("warn", "Something is missing", "The payment service needs to know more before it can pay you out."),
    "rejected": ("bad", "Not possible", "The payment service does not pay out to this account. Please write to us."),
}
BACK = {
    "back": ("info", "Welcome back. This is what the payment service says now."),
    "again": ("warn", "That link was used or is over. Press the button again; it makes a new one."),
}


def router(house: House) -> APIRouter:
    api = APIRouter(prefix="/payouts")
    engine = house.engine
    Payee = Annotated[Seat, Depends(session.need(house, "provider", "expert"))]

    def mine(seat: Seat) -> list[tuple[str, str]]:
        """(party, id) of everybody this person is paid out as; an operator sees all providers."""
        providers = list(seat.person.owned_ids) or (reports.provider_ids(engine) if seat.person.has("operator") else [])
        own = [("expert", seat.person.account_id)] if seat.person.has("expert") else []
        return [*own, *(("provider", one) for one in providers)]

    def actor(seat: Seat, party: str) -> Actor:
        return replace(seat.actor("operator" if seat.person.has("operator") else party), provider_ids=seat.person.owned_ids)

    def show(request: Request, seat: Seat, *, status: int = 200, tone: str = "", told: str = "") -> Response:
        now = engine.clock()
        shown = []
        with engine.db.read() as tx:
            for party, party_id in mine(seat):
                lines = statements.lines(tx, party, party_id, now - PERIOD, now + timedelta(seconds=1))
                state = payees.view(payees.find(tx, party, party_id))
                balances = payouts.balances(tx, party, party_id, now)
                shown.append(_party(party, party_id, reports.party_name(tx, party, party_id), state, balances, lines))
        busy = [one for one in shown if one["sums"] or one["lines"] or not one["unknown"]] if len(shown) > 1 else shown
        quiet = [one for one in shown if one not in busy]
        return page(request, "payouts.html", status=status, seat=seat, parties=busy, quiet=quiet, tone=tone, told=told)

    @api.get("")
    def overview(request: Request, seat: Payee, said: str = "") -> Response:
        tone, told = BACK.get(said, ("", ""))
        return show(request, seat, tone=tone, told=told)

    @api.post("/{party}/{party_id}/setup")
    def set_up(request: Request, seat: Payee, party: str, party_id: str, csrf: Annotated[str, Form()] = "") -> Response:
        """On to the payment service's own page. Its link works once, so it is made by the press and by nothing else."""
        session.check_proof(seat, request, csrf)
        try:
            link = payees.onboarding_link(engine, actor(seat, party), party, party_id)
        except NotFound as error:
            return show(request, seat, status=404, tone="warn", told=error.message)
        except TryAgain:
            return show(
                request, seat, status=503, tone="warn", told="The payment service does not answer just now. Please try again in a minute."
            )
        except Refused as error:
            return show(request, seat, status=409, tone="bad", told=error.message)
        return RedirectResponse(link, status_code=303)

    @api.get("/{party}/{party_id}")
    def returned(request: Request, seat: Payee, party: str, party_id: str, back: str = "", again: str = "") -> Response:
        """Where the payment service sends people back to. Coming back proves nothing: the account is fetched."""
        if (party, party_id) not in mine(seat):
            raise NotFound("There is no such account of yours.")
        if back:
            with engine.db.read() as tx:
                found = payees.find(tx, party, party_id)
            if found is not None and found.account is not None:
                payees.sync(engine, found.account)
        return RedirectResponse(f"/payouts?said={'back' if back else 'again' if again else ''}", status_code=303)

    @api.get("/{party}/{party_id}/statement.csv")
    def statement(
        seat: Payee,
        party: str,
        party_id: str,
        start: Annotated[datetime | None, Query(alias="from")] = None,
        end: Annotated[datetime | None, Query(alias="to")] = None,
    ) -> Response:
        """Every line of a period (the last ninety days where none is named), as CSV."""
        if (party, party_id) not in mine(seat):
            raise NotFound("There is no such account of yours.")
        now = engine.clock()
        until = _aware(end) or now + timedelta(seconds=1)
        since = _aware(start) or until - PERIOD
        with engine.db.read() as tx:
            text = statements.as_csv(statements.lines(tx, party, party_id, since, until))
        name = f"statement-{party_id}-{until:%Y-%m-%d}.csv"
        return Response(text, media_type="text/csv; charset=utf-8", headers={"Content-Disposition": f'attachment; filename="{name}"'})

    @api.get("/{party}/{party_id}/statement.pdf")
    def printed(
        seat: Payee,
        party: str,
        party_id: str,
        start: Annotated[datetime | None, Query(alias="from")] = None,
        end: Annotated[datetime | None, Query(alias="to")] = None,
    ) -> Response:
        """The same on paper, with the taxes and our fee in every sale."""
        from channels import papers

        if (party, party_id) not in mine(seat):
            raise NotFound("There is no such account of yours.")
        until = _aware(end) or engine.clock() + timedelta(seconds=1)
        since = _aware(start) or until - PERIOD
        with engine.db.read() as tx:
            lines = statements.detailed(tx, party, party_id, since, until)
            name = reports.party_name(tx, party, party_id)
        shown = f"statement-{party_id}-{until:%Y-%m-%d}.pdf"
        headers = {"Content-Disposition": f'attachment; filename="{shown}"'}
        return Response(papers.statement(name, lines, since, until), media_type="application/pdf", headers=headers)

    return api


def _aware(moment: datetime | None) -> datetime | None:
    return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC)


def _party(
    party: str, party_id: str, name: str, state: dict[str, Any], balances: dict[str, dict[str, int]], lines: list[dict[str, Any]]
) -> dict[str, Any]:
    tone, title, text = SAID[state["state"]]
    return {
        "party": party,
        "id": party_id,
        "name": name,
        "tone": tone,
        "title": title,
        "text": text,
        "needs": state["needs"],
        "unknown": state["account"] is None,
        "can_set_up": state["state"] not in ("active", "rejected"),
        "sums": [
            {"currency": currency, **{key: Money(amount, currency).text() for key, amount in one.items()}, "owes": bool(one["debt"])}
            for currency, one in sorted(balances.items())
        ],
        "lines": [
            {**line, "day": line["at"].strftime("%d %b %Y"), "shown": Money(line["amount"], line["currency"]).text()}
            for line in lines[::-1][:40]
        ],
        "more": max(0, len(lines) - 40),
    }
