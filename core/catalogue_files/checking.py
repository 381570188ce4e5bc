"""What records must be to each other and to what is loaded already: references, owners, currencies, shared places."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select

from core import schema
from core.catalogue_files.records import Adjustment, FeeRule, Option, Product, Provider, Resource, place_faults_of
from core.catalogue_files.report import Problems, Progress
from core.catalogue_files.rows import adjustments_back
from core.catalogue_files.spool import Spool, Spooled
from core.db import Database

CHUNK = 500
STAGED = "~"  # the first letter of product.loaded_by while an import stages the product


@dataclass(frozen=True, slots=True)
class ProviderFacts:
    name: str
    currency: str
    adjustments: tuple[Adjustment, ...]  # those that every product of the provider has


@dataclass(frozen=True, slots=True)
class CityFacts:
    name: str
    time_zone: str


@dataclass(frozen=True, slots=True)
class PlaceFacts:
    provider: str
    ruled: frozenset[str]  # the starts its rules name, "" for any


@dataclass(slots=True)
class Known:
    """What there is to refer to: this import's records first, then what is loaded (where a database is at hand)."""

    spool: Spool
    tx: Connection | None
    _providers: dict[str, ProviderFacts | None] = field(default_factory=dict)
    _cities: dict[str, CityFacts | None] = field(default_factory=dict)
    _policies: dict[str, bool] = field(default_factory=dict)

    def provider(self, key: str) -> ProviderFacts | None:
        if key not in self._providers:
            spooled = self.spool.get("provider", key)
            self._providers[key] = _provider_facts(Provider.model_validate_json(spooled.body)) if spooled else self._loaded_provider(key)
        return self._providers[key]

    def _loaded_provider(self, key: str) -> ProviderFacts | None:
        row = self._row(schema.provider, key)
        if row is None or self.tx is None:
            return None
        table = schema.price_adjustment
        query = select(table).where(table.c.scope == "PROVIDER", table.c.scope_id == key).order_by(table.c.id)
        parts = adjustments_back(self.tx.execute(query), row["currency"])
        return ProviderFacts(row["name"], row["currency"], tuple(Adjustment.model_validate(part) for part in parts))

    def city(self, key: str) -> CityFacts | None:
        if key not in self._cities:
            spooled = self.spool.get("destination", key)
            row = json.loads(spooled.body) if spooled else self._row(schema.destination, key)
            self._cities[key] = CityFacts(row["name"], row["time_zone"]) if row else None
        return self._cities[key]

    def policy(self, key: str) -> bool:
        if key not in self._policies:
            self._policies[key] = self.spool.has("policy", key) or bool(self._row(schema.cancellation_policy, key))
        return self._policies[key]

    def place(self, key: str) -> PlaceFacts | None:
        spooled = self.spool.get("resource", key)
        if spooled:
            resource = Resource.model_validate_json(spooled.body)
            return PlaceFacts(resource.provider, frozenset(rule.start or "" for rule in resource.rules))
        row = self._row(schema.resource, key)
        if row is None or self.tx is None:
            return None
        rules = schema.availability_rule
        ruled = self.tx.execute(select(rules.c.local_start).where(rules.c.resource_id == key)).scalars()
        return PlaceFacts(row["provider_id"], frozenset(ruled))

    def _row(self, table: Any, key: str) -> dict[str, Any] | None:
        if self.tx is None:
            return None
        row = self.tx.execute(select(table).where(table.c.id == key)).one_or_none()
        return dict(row._mapping) if row else None


def _provider_facts(record: Provider) -> ProviderFacts:
    return ProviderFacts(record.name, record.currency, tuple(record.adjustments))


@contextmanager
def known(spool: Spool, db: Database | None) -> Iterator[Known]:
    if db is None:
        yield Known(spool, None)
        return
    with db.read() as tx:
        yield Known(spool, tx)


def cross_check(spool: Spool, problems: Problems, db: Database | None, source: str, progress: Progress) -> None:
    """Everything that takes more than one record to see."""
    with known(spool, db) as world:
        checks = _Checks(world, spool, problems, source)
        for chunk in spool.chunks("provider", CHUNK):
            for one in chunk:
                checks.provider(one)
        for chunk in spool.chunks("resource", CHUNK):
            for one in chunk:
                checks.resource(one)
        total, done = spool.count("product"), 0
        for chunk in spool.chunks("product", CHUNK):
            checks.owners(chunk)
            for one in chunk:
                checks.product(one)
            done += len(chunk)
            progress("checking", done, total)
        for chunk in spool.chunks("fee_rule", CHUNK):
            for one in chunk:
                checks.fee_rule(one)


