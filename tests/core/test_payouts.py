"""Money out: each party gets to the cent what it is owed, after the service, once, and gives back what it is no longer owed."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from core import bookings, cancellations, carts, changes
from core.availability import Ask
from core.engine import Actor, Engine
from core.errors import NotAllowed, NotFound, Refused
from core.payments import collect, disputes, inbox, ledger, payees, payouts, reconcile, statements
from core.payments.gateway import GatewayRefused, GatewayUnknown
from core.schema import audit_log, booking, outbound, payment, proposal, provider, share, webhook_event
from tests import builders as b
from tests import market
from tests.conftest import Clock
from tests.core.test_deposits import rows, settle
from tests.core.test_holds import SATURDAY
from tests.gateway import MemoryGateway
from tests.jobs import dead, work

SAIL = Ask("sunset-sail", None, SATURDAY, None, "17:30", {"ADULT": 2})  # 96.00, of which 84.48 are the crew's
PASTA = Ask("pasta-class", None, SATURDAY, None, "", {"ADULT": 2})  # 118.00, of which 103.84 are the cooks'
CREW = Actor("p", role="provider", provider_ids=("tejo-days",))
COOKS = Actor("q", role="provider", provider_ids=("roman-holidays",))
OPERATOR = Actor("ines", role="operator")


@pytest.fixture
def shop(engine: Engine, tmp_path: Path) -> Engine:
    market.load(engine, tmp_path)
    return engine


def buy(engine: Engine, gateway: MemoryGateway, *asks: Ask, actor: Actor | None = None) -> Actor:
    actor = actor or b.traveler(engine)
    for ask in asks:
        carts.add(engine, actor, ask)
    (payment_id,) = bookings.commit_checkout(engine, actor, bookings.propose_checkout(engine, actor)["proposal_id"])["payments"]
    settle(engine, gateway, payment_id)
    return actor


def active(engine: Engine, gateway: MemoryGateway, who: Actor = CREW) -> str:
    account = str(payees.ensure(engine, who, "provider", who.provider_ids[0])["account"])
    gateway.set_account(account, "active")
    payees.sync(engine, account)
    return account


def after_service(engine: Engine, clock: Clock) -> None:
    clock.forward(days=6)
    work(engine)


def shares(engine: Engine, party_id: str = "tejo-days") -> list[tuple[int, int, int, int]]:
    """(amount, reversed, sent, back) of a party's shares."""
    with engine.db.read() as tx:
        found = tx.execute(select(share).where(share.c.party_id == party_id).order_by(share.c.due_at, share.c.id))
        return [(one.amount, one.reversed, one.sent, one.back) for one in found]


def balanced(engine: Engine, gateway: MemoryGateway) -> None:
    """The books sum to nothing, and their gateway is the gateway."""
    with engine.db.read() as tx:
        assert ledger.unbalanced(tx) == []
        assert sum(amount for (name, _), amount in ledger.balances(tx).items() if name == "gateway") == gateway.balance()
    assert dead(engine) == []
    assert reconcile.differences(engine, engine.clock() - timedelta(days=60))["differences"] == []


def test_each_provider_is_sent_their_part_of_the_charge_after_the_service(shop: Engine, gateway: MemoryGateway, clock: Clock) -> None:
    crew, cooks = active(shop, gateway), active(shop, gateway, COOKS)
    buy(shop, gateway, SAIL, PASTA)
    clock.forward(days=4, hours=8)  # Saturday's sail is over since less than a day
    work(shop)
    assert gateway.held == {crew: 0, cooks: 10_384}
    clock.forward(hours=6)
    work(shop)
    assert gateway.held == {crew: 8_448, cooks: 10_384}
    assert gateway.balance() == 1_152 + 1_416  # the house keeps its fees
    assert {charge for charge, _, _ in gateway.transfers.values()} == {"ch_1"}
    payouts.sweep(shop)
    assert len(gateway.transfers) == 2
    with shop.db.read() as tx:
        told = [row.address for row in tx.execute(select(outbound).where(outbound.c.notice == "payout_sent"))]
        assert payouts.balances(tx, "provider", "tejo-days", clock()) == {"EUR": {"sent": 8_448, "due": 0, "later": 0, "debt": 0}}
    assert sorted(told) == ["roman-holidays@example.com", "tejo-days@example.com"]
    balanced(shop, gateway)


def test_without_an_account_the_money_waits_and_goes_out_once_there_is_one(shop: Engine, gateway: MemoryGateway, clock: Clock) -> None:
    buy(shop, gateway, SAIL)
    after_service(shop, clock)
    assert gateway.transfers == {}
    with shop.db.read() as tx:
        assert payouts.balances(tx, "provider", "tejo-days", clock())["EUR"]["due"] == 8_448
    made = payees.ensure(shop, CREW, "provider", "tejo-days")
    assert (made["state"], made["needs"]) == ("restricted", ["identity"])
    work(shop)
    assert gateway.transfers == {}
    gateway.set_account(made["account"], "active")
    payees.sync(shop, made["account"])
    work(shop)
    assert gateway.held == {made["account"]: 8_448}
    balanced(shop, gateway)


