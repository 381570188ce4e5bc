"""The state of a talk: for each service what is wanted, carried over many turns, and the call that follows from it.

A traveler arranges several things in one conversation, corrects them, takes what was offered, and points from one to the
other ("in the same area", "for the same people", "from the hotel to the restaurant"). What was said stays with the service
it was said about; what is shared is looked up where it is needed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

from bot.offline.clock import Clock, shifted
from bot.offline.goal import Goal
from bot.offline.kinds import MODE_KIND, RIDING
from bot.offline.needs import Needs, cuisine_family
from bot.offline.party import Party
from bot.offline.places import whole_name

Facts = dict[str, Any]
IDENTITY = ("name", "date", "time", "sort", "pickup", "carrier", "end_date", "city")
"""What somebody takes over with an offer: which one it is and when. Its stars or price were its own, not a wish."""

SEARCHES: Mapping[str, tuple[str, ...]] = {
    "stay": ("city",), "dining": ("city", "cuisine"), "activity": ("city",), "event": ("city", "sort"), "guide": ("city",),
    "train": ("origin", "destination", "date"), "bus": ("origin", "destination", "date"), "flight": ("origin", "destination", "date"),
    "car": ("city", "date", "end_date", "time"), "taxi": ("origin", "destination"), "ferry": ("origin", "destination", "date"),
}  # fmt: skip
"""What has to be known before it is worth looking."""
BOOKS: Mapping[str, tuple[str, ...]] = {
    "stay": ("name", "date", "nights"), "dining": ("name", "time"), "activity": ("name", "date"), "event": ("name", "people"),
    "train": ("date", "people"), "bus": ("origin", "destination", "date", "time", "people"), "flight": ("date",),
    "car": ("date", "end_date", "sort"), "taxi": ("destination", "people"), "ferry": ("date", "people"), "guide": ("name", "date"),
}  # fmt: skip
"""What has to be known before it is worth asking for a yes."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What we said last, as values: asked for, offered, or read back to be confirmed."""

    asked: tuple[str, ...] = ()
    topic: str = ""  # the service it was about
    suggested: Mapping[str, Any] = field(default_factory=dict)  # "Starting on the 11th?"
    offered: Mapping[str, Any] = field(default_factory=dict)
    confirming: Mapping[str, Any] = field(default_factory=dict)
    offers_to: str = ""  # "book" or "search": what we offered to do next
    done: bool = False
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """A search or a booking that everything is known for."""

    service: str
    kind: str  # "search" or "book"
    facts: Mapping[str, Any]


NOTHING_SAID = Reply()
SHARED = ("date", "people", "area", "level", "time")
SAME_SLOT = {"party": "people", "day": "date", "area": "area", "level": "level", "time": "time", "location": "area"}
THERE = re.compile(r"\b(?:there|that city|that area|the area|nearby|near(?:by)? (?:it|there)|around (?:there|it))\b")


def service_of(goal: Goal, before: str | None) -> str | None:
    """The service one goal is about: a kind, or for rides and events their own name."""
    mode = goal.needs.mode
    if mode and goal.kind in (None, "transport", "activity"):
        return mode
    if goal.kind == "activity" and before == "event":
        return before
    if goal.kind == "transport":
        return before if before in RIDING or before == "car" else "taxi"
    return goal.kind or before


def topic_of(goals: Sequence[Goal], before: str | None) -> str | None:
    """The service a whole message is about: the first that a goal names."""
    return next((named for goal in goals if (named := service_of(goal, None)) and service_of(goal, before) != before), before)


def kind_of(service: str | None) -> str | None:
    """The kind of product a service is sold as."""
    return MODE_KIND.get(service or "", service)


def said(goal: Goal, service: str | None) -> Facts:
    """The facts of one goal about a service, without what nobody said."""
    when, party, clock, needs = goal.when, goal.party, goal.clock, goal.needs
    if goal.act == "is_it":
        doubts = needs.level in ("expensive", "luxury") and "range" not in goal.text
        needs = replace(needs, level="") if doubts else needs  # "is it expensive?" is no wish for that
    riding = service in RIDING
    named = clock.at or (clock.first if not clock.last else clock.last if not clock.first else "")
    city = "" if goal.place and goal.place in needs.origin and not needs.destination else goal.place
    told: Facts = {
        "city": "" if riding else city,
        "origin": needs.origin if riding else "",
        "destination": (needs.destination or ("" if service == "taxi" else city)) if riding else "",
        "date": when.start.isoformat() if when.start and not when.flexible else "",
        "end_date": when.end.isoformat() if when.end and when.end_said else "",
        "nights": when.nights if service in ("stay", None) else None,
        "time": named,
        "arrive": needs.arrive,
        "people": party.total if party.adults is not None else None,
        "children": party.children if party.children is not None else party.infants,
        "rooms": goal.rooms,
        "level": needs.level,
        "stars": needs.stars,
        "area": needs.area,
        "cuisine": needs.cuisine,
        "sort": needs.sort,
        "name": needs.name,
        "person": goal.person.lower(),
        **dict.fromkeys(needs.features, True),
    }
    return {name: value for name, value in told.items() if value not in (None, "", ())}