class _Checks:
    def __init__(self, world: Known, spool: Spool, problems: Problems, source: str) -> None:
        self._world, self._spool, self._problems, self._source = world, spool, problems, source
        self._modes: dict[str, tuple[str, str]] = {}  # shared resource -> availability mode and the product that set it
        self._fees: dict[tuple[str, str, str | None], str] = {}

    def _add(self, one: Spooled, field: str, expected: str, found: Any) -> None:
        self._problems.add(*one.place(field), expected, found)

    def _missing(self, one: Spooled, field: str, kind: str, key: str) -> None:
        if not self._spool.is_broken(kind, key):
            self._add(one, field, f"the id of a {kind}", key)

    def provider(self, one: Spooled) -> None:
        record = Provider.model_validate_json(one.body)
        if record.policy and not self._world.policy(record.policy):
            self._missing(one, "policy", "policy", record.policy)

    def resource(self, one: Spooled) -> None:
        record = Resource.model_validate_json(one.body)
        if self._world.provider(record.provider) is None:
            self._missing(one, "provider", "provider", record.provider)

    def owners(self, chunk: Sequence[Spooled]) -> None:
        """A product belongs to the set of files that brought it, and only that set may change it."""
        if self._world.tx is None:
            return
        product, by_id = schema.product, {one.id: one for one in chunk}
        for row in self._world.tx.execute(select(product.c.id, product.c.loaded_by).where(product.c.id.in_(list(by_id)))):
            if row.loaded_by not in ("", self._source) and not row.loaded_by.startswith(STAGED):
                want = f"an id that no other source has; import it as source {row.loaded_by!r}, or choose another id"
                self._add(by_id[row.id], "id", want, row.id)

    def product(self, one: Spooled) -> None:
        record = Product.model_validate_json(one.body)
        owner = self._world.provider(record.provider)
        if owner is None:
            self._missing(one, "provider", "provider", record.provider)
        if self._world.city(record.destination) is None:
            self._missing(one, "destination", "destination", record.destination)
        if record.policy and not self._world.policy(record.policy):
            self._missing(one, "policy", "policy", record.policy)
        currency = record.currency or (owner.currency if owner else None)
        for field_, expected, found in record.faults_in(currency) if currency else ():
            self._add(one, field_, expected, found)
        for at, option in enumerate(record.options):
            self._places(one, record, f"options[{at}]", option)

    def _places(self, one: Spooled, record: Product, path: str, option: Option) -> None:
        if option.resource is None:
            if self._spool.has("resource", record.gid(option)):
                self._add(one, f"{path}.id", "an option id that makes no resource id; there is a resource of this name", record.gid(option))
            return
        place = self._world.place(option.resource)
        if place is None:
            self._missing(one, f"{path}.resource", "resource", option.resource)
            return
        if place.provider != record.provider:
            self._add(one, f"{path}.resource", f"a resource of {record.provider}", f"{option.resource} of {place.provider}")
        mode, first = self._modes.setdefault(option.resource, (record.availability_mode, record.id))
        if mode != record.availability_mode:
            want = f"{mode}, as {first} has it, because both sell the resource {option.resource}"
            self._add(one, "availability_mode", want, record.availability_mode)
        for field_, expected, found in place_faults_of(record.availability_mode, option.labels, set(place.ruled), "resource"):
            self._add(one, f"{path}.{field_}", expected, found)

    def fee_rule(self, one: Spooled) -> None:
        record = FeeRule.model_validate_json(one.body)
        if record.scope == "PROVIDER" and record.of and self._world.provider(record.of) is None:
            self._missing(one, "of", "provider", record.of)
        first = self._fees.setdefault((record.party, record.scope, record.of), record.id)
        if first != record.id:
            self._add(
                one,
                "scope",
                f"a rule of its own; {first} says what is taken here",
                f"{record.party} {record.scope} {record.of or ''}".strip(),
            )
