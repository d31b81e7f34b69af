"""Totals, series, breakdowns and the values of fields. Each takes a Scope, and each statistic is here once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.sql.expression import ColumnElement

from app import access
from app.context import Ctx
from app.sql import contains, ordinal
from app.stats import fields
from app.stats.channels import CHANNELS
from app.stats.filters import checked, within_writes
from app.stats.measures import MEASURES, Summary, whole
from app.stats.period import Unit
from app.stats.plan import answer
from app.stats.questions import BreakdownRow, OverTime, Ranking, Series, Totals
from app.stats.scope import Scope
from app.tables import event

ACTIVE: Final = dt.timedelta(minutes=5)
_MAX_ALTERNATIVES: Final = 5


def summary(ctx: Ctx, scope: Scope, measures: Collection[str] = MEASURES) -> Summary:
    """The measures of the whole scope."""
    return answer(ctx, Totals(scope, tuple(measures)))


def series(
    ctx: Ctx,
    scope: Scope,
    unit: Unit,
    measures: Collection[str] = ("visitors", "pageviews", "visits", "events"),
    *,
    fill: bool = True,
) -> Series:
    """The measures of each bucket, as `OverTime`."""
    return answer(ctx, OverTime(scope, unit, tuple(measures), fill))


def breakdown(ctx: Ctx, scope: Scope, by: Sequence[str], **more: Any) -> list[BreakdownRow]:
    """The measures of each value, or each combination of values, as `Ranking`, whose other fields `more` gives."""
    return answer(ctx, Ranking(scope, tuple(by), **more))


def channels(ctx: Ctx, scope: Scope) -> list[tuple[str, int]]:
    """(channel, visitors) of all 14 channels, most visitors first, equal ones in the order of CHANNELS."""
    return all_channels(breakdown(ctx, scope, (fields.CHANNEL,)))


def all_channels(rows: Sequence[BreakdownRow]) -> list[tuple[str, int]]:
    """The same of a ranking by channel, which leaves out channels without visitors."""
    found = {row.values[0]: row.visitors for row in rows}
    return sorted(((name, found.get(name, 0)) for name in CHANNELS), key=lambda item: -item[1])


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
            event.c.website_id == website_id,
            event.c.created_at >= since,
            *within_writes(event, website.removed_upto, None),
        )
    )
    return whole(count)


def _searched(listed: fields.Field, search: str) -> ColumnElement[bool]:
    if "," not in search:
        return contains(listed.column, sa.literal(search, sa.Text))
    named = [text.strip().lower() for text in search.split(",")][:_MAX_ALTERNATIVES]
    found = sa.func.lower(listed.column).in_(named)
    # "red," names an empty value, which is a path but not a tag.
    return sa.and_(listed.present, found) if listed.nullable else found
