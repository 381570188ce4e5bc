"""What a traveler's sentence asks for: one or several goals, each with what was said about place, days, people and money.

The catalogue is the vocabulary: cities by name and alias, products by name with typos, everything else by the tags and
titles that listings really use. What fits nothing is said to fit nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from typing import Any

from rapidfuzz import fuzz, process
from rapidfuzz.distance import OSA

from bot.offline.grammar import (
    MONTHS,
    SMALL,
    WD,
    WEEKDAYS,
    Budget,
    Clock,
    Party,
    Text,
    When,
    normal,
    number,
    read_budget,
    read_clock,
    read_ordinal,
    read_party,
    read_when,
)
from bot.offline.needs import FEATURES, SIGHTS, STAY_SORTS, Needs, read_needs, slot_of
from bot.offline.persons import read_person
from bot.offline.places import read_route, world_city
from bot.offline.speech import read_speech
from core.search import fold
from tools.search import Vocabulary

KINDS: Mapping[str, str] = {
    "stay": (
        r"hotels?|hostels?|apartments?|flats?|rooms?|suites?|accommodations?|lodgings?|guest ?houses?|riads?|ryokans?|villas?|"
        r"b ?& ?b|bed and breakfast|places? to (?:stay|sleep)|somewhere to (?:stay|sleep)|where to (?:stay|sleep)|stay(?:ing)?|sleep|airbnb|hostal|pension|resort|lodge|inn|cabin"
    ),
    "dining": (
        r"restaurants?|dinners?|lunch(?:es)?|brunch(?:es)?|breakfasts?|supper|tables?|dine|dining|eat(?:ing)?(?: out)?|bistros?|tavernas?|"
        r"cafes?|trattoria|izakaya|tasting menu|food(?! (?:tour|walk|market))|place to eat|somewhere to eat|where to eat|bite to eat|meal|reservation for"
    ),
    "transport": (
        r"transfers?|taxis?|cabs?|shuttles?|trains?|ferr(?:y|ies)|bus(?:es)?|car hire|car rental|rent(?:al)? (?:a )?car|rental car|driver|chauffeur|"
        r"airport (?:ride|pick ?-?up|transfer)|pick ?-?up|ride (?:to|from)|transport(?:ation)?|minivan|limousine|get (?:to|from) the airport"
    ),
    "guide": r"(?:private |local |personal |tour |city )?guides?|interpreter|someone to show us around|show (?:me|us) around",
    "activity": (
        r"activit(?:y|ies)|things? to do|(?:places?|somewhere|anything|something|one) (?:fun |nice |interesting |good )*(?:in town )?to (?:go(?! to\b| eat\b| for\b)|visit|see)|do something|something (?:\w+ )?to do|things? to see|places? of interest|what (?:can|could|should|to) (?:we |i |you |one )?do|what is there to do|what's there to do|something (?:fun|to do|nice|special|cool|different|exciting|romantic|for (?:the )?kids)|fun|tours?|trips?|"
        r"excursions?|class(?:es)?|workshops?|museums?|hik(?:e|es|ing)|surf(?:ing)?|boats?|sail(?:ing)?|cruises?|kayak(?:ing)?|walks?|concerts?|(?:a|the|live|some) shows?|theat(?:re|er)s?|"
        r"tastings?|lessons?|adventures?|experiences?|sightseeing|see the city|attractions?|snorkel(?:l?ing)?|div(?:e|ing)|bik(?:e|es|ing)|cycling|spa|nightlife|entertain\w*"
    ),
}
KIND_ORDER = ("guide", "transport", "stay", "dining", "activity")
NOT_DINING = re.compile(
    r"\b(?:food|wine|tapas|street[- ]food|market|culinary|pub|beer) (?:tour|walk|tasting|crawl|trip)s?\b|\bcooking\b|\bdinner (?:cruise|show)s?\b"
)
WITH_BREAKFAST = re.compile(r"\b(?:with|includ(?:es|ed|ing)|and) breakfast\b|\bbreakfast (?:is )?included\b")
NOT_TRANSPORT = re.compile(r"\b(?:boat|bike|bicycle|bus|train|segway|tuk ?-?tuk|walking|ferry) (?:tours?|trips?)\b")

SPECIFIC = frozenset(
    [
        "museum",
        "museums",
        "hike",
        "hiking",
        "surf",
        "surfing",
        "boat",
        "sail",
        "sailing",
        "cruise",
        "kayak",
        "kayaking",
        "concert",
        "snorkel",
        "snorkeling",
        "dive",
        "diving",
        "bike",
        "cycling",
        "spa",
        "nightlife",
        "wine",
        "cooking",
        "vegan",
        "vegetarian",
        "halal",
        "kosher",
        "seafood",
        "sushi",
        "pizza",
        "tapas",
        "steak",
        "pool",
        "gym",
        "parking",
        "wifi",
        "breakfast",
        "balcony",
        "beach",
        "terrace",
        "rooftop",
        "pets",
        "dog",
        "romantic",
        "sauna",
        "hammam",
        "yoga",
        "golf",
        "ski",
        "skiing",
        "whale",
        "whales",
        "dolphin",
        "horse",
        "riding",
        "climbing",
        "waterfall",
        "cave",
        "desert",
        "temple",
        "temples",
        "market",
        "airport",
    ]
)
"""Words that mean something definite even where no listing has them: then nothing is found, and we say so."""

STOP = frozenset(
    [
        "a",
        "about",
        "above",
        "after",
        "again",
        "all",
        "also",
        "am",
        "an",
        "and",
        "any",
        "anything",
        "are",
        "around",
        "as",
        "at",
        "available",
        "be",
        "been",
        "book",
        "booking",
        "but",
        "by",
        "can",
        "could",
        "day",
        "days",
        "did",
        "do",
        "does",
        "doing",
        "done",
        "for",
        "free",
        "from",
        "get",
        "give",
        "go",
        "going",
        "good",
        "great",
        "had",
        "has",
        "have",
        "hello",
        "help",
        "here",
        "hey",
        "hi",
        "how",
        "i",
        "id",
        "if",
        "ill",
        "im",
        "in",
        "is",
        "it",
        "its",
        "ive",
        "just",
        "know",
        "let",
        "lets",
        "like",
        "ll",
        "look",
        "looking",
        "love",
        "make",
        "maybe",
        "me",
        "might",
        "more",
        "most",
        "my",
        "near",
        "need",
        "new",
        "next",
        "nice",
        "night",
        "no",
        "not",
        "of",
        "off",
        "ok",
        "okay",
        "on",
        "one",
        "ones",
        "only",
        "or",
        "our",
        "out",
        "people",
        "perfect",
        "perhaps",
        "place",
        "places",
        "please",
        "plan",
        "planning",
        "possible",
        "really",
        "recommend",
        "s",
        "see",
        "show",
        "so",
        "some",
        "somebody",
        "someone",
        "something",
        "somewhere",
        "suggest",
        "t",
        "take",
        "tell",
        "than",
        "thank",
        "thanks",
        "that",
        "the",
        "their",
        "them",
        "then",
        "there",
        "these",
        "they",
        "thing",
        "things",
        "think",
        "this",
        "those",
        "time",
        "to",
        "too",
        "town",
        "trip",
        "trips",
        "try",
        "up",
        "us",
        "use",
        "very",
        "visit",
        "want",
        "wanna",
        "was",
        "way",
        "we",
        "well",
        "were",
        "what",
        "when",
        "where",
        "which",
        "who",
        "will",
        "wish",
        "with",
        "would",
        "yes",
        "yet",
        "you",
        "your",
        "person",
        "persons",
        "party",
        "adult",
        "adults",
        "city",
        "today",
        "tomorrow",
        "tonight",
        "option",
        "options",
        "offer",
        "offers",
        "find",
        "search",
        "need",
        "needed",
        "want",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "serve",
        "serves",
        "serving",
        "should",
        "located",
        "area",
        "side",
        "part",
        "range",
        "type",
        "kind",
        "don",
        "doesn",
        "didn",
        "isn",
        "aren",
        "won",
        "wouldn",
        "couldn",
        "haven",
        "ve",
        "re",
        "little",
        "bit",
        "try",
        "care",
        "fine",
        "preference",
        "matter",
        "second",
        "first",
        "third",
        "cheaper",
        "cheap",
        "best",
        "another",
        "else",
        "instead",
        "same",
        "different",
        "add",
        "put",
        "remove",
        "cart",
        "total",
        "price",
        "cost",
        "much",
        "many",
        "change",
        "make",
        "switch",
        "move",
        "earlier",
        "later",
        "morning",
        "evening",
        "afternoon",
        "weekend",
        "week",
        "month",
        "thats",
        "dont",
        "fun",
        "idea",
        "ideas",
        "dinner",
        "lunch",
        "breakfast",
        "hotel",
        "hotels",
        "restaurant",
        "restaurants",
        "activity",
        "activities",
        "stay",
        "tour",
        "tours",
        "something",
        "near",
        "nearby",
    ]
)

ACTS: Sequence[tuple[str, str]] = (
    (
        "human",
        r"\b(?:talk|speak|chat|connect|transfer|get|put|pass) (?:me )?(?:to|with|through to|over to)? ?(?:a |an |the |some)?(?:real |actual |live |human )?(?:person|human|agent|expert|someone|somebody|representative|operator|staff|advisor|people|consultant)\b"
        r"|\b(?:real|live|actual) (?:person|human|agent)\b|\bcustomer (?:service|support|care)\b|\bhuman(?: being)? please\b|\ba human\b|\bcall me\b"
        r"|^(?:human|agent|person|operator|representative)[.!]*$|\byou(?:'re| are) (?:useless|not helping)|\bnot a (?:bot|robot)\b|\bspeak to (?:you|your) (?:manager|boss)\b",
    ),
    ("paid", r"\b(?:i(?:'ve| have)? (?:just |already )?paid|payment (?:is )?(?:done|made|sent|went through)|i (?:just )?(?:did|made) the payment|did (?:it|the payment|my payment) (?:work|go through)|just paid|have paid)\b"),
    ("refund", r"\b(?:refunds?|money back|complain(?:t|ts|ing)?|dispute|chargeback|compensation|wheel ?chair|disabilit(?:y|ies)|allerg(?:y|ic|ies)|medical|visas?)\b"),
    ("cancel", r"\bcancel(?:l?ing|led|l?ations?)?\b|\bcall (?:it|that) off\b"),
    ("trips", r"\b(?:my|our|show|see) (?:\w+ )?(?:bookings?|reservations?|trips?|itinerary|vouchers?|orders?)\b|\bbooking reference\b|\bwhat (?:have|did) (?:i|we) (?:booked|book)\b|\bstatus of (?:my|the|our)\b|\b(?:is|was) (?:it|my booking|the request) (?:confirmed|approved)\b"),
    ("promo", r"\b(?:promo(?:tion)?|discount|voucher|coupon)(?: ?code)?\b|\bcode\b"),
    ("checkout", r"\b(?:check ?-?out|checkout|pay(?: now| for it| please| up)?|proceed|finali[sz]e|purchase|place (?:the|my) order|complete (?:the|my) (?:booking|order)|book (?:it|them|everything|all|both|all of (?:it|them)|the (?:lot|cart|whole thing))|confirm (?:it|the|my)|ready to (?:book|pay)|let'?s book|buy (?:it|them))\b"),
    ("total", r"\b(?:what(?:'s| is| does)? (?:the|my|our|that|it all)? ?(?:total|sum|come to|in (?:my|the|our) (?:cart|basket))|(?:the|my|our|grand) total|how much (?:is|does|would) (?:it|that|everything|all)(?: all)?(?: (?:come|cost|in total|altogether))|show (?:me )?(?:my |the |our )?(?:cart|basket)|(?:my|the|our) (?:cart|basket)|what(?:'s| is| do i have| have i got) in (?:the|my|our)|total price|total cost|in total|sum up|summary)\b|^(?:cart|basket|total)[.?!]*$"),
    ("remove", r"\b(?:remove|delete|drop|take (?:.{1,30} )?(?:out|off|away)|get rid of|without|skip|scrap|forget(?: about)?|don'?t want|not (?:the|that)|lose the|leave out|kick out)\b"),
    ("change", r"\b(?:change|make (?:it|that|them|the)|switch|move|update|modify|reschedule|instead|actually|rather|increase|reduce|adjust)\b"),
    ("more", r"\b(?:show (?:me )?(?:some )?more|more (?:options|results|ideas|like|of|please|choices|offers)|anything else|what else|others?(?: options)?|something else|next page|alternatives?|different (?:one|ones|options?)|any others?)\b|^more[.!?]*$"),
    ("cheaper", r"\b(?:cheaper|less expensive|lower price|too expensive|too much|cheapest|lowest price|more affordable|better price|by price)\b"),
    ("better", r"\b(?:best rated|top rated|highest rated|best reviewed|better rated|by rating|best ones)\b"),
    ("details", r"\b(?:more (?:about|info(?:rmation)?|details?)|tell me (?:more|about)|details?|describe|what(?:'s| is) included|is .{2,30} included|include[sd]?|where (?:is|do we|does|do i) .{0,20}(?:meet|located|start|it)?|meeting point|how long|duration|what time does|cancell?ation policy|what about the|what is the|what's the|info(?:rmation)? (?:on|about)|reviews?|age limit)\b"),
    ("price", r"\b(?:how much|what(?:'s| is) the (?:price|cost|rate)|price (?:of|for)|what does .{1,30} cost|cost of|the cost)\b"),
    ("availability", r"\b(?:is (?:it|that|this|there|the .{2,30}?) (?:free|available|still)|available (?:on|for|in)|availability|any (?:free )?(?:places|spots|rooms|tables|space|availability)(?: left)?|which days|what days|when (?:can|is|does|could) (?:i|we|it)|free (?:on|days|slots)|still (?:free|available))\b"),
    ("add", r"\b(?:add|take|i'?ll (?:have|take|go)|we'?ll (?:have|take|go)|book|reserve|choose|pick|select|go (?:for|with)|i want|let'?s (?:do|go|take|get)|put .{1,40} (?:in|into)|sounds (?:good|great|perfect)|i like|get (?:me|us)|sign (?:me|us) up)\b"),
    ("help", r"\b(?:what can you do|how (?:does|do) (?:this|it|you) work|(?<!your )(?<!the )(?<!for )help(?: me)?(?: out)?$|what (?:is|are) (?:this|you)|who are you|are you (?:a )?(?:bot|robot|human|real|ai)|which (?:cities|places|destinations|countries)|where can (?:i|we) go|what cities)\b|^help[.!?]*$"),
    ("restart", r"\b(?:start (?:over|again|from scratch)|forget everything|reset|clear (?:the |my )?(?:cart|basket|everything)|new trip|empty (?:the|my) (?:cart|basket))\b"),
)  # fmt: skip
GREET = re.compile(
    r"^(?:hi|hello|hey|good (?:morning|afternoon|evening|day)|hiya|howdy|hola|greetings|yo)\b[ ,!.?]*(?:there|again|everyone|traveloure|anyone|anybody|somebody)?[ ,!.?]*(?:there)?[ ,!.?]*"
)
HOW_PAY = re.compile(
    r"\b(?:how (?:does|do|can|would|will) (?:the )?(?:paying|payments?|i pay|we pay|it work with pay\w*)|is it (?:safe|secure)|safe to pay|secure payment|which cards|payment methods?)\b"
)
LANGUAGE = re.compile(
    r"\b(?:speak|talk|in) (?:spanish|french|german|italian|portuguese|japanese|chinese|another language)\b|\bother languages?\b"
)
THANKS = re.compile(r"\b(?:thanks?|thank you|thx|cheers|much appreciated|great help|you'?re (?:great|the best|awesome)|ta)\b")
BYE = re.compile(
    r"\b(?:bye|goodbye|see (?:you|ya)|that'?s (?:all|it|everything)|nothing else|no(?:thing)? more|i'?m (?:done|all set|good)|have a (?:nice|good|great))\b"
)
YES = re.compile(r"^(?:yes|yeah|yep|yup|sure|ok|okay|fine|please do|go ahead|absolutely|of course|definitely|sounds (?:good|great|perfect)|perfect|great|correct|right|exactly|that'?s (?:right|fine|good|perfect)|do it|please|alright|let'?s do (?:it|that))\b")  # fmt: skip
NO = re.compile(r"^(?:no|nope|nah|not (?:now|yet|really)|never ?mind|don'?t|wrong|neither)\b")
OUTSIDE = re.compile(
    r"\b(?:weather|forecast|temperature|rain(?:ing)?|joke|poem|story|song|recipe|news|stock|bitcoin|football score|who won|president|capital of|translate|"
    r"math|homework|alarm|timer|remind me|play (?:some )?music|email|text my|bank|credit score|balance|insurance|exchange rate|currency rate|"
    r"meaning of life|your favou?rite|love me|marry|date me|code for me|python|flights?|fly|plane ticket|airlines?|passport|vaccin\w+|plug|adapter|tip(?:ping)?)\b"
)


COMMANDS = frozenset(
    [
        "remove",
        "delete",
        "change",
        "checkout",
        "cancel",
        "total",
        "cheaper",
        "cheapest",
        "people",
        "person",
        "adults",
        "children",
        "nights",
        "night",
        "dinner",
        "lunch",
        "breakfast",
        "hotel",
        "restaurant",
        "activity",
        "tomorrow",
        "today",
        "tonight",
        "weekend",
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
        "sunday",
        "january",
        "february",
        "march",
        "april",
        "august",
        "september",
        "october",
        "november",
        "december",
        "please",
        "instead",
        "morning",
        "afternoon",
        "evening",
        "second",
        "third",
        "details",
    ]
)
NO_SLIPS = frozenset(["charge", "chance", "hostel", "diner", "adult", "children's", "lights", "might", "sight", "fright", "persons"])
"""Words of their own that are one letter away from a command."""

EXPLICIT_ADD = re.compile(r"\b(?:add|book|reserve|take|choose|pick|select|put|buy|get (?:me|us)|sign (?:me|us) up|i'll have|we'll have)\b")
ASKS_FOR = re.compile(r"\b(?:is there|are there|do you have|have you got|anything|something|any)\b")
PREFERENCE = re.compile(r"^(?:we|i) (?:really )?(?:love|like|enjoy|are into|am into|prefer)\b")
OTHER_TIME = re.compile(r"\b(?:different|another|other|earlier|later) (?:time|hour|start|slot)\b")
INDEFINITE = re.compile(
    r"^(?:i(?:'d| would) like |i want |we want |find |show (?:me |us )?|looking for |need |i need |is there |are there |do you have )*(?:a|an|any|some)\b"
)
VAGUE = re.compile(r"\bsomething (?:fun|nice|special|cool|different|exciting|romantic) for\b")
BY_PRICE = re.compile(
    r"\b(?:the )?(?:cheaper|cheapest|least expensive|lowest priced?)(?: one| option| of (?:them|those|these|the \w+))?[.!]*(?: please)?[.!]*$"
)
ASKS_AGAIN = re.compile(r"\b(?:any|anything|something|show|find|is there|are there|do you have|got|more|too)\b")
OTHER_ONE = re.compile(r"\b(?:the|that) other(?: one)?\b")
CHANGE_FIRST = re.compile(
    r"^(?:please |can (?:you|we|i) |could (?:you|we|i) |i(?:'d| would) like to |i want to |let'?s )*(?:change|move|switch|reschedule|make|update|modify)\b"
)


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


class Lexicon:
    """The catalogue as words: built once per vocabulary."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.currency = {city["id"]: city["currency"] for city in vocabulary.cities}
        self.names = {city["id"]: city["name"] for city in vocabulary.cities}
        self._cities: dict[str, str] = {}
        for city in vocabulary.cities:
            for name in (city["name"], city["id"], *city["aliases"]):
                self._cities[fold(str(name)).replace("-", " ")] = city["id"]
        self.words = self._content_words()
        self.titles = {row.id: fold(row.title) for row in vocabulary.products}
        self.rows = {row.id: row for row in vocabulary.products}
        self.kinds = {row.id: row.kind for row in vocabulary.products}
        self._recorded = recorded(vocabulary.products)

    @cached_property
    def stops(self) -> tuple[str, ...]:
        """Where rides of the catalogue begin and end, as their tags say it; the longest names first."""
        ends = {
            fold(tag).split(" ", 1)[1]
            for row in self.vocabulary.products
            if row.kind == "transport"
            for tag in map(str, row.tags)
            if slot_of(fold(tag)) in ("from", "to")
        }
        return tuple(sorted(ends, key=len, reverse=True))

    def missing_ends(self, must: Sequence[str]) -> str:
        """Which end of a ride is not said, where rides of the catalogue have two: "from", "to" or ""."""
        known = {slot_of(fold(tag)) for tag in must}
        if not self.stops:
            return ""
        return "from" if "from" not in known else "to" if "to" not in known else ""

    @cached_property
    def only_city(self) -> str | None:
        """The city, where the marketplace sells in one only."""
        return next(iter(self.names)) if len(self.names) == 1 else None

    def titled(self, name: str, kind: str | None) -> str | None:
        """The product that somebody calls by (nearly) its whole name."""
        wanted = fold(name)
        among = {id: title for id, title in self.titles.items() if kind is None or self.kinds[id] == kind} or self.titles
        best = process.extractOne(wanted, among, scorer=fuzz.ratio, score_cutoff=82) or process.extractOne(
            wanted, among, scorer=fuzz.token_set_ratio, score_cutoff=94
        )
        return str(best[2]) if best else None

    def city_of(self, product_id: str) -> str | None:
        row = self.rows.get(product_id)
        return None if row is None else str(row.destination_id)

    def held(self, needs: Needs, kind: str | None) -> tuple[str, ...]:
        """The needs that listings of this kind can be held to, as the tags they carry.

        Only where the catalogue says something of (nearly) every listing does its silence mean "no"; other needs are words.
        """
        known = self._recorded.get(kind or "", {})
        found: list[str] = []
        for slot, value in needs.by_slot():
            said = (value,) if isinstance(value, str) else value
            for one in said:
                if slot in known:
                    found.append(known[slot].get(plain(one)) or _near_tag(plain(one), known[slot]) or one)
                elif one in known:
                    found.append(known[one][plain(one)])
        return tuple(dict.fromkeys(found))

    def _content_words(self) -> frozenset[str]:
        found: set[str] = set()
        for row in self.vocabulary.products:
            for tag in row.tags:
                found.update(re.findall(r"[a-z0-9]+", fold(str(tag))))
            found.update(word for word in re.findall(r"[a-z]+", fold(row.title)) if len(word) > 2)
        return frozenset(word for word in found if word not in STOP and len(word) > 1)

    @cached_property
    def _city_pattern(self) -> re.Pattern[str]:
        names = sorted((name for name in self._cities if len(name) > 2), key=len, reverse=True)
        return re.compile(rf"\b(?:{'|'.join(re.escape(name) for name in names)})\b") if names else re.compile(r"(?!)")

    def city_in(self, folded: str, original: str) -> tuple[str, str] | None:
        """(id, the words) of a city named in the text; short codes count only in capitals."""
        match = self._city_pattern.search(folded)
        if match:
            return self._cities[match[0]], match[0]
        for code in re.findall(r"\b[A-Z]{3}\b", original):
            if code.lower() in self._cities:
                return self._cities[code.lower()], code.lower()
        long = [name for name in self._cities if len(name) > 4]
        for word in re.findall(r"[a-z]{5,}(?: [a-z]{4,})?", folded):
            best = process.extractOne(word, long, scorer=fuzz.ratio, score_cutoff=84)
            if best and word not in self.words and word not in STOP:
                return self._cities[best[0]], word
        return None

    def content(self, folded: str) -> list[str]:
        """The words of a clause that listings use too, typos mended."""
        kept: list[str] = []
        for word in re.findall(r"[a-z0-9]+", folded):
            if word in STOP or len(word) < 3 or word.isdigit():
                continue
            if word in ("kid", "kids", "child", "children"):
                kept += [one for one in ("kids", "family") if one in self.words and one not in kept]
                continue
            known = word if word in self.words else self._near(word) or (word if word in SPECIFIC else None)
            if known and known not in kept:
                kept.append(known)
        return kept[:6]

    def _near(self, word: str) -> str | None:
        for stem in (word.removesuffix("s"), word.removesuffix("es"), word.removesuffix("ing"), word + "s", word + "ing"):
            if stem in self.words and len(stem) > 2:
                return stem
        if len(word) < 5:
            return None
        best = process.extractOne(word, self.words, scorer=fuzz.ratio, score_cutoff=86)
        return best[0] if best and best[0][0] == word[0] else None

    def mended(self, text: str) -> str:
        """Slips of the keyboard in the words that say what to do ("remvoe", "chekout"), where no listing uses the word."""

        def mend(match: re.Match[str]) -> str:
            word = match[0]
            if word in COMMANDS or word in STOP or word in self.words or word in NO_SLIPS or kinds_in(word):
                return word
            near = [one for one in COMMANDS if one[0] == word[0] and OSA.distance(word, one, score_cutoff=1) <= 1]
            return near[0] if len(near) == 1 else word

        return re.sub(r"[a-z]{5,}", mend, text)

    @cached_property
    def _denied(self) -> tuple[re.Pattern[str], re.Pattern[str]]:
        places = "|".join(re.escape(name) for name in sorted(self._cities, key=len, reverse=True) if len(name) > 2) or "(?!)"
        value = rf"(?:on |for |in |to |at )?(?:the )?(?:{WD}|(?:{SMALL}(?:st|nd|rd|th)?|first|second|third|fourth|last)(?: (?:one|people|persons?|adults?|nights?|days?))?|today|tomorrow|{places})"
        return (
            re.compile(rf",? ?\b(?:and )?(?:not|instead of|rather than) {value}(?=$|[.,!?])"),
            re.compile(rf"^(?:no,? )?not {value}(?:,| but)+ ?(?=\w)"),
        )

    def without_denied(self, clause: str) -> str:
        """ "Sunday, not Saturday" and "not Saturday but Sunday" without what was taken back."""
        behind, before = self._denied
        kept = behind.sub(" instead", before.sub("instead ", clause)).strip()
        return clause if kept in ("", "instead") else kept

    def called(self, folded: str, among: Sequence[str] | None = None) -> tuple[str, float] | None:
        """(product id, 100) of a product whose whole title stands in the text; the longest of several."""
        found = [
            id
            for id in (self.titles if among is None else among)
            if len(self.titles[id]) > 3 and self.titles[id] in folded and re.search(rf"(?<!\w){re.escape(self.titles[id])}(?!\w)", folded)
        ]
        return (max(found, key=lambda id: len(self.titles[id])), 100.0) if found else None

    def product_in(self, folded: str, among: Sequence[str] | None = None) -> tuple[str, float] | None:
        """(product id, 0..100) of a product named in the text, typos and missing words forgiven."""
        among_shown = [one for one in among or () if one in self.titles]
        if among is not None and (named := self.called(folded, among_shown)):
            return named
        codes = re.findall(r"\b[a-z]{1,3}\d{2,5}\b", folded)
        for product_id in among_shown:
            if any(code in self.titles[product_id] for code in codes):
                return product_id, 100.0
        choices = {
            product_id: self.titles[product_id] for product_id in (among if among is not None else self.titles) if product_id in self.titles
        }
        said = [word for word in re.findall(r"[a-z0-9']+", folded) if word not in STOP and len(word) > 2]
        if not said or not choices:
            return None
        joined = " ".join(said)
        best: tuple[str, float] | None = None
        second = 0.0
        for _title, score, product_id in process.extract(joined, choices, scorer=fuzz.token_set_ratio, limit=5):
            words = [word for word in re.findall(r"[a-z0-9']+", choices[product_id]) if word not in STOP and len(word) > 2]
            hits = sum(1 for word in words if any(fuzz.ratio(word, other) >= 84 for other in said))
            need = 1 if among is not None else 2
            share = hits / max(1, len(words))
            rank = score * 0.4 + share * 60
            if hits >= need and (among is not None or share >= 0.6):
                if best is None or rank > best[1]:
                    second = best[1] if best else 0.0
                    best = (product_id, rank)
                else:
                    second = max(second, rank)
        return best if best and (best[1] - second > 0.5 or among is None) else None  # "the train to Ely" may be any of six


