"""Whether visitors come back (Umami v2 REST behaviour §3.12)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.sql.expression import Select, Subquery

from app.context import Ctx
from app.reports.report import Report
from app.sql import shifted
from app.stats.measures import whole
from app.stats.period import Period, Unit
from app.stats.scope import Scope
from app.tables import event

MAX_DAY: Final = 31
_DAY_SECONDS: Final = 86_400
_EVER: Final = dt.datetime.min.replace(tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class Params:
    """Website and period are all there is to ask."""


@dataclass(frozen=True, slots=True)
class Cohort:
    """The visitors who came first on a local day, and how many of them were there so many days later.

    `date` is the day's start as wall-clock time. `returned` has the days on which there was anyone, ascending up to
    MAX_DAY; day 0 has them all.
    """

    date: dt.datetime
    returned: dict[int, int]

    @property
    def visitors(self) -> int:
        return self.returned[0]


def run(ctx: Ctx, scope: Scope, params: Params) -> list[Cohort]:
    """The cohorts of the period, by date: of sessions whose first event ever lies in it."""
    rows = ctx.events.rows(_active(scope))
    return [
        Cohort(date, {(day - date).days: whole(visitors) for _, day, visitors in group})
        for date, group in groupby(rows, key=lambda row: row.date)
    ]


def _active(scope: Scope) -> Select[Any]:
    """(date, day, visitors) for each cohort and each day on which any of it was active."""
    day = scope.period.bucket(event.c.created_at, Unit.DAY).label("day")
    earlier = _came_before(scope)
    days = (
        sa.select(event.c.session_id, day)
        .outerjoin_from(event, earlier, event.c.session_id == earlier.c.session_id)
        .where(*scope.rows(), earlier.c.session_id.is_(None))
        .distinct()
        .cte("days")
    )
    first = sa.select(days.c.session_id, sa.func.min(days.c.day).label("date")).group_by(days.c.session_id)
    first_days = first.subquery("first_days")
    dated = (
        sa.select(days.c.day, first_days.c.date)
        .join_from(days, first_days, days.c.session_id == first_days.c.session_id)
        .subquery("dated")
    )
    return (
        sa.select(dated.c.date, dated.c.day, sa.func.count().label("visitors"))
        .where(dated.c.day <= shifted(dated.c.date, sa.literal(MAX_DAY * _DAY_SECONDS)))
        .group_by(dated.c.date, dated.c.day)
        .order_by(dated.c.date, dated.c.day)
    )


def _came_before(scope: Scope) -> Subquery:
    """The sessions with events before the range.

    A session lasts for a calendar month (UTC), or for good if it is identified (§2.5): only of those that are, and are
    in the range, does the whole past have to be searched.
    """
    month = scope.start.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    past = scope.over(Period(_EVER, scope.start, scope.period.zone))
    before = sa.select(event.c.session_id).where(*past.rows(), event.c.created_at < scope.start)
    identified = (
        sa.select(event.c.session_id).where(*scope.range(), event.c.distinct_id != "").correlate(None)
    )
    return sa.union_all(
        before.where(event.c.created_at >= month),
        before.where(
            event.c.created_at < month, event.c.distinct_id != "", event.c.session_id.in_(identified)
        ),
    ).subquery("earlier")


def _parse(values: Mapping[str, Any]) -> Params:
    return Params()


REPORT: Final = Report("retention", (), _parse, run, zoned=True)
