"""The stand-in as one ASGI app: POST Messages.json, signed webhooks, signed status callbacks, opt-outs, and the phones' page.

As strict as Twilio where it matters here: basic authentication, E.164, one sender, a body of up to 1,600 characters, error codes,
STOP that blocks until START. Not modelled: carriers, pictures, short codes, prices, queues and their limits.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import re
import secrets
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from channels.sms.text import parts

HERE = Path(__file__).parent
POLICY = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
NUMBER = re.compile(r"\+[1-9]\d{6,14}")
STOP = ("STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT")
START = ("START", "UNSTOP")
PHONES = ("+351910000001", "+351910000002")
MOST = 500


@dataclass(frozen=True, slots=True)
class Text:
    """`out` is from the house to the phone."""

    sid: str
    phone: str
    body: str
    out: bool
    at: datetime


@dataclass
class Network:
    """`inbound` is where texts of the phones are posted. `faults`: ("refuse", code), ("status", http), ("hang", 0), ("undelivered", code)."""

    sid: str
    token: str
    number: str
    inbound: str = ""
    texts: deque[Text] = field(default_factory=lambda: deque(maxlen=MOST))
    stopped: set[str] = field(default_factory=set)
    faults: deque[tuple[str, int]] = field(default_factory=deque)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    callbacks: list[tuple[str, str, int]] = field(default_factory=list)

    def sign(self, url: str, form: Mapping[str, str]) -> str:
        """HMAC-SHA1 of the address and the sorted form, as Twilio documents it."""
        words = url + "".join(f"{name}{form[name]}" for name in sorted(form))
        return base64.b64encode(hmac.new(self.token.encode(), words.encode(), hashlib.sha1).digest()).decode()

    async def post(self, url: str, form: Mapping[str, str], *, signature: str = "") -> int:
        async with httpx.AsyncClient(trust_env=False, timeout=20.0) as client:
            answer = await client.post(url, data=dict(form), headers={"x-twilio-signature": signature or self.sign(url, form)})
        return answer.status_code

    async def text(self, phone: str, body: str) -> int:
        """A phone texts us; returns the house's HTTP status."""
        sid = f"SM{secrets.token_hex(16)}"
        self.texts.append(Text(sid, phone, body, False, datetime.now(UTC)))
        word = body.strip().upper()
        if word in STOP:
            self.stopped.add(phone)
            self._own(phone, "You have been unsubscribed and will get no more messages. Reply START to resubscribe.")
        elif word in START:
            self.stopped.discard(phone)
            self._own(phone, "You have been resubscribed.")
        form = {"MessageSid": sid, "AccountSid": self.sid, "From": phone, "To": self.number, "Body": body, "NumMedia": "0"}
        return await self.post(self.inbound, form)

    def _own(self, phone: str, body: str) -> None:
        """What the network says by itself."""
        self.texts.append(Text(f"SM{secrets.token_hex(16)}", phone, body, True, datetime.now(UTC)))

    async def report(self, url: str, sid: str, states: tuple[str, ...], code: int) -> None:
        for state in states:
            form = {"MessageSid": sid, "AccountSid": self.sid, "MessageStatus": state}
            form |= {"ErrorCode": str(code)} if code else {}
            try:
                self.callbacks.append((sid, state, await self.post(url, form)))
            except httpx.HTTPError:
                self.callbacks.append((sid, state, 0))


