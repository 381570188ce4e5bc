"""Words nobody wrote are read as the nearest word that somebody did: the vocabulary of titles, tags and cities.

Only a word that finds nothing is ever changed, and only into one that is really near; the answer says what was changed.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from rapidfuzz import process
from rapidfuzz.distance import OSA
from sqlalchemy import Connection, delete, select

from core.db import Database, bulk_insert
from core.schema import destination, product, search_term

NEAR = 0.7  # of 1: one letter of four, two of seven
SHORTEST, LONGEST = 3, 30


def fold(words: str) -> str:
    """Lower case, plain letters."""
    if words.isascii():
        return words.lower()
    return "".join(c for c in unicodedata.normalize("NFKD", words.lower()) if not unicodedata.combining(c))


def learn(db: Database) -> int:
    """Bring the vocabulary to what is on sale; returns how many words it has. Reads first and writes only what differs."""
    counts: Counter[str] = Counter()
    with db.read() as tx:
        rows = tx.execute(select(product.c.title, product.c.summary, product.c.tags).where(product.c.published))
        for title, summary, tags in rows:
            counts.update(set(_words(f"{title} {summary} {' '.join(map(str, tags))}")))
        for name, aliases in tx.execute(select(destination.c.name, destination.c.aliases)):
            counts.update(set(_words(f"{name} {' '.join(map(str, aliases))}")))
        known = {row.term: row.docs for row in tx.execute(select(search_term))}
    gone = [term for term in known if counts.get(term) != known[term]]
    fresh = [{"term": term, "docs": docs} for term, docs in sorted(counts.items()) if known.get(term) != docs]
    if gone or fresh:
        with db.write() as tx:
            for at in range(0, len(gone), 500):
                tx.execute(delete(search_term).where(search_term.c.term.in_(gone[at : at + 500])))
            bulk_insert(tx, search_term, fresh)
    return len(counts)


def _words(text: str) -> list[str]:
    return [word for word in re.findall(r"[a-z]+", fold(text)) if SHORTEST <= len(word) <= LONGEST]


def unknown(tx: Connection, asked: Iterable[str]) -> list[str]:
    """The words of these that nobody wrote and that could be misspelt: letters only, three to thirty of them."""
    plain = [word for word in asked if word.isalpha() and SHORTEST <= len(word) <= LONGEST]
    if not plain:
        return []
    known = set(tx.execute(select(search_term.c.term).where(search_term.c.term.in_(plain))).scalars())
    return [word for word in plain if word not in known]


def nearest(tx: Connection, misspelt: Sequence[str]) -> Mapping[str, str]:
    """The nearest word that somebody wrote, for each that has one: most alike first, then the most used, then by the alphabet."""
    if not misspelt:
        return {}
    vocabulary = {row.term: row.docs for row in tx.execute(select(search_term))}
    found = {}
    for word in misspelt:
        near = process.extract(word, vocabulary.keys(), scorer=OSA.normalized_similarity, score_cutoff=NEAR, limit=12)
        if near:
            found[word] = min(near, key=lambda one: (-round(one[1], 6), -vocabulary[one[0]], one[0]))[0]
    return found
