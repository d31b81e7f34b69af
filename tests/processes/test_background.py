"""Work in the background is done by one process at a time, and by another once that one is gone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
import sqlalchemy as sa

from app import auth, erasure, migrations, postgresql_store, removals
from app.context import SYSTEM, Runtime
from app.engines import accounts_engine, accounts_sessions, events_engine
from app.erasure import Target
from app.errors import Unavailable
from app.models import User
from app.security import Keys
from app.services import open_runtime
from app.settings import Settings
from app.stores import event_store
from tests.process import environment, serving
from tests.processes.conftest import Node, Two, within
from tests.server import SECRET

# Locks of `app.db`, by the low half of their number.
WRITING, REMOVING = 7_244_311, 7_244_313
PROGRESS = "SELECT removed, rows, finished_at FROM removal WHERE website_id = %s"


@contextmanager
def third(settings: Settings) -> Iterator[Runtime]:
    """The inside of another process, which does what it is told and nothing of itself."""
    runtime, _ = open_runtime(settings)
    try:
        yield runtime
    finally:
        runtime.close()


def holders(connection: psycopg.Connection[Any], lock: int) -> list[str]:
    """The names of the processes that hold a lock."""
    rows = connection.execute(
        "SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid)"
        " WHERE locktype = 'advisory' AND objid = %s AND granted",
        [lock],
    )
    return [name for (name,) in rows]


def test_what_a_killed_process_was_removing_another_removes(
    postgres: Callable[[], str], tmp_path: Path
) -> None:
    url = postgres()
    with (
        serving(environment(tmp_path / "a", url, PGAPPNAME="a"), tmp_path / "a.log") as process,
        psycopg.connect(url, autocommit=True) as connection,
        third(Two(None, None, url).settings(tmp_path / "b")) as runtime,
    ):
        node = Node(process.url, Settings(data_dir=tmp_path), None)
        website = node.create_website()
        assert "sessionId" in node.send(website).json()
        assert node.pageviews(website) == 1
        # The same page view, as often as it takes for several transactions.
        columns = "website_id, session_id, visit_id, event_id, created_at"
        connection.execute(
            f"INSERT INTO event ({columns}, event_type, url_path, stored_in) SELECT website_id, session_id, visit_id,"
            " gen_random_uuid(), created_at - number * interval '1 s', event_type, url_path, stored_in"
            " FROM event, generate_series(1, 85000) AS number"
        )
        connection.execute(
            "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS"
            " 'BEGIN PERFORM pg_sleep(0.5); RETURN NULL; END'"
        )
        connection.execute(
            "CREATE TRIGGER slow BEFORE DELETE ON event FOR EACH STATEMENT EXECUTE FUNCTION slow()"
        )
        assert node.client.post(f"/api/websites/{website}/reset", headers=node.admin).json() == {"ok": True}
        within(60, lambda: removed(connection, website) > 0, "nothing is removed")
        # Nobody writes from here on, so that it is killed before the end.
        connection.execute("SELECT pg_advisory_lock(%s)", [WRITING])
        assert holders(connection, REMOVING) == ["a"]
        assert not removals.work_off(runtime)
        process.kill()
        within(30, lambda: holders(connection, REMOVING) == [], "a process that is gone keeps its lock")
        done, rows, finished = progress(connection, website)
        assert (0 < done < rows, finished) == (True, None)
        connection.execute("DROP TRIGGER slow ON event")
        connection.execute("SELECT pg_advisory_unlock(%s)", [WRITING])
        assert removals.work_off(runtime)
        done, rows, finished = progress(connection, website)
        assert finished is not None
        assert done == rows
        assert erasure.count(runtime.events, Target(UUID(website))) == 0
        node.client.close()


def progress(connection: psycopg.Connection[Any], website_id: str) -> tuple[int, int, Any]:
    [found] = connection.execute(PROGRESS, [website_id]).fetchall()
    return found


def removed(connection: psycopg.Connection[Any], website_id: str) -> int:
    return progress(connection, website_id)[0]


def test_whoever_waits_for_its_turn_takes_it_by_itself(two: Two, tmp_path: Path) -> None:
    """Nobody tells it: it looks now and then."""
    website = str(uuid4())
    with two.connect() as connection, third(two.settings(tmp_path)) as runtime:
        # Another process is at it.
        connection.execute("SELECT pg_advisory_lock(%s)", [REMOVING])
        connection.execute(
            "INSERT INTO removal (removal_id, website_id, reason, upto, removed, requested_at)"
            " VALUES (gen_random_uuid(), %s, 'reset', 1, 0, now() AT TIME ZONE 'UTC')",
            [website],
        )
        removing = removals.Removing(runtime, every=0.1)
        time.sleep(0.5)
        assert progress(connection, website)[2] is None
        connection.execute("SELECT pg_advisory_unlock(%s)", [REMOVING])
        within(20, lambda: progress(connection, website)[2] is not None, "it is left undone")
        removing.close()


def test_what_came_late_for_a_deleted_website_goes(two: Two, tmp_path: Path) -> None:
    """Of the journal of a machine that was away when it was deleted."""
    website, other = two.a.create_website(), two.a.create_website()
    assert "sessionId" in two.a.send(other).json()
    assert two.a.pageviews(other) == 1
    assert two.a.client.delete(f"/api/websites/{website}", headers=two.a.admin).status_code == 200
    with two.connect() as connection, third(two.settings(tmp_path)) as runtime:
        connection.execute(
            "UPDATE removal SET requested_at = requested_at - interval '60 days' WHERE website_id = %s",
            [website],
        )
        columns = "session_id, visit_id, event_id, created_at, event_type, url_path, stored_in"
        connection.execute(
            f"INSERT INTO event (website_id, {columns}) SELECT %s, {columns} FROM event WHERE website_id = %s",
            [website, other],
        )

        def work(keep: bool) -> int:
            within(30, lambda: removals.work_off(runtime, keep=keep), "another one is at it all the time")
            return erasure.count(runtime.events, Target(UUID(website)))

        assert work(keep=False) == 1  # so long ago it is not looked for each time
        assert work(keep=True) == 0
        assert erasure.count(runtime.events, Target(UUID(other))) == 2


def test_a_process_that_stops_in_its_turn_keeps_others_waiting_no_longer(
    make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its machine hangs or is cut off: what it was writing is not there, and it is told so."""
    monkeypatch.setattr(postgresql_store, "_LONGEST_SILENCE_MS", 300)
    settings = make_settings("postgresql")
    one, other = (event_store(settings) for _ in range(2))
    migrations.upgrade(one.engine, "events")
    inside, took_its_turn = threading.Event(), threading.Event()

    def hang() -> None:
        with one.writing() as connection:
            connection.execute(sa.text("CREATE TABLE half (x int)"))
            inside.set()
            assert took_its_turn.wait(20)
            connection.execute(sa.text("SELECT 1"))

    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(hang)
        assert inside.wait(20)
        with other.writing() as connection:
            assert not sa.inspect(connection).has_table("half")
        took_its_turn.set()
        with pytest.raises(Unavailable):
            hanging.result()
    with one.writing() as connection:  # by a connection that is made anew
        assert connection.scalar(sa.text("SELECT 1")) == 1
    for store in (one, other):
        store.close()


