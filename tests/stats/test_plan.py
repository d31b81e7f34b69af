"""Questions that are answered together get the answers they get alone, from as few reads as the engines themselves tell."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.sql import visitors

from app import websites
from app.context import Ctx
from app.errors import Unavailable
from app.stats import plan
from app.stats.filters import And, Condition, Not, Operator, Property
from app.stats.measures import MEASURES, Counted, Summary
from app.stats.period import Period, Unit
from app.stats.questions import OverTime, Question, Ranking, Totals
from app.stats.scope import Scope, open_scope
from app.stats.zones import UTC, time_zone
from app.work import WORK, Work
from tests.server import Server
from tests.stats import oracle
from tests.stats.oracle import Event, World
from tests.stats.test_oracle import FIELDS, judged
from tests.stats.test_scope import view, website
from tests.stats.worlds import store, worlds

SESSION_FIELDS = ("browser", "os", "device", "country", "region", "city", "language")


@contextmanager
def counting() -> Iterator[Work]:
    work = Work()
    counted = WORK.set(work)
    try:
        yield work
    finally:
        WORK.reset(counted)


def opened(ctx: Ctx, server: Server, world: World, reset: bool = False) -> Scope:
    """The world stored as a website of its own, reset in the middle of its period if asked to."""
    site: UUID = websites.create(ctx, name="World", domain="example.com").website_id
    store(server.runtime, world.events, site, uuid4())
    if reset:
        websites.get(ctx, site).reset_at = world.start + (world.end - world.start) / 2
        ctx.db.flush()
    return open_scope(ctx, site, Period(world.start, world.end, world.zone), world.where)


measures = st.lists(st.sampled_from(MEASURES), unique=True, min_size=1).map(tuple)
# Changes of a scope's period: none, the one before (which overlaps it), a year before, half of it.
periods = st.sampled_from(
    (
        lambda period: period,
        Period.previous,
        Period.previous_year,
        lambda period: Period(period.start, period.start + (period.end - period.start) / 2, period.zone),
    )
)


@st.composite
def asked(draw: st.DrawFn, scopes: Sequence[Scope]) -> Question[Any]:
    scope = draw(st.sampled_from(scopes))
    scope = scope.over(draw(periods)(scope.period))
    names = draw(measures)
    match draw(st.sampled_from(("totals", "series", "ranking"))):
        case "totals":
            return Totals(scope, names, draw(st.sampled_from(Counted)))
        case "series":
            return OverTime(scope, draw(st.sampled_from((Unit.HOUR, Unit.DAY, Unit.MONTH))), names)
        case _:
            some = st.lists(st.sampled_from((*FIELDS, *SESSION_FIELDS)), min_size=1, max_size=3, unique=True)
            by = draw(st.one_of(some, st.sampled_from((["entry"], ["exit"], ["channel"]))))
            after = (draw(st.integers(0, 3)), tuple("" for _ in by)) if draw(st.booleans()) else None
            page = {"limit": draw(st.integers(1, 5)), "offset": draw(st.integers(0, 1))}
            search = draw(st.sampled_from((None, "a")))
            return Ranking(scope, tuple(by), names, draw(st.sampled_from(names)), search, **page, after=after)


@given(data=st.data(), one=worlds(), other=worlds())
@judged
def test_together_as_alone(server: Server, data: st.DataObject, one: World, other: World) -> None:
    like = World(other.events, one.start, one.end, one.zone, one.where)
    with server.ctx() as ctx:
        scopes = [
            opened(ctx, server, one),
            opened(ctx, server, like, reset=True),
            opened(ctx, server, World((), one.start, one.end, one.zone, one.where)),
            opened(ctx, server, other),
        ]
        questions = data.draw(st.lists(asked(scopes), min_size=2, max_size=30))
        alone = [plan.answer(ctx, question) for question in questions]
        with counting() as work:
            together = plan.answers(ctx, questions)
        assert together == alone
        assert work.statements <= len(set(questions))


@given(world=worlds(), ranks=st.lists(st.sampled_from(FIELDS), min_size=1, max_size=4, unique=True))
@judged
def test_together_as_the_judge_says(server: Server, world: World, ranks: list[str]) -> None:
    with server.ctx() as ctx:
        scope = opened(ctx, server, world)
        [totals, series, *tables] = plan.answer_all(
            ctx,
            [
                Totals(scope),
                OverTime(scope, Unit.DAY, MEASURES),
                *(Ranking(scope, (name,), MEASURES, "visits") for name in ranks),
            ],
        )
    assert {name: getattr(totals, name) for name in MEASURES} == oracle.figures(world.rows())
    days = oracle.series(world, Unit.DAY)
    assert {
        at: dict(zip(MEASURES, row, strict=True))
        for at, *row in zip(series.at, *(getattr(series, name) for name in MEASURES), strict=True)
        if at in days
    } == days
    for name, table in zip(ranks, tables, strict=True):
        expected = oracle.ranked(oracle.breakdown(world, [name], True), "visits")
        assert [(row.values, {key: getattr(row, key) for key in MEASURES}) for row in table] == expected


def dashboard(scope: Scope) -> list[Question[Any]]:
    """Fourteen tiles: totals with the period before, two charts, eleven tables."""
    tables = ("path", "title", "referrer", "query", "event", *SESSION_FIELDS[:5])
    return [
        Totals(scope),
        Totals(scope.over(scope.period.previous())),
        OverTime(scope, Unit.DAY),
        OverTime(scope, Unit.HOUR, ("pageviews",)),
        *(Ranking(scope, (name,), limit=10) for name in tables),
        Ranking(scope, ("channel",)),
    ]


def a_week(ctx: Ctx) -> Scope:
    end = dt.datetime(2026, 11, 20, tzinfo=dt.UTC)
    site = website(ctx, view(end - dt.timedelta(days=1)))
    return open_scope(ctx, site, Period(end - dt.timedelta(days=7), end, UTC))


def test_a_dashboard_is_three_scans(ctx: Ctx) -> None:
    questions = dashboard(a_week(ctx))
    with counting() as work:
        plan.answer_all(ctx, questions)
    assert (work.statements, work.scans) == (3, 3)


def test_the_same_question_is_asked_once(ctx: Ctx) -> None:
    scope = a_week(ctx)
    with counting() as work:
        assert plan.answers(ctx, [Totals(scope)] * 3) == [Summary(1, 1, 1, 1, 0, 0)] * 3
    assert work.scans == 1


def test_a_number_and_a_truth_value_are_two_filters(ctx: Ctx) -> None:
    """To Python 1 equals true: the second question would be answered with what the first asked for."""
    number, truth, whole = (Property(None, "seen", "eq", value) for value in (1.0, True, 1))
    assert number != truth
    assert number == whole
    scope = a_week(ctx)
    with counting() as work:
        plan.answers(ctx, [Totals(replace(scope, where=where)) for where in (number, truth, whole)])
    assert work.statements == 2


def test_fifty_websites_are_one_scan(ctx: Ctx) -> None:
    scopes = [a_week(ctx) for _ in range(50)]
    questions = [
        question
        for scope in scopes
        for question in (Totals(scope), Totals(scope.over(scope.period.previous())))
    ]
    with counting() as work:
        assert plan.answers(ctx, questions) == [Summary(1, 1, 1, 1, 0, 0), Summary()] * 50
    assert (work.statements, work.scans) == (1, 1)


def test_more_than_a_scan_holds_is_split(ctx: Ctx) -> None:
    scope = a_week(ctx)
    questions = [Ranking(scope, ("hostname",), limit=limit) for limit in range(1, 42)]
    with counting() as work:
        assert [len(rows) for rows in plan.answer_all(ctx, questions)] == [1] * 41
    assert work.scans == 3


def test_what_needs_no_event_reads_none(ctx: Ctx) -> None:
    scope = a_week(ctx)
    with counting() as work:
        [totals, series] = plan.answer_all(ctx, [Totals(scope, ()), OverTime(scope, Unit.DAY, ())])
    assert (totals, len(series.at), series.visitors, work.statements) == (Summary(), 8, [], 0)


def test_the_engine_reads_as_often_as_is_counted(server: Server, ctx: Ctx) -> None:
    """What several arms of a statement share must not be read again for each of them."""
    with counting() as work:
        plan.answer_all(ctx, dashboard(a_week(ctx)))
        plan.answer_all(ctx, [Ranking(a_week(ctx), ("entry",)), Ranking(a_week(ctx), ("path",), MEASURES)])
        plan.answer(ctx, Ranking(a_week(ctx), ("path",), limit=10))
    told = [_reads(server, statement) for statement in work.questions]
    # Entries: visits are found first, then their pages. A few of many paths alone: read three times rather than kept.
    led = 1 if ctx.events.counts_directly else 3
    assert told == [Work([statement]).scans for statement in work.questions] == [1, 1, 1, 2, 1, led]


def _reads(server: Server, statement: sa.Executable) -> int:
    """How often the engine's own plan reads the table of events."""
    engine = server.runtime.events.engine
    compiled = str(statement.compile(engine, compile_kwargs={"literal_binds": True}))
    with engine.connect() as connection:
        if server.runtime.events.embedded:
            rows = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {compiled}").all()
            return max(Counter(re.findall('"Table": "([^"]+)"', json.dumps(json.loads(rows[0][1])))).values())
        if server.runtime.events.name == "clickhouse":
            steps = connection.exec_driver_sql(f"EXPLAIN {compiled.replace('%', '%%')}").scalars().all()
            # What was computed once is read from memory.
            return max(Counter(re.findall(r"ReadFromMergeTree \((\S+)\)", "\n".join(steps))).values())
        rows = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {compiled.replace('%', '%%')}").all()
    # A table of events consists of parts, each of which is read as often as the whole.
    return max(Counter(_relations(rows[0][0])).values())


