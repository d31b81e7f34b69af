"""Random events, filters, zones and ranges: on every store, every figure is what the oracle says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app import websites
from app.context import Ctx
from app.stats import queries
from app.stats.events import event_series
from app.stats.measures import MEASURES
from app.stats.period import Period, Unit
from app.stats.scope import Scope, open_scope
from tests.server import Server
from tests.stats import oracle
from tests.stats.oracle import World
from tests.stats.worlds import store, worlds

judged = settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
FIELDS = (
    "path",
    "query",
    "title",
    "hostname",
    "referrer",
    "event",
    "tag",
    "browser",
    "country",
    "region",
    "language",
)


@contextmanager
def opened(server: Server, world: World) -> Iterator[tuple[Ctx, Scope]]:
    """The world stored as a website of its own, with a neighbour whose equal events must not count."""
    with server.ctx() as ctx:
        website_id: UUID = websites.create(ctx, name="World", domain="example.com").website_id
        store(server.runtime, world.events, website_id, uuid4())
        yield ctx, open_scope(ctx, website_id, Period(world.start, world.end, world.zone), world.where)


@given(world=worlds(), measures=st.sets(st.sampled_from(MEASURES), min_size=1))
@judged
def test_summary(server: Server, world: World, measures: set[str]) -> None:
    with opened(server, world) as (ctx, scope):
        found = oracle.figures(world.rows())
        everything = queries.summary(ctx, scope)
        some = queries.summary(ctx, scope, sorted(measures))
    assert {name: getattr(everything, name) for name in MEASURES} == found
    assert {name: getattr(some, name) for name in MEASURES} == {
        name: found[name] if name in measures else 0 for name in MEASURES
    }


@given(world=worlds(), unit=st.sampled_from(Unit))
@judged
def test_series(server: Server, world: World, unit: Unit) -> None:
    if unit is Unit.MINUTE:
        world = World(world.events, world.start, world.start.replace(minute=59), world.zone, world.where)
    with opened(server, world) as (ctx, scope):
        filled = queries.series(ctx, scope, unit, MEASURES)
        sparse = queries.series(ctx, scope, unit, ("pageviews", "visitors"), fill=False)
        custom = event_series(ctx, scope, unit)
    found = oracle.series(world, unit)
    starts = oracle.buckets(world, unit)
    assert filled.at == starts
    assert {name: getattr(filled, name) for name in MEASURES} == {
        name: [found[at][name] if at in found else 0 for at in starts] for name in MEASURES
    }
    viewed = [(at, row["pageviews"], row["visitors"]) for at, row in found.items() if row["pageviews"]]
    assert list(zip(sparse.at, sparse.pageviews, sparse.visitors, strict=True)) == viewed
    assert [(point.at, point.name, point.count) for point in custom] == oracle.event_series(world, unit)


@given(
    world=worlds(),
    by=st.one_of(
        st.lists(st.sampled_from(FIELDS), min_size=1, max_size=3, unique=True),
        st.sampled_from((["entry"], ["exit"])),
    ),
    order_by=st.sampled_from(MEASURES),
    page=st.integers(1, 4),
)
@judged
def test_breakdown(server: Server, world: World, by: list[str], order_by: str, page: int) -> None:
    with opened(server, world) as (ctx, scope):
        rows = queries.breakdown(ctx, scope, by, measures=MEASURES, order_by=order_by)
        paged = []
        while True:
            after = (getattr(paged[-1], order_by), paged[-1].values) if paged else None
            more = queries.breakdown(
                ctx, scope, by, measures=MEASURES, order_by=order_by, limit=page, after=after
            )
            paged += more
            if not more:
                break
        skipped = queries.breakdown(
            ctx, scope, by, measures=MEASURES, order_by=order_by, limit=page, offset=1
        )
    found = (
        oracle.edges(world, by == ["exit"])
        if by[0] in ("entry", "exit")
        else oracle.breakdown(world, by, True)
    )
    expected = oracle.ranked(found, order_by)
    assert [(row.values, {name: getattr(row, name) for name in MEASURES}) for row in rows] == expected
    assert paged == rows
    assert skipped == rows[1 : 1 + page]


@given(world=worlds(), field=st.sampled_from(FIELDS), search=st.sampled_from(("A", "e", "%", "_", "é", "\\")))
@judged
def test_search_keeps_values_that_contain_it(server: Server, world: World, field: str, search: str) -> None:
    with opened(server, world) as (ctx, scope):
        rows = queries.breakdown(ctx, scope, [field, "device"], order_by="visits", search=search)
    found = oracle.ranked(oracle.breakdown(world, [field, "device"]), "visits")
    assert [row.values for row in rows] == [
        values for values, _ in found if search.lower() in (values[0] or "").lower()
    ]


@given(
    world=worlds(),
    field=st.sampled_from(FIELDS),
    search=st.sampled_from(("", "A", "%", "us,DE,x", "/,/a", "red,", "SIGNUP,", ",", "a,b,c,d,e,us,/")),
    limit=st.integers(1, 4),
)
@judged
def test_values(server: Server, world: World, field: str, search: str, limit: int) -> None:
    with opened(server, world) as (ctx, scope):
        assert queries.values(ctx, scope, field, search, limit) == oracle.values(world, field, search, limit)


@given(world=worlds())
@judged
def test_channels(server: Server, world: World) -> None:
    with opened(server, world) as (ctx, scope):
        assert queries.channels(ctx, scope) == oracle.channels(world)
        rows = queries.breakdown(ctx, scope, ["channel"])
    expected = [((name,), count) for name, count in oracle.channels(world) if count]
    assert [(row.values, row.visitors) for row in rows] == sorted(expected, key=lambda row: (-row[1], row[0]))


@pytest.mark.parametrize("name", ["country", "nonsense"])
def test_the_judge_knows_an_absent_value(name: str) -> None:
    """The oracle's own footing: what is not there is None, never ''."""
    assert (
        oracle.value(oracle.Event(uuid4(), uuid4(), uuid4(), oracle.dt.datetime.now(oracle.dt.UTC), {}), name)
        is None
    )
