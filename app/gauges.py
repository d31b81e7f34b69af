"""Figures of a running server that are looked up when `/metrics` is asked for: of its files, threads and stores."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy.engine import make_url

from app import migrations
from app.db import EventStore
from app.ingest.collect import Collector
from app.metrics import Metrics
from app.settings import Settings
from app.tidy import Tidy


def watch_files(metrics: Metrics, settings: Settings, collector: Collector) -> None:
    """Sizes in bytes; 0 for what is not there."""
    journal = collector.journal.file
    metrics.gauge(
        "dashi_journal_file_bytes",
        "Size of the journal's file and its log.",
        lambda: _size(journal) + _size(journal.with_name(f"{journal.name}-wal")),
    )
    url = make_url(settings.event_store_url)
    if url.get_backend_name() == "duckdb":
        file = Path(url.database or "")
        log = file.with_name(f"{file.name}.wal")
        metrics.gauge("dashi_duckdb_file_bytes", "Size of DuckDB's file.", lambda: _size(file))
        metrics.gauge("dashi_duckdb_wal_bytes", "Size of DuckDB's write-ahead log.", lambda: _size(log))
    url = make_url(settings.accounts_url)
    if url.get_backend_name() == "sqlite":
        accounts = Path(url.database or "")
        metrics.gauge("dashi_accounts_file_bytes", "Size of the accounts' file.", lambda: _size(accounts))


def watch_tidying(metrics: Metrics, tidy: Tidy) -> None:
    metrics.counter("dashi_tidied_rows", "Rows sorted or folded.", lambda: tidy.moved)
    metrics.counter("dashi_tidying_failures", "Times that tidying failed.", lambda: tidy.failed)
    metrics.gauge("dashi_tidying", "1 while rows are tidied.", lambda: tidy.busy)


def tell_versions(metrics: Metrics, events: EventStore) -> None:
    with events.connected() as connection:
        found = connection.exec_driver_sql("SELECT version()").scalar_one()
    metrics.info(
        store=events.engine.dialect.name,
        # PostgreSQL tells its compiler and machine as well.
        store_version=str(found).removeprefix("PostgreSQL ").split()[0].lstrip("v"),
        accounts_schema=migrations.newest("accounts"),
        events_schema=migrations.newest("events"),
    )


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0
