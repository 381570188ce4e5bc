"""What a traveler's sentence asks for: one or several goals, each with what was said about place, days, people and money.

The catalogue is the vocabulary: cities by name and alias, products by name with typos, everything else by the tags and
titles that listings really use. What fits nothing is said to fit nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from bot.offline.acts import ASKS_AGAIN, BY_PRICE, OTHER_ONE, WANTS_SOME, act_of, decide_act
from bot.offline.clauses import CHAT, PREFERENCE, absorb, only_sets_out, same_wish, shared, split_clauses
from bot.offline.clock import read_arrival, read_clock
from bot.offline.days import read_when
from bot.offline.goal import Goal
from bot.offline.kinds import MODE_KIND, RIDES, kind_of_needs, kinds_in, mode_in, without_references
from bot.offline.lexicon import Lexicon
from bot.offline.money import read_budget
from bot.offline.needs import read_needs, slot_of
from bot.offline.numbers import MONTHS, NUMBERS, WEEKDAYS, Text, normal, number, read_ordinal
from bot.offline.party import read_party
from bot.offline.persons import read_person
from bot.offline.places import read_route, world_city
from bot.offline.speech import read_speech
from bot.offline.words import STOP, word_set
from core.search import fold

GREET = re.compile(
    r"^(?:hi|hello|hey|good (?:morning|afternoon|evening|day)|hiya|howdy|hola|greetings|yo)\b[ ,!.?]*(?:there|again|everyone|traveloure|anyone|anybody|somebody)?[ ,!.?]*(?:there)?[ ,!.?]*"
)


VAGUE = re.compile(r"\bsomething (?:fun|nice|special|cool|different|exciting|romantic) for\b")


NOT_NEEDED = re.compile(
    r"\b(?:actually,? )?(?:i|we) (?:don't|do not|no longer|won't) (?:need|want) (?:a|an|the|any|to book (?:a|the)) [^,.;?]{0,40}?(?:, but|,| but) (?=(?:i|we|can|could|do)\b)"
)
""" "I don't need a room now, but I do need a train": about the train."""
ALSO = re.compile(r"\b(?:also|too|as well|another|next|besides)\b")
BARE_RESERVATION = re.compile(r"reservation for\b(?! (?:dinner|lunch|breakfast|brunch|a table))")


def _named_first(folded: str, before: str | None) -> str | None:
    """The kind a message names first, apart from what it only points at and from reservations of what is talked about."""
    plain = without_references(folded, riding=before == "transport")
    if before == "transport" and not WANTS_SOME.search(plain):
        return before  # "to the Meze Bar restaurant"
    named = kinds_in(plain)
    if before not in (None, "dining"):
        named = [one for one in named if one[1] != "dining" or not BARE_RESERVATION.match(plain[one[0] :])]
    return next((name for _, name in named), None)


def understand(
    words: str,
    lexicon: Lexicon,
    today: date,
    *,
    question: str = "",
    shown: Sequence[str] = (),
    in_cart: Sequence[str] = (),
    trip: tuple[date, date] | None = None,
    latest: date | None = None,
    topic: str | None = None,
) -> list[Goal]:
    """The goals of a message. `question` is what we last asked; `shown` and `in_cart` are product ids that "the boat" may mean;
    `trip` is its first and last day and `latest` the day talked about last; `topic` is the kind of thing talked about, for a sentence that names none."""
    person = read_person(words, answering=question == "name")
    text = lexicon.mended(normal(re.sub(rf"\b{re.escape(person)}\b", " ", words) if person else words))
    rest = GREET.sub("", text).strip()
    if not rest:
        return [Goal("inform" if person else "greet", text, person=person, speech=read_speech(text))]
    rest = NOT_NEEDED.sub("", rest) or rest
    before = topic
    topic = _named_first(fold(rest), before) or topic
    clauses = split_clauses(rest)
    about = before or (topic if len(clauses) > 1 else None)
    goals = [
        _goal(lexicon.without_denied(clause), words, lexicon, today, question, shown, in_cart, trip, latest, topic, about)
        for clause in clauses
    ]
    understood = [goal for goal in goals if goal.act != "unclear"]
    if any(goal.act != "outside" for goal in understood):  # a word aside needs no answer either
        understood = [goal for goal in understood if goal.act != "outside" or goal.kind]
    chat = frozenset[str]().union(*(goal.speech for goal in goals if goal.act == "unclear"))
    goals = understood or goals[:1]  # chat around what was understood needs no answer
    goals[0] = replace(goals[0], person=person, speech=goals[0].speech | chat)
    merged: list[Goal] = []
    for goal in goals:
        if merged and PREFERENCE.search(goal.text) and goal.ordinal is None and merged[-1].act in ("search", "inform"):
            liked = " ".join(dict.fromkeys([*merged[-1].words.split(), *lexicon.content(fold(goal.text))]))
            merged[-1] = replace(absorb(merged[-1], replace(goal, words="")), words=liked, act="search")
            continue
        if merged and same_wish(merged[-1], goal):
            merged[-1] = replace(absorb(merged[-1], goal), kind=merged[-1].kind or goal.kind)
            continue
        small_talk = bool(merged) and merged[-1].act in ("yes", "no", "thanks", "greet", "bye")
        if merged and not small_talk and goal.act == "inform" and not goal.kind and goal.ordinal is None:
            merged[-1] = absorb(merged[-1], goal)  # "... for two. On Saturday, please."
        elif (
            merged
            and merged[-1].act == "inform"
            and before
            and goal.act == "search"
            and goal.kind not in (None, before)
            and (question or ALSO.search(goal.text))
        ):
            merged.append(goal)  # "For two, please. I also need a taxi": the two are for what was talked about
        elif merged and goal.act == "search" and (merged[-1].act in ("inform", "thanks") or only_sets_out(merged[-1], goal)):
            merged[-1] = absorb(goal, merged[-1])
        else:
            merged.append(goal)
    merged = [goal for at, goal in enumerate(merged) if goal.act not in CHAT or goal.act == "yes" or at == len(merged) - 1] or merged[-1:]
    if any(goal.act not in CHAT for goal in merged):  # an answer to the matter is answer enough
        merged = [goal for goal in merged if goal.act not in CHAT or (goal.act == "yes" and goal is merged[0])]
    return shared(merged)


def _goal(
    clause: str,
    original: str,
    lexicon: Lexicon,
    today: date,
    question: str,
    shown: Sequence[str],
    in_cart: Sequence[str],
    trip: tuple[date, date] | None,
    latest: date | None,
    topic: str | None,
    before: str | None,
) -> Goal:
    text = Text(clause)
    rooms_match = text.find(
        r"\b(\d|one|two|three|four|five) (?:(?:double|single|twin|hotel|family|joined|connecting|separate|large|more) )*(?:bed)?rooms?\b"
    )
    rooms = None
    if rooms_match:
        rooms = number(rooms_match[1])
    budget = read_budget(text)
    ordinal = read_ordinal(text)
    if rooms_match and rooms_match[1] in clause:
        again = text.find(
            r"\b(?:\d|one|two|three|four|five) (?=(?:(?:double|single|twin|hotel|family|joined|connecting|separate|large|more) )*(?:bed)?rooms?\b)"
        )
        if again:
            text.take(again, "rooms")
    picked = re.fullmatch(r"(?:ok |number |no )?(\d{1,2})[.!]?", clause)
    if ordinal is None and picked and question not in ("party", "date", "dates") and 1 <= int(picked[1]) <= len(shown):
        ordinal = int(picked[1])  # the cards are numbered in a terminal
    when = read_when(text, today, trip, staying=topic == "stay", latest=latest)
    party = read_party(text, answering=question in ("party", "date", "dates"))
    folded_clause = without_references(fold(clause).replace("-", " "), riding=topic == "transport")
    mode = mode_in(folded_clause)
    riding = mode in RIDES or (topic == "transport" and mode is None)
    arrive = read_arrival(text) if riding else ""
    clock = read_clock(text, answering=question == "start_time")
    folded = fold(text.text.replace("\x1f", " "))
    city = lexicon.city_in(fold(text.text).replace("\x1f", " ").replace("-", " "), original)
    if city:
        folded = folded.replace(city[1], " ")
    found_kinds = kinds_in(folded_clause)
    if (before or topic) not in (None, "dining") or rooms or when.nights:  # "a reservation for five nights" is no table
        found_kinds = [one for one in found_kinds if one[1] != "dining" or not BARE_RESERVATION.match(folded_clause[one[0] :])]
    vague = bool(VAGUE.search(folded_clause)) and len(found_kinds) > 1  # "something romantic for dinner" is about dinner
    kind = next((name for _, name in found_kinds if not (vague and name == "activity")), None)
    if (
        topic not in (None, kind)
        and not WANTS_SOME.search(clause)
        and (topic == "transport" or (kind == "dining" and re.search(r"\breservations? for\b", clause) and len(found_kinds) == 1))
    ):
        kind = None  # "from the hotel to the museum" is still about the ride; "a reservation for three nights" about the stay
    if kind is None and mode in MODE_KIND:
        kind = MODE_KIND[mode]
    route = read_route(Text(clause), original, riding=riding, stops=lexicon.stops)
    place = world_city(fold(text.text).replace("\x1f", " "), original)
    needs = read_needs(clause, kind=kind, topic=topic, question=question)
    needs = replace(needs, mode=mode or "", origin=route.origin, destination=route.destination, arrive=arrive)
    if kind is None and when.nights and re.search(r"\bnights?\b", clause) and topic not in ("stay", "transport"):
        kind = "stay"
    if kind is None and (implied := kind_of_needs(needs, topic, clause)):
        kind = implied
    if kind == "dining" and not (needs.cuisine or needs.asks or city) and (strange := _strange_cuisine(folded_clause, lexicon)):
        needs = replace(needs, cuisine=strange)
    held = {part for said in lexicon.held(needs, kind or topic) for part in re.findall(r"[a-z0-9]+", said)}
    content = [word for word in lexicon.content(folded) if word not in held and not (word == "food" and kind == "dining")]
    act = act_of(clause)
    whole = lexicon.called(folded_clause)
    product = (
        whole
        if whole and lexicon.telling(whole[0])
        else lexicon.product_in(folded, shown) or lexicon.product_in(folded, in_cart) or lexicon.called(folded_clause)
    )
    anywhere = lexicon.product_in(folded) or lexicon.called(folded_clause)
    if anywhere and (product is None or anywhere[1] > product[1] + 15) and anywhere[1] > 70:
        product = anywhere
    goal = Goal(
        act="",
        text=clause,
        kind=kind,
        city=city[0] if city else None,
        unknown_city=None if city else _unknown_city(clause, lexicon),
        words=" ".join(content),
        when=when,
        clock=clock,
        party=party,
        budget=budget,
        ordinal=ordinal,
        product=product[0] if product else None,
        product_score=product[1] if product else 0.0,
        rooms=rooms,
        needs=needs,
        speech=read_speech(clause),
        place=place[0] if place else "",
        unknown_words=" ".join([word for word in re.findall(r"[a-z]{4,}", folded) if word not in STOP][:3]),
    )
    if BY_PRICE.search(clause) and not ASKS_AGAIN.search(clause) and not goal.city and not goal.words:
        return replace(goal, act="choose", pick="cheapest")
    if OTHER_ONE.search(clause) and not (goal.kind or goal.words or goal.city):
        return replace(goal, act="choose", pick="other")
    named_before = goal.product is not None and (goal.product in shown or goal.product in in_cart) and goal.product_score >= 70
    return replace(goal, act=decide_act(goal, act, clause, named_before, before))


KITCHEN = re.compile(r"\b(?:serv\w+|find|for|a|an|some|any|offers?|with)\s+(?P<name>[a-z]+(?: [a-z]+)?) (?:food|cuisine|restaurants?)\b")
PLAIN_PRAISE = word_set(  # what a kitchen is like is not what it cooks
    "good nice great local best better different other fancy cheap cheaper particular certain specific new decent amazing lovely "
    "favourite favorite similar popular famous high low priced price quality real nearby close open quick fast healthy "
    "delicious authentic traditional moderately reasonably range rated romantic family casual find and the kind type sort style"
)


def _strange_cuisine(clause: str, lexicon: Lexicon) -> str:
    """ "A light bites restaurant": food of a kind we have never heard of, which no listing's words explain otherwise."""
    match = KITCHEN.search(clause)
    if match is None:
        return ""
    words = match["name"].split()
    known = any(word in STOP or word in PLAIN_PRAISE or word in lexicon.words or slot_of(word) or kinds_in(word) for word in words)
    return "" if known or number_word(words[0]) else match["name"]


def number_word(word: str) -> bool:
    return word in NUMBERS or word in WEEKDAYS or word in MONTHS


def _unknown_city(clause: str, lexicon: Lexicon) -> str | None:
    """ "in Vladivostok": a place after a preposition that is no place of ours and no word of ours."""
    match = re.search(r"\b(?:in|to|visit(?:ing)?|near|around|at) ([a-z\u00e0-\u024f]{4,}(?: [a-z\u00e0-\u024f]{4,})?)\b", clause)
    if not match:
        return None
    if match[0].startswith("to ") and not re.search(
        r"\b(?:go|going|fly|flying|travel\w*|trip|moving|over|come|get) $", clause[: match.start()]
    ):
        return None  # "to" and a verb
    first = fold(match[1].split(" ")[0])
    common = "the this that these those town advance general total case order front mind which what with some there here your my our city center centre morning evening afternoon night summer winter spring autumn bed eat have stay talk speak pay make take change book know find look least most"
    if first in common.split() or first in WEEKDAYS or first in MONTHS or first in STOP or first in lexicon.words or kinds_in(first):
        return None
    return match[1].title() if re.search(r"\b(?:in|to|visit(?:ing)?)\b", match[0]) else None
