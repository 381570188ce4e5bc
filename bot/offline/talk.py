"""Small talk: greetings, help, ideas, and saying that something was not understood."""

from __future__ import annotations

from bot.offline import phrases
from bot.offline.plan import do
from bot.offline.scene import Scene, Script

EXAMPLE_CITIES = 3


def city_names(scene: Scene) -> list[str]:
    return [str(name) for name in scene.lexicon.names.values()]


def ideas(scene: Scene) -> list[str]:
    """Three things that work here and now."""
    city = scene.lexicon.names.get(str(scene.trip.get("city")), "") or next(iter(city_names(scene)), "")
    if not city:
        return ["Talk to a person"]
    return [f"Something fun in {city} this weekend for two", f"Dinner in {city} tomorrow", "Talk to a person"]


def show_help(scene: Scene, *, greeting: bool = False) -> Script:
    yield do("suggest_replies", replies=ideas(scene))
    names = city_names(scene)
    start = phrases.HELLO if greeting else phrases.HELP
    return start.format(cities=phrases.listed(names[:EXAMPLE_CITIES]), count=len(names))


def unclear(scene: Scene) -> Script:
    if scene.failed_before:
        yield do("suggest_replies", replies=["Talk to a person", *ideas(scene)[:2]])
        return phrases.UNCLEAR_AGAIN
    yield do("suggest_replies", replies=ideas(scene))
    return phrases.UNCLEAR
