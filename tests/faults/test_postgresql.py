"""PostgreSQL goes away and comes back, cuts connections, or is slow: what was acknowledged is counted once."""

from __future__ import annotations

import os
import time
from pathlib import Path

import httpx
import psycopg
import pytest

from graphql_schema.media import GRAPHQL_JSON
from tests.faults.conftest import OwnPostgres
from tests.faults.load import Site, readiness, told_plainly, until, wait_until_ready
from tests.keys import CREATE
from tests.populate import CHROME
from tests.process import Process, environment, serving

# A minute, by `make faults`: as long as websites are remembered, so that asking again is part of it.
OUTAGE = float(os.environ.get("FAULT_OUTAGE_SECONDS", "8"))
DOWN = "The event store does not answer"
QUESTION = {"query": "{ version }"}


def make_key(process: Process) -> str:
    answer = httpx.post(
        f"{process.url}/graphql",
        json={"query": CREATE, "variables": {"input": {"name": "a program's", "scopes": ["READ"]}}},
        headers={"authorization": f"Bearer {process.token()}"},
        timeout=30,
    )
    secret: str = answer.json()["data"]["createApiKey"]["secret"]
    return secret


@pytest.mark.timeout(180 + 3 * OUTAGE)
@pytest.mark.parametrize("mode", ["immediate", "fast"])
def test_events_wait_while_postgresql_is_stopped(
    own_postgres: OwnPostgres, tmp_path: Path, mode: str
) -> None:
    """Accounts are files here: everything is taken, and counted when PostgreSQL is back."""
    env = environment(tmp_path / "data", EVENTS_URL=own_postgres.url)
    with serving(env, tmp_path / "log") as process:
        site = Site(process)
        headers = {"authorization": f"Bearer {process.token()}"}
        with site.load(process, "a", pause=0.02) as load:
            load.wait_for(100)
            own_postgres.stop("immediate" if mode == "immediate" else "fast")
            stopped = time.monotonic()
            until(lambda: readiness(process) == (503, DOWN))
            load.wait_for(100)
            asked = httpx.get(
                f"{process.url}/api/websites/{site.id}/stats?startAt=0&endAt=1", headers=headers, timeout=30
            )
            assert (asked.status_code, asked.json(), asked.headers["retry-after"]) == (
                503,
                {"error": DOWN},
                "5",
            )
            time.sleep(max(0.0, OUTAGE - (time.monotonic() - stopped)))
            assert httpx.get(f"{process.url}/healthz").status_code == 200
            own_postgres.start()
            wait_until_ready(process)
            load.wait_for(50)
        assert load.refused == []
        assert load.cut == set()
        site.note(load)
        site.judge(process)
        told_plainly(process)


@pytest.mark.timeout(180 + 3 * OUTAGE)
def test_with_the_accounts_in_it_too_only_unknown_websites_are_refused(
    own_postgres: OwnPostgres, tmp_path: Path
) -> None:
    with serving(environment(tmp_path / "data", own_postgres.url), tmp_path / "log") as process:
        site, unseen = Site(process), Site(process)
        # A key is looked up before its operation is paid for: nothing has been executed then.
        by_key = {"accept": GRAPHQL_JSON, "x-umami-api-key": make_key(process)}
        with site.load(process, "a", pause=0.02) as load:
            load.wait_for(100)
            own_postgres.stop("fast")
            stopped = time.monotonic()
            load.wait_for(100)
            refused = httpx.post(
                f"{process.url}/api/send",
                json={"type": "event", "payload": {"website": unseen.id, "url": "/"}},
                headers={"user-agent": CHROME},
                timeout=30,
            )
            assert refused.status_code == 503
            assert refused.json() == {"error": "The accounts store does not answer"}
            assert refused.headers["retry-after"] == "5"
            login = {"username": "admin", "password": "x"}
            asked = httpx.post(f"{process.url}/api/auth/login", json=login, timeout=30)
            assert (asked.status_code, asked.headers.get("retry-after")) == (503, "5")
            graphql = httpx.post(
                f"{process.url}/graphql",
                json={"query": 'mutation { login(username: "admin", password: "x") { token } }'},
                headers={"accept": GRAPHQL_JSON},
                timeout=30,
            )
            assert graphql.json()["errors"][0]["extensions"]["retryAfter"] == 5
            assert (graphql.status_code, graphql.headers["retry-after"]) == (200, "5")  # it was executed
            for method, sent in (("POST", {"json": QUESTION}), ("GET", {"params": QUESTION})):
                graphql = httpx.request(method, f"{process.url}/graphql", headers=by_key, timeout=30, **sent)
                assert (graphql.status_code, graphql.headers["retry-after"]) == (503, "5")
                [error] = graphql.json()["errors"]
                assert error["extensions"] == {"code": "unavailable", "status": 503, "retryAfter": 5}
            time.sleep(max(0.0, OUTAGE - (time.monotonic() - stopped)))
            load.wait_for(50)  # the website is known for a minute, and while nobody can be asked
            own_postgres.start()
            wait_until_ready(process)
            load.wait_for(50)
        assert load.refused == []
        site.note(load)
        site.judge(process)
        told_plainly(process)


