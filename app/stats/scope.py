"""What every statistic is of: a website that the actor may read, a period, and a filter."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.sql.expression import ColumnElement

from app import access
from app.context import Ctx
from app.errors import AppError
from app.retention import kept_since
from app.stats.filters import And, Filter, beyond, condition, until, within_writes
from app.stats.period import Period
from app.stats.zones import UTC
from app.tables import event, event_data


@dataclass(frozen=True, slots=True)
class Scope:
    """`period` is what was asked for; what lies before the website's last reset is never counted.

    Nor is what lies before `kept_since`, and what was stored by writes up to `after`, some of whose rows are still to be
    removed. `upto` is the number of the last write to the event store that counts. None of these: all do.
    """

    website_id: UUID
    period: Period
    where: Filter | None
    reset_at: dt.datetime | None
    upto: int | None = None
    kept_since: dt.datetime | None = None
    after: int | None = None

    @property
    def since(self) -> dt.datetime | None:
        """The first instant of the website's that counts, None if all do."""
        return max((at for at in (self.reset_at, self.kept_since) if at), default=None)

    @property
    def start(self) -> dt.datetime:
        """The first instant that counts."""
        return max(self.period.start, self.since) if self.since else self.period.start

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
        return within_writes(table, self.after, self.upto)

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


@dataclass(frozen=True, slots=True)
class Opening:
    """What a scope is to be opened of."""

    website_id: UUID
    period: Period
    where: Filter | None = None


def open_scope(ctx: Ctx, website_id: UUID, period: Period, where: Filter | None = None) -> Scope:
    """The scope of a question. Scopes are made in this module alone, and access is checked where they are.

    Raises as `access.view_website`, and Invalid for a filter that makes no sense.
    """
    [opened] = open_scopes(ctx, [Opening(website_id, period, where)])
    if isinstance(opened, AppError):
        raise opened
    return opened


def open_scopes(ctx: Ctx, asked: Sequence[Opening]) -> list[Scope | AppError]:
    """The scopes of many questions, in order, each on its own terms: what `open_scope` would raise stands for it."""
    access.remember_websites(ctx, [one.website_id for one in asked])
    opened = [_opened(ctx, one) for one in asked]
    endless = [scope for scope in opened if isinstance(scope, Scope) and scope.period.is_all_time]
    bounds = _bounds(ctx, endless) if endless else {}
    return [
        scope.over(_whole(ctx, scope, bounds.get(scope.website_id))) if scope in endless else scope
        for scope in opened
    ]


def _opened(ctx: Ctx, asked: Opening) -> Scope | AppError:
    try:
        scope = _scope(ctx, asked.website_id, asked.period, asked.where)
        condition(asked.where)  # what makes no sense is refused here, before anything is computed
    except AppError as error:
        return error
    return scope


def open_ever(ctx: Ctx, website_id: UUID) -> Scope:
    """All there is of a website, its first and last event not looked for: for what is asked of one session.

    Raises as `access.view_website`.
    """
    return _scope(ctx, website_id, Period.all_time(UTC), None)


def whole_scope(website_id: UUID, period: Period) -> Scope:
    """All that is stored of a website in a period, whatever its settings say: for who holds the store itself.

    No question of anybody's is asked of it, so no access is checked.
    """
    return Scope(website_id, period, None, None)


def date_range(ctx: Ctx, website_id: UUID) -> tuple[dt.datetime, dt.datetime] | None:
    """Times of the first and the last event since the last reset, None without events. Raises as `view_website`."""
    return _bounds(ctx, [_scope(ctx, website_id, Period.all_time(UTC), None)]).get(website_id)


def _scope(ctx: Ctx, website_id: UUID, period: Period, where: Filter | None) -> Scope:
    website = access.view_website(ctx, website_id)
    since, after = kept_since(website, ctx.now), website.removed_upto
    return Scope(
        website_id,
        period,
        None if where is None else beyond(where, after, since),
        website.reset_at,
        kept_since=since,
        after=after,
    )


def _bounds(ctx: Ctx, scopes: Sequence[Scope]) -> dict[UUID, tuple[dt.datetime, dt.datetime]]:
    """Times of each website's first and last event of any type that lie in its range; filters do not matter."""
    ranges = {scope.website_id: sa.and_(*scope.range()) for scope in scopes}
    at = event.c.created_at
    query = (
        sa.select(event.c.website_id, sa.func.min(at), sa.func.max(at))
        .where(sa.or_(*ranges.values()))
        .group_by(event.c.website_id)
    )
    return {website_id: (first, last) for website_id, first, last in ctx.events.rows(query)}


def _whole(ctx: Ctx, scope: Scope, bounds: tuple[dt.datetime, dt.datetime] | None) -> Period:
    first, last = bounds or (ctx.now, ctx.now)
    return Period(first, last, scope.period.zone)
