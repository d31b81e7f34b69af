"""From the schema of every version to this one's: figures and accounts are the same, whatever interrupts it."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from app import migrations, models, tables
from app.backup import backup
from app.engines import accounts_engine, events_engine
from app.migrations import Chain, newest, revisions
from app.restore import restore
from app.settings import Settings
from tests.populate import VECTORS, A, B, C, happening, identification, populate, view
from tests.server import Server, running
from tests.test_backup import quietly

HITS = [
    *VECTORS,
    view(A, "2026-11-12 10:00:00", "/shop?utm_source=news", title="Shop"),
    happening(
        B, "2026-11-12 10:05:00", "/buy", "buy", data={"revenue": 12.5, "currency": "EUR", "plan": "pro"}
    ),
    identification(B, "2026-11-12 10:06:00", data={"name": "someone"}, id="someone"),
    view(C, "2026-11-13 23:59:00", "/late"),
]
EVENTS, ACCOUNTS = revisions("events"), revisions("accounts")
# What a website is asked, of all its data.
QUESTIONS: dict[str, tuple[str, dict[str, str]]] = {
    "totals": ("stats", {}),
    "days": ("pageviews", {"unit": "day", "timezone": "UTC"}),
    **{field: ("metrics", {"type": field}) for field in ("url", "event", "browser", "country")},
    "sessions": ("sessions", {}),
    "events": ("events", {}),
    "event data": ("event-data/events", {}),
    "session data": ("session-data/properties", {}),
}
Rows = dict[str, list[dict[str, Any]]]


@dataclass
class World:
    """What an instance of this version holds, and answers."""

    website: str
    events: Rows
    accounts: Rows
    figures: dict[str, Any]


def figures(server: Server, website: str) -> dict[str, Any]:
    period = {"startAt": 1_790_000_000_000, "endAt": 1_800_000_000_000}
    return {
        name: server.get(f"/api/websites/{website}/{path}", **more, **period)
        for name, (path, more) in QUESTIONS.items()
    }


@pytest.fixture(scope="module")
def world(store: str, make_settings: Callable[..., Settings]) -> World:
    if store == "clickhouse":
        pytest.skip("its schema has had one version")
    with running(make_settings(store)) as server:
        website = server.create_website()
        populate(server, website, HITS)
        person = {"username": "ada", "password": "ada's password", "role": "user"}
        assert server.client.post("/api/users", json=person, headers=server.admin).status_code == 200
        assert (
            server.client.post("/api/teams", json={"name": "Team"}, headers=server.admin).status_code == 200
        )
        shared = {"shareId": "sharedSlug12345"}
        assert (
            server.client.post(f"/api/websites/{website}", json=shared, headers=server.admin).status_code
            == 200
        )
        found = figures(server, website)
        assert found["totals"]["pageviews"]["value"] == 8, found
        bind: Any = server.runtime.accounts.kw["bind"]
        return World(
            website,
            rows_of(server.runtime.events.engine, tables.metadata),
            rows_of(bind, models.Base.metadata),
            found,
        )


def rows_of(engine: Engine, metadata: sa.MetaData) -> Rows:
    with engine.connect() as connection:
        return {
            table.name: sorted(
                (dict(row) for row in connection.execute(sa.select(table)).mappings()), key=repr
            )
            for table in metadata.sorted_tables
        }


@contextmanager
def opened(settings: Settings, chain: Chain) -> Iterator[Engine]:
    engine = accounts_engine(settings) if chain == "accounts" else events_engine(settings)
    try:
        yield engine
    finally:
        engine.dispose()


def columns_of(engine: Engine, table: str) -> set[str]:
    """'' for none: the table is not there yet."""
    with engine.connect() as connection:
        if not sa.inspect(connection).has_table(table):
            return set()
        return set(connection.execute(sa.text(f"SELECT * FROM {table} LIMIT 0")).keys())


def fill(engine: Engine, metadata: sa.MetaData, rows: Rows) -> None:
    """Insert rows into tables of an earlier schema, as far as it has them."""
    for table in metadata.sorted_tables:
        there = columns_of(engine, table.name)
        # Bare: the tables of this version fill in what the earlier ones have no place for.
        bare = sa.table(table.name, *(sa.column(c.name, c.type) for c in table.c if c.name in there))
        cut = [{name: value for name, value in row.items() if name in there} for row in rows[table.name]]
        if there and cut:
            with engine.begin() as connection:
                connection.execute(bare.insert(), cut)


def make(settings: Settings, world: World, accounts: str, events: str) -> None:
    """An instance as the version left it whose schemas these are, with the data of `world`."""
    settings.data_dir.mkdir(exist_ok=True)
    with opened(settings, "accounts") as engine:
        migrations.upgrade(engine, "accounts", accounts)
        fill(engine, models.Base.metadata, world.accounts)
    with opened(settings, "events") as engine:
        migrations.upgrade(engine, "events", events)
        if events < "events_0003":
            # New stores have had it from the first migration on since that came; those of its time had not.
            for name in ("event", "event_data", "session_data", "revenue", "applied_batch"):
                with engine.begin() as connection:
                    connection.exec_driver_sql(f"ALTER TABLE {name} DROP COLUMN stored_in")
        fill(engine, tables.metadata, world.events)


def assert_same(settings: Settings, world: World, since: str = "") -> None:
    """Serve it: that migrates. Rows of tables that are younger than accounts `since` were not there to be kept.

    What is remembered of logins is left out: looking is one.
    """
    with running(settings) as server:
        assert figures(server, world.website) == world.figures
        bind: Any = server.runtime.accounts.kw["bind"]
        found = rows_of(bind, models.Base.metadata)
    kept, expected = (
        {name: rows for name, rows in accounts.items() if rows and name != models.LoginTry.__tablename__}
        for accounts in (found, world.accounts)
    )
    assert kept == expected


@pytest.mark.parametrize("number", range(max(len(EVENTS), len(ACCOUNTS))))
def test_from_every_version(
    store: str,
    make_settings: Callable[..., Settings],
    world: World,
    number: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    accounts, events = ACCOUNTS[min(number, len(ACCOUNTS) - 1)], EVENTS[min(number, len(EVENTS) - 1)]
    settings = make_settings(store)
    make(settings, world, accounts, events)
    with caplog.at_level(logging.INFO, "dashi.migrations"):
        assert_same(settings, world)
    said = [record.getMessage().partition(", in ")[0] for record in caplog.records]
    expected = []
    chains: list[tuple[Chain, str]] = [("accounts", accounts), ("events", events)]
    for chain, found in chains:
        if later := [revision for revision in revisions(chain) if revision > found]:
            expected.append(f"the schema of {chain} is {found} and is brought to {newest(chain)}")
            expected += [f"{revision} is done" for revision in later]
    assert said == expected


class Failing(Exception):
    """What is raised instead of a statement."""


@contextmanager
def failing_at(engine: Engine, number: int) -> Iterator[list[str]]:
    """Raise instead of the statement of this number; gives those that were begun."""
    begun: list[str] = []

    def count(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        begun.append(statement)
        if len(begun) == number:
            raise Failing

    sa.event.listen(engine, "before_cursor_execute", count)
    try:
        yield begun
    finally:
        sa.event.remove(engine, "before_cursor_execute", count)


def state(engine: Engine, chain: Chain) -> tuple[str | None, dict[str, set[str]]]:
    metadata = tables.metadata if chain == "events" else models.Base.metadata
    with engine.connect() as connection:
        found = migrations.version(connection, chain)
    return found, {table.name: columns_of(engine, table.name) for table in metadata.sorted_tables}


@pytest.mark.parametrize("chain", ["accounts", "events"])
def test_a_failure_at_any_statement_of_any_migration_leaves_the_one_before(
    store: str, make_settings: Callable[..., Settings], world: World, chain: Chain
) -> None:
    settings = make_settings(store)
    make(settings, world, ACCOUNTS[0], EVENTS[0])
    with opened(settings, chain) as engine:
        for revision in revisions(chain)[1:]:
            before = state(engine, chain)
            number, failed = 0, True
            while failed:
                number += 1
                with failing_at(engine, number) as begun:
                    try:
                        migrations.upgrade(engine, chain, revision)
                        failed = False
                    except Failing:
                        assert len(begun) >= number  # a table that was copied is tidied away
                if failed:
                    assert state(engine, chain) == before, begun[-1]
            assert number > 3
            assert state(engine, chain)[0] == revision
    assert_same(settings, world)


_KILLED = """
import os, signal, sys
import sqlalchemy as sa
from app import migrations
from app.engines import accounts_engine, events_engine
from app.settings import Settings
chain, words = sys.argv[1:]
engine = accounts_engine(Settings()) if chain == "accounts" else events_engine(Settings())
@sa.event.listens_for(engine, "after_cursor_execute")
def end(connection, cursor, statement, *_):
    if words in statement:
        os.kill(os.getpid(), signal.SIGKILL)
