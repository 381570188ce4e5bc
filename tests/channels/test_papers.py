"""Vouchers on paper: readable by a real parser in many scripts, honest about letters no font has, the same each time."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

import pytest
from pypdf import PdfReader

from channels import papers

AT = datetime(2026, 11, 25, tzinfo=UTC)
URL = "http://127.0.0.1:8000/v/vabc.def.0.xyz"


def facts(**more: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "reference": "TRV-ABC123", "status": "CONFIRMED", "title": "Kayak", "provider": "Tejo Days", "time_zone": "Asia/Bangkok", "date": "2026-11-28",
        "end_date": None, "start": "10:00", "units": {"ADULT": 2}, "name": "Ana Silva", "meeting_point": "Pier 3", "paid": 5000, "owed": 0, "amount": 5000,
        "currency": "EUR", "pay_at_provider": False, "provider_phone": "", "provider_email": "", "requests": "",
        "tiers": [{"hours": 24, "refund_bps": 10000}], "starts_at": datetime(2026, 11, 28, 3, tzinfo=UTC),
    }  # fmt: skip
    return made | more


def words(pdf: bytes) -> str:
    return " ".join(PdfReader(io.BytesIO(pdf)).pages[0].extract_text().split())


@pytest.mark.parametrize("name", ["José Ñandú", "Ελένη", "Москва", "Łukasz Żółć", "Đặng"])
def test_names_of_many_scripts_are_printed(name: str) -> None:
    shown = words(papers.voucher(facts(name=name), URL, AT))
    assert name in shown
    assert "could not be printed" not in shown


def test_thai_is_printed_with_a_font_that_has_it() -> None:
    assert "could not be printed" not in words(papers.voucher(facts(name="สมชาย ใจดี"), URL, AT))


def test_letters_that_no_font_has_are_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(papers, "machine_font", lambda: None)  # as on a machine that has no font for it
    shown = words(papers.voucher(facts(name="山田 Taro"), URL, AT))
    assert "?? Taro" in shown
    assert "could not be printed" in shown


def test_the_same_facts_are_the_same_paper_and_a_cancelled_one_says_so() -> None:
    first = papers.voucher(facts(), URL, AT)
    assert first == papers.voucher(facts(), URL, AT)
    assert "not good any more" in words(papers.voucher(facts(status="CANCELLED"), URL, AT))
    link = PdfReader(io.BytesIO(first)).pages[0]["/Annots"][0].get_object()["/A"]["/URI"]
    assert link == URL


def test_a_receipt_says_what_was_paid_for_what() -> None:
    one = {"reference": "TRV-ABC123", "title": "Kayak", "amount": 5000, "currency": "JPY", "date": "2026-11-28", "units": {"ADULT": 1}}
    shown = words(papers.receipt({"amount": 5000, "currency": "JPY"}, [one], "R-1", "Ana Silva", AT))
    assert "TRV-ABC123" in shown and "¥5,000" in shown and "not a tax invoice" in shown
