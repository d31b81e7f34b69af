"""What the priced fields of GraphQL take on a website with a million events of a year, beside their price."""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import httpx

from benchmarks.traffic import fill
from tests.process import environment, serving

DAYS: Final = (7, 30, 90, 365)
_REPEATS: Final = 5

# Fields of `analytics`, by a name for the table.
FIGURES: Final = {
    "totals": "totals { visitors { value } pageviews { value } visits { value } bounces { value } totaltime { value } }",
    "totals, compared": "totals(compare: PREVIOUS) { visitors { value previous } visits { value previous } bounces { value previous } }",
    "series": "series { at visitors pageviews }",
    "breakdown of 1": "breakdown(by: [PATH]) { nodes { values visitors pageviews } }",
    "breakdown of 2": "breakdown(by: [BROWSER, OS]) { nodes { values visitors pageviews } }",
    "breakdown of 3": "breakdown(by: [BROWSER, OS, COUNTRY]) { nodes { values visitors bounces } }",
    "breakdown of 1, 100 rows": "breakdown(by: [PATH], first: 100) { nodes { values visitors pageviews } }",
    "breakdown by entry": "breakdown(by: [ENTRY]) { nodes { values visitors } }",
    "channels": "channels { channel visitors }",
    "eventSeries": "eventSeries { at events { name counts } }",
    "funnel of 3": 'funnel(steps: [{path: "/page/0"}, {path: "/page/1"}, {event: "purchase"}], windowMinutes: 60) { steps { visitors } }',
    "goals, 2": 'goals(goals: [{path: "/page/0", target: 10}, {event: "purchase", target: 10}]) { result }',
    "journeys": "journeys(steps: 5) { steps }",
    "retention": "retention { date visitors returned }",
    "attribution": 'attribution(step: {event: "purchase"}) { referrer { name value } total { conversions } }',
    "revenue": 'revenue(currency: "EUR") { total { amount } series { at } byCountry { amount } }',
    "currencies": "currencies",
    "utm": "utm { parameter values { value pageviews } }",
    "events": "events { nodes { at path } }",
    "events, 100 with data": "events(first: 100) { nodes { at path data { key value } } }",
    "sessions": "sessions { nodes { id country } }",
    "sessionTotals": "sessionTotals { visitors }",
    "weekdayHours": "weekdayHours",
    "eventProperties": "eventProperties { nodes { key count } }",
    "propertyValues": 'propertyValues(key: "plan") { nodes { value count } }',
    "eventDataTotals": "eventDataTotals { records }",
    "sessionProperties": "sessionProperties { nodes { key sessions } }",
    "sessionPropertyValues": 'sessionPropertyValues(key: "plan") { nodes { value sessions } }',
}

# Fields of a website.
OTHERS: Final = {
    "activeVisitors": "activeVisitors",
    "dateRange": "dateRange { start }",
    "realtime": "realtime { entries { kind } }",
    "values of all time": "values(field: PATH) { value count }",
}


def prices(data_dir: Path, events: int = 1_000_000) -> dict[str, list[tuple[float, int]]]:
    """Name → (median milliseconds, requested cost) for each length of period, over HTTP, asked by the owner."""
    values = environment(data_dir / "data")
    with serving(values, data_dir / "log") as process:
        headers = {"authorization": f"Bearer {process.token()}"}
        body = {"name": "b", "domain": "example.com"}
        site = httpx.post(f"{process.url}/api/websites", json=body, headers=headers).json()["id"]
    end = dt.datetime.now(dt.UTC).replace(microsecond=0)
    fill(data_dir / "data" / "events.duckdb", UUID(site), events, end)
    with (
        serving(values, data_dir / "log") as process,
        httpx.Client(
            base_url=process.url, headers={"authorization": f"Bearer {process.token()}"}, timeout=120
        ) as client,
    ):
        found = {}
        for name, field in FIGURES.items():
            found[name] = [_asked(client, site, field, end - dt.timedelta(days=days), end) for days in DAYS]
        for name, field in OTHERS.items():
            found[name] = [_asked(client, site, field)]
        found["introspection"] = [_measured(client, _introspection(), {})]
        return found


def _asked(
    client: httpx.Client,
    site: str,
    field: str,
    start: dt.datetime | None = None,
    end: dt.datetime | None = None,
) -> tuple[float, int]:
    if start is None or end is None:
        return _measured(client, f"query($id: ID!) {{ website(id: $id) {{ {field} }} }}", {"id": site})
    query = (
        f"query($id: ID!, $p: PeriodInput!) {{ website(id: $id) {{ analytics(period: $p) {{ {field} }} }} }}"
    )
    period = {"start": start.isoformat(timespec="seconds"), "end": end.isoformat(timespec="seconds")}
    return _measured(client, query, {"id": site, "p": period})


def _measured(client: httpx.Client, query: str, variables: dict[str, Any]) -> tuple[float, int]:
    taken, cost = [], 0
    for _ in range(_REPEATS):
        begun = time.perf_counter()
        answer = client.post("/graphql", json={"query": query, "variables": variables}).json()
        taken.append((time.perf_counter() - begun) * 1000)
        if "errors" in answer:
            raise SystemExit(f"{query}: {answer['errors']}")
        cost = answer.get("extensions", {}).get("cost", {}).get("requested", 0)
    return round(sorted(taken)[_REPEATS // 2], 1), cost


def _introspection() -> str:
    from graphql import get_introspection_query

    return get_introspection_query()
