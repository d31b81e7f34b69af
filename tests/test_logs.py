"""What a server writes to its log, and what it never does."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb
import httpx
import psycopg
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from app.context import SYSTEM, Ctx
from app.current import CURRENT, Current, request_id
from app.logs import JsonFormatter, TextFormatter
from app.settings import Settings
from tests.populate import CHROME
from tests.process import environment, serving
from tests.server import Server, running

# Each is sent somewhere, and must not be found in the log.
SECRETS = {
    "agent": "Planted/1.0",
    "address": "203.0.113.77",
    "path": "/planted-path",
    "query": "planted-query",
    "title": "Planted title",
    "data": "planted-data",
    "user": "planted-user",
    "password": "planted-password",
    "token": "planted-token",
    "slug": "plantedSlug12345",
    "name": "Planted website",
    "variable": "planted-variable",
    "header": "planted@header.example",
    "garbage": "planted-garbage",
}
# So that the server's own words for a failure hold what was sent: PostgreSQL's `DETAIL: Failing row contains (…)`,
# and an error that quotes a value in its message.
FAILING = """
ALTER TABLE event ADD CONSTRAINT no_plants CHECK (url_path <> '/planted-path');
CREATE FUNCTION quote_it() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'cannot take %', NEW.name; END $$;
CREATE TRIGGER quoting BEFORE INSERT ON website FOR EACH ROW WHEN (NEW.name LIKE 'Planted%')
EXECUTE FUNCTION quote_it();
"""


def lines_of(log: Path) -> list[dict[str, Any]]:
    """The lines of JSON; what is said on standard output at the start is none."""
    return [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]


def until(holds: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def test_the_log_of_a_busy_and_failing_server_holds_nothing_personal(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url: str = request.getfixturevalue("postgres")()
    env = environment(tmp_path / "data", url, LOG_LEVEL="debug")
    log = tmp_path / "log"
    plant = SECRETS
    with serving(env, log) as process, httpx.Client(base_url=process.url) as client:
        headers = {"authorization": f"Bearer {process.token()}"}
        made = client.post("/api/websites", json={"name": "x", "domain": "x.org"}, headers=headers)
        website = made.json()["id"]
        client.post(f"/api/websites/{website}", json={"shareId": plant["slug"]}, headers=headers)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(FAILING)

        visitor = {"user-agent": f"{CHROME} {plant['agent']}", "x-forwarded-for": plant["address"]}
        payload = {
            "website": website,
            "url": f"{plant['path']}?a={plant['query']}",
            "title": plant["title"],
            "data": {"a": plant["data"]},
        }
        hit = {"type": "event", "payload": payload}
        assert "sessionId" in client.post("/api/send", json=hit, headers=visitor).json()
        for body in (b"{" + plant["data"].encode(), json.dumps({"type": plant["data"]}).encode()):
            assert client.post("/api/send", content=body, headers=visitor).status_code == 400
        login = {"username": plant["user"], "password": plant["password"]}
        assert client.post("/api/auth/login", json=login, headers=visitor).status_code == 401
        assert client.get("/api/me", headers={"authorization": f"Bearer {plant['token']}"}).status_code == 401
        assert client.get(f"/api/share/{plant['slug']}", headers=visitor).status_code == 200
        assert client.get(f"/api/share/{plant['slug']}x?q={plant['query']}").status_code == 404
        assert client.get(f"/{plant['garbage']}?q={plant['query']}").status_code == 404
        broken = client.post(
            "/api/websites", json={"name": plant["name"], "domain": "x.org"}, headers=headers
        )
        assert (broken.status_code, broken.json()) == (500, {"error": "Internal server error"})
        document = "mutation Make($input: CreateWebsiteInput!) { createWebsite(input: $input) { id } }"
        variables = {"input": {"name": f"{plant['name']} {plant['variable']}", "domain": "x.org"}}
        asked = {"query": document, "variables": variables}
        sent = {**headers, **visitor, "x-request-id": "quoted-by-a-user", "cookie": plant["token"]}
        shown = client.post("/graphql", json=asked, headers=sent)
        [error] = shown.json()["errors"]
        assert error["extensions"]["id"] == shown.headers["x-request-id"] == "quoted-by-a-user"
        odd = client.post("/graphql", json={"query": "{"}, headers={"x-request-id": plant["header"]})
        assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{6}", odd.headers["x-request-id"])
        with socket.create_connection(("127.0.0.1", int(env["PORT"]))) as raw:
            raw.sendall(f"NONSENSE {plant['garbage']}\r\n\r\n".encode())
            assert b"400" in raw.recv(4096)
        # The row that the store refuses is kept aside.
        until(lambda: any("refuses some rows" in line["message"] for line in lines_of(log)))
    text = log.read_text()
    assert [name for name, secret in plant.items() if secret in text] == []
    lines = lines_of(log)
    told = [line for line in lines if line["logger"] == "dashi.request"]
    # Which row was refused is not told, but why.
    [refused] = [line for line in lines if "refuses some rows" in line["message"]]
    assert refused["level"] == "warning"
    assert "(psycopg.errors.CheckViolation: 23514)" in refused["message"]
    assert "trace" not in refused
    # What was unexpected can be found by what its answer shows.
    for answer, route, logger in (
        (broken, "/api/websites", "dashi.rest"),
        (shown, "/graphql", "dashi.graphql"),
    ):
        [found] = [line for line in lines if line["logger"] == logger]
        assert (found["request"], found["route"]) == (answer.headers["x-request-id"], route)
        assert "psycopg.errors.RaiseException: P0001" in found["message"] + found.get("trace", "")
    assert broken.headers["x-dashi-error"] == broken.headers["x-request-id"]
    # A line for each request that is no hit, by the template of its route; of hits one for those that fail.
    requests = [
        (line["level"], line["method"], line["route"], line.get("operation"), line["status"])
        for line in told
        if "hits" not in line and line["route"] not in ("/readyz", "(none)")
    ]
    assert requests == [
        ("info", "POST", "/api/auth/login", None, 200),
        ("info", "POST", "/api/websites", None, 200),
        ("info", "POST", "/api/websites/{websiteId}", None, 200),
        ("info", "POST", "/api/auth/login", None, 401),
        ("info", "GET", "/api/me", None, 401),
        ("info", "GET", "/api/share/{shareId}", None, 200),
        ("info", "GET", "/api/share/{shareId}", None, 404),
        ("warning", "POST", "/api/websites", None, 500),
        ("info", "POST", "/graphql", "mutation Make", 200),
        ("info", "POST", "/graphql", None, 200),
    ]
    hits = [line for line in told if "hits" in line]
    assert {(line["level"], line["status"]) for line in hits} == {("info", 400)}
    assert hits[0]["hits"] == 1
    [one] = [line for line in told if line.get("request") == "quoted-by-a-user"]
    assert one["bytes"] == len(shown.content)
    assert 0 < one["ms"] < 60_000
    assert "Invalid HTTP request received." in {
        line["message"] for line in lines if "uvicorn" in line["logger"]
    }


def test_hits_that_fail_have_one_line_a_second(
    make_settings: Callable[..., Settings], caplog: pytest.LogCaptureFixture
) -> None:
    def numbers() -> list[int]:
        return [record.fields["hits"] for record in caplog.records if hasattr(record, "fields")]

    with running(make_settings("duckdb")) as server, caplog.at_level(logging.INFO, "dashi.request"):
        caplog.clear()
        started = time.monotonic()
        for _ in range(200):
            assert server.client.post("/api/send", content=b"{").status_code == 400
        time.sleep(1.1)
        assert server.client.post("/api/send", content=b"{").status_code == 400
        # A line comes after the answer.
        until(lambda: sum(numbers()) == 201)
        took = time.monotonic() - started
    assert numbers()[0] == 1
    assert len(numbers()) <= took + 1


def record_of(
    error: BaseException | None, name: str = "dashi", message: str = "it failed"
) -> logging.LogRecord:
    info = (type(error), error, error.__traceback__) if error else None
    return logging.LogRecord(name, logging.WARNING, __file__, 1, message, None, info)  # type: ignore[arg-type]


def raised(act: Callable[[], object]) -> BaseException:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever the driver raises
        act()
    return caught.value


def _unique() -> None:
    with sqlite3.connect(":memory:") as connection:
        connection.execute("CREATE TABLE t (a TEXT CHECK (a <> 'planted'))")
        connection.execute("INSERT INTO t VALUES ('planted')")


def _caused() -> None:
    try:
        int("planted")
    except ValueError as error:
        raise RuntimeError("planted") from error


@pytest.mark.parametrize(
    ("act", "ends"),
    [
        (lambda: duckdb.sql("SELECT 'planted'::INTEGER").fetchall(), "_duckdb.ConversionException"),
        (lambda: int("planted"), "ValueError"),
        (_unique, "sqlite3.IntegrityError: SQLITE_CONSTRAINT_CHECK"),
        (_caused, "RuntimeError"),
        (lambda: Path("/planted/nowhere").read_text(), "FileNotFoundError: No such file or directory"),
        (
            lambda: psycopg.connect("postgresql://planted@127.0.0.1:9/x?connect_timeout=2"),
            'psycopg.OperationalError: connection failed: connection to server at "127.0.0.1", port 9 failed: '
            "Connection refused Is the server running on that host and accepting TCP/IP connections?",
        ),
    ],
)
@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()])
def test_an_error_is_told_without_what_was_handled(
    act: Callable[[], object], ends: str, formatter: logging.Formatter
) -> None:
    line = formatter.format(record_of(raised(act)))
    shown = json.loads(line)["trace"] if isinstance(formatter, JsonFormatter) else line
    assert shown.endswith(ends)
    assert "Traceback (most recent call last):" in shown
    assert "test_logs.py" in shown
    # The source of a test that raises it is shown, and nothing of the error's own words.
    words = [row for row in shown.splitlines() if not row.startswith("    ")]
    assert "planted" not in "\n".join(words)


def test_what_asyncio_shows_of_tasks_is_left_out() -> None:
    async def fail() -> None:
        raise ValueError("planted")

    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[method-assign]
    logging.getLogger("asyncio").addHandler(handler)
    try:
        loop = asyncio.new_event_loop()
        task = loop.create_task(fail())
        loop.run_until_complete(asyncio.sleep(0.01))
        loop.call_exception_handler(
            {"message": "never retrieved", "exception": task.exception(), "task": task}
        )
        loop.close()
    finally:
        logging.getLogger("asyncio").removeHandler(handler)
    [record] = records
    assert "planted" in record.getMessage()
    for formatter in (TextFormatter(), JsonFormatter()):
        line = formatter.format(record)
        assert "never retrieved" in line
        assert "('planted')" not in line
        assert "ValueError: planted" not in line


def test_lines_of_text_and_of_json() -> None:
    CURRENT.set(Current("some-request", "POST", "/graphql", "query Totals"))
    try:
        record = record_of(None, "dashi.request", "first\nsecond")
        record.created, record.msecs = 1_795_000_000.25, 250.0
        text = TextFormatter().format(record)
        assert text == "2026-11-18 11:06:40.250 WARNING dashi.request [some-request] first\n    second"
        record.fields = {"status": 200}
        assert json.loads(JsonFormatter().format(record)) == {
            "at": "2026-11-18T11:06:40.250Z",
            "level": "warning",
            "logger": "dashi.request",
            "message": "first\n    second",
            "request": "some-request",
            "route": "/graphql",
            "operation": "query Totals",
            "status": 200,
        }
    finally:
        CURRENT.set(None)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (b"0123abcd", True),
        (b"A-z_0.9" * 9, True),
        (b"short", False),
        (b"x" * 65, False),
        (b"with space", False),
        (b"someone@example.com", False),
        (b"line\nbreaks", False),
        ("\u00e9".encode() * 8, False),
        (None, False),
    ],
)
def test_a_request_id_that_is_given(given: bytes | None, kept: bool) -> None:
    taken = request_id(given)
    if kept:
        assert taken.encode() == given
    else:
        assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{6}", taken)


_ENDS_BADLY = """
import sys, threading
from app import logs
from app.settings import Settings
logs.configure(Settings())
thread = threading.Thread(target=lambda: int("planted"), name="some thread")
thread.start(); thread.join()
int("planted")
"""


@pytest.mark.parametrize("form", ["text", "json"])
def test_what_nobody_caught_is_told_in_the_same_form(form: str) -> None:
    env = {"LOG_FORMAT": form, "PATH": ""}
    done = subprocess.run([sys.executable, "-c", _ENDS_BADLY], capture_output=True, text=True, env=env)
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if "thread" in line or "ended by" in line]
    first = json.loads(lines[0])["message"] if form == "json" else lines[0].partition("dashi ")[2]
    assert first == "the thread some thread ended by an error"
    assert "ended by an error" in lines[-1]
    assert "'planted'" not in done.stderr.replace('int("planted")', "")


def told_by(program: str) -> dict[str, Any]:
    """The one line that a program of its own logs."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env={"LOG_FORMAT": "json", "PATH": ""},
    )
    assert done.returncode == 0
    line: dict[str, Any] = json.loads(done.stderr)
    return line


