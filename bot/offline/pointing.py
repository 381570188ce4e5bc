"""Which offer or cart line the traveler points at: by number, by name, by what it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bot.offline.goal import Goal
from bot.offline.scene import Scene
from core.search import fold


def meant(goal: Goal, scene: Scene) -> str | None:
    """The product a goal talks about: by number, by name, by what it is, else the one in focus or the only one shown."""
    shown = scene.shown
    if goal.ordinal is not None:
        at = goal.ordinal - 1 if goal.ordinal > 0 else len(shown) - 1
        return str(shown[at]["product_id"]) if 0 <= at < len(shown) else None
    if goal.product:
        return goal.product
    if goal.pick == "cheapest":
        priced = [one for one in shown if one.get("amount")]
        return str(min(priced, key=lambda one: int(one["amount"]))["product_id"]) if priced else None
    if goal.pick == "other":
        others = [one for one in shown if one["product_id"] != scene.trip.get("focus")]
        return str(others[0]["product_id"]) if len(others) == 1 else None
    if goal.words:
        for one in shown:
            if fits(replace(goal, kind=None), scene, one):
                return str(one["product_id"])
    if goal.kind:
        of_kind = [one for one in shown if scene.lexicon.kinds.get(str(one["product_id"])) == goal.kind]
        if len(of_kind) == 1:
            return str(of_kind[0]["product_id"])
    if scene.trip.get("focus"):
        return str(scene.trip["focus"])
    return str(shown[0]["product_id"]) if len(shown) == 1 else None


def fits(goal: Goal, scene: Scene, offered: Mapping[str, Any]) -> bool:
    """Is it of the kind, and has it all the words, that the goal names?"""
    row = scene.lexicon.rows.get(str(offered["product_id"]))
    text = fold(f"{offered['title']} {' '.join(row.tags) if row else ''}")
    return (not goal.kind or (row is not None and row.kind == goal.kind)) and all(word in text for word in goal.words.split())


def asked_about(goal: Goal, scene: Scene) -> str | None:
    """The product that facts are asked of: the one meant, else the first of those shown."""
    return meant(goal, scene) or (str(scene.shown[0]["product_id"]) if scene.shown else None)


def lines_meant(goal: Goal, scene: Scene) -> list[Mapping[str, Any]]:
    """The cart lines a goal talks about; all of them where it says so."""
    lines = list(scene.lines)
    if goal.product:
        named = [line for line in lines if line.get("product_id") == goal.product]
        if named:
            return named
    wanted = [word for word in goal.words.split() if word]
    if wanted:
        found = []
        for line in lines:
            row = scene.lexicon.rows.get(str(line.get("product_id")))
            text = fold(f"{line['title']} {' '.join(row.tags) if row else ''}")
            if any(word in text for word in wanted):
                found.append(line)
        if found:
            return found
    if goal.kind:
        found = [line for line in lines if scene.lexicon.kinds.get(str(line.get("product_id"))) == goal.kind]
        if found:
            return found
    if goal.ordinal is not None:
        at = goal.ordinal - 1 if goal.ordinal > 0 else len(lines) - 1
        return [lines[at]] if 0 <= at < len(lines) else []
    if " last " in f" {goal.text} " and lines:
        return [lines[-1]]
    if any(f" {word} " in f" {goal.text} " for word in ("everything", "all")):
        return lines
    if goal.words or goal.kind or goal.product:
        return []
    focus = [line for line in lines if line.get("product_id") == scene.trip.get("focus")]
    return focus or (lines if len(lines) == 1 else [])
