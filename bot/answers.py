"""A provider's own words read as a yes or a no, and only when every single word was understood.

Closed lists, no guessing: "yes but at 3pm", "is it confirmed", "to be confirmed" and everything else with a word left
over is None, and whoever asked shows the two buttons instead. Saying nothing is cheap; a wrong approval sells a place.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Literal

Verdict = Literal["approve", "decline"]

MOST = 300  # characters; longer texts say more than yes or no

APPROVE = """
yes, yep, yeah, yup, ok, okay, okey, sure, fine, deal, absolutely, definitely, certainly, of course, gladly, with pleasure, confirm, confirmed, approve,
approved, accept, accepted, agree, agreed, approving, accepting, i confirm, we confirm, is confirmed, is approved, is accepted, is ok, is okay, is fine,
are confirmed, are approved, are accepted, am happy, are happy, is good, all good, sounds good, looks good, good to go, go ahead, no problem, no problem at all,
not a problem, works for us, works for me, it works, that works, works, book it, count me in, count us in, happy to confirm, happy to accept, happy to host, glad to confirm,
glad to accept, happy to have them, happy to have you, happy to welcome you, happy to welcome them, we can do it, we can do that, we can do this, i can do it, i can do that, i can do this, we can, i can, can do,
see you then, see you soon, see you there, looking forward to it, looking forward to welcoming you, looking forward to seeing you, looking forward to welcoming them,
sim, claro, claro que sim, com certeza, confirmo, confirmado, confirmada, confirmamos, aceito, aceite, aceitamos, aprovado, aprovada, pode ser, tudo bem, sem problema, sem problemas, combinado, com todo o gosto,
si, claro que si, por supuesto, acepto, aceptado, aceptada, aceptamos, aprobado, aprobada, vale, de acuerdo, sin problema, sin problemas, no hay problema, con mucho gusto,
oui, bien sur, d accord, je confirme, confirme, confirmee, nous confirmons, accepte, j accepte, nous acceptons, approuve, pas de probleme, pas de souci, aucun probleme, avec plaisir, volontiers,
ja, jawohl, klar, na klar, gerne, sehr gerne, naturlich, einverstanden, bestatigt, bestatige, ich bestatige, wir bestatigen, passt, das passt, kein problem, alles klar, geht klar, akzeptiert, in ordnung, selbstverstandlich,
certo, certamente, va bene, confermo, confermato, confermata, confermiamo, accetto, accettiamo, approvato, nessun problema, non c e problema, volentieri, d accordo, con piacere,
👍, ✅, 👌, ✔, 🆗
"""

DECLINE = """
no, nope, nah, no thanks, no thank you, decline, declined, declining, reject, rejected, refuse, refused, disapprove, disapproved, unavailable, is unavailable, are unavailable, am unavailable,
impossible, is impossible, unable, are unable, am unable, we cannot, i cannot, cannot, cannot do it, cannot do that, cannot do this, we cannot do it, we cannot do that, i cannot do it, i cannot do that, cannot accept, we cannot accept,
i cannot accept, cannot confirm, we cannot confirm, i cannot confirm, cannot approve, cannot host, we cannot host, not available, is not available, are not available, am not available, not possible, is not possible, no longer available, is no longer available,
not this time, of course not, absolutely not, certainly not, definitely not, full, are full, is full, am full, fully booked, are fully booked, is fully booked, am fully booked, booked out, are booked out, overbooked, sold out, are sold out, is sold out, are closed,
is closed, closed, no availability, have no availability, no vacancies, no vacancy, no space, no space left, no places left, no places, no room, have no space, have no places, have no room, have no places left, have no space left, no seats left, no can do,
not accept, do not accept, do not approve, will not accept, have to decline, must decline, need to decline,
nao, nao obrigado, nao obrigada, nao posso, nao podemos, nao e possivel, nao ha vagas, nao temos vagas, nao temos disponibilidade, sem disponibilidade, nao disponivel, indisponivel, impossivel, recuso, recusado, recusada, esgotado, lotado, estamos lotados, estamos cheios,
no gracias, no puedo, no podemos, no es posible, no disponible, no esta disponible, no hay disponibilidad, no tenemos disponibilidad, no hay plazas, imposible, rechazo, rechazado, rechazada, completo, estamos completos, agotado,
non, non merci, pas possible, ce n est pas possible, c est impossible, pas disponible, indisponible, je ne peux pas, nous ne pouvons pas, complet, nous sommes complets, refusee, je refuse, nous refusons,
nein, nein danke, geht nicht, das geht nicht, nicht moglich, ist nicht moglich, nicht verfugbar, ausgebucht, wir sind ausgebucht, abgelehnt, wir sind voll, unmoglich, geht leider nicht, das geht leider nicht, leider nicht, leider nicht moglich, leider ausgebucht, wir sind leider ausgebucht,
no grazie, non posso, non possiamo, non e possibile, non disponibile, impossibile, rifiuto, rifiutato, siamo al completo, al completo, esaurito, siamo pieni,
👎, ❌, 🚫, ✖
"""

REGRET = """
sorry, so sorry, very sorry, i am sorry, we are sorry, am sorry, are sorry, unfortunately, i am afraid, we are afraid, apologies, our apologies, my apologies, regret,
desculpe, desculpem, lamento, lamentamos, infelizmente, lo siento, lo sentimos, lamentablemente, desgraciadamente, perdon, desole, desolee, desoles, nous sommes desoles, je suis desole, malheureusement, leider, tut mir leid, es tut mir leid, tut uns leid, es tut uns leid, purtroppo, mi dispiace, ci dispiace, spiacente, spiacenti
"""

CHEER = "great, perfect, wonderful, excellent, super, brilliant, lovely, perfeito, otimo, perfecto, genial, parfait, tres bien, perfekt, prima, toll, perfetto, ottimo, benissimo, bem vindos, bienvenidos, bienvenue, benvenuti, willkommen, welcome"

NEUTRAL = """
we, i, it, this, that, the, a, for, them, us, me, our, my, everything, all, very, much, on, guests, guest, booking, request, reservation, day, date, here, at all, this time, that day, that date, this day, this date, on that day, on that date, on this date, these dates, those dates, for these dates, for those dates, for this date, for that date,
please, thanks, thank you, thank you very much, thank you so much, many thanks, thanks a lot, cheers, hi, hello, hey, dear, good morning, good afternoon, good evening, kind regards, best regards, regards, best wishes, no worries, sorry for the delay, sorry for the late reply, sorry for the late answer, team, from our side, from my side,
ola, oi, bom dia, boa tarde, boa noite, obrigado, obrigada, muito obrigado, muito obrigada, por favor, cumprimentos, a reserva, o pedido, hola, buenos dias, buenas tardes, buenas noches, gracias, muchas gracias, saludos, la reserva, bonjour, bonsoir, merci, merci beaucoup, s il vous plait, cordialement, la reservation,
hallo, guten tag, guten morgen, guten abend, danke, vielen dank, danke schon, bitte, grusse, viele grusse, die buchung, ciao, buongiorno, buonasera, grazie, grazie mille, per favore, saluti, cordiali saluti, la prenotazione, 🙏, 😊, 🙂, 😀, ☺, 😢, 😔, ❤
"""

UNDECIDED = "please confirm, confirm please, please confirm it, please confirm this, confirm it please"  # may ask us to confirm

CONTRACTIONS = {
    "we're": "we are",
    "i'm": "i am",
    "it's": "it is",
    "that's": "that is",
    "they're": "they are",
    "can't": "cannot",
    "cant": "cannot",
    "can not": "cannot",
    "don't": "do not",
    "dont": "do not",
    "won't": "will not",
    "wont": "will not",
    "isn't": "is not",
    "aren't": "are not",
}


def fold(text: str) -> str:
    """Lower case, plain letters, contractions written out; skin tones and variation marks dropped."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text.lower().replace("’", "'")) if not unicodedata.combining(c))
    plain = re.sub("[\U0001f3fb-\U0001f3ff\ufe0f\u200d]", "", plain).replace("ß", "ss")
    for short, whole in CONTRACTIONS.items():
        plain = re.sub(rf"(?<!\w){re.escape(short)}(?!\w)", whole, plain)
    return plain