RIDES = ("taxi", "train", "bus", "flight", "car", "ferry")
MODES: Mapping[str, str] = {
    "taxi": r"taxis?|cabs?|uber|lyft|(?:shared )?ride(?:s|[- ]?sharing)?(?! (?:a|the) (?:horse|bike))|chauffeur",
    "train": r"trains?(?! (?:station|museum|tour))|railway|rail",
    "bus": r"bus(?:es)?(?! (?:stop|tour|station))|coach(?:es)?",
    "flight": r"flights?|fly(?:ing)?|(?:air)?planes?|airlines?|(?:economy|business|first)(?: class)? tickets?|(?:premium )?economy|airfare|layovers?",
    "car": r"cars?(?! (?:type|model|colou?r|park|and|make))|(?:rental )?vehicles?|rent(?:al)? cars?|suv|sedan",
    "ferry": r"ferr(?:y|ies)",
    "event": r"events?|concerts?|(?:sports?|music|football|basketball|baseball|soccer) (?:game|match|show)(?:es|s)?|games?(?= (?:on|in|at|this|tickets?))|festivals?|gigs?|shows?(?= (?:in|on|at|tonight|this|tickets?))|vs\.?|tickets to",
}
MODE_KIND = {"taxi": "transport", "train": "transport", "bus": "transport", "car": "transport", "ferry": "transport", "event": "activity"}


