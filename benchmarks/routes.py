"""How long each list, report and live view takes over 30 days of a website with a million events."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any, Final

import httpx

from benchmarks.dashboards import milliseconds
from benchmarks.figures import Figure, Target, at_most
from benchmarks.raw import REPORTS
from benchmarks.run import Run
from benchmarks.stores import DUCKDB, Store, client
from benchmarks.timing import checked, medians
from benchmarks.traffic import PURCHASE, Traffic

_PERIOD: Final = dt.timedelta(days=30)
_SITE: Final = "/api/websites/{site}"
_LIVE_HITS: Final = 200
_WEBSITES: Final = 50

# Name → path and parameters beside the range. Umami v2 REST behaviour §3.7 to §3.10.
LISTS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "events": (f"{_SITE}/events", {}),
    "events, page 500": (f"{_SITE}/events", {"page": 500}),
    "events, searched": (f"{_SITE}/events", {"search": "page/19"}),
    "event-data/events": (f"{_SITE}/event-data/events", {}),
    "event-data/events of one": (f"{_SITE}/event-data/events", {"event": PURCHASE}),
    "event-data/fields": (f"{_SITE}/event-data/fields", {}),
    "event-data/properties": (f"{_SITE}/event-data/properties", {}),
    "event-data/values": (f"{_SITE}/event-data/values", {"eventName": PURCHASE, "propertyName": "price"}),
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
    "values": (f"{_SITE}/values", {"type": "url"}),
    "active": (f"{_SITE}/active", {}),
    "realtime": ("/api/realtime/{site}", {"timezone": "Europe/Berlin"}),
}
_TOTALS: Final = """query($first: Int!, $period: PeriodInput!) { websites(first: $first) { nodes {
    analytics(period: $period) { totals(compare: PREVIOUS) { pageviews { value previous } visitors { value previous } } }
} } }"""


def routes(run: Run) -> Iterator[Figure]:
    """Milliseconds of each route over HTTP, asked by the owner; the last one is a list of websites with their totals."""
    for engine in run.engines:
        size = min(run.sizes)
        # Of a copy: what is seen live is sent first.
        with run.stores.copy(run.stores.filled(engine, Traffic(size))) as store:
            for name, taken in asyncio.run(_times(store)).items():
                yield Figure(name, engine, taken, "ms", own_target=_target(engine))
        many = run.stores.filled(engine, Traffic(size, _WEBSITES))
        for name, taken in asyncio.run(_totals(many)).items():
            yield Figure(name, engine, taken, "ms", own_target=_target(engine))


def _target(engine: str) -> Target | None:
    return at_most(200) if engine == DUCKDB else None


async def _times(store: Store) -> dict[str, float]:
    start, end = store.traffic.end - _PERIOD, store.traffic.end
    period = {"startAt": milliseconds(start), "endAt": milliseconds(end)}
    with store.serving() as process:
        async with client(process) as asking:
            await _send_hits(asking, str(store.site))
            listed = await asking.get(f"/api/websites/{store.site}/sessions", params=period)
            names = {"site": store.site, "session": checked(listed).json()["data"][3]["id"]}
            ways: dict[str, Callable[[], Awaitable[Any]]] = {}
            for name, (path, given) in LISTS.items():
                ways[name] = partial(_asked, asking, "GET", path.format(**names), params={**period, **given})
            for report in REPORTS:
                asked = {"startDate": start.isoformat(), "endDate": end.isoformat(), "unit": "day"}
                body = {"websiteId": str(store.site), "dateRange": asked, **report.given}
                ways[report.path] = partial(_asked, asking, "POST", f"/api/{report.path}", json=body)
            return await medians(ways, 20)


async def _totals(store: Store) -> dict[str, float]:
    period = {"start": (store.traffic.end - _PERIOD).isoformat(), "end": store.traffic.end.isoformat()}
    asked = {"query": _TOTALS, "variables": {"first": _WEBSITES, "period": period}}
    with store.serving() as process:
        async with client(process) as asking:
            name = f"totals of {_WEBSITES} websites, one GraphQL operation"
            return await medians({name: partial(_asked, asking, "POST", "/graphql", json=asked)})


async def _send_hits(asking: httpx.AsyncClient, site: str) -> None:
    """Something to be seen live."""
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"
    for number in range(_LIVE_HITS):
        payload = {"website": site, "hostname": "example.com", "url": f"/page/{number % 40}", "title": "Live"}
        headers = {"user-agent": agent, "x-forwarded-for": f"81.2.69.{number % 50 + 1}"}
        checked(await asking.post("/api/send", json={"type": "event", "payload": payload}, headers=headers))


async def _asked(asking: httpx.AsyncClient, method: str, url: str, **sent: Any) -> None:
    checked(await asking.request(method, url, **sent))
