"""The traveler's own page, opened by a signed link: what is booked, paid and owed, and everything that can be done about it.

Following the link shows, and only a POST with the page's proof acts; what costs or ends something is shown first.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import RedirectResponse, Response

from channels.house import House
from channels.mail.address import key_of
from channels.web import forms, session
from channels.web.chat import address
from channels.web.consoles import words
from channels.web.limits import Limits
from channels.web.views import page
from channels.web.vouchers import PRIVATE
from core import cancellations, changes, conversations, itinerary, letters, links, offers, people, preferences, requests, reviews, travelers
from core.engine import Actor, new_id
from core.errors import CoreError, Invalid, NotAllowed, NotFound, Refused
from core.money import Money
from core.payments import balances, collect
from core.payments.gateway import GatewayRefused, GatewayUnknown

STATES = {
    "ON_HOLD": ("warn", "Held for you"),
    "PENDING": ("info", "Waits for the host"),
    "CONFIRMED": ("ok", "Confirmed"),
    "REDEEMED": ("info", "Done"),
    "REJECTED": ("bad", "Declined"),
    "EXPIRED": ("bad", "Ran out"),
    "CANCELLED": ("bad", "Cancelled"),
}
SAID = {
    "changed": ("ok", "Your booking is changed."),
    "cancelled": ("info", "Your booking is cancelled. What comes back is on its way."),
    "accepted": ("ok", "You took the offer. Your places are held; please pay."),
    "settled": ("ok", "You took the offer."),
    "declined": ("info", "You turned the offer down. Nothing was charged."),
    "suggested": ("ok", "Your price is with the host now. The places stay held until they answer."),
    "named": ("ok", "The host has the names now."),
    "written": ("ok", "Your words are passed on. The answer comes to your conversation and by mail."),
    "reminders_off": ("info", "You get no mail on the day before any more. Bookings and changes are still confirmed by mail."),
    "reminders_on": ("ok", "You get a mail on the day before."),
    "reviewed": ("ok", "Thank you. Your review is shown with what you booked; you can change it for 14 days."),
    "withdrawn": ("info", "The request is taken back. Nothing was charged."),
    "delayed": ("warn", "The payment page does not answer yet. Your places are held; please try again in a minute."),
}
KINDS = {"ADULT": "Adults", "CHILD": "Children", "INFANT": "Infants", "YOUTH": "Youths", "SENIOR": "Seniors"}
FIELDS = 30  # names asked for on the page; a bigger group sends a list to the host
Text = Annotated[str, Form()]


@dataclass(frozen=True, slots=True)
class Guest:
    """Whose page it is, as the link says, with the proof the page's forms carry."""

    account_id: str
    token: str

    @property
    def proof(self) -> str:
        return session.csrf_of(f"trips:{self.token}")


