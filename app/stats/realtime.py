"""What happens now: the last half hour, its latest events told as a story (Umami v2 REST behaviour §3.10)."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from app.context import Ctx
from app.paging import Window
from app.stats.event_rows import EventRow, event_rows
from app.stats.period import Period, Unit
from app.stats.queries import series
from app.stats.questions import Series
from app.stats.scope import Scope, open_scope

WINDOW: Final = dt.timedelta(minutes=30)
MAX_ROWS: Final = 100


class Kind(StrEnum):
    """What an entry tells: that a session came into view, a page view, or a custom event."""

    SESSION = "session"
    PAGEVIEW = "pageview"
    EVENT = "event"


@dataclass(frozen=True, slots=True)
class Entry:
    """`event` is what happened; for a session, the first of it among the latest events."""

    kind: Kind
    event: EventRow


@dataclass(frozen=True, slots=True)
class Realtime:
    """`series` has page views and visitors of every minute of the scope, empty ones included.

    All else is of the latest MAX_ROWS events: `entries` newest first, sessions by the country of their first event,
    events by path and by referrer's domain (the website's own included). What is empty is not counted there.
    """

    scope: Scope
    entries: Sequence[Entry]
    countries: dict[str, int]
    paths: dict[str, int]
    referrers: dict[str, int]
    series: Series

    @property
    def pageviews(self) -> int:
        return sum(self.series.pageviews)

    @property
    def visitors(self) -> int:
        """The sum over the minutes: who is there in three of them counts three times."""
        return sum(self.series.visitors)

    @property
    def events(self) -> int:
        """Custom events among the latest."""
        return sum(entry.kind is Kind.EVENT for entry in self.entries)


def realtime(ctx: Ctx, website_id: UUID, zone: ZoneInfo) -> Realtime:
    """From the start of the minute half an hour ago until now, by the wall clock of a zone. Raises as `open_scope`."""
    start = ctx.now.replace(second=0, microsecond=0) - WINDOW
    scope = open_scope(ctx, website_id, Period(start, ctx.now, zone))
    latest = event_rows(ctx, scope.rows(), Window(MAX_ROWS))
    arrivals, entries = _told(latest)
    return Realtime(
        scope,
        entries,
        _counted(arrivals, lambda row: row.country),
        _counted(latest[::-1], lambda row: row.url_path),
        _counted(latest[::-1], lambda row: row.referrer_domain),
        series(ctx, scope, Unit.MINUTE, ("pageviews", "visitors")),
    )


def _told(latest: Sequence[EventRow]) -> tuple[list[EventRow], list[Entry]]:
    """The first event of each session in order of time, and the entries, newest first.

    A session is told before its first event, so among the newest first it stands behind it.
    """
    arrivals: dict[UUID, EventRow] = {}
    entries: list[Entry] = []
    for row in reversed(latest):
        if row.session_id not in arrivals:
            arrivals[row.session_id] = row
            entries.append(Entry(Kind.SESSION, row))
        entries.append(Entry(Kind.EVENT if row.event_name else Kind.PAGEVIEW, row))
    return list(arrivals.values()), entries[::-1]


def _counted(rows: Sequence[EventRow], key: Callable[[EventRow], str | None]) -> dict[str, int]:
    """How many rows have which key, in order of first appearance."""
    return dict(Counter(text for text in map(key, rows) if text))
