"""The operator's view: is the house well, and what did it send."""

import json
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import RedirectResponse, Response

from channels.house import House
from channels.web import forms, session
from channels.web.consoles import words
from channels.web.consoles.desk import REASONS
from channels.web.session import Seat
from channels.web.views import page
from core import audit, figures, jobs, reports
from core.errors import Invalid, NotFound, Refused
from core.money import Money
from core.payments import disputes, payouts
from core.payments.gateway import GatewayRefused, GatewayUnknown

STATES = {
    "sent": "ok",
    "delivered": "ok",
    "caught": "info",
    "queued": "warn",
    "sending": "warn",
    "uncertain": "bad",
    "failed": "bad",
    "dropped": "bad",
}


SAID = {
    "retry": ("ok", "The job is tried again."),
    "no_retry": ("info", "That job is gone, or the same one waits already."),
    "evidence": ("ok", "What we have was sent to the bank. It decides in some weeks."),
    "away": ("warn", "The payment service does not answer. Nothing was lost; please try again."),
}
BACK = 27  # days before today that are shown at first


def router(house: House) -> APIRouter:
    api = APIRouter(prefix="/ops")
    engine = house.engine
    Operator = Annotated[Seat, Depends(session.need(house, "operator"))]
    Proof = Annotated[str, Form()]

    def span(start: str, end: str) -> tuple[date, date]:
        today = engine.clock().date()
        return forms.day(start, "start") or today - timedelta(days=BACK), forms.day(end, "end") or today

    def show(request: Request, seat: Seat, first: date, last: date, *, status: int = 200, tone: str = "", told: str = "") -> Response:
        return page(
            request,
            "ops.html",
            status=status,
            seat=seat,
            health=reports.health(engine),
            dead=reports.dead_jobs(engine),
            disputes=[_dispute(one) for one in disputes.listed(engine)],
            mails=[_mail(row, house) for row in reports.messages_out(engine)],
            figures=_figures(figures.read(engine, first, last)),
            first=first,
            last=last,
            tone=tone,
            told=told,
        )

    @api.get("")
    def overview(request: Request, seat: Operator, start: str = "", end: str = "", done: str = "") -> Response:
        tone, told = SAID.get(done, ("", ""))
        try:
            return show(request, seat, *span(start, end), tone=tone, told=told)
        except Invalid as error:
            return show(request, seat, *span("", ""), status=422, tone="warn", told=error.message)

    @api.get("/figures.csv")
    def export(seat: Operator, start: str = "", end: str = "") -> Response:
        first, last = span(start, end)
        headers = {"content-disposition": f'attachment; filename="figures-{first}-{last}.csv"', "cache-control": "no-store"}
        return Response(figures.as_csv(figures.read(engine, first, last)), media_type="text/csv; charset=utf-8", headers=headers)

    @api.post("/jobs/{job_id}/retry")
    def retry(request: Request, seat: Operator, job_id: int, csrf: Proof = "") -> Response:
        session.check_proof(seat, request, csrf)
        now = engine.clock()
        with engine.db.write() as tx:
            again = jobs.retry(tx, job_id, now)
            audit.record(tx, seat.actor("operator"), "retry_job", f"job:{job_id}", {"again": again}, now)
        return RedirectResponse(f"/ops?done={'retry' if again else 'no_retry'}#jobs", status_code=303)

    @api.post("/disputes/{dispute_id}/evidence")
    def submit(request: Request, seat: Operator, dispute_id: str, csrf: Proof = "") -> Response:
        session.check_proof(seat, request, csrf)
        try:
            disputes.submit(engine, seat.actor("operator"), dispute_id)
        except (GatewayUnknown, GatewayRefused):
            return RedirectResponse("/ops?done=away#disputes", status_code=303)
        except (Refused, NotFound) as error:
            return show(request, seat, *span("", ""), status=409, tone="warn", told=error.message)
        return RedirectResponse("/ops?done=evidence#disputes", status_code=303)

    return api


def _money(sums: Mapping[str, int]) -> str:
    return " + ".join(Money(amount, currency).text() for currency, amount in sums.items()) or "0"


def _time(seconds: int) -> str:
    if seconds < 60:
        return f"{seconds} s"
    minutes, rest = divmod(seconds, 60)
    return f"{minutes} m {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} m"


