"""Folding events into parts of visits (`app.tables.visit_part`), as they are stored."""

from __future__ import annotations

import datetime as dt
from functools import cache
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.sql.expression import ColumnElement, FromClause

from app.sql import STORED_IN, half_hour, rows_of_json
from app.tables import CUSTOM_EVENT, PAGE_VIEW, SESSION_COLUMNS, event, visit_part

HALF_HOUR: Final = dt.timedelta(minutes=30)

_IDS: Final = ("website_id", "session_id", "visit_id")
_READ: Final = (*_IDS, "created_at", "event_type", *SESSION_COLUMNS)


@cache
def fold_json() -> sa.Insert:
    """Adds the parts of visits that the rows of `event` in a JSON array make: as `app.sql.insert_json`, kept like it."""
    return _fold(rows_of_json([event.c[name] for name in _READ]), STORED_IN)


def fold_all(connection: sa.Connection) -> None:
    """Make all parts anew from the events that are stored: for rows that did not come through `EventStore.apply`."""
    connection.execute(visit_part.delete())
    connection.execute(_fold(event, sa.literal(0, sa.BigInteger), ordered=True))


def fold_parts(parts: FromClause) -> sa.Select[Any]:
    """Parts of visits, those of the same visit, half-hour and attributes in one, as if the last write had stored them."""
    columns = parts.c
    added: dict[str, ColumnElement[Any]] = {
        "stored_in": sa.func.max(columns.stored_in),
        "first_at": sa.func.min(columns.first_at),
        "last_at": sa.func.max(columns.last_at),
        **{name: sa.cast(sa.func.sum(columns[name]), sa.Integer) for name in ("views", "events")},
    }
    same = [column for column in columns if column.name not in added]
    made = [added[column.name].label(column.name) if column.name in added else column for column in columns]
    return sa.select(*made).group_by(*same)


def _fold(rows: FromClause, stored_in: ColumnElement[int], *, ordered: bool = False) -> sa.Insert:
    columns = rows.c
    is_view = columns.event_type == PAGE_VIEW
    viewed_at = columns.created_at
    same: dict[str, ColumnElement[Any]] = {
        **{name: columns[name] for name in _IDS},
        "half_hour": half_hour(columns.created_at),
        **{name: columns[name] for name in SESSION_COLUMNS},
    }
    added: dict[str, ColumnElement[Any]] = {
        "first_at": sa.func.min(viewed_at).filter(is_view),
        "last_at": sa.func.max(viewed_at).filter(is_view),
        "views": sa.func.count().filter(is_view),
        "events": sa.func.count().filter(columns.event_type == CUSTOM_EVENT),
    }
    made = sa.select(*same.values(), *added.values(), stored_in).group_by(*same.values())
    if ordered:
        made = made.order_by(same["half_hour"])
    return visit_part.insert().from_select([*same, *added, "stored_in"], made, include_defaults=False)
