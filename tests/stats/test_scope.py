"""Scopes: who may open one, all time, and the website's last reset; and what breakdowns refuse."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID, uuid4

import pytest

from app import websites
from app.context import ANONYMOUS, Actor, Ctx, Kind
from app.errors import Invalid, NotFound, Unauthenticated
from app.stats import queries
from app.stats.events import event_series
from app.stats.filters import Condition, Operator
from app.stats.measures import Summary
from app.stats.period import ALL_TIME, Period, Unit, time_zone
from app.stats.plan import answer
from app.stats.questions import Totals, counted_by
from app.stats.scope import date_range, open_scope
from tests.server import Server
from tests.stats.oracle import Event
from tests.stats.worlds import store

UTC = time_zone("UTC")
BERLIN = time_zone("Europe/Berlin")


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def view(when: dt.datetime, **columns: str) -> Event:
    return Event(uuid4(), uuid4(), uuid4(), when, {"url_path": "/", **columns})


def website(ctx: Ctx, *events: Event) -> UUID:
    website_id: UUID = websites.create(ctx, name="Scope", domain="example.com").website_id
    store(ctx.runtime, events, website_id)
    return website_id


def test_who_may_not_see_the_website_opens_no_scope(server: Server) -> None:
    with server.ctx() as ctx:
        website_id = website(ctx)
    for actor, error in ((ANONYMOUS, Unauthenticated), (Actor(Kind.SHARE, website_id=uuid4()), NotFound)):
        with server.ctx(actor) as ctx:
            with pytest.raises(error):
                open_scope(ctx, website_id, ALL_TIME(UTC))
            with pytest.raises(error):
                queries.active_visitors(ctx, website_id)
            with pytest.raises(error):
                date_range(ctx, website_id)


def test_a_bad_filter_opens_no_scope(ctx: Ctx) -> None:
    with pytest.raises(Invalid) as refused:
        open_scope(ctx, website(ctx), ALL_TIME(UTC), Condition("nonsense", Operator.EQ, ("x",)))
    assert refused.value.field == "nonsense"


def test_all_time_is_from_the_first_event_to_the_last(ctx: Ctx) -> None:
    first, final = at("2024-02-29 12:00:00.001"), at("2026-11-10 10:00:00.999")
    website_id = website(ctx, view(final, event_name="signup"), view(first), view(at("2025-01-01 00:00")))
    scope = open_scope(ctx, website_id, ALL_TIME(BERLIN))
    assert (scope.period, scope.start) == (Period(first, final, BERLIN), first)
    assert date_range(ctx, website_id) == (first, final)
    assert queries.summary(ctx, scope) == Summary(2, 2, 2, 2, 0, 1)
    assert queries.series(ctx, scope, Unit.YEAR, ("pageviews", "events")).events == [0, 0, 1]


def test_all_time_without_events_is_now(ctx: Ctx) -> None:
    website_id = website(ctx)
    scope = open_scope(ctx, website_id, ALL_TIME(UTC))
    assert scope.period == Period(ctx.now, ctx.now, UTC)
    assert queries.summary(ctx, scope) == Summary()
    assert date_range(ctx, website_id) is None
    assert queries.active_visitors(ctx, website_id) == 0
    assert queries.breakdown(ctx, scope, ["path"]) == []


def test_nothing_before_the_last_reset_counts_in_any_period(ctx: Ctx) -> None:
    reset = at("2026-11-10 12:00:00")
    before, on, after = (reset + dt.timedelta(milliseconds=n) for n in (-1, 0, 1))
    website_id = website(ctx, view(before), view(on), view(after, event_name="signup"))
    websites.get(ctx, website_id).reset_at = reset
    ctx.db.flush()
    scope = open_scope(ctx, website_id, Period(at("2026-11-01"), at("2026-11-30"), UTC))
    assert scope.start == reset
    assert queries.summary(ctx, scope) == Summary(1, 1, 1, 1, 0, 1)
    assert queries.values(ctx, scope, "path") == [("/", 2)]
    assert [point.count for point in event_series(ctx, scope, Unit.DAY)] == [1]
    assert date_range(ctx, website_id) == (on, after)
    assert open_scope(ctx, website_id, ALL_TIME(UTC)).period == Period(on, after, UTC)
    earlier = scope.over(Period(at("2026-11-10"), before, UTC))
    assert queries.summary(ctx, earlier) == Summary()


def test_active_visitors_have_any_event_in_the_last_five_minutes(ctx: Ctx) -> None:
    then = ctx.now - dt.timedelta(minutes=5)
    events = [view(then - dt.timedelta(milliseconds=1)), view(then), view(ctx.now, event_name="signup")]
    website_id = website(ctx, *events)
    assert queries.active_visitors(ctx, website_id) == 2
    websites.get(ctx, website_id).reset_at = ctx.now
    ctx.db.flush()
    assert queries.active_visitors(ctx, website_id) == 1


def test_both_ends_of_a_period_belong_to_it(ctx: Ctx) -> None:
    start, end = at("2026-11-10 00:00:00.000"), at("2026-11-10 23:59:59.999")
    step = dt.timedelta(milliseconds=1)
    website_id = website(ctx, *(view(when) for when in (start - step, start, end, end + step)))
    assert queries.summary(ctx, open_scope(ctx, website_id, Period(start, end, UTC))).pageviews == 2
    assert queries.summary(ctx, open_scope(ctx, website_id, Period(end, start, UTC))).pageviews == 0


def test_derived_figures() -> None:
    some = Summary(pageviews=6, visitors=3, visits=4, bounces=2, totaltime=180)
    assert (some.bounce_rate, some.views_per_visit, some.visit_duration) == (0.5, 1.5, 45.0)
    none = Summary()
    assert (none.bounce_rate, none.views_per_visit, none.visit_duration) == (0.0, 0.0, 0.0)


def test_shares_are_of_the_visitors_a_breakdown_counts(ctx: Ctx) -> None:
    when = at("2026-11-10 10:00")
    events = [view(when), view(when, event_name="a"), view(when, event_name="b"), view(when, event_name="b")]
    scope = open_scope(ctx, website(ctx, *events), ALL_TIME(UTC))
    counted = [
        answer(ctx, Totals(scope, ("visitors",), counted_by(by))).visitors
        for by in ((), ("path",), ("event",), ("channel",))
    ]
    assert counted == [1, 1, 3, 4]


@pytest.mark.parametrize(
    ("by", "more", "field"),
    [
        ((), {}, "by"),
        (("nonsense",), {}, "nonsense"),
        (("entry", "path"), {}, "by"),
        (("country", "channel"), {}, "by"),
        (("path",), {"measures": ("nonsense",)}, "measures"),
        (("path",), {"order_by": "nonsense"}, "measures"),
        (("path",), {"limit": -1}, "limit"),
        (("path",), {"offset": 2**31}, "offset"),
        (("path",), {"search": "a\0"}, "search"),
        (("path",), {"after": (1, ("/", "US"))}, "after"),
        (("path",), {"after": (2**63, ("/",))}, "after"),
        (("path",), {"after": (1, ("\0",))}, "after"),
    ],
)
def test_what_a_breakdown_refuses(ctx: Ctx, by: tuple[str, ...], more: dict[str, Any], field: str) -> None:
    scope = open_scope(ctx, website(ctx), ALL_TIME(UTC))
    with pytest.raises(Invalid) as refused:
        queries.breakdown(ctx, scope, by, **more)
    assert refused.value.field == field


def test_what_values_refuse(ctx: Ctx) -> None:
    scope = open_scope(ctx, website(ctx), ALL_TIME(UTC))
    for name, search, field in (("channel", "", "channel"), ("path", "\ud800", "search")):
        with pytest.raises(Invalid) as refused:
            queries.values(ctx, scope, name, search)
        assert refused.value.field == field


def test_series_of_too_many_buckets_are_refused(ctx: Ctx) -> None:
    scope = open_scope(ctx, website(ctx), Period(at("2026-01-01"), at("2026-12-31"), UTC))
    with pytest.raises(Invalid) as refused:
        queries.series(ctx, scope, Unit.HOUR)
    assert refused.value.field == "unit"
    assert queries.series(ctx, scope, Unit.HOUR, ("pageviews",), fill=False).at == []
