"""`dashi backup` and `dashi restore`, as commands beside real servers."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from app import control
from app.backup import backup
from app.errors import Conflict, Invalid, Unavailable
from app.restore import restore
from app.services import open_runtime
from app.settings import Settings
from tests.faults.load import Site
from tests.populate import CHROME
from tests.process import Process, environment, serving
from tests.server import free_port
from tests.test_cli import dashi


def create_website(process: Process) -> str:
    headers = {"authorization": f"Bearer {process.token()}"}
    made = httpx.post(f"{process.url}/api/websites", json={"name": "x", "domain": "x.org"}, headers=headers)
    made.raise_for_status()
    website_id: str = made.json()["id"]
    return website_id


def send(process: Process, website_id: str, *names: str) -> None:
    for name in names:
        payload = {"website": website_id, "name": name, "url": "/"}
        answer = httpx.post(
            f"{process.url}/api/send",
            json={"type": "event", "payload": payload},
            headers={"user-agent": CHROME},
        )
        assert "sessionId" in answer.json()


def settings_of(env: dict[str, str]) -> Settings:
    return Settings(**{name.lower(): value for name, value in env.items()})  # type: ignore[arg-type]


def quietly(what: str, done: int, total: int) -> None:
    assert done <= total


def contents(directory: Path) -> dict[str, bytes]:
    return {
        file.relative_to(directory).as_posix(): file.read_bytes()
        for file in directory.rglob("*")
        if file.is_file()
    }


def journal_alone(file: Path, name: str, new_name: str) -> None:
    """Write the last batch, in which an event is called `name`, once more under a new name: no store has that."""
    with closing(sqlite3.connect(file)) as journal:
        number, text, *others = journal.execute("SELECT * FROM batch ORDER BY number DESC").fetchone()
        assert f'"{name}"' in text
        again = (number + 1, text.replace(f'"{name}"', f'"{new_name}"'), *others)
        journal.execute("INSERT INTO batch VALUES (?, ?, ?, ?, ?)", again)
        journal.commit()


def counted(process: Process, website_id: str) -> dict[str, int]:
    """Custom events by name."""
    params: dict[str, Any] = {"startAt": 0, "endAt": 4_000_000_000_000, "type": "event", "limit": 1000}
    headers = {"authorization": f"Bearer {process.token()}"}
    answer = httpx.get(f"{process.url}/api/websites/{website_id}/metrics", params=params, headers=headers)
    assert answer.status_code == 200, answer.text
    return {row["x"]: row["y"] for row in answer.json()}


@contextmanager
def stored(env: dict[str, str], log: Path, *names: str) -> Iterator[tuple[Process, str]]:
    """A server with a website that has got events of these names."""
    with serving(env, log) as process:
        website_id = create_website(process)
        send(process, website_id, *names)
        yield process, website_id


def test_a_backup_under_load_holds_all_that_was_acknowledged_before_it_once(tmp_path: Path) -> None:
    env = environment(tmp_path / "data")
    del env["APP_SECRET"]
    target = tmp_path / "backups" / "one"
    with serving(env, tmp_path / "log") as process:
        site = Site(process)
        with site.load(process, "load") as load:
            load.wait_for(300)
            before = set(load.acknowledged)
            done = dashi("backup", str(target), env=env)
            load.wait_for(20)  # collecting goes on
        assert (done.returncode, load.refused) == (0, []), done.stdout + done.stderr
        site.note(load)
        site.judge(process)
    # The files are those of one user, and named in the manifest with what is in them.
    files = sorted(path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file())
    assert files == [
        "accounts.sqlite",
        "events.duckdb",
        "journal/journal-1.sqlite",
        "manifest.json",
        "secret",
    ]
    assert {stat.S_IMODE((target / file).stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE(target.stat().st_mode) == 0o700
    assert [path.name for path in target.parent.iterdir()] == ["one"]
    manifest = json.loads((target / "manifest.json").read_text())
    assert sorted(manifest["files"]) == files[:3] + files[4:]
    elsewhere = {**environment(tmp_path / "elsewhere"), "APP_SECRET": ""}
    restored = dashi("restore", str(target), env=elsewhere)
    assert restored.returncode == 0, restored.stdout + restored.stderr
    assert "secret is not that" not in restored.stdout
    assert stat.S_IMODE((tmp_path / "elsewhere").stat().st_mode) == 0o700
    with serving(elsewhere, tmp_path / "log") as process:
        # The password and the website came with the accounts. What was acknowledged later may be there or not.
        site.acknowledged, site.cut = before, site.sent - before
        site.judge(process)
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_nothing_is_overwritten_and_force_moves_aside(tmp_path: Path) -> None:
    env = environment(tmp_path / "data")
    with stored(env, tmp_path / "log", "old") as (process, website_id):
        # It dies before it has put its log into the file: the backup of what it leaves is whole.
        process.kill()
    journal_alone(tmp_path / "data" / "journal" / "journal-1.sqlite", "old", "in the journal")
    done = dashi("backup", str(tmp_path / "backup"), env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    with serving(env, tmp_path / "log") as process:
        send(process, website_id, "new")
        running = dashi("restore", str(tmp_path / "backup"), "--force", env=env)
        assert running.returncode == 1
        assert f"is held by process {process.popen.pid}: stop the server first" in running.stdout
    before = contents(tmp_path / "data")
    refused = dashi("restore", str(tmp_path / "backup"), env=env)
    assert refused.returncode == 1
    assert "accounts.sqlite" in refused.stdout
    assert "--force" in refused.stdout
    assert contents(tmp_path / "data") == before
    with pytest.raises(Conflict, match="is there already: a backup is a new directory"):
        backup(settings_of(env), tmp_path / "backup", quietly)
    forced = dashi("restore", str(tmp_path / "backup"), "--force", env=env)
    assert forced.returncode == 0, forced.stdout
    aside = {
        name.partition(".before-restore-")[0]: file
        for name, file in contents(tmp_path / "data").items()
        if ".before-restore-" in name
    }
    assert aside == {name: file for name, file in before.items() if not name.endswith(".lock")}
    with serving(env, tmp_path / "log") as process:
        assert counted(process, website_id) == {"old": 1, "in the journal": 1}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of a store without events."""
    directory = tmp_path_factory.mktemp("made")
    settings = settings_of(environment(directory / "data"))
    runtime, _ = open_runtime(settings)
    runtime.close()
    backup(settings, directory / "backup", quietly)
    return directory / "backup"


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        (
            "events.duckdb",
            lambda old: old[:-1] + bytes([old[-1] ^ 1]),
            "events.duckdb is not what was written",
        ),
        ("accounts.sqlite", lambda old: old[:4096], "accounts.sqlite is not what was written"),
        ("accounts.sqlite", lambda old: None, "accounts.sqlite is missing"),
        ("manifest.json", lambda old: None, "is no backup: it has no manifest.json"),
        ("manifest.json", lambda old: b"{", "is damaged: it is no JSON"),
        (
            "manifest.json",
            lambda old: old.replace(b'"format": 1', b'"format": 2'),
            "another version of Dashi",
        ),
        ("manifest.json", lambda old: old.replace(b"events_0", b"events_9"), "whose events are events_9"),
        (
            "manifest.json",
            lambda old: old.replace(b"accounts.sqlite", b"../outside"),
            "does not hold accounts",
        ),
        ("manifest.json", lambda old: old.replace(b"events.duckdb", b"../outside"), "does not hold events"),
        (
            "manifest.json",
            lambda old: old.replace(b'"files": {', b'"files": {"../x": {"bytes": 1, "sha256": ""},'),
            "../x is no file",
        ),
    ],
)
def test_a_damaged_or_newer_backup_is_refused_and_nothing_done(
    tmp_path: Path, made: Path, file: str, change: Callable[[bytes], bytes | None], said: str
) -> None:
    copy = shutil.copytree(made, tmp_path / "backup")
    changed = change((copy / file).read_bytes())
    if changed is None:
        (copy / file).unlink()
    else:
        (copy / file).write_bytes(changed)
    with pytest.raises(Invalid, match=re.escape(said)):
        restore(settings_of(environment(tmp_path / "data")), copy, True, quietly)
    assert not (tmp_path / "data").exists()


