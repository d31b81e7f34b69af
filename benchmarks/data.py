"""How fast stores are filled with a year of traffic, and what an event takes on disk."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.figures import Figure
from benchmarks.run import Run, sized


def data(run: Run) -> Iterator[Figure]:
    """Events per second, with what is derived from them, and bytes per event of the whole store without details."""
    for store in run.each():
        made = store.made
        yield Figure(f"{sized(store)}: events", store.engine, made.events)
        yield Figure(f"{sized(store)}: filled", store.engine, made.events / made.seconds, "events/s")
        yield Figure(f"{sized(store)}: size on disk", store.engine, made.bytes / made.events, "bytes/event")