class SmsSandbox:
    """ASGI. `prefix` is the path it is mounted at."""

    def __init__(self, network: Network, *, prefix: str = "") -> None:
        self.network = network
        self._prefix = prefix
        self._key = secrets.token_urlsafe(24)
        self._templates = Environment(loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined)
        self._app = Starlette(
            routes=[
                Route("/2010-04-01/Accounts/{sid}/Messages.json", self._create, methods=["POST"]),
                Route("/", self._page),
                Route("/sms.css", self._style),
                Route("/text", self._text, methods=["POST"]),
            ]
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)

    async def _create(self, request: Request) -> Response:
        network = self.network
        wanted = "Basic " + base64.b64encode(f"{network.sid}:{network.token}".encode()).decode()
        if not hmac.compare_digest(request.headers.get("authorization", "").encode(), wanted.encode()):
            return _refused(401, 20003, "Authenticate")
        if request.path_params["sid"] != network.sid:
            return _refused(404, 20404, "The requested resource was not found")
        async with request.form() as form:
            given = {name: value for name, value in form.items() if isinstance(value, str)}
        fault = network.faults.popleft() if network.faults else None
        if fault is not None and fault[0] in ("refuse", "status"):
            return _refused(400, fault[1], "refused") if fault[0] == "refuse" else Response(status_code=fault[1])
        refusal = self._check(given)
        if refusal is not None:
            return refusal
        sid = f"SM{secrets.token_hex(16)}"
        network.texts.append(Text(sid, given["To"], given["Body"], True, datetime.now(UTC)))
        if fault is not None and fault[0] == "hang":
            await asyncio.sleep(fault[1])
        if given.get("StatusCallback"):
            lost = fault is not None and fault[0] == "undelivered"
            states = ("sent", "undelivered") if lost else ("sent", "delivered")
            task = asyncio.create_task(network.report(given["StatusCallback"], sid, states, fault[1] if fault is not None and lost else 0))
            network.tasks.add(task)
            task.add_done_callback(network.tasks.discard)
        body: dict[str, Any] = {
            "sid": sid,
            "status": "queued",
            "to": given["To"],
            "from": network.number,
            "body": given["Body"],
            "num_segments": str(parts(given["Body"])),
        }
        return JSONResponse({**body, "account_sid": network.sid, "error_code": None, "direction": "outbound-api"}, status_code=201)

    def _check(self, given: Mapping[str, str]) -> Response | None:
        if not NUMBER.fullmatch(given.get("To", "")):
            return _refused(400, 21211, "Invalid 'To' Phone Number")
        if not given.get("Body"):
            return _refused(400, 21602, "Message body is required.")
        if len(given["Body"]) > 1600:
            return _refused(400, 21617, "The concatenated message body exceeds the 1600 character limit")
        if self.network.number not in (given.get("From"), given.get("MessagingServiceSid")):
            return _refused(400, 21606, "The 'From' phone number provided is not a valid message-capable number")
        if given["To"] in self.network.stopped:
            return _refused(400, 21610, "Attempt to send to unsubscribed recipient")
        return None

    # the phones

    async def _page(self, request: Request) -> Response:
        phone = request.query_params.get("phone", PHONES[0])
        phones = sorted({*PHONES, *(one.phone for one in self.network.texts)})
        texts = [one for one in self.network.texts if one.phone == phone]
        body = self._templates.get_template("phone.html").render(
            prefix=self._prefix,
            key=self._key,
            phone=phone,
            phones=phones,
            texts=texts,
            parts=parts,
            number=self.network.number,
            stopped=phone in self.network.stopped,
            draft=request.query_params.get("body", "")[:400],
            told=request.query_params.get("told", "")[:3],
        )
        headers = {"content-security-policy": POLICY, "cache-control": "no-store", "referrer-policy": "no-referrer"}
        return Response(body, media_type="text/html; charset=utf-8", headers=headers)

    async def _style(self, request: Request) -> Response:
        return Response((HERE / "static" / "sms.css").read_bytes(), media_type="text/css", headers={"cache-control": "no-cache"})

    async def _text(self, request: Request) -> Response:
        async with request.form() as form:
            key, phone, body = (str(form.get(name, "")) for name in ("key", "phone", "body"))
        if not hmac.compare_digest(key.encode(), self._key.encode()):
            return Response(status_code=403)
        phone = re.sub(r"[ ()-]", "", phone)
        if not NUMBER.fullmatch(phone) or not body.strip():
            return Response("A number like +351910000001 and a few words are needed.", status_code=422, media_type="text/plain")
        try:
            status = await self.network.text(phone, body[:1600])
        except httpx.HTTPError:
            status = 0
        told = "" if status == 200 else f"&told={status}"
        return RedirectResponse(f"{self._prefix}/?phone=%2B{phone[1:]}{told}", status_code=303)


def _refused(status: int, code: int, message: str) -> JSONResponse:
    return JSONResponse(
        {"code": code, "message": message, "more_info": f"https://www.twilio.com/docs/errors/{code}", "status": status}, status_code=status
    )
