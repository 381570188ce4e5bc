"""The records of a catalogue file, as a person writes them: six types, with what belongs to them nested inside.

Amounts are decimals in the currency's own units ("42.50", 3800), shares are percent, days are ISO or yearly. What one
value must be is in its type; what values must be to each other is in `faults`, which lists every fault and not the first.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from itertools import combinations
from typing import Annotated, Any, ClassVar, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, StringConstraints

from core.catalogue_files import notation
from core.catalogue_files.notation import EVERY_DAY, expected
from core.errors import Invalid
from core.money import Money, exponent

Fault = tuple[str, str, Any]  # field, what was expected, what was found


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _zone(value: str) -> str:
    if value not in _zones():
        raise expected("an IANA time zone such as Europe/Lisbon")
    return value


def _currency(value: str) -> str:
    try:
        exponent(value)
    except Invalid as error:
        raise expected("a currency we carry, as an ISO code such as EUR, USD or JPY") from error
    return value


def _two_places(value: Decimal) -> Decimal:
    if not value.is_finite() or value != round(value, 2):
        raise expected("a percentage with two decimals at most")
    return value


def _amount(value: Decimal) -> Decimal:
    if not value.is_finite() or abs(value) >= 10**11:
        raise expected("an amount such as 42.50")
    return value


def _https(value: str) -> str:
    if not value.startswith("https://") or " " in value or len(value) < 12:
        raise expected("an address that starts with https://")
    return value


SLUG = r"^[a-z0-9]+([._-][a-z0-9]+)*$"
Id = Annotated[str, StringConstraints(pattern=SLUG, max_length=64)]
ProductId = Annotated[str, StringConstraints(pattern=SLUG, max_length=42)]
OptionId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=20)]
Text200 = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Zone = Annotated[str, AfterValidator(_zone)]
Currency = Annotated[str, AfterValidator(_currency)]
Amount = Annotated[Decimal, AfterValidator(_amount), PlainSerializer(notation.plain)]
Percent = Annotated[Decimal, AfterValidator(_two_places), PlainSerializer(notation.plain)]
Weekdays = Annotated[int, BeforeValidator(notation.read_weekdays), PlainSerializer(notation.write_weekdays)]
Day = Annotated[str, BeforeValidator(notation.read_day)]
Time = Annotated[str, BeforeValidator(notation.read_time)]
Starts = Annotated[list[dict[str, Any]], BeforeValidator(notation.read_starts), PlainSerializer(notation.write_starts)]
Tiers = Annotated[list[dict[str, int]], BeforeValidator(notation.read_tiers), PlainSerializer(notation.write_tiers)]
Words = Annotated[list[Annotated[str, StringConstraints(min_length=1, max_length=80)]], BeforeValidator(notation.read_list)]
Web = Annotated[str, StringConstraints(max_length=500), AfterValidator(_https)]
Picture = Annotated[str, StringConstraints(pattern=r"^([a-z0-9-]+\.(svg|jpg|png|webp)|https://\S+)$", max_length=300)]
Latitude = Annotated[float, Field(ge=-90, le=90)]
Longitude = Annotated[float, Field(ge=-180, le=180)]
Count = Annotated[int, Field(ge=0, le=1_000_000)]
Some = Annotated[int, Field(ge=1, le=1_000_000)]
Age = Annotated[int, Field(ge=0, le=120)]
Code = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9_-]{2,40}$", to_upper=True)]


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, populate_by_name=True)

    def written(self) -> dict[str, Any]:
        """As it stands in a file: what equals its default is left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)


class _Stretch(_Row):
    """Days on which something holds. MM-DD comes round every year; then both ends are yearly."""

    from_: Day | None = Field(None, alias="from")
    to: Day | None = None

    def stretch_faults(self, *, bounded: bool = False) -> Iterator[Fault]:
        if self.from_ and self.to:
            if notation.is_yearly(self.from_) != notation.is_yearly(self.to):
                yield "to", "the same form as `from`: two days such as 2027-06-15, or two yearly ones such as 06-15", self.to
            elif self.to < self.from_ and not notation.is_yearly(self.to):
                yield "to", f"a day on or after {self.from_}", self.to
        elif bounded and not (self.from_ and self.to):
            yield ("to" if self.from_ else "from"), "a day, because both ends are needed here", None


