"""The operator's view: is the house well, and what did it send."""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from channels.house import House
from channels.web import session
from channels.web.session import Seat
from channels.web.views import page
from core import reports

STATES = {"sent": "ok", "caught": "info", "queued": "warn", "sending": "warn", "uncertain": "bad", "failed": "bad", "dropped": "bad"}


def router(house: House) -> APIRouter:
    api = APIRouter(prefix="/ops")
    Operator = Annotated[Seat, Depends(session.need(house, "operator"))]

    @api.get("")
    def overview(request: Request, seat: Operator) -> Response:
        return page(
            request,
            "ops.html",
            seat=seat,
            health=reports.health(house.engine),
            dead=reports.dead_jobs(house.engine),
            mails=[_mail(row, house) for row in reports.messages_out(house.engine)],
        )

    return api


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
