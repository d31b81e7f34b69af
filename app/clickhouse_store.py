"""The event store on ClickHouse, which has no transactions.

A write is several inserts, one for each table, and its mark is the last of them: what is marked is there. A group of
batches that was begun is inserted again until it is marked, always the same group, and ClickHouse drops what it has of it
by a token of each insert (`insert_deduplication_token`): exactly once, whatever was cut off when. Parts of visits are made
by ClickHouse itself as events are inserted, and folded when it merges.

Several processes take turns, and tell one another what they have stored, through the PostgreSQL that holds the accounts;
where accounts are in a file all processes are on its machine, and take turns by a lock of a file beside it.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from decimal import Decimal
from operator import itemgetter
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from app.clickhouse import TOO_LARGE, TOO_SLOW, held_in, translated
from app.db import EventStore, Lock, last_write_of, mark_of, take_turn
from app.errors import Unavailable
from app.gate import Gate
from app.listen import notify
from app.sql import UTC, AnyUTC
from app.tables import DATA_TABLES, NOBODY, applied_batch, metadata

# ClickHouse merges parts of visits of one generation of writes only (`visit_part.generation`), and whatever is to be told
# apart by the number of a write, for some of it is to be removed, is of different generations.
GENERATION: Final = 1 << 32

# Of every insert. Batches are gathered here, so the server need not, and answers once it has them.
_INSERTING: Final = {
    "async_insert": 0,
    "insert_deduplicate": 1,
    "deduplicate_blocks_in_dependent_materialized_views": 1,
    "distributed_foreground_insert": 1,
    "max_execution_time": 0,
    "max_insert_threads": 1,
    # Events of ten years may come together: each month is a partition, and a hundred at a time are the default.
    "max_partitions_per_insert_block": 0,
}
_LONGEST_WRITE_MS: Final = 300_000
# What is raised, here and by the driver, for values that are no column's.
_UNFIT: Final = (ValueError, TypeError, ArithmeticError, AttributeError, struct.error)
_WITHOUT_LIMIT: Final = {"max_execution_time": 0}
# The twin of a table that takes a row and keeps nothing.
PROBE: Final = "try_{}"


class ClickHouseStore(EventStore):
    """As `EventStore`. `accounts` is PostgreSQL's engine, None where accounts are in a file in `directory`."""

    in_one = False
    piece = None  # a mutation is one, whatever it removes
    # A breakdown of a year of 650,000 parts of visits: 56 ms, in two steps 290.
    counts_directly = True

    def __init__(
        self, engine: Engine, statement_timeout: float, accounts: Engine | None, directory: Path
    ) -> None:
        super().__init__(engine, statement_timeout)
        self._meeting, self._meeting_gate = accounts, Gate("The accounts store")
        self._directory = directory
        self._types: dict[str, list[Any]] = {}

    @property
    def name(self) -> str:
        return "clickhouse"

    def _asking(self) -> sa.Connection:
        return self.engine.connect()

    @contextmanager
    def _within_time(self, connection: sa.Connection) -> Iterator[None]:
        try:
            yield
        except sa.exc.DBAPIError as error:
            code = getattr(error.orig, "code", None)
            if code == TOO_SLOW:
                raise self._too_slow() from error
            if code == TOO_LARGE:
                raise Unavailable(
                    "The question takes more memory than ClickHouse has for it: ask for less, a shorter period for example"
                ) from error
            raise

    @contextmanager
    def writing(self, *, of_before: bool = False) -> Iterator[sa.Connection]:
        """Each statement is there at once: there is nothing to roll back.

        Without a turn where it needs none: ClickHouse waits for whatever it removes, and with a replica away for as long as
        its client does, in which others can store what they have. Otherwise an event could go while its part of a visit,
        which ClickHouse inserts a moment later, stays.
        """
        with (
            nullcontext() if of_before else self._turn(),
            self._gate.passed(),
            self.engine.connect() as connection,
        ):
            yield connection.execution_options(settings=_WITHOUT_LIMIT)

    @contextmanager
    def _turn(self) -> Iterator[sa.Connection | None]:
        """A turn to write; with PostgreSQL the transaction that holds it, whose notifications are heard after it."""
        with self._writing, ExitStack() as held:
            connection = None
            if self._meeting is None:
                held.enter_context(_locked(self._directory / "events.lock"))
            else:
                with self._meeting_gate.passed():
                    connection = held.enter_context(self._meeting.begin())
                    # Nothing is heard of it while ClickHouse works; longer than this, the process hangs or is gone.
                    connection.exec_driver_sql(
                        f"SET LOCAL idle_in_transaction_session_timeout = {_LONGEST_WRITE_MS}"
                    )
                    take_turn(connection)
            yield connection

    @contextmanager
    def standing_still(self) -> Iterator[int]:
        with self._turn(), self.connected() as connection:
            last = last_write_of(connection)
            # Of a store without a write there is nothing to tell apart, and the first write is number 1.
            upto = last | (GENERATION - 1) if last else 0
            if upto != last:
                # The next write is of another generation.
                self._insert(connection, applied_batch, [[NOBODY], [0], [upto]], f"generation-{upto}")
            yield upto

    @contextmanager
    def _alone(self, lock: Lock) -> Iterator[bool]:
        if self._meeting is None:
            held = _locked(self._directory / f"events-{lock.name.lower()}.lock", wait=False)
        else:
            held = super()._alone(lock)
        with held as alone:
            yield alone

    @contextmanager
    def tidying(self) -> Iterator[bool]:
        """Nobody tidies here: ClickHouse sorts and folds when it merges."""
        yield False

    def apply(
        self,
        journal_id: UUID,
        batch: int,
        rows: Mapping[str, str],
        after: int | None = None,
        *,
        telling: bool = True,
    ) -> int:
        with self._turn() as turn:
            with self.connected() as connection:
                if after is not None and (there := mark_of(connection, journal_id)) != after:
                    return there
                number = last_write_of(connection) + 1
                token = f"{journal_id}-{batch}"
                for table in DATA_TABLES:
                    if text := rows.get(table.name):
                        self._insert(connection, table, _columns(table, orjson.loads(text), number), token)
                self._insert(connection, applied_batch, [[journal_id], [batch], [number]], token)
            told = self._to_tell(rows) if telling else []
            if turn is not None:
                notify(turn, told)
        if self._heard and told:
            self._heard(told)
        return batch

    def accepts(self, table: str, row: str) -> bool:
        found = metadata.tables[table]
        with self.connected() as connection:
            try:
                # Its twin may be there without it.
                connection.execute(sa.select(found).limit(0))
                columns = _columns(found, [orjson.loads(row)], 0)
                self._insert(connection, found, columns, "", into=PROBE.format(table))
            except sa.exc.OperationalError:
                raise
            except sa.exc.DatabaseError:
                return False
        return True

    def delete(
        self, connection: sa.Connection, table: sa.Table, conditions: Sequence[sa.ColumnElement[bool]]
    ) -> int:
        count = sa.select(sa.func.count()).select_from(table).where(*conditions)
        rows: int = connection.execute(count).scalar_one()
        if rows:
            # It is marked as gone and waited for; merges, or `make_room`, take it out.
            connection.execute(table.delete().where(*conditions))
        return rows

    def make_room(self, table: sa.Table, website_id: UUID) -> None:
        """Have ClickHouse write the parts anew without the rows that are marked as gone; nobody waits for it."""
        with self.connected() as connection:
            where = held_in(connection.dialect, table.name)
            connection.exec_driver_sql(f"ALTER TABLE {where} APPLY DELETED MASK")

    def close(self) -> None:
        super().close()
        if self._meeting is not None:
            self._meeting.dispose()

    def _insert(
        self,
        connection: sa.Connection,
        table: sa.Table,
        columns: Sequence[Sequence[Any]],
        token: str,
        into: str = "",
    ) -> None:
        """Insert columns, in the order of the table's."""
        driver: Any = connection.connection.driver_connection
        names = [str(column.name) for column in table.columns]
        settings = _INSERTING | ({"insert_deduplication_token": token} if token else {})
        try:
            with translated():
                if table.name not in self._types:
                    made = driver.client.create_insert_context(table.name, names)
                    self._types[table.name] = made.column_types
                driver.client.insert(
                    into or table.name,
                    columns,
                    column_names=names,
                    column_types=self._types[table.name],
                    column_oriented=True,
                    settings=settings,
                )
        except _UNFIT as error:
            raise sa.exc.DataError(None, None, error, hide_parameters=True) from error


