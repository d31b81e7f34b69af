"""Periods and filters as they are written, and the core's words for them."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from graphql import GraphQLError

from app.errors import Invalid, NotFound
from app.stats.filters import And, Condition, Not, Operator, Or, Property
from app.stats.period import Last, Period
from graphql_schema.filters import EventFilter, PropertyFilter, StringFilter, to_filter
from graphql_schema.inputs import MAX_RANGE_DAYS, PeriodInput, to_period
from graphql_schema.types import SCALARS, Int64, Moment, from_cursor, to_cursor, website_id
from tests.server import Server

NOW = dt.datetime(2026, 11, 24, 15, 30, tzinfo=dt.UTC)


def moment(text: str) -> Moment:
    parse = SCALARS[Moment].parse_value
    assert parse is not None
    parsed: Moment = parse(text)
    return parsed


def instant(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def period(**given: Any) -> Period:
    ends = {name: moment(text) for name, text in given.items() if name in ("start", "end")}
    return to_period(PeriodInput(**{**given, **ends}), NOW)


@pytest.mark.parametrize(
    ("zone", "start", "end", "first", "final"),
    [
        ("UTC", "2026-11-10", "2026-11-11", "2026-11-10T00:00:00Z", "2026-11-11T23:59:59.999Z"),
        # Winter time: +01:00.
        ("Europe/Berlin", "2026-11-10", "2026-11-10", "2026-11-09T23:00:00Z", "2026-11-10T22:59:59.999Z"),
        # A day of 23 hours and one of 25.
        ("Europe/Berlin", "2026-03-29", "2026-03-29", "2026-03-28T23:00:00Z", "2026-03-29T21:59:59.999Z"),
        ("Europe/Berlin", "2026-10-25", "2026-10-25", "2026-10-24T22:00:00Z", "2026-10-25T22:59:59.999Z"),
        # +05:45.
        ("Asia/Kathmandu", "2026-11-10", "2026-11-10", "2026-11-09T18:15:00Z", "2026-11-10T18:14:59.999Z"),
        # Clocks skip midnight here: the day begins at 01:00 local time.
        ("America/Asuncion", "2023-10-01", "2023-10-01", "2023-10-01T04:00:00Z", "2023-10-02T02:59:59.999Z"),
        # Local times without an offset, and instants with one.
        (
            "Europe/Berlin",
            "2026-11-10T09:30",
            "2026-11-10 10:00:00.5",
            "2026-11-10T08:30Z",
            "2026-11-10T09:00:00.500Z",
        ),
        (
            "Europe/Berlin",
            "2026-11-10T09:30Z",
            "2026-11-10T10:00+00:00",
            "2026-11-10T09:30Z",
            "2026-11-10T10:00Z",
        ),
        # Milliseconds are kept, what is finer is cut.
        (
            "UTC",
            "2026-11-10T00:00:00.0019Z",
            "2026-11-10T00:00:01.9999Z",
            "2026-11-10T00:00:00.001Z",
            "2026-11-10T00:00:01.999Z",
        ),
    ],
)
def test_days_and_times_are_those_of_the_zone(
    zone: str, start: str, end: str, first: str, final: str
) -> None:
    found = period(start=start, end=end, timezone=zone)
    assert (found.start, found.end, found.zone) == (instant(first), instant(final), ZoneInfo(zone))


def test_zone_names_are_read_in_any_case() -> None:
    assert period(last=Last.HOUR, timezone="europe/BERLIN").zone == ZoneInfo("Europe/Berlin")


def test_last_and_all() -> None:
    found = period(last=Last.DAYS_7, timezone="UTC")
    assert (found.start, found.end) == (instant("2026-11-18T00:00:00Z"), NOW)
    assert period(all=True, timezone="UTC") == Period.all_time(ZoneInfo("UTC"))


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({}, "period"),
        ({"start": "2026-11-10"}, "end"),
        ({"end": "2026-11-10"}, "start"),
        ({"all": False}, "period"),
        ({"last": Last.TODAY, "all": True}, "period"),
        ({"start": "2026-11-10", "end": "2026-11-10", "last": Last.TODAY}, "period"),
        ({"start": "2026-11-10", "end": "2026-11-10", "all": False}, "period"),
        ({"start": "2026-11-11", "end": "2026-11-10"}, "start"),
        ({"start": "1900-01-01", "end": "2026-11-10"}, "period"),
        ({"start": "0001-01-01", "end": "0001-01-01", "timezone": "Asia/Tokyo"}, "period"),
        ({"start": "9999-12-31", "end": "9999-12-31"}, "period"),
        ({"last": Last.TODAY, "timezone": "Mars/Olympus"}, "timezone"),
        ({"last": Last.TODAY, "timezone": ""}, "timezone"),
    ],
)
def test_periods_that_make_no_sense_name_the_part_at_fault(given: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        period(**given)
    assert refused.value.field == field


def test_the_longest_period() -> None:
    start = dt.date(1950, 1, 1)
    end = start + dt.timedelta(days=MAX_RANGE_DAYS)
    assert period(start=str(start), end=f"{end}T00:00:00Z").start.year == 1950
    with pytest.raises(Invalid):
        period(start=str(start), end=f"{end}T00:00:00.001Z")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026",
        "2026-11",
        "2026-02-30",
        "2026-11-10T25:00",
        "10.11.2026",
        "now",
        "2026-11-10T09",
        "2026-11-10\n",
    ],
)
def test_texts_that_are_no_moment(text: str) -> None:
    with pytest.raises(GraphQLError):
        moment(text)


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, 1.5, "1", True, None])
def test_values_that_are_no_int64(value: object) -> None:
    parse = SCALARS[Int64].parse_value
    assert parse is not None
    with pytest.raises(GraphQLError):
        parse(value)


def where(**given: Any) -> EventFilter:
    return EventFilter(**given)


def data(**given: Any) -> PropertyFilter:
    return PropertyFilter(**given)


US = Condition("country", Operator.EQ, ("US",))
DE = Condition("country", Operator.EQ, ("DE",))
us, de = where(country=StringFilter(eq="US")), where(country=StringFilter(eq="DE"))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (None, None),
        (where(), None),
        (where(country=None, and_=[], or_=None, not_=None), None),
        (us, US),
        (where(path=StringFilter(eq="")), Condition("path", Operator.EQ, ("",))),
        (where(li_fat_id=StringFilter(is_set=False)), Condition("li_fat_id", Operator.IS_SET, ("false",))),
        (where(city=StringFilter(not_in=["a", "b"])), Condition("city", Operator.NOT_IN, ("a", "b"))),
        (
            where(path=StringFilter(starts_with="/a", ne="/a/b"), country=StringFilter(eq="US")),
            And(
                (
                    Condition("path", Operator.NE, ("/a/b",)),
                    Condition("path", Operator.STARTS_WITH, ("/a",)),
                    US,
                )
            ),
        ),
        (where(and_=[us, de]), And((US, DE))),
        (where(or_=[us, de]), Or((US, DE))),
        (where(or_=[us]), Or((US,))),
        (where(not_=us), Not(US)),
        (where(not_=where(or_=[us, de])), Not(Or((US, DE)))),
        (
            where(property=data(key="plan", event="signup", eq="pro")),
            Property(event="signup", key="plan", operator="eq", value="pro"),
        ),
        (
            where(property=data(key="n", gte=1, lt=2.5)),
            And(
                (
                    Property(event=None, key="n", operator="gte", value=1),
                    Property(event=None, key="n", operator="lt", value=2.5),
                )
            ),
        ),
    ],
)
def test_filters(live: Server, written: EventFilter | None, meant: object) -> None:
    with live.ctx() as ctx:
        assert to_filter(ctx, uuid4(), written) == meant


def nested(depth: int) -> EventFilter:
    return where(not_=nested(depth - 1)) if depth else us


@pytest.mark.parametrize(
    ("written", "field"),
    [
        (where(country=StringFilter()), "country"),
        (where(utm_source=StringFilter(eq=None)), "utmSource"),
        (where(country=StringFilter(in_=[])), "country"),
        (where(country=StringFilter(in_=["x"] * 501)), "country"),
        (where(or_=[]), "or"),
        (where(or_=[us, where()]), "or"),
        (where(not_=where()), "not"),
        (where(property=data(key="n")), "property"),
        (where(property=data(key="n", gt=None)), "property"),
        (nested(11), "where"),
    ],
)
def test_filters_that_would_match_everything_or_nothing_are_refused(
    live: Server, written: EventFilter, field: str
) -> None:
    with live.ctx() as ctx, pytest.raises(Invalid) as refused:
        to_filter(ctx, uuid4(), written)
    assert refused.value.field == field


def test_cursors_give_back_what_was_put_in() -> None:
    key = ["visitors path", 3, None, "Grüße"]
    assert from_cursor(to_cursor(*key), (str, int, (str, type(None)), str)) == key  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "!",
        "bm9uc2Vuc2U",
        to_cursor("a"),
        to_cursor("a", "b", "c"),
        to_cursor(1, 2),
        to_cursor("a\0", "b"),
    ],
)
def test_cursors_that_were_not_handed_out(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        from_cursor(text, (str, str))
    assert refused.value.field == "after"


@pytest.mark.parametrize("count", [True, -1, 2**63])
def test_a_cursor_s_count_is_one_that_stores_have(count: int) -> None:
    with pytest.raises(Invalid):
        from_cursor(to_cursor(count), (int,))


def test_what_is_no_uuid_names_no_website() -> None:
    with pytest.raises(NotFound):
        website_id("nope")
