"""A journal file with destroyed pages: all else that it holds is there again."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import orjson
import pytest

from app.ingest.journal import Journal
from app.ingest.rows import Rows

PAGE = 4096
GARBAGE = bytes(range(256)) * (PAGE // 256)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A journal of small batches and of some that take several pages, and of refused rows."""
    journal = Journal(tmp_path / "journal-1.sqlite", 1 << 30)
    for number in range(60):
        event = {"event_id": f"e{number}", "website_id": "w", "title": f"título {number}" * (number % 7 * 90)}
        data = [{"event_id": f"e{number}", "website_id": "w", "data_key": "k", "string_value": str(number)}]
        journal.append(Rows(event=[event], event_data=data)).result(5)
    journal.drop(3)
    journal.reject([("event", '{"a": 1}', "no")])
    journal.close()
    return tmp_path / "journal-1.sqlite"


def contents(file: Path) -> tuple[object, dict[int, dict[str, str]], list[object]]:
    """(id, rows by batch, refused rows) of a journal that is opened for it."""
    journal = Journal(file, 1 << 30)
    held = {batch.number: batch.rows for batch in journal.read(0, 1000, 1 << 30)}
    journal.close()
    connection = sqlite3.connect(file)
    refused = connection.execute("SELECT * FROM rejected").fetchall()
    connection.close()
    return (
        journal.id,
        held,
        [tuple(str(x, "utf-8") if isinstance(x, bytes) else x for x in r) for r in refused],
    )


def destroy(file: Path, *pages: int) -> bytes:
    data = bytearray(file.read_bytes())
    for page in pages:
        data[(page - 1) * PAGE : page * PAGE] = GARBAGE
    file.write_bytes(data)
    return bytes(data)


@pytest.mark.parametrize("pages", [(1,), (2,), (3,), (1, 2, 3)], ids=str)
def test_pages_that_hold_no_batches(file: Path, pages: tuple[int, ...]) -> None:
    """The header, the id, and the root of the batches: the id is in the lock file too."""
    before = contents(file)
    assert set(before[1]) == set(range(4, 61))
    damaged = destroy(file, *pages)
    assert contents(file) == before
    aside = file.with_name("journal-1.sqlite.damaged-1")
    assert aside.read_bytes() == damaged
    assert contents(file) == before
    assert not file.with_name("journal-1.sqlite.damaged-2").exists()


def test_each_page_in_turn(file: Path) -> None:
    """At most those batches are less that the page had a part of; what was altered is told from rows, and kept aside."""
    before = contents(file)[1]
    whole = file.read_bytes()
    for page in range(4, len(whole) // PAGE + 1):
        file.write_bytes(whole)
        destroy(file, page)
        _, after, _ = contents(file)
        assert after.keys() <= before.keys()
        changed = [number for number in before if after.get(number) != before[number]]
        assert len(changed) <= 20, page
        for number in set(changed) & after.keys():
            for text in after[number].values():
                if text not in ("", *before[number].values()):
                    with pytest.raises(orjson.JSONDecodeError):
                        orjson.loads(f"[{text}]")
