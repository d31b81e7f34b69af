"""A period of time as people mean it: two instants and the time zone that its days and buckets follow."""

from __future__ import annotations

import calendar
import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.sql.expression import ColumnElement

from app.errors import Invalid
from app.sql import shifted, truncated
from app.stats.zones import Span, local_day, spans, time_zone

__all__ = ["ALL_TIME", "MAX_BUCKETS", "SLIDING", "Last", "Period", "Unit", "last", "local_day", "time_zone"]

# More buckets than a chart can show; a minute-wise year would be half a million.
MAX_BUCKETS: Final = 2000

# Zone arithmetic overflows at the calendar's very ends.
_FIRST: Final = dt.datetime(2, 1, 1, tzinfo=dt.UTC)
_LAST: Final = dt.datetime(9997, 12, 31, 23, 59, 59, 999000, tzinfo=dt.UTC)

_MINUTE: Final = dt.timedelta(minutes=1)
_HOUR: Final = dt.timedelta(hours=1)
_DAY: Final = dt.timedelta(days=1)


class Unit(StrEnum):
    """Length of a bucket, finest first. Weeks begin on Monday."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


_UNITS: Final = list(Unit)


def _month(wall: dt.datetime, by: int = 0) -> dt.datetime:
    """Start of the month `by` months from the one of `wall`."""
    year, month = divmod(wall.year * 12 + wall.month - 1 + by, 12)
    return dt.datetime(year, month + 1, 1)


# Unit → (start of the bucket a wall-clock time falls in, start of the next bucket).
_STEPS: Final[
    Mapping[Unit, tuple[Callable[[dt.datetime], dt.datetime], Callable[[dt.datetime], dt.datetime]]]
] = {
    Unit.MINUTE: (lambda wall: wall.replace(second=0, microsecond=0), lambda start: start + _MINUTE),
    Unit.HOUR: (lambda wall: wall.replace(minute=0, second=0, microsecond=0), lambda start: start + _HOUR),
    Unit.DAY: (lambda wall: _day(wall), lambda start: start + _DAY),
    Unit.WEEK: (lambda wall: _day(wall) - wall.weekday() * _DAY, lambda start: start + 7 * _DAY),
    Unit.MONTH: (_month, lambda start: _month(start, 1)),
    Unit.YEAR: (lambda wall: dt.datetime(wall.year, 1, 1), lambda start: dt.datetime(start.year + 1, 1, 1)),
}


def _day(wall: dt.datetime) -> dt.datetime:
    return wall.replace(hour=0, minute=0, second=0, microsecond=0)


# How many seconds clocks are ahead of UTC at first, and from each change on.
Offsets = tuple[int, tuple[Span, ...]]


@dataclass(frozen=True, slots=True)
class Period:
    """From `start` to `end`, both included, both UTC; `zone` says where days begin.

    Any aware instants are taken; those outside the years 2 to 9997 are moved to that edge. A period that ends before
    it starts is allowed and holds nothing.
    """

    start: dt.datetime
    end: dt.datetime
    zone: ZoneInfo

    def __post_init__(self) -> None:
        object.__setattr__(self, "start", _bounded(self.start))
        object.__setattr__(self, "end", _bounded(self.end))

    @classmethod
    def all_time(cls, zone: ZoneInfo) -> Period:
        """Everything there is: `open_scope` makes it the time from a website's first event to its last."""
        return cls(_FIRST, _LAST, zone)

    @property
    def is_all_time(self) -> bool:
        return self.start == _FIRST and self.end == _LAST

    def previous(self) -> Period:
        """The period before: both ends moved back by the range's whole minutes (Umami v2 REST behaviour §3.6).

        A range like 00:00:00 to 23:59:59 thus overlaps its previous one by 59 seconds.
        """
        back = int((self.end - self.start) / _MINUTE) * _MINUTE
        return Period(_moved(self.start, back), _moved(self.end, back), self.zone)

    def previous_year(self) -> Period:
        """Both ends one calendar year earlier; 29 February becomes 28 February."""
        return Period(_year_before(self.start), _year_before(self.end), self.zone)

    def clamp(self, unit: Unit) -> Unit:
        """The unit, or the finest one that suits the range if that is coarser (Umami v2 REST behaviour §1.7).

        Calendar months are counted in UTC, as the reference does on a server that runs in UTC.
        """
        finest = self._finest()
        if unit is Unit.MONTH and finest is Unit.YEAR:
            return unit
        return max(unit, finest, key=_UNITS.index)

    def _finest(self) -> Unit:
        length = self.end - self.start
        months = (self.end.year - self.start.year) * 12 + self.end.month - self.start.month
        if length < 61 * _MINUTE:
            return Unit.MINUTE
        if length < 49 * _HOUR:
            return Unit.HOUR
        return Unit.DAY if months <= 6 else Unit.MONTH if months <= 24 else Unit.YEAR

    def bucket(self, column: ColumnElement[dt.datetime], unit: Unit) -> ColumnElement[dt.datetime]:
        """As `bucketed`, on the clocks of its zone."""
        return bucketed(column, unit, self.offsets)

    @property
    def offsets(self) -> Offsets:
        """The offsets of its zone's clocks."""
        first, *changes = spans(self.zone, self.start, self.end)
        return first.offset, tuple(changes)

    def splits_no_half_hour(self, unit: Unit) -> bool:
        """Whether every half-hour of UTC lies in one bucket: all but minutes, and zones such as Nepal's."""
        first, changes = self.offsets
        offsets = {first, *(change.offset for change in changes)}
        whole = all(
            change.start.minute % 30 == change.start.second == change.start.microsecond == 0
            for change in changes
        )
        return unit is not Unit.MINUTE and whole and not any(offset % 1800 for offset in offsets)

    def buckets(self, unit: Unit) -> list[dt.datetime]:
        """Starts of all buckets that the period touches, ascending: wall-clock times without a zone.

        An hour that clocks skip is absent, one that they repeat is there once.
        Raises Invalid if there are more than MAX_BUCKETS.
        """
        starts: set[dt.datetime] = set()
        if self.start > self.end:
            return []
        begin, advance = _STEPS[unit]
        pieces = spans(self.zone, self.start, self.end)
        for number, span in enumerate(pieces):
            is_last = number == len(pieces) - 1
            # The instant of a change belongs to the next piece.
            until = self.end if is_last else pieces[number + 1].start - dt.timedelta(microseconds=1)
            shift = dt.timedelta(seconds=span.offset)
            final = until.replace(tzinfo=None) + shift
            start = begin(span.start.replace(tzinfo=None) + shift)
            while start <= final:
                starts.add(start)
                if len(starts) > MAX_BUCKETS:
                    raise Invalid(
                        f"The period has more than {MAX_BUCKETS} {unit.value} buckets", field="unit"
                    )
                start = advance(start)
        return sorted(starts)


