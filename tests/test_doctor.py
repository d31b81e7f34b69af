"""`dashi doctor`: each finding, on a deployment that has it."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from app import migrations
from app.backup import versions
from app.doctor import Finding, examine, machine
from app.doctor.server import Running, lag, proxies, server
from app.engines import events_engine
from app.migrations import newest
from app.security import random_password
from app.services import open_runtime
from app.settings import Settings
from tests.populate import CHROME
from tests.process import environment, serving
from tests.server import PASSWORD, free_port
from tests.test_backup import contents, create_website, send, settings_of
from tests.test_cli import dashi

STRONG = "0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of an instance that was served once, the secret among them."""
    data_dir = tmp_path_factory.mktemp("kept") / "data"
    runtime, _ = open_runtime(Settings(data_dir=data_dir, admin_password=PASSWORD))  # type: ignore[arg-type]
    runtime.close()
    return data_dir


@pytest.fixture
def data_dir(kept: Path, tmp_path: Path) -> Path:
    return shutil.copytree(kept, tmp_path / "data")


@pytest.fixture
def look(data_dir: Path) -> Callable[..., tuple[str, str]]:
    """`look(name, setting=…)`: (level, text and advice) of the finding of this name."""

    def look_for(name: str, **changes: Any) -> tuple[str, str]:
        settings = Settings(**{"data_dir": data_dir, "port": free_port(), **changes})
        # In order, up to the one that is asked for: hashing passwords takes its time.
        return said(next(finding for finding in examine(settings) if finding.name == name))

    return look_for


def said(finding: Finding) -> tuple[str, str]:
    return finding.level.value, f"{finding.text} {finding.advice}".strip()


def test_all_is_well_with_what_nobody_has_touched(data_dir: Path) -> None:
    before = contents(data_dir)
    found = list(examine(Settings(data_dir=data_dir, port=free_port())))
    assert contents(data_dir) == before
    assert [said(finding) for finding in found if finding.level != "ok"] == []
    assert ", ".join(finding.name for finding in found) == (
        "versions, server, secret, data directory, disk, memory, workers, clock, places, accounts, events, journal, passwords"
    )
    assert found[0].text == ", ".join(f"{name} {number}" for name, number in versions().items())


def test_nothing_at_all_is_well_too_and_nothing_is_made(tmp_path: Path) -> None:
    found = list(examine(Settings(data_dir=tmp_path / "none", port=free_port())))
    assert {finding.level.value for finding in found} == {"ok"}
    assert list(tmp_path.iterdir()) == []


def test_a_running_server_is_asked_and_what_it_says_is_told(tmp_path: Path) -> None:
    env = environment(tmp_path / "data", APP_SECRET=STRONG, METRICS_TOKEN="let me see")
    with serving(env, tmp_path / "log") as process:
        website = create_website(process)
        payload = {"website": website, "url": "/"}
        for _ in range(3):
            httpx.post(
                f"{process.url}/api/send",
                json={"type": "event", "payload": payload},
                headers={"user-agent": CHROME, "x-forwarded-for": "203.0.113.9"},
            )
        told = dashi("doctor", "--json", env=env)
        summary = json.loads(told.stdout)
        found = {finding["name"]: finding["text"] for finding in summary["findings"]}
        levels = {finding["name"]: finding["level"] for finding in summary["findings"]}
        assert {name: level for name, level in levels.items() if level != "ok"} == {"passwords": "warning"}
        assert (told.returncode, summary["problems"], summary["warnings"]) == (0, 0, 1)
        assert "that of ADMIN_PASSWORD" in found["passwords"]
        assert found["server"] == f"The one at {process.url} is ready."
        assert found["proxy headers"] == "Hits come through a proxy: x-forwarded-for with 3."
        assert f"is held by process {process.popen.pid}, with the schema of this" in found["events"]
        assert "batches wait to be counted" in found["lag"]
        assert "203.0.113.9" not in told.stdout
        assert "dashi.control" not in process.log.read_text()  # to look whether it listens is no trouble
        # For people; a problem ends it with 1.
        told = dashi("doctor", env={**env, "CLIENT_IP_HEADER": "X-Visitor", "METRICS_TOKEN": "let me see"})
        assert told.returncode == 1
        lines = told.stdout.splitlines()
        assert lines[-1] == "1 problems, 1 warnings."
        [at] = [number for number, line in enumerate(lines) if line.startswith("problem")]
        assert (
            "CLIENT_IP_HEADER is X-Visitor, which came with no hit; what came: x-forwarded-for with 3."
            in lines[at]
        )
        assert lines[at + 1].strip().startswith("→ Set it to the header that your proxy sends")
        # Without the token, and at another port.
        settings = settings_of({**env, "METRICS_TOKEN": ""})
        refused = next(finding for finding in examine(settings) if finding.name == "metrics")
        assert said(refused)[0] == "warning"
        assert "401 Send METRICS_TOKEN" in refused.text
        elsewhere = settings_of({**env, "PORT": str(free_port())})
        unheard = next(finding for finding in examine(elsewhere) if finding.name == "server")
        assert said(unheard)[0] == "warning"
        assert f"Process {process.popen.pid} holds the files, and no server answers at" in unheard.text


