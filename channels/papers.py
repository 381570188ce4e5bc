"""Papers to print or to show offline: a booking's voucher with its square code, and the receipt of a payment, as PDF.

Letters of Latin, Greek, Cyrillic, Thai, Hebrew, Arabic and Devanagari come from a font that is installed with the program.
Chinese, Japanese and Korean need one of the machine's (Debian: fonts-droid-fallback); without it such a letter is printed
as "?", the paper says so, and the page at the voucher's address shows it in the reader's own fonts.
"""

from __future__ import annotations

import atexit
import logging
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import segno
from fpdf import FPDF
from fpdf.enums import XPos, YPos

from channels.web.consoles import words
from channels.web.vouchers import STATE, terms
from core.money import Money

MACHINE = (
    "/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf",
    "/usr/share/fonts-droid-fallback/truetype/DroidSansFallback.ttf",
    "/usr/share/fonts/truetype/fonts-japanese-gothic.ttf",
)
INK, PALE, GREEN, RED = (28, 36, 44), (105, 115, 125), (13, 115, 119), (176, 42, 48)

logging.getLogger("fontTools").setLevel(logging.ERROR)  # it tells of every table that it leaves out
logging.getLogger("fpdf").setLevel(logging.ERROR)  # and this of every letter that no font has


@cache
def _shelf() -> Path:
    """Fonts come packed in modules and are wanted as files; the folder goes with the process."""
    folder = Path(tempfile.mkdtemp(prefix="traveloure-fonts-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for name in ("Regular", "Bold"):
        packed = import_module(f"pymupdf_fonts.FiraGO_{name}")
        (folder / f"{name}.ttf").write_bytes(packed.fontbuffer)
    return folder


def machine_font() -> Path | None:
    """A font of this machine that has what ours has not."""
    return next((Path(one) for one in MACHINE if Path(one).is_file()), None)


class Paper(FPDF):
    """A page of A4 with our head. `at` is when what it says was true, so the same facts give the same bytes."""

    def __init__(self, title: str, at: datetime) -> None:
        super().__init__(format="A4")
        self.set_title(title)
        self.set_creator("Traveloure")
        self.set_creation_date(at)
        self.set_margins(20, 20)
        self.set_auto_page_break(True, 20)
        shelf = _shelf()
        self.add_font("ours", "", shelf / "Regular.ttf")
        self.add_font("ours", "B", shelf / "Bold.ttf")
        other = machine_font()
        if other is not None:
            self.add_font("more", "", other)
            self.set_fallback_fonts(["more"], exact_match=False)
        self.set_text_shaping(True)
        self._drawn = frozenset().union(*(set(one.ttfont.getBestCmap()) for one in self.fonts.values() if hasattr(one, "ttfont")))
        self.missing = False  # whether a letter could not be printed
        self.add_page()
        self._say("Traveloure", 11, GREEN, bold=True)
        self.ln(4)

    def _say(
        self, text: str, size: float, ink: tuple[int, int, int] = INK, *, bold: bool = False, width: float = 0, link: str = ""
    ) -> None:
        shown = "".join(one if ord(one) in self._drawn or one.isspace() else "?" for one in text)
        self.missing = self.missing or shown != text
        self.set_font("ours", "B" if bold else "", size)
        self.set_text_color(*ink)
        self.multi_cell(width, size * 0.52, shown, new_x=XPos.LMARGIN, new_y=YPos.NEXT, align="L", link=link)

    def fact(self, name: str, value: str, note: str = "") -> None:
        if not value:
            return
        self.ln(1.5)
        self._say(name, 8.5, PALE)
        self._say(value, 12)
        if note:
            self._say(note, 9, PALE)

    def rule(self) -> None:
        self.ln(3)
        self.set_draw_color(210, 215, 220)
        self.line(self.l_margin, self.get_y(), self.w - self.r_margin, self.get_y())
        self.ln(2)

    def square(self, text: str, x: float, y: float, size: float) -> None:
        """The code as black squares, drawn and not embedded: sharp at every size."""
        matrix = segno.make(text, error="q", micro=False).matrix
        step = size / (len(matrix) + 6)
        self.set_fill_color(0, 0, 0)
        for line, row in enumerate(matrix):
            for column, dark in enumerate(row):
                if dark:
                    self.rect(x + (column + 3) * step, y + (line + 3) * step, step, step, style="F")


def voucher(facts: Mapping[str, Any], url: str, at: datetime) -> bytes:
    """A booking's voucher. `facts` as `core.itinerary.voucher` gives them; the code holds the
    reference, as at the door it is scanned, and `url` is the page that says whether it is good."""
    _, state = STATE[facts["status"]]
    paper = Paper(f"Voucher {facts['reference']}", at)
    top = paper.get_y()
    paper.square(str(facts["reference"]), paper.w - paper.r_margin - 44, top - 6, 44)
    paper._say(str(facts["title"]), 20, bold=True, width=118)
    paper._say(str(facts["provider"]), 11, PALE, width=118)
    paper.ln(2)
    paper._say(str(facts["reference"]), 16, bold=True, width=118)
    paper._say(state, 11, RED if facts["status"] == "CANCELLED" else GREEN, bold=True, width=118)
    paper.set_y(max(paper.get_y(), top + 40))
    paper.rule()
    if facts["status"] == "CANCELLED":
        paper._say("This booking is cancelled. The voucher is not good any more.", 11, RED)
    zone = facts["time_zone"].replace("_", " ")
    paper.fact("When", words.when(facts["date"], facts["end_date"], facts["start"]), f"{zone} time")
    paper.fact("Who", words.party(facts["units"]), facts["name"])
    paper.fact("Where to meet", facts["meeting_point"] or "")
    paid, owed = Money(facts["paid"], facts["currency"]).text(), facts["owed"]
    if facts["pay_at_provider"]:
        how = "paid at the place"
    elif owed:
        how = f"{paid} paid, {Money(owed, facts['currency']).text()} still to pay"
    else:
        how = "paid"
    paper.fact("Price", Money(facts["amount"], facts["currency"]).text(), how)
    paper.fact("Contact", " · ".join(one for one in (facts["provider_phone"], facts["provider_email"]) if one))
    paper.fact("Your wishes", facts["requests"])
    paper.rule()
    paper._say("If plans change", 11, bold=True)
    for line in terms(dict(facts), ZoneInfo(facts["time_zone"])):
        paper._say(line, 9.5, PALE)
    paper.ln(3)
    if paper.missing:
        paper._say("Some letters could not be printed here (?). The page of this voucher shows them.", 8.5, PALE)
    paper._say("Open the page of this voucher: it always says whether it is still good.", 8.5, GREEN, link=url)
    return bytes(paper.output())


def receipt(paid: Mapping[str, Any], bookings: Sequence[Mapping[str, Any]], number: str, name: str, at: datetime) -> bytes:
    """What was paid, for what, and when. `paid` has `amount` in minor units and `currency`. It is no tax invoice and says so."""
    paper = Paper(f"Receipt {number}", at)
    paper._say("Receipt", 20, bold=True)
    paper._say(f"{number} · {at:%d %b %Y, %H:%M} UTC", 10, PALE)
    paper.rule()
    paper.fact("Paid by", name)
    for one in bookings:
        shown = " · ".join(
            part for part in (words.when(one["date"], one.get("end_date"), one.get("start") or ""), words.party(one["units"])) if part
        )
        paper.fact(str(one["reference"]), f"{one['title']}, {Money(one['amount'], one['currency']).text()}", shown)
    paper.rule()
    paper.fact("Paid", Money(paid["amount"], paid["currency"]).text())
    paper.ln(3)
    paper._say("This confirms a payment; it is not a tax invoice. The provider of the service issues that on request.", 8.5, PALE)
    return bytes(paper.output())


def statement(name: str, lines: Sequence[Mapping[str, Any]], start: datetime, end: datetime) -> bytes:
    """A payee's period: every line of `core.payments.statements.detailed`, and what they sum to, per currency."""
    paper = Paper(f"Statement {name}", end)
    paper._say("Statement", 20, bold=True)
    paper._say(f"{name} · {start:%d %b %Y} to {end:%d %b %Y} (UTC)", 10, PALE)
    paper.rule()
    sums: dict[str, int] = {}
    for one in lines:
        currency = one["currency"]
        sums[currency] = sums.get(currency, 0) + one["amount"]
        what = f"{one['at']:%d %b %Y} · {one['kind']} · {one['reference']}".rstrip(" ·")
        note = ""
        if one["kind"] == "sale" and one["price"] is not None:
            price, tax, fee = (Money(one[part], currency).text() for part in ("price", "tax", "fee"))
            note = f"price of the booking {price}, taxes in it {tax}, our fee {fee}"
        paper.fact(what, f"{one['title']}: {Money(one['amount'], currency).text()}", note)
    if not lines:
        paper._say("Nothing moved in this time.", 11)
    paper.rule()
    for currency in sorted(sums):
        paper.fact(f"Sum in {currency}", Money(sums[currency], currency).text(), "what was earned, less what was sent and given back")
    return bytes(paper.output())
