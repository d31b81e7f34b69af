"""The journals of a DATA_DIR: one for each process, and those that processes have left."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from app.errors import Unavailable
from app.held import nobody_opens
from app.ingest.journal import Held, Journal


def open_journals(directory: Path, max_bytes: int, *, alone: bool = False) -> tuple[Journal, list[Journal]]:
    """This process's journal, and those that no process holds and that still have batches to apply.

    Each process that serves one PostgreSQL has a journal of its own; when fewer processes start than ran before, one
    of them takes over what the others left. Raises Unavailable when none can be opened, or, for a process that is to be
    `alone` with its store, when another holds one.
    """
    directory.mkdir(parents=True, exist_ok=True)
    # One process at a time, or each would take what another only looks into for a journal in use.
    with nobody_opens(directory):
        return _open_journals(directory, max_bytes, alone)


def _open_journals(directory: Path, max_bytes: int, alone: bool) -> tuple[Journal, list[Journal]]:
    mine: Journal | None = None
    left: list[Journal] = []
    for file in _journal_files(directory):
        if mine is not None and not file.exists():
            return mine, left
        try:
            journal = Journal(file, max_bytes)
        except Held:  # by another process, which applies it itself
            if alone:
                raise Unavailable(
                    f"{directory} is in use by another process; with events in DuckDB each needs a DATA_DIR of its own"
                ) from None
            continue
        if mine is None:
            mine = journal
        elif journal.last:
            left.append(journal)
        else:
            journal.close()
    if mine is None:
        raise Unavailable(f"No journal is free in {directory}")
    return mine, left


def wait_for_others(mine: Journal, seconds: float) -> bool:
    """Wait until what the journals of other processes beside this one hold at this moment is applied: whether it is.

    For stores that many processes share: there a journal forgets what is applied.
    """
    deadline = time.monotonic() + seconds
    applied = True
    for file in mine.file.parent.glob("journal-*.sqlite"):
        if file != mine.file:
            with (
                # A journal that is being made this moment has no tables yet, and holds nothing.
                suppress(sqlite3.OperationalError),
                closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=1)) as connection,
            ):
                applied = _wait_until_applied(connection, deadline) and applied
    return applied


def _wait_until_applied(journal: sqlite3.Connection, deadline: float) -> bool:
    target = journal.execute("SELECT max(number) FROM batch").fetchone()[0]
    waiting = "SELECT 1 FROM batch WHERE number <= ? LIMIT 1"
    while target is not None and journal.execute(waiting, (target,)).fetchone():
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.01)
    return True


def _journal_files(directory: Path) -> Iterator[Path]:
    for number in range(1, 257):
        yield directory / f"journal-{number}.sqlite"
