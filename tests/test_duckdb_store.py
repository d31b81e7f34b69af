from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa

from app.engines import duckdb_file
from app.errors import Unavailable
from app.settings import Settings
from app.tables import applied_batch
from tests.stores import event_store


def test_a_log_is_written_back_once_the_last_write_is_cleared_away(
    make_settings: Callable[..., Settings],
) -> None:
    with event_store(make_settings("duckdb")) as events:
        events.apply(uuid4(), 1, {})
        with events.engine.connect() as other, ThreadPoolExecutor(1) as pool:
            # As the writer marks what it has applied: of what DuckDB waits for, this is what happens all the time.
            other.execute(applied_batch.update().values(batch=2))
            waiting = pool.submit(events.checkpoint)
            with pytest.raises(TimeoutError):
                waiting.result(0.3)
            other.commit()
            assert waiting.result(10) is True
        # In a log that is written back there is nothing.
        log = Path(f"{events.engine.url.database}.wal")
        assert not log.exists() or log.stat().st_size == 0


def test_a_copy_that_is_no_longer_wanted_or_cannot_be_written_leaves_nothing(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = make_settings("duckdb")
    with event_store(settings) as store:
        store.engine.connect().exec_driver_sql(
            "INSERT INTO applied_batch SELECT uuid(), range, 0 FROM range(5000000)"
        ).connection.commit()
        for file, wanted in ((tmp_path / "copy", lambda: False), (tmp_path / "no" / "copy", lambda: True)):
            with pytest.raises(Unavailable, match="could not be copied"):
                store.copy_to(file, wanted)
        assert list(tmp_path.iterdir()) == []
        # The store is as it was, and can be copied.
        store.checkpoint()
        store.copy_to(tmp_path / "copy")
    copied = settings.model_copy(update={"events_url": f"duckdb:///{tmp_path / 'copy'}"})
    with event_store(copied) as opened, opened.connected() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM applied_batch").scalar() == 5_000_000


def test_while_the_store_is_copied_others_write_and_its_log_stays(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = make_settings("duckdb")
    checkpoints: list[bool] = []
    with event_store(settings) as store:
        with store.engine.begin() as connection:
            connection.exec_driver_sql("INSERT INTO applied_batch SELECT uuid(), 0, 0 FROM range(1000000)")

        def meanwhile() -> bool:
            checkpoints.append(store.checkpoint(wait=False))
            store.apply(uuid4(), 1, {})
            return True

        store.copy_to(tmp_path / "copy", meanwhile)
        assert set(checkpoints) == {False}
        assert store.checkpoint(wait=False)
        count = sa.text(
            "SELECT count(*) FILTER (WHERE batch = 0), count(*) FILTER (WHERE batch = 1) FROM applied_batch"
        )
        with store.engine.connect() as connection:
            assert tuple(connection.execute(count).one()) == (1_000_000, len(checkpoints))
    engine = duckdb_file(tmp_path / "copy")
    with engine.connect() as connection:
        before, after = connection.execute(count).one()
    engine.dispose()
    assert before == 1_000_000
    assert after <= len(checkpoints)
