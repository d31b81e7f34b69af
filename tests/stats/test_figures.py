"""Cases too rare for random worlds, with their figures written out."""

from __future__ import annotations

import datetime as dt
from uuid import UUID, uuid4

from app import websites
from app.context import Ctx
from app.stats import queries
from app.stats.events import event_series
from app.stats.filters import Condition, Operator
from app.stats.measures import MEASURES
from app.stats.period import ALL_TIME, Period, Unit, time_zone
from app.stats.scope import Scope, open_scope
from tests.stats.oracle import Event
from tests.stats.worlds import store

UTC = time_zone("UTC")


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def scope_of(ctx: Ctx, *events: Event, zone: str = "UTC") -> Scope:
    website_id: UUID = websites.create(ctx, name="Figures", domain="example.com").website_id
    store(ctx.runtime, events, website_id)
    return open_scope(ctx, website_id, ALL_TIME(time_zone(zone)))


def one(when: str, number: int = 1, visit: int = 1, session: int = 1, **columns: str) -> Event:
    return Event(UUID(int=number), UUID(int=session), UUID(int=visit), at(when), columns)


def test_a_site_is_no_referrer_of_its_own_whether_its_host_has_www_or_not(ctx: Ctx) -> None:
    scope = scope_of(
        ctx,
        *(
            Event(uuid4(), uuid4(), uuid4(), at("2026-11-10"), {"hostname": host, "referrer_domain": domain})
            for host, domain in (
                ("example.com", "example.com"),
                ("www.example.com", "example.com"),
                ("blog.example.com", "example.com"),
                ("www.example.com", ""),
                ("www.example.com", "ww.example.com"),
            )
        ),
    )
    rows = queries.breakdown(ctx, scope, ["referrer"])
    assert [(row.values, row.visitors) for row in rows] == [(("example.com",), 1), (("ww.example.com",), 1)]
    assert queries.values(ctx, scope, "referrer") == [("example.com", 1), ("ww.example.com", 1)]
    for operator, value, pageviews in (
        (Operator.EQ, "example.com", 1),
        (Operator.NE, "example.com", 1),
        (Operator.CONTAINS, "example", 2),
        (Operator.NOT_CONTAINS, "ww.", 1),
        (Operator.IS_SET, "true", 2),
        (Operator.IS_SET, "false", 3),
    ):
        where = Condition("referrer", operator, (value,))
        filtered = open_scope(ctx, scope.website_id, ALL_TIME(UTC), where)
        assert queries.summary(ctx, filtered).pageviews == pageviews, where


def test_page_views_of_one_instant_are_all_at_the_edge(ctx: Ctx) -> None:
    when = "2026-11-10 10:00:00"
    scope = scope_of(
        ctx,
        one(when, number=2, url_path="/b"),
        one(when, number=1, url_path="/a"),
        one(when, number=3, url_path="/a"),
        one("2026-11-10 10:01:00", number=4, url_path="/c"),
    )
    entries = queries.breakdown(ctx, scope, ["entry"], measures=("visitors", "visits", "pageviews"))
    found = [(row.values, row.visitors, row.visits, row.pageviews) for row in entries]
    assert found == [(("/a",), 1, 1, 4), (("/b",), 1, 1, 4)]
    assert [row.values for row in queries.breakdown(ctx, scope, ["exit"])] == [("/c",)]


def test_an_entry_page_has_the_figures_of_the_visits_that_began_there(ctx: Ctx) -> None:
    scope = scope_of(
        ctx,
        one("2026-11-10 10:00:00", number=1, url_path="/", country="DE"),
        one("2026-11-10 10:01:00", number=2, url_path="/a", event_name="signup"),
        one("2026-11-10 10:02:00", number=3, url_path="/a"),
        one("2026-11-10 11:00:00", number=4, visit=2, session=2, url_path="/"),
        one("2026-11-10 12:00:00", number=5, visit=3, session=2, url_path="/a", event_name="signup"),
    )
    [entry] = queries.breakdown(ctx, scope, ["entry"], measures=MEASURES)
    assert (entry.values, entry.visitors, entry.visits) == (("/",), 2, 2)
    assert (entry.pageviews, entry.bounces, entry.totaltime, entry.events) == (3, 1, 120, 1)
    assert entry.bounce_rate == 0.5
    exits = queries.breakdown(ctx, scope, ["exit"], measures=("visitors", "bounces"))
    assert [(row.values, row.visitors, row.bounces) for row in exits] == [(("/",), 1, 1), (("/a",), 1, 0)]
    # The filter is of the page view at the edge, not of those among which the edge is looked for.
    only_a = Condition("path", Operator.EQ, ("/a",))
    filtered = open_scope(ctx, scope.website_id, ALL_TIME(UTC), only_a)
    assert queries.breakdown(ctx, filtered, ["entry"]) == []
    assert [row.values for row in queries.breakdown(ctx, filtered, ["exit"])] == [("/a",)]


def test_the_instant_clocks_change_belongs_to_the_new_time(ctx: Ctx) -> None:
    scope = scope_of(
        ctx,
        one("2026-03-29 00:59:59.999"),  # 01:59:59.999 in Berlin
        one("2026-03-29 01:00:00", number=2),  # 03:00
        one("2026-10-25 00:59:59.999", number=3),  # 02:59:59.999, summer time
        one("2026-10-25 01:00:00", number=4),  # 02:00, standard time: the same bucket
        one("2026-10-25 02:00:00", number=5, event_name="signup"),  # 03:00
        zone="Europe/Berlin",
    )
    series = queries.series(ctx, scope, Unit.HOUR, ("pageviews", "events"), fill=False)
    assert list(zip(series.at, series.pageviews, series.events, strict=True)) == [
        (dt.datetime(2026, 3, 29, 1), 1, 0),
        (dt.datetime(2026, 3, 29, 3), 1, 0),
        (dt.datetime(2026, 10, 25, 2), 2, 0),
        (dt.datetime(2026, 10, 25, 3), 0, 1),
    ]
    [point] = event_series(ctx, scope, Unit.DAY)
    assert (point.name, point.at, point.count) == ("signup", dt.datetime(2026, 10, 25), 1)


def test_a_visit_of_two_sessions_is_one_visit(ctx: Ctx) -> None:
    """An identification makes another session, while the visit goes on (Umami v2 REST behaviour §2.7, §2.8)."""
    scope = scope_of(
        ctx,
        one("2026-11-10 10:00:00", number=1),
        one("2026-11-10 10:01:00", number=2, session=2),
        one("2026-11-10 10:02:30.999", number=3, session=2),
    )
    found = queries.summary(ctx, scope)
    assert (found.visitors, found.visits, found.bounces, found.totaltime) == (2, 1, 1, 90)


def test_a_comparison_keeps_website_and_filter(ctx: Ctx) -> None:
    scope = scope_of(
        ctx,
        one("2026-11-09 10:00:00", number=1, country="DE"),
        one("2026-11-09 11:00:00", number=2, country="US"),
        one("2026-11-10 10:00:00", number=3, country="DE"),
    )
    day = Period(at("2026-11-10 00:00"), at("2026-11-10 23:59:59.999"), UTC)
    today = open_scope(ctx, scope.website_id, day, Condition("country", Operator.EQ, ("DE",)))
    before = today.over(day.previous())
    assert queries.summary(ctx, today).pageviews == 1
    assert queries.summary(ctx, before).pageviews == 1
    assert queries.summary(ctx, today.over(day.previous_year())).pageviews == 0
