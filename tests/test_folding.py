"""Parts of visits say what the events say, whatever way these come into the store and leave it."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from app.folding import fold_all
from app.tables import visit_part
from tests.populate import A
from tests.server import Server

NOON = dt.datetime(2026, 11, 10, 12, tzinfo=dt.UTC)


def send(server: Server, website_id: str, minute: float, **payload: Any) -> None:
    at = (NOON + dt.timedelta(minutes=minute)).timestamp()
    hit = {"website": website_id, "hostname": "example.com", "url": "/", "timestamp": at, **payload}
    answer = server.client.post("/api/send", json={"type": "event", "payload": hit}, headers=A.headers)
    assert answer.status_code == 200, answer.text


def parts(server: Server, website_id: str) -> list[tuple[Any, ...]]:
    """(minute the half-hour starts, language, views, events, minutes of the first and the last view), each added up."""
    columns = visit_part.c
    by = (columns.half_hour, columns.language)
    query = (
        sa.select(
            *by,
            *(sa.func.sum(columns[name]) for name in ("views", "events")),
            sa.func.min(columns.first_at),
            sa.func.max(columns.last_at),
        )
        .where(columns.website_id == UUID(website_id))
        .group_by(*by)
        .order_by(*by)
    )

    def minute(at: dt.datetime | None) -> float | None:
        return None if at is None else (at - NOON) / dt.timedelta(minutes=1)

    return [
        (minute(half_hour), language, views, events, minute(first), minute(last))
        for half_hour, language, views, events, first, last in server.runtime.events.rows(query)
    ]


def test_events_of_a_half_hour_add_up(server: Server) -> None:
    site = server.create_website()
    for minute in (3, 1, 29.75, 30, 31):
        send(server, site, minute)
    send(server, site, 5, name="signup")
    send(server, site, 95, name="signup")
    send(server, site, 6, language="fr-FR")
    assert parts(server, site) == [
        (0, "", 3, 1, 1, 29.75),
        (0, "fr-FR", 1, 0, 6, 6),
        (30, "", 2, 0, 30, 31),
        (90, "", 0, 1, None, None),
    ]


def test_times_before_2000_and_far_ahead_have_half_hours_too(server: Server) -> None:
    site = server.create_website()
    for year in (1971, 2099):
        send(server, site, 0, timestamp=dt.datetime(year, 1, 1, 0, 29, 59, tzinfo=dt.UTC).timestamp())
    halves = [row["half_hour"] for row in server.stored(visit_part, site, visit_part.c.half_hour)]
    assert halves == [dt.datetime(year, 1, 1, tzinfo=dt.UTC) for year in (1971, 2099)]


def test_made_anew_they_are_the_same(server: Server) -> None:
    site = server.create_website()
    for minute in (0, 10, 29, 40):
        send(server, site, minute)
    before = parts(server, site)
    if server.runtime.events.name == "clickhouse":
        pytest.skip("ClickHouse makes them as events are inserted, and cannot be told to anew")
    with server.runtime.events.engine.begin() as connection:
        fold_all(connection)
    assert parts(server, site) == before == [(0, "", 3, 0, 0, 29), (30, "", 1, 0, 40, 40)]
    assert len(server.stored(visit_part, site)) == 2


def test_they_go_with_the_website_and_its_reset(server: Server) -> None:
    kept, reset, deleted = (server.create_website() for _ in range(3))
    for site in (kept, reset, deleted):
        send(server, site, 0)
    assert server.client.post(f"/api/websites/{reset}/reset", headers=server.admin).status_code == 200
    assert server.client.delete(f"/api/websites/{deleted}", headers=server.admin).status_code == 200
    assert [len(parts(server, site)) for site in (kept, reset, deleted)] == [1, 0, 0]
