"""The event store in PostgreSQL, through which processes take turns and hear of one another."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from app.db import EventStore, last_write_of, take_turn, without_limit
from app.tables import WEBSITE_TABLES

_QUERY_CANCELED: Final = "57014"  # an SQLSTATE
# Milliseconds that a process may do nothing in its turn before PostgreSQL ends the turn: it hangs, or is cut off.
_LONGEST_SILENCE_MS = 60_000
# Writes; with four of them a second PostgreSQL has come by itself long before.
_LOOKED_AT: Final = 1024
# The partition that a website's rows go to, as PostgreSQL hashes the id; the table itself if it has none.
_PARTITION: Final = sa.text(
    """
    SELECT coalesce(
        (SELECT part.oid::regclass::text
         FROM pg_inherits JOIN pg_class AS part ON part.oid = inhrelid
         WHERE inhparent = CAST(:table AS regclass) AND satisfies_hash_partition(
            inhparent,
            substring(pg_get_expr(part.relpartbound, part.oid) FROM 'modulus ([0-9]+)')::int,
            substring(pg_get_expr(part.relpartbound, part.oid) FROM 'remainder ([0-9]+)')::int,
            CAST(:website_id AS uuid))),
        CAST(:table AS text))
    """
)


class PostgreSQLStore(EventStore):
    piece = 20_000  # PostgreSQL writes each row

    def __init__(self, engine: Engine, statement_timeout: float) -> None:
        super().__init__(engine, statement_timeout)
        self._meeting = engine

    @contextmanager
    def _within_time(self, connection: sa.Connection) -> Iterator[None]:
        try:
            yield
        except sa.exc.OperationalError as error:
            if getattr(error.orig, "sqlstate", "") == _QUERY_CANCELED:
                raise self._too_slow() from error
            raise

    @contextmanager
    def writing(self, *, of_before: bool = False) -> Iterator[sa.Connection]:
        with super().writing() as connection:
            without_limit(connection)
            take_turn(connection)
            # Others wait until this transaction has ended.
            connection.exec_driver_sql(
                f"SET LOCAL idle_in_transaction_session_timeout = {_LONGEST_SILENCE_MS}"
            )
            yield connection

    def _written(self, number: int) -> None:
        """Let PostgreSQL look at what it has after the first, second, fourth, … write of a store.

        Of a table that it never looked at it expects one row of whatever is asked for, and joins row by row: attribution of
        700 events took more than 30 s. Its own look comes up to a minute late, and is as good from then on.
        """
        if number <= _LOOKED_AT and number & (number - 1) == 0:
            names = ", ".join(table.name for table in WEBSITE_TABLES)
            with self.connected() as connection, connection.begin():
                without_limit(connection)  # the write is done, and is not to fail by it
                # Another process's look is as good.
                connection.exec_driver_sql(f"ANALYZE (SKIP_LOCKED) {names}")

    @contextmanager
    def standing_still(self) -> Iterator[int]:
        with self.writing() as connection:
            yield last_write_of(connection)

    def make_room(self, table: sa.Table, website_id: UUID) -> None:
        """Let PostgreSQL use the space again, and the disk if a partition is empty."""
        with self._gate.passed(), self._asking() as connection:
            name = connection.scalar(_PARTITION, {"table": table.name, "website_id": website_id})
            connection.exec_driver_sql("SET statement_timeout = 0")
            try:
                # Space is not given back where that would make others wait.
                connection.exec_driver_sql(f"VACUUM (ANALYZE) {name}")
            finally:
                connection.exec_driver_sql("RESET statement_timeout")
