"""Everything of a visitor can be handed out, and removed so that nothing brings it back."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import orjson
import pytest
import sqlalchemy as sa

from app.settings import Settings
from app.tables import WEBSITE_TABLES
from tests.populate import A, B, Hit, happening, identification, populate, view
from tests.process import environment, serving
from tests.server import Server, running

DISTINCT = "customer-4711-erase-me"
SECRET = "recognisable-secret-of-the-visitor"
# Two visits of one named visitor, one of another device before it had a name, and somebody else's.
NAMED = [
    view(A, "2026-11-10 10:00:00", "/", id=DISTINCT, title=SECRET),
    happening(
        A,
        "2026-11-10 10:05:00",
        "/buy",
        "buy",
        {"revenue": 5, "currency": "EUR", "note": SECRET},
        id=DISTINCT,
    ),
    view(B, "2026-11-12 10:00:00", "/again", id=DISTINCT),
    identification(A, "2026-11-10 10:06:00", {"mail": SECRET, "age": 33}, id=DISTINCT),
    identification(A, "2026-11-10 10:07:00", {"age": 34}, id=DISTINCT),
]
OTHERS = [view(A, "2026-11-10 09:00:00", "/unnamed"), view(B, "2026-11-10 10:00:00", "/other")]

EXPORT = """query($id: ID!, $session: ID, $named: String, $first: Int!, $after: String) {
  exportVisitor(websiteId: $id, sessionId: $session, distinctId: $named) {
    sessionIds
    visits { totalCount nodes { sessionId startedAt endedAt pageviews events } }
    events(first: $first, after: $after) {
      totalCount pageInfo { hasNextPage endCursor } nodes { at path pageTitle: title name distinctId data { key value } }
    }
    properties { totalCount nodes { setAt distinctId property { key value } } }
    revenue { totalCount nodes { at eventName currency amount } }
  }
}"""
DELETE = """mutation($id: ID!, $session: ID, $named: String) {
  deleteVisitor(websiteId: $id, sessionId: $session, distinctId: $named) {
    sessions events eventData sessionData revenue
  }
}"""


def exported(server: Server, website_id: str, first: int = 100, after: str | None = None, **who: str) -> Any:
    answer = server.graphql(EXPORT, {"id": website_id, "first": first, "after": after, **who})
    assert "errors" not in answer, answer
    return answer["data"]["exportVisitor"]


def deleted(server: Server, website_id: str, **who: str) -> Any:
    answer = server.graphql(DELETE, {"id": website_id, **who})
    assert "errors" not in answer, answer
    return answer["data"]["deleteVisitor"]


def sessions(server: Server, website_id: str) -> set[UUID]:
    """Whose rows there are in any table."""
    server.runtime.events.wait_until_fresh()
    found = set()
    for table in WEBSITE_TABLES:
        columns = table.c
        query = sa.select(columns.session_id).where(columns.website_id == UUID(website_id)).distinct()
        found |= {session for (session,) in server.runtime.events.rows(query)}
    return found


def test_ids_that_begin_alike_are_of_two_visitors(server: Server, website: str) -> None:
    """Fifty characters of an id are stored, the session is made of all of it."""
    alike = "x" * 50
    ids = [alike, f"{alike}-one", f"{alike}-two"]
    hits = [view(A, f"2026-11-10 10:0{number}:00", f"/{number}", id=name) for number, name in enumerate(ids)]
    made = [answer["sessionId"] for answer in populate(server, website, hits)]
    for name, session in zip(ids, made, strict=True):
        assert exported(server, website, named=name)["sessionIds"] == [session]
    assert deleted(server, website, named=ids[1])["sessions"] == 1
    assert sessions(server, website) == {UUID(made[0]), UUID(made[2])}
    assert deleted(server, website, named=ids[0])["sessions"] == 1
    assert sessions(server, website) == {UUID(made[2])}


def test_all_of_a_visitor_is_handed_out(server: Server, website: str) -> None:
    [mine] = {answer["sessionId"] for answer in populate(server, website, NAMED)}
    populate(server, website, OTHERS)
    found = exported(server, website, named=DISTINCT)
    assert found == exported(server, website, session=mine)
    day = "2026-11-10T10:"
    assert found["sessionIds"] == [mine]
    assert found["visits"] == {
        "totalCount": 2,
        "nodes": [
            {
                "sessionId": mine,
                "startedAt": f"{day}00:00.000Z",
                "endedAt": f"{day}05:00.000Z",
                "pageviews": 1,
                "events": 1,
            },
            {
                "sessionId": mine,
                "startedAt": "2026-11-12T10:00:00.000Z",
                "endedAt": "2026-11-12T10:00:00.000Z",
                "pageviews": 1,
                "events": 0,
            },
        ],
    }
    assert found["events"]["totalCount"] == 3
    assert [
        (node["at"], node["path"], node["pageTitle"], node["name"], node["distinctId"])
        for node in found["events"]["nodes"]
    ] == [
        (f"{day}00:00.000Z", "/", SECRET, None, DISTINCT),
        (f"{day}05:00.000Z", "/buy", "T /buy", "buy", DISTINCT),
        ("2026-11-12T10:00:00.000Z", "/again", "T /again", None, DISTINCT),
    ]
    assert found["events"]["nodes"][1]["data"] == [
        {"key": "currency", "value": "EUR"},
        {"key": "note", "value": SECRET},
        {"key": "revenue", "value": "5.0000"},
    ]
    assert found["properties"] == {
        "totalCount": 3,
        "nodes": [
            {
                "setAt": f"{day}{minute}:00.000Z",
                "distinctId": DISTINCT,
                "property": {"key": key, "value": value},
            }
            for minute, key, value in (
                ("06", "age", "33.0000"),
                ("06", "mail", SECRET),
                ("07", "age", "34.0000"),
            )
        ],
    }
    assert found["revenue"] == {
        "totalCount": 1,
        "nodes": [{"at": f"{day}05:00.000Z", "eventName": "buy", "currency": "EUR", "amount": "5.0000"}],
    }


def test_an_export_is_read_to_its_end_by_cursors(server: Server, website: str) -> None:
    populate(server, website, NAMED)
    paths, after = [], None
    while True:
        page = exported(server, website, 1, after, named=DISTINCT)["events"]
        paths += [node["path"] for node in page["nodes"]]
        if not page["pageInfo"]["hasNextPage"]:
            break
        after = page["pageInfo"]["endCursor"]
    assert paths == ["/", "/buy", "/again"]


def test_a_visitor_is_removed_from_everything(server: Server, website: str) -> None:
    [mine] = {UUID(answer["sessionId"]) for answer in populate(server, website, NAMED)}
    others = {UUID(answer["sessionId"]) for answer in populate(server, website, OTHERS)}
    elsewhere = server.create_website()
    populate(server, elsewhere, NAMED)
    assert sessions(server, website) == {mine, *others}
    assert deleted(server, website, named=DISTINCT) == {
        "sessions": 1,
        "events": 3,
        "eventData": 3,
        "sessionData": 3,
        "revenue": 1,
    }
    assert sessions(server, website) == others
    assert len(sessions(server, elsewhere)) == 1
    assert exported(server, website, named=DISTINCT) == {
        "sessionIds": [],
        "visits": {"totalCount": 0, "nodes": []},
        "events": {"totalCount": 0, "pageInfo": {"hasNextPage": False, "endCursor": None}, "nodes": []},
        "properties": {"totalCount": 0, "nodes": []},
        "revenue": {"totalCount": 0, "nodes": []},
    }
    period = {"startAt": 0, "endAt": 2_000_000_000_000}
    assert server.get(f"/api/websites/{website}/stats", **period)["pageviews"]["value"] == 2
    # Once more there is nothing left to remove, and who comes back is a new visitor with one event.
    assert set(deleted(server, website, named=DISTINCT).values()) == {0}
    populate(server, website, NAMED[:1])
    assert exported(server, website, named=DISTINCT)["events"]["totalCount"] == 1


def test_one_session_is_removed_without_the_others(server: Server, website: str) -> None:
    populate(server, website, NAMED)
    first, other = (UUID(answer["sessionId"]) for answer in populate(server, website, OTHERS))
    assert deleted(server, website, session=str(first))["events"] == 1
    left = sessions(server, website)
    assert first not in left
    assert other in left
    assert len(left) == 2


def test_who_is_meant_is_said_in_one_way(server: Server, website: str) -> None:
    populate(server, website, NAMED)
    for who in ({}, {"session": str(uuid4()), "named": "x"}, {"named": ""}, {"named": "a\0b"}):
        for query, more in ((EXPORT, {"first": 10}), (DELETE, {})):
            answer = server.graphql(query, {"id": website, **who, **more})
            assert answer["errors"][0]["extensions"]["code"] == "invalid", (who, answer)
            assert answer["errors"][0]["extensions"]["field"] in ("sessionId", "distinctId")
    assert exported(server, website, named=DISTINCT)["events"]["totalCount"] == 3


def test_rows_that_the_store_refused_are_forgotten_too(server: Server, website: str) -> None:
    [mine] = {answer["sessionId"] for answer in populate(server, website, NAMED)}
    journal = server.app.state.collector.journal
    kept = str(uuid4())
    for session, distinct in ((mine, ""), (str(uuid4()), DISTINCT), (kept, "")):
        row = {
            "website_id": website,
            "session_id": session,
            "distinct_id": distinct,
            "url_path": f"/{SECRET}",
        }
        journal.reject([("event", orjson.dumps(row).decode(), "refused by the event store")])
    deleted(server, website, named=DISTINCT)
    with contextlib.closing(sqlite3.connect(journal.file)) as reading:
        left = [orjson.loads(row)["session_id"] for (row,) in reading.execute("SELECT row FROM rejected")]
    assert [session for session in left if session in (kept, mine)] == [kept]
    # A reset takes what was refused of the website along.
    server.client.post(f"/api/websites/{website}/reset", headers=server.admin)
    with contextlib.closing(sqlite3.connect(journal.file)) as reading:
        assert reading.execute("SELECT row FROM rejected WHERE row LIKE ?", [f"%{website}%"]).fetchall() == []


def test_it_waits_for_what_cannot_be_stored_yet(server: Server, website: str) -> None:
    populate(server, website, NAMED)
    events = server.runtime.events
    settle = events.wait_until_settled
    events.wait_until_settled = lambda: False
    try:
        answer = server.graphql(DELETE, {"id": website, "named": DISTINCT})
    finally:
        events.wait_until_settled = settle
    assert answer["errors"][0]["extensions"]["code"] == "unavailable"
    assert exported(server, website, named=DISTINCT)["events"]["totalCount"] == 3


def contents(directory: Path) -> bytes:
    """All bytes of all files below."""
    return b"\0".join(file.read_bytes() for file in sorted(directory.rglob("*")) if file.is_file())


def send(url: str, website_id: str, hits: list[Hit]) -> None:
    for hit in hits:
        answer = httpx.post(f"{url}/api/send", json=hit.body(website_id), headers=hit.visitor.headers)
        assert answer.status_code == 200


def asked(url: str, admin: dict[str, str], query: str, variables: dict[str, Any]) -> Any:
    answer = httpx.post(f"{url}/graphql", json={"query": query, "variables": variables}, headers=admin)
    return answer.json()["data"]


def test_killed_right_after_it_stays_removed(tmp_path: Path) -> None:
    """The log of DuckDB, which a start may have to move aside, is lost besides. Nothing is in the journal's files, nor in a log."""
    data = tmp_path / "data"
    env = environment(data)
    with serving(env, tmp_path / "log") as process:
        admin = {"Authorization": f"Bearer {process.token()}"}
        made = httpx.post(
            f"{process.url}/api/websites", json={"name": "n", "domain": "d"}, headers=admin
        ).json()["id"]
        send(process.url, made, [*NAMED, *OTHERS])
        assert SECRET.encode() in contents(data / "journal")
        gone = asked(process.url, admin, DELETE, {"id": made, "named": DISTINCT})["deleteVisitor"]
        assert gone["events"] == 3
        process.kill()
    logs = [log for log in data.rglob("*wal") if SECRET.encode() in log.read_bytes()]
    assert logs == []
    assert SECRET.encode() not in contents(data / "journal")
    for log in data.glob("*.wal"):
        log.unlink()
    with serving(env, tmp_path / "log") as process:
        admin = {"Authorization": f"Bearer {process.token()}"}
        found = asked(process.url, admin, EXPORT, {"id": made, "named": DISTINCT, "first": 10})
        assert found["exportVisitor"]["sessionIds"] == []
        period = {"startAt": 0, "endAt": 2_000_000_000_000}
        stats = httpx.get(f"{process.url}/api/websites/{made}/stats", params=period, headers=admin).json()
        assert stats["pageviews"]["value"] == 2
    assert SECRET.encode() not in (tmp_path / "log").read_bytes()


