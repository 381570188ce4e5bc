"""A provider changes what something costs; the answer shows what three sample parties pay from now on.

What lies in a cart is checked again before it is booked, and what is booked keeps the price it was sold at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Connection, delete, insert, update

from core import availability, pricing
from core.availability import Ask
from core.catalogue import ADULT, Listing, listing
from core.db import announce
from core.engine import Actor, Engine, new_id
from core.errors import Invalid, NotFound, Refused
from core.fees import platform_fee
from core.schema import audit_log, product, rate, rate_plan
from core.settings import Rules

SAMPLES = (1, 2, 4)


@dataclass(frozen=True, slots=True)
class NewRate:
    """One rate as a provider writes it: another base (`amount`, minor units) or a move of it (`bps`), not both."""

    layer: str
    name: str
    start: date | None
    end: date | None
    weekdays: int
    amount: int | None
    bps: int | None
    priority: int = 0


def change(
    engine: Engine,
    actor: Actor,
    product_id: str,
    *,
    option_id: str | None = None,
    amount: int | None = None,
    rates: Sequence[NewRate] | None = None,
) -> dict[str, Any]:
    """Set the base price and, where given, all rates of one option; audited. Raises NotFound, Invalid, Refused for quotes."""
    now = engine.clock()
    if amount is None and rates is None:
        raise Invalid("amount", "Say what should change: the base amount, the rates, or both.")
    for at, one in enumerate(rates or ()):
        if (one.amount is None) == (one.bps is None):
            raise Invalid(f"rates[{at}].amount", "A rate is either an amount or a percentage of the base.")
        if one.layer != "WEEKDAY" and not (one.start and one.end and one.start <= one.end):
            raise Invalid(f"rates[{at}].to", "A season or a date needs its first and last day, in this order.")
    with engine.db.write() as tx:
        listed = listing(tx, product_id)
        if listed.provider.id not in actor.provider_ids:
            raise NotFound("This provider has no such product.")
        option = listed.option(option_id)
        if option.plan.model == "QUOTE":
            raise Refused("This is priced on request; it has no list price to change.")
        model = option.plan.model if rates is None else ("DYNAMIC" if rates else "FIXED")
        base = option.plan.amount if amount is None else amount
        tx.execute(update(rate_plan).where(rate_plan.c.id == option.plan.id).values(amount=base, model=model))
        if rates is not None:
            tx.execute(delete(rate).where(rate.c.rate_plan_id == option.plan.id))
            if rates:
                tx.execute(
                    insert(rate),
                    [
                        {
                            "id": new_id(),
                            "rate_plan_id": option.plan.id,
                            "layer": one.layer,
                            "name": one.name,
                            "from_date": one.start,
                            "to_date": one.end,
                            "weekdays": one.weekdays,
                            "amount": one.amount,
                            "bps": one.bps,
                            "priority": one.priority,
                        }
                        for one in rates
                    ],
                )
        tx.execute(
            insert(audit_log).values(
                at=now,
                actor_id=actor.account_id,
                role=actor.role,
                channel=actor.channel,
                verb="change_prices",
                subject=option.id,
                detail={"before": option.plan.amount, "after": base, "rates": None if rates is None else len(rates)},
            )
        )
        fresh = listing(tx, product_id)
        tx.execute(update(product).where(product.c.id == product_id).values(from_amount=_from(fresh)))
        announce(tx, "provider", listed.provider.id)
        shown = samples(tx, engine.rules, fresh, option.id, now.astimezone(availability.zone(fresh)).date())
    return {"product": product_id, "option": option.id, "currency": option.plan.currency, "samples": shown}


def _from(listed: Listing) -> int | None:
    """The cheapest base of any option, for "from" prices."""
    bases = [one.plan.amount for one in listed.options if one.plan.amount is not None]
    return min(bases, default=None)


def samples(tx: Connection, rules: Rules, listed: Listing, option_id: str, today: date) -> list[dict[str, Any]]:
    """What one, two and four adults pay a week from now (stays: for two nights), with the lines and how it is split.

    "fee" is the platform's part and "payout" what the provider receives of the total, taxes included; minor units.
    """
    option = listed.option(option_id)
    day = today + timedelta(days=7)
    end = day + timedelta(days=2) if listed.is_stay else None
    start = option.starts[0].at if option.starts else ""
    shown = []
    for people in SAMPLES:
        priced = pricing.price(listed, Ask(listed.id, option.id, day, end, start, {ADULT: people}), today=today)
        fee = platform_fee(tx, rules, provider_id=listed.provider.id, kind=listed.product.kind, amount=priced.total, tax=priced.tax)
        shown.append(
            {
                "party": people,
                "date": day.isoformat(),
                "total": priced.total,
                "fee": fee,
                "payout": priced.total - fee,
                "lines": [line.as_json() for line in priced.lines],
            }
        )
    return shown
