"""A store with all kinds of rows, to be moved, and the same in each kind of store."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4, uuid5

import orjson
import pytest
import sqlalchemy as sa

from app import moving
from app.db import EventStore
from app.demo import fill
from app.folding import fold_parts
from app.services import open_runtime
from app.settings import Settings
from app.tables import DATA_TABLES, visit_part
from tests.conftest import STORES
from tests.stores import event_store

# Rows of a chunk: few, so that there are many chunks.
ROWS = 300
ODD = UUID("00000000-0000-4000-8000-00000000000d")
CROWDED = UUID("ffffffff-0000-4000-8000-00000000000c")
JOURNAL = UUID("11111111-2222-4333-8444-555555555555")
_DAY = "2026-02-28T23:59:59.999"


def quietly(what: str, done: int, total: int) -> None:
    assert done <= total


def odd_rows() -> dict[str, list[dict[str, Any]]]:
    """Rows of two websites: texts, numbers and times as they seldom are, and more events of one instant than a chunk has."""
    texts = [
        "",
        " ",
        "'\"\\",
        "a\tb\r\nc",
        "é é",
        "🦆👩‍👩‍👧",
        "\u200f\u202e",
        "\uffff\ufeff",
        "\\u0000",
        "%%{}",
        "x" * 500,
    ]
    odd = {
        "website_id": str(ODD),
        "session_id": str(uuid5(ODD, "session")),
        "visit_id": str(uuid5(ODD, "visit")),
    }
    events = [
        {**odd, "event_id": str(uuid5(ODD, str(n))), "created_at": _DAY, "event_type": 1 + n % 2}
        | {
            "event_name": text if n % 2 else "",
            "url_path": text,
            "page_title": text,
            "city": text,
            "tag": text,
        }
        for n, text in enumerate(texts)
    ]
    # Exact to the microsecond, as no hit is, but a store holds it.
    events[0]["created_at"] = "2025-12-31T23:59:59.999999"
    values: list[dict[str, Any]] = [
        {"data_type": 1, "string_value": text, "number_value": None, "date_value": None} for text in texts
    ]
    values += [
        {"data_type": 2, "string_value": number, "number_value": number, "date_value": None}
        for number in (
            "0.0000",
            "-999999999999999.9999",
            "999999999999999.9999",
            "0.0001",
            "123456789012345.6789",
        )
    ]
    values += [
        {"data_type": 4, "string_value": at, "number_value": None, "date_value": at}
        for at in ("0001-01-01T00:00:00.000", "9999-12-31T23:59:59.999", "1969-12-31T23:59:59.001")
    ]
    data = [
        {**odd, "event_id": events[0]["event_id"], "created_at": _DAY, "url_path": "/", "event_name": "n"}
        | {"data_key": f"key.{n}", **value}
        for n, value in enumerate(values)
    ]
    session = [
        {"website_id": str(ODD), "session_id": odd["session_id"], "distinct_id": "🦆", "created_at": _DAY}
        | {"version": 2**62 + n, "data_key": f"key.{n % 3}", **value}
        for n, value in enumerate(values)
    ]
    money = [
        {**odd, "event_id": events[1]["event_id"], "created_at": _DAY, "event_name": "n", "country": ""}
        | {"currency": "EUR", "revenue": amount}
        for amount in ("0.0001", "999999999999999.9999", "-0.0100")
    ]
    crowd = [
        {
            "event_id": str(uuid4()),
            "website_id": str(CROWDED),
            "session_id": str(uuid5(CROWDED, str(n % 300))),
            "visit_id": str(uuid5(CROWDED, f"visit {n % 300}")),
            "created_at": "2026-01-01T00:00:00.000"
            if 50 <= n < 700
            else f"2026-01-0{1 + n // 700}T12:00:00.{n % 1000:03}",
            "event_type": 1,
            "url_path": "/",
        }
        for n in range(800)
    ]
    # Alike in each column: which of them a chunk has does not matter, how many it has does.
    crowd += [crowd[60]] * 350
    session += [
        {"website_id": str(CROWDED), "session_id": str(uuid5(CROWDED, str(n % 260))), "created_at": _DAY}
        | {"version": n, "data_key": "plan", "data_type": 1, "string_value": str(n)}
        for n in range(700)
    ]
    # And more of one session than a chunk has.
    session += [{**session[-1], "version": 1000 + n} for n in range(700)]
    return {"event": events + crowd, "event_data": data, "session_data": session, "revenue": money}


@pytest.fixture(scope="session")
def original(make_settings: Callable[..., Settings]) -> Iterator[EventStore]:
    """A DuckDB store with a day of the demo's traffic and odd rows."""
    runtime, _ = open_runtime(make_settings("duckdb"))
    fill(runtime, dt.datetime(2026, 11, 26, tzinfo=dt.UTC), days=1)
    rows = {table: orjson.dumps(found).decode() for table, found in odd_rows().items()}
    runtime.events.apply(JOURNAL, 77, rows)
    yield runtime.events
    runtime.close()


@pytest.fixture(scope="session")
def fresh(make_settings: Callable[..., Settings]) -> Iterator[Callable[[str], EventStore]]:
    """`fresh("postgresql")`: a store that is empty."""
    with ExitStack() as opened:
        yield lambda store: opened.enter_context(event_store(make_settings(store)))


@pytest.fixture(scope="session")
def filled(original: EventStore, fresh: Callable[[str], EventStore]) -> Callable[[str], EventStore]:
    """`filled("postgresql")`: such a store with all that the original has, moved there. It is for reading."""
    made: dict[str, EventStore] = {"duckdb": original}

    def of(store: str) -> EventStore:
        if store not in made:
            made[store] = fresh(store)
            moving.move(original, made[store], quietly, ROWS)
        return made[store]

    return of


def contents(store: EventStore) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables, in one order for all engines, whatever write stored them; parts of visits as one each."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    with store.connected() as connection:
        for table in (*DATA_TABLES, visit_part):
            rows = fold_parts(visit_part) if table is visit_part else sa.select(table)
            columns = [
                column
                for column in rows.subquery().columns
                if column.name in table.c and column.name != "stored_in"
            ]
            read = connection.execute(sa.select(*sorted(columns, key=lambda column: column.name)))
            found[str(table.name)] = sorted((tuple(map(_plain, row)) for row in read), key=repr)
    return found


def _plain(value: Any) -> Any:
    return value.normalize() if isinstance(value, Decimal) else value


PAIRS = [(one, other) for one in STORES for other in STORES if one != other]
