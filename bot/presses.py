"""Taps and exact yeses: carried out by code at once, whoever controls the conversation. No model is asked.

Order: what a form says is checked first (nothing is written then, and nothing typed is lost); then the traveler's line;
then the act, keyed by the press; then the answer. A press that comes twice does and says everything once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from core import (
    availability,
    bookings,
    cancellations,
    carts,
    changes,
    conversations,
    handoff,
    identities,
    offers,
    people,
    remembering,
    requests,
    reviews,
    trips,
)
from core.availability import Ask
from core.catalogue import Listing, listing
from core.engine import Actor, Engine
from core.errors import CoreError, Invalid, NotFound, SoldOut
from core.money import Money
from core.payments import collect
from core.payments.gateway import GatewayRefused, GatewayUnknown
from tools import cancellations as cancellation_tools
from tools import cart, memory, payments, planning, search
from tools import changes as change_tools
from tools import trips as trip_tools
from tools.outcome import Desk
from tools.outcome import press as button

Parts = list[Mapping[str, Any]]
Verb = Callable[[Desk, Mapping[str, Any], Mapping[str, Any]], Parts]


def press(engine: Engine, actor: Actor, client_id: str, action_id: str, fields: Mapping[str, Any]) -> int:
    """Carry a button out; returns the number of the traveler's line. Raises NotFound, NotAllowed, Expired for a button
    that does not count, Invalid (naming the field) for a form that has to be mended."""
    now = engine.clock()
    with engine.db.read() as tx:
        found = conversations.find_action(tx, actor, action_id, now)
    params: dict[str, Any] = dict(found.params)
    if found.verb == "say":
        return conversations.say(engine, actor, client_id, str(params["text"]))
    if found.verb == "say_form":
        return conversations.say(engine, actor, client_id, sentence_of(fields, nights=bool(params.get("nights")), today=now.date()))
    verb = VERBS.get(found.verb)
    if verb is None:
        raise NotFound("That button is not known any more. Please ask again.")
    if found.verb == "confirm" and fields:
        bookings.save_details(engine, actor, fields)
    if found.verb == "counter_offer" and fields:
        _money(fields, "amount", params["currency"])
    if found.verb in ("add", "change") and fields:
        _read_when_and_who(fields, today=now.date())
    return _carry_out(engine, actor, client_id, {"type": "pressed", "label": found.label or found.verb}, verb, params, fields)


def say_yes(engine: Engine, actor: Actor, client_id: str, text: str, proposal_id: str, kind: str) -> int:
    """The traveler's exact yes to the one live proposal: the same as a tap on its button."""
    line = {"type": "text", "text": conversations.check_text(text)}
    return _carry_out(engine, actor, client_id, line, YES_TO[kind], {"proposal_id": proposal_id}, {})


def run(engine: Engine, actor: Actor, client_id: str, text: str, verb: str) -> int:
    """A command typed where there are commands (/cart, /trips): the same as the tap, and the line says what was typed."""
    return _carry_out(engine, actor, client_id, {"type": "text", "text": text}, VERBS[verb], {}, {})


def _carry_out(
    engine: Engine, actor: Actor, client_id: str, line: Mapping[str, Any], verb: Verb, params: Mapping[str, Any], fields: Mapping[str, Any]
) -> int:
    now = engine.clock()
    with engine.db.write() as tx:
        seq = conversations.put_traveler_line(tx, actor, client_id, [line], now, wants_answer=False)
    keyed = replace(actor, key=f"press:{actor.conversation_id}:{client_id}")
    try:
        parts = verb(Desk(engine, keyed), params, fields)
    except CoreError as error:
        parts = [_refusal(error)]
    if parts:
        with engine.db.write() as tx:
            conversations.append(tx, actor.conversation_id, "bot", parts, now=engine.clock(), client_id=f"a-{client_id}"[:80])
    return seq


def _refusal(error: CoreError) -> Mapping[str, Any]:
    """Why not, in the rule's own sentence, and a way on."""
    actions = [button("show_cart", "cart")] if error.code in ("price_changed", "expired", "sold_out") else []
    if error.code in ("refused", "try_again"):
        actions = [button("talk_to_person", "human")]
    return {"type": "event", "event": "refused", "facts": {"code": error.code, "message": error.message}, "actions": actions}


