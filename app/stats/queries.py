"""Totals, series, breakdowns and the values of fields. Each takes a Scope, and each statistic is here once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.sql.expression import ColumnElement, Select

from app import access
from app.context import Ctx
from app.errors import Invalid
from app.sql import contains, ordinal
from app.stats import channels, fields
from app.stats.measures import MEASURES, Summary, aggregates, counts, whole
from app.stats.period import Period, Unit
from app.stats.scope import Scope, bounds
from app.stats.zones import UTC
from app.tables import CUSTOM_EVENT, PAGE_VIEW, event

ACTIVE: Final = dt.timedelta(minutes=5)
MAX_ROWS: Final = 1_000_000
_MAX_ALTERNATIVES: Final = 5


@dataclass(frozen=True, slots=True)
class BreakdownRow(Summary):
    """The measures of one combination of values; None where events have no value."""

    values: tuple[str | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Series:
    """Columns of equal length: `at` holds wall-clock bucket starts. Measures that were not asked for are empty."""

    at: list[dt.datetime]
    pageviews: list[int] = field(default_factory=list)
    visitors: list[int] = field(default_factory=list)
    visits: list[int] = field(default_factory=list)
    bounces: list[int] = field(default_factory=list)
    totaltime: list[int] = field(default_factory=list)
    events: list[int] = field(default_factory=list)


def summary(ctx: Ctx, scope: Scope, measures: Collection[str] = MEASURES) -> Summary:
    """The measures of the whole scope."""
    visits = scope.visits(conditions=_needed(scope, measures))
    [row] = ctx.events.rows(sa.select(*aggregates(visits, measures)))
    return Summary(**counts(row._mapping))


def series(
    ctx: Ctx,
    scope: Scope,
    unit: Unit,
    measures: Collection[str] = ("visitors", "pageviews", "visits", "events"),
    *,
    fill: bool = True,
) -> Series:
    """The measures of each bucket, ascending; with `fill` the empty buckets too.

    Raises Invalid if there would be too many buckets to fill.
    """
    starts = scope.period.buckets(unit) if fill else []
    at = scope.period.bucket(event.c.created_at, unit).label("at")
    visits = scope.visits(at, conditions=_needed(scope, measures))
    query = sa.select(visits.c.at, *aggregates(visits, measures)).group_by(visits.c.at).order_by(visits.c.at)
    found = {row.at: counts(row._mapping) for row in ctx.events.rows(query)}
    starts = starts or list(found)
    columns = {name: [found[start][name] if start in found else 0 for start in starts] for name in measures}
    return Series(starts, **columns)


def breakdown(
    ctx: Ctx,
    scope: Scope,
    by: Sequence[str],
    *,
    measures: Collection[str] = ("visitors",),
    order_by: str = "visitors",
    search: str | None = None,
    limit: int = 500,
    offset: int = 0,
    after: tuple[int, tuple[str | None, ...]] | None = None,
) -> list[BreakdownRow]:
    """The measures of each value, or each combination of values, most of `order_by` first, then by value.

    By `event` it is of custom events, by anything else of page views, with the custom events beside them where asked
    for. `entry`, `exit` and `channel` go alone. `search` keeps values of the first dimension that contain it.
    `after` is the (measure, values) of the last row seen. Raises Invalid for what is not in `DIMENSIONS`.
    """
    of_events = "event" in by
    columns, conditions, present = _dimension(scope, by, measures, of_events)
    if search:
        conditions.append(contains(columns[0], sa.literal(search, sa.Text)))
    keys = [column.label(f"key_{number}") for number, column in enumerate(columns)]
    visits = scope.visits(*keys, conditions=conditions)
    names = {*measures, order_by}
    grouped = (
        sa.select(*(visits.c[key.name] for key in keys), *aggregates(visits, names, of_events))
        .group_by(*(visits.c[key.name] for key in keys))
        .having(*_having(visits, present))
        .subquery("grouped")
    )
    query = _page(grouped, [key.name for key in keys], order_by, limit, offset, after)
    nullable = [name in fields.FIELDS and fields.FIELDS[name].nullable for name in by]
    return [
        BreakdownRow(**counts(row._mapping), values=_shown(row[: len(keys)], nullable))
        for row in ctx.events.rows(query)
    ]


def visitors_of(ctx: Ctx, scope: Scope) -> int:
    """All visitors of the scope: what a row's visitors are a share of."""
    return summary(ctx, scope, ("visitors",)).visitors


def values(
    ctx: Ctx, scope: Scope, name: str, search: str | None = None, limit: int = 10
) -> list[tuple[str | None, int]]:
    """The values of a field in events of any type, with the number of events, most frequent first.

    `search` keeps the values that contain it; with commas it names up to five values, compared as a whole. Upper and
    lower case are alike (Umami v2 REST behaviour §3.6).
    """
    listed = fields.field(name)
    query = sa.select(listed.column.label("value"), sa.func.count().label("rows")).where(*scope.rows())
    if listed.name == "referrer":
        query = query.where(listed.present)
    if search:
        query = query.where(_searched(listed.column, search))
    query = query.group_by(listed.column).order_by(sa.desc("rows"), ordinal(listed.column)).limit(limit)
    return [
        (None if text == "" and listed.nullable else text, whole(rows))
        for text, rows in ctx.events.rows(query)
    ]


