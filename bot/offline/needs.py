"""What has to be true of the thing wanted, beyond place, days and people: level, stars, area, cuisine, features, ends of a ride.

`Needs` is a plain value: what one sentence said. `over` lays a newer one on an older one, so that "moderate instead" changes
the level and keeps the area; what the traveler does not care about is taken out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from bot.offline.numbers import NUMBERS, number

LEVELS: Mapping[str, str] = {
    "cheap": r"not (?:too |very |so |that )?(?:expensive|pricey)|cheap(?:ly)?(?!est|er)|budget(?:-friendly)?(?! is| of|:)|inexpensive|affordable|low[- ]?cost|low[- ]?priced?|economical",
    "moderate": r"moderate(?:ly)?|moderat\w*|reasonabl[ey](?: priced)?|mid(?:dle)?[- ]?(?:range|priced?|tier)|medium(?:[- ](?:priced?|range))?|intermediate|average[- ]priced?|not too cheap",
    "luxury": r"luxur(?:y|ious)|lavish|deluxe|top[- ]end",
    "expensive": r"expensive|pric(?:e)?y(?!ng)|high[- ]?(?:end|priced?|class)|upscale|upmarket|fancy|posh|costly|classy",
}
AREAS: Mapping[str, str] = {
    "centre": r"(?:the )?(?:city|town)[- ]?cent(?:re|er)|cent(?:re|er)(?! of (?:the )?(?:attention|gravity))|central(?:ly)?(?: located)?|downtown|city center|middle of (?:the )?(?:town|city)",
    "north": r"north(?:ern)?(?:[- ]?(?:side|end|part))?(?! (?:american|africa|korea|carolina|dakota))",
    "south": r"south(?:ern)?(?:[- ]?(?:side|end|part))?(?! (?:american|africa|korea|carolina|dakota|indian|san))",
    "east": r"east(?:ern)?(?:[- ]?(?:side|end|part))?(?! (?:african?|european))",
    "west": r"west(?:ern)?(?:[- ]?(?:side|end|part))?(?! (?:african?|virginia|indian))",
}
NAMED_AREA = re.compile(
    rf"(?:\b|(?=,))(?:in|on|to|of|at|near|from|around|be|is|the|side|located|preferably|try|for|about|with|a|an|and|any|yes|located in|like|prefer|want|need|say|,)\s+(?:the\s+)?(?:very\s+)?(?:(?:far|deep)\s+)?(?P<area>{'|'.join(f'(?P<{name}>{pattern})' for name, pattern in AREAS.items())})\b(?!\s+(?:station|street|road|avenue|boulevard|college|parade|hotel|coast))"
)
BARE_AREA = re.compile(
    rf"^\W*(?:yes|sure|ok|okay|preferably|maybe|definitely|actually|well|please|thanks|let's say|how about|what about)?\W*(?:the )?(?:{'|'.join(f'(?P<{name}>{pattern})' for name, pattern in AREAS.items())})\b(?:\s+(?:please|part|side|area|of|the|town|thanks|would|works?|thank you|end|for sure)\b)*\W*"
)
CUISINES = tuple(
    """
    modern european, north american, south american, latin american, asian oriental, middle eastern, north african, south african, west african,
    modern american, modern british, traditional british, modern global, modern eclectic, asian fusion, fish and chips, dim sum,
    afghan, african, american, arabic, argentinian, asian, australian, australasian, austrian, bangladeshi, barbecue, barbeque, bbq, basque,
    belgian, brazilian, breakfast and brunch, british, burmese, cajun, californian, cambodian, canapes, cantonese, caribbean, catalan,
    chilean, chinese, colombian, corsican, creole, crossover, cuban, czech, danish, dutch, egyptian, english, eritrean, ethiopian, european,
    filipino, french, fusion, gastropub, georgian, german, greek, halal, hawaiian, hungarian, indian, indonesian, international, iranian,
    irish, israeli, italian, jamaican, japanese, kosher, korean, lebanese, malaysian, mediterranean, mexican, mongolian, moroccan, nepalese,
    nepali, nigerian, norwegian, oriental, pakistani, panasian, persian, peruvian, polish, polynesian, portuguese, punjabi, romanian, russian, scandinavian,
    scottish, seafood, senegalese, breakfast food, sichuan, szechuan, singaporean, spanish, sri lankan, steakhouse, swedish, swiss, syrian, taiwanese, tex mex, tex-mex,
    thai, tibetan, turkish, tuscan, ukrainian, unusual, uzbek, vegan, vegetarian, venetian, vietnamese, welsh, world, pizza, sushi, ramen, tapas,
    burgers, burger, curry, noodles, dumplings, steak, pasta, gelato, ice cream, coffee, tacos, sandwiches, sandwich, izakaya, cafe, dessert, kebab, soul food, veggie
    """.replace("\n", " ").split(",")
)
_CUISINE = "|".join(sorted((re.escape(" ".join(one.split())) for one in CUISINES), key=len, reverse=True))
FOOD_WORD = r"(?:food|restaurants?|cuisine|dish(?:es)?|places?|dining|eater(?:y|ies)|meals?|ones?|options?|bistros?|cooking|style|cafes?)"
CUISINE_OF_FOOD = re.compile(rf"\b(?P<name>{_CUISINE})\s+(?:type |style |or \w+ )?{FOOD_WORD}\b")
CUISINE_WITH_CUE = re.compile(
    rf"\b(?:serv\w*|offers?|offering|kind of|type of|some|eat(?:ing)?|want|food|like|love|prefer|craving|cuisine|about|try|for|be|a|an|any|is|have|maybe|has|with|to|in)\s+(?:some |good |great |more |nice |really |authentic |an? |cheap |expensive |moderate(?:ly)?(?: priced)? |steaming |hot )*(?P<name>{_CUISINE})\b"
)
FAMILIES: Mapping[str, str] = {
    dish: family
    for family, dishes in {
        "italian": "pizza, pasta, gelato, tuscan, venetian", "japanese": "sushi, ramen, izakaya", "mexican": "tacos, tex mex, tex-mex",
        "chinese": "dim sum, dumplings, noodles, cantonese, sichuan, szechuan, taiwanese", "american": "barbecue, barbeque, bbq, burgers, burger, steakhouse, steak, cajun, creole, soul food",
        "spanish": "tapas, basque, catalan", "indian": "curry, punjabi", "british": "fish and chips, gastropub, english, scottish, welsh",
        "vegetarian": "veggie, vegan", "middle eastern": "kebab, lebanese, persian, syrian",
    }.items()
    for dish in dishes.split(", ")
}  # fmt: skip


def cuisine_family(cuisine: str) -> str:
    """The cuisine a dish or a region's kitchen belongs to; "" where it stands for itself."""
    return FAMILIES.get(cuisine, "")