# ── forms ─────────────────────────────────────────────────────────────────────────────────────────


def _read_when_and_who(fields: Mapping[str, Any], *, today: date) -> tuple[date | None, date | None, dict[str, int]]:
    """Day, departure and party of a date form. Raises Invalid naming the field."""
    first = _day(fields, "date")
    last = _day(fields, "end_date")
    if first is not None and first < today - timedelta(days=1):
        raise Invalid("date", "That day is in the past. Please choose a day from today on.")
    if first is not None and last is not None and last <= first:
        raise Invalid("end_date", "The day you leave has to be after the day you arrive.")
    units = {}
    for name, kind in (("adults", "ADULT"), ("children", "CHILD"), ("infants", "INFANT")):
        count = _count(fields, name)
        if count:
            units[kind] = count
    if any(name in fields for name in ("adults", "children", "infants")) and not sum(units.values()):
        raise Invalid("adults", "At least one person has to travel.")
    return first, last, units


def _day(fields: Mapping[str, Any], name: str) -> date | None:
    given = str(fields.get(name) or "").strip()
    if not given:
        return None
    try:
        return date.fromisoformat(given)
    except ValueError:
        raise Invalid(name, "Please give the day as YYYY-MM-DD, for example 2027-03-20.") from None


def _count(fields: Mapping[str, Any], name: str) -> int:
    given = str(fields.get(name) or "0").strip()
    if not given.isdigit() or int(given) > 500:
        raise Invalid(name, "Please give a whole number of people.")
    return int(given)


def sentence_of(fields: Mapping[str, Any], *, nights: bool, today: date) -> str:
    """What a date form says, as the traveler would have typed it; the assistant reads it like any other line."""
    first, last, units = _read_when_and_who(fields, today=today)
    if first is None:
        raise Invalid("date", "Please choose a day.")
    if nights and last is None:
        raise Invalid("end_date", "Please choose the day you leave.")
    shown = f"from {first.isoformat()} to {last.isoformat()}" if last else f"on {first.isoformat()}"
    words = {"ADULT": ("adult", "adults"), "CHILD": ("child", "children"), "INFANT": ("infant", "infants")}
    party = ", ".join(f"{count} {words[kind][count != 1]}" for kind, count in units.items())
    return f"{shown[0].upper()}{shown[1:]}{', ' + party if party else ''}"


# ── verbs ─────────────────────────────────────────────────────────────────────────────────────────


def _add(desk: Desk, params: Mapping[str, Any], fields: Mapping[str, Any]) -> Parts:
    """Into the cart; asks for what is missing with the right control, and offers other days where the places are gone."""
    engine, actor = desk.engine, desk.actor
    with engine.db.read() as tx:
        listed = listing(tx, params["product_id"])
        known = trips.facts(tx, actor.conversation_id)
    first, last, units = _read_when_and_who(fields, today=engine.clock().date())
    first = first or _day(params, "date")
    last = last or _day(params, "end_date")
    units = units or dict(params.get("units") or known.get("party") or {})
    missing = first is None or (listed.is_stay and last is None) or not units
    if missing:
        asked = "party" if first and not (listed.is_stay and last is None) else "dates" if listed.is_stay else "date"
        _ask(desk, listed, asked, first, units)
        action = button("add_to_cart", "add", **{**params, "date": None, "end_date": None, "units": None})
        form = trip_tools.date_form(desk, listed.id, nights=listed.is_stay, action=action)
        shown = {"date": params.get("date") or known.get("start_date"), "end_date": params.get("end_date") or known.get("end_date")}
        return [{**form, "title": listed.product.title, **shown, "units": units}]
    if first is None:
        raise Invalid("date", "Which day would you like?")
    ask = Ask(listed.id, params.get("option_id"), first, last if listed.is_stay else None, params.get("start") or "", units)
    try:
        view = carts.add(engine, actor, ask)
    except SoldOut as error:
        return _other_days(desk, listed, ask, error)
    except Invalid as error:
        if error.field == "local_start" and error.facts.get("starts"):
            return _choose_start(desk, listed, ask)
        raise
    trips.remember(engine, replace(actor, key=None), {"focus": listed.id, "party": units, "question": None, "asked_about": None})
    return list(cart.line_outcome(view, view["added"], "added_to_cart").parts)


