"""Records into table rows and back. Ids of nested rows are made from their owner and their place in the file, so the same
file always gives the same rows, and what a yearly stretch was laid out into can be folded up again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import Table

from core import schema
from core.catalogue_files import notation
from core.catalogue_files.records import Adjustment, Closing, Destination, FeeRule, Option, Policy, Product, Provider, Resource, Rule
from core.money import Money, exponent, percent

SOURCE = "catalogue"  # of availability exceptions that a file gave; those a provider entered are not touched
Row = dict[str, Any]


@dataclass(slots=True)
class Rows:
    """Rows by table, in the order in which they can be inserted."""

    tables: dict[Table, list[Row]] = field(default_factory=dict)

    def add(self, table: Table, rows: Iterable[Row]) -> None:
        self.tables.setdefault(table, []).extend(rows)

    def join(self, other: Rows) -> None:
        for table, rows in other.tables.items():
            self.add(table, rows)


ORDER = (
    schema.destination,
    schema.cancellation_policy,
    schema.provider,
    schema.resource,
    schema.product,
    schema.option,
    schema.availability_rule,
    schema.availability_exception,
    schema.unit,
    schema.rate_plan,
    schema.rate,
    schema.restriction,
    schema.price_adjustment,
    schema.fee_rule,
)


def destination_row(record: Destination) -> Row:
    return record.model_dump(exclude={"type"})


def policy_row(record: Policy) -> Row:
    return {"id": record.id, "name": record.name, "tiers": record.tiers}


def fee_row(record: FeeRule) -> Row:
    return {
        "id": record.id,
        "party": record.party,
        "scope": record.scope,
        "scope_id": record.of or "",
        "bps": _bps(record.percent),
        "amount": record.amount_minor,
        "min_amount": record.min_minor,
        "max_amount": record.max_minor,
    }


def provider_row(record: Provider) -> Row:
    """Without what is not the file's: `accepting` where the file does not say it."""
    row: Row = {
        "id": record.id,
        "name": record.name,
        "email": record.email,
        "phone": record.phone,
        "time_zone": record.time_zone,
        "country": record.country or "",
        "currency": record.currency,
        "respond_hours": record.respond_hours,
        "payout_delay_hours": record.payout_delay_hours,
        "cancellation_policy_id": record.policy,
        "deposit_bps": _bps(record.deposit_percent),
        "deposit_amount": _minor(record.deposit, record.currency),
        "balance_days": record.balance_days,
        "card_hold": record.card_hold,
        "about": record.about,
    }
    return row if record.accepting is None else {**row, "accepting": record.accepting}


def provider_parts(record: Provider, year: int) -> Rows:
    rows = Rows()
    rows.add(schema.availability_exception, _closings("PROVIDER", record.id, record.exceptions, year))
    rows.add(schema.price_adjustment, _adjustments("PROVIDER", record.id, record.adjustments, record.currency, year))
    return rows


def resource_row(record: Resource) -> Row:
    return {"id": record.id, "provider_id": record.provider, "name": record.name, "capacity": record.capacity}


def resource_parts(record: Resource | Option, resource_id: str, year: int) -> Rows:
    rows = Rows()
    rows.add(schema.availability_rule, _rules(resource_id, record.rules, year))
    rows.add(schema.availability_exception, _closings("RESOURCE", resource_id, record.exceptions, year))
    return rows


