"""What the rules need from the world, handed in once: the database, the payment gateway, the clock and the house rules."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from core.db import Database
from core.payments.gateway import Gateway
from core.settings import Rules

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Engine:
    """`clock()` returns an aware UTC moment; `gateway` is only called outside transactions, from worker threads."""

    db: Database
    gateway: Gateway
    clock: Clock
    rules: Rules = field(default_factory=Rules)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who speaks, as the channel knows it. Never filled by a model.

    `epoch` is set on a bot's turn: its writes count only while the conversation is still the bot's at that epoch.
    `key` makes a repeated write harmless: the same key returns the first result.
    """

    account_id: str
    role: str = "traveler"  # traveler, provider, expert, operator, system
    conversation_id: str = ""
    channel: str = "web"
    provider_ids: tuple[str, ...] = ()
    acting_for: str = ""  # the traveler an expert books for
    turn_id: str = ""
    epoch: int | None = None
    key: str | None = None

    @property
    def traveler_id(self) -> str:
        """Whose cart and bookings this is about."""
        return self.acting_for or self.account_id


SYSTEM = Actor(account_id="", role="system", channel="system")


def new_id() -> str:
    return uuid.uuid4().hex


REFERENCE_LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"  # nothing that is misread on a phone


def new_reference() -> str:
    """Short enough to say on the phone: TRV-7K3Q9X (32^6, unique in the table)."""
    return "TRV-" + "".join(secrets.choice(REFERENCE_LETTERS) for _ in range(6))
