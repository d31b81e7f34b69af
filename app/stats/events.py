"""Events as a list, newest first, and custom events over time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.sql.expression import ColumnElement

from app.context import Ctx
from app.errors import Invalid
from app.paging import Key, Page, Window
from app.sql import contains, ordinal, sorting
from app.stats.event_rows import NEWEST_FIRST, EventRow, event_rows
from app.stats.filters import checked
from app.stats.measures import whole
from app.stats.period import Unit
from app.stats.scope import Scope
from app.tables import CUSTOM_EVENT, PAGE_VIEW, event


@dataclass(frozen=True, slots=True)
class EventPoint:
    """How often an event happened in the bucket that begins at `at` (wall clock)."""

    name: str
    at: dt.datetime
    count: int


def event_series(ctx: Ctx, scope: Scope, unit: Unit) -> list[EventPoint]:
    """Custom events by bucket and name, both ascending; empty buckets are left out."""
    at = scope.period.bucket(event.c.created_at, unit).label("at")
    rows = sa.select(event.c.event_name, at).where(*scope.rows(CUSTOM_EVENT)).subquery("rows")
    query = (
        sa.select(rows.c.event_name, rows.c.at, sa.func.count())
        .group_by(rows.c.event_name, rows.c.at)
        .order_by(rows.c.at, ordinal(rows.c.event_name))
    )
    return [EventPoint(name, start, whole(count)) for name, start, count in ctx.events.rows(query)]


def events(
    ctx: Ctx, scope: Scope, window: Window, search: str = "", order_by: str | None = None
) -> list[EventRow]:
    """Page views and custom events, newest first, or by a column of `event` ascending.

    `search` keeps the custom events whose name contains it and the page views whose path does, upper or lower case.
    Raises Invalid for a column that there is not.
    """
    return event_rows(ctx, _listed(scope, search), window, _keys(order_by))


def count_events(ctx: Ctx, scope: Scope, search: str = "") -> int:
    """How many events `events` lists in all."""
    [(count,)] = ctx.events.rows(sa.select(sa.func.count()).select_from(event).where(*_listed(scope, search)))
    return whole(count)


def event_page(
    ctx: Ctx, scope: Scope, window: Window, search: str = "", order_by: str | None = None
) -> Page[EventRow]:
    """A numbered page of `events`, with the count of all; counted only where the page itself does not tell."""
    rows = events(ctx, scope, window, search, order_by)
    is_last = len(rows) < window.limit and (rows or window.offset == 0)
    return Page(rows, window.offset + len(rows) if is_last else count_events(ctx, scope, search))


def _listed(scope: Scope, search: str) -> list[ColumnElement[bool]]:
    if not search:
        return scope.rows()
    part = sa.literal(checked(search, "search"), sa.Text)
    found = sa.or_(
        sa.and_(event.c.event_type == CUSTOM_EVENT, contains(event.c.event_name, part)),
        sa.and_(event.c.event_type == PAGE_VIEW, contains(event.c.url_path, part)),
    )
    return [*scope.rows(), found]


def _keys(order_by: str | None) -> Sequence[Key]:
    if order_by is None:
        return NEWEST_FIRST
    column = event.c.get(order_by)
    if column is None:
        raise Invalid(f"Events have no {order_by!r}", field="orderBy")
    return (Key(sorting(column)), *NEWEST_FIRST)