def test_another_secret_is_told_of(tmp_path: Path, made: Path) -> None:
    done = dashi("restore", str(made), env=environment(tmp_path / "data", APP_SECRET="another"))
    assert done.returncode == 0
    assert "The secret is not that of the backup" in done.stdout
    # Nor is one that the first start would make.
    without = settings_of({**environment(tmp_path / "without"), "APP_SECRET": ""})
    assert not restore(without, made, False, quietly).same_secret
    assert not (tmp_path / "without" / "secret").exists()


def test_on_postgresql_the_rest_is_left_to_pg_dump(postgres: Callable[[], str], tmp_path: Path) -> None:
    url = postgres()
    env = environment(tmp_path / "data", EVENTS_URL=url)
    with stored(env, tmp_path / "log", "a", "b") as (process, website_id):
        assert counted(process, website_id) == {"a": 1, "b": 1}
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("ALTER TABLE event RENAME TO away")
            send(process, website_id, "c")  # acknowledged, and not in the store
            done = dashi("backup", str(tmp_path / "backup"), env=env)
            with pytest.raises(Unavailable, match=r"A server holds .*journal-1\.lock: stop it first"):
                restore(settings_of(env), tmp_path / "backup", True, quietly)
            process.kill()
            connection.execute("ALTER TABLE away RENAME TO event")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "APP_SECRET comes from the environment" in done.stdout
    assert "The events are in PostgreSQL and not in it: run pg_dump now" in done.stdout
    files = set(contents(tmp_path / "backup"))
    assert files == {"accounts.sqlite", "journal/journal-1.sqlite", "manifest.json"}
    with pytest.raises(Invalid, match=r"does not hold events.duckdb, and by EVENTS_URL this server uses it"):
        restore(settings_of(environment(tmp_path / "elsewhere")), tmp_path / "backup", False, quietly)
    assert not (tmp_path / "elsewhere").exists()
    # As pg_dump and pg_restore would do it: a copy of the database, made after the backup.
    copy = postgres()
    name, source = copy.partition("?")[0].rpartition("/")[2], url.partition("?")[0].rpartition("/")[2]
    with psycopg.connect(postgres(), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}"')
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{source}"')
    elsewhere = environment(tmp_path / "elsewhere", EVENTS_URL=copy)
    restore(settings_of(elsewhere), tmp_path / "backup", False, quietly)
    with serving(elsewhere, tmp_path / "log") as process:
        assert counted(process, website_id) == {"a": 1, "b": 1, "c": 1}


