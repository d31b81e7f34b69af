"""What is measured in a run: which stores, of which sizes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from benchmarks.stores import CLICKHOUSE, DUCKDB, Store, Stores
from benchmarks.traffic import Traffic

# The size of the traffic on which Umami 3.1 was measured.
UMAMI_EVENTS: Final = 3_000_000


@dataclass(frozen=True, slots=True)
class Run:
    """`sizes` are numbers of events, ascending, and `many` is that of a store with many websites.

    `seconds` is how long each load runs, `repeats` how often at the most something is asked of which the median counts.
    `full` adds what takes long.
    """

    stores: Stores
    engines: tuple[str, ...]
    sizes: tuple[int, ...]
    many: int
    seconds: int
    repeats: int
    full: bool

    @property
    def reference(self) -> Traffic:
        """The traffic that is compared with Umami, or the largest smaller one where that is not among the sizes."""
        return Traffic(max([size for size in self.sizes if size <= UMAMI_EVENTS], default=min(self.sizes)))

    def each(self) -> Iterator[Store]:
        """Every store and size; PostgreSQL only has what is compared with Umami."""
        for engine in self.engines:
            for size in self.sizes:
                if engine in (DUCKDB, CLICKHOUSE) or size <= UMAMI_EVENTS:
                    yield self.stores.filled(engine, Traffic(size))


def sized(store: Store) -> str:
    return f"{store.traffic.events / 1e6:g} M"
