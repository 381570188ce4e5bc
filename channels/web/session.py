"""Who sits at a console: a cookie that scripts cannot read, a proof on every POST, and no entry unless a role allows it."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from channels.house import House
from channels.web.errors import SignInNeeded
from core import people
from core.engine import Actor
from core.errors import NotAllowed
from core.people import Person

COOKIE = "traveloure_console"
STAFF = ("expert", "operator")


@dataclass(frozen=True, slots=True)
class Seat:
    """A person at a console, with the proof their forms must carry."""

    person: Person
    csrf: str

    @property
    def areas(self) -> tuple[tuple[str, str], ...]:
        """What the menu shows, as (address, name)."""
        entries = (
            ("/ops", "Operations", ()),
            ("/provider", "Inbox", ("provider",)),
            ("/bookings", "Bookings", ("provider",)),
            ("/calendar", "Calendar", ("provider",)),
            ("/listings", "Listings", ("owner",)),
            ("/review", "Review", ()),
            ("/desk", "Desk", ("expert",)),
            ("/payouts", "Payouts", ("owner", "expert")),
            ("/staff", "People", ("owner",)),
        )
        return tuple(
            (path, name)
            for path, name, roles in entries
            if self.person.has("operator") or any(self.person.has(one) or (one == "owner" and self.person.owned_ids) for one in roles)
        )

    @property
    def home(self) -> str:
        if self.person.has("operator"):
            return "/ops"
        return self.areas[0][0] if self.areas else "/"

    def actor(self, role: str) -> Actor:
        """This person in one of the roles they hold; operators act as themselves. Raises NotAllowed for a role they do not hold."""
        acting = role if self.person.has(role) else "operator"
        if not self.person.has(acting):
            raise NotAllowed("Your account has no access to this.")
        return Actor(account_id=self.person.account_id, role=acting, channel="console", provider_ids=self.person.provider_ids)


def csrf_of(token: str) -> str:
    return hashlib.sha256(f"csrf:{token}".encode()).hexdigest()


def find(house: House, request: Request) -> Seat | None:
    token = request.cookies.get(COOKIE, "")
    if not token:
        return None
    with house.engine.db.read() as tx:
        person = people.who(tx, token, "console", house.engine.clock())
    return None if person is None else Seat(person, csrf_of(token))


def is_staff(house: House, request: Request) -> bool:
    seat = find(house, request)
    return seat is not None and any(seat.person.has(role) for role in STAFF)


def need(house: House, *roles: str) -> Callable[[Request], Seat]:
    """A dependency: one of these roles (operators may everywhere), or nobody. Synchronous, so it runs in a worker thread."""

    def dependency(request: Request) -> Seat:
        seat = find(house, request)
        if seat is None:
            raise SignInNeeded("Please open your sign-in link to use this page.")
        if not any(seat.person.has(role) for role in (*roles, "operator")):
            raise NotAllowed("Your account has no access to this page.")
        return seat

    return dependency


def need_owner(house: House) -> Callable[[Request], Seat]:
    """A dependency: an owner of some provider, or an operator. Whose they are is looked at where something is done."""
    seated = need(house, "provider")

    def dependency(request: Request) -> Seat:
        seat = seated(request)
        if not seat.person.owned_ids and not seat.person.has("operator"):
            raise NotAllowed("Only an owner of the business may use this page.")
        return seat

    return dependency


def same_site(request: Request) -> bool:
    """Whether a POST comes from a page of ours, as far as the browser says."""
    fetched = request.headers.get("sec-fetch-site")
    if fetched is not None and fetched not in ("same-origin", "none"):
        return False
    origin = request.headers.get("origin")
    return origin is None or origin == "null" or urlsplit(origin).netloc == request.headers.get("host", "")


def same(given: str, wanted: str) -> bool:
    """Compared in a time that says nothing of where they differ."""
    return hmac.compare_digest(given.encode(), wanted.encode())


def check_proof(seat: Seat, request: Request, given: str = "") -> None:
    """Every POST of a console carries the session's proof, in a header or in the form. Raises NotAllowed."""
    given = request.headers.get("x-csrf-token") or given
    if not same_site(request) or not same(given, seat.csrf):
        raise NotAllowed("This page was open for too long. Please reload it and try again.")


def enter(response: Response, token: str, *, secure: bool) -> None:
    response.set_cookie(
        COOKIE, token, max_age=int(people.SESSION_LIFE["console"].total_seconds()), httponly=True, samesite="lax", secure=secure, path="/"
    )


def leave(response: Response, *, secure: bool) -> None:
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="lax", secure=secure)