def test_settings_that_cannot_be_read_are_a_finding(tmp_path: Path) -> None:
    told = dashi("doctor", "--json", env=environment(tmp_path / "data", PORT="seventy"))
    assert told.returncode == 1
    [found] = json.loads(told.stdout)["findings"]
    assert (found["name"], found["level"]) == ("settings", "problem")
    assert found["text"].startswith("PORT: ")


@pytest.mark.parametrize(
    ("given", "level", "words"),
    [
        (STRONG, "ok", "comes from APP_SECRET"),
        ("test-secret-123", "problem", "it has 15 characters, 9 of them different"),
        ("abababababababababababababab", "problem", "2 of them different"),
        ("replace-me-with-a-random-string", "problem", "that of an example"),
    ],
)
def test_secret_of_the_environment(
    look: Callable[..., tuple[str, str]], given: str, level: str, words: str
) -> None:
    found, text = look("secret", app_secret=given)
    assert (found, words in text) == (level, True), text
    assert given not in text


def test_secret_of_a_file(look: Callable[..., tuple[str, str]], data_dir: Path) -> None:
    assert look("secret") == ("ok", f"It comes from {data_dir / 'secret'} and is long enough.")
    (data_dir / "secret").chmod(0o640)
    level, text = look("secret")
    assert (level, f"chmod 600 {data_dir / 'secret'}" in text) == ("problem", True)
    (data_dir / "secret").chmod(0o600)
    (data_dir / "secret").write_text("\n")
    level, text = look("secret")
    assert (level, "is empty" in text) == ("problem", True)


@pytest.mark.parametrize(
    ("password", "given", "level", "words"),
    [
        (
            "umami",
            "",
            "problem",
            "The admin admin has a password that anybody would try. dashi user password admin",
        ),
        ("admin", "", "problem", "anybody would try"),
        ("of the environment", "of the environment", "warning", "still has the first password"),
        ("of its own", "of the environment", "ok", "No admin has one"),
    ],
)
def test_passwords(tmp_path: Path, password: str, given: str, level: str, words: str) -> None:
    data_dir = tmp_path / "data"
    runtime, _ = open_runtime(Settings(data_dir=data_dir, admin_password=password))  # type: ignore[arg-type]
    runtime.close()
    settings = Settings(data_dir=data_dir, admin_password=given or random_password(), port=free_port())  # type: ignore[arg-type]
    [found] = [finding for finding in examine(settings) if finding.name == "passwords"]
    assert (said(found)[0], words in said(found)[1]) == (level, True)


