"""What only ClickHouse has: its wire, writes without transactions, parts of visits that it merges by itself."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import orjson
import pytest
import sqlalchemy as sa

from app import migrations
from app.clickhouse_store import GENERATION, ClickHouseStore
from app.db import EventStore
from app.engines import accounts_engine, events_engine
from app.errors import Unavailable
from app.settings import Settings
from app.stores import event_store
from app.tables import DATA_TABLES, applied_batch, event, visit_part
from tests.faults.load import until
from tests.populate import VECTORS, A, B, happening, identification, populate, view
from tests.process import environment
from tests.server import free_port, running

EVER = {"startAt": 0, "endAt": 4_000_000_000_000}
HITS = [
    *VECTORS,
    view(A, "2026-11-12 10:00:00", "/shop?utm_source=news", title="Shop"),
    happening(
        B, "2026-11-12 10:05:00", "/buy", "buy", data={"revenue": 12.5, "currency": "EUR", "plan": "pro"}
    ),
    identification(B, "2026-11-12 10:06:00", data={"name": "someone"}, id="someone"),
]


@dataclass
class Wire:
    """A ClickHouse server that can be killed and started again, and whose line can be cut."""

    directory: Path
    port: int = field(default_factory=free_port)
    popen: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"clickhousedb://127.0.0.1:{self.port}/dashi"

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.clickhouse_front", str(self.directory), str(self.port)]
        self.popen = subprocess.Popen(command, cwd=Path(__file__).parent.parent)
        deadline = time.monotonic() + 60
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{self.port}/ping").raise_for_status()
                return
            except httpx.TransportError:
                assert time.monotonic() < deadline
                time.sleep(0.05)

    def kill(self) -> None:
        assert self.popen
        self.popen.kill()
        self.popen.wait()

    def cut(self, *tables: str) -> None:
        """Do not answer inserts of these tables; of none: answer them again."""
        file = self.directory.with_suffix(".cut")
        file.write_text(" ".join(tables)) if tables else file.unlink()


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    wire = Wire(tmp_path_factory.mktemp("wire") / "engine")
    wire.start()
    yield wire
    wire.kill()


@pytest.fixture
def one(clickhouse: Callable[[], str], tmp_path: Path) -> Iterator[ClickHouseStore]:
    """A store of its own in this process."""
    store = opened(clickhouse(), tmp_path)
    yield store
    store.close()


def opened(url: str, directory: Path) -> ClickHouseStore:
    store = event_store(Settings(events_url=url, data_dir=directory))
    assert isinstance(store, ClickHouseStore)
    migrations.upgrade(store.engine, "events")
    return store


def row(at: str, **more: Any) -> dict[str, Any]:
    return {
        "event_id": str(uuid4()),
        "website_id": str(UUID(int=1)),
        "session_id": str(UUID(int=2)),
        "visit_id": str(UUID(int=3)),
        "created_at": at,
        "event_type": 1,
        **more,
    }


def several() -> dict[str, str]:
    """Rows of all tables, of two months."""
    events = [row("2026-10-31T23:59:59.999"), row("2026-11-01T00:00:00.000")]
    value = {
        "data_key": "k",
        "data_type": 2,
        "string_value": "1",
        "number_value": "1.0000",
        "date_value": None,
    }
    data = [{**one, **value, "event_name": "e"} for one in events]
    said = [{**one, **value, "version": 7, "distinct_id": "d"} for one in events]
    paid = [
        {**one, "event_name": "e", "currency": "EUR", "revenue": "1.5000", "country": ""} for one in events
    ]
    made = zip(DATA_TABLES, (events, data, said, paid), strict=True)
    return {table.name: orjson.dumps(rows).decode() for table, rows in made}


def counts(store: EventStore) -> dict[str, int]:
    found = {
        table.name: store.rows(sa.select(sa.func.count()).select_from(table))[0][0] for table in DATA_TABLES
    }
    [(views,)] = store.rows(sa.select(sa.func.sum(visit_part.c.views)))
    return {**found, "views": views}


TWICE = dict.fromkeys(("event", "event_data", "session_data", "revenue", "views"), 2)


def test_over_the_wire_all_is_as_on_files(wire: Wire, make_settings: Callable[..., Settings]) -> None:
    """A server that writes and asks through the real client's HTTP, beside one on DuckDB, given the same hits."""
    found = []
    for settings in (make_settings("duckdb", events_url=wire.url), make_settings("duckdb")):
        with running(settings) as server:
            website = server.create_website()
            populate(server, website, HITS)
            asked = f"/api/websites/{website}"
            found.append(
                {
                    "stats": server.get(f"{asked}/stats", **EVER),
                    "days": server.get(f"{asked}/pageviews", unit="day", timezone="UTC", **EVER),
                    **{
                        field: server.get(f"{asked}/metrics", type=field, **EVER)
                        for field in ("url", "event", "browser", "channel", "entry", "exit")
                    },
                    "sessions": server.get(f"{asked}/sessions", **EVER)["count"],
                    "data": server.get(f"{asked}/event-data/events", **EVER),
                    "said": server.get(f"{asked}/session-data/properties", **EVER),
                }
            )
    assert found[0] == found[1]
    assert found[0]["stats"]["pageviews"]["value"] > 5