def product_row(record: Product, *, currency: str, zone: str, of_provider: Sequence[Adjustment]) -> Row:
    """Without `published`, which the loader decides, and without `accepting` where the file does not say it."""
    deposit = record.deposit_percent
    row: Row = {
        "id": record.id,
        "provider_id": record.provider,
        "destination_id": record.destination,
        "kind": record.kind,
        "title": record.title,
        "summary": record.summary,
        "description": record.description,
        "tags": record.tags,
        "booking_type": record.booking_type,
        "availability_mode": record.availability_mode,
        "currency": currency,
        "time_zone": zone,
        "from_amount": from_amount(record, currency, of_provider),
        "max_party": record.max_party,
        "min_party": record.min_party,
        "min_age": record.min_age,
        "duration_minutes": record.duration_minutes,
        "lead_hours": record.lead_hours,
        "pay_at_provider": record.pay_at_provider,
        "deposit_bps": None if deposit is None else _bps(deposit),
        "deposit_amount": _minor(record.deposit, currency),
        "balance_days": record.balance_days,
        "cancellation_policy_id": record.policy,
        "meeting_point": record.meeting_point,
        "latitude": record.latitude,
        "longitude": record.longitude,
        "rating_tenths": None if record.rating is None else int(record.rating * 10),
        "rating_count": record.rating_count,
        "rating_source": record.rating_source,
        "external_url": record.external_url,
        "picture": record.picture or "",
    }
    return row if record.accepting is None else {**row, "accepting": record.accepting}


def option_rows(record: Product) -> Iterator[Row]:
    for position, option in enumerate(record.options):
        gid = record.gid(option)
        yield {
            "id": gid,
            "product_id": record.id,
            "resource_id": option.resource or gid,
            "title": option.title,
            "position": position,
            "starts": option.starts,
            "counts": option.counts,
            "max_pax_each": option.max_pax_each,
            "min_nights": option.min_nights,
            "max_nights": option.max_nights,
        }


def own_resource_rows(record: Product) -> Iterator[Row]:
    for option in record.options:
        if option.resource is None:
            gid = record.gid(option)
            name = f"{record.title}: {option.title}"[:200]
            yield {"id": gid, "provider_id": record.provider, "name": name, "capacity": option.capacity}


def product_parts(record: Product, currency: str, year: int) -> Rows:
    """Everything below the options, and the product's own adjustments and exceptions."""
    rows = Rows()
    for option in record.options:
        gid = record.gid(option)
        if option.resource is None:
            rows.join(resource_parts(option, gid, year))
        plan = _key("plan", gid)
        rows.add(schema.unit, _units(gid, option, currency))
        rows.add(
            schema.rate_plan,
            [
                {
                    "id": plan,
                    "option_id": gid,
                    "model": option.model,
                    "per": option.per,
                    "currency": currency,
                    "amount": _minor(option.price, currency),
                }
            ],
        )
        rows.add(schema.rate, _rates(plan, option, currency, year))
        rows.add(schema.restriction, _restrictions(gid, option, year))
    rows.add(schema.availability_exception, _closings("PRODUCT", record.id, record.exceptions, year))
    rows.add(schema.price_adjustment, _adjustments("PRODUCT", record.id, record.adjustments, currency, year))
    return rows


def from_amount(record: Product, currency: str, of_provider: Sequence[Adjustment]) -> int | None:
    """The least one adult may pay before discounts, with the extras and taxes that come on top; for stays a night."""
    cheapest: int | None = None
    for option in record.options:
        base = _minor(option.price, currency)
        if base is None:
            continue
        amounts = [base]
        for rate in option.rates:
            moved = _minor(rate.amount, currency)
            amounts.append(moved if moved is not None else base + percent(base, _bps(rate.percent or Decimal(0))))
        least = max(0, min(amounts))
        cheapest = least if cheapest is None else min(cheapest, least)
    if cheapest is None:
        return None
    by_the_stay = ("BOOKING", "PERSON") if record.kind == "stay" else ()  # no part of the price of a night
    for kind in ("extra", "tax"):
        added = 0
        for one in (*record.adjustments, *of_provider):
            if one.kind != kind or one.included or one.from_ or one.to:
                continue
            if one.percent is not None:
                added += percent(cheapest, _bps(one.percent))
            elif one.per not in by_the_stay:
                added += _minor(one.amount, currency) or 0
        cheapest += added
    return cheapest


