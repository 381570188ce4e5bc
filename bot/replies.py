"""A provider's reply to one request, read as a decision: yes, no, other terms, or "ask them".

No model, no guessing: what is asked for (price, time, day) is taken out first, and every word that is left has to be one
we know. Two prices, two times, a yes beside a no, a question or one unknown word are all "ask". Other terms are never
a yes: they are an offer that the provider confirms and the traveler has to accept.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Literal

from bot.answers import MOST, fold, meanings, verdict_of
from core.money import Money

Decision = Literal["approve", "decline", "offer", "ask"]


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for. `amount` in minor units, `start` "HH:MM" or "" for a whole day; `today` is the provider's."""

    reference: str
    amount: int
    currency: str
    day: date
    start: str
    today: date


@dataclass(frozen=True, slots=True)
class Reading:
    """`amount`, `day` and `start` are only set where they differ from what was asked."""

    decision: Decision
    amount: int | None = None
    day: date | None = None
    start: str | None = None
    reference: str = ""


ASK = Reading("ask")
PRICE_ALONE = re.compile(r"\s*\d{1,7}(?:[.,]\d{2})?\s*")

SYMBOLS = {
    "€": "EUR", "eur": "EUR", "euro": "EUR", "euros": "EUR", "$": "USD", "usd": "USD", "dollars": "USD", "dollar": "USD", "£": "GBP", "gbp": "GBP",
    "pounds": "GBP", "chf": "CHF", "francs": "CHF", "¥": "JPY", "yen": "JPY", "jpy": "JPY",
}  # fmt: skip
DAYS: Mapping[str, int] = {
    word: number
    for number, words in enumerate((
        "monday mon segunda lunes lundi montag lunedi segunda-feira", "tuesday tue terca martes mardi dienstag martedi terca-feira",
        "wednesday wed quarta miercoles mercredi mittwoch mercoledi quarta-feira", "thursday thu quinta jueves jeudi donnerstag giovedi quinta-feira",
        "friday fri sexta viernes vendredi freitag venerdi sexta-feira", "saturday sat sabado samedi samstag sonnabend sabato",
        "sunday sun domingo dimanche sonntag domenica",
    ))
    for word in words.split()
}  # fmt: skip
NEAR = {"today": 0, "hoje": 0, "hoy": 0, "aujourd'hui": 0, "heute": 0, "oggi": 0, "tomorrow": 1, "amanha": 1, "demain": 1, "domani": 1}
MONTHS = {
    word: number
    for number, words in enumerate((
        "jan january janeiro enero janvier januar gennaio", "feb february fevereiro febrero fevrier februar febbraio", "mar march marco marzo mars marz",
        "apr april abril avril aprile", "may maio mayo mai maggio", "jun june junho junio juin juni giugno", "jul july julho julio juillet juli luglio",
        "aug august agosto aout", "sep sept september setembro septiembre septembre settembre", "oct october outubro octubre octobre oktober ottobre",
        "nov november novembro noviembre novembre", "dec december dezembro diciembre decembre dezember dicembre",
    ), 1)
    for word in words.split()
}  # fmt: skip
ALTERNATIVE = """
instead, only, but, rather, can do, could do, we can do, i can do, we could do, i could do, can offer, we can offer, i can offer, we offer, i offer, i propose, we propose, can make it, we can make it,
how about, what about, counter, counter offer, offer, in exchange, so, mas, apenas, em vez disso, podemos fazer, posso fazer, podemos oferecer, proponho, propomos,
solo, pero, en su lugar, en cambio, podemos hacer, puedo hacer, podemos ofrecer, propongo, proponemos, seulement, mais, plutot, a la place, nous pouvons faire, nous proposons, je propose, possible,
nur, aber, stattdessen, wir konnen, ich kann, wir bieten, moglich, solo, ma, invece, possiamo fare, posso fare, proponiamo, propongo
"""
ALTERNATIVES = sorted({" ".join(one.split()) for one in ALTERNATIVE.replace("\n", " ").split(",") if one.strip()}, key=len, reverse=True)
BEFORE = r"(?:(?:for|at|on|by|from|um|am|ab|fur|zu|a las|a la|las|as|a partir das|por|para|el|na|no dia|em|pour|le|a|per|alle|alle ore|il|di|the|del)\s+)?"
NUMBER = r"\d[\d.,]*\d|\d"
_NAMES = "|".join(re.escape(one) for one in sorted(SYMBOLS, key=len, reverse=True))

MANY = re.compile(
    r"(?<!no problem at )(?<!at )\b(?:all|everything|both|each|todos|todas|tudo|ambos|tous|toutes|alle|beide|tutti|tutte)\b(?! good| klar)"
)
CODE = re.compile(r"#?\btrv-[0-9a-z]{6}\b|#[0-9a-z]{4,8}\b")
CLOCK = re.compile(
    rf"\b{BEFORE}(?:(\d{{1,2}})[:h](\d{{2}})\s*(am|pm)?|(\d{{1,2}})\s*(am|pm)|(\d{{1,2}})\s*(?:h|uhr)|(?:ore)\s+(\d{{1,2}}))(?![\w:])"
)
MONEY = re.compile(rf"(?:\b{BEFORE})?(?:({_NAMES})\s*({NUMBER})(?![\w])|({NUMBER})\s*({_NAMES})(?!\w))")
BARE_MONEY = re.compile(rf"\b(?:for|fur|por|pour|per)\s+({NUMBER})(?![\w%:])")
_DAYS = "|".join(sorted(map(re.escape, (*DAYS, *NEAR)), key=len, reverse=True))
_MONTHS = "|".join(sorted(MONTHS, key=len, reverse=True))
DAY = re.compile(
    rf"\b{BEFORE}(?:(\d{{4}}-\d{{2}}-\d{{2}})|(\d{{1,2}})(?:st|nd|rd|th|\.)?\s+(?:de\s+|of\s+)?({_MONTHS})|({_MONTHS})\s+(\d{{1,2}})(?:st|nd|rd|th)?|({_DAYS}))(?![\w])"
)