def active_visitors(ctx: Ctx, website_id: UUID) -> int:
    """Sessions with any event in the last five minutes. Raises as `access.view_website`."""
    website = access.view_website(ctx, website_id)
    since = max(ctx.now - ACTIVE, website.reset_at or ctx.now - ACTIVE)
    [(count,)] = ctx.events.rows(
        sa.select(sa.func.count(event.c.session_id.distinct())).where(
            event.c.website_id == website_id, event.c.created_at >= since
        )
    )
    return whole(count)


def date_range(ctx: Ctx, website_id: UUID) -> tuple[dt.datetime, dt.datetime] | None:
    """Times of the first and the last event since the last reset, None without events. Raises as `view_website`."""
    website = access.view_website(ctx, website_id)
    return bounds(ctx, Scope(website_id, Period.all_time(UTC), None, website.reset_at))


def _shown(texts: Sequence[str], nullable: Sequence[bool]) -> tuple[str | None, ...]:
    """Values as answers show them: '' is None where it stands for an absent value."""
    return tuple(
        None if text == "" and absent else text for text, absent in zip(texts, nullable, strict=True)
    )


def _needed(scope: Scope, measures: Collection[str]) -> list[ColumnElement[bool]]:
    """Custom events are read only where they are counted."""
    return scope.rows(None if "events" in measures else PAGE_VIEW)


def _dimension(
    scope: Scope, by: Sequence[str], measures: Collection[str], of_events: bool
) -> tuple[list[ColumnElement[str]], list[ColumnElement[bool]], str]:
    """(the columns, the conditions of the events that count, which count a group must have)."""
    alone = [name for name in by if name in (fields.ENTRY, fields.EXIT, fields.CHANNEL)]
    if alone and len(by) > 1:
        raise Invalid(f"{alone[0]} cannot be combined with other dimensions", field="by")
    if alone == [fields.CHANNEL]:
        channel = channels.channel_of()
        return [channel], [*_needed(scope, measures), channel != ""], "views"
    if alone:
        edge = _edges(scope, last=alone == [fields.EXIT])
        return [event.c.url_path], [*scope.rows(PAGE_VIEW), event.c.event_id.in_(edge)], "views"
    chosen = [fields.field(name) for name in by]
    conditions = scope.rows(CUSTOM_EVENT) if of_events else _needed(scope, measures)
    conditions += [one.present for one in chosen if one.name == "referrer"]
    return [one.column for one in chosen], conditions, "events" if of_events else "views"


def _edges(scope: Scope, last: bool) -> Select[Any]:
    """Ids of the first (or last) page view of each visit in the range; filters apply to it, not to finding it."""
    order = (event.c.created_at, event.c.event_id)
    place = sa.func.row_number().over(
        partition_by=event.c.visit_id, order_by=[column.desc() for column in order] if last else order
    )
    ranked = (
        sa.select(event.c.event_id, place.label("place"))
        .where(*scope.range(), event.c.event_type == PAGE_VIEW)
        .subquery("ranked")
    )
    return sa.select(ranked.c.event_id).where(ranked.c.place == 1)


def _having(visits: Any, present: str) -> list[ColumnElement[bool]]:
    """A breakdown of page views lists what has page views: custom events are counted beside, not instead."""
    return [sa.func.sum(visits.c[present]) > 0] if present else []


def _page(
    grouped: Any,
    keys: list[str],
    order_by: str,
    limit: int,
    offset: int,
    after: tuple[int, tuple[str | None, ...]] | None,
) -> Select[Any]:
    measure = grouped.c[order_by]
    ordered = [ordinal(grouped.c[key]) for key in keys]
    query = sa.select(grouped).order_by(measure.desc(), *ordered).limit(min(limit, MAX_ROWS)).offset(offset)
    if after is None:
        return query
    seen, texts = after
    beyond: ColumnElement[bool] = sa.false()
    for column, text in reversed(list(zip(ordered, texts, strict=True))):
        value = sa.literal(text or "", sa.Text)
        beyond = sa.or_(column > value, sa.and_(column == value, beyond))
    return query.where(sa.or_(measure < seen, sa.and_(measure == seen, beyond)))


def _searched(column: ColumnElement[str], search: str) -> ColumnElement[bool]:
    if "," not in search:
        return contains(column, sa.literal(search, sa.Text))
    named = [text.strip().lower() for text in search.split(",")][:_MAX_ALTERNATIVES]
    return sa.func.lower(column).in_(named)
