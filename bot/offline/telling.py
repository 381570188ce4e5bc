"""Answering questions about a product from what its listing says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.offline import facts, phrases
from bot.offline.goal import Goal
from bot.offline.plan import do
from bot.offline.scene import Scene, Script


def answered(told: Mapping[str, Any], goal: Goal, scene: Scene, product: str) -> str:
    row = scene.lexicon.rows.get(product)
    text = facts.answer(told, goal.needs.asks, [str(tag) for tag in row.tags] if row else ())
    if "reference" in goal.needs.asks:
        text = f"{phrases.references(scene.facts.get('bookings') or ())} {text}".strip()
    return text or phrases.details(told, goal.text)


def tell(goal: Goal, scene: Scene, product: str) -> Script:
    told = yield do("get_details", product_id=product)
    return phrases.refused(told) if told.get("ok") is False else answered(told, goal, scene, product)


def facts_of_first(goal: Goal, scene: Scene) -> Script:
    """A search that also asks: the facts of the first result of this very turn."""
    results = (result for name, result in reversed(scene.results) if name == "search_offers")
    found: Mapping[str, Any] = next(results, {})
    offers = found.get("offers") or ()
    if not offers:
        return ""
    return (yield from tell(goal, scene, str(offers[0]["product_id"])))
