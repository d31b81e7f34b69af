from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from app import erasure
from app.db import EventStore
from app.erasure import Target
from app.ingest.journal import Journal
from app.ingest.rows import Rows
from app.ingest.writer import Writer
from app.settings import Settings
from app.tables import applied_batch, event, revenue
from tests.stores import event_store, rename

WEBSITE = UUID(int=7)


@pytest.fixture
def settings(store: str, make_settings: Callable[..., Settings]) -> Settings:
    return make_settings(store)


@pytest.fixture
def events(settings: Settings) -> Iterator[EventStore]:
    with event_store(settings) as opened:
        yield opened


def rows(*names: str, **changes: object) -> Rows:
    def one(name: str) -> dict[str, object]:
        ids = {"event_id": str(uuid4()), "website_id": str(WEBSITE), "session_id": str(uuid4())}
        row = {**ids, "visit_id": str(uuid4()), "created_at": "2026-11-10T10:00:00.123", "event_type": 2}
        return {**row, "event_name": name, **changes}

    return Rows(event=[one(name) for name in names])


def stored(events: EventStore) -> list[str]:
    query = sa.select(event.c.event_name).where(event.c.website_id == WEBSITE).order_by(event.c.event_name)
    return [name for (name,) in events.rows(query)]


def open_journal(settings: Settings) -> Journal:
    settings.data_dir.mkdir(exist_ok=True)
    return Journal(settings.data_dir / "journal.sqlite", 1 << 20)


def test_a_read_sees_what_was_acknowledged_before_it(settings: Settings, events: EventStore) -> None:
    journal = open_journal(settings)
    writer = Writer(journal, events)
    events.wait_until_fresh = writer.catch_up
    for number in range(20):
        journal.append(rows(f"{number:02}")).result(5)
        assert stored(events) == [f"{n:02}" for n in range(number + 1)]
    writer.close()
    journal.close()


def test_absent_columns_of_older_batches_are_empty_text(settings: Settings, events: EventStore) -> None:
    journal = open_journal(settings)
    journal.append(rows("a")).result(5)
    journal.close()
    journal = open_journal(settings)
    writer = Writer(journal, events)
    events.wait_until_fresh = writer.catch_up
    [(path, city, at)] = events.rows(sa.select(event.c.url_path, event.c.city, event.c.created_at))
    assert (path, city, at.isoformat()) == ("", "", "2026-11-10T10:00:00.123000+00:00")
    writer.close()
    journal.close()


def test_batches_applied_before_a_crash_are_not_applied_again(settings: Settings, events: EventStore) -> None:
    journal = open_journal(settings)
    journal.append(rows("a", "b")).result(5)
    [batch] = journal.read(0, 10)
    # The process dies after the store's commit and before the journal forgets the batch.
    events.apply(journal.id, batch.number, {"event": f"[{batch.rows['event']}]"})
    writer = Writer(journal, events)
    events.wait_until_fresh = writer.catch_up
    journal.append(rows("c")).result(5)
    assert stored(events) == ["a", "b", "c"]
    writer.close()
    journal.close()


def test_rows_the_store_refuses_are_kept_aside_and_hold_nothing_up(
    settings: Settings, events: EventStore
) -> None:
    journal = open_journal(settings)
    good = rows("good")
    bad = rows("bad", created_at="no time at all")
    journal.append(Rows(event=good.event + bad.event)).result(5)
    writer = Writer(journal, events)
    events.wait_until_fresh = writer.catch_up
    assert stored(events) == ["good"]
    assert journal.rejected() == 1
    [(table, row)] = journal._reading.execute("SELECT target, row FROM rejected").fetchall()
    assert (table, "no time at all" in row) == ("event", True)
    writer.close()
    journal.close()


def test_a_row_that_is_refused_alone_holds_nothing_up_either(settings: Settings, events: EventStore) -> None:
    journal = open_journal(settings)
    journal.append(rows("bad", created_at="no time at all")).result(5)
    writer = Writer(journal, events)
    events.wait_until_fresh = writer.catch_up
    assert stored(events) == []
    assert (journal.rejected(), writer.problem) == (1, "")
    journal.append(rows("good")).result(5)
    assert stored(events) == ["good"]
    writer.close()
    journal.close()


def test_a_store_that_is_down_loses_nothing(settings: Settings, events: EventStore) -> None:
    journal = open_journal(settings)
    rename(events, "event", "event_away")
    writer = Writer(journal, events)
    journal.append(rows("a")).result(5)
    deadline = time.monotonic() + 10
    while not writer.problem and time.monotonic() < deadline:
        time.sleep(0.01)
    assert "event store refuses events" in writer.problem
    writer.catch_up()  # does not wait for a store that is known to be down
    rename(events, "event_away", "event")
    while writer.problem and time.monotonic() < deadline:
        time.sleep(0.01)
    assert stored(events) == ["a"]
    assert journal.rejected() == 0
    writer.close()
    journal.close()


