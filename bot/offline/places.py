"""Names of places: the world's well-known cities and airport codes, so that a city we do not sell in is known to be one,
and the two ends of a journey.

The list is our own, of cities people travel to; what the marketplace sells in comes from its catalogue.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz, process

from bot.offline.numbers import MONTHS, NUMBERS, WEEKDAYS, Text
from bot.offline.words import word_set

CITIES = frozenset(
    name.strip()
    for name in """
    london, paris, rome, madrid, barcelona, lisbon, porto, seville, valencia, malaga, granada, bilbao, berlin, munich, hamburg, cologne,
    frankfurt, stuttgart, dresden, leipzig, dusseldorf, vienna, salzburg, innsbruck, zurich, geneva, basel, bern, lucerne, lausanne,
    amsterdam, rotterdam, utrecht, the hague, brussels, bruges, ghent, antwerp, luxembourg, copenhagen, aarhus, stockholm, gothenburg,
    malmo, oslo, bergen, tromso, helsinki, tampere, reykjavik, dublin, cork, galway, belfast, edinburgh, glasgow, aberdeen, inverness,
    manchester, liverpool, birmingham, leeds, sheffield, bristol, bath, oxford, cambridge, york, brighton, newcastle, nottingham,
    leicester, norwich, peterborough, ely, stevenage, cardiff, swansea, southampton, portsmouth, plymouth, exeter, canterbury, milan,
    venice, florence, naples, turin, bologna, verona, genoa, palermo, catania, bari, pisa, siena, athens, thessaloniki, heraklion,
    santorini, mykonos, istanbul, ankara, izmir, antalya, bodrum, cappadocia, prague, brno, budapest, warsaw, krakow, gdansk, wroclaw,
    bratislava, ljubljana, zagreb, split, dubrovnik, belgrade, sarajevo, sofia, bucharest, tallinn, riga, vilnius, kyiv, kiev, odessa,
    moscow, saint petersburg, st petersburg, vladivostok, nice, marseille, lyon, bordeaux, toulouse, strasbourg, lille, nantes, cannes,
    monaco, valletta, nicosia, tbilisi, yerevan, baku, dubai, abu dhabi, doha, muscat, riyadh, jeddah, kuwait city, amman, petra,
    beirut, jerusalem, tel aviv, haifa, cairo, luxor, alexandria, marrakech, marrakesh, casablanca, fez, tangier, tunis, algiers, dakar,
    accra, lagos, abuja, nairobi, mombasa, kampala, kigali, addis ababa, zanzibar, dar es salaam, cape town, johannesburg, durban,
    pretoria, windhoek, harare, lusaka, antananarivo, port louis, tokyo, kyoto, osaka, nagoya, sapporo, hiroshima, fukuoka, nara,
    yokohama, seoul, busan, jeju, beijing, shanghai, guangzhou, shenzhen, chengdu, xian, hangzhou, hong kong, macau, taipei, bangkok,
    chiang mai, phuket, pattaya, krabi, hanoi, ho chi minh city, saigon, da nang, hoi an, siem reap, phnom penh, vientiane,
    luang prabang, yangon, kuala lumpur, penang, langkawi, singapore, jakarta, bali, ubud, denpasar, yogyakarta, manila, cebu, boracay,
    delhi, new delhi, mumbai, bangalore, chennai, kolkata, hyderabad, jaipur, agra, goa, udaipur, varanasi, kochi, colombo, kandy,
    kathmandu, pokhara, thimphu, male, dhaka, karachi, lahore, islamabad, tashkent, samarkand, almaty, sydney, melbourne, brisbane,
    perth, adelaide, cairns, gold coast, hobart, darwin, canberra, auckland, wellington, queenstown, christchurch, rotorua, nadi,
    papeete, honolulu, new york, new york city, nyc, brooklyn, los angeles, chicago, houston, phoenix, philadelphia, san antonio,
    san diego, dallas, san jose, austin, jacksonville, fort worth, columbus, charlotte, san francisco, indianapolis, seattle, denver,
    washington, washington dc, boston, el paso, nashville, detroit, oklahoma city, portland, las vegas, memphis, louisville, baltimore,
    milwaukee, albuquerque, tucson, fresno, sacramento, kansas city, mesa, atlanta, omaha, colorado springs, raleigh, miami, oakland,
    minneapolis, tulsa, tampa, new orleans, wichita, cleveland, bakersfield, anaheim, santa ana, riverside, stockton, irvine,
    cincinnati, pittsburgh, st louis, saint louis, greensboro, st paul, anchorage, orlando, newark, buffalo, jersey city, lincoln,
    henderson, scottsdale, reno, boise, richmond, spokane, salt lake city, savannah, charleston, key west, long beach, santa barbara,
    santa monica, santa cruz, santa rosa, santa clara, sunnyvale, mountain view, palo alto, menlo park, redwood city, san mateo,
    berkeley, fremont, hayward, san rafael, san leandro, walnut creek, concord, pleasanton, livermore, dublin, cupertino, campbell,
    milpitas, los gatos, saratoga, napa, sonoma, petaluma, vallejo, fairfield, pinole, antioch, burlingame, millbrae, daly city,
    south san francisco, san bruno, pacifica, half moon bay, monterey, carmel, san luis obispo, pasadena, burbank, glendale, malibu,
    beverly hills, inglewood, torrance, palm springs, san ramon, danville, lafayette, alameda, emeryville, novato, sausalito,
    mill valley, healdsburg, foster city, belmont, san carlos, morgan hill, gilroy, castro valley, union city, newark, brentwood,
    toronto, montreal, vancouver, calgary, ottawa, quebec city, quebec, edmonton, winnipeg, halifax, victoria, banff, mexico city,
    cancun, tulum, playa del carmen, guadalajara, oaxaca, merida, puerto vallarta, cabo, havana, kingston, nassau, san juan,
    punta cana, santo domingo, panama city, san salvador, guatemala city, antigua, managua, bogota, cartagena, medellin, quito, lima,
    cusco, la paz, santiago, valparaiso, buenos aires, mendoza, bariloche, ushuaia, montevideo, asuncion, rio de janeiro, rio,
    sao paulo, salvador, brasilia, florianopolis, caracas, san fran, frisco, philly, vegas, big apple, dc, sin city, chi-town, chi town
    """.replace("\n", " ").split(",")
)
CODES = {
    "la": "los angeles", "sf": "san francisco", "ny": "new york", "sd": "san diego", "lax": "los angeles", "sfo": "san francisco",
    "jfk": "new york", "sea": "seattle", "atl": "atlanta", "ord": "chicago", "dfw": "dallas", "mia": "miami", "bos": "boston",
    "lhr": "london", "cdg": "paris", "fco": "rome", "bcn": "barcelona", "lis": "lisbon", "ams": "amsterdam", "dxb": "dubai",
    "hnd": "tokyo", "nrt": "tokyo", "sin": "singapore", "bkk": "bangkok", "syd": "sydney", "yyz": "toronto", "yvr": "vancouver",
    "las": "las vegas", "phx": "phoenix", "san": "san diego", "pdx": "portland", "den": "denver", "iah": "houston", "mex": "mexico city",
    "del": "delhi", "bom": "mumbai", "ber": "berlin", "muc": "munich", "vie": "vienna", "zrh": "zurich", "cph": "copenhagen",
    "atx": "austin", "chi": "chicago", "phl": "philadelphia", "msp": "minneapolis", "dtw": "detroit", "smf": "sacramento",
    "nyc": "new york", "kl": "kuala lumpur", "cdmx": "mexico city", "hk": "hong kong", "vegas": "las vegas",
}  # fmt: skip
NICKNAMES = {
    "san fran": "san francisco", "frisco": "san francisco", "philly": "philadelphia", "big apple": "new york", "new york city": "new york",
    "dc": "washington", "washington dc": "washington", "sin city": "las vegas", "rio": "rio de janeiro", "chi-town": "chicago",
    "chi town": "chicago", "st petersburg": "saint petersburg", "kiev": "kyiv", "marrakesh": "marrakech", "saigon": "ho chi minh city",
    "quebec": "quebec city", "d.c.": "washington", "st louis": "saint louis", "cabo": "cabo san lucas",
}  # fmt: skip


def whole_name(city: str) -> str:
    """The usual name of a city somebody called by a nickname or an airport code: "philly", "LAX"."""
    plain = city.strip().lower()
    return CODES.get(plain) or NICKNAMES.get(plain) or plain


REGION = (
    r"(?:,? (?:ca|ny|wa|or|tx|az|nv|il|ma|ga|fl|pa|co|bc|on|uk|usa|us|dc|california|washington|oregon|nevada|texas|georgia|ontario|"
    r"england|uk|france|italy|spain|australia|canada|mexico|india|germany|japan|british columbia|illinois|arizona)\b\.?)?"
)
_KNOWN = "|".join(sorted((re.escape(name) for name in CITIES), key=len, reverse=True))
_CITY = re.compile(rf"\b(?P<name>{_KNOWN})\b(?P<region>{REGION})")
_AMBIGUOUS = frozenset(
    ("nice", "bath", "split", "male", "reading", "mesa", "lincoln", "victoria", "concord", "campbell", "buffalo", "antigua", "rio", "cork", "newark",
     "salvador", "richmond", "lafayette", "danville", "belmont", "riverside", "henderson", "phoenix", "georgia", "petra", "perth", "antioch")
)  # fmt: skip
"""Words that are cities only behind "in", "to" or "from"."""


def world_city(text: str, original: str = "") -> tuple[str, str] | None:
    """(the city as said, with its region where that was said, the words) of a well-known city in plain text."""
    for match in _CITY.finditer(text):
        name = match["name"]
        led_in = re.search(r"\b(?:in|to|from|near|around|at|visit(?:ing)?|leaving) (?:the city of )?$", text[: match.start()])
        alone = re.fullmatch(rf"\W*{re.escape(name)}\W*(?:please)?\W*", text)
        if name in _AMBIGUOUS and not (led_in or alone):
            continue
        return name, match[0]
    for code in re.findall(r"\b[A-Z]{2,3}\b", original):
        if code.lower() in CODES and re.search(rf"\b{code.lower()}\b", text):
            return code.lower(), code.lower()
    found = re.search(rf"\b(?:in|to|from|near|around|at|leaving|city of|between|search) (?P<code>{'|'.join(CODES)})\b", text)
    if found is None or found["code"] in ("san", "on", "las", "del", "sea", "den", "sin"):
        return None  # these are words, too
    return found["code"], found["code"]


@dataclass(frozen=True, slots=True)
class Route:
    """The two ends of a journey in the traveler's words; "" where nobody said."""

    origin: str = ""
    destination: str = ""


