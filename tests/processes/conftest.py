"""Two servers over one PostgreSQL, each with a DATA_DIR of its own, as on two machines."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr

from app.settings import Settings
from tests.populate import CHROME
from tests.process import Process, environment, started
from tests.server import PASSWORD, SECRET, Server


class Node(Server):
    """One of the two, and what its process is."""

    process: Process

    def send(self, website_id: str, headers: dict[str, str] | None = None, **payload: Any) -> Any:
        """A hit; the answer, whatever it is."""
        body = {"type": "event", "payload": {"website": website_id, "url": "/", **payload}}
        return self.client.post("/api/send", json=body, headers={"user-agent": CHROME, **(headers or {})})

    def pageviews(self, website_id: str) -> int:
        found = self.get(f"/api/websites/{website_id}/stats", startAt=0, endAt=2**41)
        return int(found["pageviews"]["value"])

    def metric(self, name: str) -> float:
        """The sum of a figure over its labels."""
        lines = self.client.get("/metrics").text.splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith((f"{name} ", f"{name}{{")))


@dataclass
class Two:
    """`a` and `b`, and the database of both."""

    a: Node
    b: Node
    url: str

    def connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        return psycopg.connect(self.url, autocommit=True)

    def settings(self, data_dir: Path, **changes: Any) -> Settings:
        """Those of a third one."""
        given = {"database_url": self.url, "app_secret": SecretStr(SECRET), **changes}
        return Settings(data_dir=data_dir, admin_password=SecretStr(PASSWORD), **given)


@pytest.fixture(scope="session")
def two(postgres: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    """They are started at the same moment, on an empty database."""
    url, place = postgres(), tmp_path_factory.mktemp("two")
    # Longer than a test waits: what ends a subscription before was heard of.
    more = {"SUBSCRIPTION_CHECK_SECONDS": "60"}
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                started(environment(place / name, url, PGAPPNAME=name, **more), place / f"{name}.log")
            )
            for name in ("a", "b")
        ]
        nodes = []
        for process in processes:
            process.wait_until_ready()
            node = Node(process.url, Settings(data_dir=place), None)
            node.process = process
            stack.callback(node.client.close)
            nodes.append(node)
        yield Two(*nodes, url)
    for process in processes:
        assert "Traceback" not in process.log.read_text()


def within(seconds: float, holds: Callable[[], bool], what: str) -> None:
    """It comes to hold before as much time is over as it would take if nothing were heard."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)
