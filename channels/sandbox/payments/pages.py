"""The pages a traveler sees: paying, confirming at the bank, and what to do where there is nothing to pay any more.

No script at all: every button is a form of its own, and only a POST changes anything.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from channels.sandbox.payments import checkout, connect
from channels.sandbox.payments.acts import Act
from channels.sandbox.payments.cards import ASKS, CARDS, DECLINE, NO_FUNDS, SUCCESS, TestCard, digits, is_luhn
from channels.sandbox.payments.errors import No
from core.money import Money

HERE = Path(__file__).parent
CSS = (HERE / "static" / "pay.css").read_text("utf-8")
NOTHING = {"number": "", "expiry": ""}


@dataclass(frozen=True, slots=True)
class Tap:
    name: str
    title: str
    words: str
    card: TestCard


TAPS = (
    Tap("success", "Pay", "The card works; the payment goes through.", SUCCESS),
    Tap("decline", "Be declined", "The bank says no. Nothing is charged.", DECLINE),
    Tap("funds", "Have too little money", "Declined for insufficient funds.", NO_FUNDS),
    Tap("bank", "Confirm at the bank", "3-D Secure: a second page asks you to approve.", ASKS),
)


@dataclass(frozen=True, slots=True)
class Page:
    """`to` is where to go instead of showing `html`."""

    status: int
    html: str = ""
    to: str = ""
    form_targets: tuple[str, ...] = ()


def templates(prefix: str, shop: str) -> Environment:
    """The sandbox's templates, every value escaped."""
    made = Environment(loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    made.globals.update(shop=shop, prefix=prefix)
    return made


class Pages:
    """`prefix` is the path the sandbox is mounted at, `shop` whose page this stands in for."""

    def __init__(self, *, prefix: str, shop: str) -> None:
        self._prefix = prefix
        self._templates = templates(prefix, shop)

    def home(self) -> Page:
        return self._word(
            200, "The payment sandbox is running", "It answers where Stripe would. Payment pages are reached from a booking's payment link."
        )

    def lost(self) -> Page:
        return self._word(404, "There is no such payment page", "The link may be cut off. Open it again from your conversation.")

    def show(self, act: Act, session_id: str) -> Page:
        session = self._session(act, session_id)
        if session is None:
            return self.lost()
        return self._closed(act, session) or self._form(act, session, 200)

    def submit(self, act: Act, session_id: str, body: bytes) -> Page:
        """Pressing Pay, or one of the test cards."""
        session = self._session(act, session_id)
        if session is None:
            return self.lost()
        given = _fields(body)
        if session["status"] == "open":
            card = _tapped(given) or _typed(given, act.second)
            if isinstance(card, Trouble):
                return self._form(act, session, card.status, card.message, typed=card.keep, wrong=card.field)
            outcome = checkout.pay(act, session_id, card)
            session = act.get("checkout.session", session_id)
            if outcome.state == "paid" and card.effect == "disputes":
                connect.open_dispute(act, act.get("payment_intent", session["payment_intent"])["latest_charge"])
            if outcome.state == "declined":
                typed = {"number": "", "expiry": ""} if "tap" in given else {"number": card.shown, "expiry": given.get("expiry", "")[:9]}
                return self._form(act, session, 402, outcome.message, typed=typed)
            if outcome.state == "asks":
                return Page(303, to=f"{self._prefix}/pay/{session_id}/confirm")
        return self._after(act, session)

    def show_confirm(self, act: Act, session_id: str) -> Page:
        session = self._session(act, session_id)
        if session is None:
            return self.lost()
        closed = self._closed(act, session)
        if closed is not None:
            return closed
        if not checkout.waits_for_bank(act, session):
            return Page(303, to=f"{self._prefix}/pay/{session_id}")
        card = CARDS[act.store.aside(session["payment_intent"])["card"]]
        here = f"{self._prefix}/pay/{session_id}/confirm"
        html = self._templates.get_template("confirm.html").render(total=_total(session), last4=card.last4, here=here)
        return Page(200, html, form_targets=(_success(session),))

    def submit_confirm(self, act: Act, session_id: str, body: bytes) -> Page:
        session = self._session(act, session_id)
        if session is None:
            return self.lost()
        choice = _fields(body).get("choice")
        if choice not in ("approve", "refuse"):
            return self.show_confirm(act, session_id)
        outcome = checkout.confirm(act, session_id, CARDS, approve=choice == "approve")
        session = act.get("checkout.session", session_id)
        if outcome.state == "declined":
            return self._form(act, session, 402, outcome.message)
        if outcome.state == "nothing_to_confirm":
            return Page(303, to=f"{self._prefix}/pay/{session_id}")
        return self._after(act, session)

    # the pieces

    def _session(self, act: Act, session_id: str) -> dict[str, Any] | None:
        try:
            return act.get("checkout.session", session_id)
        except No:
            return None

    def _after(self, act: Act, session: dict[str, Any]) -> Page:
        """On to the shop where it is paid; otherwise the page that says why not."""
        if session["status"] == "complete":
            return Page(303, to=_success(session))
        return self._closed(act, session) or self._form(act, session, 200)

    def _closed(self, act: Act, session: dict[str, Any]) -> Page | None:
        if session["payment_status"] == "paid":
            return self._word(
                200,
                "This is already paid",
                f"{_total(session)} went through; nothing will be charged again.",
                lines=self._lines(act, session),
                total=_total(session),
                next_url=_success(session),
                next_label="Back to your booking",
            )
        if session["status"] == "complete":
            return self._word(
                200,
                "Your card is reserved",
                f"{_total(session)} is held on it and is only charged once the provider says yes.",
                lines=self._lines(act, session),
                total=_total(session),
                next_url=_success(session),
                next_label="Back to your booking",
            )
        if session["status"] == "expired":
            return self._word(
                410,
                "This payment page has closed",
                "It was not paid in time, so nothing was charged. Go back to your conversation and ask for a new link; "
                "if the places are still free, they will be held for you again.",
                next_url=session["cancel_url"] or "",
                next_label="Go back",
            )
        return None

    def _form(
        self, act: Act, session: dict[str, Any], status: int, message: str = "", *, typed: Mapping[str, str] = NOTHING, wrong: str = ""
    ) -> Page:
        html = self._templates.get_template("pay.html").render(
            here=f"{self._prefix}/pay/{session['id']}",
            lines=self._lines(act, session),
            total=_total(session),
            until=f"{datetime.fromtimestamp(session['expires_at'], UTC):%H:%M} UTC",
            left=_left(session["expires_at"] - act.second),
            message=message,
            typed=typed,
            wrong=wrong,
            taps=[{"name": tap.name, "title": tap.title, "words": tap.words, "number": f"…{tap.card.last4}"} for tap in TAPS],
            cancel_url=session["cancel_url"] or "",
        )
        return Page(status, html, form_targets=(_success(session),))

    def _lines(self, act: Act, session: dict[str, Any]) -> list[dict[str, Any]]:
        currency = session["currency"].upper()
        return [
            {"name": line["description"], "quantity": line["quantity"], "amount": Money(line["amount_total"], currency).text()}
            for line in checkout.line_items(act, session["id"])
        ]

    def _word(self, status: int, title: str, words: str, **more: Any) -> Page:
        values = {"lines": [], "total": "", "next_url": "", "next_label": "", **more}
        return Page(status, self._templates.get_template("word.html").render(title=title, words=words, **values))


def _total(session: Mapping[str, Any]) -> str:
    return Money(session["amount_total"], session["currency"].upper()).text()


def _success(session: Mapping[str, Any]) -> str:
    return str(session["success_url"] or session["return_url"]).replace("{CHECKOUT_SESSION_ID}", session["id"])


def _left(seconds: int) -> str:
    minutes = max(0, seconds) // 60
    if minutes >= 120:
        return f"{minutes // 60} hours left"
    return f"{minutes} minutes left" if minutes != 1 else "1 minute left"


def origin_of(url: str) -> str:
    """scheme://host:port, for the list of places a form may lead to."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


# ── what was typed ────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with the form; `keep` is what is shown again, never a number we do not know."""

    status: int
    message: str
    field: str
    keep: Mapping[str, str]


def _fields(body: bytes) -> dict[str, str]:
    try:
        return dict(parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=20))
    except ValueError:
        return {}


