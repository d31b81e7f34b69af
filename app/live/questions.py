"""What can be followed: questions that are asked again when their answer may be another.

Who may follow a website is checked where a question is made, and again from time to time. The question itself is the
same for everybody, so it is asked once for all who follow it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.sql.expression import ColumnElement

from app import access
from app.context import Ctx
from app.paging import Key, Window
from app.sql import by_id
from app.stats.event_rows import Datum, EventRow, data_of, event_rows
from app.stats.filters import Filter, condition
from app.stats.measures import Summary, whole
from app.stats.period import SLIDING, Last, Period, last
from app.stats.queries import ACTIVE, active_visitors, summary
from app.stats.scope import Scope, open_scope
from app.stats.zones import UTC, local_day
from app.stored import MOST, Stored
from app.tables import event

_OLDEST_FIRST: Final = (Key(event.c.created_at), Key(by_id(event.c.event_id)))
_DAY: Final = dt.timedelta(days=1)
MOST_READ: Final = 3 * MOST


@dataclass(frozen=True, slots=True)
class Answer:
    """`value` as it is until something is stored, or until the moment `until` where there is one."""

    value: Any
    until: dt.datetime | None = None

    @property
    def nothing(self) -> bool:
        """Whether it is of events, and none of them match."""
        return bool(self.value == Happened())


@dataclass(frozen=True, slots=True)
class Figures:
    """Totals, and when they were taken. They are others if the totals are."""

    totals: Summary
    at: dt.datetime = field(compare=False)


@dataclass(frozen=True, slots=True)
class Happened:
    """Events in order of time, with the data of each where it was asked for; `missed` were counted and not read."""

    events: Sequence[EventRow] = ()
    data: Mapping[UUID, Sequence[Datum]] = field(default_factory=dict)
    missed: int = 0


@dataclass(frozen=True, slots=True)
class ActiveVisitors:
    """Visitors with any event in the last five minutes."""

    website_id: UUID
    pause: ClassVar[float] = 1.0
    streams: ClassVar[bool] = False

    def answer(self, ctx: Ctx, _: Sequence[Stored]) -> Answer:
        count = active_visitors(ctx, self.website_id)
        latest = (
            sa.select(sa.func.max(event.c.created_at).label("at"))
            .where(event.c.website_id == self.website_id, event.c.created_at >= ctx.now - ACTIVE)
            .group_by(event.c.session_id)
            .subquery()
        )
        [(first_to_leave,)] = ctx.events.rows(sa.select(sa.func.min(latest.c.at)))
        return Answer(count, None if first_to_leave is None else first_to_leave + ACTIVE)


@dataclass(frozen=True, slots=True)
class Sliding:
    """A period named from now."""

    name: Last
    zone: ZoneInfo


@dataclass(frozen=True, slots=True)
class Totals:
    """The measures of a period."""

    website_id: UUID
    period: Period | Sliding
    where: Filter | None
    measures: tuple[str, ...]
    pause: ClassVar[float] = 1.0
    streams: ClassVar[bool] = False

    def answer(self, ctx: Ctx, _: Sequence[Stored]) -> Answer:
        sliding = self.period if isinstance(self.period, Sliding) else None
        period = last(sliding.name, ctx.now, sliding.zone) if sliding else self.period
        assert isinstance(period, Period)  # noqa: S101 - tells mypy what the line above says
        scope = open_scope(ctx, self.website_id, period, self.where)
        totals = summary(ctx, scope, self.measures) if self.measures else Summary()
        return Answer(Figures(totals, ctx.now), _until(ctx, scope, sliding) if sliding else None)


@dataclass(frozen=True, slots=True)
class Events:
    """Events as they are stored: of those that are told, the ones that match. More than MOST_READ are only counted."""

    website_id: UUID
    where: Filter | None
    with_data: bool
    pause: ClassVar[float] = 0.2
    streams: ClassVar[bool] = True

    def answer(self, ctx: Ctx, told: Sequence[Stored]) -> Answer:
        ids, times = zip(*(one for part in told for one in part.events()), strict=True)
        scope = open_scope(ctx, self.website_id, Period(min(times), max(times), UTC), self.where)
        # The times say nothing new, but they are what a store's index finds, however far apart they are.
        these = [event.c.event_id.in_(ids), event.c.created_at.in_(set(times)), *scope.rows()]
        if len(ids) > MOST_READ:
            [(count,)] = ctx.events.rows(sa.select(sa.func.count()).select_from(event).where(*these))
            return Answer(Happened(missed=whole(count)))
        rows = event_rows(ctx, these, Window(len(ids)), _OLDEST_FIRST)
        return Answer(Happened(tuple(rows), data_of(ctx, scope, rows) if self.with_data else {}))


Question = ActiveVisitors | Totals | Events
# What a subscriber asks, made anew at each check: raises what keeps the actor from asking it.
Opening = Callable[[Ctx], Question]


def follow_active_visitors(ctx: Ctx, website_id: UUID) -> ActiveVisitors:
    """Raises as `access.view_website`."""
    access.view_website(ctx, website_id)
    return ActiveVisitors(website_id)


def follow_totals(
    ctx: Ctx, website_id: UUID, period: Period | Sliding, where: Filter | None, measures: Sequence[str]
) -> Totals:
    """Raises as `access.view_website`, and Invalid for a filter that makes no sense."""
    access.view_website(ctx, website_id)
    condition(where)
    return Totals(website_id, period, where, tuple(measures))


def follow_events(ctx: Ctx, website_id: UUID, where: Filter | None, with_data: bool) -> Events:
    """Raises as `follow_totals`."""
    access.view_website(ctx, website_id)
    condition(where)
    return Events(website_id, where, with_data)


def _until(ctx: Ctx, scope: Scope, sliding: Sliding) -> dt.datetime | None:
    """When the totals of a sliding period may be others though nothing is stored."""
    length = SLIDING.get(sliding.name)
    if length is None:
        tomorrow = ctx.now.astimezone(sliding.zone).date() + _DAY
        leaves: dt.datetime | None = local_day(tomorrow, sliding.zone)[0]
    else:
        oldest = _earliest(ctx, scope.rows())
        leaves = None if oldest is None else oldest + length
    if sliding.name is Last.YESTERDAY:
        return leaves
    # Senders may date their hits ahead; these come in when it is their time.
    enters = _earliest(ctx, [event.c.website_id == scope.website_id, event.c.created_at > scope.period.end])
    return min((at for at in (leaves, enters) if at is not None), default=None)


def _earliest(ctx: Ctx, conditions: Sequence[ColumnElement[bool]]) -> dt.datetime | None:
    [(at,)] = ctx.events.rows(sa.select(sa.func.min(event.c.created_at)).where(*conditions))
    found: dt.datetime | None = at
    return found
