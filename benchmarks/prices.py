"""What the priced fields of GraphQL take on a website with a million events of a year, beside their price.

Processor time of the server, all its threads together: unlike the time on the clock it does not depend on what else the
machine does.
"""

from __future__ import annotations

import datetime as dt
import tempfile
from pathlib import Path
from typing import Any, Final

import httpx
from graphql import get_introspection_query
from rich.console import Console
from rich.table import Table

from benchmarks.machine import describe, processor_ms
from benchmarks.stores import DUCKDB, Store, Stores
from benchmarks.traffic import Traffic

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
    "funnel of 3": 'funnel(steps: [{path: "/page/0"}, {path: "/page/1"}, {event: "click-7"}], windowMinutes: 60) { steps { visitors } }',
    "goals, 2": 'goals(goals: [{path: "/page/0", target: 10}, {event: "click-7", target: 10}]) { result }',
    "journeys": "journeys(steps: 5) { steps }",
    "retention": "retention { date visitors returned }",
    "attribution": 'attribution(step: {event: "click-7"}) { referrer { name value } total { conversions } }',
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


def prices(store: Store) -> dict[str, list[tuple[float, int]]]:
    """Name → (mean milliseconds of processor time, requested cost) for each length of period, asked by the owner."""
    site, end = str(store.site), store.traffic.end
    with (
        store.serving() as process,
        httpx.Client(
            base_url=process.url, headers={"authorization": f"Bearer {process.token()}"}, timeout=120
        ) as client,
    ):
        asking = _Asking(client, process.popen.pid, site)
        found = {
            name: [asking.of_period(field, end - dt.timedelta(days=days), end) for days in DAYS]
            for name, field in FIGURES.items()
        }
        found |= {name: [asking.of_website(field)] for name, field in OTHERS.items()}
        found["introspection"] = [asking.measured(get_introspection_query(), {})]
        return found


class _Asking:
    """The owner at the server."""

    def __init__(self, client: httpx.Client, pid: int, site: str) -> None:
        self._client = client
        self._pid = pid
        self._site = site

    def of_period(self, field: str, start: dt.datetime, end: dt.datetime) -> tuple[float, int]:
        query = f"query($id: ID!, $p: PeriodInput!) {{ website(id: $id) {{ analytics(period: $p) {{ {field} }} }} }}"
        written = {"start": start.isoformat(timespec="seconds"), "end": end.isoformat(timespec="seconds")}
        return self.measured(query, {"id": self._site, "p": written})

    def of_website(self, field: str) -> tuple[float, int]:
        return self.measured(f"query($id: ID!) {{ website(id: $id) {{ {field} }} }}", {"id": self._site})

    def measured(self, query: str, variables: dict[str, Any]) -> tuple[float, int]:
        self._ask(query, variables)  # what is done once is not counted
        begun = processor_ms(self._pid)
        costs = [self._ask(query, variables) for _ in range(_REPEATS)]
        return round((processor_ms(self._pid) - begun) / _REPEATS, 1), costs[0]

    def _ask(self, query: str, variables: dict[str, Any]) -> int:
        answer = self._client.post("/graphql", json={"query": query, "variables": variables}).json()
        if "errors" in answer:
            raise SystemExit(f"{query}: {answer['errors']}")
        cost: int = answer["extensions"]["cost"]["requested"]
        return cost


def main() -> None:
    """`python -m benchmarks.prices`: a table of milliseconds and points."""
    with tempfile.TemporaryDirectory() as scratch:
        found = prices(Stores(Path(scratch)).filled(DUCKDB, Traffic(1_000_000)))
    table = Table("ms / points", *(f"{days} days" for days in DAYS))
    for name, figures in found.items():
        table.add_row(name, *(f"{taken:,} / {points:,}" for taken, points in figures))
    Console().print(describe(), table)


if __name__ == "__main__":
    main()