def test_postgresql_soon_misses_a_machine_that_is_gone(make_settings: Callable[..., Settings]) -> None:
    """What is set is looked at: no cable can be pulled here. Over a socket of one machine the values have no meaning."""
    settings = make_settings("postgresql")
    for engine in (accounts_engine(settings), events_engine(settings)):
        with engine.connect() as connection:
            found = connection.execute(
                sa.text(
                    "SELECT name FROM pg_settings WHERE name LIKE 'tcp_%' AND source = 'session' ORDER BY name"
                )
            )
            assert list(found.scalars()) == [
                "tcp_keepalives_count",
                "tcp_keepalives_idle",
                "tcp_keepalives_interval",
                "tcp_user_timeout",
            ]
        engine.dispose()


def test_of_two_that_begin_together_one_makes_the_schema_and_the_admin(
    two: Two, make_settings: Callable[..., Settings]
) -> None:
    """Both of `two` are up; here they look whether there is an admin before either has made it."""
    with two.connect() as connection:
        assert connection.execute("SELECT count(*) FROM user_account WHERE role = 'admin'").fetchall() == [
            (1,)
        ]
        versions = connection.execute("SELECT count(*) FROM alembic_version_accounts").fetchall()
        assert versions == [(1,)]
    settings = make_settings("postgresql", admin_password=None)
    engine = accounts_engine(settings)
    migrations.upgrade(engine, "accounts")
    one, other = (
        Runtime(settings, Keys(SECRET), accounts_sessions(engine), event_store(settings)) for _ in range(2)
    )
    with ThreadPoolExecutor(1) as pool:
        with one.operation(SYSTEM) as ctx:
            password = auth.ensure_admin(ctx)
            ctx.db.flush()
            second = pool.submit(other.call, SYSTEM, auth.ensure_admin)
            with engine.connect() as connection:
                waiting = sa.text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
                within(20, lambda: connection.scalar(waiting) == 1, "it does not wait for the first")
        assert second.result() is None
    with one.operation(SYSTEM) as ctx:
        [admin] = ctx.db.scalars(sa.select(User))
        assert auth.verify_password(password or "", admin.password)
    for runtime in (one, other):
        runtime.close()
