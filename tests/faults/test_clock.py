"""The clock jumps while the server runs: nothing is lost or doubled, and what waits by time goes on."""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.faults.load import Site, told_plainly, until
from tests.populate import CHROME
from tests.process import Process, environment, serving


@pytest.fixture
def clock(tmp_path: Path) -> Path:
    """A file that says how far, in seconds, the process's clock is from the machine's."""
    found = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("CI has to have Debian's package faketime")
        pytest.skip("needs Debian's package faketime")
    file = tmp_path / "clock"
    file.write_text("+0")
    return file


def faked(clock: Path) -> dict[str, str]:
    [library] = Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        # A clock that is set is the one of the calendar; the one that only counts goes on.
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


def set_clock(clock: Path, seconds: int) -> None:
    new = clock.with_suffix(".new")
    new.write_text(f"{seconds:+d}")
    new.rename(clock)


def test_the_clock_jumps_back_and_forth_under_load(address: Callable[[Path], str], clock: Path) -> None:
    data_dir = clock.parent / "data"
    env = environment(data_dir, address(data_dir), **faked(clock))
    with serving(env, clock.parent / "log") as process:
        site = Site(process)
        with site.load(process, "a", pause=0.01) as load:
            load.wait_for(50)
            for jump in (-7200, 3600, 86400, -86400, 0):
                set_clock(clock, jump)
                load.wait_for(50)
        assert (load.refused, load.cut) == ([], set())
        site.note(load)
        site.judge(process)
        told_plainly(process)


def test_a_jump_back_keeps_the_order_of_what_was_said_of_a_visitor(clock: Path) -> None:
    env = environment(clock.parent / "data", **faked(clock))
    with serving(env, clock.parent / "log") as process:
        site = Site(process)
        token = process.token()
        headers = {"authorization": f"Bearer {token}"}
        session = ""
        visits = []
        cache = ""
        for number, jump in enumerate((0, 600, -600, 300)):
            set_clock(clock, jump)
            assert abs(clock_of(process) - time.time() - jump) < 60
            body: dict[str, Any] = {
                "type": "identify",
                "payload": {"website": site.id, "id": "u", "data": {"n": number}},
            }
            answer = httpx.post(
                f"{process.url}/api/send", json=body, headers={"user-agent": CHROME, "x-umami-cache": cache}
            ).json()
            session, cache = answer["sessionId"], answer["cache"]
            visits.append(answer["visitId"])
            # A login stands while the clock is off by minutes.
            said = httpx.get(
                f"{process.url}/api/websites/{site.id}/sessions/{session}/properties",
                headers=headers,
                timeout=30,
            )
            assert said.status_code == 200, said.text
            assert [row["numberValue"] for row in said.json()] == [number]
        assert len(set(visits)) == 1, "a visit is not broken by a clock that is off by minutes"


def clock_of(process: Process) -> int:
    """The second it has on its clock, as it says in a token."""
    payload = process.token().split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return int(claims["iat"])


def test_what_waits_by_time_goes_on_after_a_jump_back(clock: Path) -> None:
    """The writer tries again, and reads wait, by a clock that only counts."""
    env = environment(clock.parent / "data", **faked(clock))
    with serving(env, clock.parent / "log") as process:
        site = Site(process)
        with site.load(process, "a", pause=0.02) as load:
            load.wait_for(20)
            set_clock(clock, -864000)
            load.wait_for(50)
            until(lambda: lag(process) < 20, 10)
        site.note(load)
        site.judge(process)


def lag(process: Process) -> float:
    text = httpx.get(f"{process.url}/metrics", timeout=10).text
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith("dashi_journal_lag"))
