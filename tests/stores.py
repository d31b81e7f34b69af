"""Event stores without a server around them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from app import migrations
from app.db import EventStore
from app.settings import Settings
from app.stores import event_store as opened


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
