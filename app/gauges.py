"""Figures of a running server that are looked up when `/metrics` is asked for: of its files, threads and stores."""

from __future__ import annotations

from app import migrations
from app.db import EventStore
from app.engines import accounts_file, events_file
from app.files import size
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
        lambda: size(journal) + size(journal.with_name(f"{journal.name}-wal")),
    )
    if events := events_file(settings):
        log = events.with_name(f"{events.name}.wal")
        metrics.gauge("dashi_duckdb_file_bytes", "Size of DuckDB's file.", lambda: size(events))
        metrics.gauge("dashi_duckdb_wal_bytes", "Size of DuckDB's write-ahead log.", lambda: size(log))
    if accounts := accounts_file(settings):
        metrics.gauge("dashi_accounts_file_bytes", "Size of the accounts' file.", lambda: size(accounts))


def watch_tidying(metrics: Metrics, tidy: Tidy) -> None:
    metrics.counter("dashi_tidied_rows", "Rows sorted or folded.", lambda: tidy.moved)
    metrics.counter("dashi_tidying_failures", "Times that tidying failed.", lambda: tidy.failed)
    metrics.gauge("dashi_tidying", "1 while rows are tidied.", lambda: tidy.busy)


def tell_versions(metrics: Metrics, events: EventStore) -> None:
    with events.connected() as connection:
        found = connection.exec_driver_sql("SELECT version()").scalar_one()
    metrics.info(
        store=events.name,
        # PostgreSQL tells its compiler and machine as well.
        store_version=str(found).removeprefix("PostgreSQL ").split()[0].lstrip("v"),
        accounts_schema=migrations.newest("accounts"),
        events_schema=migrations.newest("events"),
    )
