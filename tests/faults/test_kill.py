"""Every acknowledged event is counted exactly once, whenever the process dies."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.faults.load import Site, told_plainly
from tests.process import environment, serving, started

ROUNDS = int(os.environ.get("FAULT_ROUNDS", "20"))
# A round takes ClickHouse's engine, which begins with the process, twice as long.
_SHARE = {"clickhouse": 2}


@pytest.mark.timeout(30 * ROUNDS)
def test_kill_under_load(store: str, address: Callable[[Path], str], tmp_path: Path) -> None:
    """Half of the rounds end under load, the others while the process starts and applies what was left."""
    env = environment(tmp_path / "data", address(tmp_path / "data"))
    log = tmp_path / "log"
    chance = random.Random(7)
    began = time.monotonic()
    with serving(env, log) as process:
        took = time.monotonic() - began
        site = Site(process)
    rounds = max(2, ROUNDS // _SHARE.get(store, 1))
    for number in range(rounds):
        with started(env, log) as process:
            if number % 2:
                # Imports take the first half; opening, replaying and applying follow.
                time.sleep(took * (0.45 + 0.6 * chance.random()))
            else:
                process.wait_until_ready()
                with site.load(process, str(number)) as load:
                    load.wait_for(20)
                    time.sleep(0.6 * chance.random() ** 2)
                    process.kill()
                assert load.refused == []
                site.note(load)
            process.kill()
    with serving(env, log) as process:
        site.judge(process)
        assert httpx.get(f"{process.url}/metrics").text.count("dashi_rejected_rows 0.0") == 1
    assert len(site.acknowledged) >= 20 * (rounds // 2)
    # At most the request each sender had under way was stored without its answer being heard.
    assert len(site.cut) <= (rounds + 1) // 2 * 6
    told_plainly(process)