def mode_in(folded: str) -> str | None:
    """Which means of transport, or that it is an event, the words name first."""
    found = [(match.start(), mode) for mode, pattern in MODES.items() if (match := re.search(rf"\b(?:{pattern})\b", folded))]
    named = {mode for _, mode in found}
    if "taxi" in named and "car" in named:
        found = [one for one in found if one[1] != "car"]
    return min(found)[1] if found else None


ASKS_TO_GO = re.compile(
    r"\b(?:find|look(?:ing)? (?:for|at)|see|visit|go to|how about|what about|suggest|recommend|any|want|like|love|info\w*)\b"
)


def kind_of_needs(needs: Needs, topic: str | None, clause: str) -> str | None:
    """The kind that a cuisine, stars or a sort of place implies, where no kind was named and another one was talked about."""
    if needs.cuisine and topic != "activity":
        return "dining"
    if needs.sort in STAY_SORTS or needs.stars is not None:
        return "stay"
    if needs.sort in SIGHTS and topic in ("stay", "dining", "transport", None) and ASKS_TO_GO.search(clause):
        return "activity"
    return None


ARRIVING = re.compile(
    r"\b(?:arriv\w*|be (?:there|here|in|at|dropped)|get(?:s|ting)? (?:there|in|to|me)|reach\w*|(?<!pick me up )there|bring me|take me|make it)\b"
    r"(?P<rest>(?:(?!\bleav|\bdepart|\band i\b|;).)*)"
)


