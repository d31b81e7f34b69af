"""Time zones, computed in Python: an engine is never asked what a zone is.

A zone's offset from UTC is constant between its changes. `spans` lists these pieces for a range, and everything that
has to do with wall-clock time is arithmetic on them.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

from app.errors import Invalid

UTC: Final = ZoneInfo("UTC")

_DAY: Final = dt.timedelta(days=1)
_SECOND: Final = dt.timedelta(seconds=1)
# Changes outside these years are ignored: rules for the far future are guesses, and a range of ten thousand years
# would otherwise become an expression of twenty thousand branches.
_CHANGES_FROM: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_CHANGES_UNTIL: Final = dt.datetime(2100, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a range, from `start` up to the next piece: its wall clock is UTC and `offset` seconds."""

    start: dt.datetime
    offset: int


@cache
def _names() -> dict[str, str]:
    return {name.lower(): name for name in zoneinfo.available_timezones()}


def time_zone(name: str) -> ZoneInfo:
    """The IANA zone of this name, old aliases included, in upper or lower case. Raises Invalid for any other."""
    known = _names().get(name.lower())
    if known is None:
        raise Invalid(
            f"There is no time zone {name!r:.60}: give an IANA name such as Europe/Vienna", field="timezone"
        )
    return ZoneInfo(known)


def spans(zone: ZoneInfo, start: dt.datetime, end: dt.datetime) -> list[Span]:
    """The pieces of constant offset from `start` to `end`, both aware; one piece if they are in the wrong order."""
    within = min(max(start, _CHANGES_FROM), _CHANGES_UNTIL)
    pieces = [Span(start, _offset(zone, within))]
    for year in range(within.year, min(end, _CHANGES_UNTIL).year + 1):
        pieces += [change for change in _changes(zone, year) if start < change.start <= end]
    return pieces


def local_day(day: dt.date, zone: ZoneInfo) -> tuple[dt.datetime, dt.datetime]:
    """The first instant and the last millisecond of a local day, in UTC.

    Where clocks skip midnight the day begins at the change; where they repeat it, at the first of the two.
    Raises OverflowError on the calendar's first and last days.
    """
    return _midnight(day, zone), _midnight(day + _DAY, zone) - dt.timedelta(milliseconds=1)


def _midnight(day: dt.date, zone: ZoneInfo) -> dt.datetime:
    return dt.datetime.combine(day, dt.time.min, zone).astimezone(dt.UTC)


def _offset(zone: ZoneInfo, at: dt.datetime) -> int:
    offset = at.astimezone(zone).utcoffset() or dt.timedelta()
    return offset // _SECOND


@lru_cache(maxsize=8192)
def _changes(zone: ZoneInfo, year: int) -> tuple[Span, ...]:
    """The changes of offset within a UTC year, to the second. No zone changes twice on one day."""
    if not _CHANGES_FROM.year <= year < _CHANGES_UNTIL.year:
        return ()
    return tuple(_find_changes(zone, dt.datetime(year, 1, 1, tzinfo=dt.UTC)))


def _find_changes(zone: ZoneInfo, new_year: dt.datetime) -> Iterator[Span]:
    # A change at the very start of a year belongs to it, so look from a second before.
    days = [new_year - _SECOND]
    while days[-1].year <= new_year.year:
        days.append(days[-1] + _DAY)
    days[-1] = new_year.replace(year=new_year.year + 1) - _SECOND
    for before, after in pairwise(days):
        if (offset := _offset(zone, after)) != _offset(zone, before):
            while after - before > _SECOND:
                middle = before + (after - before) // (2 * _SECOND) * _SECOND
                before, after = (before, middle) if _offset(zone, middle) == offset else (middle, after)
            yield Span(after, offset)