migrations.upgrade(engine, chain)
"""


def test_a_process_killed_within_a_migration_leaves_it_to_the_next(
    store: str, make_settings: Callable[..., Settings], world: World
) -> None:
    settings = make_settings(store)
    make(settings, world, "accounts_0001", "events_0002")
    env = {
        "DATA_DIR": str(settings.data_dir),
        "DATABASE_URL": settings.database_url,
        "DUCKDB_MEMORY_LIMIT": "1GB",
        "PATH": "",
    }
    chains: list[tuple[Chain, str, str]] = [
        # Half of its tables are made, and rows are folded but their mark is not made.
        ("accounts", "CREATE TABLE segment", "accounts_0001"),
        ("events", "INSERT INTO visit_part", "events_0003"),
    ]
    for chain, words, left in chains:
        command = [sys.executable, "-c", _KILLED, chain, words]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == -9, done.stderr
        with opened(settings, chain) as engine, engine.connect() as connection:
            assert migrations.version(connection, chain) == left
    assert_same(settings, world)


def test_a_backup_of_an_earlier_version_is_restored_and_brought_up_to_date(
    make_settings: Callable[..., Settings],
    tmp_path: Path,
    request: pytest.FixtureRequest,
    store: str,
    world: World,
) -> None:
    if store != "duckdb":
        pytest.skip("PostgreSQL is backed up by its own means")
    old, new = make_settings("duckdb"), make_settings("duckdb")
    make(old, world, "accounts_0002", "events_0003")
    manifest = backup(old, tmp_path / "backup", quietly)
    assert (manifest.accounts, manifest.events) == ("accounts_0002", "events_0003")
    restored = restore(new, tmp_path / "backup", False, quietly)
    assert (restored.aside, restored.same_secret) == ([], True)
    assert_same(new, world)


def test_a_migration_that_takes_long_is_told_of(
    make_settings: Callable[..., Settings],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(migrations, "_EVERY", 0.001)
    with (
        opened(make_settings("duckdb"), "events") as engine,
        caplog.at_level(logging.INFO, "dashi.migrations"),
    ):
        migrations.upgrade(engine, "events", "events_0003")
        assert caplog.records == []  # a new store is nothing to wait for
        migrations.upgrade(engine, "events")
    assert "events_0004 is under way, for 0 s by now" in {record.getMessage() for record in caplog.records}
