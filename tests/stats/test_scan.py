"""Statements are written once for each shape of scan, and asked with the values of each question."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace

import pytest

from app.context import Ctx
from app.stats import plan, scan
from app.stats.filters import Condition, Operator
from app.stats.period import Period, Unit
from app.stats.questions import OverTime, Question, Ranking, Totals
from app.stats.scope import Scope, open_scope
from app.stats.zones import UTC, time_zone
from tests.stats.test_scope import view, website

START = dt.datetime(2026, 10, 20, 10, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


def a_scope(ctx: Ctx, views: int, start: dt.datetime = START) -> Scope:
    """Three days of a website of its own, with a view a minute from the second on."""
    site = website(ctx, *(view(start + DAY + minute * dt.timedelta(minutes=1)) for minute in range(views)))
    return open_scope(ctx, site, Period(start, start + 3 * DAY, UTC))


def questions(scope: Scope) -> list[Question[object]]:
    before = scope.over(scope.period.previous())
    return [
        Totals(scope),
        Totals(before),
        OverTime(scope, Unit.DAY),
        Ranking(scope, ("browser",)),
        *pages(scope),
    ]


def pages(scope: Scope) -> list[Question[object]]:
    return [Ranking(scope, ("path",), ("pageviews",), "pageviews"), Ranking(scope, ("entry",))]


def written(ctx: Ctx, asked: list[Question[object]]) -> int:
    """How many statements are written to answer these."""
    before = scan._kept.cache_info().misses
    plan.answer_all(ctx, asked)
    return scan._kept.cache_info().misses - before


def test_other_websites_and_times_are_asked_with_the_same_statements(ctx: Ctx) -> None:
    one, other = a_scope(ctx, 2), a_scope(ctx, 3, START - 40 * DAY)
    plan.answer_all(ctx, questions(one))
    assert written(ctx, questions(other)) == 0
    for scope, views in ((one, 2), (other, 3), (one, 2)):
        totals, _, series, _, paths, _ = plan.answer_all(ctx, questions(scope))
        assert (totals.pageviews, sum(series.pageviews), paths[0].pageviews) == (views, views, views)


def test_websites_that_are_asked_about_together_are_told_apart(ctx: Ctx) -> None:
    one, two, three = (a_scope(ctx, views) for views in (1, 2, 3))
    for together in ((one, two), (two, three), (three, one)):
        found = plan.answer_all(ctx, [Totals(scope) for scope in together])
        views = {one: 1, two: 2, three: 3}
        assert [total.pageviews for total in found] == [views[scope] for scope in together]


@pytest.mark.parametrize(
    "changed",
    [
        lambda scope: Totals(replace(scope, where=Condition("path", Operator.EQ, ("/x",)))),
        lambda scope: Totals(scope, ("pageviews",)),
        # Clocks go back within the period, and a reset makes the website's part of it shorter.
        lambda scope: OverTime(
            scope.over(Period(scope.start + 3 * DAY, scope.start + 6 * DAY, time_zone("Europe/Vienna"))),
            Unit.DAY,
        ),
        lambda scope: Ranking(scope, ("path",), limit=1),
        lambda scope: Totals(scope.until(1)),
    ],
)
def test_what_changes_the_text_of_a_statement_is_of_another_shape(
    ctx: Ctx, changed: Callable[[Scope], Question[object]]
) -> None:
    scope = a_scope(ctx, 1)
    scan._kept.cache_clear()
    for alike in (Totals(scope), OverTime(scope, Unit.DAY), Ranking(scope, ("path",))):
        plan.answer(ctx, alike)
    assert written(ctx, [changed(scope)]) == 1


def test_what_will_hardly_be_asked_again_is_not_kept(ctx: Ctx) -> None:
    scope = a_scope(ctx, 1)
    plan.answer(ctx, Ranking(scope, ("path",)))
    kept = scan._kept.cache_info()
    assert kept.maxsize == 256
    long = Condition("path", Operator.IN, tuple(f"/{number}" for number in range(500)))
    for once in (
        Ranking(scope, ("path",), search="x"),
        Ranking(scope, ("path",), after=(1, ("/",))),
        Ranking(replace(scope, where=long), ("path",)),
    ):
        plan.answer(ctx, once)
    assert scan._kept.cache_info() == kept
