"""Which verbs a role holds, READ or WRITE, and the one way a verb is called: arguments checked, errors said in words."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from core.db import fingerprint
from core.errors import CoreError, Fenced
from tools import (
    affiliates,
    availability,
    cancellations,
    cart,
    changes,
    handoff,
    memory,
    payments,
    planning,
    pricing,
    requests,
    search,
    trips,
)
from tools.outcome import Desk, Outcome

Access = Literal["READ", "WRITE"]


@dataclass(frozen=True)
class Tool:
    """One verb: a function whose first argument is the desk and whose docstring is what the model reads.

    `again` says that the same call twice leaves things as one call does, `takes_away` that something of the traveler's can be
    lost by it, `for_chat` that it only shows controls in a chat.
    """

    run: Callable[..., Outcome]
    access: Access
    again: bool = False
    takes_away: bool = False
    for_chat: bool = False

    @property
    def name(self) -> str:
        return self.run.__name__

    @cached_property
    def description(self) -> str:
        return inspect.cleandoc(self.run.__doc__ or "")

    @cached_property
    def arguments(self) -> type[BaseModel]:
        """The arguments a model may fill in: everything but the desk."""
        given = list(inspect.signature(self.run, eval_str=True).parameters.values())[1:]
        fields: dict[str, Any] = {one.name: (one.annotation, ... if one.default is one.empty else one.default) for one in given}
        return create_model(f"{self.name}_arguments", __config__=ConfigDict(extra="ignore"), **fields)

    @cached_property
    def schema(self) -> dict[str, Any]:
        """The arguments as JSON schema, without the titles and defaults that only cost tokens."""
        return {"type": "object", "properties": {}, **_plain(self.arguments.model_json_schema())}


def _plain(schema: Any) -> Any:
    """Drop titles and null defaults, and write "X or null" as X: leaving an argument out says the same."""
    if isinstance(schema, list):
        return [_plain(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "anyOf" in schema and {"type": "null"} in schema["anyOf"]:
        rest = [one for one in schema["anyOf"] if one != {"type": "null"}]
        if len(rest) == 1:
            return _plain({**{key: value for key, value in schema.items() if key != "anyOf"}, **rest[0]})
    return {
        key: {name: _plain(inner) for name, inner in value.items()} if key == "properties" else _plain(value)
        for key, value in schema.items()
        if key != "title" and not (key == "default" and value in (None, ""))
    }


TRAVELER: tuple[Tool, ...] = (
    Tool(search.search_offers, "READ"),
    Tool(search.get_details, "READ"),
    Tool(search.list_destinations, "READ"),
    Tool(availability.check_availability, "READ"),
    Tool(pricing.explain_price, "READ"),
    Tool(cart.show_cart, "READ"),
    Tool(cart.add_to_cart, "WRITE"),
    Tool(cart.change_cart_line, "WRITE", again=True, takes_away=True),
    Tool(cart.remove_from_cart, "WRITE", again=True, takes_away=True),
    Tool(cart.use_promo_code, "WRITE", again=True),
    Tool(planning.plan_trip, "READ"),
    Tool(planning.take_plan, "WRITE"),
    Tool(planning.compare_offers, "READ"),
    Tool(planning.find_alternatives, "READ"),
    Tool(payments.propose_checkout, "WRITE", again=True),
    Tool(payments.check_payment, "READ"),
    Tool(payments.pay_balance, "WRITE", again=True),
    Tool(trips.show_trips, "READ"),
    Tool(trips.name_travelers, "WRITE", again=True),
    Tool(changes.propose_change, "WRITE", again=True),
    Tool(cancellations.propose_cancellation, "WRITE", again=True),
    Tool(trips.note_trip, "WRITE", again=True),
    Tool(memory.show_memory, "READ"),
    Tool(memory.forget_facts, "WRITE", again=True, takes_away=True),
    Tool(memory.set_language, "WRITE", again=True),
    Tool(memory.set_currency, "WRITE", again=True),
    Tool(trips.ask_traveler, "WRITE", again=True, for_chat=True),
    Tool(trips.suggest_replies, "READ", for_chat=True),
    Tool(affiliates.find_partner_links, "WRITE", again=True),
    Tool(handoff.ask_for_person, "WRITE", again=True),
)
PROVIDER: tuple[Tool, ...] = (Tool(requests.pending_requests, "READ"), Tool(requests.answer_request, "WRITE"))
ROLES: Mapping[str, Sequence[Tool]] = {"traveler": TRAVELER, "provider": PROVIDER}


def tools_for(role: str) -> Sequence[Tool]:
    """The verbs of a role; one that is not listed holds none."""
    return ROLES.get(role, ())


def call(tool: Tool, desk: Desk, arguments: Mapping[str, Any]) -> Outcome:
    """Run a verb with a model's arguments. What the rules refuse comes back as {"ok": false, ...} for the model to mend.

    A WRITE is keyed by turn, verb and arguments, so a turn that is driven again does nothing twice. Raises Fenced, which
    ends the turn, and lets what is not a CoreError through.
    """
    try:
        checked = tool.arguments.model_validate(dict(arguments))
    except ValidationError as error:
        return _failed("invalid", "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:4]))
    given = {name: getattr(checked, name) for name in type(checked).model_fields}
    actor = desk.actor
    if tool.access == "WRITE" and actor.turn_id:
        actor = replace(actor, key=f"{actor.turn_id}:{tool.name}:{fingerprint(checked.model_dump(mode='json'))[:24]}")
    try:
        done = tool.run(replace(desk, actor=actor), **given)
    except Fenced:
        raise
    except CoreError as error:
        return _failed(error.code, error.message, **_small(error.facts))
    return Outcome({"ok": True, **done.data}, done.parts)


def _failed(code: str, message: str, **facts: Any) -> Outcome:
    return Outcome({"ok": False, "error": code, "message": message, **facts})


def _small(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Only what a model can use: short plain values."""
    kept = {key: value for key, value in facts.items() if isinstance(value, str | int | float | bool | list)}
    return {key: value for key, value in kept.items() if len(json.dumps(value, default=str)) < 900}
