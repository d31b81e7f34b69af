"""What subscribers cost that nothing is pushed to: memory and processor time of the server, with 1,000 sockets open."""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import Iterator
from typing import Final

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from benchmarks.figures import Figure
from benchmarks.machine import processor_ms, resident_mib
from benchmarks.run import Run
from benchmarks.stores import Store
from benchmarks.traffic import Traffic
from tests.process import Process

_COUNT: Final = 1000
_WEBSITES: Final = 10
_WARMING: Final = 20
_SECONDS: Final = 30
_SUBSCRIPTIONS: Final = (
    "subscription($site: ID!) { activeVisitors(websiteId: $site) }",
    "subscription($site: ID!) { events(websiteId: $site) { missed events { at type name path country } } }",
    "subscription($site: ID!) { liveTotals(websiteId: $site, period: { last: DAYS_7 }) "
    "{ visitors visits pageviews bounceRate visitDuration } }",
)


def subscribers(run: Run) -> Iterator[Figure]:
    """Resident memory before and with sockets of one subscription each, and the share of a core they take idle."""
    # Each socket is an open file, here and in the server, which inherits the limit.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    for engine in run.engines:
        store = run.stores.filled(engine, Traffic(0, _WEBSITES))
        with store.serving(SUBSCRIPTIONS_PER_ACTOR=str(_COUNT)) as process:
            yield from asyncio.run(_measure(process, store))


async def _measure(process: Process, store: Store) -> list[Figure]:
    headers = {"authorization": f"Bearer {process.token()}"}
    websites = [str(one) for one in store.traffic.website_ids]
    # The first ones load and remember what all need.
    for one in [await _subscribed(process, headers, websites[0], number) for number in range(_WARMING)]:
        await one.close()
    await asyncio.sleep(1)
    before = resident_mib(process.popen.pid)
    opened = time.perf_counter()
    sockets = [
        await _subscribed(process, headers, websites[number % _WEBSITES], number) for number in range(_COUNT)
    ]
    opened = time.perf_counter() - opened
    started = processor_ms(process.popen.pid)
    await asyncio.sleep(_SECONDS)
    idle = (processor_ms(process.popen.pid) - started) / 1000 / _SECONDS
    after = resident_mib(process.popen.pid)
    for one in sockets:
        await one.close()
    name = f"{_COUNT:,} idle subscribers"
    return [
        Figure(name, store.engine, after - before, "MiB"),
        Figure(f"{name}, each", store.engine, (after - before) * 1024 / _COUNT, "KiB"),
        Figure(f"{name}, opened", store.engine, _COUNT / opened, "/s"),
        Figure(f"{name}, of a core", store.engine, 100 * idle, "%"),
    ]


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
