from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from app import engines
from app.errors import Invalid, Unavailable
from app.services import open_runtime
from app.settings import Settings
from app.stores import event_store


def test_limits_come_from_the_cgroup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "_CGROUP", tmp_path)
    whole_memory, whole_processors = engines.machine_limits()
    assert whole_memory > 1 << 28
    (tmp_path / "memory.max").write_text("536870912\n")
    (tmp_path / "cpu.max").write_text("100000 100000\n")
    assert engines.machine_limits() == (536870912, 1)
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert engines.machine_limits() == (whole_memory, whole_processors)


@pytest.mark.parametrize(("mib", "expected"), [(100, "256.0 MiB"), (600, "300.0 MiB"), (2048, "384.0 MiB")])
def test_duckdb_gets_half_the_memory_within_bounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mib: int, expected: str
) -> None:
    cgroup = tmp_path / "cgroup"
    cgroup.mkdir()
    (cgroup / "memory.max").write_text(str(mib << 20))
    monkeypatch.setattr(engines, "_CGROUP", cgroup)
    engine = engines.events_engine(Settings(data_dir=tmp_path))
    with engine.connect() as connection:
        limit, spill = connection.execute(
            sa.text("SELECT current_setting('memory_limit'), current_setting('temp_directory')")
        ).one()
    assert limit == expected
    assert spill == str(tmp_path / "events.tmp")
    engine.dispose()


def test_a_second_process_on_the_same_duckdb_file_is_refused(tmp_path: Path) -> None:
    engine = engines.events_engine(Settings(data_dir=tmp_path))
    with engine.connect():
        script = (
            "from app.engines import events_engine; from app.settings import Settings; import pathlib, sys\n"
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
    with pytest.raises(Unavailable, match=r"events\.duckdb cannot be opened: .*not a valid DuckDB database"):
        engines.events_engine(Settings(data_dir=tmp_path))
    assert (tmp_path / "events.duckdb").read_bytes() == b"not a database" * 1000


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
    store = event_store(settings)
    [row] = store.rows(sa.select(*(sa.func.current_setting(name).label(name) for name in names)))
    store.close()
    return dict(row._mapping)
