"""Every acknowledged event is counted exactly once, whenever the process dies."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.populate import CHROME
from tests.process import Process, environment, serving

ROUNDS = 4
SENDERS = 6


class Load:
    """Senders that give each event a name of its own and remember what was acknowledged."""

    def __init__(self, url: str, website_id: str, prefix: str) -> None:
        self.url, self.website_id, self.prefix = url, website_id, prefix
        self.sent: set[str] = set()
        self.acknowledged: set[str] = set()
        self.refused: list[str] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._send, args=(number,)) for number in range(SENDERS)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def wait_for(self, acknowledged: int, seconds: float = 30) -> None:
        """Wait until so many events are acknowledged."""
        deadline = time.monotonic() + seconds
        while len(self.acknowledged) < acknowledged:
            assert time.monotonic() < deadline, self.refused
            time.sleep(0.01)

    def _send(self, sender: int) -> None:
        with httpx.Client(base_url=self.url, headers={"user-agent": CHROME}) as client:
            number = 0
            while not self._stop.is_set():
                number += 1
                name = f"{self.prefix}-{sender}-{number}"
                payload = {"website": self.website_id, "name": name, "url": "/", "data": {"n": number}}
                self.sent.add(name)
                try:
                    answer = client.post("/api/send", json={"type": "event", "payload": payload})
                except httpx.TransportError:  # the server is dead
                    return
                if answer.status_code == 200 and "sessionId" in answer.json():
                    self.acknowledged.add(name)
                else:
                    self.refused.append(answer.text)


def counted(process: Process, website_id: str) -> dict[str, int]:
    """Custom events by name."""
    params: dict[str, Any] = {"startAt": 0, "endAt": 4_000_000_000_000, "type": "event", "limit": 1_000_000}
    headers = {"authorization": f"Bearer {process.token()}"}
    answer = httpx.get(
        f"{process.url}/api/websites/{website_id}/metrics", params=params, headers=headers, timeout=60
    )
    assert answer.status_code == 200, answer.text
    return {row["x"]: row["y"] for row in answer.json()}


def test_kill_under_load(store: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    fresh: Callable[[], str] = request.getfixturevalue("postgres") if store == "postgresql" else str
    env = environment(tmp_path / "data", fresh())
    log = tmp_path / "log"
    chance = random.Random(7)
    acknowledged: set[str] = set()
    sent: set[str] = set()
    website_id = ""
    for number in range(ROUNDS):
        with serving(env, log) as process:
            if not website_id:
                headers = {"authorization": f"Bearer {process.token()}"}
                made = httpx.post(
                    f"{process.url}/api/websites", json={"name": "x", "domain": "x.org"}, headers=headers
                )
                website_id = made.json()["id"]
            with Load(process.url, website_id, str(number)) as load:
                load.wait_for(20)
                time.sleep(chance.random())
                process.kill()
            assert load.refused == []
            acknowledged |= load.acknowledged
            sent |= load.sent
    with serving(env, log) as process:
        found = counted(process, website_id)
    assert set(found.values()) == {1}, "an event was counted more than once"
    assert acknowledged - found.keys() == set(), "an acknowledged event is missing"
    assert found.keys() - sent == set()
    # At most the request each sender had under way was stored without its answer being heard.
    assert len(found) <= len(acknowledged) + ROUNDS * SENDERS
    assert "Traceback" not in log.read_text()
