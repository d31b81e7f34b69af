"""Taking rows out of the event store for good: those of a website, of a time, or of a visitor.

Rows go in transactions that take the writers' turn (`EventStore.writing`), each of about `piece` rows, so that neither
collecting nor whoever reads waits for long. Tidying (`app.tidy`) takes rows out and puts them back in the same turns: what
one of the two finds, the other has finished with.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.sql.expression import ColumnElement

from app.db import EventStore, without_limit
from app.tables import WEBSITE_TABLES, visit_part

# What is removed while a request waits for it, in one transaction.
_AT_ONCE: Final = 20_000
# A transaction rests as long as it took, so that others have their turn.
_REST: Final = 1.0
_LONGEST_REST: Final = 0.5

Conditions = list[ColumnElement[bool]]


@dataclass(frozen=True, slots=True)
class Target:
    """Rows of one website: those stored by writes up to `upto`, and of a time before `before`; None is no bound.

    `before` is the start of a half-hour of UTC: parts of visits are whole ones.
    """

    website_id: UUID
    upto: int | None = None
    before: dt.datetime | None = None

    def of(self, table: sa.Table) -> Conditions:
        conditions: Conditions = [table.c.website_id == self.website_id]
        if self.upto is not None:
            conditions.append(table.c.stored_in <= self.upto)
        if self.before is not None:
            conditions.append(_at(table) < self.before)
        return conditions


def count(store: EventStore, target: Target, most: int | None = None) -> int:
    """How many rows there are, in all tables; `most` if there are more."""
    found = 0
    with store.connected() as connection:
        without_limit(connection)
        for table in WEBSITE_TABLES:
            rows = sa.select(sa.literal(1)).select_from(table).where(*target.of(table))
            if most is not None:
                rows = rows.limit(most - found)
            found += connection.execute(sa.select(sa.func.count()).select_from(rows.subquery())).scalar_one()
            if most is not None and found >= most:
                return most
    return found


def present(store: EventStore, website_ids: Collection[UUID]) -> set[UUID]:
    """Those of these websites of which there are any rows."""
    found: set[UUID] = set()
    with store.connected() as connection:
        without_limit(connection)
        for table in WEBSITE_TABLES:
            mine = table.c.website_id.in_(list(website_ids))
            found.update(connection.scalars(sa.select(table.c.website_id).where(mine).distinct()))
    return found


def remove_few(store: EventStore, target: Target) -> int | None:
    """Remove them in one transaction if they are few: how many they were. None if they are many, then nothing is done."""
    if count(store, target, _AT_ONCE + 1) > _AT_ONCE:
        return None
    with store.writing(of_before=target.upto is not None) as connection:
        removed = sum(store.delete(connection, table, target.of(table)) for table in WEBSITE_TABLES)
    if removed:
        store.checkpoint()
    return removed


def remove(store: EventStore, target: Target, piece: int | None = None) -> Iterator[int]:
    """Remove them piece by piece, as long as there are any: the number of rows of each transaction.

    The caller may stop between two of them. What has been removed is gone for good once this has ended: DuckDB's log,
    which may be lost, is then in its file.
    """
    removed = 0
    for table in WEBSITE_TABLES:
        for conditions in _pieces(store, table, target, piece or store.piece):
            began = time.monotonic()
            with store.writing(of_before=target.upto is not None) as connection:
                rows = store.delete(connection, table, conditions)
            removed += rows
            yield rows
            time.sleep(min(_LONGEST_REST, _REST * (time.monotonic() - began)))
    if removed:
        store.checkpoint()


def remove_sessions(store: EventStore, website_id: UUID, session_ids: Collection[UUID]) -> dict[str, int]:
    """Remove everything of some sessions in one transaction: the number of rows of each table by its name."""
    with store.writing() as connection:
        removed = {
            table.name: store.delete(
                connection,
                table,
                [table.c.website_id == website_id, table.c.session_id.in_(list(session_ids))],
            )
            for table in WEBSITE_TABLES
        }
    store.checkpoint()
    return removed


def make_room(store: EventStore, website_id: UUID) -> None:
    """Let the store use the space again that a website's removed rows took."""
    for table in WEBSITE_TABLES:
        store.make_room(table, website_id)


def _at(table: sa.Table) -> sa.Column[Any]:
    return table.c.half_hour if table is visit_part else table.c.created_at


def _pieces(store: EventStore, table: sa.Table, target: Target, piece: int | None) -> Iterator[Conditions]:
    """Conditions that part the rows by time. Those of one instant are not parted."""
    at, conditions = _at(table), target.of(table)
    numbered = sa.select(at.label("at"), sa.func.row_number().over(order_by=at).label("number"))
    rows = numbered.where(*conditions).subquery().c
    with store.connected() as connection:
        without_limit(connection)
        numbers = sa.select(rows.at).where(rows.number % piece == 0).order_by(rows.number)
        ends = [] if piece is None else connection.scalars(numbers).all()
        if not ends and connection.execute(sa.select(at).where(*conditions).limit(1)).first() is None:
            return
    # The newest are removed without an end: what comes meanwhile is as new.
    for after, upto in pairwise([None, *dict.fromkeys(ends), None]):
        bounds = ([] if after is None else [at > after]) + ([] if upto is None else [at <= upto])
        yield [*conditions, *bounds]
