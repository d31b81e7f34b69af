"""Engines made from URLs: of the accounts store and of the event store."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event as sa_event
from sqlalchemy.engine import Engine, make_url
from sqlalchemy.orm import Session, sessionmaker

from app.errors import Invalid, Unavailable
from app.files import free_name
from app.listen import PATIENCE, be_missed
from app.outage import invalidated, no_room
from app.priority import step_back
from app.settings import Settings
from app.sql import CLICKHOUSE
from app.work import WORK

log = logging.getLogger("dashi.db")

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


def accounts_file(settings: Settings) -> Path | None:
    """The file that accounts are kept in, None if they are in no file."""
    return _file(settings.accounts_url, "sqlite")


def events_file(settings: Settings) -> Path | None:
    """The file that events are kept in, None if they are in no file."""
    return _file(settings.event_store_url, "duckdb")


def _file(url: str, backend: str) -> Path | None:
    parsed = make_url(url)
    return Path(parsed.database or "").resolve() if parsed.get_backend_name() == backend else None


def accounts_engine(settings: Settings) -> Engine:
    """The engine of users, websites and all that is edited."""
    url = make_url(settings.accounts_url)
    # A file does not hang up.
    embedded = url.get_backend_name() == "sqlite"
    patience = {} if embedded else _patience(url)
    engine = sa.create_engine(url, connect_args=patience, pool_pre_ping=not embedded, hide_parameters=True)

    @sa_event.listens_for(engine, "before_cursor_execute")
    def _count(*_: Any) -> None:
        if work := WORK.get():
            work.account_statements += 1

    if not embedded:
        sa_event.listen(engine, "connect", be_missed)
    else:

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
    if url.get_backend_name() == CLICKHOUSE:
        return _clickhouse_engine(settings, url)
    if url.get_backend_name() != "duckdb":
        size = settings.read_threads + 2
        engine = sa.create_engine(
            url,
            connect_args=_patience(url),
            pool_pre_ping=True,
            pool_size=size,
            max_overflow=4,
            hide_parameters=True,
            skip_autocommit_rollback=True,
        )
        sa_event.listen(engine, "connect", be_missed)
        sa_event.listen(engine, "connect", _prepare_for_questions(settings.statement_timeout))
        return engine
    file = Path(url.database or "")
    engine = _duckdb_engine(settings, file)
    if opened:
        open_duckdb(engine)
    return engine


def _clickhouse_engine(settings: Settings, url: sa.URL) -> Engine:
    try:
        from app.clickhouse import clickhouse_engine
    except ModuleNotFoundError as error:
        raise Invalid(
            "ClickHouse needs what is not installed: pip install 'dashi-analytics[clickhouse]'",
            field="EVENTS_URL",
        ) from error
    return clickhouse_engine(settings, url)


def open_duckdb(engine: Engine) -> None:
    """Open the file, with what is in its log. Raises Unavailable when that cannot be, now."""
    file = Path(engine.url.database or "")
    # DuckDB starts its workers now, and they have the priority of the thread that does.
    with ThreadPoolExecutor(1, initializer=step_back) as opener:
        opener.submit(_open_duckdb, engine, file).result()


def _patience(url: sa.URL) -> dict[str, int]:
    """How long an answer of PostgreSQL's machine is waited for, where the URL does not say it."""
    return {name: value for name, value in PATIENCE.items() if name not in url.query}


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


def _duckdb_engine(settings: Settings, file: Path) -> Engine:
    memory, processors = machine_limits()
    limit = settings.duckdb_memory_limit or f"{min(_MOST_MIB, max(256, memory // 2 // _MIB))}MiB"
    config = {
        "memory_limit": limit,
        "threads": str(settings.duckdb_threads or processors),
        "temp_directory": str(file.with_suffix(".tmp")),
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        # A table that is not there would be looked for among this program's variables.
        "python_enable_replacements": "false",
    }
    engine = sa.create_engine(
        f"duckdb:///{file}",
        connect_args={"config": config},
        pool_size=settings.read_threads + 2,
        max_overflow=4,
        hide_parameters=True,
        skip_autocommit_rollback=True,
    )
    sa_event.listen(engine, "handle_error", _hang_up_if_invalidated)
    return engine


def _hang_up_if_invalidated(context: sa.engine.ExceptionContext) -> None:
    """A connection to a database that is invalidated cannot even roll back."""
    if invalidated(context.original_exception):
        context.is_disconnect = True


def duckdb_file(file: Path) -> Engine:
    """An engine that reads a DuckDB file that no process holds, and changes nothing of it."""
    config = {"access_mode": "read_only", "autoinstall_known_extensions": "false"}
    return sa.create_engine(f"duckdb:///{file}", connect_args={"config": config}, hide_parameters=True)


def _open_duckdb(engine: Engine, file: Path) -> None:
    try:
        engine.connect().close()
    except sa.exc.DBAPIError as error:
        if "Could not set lock on file" in str(error):
            raise Unavailable(f"{file} is in use by another process; DuckDB allows one") from error
        wal = file.with_name(file.name + ".wal")
        if no_room(error):
            # Replaying may need some too; the log is as good as it was.
            raise Unavailable(f"{file} cannot be opened: there is no room left on its disk") from error
        if "replaying WAL" not in str(error) or not wal.exists():
            first_line = str(error.orig).partition("\n")[0]
            raise Unavailable(f"{file} cannot be opened: {first_line}") from error
        _quarantine(wal)
        engine.connect().close()


def _quarantine(wal: Path) -> None:
    """Move a write-ahead log that cannot be replayed aside.

    Nothing is lost by it: the journal keeps batches until a checkpoint has put them into the database file itself.
    """
    aside = free_name(wal, "quarantined")
    shutil.move(wal, aside)
    log.warning("%s could not be replayed and is now %s; the journal makes good for it", wal, aside)