def text_of(record: Product, *, city: str, provider: str) -> dict[str, str]:
    """What the search index reads of a product."""
    options = " ".join(option.title for option in record.options)
    return {
        "product_id": record.id,
        "destination_id": record.destination,
        "kind": record.kind,
        "title": record.title,
        "tags": " ".join([*record.tags, record.kind]),
        "body": " ".join([record.summary, record.description, options, city, provider, record.meeting_point]),
    }


# rows of nested parts


def _key(kind: str, owner: str) -> str:
    return hashlib.blake2b(f"{kind}|{owner}".encode(), digest_size=12).hexdigest()


def _laid_out(kind: str, owner: str, parts: Sequence[Any], year: int) -> Iterator[tuple[str, Any, date | None, date | None]]:
    """(row id, part, from, to) for every time every part comes round."""
    key = _key(kind, owner)
    for at, part in enumerate(parts):
        last = part.to if part.to is not None or not isinstance(part, Closing) else part.from_
        for which, first_day, last_day in notation.stretches(part.from_, last, year):
            yield f"{key}-{at:04d}" + (f"-y{which}" if which is not None else ""), part, first_day, last_day


def _rules(resource_id: str, rules: Sequence[Rule], year: int) -> Iterator[Row]:
    for key, rule, first, last in _laid_out("rule", resource_id, rules, year):
        yield {
            "id": key,
            "resource_id": resource_id,
            "weekdays": rule.weekdays,
            "from_date": first,
            "to_date": last,
            "local_start": rule.start or "",
            "capacity": rule.capacity,
        }


def _closings(scope: str, owner: str, closings: Sequence[Closing], year: int) -> Iterator[Row]:
    for key, closing, first, last in _laid_out(f"closing {scope}", owner, closings, year):
        yield {
            "id": key,
            "scope": scope,
            "scope_id": owner,
            "from_date": first,
            "to_date": last,
            "local_start": closing.start or "",
            "closed": closing.closed if closing.closed is not None else closing.capacity is None,
            "capacity": closing.capacity,
            "reason": closing.reason,
            "source": SOURCE,
        }


def _adjustments(scope: str, owner: str, adjustments: Sequence[Adjustment], currency: str, year: int) -> Iterator[Row]:
    for key, one, first, last in _laid_out(f"adjustment {scope}", owner, adjustments, year):
        yield {
            "id": key,
            "scope": scope,
            "scope_id": owner,
            "kind": one.kind,
            "name": one.name,
            "threshold": one.threshold,
            "bps": None if one.percent is None else _bps(one.percent),
            "amount": _minor(one.amount, currency),
            "per": one.per,
            "code": one.code,
            "from_date": first,
            "to_date": last,
            "included": one.included,
        }


def _units(gid: str, option: Option, currency: str) -> Iterator[Row]:
    key = _key("unit", gid)
    for unit in option.units:
        yield {
            "id": f"{key}-{unit.type}",  # one of each type: by its place it could meet another that moves
            "option_id": gid,
            "type": unit.type,
            "min_age": unit.min_age,
            "max_age": unit.max_age,
            "pax_count": unit.pax_count,
            "price_bps": 10_000 if unit.percent is None else _bps(unit.percent),
            "price_amount": _minor(unit.amount, currency),
        }


def _rates(plan: str, option: Option, currency: str, year: int) -> Iterator[Row]:
    for key, rate, first, last in _laid_out("rate", plan, option.rates, year):
        yield {
            "id": key,
            "rate_plan_id": plan,
            "layer": rate.in_layer,
            "name": rate.name,
            "from_date": first,
            "to_date": last,
            "weekdays": rate.weekdays,
            "amount": _minor(rate.amount, currency),
            "bps": None if rate.percent is None else _bps(rate.percent),
            "priority": rate.priority,
        }