def read_arrival(text: Text) -> str:
    """HH:MM at the latest, of "arrive by 9:30"; taken out of the text so that it is no time of departure."""
    for match in ARRIVING.finditer(text.text):
        rest = Text(match["rest"])
        at = read_clock(rest)
        last = at.last if not at.first else at.at
        if last or at.at:
            start, end, _ = rest.taken[-1] if rest.taken else (0, len(match["rest"]), "")
            first = match.start("rest")
            text.taken.append((first + start, first + end, "time"))
            text.text = text.text[: first + start] + "\x1f" * (end - start) + text.text[first + end :]
            return last or at.at
    return ""


MOST, HALF = 0.8, 0.5


def plain(tag: str) -> str:
    return re.sub(r"[^a-z0-9]", "", fold(tag))


def _near_tag(wanted: str, tags: Mapping[str, str]) -> str | None:
    best = process.extractOne(wanted, list(tags), scorer=fuzz.ratio, score_cutoff=88) if len(wanted) > 4 else None
    return tags[best[0]] if best else None


def recorded(products: Sequence[Any]) -> dict[str, dict[str, dict[str, str]]]:
    """kind -> slot -> {plain tag: tag}, for each slot that most listings of the kind are tagged with, and each feature that
    half of them are."""
    by_kind: dict[str, list[Sequence[str]]] = {}
    for row in products:
        by_kind.setdefault(row.kind, []).append([str(tag) for tag in row.tags])
    found: dict[str, dict[str, dict[str, str]]] = {}
    for kind, rows in by_kind.items():
        tags_of: dict[str, dict[str, str]] = {}
        count: dict[str, int] = {}
        for tags in rows:
            slots = {(slot_of(fold(tag)), tag) for tag in tags}
            for slot, tag in slots:
                if slot:
                    tags_of.setdefault(slot, {})[plain(tag)] = tag
            for slot in {slot for slot, _ in slots if slot}:
                count[slot] = count.get(slot, 0) + 1
        enough = {slot for slot, n in count.items() if n >= (HALF if slot in FEATURES else MOST) * len(rows)}
        found[kind] = {slot: tags for slot, tags in tags_of.items() if slot in enough}
    return found


