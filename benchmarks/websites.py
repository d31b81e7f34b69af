"""What one website's dashboard costs among many websites, beside the same website alone in a store."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Final

from benchmarks.dashboards import DAYS, Dashboard
from benchmarks.figures import Figure
from benchmarks.run import Run, sized
from benchmarks.stores import DUCKDB, Store, client
from benchmarks.timing import medians
from benchmarks.traffic import Traffic

WEBSITES: Final = 200


def websites(run: Run) -> Iterator[Figure]:
    """Milliseconds of one website's dashboards in both stores, by turns, and how many times as long it takes among all."""
    among = run.stores.filled(DUCKDB, Traffic(run.many, WEBSITES))
    alone = run.stores.filled(DUCKDB, Traffic(run.many, WEBSITES, alone=True))
    size = f"{sized(among)} of {WEBSITES} websites"
    yield Figure(f"{size}: filled", DUCKDB, among.made.events / among.made.seconds, "events/s")
    yield Figure(f"{size}: size on disk", DUCKDB, among.made.bytes / among.made.events, "bytes/event")
    yield Figure(f"{size}: events of the one", DUCKDB, alone.made.events)
    for period in DAYS:
        found = asyncio.run(_times({"alone": alone, "among": among}, period))
        for way in {way for way, _ in found}:
            name = f"{size}, {period}, {way}"
            yield Figure(f"{name}: alone", DUCKDB, found[way, "alone"], "ms")
            yield Figure(f"{name}: among all", DUCKDB, found[way, "among"], "ms")
            yield Figure(
                f"{name}: among all against alone", DUCKDB, found[way, "among"] / found[way, "alone"], "×"
            )


async def _times(stores: dict[str, Store], period: str) -> dict[tuple[str, str], float]:
    """(way, store) → milliseconds, with a server on each store."""
    alone, among = stores["alone"], stores["among"]
    with alone.serving() as one, among.serving() as other:
        async with client(one) as asking_one, client(other) as asking_other:
            asking = {"alone": asking_one, "among": asking_other}
            ways = {
                (way, name): ask
                for name, asked in asking.items()
                for way, ask in Dashboard(asked, among.site, among.traffic.end, DAYS[period]).ways.items()
            }
            return await medians(ways, 20)
