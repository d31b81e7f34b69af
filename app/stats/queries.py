"""Totals, series, breakdowns and the values of fields. Each takes a Scope, and each statistic is here once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.sql.expression import ColumnElement, Select, Subquery

from app import access
from app.context import Ctx
from app.errors import Invalid
from app.paging import Key, Window, windowed
from app.sql import contains, ordinal
from app.stats import fields
from app.stats.filters import checked
from app.stats.groups import EVENT_TYPES, counted_by, grouped_by, relation
from app.stats.measures import MEASURES, Summary, aggregates, counts, whole
from app.stats.period import Unit
from app.stats.scope import Scope
from app.tables import event

ACTIVE: Final = dt.timedelta(minutes=5)
MAX_ROWS: Final = 2**31 - 1
_MAX_COUNT: Final = 2**63 - 1
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
    visits = relation(scope, (), measures)
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
    visits = relation(scope, (at,), measures)
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
    _check_page(by, limit, offset, after)
    names = {*measures, order_by}
    grouped = grouped_by(scope, by, names).subquery("grouped")
    query = _page(grouped, len(by), order_by, limit, offset, after)
    if search:
        query = query.where(contains(grouped.c.key_0, sa.literal(checked(search, "search"), sa.Text)))
    nullable = [name in fields.FIELDS and fields.FIELDS[name].nullable for name in by]
    return [
        BreakdownRow(**counts(row._mapping), values=shown(row[: len(by)], nullable))
        for row in ctx.events.rows(query)
    ]


def visitors_of(ctx: Ctx, scope: Scope, by: Sequence[str] = ()) -> int:
    """All visitors that a breakdown by these dimensions counts: what a row's visitors are a share of."""
    counted = counted_by(by)
    hits = scope.hits(conditions=scope.rows(EVENT_TYPES[counted]))
    [(visitors,)] = ctx.events.rows(sa.select(*aggregates(hits, ("visitors",), counted)))
    return whole(visitors)


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
        query = query.where(_searched(listed, checked(search, "search")))
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


def shown(texts: Sequence[str], nullable: Sequence[bool]) -> tuple[str | None, ...]:
    """Values as answers show them: '' is None where it stands for an absent value."""
    return tuple(
        None if text == "" and absent else text for text, absent in zip(texts, nullable, strict=True)
    )


def _check_page(
    by: Sequence[str], limit: int, offset: int, after: tuple[int, tuple[str | None, ...]] | None
) -> None:
    if not by:
        raise Invalid("A breakdown is by at least one dimension", field="by")
    for name, number in (("limit", limit), ("offset", offset)):
        if not 0 <= number <= MAX_ROWS:
            raise Invalid(f"{name} is between 0 and {MAX_ROWS}", field=name)
    if after is None:
        return
    seen, texts = after
    if len(texts) != len(by) or not -_MAX_COUNT <= seen <= _MAX_COUNT:
        raise Invalid("This is no position in this breakdown", field="after")
    for text in texts:
        checked(text or "", "after")


def _page(
    grouped: Subquery,
    dimensions: int,
    order_by: str,
    limit: int,
    offset: int,
    after: tuple[int, tuple[str | None, ...]] | None,
) -> Select[Any]:
    keys = (
        Key(grouped.c[order_by], descending=True),
        *(Key(ordinal(grouped.c[f"key_{number}"])) for number in range(dimensions)),
    )
    seen = None if after is None else (after[0], *(text or "" for text in after[1]))
    return windowed(sa.select(grouped), keys, Window(limit, offset, seen))


def _searched(listed: fields.Field, search: str) -> ColumnElement[bool]:
    if "," not in search:
        return contains(listed.column, sa.literal(search, sa.Text))
    named = [text.strip().lower() for text in search.split(",")][:_MAX_ALTERNATIVES]
    found = sa.func.lower(listed.column).in_(named)
    # "red," names an empty value, which is a path but not a tag.
    return sa.and_(listed.present, found) if listed.nullable else found
