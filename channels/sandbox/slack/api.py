"""The Web API's methods over the world: what Slack checks is checked, and unknown methods are refused rather than polite."""

from __future__ import annotations

import copy
import json
import secrets
from collections.abc import Callable, Mapping
from typing import Any

from channels.sandbox.slack.blocks import MOST_MESSAGE, BadBlocks, check_blocks, check_view
from channels.sandbox.slack.world import TRIGGER_LIFE, Channel, Json, Member, Refusal, World

NESTED = ("blocks", "view", "attachments", "metadata", "prompts", "users")
MOST_TEXT = 40_000
NO_TOKEN_NEEDED = ("api.test",)


def plain(given: Mapping[str, Any]) -> Json:
    """Parameters as values: nested ones come as JSON strings in forms; text is never decoded."""
    made: Json = {}
    for name, value in given.items():
        if name in NESTED and isinstance(value, str) and value[:1] in ("[", "{"):
            try:
                value = json.loads(value)
            except ValueError:
                raise Refusal("invalid_arguments") from None
        made[name] = value
    return made


class Api:
    """`call` one method; raises Refusal. `socket_url` is where a socket may be opened; `base` the address of files."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.base = ""
        self.methods: dict[str, Callable[[Json], Json]] = {
            "auth.test": self._auth,
            "apps.connections.open": self._connect,
            "chat.postMessage": self._post,
            "chat.update": self._update,
            "chat.delete": self._delete,
            "chat.postEphemeral": self._ephemeral,
            "conversations.open": self._open,
            "conversations.info": lambda given: {"channel": self._shown(self._channel(given))},
            "conversations.members": lambda given: {"members": sorted(self._channel(given).members)},
            "conversations.leave": self._leave,
            "users.info": self._user,
            "views.open": self._view,
            "views.update": self._view_update,
            "views.publish": self._publish,
            "assistant.threads.setStatus": self._status,
            "assistant.threads.setSuggestedPrompts": self._prompts,
            "files.info": self._file,
        }

    def call(self, method: str, token: str, given: Json) -> Json:
        world = self.world
        do = self.methods.get(method)
        if do is None:
            raise Refusal("unknown_method")
        if not token:
            raise Refusal("not_authed")
        if method == "apps.connections.open":
            if token != world.app_token or not token.startswith("xapp-"):
                raise Refusal("invalid_auth" if token != world.bot_token else "not_allowed_token_type")
        elif token != world.bot_token:
            raise Refusal("invalid_auth")
        with world.lock:
            return do(plain(given))

    def _auth(self, _given: Json) -> Json:
        world = self.world
        who = {"user": world.bot.name, "user_id": world.bot.id, "bot_id": world.bot_id}
        return {"url": "https://test.slack.com/", "team": world.team_name, "team_id": world.team_id, **who}

    def _connect(self, _given: Json) -> Json:
        return {"url": f"{self.base.replace('http', 'ws', 1)}/socket?ticket={secrets.token_urlsafe(12)}"}

    # places and people

    def _channel(self, given: Json, *, member: bool = True) -> Channel:
        found = self.world.channels.get(str(given.get("channel") or given.get("channel_id") or ""))
        if found is None:
            raise Refusal("channel_not_found")
        if member and self.world.bot.id not in found.members:
            raise Refusal("not_in_channel")
        return found

    def _member(self, user_id: Any) -> Member:
        found = self.world.people.get(str(user_id or ""))
        if found is None or found.team != self.world.team_id:
            raise Refusal("user_not_found")
        return found

    def _shown(self, channel: Channel) -> Json:
        return {"id": channel.id, "name": channel.name, "is_im": channel.kind == "im", "is_member": self.world.bot.id in channel.members}

    def _open(self, given: Json) -> Json:
        users = str(given.get("users") or "")
        who = self._member(users)
        if who.id == self.world.bot.id:
            raise Refusal("cannot_dm_bot")
        return {"channel": {"id": self.world.dm(who).id}}

    def _leave(self, given: Json) -> Json:
        channel = self._channel(given)
        if channel.kind == "im":
            raise Refusal("method_not_supported_for_channel_type")
        channel.members.discard(self.world.bot.id)
        return {}

    def _user(self, given: Json) -> Json:
        who = self._member(given.get("user"))
        mail = f"{who.name.lower().replace(' ', '.')}@example.com"
        profile = {"display_name": who.name, "real_name": who.name, "email": mail}
        user = {"id": who.id, "team_id": who.team, "name": who.name.lower(), "is_bot": who.id == self.world.bot.id, "tz": "Europe/Lisbon"}
        return {"user": {**user, "real_name": who.name, "profile": profile}}

    # messages

    def _body(self, given: Json) -> Json:
        body = {name: copy.deepcopy(given[name]) for name in ("text", "blocks") if given.get(name)}
        if not body:
            raise Refusal("no_text")
        if "blocks" in body:
            self._check(lambda: check_blocks(body["blocks"], MOST_MESSAGE), "invalid_blocks")
        body["text"] = str(body.get("text") or "")[:MOST_TEXT]
        return body

    def _check(self, look: Callable[[], None], error: str) -> None:
        try:
            look()
        except BadBlocks as bad:
            raise Refusal(error, bad.messages) from None

    def _post(self, given: Json) -> Json:
        channel = str(given.get("channel") or "")
        here = self.world.dm(self._member(channel)) if channel.startswith("U") else self._channel(given)
        message = self.world.by_bot(here, self._body(given), str(given.get("thread_ts") or ""))
        return {"channel": here.id, "ts": message["ts"], "message": copy.deepcopy(message)}

    def _mine(self, given: Json, error: str) -> tuple[Channel, Json]:
        here = self._channel(given)
        message = here.messages.get(str(given.get("ts") or ""))
        if message is None:
            raise Refusal("message_not_found")
        if message["user"] != self.world.bot.id:
            raise Refusal(error)
        return here, message

    def _update(self, given: Json) -> Json:
        here, message = self._mine(given, "cant_update_message")
        body = self._body(given)
        message.pop("blocks", None)
        message |= {**body, "edited": {"user": self.world.bot.id, "ts": self.world.ts()}}
        return {"channel": here.id, "ts": message["ts"], "text": message["text"], "message": copy.deepcopy(message)}

    def _delete(self, given: Json) -> Json:
        here, message = self._mine(given, "cant_delete_message")
        del here.messages[message["ts"]]
        return {"channel": here.id, "ts": message["ts"]}

    def _ephemeral(self, given: Json) -> Json:
        here, who = self._channel(given), self._member(given.get("user"))
        if who.id not in here.members:
            raise Refusal("user_not_in_channel")
        ts = self.world.ts()
        who.ephemerals.append({"channel": here.id, "ts": ts, "thread_ts": given.get("thread_ts"), **self._body(given)})
        return {"message_ts": ts}

    # views

    def _view(self, given: Json) -> Json:
        opened = self.world.triggers.pop(str(given.get("trigger_id") or ""), None)
        if opened is None:
            raise Refusal("invalid_trigger_id")
        if self.world.clock() - opened > TRIGGER_LIFE:
            raise Refusal("expired_trigger_id")
        self._check(lambda: check_view(given.get("view")), "invalid_arguments")
        presser = self._presser(str(given["trigger_id"]))
        made = self._new(given["view"])
        presser.modals.append(made)
        return {"view": copy.deepcopy(made)}

    def _presser(self, trigger: str) -> Member:
        for one in reversed(list(self.world._history.values())):
            if one.payload.get("trigger_id") == trigger:
                return self.world.people[str(one.payload.get("user_id") or one.payload["user"]["id"])]
        raise Refusal("invalid_trigger_id")

    def _new(self, view: Mapping[str, Any]) -> Json:
        made = {**copy.deepcopy(dict(view)), "id": self.world._id("V"), "hash": f"{self.world.ts()}{secrets.token_hex(2)}"}
        made |= {"team_id": self.world.team_id, "app_id": self.world.app_id, "bot_id": self.world.bot_id}
        self.world.views[made["id"]] = made
        return made

    def _view_update(self, given: Json) -> Json:
        view = self.world.views.get(str(given.get("view_id") or ""))
        if view is None:
            raise Refusal("not_found")
        if given.get("hash") and given["hash"] != view["hash"]:
            raise Refusal("hash_conflict")
        self._check(lambda: check_view(given.get("view")), "invalid_arguments")
        view |= {**copy.deepcopy(given["view"]), "hash": f"{self.world.ts()}{secrets.token_hex(2)}"}
        return {"view": copy.deepcopy(view)}

    def _publish(self, given: Json) -> Json:
        who = self._member(given.get("user_id"))
        self._check(lambda: check_view(given.get("view")), "invalid_arguments")
        who.home = self._new(given["view"])
        return {"view": copy.deepcopy(who.home)}

    # the assistant's container

    def _thread(self, given: Json) -> Channel:
        here = self._channel(given)
        if here.kind != "im" or str(given.get("thread_ts") or "") not in here.messages:
            raise Refusal("invalid_thread_ts")
        return here

    def _status(self, given: Json) -> Json:
        self._thread(given)
        self.world.statuses.append(dict(given))
        return {}

    def _prompts(self, given: Json) -> Json:
        self._thread(given)
        prompts = given.get("prompts")
        if (
            not isinstance(prompts, list)
            or not 1 <= len(prompts) <= 4
            or not all(one.get("title") and one.get("message") for one in prompts)
        ):
            raise Refusal("invalid_arguments")
        self.world.prompts.append(dict(given))
        return {}

    def _file(self, given: Json) -> Json:
        found = self.world.files.get(str(given.get("file") or ""))
        if found is None:
            raise Refusal("file_not_found")
        return {"file": {**found[0], "url_private_download": f"{self.base}/files/{found[0]['id']}"}}
