"""Durable collecting under load: wrk against one process on embedded files, or on PostgreSQL."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import httpx

from benchmarks.machine import resident_mib
from tests.process import Process, environment, serving

SCRIPT = Path(__file__).with_name("collect.lua")
ALL_TIME = {"startAt": 0, "endAt": 4_000_000_000_000}


def collect(
    data_dir: Path, database_url: str = "", seconds: int = 15, connections: int = 16
) -> dict[str, Any]:
    """Acknowledged durable requests per second, latencies in ms, memory in MiB; every answer is checked to be counted."""
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is needed: apt-get install wrk")
    with serving(environment(data_dir / "data", database_url), data_dir / "log") as process:
        headers = {"authorization": f"Bearer {process.token()}"}
        made = httpx.post(
            f"{process.url}/api/websites", json={"name": "b", "domain": "example.com"}, headers=headers
        )
        website_id = made.json()["id"]
        idle = resident_mib(process.popen.pid)
        warm = _wrk(process, website_id, 3, connections)
        figures = _wrk(process, website_id, seconds, connections)
        stats = httpx.get(
            f"{process.url}/api/websites/{website_id}/stats", params=ALL_TIME, headers=headers, timeout=60
        ).json()
        # wrk stops counting when its time is up; the requests then under way are stored without being counted.
        acknowledged = warm["requests"] + figures["requests"] - warm["non_2xx"] - figures["non_2xx"]
        stored = stats["pageviews"]["value"]
        return {
            "requests_per_second": round(figures["requests"] / figures["seconds"]),
            **{name: figures[name] for name in ("p50_ms", "p99_ms", "max_ms", "non_2xx", "socket_errors")},
            "acknowledged": acknowledged,
            "stored": stored,
            "lost": max(0, acknowledged - stored),
            "idle_mib": round(idle),
            "loaded_mib": round(resident_mib(process.popen.pid)),
        }


def _wrk(process: Process, website_id: str, seconds: int, connections: int) -> dict[str, Any]:
    command = [
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{seconds}s",
        "-s",
        str(SCRIPT),
        f"{process.url}/api/send",
    ]
    done = subprocess.run([*command, "--", website_id], capture_output=True, text=True, check=True)
    [line] = [line for line in done.stdout.splitlines() if line.startswith("JSON ")]
    figures: dict[str, Any] = json.loads(line.removeprefix("JSON "))
    return figures
