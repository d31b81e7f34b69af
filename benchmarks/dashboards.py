"""A dashboard of 14 tiles: as 14 REST calls one by one, as 14 of which 8 run at a time, and as one GraphQL operation."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final
from uuid import UUID

import httpx

from benchmarks.figures import Figure
from benchmarks.run import UMAMI_EVENTS, Run, sized
from benchmarks.stores import CLICKHOUSE, DUCKDB, Store, client
from benchmarks.timing import checked, medians

ROWS: Final = 10
_AT_ONCE: Final = 8
_SECONDS: Final = 10

# Periods up to the end of the traffic → what Umami 3.1 took on PostgreSQL 15 for 14 calls, in ms, of 3.1 M events.
PERIODS: Final = {"1 day": 1_100, "30 days": 4_400, "365 days": 44_000}
DAYS: Final = {name: dt.timedelta(days=int(name.split()[0])) for name in PERIODS}

# Kinds of REST's `metrics` → the same dimension in GraphQL.
TABLES: Final = {
    "url": "PATH",
    "title": "TITLE",
    "referrer": "REFERRER",
    "query": "QUERY",
    "event": "EVENT",
    "browser": "BROWSER",
    "os": "OS",
    "device": "DEVICE",
    "country": "COUNTRY",
    "region": "REGION",
    "city": "CITY",
    "language": "LANGUAGE",
}
_QUERY: Final = (
    "query Dashboard($site: ID!, $period: PeriodInput!) { website(id: $site) { analytics(period: $period) { "
    "totals(compare: PREVIOUS) { pageviews { value previous } visitors { value previous } visits { value previous } "
    "bounces { value previous } totaltime { value previous } } "
    "series(unit: DAY) { at pageviews visitors } "
    + " ".join(
        f"{kind}: breakdown(by: [{name}], first: {ROWS}) {{ nodes {{ values visitors }} }}"
        for kind, name in TABLES.items()
    )
    + " } } }"
)


class Dashboard:
    """Asks for one website's dashboard of the time before `end`."""

    def __init__(self, client: httpx.AsyncClient, site: UUID, end: dt.datetime, length: dt.timedelta) -> None:
        self._client = client
        self._site = site
        self._start, self._end = end - length, end

    def _calls(self) -> list[tuple[str, dict[str, Any]]]:
        period = {"startAt": milliseconds(self._start), "endAt": milliseconds(self._end)}
        more: list[tuple[str, dict[str, Any]]] = [
            ("stats", {}),
            ("pageviews", {"unit": "day", "timezone": "UTC"}),
            *(("metrics", {"type": kind, "limit": ROWS}) for kind in TABLES),
        ]
        return [(f"/api/websites/{self._site}/{path}", {**period, **given}) for path, given in more]

    async def one_by_one(self) -> None:
        for path, given in self._calls():
            checked(await self._client.get(path, params=given))

    async def at_once(self) -> None:
        free = asyncio.Semaphore(_AT_ONCE)

        async def call(path: str, given: dict[str, Any]) -> None:
            async with free:
                checked(await self._client.get(path, params=given))

        await asyncio.gather(*(call(path, given) for path, given in self._calls()))

    async def graphql(self) -> None:
        period = {"start": self._start.isoformat(), "end": self._end.isoformat()}
        variables = {"site": str(self._site), "period": period}
        checked(await self._client.post("/graphql", json={"query": _QUERY, "variables": variables}))

    @property
    def ways(self) -> dict[str, Callable[[], Awaitable[None]]]:
        return {
            "14 REST calls": self.one_by_one,
            f"14 REST calls, {_AT_ONCE} at once": self.at_once,
            "one GraphQL operation": self.graphql,
        }


def dashboards(run: Run) -> Iterator[Figure]:
    """Milliseconds over a day, a month and a year, in three ways, and how many times as fast as Umami that is."""
    on_duckdb: dict[str, float] = {}
    for store in run.each():
        for (period, way), taken in asyncio.run(_times(run, store)).items():
            name = f"{sized(store)}, {period}, {way}"
            yield Figure(name, store.engine, taken, "ms")
            if store.engine == DUCKDB:
                on_duckdb[name] = taken
            elif store.engine == CLICKHOUSE and name in on_duckdb:
                yield Figure(f"{name} against DuckDB", store.engine, taken / on_duckdb[name], "×")
            if store.traffic.events == UMAMI_EVENTS:
                yield Figure(f"{name} against Umami", store.engine, PERIODS[period] / taken, "×")


async def _times(run: Run, store: Store) -> dict[tuple[str, str], float]:
    """(period, way) → median milliseconds."""
    found = {}
    with store.serving() as process:
        async with client(process) as asking:
            for period, length in DAYS.items():
                dashboard = Dashboard(asking, store.site, store.traffic.end, length)
                for way, taken in (await medians(dashboard.ways, run.repeats, _SECONDS)).items():
                    found[period, way] = taken
    return found


def milliseconds(at: dt.datetime) -> int:
    return int(at.timestamp() * 1000)