def test_files_that_others_may_read(look: Callable[..., tuple[str, str]], data_dir: Path) -> None:
    assert data_dir.stat().st_mode & 0o777 == 0o700  # as the server makes it
    data_dir.chmod(0o755)
    (data_dir / "events.duckdb").chmod(0o600)
    (data_dir / "accounts.sqlite").chmod(0o644)
    assert look("data directory") == (
        "problem",
        f"Every user of this machine may read {data_dir / 'accounts.sqlite'}. chmod 700 {data_dir}",
    )
    (data_dir / "accounts.sqlite").chmod(0o640)
    assert look("data directory")[0] == "ok"


def test_room_on_disk(look: Callable[..., tuple[str, str]], monkeypatch: pytest.MonkeyPatch) -> None:
    level, text = look("disk", journal_max_bytes=1 << 60)
    assert (level, "less than the 1048576.0 TiB that the journal may hold" in text) == ("warning", True)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1 << 30, 1 << 30, 255 << 20))  # type: ignore[attr-defined]
    level, text = look("disk")
    assert (level, text.startswith("255.0 MiB are free")) == ("problem", True)


@pytest.mark.parametrize(
    ("there", "limit", "level", "words"),
    [
        (8 << 30, "", "ok", "8.0 GiB, of which DuckDB takes at most 384MiB"),
        (8 << 30, "1GB", "ok", "of which DuckDB takes 1GB"),
        (8 << 30, "7GiB", "problem", "DuckDB may take 7.0 GiB of 8.0 GiB"),
        (8 << 30, "80%", "problem", "DuckDB may take 6.4 GiB"),
        (8 << 30, "much", "problem", "'much', which is no amount"),
        (256 << 20, "", "warning", "There are 256.0 MiB"),
    ],
)
def test_memory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, there: int, limit: str, level: str, words: str
) -> None:
    monkeypatch.setattr(machine, "machine_limits", lambda: (there, 2))
    found = machine.memory(Settings(data_dir=tmp_path, duckdb_memory_limit=limit))
    assert (said(found)[0], words in said(found)[1]) == (level, True), said(found)


def test_workers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine, "machine_limits", lambda: (8 << 30, 2))
    level, text = said(machine.workers(Settings(data_dir=tmp_path, workers=2)))
    assert (level, "DuckDB belongs to one process" in text) == ("problem", True)
    shared = Settings(data_dir=tmp_path, workers=4, database_url="postgresql://127.0.0.1/x")
    assert said(machine.workers(shared)) == ("ok", "4 on 2 processors.")
    level, text = said(machine.workers(shared.model_copy(update={"workers": 5})))
    assert (level, "Set WORKERS to 2" in text) == ("warning", True)


