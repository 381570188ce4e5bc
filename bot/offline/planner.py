"""The planner as one function of the graph's messages."""

from __future__ import annotations

from collections.abc import Sequence

from langchain_core.messages import BaseMessage

from bot.offline.decide import next_step
from bot.offline.lexicon import Lexicon
from bot.offline.plan import Step
from bot.offline.scene import read_scene
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
        return next_step(read_scene(messages, self.lexicon()))