_FINALIZER = """
import gc
from app.logs import configure
from app.settings import Settings

class Planted:
    def __del__(self):
        int("planted")

configure(Settings())
Planted()
gc.collect()
"""


def test_what_nobody_can_catch_is_told_with_what_it_happened_in() -> None:
    told = told_by(_FINALIZER)
    assert told["message"] == "an error that nobody could handle, in Planted.__del__"
    assert told["trace"].splitlines()[-1] == "ValueError"


_NEVER_AWAITED = """
import warnings
from app.logs import configure
from app.settings import Settings

async def question():
    pass

configure(Settings())
cleared = [question()]
cleared.clear()
# As where a named tuple is made, in which there is no `__import__` for what Python would say.
eval("lambda cleared: cleared.clear()", {"__builtins__": {}})([question()])
warnings.warn("of another kind")
"""


def test_what_is_cancelled_before_it_begins_is_no_error_and_other_warnings_have_the_form_too() -> None:
    told = told_by(_NEVER_AWAITED)
    assert (told["level"], told["logger"]) == ("warning", "py.warnings")
    assert "UserWarning: of another kind" in told["message"]


def test_a_socket_has_one_line_when_it_ends(live: Server, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "dashi.request"):
        address = f"{live.url.replace('http://', 'ws://')}/graphql?planted=planted"
        caplog.clear()
        with connect(address, subprotocols=[Subprotocol("graphql-transport-ws")]) as connection:
            connection.send("{}")
            with suppress(ConnectionClosed):
                connection.recv(timeout=20)
            assert connection.response is not None
            given = connection.response.headers["x-request-id"]
        until(lambda: bool(caplog.records))
    [record] = caplog.records
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{6}", given)
    assert record.getMessage().startswith("SOCKET /graphql 4400 in ")
    assert record.__dict__["fields"]["status"] == 4400


def test_the_id_goes_with_the_work_into_the_threads_of_readers(live: Server) -> None:
    def tell(ctx: Ctx) -> tuple[str, str]:
        return threading.current_thread().name, JsonFormatter().format(record_of(None))

    async def asked() -> tuple[str, str]:
        CURRENT.set(Current("from-the-request", "GET", "/api/me"))
        return await live.runtime.run(SYSTEM, tell)

    thread, line = asyncio.run(asked())
    assert thread.startswith("read_")
    assert json.loads(line)["request"] == "from-the-request"
