"""What `traveloure doctor` says about Slack, asked of the stand-in; no token is ever shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from channels.doctor import examine
from channels.sandbox.slack.world import World
from channels.settings import Settings
from tests.slack import APP, BOT, SECRET, serving_slack


def said(tmp_path: Path, **given: str) -> list[tuple[str, str]]:
    settings = Settings(_env_file=None, TRAVELOURE_DATA=tmp_path, **given)  # type: ignore[arg-type,call-arg]
    return [(one.level, one.says) for one in examine(settings) if one.what == "slack"]


def test_without_a_token_it_is_off(tmp_path: Path) -> None:
    assert said(tmp_path) == [("note", "Off: no SLACK_BOT_TOKEN. `traveloure demo` plays Slack on this machine instead.")]


@pytest.mark.parametrize(
    ("given", "levels"),
    [
        ({"SLACK_APP_TOKEN": APP}, ["ok"]),
        ({"SLACK_SIGNING_SECRET": SECRET, "DOMAIN_URL": "https://x.example"}, ["ok"]),
        ({"SLACK_SIGNING_SECRET": SECRET, "DOMAIN_URL": "http://x.example"}, ["ok", "problem"]),
        ({}, ["problem"]),
    ],
)
def test_slack_itself_is_asked(tmp_path: Path, given: dict[str, str], levels: list[str]) -> None:
    with serving_slack(World(bot_token=BOT, app_token=APP, signing_secret=SECRET)) as sandbox:
        found = said(tmp_path, SLACK_BOT_TOKEN=BOT, SLACK_API_URL=sandbox.api.base, **given)
        unknown = said(tmp_path, SLACK_BOT_TOKEN="xoxb-wrong", SLACK_API_URL=sandbox.api.base, SLACK_APP_TOKEN=APP)
    assert [level for level, _ in found] == levels
    assert unknown == [("problem", "Slack does not know this token. Check SLACK_BOT_TOKEN.")]
    down = said(tmp_path, SLACK_BOT_TOKEN=BOT, SLACK_API_URL=sandbox.api.base, SLACK_APP_TOKEN=APP)
    assert down[0][0] == "problem"
    assert not [text for _, text in found + unknown + down if BOT in text or "xoxb-wrong" in text]


@pytest.mark.parametrize("given", [{"SLACK_BOT_TOKEN": "xapp-1"}, {"SLACK_APP_TOKEN": "xoxb-1"}])
def test_tokens_that_were_mixed_up_stop_the_start(tmp_path: Path, given: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="token begins with"):
        Settings(_env_file=None, TRAVELOURE_DATA=tmp_path, **given)  # type: ignore[arg-type,call-arg]
