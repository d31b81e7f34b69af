from __future__ import annotations

from pathlib import Path

from app.ingest.journals import open_journals
from tests.ingest.test_journal import names, rows


def test_a_second_process_gets_a_journal_of_its_own(tmp_path: Path) -> None:
    first, _ = open_journals(tmp_path, 1 << 20)
    second, left = open_journals(tmp_path, 1 << 20)
    assert first.id != second.id
    assert left == []
    second.append(rows("left over")).result(5)
    second.close()
    first.close()
    # Only one process starts now: it takes over what the second left.
    only, left = open_journals(tmp_path, 1 << 20)
    assert only.id == first.id
    assert [names(journal) for journal in left] == [["left over"]]
    for journal in (only, *left):
        journal.close()