def _tapped(given: Mapping[str, str]) -> TestCard | None:
    return next((tap.card for tap in TAPS if tap.name == given.get("tap")), None)


def _typed(given: Mapping[str, str], now: int) -> TestCard | Trouble:
    number, expiry, cvc = digits(given.get("number", "")), given.get("expiry", "").strip()[:9], given.get("cvc", "").strip()
    card = CARDS.get(number)
    keep = {"number": card.shown if card else "", "expiry": expiry}
    if not is_luhn(number):
        return Trouble(422, "That is no card number. Please check it, or tap one of the test cards.", "number", keep)
    if card is None:
        return Trouble(402, "Only test cards work here, and that is not one of them. It was not kept. Tap a test card.", "number", keep)
    found = re.fullmatch(r"(0?[1-9]|1[0-2])\s*[/\-. ]?\s*(?:20)?([0-9]{2})", expiry)
    if found is None:
        return Trouble(422, "Please give the expiry as month and year, for example 12 / 34.", "expiry", keep)
    today = datetime.fromtimestamp(now, UTC)
    if (2000 + int(found[2]), int(found[1])) < (today.year, today.month):
        return Trouble(422, "That expiry date has passed. Any date to come will do.", "expiry", keep)
    if not re.fullmatch(r"[0-9]{3,4}", cvc):
        return Trouble(422, "The security code has three or four digits. Any will do.", "cvc", keep)
    return card
