"""The sandbox's pages for payees and for whoever wants to look inside: onboarding, and a list of everything that moved.

No script at all; only a POST changes anything, because chat clients open links to preview them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from channels.sandbox.payments import connect
from channels.sandbox.payments.acts import Act
from channels.sandbox.payments.errors import No
from channels.sandbox.payments.pages import Page, templates
from core.money import Money

SHOWN = 30
STEPS = {"hour": 3600, "day": 24 * 3600, "week": 7 * 24 * 3600 + 60}


class AccountPages:
    def __init__(self, *, prefix: str, shop: str) -> None:
        self._prefix = prefix
        self._templates = templates(prefix, shop)

    def show(self, act: Act, token: str) -> Page:
        """A link works once: whoever comes again is sent where a new one is made."""
        link = connect.open_link(act, token)
        if link is None:
            return self._lost()
        if link["over"]:
            return Page(303, to=link["refresh_url"])
        account = act.get("v2.core.account", link["account"])
        html = self._templates.get_template("onboard.html").render(
            name=account["display_name"] or account["contact_email"], here=f"{self._prefix}/onboard/{token}"
        )
        return Page(200, html, form_targets=(link["return_url"],))

    def submit(self, act: Act, token: str, body: bytes) -> Page:
        link = connect.opened_link(act, token)
        if link is None:
            return self._lost()
        if _fields(body).get("choice") == "complete":
            connect.set_state(act, link["account"], "active")
        return Page(303, to=link["return_url"])

    def _lost(self) -> Page:
        title, words = "This link has been used or is over", "Go back to Traveloure and press the button again; it makes a new one."
        html = self._templates.get_template("word.html").render(title=title, words=words, lines=[], total="", next_url="", next_label="")
        return Page(410, html)

    def dashboard(self, act: Act) -> Page:
        """Accounts, payments, transfers, disputes and events, the newest first."""
        accounts = [
            {
                "id": one["id"],
                "name": one["display_name"] or one["contact_email"],
                "state": connect.state_of(one),
                "balance": _sums(connect.balance_of(act, one["id"])),
            }
            for one in _newest(act, "v2.core.account")
        ]
        charges = [
            {
                "id": one["id"],
                "amount": _money(one["amount"], one["currency"]),
                "state": _charge_state(one),
                "back": _money(one["amount_refunded"], one["currency"]) if one["amount_refunded"] and one["captured"] else "",
                "can_dispute": one["captured"] and not one["disputed"] and not one["refunded"],
            }
            for one in _newest(act, "charge")
        ]
        transfers = [
            {
                "id": one["id"],
                "to": one["destination"],
                "amount": _money(one["amount"], one["currency"]),
                "back": _money(one["amount_reversed"], one["currency"]) if one["amount_reversed"] else "",
            }
            for one in _newest(act, "transfer")
        ]
        disputes = [
            {
                "id": one["id"],
                "amount": _money(one["amount"], one["currency"]),
                "state": one["status"],
                "open": one["status"] in ("needs_response", "under_review"),
            }
            for one in _newest(act, "dispute")
        ]
        latest = [*_newest(act, "v2.core.event"), *_newest(act, "event")][:SHOWN]
        brought = act.store.deliveries([one["id"] for one in latest])
        events = [{"id": one["id"], "type": one["type"], "brought": _brought(brought.get(one["id"]))} for one in latest]
        html = self._templates.get_template("dashboard.html").render(
            here=f"{self._prefix}/dashboard", accounts=accounts, charges=charges, transfers=transfers, disputes=disputes, events=events
        )
        return Page(200, html)

    def act(self, act: Act, body: bytes) -> Page:
        """What the world outside does: a bank that takes, disputes or decides. Unknown ids change nothing."""
        given = _fields(body)
        subject = given.get("id", "")
        try:
            match given.get("do"):
                case "enable":
                    connect.set_state(act, subject, "active")
                case "disable":
                    connect.set_state(act, subject, "restricted")
                case "pay_out":
                    connect.pay_out(act, subject)
                case "dispute":
                    connect.open_dispute(act, subject)
                case "won" | "lost" as how:
                    connect.close_dispute(act, subject, won=how == "won")
                case "fail_refund":
                    connect.fail_refund(act, subject)
                case "age" if subject in STEPS:
                    act.store.age(STEPS[subject])
                case "again":
                    act.announce_again(subject)
        except No as error:
            html = self._templates.get_template("word.html").render(
                title="That is not possible", words=str(error), lines=[], total="", next_url=f"{self._prefix}/dashboard", next_label="Back"
            )
            return Page(409, html)
        return Page(303, to=f"{self._prefix}/dashboard")


def _charge_state(one: Mapping[str, Any]) -> str:
    if one["status"] == "succeeded" and not one["captured"]:
        return "let go of, never charged" if one["refunded"] else "reserved on the card"
    return "disputed" if one["disputed"] else "refunded" if one["refunded"] else str(one["status"])


def _brought(told: tuple[str, int, str] | None) -> str:
    """How an event fared on its way to the shop."""
    if told is None:
        return "wanted by nobody"
    state, attempts, answer = told
    words = {"waiting": "on its way", "done": "taken", "given_up": "given up"}[state]
    return f"{words} after {attempts} {'try' if attempts == 1 else 'tries'}{f', {answer}' if answer and state != 'done' else ''}"


def _newest(act: Act, kind: str) -> list[dict[str, Any]]:
    return act.store.find(kind, {}, {}, limit=SHOWN)


def _money(amount: int, currency: str) -> str:
    return Money(amount, currency.upper()).text()


def _sums(balance: Mapping[str, int]) -> str:
    return ", ".join(_money(amount, currency) for currency, amount in sorted(balance.items()) if amount) or "nothing"


def _fields(body: bytes) -> dict[str, str]:
    try:
        return dict(parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=20))
    except ValueError:
        return {}
