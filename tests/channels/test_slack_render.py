"""Slack's payloads read, and ours drawn: pure, by tables; what is drawn passes the stand-in's checks, which are Slack's."""

from __future__ import annotations

from typing import Any

import pytest

from channels.message import Event, Outgoing
from channels.sandbox.slack.blocks import MOST_MESSAGE, BadBlocks, check_blocks, check_view
from channels.slack import forms
from channels.slack.parse import parse, plain_text
from channels.slack.render import markdown, render, split


def said(**event: Any) -> Event | None:
    body = {"type": "event_callback", "event_id": "Ev1", "team_id": "T1"}
    return parse(
        {**body, "event": {"type": "message", "user": "U1", "channel": "C1", "ts": "5.000001", "text": "hello", **event}}, "T1", "UBOT"
    )


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("a &lt;b&gt; &amp; c", "a <b> & c"),
        ("&amp;lt;", "&lt;"),
        ("<@UBOT> hello", "hello"),
        ("<@UBOT|traveloure> hello", "hello"),
        ("see <https://x.example/a?b=1|this>", "see this"),
        ("see <https://x.example/>", "see https://x.example/"),
        ("<mailto:ana@x.example|ana@x.example>", "ana@x.example"),
        ("<#C1|general> <!channel> <@U2|bea>", "#general  @bea"),
    ],
)
def test_slack_s_own_marks_are_taken_out(raw: str, shown: str) -> None:
    assert plain_text(raw, "UBOT") == shown


@pytest.mark.parametrize(
    "event",
    [
        {"subtype": "message_changed"},
        {"subtype": "message_deleted"},
        {"subtype": "channel_join"},
        {"user": "UBOT"},
        {"user": ""},
        {"text": ""},
    ],
)
def test_what_is_nobody_s_words_is_no_event(event: dict[str, Any]) -> None:
    assert said(**event) is None


def test_a_mention_arrives_twice_and_is_one_event() -> None:
    first, second = said(text="<@UBOT> hi"), said(text="<@UBOT> hi", type="app_mention")
    assert first is not None
    assert second is not None
    assert first.event_id == second.event_id
    assert (first.addressed, second.addressed, first.text, first.thread_id) == (True, True, "hi", "5.000001")


def test_in_a_channel_only_what_is_addressed_counts_and_outsiders_are_no_people() -> None:
    talk = said()
    assert talk is not None
    assert not talk.addressed
    outsider = said(user_team="T2")
    assert outsider is not None
    assert not outsider.sender.person
    bot = said(bot_id="B2")
    assert bot is not None
    assert not bot.sender.person


def test_a_command_names_its_kind() -> None:
    def typed(text: str) -> tuple[str, str, str, str]:
        body = {"command": "/traveloure", "text": text, "user_id": "U1", "channel_id": "C1", "trigger_id": "1.2.x", "team_id": "T1"}
        event = parse(body, "T1", "UBOT")
        assert event is not None
        return event.kind, event.command, event.text, event.chat_id

    assert typed("") == ("command", "help", "", "U1")
    assert typed("Trips") == ("command", "trips", "", "U1")
    assert typed("desk") == ("command", "desk", "", "C1")
    assert typed("link l_abc") == ("command", "start", "l_abc", "U1")
    assert typed("a hotel in Rome") == ("text", "", "a hotel in Rome", "U1")


def test_names_stay_short_and_apart() -> None:
    body = {"command": "/traveloure", "text": "", "user_id": "U1", "channel_id": "C1", "team_id": "T0123456789"}
    names = [parse({**body, "trigger_id": f"{'9' * 60}{last}"}, "T0123456789", "UBOT") for last in "12"]
    assert all(one is not None and len(one.event_id) <= 48 for one in names)
    assert len({one.client_id for one in names if one is not None}) == 2


@pytest.mark.parametrize("most", [10, 3000])
def test_long_text_is_cut_within_the_limit_and_never_inside_an_escape(most: int) -> None:
    text = "&amp;&lt;" * 700 + "\n" + "word " * 900 + "x" * 7000
    pieces = split(text, most)
    assert max(len(piece) for piece in pieces) <= most
    assert all(piece.count("&") == piece.count(";") for piece in pieces)
    assert "".join("".join(piece.split()) for piece in pieces) == "".join(text.split())


def test_only_three_characters_are_escaped_and_the_assistants_markup_is_kept() -> None:
    assert markdown("# Title\n- **one** & <two>\n`a`") == "*Title*\n\u2022 *one* &amp; &lt;two&gt;\n`a`"


def blocks_of(*parts: dict[str, Any], **more: Any) -> list[list[dict[str, Any]]]:
    return [list(call.params["blocks"]) for call in render(Outgoing(parts, **more), "C1")]


