"""The live view in cases too rare for random worlds, told in full."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from app import websites
from app.context import Ctx
from app.stats.realtime import Realtime, realtime
from app.stats.zones import time_zone
from tests.stats.oracle import Event
from tests.stats.worlds import store

NOW = dt.datetime(2026, 11, 23, 14, 31, 42, 500_000, tzinfo=dt.UTC)


def ago(seconds: float, number: int, session: int = 1, **columns: str) -> Event:
    """An event of so many seconds before NOW."""
    when = NOW - dt.timedelta(seconds=seconds)
    return Event(UUID(int=number), UUID(int=session), UUID(int=session), when, columns)


def seen(ctx: Ctx, *events: Event, zone: str = "UTC") -> Realtime:
    website_id: UUID = websites.create(ctx, name="Now", domain="example.com").website_id
    store(ctx.runtime, events, website_id)
    ctx.now = NOW
    return realtime(ctx, website_id, time_zone(zone))


def story(found: Realtime) -> list[tuple[str, int]]:
    return [(entry.kind.value, entry.event.event_id.int) for entry in found.entries]


def test_the_story_newest_first_with_each_session_behind_its_first_event(ctx: Ctx) -> None:
    found = seen(
        ctx,
        ago(300, 1, session=1, url_path="/", country="DE", referrer_domain="bing.com"),
        ago(200, 2, session=2, url_path="/b", country="US"),
        ago(100, 3, session=1, url_path="/b", country="FR", event_name="click", hostname="bing.com"),
        ago(50, 4, session=3, url_path="", country="DE", referrer_domain="bing.com"),
    )
    assert story(found) == [
        ("pageview", 4),
        ("session", 4),
        ("event", 3),
        ("pageview", 2),
        ("session", 2),
        ("pageview", 1),
        ("session", 1),
    ]
    # Session 1 came from Germany; where it is later is of no account. Empty keys are not counted.
    assert list(found.countries.items()) == [("DE", 2), ("US", 1)]
    assert list(found.paths.items()) == [("/", 1), ("/b", 2)]
    assert found.referrers == {"bing.com": 2}
    assert (found.pageviews, found.visitors, found.events) == (3, 3, 1)


def test_the_window_begins_with_a_minute_and_ends_now(ctx: Ctx) -> None:
    # 14:01:00.000 is 1,842.5 seconds before 14:31:42.500.
    found = seen(
        ctx, ago(1842.501, 1), ago(1842.5, 2), ago(0, 3), ago(-0.001, 4), ago(-3600, 5), zone="Asia/Kolkata"
    )
    assert story(found) == [("pageview", 3), ("pageview", 2), ("session", 2)]
    assert found.scope.period.start == dt.datetime(2026, 11, 23, 14, 1, tzinfo=dt.UTC)
    assert found.scope.period.end == NOW
    # 14:01 UTC is 19:31 there.
    minutes = [dt.datetime(2026, 11, 23, 19, 31) + dt.timedelta(minutes=n) for n in range(31)]
    assert found.series.at == minutes
    assert found.series.pageviews == found.series.visitors == [1, *[0] * 29, 1]
    assert (found.pageviews, found.visitors) == (2, 2)


def test_only_the_latest_hundred_are_told_but_every_view_is_in_the_series(ctx: Ctx) -> None:
    # One event each ten seconds, number 1 the latest, of sessions that come back after fifty of them.
    found = seen(
        ctx,
        *(ago(10 * n, n, session=n % 50 + 1, country=f"{n % 50:02}", **named(n)) for n in range(1, 121)),
    )
    told = story(found)
    assert [number for kind, number in told if kind != "session"] == list(range(1, 101))
    # The first of each session among the hundred.
    assert [number for kind, number in told if kind == "session"] == list(range(51, 101))
    assert told[49:53] == [("event", 50), ("pageview", 51), ("session", 51), ("pageview", 52)]
    assert len(found.countries) == 50
    assert set(found.countries.values()) == {1}
    assert found.events == 10
    assert found.pageviews == 108


def named(number: int) -> dict[str, str]:
    return {"event_name": "click"} if number % 10 == 0 else {}


def test_a_visitor_counts_in_every_minute(ctx: Ctx) -> None:
    found = seen(ctx, ago(10, 1), ago(20, 2), ago(70, 3), ago(130, 4), ago(140, 5, event_name="click"))
    assert (found.pageviews, found.visitors, found.events) == (4, 3, 1)


def test_events_of_one_instant_are_told_by_their_ids(ctx: Ctx) -> None:
    found = seen(ctx, *(ago(10, number << 120, session=number) for number in (0x80, 0x7F, 0x01)))
    assert story(found) == [
        (kind, number << 120) for number in (0x80, 0x7F, 0x01) for kind in ("pageview", "session")
    ]


def test_nothing_before_the_last_reset(ctx: Ctx) -> None:
    website = websites.create(ctx, name="Now", domain="example.com")
    website.reset_at = NOW - dt.timedelta(seconds=100)
    store(ctx.runtime, (ago(200, 1), ago(50, 2)), website.website_id)
    ctx.now = NOW
    found = realtime(ctx, website.website_id, time_zone("UTC"))
    assert story(found) == [("pageview", 2), ("session", 2)]
    assert found.pageviews == 1


def test_nothing_at_all(ctx: Ctx) -> None:
    found = seen(ctx)
    assert (found.entries, found.countries, found.paths, found.referrers) == ([], {}, {}, {})
    assert (found.pageviews, found.visitors, found.events) == (0, 0, 0)
    assert found.series.pageviews == [0] * 31
