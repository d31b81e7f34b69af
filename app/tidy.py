"""Tidying: in the background, rows are put where those who ask will look for them. What is stored says the same as before.

Sorting, on DuckDB. Events are stored as they come, those of all websites mixed, so one website's month would be found by
reading everybody's. DuckDB keeps the least and the greatest value of each column for every row group, and skips those
that cannot hold what is asked for. So rows are sorted by website: those of a row group, and once they are many all of
several row groups. PostgreSQL has partitions and indexes for this.

Folding, on both. Each write makes parts of visits of its own events; those of the same visit are made one.

Either way rows are taken out and put back in one transaction, which is short. One that fails has changed nothing, and
what was not marked as done is done again.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.sql.expression import ColumnElement, FromClause, Select

from app.db import EventStore, without_limit
from app.errors import Unavailable
from app.folding import fold_parts
from app.sql import truncated
from app.tables import WEBSITE_TABLES, tidied, visit_part

log = logging.getLogger("dashi.tidy")

# Rows of a DuckDB row group: as many, added in one transaction, become one.
ROW_GROUP: Final = 122_880
# A run that is nearly all of one website's rows is in order as it is.
_NEARLY_ALL: Final = 0.9
# Seconds after the start, and between two times.
_FIRST: Final = 60.0
_EVERY: Final = 600.0

# A transaction that took long rests this many times as long: whoever reads waits for writers, and they for it.
_REST: Final = 3

# Where a row stands: by a leading column first, by time then.
Place = tuple[Any, dt.datetime]
Conditions = list[ColumnElement[bool]]


@dataclass(frozen=True, slots=True)
class Step:
    """Something that is done to a table: to about `most` rows at a time, or to fewer, but to no less than `least`.

    One transaction moves `piece` of them.
    """

    number: int
    least: int
    most: int
    piece: int


_FOLD: Final = 0
FOLDING: Final = Step(_FOLD, 16_384, 8 * ROW_GROUP, 32_768)
# In this order: what is sorted with more rows need not be sorted with fewer.
SORTING: Final = tuple(
    Step(number, groups * ROW_GROUP, groups * ROW_GROUP, ROW_GROUP) for number, groups in ((2, 8), (1, 1))
)


class Tidy:
    """The thread that tidies a store, now and then."""

    def __init__(self, events: EventStore, first: float = _FIRST, every: float = _EVERY) -> None:
        self._events = events
        self._first, self._every = first, every
        self._stopping = threading.Event()
        self.moved, self.failed, self.busy = 0, 0, False  # rows, times, whether it is at it
        self._thread = threading.Thread(target=self._run, name="tidy", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End it, once the transaction that is under way is over."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        wait = self._first
        while not self._stopping.wait(wait):
            self.busy = True
            try:
                self.moved += tidy_once(self._events, self._stopping)
            except Unavailable as error:
                self.failed += 1
                log.warning("tidying has to wait: %s", error.message)
            except Exception:
                self.failed += 1
                log.exception("tidying failed, will be tried again")
            self.busy = False
            wait = self._every


def tidy_once(
    store: EventStore,
    stopping: threading.Event | None = None,
    folding: Step = FOLDING,
    sorting: tuple[Step, ...] = SORTING,
) -> int:
    """Do all there is to do. Answers how many rows were moved.

    With `stopping` it ends as soon as that is set, and rests in between, so that others have their turn.
    """
    with store.tidying() as alone:
        if not alone:
            return 0
        return sum(
            moved
            for table in WEBSITE_TABLES
            for moved in _Tidying(store, table, stopping).run(folding, sorting if store.embedded else ())
        )


class _Tidying:
    """What is done to one table."""

    def __init__(self, store: EventStore, table: sa.Table, stopping: threading.Event | None) -> None:
        self._store, self._table, self._stopping = store, table, stopping
        self._folds = table is visit_part
        self._at = table.c.half_hour if self._folds else table.c.created_at
        self._stored = (table.c.stored_in, self._at)
        self._order = (table.c.website_id, self._at)

    def run(self, folding: Step, sorting: tuple[Step, ...]) -> Iterator[int]:
        """The number of rows of each transaction."""
        for step in (folding, *sorting) if self._folds else sorting:
            while not self._ends(0) and (found := self._next(step)):
                # Asked once it is known what is to be folded: what is removed from now on are these parts too, or none of
                # them. Before, a part could become one with another that is to stay.
                if step.number == _FOLD and self._store.is_removing():
                    break
                yield from self._do(step, *found)

    def _ends(self, rest: float) -> bool:
        """Whether it is to end, known after so many seconds or as soon as it is."""
        return self._stopping is not None and self._stopping.wait(rest)

    def _next(self, step: Step) -> tuple[Conditions, Place] | None:
        """The conditions of the rows that a step is to take next, and the place of the last; None if they are too few.

        They are what was stored by some writes in a row. So none is missed, whatever its time: what comes late was
        stored late. All that an upgrade found was stored by write 0, and is taken in the order of its time.
        """
        with self._store.connected() as connection:
            without_limit(connection)
            after = self._done(connection, step.number)
            # What is sorted has been folded before.
            limit = self._done(connection, _FOLD) if self._folds and step.number > _FOLD else None
            by = (self._table.c.stored_in, truncated("hour", self._at))
            running = (
                sa.select(
                    self._table.c.stored_in,
                    sa.func.max(self._at).label("at"),
                    sa.func.sum(sa.func.count()).over(order_by=by).label("rows"),
                )
                .where(*_within(*self._stored, after, limit))
                .group_by(*by)
                .subquery()
            )
            end = connection.execute(
                sa.select(running.c.stored_in, running.c.at)
                .where(running.c.rows >= step.least)
                .order_by(sa.func.abs(running.c.rows - step.most), running.c.rows)
                .limit(1)
            ).one_or_none()
        if not end:
            return None
        upto: Place = (end[0], end[1])
        return _within(*self._stored, after, upto), upto

    def _done(self, connection: sa.Connection, number: int) -> Place | None:
        """The place up to which this step has been done, or one that sorts more rows together."""
        enough = tidied.c.step == _FOLD if number == _FOLD else tidied.c.step >= number
        mine = (tidied.c.table_name == self._table.name, enough)
        place = (tidied.c.stored_in, tidied.c.at)
        last = sa.select(*place).where(*mine).order_by(*(column.desc() for column in place)).limit(1)
        if found := connection.execute(last).one_or_none():
            return found[0], found[1]
        # What was stored by write 0 was folded as it was.
        return (0, dt.datetime.max.replace(tzinfo=dt.UTC)) if number == _FOLD else None

    def _do(self, step: Step, taken: Conditions, end: Place) -> Iterator[int]:
        started, moved = time.monotonic(), 0
        for piece in self._pieces(step, taken):
            began = time.monotonic()
            rows = self._move([*taken, *piece])
            moved += rows
            yield rows
            if self._ends(_REST * (time.monotonic() - began)):
                return
        self._mark(step, end)
        # What was taken out makes room, and the log that a start would have to replay stays short.
        self._store.checkpoint()
        log.info(
            "%s, step %d: %d rows in %.1f s", self._table.name, step.number, moved, time.monotonic() - started
        )

    def _pieces(self, step: Step, taken: Conditions) -> list[Conditions]:
        """Conditions that part the rows by website and time; none if they are to be left where they are."""
        websites = sa.select(sa.func.count().label("rows")).select_from(self._table).where(*taken)
        websites_rows = websites.group_by(self._table.c.website_id).subquery().c.rows
        numbered = sa.select(*self._order, sa.func.row_number().over(order_by=self._order).label("number"))
        numbers = numbered.where(*taken).subquery().c
        with self._store.connected() as connection:
            without_limit(connection)
            rows, most = connection.execute(
                sa.select(sa.func.sum(websites_rows), sa.func.max(websites_rows))
            ).one()
            if not rows or (step.number > _FOLD and most > _NEARLY_ALL * float(rows)):
                return []
            ends = connection.execute(
                sa.select(numbers.website_id, numbers[self._at.name])
                .where(numbers.number % step.piece == 0, numbers.number <= int(rows) - step.piece // 2)
                .order_by(numbers.number)
            ).all()
        bounds: list[Place | None] = [None, *((website, at) for website, at in ends), None]
        return [_within(*self._order, after, upto) for after, upto in pairwise(bounds)]

    def _move(self, rows: Conditions) -> int:
        """Take these rows out of the table and put them back in order. Answers how many there were."""
        tally = sa.select(sa.func.count(), *self._sums()).select_from(self._table).where(*rows)
        with self._store.writing() as connection:
            count, *before = connection.execute(tally).one()
            taken = self._table.delete().where(*rows).returning(*self._table.c).cte("taken")
            put_back = self._put_back(taken).order_by(*(taken.c[column.name] for column in self._order))
            names = [column.name for column in self._table.columns]
            connection.execute(self._table.insert().from_select(names, put_back, include_defaults=False))
            _, *after = connection.execute(tally).one()
            if before != after:
                raise RuntimeError(f"{self._table.name} would no longer say the same: {before}, {after}")
        return int(count)

    def _put_back(self, taken: FromClause) -> Select[Any]:
        return fold_parts(taken) if self._folds else sa.select(*taken.c)

    def _sums(self) -> list[ColumnElement[Any]]:
        """What must not change."""
        columns = self._table.c
        return [sa.func.sum(columns.views), sa.func.sum(columns.events)] if self._folds else [sa.func.count()]

    def _mark(self, step: Step, end: Place) -> None:
        mine = {"table_name": self._table.name, "step": step.number}
        place = {"stored_in": end[0], "at": end[1]}
        with self._store.writing() as connection:
            if not connection.execute(tidied.update().filter_by(**mine).values(place)).rowcount:
                connection.execute(tidied.insert().values(mine | place))


def _within(
    leading: sa.Column[Any], at: sa.Column[Any], after: Place | None, upto: Place | None
) -> Conditions:
    """The conditions of rows that stand after one place, and not after another.

    They compare a column with a value wherever that is possible: by these an engine knows what to skip.
    """
    if after and upto and after[0] == upto[0]:
        return [leading == after[0], at > after[1], at <= upto[1]]
    conditions: Conditions = []
    if after:
        conditions += [leading >= after[0], sa.or_(leading > after[0], at > after[1])]
    if upto:
        conditions += [leading <= upto[0], sa.or_(leading < upto[0], at <= upto[1])]
    return conditions
