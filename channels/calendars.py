"""Fetching a provider's other calendars: any address that people gave, so nothing private is ever reached through it.

Every connection, also after a redirect, goes through `dial`, which looks the name up once, refuses it unless all of its
addresses are public, and connects to one of exactly these: a name that answers differently the next time changes nothing.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote, urljoin, urlsplit

import structlog

from core import calendars
from core.calendars import Errand
from core.engine import Engine
from core.errors import Invalid, NotFound, Refused
from core.ical import Unreadable

log = structlog.get_logger()

MOST_BYTES = 2_000_000
SECONDS = 20.0  # for all of it, redirects included
PATIENCE = 8.0  # for one answer of the other side
HOPS = 5
AGENT = "Traveloure calendar reader"
AS_IT_IS = "/?#%&=:@!$'()*+,;~[]"  # what an address may hold besides letters; anything else is written in percents
REDIRECTS = (301, 302, 303, 307, 308)

Lookup = Callable[[str, int], list[str]]


class Unreachable(Refused):
    """A calendar that could not be fetched; the message says why and is shown to the provider."""

    code = "unreachable"


@dataclass(frozen=True, slots=True)
class Fetched:
    """`text` is None where the other side says that nothing has changed."""

    text: str | None
    etag: str = ""
    last_modified: str = ""


def look_up(host: str, port: int) -> list[str]:
    """Every address of a name. Raises OSError."""
    return list(dict.fromkeys(str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))


def is_public(address: str, *, local: bool = False) -> bool:
    """Whether an address may be connected to; with `local` this very machine as well, and nothing else that is private."""
    found = ipaddress.ip_address(address.partition("%")[0])
    inside = getattr(found, "ipv4_mapped", None) or getattr(found, "sixtofour", None)
    if inside is not None:
        found = inside
    if found.is_loopback:
        return local
    return found.is_global and not found.is_multicast and found not in NAT64


NAT64 = ipaddress.ip_network("64:ff9b::/96")  # leads to IPv4 addresses, private ones among them


def fetch(url: str, *, etag: str = "", last_modified: str = "", local: bool = False, lookup: Lookup = look_up) -> Fetched:
    """Read a calendar. Raises Unreachable."""
    ends = time.monotonic() + SECONDS
    for _ in range(HOPS + 1):
        try:
            answer = _get(url, etag, last_modified, local, lookup, ends)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Unreachable(_why(error)) from error
        if isinstance(answer, Fetched):
            return answer
        try:
            url = calendars.check_url(urljoin(url, answer))
        except (Invalid, ValueError) as error:
            raise Unreachable("It leads to an address that is none.") from error
    raise Unreachable("It leads from one address to the next without end.")


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return "Its connection is not secure."
    if isinstance(error, TimeoutError):
        return "It did not answer in time."
    if isinstance(error, socket.gaierror):
        return "There is no such place on the internet."
    return "It could not be reached."


def _get(url: str, etag: str, last_modified: str, local: bool, lookup: Lookup, ends: float) -> Fetched | str:
    """One request: what it gave, or where it leads."""
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    connection = connect(parts.hostname or "", port, secure, local, lookup, ends)
    headers = {"User-Agent": AGENT, "Accept": "text/calendar, text/plain;q=0.5", "Accept-Encoding": "identity"}
    headers |= {"If-None-Match": etag} if etag else {}
    headers |= {"If-Modified-Since": last_modified} if last_modified else {}
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("GET", quote(path, safe=AS_IT_IS), headers=headers)
        answer = connection.getresponse()
        if answer.status in REDIRECTS:
            return answer.headers.get("location", "")
        if answer.status == 304 and (etag or last_modified):
            return Fetched(None, etag, last_modified)
        if answer.status != 200:
            raise Unreachable(f"It answered with {answer.status}; its address may have changed.")
        body = _read(answer, connection, ends)
    finally:
        connection.close()
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = body.decode("latin-1")
    return Fetched(text, answer.headers.get("etag", ""), answer.headers.get("last-modified", ""))


def _read(answer: http.client.HTTPResponse, connection: http.client.HTTPConnection, ends: float) -> bytes:
    body = bytearray()
    while chunk := answer.read1(65_536):
        body += chunk
        if len(body) > MOST_BYTES:
            raise Unreachable(f"It is bigger than {MOST_BYTES // 1_000_000} MB.")
        if connection.sock is not None:
            connection.sock.settimeout(_patience(ends))
        elif time.monotonic() > ends:
            raise TimeoutError
    return bytes(body)


def _patience(ends: float) -> float:
    left = ends - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return min(PATIENCE, left)


def connect(host: str, port: int, secure: bool, local: bool, lookup: Lookup, ends: float) -> http.client.HTTPConnection:
    sock = dial(host, port, local, lookup, ends)
    try:
        if secure:
            sock = ssl.create_default_context().wrap_socket(sock, server_hostname=host)
    except BaseException:
        sock.close()
        raise
    connection = http.client.HTTPConnection(host, port)
    connection.sock = sock
    return connection


def dial(host: str, port: int, local: bool, lookup: Lookup, ends: float) -> socket.socket:
    """Connect to a name whose addresses are all public. Raises Unreachable, OSError."""
    addresses = lookup(host, port)
    if not addresses or not all(is_public(one, local=local) for one in addresses):
        raise Unreachable("It is at a private address, which is not read.")
    failed: OSError | None = None
    for address in addresses[:4]:
        try:
            return socket.create_connection((address, port), timeout=_patience(ends))
        except OSError as error:
            failed = error
    raise failed or OSError("no address")


def pull(engine: Engine, feed_id: str, *, lookup: Lookup = look_up) -> None:
    """The job: fetch one calendar and take it in; what goes wrong is the provider's to know and no reason to try again at once."""
    errand = calendars.errand(engine, feed_id)
    if errand is None:
        return
    try:
        _take_in(engine, errand, lookup)
    except (Unreachable, Unreadable) as error:
        log.info("calendar_broken", feed=feed_id, why=error.message)
        calendars.broken(engine, feed_id, error.message)
    except NotFound:
        log.info("calendar_gone", feed=feed_id)


def _take_in(engine: Engine, errand: Errand, lookup: Lookup) -> None:
    found = fetch(errand.url, etag=errand.etag, last_modified=errand.last_modified, local=engine.rules.local_calendars, lookup=lookup)
    if found.text is None:
        calendars.unchanged(engine, errand.feed_id)
        return
    calendars.took(engine, errand.feed_id, found.text, etag=found.etag, last_modified=found.last_modified)
