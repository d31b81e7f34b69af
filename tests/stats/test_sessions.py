"""Sessions in cases too rare for random worlds, with their figures written out."""

from __future__ import annotations

import datetime as dt
import json
from uuid import UUID, uuid4

import pytest

from app import websites
from app.context import Ctx
from app.errors import Invalid, NotFound
from app.paging import Window
from app.stats import session_data, sessions
from app.stats.filters import Condition, Operator
from app.stats.period import ALL_TIME, Period, time_zone
from app.stats.scope import Scope, open_scope
from tests.graphql_schema.test_events import statements
from tests.server import Server
from tests.stats.oracle import Event
from tests.stats.worlds import store

UTC = time_zone("UTC")
ALL = Window(100)


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def one(when: str, number: int = 1, visit: int = 1, session: int = 1, **columns: str) -> Event:
    return Event(UUID(int=number), UUID(int=session), UUID(int=visit), at(when), columns)


def scope_of(ctx: Ctx, *events: Event, period: Period | None = None) -> Scope:
    website_id: UUID = websites.create(ctx, name="Sessions", domain="example.com").website_id
    store(ctx.runtime, events, website_id)
    return open_scope(ctx, website_id, period or ALL_TIME(UTC))


def week(ctx: Ctx, zone: str, *instants: str) -> dict[tuple[str, int], int]:
    """(weekday, hour) → sessions, of events at these UTC instants, each of a session of its own."""
    events = (one(instant, number=n, session=n, visit=n) for n, instant in enumerate(instants, 1))
    scope = scope_of(ctx, *events, period=Period(at("2026-01-01"), at("2026-12-31"), time_zone(zone)))
    days = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")
    found = sessions.weekday_hours(ctx, scope)
    assert [len(hours) for hours in found] == [24] * 7
    return {
        (day, hour): count
        for day, hours in zip(days, found, strict=True)
        for hour, count in enumerate(hours)
        if count
    }


@pytest.mark.parametrize(
    ("zone", "instants", "expected"),
    [
        # Clocks go forward on Sunday 2026-03-29 at 01:00 UTC: 01:59 is followed by 03:00.
        (
            "Europe/Berlin",
            ("2026-03-29 00:59:59", "2026-03-29 01:00:00", "2026-04-05 00:59:59"),
            {("Sun", 1): 1, ("Sun", 3): 1, ("Sun", 2): 1},
        ),
        # They go back on Sunday 2026-10-25 at 01:00 UTC: 02:00 to 02:59 comes twice and is one hour.
        (
            "Europe/Berlin",
            ("2026-10-25 00:30:00", "2026-10-25 01:30:00", "2026-10-25 02:30:00"),
            {("Sun", 2): 2, ("Sun", 3): 1},
        ),
        # The Saturday before is still in summer: 22:30 UTC is half past midnight of Sunday; a week later it is 23:30.
        (
            "Europe/Berlin",
            ("2026-10-24 22:30:00", "2026-10-31 22:30:00"),
            {("Sun", 0): 1, ("Sat", 23): 1},
        ),
        # Clocks go forward on Sunday 2026-03-08 at 07:00 UTC, from 01:59 to 03:00.
        (
            "America/New_York",
            ("2026-03-08 06:59:59", "2026-03-08 07:00:00", "2026-03-08 04:59:59"),
            {("Sun", 1): 1, ("Sun", 3): 1, ("Sat", 23): 1},
        ),
        # They go back on Sunday 2026-11-01 at 06:00 UTC: 01:00 to 01:59 comes twice.
        (
            "America/New_York",
            ("2026-11-01 05:30:00", "2026-11-01 06:30:00", "2026-11-01 07:00:00"),
            {("Sun", 1): 2, ("Sun", 2): 1},
        ),
        # Five hours and a half ahead: the hour begins at half past.
        (
            "Asia/Kolkata",
            ("2026-11-09 18:29:59", "2026-11-09 18:30:00", "2026-11-09 19:29:59"),
            {("Mon", 23): 1, ("Tue", 0): 2},
        ),
        # Three hours and a half behind, two and a half in summer, which ends on 2026-11-01.
        (
            "America/St_Johns",
            ("2026-11-03 03:29:59", "2026-11-03 03:30:00", "2026-10-27 02:30:00"),
            {("Mon", 23): 1, ("Tue", 0): 2},
        ),
        # Half an hour of summer time: clocks go back on Sunday 2026-04-05 at 15:00 UTC from 02:00 to 01:30.
        (
            "Australia/Lord_Howe",
            ("2026-04-04 14:45:00", "2026-04-04 15:15:00", "2026-04-04 15:30:00"),
            {("Sun", 1): 2, ("Sun", 2): 1},
        ),
    ],
)
def test_hours_of_the_week_are_those_of_the_wall_clock(
    ctx: Ctx, zone: str, instants: tuple[str, ...], expected: dict[tuple[str, int], int]
) -> None:
    assert week(ctx, zone, *instants) == expected