FEATURES: Mapping[str, str] = {
    "wifi": r"wi-?\s?fi|wireless(?: internet)?|internet(?: access)?",
    "parking": r"parking|car ?park|garage",
    "pool": r"(?:swimming )?pools?(?! (?:attraction|in town|hall))|jacuzzi",
    "breakfast": r"breakfasts?(?: included)?",
    "gym": r"gym|fitness(?: (?:centre|center|room))?",
    "spa": r"spa\b",
    "pets": r"pets?(?:[- ]friendly)?|dogs?",
    "smoking": r"(?:smoking|smokers?)(?: room| allowed)?|smoke",
    "kids": r"(?:kid|child|family)[- ]?friendly|good for (?:the )?(?:kids|children)|suitable for (?:kids|children)",
    "wheelchair": r"wheel ?chair(?:[- ]accessible)?|accessible",
    "outdoors": r"outdoor(?:s)?(?: seating| tables?)?|patio|terrace|garden seating|outside seating|al fresco",
    "vegetarian": r"vegetarian|veggie",
    "vegan": r"vegan",
    "music": r"live music",
    "laundry": r"laundry|washing machine",
    "kitchen": r"kitchen(?:ette)?",
    "balcony": r"balcon(?:y|ies)",
    "air": r"air[- ]?con\w*|a/c\b",
    "free": r"free (?:entry|entrance|admission)|no (?:entrance|entry|admission) fee|free to (?:enter|visit|get in)",
}
UNWANTED = re.compile(
    r"(?:don't|do not|doesn't|does not|needn't|shouldn't|wouldn't|won't|no|not|without|isn't|never mind(?: the)?|won't)\s+(?:really |even |any |necessarily |have to |has to )*(?:need|want|require|care (?:about|for|if)|include|have|matter|mind|worry about|offer|necessary|important|needed|needing|be)?\s*(?:to |have |it |there |is |any |a |the |about |if |they |for |free |include |offer |has )*$"
)
SORTS: Mapping[str, str] = {
    "hotel": r"(?:prefer|be|is|type|kind|only|specifically|actual|real|strictly) (?:of |to be |it to be |that is )*(?:a |an )?(?:\w+ )?hotels?(?! or| room)|hotels? type",
    "guesthouse": r"guest[- ]?houses?|bed and breakfast|b ?& ?b",
    "hostel": r"hostels?",
    "apartment": r"apartments?|flats?",
    "museum": r"museums?|galler(?:y|ies)",
    "park": r"parks?(?!ing)",
    "nightclub": r"night ?clubs?|clubs?|nightlife",
    "theatre": r"theat(?:re|er)s?",
    "cinema": r"cinemas?|movie theaters?|movies?",
    "college": r"colleges?",
    "architecture": r"architectur\w*",
    "church": r"church(?:es)?|cathedrals?|place of worship|temples?|mosques?",
    "boat": r"boats?|boating|punting",
    "swimming pool": r"swimming ?pools?|place to swim|go swimming|swimming",
    "concert hall": r"concert ?halls?",
    "entertainment": r"entertain\w*",
    "multiple sports": r"multiple sports?",
    "sports": r"sports?(?:ing)?|games?(?= events?| (?:in|on|at)|\W*$)|football|soccer|basketball|baseball|hockey|match(?:es)? events?",
    "music": r"music(?:al)?(?: events?)?|concerts?|bands?|gigs?",
    "theme park": r"theme parks?|amusement parks?|water ?parks?",
    "garden": r"(?:botanic(?:al)? )?gardens?",
    "zoo": r"zoos?|aquariums?|nature preserve",
    "shopping": r"shopping(?: area| mall)?|malls?|markets?",
    "historical": r"histor\w+(?: landmark| sights?| sites?)?|landmarks?|monuments?|castles?",
    "performing arts": r"performing arts|performance venue|plays?(?! (?:music|song))|ballet|opera",
    "beach": r"beach(?:es)?",
    "sedan": r"sedan",
    "suv": r"suvs?",
    "compact": r"compact",
    "standard": r"standard(?= (?:car|size|one|type|vehicle))|standard$",
    "full-size": r"full[- ]?size|spacious|large car",
    "electronica": r"electronica",
}
SIGHTS = (
    "museum", "park", "nightclub", "theatre", "cinema", "college", "architecture", "church", "boat", "swimming pool", "concert hall",
    "entertainment", "multiple sports", "theme park", "zoo",
)  # fmt: skip
"""What is visited for its own sake: somebody who asks for one asks for something to do."""
STAY_SORTS = ("hotel", "guesthouse", "hostel", "apartment")
CAR_SORTS = ("sedan", "suv", "compact", "standard", "full-size")
FACTS: Mapping[str, str] = {
    "phone": r"(?:tele)?phone(?: numbers?)?|contact (?:number|info\w*|details?)|\bnumber to call|(?<!reference )(?<!train )(?<!confirmation )(?<!flight )\bnumbers?(?= (?:for|of|and|please|to)|[?.,!]|$)",
    "address": r"address(?:es)?|exact location|where (?:is|are|'s|can) (?:it|they|this|that|the|i find|there)[^.?!]*(?:located|address|situated|at|find)?|(?:what|which|the) street(?: name| is)?\b|street name|located(?=\?)|directions?",
    "postcode": r"post ?-?codes?|post(?:al)? ?codes?|zip(?: ?code)?|postal(?: code)?|\bpostal\b",
    "reference": r"(?:reference|ref|confirmation|booking)(?: ?#| numbers?| code| id| info\w*| no)|\breference\b",
    "fee": r"(?:entrance|entry|admission|entr\w+)(?: ?(?:fees?|costs?|price|charge))|\bfees?\b|cost to (?:get in|enter)|how much (?:is it )?to (?:get in|enter)",
    "duration": r"(?:total )?(?:travel|travell?ing|journey|trip|ride) (?:time|duration|length)|duration|how long (?:is|does|will|would|are)(?! you)",
    "start": r"(?:what|which) time (?:does|do|will|is|would) [^.?!]{0,40}?\b(?:start|begin)|when (?:does|do|will) [^.?!]{0,40}?\b(?:start|begin)|start(?:ing)? times?",
    "departure": r"(?:departure|departing|leaving) times?|(?:what|exact) time (?:does|will|do|would|is) (?:it|the (?:train|bus|flight)|that|this|they)? ?(?:leav\w*|depart\w*)|when (?:does|will) (?:it|the train|that|the bus) (?:leave|depart)|(?:when|what time) (?:it|the train|that) (?:leaves|departs)",
    "arrival": r"arrival times?|arriving times?|(?:what|which) time (?:does|will|do|would) (?:it|the (?:train|bus|flight)|that|this|they|i)? ?arriv\w*|when (?:does|will|would) (?:it|the train|that|the bus|this train) (?:arrive|get)|(?:when|what time) (?:it|the train|that|i) (?:arrives?|gets? there|will arrive)",
    "id": r"(?:train|flight)(?:'s)? ?(?:id|number|no)\b|\btrain ?id\b|\bid\b(?= (?:number|of|and)|[?.,!]|$)",
    "price": r"(?:the |its |their |ticket )?(?:prices?|costs?|fares?)(?! ?range)|how much",
    "level": r"price ?range",
    "area": r"(?:what|which) (?:area|part)|the area|its area|areas? (?:of town|are|is)|\barea\b",
    "stars": r"star(?:s| rating)|how many stars|\brating\b",
    "type": r"(?:what|which) (?:kind|type|sort)|(?:the|its|hotel|attraction) (?:attraction )?type|\btype\b",
    "cuisine": r"(?:food|cuisine) type|type of (?:food|cuisine)|(?:what|which) (?:kind|type|sort) of (?:food|cuisine)|what (?:food|cuisine)|kind of food",
    "parking": r"parking",
    "internet": r"internet|wi-?fi",
    "website": r"website|web ?page|e-?mail(?: address)?|homepage",
    "hours": r"open(?:ing)? (?:hours|times?)|hours|when (?:do|does|is|are) (?:it|they|the \w+) open|what time do(?:es)? (?:it|they) (?:open|close)",
}
CHECKED = {"level": "level", "area": "area", "stars": "stars", "cuisine": "cuisine", "sort": "type"}
FEATURE_FACTS = {"wifi": "internet", "parking": "parking", "free": "fee"}
ALWAYS_ASKED = frozenset(("phone", "address", "postcode", "reference", "fee", "duration", "start", "departure", "arrival", "id", "website"))
"""Nobody narrows a search by a phone number: where these are named, they are asked for."""
ASKING = re.compile(
    r"\b(?:what|what's|whats|which|how|tell|let me know|know|give|get|have|need|provide|send|see|find out|does|do|is there|is it|are there|has|include|includes|could i|can i|may i|also|info\w*|confirm|want|wondering|looking for|please(?: include)?|like)\b[^.?!]*$"
)
NOT_ASKED_BUT_WANTED = re.compile(r"\b(?:needs?|wants?|should|must|with|has to|have to|would like|prefer\w*|looking for|includes?|that (?:has|have|offers?|includes?)|find|any|somewhere|place|hotel|ones?|guesthouse|rooms?|same)\b[^.?!]*$")  # fmt: skip
DONT_CARE = re.compile(
    r"\b(?:(?:don't|do not|doesn't|does not|dont|doesnt|not|n't|really)(?: really| particularly| even| much| too| all that| that)? (?:care|matter|mind|picky|particular|fussy|concerned|important|worried|have (?:a|any|an?y particular)(?: \w+)? ?(?:preferences?|in mind|type)?|have (?:one|a \w+) in mind)|no (?:real |particular |specific )?preferences?|not (?:a )?(?:particular|picky|fussy|important|sure|concern)|any(?:thing|where| one| of (?:them|those|these)?|thing)? (?:is|are|will|would|works?|one)(?: be)?(?: fine| do| ok| okay| good| great| work)?|either (?:way|one|is)|surprise me|whatever|whichever|up to you|you (?:choose|pick|decide)|your (?:choice|favou?rite|recommendation)|(?:just )?pick (?:one|any|a|something)|(?:i'm|i am|i'm pretty|am) (?:open|flexible|easy)|no matter|irrelevant|any (?:type|kind|price|area|cuisine|food|range|stars?|part|side)|doesn't have to|not necessarily|anything)\b"
)
ABOUT: Mapping[str, str] = {
    "area": r"area|part of (?:the )?(?:town|city)|side of (?:the )?town|location|where|located|side",
    "level": r"price|cost|expens\w+|cheap|budget|range|money",
    "stars": r"stars?|rating",
    "cuisine": r"food|cuisine|type of restaurant|kind of restaurant",
    "sort": r"type|kind|guest ?house|hotel or|sort of",
    "wifi": r"wi-?fi|internet",
    "parking": r"parking|car ?park",
}
SAME = re.compile(r"\bsame (?P<what>area|part|side|price|pricerange|range|group|people|party|number|day|date|night|place|location|time)\b|\b(?:that|this) (?P<that>area|price range|side of town)\b|\b(?P<near>near(?:by)?|close|next) to (?:the |my )?(?:hotel|restaurant|museum|guesthouse|attraction)\b")  # fmt: skip
STARS = re.compile(
    rf"\b(?P<n>[0-5]|{'|'.join(w for w in NUMBERS if w in ('zero', 'one', 'two', 'three', 'four', 'five'))})(?:[ -]|)(?:or \w+ )?stars?\b|\bstars?(?: rating)?(?: of| should be| is|:)? (?P<m>[0-5]|one|two|three|four|five)\b|\brat(?:ing|ed) (?:of |at )?(?P<k>[1-5])\b"
)
NAMED = re.compile(
    r"\b(?:called|named|name of|by the name of|name is|its name is|known as)\s+(?:the\s+)?[\"']?(?P<name>[a-z0-9\u00c0-\u024f][\w'&\u00c0-\u024f. -]*?)[\"']?(?=\s*(?:[,;?!]|\.(?:\s|$)|$|\b(?:on|at|for|please|in the|that|is|can|could|do|i|we|and (?:i|can|get|need|book)|could)\b))"
)


