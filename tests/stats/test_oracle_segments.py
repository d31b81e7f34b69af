"""Random events, segments and cohorts: on every store, every figure is of the events that the judge lets pass."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from app import segments, websites
from app.context import Ctx
from app.segments import SegmentType
from app.stats import queries
from app.stats.events import event_series
from app.stats.filters import And, Cohort, Condition, Not, Operator, Or, Property
from app.stats.measures import MEASURES
from app.stats.period import Period, Unit
from app.stats.scope import Scope, open_scope
from rest_compat import filters as rest_filters
from tests.server import Server
from tests.stats import oracle
from tests.stats.oracle import World
from tests.stats.oracle_segments import all_of, cohort, decided, segment
from tests.stats.test_oracle import judged
from tests.stats.worlds import TEXTS, filters, store, worlds

VALUES = {
    "url": TEXTS["url_path"],
    "host": TEXTS["hostname"],
    "referrer": TEXTS["referrer_domain"],
    "event": TEXTS["event_name"],
    "country": TEXTS["country"],
    "language": TEXTS["language"],
}


@st.composite
def parameters(draw: st.DrawFn) -> dict[str, str]:
    """Filters as a client writes them, three at most."""
    keys = draw(st.lists(st.sampled_from(sorted(VALUES)), max_size=3, unique=True))
    return {
        key: draw(st.sampled_from(("", "!", "~", "!~"))) + draw(st.sampled_from((*VALUES[key], "a")))
        for key in keys
    }


@st.composite
def periods(draw: st.DrawFn, world: World) -> tuple[dt.datetime, dt.datetime]:
    """A cohort's own period, before, around, after or within the one that is asked about."""
    start = world.start + dt.timedelta(minutes=draw(st.sampled_from((-600, -30, 0, 30, 600, 1500))))
    return start, start + dt.timedelta(minutes=draw(st.sampled_from((-1, 0, 60, 1500, 6000))))


@contextmanager
def stored(server: Server, world: World) -> Iterator[tuple[Ctx, UUID]]:
    """The world as a website of its own, and twice beside it: what is of other websites makes nobody a member."""
    with server.ctx() as ctx:
        website_id: UUID = websites.create(ctx, name="World", domain="example.com").website_id
        moved = [replace(event, columns={**event.columns, "country": "FR"}) for event in world.events]
        store(server.runtime, world.events, website_id)
        store(server.runtime, moved, uuid4())
        yield ctx, website_id


def figures_agree(ctx: Ctx, scope: Scope, world: World) -> None:
    found = oracle.figures(world.rows())
    assert {name: getattr(queries.summary(ctx, scope), name) for name in MEASURES} == found
    assert queries.channels(ctx, scope) == oracle.channels(world)
    custom = [(point.at, point.name, point.count) for point in event_series(ctx, scope, Unit.HOUR)]
    assert custom == oracle.event_series(world, "hour")
    for by, expected in (
        (["path", "country"], oracle.breakdown(world, ["path", "country"], True)),
        (["event"], oracle.breakdown(world, ["event"], True)),
        (["entry"], oracle.edges(world, last=False)),
        (["exit"], oracle.edges(world, last=True)),
    ):
        rows = queries.breakdown(ctx, scope, by, measures=MEASURES)
        assert [(row.values, {name: getattr(row, name) for name in MEASURES}) for row in rows] == (
            oracle.ranked(expected, "visitors")
        )
    assert queries.values(ctx, scope, "path", "", 10) == oracle.values(world, "path", "", 10)


@given(
    world=worlds(),
    of_segment=parameters(),
    of_cohort=parameters(),
    url=st.sampled_from(VALUES["url"]),
    data=st.data(),
)
@judged
def test_a_request_with_a_segment_and_a_cohort(
    server: Server,
    world: World,
    of_segment: dict[str, str],
    of_cohort: dict[str, str],
    url: str,
    data: st.DataObject,
) -> None:
    """As REST asks: a segment's filters replace the request's own of the same name, a cohort's do not."""
    start, end = data.draw(periods(world))
    dates = {"startDate": start.isoformat(), "endDate": round(end.timestamp() * 1000)}
    with stored(server, world) as (ctx, website_id):
        for kind, given_parameters in (
            (SegmentType.SEGMENT, of_segment),
            (SegmentType.COHORT, {**of_cohort, **dates}),
        ):
            segments.create(ctx, website_id, kind=kind, name="Named", parameters=given_parameters)
        asked: dict[str, Any] = {"url": url, "segment": "Named", "cohort": "Named"}
        where = rest_filters.where(ctx, website_id, asked)
        scope = open_scope(ctx, website_id, Period(world.start, world.end, world.zone), where)
        judges = segment({"url": url} | of_segment), cohort(world.events, of_cohort, start, end)
        figures_agree(ctx, scope, replace(world, where=all_of(*judges)))


@st.composite
def with_cohorts(draw: st.DrawFn, world: World, website_id: UUID) -> Any:
    """A filter of any form, cohorts among its parts, that of a cohort too."""

    def made(part: Any) -> Any:
        return st.builds(lambda period, where: Cohort(website_id, *period, where), periods(world), part)

    leaf = made(filters)
    return draw(
        st.one_of(
            leaf,
            leaf.map(Not),
            st.tuples(leaf, filters).map(Or),
            st.tuples(leaf, leaf, filters).map(And),
            made(st.tuples(leaf, filters).map(Or)),
        )
    )


@given(world=worlds(), data=st.data())
@judged
def test_cohorts_anywhere_in_a_filter(server: Server, world: World, data: st.DataObject) -> None:
    with stored(server, world) as (ctx, website_id):
        where = data.draw(with_cohorts(world, website_id))
        scope = open_scope(ctx, website_id, Period(world.start, world.end, world.zone), where)
        figures_agree(ctx, scope, replace(world, where=decided(where, world.events)))


def test_a_condition_looks_for_properties_in_the_cohorts_own_period(server: Server) -> None:
    """Data of the day before makes a member of a visitor who is asked about the day after."""
    day = dt.datetime(2026, 11, 10, 12, tzinfo=dt.UTC)
    session, other = UUID(int=1), UUID(int=2)
    events = (
        oracle.Event(
            uuid4(), session, UUID(int=3), day, {"event_name": "signup"}, (oracle.Datum("plan", 1, "pro"),)
        ),
        oracle.Event(uuid4(), session, UUID(int=4), day + dt.timedelta(days=1), {"url_path": "/"}),
        oracle.Event(uuid4(), other, UUID(int=5), day + dt.timedelta(days=1), {"url_path": "/"}),
    )
    with server.ctx() as ctx:
        website_id = websites.create(ctx, name="World", domain="example.com").website_id
        store(server.runtime, events, website_id)
        pro = Property(event=None, key="plan", operator="eq", value="pro")
        for where, visitors in (
            (Cohort(website_id, day, day, pro), 1),
            (Cohort(website_id, day + dt.timedelta(hours=1), day + dt.timedelta(days=1), pro), 0),
            (Cohort(website_id, day, day, Condition("event", Operator.EQ, ("signup",))), 1),
            # The same question of another website has no members here.
            (Cohort(uuid4(), day, day, pro), 0),
        ):
            period = Period(day + dt.timedelta(days=1), day + dt.timedelta(days=1), oracle.ZoneInfo("UTC"))
            assert queries.summary(ctx, open_scope(ctx, website_id, period, where)).visitors == visitors
