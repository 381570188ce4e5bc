"""The webhook for scale: the secret is compared, the update committed, 200 said. Nothing else happens in the request."""

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable
from typing import Annotated

import structlog
from fastapi import APIRouter, Header, Request
from starlette.responses import JSONResponse, Response

from channels.house import House
from channels.telegram.deliver import TelegramDoor, TelegramDown
from channels.telegram.poll import take

log = structlog.get_logger()

LARGEST = 1_000_000
AGAIN = 15.0  # seconds until Telegram is told once more where we are
PATH = "/webhooks/telegram"


def router(house: House, door: TelegramDoor, secret: str) -> APIRouter:
    api = APIRouter()

    @api.post(PATH)
    async def telegram(request: Request, x_telegram_bot_api_secret_token: Annotated[str, Header()] = "") -> Response:
        """403 without the secret: the path alone is no secret."""
        if not hmac.compare_digest(x_telegram_bot_api_secret_token.encode(), secret.encode()):
            return Response(status_code=403)
        body = await request.body()
        if len(body) > LARGEST:
            return Response(status_code=413)
        try:
            update = door.read(json.loads(body))
        except (ValueError, KeyError, TypeError):
            return JSONResponse({"error": "not an update"}, status_code=400)
        await take(house.engine, door, [update])
        return Response(status_code=200)

    return api


def announce(door: TelegramDoor, url: str, secret: str) -> Callable[[], Awaitable[None]]:
    """Tell Telegram where to deliver, until it has heard."""

    async def run() -> None:
        while True:
            try:
                await door.set_webhook(url, secret)
                await door.introduce()
                log.info("telegram_webhook", bot=await door.username())
                return
            except TelegramDown as error:
                log.warning("telegram_down", cause=str(error))
                await asyncio.sleep(AGAIN)

    return run
