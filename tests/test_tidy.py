"""Tidying moves rows, and changes nothing that can be asked: whatever else goes on, and wherever it is cut off."""

from __future__ import annotations

import datetime as dt
import logging
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from app.db import EventStore
from app.settings import Settings
from app.tables import WEBSITE_TABLES, event, event_data, tidied, visit_part
from app.tidy import FOLDING, ROW_GROUP, Step, Tidy, tidy_once
from tests.populate import VECTORS, A, B, C, Hit, happening, populate, view
from tests.process import environment
from tests.server import Server, running
from tests.stores import event_store

# As the real ones, for a few rows.
SMALL_FOLDING = Step(FOLDING.number, 1, 1000, 7)
SMALL_SORTING = (Step(2, 40, 40, 10), Step(1, 8, 8, 5))


def tidy(store: EventStore) -> int:
    """Tidy all that was accepted before."""
    store.wait_until_fresh()
    return tidy_once(store, None, SMALL_FOLDING, SMALL_SORTING)


@pytest.fixture(autouse=True)
def _done_here(request: pytest.FixtureRequest) -> None:
    if "store" in request.fixturenames and request.getfixturevalue("store") == "clickhouse":
        pytest.skip("ClickHouse sorts and folds when it merges (tests/test_clickhouse.py)")


@pytest.fixture
def own(store: str, make_settings: Callable[..., Settings]) -> Iterator[Server]:
    """A server of the test's own: its rows alone are in the store."""
    with running(make_settings(store)) as started:
        yield started


def one_by_one(server: Server, *of_sites: tuple[str, Hit]) -> None:
    """Send hits so that each is stored by a write of its own."""
    for website_id, hit in of_sites:
        populate(server, website_id, [hit])
        server.runtime.events.wait_until_fresh()


def traffic(day: int) -> list[Hit]:
    """21 hits of three visitors on one day of November 2026, a quarter of an hour from one to the next."""
    hits = []
    for number in range(7):
        at = f"2026-11-{day:02} {8 + number // 4:02}:{number % 4 * 15:02}:00"
        hits += [
            view(A, at, f"/page/{number}"),
            happening(B, at, "/shop", "purchase", {"revenue": number + 0.5, "currency": "EUR"}),
            view(C, at, "/", referrer="https://t.co/x"),
        ]
    return hits


def contents(store: EventStore) -> dict[str, Counter[tuple[Any, ...]]]:
    """All that is stored; parts of visits added up, as those who ask do."""
    return {table.name: Counter(map(tuple, store.rows(_said(table)))) for table in WEBSITE_TABLES}


def _said(table: sa.Table) -> sa.Select[Any]:
    if table is not visit_part:
        return sa.select(table)
    columns = table.c
    added = {
        "views": sa.func.sum(columns.views),
        "events": sa.func.sum(columns.events),
        "first_at": sa.func.min(columns.first_at),
        "last_at": sa.func.max(columns.last_at),
    }
    same = [column for column in columns if column.name not in {*added, "stored_in"}]
    return sa.select(*same, *added.values()).group_by(*same)


def rows_of(store: EventStore, table: sa.Table, *columns: sa.Column[Any]) -> list[tuple[Any, ...]]:
    """Rows as DuckDB finds them: in the order in which they lie."""
    return [tuple(row) for row in store.rows(sa.select(*columns).select_from(table))]


def changes(store: EventStore) -> int:
    """How often, from one event to the next as they lie, the website is another."""
    websites = rows_of(store, event, event.c.website_id)
    return sum(one != other for one, other in pairwise(websites))


