"""Tidying: in the background, rows are put where those who ask will look for them.

Events are stored in the order in which they come, all websites' mixed, so DuckDB would have to read everybody's rows for
one website's month. It keeps the least and greatest value of each column for every row group and skips those that
cannot hold what is asked for. So once enough rows are there, they are sorted by website: taken out and put back in that
order, a row group at a time, each in one short transaction. What is stored does not change, only where it lies.
PostgreSQL has partitions and indexes for this.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.sql.expression import ColumnElement

from app.db import EventStore
from app.sql import position, truncated
from app.tables import DATA_TABLES, tidied

log = logging.getLogger("dashi.tidy")

# Rows of a DuckDB row group. As many, added in one transaction, become one.
ROW_GROUP: Final = 122_880
# Sorted together: fewer would leave a website in most row groups, more would hold up writers for longer each time.
CHUNK: Final = 8 * ROW_GROUP
# Rows of one website, of those that would be sorted together, from which on it would change nothing.
_NEARLY_ALL: Final = 0.9
# Seconds after the start, and between two times.
_FIRST: Final = 60.0
_EVERY: Final = 600.0

# Where a row stands: by a leading column first, by time then.
Place = tuple[Any, dt.datetime]
Condition = list[ColumnElement[bool]]


class Tidy:
    """The thread that tidies one store, now and then."""

    def __init__(self, events: EventStore, first: float = _FIRST, every: float = _EVERY) -> None:
        self._events = events
        self._first, self._every = first, every
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tidy", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop after the transaction that is under way."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        wait = self._first
        while not self._stopping.wait(wait):
            try:
                tidy_once(self._events, stopping=self._stopping)
            except Exception:
                log.exception("tidying failed, will be tried again")
            wait = self._every


def tidy_once(store: EventStore, chunk: int = CHUNK, stopping: threading.Event | None = None) -> int:
    """Do all there is to do, until `stopping`; the number of rows moved. `chunk` is how many are sorted together."""
    if not store.embedded:
        return 0
    stopping = stopping or threading.Event()
    return sum(moved for table in DATA_TABLES for moved in _sort(store, table, chunk, stopping))


def _sort(store: EventStore, table: sa.Table, chunk: int, stopping: threading.Event) -> Iterator[int]:
    """Sort what has come since the last time, a chunk at a time: the number of rows of each piece that was moved.

    A chunk is what was stored by some writes in a row. So nothing is missed, whatever its time: what comes late was
    stored late. What an upgrade found there was all stored by write 0, and is taken in the order of its time.
    """
    while not stopping.is_set() and (found := _next_chunk(store, table, chunk)):
        condition, end = found
        started = time.monotonic()
        moved = 0
        for piece, last in _pieces(store, table, condition):
            began = time.monotonic()
            moved += (rows := _move(store, table, [*condition, *piece], last))
            yield rows
            # As long as it took it rests: what waited for the store has its turn.
            if stopping.wait(time.monotonic() - began):
                return
        _mark(store, table, end)
        # The space of what was taken out can be used again, and the log to replay stays short.
        store.checkpoint()
        log.info("sorted %d rows of %s in %.1f s", moved, table.name, time.monotonic() - started)


def _next_chunk(store: EventStore, table: sa.Table, chunk: int) -> tuple[Condition, Place] | None:
    """The condition that the rows to be sorted next fulfil, and the place of the last; None if they are too few."""
    with store.engine.connect() as connection:
        done = connection.execute(
            sa.select(tidied.c.stored_in, tidied.c.created_at).where(tidied.c.table_name == table.name)
        ).one_or_none()
        after: Place | None = (done[0], done[1]) if done else None
        by = (table.c.stored_in, truncated("hour", table.c.created_at))
        running = (
            sa.select(
                table.c.stored_in,
                sa.func.max(table.c.created_at).label("created_at"),
                sa.func.sum(sa.func.count()).over(order_by=by).label("rows"),
            )
            .where(*_within(table.c.stored_in, table.c.created_at, after, None))
            .group_by(*by)
            .subquery()
        )
        place = (running.c.stored_in, running.c.created_at)
        end = connection.execute(
            sa.select(*place).where(running.c.rows >= chunk).order_by(*place).limit(1)
        ).one_or_none()
    if not end:
        return None
    upto: Place = (end[0], end[1])
    return _within(table.c.stored_in, table.c.created_at, after, upto), upto


def _pieces(store: EventStore, table: sa.Table, chunk: Condition) -> list[tuple[Condition, int]]:
    """Conditions that split a chunk into row groups, by website and time, each with the last position of its rows.

    None where the chunk is nearly all of one website.
    """
    place = (table.c.website_id, table.c.created_at)
    with store.engine.connect() as connection:
        websites = (
            sa.select(sa.func.count().label("rows"), sa.func.max(position()).label("last"))
            .select_from(table)
            .where(*chunk)
            .group_by(table.c.website_id)
            .subquery()
        )
        most, rows, last = connection.execute(
            sa.select(sa.func.max(websites.c.rows), sa.func.sum(websites.c.rows), sa.func.max(websites.c.last))
        ).one()
        if not rows or most > _NEARLY_ALL * rows:
            return []
        numbered = sa.select(*place, sa.func.row_number().over(order_by=place).label("number")).where(*chunk)
        numbered = numbered.subquery()
        ends = connection.execute(
            sa.select(numbered.c.website_id, numbered.c.created_at)
            .where(numbered.c.number % ROW_GROUP == 0)
            .order_by(numbered.c.number)
        ).all()
    bounds: list[Place | None] = [None, *((website, at) for website, at in ends), None]
    return [(_within(*place, after, upto), last) for after, upto in pairwise(bounds)]


def _move(store: EventStore, table: sa.Table, rows: Condition, last: int) -> int:
    """Take the rows of this condition, none of which is beyond the position `last`, out of the table and put them back
    in order. Answers how many.
    """
    names = [column.name for column in table.columns]
    ordered = sa.select(*table.columns).where(*rows).order_by(table.c.website_id, table.c.created_at)
    with store.writing() as connection:
        added = connection.execute(table.insert().from_select(names, ordered)).rowcount
        taken = connection.execute(table.delete().where(*rows, position() <= last)).rowcount
        if added != taken:
            raise RuntimeError(f"{taken} rows of {table.name} taken out, {added} put back: nothing was changed")
    return taken


def _mark(store: EventStore, table: sa.Table, end: Place) -> None:
    mine = tidied.c.table_name == table.name
    values = {"stored_in": end[0], "created_at": end[1]}
    with store.writing() as connection:
        if not connection.execute(tidied.update().where(mine).values(values)).rowcount:
            connection.execute(tidied.insert().values(table_name=table.name, **values))


def _within(
    leading: sa.Column[Any], at: sa.Column[Any], after: Place | None, upto: Place | None
) -> Condition:
    """Whether a row stands after one place and not after the other.

    Said so that the engine can skip row groups: it compares one column with one value.
    """
    if after and upto and after[0] == upto[0]:
        return [leading == after[0], at > after[1], at <= upto[1]]
    conditions: Condition = []
    if after:
        conditions += [leading >= after[0], sa.or_(leading > after[0], at > after[1])]
    if upto:
        conditions += [leading <= upto[0], sa.or_(leading < upto[0], at <= upto[1])]
    return conditions