def _restrictions(gid: str, option: Option, year: int) -> Iterator[Row]:
    whole_year = [r if r.from_ or r.to else r.model_copy(update={"from_": "01-01", "to": "12-31"}) for r in option.restrictions]
    for key, one, first, last in _laid_out("restriction", gid, whole_year, year):
        yield {
            "id": key,
            "option_id": gid,
            "from_date": first,
            "to_date": last,
            "weekdays": one.weekdays,
            "min_nights": one.min_nights,
            "max_nights": one.max_nights,
            "closed_to_arrival": one.closed_to_arrival,
            "closed_to_departure": one.closed_to_departure,
        }


def _bps(share: Decimal) -> int:
    return int(share * 100)


def _minor(amount: Decimal | None, currency: str) -> int | None:
    return None if amount is None else Money.of(amount, currency).minor


# and back


def major(minor: int | None, currency: str) -> str | None:
    return None if minor is None else notation.plain(Decimal(minor).scaleb(-exponent(currency)))


def share(bps: int | None) -> str | None:
    return None if bps is None else notation.plain(Decimal(bps) / 100)


def folded(rows: Iterable[Any]) -> Iterator[tuple[Any, str | None, str | None]]:
    """(row, from, to) with the years of a yearly stretch folded back into MM-DD; rows come in the order of their ids."""
    seen: set[str] = set()
    for row in rows:
        head, mark, year = row.id.rpartition("-y")
        if not (mark and year.isdigit()):
            yield row, _iso(row.from_date), _iso(row.to_date)
        elif head not in seen:
            seen.add(head)
            yield row, f"{row.from_date:%m-%d}", f"{row.to_date:%m-%d}"


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day else None


def rules_back(rows: Iterable[Any]) -> list[Row]:
    return [
        bare(
            {
                "from": first,
                "to": last,
                "weekdays": notation.write_weekdays(r.weekdays),
                "start": r.local_start or None,
                "capacity": r.capacity,
            }
        )
        for r, first, last in folded(rows)
    ]


def closings_back(rows: Iterable[Any]) -> list[Row]:
    return [
        bare(
            {
                "from": first,
                "to": last if last != first else None,
                "start": r.local_start or None,
                "closed": None if r.closed == (r.capacity is None) else r.closed,
                "capacity": r.capacity,
                "reason": r.reason,
            }
        )
        for r, first, last in folded(rows)
    ]


def adjustments_back(rows: Iterable[Any], currency: str) -> list[Row]:
    return [
        bare(
            {
                "from": first,
                "to": last,
                "kind": r.kind,
                "name": r.name,
                "threshold": r.threshold,
                "percent": share(r.bps),
                "amount": major(r.amount, currency),
                "per": r.per,
                "code": r.code,
                "included": r.included,
            }
        )
        for r, first, last in folded(rows)
    ]


