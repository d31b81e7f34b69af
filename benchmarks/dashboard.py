"""A dashboard of 14 tiles: as 14 REST calls one by one, as 14 of which 8 run at a time, and as one GraphQL operation."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import httpx
from pydantic import SecretStr

from app.main import create_app
from app.settings import Settings
from app.work import WORK, Work
from benchmarks.traffic import fill
from tests.process import environment, serving
from tests.server import PASSWORD, SECRET

DAYS: Final = (1, 30, 365)
_REPEATS: Final = 7
_AT_ONCE: Final = 8

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
_ROWS: Final = 10
_QUERY: Final = (
    "query Dashboard($site: ID!, $period: PeriodInput!) { website(id: $site) { analytics(period: $period) { "
    "totals(compare: PREVIOUS) { pageviews { value previous } visitors { value previous } visits { value previous } "
    "bounces { value previous } totaltime { value previous } } "
    "series(unit: DAY) { at pageviews visitors } "
    + " ".join(
        f"{kind}: breakdown(by: [{name}], first: {_ROWS}) {{ nodes {{ values visitors }} }}"
        for kind, name in TABLES.items()
    )
    + " } } }"
)


class _Asker:
    """Asks one website's dashboard of an HTTP client, of the days before `end`."""

    def __init__(self, client: httpx.AsyncClient, site: str, end: dt.datetime, days: int) -> None:
        self._client = client
        self._site = site
        self._start, self._end = end - dt.timedelta(days=days), end

    def _calls(self) -> list[tuple[str, dict[str, Any]]]:
        period = {"startAt": _milliseconds(self._start), "endAt": _milliseconds(self._end)}
        more: list[tuple[str, dict[str, Any]]] = [
            ("stats", {}),
            ("pageviews", {"unit": "day", "timezone": "UTC"}),
            *(("metrics", {"type": kind, "limit": _ROWS}) for kind in TABLES),
        ]
        return [(f"/api/websites/{self._site}/{path}", {**period, **given}) for path, given in more]

    async def one_by_one(self) -> None:
        for path, given in self._calls():
            _checked(await self._client.get(path, params=given))

    async def at_once(self) -> None:
        free = asyncio.Semaphore(_AT_ONCE)

        async def call(path: str, given: dict[str, Any]) -> None:
            async with free:
                _checked(await self._client.get(path, params=given))

        await asyncio.gather(*(call(path, given) for path, given in self._calls()))

    async def graphql(self) -> None:
        period = {"start": self._start.isoformat(), "end": self._end.isoformat()}
        variables = {"site": self._site, "period": period}
        answer = await self._client.post("/graphql", json={"query": _QUERY, "variables": variables})
        if "errors" in _checked(answer).json():
            raise SystemExit(answer.text)

    @property
    def ways(self) -> dict[str, Callable[[], Awaitable[None]]]:
        return {
            "14 REST calls": self.one_by_one,
            f"14 REST calls, {_AT_ONCE} at once": self.at_once,
            "one GraphQL operation": self.graphql,
        }


def dashboard(data_dir: Path, events: int = 1_000_000, database_url: str = "") -> dict[str, dict[str, float]]:
    """Way → figures: median milliseconds for each number of DAYS, and how often the event table was read."""
    values = environment(data_dir / "data", database_url)
    with serving(values, data_dir / "log") as process:
        headers = {"authorization": f"Bearer {process.token()}"}
        made = httpx.post(
            f"{process.url}/api/websites", json={"name": "b", "domain": "example.com"}, headers=headers
        )
        site = made.json()["id"]
    end = dt.datetime.now(dt.UTC).replace(microsecond=0)
    fill(data_dir / "data" / "events.duckdb", UUID(site), events, end)
    with serving(values, data_dir / "log") as process:
        headers = {"authorization": f"Bearer {process.token()}"}
        times = asyncio.run(_times(process.url, headers, site, end))
    scans = asyncio.run(_scans(data_dir / "data", headers, site, end))
    return {way: {**times[way], "scans": scans[way]} for way in times}


async def _times(
    url: str, headers: dict[str, str], site: str, end: dt.datetime
) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=120) as client:
        for days in DAYS:
            ways = _Asker(client, site, end, days).ways
            taken: dict[str, list[float]] = {way: [] for way in ways}
            for _ in range(_REPEATS):
                # By turns, so that what else the machine does meets all alike.
                for way, ask in ways.items():
                    begun = time.perf_counter()
                    await ask()
                    taken[way].append((time.perf_counter() - begun) * 1000)
            for way, times in taken.items():
                found.setdefault(way, {})[f"{days} days, ms"] = round(sorted(times)[_REPEATS // 2], 1)
    return found


async def _scans(data_dir: Path, headers: dict[str, str], site: str, end: dt.datetime) -> dict[str, float]:
    """How often each way reads the event table: asked of the same server within this process, where it can be counted."""
    settings = Settings(
        data_dir=data_dir,
        app_secret=SecretStr(SECRET),
        admin_password=SecretStr(PASSWORD),
        duckdb_memory_limit="1GB",
    )
    app = create_app(settings)
    found: dict[str, float] = {}
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://server", headers=headers) as client,
    ):
        for way, ask in _Asker(client, site, end, DAYS[0]).ways.items():
            work = Work()
            counted = WORK.set(work)
            await ask()
            WORK.reset(counted)
            found[way] = work.scans
    return found


def _checked(answer: httpx.Response) -> httpx.Response:
    if answer.status_code != 200:
        raise SystemExit(f"{answer.request.url}: {answer.status_code} {answer.text}")
    return answer


def _milliseconds(at: dt.datetime) -> int:
    return int(at.timestamp() * 1000)
