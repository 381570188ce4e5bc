"""Spanish as data: a whole booking in it, from the first words to the confirmation, with no English left; a request whose provider reads English."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.languages import detect
from bot.offline import phrases
from bot.offline.tongues import tongue
from bot.yes import is_exact_yes
from channels.compose import Composer
from channels.phrases import phrase
from channels.render import wire
from core import conversations, requests
from core.engine import Actor, Engine
from core.schema import booking, booking_request, outbound
from tests.jobs import work
from tests.market import load
from tests.talk import BASE, Talk

PHRASES = Path(__file__).parent.parent.parent / "channels" / "phrases"
STAFF = ("request", "desk", "payout_state", "sms")  # read by those who work here
ENGLISH = re.compile(r"\b(?:the|your|you|is|are|and|for|with|please|held|paid|people|adults?|would|pay|trip)\b", re.I)
TITLES = (
    "Sunset sail on the Tejo",
    "Dinner with fado at Tasca da Bica",
    "Private walk through Alfama with Inês",
    "Paint your own azulejo tile",
)


@pytest.fixture
def shop(engine: Engine, tmp_path: Path) -> Engine:
    load(engine, tmp_path)
    return engine


def words_of(value: object) -> str:
    """Everything a person reads of what was drawn, without titles, addresses and ids."""
    if isinstance(value, dict):
        return " ".join(
            words_of(one)
            for key, one in value.items()
            if key not in ("url", "action", "id", "picture", "mid", "type", "style", "tone", "name", "kind", "autocomplete", "subtitle")
        )
    if isinstance(value, list):
        return " ".join(words_of(one) for one in value)
    return str(value) if isinstance(value, str) else ""


def read(talk: Talk) -> str:
    """What the page shows of the newest lines, in the conversation's own language; refuses any English in it."""
    with talk.engine.db.read() as tx:
        home = conversations.get(tx, talk.conversation_id)
        rows = conversations.log_after(tx, talk.conversation_id, talk.seen)
    parts = [part for row in rows if row.kind == "message" and row.role != "traveler" for part in wire(BASE, row, home.locale)["parts"]]
    talk.seen = rows[-1].seq if rows else talk.seen
    talk.parts = parts
    shown = words_of(parts)
    plain = shown
    for title in TITLES:
        plain = plain.replace(title, "")
    found = ENGLISH.findall(plain)
    assert not found, (found, shown)
    return shown


def say(talk: Talk, text: str) -> str:
    from channels import inbox

    inbox.say(talk.engine, talk.actor, f"es-{talk.seen}-{abs(hash(text))}", text)
    talk.answer()
    return read(talk)


def press(talk: Talk, label: str, fields: dict[str, str] | None = None) -> str:
    from channels import inbox

    inbox.press(talk.engine, talk.actor, f"es-{talk.seen}-{label}", talk.button(label)["action"], fields or {})
    talk.answer()
    return read(talk)


def test_a_whole_booking_in_spanish(shop: Engine) -> None:
    talk = Talk(shop)
    with shop.db.read() as tx:
        talk.seen = conversations.get(tx, talk.conversation_id).last_seq
    said = say(talk, "Hola, quiero un paseo en barco en Lisboa el 5 de diciembre para dos personas")
    assert "para dos" in said
    assert "sáb 5 dic" in said
    assert talk.cards()[0]["title"] == "Sunset sail on the Tejo"
    with shop.db.read() as tx:
        assert conversations.get(tx, talk.conversation_id).locale == "es"
    assert "está en tu viaje" in say(talk, "añade el primero")
    assert "144" in say(talk, "mejor para tres personas")
    assert "Tu total es" in say(talk, "¿Cuánto es todo?")
    assert "¿Lo confirmo?" in say(talk, "quiero pagar")
    assert "¿Quién reserva?" in say(talk, "sí")
    held = press(talk, "Confirmar y reservar", {"name": "Ana Silva", "email": "ana@example.com", "terms": "yes"})
    assert "Por favor, paga" in held
    assert "¿Puedo recordar" in held
    work(shop)
    with shop.db.read() as tx:
        assert tx.execute(select(booking.c.status)).scalar_one() == "ON_HOLD"
    shop.gateway.pay("cs_1")  # type: ignore[attr-defined]
    say(talk, "ya he pagado")
    with shop.db.read() as tx:
        assert tx.execute(select(booking.c.status)).scalar_one() == "CONFIRMED"
    assert "Esto es lo que has reservado" in say(talk, "mis reservas")


def test_more_than_a_yes_commits_nothing_in_spanish_either(shop: Engine) -> None:
    talk = Talk(shop, locale="es")
    talk.new()
    say(talk, "un paseo en barco en Lisboa el 5 de diciembre para dos")
    say(talk, "añade el primero")
    say(talk, "quiero pagar")
    for text in ("sí, pero para tres personas", "sí y también una cena", "no", "si me gusta"):
        assert not is_exact_yes(text, "es")
    say(talk, "sí, pero para tres personas")
    with shop.db.read() as tx:
        assert tx.execute(select(booking)).all() == []
    assert is_exact_yes("¡Sí!", "es")
    assert is_exact_yes("Sí, confirmo.", "es")
    assert not is_exact_yes("sí", "de")