def kinds_in(folded: str) -> list[tuple[int, str]]:
    """(position, kind) of every kind of service the text names, each once, in order."""
    found: dict[str, int] = {}
    blanked = folded
    for kind in KIND_ORDER:
        for match in re.finditer(rf"\b(?:{KINDS[kind]})\b", blanked):
            around = folded[max(0, match.start() - 14) : match.end() + 14]
            if (kind == "dining" and (NOT_DINING.search(around) or WITH_BREAKFAST.search(around))) or (
                kind == "transport" and NOT_TRANSPORT.search(around)
            ):
                continue
            found.setdefault(kind, match.start())
            blanked = blanked[: match.start()] + " " * (match.end() - match.start()) + blanked[match.end() :]
    return sorted((at, kind) for kind, at in found.items())


def split_clauses(text: str) -> list[str]:
    """Where one sentence asks for several things, the things; otherwise the sentence."""
    rough = [part.strip(" ,") for part in re.split(r"(?<=[a-z)])[.;!?]+\s+|\n+", text) if part.strip(" ,.!?")]
    clauses: list[str] = []
    for sentence in rough:
        pieces = re.split(
            r",? (?:and then|then|and also|and|plus|also|as well as)(?: (?:a|an|the|some|i|we|please|remove|add|drop|change|make|book|find|show))?\b|, (?=(?:a|an|the|some|dinner|lunch|hotel|then|remove|add|drop)\b)",
            sentence,
        )
        marks = list(
            re.finditer(
                r",? (?:and then|then|and also|and|plus|also|as well as)\b|, (?=(?:a|an|the|some|dinner|lunch|hotel|then|remove|add|drop)\b)",
                sentence,
            )
        )
        if len(pieces) < 2 or not marks:
            clauses.append(sentence)
            continue
        cuts = [0]
        for mark in marks:
            before, after = sentence[cuts[-1] : mark.start()], sentence[mark.end() :]
            if _stands_alone(before) and _stands_alone(after):
                cuts.append(mark.start())
        ends = [*cuts[1:], len(sentence)]
        clauses += [
            re.sub(r"^(?:,|\s|and then\b|and also\b|and\b|then\b|plus\b|also\b|as well as\b)+", "", sentence[a:b]).strip()
            for a, b in zip(cuts, ends, strict=True)
        ]
    return [clause for clause in clauses if clause] or [text]


