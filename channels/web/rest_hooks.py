"""Webhooks out, for programs: subscribe, look at what was sent, send it again (docs/webhooks.md)."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from channels.house import House
from channels.web.limits import Limits
from channels.web.rest import PAGE, Caller, Strict, Tagged, caller_of, operations_of
from core import hooks
from core.engine import Actor


class NewHook(Strict):
    """`events` empty means all. With `provider` it tells of that provider's affairs, else of the caller's own bookings."""

    url: str = Field(max_length=hooks.LONGEST, examples=["https://example.com/hooks/traveloure"])
    events: list[Annotated[str, Field(max_length=40)]] = Field(default=[], max_length=20)
    provider: str | None = Field(None, max_length=64)


def router(house: House, limits: Limits) -> APIRouter:
    api = APIRouter(prefix="/api", route_class=Tagged)
    engine = house.engine
    operation = operations_of(api)
    Signed = Annotated[Caller, Depends(caller_of(house, limits))]

    def acting(who: Caller, provider_id: str | None) -> Actor:
        return who.provider_actor(provider_id) if provider_id else who.actor()

    @operation("POST", "/hooks/", "add_hook")
    def add_hook(body: NewHook, who: Signed) -> dict[str, Any]:
        """Subscribe. The `secret` in the answer signs every message and is shown only here."""
        return hooks.add(engine, acting(who, body.provider), body.url, body.events, provider_id=body.provider or "")

    @operation("GET", "/hooks/", "list_hooks")
    def list_hooks(who: Signed) -> dict[str, Any]:
        """Your webhooks, and why one was switched off."""
        with engine.db.read() as tx:
            return {"hooks": hooks.listed(tx, who.actor())}

    @operation("DELETE", "/hooks/{hook_id}/", "remove_hook")
    def remove_hook(hook_id: str, who: Signed) -> dict[str, Any]:
        """Nothing more is sent there, and its log is gone."""
        hooks.remove(engine, who.actor(), hook_id)
        return {"hook_id": hook_id, "removed": True}

    @operation("POST", "/hooks/{hook_id}/enable/", "enable_hook")
    def enable_hook(hook_id: str, who: Signed) -> dict[str, Any]:
        """Switch on again what was switched off."""
        return hooks.enable(engine, who.actor(), hook_id)

    @operation("GET", "/hooks/{hook_id}/deliveries/", "list_deliveries")
    def list_deliveries(
        hook_id: str, who: Signed, cursor: Annotated[str, Query(max_length=64)] = "", limit: Annotated[int, Query(ge=1, le=PAGE)] = 20
    ) -> dict[str, Any]:
        """What was sent and what came of it, the newest first; `next` is the cursor of the following page."""
        rows = hooks.deliveries(engine, who.actor(), hook_id, after=cursor, limit=limit)
        return {"deliveries": rows, "next": rows[-1]["delivery_id"] if len(rows) == limit else None}

    @operation("POST", "/hooks/{hook_id}/deliveries/{delivery_id}/replay/", "replay_delivery")
    def replay_delivery(hook_id: str, delivery_id: str, who: Signed) -> dict[str, Any]:
        """Send a message again, under the same `webhook-id`."""
        return hooks.replay(engine, who.actor(), hook_id, delivery_id)

    return api
