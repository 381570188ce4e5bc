"""What the planner says, in English. Amounts and titles come from tools; nothing here states a rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from bot.offline.days import When

NONE_START = "Sorry, there are no"
UNCLEAR_START = "I'm not sure I understood"
UNCLEAR = UNCLEAR_START + " that. I can find and book stays, activities, tables, transfers and guides. Here are three things that work:"
UNCLEAR_AGAIN = UNCLEAR_START + ", sorry. A travel expert can take over here, or try one of these:"
HELLO = (
    "Hello! Tell me where you would like to go, when and with how many people, in your own words. "
    "I find and book stays, activities, restaurants, transfers and guides in {count} cities, such as {cities}."
)
HELP = (
    "I find real offers with their true availability and price, put them into one cart and take you to a safe payment page. "
    "We sell in {count} cities, such as {cities}. A person can take over any time."
)
OUTSIDE = "That is outside what I can do. I plan and book trips here; for example:"
NOBODY = "At least one person has to travel. How many are you?"
TOO_MANY = "For {count} people a travel expert should look at it: up to 50 can be booked here at once. Shall I get a person?"
NO_SUCH_DAY = "There is no {day}. Which day would you like?"
BACKWARDS = "The day you leave has to be after the day you arrive. When do you arrive and leave?"
START_FIRST = "One thing first: at what time would you like {title}? It is not in your cart yet."
OTHER_CURRENCY = "Prices here are in {currency}, so I could not compare them with your budget."
PAST = "{day} is in the past. Which day from today on would you like?"
ELSEWHERE = "We do not sell that ourselves; here is where it can be had: {names}. What you book there is not part of your total here."
FLIGHT_NEEDS = "We do not sell flights ourselves. Tell me the day and the code of your airport, for example: a flight from BER to Lisbon on 5 December, and I show you where to look."
ASK_HOME = "I know that in {cities}. Which of them would you like?"
ASK_CITY = "Where would you like to go? We sell in {cities} and more."
UNKNOWN_CITY = "We have nothing in {city} yet. We sell in {cities}. Would one of these do?"
WHERE_WE_ARE = "That is where we are now. What would you like to do next?"
TROUBLE = "That did not work just now, sorry; nothing was changed. Please try again, or ask for a person."
FINE = "No problem. Tell me what you would like instead."
LANGUAGE = "I understand English best. I can also take bookings in Spanish. One of our travel experts may speak your language; shall I get a person?"
SPEAKS = {"en": "I speak English now.", "es": "I speak Spanish now."}
MEMORY = "Here is what I know. Tell me what is wrong."
FORGOTTEN = "I have forgotten that. What is in your cart or booked stays."
CURRENCY = "From now on I also say about what it is in {currency}. You pay in the currency it is sold in."
WELCOME = "You're welcome! Is there anything else I can do for your trip?"
BYE = "Have a wonderful trip! Your cart and bookings stay right here."
NOTHING = "I found nothing that fits in {place}. Shall we try something else?"
OTHER_DAYS = "Nothing that fits is free in {place} on {day}, but these are in the days after:"
MORE = "Here are more:"
NO_MORE = "That was everything that fits. Try other dates, another budget or another kind of thing."
BEST_RATED = "Here are the best rated ones:"
CHEAPER = "Here they are with the lowest prices first:"
BY_PRICE = "Here they are, the lowest price first:"
SUGGEST = "Then I suggest {title}. Shall I book it?"
ALL_HAVE = "There are no {many} like that without {what}: all of them have it. What may I change?"
HOW_LONG = "How many nights would you like to stay at {title}?"
INSTEAD = "The listing of that one does not say. This one fits as well: {answer}"
REPLACED = "I took {title} out for it."
NOT_POSSIBLE = "Sorry, that is not possible: {why}"
RELAXED = "Nothing has all of that together; without “{left_out}” there is this:"
BOOKED_ALREADY = "{title} is booked already for that day: {reference}. Tell me another day or time if you want it twice."
WHERE_FROM_TO = {"from": "Where do you leave from?", "to": "Where are you going to?"}
TICKETS = "How many tickets do you need?"
BOOK_IT = "Shall I book it?"
NOT_AT = "{title} is not available at {at}. It is at {starts}. Which time would you like?"
ASK_ANY_START = "At what time would you like {title}? Any time between {first} and {last} may do."
WHICH = "Which one do you mean? Tell me its number or name."
ONLY_SHOWN = "I have shown {count} so far. Which of these do you mean?"
AMBIGUOUS = "I took {day}; tell me if you meant {other}."
ASK_START = "At what time would you like {title}? It starts at {starts}."
ONE_START = "{title} has one start time only: {start}."
SOLD_OUT = "{why} It is free on {days}. Which day suits you?"
PRICE = "{title} comes to {total} for your day and party:"
CHANGE_WHAT = "What should I change about {title}: the day, the time or the number of people?"
REMOVE_WHICH = "Which one should I take out? Here is your cart:"
REMOVED = "I took out {titles}."
EMPTY = "Your cart is empty. Tell me where you want to go and what you feel like doing."
PAID = "Thank you, the payment has arrived."
NOT_PAID = "I asked the payment system: it has not been paid yet. The payment page is still open:"
NOTHING_OPEN = "There is nothing waiting to be paid here right now."
WHICH_CODE = "Which code would you like to use?"
ADDED = "Good choice. Would you like something else with it? Say \u201ccheckout\u201d when you are ready."
ADDED_MORE = "Done. Anything else, or shall we check out?"
CODE_USED = "The code {code} is in."
HOW_PAY = (
    "When you confirm the total, I hold your places and give you a link to a secure payment page; you pay by card there. "
    "Requests are paid only after the provider has said yes, and some restaurants are paid at the table."
)
NO_CARDS = (
    "Please never write a card number here; I have removed it. You pay on the secure payment page after you have confirmed the total."
)
PERSON = "Of course. You can go on asking me meanwhile."
POLICY_PERSON = "That needs a person, and I have told them what it is about."
TRIPS = "Here is what you have booked and asked for:"
CANCEL = "Here is what cancelling {title} would mean. Nothing is cancelled until you press the button or say yes."
CANCEL_WHICH = "Which of these would you like to cancel? Use its button."
CHANGE_WHICH = "Which of these would you like to change, and to which day or how many people? Its button asks for both."
CHANGE_BOOKED = "Here is what changing {title} would mean. Nothing changes until you press the button or say yes."
PAY_WHICH = "Which of these would you like to pay? Use its button."
NOTHING_OWED = "Everything you have booked is paid."
BALANCE = "Here is the page for the rest, {amount}."
NAMED = "The host knows now who comes: {names}."
NAMES_LEFT = " {left} more can be named."
NAME_WHICH = "For which booking are these names? Say it with its reference, such as: the travelers for {reference} are {names}."
NO_TRIPS = "Nothing is booked yet."
RESTARTED = "All right, a fresh start. Where would you like to go?"

PLAN_WHERE = "Gladly. For which city should I plan?"
PLAN_ASK = {
    "date": "Gladly, {days} days in {place}. Which day do you arrive, and how many people are you?",
    "date_only": "Gladly, {days} days in {place}. Which day do you arrive?",
    "party": "Gladly, {days} days in {place}. How many people are you?",
}
PLAN_NOTHING = "I found nothing free for {days} days in {place} that fits. A larger budget, other days or another city may."
WHICH_PLAN = "Which of the {count} plans would you like?"
PLAN_TAKEN = "All {count} things of the plan are in your cart. Say \u201ccheckout\u201d when you are ready, or change single things first."
PLAN_PARTLY = "I put the plan into your cart, apart from {missed}."
COMPARED = "Here they are side by side:"
INSTEAD_OF = {
    "same": "Like {title}, there is this:",
    "cheaper": "Like {title} but cheaper, there is this:",
    "earlier": "Earlier than {title} now is, there is this:",
    "later": "Later than {title} now is, there is this:",
}
NOTHING_LIKE = {
    "same": "I found nothing like {title} that is free then.",
    "cheaper": "I found nothing like {title} that is cheaper.",
    "earlier": "I found nothing like {title} that starts earlier that day.",
    "later": "I found nothing like {title} that starts later that day.",
}

ASK = {
    "date": "Which day would you like, and how many people are you?",
    "dates": "When do you arrive and leave, and how many people are you?",
    "party": "How many people are you?",
    "date_only": "Which day would you like?",
    "dates_only": "When do you arrive and leave?",
    "party_only": "How many people are you?",
}
ASK_FOR = {
    "date": "Which day would you like {title}, and for how many people?",
    "dates": "When would you like to stay at {title}, and how many people are you?",
    "party": "How many people is {title} for?",
    "date_only": "Which day would you like {title}?",
    "dates_only": "When do you arrive at {title}, and when do you leave?",
    "party_only": "How many people is {title} for?",
}
PLURAL = {
    "stay": ("place to stay", "places to stay"),
    "activity": ("activity", "activities"),
    "dining": ("table", "restaurants"),
    "transport": ("ride", "rides"),
    "guide": ("guide", "guides"),
    None: ("something", "things"),
}
LOOSENED = {
    "time": "Nothing starts at exactly that time, but I found {what}",
    "budget": "Nothing fits that budget; the nearest I found: {what}",
    "words": "I found nothing called that, but here is {what}",
    "kind": "I found {what}",
}


def none_with(wish: Mapping[str, Any], place: str, fewer: Sequence[str], *, full: bool) -> str:
    """Nothing carries all that has to hold; how many there would be without one of it; `full`: there is one, but not then."""
    _, many = PLURAL.get(wish.get("kind"), PLURAL[None])
    what = listed([str(tag) for tag in wish["must"]])
    if full:
        return f"I found {many} in {place} that are {what}, but unfortunately they are not available then. Would another time or day do?"
    text = f"{NONE_START} {many} in {place} that are {what}."
    return f"{text} I would find {listed(fewer)}. What may I change?" if fewer else f"{text} What may I change?"


def references(bookings: Sequence[Mapping[str, Any]]) -> str:
    """The references of what is booked."""
    booked = [f"{one['title']}: {one['reference']}" for one in bookings if one.get("status") in ("CONFIRMED", "PENDING", "ON_HOLD")]
    return f"Your reference: {'; '.join(booked)}." if booked else "You get the reference when it is booked."


def day(one: date, today: date | None = None) -> str:
    """Sat 5 Dec; beside a `today`, with the year where it is another one."""
    return f"{one:%a} {one.day} {one:%b}" + (f" {one.year}" if today is not None and one.year != today.year else "")


def listed(items: Sequence[str]) -> str:
    """a, b and c."""
    items = [item for item in items if item]
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


def refused(result: Mapping[str, Any]) -> str:
    if result.get("error") in ("internal", "unreadable", "try_again", "busy"):
        return TROUBLE
    return str(result.get("message") or WHERE_WE_ARE)


def party(wish: Mapping[str, Any]) -> str:
    adults, children, infants = (int(wish.get(key) or 0) for key in ("adults", "children", "infants"))
    total = adults + children + infants
    if not total:
        return ""
    small = {1: "one person", 2: "two"}
    if children or infants:
        shown = [f"{adults} adult{'s' * (adults != 1)}" if adults else ""]
        shown.append(f"{children} {'child' if children == 1 else 'children'}" if children else "")
        shown.append(f"{infants} infant{'s' * (infants != 1)}" if infants else "")
        return " for " + listed(shown)
    return f" for {small.get(total, total)}"


def found(result: Mapping[str, Any], wish: Mapping[str, Any], place: str, loosened: str, when: When, today: date) -> str:
    """ "I found 5 activities in Lisbon for two on Sat 5 Dec. ..." """
    count = int(result["found"])
    one, many = PLURAL.get(wish.get("kind") if loosened != "kind" else None, PLURAL[None])
    article = "" if one == "something" else "an " if one[0] in "aeiou" else "a "
    what = f"{article}{one}" if count == 1 else f"{count} {many}"
    where = f" in {place}" if place else ""
    start = date.fromisoformat(wish["date"]) if wish.get("date") else None
    end = date.fromisoformat(wish["end_date"]) if wish.get("end_date") else None
    days = ""
    if start and end:
        joint = "from {a} to {b}" if wish.get("kind") == "stay" else "between {a} and {b}"
        days = " " + joint.format(a=day(start), b=day(end))
    elif start:
        days = f" on {day(start)}"
    if result.get("others") and not loosened:
        text = (
            f"I found {what}{where}{party(wish)}{days} that fits best, and others of its kind below."
            if count == 1
            else (f"I found {what}{where}{party(wish)}{days} that fit best, and others of their kind below.")
        )
        return _with_notes(text, result, count, when, start)
    begin = LOOSENED[loosened].format(what=what) if loosened else f"I found {what}"
    if loosened == "words" and count != 1:
        begin = f"I found nothing called that, but here are {what}"
    return _with_notes(f"{begin}{where}{party(wish)}{days}.", result, count, when, start)


def _with_notes(text: str, result: Mapping[str, Any], count: int, when: When, start: date | None) -> str:
    """What has to be said with any result: requests, and a day that can be read in two ways."""
    asked = [offer for offer in result.get("offers") or () if offer.get("booking") == "REQUEST"]
    if asked and len(asked) == count:
        text += " The provider confirms each of these before you pay."
    elif asked:
        text += " Those marked \u201cOn request\u201d are confirmed by the provider before you pay."
    if when.ambiguous and start:
        text += " " + AMBIGUOUS.format(day=day(start), other=day(when.ambiguous))
    return text


def added(result: Mapping[str, Any]) -> str:
    count = len((result.get("cart") or {}).get("lines") or ())
    return ADDED_MORE if count > 1 else ADDED


def changed() -> str:
    return "Done."


def kept(result: Mapping[str, Any], title: str) -> str:
    return f"I left {title} as it was: {refused(result)}"


def total(cart: Mapping[str, Any]) -> str:
    lines, totals = cart.get("lines") or (), cart.get("totals") or {}
    if not lines:
        if cart.get("unpaid"):
            return "Your cart is empty, and a payment is still open."
        return EMPTY if not cart.get("waiting") else "Your cart is empty; this is still on its way:"
    sums = listed([str(parts.get("payable", "")) for parts in totals.values()])
    if not sums:
        return "Everything in your cart is booked on a partner's site:"
    return f"Your total is {sums} for {len(lines)} {'item' if len(lines) == 1 else 'items'}:"


def proposal(made: Mapping[str, Any]) -> str:
    start = "Some prices have changed since you added them. " if made.get("price_changes") else ""
    later = any("if_approved" in parts for parts in (made.get("totals") or {}).values())
    wait = " Requests are only paid once the provider has said yes." if later else ""
    if made.get("or_deposit"):
        wait += " A deposit is enough for now; the rest can be paid later."
    return f"{start}Here is exactly what you would book. Shall I confirm it? Tap Confirm (or say yes) and I hold your places.{wait}"


def planned(made: Mapping[str, Any], days: int, place: str) -> str:
    """How many plans there are, whether they hold to the budget, and what to do with them."""
    plans = made["plans"]
    count = {1: "one way", 2: "two ways", 3: "three ways"}[len(plans)]
    money = f", each within {'about ' if made.get('budget_is_estimate') else ''}{made['budget']}" if made.get("budget") else ""
    text = f"Here {'is' if len(plans) == 1 else 'are'} {count} to spend {days} {'day' if days == 1 else 'days'} in {place}{money}."
    if days > 1 and any(plan["stay"] is None for plan in plans):
        text += " Not each of them has a place to stay: none was free for that money."
    return text + " Nothing is booked yet: take one by its button or number, or tell me what to change."


def availability(result: Mapping[str, Any], title: str, asked: date | None) -> str:
    if result.get("ok") is False:
        return refused(result)
    free = result.get("free_days") or ()
    if asked and free and free[0]["date"] == asked.isoformat():
        starts = free[0].get("starts")
        left = free[0].get("left")
        text = f"Yes, {title} is free on {day(asked)}"
        text += f" at {listed(list(starts))}" if starts else ""
        return text + (f", {left} places left." if left else ".")
    days = [day(date.fromisoformat(one["date"])) for one in free[:4]] or [
        day(date.fromisoformat(one)) for one in result.get("next_free") or ()
    ]
    if asked:
        return f"{title} is not free on {day(asked)}. " + (f"It is on {listed(days)}." if days else "I see no free day soon.")
    return f"{title} is free on {listed(days)}." if days else f"I see no free day for {title} soon."


def details(result: Mapping[str, Any], question: str) -> str:
    """The part of the facts a question is about, else the whole in short."""
    if result.get("ok") is False:
        return refused(result)
    title = result["title"]
    if "cancel" in question:
        tiers = [
            f"{tier['refund_percent']:g} % back up to {tier['hours_before']} hours before" for tier in result.get("cancellation") or ()
        ]
        return f"{title}: {listed(tiers)}." if tiers else f"{title} cannot be cancelled for a refund."
    if ("where" in question or "meet" in question or "located" in question) and result.get("meeting_point"):
        return f"{title}: {result['meeting_point']}."
    if ("how long" in question or "duration" in question) and result.get("duration_minutes"):
        minutes = int(result["duration_minutes"])
        hours = f"{minutes // 60} h{f' {minutes % 60} min' if minutes % 60 else ''}" if minutes >= 60 else f"{minutes} min"
        return f"{title} takes {hours}."
    if "age" in question and result.get("min_age"):
        return f"{title} is for people aged {result['min_age']} and over."
    return f"Here is more about {title}:"
