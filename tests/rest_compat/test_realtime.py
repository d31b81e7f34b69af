"""The live view over REST, on both stores (Umami v2 REST behaviour §3.10)."""

from __future__ import annotations

import datetime as dt
import time
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.populate import A, B, Hit, happening, populate, view
from tests.rest_compat.people import Headers
from tests.server import Server


def moment(seconds: int) -> dt.datetime:
    """So many seconds ago, to the second."""
    return dt.datetime.fromtimestamp(int(time.time()) - seconds, dt.UTC)


def text(at: dt.datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"


def shown(at: dt.datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S}.000Z"


def minutes(timezone: str, *instants: dt.datetime) -> list[dict[str, Any]]:
    """How many of the instants lie in which minute of a wall clock."""
    walls = sorted(f"{at.astimezone(ZoneInfo(timezone)):%Y-%m-%d %H:%M}:00" for at in instants)
    return [{"x": wall, "y": walls.count(wall)} for wall in sorted(set(walls))]


def test_nothing(server: Server, website: str) -> None:
    before = int(time.time() * 1000)
    found = server.get(f"/api/realtime/{website}")
    assert before <= found.pop("timestamp") <= int(time.time() * 1000)
    assert found == {
        "countries": {},
        "urls": {},
        "referrers": {},
        "events": [],
        "series": {"views": [], "visitors": []},
        "totals": {"views": 0, "visitors": 0, "events": 0, "countries": 0},
    }


def test_the_last_half_hour(server: Server, website: str) -> None:
    long_ago, first, second, third, fourth = (moment(seconds) for seconds in (2000, 600, 300, 290, 10))
    hits: list[Hit] = [
        view(A, text(long_ago), "/old"),
        view(A, text(first), "/", referrer="https://www.bing.com/search"),
        happening(A, text(second), "/b", "click"),
        view(B, text(third), "/b", referrer="https://example.com/"),
        view(A, text(fourth), "/b"),
    ]
    populate(server, website, hits)
    found = server.get(f"/api/realtime/{website}")
    session_a, session_b = (server.events(website)[index]["session_id"] for index in (0, 3))

    def entry(kind: str, at: dt.datetime, path: str, **more: Any) -> dict[str, Any]:
        return {
            "__type": kind,
            "sessionId": str(session_a),
            "eventName": None,
            "createdAt": shown(at),
            "browser": "chrome",
            "os": "Windows 10",
            "device": "desktop",
            "country": "US",
            "urlPath": path,
            "referrerDomain": None,
            **more,
        }

    phone = {
        "sessionId": str(session_b),
        "browser": "ios",
        "os": "iOS",
        "device": "mobile",
        "country": "DE",
        "referrerDomain": "example.com",
    }
    assert found["events"] == [
        entry("pageview", fourth, "/b"),
        entry("pageview", third, "/b", **phone),
        entry("session", third, "/b", **phone),
        entry("event", second, "/b", eventName="click"),
        entry("pageview", first, "/", referrerDomain="bing.com"),
        entry("session", first, "/", referrerDomain="bing.com"),
    ]
    assert list(found["countries"].items()) == [("US", 1), ("DE", 1)]
    assert list(found["urls"].items()) == [("/", 1), ("/b", 3)]
    assert list(found["referrers"].items()) == [("bing.com", 1), ("example.com", 1)]
    views = minutes("UTC", first, third, fourth)
    assert found["series"] == {"views": views, "visitors": views}
    assert found["totals"] == {"views": 3, "visitors": 3, "events": 1, "countries": 2}


@pytest.mark.parametrize("timezone", ["America/Los_Angeles", "asia/kathmandu"])
def test_minutes_are_those_of_the_time_zone(server: Server, website: str, timezone: str) -> None:
    first, second = moment(600), moment(10)
    populate(server, website, [view(A, text(first)), view(A, text(first)), view(A, text(second))])
    # The range of the documentation is not read.
    found = server.get(f"/api/realtime/{website}", timezone=timezone, startAt=1, endAt="x")
    zone = {"asia/kathmandu": "Asia/Kathmandu"}.get(timezone, timezone)
    assert found["series"]["views"] == minutes(zone, first, first, second)
    assert found["series"]["visitors"] == minutes(zone, first, second)
    assert found["totals"] == {"views": 3, "visitors": 2, "events": 0, "countries": 1}


def test_a_bad_time_zone(live: Server, live_website: str) -> None:
    answer = live.client.get(f"/api/realtime/{live_website}?timezone=Nowhere")
    assert (answer.status_code, answer.json()) == (400, {"error": ["timezone: Invalid timezone"]})


def test_a_share_may_look(live: Server, shared: tuple[str, Headers], bob: Headers) -> None:
    website, share = shared
    statuses = [
        live.client.get(f"/api/realtime/{website}", headers=headers).status_code
        for headers in (share, bob, {})
    ]
    assert statuses == [200, 401, 401]
