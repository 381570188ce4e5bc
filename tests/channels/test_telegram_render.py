"""Rendering for Telegram is a pure function: escaped, within every limit, with nothing but opaque ids on the buttons."""

from __future__ import annotations

import html

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.message import Outgoing
from channels.sandbox.telegram.markup import parse_html, units
from channels.telegram import pickers, render

NASTY = "<b>x</b> & <script>alert(1)</script> \"quoted\" 'single' </i> &amp; ]]> *star* _under_"


def texts(*parts: dict[str, object], **more: object) -> list[str]:
    return [str(call.params.get("text") or call.params.get("caption")) for call in render.render(Outgoing(list(parts), **more), "7")]  # type: ignore[arg-type]


def button(label: str, action: str = "a" * 20) -> dict[str, str]:
    return {"label": label, "action": action, "style": "plain"}


def status(**more: object) -> dict[str, object]:
    return {"type": "status", "tone": "ok", "title": NASTY, "text": NASTY, "lines": [NASTY], "buttons": [], **more}


CARD = {
    "id": "p", "title": NASTY, "subtitle": NASTY, "picture": "/static/scenes/boat-day.svg", "badge": {"text": NASTY, "tone": "ok"}, "meta": [NASTY],
    "buttons": [button("Add"), button("Details", "b" * 20)], "rating": "4.9", "reviews": 3, "rating_note": NASTY, "price": NASTY, "price_note": NASTY, "note": NASTY,
}  # fmt: skip
SUMMARY = {
    "type": "summary", "title": NASTY, "note": NASTY, "buttons": [button("Check out")], "total": {"label": NASTY, "amount": NASTY},
    "groups": [{"title": NASTY, "lines": [{"label": NASTY, "detail": f"{NASTY}\n{NASTY}", "amount": NASTY, "strike": NASTY, "button": button("Remove")}], "total": {"label": NASTY, "amount": NASTY}}],
}  # fmt: skip
FORM = {
    "type": "form", "id": "when", "title": NASTY, "submit": button("Send"),
    "fields": [
        {"name": "date", "kind": "date", "label": "Day", "value": "2026-12-05", "min": "2026-11-25", "max": "2028-05-01"},
        *({"name": name, "kind": "stepper", "label": NASTY, "value": 2, "min": 0, "max": 50} for name in pickers.PEOPLE),
    ],
}  # fmt: skip
CONTACT = {
    "type": "form", "id": "contact", "title": NASTY, "text": NASTY, "submit": button("Confirm"),
    "fields": [{"name": "name", "label": NASTY, "value": NASTY}, {"name": "email", "label": NASTY, "value": ""}, {"name": "terms", "label": NASTY}],
}  # fmt: skip


@pytest.mark.parametrize(
    "part",
    [{"type": "text", "text": NASTY}, status(), {"type": "cards", "items": [CARD, CARD]}, SUMMARY, FORM, CONTACT, {"type": "file", "name": NASTY}, {"type": "new", "text": NASTY}],
)  # fmt: skip
def test_whatever_people_write_is_shown_and_never_markup(part: dict[str, object]) -> None:
    for marked in texts(part, about={"from": NASTY}):
        shown, entities = parse_html(marked)  # raises where a tag of theirs came through
        assert "<b>x</b> & <script>alert(1)</script>" in shown
        assert {one["type"] for one in entities} <= {"bold", "italic", "strikethrough", "code"}


def test_the_assistants_bold_and_lists_are_markup() -> None:
    shown, entities = parse_html(texts({"type": "text", "text": "**Sail** <3\n- one\n# Head\n`code`"})[0])
    assert shown == "Sail <3\n• one\nHead\ncode"
    assert [one["type"] for one in entities] == ["bold", "bold", "code"]


