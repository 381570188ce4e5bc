"""The planner as one function of the graph's messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from langchain_core.messages import BaseMessage

from bot.offline.decide import next_step
from bot.offline.lexicon import Lexicon
from bot.offline.plan import Step
from bot.offline.scene import read_scene
from bot.offline.tongues import Tongue, tongue
from core.engine import SYSTEM, Engine
from tools.outcome import Desk
from tools.search import VocabularyCache


class OfflinePlanner:
    """`planner(messages, tool names) -> Step`, over the catalogue of this engine, read again every minute."""

    def __init__(self, engine: Engine) -> None:
        self._desk = Desk(engine, SYSTEM)
        self._cache = VocabularyCache()
        self._lexicon: Lexicon | None = None

    def lexicon(self) -> Lexicon:
        vocabulary = self._cache.get(self._desk)
        if self._lexicon is None or self._lexicon.vocabulary is not vocabulary:
            self._lexicon = Lexicon(vocabulary)
        return self._lexicon

    def __call__(self, messages: Sequence[BaseMessage], _names: Sequence[str]) -> Step:
        scene = read_scene(messages, self.lexicon())
        spoken = tongue(str(scene.facts.get("language") or "en"))
        if spoken is None:
            return next_step(scene)
        return _in_their_words(next_step(replace(scene, words=spoken.hear(scene.words), said=scene.words)), spoken)


def _in_their_words(step: Step, spoken: Tongue) -> Step:
    """What the traveler reads of a step: the answer, and the replies that are offered as buttons."""
    if step.call == "suggest_replies":
        return replace(step, arguments={"replies": [spoken.say(str(one)) for one in step.arguments["replies"]]})
    return replace(step, text=spoken.say(step.text)) if step.text else step
