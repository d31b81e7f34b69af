"""The `dashi backup` and `dashi restore` commands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn
from sqlalchemy.engine import make_url

from app import backup as backups
from app import restore as restoring
from app.manifest import ACCOUNTS, EVENTS, SECRET
from app.settings import Settings
from app.sql import CLICKHOUSE

_console = Console(highlight=False, soft_wrap=True)
# What copies what is on a server.
_SERVERS: Final = {"postgresql": ("PostgreSQL", "pg_dump"), CLICKHOUSE: ("ClickHouse", "its BACKUP DATABASE")}


def backup(
    target: Annotated[Path, typer.Argument(help="A new directory for the backup.", metavar="TARGET")],
) -> None:
    """Copy accounts, events, the journal and the secret into a new directory, also while the server runs.

    Every event that was acknowledged before the backup began is in it, once. Collecting and dashboards go on meanwhile.
    The directory has its name only once all of it is written. Run it as the user that runs the server, with the same
    settings. What is in PostgreSQL or ClickHouse is not in it: run pg_dump, or ClickHouse's BACKUP, after it, not before.
    Example:

        dashi backup /backups/$(date +%Y-%m-%d)
    """
    settings = Settings()
    with _bar() as progress:
        manifest = backups.backup(settings, target, progress)
    size = sum(file.bytes for file in manifest.files.values())
    _console.print(
        f"{target} holds {len(manifest.files)} files, {size:,} bytes. Keep it as secret as the server."
    )
    kept = (
        ("The accounts", ACCOUNTS, settings.accounts_url),
        ("The events", EVENTS, settings.event_store_url),
    )
    for backend, (server, tool) in _SERVERS.items():
        elsewhere = [
            what
            for what, name, url in kept
            if name not in manifest.files and make_url(url).get_backend_name() == backend
        ]
        if elsewhere:
            said = " and ".join(elsewhere).replace("and The", "and the")
            _console.print(
                f"{said} are in {server} and not in it: run {tool} now, after this backup and not before it. "
                "Restored together, every event counts once."
            )
    if SECRET not in manifest.files:
        _console.print("APP_SECRET comes from the environment and is not in it: keep it with the backup.")


def restore(
    source: Annotated[Path, typer.Argument(help="A directory that `dashi backup` made.", metavar="SOURCE")],
    force: Annotated[
        bool, typer.Option("--force", help="Move files that are in the way aside, and go on.")
    ] = False,
) -> None:
    """Put the files of a backup in place, for a server that is stopped.

    Checksums and versions are checked before anything is touched. Files that are there are never overwritten: without
    --force nothing is done, with it they are renamed to `….before-restore-…`. The next start brings the schema up to
    date. Where events are in PostgreSQL or ClickHouse, restore those first. Example:

        DATA_DIR=/data dashi restore /backups/2026-11-26 && DATA_DIR=/data dashi serve
    """
    settings = Settings()
    with _bar() as progress:
        done = restoring.restore(settings, source, force, progress)
    made = done.manifest
    _console.print(f"The backup of {made.made_at}, made by Dashi {made.versions['dashi']}, is in place.")
    for file in done.aside:
        _console.print(f"  moved aside: {file}")
    if not done.same_secret:
        _console.print(
            "[yellow]The secret is not that of the backup:[/yellow] all logins end, and every visitor counts as a new one. "
            "Set APP_SECRET to the old one before the server starts."
        )


@contextmanager
def _bar() -> Iterator[backups.Progress]:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(highlight=False, stderr=True)) as bar:
        task = bar.add_task("Beginning", total=None)

        def progress(what: str, done: int, total: int) -> None:
            bar.update(task, description=what, completed=min(done, total), total=total)

        yield progress