class Rule(_Stretch):
    """Places by weekly rule (INVENTORY): on these weekdays, at this start ("" or left out: every start), so many."""

    weekdays: Weekdays = EVERY_DAY
    start: Time | None = None
    capacity: Count


class Closing(_Stretch):
    """Days on which the usual does not hold: closed, or another capacity. Without `to` it is one day."""

    from_: Day = Field(alias="from")
    start: Time | None = None
    closed: bool | None = None
    capacity: Count | None = None
    reason: Annotated[str, StringConstraints(max_length=200)] = ""

    def faults(self) -> Iterator[Fault]:
        yield from self.stretch_faults()
        if self.closed and self.capacity is not None:
            yield "capacity", "nothing where closed is true", self.capacity
        if self.closed is False and self.capacity is None:
            yield "capacity", "a number of places where closed is false", None


class Unit(_Row):
    """Whom a price is for. Its own amount, or percent of the adult price."""

    type: Literal["ADULT", "YOUTH", "CHILD", "INFANT", "FAMILY", "SENIOR", "STUDENT", "MILITARY", "OTHER"]
    min_age: Age | None = None
    max_age: Age | None = None
    pax_count: Annotated[int, Field(ge=0, le=50)] = 1
    percent: Annotated[Percent, Field(ge=0, le=1000)] | None = None
    amount: Annotated[Amount, Field(ge=0)] | None = None


class Rate(_Stretch):
    """Another base price on some days. DATE beats SEASON beats WEEKDAY; inside a layer priority, then the shorter stretch."""

    layer: Literal["DATE", "SEASON", "WEEKDAY"] | None = None
    name: Annotated[str, StringConstraints(max_length=80)] = ""
    weekdays: Weekdays = EVERY_DAY
    amount: Annotated[Amount, Field(ge=0)] | None = None
    percent: Annotated[Percent, Field(gt=-100, le=1000)] | None = None
    priority: Annotated[int, Field(ge=-1000, le=1000)] = 0

    @property
    def in_layer(self) -> str:
        return self.layer or ("SEASON" if self.from_ or self.to else "WEEKDAY")


class Restriction(_Stretch):
    """Rules on arrival days of a stay. Without days it holds all year round."""

    weekdays: Weekdays = EVERY_DAY
    min_nights: Some | None = None
    max_nights: Some | None = None
    closed_to_arrival: bool = False
    closed_to_departure: bool = False


class Adjustment(_Stretch):
    """What moves a price: discounts (below zero), promo codes, mandatory extras and taxes."""

    kind: Literal["length_of_stay", "early_bird", "last_minute", "group", "promo", "extra", "tax"]
    name: Annotated[str, StringConstraints(max_length=80)] = ""
    threshold: Count | None = None
    percent: Percent | None = None
    amount: Amount | None = None
    per: Literal["BOOKING", "PERSON", "NIGHT", "PERSON_NIGHT"] = "BOOKING"
    code: Code | None = None
    included: bool = False

    def faults(self, currency: str) -> Iterator[Fault]:
        yield from self.stretch_faults()
        yield from _money_faults(currency, amount=self.amount)
        if (self.percent is None) == (self.amount is None):
            yield "amount", "either an amount or a percent", None if self.amount is None else self.amount
        adds = self.kind in ("extra", "tax")
        for name, value in (("percent", self.percent), ("amount", self.amount)):
            if value is not None and adds and value < 0:
                yield name, f"zero or more, because a {self.kind} adds to the price", value
            if value is not None and not adds and (value >= 0 or (name == "percent" and value < -100)):
                yield name, "below zero and not under -100 percent: a discount of 10 percent is -10", value
        if self.kind in ("length_of_stay", "early_bird", "last_minute", "group") and self.threshold is None:
            yield "threshold", "nights, days ahead or people from which it counts", None
        if (self.kind == "promo") != (self.code is not None):
            yield "code", "a code such as WELCOME10, with kind promo and only there", self.code
        if not self.name and adds:
            yield "name", "a name the traveler sees on the price line", None
        if self.included and (self.kind != "tax" or self.percent is None):
            yield "included", "true only for a tax in percent", True


