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

from app.ingest.pages import rows_in
from app.ingest.rows import TABLES

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
    `identity`, of the lock file beside it, does; without either the store could count them twice, and they stay aside.
    """
    copy, making = _beside(file, ".reading"), _beside(file, ".making")
    for leftover in (copy, making):
        for part in _parts(leftover):
            part.unlink(missing_ok=True)
    # A copy is read: reading may write to the log.
    for part, its_copy in zip(_parts(file), _parts(copy), strict=True):
        if part.exists() and not part.name.endswith("-shm"):
            shutil.copyfile(part, its_copy)
    # Page by page first: SQLite may write to what it opens, and needs more of a file than the rows that are left in it.
    batches, rejected = _left(copy)
    with closing(sqlite3.connect(copy)) as source:
        source.text_factory = legible
        with suppress(sqlite3.Error, TypeError):
            identity = source.execute("SELECT id FROM journal").fetchone()[0] or identity
        for row in _readable(source):
            batches[row[0]] = row
        with suppress(sqlite3.Error):
            rejected = source.execute("SELECT * FROM rejected").fetchall() or rejected
    for part in _parts(copy):
        part.unlink(missing_ok=True)
    kept = list(batches.values()) if identity else []
    with closing(sqlite3.connect(making)) as made:
        made.execute("PRAGMA synchronous=FULL")
        made.executescript(schema)
        if identity:
            made.execute("INSERT INTO journal VALUES (?)", (identity,))
        if kept:
            made.executemany(f"INSERT INTO batch VALUES ({', '.join('?' * len(kept[0]))})", kept)  # noqa: S608
        made.executemany("INSERT INTO rejected VALUES (?, ?, ?)", rejected)
        made.commit()
    making.rename(_beside(file, ".salvaged"))
    aside = take_salvaged(file)
    log.warning(
        "%s is damaged and is now %s; %d batches of it could be read and are applied", file, aside, len(kept)
    )


def take_salvaged(file: Path) -> Path | None:
    """Put what was salvaged in the place of the damaged file, which is moved to the name that is answered.

    A process that died while it did so is followed by one that does the rest.
    """
    salvaged = _beside(file, ".salvaged")
    if not salvaged.exists():
        return None
    aside = _free_name(file)
    # The log goes first: of another database, it would be taken for the new one's.
    for part, its_place in reversed(list(zip(_parts(file), _parts(aside), strict=True))):
        if part.exists():
            shutil.move(part, its_place)
    salvaged.rename(file)
    return aside


def _beside(file: Path, suffix: str) -> Path:
    return file.with_name(file.name + suffix)


def _parts(file: Path) -> list[Path]:
    """What SQLite keeps a database in."""
    return [file, _beside(file, "-wal"), _beside(file, "-shm")]


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


def _left(file: Path) -> tuple[dict[int, Any], list[Any]]:
    """(batches by number, refused rows) that any page still holds. Those of forgotten pages are applied long since."""
    batches: dict[int, Any] = {}
    rejected = []
    for number, columns in rows_in(file, _beside(file, "-wal")):
        texts = [legible(column) for column in columns]
        # A batch is its number, which is the row's own and not among the columns, and a text for each table.
        if len(columns) == 1 + len(TABLES) and not columns[0]:
            batches[number] = (number, *texts[1:])
        elif len(columns) == 3 and texts[0] in TABLES:
            rejected.append(tuple(texts))
    return batches, rejected


def _free_name(file: Path) -> Path:
    number = 1
    while (aside := file.with_name(f"{file.name}.damaged-{number}")).exists():
        number += 1
    return aside