def _columns(table: sa.Table, rows: Sequence[Mapping[str, Any]], number: int) -> list[list[Any]]:
    """Rows as the journal holds them, as columns of what the driver takes. Raises DataError for what is none."""
    try:
        return [
            [number] * len(rows) if column.name == "stored_in" else _column(column, rows)
            for column in table.columns
        ]
    except _UNFIT as error:
        raise sa.exc.DataError(None, None, error, hide_parameters=True) from error


def _column(column: sa.Column[Any], rows: Sequence[Mapping[str, Any]]) -> list[Any]:
    name = str(column.name)
    try:
        values = list(map(itemgetter(name), rows))
    except KeyError:
        # A column that came with an upgrade: batches that were written before have nothing of it.
        values = [row.get(name) for row in rows]
    if isinstance(column.type, sa.Text):
        return [value or "" for value in values] if None in values else values
    make = _MAKERS.get(type(column.type))
    return [None if value is None else make(value) for value in values] if make else values


def _instant(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


# Ids go as the text that they are in the journal: to make 40,000 of them anew took as long as all the rest.
_MAKERS: Final[Mapping[type, Callable[[Any], Any]]] = {
    UTC: _instant,
    AnyUTC: lambda text: AnyUTC.microseconds(_instant(text)),
    sa.Numeric: lambda number: Decimal(str(number)),
}


@contextmanager
def _locked(file: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold a lock that processes of this machine have by turns; whether it is held, unless it was to be waited for."""
    with file.open("a") as opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True
