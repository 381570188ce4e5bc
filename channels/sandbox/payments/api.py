"""The API side of the sandbox: key, route, gate, replay, act, expand; one request is one transaction.

To add a resource: name its class in shapes.py, write its rules in a file of its own and add its lines to ROUTES.
"""

from __future__ import annotations

import copy
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import stripe
from stripe.v2.core import AccountLinkService, AccountService

from channels.sandbox.payments import checkout, connect, gate, intents, refunds
from channels.sandbox.payments.acts import Act
from channels.sandbox.payments.errors import No, missing
from channels.sandbox.payments.form import decode
from channels.sandbox.payments.store import Replay

KEY_LIFE = 24 * 60 * 60
DEEPEST_EXPAND = 4
Handler = Callable[..., dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Question:
    """A request as it came in; header names in lower case, `path` without the sandbox's own prefix."""

    method: str
    path: str
    query: str = ""
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Route:
    """`service.call` is the library's method whose parameters the request must fit; `do(act, params, *ids)` answers."""

    method: str
    path: re.Pattern[str]
    service: type[Any]
    call: str
    do: Handler


# ── answers ───────────────────────────────────────────────────────────────────────────────────────


def _retrieve(kind: str) -> Handler:
    return lambda act, _params, object_id: act.get(kind, object_id)


def _list(kind: str, url: str, *filters: str) -> Handler:
    """A page of objects, the newest first, by the filters Stripe knows for this kind and the sandbox can act on."""

    def do(act: Act, params: Mapping[str, Any]) -> dict[str, Any]:
        where: dict[str, Any] = {}
        for name, value in params.items():
            if name in filters:
                where["type" if name == "types" else name] = value
            elif name not in ("created", "limit", "starting_after", "ending_before", "expand"):
                raise No(f"The local sandbox does not filter by '{name}'.", code="sandbox_not_built", param=name)
        limit = _limit(params)
        after, before = params.get("starting_after"), params.get("ending_before")
        for name, cursor in (("starting_after", after), ("ending_before", before)):
            if cursor is not None:
                act.get(kind, cursor, name)
        found = act.store.find(kind, where, _created(params.get("created")), after=after, before=before, limit=limit + 1)
        extra = len(found) > limit
        shown = (found[1:] if before is not None else found[:-1]) if extra else found
        return {"object": "list", "url": url, "has_more": extra, "data": shown}

    return do


def _limit(params: Mapping[str, Any]) -> int:
    limit = int(params.get("limit", 10))
    if not 1 <= limit <= 100:
        raise No("Invalid integer: limit is between 1 and 100", code="parameter_invalid_integer", param="limit")
    return limit


def _created(given: Any) -> dict[str, int]:
    if given is None:
        return {}
    if isinstance(given, str):
        return {"gte": int(given), "lte": int(given)}
    return {name: int(value) for name, value in given.items()}


def _session_lines(act: Act, params: Mapping[str, Any], session_id: str) -> dict[str, Any]:
    lines, limit = checkout.line_items(act, session_id), _limit(params)
    ids = [line["id"] for line in lines]
    for name in ("starting_after", "ending_before"):
        if name in params and params[name] not in ids:
            raise missing("item", params[name], name)
    start = ids.index(params["starting_after"]) + 1 if "starting_after" in params else 0
    end = ids.index(params["ending_before"]) if "ending_before" in params else len(lines)
    first = max(start, end - limit) if "ending_before" in params else start
    shown = lines[first : min(end, first + limit)]
    more = first > 0 if "ending_before" in params else first + limit < end
    return {"object": "list", "url": f"/v1/checkout/sessions/{session_id}/line_items", "has_more": more, "data": shown}


def _route(method: str, path: str, service: type[Any], call: str, do: Handler, version: str = "/v1") -> Route:
    return Route(method, re.compile(version + path.replace("{id}", "([A-Za-z0-9_]{1,255})")), service, call, do)


SESSIONS = stripe.checkout.SessionService
ACCOUNTS = AccountService
ACCOUNT_LINKS = AccountLinkService
ROUTES = (
    _route("POST", "/checkout/sessions", SESSIONS, "create", lambda act, params: checkout.create(act, params)),
    _route(
        "GET",
        "/checkout/sessions",
        SESSIONS,
        "list",
        _list("checkout.session", "/v1/checkout/sessions", "payment_intent", "status"),
    ),
    _route("GET", "/checkout/sessions/{id}", SESSIONS, "retrieve", _retrieve("checkout.session")),
    _route("POST", "/checkout/sessions/{id}/expire", SESSIONS, "expire", lambda act, _params, one: checkout.expire(act, one)),
    _route("GET", "/checkout/sessions/{id}/line_items", stripe.checkout.SessionLineItemService, "list", _session_lines),
    _route("POST", "/payment_intents/{id}/capture", stripe.PaymentIntentService, "capture", intents.capture),
    _route("POST", "/payment_intents/{id}/cancel", stripe.PaymentIntentService, "cancel", intents.cancel),
    _route("GET", "/payment_intents/{id}", stripe.PaymentIntentService, "retrieve", _retrieve("payment_intent")),
    _route("GET", "/charges", stripe.ChargeService, "list", _list("charge", "/v1/charges", "payment_intent")),
    _route("GET", "/charges/{id}", stripe.ChargeService, "retrieve", _retrieve("charge")),
    _route("POST", "/refunds", stripe.RefundService, "create", lambda act, params: refunds.create(act, params)),
    _route("GET", "/refunds", stripe.RefundService, "list", _list("refund", "/v1/refunds", "charge", "payment_intent")),
    _route("GET", "/refunds/{id}", stripe.RefundService, "retrieve", _retrieve("refund")),
    _route("POST", "/transfers", stripe.TransferService, "create", lambda act, params: connect.create_transfer(act, params)),
    _route(
        "GET",
        "/transfers",
        stripe.TransferService,
        "list",
        _list("transfer", "/v1/transfers", "transfer_group", "destination"),
    ),
    _route("GET", "/transfers/{id}", stripe.TransferService, "retrieve", _retrieve("transfer")),
    _route("POST", "/transfers/{id}/reversals", stripe.TransferReversalService, "create", connect.reverse),
    _route("GET", "/transfers/{id}/reversals", stripe.TransferReversalService, "list", connect.reversals),
    _route("GET", "/disputes", stripe.DisputeService, "list", _list("dispute", "/v1/disputes", "charge", "payment_intent")),
    _route("GET", "/disputes/{id}", stripe.DisputeService, "retrieve", _retrieve("dispute")),
    _route("POST", "/disputes/{id}", stripe.DisputeService, "update", connect.update_dispute),
    _route("POST", "/core/accounts", ACCOUNTS, "create", connect.create_account, "/v2"),
    _route("GET", "/core/accounts/{id}", ACCOUNTS, "retrieve", connect.retrieve_account, "/v2"),
    _route("POST", "/core/account_links", ACCOUNT_LINKS, "create", connect.create_link, "/v2"),
    _route("GET", "/events", stripe.EventService, "list", _list("event", "/v1/events", "type", "types")),
    _route("GET", "/events/{id}", stripe.EventService, "retrieve", _retrieve("event")),
)

EXPANDS = {
    ("checkout.session", "payment_intent"),
    ("checkout.session", "line_items"),
    ("payment_intent", "latest_charge"),
    ("charge", "payment_intent"),
    ("refund", "charge"),
    ("refund", "payment_intent"),
    ("transfer", "source_transaction"),
    ("dispute", "charge"),
}


# ── one request ───────────────────────────────────────────────────────────────────────────────────


def answer(act: Act, question: Question, api_key: str) -> Answer:
    """Everything from the key to the reply. The caller has opened the transaction; nothing raises No out of here."""
    act.request_id = f"req_{secrets.token_hex(8)}"
    act.key = question.headers.get("idempotency-key") if question.method == "POST" else None
    headers = {"Request-Id": act.request_id, "Stripe-Version": question.headers.get("stripe-version", stripe.api_version)}
    if act.key is not None:
        headers["Idempotency-Key"] = act.key.encode("ascii", "replace").decode()
    try:
        _check_key(question, api_key)
        route, ids = _find(question)
        params = _params(question)
        terms = hashlib.sha256(f"{question.path}\n".encode() + question.body).hexdigest()
        kept = _kept(act, terms)
        if kept is not None:
            return Answer(kept.status, kept.body, {**headers, "Idempotent-Replayed": "true", "Original-Request": kept.request})
        wrong = gate.check(route.service, route.call, params, strict=_is_json(question))
        if wrong:
            raise No(wrong[0].message, code=wrong[0].code, param=wrong[0].param)
    except No as error:  # nothing was begun, so nothing is remembered
        return _refusal(error, headers)
    try:
        with act.store.attempt():
            reply = Answer(200, _json(_expanded(act, route.do(act, params, *ids), params)), headers)
    except No as error:
        reply = _refusal(error, headers)
    if act.key is not None:
        act.store.remember(act.key, Replay(terms, reply.status, reply.body, act.request_id), act.second, act.second - KEY_LIFE)
    return reply


def _check_key(question: Question, api_key: str) -> None:
    given = question.headers.get("authorization", "")
    if not hmac.compare_digest(given.encode(), f"Bearer {api_key}".encode()):
        raise No("Invalid API Key provided.", status=401)
    if "stripe-account" in question.headers:
        raise No("The local sandbox has no connected accounts yet.", status=403, code="account_invalid")
    if len(question.headers.get("idempotency-key", "")) > 255:
        raise No("Idempotency keys have up to 255 characters.", kind="idempotency_error")


def _find(question: Question) -> tuple[Route, tuple[str, ...]]:
    for route in ROUTES:
        found = route.path.fullmatch(question.path)
        if found and route.method == question.method:
            return route, found.groups()
    raise No(f"Unrecognized request URL ({question.method}: {question.path}).", status=404)


def _params(question: Question) -> dict[str, Any]:
    try:
        text = question.query if question.method == "GET" else question.body.decode("utf-8")
        if not _is_json(question):
            return decode(text)
        given = json.loads(text or "{}")
        if not isinstance(given, dict):
            raise ValueError("not an object")
        return given
    except (UnicodeDecodeError, ValueError) as error:
        raise No("The request's parameters could not be read.", code="parameter_invalid") from error


def _is_json(question: Question) -> bool:
    """The second API takes JSON bodies; its queries are forms like those of the first."""
    return question.path.startswith("/v2/") and question.method != "GET"


def _kept(act: Act, terms: str) -> Replay | None:
    if act.key is None:
        return None
    kept = act.store.replay(act.key, act.second - KEY_LIFE)
    if kept is not None and kept.terms != terms:
        raise No(
            "Keys for idempotent requests can only be used with the same parameters they were first used with.", kind="idempotency_error"
        )
    return kept


def _refusal(error: No, headers: Mapping[str, str]) -> Answer:
    return Answer(error.status, _json({"error": error.body}), headers)


def _json(value: Any) -> str:
    return json.dumps(value, indent=2)


def _expanded(act: Act, reply: dict[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
    made = copy.deepcopy(reply)
    for path in params.get("expand", []):
        parts = path.split(".")
        if len(parts) > DEEPEST_EXPAND:
            raise No(f"You cannot expand more than {DEEPEST_EXPAND} levels of a property ({path}).", param="expand")
        _expand(act, made, parts, path)
    return made


def _expand(act: Act, here: Any, parts: list[str], path: str) -> None:
    if isinstance(here, dict) and here.get("object") == "list":
        if parts[0] != "data":
            raise No(f"This property cannot be expanded ({path}).", param="expand")
        for one in here["data"]:
            if parts[1:]:
                _expand(act, one, parts[1:], path)
        return
    name, rest = parts[0], parts[1:]
    if (here.get("object"), name) not in EXPANDS:
        raise No(f"This property cannot be expanded ({path}).", param="expand")
    if name == "line_items":
        here[name] = _session_lines(act, {}, here["id"])
    elif isinstance(here[name], str):
        here[name] = copy.deepcopy(act.store.get(here[name]))
    if rest and here[name] is not None:
        _expand(act, here[name], rest, path)
