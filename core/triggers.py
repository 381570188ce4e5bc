"""When a person is needed: rules that run on what is written and on what happened, in this order, whatever the model thinks.

A model may ask for a person as well; nothing here can be talked away. Each finding is a reason and the words for the expert.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, select

from core import carts, conversations, trips
from core.schema import booking, booking_request, message, payment, refund, turn
from core.settings import Rules

FAILED = "none"  # the model of a turn that was given up
LATELY = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Found:
    reason: str
    note: str


PERSON = r"(?:human|person|people|agent|representative|operator|expert|advisor|consultant|somebody real|someone real|real person)"
ASKS = (
    rf"\b(?:talk|speak|chat|write|connect|transfer|put|hand|pass)\b[^.?!]{{0,24}}\b(?:to|with|through|over)\b[^.?!]{{0,16}}\b{PERSON}\b",
    r"\b(?:need|want|get|give)\b(?: me)?(?: to)?(?: speak| talk)?[^.?!]{0,12}\b(?:a |an |your |the )?(?:real |live |actual )?(?:human|real person|live person|live agent|human agent)\b",
    r"\b(?:falar|conversar) com (?:uma pessoa|um humano|um agente|alguem)\b",
    r"\bhablar con (?:una persona|un humano|un agente|alguien)\b",
    r"\bparler (?:a|avec) (?:une personne|un humain|un agent|quelqu un|un conseiller)\b",
    r"\bmit (?:einem menschen|einer person|einem mitarbeiter|jemandem) (?:sprechen|reden)\b",
    r"\bparlare con (?:una persona|un umano|un operatore|qualcuno)\b",
)
POLICY = {
    "refund": r"\b(?:refund(?:ed|s)?|money back|reembols\w+|rembours\w+|erstattung|geld zuruck|rimbors\w+)\b",
    "dispute": r"\b(?:dispute[ds]?|chargeback|charge back|lawyer|sue|complaint|fraud|scam|contestar cobro|litige|anwalt|reclamo)\b",
    "medical": r"\b(?:hospital|ambulance|medical (?:condition|emergency|help)|emergency|injur(?:y|ed)|epilep\w+|anaphyla\w+|severe allergy|emergencia medica|notfall)\b",
    "accessibility": r"\b(?:wheelchair|disabled|disability|blind|deaf|mobility (?:impair\w+|scooter)|cadeira de rodas|silla de ruedas|fauteuil roulant|rollstuhl|sedia a rotelle)\b",
    "visa": r"\b(?:visa (?:requirement|application|for|to)|need a visa|tourist visa|passport (?:expired|lost|stolen)|visto para|visado|einreise)\b",
}


def plain(text: str) -> str:
    folded = "".join(one for one in unicodedata.normalize("NFKD", text.lower()) if not unicodedata.combining(one))
    return re.sub(r"[’'\s]+", " ", folded).replace("ß", "ss")


def asks_for_person(text: str) -> bool:
    said = plain(text)
    return any(re.search(pattern, said) for pattern in ASKS)


def of_words(text: str) -> list[Found]:
    """What the traveler's own words ask for."""
    found = [Found("asked_for_human", "")] if asks_for_person(text) else []
    said = plain(text)
    topics = [topic for topic, pattern in POLICY.items() if re.search(pattern, said)]
    return found + ([Found("policy", f"They write about: {', '.join(topics)}.")] if topics else [])


def of_conversation(tx: Connection, rules: Rules, conversation_id: str) -> list[Found]:
    """What the state of things asks for: the assistant failed or goes in circles, many people, much money."""
    found = []
    turns = tx.execute(
        select(turn.c.model, turn.c.transcript, turn.c.id)
        .where(turn.c.conversation_id == conversation_id, turn.c.status == "done")
        .order_by(turn.c.from_seq.desc())
        .limit(3)
    ).all()
    if len(turns) >= 2 and all(one.model == FAILED or _errors(one) >= 2 for one in turns[:2]):
        found.append(Found("bot_failed", "The assistant could not answer twice in a row."))
    said = _last_answers(tx, conversation_id)
    if len(said) >= 3 and len(set(said[:3])) == 1:
        found.append(Found("loop", "The assistant said the same three times."))
    known = trips.facts(tx, conversation_id)
    people = sum((known.get("party") or {}).values())
    if people >= rules.group_for_person:
        found.append(Found("large_group", f"{people} people."))
    totals = carts.view(tx, conversation_id)["totals"]
    if any(one["payable"] >= rules.amount_for_person for one in totals.values()):
        found.append(Found("large_amount", "The cart comes to a large sum."))
    return found


def _errors(one: Any) -> int:
    """Verbs the rules refused in a turn."""
    lines = one.transcript or []
    return sum(1 for line in lines if line.get("type") == "tool" and '"ok": false' in str(line.get("data", {}).get("content", "")))


def _last_answers(tx: Connection, conversation_id: str) -> Sequence[str]:
    rows = tx.execute(
        select(message.c.data)
        .where(message.c.conversation_id == conversation_id, message.c.role == "bot", message.c.turn_id.is_not(None))
        .order_by(message.c.seq.desc())
        .limit(3)
    ).scalars()
    return [" ".join(str(part.get("text", "")) for part in data.get("parts", ()) if part.get("type") == "text") for data in rows]


def of_events(tx: Connection, now: Any) -> list[tuple[str, str, Found]]:
    """(conversation, key, finding) of what went wrong lately beside any conversation: money that did not arrive where it should,
    hosts who let a request run out."""
    since = now - LATELY
    lost = tx.execute(
        select(payment.c.conversation_id, payment.c.id).where(payment.c.status == "orphan", payment.c.created_at > since)
    ).all()
    failed = tx.execute(
        select(payment.c.conversation_id, refund.c.id)
        .join(payment, payment.c.id == refund.c.payment_id)
        .where(refund.c.state == "failed", refund.c.created_at > since)
    ).all()
    overdue = tx.execute(
        select(booking.c.conversation_id, booking_request.c.id, booking.c.reference)
        .join(booking, booking.c.id == booking_request.c.booking_id)
        .where(booking_request.c.status == "expired", booking_request.c.decided_at > since)
    ).all()
    found = [(row.conversation_id, f"payment:{row.id}", Found("payment_problem", "A payment has no booking.")) for row in lost]
    found += [(row.conversation_id, f"refund:{row.id}", Found("payment_problem", "A refund did not go through.")) for row in failed]
    found += [
        (row.conversation_id, f"request:{row.id}", Found("provider_overdue", f"The host did not answer {row.reference} in time."))
        for row in overdue
    ]
    return found


def of_line(tx: Connection, rules: Rules, conversation_id: str, text: str) -> list[Found]:
    conversations.get(tx, conversation_id)
    return of_words(text) + of_conversation(tx, rules, conversation_id)
