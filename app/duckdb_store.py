"""The event store in a DuckDB file of this process, which alone may write it.

DuckDB keeps a log beside its file, which a checkpoint writes back, and has no time limit of its own. Once it could not
write its own file it answers nothing more until it is opened anew.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from app.copying import copy_database
from app.db import EventStore, last_write_of
from app.engines import open_duckdb
from app.errors import Conflict, Unavailable
from app.outage import outage
from app.watchdog import WATCHDOG

log = logging.getLogger("dashi.db")

# Seconds that a checkpoint may be kept from beginning, for which writes are kept out at a time, and between two attempts.
_CHECKPOINT_WAIT = 10.0
_CHECKPOINT_TURN = 0.2
_CHECKPOINT_RETRY = 0.01
_COPYING = "The events are being backed up: try again when that is done"
_BUSY = "The event store is busy with long questions: try again in a moment"


class DuckDBStore(EventStore):
    """As `EventStore`. The file can be copied while it is used."""

    embedded = True
    piece = 491_520  # DuckDB marks rows

    def __init__(self, engine: Engine, statement_timeout: float) -> None:
        super().__init__(engine, statement_timeout)
        # Held by what needs or makes a file that is whole: no checkpoint while it is copied.
        self._whole = threading.Lock()

    @contextmanager
    def _within_time(self, connection: sa.Connection) -> Iterator[None]:
        driver: Any = connection.connection.driver_connection
        with WATCHDOG.limit(self.statement_timeout, driver.interrupt) as watch:
            try:
                yield
            except sa.exc.DBAPIError as error:
                if not watch.ended:
                    raise
                raise self._too_slow() from error

    @contextmanager
    def standing_still(self) -> Iterator[int]:
        """A checkpoint comes first: with the log lost, the journal's batches are written again, and numbered above it."""
        if not self._whole.acquire(timeout=_CHECKPOINT_WAIT):
            raise Unavailable(_COPYING)
        try:
            with self._writing:
                if not self._checkpoint(_CHECKPOINT_WAIT):
                    raise Unavailable(_BUSY)
                with self.connected() as connection:
                    number = last_write_of(connection)
                yield number
        finally:
            self._whole.release()

    def make_room(self, table: sa.Table, website_id: UUID) -> None:
        """DuckDB does so by itself, at a checkpoint."""

    def checkpoint(self, wait: bool = True) -> bool:
        """Not while the file is being copied, nor beside a long question, which DuckDB refuses."""
        if not self._whole.acquire(timeout=_CHECKPOINT_WAIT if wait else 0.0):
            if wait:
                raise Unavailable(_COPYING)
            return False
        try:
            deadline = time.monotonic() + _CHECKPOINT_WAIT
            while True:
                # In between others have their turn: whoever reads waits for what was accepted before.
                with self._writing:
                    if self._checkpoint(_CHECKPOINT_TURN):
                        return True
                if not wait:
                    return False
                if time.monotonic() > deadline:
                    raise Unavailable(_BUSY)
                time.sleep(_CHECKPOINT_TURN)
        finally:
            self._whole.release()

    def _checkpoint(self, seconds: float) -> bool:
        """Have DuckDB put its log into its file, in this process's turn and within some seconds; whether it did.

        It refuses to as long as a question is under way that is older than a write which changed a row, as each one does by
        its mark. Writes are kept out meanwhile, so those questions become fewer.
        """
        deadline = time.monotonic() + seconds
        while True:
            try:
                with self.connected() as connection:
                    connection.exec_driver_sql("CHECKPOINT")
            except sa.exc.DBAPIError as error:
                if "other write transactions active" not in str(error):
                    raise
                if time.monotonic() > deadline:
                    return False
                time.sleep(_CHECKPOINT_RETRY)
            else:
                return True

    def copy_to(self, file: Path, wanted: Callable[[], bool] = lambda: True) -> None:
        """Copy the store, as it is at one moment, to a new file. Others read and write meanwhile.

        `wanted` is asked now and then; copying ends once it says no. Raises Conflict if there is such a file, Unavailable
        when it cannot be written or is no longer wanted; then there is none.
        """
        if file.exists():
            raise Conflict(f"{file} is there already")
        with self._whole, self._gate.passed(), self._asking() as connection:
            try:
                copy_database(connection, file, wanted)
            except sa.exc.DBAPIError as error:
                for part in (file, file.with_name(file.name + ".wal")):
                    part.unlink(missing_ok=True)
                # It names files and the system's reason: nothing is converted that could be quoted.
                reason = str(error.orig).partition("\n")[0]
                raise Unavailable(f"The events could not be copied: {reason}") from error

    def reopen(self) -> bool:
        """After DuckDB could not write its own file; what it had acknowledged is in its log then, or in the journal."""
        if not self._gate.shut:
            return False
        with self._writing:
            if not self._gate.shut:
                return True  # by another thread, a moment ago
            self._gate.wait_until_empty()
            self.engine.dispose()
            try:
                open_duckdb(self.engine)
            except Exception as error:
                log.warning("the event store cannot be opened anew yet: %s", error)
                raise outage(error, "The event store") or Unavailable(
                    "The event store cannot be opened anew yet"
                ) from error
            self._gate.shut = False
        log.warning("the event store was opened anew")
        return True
