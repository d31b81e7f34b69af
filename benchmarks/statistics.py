"""Each statistic beside the raw SQL of the same figures, on the same engine, within one process and by turns."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx
import sqlalchemy as sa

from app.context import Runtime
from app.main import create_app
from benchmarks.dashboards import DAYS, milliseconds
from benchmarks.figures import Figure, within_raw
from benchmarks.raw import STATISTICS, TILES, Rows, Statistic, plain
from benchmarks.run import Run, sized
from benchmarks.stores import CLICKHOUSE, DUCKDB, Store
from benchmarks.timing import checked, medians
from tests.server import PASSWORD

_SECONDS: Final = 3
_LONGEST_BY_DAY: Final = dt.timedelta(days=30)
# With the default of 384 MiB the raw SQL of a journey over a year ends for want of memory; Dashi's own does not.
_MEMORY: Final = "1GB"


def statistics(run: Run) -> Iterator[Figure]:
    """Milliseconds of each statistic, held against those of the raw SQL. Figures that differ end the run.

    Over a year only on DuckDB unless the run is a full one: PostgreSQL takes minutes for that.
    """
    for engine in run.engines:
        if engine == CLICKHOUSE:
            continue  # nobody has written raw SQL for it
        store = run.stores.filled(engine, run.reference)
        for period in ("30 days", "365 days"):
            if engine == DUCKDB or run.full or period == "30 days":
                yield from asyncio.run(_of(run, store, period))


async def _of(run: Run, store: Store, period: str) -> list[Figure]:
    found = []
    tiles: list[float] = []
    async with _within(store) as (client, runtime):
        for one in STATISTICS:
            asked = _Asked(store, one, DAYS[period], client, runtime)
            await asked.check()
            taken = await medians({"raw": asked.raw, "statistic": asked.statistic}, run.repeats, _SECONDS)
            name = f"{sized(store)}, {period}: {one.name}"
            found.append(
                Figure(name, store.engine, taken["statistic"], "ms", own_target=within_raw(taken["raw"]))
            )
            if one in TILES:
                tiles.append(taken["raw"])
    name = f"{sized(store)}, {period}: raw SQL of the 14 tiles"
    return [*found, Figure(name, store.engine, sum(tiles), "ms")]


@asynccontextmanager
async def _within(store: Store) -> AsyncIterator[tuple[httpx.AsyncClient, Runtime]]:
    """The store's server in this process, asked by the owner of its websites."""
    app: Any = create_app(store.settings.model_copy(update={"duckdb_memory_limit": _MEMORY}))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://server", timeout=120
        ) as client,
    ):
        login = {"username": "admin", "password": PASSWORD}
        token = checked(await client.post("/api/auth/login", json=login)).json()["token"]
        client.headers["authorization"] = f"Bearer {token}"
        yield client, app.state.runtime


class _Asked:
    """One statistic of one period, asked of the server and of its engine."""

    def __init__(
        self,
        store: Store,
        statistic: Statistic,
        length: dt.timedelta,
        client: httpx.AsyncClient,
        runtime: Runtime,
    ) -> None:
        self._asked = statistic
        self._client = client
        self._engine = runtime.events.engine
        self._site = store.site
        self._start, self._end = store.traffic.end - length, store.traffic.end
        self._statements = [
            sa.text(sql).bindparams(**self._bound(sql)) for sql in statistic.statements(store.engine)
        ]

    def _bound(self, sql: str) -> dict[str, Any]:
        start, end = (at.replace(tzinfo=None) for at in (self._start, self._end))
        given = {"site": self._site, "start": start, "end": end, "before": start - (end - start)}
        given["unit"] = "day" if end - start <= _LONGEST_BY_DAY else "month"
        return {name: value for name, value in given.items() if f":{name}" in sql}

    async def statistic(self) -> Any:
        """The answer of the server."""
        one = self._asked
        if one.path.startswith("reports/"):
            asked = {"startDate": self._start.isoformat(), "endDate": self._end.isoformat(), "unit": "day"}
            body = {"websiteId": str(self._site), "dateRange": asked, **one.given}
            answer = await self._client.post(f"/api/{one.path}", json=body)
        else:
            period = {"startAt": milliseconds(self._start), "endAt": milliseconds(self._end)}
            answer = await self._client.get(
                f"/api/websites/{self._site}/{one.path}", params={**period, **one.given}
            )
        return checked(answer).json()

    async def raw(self) -> Rows:
        """The rows of the statements, one after the other."""
        return await asyncio.to_thread(self._rows)

    def _rows(self) -> Rows:
        with self._engine.connect() as connection:
            return [row for statement in self._statements for row in connection.execute(statement).all()]

    async def check(self) -> None:
        """End the run if server and engine do not say the same."""
        said, raw = plain(self._asked.rows(await self.statistic())), plain(await self.raw())
        # A list's raw rows have more columns than are compared.
        found = [row[: len(one)] for row, one in zip(raw, said, strict=False)]
        if len(said) != len(raw) or said != found:
            different = [pair for pair in zip(said, found, strict=False) if pair[0] != pair[1]]
            raise SystemExit(
                f"{self._asked.name}: {len(said)} rows are not what the raw SQL finds, {len(raw)}: {different[:3]}"
            )
