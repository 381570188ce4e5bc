"""The catalogue as the rules read it: a listing is a product with everything that decides its availability and price."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

from sqlalchemy import ARRAY, JSON, Connection, Row, Select, String, Table, bindparam, func, select

from core import schema
from core.errors import NotFound

ADULT = "ADULT"


@dataclass(frozen=True, slots=True)
class Start:
    """A start time ("09:00") and the slots of the resource it occupies, all or none."""

    at: str
    occupies: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unit:
    type: str
    min_age: int | None
    max_age: int | None
    pax_count: int
    price_bps: int
    price_amount: int | None


@dataclass(frozen=True, slots=True)
class Rule:
    weekdays: int
    from_date: date | None
    to_date: date | None
    local_start: str
    capacity: int


@dataclass(frozen=True, slots=True)
class Rate:
    id: str
    layer: str
    name: str
    from_date: date | None
    to_date: date | None
    weekdays: int
    amount: int | None
    bps: int | None
    priority: int


@dataclass(frozen=True, slots=True)
class Plan:
    id: str
    model: str
    per: str
    currency: str
    amount: int | None
    rates: tuple[Rate, ...]


@dataclass(frozen=True, slots=True)
class Restriction:
    from_date: date
    to_date: date
    weekdays: int
    min_nights: int | None
    max_nights: int | None
    closed_to_arrival: bool
    closed_to_departure: bool


@dataclass(frozen=True, slots=True)
class Adjustment:
    id: str
    kind: str
    name: str
    threshold: int | None
    bps: int | None
    amount: int | None
    per: str
    code: str | None
    from_date: date | None
    to_date: date | None
    included: bool


@dataclass(frozen=True, slots=True)
class Exception_:
    """A stretch of days on which the usual does not hold; `local_start` "" means every start of the day."""

    scope: str
    scope_id: str
    from_date: date
    to_date: date
    local_start: str
    closed: bool
    capacity: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Option:
    id: str
    title: str
    resource_id: str
    resource_capacity: int | None
    starts: tuple[Start, ...]
    counts: str
    max_pax_each: int | None
    min_nights: int | None
    max_nights: int | None
    units: tuple[Unit, ...]
    plan: Plan
    restrictions: tuple[Restriction, ...]
    rules: tuple[Rule, ...]

    def unit(self, kind: str) -> Unit | None:
        return next((unit for unit in self.units if unit.type == kind), None)


@dataclass(frozen=True, slots=True)
class Listing:
    product: Row[Any]
    provider: Row[Any]
    destination: Row[Any]
    options: tuple[Option, ...]
    adjustments: tuple[Adjustment, ...]
    exceptions: tuple[Exception_, ...]
    tiers: tuple[dict[str, int], ...]

    @property
    def id(self) -> str:
        return str(self.product.id)

    @property
    def is_stay(self) -> bool:
        return bool(self.product.kind == "stay")

    def option(self, option_id: str | None) -> Option:
        """The option with this id, or the first one. Raises NotFound."""
        if not self.options:
            raise NotFound(f"{self.product.title} has nothing to book yet.")
        if option_id is None:
            return self.options[0]
        for option in self.options:
            if option.id == option_id:
                return option
        raise NotFound(f"{self.product.title} has no option {option_id!r}.", options=[o.id for o in self.options])


DEFAULT_TIERS: tuple[dict[str, int], ...] = ({"hours": 24, "refund_bps": 10_000},)


def listings(tx: Connection, product_ids: Iterable[str]) -> dict[str, Listing]:
    """Everything about these products in a fixed number of queries, in the order asked for; unknown ids are left out."""
    wanted = list(dict.fromkeys(product_ids))
    if not wanted:
        return {}
    products = _by_id(tx, schema.product, wanted)
    providers = _by_id(tx, schema.provider, {row.provider_id for row in products.values()})
    destinations = _by_id(tx, schema.destination, {row.destination_id for row in products.values()})
    options = tx.execute(_options(tx.dialect.name), {"ids": wanted}).all()
    option_ids = [row.id for row in options]
    resource_ids = list({row.resource_id for row in options})
    units = _group(tx, schema.unit, "option_id", option_ids)
    plans = {option_id: rows[0] for option_id, rows in _group(tx, schema.rate_plan, "option_id", option_ids).items()}
    rates = _group(tx, schema.rate, "rate_plan_id", [row.id for row in plans.values()])
    restrictions = _group(tx, schema.restriction, "option_id", option_ids)
    rules = _group(tx, schema.availability_rule, "resource_id", resource_ids)
    policies = _by_id(
        tx,
        schema.cancellation_policy,
        {row.cancellation_policy_id for row in (*products.values(), *providers.values()) if row.cancellation_policy_id},
    )
    exceptions = _scoped(tx, schema.availability_exception, [*providers, *wanted, *resource_ids])
    adjustments = _scoped(tx, schema.price_adjustment, [*providers, *wanted])

    made: dict[str, list[Option]] = defaultdict(list)
    for row in options:
        plan = plans.get(row.id)
        if plan is None:
            continue
        made[row.product_id].append(
            Option(
                id=row.id,
                title=row.title,
                resource_id=row.resource_id,
                resource_capacity=row.resource_capacity,
                starts=tuple(Start(s["at"], tuple(s.get("occupies") or [s["at"]])) for s in row.starts),
                counts=row.counts,
                max_pax_each=row.max_pax_each,
                min_nights=row.min_nights,
                max_nights=row.max_nights,
                units=tuple(Unit(u.type, u.min_age, u.max_age, u.pax_count, u.price_bps, u.price_amount) for u in units.get(row.id, ()))
                or (Unit(ADULT, None, None, 1, 10_000, None),),
                plan=Plan(
                    plan.id,
                    plan.model,
                    plan.per,
                    plan.currency,
                    plan.amount,
                    tuple(
                        Rate(r.id, r.layer, r.name, r.from_date, r.to_date, r.weekdays, r.amount, r.bps, r.priority)
                        for r in rates.get(plan.id, ())
                    ),
                ),
                restrictions=tuple(
                    Restriction(r.from_date, r.to_date, r.weekdays, r.min_nights, r.max_nights, r.closed_to_arrival, r.closed_to_departure)
                    for r in restrictions.get(row.id, ())
                ),
                rules=tuple(Rule(r.weekdays, r.from_date, r.to_date, r.local_start, r.capacity) for r in rules.get(row.resource_id, ())),
            )
        )
    found: dict[str, Listing] = {}
    for product_id in wanted:
        product = products.get(product_id)
        if product is None:
            continue
        owner = providers[product.provider_id]
        mine = tuple(made.get(product_id, ()))
        keys = {("PROVIDER", owner.id), ("PRODUCT", product_id), *(("RESOURCE", o.resource_id) for o in mine)}
        policy = policies.get(product.cancellation_policy_id) or policies.get(owner.cancellation_policy_id)
        found[product_id] = Listing(
            product=product,
            provider=owner,
            destination=destinations[product.destination_id],
            options=mine,
            adjustments=tuple(
                Adjustment(a.id, a.kind, a.name, a.threshold, a.bps, a.amount, a.per, a.code, a.from_date, a.to_date, a.included)
                for key in sorted(keys)
                for a in adjustments.get(key, ())
            ),
            exceptions=tuple(
                Exception_(e.scope, e.scope_id, e.from_date, e.to_date, e.local_start, e.closed, e.capacity, e.reason)
                for key in sorted(keys)
                for e in exceptions.get(key, ())
            ),
            tiers=tuple(policy.tiers) if policy is not None else DEFAULT_TIERS,
        )
    return found


def listing(tx: Connection, product_id: str) -> Listing:
    """One published product. Raises NotFound."""
    found = listings(tx, [product_id]).get(product_id)
    if found is None or not found.product.published:
        raise NotFound(f"There is no product {product_id!r}. Search again and use an id from the results.", product_id=product_id)
    return found


def destinations(tx: Connection) -> Sequence[Row[Any]]:
    return tx.execute(select(schema.destination).order_by(schema.destination.c.name)).all()


def given_ids(dialect: str) -> Any:
    """What a column is compared with to be one of the parameter `ids`: one parameter however many there are, since a list that is
    spelled out anew for each number of ids takes longer than the query."""
    if dialect == "sqlite":
        return select(func.json_each(bindparam("ids", type_=JSON)).table_valued("value").c.value)
    return select(func.unnest(bindparam("ids", type_=ARRAY(String))))


@cache
def _options(dialect: str) -> Select[Any]:
    both = schema.option.join(schema.resource, schema.resource.c.id == schema.option.c.resource_id)
    query = select(schema.option, schema.resource.c.capacity.label("resource_capacity")).select_from(both)
    return query.where(schema.option.c.product_id.in_(given_ids(dialect))).order_by(schema.option.c.position, schema.option.c.id)


@cache
def _where(dialect: str, table: Table, column: str) -> Select[Any]:
    """Made once: building a statement takes longer than running it."""
    return select(table).where(table.c[column].in_(given_ids(dialect))).order_by(table.c.id)


@cache
def _where_scoped(dialect: str, table: Table) -> Select[Any]:
    scopes = table.c.scope.in_(("PROVIDER", "PRODUCT", "RESOURCE"))
    return select(table).where(scopes, table.c.scope_id.in_(given_ids(dialect))).order_by(table.c.id)


def _by_id(tx: Connection, table: Table, ids: Iterable[str]) -> dict[str, Row[Any]]:
    wanted = list(ids)
    return {row.id: row for row in tx.execute(_where(tx.dialect.name, table, "id"), {"ids": wanted}).all()} if wanted else {}


def _group(tx: Connection, table: Table, key: str, ids: Sequence[str]) -> dict[str, list[Row[Any]]]:
    grouped: dict[str, list[Row[Any]]] = defaultdict(list)
    if ids:
        for row in tx.execute(_where(tx.dialect.name, table, key), {"ids": ids}).all():
            grouped[getattr(row, key)].append(row)
    return grouped


def _scoped(tx: Connection, table: Table, ids: Sequence[str]) -> dict[tuple[str, str], list[Row[Any]]]:
    """By (scope, id), so that a product and a provider of the same name do not meet."""
    grouped: dict[tuple[str, str], list[Row[Any]]] = defaultdict(list)
    for row in tx.execute(_where_scoped(tx.dialect.name, table), {"ids": ids}).all():
        grouped[(row.scope, row.scope_id)].append(row)
    return grouped
