"""What a journal is made to forget."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from uuid import uuid4

import orjson

from app.ingest.journal import Journal
from app.ingest.scrub import scrub


def test_rows_of_a_damaged_journal_are_forgotten_too(tmp_path: Path) -> None:
    """They are no JSON: what has the id in it goes, and the rest is no reason to refuse."""
    mine, other, session = uuid4(), uuid4(), uuid4()
    journal = Journal(tmp_path / "journal-1.sqlite", 1 << 20)
    kept = [f'{{"website_id":"{other}"}}, garbled', orjson.dumps({"website_id": str(other)}).decode()]
    gone = [f'{{"website_id":"{mine}","session_id":"{session}"}}, garbled']
    gone.append(orjson.dumps({"website_id": str(mine), "session_id": str(session)}).decode())
    others = [orjson.dumps({"website_id": str(mine), "session_id": str(uuid4())}).decode()]
    journal.reject([("event", row, "no") for row in (*kept, *gone, *others)])

    def left() -> list[str]:
        with sqlite3.connect(journal.file) as connection:
            return [row for (row,) in connection.execute("SELECT row FROM rejected ORDER BY rowid")]

    scrub(journal.file, mine, [session])
    assert left() == [*kept, *others]
    scrub(journal.file, mine, None)
    assert left() == kept
    journal.close()
