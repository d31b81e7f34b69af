"""How fast events are moved from each kind of store to each other, and whether both say the same then."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack

from app import migrations
from app import moving as moves
from app.context import Runtime
from app.db import EventStore
from app.services import open_accounts_runtime
from app.stores import event_store
from benchmarks.figures import Figure
from benchmarks.run import Run, sized
from benchmarks.stores import DUCKDB, Store, elsewhere
from benchmarks.traffic import Traffic


def moving(run: Run) -> Iterator[Figure]:
    """The smallest store, with details: events per second, all their rows moved with them, and seconds of comparing."""
    with ExitStack() as kept:
        original = run.stores.filled(DUCKDB, Traffic(run.sizes[0]))
        others = [engine for engine in run.engines if engine != DUCKDB]
        held: dict[str, Store] = {DUCKDB: original}
        for engine in others:
            held[engine] = kept.enter_context(run.stores.empty(engine, original.traffic))
            yield from elsewhere(_moved, held[DUCKDB], held[engine])
        for source in others:
            for target in run.engines:
                if target != source:
                    with run.stores.empty(target, original.traffic) as made:
                        yield from elsewhere(_moved, held[source], made)


def _moved(source: Store, target: Store) -> list[Figure]:
    accounts = open_accounts_runtime(source.settings)
    opened: list[EventStore] = [event_store(store.settings) for store in (source, target)]
    try:
        there, here = opened
        migrations.upgrade(here.engine, "events")
        began = time.perf_counter()
        moves.move(there, here, lambda what, done, total: None)
        moved = time.perf_counter()
        runtimes = [Runtime(accounts.settings, accounts.keys, accounts.accounts, store) for store in opened]
        found = moves.compare(runtimes[0], runtimes[1], lambda what, done, total: None)
        compared = time.perf_counter()
    finally:
        for store in opened:
            store.close()
        accounts.close()
    events = next(one.sums["rows"] for one in found.compared if one.of == "event")
    name = f"{sized(source)}: moved from {source.engine}"
    return [
        Figure(name, target.engine, events / (moved - began), "events/s"),
        Figure(f"{name}, compared", target.engine, compared - moved, "s"),
        Figure(f"{name}, figures that differ", target.engine, len(found.differences)),
    ]