def test_a_session_counts_once_in_an_hour_of_the_week(ctx: Ctx) -> None:
    scope = scope_of(
        ctx,
        one("2026-11-10 10:00:00", number=1),
        one("2026-11-10 10:59:59", number=2, event_name="click"),
        # A week later, in another visit.
        one("2026-11-17 10:30:00", number=3, visit=2),
        one("2026-11-17 11:00:00", number=4, visit=2),
    )
    found = sessions.weekday_hours(ctx, scope)
    assert (found[2][10], found[2][11], sum(map(sum, found))) == (1, 1, 2)


def test_attributes_are_those_of_the_first_event_that_counts(ctx: Ctx) -> None:
    events = (
        one("2026-11-10 10:00:00", number=1, browser="chrome", city="Berlin", url_path="/"),
        one("2026-11-11 10:00:00", number=2, visit=2, browser="firefox", url_path="/a"),
        one("2026-11-12 10:00:00", number=3, visit=3, browser="ios", city="Paris", url_path="/b"),
    )
    scope = scope_of(ctx, *events)
    found = sessions.session(ctx, scope, UUID(int=1))
    assert (found.browser, found.city, found.visits) == ("chrome", "Berlin", 3)
    # Of the range alone; an attribute that the first event lacks is absent, whatever the later ones have.
    later = scope.over(Period(at("2026-11-11"), at("2026-11-13"), UTC))
    [listed] = sessions.sessions(ctx, later, ALL)
    assert (listed.browser, listed.city, listed.visits) == ("firefox", None, 2)
    assert sessions.sessions(ctx, later, ALL, order_by="city") == [listed]
    where = Condition("path", Operator.EQ, ("/b",))
    filtered = open_scope(ctx, scope.website_id, ALL_TIME(UTC), where)
    assert sessions.session(ctx, filtered, UUID(int=1)) == sessions.sessions(ctx, filtered, ALL)[0]
    assert sessions.session(ctx, filtered, UUID(int=1)).browser == "ios"


def test_a_search_looks_at_every_event_and_the_figures_do_too(ctx: Ctx) -> None:
    scope = scope_of(
        ctx,
        one("2026-11-10 10:00:00", number=1, device="desktop"),
        one("2026-11-10 10:02:00", number=2, device="mobile"),
        one("2026-11-10 10:05:00", number=3, device="desktop", event_name="click"),
        one("2026-11-10 11:00:00", number=4, session=2, visit=2, device="desktop", country="mobile"),
    )
    [found] = sessions.sessions(ctx, scope, ALL, "MOBIL")
    assert (found.session_id, found.device) == (UUID(int=1), "desktop")
    assert (found.visits, found.views, found.events, found.totaltime) == (1, 2, 1, 300)
    assert sessions.count_sessions(ctx, scope, "MOBIL") == 1


def test_sessions_of_one_instant_are_in_the_order_of_their_ids(ctx: Ctx) -> None:
    ids = [UUID(int=number << 120) for number in (0x01, 0x7F, 0x80, 0xFF)]
    when = at("2026-11-10 10:00:00")
    scope = scope_of(ctx, *(Event(uuid4(), one_id, one_id, when, {}) for one_id in reversed(ids)))
    assert [row.session_id for row in sessions.sessions(ctx, scope, ALL)] == ids
    following = sessions.sessions(ctx, scope, Window(2, after=(when, ids[1])))
    assert [row.session_id for row in following] == ids[2:]
    by_id = sessions.sessions(ctx, scope, Window(2, offset=2), order_by="session_id")
    assert [row.session_id for row in by_id] == ids[2:]


def test_the_first_event_of_an_instant_is_that_of_the_least_id(ctx: Ctx) -> None:
    when = at("2026-11-10 10:00:00")
    low, high = UUID(int=0x7F << 120), UUID(int=0x80 << 120)
    for first_visit, second_visit in ((1, 1), (1, 2), (2, 1)):
        scope = scope_of(
            ctx,
            Event(high, UUID(int=1), UUID(int=first_visit), when, {"browser": "high"}),
            Event(low, UUID(int=1), UUID(int=second_visit), when, {"browser": "low"}),
        )
        assert sessions.session(ctx, scope, UUID(int=1)).browser == "low"


def test_a_page_looks_at_its_own_sessions_and_can_be_as_large_as_the_list(server: Server, ctx: Ctx) -> None:
    count = 5001
    scope = scope_of(
        ctx, *(one("2026-11-10 10:00:00", number=n, session=n, visit=n) for n in range(1, count + 1))
    )
    for limit, named in ((2, True), (5000, True), (2**31 - 1, False)):
        with statements(server) as seen:
            rows = sessions.sessions(ctx, scope, Window(limit))
        assert [row.session_id.int for row in rows] == list(range(1, count + 1))[:limit]
        # The page and its sessions; more than a statement takes ids of are not named.
        assert [".session_id IN (" in statement for statement in seen] == [False, named]