def router(house: House, limits: Limits) -> APIRouter:
    api = APIRouter(prefix="/trips")
    engine = house.engine

    def guest(request: Request, token: str) -> Guest:
        limits.check("calendars", address(request))
        with engine.db.read() as tx:
            return Guest(links.open_trips(tx, token, engine.clock()), token)

    def acting(request: Request, token: str, proof: Text = "") -> Guest:
        """Whoever acts comes from the page itself."""
        one = guest(request, token)
        if not session.same_site(request) or not session.same(proof, one.proof):
            raise NotAllowed("This page was open for too long. Please open it again and repeat that.")
        return one

    Shown = Annotated[Guest, Depends(guest)]
    Acting = Annotated[Guest, Depends(acting)]

    def actor_of(one: Guest, booking_id: str) -> Actor:
        """The traveler, in the conversation the booking was made in. Raises NotFound for another's booking."""
        nobody = Actor(one.account_id, channel="trips")
        with engine.db.read() as tx:
            row = cancellations.find(tx, nobody, booking_id)
        return Actor(one.account_id, conversation_id=row.conversation_id, channel="trips")

    def show(
        request: Request, one: Guest, *, status: int = 200, tone: str = "", told: str = "", preview: Mapping[str, Any] | None = None
    ) -> Response:
        rows = itinerary.of_account(engine, one.account_id)
        with engine.db.read() as tx:
            contact = people.contact(tx, one.account_id)
            reminded = not preferences.is_off(tx, key_of(contact["email"]), "reminder")
        cards = [_card(row) for row in rows]
        return page(
            request,
            "trips.html",
            status=status,
            headers=PRIVATE,
            token=one.token,
            proof=one.proof,
            first_name=contact["name"].split(" ")[0],
            reminded=reminded if contact["email"] else None,
            ahead=[card for card in cards if not card["over"]],
            over=[card for card in cards if card["over"]],
            tone=tone,
            told=told,
            preview=preview,
            today=engine.clock().date(),
        )

    def back(one: Guest, done: str) -> Response:
        return RedirectResponse(f"/trips/{one.token}?done={done}", status_code=303, headers=PRIVATE)

    def carry_out(request: Request, one: Guest, do: Callable[[], Response]) -> Response:
        """Do it, or show the page with the reason why not."""
        try:
            return do()
        except (GatewayUnknown, GatewayRefused):
            return back(one, "delayed")
        except Invalid as error:
            return show(request, one, status=422, tone="warn", told=error.message)
        except (Refused, NotFound) as error:
            return show(request, one, status=409, tone="warn", told=error.message)
        except CoreError as error:
            return show(request, one, status=503, tone="warn", told=error.message)

    def to_pay(one: Guest, link: Mapping[str, Any]) -> Response:
        return RedirectResponse(link["url"], status_code=303, headers=PRIVATE) if link.get("url") else back(one, "delayed")

    @api.get("/{token}")
    def look(request: Request, one: Shown, done: str = "") -> Response:
        tone, told = SAID.get(done, ("", ""))
        return show(request, one, tone=tone, told=told)

    @api.post("/{token}/pay")
    def pay(request: Request, one: Acting, booking: Text) -> Response:
        """On to the payment page: of what is held, of a change that waits, or of the rest."""

        def do() -> Response:
            actor = actor_of(one, booking)
            row = next(
                (row for row in itinerary.of_account(engine, one.account_id) if booking in (row["booking_id"], row["reference"])), None
            )
            waits = (row["payment_id"] or (row["change"] or {}).get("payment_id")) if row is not None else None
            return to_pay(one, collect.ensure_link(engine, waits) if waits else balances.pay(engine, actor, booking))

        return carry_out(request, one, do)

    @api.post("/{token}/change")
    async def change(request: Request, token: str) -> Response:
        """What another day or party would cost. Nothing is changed yet."""
        form = {name: str(value) for name, value in (await request.form()).items()}
        return await to_thread.run_sync(_change, request, token, form)

    def _change(request: Request, token: str, form: Mapping[str, str]) -> Response:
        one = acting(request, token, form.get("proof", ""))

        def do() -> Response:
            booking = form.get("booking", "")
            units = {kind: forms.count(form[f"n-{kind}"], "units") for kind in KINDS if f"n-{kind}" in form}
            made = changes.propose(
                engine,
                actor_of(one, booking),
                booking,
                local_date=forms.day(form.get("day", ""), "day"),
                end_date=forms.day(form.get("end", ""), "end"),
                local_start=form.get("start") or None,
                units={kind: n for kind, n in units.items() if n} or None,
            )
            return show(request, one, preview=_preview_change(made))

        return carry_out(request, one, do)

    @api.post("/{token}/confirm-change")
    def confirm_change(request: Request, one: Acting, booking: Text, proposal: Text) -> Response:
        def do() -> Response:
            done = changes.commit(engine, actor_of(one, booking), proposal)
            return to_pay(one, collect.ensure_link(engine, done["payment"])) if done["payment"] else back(one, "changed")

        return carry_out(request, one, do)

    @api.post("/{token}/cancel")
    def cancel(request: Request, one: Acting, booking: Text) -> Response:
        """What cancelling would give back. Nothing is cancelled yet."""

        def do() -> Response:
            return show(request, one, preview=_preview_cancel(cancellations.propose(engine, actor_of(one, booking), booking)))

        return carry_out(request, one, do)

    @api.post("/{token}/confirm-cancel")
    def confirm_cancel(request: Request, one: Acting, booking: Text, proposal: Text) -> Response:
        def do() -> Response:
            cancellations.commit(engine, actor_of(one, booking), proposal)
            return back(one, "cancelled")

        return carry_out(request, one, do)

    @api.post("/{token}/offer")
    def answer(
        request: Request, one: Acting, booking: Text, offer: Text, do: Text, currency: Text = "", price: Text = "", message: Text = ""
    ) -> Response:
        def answered() -> Response:
            actor = actor_of(one, booking)
            if do == "accept":
                done = offers.accept(engine, actor, offer)
                return back(one, "accepted" if done["status"] == "ON_HOLD" else "settled")
            if do == "decline":
                offers.decline(engine, actor, offer, message=message)
                return back(one, "declined")
            if do != "counter":
                raise Invalid("do", "An offer can be taken, turned down, or answered with a price of your own.")
            wished = forms.amount(price, currency)
            if wished is None:
                raise Invalid("price", "Which price would you pay for everything?")
            offers.ask_again(engine, actor, offer, amount=wished, message=message)
            return back(one, "suggested")

        return carry_out(request, one, answered)

    @api.post("/{token}/withdraw")
    def withdraw(request: Request, one: Acting, booking: Text) -> Response:
        def do() -> Response:
            requests.withdraw(engine, actor_of(one, booking), booking)
            return back(one, "withdrawn")

        return carry_out(request, one, do)

    @api.post("/{token}/travelers")
    async def name(request: Request, token: str) -> Response:
        """Who comes along, one field a person; the names replace those before."""
        form = await request.form()
        told = [str(value) for value in form.getlist("traveler")]
        return await to_thread.run_sync(_name, request, token, str(form.get("proof", "")), str(form.get("booking", "")), told)

    def _name(request: Request, token: str, proof: str, booking: str, told: list[str]) -> Response:
        one = acting(request, token, proof)

        def do() -> Response:
            travelers.give_names(engine, actor_of(one, booking), booking, [each for each in told if each.strip()])
            return back(one, "named")

        return carry_out(request, one, do)

    @api.post("/{token}/write")
    def write(request: Request, one: Acting, booking: Text, text: Text = "") -> Response:
        """A few words to whom it was booked with; they are told without the traveler's address."""

        def do() -> Response:
            letters.to_provider(engine, actor_of(one, booking), booking, text, key=new_id())
            return back(one, "written")

        return carry_out(request, one, do)

    @api.post("/{token}/reminders")
    def reminders(request: Request, one: Acting, on: Text = "") -> Response:
        """Mail on the day before, or none."""
        with engine.db.write() as tx:
            email = people.contact(tx, one.account_id)["email"]
            preferences.set_off(tx, key_of(email), "reminder", on != "yes", engine.clock())
        return back(one, "reminders_on" if on == "yes" else "reminders_off")

    @api.post("/{token}/review")
    def review(request: Request, one: Acting, booking: Text, stars: Text, text: Text = "") -> Response:
        """Stars and, if they like, words about what is over; the same form changes them."""

        def do() -> Response:
            given = forms.count(stars, "stars")
            reviews.rate(engine, actor_of(one, booking), booking, stars=given, text=text)
            return back(one, "reviewed")

        return carry_out(request, one, do)

    @api.post("/{token}/chat")
    def talk(request: Request, one: Acting) -> Response:
        """Back into the conversation, on whatever device this is; the page itself hands the session over, no address does."""
        now = engine.clock()
        with engine.db.write() as tx:
            latest = conversations.to_resume(tx, one.account_id)
            opened = people.open_session(tx, one.account_id, "chat", now, conversation_id=latest)
        return page(request, "resume.html", headers=PRIVATE, session_token=opened, conversation=latest)

    @api.post("/{token}/take-back")
    def take_back(request: Request, one: Acting) -> Response:
        """The traveler ends every link to this page and to their vouchers."""
        links.take_back(engine, Actor(one.account_id, channel="trips"), one.account_id)
        return page(request, "link_ended.html", headers=PRIVATE)

    return api