def test_applied_batches_leave_the_journal(store: str, settings: Settings, events: EventStore) -> None:
    journal = open_journal(settings)
    writer = Writer(journal, events)
    journal.append(rows("a")).result(5)
    writer.catch_up()
    # An embedded store might still lose what is only in its log, so the batch stays until a checkpoint.
    assert len(journal.read(0, 10)) == (1 if store == "duckdb" else 0)
    writer.close()
    assert journal.read(0, 10) == []
    journal.close()


def _flip_a_late_bit(log: bytes) -> bytes:
    return log[:-10] + bytes([log[-10] ^ 1]) + log[-9:]


@pytest.mark.parametrize(
    ("damage", "moved_aside"),
    [
        (_flip_a_late_bit, True),  # DuckDB refuses to open with it
        (lambda log: log[:-5], False),  # DuckDB ignores what it cannot read
        (lambda log: b"this is no log" * 100, False),
    ],
    ids=["flipped", "cut", "nonsense"],
)
def test_a_lost_duckdb_log_is_made_good_from_the_journal(
    make_settings: Callable[..., Settings],
    tmp_path: Path,
    damage: Callable[[bytes], bytes],
    moved_aside: bool,
) -> None:
    settings = make_settings("duckdb")
    journal = open_journal(settings)
    with event_store(settings) as events:
        writer = Writer(journal, events)
        events.wait_until_fresh = writer.catch_up
        journal.append(rows("a", "b")).result(5)
        assert stored(events) == ["a", "b"]
        # What a crash leaves: the database file as of the last checkpoint, its log, and the journal.
        for name in ("events.duckdb", "events.duckdb.wal", "journal.sqlite", "journal.sqlite-wal"):
            shutil.copy(settings.data_dir / name, tmp_path / name)
        writer.close()
    journal.close()
    wal = tmp_path / "events.duckdb.wal"
    damaged = damage(wal.read_bytes())
    wal.write_bytes(damaged)

    crashed = settings.model_copy(update={"data_dir": tmp_path})
    journal = open_journal(crashed)
    with event_store(crashed) as events:
        aside = tmp_path / "events.duckdb.wal.quarantined-1"
        assert aside.exists() == moved_aside
        if moved_aside:
            assert aside.read_bytes() == damaged
        writer = Writer(journal, events)
        events.wait_until_fresh = writer.catch_up
        assert stored(events) == ["a", "b"]
        writer.close()
    journal.close()
    with event_store(crashed) as events:
        assert stored(events) == ["a", "b"]


def test_the_number_of_a_write_is_known_once_what_was_accepted_is_stored(
    settings: Settings, events: EventStore
) -> None:
    journal = open_journal(settings)
    writer = Writer(journal, events)
    events.wait_until_fresh = writer.catch_up
    money = {
        "website_id": str(WEBSITE),
        "currency": "USD",
        "revenue": "1.0000",
        "created_at": "2026-11-10T10:00:00.000",
    }
    ids = {name: str(uuid4()) for name in ("session_id", "visit_id", "event_id")}
    journal.append(Rows(event=rows("a").event, revenue=[{**money, **ids}])).result(5)
    assert events.wait_until_settled()
    with events.standing_still() as upto:
        pass
    journal.append(rows("later")).result(5)
    assert erasure.remove_few(events, Target(WEBSITE, upto=upto)) == 3
    assert stored(events) == ["later"]
    assert events.rows(sa.select(revenue.c.event_id)) == []
    writer.close()
    journal.close()


def test_what_a_store_that_was_opened_anew_lacks_is_applied_again(
    settings: Settings, events: EventStore
) -> None:
    """Its log may be lost when it is opened anew in a process that goes on, as when it is in one that starts."""
    journal = open_journal(settings)
    writer = Writer(journal, events)
    events.wait_until_fresh = writer.catch_up
    journal.append(rows("a")).result(5)
    assert stored(events) == ["a"]
    with events.engine.begin() as connection:
        for table in (event, applied_batch):
            connection.execute(table.delete().where(sa.true()))
    writer._resume()
    assert journal.read(0, 9) != [] or not events.embedded
    if events.embedded:
        journal.append(rows("b")).result(5)
        assert stored(events) == ["a", "b"]
    writer.close()
    journal.close()
