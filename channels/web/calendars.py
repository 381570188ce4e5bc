"""The calendars that other sites read: one address each, which is the whole key; taken back, it opens nothing."""

import hashlib
from typing import Annotated

from fastapi import APIRouter, Header, Request
from starlette.responses import Response

from channels.house import House
from channels.web.limits import Limits
from core import calendars


def router(house: House, limits: Limits) -> APIRouter:
    api = APIRouter(prefix="/calendars")

    @api.api_route("/{token}.ics", methods=["GET", "HEAD"], include_in_schema=False)
    def read(request: Request, token: str, if_none_match: Annotated[str, Header()] = "") -> Response:
        limits.check("calendars", request.client.host if request.client else "")
        body = calendars.export(house.engine, token)
        etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        headers = {
            "etag": etag,
            "cache-control": "private, max-age=300",
            "x-robots-tag": "noindex",
            "content-disposition": 'inline; filename="calendar.ics"',
        }
        if etag in (one.strip().removeprefix("W/") for one in if_none_match.split(",")):
            return Response(status_code=304, headers=headers)
        return Response(body, media_type="text/calendar; charset=utf-8", headers=headers)

    return api