def _card(row: dict[str, Any]) -> dict[str, Any]:
    tone, state = STATES[row["status"]]
    currency = row["currency"]
    offer, change = row["offer"], row["change"]
    pays_there = row["pay_at_provider"] and row["status"] in ("CONFIRMED", "PENDING")
    return {
        **row,
        "tone": tone,
        "state": "Another price or day is offered" if offer else state,
        "when": words.when(row["date"], row["end_date"], row["start"]),
        "party": words.party(row["units"]),
        "price": Money(row["amount"], currency).text(),
        "paid_text": "at the host's place" if pays_there else Money(row["paid"], currency).text(),
        "owed_text": Money(row["owed"], currency).text() if row["owed"] and row["status"] == "CONFIRMED" else "",
        "due": words.moment(row["balance_due_at"], row["time_zone"]) if row["balance_due_at"] and row["owed"] else "",
        "held_until": words.moment(row["pay_by"], row["time_zone"]) if row["status"] == "ON_HOLD" and row["pay_by"] else "",
        "kinds": [(kind, KINDS[kind], row["units"].get(kind, 0)) for kind in row["unit_types"] if kind in KINDS],
        "names": [*row["travelers"], *[""] * (row["people"] - len(row["travelers"]))][:FIELDS] if row["names_wanted"] else [],
        "offered": None
        if offer is None
        else {
            **offer,
            "price": Money(offer["amount"], currency).text(),
            "when": words.when(offer["date"], offer["end_date"], offer["start"]),
            "until": words.moment(offer["valid_until"], row["time_zone"]),
        },
        "changing": None
        if change is None
        else {
            "due": Money(change["due"], currency).text(),
            "until": words.moment(change["until"], row["time_zone"]),
            "when": words.when(change["values"]["local_date"], change["values"]["end_date"], change["values"]["local_start"]),
            "party": words.party(change["values"]["units"]),
        },
    }