def card(number: int) -> dict[str, Any]:
    say = {"label": "Add <to> trip " * 9, "action": f"a{number}", "style": "primary"}
    made = {"title": f"<Boat> & {number}" * 30, "subtitle": "s" * 4000, "price": "5", "badge": {"text": "Instant"}, "buttons": [say] * 3}
    return {**made, "picture": "/static/scenes/a.svg"}


def test_whatever_is_drawn_is_within_the_limits() -> None:
    parts: list[dict[str, Any]] = [
        {"type": "text", "text": "<&>" * 5000},
        {"type": "cards", "items": [card(number) for number in range(7)]},
        {"type": "quick_replies", "items": [{"label": f"{number}" * 90, "action": "a"} for number in range(40)]},
        *({"type": "status", "tone": "ok", "title": "t", "text": "", "lines": ["x"], "buttons": []} for _ in range(60)),
    ]
    made = blocks_of(*parts)
    assert len(made) > 1
    for blocks in made:
        check_blocks(blocks, MOST_MESSAGE)


def test_cards_turn_five_at_a_time() -> None:
    (blocks,) = blocks_of({"type": "cards", "items": [card(number) for number in range(7)], "at": 5})
    turns = [one for block in blocks if block["type"] == "actions" for one in block["elements"]][-3:]
    assert [(one["text"]["text"], one["value"]) for one in turns] == [("\u2039", "page:0:0"), ("2 of 2", "nothing"), ("\u203a", "page:0:0")]
    assert len([block for block in blocks if block["type"] == "section"]) == 2


def test_pictures_are_shown_where_slack_can_fetch_them() -> None:
    out = Outgoing([{"type": "cards", "items": [card(1)]}])
    (plain,), (drawn,) = render(out, "C1"), render(out, "C1", pictures="https://x.example/static/scenes")
    assert "accessory" not in plain.params["blocks"][0]
    assert drawn.params["blocks"][0]["accessory"]["image_url"] == "https://x.example/static/scenes/a.jpg"


def test_refusals_are_for_the_presser_alone_and_what_worked_says_nothing() -> None:
    about = {"press_id": "U1|7.1", "text": "Not <yours>", "alert": True}
    (call,) = render(Outgoing(op="answer", about=about), "C1")
    assert (call.method, dict(call.params)) == (
        "chat_postEphemeral",
        {"channel": "C1", "user": "U1", "text": "Not &lt;yours&gt;", "thread_ts": "7.1"},
    )
    assert render(Outgoing(op="answer", about={**about, "alert": False}), "C1") == []


FORM = {
    "type": "form",
    "id": "when",
    "title": "When and how many people are coming?",
    "submit": {"label": "Add to trip", "action": "a"},
    "fields": [
        {"name": "date", "kind": "date", "label": "Arrive", "required": True, "value": "", "min": "2027-01-01", "max": "2027-12-31"},
        {"name": "end_date", "kind": "date", "label": "Leave", "required": True, "value": "", "min": "2027-01-01", "max": "2027-12-31"},
        *({"name": name, "kind": "stepper", "label": name, "value": 1, "min": 0, "max": 500} for name in forms.PEOPLE),
    ],
}


def test_a_form_is_a_modal_within_the_limits() -> None:
    check_view(forms.view(FORM, chat="C1", thread="", message="5.1", number=0, locale="en"))


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"date": "2027-01-05", "end_date": "2027-01-07", "adults": "2"}, []),
        ({"date": "2027-01-05", "adults": "2"}, ["end_date"]),
        ({"date": "2027-01-05", "end_date": "2027-01-05", "adults": "2"}, ["end_date"]),
        ({"date": "2026-01-05", "end_date": "2027-01-05", "adults": "2"}, ["date"]),
        ({"date": "soon", "end_date": "2027-01-05", "adults": "2"}, ["date"]),
        ({"date": "2027-01-05", "end_date": "2027-01-07", "adults": "0"}, ["adults"]),
        ({"date": "2027-01-05", "end_date": "2027-01-07", "adults": "many"}, ["adults"]),
    ],
)
def test_what_is_plainly_wrong_is_said_at_its_field(given: dict[str, str], wrong: list[str]) -> None:
    assert list(forms.wrong(FORM, given)) == wrong


@pytest.mark.parametrize(
    "block",
    [
        {"type": "nonsense"},
        {"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3001}},
        {"type": "section", "text": {"type": "mrkdwn", "text": ""}},
        {"type": "header", "text": {"type": "plain_text", "text": "x" * 151}},
        {"type": "actions", "elements": [{"type": "button", "action_id": "a", "text": {"type": "plain_text", "text": "x" * 76}}]},
        {"type": "actions", "elements": [{"type": "button", "action_id": "a", "text": {"type": "plain_text", "text": "x"}}] * 2},
    ],
)
def test_the_stand_in_is_strict(block: dict[str, Any]) -> None:
    with pytest.raises(BadBlocks) as refused:
        check_blocks([{"type": "divider"}, block], MOST_MESSAGE)
    assert "[json-pointer:/blocks/1" in refused.value.messages[0]
