"""Every table of the house, in one place, because nearly every rule reads two of them.

Ids are text: slugs for the catalogue (a model and a person can both read them), uuid4 hex for the rest.
Moments are aware UTC; travel days are plain dates in the product's zone; money is integer minor units
beside a currency column. `local_start` is "" for whole days and nights, because a NULL in a unique key
would let the same slot exist twice.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from core.types import Moment

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Json = JSON().with_variant(JSONB(), "postgresql")
BigId = BigInteger().with_variant(Integer(), "sqlite")


def _id() -> Column[str]:
    return Column("id", String(64), primary_key=True)


def _ref(name: str, target: str, *, null: bool = False, index: bool = True) -> Column[str]:
    return Column(name, String(64), ForeignKey(target), nullable=null, index=index)


# ── people ────────────────────────────────────────────────────────────────────────────────────────

account = Table(
    "account",
    metadata,
    _id(),
    Column("display_name", String(200), nullable=False, server_default=""),
    Column("email", String(320)),
    Column("email_verified_at", Moment),
    Column("phone", String(40)),
    Column("locale", String(16), nullable=False, server_default="en"),
    Column("currency", String(3), nullable=False, server_default="EUR"),
    Column("visitor", Boolean, nullable=False, server_default=text("true")),
    Column("terms_accepted_at", Moment),
    Column("links_epoch", Integer, nullable=False, server_default="0"),  # raised, every signed link given out before is over
    Column("may_remember", Boolean),  # the traveler's answer to whether we may remember them; NULL: not asked yet
    Column("remembered", Json),  # what is remembered from one conversation to the next, with their consent only
    Column("created_at", Moment, nullable=False),
)

account_role = Table(
    "account_role",
    metadata,
    Column("account_id", String(64), ForeignKey("account.id"), nullable=False),
    Column("role", String(20), nullable=False),  # traveler, provider, expert, operator
    Column("provider_id", String(64), nullable=False, server_default=""),  # "" where the role is not scoped
    Column("level", String(10), nullable=False, server_default="staff"),  # of a provider: owner, staff
    PrimaryKeyConstraint("account_id", "role", "provider_id"),
)

session = Table(
    "session",
    metadata,
    _id(),
    _ref("account_id", "account.id"),
    Column("kind", String(20), nullable=False),  # chat, console, api, program
    Column("token_hash", String(64), nullable=False, unique=True),
    Column("conversation_id", String(64)),
    Column("role", String(20), nullable=False, server_default=""),  # the one role a program may act in
    Column("label", String(80), nullable=False, server_default=""),  # what its owner calls a program
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("revoked_at", Moment),
)

link_token = Table(
    "link_token",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    _ref("account_id", "account.id"),
    Column("purpose", String(20), nullable=False),  # sign_in, link, trips
    Column("params", Json, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("used_at", Moment),
)

# What signs links: made with the schema, never shown.

house_key = Table(
    "house_key",
    metadata,
    Column("name", String(20), primary_key=True),
    Column("secret", String(128), nullable=False),
)

# Who helps travelers: experts in teams with working hours. An expert is here while the desk says so every now and then.

team = Table(
    "team",
    metadata,
    _id(),
    Column("name", String(120), nullable=False),
    Column("time_zone", String(64), nullable=False, server_default="UTC"),
    Column("hours", Json, nullable=False),  # {"0": [["09:00", "18:00"]], ...}, Monday is 0; {} means always
    Column("holidays", Json, nullable=False),  # ISO days
)

expert = Table(
    "expert",
    metadata,
    Column("account_id", String(64), ForeignKey("account.id"), primary_key=True),
    _ref("team_id", "team.id", null=True),
    Column("languages", Json, nullable=False),  # ["en", "pt"]; [] means any
    Column("destinations", Json, nullable=False),  # destination ids; [] means any
    Column("capacity", Integer, nullable=False, server_default="5"),  # conversations at once
    Column("away", Boolean, nullable=False, server_default=text("false")),
    Column("seen_at", Moment),
)

saved_reply = Table(
    "saved_reply",
    metadata,
    _id(),
    Column("name", String(80), nullable=False),
    Column("body", String(2000), nullable=False),  # with {name}, {expert}, {total} ...
    Column("locale", String(16), nullable=False, server_default="en"),
    Column("created_by", String(64), nullable=False, server_default=""),
    Column("created_at", Moment, nullable=False),
)

site = Table(
    "site",
    metadata,
    _id(),
    Column("name", String(200), nullable=False),
    Column("origins", Json, nullable=False),  # list of allowed origins; ["*"] for any
    Column("secret", String(128), nullable=False, server_default=""),
)

# ── catalogue ─────────────────────────────────────────────────────────────────────────────────────

destination = Table(
    "destination",
    metadata,
    _id(),
    Column("name", String(120), nullable=False),
    Column("country", String(120), nullable=False),
    Column("aliases", Json, nullable=False),
    Column("latitude", Float, nullable=False),
    Column("longitude", Float, nullable=False),
    Column("time_zone", String(64), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("picture_tags", Json, nullable=False),
)

cancellation_policy = Table(
    "cancellation_policy",
    metadata,
    _id(),
    Column("name", String(120), nullable=False),
    Column("tiers", Json, nullable=False),  # [{"hours": 48, "refund_bps": 10000}, ...] in the product's wall clock, longest first
)

provider = Table(
    "provider",
    metadata,
    _id(),
    Column("name", String(200), nullable=False),
    Column("email", String(320)),
    Column("phone", String(40)),
    Column("time_zone", String(64), nullable=False),
    Column("country", String(2), nullable=False, server_default=""),
    Column("currency", String(3), nullable=False),
    Column("accepting", Boolean, nullable=False, server_default=text("true")),
    Column("respond_hours", Integer, nullable=False, server_default="24"),
    Column("payout_delay_hours", Integer, nullable=False, server_default="24"),
    _ref("cancellation_policy_id", "cancellation_policy.id", null=True, index=False),
    Column("deposit_bps", Integer, nullable=False, server_default="0"),
    Column("deposit_amount", BigInteger),  # a fixed deposit a booking, minor units; counts instead of deposit_bps
    Column("balance_days", Integer, nullable=False, server_default="14"),
    Column("card_hold", Boolean, nullable=False, server_default=text("false")),  # a request comes with the money reserved on a card
    Column("about", Text, nullable=False, server_default=""),
    Column("created_at", Moment, nullable=False),
)

resource = Table(
    "resource",
    metadata,
    _id(),
    _ref("provider_id", "provider.id"),
    Column("name", String(200), nullable=False),
    Column("capacity", Integer),  # NULL: no limit
)

product = Table(
    "product",
    metadata,
    _id(),
    _ref("provider_id", "provider.id"),
    _ref("destination_id", "destination.id", index=False),
    Column("kind", String(20), nullable=False),  # stay, activity, dining, transport, guide
    Column("title", String(200), nullable=False),
    Column("summary", String(400), nullable=False, server_default=""),
    Column("description", Text, nullable=False, server_default=""),
    Column("tags", Json, nullable=False),
    Column("booking_type", String(10), nullable=False),  # INSTANT, REQUEST, EXTERNAL
    Column("availability_mode", String(10), nullable=False),  # CALENDAR, TOGGLE, INVENTORY
    Column("accepting", Boolean, nullable=False, server_default=text("true")),
    Column("published", Boolean, nullable=False, server_default=text("true")),
    Column("currency", String(3), nullable=False),
    Column("time_zone", String(64), nullable=False),
    Column("from_amount", BigInteger),  # cheapest indicative price for one, minor units; NULL for quotes
    Column("max_party", Integer, nullable=False, server_default="50"),
    Column("min_party", Integer, nullable=False, server_default="1"),
    Column("min_age", Integer),
    Column("duration_minutes", Integer),
    Column("lead_hours", Integer, nullable=False, server_default="0"),  # last booking, wall-clock hours before the start
    Column("pay_at_provider", Boolean, nullable=False, server_default=text("false")),
    Column("deposit_bps", Integer),
    Column("deposit_amount", BigInteger),
    Column("balance_days", Integer),
    _ref("cancellation_policy_id", "cancellation_policy.id", null=True, index=False),
    Column("meeting_point", String(300), nullable=False, server_default=""),
    Column("latitude", Float),
    Column("longitude", Float),
    Column("rating_tenths", SmallInteger),
    Column("rating_count", Integer, nullable=False, server_default="0"),
    Column("rating_source", String(40), nullable=False, server_default=""),
    Column("external_url", String(500)),
    Column("picture", String(300), nullable=False, server_default=""),
    Column("loaded_by", String(64), nullable=False, server_default=""),
    Index(
        "ix_product_place", "destination_id", "kind", "published", "rating_tenths", "rating_count", "from_amount", "id"
    ),  # covers a search
    Index("ix_product_price", "destination_id", "kind", "from_amount"),
)

option = Table(
    "option",
    metadata,
    _id(),
    _ref("product_id", "product.id"),
    _ref("resource_id", "resource.id"),
    Column("title", String(200), nullable=False),
    Column("position", Integer, nullable=False, server_default="0"),
    Column("starts", Json, nullable=False),  # [{"at": "09:00", "occupies": ["09:00", "14:00"]}]; [] for days and nights
    Column("counts", String(10), nullable=False),  # what one booking takes of a slot: PAX, BOOKING, ROOM
    Column("max_pax_each", Integer),  # people one room, boat or table takes
    Column("min_nights", Integer),
    Column("max_nights", Integer),
)

unit = Table(
    "unit",
    metadata,
    _id(),
    _ref("option_id", "option.id"),
    Column("type", String(20), nullable=False),  # ADULT, YOUTH, CHILD, INFANT, SENIOR ... (OCTO)
    Column("min_age", Integer),
    Column("max_age", Integer),
    Column("pax_count", Integer, nullable=False, server_default="1"),
    Column("price_bps", Integer, nullable=False, server_default="10000"),  # of the adult price
    Column("price_amount", BigInteger),  # overrides price_bps
    UniqueConstraint("option_id", "type"),
)

availability_rule = Table(
    "availability_rule",
    metadata,
    _id(),
    _ref("resource_id", "resource.id"),
    Column("weekdays", Integer, nullable=False, server_default="127"),  # bit 0 = Monday
    Column("from_date", Date),
    Column("to_date", Date),
    Column("local_start", String(5), nullable=False, server_default=""),
    Column("capacity", Integer, nullable=False),
)

availability_exception = Table(
    "availability_exception",
    metadata,
    _id(),
    Column("scope", String(10), nullable=False),  # PROVIDER, PRODUCT, RESOURCE
    Column("scope_id", String(64), nullable=False),
    Column("from_date", Date, nullable=False),
    Column("to_date", Date, nullable=False),  # inclusive
    Column("local_start", String(5), nullable=False, server_default=""),  # "" for every start of the day
    Column("closed", Boolean, nullable=False, server_default=text("true")),
    Column("capacity", Integer),
    Column("reason", String(200), nullable=False, server_default=""),
    Column("source", String(40), nullable=False, server_default="manual"),
    Index("ix_availability_exception_scope", "scope", "scope_id", "from_date"),
)

# A provider who signed up, until the house has had a look, and what they write about themselves to sell. A listing's record is
# what a catalogue file would hold; `live` is the one that was put on sale last, and `product` has the rows of it.

signup = Table(
    "signup",
    metadata,
    Column("provider_id", String(64), ForeignKey("provider.id"), primary_key=True),
    Column("state", String(12), nullable=False),  # waiting, approved, refused
    Column("said", String(1000), nullable=False, server_default=""),
    Column("created_at", Moment, nullable=False),
    Column("decided_at", Moment),
    Column("decided_by", String(64)),
)

listing = Table(
    "listing",
    metadata,
    _id(),  # of the product
    _ref("provider_id", "provider.id"),
    Column("state", String(12), nullable=False, index=True),  # draft, submitted, returned, live, off
    Column("record", Json, nullable=False),
    Column("live", Json),
    Column("version", Integer, nullable=False, server_default="1"),
    Column("said", String(1000), nullable=False, server_default=""),  # why it was sent back
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Column("submitted_at", Moment),
    Column("decided_by", String(64)),
)

# Calendars of other places: a feed is one that a provider gave us to read, a link one of ours that others read. A link's
# token stays readable, because a provider copies the address again and all it opens is busy days, which are in the same database.

calendar_feed = Table(
    "calendar_feed",
    metadata,
    _id(),
    _ref("provider_id", "provider.id"),
    _ref("resource_id", "resource.id"),
    Column("name", String(80), nullable=False),
    Column("url", Text, nullable=False),
    Column("state", String(10), nullable=False),  # new, ok, failing
    Column("etag", String(300), nullable=False, server_default=""),
    Column("last_modified", String(100), nullable=False, server_default=""),
    Column("events", Integer, nullable=False, server_default="0"),  # that block something, as last taken in
    Column("error", String(300), nullable=False, server_default=""),
    Column("failures", Integer, nullable=False, server_default="0"),  # in a row
    Column("conflicts", Json, nullable=False),  # bookings of ours on days that the other calendar has taken
    Column("checked_at", Moment),
    Column("taken_at", Moment),  # when it was last read in whole
    Column("next_at", Moment, nullable=False),
    Column("created_by", String(64), nullable=False, server_default=""),
    Column("created_at", Moment, nullable=False),
    Index("ix_calendar_feed_due", "next_at"),
)

calendar_link = Table(
    "calendar_link",
    metadata,
    Column("token", String(64), primary_key=True),
    _ref("provider_id", "provider.id"),
    _ref("resource_id", "resource.id"),
    _ref("option_id", "option.id", null=True, index=False),  # NULL: everything that uses the resource
    Column("name", String(80), nullable=False),
    Column("created_by", String(64), nullable=False, server_default=""),
    Column("created_at", Moment, nullable=False),
    Column("revoked_at", Moment),
)

slot = Table(
    "slot",
    metadata,
    Column("resource_id", String(64), ForeignKey("resource.id"), nullable=False),
    Column("local_date", Date, nullable=False),
    Column("local_start", String(5), nullable=False),
    Column("capacity", Integer, nullable=False),
    Column("held", Integer, nullable=False, server_default="0"),
    Column("booked", Integer, nullable=False, server_default="0"),
    Column("closed", Boolean, nullable=False, server_default=text("false")),
    PrimaryKeyConstraint("resource_id", "local_date", "local_start"),
    CheckConstraint("held >= 0 AND booked >= 0 AND held + booked <= capacity", name="never_oversold"),
)

rate_plan = Table(
    "rate_plan",
    metadata,
    _id(),
    _ref("option_id", "option.id"),
    Column("model", String(10), nullable=False),  # FIXED, DYNAMIC, QUOTE
    Column("per", String(10), nullable=False),  # PERSON, BOOKING, NIGHT, UNIT
    Column("currency", String(3), nullable=False),
    Column("amount", BigInteger),  # the base; NULL for QUOTE
    UniqueConstraint("option_id"),
)

rate = Table(
    "rate",
    metadata,
    _id(),
    _ref("rate_plan_id", "rate_plan.id"),
    Column("layer", String(10), nullable=False),  # DATE, SEASON, WEEKDAY
    Column("name", String(80), nullable=False, server_default=""),
    Column("from_date", Date),
    Column("to_date", Date),
    Column("weekdays", Integer, nullable=False, server_default="127"),
    Column("amount", BigInteger),  # replaces the base ...
    Column("bps", Integer),  # ... or moves it: +1500 is 15 % more
    Column("priority", Integer, nullable=False, server_default="0"),
)

restriction = Table(
    "restriction",
    metadata,
    _id(),
    _ref("option_id", "option.id"),
    Column("from_date", Date, nullable=False),
    Column("to_date", Date, nullable=False),
    Column("weekdays", Integer, nullable=False, server_default="127"),
    Column("min_nights", Integer),
    Column("max_nights", Integer),
    Column("closed_to_arrival", Boolean, nullable=False, server_default=text("false")),
    Column("closed_to_departure", Boolean, nullable=False, server_default=text("false")),
)

price_adjustment = Table(
    "price_adjustment",
    metadata,
    _id(),
    Column("scope", String(10), nullable=False),  # PRODUCT, PROVIDER
    Column("scope_id", String(64), nullable=False),
    Column("kind", String(16), nullable=False),  # length_of_stay, early_bird, last_minute, group, promo, extra, tax
    Column("name", String(80), nullable=False, server_default=""),
    Column("threshold", Integer),  # nights, days ahead or people
    Column("bps", Integer),  # discounts are negative
    Column("amount", BigInteger),
    Column("per", String(12), nullable=False, server_default="BOOKING"),  # for amounts: BOOKING, PERSON, NIGHT, PERSON_NIGHT
    Column("code", String(40)),
    Column("from_date", Date),
    Column("to_date", Date),
    Column("included", Boolean, nullable=False, server_default=text("false")),  # a tax already inside the price
    Index("ix_price_adjustment_scope", "scope", "scope_id"),
)

fee_rule = Table(
    "fee_rule",
    metadata,
    _id(),
    Column("party", String(10), nullable=False),  # PLATFORM, EXPERT
    Column("scope", String(10), nullable=False),  # GLOBAL, CATEGORY, PROVIDER
    Column("scope_id", String(64), nullable=False, server_default=""),
    Column("bps", Integer, nullable=False, server_default="0"),
    Column("amount", BigInteger),
    Column("min_amount", BigInteger),
    Column("max_amount", BigInteger),
    UniqueConstraint("party", "scope", "scope_id"),
)

# The words of what is on sale, for reading misspelt ones; brought up to date after an import.

search_term = Table(
    "search_term",
    metadata,
    Column("term", String(40), primary_key=True),
    Column("docs", Integer, nullable=False),
)

# What catalogue files brought in: a load is one import, an entry what a record was when it was last taken in, and a change
# some rows that wait for the load's switch-over. A load that never became live is leftover, and the next import removes it.

catalogue_load = Table(
    "catalogue_load",
    metadata,
    _id(),
    Column("source", String(60), nullable=False),
    Column("state", String(10), nullable=False),  # staging, live, dropped
    Column("started_at", Moment, nullable=False),
    Column("finished_at", Moment),
)

catalogue_entry = Table(
    "catalogue_entry",
    metadata,
    Column("kind", String(12), nullable=False),
    Column("id", String(64), nullable=False),
    Column("digest", String(40), nullable=False),
    Column("text_digest", String(40), nullable=False, server_default=""),  # of what the search index reads
    Column("load_id", String(64), nullable=False, index=True),
    PrimaryKeyConstraint("kind", "id"),
)

catalogue_change = Table(
    "catalogue_change",
    metadata,
    Column("load_id", String(64), nullable=False),
    Column("number", Integer, nullable=False),
    Column("subject", String(40), nullable=False),  # a table, or text, or entry
    Column("act", String(8), nullable=False),  # delete, insert, update, put
    Column("rows", Text, nullable=False),  # JSON
    PrimaryKeyConstraint("load_id", "number"),
)

# ── conversation ──────────────────────────────────────────────────────────────────────────────────

conversation = Table(
    "conversation",
    metadata,
    _id(),
    _ref("account_id", "account.id"),
    Column("channel", String(20), nullable=False),
    Column("site_id", String(64), nullable=False, server_default=""),
    Column("controller", String(10), nullable=False, server_default="bot"),  # bot, human, hold
    Column("control_epoch", Integer, nullable=False, server_default="0"),
    Column("controller_expert_id", String(64)),
    Column("last_seq", Integer, nullable=False, server_default="0"),
    Column("answered_seq", Integer, nullable=False, server_default="0"),  # traveler lines up to here have been answered
    Column("locale", String(16), nullable=False, server_default="en"),
    Column("currency", String(3), nullable=False, server_default="EUR"),
    Column("time_zone", String(64), nullable=False, server_default="UTC"),
    Column("watched", Boolean, nullable=False, server_default=text("false")),  # shown in a chat elsewhere too: new lines go there
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False, index=True),
)

message = Table(
    "message",
    metadata,
    _ref("conversation_id", "conversation.id", index=False),
    Column("seq", Integer, nullable=False),
    Column("mid", String(64), nullable=False),
    Column("kind", String(10), nullable=False),  # message, press (a tap or exact yes, answered by code), state, note
    Column("role", String(10), nullable=False),  # traveler, bot, expert, provider, system
    Column("audience", String(10), nullable=False, server_default="all"),  # all, staff
    Column("author_id", String(64)),
    Column("data", Json, nullable=False),  # the event's data as reference in docs/chat.md: {mid, role, name, parts[]} ...
    Column("client_id", String(80)),
    Column("turn_id", String(64)),
    Column("created_at", Moment, nullable=False),
    PrimaryKeyConstraint("conversation_id", "seq"),
    UniqueConstraint("conversation_id", "client_id"),
)

turn = Table(
    "turn",
    metadata,
    _id(),
    _ref("conversation_id", "conversation.id"),
    Column("status", String(10), nullable=False),  # running, done, fenced, failed
    Column("epoch", Integer, nullable=False),
    Column("from_seq", Integer, nullable=False),
    Column("to_seq", Integer, nullable=False),
    Column("lease_owner", String(64), nullable=False),
    Column("leased_until", Moment, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="1"),
    Column("replies", Json, nullable=False),  # model replies in order, each recorded before its tools run
    Column("transcript", Json),  # the whole turn as model messages; NULL until done
    Column("model", String(80), nullable=False, server_default=""),
    Column("input_tokens", Integer, nullable=False, server_default="0"),
    Column("output_tokens", Integer, nullable=False, server_default="0"),
    Column("created_at", Moment, nullable=False),
    Column("closed_at", Moment),
    Index(
        "one_running_turn",
        "conversation_id",
        unique=True,
        sqlite_where=text("status = 'running'"),
        postgresql_where=text("status = 'running'"),
    ),
)

trip_state = Table(
    "trip_state",
    metadata,
    Column("conversation_id", String(64), ForeignKey("conversation.id"), primary_key=True),
    Column("facts", Json, nullable=False),
    Column("version", Integer, nullable=False, server_default="1"),
    Column("updated_at", Moment, nullable=False),
)

action = Table(
    "action",
    metadata,
    _id(),
    _ref("conversation_id", "conversation.id"),
    Column("verb", String(40), nullable=False),
    Column("label", String(200), nullable=False, server_default=""),
    Column("params", Json, nullable=False),
    Column("account_id", String(64)),  # who may press; NULL: whoever speaks in the conversation
    Column("expires_at", Moment),
    Column("created_at", Moment, nullable=False),
)

proposal = Table(
    "proposal",
    metadata,
    _id(),
    _ref("conversation_id", "conversation.id"),
    _ref("account_id", "account.id", index=False),
    Column("kind", String(20), nullable=False),  # checkout, cancellation, offer
    Column("status", String(12), nullable=False),  # live, committed, superseded
    Column("terms", Json, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("result", Json),
    Column("expires_at", Moment, nullable=False),
    Column("created_at", Moment, nullable=False),
)

handoff = Table(
    "handoff",
    metadata,
    _id(),
    _ref("conversation_id", "conversation.id"),
    Column("status", String(20), nullable=False),
    Column("reason", String(40), nullable=False),
    Column("note", String(500), nullable=False, server_default=""),
    Column("priority", Integer, nullable=False, server_default="0"),
    Column("expert_id", String(64)),
    Column("queued_at", Moment, nullable=False),
    Column("claimed_at", Moment),
    Column("first_human_message_at", Moment),
    Column("closed_at", Moment),
    Column("outcome", String(20)),
    Column("promise_at", Moment),
    Column("triggers", Json),  # [{"reason", "by", "at"}, ...] in the order they came; only ever added to
    Column("language", String(16), nullable=False, server_default="en"),
    Column("destination", String(64), nullable=False, server_default=""),
    Column("wanted_expert_id", String(64)),  # a transfer to somebody; anybody may help out
    Column("transfers", Integer, nullable=False, server_default="0"),
    Column("desk", String(20), nullable=False, server_default=""),  # the door it was claimed at
    Column("unattended_at", Moment),
    Index(
        "one_open_handoff",
        "conversation_id",
        unique=True,
        sqlite_where=text("status NOT IN ('closed', 'abandoned')"),
        postgresql_where=text("status NOT IN ('closed', 'abandoned')"),
    ),
    Index("ix_handoff_queue", "status", "queued_at"),
)

outbound = Table(
    "outbound",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("key", String(200), nullable=False, unique=True),
    Column("channel", String(20), nullable=False),  # mail, sms, telegram, slack
    Column("address", String(320), nullable=False),
    Column("conversation_id", String(64)),
    Column("epoch", Integer),
    Column("notice", String(40), nullable=False),
    Column("content", Json, nullable=False),
    Column(
        "state", String(12), nullable=False, server_default="queued"
    ),  # queued, sending, sent, delivered, caught, uncertain, failed, dropped
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("not_before", Moment, nullable=False),
    Column("external_id", String(128)),
    Column("error", String(500)),
    Column("lane", String(200), nullable=False, server_default=""),  # messages of one lane go out in order; "" for mail and SMS
    Column("progress", Integer, nullable=False, server_default="0"),  # calls of this message that were made
    Column("leased_until", Moment),  # while sending
    Column("created_at", Moment, nullable=False),
    Index("ix_outbound_due", "state", "not_before"),
    Index("ix_outbound_lane", "lane", "state", "id"),
)

# What somebody does not want by mail; the address is kept as a digest only.

muted = Table(
    "muted",
    metadata,
    Column("address_key", String(64), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("created_at", Moment, nullable=False),
    PrimaryKeyConstraint("address_key", "kind"),
)

# ── doors to other people's messengers ────────────────────────────────────────────────────────────

channel_identity = Table(
    "channel_identity",
    metadata,
    _id(),
    Column("channel", String(20), nullable=False),  # telegram, slack
    Column("workspace", String(64), nullable=False),  # the bot's id, the team's id
    Column("external_user_id", String(64), nullable=False),
    _ref("account_id", "account.id", null=True),
    Column("display_name", String(200), nullable=False, server_default=""),
    Column("locale", String(16), nullable=False, server_default="en"),
    Column("chat_id", String(64), nullable=False, server_default=""),  # where this person can be written to alone
    Column("blocked_at", Moment),  # they do not want to hear from us there
    Column("linked_at", Moment),  # by a single-use link; NULL for a visitor who just came
    Column("created_at", Moment, nullable=False),
    UniqueConstraint("channel", "workspace", "external_user_id"),
)

place = Table(
    "place",
    metadata,
    _id(),
    Column("channel", String(20), nullable=False),
    Column("workspace", String(64), nullable=False),
    Column("chat_id", String(64), nullable=False),
    Column("thread_id", String(64), nullable=False, server_default=""),
    Column(
        "kind", String(10), nullable=False
    ),  # private, group, desk (the whole group of the experts), topic (one conversation at the desk)
    _ref("conversation_id", "conversation.id", null=True),
    Column("shown_seq", Integer, nullable=False, server_default="0"),  # lines of the log up to here are on their way
    Column("state", Json, nullable=False),  # what goes on here: a form being filled in line by line, a topic that was closed
    Column("created_at", Moment, nullable=False),
    UniqueConstraint("channel", "workspace", "chat_id", "thread_id"),
)

inbound = Table(
    "inbound",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("channel", String(20), nullable=False),
    Column("workspace", String(64), nullable=False),
    Column("event_id", String(64), nullable=False),
    Column("lane", String(200), nullable=False),  # events of one lane are dealt with in order
    Column("kind", String(12), nullable=False),
    Column("payload", Json, nullable=False),  # our own words for it, redacted
    Column("state", String(10), nullable=False, server_default="new"),  # new, done, dead
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("error", String(500)),
    Column("received_at", Moment, nullable=False),
    UniqueConstraint("channel", "workspace", "event_id"),
    Index("ix_inbound_lane", "state", "lane", "id"),
)

message_ref = Table(
    "message_ref",
    metadata,
    Column("channel", String(20), nullable=False),
    Column("workspace", String(64), nullable=False),
    Column("chat_id", String(64), nullable=False),
    Column("external_id", String(64), nullable=False),
    Column("conversation_id", String(64), nullable=False, server_default="", index=True),
    Column("seq", Integer, nullable=False, server_default="0"),  # the line of the log it shows; 0 for a card that shows no line
    Column("subject", String(160), nullable=False, server_default="", index=True),  # request:<id>, booking:<id>, desk:<conversation id>
    Column("version", String(40), nullable=False, server_default=""),  # the state of the subject it shows
    Column("created_at", Moment, nullable=False),
    PrimaryKeyConstraint("channel", "workspace", "chat_id", "external_id"),
)

lease = Table(
    "lease",
    metadata,
    Column("name", String(200), primary_key=True),  # what only one process may do at a time: poll a bot, work on a lane
    Column("owner", String(64), nullable=False),
    Column("until", Moment, nullable=False),
)

# ── sale ──────────────────────────────────────────────────────────────────────────────────────────

cart = Table(
    "cart",
    metadata,
    _id(),
    _ref("conversation_id", "conversation.id"),
    _ref("account_id", "account.id"),
    Column("status", String(10), nullable=False),  # open, ordered
    Column("version", Integer, nullable=False, server_default="1"),
    Column("promo_code", String(40)),
    Column("created_at", Moment, nullable=False),
    Index(
        "one_open_cart",
        "conversation_id",
        unique=True,
        sqlite_where=text("status = 'open'"),
        postgresql_where=text("status = 'open'"),
    ),
)

cart_item = Table(
    "cart_item",
    metadata,
    _id(),
    _ref("cart_id", "cart.id"),
    Column("position", Integer, nullable=False),
    Column("kind", String(10), nullable=False),  # own, external, fee
    _ref("product_id", "product.id", null=True, index=False),
    _ref("option_id", "option.id", null=True, index=False),
    Column("title", String(300), nullable=False),
    Column("local_date", Date),
    Column("end_date", Date),  # the day of departure for stays
    Column("local_start", String(5), nullable=False, server_default=""),
    Column("units", Json, nullable=False),  # {"ADULT": 2, "CHILD": 1}
    Column("quantity", Integer, nullable=False, server_default="1"),  # rooms, boats, tables
    Column("currency", String(3), nullable=False),
    Column("amount", BigInteger, nullable=False),  # what the traveler pays for this line
    Column("tax_amount", BigInteger, nullable=False, server_default="0"),
    Column("price_lines", Json, nullable=False),
    Column("added_by", String(64)),  # the expert who arranged it
    Column("created_at", Moment, nullable=False),
)

booking = Table(
    "booking",
    metadata,
    _id(),
    Column("reference", String(12), nullable=False, unique=True),
    _ref("conversation_id", "conversation.id"),
    _ref("account_id", "account.id"),
    _ref("cart_id", "cart.id"),
    _ref("cart_item_id", "cart_item.id", index=False),
    _ref("provider_id", "provider.id"),
    _ref("product_id", "product.id"),
    _ref("option_id", "option.id", index=False),
    Column("title", String(300), nullable=False),
    Column("booking_type", String(10), nullable=False),
    Column("status", String(10), nullable=False),  # OCTO: ON_HOLD, PENDING, CONFIRMED, REJECTED, EXPIRED, CANCELLED, REDEEMED
    Column("local_date", Date, nullable=False),
    Column("end_date", Date),
    Column("local_start", String(5), nullable=False),
    Column("time_zone", String(64), nullable=False),
    Column("starts_at", Moment, nullable=False),
    Column("units", Json, nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("tax_amount", BigInteger, nullable=False),
    Column("fee_amount", BigInteger, nullable=False),  # the platform's, out of the provider's part
    Column("price_lines", Json, nullable=False),
    Column("policy", Json, nullable=False),  # cancellation tiers as sold
    Column("pay_at_provider", Boolean, nullable=False),
    Column("deposit_amount", BigInteger, nullable=False),  # equals amount where all is due now
    Column("balance_due_at", Moment),
    Column("contact", Json, nullable=False),  # {"name", "email", "requests", "travelers"?: [name]}
    Column("expert_id", String(64)),
    Column("invoiced_to", String(64)),  # the reseller's account that settles it outside; no money of it passes here
    Column("pay_by", Moment),  # ON_HOLD: paid by then or gone; CONFIRMED: the rest paid by then or cancelled
    Column("version", Integer, nullable=False, server_default="1"),
    Column("created_at", Moment, nullable=False),
    Column("confirmed_at", Moment),
    Column("review_asked_at", Moment),
    Index("ix_booking_deadline", "status", "pay_by"),
)

# What a traveler says of a booking they attended: one each, theirs to change for two weeks. What is hidden stays counted as hidden.

review = Table(
    "review",
    metadata,
    _id(),
    Column("booking_id", String(64), ForeignKey("booking.id"), nullable=False, unique=True),
    _ref("product_id", "product.id", index=False),
    _ref("provider_id", "provider.id"),
    _ref("account_id", "account.id"),
    Column("stars", SmallInteger, nullable=False),
    Column("text", String(2000), nullable=False, server_default=""),
    Column("created_at", Moment, nullable=False),
    Column("changed_at", Moment, nullable=False),
    Column("answer", String(2000), nullable=False, server_default=""),
    Column("answered_by", String(64)),
    Column("answered_at", Moment),
    Column("hidden_reason", String(300), nullable=False, server_default=""),
    Column("hidden_by", String(64)),
    Column("hidden_at", Moment),
    CheckConstraint("stars BETWEEN 1 AND 5", name="stars"),
    Index("ix_review_product", "product_id", "created_at"),
)

# What a reseller of the trade said about its booking over OCTO; the uuid is the reseller's own and makes a repeat harmless.

reseller_booking = Table(
    "reseller_booking",
    metadata,
    _ref("account_id", "account.id", index=False),
    Column("uuid", String(36), nullable=False),
    Column("booking_id", String(64), nullable=False, unique=True),
    Column("digest", String(64), nullable=False),  # of the terms the uuid was first sent with
    Column("reference", String(120), nullable=False, server_default=""),
    Column("unit_items", Json, nullable=False),  # [{"uuid", "unit", "reference", "contact"}]
    Column("guest", Json, nullable=False),  # OCTO's contact
    Column("notes", String(1000), nullable=False, server_default=""),
    Column("updated_at", Moment, nullable=False),
    PrimaryKeyConstraint("account_id", "uuid"),
)

hold = Table(
    "hold",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    _ref("booking_id", "booking.id"),
    Column("resource_id", String(64), nullable=False),
    Column("local_date", Date, nullable=False),
    Column("local_start", String(5), nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("status", String(10), nullable=False),  # active, consumed, released, expired
    Column("expires_at", Moment, nullable=False),
    Index("ix_hold_expiry", "status", "expires_at"),
    Index("ix_hold_slot", "resource_id", "local_date", "local_start", "status"),
)

booking_event = Table(
    "booking_event",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    _ref("booking_id", "booking.id"),
    Column("event", String(30), nullable=False),
    Column("from_status", String(10), nullable=False, server_default=""),
    Column("to_status", String(10), nullable=False),
    Column("actor_role", String(12), nullable=False),
    Column("actor_id", String(64), nullable=False, server_default=""),
    Column("source", String(20), nullable=False, server_default=""),
    Column("reason", String(300), nullable=False, server_default=""),
    Column("at", Moment, nullable=False),
)

booking_request = Table(
    "booking_request",
    metadata,
    _id(),
    _ref("booking_id", "booking.id"),
    _ref("provider_id", "provider.id"),
    Column("kind", String(10), nullable=False, server_default="request"),  # request, quote
    Column("status", String(12), nullable=False),  # open, countered, approved, declined, expired, withdrawn
    Column("respond_by", Moment, nullable=False),  # of whoever has to answer: the provider, or the traveler to an offer
    Column("note", String(1000), nullable=False, server_default=""),
    Column("answer", String(1000), nullable=False, server_default=""),
    Column("decided_by", String(64)),
    Column("decided_at", Moment),
    Column("created_at", Moment, nullable=False),
    Index("ix_booking_request_open", "provider_id", "status", "respond_by"),
)

# Other terms than were asked for, or the price of something sold on quote: the provider's, or the traveler's in return.
# An offer never changes; the booking takes its terms over when the other side accepts.

offer = Table(
    "offer",
    metadata,
    _id(),
    _ref("request_id", "booking_request.id"),
    _ref("booking_id", "booking.id"),
    Column("side", String(10), nullable=False),  # who made it: provider, traveler
    Column("status", String(12), nullable=False),  # offered, accepted, declined, withdrawn, expired, countered
    Column("local_date", Date, nullable=False),
    Column("end_date", Date),
    Column("local_start", String(5), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("message", String(1000), nullable=False, server_default=""),
    Column("valid_until", Moment, nullable=False),
    Column("made_by", String(64), nullable=False),
    Column("made_at", Moment, nullable=False),
    Column("decided_by", String(64)),
    Column("decided_at", Moment),
    Index(
        "one_open_offer",
        "request_id",
        unique=True,
        sqlite_where=text("status = 'offered'"),
        postgresql_where=text("status = 'offered'"),
    ),
    Index("ix_offer_open", "status", "valid_until"),
)

# A confirmed booking that is to become another day or party. Where more is to be paid, the added places are held and the
# change waits for the payment; the booking stays what it is until then.

booking_change = Table(
    "booking_change",
    metadata,
    _id(),
    _ref("booking_id", "booking.id"),
    Column("status", String(12), nullable=False),  # waiting, applied, expired
    Column("terms", Json, nullable=False),  # the columns the booking takes over, and the places it gives up and gains
    Column("difference", BigInteger, nullable=False),  # minor units; more to pay is positive
    Column("payment_id", String(64)),
    Column("expires_at", Moment, nullable=False),
    Column("made_by", String(64), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("applied_at", Moment),
    Index(
        "one_waiting_change",
        "booking_id",
        unique=True,
        sqlite_where=text("status = 'waiting'"),
        postgresql_where=text("status = 'waiting'"),
    ),
)

# ── money ─────────────────────────────────────────────────────────────────────────────────────────

payment = Table(
    "payment",
    metadata,
    _id(),
    _ref("conversation_id", "conversation.id"),
    _ref("account_id", "account.id", index=False),
    Column("kind", String(10), nullable=False),  # FULL, DEPOSIT, BALANCE, CHANGE
    Column("status", String(10), nullable=False),  # new, open, authorized, paid, expired, orphan
    Column("currency", String(3), nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("refunded", BigInteger, nullable=False, server_default="0"),
    Column("proposal_id", String(64)),
    Column("attempt", Integer, nullable=False, server_default="0"),
    Column("frozen", Json, nullable=False),  # the parameters of the current attempt, fixed before the first call
    Column("session_id", String(128), unique=True),
    Column("intent_id", String(128), unique=True),
    Column("charge_id", String(128), unique=True),
    Column("url", Text),
    Column("expires_at", Moment, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("paid_at", Moment),
    Column("manual", Boolean, nullable=False, server_default=text("false")),  # reserved on the card, captured by a second call
    Column("capture_by", Moment),  # an authorized one is captured before, or let go of
    Index("ix_payment_status", "status", "expires_at"),
    UniqueConstraint("proposal_id", "currency", "kind"),
)

share = Table(
    "share",
    metadata,
    _id(),
    _ref("payment_id", "payment.id"),
    _ref("booking_id", "booking.id", null=True),
    Column("party", String(12), nullable=False),  # provider, expert, platform
    Column("party_id", String(64), nullable=False, server_default=""),
    Column("amount", BigInteger, nullable=False),
    Column("reversed", BigInteger, nullable=False, server_default="0"),  # no longer owed, because refunded
    Column("sent", BigInteger, nullable=False, server_default="0"),
    Column("back", BigInteger, nullable=False, server_default="0"),
    Column("seq", Integer, nullable=False, server_default="0"),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("pending", Json),
    Column("transfers", Json, nullable=False),  # [[transfer id, amount left], ...]
    Column("due_at", Moment),  # when it may be sent on; NULL for the platform's own part and what was not paid yet
    UniqueConstraint("payment_id", "booking_id", "party"),
    Index("ix_share_due", "due_at"),
    Index("ix_share_party", "party", "party_id"),
)

# Who can be paid: a provider or an expert with an account at the gateway, and what the gateway last said of it.

payee = Table(
    "payee",
    metadata,
    Column("party", String(12), nullable=False),  # provider, expert
    Column("party_id", String(64), nullable=False),
    Column("account", String(128), unique=True),  # NULL until the gateway has made it
    Column("attempt", Integer, nullable=False, server_default="0"),
    Column("frozen", Json, nullable=False),  # the parameters of the account, fixed before the first call
    Column("state", String(12), nullable=False, server_default="new"),  # new, pending, active, restricted, rejected
    Column("needs", Json, nullable=False),  # what the gateway still asks for, in its words
    Column("created_at", Moment, nullable=False),
    Column("checked_at", Moment),
    PrimaryKeyConstraint("party", "party_id"),
)

dispute = Table(
    "dispute",
    metadata,
    Column("id", String(128), primary_key=True),  # the gateway's
    _ref("payment_id", "payment.id"),
    Column("status", String(24), nullable=False),  # the gateway's: needs_response, under_review, won, lost, warning_...
    Column("reason", String(60), nullable=False, server_default=""),
    Column("currency", String(3), nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("withdrawn", Boolean, nullable=False, server_default=text("false")),  # the gateway has taken the money back
    Column("due_by", Moment),
    Column("evidence", Json),  # what was sent
    Column("parts", Json, nullable=False),  # {share id: minor units} given up when it was lost
    Column("opened_at", Moment, nullable=False),
    Column("closed_at", Moment),
    Column("submitted_at", Moment),
)

refund = Table(
    "refund",
    metadata,
    _id(),
    _ref("payment_id", "payment.id"),
    _ref("booking_id", "booking.id", null=True),
    Column("amount", BigInteger, nullable=False),
    Column("state", String(10), nullable=False),  # todo, sent, failed
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("gateway_id", String(128), unique=True),
    Column("reason", String(300), nullable=False, server_default=""),
    Column("parts", Json, nullable=False),  # {share id: minor units}
    Column("created_at", Moment, nullable=False),
)

ledger_entry = Table(
    "ledger_entry",
    metadata,
    Column("posting", String(160), nullable=False),  # derived from the gateway's id, so that posting twice is impossible
    Column("account", String(160), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("at", Moment, nullable=False),
    PrimaryKeyConstraint("posting", "account"),
    Index("ix_ledger_entry_account", "account"),
)

webhook_event = Table(
    "webhook_event",
    metadata,
    Column("id", String(128), primary_key=True),
    Column("type", String(80), nullable=False),
    Column("body", Json, nullable=False),
    Column("state", String(10), nullable=False, server_default="new"),  # new, done, parked
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("error", String(500)),
    Column("received_at", Moment, nullable=False),
)

# ── partners ──────────────────────────────────────────────────────────────────────────────────────

affiliate_link = Table(
    "affiliate_link",
    metadata,
    _id(),
    Column("partner", String(40), nullable=False, index=True),
    Column("item_type", String(20), nullable=False),
    Column("landing_url", Text, nullable=False),  # without tracking, which is added at the click
    Column("conversation_id", String(64), index=True),
    Column("made_by", String(12), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("disabled_at", Moment),
)

affiliate_click = Table(
    "affiliate_click",
    metadata,
    Column("id", String(32), primary_key=True),  # what the partner is told: says nothing about anybody
    _ref("link_id", "affiliate_link.id"),
    Column("at", Moment, nullable=False),
    Column("kind", String(12), nullable=False),  # human counts; non_get, no_ua, bot, prefetch, subresource, duplicate do not
    Column("agent", String(32), nullable=False),  # a digest
    Column("prefix", String(50), nullable=False),  # of the address
)

# What partners say was sold through a link; every version they told is a line that stays.

affiliate_conversion = Table(
    "affiliate_conversion",
    metadata,
    _id(),
    Column("partner", String(40), nullable=False),
    Column("txn", String(120), nullable=False),  # the partner's own id of it
    Column("link_id", String(64), index=True),  # NULL: nobody knows which link
    Column("click_id", String(32)),
    Column("state", String(10), nullable=False),  # pending, approved, declined, paid
    Column("currency", String(3), nullable=False),
    Column("amount", BigInteger, nullable=False),  # of the sale, minor units
    Column("commission", BigInteger, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    UniqueConstraint("partner", "txn"),
)

affiliate_conversion_line = Table(
    "affiliate_conversion_line",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    _ref("conversion_id", "affiliate_conversion.id"),
    Column("state", String(10), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("commission", BigInteger, nullable=False),
    Column("source", String(10), nullable=False),  # postback, csv, pull
    Column("at", Moment, nullable=False),
)

affiliate_cursor = Table(
    "affiliate_cursor",
    metadata,
    Column("partner", String(40), primary_key=True),
    Column("cursor", Text, nullable=False),  # where the next pull goes on
    Column("at", Moment, nullable=False),
)

# ── webhooks out ──────────────────────────────────────────────────────────────────────────────────

# The secret stays readable, because every message is signed with it; it is shown once.

hook = Table(
    "hook",
    metadata,
    _id(),
    _ref("account_id", "account.id"),
    Column("provider_id", String(64), nullable=False, server_default="", index=True),  # "": the account's own bookings
    Column("url", Text, nullable=False),
    Column("events", Json, nullable=False),  # list of kinds; [] for all
    Column("secret", String(80), nullable=False),
    Column("failing_since", Moment),
    Column("disabled_at", Moment),
    Column("disabled_why", String(200), nullable=False, server_default=""),
    Column("created_at", Moment, nullable=False),
)

hook_delivery = Table(
    "hook_delivery",
    metadata,
    _id(),  # the webhook-id of every try: made from the hook and the decision
    _ref("hook_id", "hook.id", index=False),
    Column("kind", String(40), nullable=False),
    Column("body", Text, nullable=False),  # exactly what is sent
    Column("state", String(10), nullable=False),  # queued, sent, failed
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("status", Integer),  # of the last answer
    Column("error", String(300), nullable=False, server_default=""),
    Column("tried_at", Moment),
    Column("next_at", Moment),
    Column("created_at", Moment, nullable=False),
    Index("ix_hook_delivery_hook", "hook_id", "created_at"),
    Index("ix_hook_delivery_due", "state", "next_at"),
)

# ── house keeping ─────────────────────────────────────────────────────────────────────────────────

job = Table(
    "job",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("kind", String(40), nullable=False),
    Column("payload", Json, nullable=False),
    Column("state", String(10), nullable=False),  # ready, running, dead (done rows are deleted)
    Column("run_at", Moment, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("max_attempts", Integer, nullable=False, server_default="12"),
    Column("locked_until", Moment),
    Column("dedupe_key", String(200)),
    Column("error", String(1000)),
    Column("created_at", Moment, nullable=False),
    Index("ix_job_due", "state", "kind", "run_at"),
    # over ready rows only: a wake-up that comes while the job runs must not be lost
    Index(
        "one_ready_job",
        "dedupe_key",
        unique=True,
        sqlite_where=text("state = 'ready'"),
        postgresql_where=text("state = 'ready'"),
    ),
)

idempotency_key = Table(
    "idempotency_key",
    metadata,
    Column("key", String(200), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("result", Json, nullable=False),
    Column("created_at", Moment, nullable=False),
)

audit_log = Table(
    "audit_log",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("at", Moment, nullable=False),
    Column("actor_id", String(64), nullable=False, server_default=""),
    Column("acting_for", String(64), nullable=False, server_default=""),
    Column("role", String(12), nullable=False),
    Column("channel", String(20), nullable=False, server_default=""),
    Column("verb", String(40), nullable=False),
    Column("subject", String(120), nullable=False, server_default=""),
    Column("detail", Json, nullable=False),
    Index("ix_audit_log_subject", "subject", "id"),
)
