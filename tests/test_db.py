from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from app import db, migrations
from app.errors import Invalid, Unavailable
from app.main import open_runtime
from app.settings import Settings


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


def test_duckdb_gets_half_the_memory_and_all_processors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cgroup = tmp_path / "cgroup"
    cgroup.mkdir()
    (cgroup / "memory.max").write_text(str(2 << 30))
    monkeypatch.setattr(db, "_CGROUP", cgroup)
    engine = db.events_engine(Settings(data_dir=tmp_path))
    with engine.connect() as connection:
        limit, spill = connection.execute(
            sa.text("SELECT current_setting('memory_limit'), current_setting('temp_directory')")
        ).one()
    assert limit == "1.0 GiB"
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
    from app.tables import metadata

    engine = db.events_engine(settings)
    migrations.upgrade(engine, "events")
    migrations.upgrade(engine, "events")
    found = sa.inspect(engine)
    for table in metadata.tables.values():
        assert [column["name"] for column in found.get_columns(table.name)] == [c.name for c in table.columns]
    engine.dispose()


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
    """What its operator allowed for beyond that stands."""
    settings = make_settings("postgresql")
    operators = sa.create_engine(settings.event_store_url)
    with operators.begin() as connection:
        for name, value in own.items():
            database = connection.scalar(sa.text("SELECT current_database()"))
            connection.exec_driver_sql(f"ALTER DATABASE \"{database}\" SET {name} = '{value}'")
    operators.dispose()
    store = db.EventStore(db.events_engine(settings))
    [(work, times, timeout)] = store.rows(
        sa.text(
            "SELECT pg_size_bytes(current_setting('work_mem')), current_setting('hash_mem_multiplier'), "
            "current_setting('statement_timeout')"
        )
    )
    store.close()
    assert (work * float(times), timeout) == (expected, "30s")