def dashboard(server: Server, website_id: str) -> list[Any]:
    period = {"startAt": 1_793_491_200_000, "endAt": 1_796_083_200_000, "unit": "day", "timezone": "UTC"}
    base = f"/api/websites/{website_id}"
    kinds = ("url", "referrer", "browser", "country", "event", "language", "device")
    return [
        server.get(f"{base}/stats", **period),
        server.get(f"{base}/pageviews", **period),
        *(server.get(f"{base}/metrics", **period, type=kind) for kind in kinds),
        server.get(f"{base}/events", **period, pageSize=200),
        server.get(f"{base}/sessions", **period, pageSize=200),
        server.get(f"{base}/event-data/events", **period),
        server.get(f"{base}/session-data/properties", **period),
    ]


def test_answers_and_contents_stay_the_same(own: Server) -> None:
    store = own.runtime.events
    sites = [own.create_website() for _ in range(3)]
    for day in range(10, 14):
        for site in sites:
            populate(own, site, [*VECTORS, *traffic(day)] if day == 11 else traffic(day))
    before = [dashboard(own, site) for site in sites], contents(store)
    assert tidy(store) > 0
    assert ([dashboard(own, site) for site in sites], contents(store)) == before
    assert tidy(store) == 0


def test_rows_lie_sorted_by_website(make_settings: Callable[..., Settings]) -> None:
    with running(make_settings("duckdb")) as server:
        store = server.runtime.events
        sites = [server.create_website() for _ in range(3)]
        minutes = [view(A, f"2026-11-10 10:{minute:02}:00") for minute in range(14)]
        one_by_one(server, *((site, hit) for hit in minutes for site in sites))
        order = (event.c.website_id, event.c.created_at)
        rows = rows_of(store, event, *order)
        assert [site for site, _ in rows[:3]] == [UUID(site) for site in sites]
        tidy(store)
        # The first 40 at once; the two that were left are too few.
        sorted_, left = sorted(rows[:40]), rows[40:]
        assert rows_of(store, event, *order) == [*left, *sorted_]


def test_parts_of_one_visit_become_one(own: Server) -> None:
    store = own.runtime.events
    sites = [own.create_website() for _ in range(2)]
    minutes = [view(A, f"2026-11-10 10:{minute:02}:00") for minute in (1, 12, 29, 31)]
    one_by_one(own, *((site, hit) for hit in minutes for site in sites))
    columns = visit_part.c
    which = (columns.half_hour, columns.views, columns.first_at, columns.last_at)
    query = sa.select(*which).where(columns.website_id == UUID(sites[0])).order_by(columns.half_hour)

    def at(minute: int) -> dt.datetime:
        return dt.datetime(2026, 11, 10, 10, minute, tzinfo=dt.UTC)

    assert len(store.rows(query)) == 4
    tidy(store)
    assert [tuple(row) for row in store.rows(query)] == [
        (at(0), 3, at(1), at(29)),
        (at(30), 1, at(31), at(31)),
    ]


def test_what_comes_late_is_sorted_and_folded_too(own: Server) -> None:
    store = own.runtime.events
    sites = [own.create_website() for _ in range(2)]
    one_by_one(own, *((site, hit) for hit in traffic(20) for site in sites))
    tidy(store)
    one_by_one(own, *((site, hit) for hit in (*traffic(2), *traffic(20)) for site in sites))
    before, changes_before = contents(store), changes(store)
    assert tidy(store) > 0
    assert contents(store) == before
    if store.embedded:
        # 126 rows, those of the two websites by turns: three times 40 are sorted.
        assert changes_before > 80
        assert changes(store) <= 3 + 3 + 6
    # Three visitors, four half-hours: of one day once, of the other twice, for those that were folded stay as they are.
    parts = rows_of(store, visit_part, visit_part.c.website_id)
    assert Counter(parts) == {(UUID(site),): 3 * 4 * 3 for site in sites}


def test_what_was_done_is_known_after_a_restart(store: str, make_settings: Callable[..., Settings]) -> None:
    settings = make_settings(store)
    with running(settings) as server:
        for site in [server.create_website() for _ in range(2)]:
            populate(server, site, traffic(10))
        assert tidy(server.runtime.events) > 0
        before = contents(server.runtime.events)
    with running(settings) as server:
        assert contents(server.runtime.events) == before
        assert tidy(server.runtime.events) == 0


