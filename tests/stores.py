"""Event stores without a server around them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from app import migrations
from app.db import EventStore
from app.settings import Settings
from app.stores import event_store as opened


def rename(store: EventStore, table: str, to: str) -> None:
    """Take a table away from a store, or give it back."""
    form = "RENAME TABLE {} TO {}" if store.name == "clickhouse" else "ALTER TABLE {} RENAME TO {}"
    with store.engine.begin() as connection:
        connection.exec_driver_sql(form.format(table, to))


@contextmanager
def event_store(settings: Settings) -> Iterator[EventStore]:
    """The migrated event store of these settings."""
    store = opened(settings)
    migrations.upgrade(store.engine, "events")
    store.checkpoint()
    try:
        yield store
    finally:
        store.close()