def _ask(desk: Desk, listed: Listing, question: str, day: date | None, units: Mapping[str, int]) -> None:
    """What a button asks back is remembered, so that it can be answered in words, too."""
    told: dict[str, Any] = {"question": question, "asked_about": listed.id, "focus": listed.id}
    if day is not None:
        told["start_date"] = day.isoformat()
    if units:
        told["party"] = dict(units)
    trips.remember(desk.engine, replace(desk.actor, key=None), told)


def _choose_start(desk: Desk, listed: Listing, ask: Ask) -> Parts:
    people_count = sum((ask.units or {}).values())
    days = availability.available_days(
        desk.engine, listed.id, ask.local_date, ask.local_date, option_id=ask.option_id, party=max(1, people_count)
    )
    starts = days[0]["starts"] if days else []
    if starts:
        _ask(desk, listed, "start_time", ask.local_date, ask.units or {})
    if not starts:
        return _other_days(desk, listed, ask, SoldOut(f"{listed.product.title} is fully booked on that day."))
    items = [
        {
            **button(
                at,
                "add",
                product_id=listed.id,
                option_id=ask.option_id,
                date=ask.local_date.isoformat(),
                start=at,
                units=dict(ask.units or {}),
            ),
            "literal": True,
        }
        for at in starts
    ]
    return [
        {"type": "event", "event": "which_start", "facts": {"title": listed.product.title}, "actions": []},
        {"type": "quick_replies", "items": items},
    ]


def _other_days(desk: Desk, listed: Listing, ask: Ask, error: SoldOut) -> Parts:
    people_count = sum((ask.units or {}).values())
    after = ask.local_date + timedelta(days=1)
    free = availability.next_days(desk.engine, listed.id, option_id=ask.option_id, party=max(1, people_count), after=after)
    nights = ask.nights
    items = []
    for day in free[:4]:
        leaves = (date.fromisoformat(day) + timedelta(days=nights)).isoformat() if nights else None
        items.append(
            {
                **button(
                    day,
                    "add",
                    product_id=listed.id,
                    option_id=ask.option_id,
                    date=day,
                    end_date=leaves,
                    start=ask.local_start or None,
                    units=dict(ask.units or {}),
                ),
                "day": day,
            }
        )
    others = planning.like(desk, listed.id, ask.local_date, ask.end_date, ask.units)
    items += [] if others else [button("see_alternatives", "alternatives", product_id=listed.id)]
    told = {
        "type": "event",
        "event": "sold_out",
        "facts": {"title": listed.product.title, "message": error.message, "free": free},
        "actions": [],
    }
    return [told, *others, {"type": "quick_replies", "items": items}]


def _details(desk: Desk, params: Mapping[str, Any], _fields: Mapping[str, Any]) -> Parts:
    return list(search.get_details(desk, params["product_id"]).parts)


def _cart(desk: Desk, _params: Mapping[str, Any], _fields: Mapping[str, Any]) -> Parts:
    return list(cart.show_cart(desk).parts)


def _remove(desk: Desk, params: Mapping[str, Any], _fields: Mapping[str, Any]) -> Parts:
    return list(cart.remove_from_cart(desk, params["item_id"]).parts)


def _checkout(desk: Desk, _params: Mapping[str, Any], _fields: Mapping[str, Any]) -> Parts:
    return list(payments.propose_checkout(desk).parts)


def _confirm(desk: Desk, params: Mapping[str, Any], fields: Mapping[str, Any]) -> Parts:
    """The one place a traveler's yes becomes bookings. Then the payment page is made, outside the transaction."""
    engine, actor = desk.engine, desk.actor
    try:
        method = str(params.get("method") or "full")
        done = bookings.commit_checkout(engine, actor, params["proposal_id"], requests=str(fields.get("requests") or ""), method=method)
    except bookings.DetailsNeeded:
        return [_contact_form(engine, actor, params)]
    parts: Parts = []
    for payment_id in done["payments"]:
        try:
            collect.ensure_link(engine, payment_id)
        except (GatewayUnknown, GatewayRefused):  # the job that was queued with the booking goes on trying
            parts.append(
                {"type": "event", "event": "payment_delayed", "facts": {"payment_id": payment_id}, "actions": [button("try_again", "paid")]}
            )
    if done["external"]:
        parts.append({"type": "event", "event": "book_on_partner", "facts": {"lines": done["external"]}, "actions": []})
    return [*parts, *_may_we_remember(desk)]


