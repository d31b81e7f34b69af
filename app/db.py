"""Engines made from URLs, and the event store: one SQLAlchemy engine, whatever is behind it."""

from __future__ import annotations

import copy
import logging
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import event as sa_event
from sqlalchemy.engine import Engine, Row, make_url
from sqlalchemy.orm import Session, sessionmaker

from app.errors import Invalid, Unavailable
from app.folding import fold_json
from app.listen import Listener, notify
from app.priority import step_back
from app.settings import Settings
from app.sql import insert_json
from app.stored import Stored, stored
from app.tables import DATA_TABLES, WEBSITE_TABLES, applied_batch, event, metadata, visit_part
from app.watchdog import WATCHDOG
from app.work import WORK

log = logging.getLogger("dashi.db")

DEFAULT_TIMEOUT = 30.0
_QUERY_CANCELED = "57014"  # PostgreSQL's SQLSTATE

_CGROUP = Path("/sys/fs/cgroup")
_MIB = 1 << 20
# What DuckDB keeps in memory, unless told otherwise; it writes the rest to a file. With as much as it likes, dashboards
# of a year of 3 M events had a server grow to 1 GB; with this they take no more than 600 MB, and half as long again.
_MOST_MIB = 384
# What PostgreSQL may hash: 1.6 million ids. Where a filter asks whether an id is among others, and that is more than
# the engine's own 8 MB, it would look through all of them for each event (300,000 ids, 600,000 events: 30 s and no
# answer, against 2 s).
_HASH_BYTES = 64 << 20
# What PostgreSQL is told of questions where nobody has told it otherwise (docs/decisions/0021-postgresql-settings.md).
_FOR_QUESTIONS = {
    # A page out of turn, beside one in turn. It takes 4, as of rotating disks: then a month of a website is not looked up
    # but found by several processes that read the year, at twice the work. At 1.1 it would look up every event of a year
    # where a filter keeps a few, at three times the work.
    "random_page_cost": "2",
    # A statement is the same for a day and for a year. Planned once for all, it would be planned for 1/200 of the events.
    "plan_cache_mode": "force_custom_plan",
    # Compiling a statement takes as long as it saves, and a tenth longer than that where there are many expressions.
    "jit": "off",
}
_LONGEST_TURN_MS = 30_000
# Any constant number but that of the migrations.
_WRITING = 7_244_311
_TIDYING = 7_244_312
_LAST_WRITE = sa.func.coalesce(sa.func.max(applied_batch.c.stored_in), 0)


