"""A website keeps its events for as many days as it says: what is older counts nowhere, goes, and makes room."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from app import erasure, removals
from app.db import EventStore
from app.settings import Settings
from app.tables import visit_part
from tests.populate import A, B, C, Hit, happening, identification, populate, view
from tests.server import Server
from tests.test_removals import figures, idle

DAY = dt.timedelta(days=1)
UPDATE = """mutation($id: ID!, $days: Int) { updateWebsite(id: $id, input: {retentionDays: $days}) { retentionDays } }"""


@pytest.fixture(scope="module")
def own(store: str, make_settings: Callable[..., Settings]) -> Iterator[Server]:
    """A server whose background work waits until it is called for, and whose websites are alone in its store."""
    with idle(make_settings(store)) as started:
        yield started


def keep(server: Server, website_id: str, days: int | None) -> None:
    answer = server.graphql(UPDATE, {"id": website_id, "days": days})
    assert answer["data"]["updateWebsite"] == {"retentionDays": days}, answer


def written(at: dt.datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"


def paths(server: Server, website_id: str) -> set[str]:
    return {row["url_path"] for row in server.events(website_id)}


def bound(days: int) -> dt.datetime:
    """The first instant that is kept: the start of the half-hour of that many days ago, not of one about to end."""
    while dt.datetime.now(dt.UTC).minute % 30 == 29 and dt.datetime.now(dt.UTC).second >= 45:
        time.sleep(0.5)
    oldest = dt.datetime.now(dt.UTC) - days * DAY
    return oldest.replace(minute=oldest.minute // 30 * 30, second=0, microsecond=0)


@pytest.fixture
def hits() -> list[Hit]:
    """Around the bound of ten days: just before it, just after it, and today."""
    edge = bound(10)
    before, after = edge - dt.timedelta(seconds=1), edge + dt.timedelta(seconds=1)
    return [
        happening(A, written(edge - 20 * DAY), "/oldest", "buy", {"revenue": 5, "currency": "EUR"}),
        identification(A, written(edge - 20 * DAY), {"age": 33}),
        view(B, written(before), "/before"),
        view(B, written(after), "/after"),
        view(C, written(edge + 9 * DAY), "/today"),
    ]


def test_what_is_older_counts_nowhere_at_once(own: Server, hits: list[Hit]) -> None:
    website_id = own.create_website()
    populate(own, website_id, hits)
    assert figures(own, website_id)["analytics"]["events"] == {"totalCount": 4}
    keep(own, website_id, 10)
    found = figures(own, website_id)["analytics"]
    assert found == {
        "totals": {"pageviews": {"value": 2}, "visitors": {"value": 2}},
        "events": {"totalCount": 2},
        "sessions": {"totalCount": 2},
    }
    period = {"startAt": 0, "endAt": 2_000_000_000_000}
    assert own.get(f"/api/websites/{website_id}/stats", **period)["pageviews"]["value"] == 2
    assert own.get(f"/api/websites/{website_id}/session-data/properties", **period) == []
    # Reports that know of no reset know of this.
    body = {
        "websiteId": website_id,
        "dateRange": {"startDate": "2000-01-01T00:00:00Z", "endDate": "2040-01-01T00:00:00Z"},
        "timezone": "UTC",
        "currency": "EUR",
    }
    report = own.client.post("/api/reports/revenue", json=body, headers=own.admin).json()
    assert report["total"]["sum"] in (0, None)
    assert paths(own, website_id) == {"/oldest", "/before", "/after", "/today"}


def test_what_is_older_goes_and_nothing_else(own: Server, hits: list[Hit]) -> None:
    website_id, other = own.create_website(), own.create_website()
    for one in (website_id, other):
        populate(own, one, hits)
    keep(own, website_id, 10)
    shown = figures(own, website_id)
    assert removals.work_off(own.runtime)
    assert paths(own, website_id) == {"/after", "/today"}
    assert own.session_data(website_id) == own.event_data(website_id) == own.revenue(website_id) == []
    parts = own.stored(visit_part, website_id, visit_part.c.half_hour)
    assert [part["views"] for part in parts] == [1, 1]
    assert figures(own, website_id) == shown
    assert paths(own, other) == {"/oldest", "/before", "/after", "/today"}


def test_parts_of_visits_and_events_say_the_same(own: Server, hits: list[Hit]) -> None:
    """A total is read from parts of visits, one by path from events: before the work is done, and after it."""
    website_id = own.create_website()
    populate(own, website_id, hits)
    keep(own, website_id, 10)
    query = """query($id: ID!) { website(id: $id) { analytics(period: {start: "2000-01-01", end: "2040-01-01"}) {
      totals { pageviews { value } } breakdown(by: [PATH]) { nodes { pageviews } }
    } } }"""

    def both() -> tuple[int, int]:
        found = own.graphql(query, {"id": website_id})
        assert "errors" not in found, found
        analytics = found["data"]["website"]["analytics"]
        rows = analytics["breakdown"]["nodes"]
        return analytics["totals"]["pageviews"]["value"], sum(row["pageviews"] for row in rows)

    assert both() == (2, 2)
    assert removals.work_off(own.runtime)
    assert both() == (2, 2)


def test_what_was_too_old_does_not_come_back(own: Server, hits: list[Hit]) -> None:
    website_id = own.create_website()
    populate(own, website_id, hits)
    keep(own, website_id, 10)
    for days in (365, None):
        keep(own, website_id, days)
        assert figures(own, website_id)["analytics"]["events"] == {"totalCount": 2}
    assert paths(own, website_id) == {"/oldest", "/before", "/after", "/today"}
    assert removals.work_off(own.runtime)
    assert paths(own, website_id) == {"/after", "/today"}
    assert figures(own, website_id)["analytics"]["events"] == {"totalCount": 2}


def test_what_comes_too_late_goes_too(own: Server, hits: list[Hit]) -> None:
    website_id = own.create_website()
    keep(own, website_id, 10)
    populate(own, website_id, hits)
    assert figures(own, website_id)["analytics"]["events"] == {"totalCount": 2}
    assert removals.work_off(own.runtime)
    assert paths(own, website_id) == {"/after", "/today"}


def test_a_number_of_days_is_checked(live: Server) -> None:
    website_id = live.create_website()
    create = """mutation($days: Int) {
      createWebsite(input: {name: "n", domain: "d", retentionDays: $days}) { id retentionDays }
    }"""
    for days in (0, -1, 36_501):
        for answer in (
            live.graphql(create, {"days": days}),
            live.graphql(UPDATE, {"id": website_id, "days": days}),
        ):
            assert (
                answer["errors"][0]["extensions"] | {"field": "retentionDays"}
                == answer["errors"][0]["extensions"]
            )
            assert answer["errors"][0]["message"] == "retentionDays must be within 1 to 36500, or null"
    made = live.graphql(create, {"days": 36_500})["data"]["createWebsite"]
    assert made["retentionDays"] == 36_500
    asked = live.graphql("query($id: ID!) { website(id: $id) { retentionDays } }", {"id": website_id})
    assert asked["data"]["website"]["retentionDays"] is None
    changed = live.graphql(
        'mutation($id: ID!) { updateWebsite(id: $id, input: {name: "x"}) { retentionDays } }',
        {"id": made["id"]},
    )
    assert changed["data"]["updateWebsite"]["retentionDays"] == 36_500


_TIMES = "CAST(:start AS TIMESTAMP) + i * INTERVAL '1 second'"
_MONTH = (
    f"""
    INSERT INTO event (event_id, website_id, session_id, visit_id, created_at, stored_in, event_type, url_path, page_title)
    SELECT gen_random_uuid(), :website, gen_random_uuid(), gen_random_uuid(), {_TIMES}, 1, 1,
        CAST(gen_random_uuid() AS TEXT), CAST(gen_random_uuid() AS TEXT)
    FROM generate_series(1, :events) AS series(i)
    """,
    f"""
    INSERT INTO visit_part (website_id, session_id, visit_id, half_hour, stored_in, views, events, city)
    SELECT :website, gen_random_uuid(), gen_random_uuid(), {_TIMES}, 1, 1, 0, CAST(gen_random_uuid() AS TEXT)
    FROM generate_series(1, :events) AS series(i)
    """,
)
# More than the 122,880 rows that DuckDB keeps together: it gives room back when nothing of these is left.
EVENTS = {"duckdb": 130_000, "postgresql": 5_000}


def month(store: EventStore, website_id: str, days_ago: int, events: int) -> None:
    """Store events of a website, one a second, and as many parts of visits."""
    start = dt.datetime.now(dt.UTC).replace(tzinfo=None) - days_ago * DAY
    given = {"website": UUID(website_id), "start": start, "events": events}
    with store.writing() as connection:
        for statement in _MONTH:
            connection.execute(sa.text(statement).bindparams(sa.bindparam("website", type_=sa.Uuid)), given)
    store.checkpoint()


def used(store: EventStore) -> int:
    """Bytes that the store's tables take, and that nothing else can be put in."""
    with store.engine.connect() as connection:
        if store.embedded:
            size: Any = connection.exec_driver_sql("PRAGMA database_size").mappings().one()
            return int(size["used_blocks"] * size["block_size"])
        tables = "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r' AND relname ~ '^(event|visit)'"
        return int(connection.exec_driver_sql(tables).scalar_one())


