"""Making a journal's file forget: rows that the event store refused, and what dropped batches have left in it."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from contextlib import closing
from pathlib import Path
from uuid import UUID

from app.errors import Unavailable

# SQLite writes the text of ids as the journal does: lower case with dashes.
# What is no JSON is of a damaged journal: many rows in one text, which goes as a whole where the id stands in it.
_IS = "CASE WHEN json_valid(row) THEN json_extract(row, '$.{0}') = ? ELSE instr(row, ?) > 0 END"


def scrub(file: Path, website_id: UUID, session_ids: Collection[UUID] | None, distinct_id: str = "") -> None:
    """Remove what a journal keeps of a website, or of some sessions and one distinct id of it.

    It works beside the process that holds the journal. A file that is made anew and a log that is cut off leave nothing of
    what was dropped before: SQLite only marks its pages as free. For a whole website that is not waited for.

    Raises Unavailable when the file cannot be written.
    """
    values = [str(website_id)] * 2
    condition = _IS.format("website_id")
    if session_ids is not None:
        wanted = [("session_id", str(one)) for one in session_ids]
        wanted += [("distinct_id", distinct_id)] if distinct_id else []
        any_of = " OR ".join(_IS.format(name) for name, _ in wanted) or "FALSE"
        condition += f" AND ({any_of})"
        values += [value for _, value in wanted for _ in range(2)]
    try:
        with closing(sqlite3.connect(file, isolation_level=None, timeout=30)) as journal:
            removed = journal.execute(
                f"DELETE FROM rejected WHERE {condition}",  # noqa: S608 - values are bound
                values,
            ).rowcount
            if removed or session_ids is not None:
                journal.execute("VACUUM")
                journal.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error as error:
        raise Unavailable("The journal cannot be made to forget at the moment: try again") from error
