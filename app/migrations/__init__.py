"""Bringing both databases to the schema this version knows: two Alembic chains, accounts and events.

Each migration is one transaction: one that is interrupted has changed nothing, those before it are done, and the next
start goes on with it. A database without tables gets all of them in one.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from app.errors import Invalid
from app.sql import CLICKHOUSE

log = logging.getLogger("dashi.migrations")

Chain = Literal["accounts", "events"]

_HERE = Path(__file__).parent
# Any constant number: two processes that start together must not migrate at once.
_LOCK = 7_244_310
# Milliseconds that another process's migration of the same SQLite file is waited for.
_SQLITE_PATIENCE = 600_000
# Seconds between two lines about a migration that takes long.
_EVERY = 10.0


def upgrade(engine: Engine, chain: Chain, to: str | None = None, *, beside: Engine | None = None) -> None:
    """Run the migrations that are missing, or those up to one. Both chains may share one database.

    `beside` is another database of the same processes: where this one has no locks they take turns there. Raises Invalid
    for a database of a later version.
    """
    with _turn(engine, beside):
        make_database(engine)
        with engine.connect() as connection:
            found = version(connection, chain)
        missing = _missing(chain, found, to)
        if not missing:
            return
        if found is None:
            with _step(engine) as connection:
                if version(connection, chain) is None:
                    _run(connection, chain, missing[-1])
            return
        log.info("the schema of %s is %s and is brought to %s", chain, found, missing[-1])
        for revision in missing:
            started = time.monotonic()
            with _told_of(revision), _step(engine) as connection:
                # On SQLite another process may have been first.
                if (version(connection, chain) or "") < revision:
                    _run(connection, chain, revision)
            log.info("%s is done, in %.1f s", revision, time.monotonic() - started)


def revisions(chain: Chain) -> list[str]:
    """All of a chain, in order: files are numbered, and revisions named after chain and number."""
    return [f"{chain}_{file.name[:4]}" for file in sorted((_HERE / chain).glob("[0-9]*.py"))]


def newest(chain: Chain) -> str:
    """The revision of a chain's last migration."""
    return revisions(chain)[-1]


def version(connection: Connection, chain: Chain) -> str | None:
    """The revision that a database has, None if it has none of this chain's tables."""
    table = sa.table(f"alembic_version_{chain}", sa.column("version_num"))
    if not sa.inspect(connection).has_table(table.name):
        return None
    found: str | None = connection.scalar(sa.select(table.c.version_num))
    return found


def _missing(chain: Chain, found: str | None, to: str | None) -> list[str]:
    known = revisions(chain)
    if found is None:
        return known[: known.index(to) + 1] if to else known
    if found not in known:
        later = bool(re.fullmatch(rf"{chain}_\d{{4}}", found)) and found > known[-1]
        raise Invalid(
            f"The schema of {chain} is {found}, "
            + (
                f"of a newer Dashi; this version knows it up to {known[-1]}. Install that version, or restore a backup "
                "made before"
                if later
                else "which is none of Dashi's"
            )
        )
    return [revision for revision in known if found < revision <= (to or known[-1])]


def make_database(engine: Engine) -> None:
    """Make the database on a ClickHouse server if it is not there: a server begins with an empty one called `default`."""
    if engine.dialect.name != CLICKHOUSE:
        return
    quote = engine.dialect.identifier_preparer.quote_identifier
    name = quote(engine.url.database or "default")
    cluster = getattr(engine.dialect, "cluster", "")
    on = f" ON CLUSTER {quote(cluster)}" if cluster else ""
    default = sa.create_engine(engine.url.set(database="default"))
    try:
        with default.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE IF NOT EXISTS {name}{on}")
    finally:
        default.dispose()


@contextmanager
def _turn(*engines: Engine | None) -> Iterator[None]:
    """Wait until no other process migrates these databases; none begins to within the block."""
    meeting = next((one for one in engines if one is not None and one.dialect.name == "postgresql"), None)
    if meeting is None:
        yield  # DuckDB's file belongs to one process, and a transaction on SQLite waits for others
        return
    with meeting.begin() as connection:
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
        yield


@contextmanager
def _step(engine: Engine) -> Iterator[Connection]:
    """One transaction, of which nothing stays if it fails."""
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        elif engine.dialect.name == "sqlite":
            # Python's driver begins a transaction for changes of rows alone: each change of a table would be there for
            # good at once, and half a migration cannot be run again.
            with _patient(connection):
                connection.exec_driver_sql("BEGIN IMMEDIATE")
        yield connection


@contextmanager
def _patient(connection: Connection) -> Iterator[None]:
    """Wait longer than others do for whoever writes to a SQLite file."""
    before = connection.exec_driver_sql("PRAGMA busy_timeout").scalar()
    connection.exec_driver_sql(f"PRAGMA busy_timeout = {_SQLITE_PATIENCE}")
    try:
        yield
    finally:
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {before}")


@contextmanager
def _told_of(revision: str) -> Iterator[None]:
    """Say now and then that a migration is still under way."""
    over = threading.Event()
    started = time.monotonic()

    def tell() -> None:
        while not over.wait(_EVERY):
            log.info("%s is under way, for %.0f s by now", revision, time.monotonic() - started)

    teller = threading.Thread(target=tell, name="migrations", daemon=True)
    teller.start()
    try:
        yield
    finally:
        over.set()
        teller.join()


def _run(connection: Connection, chain: Chain, to: str) -> None:
    # Imported when there is something to migrate: it would stay in memory, 9 MiB in each process.
    from alembic import command
    from alembic.config import Config

    if connection.dialect.name == CLICKHOUSE:
        import clickhouse_connect.cc_sqlalchemy.alembic  # noqa: F401 - it makes itself known

    # DuckDB's dialect makes itself known to Alembic as it is initialised, if that is imported by then.
    connection.dialect.initialize(connection)
    config = Config()
    config.set_main_option("script_location", str(_HERE))
    config.set_main_option("version_locations", str(_HERE / chain))
    config.set_main_option("path_separator", "newline")
    config.attributes.update(connection=connection, metadata=None, version_table=f"alembic_version_{chain}")
    command.upgrade(config, to)
