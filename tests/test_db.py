from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from app import db, migrations
from app.errors import Invalid, Unavailable
from app.main import open_runtime
from app.settings import Settings
from app.tables import event, metadata, visit_part
from tests.stores import event_store


def test_limits_come_from_the_cgroup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(db, "_CGROUP", tmp_path)
    whole_memory, whole_processors = db.machine_limits()
    assert whole_memory > 1 << 28
    (tmp_path / "memory.max").write_text("536870912\n")
    (tmp_path / "cpu.max").write_text("100000 100000\n")
    assert db.machine_limits() == (536870912, 1)
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert db.machine_limits() == (whole_memory, whole_processors)


@pytest.mark.parametrize(("mib", "expected"), [(100, "256.0 MiB"), (600, "300.0 MiB"), (2048, "384.0 MiB")])
def test_duckdb_gets_half_the_memory_within_bounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mib: int, expected: str
) -> None:
    cgroup = tmp_path / "cgroup"
    cgroup.mkdir()
    (cgroup / "memory.max").write_text(str(mib << 20))
    monkeypatch.setattr(db, "_CGROUP", cgroup)
    engine = db.events_engine(Settings(data_dir=tmp_path))
    with engine.connect() as connection:
        limit, spill = connection.execute(
            sa.text("SELECT current_setting('memory_limit'), current_setting('temp_directory')")
        ).one()
    assert limit == expected
    assert spill == str(tmp_path / "events.tmp")
    engine.dispose()


def test_a_second_process_on_the_same_duckdb_file_is_refused(tmp_path: Path) -> None:
    engine = db.events_engine(Settings(data_dir=tmp_path))
    with engine.connect():
        script = (
            "from app.db import events_engine; from app.settings import Settings; import pathlib, sys\n"
            "events_engine(Settings(data_dir=pathlib.Path(sys.argv[1])))"
        )
        second = subprocess.run(
            [sys.executable, "-c", script, tmp_path], capture_output=True, text=True, check=False
        )
    engine.dispose()
    assert second.returncode == 1
    assert "events.duckdb is in use by another process; DuckDB allows one" in second.stderr


def test_several_workers_on_duckdb_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="DuckDB belongs to one process"):
        open_runtime(Settings(data_dir=tmp_path / "data", workers=2))
    assert not (tmp_path / "data").exists()


def test_a_duckdb_file_without_a_log_that_cannot_be_opened_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "events.duckdb").write_bytes(b"not a database" * 1000)
    with pytest.raises(sa.exc.DBAPIError):
        db.events_engine(Settings(data_dir=tmp_path))
    assert (tmp_path / "events.duckdb").read_bytes() == b"not a database" * 1000


def test_an_event_store_that_does_not_answer_is_unavailable() -> None:
    url = "postgresql+psycopg://nobody@127.0.0.1:9/nothing"
    store = db.EventStore(db.events_engine(Settings(events_url=url)))
    with pytest.raises(Unavailable):
        store.rows(sa.select(1))


def test_migrations_can_run_again_and_give_the_declared_tables(store: str, make_settings) -> None:
    settings = make_settings(store)
    engine = db.events_engine(settings)
    migrations.upgrade(engine, "events")
    migrations.upgrade(engine, "events")
    found = sa.inspect(engine)
    for table in metadata.tables.values():
        assert [column["name"] for column in found.get_columns(table.name)] == [c.name for c in table.columns]
    engine.dispose()


def test_what_is_stored_up_to_a_write_never_changes(
    store: str, make_settings: Callable[..., Settings]
) -> None:
    """Whoever writes at the same time: several processes on PostgreSQL, several threads on DuckDB."""
    made = make_settings(store)
    website = uuid4()
    with event_store(made) as events:
        writers = [events] * 4
        if store == "postgresql":
            writers = [db.EventStore(db.events_engine(made)) for _ in range(4)]

        def write(own: db.EventStore) -> None:
            journal = uuid4()
            for batch in range(1, 26):
                # Of different lengths, so that one begun first may be done last.
                size = 1 + 200 * (batch % 3)
                own.apply(journal, batch, {"event": json.dumps([one_event(website)] * size)})

        seen: dict[int, int] = {}
        with ThreadPoolExecutor(len(writers)) as pool:
            running = [pool.submit(write, own) for own in writers]
            while not all(one.done() for one in running):
                last = events.last_write()
                seen.setdefault(last, stored(events, last))
            for one in running:
                one.result()
        assert events.last_write() == 100
        assert seen == {last: stored(events, last) for last in seen}
        assert len(seen) > 10
        assert stored(events, 100) == 4 * sum(1 + 200 * (batch % 3) for batch in range(1, 26))
        if store == "postgresql":
            for own in writers:
                own.close()


