"""What every statistic is of: a website that the actor may read, a period, and a filter."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.sql.expression import ColumnElement, Subquery

from app import access
from app.context import Ctx
from app.stats.filters import And, Filter, condition, until
from app.stats.period import Period
from app.stats.zones import UTC
from app.tables import CUSTOM_EVENT, PAGE_VIEW, event, event_data


@dataclass(frozen=True, slots=True)
class Scope:
    """`period` is what was asked for; what lies before the website's last reset is never counted.

    `upto` is the number of the last write to the event store that counts, None if all do.
    """

    website_id: UUID
    period: Period
    where: Filter | None
    reset_at: dt.datetime | None
    upto: int | None = None

    @property
    def start(self) -> dt.datetime:
        """The first instant that counts."""
        return max(self.period.start, self.reset_at) if self.reset_at else self.period.start

    def over(self, period: Period) -> Scope:
        """The same website and filter over another period."""
        return replace(self, period=period)

    def until(self, write: int) -> Scope:
        """The same as the event store had it after a write: what it stored later counts nowhere, whatever its time."""
        return replace(self, upto=write, where=None if self.where is None else until(self.where, write))

    def narrowed(self, where: Filter) -> Scope:
        """The same website and period, and of what counts only what matches this filter too."""
        return replace(self, where=where if self.where is None else And((self.where, where)))

    def range(self, table: sa.Table = event) -> list[ColumnElement[bool]]:
        """The conditions of website and period alone, for a table that has both."""
        columns = table.c
        return [
            columns.website_id == self.website_id,
            columns.created_at >= self.start,
            columns.created_at <= self.period.end,
            *self.stored(table),
        ]

    def stored(self, table: sa.Table) -> list[ColumnElement[bool]]:
        """The condition of what was in the store in time, for any of its tables; none if everything counts."""
        return [] if self.upto is None else [table.c.stored_in <= self.upto]

    def rows(self, event_type: int | None = None) -> list[ColumnElement[bool]]:
        """The conditions of the events that count, all of them or those of one type."""
        conditions = self.range()
        if event_type is not None:
            conditions.append(event.c.event_type == event_type)
        if self.where is not None:
            conditions.append(condition(self.where, sa.and_(*self.range(event_data))))
        return conditions

    def of_events(self, table: sa.Table) -> list[ColumnElement[bool]]:
        """The conditions of the rows of `event_data` or `revenue` whose events count."""
        conditions = self.range(table)
        if self.where is not None:
            conditions.append(table.c.event_id.in_(sa.select(event.c.event_id).where(*self.rows())))
        return conditions

    def hits(self, *by: ColumnElement[Any], conditions: list[ColumnElement[bool]] | None = None) -> Subquery:
        """The events that count, ungrouped: `views` is 1 for a page view, `events` for a custom event, else 0.

        Measures that are not of whole visits are the same over this as over `visits`, and take a quarter of the time.
        """
        views, events = (
            sa.case((event.c.event_type == kind, 1), else_=0) for kind in (PAGE_VIEW, CUSTOM_EVENT)
        )
        return (
            sa.select(event.c.session_id, event.c.visit_id, views.label("views"), events.label("events"), *by)
            .where(*(self.rows() if conditions is None else conditions))
            .subquery("hits")
        )

    def visits(
        self, *by: ColumnElement[Any], conditions: list[ColumnElement[bool]] | None = None
    ) -> Subquery:
        """The events that count, grouped by session, visit and `by`: every measure is taken over this.

        Each group has `views` (page views), `events` (custom events), and `first_at` and `last_at` of its page views.
        """
        is_view = event.c.event_type == PAGE_VIEW
        return (
            sa.select(
                event.c.session_id,
                event.c.visit_id,
                sa.func.count().filter(is_view).label("views"),
                sa.func.count().filter(event.c.event_type == CUSTOM_EVENT).label("events"),
                sa.func.min(event.c.created_at).filter(is_view).label("first_at"),
                sa.func.max(event.c.created_at).filter(is_view).label("last_at"),
                *by,
            )
            .where(*(self.rows() if conditions is None else conditions))
            .group_by(event.c.session_id, event.c.visit_id, *by)
            .subquery("visits")
        )


def open_scope(ctx: Ctx, website_id: UUID, period: Period, where: Filter | None = None) -> Scope:
    """The scope of a question. Scopes are made in this module alone, and access is checked where they are.

    Raises as `access.view_website`, and Invalid for a filter that makes no sense.
    """
    scope = _scope(ctx, website_id, period, where)
    condition(where)  # what makes no sense is refused here, before anything is computed
    return scope.over(_whole(ctx, scope)) if period.is_all_time else scope


def open_ever(ctx: Ctx, website_id: UUID) -> Scope:
    """All there is of a website, its first and last event not looked for: for what is asked of one session.

    Raises as `access.view_website`.
    """
    return _scope(ctx, website_id, Period.all_time(UTC), None)


def date_range(ctx: Ctx, website_id: UUID) -> tuple[dt.datetime, dt.datetime] | None:
    """Times of the first and the last event since the last reset, None without events. Raises as `view_website`."""
    return _bounds(ctx, _scope(ctx, website_id, Period.all_time(UTC), None))


def _scope(ctx: Ctx, website_id: UUID, period: Period, where: Filter | None) -> Scope:
    website = access.view_website(ctx, website_id)
    return Scope(website_id, period, where, website.reset_at)


def _bounds(ctx: Ctx, scope: Scope) -> tuple[dt.datetime, dt.datetime] | None:
    """Times of the first and last event of any type that lie in the range; filters do not matter."""
    [(first, last)] = ctx.events.rows(
        sa.select(sa.func.min(event.c.created_at), sa.func.max(event.c.created_at)).where(*scope.range())
    )
    return (first, last) if first is not None else None


def _whole(ctx: Ctx, scope: Scope) -> Period:
    first, last = _bounds(ctx, scope) or (ctx.now, ctx.now)
    return Period(first, last, scope.period.zone)