def _preview_change(made: Mapping[str, Any]) -> dict[str, Any]:
    currency = made["currency"]
    lines = [
        (
            "Now booked",
            f"{words.when(made['before']['date'], made['before']['end_date'], made['before']['start'])}, {words.party(made['before']['units'])}",
        ),
        ("It would be", f"{words.when(made['date'], made['end_date'], made['start'])}, {words.party(made['units'])}"),
        ("Price until now", Money(made["before"]["amount"], currency).text()),
        ("New price", Money(made["amount"], currency).text()),
    ]
    for name, key in (
        ("To pay now", "due_now"),
        ("Added to the rest", "later"),
        ("You get back", "refund"),
        ("Kept by the conditions", "kept"),
    ):
        if made[key]:
            lines.append((name, Money(made[key], currency).text()))
    return {
        "title": f"Change {made['title']}?",
        "lines": lines,
        "act": "confirm-change",
        "button": "Change and pay" if made["due_now"] else "Change this booking",
        "booking": made["booking_id"],
        "proposal": made["proposal_id"],
        "danger": False,
    }


def _preview_cancel(made: Mapping[str, Any]) -> dict[str, Any]:
    currency = made["currency"]
    lines = [("Paid so far", Money(made["paid"], currency).text()), ("You get back", Money(made["refund"], currency).text())]
    if made["until"]:
        lines.append(("This holds until", words.moment(made["until"])))
    return {
        "title": f"Cancel {made['title']}?",
        "lines": lines,
        "act": "confirm-cancel",
        "button": "Cancel this booking",
        "booking": made["booking_id"],
        "proposal": made["proposal_id"],
        "danger": True,
    }
