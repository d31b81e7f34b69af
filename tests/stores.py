"""Event stores without a server around them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from app import migrations
from app.db import EventStore
from app.engines import events_engine
from app.settings import Settings


@contextmanager
def event_store(settings: Settings) -> Iterator[EventStore]:
    """The migrated event store of these settings."""
    store = EventStore(events_engine(settings), settings.statement_timeout)
    migrations.upgrade(store.engine, "events")
    store.checkpoint()
    try:
        yield store
    finally:
        store.close()
