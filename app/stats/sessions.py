"""Sessions: as a list and one by one, what one of them did, and at which hours of the week they come.

Figures are over the events of the scope that count; attributes are those of the first of these, as the reference keeps
those of a session's first event (Umami v2 REST behaviour §2.6, §3.8).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping
from sqlalchemy.sql.expression import ColumnElement, Subquery

from app.context import Ctx
from app.errors import Invalid, NotFound
from app.paging import Key, Page, Window, windowed
from app.sql import by_id, contains, earliest, ordinal, week_hour, whole_seconds
from app.stats.event_rows import EventRow, event_rows
from app.stats.filters import checked
from app.stats.measures import Counted, whole
from app.stats.period import Unit
from app.stats.plan import answer
from app.stats.questions import MAX_ROWS, Ranking, Totals
from app.stats.scope import Scope
from app.tables import CUSTOM_EVENT, PAGE_VIEW, SESSION_COLUMNS, event

ATTRIBUTES: Final = (*SESSION_COLUMNS, "hostname")
_SEARCHED: Final = ("distinct_id", "city", "browser", "os", "device")
# Where more are asked for, every session of the scope is looked at: a statement takes no more than 65,535 values.
_MOST_IDS: Final = 5000
_HOURS: Final = 24
_DAYS: Final = 7


@dataclass(frozen=True, slots=True)
class Session:
    """What a session did and who it was; attributes that are absent are None.

    `views` are page views and `events` custom events. `totaltime` is in whole seconds: between the first and the last
    event of each visit, of any type.
    """

    session_id: UUID
    first_at: dt.datetime
    last_at: dt.datetime
    visits: int
    views: int
    events: int
    totaltime: int
    distinct_id: str | None
    browser: str | None
    os: str | None
    device: str | None
    screen: str | None
    language: str | None
    country: str | None
    region: str | None
    city: str | None
    hostname: str | None


@dataclass(frozen=True, slots=True)
class SessionTotals:
    """Figures of all sessions with an event of any type: `hits` are page views and custom events, `events` the latter."""

    hits: int
    visitors: int
    visits: int
    countries: int
    events: int


def _count_of(event_type: int) -> ColumnElement[int]:
    return sa.func.count().filter(event.c.event_type == event_type)


# What a list of sessions can be ordered by, over the events of a session.
ORDERS: Final[Mapping[str, ColumnElement[Any]]] = {
    "session_id": by_id(event.c.session_id),
    "first_at": sa.func.min(event.c.created_at),
    "last_at": sa.func.max(event.c.created_at),
    "visits": sa.func.count(event.c.visit_id.distinct()),
    "views": _count_of(PAGE_VIEW),
    "events": _count_of(CUSTOM_EVENT),
    **{name: ordinal(earliest(event.c[name], event.c.created_at, event.c.event_id)) for name in ATTRIBUTES},
}


def sessions(
    ctx: Ctx, scope: Scope, window: Window, search: str = "", order_by: str | None = None
) -> list[Session]:
    """Sessions by their last event, latest first, or by one of ORDERS ascending; then by id.

    `search` keeps sessions of which an event's distinct id, city, browser, system or device contains it, upper or lower
    case; their figures are those of all their events. Raises Invalid for an order that there is not.
    """
    if order_by is not None and order_by not in ORDERS:
        raise Invalid(f"Sessions have no {order_by!r}", field="orderBy")
    listed = (
        sa.select(event.c.session_id, ORDERS[order_by or "last_at"].label("place"))
        .where(*scope.rows())
        .group_by(event.c.session_id)
    )
    if search:
        listed = listed.having(sa.func.max(sa.case((_contains(search), 1), else_=0)) == 1)
    rows = listed.subquery("listed")
    keys = (Key(rows.c.place, descending=order_by is None), Key(by_id(rows.c.session_id)))
    page = ctx.events.rows(windowed(sa.select(rows.c.session_id), keys, window))
    # What is gone meanwhile (the website was reset) is left out.
    found = _looked_at(ctx, scope, [session_id for (session_id,) in page])
    return [found[session_id] for (session_id,) in page if session_id in found]


def count_sessions(ctx: Ctx, scope: Scope, search: str = "") -> int:
    """How many sessions `sessions` lists in all."""
    if not search:
        return answer(ctx, Totals(scope, ("visitors",), Counted.BOTH)).visitors
    # In two steps: PostgreSQL sorts what it counts the distinct values of.
    found = sa.select(event.c.session_id).where(*scope.rows(), _contains(search)).distinct().subquery("found")
    [(count,)] = ctx.events.rows(sa.select(sa.func.count()).select_from(found))
    return whole(count)


def session_page(
    ctx: Ctx, scope: Scope, window: Window, search: str = "", order_by: str | None = None
) -> Page[Session]:
    """A numbered page of `sessions`, with the count of all."""
    return Page(sessions(ctx, scope, window, search, order_by), count_sessions(ctx, scope, search))


def session(ctx: Ctx, scope: Scope, session_id: UUID) -> Session:
    """One session. Raises NotFound if none of its events counts."""
    found = ctx.events.rows(sa.select(_whole_sessions(_of(scope, session_id))))
    if not found:
        raise NotFound("Session not found")
    return _session(found[0]._mapping)


def activity(ctx: Ctx, scope: Scope, session_id: UUID, window: Window) -> list[EventRow]:
    """What a session did, newest first: its events of any type. None if there is no such session."""
    return event_rows(ctx, _of(scope, session_id), window)


def count_activity(ctx: Ctx, scope: Scope, session_id: UUID) -> int:
    """How many events `activity` lists in all."""
    query = sa.select(sa.func.count()).select_from(event).where(*_of(scope, session_id))
    [(count,)] = ctx.events.rows(query)
    return whole(count)


def session_totals(ctx: Ctx, scope: Scope) -> SessionTotals:
    """The figures of all sessions with an event of any type."""
    measures = ("pageviews", "visitors", "visits", "events")
    # By custom events, so that countries with nothing else are listed too.
    by_country = Ranking(scope, ("country",), ("events",), "events", limit=MAX_ROWS)
    totals, countries = answer(ctx, Totals(scope, measures, Counted.BOTH)), answer(ctx, by_country)
    return SessionTotals(
        hits=totals.pageviews + totals.events,
        visitors=totals.visitors,
        visits=totals.visits,
        countries=sum(row.values != (None,) for row in countries),
        events=totals.events,
    )


def weekday_hours(ctx: Ctx, scope: Scope) -> list[list[int]]:
    """Sessions with an event of any type by weekday, Sunday first, and by hour on the period's wall clock.

    A session counts once in each hour of the week, in however many weeks it comes. The hour that is repeated when clocks
    go back is one with the first, as in a series.
    """
    wall = scope.period.bucket(event.c.created_at, Unit.HOUR).label("wall")
    rows = sa.select(event.c.session_id, wall).where(*scope.rows()).subquery("rows")
    hour = week_hour(rows.c.wall).label("hour")
    query = sa.select(hour, sa.func.count(rows.c.session_id.distinct())).group_by(hour)
    found = {hour: whole(count) for hour, count in ctx.events.rows(query)}
    return [[found.get(day * _HOURS + hour, 0) for hour in range(_HOURS)] for day in range(_DAYS)]


def _of(scope: Scope, session_id: UUID) -> list[ColumnElement[bool]]:
    return [*scope.rows(), event.c.session_id == session_id]


def _contains(search: str) -> ColumnElement[bool]:
    part = sa.literal(checked(search, "search"), sa.Text)
    return sa.or_(*(contains(event.c[name], part) for name in _SEARCHED))


def _looked_at(ctx: Ctx, scope: Scope, session_ids: Sequence[UUID]) -> dict[UUID, Session]:
    """These sessions as a whole.

    Asked for by their ids: as one statement with what chose them, PostgreSQL, which cannot know how many sessions a
    range of today has, would at times choose them anew for every event.
    """
    if not session_ids:
        return {}
    conditions = scope.rows()
    if len(session_ids) <= _MOST_IDS:
        conditions.append(event.c.session_id.in_(session_ids))
    found = ctx.events.rows(sa.select(_whole_sessions(conditions)))
    return {row.session_id: _session(row._mapping) for row in found}


def _whole_sessions(conditions: list[ColumnElement[bool]]) -> Subquery:
    """One row for each session of the events that meet the conditions, under the names of Session."""
    at, event_id = event.c.created_at, event.c.event_id
    # Visits first, because time is spent within them.
    visits = (
        sa.select(
            event.c.session_id,
            sa.func.min(at).label("first_at"),
            sa.func.max(at).label("last_at"),
            earliest(event_id, at, event_id).label("first_id"),
            _count_of(PAGE_VIEW).label("views"),
            _count_of(CUSTOM_EVENT).label("events"),
            *(earliest(event.c[name], at, event_id).label(name) for name in ATTRIBUTES),
        )
        .where(*conditions)
        .group_by(event.c.session_id, event.c.visit_id)
        .subquery("visits")
    )
    columns = visits.c
    return (
        sa.select(
            columns.session_id,
            sa.func.min(columns.first_at).label("first_at"),
            sa.func.max(columns.last_at).label("last_at"),
            sa.func.count().label("visits"),
            sa.func.sum(columns.views).label("views"),
            sa.func.sum(columns.events).label("events"),
            sa.func.sum(whole_seconds(columns.first_at, columns.last_at)).label("totaltime"),
            *(earliest(columns[name], columns.first_at, columns.first_id).label(name) for name in ATTRIBUTES),
        )
        .group_by(columns.session_id)
        .subquery("whole_sessions")
    )


def _session(row: RowMapping) -> Session:
    counts = {name: whole(row[name]) for name in ("visits", "views", "events", "totaltime")}
    given: dict[str, Any] = {**row, **counts, **{name: row[name] or None for name in ATTRIBUTES}}
    return Session(**given)