def machine_limits() -> tuple[int, int]:
    """(bytes of memory, processors) this process may use: the cgroup's limit where there is one, else the machine's."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limit = _cgroup_words("memory.max")
    if limit and limit[0].isdigit():
        memory = min(memory, int(limit[0]))
    quota = _cgroup_words("cpu.max")
    if len(quota) == 2 and quota[0].isdigit():
        processors = min(processors, max(1, round(int(quota[0]) / int(quota[1]))))
    return memory, processors


def _cgroup_words(name: str) -> list[str]:
    try:
        return (_CGROUP / name).read_text().split()
    except OSError:  # no cgroup v2 here: the machine's own figures stand
        return []


def accounts_engine(settings: Settings) -> Engine:
    """The engine of users, websites and all that is edited."""
    url = make_url(settings.accounts_url)
    # A file does not hang up.
    embedded = url.get_backend_name() == "sqlite"
    engine = sa.create_engine(url, pool_pre_ping=not embedded, hide_parameters=True)

    @sa_event.listens_for(engine, "before_cursor_execute")
    def _count(*_: Any) -> None:
        if work := WORK.get():
            work.account_statements += 1

    if embedded:

        @sa_event.listens_for(engine, "connect")
        def _configure(connection: Any, _record: Any) -> None:
            cursor = connection.cursor()
            cursor.execute("PRAGMA journal_mode=WAL")
            cursor.execute("PRAGMA synchronous=FULL")
            cursor.execute("PRAGMA foreign_keys=ON")
            cursor.execute("PRAGMA busy_timeout=5000")
            cursor.close()

    return engine


def accounts_sessions(engine: Engine) -> sessionmaker[Session]:
    return sessionmaker(engine, expire_on_commit=False)


def events_engine(settings: Settings, *, opened: bool = True) -> Engine:
    """The engine of the event store; unless `opened`, nothing is touched before the first question.

    Raises Unavailable when another process holds the DuckDB file.
    """
    url = make_url(settings.event_store_url)
    if url.get_backend_name() != "duckdb":
        size = settings.read_threads + 2
        engine = sa.create_engine(
            url,
            pool_pre_ping=True,
            pool_size=size,
            max_overflow=4,
            hide_parameters=True,
            skip_autocommit_rollback=True,
        )
        sa_event.listen(engine, "connect", _prepare_for_questions(settings.statement_timeout))
        return engine
    file = Path(url.database or "")
    engine = _duckdb_engine(settings, file)
    if opened:
        # DuckDB starts its workers now, and they have the priority of the thread that does.
        with ThreadPoolExecutor(1, initializer=step_back) as opener:
            opener.submit(_open_duckdb, engine, file).result()
    return engine


def _prepare_for_questions(seconds: float) -> Callable[[Any, Any], None]:
    """No question to PostgreSQL runs for ever; `without_limit` lets what is no question. Ids are hashed.

    What the server's operator has set stands: more memory than this, or anything of `_FOR_QUESTIONS`.
    """

    def prepare(connection: Any, _record: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"SET statement_timeout = {round(seconds * 1000)}")
            cursor.execute(
                "SELECT set_config('hash_mem_multiplier', least(1000, greatest("
                "current_setting('hash_mem_multiplier')::float, "
                f"{_HASH_BYTES}.0 / pg_size_bytes(current_setting('work_mem'))))::text, false)"
            )
            for name, value in _FOR_QUESTIONS.items():
                cursor.execute(
                    "SELECT set_config(name, %s, false) FROM pg_settings WHERE name = %s AND source = 'default'",
                    (value, name),
                )
        connection.commit()

    return prepare


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


def _duckdb_engine(settings: Settings, file: Path) -> Engine:
    memory, processors = machine_limits()
    limit = settings.duckdb_memory_limit or f"{min(_MOST_MIB, max(256, memory // 2 // _MIB))}MiB"
    config = {
        "memory_limit": limit,
        "threads": str(settings.duckdb_threads or processors),
        "temp_directory": str(file.with_suffix(".tmp")),
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
    }
    return sa.create_engine(
        f"duckdb:///{file}",
        connect_args={"config": config},
        pool_size=settings.read_threads + 2,
        max_overflow=4,
        hide_parameters=True,
        skip_autocommit_rollback=True,
    )


def _open_duckdb(engine: Engine, file: Path) -> None:
    try:
        engine.connect().close()
    except sa.exc.DBAPIError as error:
        if "Could not set lock on file" in str(error):
            raise Unavailable(f"{file} is in use by another process; DuckDB allows one") from error
        wal = file.with_name(file.name + ".wal")
        if "replaying WAL" not in str(error) or not wal.exists():
            raise
        _quarantine(wal)
        engine.connect().close()


def _quarantine(wal: Path) -> None:
    """Move a write-ahead log that cannot be replayed aside.

    Nothing is lost by it: the journal keeps batches until a checkpoint has put them into the database file itself.
    """
    number = 1
    while (aside := wal.with_name(f"{wal.name}.quarantined-{number}")).exists():
        number += 1
    shutil.move(wal, aside)
    log.warning("%s could not be replayed and is now %s; the journal makes good for it", wal, aside)


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
                connection.exec_driver_sql("CHECKPOINT")

    def close(self) -> None:
        self.engine.dispose()