@pytest.fixture(scope="module")
def stopped(store: str, make_settings: Callable[..., Settings]) -> tuple[Settings, str]:
    """The settings of an instance that does not run, and its website."""
    settings = make_settings(store)
    with running(settings) as server:
        website_id = server.create_website()
        populate(server, website_id, [*NAMED, *OTHERS])
    return settings, website_id


def dashi(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = environment(settings.data_dir, settings.database_url)
    return subprocess.run(
        [sys.executable, "-m", "app.cli", *arguments],
        env={**env, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_command_exports_and_deletes(store: str, stopped: tuple[Settings, str], tmp_path: Path) -> None:
    if store == "clickhouse":
        pytest.skip("no other process has this one's engine; over a wire: tests/test_clickhouse.py")
    settings, website_id = stopped
    shown = dashi(settings, "visitor", "export", website_id, "--id", DISTINCT)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    document = json.loads(shown.stdout)
    assert {
        name: len(document[name]) for name in ("sessions", "visits", "events", "sessionData", "revenue")
    } == {
        "sessions": 1,
        "visits": 2,
        "events": 3,
        "sessionData": 3,
        "revenue": 1,
    }
    assert document["websiteId"] == website_id
    assert document["events"][1]["urlPath"] == "/buy"
    assert document["events"][1]["data"][1]["text"] == SECRET
    file = tmp_path / "visitor.json"
    session = document["sessions"][0]["sessionId"]
    written = dashi(settings, "visitor", "export", website_id, "--session", session, "--output", str(file))
    assert (written.returncode, written.stdout) == (0, "")
    assert json.loads(file.read_text()) == document
    assert file.stat().st_mode & 0o077 == 0
    gone = dashi(settings, "visitor", "delete", website_id, "--id", DISTINCT)
    assert gone.returncode == 0
    assert json.loads(gone.stdout) == {
        "sessions": 1,
        "events": 3,
        "eventData": 3,
        "sessionData": 3,
        "revenue": 1,
    }
    left = json.loads(dashi(settings, "visitor", "export", website_id, "--id", DISTINCT).stdout)
    assert left == {
        "websiteId": website_id,
        "sessions": [],
        "visits": [],
        "events": [],
        "sessionData": [],
        "revenue": [],
    }


def test_the_command_says_what_is_wrong(stopped: tuple[Settings, str]) -> None:
    settings, website_id = stopped
    both = dashi(settings, "visitor", "export", website_id, "--id", "x", "--session", str(uuid4()))
    assert both.returncode == 1
    assert "Exactly one of --session and --id" in both.stdout + both.stderr
    unknown = dashi(settings, "visitor", "delete", str(uuid4()), "--id", "x")
    assert unknown.returncode == 1
    assert "Website not found" in unknown.stdout + unknown.stderr


def test_beside_a_server_that_holds_the_file_the_command_says_what_to_do(live: Server) -> None:
    website_id = live.create_website()
    env = {**environment(live.settings.data_dir), "COLUMNS": "200", "PATH": os.environ["PATH"]}
    found = subprocess.run(
        [sys.executable, "-m", "app.cli", "visitor", "delete", website_id, "--id", "x"],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert found.returncode == 1
    said = " ".join((found.stdout + found.stderr).split())
    assert "The running server holds the events" in said
    assert f'mutation {{ deleteVisitor(websiteId: "{website_id}", distinctId: "x")' in said
