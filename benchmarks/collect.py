"""Durable collecting under load: alone, beside dashboards, with two workers, and against a route that only parses."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import httpx

from benchmarks.dashboards import DAYS, Dashboard
from benchmarks.figures import Figure
from benchmarks.machine import peak_mib
from benchmarks.run import Run
from benchmarks.stores import POSTGRESQL, Store, client
from benchmarks.timing import checked
from tests.process import Process
from tests.server import free_port

_SCRIPT: Final = Path(__file__).with_name("collect.lua")
_ALL_TIME: Final = {"startAt": 0, "endAt": 4_000_000_000_000}
_CONNECTIONS: Final = 16
_WARMING: Final = 3  # seconds


def collect(run: Run) -> Iterator[Figure]:
    """Acknowledged requests per second and latencies in ms, into stores that have a year of traffic."""
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is needed: apt-get install wrk")
    parsed = _parse_only(run.seconds)
    yield Figure("parsing the body only", "", parsed, "requests/s")
    for engine in run.engines:
        with run.stores.copy(run.stores.filled(engine, run.reference)) as store:
            alone = yield from _one_process(run, store)
            yield Figure("collecting against parsing only", engine, 100 * alone / parsed, "%")
            if engine == POSTGRESQL:
                with store.serving(WORKERS="2") as process:
                    both = asyncio.run(_load(process, store.site, run.seconds))
                yield Figure("collecting, two workers", engine, both["requests_per_second"], "requests/s")
                yield Figure("two workers against one", engine, both["requests_per_second"] / alone, "×")


def _one_process(run: Run, store: Store) -> Generator[Figure, None, float]:
    """One server's figures; returns its requests per second when it does nothing else."""
    engine = store.engine
    with store.serving() as process:
        before = _stored(process, store.site)
        alone = asyncio.run(_load(process, store.site, run.seconds))
        beside, dashboards = asyncio.run(_beside_dashboards(process, store, run.seconds))
        memory = peak_mib(process.popen.pid)
        stored = _stored(process, store.site) - before
    yield Figure("collecting", engine, alone["requests_per_second"], "requests/s")
    for name, unit in {"p50": "ms", "p99": "ms", "max": "ms"}.items():
        yield Figure(f"collecting, {name}", engine, alone[f"{name}_ms"], unit)
    share = 100 * beside["requests_per_second"] / alone["requests_per_second"]
    yield Figure("collecting beside dashboards, of the rate alone", engine, share, "%")
    yield Figure("collecting beside dashboards, p99", engine, beside["p99_ms"], "ms")
    yield Figure("collecting beside dashboards, max", engine, beside["max_ms"], "ms")
    yield Figure("dashboards of 365 days meanwhile", engine, dashboards, f"in {run.seconds} s")
    yield Figure("resident memory at most, meanwhile", engine, memory, "MiB")
    # wrk stops counting when its time is up; the requests then under way are stored without being counted.
    acknowledged = sum(load["acknowledged"] for load in (alone, beside))
    yield Figure(
        "acknowledged and not counted", engine, max(0, acknowledged - stored), f"of {acknowledged:,}"
    )
    yield Figure("answers other than 2xx, and broken connections", engine, alone["failed"] + beside["failed"])
    return float(alone["requests_per_second"])


async def _beside_dashboards(process: Process, store: Store, seconds: int) -> tuple[dict[str, Any], int]:
    """The load, and how many dashboards of 365 days were answered while it ran, one after the other in all ways."""
    async with client(process) as asking:
        dashboard = Dashboard(asking, store.site, store.traffic.end, DAYS["365 days"])
        load = asyncio.create_task(_load(process, store.site, seconds))
        answered = 0
        for ask in cycle(dashboard.ways.values()):
            await ask()
            if load.done():
                break
            answered += 1
        return await load, answered


async def _load(process: Process, site: UUID, seconds: int) -> dict[str, Any]:
    """What wrk finds; all that was acknowledged counts, while it warmed up too."""
    url = f"{process.url}/api/send"
    warm = await _wrk(url, site, _WARMING)
    found = await _wrk(url, site, seconds)
    return {
        **found,
        "requests_per_second": found["requests"] / found["seconds"],
        "acknowledged": sum(one["requests"] - one["non_2xx"] for one in (warm, found)),
        "failed": sum(one["non_2xx"] + one["socket_errors"] for one in (warm, found)),
    }


async def _wrk(url: str, site: UUID, seconds: int) -> dict[str, Any]:
    command = ["wrk", "-t1", f"-c{_CONNECTIONS}", f"-d{seconds}s", "-s", str(_SCRIPT), url, "--", str(site)]
    running = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output, _ = await running.communicate()
    [line] = [line for line in output.decode().splitlines() if line.startswith("JSON ")]
    figures: dict[str, Any] = json.loads(line.removeprefix("JSON "))
    return figures


def _stored(process: Process, site: UUID) -> int:
    headers = {"authorization": f"Bearer {process.token()}"}
    url = f"{process.url}/api/websites/{site}/stats"
    stats = checked(httpx.get(url, params=_ALL_TIME, headers=headers, timeout=120)).json()
    return int(stats["pageviews"]["value"])


def _parse_only(seconds: int) -> float:
    """Requests per second of the least that a route can do, under the same server."""
    with _serving_parse_only() as url:
        found = asyncio.run(_wrk(f"{url}/api/send", UUID(int=0), seconds))
    if found["non_2xx"] or found["socket_errors"]:
        raise SystemExit(f"the route that only parses failed: {found}")
    return float(found["requests"] / found["seconds"])


@contextmanager
def _serving_parse_only() -> Iterator[str]:
    port = free_port()
    settings = ["--loop", "uvloop", "--http", "httptools", "--log-level", "warning"]
    settings += ["--no-access-log", "--no-server-header", "--no-proxy-headers"]
    command = [sys.executable, "-m", "uvicorn", "benchmarks.parse_only:app", "--port", str(port), *settings]
    with subprocess.Popen(command) as server:
        url = f"http://127.0.0.1:{port}"
        try:
            deadline = time.monotonic() + 10
            while True:
                try:
                    checked(httpx.post(url, json={}))
                    break
                except httpx.TransportError:
                    if server.poll() is not None or time.monotonic() > deadline:
                        raise
                    time.sleep(0.05)
            yield url
        finally:
            server.terminate()
