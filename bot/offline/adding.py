"""Putting a product into the cart, and asking the one thing that is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from bot.offline import phrases
from bot.offline.days import When
from bot.offline.goal import Goal
from bot.offline.needs import slot_of
from bot.offline.paying import propose
from bot.offline.plan import do
from bot.offline.scene import Scene, Script, title_of
from bot.offline.values import as_offered, days_of, evening, nights_unsaid, only_offered_for, people_of, units_of
from core.search import fold


def add(goal: Goal, scene: Scene, product: str) -> Script:
    kind = scene.lexicon.kinds.get(product)
    title = title_of(scene, product)
    offered = next((one for one in scene.shown if one["product_id"] == product), {})
    mixed = bool(only_offered_for(kind, scene))
    trip = scene.trip if kind == "stay" and not mixed else as_offered(scene.trip, offered, mixed=mixed)
    start, end = days_of(goal, trip, kind)
    people = people_of(goal, scene.trip)
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
    if kind == "stay" and nights_unsaid(goal, trip):
        yield do("note_trip", product_id=product, date=start.isoformat(), **people)
        yield do("ask_traveler", question="dates", product_id=product)
        return phrases.HOW_LONG.format(title=title)
    at = goal.clock.at or ""
    if kind == "dining" and at:
        at = evening(at)
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
    replaced = ""
    if "book" in goal.speech and (old := _given_up(scene, product, kind, start, end)):
        gone = yield do("remove_from_cart", item_id=old["item_id"])
        replaced = str(old["title"]) if gone.get("ok") else ""
        scene = replace(scene, facts={**scene.facts, "cart": {**scene.facts["cart"], "lines": [x for x in scene.lines if x is not old]}})
    done = yield do("add_to_cart", **asked_for)
    if replaced:
        proposed = (
            (yield from propose())
            if done.get("ok") and not scene.lines
            else phrases.added(done)
            if done.get("ok")
            else phrases.refused(done)
        )
        return f"{phrases.REPLACED.format(title=replaced)} {proposed}"
    if done.get("ok") and _book_now(goal, scene, product):
        return (yield from propose())
    if done.get("ok") and (goal.when.ambiguous or None):
        return phrases.added(done) + " " + phrases.AMBIGUOUS.format(day=phrases.day(start), other=phrases.day(goal.when.ambiguous or start))
    return (yield from _after_add(done, asked_for, goal, scene, title))


def _given_up(scene: Scene, product: str, kind: str | None, start: date, end: date | None) -> Mapping[str, Any] | None:
    """What the cart holds in its place: another bed for the same night, another ride between the same two stops that day."""
    ends = set(_stops_of(scene, product))
    for line in scene.lines:
        other = str(line.get("product_id"))
        if scene.lexicon.kinds.get(other) != kind or other == product or not line.get("date"):
            continue
        first = date.fromisoformat(line["date"])
        if (
            kind == "stay"
            and first < (end or start + timedelta(days=1))
            and start < date.fromisoformat(line.get("end_date") or line["date"])
        ):
            return line
        if kind == "transport" and first == start and ends and ends == set(_stops_of(scene, other)):
            return line
    return None


def _stops_of(scene: Scene, product: str) -> list[str]:
    row = scene.lexicon.rows.get(product)
    return [str(tag) for tag in row.tags if slot_of(fold(str(tag))) in ("from", "to")] if row else []


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
    changes = changes_of(goal, line, kind, scene)
    if changes:
        done = yield do("change_cart_line", item_id=line["item_id"], **changes)
        if done.get("ok") is False:
            return phrases.kept(done, str(line["title"]))
    return (yield from propose())


def _book_now(goal: Goal, scene: Scene, product: str) -> bool:
    """ "Book it", of something that costs nothing now, with nothing else in the cart: the next thing to say is what it would be."""
    row = scene.lexicon.rows.get(product)
    free = row is not None and bool(getattr(row, "pay_at_provider", False)) and row.booking_type == "INSTANT"
    return free and not scene.lines


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
                return (yield from propose())
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
        yield do(
            "note_trip", **{key: value for key, value in asked.items() if key in ("date", "end_date", "adults", "children", "infants")}
        )
        yield do("ask_traveler", question="dates" if done.get("field") == "end_date" else done["field"], product_id=product)
        return phrases.NOT_POSSIBLE.format(why=phrases.refused(done))
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
        exact = [at for at in starts if at in (clock.at, evening(clock.at))]
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


def changes_of(goal: Goal, line: Mapping[str, Any], kind: str | None, scene: Scene) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if goal.party.said:
        units = units_of(goal.party, scene.trip)
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
        changes["start_time"] = evening(goal.clock.at) if kind == "dining" else goal.clock.at
    if goal.rooms:
        changes["quantity"] = goal.rooms
    return changes