def _contact_form(engine: Engine, actor: Actor, params: Mapping[str, Any]) -> Mapping[str, Any]:
    with engine.db.read() as tx:
        person = people.contact(tx, actor.account_id)
    return {
        "type": "contact_form",
        "name": person["name"],
        "email": person["email"],
        "submit": button("confirm_booking", "confirm", **params),
    }


def _pay_balance(desk: Desk, params: Mapping[str, Any], _fields: Mapping[str, Any]) -> Parts:
    return list(payments.pay_balance(desk, params["booking_id"]).parts)


def _paid(desk: Desk, _params: Mapping[str, Any], _fields: Mapping[str, Any]) -> Parts:
    done = payments.check_payment(desk)
    if done.parts:
        return [{"type": "event", "event": "not_paid_yet", "facts": {}, "actions": []}, *done.parts]
    settled = [one for one in done.data["payments"] if one["status"] == "paid"]
    return [] if settled else [{"type": "event", "event": "nothing_to_pay", "facts": {}, "actions": []}]


def _alternatives(desk: Desk, params: Mapping[str, Any], _fields: Mapping[str, Any]) -> Parts:
    """The same kind of thing in the same place, for the same days and people."""
    engine, actor = desk.engine, desk.actor
    with engine.db.read() as tx:
        listed = listing(tx, params["product_id"])
        known = trips.facts(tx, actor.conversation_id)
    units: Mapping[str, int] = known.get("party") or {}
    found = search.search_offers(
        desk,
        city=listed.destination.id,
        kind=listed.product.kind,
        date=_day(known, "start_date"),
        end_date=_day(known, "end_date"),
        adults=units.get("ADULT"),
        children=units.get("CHILD"),
        infants=units.get("INFANT"),
    )
    parts: Parts = []
    for part in found.parts:
        others = [item for item in part["items"] if item["product_id"] != listed.id]
        parts.append({**part, "items": others})
    told = "alternatives" if parts and parts[0]["items"] else "no_alternatives"
    return [{"type": "event", "event": told, "facts": {"title": listed.product.title}, "actions": []}, *parts]


def _remember(desk: Desk, params: Mapping[str, Any], _fields: Mapping[str, Any]) -> Parts:
    """The traveler's own answer to whether they may be remembered."""
    remembering.answer(desk.engine, desk.actor, on=bool(params.get("on")))
    return [{"type": "event", "event": "remembers" if params.get("on") else "remembers_nothing", "facts": {}, "actions": []}]


def _forget_trip(desk: Desk, _params: Mapping[str, Any], _fields: Mapping[str, Any]) -> Parts:
    memory.forget_facts(desk, ["everything"])
    return [{"type": "event", "event": "trip_forgotten", "facts": {}, "actions": []}]


def _may_we_remember(desk: Desk) -> Parts:
    """Asked once in a traveler's life with us, after the first thing they booked."""
    if not remembering.ask_once(desk.engine, desk.actor):
        return []
    actions = [button("remember_me", "remember", on=True), button("do_not_remember", "remember", on=False)]
    return [{"type": "event", "event": "may_we_remember", "facts": {}, "actions": actions}]


def _take_plan(desk: Desk, params: Mapping[str, Any], _fields: Mapping[str, Any]) -> Parts:
    """A whole plan into the cart, line by line; what is gone meanwhile comes back with what is like it."""
    done = planning.put_in_cart(desk, params["asks"], params.get("units") or {"ADULT": 1})
    missed = "; ".join(f"{one['title']} ({one['why']})" for one in done.data["missed"])
    name, facts = ("plan_partly", {"message": missed}) if missed else ("plan_taken", {})
    return [{"type": "event", "event": name, "facts": facts, "actions": []}, *done.parts]


