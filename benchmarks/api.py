"""The REST door under load: search, quotes, whole carts and partner links over HTTP, by several clients at once.

On SQLite one server process answers, on PostgreSQL two, between which the clients take turns. Everything is real: the demo
marketplace, tokens, the places, the ledger's rows. Bars: more than 100 searches a second, p99 of a redirect below 200 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from bench import Progress, arguments, close, durable, percentile, table
from chat import WITHOUT_LIMITS, until

from channels import main as house_of
from channels.house import House
from channels.settings import Settings
from channels.web.app import create_app
from channels.web.serve import server
from core import people
from core.affiliates import links
from core.catalogue_files import DEMO, import_files
from tests import builders
from tests.gateway import MemoryGateway

SEARCHES = (
    {"city": "lisbon", "kind": "activity", "adults": "2"},
    {"city": "rome", "kind": "stay", "adults": "2"},
    {"city": "tokyo", "words": "sushi", "adults": "3"},
    {"words": "sunset boat", "adults": "2"},
    {"city": "paris", "kind": "dining", "sort": "price", "adults": "4"},
)
AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Safari/537.36"
LOTS = 1_000_000


def house_at(url: str, folder: str) -> House:
    settings = Settings(_env_file=None, TRAVELOURE_DATA=Path(folder), DATABASE_URL=url, STRIPE_SECRET_KEY=None)
    gateway = MemoryGateway()
    gateway._made = os.getpid() * 1_000_000  # each process makes pages of its own
    return house_of.build(settings, gateway=gateway)


def serve(url: str, folder: str) -> None:
    house = house_at(url, folder)
    web = server(house, create_app(house, allowance=WITHOUT_LIMITS), host="127.0.0.1", port=0)

    async def run() -> None:
        task = asyncio.create_task(web.serve())
        await until(lambda: web.started, 20)
        print(web.servers[0].sockets[0].getsockname()[1], flush=True)
        await task

    asyncio.run(run())


@contextmanager
def running(url: str, folder: str) -> Iterator[str]:
    """A server process of its own; its address."""
    child = subprocess.Popen([sys.executable, __file__, "--serve", url, folder], stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        yield f"http://127.0.0.1:{int(child.stdout.readline())}"
    finally:
        child.terminate()
        child.wait(20)


def prepare(house: House, carts: int) -> tuple[list[str], list[str]]:
    """A token for each cart, as nobody may hold too much unpaid, and short links to partners."""
    engine = house.engine
    report = import_files(engine.db, [DEMO], engine.clock())
    assert report.ok, report.problems
    builders.products(engine, "path", places=LOTS)
    tokens = []
    making = Progress("accounts", carts)
    for number in range(carts):
        tokens.append(people.api_token(engine, people.sign_up(engine, f"p{number}@example.com")))
        making.step()
    day = engine.clock().date() + timedelta(days=30)
    made = [
        one["link_id"]
        for at in range(20)
        for one in links.offer(
            engine, None, links.Trip("stay", city="lisbon", date=day + timedelta(days=at), end_date=day + timedelta(days=at + 2))
        )
    ]
    return tokens, made


async def together(
    what: str, count: int, clients: int, ask: Callable[[httpx.AsyncClient, int], Awaitable[httpx.Response]]
) -> dict[str, float]:
    """`count` requests by so many clients, as fast as they are answered. {"per_s", "p50", "p99"} in ms."""
    numbers, took = itertools.count(), []
    asking = Progress(what, count)

    async def one() -> None:
        async with httpx.AsyncClient(timeout=60, trust_env=False, headers={"user-agent": AGENT}) as client:
            while (number := next(numbers)) < count:
                began = time.perf_counter()
                answer = await ask(client, number)
                took.append((time.perf_counter() - began) * 1000)
                if answer.status_code >= 400:
                    raise SystemExit(f"{what}: {answer.status_code} {answer.text[:300]}")
                asking.step()

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(clients)))
    seconds = time.perf_counter() - began
    return {"per_s": count / seconds, "p50": percentile(took, 0.5), "p99": percentile(took, 0.99)}


async def measure(bases: list[str], tokens: list[str], short: list[str], given: argparse.Namespace) -> dict[str, dict[str, float]]:
    day = datetime.now(UTC).date() + timedelta(days=40)

    def at(number: int) -> str:
        return bases[number % len(bases)]

    def bearer(number: int) -> dict[str, str]:
        return {"authorization": f"Bearer {tokens[number % len(tokens)]}"}

    def search(client: httpx.AsyncClient, number: int) -> Awaitable[httpx.Response]:
        wish = {**SEARCHES[number % len(SEARCHES)], "from": (day + timedelta(days=number % 30)).isoformat()}
        return client.get(f"{at(number)}/api/catalogue/search/", params=wish, headers=bearer(number))

    def quote(client: httpx.AsyncClient, number: int) -> Awaitable[httpx.Response]:
        body = {"product": "path", "date": (day + timedelta(days=number % 60)).isoformat(), "units": {"adult": 2}}
        return client.post(f"{at(number)}/api/quotes/", json=body, headers=bearer(number))

    def cart(client: httpx.AsyncClient, number: int) -> Awaitable[httpx.Response]:
        items = [{"product": "path", "date": (day + timedelta(days=number % 60)).isoformat(), "units": {"adult": 2}}]
        contact = {"name": "Ana Silva", "email": f"p{number}@example.com", "accept_terms": True}
        return client.post(f"{at(number)}/api/bookings/process-cart/", json={"items": items, "contact": contact}, headers=bearer(number))

    def follow(client: httpx.AsyncClient, number: int) -> Awaitable[httpx.Response]:
        return client.get(f"{at(number)}/r/{short[number % len(short)]}", follow_redirects=False)

    await together("warming up", 40, 4, search)
    return {
        "search": await together("search", given.searches, given.clients, search),
        "quote": await together("quote", given.searches, given.clients, quote),
        "cart": await together("process-cart", len(tokens), given.clients, cart),
        "redirect": await together("redirect", given.searches, given.clients, follow),
    }


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--searches", type=int, default=600, help="searches, quotes and redirects each (default 600)")
    parser.add_argument("--carts", type=int, default=150, help="carts ordered (default 150)")
    parser.add_argument("--clients", type=int, default=8, help="clients at once (default 8)")
    parser.add_argument("--serve", nargs=2, metavar=("URL", "FOLDER"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(*given.serve)
        return
    with durable(given.db) as (db, _server), tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        url = db.url.render_as_string(hide_password=False)
        house = house_at(url, folder)
        tokens, short = prepare(house, given.carts)
        bases = [stack.enter_context(running(url, folder)) for _ in range(2 if given.db == "postgresql" else 1)]
        found = asyncio.run(measure(bases, tokens, short, given))
        house.close()
    table([(f"{name}, {what}", value) for name, figures in found.items() for what, value in figures.items()])
    close(
        {
            "db": given.db,
            "processes": len(bases),
            "search_per_s": round(found["search"]["per_s"], 1),
            "search_p99_ms": round(found["search"]["p99"], 1),
            "quote_per_s": round(found["quote"]["per_s"], 1),
            "cart_per_s": round(found["cart"]["per_s"], 1),
            "redirect_per_s": round(found["redirect"]["per_s"], 1),
            "redirect_p99_ms": round(found["redirect"]["p99"], 1),
        }
    )


if __name__ == "__main__":
    main()
