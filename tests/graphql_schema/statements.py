"""Counts the SQL that a server runs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from tests.server import Server


@contextmanager
def statements(server: Server, *, accounts: bool = True) -> Iterator[list[str]]:
    """The statements that the event store is asked, and with `accounts` the other one, while the block runs, but for those of the server's own upkeep."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        # A minute after its start the server tidies for the first time, whatever a test does then.
        if threading.current_thread().name not in ("tidy", "remove"):
            # ClickHouse's dialect quotes every name.
            seen.append(statement.replace("`", ""))

    engines = [server.runtime.events.engine, *([server.runtime.accounts.kw["bind"]] if accounts else [])]
    for engine in engines:
        sa.event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        for engine in engines:
            sa.event.remove(engine, "before_cursor_execute", note)