class Destination(_Row):
    type: Literal["destination"] = "destination"
    id: Id
    name: Annotated[str, StringConstraints(min_length=1, max_length=120)]
    country: Annotated[str, StringConstraints(min_length=1, max_length=120)]
    aliases: Words = []
    latitude: Latitude
    longitude: Longitude
    time_zone: Zone
    currency: Currency
    picture_tags: Words = []

    def faults(self) -> Iterator[Fault]:
        return iter(())


class Policy(_Row):
    """Refunds by notice before the start, in the product's wall clock. No tiers: never refundable."""

    type: Literal["policy"] = "policy"
    id: Id
    name: Annotated[str, StringConstraints(min_length=1, max_length=120)]
    tiers: Tiers = []

    def faults(self) -> Iterator[Fault]:
        shares = [tier["refund_bps"] for tier in self.tiers]
        if shares != sorted(shares, reverse=True):
            yield "tiers", "refunds that do not grow as the start comes nearer", "|".join(notation.write_tiers(self.tiers))


class Provider(_Row):
    type: Literal["provider"] = "provider"
    id: Id
    name: Text200
    email: Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$", max_length=320)] | None = None
    phone: Annotated[str, StringConstraints(pattern=r"^\+[0-9 ()-]{5,38}$")] | None = None
    time_zone: Zone
    country: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")] | None = None
    currency: Currency
    accepting: bool | None = None
    respond_hours: Annotated[int, Field(ge=1, le=168)] = 24
    payout_delay_hours: Annotated[int, Field(ge=0, le=2160)] = 24
    policy: Id | None = None
    deposit_percent: Annotated[Percent, Field(ge=0, le=100)] = Decimal(0)
    deposit: Annotated[Amount, Field(gt=0)] | None = None
    balance_days: Annotated[int, Field(ge=0, le=365)] = 14
    card_hold: bool = False
    about: Annotated[str, StringConstraints(max_length=4000)] = ""
    adjustments: list[Adjustment] = []
    exceptions: list[Closing] = []

    def faults(self) -> Iterator[Fault]:
        yield from _deposit_faults(self.deposit, self.deposit_percent, self.currency)
        yield from _nested("adjustments", (list(a.faults(self.currency)) for a in self.adjustments))
        yield from _nested("exceptions", (list(e.faults()) for e in self.exceptions))


class Resource(_Row):
    """Something several options share: one boat, one guide, one bus. Without a capacity it has no limit of its own."""

    type: Literal["resource"] = "resource"
    id: Id
    provider: Id
    name: Text200
    capacity: Count | None = None
    rules: list[Rule] = []
    exceptions: list[Closing] = []

    def faults(self) -> Iterator[Fault]:
        yield from _place_faults(self.rules, self.exceptions)


