"""The event store: one SQLAlchemy engine, whatever is behind it."""

from __future__ import annotations

import copy
import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from enum import Enum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Engine, Row

from app.errors import Invalid, Unavailable
from app.folding import fold_json
from app.gate import Gate
from app.listen import Listener, notify
from app.sql import CLICKHOUSE, insert_json
from app.stored import Stored, stored
from app.tables import DATA_TABLES, applied_batch, event, metadata
from app.work import WORK

log = logging.getLogger("dashi.db")

_LONGEST_TURN_MS = 30_000
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
    """Wait until no other process is writing; it waits for this transaction, which is PostgreSQL's, then.

    Otherwise one could number its rows below those of a write that is committed, and be committed after it. Raises
    OperationalError if it takes too long: a process that hangs in its turn is to be heard of.
    """
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {_LONGEST_TURN_MS}")
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(Lock.WRITING.value)))


def mark_of(connection: sa.Connection, journal_id: UUID) -> int:
    """Number of the last batch of a journal that is stored, 0 if none."""
    last = sa.select(sa.func.max(applied_batch.c.batch)).where(applied_batch.c.journal_id == journal_id)
    return connection.execute(last).scalar() or 0


def last_write_of(connection: sa.Connection) -> int:
    """Number of the last write that is stored, 0 if none."""
    return int(connection.execute(sa.select(_LAST_WRITE)).scalar_one())


class EventStore(ABC):
    """Events of all websites over one engine. Reads are fresh: they first wait for what was accepted before them.

    `embedded`: the store is a file of this process, which alone may write it. `in_one`: a write is there as a whole or not
    at all. Otherwise it may be there in part after it failed, and is made good by the same rows, of the same batches, once
    more. `counts_directly`: distinct ids of many groups are counted in one step faster than by telling them apart first and
    counting then. `piece` is how many rows one transaction removes, in about a fifth of a second; None: all of them.
    """

    embedded = False
    in_one = True
    counts_directly = False
    piece: int | None

    def __init__(self, engine: Engine, statement_timeout: float) -> None:
        self.engine = engine
        self.statement_timeout = statement_timeout  # seconds; the engines of servers know it by themselves
        self.wait_until_fresh: Callable[[], None] = lambda: None
        self.observed: Callable[[float], None] = lambda seconds: None  # called with how long a statement took
        # The same, and for what is being accepted at this moment: whether it is all there.
        self.wait_until_settled: Callable[[], bool] = self._settled
        # Whether rows of some writes are being removed, and those of later ones of the same website are not.
        self.is_removing: Callable[[], bool] = lambda: False
        # DuckDB runs one writing transaction at a time well and several badly; elsewhere this costs nothing.
        self._writing = threading.Lock()
        self._gate = Gate("The event store")
        # The PostgreSQL through which processes take turns and hear of one another; None where they do not.
        self._meeting: Engine | None = None
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

    @abstractmethod
    def _within_time(self, connection: sa.Connection) -> AbstractContextManager[None]:
        """The statement of the block ends at the time limit. Raises Unavailable then."""

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
    def connected(self) -> Iterator[sa.Connection]:
        """A connection. Raises Unavailable when the store is down."""
        with self._gate.passed(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self, *, of_before: bool = False) -> Iterator[sa.Connection]:
        """One transaction that writes, in this process's turn and among all processes. Whoever waits for it waits.

        `of_before` tells that only rows of earlier writes are touched, by their number: a store may let others write then.
        """
        with self._writing, self._gate.passed(), self.engine.begin() as connection:
            yield connection

    @abstractmethod
    def standing_still(self) -> AbstractContextManager[int]:
        """The number of the last write, while no process writes.

        It is in the store for good: after a crash, too, the writes that follow are numbered above it. Raises Unavailable
        where that would have to wait for the end of a backup.
        """

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
        self._written(number)
        return batch

    def _written(self, number: int) -> None:  # noqa: B027 - not every store has something to do
        """Called once the write of this number is there for good."""

    def _to_tell(self, rows: Mapping[str, str]) -> list[Stored]:
        """What is told of a write of these rows; nothing if there is nobody to hear it."""
        return stored(rows.get(event.name)) if self._heard or self._meeting is not None else []

    def delete(
        self, connection: sa.Connection, table: sa.Table, conditions: Sequence[sa.ColumnElement[bool]]
    ) -> int:
        """Delete rows, in a transaction of `writing`: how many they were."""
        return connection.execute(table.delete().where(*conditions)).rowcount

    @abstractmethod
    def make_room(self, table: sa.Table, website_id: UUID) -> None:
        """Let the store use the space again that a website's deleted rows took."""

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
        """Put everything into the store's own file, if it is one, so that no log is needed to open it. Answers whether it is.

        Where that has to be waited for, nothing is done unless `wait`. Raises Unavailable when it takes longer than some
        seconds.
        """
        return True

    def reopen(self) -> bool:
        """Open the store anew if only that helps: whether it was. Raises Unavailable when it cannot be opened yet."""
        return False

    def close(self) -> None:
        self.engine.dispose()
