"""Where one message asks for several things, the things; and what belongs together again."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

from bot.offline.acts import PICK_ONE, act_of
from bot.offline.clock import Clock
from bot.offline.days import When
from bot.offline.goal import Goal
from bot.offline.kinds import kinds_in
from bot.offline.party import Party

PREFERENCE = re.compile(r"^(?:we|i) (?:really )?(?:love|like|enjoy|are into|am into|prefer)\b")


def split_clauses(text: str) -> list[str]:
    """Where one sentence asks for several things, the things; otherwise the sentence."""
    rough = [part.strip(" ,") for part in re.split(r"(?<=[a-z)])[.;!?]+\s+|\n+", text) if part.strip(" ,.!?")]
    clauses: list[str] = []
    for sentence in rough:
        pieces = re.split(
            r",? (?:(?:can|could|would|will) you also|i(?:'d| would| will)? (?:will )?also|and then|then|and also|and|plus|also|as well as)(?: (?:a|an|the|some|i|we|please|remove|add|drop|change|make|book|find|show))?\b|, (?=(?:a|an|the|some|dinner|lunch|hotel|then|remove|add|drop)\b)",
            sentence,
        )
        marks = list(
            re.finditer(
                r",? (?:(?:can|could|would|will) you also|i(?:'d| would| will)? (?:will )?also|and then|then|and also|and|plus|also|as well as)\b|, (?=(?:a|an|the|some|dinner|lunch|hotel|then|remove|add|drop)\b)",
                sentence,
            )
        )
        if len(pieces) < 2 or not marks:
            clauses.append(sentence)
            continue
        cuts = [0]
        for mark in marks:
            before, after = sentence[cuts[-1] : mark.start()], sentence[mark.end() :]
            if _stands_alone(after) and (_stands_alone(before) or "also" in mark[0]):
                cuts.append(mark.start())
        ends = [*cuts[1:], len(sentence)]
        clauses += [
            re.sub(r"^(?:,|\s|and then\b|and also\b|and\b|then\b|plus\b|also\b|as well as\b)+", "", sentence[a:b]).strip()
            for a, b in zip(cuts, ends, strict=True)
        ]
    return [clause for clause in clauses if clause] or [text]


def _stands_alone(clause: str) -> bool:
    """A verb of its own, or a kind of service of its own."""
    act = act_of(clause)
    return (
        act in ("remove", "checkout", "total", "human", "trips")
        or bool(kinds_in(clause))
        or bool(re.search(r"^\s*(?:add|remove|drop|book|change|make|show|find)\b", clause))
    )


CHAT = ("yes", "no", "thanks", "greet", "bye")


def only_sets_out(before: Goal, goal: Goal) -> bool:
    """ "Lisbon next weekend, two of us. Something on the water?": the first sentence wants nothing of its own yet."""
    bare = before.act == "search" and not (before.kind or before.words or before.product or before.needs.asks)
    return bare and goal.city in (None, before.city) and not (goal.when.start and before.when.start)


def same_wish(before: Goal, goal: Goal) -> bool:
    """Does a second sentence only say more about what the first asked for?"""
    if before.act == "choose" and PICK_ONE.search(goal.text) and goal.needs.asks:
        return False
    if goal.ordinal is not None or goal.city not in (None, before.city) or (goal.product and goal.product != before.product):
        return False
    twice = (goal.when.start and before.when.start) or (goal.party.said and before.party.said and goal.party != before.party)
    if before.act in ("search", "inform") and goal.act == "search":
        same_kind = goal.kind in (None, before.kind) and bool(before.kind)
        return (
            same_kind
            and not twice
            and not (goal.words and before.words and goal.words != before.words)
            and not goal.unknown_words.startswith("else")
        )
    facts = goal.when.start or goal.when.nights or goal.party.said or goal.clock != Clock()
    if before.act == "choose" and goal.act in ("choose", "search", "inform", "change", "availability", "other_time"):
        container = bool(
            re.search(r"\b(?:tables?|rooms?|tickets?|seats?|reservation|booking|eat|dine|come|arrive|leave|stay|go)\b", goal.text)
        )
        return bool(facts) and not goal.words and (goal.kind in (None, before.kind) or (before.kind is None and container))
    return False


def shared(goals: list[Goal]) -> list[Goal]:
    """ "A boat trip, dinner on Friday and a hotel in Lisbon for two": place and people hold for all of them."""
    city = next((goal.city for goal in goals if goal.city), None)
    party = next((goal.party for goal in goals if goal.party.said), Party())
    if len([goal for goal in goals if goal.act == "search"]) < 2:
        return goals
    return [
        replace(goal, city=goal.city or city, party=goal.party if goal.party.said else party) if goal.act == "search" else goal
        for goal in goals
    ]


def _both_whens(main: When, extra: When) -> When:
    """ "Starting on Saturday. I'll need it for five nights": the day of one and the nights of the other."""
    if not main.start:
        main, extra = extra, main
    nights = main.nights or extra.nights
    end = main.end or (extra.end if main.start and extra.end and not extra.start and extra.end > main.start else None)
    if main.start and nights and not main.end_said:
        end = main.start + timedelta(days=nights)
    return replace(main, nights=nights, end=end)


def absorb(main: Goal, extra: Goal) -> Goal:
    """What a second clause adds to the first."""
    return replace(
        main,
        city=main.city or extra.city,
        unknown_city=main.unknown_city or extra.unknown_city,
        words=" ".join(dict.fromkeys([*main.words.split(), *extra.words.split()])),
        when=_both_whens(main.when, extra.when),
        clock=extra.clock if main.clock == Clock() or (extra.clock.at and not main.clock.at) else main.clock,
        rooms=main.rooms or extra.rooms,
        party=main.party if main.party.said else extra.party,
        needs=extra.needs.over(main.needs),
        speech=main.speech | extra.speech,
        person=main.person or extra.person,
        place=main.place or extra.place,
        budget=main.budget if main.budget.amount or main.budget.level else extra.budget,
    )