def test_clock(look: Callable[..., tuple[str, str]], data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    later = time.time() + 100
    os.utime(data_dir / "secret", (later, later))
    level, text = look("clock")
    assert (level, f"{data_dir / 'secret'} was written 100 s later" in text) == ("problem", True), text
    monkeypatch.setattr(time, "time", lambda: 0.0)
    level, text = look("clock")
    assert (level, "It says 1970-01-01 00:00:00 UTC, and this version was made later" in text) == (
        "problem",
        True,
    )


def test_places(
    look: Callable[..., tuple[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "city.mmdb"
    level, text = look("places", geolite_db_path=file)
    assert (level, f"There is no file at {file}" in text) == ("problem", True)
    file.write_bytes(b"no such file")
    level, text = look("places", geolite_db_path=file)
    assert (level, "cannot be read (InvalidDatabaseError)" in text) == ("problem", True)
    writer = MMDBWriter(4, "GeoLite2-City")
    writer.insert_network(IPSet(["8.8.8.0/24"]), {"country": {"iso_code": "US"}})
    writer.to_db_file(str(file))
    level, text = look("places", geolite_db_path=file)
    assert (level, text) == (
        "ok",
        f"{file} (GeoLite2-City) is of {time.strftime('%Y-%m-%d', time.gmtime())}.",
    )
    # The same file looks old a year and a day later.
    with monkeypatch.context() as patched:
        patched.setattr(machine, "_OLD_PLACES", -machine._OLD_PLACES)
        level, text = look("places", geolite_db_path=file)
    assert (level, "Download a newer one" in text) == ("warning", True)


def test_schemas(look: Callable[..., tuple[str, str]], data_dir: Path) -> None:
    assert look("accounts") == ("ok", f"{data_dir / 'accounts.sqlite'}, with the schema of this version.")
    assert look("events") == ("ok", f"{data_dir / 'events.duckdb'}, with the schema of this version.")
    with closing(sqlite3.connect(data_dir / "accounts.sqlite")) as connection:
        for revision, level, words in (
            (
                "accounts_0001",
                "warning",
                f"its schema is accounts_0001, that of this version {newest('accounts')}",
            ),
            ("accounts_9999", "problem", "its schema is accounts_9999, of a newer Dashi"),
        ):
            connection.execute("UPDATE alembic_version_accounts SET version_num = ?", (revision,))
            connection.commit()
            found, text = look("accounts")
            assert (found, words in text) == (level, True), text
    (data_dir / "events.duckdb").write_bytes(b"no database")
    level, text = look("events")
    assert (level, f"{data_dir / 'events.duckdb'} cannot be read" in text) == ("problem", True)


def test_postgresql(request: pytest.FixtureRequest, look: Callable[..., tuple[str, str]]) -> None:
    url: str = request.getfixturevalue("postgres")()
    level, text = look("events", events_url=url)
    assert (level, text.startswith("PostgreSQL 18.")) == ("warning", True), text
    assert "its schema is not there" in text
    assert look("accounts")[0] == "ok"
    level, text = look("events", events_url=f"postgresql://nobody:hunter2@127.0.0.1:{free_port()}/x")
    assert (level, "PostgreSQL cannot be read (OperationalError)" in text) == ("problem", True)
    assert "Connection refused" in text
    assert "hunter2" not in text


def test_clickhouse(clickhouse: Callable[[], str], look: Callable[..., tuple[str, str]]) -> None:
    url = clickhouse()
    engine = events_engine(Settings(events_url=url))
    migrations.make_database(engine)
    level, text = look("events", events_url=url)
    assert (level, text.startswith("ClickHouse 26.")) == ("warning", True), text
    assert "its schema is not there" in text
    migrations.upgrade(engine, "events")
    engine.dispose()
    level, text = look("events", events_url=url)
    assert (level, "with the schema of this version" in text) == ("ok", True), text
    level, text = look("events", events_url=f"clickhousedb://nobody:hunter2@127.0.0.1:{free_port()}/x")
    assert (level, "ClickHouse cannot be read" in text) == ("problem", True), text
    assert "hunter2" not in text


@pytest.fixture
def journal(data_dir: Path) -> Iterator[sqlite3.Connection]:
    """A journal that no process holds, with a batch that the store has and two that it has not."""
    env = environment(data_dir, APP_SECRET="")
    with serving(env, data_dir.parent / "log") as process:
        send(process, create_website(process), "a")
    with closing(sqlite3.connect(data_dir / "journal" / "journal-1.sqlite")) as connection:
        last = 100
        connection.executemany("INSERT INTO batch VALUES (?, '', '', '', '')", [(last,), (last + 1,)])
        connection.commit()
        yield connection


def test_journals(look: Callable[..., tuple[str, str]], data_dir: Path, journal: sqlite3.Connection) -> None:
    level, text = look("journal")
    assert (level, "2 batches wait, which the next start counts" in text) == ("ok", True), text
    journal.execute("INSERT INTO rejected VALUES ('event', '{}', 'refused')")
    journal.execute("INSERT INTO batch VALUES (200, ?, '', '', '')", ("x" * (1 << 20),))
    journal.commit()
    level, text = look("rejected rows")
    assert (level, text.startswith("The store refused 1 rows")) == ("warning", True)
    assert look("journal", journal_max_bytes=1 << 20)[0] == "warning"
    (data_dir / "journal" / "journal-2.sqlite").write_bytes(b"no database" * 100)
    level, text = look("journal")
    assert (level, "journal-2.sqlite cannot be read (SQLITE_NOTADB)" in text) == ("problem", True)


def test_what_cannot_be_looked_at_is_a_finding(look: Callable[..., tuple[str, str]], data_dir: Path) -> None:
    (data_dir / "events.duckdb").unlink()
    (data_dir / "events.duckdb").mkdir()
    level, text = look("files")
    said_why = (
        f"It could not be looked at: {data_dir / 'events.duckdb'}: Is a directory. Run this as the user that"
    )
    assert (level, said_why in text) == ("problem", True), text
    # And the rest is looked at all the same.
    assert look("accounts")[0] == "ok"


def test_what_was_moved_aside(look: Callable[..., tuple[str, str]], data_dir: Path) -> None:
    (data_dir / "events.duckdb.wal.quarantined-1").write_bytes(b"x" * 1024)
    level, text = look("left over")
    assert (level, text.startswith("1 files take 1.0 KiB")) == ("warning", True)


def came(**headers: tuple[int, int]) -> Running:
    """A server to which hits came with these headers: (from trusted proxies, from others)."""
    samples = [
        ("dashi_forwarding_headers_total", {"header": name.replace("_", "-"), "peer": peer}, float(number))
        for name, numbers in headers.items()
        for peer, number in zip(("trusted", "other"), numbers, strict=True)
    ]
    return Running("http://x", True, "", samples=samples)


@pytest.mark.parametrize(
    ("running", "wanted", "level", "words"),
    [
        (came(none=(0, 0)), "", "ok", "No hit has come"),
        (came(none=(0, 5)), "", "ok", "5 hits came without any, from visitors themselves"),
        (came(none=(5, 0)), "", "warning", "all visitors look like one"),
        (came(none=(0, 0), x_real_ip=(5, 0)), "", "ok", "through a proxy: x-real-ip with 5"),
        (came(none=(1, 1), x_real_ip=(5, 0)), "", "warning", "and 2 without any: some get round the proxy"),
        (
            came(none=(0, 0), x_real_ip=(5, 1)),
            "",
            "warning",
            "came from addresses that TRUSTED_PROXIES does not name",
        ),
        (came(none=(0, 0), x_real_ip=(5, 0)), "X-Real-IP", "ok", "x-real-ip with 5"),
        (came(none=(5, 0)), "X-Real-IP", "problem", "CLIENT_IP_HEADER is X-Real-IP, which came with no hit."),
    ],
)
def test_proxy_headers(running: Running, wanted: str, level: str, words: str) -> None:
    found = proxies(Settings(client_ip_header=wanted), running)
    assert (said(found)[0], words in said(found)[1]) == (level, True), said(found)


def test_what_a_server_says_of_itself(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, database_url="postgresql://127.0.0.1/x")
    ill = Running(
        "http://x",
        False,
        "the event store refuses events",
        samples=[
            ("dashi_info", {"version": "0.0.9"}, 1.0),
            ("dashi_journal_lag_batches", {"worker": "1"}, 2.0),
            ("dashi_journal_lag_batches", {"worker": "2"}, 3.0),
            ("dashi_journal_lag_seconds", {"worker": "1"}, 31.0),
            ("dashi_journal_lag_seconds", {"worker": "2"}, 2.0),
        ],
    )
    assert {finding.name: finding.level.value for finding in server(settings, ill, None)} == {
        "server": "problem",
        "running version": "warning",
    }
    assert said(lag(ill)) == (
        "problem",
        "5 batches wait to be counted, the oldest for 31 s. The store is slow or refuses events: the server's log tells "
        "which.",
    )
    embedded = list(server(Settings(data_dir=tmp_path), Running("http://x", True, ""), None))
    [backups] = [finding for finding in embedded if finding.name == "backups"]
    assert (backups.level, "no backup can be made while it runs" in backups.text) == ("warning", True)
