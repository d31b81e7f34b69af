"""What an event store holds, as far as moving it has to know."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import orjson
import sqlalchemy as sa

from app.db import EventStore, without_limit
from app.tables import DATA_TABLES, NOBODY, applied_batch


@dataclass(frozen=True, slots=True)
class Held:
    """Rows of one website in one table, and the times of the first and the last."""

    rows: int
    first_at: dt.datetime
    last_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Stock:
    """What is held by table and website, and how far each journal has been applied."""

    held: Mapping[str, Mapping[UUID, Held]]
    marks: Mapping[UUID, int]

    @property
    def rows(self) -> int:
        return sum(of_website.rows for of_table in self.held.values() for of_website in of_table.values())

    def fingerprint(self, plan: str) -> UUID:
        """An id that another stock, or another plan of reading it, does not have."""
        said = {
            "plan": plan,
            "held": {
                table: {str(site): one for site, one in found.items()} for table, found in self.held.items()
            },
            "marks": {str(journal_id): batch for journal_id, batch in self.marks.items()},
        }
        return uuid5(
            NAMESPACE_URL, hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).hexdigest()
        )


def take_stock(store: EventStore) -> Stock:
    """Look through the store once."""
    with store.connected() as connection:
        without_limit(connection)
        held = {str(table.name): _held(connection, table) for table in DATA_TABLES}
    return Stock(held, marks(store))


def marks(store: EventStore) -> dict[UUID, int]:
    """The last batch of each journal that is stored."""
    latest = sa.select(applied_batch.c.journal_id, sa.func.max(applied_batch.c.batch)).group_by(
        applied_batch.c.journal_id
    )
    with store.connected() as connection:
        found = connection.execute(latest).all()
    # A store may write down numbers of writes under no journal at all.
    return {journal_id: int(batch) for journal_id, batch in found if journal_id != NOBODY}


def _held(connection: sa.Connection, table: sa.Table) -> dict[UUID, Held]:
    at: sa.Column[Any] = table.c.created_at
    counted = sa.select(table.c.website_id, sa.func.count(), sa.func.min(at), sa.func.max(at)).group_by(
        table.c.website_id
    )
    return {
        website_id: Held(int(rows), first, last)
        for website_id, rows, first, last in connection.execute(counted)
    }
