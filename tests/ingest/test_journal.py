import asyncio
import json
import sqlite3
from pathlib import Path

import pytest

from app.errors import Unavailable
from app.ingest.journal import Journal
from app.ingest.rows import Rows


def rows(*names: str) -> Rows:
    return Rows(event=[{"event_name": name} for name in names])


def names(journal: Journal, after: int = 0) -> list[str]:
    text = ",".join(filter(None, (batch.rows["event"] for batch in journal.read(after, 1000))))
    return [row["event_name"] for row in json.loads(f"[{text}]")]


def test_what_is_acknowledged_is_there_after_reopening(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.sqlite", 1 << 20)
    assert journal.append(rows("a")).result(5) == 1
    assert journal.append(rows("b", "c")).result(5) == 2
    identity = journal.id
    journal.close()
    again = Journal(tmp_path / "j.sqlite", 1 << 20)
    assert again.id == identity
    assert again.last == 2
    assert names(again) == ["a", "b", "c"]
    assert names(again, after=1) == ["b", "c"]
    assert again.append(rows("d")).result(5) == 3
    again.close()


def test_requests_that_wait_together_share_a_commit_in_order(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.sqlite", 1 << 20)
    # While another connection holds the write lock, appended rows gather behind the first.
    blocker = sqlite3.connect(tmp_path / "j.sqlite", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    written = [journal.append(rows(str(number))) for number in range(50)]
    blocker.execute("ROLLBACK")
    blocker.close()
    numbers = {future.result(10) for future in written}
    assert len(numbers) <= 2
    assert names(journal) == [str(number) for number in range(50)]
    journal.close()


def test_it_refuses_more_than_its_bound_and_takes_again_after_applying(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.sqlite", 200)
    journal.append(rows("x" * 100)).result(5)
    with pytest.raises(Unavailable, match="wait for the event store"):
        journal.append(rows("y" * 100))
    assert names(journal) == ["x" * 100]
    journal.applied(journal.read(0, 10))
    assert journal.unapplied_bytes == 0
    journal.append(rows("y" * 100)).result(5)
    assert names(journal) == ["x" * 100, "y" * 100]
    journal.close()


def test_a_caller_that_goes_away_does_not_stop_the_journal(tmp_path: Path) -> None:
    # A socket closed while its hit waits cancels the task that waits for the future.
    journal = Journal(tmp_path / "j.sqlite", 1 << 20)
    future = journal.append(rows("a"))
    assert not future.cancel()
    assert future.result(5) == 1
    assert journal.append(rows("b")).result(5) == 2
    assert journal.alive
    assert names(journal) == ["a", "b"]
    journal.close()


async def _written(journal: Journal, *names: str) -> list[int]:
    loop = asyncio.get_running_loop()
    return await asyncio.gather(*(journal.append_from(loop, rows(name)) for name in names))


def test_what_one_turn_of_an_event_loop_appends_is_one_commit(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.sqlite", 1 << 20)
    assert asyncio.run(_written(journal, "a", "b", "c")) == [1, 1, 1]
    assert asyncio.run(_written(journal, "d")) == [2]
    assert names(journal) == ["a", "b", "c", "d"]
    journal.close()


def test_a_loop_that_ends_before_its_rows_are_written_keeps_no_other_waiting(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.sqlite", 1 << 20)
    gone = asyncio.new_event_loop()
    journal.append_from(gone, rows("a"))
    gone.close()
    assert asyncio.run(_written(journal, "b")) == [1]
    assert names(journal) == ["a", "b"]
    assert journal.alive
    journal.close()


def test_a_task_that_is_cancelled_cancels_nobody_else_in_its_commit(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.sqlite", 1 << 20)

    async def one_leaves() -> int:
        loop = asyncio.get_running_loop()
        journal.append_from(loop, rows("leaves")).cancel()
        return await journal.append_from(loop, rows("stays"))

    assert asyncio.run(one_leaves()) == 1
    assert names(journal) == ["leaves", "stays"]
    journal.close()


def test_an_event_loop_is_told_what_cannot_be_written(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.sqlite", 1 << 20)
    pages = journal._writing.execute("PRAGMA page_count").fetchone()[0]
    journal._writing.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(Unavailable, match="cannot be written"):
        asyncio.run(_written(journal, "x" * 100_000))
    assert journal.unapplied_bytes == 0
    journal.close()
    with pytest.raises(Unavailable, match="stopping"):
        asyncio.run(_written(journal, "y"))


def test_texts_beyond_ascii_are_counted_in_bytes_both_ways(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.sqlite", 1 << 20)
    for _ in range(5):
        journal.append(rows("出汁" * 20)).result(5)
    journal.applied(journal.read(0, 100))
    assert journal.unapplied_bytes == 0
    journal.close()


def test_reading_stops_at_a_bound_of_bytes_but_goes_on(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.sqlite", 1 << 20)
    for name in "abc":
        journal.append(rows(name * 100)).result(5)
    assert [batch.number for batch in journal.read(0, 100, most_bytes=1)] == [1]
    assert [batch.number for batch in journal.read(1, 100, most_bytes=150)] == [2, 3]
    journal.close()


def test_bound_counts_what_an_earlier_process_left(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.sqlite", 1 << 20)
    journal.append(rows("é" * 50)).result(5)
    held = journal.unapplied_bytes
    journal.close()
    again = Journal(tmp_path / "j.sqlite", 1 << 20)
    assert again.unapplied_bytes == held
    again.close()


def test_a_journal_that_cannot_be_written_says_so_and_recovers(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.sqlite", 1 << 20)
    # The real failure of a full disk: SQLite may not grow the file.
    pages = journal._writing.execute("PRAGMA page_count").fetchone()[0]
    journal._writing.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(Unavailable, match="cannot be written"):
        journal.append(rows("x" * 100_000)).result(5)
    assert journal.unapplied_bytes == 0
    journal._writing.execute("PRAGMA max_page_count=100000")
    journal.append(rows("fits")).result(5)
    assert names(journal) == ["fits"]
    journal.close()


def test_dropped_batches_are_gone_and_numbers_go_on(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.sqlite", 1 << 20)
    for name in "abc":
        journal.append(rows(name)).result(5)
    journal.drop(3)
    journal.close()
    again = Journal(tmp_path / "j.sqlite", 1 << 20)
    assert names(again) == []
    again.start_after(3)
    assert again.append(rows("d")).result(5) == 4
    again.close()


def test_one_process_holds_a_journal(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.sqlite", 1 << 20)
    with pytest.raises(Unavailable, match="held by another process"):
        Journal(tmp_path / "j.sqlite", 1 << 20)
    journal.close()


def test_nothing_is_taken_after_closing(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.sqlite", 1 << 20)
    written = journal.append(rows("a"))
    journal.close()
    assert written.result(0) == 1
    with pytest.raises(Unavailable, match="stopping"):
        journal.append(rows("b"))


def test_what_the_store_has_does_not_count_as_waiting(tmp_path: Path) -> None:
    """After a kill the journal still holds what was applied: hits were refused for want of room that there was."""
    journal = Journal(tmp_path / "j.sqlite", 1 << 20)
    for name in ("a", "b", "c"):
        journal.append(rows(name)).result(5)
    journal.close()
    again = Journal(tmp_path / "j.sqlite", 1 << 20)
    each = again.unapplied_bytes // 3
    assert each > 0
    again.start_after(2)
    assert again.unapplied_bytes == each
    again.start_after(3)
    assert again.unapplied_bytes == 0
    again.close()
