"""A trip of three providers, put together by an expert: a deposit, the rest later, one provider cancels; pages and books agree each time."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import httpx
from sqlalchemy import select, update

from channels.web.session import COOKIE, csrf_of
from core import bookings, carts, links
from core.availability import Ask
from core.payments import collect, ledger
from core.payments.schedule import paid_of
from core.people import redeem_sign_in, sign_in_link
from core.schema import booking, payment, provider, refund, share
from tests import builders as b
from tests.channels.conftest import wait_for
from tests.stories.conftest import Running


def pay(running: Running, url: str) -> None:
    with httpx.Client(trust_env=False) as browser:
        assert browser.post(url, data={"tap": "success"}).status_code == 303


def owed_to(running: Running, payment_id: str) -> dict[tuple[str, str], int]:
    """Who gets how much of a payment: (party, id) -> minor units."""
    shares: dict[tuple[str, str], int] = {}
    with running.house.engine.db.read() as tx:
        for row in tx.execute(select(share).where(share.c.payment_id == payment_id)):
            shares[row.party, row.party_id] = shares.get((row.party, row.party_id), 0) + row.amount
    return shares


def settled(running: Running) -> None:
    with running.house.engine.db.read() as tx:
        assert ledger.unbalanced(tx) == []


def test_a_deposit_the_rest_and_a_provider_who_cancels(running: Running) -> None:
    engine = running.house.engine
    db = engine.db
    with db.write() as tx:
        tx.execute(update(provider).values(deposit_bps=3000, balance_days=14))
    b.expert_fee(engine, 1000)
    ana = b.traveler(engine)
    eva = b.expert_for(engine, ana, "demo-expert")
    day = engine.clock().date() + timedelta(days=60)
    carts.add(engine, eva, Ask("sunset-sail", None, day, None, "17:30", {"ADULT": 2}))  # 96.00
    carts.add(engine, eva, Ask("casa-miradouro", None, day, day + timedelta(days=3), "", {"ADULT": 2}))  # 270.00
    carts.add(engine, eva, Ask("pasta-class", None, day, None, "", {"ADULT": 2}))  # 118.00
    proposal = bookings.propose_checkout(engine, ana)
    done = bookings.commit_checkout(engine, ana, proposal["proposal_id"], method="deposit")
    (deposit,) = done["payments"]
    with db.read() as tx:
        sold = {row.product_id: row for row in tx.execute(select(booking))}
        first = b.payment_row(db, deposit)
        trips = links.trips_path(tx, ana.account_id, engine.clock())
    assert {name: (row.amount, row.fee_amount) for name, row in sold.items()} == {
        "sunset-sail": (9600, 1152), "casa-miradouro": (27000, 3240), "pasta-class": (11800, 1416),
    }  # fmt: skip
    assert first.amount == 14520 + 4840  # three tenths of 484.00, and the expert's tenth at once
    assert owed_to(running, deposit) == {
        ("provider", "tejo-days"): 2880 - 346,
        ("provider", "casa-alta"): 8100 - 972,
        ("provider", "roman-holidays"): 3540 - 425,
        ("platform", ""): 346 + 972 + 425,
        ("expert", "demo-expert"): 4840,
    }
    pay(running, collect.ensure_link(engine, deposit)["url"])
    wait_for(lambda: set(b.statuses(db).values()) == {"CONFIRMED"}, 20)
    settled(running)

    with httpx.Client(base_url=running.url, trust_env=False) as traveler:
        page = traveler.get(trips).text
        for part in ("€28.80", "€81", "€35.40", "€67.20", "€189", "€82.60"):  # paid, and still to pay
            assert part in page, part
        for name in (
            "sunset-sail",
            "pasta-class",
        ):  # noon in Lisbon and noon in Rome are two due dates; what is due together is paid together
            form = {"proof": csrf_of(f"trips:{trips.removeprefix('/trips/')}"), "booking": sold[name].id}
            answer = traveler.post(f"{trips}/pay", data=form)
            assert answer.status_code == 303
            pay(running, answer.headers["location"])
            wait_for(lambda name=name: whole(running)[name], 20)
        assert set(whole(running).values()) == {True}
        page = traveler.get(trips).text
        assert "Still to pay" not in page
        settled(running)
        with db.read() as tx:
            rest = tx.execute(select(payment).where(payment.c.id != deposit).order_by(payment.c.amount)).all()
        assert [(one.status, one.amount) for one in rest] == [("paid", 8260), ("paid", 6720 + 18900)]
        both: Counter[tuple[str, str]] = Counter()
        for one in (deposit, *(row.id for row in rest)):
            both.update(owed_to(running, one))
        assert both == {
            ("provider", "tejo-days"): 9600 - 1152,
            ("provider", "casa-alta"): 27000 - 3240,
            ("provider", "roman-holidays"): 11800 - 1416,
            ("platform", ""): 1152 + 3240 + 1416,
            ("expert", "demo-expert"): 4840,
        }

        token = redeem_sign_in(engine, sign_in_link(engine, "demo-provider"))
        with httpx.Client(base_url=running.url, trust_env=False, headers={"x-csrf-token": csrf_of(token)}) as host:
            host.cookies.set(COOKIE, token, domain="127.0.0.1")
            assert "€103.84" in host.get("/payouts").text  # 118.00 less our fee, after the class
            answer = host.post(f"/provider/bookings/{sold['pasta-class'].id}/cancel", data={"reason": "The cook is ill."})
            assert answer.status_code == 303
            wait_for(lambda: refunded(running) == (11800, {"sent"}), 20)  # the class; what the expert did stays paid
            assert "€103.84" not in host.get("/payouts").text
        assert b.statuses(db) == {"sunset-sail": "CONFIRMED", "casa-miradouro": "CONFIRMED", "pasta-class": "CANCELLED"}
        page = traveler.get(trips).text
        assert "Cancelled" in page
        settled(running)


def whole(running: Running) -> dict[str, bool]:
    """Whether each product is paid in full."""
    with running.house.engine.db.read() as tx:
        rows = tx.execute(select(booking)).all()
        paid = paid_of(tx, [row.id for row in rows])
        return {row.product_id: paid[row.id] == row.amount for row in rows}


def refunded(running: Running) -> tuple[int, set[str]]:
    with running.house.engine.db.read() as tx:
        rows = tx.execute(select(refund.c.amount, refund.c.state)).all()
    return sum(row.amount for row in rows), {row.state for row in rows}
