"""The command line as a person meets it: set-up, clear sentences, the catalogue, the doctor, a talk in the terminal."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import insert

from channels.cli import main
from channels.doctor import examine
from channels.settings import Settings
from channels.terminal import Screen
from core import people
from core.db import Database
from core.schema import slot
from tests import builders
from tests.market import RECORDS

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder as the working directory, with nothing configured."""
    monkeypatch.chdir(tmp_path)
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "STRIPE_SECRET_KEY", "DATABASE_URL", "DOMAIN_URL", "PORT"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def run(*arguments: str, cwd: Path, typed: str = "", settings: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(cwd), **(settings or {})}
    return subprocess.run(
        [sys.executable, "-m", "channels.cli", *arguments],
        cwd=cwd,
        env=environment,
        input=typed,
        text=True,
        capture_output=True,
        timeout=90,
        check=False,
    )


def test_migrate_says_what_it_did_and_does_it_once(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["migrate"]) == 0
    assert "Migrated from nothing to" in capsys.readouterr().out
    assert main(["migrate"]) == 0
    assert "The schema is at" in capsys.readouterr().out


def test_a_catalogue_goes_in_and_comes_out_and_one_bad_row_keeps_everything_out(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = here / "shop.jsonl"
    good.write_text("\n".join(json.dumps(record) for record in RECORDS))
    assert main(["catalog", "check", str(good)]) == 0
    assert main(["catalog", "import", str(good)]) == 0
    assert "10 products" in capsys.readouterr().out
    assert main(["catalog", "export", str(here / "out.jsonl")]) == 0
    assert (here / "out.jsonl").read_text().count('"type":"product"') + (here / "out.jsonl").read_text().count('"type": "product"') == 10
    capsys.readouterr()
    bad = here / "bad.jsonl"
    bad.write_text(good.read_text().replace('"kind": "dining"', '"kind": "dinning"'))
    assert main(["catalog", "import", str(bad), "--source", "shop"]) == 1
    said = capsys.readouterr().err
    assert "bad.jsonl:9: kind: expected" in said
    assert "nothing was changed" in said


def test_a_program_gets_a_token_of_an_account(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["token", "ana@example.com"]) == 1
    assert "There is no account 'ana@example.com'" in capsys.readouterr().err
    assert main(["token", "ana@example", "--new"]) == 1
    assert "does not look like an e-mail address" in capsys.readouterr().err
    assert main(["token", "ana@example.com", "--new"]) == 0
    secret = capsys.readouterr().out.strip().splitlines()[-1]
    assert main(["token", "ana@example.com", "--new"]) == 1
    assert "already" in capsys.readouterr().err
    assert main(["token", "ana@example.com"]) == 0
    database = Database(Settings().database)
    with database.read() as tx:
        first = people.who(tx, secret, "api", datetime.now(UTC))
        second = people.who(tx, capsys.readouterr().out.strip(), "api", datetime.now(UTC))
    database.close()
    assert first is not None
    assert second is not None
    assert first.account_id == second.account_id
    assert first.session_id != second.session_id


def test_the_doctor_says_what_falls_back_and_what_would_not_open_on_a_phone(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["migrate"])
    capsys.readouterr()
    assert main(["doctor"]) == 1  # nothing is on sale yet
    said = capsys.readouterr().out
    assert "the offline planner answers" in said
    assert "No real money moves" in said
    assert "will not open on a phone" in said
    assert "Nothing is on sale" in said


def test_the_doctor_never_prints_a_secret(here: Path) -> None:
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg]
        OPENAI_API_KEY="sk-very-secret",
        STRIPE_SECRET_KEY="sk_live_secret",
        DATABASE_URL="postgresql://user:password@127.0.0.1:1/none",
        DOMAIN_URL="http://trips.example",
    )
    findings = list(examine(settings))
    said = repr(findings) + repr(settings)
    assert "sk-very-secret" not in said
    assert "sk_live_secret" not in said
    assert "password" not in "".join(finding.says for finding in findings)
    levels = {finding.what: finding.level for finding in findings}
    assert (levels["database"], levels["links"]) == ("problem", "problem")
    assert any("LIVE money" in finding.says for finding in findings)


def test_a_busy_port_gets_one_sentence(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["demo", "--port", str(port)]) == 1
    assert capsys.readouterr().err == f"Port {port} is in use. Stop what runs there, or choose another: make run PORT={port + 1}\n"


def test_a_wrong_setting_is_named(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PORT", "eighty")
    assert main(["doctor"]) == 1
    assert "PORT is wrong" in capsys.readouterr().err


def test_reset_keeps_its_hands_off_a_database_that_is_not_the_demos(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://x@127.0.0.1:1/shop")
    assert main(["demo", "--reset", "--port", "18999"]) == 1
    assert "drop that database yourself" in capsys.readouterr().err


def test_an_old_python_and_a_missing_one_get_one_sentence(tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text('#!/bin/sh\ncase "$1" in -c) exit 1;; -V) echo "Python 3.8.2";; esac\n')
    old.chmod(0o755)
    for python, words in ((str(old), "needs Python 3.11 or newer"), ("python-that-is-not-there", "Python was not found")):
        done = subprocess.run(
            ["sh", str(ROOT / "scripts/setup.sh"), python, "runtime"], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 1
        assert words in done.stdout
        assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.slow
def test_the_whole_talk_in_a_terminal(here: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    said = run(
        "chat",
        cwd=here,
        settings={"TRAVELOURE_DATA": str(here / "var"), "PORT": str(port)},
        typed="\n".join(
            (
                "a surf lesson in Lisbon next Saturday for two",
                "add the first one at 9:00",
                "checkout",
                "yes",
                "a",
                "Ana Silva",
                "ana@example.com",
                "",
                "yes",
                "/quit",
                "",
            )
        ),
    )
    assert said.returncode == 0, said.stderr
    assert "a computer program" in said.stdout
    assert "First waves at Costa da Caparica" in said.stdout
    assert "Please pay" in said.stdout
    assert f"http://127.0.0.1:{port}/stripe-local/pay/cs_" in said.stdout
    assert "\033[" not in said.stdout  # no colours into a file
    again = run("chat", cwd=here, settings={"TRAVELOURE_DATA": str(here / "var"), "PORT": str(port)}, typed="/quit\n")
    assert "First waves at Costa da Caparica" in again.stdout  # the conversation is still there


def test_colours_only_where_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    Screen().message({"role": "bot", "parts": [{"type": "text", "text": "**Hello**"}]})
    assert "\033[" not in capsys.readouterr().out
    Screen(colours=True).message({"role": "bot", "parts": [{"type": "text", "text": "**Hello**"}]})
    assert "\033[1mHello\033[0m" in capsys.readouterr().out


def test_slots_are_verified_and_mended(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify-slots"]) == 0
    assert "0 slots, 0 counted wrong" in capsys.readouterr().out
    database = Database(f"sqlite:///{here}/var/traveloure.db")
    with database.write() as tx:
        builders.add_product(tx, "kayak")
        row = {"resource_id": "kayak", "local_date": builders.DAY, "local_start": "", "capacity": 10, "held": 2, "booked": 0}
        tx.execute(insert(slot).values(row))
    database.close()
    assert main(["verify-slots"]) == 1
    assert "kayak 2027-03-04: counted 2 held and 0 booked, holds say 0 held and 0 booked" in capsys.readouterr().out
    assert main(["verify-slots", "--repair"]) == 0
    assert main(["verify-slots"]) == 0
