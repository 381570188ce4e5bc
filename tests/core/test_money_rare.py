"""What seldom happens to money: events that never came, answers that came too late, and the same euro asked for from two sides."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, select, update

from core import cancellations, changes
from core.availability import Ask
from core.engine import Engine
from core.errors import NotFound
from core.payments import balances, collect, disputes, inbox, payees, payouts
from core.payments.gateway import FetchedPayment, GatewayRefused, GatewayUnknown
from core.schema import audit_log, booking, booking_change, dispute, hold, job, payment, provider, refund, share
from tests import builders as b
from tests import market
from tests.conftest import Clock
from tests.core.test_deposits import events, rows, settle
from tests.core.test_holds import SATURDAY
from tests.core.test_payouts import SAIL, active, after_service, balanced, buy, shares
from tests.gateway import MemoryGateway
from tests.jobs import work
from tests.money import captured_by, disputed_by, sent_by, violations


@pytest.fixture
def shop(engine: Engine, gateway: MemoryGateway, clock: Clock, tmp_path: Path) -> Engine:
    market.load(engine, tmp_path)
    gateway.clock = clock
    return engine


def give_back(engine: Engine, amount: int, reason: str = "why not") -> str:
    """Decide a refund of the first payment; its id."""
    with engine.db.write() as tx:
        first = tx.execute(select(payment.c.id).order_by(payment.c.created_at).limit(1)).scalar_one()
        made = collect.ask_refund(tx, first, amount, engine.clock(), booking_id=None, reason=reason)
    assert made is not None
    return made


def sound(engine: Engine, gateway: MemoryGateway) -> None:
    balanced(engine, gateway)
    found = violations(
        engine.db, captured_by(gateway), sent=sent_by(gateway), disputed=disputed_by(gateway), now=engine.clock() - timedelta(hours=2)
    )
    assert found == []


def second_sale(engine: Engine, gateway: MemoryGateway, email: str = "bob@example.com", weeks: int = 1) -> None:
    day = SATURDAY + timedelta(days=7 * weeks)
    buy(engine, gateway, Ask("sunset-sail", None, day, None, "17:30", {"ADULT": 2}), actor=b.traveler(engine, email=email))


# ── what nobody told us ───────────────────────────────────────────────────────────────────────────


def test_a_dispute_of_which_no_event_came_is_found_and_followed(shop: Engine, gateway: MemoryGateway, clock: Clock) -> None:
    crew = active(shop, gateway)
    buy(shop, gateway, SAIL)
    made = gateway.open_dispute("ch_1", 9_600)
    gateway.open_dispute("ch_of_another_shop", 1)
    assert inbox.wake(shop)
    assert not inbox.wake(shop)
    work(shop)
    with shop.db.read() as tx:
        assert [(row.id, row.status) for row in tx.execute(select(dispute))] == [(made, "needs_response")]
    after_service(shop, clock)
    assert gateway.held[crew] == 0
    gateway.close_dispute(made, "won")
    clock.forward(hours=2)
    work(shop)
    assert gateway.held[crew] == 8_448
    gateway.opened.pop("dp_2")
    sound(shop, gateway)


def test_a_refund_that_came_back_untold_is_found_once(shop: Engine, gateway: MemoryGateway) -> None:
    buy(shop, gateway, SAIL)
    give_back(shop, 5_000)
    work(shop)
    gateway.sent_back.add("re_1")
    for _ in range(2):
        inbox.look(shop)
    assert [part[1] for part in shares(shop)] == [0]
    with shop.db.read() as tx:
        assert tx.execute(select(refund.c.state)).scalar_one() == "failed"
        assert tx.execute(select(audit_log.c.subject)).scalars().all() == ["refund_failed"]
    sound(shop, gateway)


def test_an_account_that_was_switched_off_untold_is_looked_at_once_a_day(shop: Engine, gateway: MemoryGateway, clock: Clock) -> None:
    crew = active(shop, gateway)
    gateway.set_account(crew, "restricted", "identity")
    assert payees.sweep(shop) == 0
    clock.forward(hours=25)
    assert payees.sweep(shop) == 1
    with shop.db.read() as tx:
        assert payees.view(payees.find(tx, "provider", "tejo-days"))["state"] == "restricted"
    gateway.set_account(crew, "active")
    clock.forward(hours=2)
    payees.sweep(shop)
    assert gateway.accounts[crew].state == "active"


def test_one_account_the_gateway_does_not_know_keeps_no_other_waiting(shop: Engine, gateway: MemoryGateway, clock: Clock) -> None:
    crew = active(shop, gateway)
    cooks = active(shop, gateway, who=b.Actor("q", role="provider", provider_ids=("roman-holidays",)))
    gateway.accounts.pop(crew)
    gateway.set_account(cooks, "restricted")
    clock.forward(hours=25)
    with pytest.raises(GatewayRefused):
        payees.sweep(shop)
    with shop.db.read() as tx:
        assert payees.view(payees.find(tx, "provider", "roman-holidays"))["state"] == "restricted"


def test_a_refused_transfer_whose_next_try_got_lost_is_found(shop: Engine, gateway: MemoryGateway, clock: Clock) -> None:
    crew = active(shop, gateway)
    buy(shop, gateway, SAIL)
    gateway.refusals = [GatewayRefused("Not now.", code="balance_insufficient", curable=True)]
    after_service(shop, clock)
    assert shares(shop)[0][2] == 0
    with shop.db.write() as tx:
        tx.execute(delete(job).where(job.c.kind == "payout.level"))
    assert payouts.sweep(shop) == 1
    assert gateway.held[crew] == 8_448


# ── refunds and disputes that cross each other ────────────────────────────────────────────────────


def test_a_refund_on_its_way_counts_when_the_rest_is_charged_back(shop: Engine, gateway: MemoryGateway) -> None:
    buy(shop, gateway, SAIL)
    asked = give_back(shop, 2_500)
    gateway.lose = 1
    with pytest.raises(GatewayUnknown):
        collect.send_refund(shop, asked)  # it was done, and nobody told us
    made = gateway.open_dispute("ch_1", 7_100)
    gateway.close_dispute(made, "lost")
    disputes.sync(shop, made)
    work(shop)
    assert b.refunds_of(shop.db, _first(shop)) == [(2_500, "sent")]
    assert gateway.balance() == 0
    sound(shop, gateway)


def _first(engine: Engine) -> str:
    with engine.db.read() as tx:
        return str(tx.execute(select(payment.c.id)).scalar_one())


def test_a_refund_that_comes_back_before_we_noted_it_is_not_forgotten(shop: Engine, gateway: MemoryGateway) -> None:
    buy(shop, gateway, SAIL)
    asked = give_back(shop, 2_500)
    gateway.lose = 1
    with pytest.raises(GatewayUnknown):
        collect.send_refund(shop, asked)
    gateway.sent_back.add("re_1")
    with pytest.raises(NotFound):  # the event is kept and tried again
        collect.refund_failed(shop, "re_1")
    collect.send_refund(shop, asked)
    collect.refund_failed(shop, "re_1")
    assert b.refunds_of(shop.db, _first(shop)) == [(2_500, "failed")]
    assert gateway.balance() == 9_600
    sound(shop, gateway)


def test_an_orphans_refund_that_comes_back_is_the_travelers_and_somebody_is_told(shop: Engine, gateway: MemoryGateway) -> None:
    buy(shop, gateway, SAIL)
    page = FetchedPayment("cs_old", "paid", 700, "eur", "pi_old", "ch_old")
    gateway.pages["cs_old"] = page
    collect.apply(shop, _first(shop), page)
    work(shop)
    assert gateway.balance() == 9_600
    gateway.sent_back.add("re_1")
    for _ in range(2):
        collect.refund_failed(shop, "re_1")
    with shop.db.read() as tx:
        assert tx.execute(select(audit_log.c.subject)).scalars().all() == ["refund_failed"]
    assert gateway.balance() == 10_300
    balanced(shop, gateway)


@pytest.mark.parametrize("first", ["the dispute", "the refund"])
def test_a_dispute_about_money_that_fitted_no_sale_is_followed_to_its_end(shop: Engine, gateway: MemoryGateway, first: str) -> None:
    buy(shop, gateway, SAIL)
    page = FetchedPayment("cs_old", "paid", 700, "eur", "pi_old", "ch_old")
    gateway.pages["cs_old"] = page
    collect.apply(shop, _first(shop), page)
    if first == "the refund":
        work(shop)
    opened = gateway.open_dispute("ch_old", 700)
    disputes.sync(shop, opened)
    assert gateway.balance() == (9_600 if first == "the dispute" else 8_900)
    work(shop, rounds=2)
    gateway.close_dispute(opened, "lost")
    for _ in range(2):
        assert disputes.sync(shop, opened)["status"] == "lost"
    shop.clock.forward(hours=2)  # type: ignore[attr-defined]
    work(shop)
    assert len(gateway.refunds) == (0 if first == "the dispute" else 1), "nobody gets it from us and from the bank"
    assert payment_left(shop) == (9_600, 0)
    balanced(shop, gateway)


def test_a_dispute_about_money_that_fitted_no_sale_is_won_and_then_it_is_sent_back(shop: Engine, gateway: MemoryGateway) -> None:
    buy(shop, gateway, SAIL)
    page = FetchedPayment("cs_old", "paid", 700, "eur", "pi_old", "ch_old")
    gateway.pages["cs_old"] = page
    collect.apply(shop, _first(shop), page)
    opened = gateway.open_dispute("ch_old", 700)
    disputes.sync(shop, opened)
    work(shop, rounds=2)
    gateway.close_dispute(opened, "won")
    disputes.sync(shop, opened)
    shop.clock.forward(hours=2)  # type: ignore[attr-defined]
    work(shop)
    assert gateway.refunds == [("ch_old", 700)]
    balanced(shop, gateway)


def payment_left(engine: Engine) -> tuple[int, int]:
    """(amount, refunded) of the first payment."""
    with engine.db.read() as tx:
        row = tx.execute(select(payment).order_by(payment.c.created_at).limit(1)).one()
    return row.amount, row.refunded


# ── keys that the gateway has forgotten ───────────────────────────────────────────────────────────


class Forgetful(MemoryGateway):
    """Forgets what it did under which key, as Stripe does after a day; but what was done stays done."""

    def forget(self) -> None:
        self.known, self.calls = {**self.calls}, {}

    known: dict[str, tuple[object, object]] = {}  # noqa: RUF012

    def find(self, kind: object, of: str, key: str) -> object:  # type: ignore[override]
        self.calls, before = {**self.known, **self.calls}, self.calls
        try:
            return super().find(kind, of, key)  # type: ignore[arg-type]
        finally:
            self.calls = before


def test_after_a_day_without_answer_what_was_done_is_looked_up_first(engine: Engine, clock: Clock, tmp_path: Path) -> None:
    gateway = Forgetful()
    shop = Engine(db=engine.db, gateway=gateway, clock=clock)
    market.load(shop, tmp_path)
    crew = active(shop, gateway)
    buy(shop, gateway, SAIL)
    clock.forward(days=6)
    with shop.db.read() as tx:
        share_id = tx.execute(select(share.c.id).where(share.c.party == "provider")).scalar_one()
    gateway.lose = 1
    with pytest.raises(GatewayUnknown):
        payouts.level(shop, share_id)
    gateway.forget()
    clock.forward(hours=30)
    work(shop)
    assert (gateway.held[crew], len(gateway.transfers)) == (8_448, 1)

    asked = give_back(shop, 5_000)
    gateway.lose = 1
    with pytest.raises(GatewayUnknown):
        collect.send_refund(shop, asked)
    gateway.forget()
    clock.forward(hours=30)
    collect.send_refund(shop, asked)
    assert gateway.refunds == [("ch_1", 5_000)]

    gateway.lose = 1
    with pytest.raises(GatewayUnknown):
        payouts.level(shop, share_id)
    gateway.forget()
    clock.forward(hours=30)
    work(shop)
    assert (gateway.held[crew], len(gateway.reversals)) == (8_448 - 4_400, 1)


# ── what was set off ──────────────────────────────────────────────────────────────────────────────


def in_debt(engine: Engine, gateway: MemoryGateway, clock: Clock) -> str:
    """The crew owes 44.00 of a first sale and was sent so much less of a second one; their account."""
    crew = active(engine, gateway)
    buy(engine, gateway, SAIL)
    after_service(engine, clock)
    gateway.pay_out(crew)
    give_back(engine, 5_000)
    work(engine)
    second_sale(engine, gateway)
    clock.forward(days=7)
    work(engine)
    assert gateway.held[crew] == 8_448 - 4_400
    return crew


def test_what_was_set_off_is_sent_from_the_second_charge_where_the_first_refund_came_back(
    shop: Engine, gateway: MemoryGateway, clock: Clock
) -> None:
    crew = in_debt(shop, gateway, clock)
    gateway.sent_back.add("re_1")
    collect.refund_failed(shop, "re_1")
    work(shop)
    assert gateway.held[crew] == 8_448
    assert [gateway.sent_from(charge) for charge in ("ch_1", "ch_2")] == [8_448, 8_448]  # neither above its charge
    sound(shop, gateway)


def test_what_was_set_off_is_taken_from_the_transfer_that_is_still_out(shop: Engine, gateway: MemoryGateway, clock: Clock) -> None:
    crew = in_debt(shop, gateway, clock)
    gateway.held[crew] = 20_000  # they have sold elsewhere
    with shop.db.write() as tx:
        second = tx.execute(select(payment.c.id).order_by(payment.c.created_at.desc()).limit(1)).scalar_one()
        collect.ask_refund(tx, second, 9_600, shop.clock(), booking_id=None, reason="all of it")
    work(shop)
    with shop.db.read() as tx:
        assert payouts.balances(tx, "provider", "tejo-days", clock())["EUR"] == {"sent": 4_048, "due": 0, "later": 0, "debt": 0}
    assert [gateway.sent_from(charge) for charge in ("ch_1", "ch_2")] == [4_048, 0]
    sound(shop, gateway)


# ── balances and changes ──────────────────────────────────────────────────────────────────────────


def with_deposit(engine: Engine, gateway: MemoryGateway) -> tuple[object, str]:
    with engine.db.write() as tx:
        tx.execute(update(provider).values(deposit_bps=3_000))
    actor = b.traveler(engine)
    b.carts.add(engine, actor, Ask("sunset-sail", None, SATURDAY + timedelta(days=84), None, "17:30", {"ADULT": 2}))
    shown = b.bookings.propose_checkout(engine, actor)
    (first,) = b.bookings.commit_checkout(engine, actor, shown["proposal_id"], method="deposit")["payments"]
    settle(engine, gateway, first)
    return actor, first


def test_a_booking_that_is_paid_whole_is_never_looked_at_as_unpaid_again(shop: Engine, gateway: MemoryGateway, clock: Clock) -> None:
    actor, _ = with_deposit(shop, gateway)
    settle(shop, gateway, balances.pay(shop, actor, rows(shop)["sunset-sail"].id)["payment_id"])  # type: ignore[arg-type]
    assert rows(shop)["sunset-sail"].pay_by is None
    give_back(shop, 1_000, "with our apologies")
    for days in (64, 5, 13):
        clock.forward(days=days)
        balances.wake(shop, rows(shop)["sunset-sail"].id)  # type: ignore[attr-defined]
        assert balances.sweep(shop) == 0
    assert rows(shop)["sunset-sail"].status == "CONFIRMED"  # type: ignore[attr-defined]
    assert "balance_due" not in events(shop)


def test_more_than_a_page_brought_in_is_never_sent_back_from_it(shop: Engine, gateway: MemoryGateway) -> None:
    """The deposit's refund came back after the booking had become cheaper, and then an old page for the balance is paid."""
    actor, first = with_deposit(shop, gateway)
    rest = balances.pay(shop, actor, rows(shop)["sunset-sail"].id)["payment_id"]  # type: ignore[arg-type]
    with shop.db.write() as tx:
        tx.execute(update(booking).values(amount=2_000, deposit_amount=2_000))
        collect.ask_refund(tx, first, 880, shop.clock(), booking_id=None, reason="cheaper")
    work(shop, rounds=3)
    gateway.sent_back.add("re_1")
    collect.refund_failed(shop, "re_1")
    assert settle(shop, gateway, rest)["status"] == "paid"
    assert b.payment_row(shop.db, rest).refunded == 6_720
    work(shop)
    assert gateway.balance() == 2_880


