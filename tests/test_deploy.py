"""The files of deploy/ name only commands and settings that exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from channels.cli import _parser
from channels.settings import Settings

DEPLOY = Path(__file__).parents[1] / "deploy"
TAKEN = {"DOMAIN", "POSTGRES_PASSWORD", "PATH", "PYTHONDONTWRITEBYTECODE"}  # of the compose file and of Python
COMMANDS = [
    *(line.partition("=")[2] for unit in DEPLOY.glob("systemd/*.service") for line in unit.read_text().splitlines() if line.startswith("ExecStart")),
    *(f"traveloure {found.replace(',', ' ')}" for found in re.findall(r"command: \[(?!redis)([^\]]+)\]", (DEPLOY / "compose.yml").read_text())),
    *(f"traveloure {found}" for found in re.findall(r'^CMD \["(.+)"\]$', (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)),
]  # fmt: skip


@pytest.mark.parametrize("command", [one for one in COMMANDS if "traveloure" in shlex.split(one)[0]])
def test_every_command_is_one_of_ours(command: str) -> None:
    program, *arguments = shlex.split(command)
    assert Path(program).name == "traveloure"
    assert _parser().parse_args(arguments).command is not None


def test_there_are_commands() -> None:
    assert len([one for one in COMMANDS if "traveloure" in one]) >= 7


def test_every_setting_is_one_of_ours() -> None:
    known = {str(field.alias) for field in Settings.model_fields.values() if field.alias}
    named = set(re.findall(r"^#? ?([A-Z_]{4,})=", (DEPLOY / "env.example").read_text(), re.MULTILINE))
    named |= set(re.findall(r"^    ([A-Z_]{4,}): ", (DEPLOY / "compose.yml").read_text(), re.MULTILINE))
    for text in (DEPLOY / "Dockerfile", *DEPLOY.glob("systemd/*.service")):
        named |= set(re.findall(r"\b([A-Z_]{4,})=", text.read_text()))
    assert named - known - TAKEN == set()


def test_what_the_image_copies_is_there() -> None:
    root = DEPLOY.parent
    for line in re.findall(r"^COPY (?!--)(.+) \S+$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE):
        for name in line.split():
            assert (root / name).exists(), name