def _stands_alone(clause: str) -> bool:
    """A verb of its own, or a kind of service of its own."""
    act = _act(clause)
    return (
        act in ("remove", "checkout", "total", "human", "trips")
        or bool(kinds_in(clause))
        or bool(re.search(r"^\s*(?:add|remove|drop|book|change|make|show|find)\b", clause))
    )


def _act(clause: str) -> str | None:
    for act, pattern in ACTS:
        if re.search(pattern, clause):
            return act
    return None


def understand(
    words: str,
    lexicon: Lexicon,
    today: date,
    *,
    question: str = "",
    shown: Sequence[str] = (),
    in_cart: Sequence[str] = (),
    trip: tuple[date, date] | None = None,
    topic: str | None = None,
) -> list[Goal]:
    """The goals of a message. `question` is what we last asked; `shown` and `in_cart` are product ids that "the boat" may mean;
    `topic` is the kind of thing talked about, for a sentence that names none."""
    person = read_person(words, answering=question == "name")
    text = lexicon.mended(normal(re.sub(rf"\b{re.escape(person)}\b", " ", words) if person else words))
    rest = GREET.sub("", text).strip()
    if not rest:
        return [Goal("inform" if person else "greet", text, person=person, speech=read_speech(text))]
    topic = next((name for _, name in kinds_in(fold(rest))), None) or topic
    goals = [
        _goal(lexicon.without_denied(clause), words, lexicon, today, question, shown, in_cart, trip, topic)
        for clause in split_clauses(rest)
    ]
    understood = [goal for goal in goals if goal.act != "unclear"]
    chat = frozenset[str]().union(*(goal.speech for goal in goals if goal.act == "unclear"))
    goals = understood or goals[:1]  # chat around what was understood needs no answer
    goals[0] = replace(goals[0], person=person, speech=goals[0].speech | chat)
    merged: list[Goal] = []
    for goal in goals:
        if merged and PREFERENCE.search(goal.text) and goal.ordinal is None and merged[-1].act in ("search", "inform"):
            liked = " ".join(dict.fromkeys([*merged[-1].words.split(), *lexicon.content(fold(goal.text))]))
            merged[-1] = replace(_absorb(merged[-1], replace(goal, words="")), words=liked, act="search")
            continue
        if merged and _same_wish(merged[-1], goal):
            merged[-1] = replace(_absorb(merged[-1], goal), kind=merged[-1].kind or goal.kind)
            continue
        small_talk = bool(merged) and merged[-1].act in ("yes", "no", "thanks", "greet", "bye")
        if merged and not small_talk and goal.act == "inform" and not goal.kind and goal.ordinal is None:
            merged[-1] = _absorb(merged[-1], goal)  # "... for two. On Saturday, please."
        elif merged and goal.act == "search" and (merged[-1].act in ("inform", "thanks") or _only_sets_out(merged[-1], goal)):
            merged[-1] = _absorb(goal, merged[-1])
        else:
            merged.append(goal)
    merged = [goal for at, goal in enumerate(merged) if goal.act not in CHAT or goal.act == "yes" or at == len(merged) - 1] or merged[-1:]
    if any(goal.act not in CHAT for goal in merged):  # an answer to the matter is answer enough
        merged = [goal for goal in merged if goal.act not in CHAT or (goal.act == "yes" and goal is merged[0])]
    return _shared(merged)


CHAT = ("yes", "no", "thanks", "greet", "bye")


def _only_sets_out(before: Goal, goal: Goal) -> bool:
    """ "Lisbon next weekend, two of us. Something on the water?": the first sentence wants nothing of its own yet."""
    bare = before.act == "search" and not (before.kind or before.words or before.product or before.needs.asks)
    return bare and goal.city in (None, before.city) and not (goal.when.start and before.when.start)


def _same_wish(before: Goal, goal: Goal) -> bool:
    """Does a second sentence only say more about what the first asked for?"""
    if before.act == "choose" and PICK_ONE.search(goal.text) and goal.needs.asks:
        return False
    if goal.ordinal is not None or goal.city not in (None, before.city) or (goal.product and goal.product != before.product):
        return False
    twice = (goal.when.start and before.when.start) or (goal.party.said and before.party.said and goal.party != before.party)
    if before.act in ("search", "inform") and goal.act == "search":
        same_kind = goal.kind in (None, before.kind) and bool(before.kind)
        return (
            same_kind
            and not twice
            and not (goal.words and before.words and goal.words != before.words)
            and not goal.unknown_words.startswith("else")
        )
    facts = goal.when.start or goal.when.nights or goal.party.said or goal.clock != Clock()
    if before.act == "choose" and goal.act in ("choose", "search", "inform", "change", "availability", "other_time"):
        container = bool(re.search(r"\b(?:tables?|rooms?|tickets?|seats?|reservation|booking)\b", goal.text))
        return bool(facts) and not goal.words and (goal.kind in (None, before.kind) or (before.kind is None and container))
    return False


