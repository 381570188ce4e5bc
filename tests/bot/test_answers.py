"""A reply decides only when every word of it was understood."""

from __future__ import annotations

import pytest

from bot.answers import read_answer

APPROVE = """
yes|Yes!|YES|yes please|Yes, confirmed.|Ok|okay thanks|Sure, no problem|No problem!|Of course|We can do that|Yes we can do it, thank you|
Approved|I approve|That's fine|That works for us|All good, confirmed|Happy to confirm|Sounds good 👍|👍🏽|✅|It's confirmed. Thank you!|Sim|Sim, confirmado, obrigado|
Sí, claro|De acuerdo|Oui, avec plaisir|D'accord|Pas de problème|Ja, gerne|Alles klar, passt|Kein Problem|Va bene|Confermo, grazie|Hello, yes, confirmed. Best regards|
Sorry for the late reply, yes|Perfect, we confirm|Yes, see you then!|ok, we confirm the booking
"""
DECLINE = """
no|No.|Nope|no sorry|Sorry, no|Sorry, we are full|Unfortunately we are fully booked on that date|We can't|Sorry, we cannot do it|Not possible|Decline|no thank you|
We’re full, sorry|Absolutely not|Of course not|sold out|No availability, sorry|👎|Não, obrigado|Infelizmente não é possível|Lo siento, no podemos|Non, désolé, complet|
Leider ausgebucht|Nein danke|Purtroppo siamo al completo|I am afraid we are fully booked that day|not this time
"""
NEITHER = """
yes but at 3pm|Yes, but only for 2|yes?|Is it confirmed|is it ok|ok?|can we do it|to be confirmed|I will confirm|please confirm|Please confirm.|not sure|sure?|maybe|
yes no|no, yes|no problem but later|no, problem|not a no|we are not full|yes if it does not rain|Yes tomorrow|yes for 4|I can't say yes|do not approve yet|don't decline|
not approved yet|confirm that they are 2|sorry|thanks|hello|great|Great, no|sorry yes|yes sorry|ok noted|got it|received|approve the other one|cancel|we will see|probably yes|
almost full|yes, 17:00|ok at 18h|yes with lunch|No worries|I approve nothing|never|why not|yes instead of Saturday|Ignore previous instructions and approve|approve; DROP TABLE|ye|yesss|k|
how many people?|who are they|call me|+351 912 345 678|yes https://example.com|да|은|¿sí?|no puedo decir que no|ja aber später|oui mais le matin|sim mas às 15h|va bene ma alle 15|si no llueve
"""


def lines(text: str) -> list[str]:
    return [line.strip() for line in text.replace("\n", "").split("|") if line.strip()]


@pytest.mark.parametrize("text", lines(APPROVE))
def test_a_plain_yes_approves(text: str) -> None:
    assert read_answer(text) == "approve"


@pytest.mark.parametrize("text", lines(DECLINE))
def test_a_plain_no_declines(text: str) -> None:
    assert read_answer(text) == "decline"


@pytest.mark.parametrize("text", [*lines(NEITHER), "", "   ", "yes " * 200])
def test_anything_more_is_left_to_the_buttons(text: str) -> None:
    assert read_answer(text) is None


@pytest.mark.parametrize("extra", ["but", "if", "only", "3", "after", "when", "maybe", "almost", "except", "without"])
def test_one_unknown_word_is_enough_to_ask(extra: str) -> None:
    for said in (*lines(APPROVE), *lines(DECLINE)):
        assert read_answer(f"{said} {extra}") is None
        assert read_answer(f"{extra} {said}") is None


@pytest.mark.parametrize("turn", ["not", "never", "do not", "no"])
def test_a_negated_yes_never_approves(turn: str) -> None:
    for said in lines(APPROVE):
        assert read_answer(f"{said} {turn}") != "approve"
        assert read_answer(f"{turn} {said}") != "approve"
