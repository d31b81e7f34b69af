"""What subscribers cost that nothing is pushed to: memory and processor time of the server, with 1,000 sockets open."""

from __future__ import annotations

import asyncio
import os
import resource
import time
from pathlib import Path
from typing import Any, Final

import httpx
import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from benchmarks.machine import resident_mib
from tests.process import Process, environment, serving

TARGET_MIB: Final = 50
_WEBSITES: Final = 10
_WARMING: Final = 20
_SECONDS: Final = 30
_SUBSCRIPTIONS: Final = (
    "subscription($site: ID!) { activeVisitors(websiteId: $site) }",
    "subscription($site: ID!) { events(websiteId: $site) { missed events { at type name path country } } }",
    "subscription($site: ID!) { liveTotals(websiteId: $site, period: { last: DAYS_7 }) "
    "{ visitors visits pageviews bounceRate visitDuration } }",
)


def subscribers(data_dir: Path, database_url: str = "", count: int = 1000) -> dict[str, Any]:
    """Resident MiB before and with `count` sockets of one subscription each, and the share of a core they take idle."""
    # Each socket is an open file, here and in the server, which inherits the limit.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    values = environment(data_dir / "data", database_url, SUBSCRIPTIONS_PER_ACTOR=str(count))
    with serving(values, data_dir / "log") as process:
        return asyncio.run(_measure(process, count))


async def _measure(process: Process, count: int) -> dict[str, Any]:
    headers = {"authorization": f"Bearer {process.token()}"}
    async with httpx.AsyncClient(base_url=process.url, headers=headers) as client:
        websites = [
            (await client.post("/api/websites", json={"name": "b", "domain": "example.com"})).json()["id"]
            for _ in range(_WEBSITES)
        ]
    # The first ones load and remember what all need.
    for one in [await _subscribed(process, headers, websites[0], number) for number in range(_WARMING)]:
        await one.close()
    await asyncio.sleep(1)
    before = resident_mib(process.popen.pid)
    opened = time.perf_counter()
    sockets = [
        await _subscribed(process, headers, websites[number % _WEBSITES], number) for number in range(count)
    ]
    opened = time.perf_counter() - opened
    started = _processor_seconds(process.popen.pid)
    await asyncio.sleep(_SECONDS)
    idle = (_processor_seconds(process.popen.pid) - started) / _SECONDS
    after = resident_mib(process.popen.pid)
    for one in sockets:
        await one.close()
    return {
        "before_mib": round(before, 1),
        "with_subscribers_mib": round(after, 1),
        "cost_mib": round(after - before, 1),
        "kib_each": round((after - before) * 1024 / count, 1),
        "opened_per_second": round(count / opened),
        "idle_core_percent": round(100 * idle, 1),
    }


async def _subscribed(process: Process, headers: dict[str, str], site: str, number: int) -> ClientConnection:
    """A socket whose subscription runs: those with a first value have had it."""
    socket = await connect(
        f"{process.url.replace('http://', 'ws://')}/graphql",
        subprotocols=[Subprotocol("graphql-transport-ws")],
        ping_interval=None,
    )
    query = _SUBSCRIPTIONS[number % len(_SUBSCRIPTIONS)]
    operation = {"query": query, "variables": {"site": site}}
    await socket.send(orjson.dumps({"type": "connection_init", "payload": headers}).decode())
    await _expect(socket, "connection_ack")
    await socket.send(orjson.dumps({"id": "1", "type": "subscribe", "payload": operation}).decode())
    if "events(" not in query:
        await _expect(socket, "next")
    return socket


async def _expect(socket: ClientConnection, kind: str) -> None:
    message = orjson.loads(await asyncio.wait_for(socket.recv(), 30))
    if message["type"] != kind or "errors" in message.get("payload", {}):
        raise SystemExit(f"{kind} was expected: {message}")


def _processor_seconds(pid: int) -> float:
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
