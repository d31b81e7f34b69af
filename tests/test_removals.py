"""Websites are reset and deleted at once for those who ask, and in the background for the event store."""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import sqlalchemy as sa

from app import erasure, migrations, removals
from app.engines import accounts_engine, accounts_sessions
from app.erasure import Target
from app.models import Removal, Website, utc_now
from app.settings import Settings
from app.tables import WEBSITE_TABLES
from app.tidy import tidy_once
from tests.populate import A, B, C, happening, identification, populate, view
from tests.process import environment, serving
from tests.server import Server, running
from tests.stores import event_store, rename
from tests.test_tidy import SMALL_FOLDING

HITS = [
    view(A, "2026-11-10 10:00:00", "/"),
    happening(A, "2026-11-10 10:35:00", "/", "buy", {"revenue": 5, "currency": "EUR"}),
    identification(A, "2026-11-10 10:06:00", {"age": 33}),
    view(B, "2026-11-11 10:00:00", "/b"),
    # It lies ahead of every reset: what was reset cannot be told by its time alone.
    view(C, "2031-01-01 00:00:00", "/ahead"),
]
# Three page views, one event; one piece of revenue is two keys of data; one key of a session; four parts of visits,
# each of one event: events of one part that are stored by two writes make two.
ROWS = 4 + 2 + 1 + 1 + 4

PROGRESS = "{ websiteId reason rows removed finishedAt }"
RESET = f"mutation($id: ID!) {{ resetWebsite(id: $id) {{ resetAt removal {PROGRESS} }} }}"
DELETE = f"mutation($id: ID!) {{ deleteWebsite(id: $id) {{ name removal {PROGRESS} }} }}"
FIGURES = """query($id: ID!) { website(id: $id) { activeVisitors analytics(period: {start: "2000-01-01", end: "2040-01-01"}) {
  totals { pageviews { value } visitors { value } } events { totalCount } sessions { totalCount }
} } }"""
NOTHING = {
    "activeVisitors": 0,
    "analytics": {
        "totals": {"pageviews": {"value": 0}, "visitors": {"value": 0}},
        "events": {"totalCount": 0},
        "sessions": {"totalCount": 0},
    },
}
LATER = view(B, "2026-11-12 10:00:00", "/later")


@contextmanager
def idle(settings: Settings) -> Iterator[Server]:
    """A server whose background work waits until it is called for."""
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(removals.Removing, "_run", lambda self: None)
            started = stack.enter_context(running(settings))
        yield started


@pytest.fixture(scope="module")
def lazy_server(store: str, make_settings: Callable[..., Settings]) -> Iterator[Server]:
    with idle(make_settings(store)) as started:
        yield started