def test_rows_of_one_website_stay_where_they_are(make_settings: Callable[..., Settings]) -> None:
    with running(make_settings("duckdb")) as server:
        store = server.runtime.events
        populate(server, server.create_website(), [view(A, "2026-11-11 10:00:00"), *traffic(10), *traffic(9)])
        before = rows_of(store, event, event.c.created_at)
        tidy(store)
        assert rows_of(store, event, event.c.created_at) == before
        marked = {name for (name,) in rows_of(store, tidied, tidied.c.table_name)}
        assert {event.name, event_data.name} <= marked


def test_it_goes_on_while_websites_are_written_and_removed(own: Server) -> None:
    store = own.runtime.events
    kept, reset, deleted = (own.create_website() for _ in range(3))
    over = threading.Event()
    failed: list[Exception] = []
    moved = 0

    def go_on() -> None:
        nonlocal moved
        while not over.is_set():
            try:
                moved += tidy(store)
            except Exception as error:
                failed.append(error)

    thread = threading.Thread(target=go_on)
    thread.start()
    for day in range(1, 9):
        for site in (kept, reset, deleted):
            populate(own, site, traffic(day))
    assert own.client.post(f"/api/websites/{reset}/reset", headers=own.admin).status_code == 200
    assert own.client.delete(f"/api/websites/{deleted}", headers=own.admin).status_code == 200
    populate(own, kept, traffic(9))
    populate(own, reset, traffic(9))
    over.set()
    thread.join()
    assert failed == []
    assert moved > 0
    rows = Counter(rows_of(store, event, event.c.website_id))
    assert rows == {(UUID(kept),): 9 * 21, (UUID(reset),): 21}
    sums = sa.select(visit_part.c.website_id, sa.func.sum(visit_part.c.views + visit_part.c.events))
    added = set(map(tuple, store.rows(sums.group_by(visit_part.c.website_id))))
    assert added == {(UUID(kept), 9 * 21), (UUID(reset), 21)}


_FOR_EVER = """
import sqlalchemy as sa
from app.settings import Settings
from app.tables import tidied, visit_part
from tests.stores import event_store
from tests.test_tidy import tidy

with event_store(Settings()) as store:
    print("begins", flush=True)
    while True:
        with store.writing() as connection:
            connection.execute(tidied.delete())
        tidy(store)
"""