@dataclass(frozen=True, slots=True)
class Needs:
    """What was said about the thing itself. Texts are "" and numbers None where nobody said."""

    level: str = ""  # cheap, moderate, expensive, luxury
    stars: int | None = None
    area: str = ""  # centre, north, south, east, west
    cuisine: str = ""
    sort: str = ""  # guesthouse, museum, suv ...
    features: tuple[str, ...] = ()
    name: str = ""  # of a thing that is looked for by name
    mode: str = ""  # train, bus, taxi, car, flight, event
    origin: str = ""  # of a ride, in the traveler's words
    destination: str = ""
    arrive: str = ""  # HH:MM at the latest
    open: tuple[str, ...] = ()  # what they do not care about
    same: tuple[str, ...] = ()  # "in the same area"
    asks: tuple[str, ...] = ()  # facts asked for

    def __bool__(self) -> bool:
        return any(getattr(self, one.name) not in ("", None, ()) for one in fields(self) if one.name not in ("asks", "same"))

    @property
    def checks(self) -> tuple[str, ...]:
        """The facts that "is it cheap?", "does it have wifi?" ask for."""
        told = [fact for slot, fact in CHECKED.items() if getattr(self, slot) not in ("", None)]
        return (*told, *(FEATURE_FACTS[one] for one in self.features if one in FEATURE_FACTS))

    def by_slot(self) -> tuple[tuple[str, str | tuple[str, ...]], ...]:
        """(slot, what listings would be tagged with) of everything that has to hold."""
        level = "expensive" if self.level == "luxury" else self.level
        told: tuple[tuple[str, str | tuple[str, ...]], ...] = (
            ("area", self.area),
            ("level", level),
            ("stars", f"{self.stars} stars" if self.stars is not None else ""),
            ("cuisine", self.cuisine),
            ("sort", self.sort),
            ("from", f"from {self.origin}" if self.origin else ""),
            ("to", f"to {self.destination}" if self.destination else ""),
            ("features", self.features),
        )
        return tuple((slot, said) for slot, said in told if said)

    @classmethod
    def of_tags(cls, tags: Sequence[str]) -> Needs:
        """The needs that such tags mean, the other way round."""
        told: dict[str, Any] = {}
        features = []
        for tag in tags:
            slot = slot_of(tag.lower())
            if slot in ("area", "level", "cuisine", "sort"):
                told[slot] = tag
            elif slot == "stars":
                told["stars"] = int(tag.split()[0])
            elif slot in ("from", "to"):
                told["origin" if slot == "from" else "destination"] = tag.split(" ", 1)[1]
            else:
                features.append(tag)
        return cls(**told, features=tuple(features))

    def over(self, before: Needs) -> Needs:
        """This on top of `before`: newer words win, and what is open or unwanted now is dropped."""
        kept = before.without(self.open)
        told = {one.name: getattr(self, one.name) or getattr(kept, one.name) for one in fields(self)}
        told |= {"stars": self.stars if self.stars is not None else kept.stars}
        told["features"] = tuple(dict.fromkeys((*kept.features, *self.features)))
        told |= {"asks": self.asks, "same": self.same}
        still = (*(slot for slot in before.open if not getattr(self, slot, "")), *self.open)
        return Needs(**{**told, "open": tuple(dict.fromkeys(still))})

    def without(self, slots: Sequence[str]) -> Needs:
        """What is left when these slots or features do not matter any more."""
        blank: dict[str, Any] = {slot: None if slot == "stars" else "" for slot in slots if slot in _TEXTS}
        return replace(self, **blank, features=tuple(one for one in self.features if one not in slots))


