"""Signed hints from the payment gateway: kept and answered at once, acted on by a job that fetches what is true."""

from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Header, Request
from starlette.responses import JSONResponse

from channels.house import House
from channels.web.errors import body_of
from core.errors import Refused
from core.payments import inbox


def router(house: House) -> APIRouter:
    api = APIRouter()

    @api.post("/webhooks/stripe")
    async def stripe(request: Request, stripe_signature: Annotated[str, Header()] = "") -> JSONResponse:
        """The raw bytes are what was signed, so they are read before anything parses them. 400 for a forged signature."""
        body = await request.body()
        try:
            event_id = await to_thread.run_sync(inbox.receive, house.engine, body, stripe_signature)
        except Refused as error:
            return JSONResponse(body_of("bad_signature", error.message), status_code=400)
        return JSONResponse({"received": event_id})

    return api
