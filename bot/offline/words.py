"""Words that say nothing, words that say something definite, and words that are commands."""

from __future__ import annotations

from bot.offline.numbers import MONTHS, WEEKDAYS


def word_set(text: str) -> frozenset[str]:
    return frozenset(text.split())


SPECIFIC = word_set(
    """
    museum museums hike hiking surf surfing boat sail sailing cruise kayak kayaking concert snorkel snorkeling dive diving bike cycling
    spa nightlife wine cooking vegan vegetarian halal kosher seafood sushi pizza tapas steak pool gym parking wifi breakfast balcony
    beach terrace rooftop pets dog romantic sauna hammam yoga golf ski skiing whale whales dolphin horse riding climbing waterfall cave
    desert temple temples market airport
    """
)
"""Words that mean something definite even where no listing has them: then nothing is found, and we say so."""


STOP = word_set(
    """
    a about above after again all also am an and any anything are around as at available be been book booking but by can could day days
    did do does doing done for free from get give go going good great had has have hello help here hey hi how i id if ill im in is it
    its ive just know let lets like ll look looking love make maybe me might more most my near need new next nice night no not of off ok
    okay on one ones only or our out people perfect perhaps place places please plan planning possible really recommend s see show so
    some somebody someone something somewhere suggest t take tell than thank thanks that the their them then there these they thing
    things think this those time to too town trip trips try up us use very visit want wanna was way we well were what when where which
    who will wish with would yes yet you your person persons party adult adults city today tomorrow tonight option options offer offers
    find search needed two three four five six seven eight nine ten serve serves serving should located area side part range type kind
    don doesn didn isn aren won wouldn couldn haven ve re little bit care fine preference matter second first third cheaper cheap best
    another else instead same different add put remove cart total price cost much many change switch move earlier later morning evening
    afternoon weekend week month thats dont fun idea ideas dinner lunch breakfast hotel hotels restaurant restaurants activity
    activities stay tour tours nearby
    """
)


COMMANDS = word_set(
    """
    remove delete change checkout cancel total cheaper cheapest people person adults children nights night dinner lunch breakfast hotel
    restaurant activity tomorrow today tonight weekend please instead morning afternoon evening second third details
    """
) | {name for name in (*WEEKDAYS, *MONTHS) if len(name) > 4}


NO_SLIPS = word_set(
    """
    charge chance hostel diner adult children's lights might sight fright persons
    """
)
"""Words of their own that are one letter away from a command."""
