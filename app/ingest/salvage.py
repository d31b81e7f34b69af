"""A journal file that is damaged: what can be read of it is taken into a new one, the rest is set aside."""

from __future__ import annotations

import logging
import re
import shutil
import sqlite3
import struct
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from app.files import free_name
from app.ingest.pages import rows_in
from app.ingest.rows import TABLES

log = logging.getLogger("dashi.journal")

# SQLite's log: a header, then frames of a header and a page each. Both headers hold the two salts of their generation.
_WAL_HEADER: Final = 32
_FRAME_HEADER: Final = 24
_ID: Final = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
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
        aside = free_name(wal, "damaged")
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


def salvage(file: Path, schema: str, insert: str, identity: str) -> None:
    """Put a journal file that SQLite cannot read aside, and a new one in its place that has what could be read.

    `schema` makes the tables of a journal, `insert` puts a batch in. Batches keep their numbers, by which the event store
    knows what it has. Where the file does not say whose they are, `identity`, of the lock file beside it, does; without
    either the store could count them twice, and they stay aside.
    """
    found = _left(file)
    identity = found.identity or identity
    batches = sorted(found.batches.items()) if identity else []
    making = _beside(file, ".making")
    for leftover in _parts(making):
        leftover.unlink(missing_ok=True)
    with closing(sqlite3.connect(making)) as made:
        made.execute("PRAGMA synchronous=FULL")
        made.executescript(schema)
        if identity:
            made.execute("INSERT INTO journal VALUES (?)", (identity,))
        made.executemany(insert, ((number, *texts) for number, texts in batches))
        made.executemany("INSERT INTO rejected VALUES (?, ?, ?)", found.rejected)
        made.commit()
    making.rename(_beside(file, ".salvaged"))
    aside = take_salvaged(file)
    log.warning(
        "%s is damaged and is now %s; %d batches of it could be read and are applied",
        file,
        aside,
        len(batches),
    )


def take_salvaged(file: Path) -> Path | None:
    """Put what was salvaged in the place of the damaged file, which is moved to the name that is answered.

    A process that died while it did so is followed by one that does the rest.
    """
    salvaged = _beside(file, ".salvaged")
    if not salvaged.exists():
        return None
    aside = free_name(file, "damaged")
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


@dataclass
class _Found:
    """What the pages of a journal still hold: its id ('' if they do not tell), batches by number, refused rows."""

    identity: str = ""
    batches: dict[int, list[str]] = field(default_factory=dict)
    rejected: list[list[str]] = field(default_factory=list)


def _left(file: Path) -> _Found:
    """Read page by page: SQLite needs more of a file than the rows that are left in it.

    What forgotten pages hold was applied long since, under numbers that the store knows.
    """
    found = _Found()
    for number, columns in rows_in(file, _beside(file, "-wal")):
        texts = [legible(column) for column in columns]
        # A batch is its number, which is the row's own and not among the columns, and a text for each table.
        if len(columns) == 1 + len(TABLES) and not columns[0] and all(map(_is_rows, texts[1:])):
            found.batches[number] = texts[1:]
        elif len(columns) == 3 and texts[0] in TABLES:
            found.rejected.append(texts)
        elif len(columns) == 1 and _ID.fullmatch(texts[0]):
            found.identity = texts[0]
    return found


def _is_rows(text: str) -> bool:
    """Whether it may be JSON objects joined by commas: what destroyed bytes happen to look like a row is not."""
    return not text or text.startswith("{")
