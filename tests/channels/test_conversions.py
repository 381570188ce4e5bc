"""What partners say was sold: once per their id whatever way it comes, forward only, signed, and no matter to what is offered first."""

from __future__ import annotations

import hmac
import json
from collections.abc import Sequence
from datetime import date
from hashlib import sha256
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from core import search
from core.affiliates import conversions, links
from core.affiliates.conversions import Told
from core.affiliates.links import Trip, Visit
from core.engine import Actor, Engine
from core.errors import Invalid, NotFound
from core.schema import affiliate_conversion, affiliate_conversion_line
from tests import builders, market
from tests.channels.conftest import build_house, running
from tests.conftest import Clock
from tests.gateway import MemoryGateway

HEAD = "transaction,state,click,currency,amount,commission\n"
BROWSER = Visit("GET", {"user-agent": "Mozilla/5.0 Firefox/140.0"}, "203.0.113.7")


def clicked(engine: Engine, actor: Actor | None = None) -> str:
    """Somebody follows a link to Viator; the id Viator is told."""
    market_link = links.offer(engine, actor, Trip("activity", "lisbon", date(2026, 12, 1)), partner="viator")[0]
    object.__setattr__(engine.rules, "partner_ids", {"viator": {"pid": "P1", "postback_secret": "s3cret"}})
    return links.follow(engine, market_link["link_id"], BROWSER).partition("campaign=")[2].partition("&")[0]


def states(engine: Engine) -> list[tuple[str, str, int]]:
    with engine.db.read() as tx:
        rows = tx.execute(select(affiliate_conversion).order_by(affiliate_conversion.c.txn)).all()
    return [(row.txn, row.state, row.commission) for row in rows]


@pytest.fixture
def shop(engine: Engine, tmp_path: Any) -> Engine:
    market.load(engine, tmp_path)
    return engine


def test_a_file_is_taken_once_and_moves_states_forward_only(shop: Engine) -> None:
    ana = builders.traveler(shop)
    click = clicked(shop, ana)
    first = f"{HEAD}V-1,pending,{click},EUR,120.00,9.60\nV-2,approved,unknown,USD,50,4\n"
    assert conversions.take_file(shop, "viator", first) == {"new": 2, "moved": 0, "same": 0, "kept": 0}
    assert conversions.take_file(shop, "viator", first) == {"new": 0, "moved": 0, "same": 2, "kept": 0}
    assert conversions.take_file(shop, "viator", f"{HEAD}V-1,paid,{click},EUR,120.00,9.60\n")["moved"] == 1
    assert conversions.take_file(shop, "viator", first)["same"] == 2  # an old file, read again
    assert conversions.take_file(shop, "viator", f"{HEAD}V-1,approved,{click},EUR,120.00,9.60\n")["kept"] == 1
    assert states(shop) == [("V-1", "paid", 960), ("V-2", "approved", 400)]
    with shop.db.read() as tx:
        assert [row.state for row in tx.execute(select(affiliate_conversion_line).order_by(affiliate_conversion_line.c.id))] == [
            "pending", "approved", "paid", "approved",
        ]  # fmt: skip
        assert conversions.report(tx) == [
            {"by": "viator", "currency": "EUR", "conversions": 1, "pending": 0, "approved": 0, "declined": 0, "paid": 960},
            {"by": "viator", "currency": "USD", "conversions": 1, "pending": 0, "approved": 400, "declined": 0, "paid": 0},
        ]
        assert [one["by"] for one in conversions.report(tx, "campaign")] == ["activity", "unattributed"]
        assert [one["by"] for one in conversions.report(tx, "conversation")] == sorted([ana.conversation_id, "unattributed"])


@pytest.mark.parametrize(
    ("line", "field"),
    [
        (",pending,,EUR,1,1", "transaction"), ("V-1,sold,,EUR,1,1", "state"), ("V-1,paid,,EURO,1,1", "currency"), ("V-1,paid,,EUR,1.234,1", "amount"),
        ("V-1,paid,,EUR,1,NaN", "commission"), ("V-1,paid,,EUR,1,much", "commission"),
    ],
)  # fmt: skip
def test_one_bad_line_and_nothing_is_taken(shop: Engine, line: str, field: str) -> None:
    with pytest.raises(Invalid) as caught:
        conversions.take_file(shop, "viator", f"{HEAD}V-0,paid,,EUR,1,1\n{line}\n")
    assert (caught.value.field, "Line 3" in caught.value.message) == (field, True)
    assert states(shop) == []
    with pytest.raises(Invalid):
        conversions.take_file(shop, "viator", "transaction,state\nV-1,paid\n")
    with pytest.raises(NotFound):
        conversions.take_file(shop, "nobody", HEAD)


