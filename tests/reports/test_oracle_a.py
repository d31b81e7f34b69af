"""Random events, filters and questions: on every store, funnels, goals, journeys and retention are what the oracle says."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.reports import funnel, goal, journey, retention
from app.stats.filters import Condition, Operator
from app.stats.zones import UTC, time_zone
from tests.server import Server
from tests.stats import oracle_reports_a as oracle
from tests.stats.oracle import Datum, Event, World
from tests.stats.test_oracle import judged, opened
from tests.stats.worlds import TEXTS, ZONES, worlds

FIRST = dt.datetime(2026, 10, 20, 3, tzinfo=dt.UTC)
PATHS = (*TEXTS["url_path"], "*", "**", "/*", "*a", "*_*", "/5*", "*%", "*B", "*é", "/%*")
NAMES = ("", "signup", "Purchase", "*", "sign*", "*CHASE", "*u*")
steps = st.one_of(
    st.tuples(st.just("url"), st.sampled_from(PATHS)),
    st.tuples(st.sampled_from(("event", "other")), st.sampled_from(NAMES)),
)


_ids = st.integers(0, 2**128 - 1).map(lambda number: UUID(int=number))
_data = st.lists(
    st.sampled_from((Datum("n", 2, "3.0000", 3.0), Datum("n", 2, "0.2500", 0.25), Datum("n", 1, "x"))),
    max_size=1,
)
_DE = Condition("country", Operator.EQ, ("DE",))


@st.composite
def crowds(draw: st.DrawFn) -> World:
    """Two sessions of a few events at fewer instants, half an hour apart: chains, ties and ends of windows are the rule."""

    def seen() -> Event:
        session = UUID(int=draw(st.integers(1, 2)) << 120)
        columns = {
            "url_path": draw(st.sampled_from(("/", "/a"))),
            "event_name": draw(st.sampled_from(("", "", "signup"))),
            "country": draw(st.sampled_from(("", "DE", "DE"))),
        }
        at = FIRST + dt.timedelta(minutes=30 * draw(st.integers(0, 4)))
        return Event(draw(_ids), session, session, at, columns, tuple(draw(_data)))

    events = {event.event_id: event for event in (seen() for _ in range(draw(st.sampled_from((3, 5, 8)))))}
    end = FIRST + dt.timedelta(hours=draw(st.sampled_from((1, 2))))
    return World(tuple(events.values()), FIRST, end, UTC, draw(st.sampled_from((None, _DE))))


crowded = st.sampled_from((("url", "/"), ("url", "/a"), ("event", "signup")))


@given(
    world=worlds(),
    asked=st.lists(steps, min_size=2, max_size=5),
    minutes=st.sampled_from((0.01, 1, 30, 60, 2900)),
)
@judged
def test_funnel(server: Server, world: World, asked: list[tuple[str, str]], minutes: float) -> None:
    judge_funnel(server, world, asked, minutes)


@given(world=crowds(), asked=st.lists(crowded, min_size=2, max_size=3), minutes=st.sampled_from((30, 30, 60)))
@judged
def test_funnel_of_a_crowd(server: Server, world: World, asked: list[tuple[str, str]], minutes: int) -> None:
    judge_funnel(server, world, asked, minutes)


def judge_funnel(server: Server, world: World, asked: list[tuple[str, str]], minutes: float) -> None:
    params = funnel.Params(tuple(funnel.Step(*step) for step in asked), minutes)
    with opened(server, world) as (ctx, scope):
        found = funnel.run(ctx, scope, params)
    counts = oracle.funnel(world, asked, 1 if minutes == 0.01 else int(minutes * 60))
    assert [row.visitors for row in found] == counts
    assert [row.previous for row in found] == [0, *counts[:-1]]
    for row in found:
        assert row.dropped == max(0, row.previous - row.visitors if row.previous else 0)
        assert row.dropoff == (1 - row.visitors / row.previous if row.previous else None)
        assert row.remaining == (row.visitors / counts[0] if counts[0] else None)


@given(
    world=worlds(),
    asked=st.lists(
        st.one_of(
            st.tuples(st.just("url"), st.sampled_from(TEXTS["url_path"]), st.just("sum"), st.just("n")),
            st.tuples(
                st.sampled_from(("event", "event-data")),
                st.sampled_from(("", "signup", "Purchase")),
                st.sampled_from(("count", "sum", "average")),
                st.sampled_from(("k", "n", "ok")),
            ),
        ),
        min_size=1,
        max_size=6,
    ),
)
@judged
def test_goals(server: Server, world: World, asked: list[tuple[str, str, str, str]]) -> None:
    judge_goals(server, world, asked)


@given(world=crowds(), operator=st.sampled_from(goal.Operator))
@judged
def test_goals_of_a_crowd(server: Server, world: World, operator: str) -> None:
    judge_goals(server, world, [("event-data", "signup", operator, "n"), ("url", "/a", operator, "n")])


def judge_goals(server: Server, world: World, asked: list[tuple[str, str, str, str]]) -> None:
    goals = [
        goal.Goal(goal.Kind(kind), value, 1, goal.Operator(operator), key)
        for kind, value, operator, key in asked
    ]
    with opened(server, world) as (ctx, scope):
        found = goal.run(ctx, scope, goal.Params(tuple(goals)))
    assert [one.goal for one in found] == goals
    assert [one.result for one in found] == pytest.approx([oracle.goal(world, *one) for one in asked])


@given(
    world=worlds(),
    count=st.integers(3, 7),
    start=st.sampled_from(("", "", "", *TEXTS["url_path"], "signup")),
    end=st.sampled_from(("", "", "", *TEXTS["url_path"], "signup")),
    limit=st.sampled_from((1, 3, 100)),
)
@judged
def test_journeys(server: Server, world: World, count: int, start: str, end: str, limit: int) -> None:
    judge_journeys(server, world, count, start, end, limit)


@given(world=crowds(), end=st.sampled_from(("", "", "signup")))
@judged
def test_journeys_of_a_crowd(server: Server, world: World, end: str) -> None:
    judge_journeys(server, world, 4, "", end, 100)


def judge_journeys(server: Server, world: World, count: int, start: str, end: str, limit: int) -> None:
    with opened(server, world) as (ctx, scope):
        found = journey.run(ctx, scope, journey.Params(count, start, end, limit))
    expected = oracle.journeys(world, count, start, end)[:limit]
    assert [(one.steps, one.visits) for one in found] == [
        (way + (None,) * (count - len(way)), visits) for way, visits in expected
    ]


@st.composite
def returning(draw: st.DrawFn) -> World:
    """Visitors over three months: a session lasts for a calendar month, those who are identified stay the same."""

    def seen() -> Event:
        days = draw(st.sampled_from((-50, -32, -31, -19, -3, 0, 0, 1, 12, 31, 32)))
        at = FIRST + dt.timedelta(days=days, hours=draw(st.sampled_from((-3, 0, 20))))
        who, identified = draw(st.integers(1, 3)), draw(st.booleans())
        session = UUID(int=who << 100 | (0 if identified else at.month))
        columns = {"url_path": "/", "country": draw(st.sampled_from(("", "DE", "DE")))}
        if identified:
            columns["distinct_id"] = f"user-{who}"
        return Event(draw(_ids), session, session, at, columns)

    events = {event.event_id: event for event in (seen() for _ in range(draw(st.integers(0, 20))))}
    start = FIRST + dt.timedelta(
        days=draw(st.sampled_from((-60, -3, 0))), hours=draw(st.sampled_from((-3, 0)))
    )
    end = start + dt.timedelta(days=draw(st.sampled_from((1, 33, 90))))
    zone = time_zone(draw(st.sampled_from(ZONES)))
    return World(tuple(events.values()), start, end, zone, draw(st.sampled_from((None, None, _DE))))


@given(world=worlds())
@judged
def test_retention(server: Server, world: World) -> None:
    judge_retention(server, world)


@given(world=returning())
@judged
def test_retention_over_months(server: Server, world: World) -> None:
    judge_retention(server, world)


def judge_retention(server: Server, world: World) -> None:
    with opened(server, world) as (ctx, scope):
        cohorts = retention.run(ctx, scope, retention.Params())
    found = {
        (cohort.date, day): (cohort.visitors, visitors)
        for cohort in cohorts
        for day, visitors in cohort.returned.items()
    }
    assert list(found.items()) == sorted(oracle.retention(world).items())