def _shared(goals: list[Goal]) -> list[Goal]:
    """ "A boat trip, dinner on Friday and a hotel in Lisbon for two": place and people hold for all of them."""
    city = next((goal.city for goal in goals if goal.city), None)
    party = next((goal.party for goal in goals if goal.party.said), Party())
    if len([goal for goal in goals if goal.act == "search"]) < 2:
        return goals
    return [
        replace(goal, city=goal.city or city, party=goal.party if goal.party.said else party) if goal.act == "search" else goal
        for goal in goals
    ]


def _absorb(main: Goal, extra: Goal) -> Goal:
    """What a second clause adds to the first."""
    return replace(
        main,
        city=main.city or extra.city,
        unknown_city=main.unknown_city or extra.unknown_city,
        words=" ".join(dict.fromkeys([*main.words.split(), *extra.words.split()])),
        when=main.when if main.when.start else replace(extra.when, nights=main.when.nights or extra.when.nights),
        clock=extra.clock if main.clock == Clock() or (extra.clock.at and not main.clock.at) else main.clock,
        rooms=main.rooms or extra.rooms,
        party=main.party if main.party.said else extra.party,
        needs=extra.needs.over(main.needs),
        speech=main.speech | extra.speech,
        person=main.person or extra.person,
        place=main.place or extra.place,
        budget=main.budget if main.budget.amount or main.budget.level else extra.budget,
    )


def _goal(
    clause: str,
    original: str,
    lexicon: Lexicon,
    today: date,
    question: str,
    shown: Sequence[str],
    in_cart: Sequence[str],
    trip: tuple[date, date] | None,
    topic: str | None,
) -> Goal:
    text = Text(clause)
    rooms_match = text.find(
        r"\b(\d|one|two|three|four|five) (?:(?:double|single|twin|hotel|family|joined|connecting|separate|large|more) )*(?:bed)?rooms?\b"
    )
    rooms = None
    if rooms_match:
        rooms = number(rooms_match[1])
    budget = read_budget(text)
    ordinal = read_ordinal(text)
    if rooms_match and rooms_match[1] in clause:
        again = text.find(
            r"\b(?:\d|one|two|three|four|five) (?=(?:(?:double|single|twin|hotel|family|joined|connecting|separate|large|more) )*(?:bed)?rooms?\b)"
        )
        if again:
            text.take(again, "rooms")
    picked = re.fullmatch(r"(?:ok |number |no )?(\d{1,2})[.!]?", clause)
    if ordinal is None and picked and question not in ("party", "date", "dates") and 1 <= int(picked[1]) <= len(shown):
        ordinal = int(picked[1])  # the cards are numbered in a terminal
    when = read_when(text, today, trip, staying=topic == "stay")
    party = read_party(text, answering=question in ("party", "date", "dates"))
    folded_clause = fold(clause).replace("-", " ")
    mode = mode_in(folded_clause)
    riding = mode in RIDES or (topic == "transport" and mode is None)
    arrive = read_arrival(text) if riding else ""
    clock = read_clock(text, answering=question == "start_time")
    folded = fold(text.text.replace("\x1f", " "))
    city = lexicon.city_in(fold(text.text).replace("\x1f", " ").replace("-", " "), original)
    if city:
        folded = folded.replace(city[1], " ")
    found_kinds = kinds_in(folded_clause)
    vague = bool(VAGUE.search(folded_clause)) and len(found_kinds) > 1  # "something romantic for dinner" is about dinner
    kind = next((name for _, name in found_kinds if not (vague and name == "activity")), None)
    if (
        topic not in (None, kind)
        and not WANTS_SOME.search(clause)
        and (topic == "transport" or (kind == "dining" and re.search(r"\breservations? for\b", clause) and len(found_kinds) == 1))
    ):
        kind = None  # "from the hotel to the museum" is still about the ride; "a reservation for three nights" about the stay
    if kind is None and mode in MODE_KIND:
        kind = MODE_KIND[mode]
    route = read_route(Text(clause), original, riding=riding, stops=lexicon.stops)
    place = world_city(fold(text.text).replace("\x1f", " "), original)
    needs = read_needs(clause, kind=kind, topic=topic, question=question)
    needs = replace(needs, mode=mode or "", origin=route.origin, destination=route.destination, arrive=arrive)
    if kind is None and (implied := kind_of_needs(needs, topic, clause)):
        kind = implied
    held = {part for said in lexicon.held(needs, kind or topic) for part in re.findall(r"[a-z0-9]+", said)}
    content = [word for word in lexicon.content(folded) if word not in held and not (word == "food" and kind == "dining")]
    act = _act(clause)
    product = lexicon.product_in(folded, shown) or lexicon.product_in(folded, in_cart) or lexicon.called(folded_clause)
    anywhere = lexicon.product_in(folded) or lexicon.called(folded_clause)
    if anywhere and (product is None or anywhere[1] > product[1] + 15) and anywhere[1] > 70:
        product = anywhere
    goal = Goal(
        act="",
        text=clause,
        kind=kind,
        city=city[0] if city else None,
        unknown_city=None if city else _unknown_city(clause, lexicon),
        words=" ".join(content),
        when=when,
        clock=clock,
        party=party,
        budget=budget,
        ordinal=ordinal,
        product=product[0] if product else None,
        product_score=product[1] if product else 0.0,
        rooms=rooms,
        needs=needs,
        speech=read_speech(clause),
        place=place[0] if place else "",
        unknown_words=" ".join([word for word in re.findall(r"[a-z]{4,}", folded) if word not in STOP][:3]),
    )
    if BY_PRICE.search(clause) and not ASKS_AGAIN.search(clause) and not goal.city and not goal.words:
        return replace(goal, act="choose", pick="cheapest")
    if OTHER_ONE.search(clause) and not (goal.kind or goal.words or goal.city):
        return replace(goal, act="choose", pick="other")
    named_before = goal.product is not None and (goal.product in shown or goal.product in in_cart) and goal.product_score >= 70
    return replace(goal, act=_decide_act(goal, act, clause, named_before))


def _unknown_city(clause: str, lexicon: Lexicon) -> str | None:
    """ "in Vladivostok": a place after a preposition that is no place of ours and no word of ours."""
    match = re.search(r"\b(?:in|to|visit(?:ing)?|near|around|at) ([a-z\u00e0-\u024f]{4,}(?: [a-z\u00e0-\u024f]{4,})?)\b", clause)
    if not match:
        return None
    if match[0].startswith("to ") and not re.search(
        r"\b(?:go|going|fly|flying|travel\w*|trip|moving|over|come|get) $", clause[: match.start()]
    ):
        return None  # "to" and a verb
    first = fold(match[1].split(" ")[0])
    common = "the this that these those town advance general total case order front mind which what with some there here your my our city center centre morning evening afternoon night summer winter spring autumn bed eat have stay talk speak pay make take change book know find look least most"
    if first in common.split() or first in WEEKDAYS or first in MONTHS or first in STOP or first in lexicon.words or kinds_in(first):
        return None
    return match[1].title() if re.search(r"\b(?:in|to|visit(?:ing)?)\b", match[0]) else None


