"""What a stop means to those who follow: it is told at once, and keeps nobody waiting."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from tests.following import PATIENCE, socket, stream
from tests.graphql_schema.test_subscriptions import ACTIVE
from tests.process import Process, environment, serving


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    with serving(environment(tmp_path / "data"), tmp_path / "log") as started:
        yield started


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_sockets_and_streams_end_when_the_server_is_stopped(process: Process, sign: signal.Signals) -> None:
    headers = {"Authorization": f"Bearer {process.token()}"}
    made = httpx.post(
        f"{process.url}/api/websites", json={"name": "x", "domain": "example.com"}, headers=headers
    )
    site = {"w": made.json()["id"]}
    with socket(process.url, headers) as opened, stream(process.url, ACTIVE, site, headers) as told:
        opened.subscribe(ACTIVE, site)
        assert opened.next() == {"activeVisitors": 0}
        assert next(told) == ("next", {"data": {"activeVisitors": 0}})
        process.popen.send_signal(sign)
        # Neither is told that it is complete: clients come again. "Service restart" is what a socket says.
        assert list(told) == []
        with pytest.raises(ConnectionClosed) as ending:
            opened.connection.recv(timeout=PATIENCE)
        assert ending.value.rcvd is not None
        assert ending.value.rcvd.code == 1012
        process.popen.wait(PATIENCE)
    log = process.log.read_text()
    assert "Traceback" not in log, log
    assert "timeout graceful shutdown exceeded" not in log, log
