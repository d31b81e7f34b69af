"""The judge of sessions, their properties and the live view, in plain Python."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from tests.stats.oracle import CUSTOM, VIEW, Event, World, wall

ATTRIBUTES = (
    *("distinct_id", "browser", "os", "device", "screen"),
    *("language", "country", "region", "city", "hostname"),
)
SEARCHED = ("distinct_id", "city", "browser", "os", "device")


def by_session(rows: Iterable[Event]) -> dict[UUID, list[Event]]:
    """The events of each session, first ones first."""
    found: dict[UUID, list[Event]] = defaultdict(list)
    for event in sorted(rows, key=lambda event: (event.at, event.event_id.int)):
        found[event.session_id].append(event)
    return found


def session(rows: Sequence[Event]) -> dict[str, Any]:
    """What is told of a session with these events, first ones first."""
    visits: dict[UUID, list[dt.datetime]] = defaultdict(list)
    for event in rows:
        visits[event.visit_id].append(event.at)
    return {
        "session_id": rows[0].session_id,
        "first_at": rows[0].at,
        "last_at": rows[-1].at,
        "visits": len(visits),
        "views": sum(event.type == VIEW for event in rows),
        "events": sum(event.type == CUSTOM for event in rows),
        "totaltime": sum(int((times[-1] - times[0]).total_seconds()) for times in visits.values()),
        **{name: rows[0][name] or None for name in ATTRIBUTES},
    }


def sessions(world: World, search: str = "", order_by: str | None = None) -> list[dict[str, Any]]:
    """Latest activity first, or ascending by what `order_by` names; then by id."""
    found = [
        session(rows)
        for rows in by_session(world.rows()).values()
        if any(search.lower() in event[name].lower() for event in rows for name in SEARCHED)
    ]
    found.sort(key=lambda row: row["session_id"].int)
    if order_by is None:
        return sorted(found, key=lambda row: row["last_at"], reverse=True)
    return sorted(found, key=lambda row: row[order_by] if row[order_by] is not None else "")


def totals(world: World) -> dict[str, int]:
    rows = world.rows()
    return {
        "hits": len(rows),
        "visitors": len({event.session_id for event in rows}),
        "visits": len({event.visit_id for event in rows}),
        "countries": len({event["country"] for event in rows} - {""}),
        "events": sum(event.type == CUSTOM for event in rows),
    }


def weekday_hours(world: World) -> list[list[int]]:
    week: list[list[set[UUID]]] = [[set() for _ in range(24)] for _ in range(7)]
    for event in world.rows():
        local = wall(event.at, world.zone)
        week[local.isoweekday() % 7][local.hour].add(event.session_id)
    return [[len(sessions) for sessions in day] for day in week]


@dataclass(frozen=True)
class Setting:
    """A row of `session_data`: a session's key was set."""

    session_id: UUID
    key: str
    type: int
    string: str
    number: float | None
    date: dt.datetime | None
    at: dt.datetime
    version: int


def latest(settings: Iterable[Setting]) -> dict[tuple[UUID, str], Setting]:
    found: dict[tuple[UUID, str], Setting] = {}
    for one in sorted(settings, key=lambda one: one.version):
        found[one.session_id, one.key] = one
    return found


def properties(settings: Iterable[Setting], session_id: UUID) -> list[Setting]:
    return sorted(
        (one for (whose, _), one in latest(settings).items() if whose == session_id), key=lambda one: one.key
    )


def property_counts(world: World, settings: Iterable[Setting]) -> list[tuple[str, int]]:
    active = {event.session_id for event in world.rows()}
    found = Counter(key for session_id, key in latest(settings) if session_id in active)
    return sorted(found.items(), key=lambda row: (-row[1], row[0]))


def value_counts(world: World, settings: Iterable[Setting], key: str) -> list[tuple[str, int]]:
    active = {event.session_id for event in world.rows()}
    found = Counter(
        shown(one) for (session_id, of), one in latest(settings).items() if of == key and session_id in active
    )
    return sorted(found.items(), key=lambda row: (-row[1], row[0]))


def shown(one: Setting) -> str:
    if one.type == 2 and one.string.endswith(".0000"):
        return one.string[:-5]
    if one.type == 4 and one.date:
        return one.date.strftime("%Y-%m-%d %H:00:00")
    return one.string


def realtime(events: Iterable[Event], now: dt.datetime, zone: ZoneInfo) -> dict[str, Any]:
    """The replay, as the words tell it: the latest hundred, oldest to newest."""
    start = now.replace(second=0, microsecond=0) - dt.timedelta(minutes=30)
    window = [event for event in events if start <= event.at <= now]
    latest = sorted(window, key=lambda event: (event.at, event.event_id.int))[-100:]
    story: list[tuple[str, UUID]] = []
    seen: set[UUID] = set()
    counts: dict[str, dict[str, int]] = {"countries": {}, "paths": {}, "referrers": {}}

    def count(kind: str, text: str) -> None:
        if text:
            counts[kind][text] = counts[kind].get(text, 0) + 1

    for event in latest:
        if event.session_id not in seen:
            seen.add(event.session_id)
            story.append(("session", event.event_id))
            count("countries", event["country"])
        story.append(("event" if event["event_name"] else "pageview", event.event_id))
        count("paths", event["url_path"])
        count("referrers", event["referrer_domain"])
    minutes: dict[dt.datetime, list[UUID]] = {}
    for step in range(31):
        minutes[wall(start + dt.timedelta(minutes=step), zone)] = []
    for event in window:
        if event.type == VIEW:
            minutes[wall(event.at, zone).replace(second=0, microsecond=0)].append(event.session_id)
    return {
        "entries": story[::-1],
        **{kind: list(found.items()) for kind, found in counts.items()},
        "at": sorted(minutes),
        "pageviews": [len(minutes[at]) for at in sorted(minutes)],
        "visitors": [len(set(minutes[at])) for at in sorted(minutes)],
        "events": sum(kind == "event" for kind, _ in story),
    }