_NOT_PLACE = (
    word_set("anytime sometime some is are all what whatever whenever")
    | word_set(
        """
    leave leaving go going be get book find make take see eat stay have do visit arrive return travel try check come reserve buy know
    say a an any one my your our their his her it this that these those there here where when what which then me you us them him now
    today tonight tomorrow and or as so pay use pick spend plan dine attend hear look help start change cancel speak talk work commute
    somewhere anywhere everywhere everyone morning afternoon evening night noon midnight next same about after before between drop keep
    play purchase rent provide confirm ask give show tell watch sleep search enjoy meet learn depart move switch add put catch need able
    until till soon on at by in of off with for than into destination station town city centre area
    """
    )
    | set(WEEKDAYS)
    | set(MONTHS)
    | set(NUMBERS)
)
_STOP = (
    r"(?=\s*(?:[.,;?!\n\x1f]|$|\b(?:on|at|by|from|to|after|before|around|about|leaving|departing|arriving|for|and|that|which|with|please|i|we|"
    r"tomorrow|today|tonight|next|this|if|in time|will|would|is|are|because|so|then|but|who|when|going|anytime|any time|sometime|"
    r"today|thanks|thank|into|in the|using|as|or|could|can|do|does|has|have|leaves|departs|arrives|also|too|later|early|round)\b))"
)
_SPAN = r"(?P<place>(?:the )?[a-z0-9\u00c0-\u024f][\w'\u00c0-\u024f.&#-]*(?: (?!on\b|at\b|by\b|from\b|to\b|for\b|please\b|leaving\b)(?:[\w'\u00c0-\u024f.&#-]+)){0,5}?)"  # fmt: skip
_FROM = re.compile(
    rf"\b(?:(?:leav(?:e|es|ing)|depart(?:s|ing|ure)?|travel(?:l?ing)?|com(?:e|ing)|start(?:s|ing)?|picked? (?:me |us )?up|pick-?up|pickup|moving|heading|fly(?:ing)?|go(?:es|ing)?|get) (?:out )?(?:from|at|of)|"
    rf"from|out of|depart(?:s|ing)?|leav(?:e|es|ing)(?: out of| for)?|(?:i am|i'm|we are|we're) (?:at|in)|between) {_SPAN}{_STOP}"
)
_BETWEEN = re.compile(rf"\bbetween (?P<a>[a-z][\w' ]+?) and (?P<place>[a-z][\w' ]+?){_STOP}")
_TO = re.compile(
    rf"\b(?:(?:go(?:es|ing)?|travel(?:s|l?ing)?|get(?:s|ting)?|head(?:ed|ing|s)?|fly(?:ing)?|ride|trains?|bus(?:es)?|taxis?|cabs?|flights?|tickets?|take (?:me|us)|taken|bring (?:me|us)|drive (?:me|us)|drop(?:ped)? (?:me |us )?off|destination(?: is| will be)?|transport(?:ation)?|transfer|trip|car|make it|moving|back|lift) (?:back |over |out |over )?(?:in ?to|to|at)|"
    rf"destination (?:is|will be|would be|of)|arriv(?:e|es|ing|al) (?:at|in|to)|bound for|headed for|be (?:in|at)|meet (?:a friend|friends|someone|people) at) {_SPAN}{_STOP}"
)
_PAIR = re.compile(rf"\bfrom (?P<a>[a-z0-9][\w'.&# -]*?) (?:to|and (?:going|go|headed|heading|traveling|travelling|arrive|arriving|bring me|take me)(?: to| in| at)?|into) {_SPAN}{_STOP}")  # fmt: skip
_TO_PROPER = re.compile(r"\b[Tt]o (?P<place>(?:the )?(?:\d+[\w-]* )?[A-Z][\w'&#-]*(?: (?:of|and|the|by|[A-Z0-9#][\w'&#-]*))*)")