@dataclass(slots=True)
class Dialogue:
    """What is known of every service talked about, the newest last."""

    services: dict[str, Facts] = field(default_factory=dict)
    active: str | None = None
    offers: dict[str, Facts] = field(default_factory=dict)  # what we offered of each and nobody took or refused yet
    stage: dict[str, str] = field(default_factory=dict)  # "search", "book" or "done"
    searched: dict[str, Facts] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)  # services that something was offered of
    _confirmed: bool = False

    @classmethod
    def of_trip(cls, trip: Mapping[str, Any]) -> Dialogue:
        """The dialogue that the trip state remembers: what was said of each kind, and what its results have to carry."""
        must: Mapping[str, Sequence[str]] = trip.get("must") or {}
        plans: Mapping[str, Mapping[str, Any]] = trip.get("plans") or {}
        services: dict[str, Facts] = {}
        for kind in (*(one for one in must if one not in plans), *plans):
            plan, needs = plans.get(kind, {}), Needs.of_tags(must.get(kind, ()))
            told = {name: plan.get(name) for name in ("city", "date", "end_date", "time", "arrive", "party")}
            told |= {"people": sum((plan.get("party") or {}).values()), "area": needs.area, "level": needs.level}
            services[kind] = {name: value for name, value in told.items() if value}
        return cls(services, active=trip.get("kind"))

    def hear(self, goals: Sequence[Goal], reply: Reply = NOTHING_SAID) -> None:
        """Take in one message of the traveler, who answers `reply`."""
        speech = frozenset[str]().union(*(goal.speech for goal in goals))
        about = reply.topic if reply.topic and (reply.topic in self.services or not self.active) else self.active
        self.active = about
        self._take_in_reply(reply)
        refuses = "deny" in speech and "affirm" not in speech
        first = service_of(goals[0], about) if goals else about
        if about and refuses and about == first and any(goal.says_something for goal in goals):
            for name, value in reply.confirming.items():  # "No, for three": the rest of what was read back stands
                self.services.setdefault(about, {})[name] = value
        elif about and not refuses:
            self._accept(about, goals, reply, speech, moved_on=first != about)
        tries_again = reply.failed and bool(reply.offered) and "affirm" in speech
        self._confirmed = (bool(reply.confirming) or tries_again) and not refuses and about == first
        if tries_again and about:
            self.services.setdefault(about, {}).update({name: value for name, value in reply.offered.items() if name != "place"})
        for goal in goals:
            self._hear_goal(goal, reply)
        if self.active:
            self._enter_stage(goals, reply, speech, refuses=refuses)

    def _take_in_reply(self, reply: Reply) -> None:
        about = self.active
        if not about:
            return
        if reply.offered:
            self.offers[about] = dict(reply.offered)
            self.stage.setdefault(about, "search")
            self.seen.add(about)
        if reply.done:
            self.stage[about] = "done"

    def _accept(self, about: str, goals: Sequence[Goal], reply: Reply, speech: frozenset[str], *, moved_on: bool) -> None:
        """What was offered or read back becomes what is wanted, where the words take it."""
        facts = self.services.setdefault(about, {})
        for name, value in reply.confirming.items():
            facts.setdefault(name, value)
            if name in IDENTITY or name == "people":
                facts[name] = value
        asks_more = "more" in speech
        takes = bool({"affirm", "book"} & speech) or any(goal.act in ("choose", "yes", "checkout") for goal in goals)
        if "affirm" in speech and reply.suggested:
            facts.update(reply.suggested)
        offered = self.offers.get(about)
        if offered and not asks_more and (takes or ("thank" in speech and (moved_on or "enough" in speech))):
            for name, value in offered.items():
                if name in IDENTITY and (name not in facts or name == "name"):
                    facts[name] = value
            self.offers.pop(about)

    def _hear_goal(self, goal: Goal, reply: Reply) -> None:
        service = service_of(goal, self.active)
        if service is None:
            return
        if service not in self.services:
            self.services[service] = self._begin(service, goal)
        facts = self.services[service]
        now = self._answered(said(goal, service), goal, service, reply)
        if goal.clock.shift and facts.get("time"):
            now["time"] = shifted(str(facts["time"]), goal.clock.shift)
        now |= {name: value for name, value in self.pointed_at(goal, service).items() if name not in now}
        if "city" in now and facts.get("city") not in (None, now["city"]):
            facts.pop("name", None)
        if "nights" in now and "date" not in now and "end_date" in facts:
            facts.pop("end_date")
        for slot in goal.needs.open:
            facts.pop(slot, None)
        facts.update(now)
        self.services[service] = facts
        self.active = service

    def _answered(self, now: Facts, goal: Goal, service: str, reply: Reply) -> Facts:
        """A bare place is what was asked for: where a ride begins, or the town a car is picked up in."""
        if service == "car":
            place = goal.place or goal.needs.origin or goal.needs.destination
            now |= {"city": place} if place else {}
            if goal.when.nights and goal.when.start and not goal.when.end_said:
                now["end_date"] = (goal.when.start + timedelta(days=goal.when.nights)).isoformat()
        elif service in RIDING and goal.place and not goal.needs.origin and not goal.needs.destination:
            asked = "origin" if "origin" in reply.asked and "destination" not in reply.asked else "destination"
            now.pop("destination", None)
            now[asked] = goal.place
        elif service in RIDING and goal.place and goal.needs.origin and not goal.needs.destination and goal.place not in goal.needs.origin:
            now.setdefault("destination", goal.place)
        return now

    def _begin(self, service: str, goal: Goal) -> Facts:
        """A new service starts where the talk is: in the city of the one before; a taxi goes there."""
        before = self.services.get(self.active or "", {})
        offered = self.offers.get(self.active or "", {})
        city = before.get("destination") if self.active in RIDING and self.active != "taxi" else before.get("city")
        if service == "taxi":
            place = offered.get("place") or before.get("place") or before.get("name")
            return {"destination": place} if place and not goal.needs.origin else {}
        if service in RIDING:
            return {"destination": city} if city and THERE.search(goal.text) else {}
        return {"city": city} if city else {}

    def pointed_at(self, goal: Goal, service: str | None) -> Facts:
        """ "The same day", "for the same people", "in the same area": values of another service, the latest first."""
        found: Facts = {}
        others = [facts for name, facts in reversed(self.services.items()) if name != service]
        for what in goal.needs.same:
            slot = SAME_SLOT.get(what, what)
            value = next((facts[slot] for facts in others if slot in facts), None)
            if value is not None:
                found[slot] = value
        return found

    def _enter_stage(self, goals: Sequence[Goal], reply: Reply, speech: frozenset[str], *, refuses: bool) -> None:
        service = str(self.active)
        stage = self.stage.get(service, "search")
        books = "book" in speech and not refuses
        agrees = reply.offers_to == "book" and "affirm" in speech and not refuses
        finds = "find" in speech and not books and any(goal.kind or goal.needs.mode for goal in goals)
        if ((books or agrees) and (service in self.seen or "name" in self.services.get(service, {}))) or service == "taxi":
            stage = "book"
        elif finds or stage == "done":
            stage = "search" if finds else stage
        self.stage[service] = stage

    def next_call(self) -> Call | None:
        """What to do now: book what was read back and not refused, search when the facts for it are there and new."""
        service = self.active
        if not service:
            return None
        facts = dict(self.services.get(service, {}))
        if service == "taxi" and "people" not in facts:  # whoever was at the dinner rides home
            others = (told["people"] for told in reversed(self.services.values()) if "people" in told)
            if people := next(others, None):
                facts["people"] = people
        if self._confirmed:
            return Call(service, "book", _exact(facts))
        if self.stage.get(service) == "search" and all(facts.get(name) for name in SEARCHES.get(service, ())):
            wanted = {name: value for name, value in facts.items() if name not in ("person", "name")}
            if wanted != self.searched.get(service):
                self.searched[service] = wanted
                return Call(service, "search", _exact(facts))
        return None


