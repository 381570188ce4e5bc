"""A phone in the browser: a page that plays the people, so that anybody can try the bot without Telegram."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from channels.sandbox.played import Played
from channels.sandbox.telegram.world import Chat, Json, Person, World

HERE = Path(__file__).parent
LARGEST = 6 * 1024 * 1024


class Phone(Played):
    """`prefix` is the path it is mounted at."""

    def __init__(self, world: World, *, prefix: str, stopping: Callable[[], bool]) -> None:
        super().__init__(HERE, "phone", prefix=prefix, stopping=stopping, app=lambda: world.username)
        self.world = world

    def routes(self) -> list[Route]:
        return [
            *super().routes(),
            Route("/phone/chats", self._chats),
            Route("/phone/chat/{chat}", self._chat),
            Route("/phone/photo/{file}", self._photo),
            Route("/phone/{act}", self._act, methods=["POST"]),
        ]

    async def _chats(self, request: Request) -> Response:
        if not self.allowed(request):
            return Response(status_code=403)
        with self.world.lock:
            people = [
                {"id": one.id, "name": one.name, "started": one.started, "blocked": one.blocked} for one in self.world.people.values()
            ]
            groups = [
                {"id": one.id, "title": one.title, "members": sorted(one.members), "forum": one.forum, "in": one.bot_in}
                for one in self.world.chats.values()
                if one.kind != "private"
            ]
        return JSONResponse({"people": people, "groups": groups})

    async def _chat(self, request: Request) -> Response:
        if not self.allowed(request):
            return Response(status_code=403)
        try:
            chat = self.world.chats[int(request.path_params["chat"])]
        except (KeyError, ValueError):
            return Response(status_code=404)
        return await self.news(request, lambda: self._shown(chat))

    def _shown(self, chat: Chat) -> Json:
        with self.world.lock:
            messages = [self.world.picture(number, chat) for number, one in chat.messages.items() if not one.get("service")]
            draft = next((one["text"] for one in reversed(self.world.drafts[-20:]) if one["chat_id"] == chat.id), "")
            topics = [{"id": number, **topic} for number, topic in chat.topics.items()]
        last_is_ours = bool(messages) and messages[-1]["from"]["id"] != self.world.bot_id
        return {"messages": messages[-200:], "draft": draft if last_is_ours else "", "topics": topics, "bot": self.world.bot_id}

    async def _photo(self, request: Request) -> Response:
        found = self.world.files.get(request.path_params["file"])
        if found is None or not found[1]:
            return Response(status_code=404)
        headers = {"content-security-policy": "default-src 'none'; sandbox", "x-content-type-options": "nosniff"}
        return Response(found[1], media_type="image/jpeg", headers=headers)

    async def _act(self, request: Request) -> Response:
        if not self.allowed(request):
            return Response(status_code=403)
        body = await request.body()
        if len(body) > LARGEST:
            return Response(status_code=413)
        acts: dict[str, Callable[[Json], Any]] = {
            "person": self._person,
            "say": self._say,
            "start": lambda given: self.world.start(self._who(given), str(given.get("payload", ""))),
            "press": self._press,
            "edit": lambda given: self.world.edit(self._who(given), int(given["message"]), str(given["text"])[:4096]),
            "block": lambda given: self.world.block(self._who(given)),
            "group": self._group,
        }
        act = acts.get(request.path_params["act"])
        if act is None:
            return Response(status_code=404)
        try:
            result = act(json.loads(body))
            if isinstance(result, str) and request.path_params["act"] == "press":
                result = await self._answered(result)
        except (ValueError, KeyError, TypeError) as error:
            return JSONResponse({"error": str(error)}, status_code=400)
        return JSONResponse({"result": result})

    def _who(self, given: Json) -> Person:
        return self.world.people[int(given["who"])]

    def _where(self, given: Json) -> Chat | None:
        return self.world.chats[int(given["chat"])] if given.get("chat") else None

    def _person(self, given: Json) -> int:
        name = " ".join(str(given.get("name", "")).split())[:40] or "Somebody"
        known = next((one for one in self.world.people.values() if one.name == name), None)
        return (known or self.world.person(name)).id

    def _say(self, given: Json) -> int:
        text = str(given["text"])[:4096]
        thread = int(given["thread"]) if given.get("thread") else None
        reply = int(given["reply_to"]) if given.get("reply_to") else None
        return self.world.say(self._who(given), text, chat=self._where(given), reply_to=reply, thread=thread)

    def _press(self, given: Json) -> str:
        """By row and column of the picture that the page shows."""
        who, chat = self._who(given), self._where(given)
        here = chat or self.world.chats[who.id]
        picture = self.world.picture(int(given["message"]), here)
        row, column = int(given["row"]), int(given["column"])
        one = picture["reply_markup"]["inline_keyboard"][row][column]
        alone = {**picture, "reply_markup": {"inline_keyboard": [[one]]}}
        return self.world.press(who, int(given["message"]), one["text"], chat=chat, picture=alone)

    async def _answered(self, query_id: str) -> Json:
        for _ in range(100):
            answer = self.world.callbacks[query_id]["answer"]
            if answer is not None:
                return dict(answer)
            await asyncio.sleep(0.05)
        return {"text": "", "show_alert": False}

    def _group(self, given: Json) -> int:
        members = [self.world.people[int(one)] for one in given["members"]]
        title = str(given.get("title") or "Our trip")[:60]
        forum = bool(given.get("forum"))
        return self.world.group(title, *members, forum=forum, admin=forum, added_by=members[0] if members else None).id