def one_event(website: UUID) -> dict[str, Any]:
    ids = {name: str(uuid4()) for name in ("event_id", "session_id", "visit_id")}
    return {**ids, "website_id": str(website), "created_at": "2026-11-10T10:00:00.000", "event_type": 1}


def stored(events: db.EventStore, upto: int) -> int:
    """How many events were stored in the first so many writes."""
    [(count,)] = events.rows(sa.select(sa.func.count()).where(event.c.stored_in.between(1, upto)))
    return int(count)


def test_a_store_from_before_the_numbers_of_writes(
    store: str, make_settings: Callable[..., Settings]
) -> None:
    """It gets the column, and what it has counts as there from the beginning."""
    engine = db.events_engine(make_settings(store))
    migrations.upgrade(engine, "events")
    with engine.begin() as connection:
        later = {"visit_part", "tidied"}
        for table in later:
            connection.exec_driver_sql(f"DROP TABLE {table}")
        for table in metadata.tables.keys() - later:
            connection.exec_driver_sql(f"ALTER TABLE {table} DROP COLUMN stored_in")
        connection.exec_driver_sql("UPDATE alembic_version_events SET version_num = 'events_0002'")
        row = {**one_event(uuid4()), "url_path": "/old"}
        names = ", ".join(row)
        values = ", ".join(f"'{value}'" for value in row.values())
        connection.exec_driver_sql(f"INSERT INTO event ({names}) VALUES ({values})")
    migrations.upgrade(engine, "events")
    events = db.EventStore(engine)
    assert events.last_write() == 0
    events.apply(uuid4(), 1, {"event": json.dumps([one_event(uuid4())])})
    assert events.last_write() == 1
    numbers = events.rows(sa.select(event.c.url_path, event.c.stored_in).order_by(event.c.stored_in))
    assert [tuple(row) for row in numbers] == [("/old", 0), ("", 1)]
    parts = sa.select(visit_part.c.stored_in, visit_part.c.views, visit_part.c.events, visit_part.c.half_hour)
    at = dt.datetime(2026, 11, 10, 10, tzinfo=dt.UTC)
    assert [tuple(row) for row in events.rows(parts.order_by(visit_part.c.stored_in))] == [
        (0, 1, 0, at),
        (1, 1, 0, at),
    ]
    for table in metadata.sorted_tables:
        [found] = [one for one in sa.inspect(engine).get_columns(table.name) if one["name"] == "stored_in"]
        assert not found["nullable"]
    events.close()


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        # PostgreSQL's defaults: 4 MB and twice that for hashes.
        ({}, 64 << 20),
        ({"work_mem": "64kB"}, 64_000 << 10),  # the multiplier's largest
        ({"work_mem": "64MB"}, 128 << 20),
        ({"hash_mem_multiplier": "50"}, 200 << 20),
    ],
    ids=str,
)
def test_postgresql_may_hash_the_ids_of_a_filter(
    make_settings: Callable[..., Settings], own: dict[str, str], expected: int
) -> None:
    """What its operator has set beyond that stands."""
    told = told_of_questions(
        make_settings("postgresql"), own, "work_mem", "hash_mem_multiplier", "statement_timeout"
    )
    work, unit = int(told["work_mem"][:-2]), {"kB": 1 << 10, "MB": 1 << 20}[told["work_mem"][-2:]]
    assert work * unit * float(told["hash_mem_multiplier"]) == expected
    assert told["statement_timeout"] == "30s"


@pytest.mark.parametrize(
    "own",
    [
        {},
        {"random_page_cost": "4"},
        {"plan_cache_mode": "auto"},
        {"jit": "on"},
    ],
    ids=str,
)
def test_postgresql_is_told_what_it_cannot_know(
    make_settings: Callable[..., Settings], own: dict[str, str]
) -> None:
    """Even where its operator has set what is the default anyway, that stands."""
    told = {"random_page_cost": "2", "plan_cache_mode": "force_custom_plan", "jit": "off"}
    assert told_of_questions(make_settings("postgresql"), own, *told) == {**told, **own}


def told_of_questions(settings: Settings, own: dict[str, str], *names: str) -> dict[str, str]:
    """What holds of settings of PostgreSQL when it is asked, its operator having set his own."""
    operators = sa.create_engine(settings.event_store_url)
    with operators.begin() as connection:
        for name, value in own.items():
            database = connection.scalar(sa.text("SELECT current_database()"))
            connection.exec_driver_sql(f"ALTER DATABASE \"{database}\" SET {name} = '{value}'")
    operators.dispose()
    store = db.EventStore(db.events_engine(settings))
    [row] = store.rows(sa.select(*(sa.func.current_setting(name).label(name) for name in names)))
    store.close()
    return dict(row._mapping)