def _book_again(desk: Desk, params: Mapping[str, Any], _fields: Mapping[str, Any]) -> Parts:
    """Put what ran out unpaid back into the cart, at today's price, and show the total."""
    missed: list[str] = []
    for number, ask in enumerate(bookings.asks_of(desk.engine, desk.actor, params.get("bookings") or ())):
        try:
            carts.add(desk.engine, replace(desk.actor, key=f"{desk.actor.key}:{number}"), ask)
        except CoreError as error:
            missed.append(error.message)
    refused: Parts = (
        [{"type": "event", "event": "refused", "facts": {"code": "refused", "message": " ".join(missed)}, "actions": []}] if missed else []
    )
    return [*refused, *cart.show_cart(desk).parts]


def _human(desk: Desk, _params: Mapping[str, Any], _fields: Mapping[str, Any]) -> Parts:
    return _person(desk, "asked_for_human", "")


def _person(desk: Desk, reason: str, note: str) -> Parts:
    made = handoff.ask_for_person(desk.engine, desk.actor, reason, note=note)
    stay = [button("stay_with_assistant", "leave_person")]
    return [{"type": "event", "event": "person_called", "facts": {"ahead": made["ahead"], "status": made["status"]}, "actions": stay}]


def _leave_person(desk: Desk, _params: Mapping[str, Any], _fields: Mapping[str, Any]) -> Parts:
    handoff.leave_person(desk.engine, desk.actor)
    return [{"type": "event", "event": "with_assistant", "facts": {}, "actions": []}]


def _rate(desk: Desk, params: Mapping[str, Any], _fields: Mapping[str, Any]) -> Parts:
    """The stars pressed; words may follow as a line that begins with "review:"."""
    done = reviews.rate(desk.engine, desk.actor, params["booking_id"], stars=int(params["stars"]))
    return [{"type": "event", "event": "review_stars", "facts": done, "actions": []}]


def write_review(engine: Engine, actor: Actor, client_id: str, text: str, booking_id: str, words: str) -> int:
    """A line that begins with "review:": its words go with the stars given in this conversation."""

    def verb(desk: Desk, _params: Mapping[str, Any], _fields: Mapping[str, Any]) -> Parts:
        done = reviews.rate(desk.engine, desk.actor, booking_id, text=words)
        return [{"type": "event", "event": "review_words", "facts": done, "actions": []}]

    line = {"type": "text", "text": conversations.check_text(text)}
    return _carry_out(engine, actor, client_id, line, verb, {}, {})


def _cancel(desk: Desk, params: Mapping[str, Any], _fields: Mapping[str, Any]) -> Parts:
    return list(cancellation_tools.propose_cancellation(desk, params["booking_id"]).parts)


def _change(desk: Desk, params: Mapping[str, Any], fields: Mapping[str, Any]) -> Parts:
    """Another day or party of a booking: asked for by a form, then shown with what it costs."""
    with desk.engine.db.read() as tx:
        row = cancellations.find(tx, desk.actor, params["booking_id"])
    if not fields:
        action = button("show_change", "change", booking_id=row.id)
        form = trip_tools.date_form(desk, row.product_id, nights=row.end_date is not None, action=action)
        last = row.end_date.isoformat() if row.end_date else None
        return [{**form, "title": row.title, "date": row.local_date.isoformat(), "end_date": last, "units": dict(row.units)}]
    first, last_day, units = _read_when_and_who(fields, today=desk.engine.clock().date())
    counted = {kind: units.get(kind, 0) for kind in ("ADULT", "CHILD", "INFANT")}
    made = change_tools.propose_change(
        desk,
        row.id,
        date=first,
        end_date=last_day if row.end_date else None,
        adults=counted["ADULT"] if units else None,
        children=counted["CHILD"] if units else None,
        infants=counted["INFANT"] if units else None,
    )
    return list(made.parts)


def _confirm_change(desk: Desk, params: Mapping[str, Any], _fields: Mapping[str, Any]) -> Parts:
    done = changes.commit(desk.engine, desk.actor, params["proposal_id"])
    if done["payment"]:
        try:
            collect.ensure_link(desk.engine, done["payment"])
        except (GatewayUnknown, GatewayRefused):  # the job that was queued with the change goes on trying
            facts = {"payment_id": done["payment"]}
            return [{"type": "event", "event": "payment_delayed", "facts": facts, "actions": [button("try_again", "paid")]}]
    return []  # core has told both sides already


def _confirm_cancel(desk: Desk, params: Mapping[str, Any], _fields: Mapping[str, Any]) -> Parts:
    cancellations.commit(desk.engine, desk.actor, params["proposal_id"])
    return []  # core has told both sides already