def test_an_event_about_the_account_fetches_it_and_one_about_a_stranger_is_kept(shop: Engine, gateway: MemoryGateway) -> None:
    account = str(payees.ensure(shop, CREW, "provider", "tejo-days")["account"])
    gateway.set_account(account, "active")
    kind = "v2.core.account[configuration.recipient].capability_status_updated"
    with shop.db.write() as tx:
        for id, named in (("e1", account), ("e2", "acct_stranger")):
            body = {"object": named, "kind": "v2.core.account", "payment": None, "account": None}
            tx.execute(webhook_event.insert().values(id=id, type=kind, body=body, received_at=shop.clock()))
    inbox.work_event(shop, "e1")
    assert payees.state(shop, CREW, "provider", "tejo-days")["state"] == "active"
    with pytest.raises(inbox.NotOurs):
        inbox.work_event(shop, "e2")


def test_a_refund_before_the_transfer_sends_only_what_is_left(shop: Engine, gateway: MemoryGateway, clock: Clock) -> None:
    crew = active(shop, gateway)
    buy(shop, gateway, SAIL)
    with shop.db.write() as tx:
        collect.ask_refund(tx, tx.execute(select(payment.c.id)).scalar_one(), 5_000, shop.clock(), booking_id=None, reason="half")
    work(shop)
    after_service(shop, clock)
    ((_amount, given, sent, back),) = shares(shop)
    assert (given, sent, back) == (4_400, 4_048, 0)
    assert gateway.held[crew] == 4_048
    balanced(shop, gateway)


def test_a_refund_after_the_transfer_takes_it_back_and_the_traveler_comes_first(shop: Engine, gateway: MemoryGateway, clock: Clock) -> None:
    crew = active(shop, gateway)
    buy(shop, gateway, SAIL)
    after_service(shop, clock)
    with shop.db.write() as tx:
        collect.ask_refund(tx, tx.execute(select(payment.c.id)).scalar_one(), 9_600, shop.clock(), booking_id=None, reason="all")
    done = work(shop)
    assert done.index("refund.send") < done.index("payout.level")
    assert gateway.held[crew] == 0
    assert gateway.balance() == 0
    balanced(shop, gateway)


def test_what_cannot_be_taken_back_is_a_debt_and_is_netted_from_the_next_sale(shop: Engine, gateway: MemoryGateway, clock: Clock) -> None:
    crew = active(shop, gateway)
    buy(shop, gateway, SAIL)
    after_service(shop, clock)
    gateway.pay_out(crew)
    with shop.db.write() as tx:
        collect.ask_refund(tx, tx.execute(select(payment.c.id)).scalar_one(), 5_000, shop.clock(), booking_id=None, reason="half")
    work(shop)
    with shop.db.read() as tx:
        assert payouts.balances(tx, "provider", "tejo-days", clock())["EUR"]["debt"] == 4_400
        assert tx.execute(select(audit_log.c.subject)).scalars().all() == ["payout_not_taken_back"]
    later = SATURDAY + timedelta(days=7)
    buy(shop, gateway, Ask("sunset-sail", None, later, None, "17:30", {"ADULT": 2}), actor=b.traveler(shop, email="bob@example.com"))
    clock.forward(days=6)
    work(shop, rounds=5)
    assert gateway.held[crew] == 8_448 - 4_400
    with shop.db.read() as tx:
        assert payouts.balances(tx, "provider", "tejo-days", clock()) == {"EUR": {"sent": 12_496, "due": 0, "later": 0, "debt": 0}}
    balanced(shop, gateway)


def test_an_answer_that_is_lost_moves_nothing_twice(shop: Engine, gateway: MemoryGateway, clock: Clock) -> None:
    crew = active(shop, gateway)
    buy(shop, gateway, SAIL)
    clock.forward(days=6)
    with shop.db.read() as tx:
        share_id = tx.execute(select(share.c.id).where(share.c.party == "provider")).scalar_one()
    gateway.lose = 1
    with pytest.raises(GatewayUnknown):
        payouts.level(shop, share_id)
    with shop.db.write() as tx:  # meanwhile something of it is given back
        collect.ask_refund(tx, tx.execute(select(payment.c.id)).scalar_one(), 1_000, shop.clock(), booking_id=None, reason="a bit")
    work(shop)
    assert gateway.held[crew] == 8_448 - 880
    assert len(gateway.transfers) == 1
    balanced(shop, gateway)


