"""Copying a DuckDB database to a new file while others read and write it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

# The name under which a copy is attached, and seconds after which it is asked whether it is still wanted.
_COPY: Final = "dashi_copy"
_LOOK: Final = 0.05


def copy_database(connection: sa.Connection, file: Path, wanted: Callable[[], bool]) -> None:
    """Copy all of a DuckDB database within one transaction of its own: it sees none that ends later."""
    driver: Any = connection.connection.driver_connection
    quoted = str(file).replace("'", "''")
    name = str(connection.exec_driver_sql("SELECT current_database()").scalar_one()).replace('"', '""')
    connection.exec_driver_sql(f"ATTACH '{quoted}' AS {_COPY}")
    try:
        with _ended_unless(wanted, driver.interrupt):
            connection.exec_driver_sql(f'COPY FROM DATABASE "{name}" TO {_COPY}')
            connection.exec_driver_sql(f"CHECKPOINT {_COPY}")
    finally:
        # Not interrupted: still attached, it would be in the way of the next copy.
        connection.exec_driver_sql(f"DETACH {_COPY}")


@contextmanager
def _ended_unless(wanted: Callable[[], bool], end: Callable[[], None]) -> Iterator[None]:
    """Call `end` during the block, again and again, once it is no longer wanted."""
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            if not wanted():
                end()
            over.wait(_LOOK)

    watcher = threading.Thread(target=watch, name="wanted", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