def _accept_offer(desk: Desk, params: Mapping[str, Any], _fields: Mapping[str, Any]) -> Parts:
    """The traveler's yes to a provider's offer, by its button or by an exact yes to its proposal."""
    if params.get("proposal_id"):
        with desk.engine.db.read() as tx:
            offer_id = offers.of_proposal(tx, params["proposal_id"])
    else:
        offer_id = params["offer_id"]
    offers.accept(desk.engine, desk.actor, offer_id)
    return []  # core has told both sides already, and the payment page follows by itself


def _decline_offer(desk: Desk, params: Mapping[str, Any], _fields: Mapping[str, Any]) -> Parts:
    done = offers.decline(desk.engine, desk.actor, params["offer_id"])
    return [{"type": "event", "event": "offer_refused", "facts": done, "actions": []}]


def _counter_offer(desk: Desk, params: Mapping[str, Any], fields: Mapping[str, Any]) -> Parts:
    """A price of the traveler's own: asked for by a form, read in the offer's currency."""
    if not fields:
        return [{"type": "offer_form", "currency": params["currency"], "submit": button("send_wish", "counter_offer", **params)}]
    amount = _money(fields, "amount", params["currency"])
    offers.ask_again(desk.engine, desk.actor, params["offer_id"], amount=amount, message=str(fields.get("message") or ""))
    return []


def _money(fields: Mapping[str, Any], name: str, currency: str) -> int:
    """An amount as people type it ("1,250.50", "1250"), in minor units. Raises Invalid naming the field."""
    given = re.sub(r"[\s\u00a0'_]|^[^\d-]+|[^\d]+$", "", str(fields.get(name) or ""))
    if re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", given):
        given = given.replace(",", "")
    try:
        return Money.of(Decimal(given.replace(",", ".")), currency).minor
    except InvalidOperation:
        raise Invalid(name, "Please give the price as a number, for example 120 or 99.50.") from None


def _keep(desk: Desk, _params: Mapping[str, Any], _fields: Mapping[str, Any]) -> Parts:
    return [{"type": "event", "event": "kept", "facts": {}, "actions": []}]


def _trips(desk: Desk, _params: Mapping[str, Any], _fields: Mapping[str, Any]) -> Parts:
    return list(trip_tools.show_trips(desk).parts) or [{"type": "event", "event": "nothing_booked", "facts": {}, "actions": []}]


def _not_me(desk: Desk, params: Mapping[str, Any], _fields: Mapping[str, Any]) -> Parts:
    """A chat was linked to this account, and its owner says: by somebody else."""
    engine = desk.engine
    with engine.db.write() as tx:
        identities.unlink(tx, params["identity_id"], desk.actor.account_id, engine.clock())
    return [{"type": "event", "event": "link_removed", "facts": {}, "actions": []}]


def _withdraw(desk: Desk, params: Mapping[str, Any], _fields: Mapping[str, Any]) -> Parts:
    done = requests.withdraw(desk.engine, desk.actor, params["booking_id"])
    return [{"type": "event", "event": "request_withdrawn", "facts": done, "actions": []}]


VERBS: Mapping[str, Verb] = {
    "add": _add,
    "details": _details,
    "cart": _cart,
    "remove": _remove,
    "checkout": _checkout,
    "confirm": _confirm,
    "paid": _paid,
    "pay_balance": _pay_balance,
    "alternatives": _alternatives,
    "take_plan": _take_plan,
    "remember": _remember,
    "forget_trip": _forget_trip,
    "book_again": _book_again,
    "quote": _add,  # as buttons of earlier versions say it
    "accept_offer": _accept_offer,
    "decline_offer": _decline_offer,
    "counter_offer": _counter_offer,
    "human": _human,
    "leave_person": _leave_person,
    "withdraw": _withdraw,
    "change": _change,
    "confirm_change": _confirm_change,
    "trips": _trips,
    "rate": _rate,
    "not_me": _not_me,
    "cancel": _cancel,
    "confirm_cancel": _confirm_cancel,
    "keep": _keep,
}
YES_TO: Mapping[str, Verb] = {"checkout": _confirm, "cancellation": _confirm_cancel, "offer": _accept_offer, "change": _confirm_change}
