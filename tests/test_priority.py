from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from app.context import SYSTEM, Ctx
from app.engines import events_engine
from app.services import close_services, open_services
from app.settings import Settings

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="threads have a niceness on Linux alone")


def niceness(thread: int | None = None) -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id() if thread is None else thread)


def test_those_who_read_step_back_behind_those_who_collect(
    store: str, make_settings: Callable[..., Settings]
) -> None:
    services = open_services(make_settings(store))
    try:

        def asked(_: Ctx) -> int:
            return niceness()

        mine = niceness()
        assert asyncio.run(services.runtime.run(SYSTEM, asked)) == min(19, mine + 10)
        collecting = {one.name: one.native_id for one in threading.enumerate()}
        assert {niceness(collecting[name]) for name in ("journal", "writer")} == {mine}
        assert niceness() == mine
    finally:
        close_services(services)


def test_the_workers_of_duckdb_step_back_too(make_settings: Callable[..., Settings]) -> None:
    before = _threads()
    engine = events_engine(make_settings("duckdb", duckdb_threads=3))
    started = []
    for thread in _threads() - before:
        with suppress(ProcessLookupError):  # the thread that opened it is ending
            started.append(niceness(thread))
    assert len(started) >= 2  # the third is whoever asks
    assert set(started) == {min(19, niceness() + 10)}
    engine.dispose()


def _threads() -> set[int]:
    return {int(task.name) for task in Path("/proc/self/task").iterdir()}