class Option(_Row):
    """One way to book a product. Its places are a shared `resource`, or its own `capacity`, `rules` and `exceptions`."""

    id: OptionId = "standard"
    title: Text200
    resource: Id | None = None
    capacity: Count | None = None
    rules: list[Rule] = []
    exceptions: list[Closing] = []
    starts: Starts = []
    counts: Literal["PAX", "BOOKING", "ROOM"]
    max_pax_each: Some | None = None
    min_nights: Some | None = None
    max_nights: Some | None = None
    pricing: Literal["FIXED", "DYNAMIC", "QUOTE"] | None = None
    per: Literal["PERSON", "BOOKING", "NIGHT", "UNIT"]
    price: Annotated[Amount, Field(ge=0)] | None = None
    rates: list[Rate] = []
    units: list[Unit] = []
    restrictions: list[Restriction] = []

    own_places: ClassVar[tuple[str, ...]] = ("capacity", "rules", "exceptions")

    @property
    def model(self) -> str:
        return self.pricing or ("QUOTE" if self.price is None else "DYNAMIC" if self.rates else "FIXED")

    @property
    def labels(self) -> set[str]:
        """The slots of the resource it touches; "" for whole days and nights."""
        return {label for start in self.starts for label in start["occupies"]} or {""}

    def faults(self, product: Product, currency: str) -> Iterator[Fault]:
        if self.resource:
            for name in self.own_places:
                if getattr(self, name):
                    yield name, f"nothing beside a shared resource; write it at the resource {self.resource!r}", getattr(self, name)
        else:
            yield from _place_faults(self.rules, self.exceptions)
            yield from place_faults_of(product.availability_mode, self.labels, {rule.start or "" for rule in self.rules}, "rules")
        times = [start["at"] for start in self.starts]
        if len(set(times)) != len(times):
            yield "starts", "each start time once", "|".join(times)
        yield from self._price_faults(currency)
        yield from self._unit_faults(currency)
        yield from self._stay_faults(product)
        for at, restriction in enumerate(self.restrictions):
            for field, want, found in restriction.stretch_faults():
                yield f"restrictions[{at}].{field}", want, found
            if restriction.min_nights and restriction.max_nights and restriction.max_nights < restriction.min_nights:
                yield f"restrictions[{at}].max_nights", f"{restriction.min_nights} or more", restriction.max_nights
        if self.counts == "PAX" and self.max_pax_each is not None:
            yield "max_pax_each", "nothing where people are counted; it is for rooms, boats and tables", self.max_pax_each

    def _price_faults(self, currency: str) -> Iterator[Fault]:
        if self.model == "QUOTE" and (self.price is not None or self.rates):
            yield "price", "no price and no rates where pricing is QUOTE", self.price if self.price is not None else "rates"
        if self.model != "QUOTE" and self.price is None:
            yield "price", f"an amount in {currency}, because pricing is {self.model}", None
        if self.model == "FIXED" and self.rates:
            yield "pricing", "DYNAMIC, because there are rates", "FIXED"
        yield from _money_faults(currency, price=self.price)
        for at, rate in enumerate(self.rates):
            faults = [*rate.stretch_faults(bounded=rate.in_layer != "WEEKDAY"), *_money_faults(currency, amount=rate.amount)]
            if (rate.amount is None) == (rate.percent is None):
                faults.append(("amount", "either an amount or a percent", rate.amount))
            for field, want, found in faults:
                yield f"rates[{at}].{field}", want, found
        for (one, a), (two, b) in combinations(enumerate(self.rates), 2):
            if (a.in_layer, a.priority, a.from_, a.to) == (b.in_layer, b.priority, b.from_, b.to) and a.weekdays & b.weekdays:
                yield (
                    f"rates[{two}]",
                    f"other days or another priority than rates[{one}], which covers the same days",
                    b.name or b.written(),
                )

    def _unit_faults(self, currency: str) -> Iterator[Fault]:
        for at, unit in enumerate(self.units):
            if unit.percent is not None and unit.amount is not None:
                yield f"units[{at}].amount", "either an amount or a percent", unit.amount
            if unit.min_age is not None and unit.max_age is not None and unit.max_age < unit.min_age:
                yield f"units[{at}].max_age", f"{unit.min_age} or more", unit.max_age
            for field, want, found in _money_faults(currency, amount=unit.amount):
                yield f"units[{at}].{field}", want, found
        kinds = [unit.type for unit in self.units]
        for at, kind in enumerate(kinds):
            if kind in kinds[:at]:
                yield f"units[{at}].type", "each unit type once", kind
        aged = [(at, u) for at, u in enumerate(self.units) if u.type in ("ADULT", "YOUTH", "CHILD", "INFANT")]
        for (_, a), (two, b) in combinations(aged, 2):
            if (a.min_age or 0) <= (120 if b.max_age is None else b.max_age) and (b.min_age or 0) <= (
                120 if a.max_age is None else a.max_age
            ):
                shown = f"{b.min_age or 0} to {'' if b.max_age is None else b.max_age}".strip()
                yield f"units[{two}].min_age", f"ages that do not overlap with those of {a.type}", shown
        if self.units and "ADULT" not in kinds:
            yield "units", "an ADULT among the units, whose price is the base", ",".join(kinds)

    def _stay_faults(self, product: Product) -> Iterator[Fault]:
        if product.kind == "stay":
            if self.per != "NIGHT" and self.model != "QUOTE":
                yield "per", "NIGHT for a stay", self.per
            if self.counts == "PAX":
                yield "counts", "ROOM or BOOKING for a stay", self.counts
            if self.starts:
                yield "starts", "no start times for a stay", "|".join(notation.write_starts(self.starts))
        else:
            if self.per == "NIGHT":
                yield "per", "PERSON, BOOKING or UNIT; NIGHT is for stays", self.per
            for name in ("min_nights", "max_nights", "restrictions"):
                if getattr(self, name):
                    yield name, "nothing; nights are for stays", getattr(self, name)
        if self.min_nights and self.max_nights and self.max_nights < self.min_nights:
            yield "max_nights", f"{self.min_nights} or more", self.max_nights


