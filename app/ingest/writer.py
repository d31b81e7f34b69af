"""The writer: takes batches from the journal to the event store, in order, each exactly once."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from contextlib import suppress
from typing import Final
from uuid import UUID

import orjson
import sqlalchemy as sa

from app.db import EventStore
from app.errors import Unavailable
from app.ingest.journal import Batch, Journal
from app.ingest.rows import TABLES
from app.logs import brief
from app.metrics import Metrics
from app.outage import outage
from app.tables import PAGE_VIEW, event

log = logging.getLogger("dashi.writer")

_MOST_BATCHES: Final = 2000
# Seconds batches gather before they are applied together, unless a reader waits for them: at least the first, then so long
# that applying takes a fifth of the time, but no longer than the second. A transaction alone takes about 8 ms of a
# processor, as much as 200 rows.
_GATHER: Final = 0.05
_GATHER_MOST: Final = 0.25
_PAUSE: Final = 4  # times as long as applying took
# Seconds a reader waits at the most for what was accepted before it asked.
_FRESH: Final = 5.0
_RETRY: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
# An embedded store puts its log into the database file after so many bytes or so many idle seconds.
_CHECKPOINT_BYTES: Final = 64 << 20
_CHECKPOINT_IDLE: Final = 20.0
_ILLEGIBLE: Final = "damaged in the journal"

# What no store that works refuses.
_HARMLESS: Final = orjson.dumps(
    {
        **dict.fromkeys(("event_id", "website_id", "session_id", "visit_id"), str(UUID(int=0))),
        "created_at": "2000-01-01T00:00:00.000",
        "event_type": PAGE_VIEW,
    }
).decode()


class Writer:
    """One thread that applies one journal. `problem` says what keeps it from doing so, '' if nothing does."""

    def __init__(self, journal: Journal, events: EventStore, metrics: Metrics | None = None) -> None:
        self.journal = journal
        self.events = events
        self.applied = events.applied(journal.id)
        self.problem = ""
        self._metrics = metrics
        self._behind: float | None = None  # since when there has been something to apply
        journal.start_after(self.applied)
        self._progress = threading.Condition()
        self._urgent = threading.Event()
        self._stopping = threading.Event()
        self._pause = _GATHER  # seconds that batches gather the next time
        self._since_checkpoint = 0
        self._unforgotten = True  # what an earlier process left may wait for a checkpoint
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    def catch_up(self) -> None:
        """Wait until what was accepted before this call is applied; at once if it is, or if the store is down."""
        target = self.journal.last
        if self.applied >= target:
            return
        self._urgent.set()
        with self._progress:
            self._progress.wait_for(lambda: self.applied >= target or bool(self.problem), _FRESH)

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    @property
    def lag(self) -> int:
        """Batches accepted and not yet applied."""
        return max(0, self.journal.last - self.applied)

    @property
    def lag_seconds(self) -> float:
        """How long the oldest batch has waited at the most, as far as this process knows; 0 if none waits."""
        since = self._behind
        return time.monotonic() - since if since is not None and self.lag else 0.0

    def drop_applied(self) -> None:
        """Have the journal forget what is applied. Raises Unavailable if it cannot."""
        upto = self.applied
        try:
            self.events.checkpoint()
            self.journal.drop(min(upto, self.events.applied(self.journal.id)))
        except (sa.exc.DBAPIError, sqlite3.Error, OSError) as error:
            raise Unavailable("The journal cannot forget what is applied at the moment") from error

    def close(self, timeout: float = 5.0) -> None:
        """Apply what is left as far as the store allows, then stop. What remains waits in the journal."""
        self._stopping.set()
        self._urgent.set()
        with self.journal.grown:
            self.journal.grown.notify_all()
        self._thread.join(timeout)
        if self.lag:
            log.warning("%d batches wait in the journal for the next start", self.lag)

    def _run(self) -> None:
        attempt = 0
        while True:
            try:
                if attempt:
                    self.events.reopen()
                    self._resume()
                if not self._wait_for_batches():
                    break
                started = time.monotonic()
                there = self.journal.last
                # Once refused, one at a time: together they may have been too much for the store's memory.
                batches = self._next(1 if attempt else _MOST_BATCHES)
                self._apply(batches)
                took = time.monotonic() - started
                # More than can be read at once has gathered enough.
                all_of_it = batches[-1].number >= there
                if all_of_it:
                    # What is there now came after it was looked.
                    self._behind = started if self.lag else None
                if self._metrics:
                    self._metrics.apply_seconds.observe(took)
                self._pause = min(max(_GATHER, _PAUSE * took), _GATHER_MOST) if all_of_it else 0.0
                attempt = 0
            except Exception as error:
                self._failed(error)
                if self._stopping.wait(_RETRY[min(attempt, len(_RETRY) - 1)]):
                    return
                attempt += 1
        # What is not in the store's file stays in the journal.
        with suppress(Unavailable, sa.exc.DBAPIError, sqlite3.Error):
            self._checkpoint()

    def _resume(self) -> None:
        """Once the store answers again, go on from where it is."""
        self._find_place()
        self._forget(self.applied)
        if not self.lag:
            # Nothing waits to be applied, and whether there is room for the store's own file remains to be seen.
            self._checkpoint()
            self._set_problem("")

    def _find_place(self) -> None:
        """A store that was opened anew without its log has less than it had: the journal still holds the rest."""
        there = self.events.applied(self.journal.id)
        if there < self.applied:
            self.journal.start_after(there)
            with self._progress:
                self.applied = there

    def _failed(self, error: Exception) -> None:
        """Say why, once; where it is no outage, the log has the whole story."""
        told = error if isinstance(error, Unavailable) else outage(error, "The journal")
        problem = told.message if told else f"{type(error).__name__}: the event store refuses events"
        if problem != self.problem:
            log.warning("events wait in the journal: %s", problem, exc_info=None if told else error)
        self._set_problem(problem)
        if self._metrics:
            self._metrics.apply_failures.inc()

    def _wait_for_batches(self) -> bool:
        """Wait until there is something to apply; False when stopping and nothing is left."""
        while not self.lag:
            if self._stopping.is_set():
                return False
            with self.journal.grown:
                grew = self.journal.grown.wait_for(
                    lambda: self.lag or self._stopping.is_set(), _CHECKPOINT_IDLE
                )
            if not grew:
                # Others may have found that it has to be opened anew, with nothing to be applied that would.
                if self.events.reopen():
                    self._find_place()
                self._checkpoint()
        if self._behind is None:
            self._behind = time.monotonic()
        self._urgent.wait(self._pause)
        self._urgent.clear()
        return True

    def _next(self, most: int) -> list[Batch]:
        """The batches that are to be applied together. Where some of them may be stored already, the same as before."""
        if self.events.in_one:
            return self.journal.read(self.applied, most)
        if begun := self.journal.begun(self.applied):
            return begun
        batches = self.journal.read(self.applied, most)
        self.journal.begin(batches[-1].number)
        return batches

    def _apply(self, batches: list[Batch]) -> None:
        last = batches[-1].number
        try:
            mark = self.events.apply(self.journal.id, last, _joined(batches), self.applied)
        except (sa.exc.DataError, sa.exc.IntegrityError, sa.exc.ProgrammingError) as error:
            # Either the store is not itself (then this raises again) or it refuses some rows: find and keep those.
            self.events.ping()
            # What the engine says of it may hold the rows themselves, which are visitors' data.
            log.warning("the event store refuses some rows, they are kept aside (%s)", brief(error))
            mark = self.events.apply(self.journal.id, last, self._accepted_only(batches), self.applied)
        # A mark that is not where it was: the last time was cut off after it had come about, or, of a store whose log
        # was lost, before.
        there = [batch for batch in batches if batch.number <= mark]
        self.journal.applied(there)
        if self.problem:
            log.info("events are applied again")
        with self._progress:
            self.applied = min(mark, last)
            self.problem = ""
            self._progress.notify_all()
        self._unforgotten = True
        self._since_checkpoint += sum(batch.size for batch in there)
        self._forget(self.applied)
        if self._since_checkpoint > _CHECKPOINT_BYTES:
            self._checkpoint()

    def _forget(self, upto: int) -> None:
        """Have a store that is no file of this process keep what it has."""
        if not self.events.embedded and self._unforgotten:
            self.journal.drop(upto)
            self._unforgotten = False

    def _accepted_only(self, batches: list[Batch]) -> dict[str, str]:
        accepted: dict[str, str] = {}
        refused: list[tuple[str, str, str]] = []
        for table, text in _joined(_legible(batches, refused)).items():
            good = []
            for row in orjson.loads(text):
                one = orjson.dumps(row).decode()
                if self.events.accepts(table, one):
                    good.append(one)
                else:
                    refused.append((table, one, "refused by the event store"))
            if good:
                accepted[table] = f"[{','.join(good)}]"
        by_the_store = any(reason != _ILLEGIBLE for *_, reason in refused)
        if by_the_store and not self.events.accepts(event.name, _HARMLESS):
            # It is broken rather than offended by the data, whatever it takes of other tables: nothing is put aside.
            raise RuntimeError("the event store accepts no event at all")
        self.journal.reject(refused)
        return accepted

    def _checkpoint(self) -> None:
        """Let an embedded store write its file, then forget the batches that are safe in it."""
        if not self.events.embedded or not self._unforgotten:
            return
        upto = self.applied
        started = time.monotonic()
        if not self.events.checkpoint(wait=False):
            return  # it is being copied, or busy; the next batches or the next idle moment try again
        # By what is in its file for good: another thread may have had it opened anew without its log.
        self.journal.drop(min(upto, self.events.applied(self.journal.id)))
        log.debug("checkpoint took %.3f s", time.monotonic() - started)
        self._since_checkpoint = 0
        self._unforgotten = False

    def _set_problem(self, text: str) -> None:
        with self._progress:
            self.problem = text
            self._progress.notify_all()


def _legible(batches: list[Batch], refused: list[tuple[str, str, str]]) -> list[Batch]:
    """The batches without what is no JSON, which goes to `refused`: damage that SQLite does not see."""
    legible = []
    for batch in batches:
        rows = dict(batch.rows)
        for table, text in batch.rows.items():
            try:
                orjson.loads(f"[{text}]")
            except orjson.JSONDecodeError:
                refused.append((table, text, _ILLEGIBLE))
                rows[table] = ""
        legible.append(Batch(batch.number, rows, batch.size))
    return legible


def _joined(batches: list[Batch]) -> dict[str, str]:
    """The rows of all batches for each table, as one JSON array; tables without rows are left out."""
    texts = {table: ",".join(filter(None, (batch.rows[table] for batch in batches))) for table in TABLES}
    return {table: f"[{text}]" for table, text in texts.items() if text}