def test_the_server_is_killed_and_comes_back(wire: Wire, make_settings: Callable[..., Settings]) -> None:
    with running(make_settings("duckdb", events_url=wire.url.replace("/dashi", "/killed"))) as server:
        website = server.create_website()
        populate(server, website, [view(A, "2026-11-12 10:00:00", "/first")])
        wire.kill()
        answer = server.client.get(f"/api/websites/{website}/stats", params=EVER, headers=server.admin)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5"), answer.text
        sent = server.client.post(
            "/api/send",
            json={"type": "event", "payload": {"website": website, "hostname": "h", "url": "/second"}},
            headers={"User-Agent": A.agent},
        )
        assert sent.status_code == 200
        wire.start()
        until(lambda: server.client.get("/readyz").status_code == 200, 60)
        assert server.get(f"/api/websites/{website}/stats", **EVER)["pageviews"]["value"] == 2


@pytest.mark.parametrize("table", ["event", "event_data", "revenue", "applied_batch"])
def test_a_line_that_is_cut_within_a_write(wire: Wire, tmp_path: Path, table: str) -> None:
    """The server has done it and nobody heard: the same batches once more, and each row is there once."""
    store = opened(wire.url.replace("/dashi", f"/cut_{table}"), tmp_path)
    journal, rows = uuid4(), several()
    wire.cut(table)
    with pytest.raises(Unavailable):
        store.apply(journal, 7, rows, 0)
    wire.cut()
    # A mark that is there tells that all is; otherwise it is written once more.
    assert store.apply(journal, 7, rows, 0) == 7
    assert (store.applied(journal), counts(store)) == (7, TWICE)
    store.close()


def test_rows_that_are_alike_are_not_taken_for_the_same(one: ClickHouseStore) -> None:
    journal, rows = uuid4(), several()
    one.apply(journal, 1, rows, 0)
    one.apply(journal, 2, rows, 1)
    assert counts(one) == dict.fromkeys(TWICE, 4)


def test_a_group_that_was_begun_is_applied_again_as_it_was(
    wire: Wire, tmp_path: Path, make_settings: Callable[..., Settings]
) -> None:
    """Hits that come after a write failed do not join the batches of that write."""
    url = wire.url.replace("/dashi", "/group")
    with running(make_settings("duckdb", events_url=url)) as server:
        website = server.create_website()
        payload = {"website": website, "hostname": "h"}
        wire.cut("event")
        for number in range(20):
            json = {"type": "event", "payload": {**payload, "url": f"/{number}"}}
            sent = server.client.post("/api/send", json=json, headers={"User-Agent": A.agent})
            assert sent.status_code == 200
            time.sleep(0.05)
        wire.cut()
        until(lambda: server.client.get("/readyz").status_code == 200, 60)
        paths = sorted(row["url_path"] for row in server.events(website))
    assert paths == sorted(f"/{number}" for number in range(20))


def test_merging_keeps_parts_of_visits_apart_that_a_removal_tells_apart(one: ClickHouseStore) -> None:
    """Of one visit, half before the store stood still: merged, the older half can still be removed by its number."""
    journal = uuid4()
    with one.standing_still() as upto:
        assert upto == 0  # the first write is above it
    one.apply(journal, 1, {"event": orjson.dumps([row("2026-11-01T10:00:00.000")]).decode()}, 0)
    one.apply(journal, 2, {"event": orjson.dumps([row("2026-11-01T10:01:00.000")]).decode()}, 1)
    with one.standing_still() as upto:
        pass
    one.apply(journal, 3, {"event": orjson.dumps([row("2026-11-01T10:02:00.000")]).decode()}, 2)
    with one.connected() as connection:
        connection.exec_driver_sql("OPTIMIZE TABLE visit_part FINAL")
    parts = one.rows(sa.select(visit_part.c.stored_in, visit_part.c.views).order_by(visit_part.c.stored_in))
    assert parts == [(2, 2), (GENERATION, 1)]
    assert 2 <= upto < GENERATION
    with one.standing_still() as again:
        assert again > upto
    with one.standing_still() as still:
        assert still == again  # nothing was written since


def test_marks_are_kept_when_they_are_merged(one: ClickHouseStore) -> None:
    first, second = uuid4(), uuid4()
    for number in range(1, 4):
        one.apply(first, number, {"event": f"[{orjson.dumps(row('2026-11-01T10:00:00.000')).decode()}]"})
    one.apply(second, 9, {})
    with one.connected() as connection:
        connection.exec_driver_sql("OPTIMIZE TABLE applied_batch FINAL")
    assert one.rows(sa.select(sa.func.count()).select_from(applied_batch)) == [(2,)]
    assert (one.applied(first), one.applied(second), one.last_write()) == (3, 9, 4)


