"""What a process holds on to, looked at from outside, and whether it becomes more and more."""

from __future__ import annotations

import os
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Final

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Sample:
    """One look. `at` in seconds, sizes in bytes."""

    at: float
    memory: int  # resident
    files: int  # descriptors
    threads: int
    events_wal: int  # DuckDB's
    journal: int
    sqlite_wals: int


def look(pid: int, data_dir: Path, at: float) -> Sample:
    resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    return Sample(
        at,
        resident,
        len(os.listdir(f"/proc/{pid}/fd")),
        len(os.listdir(f"/proc/{pid}/task")),
        _size([data_dir / "events.duckdb.wal"]),
        _size((data_dir / "journal").glob("*.sqlite")),
        _size([*data_dir.glob("*.sqlite-wal"), *data_dir.glob("journal/*.sqlite-wal")]),
    )


def _size(files: object) -> int:
    total = 0
    for file in files:  # type: ignore[attr-defined]
        try:
            total += file.stat().st_size
        except FileNotFoundError:  # checkpointed or closed this moment
            continue
    return total


def slope(points: Sequence[tuple[float, float]]) -> float:
    """The median of the slopes between all pairs of points (Theil–Sen): a few outliers, such as a large answer that is
    being written, do not tilt it. Units of the second for each of the first."""
    slopes = [(y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in combinations(points, 2) if x2 > x1]
    return statistics.median(slopes)
