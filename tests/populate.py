"""Test data through the front door: hits are sent to `POST /api/send` as browsers send them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from tests.server import Server

CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.5 Mobile/15E148 Safari/604.1"
)
ANDROID = (
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/126.0.0.0 Mobile Safari/537.36"
)


@dataclass(frozen=True)
class Visitor:
    ip: str
    agent: str
    screen: str
    language: str
    country: str = ""
    region: str = ""
    city: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """What a CDN and the browser say of the visitor."""
        said = {
            "user-agent": self.agent,
            "x-forwarded-for": self.ip,
            "cf-ipcountry": self.country,
            "cf-region-code": self.region,
            "cf-ipcity": self.city,
        }
        return {name: value for name, value in said.items() if value}


# The three visitors of the conformance data (Umami v2 REST behaviour §6.3).
A = Visitor("8.8.8.1", CHROME, "1920x1080", "en-US", "US", "CA", "San Jose")
B = Visitor("8.8.8.2", IPHONE, "390x844", "de-DE", "DE", "BE", "Berlin")
C = Visitor("8.8.8.3", ANDROID, "412x915", "en-GB", "US", "NY", "New York")


@dataclass(frozen=True)
class Hit:
    """One body of `POST /api/send` and who sends it. `at` is UTC, `YYYY-MM-DD HH:MM:SS`."""

    visitor: Visitor
    at: str
    payload: dict[str, Any] = field(default_factory=dict)
    type: str = "event"

    def body(self, website_id: str) -> dict[str, Any]:
        seconds = int(dt.datetime.fromisoformat(self.at).replace(tzinfo=dt.UTC).timestamp())
        common = {"hostname": "example.com", "screen": self.visitor.screen, "language": self.visitor.language}
        payload = {"website": website_id, "timestamp": seconds, **common, **self.payload}
        return {"type": self.type, "payload": payload}


def view(visitor: Visitor, at: str, url: str = "/", **payload: Any) -> Hit:
    """A page view, titled `T ` and the path unless a title is given."""
    return Hit(visitor, at, {"url": url, "title": f"T {url.partition('?')[0]}", **payload})


def happening(
    visitor: Visitor, at: str, url: str, name: str, data: dict[str, Any] | None = None, **payload: Any
) -> Hit:
    """A custom event."""
    more = payload if data is None else {"data": data, **payload}
    return view(visitor, at, url, name=name, **more)


def identification(visitor: Visitor, at: str, data: dict[str, Any] | None = None, **payload: Any) -> Hit:
    more = payload if data is None else {"data": data, **payload}
    return replace(Hit(visitor, at, more), type="identify")


def populate(server: Server, website_id: str, hits: Iterable[Hit]) -> list[dict[str, Any]]:
    """Send hits in order; the answers, one for each."""
    answers = []
    for hit in hits:
        answer = server.client.post("/api/send", json=hit.body(website_id), headers=hit.visitor.headers)
        assert answer.status_code == 200, answer.text
        answers.append(answer.json())
    return answers


# The conformance data set, in the order of its table.
VECTORS: tuple[Hit, ...] = (
    view(A, "2026-11-10 10:00:00", "/"),
    view(A, "2026-11-10 10:02:00", "/pricing", referrer="https://example.com/"),
    happening(
        A,
        "2026-11-10 10:05:00",
        "/pricing",
        "signup",
        {
            "plan": "pro",
            "n": 3,
            "f": 1.23456,
            "when": "2024-01-02T03:04:05.000Z",
            "ok": True,
            "tags": ["a", "b"],
            "nested": {"x": 1.5, "y": {"z": "q"}},
            "nul": None,
            "d2": "2024-01-02T03:04:05Z",
            "d3": "2024-01-02T03:04:05",
        },
    ),
    happening(A, "2026-11-10 10:10:00", "/pricing", "purchase", {"revenue": 19.99, "currency": "USD"}),
    view(B, "2026-11-10 10:30:00", "/", referrer="https://www.google.com/search"),
    view(C, "2026-11-10 11:00:00", "/?utm_source=news&utm_medium=email", referrer="https://t.co/x"),
    view(C, "2026-11-10 11:01:00", "/pricing", referrer="/?x=1"),
    view(C, "2026-11-11 09:00:00", "/"),
    happening(C, "2026-11-11 09:00:30", "/", "purchase", {"revenue": "5", "currency": "usd"}),
    identification(
        A,
        "2026-11-10 10:20:00",
        {"email": "a@b.c", "age": 33, "vip": True, "since": "2024-01-02T03:04:05.000Z"},
    ),
    identification(A, "2026-11-10 10:21:00", {"age": 34}),
)
