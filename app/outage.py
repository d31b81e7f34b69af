"""What it means when a store fails, in words for whoever asks and whoever operates."""

from __future__ import annotations

import sqlite3
from typing import Final

import sqlalchemy as sa

from app.errors import AppError, Unavailable

# What the engines and the system say of a disk, a quota or a limit of files that is used up.
_NO_ROOM: Final = (
    "No space left on device",
    "database or disk is full",
    "Disk quota exceeded",
    "File too large",
)
# DuckDB, once a write to its own file has failed: nothing is answered any longer until the file is opened anew.
_INVALIDATED: Final = ("FATAL Error", "database has been invalidated")
# What SQLite says where the file system does not let it write.
_UNWRITABLE: Final = ("disk I/O error", "unable to open database file", "readonly database")
# What these say may repeat a value, and so any words.
_OF_VALUES: Final = (sa.exc.DataError, sa.exc.IntegrityError, sa.exc.ProgrammingError, AppError)


def outage(error: BaseException, store: str) -> Unavailable | None:
    """The error that is told of a store ("The event store") that cannot be used now; None if it was not the store.

    What is wrong with a statement or a value is no outage.
    """
    if isinstance(error, _OF_VALUES):
        return None
    text = str(error)
    if no_room(error):
        return Unavailable(f"{store} cannot be written: there is no room left on its disk")
    if invalidated(error):
        return Unavailable(f"{store} has to be opened anew")
    if any(words in text for words in _UNWRITABLE):
        return Unavailable(f"{store} cannot be written")
    if isinstance(error, sa.exc.DBAPIError):
        if type(error.orig).__name__ == "TransactionException":  # DuckDB's: two transactions met
            return None
        lost = isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError)
        return Unavailable(f"{store} does not answer") if lost or error.connection_invalidated else None
    if isinstance(error, sa.exc.TimeoutError | sqlite3.OperationalError | OSError):
        return Unavailable(f"{store} does not answer")
    return None


def no_room(error: BaseException) -> bool:
    """Whether a disk, or what may be used of it, is full."""
    return any(words in str(error) for words in _NO_ROOM)


def invalidated(error: BaseException) -> bool:
    """Whether DuckDB has closed the whole database to everybody in this process."""
    return not isinstance(error, _OF_VALUES) and any(words in str(error) for words in _INVALIDATED)
