"""One act of the sandbox: a transaction with a moment of its own, in which objects are kept and events are announced."""

from __future__ import annotations

import copy
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import stripe

from channels.sandbox.payments.errors import No, missing
from channels.sandbox.payments.shapes import checked, skeleton
from channels.sandbox.payments.store import Store

WORDS = {
    "checkout.session": "checkout.session",
    "payment_intent": "payment_intent",
    "charge": "charge",
    "refund": "refund",
    "event": "event",
    "transfer": "transfer",
    "dispute": "dispute",
    "v2.core.account": "account",
}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where events go. `events` are their names, or "*" for all."""

    url: str
    events: tuple[str, ...] = ("*",)

    def wants(self, kind: str) -> bool:
        return "*" in self.events or kind in self.events


@dataclass(slots=True)
class Act:
    """`now` is Unix seconds; `base` the public address of the sandbox, without a slash at its end."""

    store: Store
    now: float
    base: str
    endpoints: Sequence[Endpoint]
    request_id: str = ""
    key: str | None = None
    announced: list[str] = field(default_factory=list)

    @property
    def second(self) -> int:
        return int(self.now)

    def new(self, kind: str, prefix: str, **values: Any) -> dict[str, Any]:
        """A fresh object of this kind with the given fields, not stored yet."""
        made = skeleton(kind)
        made.update(id=f"{prefix}{secrets.token_hex(16)}", **values)
        for name, value in (("created", self.second), ("livemode", False)):
            if name in made:
                made[name] = value
        return made

    def get(self, kind: str, object_id: str, param: str = "id") -> dict[str, Any]:
        """Raises No (404) for an unknown id or one of another kind."""
        found = self.store.get(object_id)
        if found is None or found["object"] != kind:
            raise missing(WORDS[kind], object_id, param)
        return found

    def keep(self, body: dict[str, Any], aside: Mapping[str, Any] | None = None) -> dict[str, Any]:
        self.store.put(checked(body), aside)
        return body

    def announce_thin(self, kind: str, subject: Mapping[str, Any]) -> None:
        """An event of the second API: it names its subject and carries nothing of it."""
        at = datetime.fromtimestamp(self.now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        event: dict[str, Any] = {
            "id": f"evt_{secrets.token_hex(16)}",
            "object": "v2.core.event",
            "type": kind,
            "created": at,
            "livemode": False,
            "context": None,
            "related_object": {"id": subject["id"], "type": subject["object"], "url": f"/v2/core/accounts/{subject['id']}"},
            "reason": None,
        }
        self.store.put(event)
        for endpoint in self.endpoints:
            if endpoint.wants(kind):
                self.store.enqueue(event["id"], endpoint.url, self.now)
        self.announced.append(str(event["id"]))

    def announce_again(self, event_id: str) -> None:
        """Deliver an event once more, as a person may ask for. Raises No for an unknown one."""
        event = self.store.get(event_id)
        if event is None or event["object"] not in ("event", "v2.core.event"):
            raise No("There is no such event.", status=404)
        for endpoint in self.endpoints:
            if endpoint.wants(event["type"]):
                self.store.enqueue(event_id, endpoint.url, self.now)
        self.announced.append(event_id)

    def announce(self, kind: str, subject: Mapping[str, Any]) -> None:
        """An event with a copy of its subject, kept together with its deliveries."""
        wanted = [endpoint for endpoint in self.endpoints if endpoint.wants(kind)]
        event = self.new(
            "event",
            "evt_",
            type=kind,
            api_version=stripe.api_version,
            data={"object": copy.deepcopy(dict(subject))},
            pending_webhooks=len(wanted),
            request={"id": self.request_id or None, "idempotency_key": self.key},
        )
        self.keep(event)
        for endpoint in wanted:
            self.store.enqueue(event["id"], endpoint.url, self.now)
        self.announced.append(event["id"])