def test_the_provider_reads_their_own_language(shop: Engine) -> None:
    talk = Talk(shop, locale="es")
    talk.new()
    say(talk, "un guía privado en Lisboa el 5 de diciembre para dos")
    assert "A petición" in words_of(talk.parts)
    press(talk, "Solicitar")
    say(talk, "quiero pagar")
    press(talk, "Confirmar")
    press(talk, "Confirmar y reservar", {"name": "Ana Silva", "email": "ana@example.com", "terms": "yes"})
    with shop.db.read() as tx:
        asked = tx.execute(select(booking_request)).one()
        mails = tx.execute(select(outbound).where(outbound.c.notice == "request_received")).all()
        assert mails
        from channels.compose import request_part
        from channels.render import Words

        row = tx.execute(select(booking)).one()
        card = request_part(Words(BASE, "en"), asked, row)
    assert card["title"] == phrase("en", "request", "title")
    requests.decide(shop, Actor("host", role="provider", provider_ids=(row.provider_id,)), asked.id, "approve", answer="Bem-vindos!")
    assert "ha dicho que sí" in read(talk)
    assert Composer(BASE).words("es").locale == "es"


@pytest.mark.parametrize(
    ("text", "heard"),
    [
        ("un hotel en Roma del 12 al 15 de marzo por menos de 150 la noche", "a hotel in rome from 12 to 15 march under 150 a night"),
        (
            "cena para 2 adultos y un niño mañana a las 8 de la tarde en Lisboa",
            "dinner for 2 adults and one child tomorrow at 8pm in lisbon",
        ),
        ("lo mismo pero más barato", "the same but cheaper"),
        ("quiero hablar con una persona", "i want to talk to a person"),
        ("planea tres días en Kioto para dos, 600 euros", "plan three days in kyoto for two, 600 euros"),
        ("cancela mi reserva TRV-7K3Q9X", "cancel my booking trv-7k3q9x"),
        ("quita la cena", "remove the dinner"),
    ],
)
def test_what_is_heard(text: str, heard: str) -> None:
    spoken = tongue("es")
    assert spoken is not None
    assert spoken.hear(text) == heard


def test_every_language_file_has_the_same_phrases_with_the_same_holes() -> None:
    english = tomllib.loads((PHRASES / "en.toml").read_text("utf-8"))
    spanish = tomllib.loads((PHRASES / "es.toml").read_text("utf-8"))
    for section, known in spanish.items():
        assert section not in STAFF
        for name, text in known.items():
            assert sorted(re.findall(r"\{\w+\}", str(english[section][name]))) == sorted(re.findall(r"\{\w+\}", str(text))), (section, name)
    staff = {"mail": ("alarm", "call_back", "payout_sent", "missed", "calendar_broken", "calendar_conflict", "payouts_state", "letter_received", "booking_received", "offer_accepted", "offer_declined", "offer_countered", "request_received"), "door": ("sms_linked", "sms_help", "traveler_says", "provider_says", "note", "linked_staff", "linked_expert", "help_provider")}  # fmt: skip
    for section in set(english) - set(STAFF):
        missing = set(english[section]) - set(spanish[section]) - set(staff.get(section, ()))
        assert missing == set(), section


def test_every_fixed_sentence_of_the_planner_has_its_spanish() -> None:
    spoken = tongue("es")
    assert spoken is not None
    left = []
    for name in dir(phrases):
        text = getattr(phrases, name)
        if name.isupper() and isinstance(text, str) and name not in ENGLISH_ONLY:
            filled = re.sub(r"\{(\w+)\}", lambda match: FILL.get(match[1], "Ana"), text)
            if spoken.say(filled) == filled:
                left.append(name)
    assert left == []


FILL = {
    "count": "3",
    "days": "3",
    "day": "Sat 5 Dec",
    "first": "10:00",
    "last": "18:00",
    "at": "10:00",
    "starts": "11:00",
    "n": "2",
    "why": "It is sold out.",
}
ENGLISH_ONLY = (
    "NONE_START", "UNCLEAR_START", "ELSEWHERE", "FLIGHT_NEEDS", "LANGUAGE", "ALL_HAVE", "HOW_LONG", "INSTEAD", "REPLACED", "NOT_POSSIBLE", "RELAXED",
    "BOOKED_ALREADY", "TICKETS", "WHICH_CODE", "PAY_WHICH", "NOTHING_OWED", "BALANCE", "PLAN_PARTLY", "SUGGEST",
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Hola, quiero un hotel en Roma para dos", "es"),
        ("¿Tienes barcos?", "es"),
        ("Bonjour, je voudrais un hotel pour deux", "fr"),
        ("Ich möchte ein Hotel für zwei", "de"),
        ("quero um passeio de barco para dois no sábado", "pt"),
        ("vorrei un tavolo per due", "it"),
        ("A table at Casa del Mar for two", "en"),
        ("El Prado tour", None),
        ("2", None),
        ("Tasca da Bica", None),
    ],
)
def test_which_language_it_is(text: str, language: str | None) -> None:
    assert detect(text) == language
