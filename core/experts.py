"""Who can help now: experts with their languages, places and capacity, present while their desk says so, in teams with working hours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from sqlalchemy import Connection, func, select, update

from core import audit
from core.db import announce, upsert
from core.engine import Actor, Engine
from core.errors import Invalid, NotAllowed, NotFound
from core.schema import account, account_role, expert, handoff, team

HERE = timedelta(minutes=2)  # since the last heartbeat
MOST_AT_ONCE = 50
BUSY = ("active", "waiting_traveler", "wrap_up")


@dataclass(frozen=True, slots=True)
class Expert:
    """An expert who can be here: what they speak, where they know their way, how many conversations they take."""

    account_id: str
    languages: tuple[str, ...]
    destinations: tuple[str, ...]
    capacity: int
    busy: int

    @property
    def free(self) -> int:
        return max(0, self.capacity - self.busy)

    def speaks(self, language: str) -> bool:
        return not self.languages or language_of(language) in self.languages

    def knows(self, destination: str) -> bool:
        return not destination or not self.destinations or destination in self.destinations


def language_of(locale: str) -> str:
    """ "pt" of "pt-BR"."""
    return locale.replace("_", "-").split("-")[0].lower()


# ── presence ──────────────────────────────────────────────────────────────────────────────────────


def beat(engine: Engine, actor: Actor, *, away: bool | None = None) -> None:
    """The expert's desk is open; with `away` they take no new conversations although it is. Raises NotAllowed."""
    if actor.role not in ("expert", "operator"):
        raise NotAllowed("Only experts are at the desk.")
    now = engine.clock()
    changes: dict[str, Any] = {"seen_at": now} | ({} if away is None else {"away": away})
    with engine.db.write() as tx:
        tx.execute(
            upsert(tx)(expert)
            .values(account_id=actor.account_id, languages=[], destinations=[], **changes)
            .on_conflict_do_update(index_elements=["account_id"], set_=changes)
        )
        if away is not None:
            announce(tx, "desk", actor.account_id)


def leave(engine: Engine, actor: Actor) -> None:
    """The desk was closed."""
    with engine.db.write() as tx:
        tx.execute(update(expert).where(expert.c.account_id == actor.account_id).values(seen_at=None))


def on_duty(tx: Connection, now: datetime) -> list[Expert]:
    """Experts who are here, not away, and within their team's hours."""
    busy = select(handoff.c.expert_id, func.count().label("n")).where(handoff.c.status.in_(BUSY)).group_by(handoff.c.expert_id).subquery()
    rows = tx.execute(
        select(expert, team.c.hours, team.c.holidays, team.c.time_zone, func.coalesce(busy.c.n, 0).label("busy"))
        .outerjoin(team, team.c.id == expert.c.team_id)
        .outerjoin(busy, busy.c.expert_id == expert.c.account_id)
        .where(expert.c.seen_at > now - HERE, expert.c.away.is_(False))
        .order_by(expert.c.account_id)
    ).all()
    return [_expert(row) for row in rows if row.time_zone is None or is_open(row, now)]


def _expert(row: Any) -> Expert:
    return Expert(row.account_id, tuple(row.languages), tuple(row.destinations), row.capacity, int(row.busy))


def profile(tx: Connection, account_id: str) -> Expert | None:
    """What is kept of an expert; None for one whose desk was never open and who was never described."""
    row = tx.execute(select(expert).where(expert.c.account_id == account_id)).one_or_none()
    if row is None:
        return None
    busy = tx.execute(
        select(func.count()).select_from(handoff).where(handoff.c.status.in_(BUSY), handoff.c.expert_id == account_id)
    ).scalar_one()
    return Expert(row.account_id, tuple(row.languages), tuple(row.destinations), row.capacity, int(busy))


def colleagues(engine: Engine, actor: Actor) -> list[dict[str, Any]]:
    """Everybody a conversation can be given to: id, name, whether they are here, and how many they can still take."""
    now = engine.clock()
    with engine.db.read() as tx:
        here = {one.account_id: one for one in on_duty(tx, now)}
        rows = tx.execute(
            select(account.c.id, account.c.display_name, expert.c.languages)
            .join(account_role, account_role.c.account_id == account.c.id)
            .outerjoin(expert, expert.c.account_id == account.c.id)
            .where(account_role.c.role == "expert", account.c.id != actor.account_id)
            .order_by(account.c.display_name, account.c.id)
        ).all()
    return [
        {
            "expert_id": row.id,
            "name": row.display_name,
            "here": row.id in here,
            "free": here[row.id].free if row.id in here else 0,
            "languages": list(row.languages or ()),
        }
        for row in rows
    ]


