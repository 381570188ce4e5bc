"""Reading a limit on the money, or a level ("cheap", "something fancy")."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bot.offline.numbers import Text, any_of

CURRENCIES = {
    "€": "EUR", "euro": "EUR", "euros": "EUR", "eur": "EUR", "$": "USD", "usd": "USD", "dollar": "USD", "dollars": "USD", "bucks": "USD",
    "£": "GBP", "gbp": "GBP", "pound": "GBP", "pounds": "GBP", "quid": "GBP", "¥": "JPY", "yen": "JPY", "jpy": "JPY", "baht": "THB",
    "thb": "THB", "dirham": "MAD", "dirhams": "MAD", "mad": "MAD", "peso": "MXN", "pesos": "MXN", "mxn": "MXN", "rand": "ZAR", "zar": "ZAR",
    "isk": "ISK", "krona": "ISK", "kronur": "ISK", "chf": "CHF", "francs": "CHF",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Budget:
    """`amount` whole units; `currency` "" where none was named; `per` total, person or night; `level` cheap ... luxury."""

    amount: int | None = None
    currency: str = ""
    per: str = "total"
    level: str = ""


def read_budget(text: Text) -> Budget:
    """A limit ("under 80 euros", "max 50 pp", "budget of 2k"), or a level ("cheap", "something fancy")."""
    symbol = r"[€$£¥]"
    word = rf"(?:{any_of(w for w in CURRENCIES if w.isalpha())})"
    amount = rf"(?P<pre>{symbol})? ?(?P<n>\d{{1,3}}(?:[.,]\d{{3}})+|\d+(?:[.,]\d{{1,2}})?) ?(?P<k>k\b)? ?(?P<post>{symbol}|{word}\b)?"
    limit = r"(?:under|below|less than|up to|no more than|not more than|at most|max(?:imum)?(?: of)?|within|cheaper than|around|about|budget(?: is| of|:| around| about)?(?: of)?|spend(?: up to| around| about)?|for less than|<|afford(?: up to)?|over)"
    each = r"(?: ?(?P<per>per person|a person|each|pp|p\.p\.|per head|a head|per night|a night|nightly|/ ?night|/ ?person|per adult|in total|total|altogether|all in|for (?:both|all|everything)))?"
    match = text.find(rf"(?:\b|(?<=\s)|^){limit} (?:of |about |around |a |the )?{amount}{each}")
    if match is None:
        match = text.find(
            rf"(?:\b|(?<=\s)|^){amount.replace('?P<post>', '?P<post>').replace('(?P<pre>' + symbol + ')?', '(?P<pre>' + symbol + ')')}{each}(?: (?:max|or less|budget|tops|at most|limit))?"
        )
    if match is None:
        match = text.find(
            rf"\b(?P<pre>)(?P<n>\d+(?:[.,]\d{{1,2}})?) ?(?P<k>k\b)? ?(?P<post>{symbol}|{word}\b){each}(?: (?:max|or less|budget|tops|at most|limit))?"
        )
    if match is None:
        match = text.find(r"\b(?P<pre>)(?P<n>\d+)(?P<k>)(?P<post>) (?:max\b|or less|budget|tops)(?P<per>)")
    if match:
        raw = match["n"]
        raw = re.sub(r"[.,](?=\d{3}\b)", "", raw) if re.search(r"[.,]\d{3}\b", raw) else raw.split(",")[0].split(".")[0]
        value = int(raw) * (1000 if match["k"] else 1)
        marked = match["pre"] or match["post"] or ""
        named = bool(marked or match["k"]) or bool(re.search(r"budget|spend|afford|cheaper|per person|night|each|pp", match[0]))
        looks_like_hour = not named and value <= 24 and re.match(r"\s*(?:around|about)", match[0])
        if not looks_like_hour and value > 0:
            text.take(match, "budget")
            said = match["per"] or ""
            per = "night" if "night" in said else "person" if re.search(r"person|each|pp|p\.p|head|adult", said) else "total"
            return Budget(value, CURRENCIES.get(marked, ""), per)
    match = text.find(
        r"\b(?:not (?:too )?expensive|cheap(?:er|est)?|budget(?:-friendly)?|inexpensive|affordable|low[- ]cost|low budget|economical|free)\b"
    )
    if match:
        if "free" in match[0]:
            return Budget()
        text.take(match, "budget")
        return Budget(level="cheap")
    match = text.find(r"\b(?:luxur(?:y|ious)|fancy|high[- ]end|five[- ]star|5[- ]star|upscale|posh|splurge|expensive)\b")
    if match:
        return Budget(level="luxury")
    return Budget()
