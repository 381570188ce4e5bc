"""The house rules an operator may change, with the defaults everybody knows from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from core.rates import Rates, read_rates


@dataclass(frozen=True, slots=True)
class Rules:
    """Times, limits and fees. Amounts are minor units of the currency at hand; bps are hundredths of a percent."""

    hold: timedelta = timedelta(minutes=15)
    payment_window: timedelta = timedelta(minutes=31)  # Stripe's minimum is 30
    hold_after_session: timedelta = timedelta(minutes=5)
    pay_after_approval: timedelta = timedelta(hours=23)  # Stripe's maximum is 24 h
    respond_within: timedelta = timedelta(hours=24)
    offer_life: timedelta = timedelta(hours=24)  # how long a counter-offer or quote waits for its answer
    balance_reminders: tuple[timedelta, ...] = (timedelta(days=7), timedelta(days=1), timedelta(0))  # before the balance is due
    balance_grace: timedelta = timedelta(hours=48)  # an unpaid balance ends the booking so long after it was due
    deposit_margin: timedelta = timedelta(hours=24)  # a balance due sooner than this is not worth a second payment
    proposal_life: timedelta = timedelta(minutes=30)
    max_party: int = 50
    max_cart_lines: int = 20
    max_active_bookings: int = 30  # unpaid or waiting, for one account
    max_days_ahead: int = 540
    max_nights: int = 60
    visitor_spending_cap: int = 1_000_000  # 10,000.00 in a two-digit currency
    group_for_person: int = 16  # so many people, and an expert looks at it
    amount_for_person: int = 500_000  # 5,000.00 in a two-digit currency
    unattended_after: timedelta = timedelta(minutes=20)  # after what was promised, or after asking where nothing was
    platform_fee_bps: int = 1200  # where no fee rule says otherwise
    local_calendars: bool = False  # whether a provider's other calendar may be on this very machine; for tests and demos
    local_hooks: bool = False  # whether a webhook may go to this very machine, without TLS; for tests and demos
    partner_ids: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # {partner: {id name: value}}
    rates: Rates = field(default_factory=read_rates)  # for estimates in another currency; RATES_FILE
    model_tokens_a_day: int = 0  # of all conversations together, in 24 hours; then the offline planner answers; 0: no limit
    model_tokens_a_day_each: int = 400_000  # of one conversation
    public_url: str = "http://127.0.0.1:8000"  # DOMAIN_URL: the base of every link that leaves the house
