"""A journal file that is damaged: what can be read of it is taken into a new one, the rest is set aside."""

from __future__ import annotations

import logging
import shutil
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final

log = logging.getLogger("dashi.journal")

# SQLite's log: a header, then frames of a header and a page each. Both headers hold the two salts of their generation.
_WAL_HEADER: Final = 32
_FRAME_HEADER: Final = 24
_MOST_LOOKED_UP: Final = 1_000_000
# What SQLite says of a file whose pages make no sense, as against one that cannot be had at this moment.
_DAMAGE: Final = ("malformed", "not a database", "Could not decode")


def damaged(error: sqlite3.Error) -> bool:
    return any(words in str(error) for words in _DAMAGE)


def legible(text: bytes) -> str:
    """A text of the journal, damaged bytes of it replaced: what the store then refuses is kept aside row by row."""
    return text.decode("utf-8", "replace")


def set_aside_tail(file: Path, connection: sqlite3.Connection) -> None:
    """Copy what SQLite does not read at the end of its log, before it is overwritten: what a crash or damage left there.

    `connection` has just been opened and nothing has been written by it.
    """
    wal = file.with_name(f"{file.name}-wal")
    # The number of frames that are good; those that follow are ignored, then overwritten.
    good = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[1]
    tail = _tail(wal, max(0, good))
    if tail:
        aside = _free_name(wal)
        aside.write_bytes(tail)
        log.warning(
            "the end of %s could not be read; its %d bytes are now %s, everything before them is applied",
            wal, len(tail), aside,
        )  # fmt: skip


def _tail(wal: Path, good: int) -> bytes:
    """What follows so many good frames, b'' unless it belongs to this generation of the log."""
    if not wal.exists():
        return b""
    with wal.open("rb") as log_file:
        header = log_file.read(_WAL_HEADER)
        if len(header) < _WAL_HEADER:
            return header
        (page,) = struct.unpack(">I", header[8:12])
        salts = header[16:24]
        log_file.seek(_WAL_HEADER + good * (_FRAME_HEADER + page))
        tail = log_file.read()
    frame = _FRAME_HEADER + page
    heads = (tail[at : at + _FRAME_HEADER] for at in range(0, len(tail), frame))
    return tail if any(head[8:16] == salts for head in heads) else b""


def salvage(file: Path, schema: str, identity: str) -> None:
    """Put a journal file that SQLite cannot read aside, and a new one in its place that has what could be read.

    Batches keep their numbers, by which the event store knows what it has. Where the file does not say whose they are,
    `identity`, of the lock file beside it, does.
    """
    aside = _free_name(file)
    for suffix in ("", "-wal"):
        if (part := file.with_name(file.name + suffix)).exists():
            shutil.move(part, aside.with_name(aside.name + suffix))
    file.with_name(f"{file.name}-shm").unlink(missing_ok=True)
    batches: dict[int, Any] = {}
    rejected: list[Any] = []
    # A copy is read: reading may write to the log.
    copy = file.with_name(f"{file.name}.reading")
    for suffix in ("", "-wal"):
        if (part := aside.with_name(aside.name + suffix)).exists():
            shutil.copyfile(part, copy.with_name(copy.name + suffix))
    with closing(sqlite3.connect(copy)) as source:
        source.text_factory = legible
        with suppress(sqlite3.Error):
            identity = source.execute("SELECT id FROM journal").fetchone()[0] or identity
        for row in _readable(source):
            batches[row[0]] = row
        with suppress(sqlite3.Error):
            rejected = source.execute("SELECT * FROM rejected").fetchall()
    for suffix in ("", "-wal", "-shm"):
        copy.with_name(copy.name + suffix).unlink(missing_ok=True)
    with closing(sqlite3.connect(file)) as made:
        made.executescript(schema)
        if identity:
            made.execute("INSERT INTO journal VALUES (?)", (identity,))
            made.executemany(f"INSERT INTO batch VALUES ({_marks(batches.values())})", batches.values())  # noqa: S608
        made.executemany("INSERT INTO rejected VALUES (?, ?, ?)", rejected)
        made.commit()
    log.warning(
        "%s is damaged and is now %s; %d batches of it could be read and are applied",
        file, aside, len(batches) if identity else 0,
    )  # fmt: skip


def _readable(source: sqlite3.Connection) -> Iterator[Any]:
    """The batches that can be read: from both ends up to what cannot, and then each by its number."""
    numbers: list[int] = []
    for order in ("ASC", "DESC"):
        with suppress(sqlite3.Error):
            for row in source.execute(f"SELECT * FROM batch ORDER BY number {order}"):  # noqa: S608
                numbers.append(row[0])
                yield row
    if numbers:
        for number in range(min(numbers), min(max(numbers), min(numbers) + _MOST_LOOKED_UP)):
            with suppress(sqlite3.Error):
                yield from source.execute("SELECT * FROM batch WHERE number = ?", (number,))


def _marks(rows: Any) -> str:
    return ", ".join("?" * len(next(iter(rows), ())))


def _free_name(file: Path) -> Path:
    number = 1
    while (aside := file.with_name(f"{file.name}.damaged-{number}")).exists():
        number += 1
    return aside
