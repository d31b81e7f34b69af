"""What a process takes before anybody asks it for anything: time to start, and memory."""

from __future__ import annotations

import time
from collections.abc import Iterator
from statistics import median
from typing import Final

from benchmarks.figures import Figure
from benchmarks.machine import resident_mib
from benchmarks.run import Run, sized
from benchmarks.traffic import Traffic

_TIMES: Final = 3


def process(run: Run) -> Iterator[Figure]:
    """Seconds until /readyz says yes on a store that is there, and resident memory then."""
    for engine in run.engines:
        store = run.stores.filled(engine, Traffic(min(run.sizes)))
        seconds, memory = [], []
        for _ in range(_TIMES):
            begun = time.perf_counter()
            with store.serving() as started:
                seconds.append(time.perf_counter() - begun)
                memory.append(resident_mib(started.popen.pid))
        yield Figure(f"start-up to the first answer, {sized(store)}", engine, median(seconds), "s")
        yield Figure(f"resident memory, idle, {sized(store)}", engine, median(memory), "MiB")