_TEXTS = frozenset(("level", "area", "cuisine", "sort", "stars", "name", "mode", "origin", "destination", "arrive"))


def read_needs(clause: str, *, kind: str | None, topic: str | None = None, question: str = "") -> Needs:
    """The needs in one clause. `kind` is what it names and `topic` what the talk is about; `question` is what we last asked ("area", "level" ...)."""
    asks = read_asks(" ".join(part for part in re.split(r"[.;!?]|,? but |,? just ", clause) if not DONT_CARE.search(part)) or "")
    open_slots, unwanted = _read_open(clause, question)
    features, refused = _read_features(clause, asks)
    level = "" if "level" in open_slots else _read_level(clause)
    return Needs(
        level=level,
        stars=None if "stars" in open_slots else _read_stars(clause),
        area="" if "area" in open_slots else _read_area(clause),
        cuisine="" if "cuisine" in open_slots else _read_cuisine(clause, kind or topic),
        sort="" if "sort" in open_slots else _read_sort(clause, kind, topic),
        features=tuple(one for one in features if one not in open_slots),
        name=_read_name(clause),
        open=tuple(dict.fromkeys((*open_slots, *refused, *unwanted))),
        same=_read_same(clause),
        asks=asks,
    )


def _read_level(clause: str) -> str:
    for level, pattern in LEVELS.items():
        for match in re.finditer(rf"\b(?:{pattern})\b", clause):
            before = clause[max(0, match.start() - 22) : match.start()]
            if level != "cheap" and re.search(
                r"\b(?:not|isn't|less|too|nothing|more|how|quite|most)\s+(?:too |very |that |so |as |quite |necessarily )?[\"']?$", before
            ):
                continue
            return level
    return ""


