"""What to do about what was understood: a script of tool calls and one answer in words.

A script is a generator: it yields a step, is sent the tool's result, and returns the text. The planner holds no state:
every model call plays the script again over the results that are there, so it can be interrupted anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

from bot.offline import phrases
from bot.offline.adding import add
from bot.offline.basket import cancel, change, check_out, pay_balance, rebook, remove, restart, use_promo
from bot.offline.choosing import choose, other_time, tell_about, tell_if
from bot.offline.clock import Clock
from bot.offline.days import When
from bot.offline.finding import again, inform, search, unknown_city
from bot.offline.goal import Goal
from bot.offline.naming import name_travelers, names_in
from bot.offline.partners import partner_links, sold_elsewhere
from bot.offline.party import Party
from bot.offline.paying import look_for_payment, tell_total
from bot.offline.plan import Step, do, say
from bot.offline.planning import wide
from bot.offline.pointing import asked_about
from bot.offline.remembering import about_us
from bot.offline.scene import Scene, Script, trip_days
from bot.offline.state import resolved
from bot.offline.talk import ideas, show_help, unclear
from bot.offline.telling import facts_of_first, tell
from bot.offline.understand import understand
from bot.offline.values import units_of
from bot.offline.wishes import note, wish_of


def next_step(scene: Scene) -> Step:
    """The step after the results that are there. Results that do not belong to this script end the turn in words."""
    script = _script(scene)
    try:
        step = next(script)
        for name, result in scene.results:
            if step.call != name:
                return say(phrases.WHERE_WE_ARE)
            step = script.send(result)
    except StopIteration as end:
        return say(str(end.value))
    return step


def _script(scene: Scene) -> Script:
    if named := names_in(scene.words):
        return (yield from name_travelers(named, scene))
    in_cart = [line["product_id"] for line in scene.lines if line.get("product_id")]
    goals = understand(
        scene.words,
        scene.lexicon,
        scene.today,
        question=str(scene.trip.get("question", "")),
        shown=[one["product_id"] for one in scene.shown],
        in_cart=in_cart,
        trip=trip_days(scene.trip),
        latest=date.fromisoformat(scene.trip["start_date"]) if scene.trip.get("start_date") else None,
        topic=scene.trip.get("kind"),
    )
    if (whole := wide(scene, goals) or about_us(scene, goals)) is not None:
        return (yield from whole)
    told: list[str] = []
    trip = dict(scene.trip)
    agreed = goals[0].act == "yes" and len(goals) > 1  # "yes, and ...": the rest first, then the new total
    if agreed:
        goals = [_agreed(goal, scene) for goal in goals[1:]]
    goals = [resolved(goal, trip) for goal in goals]
    several = len([goal for goal in goals if goal.act == "search"]) > 1
    for goal in goals[:4]:
        here = replace(scene, several=several, facts={**scene.facts, "trip": _back_to(goal.kind, trip)})
        seen: list[tuple[str, Mapping[str, Any]]] = []
        text = yield from _watched(_handle(goal, here), seen)
        if text:
            told.append(text)
        if goal.needs.asks and goal.act in ("search", "inform"):
            told.append((yield from facts_of_first(goal, here)))
        _carry(trip, goal)
        for call, result in seen:
            if call == "search_offers" and result.get("offers"):
                trip |= {"shown": list(result["offers"]), "focus": None}
    if agreed and scene.lines:
        told.append((yield from check_out(scene)))
    return " ".join(dict.fromkeys(told)) or phrases.WHERE_WE_ARE


def _watched(script: Script, seen: list[tuple[str, Mapping[str, Any]]]) -> Script:
    """The script, with what its calls were answered kept in `seen`."""
    try:
        step = next(script)
        while True:
            result = yield step
            seen.append((step.call, result))
            step = script.send(result)
    except StopIteration as end:
        return str(end.value)


def _back_to(kind: str | None, trip: Mapping[str, Any]) -> Mapping[str, Any]:
    """The trip as it was for this kind, when the talk comes back to it: the hotel has its own nights."""
    plan: Mapping[str, Any] = (trip.get("plans") or {}).get(kind or "") or {}
    if kind in (None, trip.get("kind")) or not plan.get("date") or plan.get("city") != trip.get("city"):
        return trip
    return {**trip, "start_date": plan["date"], "end_date": plan.get("end_date"), "party": plan.get("party") or trip.get("party")}


def _agreed(goal: Goal, scene: Scene) -> Goal:
    """ "Yes, and for three": a change of what is in the cart, else the booking of what was talked about."""
    if goal.act != "inform" or goal.kind:
        return goal
    return replace(goal, act="change" if scene.lines else "choose" if scene.trip.get("focus") else goal.act)


def _carry(trip: dict[str, Any], goal: Goal) -> None:
    """What one goal said holds for the next one of the same message."""
    if goal.city:
        trip["city"] = goal.city
    if goal.when.start:
        trip["start_date"] = goal.when.start.isoformat()
        trip["end_date"] = goal.when.end.isoformat() if goal.when.end else None
    if goal.kind and goal.when.start:
        plan = {"city": trip.get("city"), "date": trip["start_date"], "end_date": trip.get("end_date")}
        trip["plans"] = {**(trip.get("plans") or {}), goal.kind: plan}
    if goal.party.said:
        trip["party"] = units_of(goal.party, trip)


def _handle(goal: Goal, scene: Scene) -> Script:
    if goal.party.zero:
        return phrases.NOBODY
    if goal.party.total > 50:
        yield do("suggest_replies", replies=["Talk to a person"])
        return phrases.TOO_MANY.format(count=goal.party.total)
    if goal.when.past or goal.when.impossible or goal.when.backwards:
        return (yield from _another_day(goal, scene))
    question = str(scene.trip.get("question", ""))
    focus = scene.trip.get("asked_about")
    answers = goal.act in ("inform", "choose", "change", "unclear", "search", "yes", "availability", "other_time") and question
    same_kind = goal.kind in (None, scene.lexicon.kinds.get(str(focus)))
    if answers and question == "start_time" and focus and (goal.clock != Clock() or goal.ordinal) and same_kind:
        return (yield from add(goal, scene, str(focus)))
    says_who_or_when = goal.party.said or goal.party.more or goal.when.start
    if question == "start_time" and focus and goal.act in ("inform", "change") and says_who_or_when and not (goal.kind or goal.words):
        return (yield from add(replace(goal, party=_with_more(goal, scene)), scene, str(focus)))
    elsewhere = bool(goal.city) and focus is not None and goal.city != scene.lexicon.city_of(str(focus))
    about_focus = goal.act in ("inform", "unclear", "change") and goal.says_something and not elsewhere
    if answers and question in ("date", "dates", "party") and focus and about_focus:
        return (yield from add(goal, scene, str(focus)))
    if goal.needs.asks and goal.act not in ("search", "inform", "choose", "is_it") and (known := asked_about(goal, scene)):
        return (yield from tell(goal, scene, known))
    if goal.act in ("search", "outside", "inform") and (others := sold_elsewhere(goal, scene)):
        return (yield from partner_links(goal, scene, others))
    match goal.act:
        case "is_it":
            return (yield from tell_if(goal, scene))
        case "search":
            return (yield from search(goal, scene))
        case "inform":
            return (yield from inform(goal, scene))
        case "choose":
            return (yield from choose(goal, scene))
        case "more" | "cheaper" | "better":
            return (yield from again(goal, scene))
        case "details" | "price" | "availability":
            return (yield from tell_about(goal, scene))
        case "other_time":
            return (yield from other_time(goal, scene))
        case "change":
            return (yield from change(goal, scene))
        case "remove":
            return (yield from remove(goal, scene))
        case "total":
            return (yield from tell_total(scene))
        case "checkout":
            if not scene.lines and "book" in goal.speech and (scene.trip.get("focus") or scene.shown):
                return (yield from choose(goal, scene))
            return (yield from check_out(scene))
        case "yes":
            if not scene.lines and (len(scene.shown) == 1 or scene.trip.get("focus")):
                return (yield from add(goal, scene, str(scene.trip.get("focus") or scene.shown[0]["product_id"])))
            return (yield from (check_out(scene) if scene.lines else show_help(scene)))
        case "language":
            yield do("suggest_replies", replies=["Talk to a person"])
            return phrases.LANGUAGE
        case "no":
            return phrases.FINE
        case "trips":
            yield do("show_trips")
            return phrases.TRIPS if scene.facts.get("bookings") else phrases.NO_TRIPS
        case "paid":
            return (yield from look_for_payment())
        case "promo":
            return (yield from use_promo(goal))
        case "cancel":
            return (yield from cancel(goal, scene))
        case "rebook":
            return (yield from rebook(goal, scene))
        case "balance":
            return (yield from pay_balance(goal, scene))
        case "deposit":
            return (yield from (check_out(scene) if scene.lines else pay_balance(goal, scene)))
        case "refund":
            yield do("ask_for_person", reason="policy", note=f"{goal.act}: {goal.text[:200]}")
            return phrases.POLICY_PERSON
        case "policy":
            return (yield from tell_about(goal, scene))
        case "how_pay":
            return phrases.HOW_PAY
        case "human":
            yield do("ask_for_person", reason="asked_for_human")
            return phrases.PERSON
        case "greet":
            return (yield from show_help(scene, greeting=True))
        case "thanks":
            return phrases.WELCOME
        case "bye":
            return phrases.BYE
        case "restart":
            return (yield from restart(scene))
        case "unknown_city":
            return (yield from unknown_city(goal, scene))
        case "outside":
            if goal.city:
                yield do("note_trip", city=goal.city)
            yield do("suggest_replies", replies=ideas(scene))
            return phrases.OUTSIDE
        case "help":
            return (yield from show_help(scene))
        case _:
            return (yield from unclear(scene))


def _with_more(goal: Goal, scene: Scene) -> Party:
    """ "One more person", counted."""
    if not goal.party.more:
        return goal.party
    known: Mapping[str, int] = scene.trip.get("party") or {"ADULT": 1}
    return Party(known.get("ADULT", 0) + goal.party.more, known.get("CHILD"), known.get("INFANT"))


def _another_day(goal: Goal, scene: Scene) -> Script:
    """A day that is over or that no calendar has: said so, asked again, and everything else kept."""
    if any((goal.city, goal.kind, goal.words, goal.party.said)):
        yield from note(wish_of(replace(goal, when=When()), scene))
    stay = (goal.kind or scene.trip.get("kind")) == "stay"
    yield do("ask_traveler", question="dates" if goal.when.backwards or stay else "date", product_id=scene.trip.get("asked_about"))
    if goal.when.impossible:
        return phrases.NO_SUCH_DAY.format(day=goal.when.impossible)
    if goal.when.backwards:
        return phrases.BACKWARDS
    return phrases.PAST.format(day=phrases.day(goal.when.start or scene.today, scene.today))
