"""The event store of some settings."""

from __future__ import annotations

from app.db import EventStore
from app.duckdb_store import DuckDBStore
from app.engines import accounts_engine, accounts_file, events_engine
from app.postgresql_store import PostgreSQLStore
from app.settings import Settings
from app.sql import CLICKHOUSE


def event_store(settings: Settings, *, opened: bool = True) -> EventStore:
    """The event store; unless `opened`, nothing is touched before the first question. Raises as `events_engine`."""
    engine = events_engine(settings, opened=opened)
    kind = engine.dialect.name
    if kind == "duckdb":
        return DuckDBStore(engine, settings.statement_timeout)
    if kind != CLICKHOUSE:
        return PostgreSQLStore(engine, settings.statement_timeout)
    # Without the extra that it needs it cannot be imported, and whoever has another store has no use for it.
    from app.clickhouse_store import ClickHouseStore

    accounts = None if accounts_file(settings) else accounts_engine(settings)
    return ClickHouseStore(engine, settings.statement_timeout, accounts, settings.data_dir.resolve())
