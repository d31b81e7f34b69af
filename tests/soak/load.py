"""What a server does all day: hits, dashboards over both doors, subscribers, websites that come and go, logins."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from tests.following import socket, stream
from tests.populate import CHROME
from tests.process import Process
from tests.server import PASSWORD

# Seconds between two turns of each thread.
PACE: Final[dict[str, float]] = {
    "collect": 0.02,
    "dashboards": 0.15,
    "questions": 0.15,
    "subscribers": 0.3,
    "websites": 0.5,
    "logins": 2.0,
}
_DASHBOARD: Final = """query($id: ID!) { website(id: $id) { activeVisitors analytics(period: {last: DAYS_7}) {
    totals(compare: PREVIOUS) { visitors { value previous } pageviews { value } } series { at visitors pageviews }
    breakdown(by: [PATH], first: 10) { nodes { values visitors } } events(first: 20) { nodes { path name data { key value } } }
    sessions(first: 10) { nodes { id browser } } eventProperties(first: 10) { nodes { key count } } } } }"""
_LIVE: Final = (
    "subscription($id: ID!) { liveTotals(websiteId: $id, period: {last: TODAY}) { pageviews visitors } }",
    "subscription($id: ID!) { activeVisitors(websiteId: $id) }",
)


@dataclass
class Load:
    """Runs until the block ends. What went wrong is kept in `failures`, how often each thing was done in `done`."""

    process: Process
    token: str
    website: str
    done: dict[str, int] = field(default_factory=lambda: dict.fromkeys(PACE, 0))
    failures: list[str] = field(default_factory=list)
    acknowledged: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Load:
        jobs: dict[str, Callable[[httpx.Client, int], None]] = {
            "collect": self._collect,
            "dashboards": self._dashboard,
            "questions": self._question,
            "subscribers": self._subscribe,
            "websites": self._come_and_go,
            "logins": self._log_in,
        }
        for name, job in jobs.items():
            thread = threading.Thread(target=self._repeat, args=(name, job), name=name)
            self._threads.append(thread)
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token}"}

    def _repeat(self, name: str, job: Callable[[httpx.Client, int], None]) -> None:
        with httpx.Client(base_url=self.process.url, timeout=60, headers={"user-agent": CHROME}) as client:
            for number in itertools.count():
                if self._stop.wait(PACE[name]):
                    return
                try:
                    job(client, number)
                except Exception as error:
                    self.failures.append(f"{name}: {type(error).__name__} {error}"[:500])
                self.done[name] += 1

    def _collect(self, client: httpx.Client, number: int) -> None:
        """A hit of one of two hundred visitors; every tenth is a custom event with data."""
        self._send(client, self.website, number)
        self.acknowledged += 1

    def _send(self, client: httpx.Client, website: str, number: int) -> None:
        payload: dict[str, Any] = {
            "website": website,
            "url": f"/page/{number % 50}",
            "ip": f"8.8.4.{number % 200}",
        }
        if number % 10 == 0:
            payload |= {"name": "signup", "data": {"plan": "pro", "number": number}}
        answer = client.post("/api/send", json={"type": "event", "payload": payload})
        assert answer.status_code == 200, answer.text
        assert "sessionId" in answer.json()

    def _dashboard(self, client: httpx.Client, number: int) -> None:
        """What Umami's dashboard asks."""
        now = int(time.time() * 1000)
        within = {
            "startAt": str(now - 7 * 86_400_000),
            "endAt": str(now),
            "unit": "day",
            "timezone": "Europe/Berlin",
        }
        for path, more in (
            ("stats", {}),
            ("pageviews", {}),
            ("metrics", {"type": ("url", "browser", "event")[number % 3]}),
            ("sessions", {"pageSize": "20"}),
            ("events", {"pageSize": "20"}),
        ):
            answer = client.get(
                f"/api/websites/{self.website}/{path}", params={**within, **more}, headers=self.headers
            )
            assert answer.status_code == 200, answer.text

    def _question(self, client: httpx.Client, number: int) -> None:
        asked = {"query": _DASHBOARD, "variables": {"id": self.website}}
        answer = client.post("/graphql", json=asked, headers=self.headers)
        assert "errors" not in answer.json(), answer.text

    def _subscribe(self, client: httpx.Client, number: int) -> None:
        """Three who follow at a time, two by sockets and one by server-sent events, each until its first push."""
        variables = {"id": self.website}
        with ExitStack() as open_ones:
            for query in _LIVE:
                follower = open_ones.enter_context(socket(self.process.url, self.headers))
                follower.subscribe(query, variables)
                follower.next()
            told = open_ones.enter_context(
                stream(self.process.url, _LIVE[number % 2], variables, self.headers)
            )
            name, data = next(event for event in told if event[0])
            assert name == "next", (name, data)
            assert "errors" not in data, data

    def _come_and_go(self, client: httpx.Client, number: int) -> None:
        """A website is made, collects, is asked, reset and deleted."""
        made = client.post("/api/websites", json={"name": "x", "domain": "x.org"}, headers=self.headers)
        path = f"/api/websites/{made.json()['id']}"
        for one in range(5):
            self._send(client, made.json()["id"], one)
        for method, which in (("GET", "/active"), ("POST", "/reset"), ("DELETE", "")):
            answer = client.request(method, path + which, headers=self.headers)
            assert answer.status_code == 200, answer.text

    def _log_in(self, client: httpx.Client, number: int) -> None:
        given = {"username": "admin", "password": PASSWORD}
        answer = client.post("/api/auth/login", json=given)
        assert answer.status_code == 200, answer.text
        verified = client.post(
            "/api/auth/verify", headers={"authorization": f"Bearer {answer.json()['token']}"}
        )
        assert verified.status_code == 200, verified.text