@pytest.mark.parametrize(
    ("text", "said", "kinds"),
    [
        ("**a `b** c`", "a `b c`", ["bold"]),
        ("`a **b` c**", "a **b c**", ["code"]),
        ("**a `b` c**", "a b c", ["bold", "code"]),
    ],
)
def test_marks_that_cross_each_other_are_closed_in_order(text: str, said: str, kinds: list[str]) -> None:
    shown, entities = parse_html(render.markdown(text))
    assert (shown, sorted(one["type"] for one in entities)) == (said, kinds)


@given(st.text(alphabet=st.sampled_from("ab <>&*\n😀é_`#-"), max_size=300).map(lambda text: text * 40))
def test_long_texts_are_split_within_the_limit_and_nothing_is_lost(text: str) -> None:
    pieces = render.split(render.markdown(text))
    for piece in pieces:
        shown, _ = parse_html(piece)
        assert units(shown) <= 4096
    said = "".join("".join(parse_html(piece)[0].split()) for piece in pieces)
    whole = "".join(parse_html(render.markdown(text))[0].split())
    assert said == whole


def test_4096_escaped_signs_are_one_message_and_one_more_is_two() -> None:
    assert len(texts({"type": "text", "text": "&" * 4096})) == 1
    assert len(texts({"type": "text", "text": "&" * 4097})) == 2
    assert len(texts({"type": "text", "text": "😀" * 2049})) == 2  # two units each
    assert html.unescape(texts({"type": "text", "text": "&" * 4096})[0]) == "&" * 4096


@pytest.mark.parametrize(
    "part", [{"type": "cards", "items": [CARD] * 9}, SUMMARY, FORM, {"type": "quick_replies", "items": [button("x" * 200, "y" * 90)] * 5}]
)
def test_buttons_keep_the_platforms_limits(part: dict[str, object]) -> None:
    for call in render.render(Outgoing([part]), "7"):
        for row in call.params["reply_markup"]["inline_keyboard"]:
            assert 1 <= len(row) <= 8
            for one in row:
                assert one["text"]
                assert 1 <= len(one["callback_data"].encode()) <= 64


def test_every_data_of_a_picker_fits_and_holds_what_was_picked() -> None:
    part = {**FORM, "part": 12, "picked": ["2026-12-24", "2026-12-31", "50.50.50", "p"]}
    part["fields"] = [
        *FORM["fields"],
        {"name": "end_date", "kind": "date", "label": "Leave", "value": "", "min": "2026-11-25", "max": "2028-05-01"},
    ]  # type: ignore[misc]
    _, rows = pickers.draw(part, "en")
    data = [one["callback_data"] for row in rows for one in row]
    assert "pick:12:2026-12-24:2026-12-31:50.50.50:ok" in data
    assert max(len(one.encode()) for one in data) <= 64


def test_days_that_are_over_cannot_be_picked() -> None:
    _, rows = pickers.draw({**FORM, "part": 0, "picked": ["-", "-", "2.0.0", "m2026-11"]}, "en")
    days = [one["text"] for row in rows[1:-1] for one in row if one["callback_data"] != "nothing"]
    assert days == ["25", "26", "27", "28", "29", "30"]


def test_an_edit_replaces_text_and_buttons_and_may_be_made_twice() -> None:
    (call,) = render.render(Outgoing([status(buttons=[button("Pay")])], op="edit", replaces="12"), "7")
    assert (call.method, call.params["message_id"], call.twice) == ("edit_message_text", 12, True)
    (sent,) = render.render(Outgoing([{"type": "text", "text": "hello"}]), "7")
    assert sent.twice is False
    (card,) = render.render(Outgoing([status()], subject="booking:1"), "7")
    assert card.twice is True  # seeing the state of a booking twice does no harm


def test_a_card_carries_its_photo_and_pages_in_place() -> None:
    (call,) = render.render(Outgoing([{"type": "cards", "items": [CARD, CARD, CARD], "at": 2}]), "7")
    assert (call.method, call.params["photo"]) == ("send_photo", "scene:boat-day.jpg")
    assert [one["callback_data"] for one in call.params["reply_markup"]["inline_keyboard"][-1]] == ["page:0:1", "nothing", "page:0:0"]
