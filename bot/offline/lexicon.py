"""The catalogue as vocabulary: cities by name and alias, products by name with typos, everything else by the tags that listings really use."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from rapidfuzz import fuzz, process
from rapidfuzz.distance import OSA

from bot.offline.kinds import kinds_in
from bot.offline.needs import FEATURES, Needs, slot_of
from bot.offline.numbers import SMALL, WD
from bot.offline.words import COMMANDS, NO_SLIPS, SPECIFIC, STOP, word_set
from core.search import fold
from tools.search import Vocabulary


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

    def homes(self, words: str) -> list[str]:
        """The cities that sell something whose title has all of these words (ids, the most such titles first)."""
        wanted = [word for word in fold(words).split() if len(word) > 2]
        counted: dict[str, int] = {}
        for id, title in self.titles.items():
            said = re.split(r"[^\w']+", title)
            if wanted and all(any(_same_word(word, one) for one in said) for word in wanted):
                city = str(self.rows[id].destination_id)
                counted[city] = counted.get(city, 0) + 1
        return sorted(counted, key=lambda city: (-counted[city], self.names.get(city, "")))

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
                if slot == "sort" and one == "hotel" and "hotel" not in known.get(slot, {}):
                    continue  # where no listing says so, all of them are
                if slot in known:
                    found.append(known[slot].get(plain(one)) or _near_tag(plain(one), known[slot]) or one)
                elif slot == "features" and one in known:
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
        for word in re.findall(r"[a-z0-9]+", re.sub(r"\b(?:my|our|the whole|a) (?:family|friends?|group)\b", " ", folded)):
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

        spelled = re.sub(r"\b(?:" + "|".join(SHORT) + r")\b", lambda match: SHORT[match[0]], text)
        return re.sub(r"[a-z]{5,}", mend, spelled)

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

    def telling(self, product_id: str) -> bool:
        """Does the title say more than "the place" or "guest house" do?"""
        return any(word not in STOP and word not in GENERIC for word in re.findall(r"[a-z0-9']+", self.titles[product_id]))

    def product_in(self, folded: str, among: Sequence[str] | None = None) -> tuple[str, float] | None:
        """(product id, 0..100) of a product named in the text, typos and missing words forgiven."""
        among_shown = [one for one in among or () if one in self.titles]
        if among is not None and (named := self.called(folded, among_shown)):
            return named
        codes = re.findall(r"\b[a-z]{1,3}\d{2,5}\b", folded)
        for product_id in among_shown:
            if any(code in self.titles[product_id] for code in codes):
                return product_id, 100.0
        if codes and among is None:
            coded = [id for id, title in self.titles.items() if any(code in title for code in codes)]
            if len({self.titles[id] for id in coded}) == 1:
                return coded[0], 100.0
        choices = {
            product_id: self.titles[product_id] for product_id in (among if among is not None else self.titles) if product_id in self.titles
        }
        said = [
            word for word in re.findall(r"[a-z0-9']+", folded) if word not in STOP and len(word) > 2 and slot_of(word) not in TOLD_SLOTS
        ]
        if not said or not choices:
            return None
        if not any(word for word in said if word not in GENERIC):
            return None
        joined = " ".join(said)
        best: tuple[str, float] | None = None
        second = 0.0
        for _title, score, product_id in process.extract(joined, choices, scorer=fuzz.token_set_ratio, limit=5):
            words = [word for word in re.findall(r"[a-z0-9']+", choices[product_id]) if word not in STOP and len(word) > 2]
            hits = sum(
                1 for word in words if (among is None or word not in GENERIC) and any(fuzz.ratio(word, other) >= 84 for other in said)
            )
            if words and all(word in GENERIC for word in words):
                continue
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


GENERIC = word_set(
    "guest house guesthouse hotel hotels restaurant restaurants museum museums train trains bus room rooms bar cafe club college park tour tours class trip"
)
"""Words that half of all titles have: alone they name nothing."""

SHORT = {
    "wkend": "weekend", "wknd": "weekend", "tmrw": "tomorrow", "tmr": "tomorrow", "tmw": "tomorrow", "2moro": "tomorrow", "2nite": "tonight",
    "tonite": "tonight", "smth": "something", "sth": "something", "pls": "please", "plz": "please", "ppl": "people", "thx": "thanks", "u": "you",
    "abt": "about", "resto": "restaurant", "brekkie": "breakfast", "brekky": "breakfast", "hotl": "hotel", "resturant": "restaurant",
    "restaraunt": "restaurant", "accomodation": "accommodation", "appartment": "apartment", "musuem": "museum",
}  # fmt: skip
"""Words as thumbs write them."""
TOLD_SLOTS = ("area", "level", "cuisine", "sort")
"""A word that says where or how expensive is no name of a product."""

MOST, HALF = 0.8, 0.5


def _same_word(wanted: str, said: str) -> bool:
    """One word of a title: the same, a longer form of it, or one slip away where it is long enough to tell."""
    return (
        wanted == said
        or (len(wanted) > 3 and said.startswith(wanted))
        or (len(wanted) > 5 and OSA.distance(wanted, said, score_cutoff=1) <= 1)
    )


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
