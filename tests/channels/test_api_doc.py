"""docs/api.md is true: its commands are run, in their order, against a real house."""

from __future__ import annotations

import json
import re
import shlex
from datetime import date, timedelta
from pathlib import Path
from string import Template
from typing import Any

import httpx
from sqlalchemy import update

from channels.house import House
from core import bookings, conversations
from core.availability import Ask
from core.db import Database
from core.engine import Actor
from core.payments import collect
from core.people import api_token, ensure_account, grant
from core.schema import provider
from tests import market
from tests.channels.conftest import build_house, running
from tests.conftest import Clock
from tests.gateway import MemoryGateway

DOC = Path(__file__).parents[2] / "docs" / "api.md"
COMMAND = re.compile(r"^(?:(?P<name>[A-Z]+)=\$\()?(?P<what>curl .*?|echo \"\$[A-Z]+\")(?: \| jq -r '(?P<path>[^']+)')?(?P<end>\))?$", re.S)
SATURDAY = date(2026, 11, 28)


def commands() -> list[re.Match[str]]:
    """Every command of the shell blocks; a quoted body may go over several lines."""
    found = []
    for block in re.findall(r"```sh\n(.*?)```", DOC.read_text("utf-8"), re.S):
        pending = ""
        for line in block.splitlines():
            pending = f"{pending}\n{line}" if pending else line
            if pending.count("'") % 2 == 0:
                command = COMMAND.match(pending)
                assert command is not None, pending
                found.append(command)
                pending = ""
        assert pending == ""
    return found


def run(http: httpx.Client, text: str, names: dict[str, str]) -> httpx.Response:
    words = shlex.split(text)
    method, headers, url, body = "GET", {"Content-Type": "application/json"}, "", None
    at = iter(words[1:])
    for word in at:
        match word:
            case "-s":
                continue
            case "-X":
                method = next(at)
            case "-H":
                name, _, value = Template(next(at)).substitute(names).partition(": ")
                headers[name] = value
            case "-d":
                body = Template(next(at)).substitute(names)
            case _:
                url = Template(word).substitute(names)
    return http.request(method, url, headers=headers, content=body)


def _confirmed(house: House, gateway: MemoryGateway) -> str:
    """A paid booking of Bea's, made before the page begins."""
    conversation_id, _ = conversations.start(house.engine, channel="web", account_id="bea")
    actor = Actor("bea", conversation_id=conversation_id)
    contact = {"name": "Bea Costa", "email": "bea@example.com", "terms": True}
    done = bookings.order(house.engine, actor, [Ask("airport-car", None, SATURDAY, units={"ADULT": 2})], contact=contact)
    collect.ensure_link(house.engine, done["payments"][0])
    gateway.pay("cs_1")
    collect.sync(house.engine, done["payments"][0])
    (row,) = bookings.of_cart(house.engine, done["cart_id"])
    assert row["status"] == "CONFIRMED"
    return str(row["booking_id"])


def pick(value: Any, path: str) -> str:
    for name, index in re.findall(r"\.(\w+)(?:\[(\d+)\])?", path):
        value = value[name] if index == "" else value[name][int(index)]
    return str(value)


def test_every_command_of_the_page_works(sqlite: Database, tmp_path: Path, gateway: MemoryGateway) -> None:
    house = build_house(sqlite, tmp_path, gateway, Clock())
    market.load(house.engine, tmp_path)
    with house.engine.db.write() as tx:
        tx.execute(update(provider).values(deposit_bps=3_000))
        for name in ("ana", "bea", "crew", "cooks"):
            ensure_account(tx, house.engine.clock(), name, name="", email=f"{name}@example.com")
        grant(tx, "crew", "provider", "tejo-days")
        grant(tx, "cooks", "provider", "roman-holidays")
    later = (SATURDAY + timedelta(weeks=13)).isoformat()
    names = {"DAY": SATURDAY.isoformat(), "LATER": later}
    for name in ("ana", "bea", "crew", "cooks"):
        names[name.upper()] = api_token(house.engine, name)
    names["CAR"] = _confirmed(house, gateway)
    seen: list[str] = []
    with running(house) as live, live.client() as http:
        names["BASE"] = str(http.base_url).rstrip("/")
        for command in commands():
            if command["what"].startswith("echo"):
                value = json.loads(names[command["what"].split("$")[1].rstrip('"')])
            else:
                answer = run(http, command["what"], names)
                assert answer.status_code == 200, f"{command[0]}\n{answer.status_code} {answer.text}"
                seen.append(f"{answer.request.method} {answer.request.url.path}")
                value = answer.json()
            if command["name"]:
                names[command["name"]] = pick(value, command["path"]) if command["path"] else json.dumps(value)
        described = http.get("/api/openapi.json").json()["paths"]
    called = {re.sub(r"/[0-9a-f]{32}/", "/ID/", one) for one in seen}
    for path, methods in described.items():
        known = re.escape(path).replace(r"\{", "{").replace(r"\}", "}")
        pattern = re.compile(re.sub(r"\{\w+\}", "[^/]+", known))
        for method in methods:
            assert any(pattern.fullmatch(one.split(" ")[1]) and one.startswith(method.upper()) for one in called), (
                f"{method} {path} is not shown"
            )
