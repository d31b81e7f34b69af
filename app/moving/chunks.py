"""Parting a store into chunks of rows: the same ones, in the same order, whenever it is read and as often as it is.

What is stored does not change meanwhile, so the number of a chunk says what is in it. A chunk is of one table, and of one
website or of several small ones; a website's rows are parted by what the stores keep in order: their time, or where values
of sessions are looked up, the session.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from typing import Any, Final
from uuid import UUID

import orjson
import sqlalchemy as sa
from sqlalchemy.sql.expression import ColumnElement

from app.db import EventStore, without_limit
from app.moving.stock import Stock
from app.sql import UTC
from app.tables import DATA_TABLES, session_data

# Small websites that share a chunk.
_MOST_WEBSITES: Final = 100


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows of a table: of these websites, with a key after one and up to another; None is no bound.

    `below`: without those of `upto` itself. `page`: of the rows whose key is `upto`, which are too many for one chunk,
    those from one number on, and how many.
    """

    table: sa.Table
    websites: tuple[UUID, ...]
    after: Any = None
    upto: Any = None
    below: bool = False
    page: tuple[int, int] | None = None

    def select(self) -> sa.Select[Any]:
        key = _key(self.table)
        columns = [column for column in self.table.columns if column.name != "stored_in"]
        found = sa.select(*map(_as_read, columns)).where(
            self.table.c.website_id.in_(self.websites), *self._within(key)
        )
        if self.page:
            start, rows = self.page
            # By all columns: rows that are alike in each may stand for one another.
            return found.order_by(*columns).offset(start).limit(rows)
        return found.order_by(self.table.c.website_id, key)

    def _within(self, key: sa.Column[Any]) -> list[ColumnElement[bool]]:
        if self.page:
            return [key == self.upto]
        conditions: list[ColumnElement[bool]] = [] if self.after is None else [key > self.after]
        if self.upto is not None:
            conditions.append(key < self.upto if self.below else key <= self.upto)
        return conditions

    def __str__(self) -> str:
        """Where its rows are, for whoever has to look for them."""
        websites = f"website {self.websites[0]}" + (
            f" and {len(self.websites) - 1} others" if len(self.websites) > 1 else ""
        )
        bounds = [f"after {self.after}"] if self.after is not None and not self.page else []
        bounds += (
            [f"{'before' if self.below else 'at' if self.page else 'up to'} {self.upto}"] if self.upto else []
        )
        return " ".join([f"{self.table.name} of {websites}", *bounds])


def chunks(store: EventStore, stock: Stock, rows: int) -> Iterator[Chunk]:
    """All of a store, of which this is the stock, in chunks of about so many rows: at most twice as many."""
    for table in DATA_TABLES:
        held = {website_id: found.rows for website_id, found in stock.held[table.name].items()}
        # Ordered here: engines differ in how they order ids.
        together: list[UUID] = []
        for website_id in sorted(held):
            if held[website_id] > rows:
                yield from _of_website(store, table, website_id, rows)
                continue
            if len(together) == _MOST_WEBSITES or sum(map(held.__getitem__, [*together, website_id])) > rows:
                yield Chunk(table, tuple(together))
                together = []
            together.append(website_id)
        if together:
            yield Chunk(table, tuple(together))


def read(store: EventStore, chunk: Chunk) -> tuple[str, int]:
    """(the rows of a chunk as the journal would hold them: a JSON array, '' without any; their number)."""
    with store.connected() as connection:
        without_limit(connection)
        found = connection.execute(chunk.select())
        names = list(map(str, found.keys()))
        # An empty text is what a store takes a missing one for; a third of an event's text is that.
        rows = [
            {name: value for name, value in zip(names, row, strict=True) if value != ""}
            for row in found.all()
        ]
    if not rows:
        return "", 0
    return orjson.dumps(rows, default=_written, option=orjson.OPT_PASSTHROUGH_DATETIME).decode(), len(rows)


def _as_read(column: sa.Column[Any]) -> ColumnElement[Any]:
    """A column as it is to be read: what would be made an object of is made a text again, a million times."""
    if isinstance(column.type, sa.Uuid):
        return sa.cast(column, sa.Text).label(column.name)
    if type(column.type) is UTC:
        return sa.type_coerce(column, sa.DateTime).label(column.name)
    return column


def _written(value: Any) -> str:
    if isinstance(value, dt.datetime):
        exact = "microseconds" if value.microsecond % 1000 else "milliseconds"
        return value.replace(tzinfo=None).isoformat(timespec=exact)
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} is in no table")


def _key(table: sa.Table) -> sa.Column[Any]:
    return table.c.session_id if table is session_data else table.c.created_at


def _of_website(store: EventStore, table: sa.Table, website_id: UUID, rows: int) -> Iterator[Chunk]:
    """The chunks of a website that has more rows than fit into one."""
    after: Any = None
    for key, times in groupby(_bounds(store, table, website_id, rows)):
        if len(list(times)) == 1:
            yield Chunk(table, (website_id,), after, key)
        else:
            # More rows of one key than a chunk has: what is before it, and then these by their number.
            yield Chunk(table, (website_id,), after, key, below=True)
            crowd = _count(store, table, website_id, key)
            for start in range(0, crowd, rows):
                yield Chunk(table, (website_id,), None, key, page=(start, rows))
        after = key
    yield Chunk(table, (website_id,), after)


def _bounds(store: EventStore, table: sa.Table, website_id: UUID, rows: int) -> Sequence[Any]:
    """The key of every so many rows, in order."""
    key = _key(table)
    numbered = (
        sa.select(key.label("key"), sa.func.row_number().over(order_by=key).label("number"))
        .where(table.c.website_id == website_id)
        .subquery()
        .c
    )
    every = sa.select(numbered.key).where(numbered.number % rows == 0).order_by(numbered.number)
    with store.connected() as connection:
        without_limit(connection)
        return connection.execute(every).scalars().all()


def _count(store: EventStore, table: sa.Table, website_id: UUID, key: Any) -> int:
    mine = (table.c.website_id == website_id, _key(table) == key)
    with store.connected() as connection:
        without_limit(connection)
        return int(
            connection.execute(sa.select(sa.func.count()).select_from(table).where(*mine)).scalar_one()
        )
