"""The `dashi move-events` command."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import sqlalchemy as sa
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from sqlalchemy.engine import URL, make_url

from app import logs, migrations, moving, removals
from app.context import Runtime
from app.db import EventStore
from app.engines import events_file
from app.errors import Conflict, Invalid, Unavailable
from app.held import unheld
from app.models import Website
from app.security import Keys, load_app_secret
from app.services import open_accounts
from app.settings import Settings
from app.stores import event_store

_console = Console(highlight=False, soft_wrap=True)
_ENGINES = ("duckdb", "postgresql", "clickhousedb")
# Seconds that one question may take when both stores are compared: the longest there is.
_LONG = 3600.0
_MOST_DIFFERENCES = 20
_STOPPING = (signal.SIGINT, signal.SIGTERM)


def move_events(
    urls: Annotated[
        list[str],
        typer.Argument(
            metavar="[FROM] TO",
            help="The event store to move from, EVENTS_URL's if left out, and the one to move to.",
        ),
    ],
) -> None:
    """Move all events to another event store: DuckDB, PostgreSQL and ClickHouse, from any to any.

    Stores are given as in EVENTS_URL: duckdb:////data/events.duckdb, postgresql://user@host/database or
    clickhousedb://user@host:8123/database. How to:

    1. Stop every server that uses the store.

    2. Run `dashi move-events TO` as the user that runs the server, with its settings.

    3. Set EVENTS_URL to TO, and start the server. Keep the old store until you are content.

    The destination must be empty; its tables are made. Nothing is taken from the source. Stopped, cut off or out of room, the
    same command goes on where it was. In the end both stores are compared, by what each table holds of each website and
    by the figures of each of its months; if anything differs it is named, and it ends with 1.

    What the journal still holds is counted by the server's next start. A command line can be seen by other users of the
    machine: PostgreSQL's password may be in ~/.pgpass or PGPASSWORD instead. Examples:

        dashi move-events postgresql://dashi@db.internal/events

        dashi move-events postgresql://dashi@db.internal/events duckdb:////data/events.duckdb
    """
    if len(urls) > 2:
        raise Invalid("Give the store to move to, or the store to move from and the one to move to")
    settings = Settings()
    logs.configure(settings)
    source, target = (
        Settings(events_url=url, statement_timeout=_LONG) for url in [settings.event_store_url, *urls][-2:]
    )
    _check(source, target)
    with unheld(settings.data_dir.resolve() / "journal", events_file(source)):
        _move(settings, source, target)


def _check(source: Settings, target: Settings) -> None:
    for url in (make_url(one.event_store_url) for one in (source, target)):
        if url.get_backend_name() not in _ENGINES:
            raise Invalid(
                f"{_shown(url)} is no event store: give a duckdb:///, postgresql:// or clickhousedb:// URL"
            )
    if _place_of(source) == _place_of(target):
        raise Invalid(f"{_shown(make_url(target.event_store_url))} is both the source and the destination")
    file = events_file(source)
    if file and not file.exists():
        raise Invalid(f"There is no {file} to move events from")


def _place_of(settings: Settings) -> tuple[Any, ...]:
    """Equal for the same event store, whoever asks it."""
    url = make_url(settings.event_store_url)
    if url.get_backend_name() == "duckdb":
        return ("duckdb", Path(url.database or "").resolve())
    hosts = {name: url.query[name] for name in ("host", "port", "path", "interface") if name in url.query}
    return (url.get_backend_name(), url.host, url.port, url.database, tuple(sorted(hosts.items())))


def _shown(url: URL) -> str:
    return url.render_as_string(hide_password=True)


def _move(settings: Settings, source: Settings, target: Settings) -> None:
    accounts = open_accounts(settings)
    keys = Keys(load_app_secret(settings))
    with _opened(source, "source") as there, _opened(target, "destination") as here:
        moved_from, moved_to = (Runtime(settings, keys, accounts, store) for store in (there, here))
        try:
            _finish_removals(moved_from, _place_of(settings) == _place_of(source))
            with _bar() as progress:
                rows = moving.move(there, here, progress)
                with moving.told("source or destination", there):
                    found = moving.compare(moved_from, moved_to, progress)
        finally:
            for runtime in (moved_from, moved_to):
                runtime.close()
    _console.print(_table(found))
    _judge(found)
    _console.print(
        f"{rows:,} rows are in {_shown(here.engine.url)}, and the same is said of each website. Set EVENTS_URL to it, "
        "with its password, and start the server. Keep the old store until you are content."
    )


@contextmanager
def _opened(settings: Settings, which: str) -> Iterator[EventStore]:
    """The migrated store. Raises Unavailable if it cannot be used, Invalid if it is of a later version."""
    store = event_store(settings)
    try:
        with moving.told(which, store):
            migrations.upgrade(store.engine, "events")
            store.checkpoint()
        yield store
    finally:
        store.close()


def _finish_removals(runtime: Runtime, bounds_are_of_it: bool) -> None:
    """Remove what is to be removed. The bounds of removals are numbers of writes, which another store has others of."""
    if not _is_removing(runtime):
        return
    if not bounds_are_of_it:
        raise Conflict(
            "Rows of websites are still to be removed from the store that was served last. Set EVENTS_URL to it and "
            "try again: that removes them first"
        )
    _console.print("Rows of websites are still to be removed. That comes first.")
    with moving.told("source", runtime.events):
        removals.work_off(runtime, keep=False)
    if _is_removing(runtime):
        raise Unavailable("A website was deleted a moment ago: try again in a minute")


def _is_removing(runtime: Runtime) -> bool:
    hidden = sa.select(Website.website_id).where(Website.removed_upto.is_not(None)).limit(1)
    with runtime.accounts() as session:
        return removals.is_under_way(runtime) or session.scalar(hidden) is not None


def _table(found: moving.Comparison) -> Table:
    table = Table("Compared", "Websites", "In both", box=None, pad_edge=False)
    for one in found.compared:
        sums = ", ".join(f"{name} {_value(value)}" for name, value in one.sums.items() if value is not None)
        table.add_row(one.of, f"{one.websites:,}", sums)
    return table


def _value(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _judge(found: moving.Comparison) -> None:
    if not found.differences:
        return
    for one in found.differences[:_MOST_DIFFERENCES]:
        _console.print(
            f"[red]differs:[/red] website {one.website_id}, {one.of}: {one.figure} is {_value(one.source)} in the source "
            f"and {_value(one.target)} in the destination"
        )
    raise Conflict(
        f"{len(found.differences)} figures differ: do not use the destination. Empty it and move again; if that does not "
        "help, it is an error of Dashi's"
    )


@contextmanager
def _bar() -> Iterator[moving.Progress]:
    """A bar that shows progress. Told to stop, the process does at the next step: within one, DuckDB would fail by it."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} of {task.total:,.0f}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    told: list[int] = []
    before = {which: signal.signal(which, lambda number, _: told.append(number)) for which in _STOPPING}
    try:
        with Progress(*columns, console=Console(highlight=False, stderr=True)) as bar:
            task = bar.add_task("Beginning", total=0)

            def progress(what: str, done: int, total: int) -> None:
                if told:
                    raise Unavailable("Stopped. The same command goes on from here")
                bar.update(task, description=what, completed=min(done, total), total=total)

            yield progress
    finally:
        for which, handler in before.items():
            signal.signal(which, handler)
