"""A workspace in the browser: a page that plays its people, so that anybody can try the app without Slack."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from channels.sandbox.played import Played
from channels.sandbox.slack.world import Channel, Delivery, Json, Member, World

HERE = Path(__file__).parent
LARGEST = 200_000
ANSWER = 3.0  # seconds in which Slack wants an app to answer


class Office(Played):
    """`prefix` is the path it is mounted at."""

    def __init__(self, world: World, *, prefix: str, stopping: Callable[[], bool]) -> None:
        super().__init__(HERE, "office", prefix=prefix, stopping=stopping, app=lambda: world.bot.name)
        self.world = world

    def routes(self) -> list[Route]:
        return [
            *super().routes(),
            Route("/office/places", self._places),
            Route("/office/place/{place}", self._place),
            Route("/office/{act}", self._act, methods=["POST"]),
        ]

    async def _places(self, request: Request) -> Response:
        if not self.allowed(request):
            return Response(status_code=403)
        with self.world.lock:
            people = [one for one in self.world.people.values() if one.id != self.world.bot.id]
            shown = [{"id": one.id, "name": one.name, "dm": self.world.dm(one).id} for one in people]
            channels = [
                {"id": one.id, "name": one.name, "members": sorted(one.members)}
                for one in self.world.channels.values()
                if one.kind == "channel"
            ]
        return JSONResponse({"people": shown, "channels": channels})

    async def _place(self, request: Request) -> Response:
        """What somebody sees of a channel once it differs from what the page has (`have`); waits for that."""
        if not self.allowed(request):
            return Response(status_code=403)
        here = self.world.channels.get(request.path_params["place"])
        who = self.world.people.get(request.query_params.get("who", ""))
        if here is None or who is None or who.id not in here.members:
            return Response(status_code=404)
        return await self.news(request, lambda: self._shown(here, who))

    def _shown(self, here: Channel, who: Member) -> Json:
        with self.world.lock:
            messages = [copy.deepcopy(one) for one in list(here.messages.values())[-200:]]
            names = {one.id: one.name for one in self.world.people.values()}
            status = next((one.get("status", "") for one in reversed(self.world.statuses) if one.get("channel_id") == here.id), "")
            prompts = next((one for one in reversed(self.world.prompts) if one.get("channel_id") == here.id), {})
            modal = copy.deepcopy(who.modals[-1]) if who.modals else None
            home = copy.deepcopy(who.home)
            told = [one["text"] for one in who.ephemerals[-5:] if one.get("channel", here.id) == here.id]
        return {
            "messages": messages,
            "names": names,
            "bot": self.world.bot.id,
            "status": status,
            "prompts": prompts,
            "modal": modal,
            "home": home,
            "told": told,
        }

    async def _act(self, request: Request) -> Response:
        if not self.allowed(request):
            return Response(status_code=403)
        body = await request.body()
        if len(body) > LARGEST:
            return Response(status_code=413)
        acts: dict[str, Callable[[Json], Any]] = {
            "person": self._person,
            "channel": self._channel,
            "say": self._say,
            "command": lambda given: self.world.command(self._who(given), str(given["text"])[:3000], channel=self._where(given)),
            "click": self._click,
            "submit": lambda given: self.world.submit(
                self._who(given), {str(name): str(value) for name, value in dict(given["values"]).items()}
            ),
            "dismiss": self._dismiss,
            "edit": lambda given: self.world.edit(
                self._who(given), str(given["ts"]), str(given["text"])[:4000], channel=self._where(given)
            ),
            "home": lambda given: self.world.open_home(self._who(given)),
            "assistant": lambda given: self.world.open_assistant(self._who(given)),
        }
        act = acts.get(request.path_params["act"])
        if act is None:
            return Response(status_code=404)
        try:
            result = act(json.loads(body))
        except (ValueError, KeyError, TypeError, IndexError) as error:
            return JSONResponse({"error": str(error) or "That did not work."}, status_code=400)
        if isinstance(result, Delivery):
            return JSONResponse({"result": await self._acknowledged(result)})
        return JSONResponse({"result": result})

    async def _acknowledged(self, one: Delivery) -> Json:
        """What the app answered at once; where it did not, what a person would see in Slack."""
        waited = 0.0
        while not one.done.is_set() and waited < ANSWER + 1:
            await asyncio.sleep(0.05)
            waited += 0.05
        if not one.done.is_set() or not 200 <= one.status < 300:
            return {"text": "The app did not answer in time. Please try again."}
        return {"text": str((one.answer or {}).get("text") or ""), "errors": (one.answer or {}).get("errors") or {}}

    def _who(self, given: Json) -> Member:
        return self.world.people[str(given["who"])]

    def _where(self, given: Json) -> Channel | None:
        return self.world.channels[str(given["place"])] if given.get("place") else None

    def _person(self, given: Json) -> str:
        name = " ".join(str(given.get("name", "")).split())[:40] or "Somebody"
        with self.world.lock:
            known = next((one for one in self.world.people.values() if one.name == name), None)
            made = known or self.world.person(name)
            self.world.dm(made)
            return made.id

    def _channel(self, given: Json) -> str:
        name = "-".join("".join(c if c.isalnum() else " " for c in str(given.get("name", "")).lower()).split())[:60] or "trip"
        members = [self.world.people[str(one)] for one in given["members"]]
        return self.world.channel(name, *members).id

    def _say(self, given: Json) -> str:
        return self.world.post(
            self._who(given), str(given["text"])[:4000], channel=self._where(given), thread=str(given.get("thread") or "")
        )

    def _click(self, given: Json) -> Delivery:
        """By block and element of the message as the page shows it."""
        who, here = self._who(given), self._where(given)
        with self.world.lock:
            message = (here or self.world.dm(who)).messages[str(given["ts"])]
            one = message["blocks"][int(given["block"])]["elements"][int(given["element"])]
            alone = {**copy.deepcopy(message), "blocks": [{"type": "actions", "elements": [copy.deepcopy(one)]}]}
            return self.world.click(who, alone, one["text"]["text"], channel=here)

    def _dismiss(self, given: Json) -> str:
        with self.world.lock:
            who = self._who(given)
            if given.get("what") == "home":
                who.home = None
            elif who.modals:
                who.modals.pop()
        return ""
