"""One thing a traveler asks for, as a plain value."""

from __future__ import annotations

from dataclasses import dataclass, field

from bot.offline.clock import Clock
from bot.offline.days import When
from bot.offline.money import Budget
from bot.offline.needs import Needs
from bot.offline.party import Party


@dataclass(frozen=True, slots=True)
class Goal:
    """One thing asked for. `act` is the verb; the rest is what this clause said (nothing is filled in from before)."""

    act: str
    text: str
    kind: str | None = None
    city: str | None = None
    unknown_city: str | None = None
    words: str = ""
    when: When = field(default_factory=When)
    clock: Clock = field(default_factory=Clock)
    party: Party = field(default_factory=Party)
    budget: Budget = field(default_factory=Budget)
    ordinal: int | None = None
    product: str | None = None
    product_score: float = 0.0
    rooms: int | None = None
    pick: str = ""  # "cheapest" or "other": one of those shown, by what it is among them
    needs: Needs = field(default_factory=Needs)
    speech: frozenset[str] = frozenset()  # everything the words do: thank, affirm, book, ask ...
    person: str = ""  # whose name the booking is under
    place: str = ""  # a city in the traveler's words, ours or not
    unknown_words: str = ""  # what no listing says; searched for when somebody asks "is there anything ..."

    @property
    def says_something(self) -> bool:
        """Does it name anything a search could use?"""
        return bool(
            self.kind
            or self.city
            or self.words
            or self.when.start
            or self.when.nights
            or self.party.said
            or self.budget.amount
            or self.budget.level
            or self.clock != Clock()
            or self.needs
            or self.when.end
        )
