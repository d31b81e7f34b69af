"""How fast a store takes events from the journal: what the writer does, without those who send and ask."""

from __future__ import annotations

import time
from collections.abc import Iterator
from statistics import median
from typing import Final
from uuid import UUID, uuid4

import duckdb
import orjson

from app.stores import event_store
from app.tables import event
from benchmarks.figures import Figure
from benchmarks.run import Run
from benchmarks.stores import Store, elsewhere
from benchmarks.traffic import EVENTS, Traffic, slices

_TIMES: Final = 8


def applying(run: Run) -> Iterator[Figure]:
    """Events per second of one process, by how many are applied together."""
    for engine in run.engines:
        with run.stores.copy(run.stores.filled(engine, Traffic(min(run.sizes)))) as copied:
            for together in (200, 10_000):
                rate = elsewhere(_rate, copied, together)
                yield Figure(f"applying, {together:,} at a time", engine, rate, "events/s")


def _rate(copied: Store, together: int) -> float:
    store = event_store(copied.settings)
    journal, taken = uuid4(), []
    for batch in range(1, _TIMES + 1):
        rows = {event.name: _rows(together, batch)}
        begun = time.perf_counter()
        store.apply(journal, batch, rows, batch - 1)
        taken.append(time.perf_counter() - begun)
    store.close()
    return together / median(taken)


def _rows(count: int, batch: int) -> str:
    """Events as the journal holds them, of the last hours of the traffic, each with an id of its own."""
    with duckdb.connect() as source:
        for _ in slices(source, Traffic(200_000)):
            found = source.execute(f"SELECT * FROM ({EVENTS}) LIMIT {count} OFFSET {count * (batch % 4)}")
            names = [name for name, *_ in found.description or ()]
            rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
            break
    for row in rows:
        row["event_id"] = uuid4()
        row["created_at"] = row["created_at"].isoformat(timespec="milliseconds")
        row.pop("stored_in", None)
    return orjson.dumps(rows, default=_shown).decode()


def _shown(value: object) -> str:
    assert isinstance(value, UUID)
    return str(value)