def test_a_refusal_is_tried_again_later_under_a_new_key(shop: Engine, gateway: MemoryGateway, clock: Clock) -> None:
    crew = active(shop, gateway)
    buy(shop, gateway, SAIL)
    gateway.set_account(crew, "restricted", "identity")  # and nobody has told us
    after_service(shop, clock)
    assert gateway.held[crew] == 0
    gateway.set_account(crew, "active")
    clock.forward(hours=2)
    work(shop)
    assert gateway.held[crew] == 8_448
    balanced(shop, gateway)


def test_an_expert_is_paid_after_the_last_service(shop: Engine, gateway: MemoryGateway, clock: Clock) -> None:
    b.expert_fee(shop)
    actor = b.traveler(shop)
    carts.add(shop, b.expert_for(shop, actor, "eva"), PASTA)
    buy(shop, gateway, SAIL, actor=actor)
    eva = Actor("eva", role="expert")
    account = str(payees.ensure(shop, eva, "expert", "eva")["account"])
    gateway.set_account(account, "active")
    payees.sync(shop, account)
    after_service(shop, clock)
    assert gateway.held[account] == 1_180
    balanced(shop, gateway)


def test_a_day_that_moves_moves_the_payout(shop: Engine, gateway: MemoryGateway, clock: Clock) -> None:
    crew = active(shop, gateway)
    actor = buy(shop, gateway, SAIL)
    shown = changes.propose(shop, actor, rows(shop)["sunset-sail"].id, local_date=SATURDAY + timedelta(days=7))
    changes.commit(shop, actor, shown["proposal_id"])
    after_service(shop, clock)
    assert gateway.held[crew] == 0
    clock.forward(days=7)
    work(shop)
    assert gateway.held[crew] == 8_448


def test_who_may_set_up_payouts(shop: Engine, gateway: MemoryGateway) -> None:
    with pytest.raises(NotFound):
        payees.ensure(shop, COOKS, "provider", "tejo-days")
    with pytest.raises(NotFound):
        payees.ensure(shop, b.traveler(shop), "platform", "")
    with shop.db.write() as tx:
        tx.execute(update(provider).where(provider.c.id == "tejo-days").values(country=""))
    with pytest.raises(NotAllowed, match="country"):
        payees.ensure(shop, CREW, "provider", "tejo-days")
    assert gateway.accounts == {}


def test_a_refused_account_is_tried_afresh_and_an_unknown_answer_under_the_same_key(shop: Engine, gateway: MemoryGateway) -> None:
    gateway.refusals = [GatewayRefused("No.", code="email_invalid")]
    with pytest.raises(GatewayRefused):
        payees.ensure(shop, CREW, "provider", "tejo-days")
    gateway.lose = 1
    with pytest.raises(GatewayUnknown):
        payees.ensure(shop, CREW, "provider", "tejo-days")
    payees.ensure(shop, CREW, "provider", "tejo-days")
    assert list(gateway.accounts) == ["acct_1"]
    first, second = (payees.onboarding_link(shop, CREW, "provider", "tejo-days") for _ in range(2))
    assert first != second  # each works once


# ── disputes ──────────────────────────────────────────────────────────────────────────────────────


def dispute(engine: Engine, gateway: MemoryGateway, amount: int = 9_600) -> str:
    made = gateway.open_dispute("ch_1", amount)
    disputes.sync(engine, made)
    return made


def test_an_open_dispute_freezes_the_payout_and_a_won_one_lets_it_go(shop: Engine, gateway: MemoryGateway, clock: Clock) -> None:
    crew = active(shop, gateway)
    buy(shop, gateway, SAIL)
    made = dispute(shop, gateway)
    after_service(shop, clock)
    assert gateway.held[crew] == 0
    balanced(shop, gateway)
    gateway.close_dispute(made, "won")
    disputes.sync(shop, made)
    disputes.sync(shop, made)
    work(shop)
    assert gateway.held[crew] == 8_448
    balanced(shop, gateway)


def test_a_lost_dispute_is_borne_by_the_shares_and_taken_back(shop: Engine, gateway: MemoryGateway, clock: Clock) -> None:
    crew = active(shop, gateway)
    buy(shop, gateway, SAIL)
    after_service(shop, clock)
    made = dispute(shop, gateway)
    gateway.close_dispute(made, "lost")
    for _ in range(2):
        disputes.sync(shop, made)
    work(shop)
    assert gateway.held[crew] == 0
    assert gateway.balance() == 0
    with pytest.raises(NotFound):
        gateway.open_dispute("ch_stranger", 1)
        disputes.sync(shop, "dp_2")
    gateway.opened.pop("dp_2")
    balanced(shop, gateway)


