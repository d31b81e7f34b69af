"""Damaged files: the server starts, says what it could not read and where that is now, and has all the rest."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from tests.faults.load import Site, told_plainly
from tests.process import environment, serving


def test_a_damaged_log_of_duckdb(tmp_path: Path) -> None:
    env = environment(tmp_path / "data")
    log = tmp_path / "log"
    with serving(env, log) as process:
        site = Site(process)
        with site.load(process, "a") as load:
            load.wait_for(200)
            process.kill()
        site.note(load)
    wal = tmp_path / "data" / "events.duckdb.wal"
    damage = bytearray(wal.read_bytes())
    damage[-10] ^= 1
    wal.write_bytes(damage)
    with serving(env, log) as process:
        site.judge(process)
    aside = tmp_path / "data" / "events.duckdb.wal.quarantined-1"
    assert aside.read_bytes() == damage
    assert f"{wal} could not be replayed and is now {aside}; the journal makes good for it" in log.read_text()
    told_plainly(process)


def cut_short(journal: Path) -> None:
    """The last page of SQLite's log is half there."""
    wal = journal.with_name(f"{journal.name}-wal")
    os.truncate(wal, wal.stat().st_size - 2000)


def garbled_end(journal: Path) -> None:
    """The last page of the log is nonsense."""
    wal = journal.with_name(f"{journal.name}-wal")
    with wal.open("r+b") as file:
        file.seek(-4096, os.SEEK_END)
        file.write(os.urandom(4096))


def garbled_page(journal: Path) -> None:
    """A page in the middle of the database is nonsense."""
    _garble(journal, journal.stat().st_size // 4096 // 2)


def garbled_first_page(journal: Path) -> None:
    """It is no database any longer."""
    _garble(journal, 0)


def _garble(journal: Path, page: int) -> None:
    with journal.open("r+b") as file:
        file.seek(4096 * page)
        file.write(b"\xff\x00garbage" * 455 + b"\xff")


@pytest.mark.parametrize("damage", [cut_short, garbled_end, garbled_page, garbled_first_page])
def test_a_damaged_journal(
    postgres: Callable[[], str], tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    """PostgreSQL is locked, so that what was acknowledged is in the journal alone."""
    url = postgres()
    env = environment(tmp_path / "data", EVENTS_URL=url)
    log = tmp_path / "log"
    journal = tmp_path / "data" / "journal" / "journal-1.sqlite"
    with serving(env, log) as process:
        site = Site(process)
        with psycopg.connect(url) as holder:
            holder.execute("LOCK TABLE event IN ACCESS EXCLUSIVE MODE")
            with site.load(process, "a") as load:
                load.wait_for(200)
                process.kill()
            site.note(load)
    if damage in (garbled_page, garbled_first_page):
        with sqlite3.connect(journal) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
    before = journal.with_name("before.sqlite")
    for suffix in ("", "-wal"):
        if (part := journal.with_name(journal.name + suffix)).exists():
            shutil.copyfile(part, before.with_name(before.name + suffix))
    damage(journal)
    lost = destroyed(before, journal, damage)
    for suffix in ("", "-wal", "-shm"):
        before.with_name(before.name + suffix).unlink(missing_ok=True)

    with serving(env, log) as process:
        site.judge(process, lost)
        asides = sorted(file.name for file in journal.parent.glob("*.damaged-1"))
        end = damage in (cut_short, garbled_end)
        assert asides == ["journal-1.sqlite-wal.damaged-1" if end else "journal-1.sqlite.damaged-1"]
        said = log.read_text()
        assert ("could not be read; its" in said) if end else ("is damaged and is now" in said)
        with site.load(process, "b") as load:
            load.wait_for(20)
        site.note(load)
        site.judge(process, lost)
    told_plainly(process)
    with serving(env, log) as process:  # once is enough
        site.judge(process, lost)
    assert sorted(file.name for file in journal.parent.glob("*.damaged-*")) == asides


def destroyed(before: Path, journal: Path, damage: Callable[[Path], None]) -> set[str]:
    """The names in the batches some of whose bytes are no longer there: never more than a few batches' but for page one."""
    with sqlite3.connect(before) as connection:
        batches = [row[0] for row in connection.execute("SELECT event FROM batch ORDER BY number")]
    connection.close()
    if damage is garbled_first_page:
        touched = batches
    elif damage is garbled_page:
        page = 4096 * (journal.stat().st_size // 4096 // 2)
        bytes_there = before.read_bytes()[page : page + 4096]
        touched = [
            text
            for text in batches
            if any(text[at : at + 24].encode() in bytes_there for at in range(0, len(text) - 24, 24))
        ]
        assert 0 < len(touched) < len(batches) / 4
    else:
        touched = batches[-1:]
    rows = [row for text in touched for row in json.loads(f"[{text}]")]
    return {row.get("event_name") or row["url_path"].removeprefix("/") for row in rows}
