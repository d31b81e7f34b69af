"""Random events and properties: on every store, sessions and the live view are what the oracle says."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import websites
from app.context import Runtime
from app.errors import NotFound
from app.paging import Window
from app.stats import session_data, sessions
from app.stats.realtime import realtime
from app.stats.zones import time_zone
from tests.server import Server
from tests.stats import oracle_sessions as oracle
from tests.stats.oracle import Event, World
from tests.stats.oracle_sessions import Setting
from tests.stats.test_oracle import judged, opened
from tests.stats.worlds import ZONES, store, worlds

TEXTS = {
    "distinct_id": ("", "", "Anna", "anna-2"),
    "os": ("", "iOS", "Windows 10"),
    "device": ("", "mobile", "desktop"),
    "screen": ("", "1x1"),
    "city": ("", "Köln", "Kathmandu"),
}
SEARCHES = ("", "a", "ANNA", "IOS", "mobile", "köln", "hrom", "US", "%", "_", "\\")
EVERYTHING = Window(1000)


def with_attributes(draw: st.DrawFn, event: Event) -> Event:
    more = {column: draw(st.sampled_from(texts)) for column, texts in TEXTS.items()}
    return replace(event, columns={**event.columns, **more})


@st.composite
def session_worlds(draw: st.DrawFn) -> World:
    world = draw(worlds())
    return replace(world, events=tuple(with_attributes(draw, event) for event in world.events))


_DATE = dt.datetime(2024, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
VALUES: tuple[tuple[int, str, float | None, dt.datetime | None], ...] = (
    (1, "pro", None, None),
    (1, "3", None, None),
    (1, "x.0000", None, None),
    (2, "3.0000", 3.0, None),
    (2, "1.5000", 1.5, None),
    (3, "true", None, None),
    (4, "2024-01-02T03:04:05.000Z", None, _DATE),
    (4, "2024-01-02T03:59:05.000Z", None, _DATE + dt.timedelta(minutes=55)),
    (5, '["a"]', None, None),
)


@st.composite
def settings_of(draw: st.DrawFn, world: World) -> tuple[Setting, ...]:
    """Keys that were set, of sessions that are in the world and of one that is not."""
    whose = [*sorted({event.session_id for event in world.events}), UUID(int=7)]
    count = draw(st.integers(0, 12))
    versions = draw(st.permutations(range(count)))
    return tuple(
        Setting(
            draw(st.sampled_from(whose)),
            draw(st.sampled_from(("plan", "Plan", "a.b", "é"))),
            *draw(st.sampled_from(VALUES)),
            at=world.start + dt.timedelta(minutes=draw(st.integers(-5000, 5000))),
            version=version,
        )
        for version in versions
    )


def keep(runtime: Runtime, settings: Sequence[Setting], *website_ids: UUID) -> None:
    """Put the settings into the event store for each website."""
    rows = [
        {
            "website_id": str(website_id),
            "session_id": str(one.session_id),
            "distinct_id": "",
            "data_key": one.key,
            "data_type": one.type,
            "string_value": one.string,
            "number_value": None if one.number is None else f"{one.number:.4f}",
            "date_value": None if one.date is None else one.date.replace(tzinfo=None).isoformat(),
            "created_at": one.at.replace(tzinfo=None).isoformat(),
            "version": one.version,
        }
        for one in settings
        for website_id in website_ids
    ]
    if rows:
        runtime.events.apply(uuid4(), 1, {"session_data": json.dumps(rows)})


def told(rows: Sequence[sessions.Session]) -> list[dict[str, Any]]:
    return [asdict(row) for row in rows]


@given(world=session_worlds(), search=st.sampled_from(SEARCHES), page=st.integers(1, 3))
@judged
def test_sessions(server: Server, world: World, search: str, page: int) -> None:
    with opened(server, world) as (ctx, scope):
        rows = sessions.sessions(ctx, scope, EVERYTHING, search)
        count = sessions.count_sessions(ctx, scope, search)
        paged: list[sessions.Session] = []
        for _ in range(len(rows) + 1):
            after = (paged[-1].last_at, paged[-1].session_id) if paged else None
            paged += sessions.sessions(ctx, scope, Window(page, after=after), search)
        numbered = sessions.session_page(ctx, scope, Window(page, offset=1), search)
    assert told(rows) == oracle.sessions(world, search)
    assert count == numbered.count == len(rows)
    assert paged == rows
    assert numbered.rows == rows[1 : 1 + page]


@given(world=session_worlds(), order_by=st.sampled_from(sorted(sessions.ORDERS)), page=st.integers(1, 3))
@judged
def test_sessions_in_another_order(server: Server, world: World, order_by: str, page: int) -> None:
    with opened(server, world) as (ctx, scope):
        rows = sessions.sessions(ctx, scope, Window(page, offset=1), order_by=order_by)
    assert told(rows) == oracle.sessions(world, order_by=order_by)[1 : 1 + page]


@given(world=session_worlds(), page=st.integers(1, 3))
@judged
def test_one_session_and_what_it_did(server: Server, world: World, page: int) -> None:
    with opened(server, world) as (ctx, scope):
        for session_id, events in oracle.by_session(world.rows()).items():
            assert asdict(sessions.session(ctx, scope, session_id)) == oracle.session(events)
            newest = [event.event_id for event in reversed(events)]
            rows = sessions.activity(ctx, scope, session_id, EVERYTHING)
            assert [row.event_id for row in rows] == newest
            assert sessions.count_activity(ctx, scope, session_id) == len(newest)
            after = (rows[0].created_at, rows[0].event_id)
            following = sessions.activity(ctx, scope, session_id, Window(page, after=after))
            assert [row.event_id for row in following] == newest[1 : 1 + page]
        with pytest.raises(NotFound):
            sessions.session(ctx, scope, UUID(int=7))
        assert sessions.activity(ctx, scope, UUID(int=7), EVERYTHING) == []


@given(world=session_worlds())
@judged
def test_totals_and_hours_of_the_week(server: Server, world: World) -> None:
    with opened(server, world) as (ctx, scope):
        assert asdict(sessions.session_totals(ctx, scope)) == oracle.totals(world)
        assert sessions.weekday_hours(ctx, scope) == oracle.weekday_hours(world)


@given(world=session_worlds(), data=st.data(), page=st.integers(1, 3))
@judged
def test_properties(server: Server, world: World, data: st.DataObject, page: int) -> None:
    settings = data.draw(settings_of(world))
    with opened(server, world) as (ctx, scope):
        keep(server.runtime, settings, scope.website_id, uuid4())
        for session_id in {one.session_id for one in settings}:
            found = session_data.session_properties(ctx, scope, session_id)
            expected = oracle.properties(settings, session_id)
            assert [(row.key, row.type, row.text, row.number, row.date, row.set_at) for row in found] == [
                (one.key, one.type, one.string, one.number, one.date, one.at) for one in expected
            ]
        keys = session_data.property_counts(ctx, scope, EVERYTHING)
        assert [(row.name, row.sessions) for row in keys] == oracle.property_counts(world, settings)
        assert session_data.count_property_counts(ctx, scope) == len(keys)
        if keys:
            after = (keys[0].sessions, keys[0].name)
            assert session_data.property_counts(ctx, scope, Window(page, after=after)) == keys[1 : 1 + page]
        for key in ("plan", "é", "none"):
            values = session_data.property_value_counts(ctx, scope, key, EVERYTHING)
            assert [(row.name, row.sessions) for row in values] == oracle.value_counts(world, settings, key)
            assert session_data.count_property_value_counts(ctx, scope, key) == len(values)


@given(
    world=session_worlds(),
    zone=st.sampled_from(ZONES).map(time_zone),
    now=st.integers(0, 119_999).map(lambda ms: dt.timedelta(milliseconds=ms)),
    data=st.data(),
)
@judged
def test_realtime(server: Server, world: World, zone: Any, now: dt.timedelta, data: st.DataObject) -> None:
    at = world.start + now
    ages = st.integers(-60, 40 * 60)
    events = tuple(replace(event, at=at - dt.timedelta(seconds=data.draw(ages))) for event in world.events)
    with server.ctx() as ctx:
        website_id: UUID = websites.create(ctx, name="Now", domain="example.com").website_id
        store(server.runtime, events, website_id, uuid4())
        ctx.now = at
        found = realtime(ctx, website_id, zone)
    expected = oracle.realtime(events, at, zone)
    assert {
        "entries": [(entry.kind.value, entry.event.event_id) for entry in found.entries],
        "countries": list(found.countries.items()),
        "paths": list(found.paths.items()),
        "referrers": list(found.referrers.items()),
        "at": found.series.at,
        "pageviews": found.series.pageviews,
        "visitors": found.series.visitors,
        "events": found.events,
    } == expected
    assert found.pageviews == sum(expected["pageviews"])
    assert found.visitors == sum(expected["visitors"])
