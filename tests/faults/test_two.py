"""Two processes on the same files: the second is refused in one line, and the first does not notice."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from tests.faults.load import Site, told_plainly
from tests.process import environment, serving
from tests.server import free_port


def run(env: dict[str, str], *words: str) -> tuple[int, str]:
    """(exit code, output) of a command beside the server."""
    ended = subprocess.run(
        [sys.executable, "-m", "app.cli", *words],
        env={**env, "PORT": str(free_port()), "COLUMNS": "1000"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return ended.returncode, ended.stdout + ended.stderr


def test_commands_beside_a_server_on_the_same_files(tmp_path: Path) -> None:
    env = environment(tmp_path / "data")
    refusal = f"dashi: {tmp_path}/data/events.duckdb is in use by another process; DuckDB allows one\n"
    with serving(env, tmp_path / "log") as process:
        site = Site(process)
        with site.load(process, "a") as load:
            load.wait_for(50)
            for words in (["serve"], ["demo", "--days", "1"], ["migrate"]):
                assert run(env, *words) == (1, refusal), words
            # Elsewhere for its events, but the same journal directory: a second journal would be made, which is right
            # for a shared PostgreSQL alone.
            other = {**env, "EVENTS_URL": f"duckdb:///{tmp_path}/other.duckdb"}
            code, said = run(other, "serve")
            assert code == 1, said
            assert said == (
                f"dashi: {tmp_path}/data/journal is in use by another process; with events in DuckDB each needs a"
                " DATA_DIR of its own\n"
            )
            load.wait_for(50)
        assert (load.refused, load.cut) == ([], set())
        site.note(load)
        site.judge(process)
        told_plainly(process)


def test_a_store_that_is_not_there(tmp_path: Path) -> None:
    """One line as well."""
    nowhere = f"postgresql://postgres@127.0.0.1:{free_port()}/x"
    for name, store in (("EVENTS_URL", "event"), ("DATABASE_URL", "accounts")):
        code, said = run({**environment(tmp_path / "data"), name: nowhere}, "serve")
        assert code == 1
        assert said.startswith(f"dashi: The {store} store does not answer: "), said
        assert said.count("\n") == 1, said


@pytest.mark.parametrize("workers", ["1"])
def test_processes_that_share_postgresql_take_journals_of_their_own(
    postgres: Callable[[], str], tmp_path: Path, workers: str
) -> None:
    """That is no fault: what either takes is counted."""
    url = postgres()
    first = environment(tmp_path / "data", url, WORKERS=workers)
    second = {**first, "PORT": str(free_port())}
    with serving(first, tmp_path / "log") as one, serving(second, tmp_path / "log2") as two:
        site = Site(one)
        with site.load(one, "a") as a, site.load(two, "b") as b:
            a.wait_for(50)
            b.wait_for(50)
        site.note(a)
        site.note(b)
        with psycopg.connect(url) as connection:
            [(journals,)] = connection.execute("SELECT count(*) FROM applied_batch").fetchall()
        assert journals == 2
    with serving(first, tmp_path / "log") as one:
        site.judge(one)
    told_plainly(one)
    told_plainly(two)