ALL_TIME: Final = Period.all_time


def bucketed(column: ColumnElement[dt.datetime], unit: Unit, offsets: Offsets) -> ColumnElement[dt.datetime]:
    """The start of the bucket that a UTC column falls in, as a zone-less wall-clock time.

    The hour that is repeated when clocks go back is one bucket.
    """
    first, changes = offsets
    if not any((first, *(change.offset for change in changes))):
        return truncated(unit.value, column)
    until = zip(changes, (first, *(change.offset for change in changes)), strict=False)
    pieces = [(column < change.start, sa.literal(offset)) for change, offset in until]
    offset = sa.case(*pieces, else_=sa.literal(changes[-1].offset)) if pieces else sa.literal(first)
    return truncated(unit.value, shifted(column, offset))


class Last(StrEnum):
    """A period that is named from now."""

    HOUR = "hour"
    HOURS_24 = "24 hours"
    DAYS_7 = "7 days"
    DAYS_30 = "30 days"
    DAYS_90 = "90 days"
    MONTHS_12 = "12 months"
    TODAY = "today"
    YESTERDAY = "yesterday"
    THIS_WEEK = "this week"
    THIS_MONTH = "this month"
    THIS_YEAR = "this year"


# First local day of each period, given today.
_FIRST_DAY: Final[Mapping[Last, Callable[[dt.date], dt.date]]] = {
    Last.DAYS_7: lambda today: today - 6 * _DAY,
    Last.DAYS_30: lambda today: today - 29 * _DAY,
    Last.DAYS_90: lambda today: today - 89 * _DAY,
    Last.MONTHS_12: lambda today: _month(dt.datetime.combine(today, dt.time.min), -11).date(),
    Last.TODAY: lambda today: today,
    Last.THIS_WEEK: lambda today: today - today.weekday() * _DAY,
    Last.THIS_MONTH: lambda today: today.replace(day=1),
    Last.THIS_YEAR: lambda today: today.replace(month=1, day=1),
}
# What slides with every moment rather than with the days.
SLIDING: Final[Mapping[Last, dt.timedelta]] = {Last.HOUR: _HOUR, Last.HOURS_24: 24 * _HOUR}


def last(which: Last, now: dt.datetime, zone: ZoneInfo) -> Period:
    """The period of that name, as seen at `now` (aware).

    HOUR and HOURS_24 are the 60 minutes and 24 hours before now. YESTERDAY is the whole local day. All others are
    local calendar days up to now, today included: DAYS_7 begins at the midnight six days before today's, MONTHS_12
    with the first of the month eleven months ago, THIS_WEEK on Monday.
    """
    if which in SLIDING:
        return Period(now - SLIDING[which], now, zone)
    today = now.astimezone(zone).date()
    if which is Last.YESTERDAY:
        return Period(*local_day(today - _DAY, zone), zone)
    return Period(local_day(_FIRST_DAY[which](today), zone)[0], now, zone)


def _bounded(instant: dt.datetime) -> dt.datetime:
    """The instant in UTC, within the years zone arithmetic can do."""
    if instant.tzinfo is None:
        raise ValueError("a period is made of aware instants")
    if not _FIRST.year <= instant.year <= _LAST.year:  # converting these to UTC may overflow
        return _FIRST if instant.year < _FIRST.year else _LAST
    return min(max(instant.astimezone(dt.UTC), _FIRST), _LAST)


def _moved(instant: dt.datetime, back: dt.timedelta) -> dt.datetime:
    try:
        return instant - back
    except OverflowError:
        return _FIRST if back > dt.timedelta() else _LAST


def _year_before(instant: dt.datetime) -> dt.datetime:
    day = min(instant.day, calendar.monthrange(instant.year - 1, instant.month)[1])
    return instant.replace(year=instant.year - 1, day=day)