def test_a_refund_that_was_only_decided_is_not_paid_on_top_of_a_lost_dispute(shop: Engine, gateway: MemoryGateway, clock: Clock) -> None:
    actor = buy(shop, gateway, SAIL)
    made = dispute(shop, gateway)
    gateway.refusals = [GatewayRefused("charged back", code="charge_disputed", curable=True)]
    cancellations.commit(shop, actor, cancellations.propose(shop, actor, rows(shop)["sunset-sail"].id)["proposal_id"])
    work(shop, rounds=1)
    gateway.close_dispute(made, "lost")
    disputes.sync(shop, made)
    clock.forward(hours=2)
    work(shop)
    assert gateway.refunds == []
    balanced(shop, gateway)


def test_an_operator_answers_with_what_was_agreed(shop: Engine, gateway: MemoryGateway) -> None:
    buy(shop, gateway, SAIL)
    made = dispute(shop, gateway)
    with pytest.raises(NotAllowed):
        disputes.submit(shop, CREW, made)
    gateway.lose = 1
    with pytest.raises(GatewayUnknown):
        disputes.submit(shop, OPERATOR, made)
    assert disputes.submit(shop, OPERATOR, made)["status"] == "under_review"
    told = gateway.evidence[made]
    with shop.db.read() as tx:
        digest = tx.execute(select(proposal.c.digest)).scalar_one()
        reference = tx.execute(select(booking.c.reference)).scalar_one()
    assert digest in told["uncategorized_text"]
    assert reference in told["product_description"]
    assert "pay ON_HOLD->CONFIRMED" in told["access_activity_log"]
    with pytest.raises(Refused, match="already answered"):
        disputes.submit(shop, OPERATOR, made)


def test_a_refund_the_bank_sent_back_counts_as_not_given(shop: Engine, gateway: MemoryGateway, clock: Clock) -> None:
    crew = active(shop, gateway)
    buy(shop, gateway, SAIL)
    with shop.db.write() as tx:
        collect.ask_refund(tx, tx.execute(select(payment.c.id)).scalar_one(), 5_000, shop.clock(), booking_id=None, reason="half")
    work(shop)
    collect.refund_failed(shop, "re_1")  # an event alone proves nothing
    assert shares(shop)[0][1] == 4_400
    gateway.sent_back.add("re_1")
    for _ in range(2):
        collect.refund_failed(shop, "re_1")
    assert shares(shop)[0][1] == 0
    after_service(shop, clock)
    assert gateway.held[crew] == 8_448
    balanced(shop, gateway)


# ── statements and reconciliation ─────────────────────────────────────────────────────────────────


def test_a_statement_sums_to_what_is_owed(shop: Engine, gateway: MemoryGateway, clock: Clock) -> None:
    start = clock()
    active(shop, gateway)
    buy(shop, gateway, SAIL)
    after_service(shop, clock)
    clock.forward(hours=1)
    with shop.db.write() as tx:
        collect.ask_refund(tx, tx.execute(select(payment.c.id)).scalar_one(), 5_000, shop.clock(), booking_id=None, reason="half")
    work(shop)
    with shop.db.write() as tx:
        tx.execute(update(booking).values(title="=HYPERLINK(1)"))
        told = statements.lines(tx, "provider", "tejo-days", start, clock() + timedelta(seconds=1))
        assert statements.lines(tx, "provider", "tejo-days", clock() + timedelta(seconds=1), clock() + timedelta(days=9)) == []
        assert statements.lines(tx, "provider", "casa-alta", start, clock() + timedelta(days=9)) == []
    assert [(line["kind"], line["amount"]) for line in told] == [
        ("sale", 8_448),
        ("payout", -8_448),
        ("refund", -4_400),
        ("payout taken back", 4_400),
    ]
    text = statements.as_csv(told)
    assert text.splitlines()[0].startswith("date,kind,reference")
    assert "'=HYPERLINK(1)" in text
    assert ",EUR,84.48," in text


def test_every_difference_to_the_gateway_is_told(shop: Engine, gateway: MemoryGateway, clock: Clock) -> None:
    start = clock() - timedelta(days=1)
    active(shop, gateway)
    buy(shop, gateway, SAIL)
    after_service(shop, clock)
    assert reconcile.differences(shop, start) == {"movements": 2, "differences": []}
    gateway.transfers["tr_9"] = ("ch_1", "acct_1", 7)  # somebody has sent money by hand
    gateway.transfers.pop("tr_1")
    told = reconcile.differences(shop, start)["differences"]
    assert told == [
        "the gateway's transfer tr_9 of 7 EUR is not in our books",
        "our posting send:tr_1 of 8448 EUR is unknown to the gateway",
    ]
    with shop.db.write() as tx:
        tx.execute(update(share).where(share.c.party == "platform").values(amount=1))
    told = reconcile.differences(shop, start)["differences"]
    assert any("should stand at -1" in one for one in told)
    assert any("sum to 8449, not to 9600" in one for one in told)