@pytest.fixture
def lazy(lazy_server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The same, and every website is a large one."""
    monkeypatch.setattr(erasure, "_AT_ONCE", 0)
    return lazy_server


def rows(server: Server, website_id: str) -> int:
    server.runtime.events.wait_until_fresh()
    return erasure.count(server.runtime.events, Target(UUID(website_id)))


def figures(server: Server, website_id: str) -> Any:
    return server.graphql(FIGURES, {"id": website_id})["data"]["website"]


def filled(server: Server) -> str:
    website_id = server.create_website()
    populate(server, website_id, HITS)
    return website_id


def removal(server: Server, website_id: str) -> Any:
    asked = server.graphql(
        f"query($id: ID!) {{ website(id: $id) {{ removal {PROGRESS} }} }}", {"id": website_id}
    )
    return asked["data"]["website"]["removal"]


def test_a_few_rows_are_gone_when_the_reset_is_answered(server: Server) -> None:
    website_id = filled(server)
    assert removal(server, website_id) is None
    assert rows(server, website_id) == ROWS
    answer = server.graphql(RESET, {"id": website_id})["data"]["resetWebsite"]
    done = answer["removal"]
    assert done == {
        "websiteId": website_id,
        "reason": "RESET",
        "rows": ROWS,
        "removed": ROWS,
        "finishedAt": done["finishedAt"],
    }
    assert done["finishedAt"] >= answer["resetAt"]
    assert rows(server, website_id) == 0


def test_nothing_counts_before_anything_is_removed(lazy: Server) -> None:
    website_id = filled(lazy)
    assert figures(lazy, website_id)["analytics"]["totals"]["pageviews"] == {"value": 3}
    assert lazy.client.post(f"/api/websites/{website_id}/reset", headers=lazy.admin).json() == {"ok": True}
    assert rows(lazy, website_id) == ROWS
    assert figures(lazy, website_id) == NOTHING
    assert lazy.get(f"/api/websites/{website_id}/daterange") == {"mindate": None, "maxdate": None}
    used = lazy.graphql("{ me { usage(period: {all: true}) { events } } }")
    assert used["data"]["me"]["usage"]["events"] == 0
    period = {"startAt": 0, "endAt": 2_000_000_000_000}
    assert lazy.get(f"/api/websites/{website_id}/session-data/properties", **period) == []
    assert removal(lazy, website_id) == {
        "websiteId": website_id,
        "reason": "RESET",
        "rows": None,
        "removed": 0,
        "finishedAt": None,
    }


def test_reports_that_ignore_a_reset_do_not_count_what_it_is_removing(lazy: Server) -> None:
    """Umami's revenue report counts what is sent after a reset with a time of before it; not what was reset."""
    website_id = filled(lazy)
    body = {
        "websiteId": website_id,
        "dateRange": {"startDate": "2026-11-01T00:00:00Z", "endDate": "2026-11-30T00:00:00Z"},
        "timezone": "UTC",
        "currency": "EUR",
    }

    def total() -> Any:
        answer = lazy.client.post("/api/reports/revenue", json=body, headers=lazy.admin)
        assert answer.status_code == 200, answer.text
        return answer.json()["total"]["sum"]

    assert float(total()) == 5
    lazy.client.post(f"/api/websites/{website_id}/reset", headers=lazy.admin)
    assert total() in (0, None)
    populate(
        lazy, website_id, [happening(B, "2026-11-10 10:00:00", "/", "buy", {"revenue": 7, "currency": "EUR"})]
    )
    assert float(total()) == 7
    assert removals.work_off(lazy.runtime)
    assert float(total()) == 7


def test_what_is_sent_after_the_reset_stays_whatever_its_time(lazy: Server) -> None:
    website_id = filled(lazy)
    lazy.graphql(RESET, {"id": website_id})
    ahead = view(A, "2032-01-01 00:00:00", "/new")
    populate(lazy, website_id, [LATER, ahead])
    counted = {"pageviews": {"value": 1}, "visitors": {"value": 1}}
    assert figures(lazy, website_id)["analytics"]["totals"] == counted
    # Parts of visits of before and after are never made one, although they are of the same half-hour.
    populate(lazy, website_id, [view(C, "2031-01-01 00:01:00", "/ahead")])
    lazy.runtime.events.wait_until_fresh()
    tidy_once(lazy.runtime.events, None, SMALL_FOLDING, ())
    assert removals.work_off(lazy.runtime)
    kept = {(row["url_path"], row["created_at"].year) for row in lazy.events(website_id)}
    assert kept == {("/later", 2026), ("/new", 2032), ("/ahead", 2031)}
    assert figures(lazy, website_id)["analytics"]["totals"] == {
        "pageviews": {"value": 2},
        "visitors": {"value": 2},
    }
    # Three events and three parts of visits.
    assert rows(lazy, website_id) == 6
    assert removal(lazy, website_id) | {"finishedAt": None} == {
        "websiteId": website_id,
        "reason": "RESET",
        "rows": ROWS,
        "removed": ROWS,
        "finishedAt": None,
    }


def test_a_removal_is_taken_up_where_it_was_left(lazy: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    removals.work_off(lazy.runtime)  # another test's would come first
    website_id, other = filled(lazy), filled(lazy)
    lazy.graphql(RESET, {"id": website_id})
    monkeypatch.setattr(lazy.runtime.events, "piece", 1)
    whole = erasure.remove

    def breaks_off(*asked: Any) -> Iterator[int]:
        for number, removed in enumerate(whole(*asked)):
            if number == 2:
                raise OSError("broken off")
            yield removed

    with monkeypatch.context() as broken:
        broken.setattr(erasure, "remove", breaks_off)
        with pytest.raises(OSError, match="broken off"):
            removals.work_off(lazy.runtime)
    # The third piece is gone and was not noted.
    assert removal(lazy, website_id)["rows"] == ROWS
    assert removal(lazy, website_id)["removed"] == 2
    assert rows(lazy, website_id) == ROWS - 3
    assert removals.work_off(lazy.runtime)
    done = removal(lazy, website_id)
    assert (done["rows"], done["removed"]) == (ROWS - 1, ROWS - 1)
    assert done["finishedAt"] is not None
    assert (rows(lazy, website_id), rows(lazy, other)) == (0, ROWS)
    with lazy.runtime.accounts() as session:
        kept = session.get_one(Website, UUID(website_id))
        assert kept.removed_upto is None


def test_a_deleted_website_is_followed_to_its_end(lazy: Server) -> None:
    website_id = filled(lazy)
    answer = lazy.graphql(DELETE, {"id": website_id})["data"]["deleteWebsite"]
    assert answer["name"] == "Example"
    waiting = {"websiteId": website_id, "reason": "DELETE", "rows": None, "removed": 0, "finishedAt": None}
    assert answer["removal"] == waiting
    listed = lazy.graphql(f"{{ removals(first: 1) {{ nodes {{ id }} edges {{ node {PROGRESS} }} }} }}")
    assert listed["data"]["removals"]["edges"] == [{"node": waiting}]
    assert removals.work_off(lazy.runtime)
    [found] = listed["data"]["removals"]["nodes"]
    asked = lazy.graphql(f"query($id: ID!) {{ removal(id: $id) {PROGRESS} }}", {"id": found["id"]})
    done = asked["data"]["removal"]
    assert (done["rows"], done["removed"]) == (ROWS, ROWS)
    assert done["finishedAt"] is not None
    assert rows(lazy, website_id) == 0


def test_the_same_id_again_keeps_its_new_events(lazy: Server) -> None:
    website_id = filled(lazy)
    session = str(lazy.events(website_id)[0]["session_id"])
    lazy.graphql(DELETE, {"id": website_id})
    new = {"id": website_id, "name": "Again", "domain": "example.com"}
    assert lazy.client.post("/api/websites", json=new, headers=lazy.admin).status_code == 200
    assert figures(lazy, website_id) == NOTHING
    # Who has the id has nothing of the visitors of before.
    asked = """query($id: ID!, $session: ID!) { exportVisitor(websiteId: $id, sessionId: $session) {
      sessionIds events { totalCount } properties { totalCount } } }"""
    told = lazy.graphql(asked, {"id": website_id, "session": session})["data"]["exportVisitor"]
    assert told == {"sessionIds": [], "events": {"totalCount": 0}, "properties": {"totalCount": 0}}
    populate(lazy, website_id, [LATER])
    once = {"pageviews": {"value": 1}, "visitors": {"value": 1}}
    assert figures(lazy, website_id)["analytics"]["totals"] == once
    assert removals.work_off(lazy.runtime)
    assert figures(lazy, website_id)["analytics"]["totals"] == once
    assert [row["url_path"] for row in lazy.events(website_id)] == ["/later"]


def test_a_reset_waits_for_what_cannot_be_stored_yet(
    store: str, make_settings: Callable[..., Settings]
) -> None:
    """What is stored after its bound would stay."""
    with idle(make_settings(store)) as own:
        website_id = filled(own)
        events, writer = own.runtime.events, own.app.state.collector.writer
        rename(events, "event", "event_away")
        populate(own, website_id, [LATER])
        deadline = time.monotonic() + 10
        while not writer.problem and time.monotonic() < deadline:
            time.sleep(0.01)
        answer = own.client.post(f"/api/websites/{website_id}/reset", headers=own.admin)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        rename(events, "event_away", "event")
        while writer.problem and time.monotonic() < deadline:
            time.sleep(0.01)
        assert own.get(f"/api/websites/{website_id}")["resetAt"] is None
        assert rows(own, website_id) == ROWS + 2  # the view and its part of a visit
        reset = own.client.post(f"/api/websites/{website_id}/reset", headers=own.admin)
        assert reset.status_code == 200
        assert rows(own, website_id) == 0


def test_hits_that_another_process_took_for_a_deleted_website_are_swept_up(
    store: str, make_settings: Callable[..., Settings]
) -> None:
    """It remembers the website for some seconds; on DuckDB there is no other process."""
    with idle(make_settings(store)) as own:
        website_id, kept = filled(own), filled(own)
        assert own.client.delete(f"/api/websites/{website_id}", headers=own.admin).status_code == 200
        assert rows(own, website_id) == 0
        taken = {
            **{name: str(uuid4()) for name in ("event_id", "session_id", "visit_id")},
            "website_id": website_id,
            "created_at": "2026-11-12T10:00:00.000",
            "event_type": 1,
        }
        own.runtime.events.apply(uuid4(), 1, {"event": json.dumps([taken])})
        assert removals.work_off(own.runtime)
        assert (
            rows(own, website_id) == 2
        )  # an event and its part of a visit: others may still be on their way
        with own.runtime.accounts.begin() as session:
            earlier = utc_now() - dt.timedelta(minutes=2)
            session.execute(sa.update(Removal).values(requested_at=earlier))
        assert removals.work_off(own.runtime)
        assert rows(own, website_id) == (2 if store == "duckdb" else 0)
        assert rows(own, kept) == ROWS


def test_a_deletion_that_was_cut_off_before_it_had_a_bound_is_done(lazy: Server) -> None:
    """The website's row is gone and the process died before it said up to which write its events go."""
    gone, again = filled(lazy), filled(lazy)
    asked = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    with lazy.runtime.accounts.begin() as session:
        for website_id in (gone, again):
            session.execute(sa.delete(Website).where(Website.website_id == UUID(website_id)))
            session.add(Removal(website_id=UUID(website_id), reason="delete", requested_at=asked))
    lazy.runtime.website_changed(UUID(again))
    new = {"id": again, "name": "Again", "domain": "example.com"}
    assert lazy.client.post("/api/websites", json=new, headers=lazy.admin).status_code == 200
    populate(lazy, again, [LATER])
    assert removals.work_off(lazy.runtime)
    assert rows(lazy, gone) == 0
    assert [row["url_path"] for row in lazy.events(again)] == ["/later"]


def test_users_and_their_websites_go_at_once(lazy: Server) -> None:
    body = {"username": f"u-{uuid4()}", "password": "long enough", "role": "user"}
    user = lazy.client.post("/api/users", json=body, headers=lazy.admin).json()["id"]
    login = {"username": body["username"], "password": body["password"]}
    token = lazy.client.post("/api/auth/login", json=login).json()["token"]
    mine = {"Authorization": f"Bearer {token}"}
    websites = [
        lazy.client.post("/api/websites", json={"name": "n", "domain": "d"}, headers=mine).json()["id"]
        for _ in range(2)
    ]
    for website_id in websites:
        populate(lazy, website_id, HITS)
    assert lazy.client.delete(f"/api/users/{user}", headers=lazy.admin).status_code == 200
    assert [rows(lazy, website_id) for website_id in websites] == [ROWS, ROWS]
    assert removals.work_off(lazy.runtime)
    assert [rows(lazy, website_id) for website_id in websites] == [0, 0]


def test_others_do_not_see_what_is_removed(server: Server) -> None:
    website_id = filled(server)
    server.graphql(RESET, {"id": website_id})
    [mine] = server.graphql("{ removals(first: 1) { nodes { id websiteId } } }")["data"]["removals"]["nodes"]
    assert mine["websiteId"] == website_id
    body = {"username": f"u-{uuid4()}", "password": "long enough", "role": "user"}
    server.client.post("/api/users", json=body, headers=server.admin)
    login = {"username": body["username"], "password": body["password"]}
    token = server.client.post("/api/auth/login", json=login).json()["token"]
    for headers, code in (({}, "unauthenticated"), ({"Authorization": f"Bearer {token}"}, "not-found")):
        asked = server.graphql("query($id: ID!) { removal(id: $id) { id } }", {"id": mine["id"]}, headers)
        assert asked["data"]["removal"] is None
        assert asked["errors"][0]["extensions"]["code"] == code


def test_a_reset_outlives_a_kill_and_a_lost_log(tmp_path: Path) -> None:
    """Killed before anything is removed; the log of DuckDB, which a start may have to move aside, is lost besides."""
    data = tmp_path / "data"
    env = environment(data)
    settings = Settings(data_dir=data)
    with serving(env, tmp_path / "log") as process:
        admin = {"Authorization": f"Bearer {process.token()}"}
        made = httpx.post(
            f"{process.url}/api/websites", json={"name": "n", "domain": "d"}, headers=admin
        ).json()["id"]
        for hit in HITS:
            httpx.post(f"{process.url}/api/send", json=hit.body(made), headers=hit.visitor.headers)
        assert httpx.post(f"{process.url}/api/websites/{made}/reset", headers=admin).status_code == 200
        for hit in (LATER, view(A, "2032-01-01 00:00:00", "/new")):
            httpx.post(f"{process.url}/api/send", json=hit.body(made), headers=hit.visitor.headers)
        process.kill()
    for log in data.glob("*.wal"):
        log.unlink()
    with serving(env, tmp_path / "log") as process:
        admin = {"Authorization": f"Bearer {process.token()}"}
        period = {"startAt": 0, "endAt": 2_000_000_000_000}
        stats = httpx.get(f"{process.url}/api/websites/{made}/stats", params=period, headers=admin).json()
        assert stats["pageviews"] == {"value": 1, "prev": 0}
    with event_store(settings) as store:
        paths = sa.select(WEBSITE_TABLES[0].c.url_path).where(WEBSITE_TABLES[0].c.website_id == UUID(made))
        assert sorted(path for (path,) in store.rows(paths)) == ["/later", "/new"]


def test_the_thread_does_what_is_left_from_before(
    store: str, make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_settings(store)
    with monkeypatch.context() as patched, idle(settings) as server:
        patched.setattr(erasure, "_AT_ONCE", 0)
        website_id = filled(server)
        server.graphql(RESET, {"id": website_id})
        assert rows(server, website_id) == ROWS
    with running(settings) as server:
        deadline = time.monotonic() + 30
        while (found := removal(server, website_id))["finishedAt"] is None:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert (found["rows"], found["removed"], rows(server, website_id)) == (ROWS, ROWS, 0)


def test_an_upgrade_has_nothing_to_remove(tmp_path: Path) -> None:
    engine = accounts_engine(Settings(data_dir=tmp_path))
    migrations.upgrade(engine, "accounts")
    with accounts_sessions(engine)() as session:
        assert session.scalars(sa.select(Removal)).all() == []
    engine.dispose()
