"""Moving events between stores: all rows arrive once, whatever happens on the way."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import orjson
import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from app import moving
from app.db import EventStore
from app.errors import Conflict, Unavailable
from app.moving.stock import marks, take_stock
from app.settings import Settings
from app.tables import DATA_TABLES, event
from tests.faults.disk import small_disk
from tests.moving.conftest import CROWDED, JOURNAL, PAIRS, ROWS, contents, quietly
from tests.process import engine_within
from tests.stores import event_store

# Moves events from one URL to the next, and on; after so many chunks it dies within a few hundredths of a second.
MOVING = """
import os, signal, sys, threading
from itertools import pairwise
from app import migrations, moving
from app.settings import Settings
from app.stores import event_store
left, delay, rows = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
stores = [event_store(Settings(events_url=url)) for url in sys.argv[4:]]
def progress(what, done, total):
    global left
    left -= 1
    if not left:
        threading.Timer(delay, os.kill, (os.getpid(), signal.SIGKILL)).start()
for source, target in pairwise(stores):
    migrations.upgrade(target.engine, "events")
    moving.move(source, target, progress, rows)
    target.checkpoint()
"""


def move_in_a_process(*urls: str, data_dir: Path, dying_after: int) -> subprocess.CompletedProcess[str]:
    delay = random.random() * 0.04
    command = [sys.executable, "-c", MOVING, str(dying_after), str(delay), str(ROWS), *urls]
    env = {**os.environ, "DATA_DIR": str(data_dir)}
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)


def url_of(store: EventStore) -> str:
    return store.engine.url.render_as_string(hide_password=False)


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_between_each_pair_of_stores_nothing_changes(
    filled: Callable[[str], EventStore], fresh: Callable[[str], EventStore], source: str, target: str
) -> None:
    there = filled(source)
    # What the others are filled with has been moved there from DuckDB.
    here = filled(target) if source == "duckdb" else fresh(target)
    moving.move(there, here, quietly, ROWS)
    before = contents(there)
    assert contents(here) == before
    assert len(before["event"]) > 2500
    # A server goes on where the source's was.
    assert marks(here)[JOURNAL] == 77
    assert take_stock(there).marks.items() <= marks(here).items()
    # Once more: all of it is there.
    write = here.last_write()
    rows = moving.move(there, here, quietly, ROWS)
    assert rows == sum(len(before[table.name]) for table in DATA_TABLES)
    assert here.last_write() == write


@pytest.mark.parametrize(
    ("target", "deaths"), [("postgresql", (5, 8)), ("duckdb", (6,)), ("clickhouse", (6,))]
)
def test_a_move_that_is_killed_again_and_again_goes_on(
    original: EventStore,
    filled: Callable[[str], EventStore],
    make_settings: Callable[..., Settings],
    tmp_path: Path,
    target: str,
    deaths: tuple[int, ...],
) -> None:
    there = filled("postgresql") if target == "duckdb" else original
    if there is not original:
        source = url_of(there)
    else:
        original.copy_to(tmp_path / "copy.duckdb")
        source = f"duckdb:///{tmp_path}/copy.duckdb"
    settings = make_settings(target)
    url = settings.event_store_url
    if target == "clickhouse":
        # Another process cannot share the engine of this one.
        url = engine_within(tmp_path)
    for dying_after in deaths:
        died = move_in_a_process(source, url, data_dir=tmp_path, dying_after=dying_after)
        assert died.returncode == -signal.SIGKILL, died.stdout + died.stderr
    if target != "clickhouse":
        with event_store(settings) as here:
            # It has begun, and has not come to tell how far the source's journals are.
            [part] = marks(here).values()
            assert part >= max(deaths) - 1
            moving.move(there, here, quietly, ROWS)
            assert contents(here) == contents(original)
        return
    back = f"duckdb:///{tmp_path}/back.duckdb"
    done = move_in_a_process(source, url, back, data_dir=tmp_path, dying_after=1000)
    assert done.returncode == 0, done.stdout + done.stderr
    with event_store(make_settings("duckdb", events_url=back)) as here:
        assert contents(here) == contents(original)


def test_a_destination_that_holds_anything_else_is_refused(
    original: EventStore, fresh: Callable[[str], EventStore]
) -> None:
    here = fresh("duckdb")
    row = {name: str(uuid4()) for name in ("event_id", "website_id", "session_id", "visit_id")}
    text = orjson.dumps([{**row, "created_at": "2026-11-01T00:00:00.000", "event_type": 1}]).decode()
    here.apply(uuid4(), 1, {"event": text})
    before = contents(here), marks(here)
    with pytest.raises(
        Conflict, match=r"not empty: it holds 1 rows of event, 1 rows of visit_part, and not of a move"
    ):
        moving.move(original, here, quietly, ROWS)
    assert (contents(here), marks(here)) == before


def test_a_destination_that_a_server_has_used_since_is_refused(
    original: EventStore, fresh: Callable[[str], EventStore]
) -> None:
    here = fresh("duckdb")
    moving.move(original, here, quietly, ROWS)
    here.apply(JOURNAL, 78, {})
    before = contents(here), marks(here)
    with pytest.raises(Conflict, match="not of a move of what the source holds now"):
        moving.move(original, here, quietly, ROWS)
    assert (contents(here), marks(here)) == before


def test_a_source_that_changes_ends_the_move_and_another_move_does_not_go_on_with_it(
    original: EventStore,
    make_settings: Callable[..., Settings],
    fresh: Callable[[str], EventStore],
    tmp_path: Path,
) -> None:
    original.copy_to(tmp_path / "copy.duckdb")
    here = fresh("duckdb")
    with event_store(make_settings("duckdb", events_url=f"duckdb:///{tmp_path}/copy.duckdb")) as there:

        def served(what: str, done: int, total: int) -> None:
            if done > 3 * ROWS:
                there.apply(JOURNAL, 78, {})

        with pytest.raises(Conflict, match="A server has stored events in the source since the move began"):
            moving.move(there, here, served, ROWS)
        part = len(contents(here)["event"])
        assert part > 0
        with pytest.raises(Conflict, match="not of a move of what the source holds now"):
            moving.move(there, here, quietly, ROWS)
        assert (len(contents(here)["event"]), JOURNAL in marks(here)) == (part, False)


def test_a_destination_that_goes_away_is_told_of_in_a_line_and_the_same_call_goes_on(
    original: EventStore, fresh: Callable[[str], EventStore], postgres: Callable[[], str]
) -> None:
    here = fresh("postgresql")
    name = make_url(url_of(here)).database
    with psycopg.connect(postgres(), autocommit=True) as administrator:

        def away(what: str, done: int, total: int) -> None:
            if done > 3 * ROWS:
                administrator.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
                administrator.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
                )

        with pytest.raises(Unavailable, match=r"^The destination \(postgresql\) does not answer: .*") as told:
            moving.move(original, here, away, ROWS)
        assert told.value.message.endswith(". The same command goes on from here")
        assert "\n" not in told.value.message
        administrator.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
    moving.move(original, here, quietly, ROWS)
    assert contents(here) == contents(original)


def test_a_full_disk_under_the_destination_is_told_of_and_room_is_enough_to_go_on(
    original: EventStore, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = make_settings("duckdb", events_url=f"duckdb:///{tmp_path}/small/events.duckdb")
    with small_disk(tmp_path / "small", "48m") as disk:
        with event_store(settings) as here:

            def fill(what: str, done: int, total: int) -> None:
                if done > 3 * ROWS:
                    disk.fill()

            with pytest.raises(Unavailable, match="cannot be written: there is no room left on its disk"):
                moving.move(original, here, fill, ROWS)
        disk.make_room()
        with event_store(settings) as here:
            moving.move(original, here, quietly, ROWS)
            assert contents(here) == contents(original)


def test_what_a_store_cannot_hold_is_told_without_saying_it_and_nothing_is_left_out(
    make_settings: Callable[..., Settings], fresh: Callable[[str], EventStore]
) -> None:
    """No hit brings it, and DuckDB would hold it."""
    with event_store(make_settings("duckdb")) as there:
        row = {name: str(CROWDED) for name in ("event_id", "website_id", "session_id", "visit_id")}
        rows = [{**row, "created_at": "2026-11-01T00:00:00.000", "event_type": 1, "url_path": "/a\0b"}]
        there.apply(JOURNAL, 1, {"event": orjson.dumps(rows).decode()})
        assert len(contents(there)["event"]) == 1
        here = fresh("postgresql")
        with pytest.raises(
            Conflict, match=f"^The destination refuses rows of event of website {CROWDED}"
        ) as told:
            moving.move(there, here, quietly, ROWS)
        assert "/a" not in told.value.message
        assert contents(here)["event"] == []


def test_the_memory_of_followers_is_spared(original: EventStore, fresh: Callable[[str], EventStore]) -> None:
    """Those who follow a store are not told of a million events that are none of now."""
    here = fresh("duckdb")
    heard: list[object] = []
    here.follow(heard.extend, lambda: None)
    moving.move(original, here, quietly, ROWS)
    assert heard == []
    with here.connected() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(event)).scalar_one() > 2500


def test_events_of_many_years_come_together(
    make_settings: Callable[..., Settings], fresh: Callable[[str], EventStore]
) -> None:
    """ClickHouse keeps each month by itself, and would take no more than a hundred of them in one chunk."""
    with event_store(make_settings("duckdb")) as there:
        ids = dict.fromkeys(("event_id", "website_id", "session_id", "visit_id"), str(CROWDED))
        months = [f"{2010 + month // 12}-{1 + month % 12:02}-01T00:00:00.000" for month in range(120)]
        rows = [{**ids, "created_at": month, "event_type": 1} for month in months]
        there.apply(JOURNAL, 1, {"event": orjson.dumps(rows).decode()})
        here = fresh("clickhouse")
        moving.move(there, here, quietly, ROWS)
        assert contents(here) == contents(there)