_STATION = re.compile(
    r"\b(?:name|which|what|what's|where)\b.*\b(?:station|airport|stop|terminal|platform|address)\b|\b(?:station|stop|airport)\b.*\b(?:from|to|at)\W*$"
)
"""A question about where a ride begins or ends names no new end of it."""


def _clean(place: str) -> str:
    words = re.sub(r"^(?:the|my)\s+", "", place.strip(" .,'\"")).strip()
    first = words.split(" ")[0] if words else ""
    if not words or first in _NOT_PLACE or (re.fullmatch(r"[\d:.]+(?:am|pm)?(?:th|st|nd|rd)?", first) and len(words.split()) < 2):
        return ""
    if first in ("from", "with", "bus", "train", "flight", "price", "set", "depart", "departing", "leave") or words.startswith(
        ("bus station", "train station")
    ):
        return ""
    if (
        first in ("hotel", "restaurant", "attraction", "museum", "college", "airport", "station", "place", "park", "church", "event")
        and len(words.split()) == 1
    ):
        return ""
    if re.match(r"\d{1,2}[:.]\d\d", words) or re.match(r"\d{1,2}(?:st|nd|rd|th)\b", words):
        return ""
    return words


_LEAVES_THERE = re.compile(
    r"(?: station)? (?:is|will be|would be) (?:where (?:i|we)(?:'ll|'m|'re| am| are| will)?(?: be)? (?:leav|depart|start|com)\w*|where (?:i|we)ll be \w+ from|(?:the|my|our) (?:depart|start|origin|leav)\w*)"
)
""" "Ely is where I'll be leaving from", "Ely is the departing city"."""


