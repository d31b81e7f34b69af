"""Whether a process holds the embedded files. Asking changes nothing, and does not keep one from starting."""

from __future__ import annotations

import fcntl
import os
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from app.errors import Unavailable

# struct flock as Linux has it on 64 bits: type, whence, start, length, process.
_FLOCK: Final = "hhqqi4x"


def holder(file: Path) -> int | None:
    """The id of the process that holds a database file for writing; None if none does, 0 if it cannot be told which.

    The locks are those of fcntl, which DuckDB takes on its file as long as it is open.
    """
    try:
        opened = os.open(file, os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        if sys.platform != "linux":
            return _takes(opened)
        asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind, *_, process = struct.unpack(_FLOCK, fcntl.fcntl(opened, fcntl.F_GETLK, asked))
    finally:
        os.close(opened)
    return None if kind == fcntl.F_UNLCK else max(0, process)


def _takes(opened: int) -> int | None:
    """Whether the lock can be taken, for a moment: other systems tell the process in other ways."""
    try:
        fcntl.lockf(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return 0
    fcntl.lockf(opened, fcntl.LOCK_UN)
    return None


def held_journals(directory: Path) -> list[Path]:
    """The journals that processes hold."""
    with nobody_opens(directory):
        return _held(directory)


@contextmanager
def unheld(directory: Path, events: Path | None) -> Iterator[None]:
    """A block in which no server starts on these journals. Raises Unavailable if one runs."""
    process = holder(events) if events else None
    if process is not None:
        raise Unavailable(f"{events} is held by process {process or 'unknown'}: stop the server first")
    with nobody_opens(directory):
        if _held(directory):
            raise Unavailable(f"A server holds {_held(directory)[0]}: stop it first")
        yield


@contextmanager
def nobody_opens(directory: Path) -> Iterator[None]:
    """A block in which no other process opens a journal: those that want to wait. Without the directory there is none."""
    if not directory.exists():
        yield
        return
    with (directory / "opening.lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        yield


def _held(directory: Path) -> list[Path]:
    return [file for file in sorted(directory.glob("journal-*.lock")) if _is_locked(file)]


def _is_locked(lock: Path) -> bool:
    opened = os.open(lock, os.O_RDWR)
    try:
        with suppress(BlockingIOError):
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return False
        return True
    finally:
        os.close(opened)
