"""`dashi backup`: copies of the embedded files, while the server runs or while none does.

The journal is copied before the events. What was acknowledged before that is in the journal's copy, unless the store had
it for good by then, and so has it when it is copied later. What is in both is counted once: the store's mark says up to
which batch it has applied the journal (docs/decisions/0028-operating.md).
"""

from __future__ import annotations

import datetime as dt
import os
import platform
import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from app import control, migrations
from app.duckdb_store import DuckDBStore
from app.engines import accounts_file, duckdb_file, events_engine, events_file
from app.errors import Conflict, Invalid, Unavailable
from app.files import size
from app.manifest import ACCOUNTS, EVENTS, JOURNAL, SECRET, Copied, Manifest, checked, secret_check
from app.security import load_app_secret
from app.settings import Settings

# Called with what is being done, and how many bytes of about how many are there.
Progress = Callable[[str, int, int], None]

_LOOK: Final = 0.2
# What a copy may take more than its original, and what is to be left: a full disk would stop the server.
_ROOM: Final = 1.1
_LEFT: Final = 64 << 20


def backup(settings: Settings, target: Path, progress: Progress) -> Manifest:
    """Copy all embedded files into a new directory. It has its name once all of it is there and on disk.

    Raises Conflict if the target is there already, Invalid if there is nothing to copy, Unavailable if it cannot be done.
    """
    target = target.resolve()
    if target.exists():
        raise Conflict(f"{target} is there already: a backup is a new directory")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(
            tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent)
        )  # readable by its owner only
    except OSError as error:
        raise _unwritten(error) from error
    before = os.umask(0o077)
    try:
        manifest = _Copying(settings, draft, progress).run()
        manifest.write(draft)
        for path in (*(path for path in draft.rglob("*")), draft):
            _to_disk(path)
        draft.rename(target)
        _to_disk(target.parent)
    except OSError as error:
        raise _unwritten(error) from error
    finally:
        os.umask(before)
        shutil.rmtree(draft, ignore_errors=True)
    return manifest


def _unwritten(error: OSError) -> Unavailable:
    return Unavailable(f"The backup could not be written: {error.strerror}")


class _Copying:
    """What goes into one backup."""

    def __init__(self, settings: Settings, draft: Path, progress: Progress) -> None:
        self._settings, self._draft, self._progress = settings, draft, progress
        self._accounts, self._events = accounts_file(settings), events_file(settings)
        journals = (settings.data_dir.resolve() / JOURNAL).glob("journal-*.sqlite")
        self._sqlite = {ACCOUNTS: self._accounts} if self._accounts else {}
        self._sqlite |= {f"{JOURNAL}/{file.name}": file for file in sorted(journals)}
        self._size = sum(size(file) for file in (*self._sqlite.values(), self._events) if file)
        self._done = 0

    def run(self) -> Manifest:
        for file in (self._accounts, self._events):
            if file and not file.exists():
                raise Invalid(f"{file} is not there: nothing has been served from these settings yet")
        if shutil.disk_usage(self._draft).free < self._size * _ROOM + _LEFT:
            raise Unavailable(f"The backup takes about {self._size >> 20} MiB, and there is no room for it")
        (self._draft / JOURNAL).mkdir()
        for name, file in self._sqlite.items():
            self._copy_sqlite(file, self._draft / name)
        if self._events:
            self._copy_events(self._events, self._draft / EVENTS)
        if self._settings.app_secret is None:
            shutil.copyfile(self._settings.data_dir / SECRET, self._draft / SECRET)
        return self._manifest()

    def _copy_sqlite(self, file: Path, to: Path) -> None:
        """Copy within one transaction. Whoever writes to it meanwhile does not wait."""
        self._progress(f"Copying {file.name}", self._done, self._size)
        with (
            closing(sqlite3.connect(f"{file.as_uri()}?mode=rw", uri=True, timeout=30)) as source,
            closing(sqlite3.connect(to)) as copy,
        ):
            try:
                source.backup(copy)
                copy.execute("PRAGMA journal_mode=DELETE")  # a file by itself, without a log beside it
                [(found,)] = copy.execute("PRAGMA quick_check(1)")
            except sqlite3.Error as error:
                raise Unavailable(f"{file} could not be copied ({error.sqlite_errorname})") from error
        if found != "ok":
            raise Unavailable(f"{file} is damaged")
        self._done += size(file)

    def _copy_events(self, file: Path, to: Path) -> None:
        """Have the server that holds the file copy it, or do so where no server does."""
        text = f"Copying {file.name}"

        def waiting() -> None:
            self._progress(text, self._done + size(to), self._size)

        waiting()
        directory = self._settings.data_dir.resolve()
        if not control.ask(directory, {"copyEventsTo": str(to)}, waiting):
            self._copy_unheld(to, waiting)
        if not to.exists():
            raise Unavailable(f"The server did not write {to}: does it see the same directories?")
        self._done += size(file)

    def _copy_unheld(self, to: Path, waiting: Callable[[], None]) -> None:
        """Raises Unavailable if another process holds the file."""
        events = DuckDBStore(events_engine(self._settings), self._settings.statement_timeout)
        given_up = threading.Event()
        with ThreadPoolExecutor(1) as worker:
            copied = worker.submit(events.copy_to, to, lambda: not given_up.is_set())
            try:
                while not wait([copied], _LOOK).done:
                    waiting()
                copied.result()
            finally:
                given_up.set()
        events.close()

    def _manifest(self) -> Manifest:
        total = sum(size(path) for path in _files(self._draft))
        seen = 0

        def count(size: int) -> None:
            nonlocal seen
            seen += size
            self._progress("Checking", seen, total)

        files: dict[str, Copied] = {}
        for path in _files(self._draft):
            path.chmod(0o600)
            files[path.relative_to(self._draft).as_posix()] = checked(path, count)
        return Manifest(
            made_at=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            versions=versions(),
            accounts=schema_of(self._draft / ACCOUNTS, "accounts"),
            events=schema_of(self._draft / EVENTS, "events"),
            secret_check=secret_check(load_app_secret(self._settings)),
            files=files,
        )


def versions() -> dict[str, str]:
    """Of what reads and writes the files."""
    return {
        "dashi": version("dashi-analytics"),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "duckdb": version("duckdb"),
    }


def schema_of(file: Path, chain: migrations.Chain) -> str | None:
    """The schema revision of a store's file that no process holds; None if there is no file."""
    if not file.exists():
        return None
    engine = duckdb_file(file) if chain == "events" else sa.create_engine(f"sqlite:///{file}")
    try:
        with engine.connect() as connection:
            return migrations.version(connection, chain)
    except sa.exc.DBAPIError as error:
        raise Unavailable(f"{file} cannot be read") from error
    finally:
        engine.dispose()


def _files(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*") if path.is_file())


def _to_disk(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
