"""Custom events over time."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import sqlalchemy as sa

from app.context import Ctx
from app.sql import ordinal
from app.stats.measures import whole
from app.stats.period import Unit
from app.stats.scope import Scope
from app.tables import CUSTOM_EVENT, event


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