def test_a_click_of_another_partner_proves_nothing(shop: Engine) -> None:
    click = clicked(shop)
    conversions.take_file(shop, "tiqets", f"{HEAD}T-1,approved,{click},EUR,10,1\n")
    with shop.db.read() as tx:
        assert tx.execute(select(affiliate_conversion.c.link_id)).scalar_one() is None


class Pages:
    """A partner's list in pages; it breaks once, as the internet does."""

    def __init__(self) -> None:
        self.broken = True
        self.pages = {"": (["P-1"], "a"), "a": (["P-2"], "b"), "b": ([], "b")}

    def fetch(self, cursor: str) -> tuple[Sequence[Told], str]:
        if cursor == "a" and self.broken:
            self.broken = False
            raise OSError("gone")
        names, following = self.pages[cursor]
        return [Told(name, "approved", "", "EUR", 1_000, 80) for name in names], following


def test_a_pull_goes_on_where_it_stopped(shop: Engine) -> None:
    source = Pages()
    with pytest.raises(OSError, match="gone"):
        conversions.pull(shop, "viator", source)
    assert conversions.pull(shop, "viator", source) == {"new": 1, "moved": 0, "same": 0, "kept": 0}
    assert conversions.pull(shop, "viator", source)["new"] == 0
    assert [txn for txn, _, _ in states(shop)] == ["P-1", "P-2"]


def test_only_what_the_partner_signed_is_taken(sqlite: Any, tmp_path: Any, gateway: MemoryGateway) -> None:
    house = build_house(sqlite, tmp_path, gateway, Clock())
    market.load(house.engine, tmp_path)
    click = clicked(house.engine)
    body = json.dumps(
        {"transaction": "V-9", "state": "approved", "click": click, "currency": "EUR", "amount": "80.00", "commission": "6.40"}
    )
    good = hmac.new(b"s3cret", body.encode(), sha256).hexdigest()
    with running(house) as live, live.client() as http:

        def send(partner: str, content: str, signature: str) -> httpx.Response:
            return http.post(f"/affiliate/postback/{partner}", content=content, headers={"x-signature": signature})

        unsigned = hmac.new(b"", body.encode(), sha256).hexdigest()
        for answer in (
            send("viator", body, ""),
            send("viator", body + " ", good),
            send("tiqets", body, unsigned),
            send("nobody", body, good),
        ):
            assert answer.status_code == 403
        assert states(house.engine) == []
        assert send("viator", body, good).json() == {"new": 1, "moved": 0, "same": 0, "kept": 0}
        assert send("viator", body, good).json()["same"] == 1
        form = "transaction=V-10&state=pending&currency=EUR&amount=1&commission=1"
        assert send("viator", form, hmac.new(b"s3cret", form.encode(), sha256).hexdigest()).json()["new"] == 1
        assert send("viator", "{", hmac.new(b"s3cret", b"{", sha256).hexdigest()).status_code == 422
    assert states(house.engine) == [("V-10", "pending", 100), ("V-9", "approved", 640)]


def test_commission_changes_neither_what_is_found_first_nor_which_link_comes_first(shop: Engine) -> None:
    wish, trip = search.Wish("lisbon", "activity", "tour", limit=20), Trip("activity", "lisbon", date(2026, 12, 1))
    before = [one.listing.id for one in search.search(shop, wish)], [one["partner"] for one in links.offer(shop, None, trip)]
    lines = "".join(f"V-{n},paid,{clicked(shop)},EUR,9000,4500\n" for n in range(5))
    conversions.take_file(shop, "viator", HEAD + lines)
    conversions.take_file(shop, "tiqets", f"{HEAD}T-1,paid,,EUR,900000,450000\n")
    assert before == ([one.listing.id for one in search.search(shop, wish)], [one["partner"] for one in links.offer(shop, None, trip)])