def _stop_ends(plain: str, stops: Sequence[str]) -> Route:
    """The ends of a ride among the stops that rides of the catalogue really have."""
    origin = destination = ""
    for stop in stops:
        for match in re.finditer(rf"(?<!\w){re.escape(stop)}(?!\w)", plain):
            before = plain[max(0, match.start() - 26) : match.start()]
            leaves = re.search(
                r"\b(?:from|leav\w*|depart\w*|out of|origin(?: is)?)(?: \w+){0,2} (?:the )?$", before
            ) or _LEAVES_THERE.match(plain[match.end() :])
            if leaves and not re.search(r"\b(?:to|for|arriv\w* (?:in|at)) (?:the )?$", before):
                origin = origin or stop
            elif stop != origin:
                destination = destination or stop
    return Route(origin, destination)


def _near_stop(place: str, stops: Sequence[str]) -> str:
    """The stop that is meant, slips forgiven; a well-known town that has none stays as it is, other words are no end at all."""
    near = process.extractOne(place, stops, scorer=fuzz.ratio, score_cutoff=82) if len(place) > 3 else None
    return str(near[0]) if near else place if place and world_city("in " + place) else ""


def read_route(text: Text, original: str, *, riding: bool, stops: Sequence[str] = ()) -> Route:
    """ "from A to B", "leaving A", "a taxi to B". `riding` is whether the talk is about getting somewhere: only then do
    plain words behind "from" and "to" count as places; a known city counts anywhere. `stops` are those the catalogue knows."""
    plain = text.text
    origin = destination = ""
    if _STATION.search(plain):
        return Route()
    if riding and stops:
        known = _stop_ends(plain, stops)
        if known.origin or known.destination:
            return known
        route = read_route(text, original, riding=riding)
        return Route(_near_stop(route.origin, stops), _near_stop(route.destination, stops))
    pair = _PAIR.search(plain)
    if pair and (_clean(pair["a"]) and _clean(pair["place"])) and (riding or world_city("in " + pair["a"])):
        return Route(_clean(pair["a"]), _clean(pair["place"]))
    both = _BETWEEN.search(plain)
    if riding and both and _clean(both["a"]) and _clean(both["place"]):
        return Route(_clean(both["a"]), _clean(both["place"]))
    for match in _FROM.finditer(plain):
        place = _clean(match["place"])
        if place and (riding or world_city("in " + place)):
            origin = place
            break
    for match in _TO.finditer(plain):
        place = _clean(match["place"])
        if place and place != origin and (riding or world_city("in " + place)):
            destination = place
            break
    if riding and not destination:
        for match in _TO_PROPER.finditer(original):
            place = _clean(match["place"].lower())
            if place and place != origin:
                destination = place
                break
    if not (origin or destination):
        bare = re.fullmatch(r"\W*(?P<a>[a-z ]+?) to (?P<b>[a-z ]+?)\W*", plain)
        if bare and world_city("in " + bare["a"]) and world_city("in " + bare["b"]):
            return Route(bare["a"], bare["b"])
    return Route(origin, destination)
