"""SIGTERM under load: what is under way is answered, what is acknowledged is kept, and the process ends in time."""

from __future__ import annotations

import json
import re
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import psycopg

from tests.faults.conftest import OwnPostgres
from tests.faults.load import Load, Site, told_plainly, until
from tests.populate import CHROME
from tests.process import Process, environment, serving

LONGEST = 10  # seconds


class UnderWay:
    """A hit of which the server has half."""

    def __init__(self, process: Process, site: Site, name: str) -> None:
        body = {"type": "event", "payload": {"website": site.id, "name": name, "url": "/", "data": {"n": 1}}}
        self._body = json.dumps(body).encode()
        port = int(process.url.rpartition(":")[2])
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=LONGEST)
        head = (
            f"POST /api/send HTTP/1.1\r\nhost: x\r\nuser-agent: {CHROME}\r\nx-forwarded-for: 8.8.8.1\r\n"
            f"content-length: {len(self._body)}\r\n\r\n"
        )
        self._socket.sendall(head.encode() + self._body[:10])

    def finish(self) -> str:
        """Send the other half; the answer."""
        self._socket.sendall(self._body[10:])
        answer = b""
        while piece := self._socket.recv(65536):
            answer += piece
        self._socket.close()
        return answer.decode()


def stop(process: Process, site: Site, load: Load) -> None:
    """Tell it to stop, while a hit is under way whose rest comes a second later."""
    under_way = UnderWay(process, site, "way-1-1")
    time.sleep(0.3)
    process.popen.send_signal(signal.SIGTERM)
    told = time.monotonic()
    time.sleep(1)
    answer = under_way.finish()
    assert answer.startswith("HTTP/1.1 200"), answer
    assert "sessionId" in answer
    process.popen.wait(LONGEST + 5)
    assert time.monotonic() - told < LONGEST
    load.stop()
    # Senders found the door closed; some had one last connection that the server had just given up.
    assert load.refused == []
    site.note(load)
    site.acknowledged.add("way-1-1")


def test_sigterm_under_load(store: str, address: Callable[[Path], str], tmp_path: Path) -> None:
    env = environment(tmp_path / "data", address(tmp_path / "data"))
    with serving(env, tmp_path / "log") as process:
        site = Site(process)
        with site.load(process, "a") as load:
            load.wait_for(100)
            stop(process, site, load)
    if store == "duckdb":
        assert not (tmp_path / "data" / "events.duckdb.wal").exists(), "a stop puts all into the file"
    with serving(env, tmp_path / "log") as process:
        site.judge(process)
    told_plainly(process)


def test_sigterm_while_the_store_is_down(own_postgres: OwnPostgres, tmp_path: Path) -> None:
    env = environment(tmp_path / "data", EVENTS_URL=own_postgres.url)
    with serving(env, tmp_path / "log") as process:
        site = Site(process)
        with site.load(process, "a") as load:
            load.wait_for(50)
            own_postgres.stop("immediate")
            load.wait_for(50)
            stop(process, site, load)
    own_postgres.start()
    with serving(env, tmp_path / "log") as process:
        site.judge(process)
    told_plainly(process)


def test_sigterm_while_the_store_hangs(postgres: Callable[[], str], tmp_path: Path) -> None:
    """It waits for a lock that nobody gives up: the end does not."""
    url = postgres()
    env = environment(tmp_path / "data", EVENTS_URL=url)
    with serving(env, tmp_path / "log") as process:
        site = Site(process)
        with psycopg.connect(url) as holder:
            holder.execute("LOCK TABLE event IN ACCESS EXCLUSIVE MODE")
            with site.load(process, "a") as load:
                load.wait_for(100)
                stop(process, site, load)
    with serving(env, tmp_path / "log") as process:
        site.judge(process)
    # By its writer, or where that is not reached by what ends it in time.
    assert re.search("waits? in the journal", process.log.read_text())
    told_plainly(process)
    until(lambda: process.popen.poll() is not None)
