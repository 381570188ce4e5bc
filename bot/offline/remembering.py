"""What the traveler asks of us and not of the marketplace: what we know of them, to forget it, another language, another currency."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bot.languages import detect
from bot.offline import phrases
from bot.offline.goal import Goal
from bot.offline.money import CURRENCIES
from bot.offline.numbers import normal
from bot.offline.plan import do
from bot.offline.scene import Scene, Script
from bot.offline.tongues import tongue
from core.redact import REMOVED

KNOWS = re.compile(
    r"\bwhat (?:do|did|have) you (?:know|remember|noted?|saved|stored|got)\b.{0,12}\b(?:about|of|on|so far)\b|\bwhat you know about (?:me|us|my|our)\b"
    r"|^(?:please )?(?:remember|don't remember|do not remember|stop remembering) (?:me|us)\b"
)
FORGETS = re.compile(
    r"^(?:please |ok(?:ay)?,? |actually,? )*forget (?:about )?(?:the |my |our )?(?P<what>dates?|days?|times?|budget|city|place|people|party|preferences?|currency|wishes|trip)\b[.! ]*$"
)
FACTS = {
    "date": "dates", "day": "dates", "time": "time", "budget": "budget", "city": "city", "place": "city", "people": "party", "party": "party",
    "preference": "preferences", "currency": "currency", "wishe": "wishes", "trip": "everything",
}  # fmt: skip
NAMED = {"english": "en", "ingles": "en", "spanish": "es", "espanol": "es", "castellano": "es", "castilian": "es"}
SWITCH = re.compile(
    rf"(?:^/language |\b(?:speak|talk|answer|write|continue|go on|switch|change|habla\w*|responde\w*|escribe\w*|cambia\w*|sigue|seguimos)\b.{{0,24}}?)(?P<name>{'|'.join(NAMED)}|(?<=/language )[a-z]{{2}})\b"
)
MONEY = "|".join(sorted((word for word in CURRENCIES if word.isalpha()), key=len, reverse=True))
SHOWN_IN = re.compile(
    rf"(?:^(?:and |please |ok |so )*|\b(?:prices?|show|convert|switch|change|currency|everything|total|that|it|much|cost)\b.*)\b(?:in|to) (?:us |american |british )?(?P<money>{MONEY})(?:,? please)?[.?! ]*$"
)


def about_us(scene: Scene, goals: Sequence[Goal]) -> Script | None:
    """The script of such a wish, or None for every other sentence."""
    if REMOVED in scene.words or REMOVED in scene.said:
        return _never_here()  # a card number was typed, and is gone already
    text, plain = normal(scene.words), normal(scene.said or scene.words)
    named = SWITCH.search(_folded(plain))
    if named and (code := NAMED.get(named["name"]) or (named["name"] if len(named["name"]) == 2 else "")):
        return _speak(code)
    if KNOWS.search(text):
        return _tell()
    if (match := FORGETS.search(text)) is not None:
        return _forget(FACTS[match["what"].removesuffix("s") if match["what"] != "wishes" else "wishe"])
    shown = SHOWN_IN.search(text)
    if shown and not re.search(r"\d", text):
        return _currency(CURRENCIES[shown["money"]])
    spoken = detect(plain)
    if spoken not in (None, "en") and tongue(str(spoken)) is None and not any(goal.city and goal.kind for goal in goals):
        return _not_ours()
    return None


def _never_here() -> Script:
    yield do("show_cart")
    return phrases.NO_CARDS


def _folded(text: str) -> str:
    return text.translate(str.maketrans("áéíóúñ", "aeioun"))


def _tell() -> Script:
    yield do("show_memory")
    return phrases.MEMORY


def _forget(fact: str) -> Script:
    done = yield do("forget_facts", facts=[fact])
    return phrases.FORGOTTEN if done.get("ok") else phrases.refused(done)


def _speak(code: str) -> Script:
    if code not in phrases.SPEAKS:
        return (yield from _not_ours())
    done = yield do("set_language", language=code)
    if done.get("ok") is False:
        return phrases.refused(done)
    said, spoken = phrases.SPEAKS[code], tongue(code)
    return spoken.say(said) if spoken is not None else said


def _not_ours() -> Script:
    yield do("suggest_replies", replies=["Talk to a person"])
    return phrases.LANGUAGE


def _currency(code: str) -> Script:
    done = yield do("set_currency", currency=code)
    return phrases.CURRENCY.format(currency=code) if done.get("ok") else phrases.refused(done)
