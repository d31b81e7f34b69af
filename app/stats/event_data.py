"""The data sent with events: which properties there are, which values they have, and how often.

Each flattened key of an event's data is one row, and what is counted is rows (Umami v2 REST behaviour §3.7).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.sql.expression import ColumnElement, Subquery

from app.context import Ctx
from app.paging import Key, Window, windowed
from app.sql import sorting
from app.stats.fields import Field
from app.stats.filters import Condition, checked, compared
from app.stats.measures import whole
from app.stats.questions import MAX_ROWS
from app.stats.scope import Scope
from app.tables import DATE, NUMBER, event_data

_columns: Final = event_data.c


@dataclass(frozen=True, slots=True)
class DataCount:
    """How many rows of data there are of one event, key, type and value, as far as the listing tells them apart.

    `event` is None for page views. What the listing does not tell apart has its default.
    """

    total: int
    event: str | None = None
    key: str = ""
    type: int = 0
    value: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """Rows of data counted `by` columns, each under its name in DataCount.

    `order` names all of these and `total`, `-` before it for descending, so that no two rows are equal in it.
    """

    by: Mapping[str, ColumnElement[Any]]
    order: tuple[str, ...]
    limit: int = MAX_ROWS

    @property
    def names(self) -> tuple[str, ...]:
        """What the rows are ordered by."""
        return tuple(name.removeprefix("-") for name in self.order)

    def position(self, row: DataCount) -> tuple[str | int, ...]:
        """Where a row stands, as `Window.after` takes it."""
        return tuple(getattr(row, name) or "" for name in self.names)


@dataclass(frozen=True, slots=True)
class DataTotals:
    """Events that have data, keys that they have, and rows of data."""

    events: int
    properties: int
    records: int


def shown(data: sa.Table) -> ColumnElement[str]:
    """Values as they are shown: numbers without `.0000` at the end, dates cut to the hour, others as stored."""
    text: ColumnElement[str] = data.c.string_value

    def part(start: int, length: int | ColumnElement[int]) -> ColumnElement[str]:
        return sa.func.substr(text, start, length, type_=sa.Text)

    # The text of a date is ISO 8601 in UTC, always of the same length.
    hour = part(1, 10) + " " + part(12, 2) + ":00:00"
    is_whole = sa.and_(data.c.data_type == NUMBER, text.endswith(".0000"))
    return sa.case(
        (is_whole, part(1, sa.func.length(text) - 5)),
        (data.c.data_type == DATE, hour),
        else_=text,
    )


_EVENT: Final = {"event": _columns.event_name}
_KEY: Final = {"key": _columns.data_key}
_TYPE: Final = {"type": _columns.data_type}
_STORED: Final = {"value": _columns.string_value}
_SHOWN: Final = {"value": shown(event_data)}

PROPERTIES_OF_EVENTS: Final = Listing({**_EVENT, **_KEY, **_TYPE}, ("event", "key", "type"), 500)
VALUES_OF_EVENTS: Final = Listing(
    {**_EVENT, **_KEY, **_TYPE, **_STORED}, ("event", "key", "type", "-total", "value")
)
FIELDS: Final = Listing({**_KEY, **_TYPE, **_SHOWN}, ("-type", "-total", "key", "value"), 100)
PROPERTIES: Final = Listing({**_EVENT, **_KEY}, ("-total", "event", "key"), 500)
VALUES: Final = Listing(_SHOWN, ("-total", "value"), 100)
# What GraphQL lists: the most frequent first, types told apart.
TYPED_PROPERTIES: Final = Listing({**_EVENT, **_KEY, **_TYPE}, ("-total", "event", "key", "type"))
TYPED_VALUES: Final = Listing({**_KEY, **_TYPE, **_SHOWN}, ("-total", "key", "type", "value"))

# Keys are compared like the fields of events. JavaScript takes '' for a key, so it is a value like any other.
_KEY_FIELD: Final = Field("key", _columns.data_key, False, sa.true())


def data_counts(
    ctx: Ctx,
    scope: Scope,
    listing: Listing,
    *,
    event: str | None = None,
    keys: Iterable[Condition] = (),
    window: Window | None = None,
) -> list[DataCount]:
    """The rows of a listing that are in the window; without one, as many as the listing is long at most.

    With `event` only data of events of that name; `keys` are conditions that the keys meet, whatever field they name.
    Raises Invalid for conditions that make no sense.
    """
    grouped = _grouped(scope, listing, event, keys)
    order = [_order_key(grouped, name) for name in listing.order]
    query = windowed(sa.select(grouped), order, window or Window(listing.limit))
    return [_data_count(row._asdict()) for row in ctx.events.rows(query)]


def count_data_counts(
    ctx: Ctx, scope: Scope, listing: Listing, *, event: str | None = None, keys: Iterable[Condition] = ()
) -> int:
    """How many rows the listing has in all."""
    grouped = _grouped(scope, listing, event, keys)
    [(count,)] = ctx.events.rows(sa.select(sa.func.count()).select_from(grouped))
    return whole(count)


def data_totals(ctx: Ctx, scope: Scope) -> DataTotals:
    """The figures of all data in the scope."""
    query = sa.select(
        sa.func.count(_columns.event_id.distinct()),
        sa.func.count(_columns.data_key.distinct()),
        sa.func.count(),
    ).where(*scope.of_events(event_data))
    [figures] = ctx.events.rows(query)
    return DataTotals(*map(whole, figures))


def _grouped(scope: Scope, listing: Listing, event_name: str | None, keys: Iterable[Condition]) -> Subquery:
    conditions = [*scope.of_events(event_data), *(compared(key, _KEY_FIELD) for key in keys)]
    if event_name is not None:
        conditions.append(_columns.event_name == checked(event_name, "event"))
    # Named first and grouped then: PostgreSQL takes two writings of an expression with bound values for two expressions.
    rows = sa.select(*(column.label(name) for name, column in listing.by.items())).where(*conditions)
    named = rows.subquery("named")
    return sa.select(named, sa.func.count().label("total")).group_by(*named.c).subquery("grouped")


def _order_key(grouped: Subquery, name: str) -> Key:
    column = grouped.c[name.removeprefix("-")]
    return Key(sorting(column), descending=name.startswith("-"))


def _data_count(columns: Mapping[str, Any]) -> DataCount:
    found = {**columns, "total": whole(columns["total"])}
    if "event" in found:
        found["event"] = found["event"] or None
    return DataCount(**found)