def option_back(
    row: Any,
    *,
    resource: Any,
    plan: Any,
    rates: Iterable[Any],
    units: Iterable[Any],
    restrictions: Iterable[Any],
    rules: Iterable[Any],
    closings: Iterable[Any],
) -> Row:
    own = row.resource_id == row.id
    rate_rows = [
        bare(
            {
                "from": first,
                "to": last,
                "layer": None if r.layer == ("SEASON" if first or last else "WEEKDAY") else r.layer,
                "name": r.name,
                "weekdays": notation.write_weekdays(r.weekdays),
                "amount": major(r.amount, plan.currency),
                "percent": share(r.bps),
                "priority": r.priority,
            }
        )
        for r, first, last in folded(rates)
    ]
    derived = "QUOTE" if plan.amount is None else "DYNAMIC" if rate_rows else "FIXED"
    return bare(
        {
            "id": row.id.rpartition(".")[2],
            "title": row.title,
            "resource": None if own else row.resource_id,
            "capacity": resource.capacity if own else None,
            "rules": rules_back(rules) if own else [],
            "exceptions": closings_back(closings) if own else [],
            "starts": notation.write_starts([{"at": s["at"], "occupies": s.get("occupies") or [s["at"]]} for s in row.starts]),
            "counts": row.counts,
            "max_pax_each": row.max_pax_each,
            "min_nights": row.min_nights,
            "max_nights": row.max_nights,
            "pricing": None if plan.model == derived else plan.model,
            "per": plan.per,
            "price": major(plan.amount, plan.currency),
            "rates": rate_rows,
            "units": [
                bare(
                    {
                        "type": u.type,
                        "min_age": u.min_age,
                        "max_age": u.max_age,
                        "pax_count": u.pax_count,
                        "percent": None if u.price_amount is not None or u.price_bps == 10_000 else share(u.price_bps),
                        "amount": major(u.price_amount, plan.currency),
                    }
                )
                for u in units
            ],
            "restrictions": [
                bare(
                    {
                        "from": first,
                        "to": last,
                        "weekdays": notation.write_weekdays(r.weekdays),
                        "min_nights": r.min_nights,
                        "max_nights": r.max_nights,
                        "closed_to_arrival": r.closed_to_arrival,
                        "closed_to_departure": r.closed_to_departure,
                    }
                )
                for r, first, last in folded(restrictions)
            ],
        }
    )


def product_back(row: Any, provider: Any, destination: Any, options: list[Row], adjustments: Iterable[Any], closings: Iterable[Any]) -> Row:
    return bare(
        {
            "id": row.id,
            "provider": row.provider_id,
            "destination": row.destination_id,
            "kind": row.kind,
            "title": row.title,
            "summary": row.summary,
            "description": row.description,
            "tags": list(row.tags),
            "booking_type": row.booking_type,
            "availability_mode": row.availability_mode,
            "accepting": None if row.accepting else False,
            "published": row.published,
            "currency": None if row.currency == provider.currency else row.currency,
            "time_zone": None if row.time_zone == destination.time_zone else row.time_zone,
            "min_party": row.min_party,
            "max_party": row.max_party,
            "min_age": row.min_age,
            "duration_minutes": row.duration_minutes,
            "lead_hours": row.lead_hours,
            "pay_at_provider": row.pay_at_provider,
            "deposit_percent": share(row.deposit_bps),
            "deposit": major(row.deposit_amount, row.currency),
            "balance_days": row.balance_days,
            "policy": row.cancellation_policy_id,
            "meeting_point": row.meeting_point,
            "latitude": row.latitude,
            "longitude": row.longitude,
            "rating": None if row.rating_tenths is None else notation.plain(Decimal(row.rating_tenths) / 10),
            "rating_count": row.rating_count,
            "rating_source": row.rating_source,
            "external_url": row.external_url,
            "picture": row.picture or None,
            "options": options,
            "adjustments": adjustments_back(adjustments, row.currency),
            "exceptions": closings_back(closings),
        }
    )


def provider_back(row: Any, adjustments: Iterable[Any], closings: Iterable[Any]) -> Row:
    return bare(
        {
            "id": row.id,
            "name": row.name,
            "email": row.email,
            "phone": row.phone,
            "time_zone": row.time_zone,
            "country": row.country or None,
            "currency": row.currency,
            "accepting": None if row.accepting else False,
            "respond_hours": row.respond_hours,
            "payout_delay_hours": row.payout_delay_hours,
            "policy": row.cancellation_policy_id,
            "deposit_percent": share(row.deposit_bps),
            "deposit": major(row.deposit_amount, row.currency),
            "balance_days": row.balance_days,
            "card_hold": row.card_hold or None,
            "about": row.about,
            "adjustments": adjustments_back(adjustments, row.currency),
            "exceptions": closings_back(closings),
        }
    )


def bare(row: Mapping[str, Any]) -> Row:
    """Without what says nothing; `records` drops what equals its default."""
    return {name: value for name, value in row.items() if value is not None and value != "" and value != []}