def test_connections_are_cut_in_the_middle_of_transactions(own_postgres: OwnPostgres, tmp_path: Path) -> None:
    """And some after a transaction came about, before that is heard: whether it did is asked, not guessed."""
    env = environment(tmp_path / "data", EVENTS_URL=own_postgres.url)
    with serving(env, tmp_path / "log") as process, own_postgres.connect() as other:
        site = Site(process)
        # So long that most cuts find one.
        slow_down(other, seconds=0.05)

        def cut(which: str) -> int:
            rows = other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                f" WHERE datname = current_database() AND pid <> pg_backend_pid() AND {which}"
            ).fetchall()
            return len(rows)

        with site.load(process, "a", pause=0.01) as load:
            load.wait_for(50)
            within = at_its_end = 0
            while within < 8:
                within += cut("xact_start IS NOT NULL AND backend_type = 'client backend'")
                cut("random() < 0.1")
                time.sleep(0.03)
            # Commits wait now for a second server that there is not; the rows are stored all the same.
            other.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
            other.execute("SELECT pg_reload_conf()")
            while at_its_end < 4:
                at_its_end += cut("wait_event = 'SyncRep'")
                time.sleep(0.03)
            other.execute("ALTER SYSTEM RESET synchronous_standby_names")
            other.execute("SELECT pg_reload_conf()")
            cut("wait_event = 'SyncRep'")
            wait_until_ready(process)
            load.wait_for(50)
        assert (load.refused, load.cut) == ([], set())
        site.note(load)
        site.judge(process)
        told_plainly(process)


def slow_down(connection: psycopg.Connection[tuple[object, ...]], seconds: float) -> None:
    """Each statement that inserts events takes so much longer."""
    connection.execute(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS"
        f" 'BEGIN PERFORM pg_sleep({seconds}); RETURN NULL; END'"
    )
    connection.execute(
        "CREATE TRIGGER slow BEFORE INSERT ON event FOR EACH STATEMENT EXECUTE FUNCTION slow()"
    )


@pytest.mark.parametrize("how", ["lock", "trigger"])
def test_a_slow_store_does_not_slow_answers(own_postgres: OwnPostgres, tmp_path: Path, how: str) -> None:
    """Two seconds for each insert, or a lock that is held for six: hits are answered long before."""
    env = environment(tmp_path / "data", EVENTS_URL=own_postgres.url)
    with serving(env, tmp_path / "log") as process, own_postgres.connect() as other:
        site = Site(process)
        if how == "trigger":
            slow_down(other, seconds=2)
        with site.load(process, "a", pause=0.02) as load:
            if how == "lock":
                with own_postgres.connect() as holder, holder.transaction():
                    holder.execute("LOCK TABLE event IN ACCESS EXCLUSIVE MODE")
                    time.sleep(6)
            else:
                time.sleep(6)
            taken = len(load.acknowledged)
        # Had each waited for an insert, six senders would have had three each.
        assert taken > 6 * 3 * 2
        assert load.slowest < 2
        assert (load.refused, load.cut) == ([], set())
        site.note(load)
        if how == "trigger":
            other.execute("DROP TRIGGER slow ON event")
        wait_until_ready(process)
        site.judge(process)
        told_plainly(process)