# ── what an operator says of them ─────────────────────────────────────────────────────────────────


def describe(
    engine: Engine,
    actor: Actor,
    account_id: str,
    *,
    languages: Sequence[str] = (),
    destinations: Sequence[str] = (),
    capacity: int = 5,
    team_id: str | None = None,
) -> None:
    """What an expert speaks and knows, and how many conversations they take at once. Raises NotAllowed, NotFound, Invalid."""
    _need_operator(actor)
    if not 1 <= capacity <= MOST_AT_ONCE:
        raise Invalid("capacity", f"Between 1 and {MOST_AT_ONCE} conversations at once.")
    values = {
        "languages": sorted({language_of(one) for one in languages}),
        "destinations": sorted(set(destinations)),
        "capacity": capacity,
        "team_id": team_id,
    }
    now = engine.clock()
    with engine.db.write() as tx:
        role = select(account_role.c.account_id).where(account_role.c.account_id == account_id, account_role.c.role == "expert")
        if tx.execute(role).first() is None:
            raise NotFound("There is no such expert.")
        if team_id is not None and tx.execute(select(team.c.id).where(team.c.id == team_id)).one_or_none() is None:
            raise NotFound("There is no such team.")
        tx.execute(
            upsert(tx)(expert).values(account_id=account_id, **values).on_conflict_do_update(index_elements=["account_id"], set_=values)
        )
        audit.record(tx, actor, "describe_expert", f"account:{account_id}", values, now)


def set_team(
    engine: Engine,
    actor: Actor,
    team_id: str,
    *,
    name: str,
    time_zone: str,
    hours: Mapping[str, Sequence[Sequence[str]]],
    holidays: Sequence[date] = (),
) -> None:
    """A team and when it works: {"0": [["09:00", "18:00"]], ...} with Monday as 0, on the team's own clock; {} means always.

    Raises NotAllowed, Invalid naming the field.
    """
    _need_operator(actor)
    if time_zone not in available_timezones():
        raise Invalid("time_zone", f"There is no time zone {time_zone!r}.")
    values = {
        "name": name.strip()[:120],
        "time_zone": time_zone,
        "hours": {day: [[_hour(a), _hour(b)] for a, b in spans] for day, spans in hours.items()},
        "holidays": sorted(day.isoformat() for day in holidays),
    }
    for day, spans in values["hours"].items():  # type: ignore[attr-defined]
        if day not in "0123456" or any(a >= b for a, b in spans):
            raise Invalid("hours", "Hours are from an earlier to a later time, on the days 0 (Monday) to 6.")
    now = engine.clock()
    with engine.db.write() as tx:
        tx.execute(upsert(tx)(team).values(id=team_id, **values).on_conflict_do_update(index_elements=["id"], set_=values))
        audit.record(tx, actor, "set_team", f"team:{team_id}", values, now)


def _hour(given: str) -> str:
    try:
        return "24:00" if given == "24:00" else f"{time.fromisoformat(given):%H:%M}"
    except ValueError:
        raise Invalid("hours", "Write times as 09:00.") from None


def _need_operator(actor: Actor) -> None:
    if actor.role != "operator":
        raise NotAllowed("Only an operator can do that.")


# ── hours ─────────────────────────────────────────────────────────────────────────────────────────


def is_open(one: Any, now: datetime) -> bool:
    """Whether a team (a row with hours, holidays and time_zone) works at this moment."""
    if not one.hours:
        return now.astimezone(ZoneInfo(one.time_zone)).date().isoformat() not in one.holidays
    here = now.astimezone(ZoneInfo(one.time_zone))
    if here.date().isoformat() in one.holidays:
        return False
    return any(a <= f"{here:%H:%M}" < b for a, b in one.hours.get(str(here.weekday()), ()))


def opens_at(one: Any, now: datetime) -> datetime | None:
    """When a team works next (aware UTC); now where it does; None where it never does within two weeks."""
    if is_open(one, now):
        return now
    zone = ZoneInfo(one.time_zone)
    today = now.astimezone(zone).date()
    for ahead in range(15):
        day = today + timedelta(days=ahead)
        if day.isoformat() in one.holidays:
            continue
        for begin, _ in sorted(one.hours.get(str(day.weekday()), ()) if one.hours else [["00:00", "24:00"]]):
            at = datetime.combine(day, time.fromisoformat(begin), zone).astimezone(UTC)
            if at > now:
                return at
    return None


def next_opening(tx: Connection, now: datetime) -> datetime | None:
    """When the first team works next; None where there is no team, or none ever works."""
    found = [opens_at(row, now) for row in tx.execute(select(team))]
    return min((one for one in found if one is not None), default=None)