class Product(_Row):
    type: Literal["product"] = "product"
    id: ProductId
    provider: Id
    destination: Id
    kind: Literal["stay", "activity", "dining", "transport", "guide"]
    title: Text200
    summary: Annotated[str, StringConstraints(max_length=400)] = ""
    description: Annotated[str, StringConstraints(max_length=8000)] = ""
    tags: Words = []
    booking_type: Literal["INSTANT", "REQUEST", "EXTERNAL"]
    availability_mode: Literal["CALENDAR", "TOGGLE", "INVENTORY"]
    accepting: bool | None = None
    published: bool = True
    currency: Currency | None = None
    time_zone: Zone | None = None
    min_party: Some = 1
    max_party: Annotated[int, Field(ge=1, le=500)] = 50
    min_age: Age | None = None
    duration_minutes: Annotated[int, Field(ge=1, le=60 * 24 * 60)] | None = None
    lead_hours: Annotated[int, Field(ge=0, le=24 * 365)] = 0
    pay_at_provider: bool = False
    deposit_percent: Annotated[Percent, Field(ge=0, le=100)] | None = None
    deposit: Annotated[Amount, Field(gt=0)] | None = None
    balance_days: Annotated[int, Field(ge=0, le=365)] | None = None
    policy: Id | None = None
    meeting_point: Annotated[str, StringConstraints(max_length=300)] = ""
    latitude: Latitude | None = None
    longitude: Longitude | None = None
    rating: Annotated[Decimal, Field(ge=1, le=5), PlainSerializer(notation.plain)] | None = None
    rating_count: Count = 0
    rating_source: Annotated[str, StringConstraints(max_length=40)] = ""
    external_url: Web | None = None
    picture: Picture | None = None
    options: Annotated[list[Option], Field(min_length=1)]
    adjustments: list[Adjustment] = []
    exceptions: list[Closing] = []

    def faults(self) -> Iterator[Fault]:
        """Amounts are checked by `faults_in` once the currency is known, which may be the provider's."""
        if self.max_party < self.min_party:
            yield "max_party", f"{self.min_party} or more", self.max_party
        if (self.booking_type == "EXTERNAL") != (self.external_url is not None):
            yield "external_url", "an https address, with booking_type EXTERNAL and only there", self.external_url
        if (self.latitude is None) != (self.longitude is None):
            yield ("latitude" if self.latitude is None else "longitude"), "both a latitude and a longitude, or neither", None
        if self.rating is not None and self.rating * 10 % 1:
            yield "rating", "a rating with one decimal, such as 4.7", self.rating
        if self.rating is not None and not self.rating_source:
            yield "rating_source", 'where the rating comes from, such as "sample" for made-up ones', None
        if self.pay_at_provider and (self.deposit_percent or self.deposit):
            name = "deposit_percent" if self.deposit_percent else "deposit"
            yield name, "nothing where the guest pays at the provider", self.deposit_percent or self.deposit
        seen: set[str] = set()
        for at, option in enumerate(self.options):
            if option.id in seen:
                yield f"options[{at}].id", "each option id once in a product", option.id
            seen.add(option.id)
            if option.model == "QUOTE" and self.booking_type != "REQUEST":
                yield f"options[{at}].pricing", "a price, unless booking_type is REQUEST", "QUOTE"
        yield from _nested("exceptions", (list(e.faults()) for e in self.exceptions))

    def faults_in(self, currency: str) -> Iterator[Fault]:
        yield from _deposit_faults(self.deposit, self.deposit_percent, currency)
        yield from _nested("options", (list(option.faults(self, currency)) for option in self.options))
        yield from _nested("adjustments", (list(a.faults(currency)) for a in self.adjustments))

    def gid(self, option: Option) -> str:
        """An option's id in the whole house."""
        return f"{self.id}.{option.id}"


