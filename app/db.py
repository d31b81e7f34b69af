"""The event store: one SQLAlchemy engine, whatever is behind it."""

from __future__ import annotations

import copy
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from enum import Enum
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Engine, Row

from app.copying import copy_database
from app.engines import open_duckdb
from app.errors import Conflict, Invalid, Unavailable
from app.folding import fold_json
from app.gate import Gate
from app.listen import Listener, notify
from app.outage import outage
from app.sql import CLICKHOUSE, insert_json
from app.stored import Stored, stored
from app.tables import DATA_TABLES, applied_batch, event, metadata
from app.watchdog import WATCHDOG
from app.work import WORK

log = logging.getLogger("dashi.db")

DEFAULT_TIMEOUT = 30.0
# Seconds that a checkpoint may be kept from beginning, for which writes are kept out at a time, and between two attempts.
_CHECKPOINT_WAIT = 10.0
_CHECKPOINT_TURN = 0.2
_CHECKPOINT_RETRY = 0.01
_COPYING = "The events are being backed up: try again when that is done"
_BUSY = "The event store is busy with long questions: try again in a moment"
_QUERY_CANCELED = "57014"  # PostgreSQL's SQLSTATE
_LONGEST_TURN_MS = 30_000
# Milliseconds that a process may do nothing in its turn before PostgreSQL ends the turn: it hangs, or is cut off.
_LONGEST_SILENCE_MS = 60_000
_LAST_WRITE = sa.func.coalesce(sa.func.max(applied_batch.c.stored_in), 0)


class Lock(Enum):
    """What one process does at a time, by the number of PostgreSQL's lock: any constant but that of the migrations."""

    WRITING = 7_244_311
    TIDYING = 7_244_312
    REMOVING = 7_244_313


def without_limit(connection: sa.Connection) -> None:
    """Let the statements of this transaction take as long as they need."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
    elif connection.dialect.name == CLICKHOUSE:
        connection.execution_options(settings={"max_execution_time": 0})


def take_turn(connection: sa.Connection) -> None:
    """Wait until no other process is writing; it waits for this transaction then.

    Otherwise one could number its rows below those of a write that is committed, and be committed after it. Raises
    OperationalError if it takes too long: a process that hangs in its turn is to be heard of.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {_LONGEST_TURN_MS}")
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(Lock.WRITING.value)))


