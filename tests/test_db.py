from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from app import engines, migrations, stores
from app.db import EventStore
from app.settings import Settings
from app.tables import event, metadata, tidied, visit_part
from tests.stores import event_store


def test_migrations_can_run_again_and_give_the_declared_tables(store: str, make_settings) -> None:
    settings = make_settings(store)
    engine = engines.events_engine(settings)
    migrations.upgrade(engine, "events")
    migrations.upgrade(engine, "events")
    found = sa.inspect(engine)
    # What ClickHouse does by itself needs no notes, and a column more.
    known = set(metadata.tables.values()) - ({tidied} if store == "clickhouse" else set())
    for table in known:
        names = [column["name"] for column in found.get_columns(table.name)]
        assert [name for name in names if name != "generation"] == [c.name for c in table.columns]
    engine.dispose()


def test_what_is_stored_up_to_a_write_never_changes(
    store: str, make_settings: Callable[..., Settings]
) -> None:
    """Whoever writes at the same time: several processes on PostgreSQL, several threads on DuckDB."""
    made = make_settings(store)
    website = uuid4()
    with event_store(made) as events:
        writers = [events] * 4
        if store == "postgresql":
            writers = [stores.event_store(made) for _ in range(4)]

        def write(own: EventStore) -> None:
            journal = uuid4()
            for batch in range(1, 26):
                # Of different lengths, so that one begun first may be done last.
                size = 1 + 200 * (batch % 3)
                own.apply(journal, batch, {"event": json.dumps([one_event(website)] * size)})

        seen: dict[int, int] = {}
        with ThreadPoolExecutor(len(writers)) as pool:
            running = [pool.submit(write, own) for own in writers]
            while not all(one.done() for one in running):
                last = events.last_write()
                seen.setdefault(last, stored(events, last))
            for one in running:
                one.result()
        assert events.last_write() == 100
        assert seen == {last: stored(events, last) for last in seen}
        assert len(seen) > 10
        assert stored(events, 100) == 4 * sum(1 + 200 * (batch % 3) for batch in range(1, 26))
        if store == "postgresql":
            for own in writers:
                own.close()


def one_event(website: UUID) -> dict[str, Any]:
    ids = {name: str(uuid4()) for name in ("event_id", "session_id", "visit_id")}
    return {**ids, "website_id": str(website), "created_at": "2026-11-10T10:00:00.000", "event_type": 1}


def stored(events: EventStore, upto: int) -> int:
    """How many events were stored in the first so many writes."""
    [(count,)] = events.rows(sa.select(sa.func.count()).where(event.c.stored_in.between(1, upto)))
    return int(count)


def test_a_store_from_before_the_numbers_of_writes(
    store: str, make_settings: Callable[..., Settings]
) -> None:
    """It gets the column, and what it has counts as there from the beginning."""
    if store == "clickhouse":
        pytest.skip("no store on ClickHouse was ever without them")
    settings = make_settings(store)
    engine = engines.events_engine(settings)
    migrations.upgrade(engine, "events")
    with engine.begin() as connection:
        later = {"visit_part", "tidied"}
        for table in later:
            connection.exec_driver_sql(f"DROP TABLE {table}")
        for table in metadata.tables.keys() - later:
            connection.exec_driver_sql(f"ALTER TABLE {table} DROP COLUMN stored_in")
        connection.exec_driver_sql("UPDATE alembic_version_events SET version_num = 'events_0002'")
        row = {**one_event(uuid4()), "url_path": "/old"}
        names = ", ".join(row)
        values = ", ".join(f"'{value}'" for value in row.values())
        connection.exec_driver_sql(f"INSERT INTO event ({names}) VALUES ({values})")
    engine.dispose()
    events = stores.event_store(settings)
    migrations.upgrade(events.engine, "events")
    assert events.last_write() == 0
    events.apply(uuid4(), 1, {"event": json.dumps([one_event(uuid4())])})
    assert events.last_write() == 1
    numbers = events.rows(sa.select(event.c.url_path, event.c.stored_in).order_by(event.c.stored_in))
    assert [tuple(row) for row in numbers] == [("/old", 0), ("", 1)]
    parts = sa.select(visit_part.c.stored_in, visit_part.c.views, visit_part.c.events, visit_part.c.half_hour)
    at = dt.datetime(2026, 11, 10, 10, tzinfo=dt.UTC)
    assert [tuple(row) for row in events.rows(parts.order_by(visit_part.c.stored_in))] == [
        (0, 1, 0, at),
        (1, 1, 0, at),
    ]
    for table in metadata.sorted_tables:
        [found] = [
            one for one in sa.inspect(events.engine).get_columns(table.name) if one["name"] == "stored_in"
        ]
        assert not found["nullable"]
    events.close()
