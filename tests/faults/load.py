"""Senders that remember what was acknowledged, and the count that must agree with it."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Collection
from typing import Any

import httpx

from tests.populate import CHROME
from tests.process import Process

SENDERS = 6
_EVER = {"startAt": 0, "endAt": 4_000_000_000_000}


class Load:
    """Senders that give each event a name of its own and remember what became of it: custom events and page views.

    `refused` is empty unless `refusals` says that answers other than 200 are expected; these then must be 503 with
    `Retry-After`, and everything else ends up in `wrong`.
    """

    def __init__(self, url: str, website_id: str, prefix: str, *, pause: float = 0.0) -> None:
        self.url, self.website_id, self.prefix, self.pause = url, website_id, prefix, pause
        self.sent: set[str] = set()
        self.acknowledged: set[str] = set()
        self.refused: list[str] = []  # the errors of answers 503 with Retry-After
        self.wrong: list[str] = []  # any other answer
        self.cut: set[str] = set()  # nothing was heard of these
        self.slowest = 0.0  # seconds that an acknowledgement took
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._send, args=(number,)) for number in range(SENDERS)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def wait_for(self, acknowledged: int, seconds: float = 30) -> None:
        """Wait until so many more events are acknowledged."""
        target = len(self.acknowledged) + acknowledged
        until(
            lambda: len(self.acknowledged) >= target,
            seconds,
            lambda: str(self.refused[-3:] + self.wrong[-3:]),
        )

    def wait_for_refusals(self, refused: int, seconds: float = 30) -> None:
        target = len(self.refused) + refused
        until(lambda: len(self.refused) >= target, seconds, lambda: str(self.wrong[-3:]))

    def _send(self, sender: int) -> None:
        headers = {"user-agent": CHROME, "x-forwarded-for": f"8.8.8.{sender}"}
        with httpx.Client(base_url=self.url, headers=headers, timeout=30) as client:
            number = 0
            while not self._stop.wait(self.pause):
                number += 1
                name = f"{self.prefix}-{sender}-{number}"
                payload: dict[str, Any] = {"website": self.website_id, "url": f"/{name}"}
                if number % 2:
                    payload |= {"name": name, "data": {"n": number}}
                self.sent.add(name)
                began = time.monotonic()
                try:
                    answer = client.post("/api/send", json={"type": "event", "payload": payload})
                except httpx.TransportError:  # the server is dead
                    self.cut.add(name)
                    return
                if answer.status_code == 200 and "sessionId" in answer.json():
                    self.slowest = max(self.slowest, time.monotonic() - began)
                    self.acknowledged.add(name)
                elif answer.status_code == 503 and int(answer.headers.get("retry-after", 0)) > 0:
                    self.refused.append(answer.json()["error"])
                    time.sleep(0.02)
                else:
                    self.wrong.append(f"{answer.status_code} {answer.text}")
                    time.sleep(0.02)


class Site:
    """A website of a server that comes and goes, with what its senders were told, and the judge of what is counted."""

    def __init__(self, process: Process) -> None:
        made = httpx.post(
            f"{process.url}/api/websites",
            json={"name": "x", "domain": "x.org"},
            headers={"authorization": f"Bearer {process.token()}"},
            timeout=30,
        )
        assert made.status_code == 200, made.text
        self.id: str = made.json()["id"]
        self.acknowledged: set[str] = set()
        self.sent: set[str] = set()
        self.cut: set[str] = set()

    def load(self, process: Process, prefix: str, *, pause: float = 0.0) -> Load:
        return Load(process.url, self.id, prefix, pause=pause)

    def note(self, load: Load) -> None:
        """Take over what a load remembers. What was answered with an error must not be counted."""
        assert load.wrong == []
        self.acknowledged |= load.acknowledged
        self.sent |= load.sent
        self.cut |= load.cut

    def judge(self, process: Process, lost: Collection[str] = ()) -> None:
        """Every acknowledged event is counted once, by each figure; of the others only what was cut off may be.

        `lost` are events whose bytes the test has destroyed.
        """
        happened = self.ask(process, "metrics", type="event", limit=1_000_000)
        assert {row["y"] for row in happened} <= {1}, "an event was counted more than once"
        seen = self.ask(process, "metrics", type="url", limit=1_000_000)
        events = {row["x"] for row in happened}
        views = {row["x"].removeprefix("/") for row in seen} - events
        found = events | views
        assert self.acknowledged - found - set(lost) == set(), "an acknowledged event is missing"
        assert found - self.acknowledged - self.cut == set(), "an event that was refused is counted"
        # Its data are rows of another table, and the figures come from parts of visits.
        data = self.ask(process, "event-data/stats")
        assert (data["events"], data["records"]) == (len(events), len(events))
        stats = self.ask(process, "stats")
        assert stats["pageviews"]["value"] == len(views), "a page view was counted more than once"
        assert stats["visitors"]["value"] == len({name.split("-")[-2] for name in found})
        sessions = self.ask(process, "sessions", pageSize=100)["data"]
        assert sum(int(one["views"]) for one in sessions) == len(views)

    def ask(self, process: Process, what: str, **params: Any) -> Any:
        """What REST answers of the website."""
        answer = httpx.get(
            f"{process.url}/api/websites/{self.id}/{what}",
            params={**_EVER, **params},
            headers={"authorization": f"Bearer {process.token()}"},
            timeout=60,
        )
        assert answer.status_code == 200, answer.text
        return answer.json()


def readiness(process: Process) -> tuple[int, str]:
    """(status, reason) of /readyz; '' where it is ready. Unready it says when to come again."""
    answer = httpx.get(f"{process.url}/readyz", timeout=30)
    assert ("retry-after" in answer.headers) == (answer.status_code == 503)
    return answer.status_code, answer.json().get("reason", "")


def wait_until_ready(process: Process, seconds: float = 30) -> None:
    until(lambda: readiness(process)[0] == 200, seconds, lambda: process.log.read_text()[-3000:])


def until(holds: Any, seconds: float = 30, why: Any = lambda: "") -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain at {dt.datetime.now(dt.UTC)}: {why()}"
        time.sleep(0.02)


def told_plainly(process: Process) -> None:
    """The log says what happens, and is no place for traces."""
    log = process.log.read_text()
    assert "Traceback" not in log, log[-5000:]