def read_reply(text: str, asked: Asked) -> Reading:
    """What a reply decides about one request. Only "approve" and "decline" may be acted on without asking back."""
    said = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith(">"))
    if not said.strip() or len(said) > MOST or "?" in said or "¿" in said:
        return ASK
    if asked.amount == 0 and PRICE_ALONE.fullmatch(said):  # asked for a price, answered with one
        said = f"{said.strip()} {asked.currency}"
    left = fold(said)
    left, codes = _take(left, CODE, lambda m: m[0].lstrip("#"))
    left, times = _take(left, CLOCK, _time)
    left, days = _take(left, DAY, lambda m: _day(m, asked))
    left, prices = _take(left, MONEY, lambda m: (m[2] or m[3], SYMBOLS[m[1] or m[4]]))
    left, bare = _take(left, BARE_MONEY, lambda m: (m[1], asked.currency))
    prices += bare
    if max(len(codes), len(times), len(days), len(prices)) > 1 or None in (*times, *days):
        return ASK
    if codes and codes[0] not in (asked.reference.lower(), asked.reference.lower().removeprefix("trv-")):
        return ASK
    left, alternative = _take_alternatives(left)
    words = meanings(left)
    if MANY.search(left) or words is None or "undecided" in words:
        return ASK
    terms = _terms(times, days, prices, asked)
    if terms is None:
        return ASK
    stated = bool(times or days or prices)
    verdict = verdict_of(words)
    if not stated:
        return ASK if alternative or verdict is None else Reading(verdict, reference=codes[0] if codes else "")
    if "decline" in words or "regret" in words:
        return ASK
    if any(value is not None for value in terms.values()):
        return Reading("offer", **terms)
    return Reading("approve") if verdict == "approve" and not alternative else ASK


def code_in(text: str) -> str:
    """The request's code a text names, in capitals; "" for none or several."""
    found = {match[0].lstrip("#").upper() for match in CODE.finditer(fold(text))}
    return found.pop() if len(found) == 1 else ""


def _take(text: str, pattern: re.Pattern[str], value: Callable[[re.Match[str]], Any]) -> tuple[str, list[Any]]:
    """Take every match out, leaving a comma, so that what stood around it is not read as one phrase."""
    found: list[Any] = []

    def out(match: re.Match[str]) -> str:
        found.append(value(match))
        return " , "

    return pattern.sub(out, text), found


def _take_alternatives(text: str) -> tuple[str, bool]:
    pattern = re.compile(r"(?<!\w)(?:" + "|".join(re.escape(one) for one in ALTERNATIVES) + r")(?!\w)")
    return _take_if_needed(text, pattern)


def _take_if_needed(text: str, pattern: re.Pattern[str]) -> tuple[str, bool]:
    """Words that announce something else ("instead", "can do") are only taken as such where the rest needs it."""
    if meanings(text) is not None:
        plain = pattern.sub(" , ", text)
        strong = re.search(r"(?<!\w)(?:instead|only|but|rather|nur|aber|pero|solo|mais|ma|mas|invece|stattdessen)(?!\w)", text)
        return (plain, True) if strong else (text, False)
    taken, found = _take(text, pattern, lambda m: m[0])
    return taken, bool(found)


def _time(match: re.Match[str]) -> str | None:
    hour = next(int(part) for part in (match[1], match[4], match[6], match[7]) if part)
    minute = int(match[2] or 0)
    half = match[3] or match[5]
    if half:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half == "pm" else 0)
    return f"{hour:02d}:{minute:02d}" if hour < 24 and minute < 60 else None


def _day(match: re.Match[str], asked: Asked) -> date | None:
    """A weekday is the one nearest to the day asked for; a date without a year is the next such date."""
    try:
        if match[1]:
            return date.fromisoformat(match[1])
        if match[2] or match[5]:
            month, number = MONTHS[match[3] or match[4]], int(match[2] or match[5])
            this = date(asked.today.year, month, number)
            return this if this >= asked.today else date(asked.today.year + 1, month, number)
    except ValueError:
        return None
    if match[6] in NEAR:
        return asked.today + timedelta(days=NEAR[match[6]])
    ahead = (DAYS[match[6]] - asked.day.weekday()) % 7
    near = asked.day + timedelta(days=ahead if ahead <= 3 else ahead - 7)
    return near if near >= asked.today else near + timedelta(days=7)


def _terms(times: list[Any], days: list[Any], prices: list[Any], asked: Asked) -> dict[str, Any] | None:
    """What differs from the request; None where a price makes no sense here."""
    amount = None
    if prices:
        number, currency = prices[0]
        amount = _minor(number, currency)
        if amount is None or currency != asked.currency or 10 * amount < asked.amount:
            return None
        amount = None if amount == asked.amount else amount
    day = days[0] if days and days[0] != asked.day else None
    start = times[0] if times and times[0] != asked.start else None
    return {"amount": amount, "day": day, "start": start}


def _minor(number: str, currency: str) -> int | None:
    """Minor units of "1.250,50", "1,250.50", "180"."""
    match = re.fullmatch(r"(\d{1,3}(?:[.,]\d{3})+|\d+)(?:[.,](\d{1,2}))?", number)
    if match is None:
        return None
    whole = re.sub(r"[.,]", "", match[1])
    return Money.of(Decimal(f"{whole}.{match[2]}" if match[2] else whole), currency).minor
