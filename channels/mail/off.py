"""The link in a reminder that turns reminders off. Following it shows a button; only a POST does it, as mail programs send one."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from channels.house import House
from channels.web.chat import address
from channels.web.limits import Limits
from channels.web.views import page
from channels.web.vouchers import PRIVATE
from core import preferences


def router(house: House, limits: Limits) -> APIRouter:
    api = APIRouter(prefix="/mail/off")
    engine = house.engine

    def show(request: Request, token: str, *, off: bool) -> Response:
        return page(request, "mail_off.html", headers=PRIVATE, token=token, off=off)

    def read(request: Request, token: str) -> tuple[str, str]:
        limits.check("calendars", address(request))
        with engine.db.read() as tx:
            return preferences.read_token(tx, token)

    @api.get("/{token}")
    def look(request: Request, token: str) -> Response:
        key, kind = read(request, token)
        with engine.db.read() as tx:
            return show(request, token, off=preferences.is_off(tx, key, kind))

    @api.post("/{token}")
    def turn_off(request: Request, token: str) -> Response:
        """RFC 8058: one POST without a cookie or a question. The token is all that is needed, so no proof is asked for."""
        key, kind = read(request, token)
        with engine.db.write() as tx:
            preferences.set_off(tx, key, kind, True, engine.clock())
        return show(request, token, off=True)

    @api.post("/{token}/on")
    def turn_on(request: Request, token: str) -> Response:
        key, kind = read(request, token)
        with engine.db.write() as tx:
            preferences.set_off(tx, key, kind, False, engine.clock())
        return show(request, token, off=False)

    return api
