"""Partners as data: landing pages with what is known of the trip, tracking added at the click, and where a link may lead at all."""

from __future__ import annotations

import string
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from core.errors import Invalid, NotFound

FILE = Path(__file__).parent / "partners.toml"
LONGEST = 4096
AWIN = "https://www.awin1.com/cread.php"
SECRET = "postback_secret"  # noqa: S105 - the name of it in AFFILIATES_FILE; signs what the partner posts
WRAPPER_IDS = ("awin_merchant", "awin_publisher")


@dataclass(frozen=True, slots=True)
class Landing:
    """A page and its parameters; a parameter with an unknown value is left out, `required` ones make the page impossible."""

    page: str
    params: Mapping[str, str]
    required: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Partner:
    key: str
    name: str
    hosts: tuple[str, ...]
    commissioned: bool
    needs: tuple[str, ...]
    tracking: Mapping[str, str]
    landings: Mapping[str, Landing]


@cache
def partners() -> Mapping[str, Partner]:
    """Every partner by key, in the order of the file, which says nothing about what they pay."""
    read = tomllib.loads(FILE.read_text("utf-8"))
    return {
        key: Partner(
            key,
            one["name"],
            tuple(one["hosts"]),
            one["commissioned"],
            tuple(one.get("needs", ())),
            one.get("tracking", {}),
            {
                kind: Landing(landing["page"], landing["params"], tuple(landing.get("required", ())))
                for kind, landing in one["landing"].items()
            },
        )
        for key, one in read.items()
    }


def partner(key: str) -> Partner:
    found = partners().get(key)
    if found is None:
        raise NotFound(f"There is no partner {key!r}. Known: {', '.join(partners())}.")
    return found


def kinds() -> tuple[str, ...]:
    return tuple(dict.fromkeys(kind for one in partners().values() for kind in one.landings))


def tracked(one: Partner, ids: Mapping[str, str]) -> bool:
    """Can a booking through this link earn anything? Only then may a commission be disclosed."""
    return one.commissioned and (all(ids.get(name) for name in one.needs) or all(ids.get(name) for name in WRAPPER_IDS))


def landing_url(one: Partner, kind: str, facts: Mapping[str, Any]) -> str | None:
    """The page for these facts; None where the partner has none of the kind, or lacks what it requires. Raises Invalid for a
    link that would lead anywhere else."""
    landing = one.landings.get(kind)
    if landing is None or any(facts.get(name) in (None, "") for name in landing.required):
        return None
    found = {}
    for name, template in landing.params.items():
        value = _filled(template, facts)
        if value:
            found[name] = value
    query = urlencode(found, quote_via=quote)
    return ensure_allowed(f"{landing.page}?{query}" if query else landing.page, one.hosts)


def _filled(template: str, facts: Mapping[str, Any]) -> str:
    """The template with its names filled in; "" where one that stands alone, or every one, is unknown."""
    names = [name for _, name, _, _ in string.Formatter().parse(template) if name]
    known = {name: "" if facts.get(name) in (None, "") else str(facts[name]) for name in names}
    if names and (not any(known.values()) or ("T{" in template and not all(known.values()))):
        return ""
    return " ".join(template.format(**known).split())


def final_url(one: Partner, landing: str, ids: Mapping[str, str], click_id: str) -> str:
    """The landing page with the partner's tracking for one click. Both the inner and the outer address are checked."""
    ensure_allowed(landing, one.hosts)
    if one.needs and all(ids.get(name) for name in one.needs):
        parts = urlsplit(landing)
        extra = [(name, template.format(**ids, click=click_id)) for name, template in one.tracking.items()]
        query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), *extra], quote_via=quote)
        return ensure_allowed(urlunsplit(parts._replace(query=query)), one.hosts)
    if one.commissioned and all(ids.get(name) for name in WRAPPER_IDS):
        query = urlencode(
            {"awinmid": ids["awin_merchant"], "awinaffid": ids["awin_publisher"], "clickref": click_id, "ued": landing}, quote_via=quote
        )
        return ensure_allowed(f"{AWIN}?{query}", ("awin1.com",))
    return landing


def ensure_allowed(url: str, hosts: tuple[str, ...]) -> str:
    """The address itself. Raises Invalid unless it is https on one of these hosts and nothing about it is strange.

    The raw text is looked at first, because parsers quietly drop tabs and line breaks.
    """
    wrong = Invalid("url", "A partner's link may only lead to that partner.")
    if len(url) > LONGEST or not url.isascii() or "\\" in url or any(ord(letter) <= 0x20 or ord(letter) == 0x7F for letter in url):
        raise wrong
    if not url.startswith("https://"):
        raise wrong
    try:
        parts = urlsplit(url)
        port, host = parts.port, (parts.hostname or "").removesuffix(".")
    except ValueError:
        raise wrong from None
    if "@" in parts.netloc or "%" in parts.netloc or port not in (None, 443) or not host:
        raise wrong
    if not any(host == allowed or host.endswith(f".{allowed}") for allowed in hosts):
        raise wrong
    return url


def check_ids(given: Mapping[str, Any]) -> Mapping[str, Mapping[str, str]]:
    """{partner: {id name: value}} as configured. Raises Invalid for an unknown partner or id name, and for what is no plain text."""
    checked: dict[str, Mapping[str, str]] = {}
    for key, ids in given.items():
        one = partner(key)
        known = {*one.needs, *WRAPPER_IDS, SECRET}
        if not isinstance(ids, Mapping) or not set(ids) <= known:
            raise Invalid(key, f"{one.name} takes {', '.join(sorted(known))}.")
        for name, value in ids.items():
            if not isinstance(value, (str, int)) or not str(value).strip().isascii() or len(str(value)) > 200:
                raise Invalid(f"{key}.{name}", "An id is plain text, as the partner gave it.")
        checked[key] = {name: str(value).strip() for name, value in ids.items()}
    return checked
