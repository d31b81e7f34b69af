"""The event store: one SQLAlchemy engine, whatever is behind it."""

from __future__ import annotations

import copy
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Engine, Row

from app.errors import Invalid, Unavailable
from app.folding import fold_json
from app.listen import Listener, notify
from app.sql import insert_json
from app.stored import Stored, stored
from app.tables import DATA_TABLES, WEBSITE_TABLES, applied_batch, event, metadata, visit_part
from app.watchdog import WATCHDOG
from app.work import WORK

log = logging.getLogger("dashi.db")

DEFAULT_TIMEOUT = 30.0
_QUERY_CANCELED = "57014"  # PostgreSQL's SQLSTATE
_LONGEST_TURN_MS = 30_000
# Seconds between two attempts to write DuckDB's log back, and after which it is given up.
_CLEARING = 0.01
_LONGEST_CLEARING = 10.0
# Any constant number but that of the migrations.
_WRITING = 7_244_311
_TIDYING = 7_244_312
_LAST_WRITE = sa.func.coalesce(sa.func.max(applied_batch.c.stored_in), 0)


def without_limit(connection: sa.Connection) -> None:
    """Let the statements of this transaction take as long as they need."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")


def _take_turn(connection: sa.Connection) -> None:
    """Wait until no other process is writing; it waits for this transaction then.

    Otherwise one could number its rows below those of a write that is committed, and be committed after it. Raises
    OperationalError if it takes too long: a process that hangs in its turn is to be heard of.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {_LONGEST_TURN_MS}")
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_WRITING)))


def _write_back(connection: sa.Connection) -> None:
    """Have DuckDB put its log into the database file.

    It refuses to as long as a question is under way that is older than a write which changed a row, as each one does by
    its mark: a deletion that is done would be answered with 503 for it. Whoever calls this keeps writes out, so those
    questions become fewer. Raises OperationalError when one still runs after `_LONGEST_CLEARING` seconds.
    """
    deadline = time.monotonic() + _LONGEST_CLEARING
    while True:
        try:
            connection.exec_driver_sql("CHECKPOINT")
        except sa.exc.OperationalError as error:
            if "other write transactions active" not in str(error.orig) or time.monotonic() > deadline:
                raise
            connection.rollback()
            time.sleep(_CLEARING)
        else:
            return


