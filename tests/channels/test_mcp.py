"""The MCP door with the official client: search, cart, the person's own yes on our page, the payment link; and who is kept out."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client, StdioServerParameters, types
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from sqlalchemy import func, select

from core import links, people, privacy, programs
from core.engine import SYSTEM, Actor
from core.errors import Invalid, NotAllowed, NotFound
from core.schema import audit_log, booking, cart_item, proposal, session
from tests import builders
from tests.channels.conftest import Live
from tests.gateway import MemoryGateway
from tests.market import RECORDS, load

ROOT = Path(__file__).parent.parent.parent
DAY = builders.DAY.isoformat()


@pytest.fixture
def shop(live: Live, tmp_path: Path) -> Live:
    load(live.house.engine, tmp_path)
    return live


def token_for(live: Live, email: str, role: str = "traveler") -> tuple[str, str, str]:
    """(account, program, token) of a new traveler."""
    account = people.sign_up(live.house.engine, email)
    return (account, *programs.give(live.house.engine, SYSTEM, account, role=role, label="test"))


@asynccontextmanager
async def over_http(live: Live, token: str, **options: Any) -> AsyncIterator[Client]:
    async with httpx2.AsyncClient(headers={"authorization": f"Bearer {token}"}, timeout=20) as http:
        transport = streamable_http_client(f"{live.url}/mcp", http_client=http)
        async with Client(transport, **options) as client:
            yield client


async def call(client: Client, name: str, **arguments: Any) -> dict[str, Any]:
    done = await client.call_tool(name, arguments)
    said = json.loads(done.content[0].text)
    assert done.structured_content == said
    assert done.is_error == (not said["ok"])
    return said


def page_of(live: Live, url: str) -> str:
    """The link of an answer on the port the test server really has."""
    return url.replace(live.house.settings.base_url, live.url)


def confirm(live: Live, url: str, **fields: str) -> httpx2.Response:
    """The person opens the link and presses the button."""
    with httpx2.Client(timeout=20, headers={"accept": "text/html"}) as browser:
        shown = browser.get(page_of(live, url))
        proof = re.search(r'name="proof" value="(\w+)"', shown.text)
        assert proof is not None, shown.text
        return browser.post(page_of(live, url), data={"proof": proof[1], **fields})


WHO = {"name": "Ana Marquardt", "email": "ana@example.com", "terms": "yes"}


async def test_a_program_fills_the_cart_and_the_person_books_and_pays(shop: Live, gateway: MemoryGateway) -> None:
    engine = shop.house.engine
    account, _, token = token_for(shop, "ana@example.com")
    async with over_http(shop, token) as client:
        found = await call(client, "search_offers", city="lisbon", words="boat", date=DAY, adults=2)
        assert "sunset-sail" in [one["product_id"] for one in found["offers"]]
        added = await call(client, "add_to_cart", product_id="sunset-sail", date=DAY, adults=2)
        assert added["cart"]["totals"] == {"EUR": {"payable": "€96", "pay_now": "€96"}}
        made = await call(client, "propose_checkout")
        assert made["confirm_url"].startswith(shop.house.settings.base_url + "/confirm/")
        assert (await call(client, "propose_checkout"))["confirm_url"] == made["confirm_url"]
        with engine.db.read() as tx:
            assert tx.execute(select(booking)).all() == []
        bare = confirm(shop, made["confirm_url"], name="", email="ana@example.com", terms="yes")
        assert bare.status_code == 422
        assert "name the booking" in bare.text
        paying = confirm(shop, made["confirm_url"], **WHO, requests="A window seat")
        assert paying.status_code == 303
        assert paying.headers["location"] == "https://pay.example/cs_1"
        looked = await call(client, "check_payment")
        assert looked["pay_urls"] == ["https://pay.example/cs_1"]
        gateway.pay("cs_1")
        assert (await call(client, "check_payment"))["payments"] == [{"status": "paid", "amount": "€96"}]
        trips = await call(client, "show_trips")
        assert [one["status"] for one in trips["bookings"]] == ["CONFIRMED"]
        assert httpx2.get(page_of(shop, trips["trips_url"])).text.count("Sunset sail") > 0
        again = confirm_again(shop, made["confirm_url"])
        assert "All my trips" in again.text
    with engine.db.read() as tx:
        row = tx.execute(select(booking)).one()
        assert (row.account_id, row.status) == (account, "CONFIRMED")
        verbs = [one.verb for one in tx.execute(select(audit_log).where(audit_log.c.channel == "mcp").order_by(audit_log.c.id))]
    assert verbs == ["add_to_cart", "propose_checkout", "propose_checkout"]


def confirm_again(live: Live, url: str) -> httpx2.Response:
    return httpx2.get(page_of(live, url), headers={"accept": "text/html"})


async def test_cancelling_over_mcp_is_a_page_with_a_button(shop: Live, gateway: MemoryGateway) -> None:
    engine = shop.house.engine
    _, _, token = token_for(shop, "ana@example.com")
    async with over_http(shop, token) as client:
        await call(client, "add_to_cart", product_id="sunset-sail", date=DAY, adults=2)
        confirm(shop, (await call(client, "propose_checkout"))["confirm_url"], **WHO)
        gateway.pay("cs_1")
        await call(client, "check_payment")
        reference = (await call(client, "show_trips"))["bookings"][0]["reference"]
        moved = await call(client, "propose_change", booking=reference, adults=3)
        assert moved["to_pay_now"] == "€48"
        ended = await call(client, "propose_cancellation", booking=reference)
        late = confirm_again(shop, moved["confirm_url"])
        assert (late.status_code, "no longer current" in late.text) == (410, True)
        with engine.db.read() as tx:
            assert tx.execute(select(booking.c.status)).scalar_one() == "CONFIRMED"
        assert confirm(shop, ended["confirm_url"]).status_code == 303
        assert "is cancelled" in confirm_again(shop, ended["confirm_url"]).text
        assert (await call(client, "show_trips"))["bookings"][0]["status"] == "CANCELLED"


async def test_what_the_tools_say_of_themselves(shop: Live) -> None:
    _, _, token = token_for(shop, "ana@example.com")
    async with over_http(shop, token) as client:
        tools = {one.name: one for one in (await client.list_tools()).tools}
    assert "ask_traveler" not in tools
    assert "suggest_replies" not in tools
    hints = {name: one.annotations for name, one in tools.items()}
    assert hints["search_offers"].read_only_hint is True
    assert (hints["add_to_cart"].read_only_hint, hints["add_to_cart"].destructive_hint, hints["add_to_cart"].idempotent_hint) == (
        False,
        False,
        False,
    )
    assert hints["remove_from_cart"].destructive_hint is True
    assert hints["propose_checkout"].idempotent_hint is True
    for one in tools.values():
        assert not {"account_id", "price", "amount", "actor", "conversation_id"} & set(one.input_schema["properties"])


async def test_bad_tokens_open_nothing(shop: Live) -> None:
    engine = shop.house.engine
    account, program, token = token_for(shop, "ana@example.com")
    api = people.api_token(engine, account)
    _, chat = shop.session()
    for wrong in ("tvp_nonsense", api, chat, token + "x", token.upper()):
        answer = httpx2.post(
            f"{shop.url}/mcp", headers={"authorization": f"Bearer {wrong}"}, json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        )
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")
    with pytest.raises((MCPError, ExceptionGroup)):
        async with over_http(shop, "tvp_nonsense"):
            pass
    async with over_http(shop, token) as client:
        assert (await call(client, "show_cart"))["lines"] == []
        with pytest.raises(NotFound):
            programs.take_back(engine, Actor("somebody-else"), program)
        programs.take_back(engine, Actor(account), program)
        with pytest.raises((MCPError, ExceptionGroup)):
            await client.call_tool("show_cart", {})
    with engine.db.read() as tx:
        kept = tx.execute(select(session.c.token_hash).where(session.c.kind == "program")).scalar_one()
    assert kept == people.digest(token)
    assert token not in kept


async def test_a_token_runs_out_and_ends_with_its_owner(shop: Live) -> None:
    engine = shop.house.engine
    account, _, token = token_for(shop, "ana@example.com")
    engine.clock.forward(days=179)  # type: ignore[attr-defined]
    assert programs.find(engine, token) is not None
    engine.clock.forward(days=2)  # type: ignore[attr-defined]
    assert programs.find(engine, token) is None
    fresh = programs.give(engine, SYSTEM, account)[1]
    privacy.erase(engine, Actor(account), account)
    assert programs.find(engine, fresh) is None


async def test_other_peoples_things_are_out_of_reach(shop: Live, gateway: MemoryGateway) -> None:
    engine = shop.house.engine
    _, _, mine = token_for(shop, "ana@example.com")
    _, _, theirs = token_for(shop, "bo@example.com")
    async with over_http(shop, mine) as ana, over_http(shop, theirs) as bo:
        item = (await call(ana, "add_to_cart", product_id="sunset-sail", date=DAY, adults=2))["cart"]["lines"][0]["item_id"]
        made = await call(ana, "propose_checkout")
        confirm(shop, made["confirm_url"], **WHO)
        gateway.pay("cs_1")
        await call(ana, "check_payment")
        reference = (await call(ana, "show_trips"))["bookings"][0]["reference"]
        for name, given in (
            ("change_cart_line", {"item_id": item, "adults": 9}),
            ("remove_from_cart", {"item_id": item}),
            ("propose_cancellation", {"booking": reference}),
            ("propose_change", {"booking": reference, "adults": 9}),
            ("pay_balance", {"booking": reference}),
        ):
            said = await call(bo, name, **given, account_id="ana", actor="ana", conversation_id="x")
            assert (said["ok"], said["error"]) == (False, "not_found"), name
        assert (await call(bo, "show_trips"))["bookings"] == []
        for name in ("answer_request", "pending_requests", "commit_checkout", "ask_traveler", "drop table"):
            with pytest.raises(MCPError):
                await bo.call_tool(name, {})
    with engine.db.read() as tx:
        assert tx.execute(select(booking.c.status)).scalars().all() == ["CONFIRMED"]
        forged = links.confirm_path(tx, tx.execute(select(proposal.c.id)).scalar_one())
    body, _, mac = forged.rpartition(".")
    assert httpx2.get(shop.url + body + "." + mac[::-1]).status_code == 404


async def test_a_provider_reads_and_decides_nothing(shop: Live) -> None:
    engine = shop.house.engine
    account, _, _ = token_for(shop, "ines@example.com")
    with pytest.raises(NotAllowed):
        programs.give(engine, SYSTEM, account, role="provider")
    with pytest.raises(Invalid):
        programs.give(engine, SYSTEM, account, role="operator")
    with engine.db.write() as tx:
        people.grant(tx, account, "provider", "tejo-days")
    token = programs.give(engine, SYSTEM, account, role="provider")[1]
    async with over_http(shop, token) as client:
        assert [one.name for one in (await client.list_tools()).tools] == ["pending_requests"]
        assert (await call(client, "pending_requests"))["requests"] == []
        with pytest.raises(MCPError):
            await client.call_tool("answer_request", {"request_id": "x", "verdict": "approve"})


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_where_the_host_can_open_a_page_the_person_is_led_there_and_that_is_no_yes(shop: Live, mode: Any) -> None:
    opened: list[str] = []

    async def elicited(_context: Any, params: Any) -> types.ElicitResult:
        opened.append(params.url)
        return types.ElicitResult(action="accept")

    _, _, token = token_for(shop, "ana@example.com")
    server_side = programs.find(shop.house.engine, token)
    assert server_side is not None
    from channels.mcp.server import build_server

    server = build_server(shop.house.engine, "https://trips.example", lambda _context: server_side)
    async with Client(server, mode=mode, elicitation_callback=elicited) as client:
        await call(client, "add_to_cart", product_id="sunset-sail", date=DAY, adults=2)
        made = await call(client, "propose_checkout")
    assert opened == [made["confirm_url"]]
    with shop.house.engine.db.read() as tx:
        assert tx.execute(select(func.count()).select_from(booking)).scalar_one() == 0


async def test_arguments_that_cannot_be_read_change_nothing(shop: Live) -> None:
    _, _, token = token_for(shop, "ana@example.com")
    async with over_http(shop, token) as client:
        await call(client, "add_to_cart", product_id="sunset-sail", date=DAY, adults=2)
        said = await call(client, "add_to_cart", product_id="sunset-sail", date="soon", adults=2)
        assert (said["ok"], said["error"]) == (False, "invalid")
    with shop.house.engine.db.read() as tx:
        assert tx.execute(select(func.count()).select_from(cart_item)).scalar_one() == 1


def test_over_stdio_a_program_of_this_machine_gets_to_the_payment_link(tmp_path: Path) -> None:
    """The command as it is installed, on its own database, with the official client as its parent; the demo serves the pages."""
    port = free_port()
    environment = {
        "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "PORT": str(port), "TRAVELOURE_DATA": str(tmp_path / "var"),
    }  # fmt: skip
    cli = [sys.executable, "-m", "channels.cli"]
    shop = tmp_path / "shop.jsonl"
    shop.write_text("\n".join(json.dumps(record) for record in RECORDS), "utf-8")
    subprocess.run([*cli, "catalog", "import", str(shop)], env=environment, cwd=tmp_path, check=True, capture_output=True, timeout=90)
    given = subprocess.run(
        [*cli, "mcp", "give", "ana@example.com", "--new", "--label", "desk"], env=environment, cwd=tmp_path, check=True, capture_output=True, text=True, timeout=90
    )  # fmt: skip
    token = given.stdout.strip().splitlines()[-1]
    bad = subprocess.run(
        [*cli, "mcp"], env={**environment, "TRAVELOURE_MCP_TOKEN": "tvp_wrong"}, cwd=tmp_path, capture_output=True, text=True, timeout=90, check=False
    )  # fmt: skip
    assert (bad.returncode, bad.stdout) == (1, "")
    assert "does not count" in bad.stderr
    serving = subprocess.Popen([*cli, "serve"], env=environment, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until_served(port)
        asyncio.run(to_the_payment_link(port, {**environment, "TRAVELOURE_MCP_TOKEN": token}, tmp_path))
    finally:
        serving.terminate()
        serving.wait(20)
    listed = subprocess.run(
        [*cli, "mcp", "list", "ana@example.com"], env=environment, cwd=tmp_path, check=True, capture_output=True, text=True
    )
    program = listed.stdout.split()[0]
    subprocess.run([*cli, "mcp", "revoke", program], env=environment, cwd=tmp_path, check=True, capture_output=True)
    assert (
        subprocess.run(
            [*cli, "mcp", "list", "ana@example.com"], env=environment, cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout
        == ""
    )


async def to_the_payment_link(port: int, environment: dict[str, str], folder: Path) -> None:
    server = StdioServerParameters(command=sys.executable, args=["-m", "channels.cli", "mcp"], env=environment, cwd=folder)
    async with Client(stdio_client(server)) as client:
        found = await call(client, "search_offers", city="Lisbon", words="sail")
        day = (datetime.now(UTC).date() + timedelta(days=20)).isoformat()
        assert found["offers"][0]["product_id"] == "sunset-sail"
        await call(client, "add_to_cart", product_id="sunset-sail", date=day, adults=2)
        url = (await call(client, "propose_checkout"))["confirm_url"]
        with httpx2.Client(timeout=30) as browser:
            proof = re.search(r'name="proof" value="(\w+)"', browser.get(url).text)
            assert proof is not None
            to = browser.post(url, data={"proof": proof[1], **WHO}).headers["location"]
        assert to.startswith(f"http://127.0.0.1:{port}/stripe-local/")
        assert (await call(client, "check_payment"))["pay_urls"] == [to]


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_served(port: int) -> None:
    from tests.channels.conftest import wait_for

    def answers() -> bool:
        try:
            return httpx2.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
        except httpx2.TransportError:
            return False

    wait_for(answers, seconds=40)