def test_what_lies_before_the_last_reset_is_never_counted(ctx: Ctx) -> None:
    website = websites.create(ctx, name="Reset", domain="example.com")
    website.reset_at = at("2026-11-10 12:00:00")
    website_id = website.website_id
    early, late = one("2026-11-10 10:00:00", number=1), one("2026-11-10 13:00:00", number=2, visit=2)
    gone = one("2026-11-10 10:00:00", number=3, session=2, visit=3)
    store(ctx.runtime, (early, late, gone), website_id)
    set_property(ctx, website_id, "plan", "2026-11-10 10:00:00", 1)
    set_property(ctx, website_id, "city", "2026-11-10 13:00:00", 2)
    scope = open_scope(ctx, website_id, ALL_TIME(UTC))
    assert sessions.session(ctx, scope, UUID(int=1)).first_at == late.at
    assert [row.event_id for row in sessions.activity(ctx, scope, UUID(int=1), ALL)] == [late.event_id]
    assert sessions.count_sessions(ctx, scope) == 1
    assert sessions.session_totals(ctx, scope) == sessions.SessionTotals(1, 1, 1, 0, 0)
    assert sum(map(sum, sessions.weekday_hours(ctx, scope))) == 1
    assert [one.key for one in session_data.session_properties(ctx, scope, UUID(int=1))] == ["city"]
    assert session_data.property_counts(ctx, scope, ALL) == [session_data.SessionCount("city", 1)]
    with pytest.raises(NotFound):
        sessions.session(ctx, scope, UUID(int=2))


def set_property(ctx: Ctx, website_id: UUID, key: str, when: str, version: int, session: int = 1) -> None:
    row = {
        "website_id": str(website_id),
        "session_id": str(UUID(int=session)),
        "data_key": key,
        "data_type": 1,
        "string_value": f"value {version}",
        "created_at": when,
        "version": version,
    }
    ctx.runtime.events.apply(uuid4(), 1, {"session_data": json.dumps([row])})


def test_the_value_set_last_counts_whatever_time_it_claims(ctx: Ctx) -> None:
    scope = scope_of(ctx, one("2026-11-10 10:00:00"))
    for when, version in (("2026-11-10 10:00:00", 2), ("2026-11-10 12:00:00", 1), ("2026-01-01", 3)):
        set_property(ctx, scope.website_id, "plan", when, version)
    [found] = session_data.session_properties(ctx, scope, UUID(int=1))
    assert (found.text, found.set_at) == ("value 3", at("2026-01-01"))
    assert session_data.property_counts(ctx, scope, ALL) == [session_data.SessionCount("plan", 1)]
    assert session_data.property_value_counts(ctx, scope, "plan", ALL) == [
        session_data.SessionCount("value 3", 1)
    ]


def test_a_session_shows_its_first_thousand_properties(ctx: Ctx) -> None:
    scope = scope_of(ctx)
    rows = [
        {
            "website_id": str(scope.website_id),
            "session_id": str(UUID(int=1)),
            "data_key": f"key {number:04}",
            "data_type": 1,
            "created_at": "2026-11-10",
            "version": number,
        }
        for number in range(1001)
    ]
    ctx.runtime.events.apply(uuid4(), 1, {"session_data": json.dumps(rows)})
    keys = [one.key for one in session_data.session_properties(ctx, scope, UUID(int=1))]
    assert keys == [f"key {number:04}" for number in range(1000)]


def test_what_is_refused(ctx: Ctx) -> None:
    scope = scope_of(ctx)
    for search in ("a\0", "\ud800"):
        with pytest.raises(Invalid):
            sessions.sessions(ctx, scope, ALL, search)
        with pytest.raises(Invalid):
            sessions.count_sessions(ctx, scope, search)
        with pytest.raises(Invalid):
            session_data.property_value_counts(ctx, scope, search, ALL)
    with pytest.raises(Invalid):
        sessions.sessions(ctx, scope, ALL, order_by="visit_id")


def test_a_website_without_events(ctx: Ctx) -> None:
    scope = scope_of(ctx)
    assert sessions.session_page(ctx, scope, ALL).rows == []
    assert sessions.session_page(ctx, scope, ALL).count == 0
    assert sessions.session_totals(ctx, scope) == sessions.SessionTotals(0, 0, 0, 0, 0)
    assert sessions.weekday_hours(ctx, scope) == [[0] * 24] * 7
    assert session_data.property_counts(ctx, scope, ALL) == []
