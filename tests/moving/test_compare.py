"""Comparing two stores, which ends every move."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from app import cli_move, moving
from app.context import Runtime
from app.db import EventStore
from app.errors import Conflict
from app.services import open_accounts_runtime
from app.settings import Settings
from app.tables import event, event_data, revenue, session_data, visit_part
from tests.moving.conftest import CROWDED, ODD, contents, quietly
from tests.stores import event_store


@pytest.fixture(scope="module")
def runtime_of(make_settings: Callable[..., Settings]) -> Iterator[Callable[[EventStore], Runtime]]:
    made = open_accounts_runtime(make_settings("duckdb"))
    yield lambda store: Runtime(made.settings, made.keys, made.accounts, store)
    made.close()


def test_stores_that_hold_the_same_say_the_same(
    original: EventStore,
    filled: Callable[[str], EventStore],
    runtime_of: Callable[[EventStore], Runtime],
    store: str,
) -> None:
    found = moving.compare(runtime_of(original), runtime_of(filled(store)), quietly)
    assert found.differences == []
    assert [(one.of, one.websites) for one in found.compared] == [
        ("event", 5),
        ("event_data", 4),
        ("session_data", 5),
        ("revenue", 2),
        ("visit_part", 5),
        ("months", 5),
    ]
    sums = {one.of: one.sums for one in found.compared}
    rows = contents(original)
    assert {table: sums[table]["rows"] for table in sums if "rows" in sums[table]} == {
        table: len(rows[table]) for table in ("event", "event_data", "session_data", "revenue")
    }
    assert sums["months"]["months"] == 4
    assert sums["event"]["views"] == sums["visit_part"]["views"] == sums["months"]["pageviews"]
    assert sums["event"]["events"] == sums["visit_part"]["events"] == sums["months"]["events"]


def test_each_difference_is_named(
    original: EventStore,
    make_settings: Callable[..., Settings],
    runtime_of: Callable[[EventStore], Runtime],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    original.copy_to(tmp_path / "copy.duckdb")
    changes = [
        event.update().where(event.c.website_id == ODD, event.c.url_path == "%%{}").values(url_path="%{}"),
        event_data.update()
        .where(event_data.c.website_id == ODD, event_data.c.data_key == "key.14")
        .values(number_value=Decimal("0.0002")),
        session_data.update().where(session_data.c.version == 2**62).values(version=2**61),
        revenue.delete().where(revenue.c.revenue == Decimal("0.0001")),
        visit_part.update()
        .where(
            visit_part.c.website_id == CROWDED,
            visit_part.c.half_hour == dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        )
        .values(visit_id=CROWDED),
    ]
    with event_store(make_settings("duckdb", events_url=f"duckdb:///{tmp_path}/copy.duckdb")) as here:
        with here.connected() as connection:
            for change in changes:
                assert connection.execute(change).rowcount > 0
            connection.commit()
        found = moving.compare(runtime_of(original), runtime_of(here), quietly)
    assert {(one.website_id, one.of, one.figure) for one in found.differences} == {
        (ODD, "event", "letters"),
        (ODD, "event_data", "sum"),
        (ODD, "session_data", "first version"),
        (ODD, "revenue", "rows"),
        (ODD, "revenue", "sum"),
        (ODD, "revenue", "letters"),
        (CROWDED, "2026-01", "visits"),
        (CROWDED, "2026-01", "bounces"),
        (CROWDED, "2026-01", "totaltime"),
    }
    with pytest.raises(Conflict, match=r"^9 figures differ: do not use the destination"):
        cli_move._judge(found)
    said = " ".join(capsys.readouterr().out.split())
    assert f"website {ODD}, revenue: rows is 3 in the source and 2 in the destination" in said
