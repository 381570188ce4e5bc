"""What was said last to the traveler by somebody who leaves no facts behind: an expert, or another model.

Read back out of the words: what it was about, and what it asked for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from bot.offline.kinds import kinds_in, mode_in
from bot.offline.state import Reply
from core.search import fold

ASKED: Mapping[str, str] = {
    "people": r"how many (?:people|guests|tickets|seats|persons|travell?ers|passengers|of you|in your)|party size|(?:for|with) how many|number of (?:people|guests|tickets)|how large",
    "nights": r"how (?:long|many (?:nights|days))|length of (?:your )?stay",
    "date": r"(?:what|which) (?:day|date|dates)|\bwhen\b|day (?:would|do|will) you|what day",
    "time": r"what time|which time|time (?:would|do|will|slot)|preferred time|departure time|travel times?",
    "destination": r"where (?:are|will|would|do) you (?:be )?(?:going|travel\w*|head\w*|like to go|want to go)|destination|going to\?|arrive (?:at|in)|where to",
    "origin": r"(?:depart\w*|leav\w*|travel\w*|coming|go) from|where .{0,30}from\b|pick(?:ed)? ?-?up|departure (?:location|site|point|station)|origin",
    "city": r"(?:which|what) (?:city|location)|where should i|where (?:do you want|would you like|are you looking)",
    "area": r"(?:what|which|certain|particular|specific|preferred|any|an) (?:area|part|side|location)|part of town|area (?:of town )?(?:do|would|preference|in mind)|preference (?:of|on|for|in) (?:area|location)|where in",
    "cuisine": r"(?:kind|type|style|sort) of (?:food|cuisine)|(?:what|which|certain|particular|any) (?:\w+ )?(?:food|cuisine)|cuisine|food (?:type|preference)",
    "level": r"price ?range|budget|how much .{0,20}spend",
    "stars": r"star rating|how many stars|\bstars\b",
    "sort": r"(?:type|kind) of (?:attraction|place|hotel|event|entertainment)|guest ?house or|hotel or",
    "name": r"your name|name (?:for|of) the (?:booking|reservation)|under what name",
}
BOOKING = re.compile(r"\b(?:book|reserv\w+|ticket|make (?:a|the) )\b")
OFFERING = re.compile(r"\b(?:would you like|shall i|should i|do you want|want me to|can i|may i|need me to|how about)\b")
SENTENCE = re.compile(r"[^.?!]+[.?!]*")


def read_reply(text: str) -> Reply:
    """The last question of a line of text, and the service it is about."""
    plain = fold(text)
    sentences = SENTENCE.findall(plain)
    questions = [sentence for sentence in sentences if "?" in sentence]
    question = questions[-1] if questions else ""
    asked = tuple(slot for slot, pattern in ASKED.items() if re.search(rf"\b(?:{pattern})", question))
    offers = "book" if OFFERING.search(question) and BOOKING.search(question) else ""
    return Reply(asked=asked, topic=_topic(question) or _topic(plain), offers_to=offers)


def _topic(plain: str) -> str:
    mode = mode_in(plain)
    kinds = [kind for _, kind in kinds_in(plain)]
    if mode and (not kinds or kinds[0] == "transport" or mode == "event"):
        return mode
    if not kinds:
        return ""
    return kinds[0] if kinds[0] != "transport" else mode or "taxi"
