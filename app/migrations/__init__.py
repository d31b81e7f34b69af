"""Bringing both databases to the schema this version knows: two Alembic chains, accounts and events."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

Chain = Literal["accounts", "events"]

_HERE = Path(__file__).parent
# Any constant number: two processes that start together must not migrate at once.
_LOCK = 7_244_310


def upgrade(engine: Engine, chain: Chain) -> None:
    """Run the migrations that are missing. Both chains may share one database; each has its own version table."""
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
        if version(connection, chain) != newest(chain):
            _run(connection, chain)


def newest(chain: Chain) -> str:
    """The revision of a chain's last migration: files are numbered, and revisions named after chain and number."""
    number = max(file.name[:4] for file in (_HERE / chain).glob("[0-9]*.py"))
    return f"{chain}_{number}"


def version(connection: Connection, chain: Chain) -> str | None:
    """The revision that a database has, None if it has none of this chain's tables."""
    table = sa.table(f"alembic_version_{chain}", sa.column("version_num"))
    if not sa.inspect(connection).has_table(table.name):
        return None
    found: str | None = connection.scalar(sa.select(table.c.version_num))
    return found


def _run(connection: Connection, chain: Chain) -> None:
    # Imported when there is something to migrate: it would stay in memory, 9 MiB in each process.
    from alembic import command
    from alembic.config import Config

    # DuckDB's dialect makes itself known to Alembic as it is initialised, if that is imported by then.
    connection.dialect.initialize(connection)
    config = Config()
    config.set_main_option("script_location", str(_HERE))
    config.set_main_option("version_locations", str(_HERE / chain))
    config.set_main_option("path_separator", "newline")
    config.attributes.update(connection=connection, metadata=None, version_table=f"alembic_version_{chain}")
    command.upgrade(config, "head")