def resolved(goal: Goal, trip: Mapping[str, Any]) -> Goal:
    """The goal with what it only points at put in its place: the day, the people and the hour of another service."""
    if not goal.needs.same and not goal.clock.shift:
        return goal
    dialogue = Dialogue.of_trip(trip)
    kind = goal.kind or trip.get("kind")
    found = dialogue.pointed_at(goal, kind)
    if "date" in found and not goal.when.start:
        goal = replace(goal, when=replace(goal.when, start=date.fromisoformat(found["date"])))
    if "people" in found and not goal.party.said:
        party = next(told["party"] for name, told in reversed(dialogue.services.items()) if name != kind and "party" in told)
        goal = replace(goal, party=Party(party.get("ADULT", 0), party.get("CHILD"), party.get("INFANT")))
    if "time" in found and not goal.clock.at:
        goal = replace(goal, clock=Clock(at=found["time"]))
    known = dialogue.services.get(str(kind), {}).get("time") or trip.get("start_time")
    if goal.clock.shift and known:
        goal = replace(goal, clock=Clock(at=shifted(str(known), goal.clock.shift)))
    return goal


def _exact(facts: Facts) -> Facts:
    """The facts as a call takes them: cities by their whole names, a dish with the cuisine it belongs to."""
    told = dict(facts)
    for name in ("city", "origin", "destination"):
        if name in told:
            told[name] = whole_name(str(told[name]))
    if "cuisine" in told and (family := cuisine_family(str(told["cuisine"]))):
        told["cuisine"] = (told["cuisine"], family)
    return told