def _talk(connection: sa.Connection) -> None:
    """Have this transaction ended if nothing is said within it for long: others wait for it."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SET LOCAL idle_in_transaction_session_timeout = {_LONGEST_SILENCE_MS}")


def mark_of(connection: sa.Connection, journal_id: UUID) -> int:
    """Number of the last batch of a journal that is stored, 0 if none."""
    last = sa.select(sa.func.max(applied_batch.c.batch)).where(applied_batch.c.journal_id == journal_id)
    return connection.execute(last).scalar() or 0


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


def last_write_of(connection: sa.Connection) -> int:
    """Number of the last write that is stored, 0 if none."""
    return int(connection.execute(sa.select(_LAST_WRITE)).scalar_one())


class EventStore:
    """Events of all websites over one engine. Reads are fresh: they first wait for what was accepted before them.

    `in_one`: a write is there as a whole or not at all. Otherwise it may be there in part after it failed, and is made good
    by the same rows, of the same batches, once more. `counts_directly`: distinct ids of many groups are counted in one step
    faster than by telling them apart first and counting then. `piece` is how many rows one transaction removes, None: all of them.
    """

    in_one = True
    counts_directly = False

    def __init__(self, engine: Engine, statement_timeout: float = DEFAULT_TIMEOUT) -> None:
        self.engine = engine
        self.statement_timeout = statement_timeout  # seconds; PostgreSQL's engine knows it by itself
        self.wait_until_fresh: Callable[[], None] = lambda: None
        self.observed: Callable[[float], None] = lambda seconds: None  # called with how long a statement took
        # The same, and for what is being accepted at this moment: whether it is all there.
        self.wait_until_settled: Callable[[], bool] = self._settled
        # Whether rows of some writes are being removed, and those of later ones of the same website are not.
        self.is_removing: Callable[[], bool] = lambda: False
        # DuckDB runs one writing transaction at a time well and several badly; elsewhere this costs nothing.
        self._writing = threading.Lock()
        # Held by what needs or makes a file that is whole: no checkpoint while it is copied.
        self._whole = threading.Lock()
        # About a fifth of a second: DuckDB marks rows, PostgreSQL writes each.
        self.piece: int | None = 491_520 if self.embedded else 20_000
        self._gate = Gate("The event store")
        # The PostgreSQL through which processes take turns and hear of one another; None where they do not.
        self._meeting: Engine | None = None if self.embedded else engine
        self._meeting_gate = self._gate
        self._heard: Callable[[Sequence[Stored]], None] | None = None
        self._listener: Listener | None = None

    def _settled(self) -> bool:
        self.wait_until_fresh()
        return True

    def as_it_is(self) -> EventStore:
        """The same store for whoever needs not wait: what they ask about is known to be there."""
        view = copy.copy(self)
        view.wait_until_fresh = lambda: None
        return view

    @property
    def name(self) -> str:
        """What the store is, in one word."""
        return str(self.engine.dialect.name)

    @property
    def embedded(self) -> bool:
        """Whether the store is a file of this process, which alone may write it."""
        return self.engine.dialect.name == "duckdb"

    def rows(
        self, statement: sa.Select[*tuple[Any, ...]], values: Mapping[str, Any] | None = None
    ) -> list[Row[*tuple[Any, ...]]]:
        """All rows of a select, with these parameters, that sees every event acknowledged before the call.

        Raises Invalid for values that the store cannot work with, Unavailable when it does not answer in time.
        """
        self.wait_until_fresh()
        if work := WORK.get():
            work.questions.append(statement.params(values) if values else statement)
        started = time.perf_counter()
        try:
            with self._gate.passed(), self._asking() as connection, self._within_time(connection):
                return list(connection.execute(statement, values).all())
        except sa.exc.DataError as error:
            log.warning("a value that the event store cannot work with", exc_info=error)
            raise Invalid("The event store cannot work with a value of this question") from error
        finally:
            self.observed(time.perf_counter() - started)

    def _asking(self) -> sa.Connection:
        """A connection for one statement, which is a transaction by itself: beginning one and ending it is work too."""
        return self.engine.connect().execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def _within_time(self, connection: sa.Connection) -> Iterator[None]:
        """The statement of the block ends at the time limit: DuckDB, which has none of its own, is interrupted.

        Raises Unavailable.
        """
        if not self.embedded:
            try:
                yield
            except sa.exc.OperationalError as error:
                if getattr(error.orig, "sqlstate", "") == _QUERY_CANCELED:
                    raise self._too_slow() from error
                raise
            return
        driver: Any = connection.connection.driver_connection
        with WATCHDOG.limit(self.statement_timeout, driver.interrupt) as watch:
            try:
                yield
            except sa.exc.DBAPIError as error:
                if not watch.ended:
                    raise
                raise self._too_slow() from error

    def _too_slow(self) -> Unavailable:
        return Unavailable(
            f"The question takes longer than {self.statement_timeout:g} s: ask for less, a shorter period for example"
        )

    def ping(self) -> None:
        """Raise Unavailable if the store does not answer."""
        with self.connected() as connection:
            connection.execute(sa.select(1))

    def applied(self, journal_id: UUID) -> int:
        """Number of the last batch of this journal that is in the store, 0 if none."""
        with self.connected() as connection:
            return mark_of(connection, journal_id)

    def last_write(self) -> int:
        """The number of the last write. It is in the store with all before it, and whatever comes is numbered above."""
        [(number,)] = self.rows(sa.select(_LAST_WRITE))
        return int(number)

    @contextmanager
    def writing(self, *, of_before: bool = False) -> Iterator[sa.Connection]:
        """One transaction that writes, in this process's turn and among all processes. Whoever waits for it waits.

        `of_before` tells that only rows of earlier writes are touched, by their number: a store may let others write then.
        """
        with self._writing, self._gate.passed(), self.engine.begin() as connection:
            without_limit(connection)
            take_turn(connection)
            _talk(connection)
            yield connection

    @contextmanager
    def standing_still(self) -> Iterator[int]:
        """The number of the last write, while no process writes.

        It is in the store for good: after a crash, too, the writes that follow are numbered above it. Raises Unavailable
        where that would have to wait for the end of a backup.
        """
        if self.embedded:
            if not self._whole.acquire(timeout=_CHECKPOINT_WAIT):
                raise Unavailable(_COPYING)
            try:
                with self._writing:
                    if not self._checkpoint(_CHECKPOINT_WAIT):
                        raise Unavailable(_BUSY)
                    with self.connected() as connection:
                        number = last_write_of(connection)
                    yield number
            finally:
                self._whole.release()
            return
        with self.writing() as connection:
            yield last_write_of(connection)

    @contextmanager
    def tidying(self) -> Iterator[bool]:
        """Whether no other process is tidying. If so, none begins to within the block."""
        with self._alone(Lock.TIDYING) as alone:
            yield alone

    @contextmanager
    def removing(self) -> Iterator[bool]:
        """The same for removing what is no longer wanted."""
        with self._alone(Lock.REMOVING) as alone:
            yield alone

    @contextmanager
    def _alone(self, lock: Lock) -> Iterator[bool]:
        if self._meeting is None:
            yield True
            return
        with ExitStack() as held:
            with self._meeting_gate.passed():
                connection = held.enter_context(self._meeting.connect())
                alone = bool(connection.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(lock.value))))
            # What is done in the block has errors of its own.
            yield alone

    def apply(
        self,
        journal_id: UUID,
        batch: int,
        rows: Mapping[str, str],
        after: int | None = None,
        *,
        telling: bool = True,
    ) -> int:
        """Insert rows (table name → JSON array) and the journal's new mark, in one transaction: one write.

        Answers the mark. If it was not `after`, nothing is inserted: whoever is cut off while a transaction ends does
        not learn whether it did, and asking before its turn would be too early to know. Unless `telling`, those who
        follow do not hear of it.
        """
        with self.writing() as connection:
            if after is not None and (there := mark_of(connection, journal_id)) != after:
                return there
            number = last_write_of(connection) + 1
            for table in DATA_TABLES:
                if text := rows.get(table.name):
                    connection.execute(insert_json(table), {"rows": text, "stored_in": number})
            if text := rows.get(event.name):
                connection.execute(fold_json(), {"rows": text, "stored_in": number})
            mine = applied_batch.c.journal_id == journal_id
            mark = {"batch": batch, "stored_in": number}
            if not connection.execute(applied_batch.update().where(mine).values(mark)).rowcount:
                connection.execute(applied_batch.insert().values(journal_id=journal_id, **mark))
            # Once the store has taken the rows, and before they are there for good: a write that is done cannot fail.
            told = self._to_tell(rows) if telling else []
            notify(connection, told)
        if self._heard and told:
            self._heard(told)
        return batch

    def _to_tell(self, rows: Mapping[str, str]) -> list[Stored]:
        """What is told of a write of these rows; nothing if there is nobody to hear it."""
        return stored(rows.get(event.name)) if self._heard or self._meeting is not None else []

    def delete(
        self, connection: sa.Connection, table: sa.Table, conditions: Sequence[sa.ColumnElement[bool]]
    ) -> int:
        """Delete rows, in a transaction of `writing`: how many they were."""
        return connection.execute(table.delete().where(*conditions)).rowcount

    def make_room(self, table: sa.Table, website_id: UUID) -> None:
        """Let PostgreSQL use the space again that a website's deleted rows took, and the disk if a partition is empty."""
        with self._gate.passed(), self._asking() as connection:
            name = connection.scalar(_PARTITION, {"table": table.name, "website_id": website_id})
            connection.exec_driver_sql("SET statement_timeout = 0")
            try:
                # Space is not given back where that would make others wait.
                connection.exec_driver_sql(f"VACUUM (ANALYZE) {name}")
            finally:
                connection.exec_driver_sql("RESET statement_timeout")

    def accepts(self, table: str, row: str) -> bool:
        """Whether the store would take this one row (JSON object); nothing is kept. Raises Unavailable if it is down."""
        with self._writing, self.connected() as connection:
            try:
                connection.execute(insert_json(metadata.tables[table]), {"rows": f"[{row}]", "stored_in": 0})
            except (sa.exc.DataError, sa.exc.IntegrityError, sa.exc.ProgrammingError):
                return False
            finally:
                connection.rollback()
        return True

    def tell(self, website_id: UUID) -> None:
        """Have those who follow a website ask again: something else than new events has changed what they are told."""
        told = [Stored(website_id)]
        if self._meeting is not None:
            with self._meeting_gate.passed(), self._meeting.begin() as connection:
                notify(connection, told)
        if self._heard:
            self._heard(told)

    def follow(self, heard: Callable[[Sequence[Stored]], None], lost: Callable[[], None]) -> None:
        """Have `heard` called, in some thread, with all that is stored from now on, by other processes too.

        `lost` is called when something may not have been heard. There is one who follows. Raises Unavailable when the
        store does not answer.
        """
        if self._meeting is None:
            self._heard = heard  # what this process does not store, nobody does
        else:
            self._listener = Listener(self._meeting, heard, lost)

    def unfollow(self) -> None:
        self._heard = None
        if self._listener:
            self._listener.close()
            self._listener = None

    def checkpoint(self, wait: bool = True) -> bool:
        """Put everything into the database file itself, so that no log is needed to open it. Answers whether it was.

        Not while it is being copied, nor beside a long question, which DuckDB refuses: that is waited for some seconds, or
        unless `wait` nothing is done. Raises Unavailable when it takes longer.
        """
        if not self.embedded:
            return True
        if not self._whole.acquire(timeout=_CHECKPOINT_WAIT if wait else 0.0):
            if wait:
                raise Unavailable(_COPYING)
            return False
        try:
            deadline = time.monotonic() + _CHECKPOINT_WAIT
            while True:
                # In between others have their turn: whoever reads waits for what was accepted before.
                with self._writing:
                    if self._checkpoint(_CHECKPOINT_TURN):
                        return True
                if not wait:
                    return False
                if time.monotonic() > deadline:
                    raise Unavailable(_BUSY)
                time.sleep(_CHECKPOINT_TURN)
        finally:
            self._whole.release()

    def _checkpoint(self, seconds: float) -> bool:
        """Have DuckDB put its log into its file, in this process's turn and within some seconds; whether it did.

        It refuses to as long as a question is under way that is older than a write which changed a row, as each one does by
        its mark. Writes are kept out meanwhile, so those questions become fewer.
        """
        deadline = time.monotonic() + seconds
        while True:
            try:
                with self.connected() as connection:
                    connection.exec_driver_sql("CHECKPOINT")
            except sa.exc.DBAPIError as error:
                if "other write transactions active" not in str(error):
                    raise
                if time.monotonic() > deadline:
                    return False
                time.sleep(_CHECKPOINT_RETRY)
            else:
                return True

    def copy_to(self, file: Path, wanted: Callable[[], bool] = lambda: True) -> None:
        """Copy an embedded store, as it is at one moment, to a new file. Others read and write meanwhile.

        `wanted` is asked now and then; copying ends once it says no. Raises Conflict if there is such a file, Unavailable
        when it cannot be written or is no longer wanted; then there is none.
        """
        if not self.embedded:
            raise Invalid("The event store is no file")
        if file.exists():
            raise Conflict(f"{file} is there already")
        with self._whole, self._gate.passed(), self._asking() as connection:
            try:
                copy_database(connection, file, wanted)
            except sa.exc.DBAPIError as error:
                for part in (file, file.with_name(file.name + ".wal")):
                    part.unlink(missing_ok=True)
                # It names files and the system's reason: nothing is converted that could be quoted.
                reason = str(error.orig).partition("\n")[0]
                raise Unavailable(f"The events could not be copied: {reason}") from error

    @contextmanager
    def connected(self) -> Iterator[sa.Connection]:
        """A connection. Raises Unavailable when the store is down."""
        with self._gate.passed(), self.engine.connect() as connection:
            yield connection

    def reopen(self) -> bool:
        """Open the store anew if only that helps: DuckDB after it could not write its own file. Whether it was.

        What it had acknowledged is in its log then, or in the journal. Raises Unavailable when it cannot be opened yet.
        """
        if not self._gate.shut:
            return False
        with self._writing:
            if not self._gate.shut:
                return True  # by another thread, a moment ago
            self._gate.wait_until_empty()
            self.engine.dispose()
            try:
                open_duckdb(self.engine)
            except Exception as error:
                log.warning("the event store cannot be opened anew yet: %s", error)
                raise outage(error, "The event store") or Unavailable(
                    "The event store cannot be opened anew yet"
                ) from error
            self._gate.shut = False
        log.warning("the event store was opened anew")
        return True

    def close(self) -> None:
        self.engine.dispose()