def _phrases(*lists: tuple[str, str]) -> dict[tuple[str, ...], str]:
    known: dict[tuple[str, ...], str] = {}
    for meaning, text in lists:
        for phrase in text.replace("\n", " ").split(","):
            if words := tuple(phrase.split()):
                known.setdefault(words, meaning)
    return known


PHRASES = _phrases(
    ("undecided", UNDECIDED), ("approve", APPROVE), ("decline", DECLINE), ("regret", REGRET), ("cheer", CHEER), ("neutral", NEUTRAL)
)
LONGEST = max(len(words) for words in PHRASES)
EMOJI = "".join(words[0] for words in PHRASES if not words[0][0].isalnum())


def read_answer(text: str) -> Verdict | None:
    """ "approve" or "decline" where the whole text says so in words we know; None for everything else."""
    if not text.strip() or len(text) > MOST or "?" in text or "¿" in text:
        return None
    said = meanings(fold(text))
    return None if said is None else verdict_of(said)


def meanings(folded: str) -> set[str] | None:
    """What a folded text says, clause by clause; None where one word of it is not known."""
    if re.search(r"\boui\b", folded) and re.search(r"\bsi\b", folded):
        return None  # a yes in Spanish is an "if" in French
    said: set[str] = set()
    for clause in re.split(r"[,.;:!…()\"\n\r\t]+|\s[-–—]+\s", folded):
        found = _read(re.findall(rf"[{re.escape(EMOJI)}]|\w+|[^\w\s'-]", clause))
        if found is None:
            return None
        said.update(found)
    return said


def verdict_of(said: set[str]) -> Verdict | None:
    if "undecided" in said or {"approve", "decline"} <= said:
        return None
    if "approve" in said and "regret" not in said:
        return "approve"
    if "decline" in said and "cheer" not in said:
        return "decline"
    return None


def _read(words: list[str]) -> Iterable[str] | None:
    """What each stretch of one clause means, the longest known phrase first; None at the first word nobody taught us."""
    found = []
    at = 0
    while at < len(words):
        for length in range(min(LONGEST, len(words) - at), 0, -1):
            meaning = PHRASES.get(tuple(words[at : at + length]))
            if meaning is not None:
                found.append(meaning)
                at += length
                break
        else:
            return None
    return found
