"""Periods: time zones, buckets where clocks change, units, the periods compared with, and those named from now."""

from __future__ import annotations

import datetime as dt

import pytest

from app.errors import Invalid
from app.stats.period import ALL_TIME, MAX_BUCKETS, Last, Period, Unit, last, local_day, time_zone
from app.stats.zones import spans

BERLIN = time_zone("Europe/Berlin")
UTC = time_zone("UTC")


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def period(start: str, end: str, zone: str = "UTC") -> Period:
    return Period(at(start), at(end), time_zone(zone))


def texts(starts: list[dt.datetime]) -> list[str]:
    return [start.strftime("%m-%d %H:%M") for start in starts]


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("utc", "UTC"),
        ("europe/berlin", "Europe/Berlin"),
        ("AMERICA/NEW_YORK", "America/New_York"),
        ("Asia/Katmandu", "Asia/Katmandu"),
        ("US/Pacific", "US/Pacific"),
        ("Asia/Calcutta", "Asia/Calcutta"),
        ("GMT", "GMT"),
    ],
)
def test_zone_names(given: str, name: str) -> None:
    assert time_zone(given).key == name


@pytest.mark.parametrize("given", ["", "Mars/Olympus", "../etc/passwd", "Europe/Berlin ", "+01:00", "\0"])
def test_other_zone_names_are_refused(given: str) -> None:
    with pytest.raises(Invalid, match="There is no time zone") as refused:
        time_zone(given)
    assert refused.value.field == "timezone"


def test_spans_end_at_the_second_clocks_change() -> None:
    pieces = spans(BERLIN, at("2026-01-01"), at("2026-12-31"))
    assert [(piece.start.isoformat(), piece.offset) for piece in pieces] == [
        ("2026-01-01T00:00:00+00:00", 3600),
        ("2026-03-29T01:00:00+00:00", 7200),
        ("2026-10-25T01:00:00+00:00", 3600),
    ]


def test_spans_of_an_endless_range_are_bounded() -> None:
    pieces = spans(BERLIN, ALL_TIME(BERLIN).start, ALL_TIME(BERLIN).end)
    assert (pieces[1].start.year, pieces[-1].start.year) == (1980, 2099)


def test_the_hour_that_clocks_skip_is_absent() -> None:
    hours = period("2026-03-28 23:00", "2026-03-29 21:59", "Europe/Berlin").buckets(Unit.HOUR)
    assert len(hours) == 23
    assert texts(hours)[:4] == ["03-29 00:00", "03-29 01:00", "03-29 03:00", "03-29 04:00"]


def test_the_hour_that_clocks_repeat_is_there_once() -> None:
    hours = period("2026-10-24 22:00", "2026-10-25 22:59", "Europe/Berlin").buckets(Unit.HOUR)
    assert len(hours) == 24
    assert texts(hours)[1:4] == ["10-25 01:00", "10-25 02:00", "10-25 03:00"]


def test_a_shift_by_half_an_hour() -> None:
    # Lord Howe goes from 02:00 to 02:30 on 4 October 2026, and from 02:00 back to 01:30 on 5 April.
    spring = period("2026-10-03 14:00", "2026-10-03 17:00", "Australia/Lord_Howe")
    assert texts(spring.buckets(Unit.HOUR)) == [
        "10-04 00:00",
        "10-04 01:00",
        "10-04 02:00",
        "10-04 03:00",
        "10-04 04:00",
    ]
    autumn = period("2026-04-04 14:00", "2026-04-04 16:00", "Australia/Lord_Howe")
    assert texts(autumn.buckets(Unit.HOUR)) == ["04-05 01:00", "04-05 02:00"]
    minutes = texts(autumn.buckets(Unit.MINUTE))
    assert (len(minutes), minutes[0], minutes[-1]) == (91, "04-05 01:00", "04-05 02:30")


def test_a_zone_off_by_quarters_cuts_hours_on_its_own_clock() -> None:
    # 00:00 UTC is 05:45 in Kathmandu.
    hours = period("2026-11-10 00:00", "2026-11-10 02:00", "Asia/Kathmandu").buckets(Unit.HOUR)
    assert texts(hours) == ["11-10 05:00", "11-10 06:00", "11-10 07:00"]


def test_a_day_that_a_zone_left_out_is_absent() -> None:
    days = period("2011-12-29 12:00", "2012-01-01 12:00", "Pacific/Apia").buckets(Unit.DAY)
    assert texts(days) == ["12-29 00:00", "12-31 00:00", "01-01 00:00", "01-02 00:00"]


@pytest.mark.parametrize(
    ("unit", "count", "first", "final"),
    [
        (Unit.YEAR, 2, "2027-01-01", "2028-01-01"),
        (Unit.MONTH, 4, "2027-12-01", "2028-03-01"),
        (Unit.WEEK, 10, "2027-12-27", "2028-02-28"),
        (Unit.DAY, 62, "2027-12-31", "2028-03-01"),
    ],
)
def test_ends_of_months_and_years(unit: Unit, count: int, first: str, final: str) -> None:
    # 22:30 UTC on New Year's Eve is still the old year in Berlin; 23:30 UTC on 29 February is March.
    starts = period("2027-12-31 22:30", "2028-02-29 23:30", "Europe/Berlin").buckets(unit)
    shown = [start.date().isoformat() for start in starts]
    assert (len(shown), shown[0], shown[-1]) == (count, first, final)


def test_a_period_that_ends_before_it_starts_has_no_buckets() -> None:
    assert period("2026-11-10 10:30", "2026-11-10 10:15").buckets(Unit.HOUR) == []