def test_what_is_in_clickhouse_is_left_to_it(tmp_path: Path) -> None:
    elsewhere = f"127.0.0.1:{free_port()}/x"
    env = environment(
        tmp_path / "data", EVENTS_URL=f"clickhousedb://{elsewhere}", DATABASE_URL=f"postgresql://{elsewhere}"
    )
    done = dashi("backup", str(tmp_path / "backup"), env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The accounts are in PostgreSQL and not in it: run pg_dump now" in done.stdout
    assert "The events are in ClickHouse and not in it: run its BACKUP DATABASE now" in done.stdout


def test_a_backup_to_where_nothing_can_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no directory")
    env = environment(tmp_path / "data")
    told = dashi("backup", str(tmp_path / "file" / "backup"), env=env)
    assert told.returncode == 1
    assert "The backup could not be written: " in told.stdout
    assert "Traceback" not in told.stdout + told.stderr


def test_the_socket_is_its_users_alone_and_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    # Longer than the path of a socket may be.
    data_dir = tmp_path / ("d" * 120)
    with serving(environment(data_dir), tmp_path / "log"):
        assert stat.S_IMODE((data_dir / "control.sock").stat().st_mode) == 0o600
        assert control.listens(data_dir)
        for asked in ({}, {"copyEventsTo": str(data_dir / "events.duckdb")}):
            with pytest.raises(Unavailable, match=r"must be copyEventsTo|is there already"):
                control.ask(data_dir, asked, lambda: None)
    assert not (data_dir / "control.sock").exists()
    assert not control.ask(data_dir, {"copyEventsTo": str(tmp_path / "x")}, lambda: None)