class FeeRule(_Row):
    """Who takes what. Fixed amounts are whole minor units of the booking's own currency, because a rule has none."""

    type: Literal["fee_rule"] = "fee_rule"
    id: Id
    party: Literal["PLATFORM", "EXPERT"]
    scope: Literal["GLOBAL", "CATEGORY", "PROVIDER"]
    of: Id | None = None
    percent: Annotated[Percent, Field(ge=0, le=100)] = Decimal(0)
    amount_minor: Count | None = None
    min_minor: Count | None = None
    max_minor: Count | None = None

    def faults(self) -> Iterator[Fault]:
        if (self.scope == "GLOBAL") == (self.of is not None):
            yield "of", "a kind (CATEGORY) or a provider id (PROVIDER), and nothing for GLOBAL", self.of
        elif self.scope == "CATEGORY" and self.of not in ("stay", "activity", "dining", "transport", "guide"):
            yield "of", "stay, activity, dining, transport or guide", self.of
        if self.party == "EXPERT" and self.scope != "GLOBAL":
            yield "scope", "GLOBAL for an expert's fee", self.scope
        if self.min_minor is not None and self.max_minor is not None and self.max_minor < self.min_minor:
            yield "max_minor", f"{self.min_minor} or more", self.max_minor


Record = Destination | Policy | Provider | Resource | Product | FeeRule
TYPES: dict[str, type[Record]] = {
    "destination": Destination,
    "policy": Policy,
    "provider": Provider,
    "resource": Resource,
    "product": Product,
    "fee_rule": FeeRule,
}  # in the order in which they are loaded: each refers only to those before it


def _nested(name: str, parts: Any) -> Iterator[Fault]:
    for at, faults in enumerate(parts):
        for field, want, found in faults:
            yield f"{name}[{at}].{field}", want, found


def _money_faults(currency: str, **amounts: Decimal | None) -> Iterator[Fault]:
    for name, amount in amounts.items():
        if amount is None:
            continue
        try:
            Money.of(amount, currency)
        except Invalid:
            digits = exponent(currency)
            yield name, f"an amount in {currency} with {digits or 'no'} decimals{' at most' if digits else ''}", amount


def _deposit_faults(amount: Decimal | None, percent: Decimal | None, currency: str) -> Iterator[Fault]:
    yield from _money_faults(currency, deposit=amount)
    if amount and percent:
        yield "deposit", "either a deposit or a deposit_percent", amount


def _place_faults(rules: list[Rule], exceptions: list[Closing]) -> Iterator[Fault]:
    for at, rule in enumerate(rules):
        for field, want, found in rule.stretch_faults():
            yield f"rules[{at}].{field}", want, found
    for (one, a), (two, b) in combinations(enumerate(rules), 2):
        if (a.start, a.from_, a.to) == (b.start, b.from_, b.to) and a.weekdays & b.weekdays:
            yield (
                f"rules[{two}]",
                f"other days or another start than rules[{one}], which covers the same ones",
                notation.write_weekdays(b.weekdays),
            )
    yield from _nested("exceptions", (list(e.faults()) for e in exceptions))


def place_faults_of(mode: str, labels: set[str], ruled: set[str], field: str) -> Iterator[Fault]:
    """Whether a resource with rules for the starts `ruled` can ever give the slots `labels`."""
    if mode == "INVENTORY":
        if not ruled:
            yield field, "weekly rules with a capacity, because availability_mode is INVENTORY", None
        elif "" not in ruled and (missing := sorted(labels - ruled)):
            known = ", ".join(sorted(ruled))
            yield "starts", f"starts that the rules know ({known})", "|".join(label or "the whole day" for label in missing)
    elif ruled:
        yield field, f"no rules, because availability_mode is {mode}; a capacity and exceptions say it there", len(ruled)