def test_cut_off_it_loses_nothing_and_doubles_nothing(
    store: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    fresh: Callable[[], str] = request.getfixturevalue("postgres") if store == "postgresql" else str
    env = environment(tmp_path / "data", fresh())
    (tmp_path / "data").mkdir()
    settings = Settings(data_dir=tmp_path / "data", database_url=env["DATABASE_URL"])
    with event_store(settings) as opened:
        fill(opened, 2_000, websites=3)
        before = contents(opened)
    chance = random.Random(5)
    for _ in range(5):
        child = subprocess.Popen(
            [sys.executable, "-c", _FOR_EVER], env=env, stdout=subprocess.PIPE, cwd=Path.cwd()
        )
        assert child.stdout is not None
        assert child.stdout.readline() == b"begins\n"
        time.sleep(0.05 + chance.random())
        assert child.poll() is None
        child.kill()
        child.communicate()
        with event_store(settings) as opened:
            assert contents(opened) == before
    assert not list(tmp_path.glob("data/*quarantined*"))


def fill(store: EventStore, rows: int, websites: int) -> None:
    """Events of a month, those of all websites mixed, each in a part of a visit and stored by a write of its own."""
    ids = [uuid4() for _ in range(websites)]
    start = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
    made, parts = [], []
    for number in range(rows):
        at = start + dt.timedelta(days=30) * number / rows
        of = {"website_id": ids[number % websites], "session_id": uuid4(), "stored_in": 1 + number}
        made.append(
            {**of, "event_id": uuid4(), "visit_id": of["session_id"], "created_at": at, "event_type": 1}
        )
        half_hour = at - (at - start) % dt.timedelta(minutes=30)
        times = {"half_hour": half_hour, "first_at": at, "last_at": at}
        parts.append({**of, "visit_id": of["session_id"], **times, "views": 1, "events": 0})
    with store.writing() as connection:
        connection.execute(event.insert(), made)
        connection.execute(visit_part.insert(), parts)


@contextmanager
def mixed(tmp_path: Path, rows: int) -> Iterator[EventStore]:
    """A DuckDB store of so many events of 20 websites, in real row groups, made by DuckDB itself."""
    with event_store(Settings(data_dir=tmp_path, duckdb_memory_limit="256MB", duckdb_threads=2)) as store:
        with store.writing() as connection:
            connection.exec_driver_sql(
                "INSERT INTO event BY NAME SELECT md5('e' || i)::UUID AS event_id, md5('w' || i % 20)::UUID AS website_id, "
                "md5('s' || i // 5)::UUID AS session_id, session_id AS visit_id, "
                "TIMESTAMP '2026-01-01' + to_seconds(i) AS created_at, 1 + i // 10 AS stored_in, 1 AS event_type, "
                f"'/page/' || hash(i) % 2000 AS url_path FROM range({rows}) t(i)"
            )
        store.checkpoint()
        yield store


def test_row_groups_hold_few_websites_each_then(tmp_path: Path) -> None:
    """In 8 groups of 20 websites nobody's rows are in more than two; before they were in all."""
    website = sa.text(
        f"SELECT count(DISTINCT rowid // {ROW_GROUP}) FROM event WHERE website_id = md5('w7')::UUID"
    )
    with mixed(tmp_path, 8 * ROW_GROUP) as store:
        assert store.rows(website) == [(8,)]
        count, same = sa.func.count(), sa.func.sum(sa.func.hash(sa.text("event")))
        before = store.rows(sa.select(count, same).select_from(event))
        assert tidy_once(store) == 8 * ROW_GROUP
        assert store.rows(website)[0][0] <= 2
        assert store.rows(sa.select(count, same).select_from(event)) == before


def test_the_file_does_not_grow_for_ever(tmp_path: Path) -> None:
    sizes = []
    with mixed(tmp_path, 2 * ROW_GROUP) as store:
        for _ in range(6):
            with store.writing() as connection:
                connection.execute(tidied.delete())
            assert tidy_once(store) == 2 * ROW_GROUP
            sizes.append((tmp_path / "events.duckdb").stat().st_size)
    assert max(sizes[3:]) <= max(sizes[:3])


def test_one_process_tidies_at_a_time(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings("postgresql")
    with event_store(settings) as one, event_store(settings) as other:
        fill(one, 30, websites=2)
        with other.tidying() as alone:
            assert alone
            assert tidy(one) == 0
        assert tidy(one) == 30


def test_the_thread_outlives_a_fault_and_ends_when_told(
    store: str, make_settings: Callable[..., Settings], caplog: pytest.LogCaptureFixture
) -> None:
    with event_store(make_settings(store)) as opened:
        fill(opened, FOLDING.least, websites=1)
        with opened.writing() as connection:
            connection.exec_driver_sql("ALTER TABLE tidied RENAME TO gone")
        thread = Tidy(opened, first=0, every=0.05)
        with caplog.at_level(logging.ERROR, "dashi.tidy"):
            wait_until(lambda: "tidying failed" in caplog.text)
        with opened.writing() as connection:
            connection.exec_driver_sql("ALTER TABLE gone RENAME TO tidied")
        wait_until(lambda: bool(rows_of(opened, tidied, tidied.c.step)))
        thread.close()
        assert not thread._thread.is_alive()


def wait_until(true: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)
