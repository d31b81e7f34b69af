"""Moving all events from one event store to another: whatever they are, and from where it was left.

A move is a journal of its own. What is stored in the source is parted into chunks (`app.moving.chunks`), and each is a batch
that the destination applies exactly once, whenever the move was cut off. The journal's id comes from what the source holds:
if that changes, it is another move, which does not go on with the first one's chunks. Nothing but the destination knows how
far a move is. At the end it is told how far each journal of a server had been applied, so that a server goes on there.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final
from uuid import UUID

import sqlalchemy as sa

from app.db import EventStore
from app.errors import Conflict, Unavailable
from app.logs import brief
from app.moving.chunks import Chunk, chunks, read
from app.moving.compare import Comparison, Difference, Progress, compare
from app.moving.stock import Stock, marks, take_stock
from app.outage import outage
from app.tables import DATA_TABLES, WEBSITE_TABLES

__all__ = ["Comparison", "Difference", "Progress", "compare", "move", "told"]

# Rows of a chunk, about: of events 12 MB of JSON. One is read while another is stored. DuckDB takes fifty times as much memory
# for reading JSON (1.1 GB, against 0.5 GB), and is no faster by it.
_ROWS: Final = 20_000
_ROWS_FOR_DUCKDB: Final = 5_000
# A move of another number parts the source differently.
_PLAN: Final = "chunks 1"
# The first batch says that there is such a move; the chunks follow.
_BEGUN: Final = 1
_AGAIN: Final = "The same command goes on from here"
# As the store calls itself when it cannot be used.
_STORE: Final = "The event store"


def move(source: EventStore, target: EventStore, progress: Progress, rows: int | None = None) -> int:
    """Move everything, in chunks of about so many rows: how many rows were moved, this time and before.

    Raises Conflict if the target holds anything else, or the source changes; Unavailable when either cannot be used. The
    same call goes on from there.
    """
    rows = rows or (_ROWS_FOR_DUCKDB if target.embedded else _ROWS)
    progress("Looking at what is there", 0, 0)
    with told("source", source):
        stock = take_stock(source)
    move_id = stock.fingerprint(f"{_PLAN}, {rows} rows")
    with told("destination", target):
        begun = _begin(target, move_id, stock)
        done = _held(target) if begun > _BEGUN else 0
    with told("destination", target), ThreadPoolExecutor(1, thread_name_prefix="source") as reader:
        # One chunk is read while the one before it is stored.
        texts = _texts(source, stock, begun, rows)
        waiting = reader.submit(next, texts, None)
        while found := waiting.result():
            number, chunk, text, count = found
            waiting = reader.submit(next, texts, None)
            progress(f"Moving {chunk.table.name}", done, stock.rows)
            _apply(target, move_id, number, chunk, text)
            done += count
    with told("source", source):
        _check_unchanged(source, stock)
    with told("destination", target):
        target.checkpoint()
        for journal_id, batch in stock.marks.items():
            if target.applied(journal_id) < batch:
                target.apply(journal_id, batch, {})
        target.checkpoint()
    return stock.rows


@contextmanager
def told(which: str, store: EventStore) -> Iterator[None]:
    """Raise Unavailable, in words for whoever moves, where a store cannot be used."""
    try:
        yield
    except Exception as error:
        named = f"The {which} ({store.engine.dialect.name})"
        # What is expected to go wrong has its words already.
        found = error if isinstance(error, Unavailable) else outage(error, _STORE)
        if found is None or not found.message.startswith(_STORE):
            raise
        cause = error.__cause__ if error is found else error
        reason = f": {str(getattr(cause, 'orig', cause)).partition(chr(10))[0]}" if cause else ""
        raise Unavailable(f"{named}{found.message.removeprefix(_STORE)}{reason}. {_AGAIN}") from error


def _begin(target: EventStore, move_id: UUID, stock: Stock) -> int:
    """Where this move is in its target, in batches; it is begun if it is not there."""
    there = marks(target)
    begun = there.pop(move_id, 0)
    others = {
        journal_id: batch for journal_id, batch in there.items() if stock.marks.get(journal_id) != batch
    }
    if begun and not others:
        return begun
    found = [f"{count:,} rows of {table}" for table, count in _counts(target).items() if count]
    if found or there:
        held = ", ".join(found) or "no rows, and marks of a server that stored some"
        raise Conflict(
            f"The destination is not empty: it holds {held}, and not of a move of what the source holds now. "
            "Nothing was done. Give an empty one"
        )
    target.apply(move_id, _BEGUN, {}, 0)
    return _BEGUN


def _counts(store: EventStore) -> dict[str, int]:
    with store.connected() as connection:
        return {
            table.name: int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())
            for table in WEBSITE_TABLES
        }


def _held(target: EventStore) -> int:
    counts = _counts(target)
    return sum(counts[table.name] for table in DATA_TABLES)


def _texts(source: EventStore, stock: Stock, begun: int, rows: int) -> Iterator[tuple[int, Chunk, str, int]]:
    """(number of the batch, the chunk, its rows, their number) of all that follow the batches that are there."""
    with told("source", source):
        for number, chunk in enumerate(chunks(source, stock, rows), _BEGUN + 1):
            if number > begun:
                _check_unchanged(source, stock)
                yield number, chunk, *read(source, chunk)


def _check_unchanged(source: EventStore, stock: Stock) -> None:
    if marks(source) != stock.marks:
        raise Conflict(
            "A server has stored events in the source since the move began. Stop every server that uses it, empty the "
            "destination and start again"
        )


def _apply(target: EventStore, move_id: UUID, number: int, chunk: Chunk, text: str) -> None:
    try:
        rows = {chunk.table.name: text} if text else {}
        mark = target.apply(move_id, number, rows, number - 1, telling=False)
    except (sa.exc.DataError, sa.exc.IntegrityError, sa.exc.ProgrammingError) as error:
        # What the engine says of it may hold the rows themselves, which are visitors' data.
        raise Conflict(f"The destination refuses rows of {chunk} ({brief(error)})") from error
    if mark != number:
        raise Conflict("Another process moves to the same destination")
