"""Of two servers over one PostgreSQL one is lost, with hits that only its own disk has: they wait there, and count once."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.faults.conftest import OwnPostgres
from tests.faults.load import Site, readiness, told_plainly, until, wait_until_ready
from tests.process import Process, environment, serving, started
from tests.server import free_port


def waiting(data_dir: Path) -> int:
    """Batches in the journals of a process that is gone."""
    found = 0
    for file in (data_dir / "journal").glob("journal-*.sqlite"):
        with closing(sqlite3.connect(file)) as journal:
            found += journal.execute("SELECT count(*) FROM batch").fetchone()[0]
    return found


def test_a_lost_server_s_hits_count_once_when_its_disk_is_served_again(
    own_postgres: OwnPostgres, tmp_path: Path
) -> None:
    lost_disk = environment(tmp_path / "a", own_postgres.url)
    with (
        started(lost_disk, tmp_path / "a.log") as one,
        started(environment(tmp_path / "b", own_postgres.url), tmp_path / "b.log") as other,
    ):
        for process in (one, other):
            process.wait_until_ready()
        site = Site(one)
        with (
            site.load(one, "a", pause=0.02) as of_one,
            site.load(other, "b", pause=0.02) as of_other,
        ):
            of_one.wait_for(50)
            of_other.wait_for(50)
            own_postgres.stop("fast")
            until(lambda: all(readiness(process)[0] == 503 for process in (one, other)))
            of_one.wait_for(50)
            of_other.wait_for(50)
            one.kill()
            own_postgres.start()
            wait_until_ready(other)
            of_other.wait_for(50)
        assert (of_one.refused, of_other.refused, of_other.cut) == ([], [], set())
        settled(other)
        site.note(of_other)
        # Those of the other are all there, and of the lost one what was applied before.
        left = waiting(tmp_path / "a")
        assert left > 0
        there = counted(other, site)
        assert of_other.acknowledged <= there
        assert of_one.acknowledged - there != set()
        with serving({**lost_disk, "PORT": str(free_port())}, tmp_path / "a.log") as again:
            settled(again)
            site.note(of_one)
            site.judge(other)
        assert waiting(tmp_path / "a") == 0
        for process in (one, other):
            told_plainly(process)


def settled(process: Process) -> None:
    """Wait until all that it has accepted is applied."""
    until(lambda: "\ndashi_journal_lag_batches 0.0\n" in process.metrics())


def counted(process: Process, site: Site) -> set[str]:
    """The names of the events and pages that count."""
    seen = (site.ask(process, "metrics", type=kind, limit=1_000_000) for kind in ("event", "url"))
    return {row["x"].removeprefix("/") for rows in seen for row in rows}