def test_disk_is_freed_and_used_again(store: str, make_settings: Callable[..., Settings]) -> None:
    """Month after month comes and goes, and what the store takes does not grow."""
    if store == "clickhouse":
        pytest.skip("what is deleted there, merges take out (tests/test_clickhouse.py)")
    with idle(make_settings(store)) as server:
        _months_come_and_go(server)


def _months_come_and_go(own: Server) -> None:
    store, website_id = own.runtime.events, own.create_website()
    events = EVENTS[store.engine.dialect.name]
    keep(own, website_id, 40)
    empty = used(store)
    month(store, website_id, 100, events)
    full = used(store)
    assert full > empty + events * 100
    for days_ago in (90, 80, 70):
        assert removals.work_off(own.runtime)
        assert erasure.count(store, erasure.Target(UUID(website_id))) == 0
        month(store, website_id, days_ago, events)
    # PostgreSQL keeps the room for the next month; what an index had is used again one round later.
    assert used(store) < empty + 2.5 * (full - empty)
    if store.embedded:
        # Of rows that lie together with others DuckDB gives the room back once something is put behind them.
        assert removals.work_off(own.runtime)
        month(store, website_id, 1, 10)
        assert used(store) < empty + (full - empty) / 2


def test_many_rows_go_in_many_short_transactions(own: Server) -> None:
    store, website_id = own.runtime.events, own.create_website()
    if store.piece is None:
        pytest.skip("there one statement marks what is to go, whatever it is")
    month(store, website_id, 100, 1000)
    target = erasure.Target(UUID(website_id), before=bound(40))
    assert list(erasure.remove(store, target, 100)) == [*[100] * 10, 0] * 2
    assert erasure.count(store, target) == 0
