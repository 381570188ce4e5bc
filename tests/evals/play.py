"""One written conversation, played: what is said and pressed, what others do meanwhile, and what the database holds in the end.

A turn has one of `say`, `press` (with `fields` for a form), `pay`, `provider` (approve, decline, cancel), `full` (a product's day sells out),
`price` (a product's base price moves), `repeat` (lines said again and again). `reply`, `cards`, `trip` and `cart` are checked after it; they are the offline planner's
and a live model is not held to them. `ends` is what every model is held to.
"""

from __future__ import annotations

import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from sqlalchemy import select, update

from core import cancellations, carts, requests, trips
from core.db import upsert
from core.engine import Actor, Engine
from core.payments import collect
from core.schema import booking, booking_request, handoff, option, payment, rate_plan, refund, slot, turn
from tests.jobs import work
from tests.talk import Talk

SCENARIOS = Path(__file__).parent / "scenarios"
GUEST = {"name": "Ana Silva", "email": "ana@example.com", "terms": "yes"}


@dataclass
class Played:
    """How it went: `wrong` is empty where everything held."""

    name: str
    wrong: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    tokens: tuple[int, int] = (0, 0)
    models: tuple[str, ...] = ()


def load(path: Path) -> Mapping[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def play(engine: Engine, scenario: Mapping[str, Any], name: str, *, agent: Any = None, strict: bool = True) -> Played:
    """With `strict` every answer is checked as written; without it only what the database holds in the end."""
    talk = Talk(engine, agent=agent, locale=scenario.get("locale", "en"))
    done = Played(name)
    cart: list[str] | None = None
    for one in scenario["turn"]:
        began = time.perf_counter()
        try:
            said = _act(talk, one)
        except AssertionError as error:
            done.wrong.append(f"{one}: {error}")
            break
        done.seconds.append(time.perf_counter() - began)
        done.lines += [f"> {said}", f"< {talk.text}"]
        cart = one.get("cart", cart)
        if strict:
            done.wrong += _unlike(talk, one, said, cart)
    ends = {**({"cart": cart} if cart is not None else {}), **scenario.get("ends", {})}
    held = state(talk)
    done.wrong += [f"in the end {key} is {held[key]}, not {wanted}" for key, wanted in ends.items() if held[key] != wanted]
    with engine.db.read() as tx:
        rows = tx.execute(
            select(turn.c.input_tokens, turn.c.output_tokens, turn.c.model).where(turn.c.conversation_id == talk.conversation_id)
        ).all()
    done.tokens = sum(row.input_tokens for row in rows), sum(row.output_tokens for row in rows)
    done.models = tuple(sorted({row.model for row in rows}))
    return done


def state(talk: Talk) -> dict[str, Any]:
    """What is true in the end, in a form that can be written down: nothing of it depends on a model's words."""
    engine, mine = talk.engine, talk.conversation_id
    with engine.db.read() as tx:
        rows = tx.execute(select(booking).where(booking.c.conversation_id == mine).order_by(booking.c.created_at, booking.c.title)).all()
        paid = tx.execute(select(payment.c.status).where(payment.c.conversation_id == mine).order_by(payment.c.status)).scalars().all()
        back = tx.execute(
            select(refund.c.amount).join(payment, payment.c.id == refund.c.payment_id).where(payment.c.conversation_id == mine)
        ).scalars()
        person = tx.execute(select(handoff.c.id).where(handoff.c.conversation_id == mine)).first()
        facts = trips.facts(tx, mine)
        refunds = sum(back)
    return {
        "cart": cart_of(talk),
        "bookings": sorted(
            f"{row.title} {row.local_date} {row.local_start} {sum(row.units.values())} {row.status}".replace("  ", " ") for row in rows
        ),
        "payments": list(paid),
        "refunded": refunds,
        "person": person is not None,
        "city": facts.get("city"),
        "party": facts.get("party"),
        "lines": len(carts.show(engine, talk.actor)["lines"]),
        "total": {currency: parts["payable"] for currency, parts in carts.show(engine, talk.actor)["totals"].items()},
    }


def cart_of(talk: Talk) -> list[str]:
    lines = carts.show(talk.engine, talk.actor)["lines"]
    told = [(line["title"], line["date"], line["start"], str(sum(line["units"].values()))) for line in lines]
    return [" ".join(part for part in parts if part) for parts in told]


def _unlike(talk: Talk, one: Mapping[str, Any], said: str, cart: list[str] | None) -> list[str]:
    wrong = []
    if one.get("reply", "") not in talk.text:
        wrong.append(f"{said!r} was answered {talk.text!r}, not {one['reply']!r}")
    titles = [card["title"] for card in talk.cards()][: len(one.get("cards", ()))]
    if titles != list(one.get("cards", ())):
        wrong.append(f"{said!r} showed {titles}, not {one['cards']}")
    with talk.engine.db.read() as tx:
        known = trips.facts(tx, talk.conversation_id)
    for name, value in one.get("trip", {}).items():
        if known.get(name) != value:
            wrong.append(f"{said!r}: {name} is {known.get(name)}, not {value}")
    if cart is not None and cart_of(talk) != cart:
        wrong.append(f"{said!r}: the cart is {cart_of(talk)}, not {cart}")
    return wrong


def _act(talk: Talk, one: Mapping[str, Any]) -> str:
    engine = talk.engine
    if "say" in one:
        talk.say(one["say"])
        return str(one["say"])
    if "press" in one:
        talk.press(one["press"], GUEST if one["press"] == "Confirm and book" else one.get("fields"))
        return f"[{one['press']}]"
    if "repeat" in one:
        for n in range(int(one["times"])):
            talk.say(one["repeat"][n % len(one["repeat"])])
        return f"{one['times']} lines"
    if "pay" in one:
        work(engine)
        for session in [name for name, page in engine.gateway.pages.items() if page.state == "open"]:  # type: ignore[attr-defined]
            engine.gateway.pay(session)  # type: ignore[attr-defined]
        collect.sync_conversation(engine, talk.conversation_id)
        work(engine)
    elif "provider" in one:
        _provider(talk, str(one["provider"]))
        work(engine)
    elif "full" in one:
        _sell_out(engine, *one["full"])
    else:
        product_id, amount = one["price"]
        with engine.db.write() as tx:
            ids = select(option.c.id).where(option.c.product_id == product_id)
            tx.execute(update(rate_plan).where(rate_plan.c.option_id.in_(ids)).values(amount=amount))
    shown = talk.parts
    talk.new()
    talk.parts = talk.parts or shown  # what is on the page stays there
    return str(dict(one))


def _provider(talk: Talk, verdict: str) -> None:
    engine = talk.engine
    with engine.db.read() as tx:
        query = select(booking).where(booking.c.conversation_id == talk.conversation_id).order_by(booking.c.created_at.desc())
        rows = tx.execute(query.where(booking.c.status == ("CONFIRMED" if verdict == "cancel" else "PENDING"))).all()
        assert rows, f"there is nothing to {verdict}"
        asked = tx.execute(select(booking_request.c.id).where(booking_request.c.booking_id == rows[0].id)).scalar_one_or_none()
    host = Actor("host", role="provider", provider_ids=(rows[0].provider_id,))
    if verdict == "cancel":
        cancellations.by_provider(engine, host, rows[0].id, reason="We had to close.")
    else:
        assert asked is not None
        requests.decide(engine, host, asked, verdict)  # type: ignore[arg-type]


def _sell_out(engine: Engine, product_id: str, day: str) -> None:
    """Somebody else took every place of that day, in the same moment."""
    with engine.db.read() as tx:
        from core.catalogue import listing

        listed = listing(tx, product_id)
    with engine.db.write() as tx:
        for one in listed.options:
            for start in [start.at for start in one.starts] or [""]:
                key = {"resource_id": one.resource_id, "local_date": date.fromisoformat(day), "local_start": start}
                statement = upsert(tx)(slot).values(**key, capacity=0, closed=True)
                tx.execute(statement.on_conflict_do_update(index_elements=list(key), set_={"closed": True}))
