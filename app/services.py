"""What a process holds: opened in order, and closed again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session, sessionmaker

from app import auth, gauges, migrations, peers, removals
from app.context import SYSTEM, Runtime
from app.control import Control
from app.duckdb_store import DuckDBStore
from app.engines import accounts_engine, accounts_file, accounts_sessions, events_file
from app.errors import AppError, Invalid, Unavailable
from app.ingest.collect import Collector
from app.ingest.journal import Journal
from app.ingest.journals import open_journals
from app.live.hub import Live
from app.metrics import Forwarded, Metrics
from app.outage import outage
from app.peers import Peers
from app.removals import Removing
from app.scrape import Workers
from app.security import Keys, load_app_secret
from app.settings import Settings
from app.stores import event_store
from app.tidy import Tidy


@dataclass(frozen=True, slots=True)
class Services:
    """What a running process holds."""

    runtime: Runtime
    collector: Collector
    metrics: Metrics
    live: Live
    tidy: Tidy
    control: Control | None
    workers: Workers
    peers: Peers
    removing: Removing


def open_accounts(settings: Settings) -> sessionmaker[Session]:
    """Open and migrate the accounts store alone: on embedded files that works beside a running server."""
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    engine = accounts_engine(settings)
    with _told("The accounts store"):
        migrations.upgrade(engine, "accounts")
    return accounts_sessions(engine)


@contextmanager
def _told(store: str) -> Iterator[None]:
    """Raise Unavailable, in the driver's words, for a store that cannot be used."""
    try:
        yield
    except sa.exc.DBAPIError as error:
        if told := outage(error, store):
            first_line = str(error.orig).partition("\n")[0]
            raise Unavailable(f"{told.message}: {first_line}") from error
        raise


def open_accounts_runtime(settings: Settings) -> Runtime:
    """A runtime for what concerns accounts alone: as `open_accounts` it works beside a running server."""
    accounts = open_accounts(settings)
    events = event_store(settings, opened=False)
    return Runtime(settings, Keys(load_app_secret(settings)), accounts, events)


def open_runtime(settings: Settings) -> tuple[Runtime, str | None]:
    """Open and migrate both stores, and make the first admin: (runtime, the password made up for it, if any).

    Raises Invalid for settings that cannot work together, Unavailable when a store cannot be opened.
    """
    if settings.workers > 1 and events_file(settings):
        raise Invalid(
            "DuckDB belongs to one process: set WORKERS=1, or EVENTS_URL to a PostgreSQL database",
            field="WORKERS",
        )
    if settings.workers > 1 and accounts_file(settings):
        raise Invalid(
            "Several processes keep accounts in PostgreSQL: set WORKERS=1, or DATABASE_URL to a PostgreSQL database",
            field="WORKERS",
        )
    accounts = open_accounts(settings)
    events = event_store(settings)
    with _told("The event store"):
        migrations.upgrade(events.engine, "events", beside=accounts.kw["bind"])
    events.checkpoint()
    runtime = Runtime(settings, Keys(load_app_secret(settings)), accounts, events)
    return runtime, runtime.call(SYSTEM, auth.ensure_admin)


def _journals(settings: Settings) -> tuple[Journal, list[Journal]]:
    alone = events_file(settings) is not None
    return open_journals(settings.data_dir.resolve() / "journal", settings.journal_max_bytes, alone=alone)


def check_start(settings: Settings) -> str | None:
    """Raise where serving would: a server's own failure would be a trace. As `open_runtime` for the password."""
    runtime, password = open_runtime(settings)
    try:
        peers.check(runtime)
    finally:
        runtime.close()
    own, left_over = _journals(settings)
    for journal in (own, *left_over):
        journal.close()
    return password


def open_services(settings: Settings) -> Services:
    """A runtime that collects. Raises as `open_runtime`."""
    runtime, _ = open_runtime(settings)
    try:
        meeting = Peers(runtime)
    except AppError:
        runtime.close()
        raise
    metrics = Metrics(Forwarded(runtime.proxies, settings.client_ip_header))
    runtime.logged_in = lambda outcome: metrics.logins.labels(outcome).inc()
    runtime.events.observed = metrics.statement_seconds.observe
    journal, left_over = _journals(settings)
    live = Live(runtime)
    metrics.gauge("dashi_subscriptions", "Subscriptions at this moment.", lambda: live.count)
    collector = Collector(runtime, journal, left_over, metrics)
    # What is in PostgreSQL is copied with PostgreSQL's own means.
    events = runtime.events
    control = Control(settings.data_dir.resolve(), events) if isinstance(events, DuckDBStore) else None
    tidy = Tidy(runtime.events)
    gauges.watch_files(metrics, settings, collector)
    gauges.watch_tidying(metrics, tidy)
    gauges.tell_versions(metrics, runtime.events)
    workers = Workers(metrics, journal.file, settings.workers > 1)
    runtime.events.is_removing = lambda: removals.is_under_way(runtime)
    return Services(runtime, collector, metrics, live, tidy, control, workers, meeting, Removing(runtime))


def close_services(services: Services) -> None:
    services.live.close()
    services.peers.close()
    if services.control is not None:
        services.control.close()
    services.workers.close()
    services.tidy.close()
    services.removing.close()
    services.collector.close()
    services.runtime.close()
