"""The judge of funnels, goals, journeys and retention: plain Python over a list of events, pair by pair."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Sequence
from uuid import UUID

from tests.stats.oracle import Event, World, floor, wall


def fits(step: tuple[str, str], event: Event) -> bool:
    """Whether an event matches a funnel's (type, value)."""
    kind, value = step
    text = event["url_path"] if kind == "url" else event["event_name"]
    if kind != "url" and not text:
        return False
    if value.startswith("*") and value.endswith("*"):
        return value[1:-1] in text
    if value.startswith("*"):
        return text.endswith(value[1:])
    if value.endswith("*"):
        return text.startswith(value[:-1])
    return text == value


def funnel(world: World, steps: Sequence[tuple[str, str]], seconds: int) -> list[int]:
    """The visitors at each step."""
    window = dt.timedelta(seconds=seconds)
    found, before = [], [(e.session_id, e.at) for e in world.rows() if fits(steps[0], e)]
    found.append(before)
    for step in steps[1:]:
        here = [(e.session_id, e.at) for e in world.rows() if fits(step, e)]
        before = [
            (session, at)
            for session, at in here
            if any(other == session and then <= at <= then + window for other, then in before)
        ]
        found.append(before)
    return [len({session for session, _ in reached}) for reached in found]


def goal(world: World, kind: str, value: str, operator: str, property: str) -> float:
    """What became of one goal."""
    rows = world.rows()
    if kind == "url":
        return sum(event["url_path"] == value for event in rows)
    named = [event for event in rows if value and event["event_name"] == value]
    if kind == "event":
        return len(named)
    data = [datum for event in named for datum in event.data if datum.key == property]
    numbers = [datum.number for datum in data if datum.number is not None]
    if operator == "count":
        return len(data)
    return sum(numbers) / (len(numbers) or 1 if operator == "average" else 1)


def journeys(world: World, steps: int, start: str, end: str) -> list[tuple[tuple[str, ...], int]]:
    """(steps, visits), most visits first, then by steps."""
    visits: dict[UUID, list[Event]] = defaultdict(list)
    for event in sorted(world.rows(), key=lambda e: (e.at, e.type, e.event_id.int)):
        visits[event.visit_id].append(event)
    ways = Counter(
        tuple(event["event_name"] or event["url_path"] for event in rows[:steps]) for rows in visits.values()
    )
    kept = [
        (way, count)
        for way, count in ways.items()
        if (not start or way[0] == start) and (not end or way[-1] == end)
    ]
    return sorted(kept, key=lambda row: (-row[1], row[0]))


def retention(world: World) -> dict[tuple[dt.datetime, int], tuple[int, int]]:
    """(day's start, day number) → (visitors of the cohort, those of them who were there)."""
    counting = World(world.events, dt.datetime.min.replace(tzinfo=dt.UTC), world.end, world.zone, world.where)
    sessions: dict[UUID, list[dt.datetime]] = defaultdict(list)
    for event in counting.rows():
        sessions[event.session_id].append(event.at)
    cohorts: dict[dt.datetime, list[set[int]]] = defaultdict(list)
    for times in sessions.values():
        if min(times) >= world.start:
            first = floor(wall(min(times), world.zone), "day")
            cohorts[first].append({(floor(wall(at, world.zone), "day") - first).days for at in times})
    return {
        (first, day): (len(cohort), sum(day in days for days in cohort))
        for first, cohort in cohorts.items()
        for day in range(32)
        if any(day in days for days in cohort)
    }