def test_a_change_that_is_paid_after_the_service_began_goes_back_and_holds_nothing(
    shop: Engine, gateway: MemoryGateway, clock: Clock
) -> None:
    actor = buy(shop, gateway, SAIL)
    waiting = changes.commit(shop, actor, changes.propose(shop, actor, rows(shop)["sunset-sail"].id, units={"ADULT": 4})["proposal_id"])
    with shop.db.write() as tx:
        tx.execute(update(booking).values(status="REDEEMED"))
    settle(shop, gateway, str(waiting["payment"]))
    work(shop)
    with shop.db.read() as tx:
        assert tx.execute(select(booking_change.c.status)).scalar_one() == "expired"
        assert tx.execute(select(hold.c.id).where(hold.c.status == "active")).all() == []
    assert gateway.balance() == 9_600


def test_a_balance_page_that_is_paid_after_its_booking_ended_goes_back_whole(shop: Engine, gateway: MemoryGateway) -> None:
    actor, first = with_deposit(shop, gateway)
    rest = balances.pay(shop, actor, rows(shop)["sunset-sail"].id)["payment_id"]  # type: ignore[arg-type]
    cancellations.commit(shop, actor, cancellations.propose(shop, actor, rows(shop)["sunset-sail"].id)["proposal_id"])  # type: ignore[arg-type]
    settle(shop, gateway, rest)
    work(shop)
    assert b.refunds_of(shop.db, rest) == [(6_720, "sent")]
    assert b.payment_row(shop.db, first).refunded == 2_880
    assert gateway.balance() == 0
