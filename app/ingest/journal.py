"""The journal: what makes a 2xx mean that the event is on disk.

All requests that wait at one moment become one batch, written by one commit (SQLite, WAL, synchronous=FULL). The writer
applies batches to the event store in order and drops them once the store can no longer lose them.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

import orjson

from app.errors import Unavailable
from app.ingest.rows import TABLES, Rows
from app.ingest.salvage import damaged, legible, salvage, set_aside_tail, take_salvaged
from app.outage import outage

log = logging.getLogger("dashi.journal")

_SCHEMA: Final = f"""
CREATE TABLE IF NOT EXISTS journal (id TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS batch (number INTEGER PRIMARY KEY, {", ".join(f"{t} TEXT NOT NULL" for t in TABLES)});
CREATE TABLE IF NOT EXISTS begun (number INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS rejected (target TEXT NOT NULL, row TEXT NOT NULL, reason TEXT NOT NULL);
"""
_INSERT: Final = f"INSERT INTO batch VALUES ({', '.join('?' * (len(TABLES) + 1))})"  # noqa: S608 - no outside text
_BYTES: Final = "SELECT coalesce(sum({}), 0) FROM batch".format(  # noqa: S608
    " + ".join(f"length(CAST({table} AS BLOB))" for table in TABLES)
)
# A commit of more would keep those who wait for it too long.
_MOST_IN_A_COMMIT: Final = 1000
_MOST_BYTES_IN_A_COMMIT: Final = 4 << 20
_ALL_BYTES: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class Batch:
    """One commit. `rows` holds for each table its rows as JSON objects joined by commas."""

    number: int
    rows: dict[str, str]
    size: int  # bytes of the rows, counted as an entry counts them


@dataclass(slots=True)
class _Entry:
    rows: tuple[bytes, ...]
    future: Future[int] | asyncio.Future[int]

    @property
    def size(self) -> int:
        return sum(map(len, self.rows))


class Held(Unavailable):
    """Another process has this journal."""


class Journal:
    """One journal file, held by one process.

    Raises Held on opening when another process has it, Unavailable when it cannot be opened.
    """

    def __init__(self, file: Path, max_bytes: int) -> None:
        self.file = file
        self.max_bytes = max_bytes
        self._lock_file = _hold(file.with_suffix(".lock"))
        self._look_over()
        self._writing = self._connect()
        self._reading = self._connect()
        self._reading_lock = threading.Lock()
        self.id = self._identity()
        self.last: int = self._writing.execute("SELECT coalesce(max(number), 0) FROM batch").fetchone()[0]
        self.unapplied_bytes: int = self._writing.execute(_BYTES).fetchone()[0]
        self.grown = threading.Condition()
        self._waiting: list[_Entry] = []
        self._wake = threading.Condition()
        self._waking: asyncio.AbstractEventLoop | None = None  # the loop that will do so in its next turn
        self._closing = False
        self.committed: Callable[[float], None] = lambda seconds: None  # called with how long a commit took
        self._said = ""  # why hits are refused, as it was logged
        self._thread = threading.Thread(target=self._commit_forever, name="journal", daemon=True)
        self._thread.start()

    def append(self, rows: Rows) -> Future[int]:
        """Have rows written; the future gives the batch's number once they are on disk.

        Raises Unavailable, here or from the future, when nothing can be written: the rows are then nowhere.
        """
        future: Future[int] = Future()
        # A caller that goes away must not cancel what others wait for in the same commit.
        future.set_running_or_notify_cancel()
        with self._wake:
            self._take(_Entry(_fragments(rows), future))
            self._wake.notify()
        return future

    def append_from(self, loop: asyncio.AbstractEventLoop, rows: Rows) -> asyncio.Future[int]:
        """The same for the event loop that this is called from.

        The thread that writes is woken once for all that one turn of the loop appends: woken by each, it would take the
        interpreter from the loop as often.
        """
        future: asyncio.Future[int] = loop.create_future()
        with self._wake:
            self._take(_Entry(_fragments(rows), future))
            if self._waking is not loop:
                loop.call_soon(self._wake_up)
                self._waking = loop
        return future

    def _take(self, entry: _Entry) -> None:
        if self.unapplied_bytes + entry.size > self.max_bytes:
            raise Unavailable("Too many events wait for the event store")
        if self._closing:
            raise Unavailable("Dashi is stopping")
        self.unapplied_bytes += entry.size
        self._waiting.append(entry)

    def _wake_up(self) -> None:
        with self._wake:
            self._waking = None
            self._wake.notify()

    def start_after(self, number: int) -> None:
        """Number new batches above what the store has already seen of this journal, and count those that it has not."""
        with self._reading_lock:
            written: int = self._reading.execute(f"{_BYTES} WHERE number > ?", (number,)).fetchone()[0]
        with self._wake:
            self.last = max(self.last, number)
            self.unapplied_bytes = written + sum(entry.size for entry in self._waiting)

    def read(self, after: int, most: int, most_bytes: int = 1 << 24) -> list[Batch]:
        """Up to `most` batches that follow a number, in order; fewer once they hold `most_bytes`, but at least one."""
        batches: list[Batch] = []
        size = 0
        with self._reading_lock:
            rows = self._reading.execute(
                "SELECT * FROM batch WHERE number > ? ORDER BY number LIMIT ?", (after, most)
            )
            for number, *texts in rows:
                length = sum(len(text.encode()) for text in texts)
                batches.append(Batch(number, dict(zip(TABLES, texts, strict=True)), length))
                size += length
                if size >= most_bytes:
                    break
            rows.close()
        return batches

    def begin(self, number: int) -> None:
        """Write down that the batches up to a number are applied next, together."""
        with self._reading_lock:
            if not self._reading.execute("UPDATE begun SET number = ?", (number,)).rowcount:
                self._reading.execute("INSERT INTO begun VALUES (?)", (number,))

    def begun(self, after: int) -> list[Batch]:
        """The batches after a number that were to be applied together, when that was written down last."""
        with self._reading_lock:
            found = self._reading.execute("SELECT number FROM begun").fetchone()
        upto: int = found[0] if found else 0
        if upto <= after:
            return []
        return [batch for batch in self.read(after, upto - after, _ALL_BYTES) if batch.number <= upto]

    def applied(self, batches: Sequence[Batch]) -> None:
        """Take note that the store has these: they no longer count against the bound."""
        with self._wake:
            self.unapplied_bytes = max(0, self.unapplied_bytes - sum(batch.size for batch in batches))

    def drop(self, upto: int) -> None:
        """Forget the batches up to a number: the store can no longer lose them."""
        with self._reading_lock:
            self._reading.execute("DELETE FROM batch WHERE number <= ?", (upto,))

    def reject(self, rejected: Sequence[tuple[str, str, str]]) -> None:
        """Keep rows (table, JSON object, reason) that the store refuses, so that they hold nothing up and nothing is lost."""
        with self._reading_lock:
            self._reading.executemany("INSERT INTO rejected VALUES (?, ?, ?)", rejected)

    @property
    def waiting(self) -> int:
        """Requests whose hits are to be written next."""
        return len(self._waiting)

    def rejected(self) -> int:
        """How many rows are kept that the store refused."""
        with self._reading_lock:
            return int(self._reading.execute("SELECT count(*) FROM rejected").fetchone()[0])

    @property
    def alive(self) -> bool:
        """Whether what is appended will be written."""
        return self._thread.is_alive()

    def finish(self) -> None:
        """Take no more, and write what waits. Batches can still be read and dropped."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join()

    def close(self) -> None:
        """Finish, then give the file free."""
        self.finish()
        self._writing.close()
        self._reading.close()
        os.close(self._lock_file)

    def _look_over(self) -> None:
        """Set aside what cannot be read, so that the rest can."""
        take_salvaged(self.file)
        if not self.file.exists():
            return
        try:
            with closing(sqlite3.connect(self.file, isolation_level=None)) as connection:
                connection.execute("PRAGMA journal_mode=WAL")
                set_aside_tail(self.file, connection)
                [found] = connection.execute("PRAGMA quick_check(1)").fetchone()
                if found != "ok":
                    raise sqlite3.DatabaseError(f"malformed: {found}")
                connection.execute("SELECT id FROM journal").fetchone()
                connection.execute(_BYTES).fetchone()
        except sqlite3.Error as error:
            if "no such table" in str(error):
                return  # the process that made it died before it made the tables
            if not damaged(error):
                raise Unavailable(f"{self.file} cannot be opened: {error}") from error
            salvage(self.file, _SCHEMA, _INSERT, os.pread(self._lock_file, 36, 0).decode("ascii", "replace"))

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.file, isolation_level=None, check_same_thread=False, timeout=30)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.text_factory = legible
        connection.execute("PRAGMA synchronous=FULL")
        connection.executescript(_SCHEMA)
        return connection

    def _identity(self) -> UUID:
        row = self._writing.execute("SELECT id FROM journal").fetchone()
        if row is None:
            row = (str(uuid4()),)
            self._writing.execute("INSERT INTO journal VALUES (?)", row)
        # Should the journal be damaged, this says whose the batches are that can be read.
        os.pwrite(self._lock_file, row[0].encode(), 0)
        return UUID(row[0])

    def _commit_forever(self) -> None:
        while entries := self._next_entries():
            try:
                self._commit(entries)
            except Exception as error:
                told = outage(error, "The journal") or Unavailable("The journal cannot be written")
                if self._said != told.message:
                    log.warning("hits are refused: %s (%s)", told.message, error)
                    self._said = told.message
                self._refuse(entries, told)
            else:
                if self._said:
                    log.warning("hits are taken again")
                    self._said = ""

    def _next_entries(self) -> list[_Entry]:
        """What waits now; empty when closing and nothing waits."""
        with self._wake:
            while not self._waiting and not self._closing:
                self._wake.wait()
            number, size = 0, 0
            for entry in self._waiting[:_MOST_IN_A_COMMIT]:
                number += 1
                size += entry.size
                if size > _MOST_BYTES_IN_A_COMMIT:
                    break
            taken, self._waiting = self._waiting[:number], self._waiting[number:]
            return taken

    def _commit(self, entries: list[_Entry]) -> None:
        started = time.monotonic()
        number = self.last + 1
        columns = zip(*(entry.rows for entry in entries), strict=True)
        self._writing.execute(_INSERT, (number, *(b",".join(filter(None, c)).decode() for c in columns)))
        self.committed(time.monotonic() - started)
        with self.grown:
            self.last = number
            self.grown.notify_all()
        _tell(entries, number)

    def _refuse(self, entries: list[_Entry], error: Unavailable) -> None:
        with self._wake:
            self.unapplied_bytes -= sum(entry.size for entry in entries)
        _tell(entries, error)


def _hold(lock: Path) -> int:
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise Held(f"{lock} is held by another process") from error
    return descriptor


def _tell(entries: Sequence[_Entry], outcome: int | Unavailable) -> None:
    """Give all who wait the number of their batch, or why there is none; each event loop is woken once."""
    loops: dict[asyncio.AbstractEventLoop, list[asyncio.Future[int]]] = {}
    for future in (entry.future for entry in entries):
        if isinstance(future, asyncio.Future):
            loops.setdefault(future.get_loop(), []).append(future)
        elif not future.done():
            _settle(future, outcome)
    for loop, futures in loops.items():
        with suppress(RuntimeError):  # a loop that is closed has nobody who waits
            loop.call_soon_threadsafe(_settle_all, futures, outcome)


def _settle_all(futures: Sequence[asyncio.Future[int]], outcome: int | Unavailable) -> None:
    for future in futures:
        if not future.done():  # a socket that was closed has cancelled what waited for it
            _settle(future, outcome)


def _settle(future: Future[int] | asyncio.Future[int], outcome: int | Unavailable) -> None:
    if isinstance(outcome, int):
        future.set_result(outcome)
    else:
        future.set_exception(outcome)
        future.exception()  # seen: who waits for several may have left after the first


def _fragments(rows: Rows) -> tuple[bytes, ...]:
    return tuple(_fragment(getattr(rows, table)) for table in TABLES)


def _fragment(rows: list[dict[str, object]]) -> bytes:
    return orjson.dumps(rows)[1:-1] if rows else b""
