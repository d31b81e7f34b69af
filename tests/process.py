"""A server in a process of its own, for tests that kill it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import sqlalchemy as sa

from tests.server import PASSWORD, SECRET, free_port


@dataclass
class Process:
    """`dashi serve` with its output in `log`."""

    url: str
    popen: subprocess.Popen[bytes]
    log: Path

    def kill(self) -> None:
        """End it as a power cut would: no handler of its own runs."""
        self.popen.kill()
        self.popen.wait()

    def wait_until_ready(self, seconds: float = 90) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            assert self.popen.poll() is None, self.log.read_text()
            try:
                if httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.05)
        raise AssertionError(f"not ready within {seconds} s: {self.log.read_text()}")

    def metrics(self) -> str:
        return httpx.get(f"{self.url}/metrics", timeout=30).text

    def token(self) -> str:
        answer = httpx.post(f"{self.url}/api/auth/login", json={"username": "admin", "password": PASSWORD})
        answer.raise_for_status()
        token: str = answer.json()["token"]
        return token


def engine_path(directory: Path) -> str:
    """Where ClickHouse's engine has its files within a process, and how it is configured (`clickhouse.xml`)."""
    return f"file:{directory}?config-file={Path(__file__).with_name('clickhouse.xml')}"


def engine_within(data_dir: Path, database: str = "dashi") -> str:
    """The EVENTS_URL of ClickHouse's engine in a server's own process, its files among the server's."""
    asked = {"interface": "chdb", "path": engine_path(data_dir / "clickhouse")}
    return sa.URL.create("clickhousedb", database=database, query=asked).render_as_string()


def environment(data_dir: Path, url: str = "", **more: str) -> dict[str, str]:
    """The environment of a fresh instance on a free port; settings of the test's own environment are left out.

    `url` is of PostgreSQL, for accounts and events, or of ClickHouse, for events; '' is files in `data_dir`.
    """
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    given = {
        "DATA_DIR": str(data_dir),
        "EVENTS_URL" if url.startswith("clickhouse") else "DATABASE_URL": url,
        "APP_SECRET": SECRET,
        "ADMIN_PASSWORD": PASSWORD,
        "DUCKDB_MEMORY_LIMIT": "1GB",
        "PORT": str(free_port()),
    }
    return {**kept, **given, **more}


@contextmanager
def serving(env: dict[str, str], log: Path) -> Iterator[Process]:
    """Start `dashi serve` and wait until it is ready; it is gone after the block."""
    with started(env, log) as process:
        process.wait_until_ready()
        yield process


@contextmanager
def started(env: dict[str, str], log: Path) -> Iterator[Process]:
    """Start `dashi serve`; it is gone after the block."""
    url = f"http://127.0.0.1:{env['PORT']}"
    with log.open("ab") as output:
        popen = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "serve"], env=env, stdout=output, stderr=output
        )
    process = Process(url, popen, log)
    try:
        yield process
    finally:
        if popen.poll() is None:
            popen.terminate()
            try:
                popen.wait(15)
            except subprocess.TimeoutExpired:
                popen.kill()
                popen.wait()
                raise