class EventStore:
    """Events of all websites over one engine. Reads are fresh: they first wait for what was accepted before them."""

    def __init__(self, engine: Engine, statement_timeout: float = DEFAULT_TIMEOUT) -> None:
        self.engine = engine
        self.statement_timeout = statement_timeout  # seconds; PostgreSQL's engine knows it by itself
        self.wait_until_fresh: Callable[[], None] = lambda: None
        # The same, and for what is being accepted at this moment.
        self.wait_until_settled: Callable[[], None] = lambda: self.wait_until_fresh()
        # DuckDB runs one writing transaction at a time well and several badly; elsewhere this costs nothing.
        self._writing = threading.Lock()
        self._heard: Callable[[Sequence[Stored]], None] | None = None
        self._listener: Listener | None = None

    def as_it_is(self) -> EventStore:
        """The same store for whoever needs not wait: what they ask about is known to be there."""
        view = copy.copy(self)
        view.wait_until_fresh = lambda: None
        return view

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
        try:
            with self._asking() as connection, self._within_time(connection):
                return list(connection.execute(statement, values).all())
        except sa.exc.DataError as error:
            log.warning("a value that the event store cannot work with", exc_info=error)
            raise Invalid("The event store cannot work with a value of this question") from error
        except sa.exc.OperationalError as error:
            if getattr(error.orig, "sqlstate", "") == _QUERY_CANCELED:
                raise self._too_slow() from error
            raise Unavailable("The event store does not answer") from error

    def _asking(self) -> sa.Connection:
        """A connection for one statement, which is a transaction by itself: beginning one and ending it is work too."""
        return self.engine.connect().execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def _within_time(self, connection: sa.Connection) -> Iterator[None]:
        """Interrupt the statement of the block at the time limit: DuckDB has none of its own. Raises Unavailable."""
        if not self.embedded:
            yield
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
        """Raise whatever keeps the store from answering."""
        with self.engine.connect() as connection:
            connection.execute(sa.select(1))

    def applied(self, journal_id: UUID) -> int:
        """Number of the last batch of this journal that is in the store, 0 if none."""
        with self.engine.connect() as connection:
            last = sa.select(sa.func.max(applied_batch.c.batch)).where(
                applied_batch.c.journal_id == journal_id
            )
            return connection.execute(last).scalar() or 0

    def last_write(self) -> int:
        """The number of the last write. It is in the store with all before it, and whatever comes is numbered above."""
        [(number,)] = self.rows(sa.select(_LAST_WRITE))
        return int(number)

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """One transaction that writes, in this process's turn and among all processes. Whoever waits for it waits."""
        with self._writing, self.engine.begin() as connection:
            without_limit(connection)
            _take_turn(connection)
            yield connection

    @contextmanager
    def tidying(self) -> Iterator[bool]:
        """Whether no other process is tidying. If so, none begins to within the block."""
        if self.embedded:
            yield True
            return
        with self.engine.begin() as connection:
            yield bool(connection.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(_TIDYING))))

    def apply(self, journal_id: UUID, batch: int, rows: Mapping[str, str]) -> None:
        """Insert rows (table name → JSON array) and the journal's new mark, in one transaction: one write."""
        with self.writing() as connection:
            number = connection.execute(sa.select(_LAST_WRITE)).scalar_one() + 1
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
            told = stored(rows.get(event.name)) if self._heard or not self.embedded else []
            if not self.embedded:
                notify(connection, told)
        if self._heard and told:
            self._heard(told)

    def accepts(self, table: str, row: str) -> bool:
        """Whether the store would take this one row (JSON object); nothing is kept."""
        with self._writing, self.engine.connect() as connection:
            try:
                connection.execute(insert_json(metadata.tables[table]), {"rows": f"[{row}]", "stored_in": 0})
            except sa.exc.DBAPIError as error:
                if error.connection_invalidated:
                    raise
                return False
            finally:
                connection.rollback()
        return True

    def delete_website(self, website_id: UUID) -> None:
        """Remove everything of a website, what was acknowledged a moment ago included."""
        self.wait_until_settled()
        with self._writing, self.engine.begin() as connection:
            without_limit(connection)
            for table in WEBSITE_TABLES:
                if table is visit_part:
                    # Folding takes its rows out and puts them back: what is put back meanwhile would stay.
                    _take_turn(connection)
                connection.execute(table.delete().where(table.c.website_id == website_id))
            if not self.embedded:
                notify(connection, [Stored(website_id)])
        if self._heard:
            self._heard([Stored(website_id)])
        # The journal makes good for events that a lost log held, but it knows of no deletions.
        self.checkpoint()

    def follow(self, heard: Callable[[Sequence[Stored]], None], lost: Callable[[], None]) -> None:
        """Have `heard` called, in some thread, with all that is stored from now on, by other processes too.

        `lost` is called when something may not have been heard. There is one who follows. Raises Unavailable when the
        store does not answer.
        """
        if self.embedded:
            self._heard = heard  # what this process does not store, nobody does
        else:
            self._listener = Listener(self.engine, heard, lost)

    def unfollow(self) -> None:
        self._heard = None
        if self._listener:
            self._listener.close()
            self._listener = None

    def checkpoint(self) -> None:
        """Put everything into the database file itself, so that no log is needed to open it."""
        if self.embedded:
            with self._writing, self.engine.connect() as connection:
                _write_back(connection)

    def close(self) -> None:
        self.engine.dispose()