def _read_area(clause: str) -> str:
    found: list[tuple[int, str]] = []
    for pattern in (NAMED_AREA, BARE_AREA):
        for match in pattern.finditer(clause):
            found += [(match.start(), name) for name in AREAS if match[name]]
    return max(found)[1] if found and re.search(r"\b(?:instead|rather|actually)\b", clause) else min(found)[1] if found else ""


def _read_stars(clause: str) -> int | None:
    match = STARS.search(clause)
    if match is None:
        return None
    return number(match["n"] or match["m"] or match["k"])


def _read_cuisine(clause: str, kind: str | None) -> str:
    match = CUISINE_OF_FOOD.search(clause)
    if match is None and kind in ("dining", None):
        match = CUISINE_WITH_CUE.search(clause)
        if match is None:
            match = re.match(
                rf"^\W*(?:yes|no|sure|ok|okay|maybe|well|actually|then|please|perhaps|hmm)?\W*(?P<name>{_CUISINE})\b(?:\s+(?:food|please|then|cuisine|would|sounds|is))*\W*",
                clause,
            )
    if match is None:
        return ""
    name = " ".join(match["name"].split())
    if (
        name in ("breakfast and brunch", "world", "unusual", "cafe", "coffee", "english", "american")
        and kind != "dining"
        and "food" not in match[0]
    ):
        return ""
    return name


