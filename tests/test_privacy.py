"""No address of a visitor is stored or logged: all bytes of all files, and all columns of all tables, are searched."""

from __future__ import annotations

import ipaddress
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from psycopg import sql

from app.ingest.rows import Rows
from app.settings import Settings
from tests.populate import CHROME
from tests.process import Process, engine_within, environment, serving
from tests.server import PASSWORD, running

FORWARDED = "203.0.113.77"
GIVEN = "198.51.100.201"
SIX = "2001:db8:7a1e:c0de:5eed:feed:beef:4711"
MAPPED = "::ffff:192.0.2.213"
IGNORED = "192.0.2.99"
ADDRESSES = (FORWARDED, GIVEN, SIX, MAPPED, IGNORED)


def forms() -> Iterator[bytes]:
    """How an address may be written: as text in each form, and as the bytes of an IPv6 address."""
    for address in ADDRESSES:
        parsed = ipaddress.ip_address(address)
        texts = {address, str(parsed), parsed.exploded}
        if isinstance(parsed, ipaddress.IPv6Address):
            yield parsed.packed
            if parsed.ipv4_mapped:
                texts.add(str(parsed.ipv4_mapped))
        for text in texts:
            yield text.encode()
            yield text.upper().encode()


def found_in(contents: bytes) -> list[bytes]:
    return [form for form in forms() if form in contents]


def files(directory: Path) -> Iterator[Path]:
    return (file for file in directory.rglob("*") if file.is_file())


def rows_with_addresses(database_url: str) -> list[tuple[str, str]]:
    """(table, address) wherever any row, written out with all its columns, has one."""
    found = []
    with psycopg.connect(database_url.replace("+psycopg", "", 1)) as connection:
        tables = connection.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        ).fetchall()
        assert {"event_0", "session_data", "website"} <= {name for (name,) in tables}
        for (name,) in tables:
            for form in {form for form in forms() if form.isascii()}:
                query = sql.SQL("SELECT count(*) FROM {table} WHERE strpos({table}::text, %s) > 0").format(
                    table=sql.Identifier(name)
                )
                if connection.execute(query, [form.decode()]).fetchone() != (0,):
                    found.append((name, form.decode()))
    return found


_ROWS = """
import sys, chdb
engine = chdb.connect(sys.argv[1])
tables = engine.query("SELECT name FROM system.tables WHERE database = 'dashi' AND engine LIKE '%MergeTree'", "TSV")
for table in tables.bytes().decode().split():
    sys.stdout.buffer.write(engine.query(f"SELECT * FROM dashi.{table}", "JSONEachRow").bytes() or b"")
"""


def send_all(process: Process, website_id: str) -> list[int]:
    """Hits with addresses wherever one can stand, and requests that are refused. The statuses."""
    common = {"website": website_id, "url": "/", "hostname": "example.com"}
    ways: list[tuple[dict[str, str], dict[str, Any]]] = [
        ({"x-forwarded-for": f"{FORWARDED}, 10.0.0.1"}, common),
        ({"x-real-ip": SIX, "forwarded": f'for="[{SIX}]"'}, common),
        ({"cf-connecting-ip": SIX}, {**common, "name": "buy", "data": {"revenue": 5, "currency": "EUR"}}),
        ({"x-client-ip": MAPPED, "true-client-ip": MAPPED}, common),
        ({}, {**common, "ip": GIVEN}),
        ({}, {**common, "ip": SIX, "id": "customer-1"}),
        # Refused or dropped: a wrong field, an unknown website, a bot, an address that is ignored.
        ({"x-forwarded-for": FORWARDED}, {**common, "ip": GIVEN, "hostname": "x" * 101}),
        ({"x-forwarded-for": FORWARDED}, {**common, "website": "00000000-0000-0000-0000-000000000000"}),
        ({"x-forwarded-for": FORWARDED, "user-agent": "Googlebot/2.1"}, common),
        ({}, {**common, "ip": IGNORED}),
        ({}, {**common, "ip": f"{GIVEN}.no-address"}),
    ]
    statuses = []
    with httpx.Client(base_url=process.url, headers={"user-agent": CHROME}) as client:
        for headers, payload in ways:
            body = {"type": "event", "payload": payload}
            statuses.append(client.post("/api/send", json=body, headers=headers).status_code)
        identify = {**common, "ip": GIVEN, "data": {"plan": "pro"}}
        statuses.append(client.post("/api/send", json={"type": "identify", "payload": identify}).status_code)
        batch = [{"type": "event", "payload": {**common, "ip": GIVEN}}]
        statuses.append(client.post("/api/batch", json=batch, headers={"x-forwarded-for": SIX}).status_code)
        for headers in ({"x-forwarded-for": FORWARDED}, {"x-real-ip": SIX}):
            wrong = {"username": "admin", "password": "wrong"}
            statuses.append(client.post("/api/auth/login", json=wrong, headers=headers).status_code)
            right = {"username": "admin", "password": PASSWORD}
            statuses.append(client.post("/api/auth/login", json=right, headers=headers).status_code)
    return statuses


