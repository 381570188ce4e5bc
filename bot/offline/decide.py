"""What to do about what was understood: a script of tool calls and one answer in words.

A script is a generator: it yields a step, is sent the tool's result, and returns the text. The planner holds no state:
every model call plays the script again over the results that are there, so it can be interrupted anywhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from bot.memory import CONTEXT_NAME
from bot.offline import facts, phrases
from bot.offline.grammar import Clock, Party, When
from bot.offline.needs import Needs
from bot.offline.plan import Step, do, say
from bot.offline.understand import PICK_ONE, Goal, Lexicon, understand
from core.search import fold

Script = Generator[Step, Mapping[str, Any], str]
EXAMPLE_CITIES = 3
ONE_OF_THEM = re.compile(r"^(?:and |ok |yes |also |then )*(?:the|that) \w+(?: \w+)?(?: (?:at|on|for) .{1,20})?[.!]*$")  # "the tour at ten"
LONGEST_STRETCH = 14  # days: what is longer is a time of the year, not the days of a stay


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything the planner may look at: the facts, the words, and what its tools answered so far in this turn."""

    facts: Mapping[str, Any]
    words: str
    results: Sequence[tuple[str, Mapping[str, Any]]]
    last_search: Mapping[str, Any]
    failed_before: bool
    lexicon: Lexicon
    several: bool = False  # one message asks for several things

    @property
    def today(self) -> date:
        return date.fromisoformat(self.facts.get("today", "2026-01-01"))

    @property
    def trip(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.facts.get("trip") or {}
        return found

    @property
    def shown(self) -> Sequence[Mapping[str, Any]]:
        found: Sequence[Mapping[str, Any]] = self.trip.get("shown") or ()
        return found

    @property
    def lines(self) -> Sequence[Mapping[str, Any]]:
        found: Sequence[Mapping[str, Any]] = (self.facts.get("cart") or {}).get("lines") or ()
        return found


def read_scene(messages: Sequence[BaseMessage], lexicon: Lexicon) -> Scene:
    """Take the graph's messages apart: the snapshot, the traveler's words, this turn's results, the last search before it."""
    at = max((i for i, m in enumerate(messages) if isinstance(m, HumanMessage) and m.name != CONTEXT_NAME), default=-1)
    facts: Mapping[str, Any] = {}
    last_search: Mapping[str, Any] = {}
    failed = False
    for message in messages[: max(at, 0)]:
        if isinstance(message, HumanMessage) and message.name == CONTEXT_NAME:
            text = str(message.text)
            facts = json.loads(text[text.index("{") :])
        elif isinstance(message, AIMessage):
            failed = message.text.startswith(phrases.UNCLEAR_START)
            for call in message.tool_calls:
                if call["name"] == "search_offers":
                    last_search = call["args"]
    results: list[tuple[str, Mapping[str, Any]]] = []
    for message in messages[at + 1 :] if at >= 0 else ():
        if isinstance(message, ToolMessage):
            results.append((str(message.name), _json(str(message.text))))
    words = str(messages[at].text) if at >= 0 else ""
    return Scene(facts, words, results, last_search, failed, lexicon)


def _json(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except json.JSONDecodeError:
        return {"ok": False, "error": "unreadable", "message": text[:200]}
    return found if isinstance(found, dict) else {"ok": True, "value": found}


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
    in_cart = [line["product_id"] for line in scene.lines if line.get("product_id")]
    goals = understand(
        scene.words,
        scene.lexicon,
        scene.today,
        question=str(scene.trip.get("question", "")),
        shown=[one["product_id"] for one in scene.shown],
        in_cart=in_cart,
        trip=_trip_days(scene.trip),
        topic=scene.trip.get("kind"),
    )
    told: list[str] = []
    trip = dict(scene.trip)
    agreed = goals[0].act == "yes" and len(goals) > 1  # "yes, and ...": the rest first, then the new total
    if agreed:
        goals = [_agreed(goal, scene) for goal in goals[1:]]
    several = len([goal for goal in goals if goal.act == "search"]) > 1
    for goal in goals[:4]:
        here = replace(scene, several=several, facts={**scene.facts, "trip": trip})
        text = yield from _handle(goal, here)
        if text:
            told.append(text)
        if goal.needs.asks and goal.act in ("search", "inform"):
            told.append((yield from _facts_of_first(goal, here)))
        _carry(trip, goal)
    if agreed and scene.lines:
        told.append((yield from _checkout(scene)))
    return " ".join(dict.fromkeys(told)) or phrases.WHERE_WE_ARE


def _agreed(goal: Goal, scene: Scene) -> Goal:
    """ "Yes, and for three": a change of what is in the cart, else the booking of what was talked about."""
    if goal.act != "inform" or goal.kind:
        return goal
    return replace(goal, act="change" if scene.lines else "choose" if scene.trip.get("focus") else goal.act)


def _trip_days(trip: Mapping[str, Any]) -> tuple[date, date] | None:
    """The days the trip is about, for "on the 13th" and "on Friday"."""
    if not trip.get("start_date"):
        return None
    first = date.fromisoformat(trip["start_date"])
    return first, date.fromisoformat(trip["end_date"]) if trip.get("end_date") else first


def _carry(trip: dict[str, Any], goal: Goal) -> None:
    """What one goal said holds for the next one of the same message."""
    if goal.city:
        trip["city"] = goal.city
    if goal.when.start:
        trip["start_date"] = goal.when.start.isoformat()
        trip["end_date"] = goal.when.end.isoformat() if goal.when.end else None
    if goal.party.said:
        trip["party"] = _units(goal.party, trip)


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
        return (yield from _add(goal, scene, str(focus)))
    elsewhere = bool(goal.city) and focus is not None and goal.city != scene.lexicon.city_of(str(focus))
    about_focus = goal.act in ("inform", "unclear", "change") and goal.says_something and not elsewhere
    if answers and question in ("date", "dates", "party") and focus and about_focus:
        return (yield from _add(goal, scene, str(focus)))
    if goal.needs.asks and goal.act not in ("search", "inform", "choose") and (known := _asked_about(goal, scene)):
        return (yield from _tell(goal, scene, known))
    match goal.act:
        case "search":
            return (yield from _search(goal, scene))
        case "inform":
            return (yield from _inform(goal, scene))
        case "choose":
            return (yield from _choose(goal, scene))
        case "more" | "cheaper" | "better":
            return (yield from _again(goal, scene))
        case "details" | "price" | "availability":
            return (yield from _about(goal, scene))
        case "other_time":
            return (yield from _other_time(goal, scene))
        case "change":
            return (yield from _change(goal, scene))
        case "remove":
            return (yield from _remove(goal, scene))
        case "total":
            return (yield from _total(scene))
        case "checkout":
            if not scene.lines and "book" in goal.speech and (scene.trip.get("focus") or scene.shown):
                return (yield from _choose(goal, scene))
            return (yield from _checkout(scene))
        case "yes":
            if not scene.lines and (len(scene.shown) == 1 or scene.trip.get("focus")):
                return (yield from _add(goal, scene, str(scene.trip.get("focus") or scene.shown[0]["product_id"])))
            return (yield from (_checkout(scene) if scene.lines else _help(scene)))
        case "language":
            yield do("suggest_replies", replies=["Talk to a person"])
            return phrases.LANGUAGE
        case "no":
            return phrases.FINE
        case "trips":
            yield do("show_trips")
            return phrases.TRIPS if scene.facts.get("bookings") else phrases.NO_TRIPS
        case "paid":
            return (yield from _paid())
        case "promo":
            return (yield from _promo(goal))
        case "cancel":
            return (yield from _cancel(goal, scene))
        case "refund":
            yield do("ask_for_person", reason="policy", note=f"{goal.act}: {goal.text[:200]}")
            return phrases.POLICY_PERSON
        case "policy":
            return (yield from _about(goal, scene))
        case "how_pay":
            return phrases.HOW_PAY
        case "human":
            yield do("ask_for_person", reason="asked_for_human")
            return phrases.PERSON
        case "greet":
            return (yield from _help(scene, greeting=True))
        case "thanks":
            return phrases.WELCOME
        case "bye":
            return phrases.BYE
        case "restart":
            return (yield from _restart(scene))
        case "unknown_city":
            return (yield from _unknown_city(goal, scene))
        case "outside":
            yield do("suggest_replies", replies=_ideas(scene))
            return phrases.OUTSIDE
        case "help":
            return (yield from _help(scene))
        case _:
            return (yield from _unclear(scene))


def _another_day(goal: Goal, scene: Scene) -> Script:
    """A day that is over or that no calendar has: said so, asked again, and everything else kept."""
    if any((goal.city, goal.kind, goal.words, goal.party.said)):
        yield from _note(_wish(replace(goal, when=When()), scene))
    stay = (goal.kind or scene.trip.get("kind")) == "stay"
    yield do("ask_traveler", question="dates" if goal.when.backwards or stay else "date", product_id=scene.trip.get("asked_about"))
    if goal.when.impossible:
        return phrases.NO_SUCH_DAY.format(day=goal.when.impossible)
    if goal.when.backwards:
        return phrases.BACKWARDS
    return phrases.PAST.format(day=phrases.day(goal.when.start or scene.today, scene.today))


# ── finding ───────────────────────────────────────────────────────────────────────────────────────


def _units(party: Party, trip: Mapping[str, Any]) -> dict[str, int]:
    known: Mapping[str, int] = trip.get("party") or {}
    adults = party.adults if party.adults is not None else known.get("ADULT", 1)
    units = {"ADULT": adults, "CHILD": party.children or 0, "INFANT": party.infants or 0}
    if party.children is None and party.infants is None and party.adults is None:
        return dict(known)
    return {kind: count for kind, count in units.items() if count}


def _people(goal: Goal, trip: Mapping[str, Any]) -> dict[str, int | None]:
    """The party as tool arguments: what was said now, else what is known."""
    units = _units(goal.party, trip) if goal.party.said else dict(trip.get("party") or {})
    if goal.party.more and units:
        units["ADULT"] = units.get("ADULT", 0) + goal.party.more
    return {"adults": units.get("ADULT") if units else None, "children": units.get("CHILD"), "infants": units.get("INFANT")}


def _days(goal: Goal, trip: Mapping[str, Any], kind: str | None) -> tuple[date | None, date | None]:
    """(first day, last day or departure): what was said now, else what is known."""
    when = goal.when
    if when.start:
        return (when.start, _departure(when, when.start)) if kind == "stay" else (when.start, when.end)
    if not trip.get("start_date"):
        return None, None
    start = date.fromisoformat(trip["start_date"])
    end = date.fromisoformat(trip["end_date"]) if trip.get("end_date") else None
    if when.end and when.end > start:
        end = when.end
    if kind == "stay" and not when.nights and end is not None and (end - start).days > LONGEST_STRETCH:
        return None, None  # "in March" is no stay of a month
    if when.nights:
        end = start + timedelta(days=when.nights)
    if kind == "stay" and (end is None or end <= start):
        end = start + timedelta(days=1)
    return start, end


def _departure(when: When, start: date) -> date:
    """The check-out day. A loose stretch ("in June") is no stay of a month: without nights it means one."""
    end = when.end or start + timedelta(days=when.nights or 1)
    if when.flexible and when.nights is None and (end - start).days > 3:
        return start + timedelta(days=1)
    return end if end > start else start + timedelta(days=1)


def _hours(goal: Goal, kind: str | None) -> tuple[str, str]:
    clock = goal.clock
    if not clock.at:
        return clock.first, clock.last
    at = _evening(clock.at) if kind == "dining" else clock.at
    hour, minute = map(int, at.split(":"))
    low, high = hour * 60 + minute - 60, hour * 60 + minute + 60
    return f"{max(0, low) // 60:02d}:{max(0, low) % 60:02d}", f"{min(1439, high) // 60:02d}:{min(1439, high) % 60:02d}"


def _evening(at: str) -> str:
    """Dinner at eight is at 20:00."""
    hour = int(at[:2])
    return f"{hour + 12:02d}{at[2:]}" if 5 <= hour <= 10 else at


def _wish(goal: Goal, scene: Scene) -> dict[str, Any]:
    """The search this goal means: a new topic keeps place, days and people; a refinement keeps the topic, too."""
    trip = scene.trip
    asked = goal.words or (goal.unknown_words if goal.act == "search" and not goal.kind else "")
    fresh = bool(goal.kind or asked)
    refines = not goal.kind and bool(re.search(r"\bwith\b|\bincluded\b", goal.text))  # "one with a pool" is still a hotel
    kind = goal.kind if fresh and not refines and (goal.kind or goal.words) else trip.get("kind")
    words = asked if fresh else (trip.get("words") or "")
    start, end = _days(goal, _as_offered(trip, _only_offered_for(kind, scene)), kind)
    first, last = _hours(goal, kind)
    needs = _needs(goal, scene, kind)
    same_ride = kind == "transport" and trip.get("kind") == kind
    if same_ride and not (first or last or needs.arrive):
        first = str(trip.get("time_from") or "")
    budget, per = goal.budget.amount, goal.budget.per
    if _foreign_budget(goal, scene):
        budget = None
    elif budget is None and not fresh and trip.get("budget"):
        budget, per = trip["budget"].get("amount"), trip["budget"].get("per", "total")
    if goal.budget.amount and kind == "stay" and goal.budget.per == "total":
        per = "night"
    return {
        "city": goal.city or trip.get("city") or scene.lexicon.only_city,
        "kind": kind,
        "words": words,
        "date": start.isoformat() if start else None,
        "end_date": end.isoformat() if end and end != start else None,
        **_people(goal, trip),
        "budget": budget,
        "budget_per": per if budget else None,
        "time_from": first or None,
        "time_to": last or None,
        "arrive_by": needs.arrive or (trip.get("arrive_by") if same_ride and not goal.clock.first else None),
        "must": list(scene.lexicon.held(needs, kind)) or None,
        "sort": "time"
        if kind == "transport" and (first or needs.arrive)
        else "price"
        if goal.budget.level == "cheap"
        else "rating"
        if goal.budget.level == "luxury"
        else None,
    }


def _needs(goal: Goal, scene: Scene, kind: str | None) -> Needs:
    """What has to hold for this kind: what was said before, with this on top; "in the same area" looks at the other kinds."""
    held: Mapping[str, Sequence[str]] = scene.trip.get("must") or {}
    needs = goal.needs.over(Needs.of_tags(held.get(kind or "", ())))
    for slot in needs.same:
        for other, tags in held.items():
            found = getattr(Needs.of_tags(tags), slot, "") if slot in ("area", "level") else ""
            if other != kind and found and not getattr(needs, slot):
                needs = replace(needs, area=found) if slot == "area" else replace(needs, level=found)
    return needs


def _foreign_budget(goal: Goal, scene: Scene) -> str:
    """The city's currency where the budget was named in another one, which nothing here can convert."""
    sold_in = str(scene.lexicon.currency.get(str(goal.city or scene.trip.get("city")), ""))
    return sold_in if goal.budget.amount and goal.budget.currency and sold_in and goal.budget.currency != sold_in else ""


def _search(goal: Goal, scene: Scene) -> Script:
    riding = (goal.kind or scene.trip.get("kind")) == "transport" and bool(goal.needs.origin or goal.needs.destination)
    if goal.unknown_city and not goal.city and not riding:
        return (yield from _unknown_city(goal, scene))
    if goal.needs.name and (named := scene.lexicon.titled(goal.needs.name, goal.kind)):
        return (yield from _show(goal, scene, named))
    if goal.product and goal.product_score >= 95 and not goal.needs.asks:
        return (yield from _show(goal, scene, goal.product))
    focus = scene.trip.get("focus")
    facts_only = not (goal.words or goal.city or _held_now(goal, scene)) and (goal.when.start or goal.party.said or goal.clock.at)
    if "book" in goal.speech and focus and scene.lexicon.kinds.get(str(focus)) == goal.kind and facts_only:
        return (yield from _add(goal, scene, str(focus)))
    if ONE_OF_THEM.search(goal.text) and not goal.city:
        fitting = [str(one["product_id"]) for one in scene.shown if _fits(goal, scene, one)]
        if len(fitting) == 1 and len(scene.shown) > 1:
            return (yield from _add(goal, scene, fitting[0]))
    wish = _wish(goal, scene)
    if not wish["city"]:
        return (yield from _ask_city(goal, scene, wish))
    return (yield from _run({**wish, "fill": False} if scene.several else wish, scene, goal))


def _run(wish: Mapping[str, Any], scene: Scene, goal: Goal) -> Script:
    """Search, and where nothing is found, loosen one wish after another and say which."""
    found = yield do("search_offers", **wish)
    if found.get("ok") is False:
        return phrases.refused(found)
    loosened = ""
    for name, changes in (
        ("time", {"time_from": None, "time_to": None}),
        ("budget", {"budget": None, "budget_per": None, "sort": "price"}),
        ("kind", {"words": wish.get("words"), "kind": None}),
        ("words", {"words": ""}),
    ):
        if found.get("found") or (wish.get("must") and name in ("kind", "words")):
            break
        if not any(wish.get(key) for key in changes if key != "sort"):
            continue
        if name == "kind" and not wish.get("words"):
            continue
        loosened = name
        if name == "words" and not wish.get("kind"):
            changes = {"words": "", "kind": "activity"}  # nothing of that name and no kind: what there is to do
        found = yield do("search_offers", **{**wish, **changes})
        if found.get("ok") is False:
            return phrases.refused(found)
    if not found.get("found") and wish.get("must"):
        return _without(wish, scene)
    if not found.get("found"):
        return (yield from _nothing(wish, scene))
    if goal.clock.at and wish.get("kind") != "transport":
        yield do("note_trip", start_time=_evening(goal.clock.at) if wish.get("kind") == "dining" else goal.clock.at)
    foreign = _foreign_budget(goal, scene)
    text = phrases.OTHER_CURRENCY.format(currency=foreign) + " " if foreign else ""
    text += phrases.found(found, wish, scene.lexicon.names.get(str(wish["city"]), ""), loosened, goal.when, scene.today)
    only: Mapping[str, Any] = (found.get("offers") or ({},))[0] if found["found"] == 1 and not found.get("others") else {}
    if "book" in goal.speech and only and wish.get("date") and wish.get("adults") and (goal.clock.at or wish.get("kind") != "dining"):
        return text + " " + (yield from _add(goal, scene, str(only["product_id"])))
    missing = (
        scene.lexicon.missing_ends(wish.get("must") or ())
        if wish.get("kind") == "transport" and not wish.get("words", "").strip("train ")
        else ""
    )
    if missing:
        text += " " + phrases.WHERE_FROM_TO[missing]
    elif wish.get("kind") == "transport" and wish.get("adults") is None and wish.get("date"):
        yield do("ask_traveler", question="party")
        text += " " + phrases.TICKETS
    elif wish.get("date") is None or wish.get("adults") is None:
        stay = wish.get("kind") == "stay"
        asked = "dates" if stay and wish.get("date") is None else "date" if wish.get("date") is None else "party"
        yield do("ask_traveler", question=asked)
        text += " " + phrases.ASK[asked if wish.get("adults") is None or asked == "party" else asked + "_only"]
    return text


def _without(wish: Mapping[str, Any], scene: Scene) -> str:
    """Nothing carries all that has to hold: said, with how many there would be without each of the needs."""
    must: Sequence[str] = wish["must"]
    of_kind = [row for row in scene.lexicon.rows.values() if row.kind == wish.get("kind") and row.destination_id == wish["city"]]
    fewer = []
    for tag in must if len(must) > 1 else ():
        rest = set(must) - {tag}
        count = sum(1 for row in of_kind if rest <= set(row.tags))
        if count:
            fewer.append(f"{count} without \u201c{tag}\u201d")
    full = any(set(must) <= set(row.tags) for row in of_kind)
    return phrases.none_with(wish, scene.lexicon.names.get(str(wish["city"]), "there"), fewer, full=full)


def _nothing(wish: Mapping[str, Any], scene: Scene) -> Script:
    day = wish.get("date")
    place = scene.lexicon.names.get(str(wish["city"]), "there")
    if day:
        later = date.fromisoformat(day) + timedelta(days=1)
        span = {**wish, "date": later.isoformat(), "end_date": (later + timedelta(days=13)).isoformat()}
        if wish.get("kind") == "stay":
            nights = (date.fromisoformat(wish["end_date"]) - date.fromisoformat(day)).days if wish.get("end_date") else 1
            span["end_date"] = (later + timedelta(days=nights)).isoformat()
        found = yield do("search_offers", **{**span, "time_from": None, "time_to": None, "budget": None, "budget_per": None})
        if found.get("found"):
            return phrases.OTHER_DAYS.format(place=place, day=phrases.day(date.fromisoformat(day)))
    yield do("suggest_replies", replies=_ideas(scene))
    return phrases.NOTHING.format(place=place)


def _note(wish: Mapping[str, Any]) -> Script:
    """Keep what a search would have used, until what is missing is answered."""
    told = {key: value for key, value in wish.items() if value and key not in ("time_from", "time_to", "sort", "arrive_by", "must")}
    if told:
        yield do("note_trip", **told)
    return ""


def _ask_city(goal: Goal, scene: Scene, wish: Mapping[str, Any]) -> Script:
    yield from _note({**wish, "city": None, "start_time": goal.clock.at or goal.clock.first or None})
    yield do("ask_traveler", question="city")
    yield do("suggest_replies", replies=_city_names(scene)[:4])
    return phrases.ASK_CITY.format(cities=", ".join(_city_names(scene)[:6]))


def _city_names(scene: Scene) -> list[str]:
    return [str(name) for name in scene.lexicon.names.values()]


def _unknown_city(goal: Goal, scene: Scene) -> Script:
    yield do("suggest_replies", replies=_city_names(scene)[:4])
    return phrases.UNKNOWN_CITY.format(city=goal.unknown_city, cities=", ".join(_city_names(scene)[:8]))


def _inform(goal: Goal, scene: Scene) -> Script:
    """Facts without a verb: they refine what is being looked for, or wait for it."""
    trip = scene.trip
    if goal.needs.open and scene.shown and not (goal.city or goal.when.start or goal.party.said or _held_now(goal, scene)):
        return (yield from _suggest(scene))
    if scene.shown or trip.get("kind") or trip.get("words") or (goal.city and (goal.when.start or trip.get("start_date"))):
        return (yield from _search(goal, scene))
    if goal.city or trip.get("city"):
        wish = _wish(goal, scene)
        return (yield from _run({**wish, "kind": wish["kind"] or "activity"}, scene, goal))
    return (yield from _ask_city(goal, scene, _wish(goal, scene)))


def _held_now(goal: Goal, scene: Scene) -> bool:
    return bool(scene.lexicon.held(goal.needs, goal.kind or scene.trip.get("kind")))


def _suggest(scene: Scene) -> Script:
    """They do not mind: one of what was shown, to be said yes to."""
    product = str(scene.trip.get("focus") or scene.shown[0]["product_id"])
    told = yield do("get_details", product_id=product)
    return phrases.refused(told) if told.get("ok") is False else phrases.SUGGEST.format(title=told["title"])


def _again(goal: Goal, scene: Scene) -> Script:
    """More of the same, cheaper, or better rated."""
    before = dict(scene.last_search)
    if not before.get("city"):
        wish = _wish(goal, scene)
        if not wish["city"]:
            return (yield from _ask_city(goal, scene, wish))
        before = {key: value for key, value in wish.items() if value is not None}
    wish = {
        **before,
        **{
            key: value
            for key, value in _wish(goal, scene).items()
            if value is not None and key in ("city", "date", "end_date", "adults", "children", "budget", "budget_per")
        },
    }
    if goal.act == "more":
        found = yield do("search_offers", **{**wish, "page": int(before.get("page", 1)) + 1})
        if found.get("found"):
            return phrases.MORE
        return phrases.NO_MORE
    if goal.act == "better":
        found = yield do("search_offers", **{**wish, "sort": "rating", "page": 1})
        return phrases.BEST_RATED if found.get("found") else phrases.NO_MORE
    prices = [int(one["amount"]) for one in scene.shown if one.get("amount")]
    below = {"budget": None, "budget_per": None}
    found = yield do("search_offers", **{**wish, **below, "sort": "price", "page": 1})
    if not found.get("found"):
        return phrases.NO_MORE
    return phrases.CHEAPER if prices else phrases.BY_PRICE


def _other_time(goal: Goal, scene: Scene) -> Script:
    """ "Can we go at a different time?": the start times of what is talked about."""
    product = _meant(goal, scene) or next((str(line["product_id"]) for line in scene.lines if line.get("product_id")), None)
    if product is None:
        return phrases.CHANGE_WHAT.format(title="it")
    told = yield do("get_details", product_id=product)
    starts = [at for option in told.get("options") or () for at in option.get("starts") or ()]
    if len(starts) < 2:
        return phrases.ONE_START.format(title=_title(scene, product), start=starts[0] if starts else "")
    yield do("ask_traveler", question="start_time", product_id=product)
    return phrases.ASK_START.format(title=_title(scene, product), starts=phrases.listed(starts))


# ── one product ───────────────────────────────────────────────────────────────────────────────────


def _meant(goal: Goal, scene: Scene) -> str | None:
    """The product a goal talks about: by number, by name, by what it is, else the one in focus or the only one shown."""
    shown = scene.shown
    if goal.ordinal is not None:
        at = goal.ordinal - 1 if goal.ordinal > 0 else len(shown) - 1
        return str(shown[at]["product_id"]) if 0 <= at < len(shown) else None
    if goal.product:
        return goal.product
    if goal.pick == "cheapest":
        priced = [one for one in shown if one.get("amount")]
        return str(min(priced, key=lambda one: int(one["amount"]))["product_id"]) if priced else None
    if goal.pick == "other":
        others = [one for one in shown if one["product_id"] != scene.trip.get("focus")]
        return str(others[0]["product_id"]) if len(others) == 1 else None
    if goal.words:
        for one in shown:
            if _fits(replace(goal, kind=None), scene, one):
                return str(one["product_id"])
    if goal.kind:
        of_kind = [one for one in shown if scene.lexicon.kinds.get(str(one["product_id"])) == goal.kind]
        if len(of_kind) == 1:
            return str(of_kind[0]["product_id"])
    if scene.trip.get("focus"):
        return str(scene.trip["focus"])
    return str(shown[0]["product_id"]) if len(shown) == 1 else None


def _fits(goal: Goal, scene: Scene, offered: Mapping[str, Any]) -> bool:
    """Is it of the kind, and has it all the words, that the goal names?"""
    row = scene.lexicon.rows.get(str(offered["product_id"]))
    text = fold(f"{offered['title']} {' '.join(row.tags) if row else ''}")
    return (not goal.kind or (row is not None and row.kind == goal.kind)) and all(word in text for word in goal.words.split())


def _choose(goal: Goal, scene: Scene) -> Script:
    product = _meant(goal, scene)
    if product is None:
        if goal.ordinal is not None and scene.shown:
            return phrases.ONLY_SHOWN.format(count=len(scene.shown))
        if scene.shown and (goal.needs.open or PICK_ONE.search(goal.text)):
            return (yield from _add(goal, scene, str(scene.shown[0]["product_id"])))
        if scene.shown:
            yield from _note({**_wish(goal, scene), "start_time": goal.clock.at or None, "city": None, "kind": None, "words": None})
            yield do("ask_traveler", question="which")
            return phrases.WHICH
        if goal.says_something:
            return (yield from _search(goal, scene))
        return (yield from _help(scene))
    return (yield from _add(goal, scene, product))


def _show(goal: Goal, scene: Scene, product: str) -> Script:
    """A product somebody named: what it is, and what was asked about it."""
    told = yield do("get_details", product_id=product)
    if told.get("ok") is False:
        return phrases.refused(told)
    if goal.needs.asks:
        return _answered(told, goal, scene, product)
    if "book" in goal.speech:
        return (yield from _add(goal, scene, product))
    if goal.says_something and (goal.when.start or goal.party.said or goal.clock.at):
        yield from _note({**_wish(goal, scene), "start_time": goal.clock.at or None, "city": None, "kind": None, "words": None})
    return phrases.details(told, goal.text) + " " + phrases.BOOK_IT


def _answered(told: Mapping[str, Any], goal: Goal, scene: Scene, product: str) -> str:
    row = scene.lexicon.rows.get(product)
    text = facts.answer(told, goal.needs.asks, [str(tag) for tag in row.tags] if row else ())
    if "reference" in goal.needs.asks:
        text = f"{phrases.references(scene.facts.get('bookings') or ())} {text}".strip()
    return text or phrases.details(told, goal.text)


def _tell(goal: Goal, scene: Scene, product: str) -> Script:
    told = yield do("get_details", product_id=product)
    return phrases.refused(told) if told.get("ok") is False else _answered(told, goal, scene, product)


def _asked_about(goal: Goal, scene: Scene) -> str | None:
    """The product that facts are asked of: the one meant, else the first of those shown."""
    return _meant(goal, scene) or (str(scene.shown[0]["product_id"]) if scene.shown else None)


def _facts_of_first(goal: Goal, scene: Scene) -> Script:
    """A search that also asks: the facts of the first result of this very turn."""
    results = (result for name, result in reversed(scene.results) if name == "search_offers")
    found: Mapping[str, Any] = next(results, {})
    offers = found.get("offers") or ()
    if not offers:
        return ""
    return (yield from _tell(goal, scene, str(offers[0]["product_id"])))


def _add(goal: Goal, scene: Scene, product: str) -> Script:
    kind = scene.lexicon.kinds.get(product)
    title = _title(scene, product)
    offered = next((one for one in scene.shown if one["product_id"] == product), {})
    start, end = _days(goal, _as_offered(scene.trip, offered), kind)
    people = _people(goal, scene.trip)
    if start is None or people["adults"] is None:
        told: dict[str, Any] = {
            "product_id": product,
            "date": start.isoformat() if start else None,
            "end_date": end.isoformat() if end else None,
        }
        yield do("note_trip", **told, **people)
        asked = "party" if start else "dates" if kind == "stay" else "date"
        yield do("ask_traveler", question=asked, product_id=product)
        return phrases.ASK_FOR[asked if people["adults"] is None else asked + "_only"].format(title=title)
    at = goal.clock.at or ""
    if kind == "dining" and at:
        at = _evening(at)
    booked = _booked_already(scene, title, goal, start)
    if booked:
        return phrases.BOOKED_ALREADY.format(title=title, reference=booked)
    line = next((one for one in scene.lines if one.get("product_id") == product), None)
    if line is not None and (goal.act in ("yes", "choose") or "book" in goal.speech):
        return (yield from _again_in_cart(goal, scene, line, kind))
    asked_for: dict[str, Any] = {
        "product_id": product,
        "date": start.isoformat(),
        "end_date": end.isoformat() if end and kind == "stay" else None,
        "start_time": at or None,
        **people,
        "option_id": offered.get("option_id"),
        "quantity": goal.rooms,
    }
    done = yield do("add_to_cart", **asked_for)
    if done.get("ok") and _book_now(goal, scene, product):
        return (yield from _propose())
    if done.get("ok") and (goal.when.ambiguous or None):
        return phrases.added(done) + " " + phrases.AMBIGUOUS.format(day=phrases.day(start), other=phrases.day(goal.when.ambiguous or start))
    return (yield from _after_add(done, asked_for, goal, scene, title))


def _booked_already(scene: Scene, title: str, goal: Goal, start: date) -> str:
    """The reference of a booking of the very same thing on that day, where nothing else is asked for now."""
    if goal.when.start or goal.party.said or goal.party.more or goal.clock.at or "another" in goal.text or "again" in goal.text:
        return ""
    for one in scene.facts.get("bookings") or ():
        if one["title"] == title and one["date"] == start.isoformat() and one["status"] in ("CONFIRMED", "PENDING", "ON_HOLD"):
            return str(one["reference"])
    return ""


def _again_in_cart(goal: Goal, scene: Scene, line: Mapping[str, Any], kind: str | None) -> Script:
    """ "Book it", of what is in the cart: with the changes that were said, then what it would be."""
    changes = _changes(goal, line, kind, scene)
    if changes:
        done = yield do("change_cart_line", item_id=line["item_id"], **changes)
        if done.get("ok") is False:
            return phrases.kept(done, str(line["title"]))
    return (yield from _propose())


def _book_now(goal: Goal, scene: Scene, product: str) -> bool:
    """ "Book it", of something that costs nothing now, with nothing else in the cart: the next thing to say is what it would be."""
    row = scene.lexicon.rows.get(product)
    free = row is not None and bool(getattr(row, "pay_at_provider", False)) and row.booking_type == "INSTANT"
    return free and not scene.lines


def _as_offered(trip: Mapping[str, Any], offered: Mapping[str, Any]) -> Mapping[str, Any]:
    """The trip with the days an offer was shown for: a later search of the same message may have been about others."""
    if not offered.get("date"):
        return trip
    return {**trip, "start_date": offered["date"], "end_date": offered.get("end_date")}


def _only_offered_for(kind: str | None, scene: Scene) -> Mapping[str, Any]:
    """An offer of this kind where the last answer was about several kinds: each has its own days there."""
    kinds = {scene.lexicon.kinds.get(str(one["product_id"])) for one in scene.shown}
    if len(kinds) < 2:
        return {}
    return next((one for one in scene.shown if scene.lexicon.kinds.get(str(one["product_id"])) == kind), {})


def _after_add(done: Mapping[str, Any], asked: Mapping[str, Any], goal: Goal, scene: Scene, title: str) -> Script:
    if done.get("ok"):
        return phrases.added(done)
    product = str(asked["product_id"])
    starts = done.get("starts")
    if done.get("field") == "local_start" and starts:
        fitting = _starts_that_fit(starts, goal, scene)
        if len(fitting) == 1:
            again = yield do("add_to_cart", **{**asked, "start_time": fitting[0]})
            if again.get("ok") and _book_now(goal, scene, product):
                return (yield from _propose())
            if again.get("ok"):
                return phrases.added(again)
            done = again
        else:
            yield do("ask_traveler", question="start_time", product_id=product)
            told = {key: value for key, value in asked.items() if key in ("date", "end_date", "adults", "children", "infants")}
            yield do("note_trip", product_id=product, **told)
            if goal.clock.at:
                return phrases.NOT_AT.format(title=title, at=goal.clock.at, starts=phrases.listed(_nearest(starts, goal.clock.at)))
            if len(starts) > MANY_STARTS:
                return phrases.ASK_ANY_START.format(title=title, first=starts[0], last=starts[-1])
            return phrases.ASK_START.format(title=title, starts=phrases.listed(fitting or list(starts)))
    if done.get("error") == "sold_out" or (done.get("error") in ("refused", "invalid") and done.get("field") in (None, "date")):
        people = sum(int(asked.get(key) or 0) for key in ("adults", "children", "infants"))
        free = yield do("check_availability", product_id=product, date=asked["date"], people=max(1, people))
        days = [one["date"] for one in free.get("free_days") or ()] or list(free.get("next_free") or ())
        if days:
            return phrases.SOLD_OUT.format(
                why=done.get("message", ""), days=phrases.listed([phrases.day(date.fromisoformat(d)) for d in days[:3]])
            )
    if done.get("field") in ("end_date", "party", "date"):
        yield do("ask_traveler", question="dates" if done.get("field") == "end_date" else done["field"], product_id=product)
    return phrases.refused(done)


MANY_STARTS = 10


def _nearest(starts: Sequence[str], at: str) -> list[str]:
    """The three start times nearest to the one that is not there, in order."""

    def minutes(one: str) -> int:
        return int(one[:2]) * 60 + int(one[3:])

    return sorted(sorted(starts, key=lambda one: abs(minutes(one) - minutes(at)))[:3])


def _starts_that_fit(starts: Sequence[str], goal: Goal, scene: Scene) -> list[str]:
    """The start times that an answer such as "the afternoon one", "2pm" or "the first" can mean."""
    clock = goal.clock
    if clock.at:
        exact = [at for at in starts if at in (clock.at, _evening(clock.at))]
        if exact or len(starts) > MANY_STARTS:
            return exact[:1]
        hour = int(clock.at[:2])
        return [at for at in starts if abs(int(at[:2]) - hour) <= 1] or list(starts)
    if clock.first or clock.last:
        return [at for at in starts if (not clock.first or at >= clock.first) and (not clock.last or at <= clock.last)] or list(starts)
    if goal.ordinal and scene.trip.get("question") == "start_time":
        at = goal.ordinal - 1 if goal.ordinal > 0 else len(starts) - 1
        return [starts[at]] if 0 <= at < len(starts) else list(starts)
    held = str(scene.trip.get("start_time") or "")
    if held in starts:
        return [held]
    known = str(scene.trip.get("time_from") or held)
    if known:
        return [at for at in starts if at >= known] or list(starts)
    return list(starts)


def _title(scene: Scene, product: str) -> str:
    row = scene.lexicon.rows.get(product)
    return str(row.title) if row is not None else "it"


def _about(goal: Goal, scene: Scene) -> Script:
    product = _meant(goal, scene) or next((str(line["product_id"]) for line in scene.lines if line.get("product_id")), None)
    if product is None:
        if goal.kind or goal.words:
            return (yield from _search(goal, scene))
        if scene.shown and goal.act == "availability" and goal.says_something:
            return (yield from _search(goal, scene))
        if scene.shown:
            yield do("ask_traveler", question="which")
            return phrases.WHICH
        return (yield from _help(scene))
    kind = scene.lexicon.kinds.get(product)
    start, end = _days(goal, scene.trip, kind)
    people = _people(goal, scene.trip)
    title = _title(scene, product)
    if goal.act == "availability":
        count = sum(value or 0 for value in people.values()) or 1
        last = end if end and kind != "stay" else start
        free = yield do(
            "check_availability",
            product_id=product,
            date=start.isoformat() if start else None,
            end_date=last.isoformat() if last and goal.when.start else None,
            people=count,
        )
        return phrases.availability(free, title, start if goal.when.start else None)
    if goal.act == "price" and start is not None:
        priced = yield do(
            "explain_price",
            product_id=product,
            date=start.isoformat(),
            end_date=end.isoformat() if end and kind == "stay" else None,
            **people,
            start_time=goal.clock.at or None,
        )
        if priced.get("field") == "local_start" and priced.get("starts"):
            priced = yield do(
                "explain_price",
                product_id=product,
                date=start.isoformat(),
                **people,
                start_time=priced["starts"][0],
            )
        return phrases.PRICE.format(title=title, total=priced["total"]) if priced.get("ok") else phrases.refused(priced)
    told = yield do("get_details", product_id=product)
    return phrases.details(told, goal.text)


# ── the cart ──────────────────────────────────────────────────────────────────────────────────────


def _lines_meant(goal: Goal, scene: Scene) -> list[Mapping[str, Any]]:
    """The cart lines a goal talks about; all of them where it says so."""
    lines = list(scene.lines)
    if goal.product:
        named = [line for line in lines if line.get("product_id") == goal.product]
        if named:
            return named
    wanted = [word for word in goal.words.split() if word]
    if wanted:
        found = []
        for line in lines:
            row = scene.lexicon.rows.get(str(line.get("product_id")))
            text = fold(f"{line['title']} {' '.join(row.tags) if row else ''}")
            if any(word in text for word in wanted):
                found.append(line)
        if found:
            return found
    if goal.kind:
        found = [line for line in lines if scene.lexicon.kinds.get(str(line.get("product_id"))) == goal.kind]
        if found:
            return found
    if goal.ordinal is not None:
        at = goal.ordinal - 1 if goal.ordinal > 0 else len(lines) - 1
        return [lines[at]] if 0 <= at < len(lines) else []
    if " last " in f" {goal.text} " and lines:
        return [lines[-1]]
    if any(f" {word} " in f" {goal.text} " for word in ("everything", "all")):
        return lines
    if goal.words or goal.kind or goal.product:
        return []
    focus = [line for line in lines if line.get("product_id") == scene.trip.get("focus")]
    return focus or (lines if len(lines) == 1 else [])


def _change(goal: Goal, scene: Scene) -> Script:
    lines = _lines_meant(goal, scene)
    if scene.lines and (goal.party.said or goal.party.more) and not (goal.kind or goal.words or goal.product or goal.ordinal):
        lines = list(scene.lines)  # "make it three people" is about the trip
    if not lines:
        if scene.shown or scene.trip.get("city"):
            return (yield from _search(replace(goal, act="inform"), scene))
        return (yield from _ask_city(goal, scene, _wish(goal, scene)))
    told = []
    for line in lines[:4]:
        kind = scene.lexicon.kinds.get(str(line.get("product_id")))
        changes = _changes(goal, line, kind, scene)
        if not changes:
            yield do("ask_traveler", question="date")
            return phrases.CHANGE_WHAT.format(title=line["title"])
        done = yield do("change_cart_line", item_id=line["item_id"], **changes)
        told.append(phrases.changed() if done.get("ok") else phrases.kept(done, str(line["title"])))
    return " ".join(dict.fromkeys(told))


def _changes(goal: Goal, line: Mapping[str, Any], kind: str | None, scene: Scene) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if goal.party.said:
        units = _units(goal.party, scene.trip)
        changes |= {"adults": units.get("ADULT", 0), "children": units.get("CHILD", 0), "infants": units.get("INFANT", 0)}
    elif goal.party.more:
        known = scene.trip.get("party") or {"ADULT": 1}
        changes |= {"adults": known.get("ADULT", 0) + goal.party.more, "children": known.get("CHILD", 0)}
    when: When = goal.when
    if when.start:
        changes["date"] = when.start.isoformat()
        if kind == "stay" and (when.end or when.nights):
            changes["end_date"] = (when.end or when.start + timedelta(days=when.nights or 1)).isoformat()
    elif when.nights and kind == "stay" and line.get("date"):
        changes["end_date"] = (date.fromisoformat(line["date"]) + timedelta(days=when.nights)).isoformat()
    if goal.clock.at:
        changes["start_time"] = _evening(goal.clock.at) if kind == "dining" else goal.clock.at
    if goal.rooms:
        changes["quantity"] = goal.rooms
    return changes


def _remove(goal: Goal, scene: Scene) -> Script:
    lines = _lines_meant(goal, scene)
    if not lines:
        if not scene.lines:
            return phrases.FINE if scene.shown else phrases.EMPTY
        yield do("show_cart")
        return phrases.REMOVE_WHICH
    titles = []
    for line in lines[:8]:
        done = yield do("remove_from_cart", item_id=line["item_id"])
        if done.get("ok"):
            titles.append(str(done["removed"]))
    return phrases.REMOVED.format(titles=phrases.listed(titles)) if titles else phrases.WHERE_WE_ARE


def _total(scene: Scene) -> Script:
    cart = yield do("show_cart")
    return phrases.total(cart)


def _checkout(scene: Scene) -> Script:
    waiting = scene.trip.get("asked_about")
    if waiting and scene.trip.get("question") == "start_time":  # not in the cart yet, and silently left out would be worse
        yield do("ask_traveler", question="start_time", product_id=str(waiting))
        return phrases.START_FIRST.format(title=_title(scene, str(waiting)))
    if not scene.lines:
        if (scene.facts.get("cart") or {}).get("unpaid"):
            return (yield from _paid())
        if scene.shown:
            yield do("ask_traveler", question="which")
            return phrases.WHICH
        return phrases.EMPTY
    return (yield from _propose())


def _propose() -> Script:
    made = yield do("propose_checkout")
    return phrases.proposal(made) if made.get("ok") else phrases.refused(made)


def _paid() -> Script:
    looked = yield do("check_payment")
    if any(one["status"] == "paid" for one in looked.get("payments") or ()):
        return phrases.PAID
    return phrases.NOT_PAID if looked.get("still_open") else phrases.NOTHING_OPEN


def _cancel(goal: Goal, scene: Scene) -> Script:
    """The preview for the booking that is meant; where several could be, the list of them."""
    booked = [one for one in scene.facts.get("bookings") or () if one["status"] in ("CONFIRMED", "PENDING")]
    if not booked:
        if scene.lines:
            return (yield from _remove(replace(goal, act="remove"), scene))
        return phrases.NO_TRIPS
    said = fold(goal.text)
    meant = [one for one in booked if one["reference"].lower() in said]
    meant = meant or [one for one in booked if any(word in fold(one["title"]).split() for word in goal.words.split())]
    meant = meant or (booked if len(booked) == 1 else [])
    confirmed = [one for one in meant if one["status"] == "CONFIRMED"]
    if len(meant) != 1 or not confirmed:
        yield do("show_trips")
        return phrases.CANCEL_WHICH
    made = yield do("propose_cancellation", booking=confirmed[0]["reference"])
    return phrases.CANCEL.format(title=confirmed[0]["title"]) if made.get("ok") else phrases.refused(made)


def _promo(goal: Goal) -> Script:
    codes = [word.strip(".,!?\"'") for word in goal.text.split() if any(c.isdigit() for c in word) or word.isupper()]
    code = next((word for word in codes if len(word) >= 4), None) or next(
        (word for word in reversed(goal.text.split()) if word not in ("code", "promo", "discount", "please", "voucher", "coupon")), None
    )
    if code is None or len(code) < 4 or code in ("have", "there", "codes"):
        return phrases.WHICH_CODE
    done = yield do("use_promo_code", code=code.upper())
    return phrases.CODE_USED.format(code=code.upper()) + " " + phrases.total(done["cart"]) if done.get("ok") else phrases.refused(done)


def _restart(scene: Scene) -> Script:
    for line in scene.lines[:8]:
        yield do("remove_from_cart", item_id=line["item_id"])
    yield do("suggest_replies", replies=_ideas(scene))
    return phrases.RESTARTED


# ── talk ──────────────────────────────────────────────────────────────────────────────────────────


def _ideas(scene: Scene) -> list[str]:
    """Three things that work here and now."""
    city = scene.lexicon.names.get(str(scene.trip.get("city")), "") or next(iter(_city_names(scene)), "")
    if not city:
        return ["Talk to a person"]
    return [f"Something fun in {city} this weekend for two", f"Dinner in {city} tomorrow", "Talk to a person"]


def _help(scene: Scene, *, greeting: bool = False) -> Script:
    yield do("suggest_replies", replies=_ideas(scene))
    names = _city_names(scene)
    start = phrases.HELLO if greeting else phrases.HELP
    return start.format(cities=phrases.listed(names[:EXAMPLE_CITIES]), count=len(names))


def _unclear(scene: Scene) -> Script:
    if scene.failed_before:
        yield do("suggest_replies", replies=["Talk to a person", *_ideas(scene)[:2]])
        return phrases.UNCLEAR_AGAIN
    yield do("suggest_replies", replies=_ideas(scene))
    return phrases.UNCLEAR
