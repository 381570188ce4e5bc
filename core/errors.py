"""What core can refuse, as sentences of the trade; each class is one fact and carries it.

CoreError
├── NotFound            there is no such thing (or it is not yours: the two look the same)
├── Refused             asking again will not help; the facts say why
│   ├── Invalid         a value that can never be right (carries the field and the rule)
│   ├── NotAllowed      this person may not do this
│   ├── SoldOut         the places are gone (carries what was wanted)
│   ├── PlacesSold      what is to be closed or cut is held or sold (carries the bookings concerned)
│   ├── PriceChanged    the frozen price no longer holds (carries old and new)
│   ├── Expired         a hold, proposal, offer or request ran out
│   ├── AlreadyDecided  somebody decided first (carries who, what and when)
│   ├── WrongState      the state table knows no such move
│   └── Fenced          another speaker controls the conversation now
└── TryAgain            the same call may go through later
    ├── Busy            a lock, a lease or the database was taken
    └── GatewayDown     the outside world did not answer
"""

from __future__ import annotations

from typing import Any


class CoreError(Exception):
    """The root. `str(error)` is a sentence for a person; `facts` are for programs."""

    code = "error"

    def __init__(self, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.message = message
        self.facts = facts


class NotFound(CoreError):
    code = "not_found"


class Refused(CoreError):
    code = "refused"


class Invalid(Refused):
    """`field` names the input, the message the rule."""

    code = "invalid"

    def __init__(self, field: str, message: str, **facts: Any) -> None:
        super().__init__(message, field=field, **facts)
        self.field = field


class NotAllowed(Refused):
    code = "not_allowed"


class SoldOut(Refused):
    code = "sold_out"


class PlacesSold(Refused):
    """`facts["bookings"]` lists who holds or bought the places: booking_id, reference, title, date, start, quantity, status."""

    code = "places_sold"


class PriceChanged(Refused):
    code = "price_changed"


class Expired(Refused):
    code = "expired"


class AlreadyDecided(Refused):
    code = "already_decided"


class WrongState(Refused):
    code = "wrong_state"


class Fenced(Refused):
    code = "fenced"


class TryAgain(CoreError):
    code = "try_again"


class Busy(TryAgain):
    code = "busy"


class GatewayDown(TryAgain):
    code = "gateway_down"