def test_a_statement_that_takes_too_long_is_ended(clickhouse: Callable[[], str], tmp_path: Path) -> None:
    settings = Settings(events_url=clickhouse(), data_dir=tmp_path, statement_timeout=1)
    store = event_store(settings)
    migrations.upgrade(store.engine, "events")
    numbers = sa.func.numbers(10**13).table_valued("number")
    with pytest.raises(Unavailable, match="takes longer than 1 s"):
        store.rows(sa.select(sa.func.sum(sa.func.sipHash64(numbers.c.number))))
    store.close()


def test_what_is_not_installed_is_said(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['clickhouse_connect'] = None\n"
        "from app.settings import Settings; from app.stores import event_store\n"
        "event_store(Settings(events_url='clickhousedb://localhost/x'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=Path(__file__).parent.parent
    )
    assert "pip install 'dashi-analytics[clickhouse]'" in done.stderr


def test_over_two_shards_the_answers_are_the_same() -> None:
    """In a process of its own, whose engine takes itself for both shards (tests/shards.py)."""
    tests = ["tests/stats/test_oracle.py", "-k", "test_breakdown or test_series"]
    asked = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--store", "shards", *tests]
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    root = Path(__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *asked], capture_output=True, text=True, cwd=root, env=env
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "bad", [{"event_id": "none"}, {"event_type": 99_999}, {"event_type": None}, {"url_path": 5}]
)
def test_a_row_that_is_none_is_refused_and_nothing_of_it_kept(
    one: ClickHouseStore, bad: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    made = {**row("2026-11-01T10:00:00.000", page_title="of a visitor"), **bad}
    text = orjson.dumps(made).decode()
    assert not one.accepts("event", text)
    with pytest.raises(sa.exc.DataError):
        one.apply(uuid4(), 1, {"event": f"[{text}]"})
    assert one.accepts("event", orjson.dumps(row("2026-11-01T10:00:00.000")).decode())
    assert (one.last_write(), one.rows(sa.select(sa.func.count()).select_from(event))) == (0, [(0,)])
    assert caplog.text == ""


def test_a_command_beside_the_server_exports_and_deletes_a_visitor(
    wire: Wire, make_settings: Callable[..., Settings]
) -> None:
    settings = make_settings("duckdb", events_url=wire.url.replace("/dashi", "/visitor"))
    with running(settings) as server:
        website = server.create_website()
        populate(
            server,
            website,
            [view(A, "2026-11-12 10:00:00", "/a", id="somebody"), view(B, "2026-11-12 10:00:00")],
        )
        server.runtime.events.wait_until_fresh()
        env = environment(settings.data_dir, settings.events_url)
        told = [dashi(env, "visitor", verb, website, "--id", "somebody") for verb in ("export", "delete")]
        assert '"/a"' in told[0]
        assert [row["url_path"] for row in server.events(website)] == ["/"]


def dashi(env: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", *arguments], env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_others_write_while_rows_of_before_are_removed(one: ClickHouseStore) -> None:
    """A deletion waits for its replicas; what is stored meanwhile is none of it."""
    rows = f"[{orjson.dumps(row('2026-11-01T10:00:00.000')).decode()}]"
    one.apply(uuid4(), 1, {"event": rows})
    with one.standing_still() as upto:
        pass
    with ThreadPoolExecutor(1) as other, one.writing(of_before=True) as connection:
        assert other.submit(one.apply, uuid4(), 1, {"event": rows}).result(30) == 1
        assert one.delete(connection, event, [event.c.stored_in <= upto]) == 1
    [(left,)] = one.rows(sa.select(event.c.stored_in))
    assert left == upto + 1


def test_processes_take_turns_to_migrate_through_the_accounts_database(
    clickhouse: Callable[[], str], postgres: Callable[[], str], make_settings: Callable[..., Settings]
) -> None:
    events, accounts = (
        events_engine(make_settings("duckdb", events_url=clickhouse())),
        accounts_engine(make_settings("duckdb", database_url=postgres())),
    )
    waiting = sa.text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    with ThreadPoolExecutor(2) as pool, accounts.connect() as looking:
        with migrations._turn(events, accounts):
            both = [pool.submit(migrations.upgrade, events, "events", beside=accounts) for _ in range(2)]
            until(lambda: looking.scalar(waiting) == 2)
        for one in both:
            one.result(60)
    with events.connect() as connection:
        found = connection.exec_driver_sql("SELECT version_num FROM alembic_version_events").fetchall()
    assert found == [(migrations.newest("events"),)]
    for engine in (events, accounts):
        engine.dispose()


def test_removed_rows_are_gone_from_the_disk(one: ClickHouseStore) -> None:
    """What was deleted is marked at first; `make_room` has it written anew without."""
    one.apply(
        uuid4(),
        1,
        {"event": f"[{orjson.dumps(row('2026-11-01T10:00:00.000', url_path='/secret')).decode()}]"},
    )
    with one.writing() as connection:
        assert one.delete(connection, event, [event.c.website_id == UUID(int=1)]) == 1
    assert one.rows(sa.select(sa.func.count()).select_from(event)) == [(0,)]
    one.make_room(event, UUID(int=1))
    left = (
        "SELECT sum(rows) FROM system.parts WHERE active AND database = currentDatabase() AND table = 'event'"
    )
    with one.connected() as connection:
        until(lambda: not connection.exec_driver_sql(left).scalar())