POINTS = re.compile(r"\b(?:it|its|that|this|they|them|there|those|these|you|your)\b")


def _elsewhere(goal: Goal, clause: str, chosen: bool) -> bool:
    """Is this about something that has nothing to do with travel: one of the usual other topics, or a question without a
    word of ours in it? Asked before anything else is read into it."""
    ours = chosen or goal.kind or goal.city or goal.place or goal.needs.mode or goal.needs.asks or goal.party.said or goal.when.nights
    if ours or {"travel", "human", "cancel", "booked"} & goal.speech:
        return False
    if "outside" in goal.speech:
        return True
    long = len(re.findall(r"[a-z']+", clause)) >= 5
    asks = "ask" in goal.speech and bool(
        re.match(
            r"(?:please |can you |could you |hey |so )*(?:what|which|how|who|whose|why|tell me|explain|when|is|are|does|do|did)\b", clause
        )
    )
    return bool(long and asks and not (goal.words or POINTS.search(clause) or goal.needs or goal.when.start or goal.clock != Clock()))


PICK_ONE = re.compile(
    r"\b(?:any (?:one|of (?:them|those|these))|either|whichever|whatever|(?:you|that you) (?:pick|choose|decide|recommend)|your (?:choice|pick|recommendation|favou?rite)|"
    r"pick (?:one|any)|surprise me|choose (?:one|any)|one of (?:them|those|these))\b"
)
WANTS_SOME = re.compile(
    rf"\b(?:a|an|any|some|another|find|need|looking for|want)\s+(?:\w+\s){{0,4}}?(?:{'|'.join(KINDS.values())}|place)\b"
)


def _narrows(needs: Needs) -> bool:
    return bool(
        needs.area
        or needs.level
        or needs.cuisine
        or needs.sort
        or needs.stars is not None
        or needs.features
        or needs.origin
        or needs.destination
    )


def _decide_act(goal: Goal, act: str | None, clause: str, named_before: bool) -> str:
    """The act of a clause, where the words alone leave room."""
    chosen = goal.ordinal is not None or (goal.product is not None and goal.product_score >= 55)
    told = goal.party.said or goal.when.start or goal.when.nights or goal.clock.at or goal.rooms
    if _elsewhere(goal, clause, chosen):
        return "outside"
    if HOW_PAY.search(clause):
        return "how_pay"
    if LANGUAGE.search(clause):
        return "language"
    if act in ("human", "paid", "refund", "trips", "promo", "restart", "help"):
        return act
    if "deny" in goal.speech and "book" in goal.speech and act in ("checkout", "add", None) and not goal.says_something:
        return "no"
    if WANTS_SOME.search(clause) and _narrows(goal.needs) and act in ("details", "add", "price", "availability", None) and not named_before:
        return "search"
    if act == "cancel":
        return "policy" if re.search(r"\bcancell?ation (?:policy|rules|terms)|can i cancel|free cancell?ation\b", clause) else "cancel"
    if act == "checkout" and goal.product and goal.product_score >= 90 and "book" in goal.speech:
        return "choose"  # "the sail sounds good, book it"
    if act == "checkout" and not (goal.kind and goal.says_something and goal.city) and not goal.ordinal:
        if re.search(r"\bpay\b", clause) and re.search(r"\b(?:how|when|where|can i pay|do i pay|pay (?:later|there|cash|on))\b", clause):
            return "how_pay"
        return "checkout"
    if act == "total":
        return "total"
    if act == "remove" and (chosen or goal.kind or goal.words or re.search(r"\b(?:it|that|this|last|everything|all)\b", clause)):
        return "remove"
    if act in ("more", "cheaper", "better") and not goal.kind and not (goal.words and not chosen):
        return act
    if (
        act == "change"
        and (goal.party.said or goal.party.more or goal.when.start or goal.when.nights or goal.clock.at or goal.clock.first)
        and not goal.kind
    ):
        return "change"
    if act == "add" and not goal.kind and re.search(r"\b(?:it|that|this|that one|this one)\b", clause):
        return "choose"
    if act == "change" and (goal.party.said or goal.when.start or goal.clock.at) and goal.product:
        return "change"
    if goal.party.more or (act == "change" and told and CHANGE_FIRST.match(clause)):
        return "change"
    if act in ("details", "price", "availability") and OUTSIDE.search(clause) and not chosen and not goal.kind:
        return "outside"
    if act in ("details", "price", "availability") and goal.product:
        return act
    if act in ("details", "price", "availability") and (chosen or re.search(r"\b(?:it|that|this|there)\b", clause) or not goal.kind):
        return act
    if act == "availability" and goal.kind:
        return "search"
    if goal.needs.asks and PICK_ONE.search(clause):
        return "details"
    if (
        goal.needs.asks
        and not goal.when.start
        and not goal.party.said
        and not goal.city
        and not WANTS_SOME.search(clause)
        and not _narrows(goal.needs)
    ):
        return "details"
    named = named_before and (act == "add" or not INDEFINITE.search(clause))
    if goal.ordinal is not None or named or (chosen and EXPLICIT_ADD.search(clause) and not INDEFINITE.search(clause)):
        return "choose"
    if "book" in goal.speech and told and not goal.kind and not goal.words and not goal.city and not _narrows(goal.needs):
        return "choose"  # "I'd like to book it for seven people"
    if goal.kind or (goal.words and (goal.city or act == "add" or goal.when.start or len(goal.words.split()) >= 1)):
        if OUTSIDE.search(clause) and not goal.kind:
            return "outside"
        return "search"
    if OTHER_TIME.search(clause):
        return "other_time"
    if goal.unknown_city and not goal.city:
        return "unknown_city"
    if OUTSIDE.search(clause):
        return "outside"
    if goal.says_something:
        return "inform"
    if "book" in goal.speech and not {"deny", "bye", "enough"} & goal.speech and act in (None, "add", "checkout"):
        return "choose"
    if THANKS.search(clause):
        return "thanks"
    if BYE.search(clause):
        return "bye"
    if YES.search(clause):
        return "yes"
    if NO.search(clause):
        return "no"
    if act in ("more", "cheaper", "better", "details", "price", "availability", "checkout", "change", "remove"):
        return act
    if ASKS_FOR.search(clause) and goal.unknown_words:
        return "search"
    if act == "add":
        return "choose"
    return "unclear"