def _figures(found: dict[str, Any]) -> dict[str, Any]:
    """In words, and as shapes: every plot is a list of bars with their place in a box of 100 by 100."""
    asked = max(1, found["funnel"]["asked"])
    names = {"asked": "Asked", "offered": "Were shown something", "cart": "Put it in the cart", "paid": "Have it"}
    promised = found["promises"]
    decided = promised["kept"] + promised["broken"]
    most = max(found["reasons"].values(), default=1)
    return {
        "revenue": _money(found["revenue"]),
        "fees": _money(found["fees"]),
        "due": _money(found["payouts_due"]),
        "bookings": found["bookings"],
        "conversations": found["conversations"],
        "containment": "" if found["containment"] is None else f"{found['containment']:.0%}",
        "first": found["first_response_s"]
        and {**found["first_response_s"], "text": _time(found["first_response_s"]["p50"]), "late": _time(found["first_response_s"]["p90"])},
        "resolved": found["resolution_s"] and {"text": _time(found["resolution_s"]["p50"]), "late": _time(found["resolution_s"]["p90"])},
        "handoffs": found["handoffs"],
        "abandoned": found["abandoned"],
        "kept": f"{promised['kept'] / decided:.0%}" if decided else "",
        "promised": promised,
        "funnel": [
            {
                "name": names[step],
                "n": n,
                "share": f"{n / asked:.0%}" if found["funnel"]["asked"] else "",
                "width": round(100 * n / asked, 1),
            }
            for step, n in found["funnel"].items()
        ],
        "reasons": [{"name": REASONS.get(name, name), "n": n, "width": round(100 * n / most, 1)} for name, n in found["reasons"].items()],
        "plots": [
            _plot("Conversations", [row["conversations"] for row in found["by_day"]], found["days"]),
            _plot("Bookings", [row["bookings"] for row in found["by_day"]], found["days"]),
            _plot("Asked for a person", [row["handoffs"] for row in found["by_day"]], found["days"]),
        ],
    }


def _plot(name: str, values: Sequence[int], days: Sequence[str]) -> dict[str, Any]:
    top = max(max(values, default=0), 1)
    step = 100 / max(1, len(values))
    bars = [
        {
            "x": round(at * step + step * 0.12, 2),
            "w": round(step * 0.76, 2),
            "h": round(100 * value / top, 2),
            "y": round(100 - 100 * value / top, 2),
            "said": f"{words.day(day)}: {value}",
        }
        for at, (value, day) in enumerate(zip(values, days, strict=True))
    ]
    return {
        "name": name,
        "total": sum(values),
        "top": top,
        "bars": bars,
        "from": f"{date.fromisoformat(days[0]):%d %b}",
        "to": f"{date.fromisoformat(days[-1]):%d %b}",
    }


def _dispute(one: dict[str, Any]) -> dict[str, Any]:
    over = one["status"] in payouts.CLOSED_DISPUTES
    tone = {"won": "ok", "lost": "bad"}.get(one["status"], "info" if over or one["submitted_at"] else "warn")
    return {
        **one,
        "tone": tone,
        "state": one["status"].replace("_", " "),
        "amount": Money(one["amount"], one["currency"]).text(),
        "due": words.moment(one["due_by"]) if one["due_by"] else "",
        "can": not over and one["submitted_at"] is None,
    }


def _mail(row: Any, house: House) -> dict[str, Any]:
    content = dict(row.content)
    links = content.pop("links", None)  # they open what is the traveler's own; where mail is only caught, this page is the mailbox
    if links and house.settings.sandbox_payments:
        paths = {"trips": links["trips"], **links["vouchers"]}
        content["links"] = {name: f"{house.settings.base_url}{path}" for name, path in paths.items()}
    subject = str(content.pop("subject", "")) or row.notice.replace("_", " ").capitalize()
    body = content.pop("text", None) or content.pop("body", None)
    return {
        "to": row.address,
        "channel": row.channel,
        "subject": subject,
        "state": row.state,
        "tone": STATES.get(row.state, "info"),
        "at": row.created_at.strftime("%d %b %Y, %H:%M UTC"),
        "error": row.error,
        "content": str(body) if body else json.dumps(content, indent=2, ensure_ascii=False),
    }
