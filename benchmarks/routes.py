"""How long each route takes over 30 days of a website with a million events, in one process on embedded files."""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import httpx

from benchmarks.traffic import fill
from tests.process import environment, serving

TARGET_MS: Final = 200
_REPEATS: Final = 5
_SITE: Final = "/api/websites/{site}"

# Name → path and parameters beside the range. Umami v2 REST behaviour §3.7 to §3.10.
LISTS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "events": (f"{_SITE}/events", {}),
    "events, page 500": (f"{_SITE}/events", {"page": 500}),
    "events, searched": (f"{_SITE}/events", {"search": "page/19"}),
    "event-data/events": (f"{_SITE}/event-data/events", {}),
    "event-data/events of one": (f"{_SITE}/event-data/events", {"event": "purchase"}),
    "event-data/fields": (f"{_SITE}/event-data/fields", {}),
    "event-data/properties": (f"{_SITE}/event-data/properties", {}),
    "event-data/values": (f"{_SITE}/event-data/values", {"eventName": "purchase", "propertyName": "price"}),
    "event-data/stats": (f"{_SITE}/event-data/stats", {}),
    "sessions": (f"{_SITE}/sessions", {}),
    "sessions, page 500": (f"{_SITE}/sessions", {"page": 500}),
    "sessions, searched": (f"{_SITE}/sessions", {"search": "city 49"}),
    "sessions/stats": (f"{_SITE}/sessions/stats", {}),
    "sessions/stats, filtered": (f"{_SITE}/sessions/stats", {"country": "DE"}),
    "sessions/weekly": (f"{_SITE}/sessions/weekly", {"timezone": "Europe/Berlin"}),
    "sessions/one": (f"{_SITE}/sessions/{{session}}", {}),
    "sessions/one/activity": (f"{_SITE}/sessions/{{session}}/activity", {}),
    "sessions/one/properties": (f"{_SITE}/sessions/{{session}}/properties", {}),
    "session-data/properties": (f"{_SITE}/session-data/properties", {}),
    "session-data/values": (f"{_SITE}/session-data/values", {"propertyName": "plan"}),
    "segments": (f"{_SITE}/segments", {"type": "segment"}),
    "realtime": ("/api/realtime/{site}", {"timezone": "Europe/Berlin"}),
}

# Name → path and body beside website and period. §3.12.
REPORTS: Final[dict[str, dict[str, Any]]] = {
    "funnel": {
        "window": 60,
        "steps": [{"type": "url", "value": f"/page/{number}"} for number in (0, 1)]
        + [{"type": "event", "value": "purchase"}],
    },
    "journey": {"steps": 5},
    "retention": {"timezone": "Europe/Berlin"},
    "goals": {
        "goals": [
            {"type": "url", "value": "/page/0", "goal": 10},
            {"type": "event", "value": "purchase", "goal": 10},
            {"type": "event-data", "value": "purchase", "goal": 10, "operator": "sum", "property": "price"},
        ]
    },
    "insights": {
        "fields": [{"name": name, "type": "string", "label": name} for name in ("country", "url")],
        "filters": [],
    },
    "utm": {},
    "revenue": {"currency": "EUR", "timezone": "Europe/Berlin"},
    "attribution": {"model": "lastClick", "steps": [{"type": "event", "value": "purchase"}]},
}


def routes(data_dir: Path, events: int = 1_000_000, days: int = 30) -> dict[str, float]:
    """Median milliseconds of each route, over HTTP, asked by the owner."""
    values = environment(data_dir / "data")
    with serving(values, data_dir / "log") as process:
        headers = {"authorization": f"Bearer {process.token()}"}
        made = httpx.post(
            f"{process.url}/api/websites", json={"name": "b", "domain": "example.com"}, headers=headers
        )
        site = made.json()["id"]
    # Up to now, so that there is something to see live.
    end = dt.datetime.now(dt.UTC).replace(microsecond=0)
    start = end - dt.timedelta(days=days)
    stored = fill(data_dir / "data" / "events.duckdb", UUID(site), events, end)
    if stored < 0.9 * events:
        raise SystemExit(f"{stored:,} events were made where about {events:,} were meant")
    with (
        serving(values, data_dir / "log") as process,
        httpx.Client(
            base_url=process.url, headers={"authorization": f"Bearer {process.token()}"}, timeout=120
        ) as client,
    ):
        period = {"startAt": _milliseconds(start), "endAt": _milliseconds(end)}
        session = client.get(f"/api/websites/{site}/sessions", params=period).json()["data"][3]["id"]
        figures = {}
        for name, (path, more) in LISTS.items():
            url = path.format(site=site, session=session)
            figures[name] = _median(client, "GET", url, params={**period, **more})
        for name, more in REPORTS.items():
            asked = {"startDate": start.isoformat(), "endDate": end.isoformat(), "unit": "day"}
            body = {"websiteId": site, "dateRange": asked, **more}
            figures[f"reports/{name}"] = _median(client, "POST", f"/api/reports/{name}", json=body)
        return figures


def _median(client: httpx.Client, method: str, url: str, **sent: Any) -> float:
    taken = []
    for _ in range(_REPEATS):
        begun = time.perf_counter()
        answer = client.request(method, url, **sent)
        taken.append((time.perf_counter() - begun) * 1000)
        if answer.status_code != 200:
            raise SystemExit(f"{method} {url}: {answer.status_code} {answer.text}")
    return round(sorted(taken)[_REPEATS // 2], 1)


def _milliseconds(at: dt.datetime) -> int:
    return int(at.timestamp() * 1000)
