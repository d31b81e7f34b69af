"""Properties that visitors were given by `identify`: those of one session, and how many sessions have which.

The store has a row for each time that a key was set; the latest of a session is its value (Umami v2 REST behaviour
§2.7). Properties belong to a session, whenever they were set: a period and a filter choose sessions by their events.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.sql.expression import ColumnElement, Select, Subquery

from app.context import Ctx
from app.paging import Key, Window, windowed
from app.sql import ordinal
from app.stats.event_data import shown
from app.stats.event_rows import Datum
from app.stats.filters import checked
from app.stats.measures import whole
from app.stats.scope import Scope
from app.tables import event, session_data

# As many keys as one `identify` can set.
MAX_PROPERTIES: Final = 1000

_columns: Final = session_data.c


@dataclass(frozen=True, slots=True)
class SessionProperty(Datum):
    """One property of a session, and when it was last set."""

    set_at: dt.datetime


@dataclass(frozen=True, slots=True)
class SessionCount:
    """A key, or a value as it is shown, and how many sessions have it."""

    name: str
    sessions: int


def session_properties(ctx: Ctx, scope: Scope, session_id: UUID) -> list[SessionProperty]:
    """The properties of a session by key, the first MAX_PROPERTIES; none if there is no such session.

    Neither the period nor the filter matters.
    """
    latest = _latest(scope, _columns.session_id == session_id)
    query = (
        sa.select(
            latest.c.data_key,
            latest.c.data_type,
            latest.c.string_value,
            latest.c.number_value,
            latest.c.date_value,
            latest.c.created_at,
        )
        .order_by(ordinal(latest.c.data_key))
        .limit(MAX_PROPERTIES)
    )
    return [
        SessionProperty(key, kind, text, None if number is None else float(number), date, set_at)
        for key, kind, text, number, date, set_at in ctx.events.rows(query)
    ]


def property_counts(ctx: Ctx, scope: Scope, window: Window) -> list[SessionCount]:
    """How many sessions with an event in the scope have which property, most first, then by key."""
    return _page(ctx, _keys_of(scope), window)


def count_property_counts(ctx: Ctx, scope: Scope) -> int:
    """How many rows `property_counts` lists in all."""
    return _count(ctx, _keys_of(scope))


def property_value_counts(ctx: Ctx, scope: Scope, key: str, window: Window) -> list[SessionCount]:
    """How many sessions with an event in the scope have which value of a property, most first, then by value.

    Values of different types that are shown alike count together.
    """
    return _page(ctx, _values_of(scope, key), window)


def count_property_value_counts(ctx: Ctx, scope: Scope, key: str) -> int:
    """How many rows `property_value_counts` lists in all."""
    return _count(ctx, _values_of(scope, key))


def _keys_of(scope: Scope) -> Select[Any]:
    """`name` and `sessions` for each key."""
    sessions = sa.func.count(_columns.session_id.distinct()).label("sessions")
    return (
        sa.select(_columns.data_key.label("name"), sessions)
        .where(*_kept(scope), _active(scope))
        .group_by(_columns.data_key)
    )


def _values_of(scope: Scope, key: str) -> Select[Any]:
    """`name` and `sessions` for each value of a key."""
    latest = _latest(scope, _columns.data_key == checked(key, "key"), _active(scope))
    # Named first and grouped then: PostgreSQL takes two writings of an expression with bound values for two expressions.
    values = sa.select(latest.c.shown.label("name")).subquery("named")
    return sa.select(values.c.name, sa.func.count().label("sessions")).group_by(values.c.name)


def _active(scope: Scope) -> ColumnElement[bool]:
    """The rows of sessions that have an event in the scope."""
    return _columns.session_id.in_(sa.select(event.c.session_id).where(*scope.rows()))


def _kept(scope: Scope) -> list[ColumnElement[bool]]:
    """The rows of the website that are kept, since its last reset."""
    conditions = [_columns.website_id == scope.website_id, *scope.stored(session_data)]
    if scope.since is not None:
        conditions.append(_columns.created_at >= scope.since)
    return conditions


def _latest(scope: Scope, *conditions: ColumnElement[bool]) -> Subquery:
    """The latest row of each session and key among those that meet the conditions, its value as `shown` too."""
    # Two processes may set a key in the same nanosecond: any order will do, as long as it is one.
    newest = (_columns.version.desc(), _columns.created_at.desc(), ordinal(_columns.string_value))
    place = sa.func.row_number().over(
        partition_by=[_columns.session_id, _columns.data_key], order_by=list(newest)
    )
    placed = (
        sa.select(session_data, shown(session_data).label("shown"), place.label("place"))
        .where(*_kept(scope), *conditions)
        .subquery("placed")
    )
    return sa.select(placed).where(placed.c.place == 1).subquery("latest")


def _page(ctx: Ctx, counted: Select[Any], window: Window) -> list[SessionCount]:
    rows = counted.subquery("counted")
    keys = (Key(rows.c.sessions, descending=True), Key(ordinal(rows.c.name)))
    query = windowed(sa.select(rows.c.name, rows.c.sessions), keys, window)
    return [SessionCount(name, whole(sessions)) for name, sessions in ctx.events.rows(query)]


def _count(ctx: Ctx, counted: Select[Any]) -> int:
    [(count,)] = ctx.events.rows(sa.select(sa.func.count()).select_from(counted.subquery("counted")))
    return whole(count)