def _relations(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "Relation Name" in node:
            yield node["Relation Name"]
        node = list(node.values())
    if isinstance(node, list):
        for part in node:
            yield from _relations(part)


def read(ctx: Ctx, *questions: Question[Any]) -> list[set[str]]:
    """The tables that each statement reads."""
    with counting() as work:
        plan.answer_all(ctx, questions)
    return [
        {table.name for table in visitors.iterate(statement) if isinstance(table, sa.Table)}
        for statement in work.questions
    ]


def test_what_parts_of_visits_tell_is_read_from_them(ctx: Ctx) -> None:
    scope = a_week(ctx)
    country = Condition("country", Operator.EQ, ("DE",))
    for question in (
        Totals(scope),
        OverTime(scope, Unit.HOUR),
        Ranking(scope, ("browser", "country")),
        Totals(scope.narrowed(And((country, Not(country))))),
        OverTime(scope.over(replace(scope.period, zone=time_zone("Asia/Kolkata"))), Unit.DAY),
    ):
        # The ragged ends, if only the one instant at which the period ends, are read from the events.
        assert read(ctx, question) == [{"event", "visit_part"}]


def test_what_only_events_tell_is_read_from_them(ctx: Ctx) -> None:
    scope = a_week(ctx)
    short = replace(scope.period, end=scope.period.start + dt.timedelta(minutes=29))
    for question in (
        OverTime(scope.over(replace(short, start=scope.period.end - dt.timedelta(hours=3))), Unit.MINUTE),
        OverTime(scope.over(replace(scope.period, zone=time_zone("Asia/Kathmandu"))), Unit.DAY),
        Ranking(scope, ("browser", "path")),
        Totals(scope.narrowed(Condition("path", Operator.EQ, ("/",)))),
        Totals(scope.until(ctx.last_write)),
        Totals(scope.over(short)),
    ):
        assert read(ctx, question) == [{"event"}]


@pytest.mark.parametrize("lacking", ["start", "end"])
def test_parts_of_visits_and_ragged_ends_are_the_period(ctx: Ctx, lacking: str) -> None:
    """One view at either end of the period, one in between, and one that is just outside."""
    start, end = (
        dt.datetime(2026, 11, 3, 10, 12, 13, tzinfo=dt.UTC),
        dt.datetime(2026, 11, 5, 9, 59, tzinfo=dt.UTC),
    )
    millisecond = dt.timedelta(milliseconds=1)
    outside = start - millisecond if lacking == "start" else end + millisecond
    site = website(ctx, *(view(at) for at in (start, start + (end - start) / 2, end, outside)))
    scope = open_scope(ctx, site, Period(start, end, UTC))
    assert plan.answer(ctx, Totals(scope, ("pageviews", "visitors"))) == Summary(pageviews=3, visitors=3)
    series = plan.answer(ctx, OverTime(scope, Unit.DAY, ("pageviews",)))
    assert series.pageviews == [1, 1, 1]


@given(data=st.data(), one=worlds())
@judged
def test_those_that_lead_are_those_of_the_whole_ranking(
    server: Server, data: st.DataObject, one: World
) -> None:
    """Few of many values are found without measuring all of them: with ties, and with none that is seen."""
    with server.ctx() as ctx:
        scope = opened(ctx, server, one)
        names = data.draw(measures)
        by, order = (
            data.draw(st.sampled_from(("path", "title"))),
            data.draw(st.sampled_from(("visitors", "visits"))),
        )
        whole = plan.answer(ctx, Ranking(scope, (by,), names, order))
        for limit, offset in ((1, 0), (1, 1), (2, 1), (50, 0)):
            few = Ranking(scope, (by,), names, order, limit=limit, offset=offset)
            assert plan.answer(ctx, few) == whole[offset : offset + limit]
            [again, _] = plan.answer_all(ctx, [few, Ranking(scope, ("event",))])
            assert again == whole[offset : offset + limit]


def test_one_that_has_fewer_events_may_lead(ctx: Ctx) -> None:
    """Nine paths have more views than the tenth, which has more visitors; four of them are measured first."""
    end = dt.datetime(2026, 11, 20, tzinfo=dt.UTC)
    at = end - dt.timedelta(days=1)
    of_one = [
        Event(uuid4(), UUID(int=number), UUID(int=number), at, {"url_path": f"/{number}"})
        for number in range(1, 10)
        for _ in range(5)
    ]
    site = website(ctx, *of_one, *(view(at, url_path="/many") for _ in range(3)))
    scope = open_scope(ctx, site, Period(end - dt.timedelta(days=7), end, UTC))
    [leading] = plan.answer(ctx, Ranking(scope, ("path",), limit=1))
    assert (leading.values, leading.visitors) == (("/many",), 3)


def test_the_greatest_position_is_a_position(ctx: Ctx) -> None:
    scope = a_week(ctx)
    whole, nothing = (
        Ranking(scope, ("path",), after=(2**63 - 1, ("/x",))),
        Ranking(scope, ("path",), after=(0, ("",))),
    )
    [found, none] = plan.answer_all(ctx, [whole, nothing])
    assert ([row.values for row in found], none) == ([("/",)], [])


def test_a_store_that_is_gone_is_told_to_all(ctx: Ctx, monkeypatch: Any) -> None:
    scope = a_week(ctx)

    def gone(*_: Any) -> Any:
        raise Unavailable

    monkeypatch.setattr(ctx.events, "rows", gone)
    found = plan.answers(ctx, [Totals(scope), Ranking(scope, ("path",))])
    assert [type(one) for one in found] == [Unavailable, Unavailable]