EITHER_BED = re.compile(r"\bhotels? or (?:a |an )?guest ?houses?|\bguest ?houses? or (?:a |an )?hotels?")


def _read_sort(clause: str, kind: str | None, topic: str | None) -> str:
    clause = EITHER_BED.sub("hotel", clause)
    best: tuple[int, str] | None = None
    for sort, pattern in SORTS.items():
        if kind == "stay" and sort not in STAY_SORTS:
            continue
        if kind in ("dining", "guide"):
            continue
        if sort in ("sedan", "suv", "compact", "standard", "full-size") and (kind or topic) not in ("transport", None):
            continue
        if (
            (kind or topic) == "transport"
            and not (kind is None and sort in SIGHTS)
            and sort not in ("sedan", "suv", "compact", "standard", "full-size")
        ):
            continue
        if kind == "activity" and sort in STAY_SORTS:
            continue
        for match in re.finditer(rf"\b(?:{pattern})\b", clause):
            if best is None or match.start() < best[0]:
                best = (match.start(), sort)
    return best[1] if best else ""


def _read_features(clause: str, asks: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(wanted, not needed)."""
    wanted, refused = [], []
    for feature, pattern in FEATURES.items():
        match = re.search(rf"\b(?:{pattern})\b", clause)
        if match is None:
            continue
        after = clause[match.end() : match.end() + 40]
        if (
            UNWANTED.search(clause[: match.start()].rstrip() + " ")
            or UNWANTED.search(clause[: match.start()].rstrip())
            or re.match(r"[^.?!,]*\b(?:isn't|not|doesn't|does not|is not)\b[^.?!,]*\b(?:need|necess|matter|important|require|must)", after)
        ):
            refused.append(feature)
        elif feature not in asks and not (feature == "wifi" and "internet" in asks):
            wanted.append(feature)
    return tuple(wanted), tuple(refused)


def _read_open(clause: str, question: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(slots they do not care about, the same for features)."""
    if not DONT_CARE.search(clause):
        return (), ()
    named = []
    for part in re.split(r"[.,;!?]|\bbut\b|\bjust\b|\bas long as\b", clause):
        if DONT_CARE.search(part):
            named += [slot for slot, pattern in ABOUT.items() if re.search(rf"\b(?:{pattern})\b", part)]
    if not named and question in ABOUT:
        named = [question]
    slots = tuple(one for one in named if one not in ("wifi", "parking"))
    return slots or (("any",) if not named else ()), tuple(one for one in named if one in ("wifi", "parking"))


def _read_same(clause: str) -> tuple[str, ...]:
    found = []
    for match in SAME.finditer(clause):
        what = match["what"] or match["that"] or "area"
        found.append(
            {"part": "area", "side": "area", "place": "area", "location": "area", "side of town": "area", "pricerange": "level", "price": "level",
             "range": "level", "price range": "level", "group": "party", "people": "party", "number": "party", "date": "day", "night": "day"}.get(what, what)
        )  # fmt: skip
    return tuple(dict.fromkeys(found))


def _read_name(clause: str) -> str:
    match = NAMED.search(clause)
    if match is None or re.match(r"(?:a|an|my|your|is|it|one)\b", match["name"]):
        return ""
    return match["name"].strip(" .'\"")


def read_asks(clause: str) -> tuple[str, ...]:
    """The facts the clause asks for."""
    found = []
    for fact, pattern in FACTS.items():
        for match in re.finditer(rf"\b(?:{pattern})", clause) if fact != "phone" else re.finditer(pattern, clause):
            before = clause[: match.start()]
            inside = match[0]
            if fact in ALWAYS_ASKED:
                if fact == "reference" and re.search(r"\b(?:change|cancel|my)\b", before) and "?" not in clause and "need" not in before:
                    continue
                found.append(fact)
                break
            if (
                fact in ("level", "area")
                and re.search(r"\b(?:same|that|this|in(?: the)?|any|right)\s+$", before)
                and not re.match(r"(?:what|which)", inside)
            ):
                continue
            asking = bool(ASKING.search(before)) or inside.startswith(("what", "which", "how", "when"))
            question = "?" in clause or bool(re.search(r"\b(?:tell|know|give|get|need|provide|send|what|which|how)\b", before + inside))
            wanted = fact in ("parking", "internet", "stars", "type", "area", "level", "price", "hours") and (
                NOT_ASKED_BUT_WANTED.search(before)
                and not re.search(
                    r"\b(?:what|which|how|tell me|let me know|know|does (?:it|that|this|the)|do they|is there|is it|are there|provide|give|get me|get the|(?:just|only) need|need to know|whether)\b",
                    before,
                )
            )
            if asking and question and not wanted:
                found.append(fact)
                break
    if "cuisine" in found and "type" in found:
        found.remove("type")
    if "fee" in found and "price" in found and not re.search(r"\bprice\b", clause):
        found.remove("price")
    if "duration" in found or "departure" in found or "arrival" in found:
        found = [one for one in found if one != "hours"]
    return tuple(found)


_SORT_TAGS = frozenset(re.sub(r"[^a-z]", "", sort) for sort in SORTS) | {"hotel"}
_CUISINE_TAGS = frozenset(" ".join(one.split()) for one in CUISINES)


def slot_of(tag: str) -> str | None:
    """Which slot a listing's tag answers: "north" the area, "4 stars" the stars, "from ely" one end of a ride."""
    if tag in AREAS:
        return "area"
    if tag in LEVELS:
        return "level"
    if re.fullmatch(r"[0-5][ -]stars?", tag):
        return "stars"
    if re.match(r"(?:from|to) \w", tag):
        return tag.split(" ", 1)[0]
    if re.sub(r"[^a-z]", "", tag) in _SORT_TAGS:
        return "sort"
    if tag in _CUISINE_TAGS:
        return "cuisine"
    return tag if tag in FEATURES else None
