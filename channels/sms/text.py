"""How long a text message is: the 7-bit alphabet of GSM 03.38 in parts of 160 (153 when there are several), or UCS-2 in 70 (67).

One letter outside the alphabet makes the whole message UCS-2, so what only looks different is written in the alphabet first.
"""

from __future__ import annotations

BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENDED = frozenset("^{}\\[~]|€\f")  # two places each
SAME = str.maketrans(
    {
        "\u2013": "-",
        "\u2014": "-",
        "\u2018": "'",
        "\u2019": "'",
        "\u201c": '"',
        "\u201d": '"',
        "\u00b7": "-",
        "\u2026": "...",
        "\u00a0": " ",
        "\u202f": " ",
        "\u2022": "-",
    }
)
LONGEST = 1600  # characters that Twilio takes


def plainer(text: str) -> str:
    """The same words with typewriter quotes and dashes."""
    return text.translate(SAME)


def is_gsm(text: str) -> bool:
    return all(one in BASIC or one in EXTENDED for one in text)


def parts(text: str) -> int:
    """How many messages the network makes of it. A letter of two places does not straddle two of them."""
    if is_gsm(text):
        return _count([2 if one in EXTENDED else 1 for one in text], 160, 153)
    return _count([2 if ord(one) > 0xFFFF else 1 for one in text], 70, 67)


def _count(sizes: list[int], alone: int, each: int) -> int:
    if sum(sizes) <= alone:
        return 1
    made, used = 1, 0
    for size in sizes:
        if used + size > each:
            made, used = made + 1, 0
        used += size
    return made