def test_no_address_is_stored_or_logged(
    store: str, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = make_settings(store)
    url = engine_within(settings.data_dir) if store == "clickhouse" else settings.database_url
    env = environment(settings.data_dir, url, IGNORE_IP=IGNORED)
    log = tmp_path / "log"
    with serving(env, log) as process:
        admin = {"Authorization": f"Bearer {process.token()}"}
        new = {"name": "n", "domain": "d"}
        made = httpx.post(f"{process.url}/api/websites", json=new, headers=admin).json()["id"]
        statuses = send_all(process, made)
        assert statuses == [200] * 6 + [400, 400, 200, 403, 400, 200, 200, 401, 200, 401, 200]
        # Stored by now; and what is on disk before anything is put in order.
        period = {"startAt": 0, "endAt": 4_000_000_000_000}
        stats = httpx.get(f"{process.url}/api/websites/{made}/stats", params=period, headers=admin).json()
        assert stats["pageviews"]["value"] == 6
        assert httpx.get(f"{process.url}/metrics").status_code == 200
        assert found_in(httpx.get(f"{process.url}/metrics").content) == []
        process.kill()
    searched = list(files(settings.data_dir))
    for file in [*searched, log]:
        assert found_in(file.read_bytes()) == [], file
    names = {file.name for file in searched}
    assert {"journal-1.sqlite", "journal-1.sqlite-wal"} <= names
    if store == "duckdb":
        assert {"events.duckdb", "events.duckdb.wal"} <= names
    elif store == "postgresql":
        assert rows_with_addresses(settings.database_url) == []
    else:
        # Its files are compressed. Only one process can have them, and this one has others.
        done = subprocess.run(
            [sys.executable, "-c", _ROWS, str(settings.data_dir / "clickhouse")],
            capture_output=True,
            check=True,
        )
        assert b"created_at" in done.stdout
        assert found_in(done.stdout) == []


def test_the_search_would_find_one(store: str, make_settings: Callable[..., Settings]) -> None:
    """What a visitor types is stored as it is: an address in a page's title is found in files and tables."""
    settings = make_settings(store)
    with running(settings) as server:
        body = {"website": server.create_website(), "url": "/", "hostname": "h", "title": f"I am {FORWARDED}"}
        agent = {"user-agent": CHROME}
        assert (
            server.client.post(
                "/api/send", json={"type": "event", "payload": body}, headers=agent
            ).status_code
            == 200
        )
        server.runtime.events.wait_until_fresh()
        server.runtime.events.checkpoint()
        assert any(FORWARDED.encode() in found_in(file.read_bytes()) for file in files(settings.data_dir))
        if store == "postgresql":
            assert {address for _, address in rows_with_addresses(settings.database_url)} == {FORWARDED}


def test_nor_where_the_store_refuses_a_row(
    store: str, make_settings: Callable[..., Settings], caplog: pytest.LogCaptureFixture
) -> None:
    settings = make_settings(store)
    with running(settings) as server:
        website_id = server.create_website()
        payload = {"website": website_id, "url": "/", "hostname": "h", "ip": GIVEN}
        headers = {"user-agent": CHROME, "x-forwarded-for": SIX}
        body = {"type": "event", "payload": payload}
        collector = server.app.state.collector
        append = collector.journal.append_from

        def broken(loop: Any, rows: Rows) -> Any:
            """As if a version of us made rows that the store refuses."""
            good = rows.event[0]
            return append(loop, Rows(event=[good, {**good, "created_at": "no time at all"}]))

        collector.journal.append_from = broken
        assert server.client.post("/api/send", json=body, headers=headers).status_code == 200
        assert len(server.events(website_id)) == 1
        assert collector.journal.rejected() == 1
        assert "the event store refuses some rows" in caplog.text
        assert found_in(caplog.text.encode()) == []
        for file in files(settings.data_dir):
            assert found_in(file.read_bytes()) == [], file