def test_too_many_buckets_are_refused() -> None:
    assert len(period("2026-01-01 00:00", "2026-01-02 09:19").buckets(Unit.MINUTE)) == MAX_BUCKETS
    with pytest.raises(Invalid) as refused:
        period("2026-01-01 00:00", "2026-01-02 09:20").buckets(Unit.MINUTE)
    assert refused.value.field == "unit"


def test_previous_moves_back_by_whole_minutes() -> None:
    # The conformance data's own window (Umami v2 REST behaviour §6.3).
    before = period("2026-11-10 00:00:00", "2026-11-11 23:59:59").previous()
    assert (before.start, before.end) == (at("2026-11-08 00:01:00"), at("2026-11-10 00:00:59"))


def test_previous_year_ends_february_on_its_last_day() -> None:
    before = period("2028-02-29 08:00", "2028-03-01 08:00").previous_year()
    assert (before.start, before.end) == (at("2027-02-28 08:00"), at("2027-03-01 08:00"))


@pytest.mark.parametrize(
    ("start", "end", "finest"),
    [
        ("2026-11-10 00:00", "2026-11-10 01:00:59", Unit.MINUTE),
        ("2026-11-10 00:00", "2026-11-10 01:01", Unit.HOUR),
        ("2026-11-10 00:00", "2026-11-12 00:59:59", Unit.HOUR),
        ("2026-11-10 00:00", "2026-11-12 01:00", Unit.DAY),
        ("2026-01-31 00:00", "2026-07-31 23:59", Unit.DAY),
        ("2026-01-31 00:00", "2026-08-01 00:00", Unit.MONTH),
        ("2024-05-01 00:00", "2026-05-31 00:00", Unit.MONTH),
        ("2024-05-01 00:00", "2026-06-01 00:00", Unit.YEAR),
        ("2026-11-10 00:00", "2026-11-09 00:00", Unit.MINUTE),
    ],
)
def test_the_finest_unit_of_a_range(start: str, end: str, finest: Unit) -> None:
    asked = period(start, end)
    assert asked.clamp(Unit.MINUTE) is finest
    assert asked.clamp(Unit.YEAR) is Unit.YEAR
    assert asked.clamp(Unit.MONTH) is Unit.MONTH  # allowed for any range


def test_a_coarser_unit_is_kept_and_a_finer_one_is_not() -> None:
    month = period("2026-01-01", "2026-02-01")
    assert [month.clamp(unit) for unit in Unit] == [
        Unit.DAY,
        Unit.DAY,
        Unit.DAY,
        Unit.WEEK,
        Unit.MONTH,
        Unit.YEAR,
    ]


def test_bounds_are_kept_in_utc_and_within_what_can_be_computed() -> None:
    east = dt.timezone(dt.timedelta(hours=14))
    asked = Period(dt.datetime.min.replace(tzinfo=east), dt.datetime.max.replace(tzinfo=east), BERLIN)
    assert asked.is_all_time
    assert asked.previous().start == asked.start
    assert asked.previous_year().end == at("9996-12-31 23:59:59.999")
    local = Period(dt.datetime(2026, 11, 10, tzinfo=east), at("2026-11-10"), UTC)
    assert local.start == at("2026-11-09 10:00")
    assert local.start.tzinfo is dt.UTC
    assert not local.is_all_time
    with pytest.raises(ValueError, match="aware"):
        Period(dt.datetime(2026, 11, 10), at("2026-11-10"), UTC)


def test_a_local_day() -> None:
    assert local_day(dt.date(2026, 3, 29), BERLIN) == (at("2026-03-28 23:00"), at("2026-03-29 21:59:59.999"))
    # São Paulo skipped midnight: the day began at 01:00.
    assert local_day(dt.date(2018, 11, 4), time_zone("America/Sao_Paulo")) == (
        at("2018-11-04 03:00"),
        at("2018-11-05 01:59:59.999"),
    )


@pytest.mark.parametrize(
    ("which", "start", "end"),
    [
        # Tuesday, 31 March 2026, 14:00 in Berlin, two days after clocks went forward.
        (Last.HOUR, "2026-03-31 11:00", "2026-03-31 12:00"),
        (Last.HOURS_24, "2026-03-30 12:00", "2026-03-31 12:00"),
        (Last.DAYS_7, "2026-03-24 23:00", "2026-03-31 12:00"),
        (Last.DAYS_30, "2026-03-01 23:00", "2026-03-31 12:00"),
        (Last.DAYS_90, "2025-12-31 23:00", "2026-03-31 12:00"),
        (Last.MONTHS_12, "2025-03-31 22:00", "2026-03-31 12:00"),
        (Last.TODAY, "2026-03-30 22:00", "2026-03-31 12:00"),
        (Last.YESTERDAY, "2026-03-29 22:00", "2026-03-30 21:59:59.999"),
        (Last.THIS_WEEK, "2026-03-29 22:00", "2026-03-31 12:00"),
        (Last.THIS_MONTH, "2026-02-28 23:00", "2026-03-31 12:00"),
        (Last.THIS_YEAR, "2025-12-31 23:00", "2026-03-31 12:00"),
    ],
)
def test_periods_named_from_now(which: Last, start: str, end: str) -> None:
    assert last(which, at("2026-03-31 12:00"), BERLIN) == Period(at(start), at(end), BERLIN)


def test_today_is_the_zone_s_own() -> None:
    # 22:30 UTC on 31 March is 1 April in Berlin.
    assert last(Last.THIS_MONTH, at("2026-03-31 22:30"), BERLIN).start == at("2026-03-31 22:00")
