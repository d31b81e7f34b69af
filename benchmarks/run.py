"""What is measured in a run: which stores, of which sizes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.stores import DUCKDB, Store, Stores
from benchmarks.traffic import Traffic


@dataclass(frozen=True, slots=True)
class Run:
    """`sizes` are numbers of events, ascending; `full` adds what takes long."""

    stores: Stores
    engines: tuple[str, ...]
    sizes: tuple[int, ...]
    full: bool = False

    def each(self) -> Iterator[Store]:
        """Every store and size; what is too large for a comparison with Umami is for DuckDB alone."""
        for engine in self.engines:
            for size in self.sizes:
                if engine == DUCKDB or size <= 3_000_000:
                    yield self.stores.filled(engine, Traffic(size))


def sized(store: Store) -> str:
    return f"{store.traffic.events / 1e6:g} M"
