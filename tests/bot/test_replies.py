"""A reply with terms: equal ones and a yes approve, other ones are an offer, everything doubtful asks back."""

from __future__ import annotations

from datetime import date

import pytest

from bot.replies import Asked, Reading, code_in, read_reply

ASKED = Asked(reference="TRV-AB23CD", amount=25000, currency="EUR", day=date(2026, 12, 2), start="14:00", today=date(2026, 11, 25))

APPROVE = """
yes|Yes!|YES 👍🏽|👍|Ok 👍|I accept|sí|no problem|no worries, yes|works for me|Yes please, thank you very much!|ok for 2pm|sure, 14:00 works|approve 250 EUR|yes, for 250|yes Wednesday|
Yes #AB23CD|yes TRV-AB23CD|ok at 14h|can do|all good|no problem at all|alles klar|Sim, às 14:00|Oui, à 14h|Ja, um 14 Uhr|Sí, a las 14:00, 250 €|yes, 2 December at 14:00 for 250 euros|Confirmed for Dec 2nd, 2pm, €250.00
"""
DECLINE = "no sorry|nope|Sorry, I can't|not available that day|fully booked, sorry|no #AB23CD|Não, obrigado|leider ausgebucht|do not accept"
OFFER = """
ok for 3pm|approve 200 EUR|for 200|€180|ok for 25 euros|can do Thursday instead for 180|we can do Friday|yes but at 3pm|ok, 16:30 works|Podemos fazer na quinta por 200 euros|
Ja, aber um 16 Uhr|oui mais à 15h|we can offer 2027-01-05|yes for $300
"""
ASK = """
not ok|ok, not sure|yes but no|maybe|yesterday|I know|can you do 3pm?|fine for 4 people|ok if they pay cash|no, but Friday works|cancel|250|yes for 180 or 200 EUR|
No! We are closed on Wednesday|yes to the first one|approve all|Wednesday|yes but at 2pm|ok for 3pm or 4pm|yes Thursday or Friday|yes #ZZ99ZZ|yes for 4|no for 200|sorry, only at 5pm|yes at 25:00|
no problem for the others|2pm|250 EUR|instead|but|yes, 14:00 to 16:00|ok 31 February|I would say yes|yes for 2 EUR
"""


def lines(text: str) -> list[str]:
    return [line.strip() for line in text.replace("\n", "").split("|") if line.strip()]


@pytest.mark.parametrize(
    ("decision", "text"),
    [
        *(("approve", line) for line in lines(APPROVE)),
        *(("decline", line) for line in lines(DECLINE)),
        *(("offer", line) for line in lines(OFFER) if line != "yes for $300"),
        *(("ask", line) for line in (*lines(ASK), "yes for $300")),
    ],
)
def test_a_reply_is_read_for_what_it_says(decision: str, text: str) -> None:
    assert read_reply(text, ASKED).decision == decision


def test_an_offer_says_what_differs_and_nothing_else() -> None:
    assert read_reply("can do Thursday instead for 180", ASKED) == Reading("offer", amount=18000, day=date(2026, 12, 3))
    assert read_reply("ok for 3pm", ASKED) == Reading("offer", start="15:00")
    assert read_reply("yes Wednesday for 1.250,50 EUR", ASKED) == Reading("offer", amount=125050)


def test_quoted_lines_are_not_the_answer() -> None:
    assert read_reply("> New request, no answer yet\nyes", ASKED).decision == "approve"
    assert read_reply("> yes", ASKED).decision == "ask"


def test_a_code_names_one_request() -> None:
    assert code_in("yes TRV-AB23CD") == "TRV-AB23CD"
    assert code_in("#ab23cd ok") == "AB23CD"
    assert code_in("#AB23CD or #XY23CD") == ""


def test_a_word_that_means_two_things_decides_nothing() -> None:
    assert read_reply("oui si", ASKED).decision == "ask"
    assert read_reply("si", ASKED).decision == "approve"
