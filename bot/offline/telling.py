"""Answering questions about a product from what its listing says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.offline import facts, phrases
from bot.offline.goal import Goal
from bot.offline.plan import do
from bot.offline.scene import Scene, Script


def answered(told: Mapping[str, Any], goal: Goal, scene: Scene, product: str) -> str:
    text = facts.answer(told, goal.needs.asks, tags_of(scene, product))
    if "reference" in goal.needs.asks:
        text = f"{phrases.references(scene.facts.get('bookings') or ())} {text}".strip()
    return text or phrases.details(told, goal.text)


def tell(goal: Goal, scene: Scene, product: str) -> Script:
    """The facts somebody asks for, in words; where the first of several does not say them, those of the next that does."""
    told = yield do("get_details", product_id=product, show=False)
    if told.get("ok") is False:
        return phrases.refused(told)
    text = answered(told, goal, scene, product)
    if (
        not facts.unknown(told, goal.needs.asks, tags_of(scene, product))
        or len(scene.shown) < 2
        or goal.product
        or goal.ordinal is not None
    ):
        return text
    for one in [one for one in scene.shown if one["product_id"] != product][:4]:
        other = str(one["product_id"])
        more = yield do("get_details", product_id=other, show=False)
        if more.get("ok") is not False and not facts.unknown(more, goal.needs.asks, tags_of(scene, other)):
            return phrases.INSTEAD.format(answer=facts.answer(more, goal.needs.asks, tags_of(scene, other)))
    return text


def tags_of(scene: Scene, product: str) -> list[str]:
    row = scene.lexicon.rows.get(product)
    return [str(tag) for tag in row.tags] if row else []


def facts_of_first(goal: Goal, scene: Scene) -> Script:
    """A search that also asks: the facts of the first result of this very turn."""
    results = (result for name, result in reversed(scene.results) if name == "search_offers")
    found: Mapping[str, Any] = next(results, {})
    offers = found.get("offers") or ()
    if not offers:
        return ""
    return (yield from tell(goal, scene, str(offers[0]["product_id"])))
